//! What is asked of a room's conductor, from this node or another, and what it answers.
//!
//! Between nodes it travels as MessagePack with named fields, so that neighbouring releases understand each other.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    relay::{RoomUpdate, Snapshot, Stamp},
    room::{Actor, Control, Join, Refusal, RoomKey},
    store::{Home, MemberRecord},
};

/// The part of a node that answers these calls.
pub(super) const SERVICE: &str = "rooms";

/// Names one request of one connection, so that its repetition is answered and not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestId {
    pub connection: u64,
    /// The socket's ref and the request's fingerprint.
    pub request: String,
}

/// A call to another node about one room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RoomCall {
    pub key: RoomKey,
    pub ask: Ask,
}

/// What may be asked. Each may be asked twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// Let a connection in. A gateway without the room's mirror wants the room to open it with.
    Admit {
        join: Join,
        home: Home,
        wants_snapshot: bool,
    },
    /// A gateway has connections of this member that the conductor does not know.
    Return {
        member: MemberRecord,
    },
    /// A connection has gone, or was on its way in.
    Depart {
        connection: u64,
    },
    /// What a connection shows of itself in presence from now on, as the JSON text of an object; None: nothing.
    /// A former release does not know of it, and leaves it unanswered.
    Track {
        student_id: String,
        connection: u64,
        fields: Option<Arc<str>>,
    },
    Control {
        actor: Actor,
        control: Control,
        request: Option<RequestId>,
    },
    /// A gateway knows of changes that were acknowledged in an earlier reign and are not in this one.
    Restore {
        snapshot: Snapshot,
    },
    /// A gateway has dropped a plan of this node's, because it knows a higher reign.
    TooLow {
        stamp: Stamp,
    },
    /// The room is the asked node's by now: it should conduct it.
    TakeUp,
    /// To a gateway: take this in and say so. For changes that must hold everywhere before they are acknowledged.
    Confirm {
        update: RoomUpdate,
    },
    /// To a gateway: what do you know of this room, and who of it is with you?
    RollCall,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Done,
    /// A control's.
    Value(Value),
    Snapshot(Box<Snapshot>),
    Roll(Roll),
    Refused(Refusal),
    NotFound,
    /// The asked node does not conduct the room and may not take it up.
    NoConductor,
    /// The store does not answer.
    Unavailable,
}

/// What one gateway says of a room.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Roll {
    /// The room as it knows it.
    pub snapshot: Option<Box<Snapshot>>,
    /// The members that it has connections of, with these alone.
    pub residents: Vec<MemberRecord>,
    /// False: nobody is in the room here, nor on the way in.
    pub is_attended: bool,
}

/// Why a conductor did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Declined {
    Refused(Refusal),
    /// This conductor's reign is over: ask again, another will answer.
    Deposed,
    /// The store does not answer.
    Unavailable,
}

impl From<Result<Reply, Declined>> for Reply {
    fn from(answer: Result<Self, Declined>) -> Self {
        match answer {
            Ok(reply) => reply,
            Err(Declined::Refused(refusal)) => Self::Refused(refusal),
            Err(Declined::Deposed) => Self::NoConductor,
            Err(Declined::Unavailable) => Self::Unavailable,
        }
    }
}

/// As MessagePack with named fields.
pub(super) fn encode<T: Serialize>(message: &T) -> Option<Vec<u8>> {
    rmp_serde::to_vec_named(message).inspect_err(|error| tracing::error!(%error, "a call could not be written")).ok()
}

/// Reads what [`encode`] wrote, on this or a neighbouring release.
pub(super) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    rmp_serde::from_slice(bytes)
        .inspect_err(|error| tracing::warn!(%error, "a call of another release could not be read"))
        .ok()
}

