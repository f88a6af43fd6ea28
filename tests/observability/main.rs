//! What a running node tells those who run it: its log, and its traces.

#[path = "../redis_support/mod.rs"]
mod redis_support;

mod collector;
mod log;
mod metrics;
mod node;
mod traces;
