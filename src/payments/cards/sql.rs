//! Statements of saved cards.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::{CardSetup, Method, NewSetup, SetupState};
use crate::base::Timestamp;
use crate::base::id::{CardSetupId, OrganizationId, PaymentMethodId};
use crate::db::{self, DbError};
use crate::payments::gateway::{Card, Checkout};

const METHOD: &str =
    "SELECT id, organization_id, gateway, reference, brand, last4, exp_month, exp_year, is_default, added_at,
    removed_at IS NOT NULL FROM payment_methods";

fn method(row: &Row<'_>) -> rusqlite::Result<Method> {
    Ok(Method {
        id: row.get(0)?,
        organization: row.get(1)?,
        gateway: row.get(2)?,
        reference: row.get(3)?,
        brand: row.get(4)?,
        last4: row.get(5)?,
        exp_month: row.get(6)?,
        exp_year: row.get(7)?,
        is_default: row.get(8)?,
        added_at: row.get(9)?,
        removed: row.get(10)?,
    })
}

pub(super) fn of(conn: &Connection, organization: OrganizationId) -> Result<Vec<Method>, DbError> {
    let tail = "WHERE organization_id = ? AND removed_at IS NULL ORDER BY is_default DESC, id DESC";
    db::collect(conn, &format!("{METHOD} {tail}"), [organization], |row| Ok(method(row)?))
}

pub(super) fn get(conn: &Connection, id: PaymentMethodId) -> Result<Option<Method>, DbError> {
    Ok(conn.prepare_cached(&format!("{METHOD} WHERE id = ?"))?.query_row([id], method).optional()?)
}

pub(super) fn by_reference(
    conn: &Connection,
    gateway: &str,
    reference: &str,
) -> Result<Option<Method>, DbError> {
    Ok(conn
        .prepare_cached(&format!("{METHOD} WHERE gateway = ? AND reference = ?"))?
        .query_row([gateway, reference], method)
        .optional()?)
}

pub(super) fn insert(
    conn: &Connection,
    (organization, gateway): (OrganizationId, &str),
    card: &Card,
    is_default: bool,
    now: Timestamp,
) -> Result<PaymentMethodId, DbError> {
    conn.prepare_cached(
        "INSERT INTO payment_methods (organization_id, gateway, reference, brand, last4, exp_month, exp_year, is_default,
                                      added_at)
         VALUES (:organization, :gateway, :reference, :brand, :last4, :month, :year, :is_default, :now)",
    )?
    .execute(named_params! {
        ":organization": organization,
        ":gateway": gateway,
        ":reference": card.reference,
        ":brand": card.brand,
        ":last4": card.last4,
        ":month": card.exp_month,
        ":year": card.exp_year,
        ":is_default": is_default,
        ":now": now,
    })?;
    Ok(PaymentMethodId::new(conn.last_insert_rowid()))
}

/// Answers false when the end of that month was announced before.
pub(super) fn set_announced(conn: &Connection, id: PaymentMethodId, month: i64) -> Result<bool, DbError> {
    let changed = conn
        .prepare_cached("UPDATE payment_methods SET announced = ?2 WHERE id = ?1 AND announced IS NOT ?2")?
        .execute(params![id, month])?;
    Ok(changed == 1)
}

pub(super) fn set_end(conn: &Connection, id: PaymentMethodId, card: &Card) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE payment_methods SET exp_month = ?, exp_year = ?, brand = ?, last4 = ? WHERE id = ?",
    )?
    .execute(params![card.exp_month, card.exp_year, card.brand, card.last4, id])?;
    Ok(())
}

/// The default from now on; none when there is no card.
pub(super) fn set_default(
    conn: &Connection,
    organization: OrganizationId,
    id: Option<PaymentMethodId>,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE payment_methods SET is_default = 0 WHERE organization_id = ? AND is_default = 1",
    )?
    .execute([organization])?;
    conn.prepare_cached("UPDATE payment_methods SET is_default = 1 WHERE id = ?")?.execute([id])?;
    Ok(())
}

pub(super) fn set_removed(conn: &Connection, id: PaymentMethodId, now: Timestamp) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE payment_methods SET removed_at = ?, is_default = 0 WHERE id = ?")?
        .execute(params![now, id])?;
    Ok(())
}

const SETUP: &str =
    "SELECT id, organization_id, gateway, actor, created_at, success_url, cancel_url, reference, state,
    client_secret, checkout_url, method_id FROM card_setups";

