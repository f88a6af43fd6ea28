//! One tenant: a school or app, with its keys and rules.

use std::sync::Arc;

use serde::Serialize;

use super::{Keys, Limits, OriginPattern, RolePath, origin};

/// A tenant as the running node knows it; made from a [`super::TenantConfig`]. Its `Debug` shows no secret.
#[derive(Debug)]
pub struct Tenant {
    /// 1 to 63 lower-case letters, digits, `-` and `_`: fit for a host label and for a topic.
    pub id: Arc<str>,
    pub keys: Keys,
    /// Other host names of this tenant, in lower case, without a port.
    pub hosts: Vec<String>,
    pub origins: Vec<OriginPattern>,
    /// Whether people without a token may be given one for a single room.
    pub guests: bool,
    /// Where the role stands in a token: the first place that says `teacher` or `student` counts. Never empty.
    pub role_paths: Vec<RolePath>,
    /// Whether a token must have a `sub`.
    pub require_sub: bool,
    pub limits: Limits,
    /// Whether what happens in its rooms is recorded.
    pub participation: bool,
    /// For how many days that is kept, 1 to 3650.
    pub retention_days: u32,
    /// A suspended tenant's people are refused with 403.
    pub suspended: bool,
    /// How its owner wrote it, as far as that may be shown.
    pub described: Described,
}

/// What may be shown of how a tenant was written down: no secret, but whether there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Described {
    pub has_jwt_secret: bool,
    pub has_previous_jwt_secret: bool,
    /// Where its public keys come from: `inline`, `file` or `url`.
    pub key_set: Option<&'static str>,
    pub algorithm: Vec<String>,
    pub origins: Vec<String>,
    pub role_claim: Vec<String>,
}

impl Tenant {
    /// Whether a page of `origin` may connect to `host` (the headers of those names). In `dev` all may.
    pub fn allows_origin(&self, origin: Option<&str>, host: Option<&str>, dev: bool) -> bool {
        origin::allows(&self.origins, origin, host, dev)
    }
}
