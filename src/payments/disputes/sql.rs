//! Statements of disputes.

use rusqlite::{Connection, Row, params};

use super::{Dispute, State};
use crate::base::id::{DisputeId, InvoiceId, OrganizationId, PaymentId};
use crate::base::{Credits, Money, Timestamp};
use crate::db::{self, DbError};

const SELECT: &str =
    "SELECT id, organization_id, payment_id, gateway, reference, amount_minor, currency, reason, frozen,
    withdrawn, opened_at, state, closed_at, credit_note_id FROM disputes";

fn from_row(row: &Row<'_>) -> Result<Dispute, DbError> {
    let id: DisputeId = row.get(0)?;
    let closed_at: Option<Timestamp> = row.get(12)?;
    let credit_note: Option<InvoiceId> = row.get(13)?;
    let state = match (row.get_ref(11)?.as_str().unwrap_or_default(), closed_at) {
        ("open", None) => State::Open,
        ("won", Some(at)) => State::Won { at },
        ("lost", Some(at)) => State::Lost { at, credit_note },
        _ => return Err(DbError::bad_row("disputes", id.number(), "state")),
    };
    Ok(Dispute {
        id,
        organization: row.get(1)?,
        payment: row.get(2)?,
        gateway: row.get(3)?,
        reference: row.get(4)?,
        amount: Money { minor: row.get(5)?, currency: row.get(6)? },
        reason: row.get(7)?,
        frozen: row.get(8)?,
        withdrawn: row.get(9)?,
        opened_at: row.get(10)?,
        state,
    })
}

fn one(conn: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Option<Dispute>, DbError> {
    let mut statement = conn.prepare_cached(&format!("{SELECT} {tail}"))?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(from_row).transpose()
}

pub(super) fn get(conn: &Connection, id: DisputeId) -> Result<Option<Dispute>, DbError> {
    one(conn, "WHERE id = ?", [id])
}

pub(super) fn by_reference(
    conn: &Connection,
    gateway: &str,
    reference: &str,
) -> Result<Option<Dispute>, DbError> {
    one(conn, "WHERE gateway = ? AND reference = ?", [gateway, reference])
}

pub(super) fn list(
    conn: &Connection,
    before: Option<DisputeId>,
    limit: u32,
) -> Result<Vec<Dispute>, DbError> {
    let before = before.map_or(i64::MAX, DisputeId::number);
    db::collect(
        conn,
        &format!("{SELECT} WHERE id < ? ORDER BY id DESC LIMIT ?"),
        params![before, limit],
        from_row,
    )
}

pub(super) fn of_payment(conn: &Connection, payment: PaymentId) -> Result<Vec<Dispute>, DbError> {
    db::collect(conn, &format!("{SELECT} WHERE payment_id = ? ORDER BY id"), [payment], from_row)
}

/// The id of the next dispute: its credit is set aside under it.
pub(super) fn next_id(conn: &Connection) -> Result<DisputeId, DbError> {
    let statement = "SELECT ifnull(max(id), 0) + 1 FROM disputes";
    Ok(conn.prepare_cached(statement)?.query_row([], |row| row.get(0))?)
}

/// `ask_at`: when the provider is asked about it.
pub(super) fn insert(conn: &Connection, new: &Dispute, ask_at: Timestamp) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO disputes (id, organization_id, payment_id, gateway, reference, amount_minor, currency, reason,
                               frozen, withdrawn, opened_at, ask_at, state)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, 'open')",
    )?
    .execute(params![
        new.id,
        new.organization,
        new.payment,
        new.gateway,
        new.reference,
        new.amount.minor,
        new.amount.currency,
        new.reason,
        new.withdrawn,
        new.opened_at,
        ask_at,
    ])?;
    Ok(())
}

/// The dispute of a payment that the bank has not decided.
pub(super) fn open_of(conn: &Connection, payment: PaymentId) -> Result<Option<Dispute>, DbError> {
    one(conn, "WHERE payment_id = ? AND state = 'open' ORDER BY id LIMIT 1", [payment])
}

/// Those that an organization has lost.
pub(super) fn lost_of(conn: &Connection, organization: OrganizationId) -> Result<Vec<Dispute>, DbError> {
    let tail = "WHERE organization_id = ? AND state = 'lost' ORDER BY id";
    db::collect(conn, &format!("{SELECT} {tail}"), [organization], from_row)
}

/// The bank has taken the money.
pub(super) fn set_withdrawn(conn: &Connection, id: DisputeId, amount: Money) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE disputes SET withdrawn = 1, amount_minor = ? WHERE id = ?")?
        .execute(params![amount.minor, id])?;
    Ok(())
}

/// `frozen`: the credit that was set aside for it.
pub(super) fn close(conn: &Connection, id: DisputeId, state: State, frozen: Credits) -> Result<(), DbError> {
    let (closed_at, credit_note) = match state {
        State::Open => (None, None),
        State::Won { at } => (Some(at), None),
        State::Lost { at, credit_note } => (Some(at), credit_note),
    };
    conn.prepare_cached(
        "UPDATE disputes SET state = ?, closed_at = ?, credit_note_id = ?, frozen = ?, ask_at = NULL WHERE id = ?",
    )?
    .execute(params![state.name(), closed_at, credit_note, frozen, id])?;
    Ok(())
}

/// Money that left for refunds and disputes, and did not: each answers the row and what is wrong with it, and should answer
/// nothing.
pub(in crate::payments) const MISFITS: [(&str, &str); 2] = [
    (
        "disputes",
        "SELECT d.id, 'was lost, but its credit note does not say so' FROM disputes d
         LEFT JOIN invoices c ON c.id = d.credit_note_id LEFT JOIN payments p ON p.id = d.payment_id
         WHERE d.credit_note_id IS NOT NULL
           AND (c.kind IS NOT 'credit_note' OR c.corrects IS NOT p.invoice_id OR c.total > d.amount_minor)
         ORDER BY d.id LIMIT 1",
    ),
    (
        "accounts",
        "WITH left_for AS (
             SELECT currency AS ledger, total_minor AS minor FROM refunds WHERE state = 'succeeded'
             UNION ALL SELECT currency, amount_minor FROM disputes WHERE withdrawn = 1),
         spent AS (SELECT ledger, sum(minor) AS minor FROM left_for GROUP BY ledger)
         SELECT a.id, 'has paid out ' || a.credits_posted || ', but refunds and disputes come to ' || ifnull(s.minor, 0)
         FROM accounts a LEFT JOIN spent s ON s.ledger = a.ledger
         WHERE a.kind = 'cash' AND a.credits_posted <> ifnull(s.minor, 0) ORDER BY 1 LIMIT 1",
    ),
];
