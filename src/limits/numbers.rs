//! The guards of toll-free numbers, as they are set and asked for.

use rusqlite::Connection;

use super::agents::is_external_id;
use super::guard::Guard;
use super::{Error, sql, today};
use crate::base::id::{NumberId, OrganizationId};
use crate::base::{Day, FieldError, FieldErrors, Quantity};
use crate::db::{DbError, WriteTx};
use crate::identity::By;
use crate::identity::audit::{self, Difference};

/// Minutes in a day of 24 hours, times a thousand calls at once.
const MOST_MINUTES: i64 = 24 * 60 * 1_000;
const MOST_CALLS: i64 = 100_000;

/// A number's guard, and what came in today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberGuard {
    /// The number, by the platform's own id.
    pub external_id: String,
    /// Its guard.
    pub guard: Guard,
    /// Seconds of inbound toll-free calls today.
    pub used_today: Quantity,
}

/// What to change about a guard. The outer `None` leaves as is, the inner one removes.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuardChange {
    /// Minutes a day.
    pub minutes_per_day: Option<Option<i64>>,
    /// Calls at once.
    pub calls_at_once: Option<Option<i64>>,
    /// Whether calls may begin on it.
    pub suspended: Option<bool>,
}

/// The guard of a number; without any bound when none was set.
///
/// # Errors
/// When the database fails.
pub fn guard_of(conn: &Connection, number: NumberId) -> Result<Guard, DbError> {
    sql::guard(conn, number)
}

/// A number's guard, by the platform's own id of the number. `None` when it was never seen.
///
/// # Errors
/// When the database fails.
pub fn number_guard(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
    today: Day,
) -> Result<Option<NumberGuard>, DbError> {
    let Some(number) = sql::number(conn, organization, external_id)? else { return Ok(None) };
    Ok(Some(NumberGuard {
        external_id: external_id.to_owned(),
        guard: sql::guard(conn, number)?,
        used_today: sql::toll_free(conn, number, today)?,
    }))
}

/// Changes the guard of a number. One that was never seen is created.
///
/// # Errors
/// [`Error::Invalid`] names every field that is wrong.
pub fn set_guard(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    external_id: &str,
    change: GuardChange,
) -> Result<NumberGuard, Error> {
    let conn = tx.conn()?;
    let mut errors = FieldErrors::new();
    errors.keep(bound("inbound_minutes_per_day", change.minutes_per_day.flatten(), MOST_MINUTES));
    errors.keep(bound("calls_at_once", change.calls_at_once.flatten(), MOST_CALLS));
    errors.finish(Some(()))?;
    let today = today(tx, organization)?;
    let number = match sql::number(conn, organization, external_id)? {
        Some(number) => number,
        None if !is_external_id(external_id) => return Err(Error::NotFound("number")),
        None => sql::insert_number(conn, organization, external_id, tx.now())?,
    };
    let before = sql::guard(conn, number)?;
    let after = Guard {
        minutes_per_day: change.minutes_per_day.unwrap_or(before.minutes_per_day),
        calls_at_once: change.calls_at_once.unwrap_or(before.calls_at_once),
        suspended: change.suspended.unwrap_or(before.suspended),
        unpaid: before.unpaid,
    };
    if after != before {
        sql::set_guard(conn, organization, number, after, tx.now())?;
        let difference = Difference::new()
            .changed("inbound_minutes_per_day", before.minutes_per_day, after.minutes_per_day)
            .changed("calls_at_once", before.calls_at_once, after.calls_at_once)
            .changed("suspended", before.suspended, after.suspended);
        audit::record(tx, by, "number.guard_changed", external_id, Some(organization), &difference)?;
    }
    number_guard(conn, organization, external_id, today)?.ok_or(Error::NotFound("number"))
}

/// Blocks a number because its rent is not paid, or lets it be used again.
///
/// # Errors
/// When the database fails.
pub fn set_unpaid(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    number: NumberId,
    unpaid: bool,
) -> Result<(), DbError> {
    let conn = tx.conn()?;
    let before = sql::guard(conn, number)?;
    if before.unpaid == unpaid {
        return Ok(());
    }
    sql::set_guard(conn, organization, number, Guard { unpaid, ..before }, tx.now())
}

fn bound(field: &'static str, value: Option<i64>, most: i64) -> Result<(), FieldError> {
    match value {
        Some(value) if !(0..=most).contains(&value) => {
            Err(FieldError::new(field, "invalid_value", format!("must be from 0 to {most}")))
        }
        Some(_) | None => Ok(()),
    }
}
