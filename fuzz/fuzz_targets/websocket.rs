//! The octets of a WebSocket after its handshake: however they are cut into chunks, the same messages come out, none
//! over the limit.
#![no_main]

use bytes::BytesMut;
use downbeat::protocol::websocket::{Decoder, Message, Unreadable};
use libfuzzer_sys::fuzz_target;

type Read = (Vec<(u8, Vec<u8>)>, Option<Unreadable>);

fn read<'a>(message_bytes_max: usize, chunks: impl Iterator<Item = &'a [u8]>) -> Read {
    let mut decoder = Decoder::new(message_bytes_max);
    let mut input = BytesMut::new();
    let mut messages = Vec::new();
    for chunk in chunks {
        assert!(decoder.wanted(&input) <= input.len().max(4096));
        input.extend_from_slice(chunk);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(Message::Text(text))) => messages.push((1, text.as_bytes().to_vec())),
                Ok(Some(Message::Binary(octets))) => messages.push((2, octets.into_owned())),
                Ok(Some(Message::Ping(payload))) => assert!(payload.len() <= 125),
                Ok(Some(Message::Pong)) => {}
                Ok(Some(Message::Close(_))) => return (messages, None),
                Ok(None) => break,
                Err(unreadable) => return (messages, Some(unreadable)),
            }
        }
        // What is left is the beginning of one frame that was let in.
        assert!(input.len() < 14 + message_bytes_max.max(125));
    }
    (messages, None)
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (message_bytes_max, chunk_bytes, octets) = input;
    let message_bytes_max = usize::from(message_bytes_max);
    let whole = read(message_bytes_max, std::iter::once(octets));
    assert!(whole.0.iter().all(|(_, payload)| payload.len() <= message_bytes_max));
    assert_eq!(read(message_bytes_max, octets.chunks(usize::from(chunk_bytes).max(1))), whole);
});
