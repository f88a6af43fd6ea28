//! The words in which messages are refused.

use crate::{channels::Answer, gateway::session::Refusal, protocol::topic::REALTIME};

/// A limit of the tenant that a message does not keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitHit {
    TooMany,
    TooLarge,
}

impl LimitHit {
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooMany => "Too many messages per second",
            Self::TooLarge => "payload_too_large",
        }
    }

    /// In the words of the topic's family of clients.
    pub fn answer(self, topic: &str) -> Answer {
        match self {
            Self::TooLarge if is_realtime(topic) => Answer::too_large(),
            _ => Answer::error(self.reason()),
        }
    }
}

/// A topic of Supabase's family of clients.
pub(super) fn is_realtime(topic: &str) -> bool {
    topic.starts_with(REALTIME)
}

/// The reason of a refusal, in the words of the topic's family of clients.
pub(super) fn words(topic: &str, refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::TooManyChannels if is_realtime(topic) => "ChannelRateLimitReached: Too many channels",
        _ => refusal.reason(),
    }
}
