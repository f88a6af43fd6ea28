//! What is recorded of lessons, on its way to the database: a batch is a line of a node's journal, and in a cluster its
//! events are an entry's text.

use downbeat::participation::{Batch, Event, Kind, Sink};
use serde_json::{Value, json};

use crate::{
    event_samples::{TempFolder, note},
    vectors::{Vectors, compare, of_every_release, with_more},
};

fn batch() -> Batch {
    let tempo = Event {
        kind: Kind::TEMPO_CHANGED,
        actor: Some("ms-lee".into()),
        student: None,
        note: None,
        details: Some(json!({"bpm": 96})),
        ..note(2)
    };
    let missing = Event { kind: Kind::EVENTS_MISSING, details: Some(json!({"count": 3})), ..tempo.clone() };
    Batch { tenant: "acme".into(), events: vec![note(1), tempo, missing] }
}

/// The line that a journal really writes.
async fn written() -> Vectors {
    let folder = TempFolder::new();
    let journal = folder.open(1 << 20);
    journal.keep(&batch()).await.expect("it is kept");
    drop(journal);
    let text: String = folder.files().iter().map(|file| std::fs::read_to_string(file).expect("text")).collect();
    let entry = serde_json::to_string(&batch().events).expect("plain data");
    [("journal_line", text), ("stream_entry", entry)].map(|(name, text)| (name.to_owned(), Value::String(text))).into()
}

#[tokio::test]
async fn what_is_recorded_is_written_as_the_newest_vectors_say() {
    compare("events.json", &written().await);
}

#[test]
fn what_every_release_has_recorded_is_read_and_what_a_later_one_adds_is_left_aside() {
    for (release, vectors) in of_every_release("events.json") {
        let line = vectors["journal_line"].as_str().expect("text");
        assert_eq!(serde_json::from_str::<Batch>(line).ok(), Some(batch()), "{release}");
        let entry = vectors["stream_entry"].as_str().expect("text");
        assert_eq!(serde_json::from_str::<Vec<Event>>(entry).ok(), Some(batch().events), "{release}");

        let mut later: Value = with_more(&serde_json::from_str(line).expect("JSON"));
        for event in later["events"].as_array_mut().expect("events") {
            *event = with_more(event);
            if event["note"].is_object() {
                event["note"] = with_more(&event["note"]);
            }
        }
        assert_eq!(serde_json::from_value::<Batch>(later).ok(), Some(batch()), "{release}");
    }
}
