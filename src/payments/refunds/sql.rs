//! Statements of refunds.

use rusqlite::{Connection, Row, named_params, params};

use super::Refund;
use super::rules::{Reason, State, Taken};
use crate::base::id::{GrantId, InvoiceId, OrganizationId, PaymentId, RefundId};
use crate::base::{Currency, Money, Timestamp};
use crate::db::{self, DbError};

const SELECT: &str = "SELECT id, organization_id, payment_id, gateway, currency, total_minor, net_minor, tax_minor,
    unused_minor, credits, bonus, reason, note, actor, created_at, state, reference, ended_at, why, credit_note_id,
    decided_at FROM refunds";

fn from_row(row: &Row<'_>) -> Result<Refund, DbError> {
    let id: RefundId = row.get(0)?;
    let bad = |what: &str| DbError::bad_row("refunds", id.number(), what);
    let currency: Currency = row.get(4)?;
    let money = |minor| Money { minor, currency };
    let reason: String = row.get(11)?;
    let (net, tax, unused) = (row.get(6)?, row.get(7)?, row.get(8)?);
    let (credits, bonus) = (row.get(9)?, row.get(10)?);
    let taken = match (net, tax, unused, credits, bonus) {
        (Some(net), Some(tax), Some(unused), Some(credits), Some(bonus)) => {
            Some(Taken { net: money(net), tax: money(tax), unused: money(unused), credits, bonus })
        }
        _ => None,
    };
    Ok(Refund {
        id,
        organization: row.get(1)?,
        payment: row.get(2)?,
        gateway: row.get(3)?,
        total: money(row.get(5)?),
        taken,
        reason: Reason::from_name(&reason).ok_or_else(|| bad("reason"))?,
        note: row.get(12)?,
        actor: row.get(13)?,
        created_at: row.get(14)?,
        decided_at: row.get(20)?,
        state: state(row)?.ok_or_else(|| bad("state"))?,
    })
}

fn state(row: &Row<'_>) -> Result<Option<State>, DbError> {
    let reference: Option<String> = row.get(16)?;
    let ended_at: Option<Timestamp> = row.get(17)?;
    let why: Option<String> = row.get(18)?;
    let credit_note: Option<InvoiceId> = row.get(19)?;
    Ok(match row.get_ref(15)?.as_str().unwrap_or_default() {
        "requested" => Some(State::Requested),
        "declined" => ended_at.map(|at| State::Declined { at }),
        "pending" => Some(State::Pending { reference }),
        "succeeded" => match (reference, ended_at, credit_note) {
            (Some(reference), Some(at), Some(credit_note)) => {
                Some(State::Succeeded { reference, at, credit_note })
            }
            _ => None,
        },
        "failed" => ended_at.zip(why).map(|(at, why)| State::Failed { at, why }),
        _ => None,
    })
}

fn one(conn: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Option<Refund>, DbError> {
    let mut statement = conn.prepare_cached(&format!("{SELECT} {tail}"))?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(from_row).transpose()
}

pub(super) fn get(conn: &Connection, id: RefundId) -> Result<Option<Refund>, DbError> {
    one(conn, "WHERE id = ?", [id])
}

pub(super) fn by_reference(
    conn: &Connection,
    gateway: &str,
    reference: &str,
) -> Result<Option<Refund>, DbError> {
    one(conn, "WHERE gateway = ? AND reference = ?", [gateway, reference])
}

/// The cost of credit that was sent from a grant to other organizations, in minor units.
pub(super) fn sent_on(conn: &Connection, grant: GrantId) -> Result<i64, DbError> {
    let statement = "SELECT ifnull(sum(g.cost_minor), 0) FROM credit_transfers t
        JOIN grants g ON g.account_id = t.grant_id WHERE t.source_grant_id = ?";
    Ok(conn.prepare_cached(statement)?.query_row([grant], |row| row.get(0))?)
}

pub(super) fn is_requested(conn: &Connection, payment: PaymentId) -> Result<bool, DbError> {
    let statement = "SELECT EXISTS (SELECT 1 FROM refunds WHERE payment_id = ? AND state = 'requested')";
    Ok(conn.prepare_cached(statement)?.query_row([payment], |row| row.get(0))?)
}

pub(super) fn list(
    conn: &Connection,
    organization: Option<OrganizationId>,
    before: Option<RefundId>,
    limit: u32,
) -> Result<Vec<Refund>, DbError> {
    let (tail, whose) = match organization {
        Some(whose) => ("organization_id = ?1", whose.number()),
        None => ("?1 = 0", 0),
    };
    let query = format!("{SELECT} WHERE {tail} AND id < ?2 ORDER BY id DESC LIMIT ?3");
    db::collect(conn, &query, params![whose, before.map_or(i64::MAX, RefundId::number), limit], from_row)
}

pub(super) fn of_payment(conn: &Connection, payment: PaymentId) -> Result<Vec<Refund>, DbError> {
    db::collect(conn, &format!("{SELECT} WHERE payment_id = ? ORDER BY id"), [payment], from_row)
}

pub(super) fn requested(conn: &Connection, limit: u32) -> Result<Vec<Refund>, DbError> {
    db::collect(conn, &format!("{SELECT} WHERE state = 'requested' ORDER BY id LIMIT ?"), [limit], from_row)
}

/// Those decided before a time that have no name at the provider.
pub(super) fn undone(conn: &Connection, before: Timestamp, limit: u32) -> Result<Vec<Refund>, DbError> {
    let tail = "WHERE state = 'pending' AND reference IS NULL AND decided_at < ? ORDER BY id LIMIT ?";
    db::collect(conn, &format!("{SELECT} {tail}"), params![before, limit], from_row)
}

/// What refunds of a payment have been decided and are not done, in minor units.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UnderWay {
    pub net: i64,
    pub tax: i64,
    pub unused: i64,
    /// A refund that was decided, done or not, has dealt with the bonus.
    pub bonus_settled: bool,
}

