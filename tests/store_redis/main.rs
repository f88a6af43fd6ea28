//! What the store on Redis promises beside the rules of every store, against real servers.

#[path = "../store_rules/samples.rs"]
#[allow(dead_code, reason = "the rules of every store use the rest")]
mod samples;

#[path = "../redis_support/mod.rs"]
mod redis_support;

mod access;
mod agreement;
mod cluster;
mod failover;
mod figures;
mod keyspace;
mod lost;
mod silence;
mod support;
mod tenants;
mod tls;
mod topics;
