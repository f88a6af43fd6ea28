//! What a broadcast gets that is not sent, in Supabase's form: `{"message": "…"}`, and `{"errors": {…}}` for 422.

use std::fmt;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{MOUNT, PATHS, batch::BadBatch, fields::BLANK};
use crate::{auth::AuthError, channels::realtime::PostRefused};

/// When to come back: the limits count by the second, and stores are usually back as soon.
const RETRY_AFTER_S: u32 = 1;

/// A broadcast that is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Refused {
    pub status: StatusCode,
    body: Value,
}

/// Why a broadcast was not sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the answer")]
pub(in crate::http) struct Refusal {
    /// For people, and for the clients that show it to them.
    #[schema(example = "Too many messages per second")]
    message: String,
}

/// What is wrong with a broadcast's fields.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the answer")]
#[schema(example = json!({"errors": {"messages": [{"topic": ["can't be blank"]}, {}]}}))]
pub(in crate::http) struct FieldErrors {
    /// Each wrong field with its list of complaints; in a batch `messages`, with such an object for each message.
    errors: Value,
}

impl Refused {
    pub fn says(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, body: json!({ "message": message.into() }) }
    }

    /// Each wrong field with its complaints.
    pub fn fields(errors: Map<String, Value>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body: json!({ "errors": errors }) }
    }

    pub fn field(field: &str, complaint: &str) -> Self {
        Self::fields(Map::from_iter([(field.to_owned(), json!([complaint]))]))
    }

    pub fn too_many() -> Self {
        Self::says(StatusCode::TOO_MANY_REQUESTS, "Too many messages per second")
    }

    /// A batch that no second of the tenant's has room for.
    pub fn never_so_many() -> Self {
        let message = "Too many messages to broadcast, please reduce the batch size";
        Self::says(StatusCode::TOO_MANY_REQUESTS, message)
    }

    pub fn batch_too_large(bytes_max: usize) -> Self {
        let message = format!("payload_size_exceeded: the body is longer than {bytes_max} bytes");
        Self::says(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// Of a batch of which nothing was sent yet.
    pub fn payload_too_large(at: usize, bytes_max: usize) -> Self {
        let which = at.saturating_add(1);
        let message = format!("payload_size_exceeded: the payload of message {which} is longer than {bytes_max} bytes");
        Self::says(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// Of the message `at` this place in a batch of `count`, of which none is sent unless it is unavailability that ends it.
    pub fn message(refused: PostRefused, at: usize, count: usize) -> Self {
        if let PostRefused::BadField { field, message } = refused {
            let complaint = json!({ field: [message] });
            let errors: Vec<_> = (0..count).map(|of| if of == at { complaint.clone() } else { json!({}) }).collect();
            return Self::fields(Map::from_iter([("messages".to_owned(), json!(errors))]));
        }
        let which = at.saturating_add(1);
        let fate = match refused {
            PostRefused::Unavailable(_) => "those after it were not sent",
            _ => "none was sent",
        };
        let place = format!(" (message {which} of {count}: {fate})");
        let text = if count > 1 { format!("{refused}{place}") } else { refused.to_string() };
        Self::says(status(&refused), text)
    }
}

/// The answer as its body has it.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            }
            _ => {}
        }
        response
    }
}

/// A tenant that does not exist is a 401: its 404 would mean an old server.
impl From<AuthError> for Refused {
    fn from(error: AuthError) -> Self {
        let status = StatusCode::from_u16(error.status()).ok().filter(|status| *status != StatusCode::NOT_FOUND);
        Self::says(status.unwrap_or(StatusCode::UNAUTHORIZED), error.to_string())
    }
}

impl From<BadBatch> for Refused {
    fn from(bad: BadBatch) -> Self {
        match bad {
            BadBatch::NotJson { .. } => Self::says(StatusCode::BAD_REQUEST, bad.to_string()),
            BadBatch::Fields(errors) => Self::fields(errors),
        }
    }
}

impl From<PostRefused> for Refused {
    fn from(refused: PostRefused) -> Self {
        match refused {
            PostRefused::BadField { field, message } => Self::field(field, &message),
            other => Self::says(status(&other), other.to_string()),
        }
    }
}

