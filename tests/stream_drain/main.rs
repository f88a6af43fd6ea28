//! From the streams into a database: with real Redis servers, and a database of this test's own that fails as told.

#[path = "../redis_support/mod.rs"]
mod redis_support;
#[path = "../store_events/support.rs"]
#[allow(dead_code, reason = "the stream's own tests use the rest")]
mod support;

mod failures;
mod keeper;
mod rounds;
