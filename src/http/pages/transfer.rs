//! Credit sent to another organization of the same people: what and to whom, a look at it, and then it goes.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::{Choice, FormState};
use super::components::{Notice, Tone};
use super::customer::usable;
use super::views::transfer::{TransferPage, TransferReviewPage};
use super::views::{Crumb, Section};
use super::{format, forms};
use crate::base::Credits;
use crate::base::id::OrganizationId;
use crate::db::{DbError, ReadTx};
use crate::grants::Class;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::api::transfer::{check, receiver};
use crate::http::error::{ApiError, Code};
use crate::http::form::Form;
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::{Scope, organizations};
use crate::metering;
use crate::payments::transfers::{self, Wish};
use crate::wallet;

const READ: Access = Access::organization(Scope::BillingRead);
const WRITE: Access = Access::session(Scope::BillingWrite);
const PATH: &str = "/transfer";
const FIELDS: [&str; 3] = ["to", "credits", "note"];

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, PATH, READ, page);
    table.page(Method::POST, PATH, WRITE, send);
    table.page(Method::GET, "/transfer/review", READ, review);
}

/// Where credit is sent from, for those who may: the plan includes it.
///
/// # Errors
/// Those of the database.
pub(super) fn offered(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
) -> Result<Option<String>, ApiError> {
    let organization = admitted.organization()?;
    let may = admitted.principal()?.may_in_session(Scope::BillingWrite, organization).is_ok();
    Ok((may && plan_allows(tx, state, organization)?).then(|| PATH.to_owned()))
}

fn plan_allows(tx: &ReadTx<'_>, state: &State, organization: OrganizationId) -> Result<bool, DbError> {
    let catalog = state.catalog.get(tx)?;
    let terms = metering::price_terms(tx, organization, tx.now())?;
    let plan = terms.and_then(|terms| catalog.plan_version(terms.plan_version?));
    Ok(plan.is_some_and(|(_, version)| version.terms.credit_transfer))
}

/// What could be sent now: credit that was paid for, less what is owed.
fn sendable(tx: &ReadTx<'_>, organization: OrganizationId) -> Result<Credits, ApiError> {
    let summary = wallet::summary(tx, organization, tx.now())?;
    let paid = usable(&summary, Class::Paid, tx.now());
    Ok(paid.checked_sub(summary.overdraft).filter(|left| left.is_positive()).unwrap_or(Credits::ZERO))
}

async fn page(state: web::Data<State>, admitted: Admitted) -> Result<HttpResponse, ApiError> {
    let page = state.db.read_blocking(|tx| read(tx, &state, &admitted, FormState::default()))?;
    html(StatusCode::OK, &page)
}

fn read(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    form: FormState,
) -> Result<TransferPage, ApiError> {
    let organization = admitted.organization()?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Send credit")];
    let chrome = chrome::chrome(state, admitted, tx, Section::Transactions, crumbs)?;
    let may = admitted.principal()?.may_in_session(Scope::BillingWrite, organization).is_ok();
    let others: Vec<Choice> = chrome
        .memberships
        .iter()
        .filter(|membership| !membership.current)
        .map(|membership| Choice::new(membership.id.as_str(), membership.name.as_str()))
        .collect();
    let closed = match (may, plan_allows(tx, state, organization)?, others.is_empty()) {
        (false, ..) => Some("Credit is sent by owners and people with the billing role."),
        (true, false, _) => Some("Your plan does not allow credit to be sent to another organization."),
        (true, true, true) => Some("You are in no other organization that credit could be sent to."),
        (true, true, false) => None,
    };
    Ok(TransferPage {
        closed: closed.map(|text| Notice { tone: Tone::Neutral, text: text.into(), link: None }),
        sendable: format::credits(sendable(tx, organization)?),
        others,
        form,
        chrome,
    })
}

/// What is to be sent to whom, as typed.
struct Asked {
    to: OrganizationId,
    credits: Credits,
    note: String,
}

fn asked(tx: &rusqlite::Connection, admitted: &Admitted, form: &Form) -> Result<Asked, ApiError> {
    let credits: Credits = form
        .text("credits")
        .parse()
        .map_err(|error| ApiError::field("credits", "invalid_value", format!("{error}")))?;
    let note = form.text("note").trim().to_owned();
    check(form.text("to"), credits, &note)?;
    Ok(Asked { to: receiver(tx, admitted.principal()?, form.text("to"))?, credits, note })
}

/// What would be left, before anything moves.
async fn review(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    match state.db.read_blocking(|tx| read_review(tx, &state, &admitted, &form)) {
        Ok(page) => html(StatusCode::OK, &page),
        Err(error) => again(&state, &admitted, &form, error),
    }
}

fn read_review(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    form: &Form,
) -> Result<TransferReviewPage, ApiError> {
    let organization = admitted.organization()?;
    if !plan_allows(tx, state, organization)? {
        return Err(ApiError::new(Code::CreditTransferForbidden));
    }
    let asked = asked(tx, admitted, form)?;
    let most = sendable(tx, organization)?;
    if asked.credits > most {
        let text = format!("is more than the {} that can be sent", format::credits(most));
        return Err(ApiError::field("credits", "not_enough_credit", text));
    }
    let balance = wallet::summary(tx, organization, tx.now())?.balance;
    let crumbs = vec![
        Crumb::link("My Credit", "/overview"),
        Crumb::link("Send credit", PATH),
        Crumb::here("Review and send"),
    ];
    Ok(TransferReviewPage {
        chrome: chrome::chrome(state, admitted, tx, Section::Transactions, crumbs)?,
        to: asked.to.to_string(),
        name: organizations::get(tx, asked.to)?.name,
        credits: format::credits(asked.credits),
        exact: asked.credits.to_string(),
        note: asked.note,
        balance: format::credits(balance.checked_sub(asked.credits).unwrap_or(balance)),
        idempotency_key: forms::fresh_key(admitted),
    })
}

/// The form with what was typed, and what is wrong with it.
fn again(state: &State, admitted: &Admitted, form: &Form, error: ApiError) -> Result<HttpResponse, ApiError> {
    let mut typed = forms::typed(form, &FIELDS);
    let status = forms::explain(&mut typed, &FIELDS, error, &admitted.request_id.to_string())?;
    let page = state.db.read_blocking(|tx| read(tx, state, admitted, typed))?;
    html(status, &page)
}

async fn send(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let from = admitted.organization()?;
    let by = admitted.by()?;
    let once = forms::Once::new(Owner::Organization(from), req.path(), &form)?;
    let done = match state.db.read_blocking(|tx| asked(tx, &admitted, &form)) {
        Ok(Asked { to, credits, note }) => {
            let sent = state.db.write(move |tx| {
                once.act(tx, || {
                    Ok(transfers::send(tx, &by, &Wish { from, to, credits, note })?.out.id.to_string())
                })
            });
            sent.await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok((line, _)) => Ok(redirect(&format!("/transactions/{line}"))),
        Err(error) => again(&state, &admitted, &form, error),
    }
}
