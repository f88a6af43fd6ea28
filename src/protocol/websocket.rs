//! Frames of a WebSocket as the server's side reads and writes them (RFC 6455), without its handshake and its socket.
//!
//! A message that came in one frame is unmasked where it lies, in the socket's buffer, and lent from there; only
//! fragments are copied, to join them. No extension is spoken, so the reserved bits are 0.

mod encode;
mod header;

use std::{borrow::Cow, mem};

use bytes::{Buf as _, BytesMut};

pub use encode::{encode_binary, encode_close, encode_goodbye, encode_pong, encode_text};
use header::{Header, Opcode};

/// Most fragments of one message that may carry nothing: each costs work and says nothing, so no client has a use for
/// more.
pub const EMPTY_FRAGMENTS_MAX: u8 = 64;

/// Least bytes asked for at once by [`Decoder::wanted`], so far as the frame needs them.
const WANTED_BYTES_MIN: usize = 4096;

/// What a client sent: unmasked, and whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text, lent by the buffer unless it came in fragments.
    Text(Cow<'a, str>),
    /// Octets, lent by the buffer unless they came in fragments.
    Binary(Cow<'a, [u8]>),
    /// To be answered with [`encode_pong`] of the same payload, at most 125 bytes.
    Ping(&'a [u8]),
    /// A sign of life.
    Pong,
    /// The client is leaving, with this code if it gave one: to be answered with the same by [`encode_goodbye`], and
    /// nothing read any more.
    Close(Option<u16>),
}

/// Why the rest of a socket cannot be read; it is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Close code 1009. Known from the header, before any memory is taken for the message.
    #[error("the message is over the size limit; send a smaller one")]
    TooBig,
    /// Close code 1007.
    #[error("the text is not UTF-8; send other octets as a binary message")]
    NotUtf8,
    /// Close code 1002 in the RFC's terms: the rule that the client broke.
    #[error("{0} (RFC 6455)")]
    Protocol(&'static str),
}

/// Takes messages off what a socket has read.
#[derive(Debug)]
pub struct Decoder {
    message_bytes_max: usize,
    /// Bytes at the front of the input that were lent to the caller by the last call.
    lent_bytes: usize,
    fragments: Option<Box<Fragments>>,
}

/// A message of which more is to come.
#[derive(Debug)]
struct Fragments {
    opcode: Opcode,
    empty: u8,
    joined: Vec<u8>,
}

impl Decoder {
    /// For messages of at most `message_bytes_max` bytes of payload, in one frame or in fragments.
    pub fn new(message_bytes_max: usize) -> Self {
        Decoder { message_bytes_max, lent_bytes: 0, fragments: None }
    }

    /// Takes the next message off the front of `input`; `None`: more bytes are needed.
    ///
    /// What a message is lent from stays at the front of `input` until the next call, so between calls the caller only
    /// appends. After `None`, `input` holds nothing but the beginning of the next frame.
    ///
    /// # Errors
    /// [`Unreadable`], as soon as a header shows it. What comes after has no meaning any more.
    pub fn next<'a>(&mut self, input: &'a mut BytesMut) -> Result<Option<Message<'a>>, Unreadable> {
        input.advance(mem::take(&mut self.lent_bytes).min(input.len()));
        loop {
            let Some(header) = Header::read(input)? else { return Ok(None) };
            self.admit(&header)?;
            let frame_bytes = header.frame_bytes();
            if input.len() < frame_bytes {
                return Ok(None);
            }
            unmask(&mut input[header.bytes..frame_bytes], header.mask);
            if header.opcode.is_control() || (header.fin && header.opcode != Opcode::Continuation) {
                self.lent_bytes = frame_bytes;
                return lend(header.opcode, &input[header.bytes..frame_bytes]).map(Some);
            }
            let joined = self.join(&header, &input[header.bytes..frame_bytes]);
            input.advance(frame_bytes);
            if let Some(message) = joined? {
                return Ok(Some(message));
            }
        }
    }

    /// How many bytes to make room for, at least, beyond what `input` holds, to get on with the frame at its front.
    ///
    /// Never more than the frame lacks, nor than 4 KiB or what has come of it: a client that announces much and sends
    /// nothing takes no memory. 0: unknown, or nothing is lacking.
    pub fn wanted(&self, input: &BytesMut) -> usize {
        let begun = input.get(self.lent_bytes..).unwrap_or_default();
        match Header::read(begun) {
            Ok(Some(header)) if self.admit(&header).is_ok() => {
                let lacking = header.frame_bytes().saturating_sub(begun.len());
                lacking.min(begun.len().max(WANTED_BYTES_MIN))
            }
            _ => 0,
        }
    }

    /// Whether a frame may come now, and with so large a payload.
    fn admit(&self, header: &Header) -> Result<(), Unreadable> {
        if header.opcode.is_control() {
            return Ok(());
        }
        let joined_bytes = match (&self.fragments, header.opcode) {
            (None, Opcode::Continuation) => {
                return Err(Unreadable::Protocol("a fragment came without a first one; start with text or binary"));
            }
            (Some(fragments), Opcode::Continuation) => fragments.joined.len(),
            (None, _) => 0,
            (Some(_), _) => {
                return Err(Unreadable::Protocol("a message began inside another one's fragments; finish that first"));
            }
        };
        if header.payload_bytes > self.message_bytes_max.saturating_sub(joined_bytes) {
            return Err(Unreadable::TooBig);
        }
        Ok(())
    }

    /// Adds a fragment that was admitted; the message, if it was the last one.
    fn join(&mut self, header: &Header, payload: &[u8]) -> Result<Option<Message<'static>>, Unreadable> {
        let fragments = self
            .fragments
            .get_or_insert_with(|| Box::new(Fragments { opcode: header.opcode, empty: 0, joined: Vec::new() }));
        fragments.push(payload, self.message_bytes_max)?;
        if !header.fin {
            return Ok(None);
        }
        self.fragments.take().map(|fragments| fragments.finish()).transpose()
    }
}

