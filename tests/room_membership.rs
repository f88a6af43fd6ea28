//! Coming to a room, leaving it, and its end.

mod room_support;

use downbeat::room::{ChangeSettings, Control, MemberChange, Refusal, Room};
use room_support::*;
use serde_json::json;

#[test]
fn the_first_join_starts_the_clock_and_later_ones_leave_it_alone() {
    let mut room = new_room();
    let applied = join(&mut room, "ada", STUDENT, 1);
    assert_eq!(names(&applied), ["clock_started"]);
    assert_eq!(applied.events[0].payload, json!({ "run": 1, "at": (NOW + LEAD) as f64 / 1e3, "beat": 0.0 }));
    assert!(applied.controls_changed && applied.timeline_changed);
    let before = room.controls.clone();
    let applied = join(&mut room, "bob", STUDENT, 2);
    assert!(!applied.controls_changed && applied.events.is_empty());
    assert_eq!(room.controls, before);
}

#[test]
fn a_clock_that_the_teacher_stopped_is_not_started_by_a_join() {
    let mut room = class();
    ask(&mut room, "stop_clock", json!({}));
    assert!(!join(&mut room, "eve", STUDENT, 9).controls_changed);
    assert!(!room.controls.playing);
}

#[test]
fn two_connections_of_one_id_are_one_member_until_the_last_goes() {
    let mut room = class();
    let applied = join(&mut room, "ada", STUDENT, 20);
    assert!(matches!(applied.member_changes[..], [MemberChange::Joined { first: false, connection: 20, .. }]));
    assert_eq!(room.members.get("ada").unwrap().connections.len(), 2);
    let left = |last, connection| vec![MemberChange::Left { student_id: "ada".into(), connection, last }];
    assert_eq!(room.depart(2, NOW).member_changes, left(false, 2));
    assert_eq!(room.depart(20, NOW).member_changes, left(true, 20));
    assert!(!room.members.contains_key("ada"));
    assert_eq!(room.depart(20, NOW).member_changes, []);
}

#[test]
fn a_full_room_refuses_students_but_no_teacher_and_no_second_connection() {
    let mut room = class();
    let change = ChangeSettings { max_students: Some(2), ..ChangeSettings::default() };
    room.apply(&teacher(), &Control::ChangeSettings(change), NOW, LEAD).expect("a teacher may");
    assert_eq!(try_join(&mut room, "eve", STUDENT, 9), Err(Refusal::RoomFull));
    assert_eq!(try_join(&mut room, "ada", STUDENT, 9), Ok(()));
    assert_eq!(try_join(&mut room, "mr-lee", TEACHER, 10), Ok(()));
}

#[test]
fn a_locked_room_lets_back_in_who_was_there() {
    let mut room = class();
    assert_eq!(names(&ask(&mut room, "lock_room", json!({}))), ["room_locked"]);
    room.depart(2, NOW);
    assert_eq!(try_join(&mut room, "eve", STUDENT, 9), Err(Refusal::RoomLocked));
    assert_eq!(try_join(&mut room, "ada", STUDENT, 10), Ok(()));
    assert_eq!(try_join(&mut room, "mr-lee", TEACHER, 11), Ok(()));
    let mut restarted = Room::restored(room.key.clone(), room.controls.clone(), NOW);
    assert_eq!(try_join(&mut restarted, "bob", STUDENT, 12), Ok(()));
    ask(&mut room, "unlock_room", json!({}));
    assert_eq!(try_join(&mut room, "eve", STUDENT, 9), Ok(()));
}

#[test]
fn a_removed_student_is_told_shut_out_and_forgotten() {
    let mut room = class();
    join(&mut room, "ada", STUDENT, 20);
    ask(&mut room, "assign_beat", json!({ "student_id": "ada", "beat": 3 }));
    let applied = ask(&mut room, "remove_student", json!({ "student_id": "ada" }));
    assert_eq!(names(&applied), ["student_removed", "beat_assignment_updated"]);
    let ejected = &applied.ejected[0];
    assert_eq!(ejected.connections.iter().copied().collect::<Vec<_>>(), [2, 20]);
    assert_eq!(ejected.last_event.as_ref().map(|event| event.event), Some("removed_from_room"));
    assert_eq!(applied.member_changes.len(), 2);
    assert!(room.controls.assignments.is_empty());
    assert_eq!(try_join(&mut room, "ada", STUDENT, 21), Err(Refusal::RemovedFromRoom));
}

#[test]
fn a_forgotten_student_is_named_nowhere_in_the_room_whether_here_or_long_gone() {
    for is_here in [true, false] {
        let mut room = class();
        for (event, payload) in [
            ("assign_beat", json!({ "student_id": "ada", "beat": 3 })),
            ("assign_role", json!({ "student_id": "ada", "role": "soloist" })),
            ("mute_all", json!({})),
            ("mute_student", json!({ "student_id": "ada" })),
            ("unmute_student", json!({ "student_id": "ada" })),
            ("lock_room", json!({})),
        ] {
            ask(&mut room, event, payload);
        }
        if !is_here {
            room.depart(2, NOW);
        }
        let forget = Control::ForgetStudent { student_id: "ada".into() };
        let applied = room.apply(&teacher(), &forget, NOW, LEAD).expect("the teacher's");
        assert!(applied.controls_changed, "what is stored changes");
        assert_eq!(applied.ejected.len(), usize::from(is_here));
        assert!(applied.ejected.iter().all(|ejected| ejected.last_event.is_none()), "it is no removal");
        let left = serde_json::to_string(&(&room.controls, room.members.keys().collect::<Vec<_>>())).unwrap();
        assert!(!left.contains("ada"), "{left}");
        ask(&mut room, "unlock_room", json!({}));
        assert_eq!(try_join(&mut room, "ada", STUDENT, 30), Ok(()), "and may come again");
    }
}

#[test]
fn forgetting_somebody_unknown_changes_nothing_and_is_no_student_s_to_ask() {
    let mut room = class();
    let before = room.clone();
    let forget = Control::ForgetStudent { student_id: "nobody".into() };
    let applied = room.apply(&teacher(), &forget, NOW, LEAD).expect("the teacher's");
    assert!(!applied.controls_changed && applied.member_changes.is_empty() && applied.events.is_empty());
    assert_eq!(room, before);
    assert_eq!(room.apply(&student("bob", 3), &forget, NOW, LEAD).unwrap_err(), Refusal::Unauthorized);
}

#[test]
fn closing_ends_every_connection_and_the_room_for_good() {
    let mut room = class();
    let applied = ask(&mut room, "close_room", json!({}));
    assert!(applied.closed && applied.controls_changed);
    assert_eq!(names(&applied), ["room_closed"]);
    assert_eq!(applied.ejected.len(), 3);
    assert!(room.members.is_empty());
    assert_eq!(try_join(&mut room, "ada", STUDENT, 9), Err(Refusal::RoomNotFound));
    assert_eq!(refusal(&mut room, &teacher(), "mute_all", json!({})), Refusal::RoomNotFound);
}

#[test]
fn a_room_is_closed_after_an_hour_of_emptiness() {
    let mut room = class();
    let hour = downbeat::room::EMPTY_ROOM_LIFETIME_US;
    assert!(room.tick(NOW + 10 * hour).is_none());
    for connection in 1..=3 {
        room.depart(connection, NOW + 5);
    }
    assert!(room.tick(NOW + 4 + hour).is_none());
    let applied = room.tick(NOW + 5 + hour).expect("an hour is over");
    assert!(applied.closed && room.controls.closed);
    assert!(room.tick(NOW + 6 + hour).is_none());
}
