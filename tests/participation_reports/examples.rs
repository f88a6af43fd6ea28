//! Worked examples: what one reads in a report, with numbers that can be counted on fingers.

use downbeat::participation::{BadReportOptions, Kind, ReportOptions, SessionFold, printable_page};
use serde_json::json;

use crate::support::{Lesson, OPENED_US, SECOND_US, at};

#[test]
fn attendance_is_the_time_between_a_person_s_joins_and_leaves() {
    let lesson = Lesson::of_s(600.0).join(0.0, "ada").leave(100.0, "ada").join(160.0, "ada").leave(400.0, "ada");
    let ada = lesson.row("ada");
    assert_eq!((ada.attended_s, ada.could_play_s, ada.reconnects), (340.0, 340.0, 1));
}

#[test]
fn who_does_not_leave_is_here_until_the_end() {
    let lesson = Lesson::of_s(600.0).join(60.0, "ada");
    assert_eq!(lesson.row("ada").attended_s, 540.0);
    let closed = lesson.room(300.0, Kind::ROOM_CLOSED, json!(null)).leave(301.0, "ada");
    assert_eq!(closed.row("ada").attended_s, 240.0, "a closed room is empty");
}

#[test]
fn a_lesson_whose_people_just_leave_ends_when_the_last_of_them_goes() {
    let lesson = Lesson::of_s(6_300.0)
        .with(0.0, Kind::JOINED, Some("tess"), json!({ "name": "Tess", "role": "teacher" }))
        .join(60.0, "ada")
        .notes(&[100.0, 2_600.0], "ada")
        .leave(2_699.0, "ada")
        .leave(2_700.0, "tess")
        // A note that another gateway saw: clocks differ by as much.
        .note(2_700.4, "ada")
        .room(6_300.0, Kind::ROOM_CLOSED, json!(null));
    let report = lesson.report();
    let session = &report.session;
    assert_eq!((session.duration_s, session.counted_until_at_ms), (2_700.0, at(2_700.0) / 1_000));
    assert_eq!(session.closed_at_ms, Some(at(6_300.0) / 1_000));
    let activity = &report.analytics.activity;
    assert_eq!((activity.bucket_s, activity.buckets.len()), (30.0, 90));
    assert_eq!(activity.buckets[89].notes, 1, "a note of the very end");
    assert_eq!((report.students[0].attended_s, report.teachers[0].attended_s), (2_639.0, 2_700.0));
    assert!(printable_page(&report).contains("<dt>Duration</dt><dd>45:00</dd>"));
    let chosen = lesson.report_with(ReportOptions { bucket_us: Some(60 * SECOND_US), now_us: 0 });
    assert_eq!(chosen.analytics.activity.buckets.len(), 45);
}

#[test]
fn a_lesson_goes_on_while_anybody_is_there_and_when_somebody_comes_back() {
    let duration_s = |lesson: Lesson| lesson.room(600.0, Kind::ROOM_CLOSED, json!(null)).report().session.duration_s;
    let left = || Lesson::of_s(600.0).join(0.0, "ada").join(0.0, "bob").leave(100.0, "ada");
    assert_eq!(duration_s(left()), 600.0, "bob was there until it was closed");
    assert_eq!(duration_s(left().leave(200.0, "bob")), 200.0);
    assert_eq!(duration_s(left().leave(200.0, "bob").join(300.0, "ada")), 600.0);
    assert_eq!(duration_s(left().of(250.0, Kind::STUDENT_REMOVED, "bob")), 250.0);
    assert_eq!(duration_s(left().room(300.0, Kind::ROLL, json!({ "students": [], "muted": [] }))), 300.0);
    let open = left().leave(200.0, "bob");
    assert_eq!(open.report().session.duration_s, 600.0, "somebody may come back");
}

#[test]
fn muted_time_counts_only_while_the_student_is_here_and_lasts_through_a_reconnect() {
    let lesson = Lesson::of_s(100.0)
        .join(0.0, "ada")
        .of(10.0, Kind::STUDENT_MUTED, "ada")
        .leave(20.0, "ada")
        .join(50.0, "ada")
        .of(60.0, Kind::STUDENT_UNMUTED, "ada");
    let ada = lesson.row("ada");
    assert_eq!((ada.attended_s, ada.muted_s, ada.could_play_s), (70.0, 20.0, 50.0));
}

