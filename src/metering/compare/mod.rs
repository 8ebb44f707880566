//! What a month's real usage costs by today's prices, and what it would cost by others.
//!
//! The events of the month are priced again in the order in which they were charged, once by the prices in force now and once by
//! the new ones, each with its own count of what is included and used up: with the function that charges. Where a cycle began
//! before the month, what was used in it before is replayed first and not added up. Events that were taken back are left out, and
//! so is what was used after the month, also where an event of the month came later still.
//!
//! The work is bounded: see [`MOST_EVENTS`] and [`MOST_OF_ONE`].

mod replay;

use std::collections::BTreeMap;

use rusqlite::Connection;

use self::replay::{Past, Side, replay};
use super::event::OrganizationRef;
use super::extra::Extra;
use super::sql;
use crate::base::id::{MeterId, OrganizationId, PlanId, RateCardId};
use crate::base::{Credits, Day, Timestamp, Zone};
use crate::catalog::Snapshot;
use crate::catalog::rules::{PlanTerms, Rate};
use crate::db::DbError;

/// At most so many events are priced again, of the organizations that have the most of them first.
pub const MOST_EVENTS: i64 = 100_000;
/// And at most so many of one organization: its days from the first on, as far as they go.
pub const MOST_OF_ONE: i64 = 25_000;

/// What would be different.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// A card would have these rates: whoever is priced by it.
    Card(RateCardId, &'a [Rate]),
    /// A plan would have these terms: whoever is on it.
    Plan(PlanId, &'a PlanTerms),
}

/// What some usage costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// By today's prices.
    pub old: Credits,
    /// By the new ones.
    pub new: Credits,
    /// What was charged for it.
    pub charged: Credits,
}

impl Cost {
    /// Adds another.
    pub fn add(&mut self, more: Self) {
        let sum = |a: Credits, b: Credits| Credits::from_micros(a.micros().saturating_add(b.micros()));
        *self = Self {
            old: sum(self.old, more.old),
            new: sum(self.new, more.new),
            charged: sum(self.charged, more.charged),
        };
    }

    /// What it costs more.
    #[must_use]
    pub fn difference(&self) -> Credits {
        Credits::from_micros(self.new.micros().saturating_sub(self.old.micros()))
    }
}

/// What an organization's usage costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfOrganization {
    /// Whose.
    pub organization: OrganizationId,
    /// The last day that was looked at, where that is not the last of the month.
    pub until: Option<Day>,
    /// By meter.
    pub meters: BTreeMap<MeterId, Cost>,
    /// All of them.
    pub total: Cost,
    /// Events that one side has no price for; they are in no sum.
    pub unpriced: u64,
}

/// What a month's usage costs whoever a change would meet. Whoever it makes no difference to is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Whoever costs the most by today's prices first.
    pub organizations: Vec<OfOrganization>,
    /// Organizations that there was no room for.
    pub left_out: usize,
    /// How many events were priced again.
    pub events: usize,
}

impl Comparison {
    /// By meter, over all organizations.
    #[must_use]
    pub fn meters(&self) -> BTreeMap<MeterId, Cost> {
        let mut sums: BTreeMap<MeterId, Cost> = BTreeMap::new();
        for (meter, cost) in self.organizations.iter().flat_map(|one| &one.meters) {
            sums.entry(*meter).or_default().add(*cost);
        }
        sums
    }

    /// Over all organizations.
    #[must_use]
    pub fn total(&self) -> Cost {
        let mut sum = Cost::default();
        for one in &self.organizations {
            sum.add(one.total);
        }
        sum
    }
}

/// Compares what the usage from one day to another (both included; each organization's own days) costs.
///
/// # Errors
/// When the database fails.
pub fn compare(
    conn: &Connection,
    catalog: &Snapshot,
    change: Change<'_>,
    days: (Day, Day),
    now: Timestamp,
) -> Result<Comparison, DbError> {
    let supposed = match change {
        Change::Card(card, rates) => Some(catalog.supposing(card, rates)),
        Change::Plan(..) => None,
    };
    let mut found = Comparison::default();
    let mut room = MOST_EVENTS;
    for (organization, _) in sql::busiest(conn, days.0, days.1)? {
        let Some((zone, sides)) = sides(conn, (catalog, supposed.as_ref()), change, organization, now)?
        else {
            continue;
        };
        if !differ(&sides, &zone, zone.start_of(days.0)) {
            continue;
        }
        let first = counted_from(&sides, &zone, days.0);
        let (events, until) = events(conn, organization, (first, days.1), room.min(MOST_OF_ONE))?;
        if until < days.0 {
            found.left_out += 1;
            continue;
        }
        room -= i64::try_from(events.len()).unwrap_or(room);
        found.events += events.len();
        let (meters, unpriced) = replay(&zone, &sides, &events, days.0);
        let mut total = Cost::default();
        for cost in meters.values() {
            total.add(*cost);
        }
        let until = (until < days.1).then_some(until);
        found.organizations.push(OfOrganization { organization, until, meters, total, unpriced });
    }
    found.organizations.sort_by_key(|one| (std::cmp::Reverse(one.total.old), one.organization));
    Ok(found)
}

