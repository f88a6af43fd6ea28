//! When a lesson was busy.

use super::{
    figures::{Activity, ActivityBucket, Peak},
    options::Span,
    person::Person,
    statistics::{ms, seconds},
};

/// The length of a peak.
const PEAK_US: i64 = 10_000_000;
const PEAKS: usize = 3;

/// Of the notes of these people, which are in order.
pub(super) fn activity(people: &[&Person], span: &Span) -> Activity {
    let mut buckets: Vec<ActivityBucket> = (0_i64..)
        .take(span.buckets())
        .map(|bucket| ActivityBucket { at_ms: ms(span.opened_us + bucket * span.bucket_us), notes: 0, students: 0 })
        .collect();
    for person in people {
        let mut last = None;
        for bucket in person.notes_us.iter().map(|at_us| span.bucket_of(*at_us)) {
            if let Some(counts) = buckets.get_mut(bucket) {
                counts.notes += 1;
                counts.students += u64::from(last.replace(bucket) != Some(bucket));
            }
        }
    }
    Activity { bucket_s: seconds(span.bucket_us), buckets }
}

/// The windows with the most notes; of equally busy ones the earliest. Each begins with a note, as a busiest one can.
pub(super) fn peaks(people: &[&Person]) -> Vec<Peak> {
    let mut notes_us: Vec<i64> = people.iter().flat_map(|person| &person.notes_us).copied().collect();
    notes_us.sort_unstable();
    let mut windows = Vec::with_capacity(notes_us.len());
    let mut end = 0;
    for (begin, at_us) in notes_us.iter().enumerate() {
        end += notes_us[end..].iter().take_while(|later_us| **later_us - at_us < PEAK_US).count();
        windows.push((*at_us, (end - begin) as u64));
    }
    let mut found: Vec<Peak> = Vec::new();
    while found.len() < PEAKS {
        let Some((at_us, notes)) =
            windows.iter().copied().reduce(|best, other| if other.1 > best.1 { other } else { best })
        else {
            break;
        };
        found.push(Peak { at_ms: ms(at_us), notes });
        windows.retain(|(other_us, _)| (other_us - at_us).abs() >= PEAK_US);
    }
    found
}
