//! Somebody who has joined a topic.

use std::sync::Arc;

use downbeat::{
    channels::{Answer, Handled, Payload, Push, realtime::RealtimeTopic},
    protocol::Status,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::hall::{Bench, Ear};

pub struct Client {
    pub connection: u64,
    pub ear: Arc<Ear>,
    pub(super) channel: Box<RealtimeTopic>,
    pub(super) bench: Arc<Bench>,
}

impl Client {
    pub async fn push(&self, event: &str, payload: Value) -> Answer {
        match self.handle(event, &payload) {
            Handled::Now(answer) => answer,
            Handled::Later(answer) | Handled::Beside(answer) => answer.await,
            Handled::Recorded(_) => unreachable!("topics record nothing"),
        }
    }

    /// A push whose answer is not waited for yet.
    pub fn begin(&self, event: &str, payload: Value) -> JoinHandle<Answer> {
        match self.handle(event, &payload) {
            Handled::Now(answer) => tokio::spawn(std::future::ready(answer)),
            Handled::Later(answer) | Handled::Beside(answer) => tokio::spawn(answer),
            Handled::Recorded(_) => unreachable!("topics record nothing"),
        }
    }

    pub async fn track(&self, fields: Value) -> Answer {
        self.push("presence", json!({ "type": "presence", "event": "track", "payload": fields })).await
    }

    pub fn begin_track(&self, fields: Value) -> JoinHandle<Answer> {
        self.begin("presence", json!({ "type": "presence", "event": "track", "payload": fields }))
    }

    pub async fn untrack(&self) -> Answer {
        self.push("presence", json!({ "type": "presence", "event": "untrack" })).await
    }

    pub async fn say(&self, event: &str) -> Answer {
        self.push("broadcast", say(event)).await
    }

    pub fn begin_say(&self, event: &str) -> JoinHandle<Answer> {
        self.begin("broadcast", say(event))
    }

    pub fn hears_presence(&self) -> bool {
        self.channel.hears_presence()
    }

    /// As the gateway does it: out of the audience first.
    pub fn leave(self) {
        self.bench.remove(self.connection);
    }

    fn handle(&self, event: &str, payload: &Value) -> Handled {
        let payload = payload.to_string();
        self.channel.handle(Push { event, payload: Payload::Json(&payload), reference: None, received_us: 0 })
    }
}

fn say(event: &str) -> Value {
    json!({ "type": "broadcast", "event": event, "payload": { "says": event } })
}

pub fn is_ok(answer: &Answer) -> bool {
    matches!(answer, Answer::Reply { status: Status::Ok, .. })
}

/// What an error reply says.
pub fn reason(answer: &Answer) -> String {
    let Answer::Reply { status: Status::Error, response } = answer else { panic!("no error: {answer:?}") };
    let response: Value = serde_json::from_str(response).expect("JSON");
    let reason = response.get("reason").or(response.get("error")).and_then(Value::as_str);
    reason.expect("a reason").to_owned()
}
