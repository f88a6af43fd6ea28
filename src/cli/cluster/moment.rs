//! Moments and spans as people read them.

/// Microseconds since 1970 as `2026-11-22T11:01:30.123Z`.
pub fn utc(us: i64) -> String {
    let (days, ms_of_day) = (us.div_euclid(86_400_000_000), us.rem_euclid(86_400_000_000) / 1_000);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{}Z", of_day(ms_of_day))
}

/// The same without the day.
pub fn time_of_day(us: i64) -> String {
    of_day(us.rem_euclid(86_400_000_000) / 1_000)
}

/// Microseconds as `0.3 s`, `12 s`, `4 min`, `2 h 5 min`, `3 d 4 h`.
pub fn span(us: i64) -> String {
    let s = us.max(0) / 1_000_000;
    match s {
        0..10 => format!("{}.{} s", s, us.max(0) / 100_000 % 10),
        10..120 => format!("{s} s"),
        120..7_200 => format!("{} min", s / 60),
        7_200..172_800 => format!("{} h {} min", s / 3_600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3_600 % 24),
    }
}

fn of_day(ms: i64) -> String {
    let s = ms / 1_000;
    format!("{:02}:{:02}:{:02}.{:03}", s / 3_600, s / 60 % 60, s % 60, ms % 1_000)
}

/// Year, month and day of a day since 1970, in the Gregorian calendar. The year begins in March here, so that the leap
/// day is its last (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_and_a_time() {
        assert_eq!(utc(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(951_782_399_999_000), "2000-02-28T23:59:59.999Z");
        assert_eq!(utc(951_782_400_000_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(utc(1_795_345_290_123_456), "2026-11-22T11:01:30.123Z");
        assert_eq!(time_of_day(1_795_345_290_123_456), "11:01:30.123");
    }

    #[test]
    fn a_span_is_as_long_as_it_needs_to_be() {
        let spans = [(-5, "0.0 s"), (340_000, "0.3 s"), (59_000_000, "59 s"), (150_000_000, "2 min")];
        let longer = [(7_500_000_000, "2 h 5 min"), (273_600_000_000, "3 d 4 h")];
        for (us, text) in spans.into_iter().chain(longer) {
            assert_eq!(span(us), text);
        }
    }
}
