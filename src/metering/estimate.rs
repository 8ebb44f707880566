//! The price of usage that is not charged.

use super::event::{OrganizationRef, Refusal, UsageEvent};
use super::pricing::{self, OfCall, price};
use super::rating::Rated;
use super::sql;
use crate::base::id::{MeterId, OrganizationId, RateVersionId};
use crate::catalog::Snapshot;
use crate::db::{DbError, ReadTx};

/// Prices usage without charging it, with the same function and the same state of allowances and tiers.
///
/// # Errors
/// The outer error when the database fails, the inner one when it would be refused.
pub fn estimate(
    tx: &ReadTx<'_>,
    catalog: &Snapshot,
    organization: OrganizationId,
    event: &UsageEvent,
) -> Result<Result<(MeterId, RateVersionId, Rated), Refusal>, DbError> {
    let Some(row) = sql::organization(tx.conn(), &OrganizationRef::Id(organization))? else {
        return Ok(Err(Refusal::UnknownOrganization));
    };
    let terms = sql::price_terms(tx.conn(), organization)?;
    let Some(meter) = catalog.meter_id(&event.meter) else {
        return Ok(Err(Refusal::UnknownMeter(event.meter.clone())));
    };
    let Some(pricing) = pricing::pricing(catalog, &terms, &row.zone, meter, event.occurred_at) else {
        return Ok(Err(Refusal::NoRate));
    };
    let (billed, included) = match pricing.cycle_start {
        Some(start) => sql::cycle_taken(tx.conn(), organization, meter, start)?,
        None => Default::default(),
    };
    Ok(price(event.into(), &pricing, billed, included, OfCall::default())
        .map(|rated| (meter, pricing.rate_version, rated)))
}
