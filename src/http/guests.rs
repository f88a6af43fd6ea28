//! A student's token for one room, for people without an account.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State, rejection::PathRejection},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::IpAddr;
use utoipa::ToSchema;

use super::{
    body::JsonText,
    caller::host_of,
    failure::{Failure, FailureBody, too_many_guesses},
    schema,
    state::HttpState,
};
use crate::{
    auth::{MintError, admit_guest},
    conductor::ControlRefused,
    gateway::proxies::Client,
    room::{Code, RoomKey},
};

/// A guest's token and what it is good for.
#[derive(Serialize, ToSchema)]
pub(super) struct GuestPass {
    /// Good for this room alone, as a student.
    token: String,
    /// The new student's id.
    #[schema(example = "guest-k3v9x2ab")]
    student_id: String,
    #[schema(example = "MUSIC-1234")]
    room_id: String,
    /// When the token ends, in milliseconds since 1970.
    expires_at: i64,
}

/// Where a request comes from and to: all that there is to know of somebody without a token.
pub(super) struct Visitor {
    address: IpAddr,
    host: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Ok(client) = Client::from_request_parts(parts, state).await;
        let host = host_of(&parts.headers, &parts.uri).map(str::to_owned);
        Ok(Self { address: client.counted(), host })
    }
}

/// Enter as a guest.
///
/// Needs no token. Works where the tenant of this host allows guests.
#[utoipa::path(
    post, path = "/api/music/rooms/{code}/guest", operation_id = "enterAsGuest", tag = "guests",
    params(("code" = String, Path, description = "The room's code", example = "MUSIC-1234")),
    request_body = schema::GuestName,
    responses(
        (status = 201, description = "A token for this room", body = GuestPass),
        (status = 403, description = "The tenant allows no guests", body = FailureBody),
        (status = 404, description = "Room not found; after many unknown codes the answer comes later and later", body = FailureBody),
        (status = 422, description = "`name` is missing or wrong", body = FailureBody),
        (status = 429, description = "Too many unknown codes come from this address at once; see Retry-After", body = FailureBody),
    )
)]
pub(super) async fn admit(
    State(http): State<HttpState>,
    visitor: Visitor,
    code: Result<Path<String>, PathRejection>,
    JsonText(body): JsonText,
) -> Result<Response, Failure> {
    let tenant = http.tenants.choose(None, visitor.host.as_deref())?;
    if !tenant.guests {
        return Err(MintError::GuestsOff { tenant: tenant.id.to_string() }.into());
    }
    let name = name_of(&body)?;
    let code: Option<Code> = code.ok().and_then(|Path(code)| code.parse().ok());
    let standing = match code {
        Some(code) => http.router.standing(&RoomKey { tenant: tenant.id.clone(), code }).await,
        None => Err(ControlRefused::NotFound),
    };
    // Any other failure says nothing about the code, so it is no wrong guess.
    let known = !matches!(standing, Err(ControlRefused::NotFound));
    let delay = (http.guess_delay)(visitor.address, known).ok_or_else(too_many_guesses)?;
    tokio::time::sleep(delay).await;
    let room_id = standing?.room_id.to_string();
    let guest = admit_guest(&tenant, &room_id, &name, http.clock.now_s())?;
    let pass =
        GuestPass { token: guest.token, student_id: guest.sub, room_id, expires_at: guest.exp_s.saturating_mul(1_000) };
    Ok((StatusCode::CREATED, Json(pass)).into_response())
}

/// Whether the name is printable, the token's maker decides.
fn name_of(body: &str) -> Result<String, Failure> {
    #[derive(Default, Deserialize)]
    struct Named {
        #[serde(default)]
        name: Value,
    }
    let named = serde_json::from_str::<Named>(body).unwrap_or_default();
    match named.name {
        Value::String(name) => Ok(name.trim().to_owned()),
        _ => Err(Failure::field("name", "name must be a string of 1 to 64 printable characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_string() {
        assert_eq!(name_of(r#"{"name": " Bob "}"#).as_deref(), Ok("Bob"));
        for bad in ["", "{}", r#"{"name": null}"#, r#"{"name": 7}"#, r#"{"name": ["Bob"]}"#] {
            assert_eq!(name_of(bad).map_err(|failure| failure.field), Err(Some("name".into())), "{bad}");
        }
    }
}
