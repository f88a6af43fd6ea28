//! Who is present on a topic, on all nodes, as one of them knows it. PURE.
//!
//! A connection's presence is written by its home alone, and every change has a higher version than the one before: so
//! whatever is heard late, twice, or read from the store while it changes, the higher version is the truth.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    protocol::presence::{Meta, Presences},
    store::{Home, PresenceRecord, PresenceWrite},
};

/// The most connections that are present on one topic.
pub const PRESENCES_MAX: usize = 1_000;
/// The most that the present show of themselves together, in bytes of JSON: whoever joins is told all of it.
pub const SHOWN_BYTES_MAX: usize = 384 * 1024;
/// What stands around a presence's key and fields, in bytes.
const AROUND_BYTES: usize = 96;
/// How long it is remembered that a connection is gone, after which nothing older about it is on its way any more.
const REMEMBERED_US: i64 = 60_000_000;

/// There is no room for one more presence, or for more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("PresenceLimitReached: Too many presences on this topic")]
pub struct TopicIsFull;

/// What one node knows of a topic's presences. Times are boot-time µs of that node.
#[derive(Debug, Default)]
pub struct Roll {
    shown: Presences,
    standings: HashMap<u64, Standing>,
    present: usize,
    /// What they show, in bytes.
    shown_bytes: usize,
}

/// What is known of one connection.
#[derive(Debug)]
struct Standing {
    version: u64,
    /// None: it is gone.
    record: Option<PresenceRecord>,
    changed_us: i64,
}

