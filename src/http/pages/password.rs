//! What is done by links that were mailed: choosing another password, which is asked for here, and accepting an invitation.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::components::{Notice, Tone};
use super::entry::{visitor, with_visitor};
use super::forms;
use super::views::OutsidePage;
use super::views::members::role_label;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::address;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::params::{Params, PathId};
use crate::http::route::Table;
use crate::identity::{Error, invitations, links, organizations};
use crate::notifications::accounts;

const ASK: &str = "/forgot-password";
const CHOOSE: &str = "/password/{id}";
const ACCEPT: &str = "/invitation/{id}";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, ASK, Access::OPEN, ask_form);
    table.page(Method::POST, ASK, Access::OPEN, ask);
    table.page(Method::GET, CHOOSE, Access::OPEN, choose_form);
    table.page(Method::POST, CHOOSE, Access::OPEN, choose);
    table.page(Method::GET, ACCEPT, Access::OPEN, invitation);
    table.page(Method::POST, ACCEPT, Access::OPEN, accept);
}

async fn ask_form(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
) -> Result<HttpResponse, ApiError> {
    let notice = match Params::parse(req.query_string()).text("done").as_deref() {
        Some("asked") if state.telling.mail => Some((
            Tone::Good,
            "If there is such an account, a mail with a link is on its way. The link works once, for an hour.",
        )),
        Some("asked") => Some((
            Tone::Warn,
            "No mail can be sent: no mail server is configured. If there is such an account, the operator finds the link among \
             the deliveries.",
        )),
        Some("invalid") => Some((
            Tone::Bad,
            "That link does not work (any more): a link works once, and for a limited time. Ask for another.",
        )),
        _ => None,
    };
    show_ask(&state, &req, &admitted, (StatusCode::OK, FormState::default()), notice)
}

fn show_ask(
    state: &State,
    req: &HttpRequest,
    admitted: &Admitted,
    (status, form): (StatusCode, FormState),
    notice: Option<(Tone, &str)>,
) -> Result<HttpResponse, ApiError> {
    let (csrf, cookie) = visitor(state, req, admitted);
    let mut chrome = state.db.read_blocking(|tx| chrome::outside(state, admitted, tx, csrf))?;
    chrome.notice = notice.map(|(tone, text)| Notice { tone, text: text.into(), link: None });
    with_visitor(state, html(status, &OutsidePage::forgot_password(chrome, form))?, cookie)
}

async fn ask(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let email = form.text("email").to_owned();
    let asked = if email.is_empty() {
        Err(ApiError::field("email", "required", "is required"))
    } else {
        state.door.may_ask_for_link(&email, Some(address::client(&state, &req))).map_err(ApiError::from)
    };
    match asked {
        Ok(()) => {
            state.db.write(move |tx| accounts::forgotten(tx, &email)).await?;
            Ok(redirect(&format!("{ASK}?done=asked")))
        }
        Err(error) => {
            let mut typed = forms::typed(&form, &["email"]);
            let status = forms::explain(&mut typed, &["email"], error, &admitted.request_id.to_string())?;
            show_ask(&state, &req, &admitted, (status, typed), None)
        }
    }
}

async fn choose_form(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(token): PathId<String>,
) -> Result<HttpResponse, ApiError> {
    show_choose(&state, &req, &admitted, &token, (StatusCode::OK, FormState::default()))
}

fn show_choose(
    state: &State,
    req: &HttpRequest,
    admitted: &Admitted,
    token: &str,
    (status, form): (StatusCode, FormState),
) -> Result<HttpResponse, ApiError> {
    let (csrf, cookie) = visitor(state, req, admitted);
    let read = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        match links::check(tx, token, tx.now()) {
            Ok(user) => Ok(Some((user, chrome::outside(state, admitted, tx, csrf)?))),
            Err(Error::Link) => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    let Some((user, chrome)) = read? else { return Ok(redirect(&format!("{ASK}?done=invalid"))) };
    let min_chars = state.door.passwords().policy().min_chars;
    let page = OutsidePage::choose_password(chrome, form, (token, &user.email), min_chars);
    with_visitor(state, html(status, &page)?, cookie)
}

async fn choose(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(token): PathId<String>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let request_id = admitted.request_id.to_string();
    let password = form.verbatim("password").to_owned();
    match state.door.choose_password(token.clone(), password, Some(request_id.clone())).await {
        Ok(_) => Ok(redirect("/sign-in?done=password")),
        Err(Error::Link) => Ok(redirect(&format!("{ASK}?done=invalid"))),
        Err(error) => {
            let mut typed = FormState::default();
            let status = forms::explain(&mut typed, &["password"], error.into(), &request_id)?;
            show_choose(&state, &req, &admitted, &token, (status, typed))
        }
    }
}

async fn invitation(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(token): PathId<String>,
) -> Result<HttpResponse, ApiError> {
    show_invitation(&state, &req, &admitted, &token, (StatusCode::OK, FormState::default()))
}

fn show_invitation(
    state: &State,
    req: &HttpRequest,
    admitted: &Admitted,
    token: &str,
    (status, form): (StatusCode, FormState),
) -> Result<HttpResponse, ApiError> {
    let (csrf, cookie) = visitor(state, req, admitted);
    let read = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let (found, user) = match invitations::check(tx, token, tx.now()) {
            Ok(found) => found,
            Err(Error::Link) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let organization = organizations::get(tx, found.organization)?.name;
        Ok(Some((found, user.is_some(), organization, chrome::outside(state, admitted, tx, csrf)?)))
    });
    let Some((found, is_known, organization, chrome)) = read? else {
        return Ok(redirect("/sign-in?done=no_invitation"));
    };
    let min_chars = (!is_known).then(|| state.door.passwords().policy().min_chars);
    let lead = format!(
        "{} is invited to {organization}, as {}.",
        found.email,
        role_label(found.role).to_lowercase()
    );
    let page = OutsidePage::invitation(chrome, form, (token, lead), min_chars);
    with_visitor(state, html(status, &page)?, cookie)
}

async fn accept(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(token): PathId<String>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let request_id = admitted.request_id.to_string();
    let password = Some(form.verbatim("password")).filter(|text| !text.is_empty()).map(str::to_owned);
    match state.door.accept(token.clone(), password, Some(request_id.clone())).await {
        Ok(_) => Ok(redirect("/sign-in?done=accepted")),
        Err(Error::Link) => Ok(redirect("/sign-in?done=no_invitation")),
        Err(error) => {
            let mut typed = FormState::default();
            let status = forms::explain(&mut typed, &["password"], error.into(), &request_id)?;
            show_invitation(&state, &req, &admitted, &token, (status, typed))
        }
    }
}
