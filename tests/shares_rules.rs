//! Limits that count over all nodes: the arithmetic of shares, and nodes that tell each other what is asked of them.

use std::sync::Arc;

use downbeat::{
    gateway::{
        UserPlace, Uses,
        shares::{has_place, per_second, share},
    },
    relay::{Body, Envelope, Usage},
};
use proptest::prelude::*;

const SECOND_US: i64 = 1_000_000;
const MILLI_US: i64 = 1_000;

/// The demand on every node but this one.
fn others(demands: &[u64], of: usize) -> u64 {
    demands.iter().enumerate().filter(|(at, _)| *at != of).map(|(_, demand)| demand).sum()
}

proptest! {
    #[test]
    fn shares_add_up_to_the_limit_where_more_is_asked(
        limit in 1_u32..100_000,
        demands in prop::collection::vec(0_u64..1_000_000, 1..9),
    ) {
        let all: u64 = demands.iter().sum();
        prop_assume!(all > u64::from(limit));
        let shares = demands.iter().enumerate().map(|(at, own)| u64::from(share(limit, *own, others(&demands, at))));
        let (total, nodes) = (shares.sum::<u64>(), demands.len() as u64);
        prop_assert!(total <= u64::from(limit) + nodes, "{total}");
        prop_assert!(total + nodes >= u64::from(limit), "{total}");
    }

    #[test]
    fn nobody_is_held_back_where_less_is_asked(
        limit in 1_u32..100_000,
        demands in prop::collection::vec(0_u64..10_000, 1..9),
    ) {
        prop_assume!(demands.iter().sum::<u64>() <= u64::from(limit));
        for (at, own) in demands.iter().enumerate() {
            prop_assert!(u64::from(share(limit, *own, others(&demands, at))) >= *own);
        }
    }

    #[test]
    fn a_share_is_between_one_and_the_limit_and_falls_as_others_ask_for_more(
        limit in 1_u32..=u32::MAX, own in any::<u64>(), a in any::<u64>(), b in any::<u64>(),
    ) {
        let (less, more) = (a.min(b), a.max(b));
        prop_assert!((1..=limit).contains(&share(limit, own, less)));
        prop_assert!(share(limit, own, more) <= share(limit, own, less));
    }
}

#[test]
fn a_node_that_is_alone_has_the_whole_limit() {
    for own in [0, 1, 100, u64::MAX] {
        assert_eq!(share(100, own, 0), 100);
    }
}

#[test]
fn a_place_is_free_while_all_nodes_together_have_fewer_than_the_limit() {
    assert!(has_place(3, 1, 1));
    assert!(!has_place(3, 2, 1));
    assert!(!has_place(3, 0, u64::MAX));
}

#[test]
fn a_count_is_turned_into_a_rate_whatever_the_time_between_two_reports() {
    assert_eq!(per_second(50, SECOND_US), 50);
    assert_eq!(per_second(50, 2 * SECOND_US), 25);
    assert_eq!(per_second(3, 2 * SECOND_US), 2);
    assert_eq!(per_second(7, 0), 7_000_000);
}

/// A tenant on several nodes that report once a second, each at its own moment.
struct Cluster {
    tenant: Arc<str>,
    nodes: Vec<Node>,
    now_us: i64,
}

struct Node {
    id: String,
    uses: Uses,
    place: Option<UserPlace>,
    /// When in each second it reports.
    phase_us: i64,
    is_alive: bool,
    /// What is asked of it per second; and its part of one event that is due.
    demand: i64,
    due: i64,
}

impl Cluster {
    fn new(phases_ms: &[i64]) -> Self {
        let tenant: Arc<str> = "acme".into();
        let node = |(at, phase_ms): (usize, &i64)| {
            let uses = Uses::default();
            let place = uses.enter(&tenant, 1_000, 0);
            let phase_us = phase_ms * MILLI_US;
            Node { id: format!("node{at}"), uses, place, phase_us, is_alive: true, demand: 0, due: 0 }
        };
        let nodes = phases_ms.iter().enumerate().map(node).collect();
        Self { tenant, nodes, now_us: 0 }
    }

