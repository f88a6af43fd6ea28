//! Moments as people write them. All in UTC: what zone a school is in, a report does not know.

const DAY_MS: i64 = 86_400_000;

/// `2026-11-22T16:54:58Z`, to the second.
pub(super) fn iso_time(at_ms: i64) -> String {
    let seconds = at_ms.rem_euclid(DAY_MS) / 1_000;
    format!("{}T{:02}:{:02}:{:02}Z", iso_date(at_ms), seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// `2026-11-22`
pub(super) fn iso_date(at_ms: i64) -> String {
    let (year, month, day) = civil(at_ms.div_euclid(DAY_MS));
    format!("{year:04}-{month:02}-{day:02}")
}

/// When the week began: Monday, 0:00 UTC.
pub(super) fn week_began_ms(at_ms: i64) -> i64 {
    // 1970 began on a Thursday, the fourth day of its week.
    let days = at_ms.div_euclid(DAY_MS);
    (days - (days + 3).rem_euclid(7)) * DAY_MS
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar: H. Hinnant, *chrono-compatible
/// low-level date algorithms*, `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        assert_eq!(iso_time(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso_time(951_782_399_999), "2000-02-28T23:59:59Z");
        assert_eq!(iso_time(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(iso_time(1_767_225_599_000), "2025-12-31T23:59:59Z");
        assert_eq!(iso_date(-1), "1969-12-31");
    }

    #[test]
    fn a_week_begins_on_a_monday() {
        assert_eq!(iso_date(week_began_ms(0)), "1969-12-29");
        let monday = week_began_ms(1_763_829_429_123);
        assert_eq!(iso_time(monday), "2025-11-17T00:00:00Z");
        assert_eq!(week_began_ms(monday), monday);
        assert_eq!(week_began_ms(monday + 7 * DAY_MS - 1), monday);
        assert_eq!(week_began_ms(monday - 1), monday - 7 * DAY_MS);
    }
}
