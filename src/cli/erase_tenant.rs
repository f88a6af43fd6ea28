//! `downbeat erase-tenant`: everything that is recorded of a school goes.

use std::time::Duration;

use clap::Args;
use thiserror::Error;

use super::{
    SettingsError,
    database_place::{DatabasePlace, NoPlace},
    setting::Env,
};
use crate::{
    auth::{Problem, Secret},
    participation::{Database, DatabaseError, Erased},
    redis_url::RedisUrl,
    store::{EventStream, RedisStore, Store, StoreError},
};

/// Erase everything that is recorded of a tenant
///
/// Deletes its lessons, events, reflections and audit log from the database, and what is still on its way there from
/// Redis; one audit entry stays that says how much it was. It cannot be undone. First take the tenant out of the nodes'
/// files, so that nothing new is recorded, and let its rooms end: where nodes share a Redis, nothing is erased while
/// rooms of it live. Of a node alone nobody looks: stop it first. A tenant that was made at run time is rather deleted with
/// `DELETE /api/tenants/<id>`, which erases it, too.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EraseTenantArgs {
    /// The tenant's id
    pub tenant: String,
    /// Do it: without this, nothing is deleted
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub place: DatabasePlace,
    /// The Redis that the nodes share; not for a node alone [env: DOWNBEAT_REDIS_URL]
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<Secret>,
}

const EXAMPLES: &str = "\
Examples:
  downbeat erase-tenant acme --config downbeat.toml          says what it would need; add --yes to do it
  DATABASE_URL=postgres://… DOWNBEAT_REDIS_URL=redis://10.0.0.5 downbeat erase-tenant acme --yes";

/// Why nothing, or not all, was erased.
#[derive(Debug, Error)]
pub enum EraseError {
    #[error(transparent)]
    Place(#[from] NoPlace),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("nothing is recorded of `{tenant}`: is it the right id?")]
    Unknown { tenant: String },
    #[error("nothing was erased: everything recorded of `{tenant}` would go, for good. Say --yes to do it")]
    NotSure { tenant: String },
    #[error(
        "nothing was erased: {rooms} rooms of `{tenant}` live, and would be recorded anew. Take the tenant out of the nodes' \
         files and close its rooms first (empty ones close after an hour)"
    )]
    Lives { tenant: String, rooms: usize },
}

/// Sessions are not opened here: how long one would live is of no concern.
const NO_SESSION: Duration = Duration::from_secs(2);

/// Erases a tenant as of `now_us`, microseconds since 1970, and says how much that was.
///
/// # Errors
/// Nobody said yes, nothing is recorded of it, rooms of it live, or something does not answer.
pub async fn erase_tenant(args: &EraseTenantArgs, env: Env<'_>, now_us: i64) -> Result<String, EraseError> {
    let EraseTenantArgs { tenant, yes, place, redis_url } = args;
    let database = Database::new(&place.url(env)?);
    let redis = match redis(place, redis_url.as_ref(), env)? {
        Some(url) => Some(RedisStore::connect(&url, NO_SESSION).await?),
        None => None,
    };
    if let Some(redis) = &redis {
        let rooms = redis.live_rooms(tenant).await?;
        if rooms > 0 {
            return Err(EraseError::Lives { tenant: tenant.clone(), rooms });
        }
    }
    if !yes {
        return Err(EraseError::NotSure { tenant: tenant.clone() });
    }
    if !is_known(&database, redis.as_ref(), tenant).await? {
        return Err(EraseError::Unknown { tenant: tenant.clone() });
    }
    // First what is on its way: what a node has in hands by now is dropped when it comes to the database.
    if let Some(redis) = &redis {
        redis.forget_events(tenant).await?;
    }
    let Erased { events, reflections, sessions, .. } = database.erase_tenant(tenant, now_us).await?;
    Ok(format!("{tenant}: {sessions} lessons, {events} events and {reflections} reflections are erased"))
}

/// Whether there is anything of it. Looked for before: of a mistyped id, and of one that is erased already, the audit
/// entry of an erasure would be replaced by one that says nothing was.
async fn is_known(database: &Database, redis: Option<&RedisStore>, tenant: &String) -> Result<bool, EraseError> {
    let is_waiting = match redis {
        Some(redis) => redis.waiting_events(tenant).await?.events > 0,
        None => false,
    };
    Ok(is_waiting || database.tenants().await?.contains(tenant))
}

fn redis(place: &DatabasePlace, flag: Option<&Secret>, env: Env<'_>) -> Result<Option<RedisUrl>, SettingsError> {
    let Some(found) = place.find("redis_url", "DOWNBEAT_REDIS_URL", flag, env)? else { return Ok(None) };
    let wrong = |problem| SettingsError(vec![problem]);
    RedisUrl::parse(&found.value).map(Some).map_err(|error| wrong(Problem::hidden(found.name, error.to_string())))
}
