//! What a token proves, and every way in which it may fail to.

use std::path::Path;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use downbeat::{
    auth::{AuthError, Claims, Tenant, TenantConfig, Tenants, TopicGrant, authenticate, install_crypto, verify},
    room::TokenRole,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW_S: i64 = 1_800_000_000;
const SECRET: &str = "a-secret-of-exactly-thirty-two-b";
const OTHER_SECRET: &str = "another-secret-of-thirty-two-byt";

fn config(id: &str) -> TenantConfig {
    TenantConfig { id: id.into(), ..TenantConfig::default() }
}

fn build(config: TenantConfig) -> Tenant {
    install_crypto();
    config.build(Path::new(".")).unwrap()
}

fn with_secret(id: &str, secret: &str) -> TenantConfig {
    TenantConfig { jwt_secret: Some(secret.to_owned().into()), ..config(id) }
}

fn acme() -> Tenant {
    build(with_secret("acme", SECRET))
}

fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn hs256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
}

/// A token of tenant acme, soundly signed, whatever its claims.
fn signed(claims: &Value) -> String {
    token(&json!({"alg": "HS256", "typ": "JWT"}), claims, |message| hs256(SECRET.as_bytes(), message))
}

fn good() -> Value {
    json!({"sub": "ada", "role": "teacher", "exp": NOW_S + 60})
}

fn with(field: &str, value: Value) -> Value {
    let mut claims = good();
    claims[field] = value;
    claims
}

async fn read(claims: Value) -> Result<Claims, AuthError> {
    verify(&signed(&claims), &acme(), NOW_S).await
}

#[tokio::test]
async fn a_good_token_proves_who_it_is() {
    let claims = read(good()).await.unwrap();
    assert_eq!(claims.sub.as_deref(), Some("ada"));
    assert_eq!(claims.role, TokenRole::Teacher);
    assert_eq!((&*claims.tenant, claims.exp_s), ("acme", NOW_S + 60));
    assert_eq!((claims.room, claims.topics.len()), (None, 0));
}

#[tokio::test]
async fn exp_is_required_and_has_five_seconds_of_leeway() {
    let mut none = good();
    none.as_object_mut().unwrap().remove("exp");
    assert_eq!(read(none).await, Err(AuthError::ClaimMissing { claim: "exp" }));
    assert!(read(with("exp", json!(NOW_S - 5))).await.is_ok());
    assert!(read(with("exp", json!(NOW_S as f64 - 4.5))).await.is_ok());
    assert_eq!(read(with("exp", json!(NOW_S - 6))).await, Err(AuthError::Expired { ago_s: 6 }));
    for expired in [json!(0), json!(-1), json!(i64::MIN), json!(-1e300)] {
        let error = read(with("exp", expired)).await.unwrap_err();
        assert!(matches!(error, AuthError::Expired { .. }), "{error}");
    }
    for odd in [json!("1800000060"), json!([1]), json!({}), json!(true)] {
        let error = read(with("exp", odd)).await.unwrap_err();
        assert!(matches!(error, AuthError::ClaimInvalid { claim: "exp", .. }), "{error}");
    }
    assert!(read(with("exp", json!(4_000_000_000_i64))).await.is_ok());
    for far in [json!(NOW_S * 1_000), json!(u64::MAX), json!(1e300)] {
        let error = read(with("exp", far)).await.unwrap_err().to_string();
        assert!(error.contains("`exp`") && error.contains("milliseconds"), "{error}");
    }
}

#[tokio::test]
async fn nbf_is_honoured_with_the_same_leeway() {
    assert!(read(with("nbf", json!(NOW_S + 5))).await.is_ok());
    assert_eq!(read(with("nbf", json!(NOW_S + 6))).await, Err(AuthError::NotYetValid { ahead_s: 6 }));
    assert!(matches!(read(with("nbf", json!(1e300))).await, Err(AuthError::NotYetValid { .. })));
    assert!(matches!(read(with("nbf", json!("soon"))).await, Err(AuthError::ClaimInvalid { claim: "nbf", .. })));
}

#[tokio::test]
async fn a_sub_is_a_string_of_one_to_sixty_four_printable_characters() {
    for odd in [json!(17), json!(""), json!("x".repeat(65)), json!("a\u{0}b"), json!("a\u{202e}b"), json!(["ada"])] {
        let error = read(with("sub", odd)).await.unwrap_err();
        assert!(matches!(error, AuthError::ClaimInvalid { claim: "sub", .. }), "{error}");
    }
    assert_eq!(read(with("sub", Value::Null)).await.unwrap().sub, None);
    let strict = build(TenantConfig { require_sub: true, ..with_secret("acme", SECRET) });
    let error = verify(&signed(&with("sub", Value::Null)), &strict, NOW_S).await;
    assert_eq!(error, Err(AuthError::ClaimMissing { claim: "sub" }));
}