    fn demand(&mut self, demands: &[i64]) {
        self.nodes.iter_mut().zip(demands).for_each(|(node, demand)| node.demand = *demand);
    }

    fn kill(&mut self, at: usize) {
        self.nodes[at].is_alive = false;
    }

    /// A second, in steps of a millisecond: how many joins all nodes together admit to keep to `limit`.
    fn second(&mut self, limit: u32) -> i64 {
        let mut admitted = 0;
        for _ in 0..1_000 {
            self.now_us += MILLI_US;
            self.report();
            for node in self.nodes.iter_mut().filter(|node| node.is_alive) {
                node.due += node.demand;
                let attempts = node.due / 1_000;
                node.due %= 1_000;
                let tenant_use = node.place.as_ref().expect("it has a user").tenant_use();
                admitted += (0..attempts).filter(|_| tenant_use.admits_join(limit, self.now_us)).count() as i64;
            }
        }
        admitted
    }

    fn report(&self) {
        let due = |node: &&Node| node.is_alive && (self.now_us - node.phase_us).rem_euclid(SECOND_US) == 0;
        for node in self.nodes.iter().filter(due) {
            let Some(usage) = node.uses.report(self.now_us) else { continue };
            for other in self.nodes.iter().filter(|other| other.id != node.id && other.is_alive) {
                other.uses.take_in(&node.id, &usage, self.now_us);
            }
        }
    }

    /// Whether a user more gets in at this node, without staying.
    fn lets_in(&self, at: usize, max: u32) -> bool {
        self.nodes[at].uses.enter(&self.tenant, max, self.now_us).is_some()
    }
}

#[test]
fn the_limit_is_kept_and_used_as_demand_moves_from_node_to_node_and_when_a_node_dies() {
    const LIMIT: u32 = 100;
    let mut cluster = Cluster::new(&[0, 330, 770]);
    for demands in [[300, 0, 0], [300, 300, 0], [50, 300, 900], [20, 20, 20], [0, 0, 200], [200, 150, 5], [90, 90, 90]]
    {
        cluster.demand(&demands);
        let enough = i64::from(LIMIT).min(demands.iter().sum());
        let admitted: Vec<i64> = (0..6).map(|_| cluster.second(LIMIT)).collect();
        assert!(admitted[1..].iter().all(|admitted| *admitted <= 125), "{demands:?}: {admitted:?}");
        assert!(admitted[2..].iter().all(|admitted| *admitted * 10 >= enough * 9), "{demands:?}: {admitted:?}");
    }
    cluster.kill(1);
    let admitted: Vec<i64> = (0..8).map(|_| cluster.second(LIMIT)).collect();
    assert!(admitted.iter().all(|admitted| *admitted <= 125), "{admitted:?}");
    assert!(admitted[4..].iter().all(|admitted| *admitted >= 90), "what the dead node had is free again: {admitted:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_asked_of_whom_the_nodes_together_keep_to_the_limit_as_one_would(
        phases_ms in prop::collection::vec(0_i64..1_000, 3),
        rounds in prop::collection::vec(prop::collection::vec(prop_oneof![0_i64..200, 0_i64..2_000], 3), 1..4),
    ) {
        const LIMIT: u32 = 200;
        let mut cluster = Cluster::new(&phases_ms);
        for demands in rounds {
            cluster.demand(&demands);
            let enough = i64::from(LIMIT).min(demands.iter().sum());
            let admitted: Vec<i64> = (0..8).map(|_| cluster.second(LIMIT)).collect();
            // As on a single node, what was saved up may come on top: once, for all nodes together.
            let total: i64 = admitted[2..].iter().sum();
            prop_assert!(total <= i64::from(LIMIT) * (6 + 1) + 18, "{:?}: {:?}", demands, admitted);
            prop_assert!(admitted[7] <= 250, "{:?}: {:?}", demands, admitted);
            prop_assert!(admitted[3..].iter().all(|one| *one * 10 >= enough * 9), "{:?}: {:?}", demands, admitted);
        }
    }
}