#[test]
fn a_listener_and_whoever_waits_for_a_soloist_could_not_play() {
    let role = |lesson: Lesson, seconds, student, role| {
        lesson.with(seconds, Kind::ROLE_ASSIGNED, Some(student), json!({ "role": role }))
    };
    let mut lesson = Lesson::of_s(100.0).join(0.0, "ada").join(0.0, "bob").join(0.0, "cleo");
    lesson = role(lesson, 10.0, "ada", json!("soloist"));
    lesson = role(lesson, 20.0, "cleo", json!("listener"));
    lesson = role(lesson, 30.0, "ada", json!(null));
    let silent = ["ada", "bob", "cleo"].map(|id| lesson.row(id)).map(|row| (row.silent_by_role_s, row.could_play_s));
    assert_eq!(silent, [(0.0, 100.0), (20.0, 80.0), (90.0, 10.0)]);
    assert_eq!(lesson.row("ada").roles, ["soloist"]);
    let gone = lesson.leave(100.0, "ada");
    assert_eq!(gone.row("bob").could_play_s, 80.0);
}

#[test]
fn a_soloist_who_is_away_silences_nobody() {
    let lesson = Lesson::of_s(100.0)
        .join(0.0, "ada")
        .join(0.0, "bob")
        .with(10.0, Kind::ROLE_ASSIGNED, Some("ada"), json!({ "role": "soloist" }))
        .leave(30.0, "ada")
        .join(60.0, "ada");
    assert_eq!(lesson.row("bob").silent_by_role_s, 60.0);
}

#[test]
fn a_roll_ends_what_nobody_could_record() {
    let lesson = Lesson::of_s(100.0).join(0.0, "ada").join(0.0, "bob").of(10.0, Kind::STUDENT_MUTED, "bob").room(
        40.0,
        Kind::ROLL,
        json!({ "students": ["bob", "cleo"], "muted": ["cleo"] }),
    );
    let rows = ["ada", "bob", "cleo"].map(|id| lesson.row(id)).map(|row| (row.attended_s, row.muted_s));
    assert_eq!(rows, [(40.0, 0.0), (100.0, 30.0), (60.0, 60.0)]);
}

#[test]
fn a_note_shows_that_its_player_is_here_and_not_muted() {
    let lost_join = Lesson::of_s(100.0).note(40.0, "ada");
    assert_eq!((lost_join.row("ada").attended_s, lost_join.row("ada").notes), (60.0, 1));
    let lost_unmute = Lesson::of_s(100.0).join(0.0, "ada").of(10.0, Kind::STUDENT_MUTED, "ada").note(40.0, "ada");
    assert_eq!(lost_unmute.row("ada").muted_s, 30.0);
    let under_way = Lesson::of_s(100.0).join(0.0, "ada").of(10.0, Kind::STUDENT_MUTED, "ada").note(11.0, "ada");
    assert_eq!(under_way.row("ada").muted_s, 90.0, "that note may have been let through before");
}

#[test]
fn notes_are_counted_per_minute_of_the_time_in_which_the_student_could_play() {
    let lesson =
        Lesson::of_s(240.0).join(0.0, "ada").notes(&[1.0, 2.0, 3.0], "ada").of(120.0, Kind::STUDENT_MUTED, "ada");
    assert_eq!(lesson.row("ada").notes_per_minute, Some(1.5));
}

#[test]
fn a_turn_ends_with_a_pause_of_more_than_five_seconds() {
    let lesson = Lesson::of_s(60.0).join(0.0, "ada").notes(&[1.0, 6.0, 11.0, 16.001, 30.0], "ada");
    assert_eq!(lesson.row("ada").turns, 3);
    assert_eq!(lesson.row("ada").first_note_at_ms, Some(at(1.0) / 1_000));
}

#[test]
fn timing_is_told_of_notes_whose_clocks_are_certain() {
    let lesson = Lesson::of_s(60.0)
        .join(0.0, "ada")
        .timed(1.0, "ada", Some(-60_000), 10_000, false)
        .timed(2.0, "ada", Some(-50_000), 0, false)
        .timed(3.0, "ada", Some(20_000), 500, false)
        .timed(4.0, "ada", Some(50_000), 500, false)
        .timed(5.0, "ada", Some(400_000), 10_001, false)
        .timed(6.0, "ada", None, 0, false);
    let ada = lesson.row("ada");
    assert_eq!((ada.notes_timed, ada.notes_untimed), (4, 2));
    assert_eq!((ada.offset_median_ms, ada.within_50_ms_share), (Some(-15.0), Some(0.75)));
}

