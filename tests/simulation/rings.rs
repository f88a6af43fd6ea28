//! The ring's answer for every set of nodes: rings are costly to build and depend on nothing but the set.

use downbeat::{
    placement::{POINTS_PER_NODE, Ring},
    room::{Code, CodeLength, RoomKey},
};

use crate::kinds::{NAMES, NodeId};

/// The ring of each set of nodes, by the set's bits.
pub struct Rings(Vec<Ring>);

impl Rings {
    pub fn build() -> Self {
        let set = |bits: usize| (0..NAMES.len()).filter(move |node| bits & (1 << node) != 0).map(|node| NAMES[node]);
        Self((0..1 << NAMES.len()).map(|bits| Ring::new(set(bits), POINTS_PER_NODE)).collect())
    }

    /// Whom the ring names for the seed's room, by the set's bits.
    pub fn owners(&self, seed: u64) -> Vec<Option<NodeId>> {
        let code = Code::from_number((seed % 10_000) as u32, CodeLength::Four);
        let key = RoomKey { tenant: "acme".into(), code };
        let place = |name: &str| NAMES.iter().position(|known| *known == name);
        self.0.iter().map(|ring| ring.owner(&key).and_then(place)).collect()
    }
}
