//! What of a balance may be sent to another organization.

use super::book::{Wallet, Wallets};
use super::{Draw, Error, pocket};
use crate::base::id::OrganizationId;
use crate::base::{Credits, Timestamp};
use crate::db::WriteTx;
use crate::grants::Class;
use crate::ledger::Journal;

/// From which grants `amount` would be sent, in the order in which they are drawn: credit that was paid for, has not expired and
/// is not set aside. Nothing moves yet.
///
/// # Errors
/// [`Error::NotEnough`] where less is there than that, after what is owed; see [`Error`].
pub fn to_send(tx: &WriteTx<'_>, organization: OrganizationId, amount: Credits) -> Result<Vec<Draw>, Error> {
    if !amount.is_positive() {
        return Err(Error::NotPositive);
    }
    let conn = tx.conn()?;
    let mut wallets = tx.part::<Wallets>()?;
    let mut journal = tx.part::<Journal>()?;
    wallets.settle(conn, &mut journal, organization, tx.now())?;
    let wallet = wallets.get(conn, organization)?.ok_or(Error::NoWallet)?;
    let available = wallet.sendable(tx.now());
    if available < amount {
        return Err(Error::NotEnough { class: Class::Paid, available });
    }
    // the wallet itself stays as it is
    let mut pockets = wallet.pockets().to_vec();
    let mut draws = Vec::new();
    let may = |p: &pocket::Pocket| p.class() == Class::Paid && p.terms.is_live(tx.now());
    pocket::take(&mut pockets, amount, may, &mut draws);
    Ok(draws)
}

impl Wallet {
    /// What may be sent to another organization: paid credit that is free, less what is owed; not below zero.
    fn sendable(&self, now: Timestamp) -> Credits {
        pocket::sub(self.of_class(Class::Paid, now), self.overdraft()).max(Credits::ZERO)
    }
}
