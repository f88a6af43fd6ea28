//! The cluster's clock as its nodes see it: one time, that never steps, whatever becomes of Redis' clock.

mod hostile;
mod rules;
mod world;

use world::{Dice, HOUR, SECOND, Trouble, World};

const SEEDS: u64 = 40;
const MILLISECOND: i64 = 1_000;

/// Three to eight nodes within the first five seconds, on a network that takes a millisecond at most each way.
fn class(seed: u64) -> World {
    let mut world = World::new(seed, MILLISECOND);
    let mut dice = Dice::new(seed ^ 0xC1A5);
    for node in 0..dice.roll(3, 8) {
        world.start_node(if node == 0 { 0 } else { dice.roll(10_000, 5 * SECOND) }, node == 0);
    }
    world
}

/// Time after the trouble is what it would have been without, as closely as oscillators and samples allow.
fn one_time_that_went_on(mut world: World, until_us: i64, seed: u64) -> World {
    world.run_until(20 * SECOND);
    let ahead_us = world.nodes[0].cluster_us(20 * SECOND) - 20 * SECOND;
    world.run_until(until_us);
    for node in &world.nodes {
        assert!(node.set_at_us.is_some(), "seed {seed}: a node without a time");
        let gone_wrong_us = node.cluster_us(until_us) - until_us - ahead_us;
        assert!(gone_wrong_us.abs() <= 20_000, "seed {seed}: {gone_wrong_us} µs");
        let uncertainty_us = node.uncertainty_us(until_us);
        assert!(uncertainty_us <= 2 * MILLISECOND, "seed {seed}: uncertain by {uncertainty_us} µs");
    }
    assert!(world.widest_us <= MILLISECOND, "seed {seed}: {} µs apart", world.widest_us);
    world
}

#[test]
fn nodes_that_start_one_after_the_other_agree_on_one_time() {
    for seed in 0..SEEDS {
        let mut world = class(seed);
        world.start_node(40 * SECOND, false);
        let world = one_time_that_went_on(world, 60 * SECOND, seed);
        assert_eq!(world.wins, 1, "seed {seed}: the founder's");
        assert!(world.nodes[0].set_at_us < Some(SECOND / 100), "seed {seed}: a founder need not wait");
    }
}

#[test]
fn without_a_founder_the_first_node_waits_three_seconds_for_one_who_knows_the_time() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed, MILLISECOND);
        for at in 0..4 {
            world.start_node(at * 100_000, false);
        }
        world.run_until(2_990_000);
        assert!(world.nodes.iter().all(|node| node.set_at_us.is_none()));
        let world = one_time_that_went_on(world, 30 * SECOND, seed);
        assert_eq!(world.wins, 1, "seed {seed}: only one is the first");
    }
}

#[test]
fn time_goes_on_when_redis_is_replaced_by_a_server_whose_clock_is_an_hour_off() {
    for seed in 0..SEEDS {
        let mut world = class(seed);
        let clock_off_us = if seed % 2 == 0 { HOUR } else { -HOUR };
        world.trouble(30 * SECOND, Trouble::Replaced { clock_off_us });
        world.start_node(30 * SECOND + 50_000, false);
        world.start_node(50 * SECOND, false);
        let world = one_time_that_went_on(world, 70 * SECOND, seed);
        assert_eq!(world.wins, 2, "seed {seed}: the founder's and one for the new server");
    }
}

#[test]
fn time_goes_on_when_somebody_sets_redis_clock_by_an_hour() {
    for seed in 0..SEEDS {
        let mut world = class(seed);
        let by_us = if seed % 2 == 0 { HOUR } else { -HOUR };
        world.trouble(30 * SECOND, Trouble::Leap { by_us });
        world.start_node(50 * SECOND, false);
        let world = one_time_that_went_on(world, 70 * SECOND, seed);
        assert_eq!(world.wins, 2, "seed {seed}: the founder's and one correction");
    }
}

