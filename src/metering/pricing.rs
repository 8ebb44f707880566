//! Which prices an organization's usage has, and which cycle it falls in.

use std::sync::Arc;

use rusqlite::Connection;

use super::event::{OrganizationRef, Refusal, UsageEvent, flag};
use super::rating::{Rated, RatingInput, rate};
use super::sql::{self, TermsRow};
use crate::base::id::{MeterId, OrganizationId, RateCardId, RateVersionId};
use crate::base::{Credits, Quantity, Timestamp, Zone};
use crate::catalog::Snapshot;
use crate::catalog::rules::{Interval, PlanTerms, Rate};
use crate::db::DbError;

/// The most that one event may cost: 10⁹ credits, as the most that a price may be.
pub const MAX_CHARGE: Credits = Credits::from_micros(1_000_000_000_000_000);

/// What is known of the call whose carrier cost an event reports late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OfCall {
    /// It came in to a toll-free number.
    pub toll_free_inbound: bool,
    /// What it was charged as surcharge, as far as no carrier cost was set against it yet.
    pub surcharge: Credits,
}

/// What prices one use of a meter.
#[derive(Debug, Clone)]
pub struct Pricing<'c> {
    /// The version of the rate card.
    pub rate_version: RateVersionId,
    /// Its rate for the meter.
    pub rate: &'c Rate,
    /// What the plan includes in a cycle; `None` where no plan includes any.
    pub allowance: Option<Quantity>,
    /// Where the cycle began, when anything depends on what was used in it.
    pub cycle_start: Option<Timestamp>,
}

/// Finds the price of a meter at a time under an organization's terms (newest first).
pub(super) fn pricing<'c>(
    catalog: &'c Snapshot,
    terms: &[TermsRow],
    zone: &Zone,
    meter: MeterId,
    at: Timestamp,
) -> Option<Pricing<'c>> {
    let in_force = terms.iter().find(|t| t.starts_at <= at);
    let plan = plan_at(catalog, terms, at);
    let card = card_of(catalog, in_force, plan.map(|(_, terms)| terms))?;
    let (rate_version, rate) = catalog.rate(card, meter, at)?;
    let allowance = included(terms, zone, plan, (meter, rate), at);
    let anchor = plan.map(|(anchor, _)| anchor);
    Some(Pricing {
        rate_version,
        rate,
        allowance,
        cycle_start: counted_from(zone, anchor, rate, allowance, at),
    })
}

/// Where the cycle that `at` falls in began, where anything depends on what was used in it. `anchor`: of the plan, if there is one.
pub(super) fn counted_from(
    zone: &Zone,
    anchor: Option<Timestamp>,
    rate: &Rate,
    allowance: Option<Quantity>,
    at: Timestamp,
) -> Option<Timestamp> {
    // the plan's cycle, else the calendar month
    (allowance.is_some() || rate.price.is_tiered()).then(|| match anchor {
        // what is included is included each month, also where a year is paid at once
        Some(anchor) => cycle_start(zone, anchor, Interval::Month, at),
        None => zone.start_of(zone.day_of(at).first_of_month()),
    })
}

/// What the next unit of a meter costs an organization, and what is left of its allowance.
#[derive(Debug, Clone)]
pub struct Quote<'c> {
    /// The version of the rate card.
    pub rate_version: RateVersionId,
    /// Its rate for the meter.
    pub rate: &'c Rate,
    /// The price of the next unit beyond the allowance, in credits per [`Rate::unit_size`].
    pub price: Credits,
    /// What the plan includes in a cycle; `None` where no plan includes any.
    pub allowance: Option<Quantity>,
    /// What is left of it that no call in progress has set aside; nothing where there is none.
    pub allowance_left: Quantity,
}

