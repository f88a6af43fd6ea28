//! Public keys as a JWK Set (RFC 7517) writes them. Each key is bound to its algorithms when it is read, so that
//! a token can never talk a key into another algorithm.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::algorithms;

/// A key set with more keys is refused.
const KEYS_MAX: usize = 100;

/// One public key and what it may be used for.
#[derive(Clone, Debug)]
pub struct PublicKey {
    pub kid: Option<String>,
    /// Never empty, all of one kind of key, and never a shared-secret algorithm.
    pub algorithms: Vec<Algorithm>,
    pub key: DecodingKey,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Reads a key set, keeping only the keys that can verify one of the `allowed` algorithms (`None`: any).
///
/// Keys of other kinds or for other uses are left out, because sets often hold them.
///
/// # Errors
/// A sentence, without any value of the set, when it is no key set or when no key is left.
pub fn read_set(set: &Value, allowed: Option<&[Algorithm]>) -> Result<Vec<PublicKey>, String> {
    let listed = set.get("keys").and_then(Value::as_array);
    let listed = listed.ok_or("must be a JWK Set: a JSON object with a list `keys`")?;
    if listed.len() > KEYS_MAX {
        return Err(format!("holds more than {KEYS_MAX} keys"));
    }
    let mut keys = Vec::new();
    let mut reasons = Vec::new();
    for (at, jwk) in listed.iter().enumerate() {
        match read_key(jwk, allowed) {
            Ok(key) => keys.push(key),
            Err(reason) => reasons.push(format!("keys[{at}] {reason}")),
        }
    }
    match (keys.is_empty(), reasons.is_empty()) {
        (false, _) => Ok(keys),
        (true, true) => Err("holds no key".into()),
        (true, false) => Err(format!("holds no usable key: {}", reasons.join("; "))),
    }
}

fn read_key(jwk: &Value, allowed: Option<&[Algorithm]>) -> Result<PublicKey, &'static str> {
    let jwk = Jwk::deserialize(jwk).map_err(|_| "is not a JWK: `kty` and the other members are strings")?;
    let for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
    let may_verify = jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !for_signatures || !may_verify {
        return Err("is not for signatures");
    }
    let (key, possible) = match jwk.kty.as_str() {
        "RSA" => rsa(&jwk)?,
        "EC" => elliptic(&jwk)?,
        "OKP" => edwards(&jwk)?,
        "oct" => return Err("is a shared secret, which belongs into `jwt_secret`"),
        _ => return Err("has a `kty` that is not RSA, EC or OKP"),
    };
    let named = match jwk.alg.as_deref() {
        // Newer sets write RFC 9864's name for the same algorithm.
        Some("Ed25519") => Some(Algorithm::EdDSA),
        Some(name) => Some(algorithms::by_name(name).ok_or("has an `alg` that is not supported")?),
        None => None,
    };
    let algorithms: Vec<Algorithm> = possible
        .iter()
        .copied()
        .filter(|algorithm| named.is_none_or(|named| named == *algorithm))
        .filter(|algorithm| allowed.is_none_or(|allowed| allowed.contains(algorithm)))
        .collect();
    if algorithms.is_empty() {
        return Err("has an `alg` that does not fit its `kty`, or that the tenant's `algorithm` leaves out");
    }
    Ok(PublicKey { kid: jwk.kid, algorithms, key })
}

type Found = (DecodingKey, &'static [Algorithm]);

fn rsa(jwk: &Jwk) -> Result<Found, &'static str> {
    let n = bytes(jwk.n.as_deref()).ok_or("has no `n` in base64url")?;
    let e = bytes(jwk.e.as_deref()).ok_or("has no `e` in base64url")?;
    // Shorter than 2,048 bits can be broken, longer than 8,192 costs too much per token.
    if !(256..=1024).contains(&n.len()) {
        return Err("is an RSA key of less than 2,048 or more than 8,192 bits");
    }
    let any =
        &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
    Ok((DecodingKey::from_rsa_raw_components(&n, &e), any))
}

fn elliptic(jwk: &Jwk) -> Result<Found, &'static str> {
    let (size, algorithm): (usize, &'static [Algorithm]) = match jwk.crv.as_deref() {
        Some("P-256") => (32, &[Algorithm::ES256]),
        Some("P-384") => (48, &[Algorithm::ES384]),
        _ => return Err("has a `crv` that is not P-256 or P-384"),
    };
    let x = bytes(jwk.x.as_deref()).filter(|x| x.len() == size).ok_or("has a bad `x`")?;
    let y = bytes(jwk.y.as_deref()).filter(|y| y.len() == size).ok_or("has a bad `y`")?;
    // SEC 1, 2.3.3: an uncompressed point is 04, x, y.
    let point = [&[4_u8][..], &x, &y].concat();
    Ok((DecodingKey::from_ec_der(&point), algorithm))
}

fn edwards(jwk: &Jwk) -> Result<Found, &'static str> {
    if jwk.crv.as_deref() != Some("Ed25519") {
        return Err("has a `crv` that is not Ed25519");
    }
    let x = bytes(jwk.x.as_deref()).filter(|x| x.len() == 32).ok_or("has a bad `x`")?;
    Ok((DecodingKey::from_ed_der(&x), &[Algorithm::EdDSA]))
}

fn bytes(base64url: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(base64url?.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ed(extra: Value) -> Value {
        let mut jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([7; 32])});
        for (name, value) in extra.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    #[test]
    fn unusable_keys_are_left_out_and_the_others_kept() {
        let set =
            json!({"keys": [ed(json!({"use": "enc"})), {"kty": "oct", "k": "c2VjcmV0"}, 7, ed(json!({"kid": "a"}))]});
        let keys = read_set(&set, None).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].kid.as_deref(), Some("a"));
    }

    #[test]
    fn a_set_without_a_usable_key_says_why_and_repeats_no_value() {
        let set = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}, ed(json!({"alg": "ES256"}))]});
        let error = read_set(&set, None).unwrap_err();
        assert!(error.contains("keys[0] is a shared secret"), "{error}");
        assert!(error.contains("keys[1] has an `alg`") && !error.contains("c2VjcmV0"), "{error}");
    }

    #[test]
    fn an_rsa_key_without_alg_takes_only_what_the_tenant_allows() {
        let set = json!({"keys": [{"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([9; 256]), "e": "AQAB"}]});
        let keys = read_set(&set, Some(&[Algorithm::PS256])).unwrap();
        assert_eq!(keys[0].algorithms, [Algorithm::PS256]);
        assert!(read_set(&set, Some(&[Algorithm::ES256])).is_err());
    }

    #[test]
    fn a_short_rsa_key_is_refused() {
        let set = json!({"keys": [{"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([9; 128]), "e": "AQAB"}]});
        assert!(read_set(&set, None).unwrap_err().contains("2,048"));
    }
}
