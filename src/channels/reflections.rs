//! `submit_reflection`: what a student thinks of the lesson.

use futures_util::future::BoxFuture;
use serde_json::json;

use super::{Answer, Handled, MusicRoom};
use crate::{
    participation::{Outcome, Submission, Writer},
    protocol::Status,
};

/// Reflections of one connection: people write them.
const REFLECTIONS_PER_MINUTE: u32 = 10;
const MINUTE_US: i64 = 60_000_000;

impl MusicRoom {
    /// It is on its way before this returns, and only the answer waits: the next notes do not.
    pub(super) fn submit_reflection(&self, payload: &str) -> Handled {
        let (clock, recorder) = (&self.services.clock, &self.services.recorder);
        let opened_us = self.room.lock().room.controls.created_at_us;
        let writer = Writer { room: self.room.key(), opened_us, id: &self.student_id, role: self.role };
        let submission = match Submission::read(payload, writer, recorder, clock.now_us()) {
            Ok(submission) => submission,
            Err(refused) => return Handled::Now(Answer::error(&refused.to_string())),
        };
        if !self.reflections.admits(REFLECTIONS_PER_MINUTE, MINUTE_US, clock.boot_us()) {
            return Handled::Now(Answer::error("rate_limit_exceeded"));
        }
        let id = submission.reflection_id.clone();
        match submission.submit(recorder) {
            Ok(outcome) => Handled::Beside(answered(outcome, id)),
            Err(refused) => Handled::Now(Answer::error(&refused.to_string())),
        }
    }
}

/// The ok carries the reflection's id.
fn answered(outcome: Outcome, id: String) -> BoxFuture<'static, Answer> {
    Box::pin(async move {
        match outcome.known().await {
            Ok(()) => Answer::Reply { status: Status::Ok, response: json!({ "id": id }).to_string() },
            Err(unknown) => Answer::error(&unknown.to_string()),
        }
    })
}
