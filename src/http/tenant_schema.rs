//! The JSON of the tenant API, described for the OpenAPI document.
#![expect(dead_code, reason = "these types describe; the real ones are in `auth` and `tenancy`")]

use serde_json::Value;
use utoipa::ToSchema;

/// What a tenant shall be. The fields are those of a `[[tenants]]` table, but for the ones that name files.
#[derive(ToSchema)]
#[schema(example = json!({
    "jwt_secret": "at least 32 bytes: openssl rand -base64 48",
    "origins": ["https://*.acme.org"],
    "limits": {"max_rooms_per_tenant": 20},
}))]
pub(super) struct TenantSettings {
    /// Signs the tenant's tokens, 32 bytes or more. It never comes back.
    #[schema(write_only, min_length = 32)]
    jwt_secret: Option<String>,
    /// The former one, while tokens signed with it are still taken. It never comes back.
    #[schema(write_only, min_length = 32)]
    previous_jwt_secret: Option<String>,
    /// A JWK Set of public keys, as an object or as its JSON text.
    #[schema(write_only)]
    jwks: Option<Value>,
    /// Where one is fetched from: https, or http on the node itself. It never comes back.
    #[schema(write_only)]
    jwks_url: Option<String>,
    /// What tokens may be signed with. Default: HS256 for a secret, each key's own for a key set.
    algorithm: Option<Vec<String>>,
    /// Its host names besides `<id>.<any domain>`. Each is one tenant's.
    hosts: Option<Vec<String>>,
    /// The web pages that may connect, such as `https://*.acme.org`.
    origins: Option<Vec<String>>,
    /// Whether people without a token may enter a room. Default: false.
    guests: Option<bool>,
    /// Where a token has the role. Default: `role`, then `app_metadata.role`.
    role_claim: Option<Vec<String>>,
    /// Whether a token must have a `sub`. Default: false.
    require_sub: Option<bool>,
    limits: Option<TenantLimits>,
    /// Whether it is recorded who took part. Default: true.
    participation: Option<bool>,
    /// For how many days. Default: 180.
    #[schema(minimum = 1, maximum = 3_650)]
    retention_days: Option<u32>,
    /// Whether everybody is refused. Default: false.
    suspended: Option<bool>,
}

/// What a tenant may use, on all nodes together.
#[derive(ToSchema)]
pub(super) struct TenantLimits {
    #[schema(minimum = 1, maximum = 1_000_000, default = 200)]
    max_concurrent_users: Option<u32>,
    #[schema(minimum = 1, maximum = 100_000, default = 100)]
    max_joins_per_second: Option<u32>,
    #[schema(minimum = 1, maximum = 10_000, default = 100)]
    max_channels_per_client: Option<u32>,
    #[schema(minimum = 1, maximum = 1_000_000, default = 2_000)]
    max_events_per_second: Option<u32>,
    #[schema(minimum = 1_024, maximum = 16_777_216, default = 262_144)]
    max_payload_bytes: Option<u32>,
    #[schema(minimum = 1, maximum = 100_000, default = 100)]
    max_rooms_per_tenant: Option<u32>,
    /// Of rooms that are made from now on.
    #[schema(minimum = 1, maximum = 10_000, default = 60)]
    max_students_per_room: Option<u32>,
    #[schema(minimum = 1, maximum = 1_000, default = 10)]
    notes_per_second: Option<u32>,
    #[schema(minimum = 1, maximum = 1_000, default = 50)]
    teacher_notes_per_second: Option<u32>,
    /// Of rooms that are made from now on.
    #[schema(minimum = 1, maximum = 299, default = 120)]
    default_bpm: Option<u32>,
}

/// A tenant without its secrets.
#[derive(ToSchema)]
pub(super) struct Tenant {
    #[schema(example = "acme")]
    id: String,
    /// `file`: it can be changed there alone. `database`: it was made here.
    #[schema(example = "database")]
    source: String,
    suspended: bool,
    hosts: Vec<String>,
    guests: bool,
    require_sub: bool,
    participation: bool,
    retention_days: u32,
    limits: TenantLimits,
    has_jwt_secret: bool,
    has_previous_jwt_secret: bool,
    /// Where its public keys come from: `inline`, `file` or `url`; null: it has none.
    key_set: Option<String>,
    algorithm: Vec<String>,
    origins: Vec<String>,
    role_claim: Vec<String>,
    /// The number of its last change; each change of any tenant has the next. null: it is of the file.
    version: Option<i64>,
    /// When that was, in milliseconds since 1970.
    updated_at_ms: Option<i64>,
    /// Why this node does not serve it as it is kept; null: it does.
    fault: Option<String>,
    /// After a change: nodes that have not confirmed it yet.
    pending_nodes: Option<Vec<String>>,
}

/// A page of tenants.
#[derive(ToSchema)]
pub(super) struct TenantPage {
    tenants: Vec<Tenant>,
    /// The `cursor` of the next page; null on the last one.
    next: Option<String>,
}

/// Connections that are being closed.
#[derive(ToSchema)]
pub(super) struct Disconnected {
    disconnected: u64,
    /// Nodes that did not answer.
    pending_nodes: Vec<String>,
}

/// How a tenant is doing.
#[derive(ToSchema)]
pub(super) struct TenantHealth {
    id: String,
    suspended: bool,
    version: Option<i64>,
    nodes: Vec<TenantOnNode>,
    /// Sockets and long-poll sessions, on all nodes that answer.
    connections: u64,
    /// Rooms that live; null: the store does not answer.
    rooms: Option<u64>,
    /// People in the first 1,000 of them.
    members: Option<u64>,
    /// `ok`, `unreachable` or `off`.
    database: String,
    redis: String,
    limits: TenantLimits,
    /// Of limits that are counts: how much is used, and how much may be.
    usage: Value,
    /// Events on their way to the database; null: nobody knows just now.
    events_waiting: Option<u64>,
    fault: Option<String>,
}

/// A tenant on one node.
#[derive(ToSchema)]
pub(super) struct TenantOnNode {
    node: String,
    /// false: nothing is known of it.
    answers: bool,
    connections: u64,
    /// The number of the tenant's last change that is in force there; 0: none.
    version: i64,
}
