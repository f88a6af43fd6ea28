//! A tenant's keys, and the proof that one of them signed a token.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest;
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
    secrets: Vec<(SecretMark, DecodingKey)>,
    signing: Option<EncodingKey>,
    /// HS algorithms, in the order of the configuration: the first one signs.
    shared: Vec<Algorithm>,
    public: Option<PublicKeys>,
    /// The public-key algorithms that the configuration names; None: each key's own.
    allowed: Option<Vec<Algorithm>>,
}

/// Tells one of a tenant's secrets from another, so that a socket knows whether its token would still be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretMark([u8; 16]);

impl SecretMark {
    fn of(secret: &Secret) -> Self {
        let mut mark = [0; 16];
        let hash = digest::digest(&digest::SHA256, secret.expose().as_bytes());
        mark.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Self(mark)
    }
}

/// Hides it: a weak secret could be guessed from it.
impl fmt::Debug for SecretMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretMark(hidden)")
    }
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
            secrets: secrets.iter().map(|s| (SecretMark::of(s), DecodingKey::from_secret(&bytes(s)))).collect(),
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

    /// Whether tokens that this secret has signed are still taken.
    pub fn trusts(&self, mark: SecretMark) -> bool {
        self.secrets.iter().any(|(known, _)| *known == mark)
    }

    /// Takes over the fetched keys of a former version of the same tenant: where the key set is still the same, a change
    /// of something else shall not depend on its server.
    pub fn inherit(&mut self, former: &Keys) {
        if let (Some(PublicKeys::Cached(cache)), Some(PublicKeys::Cached(known))) = (&mut self.public, &former.public)
            && cache.is_of_same(known)
        {
            *cache = Arc::clone(known);
        }
    }

    /// Proves that one of these keys signed the token, and says which if it is a secret. Waits only for a key set that
    /// must be fetched.
    pub(super) async fn prove(
        &self,
        token: &Token<'_>,
        tenant: &Arc<str>,
        now_s: i64,
    ) -> Result<Option<SecretMark>, AuthError> {
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
            let mut secrets = self.secrets.iter();
            let signed = secrets.find(|(_, key)| is_signed_by(key, token, algorithm));
            let (mark, _) = signed.ok_or_else(|| AuthError::SignatureInvalid { tenant: Arc::clone(tenant) })?;
            return Ok(Some(*mark));
        }
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&algorithm)) {
            return Err(refused());
        }
        match &self.public {
            None => Err(refused()),
            Some(PublicKeys::Fixed(keys)) => check_public(keys, token, algorithm, tenant).map(|()| None),
            Some(PublicKeys::Cached(cache)) => {
                prove_cached(cache, token, algorithm, tenant, now_s).await.map(|()| None)
            }
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
    let proven = fitting.into_iter().any(|key| is_signed_by(key, token, algorithm));
    if proven { Ok(()) } else { Err(AuthError::SignatureInvalid { tenant: Arc::clone(tenant) }) }
}

fn is_signed_by(key: &DecodingKey, token: &Token<'_>, algorithm: Algorithm) -> bool {
    // HMACs are compared in constant time by the provider. An error means an undecodable signature: no proof.
    crypto::verify(token.signature, token.signed.as_bytes(), key, algorithm).unwrap_or(false)
}
