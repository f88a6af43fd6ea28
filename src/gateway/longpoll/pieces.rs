//! Bodies that are too long for one message between nodes, put together again.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// The most of a body that one message carries, in bytes.
pub const PIECE_BYTES_MAX: usize = 512 * 1024;
/// All that may be gathered at once, in bytes: of eight requests of the greatest size.
const GATHERED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// An unfinished body whose next piece does not come is dropped: its client has long been told so.
const UNFINISHED_MAX: Duration = Duration::from_secs(10);

/// A session and the number of a post to it.
pub type PostKey = (u64, u64);

/// How a piece fared.
#[derive(Debug, PartialEq, Eq)]
pub enum Gathered {
    /// The whole body.
    Whole(Vec<u8>),
    /// More has to come.
    Part,
    /// Too much is being gathered: try again.
    Full,
    /// What came before it is not here, or no longer.
    Unknown,
}

struct Unfinished {
    body: Vec<u8>,
    pieces: u16,
    touched: Instant,
}

/// The bodies of which some pieces are here.
#[derive(Default)]
pub struct Pieces {
    unfinished: HashMap<PostKey, Unfinished>,
    bytes: usize,
}

impl Pieces {
    /// Takes the piece with this index (from 0) of `pieces`. One that came before is passed over.
    pub fn add(&mut self, key: PostKey, piece: u16, pieces: u16, body: Vec<u8>, now: Instant) -> Gathered {
        if pieces <= 1 {
            return Gathered::Whole(body);
        }
        if !self.unfinished.contains_key(&key) {
            self.forget_old(now);
            if piece > 0 {
                return Gathered::Unknown;
            }
        }
        if self.bytes + body.len() > GATHERED_BYTES_MAX {
            return Gathered::Full;
        }
        let unfinished =
            self.unfinished.entry(key).or_insert_with(|| Unfinished { body: Vec::new(), pieces: 0, touched: now });
        unfinished.touched = now;
        if piece > unfinished.pieces {
            return Gathered::Unknown;
        }
        if piece == unfinished.pieces {
            self.bytes += body.len();
            unfinished.body.extend_from_slice(&body);
            unfinished.pieces += 1;
        }
        if unfinished.pieces < pieces {
            return Gathered::Part;
        }
        let whole = self.unfinished.remove(&key).map(|unfinished| unfinished.body).unwrap_or_default();
        self.bytes -= whole.len();
        Gathered::Whole(whole)
    }

    fn forget_old(&mut self, now: Instant) {
        self.unfinished.retain(|_, unfinished| {
            let stays = now.duration_since(unfinished.touched) < UNFINISHED_MAX;
            if !stays {
                self.bytes -= unfinished.body.len();
            }
            stays
        });
    }
}
