//! Statements of the sandbox's customers and cards.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::cards::{Charged, KeptCard, SetupSession};
use crate::base::{Money, Timestamp};
use crate::db::{self, DbError};
use crate::payments::gateway::{Checkout, Customer, Decline};

/// Makes a customer known; the same key is the same customer. Answers its reference.
pub(super) fn customer(conn: &Connection, reference: &str, customer: &Customer) -> Result<String, DbError> {
    let (name, email) = (&customer.name, &customer.details.billing_email);
    if let Some(known) = &customer.reference {
        conn.prepare_cached("UPDATE sandbox_customers SET name = ?, email = ? WHERE reference = ?")?
            .execute(params![name, email, known])?;
        return Ok(known.clone());
    }
    conn.prepare_cached(
        "INSERT INTO sandbox_customers (reference, request_key, name, email) VALUES (?, ?, ?, ?)
         ON CONFLICT (request_key) DO NOTHING",
    )?
    .execute(params![reference, customer.key, name, email])?;
    Ok(conn
        .prepare_cached("SELECT reference FROM sandbox_customers WHERE request_key = ?")?
        .query_row([&customer.key], |row| row.get(0))?)
}

/// Name and e-mail address, as they were last told.
pub(super) fn customer_details(
    conn: &Connection,
    reference: &str,
) -> Result<Option<(String, String)>, DbError> {
    Ok(conn
        .prepare_cached("SELECT name, email FROM sandbox_customers WHERE reference = ?")?
        .query_row([reference], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

const SETUP: &str = "SELECT reference, client_secret, setup_id, customer, return_url, cancel_url, card, expires_at FROM sandbox_setups";

fn one_setup(conn: &Connection, column: &str, value: &str) -> Result<Option<SetupSession>, DbError> {
    let session = |row: &Row<'_>| {
        Ok(SetupSession {
            checkout: Checkout { reference: row.get(0)?, client_secret: Some(row.get(1)?), url: None },
            setup: row.get(2)?,
            customer: row.get(3)?,
            return_url: row.get(4)?,
            cancel_url: row.get(5)?,
            card: row.get(6)?,
            expires_at: row.get(7)?,
        })
    };
    Ok(conn.prepare_cached(&format!("{SETUP} WHERE {column} = ?"))?.query_row([value], session).optional()?)
}

pub(super) fn setup(conn: &Connection, reference: &str) -> Result<Option<SetupSession>, DbError> {
    one_setup(conn, "reference", reference)
}

pub(super) fn setup_by_key(conn: &Connection, key: &str) -> Result<Option<SetupSession>, DbError> {
    one_setup(conn, "request_key", key)
}

pub(super) fn insert_setup(conn: &Connection, key: &str, session: &SetupSession) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO sandbox_setups (reference, request_key, client_secret, setup_id, customer, return_url, cancel_url,
                                     expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        session.checkout.reference,
        key,
        session.checkout.client_secret,
        session.setup,
        session.customer,
        session.return_url,
        session.cancel_url,
        session.expires_at
    ])?;
    Ok(())
}

pub(super) fn set_card(conn: &Connection, setup: &str, card: &str) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE sandbox_setups SET card = ? WHERE reference = ?")?
        .execute(params![card, setup])?;
    Ok(())
}

pub(super) fn insert_card(conn: &Connection, card: &KeptCard) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO sandbox_cards (reference, customer, number, exp_month, exp_year, kept) VALUES (?, ?, ?, ?, ?, 1)",
    )?
    .execute(params![card.reference, card.customer, card.number, card.exp_month, card.exp_year])?;
    Ok(())
}

/// A card, as long as it is kept.
pub(super) fn card(conn: &Connection, reference: &str) -> Result<Option<KeptCard>, DbError> {
    Ok(conn
        .prepare_cached(
            "SELECT reference, customer, number, exp_month, exp_year FROM sandbox_cards WHERE reference = ? AND kept = 1",
        )?
        .query_row([reference], |row| {
            Ok(KeptCard {
                reference: row.get(0)?,
                customer: row.get(1)?,
                number: row.get(2)?,
                exp_month: row.get(3)?,
                exp_year: row.get(4)?,
            })
        })
        .optional()?)
}

pub(super) fn forget(conn: &Connection, reference: &str) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE sandbox_cards SET kept = 0 WHERE reference = ?")?.execute([reference])?;
    Ok(())
}

const CHARGE: &str =
    "SELECT reference, order_id, amount_minor, currency, card, decline, settles_at FROM sandbox_charges";

fn one_charge(conn: &Connection, column: &str, value: &str) -> Result<Option<Charged>, DbError> {
    let found = db::collect(conn, &format!("{CHARGE} WHERE {column} = ?"), [value], |row| {
        let decline: Option<String> = row.get(5)?;
        Ok(Charged {
            reference: row.get(0)?,
            order: row.get(1)?,
            amount: Money { minor: row.get(2)?, currency: row.get(3)? },
            card: row.get(4)?,
            decline: decline.as_deref().and_then(Decline::from_name),
            settles_at: row.get(6)?,
        })
    });
    Ok(found?.pop())
}

pub(super) fn charge(conn: &Connection, reference: &str) -> Result<Option<Charged>, DbError> {
    one_charge(conn, "reference", reference)
}

pub(super) fn charge_by_key(conn: &Connection, key: &str) -> Result<Option<Charged>, DbError> {
    one_charge(conn, "request_key", key)
}

pub(super) fn insert_charge(conn: &Connection, key: &str, charge: &Charged) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO sandbox_charges (reference, request_key, order_id, amount_minor, currency, card, decline, settles_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        charge.reference,
        key,
        charge.order,
        charge.amount.minor,
        charge.amount.currency,
        charge.card,
        charge.decline.map(Decline::name),
        charge.settles_at
    ])?;
    Ok(())
}

/// The number of a card, also of one that is kept no longer, and when it ends.
pub(super) fn any_card(conn: &Connection, reference: &str) -> Result<Option<(String, u8, u16)>, DbError> {
    Ok(conn
        .prepare_cached("SELECT number, exp_month, exp_year FROM sandbox_cards WHERE reference = ?")?
        .query_row([reference], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?)
}

/// When something was looked at.
pub(super) type At<T> = (Option<T>, Timestamp);
