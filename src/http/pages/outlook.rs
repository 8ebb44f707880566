//! What an organization spends a day, and how long its credit lasts at that pace.

use super::components::runway::Point;
use super::components::stacked_days::DayStack;
use super::components::{Runway, StackedDays};
use super::format::Show;
use crate::base::decimal::MICROS;
use crate::base::id::OrganizationId;
use crate::base::time::DAY_MS;
use crate::base::{Credits, Day, Timestamp, Zone};
use crate::catalog::{Meter, Snapshot};
use crate::db::{DbError, ReadTx};
use crate::identity::Organization;
use crate::metering::reports::{self, Dimension, Query};
use crate::wallet::{self, Summary};

/// How many days say what the pace is.
pub const RECENT_DAYS: i32 = 7;
/// How many days ahead a chart looks.
const AHEAD_DAYS: i32 = 30;
/// Credit that lasts no longer than this needs attention.
pub const RISK_MS: i64 = 2 * DAY_MS;

/// What can be spent now; below zero when more was used than there was.
#[must_use]
pub fn spendable(summary: &Summary) -> Credits {
    summary.balance.checked_sub(summary.held).unwrap_or(summary.balance)
}

/// What was spent on each of the last `days` days, oldest first, `today` being the last.
///
/// # Errors
/// Those of the database.
pub fn daily(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    today: Day,
    days: i32,
) -> Result<Vec<Credits>, DbError> {
    let from = today.plus_days(1 - days);
    let query = Query {
        from,
        to: today.plus_days(1),
        group_by: vec![Dimension::Day],
        meter: None,
        agent: None,
        workspaces: None,
    };
    let groups = reports::usage(tx, organization, &query)?;
    let spent = |day: Day| {
        let group = groups.iter().find(|group| group.day == Some(day));
        group.map_or(Credits::ZERO, |group| group.credits)
    };
    Ok((0..days).map(|after| spent(from.plus_days(after))).collect())
}

/// How fast credit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    spent: Credits,
    elapsed_ms: i64,
}

/// What was spent in the last [`RECENT_DAYS`], today as far as it has come, and how long that took. An organization that
/// is younger than that is measured by its few days, or its credit would seem to last longer than it does.
///
/// # Errors
/// Those of the database.
pub fn pace(tx: &ReadTx<'_>, organization: &Organization) -> Result<Pace, DbError> {
    let today = organization.zone.day_of(tx.now());
    let spend = daily(tx, organization.id, today, RECENT_DAYS)?;
    Ok(measured(&spend, &organization.zone, organization.created_at, tx.now()))
}

/// The pace of some days of spend up to `now`.
fn measured(spend: &[Credits], zone: &Zone, created_at: Timestamp, now: Timestamp) -> Pace {
    let total = spend.iter().fold(Credits::ZERO, |sum, day| sum.checked_add(*day).unwrap_or(sum));
    let days = i32::try_from(spend.len()).unwrap_or(RECENT_DAYS);
    let first = zone.day_of(now).plus_days(1 - days);
    let idle = spend.iter().take_while(|day| !day.is_positive()).count();
    let first_used = zone.start_of(first.plus_days(i32::try_from(idle).unwrap_or(0)));
    // usage may have been imported from before the organization was made
    let from = zone.start_of(first).max(created_at.min(first_used));
    // half an hour with one call in it says nothing about a day
    let elapsed_ms = now.millis().saturating_sub(from.millis()).max(DAY_MS);
    Pace { spent: total, elapsed_ms }
}

impl Pace {
    /// How long `available` lasts, in milliseconds. None when nothing was spent.
    #[must_use]
    pub fn lasts_ms(self, available: Credits) -> Option<i64> {
        if !self.spent.is_positive() {
            return None;
        }
        if !available.is_positive() {
            return Some(0);
        }
        let left = i128::from(available.micros()) * i128::from(self.elapsed_ms);
        Some(i64::try_from(left / i128::from(self.spent.micros())).unwrap_or(i64::MAX))
    }
}

/// A straight line from what there is to nothing, as far as one looks ahead. What is guessed is not said to a millionth.
#[must_use]
pub fn projection(available: Credits, today: Day, lasts_ms: Option<i64>) -> Vec<Point> {
    let Some(lasts_ms) = lasts_ms.filter(|ms| *ms > 0 && available.is_positive()) else {
        return Vec::new();
    };
    let mut points = Vec::new();
    for after in 1..=AHEAD_DAYS {
        let left_ms = lasts_ms.saturating_sub(i64::from(after).saturating_mul(DAY_MS)).max(0);
        let left = i128::from(available.micros()) * i128::from(left_ms) / i128::from(lasts_ms);
        let whole = i64::try_from(left / i128::from(MICROS)).unwrap_or(0);
        let balance = Credits::from_whole(whole).unwrap_or(Credits::ZERO);
        points.push(Point { day: today.plus_days(after), balance });
        if left_ms == 0 {
            break;
        }
    }
    points
}

