//! How an organization stands with its plan, and what it pays next: what is shown of a subscription, wherever that is.

use rusqlite::Connection;

use super::offer::amounts;
use super::rules::{Month, first_end};
use super::{Error, Pending, State, Subscription, plan_of, sql, version_next};
use crate::base::id::{MeterId, OrganizationId, PlanVersionId};
use crate::base::{Money, Quantity, Timestamp, Zone};
use crate::catalog::Snapshot;
use crate::catalog::rules::{Interval, PlanTerms};
use crate::identity::{SellerTerms, organizations};
use crate::invoices;
use crate::metering;
use crate::payments::{self, Purchase};
use crate::tax::Amounts;

/// The plan of an organization.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Who pays for it; none where the operator gave it.
    pub subscription: Option<Subscription>,
    /// Which version of which plan.
    pub version: PlanVersionId,
    /// Since when on these terms.
    pub since: Option<Timestamp>,
    /// The period that is paid for. Nothing is paid for a plan that the operator gave: its periods are the months in which what
    /// it includes is counted.
    pub period: Option<(Timestamp, Timestamp)>,
    /// The month that is running, while anything is included.
    pub month: Option<Month>,
    /// What is included in that month.
    pub included: Vec<Included>,
    /// When the next period is charged, or an unpaid one tried again.
    pub next_charge_at: Option<Timestamp>,
    /// What it costs then, as taxes are now; none where that is nothing.
    pub next_charge: Option<Amounts>,
}

/// What is used of what a plan includes in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Included {
    /// Units of this meter.
    pub meter: MeterId,
    /// So many.
    pub included: Quantity,
    /// What of them is used, or set aside for calls.
    pub used: Quantity,
    /// What of them is left.
    pub left: Quantity,
}

/// How an organization stands with its plan; none where it pays as it goes.
///
/// # Errors
/// Those of the database.
pub fn standing(
    conn: &Connection,
    catalog: &Snapshot,
    seller: &SellerTerms,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Option<Standing>, Error> {
    let zone = organizations::get(conn, organization)?.zone;
    let Some(sub) = sql::living(conn, organization)? else {
        return given(conn, catalog, (organization, &zone), now);
    };
    let (_, version) = plan_of(catalog, sub.version)?;
    let active = sub.cycle.filter(|_| sub.state == State::Active);
    let next_charge_at = match (sub.state, sub.pending) {
        (State::Active, None | Some(Pending::Plan(_))) => sub.cycle.map(|cycle| cycle.end),
        (State::PastDue, _) => sub.due_at,
        _ => None,
    };
    let price = plan_of(catalog, version_next(&sub))?.1.terms.price;
    Ok(Some(Standing {
        version: sub.version,
        since: sub.cycle.map(|cycle| cycle.anchor),
        period: sub.cycle.map(|cycle| (cycle.start, cycle.end)),
        month: active.map(|cycle| month(&zone, cycle.anchor, now)),
        included: match active {
            Some(_) => included(conn, catalog, organization, &version.terms, now)?,
            None => Vec::new(),
        },
        next_charge_at,
        next_charge: match next_charge_at {
            Some(_) => with_tax(conn, seller, organization, price, now)?,
            None => None,
        },
        subscription: Some(sub),
    }))
}

/// A plan that the operator gave.
fn given(
    conn: &Connection,
    catalog: &Snapshot,
    (organization, zone): (OrganizationId, &Zone),
    now: Timestamp,
) -> Result<Option<Standing>, Error> {
    let terms = metering::price_terms(conn, organization, now)?;
    let Some((since, id)) = terms.and_then(|terms| Some((terms.starts_at, terms.plan_version?))) else {
        return Ok(None);
    };
    let (_, version) = plan_of(catalog, id)?;
    let month = month(zone, since, now);
    Ok(Some(Standing {
        subscription: None,
        version: id,
        since: Some(since),
        period: Some((month.start, month.end)),
        month: Some(month),
        included: included(conn, catalog, organization, &version.terms, now)?,
        next_charge_at: None,
        next_charge: None,
    }))
}

/// What is included is counted by the month, whatever is paid for at a time.
fn month(zone: &Zone, anchor: Timestamp, now: Timestamp) -> Month {
    Month {
        start: metering::cycle_start(zone, anchor, Interval::Month, now),
        end: metering::cycle_end(zone, anchor, Interval::Month, now),
    }
}

fn included(
    conn: &Connection,
    catalog: &Snapshot,
    organization: OrganizationId,
    terms: &PlanTerms,
    now: Timestamp,
) -> Result<Vec<Included>, Error> {
    let mut all = Vec::new();
    for (code, by_the_plan) in &terms.allowances {
        let Some(meter) = catalog.meter_id(code.as_str()) else { continue };
        let quote = metering::quote(conn, catalog, organization, meter, now)?;
        let left = quote.as_ref().map_or(*by_the_plan, |quote| quote.allowance_left);
        let included = quote.and_then(|quote| quote.allowance).unwrap_or(*by_the_plan);
        let used = included.checked_sub(left).unwrap_or(Quantity::ZERO);
        all.push(Included { meter, included, used, left });
    }
    Ok(all)
}

/// A fee with its tax, as that is now; none where it is nothing, and while nobody is there to write an invoice.
///
/// # Errors
/// Those of the database.
pub fn with_tax(
    conn: &Connection,
    seller: &SellerTerms,
    organization: OrganizationId,
    price: Money,
    now: Timestamp,
) -> Result<Option<Amounts>, Error> {
    if price.minor == 0 {
        return Ok(None);
    }
    // what it is called has no part in what it comes to
    match amounts(conn, seller, organization, &Purchase::fee(price, "Plan".into()), now) {
        Ok(amounts) => Ok(Some(amounts)),
        Err(Error::Payment(payments::Error::Invoice(invoices::Error::SellerUnknown))) => Ok(None),
        Err(error) => Err(error),
    }
}

/// When the operator's change comes to a subscription, and to which version; none where something else comes before it.
#[must_use]
pub fn migrates(sub: &Subscription, zone: &Zone) -> Option<(PlanVersionId, Timestamp)> {
    let (version, from) = sub.migration?;
    let cycle = sub.cycle.filter(|_| sub.state == State::Active && sub.pending.is_none())?;
    Some((version, first_end(zone, &cycle, from)))
}
