//! Statements of what was earned.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fees::Fee;
use super::{Credit, Paid, Posted};
use crate::base::id::{GrantId, OrganizationId, PaymentId};
use crate::base::{Day, Money, Timestamp};
use crate::db::{self, DbError};

/// How far the daily run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// The UTC day on which it was last finished.
    pub done: Option<Day>,
    /// The grant that an unfinished one has come to.
    pub reached: Option<GrantId>,
}

pub(super) fn run(conn: &Connection) -> Result<Run, DbError> {
    let found = conn
        .prepare_cached("SELECT done, nullif(reached, 0) FROM revenue_run")?
        .query_row([], |row| Ok(Run { done: row.get(0)?, reached: row.get(1)? }));
    Ok(found.optional()?.unwrap_or_default())
}

pub(super) fn set_run(conn: &Connection, run: Run) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO revenue_run (id, done, reached) VALUES (1, ?, ifnull(?, 0))",
    )?
    .execute(params![run.done, run.reached])?;
    Ok(())
}

/// With its columns in the order that [`from_row`] reads them in.
const SELECT: &str = "
    SELECT g.account_id, g.cost_minor, g.cost_currency, g.original, g.expired, g.withdrawn, g.open,
           g.original - (a.credits_posted - a.debits_posted), ifnull(m.gone, 0), ifnull(m.consumed, 0), ifnull(m.earned, 0),
           ifnull(m.breakage, 0), ifnull(m.returned, 0), g.settled
    FROM grants g JOIN accounts a ON a.id = g.account_id LEFT JOIN grant_money m ON m.grant_id = g.account_id";

fn from_row(row: &Row<'_>) -> Result<Paid, DbError> {
    let (gone, expired, withdrawn): (i64, i64, i64) = (row.get(7)?, row.get(4)?, row.get(5)?);
    let credit = Credit { gone, consumed: gone.saturating_sub(expired).saturating_sub(withdrawn) };
    Ok(Paid {
        grant: row.get(0)?,
        cost: Money { minor: row.get(1)?, currency: row.get(2)? },
        original: row.get(3)?,
        credit,
        open: row.get(6)?,
        posted: Posted {
            credit: Credit { gone: row.get(8)?, consumed: row.get(9)? },
            earned: row.get(10)?,
            breakage: row.get(11)?,
            returned: row.get(12)?,
        },
    })
}

/// Up to `limit` grants that were paid for and may have moved since they were last looked at, after `reached`: those that are open,
/// and those that were closed since. All others are not in the index.
pub(super) fn to_settle(
    conn: &Connection,
    reached: Option<GrantId>,
    limit: u32,
) -> Result<Vec<Paid>, DbError> {
    let query = format!(
        "{SELECT} WHERE g.cost_minor > 0 AND g.settled = 0 AND g.account_id > ifnull(?, 0)
         ORDER BY g.account_id LIMIT ?"
    );
    db::collect(conn, &query, params![reached, limit], from_row)
}

/// One grant, where something was paid for it.
pub(super) fn paid(conn: &Connection, grant: GrantId) -> Result<Option<Paid>, DbError> {
    let query = format!("{SELECT} WHERE g.cost_minor > 0 AND g.account_id = ?");
    Ok(db::collect(conn, &query, [grant], from_row)?.pop())
}

/// Calls `f` with every grant that was paid for, and whether nothing more is expected of it.
pub(super) fn each<E: From<DbError>>(
    conn: &Connection,
    mut f: impl FnMut(&Paid, bool) -> Result<(), E>,
) -> Result<(), E> {
    let query = format!("{SELECT} WHERE g.cost_minor > 0 ORDER BY g.account_id");
    for (paid, settled) in db::collect(conn, &query, [], |row| Ok((from_row(row)?, row.get(13)?)))? {
        f(&paid, settled)?;
    }
    Ok(())
}

pub(super) fn set_posted(conn: &Connection, grant: GrantId, posted: Posted) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO grant_money (grant_id, gone, consumed, earned, breakage, returned)
         VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        grant,
        posted.credit.gone,
        posted.credit.consumed,
        posted.earned,
        posted.breakage,
        posted.returned
    ])?;
    Ok(())
}

pub(super) fn set_settled(conn: &Connection, grant: GrantId) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE grants SET settled = 1 WHERE account_id = ?")?.execute([grant])?;
    Ok(())
}

const FEE: &str =
    "SELECT payment_id, net_minor, currency, starts_at, ends_at, earned, returned, earned_at FROM fees";

fn fee_row(row: &Row<'_>) -> Result<Fee, DbError> {
    let (starts, ends): (Option<Timestamp>, Option<Timestamp>) = (row.get(3)?, row.get(4)?);
    Ok(Fee {
        payment: row.get(0)?,
        net: Money { minor: row.get(1)?, currency: row.get(2)? },
        time: starts.zip(ends),
        earned: row.get(5)?,
        returned: row.get(6)?,
        earned_at: row.get(7)?,
    })
}

pub(super) fn insert_fee(
    conn: &Connection,
    payment: PaymentId,
    organization: OrganizationId,
    net: Money,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO fees (payment_id, organization_id, currency, net_minor, earned_at) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![payment, organization, net.currency, net.minor, now])?;
    Ok(())
}

