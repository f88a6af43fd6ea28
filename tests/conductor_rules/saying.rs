//! What members say in a room beside the music.

use std::sync::Arc;

use downbeat::{
    conductor::{NoteLimits, NoteRefused},
    protocol::{Broadcast, broadcast::Body},
    room::Refusal,
};
use serde_json::json;

use super::{
    ears::{Heard, What},
    house::{Guest, House, role_of},
    town::Town,
};

const LIMITS: NoteLimits = NoteLimits { student: 10, teacher: 50 };

fn broadcast(event: &str) -> Arc<Broadcast> {
    Arc::new(Broadcast { event: event.to_owned(), body: Body::Json("{}".to_owned()), id: None, at_ms: 0 })
}

fn say(guest: &Guest, student_id: &str) -> Result<(), NoteRefused> {
    guest.room.say(student_id, guest.connection, role_of(student_id), &broadcast(student_id), LIMITS)
}

fn said(heard: &[Heard]) -> Vec<(Option<u64>, &str)> {
    let said = heard.iter().filter_map(|heard| match &heard.what {
        What::Broadcast { from, event } => Some((*from, event.as_str())),
        _ => None,
    });
    said.collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_member_says_is_heard_on_every_node_once() {
    let town = Town::new().await;
    let (_key, [_teacher, ada, _bob]) = town.class().await;
    say(&ada, "ada").expect("ada may speak");
    town.pass(50).await;
    assert_eq!(said(&town.a.heard()), [(Some(ada.connection), "ada")]);
    assert_eq!(said(&town.b.heard()), [(None, "ada")]);
}

#[tokio::test(start_paused = true)]
async fn who_is_muted_says_nothing_and_a_teacher_always_may() {
    let house = House::new().await;
    let (key, [teacher, ada, _bob]) = house.class().await;
    house.ask(&key, "mute_student", json!({"student_id": "ada"})).await.expect("stored");
    house.heard();
    assert_eq!(say(&ada, "ada"), Err(NoteRefused::Rule(Refusal::Muted)));
    assert_eq!(said(&house.heard()), []);
    house.ask(&key, "mute_all", json!({})).await.expect("stored");
    say(&teacher, "ms-ray").expect("a teacher is never muted");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_counts_against_the_rate_of_notes() {
    let house = House::new().await;
    let (_key, [_teacher, ada, _bob]) = house.class().await;
    assert_eq!((0..20).filter(|_| say(&ada, "ada").is_ok()).count(), 10);
    assert_eq!(say(&ada, "ada"), Err(NoteRefused::TooFast));
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_says_nothing_any_more() {
    let house = House::new().await;
    let (key, [_teacher, ada, _bob]) = house.class().await;
    house.ask(&key, "remove_student", json!({"student_id": "ada"})).await.expect("stored");
    assert_eq!(say(&ada, "ada"), Err(NoteRefused::Rule(Refusal::RemovedFromRoom)));
}
