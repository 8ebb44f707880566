//! The table of routes: for each its path and document, who may call it, and what answers.
//!
//! A handler is reachable only through this table, so that access, limits, the error envelope, headers, metrics and
//! the log are the same everywhere, and a test can walk all of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{Error, FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Responder, guard, web};
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::{RefOr, Schema};

use super::State;
use super::access::Access;
use super::auth;
use super::error::{ApiError, Code};
use super::form;
use super::headers;
use super::metrics::RouteMetrics;
use super::ratelimit::Standing;
use super::request_id::RequestId;

/// Where the API lives.
pub const API: &str = "/api/v1";

/// For whom a route answers, which decides how errors look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Programs: JSON, credentials in the `Authorization` header only.
    Api,
    /// People: HTML, the session in a cookie.
    Page,
    /// Files and probes: no credential of either kind unless the route says so.
    Plain,
}

/// One route.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The method it answers to; `GET` answers `HEAD` too.
    pub method: Method,
    /// The whole path, with `{…}` for its variable parts.
    pub path: String,
    /// Who may call it.
    pub access: Access,
    /// For whom it answers.
    pub surface: Surface,
}

type MakeRoute = Arc<dyn Fn(&Arc<Endpoint>, &RouteMetrics) -> actix_web::Route + Send + Sync>;
/// Named schemas, as the document's components have them.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

struct Entry {
    endpoint: Arc<Endpoint>,
    make: MakeRoute,
    operation: Option<Operation>,
}

/// All routes.
#[derive(Default)]
pub struct Table {
    entries: Vec<Entry>,
    schemas: Schemas,
}

impl Table {
    /// Adds an operation of the API. Its method and path are those of its document.
    pub fn api<P, F, Args>(&mut self, _document: P, access: Access, handler: F)
    where
        P: utoipa::Path + utoipa::__dev::SchemaReferences + for<'t> utoipa::__dev::Tags<'t>,
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        P::schemas(&mut self.schemas);
        let method = match P::methods().first() {
            Some(HttpMethod::Post) => Method::POST,
            Some(HttpMethod::Put) => Method::PUT,
            Some(HttpMethod::Patch) => Method::PATCH,
            Some(HttpMethod::Delete) => Method::DELETE,
            Some(HttpMethod::Get | HttpMethod::Head | HttpMethod::Options | HttpMethod::Trace) | None => {
                Method::GET
            }
        };
        let endpoint =
            Endpoint { method, path: format!("{API}{}", P::path()), access, surface: Surface::Api };
        let mut operation = P::operation();
        operation.tags = Some(P::tags().into_iter().map(str::to_owned).collect());
        self.add(endpoint, handler, Some(operation));
    }

    /// Adds a page, or a form's target.
    pub fn page<F, Args>(&mut self, method: Method, path: &str, access: Access, handler: F)
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let endpoint = Endpoint { method, path: path.to_owned(), access, surface: Surface::Page };
        self.add(endpoint, handler, None);
    }

    /// Adds a probe or a file.
    pub fn plain<F, Args>(&mut self, method: Method, path: &str, access: Access, handler: F)
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let endpoint = Endpoint { method, path: path.to_owned(), access, surface: Surface::Plain };
        self.add(endpoint, handler, None);
    }

    fn add<F, Args>(&mut self, endpoint: Endpoint, handler: F, operation: Option<Operation>)
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let make: MakeRoute = Arc::new(move |endpoint, metrics| {
            let handler = handler.clone();
            let endpoint = endpoint.clone();
            let metrics = metrics.clone();
            guarded(&endpoint.method).to(move |req: HttpRequest, payload: web::Payload| {
                let (handler, endpoint, metrics) = (handler.clone(), endpoint.clone(), metrics.clone());
                async move {
                    let started = Instant::now();
                    let response = answer(&endpoint, &handler, &req, payload.into_inner()).await;
                    metrics.answered(response.status(), started.elapsed());
                    log(&req, &response, started);
                    response
                }
            })
        });
        self.entries.push(Entry { endpoint: Arc::new(endpoint), make, operation });
    }

    /// Every route there is.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.entries.iter().map(|entry| entry.endpoint.as_ref())
    }

    /// The documented routes.
    pub fn operations(&self) -> impl Iterator<Item = (&Endpoint, &Operation)> {
        self.entries.iter().filter_map(|entry| {
            entry.operation.as_ref().map(|operation| (entry.endpoint.as_ref(), operation))
        })
    }

    /// The schemas that the documented routes refer to.
    #[must_use]
    pub const fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// Registers everything with one worker.
    pub fn register(&self, state: &State, config: &mut web::ServiceConfig) {
        let mut paths: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in &self.entries {
            paths.entry(&entry.endpoint.path).or_default().push(entry);
        }
        // fixed paths first: the router takes the first that fits
        let mut paths: Vec<_> = paths.into_iter().collect();
        paths.sort_by_key(|(path, _)| path.contains('{'));
        for (path, entries) in paths {
            let allowed = allowed_methods(entries.iter().map(|entry| &entry.endpoint.method));
            let surface = entries.first().map_or(Surface::Api, |entry| entry.endpoint.surface);
            let mut resource = web::resource(path);
            for entry in entries {
                let metrics = state.metrics.route(entry.endpoint.method.as_str(), path);
                resource = resource.route((entry.make)(&entry.endpoint, &metrics));
            }
            config.service(resource.default_service(web::to(move |req: HttpRequest| {
                let allowed = allowed.clone();
                async move { not_allowed(&req, surface, &allowed) }
            })));
        }
    }
}

