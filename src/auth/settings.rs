//! A tenant's settings as JSON: what the tenant API takes and the database keeps. The fields are those of the TOML file,
//! but for the ones that name files of the server.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};
use thiserror::Error;

use super::{Limits, Problem, SealError, SealedFor, SealingKeys, Secret, Tenant, TenantConfig, problem::every_field};

const JWT_SECRET: &str = "jwt_secret";
const PREVIOUS_JWT_SECRET: &str = "previous_jwt_secret";
const JWKS_URL: &str = "jwks_url";
const ALGORITHM: &str = "algorithm";
/// What the file may write for it, too.
const ALGORITHMS: &str = "algorithms";
/// What is kept sealed. A URL may hold a key in its query.
const SECRETS: [&str; 3] = [JWT_SECRET, PREVIOUS_JWT_SECRET, JWKS_URL];
/// What is kept as it is.
const PLAIN: [&str; 11] = [
    "jwks",
    ALGORITHM,
    "hosts",
    "origins",
    "guests",
    "role_claim",
    "require_sub",
    "limits",
    "participation",
    "retention_days",
    "suspended",
];
/// What the file has instead.
const OF_THE_FILE: [(&str, &str); 3] = [
    ("jwt_secret_file", JWT_SECRET),
    ("previous_jwt_secret_file", PREVIOUS_JWT_SECRET),
    ("jwks_file", "jwks` or `jwks_url"),
];
/// Members of a JWK that only a private or shared key has.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// The settings of one tenant, secrets included. `Debug` hides those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantSettings {
    plain: Map<String, Value>,
    secrets: BTreeMap<&'static str, Secret>,
}

/// Why settings that were kept cannot be used.
#[derive(Debug, Error)]
pub enum KeptWrong {
    #[error("its settings are not JSON objects as this program writes them")]
    Malformed,
    #[error("its {field} cannot be unsealed: {error}")]
    Sealed { field: String, error: SealError },
    #[error("there is no secret key to unseal its secrets with: set `secret_key`, the same on all nodes")]
    NoKey,
}

impl TenantSettings {
    /// A whole tenant, as `PUT` brings it. null is the same as nothing.
    ///
    /// # Errors
    /// Every field that is wrong, without any secret.
    pub fn parse(id: &str, given: Map<String, Value>) -> Result<Self, Vec<Problem>> {
        Self::default().patched(id, given)
    }

    /// These settings after a JSON merge patch (RFC 7396): what is not named stays, null takes away.
    ///
    /// A new `jwt_secret` makes the former the `previous_jwt_secret`, unless the patch says what that is.
    ///
    /// # Errors
    /// As [`TenantSettings::parse`]; then nothing has changed.
    pub fn patched(&self, id: &str, mut patch: Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut patched = self.clone();
        if let Some(named) = patch.remove("id").filter(|named| named != id) {
            problems.push(Problem::value("id", named, format!("must be the one in the address, {id:?}, or left out")));
        }
        let tells_previous = patch.contains_key(PREVIOUS_JWT_SECRET);
        for field in SECRETS {
            match patch.remove(field) {
                None => {}
                Some(Value::Null) => {
                    patched.secrets.remove(field);
                }
                Some(Value::String(secret)) => {
                    patched.secrets.insert(field, secret.into());
                }
                Some(_) => problems.push(Problem::hidden(field, "must be a string in quotes")),
            }
        }
        if !tells_previous {
            patched.keep_former(self);
        }
        for (field, instead) in OF_THE_FILE {
            if patch.remove(field).is_some() {
                let must = format!("is for the TOML file alone: give `{instead}`");
                problems.push(Problem::hidden(field, must));
            }
        }
        // Kept under one name alone: the other would be left aside when it is read back.
        if let Some(named) = patch.remove(ALGORITHMS)
            && patch.insert(ALGORITHM.to_owned(), named).is_some()
        {
            let must = format!("is another name of `{ALGORITHM}`: give one of the two");
            problems.push(Problem::hidden(ALGORITHMS, must));
        }
        merge(&mut patched.plain, patch);
        match patched.config(id) {
            Ok(_) if problems.is_empty() => Ok(patched),
            Ok(_) => Err(problems),
            Err(wrong) => {
                problems.extend(wrong);
                Err(problems)
            }
        }
    }

    /// A secret that was replaced stays good for the tokens that it signed; without a current one there is none.
    fn keep_former(&mut self, before: &Self) {
        match (self.secrets.get(JWT_SECRET), before.secrets.get(JWT_SECRET)) {
            (None, _) => drop(self.secrets.remove(PREVIOUS_JWT_SECRET)),
            (Some(now), Some(former)) if now != former => {
                self.secrets.insert(PREVIOUS_JWT_SECRET, former.clone());
            }
            _ => {}
        }
    }