#[test]
fn users_count_on_all_nodes_and_those_of_a_killed_node_for_three_seconds_more_at_most() {
    let mut cluster = Cluster::new(&[0, 330, 770]);
    cluster.second(100);
    assert!(!cluster.lets_in(0, 3), "three nodes, a user each");
    assert!(cluster.lets_in(0, 4));
    cluster.kill(1);
    cluster.second(100);
    assert!(!cluster.lets_in(0, 3), "nobody knows yet that it is dead");
    cluster.second(100);
    cluster.second(100);
    assert!(cluster.lets_in(0, 3) && cluster.lets_in(2, 3));
    assert!(!cluster.lets_in(0, 2), "the living are still counted");
}

#[test]
fn users_who_leave_are_told_of_once_and_then_there_is_nothing_to_tell() {
    let cluster = Cluster::new(&[0, 0]);
    let [a, b] = [&cluster.nodes[0].uses, &cluster.nodes[1].uses];
    let guest = a.enter(&"guests".into(), 10, 0);
    let told = |usage: Option<Usage>, tenant: &str| -> Option<u64> {
        let all = usage.into_iter().flat_map(|usage| usage.tenants);
        all.filter(|usage| &*usage.tenant == tenant).map(|usage| usage.users).next()
    };
    assert_eq!(told(a.report(SECOND_US), "guests"), Some(1));
    drop(guest);
    let last = a.report(2 * SECOND_US);
    assert_eq!(told(last.clone(), "guests"), Some(0));
    assert_eq!(told(a.report(3 * SECOND_US), "guests"), None);
    b.take_in("a", &last.expect("a report"), 2 * SECOND_US);
    assert!(b.enter(&"guests".into(), 1, 2 * SECOND_US).is_some());
}

#[test]
fn the_users_of_a_node_that_leaves_are_not_in_their_own_way_on_another() {
    let (a, b) = (Uses::default(), Uses::default());
    let guests: Arc<str> = "guests".into();
    let _places: Vec<_> = (0..10).filter_map(|_| a.enter(&guests, 10, SECOND_US)).collect();
    b.take_in("a", &a.report(SECOND_US).expect("a report"), SECOND_US);
    assert!(b.enter(&guests, 10, SECOND_US).is_none());
    a.leave();
    b.take_in("a", &a.report(SECOND_US + 1).expect("a last report"), SECOND_US + 1);
    assert!(b.enter(&guests, 10, SECOND_US + 1).is_some(), "its sockets are open there still, and on their way here");
}

#[test]
fn an_idle_node_tells_nothing_and_tenants_do_not_share() {
    let uses = Uses::default();
    assert_eq!(uses.report(0), None);
    let word = |tenant: &str| Usage {
        tenants: vec![downbeat::relay::TenantUsage { tenant: tenant.into(), users: 9, joins: 900, events: 900 }],
    };
    uses.take_in("b", &word("other"), 0);
    let place = uses.enter(&"acme".into(), 1, 0).expect("a place of its own");
    assert_eq!((0..500).filter(|_| place.tenant_use().admits_join(100, 0)).count(), 100);
    uses.take_in("b", &word("third"), 0);
    let third = uses.enter(&"third".into(), 10, 0).expect("the tenth place");
    let few = (0..500).filter(|_| third.tenant_use().admits_event(100, 0)).count();
    assert_eq!(few, 1, "who comes new to a busy tenant begins with what the others leave");
    assert!(uses.enter(&"third".into(), 10, 0).is_none());
}

#[test]
fn a_report_is_bounded_and_names_the_busiest() {
    let uses = Uses::default();
    let names: Vec<Arc<str>> = (0..5_000).map(|n| format!("{n:064}").into()).collect();
    let mut places: Vec<_> = names.iter().map(|name| uses.enter(name, 10, 0)).collect();
    places.extend(names.iter().skip(4_000).map(|name| uses.enter(name, 10, 0)));
    let usage = uses.report(SECOND_US).expect("much to tell");
    assert_eq!(usage.tenants.len(), 4_096);
    assert_eq!(usage.tenants.iter().filter(|usage| usage.users == 2).count(), 1_000);
    let envelope = Envelope { origin: "a".into(), incarnation: u64::MAX, body: Body::Usage(usage) };
    assert!(envelope.encode().is_ok(), "it fits");
}
