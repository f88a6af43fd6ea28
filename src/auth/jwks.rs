//! A tenant's key set that is kept elsewhere, in a file or behind a URL, and may change while Downbeat runs.
//!
//! The keys are read again when a token names one that is unknown, by one task at a time, at most every 30 s,
//! and in the background when they are an hour old. Whatever goes wrong, the keys that were good stay good.

use std::{
    fmt,
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use jsonwebtoken::Algorithm;
use reqwest::{Client, StatusCode, Url, redirect};
use tokio::sync::Mutex;

use super::jwk::{PublicKey, read_set};

/// The shortest time between two readings, in seconds.
const INTERVAL_S: i64 = 30;
/// The same while there is no key at all: nobody can come in, so it is worth asking sooner.
const INTERVAL_EMPTY_S: i64 = 5;
/// Keys older than this are read again, so that a withdrawn key ends.
const AGE_MAX_S: i64 = 3_600;
/// A larger answer is refused.
pub const SET_BYTES_MAX: usize = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where the key set is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// `https`, or `http` on this machine itself; see [`read_url`].
    Url(Url),
}

/// For logs: without a URL's query, which may hold a key.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url) => write!(f, "{}{}", url.origin().ascii_serialization(), url.path()),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({self})")
    }
}

/// The last good keys of a [`Source`].
#[derive(Debug)]
pub struct KeyCache {
    source: Source,
    allowed: Option<Vec<Algorithm>>,
    keys: ArcSwap<Vec<PublicKey>>,
    /// Counts successful readings.
    generation: AtomicU64,
    read_at_s: AtomicI64,
    /// When a reading was last tried; held while one is under way.
    tried_at_s: Mutex<Option<i64>>,
}

impl KeyCache {
    /// Starts with the keys that are known already: none for a URL, which is asked when the first token comes.
    pub fn new(source: Source, allowed: Option<Vec<Algorithm>>, keys: Vec<PublicKey>) -> Self {
        Self {
            source,
            allowed,
            keys: ArcSwap::from_pointee(keys),
            generation: AtomicU64::new(0),
            read_at_s: AtomicI64::new(i64::MIN),
            tried_at_s: Mutex::new(None),
        }
    }

    /// Whether both are fetched from the same place and filtered alike.
    pub fn is_of_same(&self, other: &Self) -> bool {
        self.source == other.source && self.allowed == other.allowed
    }

    /// The keys and the number of the reading that they come from.
    pub fn keys(&self) -> (Arc<Vec<PublicKey>>, u64) {
        let generation = self.generation.load(Ordering::Acquire);
        (self.keys.load_full(), generation)
    }

    /// Reads the keys again unless that was tried just now. True when they are newer than reading `seen`.
    ///
    /// The reading is a task of its own: a client that hangs up does not cut it short for the others.
    pub async fn refresh(self: &Arc<Self>, seen: u64, now_s: i64) -> bool {
        let cache = Arc::clone(self);
        tokio::spawn(async move { cache.refresh_alone(seen, now_s).await }).await.unwrap_or(false)
    }

    /// Sees to keys that have grown old, without making anybody wait.
    pub fn refresh_if_old(self: &Arc<Self>, now_s: i64) {
        let read_at_s = self.read_at_s.load(Ordering::Relaxed);
        if read_at_s == i64::MIN {
            // Keys that came with the start: their age counts from the first token.
            self.read_at_s.store(now_s, Ordering::Relaxed);
        } else if now_s.saturating_sub(read_at_s) > AGE_MAX_S
            && self.tried_at_s.try_lock().is_ok_and(|tried| self.is_due(*tried, now_s))
        {
            let (cache, seen) = (Arc::clone(self), self.keys().1);
            tokio::spawn(async move { cache.refresh_alone(seen, now_s).await });
        }
    }

    async fn refresh_alone(&self, seen: u64, now_s: i64) -> bool {
        let mut tried_at_s = self.tried_at_s.lock().await;
        if self.generation.load(Ordering::Acquire) != seen {
            return true;
        }
        if !self.is_due(*tried_at_s, now_s) {
            return false;
        }
        *tried_at_s = Some(now_s);
        match self.read().await {
            Ok(keys) => {
                self.keys.store(Arc::new(keys));
                self.read_at_s.store(now_s, Ordering::Relaxed);
                self.generation.fetch_add(1, Ordering::Release);
                true
            }
            Err(reason) => {
                tracing::warn!(source = %self.source, error = %reason, "key set not read, the former keys stay");
                false
            }
        }
    }

    fn is_due(&self, tried_at_s: Option<i64>, now_s: i64) -> bool {
        let interval_s = if self.keys.load().is_empty() { INTERVAL_EMPTY_S } else { INTERVAL_S };
        // The distance, not the difference: those who wait may have come a moment before the try.
        tried_at_s.is_none_or(|tried| now_s.abs_diff(tried) >= interval_s.unsigned_abs())
    }

    async fn read(&self) -> Result<Vec<PublicKey>, String> {
        let set = match &self.source {
            Source::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
                read.map_err(sentence)??
            }
            Source::Url(url) => fetch(url.clone()).await?,
        };
        parse_set(&set, self.allowed.as_deref())
    }
}

/// Reads a key set from its JSON text.
pub fn parse_set(json: &[u8], allowed: Option<&[Algorithm]>) -> Result<Vec<PublicKey>, String> {
    // serde_json's own message says where, but never quotes the text.
    let set = serde_json::from_slice(json).map_err(|error| format!("is not JSON: {error}"))?;
    read_set(&set, allowed)
}

/// The content of a key set's file; blocking.
pub fn read_file(path: &std::path::Path) -> Result<Vec<u8>, String> {
    let length = std::fs::metadata(path).map_err(sentence)?.len();
    if length > SET_BYTES_MAX as u64 {
        return Err(format!("is larger than {SET_BYTES_MAX} bytes"));
    }
    std::fs::read(path).map_err(sentence)
}

/// Checks a `jwks_url`: `https`, or `http` on the loopback, without a user or password in it.
pub fn read_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let safe = match url.scheme() {
        "https" => url.host_str().is_some(),
        "http" => is_loopback(&url),
        _ => false,
    };
    (safe && url.username().is_empty() && url.password().is_none()).then_some(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// One GET. A client is made for each, as there is one every 30 s at most.
async fn fetch(url: Url) -> Result<Vec<u8>, String> {
    let mut client = Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect could lead to plain http or into the private network.
        .redirect(redirect::Policy::none());
    if is_loopback(&url) {
        client = client.no_proxy();
    }
    let client = client.build().map_err(bare)?;
    let mut response = client.get(url).send().await.map_err(bare)?;
    if response.status() != StatusCode::OK {
        return Err(format!("the answer was {}, not 200", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(bare)? {
        if body.len() + chunk.len() > SET_BYTES_MAX {
            return Err(format!("the answer is larger than {SET_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Without the URL, whose query may hold a key.
fn bare(error: reqwest::Error) -> String {
    let error = error.without_url();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

fn sentence(error: impl fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_set_url_is_https_or_on_the_loopback() {
        for good in ["https://id.acme.org/jwks", "http://127.0.0.1:9/k", "http://localhost/k", "http://[::1]:9/k"] {
            assert!(read_url(good).is_some(), "{good}");
        }
        for bad in [
            "http://id.acme.org/k",
            "http://127.0.0.1.evil.org/k",
            "https://u:p@acme.org/",
            "file:///etc/passwd",
            "jwks",
            "",
        ] {
            assert!(read_url(bad).is_none(), "{bad}");
        }
    }
}