/// Spend per day and channel of the last `days` days, `today` being the last.
///
/// # Errors
/// Those of the database.
pub fn spend_chart(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    catalog: &Snapshot,
    show: &Show,
    (today, days): (Day, i32),
) -> Result<StackedDays, DbError> {
    let from = today.plus_days(1 - days);
    let query = Query {
        from,
        to: today.plus_days(1),
        group_by: vec![Dimension::Day, Dimension::Channel],
        meter: None,
        agent: None,
        workspaces: None,
    };
    let groups = reports::usage(tx, organization, &query)?;
    let used: Vec<&Meter> =
        catalog.meters().iter().filter(|m| groups.iter().any(|g| g.meter == Some(m.id))).collect();
    let spent = |day: Day, meter: &Meter| {
        let group = groups.iter().find(|group| group.day == Some(day) && group.meter == Some(meter.id));
        group.map_or(Credits::ZERO, |group| group.credits)
    };
    let stack = |after: i32| {
        let day = from.plus_days(after);
        DayStack { day, href: None, values: used.iter().map(|meter| spent(day, meter)).collect() }
    };
    Ok(StackedDays {
        id: "spend".into(),
        title: format!("Spend in {days} days"),
        series: used.iter().map(|meter| meter.name.clone()).collect(),
        days: (0..days).map(stack).collect(),
        sample: false,
        show: show.clone(),
    })
}

/// The balance at the end of each of the last `days` days, now, and ahead for as long as it lasts.
///
/// # Errors
/// Those of the database.
pub fn runway_chart(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    show: &Show,
    (today, days): (Day, i32),
    available: Credits,
    lasts_ms: Option<i64>,
) -> Result<Runway, DbError> {
    let from = today.plus_days(1 - days);
    let known = wallet::balance_days(tx, organization, from, today)?;
    let mut moved = known.iter().peekable();
    let mut last = None;
    let mut past: Vec<Point> = Vec::new();
    for number in from.number()..today.number() {
        let day = Day::from_number(number);
        // a day on which nothing moved ends as the one before; before the wallet was there, there is nothing to draw
        while let Some(point) = moved.next_if(|point| point.day <= day) {
            last = Some(point.balance);
        }
        past.extend(last.map(|balance| Point { day, balance }));
    }
    past.push(Point { day: today, balance: available });
    Ok(Runway {
        id: "runway".into(),
        title: "Balance and outlook".into(),
        past,
        projection: projection(available, today, lasts_ms),
        marks: Vec::new(),
        events: Vec::new(),
        show: show.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c(whole: i64) -> Credits {
        Credits::from_whole(whole).expect("credits")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    #[test]
    fn credit_lasts_for_what_is_left_at_the_pace() {
        let pace = Pace { spent: c(700), elapsed_ms: 7 * DAY_MS };
        assert_eq!(pace.lasts_ms(c(200)), Some(2 * DAY_MS));
        assert_eq!(pace.lasts_ms(c(-20)), Some(0));
        assert_eq!(Pace { spent: c(0), elapsed_ms: DAY_MS }.lasts_ms(c(20)), None);
        let slow = Pace { spent: Credits::from_micros(1), elapsed_ms: DAY_MS };
        assert_eq!(slow.lasts_ms(Credits::from_micros(i64::MAX)), Some(i64::MAX));
    }

    #[test]
    fn a_young_organizations_pace_is_taken_from_its_few_days() {
        let now = at("2026-11-21T12:00:00Z");
        let week = |days: [i64; 7]| days.map(c);
        let elapsed =
            |spend: [Credits; 7], created: &str| measured(&spend, &Zone::UTC, at(created), now).elapsed_ms;
        let usual = week([0, 0, 0, 0, 0, 5, 0]);
        assert_eq!(elapsed(usual, "2026-10-01T00:00:00Z"), 6 * DAY_MS + DAY_MS / 2, "today is half over");
        assert_eq!(elapsed(usual, "2026-11-19T12:00:00Z"), 2 * DAY_MS);
        assert_eq!(elapsed(usual, "2026-11-21T11:50:00Z"), DAY_MS + DAY_MS / 2, "imported from before");
        assert_eq!(elapsed(week([0; 7]), "2026-11-21T11:50:00Z"), DAY_MS);
    }

    #[test]
    fn the_projection_ends_where_the_credit_does() {
        let today = Day::from_number(20_000);
        let points = projection(c(100), today, Some(2 * DAY_MS + DAY_MS / 2));
        let balances: Vec<Credits> = points.iter().map(|point| point.balance).collect();
        assert_eq!(balances, [c(60), c(20), c(0)]);
        assert_eq!(points.last().map(|point| point.day), Some(today.plus_days(3)));
        assert_eq!(projection(c(100), today, None), []);
        assert_eq!(projection(c(-1), today, Some(0)), []);
        assert_eq!(projection(c(100), today, Some(i64::MAX)).len(), 30);
    }
}