#[test]
fn a_server_clock_that_is_set_by_milliseconds_is_slewed_after_and_no_correction_oscillates() {
    for seed in 0..SEEDS {
        let mut world = class(seed);
        // Less than two milliseconds would drown in round trips, and nobody could report it.
        let by_us = Dice::new(seed).roll(2 * MILLISECOND, 25 * MILLISECOND);
        world.trouble(30 * SECOND, Trouble::Leap { by_us: if seed % 2 == 0 { by_us } else { -by_us } });
        // 25 ms at 500 ppm, less what the oscillators take of it.
        world.run_until(100 * SECOND);
        assert!(world.wins <= 2, "seed {seed}: {} corrections", world.wins - 1);
        for node in &world.nodes {
            assert!(node.uncertainty_us(100 * SECOND) <= 2 * MILLISECOND, "seed {seed}");
        }
    }
}

#[test]
fn a_minute_without_redis_stays_within_the_reported_uncertainty() {
    for seed in 0..SEEDS {
        let mut world = class(seed);
        world.trouble(30 * SECOND, Trouble::Away { for_us: 60 * SECOND });
        world.run_until(89 * SECOND);
        for node in &world.nodes {
            let uncertainty_us = node.uncertainty_us(89 * SECOND);
            assert!((5 * MILLISECOND..10 * MILLISECOND).contains(&uncertainty_us), "seed {seed}: {uncertainty_us} µs");
        }
        one_time_that_went_on(world, 120 * SECOND, seed);
    }
}

#[test]
fn after_a_failover_that_took_a_while_the_nodes_bring_their_time_to_the_new_server() {
    for seed in 0..SEEDS {
        let mut world = class(seed);
        world.trouble(30 * SECOND, Trouble::Replaced { clock_off_us: -HOUR });
        world.trouble(30 * SECOND, Trouble::Away { for_us: 15 * SECOND });
        let world = one_time_that_went_on(world, 80 * SECOND, seed);
        assert_eq!(world.wins, 2, "seed {seed}");
    }
}

#[test]
fn a_server_that_comes_back_with_an_offset_of_old_is_corrected_once() {
    for seed in 0..SEEDS {
        let mut world = class(seed);
        world.trouble(30 * SECOND, Trouble::Replaced { clock_off_us: HOUR });
        world.trouble(50 * SECOND, Trouble::Back { clock_leaps_us: 17 * SECOND });
        let world = one_time_that_went_on(world, 90 * SECOND, seed);
        assert_eq!(world.wins, 3, "seed {seed}");
    }
}

#[test]
fn an_emptied_redis_is_told_the_offset_that_was_in_force() {
    for seed in 0..SEEDS {
        let mut world = class(seed);
        world.trouble(30 * SECOND, Trouble::Emptied);
        let world = one_time_that_went_on(world, 60 * SECOND, seed);
        assert_eq!(world.wins, 2, "seed {seed}");
    }
}

#[test]
fn on_a_slow_network_nodes_agree_within_what_they_report_and_still_notice_a_leap() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed, 80 * MILLISECOND);
        for at in 0..5 {
            world.start_node(at * 700_000, at == 0);
        }
        world.trouble(40 * SECOND, Trouble::Leap { by_us: HOUR });
        world.run_until(120 * SECOND);
        assert_eq!(world.wins, 2, "seed {seed}");
        for node in &world.nodes {
            assert!(node.uncertainty_us(120 * SECOND) <= 100 * MILLISECOND, "seed {seed}");
        }
    }
}

#[test]
fn one_trouble_after_another_in_any_order_never_breaks_the_time() {
    for seed in 0..SEEDS {
        let mut world = class(seed);
        let mut dice = Dice::new(seed ^ 0x7120);
        for at in 2..8 {
            let sign = if dice.roll(0, 1) == 0 { 1 } else { -1 };
            let trouble = match dice.roll(0, 3) {
                0 => Trouble::Replaced { clock_off_us: sign * dice.roll(0, HOUR) },
                1 => Trouble::Leap { by_us: sign * dice.roll(SECOND, HOUR) },
                2 => Trouble::Away { for_us: dice.roll(0, 10 * SECOND) },
                _ => Trouble::Emptied,
            };
            world.trouble(at * 20 * SECOND + dice.roll(0, SECOND), trouble);
        }
        one_time_that_went_on(world, 180 * SECOND, seed);
    }
}
