//! Tenants: made, changed, looked at and erased by the operator.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{
    body::JsonText,
    caller::query_of,
    failure::{Failure, FailureBody, unavailable},
    operator::Operator,
    state::HttpState,
    tenant_schema,
};
use crate::tenancy::{Changed, Outcome, TenancyError, TenantView};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 100;

/// The id in the path, as far as the path could be decoded.
type IdInPath = Result<Path<String>, PathRejection>;

/// List the tenants, in the order of their ids.
///
/// Those of the file and those of the database, without their secrets.
#[utoipa::path(
    get, path = "/api/tenants", operation_id = "listTenants", tag = "tenants", security(("operator" = [])),
    params(
        ("limit" = Option<u32>, Query, description = "Tenants a page, 50 unless told", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of tenants", body = tenant_schema::TenantPage),
        (status = 422, description = "`limit` or `cursor` is wrong", body = FailureBody),
    )
)]
pub(super) async fn list(_: Operator, State(http): State<HttpState>, uri: Uri) -> Result<Response, Failure> {
    let (limit, after) = page_of(&uri)?;
    let mut all = http.tenancy.list();
    all.retain(|tenant| after.as_deref().is_none_or(|after| &*tenant.id > after));
    let next = (all.len() > limit).then(|| URL_SAFE_NO_PAD.encode(&*all[limit - 1].id));
    all.truncate(limit);
    Ok(private(Json(json!({ "tenants": all, "next": next }))))
}

/// Read a tenant.
///
/// Without its secrets, which never come back: `has_jwt_secret` says that there is one.
#[utoipa::path(
    get, path = "/api/tenants/{id}", operation_id = "readTenant", tag = "tenants", security(("operator" = [])),
    params(("id" = String, Path, description = "The tenant's id", example = "acme")),
    responses(
        (status = 200, description = "The tenant", body = tenant_schema::Tenant),
        (status = 404, description = "There is no such tenant", body = FailureBody),
    )
)]
pub(super) async fn read(_: Operator, State(http): State<HttpState>, id: IdInPath) -> Result<Response, Failure> {
    let view = http.tenancy.one(&id_of(id)?)?;
    Ok(private(Json(view)))
}

/// Make a tenant, or replace it as a whole.
///
/// What is left out takes its default; also a secret that is left out is none any more. When the answer comes, the change
/// is in force on all nodes but those that `pending_nodes` names, which follow as soon as they can.
#[utoipa::path(
    put, path = "/api/tenants/{id}", operation_id = "putTenant", tag = "tenants", security(("operator" = [])),
    params(("id" = String, Path, description = "1 to 63 lower-case letters, digits, `-` or `_`", example = "acme")),
    request_body = tenant_schema::TenantSettings,
    responses(
        (status = 200, description = "The tenant was replaced", body = tenant_schema::Tenant),
        (status = 201, description = "The tenant is new", body = tenant_schema::Tenant,
            headers(("location" = String, description = "The tenant's address"))),
        (status = 409, description = "`tenant_in_file`: it is in the nodes' file", body = FailureBody),
        (status = 422, description = "A field is wrong; nothing was changed", body = FailureBody),
    )
)]
pub(super) async fn put(
    _: Operator,
    State(http): State<HttpState>,
    id: IdInPath,
    JsonText(body): JsonText,
) -> Result<Response, Failure> {
    let changed = http.tenancy.put(&id_of(id)?, fields_of(&body)?).await?;
    let status = if changed.outcome == Outcome::Created { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/api/tenants/{}", changed.view.id);
    let mut response = (status, shown(changed)?).into_response();
    if status == StatusCode::CREATED
        && let Ok(location) = HeaderValue::from_str(&location)
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(private(response))
}

/// Change a tenant.
///
/// A JSON merge patch (RFC 7396): what is not named stays, null takes a setting back to its default. A new `jwt_secret`
/// makes the former the `previous_jwt_secret`: tokens of both are taken, until `{"previous_jwt_secret": null}`.
/// `{"suspended": true}` puts everybody out, on all nodes.
#[utoipa::path(
    patch, path = "/api/tenants/{id}", operation_id = "changeTenant", tag = "tenants", security(("operator" = [])),
    params(("id" = String, Path, description = "The tenant's id", example = "acme")),
    request_body = tenant_schema::TenantSettings,
    responses(
        (status = 200, description = "The tenant as it is now", body = tenant_schema::Tenant),
        (status = 404, description = "There is no such tenant", body = FailureBody),
        (status = 409, description = "`tenant_in_file`: it is in the nodes' file", body = FailureBody),
        (status = 422, description = "A field is wrong; nothing was changed", body = FailureBody),
    )
)]
pub(super) async fn change(
    _: Operator,
    State(http): State<HttpState>,
    id: IdInPath,
    JsonText(body): JsonText,
) -> Result<Response, Failure> {
    let changed = http.tenancy.patch(&id_of(id)?, fields_of(&body)?).await?;
    Ok(private(shown(changed)?))
}

