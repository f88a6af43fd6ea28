//! Moments as query values name them.

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;
/// The year 9999 is the last that RFC 3339 can write.
const MS_MAX: i64 = 253_402_300_799_999;

/// Reads `2025-11-17`, `2025-11-17T09:30:00Z`, `2025-11-17T09:30:00.5+01:00` (RFC 3339) or ms since 1970, not before it.
/// A day alone is its beginning in UTC. Answers µs since 1970.
pub(super) fn parse(text: &str) -> Option<i64> {
    if text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let ms: i64 = text.parse().ok()?;
        return (ms <= MS_MAX).then_some(ms * 1_000);
    }
    let date = text.get(..10)?;
    let midnight_us = day(date)? * DAY_US;
    let at_us = match text.get(10..)? {
        "" => midnight_us,
        rest => midnight_us + time_of_day(rest)?,
    };
    (at_us >= 0).then_some(at_us)
}

/// Days from 1970-01-01 to `2025-11-17`.
fn day(date: &str) -> Option<i64> {
    let [year, month, day] = numbers(date, b"####-##-##", [(0, 4), (5, 7), (8, 10)])?;
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=length).contains(&day).then(|| days_from_civil(year, month, day))
}

/// H. Hinnant, *chrono-compatible low-level date algorithms*, `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// µs from midnight UTC to `T09:30:00.5+01:00`. A space may stand for the plus: a query is decoded so.
fn time_of_day(text: &str) -> Option<i64> {
    let begins = text.starts_with(['T', 't', ' ']);
    let clock = text.get(1..9).filter(|_| begins)?;
    let [hours, minutes, seconds] = numbers(clock, b"##:##:##", [(0, 2), (3, 5), (6, 8)])?;
    let rest = text.get(9..)?;
    let (fraction_us, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let micros = format!("{:0<6}", rest.get(..digits.min(6))?);
            (if digits == 0 { None } else { micros.parse::<i64>().ok() }?, rest.get(digits..)?)
        }
        None => (0, rest),
    };
    let ahead_us = match zone {
        "Z" | "z" => 0,
        zone => {
            let sign = match zone.bytes().next()? {
                b'+' | b' ' => 1,
                b'-' => -1,
                _ => return None,
            };
            let [hours, minutes] = numbers(zone.get(1..)?, b"##:##", [(0, 2), (3, 5)])?;
            (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60) * SECOND_US)?
        }
    };
    // A leap second is the last second of its minute.
    let is_time = hours < 24 && minutes < 60 && seconds <= 60;
    let of_day_us = (hours * 3_600 + minutes * 60 + seconds.min(59)) * SECOND_US + fraction_us;
    is_time.then_some(of_day_us - ahead_us)
}

/// The numbers at these places, if the text has the shape: `#` is a digit.
fn numbers<const N: usize>(text: &str, shape: &[u8], places: [(usize, usize); N]) -> Option<[i64; N]> {
    let fits = |(byte, sign): (u8, &u8)| if *sign == b'#' { byte.is_ascii_digit() } else { byte == *sign };
    if text.len() != shape.len() || !text.bytes().zip(shape).all(fits) {
        return None;
    }
    // Digits alone, at most four: each is a number.
    Some(places.map(|(from, to)| text[from..to].parse().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_rfc_3339_and_as_milliseconds() {
        for (text, at_ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29", 951_782_400_000),
            ("2025-12-31T23:59:59Z", 1_767_225_599_000),
            ("2025-12-31t23:59:60z", 1_767_225_599_000),
            ("2026-01-01T00:59:59+01:00", 1_767_225_599_000),
            ("2026-01-01T00:59:59 01:00", 1_767_225_599_000),
            ("2025-12-31T20:29:59.25-03:30", 1_767_225_599_250),
            ("1767225599000", 1_767_225_599_000),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Some(at_ms * 1_000), "{text}");
        }
        assert_eq!(parse("1970-01-01T00:00:00.1234569Z"), Some(123_456));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for bad in [
            "",
            "-1",
            "1.5",
            "yesterday",
            "2025-13-01",
            "2025-02-29",
            "2025-1-1",
            "1969-12-31T23:59:59Z",
            "2025-12-31T24:00:00Z",
            "2025-12-31T23:59:59",
            "2025-12-31T23:59:59.Z",
            "2025-12-31T23:59Z",
            "2025-12-31T23:59:59+1",
            "2025-12-31X23:59:59Z",
            "253402300800000",
            "9999999999999999",
            "２０２５-12-31",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
