//! Saved cards.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::{Chip, Notice, Tone};
use super::views::cards::{CardRow, PaymentMethodsPage};
use super::views::{Crumb, Section};
use crate::base::Timestamp;
use crate::base::id::{CardSetupId, PaymentMethodId};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::payments::cards::{self, Method as Card, NewSetup, SetupState, Validity};
use crate::payments::{self, reload};

const READ: Access = Access::organization(Scope::BillingRead);
const WRITE: Access = Access::session(Scope::BillingWrite);

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/payment-methods", READ, page);
    table.page(Method::POST, "/payment-methods", WRITE, add);
    table.page(Method::POST, "/payment-methods/default", WRITE, set_default);
    table.page(Method::POST, "/payment-methods/remove", WRITE, remove);
    table.page(Method::GET, "/payment-methods/{id}", READ, back);
}

/// What was just done.
struct Done(Option<(Tone, &'static str)>);

impl FromParams for Done {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(match params.text("done").as_deref() {
            Some("saved") => Some((Tone::Good, "The card is saved.")),
            Some("pending") => {
                Some((Tone::Warn, "The card is not saved yet: the provider has not confirmed it."))
            }
            Some("none") => Some((Tone::Neutral, "No card was saved.")),
            Some("default") => Some((Tone::Good, "The default card has been changed.")),
            Some("removed") => Some((Tone::Good, "The card has been removed.")),
            _ => None,
        }))
    }
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    Query(Done(done)): Query<Done>,
) -> Result<HttpResponse, ApiError> {
    let mut page = state.db.read_blocking(|tx| read(tx, &state, &admitted))?;
    page.chrome.notice = done.map(|(tone, text)| Notice { tone, text: text.into(), link: None });
    html(StatusCode::OK, &page)
}

fn read(tx: &ReadTx<'_>, state: &State, admitted: &Admitted) -> Result<PaymentMethodsPage, ApiError> {
    let organization = admitted.organization()?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Payment methods")];
    let chrome = chrome::chrome(state, admitted, tx, Section::PaymentMethods, crumbs)?;
    let charged = reload::get(tx, organization)?
        .filter(|reload| reload.standing.enabled)
        .map(|reload| reload.settings.card);
    let found = cards::list(tx, organization)?;
    let closed = "Cards cannot be saved here: no payment provider is configured.";
    Ok(PaymentMethodsPage {
        cards: found.iter().map(|card| row(card, charged == Some(card.id), tx.now())).collect(),
        closed: (!state.desk.is_open()).then(|| Notice {
            tone: Tone::Neutral,
            text: closed.into(),
            link: None,
        }),
        may_edit: admitted.principal()?.may_in_session(Scope::BillingWrite, organization).is_ok(),
        chrome,
    })
}

fn row(card: &Card, reloads: bool, now: Timestamp) -> CardRow {
    let mut chips = Vec::new();
    if card.is_default {
        chips.push(Chip::new(Tone::Neutral, "Default"));
    }
    if reloads {
        chips.push(Chip::new(Tone::Neutral, "Auto-reload"));
    }
    match card.validity(now) {
        Validity::Good => {}
        Validity::EndsSoon => chips.push(Chip::new(Tone::Warn, "Expires soon")),
        Validity::Over => chips.push(Chip::new(Tone::Bad, "Expired")),
    }
    CardRow {
        id: card.id.to_string(),
        label: card.label(),
        ends: card.ends(),
        chips,
        is_default: card.is_default,
        reloads,
        added: card.added_at,
    }
}

/// To the provider's page.
async fn add(state: web::Data<State>, admitted: Admitted, _: Form) -> Result<HttpResponse, ApiError> {
    let new = NewSetup {
        organization: admitted.organization()?,
        gateway: state.desk.gateway()?.name(),
        actor: admitted.by()?.actor.to_string(),
        success_url: None,
        cancel_url: None,
    };
    let setup = state.desk.set_up_card(new).await?;
    let to = match setup.state {
        SetupState::Pending(checkout) => checkout.url,
        SetupState::Created | SetupState::Settled(_) | SetupState::Failed => None,
    };
    Ok(redirect(&to.unwrap_or_else(|| format!("/payment-methods/{}", setup.id))))
}

/// Where customers come back to: the provider is asked, for its webhook may be late.
async fn back(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<CardSetupId>,
) -> Result<HttpResponse, ApiError> {
    let found = state.db.read_blocking(|tx| cards::setup(tx, id))?;
    if found.organization != admitted.organization()? {
        return Err(payments::Error::NoCard.into());
    }
    let asked = match state.desk.ask_about_card(id).await {
        Ok(asked) => asked,
        Err(error) => {
            tracing::warn!(setup = %id, %error, "card not asked about");
            found
        }
    };
    let word = match asked.state {
        SetupState::Settled(_) => "saved",
        SetupState::Created | SetupState::Pending(_) => "pending",
        SetupState::Failed => "none",
    };
    Ok(redirect(&format!("/payment-methods?done={word}")))
}

fn card(form: &Form) -> Result<PaymentMethodId, ApiError> {
    form.text("id").parse().map_err(|_| payments::Error::NoCard.into())
}

async fn set_default(
    state: web::Data<State>,
    admitted: Admitted,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let (organization, by, id) = (admitted.organization()?, admitted.by()?, card(&form)?);
    state.db.write(move |tx| cards::set_default(tx, &by, organization, id)).await?;
    Ok(redirect("/payment-methods?done=default"))
}

async fn remove(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let (organization, by, id) = (admitted.organization()?, admitted.by()?, card(&form)?);
    state.db.write(move |tx| cards::remove(tx, &by, organization, id)).await?;
    Ok(redirect("/payment-methods?done=removed"))
}
