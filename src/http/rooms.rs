//! Rooms: made, listed, read, changed and closed by teachers.

use axum::{
    Json,
    extract::{State, rejection::PathRejection},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    body::JsonText,
    caller::{Teacher, query_of},
    failure::{Failure, FailureBody},
    schema,
    state::HttpState,
};
use crate::{
    room::{ChangeSettings, Control, CreateRoom, RoomKey},
    store::RoomCursor,
};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 100;

/// The code in the path, as far as the path could be decoded.
type CodeInPath = Result<axum::extract::Path<String>, PathRejection>;

/// Make a room.
///
/// Fields that are left out take the tenant's defaults; without a body, all do.
#[utoipa::path(
    post, path = "/api/music/rooms", operation_id = "createRoom", tag = "rooms", security(("token" = [])),
    request_body = schema::NewRoom,
    responses(
        (status = 201, description = "The new room", body = schema::Room,
            headers(("location" = String, description = "The room's address"))),
        (status = 422, description = "A field is wrong", body = FailureBody),
        (status = 429, description = "The tenant has as many rooms as it may: see Retry-After", body = FailureBody),
    )
)]
pub(super) async fn create(
    State(http): State<HttpState>,
    teacher: Teacher,
    JsonText(body): JsonText,
) -> Result<Response, Failure> {
    teacher.of_all_rooms()?;
    let request = CreateRoom::parse(&body)?;
    let standing = http.router.create(&teacher.tenant, request, &teacher.id).await?;
    let location = format!("/api/music/rooms/{}", standing.room_id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(standing)).into_response())
}

/// List the tenant's rooms, in order of their codes.
#[utoipa::path(
    get, path = "/api/music/rooms", operation_id = "listRooms", tag = "rooms", security(("token" = [])),
    params(
        ("limit" = Option<u32>, Query, description = "Rooms a page, 50 unless told", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of rooms", body = schema::RoomPage),
        (status = 422, description = "`limit` or `cursor` is wrong", body = FailureBody),
    )
)]
pub(super) async fn list(State(http): State<HttpState>, teacher: Teacher, uri: Uri) -> Result<Json<Value>, Failure> {
    teacher.of_all_rooms()?;
    let (limit, cursor) = page_of(&uri)?;
    let (rooms, next) = http.router.list(&teacher.tenant.id, limit, cursor.as_ref()).await?;
    let next = next.map(|cursor| cursor.to_string());
    Ok(Json(json!({ "rooms": rooms, "next": next })))
}

/// Read a room.
#[utoipa::path(
    get, path = "/api/music/rooms/{code}", operation_id = "readRoom", tag = "rooms", security(("token" = [])),
    params(("code" = String, Path, description = "The room's code", example = "MUSIC-1234")),
    responses(
        (status = 200, description = "The room as it stands", body = schema::Room),
        (status = 404, description = "Room not found", body = FailureBody),
    )
)]
pub(super) async fn read(
    State(http): State<HttpState>,
    teacher: Teacher,
    code: CodeInPath,
) -> Result<Response, Failure> {
    let key = room_of(&teacher, code)?;
    Ok(Json(http.router.standing(&key).await?).into_response())
}

/// Change a room's settings or tempo.
///
/// What is left out stays as it is. Everybody in the room is told.
#[utoipa::path(
    patch, path = "/api/music/rooms/{code}", operation_id = "changeRoom", tag = "rooms", security(("token" = [])),
    params(("code" = String, Path, description = "The room's code", example = "MUSIC-1234")),
    request_body = schema::RoomChanges,
    responses(
        (status = 200, description = "The room as it stands now", body = schema::Room),
        (status = 404, description = "Room not found", body = FailureBody),
        (status = 422, description = "A field is wrong; nothing was changed", body = FailureBody),
    )
)]
pub(super) async fn change(
    State(http): State<HttpState>,
    teacher: Teacher,
    code: CodeInPath,
    JsonText(body): JsonText,
) -> Result<Response, Failure> {
    let key = room_of(&teacher, code)?;
    let changes = ChangeSettings::parse(&body)?;
    let lock = lock_of(&body)?;
    let settings = (changes != ChangeSettings::default()).then_some(Control::ChangeSettings(changes));
    for control in settings.into_iter().chain(lock) {
        http.router.control(&key, teacher.actor(), control, None).await?;
    }
    Ok(Json(http.router.standing(&key).await?).into_response())
}

