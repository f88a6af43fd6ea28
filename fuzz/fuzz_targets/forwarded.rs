//! `X-Forwarded-For` and `Forwarded` from a proxy that is trusted: whatever a client has put before what the proxy adds,
//! the client is who the proxy says it is; and nobody becomes this machine.
#![no_main]

use axum::http::{HeaderMap, HeaderValue};
use downbeat::gateway::proxies::TrustedProxies;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let trusted: TrustedProxies = "10.0.0.0/8".parse().expect("a network");
    let proxy = "10.0.0.1".parse().expect("an address");
    let of = |name: &'static str, value: &[u8]| {
        let headers: Option<HeaderMap> = HeaderValue::from_bytes(value).ok().map(|value| HeaderMap::from_iter([(
            axum::http::HeaderName::from_static(name),
            value,
        )]));
        headers.map(|headers| trusted.client(proxy, &headers))
    };
    for name in ["x-forwarded-for", "forwarded"] {
        assert!(of(name, bytes).is_none_or(|client| !client.is_local));
    }
    if bytes.is_ascii() {
        let appended = [bytes, b", 198.51.100.7"].concat();
        if let Some(client) = of("x-forwarded-for", &appended) {
            assert_eq!(client.address.to_string(), "198.51.100.7");
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = text.parse::<TrustedProxies>();
    }
});
