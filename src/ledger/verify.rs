//! Re-derives the book from its transfers and lines.
//!
//! The lines of usage belong to a module above this one, which hands their bytes in; see `metering::verify`.

use std::collections::HashMap;

use blake3::Hasher;
use rusqlite::Connection;

use super::canon::Canon;
use super::journal::transfer_canonical;
use super::{Transaction, sql, transaction_from_row};
use crate::base::id::{AccountId, MeterId};
use crate::db::DbError;

/// The first thing that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A row contradicts the rows it is derived from.
    #[error("{table} {row}: {what}")]
    Misfit {
        /// The table.
        table: &'static str,
        /// Which row (its key).
        row: String,
        /// What does not fit.
        what: String,
    },
    /// The database itself failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<rusqlite::Error> for VerifyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

impl VerifyError {
    /// A misfit.
    #[must_use]
    pub fn misfit(table: &'static str, row: impl std::fmt::Display, what: impl std::fmt::Display) -> Self {
        Self::Misfit { table, row: row.to_string(), what: what.to_string() }
    }
}

/// Fails with a misfit unless both are equal.
///
/// # Errors
/// [`VerifyError::Misfit`] with both values.
pub fn expect_equal<T: PartialEq + std::fmt::Debug>(
    table: &'static str,
    row: impl std::fmt::Display,
    what: &str,
    stored: &T,
    derived: &T,
) -> Result<(), VerifyError> {
    if stored == derived {
        return Ok(());
    }
    Err(VerifyError::misfit(table, row, format!("{what} is {stored:?}, but follows to be {derived:?}")))
}

