//! One's own organization in minutes: the shape that voice platforms know.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use super::period::Days;
use super::usage_log::{divided, voice_total};
use crate::base::id::{MeterId, OrganizationId};
use crate::base::{Credits, Quantity};
use crate::catalog::{Snapshot, VOICE};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::metering::{self, Quote};
use crate::wallet::{self, Summary};

const SECONDS_PER_MINUTE: i64 = 60;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
}

/// An organization in minutes.
#[derive(Serialize, ToSchema)]
struct OrganizationMinutes {
    id: OrganizationId,
    /// The company's legal name, or what people call the organization.
    company_name: String,
    /// Minutes of calls that are left: those of the plan, and what the available credit buys at the current rate. Null where
    /// calls cost nothing.
    minutes_balance: Option<Quantity>,
    /// Minutes of calls in this calendar month, in the organization's timezone.
    monthly_usage_minutes: Quantity,
}

/// Get one's own organization in minutes
#[utoipa::path(get, path = "/organization", tag = "billing",
    responses((status = 200, description = "The organization.", body = OrganizationMinutes, example = json!({
        "id": "org_7n0c4q1wz5r8e", "company_name": "Example GmbH", "minutes_balance": 142.5,
        "monthly_usage_minutes": 318.4
    }))))]
async fn get(state: web::Data<State>, admitted: Admitted) -> Answer<OrganizationMinutes> {
    let id = admitted.organization()?;
    state.db.read_blocking(|tx| {
        let organization = organizations::get(tx, id)?;
        let catalog = state.catalog.get(tx)?;
        let today = organization.zone.day_of(tx.now());
        let month = Days { from: today.first_of_month(), to: today.first_of_next_month() };
        let (seconds, _) = voice_total(tx, id, &catalog, month, None)?;
        let details = organization.details;
        Ok(Reply::ok(OrganizationMinutes {
            id,
            company_name: Some(details.company_name).filter(|n| !n.is_empty()).unwrap_or(organization.name),
            minutes_balance: minutes_left(tx, id, &catalog)?,
            monthly_usage_minutes: Quantity::from_micros(divided(seconds.micros(), SECONDS_PER_MINUTE)),
        }))
    })
}

fn minutes_left(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    catalog: &Snapshot,
) -> Result<Option<Quantity>, ApiError> {
    let Some(voice) = catalog.meter_id(VOICE) else { return Ok(Some(Quantity::ZERO)) };
    let Some(quote) = metering::quote(tx, catalog, organization, voice, tx.now())? else {
        return Ok(Some(Quantity::ZERO));
    };
    let summary = wallet::summary(tx, organization, tx.now())?;
    Ok(minutes(&quote, usable(&summary, voice)))
}

/// What of the available credit may be spent on a meter.
fn usable(summary: &Summary, meter: MeterId) -> Credits {
    let elsewhere = summary.grants.iter().filter(|grant| !grant.terms.covers(meter));
    elsewhere.fold(summary.available, |left, grant| {
        let free = grant.remaining.checked_sub(grant.held).unwrap_or(Credits::ZERO);
        left.checked_sub(free).unwrap_or(Credits::ZERO).max(Credits::ZERO)
    })
}

/// What is left of the allowance, and what credit buys beyond it. `None` where that costs nothing.
fn minutes(quote: &Quote<'_>, credit: Credits) -> Option<Quantity> {
    if !quote.price.is_positive() {
        return None;
    }
    // in millionths of a second: credit / price * unit size, rounded down, as one cannot talk on credit that is not there
    let bought = i128::from(credit.micros()) * i128::from(quote.rate.unit_size.micros())
        / i128::from(quote.price.micros());
    let seconds = bought + i128::from(quote.allowance_left.micros());
    let minutes = i64::try_from(seconds / i128::from(SECONDS_PER_MINUTE)).unwrap_or(i64::MAX);
    Some(Quantity::from_micros(minutes))
}
