//! What nodes say to each other.

use std::sync::Arc;

use downbeat::{
    gateway::longpoll::{Answer, Ask},
    protocol::{Broadcast, broadcast},
    relay::{BadEnvelope, Body, Envelope, MAJOR, Presences},
    store::Home,
};

use crate::{
    relay_samples::{envelope, every_body},
    store_samples::{leaves, present, tracks},
    vectors::{Vectors, bytes, compare, hex, of_every_release},
};

/// Every kind of body, and both kinds of a broadcast's.
fn bodies() -> Vec<(&'static str, Body)> {
    let said = |body| {
        let broadcast = Broadcast { event: "cursor".into(), body, id: Some("id-1".into()), at_ms: 1_763_829_430_000 };
        Body::Broadcast(Arc::new(broadcast))
    };
    let home = Home { node: "a".into(), process: 77 };
    let presences = Presences { home, serial: 3, changes: vec![tracks(&present(5, 2)), leaves(6, 4)] };
    let more = [
        ("broadcast", said(broadcast::Body::Json(r#"{"x":1}"#.into()))),
        ("broadcast_of_octets", said(broadcast::Body::Octets(vec![0, 255]))),
        ("presences", Body::Presences(presences)),
    ];
    every_body().into_iter().chain(more).collect()
}

fn written() -> Vectors {
    let encoded = |(kind, body)| (str::to_owned(kind), hex(&envelope("a", body).encode().expect("an envelope")));
    bodies().into_iter().map(encoded).collect()
}

#[test]
fn the_wire_is_that_of_the_newest_vectors() {
    compare("envelopes.json", &written());
}

#[test]
fn what_every_release_has_said_is_understood() {
    for (release, vectors) in of_every_release("envelopes.json") {
        for (kind, body) in bodies() {
            let Some(recorded) = vectors.get(kind) else { continue };
            assert_eq!(Envelope::decode(&bytes(recorded)), Ok(envelope("a", body)), "{kind} of {release}");
        }
    }
}

/// MessagePack of one more field, `zz: {"deep": [1]}`.
const FIELD: [u8; 10] = [0xa2, b'z', b'z', 0x81, 0xa4, b'd', b'e', b'e', b'p', 0xc0];

/// The message with a field more on its own level, and one more in its body, which comes last.
fn with_more(message: &[u8], body: &str) -> Vec<u8> {
    let mut message = message.to_vec();
    let name = [&[0xa0 | body.len() as u8], body.as_bytes()].concat();
    let at = message.windows(name.len()).position(|part| part == name).expect("the body's name") + name.len();
    for header in [0, at] {
        assert!((0x80..0x8f).contains(&message[header]), "a map of less than 15 fields");
        message[header] += 1;
        message.extend(FIELD);
    }
    message
}

#[test]
fn fields_of_a_later_release_are_left_aside_everywhere() {
    for (kind, body) in bodies() {
        let encoded = envelope("a", body.clone()).encode().expect("an envelope");
        let name = kind.split("_of_").next().expect("a name");
        let later = with_more(&encoded, name);
        assert_eq!(Envelope::decode(&later), Ok(envelope("a", body)), "{kind}");
    }
}

#[test]
fn another_major_is_refused_with_what_to_do() {
    for (release, vectors) in of_every_release("envelopes.json") {
        for recorded in vectors.values() {
            let mut message = bytes(recorded);
            assert_eq!(message[1..4], [0xa1, b'v', MAJOR as u8], "the version comes first, in {release}");
            message[3] = MAJOR as u8 + 1;
            let refused = Envelope::decode(&message).expect_err("another major");
            assert_eq!(refused, BadEnvelope::UnknownMajor { found: MAJOR + 1 });
            assert!(refused.to_string().contains("finish the upgrade"), "{refused}");
        }
    }
}

fn longpoll() -> Vec<(&'static str, Result<Ask, Answer>)> {
    let post = Ask::Post {
        session: 5,
        number: 6,
        content_type: Some("application/json".into()),
        piece: 0,
        pieces: 2,
        body: vec![1, 255],
    };
    vec![
        ("poll", Ok(Ask::Poll { session: 5, poll: 7, is_first: true, received: 3, window_ms: 1_000 })),
        ("post", Ok(post)),
        ("received", Ok(Ask::Received { session: 5, upto: 9 })),
        ("batch", Err(Answer::Batch { messages: vec!["[1,2]".into()], last: 9 })),
        ("nothing", Err(Answer::Nothing)),
        ("superseded", Err(Answer::Superseded)),
        ("taken", Err(Answer::Taken)),
        ("busy", Err(Answer::Busy)),
        ("too_many_lines", Err(Answer::TooManyLines)),
        ("gone", Err(Answer::Gone)),
    ]
}

fn packed(either: &Result<Ask, Answer>) -> Vec<u8> {
    match either {
        Ok(ask) => rmp_serde::to_vec_named(ask),
        Err(answer) => rmp_serde::to_vec_named(answer),
    }
    .expect("plain data")
}

#[test]
fn calls_about_long_polls_are_those_of_the_newest_vectors() {
    let today = longpoll().iter().map(|(name, message)| ((*name).to_owned(), hex(&packed(message)))).collect();
    compare("longpoll_calls.json", &today);
}

#[test]
fn calls_about_long_polls_of_every_release_are_understood() {
    for (release, vectors) in of_every_release("longpoll_calls.json") {
        for (name, message) in longpoll() {
            let Some(recorded) = vectors.get(name).map(bytes) else { continue };
            let read = match message {
                Ok(_) => format!("{:?}", rmp_serde::from_slice::<Ask>(&recorded)),
                Err(_) => format!("{:?}", rmp_serde::from_slice::<Answer>(&recorded)),
            };
            let expected = match message {
                Ok(ask) => format!("Ok({ask:?})"),
                Err(answer) => format!("Ok({answer:?})"),
            };
            assert_eq!(read, expected, "{name} of {release}");
        }
    }
}
