//! The plan that an organization is on.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::id::{OrganizationId, PlanId, PlanVersionId};
use crate::base::{Credits, Money, Quantity, Timestamp};
use crate::catalog::Snapshot;
use crate::catalog::rules::{Interval, PlanTerms};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::metering;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
}

/// The plan that prices an organization's usage.
#[derive(Serialize, ToSchema)]
struct Subscription {
    /// Null while the organization pays as it goes.
    plan: Option<CurrentPlan>,
    /// `active`; null without a plan.
    status: Option<&'static str>,
    /// Since when on these terms.
    started_at: Option<Timestamp>,
    current_period_start: Option<Timestamp>,
    current_period_end: Option<Timestamp>,
    /// What the plan includes in this period, and what of it is used.
    allowances: Vec<AllowanceUse>,
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
    /// Credit granted at the beginning of each interval.
    plan_credits: Credits,
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
    let organization = admitted.organization()?;
    state.db.read_blocking(|tx| {
        let catalog = state.catalog.get(tx)?;
        Ok(Reply::ok(read(tx, organization, &catalog)?))
    })
}

fn read(tx: &ReadTx<'_>, organization: OrganizationId, catalog: &Snapshot) -> Result<Subscription, ApiError> {
    let terms = metering::price_terms(tx, organization, tx.now())?;
    let found = terms.and_then(|t| Some((t.starts_at, catalog.plan_version(t.plan_version?)?)));
    let Some((anchor, (plan, version))) = found else {
        return Ok(Subscription {
            plan: None,
            status: None,
            started_at: None,
            current_period_start: None,
            current_period_end: None,
            allowances: Vec::new(),
        });
    };
    let zone = organizations::get(tx, organization)?.zone;
    let terms = &version.terms;
    Ok(Subscription {
        plan: Some(CurrentPlan {
            id: plan.id,
            code: plan.code.to_string(),
            name: plan.name.clone(),
            version_id: version.id,
            price: terms.price,
            interval: match terms.interval {
                Interval::Month => "month",
                Interval::Year => "year",
            },
            plan_credits: terms.plan_credits,
        }),
        status: Some("active"),
        started_at: Some(anchor),
        current_period_start: Some(metering::cycle_start(&zone, anchor, terms.interval, tx.now())),
        current_period_end: Some(metering::cycle_end(&zone, anchor, terms.interval, tx.now())),
        allowances: allowances(tx, organization, catalog, terms)?,
    })
}

fn allowances(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    catalog: &Snapshot,
    terms: &PlanTerms,
) -> Result<Vec<AllowanceUse>, ApiError> {
    let mut all = Vec::new();
    for (code, included) in &terms.allowances {
        let Some(meter) = catalog.meter_id(code.as_str()).and_then(|id| catalog.meter(id)) else { continue };
        let quote = metering::quote(tx, catalog, organization, meter.id, tx.now())?;
        let left = quote.map_or(*included, |quote| quote.allowance_left);
        all.push(AllowanceUse {
            meter: code.to_string(),
            unit: meter.unit.clone(),
            included: *included,
            used: included.checked_sub(left).unwrap_or(Quantity::ZERO),
            left,
        });
    }
    Ok(all)
}
