//! The OpenAPI document, and where it is served.

use std::sync::LazyLock;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, ContentBuilder, Ref, RefOr, Required, ResponseBuilder,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{
    actions, broadcast, dev_token, docs_page,
    failure::{FailureBody, FailureDetail},
    guests, policy, probes, reflection_schema, reflections, report_schema, reports, rooms, schema, sessions, students,
    tenant_schema, tenants,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Downbeat",
        description = "Music classes played together over the web, in time. Rooms are made, read and steered here; \
                       they are joined and played over sockets.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        rooms::create, rooms::list, rooms::read, rooms::change, rooms::close, actions::act, guests::admit,
        reports::participation, reports::analytics, sessions::of_room, sessions::of_school, sessions::overview,
        reflections::submit, reflections::change, reflections::withdraw, reflections::list,
        students::export, students::trend, students::erase,
        tenants::list, tenants::read, tenants::put, tenants::change, tenants::delete, tenants::disconnect, tenants::health,
        broadcast::batch, broadcast::one, probes::ping, probes::live, probes::ready, probes::health, json, page, dev_token::give,
    ),
    components(schemas(
        schema::NewRoom, schema::RoomChanges, schema::Room, schema::RoomSettings, schema::RoomPage,
        schema::GuestName, schema::BroadcastBatch,
        schema::BroadcastMessage, broadcast::Refusal, broadcast::FieldErrors, guests::GuestPass, FailureBody, FailureDetail, probes::Pong, probes::ReadinessReport,
        dev_token::DevToken,
        report_schema::Participation, report_schema::Analytics, report_schema::SessionFacts, report_schema::StudentRow,
        report_schema::TeacherRow, report_schema::TempoMark, report_schema::Activity, report_schema::ActivityBucket,
        report_schema::Peak, report_schema::Voice, report_schema::NoTurn, report_schema::Formulas,
        report_schema::SessionRow, report_schema::SessionPage, report_schema::Overview, report_schema::Week,
        report_schema::Total, report_schema::ReflectionCell, report_schema::Trend, report_schema::TrendPoint,
        report_schema::GroupMedians, report_schema::TrendSlopes,
        reflection_schema::NewReflection, reflection_schema::ReflectionKept, reflection_schema::Reflection,
        reflection_schema::Reflections, reflection_schema::StudentFile, reflection_schema::SessionOfStudent,
        tenant_schema::TenantSettings, tenant_schema::TenantLimits, tenant_schema::Tenant, tenant_schema::TenantPage,
        tenant_schema::Disconnected, tenant_schema::TenantHealth, tenant_schema::TenantOnNode,
        reflection_schema::Event, reflection_schema::Note, reflection_schema::ErasureDone, reflection_schema::Erased,
    )),
    tags(
        (name = "rooms", description = "For teachers, in the rooms of their own tenant."),
        (name = "guests", description = "For people without an account."),
        (name = "participation", description = "Who took part, and how it felt: reports, reflections, and what is held \
            on one person. Nothing here is a score of a person. All answers are of one school. Whatever is read as JSON \
            says in `events_waiting` how many events of the school are on their way and not in it yet; participation, \
            analytics and a person's export, and these alone, say in `events_missing` how many are known to be lost."),
        (name = "broadcasts", description = "For whoever has something to say on a realtime topic, but no socket."),
        (name = "tenants", description = "For the operator of the service, who shows the key that the nodes were started \
            with (`DOWNBEAT_OPERATOR_KEY`). Web pages cannot call these: no origin is allowed."),
        (name = "health", description = "For load balancers, Kubernetes and people who wonder."),
        (name = "about", description = "This document."),
        (name = "dev", description = "Under `downbeat dev` and nowhere else."),
    ),
    modifiers(&Guarded, &Mounted),
)]
struct Document;

/// What all routes with a token have in common.
struct Guarded;

impl Modify for Guarded {
    fn modify(&self, document: &mut openapi::OpenApi) {
        document.info.contact = None;
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        bearer.description = Some(
            "A token of the tenant: a teacher's, or for broadcasts anybody's. Also taken from the headers `x-api-key`, `apikey`, `x-auth-token` and \
             from the query values `token`, `apikey`, `api_key`, `access_token`."
                .to_owned(),
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let mut operator = Http::new(HttpAuthScheme::Bearer);
        operator.description = Some("The operator's key, as the nodes were started with it.".to_owned());
        components.add_security_scheme("operator", SecurityScheme::Http(operator));
        for item in document.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            let guarded = operations.into_iter().flatten().filter(|operation| operation.security.is_some());
            guarded.filter(|operation| !has_tag(operation, "broadcasts")).for_each(describe_refusals);
        }
    }
}

/// Broadcasts are open to all and refused in a form of their own.
fn has_tag(operation: &Operation, name: &str) -> bool {
    operation.tags.as_ref().is_some_and(|tags| tags.iter().any(|tag| tag == name))
}

