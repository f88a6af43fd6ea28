//! JSON, sheets and pages, and the headers that keep them private.

use downbeat::participation::Kind;
use reqwest::Method;
use serde_json::json;

use crate::{
    lesson::Lesson,
    school::{School, sent, teacher},
};

const WITH_FORMULA: &str = "=HYPERLINK(\"http://evil\")";
const WITH_SCRIPT: &str = "<script>alert(1)</script>";

async fn school_with_a_lesson(name: &str) -> School {
    let school = School::open(name).await;
    let lesson = Lesson::days_ago("acme", "MUSIC-0042", 2)
        .and(1, Kind::JOINED, Some("eve"), json!({ "name": WITH_FORMULA, "role": "student" }))
        .and(2, Kind::JOINED, Some("mal"), json!({ "name": WITH_SCRIPT, "role": "student" }))
        .and(4_000, Kind::LEFT, Some("mal"), serde_json::Value::Null)
        .reflection("eve", "+1, \"really\"\nnice");
    school.remember(&lesson.batch()).await;
    school
}

/// The lines of a sheet as a spreadsheet reads them, by their headings.
fn sheet(text: &str) -> Vec<std::collections::HashMap<String, String>> {
    let text = text.strip_prefix('\u{feff}').expect("a sign of UTF-8");
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|line| line.expect("a line")).collect()
}

#[tokio::test]
async fn sheets_are_read_back_with_no_formula_in_them() {
    let school = school_with_a_lesson("sheets").await;
    for path in ["participation", "analytics", "reflections"] {
        let answer = school.get(&format!("/rooms/MUSIC-0042/{path}?format=csv"), &teacher("acme")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/csv; charset=utf-8"), "{path}");
        let disposition = answer.header("content-disposition").to_owned();
        let begins = format!("attachment; filename=\"{path}-MUSIC-0042.");
        assert!(disposition.starts_with(&begins) && disposition.ends_with(".csv\""), "{disposition}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let lines = sheet(&answer.text);
        assert!(!lines.is_empty());
        assert!(lines.iter().flat_map(|line| line.values()).all(|cell| !cell.starts_with(['=', '+', '@'])), "{path}");
    }
    let rows = sheet(&school.get("/rooms/MUSIC-0042/participation?format=csv", &teacher("acme")).await.text);
    let eve = rows.iter().find(|row| row["student_id"] == "eve").expect("eve's row");
    assert_eq!(eve["name"], format!("'{WITH_FORMULA}"));
    let written = sheet(&school.get("/rooms/MUSIC-0042/reflections?format=csv", &teacher("acme")).await.text);
    assert_eq!(written[0]["reflection_text"], "'+1, \"really\"\nnice");
    let trend = school.get("/students/eve/trend?format=csv", &teacher("acme")).await;
    assert_eq!(trend.header("content-disposition"), "attachment; filename=\"trend-eve.csv\"");
    assert_eq!(sheet(&trend.text).len(), 1);
}

#[tokio::test]
async fn the_page_runs_no_script_and_loads_nothing() {
    let school = school_with_a_lesson("page").await;
    for path in ["participation", "analytics"] {
        let accepting = school.request(Method::GET, &format!("/rooms/MUSIC-0042/{path}"), &teacher("acme"));
        let page = sent(accepting.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script-src"), "{policy}");
        assert_eq!(page.header("cache-control"), "no-store");
        for active in ["<script", "javascript:", " src=", "<link", "<iframe", "@import"] {
            assert!(!page.text.contains(active), "{active}");
        }
        assert!(page.text.contains("&lt;script"), "the name is shown as it is");
    }
}

#[tokio::test]
async fn personal_answers_and_refusals_are_never_stored() {
    let school = school_with_a_lesson("stored").await;
    for path in [
        "/rooms/MUSIC-0042/participation",
        "/rooms/MUSIC-0042/analytics",
        "/rooms/MUSIC-0042/reflections",
        "/rooms/MUSIC-0042/sessions",
        "/sessions",
        "/overview",
        "/students/eve",
        "/students/eve/trend",
        "/rooms/MUSIC-0077/analytics",
    ] {
        let answer = school.get(path, &teacher("acme")).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_wrong_value_is_named() {
    let school = school_with_a_lesson("values").await;
    for (field, path) in [
        ("format", "/rooms/MUSIC-0042/participation?format=xlsx"),
        ("format", "/rooms/MUSIC-0042/reflections?format=html"),
        ("format", "/students/eve/trend?format=html"),
        ("bucket_s", "/rooms/MUSIC-0042/analytics?bucket_s=0"),
        ("bucket_s", "/rooms/MUSIC-0042/analytics?bucket_s=1.5"),
        ("bucket_s", "/rooms/MUSIC-0042/analytics?bucket_s=1"),
        ("limit", "/rooms/MUSIC-0042/sessions?limit=101"),
        ("limit", "/sessions?limit=0"),
        ("cursor", "/sessions?cursor=%00"),
        ("cursor", "/rooms/MUSIC-0042/sessions?cursor=MUSIC-0042"),
        ("from", "/sessions?from=yesterday"),
        ("to", "/sessions?to=2025-13-01"),
        ("from", "/sessions?from=2025-11-18&to=2025-11-17"),
        ("from", "/overview?from=2024-01-01&to=2025-11-17"),
        ("to", "/overview?to=never"),
        ("id", "/students/%0a"),
        ("id", "/students/%ff/trend"),
    ] {
        let refused = school.get(path, &teacher("acme")).await;
        // The lesson is 4000 seconds long: more than 2000 buckets of a second.
        assert_eq!(refused.failure(), (422, "invalid_field".into(), Some(field.into())), "{path}");
    }
    let long_id = format!("/students/{}", "x".repeat(65));
    assert_eq!(school.get(&long_id, &teacher("acme")).await.failure().2.as_deref(), Some("id"));
}
