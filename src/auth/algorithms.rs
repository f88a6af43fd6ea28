//! Which signature algorithms exist here, and to which kind of key each belongs.

use jsonwebtoken::{Algorithm, AlgorithmFamily};

/// Every algorithm that a tenant may name, in the order in which messages list them.
pub const ALL: [(&str, Algorithm); 12] = [
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// The algorithm of that exact name; `none` is not one.
pub fn by_name(name: &str) -> Option<Algorithm> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
}

/// Signed with a shared secret, not with a private key.
pub fn is_shared(algorithm: Algorithm) -> bool {
    algorithm.family() == AlgorithmFamily::Hmac
}

/// The names, for messages: `HS256, HS384, …`.
pub fn names() -> String {
    ALL.map(|(name, _)| name).join(", ")
}
