//! The classroom page: files that are built into the program, if `web/` had been built before it was.

use std::borrow::Cow;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

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
/// A file whose name holds a hash of its content never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Where the build puts files with a hash in their names.
const HASHED: &str = "assets/";
/// What the build adds to the name of a file's compressed twin.
const COMPRESSED: &str = ".gz";

/// Says how the page is built. It stands where the page would.
const NOT_BUILT: &str = include_str!("page_not_built.html");

#[derive(RustEmbed)]
#[folder = "web/dist/page/"]
#[allow_missing = true]
struct Page;

/// The page's file at this address, for every address that is no route.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let found = Found::at(path, &headers).ok_or_else(no_such_route)?;
    if method != Method::GET && method != Method::HEAD {
        return Ok(([(header::ALLOW, "GET, HEAD")], method_not_allowed()).into_response());
    }
    Ok(found.answer(path, &headers))
}

/// What there is for an address.
enum Found {
    File(File),
    NotBuilt,
}

struct File {
    data: Cow<'static, [u8]>,
    sha256: [u8; 32],
    is_compressed: bool,
}

impl File {
    fn at(path: &str, is_compressed: bool) -> Option<Self> {
        let file = Page::get(path)?;
        Some(Self { data: file.data, sha256: file.metadata.sha256_hash(), is_compressed })
    }
}

impl Found {
    fn at(path: &str, asked: &HeaderMap) -> Option<Self> {
        if path.starts_with("api/") || path.ends_with(COMPRESSED) {
            return None;
        }
        // Compressed once, when the page was built: a node that keeps time has better to do.
        let compressed = takes_gzip(asked).then(|| File::at(&format!("{path}{COMPRESSED}"), true)).flatten();
        match compressed.or_else(|| File::at(path, false)) {
            Some(file) => Some(Self::File(file)),
            None => (path == "index.html").then_some(Self::NotBuilt),
        }
    }

    fn answer(self, path: &str, asked: &HeaderMap) -> Response {
        let mut response = match self {
            Self::File(file) => of_file(path, file, asked),
            Self::NotBuilt => Body::from(NOT_BUILT).into_response(),
        };
        let headers = response.headers_mut();
        headers.entry(header::CACHE_CONTROL).or_insert(REVALIDATE);
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(type_of(path)));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        response
    }
}

fn of_file(path: &str, file: File, asked: &HeaderMap) -> Response {
    let tag = tag_of(&file.sha256);
    let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| tags == "*" || tags.split(',').any(|known| known.trim() == tag));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(file.data).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if file.is_compressed && !is_known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if path.starts_with(HASHED) {
        headers.insert(header::CACHE_CONTROL, FOR_EVER);
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether `gzip` is named, and not as the one that is not wanted.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let named = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = quality.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// Half of the content's SHA-256, in quotes as the header wants it.
fn tag_of(hash: &[u8; 32]) -> String {
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

    async fn get(path: &str, asked: &[(header::HeaderName, &str)]) -> Result<Response, Failure> {
        let value = |text: &str| HeaderValue::from_str(text).expect("a header");
        let asked = asked.iter().map(|(name, text)| (name.clone(), value(text))).collect();
        serve(Method::GET, path.parse().expect("an address"), asked).await
    }

    #[tokio::test]
    async fn the_page_is_at_the_root_and_allows_nothing_inline() {
        let page = get("/?room=MUSIC-1234", &[]).await.expect("the page");
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }

    #[tokio::test]
    async fn a_program_without_the_page_says_how_to_build_it() {
        let page = Found::NotBuilt.answer("index.html", &HeaderMap::new());
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(NOT_BUILT.contains("scripts/page") && !NOT_BUILT.contains("<style"));
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let page = of_file("index.html", file(false), &HeaderMap::new());
        let asked = |tag: &HeaderValue| [(header::IF_NONE_MATCH, tag.clone())].into_iter().collect();
        let again = of_file("index.html", file(false), &asked(&page.headers()[header::ETAG]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let changed = of_file("index.html", file(false), &asked(&HeaderValue::from_static("\"other\"")));
        assert_eq!(changed.status(), StatusCode::OK);
    }

    fn file(is_compressed: bool) -> File {
        File { data: b"{}".as_slice().into(), sha256: [7; 32], is_compressed }
    }

    #[test]
    fn a_file_with_a_hash_in_its_name_is_kept_and_the_page_is_asked_for_anew() {
        let kept = of_file("assets/teacher-a1b2.js", file(true), &HeaderMap::new());
        assert_eq!(kept.headers()[header::CACHE_CONTROL], FOR_EVER);
        assert_eq!(kept.headers()[header::CONTENT_ENCODING], "gzip");
        assert!(!of_file("index.html", file(false), &HeaderMap::new()).headers().contains_key(header::CACHE_CONTROL));
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        let takes =
            |text| takes_gzip(&[(header::ACCEPT_ENCODING, HeaderValue::from_static(text))].into_iter().collect());
        assert!(takes("gzip, deflate, br") && takes("br;q=1.0, GZIP;q=0.5"));
        assert!(!takes("") && !takes("br") && !takes("gzip;q=0") && !takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn nothing_outside_the_page_is_served() {
        for path in
            ["/../Cargo.toml", "/..%2f..%2fCargo.toml", "//etc/passwd", "/api/nothing", "/none.js", "/index.html.gz"]
        {
            assert_eq!(get(path, &[]).await.expect_err(path).status, StatusCode::NOT_FOUND);
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
        for path in Page::iter().filter(|path| !path.ends_with(COMPRESSED)) {
            assert_ne!(type_of(&path), "application/octet-stream", "{path}");
        }
    }
}
