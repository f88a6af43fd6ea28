//! The little of WebSocket and of V2 frames that a client needs, without a copy.

/// The mask of every frame sent. A real client draws one for each; the server's work is the same.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One frame of a server.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerFrame<'a> {
    pub opcode: u8,
    pub payload: &'a [u8],
    /// Header and payload together.
    pub len: usize,
}

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The first whole frame in `bytes`; None when more bytes are needed.
pub fn server_frame(bytes: &[u8]) -> Option<ServerFrame<'_>> {
    let opcode = bytes.first()? & 0x0f;
    let (header, size) = match bytes.get(1)? & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(array(bytes.get(2..4)?)?))),
        127 => (10, u64::from_be_bytes(array(bytes.get(2..10)?)?)),
        size => (2, u64::from(size)),
    };
    let len = header + usize::try_from(size).ok()?;
    let payload = bytes.get(header..len)?;
    Some(ServerFrame { opcode, payload, len })
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

/// Appends a masked frame of a client.
pub fn push_client_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match u16::try_from(payload.len()) {
        Ok(size @ 0..=125) => out.push(0x80 | size as u8),
        Ok(size) => {
            out.push(0x80 | 126);
            out.extend(size.to_be_bytes());
        }
        Err(_) => {
            out.push(0x80 | 127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
}

/// Appends an unmasked frame, as servers send them.
pub fn push_server_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    if payload.len() < 126 {
        out.push(payload.len() as u8);
    } else {
        out.push(126);
        out.extend((payload.len() as u16).to_be_bytes());
    }
    out.extend(payload);
}

/// The event and the payload of a V2 text frame `[join_ref,ref,"topic","event",payload]`.
///
/// Relies on what this generator itself sends: refs without commas, topics and events without escapes.
pub fn event_of(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut commas = text.iter().enumerate().filter(|(_, byte)| **byte == b',');
    let _join_ref = commas.next()?;
    let (second, _) = commas.next()?;
    let mut rest = text.get(second + 2..)?;
    let topic_end = rest.iter().position(|byte| *byte == b'"')?;
    rest = rest.get(topic_end + 3..)?;
    let event_end = rest.iter().position(|byte| *byte == b'"')?;
    Some((rest.get(..event_end)?, rest.get(event_end + 2..)?))
}

/// The number after `key`, which is given with its quotes and colon: `"midi":`.
pub fn number_after(payload: &[u8], key: &[u8]) -> Option<f64> {
    let rest = after(payload, key)?;
    let end = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'))?;
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

/// The digits after `key` as a number: quicker than [`number_after`].
pub fn integer_after(payload: &[u8], key: &[u8]) -> Option<usize> {
    let digits = after(payload, key)?.iter().take_while(|byte| byte.is_ascii_digit());
    let mut value = None;
    for digit in digits {
        value = Some(value.unwrap_or(0) * 10 + usize::from(digit - b'0'));
    }
    value
}

/// What follows the first `key` in `payload`.
pub fn after<'a>(payload: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = payload.windows(key.len()).position(|window| window == key)?;
    payload.get(at + key.len()..)
}
