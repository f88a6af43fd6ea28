//! Whom a topic speaks to, without knowing how: the gateway's hub implements this.

use std::sync::Arc;

use crate::protocol::{Broadcast, TopicKey};

/// The connections of one realtime topic on this node.
///
/// The topic calls it under its lock: whatever is sent is seen by all in the same order.
pub trait TopicAudience: Send + Sync {
    /// Sends a broadcast to all; the connection that it is `from` hears it only if it wants to hear itself.
    fn broadcast(&self, from: Option<u64>, broadcast: &Broadcast);

    /// Sends the payload of `presence_diff` to those who hear presence.
    fn presence_diff(&self, diff: &str);

    /// From now on this connection hears presence. If it did not, it gets `presence_state` first: `state` gives the payload.
    fn enable_presence(&self, connection: u64, state: &mut dyn FnMut() -> String);
}

/// Makes the audience of a topic when its first connection comes to this node.
pub trait TopicAudiences: Send + Sync {
    fn audience_of(&self, key: &TopicKey) -> Arc<dyn TopicAudience>;

    /// The last connection has gone.
    fn dismiss(&self, key: &TopicKey);
}
