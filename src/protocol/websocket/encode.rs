//! The server's frames: never masked, never fragmented, header and payload in one allocation.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::header::{CONTROL_BYTES_MAX, FIN, Opcode, SIZE_IN_EIGHT_BYTES, SIZE_IN_TWO_BYTES};

/// A text message, ready for the wire.
pub fn encode_text(payload: &str) -> Bytes {
    frame(Opcode::Text, &[payload.as_bytes()])
}

/// A binary message, ready for the wire.
pub fn encode_binary(payload: &[u8]) -> Bytes {
    frame(Opcode::Binary, &[payload])
}

/// The answer to a ping with the same payload. At most 125 bytes of it are sent, and no ping has more.
pub fn encode_pong(payload: &[u8]) -> Bytes {
    frame(Opcode::Pong, &[&payload[..payload.len().min(CONTROL_BYTES_MAX)]])
}

/// The answer to a client's close frame: its own code again, or none where it had none or one that may not be sent
/// (RFC 6455, section 7.4).
pub fn encode_goodbye(code: Option<u16>) -> Bytes {
    let may_be_sent = |code: &u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    match code.filter(may_be_sent) {
        Some(code) => encode_close(code, ""),
        None => Bytes::from_static(&[0x88, 0]),
    }
}

/// The last frame of a socket. A reason over 123 bytes is cut after the last whole character within them.
pub fn encode_close(code: u16, reason: &str) -> Bytes {
    let code = code.to_be_bytes();
    let end = reason.floor_char_boundary(CONTROL_BYTES_MAX - code.len());
    frame(Opcode::Close, &[&code, &reason.as_bytes()[..end]])
}

fn frame(opcode: Opcode, parts: &[&[u8]]) -> Bytes {
    let payload_bytes: usize = parts.iter().map(|part| part.len()).sum();
    let mut frame = BytesMut::with_capacity(header_bytes(payload_bytes) + payload_bytes);
    frame.put_u8(FIN | opcode as u8);
    // Each cast is of a value that its range lets through unchanged.
    match payload_bytes {
        0..=125 => frame.put_u8(payload_bytes as u8),
        126..=0xffff => {
            frame.put_u8(SIZE_IN_TWO_BYTES);
            frame.put_u16(payload_bytes as u16);
        }
        _ => {
            frame.put_u8(SIZE_IN_EIGHT_BYTES);
            frame.put_u64(payload_bytes as u64);
        }
    }
    for part in parts {
        frame.put_slice(part);
    }
    frame.freeze()
}

const fn header_bytes(payload_bytes: usize) -> usize {
    match payload_bytes {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}
