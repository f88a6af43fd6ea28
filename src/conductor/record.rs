//! What is recorded of a room: notes by the gateway that lets them through, everything else by the room's conductor.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{actor::Conductor, room_mirror::RoomState};
use crate::{
    participation::{Event, Kind, NotePlayed, Receipt, Recorder, SessionId},
    room::{Applied, Controls, MemberChange, Note, Room, RoomEvent, TokenRole, beats, is_assigned, nearest_beat},
    tempo::{BEAT_UB, Segment},
};

/// A note may have been played so long before it arrived, by its player's clock; older ones count as played now.
const PLAYED_BEFORE_US_MAX: i64 = 2_000_000;
/// A clock that is more uncertain than this says nothing of a note.
const PLAYED_UNCERTAINTY_US_MAX: u32 = 100_000;

impl RoomState {
    /// The record of a note that arrives now.
    pub(super) fn note_event(
        &mut self,
        recorder: &Recorder,
        student_id: &str,
        note: Note,
        now_us: i64,
        uncertainty_us: i64,
    ) -> Event {
        let session = self.session();
        let controls = &self.room.controls;
        let (played_us, uncertainty_us) = played(note, now_us, uncertainty_us);
        let beat_ub = controls.timeline.as_ref().map(|timeline| timeline.position_at(played_us));
        let timed = timing(controls, student_id, played_us);
        let (offset_us, assigned) = timed.map_or((None, false), |(offset, assigned)| (Some(offset), assigned));
        let Note { midi, velocity, .. } = note;
        Event {
            id: recorder.number(now_us),
            session,
            kind: Kind::NOTE_PLAYED,
            student: Some(student_id.into()),
            actor: None,
            at_us: now_us,
            run: controls.run,
            beat_ub,
            note: Some(NotePlayed { midi, velocity, offset_us, uncertainty_us, assigned }),
            details: None,
        }
    }

    /// The room's session. A mirror may outlive its room, and then serve another under the same code.
    fn session(&mut self) -> SessionId {
        let opened_us = self.room.controls.created_at_us;
        match &self.session {
            Some((of_us, session)) if *of_us == opened_us => session.clone(),
            _ => {
                let session = SessionId::of(&self.room.key, opened_us);
                self.session = Some((opened_us, session.clone()));
                session
            }
        }
    }
}

/// When the note was played, as far as anybody knows, and how far that may be wrong: by its player's synchronised
/// clock, where that is said and can be true, else when it arrived.
fn played(note: Note, now_us: i64, uncertainty_us: i64) -> (i64, u32) {
    let here_us = u32::try_from(uncertainty_us).unwrap_or(u32::MAX);
    let said = note.played.filter(|said| said.uncertainty_us <= PLAYED_UNCERTAINTY_US_MAX);
    let Some(said) = said else { return (now_us, here_us) };
    let latest_us = now_us + uncertainty_us + i64::from(said.uncertainty_us);
    if (now_us - PLAYED_BEFORE_US_MAX..=latest_us).contains(&said.at_us) {
        (said.at_us, here_us.saturating_add(said.uncertainty_us))
    } else {
        (now_us, here_us)
    }
}

/// How much later than the nearest beat a time is, in µs, and whether that beat is this student's. None while the clock
/// stands, or where that beat is not played.
fn timing(controls: &Controls, student_id: &str, at_us: i64) -> Option<(i32, bool)> {
    let timeline = controls.timeline.as_ref().filter(|_| controls.playing)?;
    let beat = nearest_beat(timeline.beat_at(at_us));
    let beat_ub = beat.checked_mul(BEAT_UB)?;
    let is_played =
        timeline.segments()[0].beat0_ub <= beat_ub && timeline.stop_at_ub().is_none_or(|stop| beat_ub < stop);
    let offset_us = i32::try_from(at_us - timeline.time_of(beat_ub)).ok().filter(|_| is_played)?;
    let meter = &controls.meter;
    let bar0 = meter.bar0_ub.div_euclid(BEAT_UB);
    Some((offset_us, is_assigned(&controls.assignments, meter.beats_per_bar, bar0, beat, student_id)))
}

impl Conductor {
    /// Records that the room was opened, or who was in it when this reign took it up.
    pub(super) fn record_beginning(&self) {
        let Controls { rev, teacher_id, settings, bpm, meter, created_at_us, .. } = &self.room.controls;
        let is_new = *rev == 1 && self.room.members.is_empty();
        let mut details = json!({
            "name": settings.name,
            "teacher_id": teacher_id,
            "bpm": bpm,
            "beats_per_bar": meter.beats_per_bar,
        });
        if !is_new && let Some(fields) = details.as_object_mut() {
            let students: Vec<&str> = self.room.members.keys().collect();
            fields.insert("students".into(), students.into());
            fields.insert("muted".into(), self.room.muted().collect::<Vec<_>>().into());
        }
        let (kind, at_us) = if is_new { (Kind::ROOM_OPENED, *created_at_us) } else { (Kind::ROLL, self.now_us()) };
        self.record(Happening { kind, student: None, details: Some(details) }, None, at_us);
    }

    /// Records a change that is stored. The receipt stands for all of it; `by` is who asked for it.
    pub(super) fn record_change(&self, applied: &Applied, by: Option<&str>) -> Receipt {
        let now_us = self.now_us();
        let happenings = happenings(&self.room, applied);
        let receipts = happenings.into_iter().map(|happening| self.record(happening, by, now_us));
        // Receipts are settled in order.
        receipts.last().unwrap_or_default()
    }

