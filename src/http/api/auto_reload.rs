//! Buying credit by itself when it runs low, in every spelling that integrations send.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::id::{OrganizationId, PaymentMethodId};
use crate::base::{Credits, Currency, Money, Quantity, Timestamp};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::{Change as ChangeBody, Json};
use crate::http::error::{ApiError, FieldError};
use crate::http::input::present;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::payments::reload::{self, AutoReload, Change, Settings, rules::Standing};
use crate::payments::{Error as PaymentError, Terms};
use crate::wallet;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
    table.api(__path_put, Access::session(Scope::BillingWrite), put);
    table.api(__path_recharge, Access::session(Scope::BillingWrite), recharge);
}

/// Buying credit by itself when it runs low.
#[derive(Serialize, ToSchema)]
pub(super) struct AutoReloadView {
    /// Off unless switched on.
    enabled: bool,
    /// Below what balance credit is bought.
    threshold_credits: Option<Credits>,
    /// How much each time.
    amount_credits: Option<Credits>,
    /// What the card is charged in a calendar month at most, with tax.
    monthly_cap: Option<Money>,
    /// What cards were charged this month by auto-reload, with tax.
    spent_this_month: Money,
    /// The card that is charged.
    payment_method_id: Option<PaymentMethodId>,
    /// The threshold in units of money; only for a wallet in USD.
    #[serde(rename = "thresholdUsd", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    threshold_usd: Option<Quantity>,
    /// The amount before tax; only for a wallet in USD.
    #[serde(rename = "amountUsd", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    amount_usd: Option<Quantity>,
    /// `off`, `ready`, `charging`, `retrying` (a charge failed and is tried again), `waiting` (the month's cap is reached),
    /// or `action_required` (the bank wants the customer: top up by hand).
    status: &'static str,
    /// Why the last charge failed, or why it is off: `card_declined`, `insufficient_funds`, `authentication_required`,
    /// `expired_card`, `refused`, `monthly_cap`, `card_removed` and the like; null when nothing is wrong.
    problem: Option<&'static str>,
    /// Since when.
    problem_at: Option<Timestamp>,
    /// Declines in a row; after three it is switched off.
    failures: u32,
    /// When a charge that failed or was put off is tried again.
    next_attempt_at: Option<Timestamp>,
}

/// Where it stands, in one word. `recovered`: the balance is above the threshold, and its next fall is charged.
fn status(standing: &Standing, recovered: bool) -> &'static str {
    use reload::rules::Problem::MonthlyCap;
    match (standing.enabled, standing.in_flight, standing.retry, standing.problem) {
        (false, ..) => "off",
        (true, Some(_), ..) => "charging",
        (true, None, Some(_), Some((MonthlyCap, _))) => "waiting",
        (true, None, Some(_), _) => "retrying",
        (true, None, None, Some(_)) if !recovered => "action_required",
        (true, None, None, _) => "ready",
    }
}

/// How many units of money an amount of credit is.
fn units(credits: Credits, terms: &Terms) -> Quantity {
    Quantity::from_micros(credits.micros() / terms.credits_per_unit.max(1))
}

/// An organization's auto-reload.
pub(super) fn view(
    tx: &ReadTx<'_>,
    terms: &Terms,
    organization: OrganizationId,
) -> Result<AutoReloadView, ApiError> {
    let found = reload::get(tx, organization)?;
    let spent = reload::spent_this_month(tx, organization, tx.now())?;
    let recovered = wallet::watched(tx, organization)?.is_some_and(|watch| watch.armed);
    let standing = found.map(|reload| reload.standing).unwrap_or_default();
    let settings = found.map(|reload| reload.settings);
    let in_usd = settings.filter(|_| spent.currency.code() == "USD");
    let cap = |settings: Settings| settings.cap_minor;
    Ok(AutoReloadView {
        enabled: standing.enabled,
        threshold_credits: settings.map(|s| s.threshold),
        amount_credits: settings.map(|s| s.credits),
        monthly_cap: settings.and_then(cap).map(|minor| Money { minor, currency: spent.currency }),
        spent_this_month: spent,
        payment_method_id: settings.map(|s| s.card),
        threshold_usd: in_usd.map(|s| units(s.threshold, terms)),
        amount_usd: in_usd.map(|s| units(s.credits, terms)),
        status: status(&standing, recovered),
        problem: standing.problem.map(|(problem, _)| problem.name()),
        problem_at: standing.problem.map(|(_, at)| at),
        failures: standing.failures,
        next_attempt_at: standing.retry.map(|retry| retry.at),
    })
}

