//! Downbeat: music classes played together over the web, in time.
//!
//! `docs/architecture.md` tells the way through the house. Each module imports only from those below it; `node` alone
//! sees everything. The order, from the top: `cli`, `node`, `http`, `tenancy`, `gateway`, `channels`, `conductor`, `placement`,
//! `participation`, `relay`, `store`, `redis_url`, `auth`, `protocol`, `room`, `tempo`, and at the bottom `time`, `rate`,
//! `telemetry` and `traces`.

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod auth;
pub mod channels;
pub mod cli;
pub mod conductor;
pub mod gateway;
pub mod http;
pub mod node;
pub mod participation;
pub mod placement;
pub mod protocol;
pub mod rate;
pub mod redis_url;
pub mod relay;
pub mod room;
pub mod store;
pub mod telemetry;
pub mod tempo;
pub mod tenancy;
pub mod time;
pub mod traces;
