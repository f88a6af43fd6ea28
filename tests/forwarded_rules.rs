//! Whose request it is behind proxies.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use downbeat::gateway::proxies::{BadNetworks, Client, TrustedProxies, counted};
use proptest::prelude::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is an address"))
}

fn headers(of: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in of {
        headers.append(HeaderName::try_from(*name).expect("a name"), HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

fn trusted() -> TrustedProxies {
    "10.0.0.0/8, fd00::/8,192.0.2.250".parse().expect("networks")
}

/// Whom a request from the proxy 10.0.0.1 with these headers is of.
fn client(of: &[(&str, &str)]) -> String {
    trusted().client(address("10.0.0.1"), &headers(of)).address.to_string()
}

#[test]
fn without_trusted_proxies_and_from_anybody_else_the_headers_say_nothing() {
    let lies = headers(&[("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=198.51.100.7;proto=https")]);
    for proxies in [TrustedProxies::default(), trusted()] {
        let found = proxies.client(address("203.0.113.9"), &lies);
        assert_eq!((found.address, found.is_secure), (address("203.0.113.9"), false));
        assert!(found.is_forwarded_by_a_stranger);
    }
}

#[test]
fn the_nearest_hop_that_is_no_proxy_of_ours_is_the_client_whatever_it_says_of_others() {
    assert_eq!(client(&[("x-forwarded-for", "198.51.100.7")]), "198.51.100.7");
    assert_eq!(client(&[("x-forwarded-for", "1.2.3.4, 198.51.100.7")]), "198.51.100.7", "the client wrote 1.2.3.4");
    assert_eq!(client(&[("x-forwarded-for", "1.2.3.4, 198.51.100.7,10.9.9.9 , fd00::5")]), "198.51.100.7");
    let twice = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.7, 10.9.9.9")];
    assert_eq!(client(&twice), "198.51.100.7");
    assert_eq!(client(&[("x-forwarded-for", "10.7.7.7, 10.8.8.8")]), "10.7.7.7", "all of them are ours");
    assert_eq!(client(&[]), "10.0.0.1");
}

#[test]
fn a_hop_that_cannot_be_read_ends_the_chain_at_whoever_named_it() {
    for unreadable in ["unknown", "", "999.1.1.1", "_hidden", "198.51.100.7 x", "198.51.100.7:", "[::1", "::1]:80"] {
        assert_eq!(client(&[("x-forwarded-for", &format!("198.51.100.7, {unreadable}"))]), "10.0.0.1", "{unreadable}");
    }
    assert_eq!(client(&[("x-forwarded-for", "198.51.100.7, unknown, 10.9.9.9")]), "10.9.9.9");
    let mut bytes = HeaderMap::new();
    bytes.insert("x-forwarded-for", HeaderValue::from_bytes(b"198.51.100.7, \xff").expect("a value"));
    assert_eq!(trusted().client(address("10.0.0.1"), &bytes).address, address("10.0.0.1"));
}

#[test]
fn addresses_come_with_ports_and_brackets() {
    for (written, read) in [
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
    ] {
        assert_eq!(client(&[("x-forwarded-for", written)]), read);
        assert_eq!(client(&[("forwarded", &format!("for=\"{written}\""))]), read);
    }
}

#[test]
fn the_header_of_rfc_7239_is_read_with_its_quotes() {
    assert_eq!(client(&[("forwarded", "For=\"[2001:db8:cafe::17]:4711\"")]), "2001:db8:cafe::17");
    assert_eq!(client(&[("forwarded", "for=1.2.3.4, for=198.51.100.7;proto=http;by=203.0.113.43")]), "198.51.100.7");
    assert_eq!(client(&[("forwarded", "host=\"a,for=1.2.3.4\";for=198.51.100.7")]), "198.51.100.7");
    assert_eq!(client(&[("forwarded", "host=\"a\\\",for=1.2.3.4;x=\";for=198.51.100.7")]), "198.51.100.7");
    assert_eq!(client(&[("forwarded", "proto=https")]), "10.0.0.1", "nobody is named");
    assert_eq!(client(&[("forwarded", "for=\"198.51.100.7")]), "10.0.0.1", "the quote has no end");
}

#[test]
fn where_the_two_headers_differ_neither_is_believed() {
    // A proxy that writes one of them passes on what the client has put into the other.
    let told = client(&[("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=1.2.3.4")]);
    assert_eq!(told, "10.0.0.1");
    let same = client(&[("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=198.51.100.7")]);
    assert_eq!(same, "198.51.100.7");
}

#[test]
fn tls_is_believed_of_trusted_proxies_alone() {
    let secure = |peer, of| trusted().client(address(peer), &headers(of)).is_secure;
    assert!(secure("10.0.0.1", &[("x-forwarded-proto", "https")]));
    assert!(secure("10.0.0.1", &[("x-forwarded-proto", "HTTPS, http")]));
    assert!(secure("fd00::1", &[("forwarded", "for=1.2.3.4;proto=\"https\"")]));
    assert!(!secure("10.0.0.1", &[("x-forwarded-proto", "http")]) && !secure("10.0.0.1", &[]));
    assert!(!secure("203.0.113.9", &[("x-forwarded-proto", "https")]));
}

#[test]
fn nobody_becomes_this_machine_by_saying_so() {
    let said = headers(&[("x-forwarded-for", "127.0.0.1")]);
    assert!(!trusted().client(address("10.0.0.1"), &said).is_local);
    let here: TrustedProxies = "127.0.0.0/8".parse().expect("a network");
    assert!(!here.client(address("127.0.0.1"), &headers(&[("x-forwarded-for", "198.51.100.7")])).is_local);
    assert!(Client::direct(address("::ffff:127.0.0.1")).is_local);
}

#[test]
fn what_is_no_network_is_refused_and_what_is_one_is_read() {
    for bad in ["10.0.0.0/33", "fd00::/129", "10.0.0/8", "proxy", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8 fd00::/8"] {
        assert!(matches!(bad.parse::<TrustedProxies>(), Err(BadNetworks::NoNetwork(_))), "{bad}");
    }
    let many = vec!["10.0.0.1"; 257].join(",");
    assert_eq!(many.parse::<TrustedProxies>(), Err(BadNetworks::TooMany));
    let all: TrustedProxies = "0.0.0.0/0,::/0".parse().expect("everything");
    assert!(all.trust(address("203.0.113.9")) && all.trust(address("2001:db8::1")));
    let none: TrustedProxies = "".parse().expect("nothing");
    assert!(!none.trust(address("127.0.0.1")));
    assert!(trusted().trust(address("::ffff:10.1.2.3")) && !trusted().trust(address("11.0.0.0")));
    assert!(trusted().trust(address("192.0.2.250")) && !trusted().trust(address("192.0.2.251")));
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).into()),
        any::<u128>().prop_map(|bits| { IpAddr::from(bits.to_be_bytes()).to_canonical() })
    ]
}

