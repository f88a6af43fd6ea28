//! Long poll without sticky sessions: what a session's numbers promise, and requests through any node.

mod delivery;
#[path = "../relay_support/mod.rs"]
mod relay_support;
mod remote;
mod session;
