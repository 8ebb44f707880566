//! Compares calls with what they hold and what they were charged.

mod sql;

use rusqlite::Connection;

use crate::ledger::verify::{VerifyError, none_of};
use crate::metering;

/// What was looked at, all of it found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The book and all usage.
    pub usage: metering::verify::Summary,
    /// Calls, whatever became of them.
    pub calls: u64,
}

/// Verifies the whole database in one snapshot.
///
/// # Errors
/// The first row that does not fit, by name.
pub fn run(conn: &Connection) -> Result<Summary, VerifyError> {
    let usage = metering::verify::run(conn)?;
    sql::MISFITS.iter().try_for_each(|(table, query)| none_of(conn, table, query))?;
    Ok(Summary { usage, calls: sql::count(conn)? })
}