impl Fragments {
    fn push(&mut self, payload: &[u8], message_bytes_max: usize) -> Result<(), Unreadable> {
        if payload.is_empty() {
            self.empty += 1;
            if self.empty > EMPTY_FRAGMENTS_MAX {
                return Err(Unreadable::Protocol("a message has over 64 empty fragments; leave them out"));
            }
        }
        let bytes = self.joined.len() + payload.len();
        if bytes > self.joined.capacity() {
            // Twice as much each time, as a Vec does, yet never beyond what a message may have.
            let capacity = (2 * self.joined.capacity()).min(message_bytes_max).max(bytes);
            self.joined.reserve_exact(capacity - self.joined.len());
        }
        self.joined.extend_from_slice(payload);
        Ok(())
    }

    fn finish(self) -> Result<Message<'static>, Unreadable> {
        if self.opcode == Opcode::Text {
            let text = String::from_utf8(self.joined).map_err(|_| Unreadable::NotUtf8)?;
            return Ok(Message::Text(Cow::Owned(text)));
        }
        Ok(Message::Binary(Cow::Owned(self.joined)))
    }
}

/// The message that a single frame is.
fn lend(opcode: Opcode, payload: &[u8]) -> Result<Message<'_>, Unreadable> {
    match opcode {
        Opcode::Text => utf8(payload).map(|text| Message::Text(Cow::Borrowed(text))),
        Opcode::Binary | Opcode::Continuation => Ok(Message::Binary(Cow::Borrowed(payload))),
        Opcode::Ping => Ok(Message::Ping(payload)),
        Opcode::Pong => Ok(Message::Pong),
        Opcode::Close => match payload {
            [] => Ok(Message::Close(None)),
            [_] => Err(Unreadable::Protocol("a close frame has half a code; send two bytes or none")),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                utf8(reason).map(|_| Message::Close(Some(code)))
            }
        },
    }
}

fn utf8(octets: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(octets).map_err(|_| Unreadable::NotUtf8)
}

/// Takes the mask off (section 5.3 of the RFC), eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let word_mask = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ word_mask).to_ne_bytes();
    }
    for (octet, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *octet ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A binary fragment, masked with zeros.
    fn fragment(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let bytes = u8::try_from(payload.len()).expect("a short fragment");
        [&[opcode, 0x80 | bytes, 0, 0, 0, 0], payload].concat()
    }

    #[test]
    fn an_idle_socket_s_decoder_is_small() {
        assert!(size_of::<Decoder>() <= 64, "{}", size_of::<Decoder>());
    }

    #[test]
    fn joined_fragments_never_take_more_memory_than_a_message_may_have() {
        let message_bytes_max = 1000;
        let mut decoder = Decoder::new(message_bytes_max);
        let mut input = BytesMut::from(&fragment(2, &[7; 60])[..]);
        for sent in 1..=15 {
            assert_eq!(decoder.next(&mut input), Ok(None));
            let capacity = decoder.fragments.as_ref().expect("it goes on").joined.capacity();
            assert!((60 * sent..=message_bytes_max).contains(&capacity), "{capacity} after {sent}");
            input.extend_from_slice(&fragment(0, &[7; 60]));
        }
        assert_eq!(decoder.next(&mut input), Ok(None));
        input.extend_from_slice(&fragment(0x80, &[7; 40]));
        assert_eq!(decoder.next(&mut input), Ok(Some(Message::Binary(Cow::Owned(vec![7; 1000])))));
        assert!(decoder.fragments.is_none());
    }

    #[test]
    fn a_message_in_one_frame_is_lent_by_the_buffer() {
        let mut decoder = Decoder::new(10);
        let mut input = BytesMut::from(&fragment(0x81, b"one")[..]);
        assert!(matches!(decoder.next(&mut input), Ok(Some(Message::Text(Cow::Borrowed("one"))))));
        assert_eq!(decoder.next(&mut input), Ok(None));
        assert!(input.is_empty());
    }

    #[test]
    fn a_mask_comes_off_whatever_the_length() {
        for bytes in 0..70_u8 {
            let plain: Vec<u8> = (0..bytes).collect();
            let mut octets: Vec<u8> = plain.iter().zip([1, 20, 250, 99].iter().cycle()).map(|(p, k)| p ^ k).collect();
            unmask(&mut octets, [1, 20, 250, 99]);
            assert_eq!(octets, plain);
        }
    }
}
