//! Settings that are made in the pages rather than in the configuration file. Values are JSON.

use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::audit::{self, By, Difference};
use super::error::Error;
use super::organizations::BillingDetails;
use super::sql;
use crate::base::{Currency, Zone};
use crate::db::{DbError, WriteTx};

/// [`Defaults`].
pub const DEFAULTS: &str = "defaults";
/// [`BillingDetails`] of the one who writes the invoices.
pub const SELLER: &str = "seller";
/// When it was last seen that rows can be written.
pub const READY_AT: &str = "ready_at";
/// How far a test clock is ahead of the machine's, in milliseconds.
pub const CLOCK_OFFSET: &str = "clock.offset_ms";

/// What a new organization starts with unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// Its currency.
    pub currency: Currency,
    /// Its timezone.
    pub zone: Zone,
}

#[derive(Serialize, Deserialize)]
struct StoredDefaults {
    currency: Currency,
    timezone: String,
}

/// The value stored under `name`, if there is one.
///
/// # Errors
/// When the stored text does not fit the type.
pub fn get<T: DeserializeOwned>(conn: &Connection, name: &str) -> Result<Option<T>, Error> {
    let Some(text) = sql::setting(conn, name)? else { return Ok(None) };
    let value = serde_json::from_str(&text)
        .map_err(|e| DbError::bad_row("settings", 0, format_args!("{name}: {e}")))?;
    Ok(Some(value))
}

/// Stores a value under `name`.
///
/// # Errors
/// When the value has no JSON form, and those of the database.
pub fn set<T: Serialize>(tx: &WriteTx<'_>, name: &str, value: &T) -> Result<(), Error> {
    let text = serde_json::to_string(value)
        .map_err(|e| DbError::bad_row("settings", 0, format_args!("{name}: {e}")))?;
    sql::put_setting(tx.conn()?, name, &text, tx.now())?;
    Ok(())
}

/// Removes what is stored under `name`.
///
/// # Errors
/// Those of the database.
pub fn remove(tx: &WriteTx<'_>, name: &str) -> Result<(), Error> {
    sql::delete_setting(tx.conn()?, name)?;
    Ok(())
}

/// What new organizations start with, once setup has said so.
///
/// # Errors
/// When what is stored does not make sense.
pub fn defaults(conn: &Connection) -> Result<Option<Defaults>, Error> {
    let Some(stored) = get::<StoredDefaults>(conn, DEFAULTS)? else { return Ok(None) };
    let zone = stored.timezone.parse::<Zone>().map_err(|e| DbError::bad_row("settings", 0, e))?;
    Ok(Some(Defaults { currency: stored.currency, zone }))
}

/// Changes what new organizations start with.
///
/// # Errors
/// Those of the database.
pub fn set_defaults(tx: &WriteTx<'_>, by: &By, new: &Defaults) -> Result<(), Error> {
    let before = defaults(tx.conn()?)?;
    let stored = StoredDefaults { currency: new.currency, timezone: new.zone.name().to_owned() };
    set(tx, DEFAULTS, &stored)?;
    let difference = Difference::new()
        .changed("currency", before.as_ref().map(|b| b.currency.code()), Some(new.currency.code()))
        .changed("timezone", before.as_ref().map(|b| b.zone.name()), Some(new.zone.name()));
    audit::record(tx, by, "settings.changed", DEFAULTS, None, &difference)?;
    Ok(())
}

/// Who writes the invoices; empty until somebody says.
///
/// # Errors
/// When what is stored does not make sense.
pub fn seller(conn: &Connection) -> Result<BillingDetails, Error> {
    Ok(get(conn, SELLER)?.unwrap_or_default())
}

/// Changes who writes the invoices.
///
/// # Errors
/// [`Error::Invalid`].
pub fn set_seller(tx: &WriteTx<'_>, by: &By, new: &BillingDetails) -> Result<(), Error> {
    let new = new.validated()?;
    let before = seller(tx.conn()?)?;
    set(tx, SELLER, &new)?;
    let json = |d: &BillingDetails| serde_json::to_value(d).unwrap_or_default();
    let difference = Difference::new().changed("details", json(&before), json(&new));
    audit::record(tx, by, "settings.changed", SELLER, None, &difference)?;
    Ok(())
}
