//! Tokens that are proven with public keys: each algorithm, key sets that change, and keys that are misused.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaPair, KeySize},
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaPublicKeyComponents},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use downbeat::auth::{AuthError, Tenant, TenantConfig, install_crypto, verify};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const NOW_S: i64 = 1_800_000_000;

fn build(config: TenantConfig) -> Tenant {
    install_crypto();
    config.build(Path::new(".")).unwrap()
}

fn with_url(url: &str) -> Tenant {
    build(TenantConfig { id: "acme".into(), jwks_url: Some(url.into()), ..TenantConfig::default() })
}

fn with_set(keys: &[Value]) -> Tenant {
    build(TenantConfig { id: "acme".into(), jwks: Some(json!({ "keys": keys })), ..TenantConfig::default() })
}

fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn good() -> Value {
    json!({"sub": "ada", "role": "teacher", "exp": NOW_S + 60})
}

struct RsaKey(RsaPair);

impl RsaKey {
    fn jwk(&self, extra: &Value) -> Value {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.0.public_key());
        let mut jwk = json!({"kty": "RSA", "use": "sig"});
        jwk["n"] = json!(URL_SAFE_NO_PAD.encode(public.n));
        jwk["e"] = json!(URL_SAFE_NO_PAD.encode(public.e));
        merge(jwk, extra)
    }

    fn sign(&self, how: &'static signature::RsaSignatureEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(how, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }
}

fn merge(mut jwk: Value, extra: &Value) -> Value {
    jwk.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    jwk
}

fn rsa() -> RsaKey {
    RsaKey(RsaPair::generate(KeySize::Rsa2048).unwrap())
}

fn ed25519() -> (Ed25519KeyPair, Value) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    (pair, json!({"kty": "OKP", "crv": "Ed25519", "x": x}))
}

#[tokio::test]
async fn every_public_key_algorithm_proves_its_tokens() {
    let rsa = rsa();
    let p256 = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let p384 = EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let (ed, ed_jwk) = ed25519();
    let point = |pair: &EcdsaKeyPair, curve: &str, size: usize| {
        let point = pair.public_key().as_ref()[1..].to_vec();
        let (x, y) = point.split_at(size);
        json!({"kty": "EC", "crv": curve, "kid": curve, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
    };
    let tenant = with_set(&[
        rsa.jwk(&json!({"kid": "rsa"})),
        point(&p256, "P-256", 32),
        point(&p384, "P-384", 48),
        merge(ed_jwk, &json!({"kid": "ed"})),
    ]);
    let random = SystemRandom::new();
    let rsa_ways: [(&str, &'static signature::RsaSignatureEncoding); 6] = [
        ("RS256", &signature::RSA_PKCS1_SHA256),
        ("RS384", &signature::RSA_PKCS1_SHA384),
        ("RS512", &signature::RSA_PKCS1_SHA512),
        ("PS256", &signature::RSA_PSS_SHA256),
        ("PS384", &signature::RSA_PSS_SHA384),
        ("PS512", &signature::RSA_PSS_SHA512),
    ];
    let mut tokens: Vec<String> =
        rsa_ways.map(|(alg, how)| token(&json!({"alg": alg, "kid": "rsa"}), &good(), |m| rsa.sign(how, m))).into();
    tokens.push(token(&json!({"alg": "ES256", "kid": "P-256"}), &good(), |m| {
        p256.sign(&random, m).unwrap().as_ref().to_vec()
    }));
    tokens.push(token(&json!({"alg": "ES384", "kid": "P-384"}), &good(), |m| {
        p384.sign(&random, m).unwrap().as_ref().to_vec()
    }));
    tokens.push(token(&json!({"alg": "EdDSA", "kid": "ed"}), &good(), |m| ed.sign(m).as_ref().to_vec()));
    tokens.push(token(&json!({"alg": "EdDSA"}), &good(), |m| ed.sign(m).as_ref().to_vec()));
    for token in tokens {
        assert_eq!(verify(&token, &tenant, NOW_S).await.unwrap().sub.as_deref(), Some("ada"));
        let forged = format!("{}AAAA", &token[..token.len() - 4]);
        assert!(verify(&forged, &tenant, NOW_S).await.is_err());
    }
}

#[tokio::test]
async fn a_public_key_is_never_a_shared_secret() {
    let rsa = rsa();
    let jwk = rsa.jwk(&json!({"kid": "rsa", "alg": "RS256"}));
    let tenant = with_set(std::slice::from_ref(&jwk));
    let public = jwk["n"].as_str().unwrap();
    for secret in [public.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(public).unwrap(), jwk.to_string().into_bytes()] {
        let forged = token(&json!({"alg": "HS256", "kid": "rsa"}), &good(), |m| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), m).as_ref().to_vec()
        });
        let error = verify(&forged, &tenant, NOW_S).await.unwrap_err();
        assert!(matches!(error, AuthError::AlgorithmRefused { .. }), "{error}");
    }
    let pss = token(&json!({"alg": "PS256", "kid": "rsa"}), &good(), |m| rsa.sign(&signature::RSA_PSS_SHA256, m));
    assert!(matches!(verify(&pss, &tenant, NOW_S).await, Err(AuthError::AlgorithmRefused { .. })));
    let unknown = token(&json!({"alg": "RS256", "kid": "x"}), &good(), |m| rsa.sign(&signature::RSA_PKCS1_SHA256, m));
    assert!(matches!(verify(&unknown, &tenant, NOW_S).await, Err(AuthError::KeyUnknown { .. })));
}

