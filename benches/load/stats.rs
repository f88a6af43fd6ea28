//! Percentiles, medians and slopes.

/// The middle and the far end of a set of delays, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Percentiles {
    /// Nearest rank; all zero when there is nothing.
    pub fn of(delays_us: &mut [i64]) -> Self {
        delays_us.sort_unstable();
        let rank = |share: f64| {
            let at = (share * delays_us.len() as f64).ceil() as usize;
            delays_us.get(at.saturating_sub(1)).copied().unwrap_or_default() as f64
        };
        Self { p50: rank(0.5), p99: rank(0.99), p999: rank(0.999), max: rank(1.0) }
    }
}

/// The middle value; the mean of the two middle ones when they are even in number; 0 when there is none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(value), 1) => *value,
        (Some(value), _) => (value + values[middle - 1]) / 2.0,
    }
}

/// The slope of the least-squares line through `points` of (x, y); None with fewer than two different x.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / count;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / count;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (x, y) in points {
        covariance += (x - mean_x) * (y - mean_y);
        variance += (x - mean_x) * (x - mean_x);
    }
    (variance > 0.0).then(|| covariance / variance)
}
