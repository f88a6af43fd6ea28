//! Broadcasts on realtime topics from whoever has no socket, as Supabase's clients send them.
//!
//! All answers here have Supabase's form ([`refused`]), because its clients show what they find there, and take a 404
//! for a server that is too old.

mod arrival;
mod batch;
mod caller;
mod fields;
mod refused;

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::Map;

pub(super) use refused::{FieldErrors, Refusal, astray, wrong_method};

use self::{
    caller::Caller,
    fields::{BLANK, INVALID},
    refused::Refused,
};
use super::{schema, state::HttpState};
use crate::{
    auth::{Limits, Tenant},
    channels::realtime::{self, Post, PostRefused, Realtime},
    protocol::broadcast,
};

/// Supabase's clients look for everything below this.
pub(super) const MOUNT: &str = "/realtime/v1";
/// These are answered below [`MOUNT`] too.
pub(super) const PATHS: [&str; 2] = ["/api/broadcast", "/api/broadcast/{topic}/events/{event}"];

/// The longest body of a batch: a hundred of the greatest payloads would be too much for one request.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What stands around a payload in a batch: topic, event and the words between, even where all is escaped.
const ENVELOPE_BYTES_MAX: usize = 4 * 1024;

/// Broadcast up to 100 messages.
///
/// All are checked before the first is sent. They are sent in their order.
#[utoipa::path(
    post, path = "/api/broadcast", operation_id = "broadcast", tag = "broadcasts", security(("token" = [])),
    request_body = schema::BroadcastBatch,
    responses(
        (status = 202, description = "All are on their way"),
        (status = 400, description = "The body is not JSON", body = Refusal),
        (status = 401, description = "No token, or one that proves nothing", body = Refusal),
        (status = 403, description = "The token does not open a topic, or the tenant is suspended", body = Refusal),
        (status = 413, description = "A payload or the whole is too long", body = Refusal),
        (status = 415, description = "The body is compressed", body = Refusal),
        (status = 422, description = "A field is missing or wrong", body = FieldErrors),
        (status = 429, description = "The tenant says too much: see Retry-After", body = Refusal),
        (status = 503, description = "Not everybody heard it: see Retry-After", body = Refusal),
    )
)]
pub(super) async fn batch(
    State(http): State<HttpState>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refused> {
    arrival::refuse_encoded(&headers)?;
    let limits = &caller.tenant.limits;
    let bytes_max = batch_bytes_max(limits);
    let body = arrival::read(body, bytes_max).await?.ok_or_else(|| Refused::batch_too_large(bytes_max))?;
    let messages = batch::read(&body)?;
    drop(body);
    let payload_bytes_max = realtime::bytes_max(limits);
    if let Some(at) = messages.iter().position(|message| message.payload.len() > payload_bytes_max) {
        return Err(Refused::payload_too_large(at, payload_bytes_max));
    }
    let count = messages.len();
    let check = |(at, message): (usize, batch::Message)| {
        let post = Post {
            tenant: &caller.tenant,
            claims: &caller.claims,
            topic: &message.topic,
            private: message.private,
            event: &message.event,
            body: broadcast::Body::Json(message.payload),
        };
        Realtime::check(post).map_err(|refused| Refused::message(refused, at, count))
    };
    let sound = messages.into_iter().enumerate().map(check).collect::<Result<Vec<_>, _>>()?;
    admit(&http, &caller.tenant, count)?;
    for (at, message) in sound.into_iter().enumerate() {
        http.realtime.post(message).await.map_err(|refused| Refused::message(refused, at, count))?;
    }
    Ok(StatusCode::ACCEPTED)
}

/// Broadcast one message.
///
/// The body is the payload: any JSON value, or octets where the content type is `application/octet-stream`. A topic's
/// name is given without the `realtime:` that it has on sockets.
#[utoipa::path(
    post, path = "/api/broadcast/{topic}/events/{event}", operation_id = "broadcastOne", tag = "broadcasts",
    security(("token" = [])),
    params(
        ("topic" = String, Path, description = "Percent-encoded", example = "lobby"),
        ("event" = String, Path, description = "Percent-encoded", example = "cursor"),
        ("private" = Option<bool>, Query, description = "Whether the private topic of that name is meant"),
    ),
    request_body(description = "The payload.", content((Value = "application/json", example = json!({"x": 1})),
        (String = "application/octet-stream"))),
    responses(
        (status = 202, description = "It is on its way"),
        (status = 400, description = "The body is not JSON", body = Refusal),
        (status = 401, description = "No token, or one that proves nothing", body = Refusal),
        (status = 403, description = "The token does not open the topic, or the tenant is suspended", body = Refusal),
        (status = 413, description = "The payload is longer than the tenant allows", body = Refusal),
        (status = 415, description = "The body is compressed", body = Refusal),
        (status = 422, description = "A field is missing or wrong", body = FieldErrors),
        (status = 429, description = "The tenant says too much: see Retry-After", body = Refusal),
        (status = 503, description = "Not everybody heard it: see Retry-After", body = Refusal),
    )
)]
pub(super) async fn one(
    State(http): State<HttpState>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refused> {
    let Path((topic, event)) = path.map_err(|_| Refused::field("path", "must be percent-encoded UTF-8"))?;
    let private = named(&topic, &event, &uri)?;
    arrival::refuse_encoded(&headers)?;
    let max = realtime::bytes_max(&caller.tenant.limits);
    let body = arrival::read(body, max).await?.ok_or(PostRefused::TooLarge { max })?;
    let body = match arrival::is_octets(&headers) {
        true => broadcast::Body::Octets(body),
        false if body.trim_ascii().is_empty() => return Err(Refused::field("payload", BLANK)),
        false => broadcast::Body::Json(batch::json(&body)?.get().to_owned()),
    };
    admit(&http, &caller.tenant, 1)?;
    let (tenant, claims) = (&caller.tenant, &caller.claims);
    let sound = Realtime::check(Post { tenant, claims, topic: &topic, private, event: &event, body })?;
    http.realtime.post(sound).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Checks what the address says, and returns whether the private topic is meant.
fn named(topic: &str, event: &str, uri: &Uri) -> Result<bool, Refused> {
    let private = fields::private_of(uri);
    let complaints = [
        ("topic", fields::topic_complaint(topic)),
        ("event", fields::event_complaint(event)),
        ("private", private.is_none().then(|| INVALID.to_owned())),
    ];
    let errors: Map<_, _> = fields::listed(complaints).collect();
    private.filter(|_| errors.is_empty()).ok_or_else(|| Refused::fields(errors))
}

/// Counts the messages, and refuses them where the tenant says too much.
fn admit(http: &HttpState, tenant: &Tenant, count: usize) -> Result<(), Refused> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    if count > tenant.limits.max_events_per_second {
        return Err(Refused::never_so_many());
    }
    (http.admits_events)(tenant, count).then_some(()).ok_or_else(Refused::too_many)
}

fn batch_bytes_max(limits: &Limits) -> usize {
    let of_one = realtime::bytes_max(limits) + ENVELOPE_BYTES_MAX;
    of_one.saturating_mul(batch::MESSAGES_MAX).min(BATCH_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::BROADCAST_BYTES_MAX;

    #[test]
    fn a_batch_may_be_as_long_as_a_hundred_payloads_but_no_longer_than_8_mib() {
        let of = |max_payload_bytes| batch_bytes_max(&Limits { max_payload_bytes, ..Limits::default() });
        assert_eq!(of(1_024), 100 * (1_024 + 4_096));
        assert_eq!(of(256 * 1_024), 8 * 1_024 * 1_024);
        assert_eq!(of(16 * 1_024 * 1_024), 8 * 1_024 * 1_024);
    }

    #[test]
    fn a_payload_may_be_no_longer_than_nodes_can_pass_on() {
        let of = |max_payload_bytes| realtime::bytes_max(&Limits { max_payload_bytes, ..Limits::default() });
        assert_eq!((of(1_024), of(16 * 1_024 * 1_024)), (1_024, BROADCAST_BYTES_MAX));
    }

    #[test]
    fn every_wrong_part_of_an_address_is_named() {
        let (long, address) = ("x".repeat(300), Uri::from_static("/?private=maybe"));
        let errors = named(" ", &long, &address).expect_err("wrong").to_string();
        let expected = r#"{"errors":{"event":["should be at most 255 byte(s)"],"private":["is invalid"],"topic":["can't be blank"]}}"#;
        assert_eq!(errors, expected);
        assert!(named("t", "e", &Uri::from_static("/?private=true&persist%5Bttl%5D=60&x=%ff")).is_ok_and(|it| it));
    }
}