/// Delete a tenant, and erase everything that is held of it.
///
/// Everybody is put out for good, its rooms are closed; then lessons, events, reflections, what is on its way to the
/// database, broadcasts kept for latecomers and the audit log go, but for one line that says how much it was. It cannot be
/// undone. Where something does not answer, repeat it until the answer is 204.
#[utoipa::path(
    delete, path = "/api/tenants/{id}", operation_id = "deleteTenant", tag = "tenants", security(("operator" = [])),
    params(("id" = String, Path, description = "The tenant's id", example = "acme")),
    responses(
        (status = 204, description = "Nothing of it is left"),
        (status = 409, description = "`tenant_in_file`: it is in the nodes' file", body = FailureBody),
    )
)]
pub(super) async fn delete(_: Operator, State(http): State<HttpState>, id: IdInPath) -> Result<StatusCode, Failure> {
    http.tenancy.delete(&id_of(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Close all of a tenant's connections, on all nodes.
///
/// They may come back at once, and clients do.
#[utoipa::path(
    post, path = "/api/tenants/{id}/disconnect", operation_id = "disconnectTenant", tag = "tenants",
    security(("operator" = [])),
    params(("id" = String, Path, description = "The tenant's id", example = "acme")),
    responses(
        (status = 200, description = "They are being closed", body = tenant_schema::Disconnected),
        (status = 404, description = "There is no such tenant", body = FailureBody),
    )
)]
pub(super) async fn disconnect(_: Operator, State(http): State<HttpState>, id: IdInPath) -> Result<Response, Failure> {
    let (count, pending) = http.tenancy.disconnect(&id_of(id)?).await?;
    Ok(private(Json(json!({ "disconnected": count, "pending_nodes": pending }))))
}

/// Look at how a tenant is doing, on all nodes.
#[utoipa::path(
    get, path = "/api/tenants/{id}/health", operation_id = "tenantHealth", tag = "tenants",
    security(("operator" = [])),
    params(("id" = String, Path, description = "The tenant's id", example = "acme")),
    responses(
        (status = 200, description = "Its connections, rooms and members, and what answers", body = tenant_schema::TenantHealth),
        (status = 404, description = "There is no such tenant", body = FailureBody),
    )
)]
pub(super) async fn health(_: Operator, State(http): State<HttpState>, id: IdInPath) -> Result<Response, Failure> {
    let id = id_of(id)?;
    let (health, waiting) = tokio::join!(http.tenancy.health(&id), http.desk.waiting(&id));
    let health = health?;
    let usage = json!({
        "max_concurrent_users": { "used": health.connections, "limit": health.limits.max_concurrent_users },
        "max_rooms_per_tenant": { "used": health.rooms, "limit": health.limits.max_rooms_per_tenant },
    });
    let mut body = serde_json::to_value(&health).map_err(|_| internal())?;
    if let Some(body) = body.as_object_mut() {
        body.insert("events_waiting".to_owned(), json!(waiting));
        body.insert("usage".to_owned(), usage);
    }
    Ok(private(Json(body)))
}

fn id_of(id: IdInPath) -> Result<String, Failure> {
    let Path(id) = id.map_err(|_| Failure::from(TenancyError::BadId))?;
    Ok(id)
}

/// No body is an object without fields.
fn fields_of(body: &str) -> Result<Map<String, Value>, Failure> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(body)
        .map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "invalid_json", "the body is not JSON"))
}

/// A changed tenant, and the nodes that are still to follow.
fn shown(changed: Changed) -> Result<Json<Value>, Failure> {
    let Changed { view, pending_nodes, .. } = changed;
    let mut body = of_view(&view)?;
    if let Some(body) = body.as_object_mut() {
        body.insert("pending_nodes".to_owned(), json!(pending_nodes));
    }
    Ok(Json(body))
}

fn of_view(view: &TenantView) -> Result<Value, Failure> {
    serde_json::to_value(view).map_err(|_| internal())
}

fn internal() -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer could not be written")
}

/// For the operator alone: no cache keeps it.
fn private(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `?limit=&cursor=`. An empty value is a missing one.
fn page_of(uri: &Uri) -> Result<(usize, Option<String>), Failure> {
    let (mut limit, mut after) = (LIMIT_DEFAULT, None);
    for (name, value) in query_of(uri).into_iter().filter(|(_, value)| !value.is_empty()) {
        match &*name {
            "limit" => {
                let wanted = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                limit = wanted.ok_or_else(|| Failure::field("limit", "limit must be an integer from 1 to 100"))?;
            }
            "cursor" => {
                let id = URL_SAFE_NO_PAD.decode(value).ok().and_then(|id| String::from_utf8(id).ok());
                let message = "cursor is not one that this list gave out: leave it away to start from the beginning";
                after = Some(id.ok_or_else(|| Failure::field("cursor", message))?);
            }
            _ => {}
        }
    }
    Ok((limit, after))
}

impl From<TenancyError> for Failure {
    fn from(error: TenancyError) -> Self {
        let message = error.to_string();
        match error {
            TenancyError::NoDatabase => Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_database", message),
            TenancyError::NoKey => Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_secret_key", message),
            TenancyError::InFile { .. } => Self::new(StatusCode::CONFLICT, "tenant_in_file", message),
            TenancyError::Unknown { .. } => Self::new(StatusCode::NOT_FOUND, "tenant_unknown", message),
            TenancyError::BadId => Self::field("id", message),
            TenancyError::Wrong(problems) => {
                let field = problems.into_iter().next().map_or_else(|| "body".to_owned(), |problem| problem.setting);
                Self::field(field, message)
            }
            TenancyError::Kept { .. } => Self::new(StatusCode::CONFLICT, "tenant_damaged", message),
            TenancyError::Seal(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message),
            TenancyError::Database(error) if !error.is_passing() => {
                tracing::error!(%error, "the database refuses what the tenant API asks for");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "database_refuses", message)
            }
            TenancyError::Database(_) | TenancyError::Late | TenancyError::NotErased { .. } => unavailable(message),
        }
    }
}
