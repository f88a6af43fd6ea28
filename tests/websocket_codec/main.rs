//! The WebSocket's frames: the server's as a client reads them, a client's as the server reads them, and what is none.

mod encoding;
mod oracle;
mod properties;
mod rules;

use bytes::BytesMut;
use downbeat::protocol::websocket::{Decoder, Message, Unreadable};

/// A message that borrows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close,
}

impl From<Message<'_>> for Received {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Received::Text(text.into_owned()),
            Message::Binary(octets) => Received::Binary(octets.into_owned()),
            Message::Ping(payload) => Received::Ping(payload.to_vec()),
            Message::Pong => Received::Pong,
            Message::Close(_) => Received::Close,
        }
    }
}

/// A client's frame as it may send it, rightly or wrongly.
#[derive(Debug, Clone)]
pub struct Frame {
    /// FIN, the reserved bits and the opcode.
    first: u8,
    mask: Option<[u8; 4]>,
    payload: Vec<u8>,
}

impl Frame {
    fn new(first: u8, payload: impl AsRef<[u8]>) -> Self {
        Frame { first, mask: Some([0x12, 0x34, 0x56, 0x78]), payload: payload.as_ref().to_vec() }
    }

    fn write(&self) -> Vec<u8> {
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        let mut wire = vec![self.first];
        match self.payload.len() {
            bytes @ ..=125 => wire.push(masked | bytes as u8),
            bytes @ ..=0xffff => {
                wire.push(masked | 126);
                wire.extend_from_slice(&(bytes as u16).to_be_bytes());
            }
            bytes => {
                wire.push(masked | 127);
                wire.extend_from_slice(&(bytes as u64).to_be_bytes());
            }
        }
        let mask = self.mask.unwrap_or_default();
        wire.extend_from_slice(self.mask.as_ref().map_or(&[], |mask| &mask[..]));
        wire.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(octet, key)| octet ^ key));
        wire
    }
}

fn wire(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::write).collect()
}

/// Everything that a decoder makes of what came in these chunks, up to the first error or the client's leaving.
fn receive<'a>(
    message_bytes_max: usize,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Received>, Option<Unreadable>) {
    let mut decoder = Decoder::new(message_bytes_max);
    let mut input = BytesMut::new();
    let mut received = Vec::new();
    for chunk in chunks {
        input.extend_from_slice(chunk);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(message)) => received.push(Received::from(message)),
                Ok(None) => break,
                Err(unreadable) => return (received, Some(unreadable)),
            }
            if received.last() == Some(&Received::Close) {
                return (received, None);
            }
        }
    }
    (received, None)
}

/// The same in one chunk, and byte by byte, which must not differ.
fn receive_frames(message_bytes_max: usize, frames: &[Frame]) -> (Vec<Received>, Option<Unreadable>) {
    let wire = wire(frames);
    let whole = receive(message_bytes_max, [&wire[..]]);
    assert_eq!(whole, receive(message_bytes_max, wire.chunks(1)));
    whole
}