/// A server that gives out one key set, which the test may change, and counts how often it is asked.
struct KeyServer {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((500, String::new())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (said, count) = (Arc::clone(&answer), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                count.fetch_add(1, Ordering::SeqCst);
                let (status, body) = said.lock().unwrap().clone();
                let head =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = socket.write_all((head + &body).as_bytes()).await;
            }
        });
        Self { url, answer, asked }
    }

    fn serve(&self, keys: &[Value]) {
        *self.answer.lock().unwrap() = (200, json!({ "keys": keys }).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn ed_token(pair: &Ed25519KeyPair, kid: &str) -> String {
    let claims = json!({"sub": "ada", "exp": NOW_S + 100_000});
    token(&json!({"alg": "EdDSA", "kid": kid}), &claims, |m| pair.sign(m).as_ref().to_vec())
}

#[tokio::test]
async fn an_unknown_kid_fetches_the_key_set_again_but_not_more_than_every_thirty_seconds() {
    let server = KeyServer::start().await;
    let ((old, old_jwk), (new, new_jwk)) = (ed25519(), ed25519());
    let (old_jwk, new_jwk) = (merge(old_jwk, &json!({"kid": "old"})), merge(new_jwk, &json!({"kid": "new"})));
    let tenant = with_url(&server.url);
    let (old, new) = (ed_token(&old, "old"), ed_token(&new, "new"));

    let down = verify(&old, &tenant, NOW_S).await;
    assert!(matches!(down, Err(AuthError::KeysUnavailable { .. })), "{down:?}");
    server.serve(std::slice::from_ref(&old_jwk));
    assert!(verify(&old, &tenant, NOW_S + 5).await.is_ok());
    assert!(verify(&old, &tenant, NOW_S + 6).await.is_ok());
    assert_eq!(server.asked(), 2);

    server.serve(&[old_jwk, new_jwk]);
    for second in 6..35 {
        assert!(matches!(verify(&new, &tenant, NOW_S + second).await, Err(AuthError::KeyUnknown { .. })));
    }
    assert_eq!(server.asked(), 2);
    assert!(verify(&new, &tenant, NOW_S + 35).await.is_ok());
    assert_eq!(server.asked(), 3);

    server.answer.lock().unwrap().1 = "x".repeat(300 * 1024);
    assert!(verify(&ed_token(&ed25519().0, "third"), &tenant, NOW_S + 99).await.is_err());
    assert_eq!(server.asked(), 4);
    assert!(verify(&old, &tenant, NOW_S + 100).await.is_ok(), "a failed fetch must keep the keys");
}

#[tokio::test]
async fn many_who_wait_for_the_same_key_ask_for_it_once() {
    let server = KeyServer::start().await;
    let (pair, jwk) = ed25519();
    server.serve(&[merge(jwk, &json!({"kid": "k"}))]);
    let tenant = with_url(&server.url);
    let (tenant, token) = (Arc::new(tenant), ed_token(&pair, "k"));
    let many: Vec<_> = (0..50)
        .map(|_| {
            let (tenant, token) = (Arc::clone(&tenant), token.clone());
            tokio::spawn(async move { verify(&token, &tenant, NOW_S).await })
        })
        .collect();
    for one in many {
        assert!(one.await.unwrap().is_ok());
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_key_set_file_that_changed_is_read_again() {
    let path = std::env::temp_dir().join(format!("downbeat-key-set-{}.json", std::process::id()));
    let ((old, old_jwk), (new, new_jwk)) = (ed25519(), ed25519());
    let write = |jwk: Value, kid: &str| {
        let set = json!({"keys": [merge(jwk, &json!({ "kid": kid }))]});
        std::fs::write(&path, set.to_string()).unwrap();
    };
    write(old_jwk, "old");
    let config = TenantConfig { id: "acme".into(), jwks_file: Some(path.clone()), ..TenantConfig::default() };
    let tenant = build(config);
    assert!(verify(&ed_token(&old, "old"), &tenant, NOW_S).await.is_ok());
    write(new_jwk, "new");
    assert!(verify(&ed_token(&new, "new"), &tenant, NOW_S).await.is_ok());
    std::fs::remove_file(&path).unwrap();
    let withdrawn = verify(&ed_token(&old, "old"), &tenant, NOW_S + 60).await;
    assert!(matches!(withdrawn, Err(AuthError::KeyUnknown { .. })));
    assert!(verify(&ed_token(&new, "new"), &tenant, NOW_S + 61).await.is_ok());
}
