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

/// The most that a newcomer is told again, in bytes of bodies: less than what may wait for a socket.
const REPLAY_BYTES_MAX: usize = 256 * 1024;
/// For how long a broadcast that a newcomer was told from the store may still be on its way from another node.
const ON_ITS_WAY_US: i64 = 10_000_000;
/// How many are remembered of those, the newest: each broadcast is looked for among them.
const RETOLD_MAX: usize = 2_000;

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
    /// Broadcasts of a private topic that the store may not hold yet, or that were heard since a newcomer has begun to
    /// read it; oldest first.
    recent: VecDeque<Recent>,
    /// Joins that are about to be told what they missed.
    newcomers: usize,
    /// What newcomers were told from the store; it may come once more, from the node where it was said.
    retold: VecDeque<Retold>,
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

struct Recent {
    broadcast: Arc<Broadcast>,
    /// It is on its way to the store.
    is_pending: bool,
}

struct Retold {
    id: Option<String>,
    connection: u64,
    at_us: i64,
}

/// A join that is to be told what it missed: from before it reads the store until it is told.
pub(super) struct Newcomer(Arc<Topic>);

impl Topic {
    /// A topic that this node enters now, by the cluster's clock.
    pub(super) fn new(key: TopicKey, audience: Arc<dyn TopicAudience>, now_us: i64) -> Self {
        // The words of each life of a topic have numbers of their own: they are not taken for those missed of another.
        let state = Mutex::new(TopicState { told: now_us.unsigned_abs(), ..TopicState::default() });
        Self { key, audience, state, reading: tokio::sync::Mutex::default() }
    }

    pub fn key(&self) -> &TopicKey {
        &self.key
    }

    /// While the guard is held nothing is sent to the audience.
    pub fn lock(&self) -> MutexGuard<'_, TopicState> {
        self.state.lock()
    }

    /// Somebody is about to read the store for what it has missed.
    pub(super) fn newcomer(self: &Arc<Self>) -> Newcomer {
        self.lock().newcomers += 1;
        Newcomer(self.clone())
    }

    /// From now on this connection hears who comes and goes, the present state first.
    pub(super) fn enable_presence(&self, connection: u64) {
        self.audience.enable_presence(connection);
    }

    /// Sends a broadcast to everybody here. `is_pending`: it was said here, and is on its way to the store.
    pub(super) fn deliver(&self, from: Option<u64>, broadcast: &Arc<Broadcast>, is_pending: bool, boot_us: i64) {
        let mut state = self.lock();
        if is_pending || state.newcomers > 0 {
            state.recent.push_back(Recent { broadcast: broadcast.clone(), is_pending });
            state.forget_broadcasts();
        }
        let told = state.take_told(broadcast, boot_us);
        self.audience.broadcast(from, &told, broadcast);
    }

    /// The store holds the broadcast now, or never will.
    pub(super) fn kept(&self, broadcast: &Broadcast) {
        let mut state = self.lock();
        let found = state.recent.iter_mut().find(|recent| recent.broadcast.id == broadcast.id);
        found.into_iter().for_each(|recent| recent.is_pending = false);
        state.forget_broadcasts();
    }

    /// Sends what has changed among the presences since the last time, and the whole to whoever waits for it.
    pub(super) fn send_presences(&self) {
        let mut state = self.lock();
        state.is_changed = false;
        if let Some(diff) = state.roll.take_diff() {
            self.audience.presence_diff(&diff);
        }
        self.audience.presence_state(&mut || state.roll.state_json());
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.newcomers -= 1;
        state.forget_broadcasts();
    }
}

impl TopicState {
    /// The payload of `presence_state`; none where a diff is about to be sent, and then the state after it.
    pub fn presence_state(&mut self) -> Option<String> {
        (!self.roll.has_diff()).then(|| self.roll.state_json())
    }

    /// What the newcomer on this connection is to be told again: of what the store held, and of what was said since, the
    /// newest.
    pub fn retell(
        &mut self,
        connection: u64,
        stored: Vec<Broadcast>,
        replay: Replay,
        boot_us: i64,
    ) -> Vec<Arc<Broadcast>> {
        let mut all: Vec<Arc<Broadcast>> = stored.into_iter().map(Arc::new).collect();
        let is_new = |said: &&Arc<Broadcast>| said.at_ms >= replay.since_ms && !all.iter().any(|old| old.id == said.id);
        let since: Vec<Arc<Broadcast>> =
            self.recent.iter().map(|recent| &recent.broadcast).filter(is_new).cloned().collect();
        all.extend(since);
        // An id begins with its time in µs.
        all.sort_by(|a, b| (a.at_ms, &a.id).cmp(&(b.at_ms, &b.id)));
        let mut bytes = 0;
        let fits = |broadcast: &&Arc<Broadcast>| {
            bytes += broadcast.body.len();
            bytes <= REPLAY_BYTES_MAX
        };
        let count = all.iter().rev().take(replay.limit).take_while(fits).count();
        let newest = all.split_off(all.len() - count);
        let retold = newest.iter().map(|told| Retold { id: told.id.clone(), connection, at_us: boot_us });
        self.retold.extend(retold);
        self.forget_retold(boot_us);
        newest
    }

