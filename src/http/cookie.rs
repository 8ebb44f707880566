//! The session in a browser: its cookie, and what keeps other sites from using it.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::header::{HOST, HeaderName, ORIGIN};

use super::State;
use super::error::{ApiError, Code};
use crate::base::id::OrganizationId;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The cookie's name. Browsers accept the `__Host-` prefix only over TLS, from the host itself, for all paths.
const fn name(https: bool) -> &'static str {
    if https { "__Host-tollbook" } else { "tollbook" }
}

/// The token of the session that a browser sends.
#[must_use]
pub fn session_token(state: &State, req: &HttpRequest) -> Option<String> {
    req.cookie(name(state.https)).map(|cookie| cookie.value().to_owned())
}

/// The cookie that keeps a session.
#[must_use]
pub fn keep(state: &State, token: &str) -> Cookie<'static> {
    Cookie::build(name(state.https), token.to_owned())
        .path("/")
        .http_only(true)
        .secure(state.https)
        .same_site(SameSite::Lax)
        .finish()
}

/// The cookie that ends one.
#[must_use]
pub fn forget(state: &State) -> Cookie<'static> {
    let mut cookie = keep(state, "");
    cookie.set_max_age(Duration::ZERO);
    cookie
}

/// The cookie's name for the organization whose pages somebody looks at.
const fn organization_name(https: bool) -> &'static str {
    if https { "__Host-tollbook-organization" } else { "tollbook-organization" }
}

/// The cookie's name for somebody who is not signed in yet.
const fn visitor_name(https: bool) -> &'static str {
    if https { "__Host-tollbook-visitor" } else { "tollbook-visitor" }
}

/// The organization that a browser has chosen. A wish, not a right: see [`super::auth`].
#[must_use]
pub fn organization(state: &State, req: &HttpRequest) -> Option<OrganizationId> {
    req.cookie(organization_name(state.https)).and_then(|cookie| cookie.value().parse().ok())
}

/// The cookie that keeps the choice of an organization; none forgets it.
#[must_use]
pub fn choose(state: &State, organization: Option<OrganizationId>) -> Cookie<'static> {
    let mut cookie = keep(state, &organization.map(|id| id.to_string()).unwrap_or_default());
    cookie.set_name(organization_name(state.https));
    if organization.is_none() {
        cookie.set_max_age(Duration::ZERO);
    }
    cookie
}

/// What stands for the session in the forms of somebody who is not signed in.
#[must_use]
pub fn visitor(state: &State, req: &HttpRequest) -> Option<String> {
    let cookie = req.cookie(visitor_name(state.https))?;
    (!cookie.value().is_empty()).then(|| cookie.value().to_owned())
}

/// The cookie that keeps it.
#[must_use]
pub fn keep_visitor(state: &State, token: &str) -> Cookie<'static> {
    let mut cookie = keep(state, token);
    cookie.set_name(visitor_name(state.https));
    cookie
}

/// Refuses what another site made a browser send. Programs other than browsers send none of these headers.
///
/// # Errors
/// `cross_site`.
pub fn refuse_cross_site(req: &HttpRequest) -> Result<(), ApiError> {
    let text = |name: HeaderName| req.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let refused = || Err(ApiError::new(Code::CrossSite));
    match text(FETCH_SITE) {
        Some("same-origin" | "none") => return Ok(()),
        Some(_) => return refused(),
        None => {}
    }
    let Some(origin) = text(ORIGIN) else { return Ok(()) };
    let origin_host = origin.split_once("://").map_or("", |(_, host)| host);
    if text(HOST).is_some_and(|host| host.eq_ignore_ascii_case(origin_host)) { Ok(()) } else { refused() }
}
