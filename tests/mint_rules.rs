//! Tokens that Downbeat signs itself: what they say, and which it refuses to sign.

use std::path::Path;

use downbeat::{
    auth::{Grant, MintError, Tenant, TenantConfig, admit_guest, install_crypto, mint, peek_tenant, verify},
    room::TokenRole,
};

const NOW_S: i64 = 1_800_000_000;
const SECRET: &str = "a-secret-of-exactly-thirty-two-b";

fn config(id: &str) -> TenantConfig {
    TenantConfig { id: id.into(), ..TenantConfig::default() }
}

fn with_secret(id: &str, secret: &str) -> TenantConfig {
    TenantConfig { jwt_secret: Some(secret.to_owned().into()), ..config(id) }
}

fn build(config: TenantConfig) -> Tenant {
    install_crypto();
    config.build(Path::new(".")).unwrap()
}

fn acme() -> Tenant {
    build(with_secret("acme", SECRET))
}

fn grant() -> Grant {
    Grant { sub: Some("ada".into()), role: TokenRole::Teacher, name: Some("Ada".into()), room: None, ttl_s: 60 }
}

#[tokio::test]
async fn a_minted_token_is_accepted_and_says_what_was_granted() {
    let nested = toml::from_str(&format!(
        "id = 'acme'\njwt_secret = '{SECRET}'\nrole_claim = 'app_metadata.role'\nalgorithm = 'HS384'"
    ));
    for tenant in [acme(), build(nested.unwrap())] {
        let token = mint(&tenant, &grant(), NOW_S).unwrap();
        assert_eq!(peek_tenant(&token).unwrap().as_deref(), Some("acme"));
        let claims = verify(&token, &tenant, NOW_S).await.unwrap();
        assert_eq!(claims.role, TokenRole::Teacher);
        assert_eq!((claims.sub.as_deref(), claims.name.as_deref()), (Some("ada"), Some("Ada")));
        assert_eq!(claims.exp_s, NOW_S + 60);
    }
}

#[test]
fn minting_refuses_what_no_verification_would_accept() {
    let bad_sub = Grant { sub: Some("a\nb".into()), ..grant() };
    assert_eq!(mint(&acme(), &bad_sub, NOW_S), Err(MintError::NotPrintable { field: "sub" }));
    assert_eq!(mint(&acme(), &Grant { ttl_s: 0, ..grant() }, NOW_S), Err(MintError::NoTime));
    let keyless = build(TenantConfig { jwks_url: Some("https://id.acme.org/jwks".into()), ..config("acme") });
    assert!(matches!(mint(&keyless, &grant(), NOW_S), Err(MintError::NoSecret { .. })));
}

#[tokio::test]
async fn a_guest_is_a_student_of_one_room_with_a_new_id() {
    let tenant = build(TenantConfig { guests: true, ..with_secret("acme", SECRET) });
    let guest = admit_guest(&tenant, "MUSIC-1234", " Bob ", NOW_S).unwrap();
    let other = admit_guest(&tenant, "MUSIC-1234", "Bob", NOW_S).unwrap();
    assert_ne!(guest.sub, other.sub);
    let claims = verify(&guest.token, &tenant, NOW_S).await.unwrap();
    assert_eq!(claims.role, TokenRole::Student);
    assert_eq!(claims.room.as_deref(), Some("MUSIC-1234"));
    assert_eq!((claims.sub, claims.name), (Some(guest.sub.clone()), Some("Bob".into())));
    assert!(guest.sub.starts_with("guest-") && guest.sub.len() == 14);
    let closed = admit_guest(&acme(), "MUSIC-1234", "Bob", NOW_S);
    assert!(matches!(closed, Err(MintError::GuestsOff { .. })));
    assert!(matches!(
        admit_guest(&tenant, "MUSIC-1234", "\u{7}", NOW_S),
        Err(MintError::NotPrintable { field: "name" })
    ));
}
