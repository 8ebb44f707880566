//! Compares payments with the credit that was given for them, and with the money that was received.

use rusqlite::Connection;

use super::{cards, disputes, refunds, reload, sql, transfers};
use crate::ledger::verify::{VerifyError, none_of};

/// Every settled payment has its grants, every grant that was bought has its payment, and the money adds up. Answers how
/// many payments were settled.
///
/// # Errors
/// The first row that does not fit, by name.
pub fn run(conn: &Connection) -> Result<u64, VerifyError> {
    let all = sql::MISFITS.iter().chain(&refunds::MISFITS).chain(&disputes::MISFITS);
    let all = all.chain(&cards::MISFITS).chain(&reload::MISFITS).chain(&transfers::MISFITS);
    all.into_iter().try_for_each(|(table, query)| none_of(conn, table, query))?;
    Ok(sql::count_settled(conn)?)
}