/// Close a room.
///
/// Everybody in it is sent `room_closed` and leaves.
#[utoipa::path(
    delete, path = "/api/music/rooms/{code}", operation_id = "closeRoom", tag = "rooms", security(("token" = [])),
    params(("code" = String, Path, description = "The room's code", example = "MUSIC-1234")),
    responses(
        (status = 204, description = "The room is closed"),
        (status = 404, description = "Room not found", body = FailureBody),
    )
)]
pub(super) async fn close(
    State(http): State<HttpState>,
    teacher: Teacher,
    code: CodeInPath,
) -> Result<StatusCode, Failure> {
    let key = room_of(&teacher, code)?;
    http.router.control(&key, teacher.actor(), Control::CloseRoom, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A path that cannot be decoded is no room's.
fn room_of(teacher: &Teacher, code: CodeInPath) -> Result<RoomKey, Failure> {
    let axum::extract::Path(code) = code.map_err(|_| Failure::room_not_found())?;
    teacher.room(&code)
}

/// `?limit=&cursor=`. An empty value is a missing one.
fn page_of(uri: &Uri) -> Result<(usize, Option<RoomCursor>), Failure> {
    let (mut limit, mut cursor) = (LIMIT_DEFAULT, None);
    for (name, value) in query_of(uri).into_iter().filter(|(_, value)| !value.is_empty()) {
        match &*name {
            "limit" => {
                let wanted = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                limit = wanted.ok_or_else(|| Failure::field("limit", "limit must be an integer from 1 to 100"))?;
            }
            "cursor" => {
                let place = value.parse::<RoomCursor>();
                cursor = Some(place.map_err(|error| Failure::field("cursor", error.to_string()))?);
            }
            _ => {}
        }
    }
    Ok((limit, cursor))
}

/// Locking is a control of its own inside the room; here it is a setting like the others.
fn lock_of(body: &str) -> Result<Option<Control>, Failure> {
    #[derive(Default, Deserialize)]
    struct Lock {
        #[serde(default)]
        locked: Option<bool>,
    }
    let lock = if body.is_empty() { Ok(Lock::default()) } else { serde_json::from_str(body) };
    let Lock { locked } = lock.map_err(|_| Failure::field("locked", "locked must be true or false"))?;
    Ok(locked.map(|locked| if locked { Control::LockRoom } else { Control::UnlockRoom }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::Code;

    fn page(query: &str) -> Result<(usize, Option<RoomCursor>), Option<String>> {
        let uri = format!("/api/music/rooms{query}").parse().expect("an address");
        page_of(&uri).map_err(|failure| failure.field.map(Into::into))
    }

    #[test]
    fn a_page_has_fifty_rooms_unless_told() {
        assert_eq!(page(""), Ok((50, None)));
        assert_eq!(page("?limit=&cursor="), Ok((50, None)));
        assert_eq!(page("?limit=100&other=1"), Ok((100, None)));
    }

    #[test]
    fn a_cursor_goes_on_where_it_was_given_out() {
        let cursor = RoomCursor::after("MUSIC-1234".parse::<Code>().expect("a code"));
        assert_eq!(page(&format!("?cursor={cursor}")), Ok((50, Some(cursor))));
    }

    #[test]
    fn a_wrong_limit_or_cursor_is_named() {
        for limit in ["0", "101", "-1", "1.5", "ten", "99999999999999999999"] {
            assert_eq!(page(&format!("?limit={limit}")), Err(Some("limit".into())), "{limit}");
        }
        assert_eq!(page("?cursor=MUSIC-1234"), Err(Some("cursor".into())));
    }

    #[test]
    fn locked_is_true_false_or_absent() {
        let lock = |body| lock_of(body).map_err(|failure| failure.field);
        assert_eq!(lock(r#"{"locked": true}"#), Ok(Some(Control::LockRoom)));
        assert_eq!(lock(r#"{"locked": false}"#), Ok(Some(Control::UnlockRoom)));
        for absent in ["", "{}", r#"{"locked": null}"#] {
            assert_eq!(lock(absent), Ok(None), "{absent}");
        }
        assert_eq!(lock(r#"{"locked": "yes"}"#), Err(Some("locked".into())));
    }
}
