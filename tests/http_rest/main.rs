//! REST as its callers see it: a `downbeat serve` process, or `downbeat dev`, over real connections.

mod addresses;
mod broadcast;
mod edge;
mod headers;
mod people;
mod rooms;
mod server;
