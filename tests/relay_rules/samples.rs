use std::sync::Arc;

use downbeat::{
    relay::{
        Answer, Body, Call, Ejection, Envelope, Inbound, Note, Plan, RoomEvent, RoomUpdate, Snapshot, Stamp,
        TenantUsage, Topic, Usage,
    },
    room::{ByConnection, Controls, CreateRoom, MemberChange, Room, RoomKey, RoomRole, TokenRole, Track},
    store::{Home, MemberRecord, MemberWrite},
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
        members_rev: 8,
    })
}

pub fn controls() -> Arc<Controls> {
    let key = RoomKey { tenant: "acme".into(), code: "MUSIC-1234".parse().expect("a code") };
    let mut controls = Room::create(key, CreateRoom::default(), "ms-ray", 120, 60, 1_000_000).controls;
    controls.assignments.insert(3, vec!["ada".into()]);
    controls.roles.insert("ada".into(), RoomRole::Soloist);
    controls.muted.insert("bob".into());
    Arc::new(controls)
}

pub fn member() -> MemberRecord {
    let home = Home { node: "a".into(), process: 77 };
    MemberRecord {
        student_id: "ada".into(),
        name: "Ada".into(),
        role: TokenRole::Student,
        hand: true,
        joined_at_us: 5,
        connections: [(4_503_599_627_370_495, home)].into(),
        tracks: ByConnection::new(),
    }
}

/// One connection shows something, and another does no longer.
fn tracking() -> MemberRecord {
    let home = Home { node: "b".into(), process: 78 };
    let shown = Track { version: 2, replaces: 1, fields: Some(r#"{"instrument":"horn"}"#.into()) };
    let untracked = Track { version: 3, replaces: 2, fields: None };
    let mut member = member();
    member.connections.insert(9, home);
    MemberRecord { tracks: [(4_503_599_627_370_495, shown), (9, untracked)].into(), ..member }
}

pub fn tracks() -> Body {
    Body::RoomUpdate(RoomUpdate {
        stamp: STAMP,
        members_rev: 9,
        members: vec![MemberWrite { student_id: "ada".into(), member: Some(tracking()) }],
        member_changes: vec![MemberChange::Changed { student_id: "ada".into() }],
        ..RoomUpdate::default()
    })
}

pub fn room_update() -> Body {
    let event = |event: &str, payload: &str| RoomEvent { event: event.into(), payload: payload.into() };
    Body::RoomUpdate(RoomUpdate {
        stamp: STAMP,
        controls: Some(controls()),
        members_rev: 8,
        members: vec![
            MemberWrite { student_id: "ada".into(), member: Some(member()) },
            MemberWrite { student_id: "eve".into(), member: None },
        ],
        member_changes: vec![
            MemberChange::Joined {
                student_id: "ada".into(),
                connection: 4_503_599_627_370_495,
                name: "Ada".into(),
                role: TokenRole::Student,
                joined_at_us: 5,
                first: true,
            },
            MemberChange::Left { student_id: "eve".into(), connection: 9, last: true },
            MemberChange::Changed { student_id: "ada".into() },
        ],
        events: vec![event("student_muted", r#"{"student_id":"bob"}"#), event("room_locked", "{}")],
        timeline_changed: true,
        ejected: vec![Ejection { connections: vec![9], last_event: Some(event("removed_from_room", "{}")) }],
        closed: false,
    })
}

pub fn snapshot() -> Body {
    Body::Snapshot(Snapshot {
        stamp: STAMP,
        lineage: "1699999999999:3:4 1700000000000:99:11".parse().expect("a lineage"),
        members_rev: 8,
        controls: controls(),
        members: vec![member()],
    })
}

pub fn call() -> Body {
    Body::Call(Call { number: 5, service: "rooms".into(), payload: vec![1, 2, 255], traceparent: None })
}

pub fn answer() -> Body {
    Body::Answer(Answer { number: 5, payload: vec![0, 128] })
}

pub fn usage() -> Body {
    Body::Usage(Usage { tenants: vec![TenantUsage { tenant: "acme".into(), users: 30, joins: 2, events: 400 }] })
}

/// One of every kind, by its name.
pub fn every_body() -> [(&'static str, Body); 8] {
    [
        ("plan", plan()),
        ("note", note("a", r#"{"midi":60}"#).body),
        ("room_update", room_update()),
        ("room_update_of_tracks", tracks()),
        ("snapshot", snapshot()),
        ("call", call()),
        ("answer", answer()),
        ("usage", usage()),
    ]
}
