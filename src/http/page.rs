//! The classroom page: files that are built into the program.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::{
    failure::Failure,
    routes::{method_not_allowed, no_such_route},
};

/// Everything from this host, nothing from elsewhere and nothing inline: a name that somebody gave a room can never
/// become a script. Sockets are named by their scheme, because not every browser counts them as `'self'`.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     media-src 'self'; worker-src 'self'; manifest-src 'self'; connect-src 'self' ws: wss:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
);
/// Ask each time whether it has changed: a new release is then on every screen at once.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

#[derive(RustEmbed)]
#[folder = "web/page/"]
struct Page;

/// The page's file at this address, for every address that is no route.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let file = Page::get(path).filter(|_| !path.starts_with("api/")).ok_or_else(no_such_route)?;
    if method != Method::GET && method != Method::HEAD {
        return Ok(([(header::ALLOW, "GET, HEAD")], method_not_allowed()).into_response());
    }
    Ok(answer(path, file, &headers))
}

fn answer(path: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let tag = tag_of(&file);
    let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| tags == "*" || tags.split(',').any(|known| known.trim() == tag));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(file.data).into_response(),
    };
    let headers = response.headers_mut();
    if !is_known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(type_of(path)));
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, REVALIDATE);
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// Half of the content's SHA-256, in quotes as the header wants it.
fn tag_of(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn type_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("mp3") => "audio/mpeg",
        Some("wav") => "audio/wav",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(path: &str, tag: Option<&HeaderValue>) -> Result<Response, Failure> {
        let asked = tag.map(|tag| (header::IF_NONE_MATCH, tag.clone()));
        serve(Method::GET, path.parse().expect("an address"), asked.into_iter().collect()).await
    }

    #[tokio::test]
    async fn the_page_is_at_the_root_and_allows_nothing_inline() {
        let page = get("/?room=MUSIC-1234", None).await.expect("the page");
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }

    #[tokio::test]
    async fn a_file_that_the_browser_has_is_not_sent_again() {
        let page = get("/", None).await.expect("the page");
        let again = get("/", Some(&page.headers()[header::ETAG])).await.expect("the page");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let changed = get("/", Some(&HeaderValue::from_static("\"other\""))).await.expect("the page");
        assert_eq!(changed.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn nothing_outside_the_page_is_served() {
        for path in ["/../Cargo.toml", "/..%2f..%2fCargo.toml", "//etc/passwd", "/api/nothing", "/none.js"] {
            assert_eq!(get(path, None).await.expect_err(path).status, StatusCode::NOT_FOUND);
        }
    }

    #[tokio::test]
    async fn a_file_can_only_be_read() {
        let refused = serve(Method::POST, Uri::from_static("/"), HeaderMap::new()).await.expect("an answer");
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[header::ALLOW], "GET, HEAD");
    }

    #[test]
    fn every_file_of_the_page_has_a_type_that_browsers_take() {
        for path in Page::iter() {
            assert_ne!(type_of(&path), "application/octet-stream", "{path}");
        }
    }
}
