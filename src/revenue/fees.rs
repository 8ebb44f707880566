//! Money received for a plan: owed until the plan's time has passed, and earned as it passes, to the millisecond.
//!
//! What was earned is cumulative and follows from the time alone, as what was paid for credit follows from the credit. What is
//! given back is taken from what is not earned yet; the rest goes on being earned as before until nothing is left.

use rusqlite::Connection;

use super::{rules, sql};
use crate::base::id::{OrganizationId, PaymentId};
use crate::base::{Money, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::ledger::{self, AccountKind, Book, Journal, Move};

/// What was received for a plan, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fee {
    /// Which payment.
    pub payment: PaymentId,
    /// Received, without tax.
    pub net: Money,
    /// The time it is for, once that is known.
    pub time: Option<(Timestamp, Timestamp)>,
    /// Of the net, in minor units: earned by time.
    pub earned: i64,
    /// And given back.
    pub returned: i64,
    /// Up to when what was earned was worked out.
    pub earned_at: Timestamp,
}

impl Fee {
    /// What is neither earned nor given back.
    #[must_use]
    pub const fn deferred(&self) -> Money {
        Money { minor: self.net.minor - self.earned - self.returned, currency: self.net.currency }
    }

    /// What should be earned at a time.
    pub(super) fn due(&self, at: Timestamp) -> i64 {
        let Some((starts, ends)) = self.time else { return 0 };
        let elapsed = at.millis().saturating_sub(starts.millis());
        let length = ends.millis().saturating_sub(starts.millis());
        rules::earned_by_time(self.net.minor, self.returned, elapsed, length)
    }
}

/// Takes in money for a plan. Answers the transfers, which the caller posts with its transaction.
///
/// # Errors
/// When the database fails.
pub fn receive(
    tx: &WriteTx<'_>,
    payment: PaymentId,
    organization: OrganizationId,
    net: Money,
    tax: Money,
) -> Result<Vec<Move>, DbError> {
    let conn = tx.conn()?;
    sql::insert_fee(conn, payment, organization, net, tx.now())?;
    let book = Book::Money(net.currency);
    let mut moves = Vec::new();
    for (to, minor) in [(AccountKind::DeferredRevenue, net.minor), (AccountKind::TaxPayable, tax.minor)] {
        if minor != 0 {
            let debit = ledger::ensure_account(conn, book, AccountKind::Cash)?;
            moves.push(Move { debit, credit: ledger::ensure_account(conn, book, to)?, amount: minor });
        }
    }
    Ok(moves)
}

/// Says which time a fee is for. Once: another time is not taken.
///
/// # Errors
/// When the database fails.
pub fn place(tx: &WriteTx<'_>, payment: PaymentId, from: Timestamp, to: Timestamp) -> Result<(), DbError> {
    sql::place_fee(tx.conn()?, payment, from, to)
}

/// A payment's fee, as it was last worked out.
///
/// # Errors
/// When the database fails.
pub fn get(conn: &Connection, payment: PaymentId) -> Result<Option<Fee>, DbError> {
    sql::fee(conn, payment)
}

/// Takes up to `most` out of what is not earned yet of a fee. Answers how much, and its transfer to `to`, which the caller posts with
/// its transaction.
///
/// # Errors
/// When the database fails.
pub fn give_back(
    tx: &WriteTx<'_>,
    payment: PaymentId,
    most: Money,
    to: AccountKind,
) -> Result<Option<Move>, DbError> {
    let conn = tx.conn()?;
    let Some(fee) = sql::fee(conn, payment)? else { return Ok(None) };
    let fee = bring_up(tx, conn, fee)?;
    let minor = most.minor.min(fee.deferred().minor).max(0);
    if minor == 0 {
        return Ok(None);
    }
    sql::set_fee(conn, &Fee { returned: fee.returned + minor, ..fee })?;
    let book = Book::Money(fee.net.currency);
    Ok(Some(Move {
        debit: ledger::ensure_account(conn, book, AccountKind::DeferredRevenue)?,
        credit: ledger::ensure_account(conn, book, to)?,
        amount: minor,
    }))
}

/// Posts what was earned of up to `limit` fees that were not looked at today. Answers how many it looked at.
pub(super) fn post_due(tx: &WriteTx<'_>, before: Timestamp, limit: u32) -> Result<usize, DbError> {
    let conn = tx.conn()?;
    let due = sql::fees_to_earn(conn, before, limit)?;
    for fee in &due {
        bring_up(tx, conn, *fee)?;
    }
    Ok(due.len())
}

fn bring_up(tx: &WriteTx<'_>, conn: &Connection, fee: Fee) -> Result<Fee, DbError> {
    let earned = fee.due(tx.now());
    if earned != fee.earned {
        let book = Book::Money(fee.net.currency);
        let deferred = ledger::ensure_account(conn, book, AccountKind::DeferredRevenue)?;
        let revenue = ledger::ensure_account(conn, book, AccountKind::Revenue)?;
        tx.part::<Journal>()?.gather_money(conn, deferred, revenue, earned - fee.earned)?;
    }
    let now = Fee { earned, earned_at: tx.now(), ..fee };
    sql::set_fee(conn, &now)?;
    Ok(now)
}
