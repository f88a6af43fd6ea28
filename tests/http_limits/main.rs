//! How long a connection may keep the server waiting, and how much it may send: raw sockets against the serving code, with
//! limits that are short enough to wait for.

mod serving;
mod slow;
