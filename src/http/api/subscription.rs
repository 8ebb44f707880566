//! The plan that an organization is on, and changing it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::id::{OrganizationId, PaymentId, PlanId, PlanVersionId, SubscriptionId};
use crate::base::{Credits, Money, Quantity, Timestamp};
use crate::catalog::rules::Interval;
use crate::catalog::{Plan, PlanVersion, Snapshot};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::{ApiError, Code};
use crate::http::hosts::check_return_url;
use crate::http::idempotent::Intended;
use crate::http::params::PathId;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::payments::{Payment, State as PaymentState};
use crate::subscriptions::{self, Included, Offer, Pending, Standing, Wish};
use crate::tax::Amounts;

pub(super) fn routes(table: &mut Table) {
    let session = || Access::session(Scope::BillingWrite);
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
    table.api(__path_change, session(), change);
    table.api(__path_cancel, session(), cancel);
    table.api(__path_pause, session(), pause);
    table.api(__path_resume, session(), resume);
    table.api(__path_retry, session(), retry);
    table.api(__path_migrate, Access::operator(Scope::Admin), migrate);
}

/// The plan that prices an organization's usage.
#[derive(Serialize, ToSchema, Default)]
struct Subscription {
    /// Null where the plan is the operator's gift, and without one.
    id: Option<SubscriptionId>,
    /// Null while the organization pays as it goes.
    plan: Option<CurrentPlan>,
    /// `incomplete` (the first payment is on its way), `active`, `past_due` (a period could not be paid, and nothing is
    /// included until it is), or `paused`; null without a plan.
    status: Option<&'static str>,
    /// Since when on these terms.
    started_at: Option<Timestamp>,
    /// The period that is paid for, by the plan's interval. Nothing is paid for a plan that the operator gave: its periods are
    /// the months in which what it includes is counted.
    current_period_start: Option<Timestamp>,
    current_period_end: Option<Timestamp>,
    /// What the plan includes in this month, and what of it is used.
    allowances: Vec<AllowanceUse>,
    /// What happens at the end of the period instead of going on.
    pending: Option<PendingChange>,
    /// When the next period is charged, or an unpaid one tried again.
    next_charge_at: Option<Timestamp>,
    /// What it costs then.
    next_charge: Option<PriceWithTax>,
    /// Why the last payment failed: `card_declined`, `no_card` and the like.
    problem: Option<String>,
}

/// A plan as it was when the organization chose it.
#[derive(Serialize, ToSchema)]
struct CurrentPlan {
    id: PlanId,
    code: String,
    name: String,
    version_id: PlanVersionId,
    /// The fee for each interval, before tax.
    price: Money,
    /// `month` or `year`.
    interval: &'static str,
    /// Credit granted at the beginning of each month.
    plan_credits: Credits,
}

/// What happens at the end of the period.
#[derive(Serialize, ToSchema)]
struct PendingChange {
    /// `plan`, `cancel` or `pause`.
    change: &'static str,
    /// The plan's code, of another plan.
    plan: Option<String>,
    effective_at: Option<Timestamp>,
}

/// A price with its tax.
#[derive(Serialize, ToSchema)]
struct PriceWithTax {
    /// Before tax.
    amount: Money,
    tax: Money,
    /// What is paid: both.
    total: Money,
}

impl From<Amounts> for PriceWithTax {
    fn from(amounts: Amounts) -> Self {
        Self { amount: amounts.net, tax: amounts.tax, total: amounts.total }
    }
}

/// What is used of an allowance.
#[derive(Serialize, ToSchema)]
struct AllowanceUse {
    /// The meter's code.
    meter: String,
    unit: String,
    included: Quantity,
    used: Quantity,
    left: Quantity,
}

/// Get the plan that the organization is on
#[utoipa::path(get, path = "/billing/subscription", tag = "billing",
    responses((status = 200, description = "The plan, or nulls.", body = Subscription)))]
async fn get(state: web::Data<State>, admitted: Admitted) -> Answer<Subscription> {
    Ok(Reply::ok(shown(&state, admitted.organization()?)?))
}

