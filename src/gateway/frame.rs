//! A frame that is ready for the wire: encoded once, shared by everybody who gets it.

use axum::body::Bytes;

use crate::protocol::websocket::{encode_binary, encode_text};

/// A message as a WebSocket frame; long poll takes the text out of it again.
#[derive(Clone, Debug)]
pub struct Frame {
    wire: Bytes,
    header_len: usize,
}

impl Frame {
    pub fn text(payload: &str) -> Self {
        let wire = encode_text(payload);
        Self { header_len: wire.len() - payload.len(), wire }
    }

    /// Octets, for WebSockets alone: long poll has no way to carry them to a client.
    pub fn binary(payload: &[u8]) -> Self {
        let wire = encode_binary(payload);
        Self { header_len: wire.len(), wire }
    }

    /// What a WebSocket carries.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    pub fn wire_len(&self) -> usize {
        self.wire.len()
    }

    /// The text that was put in; empty where none was.
    pub fn as_text(&self) -> &str {
        // It went in as text.
        std::str::from_utf8(self.wire.get(self.header_len..).unwrap_or_default()).unwrap_or_default()
    }

    /// A control frame, already encoded.
    pub fn control(wire: Bytes) -> Self {
        Self { header_len: wire.len(), wire }
    }
}