/// How a meter is priced for an organization at a time; `None` where nothing prices it.
///
/// # Errors
/// When the database fails.
pub fn quote<'c>(
    conn: &Connection,
    catalog: &'c Snapshot,
    organization: OrganizationId,
    meter: MeterId,
    at: Timestamp,
) -> Result<Option<Quote<'c>>, DbError> {
    let Some(row) = sql::organization(conn, &OrganizationRef::Id(organization))? else { return Ok(None) };
    let terms = sql::price_terms(conn, organization)?;
    let Some(found) = pricing(catalog, &terms, &row.zone, meter, at) else { return Ok(None) };
    let (billed, included) = match found.cycle_start {
        Some(start) => sql::cycle_taken(conn, organization, meter, start)?,
        None => Default::default(),
    };
    Ok(Some(Quote {
        rate_version: found.rate_version,
        rate: found.rate,
        price: found.rate.price.after(billed),
        allowance: found.allowance,
        allowance_left: left_of(found.allowance, included).unwrap_or(Quantity::ZERO),
    }))
}

/// What is left of an allowance of which `used` is used; a plan change may leave less than was used already.
pub(super) fn left_of(allowance: Option<Quantity>, used: Quantity) -> Option<Quantity> {
    let left = |allowance: Quantity| allowance.checked_sub(used).filter(|left| left.is_positive());
    allowance.map(|allowance| left(allowance).unwrap_or(Quantity::ZERO))
}

/// The plan in force at a time, and the anchor of its cycles.
fn plan_at<'c>(
    catalog: &'c Snapshot,
    terms: &[TermsRow],
    at: Timestamp,
) -> Option<(Timestamp, &'c PlanTerms)> {
    let in_force = terms.iter().find(|t| t.starts_at <= at)?;
    let (_, version) = catalog.plan_version(in_force.plan_version?)?;
    Some((in_force.anchor, &version.terms))
}

/// What the plan includes of a meter in the cycle that `at` falls in.
fn included(
    terms: &[TermsRow],
    zone: &Zone,
    plan: Option<(Timestamp, &PlanTerms)>,
    (meter, rate): (MeterId, &Rate),
    at: Timestamp,
) -> Option<Quantity> {
    let (anchor, plan) = plan?;
    let in_force = terms.iter().find(|t| t.starts_at <= at)?;
    let start = |at| cycle_start(zone, anchor, Interval::Month, at);
    let first = in_force.first_cycle.get(&meter).filter(|_| start(at) == start(in_force.starts_at));
    first.or_else(|| plan.allowances.get(&rate.meter)).copied()
}

fn card_of(catalog: &Snapshot, terms: Option<&TermsRow>, plan: Option<&PlanTerms>) -> Option<RateCardId> {
    card(catalog, plan, terms.and_then(|t| t.rate_card))
}

/// The card that prices usage on a plan, else by a card of one's own, else by the default one.
pub(super) fn card(
    catalog: &Snapshot,
    plan: Option<&PlanTerms>,
    own: Option<RateCardId>,
) -> Option<RateCardId> {
    plan.and_then(|plan| catalog.rate_card_by_code(plan.rate_card.as_str()))
        .map(|card| card.id)
        .or(own)
        .or_else(|| catalog.default_card())
}

/// The start of the cycle that `at` falls in, for cycles anchored at `anchor`.
#[must_use]
pub fn cycle_start(zone: &Zone, anchor: Timestamp, interval: Interval, at: Timestamp) -> Timestamp {
    zone.months_after(anchor, cycle_months(zone, anchor, interval, at))
}

/// The end of that cycle: the start of the next.
#[must_use]
pub fn cycle_end(zone: &Zone, anchor: Timestamp, interval: Interval, at: Timestamp) -> Timestamp {
    zone.months_after(anchor, cycle_months(zone, anchor, interval, at) + months(interval))
}

const fn months(interval: Interval) -> i32 {
    match interval {
        Interval::Month => 1,
        Interval::Year => 12,
    }
}

