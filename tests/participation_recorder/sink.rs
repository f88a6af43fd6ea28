//! A sink that does as it is told.

use std::collections::HashMap;

use async_trait::async_trait;
use downbeat::participation::{Batch, Kind, NotKept, Sink};
use parking_lot::Mutex;

#[derive(Clone, Copy, Debug, Default)]
pub enum Answer {
    #[default]
    Ok,
    Unavailable,
    Full,
    Never,
    Panic,
}

#[derive(Default)]
pub struct Shelf {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    batches: Vec<Batch>,
    answer: Answer,
    of_tenant: HashMap<String, Answer>,
}

impl Shelf {
    pub fn answers(&self, answer: Answer) {
        self.state.lock().answer = answer;
    }

    pub fn answers_to(&self, tenant: &str, answer: Answer) {
        self.state.lock().of_tenant.insert(tenant.to_owned(), answer);
    }

    /// What was kept, in order.
    pub fn batches(&self) -> Vec<Batch> {
        self.state.lock().batches.clone()
    }

    pub fn events(&self) -> usize {
        self.state.lock().batches.iter().map(|batch| batch.events.len()).sum()
    }

    /// What was told of losses: session and number.
    pub fn missing(&self) -> Vec<(String, u64)> {
        let batches = self.batches();
        let told = batches.iter().flat_map(|batch| &batch.events).filter(|event| event.kind == Kind::EVENTS_MISSING);
        told.map(|event| {
            let count = event.details.as_ref().and_then(|details| details["count"].as_u64());
            (event.session.to_string(), count.expect("a count"))
        })
        .collect()
    }
}

#[async_trait]
impl Sink for Shelf {
    async fn keep(&self, batch: &Batch) -> Result<(), NotKept> {
        let answer = {
            let mut state = self.state.lock();
            let answer = state.of_tenant.get(&*batch.tenant).copied().unwrap_or(state.answer);
            if matches!(answer, Answer::Ok) {
                state.batches.push(batch.clone());
            }
            answer
        };
        match answer {
            Answer::Ok => Ok(()),
            Answer::Unavailable => Err(NotKept::Unavailable("out".to_owned())),
            Answer::Full => Err(NotKept::Full { max: "nothing".to_owned() }),
            Answer::Never => std::future::pending().await,
            Answer::Panic => panic!("a sink that fails"),
        }
    }
}