fn shown(state: &State, organization: OrganizationId) -> Result<Subscription, ApiError> {
    state.db.read_blocking(|tx| {
        let catalog = state.catalog.get(tx)?;
        let found = subscriptions::standing(tx, &catalog, &state.desk.seller, organization, tx.now())?;
        Ok(found.map_or_else(Subscription::default, |standing| view(&catalog, standing)))
    })
}

fn current(plan: &Plan, version: &PlanVersion) -> CurrentPlan {
    CurrentPlan {
        id: plan.id,
        code: plan.code.to_string(),
        name: plan.name.clone(),
        version_id: version.id,
        price: version.terms.price,
        interval: match version.terms.interval {
            Interval::Month => "month",
            Interval::Year => "year",
        },
        plan_credits: version.terms.plan_credits,
    }
}

fn view(catalog: &Snapshot, standing: Standing) -> Subscription {
    let Standing { subscription: sub, period, .. } = standing;
    let end = period.map(|(_, end)| end);
    let pending = sub.as_ref().and_then(|sub| sub.pending).map(|pending| {
        let (change, plan) = match pending {
            Pending::Plan(version) => {
                ("plan", catalog.plan_version(version).map(|(plan, _)| plan.code.to_string()))
            }
            Pending::Cancel => ("cancel", None),
            Pending::Pause => ("pause", None),
        };
        PendingChange { change, plan, effective_at: end }
    });
    Subscription {
        id: sub.as_ref().map(|sub| sub.id),
        plan: catalog.plan_version(standing.version).map(|(plan, version)| current(plan, version)),
        status: Some(sub.as_ref().map_or("active", |sub| sub.state.name())),
        started_at: standing.since,
        current_period_start: period.map(|(start, _)| start),
        current_period_end: end,
        allowances: standing.included.iter().filter_map(|used| allowance(catalog, used)).collect(),
        pending,
        next_charge_at: standing.next_charge_at,
        next_charge: standing.next_charge.map(PriceWithTax::from),
        problem: sub.and_then(|sub| sub.reason),
    }
}

fn allowance(catalog: &Snapshot, used: &Included) -> Option<AllowanceUse> {
    let meter = catalog.meter(used.meter)?;
    Some(AllowanceUse {
        meter: meter.code.to_string(),
        unit: meter.unit.clone(),
        included: used.included,
        used: used.used,
        left: used.left,
    })
}

/// Which plan is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanWanted {
    /// The plan's id or code.
    plan_id: String,
    /// Only say what it would come to.
    #[serde(default)]
    preview: bool,
    /// The card that is charged: the default one, unless one is named. Without a saved card the first period is paid on the
    /// provider's page, and that card is saved.
    payment_method_id: Option<String>,
    /// What is to be paid now, with tax, as the preview had it: something else is 409 `price_changed`.
    expected_total: Option<Money>,
    /// Where the customer goes on from the provider's page.
    success_url: Option<String>,
    /// The same, without having paid.
    cancel_url: Option<String>,
}

/// What a change of plans would come to.
#[derive(Serialize, ToSchema)]
struct Preview {
    /// The plan's name.
    plan: String,
    plan_version_id: PlanVersionId,
    /// What is paid at once.
    charge_now: PriceWithTax,
    /// The credit that comes with it at once.
    credits_now: Credits,
    /// When the plan changes.
    effective_at: Timestamp,
    next_charge_at: Timestamp,
    next_charge: PriceWithTax,
}

impl From<Offer> for Preview {
    fn from(offer: Offer) -> Self {
        Self {
            plan: offer.name,
            plan_version_id: offer.version,
            charge_now: offer.charge_now.into(),
            credits_now: offer.credits_now,
            effective_at: offer.effective_at,
            next_charge_at: offer.next_charge_at,
            next_charge: offer.next_charge.into(),
        }
    }
}

