//! Handshakes: who may open a socket, and the answers to those who may not.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest, RawQuery, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::upgrade::OnUpgrade;
use serde_json::{Value, json};

use super::{
    Gateway,
    addresses::{Held, TooMany},
    connection::Connection,
    credentials::{self, Query},
    handshake::{Admitted, NoHandshake, switch_protocols},
    longpoll::{Gone, Polled, PostFailed, Session},
    longpoll_token::{SessionToken, is_session_token},
    proxies::Client,
    redelivery::Delivered,
    websocket,
};
use crate::{
    auth::{AuthError, Named, authenticate},
    channels::Peer,
    protocol::Vsn,
    telemetry::count,
};

/// A long-poll request's body: a hundred lines of the greatest payload would be too much for one.
const LONGPOLL_BODY_MAX: usize = 8 * 1024 * 1024;
/// How long such a body may take to arrive.
const LONGPOLL_BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// The sockets' routes, under both mounts.
pub fn routes(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new();
    for mount in ["/socket", "/realtime/v1"] {
        router = router.route(&format!("{mount}/websocket"), get(open_websocket)).route(
            &format!("{mount}/longpoll"),
            get(poll).post(post).options(preflight).layer(DefaultBodyLimit::max(LONGPOLL_BODY_MAX)),
        );
    }
    router.with_state(gateway)
}

/// Why a handshake is refused.
enum Refused {
    /// Phoenix answers this one with an empty body.
    BadVsn,
    Auth(AuthError),
    /// A page of this origin, which is not in the tenant's list.
    Origin {
        origin: Named,
        tenant: Arc<str>,
    },
    TooManyUsers {
        tenant: Arc<str>,
    },
    TooManyOfAddress {
        why: TooMany,
        retry_after_s: u32,
    },
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadVsn | Self::Origin { .. } => StatusCode::FORBIDDEN,
            Self::Auth(error) => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED),
            Self::TooManyUsers { .. } | Self::TooManyOfAddress { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn cause(&self) -> &'static str {
        match self {
            Self::BadVsn => "vsn",
            Self::Auth(error) => error.code(),
            Self::Origin { .. } => "origin",
            Self::TooManyUsers { .. } => "users",
            Self::TooManyOfAddress { why: TooMany::Handshakes, .. } => "address_rate",
            Self::TooManyOfAddress { why: TooMany::Sockets, .. } => "address_sockets",
        }
    }

    /// Whose socket it would have been, as far as that was proven.
    fn tenant(&self) -> Option<&str> {
        match self {
            Self::BadVsn | Self::Auth(_) | Self::TooManyOfAddress { .. } => None,
            Self::Origin { tenant, .. } | Self::TooManyUsers { tenant } => Some(tenant),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadVsn => f.write_str("this `vsn` is not spoken here"),
            Self::Auth(error) => write!(f, "{}: {error}", error.code()),
            Self::Origin { origin, tenant } => {
                write!(
                    f,
                    "OriginNotAllowed: origin {origin} is not in tenant `{tenant}`'s list: add it to its `origins`"
                )
            }
            Self::TooManyUsers { .. } => f.write_str("ConnectionRateLimitReached: Too many connected users"),
            Self::TooManyOfAddress { why, retry_after_s } => {
                let what = match why {
                    TooMany::Handshakes => "opens connections faster than it may",
                    TooMany::Sockets => "has as many open connections as it may",
                };
                write!(f, "AddressLimitReached: your address {what}: try again in {retry_after_s} s")
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::BadVsn => self.status().into_response(),
            Self::TooManyOfAddress { retry_after_s, .. } => {
                let body = axum::Json(json!({ "error": self.to_string() }));
                (self.status(), [(header::RETRY_AFTER, retry_after_s.to_string())], body).into_response()
            }
            refused => (refused.status(), axum::Json(json!({ "error": refused.to_string() }))).into_response(),
        }
    }
}

