//! `submit_reflection`: what a student thinks of the lesson.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::{Answer, Handled, MusicRoom};
use crate::{
    participation::{Recorder, Submission, Writer},
    protocol::Status,
};

impl MusicRoom {
    pub(super) fn submit_reflection(&self, payload: &str) -> Handled {
        let (recorder, now_us) = (&self.services.recorder, self.services.clock.now_us());
        let opened_us = self.room.lock().room.controls.created_at_us;
        let writer = Writer { room: self.room.key(), opened_us, id: &self.student_id, role: self.role };
        match Submission::read(payload, writer, recorder, now_us) {
            Ok(submission) => Handled::Later(kept(submission, recorder.clone())),
            Err(refused) => Handled::Now(Answer::error(&refused.to_string())),
        }
    }
}

/// Keeps it; the ok carries its id.
fn kept(submission: Submission, recorder: Arc<Recorder>) -> BoxFuture<'static, Answer> {
    Box::pin(async move {
        let id = submission.reflection_id.clone();
        match submission.keep(&recorder).await {
            Ok(()) => Answer::Reply { status: Status::Ok, response: json!({ "id": id }).to_string() },
            Err(refused) => Answer::error(&refused.to_string()),
        }
    })
}
