//! What every release has put on the wire and into stores, recorded byte by byte: a node of this release reads all of it,
//! and writes what the newest vectors say. So nodes of neighbouring releases can share a cluster, and data survives.
//!
//! `tests/vectors/releases/<release>/` is never changed once that release is out: see [`vectors`].

#[allow(dead_code, reason = "each rule uses its share")]
#[path = "../participation_journal/samples.rs"]
mod event_samples;
#[path = "../redis_support/mod.rs"]
mod redis_support;
#[allow(dead_code, reason = "each rule uses its share")]
#[path = "../relay_rules/samples.rs"]
mod relay_samples;
#[allow(dead_code, reason = "each rule uses its share")]
#[path = "../store_rules/samples.rs"]
mod store_samples;

mod embedded;
mod envelopes;
mod events;
mod in_redis;
mod vectors;
