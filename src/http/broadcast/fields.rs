//! What a broadcast's topic, event and `private` may be, and what is said of those that are not: the words of Ecto,
//! which Supabase's users know.

use axum::http::Uri;
use serde_json::{Value, json};

use crate::{
    http::caller::query_of,
    protocol::{
        inbound::FIELD_BYTES_MAX,
        topic::{REALTIME, REALTIME_BYTES_MAX},
    },
};

pub(super) const BLANK: &str = "can't be blank";
pub(super) const INVALID: &str = "is invalid";

/// What is wrong with the name of a topic, given without `realtime:`.
pub(super) fn topic_complaint(topic: &str) -> Option<String> {
    complaint(topic, REALTIME_BYTES_MAX - REALTIME.len())
}

/// Events share their limit with topics: the length that a binary frame can carry.
pub(super) fn event_complaint(event: &str) -> Option<String> {
    complaint(event, FIELD_BYTES_MAX)
}

fn complaint(text: &str, bytes_max: usize) -> Option<String> {
    match text {
        text if text.trim().is_empty() => Some(BLANK.to_owned()),
        text if text.len() > bytes_max => Some(format!("should be at most {bytes_max} byte(s)")),
        _ => None,
    }
}

/// A boolean in a string. An empty one counts as absent, which is false.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" | "" => Some(false),
        _ => None,
    }
}

/// `?private=`, the last one where there are several. None for anything but a boolean: what was meant to be private
/// must not become public by a slip of the pen.
pub(super) fn private_of(uri: &Uri) -> Option<bool> {
    let value = query_of(uri).into_iter().rfind(|(name, _)| name == "private");
    value.map_or(Some(false), |(_, value)| boolean(&value))
}

/// `{field: [complaint]}` of those that there are.
pub(super) fn listed<const N: usize>(
    complaints: [(&'static str, Option<String>); N],
) -> impl Iterator<Item = (String, Value)> {
    let present = complaints.into_iter().filter_map(|(field, complaint)| Some((field, complaint?)));
    present.map(|(field, complaint)| (field.to_owned(), json!([complaint])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_binary_frame_can_carry() {
        for good in ["lobby", "realtime:lobby", " a ", "a/b?c", "é", &"x".repeat(246)] {
            assert_eq!(topic_complaint(good), None, "{good}");
        }
        for blank in ["", " ", "\u{3000}\n"] {
            assert_eq!(topic_complaint(blank).as_deref(), Some("can't be blank"));
        }
        assert_eq!(topic_complaint(&"x".repeat(247)).as_deref(), Some("should be at most 246 byte(s)"));
        assert_eq!(event_complaint(&"x".repeat(255)), None);
        assert_eq!(event_complaint(&"é".repeat(128)).as_deref(), Some("should be at most 255 byte(s)"));
    }

    #[test]
    fn private_is_what_the_query_clearly_says() {
        let private = |query: &str| private_of(&format!("/x{query}").parse().expect("an address"));
        for public in ["", "?private=", "?private=false", "?private=0", "?privates=true", "?private=true&private=false"]
        {
            assert_eq!(private(public), Some(false), "{public}");
        }
        for meant in ["?private=true", "?private=1", "?a=b&private=true&c", "?%70rivate=true"] {
            assert_eq!(private(meant), Some(true), "{meant}");
        }
        assert_eq!(private("?private=yes"), None);
    }
}