/// How an organization is priced now, and how it would be; `None` where the change is none of its business.
fn sides<'c>(
    conn: &Connection,
    (catalog, supposed): (&'c Snapshot, Option<&'c Snapshot>),
    change: Change<'c>,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Option<(Zone, [Side<'c>; 2])>, DbError> {
    let Some(row) = sql::organization(conn, &OrganizationRef::Id(organization))? else { return Ok(None) };
    let terms = sql::price_terms(conn, organization)?.into_iter().find(|terms| terms.starts_at <= now);
    let (version, own) = terms.as_ref().map_or((None, None), |terms| (terms.plan_version, terms.rate_card));
    let plan = version.and_then(|id| catalog.plan_version(id));
    let anchor = terms.as_ref().map_or(now, |terms| terms.anchor);
    let side = |catalog, plan: Option<&'c PlanTerms>| Side::new(catalog, (anchor, plan), own, now);
    let Some(old) = side(catalog, plan.map(|(_, version)| &version.terms)) else { return Ok(None) };
    let new = match change {
        Change::Card(..) => old.by(supposed.unwrap_or(catalog)),
        Change::Plan(id, _) if plan.is_none_or(|(plan, _)| plan.id != id) => return Ok(None),
        Change::Plan(_, terms) => match side(catalog, Some(terms)) {
            Some(new) => new,
            None => return Ok(None),
        },
    };
    Ok(Some((row.zone, [old, new])))
}

/// Whether the two price anything differently.
fn differ([old, new]: &[Side<'_>; 2], zone: &Zone, at: Timestamp) -> bool {
    old.catalog.meters().iter().any(|meter| {
        let terms = |side: &Side<'_>| side.pricing(zone, meter.id, at).map(|p| (p.rate.clone(), p.allowance));
        terms(old) != terms(new)
    })
}

/// The day of the first event that matters: before the month where a cycle that something depends on began before it.
fn counted_from(sides: &[Side<'_>; 2], zone: &Zone, month: Day) -> Day {
    let at = zone.start_of(month);
    let cycles = sides.iter().filter_map(|side| {
        let starts =
            side.catalog.meters().iter().filter_map(|meter| side.pricing(zone, meter.id, at)?.cycle_start);
        starts.min()
    });
    cycles.map(|start| zone.day_of(start)).min().map_or(month, |first| first.min(month))
}

/// The events of whole days, as many as there is room for, in the order in which they were charged; and the last of the days.
fn events(
    conn: &Connection,
    organization: OrganizationId,
    (first, last): (Day, Day),
    mut room: i64,
) -> Result<(Vec<Past>, Day), DbError> {
    let mut found = Vec::new();
    let mut day = first;
    while day <= last {
        if let Some(row) = sql::usage_day(conn, day, organization)? {
            if row.events > room {
                break;
            }
            room -= row.events;
            let mut head = row.last_head;
            while head != 0 {
                let item = sql::item(conn, head)?;
                let item = item.and_then(|item| Some((item.meter, item.event?)));
                let (meter, event) =
                    item.ok_or_else(|| DbError::bad_row("usage_items", head, "is no event"))?;
                let line = std::mem::replace(&mut head, event.prev_of_day);
                if event.corrects.is_none() && sql::void_of(conn, line)?.is_none() {
                    let carrier_cost = Extra::read(event.extra.as_deref()).carrier_cost;
                    found.push(Past::new(line, meter, carrier_cost, event));
                }
            }
        }
        day = day.plus_days(1);
    }
    found.sort_unstable_by_key(|past| past.line);
    Ok((found, day.plus_days(-1)))
}