#[cfg(test)]
#[allow(dead_code, reason = "the tests of other records use the rest")]
#[path = "../../tests/release_vectors/vectors.rs"]
mod vectors;

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde_json::json;

    use super::{
        vectors::{Vectors, bytes, compare, hex, of_every_release},
        *,
    };
    use crate::room::{CreateRoom, Room, TokenRole};

    fn key() -> RoomKey {
        RoomKey { tenant: "acme".into(), code: "MUSIC-1234".parse().expect("a code") }
    }

    fn home() -> Home {
        Home { node: "a".into(), process: 77 }
    }

    fn snapshot() -> Snapshot {
        let controls = Room::create(key(), CreateRoom::default(), "ms-lee", 120, 60, 1_000_000).controls;
        Snapshot {
            stamp: Stamp { epoch: 1_700_000_000_000, nonce: 99, rev: 12 },
            lineage: "1700000000000:99:11".parse().expect("a lineage"),
            members_rev: 8,
            controls: Arc::new(controls),
            members: vec![member()],
        }
    }

    fn member() -> MemberRecord {
        let member = json!({
            "student_id": "ada", "name": "Ada", "role": "student", "hand": true, "joined_at_us": 5,
            "connections": {"9": home()},
        });
        serde_json::from_value(member).expect("a member")
    }

    fn asks() -> Vec<(&'static str, Ask)> {
        let join = Join { student_id: "ada".into(), name: "Ada".into(), role: TokenRole::Student, connection: 9 };
        let actor = Actor { student_id: "ms-lee".into(), role: TokenRole::Teacher, connection: 9 };
        let request = Some(RequestId { connection: 9, request: "7:mute".into() });
        vec![
            ("admit", Ask::Admit { join, home: home(), wants_snapshot: true }),
            ("return", Ask::Return { member: member() }),
            ("depart", Ask::Depart { connection: 9 }),
            ("track", Ask::Track { student_id: "ada".into(), connection: 9, fields: Some("{}".into()) }),
            ("restore", Ask::Restore { snapshot: snapshot() }),
            ("too_low", Ask::TooLow { stamp: snapshot().stamp }),
            ("take_up", Ask::TakeUp),
            ("confirm", Ask::Confirm { update: RoomUpdate { stamp: snapshot().stamp, ..RoomUpdate::default() } }),
            ("roll_call", Ask::RollCall),
            ("control", Ask::Control { actor, control: Control::MuteAll, request }),
        ]
    }

    /// One of every kind.
    fn controls() -> Vec<Control> {
        let controls = json!([
            {"control": "set_tempo", "bpm": 96, "at": "bar"},
            {"control": "ramp_tempo", "bpm": 96, "beats": 8},
            {"control": "start_clock", "count_in": 4, "resume": false},
            {"control": "stop_clock"},
            {"control": "reset_clock"},
            {"control": "set_meter", "beats_per_bar": 7, "groups": [2, 2, 3]},
            {"control": "mute_student", "student_id": "ada"},
            {"control": "unmute_student", "student_id": "ada"},
            {"control": "mute_all"},
            {"control": "unmute_all"},
            {"control": "assign_beat", "student_id": "ada", "beat": 3},
            {"control": "clear_beat", "beat": 3},
            {"control": "clear_beats"},
            {"control": "assign_role", "student_id": "ada", "role": "soloist"},
            {"control": "lock_room"},
            {"control": "unlock_room"},
            {"control": "remove_student", "student_id": "ada"},
            {"control": "close_room"},
            {"control": "raise_hand"},
            {"control": "lower_hand", "student_id": null},
            {"control": "change_settings", "autostart": false, "max_students": 30, "name": "Brass", "bpm": 96},
            {"control": "forget_student", "student_id": "ada"},
        ]);
        serde_json::from_value(controls).expect("controls")
    }

    fn replies() -> Vec<(&'static str, Reply)> {
        let snapshot = Box::new(snapshot());
        let roll = Roll { snapshot: Some(snapshot.clone()), residents: vec![member()], is_attended: true };
        vec![
            ("done", Reply::Done),
            ("value", Reply::Value(json!({"bpm": 96}))),
            ("snapshot", Reply::Snapshot(snapshot)),
            ("roll", Reply::Roll(roll)),
            ("refused", Reply::Refused(Refusal::Unauthorized)),
            ("not_found", Reply::NotFound),
            ("no_conductor", Reply::NoConductor),
            ("unavailable", Reply::Unavailable),
        ]
    }

    fn read_back<T>(name: &str, message: T, recorded: &serde_json::Value)
    where
        T: for<'de> Deserialize<'de> + Debug + PartialEq,
    {
        assert_eq!(decode::<T>(&bytes(recorded)), Some(message), "{name}");
    }

    #[test]
    fn calls_about_rooms_are_those_of_the_newest_vectors() {
        let call = |(name, ask)| (format!("ask {name}"), encode(&RoomCall { key: key(), ask }));
        let reply = |(name, reply): (&str, Reply)| (format!("reply {name}"), encode(&reply));
        let asked = |control| {
            let name = serde_json::to_value(&control).expect("plain data")["control"].to_string();
            (format!("control {}", name.trim_matches('"')), encode(&control))
        };
        let all = asks().into_iter().map(call).chain(replies().into_iter().map(reply));
        let all = all.chain(controls().into_iter().map(asked));
        let today: Vectors = all.map(|(name, bytes)| (name, hex(&bytes.expect("plain data")))).collect();
        compare("room_calls.json", &today);
    }

    #[test]
    fn calls_about_rooms_of_every_release_are_understood() {
        for (release, vectors) in of_every_release("room_calls.json") {
            let recorded = |kind: &str, name: &str| vectors.get(&format!("{kind} {name}"));
            for (name, ask) in asks() {
                let Some(recorded) = recorded("ask", name) else { continue };
                read_back(&format!("{name} of {release}"), RoomCall { key: key(), ask }, recorded);
            }
            let of_controls = vectors.iter().filter(|(name, _)| name.starts_with("control "));
            let read = of_controls.map(|(name, recorded)| decode(&bytes(recorded)).unwrap_or_else(|| panic!("{name}")));
            let read: Vec<Control> = read.collect();
            assert!(controls().iter().all(|control| read.contains(control)), "{release}");
            for (name, reply) in replies() {
                let Some(recorded) = recorded("reply", name) else { continue };
                read_back(&format!("{name} of {release}"), reply, recorded);
            }
        }
    }
}
