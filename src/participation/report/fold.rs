//! The events of one session, one after the other, into its report.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde_json::Value;

use super::{
    super::{Event, Kind, SessionHead},
    activity::{activity, peaks},
    beats::{Beats, beat_hit},
    equity::{FORMULAS, evenness, gini, rate},
    figures::{Analytics, NoTurn, SessionFacts, SessionReport, TempoMark, Voice},
    options::{BadReportOptions, ReportOptions, Span},
    person::Person,
    statistics::{ms, rounded, seconds, share},
};

/// The same tempo asked for twice within this is one mark in the history.
const SAME_START_MS: i64 = 1_000;

/// A report in the making.
///
/// Takes the events in the order of their ids, which is nearly that of their times: what different nodes saw may be a
/// second apart. Memory grows by some bytes a note.
pub struct SessionFold {
    head: SessionHead,
    span: Span,
    people: Vec<Person>,
    by_id: HashMap<Arc<str>, usize>,
    soloists_here: usize,
    /// Students and teachers.
    people_here: usize,
    /// When the last of them went; none while somebody is here, or where nobody was yet.
    emptied_us: Option<i64>,
    /// When the last person had gone from a room that was closed because it was empty.
    ended_us: Option<i64>,
    beats: Beats,
    tempo_history: Vec<TempoMark>,
    events: u64,
    events_missing: u64,
}

impl SessionFold {
    /// # Errors
    /// What is wrong with the options.
    pub fn new(head: &SessionHead, options: ReportOptions) -> Result<Self, BadReportOptions> {
        let span = Span::of(head, options)?;
        Ok(Self {
            head: head.clone(),
            span,
            people: Vec::new(),
            by_id: HashMap::new(),
            soloists_here: 0,
            people_here: 0,
            emptied_us: None,
            ended_us: None,
            beats: Beats::from(span.opened_us),
            tempo_history: Vec::new(),
            events: 0,
            events_missing: 0,
        })
    }

    /// Events of other sessions must not come here; kinds that are not known are counted and nothing else.
    pub fn take(&mut self, event: &Event) {
        self.events += 1;
        let at_us = self.span.within(event.at_us);
        self.let_beats_come_up(event, at_us);
        match &event.student {
            Some(student) if event.kind == Kind::NOTE_PLAYED => self.take_note(student, event, at_us),
            Some(student) => self.take_of(student, event, at_us),
            None => self.take_of_all(event, at_us),
        }
    }

    fn take_note(&mut self, student: &Arc<str>, event: &Event, at_us: i64) {
        let who = self.number_of(student);
        if self.people[who].is_belied_by_a_note(at_us) {
            self.change(who, at_us, Person::show);
        }
        let player = &mut self.people[who];
        player.play(at_us, event.note.as_ref());
        player.hit.extend(beat_hit(event));
    }

    fn take_of(&mut self, student: &Arc<str>, event: &Event, at_us: i64) {
        let detail = |name| event.details.as_ref().and_then(|details| details.get(name));
        let who = self.number_of(student);
        if event.kind == Kind::JOINED {
            self.change(who, at_us, |person| {
                person.come(at_us);
                person.name = detail("name").and_then(Value::as_str).map(str::to_owned).or(person.name.take());
                person.is_muted = detail("muted").and_then(Value::as_bool).unwrap_or(person.is_muted);
                person.is_teacher |= detail("role").and_then(Value::as_str) == Some("teacher");
            });
        } else if event.kind == Kind::LEFT {
            self.change(who, at_us, |person| person.leave(at_us));
        } else if event.kind == Kind::STUDENT_MUTED || event.kind == Kind::STUDENT_UNMUTED {
            let is_muted = event.kind == Kind::STUDENT_MUTED;
            self.change(who, at_us, |person| person.set_muted(is_muted, at_us));
        } else if event.kind == Kind::STUDENT_REMOVED {
            self.change(who, at_us, |person| {
                person.leave(at_us);
                person.set_muted(false, at_us);
                person.set_role(None);
            });
        } else if event.kind == Kind::ROLE_ASSIGNED {
            // A role that this release does not know keeps nobody's notes back.
            let role = detail("role").and_then(Value::as_str).and_then(|role| role.parse().ok());
            self.change(who, at_us, |person| person.set_role(role));
        } else if event.kind == Kind::HAND_RAISED {
            self.people[who].hands_raised += 1;
        } else if event.kind == Kind::BEATS_ASSIGNED {
            self.beats.learn(event.details.as_ref());
        }
    }

