//! One realtime topic as this node knows it: its audience here, who is present everywhere, what was said lately.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};

use super::{TopicAudience, config::Replay, roll::Roll};
use crate::{
    protocol::{Broadcast, TopicKey},
    relay::Presences,
    store::{BROADCASTS_PER_TOPIC, Home, PresenceWrite},
};

/// A topic with connections on this node.
pub struct Topic {
    key: TopicKey,
    audience: Arc<dyn TopicAudience>,
    state: Mutex<TopicState>,
    /// Held by whoever reads the presences: the others wait for the same.
    pub(super) reading: tokio::sync::Mutex<()>,
}

/// What the lock of a topic guards. Times are boot-time µs.
#[derive(Default)]
pub struct TopicState {
    pub(super) roll: Roll,
    /// The newest broadcasts of a private topic, oldest first: what a newcomer may have missed while it read the store.
    recent: VecDeque<Arc<Broadcast>>,
    /// Up to here there may be broadcasts that were heard, or that were never to be heard here, and are not among the
    /// recent ones; milliseconds since 1970.
    forgotten_ms: i64,
    /// When the store was last read; None before the first time.
    pub(super) read_us: Option<i64>,
    /// Something was missed: the presences have to be read again.
    pub(super) is_stale: bool,
    /// The number of the last word in which this process has told the others of presences here.
    told: u64,
    /// The last word of each of the other processes.
    heard: HashMap<Home, u64>,
    /// Connections whose presence the store has yet to learn.
    unwritten: BTreeSet<u64>,
    /// Somebody is about to write them.
    is_queued: bool,
    /// There is a diff, and somebody is about to send it.
    is_changed: bool,
}

impl Topic {
    /// A topic that this node enters now, by the cluster's clock.
    pub(super) fn new(key: TopicKey, audience: Arc<dyn TopicAudience>, now_us: i64) -> Self {
        // The words of each life of a topic have numbers of their own: they are not taken for those missed of another.
        let (told, forgotten_ms) = (now_us.unsigned_abs(), now_us.div_euclid(1_000) - 1);
        let state = Mutex::new(TopicState { told, forgotten_ms, ..TopicState::default() });
        Self { key, audience, state, reading: tokio::sync::Mutex::default() }
    }

    pub fn key(&self) -> &TopicKey {
        &self.key
    }

    /// While the guard is held nothing is sent to the audience.
    pub fn lock(&self) -> MutexGuard<'_, TopicState> {
        self.state.lock()
    }

    /// From now on this connection hears who comes and goes.
    pub(super) fn enable_presence(&self, connection: u64) {
        let mut state = self.lock();
        self.audience.enable_presence(connection, &mut || state.presence_state());
    }

    /// Sends a broadcast to everybody here; one of a private topic only if it was not heard before.
    pub(super) fn deliver(&self, from: Option<u64>, broadcast: &Arc<Broadcast>) {
        let mut state = self.lock();
        if !self.key.private || state.remember(broadcast) {
            self.audience.broadcast(from, broadcast);
        }
    }

    /// What the store holds and other nodes have said since this one has entered the topic is heard here, too: it is on
    /// its way, and a newcomer that is told of it again must not hear it once more when it comes.
    pub(super) fn catch_up(&self, stored: &[Broadcast]) {
        let mut state = self.lock();
        for broadcast in stored.iter().cloned().map(Arc::new) {
            if broadcast.at_ms > state.forgotten_ms && state.remember(&broadcast) {
                self.audience.broadcast(None, &broadcast);
            }
        }
    }

    /// Sends what has changed among the presences since the last time.
    pub(super) fn send_diff(&self) {
        let mut state = self.lock();
        state.is_changed = false;
        if let Some(diff) = state.roll.take_diff() {
            self.audience.presence_diff(&diff);
        }
    }
}

impl TopicState {
    /// The payload of `presence_state`.
    pub fn presence_state(&mut self) -> String {
        self.roll.state_json()
    }

    /// Remembers a broadcast of a private topic; false where it is remembered already.
    fn remember(&mut self, broadcast: &Arc<Broadcast>) -> bool {
        if self.recent.iter().any(|recent| recent.id == broadcast.id) {
            return false;
        }
        self.recent.push_back(broadcast.clone());
        if self.recent.len() > BROADCASTS_PER_TOPIC
            && let Some(forgotten) = self.recent.pop_front()
        {
            self.forgotten_ms = self.forgotten_ms.max(forgotten.at_ms);
        }
        true
    }

