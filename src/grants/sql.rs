//! Statements of grants.

use rusqlite::{Connection, Row, named_params, params};

use super::notices::Span;
use super::rules::{Class, DrawOrder, Terms};
use crate::base::id::{GrantId, MeterId, OrganizationId, TransactionId};
use crate::base::{Credits, Money, Timestamp};
use crate::db::{self, DbError};
use crate::events::payload::Credit;
use crate::ledger::Canon;
use crate::ledger::verify::VerifyError;

/// The source of credit that came back when the overdraft it had gone to was repaid already.
pub const REVERSAL: &str = "reversal";

/// A grant with what remains of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// Its id, which is also its account's.
    pub id: GrantId,
    /// Whose.
    pub organization: OrganizationId,
    /// Turn, expiry, restriction.
    pub terms: Terms,
    /// What was received.
    pub original: Credits,
    /// What remains.
    pub remaining: Credits,
    /// What holds have set aside of it.
    pub held: Credits,
    /// What has moved to expiry.
    pub expired: Credits,
    /// The money paid for it.
    pub cost: Option<Money>,
    /// Where it came from: `welcome`, `operator`, … or [`REVERSAL`].
    pub source: String,
    /// The transaction that made it.
    pub transaction: TransactionId,
    /// False once nothing can be drawn from it any more.
    pub open: bool,
}

impl GrantRow {
    /// A hash of all that stays as it was when the credit was received. The transaction that made the grant carries it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let order = &self.terms.order;
        let mut canon = Canon::new();
        canon
            .int(self.id.number())
            .int(self.organization.number())
            .text(order.class.name())
            .int(self.original.micros())
            .maybe_int(order.priority)
            .maybe_int(order.expires_at.map(Timestamp::millis))
            .int(order.created_at.millis())
            .text(&self.source)
            .maybe_int(self.cost.map(|cost| cost.minor))
            .maybe_text(self.cost.as_ref().map(|cost| cost.currency.code()))
            .tag(u8::from(self.terms.meters.is_some()));
        for meter in self.terms.meters.iter().flatten() {
            canon.int(meter.number());
        }
        blake3::hash(canon.bytes()).into()
    }
}

/// With its columns in the order that [`from_row`] reads them in: looking names up costs more than the rest.
const SELECT: &str = "
    SELECT g.account_id, g.organization_id, g.class, g.original, g.priority, g.expires_at, g.meters, g.cost_minor,
           g.cost_currency, g.source, g.transaction_id, g.created_at, g.expired, g.open,
           a.credits_posted - a.debits_posted, a.debits_pending
    FROM grants g JOIN accounts a ON a.id = g.account_id";

fn from_row(row: &Row<'_>) -> Result<GrantRow, DbError> {
    let id: GrantId = row.get(0)?;
    let bad = |what: &str| DbError::bad_row("grants", id.number(), what);
    let class = Class::from_name(row.get_ref(2)?.as_str().map_err(|_| bad("class"))?);
    let meters: Option<String> = row.get(6)?;
    let meters = meters
        .map(|text| serde_json::from_str::<Vec<i64>>(&text))
        .transpose()
        .map_err(|_| bad("meters"))?
        .map(|numbers| numbers.into_iter().map(MeterId::new).collect());
    let cost = match (row.get::<_, Option<i64>>(7)?, row.get(8)?) {
        (Some(minor), Some(currency)) => Some(Money { minor, currency }),
        (None, None) => None,
        _ => return Err(bad("cost without a currency")),
    };
    Ok(GrantRow {
        id,
        organization: row.get(1)?,
        terms: Terms {
            order: DrawOrder {
                class: class.ok_or_else(|| bad("class"))?,
                priority: row.get(4)?,
                expires_at: row.get(5)?,
                created_at: row.get(11)?,
                id,
            },
            meters,
        },
        original: row.get(3)?,
        remaining: row.get(14)?,
        held: row.get(15)?,
        expired: row.get(12)?,
        cost,
        source: row.get(9)?,
        transaction: row.get(10)?,
        open: row.get(13)?,
    })
}

