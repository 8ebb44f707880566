//! Compares every grant with the transfers and the transaction that made it.

mod sql;

use rusqlite::Connection;

use crate::ledger::verify::{VerifyError, none_of};

/// Every grant was received, paid for and expired as it says, and has an account of its own.
///
/// # Errors
/// The first grant that does not fit.
pub fn verify(conn: &Connection) -> Result<(), VerifyError> {
    sql::MISFITS.iter().try_for_each(|query| none_of(conn, "grants", query))
}
