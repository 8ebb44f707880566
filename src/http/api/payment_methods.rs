//! Saved cards.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::Timestamp;
use crate::base::id::{CardSetupId, PaymentMethodId};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::hosts::check_return_url;
use crate::http::list::List;
use crate::http::params::PathId;
use crate::http::reply::{Answer, NoContent, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::payments::cards::{self, CardSetup, Method, NewSetup, SetupState, Validity};

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::BillingRead), list);
    table.api(__path_add, Access::session(Scope::BillingWrite), add);
    table.api(__path_set_default, Access::session(Scope::BillingWrite), set_default);
    table.api(__path_remove, Access::session(Scope::BillingWrite), remove);
}

/// A saved card.
#[derive(Serialize, ToSchema)]
struct PaymentMethod {
    id: PaymentMethodId,
    /// Such as `visa`.
    brand: String,
    /// The last four digits of its number.
    last4: String,
    /// The last month in which it is valid, from 1.
    exp_month: u8,
    exp_year: u16,
    /// `good`, `ends_soon` (within a month) or `over`.
    validity: &'static str,
    /// The card that is meant when none is named.
    default: bool,
    created_at: Timestamp,
}

impl PaymentMethod {
    fn new(card: Method, now: Timestamp) -> Self {
        Self {
            id: card.id,
            validity: match card.validity(now) {
                Validity::Good => "good",
                Validity::EndsSoon => "ends_soon",
                Validity::Over => "over",
            },
            brand: card.brand,
            last4: card.last4,
            exp_month: card.exp_month,
            exp_year: card.exp_year,
            default: card.is_default,
            created_at: card.added_at,
        }
    }
}

/// List the saved cards, the default first
#[utoipa::path(get, path = "/billing/payment-methods", tag = "billing",
    responses((status = 200, description = "All saved cards.", body = List<PaymentMethod>)))]
async fn list(state: web::Data<State>, admitted: Admitted) -> Answer<List<PaymentMethod>> {
    let organization = admitted.organization()?;
    let (found, now) = state
        .db
        .read_blocking(|tx| -> Result<_, ApiError> { Ok((cards::list(tx, organization)?, tx.now())) })?;
    Ok(Reply::ok(List::whole(found.into_iter().map(|card| PaymentMethod::new(card, now)).collect())))
}

/// Where the customer goes on from the provider's page: pages of this server unless said otherwise.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetupInput {
    /// After the card was given.
    success_url: Option<String>,
    /// Without one.
    cancel_url: Option<String>,
}

/// A card about to be saved.
#[derive(Serialize, ToSchema)]
struct CardToSave {
    setup_id: CardSetupId,
    /// With which the provider's form is shown.
    #[serde(rename = "clientSecret")]
    client_secret: Option<String>,
    /// The provider's page that asks for the card.
    checkout_url: Option<String>,
    /// `pending` until the provider keeps the card, then `settled`.
    status: &'static str,
    /// The card, once it is saved.
    payment_method_id: Option<PaymentMethodId>,
}

impl From<CardSetup> for CardToSave {
    fn from(setup: CardSetup) -> Self {
        let (status, checkout, payment_method_id) = match setup.state {
            SetupState::Created => ("created", None, None),
            SetupState::Pending(checkout) => ("pending", Some(checkout), None),
            SetupState::Settled(card) => ("settled", None, Some(card)),
            SetupState::Failed => ("failed", None, None),
        };
        let (client_secret, checkout_url) =
            checkout.map_or((None, None), |made| (made.client_secret, made.url));
        Self { setup_id: setup.id, client_secret, checkout_url, status, payment_method_id }
    }
}

/// Begin to save a card
///
/// The customer gives its number on the provider's page. The card is saved when the provider says that it keeps it.
#[utoipa::path(post, path = "/billing/payment-methods", tag = "billing", request_body = SetupInput,
    responses((status = 201, description = "The setup, for the customer to go on with.", body = CardToSave),
        (status = 409, description = "`payments_unavailable`."),
        (status = 422, description = "A URL leads to a host that is not allowed: `host_not_allowed`."),
        (status = 502, description = "The provider did not take it: `payment_provider`.")))]
async fn add(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<SetupInput>,
) -> Answer<CardToSave> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let urls = [("success_url", &input.success_url), ("cancel_url", &input.cancel_url)];
    let wrong = urls.into_iter().filter_map(|(name, url)| {
        url.as_deref().and_then(|url| check_return_url(&state.settings, name, url).err())
    });
    let wrong: Vec<_> = wrong.collect();
    if !wrong.is_empty() {
        return Err(ApiError::fields(wrong));
    }
    let new = NewSetup {
        organization,
        gateway: state.desk.gateway()?.name(),
        actor: by.actor.to_string(),
        success_url: input.success_url,
        cancel_url: input.cancel_url,
    };
    let setup = state.desk.set_up_card(new).await?;
    Ok(Reply::with(StatusCode::CREATED, setup.into()))
}

/// Make a card the default
#[utoipa::path(post, path = "/billing/payment-methods/{id}/default", tag = "billing",
    params(("id" = PaymentMethodId, Path, description = "The card's id.")),
    responses((status = 200, description = "The card.", body = PaymentMethod), (status = 404, description = "`not_found`.")))]
async fn set_default(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<PaymentMethodId>,
) -> Answer<PaymentMethod> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let card = state.db.write(move |tx| cards::set_default(tx, &by, organization, id)).await?;
    Ok(Reply::ok(PaymentMethod::new(card, state.db.now())))
}

/// Remove a card
///
/// It is not charged any more. Auto-reload that charges it is switched off; the newest of the other cards becomes the
/// default.
#[utoipa::path(delete, path = "/billing/payment-methods/{id}", tag = "billing",
    params(("id" = PaymentMethodId, Path, description = "The card's id.")),
    responses((status = 204, description = "Removed."), (status = 404, description = "`not_found`.")))]
async fn remove(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<PaymentMethodId>,
) -> Result<NoContent, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    state.db.write(move |tx| cards::remove(tx, &by, organization, id)).await?;
    Ok(NoContent)
}
