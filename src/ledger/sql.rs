//! Statements of the book.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::journal::CommitRow;
use super::{AccountKind, Book, Change, Commit, Move, Transaction, TransactionType};
use crate::base::id::{AccountId, TransactionId};
use crate::base::{Credits, Currency, Day};
use crate::db::DbError;

/// Number, hash, last line and last transfer of the newest commit; zeros before the first.
pub(super) fn last_commit(conn: &Connection) -> Result<(i64, [u8; 32], i64, i64), DbError> {
    let found = conn
        .prepare_cached("SELECT id, hash, last_line, last_transfer FROM commits ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    Ok(found.unwrap_or((0, [0; 32], 0, 0)))
}

pub(super) fn insert_commit(conn: &Connection, row: &CommitRow, hash: &[u8; 32]) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO commits (id, committed_at, first_line, last_line, first_transfer, last_transfer, hash)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.id,
        row.committed_at,
        row.first_line,
        row.last_line,
        row.first_transfer,
        row.last_transfer,
        hash
    ])?;
    Ok(())
}

pub(super) fn commit_from_row(row: &Row<'_>) -> rusqlite::Result<(CommitRow, [u8; 32])> {
    let commit = CommitRow {
        id: row.get("id")?,
        committed_at: row.get("committed_at")?,
        first_line: row.get("first_line")?,
        last_line: row.get("last_line")?,
        first_transfer: row.get("first_transfer")?,
        last_transfer: row.get("last_transfer")?,
    };
    Ok((commit, row.get("hash")?))
}

pub(super) fn insert_transaction(conn: &Connection, t: &Transaction) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO transactions (id, organization_id, type, amount, balance_after, description, created_at,
                                   prev_line, grant_id, grant_terms, corrects, actor, metadata)
         VALUES (:id, :organization, :type, :amount, :balance_after, :description, :created_at,
                 :prev_line, :grant, :grant_terms, :corrects, :actor, :metadata)",
    )?
    .execute(named_params! {
        ":id": t.id,
        ":organization": t.organization,
        ":type": t.kind.name(),
        ":amount": t.amount,
        ":balance_after": t.balance_after,
        ":description": t.description,
        ":created_at": t.created_at,
        ":prev_line": t.prev_line,
        ":grant": t.grant,
        ":grant_terms": t.grant_terms,
        ":corrects": t.corrects,
        ":actor": t.actor,
        ":metadata": t.metadata,
    })?;
    Ok(())
}

/// Reads a whole row of `transactions`.
///
/// # Errors
/// When a column is missing, or the type is none that exists.
pub fn transaction_from_row(row: &Row<'_>) -> Result<Transaction, DbError> {
    let id: TransactionId = row.get("id")?;
    let kind: String = row.get("type")?;
    Ok(Transaction {
        id,
        organization: row.get("organization_id")?,
        kind: TransactionType::from_name(&kind)
            .ok_or_else(|| DbError::bad_row("transactions", id.number(), format!("type {kind}")))?,
        amount: row.get("amount")?,
        balance_after: row.get("balance_after")?,
        description: row.get("description")?,
        created_at: row.get("created_at")?,
        prev_line: row.get("prev_line")?,
        grant: row.get("grant_id")?,
        grant_terms: row.get("grant_terms")?,
        corrects: row.get("corrects")?,
        actor: row.get("actor")?,
        metadata: row.get("metadata")?,
    })
}

/// The transaction with that id, unless the line is usage or does not exist.
///
/// # Errors
/// When the database fails or the row does not make sense.
pub fn transaction_by_id(conn: &Connection, id: TransactionId) -> Result<Option<Transaction>, DbError> {
    let mut statement = conn.prepare_cached("SELECT * FROM transactions WHERE id = ?")?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(transaction_from_row).transpose()
}

/// The commit that a line was posted in. Both count upwards together, so halving finds it without an index.
///
/// # Errors
/// When the database fails.
pub fn commit_of(conn: &Connection, line: i64) -> Result<Option<Commit>, DbError> {
    let mut last_line = conn.prepare_cached("SELECT last_line FROM commits WHERE id = ?")?;
    let (mut below, mut found) = (0, last_commit(conn)?.0);
    while found - below > 1 {
        let middle = below + (found - below) / 2;
        let reached: Option<i64> = last_line.query_row([middle], |row| row.get(0)).optional()?;
        if reached.is_some_and(|reached| reached >= line) {
            found = middle;
        } else {
            below = middle;
        }
    }
    let mut statement = conn.prepare_cached(
        "SELECT id, first_transfer, last_transfer, hash FROM commits
         WHERE id = ?1 AND first_line <= ?2 AND last_line >= ?2",
    )?;
    let commit = statement.query_row([found, line], |row| {
        Ok(Commit {
            id: row.get(0)?,
            first_transfer: row.get(1)?,
            last_transfer: row.get(2)?,
            hash: row.get(3)?,
        })
    });
    Ok(commit.optional()?)
}

