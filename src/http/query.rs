//! The query values of what was recorded: which session, from when to when, how many, in which form.

use axum::http::{HeaderMap, Uri, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{caller::query_of, failure::Failure, moment};
use crate::participation::{AfterReflection, SessionId};

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 100;
const BUCKET_S_MAX: i64 = 604_800;

/// In which form an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
    Html,
}

/// The values of a query. Of one that is given twice the last counts; an empty one is missing.
pub(super) struct Values(Vec<(String, String)>);

impl Values {
    pub fn of(uri: &Uri) -> Self {
        Self(query_of(uri))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let given = self.0.iter().rev().find(|(given, _)| given == name);
        given.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// What is no session's id is the id of none that exists.
    pub fn session(&self) -> Result<Option<SessionId>, Failure> {
        self.get("session").map(|text| SessionId::parse(text).ok_or_else(Failure::room_not_found)).transpose()
    }

    pub fn limit(&self) -> Result<u32, Failure> {
        Ok(self.limit_up_to(LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT))
    }

    /// None: nothing is said.
    pub fn limit_up_to(&self, max: u32) -> Result<Option<u32>, Failure> {
        let read = |text: &str| {
            let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
            limit.ok_or_else(|| Failure::field("limit", format!("limit must be an integer from 1 to {max}")))
        };
        self.get("limit").map(read).transpose()
    }

    /// The session after which to go on.
    pub fn cursor(&self) -> Result<Option<SessionId>, Failure> {
        self.cursor_as(SessionId::parse)
    }

    /// The reflection after which to go on.
    pub fn cursor_of_reflections(&self) -> Result<Option<AfterReflection>, Failure> {
        self.cursor_as(|text| {
            let mut parts = text.splitn(3, ' ');
            Some(AfterReflection {
                session: SessionId::parse(parts.next()?)?,
                submitted_at_us: parts.next()?.parse().ok()?,
                reflection_id: parts.next()?.to_owned(),
            })
        })
    }

    fn cursor_as<T>(&self, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Failure> {
        let read = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            parse(std::str::from_utf8(&bytes).ok()?)
        };
        self.get("cursor").map(|text| read(text).ok_or_else(wrong_cursor)).transpose()
    }

    /// µs since 1970.
    pub fn moment(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        let wrong = || {
            let must = "must be a day (2025-11-17), a time (2025-11-17T09:30:00Z) or milliseconds since 1970";
            Failure::field(name, format!("{name} {must}"))
        };
        self.get(name).map(|text| moment::parse(text).ok_or_else(wrong)).transpose()
    }

    /// µs.
    pub fn bucket_us(&self) -> Result<Option<i64>, Failure> {
        let Some(text) = self.get("bucket_s") else { return Ok(None) };
        let seconds: Option<i64> = text.parse().ok().filter(|seconds| (1..=BUCKET_S_MAX).contains(seconds));
        let wrong = || Failure::field("bucket_s", "bucket_s must be an integer from 1 to 604800");
        seconds.map(|seconds| Some(seconds * 1_000_000)).ok_or_else(wrong)
    }

    /// `format`, else what `Accept` names first, else JSON. One that is not among `possible` is refused; where `Accept`
    /// names no other, JSON is given.
    pub fn format(&self, headers: &HeaderMap, possible: &[Format]) -> Result<Format, Failure> {
        let Some(name) = self.get("format") else {
            return Ok(accepted(headers, possible));
        };
        let format = possible.iter().find(|format| format.name() == name).copied();
        format.ok_or_else(|| {
            let names: Vec<_> = possible.iter().map(|format| format.name()).collect();
            Failure::field("format", format!("format must be {}", names.join(" or ")))
        })
    }
}

/// What to give as `cursor` to go on after this session.
pub(super) fn cursor_after(session: &SessionId) -> String {
    URL_SAFE_NO_PAD.encode(session.as_str())
}

/// What to give as `cursor` to go on after this reflection.
pub(super) fn cursor_after_reflection(after: &AfterReflection) -> String {
    let AfterReflection { session, submitted_at_us, reflection_id } = after;
    URL_SAFE_NO_PAD.encode(format!("{session} {submitted_at_us} {reflection_id}"))
}

pub(super) fn wrong_cursor() -> Failure {
    Failure::field("cursor", "cursor is not one that this list gave out: leave it away to start from the beginning")
}

fn accepted(headers: &HeaderMap, possible: &[Format]) -> Format {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let types = accept.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or_default().trim());
    let known = types.filter_map(|media_type| possible.iter().find(|format| format.media_type() == media_type));
    known.copied().next().unwrap_or(Format::Json)
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Html => "html",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Html => "text/html",
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn values(query: &str) -> Values {
        Values::of(&format!("/api/music/sessions{query}").parse().expect("an address"))
    }

    #[test]
    fn a_wrong_value_is_named_and_an_empty_one_is_missing() {
        let field = |failure: Failure| failure.field.expect("a field").into_owned();
        for limit in ["0", "101", "-1", "1.5", "ten", "99999999999"] {
            assert_eq!(values(&format!("?limit={limit}")).limit().map_err(field), Err("limit".into()), "{limit}");
        }
        for bucket in ["0", "-5", "0.5", "604801", "x"] {
            let given = values(&format!("?bucket_s={bucket}")).bucket_us();
            assert_eq!(given.map_err(field), Err("bucket_s".into()), "{bucket}");
        }
        assert_eq!(values("?from=soon").moment("from").map_err(field), Err("from".into()));
        assert_eq!(values("?cursor=MUSIC-1234").cursor().map_err(field), Err("cursor".into()));
        assert_eq!(values("?limit=&bucket_s=").limit(), Ok(50));
        assert_eq!(values("?limit=&bucket_s=").bucket_us(), Ok(None));
        assert_eq!(values("?from=1970-01-02").moment("from"), Ok(Some(86_400_000_000)));
    }

    #[test]
    fn a_cursor_goes_on_where_it_was_given_out() {
        let session = SessionId::parse("MUSIC-1234.643f1c2a5b9d0").expect("a session");
        assert_eq!(values(&format!("?cursor={}", cursor_after(&session))).cursor(), Ok(Some(session.clone())));
        let after = AfterReflection { session, submitted_at_us: 17, reflection_id: "0643f1c2".to_owned() };
        let given = values(&format!("?cursor={}", cursor_after_reflection(&after)));
        assert_eq!(given.cursor_of_reflections(), Ok(Some(after)));
        assert!(given.cursor().is_err(), "another list's");
    }

    #[test]
    fn the_form_is_what_the_query_says_else_what_the_client_accepts() {
        let all = [Format::Json, Format::Csv, Format::Html];
        let format = |query: &str, accept: &'static str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            values(query).format(&headers, &all).map_err(|failure| failure.field)
        };
        assert_eq!(format("", "*/*"), Ok(Format::Json));
        assert_eq!(format("", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"), Ok(Format::Html));
        assert_eq!(format("", "text/csv;q=1"), Ok(Format::Csv));
        assert_eq!(format("?format=json", "text/csv"), Ok(Format::Json));
        assert_eq!(format("?format=xlsx", "text/csv"), Err(Some("format".into())));
        let csv_only = values("").format(&HeaderMap::new(), &[Format::Json, Format::Csv]);
        assert_eq!(csv_only, Ok(Format::Json));
    }
}