/// The subscription, and the payment that was begun for it.
#[derive(Serialize, ToSchema)]
struct Changed {
    subscription: Subscription,
    /// None where nothing is paid now.
    payment_id: Option<PaymentId>,
    /// `pending`, or `settled`.
    payment_status: Option<&'static str>,
    /// The provider's page, where the customer has to pay there.
    checkout_url: Option<String>,
}

fn changed(
    state: &State,
    organization: OrganizationId,
    payment: Option<Payment>,
) -> Result<Changed, ApiError> {
    if let Some(Payment { state: PaymentState::Failed { reason, .. }, .. }) = &payment {
        let why = reason.name();
        return Err(ApiError::new(Code::PaymentDeclined).details(&serde_json::json!({ "reason": why })));
    }
    let status = payment.as_ref().map(|payment| payment.state.name());
    Ok(Changed {
        subscription: shown(state, organization)?,
        payment_id: payment.as_ref().map(|payment| payment.id),
        payment_status: status,
        checkout_url: payment.and_then(|payment| match payment.state {
            PaymentState::Pending { checkout, .. } => checkout.url,
            PaymentState::Created | PaymentState::Settled(_) | PaymentState::Failed { .. } => None,
        }),
    })
}

fn wish(state: &State, input: &PlanWanted) -> Result<Wish, ApiError> {
    let unknown = || ApiError::field("plan_id", "unknown", "is not a plan on offer");
    let plan = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let known = state.catalog.get(tx)?;
        let by_code = || known.plan_by_code(&input.plan_id).map(|plan| plan.id);
        input.plan_id.parse().ok().or_else(by_code).ok_or_else(unknown)
    })?;
    let urls = [("success_url", &input.success_url), ("cancel_url", &input.cancel_url)];
    let wrong = urls.into_iter().filter_map(|(name, url)| {
        url.as_ref().and_then(|url| check_return_url(&state.settings, name, url).err())
    });
    let wrong: Vec<_> = wrong.collect();
    if !wrong.is_empty() {
        return Err(ApiError::fields(wrong));
    }
    let no_card = |_| ApiError::field("payment_method_id", "unknown", "is not a saved card");
    Ok(Wish {
        plan,
        card: input.payment_method_id.as_deref().map(|text| text.parse().map_err(no_card)).transpose()?,
        expected_total: input.expected_total,
        success_url: input.success_url.clone(),
        cancel_url: input.cancel_url.clone(),
    })
}

/// Subscribe to a plan, or change to another
///
/// The first plan and a dearer one begin at once: what is charged now is the fee, or the difference for what is left of the
/// period. A cheaper one, and one of another interval, begin when the period ends. `"preview": true` answers 200 with what it
/// would come to, worked out by the same steps. With a header `Idempotency-Key` the request can safely be sent again.
#[utoipa::path(post, path = "/billing/subscription", tag = "billing",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters, new for each change.")),
    request_body(content = PlanWanted, example = json!({"plan_id": "pro", "preview": true})),
    responses((status = 200, description = "What it would come to.", body = Preview),
        (status = 201, description = "The subscription.", body = Changed),
        (status = 402, description = "The card was declined: `payment_declined`."),
        (status = 409, description = "`price_changed`, `payment_method_required`, `payments_unavailable`, `seller_unknown`, or \
            `conflict` where a payment is on its way or a period unpaid.")))]
async fn change(
    state: web::Data<State>,
    admitted: Admitted,
    request: Intended<PlanWanted>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let wish = wish(&state, &request.value)?;
    if request.value.preview {
        let offer = state.db.read_blocking(|tx| -> Result<_, ApiError> {
            let catalog = state.catalog.get(tx)?;
            let seller = &state.desk.seller;
            Ok(subscriptions::offer(tx, &catalog, seller, organization, wish.plan, tx.now())?)
        })?;
        return Ok(HttpResponse::Ok().json(Preview::from(offer)));
    }
    if let Some(before) = request.answered(&state, &admitted).await? {
        return Ok(before);
    }
    let currency = state.db.read_blocking(|tx| organizations::get(tx, organization))?.currency;
    let (_, payment) = state.office.change(admitted.by()?, organization, wish, currency).await?;
    let answer = changed(&state, organization, payment)?;
    request.answer(&state, &admitted, StatusCode::CREATED, answer).await
}

