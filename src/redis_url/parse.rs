//! From the text to the deployment. No error repeats a part of the text that could belong to a password.

use core::net::Ipv6Addr;

use thiserror::Error;

use super::{Address, Deployment, RedisUrl};
use crate::auth::Secret;

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const URL_BYTES_MAX: usize = 8_192;
const ADDRESSES_MAX: usize = 64;
const PREFIX_BYTES_MAX: usize = 64;
const REPLICAS_MAX: u32 = 8;
const DATABASE_MAX: u8 = 15;

/// What is wrong with a `redis_url`, and what it must be. A password is never part of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadRedisUrl {
    #[error("redis_url must not be longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    #[error("the scheme of redis_url must be one of redis://, rediss://, redis-sentinel://, redis-cluster://")]
    Scheme,
    #[error(
        "redis_url has a `@` behind its hosts: in a user or password write / as %2F, ? as %3F, # as %23, \
         and in a query value @ as %40"
    )]
    LateAt,
    #[error("redis_url must not have a `#`: in a user or password write it as %23")]
    Fragment,
    #[error("the user and password of redis_url must be user:password@, or :password@ for the default user")]
    Credentials,
    #[error("{part} of redis_url must have two hexadecimal digits behind each %, and be UTF-8 once decoded")]
    Escape { part: &'static str },
    #[error("host {number} of redis_url must be a host name, an IPv4 address, or an IPv6 address in brackets")]
    Host { number: usize },
    #[error("the port of host {number} of redis_url must be a number from 1 to 65535")]
    Port { number: usize },
    #[error("redis_url must name one host: for several use redis-sentinel:// or redis-cluster://")]
    SeveralHosts,
    #[error("redis_url must not name more than {ADDRESSES_MAX} hosts")]
    TooManyHosts,
    #[error("the path of redis_url must be the service that the Sentinels watch, such as /mymaster or /mymaster/0")]
    Service,
    #[error("the database of redis_url must be a number from 0 to {DATABASE_MAX}, such as /0")]
    Database,
    #[error("redis_url must name no database but 0: a Redis Cluster has no other")]
    ClusterDatabase,
    #[error("redis_url has a query key that is not known here: it must be one of {known}")]
    UnknownKey { known: String },
    #[error("{key} must stand in the query of redis_url only once")]
    RepeatedKey { key: &'static str },
    #[error("prefix in redis_url must be at most {PREFIX_BYTES_MAX} letters, digits, `.`, `_`, `-` or `:`")]
    Prefix,
    #[error("replicas in redis_url must be a number from 0 to {REPLICAS_MAX}")]
    Replicas,
    #[error("tls in redis_url must be true or false")]
    Tls,
    #[error("sentinel_username in redis_url must have a sentinel_password beside it")]
    SentinelPassword,
}

/// What a scheme stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Standalone { tls: bool },
    Sentinel,
    Cluster,
}

impl Kind {
    fn split(url: &str) -> Result<(Self, &str), BadRedisUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(BadRedisUrl::Scheme)?;
        let kind = match scheme {
            "redis" => Self::Standalone { tls: false },
            "rediss" => Self::Standalone { tls: true },
            "redis-sentinel" => Self::Sentinel,
            "redis-cluster" => Self::Cluster,
            _ => return Err(BadRedisUrl::Scheme),
        };
        Ok((kind, rest))
    }

    fn known_keys(self) -> &'static [&'static str] {
        match self {
            Self::Standalone { .. } => &["prefix", "replicas"],
            Self::Sentinel => &["prefix", "replicas", "tls", "sentinel_username", "sentinel_password"],
            Self::Cluster => &["prefix", "replicas", "tls"],
        }
    }
}

impl RedisUrl {
    /// Reads a URL in one of the forms above.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(url: &str) -> Result<Self, BadRedisUrl> {
        if url.len() > URL_BYTES_MAX {
            return Err(BadRedisUrl::TooLong);
        }
        let (kind, rest) = Kind::split(url)?;
        let (authority, path_and_query) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // First of all, because what stands there may be the rest of a password.
        if path_and_query.contains('@') {
            return Err(BadRedisUrl::LateAt);
        }
        if path_and_query.contains('#') {
            return Err(BadRedisUrl::Fragment);
        }
        let (username, password, hosts) = match authority.rsplit_once('@') {
            Some((userinfo, hosts)) => {
                let (username, password) = credentials(userinfo)?;
                (username, Some(password), hosts)
            }
            None => (None, None, authority),
        };
        let addresses = addresses(hosts, if kind == Kind::Sentinel { SENTINEL_PORT } else { REDIS_PORT })?;
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let query = Query::read(kind, query)?;
        let path = path.strip_prefix('/').unwrap_or(path);
        let (deployment, database) = match kind {
            Kind::Standalone { .. } => (standalone(addresses)?, database(path)?),
            Kind::Sentinel => sentinel(addresses, path, &query)?,
            Kind::Cluster => match database(path)? {
                0 => (Deployment::Cluster(addresses), 0),
                _ => return Err(BadRedisUrl::ClusterDatabase),
            },
        };
        let tls = match kind {
            Kind::Standalone { tls } => tls,
            Kind::Sentinel | Kind::Cluster => query.tls()?,
        };
        let prefix = query.prefix()?;
        let replicas = query.replicas(u32::from(kind == Kind::Sentinel))?;
        Ok(Self { deployment, tls, username, password, database, prefix, replicas })
    }
}