#[test]
fn a_note_whose_player_s_device_did_not_say_when_is_untimed() {
    let lesson = Lesson::of_s(60.0)
        .join(0.0, "ada")
        .timed(1.0, "ada", Some(20_000), 10_000, false)
        .timed(2.0, "ada", Some(i32::MIN), u32::MAX, true)
        .beat(1, 2.0)
        .timed(3.0, "ada", Some(i32::MAX), u32::MAX, false);
    let ada = lesson.row("ada");
    assert_eq!((ada.notes, ada.notes_timed, ada.notes_untimed), (3, 1, 2));
    assert_eq!((ada.offset_median_ms, ada.within_50_ms_share), (Some(20.0), Some(1.0)));
    let none_timed = Lesson::of_s(60.0).join(0.0, "ada").timed(1.0, "ada", Some(0), u32::MAX, false).row("ada");
    assert_eq!((none_timed.offset_median_ms, none_timed.within_50_ms_share), (None, None));
}

#[test]
fn there_is_nothing_to_say_of_who_did_nothing() {
    let lesson = Lesson::of_s(60.0).join(60.0, "ada");
    let ada = lesson.row("ada");
    assert_eq!((ada.notes_per_minute, ada.offset_median_ms, ada.within_50_ms_share), (None, None, None));
    assert_eq!((ada.assigned_beats_hit_share, ada.first_note_at_ms, ada.turns), (None, None, 0));
}

#[test]
fn assigned_beats_are_those_that_came_up_while_the_student_could_play() {
    let assigned = json!({ "assignments": { "1": ["ada"], "6": ["ada", "bob"] }, "beats_per_bar": 4 });
    let lesson = Lesson::of_s(60.0)
        .join(0.0, "ada")
        .join(0.0, "bob")
        .room(0.0, Kind::BEATS_ASSIGNED, assigned)
        .room(1.0, Kind::CLOCK_STARTED, json!(null))
        .beat(1, -0.2)
        // The pattern is 8 beats long: beats 0, 5, 8, 13 are ada's, 5 and 13 bob's.
        .timed(1.2, "ada", Some(50_000), 100, true)
        .beat(1, 0.1)
        .timed(1.3, "ada", Some(150_000), 100, true)
        .beat(1, 0.3)
        .timed(2.0, "ada", Some(-150_000), 100, false)
        .beat(1, 1.7)
        .of(4.0, Kind::STUDENT_MUTED, "bob")
        .beat(1, 5.5)
        .timed(7.9, "ada", Some(-50_000), 100, true)
        .beat(1, 12.9)
        .room(9.0, Kind::CLOCK_STOPPED, json!(null))
        .beat(1, 15.0);
    let [ada, bob] = ["ada", "bob"].map(|id| lesson.row(id));
    assert_eq!((ada.assigned_beats, ada.assigned_beats_hit), (4, 2));
    assert_eq!(ada.assigned_beats_hit_share, Some(0.5));
    assert_eq!((bob.assigned_beats, bob.assigned_beats_hit), (1, 0), "beat 13 came up while bob was muted");
}

#[test]
fn a_beat_that_was_hit_a_little_early_counts_though_its_player_was_gone_when_it_came() {
    let lesson = Lesson::of_s(60.0)
        .join(0.0, "ada")
        .room(0.0, Kind::BEATS_ASSIGNED, json!({ "assignments": { "1": ["ada"] }, "beats_per_bar": 4 }))
        .timed(3.95, "ada", Some(-50_000), 100, true)
        .beat(1, 3.9)
        .leave(3.97, "ada")
        .beat(1, 3.94)
        .room(7.0, Kind::CLOCK_STOPPED, json!(null))
        .beat(1, 7.0);
    let ada = lesson.row("ada");
    assert_eq!((ada.assigned_beats, ada.assigned_beats_hit, ada.assigned_beats_hit_share), (2, 1, Some(0.5)));
}

#[test]
fn each_run_has_its_own_beats() {
    let lesson = Lesson::of_s(60.0)
        .join(0.0, "ada")
        .room(0.0, Kind::BEATS_ASSIGNED, json!({ "assignments": { "1": ["ada"] }, "beats_per_bar": 4 }))
        .room(10.0, Kind::TEMPO_CHANGED, json!({ "bpm": 90 }))
        .beat(1, 4.5)
        .room(20.0, Kind::TEMPO_CHANGED, json!({ "bpm": 60 }))
        .beat(2, 0.5)
        .room(20.5, Kind::TEMPO_CHANGED, json!({ "bpm": 60 }))
        .beat(1, 9.0);
    assert_eq!(lesson.row("ada").assigned_beats, 3, "0 and 4 of the first run, 0 of the second");
}

