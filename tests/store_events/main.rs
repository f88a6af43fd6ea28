//! What a tenant's stream of participation events promises, against real Redis servers.

#[path = "../redis_support/mod.rs"]
mod redis_support;

mod access;
mod consumers;
mod deployments;
mod limit;
mod settling;
mod support;
mod taking;
