//! Credit whose time is over.

use super::book::Wallets;
use crate::db::{DbError, WriteTx};
use crate::grants;
use crate::ledger::Journal;

/// Moves the rest of up to `limit` expired grants out of their wallets, and closes grants whose grace period is over.
/// Returns how many it dealt with: zero means that nothing is due.
///
/// # Errors
/// When the database fails.
pub fn expire_due(tx: &WriteTx<'_>, limit: u32) -> Result<usize, DbError> {
    let conn = tx.conn()?;
    let mut wallets = tx.part::<Wallets>()?;
    let due = grants::expiring(conn, tx.now(), wallets.grace_ms(), limit)?;
    let mut journal = tx.part::<Journal>()?;
    for (organization, _) in &due {
        wallets.settle(conn, &mut journal, *organization, tx.now())?;
        // writes it, and closes what is done
        if wallets.get(conn, *organization)?.is_some() {
            wallets.mark(*organization);
        }
    }
    Ok(due.len())
}
