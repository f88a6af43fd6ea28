//! Topics `realtime:*`: broadcasts and presences among whoever joins, as Supabase's clients speak them.

mod post;

pub use post::{Post, PostRefused};

/// This node's realtime topics.
pub struct Realtime {}
