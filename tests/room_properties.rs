//! What holds of a room whatever is asked of it, by whomever, in whatever order.

mod room_support;

use std::{collections::BTreeSet, sync::Arc};

use downbeat::room::{
    Actor, Bpm, ChangeSettings, Control, Controls, Join, JoinParams, MemberChange, Note, Place, Quantise, Refusal,
    Room, RoomRole, TokenRole,
};
use downbeat::tempo::Timeline;
use proptest::{collection::vec, option, prelude::*};
use room_support::*;

const IDS: [&str; 5] = ["ms-ray", "ada", "bob", "eve", "kim"];

#[derive(Clone, Debug)]
enum Step {
    Join(Join),
    Depart(u64),
    Ask(Actor, Control),
    Track(String, u64, Option<Arc<str>>),
    Wait(i64),
}

fn id() -> impl Strategy<Value = String> {
    prop::sample::select(&IDS[..]).prop_map(str::to_owned)
}

/// Only ms-ray has a teacher's token.
fn role_of(id: &str) -> TokenRole {
    if id == "ms-ray" { TEACHER } else { STUDENT }
}

fn control() -> impl Strategy<Value = Control> {
    let bpm = || (1_u32..=299).prop_map(Bpm::clamped);
    let place = || (1_u32..=64).prop_map(|place| Place::try_from(place).expect("in range"));
    let at = prop::sample::select(vec![Quantise::Now, Quantise::Beat, Quantise::Bar]);
    let role = prop::sample::select(vec![
        Some(RoomRole::CoTeacher),
        Some(RoomRole::Soloist),
        Some(RoomRole::Listener),
        Some(RoomRole::Section("alto".into())),
        None,
    ]);
    let change = (option::of(any::<bool>()), option::of(1_u32..5), option::of("[a-z]{1,5}"), option::of(bpm()));
    prop_oneof![
        (bpm(), at).prop_map(|(bpm, at)| Control::SetTempo { bpm, at }),
        (bpm(), 1_u32..=1_024).prop_map(|(bpm, beats)| Control::RampTempo { bpm, beats }),
        (0_u32..=64, any::<bool>()).prop_map(|(count_in, resume)| Control::StartClock { count_in, resume }),
        Just(Control::StopClock),
        Just(Control::ResetClock),
        (1_u32..=64).prop_map(|beats_per_bar| Control::SetMeter { beats_per_bar, groups: vec![] }),
        id().prop_map(|student_id| Control::MuteStudent { student_id }),
        id().prop_map(|student_id| Control::UnmuteStudent { student_id }),
        Just(Control::MuteAll),
        Just(Control::UnmuteAll),
        (id(), place()).prop_map(|(student_id, beat)| Control::AssignBeat { student_id, beat }),
        place().prop_map(|beat| Control::ClearBeat { beat }),
        Just(Control::ClearBeats),
        (id(), role).prop_map(|(student_id, role)| Control::AssignRole { student_id, role }),
        Just(Control::LockRoom),
        Just(Control::UnlockRoom),
        id().prop_map(|student_id| Control::RemoveStudent { student_id }),
        Just(Control::RaiseHand),
        option::of(id()).prop_map(|student_id| Control::LowerHand { student_id }),
        change.prop_map(|(autostart, max_students, name, bpm)| {
            Control::ChangeSettings(ChangeSettings { autostart, max_students, name, bpm })
        }),
    ]
}

fn asker() -> impl Strategy<Value = Actor> {
    let anybody =
        (id(), 0_u64..8).prop_map(|(id, connection)| Actor { role: role_of(&id), student_id: id, connection });
    prop_oneof![anybody, Just(teacher())]
}

