//! Buying credit on the provider's own page, from a page of the platform's.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::Credits;
use crate::base::id::OrganizationId;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::hosts::check_return_url;
use crate::http::idempotent::Intended;
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::payments::{
    self, Extras, NewPayment, Package, Payment, Purchase, State as Standing, Terms, packages,
};

pub(super) fn routes(table: &mut Table) {
    table.api(__path_checkout, Access::session(Scope::BillingWrite), checkout);
}

/// What is to be bought, exactly one of the two; and where the customer goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckoutInput {
    /// A package's code, such as `growth`.
    package_id: Option<String>,
    /// So much credit.
    credits: Option<Credits>,
    /// After paying.
    success_url: String,
    /// Without having paid.
    cancel_url: String,
}

/// A page for paying.
#[derive(Serialize, ToSchema)]
struct Checkout {
    /// The provider's id of it.
    session_id: String,
    /// Where the customer pays.
    checkout_url: String,
}

/// Buy credit on the provider's page
///
/// The credit is given when the provider says that the money is there, whether or not the customer comes back. Both
/// addresses must lead to this server, or to one of `payments.allowed_return_hosts`. With a header `Idempotency-Key` the
/// request can safely be sent again.
#[utoipa::path(post, path = "/billing/checkout", tag = "billing",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters, new for each purchase.")),
    request_body(content = CheckoutInput, example = json!({"package_id": "growth",
        "success_url": "https://app.example.com/paid", "cancel_url": "https://app.example.com/credit"})),
    responses((status = 201, description = "The page.", body = Checkout),
        (status = 409, description = "`payments_unavailable`, `seller_unknown`, or the key was used for another request: \
            `idempotency_conflict`."),
        (status = 502, description = "The provider did not take it: `payment_provider`.")))]
async fn checkout(
    state: web::Data<State>,
    admitted: Admitted,
    request: Intended<CheckoutInput>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    if let Some(before) = request.answered(&state, &admitted).await? {
        return Ok(before);
    }
    let input = &request.value;
    let urls = [("success_url", &input.success_url), ("cancel_url", &input.cancel_url)];
    let mut wrong: Vec<_> = urls
        .into_iter()
        .filter_map(|(name, url)| check_return_url(&state.settings, name, url).err())
        .collect();
    let terms = state.desk.terms;
    let bought = state.db.read_blocking(|tx| purchase(tx, &terms, organization, input));
    let purchase = match bought {
        Ok(purchase) if wrong.is_empty() => purchase,
        Ok(_) => return Err(ApiError::fields(wrong)),
        Err(error) if error.code() == Code::ValidationFailed => {
            wrong.extend(error.wrong_fields().iter().cloned());
            return Err(ApiError::fields(wrong));
        }
        Err(error) => return Err(error),
    };
    let new = NewPayment {
        organization,
        gateway: state.desk.gateway()?.name(),
        purchase,
        actor: admitted.by()?.actor.to_string(),
        intent: request.intent(&admitted)?,
        agreed: None,
    };
    let extras = Extras {
        card: None,
        success_url: Some(input.success_url.clone()),
        cancel_url: Some(input.cancel_url.clone()),
        embedded: false,
        keep_card: false,
    };
    let payment = state.desk.start_with(new, extras).await?;
    request.answer(&state, &admitted, StatusCode::CREATED, view(payment)?).await
}

/// Where the customer pays; what was paid meanwhile needs no page.
fn view(payment: Payment) -> Result<Checkout, ApiError> {
    match payment.state {
        Standing::Pending { checkout, .. } => {
            let url = checkout.url.ok_or_else(|| ApiError::new(Code::PaymentProvider))?;
            Ok(Checkout { session_id: checkout.reference, checkout_url: url })
        }
        Standing::Created | Standing::Settled(_) | Standing::Failed { .. } => {
            Err(ApiError::new(Code::Conflict).message("This purchase has ended already."))
        }
    }
}

fn purchase(
    tx: &ReadTx<'_>,
    terms: &Terms,
    organization: OrganizationId,
    input: &CheckoutInput,
) -> Result<Purchase, ApiError> {
    let currency = organizations::get(tx, organization)?.currency;
    match (&input.package_id, input.credits) {
        (Some(code), None) => {
            let offered = packages::list(tx, currency)?;
            let found = offered.iter().find(|package| package.code == *code).map(Package::purchase);
            found.ok_or_else(|| ApiError::field("package_id", "unknown", "is not for sale"))
        }
        (None, Some(credits)) => {
            let bought = terms.for_credits(credits, currency);
            bought.map_err(|error| payments::Error::Invalid(vec![error]).into())
        }
        (Some(_), Some(_)) => Err(ApiError::field("credits", "conflict", "does not go with package_id")),
        (None, None) => Err(ApiError::field("package_id", "required", "or credits is required")),
    }
}
