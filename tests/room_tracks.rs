//! What connections show of themselves in presence.

mod room_support;

use std::sync::Arc;

use downbeat::room::{Applied, Member, MemberChange, Refusal, Room, TRACKED_BYTES_MAX, Track};
use room_support::*;
use serde_json::json;

fn track(room: &mut Room, student_id: &str, connection: u64, fields: &str) -> Applied {
    room.track(student_id, connection, Some(&fields.into())).expect("there is space")
}

fn shown(room: &Room, student_id: &str, connection: u64) -> Option<(u64, u64, Arc<str>)> {
    let (track, fields) = room.members.get(student_id)?.tracked(connection)?;
    Some((track.version, track.replaces, fields.clone()))
}

fn changed(student_id: &str) -> Vec<MemberChange> {
    vec![MemberChange::Changed { student_id: student_id.into() }]
}

#[test]
fn each_track_is_one_change_of_the_member_alone() {
    let mut room = class();
    let controls = room.controls.clone();
    let applied = track(&mut room, "ada", 2, r#"{"seat":1}"#);
    assert_eq!(applied.member_changes, changed("ada"));
    assert!(!applied.controls_changed && applied.events.is_empty());
    assert_eq!(shown(&room, "ada", 2), Some((1, 0, r#"{"seat":1}"#.into())));
    track(&mut room, "ada", 2, r#"{"seat":2}"#);
    assert_eq!(shown(&room, "ada", 2), Some((2, 1, r#"{"seat":2}"#.into())));
    assert_eq!(room.controls, controls);
}

#[test]
fn the_same_fields_again_change_nothing() {
    let mut room = class();
    track(&mut room, "ada", 2, r#"{"seat":1}"#);
    let before = room.clone();
    assert_eq!(track(&mut room, "ada", 2, r#"{"seat":1}"#).member_changes, []);
    assert_eq!(room.track("bob", 3, None).expect("allowed").member_changes, [], "he shows nothing as it is");
    assert_eq!(room, before);
}

#[test]
fn after_an_untrack_the_plain_meta_is_replaced_under_a_new_name() {
    let mut room = class();
    track(&mut room, "ada", 2, "{}");
    assert_eq!(room.track("ada", 2, None).expect("allowed").member_changes, changed("ada"));
    assert_eq!(shown(&room, "ada", 2), None);
    track(&mut room, "ada", 2, "{}");
    assert_eq!(shown(&room, "ada", 2), Some((3, 0, "{}".into())));
}

#[test]
fn a_connection_tracks_for_itself_alone_and_until_it_goes() {
    let mut room = class();
    join(&mut room, "ada", STUDENT, 20);
    track(&mut room, "ada", 2, r#"{"at":"desk"}"#);
    track(&mut room, "ada", 20, r#"{"at":"phone"}"#);
    room.depart(2, NOW);
    assert_eq!((shown(&room, "ada", 2), shown(&room, "ada", 20).is_some()), (None, true));
    join(&mut room, "ada", STUDENT, 2);
    assert_eq!(shown(&room, "ada", 2), None);
    join(&mut room, "eve", STUDENT, 20);
    assert_eq!((shown(&room, "ada", 20), shown(&room, "eve", 20)), (None, None), "it is another person's now");
}

#[test]
fn a_connection_that_joins_again_goes_on_showing_what_it_tracks() {
    let mut room = class();
    track(&mut room, "ada", 2, "{}");
    join(&mut room, "ada", STUDENT, 2);
    assert_eq!(shown(&room, "ada", 2), Some((1, 0, "{}".into())));
}

#[test]
fn only_a_student_s_own_connection_in_the_room_can_track() {
    let mut room = class();
    let before = room.clone();
    for (student_id, connection) in [("ada", 3), ("eve", 2), ("ada", 9)] {
        let refused = room.track(student_id, connection, Some(&"{}".into())).expect_err("refused");
        assert_eq!(refused, Refusal::UnknownStudent);
        assert_eq!(room.track(student_id, connection, None).expect_err("refused"), Refusal::UnknownStudent);
    }
    assert_eq!(room, before);
    ask(&mut room, "close_room", json!({}));
    assert_eq!(room.track("ada", 2, None).expect_err("nobody is here"), Refusal::UnknownStudent);
}

#[test]
fn what_a_room_s_connections_show_together_is_bounded() {
    let mut room = class();
    let long: Arc<str> = format!("{{\"a\":\"{}\"}}", "x".repeat(TRACKED_BYTES_MAX - 108)).into();
    room.track("ada", 2, Some(&long)).expect("it fits");
    let short: Arc<str> = format!("{{\"a\":\"{}\"}}", "x".repeat(92)).into();
    room.track("bob", 3, Some(&short)).expect("to the last byte");
    let before = room.clone();
    let more: Arc<str> = format!("{{\"a\":\"{}\"}}", "x".repeat(93)).into();
    assert_eq!(room.track("bob", 3, Some(&more)).expect_err("one byte more"), Refusal::TrackedTooMuch);
    assert_eq!(room.track("ms-ray", 1, Some(&"{}".into())).expect_err("full"), Refusal::TrackedTooMuch);
    assert_eq!(Refusal::TrackedTooMuch.to_string(), "payload_size_exceeded");
    assert_eq!(room, before);
    room.track("ada", 2, Some(&"{}".into())).expect("less than before");
    room.track("bob", 3, Some(&more)).expect("there is space again");
}

#[test]
fn what_cannot_be_stored_is_taken_back() {
    let mut room = class();
    track(&mut room, "ada", 2, r#"{"seat":1}"#);
    let before = room.clone();
    let applied = track(&mut room, "ada", 2, r#"{"seat":2}"#);
    room.roll_back(applied);
    assert_eq!(room, before);
}

fn returning(room: &Room, version: u64, fields: Option<&str>) -> Member {
    let mut member = room.members.get("ada").cloned().unwrap();
    member.tracks = [(2, Track { version, replaces: 0, fields: fields.map(Arc::from) })].into();
    member
}

#[test]
fn whoever_is_taken_back_shows_what_it_did() {
    let mut room = class();
    track(&mut room, "ada", 2, r#"{"seat":1}"#);
    let away = room.members.get("ada").cloned().unwrap();
    room.depart(2, NOW);
    let applied = room.readmit(&away, NOW).expect("she was let in once");
    assert!(matches!(applied.member_changes[..], [MemberChange::Joined { connection: 2, .. }]));
    assert_eq!(shown(&room, "ada", 2), Some((1, 0, r#"{"seat":1}"#.into())));
    room.roll_back(applied);
    assert!(!room.members.contains_key("ada"));
}

#[test]
fn of_two_that_know_what_a_connection_shows_the_later_is_believed() {
    let mut room = class();
    track(&mut room, "ada", 2, r#"{"seat":1}"#);
    let older = returning(&room, 1, Some(r#"{"seat":0}"#));
    assert_eq!(room.readmit(&older, NOW).expect("known").member_changes, []);
    assert_eq!(shown(&room, "ada", 2), Some((1, 0, r#"{"seat":1}"#.into())));
    let later = returning(&room, 2, Some(r#"{"seat":2}"#));
    assert_eq!(room.readmit(&later, NOW).expect("known").member_changes, changed("ada"));
    assert_eq!(shown(&room, "ada", 2), Some((2, 0, r#"{"seat":2}"#.into())));
    let untracked = returning(&room, 3, None);
    assert_eq!(room.readmit(&untracked, NOW).expect("known").member_changes, changed("ada"));
    assert_eq!(shown(&room, "ada", 2), None);
    room.readmit(&later, NOW).expect("known");
    assert_eq!(shown(&room, "ada", 2), None, "it was untracked since");
}

#[test]
fn what_comes_back_and_does_not_fit_any_more_is_left_aside() {
    let mut room = class();
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(TRACKED_BYTES_MAX - 8));
    track(&mut room, "bob", 3, &long);
    let away = returning(&room, 1, Some("{}"));
    room.depart(2, NOW);
    room.readmit(&away, NOW).expect("she was let in once");
    assert!(room.members.contains_key("ada"));
    assert_eq!(shown(&room, "ada", 2), None);
}
