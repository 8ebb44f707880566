//! What is owed to customers as credit, in money, and how it came to that.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::base::{Currency, Day, Money};
use crate::db::DbError;
use crate::ledger::{self, AccountKind};

/// How what is owed in one currency moved over a period: `open + sold − earned − expired − refunded − disputed = close`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liability {
    /// Owed when the period began.
    pub open: Money,
    /// Received for credit, without tax.
    pub sold: Money,
    /// Earned by credit being used, less what was taken back of that.
    pub earned: Money,
    /// Kept for credit that expired or was taken back, less what came back to life of that.
    pub expired: Money,
    /// Given back.
    pub refunded: Money,
    /// Taken back by banks.
    pub disputed: Money,
    /// Owed when it ended.
    pub close: Money,
}

/// What is owed, by currency, as posted on the days from `from` until the one before `to` (UTC). Read from sums by day.
///
/// # Errors
/// When the database fails, the sums leave the range, or money left for a reason that the report does not know.
pub fn liability(conn: &Connection, from: Day, to: Day) -> Result<Vec<Liability>, DbError> {
    let deferred = AccountKind::DeferredRevenue;
    let mut found: BTreeMap<&'static str, Liability> = BTreeMap::new();
    for moved in ledger::money_moved(conn, deferred, from, to)? {
        let row = found.entry(moved.currency.code()).or_insert_with(|| Liability::nothing(moved.currency));
        let came_in = moved.credit == deferred.name();
        let other = if came_in { &moved.debit } else { &moved.credit };
        let gained = if came_in { moved.minor } else { -moved.minor };
        // to another customer's credit: what left came in again in the same step
        if *other == AccountKind::Transferred.name() {
            continue;
        }
        add(&mut row.close, gained)?;
        if moved.before {
            add(&mut row.open, gained)?;
        } else if came_in && *other == AccountKind::Cash.name() {
            add(&mut row.sold, gained)?;
        } else {
            add(row.lessened_by(other)?, -gained)?;
        }
    }
    Ok(found.into_values().collect())
}

fn add(to: &mut Money, minor: i64) -> Result<(), DbError> {
    to.minor = ledger::within_range(to.minor.checked_add(minor))?;
    Ok(())
}

impl Liability {
    const fn nothing(currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self {
            open: zero,
            sold: zero,
            earned: zero,
            expired: zero,
            refunded: zero,
            disputed: zero,
            close: zero,
        }
    }

    /// Why less is owed, by the kind of account that the money went to.
    fn lessened_by(&mut self, kind: &str) -> Result<&mut Money, DbError> {
        let is = |of: AccountKind| of.name() == kind;
        if is(AccountKind::Revenue) {
            Ok(&mut self.earned)
        } else if is(AccountKind::Breakage) {
            Ok(&mut self.expired)
        } else if is(AccountKind::Refunds) || is(AccountKind::Cash) {
            Ok(&mut self.refunded)
        } else if is(AccountKind::Disputes) {
            Ok(&mut self.disputed)
        } else {
            Err(DbError::Commit(format!("what is owed was lessened by {kind}")))
        }
    }
}
