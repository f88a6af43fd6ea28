//! A room's controls for scripts, which have no socket.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use serde_json::Value;

use super::{
    body::JsonText,
    caller::Teacher,
    failure::{Failure, FailureBody},
    state::HttpState,
};
use crate::room::Control;

/// Carry out a control.
///
/// The event and its payload are those of the room's channel, `set_tempo` with `{"bpm": 96, "at": "bar"}` for one.
/// The answer is the control's reply; it means that the change is stored.
#[utoipa::path(
    post, path = "/api/music/rooms/{code}/actions/{event}", operation_id = "actOnRoom", tag = "rooms", security(("token" = [])),
    params(
        ("code" = String, Path, description = "The room's code", example = "MUSIC-1234"),
        ("event" = String, Path, description = "A control; an unknown one is answered with the list", example = "set_tempo"),
    ),
    request_body(content = Object, description = "The control's payload.", example = json!({"bpm": 96})),
    responses(
        (status = 200, description = "The control's reply", body = Object),
        (status = 404, description = "Room not found, or no such control", body = FailureBody),
        (status = 409, description = "The room refuses", body = FailureBody),
        (status = 422, description = "A field is wrong", body = FailureBody),
        (status = 503, description = "Nobody conducts the room at the moment: see Retry-After", body = FailureBody),
    )
)]
pub(super) async fn act(
    State(http): State<HttpState>,
    teacher: Teacher,
    path: Result<Path<(String, String)>, PathRejection>,
    JsonText(body): JsonText,
) -> Result<Json<Value>, Failure> {
    let Path((code, event)) = path.map_err(|_| Failure::room_not_found())?;
    let key = teacher.room(&code)?;
    let control = Control::parse(&event, &body)?.ok_or_else(unknown_event)?;
    Ok(Json(http.router.control(&key, teacher.actor(), control, None).await?))
}

fn unknown_event() -> Failure {
    let message = format!("no such control: the controls are {}", Control::EVENTS.join(", "));
    Failure::new(StatusCode::NOT_FOUND, "unknown_event", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_the_list_is_a_control() {
        for event in Control::EVENTS {
            let read = Control::parse(event, "{}");
            assert!(!matches!(read, Ok(None)), "{event} is no control");
        }
        assert_eq!(Control::parse("play_note", r#"{"midi": 60}"#), Ok(None));
    }
}
