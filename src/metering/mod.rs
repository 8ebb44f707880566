//! Usage: taking it in once and only once, pricing it, charging it, adding it up.

pub mod compare;
mod cycle;
mod estimate;
mod event;
mod external;
mod extra;
mod ids;
mod intake;
mod pricing;
pub mod rating;
pub mod reports;
mod row;
mod sql;
pub mod statement;
mod till;
pub mod verify;
mod void;

pub use cycle::CycleHold;
pub use estimate::estimate;
pub use event::{
    Digests, Direction, Mode, OrganizationRef, Outcome, Receipt, ReceiptItem, Refusal, UsageEvent,
};
pub use external::{ExternalId, MAX_EXTERNAL_ID, RENT};
pub use extra::Extra;
pub use ids::Sizes as IdRunSizes;
pub use intake::{EventIn, Intake, Limits, record, record_beside};
pub use pricing::{MAX_CHARGE, OfCall, Pricing, Quote, cycle_end, cycle_start, quote};
pub use row::{EventRow, ItemRow};
pub use till::{Age, Leg, Pins, Prepared, Standing, Tariff, Till};
pub use void::{VoidError, void_event};

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::base::id::{MeterId, OrganizationId, PlanVersionId, RateCardId};
use crate::base::{Quantity, Timestamp};
use crate::catalog::Snapshot;
use crate::db::{DbError, WriteTx};

/// What prices an organization's usage from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceTerms {
    /// From when on; also the anchor of the plan's cycles.
    pub starts_at: Timestamp,
    /// The plan, if it is on one.
    pub plan_version: Option<PlanVersionId>,
    /// A rate card of its own, if it has one. A plan's card comes first.
    pub rate_card: Option<RateCardId>,
}

/// Why price terms are not set.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// They would change what usage that is charged already was priced by.
    #[error("must not be in the past once there is usage")]
    InThePast,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Sets what prices an organization's usage from `terms.starts_at` on. What was charged keeps its price.
///
/// # Errors
/// [`TermsError::InThePast`] unless the organization has no usage yet, or when the database fails.
pub fn set_price_terms(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    terms: PriceTerms,
) -> Result<(), TermsError> {
    let conn = tx.conn()?;
    if terms.starts_at < tx.now() && sql::has_usage(conn, organization)? {
        return Err(TermsError::InThePast);
    }
    let row = sql::TermsRow {
        starts_at: terms.starts_at,
        plan_version: terms.plan_version,
        rate_card: terms.rate_card,
        anchor: terms.starts_at,
        first_cycle: BTreeMap::new(),
    };
    Ok(sql::set_price_terms(conn, organization, &row)?)
}

/// Puts an organization on a plan from now on. `anchor`: from when on its cycles are counted. `first_cycle`: what is included, by meter,
/// in the cycle that is running now, where that is not what the plan says.
///
/// # Errors
/// When the database fails.
pub fn set_plan(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    plan_version: PlanVersionId,
    anchor: Timestamp,
    first_cycle: BTreeMap<MeterId, Quantity>,
) -> Result<(), DbError> {
    let row = sql::TermsRow {
        starts_at: tx.now(),
        plan_version: Some(plan_version),
        rate_card: None,
        anchor,
        first_cycle,
    };
    sql::set_price_terms(tx.conn()?, organization, &row)
}

/// Whether an organization has any usage.
///
/// # Errors
/// When the database fails.
pub fn has_usage(conn: &Connection, organization: OrganizationId) -> Result<bool, DbError> {
    sql::has_usage(conn, organization)
}

/// What prices an organization's usage at a time, if that was ever set.
///
/// # Errors
/// When the database fails.
pub fn price_terms(
    conn: &Connection,
    organization: OrganizationId,
    at: Timestamp,
) -> Result<Option<PriceTerms>, DbError> {
    let rows = sql::price_terms(conn, organization)?;
    Ok(rows.into_iter().find(|row| row.starts_at <= at).map(|row| PriceTerms {
        starts_at: row.starts_at,
        plan_version: row.plan_version,
        rate_card: row.rate_card,
    }))
}

/// An organization with what prices its usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// Which.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// The plan, if it is on one.
    pub plan_version: Option<PlanVersionId>,
}

/// How many organizations each card prices at a time: the card of their plan, else their own, else the default one.
///
/// # Errors
/// When the database fails.
pub fn priced_by_card(
    conn: &Connection,
    catalog: &Snapshot,
    at: Timestamp,
) -> Result<BTreeMap<RateCardId, usize>, DbError> {
    let mut counts = BTreeMap::new();
    for (bases, count) in sql::count_by_terms(conn, at)? {
        if let Some(card) = card_of(catalog, bases) {
            *counts.entry(card).or_default() += usize::try_from(count).unwrap_or(0);
        }
    }
    Ok(counts)
}

/// The first organizations by name of those that a card prices at a time.
///
/// # Errors
/// When the database fails.
pub fn priced_by(
    conn: &Connection,
    catalog: &Snapshot,
    card: RateCardId,
    at: Timestamp,
    limit: usize,
) -> Result<Vec<Priced>, DbError> {
    let all = sql::count_by_terms(conn, at)?.into_iter().map(|(bases, _)| bases);
    let these: Vec<sql::Bases> = all.filter(|bases| card_of(catalog, *bases) == Some(card)).collect();
    let found = sql::on_terms(conn, at, &these, limit)?.into_iter();
    Ok(found
        .map(|(organization, name, (plan_version, _))| Priced { organization, name, plan_version })
        .collect())
}

fn card_of(catalog: &Snapshot, (plan, own): sql::Bases) -> Option<RateCardId> {
    let plan = plan.and_then(|id| catalog.plan_version(id)).map(|(_, version)| &version.terms);
    pricing::card(catalog, plan, own)
}
