//! What a request gets that cannot be fulfilled: `{"error": {"code", "message", "field"?}}`.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::{AuthError, MintError},
    conductor::{ControlRefused, CreateRefused},
    participation::{DeskError, NotRecorded, SubmissionRefused},
    room::{BadField, Refusal},
};

/// When to come back after the room limit: rooms close by hand or after an empty hour, so soon is soon enough.
const ROOMS_RETRY_AFTER_S: u32 = 60;
/// When to come back while a room has no conductor or the store does not answer.
const CONDUCTOR_RETRY_AFTER_S: u32 = 1;
/// When to come back while the database does not answer: a restart takes it some seconds.
const DATABASE_RETRY_AFTER_S: u32 = 5;
/// When to come back after too many wrong codes: the line of those that wait is ten seconds long.
const GUESSES_RETRY_AFTER_S: u32 = 10;
/// When to come back while a school reads as much as it may: a session takes seconds at most.
const READING_RETRY_AFTER_S: u32 = 5;

/// A failed request: a status and code for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    pub status: StatusCode,
    /// In snake case.
    pub code: String,
    pub message: String,
    /// The field of the body, or the query value, that is wrong.
    pub field: Option<Cow<'static, str>>,
    pub retry_after_s: Option<u32>,
}

/// The body of every failure.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub(super) struct FailureBody {
    error: FailureDetail,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub(super) struct FailureDetail {
    /// For programs.
    #[schema(example = "invalid_field")]
    code: String,
    /// For people: what went wrong and what to do about it.
    #[schema(example = "BPM must be between 1 and 299")]
    message: String,
    /// The field of the body, or the query value, that is wrong; absent where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "bpm", nullable = false)]
    field: Option<Cow<'static, str>>,
}

impl Failure {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), field: None, retry_after_s: None }
    }

    /// A value that is missing or wrong.
    pub fn field(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", message);
        Self { field: Some(field.into()), ..failure }
    }

    /// For another tenant's rooms too: whoever asks must not learn that they exist.
    pub fn room_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "room_not_found", "Room not found")
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let detail = FailureDetail { code: self.code, message: self.message, field: self.field };
        let mut response = (self.status, Json(FailureBody { error: detail })).into_response();
        let headers = response.headers_mut();
        // It is of this moment and of this caller.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        Self::new(status, &snake_case(error.code()), error.to_string())
    }
}

impl From<BadField> for Failure {
    fn from(bad: BadField) -> Self {
        Self::field(bad.field, bad.message)
    }
}

impl From<MintError> for Failure {
    fn from(error: MintError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match error {
            MintError::NotPrintable { field } => Self::field(field, error.to_string()),
            MintError::GuestsOff { .. } => Self::new(status, "guests_off", error.to_string()),
            MintError::NoSecret { .. } => Self::new(status, "cannot_sign", error.to_string()),
            _ => Self::new(status, "not_signed", error.to_string()),
        }
    }
}

impl From<CreateRefused> for Failure {
    fn from(refused: CreateRefused) -> Self {
        let message = refused.to_string();
        match refused {
            CreateRefused::TooManyRooms { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_rooms", message).retry_after(ROOMS_RETRY_AFTER_S)
            }
            CreateRefused::Unavailable => unavailable(message),
        }
    }
}

impl From<ControlRefused> for Failure {
    fn from(refused: ControlRefused) -> Self {
        match refused {
            ControlRefused::NotFound => Self::room_not_found(),
            ControlRefused::Refused(refusal) => refusal.into(),
            ControlRefused::NoConductor => {
                let message = "no_conductor: nobody conducts the room at the moment, try again";
                let failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_conductor", message);
                failure.retry_after(CONDUCTOR_RETRY_AFTER_S)
            }
            ControlRefused::Unavailable => unavailable("the room's store does not answer: try again in a moment"),
        }
    }
}

