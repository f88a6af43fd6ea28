//! The rules of a room, one behaviour a test.

mod room_support;

use downbeat::room::{Refusal, RoomRole, TokenRole};
use room_support::*;
use serde_json::{Value, json};

#[test]
fn an_id_that_is_no_member_is_an_unknown_student_everywhere() {
    let mut room = class();
    for (event, payload) in [
        ("mute_student", json!({ "student_id": "eve" })),
        ("unmute_student", json!({ "student_id": "eve" })),
        ("assign_beat", json!({ "student_id": "eve", "beat": 1 })),
        ("assign_role", json!({ "student_id": "eve", "role": "soloist" })),
        ("remove_student", json!({ "student_id": "eve" })),
    ] {
        assert_eq!(refusal(&mut room, &teacher(), event, payload), Refusal::UnknownStudent, "{event}");
    }
    assert_eq!(Refusal::UnknownStudent.to_string(), "unknown student");
}

#[test]
fn a_co_teacher_conducts_but_neither_closes_the_room_nor_removes_a_teacher() {
    let mut room = class();
    let ada = student("ada", 2);
    assert_eq!(refusal(&mut room, &ada, "set_tempo", json!({ "bpm": 90 })), Refusal::Unauthorized);
    ask(&mut room, "assign_role", json!({ "student_id": "ada", "role": "co_teacher" }));
    ask_as(&mut room, &ada, "set_tempo", json!({ "bpm": 90 }));
    assert_eq!(room.controls.bpm, 90);
    assert_eq!(refusal(&mut room, &ada, "close_room", json!({})), Refusal::Unauthorized);
    assert_eq!(refusal(&mut room, &ada, "remove_student", json!({ "student_id": "ms-ray" })), Refusal::Unauthorized);
}

#[test]
fn muting_all_covers_who_comes_later_and_spares_who_was_unmuted_since() {
    let mut room = class();
    let applied = ask(&mut room, "mute_all", json!({}));
    assert_eq!(names(&applied), ["student_muted", "student_muted"]);
    assert_eq!(names(&join(&mut room, "eve", STUDENT, 9)), ["student_muted"]);
    assert_eq!(room.muted().collect::<Vec<_>>(), ["ada", "bob", "eve"]);
    assert_eq!(play(&room, "eve"), Err(Refusal::Muted));
    assert_eq!(room.controls.may_play(&room.members, "ms-ray", TEACHER), Ok(()));

    ask(&mut room, "unmute_student", json!({ "student_id": "ada" }));
    room.depart(2, NOW);
    assert!(join(&mut room, "ada", STUDENT, 2).events.is_empty());
    assert_eq!(play(&room, "ada"), Ok(()));

    let applied = ask(&mut room, "unmute_all", json!({}));
    assert_eq!(applied.events.iter().map(|e| &e.payload["student_id"]).collect::<Vec<_>>(), ["bob", "eve"]);
    assert_eq!(room.muted().count(), 0);
}

#[test]
fn muting_all_again_covers_those_who_were_unmuted_and_have_gone() {
    let mut room = class();
    ask(&mut room, "mute_all", json!({}));
    ask(&mut room, "unmute_student", json!({ "student_id": "ada" }));
    room.depart(2, NOW);
    let rev = room.controls.rev;
    assert!(ask(&mut room, "mute_all", json!({})).controls_changed);
    assert_eq!(room.controls.rev, rev + 1);
    assert_eq!(names(&join(&mut room, "ada", STUDENT, 2)), ["student_muted"]);
    assert_eq!(play(&room, "ada"), Err(Refusal::Muted));
    assert!(!ask(&mut room, "mute_all", json!({})).controls_changed);
}

#[test]
fn a_co_teacher_who_comes_while_all_are_muted_has_a_voice() {
    let mut room = class();
    ask(&mut room, "mute_all", json!({}));
    join(&mut room, "eve", STUDENT, 9);
    let applied = ask(&mut room, "assign_role", json!({ "student_id": "eve", "role": "co_teacher" }));
    assert_eq!(names(&applied), ["role_assigned", "student_unmuted"]);
    assert_eq!(play(&room, "eve"), Ok(()));
}

#[test]
fn a_mute_holds_over_a_rejoin_and_asking_twice_changes_nothing() {
    let mut room = class();
    ask(&mut room, "mute_student", json!({ "student_id": "ada" }));
    let rev = room.controls.rev;
    assert!(!ask(&mut room, "mute_student", json!({ "student_id": "ada" })).controls_changed);
    assert_eq!(room.controls.rev, rev);
    room.depart(2, NOW);
    join(&mut room, "ada", STUDENT, 12);
    assert_eq!(play(&room, "ada"), Err(Refusal::Muted));
}