    /// The tenant that they make.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn build(&self, id: &str) -> Result<Tenant, Vec<Problem>> {
        // Nothing is read from files here.
        self.config(id)?.build(Path::new("."))
    }

    fn config(&self, id: &str) -> Result<TenantConfig, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut plain = self.plain.clone();
        match plain.get("limits") {
            Some(Value::Object(limits)) => {
                if let Err(wrong) = every_field::<Limits>(limits) {
                    problems.extend(wrong.into_iter().map(|problem| problem.within("limits")));
                    plain.remove("limits");
                }
            }
            Some(other) => {
                problems.push(Problem::value("limits", other, "must be an object of limits"));
                plain.remove("limits");
            }
            None => {}
        }
        if let Some(member) = plain.get("jwks").and_then(private_member) {
            let must = format!("holds a private key (member `{member}`): give public keys alone");
            problems.push(Problem::hidden("jwks", must));
        }
        let config = match every_field::<TenantConfig>(&plain) {
            Ok(config) => config,
            Err(wrong) => {
                problems.extend(wrong);
                return Err(problems);
            }
        };
        let secret = |field| self.secrets.get(field).cloned();
        let config = TenantConfig {
            id: id.to_owned(),
            jwt_secret: secret(JWT_SECRET),
            previous_jwt_secret: secret(PREVIOUS_JWT_SECRET),
            jwks_url: secret(JWKS_URL).map(|url| url.expose().to_owned()),
            ..config
        };
        // Built for its complaints alone.
        if let Err(wrong) = config.clone().build(Path::new(".")) {
            problems.extend(wrong);
        }
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// The settings without secrets, as JSON text.
    pub fn plain_text(&self) -> String {
        Value::Object(self.plain.clone()).to_string()
    }

    /// The secrets, sealed, as JSON text.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn sealed_text(&self, id: &str, keys: &SealingKeys) -> Result<String, SealError> {
        let mut sealed = Map::new();
        for (field, secret) in &self.secrets {
            sealed.insert((*field).to_owned(), keys.seal(secret, SealedFor { tenant: id, field })?.into());
        }
        Ok(Value::Object(sealed).to_string())
    }

    /// The names of the fields in which the two differ, for the audit log: no values.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let plain = PLAIN.iter().filter(|field| self.plain.get(**field) != other.plain.get(**field));
        let secrets = SECRETS.iter().filter(|field| self.secrets.get(**field) != other.secrets.get(**field));
        plain.chain(secrets).map(|field| (*field).to_owned()).collect()
    }
}

/// A tenant as it is kept, in the database and in Redis: the secrets sealed, or nothing but that it is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptTenant {
    pub id: String,
    /// The number of its last change: each change of any tenant has the next.
    pub change: i64,
    /// [`TenantSettings::plain_text`].
    pub settings: String,
    /// [`TenantSettings::sealed_text`].
    pub secrets: String,
    /// It is no more: settings and secrets are empty objects. Kept so that nobody takes an older version for the
    /// present one.
    pub is_deleted: bool,
    pub updated_at_us: i64,
}

impl KeptTenant {
    /// The settings, on this or a neighbouring release, whose other fields are left aside.
    ///
    /// # Errors
    /// When something was damaged, or the key is another. Never what is in it.
    pub fn open(&self, keys: Option<&SealingKeys>) -> Result<TenantSettings, KeptWrong> {
        let id = &self.id;
        let plain = self.plain()?;
        let mut secrets = BTreeMap::new();
        let sealed = self.sealed().ok_or(KeptWrong::Malformed)?;
        for field in SECRETS {
            let Some(text) = sealed.get(field) else { continue };
            let keys = keys.ok_or(KeptWrong::NoKey)?;
            let opened = keys.open(text, SealedFor { tenant: id, field });
            let secret = opened.map_err(|error| KeptWrong::Sealed { field: field.to_owned(), error })?;
            secrets.insert(field, secret);
        }
        Ok(TenantSettings { plain, secrets })
    }

    /// The settings, with the secrets of former ones.
    ///
    /// # Errors
    /// When something was damaged.
    pub fn open_with_secrets_of(&self, former: &TenantSettings) -> Result<TenantSettings, KeptWrong> {
        Ok(TenantSettings { plain: self.plain()?, secrets: former.secrets.clone() })
    }

    fn plain(&self) -> Result<Map<String, Value>, KeptWrong> {
        let mut plain: Map<String, Value> = serde_json::from_str(&self.settings).map_err(|_| KeptWrong::Malformed)?;
        self.leave_aside_unknown(&mut plain, |field| PLAIN.contains(&field));
        if let (Some(Value::Object(limits)), Ok(Value::Object(known))) =
            (plain.get_mut("limits"), serde_json::to_value(Limits::default()))
        {
            self.leave_aside_unknown(limits, |field| known.contains_key(field));
        }
        Ok(plain)
    }