/// Browsers show a page nothing of a refused handshake but that there was one: so whoever runs the node can see why.
fn note_refused(gateway: &Gateway, refused: &Refused) {
    count(&gateway.metrics.handshakes_refused, refused.cause());
    if gateway.settings.dev {
        tracing::info!(tenant.id = refused.tenant(), error = %refused, "a handshake was refused");
    } else {
        tracing::debug!(tenant.id = refused.tenant(), error = %refused, "a handshake was refused");
    }
}

async fn open_websocket(
    State(gateway): State<Arc<Gateway>>,
    client: Client,
    RawQuery(query): RawQuery,
    mut request: Request,
) -> Response {
    let query = Query::parse(query.as_deref());
    let admitted = match admit(&gateway, &query, request.headers(), &client).await {
        Ok(admitted) => admitted,
        Err(refused) => {
            note_refused(&gateway, &refused);
            return refused.into_response();
        }
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return NoHandshake::NotAsked.into_response();
    };
    let speaks_phoenix = credentials::subprotocol(request.headers()).phoenix;
    match switch_protocols(request.headers(), speaks_phoenix) {
        Ok(response) => {
            tokio::spawn(websocket::serve(upgrade, gateway, admitted));
            response
        }
        Err(no_handshake) => {
            count(&gateway.metrics.handshakes_refused, "handshake");
            no_handshake.into_response()
        }
    }
}

/// Everything that has to hold before there is a socket.
async fn admit(
    gateway: &Arc<Gateway>,
    query: &Query,
    headers: &HeaderMap,
    client: &Client,
) -> Result<Admitted, Refused> {
    // First of all: a flood must not cost the proof of a token each.
    let held = hold_address(gateway, client)?;
    let vsn = vsn(query).ok_or(Refused::BadVsn)?;
    let token = credentials::token(query, headers, is_session_token).ok_or(Refused::Auth(AuthError::TokenMissing))?;
    let host = text(headers, header::HOST);
    let now_s = gateway.clock.now_s();
    let (tenant, claims) = authenticate(&gateway.tenants, &token, host, now_s).await.map_err(Refused::Auth)?;
    if !tenant.allows_origin(text(headers, header::ORIGIN), host, gateway.settings.dev) {
        let origin = Named::host(text(headers, header::ORIGIN).unwrap_or_default());
        return Err(Refused::Origin { origin, tenant: tenant.id.clone() });
    }
    let place = gateway.uses.enter(&tenant.id, tenant.limits.max_concurrent_users, gateway.clock.boot_us());
    let place = place.ok_or_else(|| {
        gateway.metrics.tenants.note_refused(&tenant.id);
        Refused::TooManyUsers { tenant: tenant.id.clone() }
    })?;
    let peer = Peer { tenant, claims: Arc::new(claims), address: client.counted() };
    Ok(Admitted { peer, vsn, place, held })
}

fn hold_address(gateway: &Gateway, client: &Client) -> Result<Held, Refused> {
    let held = gateway.addresses.open_socket(client, gateway.clock.boot_us());
    held.map_err(|why| Refused::TooManyOfAddress { why, retry_after_s: gateway.addresses.retry_after_s(why) })
}

/// Absent is V1; a list (`vsn[]=`, or the name twice) is nothing that a client of Phoenix sends.
fn vsn(query: &Query) -> Option<Vsn> {
    let is_list = query.names().any(|name| name.starts_with("vsn["));
    let mut values = query.all("vsn");
    let value = values.next();
    if is_list || values.next().is_some() {
        return None;
    }
    Vsn::parse(value).ok()
}

async fn poll(
    State(gateway): State<Arc<Gateway>>,
    client: Client,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = Query::parse(query.as_deref());
    let origin = headers.get(header::ORIGIN).cloned();
    let response = match session_token(&query, &headers) {
        Some(shown) => poll_session(&gateway, &shown).await,
        None => open_session(&gateway, &query, &headers, &client).await,
    };
    with_cors(response, origin)
}

