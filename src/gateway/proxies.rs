//! Whose request it is behind proxies. What a proxy says of its client is believed only from those that the operator
//! named; anybody else may write such a header too.

use std::{
    convert::Infallible,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use thiserror::Error;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Networks that may be named: each hop of each request is held against all of them.
const NETWORKS_MAX: usize = 256;

/// Where a request came from, as far as anybody who is believed knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The nearest address that is no trusted proxy's; all that have none share one.
    pub address: IpAddr,
    /// Whoever asks sits at this very machine.
    pub is_local: bool,
    /// A trusted proxy says that it was asked over TLS.
    pub is_secure: bool,
    /// The other end is no trusted proxy, and yet names somebody whom it speaks for.
    pub is_forwarded_by_a_stranger: bool,
}

impl Client {
    /// Nobody stands between: the other end of the connection.
    pub fn direct(peer: IpAddr) -> Self {
        let address = peer.to_canonical();
        let is_local = address.is_loopback();
        Self { address, is_local, is_secure: false, is_forwarded_by_a_stranger: false }
    }

    /// As limits count it. A household, or a phone, has 2⁶⁴ addresses of IPv6 for itself.
    pub fn counted(&self) -> IpAddr {
        counted(self.address)
    }
}

/// See [`Client::counted`].
pub fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// What the listener noted, else the other end of the connection, else nobody.
impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let noted = parts.extensions.get::<Self>().copied();
        let peer = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        Ok(noted.unwrap_or_else(|| Self::direct(peer().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))))
    }
}

/// A text that names no networks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadNetworks {
    #[error("`{0}` is no network")]
    NoNetwork(String),
    #[error("these are more than {NETWORKS_MAX} networks")]
    TooMany,
}

/// The networks whose word about their clients is believed. None by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Where a request over a connection from `peer` came from.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let direct = Client::direct(peer);
        if !self.trust(direct.address) {
            let names_others = headers.contains_key(FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
            return Client { is_forwarded_by_a_stranger: names_others, ..direct };
        }
        let address = self.nearest_stranger(direct.address, headers);
        let is_local = direct.is_local && address.is_loopback();
        Client { address, is_local, is_secure: says_tls(headers), ..direct }
    }

    /// Whether this is one of them.
    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// A proxy that writes one of the two headers passes the other on as whoever asked wrote it. So where both are
    /// there and name different clients, neither is believed: the client is the proxy.
    fn nearest_stranger(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let listed = headers.contains_key(FORWARDED_FOR).then(|| self.last_hop(peer, hops_listed(headers)));
        let forwarded = headers.contains_key(header::FORWARDED).then(|| self.last_hop(peer, hops_forwarded(headers)));
        match (listed, forwarded) {
            (Some(listed), Some(forwarded)) if listed != forwarded => peer,
            (listed, forwarded) => listed.or(forwarded).unwrap_or(peer),
        }
    }

    /// From the nearest hop on, past those that are trusted. Behind one that nobody can read, nobody is believed.
    fn last_hop(&self, peer: IpAddr, hops: Vec<Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            let Some(address) = hop else { break };
            client = address;
            if !self.trust(address) {
                break;
            }
        }
        client
    }
}

/// Networks in CIDR notation, or single addresses, with commas between.
impl FromStr for TrustedProxies {
    type Err = BadNetworks;

    fn from_str(text: &str) -> Result<Self, BadNetworks> {
        let named = text.split(',').map(str::trim).filter(|network| !network.is_empty());
        let networks: Vec<_> = named.map(str::parse).collect::<Result<_, _>>()?;
        if networks.len() > NETWORKS_MAX {
            return Err(BadNetworks::TooMany);
        }
        Ok(Self(networks))
    }
}

/// The addresses that share the first `bits` bits of `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    bits: u32,
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let beyond = 32 - self.bits;
                u64::from(first.to_bits()) >> beyond == u64::from(address.to_bits()) >> beyond
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differing = first.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = BadNetworks;

    fn from_str(text: &str) -> Result<Self, BadNetworks> {
        let bad = || BadNetworks::NoNetwork(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.parse().map_err(|_| bad())?;
        let bits_max = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(bits_max), str::parse).map_err(|_| bad())?;
        if bits > bits_max {
            return Err(bad());
        }
        Ok(Self { first, bits })
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Network { first, bits }) in self.0.iter().enumerate() {
            let separator = if at > 0 { "," } else { "" };
            write!(f, "{separator}{first}/{bits}")?;
        }
        Ok(())
    }
}

/// `X-Forwarded-For: client, proxy, proxy`; several headers are one.
fn hops_listed(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all(FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or("?"));
    values.flat_map(|value| value.split(',')).map(hop).collect()
}

/// `Forwarded: for=client;proto=https, for="[2001:db8::1]:443"` (RFC 7239).
fn hops_forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all(header::FORWARDED).iter().map(|value| value.to_str().unwrap_or("?"));
    values.flat_map(|value| split_unquoted(value, ',')).map(|element| hop(&parameter(element, "for")?)).collect()
}

fn says_tls(headers: &HeaderMap) -> bool {
    let texts = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let is_tls = |scheme: &str| scheme.trim().eq_ignore_ascii_case("https");
    texts(FORWARDED_PROTO).flat_map(|value| value.split(',')).any(is_tls)
        || texts(header::FORWARDED)
            .flat_map(|value| split_unquoted(value, ','))
            .any(|element| parameter(element, "proto").is_some_and(|scheme| is_tls(&scheme)))
}

/// The value of a parameter of one element of `Forwarded`, out of its quotes.
fn parameter(element: &str, name: &str) -> Option<String> {
    let mut pairs = split_unquoted(element, ';').into_iter().filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| found.trim().eq_ignore_ascii_case(name))?;
    let value = value.trim();
    let Some(quoted) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let mut unquoted = String::with_capacity(quoted.len());
    let mut chars = quoted.strip_suffix('"')?.chars();
    while let Some(c) = chars.next() {
        unquoted.push(if c == '\\' { chars.next()? } else { c });
    }
    Some(unquoted)
}

/// The parts between separators, except those within quotes.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`. None for
/// `unknown`, a hidden name (`_proxy`), and whatever else somebody may write.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let is_port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit());
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_whole.then(|| IpAddr::V6(address).to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(address.into())
}