#[tokio::test]
async fn a_room_claim_is_a_printable_string() {
    assert_eq!(read(with("room", json!("MUSIC-1234"))).await.unwrap().room.as_deref(), Some("MUSIC-1234"));
    assert!(matches!(read(with("room", json!(4))).await, Err(AuthError::ClaimInvalid { claim: "room", .. })));
}

#[tokio::test]
async fn the_topics_claim_lists_topics_that_may_be_read_written_or_both() {
    let grant =
        |sub_topic: &str, any_rest, read, write| TopicGrant { sub_topic: sub_topic.into(), any_rest, read, write };
    let listed = json!([
        "realtime:choir",
        "realtime:section:*",
        {"topic": "realtime:stage", "write": false},
        {"topic": "realtime:box*", "read": false, "write": true},
        {"topic": "realtime:a*b"},
        "realtime:*",
    ]);
    let claims = read(with("topics", listed)).await.unwrap();
    let expected = [
        grant("choir", false, true, true),
        grant("section:", true, true, true),
        grant("stage", false, true, false),
        grant("box", true, false, true),
        grant("a*b", false, true, true),
        grant("", true, true, true),
    ];
    assert_eq!(claims.topics, expected);
    let longest = format!("realtime:{}", "t".repeat(246));
    for most in [vec!["realtime:t"; 100], vec![&*longest]] {
        assert_eq!(read(with("topics", json!(most))).await.unwrap().topics.len(), most.len());
    }
    assert_eq!(read(with("topics", Value::Null)).await.unwrap().topics, []);
}

#[tokio::test]
async fn a_malformed_topics_claim_is_refused_so_that_a_slip_never_grants_more_than_was_meant() {
    for odd in [
        json!("realtime:choir"),
        json!({"topic": "realtime:choir"}),
        json!([1]),
        json!([""]),
        json!(["choir"]),
        json!(["Realtime:choir"]),
        json!(["*"]),
        json!(["realtime:"]),
        json!([{"read": true}]),
        json!([{"topic": 1}]),
        json!([{"topic": "choir"}]),
        json!([{"topic": "realtime:choir", "write": "false"}]),
        json!([{"topic": "realtime:choir", "write": null}]),
        json!([{"topic": "realtime:choir", "Write": false}]),
        json!(["realtime:choir", null]),
        json!(vec!["realtime:t"; 101]),
        json!([format!("realtime:{}", "t".repeat(247))]),
    ] {
        let error = read(with("topics", odd.clone())).await.unwrap_err();
        assert!(matches!(error, AuthError::ClaimInvalid { claim: "topics", .. }), "{odd}: {error}");
    }
}

#[tokio::test]
async fn the_role_comes_from_where_the_tenant_says() {
    let nested = build(
        toml::from_str(&format!("id = 'acme'\njwt_secret = '{SECRET}'\nrole_claim = 'realm.music.role'")).unwrap(),
    );
    let mut claims = good();
    claims["realm"] = json!({"music": {"role": "teacher"}});
    claims["role"] = json!("student");
    assert_eq!(verify(&signed(&claims), &nested, NOW_S).await.unwrap().role, TokenRole::Teacher);
    assert_eq!(verify(&signed(&good()), &nested, NOW_S).await.unwrap().role, TokenRole::Student);
}

#[tokio::test]
async fn a_token_must_be_signed_with_the_tenants_own_algorithm() {
    let tenant = acme();
    for none in ["none", "None", "NONE"] {
        for unsigned in [vec![], b"x".to_vec()] {
            let token = token(&json!({"alg": none}), &good(), |_| unsigned.clone());
            assert_eq!(verify(&token, &tenant, NOW_S).await, Err(AuthError::AlgorithmNone));
        }
    }
    for other in ["HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "hs256", "HS1", ""] {
        let token = token(&json!({"alg": other}), &good(), |message| hs256(SECRET.as_bytes(), message));
        let error = verify(&token, &tenant, NOW_S).await.unwrap_err();
        assert!(matches!(error, AuthError::AlgorithmRefused { .. }), "{other}: {error}");
    }
    let wide = build(toml::from_str(&format!("id = 'acme'\njwt_secret = '{SECRET}'\nalgorithm = ['HS512']")).unwrap());
    let key = hmac::Key::new(hmac::HMAC_SHA512, SECRET.as_bytes());
    let hs512 = token(&json!({"alg": "HS512"}), &good(), |message| hmac::sign(&key, message).as_ref().to_vec());
    assert!(verify(&hs512, &wide, NOW_S).await.is_ok());
    assert!(verify(&signed(&good()), &wide, NOW_S).await.is_err());
}

