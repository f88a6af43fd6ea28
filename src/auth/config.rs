//! A tenant as it is written down: a `[[tenants]]` table of the TOML file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Keys, Limits, OriginPattern, Problem, RolePath, Secret, Tenant, algorithms,
    jwk::{PublicKey, read_set},
    jwks::{KeyCache, Source, parse_set, read_file, read_url},
    keys::PublicKeys,
    tenant::Described,
};

/// What a tenant's table may hold. [`TenantConfig::build`] checks it and makes the [`Tenant`].
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantConfig {
    /// 1 to 63 lower-case letters, digits, `-` and `_`.
    pub id: String,
    /// At least 32 bytes.
    pub jwt_secret: Option<Secret>,
    /// A file that holds the secret; white space at its end does not count.
    pub jwt_secret_file: Option<PathBuf>,
    /// The former secret, while tokens signed with it are still about.
    pub previous_jwt_secret: Option<Secret>,
    /// A file that holds it, like `jwt_secret_file`.
    pub previous_jwt_secret_file: Option<PathBuf>,
    /// A JWK Set, as a table or as its JSON text.
    pub jwks: Option<Value>,
    pub jwks_file: Option<PathBuf>,
    pub jwks_url: Option<String>,
    /// The algorithms that tokens may be signed with. Default: HS256 for a secret, each key's own for a key set.
    #[serde(alias = "algorithms")]
    pub algorithm: OneOrMany,
    pub hosts: Vec<String>,
    pub origins: Vec<String>,
    pub guests: bool,
    /// Where the role stands in a token, as `role` or `app_metadata.role`. Default: those two, in this order.
    pub role_claim: OneOrMany,
    pub require_sub: bool,
    pub limits: Limits,
    /// Whether what happens in the rooms is recorded: who took part, and reflections.
    pub participation: bool,
    /// For how many days that is kept, 1 to 3650.
    pub retention_days: u32,
    pub suspended: bool,
}

impl Default for TenantConfig {
    fn default() -> Self {
        Self {
            id: String::new(),
            jwt_secret: None,
            jwt_secret_file: None,
            previous_jwt_secret: None,
            previous_jwt_secret_file: None,
            jwks: None,
            jwks_file: None,
            jwks_url: None,
            algorithm: OneOrMany::default(),
            hosts: Vec::new(),
            origins: Vec::new(),
            guests: false,
            role_claim: OneOrMany::default(),
            require_sub: false,
            limits: Limits::default(),
            participation: true,
            retention_days: 180,
            suspended: false,
        }
    }
}

/// A string, or a list of strings.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "must be a string or a list of strings")]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

const SECRET_BYTES_MIN: usize = 32;
/// A secret file is read up to this size.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Ten years.
const RETENTION_DAYS_MAX: u32 = 3_650;

impl TenantConfig {
    /// Checks everything and reads the files; file names are taken relative to `base`.
    ///
    /// # Errors
    /// All that is wrong, with settings named relative to the tenant; no secret is in it.
    pub fn build(self, base: &Path) -> Result<Tenant, Vec<Problem>> {
        let mut problems = self.limits.problems().into_iter().map(|p| p.within("limits")).collect::<Vec<_>>();
        if !is_tenant_id(&self.id) {
            let must = "must be 1 to 63 lower-case letters, digits, `-` or `_`, and begin with a letter or digit";
            problems.push(Problem::value("id", &self.id, must));
        }
        if !(1..=RETENTION_DAYS_MAX).contains(&self.retention_days) {
            let must = format!("must be a whole number of days from 1 to {RETENTION_DAYS_MAX}");
            problems.push(Problem::value("retention_days", self.retention_days, must));
        }
        let keys = self.keys(base, &mut problems);
        let origins = self.origins(&mut problems);
        let hosts = self.hosts(&mut problems);
        let role_paths = self.role_paths(&mut problems);
        match keys {
            Some(keys) if problems.is_empty() => Ok(Tenant {
                described: self.described(),
                id: Arc::from(self.id),
                keys,
                hosts,
                origins,
                guests: self.guests,
                role_paths,
                require_sub: self.require_sub,
                limits: self.limits,
                participation: self.participation,
                retention_days: self.retention_days,
                suspended: self.suspended,
            }),
            _ => Err(problems),
        }
    }

