//! Who was noted where not long ago: of a thousand notes, one or none brings somebody new.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::participation::Event;

/// For so long it is taken to be in the database still. What may take it out, an erasure, is looked for as far back.
const KNOWN_FOR_US: i64 = 60_000_000;
/// Clocks of nodes agree to far less.
const MARGIN_US: i64 = 5_000_000;
/// Pairs of student and session that are remembered, 16 bytes each.
const REMEMBERED_MAX: usize = 50_000;

/// A student in a session.
pub type Attended<'a> = (&'a str, &'a str);

/// Attendance that this process has written a short while ago. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Attendance(Arc<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// Keyed with random numbers: names are the clients' choice.
    hasher: RandomState,
    /// When each was written, by the time of the events themselves, by its hash.
    written: Mutex<HashMap<u64, i64>>,
}

/// What a batch says of attendance.
pub struct News<'a> {
    /// To be written.
    pub attended: BTreeSet<Attended<'a>>,
    hashes: Vec<u64>,
    newest_us: i64,
}

impl Attendance {
    /// From when on erasures have to be known to whoever asks for news of these events.
    pub fn erasures_since(events: &[&Event]) -> i64 {
        let newest_us = events.iter().map(|event| event.at_us).max().unwrap_or_default();
        newest_us - KNOWN_FOR_US - MARGIN_US
    }

    /// Who is to be noted where. `has_erasures`: somebody of the tenant was erased since [`Self::erasures_since`], so what
    /// is remembered may be there no longer.
    pub fn news<'a>(
        &self,
        tenant: &str,
        events: impl Iterator<Item = &'a Event> + Clone,
        has_erasures: bool,
    ) -> News<'a> {
        let newest_us = events.clone().map(|event| event.at_us).max().unwrap_or_default();
        let mut news = News { attended: BTreeSet::new(), hashes: Vec::new(), newest_us };
        let written = self.0.written.lock();
        for event in events {
            let Some(student) = event.student.as_deref() else { continue };
            let session = event.session.as_str();
            let hash = self.0.hasher.hash_one((tenant, student, session));
            let is_known = !has_erasures && written.get(&hash).is_some_and(|at_us| newest_us - at_us < KNOWN_FOR_US);
            if !is_known && news.attended.insert((student, session)) {
                news.hashes.push(hash);
            }
        }
        news
    }

    /// The news is in the database for good.
    pub fn remember(&self, news: &News<'_>) {
        let mut written = self.0.written.lock();
        if written.len() + news.hashes.len() > REMEMBERED_MAX {
            written.retain(|_, at_us| news.newest_us - *at_us < KNOWN_FOR_US);
        }
        if written.len() + news.hashes.len() <= REMEMBERED_MAX {
            written.extend(news.hashes.iter().map(|hash| (*hash, news.newest_us)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::participation::{EventId, Kind, SessionId};

    const SECOND_US: i64 = 1_000_000;

    fn event(student: &str, at_s: i64) -> Event {
        let session = SessionId::parse("MUSIC-1234.643f1c2a5b9d0").expect("a session");
        let at_us = at_s * SECOND_US;
        let id = EventId::new(at_us, 7, 1);
        let (kind, student) = (Kind::JOINED, Some(student.into()));
        Event { id, session, kind, student, actor: None, at_us, run: 0, beat_ub: None, note: None, details: None }
    }

    fn written(attendance: &Attendance, tenant: &str, events: &[Event], has_erasures: bool) -> usize {
        let news = attendance.news(tenant, events.iter(), has_erasures);
        attendance.remember(&news);
        news.attended.len()
    }

    #[test]
    fn somebody_is_noted_once_and_after_a_minute_again() {
        let attendance = Attendance::default();
        assert_eq!(written(&attendance, "acme", &[event("ada", 0), event("ada", 1), event("bob", 1)], false), 2);
        assert_eq!(written(&attendance, "acme", &[event("ada", 2), event("cleo", 2)], false), 1);
        assert_eq!(written(&attendance, "other", &[event("ada", 2)], false), 1, "another school's");
        assert_eq!(written(&attendance, "acme", &[event("ada", 61)], false), 1);
    }

    #[test]
    fn what_is_not_in_the_database_for_sure_is_noted_again() {
        let attendance = Attendance::default();
        let events = [event("ada", 0)];
        assert_eq!(attendance.news("acme", events.iter(), false).attended.len(), 1);
        assert_eq!(written(&attendance, "acme", &events, false), 1, "the first try was not committed");
        assert_eq!(written(&attendance, "acme", &[event("ada", 1)], true), 1, "somebody was erased meanwhile");
    }

    #[test]
    fn erasures_are_looked_for_as_far_back_as_anything_is_remembered() {
        let (old, new) = (event("ada", 10), event("ada", 130));
        assert_eq!(Attendance::erasures_since(&[&old, &new]), 65 * SECOND_US);
    }
}
