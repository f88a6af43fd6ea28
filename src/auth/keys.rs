//! A tenant's keys, and the proof that one of them signed a token.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};

use super::{
    AuthError, Secret, algorithms,
    jwk::PublicKey,
    jwks::KeyCache,
    token::{NamedAlgorithm, Token},
};

/// The keys that prove a tenant's tokens: shared secrets, public keys, or both.
///
/// Each key is bound to algorithms by the configuration. A token's `alg` is only ever compared with them.
#[derive(Debug)]
pub struct Keys {
    /// The current secret first, then the former one, while tokens signed with it are still about.
    secrets: Vec<DecodingKey>,
    signing: Option<EncodingKey>,
    /// HS algorithms, in the order of the configuration: the first one signs.
    shared: Vec<Algorithm>,
    public: Option<PublicKeys>,
    /// The public-key algorithms that the configuration names; None: each key's own.
    allowed: Option<Vec<Algorithm>>,
}

/// Where the public keys come from.
#[derive(Debug)]
pub enum PublicKeys {
    Fixed(Vec<PublicKey>),
    Cached(Arc<KeyCache>),
}

impl Keys {
    /// `shared` and `allowed` as in the fields above; `shared` must not be empty when there are secrets.
    pub(super) fn new(
        secrets: &[&Secret],
        shared: Vec<Algorithm>,
        public: Option<PublicKeys>,
        allowed: Option<Vec<Algorithm>>,
    ) -> Self {
        let bytes = |secret: &&Secret| secret.expose().as_bytes().to_vec();
        Self {
            secrets: secrets.iter().map(|secret| DecodingKey::from_secret(&bytes(secret))).collect(),
            signing: secrets.first().map(|secret| EncodingKey::from_secret(&bytes(secret))),
            shared,
            public,
            allowed,
        }
    }

    /// The key and the algorithm for minting tokens; None where only the tenant's own provider can sign.
    pub(super) fn signing(&self) -> Option<(&EncodingKey, Algorithm)> {
        Some((self.signing.as_ref()?, *self.shared.first()?))
    }

    /// Proves that one of these keys signed the token. Waits only for a key set that must be fetched.
    pub(super) async fn prove(&self, token: &Token<'_>, tenant: &Arc<str>, now_s: i64) -> Result<(), AuthError> {
        let refused = || AuthError::AlgorithmRefused { tenant: Arc::clone(tenant) };
        let algorithm = match token.algorithm {
            NamedAlgorithm::None => return Err(AuthError::AlgorithmNone),
            NamedAlgorithm::Unknown => return Err(refused()),
            NamedAlgorithm::Known(algorithm) => algorithm,
        };
        if algorithms::is_shared(algorithm) {
            if self.secrets.is_empty() || !self.shared.contains(&algorithm) {
                return Err(refused());
            }
            return check(&self.secrets, token, algorithm, tenant);
        }
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&algorithm)) {
            return Err(refused());
        }
        match &self.public {
            None => Err(refused()),
            Some(PublicKeys::Fixed(keys)) => check_public(keys, token, algorithm, tenant),
            Some(PublicKeys::Cached(cache)) => prove_cached(cache, token, algorithm, tenant, now_s).await,
        }
    }
}

async fn prove_cached(
    cache: &Arc<KeyCache>,
    token: &Token<'_>,
    algorithm: Algorithm,
    tenant: &Arc<str>,
    now_s: i64,
) -> Result<(), AuthError> {
    let (keys, seen) = cache.keys();
    let error = match check_public(&keys, token, algorithm, tenant) {
        Ok(()) => {
            cache.refresh_if_old(now_s);
            return Ok(());
        }
        Err(error) => error,
    };
    // Only a key that we do not know is worth asking for, not a bad signature of one that we do.
    let perhaps_new = match error {
        AuthError::KeyUnknown { .. } => true,
        AuthError::SignatureInvalid { .. } => token.kid.is_none(),
        _ => false,
    };
    if perhaps_new && cache.refresh(seen, now_s).await {
        return check_public(&cache.keys().0, token, algorithm, tenant);
    }
    if keys.is_empty() {
        return Err(AuthError::KeysUnavailable { tenant: Arc::clone(tenant) });
    }
    Err(error)
}

fn check_public(
    keys: &[PublicKey],
    token: &Token<'_>,
    algorithm: Algorithm,
    tenant: &Arc<str>,
) -> Result<(), AuthError> {
    let named: Vec<&PublicKey> = keys.iter().filter(|key| token.kid.is_none() || key.kid == token.kid).collect();
    // A key set may leave `kid` out; then its keys are tried for every token.
    let found = if named.is_empty() { keys.iter().filter(|key| key.kid.is_none()).collect() } else { named };
    if found.is_empty() {
        return Err(AuthError::KeyUnknown { tenant: Arc::clone(tenant) });
    }
    let fitting: Vec<&DecodingKey> =
        found.iter().filter(|key| key.algorithms.contains(&algorithm)).map(|key| &key.key).collect();
    if fitting.is_empty() {
        return Err(AuthError::AlgorithmRefused { tenant: Arc::clone(tenant) });
    }
    check(fitting, token, algorithm, tenant)
}

fn check<'k>(
    keys: impl IntoIterator<Item = &'k DecodingKey>,
    token: &Token<'_>,
    algorithm: Algorithm,
    tenant: &Arc<str>,
) -> Result<(), AuthError> {
    // HMACs are compared in constant time by the provider. An error means an undecodable signature: no proof.
    let proven = keys
        .into_iter()
        .any(|key| crypto::verify(token.signature, token.signed.as_bytes(), key, algorithm).unwrap_or(false));
    if proven { Ok(()) } else { Err(AuthError::SignatureInvalid { tenant: Arc::clone(tenant) }) }
}