    fn keys(&self, base: &Path, problems: &mut Vec<Problem>) -> Option<Keys> {
        let before = problems.len();
        let named = self.algorithms(problems);
        let secret = self.secret(base, problems);
        let given = [self.jwks.is_some(), self.jwks_file.is_some(), self.jwks_url.is_some()];
        let sets = given.into_iter().filter(|given| *given).count();
        if sets > 1 {
            let must = "jwks, jwks_file and jwks_url exclude each other: keep one";
            problems.push(Problem::hidden("jwks", must));
        }
        if secret.is_none() && sets == 0 && problems.len() == before {
            let must =
                "give one of jwt_secret, jwt_secret_file, jwks, jwks_file, jwks_url: without it no token can be proven";
            problems.push(Problem::hidden("jwt_secret", must));
        }
        if self.guests && secret.is_none() && problems.len() == before {
            let must = "true needs jwt_secret or jwt_secret_file, to sign the guests' tokens";
            problems.push(Problem::hidden("guests", must));
        }
        let (shared, allowed): (Vec<_>, Vec<_>) = named.iter().partition(|a| algorithms::is_shared(**a));
        let shared = if named.is_empty() { vec![Algorithm::HS256] } else { shared };
        let allowed = (!named.is_empty()).then_some(allowed);
        if secret.is_some() && shared.is_empty() {
            let must = "must name HS256, HS384 or HS512 too, because there is a secret";
            problems.push(Problem::hidden("algorithm", must));
        }
        if sets > 0 && allowed.as_ref().is_some_and(Vec::is_empty) {
            let must = "must name an RS, PS, ES or EdDSA algorithm too, because there is a key set";
            problems.push(Problem::hidden("algorithm", must));
        }
        if problems.len() > before {
            return None;
        }
        let public = self.public(base, allowed.as_deref(), problems)?;
        let previous = self.previous_secret(base, problems)?;
        let secrets: Vec<&Secret> = secret.iter().chain(&previous).collect();
        Some(Keys::new(&secrets, shared, public, allowed))
    }

    /// What may be shown of it.
    fn described(&self) -> Described {
        let key_set = match (&self.jwks, &self.jwks_file, &self.jwks_url) {
            (Some(_), _, _) => Some("inline"),
            (_, Some(_), _) => Some("file"),
            (_, _, Some(_)) => Some("url"),
            _ => None,
        };
        Described {
            has_jwt_secret: self.jwt_secret.is_some() || self.jwt_secret_file.is_some(),
            has_previous_jwt_secret: self.previous_jwt_secret.is_some() || self.previous_jwt_secret_file.is_some(),
            key_set,
            algorithm: self.algorithm.as_slice().to_vec(),
            origins: self.origins.clone(),
            role_claim: self.role_claim.as_slice().to_vec(),
        }
    }

    fn algorithms(&self, problems: &mut Vec<Problem>) -> Vec<Algorithm> {
        let mut found = Vec::new();
        for name in self.algorithm.as_slice() {
            match algorithms::by_name(name) {
                Some(algorithm) => found.push(algorithm),
                None => {
                    let must = format!("must be one of {}", algorithms::names());
                    problems.push(Problem::value("algorithm", name, must));
                }
            }
        }
        found
    }

    /// The current secret.
    fn secret(&self, base: &Path, problems: &mut Vec<Problem>) -> Option<Secret> {
        let (setting, file_setting) = ("jwt_secret", "jwt_secret_file");
        let given = given_secret((setting, &self.jwt_secret), (file_setting, &self.jwt_secret_file), base);
        match given {
            Ok(None) if self.previous_jwt_secret.is_some() || self.previous_jwt_secret_file.is_some() => {
                let must = "needs a current one: set jwt_secret or jwt_secret_file";
                problems.push(Problem::hidden("previous_jwt_secret", must));
                None
            }
            Ok(given) => given,
            Err(problem) => {
                problems.push(problem);
                None
            }
        }
    }

    /// None: it is wrong.
    fn previous_secret(&self, base: &Path, problems: &mut Vec<Problem>) -> Option<Option<Secret>> {
        let text = ("previous_jwt_secret", &self.previous_jwt_secret);
        let file = ("previous_jwt_secret_file", &self.previous_jwt_secret_file);
        given_secret(text, file, base).map_err(|problem| problems.push(problem)).ok()
    }