async fn open_session(gateway: &Arc<Gateway>, query: &Query, headers: &HeaderMap, client: &Client) -> Response {
    match admit(gateway, query, headers, client).await {
        Ok(admitted) => {
            let connection = Connection::new(gateway.clone(), admitted, None);
            let session = gateway.long_polls.open(&gateway.metrics, connection);
            let token = SessionToken { node: gateway.node.to_string(), session, received: 0 };
            status(json!({ "status": 410, "token": gateway.token_key.sign(&token) }))
        }
        Err(refused) => {
            note_refused(gateway, &refused);
            // In the body, phoenix.js throws on any other status; it does not look at HTTP's.
            let mut response = status(json!({ "status": 403, "error": refused.to_string() }));
            if let Refused::TooManyOfAddress { retry_after_s, .. } = refused {
                *response.status_mut() = refused.status();
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
            }
            response
        }
    }
}

async fn poll_session(gateway: &Gateway, shown: &str) -> Response {
    let Some((token, session)) = find_session(gateway, shown) else {
        return gone();
    };
    let batch = match session.poll(token.received).await {
        Err(Gone) => return gone(),
        Ok(Polled::Nothing | Polled::Superseded) => {
            return status(json!({ "status": 204, "token": shown, "messages": [] }));
        }
        Ok(Polled::Batch(batch)) => batch,
    };
    let last = batch.last;
    // A client that has shown a newer token than its first will show what it has received, and needs no help.
    let shows_what_it_has = token.received > 0;
    let next = gateway.token_key.sign(&SessionToken { received: last, ..token });
    let body = json!({ "status": 200, "token": next, "messages": batch.messages });
    if shows_what_it_has {
        return status(body);
    }
    json_response(Body::new(Delivered::new(body.to_string(), async move { session.received(last).await })))
}

async fn post(
    State(gateway): State<Arc<Gateway>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let query = Query::parse(query.as_deref());
    let origin = headers.get(header::ORIGIN).cloned();
    let body = match tokio::time::timeout(LONGPOLL_BODY_TIME_MAX, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(broken)) => return with_cors(broken.into_response(), origin),
        Err(_) => return with_cors(StatusCode::REQUEST_TIMEOUT.into_response(), origin),
    };
    let session = session_token(&query, &headers).and_then(|shown| find_session(&gateway, &shown));
    let response = match session {
        None => gone(),
        Some((_, session)) => match session.post(text(&headers, header::CONTENT_TYPE), &body).await {
            Ok(()) => status(json!({ "status": 200 })),
            Err(PostFailed::Gone) => gone(),
            Err(PostFailed::Slow) => status(json!({ "status": 408 })),
            Err(PostFailed::TooManyLines) => status(json!({ "status": 413 })),
        },
    };
    with_cors(response, origin)
}

/// What a session's token says, and the way to the session, on whichever node it is.
fn find_session(gateway: &Gateway, shown: &str) -> Option<(SessionToken, Session)> {
    let token = gateway.token_key.read(shown)?;
    let session = gateway.long_polls.reach(&gateway.node, &gateway.calls, &token)?;
    Some((token, session))
}

async fn preflight(headers: HeaderMap) -> Response {
    with_cors(StatusCode::NO_CONTENT.into_response(), headers.get(header::ORIGIN).cloned())
}

/// The header counts before the query, where the application's own token may stand beside it.
fn session_token(query: &Query, headers: &HeaderMap) -> Option<String> {
    let in_header = headers.get("x-phoenix-longpoll-token").and_then(|value| value.to_str().ok());
    in_header.or_else(|| query.all("token").find(|value| is_session_token(value))).map(str::to_owned)
}

fn gone() -> Response {
    status(json!({ "status": 410 }))
}

/// HTTP 200 always; the real status is in the body.
fn status(body: Value) -> Response {
    json_response(Body::from(body.to_string()))
}

fn json_response(body: Body) -> Response {
    let json = HeaderValue::from_static("application/json");
    let no_store = HeaderValue::from_static("no-store");
    ([(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, no_store)], body).into_response()
}

/// As Phoenix' long poll: the session's token is what protects it, so any page may ask; what opens a session has
/// been checked against the tenant's origins.
fn with_cors(mut response: Response, origin: Option<HeaderValue>) -> Response {
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(
                "content-type, x-phoenix-authtoken, x-phoenix-longpoll-token, x-api-key, x-auth-token, apikey, authorization",
            ),
        );
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