/// What a transaction did to the grants and the overdraft of its organization, in the order of the accounts.
///
/// # Errors
/// When the database fails.
pub fn changes_of(conn: &Connection, transaction: TransactionId) -> Result<Vec<Change>, DbError> {
    let Some(commit) = commit_of(conn, transaction.number())? else { return Ok(Vec::new()) };
    let mut statement = conn.prepare_cached(
        "SELECT a.id, sum(CASE WHEN t.credit_account_id = a.id THEN t.amount ELSE -t.amount END) AS gained
         FROM transfers t JOIN accounts a ON a.id IN (t.credit_account_id, t.debit_account_id)
         WHERE t.id BETWEEN ? AND ? AND t.transaction_id = ? AND a.organization_id IS NOT NULL
         GROUP BY a.id HAVING gained <> 0 ORDER BY a.id",
    )?;
    let rows = statement
        .query_map(params![commit.first_transfer, commit.last_transfer, transaction], |row| {
            Ok(Change { account: row.get(0)?, amount: row.get(1)? })
        })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

type Written = Result<(), DbError>;

/// Writes transfers of one commit, one by one.
pub(super) fn transfer_writer(
    conn: &Connection,
    commit: i64,
) -> Result<impl FnMut(i64, Option<TransactionId>, Move) -> Written, DbError> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO transfers (id, commit_id, transaction_id, debit_account_id, credit_account_id, amount)
         VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    Ok(move |id, transaction, m: Move| {
        statement.execute(params![id, commit, transaction, m.debit, m.credit, m.amount])?;
        Ok(())
    })
}

/// Adds transfers of money to the sums of a day, one by one.
pub(super) fn money_day_writer(conn: &Connection, day: Day) -> Result<impl FnMut(Move) -> Written, DbError> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO money_days (day, debit_account_id, credit_account_id, amount) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
    )?;
    Ok(move |m: Move| {
        statement.execute(params![day, m.debit, m.credit, m.amount])?;
        Ok(())
    })
}

/// The account counts minor units, not micro-credits.
pub(super) fn is_money(conn: &Connection, account: AccountId) -> Result<bool, DbError> {
    Ok(conn
        .prepare_cached("SELECT ledger <> 'credits' FROM accounts WHERE id = ?")?
        .query_row([account], |row| row.get(0))?)
}

/// Money that moved between two kinds of account, before a period or within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyMoved {
    /// Of what.
    pub currency: Currency,
    /// The kind of account that gave; see [`AccountKind::name`].
    pub debit: String,
    /// The kind of account that received.
    pub credit: String,
    /// Before the period, not within it.
    pub before: bool,
    /// Minor units.
    pub minor: i64,
}

/// All money that came to an account of a kind, or left it, until the day before `to`, added up before `from` and since. Days are
/// UTC.
///
/// # Errors
/// When the database fails.
pub fn money_moved(
    conn: &Connection,
    kind: AccountKind,
    from: Day,
    to: Day,
) -> Result<Vec<MoneyMoved>, DbError> {
    let query = "
        SELECT d.ledger, d.kind, c.kind, m.day < ?2, sum(m.amount) FROM money_days m
        JOIN accounts d ON d.id = m.debit_account_id JOIN accounts c ON c.id = m.credit_account_id
        WHERE m.day < ?3 AND (d.kind = ?1 OR c.kind = ?1) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";
    crate::db::collect(conn, query, params![kind.name(), from, to], |row| {
        Ok(MoneyMoved {
            currency: row.get(0)?,
            debit: row.get(1)?,
            credit: row.get(2)?,
            before: row.get(3)?,
            minor: row.get(4)?,
        })
    })
}

/// Days whose sums are not those of the transfers.
pub(super) const MONEY_DAYS: &str = "
    WITH moved AS (
        SELECT c.committed_at / 86400000 AS day, t.debit_account_id, t.credit_account_id, sum(t.amount) AS amount
        FROM transfers t JOIN commits c ON c.id = t.commit_id
        WHERE t.debit_account_id IN (SELECT id FROM accounts WHERE ledger <> 'credits') GROUP BY 1, 2, 3)
    SELECT day, 'has sums of money that its transfers do not come to' FROM (
        SELECT * FROM (SELECT * FROM moved EXCEPT SELECT * FROM money_days)
        UNION ALL SELECT * FROM (SELECT * FROM money_days EXCEPT SELECT * FROM moved))
    ORDER BY day LIMIT 1";

/// Notes how much of an account holds have set aside.
///
/// # Errors
/// When the database fails or there is no such account.
pub fn set_pending(conn: &Connection, account: AccountId, held: Credits) -> Result<(), DbError> {
    let changed = conn
        .prepare_cached("UPDATE accounts SET debits_pending = ? WHERE id = ?")?
        .execute(params![held, account])?;
    if changed == 1 { Ok(()) } else { Err(DbError::bad_row("accounts", account.number(), "does not exist")) }
}

