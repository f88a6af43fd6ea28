//! What a socket's session decides, rule by rule, and against a plain model.

mod joins;
mod model;
mod queue;

use std::borrow::Cow;

use downbeat::gateway::session::{Instance, Session, Step};
use downbeat::protocol::{Inbound, InboundPayload, Ref};

const ROOM: &str = "music_room:MUSIC-1234";

fn reference(text: &str) -> Option<Ref> {
    Some(Ref::from_text(text).expect("a short ref"))
}

fn frame<'a>(join_ref: Option<&str>, message: &str, topic: &'a str, event: &'a str) -> Inbound<'a> {
    Inbound {
        join_ref: join_ref.and_then(reference),
        reference: reference(message),
        topic: Cow::Borrowed(topic),
        event: Cow::Borrowed(event),
        payload: InboundPayload::Binary(b""),
    }
}

fn session() -> Session {
    Session::new(3, |event| event == "clock_sync")
}

fn start_join(session: &mut Session, join_ref: &str, topic: &str) -> Instance {
    match session.receive(&frame(Some(join_ref), join_ref, topic, "phx_join")) {
        Step::Join { instance, .. } => instance,
        other => panic!("expected a join, got {other:?}"),
    }
}

fn join(session: &mut Session, join_ref: &str, topic: &str) -> Instance {
    let instance = start_join(session, join_ref, topic);
    assert!(session.joined(topic, instance).is_some());
    instance
}

fn push(session: &mut Session, join_ref: Option<&str>, message: &str) -> Step {
    session.receive(&frame(join_ref, message, ROOM, "play_note"))
}

fn leave(session: &mut Session, join_ref: Option<&str>) -> Step {
    session.receive(&frame(join_ref, "9", ROOM, "phx_leave"))
}

fn pushed(instance: Instance, join_ref: &str) -> Step {
    Step::Push { instance, join_ref: reference(join_ref) }
}

/// The refs and steps of all that waited and can go on.
fn drain(session: &mut Session, topic: &str) -> Vec<(String, Step)> {
    let mut steps = Vec::new();
    while let Some((frame, step)) = session.next_queued(topic) {
        let message = frame.as_inbound().reference;
        steps.push((message.map(|message| message.to_string()).unwrap_or_default(), step));
    }
    steps
}