pub(super) fn place_fee(
    conn: &Connection,
    payment: PaymentId,
    from: Timestamp,
    to: Timestamp,
) -> Result<(), DbError> {
    let statement = "UPDATE fees SET starts_at = ?1, ends_at = ?2, earned_at = min(earned_at, ?1)
                     WHERE payment_id = ?3 AND starts_at IS NULL";
    conn.prepare_cached(statement)?.execute(params![from, to, payment])?;
    Ok(())
}

pub(super) fn fee(conn: &Connection, payment: PaymentId) -> Result<Option<Fee>, DbError> {
    Ok(db::collect(conn, &format!("{FEE} WHERE payment_id = ?"), [payment], fee_row)?.pop())
}

/// Fees that are not earned to the end and were looked at before a time, the oldest of them first.
pub(super) fn fees_to_earn(conn: &Connection, before: Timestamp, limit: u32) -> Result<Vec<Fee>, DbError> {
    let tail = "WHERE open = 1 AND starts_at IS NOT NULL AND earned_at < ? ORDER BY earned_at LIMIT ?";
    db::collect(conn, &format!("{FEE} {tail}"), params![before, limit], fee_row)
}

/// The grant that [`to_settle`] begins with, without looking at what is in it.
pub(super) fn next_to_settle(
    conn: &Connection,
    reached: Option<GrantId>,
) -> Result<Option<GrantId>, DbError> {
    let query =
        "SELECT account_id FROM grants WHERE cost_minor > 0 AND settled = 0 AND account_id > ifnull(?, 0)
         ORDER BY account_id LIMIT 1";
    Ok(conn.prepare_cached(query)?.query_row([reached], |row| row.get(0)).optional()?)
}

/// Has the fee that [`fees_to_earn`] begins with count as looked at.
pub(super) fn put_off_fee(
    conn: &Connection,
    before: Timestamp,
    now: Timestamp,
) -> Result<Option<PaymentId>, DbError> {
    let statement = "UPDATE fees SET earned_at = ? WHERE payment_id = (
             SELECT payment_id FROM fees WHERE open = 1 AND starts_at IS NOT NULL AND earned_at < ?
             ORDER BY earned_at LIMIT 1)
         RETURNING payment_id";
    Ok(conn.prepare_cached(statement)?.query_row(params![now, before], |row| row.get(0)).optional()?)
}

pub(super) fn set_fee(conn: &Connection, fee: &Fee) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE fees SET earned = ?, returned = ?, earned_at = ?, open = ? WHERE payment_id = ?",
    )?
    .execute(params![fee.earned, fee.returned, fee.earned_at, fee.deferred().minor > 0, fee.payment])?;
    Ok(())
}

/// Calls `f` with every fee.
pub(super) fn each_fee<E: From<DbError>>(
    conn: &Connection,
    f: impl FnMut(Fee) -> Result<(), E>,
) -> Result<(), E> {
    db::collect(conn, &format!("{FEE} ORDER BY payment_id"), [], fee_row)?.into_iter().try_for_each(f)
}

/// Queries for money that does not fit, by table: each answers a row and what is wrong with it, and should answer nothing.
pub(super) const MISFITS: [(&str, &str); 3] = [
    (
        "grant_money",
        "SELECT m.grant_id, 'is about credit that nothing was paid for' FROM grant_money m
         LEFT JOIN grants g ON g.account_id = m.grant_id WHERE ifnull(g.cost_minor, 0) <= 0 ORDER BY 1 LIMIT 1",
    ),
    (
        "grants",
        "SELECT account_id, 'is settled, though something can be drawn from it or nothing was paid for it'
         FROM grants WHERE settled <> 0 AND (open = 1 OR ifnull(cost_minor, 0) <= 0) ORDER BY 1 LIMIT 1",
    ),
    // what came in for credit and has not left for any of the three reasons is deferred
    (
        "accounts",
        "WITH each AS (
             SELECT g.cost_currency AS ledger, m.earned, m.breakage,
                    g.cost_minor - ifnull(m.earned + m.breakage + m.returned, 0) AS deferred
             FROM grants g LEFT JOIN grant_money m ON m.grant_id = g.account_id WHERE g.cost_minor > 0
             UNION ALL SELECT currency, earned, 0, net_minor - earned - returned FROM fees),
         posted AS (
             SELECT ledger, sum(earned) AS earned, sum(breakage) AS breakage, sum(deferred) AS deferred FROM each
             GROUP BY 1),
         held AS (
             SELECT id, ledger, kind, credits_posted - debits_posted AS minor FROM accounts
             WHERE kind IN ('revenue', 'breakage', 'deferred_revenue'))
         SELECT h.id, 'holds ' || h.minor || ' of ' || h.kind || ', which is not what its grants and fees come to' FROM held h
         LEFT JOIN posted p ON p.ledger = h.ledger
         WHERE h.minor <> ifnull(
             CASE h.kind WHEN 'revenue' THEN p.earned WHEN 'breakage' THEN p.breakage ELSE p.deferred END, 0)
         ORDER BY 1 LIMIT 1",
    ),
];
