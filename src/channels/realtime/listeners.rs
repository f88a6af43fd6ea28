//! Whom a topic speaks to, without knowing how: the gateway's hub implements this.

use std::sync::Arc;

use crate::protocol::{Broadcast, TopicKey};

/// The connections of one realtime topic on this node.
///
/// The topic calls it under its lock: whatever is sent is seen by all in the same order.
pub trait TopicAudience: Send + Sync {
    /// Sends a broadcast to all but those who were `told` of it before; the connection that it is `from` hears it only
    /// if it wants to hear itself.
    fn broadcast(&self, from: Option<u64>, told: &[u64], broadcast: &Broadcast);

    /// Sends the payload of `presence_diff` to those who hear presence and have been told its state.
    fn presence_diff(&self, diff: &str);

    /// Sends `presence_state` to those who wait for it; `state` gives the payload. From then on they hear diffs.
    fn presence_state(&self, state: &mut dyn FnMut() -> String);

    /// From now on this connection hears presence; if it did not, it waits for the state.
    fn enable_presence(&self, connection: u64);
}

/// Makes the audience of a topic when its first connection comes to this node.
pub trait TopicAudiences: Send + Sync {
    fn audience_of(&self, key: &TopicKey) -> Arc<dyn TopicAudience>;

    /// The last connection has gone.
    fn dismiss(&self, key: &TopicKey);
}
