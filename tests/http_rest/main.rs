//! REST as its callers see it: a `downbeat serve` process, or `downbeat dev`, over real connections.

mod broadcast;
mod edge;
mod people;
mod rooms;
mod server;
