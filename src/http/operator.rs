//! Who may make tenants: whoever shows the operator's key.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};

use super::{
    failure::{Failure, too_many_requests},
    state::HttpState,
};
use crate::{
    auth::{self, Secret},
    gateway::{Guesses, proxies::Client},
};

/// Wrong keys that wait for their answer at once; what comes beyond is refused without one.
const WAITING_MAX: usize = 128;
const RETRY_AFTER_S: u32 = 5;

/// Knows the operator's key, and who has tried others.
pub struct OperatorGate {
    digest: digest::Digest,
    guesses: Guesses,
    waiting: AtomicUsize,
}

impl OperatorGate {
    pub fn new(key: &Secret) -> Self {
        Self { digest: digest_of(key.expose()), guesses: Guesses::default(), waiting: AtomicUsize::new(0) }
    }

    /// Compares digests: neither the key's bytes nor its length show in the time that it takes.
    fn opens_with(&self, shown: &str) -> bool {
        verify_slices_are_equal(self.digest.as_ref(), digest_of(shown).as_ref()).is_ok()
    }

    /// The answer to a wrong key, which comes the later the more have come from there. The right one never waits: who
    /// shares a proxy's address with somebody who guesses shall not be locked out.
    async fn refuse(&self, address: IpAddr, boot_us: i64) -> Failure {
        self.guesses.note_unknown(address, boot_us);
        let too_many = || too_many_requests("too many wrong operator keys: wait", RETRY_AFTER_S);
        let Some(delay) = self.guesses.delay(address, boot_us) else { return too_many() };
        if delay.is_zero() {
            tracing::warn!(peer.address = %address, "a wrong operator key was shown");
            return wrong_key();
        }
        let _waits = Waits::one_more(&self.waiting);
        if self.waiting.load(Ordering::Relaxed) > WAITING_MAX {
            return too_many();
        }
        tokio::time::sleep(delay).await;
        wrong_key()
    }
}

/// Counts itself, also where its request is given up.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn digest_of(key: &str) -> digest::Digest {
    digest::digest(&digest::SHA256, key.as_bytes())
}

fn wrong_key() -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "operator_key_wrong", "this is not the operator's key")
}

/// Proof that a request comes from the operator.
pub(super) struct Operator;

impl FromRequestParts<HttpState> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, Failure> {
        let Some(gate) = &http.operator else {
            let message =
                "the tenant API is off: start the node with DOWNBEAT_OPERATOR_KEY (--operator-key) to switch it on";
            return Err(Failure::new(StatusCode::FORBIDDEN, "operator_off", message));
        };
        let shown =
            parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(auth::bearer);
        let Some(shown) = shown else {
            let message = "no operator key was sent: pass it in the header `Authorization: Bearer`";
            return Err(Failure::new(StatusCode::UNAUTHORIZED, "operator_key_missing", message));
        };
        if gate.opens_with(shown) {
            return Ok(Self);
        }
        let Ok(client) = Client::from_request_parts(parts, http).await;
        Err(gate.refuse(client.counted(), http.clock.boot_us()).await)
    }
}