    /// `Some(None)`: no key set is configured.
    fn public(
        &self,
        base: &Path,
        allowed: Option<&[Algorithm]>,
        problems: &mut Vec<Problem>,
    ) -> Option<Option<PublicKeys>> {
        let cached = |source, keys: Vec<PublicKey>| {
            PublicKeys::Cached(Arc::new(KeyCache::new(source, allowed.map(<[_]>::to_vec), keys)))
        };
        let (setting, read) = if let Some(jwks) = &self.jwks {
            let keys = match jwks {
                Value::String(text) => parse_set(text.as_bytes(), allowed),
                table => read_set(table, allowed),
            };
            ("jwks", keys.map(PublicKeys::Fixed))
        } else if let Some(file) = &self.jwks_file {
            let path = base.join(file);
            let keys = read_file(&path).and_then(|json| parse_set(&json, allowed));
            ("jwks_file", keys.map(|keys| cached(Source::File(path), keys)))
        } else if let Some(url) = &self.jwks_url {
            let url = read_url(url).ok_or_else(|| {
                "must be an https:// URL without user and password (http:// only on this machine)".to_owned()
            });
            ("jwks_url", url.map(|url| cached(Source::Url(url), Vec::new())))
        } else {
            return Some(None);
        };
        match read {
            Ok(keys) => Some(Some(keys)),
            Err(reason) => {
                problems.push(Problem::hidden(setting, reason));
                None
            }
        }
    }

    fn origins(&self, problems: &mut Vec<Problem>) -> Vec<OriginPattern> {
        let must = "must be an origin such as https://app.school.org, *.school.org or * (names in their xn-- form)";
        let mut found = Vec::new();
        for entry in &self.origins {
            match OriginPattern::parse(entry) {
                Some(pattern) => found.push(pattern),
                None => problems.push(Problem::value("origins", entry, must)),
            }
        }
        found
    }

    fn hosts(&self, problems: &mut Vec<Problem>) -> Vec<String> {
        let must = "must be a host name such as music.school.org, without scheme, port or path";
        for host in self.hosts.iter().filter(|host| !is_host_name(host)) {
            problems.push(Problem::value("hosts", host, must));
        }
        self.hosts.iter().map(|host| host.to_ascii_lowercase()).collect()
    }

    fn role_paths(&self, problems: &mut Vec<Problem>) -> Vec<RolePath> {
        let mut found = Vec::new();
        for path in self.role_claim.as_slice() {
            match RolePath::parse(path) {
                Some(path) => found.push(path),
                None => {
                    let must = "must be a claim, or a path of claims with dots, such as app_metadata.role";
                    problems.push(Problem::value("role_claim", path, must));
                }
            }
        }
        if found.is_empty() { RolePath::defaults() } else { found }
    }
}

/// A secret that is given as text or as a file.
fn given_secret(
    (setting, text): (&'static str, &Option<Secret>),
    (file_setting, file): (&'static str, &Option<PathBuf>),
    base: &Path,
) -> Result<Option<Secret>, Problem> {
    let (setting, secret) = match (text, file) {
        (Some(_), Some(_)) => {
            let must = format!("{setting} and {file_setting} exclude each other: keep one");
            return Err(Problem::hidden(setting, must));
        }
        (Some(secret), None) => (setting, secret.clone()),
        (None, Some(file)) => match read_secret(&base.join(file)) {
            Ok(secret) => (file_setting, secret),
            Err(reason) => {
                let must = format!("must be a readable file with the secret: {reason}");
                return Err(Problem::value(file_setting, file.display(), must));
            }
        },
        (None, None) => return Ok(None),
    };
    let length = secret.expose().len();
    if length < SECRET_BYTES_MIN {
        let must =
            format!("must be at least {SECRET_BYTES_MIN} bytes long, and has {length}: try `openssl rand -base64 48`");
        return Err(Problem::hidden(setting, must));
    }
    Ok(Some(secret))
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > SECRET_BYTES_MAX {
        return Err(format!("it is larger than {SECRET_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok(Secret::from(text.trim_end().to_owned()))
}

/// Whether this can be a tenant's id.
pub fn is_tenant_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&id.len()) && id.starts_with(plain) && id.chars().all(|c| plain(c) || c == '-' || c == '_')
}

fn is_host_name(host: &str) -> bool {
    let label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    host.len() <= 253 && host.split('.').all(label)
}
