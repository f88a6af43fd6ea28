//! Which sessions there were, and a school by week.

use axum::{extract::State, http::Uri, response::Response};
use serde::Serialize;
use serde_json::json;

use super::{
    caller::Teacher,
    counted::Counted,
    failure::{Failure, FailureBody},
    personal,
    query::{Values, cursor_after},
    recorded_room::{CodeInPath, code_in},
    report_schema,
    state::HttpState,
};
use crate::participation::{SchoolOverview, SessionPage};

const DAY_US: i64 = 86_400_000_000;
/// The longest range of an overview.
const OVERVIEW_DAYS_MAX: i64 = 400;
/// The range of an overview that names none.
const OVERVIEW_DAYS: i64 = 12 * 7;

/// List a room's sessions, the newest first.
///
/// A code may have served many. A session is listed a moment after its room was opened.
#[utoipa::path(
    get, path = "/api/music/rooms/{code}/sessions", operation_id = "listRoomSessions", tag = "participation",
    security(("token" = [])),
    params(
        ("code" = String, Path, description = "The room's code", example = "MUSIC-1234"),
        ("limit" = Option<u32>, Query, description = "Sessions a page, 50 unless told", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of sessions; none of a code that never had a room", body = report_schema::SessionPage),
        (status = 404, description = "Room not found: this is no code, or not one that the token opens", body = FailureBody),
        (status = 422, description = "`limit` or `cursor` is wrong", body = FailureBody),
    )
)]
pub(super) async fn of_room(
    State(http): State<HttpState>,
    Counted(teacher): Counted<Teacher>,
    code: CodeInPath,
    uri: Uri,
) -> Result<Response, Failure> {
    let key = teacher.room(&code_in(code)?)?;
    let values = Values::of(&uri);
    let (limit, cursor) = (values.limit()?, values.cursor()?);
    let page = http.desk.sessions_of_room(&key, limit, cursor.as_ref()).await?;
    Ok(paged(&http, &key.tenant, page).await)
}

/// List the school's sessions, the newest first.
#[utoipa::path(
    get, path = "/api/music/sessions", operation_id = "listSessions", tag = "participation", security(("token" = [])),
    params(
        ("from" = Option<String>, Query, description = "Opened from then on: a day, an RFC 3339 time, or milliseconds since 1970", example = "2025-11-17"),
        ("to" = Option<String>, Query, description = "Opened before then", example = "2025-11-24T00:00:00+01:00"),
        ("limit" = Option<u32>, Query, description = "Sessions a page, 50 unless told", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of sessions", body = report_schema::SessionPage),
        (status = 422, description = "`from`, `to`, `limit` or `cursor` is wrong", body = FailureBody),
    )
)]
pub(super) async fn of_school(
    State(http): State<HttpState>,
    Counted(teacher): Counted<Teacher>,
    uri: Uri,
) -> Result<Response, Failure> {
    teacher.of_all_rooms()?;
    let values = Values::of(&uri);
    let (from_us, to_us) = (values.moment("from")?.unwrap_or(0), values.moment("to")?.unwrap_or(i64::MAX));
    in_order(from_us, to_us)?;
    let before_us = values.cursor()?.and_then(|session| session.opened_us()).unwrap_or(i64::MAX);
    let tenant = &teacher.tenant.id;
    let page = http.desk.sessions(tenant, from_us, to_us.min(before_us), values.limit()?).await?;
    Ok(paged(&http, tenant, page).await)
}

/// Look at the school by week.
///
/// Of whole weeks, those that are not over left out. Nothing is said of a group of fewer than five students.
#[utoipa::path(
    get, path = "/api/music/overview", operation_id = "readOverview", tag = "participation", security(("token" = [])),
    params(
        ("from" = Option<String>, Query, description = "In the first week: a day, an RFC 3339 time, or milliseconds since 1970; by default twelve weeks before `to`", example = "2025-09-01"),
        ("to" = Option<String>, Query, description = "At most 400 days later; by default now", example = "2025-12-19"),
    ),
    responses(
        (status = 200, description = "The weeks and their total", body = report_schema::Overview),
        (status = 422, description = "`from` or `to` is wrong, or there are too many sessions between them", body = FailureBody),
    )
)]
pub(super) async fn overview(
    State(http): State<HttpState>,
    Counted(teacher): Counted<Teacher>,
    uri: Uri,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Answer {
        #[serde(flatten)]
        overview: SchoolOverview,
        events_waiting: Option<u64>,
    }
    teacher.of_all_rooms()?;
    let values = Values::of(&uri);
    let to_us = values.moment("to")?.unwrap_or_else(|| http.clock.now_us());
    let from_us = values.moment("from")?.unwrap_or_else(|| to_us.saturating_sub(OVERVIEW_DAYS * DAY_US).max(0));
    in_order(from_us, to_us)?;
    if to_us - from_us > OVERVIEW_DAYS_MAX * DAY_US {
        return Err(Failure::field("from", "from must be at most 400 days before to"));
    }
    let tenant = &teacher.tenant.id;
    let overview = http.desk.overview(tenant, from_us, to_us).await?;
    let events_waiting = http.desk.waiting(tenant).await;
    Ok(personal::json(Answer { overview, events_waiting }))
}

fn in_order(from_us: i64, to_us: i64) -> Result<(), Failure> {
    (from_us < to_us).then_some(()).ok_or_else(|| Failure::field("from", "from must be before to"))
}

async fn paged(http: &HttpState, tenant: &str, page: SessionPage) -> Response {
    let events_waiting = http.desk.waiting(tenant).await;
    let next = page.last.as_ref().map(cursor_after);
    personal::json(json!({ "sessions": page.sessions, "next": next, "events_waiting": events_waiting }))
}