/// The message is the very reason that a socket would get.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::RoomNotFound => Self::room_not_found(),
            Refusal::BadField(bad) => bad.into(),
            Refusal::Unauthorized => Self::forbidden(refusal.to_string()),
            Refusal::UnknownStudent => Self::field("student_id", refusal.to_string()),
            _ => Self::new(StatusCode::CONFLICT, "refused", refusal.to_string()),
        }
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        let message = error.to_string();
        match error {
            DeskError::Off => Self::new(StatusCode::CONFLICT, "participation_off", message),
            DeskError::NoSession => Self::room_not_found(),
            DeskError::NoReflection => Self::new(StatusCode::NOT_FOUND, "reflection_not_found", message),
            DeskError::Options(bad) => Self::field(bad.field(), message),
            DeskError::TooManySessions { .. } => Self::field("from", message),
            DeskError::TooManyAsks => too_many_requests(message, READING_RETRY_AFTER_S),
            DeskError::Unavailable => unavailable(message).retry_after(DATABASE_RETRY_AFTER_S),
            DeskError::Damaged => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message),
        }
    }
}

impl From<NotRecorded> for Failure {
    fn from(refused: NotRecorded) -> Self {
        match refused {
            NotRecorded::Off => DeskError::Off.into(),
            NotRecorded::Lost | NotRecorded::Unknown => unavailable(refused.to_string()),
        }
    }
}

impl From<SubmissionRefused> for Failure {
    fn from(refused: SubmissionRefused) -> Self {
        match refused {
            SubmissionRefused::BadField(bad) => bad.into(),
            SubmissionRefused::Unauthorized => Self::forbidden("a student writes reflections of their own alone"),
        }
    }
}

pub(super) fn unavailable(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).retry_after(CONDUCTOR_RETRY_AFTER_S)
}

pub(super) fn too_many_requests(message: impl Into<String>, retry_after_s: u32) -> Failure {
    Failure::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message).retry_after(retry_after_s)
}

/// So many of this address try room codes at once that no more may wait.
pub(super) fn too_many_guesses() -> Failure {
    too_many_requests("your address tries too many room codes: wait, then try again", GUESSES_RETRY_AFTER_S)
}

/// `TokenExpired`, as sockets are refused with, is `token_expired` here.
fn snake_case(code: &str) -> String {
    let mut snake = String::with_capacity(code.len() + 4);
    for c in code.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Named;

    fn of<E: Into<Failure>>(error: E) -> (u16, String, Option<String>, Option<u32>) {
        let failure = error.into();
        (failure.status.as_u16(), failure.code, failure.field.map(Cow::into_owned), failure.retry_after_s)
    }

    #[test]
    fn the_codes_of_refused_tokens_are_in_snake_case() {
        assert_eq!(of(AuthError::Expired { ago_s: 9 }), (401, "token_expired".into(), None, None));
        assert_eq!(
            of(AuthError::TenantUnknown { claimed: Named::tenant("acmee") }),
            (404, "tenant_unknown".into(), None, None)
        );
    }

    #[test]
    fn a_refused_control_says_whose_fault_it_is() {
        let refused = |refusal: Refusal| of(ControlRefused::Refused(refusal));
        assert_eq!(refused(Refusal::RoomNotFound).0, 404);
        assert_eq!(refused(Refusal::Unauthorized).0, 403);
        assert_eq!(refused(Refusal::UnknownStudent), (422, "invalid_field".into(), Some("student_id".into()), None));
        assert_eq!(refused(Refusal::TooManyOnRecord).0, 409);
        assert_eq!(of(ControlRefused::NoConductor), (503, "no_conductor".into(), None, Some(1)));
    }

    #[test]
    fn the_room_limit_says_when_to_come_back() {
        let response = Failure::from(CreateRefused::TooManyRooms { limit: 100 }).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "60");
    }

    #[test]
    fn a_school_that_reads_too_much_at_a_time_is_told_when_to_come_back() {
        assert_eq!(of(DeskError::TooManyAsks), (429, "too_many_requests".into(), None, Some(5)));
    }

    #[test]
    fn an_absent_field_is_left_out_of_the_body() {
        let detail = FailureDetail { code: "c".into(), message: "m".into(), field: None };
        let body = serde_json::to_string(&FailureBody { error: detail }).expect("plain data");
        assert_eq!(body, r#"{"error":{"code":"c","message":"m"}}"#);
    }
}
