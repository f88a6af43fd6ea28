//! What clients push to a realtime topic: nothing may panic, and whatever is passed on is what was said and nothing more.
#![no_main]

use downbeat::channels::realtime::{JoinConfig, PresenceMessage, REPLAY_MAX, Said};
use downbeat::protocol::broadcast::{Body, Broadcast};
use downbeat::protocol::{Encoding, UserBroadcast, encode_user_broadcast};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: (&str, &str, bool, &[u8])| {
    let (text, event, is_json, octets) = input;
    if let Ok(mut config) = JoinConfig::parse(text) {
        let reply: Value = serde_json::from_str(&config.take_reply()).expect("a reply is JSON");
        assert!(reply["postgres_changes"].as_array().is_some());
        assert!(config.replay.is_none_or(|replay| config.private && replay.limit <= REPLAY_MAX));
    }
    if let Ok(said) = Said::parse(text) {
        pass_on(said);
    }
    let encoding = if is_json { Encoding::Json } else { Encoding::Binary };
    if let Ok(said) = Said::read(&UserBroadcast { event, meta: "", encoding, body: octets }) {
        assert_eq!(said.event, event);
        pass_on(said);
    }
    if let Ok(PresenceMessage::Track(fields)) = PresenceMessage::parse(text) {
        let fields: Value = serde_json::from_str(&fields).expect("fields are JSON");
        assert!(fields.is_object());
    }
});

fn pass_on(Said { event, body }: Said) {
    let broadcast = Broadcast { event: event.clone(), body, id: Some("1".to_owned()), at_ms: 0 };
    match &broadcast.body {
        Body::Json(_) => {
            let payload = broadcast.payload_json(true).expect("JSON");
            // Numbers beyond what this parser holds are still one JSON text.
            let Ok(told) = serde_json::from_str::<Value>(&payload) else { return };
            let told = told.as_object().expect("an object");
            assert_eq!(told.len(), 4);
            assert_eq!(told["event"], event);
            assert_eq!(told["type"], "broadcast");
            assert_eq!(told["meta"]["replayed"], true);
        }
        Body::Octets(octets) => {
            let user = UserBroadcast { event: &event, meta: "", encoding: Encoding::Binary, body: octets };
            let frame = encode_user_broadcast("realtime:t", &user).expect("its name fits");
            assert!(frame.ends_with(octets) && frame[0] == 4);
        }
    }
}
