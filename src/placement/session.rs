//! How long a node may act in its session, and when others may hold that session for dead.
//!
//! The two are told by different clocks that are never compared: the node's own boot-time clock, and the observer's.
//! A node trusts its session until the moment it *sent* the last renewal that succeeded, and [`Terms::trust_us`] more;
//! the store forgets the session, and an observer holds it for dead, only after [`Terms::death_us`], which is longer
//! and begins later. So whoever takes over a room finds its former conductor silent.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

/// The durations of a session, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// From one renewal to the next.
    pub renew_every_us: i64,
    /// How long a node trusts its session after it sent the renewal.
    pub trust_us: i64,
    /// How long others wait before they hold the session for dead.
    pub death_us: i64,
}

impl Terms {
    /// Renewed four times within its time to live, trusted for three quarters of it:
    /// 500 ms and 1.5 s of the usual 2 s.
    pub fn from_ttl_ms(ttl_ms: u32) -> Self {
        let ttl_us = i64::from(ttl_ms) * 1_000;
        Self { renew_every_us: ttl_us / 4, trust_us: ttl_us / 4 * 3, death_us: ttl_us }
    }
}

/// A renewal (or the opening) of a session on its way to the store. It remembers when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the answer must be counted from when this was made"]
pub struct Renewal {
    sent_at_us: i64,
}

impl Renewal {
    /// To be made right before the command is sent.
    pub fn sent(now_us: i64) -> Self {
        Self { sent_at_us: now_us }
    }
}

/// A node's trust in one of its sessions, to be asked at every publish and every write.
///
/// Once it has lapsed it stays so, whatever is answered later: the node must open a new session.
/// All times are microseconds of the node's boot-time clock.
#[derive(Debug)]
pub struct Session {
    incarnation: u64,
    trust_us: i64,
    /// [`LAPSED`] for good once it is past.
    trusted_until_us: AtomicI64,
}

/// Before every time.
const LAPSED: i64 = i64::MIN;

impl Session {
    /// The session that the store answered to `opening` with.
    pub fn opened(incarnation: u64, opening: Renewal, terms: Terms) -> Self {
        Self {
            incarnation,
            trust_us: terms.trust_us,
            trusted_until_us: AtomicI64::new(opening.sent_at_us.saturating_add(terms.trust_us)),
        }
    }

    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Whether the node may still act in this session. The first no ends it.
    pub fn is_trusted(&self, now_us: i64) -> bool {
        self.update(now_us, |until_us| until_us)
    }

    /// The store has renewed the session. False: too late, it has lapsed meanwhile.
    pub fn renewal_succeeded(&self, renewal: Renewal, now_us: i64) -> bool {
        let trusted_until_us = renewal.sent_at_us.saturating_add(self.trust_us);
        self.update(now_us, |until_us| until_us.max(trusted_until_us))
    }

    /// The store says that the session is gone, or the node gives it up.
    pub fn discard(&self) {
        self.trusted_until_us.store(LAPSED, Ordering::SeqCst);
    }

    /// Moves the end of trust, unless it is past: then for ever.
    fn update(&self, now_us: i64, extend: impl Fn(i64) -> i64) -> bool {
        let next = |until_us| {
            if now_us < until_us { extend(until_us) } else { LAPSED }
        };
        let mut until_us = self.trusted_until_us.load(Ordering::SeqCst);
        while next(until_us) != until_us {
            match self.trusted_until_us.compare_exchange_weak(
                until_us,
                next(until_us),
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return now_us < until_us,
                Err(current) => until_us = current,
            }
        }
        now_us < until_us
    }
}

/// What an observer makes of another node's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Alive,
    /// Its renewals have not moved for [`Terms::death_us`]. It is dead once the store has ended exactly this
    /// (incarnation, renewals); if the store refuses, it lives.
    Stalled {
        renewals: u64,
    },
    /// Its key is gone, or another incarnation is in its place: dead for ever.
    Dead,
    /// The last look at the sessions is older than the knowledge of this one: look again.
    Unknown,
}

/// One node's view of all sessions. All times are microseconds of the observer's own boot-time clock.
#[derive(Debug)]
pub struct Observer {
    death_us: i64,
    /// When the last look was asked for; none before the first.
    asked_at_us: Option<i64>,
    seen: BTreeMap<String, Sighting>,
}

#[derive(Clone, Copy, Debug)]
struct Sighting {
    incarnation: u64,
    renewals: u64,
    /// When it was first seen with this many renewals.
    moved_at_us: i64,
}

impl Observer {
    pub fn new(terms: Terms) -> Self {
        Self { death_us: terms.death_us, asked_at_us: None, seen: BTreeMap::new() }
    }

    /// Takes in a look at all sessions (node, incarnation, renewals) that was asked for at `asked_at_us`
    /// and answered at `now_us`. Looks must be taken in in the order in which they were asked for.
    pub fn observe<'a>(
        &mut self,
        asked_at_us: i64,
        now_us: i64,
        sessions: impl IntoIterator<Item = (&'a str, u64, u64)>,
    ) {
        let before = std::mem::take(&mut self.seen);
        for (node, incarnation, renewals) in sessions {
            let moved_at_us = before
                .get(node)
                .filter(|seen| (seen.incarnation, seen.renewals) == (incarnation, renewals))
                .map_or(now_us, |seen| seen.moved_at_us);
            let sighting = Sighting { incarnation, renewals, moved_at_us };
            self.seen.insert(node.to_owned(), sighting);
        }
        self.asked_at_us = Some(asked_at_us);
    }

    /// What the last look says of a session that the observer learnt of (from a room's record, say) at `learnt_at_us`.
    pub fn judge(&self, node: &str, incarnation: u64, learnt_at_us: i64) -> Judgement {
        let Some(asked_at_us) = self.asked_at_us.filter(|asked| *asked >= learnt_at_us) else {
            return Judgement::Unknown;
        };
        match self.seen.get(node) {
            Some(seen) if seen.incarnation == incarnation => {
                // Both ends on the safe side: from when the answer came to when the last look was asked for.
                if asked_at_us.saturating_sub(seen.moved_at_us) >= self.death_us {
                    Judgement::Stalled { renewals: seen.renewals }
                } else {
                    Judgement::Alive
                }
            }
            _ => Judgement::Dead,
        }
    }

    /// The ids of the nodes whose sessions stood in the last look and have not stalled: for the ring.
    pub fn live_nodes(&self) -> impl Iterator<Item = &str> {
        let asked_at_us = self.asked_at_us.unwrap_or(LAPSED);
        self.seen
            .iter()
            .filter(move |(_, seen)| asked_at_us.saturating_sub(seen.moved_at_us) < self.death_us)
            .map(|(node, _)| node.as_str())
    }
}
