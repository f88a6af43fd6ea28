//! Who asks: the token of a request, the tenant it is for, and the person that it proves.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Query},
    http::{HeaderMap, Uri, header, request::Parts},
};

use super::{failure::Failure, state::HttpState};
use crate::{
    auth::{self, AuthError, Tenant},
    gateway::proxies::Client,
    room::{Actor, Code, RoomKey, TokenRole},
};

const TOKEN_HEADERS: [&str; 3] = ["x-api-key", "apikey", "x-auth-token"];
const TOKEN_QUERY_VALUES: [&str; 4] = ["token", "apikey", "api_key", "access_token"];
/// The id of a teacher whose token names none.
const NAMELESS_TEACHER: &str = "teacher";
/// REST has no connections; no socket has this one.
const NO_CONNECTION: u64 = 0;

/// Anybody whose token proves something.
pub(super) struct Caller {
    pub tenant: Arc<Tenant>,
    pub role: TokenRole,
    /// Where guesses of codes are counted.
    pub address: IpAddr,
    sub: Option<String>,
    /// The only room that the token opens, where it names one.
    room: Option<String>,
}

impl FromRequestParts<HttpState> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, Failure> {
        let token = token_of(&parts.headers, &parts.uri).ok_or(AuthError::TokenMissing)?;
        let host = host_of(&parts.headers, &parts.uri);
        let now_s = http.clock.now_s();
        let (tenant, claims) = auth::authenticate(&http.tenants, &token, host, now_s).await?;
        let Ok(client) = Client::from_request_parts(parts, http).await;
        let address = client.counted();
        Ok(Self { tenant, role: claims.role, address, sub: claims.sub, room: claims.room })
    }
}

impl Caller {
    /// See [`Teacher::room`].
    pub fn room(&self, code: &str) -> Result<RoomKey, Failure> {
        room_of(&self.tenant, self.room.as_deref(), code)
    }

    /// Who this is. A student's token must say so, for what is written or read is theirs alone.
    pub fn id(&self) -> Result<&str, Failure> {
        match (self.sub.as_deref(), self.role) {
            (Some(sub), _) => Ok(sub),
            (None, TokenRole::Teacher) => Ok(NAMELESS_TEACHER),
            (None, TokenRole::Student) => {
                Err(Failure::forbidden("the token has no `sub` claim, so it does not say whose data is yours"))
            }
        }
    }

    /// The student whose data alone this may be; None for teachers.
    pub fn only(&self) -> Result<Option<&str>, Failure> {
        match self.role {
            TokenRole::Teacher => Ok(None),
            TokenRole::Student => self.id().map(Some),
        }
    }

    /// Fails unless everything of this person may be read: by teachers, and by the person.
    pub fn may_read_all_of(&self, student_id: &str) -> Result<(), Failure> {
        of_all_rooms(self.room.as_deref())?;
        match self.only()? {
            Some(own) if own != student_id => Err(Failure::forbidden("a student's token shows its own data alone")),
            _ => Ok(()),
        }
    }
}

/// A person whose token proves a teacher.
pub(super) struct Teacher {
    pub tenant: Arc<Tenant>,
    pub id: String,
    /// The only room that the token opens, where it names one.
    room: Option<String>,
}

impl FromRequestParts<HttpState> for Teacher {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, http).await?;
        if caller.role != TokenRole::Teacher {
            return Err(Failure::forbidden("only a teacher may do this: the token's role is student"));
        }
        let id = caller.id()?.to_owned();
        Ok(Self { tenant: caller.tenant, id, room: caller.room })
    }
}

impl Teacher {
    /// The teacher's room of this code. That it is no code, or one that the token does not open, looks like a room
    /// that does not exist.
    pub fn room(&self, code: &str) -> Result<RoomKey, Failure> {
        room_of(&self.tenant, self.room.as_deref(), code)
    }

