//! Which prices an organization's usage has, and which cycle it falls in.

use std::sync::Arc;

use super::sql::TermsRow;
use crate::base::id::{MeterId, RateCardId, RateVersionId};
use crate::base::{Quantity, Timestamp, Zone};
use crate::catalog::Snapshot;
use crate::catalog::rules::{Interval, PlanTerms, Rate};

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
    let allowance = plan.and_then(|(_, terms)| terms.allowances.get(&rate.meter).copied());
    // the plan's cycle, else the calendar month
    let cycle_start = (allowance.is_some() || rate.price.is_tiered()).then(|| match plan {
        Some((anchor, terms)) => cycle_start(zone, anchor, terms.interval, at),
        None => zone.start_of(zone.day_of(at).first_of_month()),
    });
    Some(Pricing { rate_version, rate, allowance, cycle_start })
}

/// The plan in force at a time, and the anchor of its cycles.
fn plan_at<'c>(
    catalog: &'c Snapshot,
    terms: &[TermsRow],
    at: Timestamp,
) -> Option<(Timestamp, &'c PlanTerms)> {
    let in_force = terms.iter().find(|t| t.starts_at <= at)?;
    let (_, version) = catalog.plan_version(in_force.plan_version?)?;
    Some((in_force.starts_at, &version.terms))
}

fn card_of(catalog: &Snapshot, terms: Option<&TermsRow>, plan: Option<&PlanTerms>) -> Option<RateCardId> {
    plan.and_then(|plan| catalog.rate_card_by_code(plan.rate_card.as_str()))
        .map(|card| card.id)
        .or_else(|| terms.and_then(|t| t.rate_card))
        .or_else(|| catalog.default_card())
}

/// The start of the cycle that `at` falls in, for cycles anchored at `anchor`.
#[must_use]
pub fn cycle_start(zone: &Zone, anchor: Timestamp, interval: Interval, at: Timestamp) -> Timestamp {
    let (from, to) = (zone.local(anchor), zone.local(at));
    let months = (i32::from(to.year()) - i32::from(from.year())) * 12 + i32::from(to.month())
        - i32::from(from.month());
    let (step, guess) = match interval {
        Interval::Month => (1, months),
        Interval::Year => (12, months.div_euclid(12) * 12),
    };
    // the calendar month is right or, when its anchor day is still ahead, one too far
    let start = zone.months_after(anchor, guess);
    if start <= at { start } else { zone.months_after(anchor, guess - step) }
}

/// An organization as pricing sees it.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub zone: Zone,
    pub suspended: bool,
    /// Newest first.
    pub periods: Arc<[TermsRow]>,
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
            proptest::prop_assert!(at.millis() - start.millis() <= 32 * crate::base::time::DAY_MS);
        }
    }
}
