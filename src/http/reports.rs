//! What a session's events say: of each student, and of the session as a whole.

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
    response::Response,
};
use serde::Serialize;

use super::{
    caller::{Caller, Teacher},
    counted::Counted,
    failure::{Failure, FailureBody},
    personal,
    query::{Format, Values},
    recorded_room::{CodeInPath, code_in, live_session, slowed},
    report_schema,
    state::HttpState,
};
use crate::{
    participation::{OfSession, SessionReport, analytics_csv, participation_csv, printable_page},
    room::RoomKey,
};

/// A report, and what it does not know.
#[derive(Serialize)]
struct Recorded<T> {
    #[serde(flatten)]
    report: T,
    events_missing: u64,
    events_waiting: Option<u64>,
}

/// Read who took part in a session.
///
/// One row a student. Of a live room so far; of a code without a room, its latest session. A student's token gets its
/// own row alone, as JSON or CSV.
#[utoipa::path(
    get, path = "/api/music/rooms/{code}/participation", operation_id = "readParticipation", tag = "participation",
    security(("token" = [])),
    params(
        ("code" = String, Path, description = "The room's code", example = "MUSIC-1234"),
        ("session" = Option<String>, Query, description = "A session of this code, as `sessions` lists them", example = "MUSIC-1234.643f1c2a5b9d0"),
        ("format" = Option<String>, Query, description = "`json`, `csv` or `html` (a page to print); also by `Accept`", example = "csv"),
    ),
    responses(
        (status = 200, description = "The rows, in order of the names", content(
            (report_schema::Participation = "application/json"), (String = "text/csv"), (String = "text/html"))),
        (status = 403, description = "A student's token without `sub`, or the tenant is suspended", body = FailureBody),
        (status = 404, description = "Room not found: nothing of this code or session was recorded, or nothing of this student", body = FailureBody),
        (status = 422, description = "`format` is wrong", body = FailureBody),
    )
)]
pub(super) async fn participation(
    State(http): State<HttpState>,
    Counted(caller): Counted<Caller>,
    code: CodeInPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let only = caller.only()?;
    let values = Values::of(&uri);
    let possible = [Format::Json, Format::Csv, Format::Html];
    // The page shows the whole class.
    let possible = if only.is_some() { &possible[..2] } else { &possible[..] };
    let format = values.format(&headers, possible)?;
    let report = async {
        let key = caller.room(&code_in(code)?)?;
        let mut report = report(&http, &key, &values, None).await?;
        if let Some(own) = only {
            report.students.retain(|row| row.student_id == own);
            report.teachers.clear();
            if report.students.is_empty() {
                return Err(Failure::room_not_found());
            }
        }
        Ok(report)
    };
    let report = slowed(&http, &caller, report.await).await?;
    Ok(match format {
        Format::Json => recorded(&http, &caller.tenant.id, &report, report.participation()).await,
        Format::Csv => {
            personal::csv(&format!("participation-{}", report.session.session_id), participation_csv(&report))
        }
        Format::Html => personal::page(printable_page(&report)),
    })
}

/// Read a session as a whole.
///
/// Tempo, activity over time, peaks, and how the voices were shared.
#[utoipa::path(
    get, path = "/api/music/rooms/{code}/analytics", operation_id = "readAnalytics", tag = "participation",
    security(("token" = [])),
    params(
        ("code" = String, Path, description = "The room's code", example = "MUSIC-1234"),
        ("session" = Option<String>, Query, description = "A session of this code; without it the live one, else the latest", example = "MUSIC-1234.643f1c2a5b9d0"),
        ("bucket_s" = Option<u32>, Query, description = "The length of a bucket of the activity, in seconds: at most 2000 of them. By default about a hundred are made", minimum = 1, maximum = 604_800, example = 60),
        ("format" = Option<String>, Query, description = "`json`, `csv` or `html` (a page to print); also by `Accept`", example = "html"),
    ),
    responses(
        (status = 200, description = "The figures, with their formulas", content(
            (report_schema::Analytics = "application/json"), (String = "text/csv"), (String = "text/html"))),
        (status = 404, description = "Room not found: nothing of this code or session was recorded", body = FailureBody),
        (status = 422, description = "`bucket_s` or `format` is wrong", body = FailureBody),
    )
)]
pub(super) async fn analytics(
    State(http): State<HttpState>,
    Counted(teacher): Counted<Teacher>,
    code: CodeInPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let values = Values::of(&uri);
    let format = values.format(&headers, &[Format::Json, Format::Csv, Format::Html])?;
    let bucket_us = values.bucket_us()?;
    let key = teacher.room(&code_in(code)?)?;
    let report = report(&http, &key, &values, bucket_us).await?;
    Ok(match format {
        Format::Json => recorded(&http, &key.tenant, &report, report.analytics()).await,
        Format::Csv => personal::csv(&format!("analytics-{}", report.session.session_id), analytics_csv(&report)),
        Format::Html => personal::page(printable_page(&report)),
    })
}

async fn report(
    http: &HttpState,
    key: &RoomKey,
    values: &Values,
    bucket_us: Option<i64>,
) -> Result<SessionReport, Failure> {
    let session = values.session()?;
    let live = live_session(http, key).await;
    let of = OfSession { room: key, session: session.as_ref(), live: live.as_ref() };
    Ok(http.desk.session_report(of, bucket_us).await?)
}

async fn recorded(http: &HttpState, tenant: &str, of: &SessionReport, report: impl Serialize) -> Response {
    let events_waiting = http.desk.waiting(tenant).await;
    personal::json(Recorded { report, events_missing: of.session.events_missing, events_waiting })
}
