//! Compares every grant with the transfers and the transaction that made it.

mod sql;

use rusqlite::Connection;

use crate::ledger;
use crate::ledger::verify::{VerifyError, expect_equal, none_of};

/// Every grant was received, paid for and expired as it says, has the terms that it was made with, and an account of
/// its own.
///
/// # Errors
/// The first grant that does not fit.
pub fn verify(conn: &Connection) -> Result<(), VerifyError> {
    sql::MISFITS.iter().try_for_each(|query| none_of(conn, "grants", query))?;
    super::sql::each(conn, |grant| {
        // what came back has no terms of its own
        if grant.source == super::REVERSAL {
            return Ok(());
        }
        let made_by = ledger::transaction_by_id(conn, grant.transaction)?.and_then(|t| t.grant_terms);
        expect_equal("grants", grant.id.number(), "the hash of its terms", &made_by, &Some(grant.digest()))
    })
}
