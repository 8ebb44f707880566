//! Taking a charge back: a new event that points at the one it corrects.

use rusqlite::Connection;

use super::event::Receipt;
use super::external::ExternalId;
use super::ids::IdKey;
use super::intake::Intake;
use super::row::{EventRow, ItemRow, receipt};
use super::sql;
use crate::base::id::{OrganizationId, TransactionId};
use crate::base::{Credits, Quantity};
use crate::catalog::{self, VOICE};
use crate::db::{DbError, WriteTx};
use crate::ledger::{self, Journal};
use crate::limits::{Spending, Spent};
use crate::wallet::{self, Wallets};

/// Why an event is not taken back.
#[derive(Debug, thiserror::Error)]
pub enum VoidError {
    /// There is no event with that id.
    #[error("no such event")]
    NotFound,
    /// The wallet refused.
    #[error(transparent)]
    Wallet(#[from] wallet::Error),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Takes an event's charges back: the credit returns to the grants it was drawn from, reports and allowances forget the
/// usage. Voiding again gives the first answer again.
///
/// # Errors
/// See [`VoidError`]; nothing is left behind.
pub fn void_event(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    id: &ExternalId,
) -> Result<(Receipt, bool), VoidError> {
    let conn = tx.conn()?;
    let original = {
        let mut intake = tx.part::<Intake>()?;
        let key = IdKey::new(organization, IdKey::hash_of(id.bytes()));
        let head = intake.find(conn, key, organization, id)?.ok_or(VoidError::NotFound)?;
        if let Some(void) = sql::void_of(conn, head)? {
            let again = receipt(&sql::event_items(conn, void)?);
            return again
                .map(|r| (r, true))
                .ok_or_else(|| DbError::bad_row("usage_voids", head, "has no event").into());
        }
        intake.event_rows(conn, head)?
    };
    let Some((head, event)) = original.first().and_then(|row| Some((row, row.event.as_ref()?))) else {
        return Err(VoidError::NotFound);
    };
    give_back(tx, organization, head, &original)?;
    uncount(tx, conn, head, event)?;
    let mut intake = tx.part::<Intake>()?;
    let mut wallets = tx.part::<Wallets>()?;
    let mut journal = tx.part::<Journal>()?;
    let wallet = wallets.get(conn, organization)?.ok_or(wallet::Error::NoWallet)?;
    let prev_of_day = intake.last_of_day(conn, event.day, organization)?;
    let balance_after = ledger::within_range(wallet.balance().checked_add(event.total))?;
    let first_pending = intake.pending_len();
    let mut void_head = None;
    for row in &original {
        let line = journal.next_line(conn)?;
        let taken_back = ItemRow {
            id: line,
            head: void_head,
            quantity: negated_quantity(row.quantity)?,
            credits: negated(row.credits)?,
            event: row
                .event
                .as_ref()
                .map(|e| void_row(e, tx, row.id, balance_after, wallet.last_line(), prev_of_day))
                .transpose()?,
            split: row
                .split
                .iter()
                .map(|d| Ok(wallet::Draw { account: d.account, amount: negated(d.amount)? }))
                .collect::<Result<_, DbError>>()?,
            ..row.clone()
        };
        void_head = void_head.or(Some(line));
        journal.usage_line(conn, |_, canon| taken_back.canonical(canon))?;
        intake.push(taken_back);
    }
    let void = void_head.ok_or(VoidError::NotFound)?;
    wallet.usage_line(void, balance_after);
    wallets.mark(organization);
    intake.cycles().uncount(conn, &original)?;
    intake.tally(first_pending, -1);
    let answer = receipt(intake.pending_from(first_pending)).ok_or(VoidError::NotFound)?;
    sql::insert_void(conn, head.id, void)?;
    Ok((answer, false))
}

/// Takes the charge out of the windows of limits and the day of its toll-free number.
fn uncount(tx: &WriteTx<'_>, conn: &Connection, head: &ItemRow, event: &EventRow) -> Result<(), VoidError> {
    let toll_free =
        event.is_inbound_toll_free() && catalog::snapshot(tx)?.meter_id(VOICE) == Some(head.meter);
    let mut spending = tx.part::<Spending>()?;
    if let (true, Some(number)) = (toll_free, event.number) {
        spending.count_toll_free(number, event.day, negated_quantity(event.reported)?.micros());
    }
    if spending.open(conn, head.organization, event.day)? {
        spending.count(Spent {
            organization: head.organization,
            day: event.day,
            today: event.day,
            agent: event.agent,
            credits: negated(event.total)?,
            now: tx.now(),
        });
    }
    Ok(())
}

/// Returns every part of the charge to where it was drawn from.
fn give_back(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    head: &ItemRow,
    rows: &[ItemRow],
) -> Result<(), VoidError> {
    let conn = tx.conn()?;
    let sink = tx.part::<Intake>()?.sink(conn, head.meter)?;
    let mut surplus = Credits::ZERO;
    let overdraft = {
        let mut wallets = tx.part::<Wallets>()?;
        let mut journal = tx.part::<Journal>()?;
        let wallet = wallets.get(conn, organization)?.ok_or(wallet::Error::NoWallet)?;
        for draw in rows.iter().flat_map(ItemRow::draws) {
            journal.gather(draw.account, sink, negated(draw.amount)?);
            if draw.account == wallet.overdraft_account() {
                let more = wallet.repay_overdraft(draw.amount);
                surplus = ledger::within_range(surplus.checked_add(more))?;
            } else {
                wallet.give_back(conn, draw)?;
            }
        }
        wallet.overdraft_account()
    };
    if surplus.is_positive() {
        // the overdraft was repaid by later credit: what it was repaid with comes back as a grant of its own
        let account = wallet::grant_surplus(tx, organization, TransactionId::new(head.id), surplus)?;
        tx.part::<Journal>()?.gather(overdraft, account, surplus);
    }
    Ok(())
}

fn void_row(
    event: &EventRow,
    tx: &WriteTx<'_>,
    corrects: i64,
    balance_after: Credits,
    prev_line: i64,
    prev_of_day: i64,
) -> Result<EventRow, DbError> {
    Ok(EventRow {
        posted_at: tx.now(),
        reported: negated_quantity(event.reported)?,
        total: negated(event.total)?,
        balance_after,
        prev_line,
        prev_of_day,
        corrects: Some(corrects),
        ..event.clone()
    })
}

fn negated(credits: Credits) -> Result<Credits, DbError> {
    ledger::within_range(credits.checked_neg())
}

fn negated_quantity(quantity: Quantity) -> Result<Quantity, DbError> {
    ledger::within_range(Quantity::ZERO.checked_sub(quantity))
}