fn collect(conn: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<GrantRow>, DbError> {
    db::collect(conn, &format!("{SELECT} {tail}"), params, from_row)
}

/// The organization's grants that something can still be drawn from, in draw order.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn open_of(conn: &Connection, organization: OrganizationId) -> Result<Vec<GrantRow>, DbError> {
    let mut found = collect(conn, "WHERE g.organization_id = ? AND g.open = 1", [organization])?;
    found.sort_by_key(|grant| grant.terms.order);
    Ok(found)
}

/// Up to `limit` of the organization's grants, open or not, newest first, older than `before`.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn all_of(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<GrantId>,
    limit: u32,
) -> Result<Vec<GrantRow>, DbError> {
    collect(
        conn,
        "WHERE g.organization_id = ? AND g.account_id < ? ORDER BY g.account_id DESC LIMIT ?",
        params![organization, before.map_or(i64::MAX, GrantId::number), limit],
    )
}

/// One grant.
///
/// # Errors
/// When the database fails or the row does not make sense.
pub fn get(conn: &Connection, id: GrantId) -> Result<Option<GrantRow>, DbError> {
    Ok(collect(conn, "WHERE g.account_id = ?", [id])?.pop())
}

/// Up to `limit` open grants that have something to expire: a rest that no hold pins, or a grace period of
/// `grace_ms` that is over; since when, and which. Soonest first, after one.
///
/// # Errors
/// When the database fails.
pub fn expiring(
    conn: &Connection,
    now: Timestamp,
    grace_ms: i64,
    after: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<(Timestamp, i64)>, DbError> {
    let (after, after_id) = after.unwrap_or((Timestamp::from_millis(i64::MIN), 0));
    let mut statement = conn.prepare_cached(
        "SELECT due, id FROM (
             SELECT g.account_id AS id,
                    CASE WHEN a.credits_posted - a.debits_posted > a.debits_pending THEN g.expires_at
                         ELSE g.expires_at + ?2 END AS due
             FROM grants g JOIN accounts a ON a.id = g.account_id
             WHERE g.open = 1 AND g.expires_at IS NOT NULL AND g.expires_at <= ?1
               AND (a.credits_posted - a.debits_posted > a.debits_pending
                    OR (g.expires_at <= ?1 - ?2 AND a.debits_pending = 0)))
         WHERE (due, id) > (?3, ?4) ORDER BY due, id LIMIT ?5",
    )?;
    let rows = statement
        .query_map(params![now, grace_ms, after, after_id, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the next open grant expires after `now`.
///
/// # Errors
/// When the database fails.
pub fn next_expiry(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    let select =
        "SELECT min(expires_at) FROM grants WHERE open = 1 AND expires_at IS NOT NULL AND expires_at > ?";
    Ok(conn.prepare_cached(select)?.query_row([now], |row| row.get(0))?)
}

/// Up to when it was told that grants expire in so many days.
pub(super) fn notice_reached(conn: &Connection, days: i64) -> Result<Timestamp, DbError> {
    let select = "SELECT ifnull(max(reached), 0) FROM expiry_notices WHERE days = ?";
    Ok(conn.prepare_cached(select)?.query_row([days], |row| row.get(0))?)
}

pub(super) fn set_notice_reached(conn: &Connection, days: i64, reached: Timestamp) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO expiry_notices (days, reached) VALUES (?1, ?2) ON CONFLICT (days) DO UPDATE SET reached = ?2",
    )?
    .execute(params![days, reached])?;
    Ok(())
}

/// What is told of: something is left, and it was given before it would have been told of.
const TO_TELL: &str = "
    FROM grants g JOIN accounts a ON a.id = g.account_id
    WHERE g.open = 1 AND g.expires_at IS NOT NULL AND g.expires_at > ? AND g.expires_at <= ?
      AND g.created_at < g.expires_at - ? AND a.credits_posted > a.debits_posted";

/// When the `limit`th of the grants to tell of expires; none where there are fewer.
pub(super) fn nth_to_tell(conn: &Connection, span: &Span, limit: u32) -> Result<Option<Timestamp>, DbError> {
    let select = format!("SELECT g.expires_at {TO_TELL} ORDER BY g.expires_at LIMIT 1 OFFSET ?");
    let params = params![span.after, span.until, span.before_ms, limit.saturating_sub(1)];
    Ok(db::collect(conn, &select, params, |row| Ok(row.get(0)?))?.pop())
}

/// The grants to tell of, with what is left of them.
pub(super) fn to_tell(conn: &Connection, span: &Span) -> Result<Vec<(OrganizationId, Credit)>, DbError> {
    let select = format!(
        "SELECT g.organization_id, g.account_id, g.class, a.credits_posted - a.debits_posted, g.expires_at {TO_TELL}
         ORDER BY g.expires_at, g.account_id"
    );
    db::collect(conn, &select, params![span.after, span.until, span.before_ms], |row| {
        let credit = Credit {
            grant_id: row.get(1)?,
            class: row.get(2)?,
            credits: row.get(3)?,
            expires_at: row.get(4)?,
        };
        Ok((row.get(0)?, credit))
    })
}

/// Calls `f` with every grant, oldest first.
///
/// # Errors
/// When the database fails, a row does not make sense, or `f` fails.
pub(super) fn each(
    conn: &Connection,
    mut f: impl FnMut(&GrantRow) -> Result<(), VerifyError>,
) -> Result<(), VerifyError> {
    let mut statement = conn.prepare(&format!("{SELECT} ORDER BY g.account_id"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        f(&from_row(row)?)?;
    }
    Ok(())
}

/// Stores a new grant; its account exists already.
///
/// # Errors
/// When the database fails.
pub fn insert(conn: &Connection, grant: &GrantRow) -> Result<(), DbError> {
    let meters = grant
        .terms
        .meters
        .as_ref()
        .map(|meters| serde_json::to_string(&meters.iter().map(|m| m.number()).collect::<Vec<_>>()))
        .transpose()
        .map_err(|e| DbError::Commit(e.to_string()))?;
    conn.prepare_cached(
        "INSERT INTO grants (account_id, organization_id, class, original, priority, expires_at, meters,
                             cost_minor, cost_currency, source, transaction_id, created_at)
         VALUES (:id, :organization, :class, :original, :priority, :expires_at, :meters,
                 :cost_minor, :cost_currency, :source, :transaction, :created_at)",
    )?
    .execute(named_params! {
        ":id": grant.id,
        ":organization": grant.organization,
        ":class": grant.terms.order.class.name(),
        ":original": grant.original,
        ":priority": grant.terms.order.priority,
        ":expires_at": grant.terms.order.expires_at,
        ":meters": meters,
        ":cost_minor": grant.cost.map(|c| c.minor),
        ":cost_currency": grant.cost.map(|c| c.currency),
        ":source": grant.source,
        ":transaction": grant.transaction,
        ":created_at": grant.terms.order.created_at,
    })?;
    Ok(())
}

/// Nothing can be drawn from it any more.
///
/// # Errors
/// When the database fails.
pub fn close(conn: &Connection, id: GrantId) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE grants SET open = 0 WHERE account_id = ?")?.execute([id])?;
    Ok(())
}

/// Credit has come back to it: what was paid for it has to be looked at again.
///
/// # Errors
/// When the database fails.
pub fn reopen(conn: &Connection, id: GrantId) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE grants SET open = 1, settled = 0 WHERE account_id = ?")?.execute([id])?;
    Ok(())
}

/// Adds to how much of it was taken back, refunded, clawed back or sent on. Call it with every transfer that takes credit out
/// of a grant other than for usage, to the overdraft or to expiry: what is not in here and has not expired was used.
///
/// # Errors
/// When the database fails.
pub fn add_withdrawn(conn: &Connection, id: GrantId, amount: Credits) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE grants SET withdrawn = withdrawn + ? WHERE account_id = ?")?
        .execute(params![amount, id])?;
    Ok(())
}

/// Records how much of it has moved to expiry.
///
/// # Errors
/// When the database fails.
pub fn set_expired(conn: &Connection, id: GrantId, expired: Credits) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE grants SET expired = ? WHERE account_id = ?")?
        .execute(params![expired, id])?;
    Ok(())
}