pub(super) fn under_way(conn: &Connection, payment: PaymentId) -> Result<UnderWay, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT ifnull(sum(net_minor) FILTER (WHERE state = 'pending'), 0),
                ifnull(sum(tax_minor) FILTER (WHERE state = 'pending'), 0),
                ifnull(sum(unused_minor) FILTER (WHERE state = 'pending'), 0),
                ifnull(max(reason IN ('unused', 'duplicate', 'elsewhere')), 0)
         FROM refunds WHERE payment_id = ? AND state IN ('pending', 'succeeded')",
    )?;
    Ok(statement.query_row([payment], |row| {
        Ok(UnderWay { net: row.get(0)?, tax: row.get(1)?, unused: row.get(2)?, bonus_settled: row.get(3)? })
    })?)
}

/// The id of the next refund: its credit is set aside under it.
pub(super) fn next_id(conn: &Connection) -> Result<RefundId, DbError> {
    let statement = "SELECT ifnull(max(id), 0) + 1 FROM refunds";
    Ok(conn.prepare_cached(statement)?.query_row([], |row| row.get(0))?)
}

pub(super) fn insert(conn: &Connection, refund: &Refund) -> Result<(), DbError> {
    let taken = refund.taken.as_ref();
    conn.prepare_cached(
        "INSERT INTO refunds (id, organization_id, payment_id, gateway, currency, total_minor, net_minor, tax_minor,
                              unused_minor, credits, bonus, reason, note, actor, created_at, state)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        refund.id,
        refund.organization,
        refund.payment,
        refund.gateway,
        refund.total.currency,
        refund.total.minor,
        taken.map(|taken| taken.net.minor),
        taken.map(|taken| taken.tax.minor),
        taken.map(|taken| taken.unused.minor),
        taken.map(|taken| taken.credits),
        taken.map(|taken| taken.bonus),
        refund.reason.name(),
        refund.note,
        refund.actor,
        refund.created_at,
        refund.state.name(),
    ])?;
    Ok(())
}

pub(super) fn set_taken(
    conn: &Connection,
    id: RefundId,
    total: Money,
    taken: &Taken,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE refunds SET total_minor = ?, net_minor = ?, tax_minor = ?, unused_minor = ?, credits = ?, bonus = ?,
             decided_at = ?
         WHERE id = ?",
    )?
    .execute(params![
        total.minor,
        taken.net.minor,
        taken.tax.minor,
        taken.unused.minor,
        taken.credits,
        taken.bonus,
        now,
        id
    ])?;
    Ok(())
}

pub(super) fn set_state(
    conn: &Connection,
    id: RefundId,
    state: &State,
    ask_at: Option<Timestamp>,
) -> Result<(), DbError> {
    let (mut named, mut ended_at, mut reason, mut credit_note) = (None, None, None, None);
    match state {
        State::Requested => {}
        State::Declined { at } => ended_at = Some(*at),
        State::Pending { reference } => named = reference.as_deref(),
        State::Succeeded { reference, at, credit_note: note } => {
            (named, ended_at, credit_note) = (Some(reference.as_str()), Some(*at), Some(*note));
        }
        State::Failed { at, why } => (ended_at, reason) = (Some(*at), Some(why)),
    }
    conn.prepare_cached(
        "UPDATE refunds SET state = :state, reference = :reference, ended_at = :ended_at, why = :why,
             credit_note_id = :credit_note, ask_at = :ask_at
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":state": state.name(),
        ":reference": named,
        ":ended_at": ended_at,
        ":why": reason,
        ":credit_note": credit_note,
        ":ask_at": ask_at,
        ":id": id,
    })?;
    Ok(())
}

/// Refunds that do not fit what they took and gave: each answers the row and what is wrong with it, and should answer nothing.
pub(in crate::payments) const MISFITS: [(&str, &str); 2] = [
    (
        "refunds",
        "SELECT r.id, 'was given back, but its credit note does not say so' FROM refunds r
         LEFT JOIN invoices c ON c.id = r.credit_note_id LEFT JOIN payments p ON p.id = r.payment_id
         WHERE r.state = 'succeeded'
           AND (c.kind IS NOT 'credit_note' OR c.corrects IS NOT p.invoice_id OR c.total IS NOT r.total_minor
                OR c.net IS NOT r.net_minor OR c.tax IS NOT r.tax_minor OR p.organization_id IS NOT r.organization_id)
         ORDER BY r.id LIMIT 1",
    ),
    (
        "refunds",
        "SELECT id, 'is not made of its parts' FROM refunds
         WHERE net_minor IS NOT NULL AND (total_minor <> net_minor + tax_minor OR unused_minor > net_minor)
         ORDER BY id LIMIT 1",
    ),
];