impl Roll {
    /// What a connection's next change has to say: its presence under `key`, or, without `fields`, that it has none.
    /// None where that would change nothing.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn change(
        &self,
        home: &Home,
        connection: u64,
        key: &Arc<str>,
        fields: Option<Arc<str>>,
    ) -> Result<Option<PresenceWrite>, TopicIsFull> {
        let standing = self.standings.get(&connection);
        let (version, before) = standing.map_or((0, None), |standing| (standing.version, standing.record.as_ref()));
        let version = version + 1;
        let record = match (fields, before) {
            (None, None) => return Ok(None),
            (None, Some(_)) => None,
            (Some(fields), Some(before)) if before.fields == fields => return Ok(None),
            (Some(fields), before) => {
                let shown_before = before.map_or(0, shown);
                let is_too_much =
                    self.shown_bytes - shown_before + key.len() + fields.len() + AROUND_BYTES > SHOWN_BYTES_MAX;
                if is_too_much || (before.is_none() && self.present >= PRESENCES_MAX) {
                    return Err(TopicIsFull);
                }
                let replaces = before.map(|before| before.version);
                Some(PresenceRecord { connection, version, replaces, home: home.clone(), key: key.clone(), fields })
            }
        };
        Ok(Some(PresenceWrite { connection, version, record }))
    }

    /// Takes in one change; false where something later is known.
    pub fn take_in(&mut self, change: &PresenceWrite, now_us: i64) -> bool {
        let before = self.standings.get(&change.connection);
        if before.is_some_and(|before| before.version >= change.version) {
            return false;
        }
        let record = change.record.clone().filter(|_| self.has_room(before));
        let standing = Standing { version: change.version, record, changed_us: now_us };
        self.put(change.connection, standing);
        true
    }

    /// Takes in what another process says of a connection. True where it is one of `own`, this process, that is present
    /// whatever others have made of it, as they do who took this process for dead: that is said anew, above their word,
    /// and they and the store have to learn it.
    pub fn hear(&mut self, change: &PresenceWrite, own: &Home, now_us: i64) -> bool {
        let standing = self.standings.get(&change.connection);
        let mine = standing.and_then(|standing| standing.record.as_ref()).filter(|record| record.home == *own);
        // Of one version, others take a burial for later than what was said here.
        let is_contradicted = |mine: &&PresenceRecord| {
            mine.version < change.version || (mine.version == change.version && change.record.is_none())
        };
        let Some(mine) = mine.filter(is_contradicted) else {
            self.take_in(change, now_us);
            return false;
        };
        let anew = said_anew(mine.clone(), change.version + 1);
        self.take_in(&anew, now_us)
    }

    /// Takes in all that the store holds, which was asked for at `asked_us`. What others had then and the store has not
    /// any more is gone. Answers the connections of `own`, this process, that the store is wrong about.
    pub fn reconcile(&mut self, stored: &[PresenceRecord], asked_us: i64, own: &Home, now_us: i64) -> Vec<u64> {
        let mut wrong = Vec::new();
        for record in stored {
            let (connection, version) = (record.connection, record.version);
            if record.home != *own {
                self.take_in(&PresenceWrite { connection, version, record: Some(record.clone()) }, now_us);
            } else if self.standings.get(&connection).is_none_or(|known| known.version > version) {
                // A topic that was left and entered again has forgotten whom it had.
                self.take_in(&PresenceWrite { connection, version: version + 1, record: None }, now_us);
                wrong.push(connection);
            }
        }
        let in_store: BTreeSet<u64> = stored.iter().map(|record| record.connection).collect();
        let not_in_store = |(connection, standing): (&u64, &Standing)| {
            let home = standing.record.as_ref().map(|record| &record.home)?;
            let is_missing = !in_store.contains(connection) && (home == own || standing.changed_us < asked_us);
            is_missing.then_some((*connection, home == own))
        };
        let missing: Vec<(u64, bool)> = self.standings.iter().filter_map(not_in_store).collect();
        for (connection, is_own) in missing {
            if is_own {
                wrong.push(connection);
            } else {
                self.take_out(connection);
            }
        }
        wrong
    }

    /// Everybody whose process is gone leaves. Answers their connections: the store has to learn of it.
    pub fn bury(&mut self, is_gone: impl Fn(&Home) -> bool, now_us: i64) -> Vec<u64> {
        let mut homes: HashMap<&Home, bool> = HashMap::new();
        let mut gone = Vec::new();
        for (connection, standing) in &self.standings {
            let Some(record) = &standing.record else { continue };
            if *homes.entry(&record.home).or_insert_with(|| is_gone(&record.home)) {
                gone.push(PresenceWrite { connection: *connection, version: standing.version + 1, record: None });
            }
        }
        self.take_in_own(gone, now_us)
    }

    /// Says anew who of this process is present: after others have taken it for dead, and have buried its presences
    /// under the next version. Answers the connections.
    pub fn reassert(&mut self, own: &Home, now_us: i64) -> Vec<u64> {
        let mine = |standing: &Standing| standing.record.clone().filter(|record| record.home == *own);
        let records: Vec<PresenceRecord> = self.standings.values().filter_map(mine).collect();
        let anew = records.into_iter().map(|record| {
            let version = record.version + 2;
            said_anew(record, version)
        });
        self.take_in_own(anew.collect(), now_us)
    }

    fn take_in_own(&mut self, changes: Vec<PresenceWrite>, now_us: i64) -> Vec<u64> {
        changes.iter().for_each(|change| {
            self.take_in(change, now_us);
        });
        changes.into_iter().map(|change| change.connection).collect()
    }

    /// What this process has to say of one of its connections, as it is now.
    pub fn write_of(&self, connection: u64) -> Option<PresenceWrite> {
        self.standings.get(&connection).map(|standing| standing.as_write(connection))
    }

    /// The connections of this process that are present.
    pub fn of(&self, own: &Home) -> Vec<u64> {
        let mine = |(connection, standing): (&u64, &Standing)| {
            standing.record.as_ref().is_some_and(|record| record.home == *own).then_some(*connection)
        };
        self.standings.iter().filter_map(mine).collect()
    }

    /// Everybody, in Phoenix' form.
    pub fn state_json(&mut self) -> String {
        self.shown.state_json()
    }

    /// Whether anything has changed that nobody was told of yet.
    pub fn has_diff(&self) -> bool {
        self.shown.has_diff()
    }

    /// What changed since the last call, in Phoenix' form.
    pub fn take_diff(&mut self) -> Option<String> {
        self.shown.take_diff_json()
    }

    /// Forgets who has long been gone.
    pub fn forget(&mut self, now_us: i64) {
        self.standings.retain(|_, standing| standing.record.is_some() || now_us - standing.changed_us < REMEMBERED_US);
    }

    /// A neighbour that does not keep the limit costs its own newcomers their place, nobody else.
    fn has_room(&self, before: Option<&Standing>) -> bool {
        let is_known = before.is_some_and(|before| before.record.is_some());
        is_known || (self.present < 2 * PRESENCES_MAX && self.shown_bytes < 2 * SHOWN_BYTES_MAX)
    }

    fn put(&mut self, connection: u64, standing: Standing) {
        if let Some(record) = &standing.record {
            self.present += 1;
            self.shown_bytes += shown(record);
            self.shown.join(&record.key, meta(record));
        }
        let before = self.standings.insert(connection, standing);
        self.hide(before);
    }

    /// Whatever its home says of it next counts.
    fn take_out(&mut self, connection: u64) {
        let before = self.standings.remove(&connection);
        self.hide(before);
    }

    fn hide(&mut self, before: Option<Standing>) {
        if let Some(record) = before.and_then(|before| before.record) {
            self.present -= 1;
            self.shown_bytes -= shown(&record);
            self.shown.leave(&record.key, &phx_ref(record.connection, record.version));
        }
    }
}