    /// Fails where the token is good for one room alone.
    pub fn of_all_rooms(&self) -> Result<(), Failure> {
        of_all_rooms(self.room.as_deref())
    }

    pub fn actor(&self) -> Actor {
        Actor { student_id: self.id.clone(), role: TokenRole::Teacher, connection: NO_CONNECTION }
    }
}

fn room_of(tenant: &Tenant, only: Option<&str>, code: &str) -> Result<RoomKey, Failure> {
    let code: Code = code.parse().map_err(|_| Failure::room_not_found())?;
    if only.is_some_and(|only| only != code.as_str()) {
        return Err(Failure::room_not_found());
    }
    Ok(RoomKey { tenant: Arc::clone(&tenant.id), code })
}

fn of_all_rooms(only: Option<&str>) -> Result<(), Failure> {
    match only {
        None => Ok(()),
        Some(_) => Err(Failure::forbidden("the token's `room` claim limits it to that room")),
    }
}

/// The token that a request carries; the first of: `Authorization: Bearer`, the other headers, the query.
pub(super) fn token_of(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let in_query = query_of(uri);
    let in_query = in_query.iter().filter(|(name, _)| TOKEN_QUERY_VALUES.contains(&&**name)).map(|(_, value)| &**value);
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(auth::bearer);
    auth::pick_token(bearer.into_iter().chain(TOKEN_HEADERS.into_iter().filter_map(text)).chain(in_query))
}

/// The values of the query in their order; none where it is broken.
pub(super) fn query_of(uri: &Uri) -> Vec<(String, String)> {
    Query::try_from_uri(uri).map(|Query(values)| values).unwrap_or_default()
}

/// The host that was asked for, with its port. HTTP/2 has it in the address.
pub(super) fn host_of<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let header = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| uri.authority().map(|authority| authority.as_str()))
}

/// The address at the other end of the connection; None when the listener did not record it.
pub(super) fn peer_of(parts: &Parts) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(peer.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn token(uri: &str, headers: &[(&str, &str)]) -> Option<String> {
        let request = headers.iter().fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        token_of(&parts.headers, &parts.uri)
    }

    #[test]
    fn a_token_is_found_wherever_clients_put_it() {
        assert_eq!(token("/", &[("authorization", "Bearer t")]).as_deref(), Some("t"));
        assert_eq!(token("/", &[("authorization", "bearer  t ")]).as_deref(), Some("t"));
        for header in TOKEN_HEADERS {
            assert_eq!(token("/", &[(header, "t")]).as_deref(), Some("t"), "{header}");
        }
        for value in TOKEN_QUERY_VALUES {
            assert_eq!(token(&format!("/?x=1&{value}=t"), &[]).as_deref(), Some("t"), "{value}");
        }
    }

    #[test]
    fn a_bearer_comes_before_the_key_that_supabase_clients_send_with_it() {
        assert_eq!(token("/?token=q", &[("apikey", "k"), ("authorization", "Bearer b")]).as_deref(), Some("b"));
        assert_eq!(token("/?token=q", &[("apikey", "k")]).as_deref(), Some("k"));
    }

    #[test]
    fn a_publishable_key_gives_way_to_a_token_wherever_that_is() {
        let key = ("apikey", "sb_publishable_k");
        assert_eq!(token("/", &[key, ("authorization", "Bearer b")]).as_deref(), Some("b"));
        assert_eq!(token("/?access_token=q", &[key]).as_deref(), Some("q"));
        assert_eq!(token("/?access_token=q", &[key, ("authorization", "Bearer sb_secret_k")]).as_deref(), Some("q"));
        assert_eq!(token("/?token=", &[key]).as_deref(), Some("sb_publishable_k"));
    }

    #[test]
    fn empty_and_foreign_credentials_are_none() {
        for headers in [[("authorization", "Bearer ")], [("authorization", "Basic eDp5")], [("apikey", "")]] {
            assert_eq!(token("/?token=&other=t", &headers), None);
        }
    }
}