proptest! {
    /// What the model says: drop trusted hops from the right; the first other one is it.
    #[test]
    fn the_client_is_the_last_address_that_is_not_trusted(
        hops in prop::collection::vec(prop_oneof![any_address(), (0..=u32::MAX >> 8).prop_map(|n| {
            Ipv4Addr::from(0x0a00_0000 | n).into()
        })], 1..12),
        as_forwarded in any::<bool>(),
    ) {
        let proxies: TrustedProxies = "10.0.0.0/8".parse().expect("a network");
        let text = |hop: &IpAddr| match (as_forwarded, hop) {
            (false, hop) => hop.to_string(),
            (true, IpAddr::V4(hop)) => format!("for={hop}"),
            (true, IpAddr::V6(hop)) => format!("for=\"[{hop}]\""),
        };
        let value = hops.iter().map(text).collect::<Vec<_>>().join(", ");
        let name = if as_forwarded { "forwarded" } else { "x-forwarded-for" };
        let found = proxies.client(address("10.0.0.1"), &headers(&[(name, &value)])).address;
        let is_ours = |hop: &IpAddr| matches!(hop, IpAddr::V4(v4) if v4.octets()[0] == 10);
        let expected = hops.iter().rev().find(|hop| !is_ours(hop)).unwrap_or(&hops[0]);
        prop_assert_eq!(found, *expected);
    }

    #[test]
    fn whatever_is_written_the_client_is_the_proxy_or_somebody_who_is_named(text in "[ -~]{0,200}") {
        for name in ["x-forwarded-for", "forwarded"] {
            let found = trusted().client(address("10.0.0.1"), &headers(&[(name, &text)]));
            if found.address != address("10.0.0.1") {
                let named = found.address.to_string();
                // An IPv6 address has many texts; of the others the digits must be there.
                prop_assert!(found.address.is_ipv6() || text.contains(&named) || text.contains(':'), "{named} {text}");
            }
        }
    }

    #[test]
    fn what_the_client_writes_before_never_changes_who_it_is(lie in "[ -~]{0,80}") {
        let honest = client(&[("x-forwarded-for", "198.51.100.7")]);
        prop_assert_eq!(client(&[("x-forwarded-for", &format!("{lie}, 198.51.100.7"))]), honest);
    }

    #[test]
    fn one_subscriber_of_ipv6_counts_as_one(bits in any::<u128>(), other in any::<u64>()) {
        let of = |bits: u128| counted(IpAddr::from(bits.to_be_bytes()));
        prop_assume!(bits >> 32 != 0xffff);
        prop_assert_eq!(of(bits), of(bits & !u128::from(u64::MAX) | u128::from(other).max(1 << 40)));
    }
}
