//! Buying credit: what is for sale, and a payment for it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::id::{OrganizationId, PaymentId};
use crate::base::{Credits, Money, Quantity};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::idempotent::Intended;
use crate::http::list::List;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::payments::{self, Extras, NewPayment, Payment, Purchase, State as Standing, Terms, packages};

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::BillingRead), list);
    table.api(__path_top_up, Access::session(Scope::BillingWrite), top_up);
}

/// Credit at a fixed price.
#[derive(Serialize, ToSchema)]
struct Package {
    /// Its code, such as `growth`.
    id: String,
    name: String,
    /// Before tax.
    price: Money,
    /// The credit that is paid for.
    credits: Credits,
    /// Free credit on top.
    bonus_credits: Credits,
}

/// List the packages for sale
///
/// Those in the organization's currency.
#[utoipa::path(get, path = "/billing/packages", tag = "billing",
    responses((status = 200, description = "All packages that can be bought.", body = List<Package>)))]
async fn list(state: web::Data<State>, admitted: Admitted) -> Answer<List<Package>> {
    let organization = admitted.organization()?;
    let found = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        Ok(packages::list(tx, organizations::get(tx, organization)?.currency)?)
    })?;
    let views = found.into_iter().map(|package| Package {
        id: package.code,
        name: package.name,
        price: package.price,
        credits: package.credits,
        bonus_credits: package.bonus,
    });
    Ok(Reply::ok(List::whole(views.collect())))
}

/// What is to be bought: exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TopUpInput {
    /// So much money, in units of the organization's currency, before tax.
    #[schema(value_type = Option<f64>)]
    amount: Option<Quantity>,
    /// So much credit.
    credits: Option<Credits>,
}

/// A payment that waits for the customer.
#[derive(Serialize, ToSchema)]
struct TopUp {
    payment_id: PaymentId,
    /// With which the provider's form is shown.
    #[serde(rename = "clientSecret")]
    client_secret: Option<String>,
    /// The provider's own page for paying.
    checkout_url: Option<String>,
    /// `pending` until the money is there; then `settled`, and the credit is given.
    status: &'static str,
    /// The credit that is bought.
    credits: Credits,
    /// What it costs, without tax.
    amount: Money,
    /// The tax on it.
    tax: Money,
    /// What is paid: both.
    total: Money,
}

impl From<Payment> for TopUp {
    fn from(payment: Payment) -> Self {
        let status = payment.state.name();
        let checkout = match payment.state {
            Standing::Pending { checkout, .. } => Some(checkout),
            Standing::Created | Standing::Settled(_) | Standing::Failed { .. } => None,
        };
        let (client_secret, checkout_url) =
            checkout.map_or((None, None), |made| (made.client_secret, made.url));
        Self {
            payment_id: payment.id,
            client_secret,
            checkout_url,
            status,
            credits: payment.purchase.credits,
            amount: payment.quote.amounts.net,
            tax: payment.quote.amounts.tax,
            total: payment.quote.amounts.total,
        }
    }
}

/// Buy credit
///
/// The credit is given when the provider says that the money is there, not before. With a header `Idempotency-Key` the
/// request can safely be sent again: the same key and the same body get the first answer.
#[utoipa::path(post, path = "/billing/wallet/topup", tag = "billing",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters, new for each top-up.")),
    request_body(content = TopUpInput, example = json!({"amount": 10})),
    responses((status = 201, description = "The payment, for the customer to pay.", body = TopUp),
        (status = 409, description = "`payments_unavailable`, `seller_unknown`, or the key was used for another request: \
            `idempotency_conflict`."),
        (status = 502, description = "The provider did not take it: `payment_provider`.")))]
async fn top_up(
    state: web::Data<State>,
    admitted: Admitted,
    request: Intended<TopUpInput>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    if let Some(before) = request.answered(&state, &admitted).await? {
        return Ok(before);
    }
    let gateway = state.desk.gateway()?.name();
    let terms = state.desk.terms;
    let purchase = state.db.read_blocking(|tx| purchase(tx, &terms, organization, &request.value))?;
    let new = NewPayment {
        organization,
        gateway,
        purchase,
        actor: admitted.by()?.actor.to_string(),
        intent: request.intent(&admitted)?,
        agreed: None,
    };
    // with the client secret, for a page of the platform's own
    let extras = Extras { embedded: true, ..Extras::default() };
    let payment = state.desk.start_with(new, extras).await?;
    request.answer(&state, &admitted, StatusCode::CREATED, TopUp::from(payment)).await
}

fn purchase(
    tx: &ReadTx<'_>,
    terms: &Terms,
    organization: OrganizationId,
    input: &TopUpInput,
) -> Result<Purchase, ApiError> {
    let currency = organizations::get(tx, organization)?.currency;
    let bought = match (input.amount, input.credits) {
        (Some(amount), None) => terms.for_amount(&amount.to_string(), currency),
        (None, Some(credits)) => terms.for_credits(credits, currency),
        (Some(_), Some(_)) => {
            return Err(ApiError::field("credits", "conflict", "does not go with amount"));
        }
        (None, None) => return Err(ApiError::field("amount", "required", "or credits is required")),
    };
    bought.map_err(|error| payments::Error::Invalid(vec![error]).into())
}
