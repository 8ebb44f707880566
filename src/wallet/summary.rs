//! What a wallet holds right now.

use rusqlite::Connection;

use super::pocket::{add, sub};
use super::{Error, sql};
use crate::base::id::OrganizationId;
use crate::base::{Credits, Timestamp};
use crate::grants::{self, Class, GrantRow};
use crate::ledger;

/// What remains by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// Free credit.
    pub free: Credits,
    /// Plan credit.
    pub plan: Credits,
    /// Paid credit.
    pub paid: Credits,
}

/// A wallet's state at one instant. Computed from open grants, never from history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What remains of unexpired grants, less the overdraft.
    pub balance: Credits,
    /// What can be used now for any meter: unexpired, not held, the overdraft deducted; not below zero. Credit
    /// restricted to certain meters counts.
    pub available: Credits,
    /// Set aside for calls in progress.
    pub held: Credits,
    /// Used beyond all credit.
    pub overdraft: Credits,
    /// The balance by class, before the overdraft.
    pub parts: Parts,
    /// Unexpired grants with something left, in draw order.
    pub grants: Vec<GrantRow>,
    /// When the balance last moved.
    pub updated_at: Timestamp,
    /// How many lines there are.
    pub line_count: i64,
    /// The newest line.
    pub last_line: i64,
}

/// Reads a wallet.
///
/// # Errors
/// [`Error::NoWallet`], or when the database fails.
pub fn summary(conn: &Connection, organization: OrganizationId, now: Timestamp) -> Result<Summary, Error> {
    let row = sql::wallet(conn, organization)?.ok_or(Error::NoWallet)?;
    let mut open = grants::open_of(conn, organization)?;
    open.retain(|grant| {
        grant.remaining.is_positive() && (grant.terms.is_live(now) || grant.held.is_positive())
    });
    let overdraft = Credits::from_micros(-ledger::account_balance(conn, row.overdraft_account)?);
    let mut parts = Parts::default();
    let mut held = Credits::ZERO;
    for grant in &open {
        let part = match grant.terms.order.class {
            Class::Free => &mut parts.free,
            Class::Plan => &mut parts.plan,
            Class::Paid => &mut parts.paid,
        };
        // of expired credit only what a hold still pins counts
        let counted = if grant.terms.is_live(now) { grant.remaining } else { grant.held };
        *part = add(*part, counted);
        held = add(held, grant.held);
    }
    let total = add(add(parts.free, parts.plan), parts.paid);
    let usable = sub(total, held);
    let balance = total.checked_sub(overdraft).ok_or(Error::TooLarge)?;
    let available = usable.checked_sub(overdraft).ok_or(Error::TooLarge)?.max(Credits::ZERO);
    Ok(Summary {
        balance,
        available,
        held,
        overdraft,
        parts,
        grants: open,
        updated_at: row.updated_at,
        line_count: row.line_count,
        last_line: row.last_line,
    })
}
