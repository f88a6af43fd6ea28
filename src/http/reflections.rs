//! Reflections: submitted, changed and withdrawn by their students, read by teachers.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde_json::{Map, Value, json};

use super::{
    body::JsonText,
    caller::{Caller, Teacher},
    counted::Counted,
    failure::{Failure, FailureBody, too_many_requests, unavailable},
    personal,
    query::{Format, Values, cursor_after_reflection, wrong_cursor},
    recorded_room::{CodeInPath, code_in, live_session, slowed},
    reflection_schema,
    state::HttpState,
};
use crate::{
    conductor::RoomStanding,
    participation::{
        DeskError, EventId, NotRecorded, OfSession, REFLECTIONS_A_MINUTE, SessionId, StoredReflection, Submission,
        Writer, reflections_csv,
    },
    room::{self, Code, RoomKey, TokenRole},
};

/// How long a reflection may take to be safe.
const KEPT_WITHIN: Duration = Duration::from_secs(4);
/// The longest page, and the one that is given where nothing is said.
const PAGE_MAX: u32 = 500;
/// The same of a sheet, which people open as a whole.
const SHEET_MAX: u32 = 5_000;
/// When an author who has written too much may write the next one.
const NEXT_REFLECTION_S: u32 = 6;

/// The id in the path, as far as the path could be decoded.
type IdInPath = Result<Path<String>, PathRejection>;

/// Submit a reflection.
///
/// By a student for themself, or by a teacher for a student. It can be changed and withdrawn until the room closes.
/// Nobody writes more than ten in a minute, new and changed together.
#[utoipa::path(
    post, path = "/api/music/reflections", operation_id = "submitReflection", tag = "participation",
    security(("token" = [])),
    request_body = reflection_schema::NewReflection,
    responses(
        (status = 201, description = "It is kept", body = reflection_schema::ReflectionKept),
        (status = 403, description = "A student's token without `sub`, or for another student", body = FailureBody),
        (status = 404, description = "Room not found", body = FailureBody),
        (status = 422, description = "A field is missing or wrong", body = FailureBody),
    )
)]
pub(super) async fn submit(
    State(http): State<HttpState>,
    Counted(caller): Counted<Caller>,
    JsonText(body): JsonText,
) -> Result<Response, Failure> {
    let kept = keep(&http, &caller, &body).await?;
    Ok(personal::private((StatusCode::CREATED, Json(kept))))
}

/// Change a reflection.
///
/// The body is the whole of it. It stays the same student's, and of the same session.
#[utoipa::path(
    put, path = "/api/music/reflections/{id}", operation_id = "changeReflection", tag = "participation",
    security(("token" = [])),
    params(("id" = String, Path, description = "What its submission was answered with", example = "0643f1c2a5b900c0ffee00c0ffee0001")),
    request_body = reflection_schema::NewReflection,
    responses(
        (status = 200, description = "The change is kept", body = reflection_schema::ReflectionKept),
        (status = 403, description = "A student's token without `sub`, or for another student", body = FailureBody),
        (status = 404, description = "Room not found, or `reflection_not_found`: it is another student's or session's", body = FailureBody),
        (status = 422, description = "A field is missing or wrong", body = FailureBody),
    )
)]
pub(super) async fn change(
    State(http): State<HttpState>,
    Counted(caller): Counted<Caller>,
    id: IdInPath,
    JsonText(body): JsonText,
) -> Result<Response, Failure> {
    let body = with_id(&body, id_in(id)?)?;
    Ok(personal::json(keep(&http, &caller, &body).await?))
}

