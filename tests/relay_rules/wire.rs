use std::fmt::Write as _;

use downbeat::relay::{BadEnvelope, ENVELOPE_BYTES_MAX, Envelope};
use proptest::prelude::*;
use serde_json::json;

use super::samples::{envelope, note, plan, presence, room_events};

/// What release 1.0 of the envelope puts on the wire. A later release may add fields; it must still read these bytes,
/// and these nodes must still read its own.
#[test]
fn the_bytes_on_the_wire_are_those_of_version_1() {
    let golden = [
        (
            note("a", r#"{"midi":60}"#),
            concat!(
                "85a17601a56d696e6f7200a66f726967696ea161ab696e6361726e6174696f6e07a46e6f746582aa73747564656e745f6964",
                "a3616461a77061796c6f6164ab7b226d696469223a36307d"
            ),
        ),
        (
            envelope("a", plan()),
            concat!(
                "85a17601a56d696e6f7200a66f726967696ea161ab696e6361726e6174696f6e07a4706c616e85a57374616d7083a565706f",
                "6368cf0000018bcfe56800a56e6f6e636563a37265760ca372756e02a7706c6179696e67c3a874696d656c696e6582a87365",
                "676d656e74739284a574305f7573ce000f4240a862656174305f756200a96d696c6c695f62706dcdea60a472616d70c084a5",
                "74305f7573ce004c4b40a862656174305f7562ce003d0900a96d696c6c695f62706dcdea60a472616d7082ac746f5f6d696c",
                "6c695f62706dce0001d4c0a66c656e5f7562ce007a1200aa73746f705f61745f7562ce03d09000a56d6574657283ad626561",
                "74735f7065725f62617207a667726f75707393020203a7626172305f756200"
            ),
        ),
        (
            envelope("a", room_events()),
            concat!(
                "85a17601a56d696e6f7200a66f726967696ea161ab696e6361726e6174696f6e07ab726f6f6d5f6576656e747382a5737461",
                "6d7083a565706f6368cf0000018bcfe56800a56e6f6e636563a37265760ca66576656e74739282a56576656e74ad73747564",
                "656e745f6d75746564a77061796c6f6164b47b2273747564656e745f6964223a22626f62227d82a56576656e74ab726f6f6d",
                "5f6c6f636b6564a77061796c6f6164a27b7d"
            ),
        ),
        (
            envelope("a", presence()),
            concat!(
                "85a17601a56d696e6f7200a66f726967696ea161ab696e6361726e6174696f6e07a870726573656e636581a464696666b87b",
                "226a6f696e73223a7b7d2c226c6561766573223a7b7d7d"
            ),
        ),
    ];
    for (envelope, expected) in golden {
        let bytes = envelope.encode().unwrap();
        let mut hex = String::new();
        for byte in &bytes {
            write!(hex, "{byte:02x}").unwrap();
        }
        assert_eq!(hex, expected, "{envelope:?}");
        assert_eq!(Envelope::decode(&bytes), Ok(envelope));
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
