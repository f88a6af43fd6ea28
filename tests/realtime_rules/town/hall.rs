//! Audiences that write down what each connection is sent, and how a client would understand it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use downbeat::{
    channels::realtime::{TopicAudience, TopicAudiences},
    conductor::{Audience, Audiences},
    protocol::{Broadcast, TopicKey},
    room::RoomKey,
};
use parking_lot::Mutex;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    State(Value),
    Diff(Value),
    Broadcast { event: String, id: Option<String>, replayed: bool },
}

/// What one connection was sent, in order.
#[derive(Default)]
pub struct Ear {
    heard: Mutex<Vec<Heard>>,
    people: Mutex<BTreeMap<String, Vec<Value>>>,
}

/// A key and what it shows, without the refs, sorted.
pub type People = Vec<(String, Value)>;

impl Ear {
    pub fn note(&self, heard: Heard) {
        match &heard {
            Heard::State(state) => *self.people.lock() = by_key(state),
            Heard::Diff(diff) => self.sync(diff),
            Heard::Broadcast { .. } => {}
        }
        self.heard.lock().push(heard);
    }

    /// All since the last call.
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock())
    }

    /// The names of the broadcasts since the last call.
    pub fn broadcasts(&self) -> Vec<String> {
        let name = |heard| match heard {
            Heard::Broadcast { event, .. } => Some(event),
            _ => None,
        };
        self.take().into_iter().filter_map(name).collect()
    }

    /// The diffs since the last call.
    pub fn diffs(&self) -> Vec<Value> {
        let diff = |heard| match heard {
            Heard::Diff(diff) => Some(diff),
            _ => None,
        };
        self.take().into_iter().filter_map(diff).collect()
    }

    /// Who is there as this client has understood it.
    pub fn people(&self) -> People {
        people(&self.people.lock())
    }

    /// What phoenix.js and Supabase's clients do with a diff: joins first, each in place of its like; then leaves.
    fn sync(&self, diff: &Value) {
        let (joins, leaves) = (by_key(&diff["joins"]), by_key(&diff["leaves"]));
        let refs = |metas: &[Value]| metas.iter().map(|meta| meta["phx_ref"].clone()).collect::<Vec<_>>();
        let joined: Vec<Value> = joins.values().flat_map(|metas| refs(metas)).collect();
        let left: Vec<Value> = leaves.values().flat_map(|metas| refs(metas)).collect();
        assert!(joined.iter().all(|phx_ref| !left.contains(phx_ref)), "in joins and in leaves: {diff}");
        assert!(!joined.is_empty() || !left.is_empty(), "a diff that says nothing");
        let mut people = self.people.lock();
        for (key, metas) in joins {
            let known = people.entry(key).or_default();
            known.retain(|meta| !metas.iter().any(|new| new["phx_ref"] == meta["phx_ref"]));
            known.extend(metas);
        }
        for (key, metas) in leaves {
            if let Some(known) = people.get_mut(&key) {
                known.retain(|meta| !metas.iter().any(|gone| gone["phx_ref"] == meta["phx_ref"]));
                if known.is_empty() {
                    people.remove(&key);
                }
            }
        }
    }
}

fn by_key(presences: &Value) -> BTreeMap<String, Vec<Value>> {
    let presences = presences.as_object().expect("presences by key");
    let metas = |presence: &Value| presence["metas"].as_array().expect("metas").clone();
    presences.iter().map(|(key, presence)| (key.clone(), metas(presence))).collect()
}

fn people(by_key: &BTreeMap<String, Vec<Value>>) -> People {
    let bare = |meta: &Value| {
        let mut meta = meta.as_object().expect("a meta is an object").clone();
        assert!(meta.remove("phx_ref").is_some_and(|phx_ref| phx_ref.is_string()), "every meta has its ref");
        meta.remove("phx_ref_prev");
        Value::Object(meta)
    };
    let metas = by_key.iter().flat_map(|(key, metas)| metas.iter().map(|meta| (key.clone(), bare(meta))));
    let mut people: People = metas.collect();
    people.sort_by_key(|(key, meta)| (key.clone(), meta.to_string()));
    people
}

struct Subscriber {
    connection: u64,
    hears_itself: bool,
    hears_presence: bool,
    ear: Arc<Ear>,
}

/// The connections of one topic on one node.
#[derive(Default)]
pub struct Bench(Mutex<Vec<Subscriber>>);

impl Bench {
    pub fn add(&self, connection: u64, hears_itself: bool, hears_presence: bool, ear: Arc<Ear>) {
        self.0.lock().push(Subscriber { connection, hears_itself, hears_presence, ear });
    }

    pub fn remove(&self, connection: u64) {
        self.0.lock().retain(|subscriber| subscriber.connection != connection);
    }
}

impl TopicAudience for Bench {
    fn broadcast(&self, from: Option<u64>, broadcast: &Broadcast) {
        for subscriber in &*self.0.lock() {
            if subscriber.hears_itself || from != Some(subscriber.connection) {
                let Broadcast { event, id, .. } = broadcast.clone();
                subscriber.ear.note(Heard::Broadcast { event, id, replayed: false });
            }
        }
    }

    fn presence_diff(&self, diff: &str) {
        let diff: Value = serde_json::from_str(diff).expect("a diff is JSON");
        let subscribers = self.0.lock();
        let hearing = subscribers.iter().filter(|subscriber| subscriber.hears_presence);
        hearing.for_each(|subscriber| subscriber.ear.note(Heard::Diff(diff.clone())));
    }

    fn enable_presence(&self, connection: u64, state: &mut dyn FnMut() -> String) {
        let mut subscribers = self.0.lock();
        let found = subscribers.iter_mut().find(|subscriber| subscriber.connection == connection);
        if let Some(subscriber) = found.filter(|subscriber| !subscriber.hears_presence) {
            subscriber.hears_presence = true;
            subscriber.ear.note(Heard::State(serde_json::from_str(&state()).expect("a state is JSON")));
        }
    }
}

/// All audiences of a node.
#[derive(Default)]
pub struct Hall(Mutex<HashMap<TopicKey, Arc<Bench>>>);

impl Hall {
    pub fn bench(&self, key: &TopicKey) -> Option<Arc<Bench>> {
        self.0.lock().get(key).cloned()
    }
}

impl TopicAudiences for Hall {
    fn audience_of(&self, key: &TopicKey) -> Arc<dyn TopicAudience> {
        let bench = Arc::new(Bench::default());
        self.0.lock().insert(key.clone(), bench.clone());
        bench
    }

    fn dismiss(&self, key: &TopicKey) {
        self.0.lock().remove(key).expect("only an audience that was made is dismissed");
    }
}

/// No room is ever entered here.
impl Audiences for Hall {
    fn audience_of(&self, key: &RoomKey, _: u64) -> Arc<dyn Audience> {
        panic!("nobody enters {key:?}")
    }

    fn dismiss(&self, _: &RoomKey) {}
}
