//! The API's document (`OpenAPI` 3.1), generated from the table of routes.

use std::collections::BTreeSet;

use actix_web::http::{Method, StatusCode};
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Required,
};
use utoipa::{PartialSchema, ToSchema};

use super::access::{Access, OnBehalf};
use super::error::FieldError;
use super::route::{Endpoint, Table};

const ABOUT: &str = "Prepaid billing for platforms that run AI agents.\n\n\
    Credits are JSON numbers with at most six decimals, exact in both directions. Lists are paged by an opaque \
    `cursor`. Every error has the same envelope, a stable `code`, and a `request_id` that finds it in the log.";

/// The error envelope, as the document shows it.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Error {
    error: ErrorContent,
}

/// What went wrong.
#[derive(ToSchema)]
#[allow(dead_code)]
struct ErrorContent {
    /// Stable code.
    code: String,
    /// For people.
    message: String,
    /// The field or parameter that is meant.
    param: Option<String>,
    /// Finds the request in the server's log.
    request_id: String,
    /// More, depending on the code; `errors` lists every wrong field.
    #[schema(value_type = Option<Object>)]
    details: Option<Details>,
}

/// More about a `validation_failed`.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Details {
    errors: Vec<FieldError>,
}

/// The document of all routes in `table`.
#[must_use]
pub fn document(table: &Table) -> OpenApi {
    let mut paths = Paths::new();
    let mut problems = BTreeSet::new();
    for (endpoint, operation) in table.operations() {
        let mut operation = operation.clone();
        complete(endpoint, &mut operation, &mut problems);
        let item = PathItem::new(method(&endpoint.method), operation);
        match paths.paths.get_mut(&endpoint.path) {
            Some(existing) => existing.merge_operations(item),
            None => {
                paths.paths.insert(endpoint.path.clone(), item);
            }
        }
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Tollbook")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(
                    LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
                ))
                .build(),
        )
        .paths(paths)
        .components(Some(components(table, &problems)))
        .build()
}

fn components(table: &Table, problems: &BTreeSet<u16>) -> Components {
    let mut components = Components::new();
    components.schemas.extend(table.schemas().iter().cloned());
    components.schemas.insert("Error".into(), Error::schema());
    components.schemas.insert("ErrorContent".into(), ErrorContent::schema());
    components.schemas.insert("FieldError".into(), FieldError::schema());
    for status in problems {
        components.responses.insert(problem_name(*status), RefOr::T(problem(*status)));
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key (`tb_live_…`, `tb_test_…`) or the token of a session."))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components
}

fn method(method: &Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// Adds what follows from the table: who may call it, and the errors any such route can answer with.
fn complete(endpoint: &Endpoint, operation: &mut Operation, problems: &mut BTreeSet<u16>) {
    operation.operation_id = Some(operation_id(endpoint));
    let who = who(endpoint.access);
    operation.description = Some(match operation.description.take() {
        Some(text) if !text.is_empty() => format!("{text}\n\n{who}"),
        _ => who,
    });
    let mut statuses = vec![400, 404, 429, 500, 503];
    if endpoint.access.needs_credential() {
        operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
        statuses.extend([401, 403]);
    } else {
        operation.security = Some(Vec::new());
    }
    if endpoint.access.is_about_organization() {
        operation.parameters.get_or_insert_default().push(RefOr::T(organization_header()));
    }
    let takes_input = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    if operation.request_body.is_some() {
        statuses.extend([408, 413, 415, 422]);
    } else if takes_input {
        statuses.push(422);
    }
    for status in statuses {
        problems.insert(status);
        operation
            .responses
            .responses
            .entry(status.to_string())
            .or_insert_with(|| RefOr::Ref(Ref::from_response_name(problem_name(status))));
    }
}

fn operation_id(endpoint: &Endpoint) -> String {
    let path = endpoint.path.trim_start_matches(super::route::API).replace(['{', '}'], "");
    let words = path.replace(['/', '-'], "_");
    format!("{}{words}", endpoint.method.as_str().to_lowercase())
}

fn who(access: Access) -> String {
    let scope = access.scope.map_or(String::new(), |scope| format!(" with `{scope}`"));
    match (access.on_behalf, access.session_only) {
        (OnBehalf::Anyone, _) => "Needs no credential.".into(),
        (OnBehalf::Oneself, true) => "For a signed-in person.".into(),
        (OnBehalf::Oneself, false) => "For any valid credential.".into(),
        (OnBehalf::Organization, true) => {
            format!(
                "For a signed-in person whose role includes it{scope}; an API key gets `session_required`."
            )
        }
        (OnBehalf::Organization, false) => format!("For a key or session{scope}, in its own organization."),
        (OnBehalf::Usage, _) => format!("For a key or session{scope}; a member sees the own workspaces."),
        (OnBehalf::Items, _) => {
            format!("For a key or session{scope}; an operator may name an organization in each item.")
        }
        (OnBehalf::OperatorForOrganization, _) => {
            format!("For the operator{scope}, naming the organization in a header.")
        }
        (OnBehalf::Operator, _) => format!("For the operator{scope}."),
        (OnBehalf::Monitoring, _) => "For whoever watches the server.".into(),
    }
}

fn organization_header() -> Parameter {
    ParameterBuilder::new()
        .name("Tollbook-Organization")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Which organization is meant: `org_…` or `ext:` and the platform's own id. Needed by an operator, \
             and by a person who belongs to several.",
        ))
        .schema(Some(String::schema()))
        .build()
}

fn problem_name(status: u16) -> String {
    format!("Error{status}")
}

fn problem(status: u16) -> Response {
    let reason =
        StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    ResponseBuilder::new()
        .description(reason)
        .content("application/json", Content::new(Some(Ref::from_schema_name("Error"))))
        .build()
}
