//! Sessions page by page, the school by week, and one student from session to session.

use serde_json::{Value, json};

use crate::{
    lesson::{DAY_US, Lesson},
    school::{School, now_us, student, teacher},
};

const CLASS: [&str; 6] = ["ada", "bob", "cy", "dee", "eve", "fay"];

/// All that a list gives, page by page.
async fn all(school: &School, path: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = school.get(&format!("{path}limit=2&cursor={cursor}"), &teacher("acme")).await.json();
        let sessions = page["sessions"].as_array().expect("sessions");
        found.extend(sessions.iter().map(|session| session["session_id"].as_str().expect("an id").to_owned()));
        match &page["next"] {
            Value::String(next) => cursor = next.clone(),
            _ => return found,
        }
        assert!(sessions.len() >= 2, "{page}");
    }
}

#[tokio::test]
async fn sessions_are_listed_newest_first_page_by_page() {
    let school = School::open("pages").await;
    let opened_us = now_us() - 3 * DAY_US;
    let mut wanted = Vec::new();
    for (code, days) in [("MUSIC-0042", 0), ("MUSIC-0042", 1), ("MUSIC-0042", 2), ("MUSIC-0042", 3), ("MUSIC-0042", 4)]
    {
        let lesson = Lesson::opened_at("acme", code, opened_us - days * DAY_US);
        wanted.push(lesson.session.to_string());
        school.remember(&lesson.batch()).await;
    }
    // In the same microsecond.
    for code in ["MUSIC-0043", "MUSIC-0044", "MUSIC-0045"] {
        let lesson = Lesson::opened_at("acme", code, opened_us - 2 * DAY_US);
        wanted.push(lesson.session.to_string());
        school.remember(&lesson.batch()).await;
    }
    assert_eq!(all(&school, "/rooms/MUSIC-0042/sessions?").await, wanted[..5]);

    let of_school = all(&school, "/sessions?").await;
    assert_eq!(of_school.len(), 8, "each once: {of_school:?}");
    let (mut found, mut expected) = (of_school.clone(), wanted.clone());
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!((&of_school[0], &of_school[7]), (&wanted[0], &wanted[4]));

    let (from, to) = ((opened_us - 3 * DAY_US) / 1_000, (opened_us - DAY_US) / 1_000);
    let between = all(&school, &format!("/sessions?from={from}&to={to}&")).await;
    assert_eq!(between.len(), 4 + 1, "from its beginning on, and before its end: {between:?}");
    let first = school.get("/rooms/MUSIC-0042/sessions?limit=1", &teacher("acme")).await.json();
    let session = &first["sessions"][0];
    assert_eq!((&session["room_id"], &session["name"]), (&json!("MUSIC-0042"), &json!("Tuesday band")));
    assert_eq!((&session["teacher_id"], &session["opened_at_ms"]), (&json!("mrs-lee"), &json!(opened_us / 1_000)));
}

#[tokio::test]
async fn a_school_s_weeks_say_nothing_of_fewer_than_five() {
    let school = School::open("weeks").await;
    school.remember(&Lesson::days_ago("acme", "MUSIC-0042", 20).played_by(&CLASS).batch()).await;
    school.remember(&Lesson::days_ago("acme", "MUSIC-0042", 9).played_by(&CLASS[..3]).batch()).await;
    let overview = school.get("/overview", &teacher("acme")).await;
    assert_eq!(overview.status, 200, "{}", overview.text);
    let overview = overview.json();
    let weeks = overview["weeks"].as_array().expect("weeks");
    let said: Vec<_> = weeks.iter().map(|week| (week["students"].clone(), week["suppressed"].clone())).collect();
    assert_eq!(said, [(json!(6), json!(false)), (Value::Null, json!(true))]);
    assert_eq!((&overview["total"]["students"], &overview["events_waiting"]), (&json!(6), &json!(0)));
    for name in CLASS {
        assert!(!overview.to_string().contains(&format!("\"{name}\"")), "{name}");
    }
    let (from, to) = (now_us() / 1_000 - 12 * 86_400_000, now_us() / 1_000);
    let later = school.get(&format!("/overview?from={from}&to={to}"), &teacher("acme")).await.json();
    assert_eq!(later["weeks"].as_array().map(Vec::len), Some(1), "{later}");
}

#[tokio::test]
async fn a_trend_is_one_student_s_and_shows_the_others_only_as_five_or_more() {
    let school = School::open("trend").await;
    for days in [9, 6, 3] {
        let class = if days == 3 { &CLASS[..4] } else { &CLASS[..] };
        school.remember(&Lesson::days_ago("acme", "MUSIC-0042", days).played_by(class).batch()).await;
    }
    for asker in [teacher("acme"), student("bob")] {
        let trend = school.get("/students/bob/trend", &asker).await.json();
        let sessions = trend["sessions"].as_array().expect("sessions");
        assert_eq!(
            sessions.iter().map(|point| point["notes"].clone()).collect::<Vec<_>>(),
            [json!(2), json!(2), json!(2)]
        );
        let suppressed = sessions.iter().map(|point| point["group"]["suppressed"].clone()).collect::<Vec<_>>();
        assert_eq!(suppressed, [json!(false), json!(false), json!(true)]);
        assert!(trend["formula"].is_string() && trend["slopes"].is_object(), "{trend}");
        assert!(!trend.to_string().contains("\"ada\""));
    }
}
