//! A session's report as a page to read and to print: one file, without scripts, without anything from elsewhere.
//!
//! Whoever serves it can forbid everything but its own style: `default-src 'none'; style-src` with its hash.

mod chart;
mod words;

use std::fmt::Write;

use super::{
    dates::iso_time,
    equity::FORMULAS,
    figures::{Analytics, SessionFacts, SessionReport, StudentRow},
};
use chart::activity_chart;
use words::{NOTHING, counted, decimal, duration, escaped, offset, percent, since};

const STYLE: &str = include_str!("page/page.css");

/// Figures, and what they mean in words.
const DEFINITIONS: [(&str, &str); 10] = [
    ("Here", "Time in the room, however many devices or tabs were open at once."),
    ("Muted", "Time in the room while muted, alone or with everybody."),
    ("Could play", "Time in the room, not muted, not a listener, and not while somebody else was the soloist."),
    ("Per minute", "Notes per minute of the time in which the student could play."),
    ("Turns", "Runs of notes with no pause of more than 5 seconds."),
    (
        "Assigned beats",
        "Of the beats assigned to the student that came up while the student could play, those that a note fell \
         nearest to.",
    ),
    (
        "Timing",
        "The middle of all distances from the nearest beat, of notes whose time is certain to 10 ms, while the clock \
         ran. A note whose player’s device did not say when it was played counts by its arrival, network delay \
         included.",
    ),
    ("Within 50 ms", "The part of these notes at most 50 ms before or after the beat."),
    ("Evenness and Gini", "How the notes per minute were spread over those who could play; the formulas are below."),
    ("–", "There is nothing to say: no such note, or no time to play."),
];