/// Adds debits and credits to accounts, one by one.
pub(super) fn account_writer(
    conn: &Connection,
) -> Result<impl FnMut(AccountId, i64, i64) -> Result<(), DbError>, DbError> {
    let mut statement = conn.prepare_cached(
        "UPDATE accounts SET debits_posted = debits_posted + ?, credits_posted = credits_posted + ?
         WHERE id = ?",
    )?;
    Ok(move |account: AccountId, debits, credits| {
        let changed = statement.execute(params![debits, credits, account])?;
        if changed == 1 {
            Ok(())
        } else {
            Err(DbError::bad_row("accounts", account.number(), "does not exist"))
        }
    })
}

/// The account of that meaning, made when it is first needed. Not for grants, which have one each.
///
/// # Errors
/// When the database fails.
pub fn ensure_account(conn: &Connection, book: Book, kind: AccountKind) -> Result<AccountId, DbError> {
    let (organization, meter) = match kind {
        AccountKind::Overdraft(organization) => (Some(organization), None),
        AccountKind::Usage(meter) => (None, Some(meter)),
        _ => (None, None),
    };
    let found = conn
        .prepare_cached(
            "SELECT id FROM accounts WHERE ledger = ? AND kind = ? AND ifnull(organization_id, 0) = ifnull(?, 0)
             AND ifnull(meter_id, 0) = ifnull(?, 0) AND kind <> 'grant'",
        )?
        .query_row(params![book.name(), kind.name(), organization, meter], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    conn.prepare_cached(
        "INSERT INTO accounts (ledger, kind, organization_id, meter_id) VALUES (?, ?, ?, ?)",
    )?
    .execute(params![book.name(), kind.name(), organization, meter])?;
    Ok(AccountId::new(conn.last_insert_rowid()))
}

/// A new account for a new grant.
///
/// # Errors
/// When the database fails.
pub fn new_grant_account(
    conn: &Connection,
    organization: crate::base::id::OrganizationId,
) -> Result<AccountId, DbError> {
    conn.prepare_cached(
        "INSERT INTO accounts (ledger, kind, organization_id) VALUES ('credits', 'grant', ?)",
    )?
    .execute([organization])?;
    Ok(AccountId::new(conn.last_insert_rowid()))
}

/// Credits less debits of an account: what a grant has left, what a sink has received.
///
/// # Errors
/// When the database fails or the account does not exist.
pub fn account_balance(conn: &Connection, account: AccountId) -> Result<i64, DbError> {
    Ok(conn
        .prepare_cached("SELECT credits_posted - debits_posted FROM accounts WHERE id = ?")?
        .query_row([account], |row| row.get(0))?)
}

/// Transfers whose two accounts belong to different ledgers.
pub(super) const MIXED_LEDGERS: &str = "
    SELECT t.id, 'moves between two ledgers' FROM transfers t
    JOIN accounts d ON d.id = t.debit_account_id JOIN accounts c ON c.id = t.credit_account_id
    WHERE d.ledger <> c.ledger ORDER BY t.id LIMIT 1";

/// Transfers between an account and the sinks of usage, added up; what came back is deducted.
pub(super) const MOVED_FOR_USAGE: &str = "
    SELECT account, meter, sum(amount) FROM (
        SELECT t.debit_account_id AS account, c.meter_id AS meter, t.amount FROM transfers t
        JOIN accounts c ON c.id = t.credit_account_id AND c.kind = 'usage'
        UNION ALL
        SELECT t.credit_account_id, d.meter_id, -t.amount FROM transfers t
        JOIN accounts d ON d.id = t.debit_account_id AND d.kind = 'usage')
    GROUP BY account, meter HAVING sum(amount) <> 0";

/// One stored transfer.
pub(super) struct TransferRow {
    pub id: i64,
    pub commit: i64,
    pub transaction: Option<TransactionId>,
    pub movement: Move,
}

pub(super) fn transfer_from_row(row: &Row<'_>) -> Result<TransferRow, DbError> {
    Ok(TransferRow {
        id: row.get("id")?,
        commit: row.get("commit_id")?,
        transaction: row.get("transaction_id")?,
        movement: Move {
            debit: row.get("debit_account_id")?,
            credit: row.get("credit_account_id")?,
            amount: row.get("amount")?,
        },
    })
}

/// One stored account.
pub(super) struct AccountRow {
    pub id: AccountId,
    pub ledger: String,
    pub debits: i64,
    pub credits: i64,
}

pub(super) fn each_account(
    conn: &Connection,
    mut f: impl FnMut(AccountRow) -> Result<(), DbError>,
) -> Result<(), DbError> {
    let mut statement =
        conn.prepare("SELECT id, ledger, debits_posted, credits_posted FROM accounts ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        f(AccountRow { id: row.get(0)?, ledger: row.get(1)?, debits: row.get(2)?, credits: row.get(3)? })?;
    }
    Ok(())
}
