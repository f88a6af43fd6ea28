//! A node's share of a limit that holds for all nodes together.
//!
//! Nodes tell each other once a second what was *asked* of them, refusals included. Shares in proportion to what is
//! asked settle within one round; shares in proportion to what was admitted would follow themselves, and swing.

/// What this node may admit per second of `limit`, when `own` events per second are asked of it and `others` of all
/// other nodes together: what the others leave or, where too much is asked, the part that is asked here. At least 1.
///
/// `max(limit − others, limit · own / (own + others))`. Where more than `limit` is asked in all, the shares of all
/// nodes add up to `limit`, but for those that are rounded up to 1; where less is asked, each node's share is at least
/// what is asked of it.
pub fn share(limit: u32, own: u64, others: u64) -> u32 {
    let limit = u64::from(limit);
    let left = limit.saturating_sub(others);
    let asked_here = own.saturating_mul(limit).checked_div(own.saturating_add(others)).unwrap_or_default();
    u32::try_from(left.max(asked_here).max(1)).unwrap_or(u32::MAX)
}

/// Whether one more may enter, where `own` are here and `others` on all other nodes.
pub fn has_place(max: u32, own: u64, others: u64) -> bool {
    own.saturating_add(others) < u64::from(max)
}

/// `count` events within `elapsed_us`, per second, rounded to the nearest.
pub fn per_second(count: u64, elapsed_us: i64) -> u64 {
    let elapsed_us = u64::try_from(elapsed_us).unwrap_or_default().max(1);
    (count.saturating_mul(1_000_000).saturating_add(elapsed_us / 2)) / elapsed_us
}
