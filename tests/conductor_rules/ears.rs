//! Audiences that write down what they are told, in order.

use std::sync::Arc;

use downbeat::{
    conductor::{Audience, Audiences, Class, Recipients},
    protocol::Broadcast,
    room::RoomKey,
    time::Clock,
};
use parking_lot::Mutex;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum To {
    All,
    Teachers,
    Student(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Sent { to: To, class: Class, event: String, payload: Value },
    Ejected { connections: Vec<u64>, event: Option<(String, Value)> },
    Ended { for_good: bool },
    Broadcast { from: Option<u64>, event: String },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    pub key: RoomKey,
    pub at_us: i64,
    pub what: What,
}

impl Heard {
    /// The event's name; `-eject` and `-end` for the ends of channels, `-broadcast` for what members say.
    pub fn name(&self) -> &str {
        match &self.what {
            What::Sent { event, .. } => event,
            What::Ejected { .. } => "-eject",
            What::Ended { .. } => "-end",
            What::Broadcast { .. } => "-broadcast",
        }
    }

    pub fn payload(&self) -> Value {
        match &self.what {
            What::Sent { payload, .. } => payload.clone(),
            _ => Value::Null,
        }
    }
}

/// All audiences of a node.
pub struct Ears {
    clock: Arc<dyn Clock>,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Rooms whose audience was made and not dismissed.
    pub present: Mutex<Vec<RoomKey>>,
}

struct Ear {
    key: RoomKey,
    clock: Arc<dyn Clock>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Ears {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, heard: Arc::default(), present: Mutex::default() }
    }

    /// All that was heard since the last call.
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock())
    }
}

impl Audiences for Ears {
    fn audience_of(&self, key: &RoomKey, _serial: u64) -> Arc<dyn Audience> {
        self.present.lock().push(key.clone());
        Arc::new(Ear { key: key.clone(), clock: self.clock.clone(), heard: self.heard.clone() })
    }

    fn dismiss(&self, key: &RoomKey) {
        self.present.lock().retain(|present| present != key);
    }
}

impl Ear {
    fn note(&self, what: What) {
        self.heard.lock().push(Heard { key: self.key.clone(), at_us: self.clock.now_us(), what });
    }
}

fn json(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).expect("a payload is JSON");
    assert!(value.is_object(), "a payload is an object: {text}");
    value
}

impl Audience for Ear {
    fn size(&self) -> usize {
        1
    }

    fn send(&self, to: Recipients<'_>, class: Class, event: &str, payload: &str) {
        let to = match to {
            Recipients::All => To::All,
            Recipients::Teachers => To::Teachers,
            Recipients::Student(id) => To::Student(id.to_owned()),
        };
        let payload = json(payload);
        self.note(What::Sent { to, class, event: event.to_owned(), payload });
    }

    fn broadcast(&self, from: Option<u64>, broadcast: &Broadcast) {
        self.note(What::Broadcast { from, event: broadcast.event.clone() });
    }

    fn enable_presence(&self, _connection: u64, _state: &mut dyn FnMut() -> String) {}

    fn eject(&self, connections: &[u64], event: Option<(&str, &str)>) {
        self.note(What::Ejected {
            connections: connections.to_vec(),
            event: event.map(|(event, payload)| (event.to_owned(), json(payload))),
        });
    }

    fn end_all(&self, for_good: bool) {
        self.note(What::Ended { for_good });
    }
}

/// The names of what was heard, without beats.
pub fn names(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(Heard::name).filter(|name| *name != "beat").collect()
}

pub fn of<'a>(heard: &'a [Heard], name: &'a str) -> impl Iterator<Item = &'a Heard> {
    heard.iter().filter(move |heard| heard.name() == name)
}

/// The numbers of the beats that were heard, of one run.
pub fn beats(heard: &[Heard]) -> Vec<i64> {
    let beats: Vec<Value> = of(heard, "beat").map(Heard::payload).collect();
    assert!(beats.windows(2).all(|pair| pair[0]["run"] == pair[1]["run"]), "one run: {beats:?}");
    beats.iter().map(|beat| beat["beat"].as_i64().expect("a number")).collect()
}

/// Fails unless the beats go up by one, and there are some.
pub fn assert_no_gap_and_no_repeat(beats: &[i64]) {
    assert!(!beats.is_empty(), "no beat was heard");
    let expected: Vec<i64> = (beats[0]..).take(beats.len()).collect();
    assert_eq!(beats, expected);
}
