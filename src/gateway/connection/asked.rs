//! Events whose answer is awaited: how long it took, how it ended, and the trace that it is.

use tracing::Span;

use crate::{
    channels::{Answer, Channel},
    protocol::Status,
    room::Control,
    telemetry::{Kind, Metrics, count},
    traces,
};

/// An event, and since when its answer is awaited.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub event: &'static str,
    pub since_us: i64,
}

impl Asked {
    /// Counts the answer, and how long it took.
    pub fn answered(self, metrics: &Metrics, answer: &Answer, boot_us: i64) {
        let took_us = boot_us.saturating_sub(self.since_us);
        metrics.event_seconds.get_or_create(&Kind { kind: self.event }).observe(took_us as f64 / 1e6);
        note_error(metrics, self.event, answer);
    }
}

/// Counts an answer that is an error.
pub(super) fn note_error(metrics: &Metrics, event: &'static str, answer: &Answer) {
    if is_error(answer) {
        count(&metrics.event_errors, event);
    }
}

/// What a control in a room is traced as, if anything is.
pub(super) fn trace_of(event: &'static str, channel: &Channel) -> Span {
    match channel {
        Channel::Room(room) if Control::EVENTS.contains(&event) => {
            let key = room.room().key();
            traces::of_control(event, &key.tenant, key.code.as_str())
        }
        _ => Span::none(),
    }
}

/// The last step of a trace: its answer's way out.
pub(super) fn trace_ack(trace: &Span, answer: &Answer) -> Span {
    trace.in_scope(|| {
        if is_error(answer) {
            traces::note_failure();
        }
        traces::step("ack")
    })
}

fn is_error(answer: &Answer) -> bool {
    matches!(answer, Answer::Crash | Answer::Reply { status: Status::Error, .. })
}