/// Fails with a misfit of `table` when `query` finds anything: the row, and what is wrong with it.
///
/// # Errors
/// [`VerifyError::Misfit`] for what it finds.
pub fn none_of(conn: &Connection, table: &'static str, query: &str) -> Result<(), VerifyError> {
    let mut statement = conn.prepare(query)?;
    let mut rows = statement.query([])?;
    match rows.next()? {
        Some(row) => Err(VerifyError::misfit(table, row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
        None => Ok(()),
    }
}

/// What was looked at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct BookSummary {
    /// Commits whose hash was recomputed.
    pub commits: u64,
    /// Transfers added up.
    pub transfers: u64,
    /// Accounts whose counters follow from the transfers.
    pub accounts: u64,
}

/// Walks the hash chain. `next_usage` writes the next usage item's canonical bytes and returns its id; it is called
/// in order. `on_transaction` sees every other line once, in order.
///
/// # Errors
/// The first commit, line or transfer that does not fit.
pub fn walk_chain(
    conn: &Connection,
    mut next_usage: impl FnMut(&mut Canon) -> Result<Option<i64>, VerifyError>,
    mut on_transaction: impl FnMut(&Transaction) -> Result<(), VerifyError>,
    summary: &mut BookSummary,
) -> Result<(), VerifyError> {
    let mut transactions_statement = conn.prepare("SELECT * FROM transactions ORDER BY id")?;
    let mut transactions = transactions_statement.query([])?;
    let mut transfers_statement = conn.prepare("SELECT * FROM transfers ORDER BY id")?;
    let mut transfers = transfers_statement.query([])?;
    let mut commits_statement = conn.prepare("SELECT * FROM commits ORDER BY id")?;
    let mut commits = commits_statement.query([])?;
    let mut canon = Canon::new();
    let mut usage_bytes = Canon::new();
    let mut usage = next_usage(&mut usage_bytes)?;
    let mut transaction = transactions.next()?.map(transaction_from_row).transpose()?;
    let (mut previous, mut last_commit, mut last_line, mut last_transfer) = ([0_u8; 32], 0, 0, 0);
    while let Some(row) = commits.next()? {
        let (commit, hash) = sql::commit_from_row(row)?;
        expect_equal("commits", commit.id, "its number", &commit.id, &(last_commit + 1))?;
        expect_equal("commits", commit.id, "first_line", &commit.first_line, &(last_line + 1))?;
        expect_equal("commits", commit.id, "first_transfer", &commit.first_transfer, &(last_transfer + 1))?;
        let mut lines = Hasher::new();
        for line in commit.first_line..=commit.last_line {
            if usage == Some(line) {
                lines.update(usage_bytes.bytes());
                usage_bytes.clear();
                usage = next_usage(&mut usage_bytes)?;
            } else if let Some(t) = transaction.take_if(|t| t.id.number() == line) {
                canon.clear();
                t.canonical(&mut canon);
                lines.update(canon.bytes());
                on_transaction(&t)?;
                transaction = transactions.next()?.map(transaction_from_row).transpose()?;
            } else {
                return Err(VerifyError::misfit("commits", commit.id, format!("line {line} is missing")));
            }
        }
        let mut moved = Hasher::new();
        for id in commit.first_transfer..=commit.last_transfer {
            let row = transfers.next()?.map(sql::transfer_from_row).transpose()?;
            let row = row
                .filter(|t| t.id == id && t.commit == commit.id)
                .ok_or_else(|| VerifyError::misfit("transfers", id, "is missing or in the wrong commit"))?;
            canon.clear();
            transfer_canonical(&mut canon, row.id, row.transaction, row.movement);
            moved.update(canon.bytes());
            summary.transfers += 1;
        }
        let derived = commit.hash(&previous, &lines, &moved);
        if derived != hash {
            return Err(VerifyError::misfit("commits", commit.id, "the hash does not follow from its rows"));
        }
        previous = hash;
        (last_commit, last_line, last_transfer) = (commit.id, commit.last_line, commit.last_transfer);
        summary.commits += 1;
    }
    if let Some(id) = usage {
        return Err(VerifyError::misfit("usage_items", id, "belongs to no commit"));
    }
    if let Some(t) = transaction {
        return Err(VerifyError::misfit("transactions", t.id.number(), "belongs to no commit"));
    }
    if let Some(row) = transfers.next()? {
        let row = sql::transfer_from_row(row)?;
        return Err(VerifyError::misfit("transfers", row.id, "belongs to no commit"));
    }
    Ok(())
}

/// Adds all transfers up and compares every account; each ledger must sum to zero.
///
/// # Errors
/// The first account that does not fit.
pub fn accounts(conn: &Connection, summary: &mut BookSummary) -> Result<(), VerifyError> {
    let mut derived: HashMap<AccountId, (i64, i64)> = HashMap::new();
    let mut statement = conn.prepare("SELECT * FROM transfers ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let transfer = sql::transfer_from_row(row)?;
        derived.entry(transfer.movement.debit).or_default().0 += transfer.movement.amount;
        derived.entry(transfer.movement.credit).or_default().1 += transfer.movement.amount;
    }
    let mut misfit = None;
    let mut sums: HashMap<String, i128> = HashMap::new();
    sql::each_account(conn, |account| {
        let (debits, credits) = derived.remove(&account.id).unwrap_or_default();
        if (account.debits, account.credits) != (debits, credits) && misfit.is_none() {
            misfit = Some(VerifyError::misfit(
                "accounts",
                account.id.number(),
                format!(
                    "holds debits {} and credits {}, but its transfers come to {debits} and {credits}",
                    account.debits, account.credits
                ),
            ));
        }
        *sums.entry(account.ledger).or_default() += i128::from(account.credits) - i128::from(account.debits);
        summary.accounts += 1;
        Ok(())
    })?;
    if let Some(misfit) = misfit {
        return Err(misfit);
    }
    if let Some(account) = derived.keys().next() {
        return Err(VerifyError::misfit(
            "transfers",
            account.number(),
            "names an account that does not exist",
        ));
    }
    for (ledger, sum) in sums {
        expect_equal("accounts", ledger, "the sum of the ledger", &sum, &0)?;
    }
    none_of(conn, "transfers", sql::MIXED_LEDGERS)?;
    none_of(conn, "money_days", sql::MONEY_DAYS)
}

/// What moved for usage, by the account that was charged and the meter.
///
/// # Errors
/// When the database fails.
pub fn moved_for_usage(conn: &Connection) -> Result<HashMap<(AccountId, MeterId), i64>, VerifyError> {
    let mut statement = conn.prepare(sql::MOVED_FOR_USAGE)?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
