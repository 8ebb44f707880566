//! Prices events again. Pure: no I/O.

use std::collections::{BTreeMap, HashMap};

use super::Cost;
use crate::base::id::{MeterId, RateCardId};
use crate::base::{Credits, Day, Quantity, Timestamp, Zone};
use crate::catalog::Snapshot;
use crate::catalog::rules::PlanTerms;
use crate::metering::external::ExternalId;
use crate::metering::pricing::{self, OfCall, Pricing, Used, price};
use crate::metering::rating::{ItemKind, Rated};
use crate::metering::row::EventRow;

/// An event that was charged, as far as its price depends on it.
#[derive(Debug, Clone)]
pub(super) struct Past {
    /// Its line: events are priced in the order of these.
    pub line: i64,
    pub meter: MeterId,
    pub at: Timestamp,
    pub day: Day,
    pub used: Used,
    /// The platform's id of the call that it belongs to.
    pub call: Option<ExternalId>,
    /// It is what Tollbook charged for that call.
    pub is_call: bool,
    /// What it was charged.
    pub charged: Credits,
}

impl Past {
    pub(super) fn new(line: i64, meter: MeterId, carrier_cost: Option<Credits>, event: EventRow) -> Self {
        Self {
            line,
            meter,
            at: event.occurred_at,
            day: event.day,
            used: Used {
                quantity: event.reported,
                toll_free_inbound: event.is_inbound_toll_free(),
                byok: event.byok(),
                carrier_cost,
            },
            is_call: event.id.is_reserved() && !event.id.is_rent(),
            call: event.call,
            charged: event.total,
        }
    }
}

/// How an organization is priced, or would be: at all times as at `as_of`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'c> {
    pub catalog: &'c Snapshot,
    anchor: Timestamp,
    plan: Option<&'c PlanTerms>,
    card: RateCardId,
    as_of: Timestamp,
}

impl<'c> Side<'c> {
    /// `None` where nothing prices anything. `own`: the organization's own card.
    pub(super) fn new(
        catalog: &'c Snapshot,
        (anchor, plan): (Timestamp, Option<&'c PlanTerms>),
        own: Option<RateCardId>,
        as_of: Timestamp,
    ) -> Option<Self> {
        let card = pricing::card(catalog, plan, own)?;
        Some(Self { catalog, anchor, plan, card, as_of })
    }

    /// The same by another catalog.
    pub(super) const fn by(self, catalog: &'c Snapshot) -> Self {
        Self { catalog, ..self }
    }

    /// How it prices a meter for what occurred at a time.
    pub(super) fn pricing(&self, zone: &Zone, meter: MeterId, at: Timestamp) -> Option<Pricing<'c>> {
        let (rate_version, rate) = self.catalog.rate(self.card, meter, self.as_of)?;
        let allowance = self.plan.and_then(|plan| plan.allowances.get(&rate.meter)).copied();
        let anchor = self.plan.map(|_| self.anchor);
        let cycle_start = pricing::counted_from(zone, anchor, rate, allowance, at);
        Some(Pricing { rate_version, rate, allowance, cycle_start })
    }
}

/// What one side has counted so far.
#[derive(Default)]
struct Counted<'e> {
    /// By meter and cycle: units that count towards tiers, and units of the allowance.
    cycles: HashMap<(MeterId, Timestamp), (Quantity, Quantity)>,
    /// Of calls: what may still be set against their carrier's cost.
    calls: HashMap<(&'e ExternalId, MeterId), OfCall>,
}

impl<'e> Counted<'e> {
    /// What the event costs; `None` where it has no price.
    fn charge(&mut self, side: &Side<'_>, zone: &Zone, past: &'e Past) -> Option<Credits> {
        let pricing = side.pricing(zone, past.meter, past.at)?;
        let cycle = pricing.cycle_start.map(|start| (past.meter, start));
        let (billed, included) = cycle.and_then(|key| self.cycles.get(&key)).copied().unwrap_or_default();
        let rated = price(past.used, &pricing, billed, included, self.of_call(past)).ok()?;
        if let Some(key) = cycle {
            let sum = |a: Quantity, b: Quantity| Quantity::from_micros(a.micros().saturating_add(b.micros()));
            self.cycles.insert(key, (sum(billed, rated.tier_used), sum(included, rated.allowance_used)));
        }
        self.note_call(past, &rated);
        Some(rated.total)
    }

    /// What is known of the call whose carrier's cost comes late; it is set against the call's surcharge once.
    fn of_call(&mut self, past: &'e Past) -> OfCall {
        let (Some(call), Some(cost)) = (&past.call, past.used.carrier_cost) else { return OfCall::default() };
        let known = match self.calls.get_mut(&(call, past.meter)) {
            Some(known) if past.used.quantity.is_zero() => known,
            _ => return OfCall::default(),
        };
        let now = *known;
        known.surcharge = less(known.surcharge, cost);
        now
    }

    fn note_call(&mut self, past: &'e Past, rated: &Rated) {
        let Some(call) = past.call.as_ref().filter(|_| past.is_call) else { return };
        let lines = rated.lines.as_slice().iter().filter(|line| line.kind == ItemKind::Surcharge);
        let surcharge = lines.map(|line| line.credits).next().unwrap_or_default();
        let of_call = OfCall {
            toll_free_inbound: past.used.toll_free_inbound,
            surcharge: less(surcharge, past.used.carrier_cost.unwrap_or_default()),
        };
        self.calls.insert((call, past.meter), of_call);
    }
}

fn less(a: Credits, b: Credits) -> Credits {
    a.checked_sub(b).unwrap_or_default().max(Credits::ZERO)
}

/// What events cost on both sides, by meter; and how many have no price on one of them. Those before `from` are counted, and not
/// added up.
pub(super) fn replay(
    zone: &Zone,
    [old_side, new_side]: &[Side<'_>; 2],
    events: &[Past],
    from: Day,
) -> (BTreeMap<MeterId, Cost>, u64) {
    let (mut old_counted, mut new_counted) = (Counted::default(), Counted::default());
    let mut sums: BTreeMap<MeterId, Cost> = BTreeMap::new();
    let mut unpriced = 0;
    for past in events {
        let old = old_counted.charge(old_side, zone, past);
        let new = new_counted.charge(new_side, zone, past);
        if past.day < from {
            continue;
        }
        match (old, new) {
            (Some(old), Some(new)) => {
                sums.entry(past.meter).or_default().add(Cost { old, new, charged: past.charged });
            }
            _ => unpriced += 1,
        }
    }
    (sums, unpriced)
}
