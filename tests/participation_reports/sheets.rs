//! Sheets: what a spreadsheet reads, and that it computes nothing.

use csv::ReaderBuilder;
use downbeat::participation::{
    Kind, NotePlayed, StudentTrend, analytics_csv, participation_csv, reflections_csv, trend_csv,
};
use proptest::prelude::*;
use serde_json::json;

use crate::{school::reflection, support::Lesson};

fn lines(sheet: &str) -> Vec<Vec<String>> {
    let bare = sheet.strip_prefix('\u{feff}').expect("a byte order mark");
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(bare.as_bytes());
    reader.records().map(|line| line.expect("a line").iter().map(str::to_owned).collect()).collect()
}

fn cell(sheet: &str, line: usize, heading: &str) -> String {
    let lines = lines(sheet);
    let column = lines[0].iter().position(|known| known == heading).expect("a column");
    lines[line][column].clone()
}

/// As spreadsheets do: they skip what cannot be seen, and take widths of East Asian keyboards for the same signs.
fn computes(cell: &str) -> bool {
    if cell.parse::<f64>().is_ok() {
        return false;
    }
    let seen =
        cell.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{200b}' || c == '\u{feff}');
    let starts = |text: &str| text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    starts(cell) || starts(seen) || cell.starts_with(['\t', '\r', '\n'])
}

#[test]
fn a_sheet_is_utf_8_with_a_mark_and_lines_that_end_as_rfc_4180_has_them() {
    let sheet = participation_csv(&Lesson::of_s(60.0).join(0.0, "Zoë, \"Zo\"").report());
    assert!(
        sheet.starts_with("\u{feff}\"session_id\",\"room_id\",\"opened_at\",\"student_id\",\"name\",\"attended_s\"")
    );
    assert_eq!(sheet.matches("\r\n").count(), 2);
    assert_eq!(sheet.matches('\n').count(), 2);
    assert_eq!(cell(&sheet, 1, "name"), "Zoë, \"Zo\"");
    assert_eq!(cell(&sheet, 1, "opened_at"), "2025-11-22T16:00:00Z");
}

#[test]
fn numbers_stay_numbers_also_negative_ones_and_nothing_stays_empty() {
    let mut lesson = Lesson::of_s(60.0).join(0.0, "ada").note(1.0, "ada");
    let note = &mut lesson.events.last_mut().expect("the note").note;
    *note = Some(NotePlayed { midi: 60, velocity: 1, offset_us: Some(-12_500), uncertainty_us: 0, assigned: false });
    let sheet = participation_csv(&lesson.report());
    assert!(sheet.contains(",-12.5,"), "{sheet}");
    assert_eq!(cell(&sheet, 1, "assigned_beats_hit_share"), "");
    assert_eq!(cell(&sheet, 1, "notes"), "1");
}

#[test]
fn no_name_becomes_a_formula() {
    let formulas = ["=1+1", "+1", "-1+1", "@SUM(A1)", " =1", "\t=1", "＝1", "\u{feff}=1", "\u{a0}-2-3"];
    for formula in formulas {
        let lesson = Lesson::of_s(60.0).with(0.0, Kind::JOINED, Some("ada"), json!({ "name": formula }));
        assert_eq!(cell(&participation_csv(&lesson.report()), 1, "name"), format!("'{formula}"));
    }
    let harmless = Lesson::of_s(60.0).with(0.0, Kind::JOINED, Some("ada"), json!({ "name": "Ann-Lee = A+" }));
    assert_eq!(cell(&participation_csv(&harmless.report()), 1, "name"), "Ann-Lee = A+");
}

#[test]
fn a_name_with_semicolons_stays_in_its_cell() {
    let lesson = Lesson::of_s(60.0).with(0.0, Kind::JOINED, Some("ada"), json!({ "name": "a;=1+1" }));
    assert!(participation_csv(&lesson.report()).contains("\"a;=1+1\""));
}

#[test]
fn the_analytics_are_one_line_a_figure() {
    let lesson = Lesson::of_s(60.0).join(0.0, "ada").join(0.0, "bob").note(1.0, "ada");
    let lines = lines(&analytics_csv(&lesson.report()));
    assert!(lines.iter().all(|line| line.len() == 6));
    let value = |part: &str, figure: &str, student: &str| {
        let found = lines.iter().find(|line| line[0] == part && line[1] == figure && line[3] == student);
        found.map(|line| line[5].as_str())
    };
    assert_eq!(value("session", "gini", ""), Some("0.5"));
    assert_eq!(value("voice", "notes_share", "ada"), Some("1"));
    assert_eq!(value("no_turn", "could_play_s", "bob"), Some("60"));
    assert_eq!(value("tempo", "bpm", ""), Some("120"));
}

#[test]
fn a_trend_is_one_line_a_session() {
    let report = Lesson::of_s(60.0).join(0.0, "ada").note(1.0, "ada").report();
    let sheet = trend_csv(&StudentTrend::of("ada", &[report.summary()]));
    assert_eq!((cell(&sheet, 1, "notes_per_minute"), cell(&sheet, 1, "group_suppressed")), ("1".into(), "yes".into()));
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written_and_computes_nothing(
        text in "[=+@\\-\\t\\r\\n ;,\"'＝＋－＠\u{feff}\u{a0}a-z0-9]{1,12}", mood in prop::option::of(1_u8..6),
    ) {
        let mut row = reflection("ada", 1);
        row.reflection.text = text.clone();
        row.reflection.mood = mood;
        row.reflection.metadata = json!({ "k": text }).as_object().cloned();
        let sheet = reflections_csv(&[row]);
        let read = cell(&sheet, 1, "reflection_text");
        prop_assert!(read == text || read == format!("'{text}"), "{read:?}");
        prop_assert_eq!(cell(&sheet, 1, "mood"), mood.map_or(String::new(), |mood| mood.to_string()));
        let metadata: serde_json::Value = serde_json::from_str(&cell(&sheet, 1, "metadata")).expect("JSON");
        prop_assert_eq!(metadata, json!({ "k": text }));
        for line in lines(&sheet) {
            prop_assert_eq!(line.len(), 10);
            prop_assert!(!line.iter().any(|cell| computes(cell)), "{line:?}");
        }
    }
}
