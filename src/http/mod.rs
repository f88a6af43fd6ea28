//! REST, health, metrics, the OpenAPI document and the classroom page.
//!
//! The way of a request: the layers of `edge` and `cors`, the row of `routes` that fits it, there first the [`caller`]
//! (who asks, for which tenant), then the [`body`], then the handler. Whatever fails on the way is a [`failure`].

mod actions;
mod body;
mod broadcast;
mod caller;
mod cors;
mod counted;
mod dev_token;
mod docs_page;
mod document;
mod edge;
mod failure;
mod guests;
mod listen;
mod moment;
mod operator;
mod page;
mod personal;
mod policy;
mod probes;
mod query;
mod readiness;
mod recorded_room;
mod reflection_schema;
mod reflections;
mod report_schema;
mod reports;
mod rooms;
mod routes;
mod schema;
mod sessions;
mod state;
mod students;
mod tenant_schema;
mod tenants;

pub use listen::{Reception, serve};
pub use operator::OperatorGate;
pub use readiness::Readiness;
pub use routes::{metrics_router, router};
pub use state::{DevMode, EventLimit, GuessDelay, HttpState};
