use proptest::{collection::vec, prelude::*, sample::Index};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{
        Role,
        frame::{
            Frame as OtherFrame,
            coding::{Data, OpCode},
        },
    },
};

use crate::{Frame, Received, oracle, receive, wire};

const MESSAGE_BYTES_MAX: usize = 70_000;

/// A message, and where it is cut into fragments; between them may come pings.
#[derive(Debug, Clone)]
struct Sent {
    message: Message,
    cuts: Vec<Index>,
    ping: Option<Vec<u8>>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let size = prop_oneof![8 => 0..300_usize, 1 => 65_500..65_600_usize];
    let octets = size.prop_flat_map(|bytes| vec(any::<u8>(), bytes));
    let control = || vec(any::<u8>(), 0..=125);
    let message = prop_oneof![
        4 => ".{0,200}".prop_map(Message::text),
        2 => octets.prop_map(Message::binary),
        1 => control().prop_map(|payload| Message::Ping(payload.into())),
        1 => control().prop_map(|payload| Message::Pong(payload.into())),
    ];
    (message, vec(any::<Index>(), 0..6), prop::option::of(control())).prop_map(|(message, cuts, ping)| Sent {
        message,
        cuts,
        ping,
    })
}

/// The raw frames of a message, in the order of sending.
fn fragments(sent: &Sent) -> Vec<Message> {
    let kind = match &sent.message {
        Message::Text(_) => Data::Text,
        Message::Binary(_) => Data::Binary,
        control => return vec![control.clone()],
    };
    let payload = sent.message.clone().into_data();
    let mut ends: Vec<usize> = sent.cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
    ends.push(payload.len());
    ends.sort_unstable();
    let mut frames = Vec::new();
    let mut start = 0;
    for (nth, &end) in ends.iter().enumerate() {
        let kind = if nth == 0 { kind } else { Data::Continue };
        let last = nth + 1 == ends.len();
        frames.push(Message::Frame(OtherFrame::message(payload.slice(start..end), OpCode::Data(kind), last)));
        if let (false, Some(ping)) = (last, &sent.ping) {
            frames.push(Message::Ping(ping.clone().into()));
        }
        start = end;
    }
    frames
}

/// The stream in chunks that end at these places.
fn chunks<'a>(wire: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
    ends.push(wire.len());
    ends.sort_unstable();
    let mut start = 0;
    ends.into_iter().map(|end| &wire[std::mem::replace(&mut start, end)..end]).collect()
}

/// Frames that keep the rules more often than not.
fn nearly_right_frames() -> impl Strategy<Value = Vec<Frame>> {
    let first = prop_oneof![
        20 => prop::sample::select(&[0x81, 0x82, 0x01, 0x02, 0x00, 0x00, 0x80, 0x80, 0x89, 0x8a][..]),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        6 => ".{0,20}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..6),
        1 => vec(0..0x7f_u8, 120..180),
    ];
    let frame = (first, prop::option::weighted(0.98, any::<[u8; 4]>()), payload);
    vec(frame.prop_map(|(first, mask, payload)| Frame { first, mask, payload }), 0..12)
}

proptest! {
    #[test]
    fn any_messages_in_any_fragments_and_chunks_come_out_the_same(
        sent in vec(sent(), 0..8), cuts in vec(any::<Index>(), 0..30),
    ) {
        let wire = oracle::sent_by_client(sent.iter().flat_map(fragments));
        let (expected, error) = oracle::read_as(Role::Server, MESSAGE_BYTES_MAX, &wire);
        prop_assert!(error.is_none(), "{:?}", error);
        prop_assert!(expected.len() >= sent.len());
        let expected: Vec<Received> = expected.into_iter().map(oracle::received).collect();
        prop_assert_eq!(receive(MESSAGE_BYTES_MAX, chunks(&wire, &cuts)), (expected.clone(), None));
        prop_assert_eq!(receive(MESSAGE_BYTES_MAX, wire.chunks(7)), (expected, None));
    }

    #[test]
    fn frames_right_or_wrong_mean_the_same_to_another_implementation(
        frames in nearly_right_frames(), cuts in vec(any::<Index>(), 0..10),
    ) {
        let message_bytes_max = 150;
        let wire = wire(&frames);
        let (received, unreadable) = receive(message_bytes_max, chunks(&wire, &cuts));
        let (expected, error) = oracle::read_as(Role::Server, message_bytes_max, &wire);
        let expected: Vec<Received> = expected.into_iter().map(oracle::received).collect();
        match error {
            // The other one checks text fragment by fragment, so it may see sooner that it is none.
            Some(Error::Utf8(_)) => prop_assert!(received.starts_with(&expected)),
            Some(_) => {
                prop_assert_eq!(received, expected);
                prop_assert!(unreadable.is_some());
            }
            None => prop_assert_eq!((received, unreadable), (expected, None)),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_chunks_change_nothing(
        octets in vec(any::<u8>(), 0..200), cuts in vec(any::<Index>(), 0..10), message_bytes_max in 0..100_usize,
    ) {
        let whole = receive(message_bytes_max, [&octets[..]]);
        prop_assert_eq!(&receive(message_bytes_max, chunks(&octets, &cuts)), &whole);
        for message in whole.0 {
            let bytes = match message {
                Received::Text(text) => text.len(),
                Received::Binary(octets) => octets.len(),
                Received::Ping(_) | Received::Pong | Received::Close => 0,
            };
            prop_assert!(bytes <= message_bytes_max);
        }
    }
}
