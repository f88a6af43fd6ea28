//! Which web pages may connect: the `origins` of a tenant against the `Origin` header of a browser.

/// One entry of a tenant's `origins`: `*`, `*.school.org`, `https://*.school.org`, `https://app.school.org:8443`.
///
/// `*.` in front matches every name below the domain and the domain itself. Without a scheme, `http` and `https`
/// both match; with a scheme and no port, only the scheme's own port; `:*` matches any port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    scheme: Option<String>,
    host: HostPattern,
    port: PortPattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Any,
    Exact(String),
    /// The domain itself and all below it.
    Below(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortPattern {
    Any,
    Exact(u16),
}

/// The parts of an `Origin` or `Host` header, in lower case.
#[derive(PartialEq, Eq)]
struct Place<'a> {
    scheme: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
}

impl OriginPattern {
    /// None when the entry is no origin: a path, a `*` anywhere but in front, letters that are not ASCII
    /// (browsers send such names in their `xn--` form), …
    pub fn parse(entry: &str) -> Option<Self> {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return Some(Self { scheme: None, host: HostPattern::Any, port: PortPattern::Any });
        }
        let (entry, any_port) = match entry.strip_suffix(":*") {
            Some(rest) => (rest, true),
            None => (entry.as_str(), false),
        };
        let place = split(entry)?;
        let host = match place.host.strip_prefix("*.") {
            Some(domain) => HostPattern::Below(domain.to_owned()),
            None => HostPattern::Exact(place.host.to_owned()),
        };
        let (HostPattern::Exact(name) | HostPattern::Below(name)) = &host else {
            return None;
        };
        let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_[]:".contains(c));
        let port = match (any_port, place.port, place.scheme) {
            (true, None, _) | (false, None, None) => PortPattern::Any,
            (true, Some(_), _) => return None,
            (false, Some(port), _) => PortPattern::Exact(port),
            (false, None, Some(scheme)) => PortPattern::Exact(default_port(scheme)?),
        };
        named.then(|| Self { scheme: place.scheme.map(str::to_owned), host, port })
    }

    fn matches(&self, origin: &Place<'_>) -> bool {
        let scheme = self.scheme.is_none() || self.scheme.as_deref() == origin.scheme;
        let host = match &self.host {
            HostPattern::Any => true,
            HostPattern::Exact(name) => origin.host == name,
            HostPattern::Below(domain) => {
                origin.host.strip_suffix(domain.as_str()).is_some_and(|below| below.is_empty() || below.ends_with('.'))
            }
        };
        let own_port = || origin.scheme.and_then(default_port);
        let port = match self.port {
            PortPattern::Any => true,
            PortPattern::Exact(port) => origin.port.or_else(own_port) == Some(port),
        };
        scheme && host && port
    }
}

/// Whether a page of `origin` may connect to `host` (the request's `Host`).
///
/// Allowed: no `Origin` at all (not a browser), everything with `dev`, the page that this very host served, and
/// what `patterns` match. An opaque origin (`null`) needs the pattern `*`.
pub fn allows(patterns: &[OriginPattern], origin: Option<&str>, host: Option<&str>, dev: bool) -> bool {
    let Some(origin) = origin else { return true };
    if dev || patterns.iter().any(|pattern| pattern.host == HostPattern::Any) {
        return true;
    }
    let (origin, host) = (origin.to_ascii_lowercase(), host.map(str::to_ascii_lowercase));
    let Some(origin) = split(&origin).filter(|origin| origin.scheme.is_some()) else {
        return false;
    };
    let served_here = host.as_deref().and_then(split).is_some_and(|host| is_same(&origin, &host));
    served_here || patterns.iter().any(|pattern| pattern.matches(&origin))
}

/// A `Host` has no scheme, and TLS may end before Downbeat: so only the port that the origin's scheme implies
/// may be left out on either side.
fn is_same(origin: &Place<'_>, host: &Place<'_>) -> bool {
    let own = origin.scheme.and_then(default_port);
    origin.host == host.host && origin.port.or(own) == host.port.or(own)
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

/// `[scheme://]host[:port]` and nothing else; the input is in lower case.
fn split(text: &str) -> Option<Place<'_>> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    // `[::1]:4000`: the colons inside the brackets are the address's own.
    let end_of_host = rest.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match rest.get(end_of_host..)?.find(':') {
        Some(colon) => {
            let (host, port) = rest.split_at(end_of_host + colon);
            (host, Some(port.get(1..)?.parse().ok()?))
        }
        None => (rest, None),
    };
    let plain = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
    plain.then_some(Place { scheme, host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(entries: &[&str], origin: &str) -> bool {
        let patterns: Vec<_> = entries.iter().map(|e| OriginPattern::parse(e).unwrap()).collect();
        allows(&patterns, Some(origin), Some("downbeat.example.net"), false)
    }

    #[test]
    fn a_star_in_front_matches_below_and_the_apex_but_no_look_alike() {
        for good in ["https://school.org", "https://a.school.org", "http://b.a.school.org:81", "https://A.SCHOOL.org"] {
            assert!(allowed(&["*.School.org"], good), "{good}");
        }
        for bad in [
            "https://evilschool.org",
            "https://school.org.evil.com",
            "https://school.org@evil.com",
            "null",
            "school.org",
        ] {
            assert!(!allowed(&["*.school.org"], bad), "{bad}");
        }
    }

    #[test]
    fn a_scheme_in_the_entry_binds_scheme_and_port() {
        assert!(allowed(&["https://*.acme.org"], "https://acme.org"));
        assert!(allowed(&["https://acme.org"], "https://acme.org:443"));
        assert!(!allowed(&["https://acme.org"], "http://acme.org"));
        assert!(!allowed(&["https://acme.org"], "https://acme.org:8443"));
        assert!(allowed(&["https://acme.org:8443"], "https://acme.org:8443"));
        assert!(allowed(&["http://localhost:*"], "http://localhost:5173"));
    }

    #[test]
    fn without_an_origin_or_in_dev_everything_is_allowed_and_otherwise_an_empty_list_refuses() {
        assert!(allows(&[], None, None, false));
        assert!(allows(&[], Some("https://any.org"), None, true));
        assert!(!allows(&[], Some("https://any.org"), None, false));
        assert!(!allowed(&[], "null"));
        assert!(allowed(&["*"], "null"));
    }

    #[test]
    fn the_page_that_this_host_served_is_allowed() {
        let same = |origin, host| allows(&[], Some(origin), Some(host), false);
        assert!(same("https://acme.org", "acme.org"));
        assert!(same("https://acme.org", "ACME.org:443"));
        assert!(same("http://127.0.0.1:4000", "127.0.0.1:4000"));
        assert!(same("http://[::1]:4000", "[::1]:4000"));
        assert!(!same("http://127.0.0.1:4001", "127.0.0.1:4000"));
        assert!(!same("https://acme.org.evil.com", "acme.org"));
    }

    #[test]
    fn entries_that_are_no_origins_are_refused() {
        for bad in [
            "",
            "https://",
            "https://a.org/path",
            "a*.org",
            "*.*.org",
            "ftp://a.org",
            "https://schülé.org",
            "a.org:99999",
            "*.",
        ] {
            assert_eq!(OriginPattern::parse(bad), None, "{bad}");
        }
    }
}