fn status(refused: &PostRefused) -> StatusCode {
    match refused {
        PostRefused::BadField { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        PostRefused::Unauthorized(_) => StatusCode::FORBIDDEN,
        PostRefused::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        PostRefused::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The rest of a path that begins where broadcasts are sent to.
fn below_broadcasts(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(MOUNT).unwrap_or(path).strip_prefix(PATHS[0])?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The answer at an address that is no route but nearly one; None where it is nothing of ours.
pub(in crate::http) fn astray(path: &str) -> Option<Refused> {
    let Some(rest) = below_broadcasts(path) else {
        // An address too many or too few in a client's settings ends here; to a 404 they say that the server is too old.
        let is_ours = path.strip_prefix(MOUNT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        return is_ours.then(|| Refused::says(StatusCode::BAD_REQUEST, BAD_ADDRESS));
    };
    let parts: Vec<_> = rest.split('/').skip(1).collect();
    Some(match parts.as_slice() {
        [topic, "events", event] if topic.is_empty() || event.is_empty() => {
            let blank = [("topic", topic), ("event", event)].into_iter().filter(|(_, part)| part.is_empty());
            Refused::fields(blank.map(|(field, _)| (field.to_owned(), json!([BLANK]))).collect())
        }
        _ => Refused::field("path", &format!("must be {} or {}, percent-encoded", PATHS[0], PATHS[1])),
    })
}

/// The answer to another method than POST; None where the path is nothing of ours.
pub(in crate::http) fn wrong_method(path: &str) -> Option<Refused> {
    below_broadcasts(path)?;
    Some(Refused::says(StatusCode::METHOD_NOT_ALLOWED, "broadcasts are sent with POST"))
}

/// What whoever came to an address that is none of ours has probably set wrong.
const BAD_ADDRESS: &str = "BadAddress: there is nothing here: createClient of supabase-js wants the address alone, \
                           https://host, and realtime of Python wss://host/realtime/v1, without a slash at its end";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::Named;

    fn of(refused: impl Into<Refused>) -> (u16, Value) {
        let refused = refused.into();
        (refused.status.as_u16(), refused.body)
    }

    #[test]
    fn a_token_that_proves_nothing_is_a_401_and_never_a_404() {
        assert_eq!(of(AuthError::TenantUnknown { claimed: Named::tenant("acmee") }).0, 401);
        assert_eq!(of(AuthError::TenantSuspended { tenant: Arc::from("acme") }).0, 403);
        let message = "the token has expired: its `exp` claim lies 9 s in the past";
        assert_eq!(of(AuthError::Expired { ago_s: 9 }), (401, json!({ "message": message })));
    }

    #[test]
    fn a_broadcast_that_the_topic_refuses_says_whose_fault_it_is() {
        let field = PostRefused::BadField { field: "event", message: "is reserved".into() };
        assert_eq!(of(field), (422, json!({"errors": {"event": ["is reserved"]}})));
        assert_eq!(of(PostRefused::Unauthorized("no".into())), (403, json!({"message": "no"})));
        let (status, body) = of(PostRefused::TooLarge { max: 9 });
        assert!(
            status == 413 && body["message"].as_str().is_some_and(|text| text.starts_with("payload_size_exceeded"))
        );
        assert_eq!(of(PostRefused::Unavailable("later".into())).0, 503);
    }

    #[test]
    fn a_message_that_is_refused_amid_a_batch_is_named_with_what_became_of_the_others() {
        let unauthorized = || PostRefused::Unauthorized("no".into());
        assert_eq!(of(Refused::message(unauthorized(), 0, 1)), (403, json!({"message": "no"})));
        let text = "no (message 2 of 3: none was sent)";
        assert_eq!(of(Refused::message(unauthorized(), 1, 3)), (403, json!({ "message": text })));
        let field = PostRefused::BadField { field: "event", message: "is reserved".into() };
        let errors = json!({"errors": {"messages": [{}, {"event": ["is reserved"]}]}});
        assert_eq!(of(Refused::message(field, 1, 2)), (422, errors));
    }

    #[test]
    fn limits_and_outages_say_when_to_come_back() {
        let outage: Refused = PostRefused::Unavailable("later".into()).into();
        for refused in [Refused::too_many(), outage] {
            assert_eq!(refused.into_response().headers()[header::RETRY_AFTER], "1");
        }
    }

    #[test]
    fn an_address_that_is_nearly_right_is_a_422_and_only_below_the_mounts() {
        let blank = json!(["can't be blank"]);
        for mount in ["", "/realtime/v1"] {
            let at = |rest: &str| astray(&format!("{mount}/api/broadcast{rest}")).map(of);
            assert_eq!(at("/t/events/"), Some((422, json!({"errors": {"event": blank}}))));
            assert_eq!(at("//events/e"), Some((422, json!({"errors": {"topic": blank}}))));
            assert_eq!(at("//events/"), Some((422, json!({"errors": {"topic": blank, "event": blank}}))));
            for wrong in ["/", "/t", "/t/events", "/t/event/e", "/a/b/events/e", "/t/events/e/f", "/t/events/e/"] {
                assert!(at(wrong).is_some_and(|(status, body)| status == 422 && body["errors"]["path"].is_array()));
            }
        }
        for address in [
            "/realtime/v1",
            "/realtime/v1//websocket",
            "/realtime/v1/realtime/v1/websocket",
            "/realtime/v1/api/nothing",
        ] {
            assert_eq!(astray(address).map(|refused| refused.status.as_u16()), Some(400), "{address}");
        }
        for foreign in ["/api/nothing", "/api/broadcasts", "/realtime/v10", "/"] {
            assert_eq!(astray(foreign), None, "{foreign}");
        }
    }
}
