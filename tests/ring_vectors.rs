//! The ring comes to the same answer on every build and machine, and moves no more rooms than it must.

use std::collections::BTreeMap;

use downbeat::{
    placement::{POINTS_PER_NODE, RING_VERSION, Ring},
    room::RoomKey,
};
use proptest::prelude::*;

fn room(tenant: &str, number: u32) -> RoomKey {
    let code = if number < 10_000 { format!("MUSIC-{number:04}") } else { format!("MUSIC-{number:06}") };
    RoomKey { tenant: tenant.into(), code: code.parse().expect("the test's code is well formed") }
}

fn nodes(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("downbeat-{n}")).collect()
}

/// Whoever must change these must raise `RING_VERSION`.
#[test]
fn the_ring_answers_as_it_always_did() {
    assert_eq!((RING_VERSION, POINTS_PER_NODE), (1, 256));
    let ring = Ring::new(nodes(5), POINTS_PER_NODE);
    let vectors: [(&str, u32, &str); 8] = [
        ("acme", 1234, "03214"),
        ("acme", 1235, "23041"),
        ("acme", 123_456, "03214"),
        ("", 0, "01243"),
        ("demo", 0, "20431"),
        ("demo", 9999, "14320"),
        ("école-n°5", 42, "02431"),
        ("acme:music_room", 1234, "02341"),
    ];
    for (tenant, number, expected) in vectors {
        let order: Vec<_> = ring.candidates(&room(tenant, number)).map(|node| &node["downbeat-".len()..]).collect();
        assert_eq!(order.concat(), expected, "{tenant} {number}");
    }
}

#[test]
fn eight_nodes_are_balanced_to_within_fifteen_hundredths() {
    let ring = Ring::new(nodes(8), POINTS_PER_NODE);
    let mut rooms: BTreeMap<&str, u32> = BTreeMap::new();
    let keys: Vec<_> = (0..80_000).map(|n| room("acme", n)).collect();
    for key in &keys {
        *rooms.entry(ring.owner(key).expect("there are nodes")).or_default() += 1;
    }
    let most = *rooms.values().max().expect("there are nodes");
    let least = *rooms.values().min().expect("there are nodes");
    assert!(rooms.len() == 8 && most <= 11_500 && least >= 8_500, "{rooms:?}");
}

#[test]
fn an_empty_ring_has_no_owner_and_a_point_is_the_least() {
    assert_eq!(Ring::new(Vec::<String>::new(), POINTS_PER_NODE).owner(&room("acme", 1)), None);
    assert_eq!(Ring::new(["only"], 0).owner(&room("acme", 1)), Some("only"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_node_that_leaves_moves_its_own_rooms_alone_to_their_next_candidates(count in 2_usize..9, leaver in any::<prop::sample::Index>(), tenant in "[a-z:]{1,8}") {
        let all = nodes(count);
        let leaver = leaver.get(&all).clone();
        let rest: Vec<_> = all.iter().filter(|node| **node != leaver).cloned().collect();
        let (before, after) = (Ring::new(all, 64), Ring::new(rest, 64));
        for number in 0..200 {
            let key = room(&tenant, number);
            let expected: Vec<_> = before.candidates(&key).filter(|node| *node != leaver).collect();
            prop_assert_eq!(after.candidates(&key).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn the_order_and_repetition_of_the_nodes_change_nothing(mut names in prop::collection::vec("[a-z]{1,4}", 1..8), number in 0_u32..10_000) {
        let ring = Ring::new(names.clone(), 16);
        names.reverse();
        names.push(names[0].clone());
        let other = Ring::new(names, 16);
        let key = room("acme", number);
        let order: Vec<_> = ring.candidates(&key).collect();
        prop_assert_eq!(&order, &other.candidates(&key).collect::<Vec<_>>());
        let mut distinct = order.clone();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), order.len());
    }
}