#[test]
fn teachers_are_in_no_figure_about_students() {
    let lesson = Lesson::of_s(60.0)
        .with(0.0, Kind::JOINED, Some("tess"), json!({ "name": "Tess", "role": "teacher" }))
        .with(0.0, Kind::JOINED, Some("guest"), json!({ "name": "Guest", "role": "teacher" }))
        .join(0.0, "ada")
        .notes(&[1.0, 2.0], "tess")
        .note(3.0, "ada");
    let report = lesson.report();
    let teachers: Vec<_> = report.teachers.iter().map(|row| (row.name.as_str(), row.notes)).collect();
    assert_eq!(teachers, [("Guest", 0), ("Tess", 2)]);
    assert_eq!((report.students.len(), report.analytics.notes), (1, 1));
    assert_eq!(report.analytics.share_of_voice[0].notes_share, Some(1.0));
}

#[test]
fn voices_are_compared_by_the_time_in_which_they_could_be_heard() {
    let half_muted = Lesson::of_s(600.0)
        .join(0.0, "ada")
        .join(0.0, "bob")
        .of(300.0, Kind::STUDENT_MUTED, "bob")
        .notes(&[1.0, 2.0, 3.0, 400.0], "ada")
        .notes(&[4.0, 5.0], "bob");
    let analytics = half_muted.report().analytics;
    assert_eq!((analytics.gini, analytics.evenness, analytics.students_compared), (Some(0.0), Some(1.0), 2));
    let one_voice = Lesson::of_s(600.0).join(0.0, "ada").join(0.0, "bob").note(1.0, "ada").report().analytics;
    assert_eq!((one_voice.gini, one_voice.evenness), (Some(0.5), Some(0.0)));
}

#[test]
fn one_voice_or_silence_is_neither_even_nor_uneven() {
    let alone = Lesson::of_s(60.0).join(0.0, "ada").note(1.0, "ada").report().analytics;
    let silence = Lesson::of_s(60.0).join(0.0, "ada").join(0.0, "bob").report().analytics;
    for analytics in [alone, silence] {
        assert_eq!((analytics.gini, analytics.evenness), (None, None));
    }
}

#[test]
fn no_turn_names_those_who_could_have_played() {
    let lesson = Lesson::of_s(100.0)
        .join(0.0, "ada")
        .note(5.0, "ada")
        .join(0.0, "muted")
        .of(0.0, Kind::STUDENT_MUTED, "muted")
        .join(60.0, "late")
        .join(0.0, "quiet");
    let no_turn = lesson.report().analytics.no_turn;
    let no_turn: Vec<_> = no_turn.iter().map(|row| (row.student_id.as_str(), row.could_play_s)).collect();
    assert_eq!(no_turn, [("quiet", 100.0), ("late", 40.0)]);
}

#[test]
fn activity_is_counted_in_buckets_and_the_busiest_ten_seconds_are_found() {
    let lesson = Lesson::of_s(60.0)
        .join(0.0, "ada")
        .join(0.0, "bob")
        .notes(&[9.0, 11.0, 12.0, 18.9, 19.0, 50.0], "ada")
        .notes(&[12.0, 51.0], "bob");
    let analytics = lesson.report_with(ReportOptions { bucket_us: Some(20 * SECOND_US), now_us: 0 }).analytics;
    let buckets: Vec<_> = analytics.activity.buckets.iter().map(|bucket| (bucket.notes, bucket.students)).collect();
    assert_eq!(buckets, [(6, 2), (0, 0), (2, 2)]);
    assert_eq!(analytics.activity.buckets[2].at_ms, at(40.0) / 1_000);
    let peaks: Vec<_> = analytics.peaks.iter().map(|peak| (peak.at_ms - OPENED_US / 1_000, peak.notes)).collect();
    assert_eq!(peaks, [(9_000, 5), (50_000, 2), (19_000, 1)]);
}

#[test]
fn buckets_are_as_long_as_it_takes_unless_somebody_chooses() {
    let bucket_s = |length_s| Lesson::of_s(length_s).report().analytics.activity.bucket_s;
    assert_eq!([0.0, 119.5, 121.0, 2_700.0, 3_601.0].map(bucket_s), [1.0, 1.0, 2.0, 30.0, 60.0]);
    let lesson = Lesson::of_s(4_000.0);
    let with = |bucket_us| SessionFold::new(&lesson.head, ReportOptions { bucket_us: Some(bucket_us), now_us: 0 });
    assert_eq!(with(2 * SECOND_US).err(), None);
    let refused = with(SECOND_US).err().expect("4,000 buckets");
    assert_eq!((refused, refused.field()), (BadReportOptions::TooManyBuckets { least_s: 2 }, "bucket_s"));
    assert_eq!(with(0).err(), Some(BadReportOptions::NoBucket));
}