    fn take_of_all(&mut self, event: &Event, at_us: i64) {
        let number = |name| event.details.as_ref().and_then(|details| details.get(name)?.as_u64());
        if let Some(bpm) = number("bpm") {
            self.mark_tempo(&event.kind, TempoMark { at_ms: ms(at_us), bpm, ramp_beats: number("beats") });
        }
        if [Kind::ROOM_OPENED, Kind::METER_CHANGED, Kind::BEATS_ASSIGNED].contains(&event.kind) {
            self.beats.learn(event.details.as_ref());
        } else if event.kind == Kind::ROLL {
            self.beats.learn_of_roll(event.details.as_ref());
            self.take_roll(event.details.as_ref(), at_us);
        } else if event.kind == Kind::ROOM_CLOSED {
            self.ended_us = self.emptied_us;
            for who in 0..self.people.len() {
                self.change(who, at_us, |person| person.leave(at_us));
            }
        } else if event.kind == Kind::EVENTS_MISSING {
            self.events_missing += number("count").unwrap_or(0);
        }
    }

    /// A roll or a second opening say a tempo that was there before: it is news only where its own event is missing.
    fn mark_tempo(&mut self, kind: &Kind, mark: TempoMark) {
        let is_news = match self.tempo_history.last() {
            None => [Kind::ROOM_OPENED, Kind::TEMPO_CHANGED, Kind::ROLL].contains(kind),
            Some(last) if *kind == Kind::ROLL => last.bpm != mark.bpm,
            Some(last) if *kind == Kind::TEMPO_CHANGED => {
                (last.bpm, last.ramp_beats) != (mark.bpm, mark.ramp_beats) || mark.at_ms - last.at_ms >= SAME_START_MS
            }
            Some(_) => false,
        };
        if is_news {
            self.tempo_history.push(mark);
        }
    }

    fn take_roll(&mut self, details: Option<&Value>, at_us: i64) {
        let ids = |name| -> Option<HashSet<Arc<str>>> {
            let ids = details?.get(name)?.as_array()?;
            Some(ids.iter().filter_map(Value::as_str).map(Arc::from).collect())
        };
        let (here, muted) = (ids("students"), ids("muted"));
        for id in here.iter().chain(&muted).flatten() {
            self.number_of(id);
        }
        for who in 0..self.people.len() {
            self.change(who, at_us, |person| {
                match here.as_ref().map(|here| here.contains(&person.id)) {
                    Some(true) => person.is_here = true,
                    Some(false) => person.leave(at_us),
                    None => {}
                }
                if let Some(muted) = &muted {
                    person.is_muted = muted.contains(&person.id);
                }
            });
        }
    }

    /// Changes a person, after the time up to now is counted as it was: for all of them where a soloist comes or goes.
    fn change(&mut self, who: usize, at_us: i64, change: impl FnOnce(&mut Person)) {
        let soloist_was_here = self.soloists_here > 0;
        let person = &mut self.people[who];
        person.count_until(at_us, soloist_was_here);
        self.soloists_here -= usize::from(person.is_soloist_here());
        let was_here = person.is_here;
        change(person);
        self.soloists_here += usize::from(person.is_soloist_here());
        match (was_here, person.is_here) {
            (false, true) => {
                self.people_here += 1;
                (self.emptied_us, self.ended_us) = (None, None);
            }
            (true, false) => {
                self.people_here -= 1;
                self.emptied_us = (self.people_here == 0).then_some(at_us);
            }
            _ => {}
        }
        if soloist_was_here != (self.soloists_here > 0) {
            for person in &mut self.people {
                person.count_until(at_us, soloist_was_here);
            }
        }
    }

