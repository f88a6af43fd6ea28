use std::{collections::BTreeMap, fmt::Write as _};

use downbeat::{
    relay::{BadEnvelope, Body, Call, ENVELOPE_BYTES_MAX, Envelope},
    room::{ByConnection, TokenRole},
    store::{Home, MemberRecord},
};
use proptest::prelude::*;
use serde_json::json;

use super::samples::{call, envelope, every_body, note, plan, tracks};

/// What release 1.0 of the envelope puts on the wire (`wire.json`: kind of body → hexadecimal). A later release may add
/// fields; it must still read these bytes, and these nodes must still read its own. `UPDATE_VECTORS=1` writes them anew.
#[test]
fn the_bytes_on_the_wire_are_those_of_version_1() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/relay_rules/wire.json");
    let hex = |body: Body| {
        let bytes = envelope("a", body).encode().unwrap();
        bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    };
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let vectors: BTreeMap<_, _> = every_body().into_iter().map(|(kind, body)| (kind, hex(body))).collect();
        std::fs::write(path, serde_json::to_string_pretty(&vectors).unwrap() + "\n").unwrap();
    }
    let golden: BTreeMap<String, String> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (kind, body) in every_body() {
        assert_eq!(hex(body.clone()), golden[kind], "{kind}");
        let digits = golden[kind].as_bytes().chunks(2);
        let bytes: Vec<u8> =
            digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        assert_eq!(Envelope::decode(&bytes), Ok(envelope("a", body)), "{kind}");
    }
}

fn pack(value: &serde_json::Value) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap()
}

#[test]
fn fields_that_a_newer_release_adds_are_left_aside() {
    let newer = json!({
        "added": [1, {"deep": null}], "v": 1, "minor": 9, "origin": "a", "incarnation": 7,
        "note": {"student_id": "ada", "velocity_curve": "soft", "payload": "{}"},
    });
    assert_eq!(Envelope::decode(&pack(&newer)), Ok(note("a", "{}")));
    let oldest = json!({"v": 1, "origin": "a", "incarnation": 7, "note": {"student_id": "ada", "payload": "{}"}});
    assert_eq!(Envelope::decode(&pack(&oldest)), Ok(note("a", "{}")));
}

/// A call as the release before traces reads and writes it.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct FormerCall {
    number: u64,
    service: String,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

#[test]
fn traced_calls_and_calls_of_the_release_before_are_read_by_each_other() {
    let Body::Call(untraced) = call() else { panic!("it is a call") };
    let traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    let traced = Call { traceparent, ..untraced.clone() };
    let packed = rmp_serde::to_vec_named(&traced).unwrap();
    assert_eq!(rmp_serde::from_slice::<Call>(&packed).unwrap(), traced);
    let former: FormerCall = rmp_serde::from_slice(&packed).unwrap();
    let packed = rmp_serde::to_vec_named(&former).unwrap();
    assert_eq!(rmp_serde::from_slice::<Call>(&packed).unwrap(), untraced);
    assert_eq!(rmp_serde::to_vec_named(&untraced).unwrap(), packed, "and what is not traced is written as before");
}

/// A member as the release before tracks reads and writes it.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct FormerMember {
    student_id: String,
    name: String,
    role: TokenRole,
    hand: bool,
    joined_at_us: i64,
    connections: BTreeMap<u64, Home>,
}

#[test]
fn members_that_track_and_members_of_the_release_before_are_read_by_each_other() {
    let Body::RoomUpdate(update) = tracks() else { panic!("it is an update") };
    let newer = update.members[0].member.clone().unwrap();
    let packed = rmp_serde::to_vec_named(&newer).unwrap();
    let former: FormerMember = rmp_serde::from_slice(&packed).unwrap();
    let written = serde_json::to_string(&newer).unwrap();
    assert_eq!(serde_json::from_str::<FormerMember>(&written).unwrap(), former, "as the store keeps it");
    let plain = MemberRecord { tracks: ByConnection::new(), ..newer };
    let packed = rmp_serde::to_vec_named(&former).unwrap();
    assert_eq!(rmp_serde::from_slice::<MemberRecord>(&packed).unwrap(), plain);
    let written = serde_json::to_string(&former).unwrap();
    assert_eq!(serde_json::from_str::<MemberRecord>(&written).unwrap(), plain);
    assert_eq!(serde_json::to_string(&plain).unwrap(), written, "and who tracks nothing is written as before");
}

#[test]
fn a_kind_of_body_that_a_newer_release_adds_is_told_apart_from_a_fault() {
    let newer = json!({"v": 1, "minor": 9, "origin": "a", "incarnation": 7, "hologram": {"depth": 3}});
    assert_eq!(Envelope::decode(&pack(&newer)), Err(BadEnvelope::UnknownBody));
}

#[test]
fn another_major_is_refused_whatever_else_it_holds() {
    for foreign in [json!({"v": 2, "origin": 5, "note": "?"}), json!({"v": 0}), json!({"x": {}, "v": 65_535})] {
        let refused = Envelope::decode(&pack(&foreign));
        assert!(matches!(refused, Err(BadEnvelope::UnknownMajor { .. })), "{refused:?}");
    }
}

#[test]
fn bytes_that_are_no_envelope_are_refused() {
    let whole = envelope("a", plan()).encode().unwrap();
    for length in 0..whole.len() {
        assert!(Envelope::decode(&whole[..length]).is_err(), "cut at {length}");
    }
    let long = vec![0xc0; ENVELOPE_BYTES_MAX + 1];
    assert_eq!(Envelope::decode(&long), Err(BadEnvelope::TooLong { bytes: ENVELOPE_BYTES_MAX + 1 }));
    let impossible = json!({"v": 1, "origin": "a", "incarnation": 7, "plan": {
        "stamp": {"epoch": 1, "nonce": 1, "rev": 1}, "run": 1, "playing": true, "timeline": {"segments": [], "stop_at_ub": null},
        "meter": {"beats_per_bar": 4, "groups": [], "bar0_ub": 0},
    }});
    let refused = Envelope::decode(&pack(&impossible));
    assert!(matches!(refused, Err(BadEnvelope::Malformed { .. })), "{refused:?}");
}

proptest! {
    #[test]
    fn any_bytes_are_an_envelope_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::decode(&bytes);
    }

    #[test]
    fn a_spoilt_envelope_is_an_envelope_or_an_error(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = envelope("a", plan()).encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Envelope::decode(&bytes);
    }
}
