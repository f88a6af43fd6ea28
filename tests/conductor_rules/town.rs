//! Several houses over one store and one bus, whose time passes together.

use std::{collections::BTreeMap, time::Duration};

use downbeat::{
    conductor::SWEEP_SLOTS,
    room::RoomKey,
    store::{MemberRecord, Store},
};
use serde_json::json;

use super::house::{Guest, House, STEP_MS, World};

/// Two neighbours that know each other.
pub struct Town {
    pub world: World,
    pub a: House,
    pub b: House,
}

/// Lets time pass for all of these houses; a frozen one sleeps through it.
pub async fn pass_all(houses: &[&House], ms: i64) {
    assert_eq!(ms % STEP_MS, 0, "time passes in steps of {STEP_MS} ms");
    let Some(one) = houses.first() else { return };
    let awake = || houses.iter().filter(|house| !house.is_frozen());
    for _ in 0..ms / STEP_MS {
        one.world.clock.advance(STEP_MS * 1_000);
        for house in awake() {
            house.renew().await;
        }
        if houses.iter().all(|house| house.ticks.get()) {
            tokio::time::advance(Duration::from_millis(STEP_MS.unsigned_abs())).await;
        }
        one.settle().await;
        awake().for_each(|house| house.beat());
        for house in awake() {
            (0..SWEEP_SLOTS).for_each(|turn| house.mirror.sweep(turn));
        }
        one.settle().await;
    }
}

impl Town {
    pub async fn new() -> Self {
        let world = World::default();
        let (a, b) = (House::on("a", world.clone()).await, House::on("b", world.clone()).await);
        pass_all(&[&a, &b], 600).await;
        Self { world, a, b }
    }

    pub async fn pass(&self, ms: i64) {
        pass_all(&[&self.a, &self.b], ms).await;
    }

    /// A room that a conducts, because the ring names it; ms-ray (1) and ada (2) are there, and bob (3) on b.
    pub async fn class(&self) -> (RoomKey, [Guest; 3]) {
        let key = self.room_of("a").await;
        let guests = [
            self.a.join(&key, "ms-ray", 1).await,
            self.a.join(&key, "ada", 2).await,
            self.b.join(&key, "bob", 3).await,
        ];
        self.pass(1_000).await;
        self.a.heard();
        self.b.heard();
        (key, guests)
    }

    /// A room that the ring gives to this node.
    pub async fn room_of(&self, owner: &str) -> RoomKey {
        loop {
            let key = self.a.open_room().await;
            self.a.settle().await;
            if self.a.record(&key).await.owner == owner {
                return key;
            }
            self.a.ask(&key, "close_room", json!({})).await.expect("closed");
        }
    }

    /// Both nodes' audiences of everything since the last call.
    pub fn quiet(&self) {
        self.a.heard();
        self.b.heard();
        self.a.relay.said();
        self.b.relay.said();
    }
}

/// A member's connections and hand, by student.
pub type People = BTreeMap<String, (String, Vec<u64>, bool)>;

/// Who is in the room as this guest's node knows it.
pub fn people(guest: &Guest) -> People {
    let state = guest.room.lock();
    let members = state.room.members.values();
    let row = |member: &downbeat::room::Member| {
        let connections = member.connections.iter().copied().collect();
        (member.student_id.clone(), (member.name.clone(), connections, member.hand))
    };
    members.map(row).collect()
}

/// Who is in the room as the store knows it.
pub async fn stored_people(house: &House, key: &RoomKey) -> People {
    let stored = house.store().inner().members(key).await.expect("it is in memory");
    let row = |member: MemberRecord| {
        let connections = member.connections.keys().copied().collect();
        (member.student_id, (member.name, connections, member.hand))
    };
    stored.members.into_iter().map(row).collect()
}

/// The counter of this name and label, as the metrics page says it; 0 where it is not there yet.
pub fn counted(house: &House, name: &str, kind: &str) -> u64 {
    let start = format!("{name}_total{{kind=\"{kind}\"}} ");
    let page = house.metrics.exposition();
    let line = page.lines().find_map(|line| Some(line.split_once(&start)?.1.to_owned()));
    line.map_or(0, |count| count.parse().expect("a number"))
}
