//! What of limits can be re-derived.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::sql;
use crate::base::Day;
use crate::base::id::NumberId;
use crate::ledger::verify::{VerifyError, expect_equal, none_of};

/// Compares what toll-free numbers took in with what follows from their usage (in millionths of seconds), and looks for
/// policies and events that cannot be.
///
/// # Errors
/// The first that does not fit.
pub fn run(conn: &Connection, derived: &BTreeMap<(NumberId, Day), i64>) -> Result<(), VerifyError> {
    let mut statement = conn.prepare(sql::ALL_TOLL_FREE)?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let key: (NumberId, Day) = (row.get(0)?, row.get(1)?);
        let stored: i64 = row.get(2)?;
        let sum = derived.get(&key).copied().unwrap_or_default();
        expect_equal("toll_free_days", format!("{} {}", key.0, key.1), "quantity", &stored, &sum)?;
        count += 1;
    }
    expect_equal("toll_free_days", "all", "how many there are", &count, &derived.len())?;
    for (table, query) in sql::MISFITS {
        none_of(conn, table, query)?;
    }
    Ok(())
}