impl Standing {
    fn as_write(&self, connection: u64) -> PresenceWrite {
        PresenceWrite { connection, version: self.version, record: self.record.clone() }
    }
}

/// What of the bytes that may be shown a presence takes.
fn shown(record: &PresenceRecord) -> usize {
    record.key.len() + record.fields.len() + AROUND_BYTES
}

/// The same presence, under a later version.
fn said_anew(record: PresenceRecord, version: u64) -> PresenceWrite {
    let record = PresenceRecord { version, replaces: Some(record.version), ..record };
    PresenceWrite { connection: record.connection, version, record: Some(record) }
}

/// The same on every node.
fn phx_ref(connection: u64, version: u64) -> String {
    format!("{connection:x}.{version:x}")
}

fn meta(record: &PresenceRecord) -> Meta {
    // It was an object when it was tracked.
    let fields: Map<String, Value> = serde_json::from_str(&record.fields).unwrap_or_default();
    let previous = record.replaces.map(|version| phx_ref(record.connection, version));
    Meta::new(&phx_ref(record.connection, record.version), previous.as_deref(), fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn home(node: &str) -> Home {
        Home { node: node.into(), process: 1 }
    }

    fn track(roll: &mut Roll, node: &str, connection: u64, fields: Value) -> PresenceWrite {
        let fields = fields.to_string().into();
        let change =
            roll.change(&home(node), connection, &"ada".into(), Some(fields)).expect("room").expect("a change");
        assert!(roll.take_in(&change, 0));
        change
    }

    fn state(roll: &mut Roll) -> Value {
        serde_json::from_str(&roll.state_json()).expect("JSON")
    }

    fn diff(roll: &mut Roll) -> Option<Value> {
        roll.take_diff().map(|diff| serde_json::from_str(&diff).expect("JSON"))
    }

    #[test]
    fn a_changed_track_is_one_diff_with_the_new_meta_joining_and_the_old_one_leaving() {
        let mut roll = Roll::default();
        track(&mut roll, "a", 255, json!({ "x": 1 }));
        assert_eq!(
            diff(&mut roll),
            Some(json!({ "joins": { "ada": { "metas": [{ "x": 1, "phx_ref": "ff.1" }] } }, "leaves": {} }))
        );
        track(&mut roll, "a", 255, json!({ "x": 2 }));
        let joins = json!({ "ada": { "metas": [{ "x": 2, "phx_ref": "ff.2", "phx_ref_prev": "ff.1" }] } });
        let leaves = json!({ "ada": { "metas": [{ "x": 1, "phx_ref": "ff.1" }] } });
        assert_eq!(diff(&mut roll), Some(json!({ "joins": joins, "leaves": leaves })));
        assert_eq!(diff(&mut roll), None);
    }

    #[test]
    fn the_same_track_again_changes_nothing_and_an_untrack_takes_it_away() {
        let mut roll = Roll::default();
        track(&mut roll, "a", 1, json!({ "x": 1 }));
        assert_eq!(roll.change(&home("a"), 1, &"ada".into(), Some(json!({ "x": 1 }).to_string().into())), Ok(None));
        let untrack = roll.change(&home("a"), 1, &"ada".into(), None).expect("room").expect("a change");
        assert!(roll.take_in(&untrack, 0));
        assert_eq!(state(&mut roll), json!({}));
        assert_eq!(roll.change(&home("a"), 1, &"ada".into(), None), Ok(None));
    }

    #[test]
    fn what_is_heard_late_or_twice_changes_nothing() {
        let (mut here, mut there) = (Roll::default(), Roll::default());
        let first = track(&mut there, "b", 1, json!({ "x": 1 }));
        let second = track(&mut there, "b", 1, json!({ "x": 2 }));
        assert!(here.take_in(&second, 0));
        assert!(!here.take_in(&first, 0) && !here.take_in(&second, 0));
        assert_eq!(
            state(&mut here),
            json!({ "ada": { "metas": [{ "x": 2, "phx_ref": "1.2", "phx_ref_prev": "1.1" }] } })
        );
    }

    #[test]
    fn who_left_while_the_store_was_read_stays_away() {
        let (mut here, mut there) = (Roll::default(), Roll::default());
        let joined = track(&mut there, "b", 1, json!({}));
        let left = there.change(&home("b"), 1, &"ada".into(), None).expect("room").expect("a change");
        here.take_in(&left, 10);
        here.reconcile(&[joined.record.expect("a record")], 5, &home("a"), 20);
        assert!(here.present == 0);
    }

    #[test]
    fn whom_the_store_has_not_any_more_is_gone_unless_he_came_since() {
        let (mut here, mut there) = (Roll::default(), Roll::default());
        let change = track(&mut there, "b", 1, json!({}));
        here.take_in(&change, 10);
        assert!(here.reconcile(&[], 10, &home("a"), 11).is_empty());
        assert!(here.present == 1, "heard while the store was read");
        here.reconcile(&[], 12, &home("a"), 13);
        assert!(here.present == 0);
    }

    #[test]
    fn the_store_is_corrected_about_this_process() {
        let mut roll = Roll::default();
        let mine = track(&mut roll, "a", 1, json!({}));
        let forgotten = PresenceRecord { connection: 9, version: 4, ..mine.record.clone().expect("a record") };
        assert_eq!(roll.reconcile(&[forgotten], 5, &home("a"), 6), [9, 1]);
        assert_eq!(roll.write_of(9), Some(PresenceWrite { connection: 9, version: 5, record: None }));
        assert_eq!(roll.write_of(1), Some(mine));
    }

    #[test]
    fn a_dead_process_takes_its_presences_with_it_and_one_that_was_only_slow_brings_them_back() {
        let (mut here, mut there) = (Roll::default(), Roll::default());
        let change = track(&mut there, "b", 1, json!({}));
        here.take_in(&change, 0);
        track(&mut here, "a", 2, json!({}));
        assert_eq!(here.bury(|home| &*home.node == "b", 0), [1]);
        assert_eq!(here.write_of(1), Some(PresenceWrite { connection: 1, version: 2, record: None }));
        assert_eq!(here.of(&home("a")), [2]);
        assert_eq!(there.reassert(&home("b"), 0), [1]);
        let again = there.write_of(1).expect("it is there");
        assert!(here.take_in(&again, 0), "it counts above the burial");
        assert_eq!(here.of(&home("b")), [1]);
    }

    #[test]
    fn nobody_else_buries_a_presence_of_this_process() {
        let mut roll = Roll::default();
        track(&mut roll, "a", 1, json!({}));
        let burial = PresenceWrite { connection: 1, version: 2, record: None };
        assert!(roll.hear(&burial, &home("a"), 0), "the others have to learn better");
        assert_eq!(roll.write_of(1).map(|write| write.version), Some(3), "above the burial");
        assert!(!roll.hear(&burial, &home("a"), 0), "once");
        let untrack = roll.change(&home("a"), 1, &"ada".into(), None).expect("room").expect("a change");
        roll.take_in(&untrack, 0);
        assert!(!roll.hear(&PresenceWrite { version: 9, ..burial }, &home("a"), 0), "it has gone by itself");
        assert_eq!(roll.present, 0);
    }

    #[test]
    fn a_full_topic_takes_no_newcomer_but_changes_of_who_is_there() {
        let mut roll = Roll::default();
        (0..PRESENCES_MAX as u64).for_each(|connection| {
            track(&mut roll, "a", connection, json!({}));
        });
        assert_eq!(roll.change(&home("a"), 5_000, &"eve".into(), Some("{}".into())), Err(TopicIsFull));
        assert!(
            roll.change(&home("a"), 5, &"ada".into(), Some(r#"{"x":1}"#.into())).is_ok_and(|change| change.is_some())
        );
    }

    #[test]
    fn what_all_show_together_is_bounded_and_who_shows_less_makes_room() {
        let mut roll = Roll::default();
        // A key of three letters, and what stands around.
        let fields = |bytes: usize| json!({ "x": "y".repeat(bytes - 8 - 3 - AROUND_BYTES) });
        (0..32).for_each(|connection| {
            track(&mut roll, "a", connection, fields(SHOWN_BYTES_MAX / 32));
        });
        assert_eq!(roll.shown_bytes, SHOWN_BYTES_MAX);
        let more: Arc<str> = "{}".into();
        assert_eq!(roll.change(&home("a"), 99, &"eve".into(), Some(more.clone())), Err(TopicIsFull));
        track(&mut roll, "a", 5, json!({}));
        assert!(roll.change(&home("a"), 99, &"eve".into(), Some(more)).is_ok());
    }

    #[test]
    fn who_is_long_gone_is_forgotten_and_nobody_else() {
        let mut roll = Roll::default();
        track(&mut roll, "a", 1, json!({}));
        track(&mut roll, "a", 2, json!({}));
        let gone = roll.change(&home("a"), 1, &"ada".into(), None).expect("room").expect("a change");
        roll.take_in(&gone, 0);
        roll.forget(REMEMBERED_US);
        assert_eq!((roll.standings.len(), roll.present), (1, 1));
    }
}
