//! Guessing codes from one address: slowed down, never refused, because a school shares one address.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use parking_lot::Mutex;

/// Unknown codes a minute from one address that cost nothing.
const FREE: i64 = 60;
/// What each one beyond adds to the delay of every join from there.
const STEP_MS: i64 = 100;
const DELAY_MS_MAX: i64 = 5_000;
/// A level forgets one guess a second, so sixty a minute stay free for ever.
const LEAK_US: i64 = 1_000_000;
/// Addresses remembered at once; past it those are forgotten that guess least.
const ADDRESSES_MAX: usize = 50_000;

/// The unknown codes that came from each address.
#[derive(Debug, Default)]
pub struct Guesses {
    /// When the address' level will be back at zero, boot-time µs.
    empty_at_us: Mutex<HashMap<IpAddr, i64>>,
}

impl Guesses {
    /// How long a join from this address has to wait, whether its code is right or not.
    pub fn delay(&self, address: IpAddr, boot_us: i64) -> Duration {
        let over = self.level(address, boot_us) - FREE;
        Duration::from_millis((over * STEP_MS).clamp(0, DELAY_MS_MAX).unsigned_abs())
    }

    /// An unknown code has come from this address.
    pub fn note_unknown(&self, address: IpAddr, boot_us: i64) {
        let highest_us = boot_us + (FREE + DELAY_MS_MAX / STEP_MS) * LEAK_US;
        let mut addresses = self.empty_at_us.lock();
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&address) {
            let minute_us = FREE * LEAK_US;
            addresses.retain(|_, empty_at_us| *empty_at_us > boot_us + minute_us);
            if addresses.len() >= ADDRESSES_MAX {
                return;
            }
        }
        let empty_at_us = addresses.entry(address).or_insert(boot_us);
        *empty_at_us = ((*empty_at_us).max(boot_us) + LEAK_US).min(highest_us);
    }

    fn level(&self, address: IpAddr, boot_us: i64) -> i64 {
        let empty_at_us = self.empty_at_us.lock().get(&address).copied().unwrap_or(boot_us);
        (empty_at_us - boot_us).max(0) / LEAK_US
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
        assert_eq!(guesses.delay(SCHOOL, 0), Duration::ZERO);
        (0..10).for_each(|_| guesses.note_unknown(SCHOOL, 0));
        assert_eq!(guesses.delay(SCHOOL, 0), Duration::from_secs(1));
        (0..1_000).for_each(|_| guesses.note_unknown(SCHOOL, 0));
        assert_eq!(guesses.delay(SCHOOL, 0), Duration::from_secs(5));
    }

    #[test]
    fn an_address_that_stops_guessing_is_soon_as_fast_as_any() {
        let guesses = Guesses::default();
        (0..1_000).for_each(|_| guesses.note_unknown(SCHOOL, 0));
        assert_eq!(guesses.delay(SCHOOL, 50_000_000), Duration::ZERO);
    }

    #[test]
    fn other_addresses_do_not_wait() {
        let guesses = Guesses::default();
        (0..1_000).for_each(|_| guesses.note_unknown(SCHOOL, 0));
        assert_eq!(guesses.delay(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), 0), Duration::ZERO);
    }
}
