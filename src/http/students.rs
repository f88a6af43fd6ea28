//! What is held on one person: shown, and erased.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    caller::{Caller, Teacher},
    counted::Counted,
    failure::{Failure, FailureBody},
    personal,
    query::{Format, Values, cursor_after},
    reflection_schema,
    reflections::shown,
    report_schema,
    state::HttpState,
};
use crate::{
    participation::{DeskError, Erasure, Event, SessionOfStudent, StudentTrend, trend_csv},
    room::Code,
};

const STUDENT_ID_CHARS_MAX: usize = 64;
/// How long an erasure is waited for: what stands between a client and a node gives up after half a minute, often.
const ERASED_WITHIN: Duration = Duration::from_secs(25);
const GOES_ON: &str =
    "it takes its time and goes on: nothing is erased until all is. Ask again until the answer is 200";

/// The id in the path, as far as the path could be decoded.
type IdInPath = Result<Path<String>, PathRejection>;

/// Export everything that is held on one person.
///
/// For teachers, and for the person: sessions with the person's figures, events, reflections, and the rooms that know
/// the person now. That it was read is written down in the audit log. Of somebody unknown the lists are empty.
///
/// In pages of at most 400 sessions, which have all of these sessions; a page may also end earlier. Everything is what
/// all pages say together: follow `next` until it is null.
#[utoipa::path(
    get, path = "/api/music/students/{id}", operation_id = "exportStudent", tag = "participation",
    security(("token" = [])),
    params(
        ("id" = String, Path, description = "The person's id, as their token's `sub` has it", example = "ada"),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of everything, the earliest sessions first", body = reflection_schema::StudentFile),
        (status = 403, description = "A student's token that is not this student's, has no `sub`, or is good for one room alone", body = FailureBody),
        (status = 422, description = "`id` is no student's id, or `cursor` is wrong", body = FailureBody),
    )
)]
pub(super) async fn export(
    State(http): State<HttpState>,
    Counted(caller): Counted<Caller>,
    id: IdInPath,
    uri: Uri,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Answer {
        student_id: String,
        sessions: Vec<SessionOfStudent>,
        reflections: Vec<Value>,
        rooms: Vec<Code>,
        events: Vec<Event>,
        next: Option<String>,
        events_missing: u64,
        events_waiting: Option<u64>,
    }
    let student_id = id_in(id)?;
    caller.may_read_all_of(&student_id)?;
    let tenant = &caller.tenant.id;
    let after = Values::of(&uri).cursor()?;
    let file = http.desk.student(tenant, &student_id, caller.id()?, after.as_ref()).await?;
    let rooms = http.router.rooms_that_know(tenant, &student_id).await?;
    Ok(personal::json(Answer {
        events_missing: file.sessions.iter().map(|attended| attended.session.events_missing).sum(),
        student_id,
        sessions: file.sessions,
        reflections: file.reflections.iter().map(shown).collect(),
        rooms: rooms.into_iter().map(|room| room.code).collect(),
        events: file.events,
        next: file.last.as_ref().map(cursor_after),
        events_waiting: http.desk.waiting(tenant).await,
    }))
}

/// Read how one person's figures went from session to session.
///
/// For teachers, and for the person. Beside them the medians of the others, where they were at least five.
#[utoipa::path(
    get, path = "/api/music/students/{id}/trend", operation_id = "readTrend", tag = "participation",
    security(("token" = [])),
    params(
        ("id" = String, Path, description = "The person's id, as their token's `sub` has it", example = "ada"),
        ("format" = Option<String>, Query, description = "`json` or `csv`; also by `Accept`", example = "csv"),
    ),
    responses(
        (status = 200, description = "The latest 400 sessions, the earliest first", content(
            (report_schema::Trend = "application/json"), (String = "text/csv"))),
        (status = 403, description = "A student's token that is not this student's, has no `sub`, or is good for one room alone", body = FailureBody),
        (status = 422, description = "`id` is no student's id, or `format` is wrong", body = FailureBody),
    )
)]
pub(super) async fn trend(
    State(http): State<HttpState>,
    Counted(caller): Counted<Caller>,
    id: IdInPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Answer {
        #[serde(flatten)]
        trend: StudentTrend,
        events_waiting: Option<u64>,
    }
    let student_id = id_in(id)?;
    caller.may_read_all_of(&student_id)?;
    let format = Values::of(&uri).format(&headers, &[Format::Json, Format::Csv])?;
    let trend = http.desk.trend(&caller.tenant.id, &student_id).await?;
    if format == Format::Csv {
        return Ok(personal::csv(&format!("trend-{student_id}"), trend_csv(&trend)));
    }
    let events_waiting = http.desk.waiting(&caller.tenant.id).await;
    Ok(personal::json(Answer { trend, events_waiting }))
}

/// Erase everything that is held on one person.
///
/// From live rooms, which the person has to leave, from the database, and from what is on its way there. The answer
/// comes when that has arrived, or after about five seconds: what is still on its way then is dropped when it arrives.
///
/// Of somebody of whom there is a lot it may take minutes. After 25 s the answer is 202, and it goes on: ask again until
/// the answer is 200. Who asks while it goes on waits for the same erasure and is told what it erased; where it failed
/// meanwhile, the next request begins it anew. When it was done before, a 200 says that nothing more was found.
#[utoipa::path(
    delete, path = "/api/music/students/{id}", operation_id = "eraseStudent", tag = "participation",
    security(("token" = [])),
    params(("id" = String, Path, description = "The person's id, as their token's `sub` has it", example = "ada")),
    responses(
        (status = 200, description = "It is erased", body = reflection_schema::ErasureDone),
        (status = 202, description = "It goes on: ask again until the answer is 200", body = reflection_schema::ErasureGoesOn),
        (status = 422, description = "`id` is no student's id", body = FailureBody),
        (status = 503, description = "A room or the database did not answer: ask again until all is erased; see Retry-After", body = FailureBody),
    )
)]
pub(super) async fn erase(
    State(http): State<HttpState>,
    Counted(teacher): Counted<Teacher>,
    id: IdInPath,
) -> Result<Response, Failure> {
    let student_id = id_in(id)?;
    teacher.of_all_rooms()?;
    if !http.desk.has_database() {
        return Err(DeskError::Off.into());
    }
    let tenant = &teacher.tenant.id;
    let rooms = http.router.forget(tenant, &student_id, &teacher.actor()).await?;
    let erasing = http.desk.erase_student(tenant, &student_id, &teacher.id, rooms as u64, ERASED_WITHIN);
    Ok(match erasing.await? {
        Erasure::Done(erased) => personal::json(json!({ "erased": erased, "on_their_way": erased.on_their_way })),
        Erasure::GoesOn => {
            personal::private((StatusCode::ACCEPTED, Json(json!({ "erasing": true, "message": GOES_ON }))))
        }
    })
}

fn id_in(id: IdInPath) -> Result<String, Failure> {
    let is_id = |id: &String| {
        let length = id.chars().count();
        (1..=STUDENT_ID_CHARS_MAX).contains(&length) && !id.chars().any(char::is_control)
    };
    let id = id.ok().map(|Path(id)| id).filter(is_id);
    id.ok_or_else(|| Failure::field("id", "id must be a student's id of 1 to 64 printable characters"))
}
