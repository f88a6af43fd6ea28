//! Real Redis servers of a test binary's own: one server, a primary with a replica and a Sentinel, a cluster of three.
//! Each listens on free ports of 127.0.0.1, keeps its files in a temporary folder, and is gone with the test's
//! process, even if that is killed.
//!
//! Other test binaries take it in with `#[path = "../redis_support/mod.rs"] mod redis_support;`.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod deployments;
mod process;

pub use deployments::{RedisCluster, SentinelSet};
pub use process::RedisServer;