#[tokio::test]
async fn another_tenants_key_proves_nothing() {
    let zeta = build(with_secret("zeta", OTHER_SECRET));
    let tenants = Tenants::new(vec![acme(), zeta], None).unwrap();
    let claims = with("tenant", json!("zeta"));
    let error = authenticate(&tenants, &signed(&claims), None, NOW_S).await.unwrap_err();
    assert!(matches!(error, AuthError::SignatureInvalid { .. }), "{error}");
    let error = verify(&signed(&claims), &acme(), NOW_S).await.unwrap_err();
    assert_eq!(error.status(), 403);
    let claims = with("tenant", json!("acme"));
    let (tenant, proven) = authenticate(&tenants, &signed(&claims), Some("acme.example.org"), NOW_S).await.unwrap();
    assert_eq!((&*tenant.id, &*proven.tenant), ("acme", "acme"));
    for (claims, host, status) in [
        (with("tenant", json!("nobody")), None, 404),
        (with("tenant", json!(7)), None, 401),
        (with("tenant", json!("acme")), Some("zeta.example.org"), 403),
        (good(), None, 404),
    ] {
        let refused = authenticate(&tenants, &signed(&claims), host, NOW_S).await.unwrap_err();
        assert_eq!(refused.status(), status, "{refused}");
    }
}

#[tokio::test]
async fn the_former_secret_is_good_while_it_is_configured() {
    let rotated =
        TenantConfig { previous_jwt_secret: Some(SECRET.to_owned().into()), ..with_secret("acme", OTHER_SECRET) };
    assert!(verify(&signed(&good()), &build(rotated), NOW_S).await.is_ok());
    let done = build(with_secret("acme", OTHER_SECRET));
    assert!(matches!(verify(&signed(&good()), &done, NOW_S).await, Err(AuthError::SignatureInvalid { .. })));
}

#[tokio::test]
async fn garbage_huge_and_critical_tokens_are_refused_in_words() {
    let tenant = acme();
    assert_eq!(verify("", &tenant, NOW_S).await, Err(AuthError::TokenMissing));
    let huge = signed(&with("name", json!("n".repeat(9_000))));
    assert_eq!(verify(&huge, &tenant, NOW_S).await, Err(AuthError::TokenTooLong { max: 8_192 }));
    let deep = format!("{}1{}", "[".repeat(2_000), "]".repeat(2_000));
    let deep = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(deep));
    for garbage in [".", "..", "...", "a.b.c", "e30.e30.e30", "e30.e30", "é.é.é", &deep] {
        let error = verify(garbage, &tenant, NOW_S).await.unwrap_err();
        assert!(matches!(error, AuthError::TokenMalformed { .. }), "{garbage}: {error}");
    }
    let critical = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    let critical = token(&critical, &good(), |message| hs256(SECRET.as_bytes(), message));
    let opaque = verify("sb_publishable_k", &tenant, NOW_S).await.unwrap_err();
    let says = "Supabase's publishable keys are opaque: pass a JWT of the tenant as the key";
    assert!(opaque.code() == "TokenMalformed" && opaque.to_string().ends_with(says), "{opaque}");
    assert!(matches!(verify(&critical, &tenant, NOW_S).await, Err(AuthError::TokenMalformed { .. })));
}

#[tokio::test]
async fn a_token_cut_or_changed_at_any_byte_proves_nothing() {
    let (tenant, whole) = (acme(), signed(&good()));
    for length in 0..whole.len() {
        assert!(verify(&whole[..length], &tenant, NOW_S).await.is_err(), "cut at {length}");
    }
    for at in 0..whole.len() - 1 {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(verify(&changed, &tenant, NOW_S).await.is_err(), "changed at {at}");
    }
}

#[tokio::test]
async fn an_error_never_repeats_the_token_or_the_secret() {
    let tenant = acme();
    let hostile = json!({"alg": "hunter2", "kid": "hunter2"});
    let claims = json!({"sub": ["hunter2"], "exp": NOW_S + 1, "tenant": "acme"});
    for token in [token(&hostile, &claims, |_| vec![1]), signed(&claims)] {
        let error = verify(&token, &tenant, NOW_S).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    assert!(!format!("{tenant:?}").contains(SECRET));
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #[test]
    fn no_text_whatever_is_a_token_and_none_panics(text in "\\PC{0,200}|[A-Za-z0-9_.-]{0,300}") {
        prop_assert!(block(verify(&text, &acme(), NOW_S)).is_err());
    }

    #[test]
    fn signed_claims_of_any_shape_never_panic_and_never_make_a_teacher_by_accident(
        exp in any::<f64>(), sub in "\\PC{0,80}", role in "teacher|student|\\PC{0,20}", name in "\\PC{0,200}",
    ) {
        let claims = json!({"exp": exp, "sub": sub, "role": role, "name": name});
        if let Ok(claims) = block(verify(&signed(&claims), &acme(), NOW_S)) {
            prop_assert!(exp >= (NOW_S - 5) as f64);
            prop_assert_eq!(claims.role == TokenRole::Teacher, role == "teacher");
            prop_assert!(claims.sub.is_none_or(|sub| (1..=64).contains(&sub.chars().count())));
            prop_assert!(claims.name.is_none_or(|name| name.chars().count() <= 64));
        }
    }

    #[test]
    fn only_the_right_secret_proves(secret in "[a-z]{32,64}") {
        let forged = token(&json!({"alg": "HS256"}), &good(), |m| hs256(secret.as_bytes(), m));
        prop_assert!(block(verify(&forged, &acme(), NOW_S)).is_err());
    }
}
