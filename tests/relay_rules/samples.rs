use downbeat::{
    relay::{Body, Envelope, Inbound, Note, Plan, Presence, RoomEvent, RoomEvents, Stamp, Topic},
    room::RoomKey,
};
use serde_json::json;

pub fn room(tenant: &str, code: &str) -> Topic {
    Topic::Room(RoomKey { tenant: tenant.into(), code: code.parse().expect("the test's code is well formed") })
}

pub fn envelope(origin: &str, body: Body) -> Envelope {
    Envelope { origin: origin.into(), incarnation: 7, body }
}

pub fn note(origin: &str, payload: &str) -> Envelope {
    envelope(origin, Body::Note(Note { student_id: "ada".into(), payload: payload.into() }))
}

pub fn message(topic: &Topic, envelope: Envelope) -> Option<Inbound> {
    Some(Inbound::Message { topic: topic.clone(), envelope })
}

const STAMP: Stamp = Stamp { epoch: 1_700_000_000_000, nonce: 99, rev: 12 };

pub fn plan() -> Body {
    Body::Plan(Plan {
        stamp: STAMP,
        run: 2,
        playing: true,
        timeline: serde_json::from_value(json!({
            "segments": [
                {"t0_us": 1_000_000, "beat0_ub": 0, "milli_bpm": 60_000, "ramp": null},
                {"t0_us": 5_000_000, "beat0_ub": 4_000_000, "milli_bpm": 60_000,
                 "ramp": {"to_milli_bpm": 120_000, "len_ub": 8_000_000}},
            ],
            "stop_at_ub": 64_000_000,
        }))
        .expect("this is a timeline"),
        meter: serde_json::from_value(json!({"beats_per_bar": 7, "groups": [2, 2, 3], "bar0_ub": 0}))
            .expect("this is a meter"),
    })
}

pub fn room_events() -> Body {
    let event = |event: &str, payload: &str| RoomEvent { event: event.into(), payload: payload.into() };
    Body::RoomEvents(RoomEvents {
        stamp: STAMP,
        events: vec![event("student_muted", r#"{"student_id":"bob"}"#), event("room_locked", "{}")],
    })
}

pub fn presence() -> Body {
    Body::Presence(Presence { diff: r#"{"joins":{},"leaves":{}}"#.into() })
}