    fn record(&self, happening: Happening, by: Option<&str>, at_us: i64) -> Receipt {
        let recorder = &self.surroundings.recorder;
        let (key, controls) = (&self.room.key, &self.room.controls);
        if !recorder.is_on(&key.tenant) {
            return Receipt::default();
        }
        let Happening { kind, student, details } = happening;
        let actor = by.filter(|by| student.as_deref() != Some(*by)).map(Arc::from);
        let event = Event {
            id: recorder.number(at_us),
            session: SessionId::of(key, controls.created_at_us),
            kind,
            student,
            actor,
            at_us,
            run: controls.run,
            beat_ub: controls.timeline.as_ref().map(|timeline| timeline.position_at(at_us)),
            note: None,
            details,
        };
        recorder.record(&key.tenant, event)
    }
}

/// One thing that a change has brought about.
#[derive(Debug, PartialEq)]
struct Happening {
    kind: Kind,
    student: Option<Arc<str>>,
    details: Option<Value>,
}

/// All that a change has brought about, in order: who came, what became of the room, who went.
fn happenings(room: &Room, applied: &Applied) -> Vec<Happening> {
    let arrivals = applied.member_changes.iter().filter_map(|change| arrival(room, change));
    let mut happenings: Vec<Happening> = arrivals.collect();
    happenings.extend(applied.events.iter().filter_map(|event| happening(room, event)));
    happenings.extend(applied.member_changes.iter().filter_map(departure));
    happenings
}

fn arrival(room: &Room, change: &MemberChange) -> Option<Happening> {
    let MemberChange::Joined { student_id, name, role, first: true, .. } = change else { return None };
    let muted = *role == TokenRole::Student && room.controls.is_muted(student_id);
    let details = json!({ "name": name, "role": role, "muted": muted });
    Some(Happening { kind: Kind::JOINED, student: Some(student_id.as_str().into()), details: Some(details) })
}

fn departure(change: &MemberChange) -> Option<Happening> {
    let MemberChange::Left { student_id, last: true, .. } = change else { return None };
    Some(Happening { kind: Kind::LEFT, student: Some(student_id.as_str().into()), details: None })
}

/// What an event of the room means for its record. None: it is the same news in other words, or no news of the lesson.
fn happening(room: &Room, RoomEvent { event, payload }: &RoomEvent) -> Option<Happening> {
    let student = payload["student_id"].as_str().map(Arc::from);
    let of_student = |kind| Some(Happening { kind, student: student.clone(), details: None });
    let of_room = |kind| Some(Happening { kind, student: None, details: Some(payload.clone()) });
    match *event {
        "tempo_changed" => {
            let mut details = payload.clone();
            let beats = ramp_from(&room.controls, payload["effective_beat"].as_f64());
            if let (Some(fields), Some(beats)) = (details.as_object_mut(), beats) {
                fields.insert("beats".into(), beats.into());
            }
            Some(Happening { kind: Kind::TEMPO_CHANGED, student: None, details: Some(details) })
        }
        "clock_started" => of_room(Kind::CLOCK_STARTED),
        "clock_stopped" => of_room(Kind::CLOCK_STOPPED),
        "meter_changed" => {
            let mut details = payload.clone();
            if let Some(fields) = details.as_object_mut() {
                fields.insert("bar0_ub".into(), room.controls.meter.bar0_ub.into());
            }
            Some(Happening { kind: Kind::METER_CHANGED, student: None, details: Some(details) })
        }
        "settings_changed" => of_room(Kind::SETTINGS_CHANGED),
        "room_locked" => of_room(Kind::ROOM_LOCKED),
        "room_unlocked" => of_room(Kind::ROOM_UNLOCKED),
        "room_closed" => of_room(Kind::ROOM_CLOSED),
        "student_muted" => of_student(Kind::STUDENT_MUTED),
        "student_unmuted" => of_student(Kind::STUDENT_UNMUTED),
        "student_removed" => of_student(Kind::STUDENT_REMOVED),
        "hand_raised" => of_student(Kind::HAND_RAISED),
        "hand_lowered" => of_student(Kind::HAND_LOWERED),
        "role_assigned" => {
            let details = json!({ "role": payload["role"] });
            Some(Happening { kind: Kind::ROLE_ASSIGNED, student, details: Some(details) })
        }
        "beat_assignment_updated" => {
            let Controls { assignments, meter, .. } = &room.controls;
            let details = json!({
                "assignments": assignments,
                "beats_per_bar": meter.beats_per_bar,
                "bar0_ub": meter.bar0_ub,
            });
            Some(Happening { kind: Kind::BEATS_ASSIGNED, student: None, details: Some(details) })
        }
        _ => None,
    }
}

/// Over how many beats the tempo goes to its new value, where a ramp begins at this beat.
fn ramp_from(controls: &Controls, beat: Option<f64>) -> Option<i64> {
    let segments = controls.timeline.as_ref()?.segments();
    let begins_there = |segment: &&Segment| Some(beats(segment.beat0_ub)) == beat;
    let ramp = segments.iter().rev().find(begins_there)?.ramp?;
    Some(ramp.len_ub / BEAT_UB)
}