/// Get auto-reload, and where it stands
#[utoipa::path(get, path = "/billing/wallet/auto-reload", tag = "billing",
    responses((status = 200, description = "The setting.", body = AutoReloadView)))]
async fn get(state: web::Data<State>, admitted: Admitted) -> Answer<AutoReloadView> {
    let organization = admitted.organization()?;
    let terms = state.desk.terms;
    Ok(Reply::ok(state.db.read_blocking(|tx| view(tx, &terms, organization))?))
}

/// What is wanted: in credits, or in USD for a wallet in USD. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AutoReloadInput {
    enabled: bool,
    /// Below what balance credit is bought.
    threshold_credits: Option<Credits>,
    /// How much each time.
    amount_credits: Option<Credits>,
    /// What the card is charged in a calendar month of the organization's at most, with tax; null removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Money>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    monthly_cap: Option<Option<Money>>,
    /// The card; the default, unless one was named before.
    payment_method_id: Option<String>,
    /// The threshold in USD.
    #[serde(rename = "thresholdUsd")]
    #[schema(value_type = Option<f64>)]
    threshold_usd: Option<Quantity>,
    /// The amount in USD, before tax.
    #[serde(rename = "amountUsd")]
    #[schema(value_type = Option<f64>)]
    amount_usd: Option<Quantity>,
}

/// The fields' names in one spelling, in the order threshold, amount.
type Names = [&'static str; 2];
const NATIVE: Names = ["threshold_credits", "amount_credits"];
const USD: Names = ["thresholdUsd", "amountUsd"];
const RECHARGE: Names = ["threshold", "recharge_amount"];

/// Reads what was sent in USD into credits.
fn in_credits(
    input: &AutoReloadInput,
    terms: &Terms,
    currency: Currency,
) -> Result<(Option<Credits>, Option<Credits>), ApiError> {
    let mut wrong = Vec::new();
    let both = [
        (input.threshold_credits.is_some() && input.threshold_usd.is_some(), USD.first()),
        (input.amount_credits.is_some() && input.amount_usd.is_some(), USD.last()),
    ];
    for (_, name) in both.into_iter().filter(|(both, _)| *both) {
        wrong.extend(name.map(|name| FieldError::new(*name, "conflict", "is given in credits too")));
    }
    if currency.code() != "USD" {
        let sent = [(input.threshold_usd, USD.first()), (input.amount_usd, USD.last())];
        for (_, name) in sent.into_iter().filter(|(sent, _)| sent.is_some()) {
            let text = format!("is for wallets in USD, and this one is in {currency}");
            wrong.extend(name.map(|name| FieldError::new(*name, "wrong_currency", text.clone())));
        }
    }
    let threshold = input.threshold_usd.map(|units| {
        let micros = i128::from(units.micros()) * i128::from(terms.credits_per_unit);
        i64::try_from(micros).map(Credits::from_micros)
    });
    let amount = input.amount_usd.map(|units| terms.for_amount(&units.to_string(), currency));
    if let Some(Err(_)) = threshold {
        wrong.push(FieldError::new("thresholdUsd", "too_large", "is too large"));
    }
    if let Some(Err(error)) = &amount {
        wrong.push(FieldError::new("amountUsd", error.code, error.message.to_string()));
    }
    if !wrong.is_empty() {
        return Err(ApiError::fields(wrong));
    }
    let threshold = threshold.and_then(Result::ok).or(input.threshold_credits);
    let amount = amount.and_then(Result::ok).map(|purchase| purchase.credits).or(input.amount_credits);
    Ok((threshold, amount))
}

/// The same errors, with the fields as the client spells them.
fn spelled(error: PaymentError, names: Names) -> ApiError {
    match error {
        PaymentError::Invalid(errors) => {
            let renamed = errors.into_iter().map(|error| {
                let at = NATIVE.iter().position(|native| *native == error.field);
                let name =
                    at.and_then(|at| names.get(at)).map_or_else(|| error.field.to_string(), |n| (*n).into());
                FieldError::new(name, error.code, error.message.to_string())
            });
            ApiError::fields(renamed.collect())
        }
        error => error.into(),
    }
}

/// The card that is named; one that is no id is no card.
fn card(named: Option<&str>) -> Result<Option<PaymentMethodId>, ApiError> {
    let wrong = |_| ApiError::field("payment_method_id", "unknown", "is not a saved card");
    named.map(|text| text.parse().map_err(wrong)).transpose()
}

async fn change(
    state: &State,
    admitted: &Admitted,
    change: Change,
    names: Names,
) -> Result<Option<AutoReload>, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    if change.enabled {
        state.desk.gateway()?;
    }
    let (terms, seller) = (state.desk.terms, state.desk.seller.clone());
    let set = state.db.write(move |tx| reload::set(tx, &by, (&terms, &seller), organization, &change));
    set.await.map_err(|error| spelled(error, names))
}

