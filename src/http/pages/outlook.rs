//! What an organization spends a day, and how long its credit lasts at that pace.

use crate::base::id::OrganizationId;
use crate::base::time::DAY_MS;
use crate::base::{Credits, Day};
use crate::db::{DbError, ReadTx};
use crate::metering::reports::{self, Dimension, Query};
use crate::wallet::Summary;

/// How many days say what the pace is.
pub const RECENT_DAYS: i32 = 7;
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
    let spent: i128 = recent.map(|day| i128::from(day.micros())).sum();
    if spent <= 0 {
        return None;
    }
    if !available.is_positive() {
        return Some(0);
    }
    let period = i128::from(RECENT_DAYS) * i128::from(DAY_MS);
    Some(i64::try_from(i128::from(available.micros()) * period / spent).unwrap_or(i64::MAX))
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