fn from_row(row: &Row<'_>) -> Result<CardSetup, DbError> {
    let id: CardSetupId = row.get(0)?;
    let reference: Option<String> = row.get(7)?;
    let state: String = row.get(8)?;
    let state = match (state.as_str(), reference.clone(), row.get(11)?) {
        ("created", None, None) => SetupState::Created,
        ("pending", Some(reference), None) => {
            SetupState::Pending(Checkout { reference, client_secret: row.get(9)?, url: row.get(10)? })
        }
        ("settled", Some(_), Some(method)) => SetupState::Settled(method),
        ("failed", _, None) => SetupState::Failed,
        _ => return Err(DbError::bad_row("card_setups", id.number(), "state")),
    };
    Ok(CardSetup {
        id,
        organization: row.get(1)?,
        gateway: row.get(2)?,
        actor: row.get(3)?,
        created_at: row.get(4)?,
        success_url: row.get(5)?,
        cancel_url: row.get(6)?,
        reference,
        state,
    })
}

fn one(conn: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Option<CardSetup>, DbError> {
    Ok(db::collect(conn, &format!("{SETUP} {tail}"), params, from_row)?.pop())
}

pub(super) fn setup(conn: &Connection, id: CardSetupId) -> Result<Option<CardSetup>, DbError> {
    one(conn, "WHERE id = ?", [id])
}

pub(super) fn setup_by_reference(
    conn: &Connection,
    gateway: &str,
    reference: &str,
) -> Result<Option<CardSetup>, DbError> {
    one(conn, "WHERE gateway = ? AND reference = ?", [gateway, reference])
}

pub(super) fn insert_setup(
    conn: &Connection,
    new: &NewSetup,
    now: Timestamp,
) -> Result<CardSetupId, DbError> {
    conn.prepare_cached(
        "INSERT INTO card_setups (organization_id, gateway, actor, success_url, cancel_url, created_at, state)
         VALUES (?, ?, ?, ?, ?, ?, 'created')",
    )?
    .execute(params![new.organization, new.gateway, new.actor, new.success_url, new.cancel_url, now])?;
    Ok(CardSetupId::new(conn.last_insert_rowid()))
}

pub(super) fn set_pending(
    conn: &Connection,
    id: CardSetupId,
    checkout: &Checkout,
    ask_at: Timestamp,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE card_setups SET state = 'pending', reference = ?, client_secret = ?, checkout_url = ?, ask_at = ?
         WHERE id = ?",
    )?
    .execute(params![checkout.reference, checkout.client_secret, checkout.url, ask_at, id])?;
    Ok(())
}

pub(super) fn set_failed(conn: &Connection, id: CardSetupId, now: Timestamp) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE card_setups SET state = 'failed', ended_at = ?, ask_at = NULL WHERE id = ?")?
        .execute(params![now, id])?;
    Ok(())
}

pub(super) fn set_settled(
    conn: &Connection,
    id: CardSetupId,
    reference: &str,
    method: PaymentMethodId,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE card_setups SET state = 'settled', reference = coalesce(reference, ?), method_id = ?, ended_at = ?, ask_at = NULL,
             client_secret = NULL
         WHERE id = ?",
    )?
    .execute(params![reference, method, now, id])?;
    Ok(())
}

/// Cards and setups that do not belong together.
pub(in crate::payments) const MISFITS: [(&str, &str); 3] = [
    (
        "payment_methods",
        "SELECT min(id), 'has ' || sum(is_default) || ' default cards' FROM payment_methods
         WHERE removed_at IS NULL GROUP BY organization_id HAVING sum(is_default) <> 1 ORDER BY 1 LIMIT 1",
    ),
    (
        "card_setups",
        "SELECT s.id, 'has saved a card of somebody else' FROM card_setups s
         LEFT JOIN payment_methods m ON m.id = s.method_id
         WHERE s.state = 'settled' AND m.organization_id IS NOT s.organization_id ORDER BY s.id LIMIT 1",
    ),
    (
        "payments",
        "SELECT p.id, 'charges a card of somebody else' FROM payments p
         LEFT JOIN payment_methods m ON m.id = p.method_id
         WHERE p.method_id IS NOT NULL AND m.organization_id IS NOT p.organization_id ORDER BY p.id LIMIT 1",
    ),
];
