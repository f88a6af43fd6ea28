//! What one address may do to a node: how fast it opens sockets, how many it holds, how many connections it keeps busy
//! with HTTP. A school is one address, so these limits stop floods, not classes.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;

use super::proxies::{Client, counted};
use crate::rate::Rate;

const SECOND_US: i64 = 1_000_000;
/// Addresses remembered at once. Those that hold nothing are forgotten as soon as they may have their whole burst again.
const ADDRESSES_MAX: usize = 65_536;
/// A browser that loads the page opens six connections for each that stays.
const CONNECTIONS_PER_SOCKET: u32 = 4;

/// What an address may do; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressLimits {
    /// Handshakes a second, in the long run.
    pub handshakes_per_s: u32,
    /// Handshakes at once: a school whose lessons begin with the bell.
    pub handshake_burst: u32,
    /// Open sockets and long-poll sessions.
    pub sockets: u32,
}

impl AddressLimits {
    /// For several schools' worth of children behind one address; `docs/decisions.md` says how these were chosen.
    pub const DEFAULT: Self = Self { handshakes_per_s: 100, handshake_burst: 500, sockets: 2_000 };

    fn is_rate_limited(&self) -> bool {
        self.handshakes_per_s > 0 && self.handshake_burst > 0
    }

    /// How long a whole burst takes at the steady rate.
    fn burst_us(&self) -> i64 {
        i64::from(self.handshake_burst) * SECOND_US / i64::from(self.handshakes_per_s.max(1))
    }
}

/// Why an address gets no socket now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMany {
    /// It opens them faster than it may.
    Handshakes,
    /// It holds as many as it may.
    Sockets,
}

/// What every address does here.
#[derive(Debug)]
pub struct Addresses {
    limits: AddressLimits,
    known: Mutex<HashMap<IpAddr, Use>>,
    has_warned: AtomicBool,
}

/// What one address does.
#[derive(Debug, Default)]
struct Use {
    handshakes: Rate,
    /// Boot-time µs of the last handshake that was let through.
    last_us: i64,
    sockets: u32,
    connections: u32,
}

impl Use {
    fn is_idle(&self, boot_us: i64, burst_us: i64) -> bool {
        self.sockets == 0 && self.connections == 0 && boot_us - self.last_us >= burst_us
    }
}

