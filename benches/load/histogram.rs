//! The server's own histogram of lateness, as `/metrics` shows it.

/// Cumulative counts by upper bound, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    /// Reads the buckets of the metric `name` that has no other label.
    pub fn read(metrics: &str, name: &str) -> Self {
        let prefix = format!("{name}_bucket{{le=\"");
        let buckets = metrics.lines().filter_map(|line| {
            let (bound, count) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
            Some((bound.parse().ok()?, count.trim().parse().ok()?))
        });
        Self(buckets.collect())
    }

    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.0.iter().map(|bucket| bucket.1);
        let pairs = self.0.iter().zip(before.chain(std::iter::repeat(0.0)));
        Self(pairs.map(|((bound, count), before)| (*bound, count - before)).collect())
    }

    /// The upper bound, in milliseconds, of the bucket in which the share lies; None when nothing was counted.
    pub fn at_most_ms(&self, share: f64) -> Option<f64> {
        let total = self.0.last().filter(|bucket| bucket.1 > 0.0)?.1;
        let bucket = self.0.iter().find(|bucket| bucket.1 >= share * total)?;
        Some(bucket.0 * 1e3)
    }
}