/// Where Supabase's clients look for the broadcasts, these are too.
struct Mounted;

impl Modify for Mounted {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let paths = &mut document.paths.paths;
        for path in broadcast::PATHS {
            let Some(mut item) = paths.get(path).cloned() else { continue };
            if let Some(operation) = &mut item.post {
                operation.operation_id = operation.operation_id.take().map(|id| format!("{id}UnderMount"));
                operation.description = Some(format!("The same as `{path}`, where Supabase's clients look for it."));
            }
            paths.insert(format!("{}{path}", broadcast::MOUNT), item);
        }
    }
}

/// All refuse whoever is no teacher, but for what students may do; of the rooms' none needs a body: what is left out
/// takes its default, or stays. What was recorded may be switched off, or out of reach.
fn describe_refusals(operation: &mut Operation) {
    let is_operators = has_tag(operation, "tenants");
    let mut refusals = if is_operators {
        vec![
            ("401", "No operator key, or another one; after many wrong ones the answer comes later and later"),
            ("403", "`operator_off`: the node was started without an operator key"),
            ("503", "`no_database`, `no_secret_key`, or something does not answer: the message says what to do"),
        ]
    } else {
        vec![
            ("401", "No token, or one that proves nothing"),
            ("403", "Not a teacher's token, or the tenant is suspended"),
        ]
    };
    if is_operators {
        // A tenant without fields is none.
    } else if has_tag(operation, "participation") {
        refusals.push(("429", "`too_many_requests`: the school, or this author, asks for too much; see Retry-After"));
        refusals.push(("409", "`participation_off`: nothing is recorded here"));
        refusals.push(("503", "`unavailable`: the database does not answer; see Retry-After"));
    } else if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.required = Some(Required::False);
    }
    for (status, description) in refusals {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Failure"))).build();
        let response = ResponseBuilder::new().description(description).content("application/json", body);
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.build().into());
    }
}

/// Both forms, made once.
struct Rendered {
    json: String,
    page: String,
    /// The page has its style inside itself, and no script at all.
    policy: HeaderValue,
}

static RENDERED: LazyLock<Rendered> = LazyLock::new(|| {
    let document = value();
    let page = docs_page::render(&document);
    Rendered { json: format!("{document:#}\n"), policy: policy::of_styled_page(&page, "'self'"), page }
});

fn value() -> Value {
    // The document is plain data with string keys: there is nothing in it that JSON could not hold.
    serde_json::to_value(Document::openapi()).unwrap_or_default()
}

/// Read this document.
#[utoipa::path(get, path = "/api/openapi.json", operation_id = "openapi", tag = "about",
    responses((status = 200, description = "The OpenAPI 3.1 document", body = Object)))]
pub(super) async fn json() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], RENDERED.json.as_str()).into_response()
}

/// Read this document as a page.
#[utoipa::path(get, path = "/api/docs", operation_id = "docs", tag = "about",
    responses((status = 200, description = "A page for people", body = String, content_type = "text/html")))]
pub(super) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, RENDERED.policy.clone()),
    ];
    (headers, RENDERED.page.as_str()).into_response()
}

/// `get /api/ping` and so on.
#[cfg(test)]
pub(super) fn operations() -> std::collections::BTreeSet<String> {
    let document = value();
    let paths = document["paths"].as_object().expect("an object of paths");
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("an object of methods");
        methods.keys().map(|method| format!("{method} {path}")).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/openapi.json");

    #[test]
    fn the_document_is_the_one_that_was_reviewed() {
        let document = &RENDERED.json;
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(SNAPSHOT, document).expect("the snapshot can be written");
        }
        let reviewed = std::fs::read_to_string(SNAPSHOT).expect("the snapshot exists");
        assert!(
            *document == reviewed,
            "the OpenAPI document has changed: run this test with UPDATE_SNAPSHOTS=1 and review the difference"
        );
    }

    #[test]
    fn the_document_is_openapi_3_1_and_every_reference_leads_somewhere() {
        let document = value();
        assert_eq!(document["openapi"], "3.1.0");
        let mut references = Vec::new();
        collect_references(&document, &mut references);
        assert!(references.len() > 10, "{references:?}");
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("a reference into this document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_route_for_teachers_says_that_it_refuses_others() {
        let document = value();
        let created = &document["paths"]["/api/music/rooms"]["post"]["responses"];
        for status in ["201", "401", "403", "422", "429"] {
            assert!(created[status].is_object(), "{status}");
        }
        let admitted = &document["paths"]["/api/music/rooms/{code}/guest"]["post"]["responses"];
        assert!(admitted["401"].is_null());
    }

    fn collect_references(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect_references(value, into));
            }
            Value::Array(values) => values.iter().for_each(|value| collect_references(value, into)),
            _ => {}
        }
    }
}
