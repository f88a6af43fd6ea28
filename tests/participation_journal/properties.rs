use downbeat::participation::{EventId, Journal};
use proptest::prelude::*;

use super::samples::{TempFolder, ids, keep_each, note_ids};

/// So small that files change often.
const BYTES_MAX: u64 = 1 << 20;

#[derive(Clone, Debug)]
enum Step {
    Keep(u32),
    /// Reads about so many bytes.
    Read(u64),
    /// Settles what one of the latest readings has shown, if there was one.
    Settle(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..20_u32).prop_map(Step::Keep),
        4 => (1..8_000_u64).prop_map(Step::Read),
        3 => (0..3_usize).prop_map(Step::Settle),
        1 => Just(Step::Reopen),
    ]
}

/// What a journal is to be: a list, of which a beginning is settled.
struct Model {
    kept: u32,
    settled: usize,
    /// Readings of this life of the journal: the place to settle at, and how many events that settles.
    readings: Vec<(u64, usize)>,
}

async fn hold(steps: Vec<Step>) {
    let folder = TempFolder::new();
    let mut journal = folder.open(BYTES_MAX);
    let mut model = Model { kept: 0, settled: 0, readings: Vec::new() };
    for step in steps {
        match step {
            Step::Keep(count) => {
                keep_each(&journal, model.kept..model.kept + count).await;
                model.kept += count;
            }
            Step::Read(bytes_max) => {
                let all = note_ids(0..model.kept);
                match journal.read(bytes_max).await.unwrap() {
                    None => assert_eq!(model.settled, all.len()),
                    Some(chunk) => {
                        let shown = ids(&chunk.batches);
                        assert!(!shown.is_empty());
                        assert_eq!(shown, all[model.settled..model.settled + shown.len()]);
                        model.readings.push((chunk.upto, model.settled + shown.len()));
                    }
                }
            }
            Step::Settle(back) => {
                if let Some((upto, settled)) = model.readings.iter().rev().nth(back).copied() {
                    journal.settle(upto).await.unwrap();
                    model.settled = model.settled.max(settled);
                }
            }
            Step::Reopen => {
                drop(journal);
                journal = folder.open(BYTES_MAX);
                model.readings.clear();
                let waiting = journal.figures().waiting as usize;
                let before = model.settled;
                // A beginning that was settled may come again, of one file at most; what was not comes for certain.
                model.settled = model.kept as usize - waiting;
                assert!(model.settled <= before, "{} events lost", model.settled - before);
            }
        }
        assert_eq!(journal.figures().waiting as usize, model.kept as usize - model.settled);
    }
    assert_eq!(rest(&journal).await, note_ids(model.settled as u32..model.kept));
    assert_eq!(folder.bytes(), 0);
}

async fn rest(journal: &Journal) -> Vec<EventId> {
    ids(&super::samples::drained(journal).await)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn in_whatever_order_things_come_each_event_is_read_in_its_order_until_it_is_settled(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(hold(steps));
    }
}
