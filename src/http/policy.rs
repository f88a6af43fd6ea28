//! What a browser may do with an answer: the headers that say so.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
/// Of all that a device has, the page uses MIDI, sound, the clipboard and the whole screen.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), bluetooth=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), \
     magnetometer=(), microphone=(), payment=(), serial=(), usb=(), autoplay=(self), clipboard-write=(self), \
     fullscreen=(self), midi=(self), screen-wake-lock=(self)",
);
/// What is no page may do nothing, wherever somebody manages to show it as one.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// A year. Not for the host's other names, which are not ours.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Gives an answer whatever it does not have yet. A token or somebody's data must not be kept on the way, so nothing is
/// unless it says that it may be.
pub(super) fn complete(headers: &mut HeaderMap, is_secure: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(PERMISSIONS_POLICY, PERMISSIONS);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NO_PAGE);
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TLS_ONLY);
    }
}

/// The policy of a page without scripts that has its style inside itself: that style, by its hash, and no other.
pub(super) fn of_styled_page(html: &str, frame_ancestors: &str) -> HeaderValue {
    let style = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).map(|(style, _)| style);
    let hash = STANDARD.encode(digest(&SHA256, style.unwrap_or_default().as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors {frame_ancestors}"
    );
    // Of base64 and what is written here it is always a value; without one the page is merely without its style.
    policy.parse().unwrap_or(NO_PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_s_own_style_is_allowed_and_no_other() {
        // `printf 'p{}' | openssl dgst -sha256 -binary | base64`
        let policy = of_styled_page("<style>p{}</style><style>b{}</style>", "'self'");
        let policy = policy.to_str().expect("text");
        assert!(policy.contains("'sha256-gG2yISYereRMiG2lMXrbiUgi0Ubw9p7QCeWcroOvy9Y='"), "{policy}");
        assert!(policy.ends_with("frame-ancestors 'self'") && !policy.contains("unsafe"));
    }

    #[test]
    fn what_an_answer_says_of_itself_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        complete(&mut headers, false);
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], NO_PAGE);
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        complete(&mut headers, true);
        assert_eq!(headers[header::STRICT_TRANSPORT_SECURITY], TLS_ONLY);
    }
}
