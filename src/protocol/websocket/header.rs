//! The header of a client's frame: section 5.2 of RFC 6455, and what it forbids without knowing of other frames.

use super::Unreadable;

/// Most bytes of a control frame's payload.
pub const CONTROL_BYTES_MAX: usize = 125;

/// The payload's size that says: it is in the next two bytes.
pub const SIZE_IN_TWO_BYTES: u8 = 126;

/// The payload's size that says: it is in the next eight bytes.
pub const SIZE_IN_EIGHT_BYTES: u8 = 127;

/// Bit of a frame's first byte: it is its message's last.
pub const FIN: u8 = 0x80;

const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What a frame is; the numbers are the wire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn from_number(number: u8) -> Option<Opcode> {
        Some(match number {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    pub const fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// A frame's header, read.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    pub fin: bool,
    pub opcode: Opcode,
    pub mask: [u8; 4],
    /// Of the header itself, 6 to 14.
    pub bytes: usize,
    pub payload_bytes: usize,
}

impl Header {
    /// Reads the header at the front of `input`; `None`: it is not whole yet.
    ///
    /// A size written in more bytes than it needs is taken as it is meant.
    pub fn read(input: &[u8]) -> Result<Option<Header>, Unreadable> {
        let Some((&[first, second], rest)) = input.split_first_chunk() else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(Unreadable::Protocol("a reserved bit is set; no extension was agreed on"));
        }
        let Some(opcode) = Opcode::from_number(first & 0x0f) else {
            return Err(Unreadable::Protocol("the frame's opcode is unknown"));
        };
        if second & MASKED == 0 {
            return Err(Unreadable::Protocol("a client's frame is not masked"));
        }
        let fin = first & FIN != 0;
        let short_size = second & !MASKED;
        if opcode.is_control() && !fin {
            return Err(Unreadable::Protocol("a control frame is fragmented"));
        }
        if opcode.is_control() && usize::from(short_size) > CONTROL_BYTES_MAX {
            return Err(Unreadable::Protocol("a control frame is over 125 bytes"));
        }
        let Some((size, rest)) = read_size(short_size, rest) else { return Ok(None) };
        if size >> 63 != 0 {
            return Err(Unreadable::Protocol("the size of a frame has its topmost bit set"));
        }
        let payload_bytes = usize::try_from(size).map_err(|_| Unreadable::TooBig)?;
        let Some((&mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
        Ok(Some(Header { fin, opcode, mask, bytes: input.len() - rest.len(), payload_bytes }))
    }

    /// Of header and payload.
    pub const fn frame_bytes(&self) -> usize {
        self.bytes.saturating_add(self.payload_bytes)
    }
}

/// The payload's size, and what follows it.
fn read_size(short_size: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    match short_size {
        SIZE_IN_TWO_BYTES => rest.split_first_chunk().map(|(size, rest)| (u16::from_be_bytes(*size).into(), rest)),
        SIZE_IN_EIGHT_BYTES => rest.split_first_chunk().map(|(size, rest)| (u64::from_be_bytes(*size), rest)),
        size => Some((size.into(), rest)),
    }
}
