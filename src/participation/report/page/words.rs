//! Figures as a page writes them. Everything here is safe to stand in HTML.

/// Where there is nothing to say.
pub(super) const NOTHING: &str = "–";

/// Text in HTML, between tags or in a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// `4:07`, `1:00:00`: to the second.
pub(super) fn duration(seconds: f64) -> String {
    // A time of a session: the cast loses nothing that is shown.
    let seconds = seconds.round().max(0.0) as u64;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// How long after the opening.
pub(super) fn since(opened_at_ms: i64, at_ms: i64) -> String {
    duration((at_ms.saturating_sub(opened_at_ms) / 1_000) as f64)
}

pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or(NOTHING.to_owned(), |share| format!("{:.0} %", share * 100.0))
}

pub(super) fn decimal(value: Option<f64>) -> String {
    value.map_or(NOTHING.to_owned(), |value| format!("{value:.2}"))
}

/// `12 ms late`
pub(super) fn offset(offset_ms: Option<f64>) -> String {
    match offset_ms.map(|offset_ms| offset_ms.round() as i64) {
        None => NOTHING.to_owned(),
        Some(0) => "on the beat".to_owned(),
        Some(late) if late > 0 => format!("{late} ms late"),
        Some(early) => format!("{} ms early", early.unsigned_abs()),
    }
}

pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
