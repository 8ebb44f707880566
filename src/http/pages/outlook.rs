//! What an organization spends a day, and how long its credit lasts at that pace.

use super::components::runway::Point;
use super::components::stacked_days::DayStack;
use super::components::{Runway, StackedDays};
use super::format::Show;
use crate::base::id::OrganizationId;
use crate::base::time::DAY_MS;
use crate::base::{Credits, Day};
use crate::catalog::{Meter, Snapshot};
use crate::db::{DbError, ReadTx};
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

/// How long `available` lasts, in milliseconds, at the pace of the last [`RECENT_DAYS`] of `spend`. None when
/// nothing was spent.
#[must_use]
pub fn lasts_ms(available: Credits, spend: &[Credits]) -> Option<i64> {
    let days = usize::try_from(RECENT_DAYS).unwrap_or(usize::MAX);
    let recent = spend.iter().rev().take(days);
    let used: i128 = recent.map(|day| i128::from(day.micros())).sum();
    if used <= 0 {
        return None;
    }
    if !available.is_positive() {
        return Some(0);
    }
    let period = i128::from(RECENT_DAYS) * i128::from(DAY_MS);
    Some(i64::try_from(i128::from(available.micros()) * period / used).unwrap_or(i64::MAX))
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

/// The balance at the end of each of the last `days` days, now, and ahead at the pace of `spend`.
///
/// # Errors
/// Those of the database.
pub fn runway_chart(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    show: &Show,
    (today, days): (Day, i32),
    available: Credits,
    spend: &[Credits],
) -> Result<Runway, DbError> {
    let from = today.plus_days(1 - days);
    let known = wallet::balance_days(tx, organization, from, today)?;
    let mut past: Vec<Point> = Vec::new();
    for number in from.number()..today.number() {
        let day = Day::from_number(number);
        let moved = known.iter().find(|point| point.day == day).map(|point| point.balance);
        // a day on which nothing moved ends as the one before
        if let Some(balance) = moved.or(past.last().map(|point| point.balance)) {
            past.push(Point { day, balance });
        }
    }
    past.push(Point { day: today, balance: available });
    Ok(Runway {
        id: "runway".into(),
        title: "Balance and outlook".into(),
        past,
        projection: projection(today, available, lasts_ms(available, spend)),
        marks: Vec::new(),
        events: Vec::new(),
        show: show.clone(),
    })
}

/// A straight line down to the day it runs dry, or as far as a month.
fn projection(today: Day, available: Credits, lasts_ms: Option<i64>) -> Vec<Point> {
    let Some(lasts_ms) = lasts_ms.filter(|ms| *ms > 0) else { return Vec::new() };
    let mut points = Vec::new();
    for after in 1..=AHEAD_DAYS {
        let gone_ms = i64::from(after) * DAY_MS;
        let left =
            i128::from(available.micros()) * i128::from((lasts_ms - gone_ms).max(0)) / i128::from(lasts_ms);
        let balance = Credits::from_micros(i64::try_from(left).unwrap_or(0));
        points.push(Point { day: today.plus_days(after), balance });
        if gone_ms >= lasts_ms {
            break;
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_week() {
        let c = Credits::from_micros;
        let mut spend = vec![c(1_000); 20];
        spend.extend([c(10); 7]);
        assert_eq!(lasts_ms(c(20), &spend), Some(2 * DAY_MS));
        assert_eq!(lasts_ms(c(-20), &spend), Some(0));
        assert_eq!(lasts_ms(c(20), &[c(0); 7]), None);
        assert_eq!(lasts_ms(c(i64::MAX), &[c(1)]), Some(i64::MAX));
    }
}
