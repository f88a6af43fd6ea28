//! One student over several sessions.

use downbeat::participation::{SessionSummary, StudentSummary, StudentTrend};

fn student(student_id: &str, notes_per_minute: f64) -> StudentSummary {
    StudentSummary {
        student_id: student_id.to_owned(),
        attended_s: 600.0,
        could_play_s: 600.0,
        notes_per_minute: Some(notes_per_minute),
        ..StudentSummary::default()
    }
}

fn session(day: i64, students: Vec<StudentSummary>) -> SessionSummary {
    SessionSummary {
        session_id: format!("MUSIC-1234.{day:x}"),
        opened_at_ms: day * 86_400_000,
        evenness: None,
        students,
    }
}

#[test]
fn sessions_stand_in_order_of_time_and_their_slope_is_a_plain_number() {
    let sessions = [(3, 8.0), (1, 2.0), (2, 5.0)].map(|(day, rate)| session(day, vec![student("ada", rate)]));
    let elsewhere = session(4, vec![student("bob", 9.0)]);
    let trend = StudentTrend::of("ada", &[sessions.to_vec(), vec![elsewhere]].concat());
    let rates: Vec<_> = trend.sessions.iter().map(|point| point.notes_per_minute).collect();
    assert_eq!(rates, [Some(2.0), Some(5.0), Some(8.0)]);
    assert_eq!(trend.slopes.notes_per_minute_per_session, Some(3.0));
    assert_eq!(trend.slopes.attended_s_per_session, Some(0.0));
    assert_eq!(trend.slopes.offset_median_ms_per_session, None, "no session has the figure");
}

#[test]
fn the_others_are_told_of_only_where_there_are_five() {
    let with_others = |others: &[f64]| {
        let others = others.iter().enumerate().map(|(number, rate)| student(&format!("other-{number}"), *rate));
        let session = session(1, [vec![student("ada", 99.0)], others.collect()].concat());
        StudentTrend::of("ada", &[session]).sessions.remove(0).group
    };
    let four = with_others(&[1.0, 2.0, 3.0, 4.0]);
    assert_eq!((four.notes_per_minute, four.suppressed), (None, true));
    let five = with_others(&[1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!((five.notes_per_minute, five.suppressed), (Some(3.0), false));
    assert_eq!(five.notes_share, None, "none of the five has the figure");
}
