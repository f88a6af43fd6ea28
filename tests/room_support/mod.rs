//! A class to try the rules of a room on: ms-ray teaches (connection 1), ada (2) and bob (3) learn.

#![allow(dead_code, reason = "each test file uses its part")]

use downbeat::room::{
    Actor, Applied, Code, CodeLength, Control, CreateRoom, Join, Moment, Refusal, Room, RoomKey, Source, TokenRole,
};
use serde_json::Value;

pub const NOW: i64 = 1_700_000_000_000_000;
pub const LEAD: i64 = 150_000;
pub const TEACHER: TokenRole = TokenRole::Teacher;
pub const STUDENT: TokenRole = TokenRole::Student;

pub fn new_room() -> Room {
    let key = RoomKey { tenant: "acme".into(), code: Code::from_number(1234, CodeLength::Four) };
    Room::create(key, CreateRoom::default(), "ms-ray", 120, 60, NOW)
}

pub fn class() -> Room {
    let mut room = new_room();
    join(&mut room, "ms-ray", TEACHER, 1);
    join(&mut room, "ada", STUDENT, 2);
    join(&mut room, "bob", STUDENT, 3);
    room
}

pub fn teacher() -> Actor {
    Actor { student_id: "ms-ray".into(), role: TEACHER, connection: 1 }
}

pub fn student(student_id: &str, connection: u64) -> Actor {
    Actor { student_id: student_id.into(), role: STUDENT, connection }
}

fn join_of(student_id: &str, role: TokenRole, connection: u64) -> Join {
    let mut name = student_id.to_owned();
    name[..1].make_ascii_uppercase();
    Join { student_id: student_id.into(), name, role, connection }
}

pub fn join(room: &mut Room, student_id: &str, role: TokenRole, connection: u64) -> Applied {
    room.admit(&join_of(student_id, role, connection), NOW, LEAD).expect("there is room")
}

pub fn try_join(room: &mut Room, student_id: &str, role: TokenRole, connection: u64) -> Result<(), Refusal> {
    room.admit(&join_of(student_id, role, connection), NOW, LEAD).map(|_| ())
}

pub fn control(event: &str, payload: &Value) -> Control {
    Control::parse(event, &payload.to_string()).expect("well formed").expect("a control")
}

pub fn ask(room: &mut Room, event: &str, payload: Value) -> Applied {
    ask_as(room, &teacher(), event, payload)
}

pub fn ask_as(room: &mut Room, actor: &Actor, event: &str, payload: Value) -> Applied {
    ask_at(room, actor, event, payload, NOW)
}

pub fn ask_at(room: &mut Room, actor: &Actor, event: &str, payload: Value, now_us: i64) -> Applied {
    room.apply(actor, &control(event, &payload), now_us, LEAD).expect("permitted")
}

pub fn refusal(room: &mut Room, actor: &Actor, event: &str, payload: Value) -> Refusal {
    let before = room.clone();
    let refusal = room.apply(actor, &control(event, &payload), NOW, LEAD).expect_err("refused");
    assert_eq!(*room, before, "a refusal changes nothing");
    refusal
}

pub fn play(room: &Room, student_id: &str) -> Result<(), Refusal> {
    room.controls.may_play(&room.members, student_id, STUDENT)
}

pub fn names(applied: &Applied) -> Vec<&'static str> {
    applied.events.iter().map(|event| event.event).collect()
}

pub fn moment() -> Moment<'static> {
    Moment { epoch: 7, time_base: "local", source: Source::Clock, server_now_us: NOW }
}
