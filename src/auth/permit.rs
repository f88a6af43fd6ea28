//! What a token may do on a private topic.

use super::Claims;

/// What somebody may do on one private topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    /// Join, hear broadcasts and see who is present.
    pub read: bool,
    /// Broadcast and be present.
    pub write: bool,
}

impl Permit {
    pub const NOTHING: Self = Self { read: false, write: false };
    pub const EVERYTHING: Self = Self { read: true, write: true };

    fn and_also(self, other: Self) -> Self {
        Self { read: self.read || other.read, write: self.write || other.write }
    }
}

impl Claims {
    /// What the token permits on the private topic `realtime:<sub_topic>` of its tenant.
    ///
    /// Everything under its own `sub`; elsewhere what the entries of its `topics` claim grant together. A token with
    /// a `room` claim is good for that room alone, and so for no private topic.
    pub fn permit(&self, sub_topic: &str) -> Permit {
        if self.room.is_some() {
            return Permit::NOTHING;
        }
        if self.sub.as_deref().is_some_and(|sub| is_under(sub, sub_topic)) {
            return Permit::EVERYTHING;
        }
        let covering = self.topics.iter().filter(|grant| grant.covers(sub_topic));
        covering.fold(Permit::NOTHING, |permit, grant| permit.and_also(Permit { read: grant.read, write: grant.write }))
    }
}

/// Whether the topic is `sub` itself or begins with it and a separator.
///
/// A `sub` that holds a separator has no topics of its own: `ada:x` would otherwise own what lies under `ada`.
fn is_under(sub: &str, sub_topic: &str) -> bool {
    let separators = [':', '/'];
    !sub.contains(separators)
        && sub_topic.strip_prefix(sub).is_some_and(|rest| rest.is_empty() || rest.starts_with(separators))
}