#[test]
fn the_history_of_the_tempo_begins_with_the_room_s() {
    let lesson = Lesson::of_s(60.0).room(10.0, Kind::TEMPO_CHANGED, json!({ "bpm": 90 })).room(
        20.0,
        Kind::TEMPO_CHANGED,
        json!({ "bpm": 140, "beats": 16 }),
    );
    let history = lesson.report().analytics.tempo_history;
    let history: Vec<_> =
        history.iter().map(|mark| (mark.at_ms - OPENED_US / 1_000, mark.bpm, mark.ramp_beats)).collect();
    assert_eq!(history, [(0, 120, None), (10_000, 90, None), (20_000, 140, Some(16))]);
}

#[test]
fn a_tempo_that_is_said_again_is_no_other_tempo() {
    let said = |bpm: u32| json!({ "name": "", "teacher_id": "tess", "bpm": bpm, "beats_per_bar": 4 });
    let roll = |bpm: u32| json!({ "bpm": bpm, "students": [], "muted": [] });
    let history = |lesson: &Lesson| -> Vec<(i64, u64)> {
        let marks = lesson.report().analytics.tempo_history;
        marks.iter().map(|mark| (mark.at_ms - OPENED_US / 1_000, mark.bpm)).collect()
    };
    let again = Lesson::of_s(60.0)
        .room(0.0, Kind::ROOM_OPENED, said(120))
        .room(0.5, Kind::TEMPO_CHANGED, json!({ "bpm": 120 }))
        .room(10.0, Kind::TEMPO_CHANGED, json!({ "bpm": 90 }))
        .room(10.5, Kind::TEMPO_CHANGED, json!({ "bpm": 90 }))
        .room(20.0, Kind::ROLL, roll(90));
    assert_eq!(history(&again), [(0, 120), (10_000, 90)]);
    let meant = again.room(30.0, Kind::TEMPO_CHANGED, json!({ "bpm": 90 }));
    assert_eq!(history(&meant), [(0, 120), (10_000, 90), (30_000, 90)], "somebody asked for it once more");
    let lost = Lesson::of_s(60.0).room(20.0, Kind::ROLL, roll(90)).room(40.0, Kind::ROLL, roll(90));
    assert_eq!(history(&lost), [(0, 120), (20_000, 90)], "the change died with who made it");
}

#[test]
fn a_roll_teaches_the_bars_where_nothing_else_did() {
    let assigned_beats = |opening: Option<u32>| {
        let mut lesson = Lesson::of_s(60.0);
        lesson.events.clear();
        if let Some(beats) = opening {
            lesson = lesson.room(0.0, Kind::ROOM_OPENED, json!({ "bpm": 120, "beats_per_bar": beats }));
        }
        let roll = json!({ "bpm": 120, "beats_per_bar": 3, "students": ["ada"], "muted": [] });
        lesson
            .room(1.0, Kind::ROLL, roll)
            .room(1.0, Kind::BEATS_ASSIGNED, json!({ "assignments": { "1": ["ada"] } }))
            .room(7.0, Kind::CLOCK_STOPPED, json!(null))
            .beat(1, 11.5)
            .row("ada")
            .assigned_beats
    };
    assert_eq!(assigned_beats(None), 4, "beats 0, 3, 6 and 9");
    assert_eq!(assigned_beats(Some(6)), 2, "beats 0 and 6");
}

#[test]
fn lost_events_are_told() {
    let lesson = Lesson::of_s(60.0).room(10.0, Kind::EVENTS_MISSING, json!({ "count": 40 })).room(
        20.0,
        Kind::EVENTS_MISSING,
        json!({ "count": 2 }),
    );
    assert_eq!(lesson.report().session.events_missing, 42);
}

#[test]
fn a_session_that_goes_on_is_counted_up_to_now_and_a_forgotten_one_to_its_last_event() {
    let mut lesson = Lesson::of_s(600.0).join(0.0, "ada");
    lesson.head.closed_at_us = None;
    let attended_s = |now_us| {
        let report = lesson.report_with(ReportOptions { bucket_us: None, now_us });
        (report.students[0].attended_s, report.session.closed_at_ms)
    };
    assert_eq!(attended_s(at(900.0)), (900.0, None));
    assert_eq!(attended_s(at(30.0)), (600.0, None), "a clock that is behind takes nothing away");
    assert_eq!(attended_s(at(600.0 + 7.0 * 3_600.0)), (600.0, None));
}
