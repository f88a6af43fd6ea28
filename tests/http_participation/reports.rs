//! Reports of a session: for teachers all of it, for students their own row.

use downbeat::{participation::Kind, room::TokenRole};
use serde_json::{Value, json};

use crate::{
    lesson::Lesson,
    pupil::Pupil,
    school::{School, student, teacher, token},
};

const CLASS: [&str; 6] = ["ada", "bob", "cy", "dee", "eve", "fay"];

fn names(report: &Value) -> Vec<&str> {
    let rows = report["students"].as_array().expect("rows");
    rows.iter().map(|row| row["student_id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn a_live_lesson_is_reported_as_it_goes_on_and_after_it_has_closed() {
    let school = School::open("live").await;
    let code = school.new_room("Tuesday band").await;
    let mut teaching = Pupil::join(&school, &code, TokenRole::Teacher, "mrs-lee").await;
    let mut ada = Pupil::join(&school, &code, TokenRole::Student, "ada").await;
    for _ in 0..3 {
        ada.ask("play_note", json!({ "midi": 60 })).await;
    }
    let path = format!("/rooms/{code}/participation");
    let report = school.until(&path, &teacher("acme"), |report| report["students"][0]["notes"] == 3).await;
    assert_eq!((&report["session"]["room_id"], &report["session"]["name"]), (&json!(code), &json!("Tuesday band")));
    assert_eq!(report["session"]["closed_at_ms"], Value::Null);
    assert_eq!((&report["events_missing"], names(&report)), (&json!(0), vec!["ada"]));
    assert_eq!(report["teachers"][0]["teacher_id"], "mrs-lee");

    let figures = school.get(&format!("/rooms/{code}/analytics?bucket_s=1"), &teacher("acme")).await;
    assert_eq!(figures.status, 200, "{}", figures.text);
    let figures = figures.json();
    assert_eq!((&figures["notes"], &figures["activity"]["bucket_s"]), (&json!(3), &json!(1.0)));
    assert!(figures["events_waiting"].is_u64() && figures["formulas"]["gini"].is_string(), "{figures}");

    teaching.ask("close_room", json!({})).await;
    let closed = school.until(&path, &teacher("acme"), |report| report["session"]["closed_at_ms"].is_i64()).await;
    assert_eq!(
        (closed["students"][0]["notes"].clone(), closed["session"]["session_id"].clone()),
        (json!(3), report["session"]["session_id"].clone())
    );
}

#[tokio::test]
async fn a_code_without_a_room_answers_with_its_latest_session_or_the_one_that_is_named() {
    let school = School::open("named").await;
    let (old, new) = (Lesson::days_ago("acme", "MUSIC-0042", 9), Lesson::days_ago("acme", "MUSIC-0042", 2));
    let (old_id, new_id) = (old.session.clone(), new.session.clone());
    school.remember(&old.played_by(&CLASS).batch()).await;
    school.remember(&new.played_by(&CLASS[..2]).batch()).await;
    let of = async |path: &str| school.get(&format!("/rooms/{path}"), &teacher("acme")).await;

    let latest = of("MUSIC-0042/participation").await.json();
    assert_eq!((latest["session"]["session_id"].as_str(), names(&latest)), (Some(new_id.as_str()), vec!["ada", "bob"]));
    let named = of(&format!("MUSIC-0042/participation?session={old_id}")).await.json();
    assert_eq!((named["session"]["session_id"].as_str(), names(&named)), (Some(old_id.as_str()), CLASS.to_vec()));
    assert_eq!(named["students"][5]["notes"], 6);

    for nothing in [
        "MUSIC-0043/participation",
        "nonsense/analytics",
        "%ff/participation",
        "MUSIC-0042/participation?session=MUSIC-0042.1",
        "MUSIC-0042/analytics?session=rubbish",
    ] {
        assert_eq!(of(nothing).await.failure(), (404, "room_not_found".into(), None), "{nothing}");
    }
    let of_another_code = format!("MUSIC-0043/participation?session={old_id}");
    assert_eq!(of(&of_another_code).await.failure().0, 404);
}

#[tokio::test]
async fn what_was_lost_on_its_way_is_told() {
    let school = School::open("lost").await;
    let lesson = Lesson::days_ago("acme", "MUSIC-0042", 2).played_by(&CLASS);
    school.remember(&lesson.and(500, Kind::EVENTS_MISSING, None, json!({ "count": 17 })).batch()).await;
    for report in ["participation", "analytics"] {
        let answer = school.get(&format!("/rooms/MUSIC-0042/{report}"), &teacher("acme")).await.json();
        assert_eq!((&answer["events_missing"], &answer["session"]["events_missing"]), (&json!(17), &json!(17)));
        assert_eq!(answer["events_waiting"], 0);
    }
}

#[tokio::test]
async fn another_school_s_sessions_do_not_exist() {
    let school = School::open("tenants").await;
    let lesson = Lesson::days_ago("acme", "MUSIC-0042", 2);
    let session = lesson.session.clone();
    school.remember(&lesson.played_by(&CLASS).reflection("ada", "fine").batch()).await;
    let zeta = teacher("zeta");
    for path in ["participation", "analytics", "reflections"] {
        for query in [String::new(), format!("?session={session}")] {
            let answer = school.get(&format!("/rooms/MUSIC-0042/{path}{query}"), &zeta).await;
            assert_eq!(answer.failure(), (404, "room_not_found".into(), None), "{path}{query}");
        }
    }
    for list in ["/rooms/MUSIC-0042/sessions", "/sessions"] {
        assert_eq!(school.get(list, &zeta).await.json()["sessions"], json!([]), "{list}");
    }
    let file = school.get("/students/ada", &zeta).await.json();
    assert_eq!((&file["sessions"], &file["events"], &file["reflections"]), (&json!([]), &json!([]), &json!([])));
    assert_eq!(school.get("/overview", &zeta).await.json()["weeks"], json!([]));
}

#[tokio::test]
async fn a_student_reads_their_own_row_and_nothing_else() {
    let school = School::open("own").await;
    school.remember(&Lesson::days_ago("acme", "MUSIC-0042", 2).played_by(&CLASS).batch()).await;
    let path = "/rooms/MUSIC-0042/participation";
    let own = school.get(path, &student("bob")).await.json();
    assert_eq!((names(&own), &own["teachers"]), (vec!["bob"], &json!([])));
    let sheet = school.get(&format!("{path}?format=csv"), &student("bob")).await;
    assert!(sheet.text.contains("\"bob\"") && !sheet.text.contains("\"ada\""), "{}", sheet.text);
    let page = school.get(&format!("{path}?format=html"), &student("bob")).await;
    assert_eq!(page.failure(), (422, "invalid_field".into(), Some("format".into())), "the page shows the class");
    assert_eq!(school.get(path, &student("zoe")).await.failure(), (404, "room_not_found".into(), None));

    let guest = |room| token("acme", TokenRole::Student, Some("bob"), Some(room));
    assert_eq!(names(&school.get(path, &guest("MUSIC-0042")).await.json()), ["bob"]);
    assert_eq!(school.get(path, &guest("MUSIC-0043")).await.failure(), (404, "room_not_found".into(), None));
    let nameless = token("acme", TokenRole::Student, None, None);
    let refused = school.get(path, &nameless).await;
    assert_eq!(refused.failure(), (403, "forbidden".into(), None));
    assert!(refused.text.contains("sub"), "{}", refused.text);

    for others in ["/rooms/MUSIC-0042/analytics", "/rooms/MUSIC-0042/reflections", "/rooms/MUSIC-0042/sessions"] {
        assert_eq!(school.get(others, &student("bob")).await.failure(), (403, "forbidden".into(), None), "{others}");
    }
    for others in ["/sessions", "/overview", "/students/ada", "/students/ada/trend"] {
        assert_eq!(school.get(others, &student("bob")).await.failure(), (403, "forbidden".into(), None), "{others}");
    }
    assert_eq!(school.get("/students/bob", &guest("MUSIC-0042")).await.failure(), (403, "forbidden".into(), None));
    let one_room = token("acme", TokenRole::Teacher, Some("mrs-lee"), Some("MUSIC-0042"));
    assert_eq!(school.get(path, &one_room).await.status, 200);
    for all in ["/sessions", "/overview", "/students/ada"] {
        assert_eq!(school.get(all, &one_room).await.failure(), (403, "forbidden".into(), None), "{all}");
    }
}
