//! Tenants at run time, as an operator and the classes see them: `downbeat serve` processes, alone with SQLite, and two
//! on a real Redis and PostgreSQL of their own.

#[path = "../postgres_support/mod.rs"]
mod postgres_support;
#[path = "../redis_support/mod.rs"]
mod redis_support;

mod alone;
mod classes;
mod cluster;
mod gate;
mod node;
mod pupil;
