//! What the bus through Redis does when Redis fails it, on one server, with Sentinel and on a cluster.

mod burst;
mod cluster;
mod failures;
mod joining;
mod limits;
mod measured;
mod node;
mod sentinel;
mod separation;

#[path = "../redis_support/mod.rs"]
mod redis_support;