fn guarded(method: &Method) -> actix_web::Route {
    if *method == Method::GET {
        web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        web::method(method.clone())
    }
}

fn allowed_methods<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.join(", ")
}

/// Admits the request, runs the handler, and gives the answer its final form.
async fn answer<F, Args>(
    endpoint: &Endpoint,
    handler: &F,
    req: &HttpRequest,
    mut payload: Payload,
) -> HttpResponse
where
    F: Handler<Args>,
    Args: FromRequest,
    F::Output: Responder + 'static,
{
    let Some(state) = State::of(req) else { return HttpResponse::InternalServerError().finish() };
    let request_id = RequestId::new(state.clock.now());
    let (admitted, standing) = auth::admit(state, endpoint, req).await;
    let result = match admitted {
        Ok(admitted) => {
            let admitted = admitted.under(request_id);
            let checked = match endpoint.surface {
                Surface::Page => form::check(state, req, &admitted, &mut payload).await,
                Surface::Api | Surface::Plain => Ok(()),
            };
            req.extensions_mut().insert(admitted);
            match checked {
                Ok(()) => run(handler, req, &mut payload).await,
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    let mut response =
        result.unwrap_or_else(|error| failure(state, endpoint.surface, req, request_id, &error));
    finish(state, endpoint.surface, request_id, standing, &mut response);
    response
}

async fn run<F, Args>(handler: &F, req: &HttpRequest, payload: &mut Payload) -> Result<HttpResponse, ApiError>
where
    F: Handler<Args>,
    Args: FromRequest,
    F::Output: Responder + 'static,
{
    let args = Args::from_request(req, payload).await.map_err(|error| from_framework(&error.into()))?;
    let response: HttpResponse<BoxBody> = handler.call(args).await.respond_to(req).map_into_boxed_body();
    match response.error() {
        Some(error) => Err(from_framework(error)),
        None => Ok(response),
    }
}

/// Our own error again, out of the framework's wrapping.
fn from_framework(error: &Error) -> ApiError {
    if let Some(own) = error.as_error::<ApiError>() {
        return own.clone();
    }
    let status = error.as_response_error().status_code();
    if status.is_client_error() { ApiError::new(Code::InvalidBody) } else { ApiError::internal(error) }
}

/// An error as an answer.
fn failure(
    state: &State,
    surface: Surface,
    req: &HttpRequest,
    request_id: RequestId,
    error: &ApiError,
) -> HttpResponse {
    let status = error.code().status();
    if status.is_server_error() {
        tracing::error!(%request_id, method = %req.method(), path = req.path(), %error, "request failed");
    } else {
        tracing::debug!(%request_id, method = %req.method(), path = req.path(), %error, "request refused");
    }
    let mut response = match surface {
        Surface::Page => (state.error_page)(req, request_id, error),
        Surface::Api | Surface::Plain => HttpResponse::build(status)
            .content_type("application/json")
            .body(error.json(&request_id.to_string())),
    };
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED && surface != Surface::Page {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer realm=\"tollbook\""));
    }
    response
}

fn finish(
    state: &State,
    surface: Surface,
    request_id: RequestId,
    standing: Option<Standing>,
    response: &mut HttpResponse,
) {
    headers::finish(response.headers_mut(), surface, request_id, state);
    if let Some(standing) = standing {
        headers::rate_limit(response.headers_mut(), standing);
    }
}

fn log(req: &HttpRequest, response: &HttpResponse, started: Instant) {
    tracing::debug!(
        target: "tollbook::access",
        method = %req.method(),
        path = req.path(),
        status = response.status().as_u16(),
        micros = started.elapsed().as_micros(),
        peer = ?req.peer_addr(),
    );
}

/// The answer outside of any route.
pub async fn not_found(req: HttpRequest) -> HttpResponse {
    let surface = surface_of(req.path());
    outside(&req, surface, &ApiError::new(Code::NotFound))
}

fn not_allowed(req: &HttpRequest, surface: Surface, allowed: &str) -> HttpResponse {
    let mut response = outside(req, surface, &ApiError::new(Code::MethodNotAllowed));
    if let Ok(allowed) = header::HeaderValue::try_from(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

fn outside(req: &HttpRequest, surface: Surface, error: &ApiError) -> HttpResponse {
    let Some(state) = State::of(req) else { return HttpResponse::InternalServerError().finish() };
    let request_id = RequestId::new(state.clock.now());
    let mut response = failure(state, surface, req, request_id, error);
    finish(state, surface, request_id, None, &mut response);
    response
}

/// For whom a path that leads nowhere was probably meant.
fn surface_of(path: &str) -> Surface {
    let is_api = path == "/api" || path.starts_with("/api/");
    if is_api { Surface::Api } else { Surface::Page }
}
