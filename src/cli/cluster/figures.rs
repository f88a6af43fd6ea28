//! What a node says of itself on its metrics address.

use std::time::Duration;

use serde::Serialize;

/// How long a node may take; what is dead shall not hold up the others' answer.
const PATIENCE: Duration = Duration::from_millis(800);
/// The longest exposition that is read.
const BYTES_MAX: usize = 4 << 20;
const LATENESS: &str = "downbeat_beat_lateness_seconds";

/// Figures of a node since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// How late beats were handed to the sockets, at the 99th percentile, in milliseconds; none before the first beat.
    pub beat_late_p99_ms: Option<f64>,
    /// Rooms that play on without their conductor there, now.
    pub rooms_in_holdover: Option<u64>,
    /// Whether the node says that it is ready.
    pub ready: Option<bool>,
}

impl Figures {
    /// Asks the node whose metrics stand at `address`; none where they cannot be had.
    pub async fn of(client: &reqwest::Client, address: &str) -> Option<Self> {
        let url = format!("http://{address}/metrics");
        let mut response = client.get(url).timeout(PATIENCE).send().await.ok()?.error_for_status().ok()?;
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if text.len() + chunk.len() > BYTES_MAX {
                return None;
            }
            text.extend_from_slice(&chunk);
        }
        Some(Self::read(std::str::from_utf8(&text).ok()?))
    }

    /// Reads an exposition in Prometheus' text form.
    pub fn read(exposition: &str) -> Self {
        let samples = || exposition.lines().filter_map(|line| line.rsplit_once(' '));
        let value =
            |name: &str| samples().find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<f64>().ok());
        let buckets = samples().filter_map(|(key, count)| {
            let le = key.strip_prefix(LATENESS)?.strip_prefix("_bucket{le=\"")?.strip_suffix("\"}")?;
            Some((le.parse::<f64>().unwrap_or(f64::INFINITY), count.parse::<f64>().ok()?))
        });
        Self {
            beat_late_p99_ms: quantile(&buckets.collect::<Vec<_>>(), 0.99).map(|s| s * 1e3),
            rooms_in_holdover: value("downbeat_rooms_in_holdover").map(|rooms| rooms as u64),
            ready: value("downbeat_ready").map(|ready| ready > 0.0),
        }
    }
}

/// A quantile of a histogram of (upper bound, how many up to it), ascending, as Prometheus' `histogram_quantile`
/// computes it: evenly spread within its bucket, and the last finite bound beyond that.
fn quantile(buckets: &[(f64, f64)], q: f64) -> Option<f64> {
    let total = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let rank = q * total;
    let mut below = (0.0, 0.0);
    for &(bound, count) in buckets {
        if count >= rank {
            if bound.is_infinite() {
                return Some(below.0);
            }
            let share = if count > below.1 { (rank - below.1) / (count - below.1) } else { 1.0 };
            return Some(below.0 + (bound - below.0) * share);
        }
        below = (bound, count);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let buckets = [(0.001, 50.0), (0.002, 100.0), (f64::INFINITY, 100.0)];
        assert_eq!(quantile(&buckets, 0.5), Some(0.001));
        let p99 = quantile(&buckets, 0.99).unwrap();
        assert!((p99 - 0.001_98).abs() < 1e-9, "{p99}");
        let late = [(0.001, 1.0), (f64::INFINITY, 100.0)];
        assert_eq!(quantile(&late, 0.99), Some(0.001), "beyond the last bound nothing is known");
        assert_eq!(quantile(&[(0.001, 0.0), (f64::INFINITY, 0.0)], 0.99), None);
    }

    #[test]
    fn figures_are_read_from_what_prometheus_reads() {
        let metrics = crate::telemetry::Metrics::new();
        assert_eq!(Figures::read(&metrics.exposition()).beat_late_p99_ms, None, "before the first beat");
        (0..1_000).for_each(|_| metrics.beat_lateness_seconds.observe(0.000_3));
        metrics.rooms_in_holdover.set(2);
        metrics.ready.set(1);
        let figures = Figures::read(&metrics.exposition());
        assert_eq!((figures.rooms_in_holdover, figures.ready), (Some(2), Some(true)));
        let p99 = figures.beat_late_p99_ms.unwrap();
        assert!((0.25..=0.5).contains(&p99), "{p99} ms");
    }
}
