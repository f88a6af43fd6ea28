//! The names of the fields, which stay: no score of a person and no feeling that a machine made up is among them.

use downbeat::participation::{Kind, SchoolOverview, StudentTrend};
use serde_json::{Value, json};

use crate::{
    school::reflection,
    support::{Lesson, at},
};

const NEVER: [&str; 22] = [
    "score",
    "rating",
    "rank",
    "grade",
    "level",
    "index",
    "percentile",
    "emotion",
    "feeling",
    "sentiment",
    "happi",
    "engag",
    "attention",
    "effort",
    "motivation",
    "confiden",
    "risk",
    "flag",
    "behavi",
    "personality",
    "talent",
    "sel",
];

fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, inside) in map {
                found.push(name.clone());
                names(inside, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

fn everything() -> Vec<Value> {
    let ids = ["ada", "bob", "cleo", "dora", "eli", "finn"];
    let lesson = ids.iter().fold(Lesson::of_s(60.0), |lesson, id| lesson.join(0.0, id)).note(1.0, "ada");
    let lesson = lesson.with(0.0, Kind::JOINED, Some("tess"), json!({}));
    let report = lesson.report();
    let reflections: Vec<_> = ids.iter().map(|id| reflection(id, 4)).collect();
    let overview = SchoolOverview::of(&[report.summary()], &reflections, at(30.0 * 86_400.0) / 1_000);
    assert!(!overview.reflections.is_empty() && !overview.weeks.is_empty());
    vec![
        serde_json::to_value(&report).expect("plain data"),
        serde_json::to_value(report.participation()).expect("plain data"),
        serde_json::to_value(report.analytics()).expect("plain data"),
        serde_json::to_value(StudentTrend::of("ada", &[report.summary()])).expect("plain data"),
        serde_json::to_value(overview).expect("plain data"),
    ]
}

#[test]
fn no_field_is_a_score_of_a_person_or_an_inferred_emotion() {
    let mut found = Vec::new();
    everything().iter().for_each(|value| names(value, &mut found));
    assert!(found.len() > 100, "only {} names", found.len());
    for name in found {
        let words: Vec<&str> = name.split('_').collect();
        assert!(!words.iter().any(|word| NEVER.iter().any(|never| word.starts_with(never))), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
    }
}

#[test]
fn the_participation_is_the_report_without_its_analytics() {
    let report = Lesson::of_s(60.0).join(0.0, "ada").report();
    let keys = |value: Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let participation = keys(serde_json::to_value(report.participation()).expect("plain data"));
    assert_eq!(participation, ["session", "students", "teachers"]);
    let analytics = serde_json::to_value(report.analytics()).expect("plain data");
    assert_eq!(analytics["gini"], Value::Null, "nothing to say is null, not absent");
    assert_eq!(analytics["session"]["room_id"], "MUSIC-1234");
}
