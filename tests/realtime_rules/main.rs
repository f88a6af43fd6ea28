//! What realtime topics promise, over several nodes: on a fake clock, with a bus that loses and delays and a store that
//! fails when it is told to.

#[path = "../conductor_rules/faulty_store.rs"]
#[allow(dead_code, reason = "here nobody writes rooms")]
mod faulty_store;
#[allow(dead_code, unused_imports, reason = "the simulation needs the rest")]
mod town;

mod broadcasts;
mod faults;
mod limits;
mod presences;
mod replay;
