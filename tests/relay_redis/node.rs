//! A node on the bus, and what tests wait for on it.

use std::time::Duration;

use downbeat::{
    redis_url::RedisUrl,
    relay::{Body, Envelope, FredRelay, Gap, Inbound, Inbox, NotPublished, Note, Relay, Topic},
    room::RoomKey,
};
use tokio::{task::JoinSet, time};

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Node {
    pub name: String,
    pub relay: FredRelay,
    inbox: Inbox,
    _tasks: JoinSet<()>,
}

impl Node {
    pub async fn join(url: &str, name: &str) -> Self {
        let url = RedisUrl::parse(url).expect("the test's URL is well formed");
        let (relay, inbox, tasks) = FredRelay::connect(&url, name, 65_536).await.expect("Redis is there");
        Self { name: name.to_owned(), relay, inbox, _tasks: tasks }
    }

    pub fn say(&self, topic: &Topic, text: &str) -> Result<(), NotPublished> {
        self.relay.publish(topic, note(&self.name, text))
    }

    /// Whatever comes next, messages by their text.
    pub async fn hear(&mut self) -> Heard {
        match time::timeout(PATIENCE, self.inbox.recv()).await.expect("it must hear something") {
            Some(Inbound::Message { envelope: Envelope { body: Body::Note(note), .. }, .. }) => {
                Heard::Text(note.payload.to_string())
            }
            Some(Inbound::Message { envelope, .. }) => panic!("{envelope:?} is no note"),
            Some(Inbound::Gap(gap)) => Heard::Gap(gap),
            None => panic!("the bus has ended"),
        }
    }

    /// The next message, which must be this one. Gaps before it are left out.
    pub async fn hears(&mut self, text: &str) {
        loop {
            match self.hear().await {
                Heard::Text(heard) => break assert_eq!(heard, text),
                Heard::Gap(_) => {}
            }
        }
    }

    /// Waits for the report that anything may be lost; messages before it are returned.
    pub async fn loses_all(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            match self.hear().await {
                Heard::Text(text) => texts.push(text),
                Heard::Gap(Gap::All) => return texts,
                Heard::Gap(Gap::Topics(topics)) => panic!("{topics:?} alone"),
            }
        }
    }

    pub async fn is_reachable(&self) {
        until(|| self.relay.is_reachable()).await;
    }

    pub async fn is_unreachable(&self) {
        until(|| !self.relay.is_reachable()).await;
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    Gap(Gap),
}

pub fn note(origin: &str, text: &str) -> Envelope {
    let body = Body::Note(Note { student_id: "ada".into(), payload: text.into() });
    Envelope { origin: origin.into(), incarnation: 7, body }
}

pub fn room(number: u32) -> Topic {
    let code = format!("MUSIC-{number:04}").parse().expect("a code");
    Topic::Room(RoomKey { tenant: "acme".into(), code })
}

/// Waits for a state that nothing announces.
pub async fn until(mut reached: impl FnMut() -> bool) {
    let looks = async {
        let mut looks = time::interval(Duration::from_millis(2));
        while !reached() {
            looks.tick().await;
        }
    };
    time::timeout(PATIENCE, looks).await.expect("the state must be reached");
}