    fn leave_aside_unknown(&self, fields: &mut Map<String, Value>, is_known: impl Fn(&str) -> bool) {
        fields.retain(|field, _| {
            let is_known = is_known(field);
            if !is_known {
                tracing::warn!(tenant.id = %self.id, field, "a setting of another release is left aside");
            }
            is_known
        });
    }

    /// Whether a secret is sealed with another than the current key.
    pub fn is_sealed_formerly(&self, keys: &SealingKeys) -> bool {
        self.sealed().is_some_and(|sealed| sealed.values().any(|text| !keys.is_current(text)))
    }

    fn sealed(&self) -> Option<BTreeMap<String, String>> {
        serde_json::from_str(&self.secrets).ok()
    }
}

/// A JSON merge patch (RFC 7396).
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (field, value) in patch {
        match value {
            Value::Null => drop(target.remove(&field)),
            Value::Object(inner) => {
                let place = target.entry(field).or_insert_with(|| Value::Object(Map::new()));
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                if let Value::Object(place) = place {
                    merge(place, inner);
                }
            }
            value => drop(target.insert(field, value)),
        }
    }
}

/// The first member of any key of the set that only a private one has.
fn private_member(jwks: &Value) -> Option<&'static str> {
    let parsed: Value;
    let set = match jwks {
        Value::String(text) => {
            parsed = serde_json::from_str(text).ok()?;
            &parsed
        }
        set => set,
    };
    let keys = set.get("keys")?.as_array()?;
    let holds = |member: &&&str| keys.iter().any(|key| key.get(**member).is_some());
    PRIVATE_MEMBERS.iter().find(holds).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ONE: &str = "acme's first secret, long enough for it";
    const TWO: &str = "acme's second secret, long enough for it";

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    fn acme(given: Value) -> Result<TenantSettings, Vec<String>> {
        TenantSettings::parse("acme", object(given)).map_err(names)
    }

    fn names(problems: Vec<Problem>) -> Vec<String> {
        problems.into_iter().map(|problem| problem.setting).collect()
    }

    fn patched(settings: &TenantSettings, patch: Value) -> TenantSettings {
        settings.patched("acme", object(patch)).expect("a sound patch")
    }

    fn secret_of<'a>(settings: &'a TenantSettings, field: &str) -> Option<&'a str> {
        settings.secrets.get(field).map(Secret::expose)
    }

    #[test]
    fn a_new_secret_keeps_the_former_until_it_is_taken_away() {
        let first = acme(json!({"jwt_secret": ONE})).expect("sound");
        let rotated = patched(&first, json!({"jwt_secret": TWO}));
        assert_eq!(secret_of(&rotated, JWT_SECRET), Some(TWO));
        assert_eq!(secret_of(&rotated, PREVIOUS_JWT_SECRET), Some(ONE));
        let other = patched(&rotated, json!({"guests": true, "jwt_secret": TWO}));
        assert_eq!(secret_of(&other, PREVIOUS_JWT_SECRET), Some(ONE), "the same secret is no rotation");
        let ended = patched(&other, json!({"previous_jwt_secret": null}));
        assert_eq!(secret_of(&ended, PREVIOUS_JWT_SECRET), None);
        let at_once = patched(&first, json!({"jwt_secret": TWO, "previous_jwt_secret": null}));
        assert_eq!(secret_of(&at_once, PREVIOUS_JWT_SECRET), None);
    }

    #[test]
    fn a_patch_touches_what_it_names_alone() {
        let first =
            acme(json!({"jwt_secret": ONE, "limits": {"default_bpm": 90, "notes_per_second": 5}})).expect("sound");
        let patched = patched(&first, json!({"limits": {"default_bpm": null, "max_rooms_per_tenant": 7}}));
        let tenant = patched.build("acme").expect("sound");
        assert_eq!((tenant.limits.default_bpm, tenant.limits.notes_per_second), (120, 5));
        assert_eq!(tenant.limits.max_rooms_per_tenant, 7);
        assert_eq!(first.differences(&patched), ["limits"]);
    }

    #[test]
    fn algorithms_count_under_either_name_once_they_were_kept() {
        let keys = SealingKeys::new(&[1; 32], &[]).expect("a key");
        for name in [ALGORITHM, ALGORITHMS] {
            let settings = acme(json!({"jwt_secret": ONE, name: ["HS512"]})).expect("sound");
            let kept = KeptTenant {
                id: "acme".into(),
                change: 1,
                settings: settings.plain_text(),
                secrets: settings.sealed_text("acme", &keys).expect("sealed"),
                is_deleted: false,
                updated_at_us: 0,
            };
            let opened = kept.open(Some(&keys)).expect("opened");
            assert_eq!(opened.build("acme").expect("sound").described.algorithm, ["HS512"], "{name}");
        }
        let both = acme(json!({"jwt_secret": ONE, ALGORITHM: "HS256", ALGORITHMS: "HS512"}));
        assert_eq!(both, Err(vec![ALGORITHMS.to_owned()]));
    }

    #[test]
    fn every_wrong_field_is_named_and_no_secret_repeated() {
        let given = json!({
            "id": "zeta", "jwt_secret": "short", "jwks_file": "/etc/passwd", "guests": "yes", "colour": 1,
            "limits": {"default_bpm": 300, "pianos": 1},
        });
        let wrong = acme(given).expect_err("wrong");
        for field in ["id", "jwks_file", "guests", "colour", "limits.pianos"] {
            assert!(wrong.iter().any(|named| named == field), "{field} is not in {wrong:?}");
        }
        assert_eq!(acme(json!({"jwt_secret": "short"})), Err(vec!["jwt_secret".to_owned()]));
        assert_eq!(acme(json!({"jwt_secret": 7})), Err(vec!["jwt_secret".to_owned(), "jwt_secret".to_owned()]));
        assert_eq!(acme(json!({})), Err(vec!["jwt_secret".to_owned()]));
        let problems = TenantSettings::parse("acme", object(json!({"jwt_secret": "hush hush", "origins": ["::"]})));
        assert!(!format!("{problems:?}").contains("hush"), "{problems:?}");
    }

    #[test]
    fn a_private_key_among_the_public_ones_is_refused() {
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}]});
        assert!(acme(json!({"jwks": set})).expect_err("wrong").contains(&"jwks".to_owned()));
        assert!(acme(json!({"jwks": set.to_string()})).expect_err("wrong").contains(&"jwks".to_owned()));
    }

    #[test]
    fn what_is_kept_is_read_back_and_holds_no_secret_in_the_clear() {
        let keys = SealingKeys::new(&[1; 32], &[]).expect("a key");
        let url = "https://keys.example.org/set?key=hush";
        let settings = acme(json!({"jwt_secret": ONE, "jwks_url": url, "guests": true})).expect("sound");
        let (plain, sealed) = (settings.plain_text(), settings.sealed_text("acme", &keys).expect("sealed"));
        assert!(!format!("{plain}{sealed}{settings:?}").contains("hush"));
        assert!(!format!("{plain}{sealed}{settings:?}").contains(ONE));
        let kept = |id: &str, settings: &str, secrets: &str| KeptTenant {
            id: id.to_owned(),
            change: 1,
            settings: settings.to_owned(),
            secrets: secrets.to_owned(),
            is_deleted: false,
            updated_at_us: 0,
        };
        let read = |id: &str, keys| kept(id, &plain, &sealed).open(keys);
        assert_eq!(read("acme", Some(&keys)).expect("read"), settings);
        assert!(matches!(read("acme", None), Err(KeptWrong::NoKey)));
        assert!(matches!(read("zeta", Some(&keys)), Err(KeptWrong::Sealed { error: SealError::Forged, .. })));
        let later = json!({"guests": true, "later": 1, "limits": {"default_bpm": 90, "pianos": 1}}).to_string();
        let read = kept("acme", &later, &sealed).open(Some(&keys)).expect("read");
        assert!(read.build("acme").expect("sound").guests);
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-z_]{1,8}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn field_name() -> impl Strategy<Value = String> {
        let known: Vec<&str> = PLAIN.into_iter().chain(SECRETS).chain(["id", "jwks_file"]).collect();
        prop_oneof![prop::sample::select(known).prop_map(str::to_owned), "[a-z_]{1,12}"]
    }

    proptest! {
        #[test]
        fn whatever_json_comes_is_a_sound_tenant_or_a_list_of_what_is_wrong(
            fields in prop::collection::hash_map(field_name(), json_value(), 0..8),
        ) {
            let before = acme(json!({"jwt_secret": ONE})).expect("sound");
            match before.patched("acme", fields.into_iter().collect()) {
                Ok(settings) => prop_assert!(settings.build("acme").is_ok()),
                Err(problems) => {
                    let said = format!("{problems:?}");
                    prop_assert!(!problems.is_empty() && !said.contains(ONE));
                }
            }
        }

        #[test]
        fn whatever_text_was_kept_is_read_or_refused(plain in ".{0,80}", sealed in ".{0,80}") {
            let keys = SealingKeys::new(&[1; 32], &[]).expect("a key");
            let (id, change, is_deleted, updated_at_us) = ("acme".to_owned(), 1, false, 0);
            let kept = KeptTenant { id, change, settings: plain, secrets: sealed, is_deleted, updated_at_us };
            let is_object = serde_json::from_str::<Map<String, Value>>(&kept.settings).is_ok();
            prop_assert_eq!(kept.open(Some(&keys)).is_ok(), is_object && kept.sealed().is_some());
        }
    }
}
