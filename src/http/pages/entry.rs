//! The way in and out: the start page, signing in, signing out, changing the organization.

use actix_web::http::StatusCode;
use actix_web::http::{Method, header::USER_AGENT};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::components::{Notice, Problem, Tone};
use super::forms;
use super::views::OutsidePage;
use crate::base::id::OrganizationId;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::failure::SIGN_IN;
use crate::http::form::Form;
use crate::http::params::Params;
use crate::http::route::Table;
use crate::http::{address, cookie};
use crate::identity::{Caller, Denied, Origin, Role, Secret, csrf_token, sessions};

/// The operator's first page.
pub const ORGANIZATIONS: &str = "/operator/organizations";
/// The longest address to come back to.
const NEXT_MAX: usize = 2_000;

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, "/", Access::OPEN, start);
    table.page(Method::GET, SIGN_IN, Access::OPEN, sign_in_form);
    table.page(Method::POST, SIGN_IN, Access::OPEN, sign_in);
    table.page(Method::POST, "/sign-out", Access::PERSON, sign_out);
    table.page(Method::POST, "/switch-organization", Access::PERSON, switch);
}

/// To the page that somebody most likely wants.
async fn start(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
) -> Result<HttpResponse, ApiError> {
    let Some(principal) = admitted.principal_if_known() else { return Ok(redirect(SIGN_IN)) };
    let chosen = cookie::organization(&state, &req);
    let to = match &principal.caller {
        Caller::Session { operator: true, memberships, .. } => {
            let looks = chosen.is_some() || !memberships.is_empty();
            if looks { "/overview" } else { ORGANIZATIONS }
        }
        Caller::Session { memberships, .. } => {
            let place = memberships.iter().find(|m| Some(m.organization) == chosen).or(memberships.first());
            match place.map(|place| place.role) {
                None => {
                    return Err(ApiError::new(Code::Forbidden)
                        .message("Your account belongs to no organization (any more)."));
                }
                Some(Role::Member) => "/usage",
                Some(Role::Owner | Role::Billing) => "/overview",
            }
        }
        Caller::Key { .. } => SIGN_IN,
    };
    Ok(redirect(to))
}

/// What a page's forms carry before somebody is signed in, and the cookie that proves it. An existing cookie is kept:
/// there may be a form in another tab.
pub(super) fn visitor(state: &State, req: &HttpRequest, admitted: &Admitted) -> (String, Option<String>) {
    if admitted.session_token().is_some() {
        return (admitted.form_token(), None);
    }
    if let Some(known) = cookie::visitor(state, req) {
        return (csrf_token(&known), None);
    }
    let token = Secret::mint("").expose().to_owned();
    (csrf_token(&token), Some(token))
}

/// A page for a visitor, with the cookie that its form needs.
pub(super) fn with_visitor(
    state: &State,
    mut response: HttpResponse,
    token: Option<String>,
) -> Result<HttpResponse, ApiError> {
    if let Some(token) = token {
        response.add_cookie(&cookie::keep_visitor(state, &token)).map_err(ApiError::internal)?;
    }
    Ok(response)
}

/// An address on this server, and nothing else: another site's would make the sign-in page a bait.
fn local(next: &str) -> Option<&str> {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_plain = next.len() <= NEXT_MAX && !next.chars().any(|c| c.is_control() || c == '\\');
    (is_path && is_plain).then_some(next)
}

async fn sign_in_form(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
) -> Result<HttpResponse, ApiError> {
    let mut params = Params::parse(req.query_string());
    let next = params.text("next").unwrap_or_default();
    let next = local(&next).unwrap_or_default();
    let mut page = sign_in_page(&state, &req, &admitted, FormState::default(), next)?;
    let said = match params.text("done").as_deref() {
        Some("password") => Some((Tone::Good, "The password is set. Sign in with it.")),
        Some("accepted") => Some((Tone::Good, "You have accepted the invitation. Sign in to see the pages.")),
        Some("no_invitation") => Some((
            Tone::Bad,
            "That invitation does not work (any more): it works once, for seven days. Ask for another.",
        )),
        _ => None,
    };
    page.0.chrome.notice = said.map(|(tone, text)| Notice { tone, text: text.into(), link: None });
    with_visitor(&state, html(StatusCode::OK, &page.0)?, page.1)
}

/// The page, and the cookie that its form needs.
fn sign_in_page(
    state: &State,
    req: &HttpRequest,
    admitted: &Admitted,
    form: FormState,
    next: &str,
) -> Result<(OutsidePage, Option<String>), ApiError> {
    let (csrf, token) = visitor(state, req, admitted);
    let chrome = state.db.read_blocking(|tx| chrome::outside(state, admitted, tx, csrf))?;
    Ok((OutsidePage::sign_in(chrome, form, next.to_owned()), token))
}

async fn sign_in(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let next = local(form.text("next")).unwrap_or_default();
    let agent = req.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let origin = Origin {
        address: Some(address::client(&state, &req)),
        user_agent: agent.to_owned(),
        previous: admitted.session_token().map(str::to_owned),
        request_id: Some(admitted.request_id.to_string()),
    };
    let done = state.door.sign_in(form.text("email"), form.verbatim("password").to_owned(), origin).await;
    let error = match done {
        Ok(signed_in) => {
            let mut response = redirect(if next.is_empty() { "/" } else { next });
            let kept = cookie::keep(&state, signed_in.token.expose());
            response.add_cookie(&kept).map_err(ApiError::internal)?;
            // whoever used this browser before may have looked at another organization
            response.add_cookie(&cookie::choose(&state, None)).map_err(ApiError::internal)?;
            return Ok(response);
        }
        Err(error) => ApiError::from(error),
    };
    let mut typed = forms::typed(&form, &["email"]);
    let request_id = admitted.request_id.to_string();
    let status = if error.code() == Code::InvalidCredentials {
        typed.problem = Some(Problem {
            what: "That email and password do not belong together.".into(),
            moved: "You are not signed in.".into(),
            next: "Check both and try again.".into(),
            request_id,
        });
        StatusCode::UNAUTHORIZED
    } else {
        forms::explain(&mut typed, &[], error, &request_id)?
    };
    let (page, token) = sign_in_page(&state, &req, &admitted, typed, next)?;
    with_visitor(&state, html(status, &page)?, token)
}

async fn sign_out(state: web::Data<State>, admitted: Admitted) -> Result<HttpResponse, ApiError> {
    let by = admitted.by()?;
    if let Caller::Session { session_id, user_id, .. } = admitted.principal()?.caller {
        state.db.write(move |tx| sessions::end(tx, &by, user_id, session_id)).await?;
    }
    let mut response = redirect(SIGN_IN);
    for forgotten in [cookie::forget(&state), cookie::choose(&state, None)] {
        response.add_cookie(&forgotten).map_err(ApiError::internal)?;
    }
    Ok(response)
}

/// Another of the person's organizations.
async fn switch(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let wanted: Option<OrganizationId> = form.text("organization").parse().ok();
    let principal = admitted.principal()?;
    let wanted = wanted.filter(|id| principal.membership(*id).is_some());
    let wanted = wanted.ok_or(Denied::ForeignOrganization)?;
    let mut response = redirect("/");
    response.add_cookie(&cookie::choose(&state, Some(wanted))).map_err(ApiError::internal)?;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_server_are_followed() {
        for good in ["/", "/usage?from=2026-11-01", "/a//b"] {
            assert_eq!(local(good), Some(good));
        }
        for bad in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "usage"] {
            assert_eq!(local(bad), None, "{bad}");
        }
    }
}
