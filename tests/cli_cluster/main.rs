//! `downbeat nodes`, `rooms`, `room` and `tail`, as operators run them, against real Redis servers: with records that
//! a store has written, and with real nodes.

#[path = "../redis_support/mod.rs"]
mod redis_support;

mod access;
mod asking;
mod cluster;
mod errors;
mod living;
mod stored;
