//! The page to print.

use downbeat::participation::{Kind, printable_page};
use serde_json::json;

use crate::support::Lesson;

fn lesson() -> Lesson {
    let lesson = Lesson::of_s(2_700.0).join(0.0, "ada").join(30.0, "bob").join(0.0, "cleo");
    let lesson = (0..200).fold(lesson, |lesson, number| lesson.note(60.0 + f64::from(number * number) / 20.0, "ada"));
    lesson.of(300.0, Kind::STUDENT_MUTED, "bob").notes(&[100.0, 101.0, 250.0], "bob")
}

#[test]
fn the_page_stands_alone_and_runs_nothing() {
    let page = printable_page(&lesson().report());
    for never in
        ["<script", "<link", "<img", "<iframe", "src=", "href=", "url(", "@import", "http:", "https:", "javascript:"]
    {
        assert!(!page.contains(never), "{never}");
    }
    assert!(page.contains("@media print") && page.contains("size: A4 landscape"));
    for part in ["<html lang=\"en\">", "<caption>", "scope=\"col\"", "scope=\"row\"", "role=\"img\"", "<main>"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn the_page_says_what_the_report_says() {
    let page = printable_page(&lesson().report());
    assert!(page.contains("<h1><bdi>Year 5 drums</bdi></h1>"));
    assert!(page.contains("<dt>Duration</dt><dd>45:00</dd>"));
    assert!(page.contains("10 ms late"));
    assert!(page.contains("counts by its arrival, network delay included"));
    assert!(page.contains("Could have played, and had no turn") && page.contains("<bdi>cleo</bdi>"));
    assert!(!page.contains("missing.</strong>"), "a complete record");
}

#[test]
fn a_record_with_gaps_says_so() {
    let gaps = |count| printable_page(&lesson().room(1.0, Kind::EVENTS_MISSING, json!({ "count": count })).report());
    assert!(gaps(42).contains("<strong>42 events missing.</strong>"));
    assert!(gaps(1).contains("<strong>1 event missing.</strong>"));
}

#[test]
fn names_are_text_whatever_they_contain() {
    let mut lesson = Lesson::of_s(60.0).with(0.0, Kind::JOINED, Some("x"), json!({ "name": "<b onclick=\"x\">&'" }));
    lesson.head.name = "</title><script>alert(1)</script>".to_owned();
    let page = printable_page(&lesson.report());
    assert!(page.contains("&lt;b onclick=&quot;x&quot;&gt;&amp;&#39;"));
    assert!(!page.contains("<script") && !page.contains("<b "));
}

#[test]
fn an_empty_lesson_has_a_page_too() {
    let page = printable_page(&Lesson::of_s(0.0).report());
    assert!(page.contains("No student was in the room.") && page.contains("Nobody played."));
}
