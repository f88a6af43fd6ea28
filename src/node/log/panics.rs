//! Panics as lines of the log, so that a log in JSON is nothing else. Whoever catches one says what came of it.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic,
};

/// From now on every panic is one line, with its place; with RUST_BACKTRACE set the way to it too.
pub(super) fn log() {
    panic::set_hook(Box::new(|panic| {
        let cause = panic.payload_as_str().unwrap_or("unknown");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(backtrace));
        tracing::error!(panic.location = location, panic.cause = cause, panic.backtrace = backtrace, "panicked");
    }));
}
