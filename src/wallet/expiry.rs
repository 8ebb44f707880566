//! Credit whose time is over.

use super::book::Wallets;
use crate::base::Credits;
use crate::base::id::{GrantId, OrganizationId};
use crate::db::{DbError, WriteTx};
use crate::grants;
use crate::ledger::Journal;

/// Moves the rest of up to `limit` expired grants out of their wallets, and closes grants whose grace period is over.
/// Returns how many it dealt with: zero means that nothing is due.
///
/// # Errors
/// When the database fails.
pub fn expire_due(tx: &WriteTx<'_>, limit: u32) -> Result<usize, DbError> {
    let grace_ms = tx.part::<Wallets>()?.grace_ms();
    let due = grants::expiring(tx.conn()?, tx.now(), grace_ms, None, limit)?;
    for (_, grant) in &due {
        expire(tx, GrantId::new(*grant))?;
    }
    Ok(due.len())
}

/// Moves what has expired of a grant out of its wallet, and closes it where its grace period is over. Other grants of the
/// wallet that have expired go with it.
///
/// # Errors
/// When the database fails.
pub fn expire(tx: &WriteTx<'_>, grant: GrantId) -> Result<(), DbError> {
    let conn = tx.conn()?;
    match grants::get(conn, grant)? {
        Some(grant) => settle(tx, grant.organization),
        None => Err(DbError::bad_row("grants", grant.number(), "does not exist")),
    }
}

/// Of what is free of some grants, lets all above `most` expire, in draw order. What is set aside is neither counted nor taken. Grants
/// with an expiry are left alone: credit that expires before that could be brought back by late usage, and without one never is.
///
/// # Errors
/// When the database fails.
pub fn lapse_above(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    grants: &[GrantId],
    most: Credits,
    description: &str,
) -> Result<(), DbError> {
    let conn = tx.conn()?;
    let mut wallets = tx.part::<Wallets>()?;
    let mut journal = tx.part::<Journal>()?;
    wallets.settle(conn, &mut journal, organization, tx.now())?;
    let Some(wallet) = wallets.get(conn, organization)? else { return Ok(()) };
    wallet.lapse_above(conn, &mut journal, (grants, most), description, tx.now())?;
    wallets.mark(organization);
    Ok(())
}

fn settle(tx: &WriteTx<'_>, organization: OrganizationId) -> Result<(), DbError> {
    let conn = tx.conn()?;
    let mut wallets = tx.part::<Wallets>()?;
    let mut journal = tx.part::<Journal>()?;
    wallets.settle(conn, &mut journal, organization, tx.now())?;
    // writes it, and closes what is done
    if wallets.get(conn, organization)?.is_some() {
        wallets.mark(organization);
    }
    Ok(())
}