    /// The connections that were told of a broadcast before it came.
    fn take_told(&mut self, broadcast: &Broadcast, boot_us: i64) -> Vec<u64> {
        self.forget_retold(boot_us);
        let told: Vec<u64> = self.told_of(broadcast).collect();
        if !told.is_empty() {
            self.retold.retain(|retold| retold.id != broadcast.id);
        }
        told
    }

    pub(super) fn forget_retold(&mut self, boot_us: i64) {
        let surplus = self.retold.len().saturating_sub(RETOLD_MAX);
        let late = self.retold.iter().take_while(|retold| boot_us - retold.at_us > ON_ITS_WAY_US).count();
        self.retold.drain(..surplus.max(late));
        if self.retold.is_empty() {
            self.retold = VecDeque::new();
        }
    }

    fn told_of(&self, broadcast: &Broadcast) -> impl Iterator<Item = u64> {
        let of_it = self.retold.iter().filter(|retold| retold.id.is_some() && retold.id == broadcast.id);
        of_it.map(|retold| retold.connection)
    }

    /// What the store holds is remembered for newcomers alone, and no more of it than they may be told.
    fn forget_broadcasts(&mut self) {
        let kept = self.recent.iter().filter(|recent| !recent.is_pending).count();
        let mut surplus = if self.newcomers == 0 { kept } else { kept.saturating_sub(BROADCASTS_PER_TOPIC) };
        self.recent.retain(|recent| {
            let goes = !recent.is_pending && surplus > 0;
            surplus -= usize::from(goes);
            !goes
        });
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

    /// The number of the next word in which the others are told of presences here.
    pub(super) fn next_word(&mut self) -> u64 {
        self.told += 1;
        self.told
    }

    /// The store has learnt it. Whether there is more to write.
    pub(super) fn written(&mut self) -> bool {
        self.is_queued = !self.unwritten.is_empty();
        self.is_queued
    }

    /// The store has not learnt it.
    pub(super) fn not_written(&mut self, changes: &[PresenceWrite]) {
        self.unwritten.extend(changes.iter().map(|change| change.connection));
    }

    /// Nobody knows what of it the store has learnt.
    pub(super) fn write_failed(&mut self, own: &Home) {
        self.is_queued = false;
        self.unwritten.extend(self.roll.of(own));
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

    fn recent(broadcast: Broadcast) -> Recent {
        Recent { broadcast: Arc::new(broadcast), is_pending: false }
    }

    fn ids(state: &mut TopicState, stored: Vec<Broadcast>, since_ms: i64, limit: usize) -> Vec<String> {
        let told = state.retell(1, stored, Replay { since_ms, limit }, 0);
        told.iter().filter_map(|broadcast| broadcast.id.clone()).collect()
    }

    #[test]
    fn a_newcomer_is_told_again_what_was_said_while_it_read_the_store_and_nothing_twice() {
        let mut state = TopicState { recent: [said("b", 2), said("c", 3)].map(recent).into(), ..TopicState::default() };
        assert_eq!(ids(&mut state, vec![said("a", 1), said("b", 2)], 0, 25), ["a", "b", "c"]);
        assert_eq!(ids(&mut state, vec![said("b", 2)], 2, 1), ["c"]);
        assert_eq!(ids(&mut state, vec![], 3, 25), ["c"]);
    }

    #[test]
    fn the_newest_are_told_though_all_were_said_within_one_millisecond() {
        let all = ["a", "b", "c", "d"].map(|id| said(id, 7));
        let mut state = TopicState { recent: all.clone().map(recent).into(), ..TopicState::default() };
        assert_eq!(ids(&mut state, all[2..].to_vec(), 0, 2), ["c", "d"]);
    }

    #[test]
    fn a_newcomer_is_told_no_more_than_its_socket_takes() {
        let large = |id| Broadcast { body: Body::Octets(vec![0; REPLAY_BYTES_MAX / 2]), ..said(id, 1) };
        let stored = ["a", "b", "c"].map(large).into();
        assert_eq!(ids(&mut TopicState::default(), stored, 0, 25), ["b", "c"]);
    }

    #[test]
    fn what_was_told_from_the_store_is_not_told_once_more_to_the_same_connection() {
        let mut state = TopicState::default();
        ids(&mut state, vec![said("a", 1)], 0, 25);
        assert!(state.take_told(&said("b", 1), 5).is_empty());
        assert_eq!(state.take_told(&said("a", 1), 5), [1]);
        assert!(state.take_told(&said("a", 1), 5).is_empty(), "it comes once");
        ids(&mut state, vec![said("a", 1)], 0, 25);
        assert!(state.take_told(&said("a", 1), ON_ITS_WAY_US + 1).is_empty(), "so late nothing comes");
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
