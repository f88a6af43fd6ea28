//! The few statistics that the reports are made of, and how their results are rounded.

/// The middle value; of an even number, halfway between the two in the middle. None of no values. Puts them in order.
#[must_use]
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(values.len() / 2 - 1)?;
    Some(lower + (upper - lower) / 2.0)
}

/// By how much a series grows from one of its points to the next, as the median of the slopes between any two points:
/// a single odd point does not turn it. None of fewer than three points.
///
/// H. Theil, *A rank-invariant method of linear and polynomial regression analysis* (1950); P. K. Sen, *Estimates of
/// the regression coefficient based on Kendall's tau*, JASA 63 (1968).
///
/// `points` are (number of the session, value), each number once.
#[must_use]
pub fn theil_sen_slope(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < 3 {
        return None;
    }
    let mut slopes: Vec<f64> = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    for (at, (x, y)) in points.iter().enumerate() {
        slopes.extend(points[at + 1..].iter().map(|(later_x, later_y)| (later_y - y) / (later_x - x)));
    }
    slopes.retain(|slope| slope.is_finite());
    median(&mut slopes)
}

/// Rounded to so many decimals, as a report shows it; never −0.
pub(super) fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale + 0.0
}

/// Seconds, to the millisecond.
pub(super) fn seconds(us: i64) -> f64 {
    rounded(us as f64 / 1e6, 3)
}

/// Whole milliseconds, downwards.
pub(super) fn ms(us: i64) -> i64 {
    us.div_euclid(1_000)
}

/// `part / whole`, to four decimals; none of nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| rounded(part as f64 / whole as f64, 4))
}
