//! Why a measurement could not be made.

use std::{io, path::PathBuf};

/// Ends the run: a figure that is not honest is not printed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    #[error("no server program at {}: build it with `cargo build --release`, or name it in DOWNBEAT_BIN", .0.display())]
    NoServer(PathBuf),
    #[error(
        "no redis-server in PATH: the figures of several nodes need one; install Redis 7.0 or newer, such as with \
         `apt install redis-server`, or name other scenarios"
    )]
    NoRedis,
    #[error("{doing}: {source}")]
    Redis { doing: &'static str, source: redis::RedisError },
    #[error("the server did not say that it listens; its last words were:\n{0}")]
    NotListening(String),
    #[error("the server answered {status} to {request}: {body}")]
    Http { request: String, status: u16, body: String },
    #[error("connection {member} was refused: {answer}")]
    Refused { member: usize, answer: String },
    #[error("connection {member} was closed by the server ({why}); is one of its limits too low?")]
    Closed { member: usize, why: String },
    #[error("{what} took longer than {seconds} s; the server may be overloaded")]
    TooSlow { what: String, seconds: u64 },
    #[error("{what} is not what the protocol says: {found}")]
    Protocol { what: &'static str, found: String },
    #[error("no token could be signed: {0}")]
    Token(String),
}

/// Says what was being done when the system refused.
pub trait Doing<T> {
    fn doing(self, doing: &str) -> Result<T, LoadError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &str) -> Result<T, LoadError> {
        self.map_err(|source| LoadError::Io { doing: doing.to_owned(), source: source.into() })
    }
}
