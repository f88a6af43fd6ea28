use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    ears::{Heard, of},
    house::House,
};

/// What phoenix.js makes of a state and the diffs after it: who is there, with which connections.
#[derive(Debug, Default, PartialEq)]
pub struct Seen(BTreeMap<String, BTreeSet<String>>);

fn refs(presence: &Value) -> impl Iterator<Item = String> {
    let metas = presence["metas"].as_array().expect("metas");
    metas.iter().map(|meta| meta["phx_ref"].as_str().expect("a ref").to_owned())
}

fn people(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().expect("presences").iter()
}

impl Seen {
    pub fn of(state: &str) -> Self {
        let state: Value = serde_json::from_str(state).expect("JSON");
        Self(people(&state).map(|(id, presence)| (id.clone(), refs(presence).collect())).collect())
    }

    pub fn take_in(&mut self, diff: &Value) {
        for (id, presence) in people(&diff["joins"]) {
            self.0.entry(id.clone()).or_default().extend(refs(presence));
        }
        for (id, presence) in people(&diff["leaves"]) {
            let known = self.0.get_mut(id).expect("who leaves was there");
            for one in refs(presence) {
                assert!(known.remove(&one), "{id}'s connection {one} leaves and was not there");
            }
            if known.is_empty() {
                self.0.remove(id);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn arrivals_of_a_tenth_of_a_second_come_as_one_diff() {
    let house = House::new().await;
    let key = house.open_room().await;
    let _ray = house.join(&key, "ms-ray", 1).await;
    house.pass(100).await;
    house.heard();
    let mut guests = Vec::new();
    for connection in 2..32 {
        guests.push(house.join(&key, &format!("student-{connection}"), connection).await);
    }
    guests.remove(0).leave().await;
    house.pass(500).await;
    let heard = house.heard();
    let diffs: Vec<Value> = of(&heard, "presence_diff").map(Heard::payload).collect();
    assert_eq!(diffs.len(), 1);
    assert_eq!(people(&diffs[0]["joins"]).count(), 29, "who came and went in between is not told");
    assert_eq!(people(&diffs[0]["leaves"]).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_state_and_the_diffs_after_it_always_add_up_to_who_is_there() {
    let house = House::new().await;
    let key = house.open_room().await;
    let ray = house.join(&key, "ms-ray", 1).await;
    let mut seen = Seen::of(&ray.room.lock().roster.state_json());
    house.heard();
    let mut guests = Vec::new();
    // Five people with up to many devices each, coming and going at every pace of the sweep.
    for step in 0..200_u64 {
        let pick = step.wrapping_mul(2_654_435_761) >> 3;
        if pick % 5 < 3 || guests.is_empty() {
            guests.push(house.join(&key, &format!("student-{}", pick % 5), 100 + step).await);
        } else {
            let at = usize::try_from(pick).expect("64 bits") % guests.len();
            guests.swap_remove(at).leave().await;
        }
        if step == 77 {
            house.kill_conductor(&key).await;
        }
        if pick % 3 == 0 {
            house.pass(50).await;
        }
    }
    house.pass(2_000).await;
    let heard = house.heard();
    for diff in of(&heard, "presence_diff") {
        seen.take_in(&diff.payload());
    }
    let expected = guests.iter().chain([&ray]).map(|guest| format!("{:x}", guest.connection)).collect::<BTreeSet<_>>();
    assert_eq!(seen, Seen::of(&ray.room.lock().roster.state_json()));
    assert_eq!(seen.0.values().flatten().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(house.members(&key).await, seen.0.len());
}
