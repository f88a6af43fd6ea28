//! Answers about people: never cached, and in the form that was asked for.

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::policy;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Whatever the answer is, nobody on the way keeps it.
pub(super) fn private(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    response
}

pub(super) fn json(body: impl Serialize) -> Response {
    private(Json(body))
}

/// A file to save, by this name and `.csv`.
pub(super) fn csv(name: &str, sheet: String) -> Response {
    let disposition = format!("attachment; filename=\"{}.csv\"", harmless(name));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        // Of letters, digits, dots and dashes alone it is always a value.
        (header::CONTENT_DISPOSITION, disposition.parse().unwrap_or(HeaderValue::from_static("attachment"))),
    ];
    private((headers, sheet))
}

/// A file that goes on: the rest is at the same address with this query (RFC 8288).
pub(super) fn followed_by(mut response: Response, query: &str) -> Response {
    // A query is of signs that a header takes.
    if let Ok(link) = format!("<?{query}>; rel=\"next\"").parse() {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// A page to print. It has its style inside itself, and no script at all.
pub(super) fn page(html: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy::of_styled_page(&html, "'none'; sandbox")),
    ];
    private((headers, html))
}

/// What every file system and header takes.
fn harmless(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().take(100).map(|c| if is_plain(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_has_no_sign_that_a_header_or_a_disk_minds() {
        assert_eq!(harmless("trend-ada"), "trend-ada");
        assert_eq!(harmless("trend-\"a/../b\"\r\nX: ö"), "trend-_a_.._b___X___");
        let answer = csv("trend-\u{1f3b5}", "a".into());
        assert_eq!(answer.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"trend-_.csv\"");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn a_page_runs_no_script() {
        let policy = page(String::new()).headers()[header::CONTENT_SECURITY_POLICY].clone();
        assert!(
            policy.to_str().is_ok_and(|policy| policy.starts_with("default-src 'none'") && !policy.contains("script"))
        );
    }
}