/// What stands before the `@`.
fn credentials(userinfo: &str) -> Result<(Option<String>, Secret), BadRedisUrl> {
    let (username, password) = userinfo.split_once(':').ok_or(BadRedisUrl::Credentials)?;
    if password.is_empty() {
        return Err(BadRedisUrl::Credentials);
    }
    let username = decode(username).ok_or(BadRedisUrl::Escape { part: "the user" })?;
    let password = decode(password).ok_or(BadRedisUrl::Escape { part: "the password" })?;
    Ok(((!username.is_empty()).then_some(username), password.into()))
}

fn addresses(hosts: &str, default_port: u16) -> Result<Vec<Address>, BadRedisUrl> {
    if hosts.split(',').count() > ADDRESSES_MAX {
        return Err(BadRedisUrl::TooManyHosts);
    }
    hosts.split(',').zip(1..).map(|(text, number)| address(text, number, default_port)).collect()
}

fn address(text: &str, number: usize, default_port: u16) -> Result<Address, BadRedisUrl> {
    let bad_host = BadRedisUrl::Host { number };
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or_else(|| bad_host.clone())?;
            host.parse::<Ipv6Addr>().map_err(|_| bad_host.clone())?;
            let port = match rest {
                "" => None,
                _ => Some(rest.strip_prefix(':').ok_or(bad_host)?),
            };
            (host, port)
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if !(1..=253).contains(&host.len()) || !host.chars().all(good) {
                return Err(bad_host);
            }
            (host, port)
        }
    };
    let port = match port {
        None => default_port,
        Some(port) => number_in(port, 1, u16::MAX).ok_or(BadRedisUrl::Port { number })?,
    };
    Ok(Address { host: host.to_owned(), port })
}

fn standalone(addresses: Vec<Address>) -> Result<Deployment, BadRedisUrl> {
    let [address]: [Address; 1] = addresses.try_into().map_err(|_| BadRedisUrl::SeveralHosts)?;
    Ok(Deployment::Standalone(address))
}

fn sentinel(sentinels: Vec<Address>, path: &str, query: &Query) -> Result<(Deployment, u8), BadRedisUrl> {
    let (service, rest) = path.split_once('/').unwrap_or((path, ""));
    // What Redis allows as the name of a service.
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if service.is_empty() || !service.chars().all(good) {
        return Err(BadRedisUrl::Service);
    }
    let (username, password) = (query.get("sentinel_username"), query.get("sentinel_password"));
    if username.is_some() && password.is_none() {
        return Err(BadRedisUrl::SentinelPassword);
    }
    let deployment = Deployment::Sentinel {
        sentinels,
        service: service.to_owned(),
        username: username.map(str::to_owned),
        password: password.map(|password| password.to_owned().into()),
    };
    Ok((deployment, database(rest)?))
}

fn database(path: &str) -> Result<u8, BadRedisUrl> {
    match path {
        "" => Ok(0),
        _ => number_in(path, 0, DATABASE_MAX).ok_or(BadRedisUrl::Database),
    }
}

/// The query's pairs, decoded: only known keys, each once, none empty.
struct Query(Vec<(&'static str, String)>);

impl Query {
    fn read(kind: Kind, query: &str) -> Result<Self, BadRedisUrl> {
        let known = kind.known_keys();
        let mut pairs: Vec<(&'static str, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(key) = known.iter().copied().find(|known| *known == key) else {
                // Not named: behind a raw `&` it may be the rest of a password.
                return Err(BadRedisUrl::UnknownKey { known: known.join(", ") });
            };
            if pairs.iter().any(|(earlier, _)| *earlier == key) {
                return Err(BadRedisUrl::RepeatedKey { key });
            }
            pairs.push((key, decode(value).ok_or(BadRedisUrl::Escape { part: key })?));
        }
        Ok(Self(pairs))
    }

    /// An empty value is none.
    fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == key);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn prefix(&self) -> Result<String, BadRedisUrl> {
        let prefix = self.get("prefix").unwrap_or_default();
        let good = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
        if prefix.len() > PREFIX_BYTES_MAX || !prefix.chars().all(good) {
            return Err(BadRedisUrl::Prefix);
        }
        Ok(prefix.to_owned())
    }

    fn replicas(&self, default: u32) -> Result<u32, BadRedisUrl> {
        match self.get("replicas") {
            None => Ok(default),
            Some(text) => number_in(text, 0, REPLICAS_MAX).ok_or(BadRedisUrl::Replicas),
        }
    }

    fn tls(&self) -> Result<bool, BadRedisUrl> {
        match self.get("tls") {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(BadRedisUrl::Tls),
        }
    }
}

/// A number of digits alone, in a range.
fn number_in<T: std::str::FromStr + PartialOrd>(text: &str, min: T, max: T) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (min..=max).contains(number))
}

/// Percent-decoding; None where an escape is cut off or the result is not UTF-8. A `+` stays one.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            let digit = |at: usize| digits.get(at).and_then(|digit| char::from(*digit).to_digit(16));
            bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
            rest = tail;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