/// The page, as HTML.
#[must_use]
pub fn printable_page(report: &SessionReport) -> String {
    let title = title(&report.session);
    let parts = [
        header(&report.session, &title),
        facts(report),
        participation(&report.students, &report.analytics),
        course(report),
        voices(&report.analytics),
        footer(),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Who took part: {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        parts.concat()
    )
}

fn title(session: &SessionFacts) -> String {
    let code = session.room_id.as_ref().map_or(session.session_id.as_str(), |code| code.as_str());
    escaped(if session.name.is_empty() { code } else { &session.name })
}

fn header(session: &SessionFacts, title: &str) -> String {
    let code = session.room_id.as_ref().map_or(session.session_id.as_str(), |code| code.as_str());
    let end = match session.closed_at_ms {
        Some(closed_at_ms) => format!("to {}", time(closed_at_ms)),
        None => format!("· not closed; counted up to {}", time(session.counted_until_at_ms)),
    };
    let missing = if session.events_missing == 0 {
        String::new()
    } else {
        format!(
            "<p class=\"missing\" role=\"note\"><strong>{} missing.</strong> They were lost on their way to the \
             record, so some figures are too small.</p>\n",
            counted(session.events_missing, "event", "events")
        )
    };
    format!(
        "<header>\n<h1><bdi>{title}</bdi></h1>\n<p class=\"when\">Room {}, {} {end}</p>\n{missing}</header>\n<main>\n",
        escaped(code),
        time(session.opened_at_ms)
    )
}

fn facts(report: &SessionReport) -> String {
    let analytics = &report.analytics;
    let tempos = analytics.tempo_history.iter().map(|mark| mark.bpm);
    let tempo = match (tempos.clone().min(), tempos.max()) {
        (Some(least), Some(most)) if least < most => format!("{least}–{most} bpm"),
        (Some(bpm), _) => format!("{bpm} bpm"),
        _ => NOTHING.to_owned(),
    };
    let facts = [
        ("Duration", duration(report.session.duration_s)),
        ("Students", report.students.len().to_string()),
        ("Notes", analytics.notes.to_string()),
        ("Tempo", tempo),
        ("Evenness of voices", decimal(analytics.evenness)),
    ];
    let facts = facts.map(|(name, fact)| format!("<div><dt>{name}</dt><dd>{fact}</dd></div>\n"));
    format!("<dl class=\"facts\">\n{}</dl>\n", facts.concat())
}

fn participation(students: &[StudentRow], analytics: &Analytics) -> String {
    if students.is_empty() {
        return "<section>\n<h2>Who took part</h2>\n<p class=\"none\">No student was in the room.</p>\n</section>\n"
            .to_owned();
    }
    const HEADINGS: [&str; 13] = [
        "Student",
        "Here",
        "Muted",
        "Could play",
        "Notes",
        "Share",
        "Per minute",
        "Turns",
        "Assigned beats",
        "Timing",
        "Within 50 ms",
        "Hands raised",
        "Came back",
    ];
    let headings = HEADINGS.map(|heading| format!("<th scope=\"col\">{heading}</th>"));
    let mut lines = String::new();
    for (row, voice) in students.iter().zip(&analytics.share_of_voice) {
        let assigned = match row.assigned_beats {
            0 => NOTHING.to_owned(),
            beats => format!("{} of {beats}", row.assigned_beats_hit),
        };
        let cells = [
            duration(row.attended_s),
            duration(row.muted_s),
            duration(row.could_play_s),
            row.notes.to_string(),
            percent(voice.notes_share),
            decimal(row.notes_per_minute),
            row.turns.to_string(),
            assigned,
            offset(row.offset_median_ms),
            percent(row.within_50_ms_share),
            row.hands_raised.to_string(),
            row.reconnects.to_string(),
        ];
        lines += &line(&row.name, &cells);
    }
    format!(
        "<section>\n<h2>Who took part</h2>\n<table>\n<caption>Times are minutes and seconds.</caption>\n\
         <thead><tr>{}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table>\n</section>\n",
        headings.concat()
    )
}

/// What happened when.
fn course(report: &SessionReport) -> String {
    let analytics = &report.analytics;
    let opened_at_ms = report.session.opened_at_ms;
    let chart = activity_chart(&analytics.activity);
    let peaks: Vec<[String; 2]> =
        analytics.peaks.iter().map(|peak| [since(opened_at_ms, peak.at_ms), peak.notes.to_string()]).collect();
    let tempos: Vec<[String; 2]> = analytics
        .tempo_history
        .iter()
        .map(|mark| {
            let ramp = mark.ramp_beats.map_or(String::new(), |beats| format!(", over {beats} beats"));
            [since(opened_at_ms, mark.at_ms), format!("{}{ramp}", mark.bpm)]
        })
        .collect();
    format!(
        "<section>\n<h2>When it was busy</h2>\n{chart}\n<div class=\"side\">\n{}{}</div>\n</section>\n",
        pairs("The busiest 10 seconds", ["From", "Notes"], &peaks),
        pairs("Tempo", ["From", "Beats per minute"], &tempos)
    )
}

fn voices(analytics: &Analytics) -> String {
    let compared = counted(analytics.students_compared, "student", "students");
    let shared = match (analytics.evenness, analytics.gini) {
        (Some(_), Some(_)) => format!(
            "Evenness {} (1 = everybody alike, 0 = one voice alone), Gini {} (0 = everybody alike), over {compared} \
             who could play.",
            decimal(analytics.evenness),
            decimal(analytics.gini)
        ),
        _ => "Nothing to compare: it takes two students who could play, and a note.".to_owned(),
    };
    let rows: Vec<[String; 2]> =
        analytics.no_turn.iter().map(|row| [bdi(&row.name), duration(row.could_play_s)]).collect();
    let no_turn = if rows.is_empty() {
        "<p>Everybody who could play had a turn.</p>\n".to_owned()
    } else {
        pairs("Could have played, and had no turn", ["Student", "Could play"], &rows)
    };
    format!("<section>\n<h2>How the voices were shared</h2>\n<p>{shared}</p>\n{no_turn}</section>\n</main>\n")
}

fn footer() -> String {
    let define = |(name, meaning): (&str, &str)| format!("<div><dt>{name}</dt><dd>{meaning}</dd></div>\n");
    let formulas =
        [FORMULAS.x, FORMULAS.gini, FORMULAS.evenness].map(|formula| format!("<p>{}</p>\n", escaped(formula)));
    format!(
        "<footer>\n<h2>What the figures mean</h2>\n<dl>\n{}</dl>\n{}<p>The figures count what was played and when. \
         They do not rate anybody.</p>\n</footer>\n",
        DEFINITIONS.map(define).concat(),
        formulas.concat()
    )
}

/// A small table; cells are HTML.
fn pairs(caption: &str, headings: [&str; 2], rows: &[[String; 2]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut lines = String::new();
    for [name, value] in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    let headings = headings.map(|heading| format!("<th scope=\"col\">{heading}</th>")).concat();
    format!(
        "<table class=\"narrow\">\n<caption>{caption}</caption>\n<thead><tr>{headings}</tr></thead>\n\
         <tbody>\n{lines}</tbody>\n</table>\n"
    )
}

fn line(name: &str, cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", bdi(name))
}

/// A name, whatever its direction of writing, leaves the text around it alone.
fn bdi(name: &str) -> String {
    format!("<bdi>{}</bdi>", escaped(name))
}

fn time(at_ms: i64) -> String {
    let iso = iso_time(at_ms);
    let shown = iso.get(..16).unwrap_or(&iso).replace('T', " ");
    format!("<time datetime=\"{iso}\">{shown} UTC</time>")
}