/// How many months after the anchor the cycle that `at` falls in starts.
fn cycle_months(zone: &Zone, anchor: Timestamp, interval: Interval, at: Timestamp) -> i32 {
    let (from, to) = (zone.local(anchor), zone.local(at));
    let apart = (i32::from(to.year()) - i32::from(from.year())) * 12 + i32::from(to.month())
        - i32::from(from.month());
    let step = months(interval);
    let guess = apart.div_euclid(step) * step;
    // the calendar month is right or, when its anchor day is still ahead, one too far
    if zone.months_after(anchor, guess) <= at { guess } else { guess - step }
}

/// An organization as pricing sees it.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub zone: Zone,
    pub suspended: bool,
    /// Newest first.
    pub periods: Arc<[TermsRow]>,
}

/// What of an event its price depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub quantity: Quantity,
    pub toll_free_inbound: bool,
    pub byok: bool,
    pub carrier_cost: Option<Credits>,
}

impl From<&UsageEvent> for Used {
    fn from(event: &UsageEvent) -> Self {
        Self {
            quantity: event.quantity,
            toll_free_inbound: event.toll_free && event.flags() & flag::OUTBOUND == 0,
            byok: event.byok,
            carrier_cost: event.carrier_cost,
        }
    }
}

/// The one place where an event meets its rate. `billed` and `included`: what the cycle has, used or set aside.
pub(super) fn price(
    used: Used,
    pricing: &Pricing<'_>,
    billed: Quantity,
    included: Quantity,
    of_call: OfCall,
) -> Result<Rated, Refusal> {
    let allowance_left = left_of(pricing.allowance, included);
    let input = RatingInput {
        quantity: used.quantity,
        toll_free_inbound: of_call.toll_free_inbound || used.toll_free_inbound,
        byok: used.byok,
        carrier_cost: used.carrier_cost,
        allowance_left,
        used_in_cycle: billed,
        surcharge_before: of_call.surcharge,
    };
    rate(pricing.rate, &input).ok().filter(|rated| rated.total <= MAX_CHARGE).ok_or(Refusal::Unpriceable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    #[test]
    fn cycles_keep_their_anchor() {
        let anchor = at("2027-01-31T10:00:00Z");
        for (time, start) in [
            ("2027-01-31T10:00:00Z", "2027-01-31T10:00:00Z"),
            ("2027-02-28T09:59:59Z", "2027-01-31T10:00:00Z"),
            ("2027-02-28T10:00:00Z", "2027-02-28T10:00:00Z"),
            ("2027-03-31T09:00:00Z", "2027-02-28T10:00:00Z"),
            ("2027-03-31T10:00:00Z", "2027-03-31T10:00:00Z"),
            ("2028-02-29T10:00:00Z", "2028-02-29T10:00:00Z"),
        ] {
            assert_eq!(cycle_start(&Zone::UTC, anchor, Interval::Month, at(time)), at(start), "{time}");
        }
        assert_eq!(
            cycle_start(&Zone::UTC, anchor, Interval::Year, at("2029-01-30T10:00:00Z")),
            at("2028-01-31T10:00:00Z")
        );
    }

    proptest::proptest! {
        #[test]
        fn every_instant_is_in_its_cycle(anchor in 0..4_000_000_000_000_i64, later in 0..400_000_000_000_i64) {
            let zone: Zone = "Europe/Madrid".parse().expect("zone");
            let anchor = Timestamp::from_millis(anchor);
            let at = anchor.plus_ms(later);
            let start = cycle_start(&zone, anchor, Interval::Month, at);
            proptest::prop_assert!(anchor <= start && start <= at);
            let end = cycle_end(&zone, anchor, Interval::Month, at);
            proptest::prop_assert!(at < end);
            proptest::prop_assert_eq!(cycle_start(&zone, anchor, Interval::Month, end), end);
            proptest::prop_assert!(at.millis() - start.millis() <= 32 * crate::base::time::DAY_MS);
        }
    }
}
