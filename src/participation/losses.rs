//! Events that could not be kept: counted by session, so that the report of each can say how many it lacks.

use std::{collections::HashMap, sync::Arc};

use super::{Event, Kind, SessionId};

/// Sessions whose losses are told apart. Beyond them only the metric knows.
const SESSIONS_MAX: usize = 10_000;

/// What was lost and has not been told yet.
#[derive(Debug, Default)]
pub(super) struct Losses(HashMap<(Arc<str>, SessionId), Lost>);

/// What one session lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub count: u64,
    /// When the last of them happened.
    pub at_us: i64,
}

impl Losses {
    /// These events were lost. One that was to tell of losses hands its number back. Answers how many are lost anew.
    pub fn add(&mut self, tenant: &Arc<str>, events: &[Event]) -> u64 {
        let mut anew = 0;
        for event in events {
            let told = told_by(event);
            anew += u64::from(told.is_none());
            let key = (tenant.clone(), event.session.clone());
            if self.0.len() >= SESSIONS_MAX && !self.0.contains_key(&key) {
                continue;
            }
            let lost = self.0.entry(key).or_insert(Lost { count: 0, at_us: event.at_us });
            lost.count = lost.count.saturating_add(told.unwrap_or(1));
            lost.at_us = lost.at_us.max(event.at_us);
        }
        anew
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, to be told.
    pub fn take(&mut self) -> impl Iterator<Item = (Arc<str>, SessionId, Lost)> {
        std::mem::take(&mut self.0).into_iter().map(|((tenant, session), lost)| (tenant, session, lost))
    }
}

/// How many losses this event tells of, if it does.
fn told_by(event: &Event) -> Option<u64> {
    (event.kind == Kind::EVENTS_MISSING).then(|| event.details.as_ref()?.get("count")?.as_u64()).flatten()
}
