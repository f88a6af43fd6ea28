//! What the asker may choose of a session's report.

use super::super::SessionHead;

/// The most buckets that a report is divided into.
const BUCKETS_MAX: i64 = 2_000;
/// About the most that a page shows well: the length of a bucket is chosen so when nobody chooses one.
const BUCKETS_BY_DEFAULT: i64 = 120;
/// Lengths that people count in, seconds.
const BUCKET_LENGTHS_S: [i64; 19] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 172_800, 604_800];
/// A session without an end that has been silent for so long has ended where its last event was: nobody could record
/// its end.
const SILENT_US: i64 = 6 * 3_600_000_000;

/// What the asker may choose, and the moment of asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportOptions {
    /// The length of a bucket of the activity, µs; None: the shortest of 1 s, 2 s, 5 s, 10 s, 15 s, 30 s, 1 min … that
    /// makes at most 120 buckets.
    pub bucket_us: Option<i64>,
    /// µs since 1970: a session that goes on is counted up to here.
    pub now_us: i64,
}

/// The options ask for what no report has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReportOptions {
    #[error("bucket_s must be more than 0")]
    NoBucket,
    #[error("bucket_s must be at least {least_s}: a session of this length is divided into at most 2000 buckets")]
    TooManyBuckets { least_s: i64 },
}

/// From when to when a session is counted, in buckets of which length. All in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub opened_us: i64,
    /// Not before `opened_us`.
    pub end_us: i64,
    pub bucket_us: i64,
    /// Somebody asked for buckets of this length.
    is_bucket_chosen: bool,
}

impl BadReportOptions {
    /// The name of the field that is wrong.
    #[must_use]
    pub fn field(&self) -> &'static str {
        "bucket_s"
    }
}

impl Span {
    pub fn of(head: &SessionHead, options: ReportOptions) -> Result<Self, BadReportOptions> {
        let opened_us = head.opened_at_us;
        let end_us = head.closed_at_us.unwrap_or_else(|| end_of_open(head, options.now_us)).max(opened_us);
        let length_us = end_us.saturating_sub(opened_us);
        let bucket_us = match options.bucket_us {
            None => usual_bucket_us(length_us),
            Some(bucket_us) if bucket_us <= 0 => return Err(BadReportOptions::NoBucket),
            Some(bucket_us) if buckets(length_us, bucket_us) > BUCKETS_MAX => {
                let all_buckets_of_1_s_us = BUCKETS_MAX * 1_000_000;
                return Err(BadReportOptions::TooManyBuckets { least_s: buckets(length_us, all_buckets_of_1_s_us) });
            }
            Some(bucket_us) => bucket_us,
        };
        Ok(Self { opened_us, end_us, bucket_us, is_bucket_chosen: options.bucket_us.is_some() })
    }

    /// The session ended earlier than it was closed.
    pub fn ended_at(self, end_us: i64) -> Self {
        let end_us = self.within(end_us);
        let usual_us = usual_bucket_us(end_us.saturating_sub(self.opened_us));
        Self { end_us, bucket_us: if self.is_bucket_chosen { self.bucket_us } else { usual_us }, ..self }
    }

    /// At least one.
    pub fn buckets(&self) -> usize {
        usize::try_from(buckets(self.end_us.saturating_sub(self.opened_us), self.bucket_us)).unwrap_or(1)
    }

    /// The bucket that a moment falls into; the first or the last for one outside.
    pub fn bucket_of(&self, at_us: i64) -> usize {
        let since_us = at_us.saturating_sub(self.opened_us).max(0);
        usize::try_from(since_us / self.bucket_us).map_or(0, |bucket| bucket.min(self.buckets() - 1))
    }

    pub fn within(&self, at_us: i64) -> i64 {
        at_us.clamp(self.opened_us, self.end_us)
    }
}

fn end_of_open(head: &SessionHead, now_us: i64) -> i64 {
    let silent = now_us.saturating_sub(head.last_event_at_us) > SILENT_US;
    if silent { head.last_event_at_us } else { now_us.max(head.last_event_at_us) }
}

fn buckets(length_us: i64, bucket_us: i64) -> i64 {
    (length_us / bucket_us + i64::from(length_us % bucket_us > 0)).max(1)
}

fn usual_bucket_us(length_us: i64) -> i64 {
    let lengths = BUCKET_LENGTHS_S.map(|seconds| seconds * 1_000_000);
    let fits = lengths.into_iter().find(|bucket_us| buckets(length_us, *bucket_us) <= BUCKETS_BY_DEFAULT);
    fits.unwrap_or_else(|| buckets(length_us, BUCKETS_BY_DEFAULT))
}