/// Withdraw a reflection.
#[utoipa::path(
    delete, path = "/api/music/reflections/{id}", operation_id = "withdrawReflection", tag = "participation",
    security(("token" = [])),
    params(
        ("id" = String, Path, description = "What its submission was answered with", example = "0643f1c2a5b900c0ffee00c0ffee0001"),
        ("room_id" = String, Query, description = "The room's code", example = "MUSIC-1234"),
    ),
    responses(
        (status = 204, description = "It is withdrawn, and its text is removed"),
        (status = 403, description = "A student's token without `sub`, or the tenant is suspended", body = FailureBody),
        (status = 404, description = "Room not found, or `reflection_not_found`: it is another student's or session's", body = FailureBody),
        (status = 422, description = "`room_id` is missing or wrong", body = FailureBody),
    )
)]
pub(super) async fn withdraw(
    State(http): State<HttpState>,
    Counted(caller): Counted<Caller>,
    id: IdInPath,
    uri: Uri,
) -> Result<Response, Failure> {
    let writer_id = caller.id()?;
    let code = Values::of(&uri).get("room_id").and_then(|code| code.parse().ok());
    let (key, standing) = open_room(&http, &caller, code).await?;
    let id = id_in(id)?;
    let session = SessionId::of(&key, standing.opened_us);
    let author = http.desk.author_of(&key.tenant, id, &session).await;
    let student_id = match (caller.role, author?) {
        (TokenRole::Teacher, author) => author.ok_or(DeskError::NoReflection)?,
        (TokenRole::Student, Some(author)) if author != writer_id => return Err(DeskError::NoReflection.into()),
        // One that is still on its way is the student's own, or nobody's.
        (TokenRole::Student, _) => writer_id.to_owned(),
    };
    let writer = Writer { room: &key, opened_us: standing.opened_us, id: writer_id, role: caller.role };
    let recorder = http.desk.recorder();
    let withdrawal = Submission::withdrawal(id, &student_id, writer, recorder, http.clock.now_us());
    in_time(withdrawal.keep(recorder)).await?;
    Ok(personal::private(StatusCode::NO_CONTENT))
}

/// Read a session's reflections.
///
/// In pages. That they were read is written down in the audit log.
#[utoipa::path(
    get, path = "/api/music/rooms/{code}/reflections", operation_id = "readReflections", tag = "participation",
    security(("token" = [])),
    params(
        ("code" = String, Path, description = "The room's code", example = "MUSIC-1234"),
        ("session" = Option<String>, Query, description = "A session of this code; without it the live one, else the latest", example = "MUSIC-1234.643f1c2a5b9d0"),
        ("limit" = Option<u32>, Query, description = "Reflections a page, 500 unless told; of a CSV up to 5000, and so many unless told", minimum = 1, maximum = 5000),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before; of a CSV, its `Link` header names the address of the next"),
        ("format" = Option<String>, Query, description = "`json` or `csv`; also by `Accept`", example = "csv"),
    ),
    responses(
        (status = 200, description = "A page of the reflections, in the order of their first submission", content(
            (reflection_schema::Reflections = "application/json"), (String = "text/csv"))),
        (status = 404, description = "Room not found: nothing of this code or session was recorded", body = FailureBody),
        (status = 422, description = "`limit`, `cursor` or `format` is wrong", body = FailureBody),
    )
)]
pub(super) async fn list(
    State(http): State<HttpState>,
    Counted(teacher): Counted<Teacher>,
    code: CodeInPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let values = Values::of(&uri);
    let format = values.format(&headers, &[Format::Json, Format::Csv])?;
    let key = teacher.room(&code_in(code)?)?;
    let max = if format == Format::Csv { SHEET_MAX } else { PAGE_MAX };
    let limit = values.limit_up_to(max)?.unwrap_or(max);
    let after = values.cursor_of_reflections()?;
    let named = values.session()?;
    if let (Some(after), Some(named)) = (&after, &named)
        && after.session != *named
    {
        return Err(wrong_cursor());
    }
    // The pages are of one session, also where meanwhile another has begun.
    let session = named.or_else(|| after.as_ref().map(|after| after.session.clone()));
    let live = live_session(&http, &key).await;
    let of = OfSession { room: &key, session: session.as_ref(), live: live.as_ref() };
    let found = http.desk.reflections(of, limit, after.as_ref(), &teacher.id).await?;
    let next = found.last.as_ref().map(cursor_after_reflection);
    if format == Format::Csv {
        let rows: Vec<_> = found.reflections.into_iter().map(StoredReflection::into_row).collect();
        let sheet = personal::csv(&format!("reflections-{}", found.session), reflections_csv(&rows));
        let rest = next.map(|next| format!("format=csv&session={}&limit={limit}&cursor={next}", found.session));
        return Ok(match rest {
            Some(rest) => personal::followed_by(sheet, &rest),
            None => sheet,
        });
    }
    let reflections: Vec<Value> = found.reflections.iter().map(shown).collect();
    let events_waiting = http.desk.waiting(&key.tenant).await;
    Ok(personal::json(json!({
        "session_id": found.session,
        "reflections": reflections,
        "next": next,
        "events_waiting": events_waiting,
    })))
}

