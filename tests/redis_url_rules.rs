//! The URL of Redis: its forms, its defaults, and errors that teach without telling a password.

use downbeat::redis_url::{Address, BadRedisUrl, Deployment, RedisUrl};
use proptest::prelude::*;

fn parse(url: &str) -> RedisUrl {
    RedisUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn address(host: &str, port: u16) -> Address {
    Address { host: host.to_owned(), port }
}

fn password(url: &RedisUrl) -> Option<&str> {
    url.password.as_ref().map(|password| password.expose())
}

#[test]
fn a_host_is_enough() {
    let url = parse("redis://cache");
    assert_eq!(url.deployment, Deployment::Standalone(address("cache", 6379)));
    assert_eq!((url.tls, url.database, url.prefix.as_str(), url.replicas), (false, 0, "", 0));
    assert_eq!((url.username.as_deref(), password(&url)), (None, None));
    assert_eq!(parse("redis://cache/"), url);
}

#[test]
fn all_that_one_server_can_have_is_read() {
    let url = parse("rediss://ada:p%40ss%2Fw%C3%B6rd@10.0.0.1:7000/15?prefix=school:1.&replicas=2");
    assert_eq!(url.deployment, Deployment::Standalone(address("10.0.0.1", 7000)));
    assert_eq!((url.tls, url.database, url.prefix.as_str(), url.replicas), (true, 15, "school:1.", 2));
    assert_eq!((url.username.as_deref(), password(&url)), (Some("ada"), Some("p@ss/wörd")));
    let url = parse("redis://:a+b:c@d@cache");
    assert_eq!((url.username.as_deref(), password(&url)), (None, Some("a+b:c@d")));
}

#[test]
fn an_ipv6_address_stands_in_brackets() {
    assert_eq!(parse("redis://[::1]").deployment, Deployment::Standalone(address("::1", 6379)));
    let url = parse("redis-cluster://[fd00::1]:7000,b");
    assert_eq!(url.deployment, Deployment::Cluster(vec![address("fd00::1", 7000), address("b", 6379)]));
    assert_eq!(url.to_string(), "redis-cluster://[fd00::1]:7000,b:6379");
}

#[test]
fn sentinels_name_their_service_and_may_have_a_password_of_their_own() {
    let url = parse("redis-sentinel://:pw@a,b:7/main/3?tls=true&sentinel_username=s&sentinel_password=%26");
    let Deployment::Sentinel { sentinels, service, username, password } = &url.deployment else {
        panic!("{url:?} must be Sentinel")
    };
    assert_eq!(sentinels, &[address("a", 26379), address("b", 7)]);
    assert_eq!((service.as_str(), username.as_deref()), ("main", Some("s")));
    assert_eq!(password.as_ref().map(|password| password.expose()), Some("&"));
    assert_eq!((url.tls, url.database, url.replicas), (true, 3, 1), "a takeover must reach a replica by default");
    assert_eq!(parse("redis-sentinel://a/main?replicas=0").replicas, 0);
}

#[test]
fn what_is_wrong_is_named_with_what_it_must_be() {
    let key = |known: &str| BadRedisUrl::UnknownKey { known: known.to_owned() };
    let wrongs = [
        ("", BadRedisUrl::Scheme),
        ("localhost:6379", BadRedisUrl::Scheme),
        ("http://h", BadRedisUrl::Scheme),
        ("redis://", BadRedisUrl::Host { number: 1 }),
        ("redis://:hunter2", BadRedisUrl::Host { number: 1 }),
        ("redis://h st", BadRedisUrl::Host { number: 1 }),
        ("redis://::1", BadRedisUrl::Host { number: 1 }),
        ("redis://[::1", BadRedisUrl::Host { number: 1 }),
        ("redis://[h]", BadRedisUrl::Host { number: 1 }),
        ("redis://[::1]6379", BadRedisUrl::Host { number: 1 }),
        ("redis-cluster://a,,b", BadRedisUrl::Host { number: 2 }),
        ("redis://h:", BadRedisUrl::Port { number: 1 }),
        ("redis://h:0", BadRedisUrl::Port { number: 1 }),
        ("redis://h:+1", BadRedisUrl::Port { number: 1 }),
        ("redis://h:65536", BadRedisUrl::Port { number: 1 }),
        ("redis://u:hunter2", BadRedisUrl::Port { number: 1 }),
        ("redis://a,b", BadRedisUrl::SeveralHosts),
        ("redis://hunter2@h", BadRedisUrl::Credentials),
        ("redis://u:@h", BadRedisUrl::Credentials),
        ("redis://u:hunter2%4@h", BadRedisUrl::Escape { part: "the password" }),
        ("redis://u:%+1hunter2@h", BadRedisUrl::Escape { part: "the password" }),
        ("redis://%ff:hunter2@h", BadRedisUrl::Escape { part: "the user" }),
        ("redis://:h/unter2@h", BadRedisUrl::LateAt),
        ("redis://:h?unter2@h", BadRedisUrl::LateAt),
        ("redis://:x@h/0#hunter2", BadRedisUrl::Fragment),
        ("redis://h/16", BadRedisUrl::Database),
        ("redis://h/one", BadRedisUrl::Database),
        ("redis://h/0/1", BadRedisUrl::Database),
        ("redis-cluster://h/1", BadRedisUrl::ClusterDatabase),
        ("redis-sentinel://h", BadRedisUrl::Service),
        ("redis-sentinel://h/a%20b", BadRedisUrl::Service),
        ("redis://h?tls=true", key("prefix, replicas")),
        ("redis-cluster://h?ssl=1", key("prefix, replicas, tls")),
        (
            "redis-sentinel://h/m?sentinel_password=a&hunter2",
            key("prefix, replicas, tls, sentinel_username, sentinel_password"),
        ),
        ("redis://h?prefix=a&prefix=b", BadRedisUrl::RepeatedKey { key: "prefix" }),
        ("redis://h?prefix=%7Ba%7D", BadRedisUrl::Prefix),
        ("redis://h?replicas=9", BadRedisUrl::Replicas),
        ("redis-cluster://h?tls=yes", BadRedisUrl::Tls),
        ("redis-sentinel://h/m?sentinel_username=u", BadRedisUrl::SentinelPassword),
    ];
    for (url, expected) in wrongs {
        let found = RedisUrl::parse(url).expect_err(url);
        assert_eq!(found, expected, "{url}");
        let said = found.to_string();
        assert!(said.contains("redis_url") && said.contains("must") || expected == BadRedisUrl::LateAt, "{said}");
        assert!(!said.contains("hunter2") && !format!("{found:?}").contains("hunter2"), "{said}");
    }
    assert_eq!(RedisUrl::parse(&format!("redis://{}", "h,".repeat(5_000))), Err(BadRedisUrl::TooLong));
    assert_eq!(RedisUrl::parse(&format!("redis-cluster://{}h", "h,".repeat(64))), Err(BadRedisUrl::TooManyHosts));
}

#[test]
fn neither_debug_nor_display_shows_a_password() {
    for url in ["redis://u:hunter2@h", "redis-sentinel://:hunter2@h/m?sentinel_password=hunter2"] {
        let url = parse(url);
        assert!(!format!("{url:?} {url}").contains("hunter2"), "{url:?} {url}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_url_or_an_error(text in any::<String>()) {
        let _ = RedisUrl::parse(&text);
    }

    #[test]
    fn any_text_of_a_urls_pieces_is_a_url_or_an_error_that_keeps_the_password(
        scheme in prop::sample::select(vec!["redis", "rediss", "redis-sentinel", "redis-cluster"]),
        before in "[a-z:@/?#%&=,\\[\\]0-9é]{0,12}",
        after in "[a-z:@/?#%&=,\\[\\]0-9é]{0,24}",
    ) {
        let shown = match RedisUrl::parse(&format!("{scheme}://{before}HUNTER2@{after}")) {
            Ok(url) if url.password.as_ref().is_some_and(|password| password.expose().contains("HUNTER2")) => {
                format!("{url:?} {url}")
            }
            // The text lies in a user's name: that is none.
            Ok(_) => String::new(),
            Err(error) => format!("{error:?} {error}"),
        };
        prop_assert!(!shown.contains("HUNTER2"), "{}", shown);
    }

    #[test]
    fn a_user_and_a_password_survive_the_escape(user in "\\PC{0,8}", secret in "\\PC{1,8}") {
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let url = parse(&format!("redis://{}:{}@h", escape(&user), escape(&secret)));
        prop_assert_eq!(url.username.unwrap_or_default(), user);
        prop_assert_eq!(url.password.map(|password| password.expose().to_owned()), Some(secret));
    }
}