/// What an address holds, given back when dropped. It holds nothing where nothing is counted.
#[derive(Debug)]
pub struct Held(Option<(Arc<Addresses>, IpAddr, Counter)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counter {
    Sockets,
    Connections,
}

impl Counter {
    fn of(self, used: &mut Use) -> &mut u32 {
        match self {
            Self::Sockets => &mut used.sockets,
            Self::Connections => &mut used.connections,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some((addresses, address, counter)) = self.0.take() else { return };
        if let Some(used) = addresses.known.lock().get_mut(&address) {
            let count = counter.of(used);
            *count = count.saturating_sub(1);
        }
    }
}

impl Addresses {
    pub fn new(limits: AddressLimits) -> Self {
        Self { limits, known: Mutex::default(), has_warned: AtomicBool::new(false) }
    }

    /// A handshake of this client, and the socket that comes of it. This machine's own are not counted: they are its
    /// owner's, or a proxy's that nobody named.
    ///
    /// # Errors
    /// It has too many, or too fast; only what was let through counts.
    pub fn open_socket(self: &Arc<Self>, client: &Client, boot_us: i64) -> Result<Held, TooMany> {
        if client.is_local {
            return Ok(Held(None));
        }
        let limits = self.limits;
        self.hold(client.counted(), boot_us, Counter::Sockets, |used| {
            if limits.sockets > 0 && used.sockets >= limits.sockets {
                return Err(TooMany::Sockets);
            }
            if limits.is_rate_limited() && !used.handshakes.admits(limits.handshake_burst, limits.burst_us(), boot_us) {
                return Err(TooMany::Handshakes);
            }
            used.last_us = boot_us;
            Ok(())
        })
        .inspect_err(|_| self.warn_of_a_proxy(client))
    }

    /// A connection that speaks HTTP, until it has become a socket or is closed. For the other end alone, whoever it is:
    /// trusted proxies hold connections for many, and are not asked.
    pub fn open_connection(self: &Arc<Self>, peer: IpAddr, boot_us: i64) -> Option<Held> {
        let limit = self.limits.sockets.saturating_mul(CONNECTIONS_PER_SOCKET);
        if limit == 0 || peer.to_canonical().is_loopback() {
            return Some(Held(None));
        }
        let has_room = |used: &mut Use| if used.connections < limit { Ok(()) } else { Err(()) };
        self.hold(counted(peer), boot_us, Counter::Connections, has_room).ok()
    }

    /// In how many seconds a refused client may try again.
    pub fn retry_after_s(&self, why: TooMany) -> u32 {
        match why {
            TooMany::Handshakes => 1,
            TooMany::Sockets => 30,
        }
    }

    fn hold<E>(
        self: &Arc<Self>,
        address: IpAddr,
        boot_us: i64,
        counter: Counter,
        admits: impl FnOnce(&mut Use) -> Result<(), E>,
    ) -> Result<Held, E> {
        let mut known = self.known.lock();
        if known.len() >= ADDRESSES_MAX && !known.contains_key(&address) {
            let burst_us = self.limits.burst_us();
            known.retain(|_, used| !used.is_idle(boot_us, burst_us));
            // Whoever comes from so many addresses is not stopped by a limit for each, and others must not suffer.
            if known.len() >= ADDRESSES_MAX {
                return Ok(Held(None));
            }
        }
        let used = known.entry(address).or_default();
        admits(used)?;
        *counter.of(used) += 1;
        Ok(Held(Some((Arc::clone(self), address, counter))))
    }

    /// Once: a proxy that nobody named makes one address of all its clients.
    fn warn_of_a_proxy(&self, client: &Client) {
        if client.is_forwarded_by_a_stranger && !self.has_warned.swap(true, Ordering::Relaxed) {
            // Without its address: it may be somebody's who only pretends to be one.
            tracing::warn!(
                "a proxy's clients are refused because all of them count as one address: name its network in trusted_proxies"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AddressLimits = AddressLimits { handshakes_per_s: 10, handshake_burst: 50, sockets: 60 };

    fn client(text: &str) -> Client {
        Client::direct(text.parse().expect("an address"))
    }

    fn addresses(limits: AddressLimits) -> Arc<Addresses> {
        Arc::new(Addresses::new(limits))
    }

    #[test]
    fn a_burst_is_let_in_then_the_steady_rate_and_another_address_is_not_touched() {
        let addresses = addresses(LIMITS);
        let school = client("192.0.2.1");
        let open = |boot_us| addresses.open_socket(&school, boot_us).map(drop);
        assert_eq!((0..80).filter(|_| open(0).is_ok()).count(), 50);
        assert_eq!(open(0), Err(TooMany::Handshakes));
        assert_eq!((0..80).filter(|_| open(SECOND_US).is_ok()).count(), 10);
        assert!(addresses.open_socket(&client("192.0.2.2"), 0).is_ok());
    }

    #[test]
    fn so_many_sockets_are_held_at_once_and_a_closed_one_makes_room() {
        let addresses = addresses(AddressLimits { handshakes_per_s: 0, ..LIMITS });
        let school = client("192.0.2.1");
        let mut held: Vec<_> = (0..60).map(|_| addresses.open_socket(&school, 0).expect("a place")).collect();
        assert_eq!(addresses.open_socket(&school, 0).map(drop), Err(TooMany::Sockets));
        held.pop();
        assert!(addresses.open_socket(&school, 0).is_ok());
    }

    #[test]
    fn the_addresses_of_one_subscriber_count_as_one() {
        let addresses = addresses(AddressLimits { handshakes_per_s: 0, sockets: 1, ..LIMITS });
        let _held = addresses.open_socket(&client("2001:db8:0:1::1"), 0).expect("a place");
        assert!(addresses.open_socket(&client("2001:db8:0:1:ffff::2"), 0).is_err());
        assert!(addresses.open_socket(&client("2001:db8:0:2::1"), 0).is_ok());
        let _held = addresses.open_socket(&client("::ffff:192.0.2.1"), 0).expect("a place");
        assert!(addresses.open_socket(&client("192.0.2.1"), 0).is_err(), "it is the same address");
        assert!(addresses.open_socket(&client("192.0.2.2"), 0).is_ok());
    }

    #[test]
    fn nothing_is_counted_where_there_is_no_limit_nor_of_this_machine() {
        let none = addresses(AddressLimits { handshakes_per_s: 0, handshake_burst: 0, sockets: 0 });
        let held: Vec<_> = (0..5_000).map(|_| none.open_socket(&client("192.0.2.1"), 0)).collect();
        assert!(held.iter().all(Result::is_ok));
        let few = addresses(AddressLimits { handshakes_per_s: 1, handshake_burst: 1, sockets: 1 });
        let held: Vec<_> = (0..10).map(|_| few.open_socket(&client("127.0.0.1"), 0)).collect();
        assert!(held.iter().all(Result::is_ok));
    }

    #[test]
    fn connections_are_counted_apart_from_sockets() {
        let addresses = addresses(AddressLimits { handshakes_per_s: 0, sockets: 2, ..LIMITS });
        let peer = "192.0.2.1".parse().expect("an address");
        let held: Vec<_> = (0..8).map(|_| addresses.open_connection(peer, 0).expect("a place")).collect();
        assert!(addresses.open_connection(peer, 0).is_none());
        assert!(addresses.open_socket(&client("192.0.2.1"), 0).is_ok());
        drop(held);
        assert!(addresses.open_connection(peer, 0).is_some());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_who_holds_nothing() {
        let addresses = addresses(LIMITS);
        let many = |from: u32| (from..from + 70_000).map(|n| Client::direct(IpAddr::from(n.to_be_bytes())));
        for stranger in many(0x0a00_0000) {
            assert!(addresses.open_socket(&stranger, 0).is_ok());
        }
        assert_eq!(addresses.known.lock().len(), ADDRESSES_MAX);
        let later_us = LIMITS.burst_us();
        assert!(addresses.open_socket(&client("192.0.2.1"), later_us).is_ok());
        assert_eq!(addresses.known.lock().len(), 1, "nobody else held anything");
    }
}
