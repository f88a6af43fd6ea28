//! Topics of Supabase's family of clients: what their name on the wire says.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// What the name of every such topic begins with on the wire.
pub const REALTIME: &str = "realtime:";

/// The longest name, prefix included, in UTF-8 bytes: what a binary frame can carry.
pub const REALTIME_BYTES_MAX: usize = 255;

/// A realtime topic's identity. Structured, so that nothing in a name can make two topics meet: not two tenants',
/// and not the public and the private topic of one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicKey {
    pub tenant: Arc<str>,
    /// Without [`REALTIME`]; never empty.
    pub name: Arc<str>,
    /// Who reads and writes it is decided by claims, and its last broadcasts are kept for replay.
    pub private: bool,
}

impl TopicKey {
    /// The topic as clients name it.
    pub fn on_the_wire(&self) -> String {
        format!("{REALTIME}{}", self.name)
    }
}

/// For people who read logs.
impl fmt::Display for TopicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.private { "private" } else { "public" };
        write!(f, "{}:{REALTIME}{} ({kind})", self.tenant, self.name)
    }
}
