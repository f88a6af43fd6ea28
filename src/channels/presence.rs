//! What a connection shows of itself in the room's presence: what it tracks over the bridge, or its clock.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Answer, Handled, MusicRoom};
use crate::{conductor::ControlRefused, room::ClockReport};

/// `clock_report`s of one connection: everybody hears of each.
const REPORTS_PER_SECOND: u32 = 1;
const SECOND_US: i64 = 1_000_000;

impl MusicRoom {
    /// How well the client knows the clock, for its teacher to see.
    pub(super) fn clock_report(&self, payload: &str) -> Handled {
        let report = match ClockReport::parse(payload) {
            Ok(report) => report,
            Err(bad) => return Handled::Now(Answer::error(&bad.to_string())),
        };
        if !self.reports.admits(REPORTS_PER_SECOND, SECOND_US, self.services.clock.boot_us()) {
            return Handled::Now(Answer::error("rate_limit_exceeded"));
        }
        let shown = serde_json::json!({ "clock": report }).to_string();
        Handled::Later(self.show(Some(shown.into())))
    }

    /// Shows `fields`, the JSON text of an object, beside what the room says of the connection; None: that alone.
    pub(super) fn show(&self, fields: Option<Arc<str>>) -> BoxFuture<'static, Answer> {
        let (router, key) = (self.services.router.clone(), self.room.key().clone());
        let (student_id, connection) = (self.student_id.clone(), self.connection());
        Box::pin(async move {
            match router.track(&key, &student_id, connection, fields).await {
                Ok(()) => Answer::ok(),
                Err(ControlRefused::Refused(refusal)) => Answer::error(&refusal.to_string()),
                Err(refused) => Answer::error(&refused.to_string()),
            }
        })
    }
}
