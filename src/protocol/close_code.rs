//! Why the server ends a socket, as the number and the words of its close frame.

/// Every reason for which the server closes a WebSocket.
///
/// Never 1000: phoenix.js up to 1.8.15 takes that for a wish to stay away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 1001, reconnect: an operator or the tenant ended this connection. What it may do next is
    /// decided when it comes back.
    ForcedDisconnect,
    /// 1002, reconnect: no heartbeat and nothing else was heard for the idle limit.
    Idle,
    /// 1007, reconnect: a text frame was not UTF-8.
    NotUtf8,
    /// 1009, reconnect: a frame was over the limit.
    FrameTooBig,
    /// 1011, reconnect: a frame could not be read.
    Malformed,
    /// 1012, reconnect: this node is draining, another one takes over.
    Drain,
    /// 1013, reconnect: the client read too slowly and its queue was full.
    SlowReader,
}

impl CloseCode {
    /// All of them, for metrics and documents.
    pub const ALL: [CloseCode; 7] = [
        CloseCode::ForcedDisconnect,
        CloseCode::Idle,
        CloseCode::NotUtf8,
        CloseCode::FrameTooBig,
        CloseCode::Malformed,
        CloseCode::Drain,
        CloseCode::SlowReader,
    ];

    /// The number on the wire (RFC 6455, section 7.4, and IANA's registry).
    pub const fn number(self) -> u16 {
        match self {
            CloseCode::ForcedDisconnect => 1001,
            CloseCode::Idle => 1002,
            CloseCode::NotUtf8 => 1007,
            CloseCode::FrameTooBig => 1009,
            CloseCode::Malformed => 1011,
            CloseCode::Drain => 1012,
            CloseCode::SlowReader => 1013,
        }
    }

    /// The words that go with it; under the 123 bytes that a close frame can carry.
    pub const fn reason(self) -> &'static str {
        match self {
            CloseCode::ForcedDisconnect => "disconnected by the server",
            CloseCode::Idle => "no heartbeat in time",
            CloseCode::NotUtf8 => "text frame is not UTF-8",
            CloseCode::FrameTooBig => "frame over the size limit",
            CloseCode::Malformed => "malformed frame",
            CloseCode::Drain => "the node is restarting",
            CloseCode::SlowReader => "read too slowly",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_contract() {
        let numbers = CloseCode::ALL.map(CloseCode::number);
        assert_eq!(numbers, [1001, 1002, 1007, 1009, 1011, 1012, 1013]);
    }

    #[test]
    fn every_reason_fits_a_close_frame() {
        for code in CloseCode::ALL {
            assert!((1..=123).contains(&code.reason().len()), "{code:?}");
        }
    }
}
