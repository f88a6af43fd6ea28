//! The body of a long poll's POST: what a socket would have sent as frames.

use super::base64_any;

/// Most lines of one body that are taken as messages.
pub const LINES_MAX: usize = 100;

/// Most further lines that are answered one by one; a body with still more is refused whole.
pub const EXCESS_LINES_MAX: usize = 900;

/// One message of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// A text frame.
    Text(&'a str),
    /// A binary frame.
    Binary(Vec<u8>),
    /// Neither UTF-8 nor Base64: to be treated as a malformed frame in its place.
    Malformed,
}

/// A body, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LongpollBody<'a> {
    /// The messages in order, at most [`LINES_MAX`].
    pub messages: Vec<Line<'a>>,
    /// What came after them, at most [`EXCESS_LINES_MAX`]: each is to be answered with the error
    /// [`EXCESS_REASON`] under its own ref, so that no client waits for ever.
    pub excess: Vec<Line<'a>>,
}

/// Reason of the error reply to a line in excess.
pub const EXCESS_REASON: &str = "too many messages in one request; send at most 100 lines";

/// A body with so many lines that not even their refusal is worth the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body has over 1000 lines; send at most 100")]
pub struct TooManyLines;

/// Takes a body apart by its `Content-Type`.
///
/// `application/x-ndjson` (parameters ignored): one message a line, text when it starts like a
/// JSON array or object, else Base64 of a binary frame; empty lines are skipped. Any other type
/// or none: the whole body is one text message.
///
/// # Errors
/// [`TooManyLines`] above [`LINES_MAX`] + [`EXCESS_LINES_MAX`] lines.
pub fn parse_body<'a>(content_type: Option<&str>, body: &'a [u8]) -> Result<LongpollBody<'a>, TooManyLines> {
    if !is_ndjson(content_type) {
        return Ok(LongpollBody { messages: vec![text_line(body)], excess: Vec::new() });
    }
    let mut parsed = LongpollBody::default();
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    for line in lines.filter(|line| !line.is_empty()) {
        if parsed.messages.len() < LINES_MAX {
            parsed.messages.push(parse_line(line));
        } else if parsed.excess.len() < EXCESS_LINES_MAX {
            parsed.excess.push(parse_line(line));
        } else {
            return Err(TooManyLines);
        }
    }
    Ok(parsed)
}

fn is_ndjson(content_type: Option<&str>) -> bool {
    let essence = content_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|name| name.trim().eq_ignore_ascii_case("application/x-ndjson"))
}

fn parse_line(line: &[u8]) -> Line<'_> {
    match line.first() {
        // No Base64 starts with a brace, so V1's objects are safe to take as well.
        Some(b'[' | b'{') => text_line(line),
        _ => base64_any::decode(line).map_or(Line::Malformed, Line::Binary),
    }
}

fn text_line(line: &[u8]) -> Line<'_> {
    std::str::from_utf8(line).map_or(Line::Malformed, Line::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NDJSON: Option<&str> = Some("application/x-ndjson");

    #[test]
    fn a_line_is_text_or_base64_by_its_first_character() {
        let body = b"[1,\"2\"]\nAAEC\r\n\n{\"topic\":1}\n";
        let parsed = parse_body(NDJSON, body).expect("few lines");
        let expected = vec![Line::Text("[1,\"2\"]"), Line::Binary(vec![0, 1, 2]), Line::Text("{\"topic\":1}")];
        assert_eq!(parsed.messages, expected);
        assert!(parsed.excess.is_empty());
    }

    #[test]
    fn any_other_type_makes_the_whole_body_one_text() {
        let body = b"{\"topic\":\n\"t\"}";
        for content_type in [None, Some("text/plain"), Some("application/json")] {
            let parsed = parse_body(content_type, body).expect("one message");
            assert_eq!(parsed.messages, [Line::Text("{\"topic\":\n\"t\"}")]);
        }
    }

    #[test]
    fn the_type_is_read_without_its_parameters_and_case() {
        let parsed = parse_body(Some("Application/X-NDJSON; charset=utf-8"), b"[1]\n[2]");
        assert_eq!(parsed.map(|body| body.messages.len()), Ok(2));
    }

    #[test]
    fn a_bad_line_is_malformed_in_its_place() {
        let parsed = parse_body(NDJSON, b"[1]\n%%%\n[\xff]\n[2]").expect("few lines");
        let expected = [Line::Text("[1]"), Line::Malformed, Line::Malformed, Line::Text("[2]")];
        assert_eq!(parsed.messages, expected);
        assert_eq!(parse_body(None, b"\xff").map(|body| body.messages), Ok(vec![Line::Malformed]));
    }

    #[test]
    fn lines_over_a_hundred_come_back_as_excess() {
        let body = b"[1]\n".repeat(103);
        let parsed = parse_body(NDJSON, &body).expect("within bounds");
        assert_eq!((parsed.messages.len(), parsed.excess.len()), (100, 3));
        assert_eq!(parsed.excess.first(), Some(&Line::Text("[1]")));
    }

    #[test]
    fn a_body_with_over_a_thousand_lines_is_refused() {
        assert!(parse_body(NDJSON, &b"[1]\n".repeat(1000)).is_ok());
        assert_eq!(parse_body(NDJSON, &b"[1]\n".repeat(1001)), Err(TooManyLines));
    }

    #[test]
    fn an_empty_body_has_no_messages() {
        assert_eq!(parse_body(NDJSON, b"\n"), Ok(LongpollBody::default()));
    }
}