fn step() -> impl Strategy<Value = Step> {
    let join = (id(), 0_u64..8).prop_map(|(id, connection)| Join {
        name: id.clone(),
        role: role_of(&id),
        student_id: id,
        connection,
    });
    let fields = option::of(prop::sample::select(&["{}", r#"{"seat":1}"#][..]).prop_map(Arc::from));
    let track = (id(), 0_u64..8, fields).prop_map(|(id, connection, fields)| Step::Track(id, connection, fields));
    // Closing is rare, or little would ever happen after it.
    let asked = prop_oneof![40 => control(), 1 => Just(Control::CloseRoom)];
    prop_oneof![
        3 => join.prop_map(Step::Join),
        1 => (0_u64..8).prop_map(Step::Depart),
        8 => (asker(), asked).prop_map(|(actor, control)| Step::Ask(actor, control)),
        3 => track,
        3 => (0_i64..3_000_000).prop_map(Step::Wait),
    ]
}

/// What a student may ask for without being a co-teacher.
fn is_everybodys(actor: &Actor, control: &Control) -> bool {
    match control {
        Control::RaiseHand | Control::LowerHand { student_id: None } => true,
        Control::LowerHand { student_id: Some(id) } => *id == actor.student_id,
        _ => false,
    }
}

/// The changed controls without what every change changes.
fn substance(controls: &Controls) -> Controls {
    Controls { rev: 0, last_active_at_us: 0, ..controls.clone() }
}

fn check_shape(room: &Room) -> Result<(), TestCaseError> {
    let mut seen = BTreeSet::new();
    prop_assert!(room.members.keys().is_sorted_by(|one, next| one < next), "a member twice");
    for member in room.members.values() {
        prop_assert!(!member.connections.is_empty(), "a member without a connection");
        for connection in &member.connections {
            prop_assert!(seen.insert(*connection), "a connection of two members");
        }
        let stays = member.tracks.keys().all(|connection| member.connections.contains(connection));
        prop_assert!(stays, "a connection that has gone shows something");
    }
    prop_assert_eq!(room.empty_since_us.is_some(), room.members.is_empty());
    prop_assert!(room.controls.assignments.keys().all(|place| (1..=64).contains(place)));
    prop_assert!(room.controls.assignments.values().all(|ids| !ids.is_empty()));
    prop_assert!((1..=299).contains(&room.controls.bpm));
    prop_assert!(!room.controls.playing || room.controls.timeline.is_some());
    let stored = serde_json::to_string(&room.controls).expect("controls are plain data");
    prop_assert_eq!(&serde_json::from_str::<Controls>(&stored).expect("as written"), &room.controls);
    Ok(())
}

/// Carries out a step; checks what must hold between before and after; answers the connections that came and went.
fn check_step(room: &mut Room, step: &Step, now_us: i64) -> Result<(), TestCaseError> {
    let before = room.clone();
    let answer = match step {
        Step::Join(join) => room.admit(join, now_us, LEAD),
        Step::Depart(connection) => Ok(room.depart(*connection, now_us)),
        Step::Ask(actor, control) => {
            let answer = room.apply(actor, control, now_us, LEAD);
            let co_teacher = before.controls.roles.get(&actor.student_id) == Some(&RoomRole::CoTeacher)
                && *control != Control::CloseRoom;
            if actor.role == STUDENT && !co_teacher && !is_everybodys(actor, control) && !before.controls.closed {
                prop_assert!(matches!(answer, Err(Refusal::Unauthorized)), "{:?}", answer);
            }
            answer
        }
        Step::Track(id, connection, fields) => room.track(id, *connection, fields.as_ref()),
        Step::Wait(_) => return Ok(()),
    };
    let applied = match answer {
        Err(_) => {
            prop_assert_eq!(&*room, &before, "a refusal changes nothing");
            return Ok(());
        }
        Ok(applied) => applied,
    };
    let (old, new) = (&before.controls, &room.controls);
    prop_assert_eq!(new.rev, old.rev + u64::from(applied.controls_changed));
    prop_assert!(applied.controls_changed || new == old, "a change that is not told");
    prop_assert!(!applied.timeline_changed || applied.controls_changed);
    prop_assert!(new.run >= old.run && new.run <= old.run + 1);
    let time_moved = new.timeline != old.timeline || new.meter != old.meter;
    prop_assert!(!time_moved || applied.timeline_changed, "a timeline that nobody is told of");
    if let (Some(timeline), Some(old)) = (&new.timeline, &old.timeline)
        && before.controls.run == new.run
        && before.controls.playing
    {
        prop_assert_eq!(on_their_way(timeline, now_us), on_their_way(old, now_us));
    }
    check_changes(&before, room, &applied.member_changes)?;
    let after = room.clone();
    room.roll_back(applied);
    prop_assert_eq!(&*room, &before, "what cannot be stored is taken back");
    *room = after;
    Ok(())
}

/// Number and time of the beats that may have been sent: no change may move them.
fn on_their_way(timeline: &Timeline, now_us: i64) -> Vec<(i64, i64)> {
    let mut beats = Vec::new();
    let mut next = timeline.next_beat(None, now_us);
    while let Some(due) = next.filter(|due| due.due_us < now_us + LEAD) {
        beats.push((due.beat, due.due_us));
        next = timeline.next_beat(Some(due.beat), now_us);
    }
    beats
}

/// The changes that are told are exactly the connections that came and went.
fn check_changes(before: &Room, after: &Room, changes: &[MemberChange]) -> Result<(), TestCaseError> {
    let pairs = |room: &Room| -> BTreeSet<(String, u64)> {
        let of = |member: &downbeat::room::Member| {
            let id = &member.student_id;
            member.connections.iter().map(|connection| (id.clone(), *connection)).collect::<Vec<_>>()
        };
        room.members.values().flat_map(of).collect()
    };
    let mut told = pairs(before);
    for change in changes {
        match change {
            MemberChange::Joined { student_id, connection, .. } => {
                prop_assert!(told.insert((student_id.clone(), *connection)));
            }
            MemberChange::Left { student_id, connection, .. } => {
                prop_assert!(told.remove(&(student_id.clone(), *connection)));
            }
            MemberChange::Changed { .. } => {}
        }
    }
    prop_assert_eq!(told, pairs(after));
    Ok(())
}

proptest! {
    #[test]
    fn a_room_keeps_its_rules_whatever_is_asked(steps in vec(step(), 1..60)) {
        let mut room = new_room();
        let mut now_us = NOW;
        for step in &steps {
            if let Step::Wait(us) = step {
                now_us += us;
            }
            check_step(&mut room, step, now_us)?;
            check_shape(&room)?;
        }
    }

    #[test]
    fn students_alone_change_nothing_but_their_hands(asked in vec((1_usize..5, control()), 1..40)) {
        let mut room = class();
        let before = substance(&room.controls);
        for (who, control) in &asked {
            let actor = student(IDS[*who], 100 + *who as u64);
            let answer = room.apply(&actor, control, NOW, LEAD);
            prop_assert!(is_everybodys(&actor, control) || matches!(answer, Err(Refusal::Unauthorized)));
        }
        prop_assert_eq!(substance(&room.controls), before);
    }

    #[test]
    fn a_control_survives_its_way_to_another_node(control in control()) {
        let written = serde_json::to_string(&control).expect("plain data");
        prop_assert_eq!(serde_json::from_str::<Control>(&written).expect("as written"), control);
    }

    #[test]
    fn no_payload_makes_the_parsers_panic(event in event(), payload in payload()) {
        let _ = Control::parse(&event, &payload);
        let _ = Note::parse(&payload);
        let _ = JoinParams::parse(&payload);
    }

    #[test]
    fn a_note_is_read_the_same_whatever_stands_beside_it(midi in -2_i64..130, velocity in any::<f64>()) {
        prop_assume!(velocity.is_finite());
        let short = Note::parse(&format!("{{\"midi\":{midi},\"velocity\":{velocity}}}"));
        let twice = Note::parse(&format!("{{\"midi\":0,\"x\":[{{}}],\"midi\":{midi},\"velocity\":{velocity}}}"));
        prop_assert_eq!(&short, &twice);
        prop_assert_eq!(short.is_ok(), (0..=127).contains(&midi));
    }
}

fn event() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "set_tempo",
        "ramp_tempo",
        "start_clock",
        "set_meter",
        "mute_student",
        "assign_beat",
        "assign_role",
        "lower_hand",
        "clear_beat",
        "close_room",
    ])
    .prop_map(str::to_owned)
}

/// Objects with the fields that the parsers look for, holding anything; and mere text.
fn payload() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        "bpm",
        "at",
        "beats",
        "count_in",
        "resume",
        "beats_per_bar",
        "groups",
        "student_id",
        "beat",
        "role",
        "midi",
        "velocity",
        "name",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        "\\PC{0,80}".prop_map(|text| serde_json::Value::from(text).to_string()),
        vec(any::<i32>(), 0..70).prop_map(|list| serde_json::Value::from(list).to_string()),
    ];
    let object = vec((field, leaf), 0..6).prop_map(|fields| {
        let fields: Vec<String> = fields.iter().map(|(field, value)| format!("\"{field}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    });
    prop_oneof![3 => object, 1 => "\\PC{0,60}"]
}
