//! A room whose sessions are asked for: it may have closed long ago.

use axum::extract::{Path, rejection::PathRejection};

use super::{
    caller::Caller,
    failure::{Failure, too_many_guesses},
    state::HttpState,
};
use crate::{
    participation::{SessionHead, SessionId},
    room::{RoomKey, TokenRole},
};

/// The code in the path, as far as the path could be decoded.
pub(super) type CodeInPath = Result<Path<String>, PathRejection>;

/// A path that cannot be decoded is no room's.
pub(super) fn code_in(code: CodeInPath) -> Result<String, Failure> {
    code.map(|Path(code)| code).map_err(|_| Failure::room_not_found())
}

/// The session of the room that lives under the code, if one does and its store answers.
pub(super) async fn live_session(http: &HttpState, key: &RoomKey) -> Option<SessionHead> {
    let standing = http.router.standing(key).await.ok()?;
    Some(SessionHead {
        session: SessionId::of(key, standing.opened_us),
        name: standing.name,
        teacher_id: Some(standing.teacher_id),
        opened_at_us: standing.opened_us,
        closed_at_us: None,
        last_event_at_us: http.clock.now_us(),
    })
}

/// Codes can be guessed: a student who tries many waits ever longer, as on sockets.
pub(super) async fn slowed<T>(http: &HttpState, caller: &Caller, outcome: Result<T, Failure>) -> Result<T, Failure> {
    if caller.role == TokenRole::Student {
        let known = !outcome.as_ref().is_err_and(|failure| *failure == Failure::room_not_found());
        let delay = (http.guess_delay)(caller.address, known).ok_or_else(too_many_guesses)?;
        tokio::time::sleep(delay).await;
    }
    outcome
}
