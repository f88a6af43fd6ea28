//! The ring that says which node should conduct a room.
//!
//! All nodes must come to the same answer, on every build and every machine. So the hash is pinned: xxh3 (64 bits)
//! with a fixed seed, over bytes that are written out here and not by std's `Hash`, whose bytes nobody promises.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use consistent_hash::{Node, RingHash, StaticHashRing};
use xxhash_rust::xxh3::Xxh3;

use crate::room::RoomKey;

/// Points of a node on the ring: enough to balance eight nodes to within a tenth.
pub const POINTS_PER_NODE: u32 = 256;

/// Raised with every change of what is hashed: nodes of different versions must not share rooms.
pub const RING_VERSION: u32 = 1;

/// `downbeat` in ASCII.
const SEED: u64 = 0x646f_776e_6265_6174;

/// The nodes that may conduct rooms, in the order in which each room prefers them. Cheap to clone.
#[derive(Clone)]
pub struct Ring(Arc<StaticHashRing<'static, NodeName, (), PinnedHash>>);

impl Ring {
    /// A ring of these nodes' ids, each with `points` points (at least 1). An id that comes twice counts once.
    pub fn new<N: Into<Arc<str>>>(nodes: impl IntoIterator<Item = N>, points: u32) -> Self {
        let mut names: Vec<_> = nodes.into_iter().map(|node| NodeName(node.into())).collect();
        names.sort_unstable();
        names.dedup();
        let points = points.max(1) as usize;
        let nodes = names.into_iter().map(|name| Node::new(name).quantity(points));
        Self(Arc::new(StaticHashRing::new(PinnedHash, nodes)))
    }

    /// The node that should conduct this room, or none on an empty ring.
    pub fn owner(&self, room: &RoomKey) -> Option<&str> {
        self.candidates(room).next()
    }

    /// All nodes, in the order in which they should conduct this room when those before them cannot.
    pub fn candidates(&self, room: &RoomKey) -> impl Iterator<Item = &str> {
        self.0.calc_candidates(&Room(room)).map(|node| &*node.key.0)
    }
}

/// Hashes by way of `Hasher::write` alone, whose input is the bytes that it is given.
struct PinnedHash;

impl RingHash for PinnedHash {
    fn hash_item<T: Hash>(&self, item: &T) -> u64 {
        let mut hasher = Xxh3::with_seed(SEED);
        item.hash(&mut hasher);
        hasher.digest()
    }

    fn hash_vnode<K: Hash>(&self, node: &K, point: usize) -> u64 {
        let mut hasher = Xxh3::with_seed(SEED);
        node.hash(&mut hasher);
        hasher.write(&(point as u64).to_le_bytes());
        hasher.digest()
    }
}

/// Writes a text's length as eight little-endian bytes, then its UTF-8.
fn write_text(text: &str, hasher: &mut impl Hasher) {
    hasher.write(&(text.len() as u64).to_le_bytes());
    hasher.write(text.as_bytes());
}

/// A node's id. Hashed as `n`, then the text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct NodeName(Arc<str>);

impl Hash for NodeName {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write(b"n");
        write_text(&self.0, hasher);
    }
}

/// A room. Hashed as `r`, then its tenant's and its code's text.
struct Room<'a>(&'a RoomKey);

impl Hash for Room<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write(b"r");
        write_text(&self.0.tenant, hasher);
        write_text(self.0.code.as_str(), hasher);
    }
}
