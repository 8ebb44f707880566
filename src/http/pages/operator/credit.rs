//! The operator gives credit, or takes it back: what would change first, then it happens, once.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::detail::tone;
use super::{around, page_of};
use crate::base::id::OrganizationId;
use crate::base::{Credits, Day, Timestamp};
use crate::grants::Class;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::api::credit::{self, CreditClass, CreditInput};
use crate::http::error::{ApiError, Code, FieldError};
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect, show};
use crate::http::pages::components::field::FormState;
use crate::http::pages::customer::label;
use crate::http::pages::format::Show;
use crate::http::pages::forms;
use crate::http::pages::outlook;
use crate::http::pages::views::{CreditPage, CreditPreview, GrantChange, PartChange};
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::idempotency::{self, Begin, Fingerprint, Key, Owner, Request};
use crate::identity::{Organization, Scope, Secret, organizations};
use crate::wallet::{self, Summary};

const PATH: &str = "/operator/organizations/{id}/credit";
const WRITE: Access = Access::operator(Scope::BillingWrite);
const FIELDS: [&str; 5] = ["direction", "credits", "class", "expires", "reason"];
const ADJUST: [Class; 3] = [Class::Free, Class::Plan, Class::Paid];

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, WRITE, form);
    table.page(Method::POST, PATH, WRITE, step);
}

/// What is shown of the form.
struct Shown {
    form: FormState,
    preview: Option<CreditPreview>,
    key: String,
    status: StatusCode,
}

fn new_key() -> String {
    Secret::mint("form_").expose().to_owned()
}

async fn form(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<OrganizationId>,
) -> Result<HttpResponse, ApiError> {
    let mut form = FormState::default();
    form.values.insert("direction".into(), "give".into());
    form.values.insert("class".into(), "free".into());
    show_form(&state, &admitted, id, Shown { form, preview: None, key: new_key(), status: StatusCode::OK })
}

fn show_form(
    state: &State,
    admitted: &Admitted,
    id: OrganizationId,
    shown: Shown,
) -> Result<HttpResponse, ApiError> {
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let organization = organizations::get(tx, id)?;
        let summary = wallet::summary(tx, id, tx.now())?;
        Ok(CreditPage {
            chrome: around(state, admitted, tx, &organization, "Credit")?,
            organization_id: id.to_string(),
            show: show(state, &organization),
            organization: organization.name,
            available: outlook::spendable(&summary),
            form: shown.form,
            preview: shown.preview,
            idempotency_key: shown.key,
        })
    })?;
    html(shown.status, &page)
}

async fn step(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<OrganizationId>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let mut typed = forms::typed(&form, &FIELDS);
    let mut key = form.text("idempotency_key").to_owned();
    let done = match form.text("step") {
        "edit" => {
            let shown = Shown { form: typed, preview: None, key, status: StatusCode::OK };
            return show_form(&state, &admitted, id, shown);
        }
        "confirm" => confirm(&state, &admitted, id, &mut typed, &key).await.map(Err),
        _ => preview(&state, id, &mut typed).map(Ok),
    };
    let (preview, status) = match done {
        Ok(Ok(preview)) => (Some(preview), StatusCode::OK),
        Ok(Err(response)) => return Ok(response),
        Err(error) => {
            if error.code() == Code::IdempotencyConflict {
                key = new_key();
            }
            let request_id = admitted.request_id.to_string();
            (None, forms::explain(&mut typed, &FIELDS, error, &request_id)?)
        }
    };
    show_form(&state, &admitted, id, Shown { form: typed, preview, key, status })
}

/// What was typed, as the operation takes it. `organization` says where its last day ends.
fn input(typed: &mut FormState, organization: &Organization) -> Result<CreditInput, ApiError> {
    let amount: Option<Credits> = forms::read(typed, "credits");
    if amount.is_some_and(|amount| !amount.is_positive()) {
        typed.errors.insert("credits".into(), "must be above zero".into());
    }
    let take = typed.value("direction") == "take";
    let class = match typed.value("class") {
        "free" => Some(CreditClass::Free),
        "plan" => Some(CreditClass::Plan),
        "paid" => Some(CreditClass::Paid),
        _ => None,
    };
    if class.is_none() {
        typed.errors.insert("class".into(), "is missing".into());
    }
    let last: Option<Day> =
        if typed.value("expires").is_empty() { None } else { forms::read(typed, "expires") };
    // lines of a text area become one
    let reason = typed.value("reason").split_whitespace().collect::<Vec<_>>().join(" ");
    if reason.is_empty() {
        typed.errors.insert("reason".into(), "is missing".into());
    }
    let signed = amount.and_then(|amount| if take { amount.checked_neg() } else { Some(amount) });
    let (Some(credits), Some(class), true) = (signed, class, typed.errors.is_empty()) else {
        let wrong = typed.errors.iter();
        let wrong = wrong.map(|(name, text)| FieldError::new(name.clone(), "invalid_value", text.clone()));
        return Err(ApiError::fields(wrong.collect()));
    };
    let input = CreditInput {
        credits,
        class,
        reason,
        expires_at: last.map(|day| organization.zone.start_of(day.plus_days(1))),
        priority: None,
        meters: None,
        cost: None,
        metadata: None,
    };
    credit::check(&input).map_err(as_typed)?;
    Ok(input)
}