/// A reflection as it is read.
pub(super) fn shown(stored: &StoredReflection) -> Value {
    let StoredReflection { reflection, session, student_id, author_id, submitted_at_us, updated_at_us } = stored;
    json!({
        "id": reflection.reflection_id,
        "session_id": session,
        "student_id": student_id,
        "author_id": author_id,
        "reflection_text": reflection.text,
        "reflection_type": reflection.reflection_type,
        "competency": reflection.competency,
        "mood": reflection.mood,
        "metadata": reflection.metadata,
        "submitted_at_ms": submitted_at_us.div_euclid(1_000),
        "updated_at_ms": updated_at_us.div_euclid(1_000),
    })
}

async fn keep(http: &HttpState, caller: &Caller, body: &str) -> Result<Value, Failure> {
    let writer_id = caller.id()?;
    let sent = room::Reflection::parse(body)?;
    let (key, standing) = open_room(http, caller, sent.room_id).await?;
    let writer = Writer { room: &key, opened_us: standing.opened_us, id: writer_id, role: caller.role };
    let recorder = http.desk.recorder();
    let submission = Submission::read(body, writer, recorder, http.clock.now_us())?;
    if !http.desk.admits_reflection(&key.tenant, writer_id) {
        let message = format!("nobody writes more than {REFLECTIONS_A_MINUTE} reflections a minute: wait a little");
        return Err(too_many_requests(message, NEXT_REFLECTION_S));
    }
    if let Some(id) = sent.id.and_then(|id| id.parse().ok()) {
        match http.desk.author_of(&key.tenant, id, &submission.session).await {
            Ok(Some(author)) if author != *submission.student_id => return Err(DeskError::NoReflection.into()),
            Err(DeskError::NoReflection) => return Err(DeskError::NoReflection.into()),
            // A database that is down loses no reflection; when it comes back it sees for itself whose it is.
            _ => {}
        }
    }
    let kept = json!({
        "id": submission.reflection_id,
        "room_id": key.code,
        "session": submission.session,
        "student_id": submission.student_id,
    });
    in_time(submission.keep(recorder)).await?;
    Ok(kept)
}

/// The room that a reflection is about, as long as it lives.
async fn open_room(http: &HttpState, caller: &Caller, code: Option<Code>) -> Result<(RoomKey, RoomStanding), Failure> {
    let code = code.ok_or_else(|| Failure::field("room_id", "room_id must be a room's code, such as MUSIC-1234"))?;
    if !http.desk.recorder().is_on(&caller.tenant.id) {
        return Err(DeskError::Off.into());
    }
    let found = async {
        let key = caller.room(code.as_str())?;
        let standing = http.router.standing(&key).await?;
        Ok((key, standing))
    };
    slowed(http, caller, found.await).await
}

async fn in_time(keeping: impl Future<Output = Result<(), NotRecorded>>) -> Result<(), Failure> {
    let late = |_| unavailable("it could not be kept in time, or may yet be: try again in a moment");
    Ok(tokio::time::timeout(KEPT_WITHIN, keeping).await.map_err(late)??)
}

/// What is no reflection's id is the id of none that exists.
fn id_in(id: IdInPath) -> Result<EventId, Failure> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    id.ok_or_else(|| DeskError::NoReflection.into())
}

/// The body with the id of the address.
fn with_id(body: &str, id: EventId) -> Result<String, Failure> {
    let mut fields: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    let id = Value::String(id.to_string());
    if fields.get("id").is_some_and(|given| *given != id) {
        return Err(Failure::field("id", "id must be the one in the address, or be left away"));
    }
    fields.insert("id".to_owned(), id);
    Ok(Value::Object(fields).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_says_which_reflection_is_changed() {
        let id: EventId = "0643f1c2a5b900c0ffee00c0ffee0001".parse().expect("an id");
        let read = |body: &str| {
            let body = with_id(body, id).map_err(|failure| failure.field)?;
            Ok::<Value, _>(serde_json::from_str::<Value>(&body).expect("JSON")["id"].clone())
        };
        assert_eq!(read("{}"), Ok(json!("0643f1c2a5b900c0ffee00c0ffee0001")));
        assert_eq!(read(""), Ok(json!("0643f1c2a5b900c0ffee00c0ffee0001")));
        assert_eq!(read(r#"{"id": "0643f1c2a5b900c0ffee00c0ffee0002"}"#), Err(Some(std::borrow::Cow::Borrowed("id"))));
    }
}