    /// What a newcomer is to be told again: of what the store held, and of what was said since, the newest.
    pub fn replayed(&self, stored: Vec<Broadcast>, replay: Replay) -> Vec<Arc<Broadcast>> {
        let mut all: Vec<Arc<Broadcast>> = stored.into_iter().map(Arc::new).collect();
        let is_new = |said: &&Arc<Broadcast>| said.at_ms >= replay.since_ms && !all.iter().any(|old| old.id == said.id);
        let since: Vec<Arc<Broadcast>> = self.recent.iter().filter(is_new).cloned().collect();
        all.extend(since);
        all.sort_by_key(|broadcast| broadcast.at_ms);
        all.split_off(all.len().saturating_sub(replay.limit))
    }

    /// Takes in what another process says. Answers the connections of `own`, this process, about which the others and the
    /// store have to learn better.
    pub(super) fn hear(&mut self, presences: &Presences, own: &Home, boot_us: i64) -> Vec<u64> {
        let last = self.heard.insert(presences.home.clone(), presences.serial);
        // Nor does anybody know what was said before the first word that is heard.
        self.is_stale |= last.is_none_or(|last| last + 1 != presences.serial);
        let changes = presences.changes.iter().filter(|change| self.roll.hear(change, own, boot_us));
        changes.map(|change| change.connection).collect()
    }

    /// True when nobody was told yet that there is a diff.
    pub(super) fn note_change(&mut self) -> bool {
        !std::mem::replace(&mut self.is_changed, true)
    }

    /// The store has to learn of these connections. True when nobody was told yet.
    pub(super) fn queue(&mut self, connections: impl IntoIterator<Item = u64>) -> bool {
        self.unwritten.extend(connections);
        !self.unwritten.is_empty() && !std::mem::replace(&mut self.is_queued, true)
    }

    /// What the store has to learn; it is then written, and [`TopicState::written`] called.
    pub(super) fn take_unwritten(&mut self) -> Vec<PresenceWrite> {
        let connections = std::mem::take(&mut self.unwritten);
        connections.into_iter().filter_map(|connection| self.roll.write_of(connection)).collect()
    }

    /// The number of the next word in which the others are told what the store has learnt.
    pub(super) fn next_word(&mut self) -> u64 {
        self.told += 1;
        self.told
    }

    /// The store has learnt it. True when there is more to write.
    pub(super) fn written(&mut self) -> bool {
        self.is_queued = !self.unwritten.is_empty();
        self.is_queued
    }

    /// The store has not learnt it.
    pub(super) fn not_written(&mut self, changes: &[PresenceWrite]) {
        self.unwritten.extend(changes.iter().map(|change| change.connection));
    }

    /// Forgets processes that are no more.
    pub(super) fn forget_homes(&mut self, is_gone: impl Fn(&Home) -> bool) {
        self.heard.retain(|home, _| !is_gone(home));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::broadcast::Body;

    fn said(id: &str, at_ms: i64) -> Broadcast {
        Broadcast { event: "e".into(), body: Body::Json("1".into()), id: Some(id.into()), at_ms }
    }

    fn ids(state: &TopicState, stored: Vec<Broadcast>, since_ms: i64, limit: usize) -> Vec<String> {
        let replayed = state.replayed(stored, Replay { since_ms, limit });
        replayed.iter().filter_map(|broadcast| broadcast.id.clone()).collect()
    }

    #[test]
    fn a_newcomer_is_told_again_what_was_said_while_it_read_the_store_and_nothing_twice() {
        let recent = [said("b", 2), said("c", 3)].map(Arc::new).into();
        let state = TopicState { recent, ..TopicState::default() };
        assert_eq!(ids(&state, vec![said("a", 1), said("b", 2)], 0, 25), ["a", "b", "c"]);
        assert_eq!(ids(&state, vec![said("b", 2)], 2, 1), ["c"]);
        assert_eq!(ids(&state, vec![], 3, 25), ["c"]);
    }

    #[test]
    fn a_missed_word_of_another_process_makes_the_presences_stale() {
        let [own, home] = ["a", "b"].map(|node| Home { node: node.into(), process: 1 });
        let word = |serial| Presences { home: home.clone(), serial, changes: Vec::new() };
        let mut state = TopicState::default();
        state.hear(&word(4), &own, 0);
        assert!(std::mem::take(&mut state.is_stale), "nobody knows what was said before");
        state.hear(&word(5), &own, 0);
        assert!(!state.is_stale);
        state.hear(&word(7), &own, 0);
        assert!(state.is_stale);
    }
}