/// The operation's fields by the names they have on the page.
fn as_typed(error: ApiError) -> ApiError {
    let rename = |wrong: &FieldError| {
        let name = if wrong.param == "expires_at" { "expires" } else { wrong.param.as_str() };
        FieldError::new(name, wrong.code.clone(), wrong.message.clone())
    };
    if error.code() == Code::NotEnoughCredit {
        let message = error.body("").message.to_owned();
        return ApiError::field("credits", "not_enough_credit", format!("is too much. {message}"));
    }
    if error.wrong_fields().is_empty() {
        return error;
    }
    ApiError::fields(error.wrong_fields().iter().map(rename).collect())
}

fn preview(state: &State, id: OrganizationId, typed: &mut FormState) -> Result<CreditPreview, ApiError> {
    state.db.read_blocking(|tx| {
        let organization = organizations::get(tx, id)?;
        let input = input(typed, &organization)?;
        if input.expires_at.is_some_and(|at| at <= tx.now()) {
            return Err(ApiError::field("expires", "in_the_past", "must not be over yet"));
        }
        let summary = wallet::summary(tx, id, tx.now())?;
        change(&summary, &input, &show(state, &organization), tx.now())
    })
}

/// What would change. Follows the wallet's own rules: an overdraft is repaid first, and credit is taken back in draw
/// order.
fn change(
    summary: &Summary,
    input: &CreditInput,
    show: &Show,
    now: Timestamp,
) -> Result<CreditPreview, ApiError> {
    let too_large = || ApiError::field("credits", "too_large", "is too large for the balance");
    let class = Class::from(input.class);
    let before = outlook::spendable(summary);
    let after = before.checked_add(input.credits).ok_or_else(too_large)?;
    let (mut repays, mut grants) = (Credits::ZERO, Vec::new());
    if input.credits.is_positive() {
        repays = summary.overdraft.min(input.credits);
        let left = input.credits.checked_sub(repays).ok_or_else(too_large)?;
        if left.is_positive() {
            grants.push(GrantChange { label: "New grant".into(), before: Credits::ZERO, after: left });
        }
    } else {
        let mut rest = input.credits.checked_neg().ok_or_else(too_large)?;
        let own = summary.grants.iter().filter(|g| g.terms.order.class == class && g.terms.is_live(now));
        for grant in own {
            let free = grant.remaining.checked_sub(grant.held).unwrap_or(Credits::ZERO);
            let taken = free.min(rest);
            if taken.is_positive() {
                let left = grant.remaining.checked_sub(taken).ok_or_else(too_large)?;
                rest = rest.checked_sub(taken).ok_or_else(too_large)?;
                let label = label(grant, show);
                grants.push(GrantChange { label, before: grant.remaining, after: left });
            }
        }
        if rest.is_positive() {
            return Err(ApiError::field(
                "credits",
                "not_enough_credit",
                "is more than there is of this kind",
            ));
        }
    }
    let moved = input.credits.checked_sub(repays).ok_or_else(too_large)?;
    let part = |of: Class| -> Result<PartChange, ApiError> {
        let before = match of {
            Class::Free => summary.parts.free,
            Class::Plan => summary.parts.plan,
            Class::Paid => summary.parts.paid,
        };
        let after = if of == class { before.checked_add(moved).ok_or_else(too_large)? } else { before };
        Ok(PartChange { class: tone(of), before, after })
    };
    let parts = ADJUST.into_iter().map(part).collect::<Result<_, _>>()?;
    Ok(CreditPreview { change: input.credits, before, after, repays, parts, grants })
}

/// Does it; the same form sent again changes nothing and goes to the same place.
async fn confirm(
    state: &State,
    admitted: &Admitted,
    id: OrganizationId,
    typed: &mut FormState,
    key: &str,
) -> Result<HttpResponse, ApiError> {
    let by = admitted.by()?;
    let organization = state.db.read_blocking(|tx| organizations::get(tx, id))?;
    let input = input(typed, &organization)?;
    let done = if input.credits.is_negative() { "taken" } else { "given" };
    let key: Key = key.parse().map_err(|_| ApiError::new(Code::CrossSite))?;
    let page = page_of(id);
    let mut seen: Vec<&[u8]> = vec![b"page", page.as_bytes()];
    seen.extend(FIELDS.iter().map(|name| typed.value(name).as_bytes()));
    let request = Request { owner: Owner::OperatorFor(id), key, fingerprint: Fingerprint::of(&seen) };
    let written = state.db.write(move |tx| -> Result<(), ApiError> {
        match idempotency::begin(tx, &request)? {
            Begin::Replay { .. } => return Ok(()),
            Begin::Conflict => {
                return Err(ApiError::new(Code::IdempotencyConflict)
                    .message("This form was sent already, with something else in it."));
            }
            Begin::New => {}
        }
        credit::perform(tx, &by, id, input)?;
        idempotency::finish(tx, &request, StatusCode::SEE_OTHER.as_u16(), b"")?;
        Ok(())
    });
    written.await.map_err(as_typed)?;
    Ok(redirect(&format!("{page}?done={done}")))
}
