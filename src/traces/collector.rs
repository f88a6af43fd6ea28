//! Where traces go.

use std::{fmt, str::FromStr};

use reqwest::Url;
use thiserror::Error;

/// Where collectors take traces over HTTP, below their base address.
const PATH: &str = "/v1/traces";

/// A collector's address, complete with its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector(Url);

/// Why an address is no collector's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadCollector {
    #[error("must be an address such as http://collector:4318 or https://…; OTLP over HTTP, not gRPC")]
    NoAddress,
    /// It would be in every line that names the address.
    #[error("must not hold a password or a query: give headers in OTEL_EXPORTER_OTLP_HEADERS")]
    HoldsSecret,
}

impl FromStr for Collector {
    type Err = BadCollector;

    fn from_str(text: &str) -> Result<Self, BadCollector> {
        let mut url = Url::parse(text.trim()).map_err(|_| BadCollector::NoAddress)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(BadCollector::NoAddress);
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(BadCollector::HoldsSecret);
        }
        if !url.path().ends_with(PATH) {
            let path = format!("{}{PATH}", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, BadCollector> {
        text.parse::<Collector>().map(|collector| collector.to_string())
    }

    #[test]
    fn a_base_address_is_completed_and_a_complete_one_left() {
        assert_eq!(read("http://collector:4318").as_deref(), Ok("http://collector:4318/v1/traces"));
        assert_eq!(read("https://otlp.example/tenant/").as_deref(), Ok("https://otlp.example/tenant/v1/traces"));
        assert_eq!(read("http://collector:4318/v1/traces").as_deref(), Ok("http://collector:4318/v1/traces"));
    }

    #[test]
    fn what_is_no_address_or_holds_a_secret_is_refused() {
        for bad in ["", "collector:4318", "grpc://collector:4317", "http://"] {
            assert_eq!(read(bad), Err(BadCollector::NoAddress), "{bad}");
        }
        for bad in ["https://me:hush@otlp.example", "https://otlp.example?api-key=hush"] {
            assert_eq!(read(bad), Err(BadCollector::HoldsSecret), "{bad}");
        }
    }
}