/// Set auto-reload
///
/// Switched on while the balance is below the threshold, it charges the card at once.
#[utoipa::path(put, path = "/billing/wallet/auto-reload", tag = "billing",
    request_body(content = AutoReloadInput, example = json!({"enabled": true, "threshold_credits": 2000, "amount_credits": 5000,
        "monthly_cap": {"amount": "200.00", "currency": "EUR"}})),
    responses((status = 200, description = "The setting.", body = AutoReloadView),
        (status = 409, description = "No card is saved: `payment_method_required`; or `payments_unavailable`, `seller_unknown`.")))]
async fn put(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<AutoReloadInput>,
) -> Answer<AutoReloadView> {
    let organization = admitted.organization()?;
    let terms = state.desk.terms;
    let currency = state.db.read_blocking(|tx| organizations::get(tx, organization))?.currency;
    let (threshold, credits) = in_credits(&input, &terms, currency)?;
    let names = if input.threshold_usd.is_some() || input.amount_usd.is_some() { USD } else { NATIVE };
    let wanted = Change {
        enabled: input.enabled,
        threshold,
        credits,
        cap: input.monthly_cap,
        card: card(input.payment_method_id.as_deref())?,
    };
    change(&state, &admitted, wanted, names).await?;
    Ok(Reply::ok(state.db.read_blocking(|tx| view(tx, &terms, organization))?))
}

/// The same in credits, as some integrations spell it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RechargeInput {
    enabled: bool,
    /// Below what balance credit is bought.
    threshold: Option<Credits>,
    /// How much each time.
    recharge_amount: Option<Credits>,
    /// The card; the default, unless one was named before.
    payment_method_id: Option<String>,
}

/// The setting, as some integrations spell it.
#[derive(Serialize, ToSchema)]
struct Recharged {
    enabled: bool,
    /// Below what balance credit is bought.
    threshold: Option<Credits>,
    /// How much each time.
    recharge_amount: Option<Credits>,
    /// The card that is charged.
    payment_method_id: Option<PaymentMethodId>,
}

/// Set auto-reload, in credits
///
/// The same setting as `PUT /billing/wallet/auto-reload`, in the spelling of other integrations.
#[utoipa::path(post, path = "/billing/auto-recharge", tag = "billing",
    request_body(content = RechargeInput, example = json!({"enabled": true, "threshold": 1000, "recharge_amount": 10000,
        "payment_method_id": "pm_01h455vb4pex5"})),
    responses((status = 200, description = "The setting.", body = Recharged),
        (status = 409, description = "No card is saved: `payment_method_required`; or `payments_unavailable`, `seller_unknown`.")))]
async fn recharge(
    state: web::Data<State>,
    admitted: Admitted,
    ChangeBody(input): ChangeBody<RechargeInput>,
) -> Answer<Recharged> {
    let wanted = Change {
        enabled: input.enabled,
        threshold: input.threshold,
        credits: input.recharge_amount,
        cap: None,
        card: card(input.payment_method_id.as_deref())?,
    };
    let set = change(&state, &admitted, wanted, RECHARGE).await?;
    Ok(Reply::ok(Recharged {
        enabled: set.is_some_and(|set| set.standing.enabled),
        threshold: set.map(|set| set.settings.threshold),
        recharge_amount: set.map(|set| set.settings.credits),
        payment_method_id: set.map(|set| set.settings.card),
    }))
}