    fn let_beats_come_up(&mut self, event: &Event, at_us: i64) {
        let Some(came_up) = self.beats.advance(event, at_us) else {
            return;
        };
        let run = came_up.run;
        for (beat, id) in self.beats.owners(came_up) {
            let owner = self.by_id.get(id).map(|who| &mut self.people[*who]);
            if let Some(owner) = owner.filter(|owner| owner.can_play(self.soloists_here > 0)) {
                owner.assigned.push((run, beat));
            }
        }
    }

    fn number_of(&mut self, id: &Arc<str>) -> usize {
        if let Some(who) = self.by_id.get(id) {
            return *who;
        }
        let mut person = Person::new(id.clone(), self.span.opened_us);
        person.is_teacher = self.head.teacher_id.as_deref() == Some(id);
        self.people.push(person);
        self.by_id.insert(id.clone(), self.people.len() - 1);
        self.people.len() - 1
    }

    /// The report of what was taken so far.
    #[must_use]
    pub fn finish(mut self) -> SessionReport {
        // A room that nobody is in stays open for an hour, in case they come back: that is no lesson.
        if let Some(ended_us) = self.ended_us {
            self.span = self.span.ended_at(ended_us);
        }
        for person in &mut self.people {
            person.count_until(self.span.end_us, self.soloists_here > 0);
            person.conclude();
        }
        self.people.retain(Person::took_part);
        self.people.sort_by(|a, b| (a.shown_name(), &a.id).cmp(&(b.shown_name(), &b.id)));
        let (teachers, students): (Vec<&Person>, Vec<&Person>) =
            self.people.iter().partition(|person| person.is_teacher);
        SessionReport {
            session: self.facts(),
            students: students.iter().map(|person| person.student_row()).collect(),
            teachers: teachers.iter().map(|person| person.teacher_row()).collect(),
            analytics: self.analytics(&students),
        }
    }

    fn facts(&self) -> SessionFacts {
        let Self { head, span, .. } = self;
        SessionFacts {
            session_id: head.session.as_str().to_owned(),
            room_id: head.session.code(),
            name: head.name.clone(),
            teacher_id: head.teacher_id.clone(),
            opened_at_ms: ms(span.opened_us),
            closed_at_ms: head.closed_at_us.map(ms),
            counted_until_at_ms: ms(span.end_us),
            duration_s: seconds(span.end_us.saturating_sub(span.opened_us)),
            events: self.events,
            events_missing: self.events_missing,
        }
    }

    fn analytics(&self, students: &[&Person]) -> Analytics {
        let notes = |person: &Person| person.notes_us.len() as u64;
        let all_notes = students.iter().map(|person| notes(person)).sum();
        let voice = |person: &&Person| Voice {
            student_id: person.id.to_string(),
            name: person.shown_name().to_owned(),
            notes: notes(person),
            notes_share: share(notes(person), all_notes),
        };
        let compared: Vec<f64> = students
            .iter()
            .filter(|person| person.could_play_us > 0)
            .map(|person| rate(notes(person), person.could_play_us))
            .collect();
        Analytics {
            notes: all_notes,
            tempo_history: self.tempo_history.clone(),
            activity: activity(students, &self.span),
            peaks: peaks(students),
            share_of_voice: students.iter().map(voice).collect(),
            gini: gini(&compared).map(|gini| rounded(gini, 4)),
            evenness: evenness(&compared).map(|evenness| rounded(evenness, 4)),
            students_compared: compared.len() as u64,
            no_turn: no_turn(students),
            formulas: FORMULAS,
        }
    }
}

fn no_turn(students: &[&Person]) -> Vec<NoTurn> {
    let mut silent: Vec<&&Person> =
        students.iter().filter(|person| person.could_play_us > 0 && person.notes_us.is_empty()).collect();
    silent.sort_by_key(|person| std::cmp::Reverse(person.could_play_us));
    let row = |person: &&&Person| NoTurn {
        student_id: person.id.to_string(),
        name: person.shown_name().to_owned(),
        could_play_s: seconds(person.could_play_us),
    };
    silent.iter().map(row).collect()
}