/// Cancel the subscription at the end of its period; at once where no period is paid
#[utoipa::path(post, path = "/billing/subscription/cancel", tag = "billing",
    responses((status = 200, description = "The subscription.", body = Subscription),
        (status = 404, description = "There is none."),
        (status = 409, description = "A payment is on its way: `conflict`.")))]
async fn cancel(state: web::Data<State>, admitted: Admitted) -> Answer<Subscription> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    state.db.write(move |tx| subscriptions::cancel(tx, &by, organization)).await?;
    Ok(Reply::ok(shown(&state, organization)?))
}

/// Pause the subscription when its period ends: nothing is charged, and nothing included
#[utoipa::path(post, path = "/billing/subscription/pause", tag = "billing",
    responses((status = 200, description = "The subscription.", body = Subscription),
        (status = 404, description = "There is none."),
        (status = 409, description = "No period is paid: `conflict`.")))]
async fn pause(state: web::Data<State>, admitted: Admitted) -> Answer<Subscription> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    state.db.write(move |tx| subscriptions::pause(tx, &by, organization)).await?;
    Ok(Reply::ok(shown(&state, organization)?))
}

/// Undo what was to happen at the end of the period, or go on after a pause, with a period that is paid now
#[utoipa::path(post, path = "/billing/subscription/resume", tag = "billing",
    responses((status = 200, description = "The subscription.", body = Changed),
        (status = 402, description = "The card was declined: `payment_declined`."),
        (status = 404, description = "There is none."),
        (status = 409, description = "There is nothing to resume: `conflict`; or `payment_method_required`.")))]
async fn resume(state: web::Data<State>, admitted: Admitted) -> Answer<Changed> {
    let organization = admitted.organization()?;
    let payment = state.office.resume(admitted.by()?, organization).await?;
    Ok(Reply::ok(changed(&state, organization, payment)?))
}

/// Charge an unpaid period once more, now: another card may have been saved
#[utoipa::path(post, path = "/billing/subscription/retry", tag = "billing",
    responses((status = 200, description = "The subscription.", body = Changed),
        (status = 402, description = "The card was declined: `payment_declined`."),
        (status = 404, description = "There is none."),
        (status = 409, description = "Nothing is unpaid: `conflict`; or `payment_method_required`.")))]
async fn retry(state: web::Data<State>, admitted: Admitted) -> Answer<Changed> {
    let organization = admitted.organization()?;
    let payment = state.office.retry(admitted.by()?, organization).await?;
    Ok(Reply::ok(changed(&state, organization, payment)?))
}

/// From when on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MigrateInput {
    /// Subscribers change at their first renewal from then on.
    from: Timestamp,
}

/// Who changes.
#[derive(Serialize, ToSchema)]
struct Migrated {
    /// Subscriptions on older versions of the plan: each has been told.
    subscriptions: usize,
}

/// Have subscribers of older versions of a plan change to the one in force then
///
/// Each changes at its first renewal from then on, and is told now: `subscription.updated`.
#[utoipa::path(post, path = "/admin/plans/{id}/migrate", tag = "admin", request_body = MigrateInput,
    params(("id" = String, Path, description = "The plan's code.")),
    responses((status = 200, description = "How many.", body = Migrated),
        (status = 404, description = "There is no such plan."),
        (status = 422, description = "That is sooner than it may be announced (`subscriptions.notice_days`).")))]
async fn migrate(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(code): PathId<String>,
    Json(input): Json<MigrateInput>,
) -> Answer<Migrated> {
    let by = admitted.by()?;
    let terms = state.office.shop().terms.clone();
    let count = state.db.write(move |tx| subscriptions::migrate(tx, &terms, &by, &code, input.from)).await?;
    Ok(Reply::ok(Migrated { subscriptions: count }))
}
