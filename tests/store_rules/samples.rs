use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use downbeat::{
    protocol::{Broadcast, TopicKey, broadcast::Body},
    room::{ByConnection, Controls, MemberRole, RoomKey, Track},
    store::{
        Done, EmbeddedStore, Home, Lineage, MemberRecord, MemberWrite, OpenError, Owner, PresenceRecord, PresenceWrite,
        RoomRecord, Store, TakeOver, TopicStore,
    },
};
use serde_json::json;

/// What a rule may ask of a store.
pub trait WholeStore: Store + TopicStore {}
impl<S: Store + TopicStore> WholeStore for S {}

pub fn key(tenant: &str, code: &str) -> RoomKey {
    RoomKey { tenant: tenant.into(), code: code.parse().expect("the test's code is well formed") }
}

pub fn controls(rev: u64) -> Controls {
    serde_json::from_value(json!({
        "teacher_id": "ms-lee",
        "settings": {"autostart": true, "max_students": 60, "locked": false, "name": "Brass"},
        "rev": rev, "run": 3, "bpm": 96, "playing": true,
        "timeline": {
            "segments": [{"t0_us": 1_000_000, "beat0_ub": 0, "milli_bpm": 96_000, "ramp": null}],
            "stop_at_ub": null,
        },
        "meter": {"beats_per_bar": 7, "groups": [2, 2, 3], "bar0_ub": 0},
        "muted": ["bob"], "all_muted": false, "exempt": [],
        "assignments": {"1": ["ada"], "12": ["bob", "eve"]},
        "roles": {"ada": "soloist", "eve": "section:horns"},
        "admitted": [], "removed": ["mallory"],
        "created_at_us": 5, "last_active_at_us": 6, "closed": false,
    }))
    .expect("these are controls")
}

pub fn record(tenant: &str, code: &str) -> RoomRecord {
    RoomRecord {
        key: key(tenant, code),
        owner: "a".into(),
        incarnation: 7,
        epoch: 1_000,
        nonce: 50,
        since_ms: 900,
        taken_from: String::new(),
        from_beat: None,
        members_rev: 0,
        lineage: Lineage::founded(1_000, 50),
        controls: controls(10),
    }
}

pub fn done(connection: u64, request: &str) -> Done {
    Done { connection, request: request.into(), reply: json!({"status": "ok", "response": {"n": connection}}) }
}

/// A member with one connection to node `a`.
pub fn member(student_id: &str, connection: u64) -> MemberRecord {
    MemberRecord {
        student_id: student_id.into(),
        name: format!("{student_id} «The Horn»"),
        role: MemberRole::Student,
        hand: false,
        joined_at_us: 1_700_000_000_000_000,
        connections: [(connection, Home { node: "a".into(), process: 77 })].into(),
        tracks: ByConnection::new(),
    }
}

/// The same, with something to show.
pub fn tracking(student_id: &str, connection: u64) -> MemberRecord {
    let fields = r#"{"instrument":"horn «in F»","seat":{"row":1},"note":"\"\u0007"}"#;
    let track = Track { version: 3, replaces: 2, fields: Some(fields.into()) };
    MemberRecord { tracks: [(connection, track)].into(), ..member(student_id, connection) }
}

pub fn here(member: &MemberRecord) -> MemberWrite {
    MemberWrite { student_id: member.student_id.clone(), member: Some(member.clone()) }
}

pub fn gone(student_id: &str) -> MemberWrite {
    MemberWrite { student_id: student_id.into(), member: None }
}

pub fn owner(node: &str, incarnation: u64) -> Owner {
    Owner { node: node.into(), incarnation }
}

pub fn claim(expected: Owner, claimant: Owner) -> TakeOver {
    TakeOver {
        expected,
        claimant,
        expected_reign: None,
        nonce: 99,
        from_beat: None,
        highest_seen_epoch: 0,
        now_ms: 1_700_000_000_000,
    }
}

/// A private topic of the tenant `acme`.
pub fn topic(name: &str) -> TopicKey {
    TopicKey { tenant: "acme".into(), name: name.into(), private: true }
}

/// What a connection to node `a` tracks, as it says at `version`.
pub fn present(connection: u64, version: u64) -> PresenceRecord {
    PresenceRecord {
        connection,
        version,
        replaces: version.checked_sub(1),
        home: Home { node: "a".into(), process: u64::MAX },
        key: format!("key «{connection}»").into(),
        fields: format!(r#"{{"name": "Ada \"Horn\" ♪", "at": [{version}, null], "version":99}}"#).into(),
    }
}

pub fn tracks(record: &PresenceRecord) -> PresenceWrite {
    PresenceWrite { connection: record.connection, version: record.version, record: Some(record.clone()) }
}

pub fn leaves(connection: u64, version: u64) -> PresenceWrite {
    PresenceWrite { connection, version, record: None }
}

pub fn broadcast(at_ms: i64, body: Body) -> Broadcast {
    Broadcast { event: "cursor «moved»".into(), body, id: Some(format!("id-{at_ms}")), at_ms }
}

/// A broadcast that says when it is from.
pub fn said(at_ms: i64) -> Broadcast {
    broadcast(at_ms, Body::Json(format!(r#"{{"at": {at_ms}}}"#)))
}

/// A path for a data file, in a directory that goes with it.
pub struct TempFile(PathBuf);

impl TempFile {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("downbeat-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    pub fn path(&self) -> PathBuf {
        self.0.join("rooms.redb")
    }

    pub fn open(&self) -> EmbeddedStore {
        EmbeddedStore::open(self.path()).expect("the file opens")
    }

    pub fn refuses(&self) -> OpenError {
        EmbeddedStore::open(self.path()).map(drop).expect_err("the file is not opened")
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
