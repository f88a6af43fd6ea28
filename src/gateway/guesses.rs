//! Guessing codes from one address: slowed down, because a school shares one address. Refused is only who asks for so much
//! at once that waiting would not slow it down.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use parking_lot::Mutex;

/// Unknown codes a minute from one address that cost nothing.
const FREE: i64 = 60;
/// What each one beyond adds to the delay of every join from there.
const STEP_MS: i64 = 100;
const DELAY_MS_MAX: i64 = 5_000;
/// A level forgets one guess a second, so sixty a minute stay free for ever.
const LEAK_US: i64 = 1_000_000;
/// Whoever has to wait is looked after one by one, so far apart: many connections at once guess no faster.
const TURN_US: i64 = 250_000;
/// How long a turn may be away; who comes then is refused.
const LINE_US: i64 = 10_000_000;
/// Addresses remembered at once; past it those are forgotten that guess least.
const ADDRESSES_MAX: usize = 50_000;

/// The unknown codes that came from each address.
#[derive(Debug, Default)]
pub struct Guesses {
    addresses: Mutex<HashMap<IpAddr, Guesser>>,
}

/// What is known of one address, in boot-time µs.
#[derive(Clone, Copy, Debug, Default)]
struct Guesser {
    /// When its level will be back at zero.
    empty_at_us: i64,
    /// The next turn that nobody waits for yet.
    next_turn_us: i64,
}

impl Guesser {
    fn over(&self, boot_us: i64) -> i64 {
        (self.empty_at_us - boot_us).max(0) / LEAK_US - FREE
    }
}

impl Guesses {
    /// How long a join from this address has to wait, whether its code is right or not; None: too many wait already.
    pub fn delay(&self, address: IpAddr, boot_us: i64) -> Option<Duration> {
        let mut addresses = self.addresses.lock();
        let Some(guesser) = addresses.get_mut(&address) else { return Some(Duration::ZERO) };
        let over = guesser.over(boot_us);
        if over <= 0 {
            return Some(Duration::ZERO);
        }
        let turn_us = guesser.next_turn_us.max(boot_us);
        if turn_us - boot_us > LINE_US {
            return None;
        }
        guesser.next_turn_us = turn_us + TURN_US;
        let delay_us = (over * STEP_MS).min(DELAY_MS_MAX) * 1_000;
        Some(Duration::from_micros(delay_us.max(turn_us - boot_us).unsigned_abs()))
    }

    /// An unknown code has come from this address.
    pub fn note_unknown(&self, address: IpAddr, boot_us: i64) {
        let highest_us = boot_us + (FREE + DELAY_MS_MAX / STEP_MS) * LEAK_US;
        let mut addresses = self.addresses.lock();
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&address) {
            let minute_us = FREE * LEAK_US;
            addresses.retain(|_, guesser| guesser.empty_at_us > boot_us + minute_us);
            if addresses.len() >= ADDRESSES_MAX {
                return;
            }
        }
        let guesser = addresses.entry(address).or_default();
        guesser.empty_at_us = (guesser.empty_at_us.max(boot_us) + LEAK_US).min(highest_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHOOL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn sixty_unknown_codes_a_minute_cost_nothing_and_more_cost_ever_more_up_to_five_seconds() {
        let guesses = Guesses::default();
        (0..60).for_each(|_| guesses.note_unknown(SCHOOL, 0));
        assert_eq!(guesses.delay(SCHOOL, 0), Some(Duration::ZERO));
        (0..10).for_each(|_| guesses.note_unknown(SCHOOL, 0));
        assert_eq!(guesses.delay(SCHOOL, 0), Some(Duration::from_secs(1)));
        (0..1_000).for_each(|_| guesses.note_unknown(SCHOOL, 0));
        assert_eq!(guesses.delay(SCHOOL, 0), Some(Duration::from_secs(5)));
    }

    #[test]
    fn an_address_that_stops_guessing_is_soon_as_fast_as_any() {
        let guesses = Guesses::default();
        (0..1_000).for_each(|_| guesses.note_unknown(SCHOOL, 0));
        assert_eq!(guesses.delay(SCHOOL, 50_000_000), Some(Duration::ZERO));
    }

    #[test]
    fn other_addresses_do_not_wait() {
        let guesses = Guesses::default();
        (0..1_000).for_each(|_| guesses.note_unknown(SCHOOL, 0));
        assert_eq!(guesses.delay(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), 0), Some(Duration::ZERO));
    }

    #[test]
    fn many_connections_at_once_guess_no_faster_than_four_a_second() {
        let guesses = Guesses::default();
        (0..1_000).for_each(|_| guesses.note_unknown(SCHOOL, 0));
        let waits: Vec<_> = (0..1_000).filter_map(|_| guesses.delay(SCHOOL, 0)).collect();
        assert_eq!(waits.len(), 41, "the line is ten seconds long");
        assert_eq!(waits.last(), Some(&Duration::from_secs(10)));
        let at_once = waits.iter().filter(|wait| **wait == Duration::from_secs(5)).count();
        assert_eq!(at_once, 21, "those of the first five seconds come together, once");
        assert_eq!((0..9).filter(|_| guesses.delay(SCHOOL, 1_000_000).is_some()).count(), 4);
    }
}