#[test]
fn a_soloist_plays_alone_while_present_and_a_listener_never() {
    let mut room = class();
    ask(&mut room, "assign_role", json!({ "student_id": "ada", "role": "soloist" }));
    assert_eq!(play(&room, "ada"), Ok(()));
    assert_eq!(play(&room, "bob"), Err(Refusal::OnlySoloistCanPlay));
    room.depart(2, NOW);
    assert_eq!(play(&room, "bob"), Ok(()));
    ask(&mut room, "assign_role", json!({ "student_id": "bob", "role": "listener" }));
    assert_eq!(play(&room, "bob"), Err(Refusal::ListenerCannotPlay));
    let applied = ask(&mut room, "assign_role", json!({ "student_id": "bob", "role": "none" }));
    assert_eq!(applied.events[0].payload, json!({ "student_id": "bob", "role": null }));
    assert_eq!(play(&room, "bob"), Ok(()));
    ask(&mut room, "assign_role", json!({ "student_id": "bob", "role": "section:alto" }));
    assert_eq!(room.controls.roles["bob"], RoomRole::Section("alto".into()));
}

#[test]
fn several_students_share_a_beat() {
    let mut room = class();
    ask(&mut room, "assign_beat", json!({ "student_id": "ada", "beat": 1 }));
    let applied = ask(&mut room, "assign_beat", json!({ "student_id": "bob", "beat": 1 }));
    assert_eq!(names(&applied), ["beat_assigned", "beat_assignment_updated"]);
    let updated = json!({ "beat": 1, "student_id": "bob", "assignments": { "1": ["ada", "bob"] } });
    assert_eq!(applied.events[1].payload, updated);
    let applied = ask(&mut room, "clear_beat", json!({ "beat": 1 }));
    assert_eq!(applied.events[0].payload, json!({ "beat": 1, "student_id": null, "assignments": {} }));
    assert!(!ask(&mut room, "clear_beats", json!({})).controls_changed);
}

#[test]
fn hands_are_everybodys_own_and_a_teacher_may_lower_them() {
    let mut room = class();
    let (ada, bob) = (student("ada", 2), student("bob", 3));
    let applied = ask_as(&mut room, &ada, "raise_hand", Value::Null);
    assert_eq!(names(&applied), ["hand_raised"]);
    assert!(!applied.controls_changed && room.members.get("ada").unwrap().hand);
    assert_eq!(refusal(&mut room, &bob, "lower_hand", json!({ "student_id": "ada" })), Refusal::Unauthorized);
    assert_eq!(names(&ask(&mut room, "lower_hand", json!({ "student_id": "ada" }))), ["hand_lowered"]);
    assert!(ask_as(&mut room, &ada, "lower_hand", json!({})).events.is_empty());
}

#[test]
fn what_could_not_be_stored_is_taken_back_whole() {
    for (event, payload) in [
        ("remove_student", json!({ "student_id": "ada" })),
        ("close_room", json!({})),
        ("mute_all", json!({})),
        ("reset_clock", json!({})),
    ] {
        let mut room = class();
        let before = room.clone();
        let applied = ask(&mut room, event, payload);
        assert_ne!(room, before);
        room.roll_back(applied);
        assert_eq!(room, before, "{event}");
    }
    let mut room = new_room();
    let before = room.clone();
    let applied = join(&mut room, "ada", STUDENT, 1);
    room.roll_back(applied);
    assert_eq!(room, before);
}

#[test]
fn the_join_reply_has_everything_that_the_contract_names() {
    let mut room = class();
    ask(&mut room, "mute_student", json!({ "student_id": "bob" }));
    let reply = room.join_reply("ada", TokenRole::Student, moment());
    let mut fields: Vec<&str> = reply.as_object().expect("an object").keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "assignments",
            "bpm",
            "members",
            "muted",
            "playing",
            "role",
            "roles",
            "room_id",
            "server_time",
            "settings",
            "student_id",
            "timeline",
        ]
    );
    assert_eq!(reply["room_id"], "MUSIC-1234");
    assert_eq!(reply["role"], "student");
    assert_eq!(
        reply["members"][1],
        json!({ "student_id": "bob", "name": "Bob", "role": "student", "connections": 1, "muted": true, "hand": false })
    );
    let timeline = &reply["timeline"];
    assert_eq!(timeline["source"], "clock");
    assert_eq!(
        timeline["segments"],
        json!([{ "t0_us": NOW + LEAD, "beat0_ub": 0, "milli_bpm": 120_000, "ramp": null }])
    );
    assert_eq!(timeline["meter"], json!({ "beats_per_bar": 4, "groups": [], "bar0_ub": 0 }));
    assert_eq!(timeline["stop_at_ub"], Value::Null);
}
