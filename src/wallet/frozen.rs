//! Credit that nobody may use while somebody else decides: a refund that is on its way, a dispute. It stays on its grant
//! and in the balance, set aside as for a call, and its reason says whose it is.

use rusqlite::Connection;

use super::book::{Wallet, Wallets};
use super::{Draw, Error, pocket, sql};
use crate::base::id::{AccountId, GrantId, OrganizationId};
use crate::base::{Credits, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::grants;
use crate::ledger::{self, AccountKind, Book, Journal, Move, NewTransaction, Transaction, TransactionType};

/// Work: credit became free of a grant that somebody laid claim to, and was set aside. The subject is the organization's
/// number.
pub const CAUGHT: &str = "payment.caught";

/// Sets aside what is there of some grants, each up to its amount, and answers what that is. Under a reason that has
/// something set aside already, it adds to it.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn freeze(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    reason: &str,
    wanted: &[(GrantId, Credits)],
) -> Result<Vec<Draw>, Error> {
    set_aside(tx, organization, (reason, false), wanted)
}

/// The same, and lays claim to the rest: what becomes free of these grants later, because a call ends or a charge is taken
/// back, is set aside under the reason as well, until it is thawed. Work [`CAUGHT`] tells of it.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn claim(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    reason: &str,
    wanted: &[(GrantId, Credits)],
) -> Result<Vec<Draw>, Error> {
    set_aside(tx, organization, (reason, true), wanted)
}

fn set_aside(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    (reason, claims): (&str, bool),
    wanted: &[(GrantId, Credits)],
) -> Result<Vec<Draw>, Error> {
    let conn = tx.conn()?;
    let mut wallets = tx.part::<Wallets>()?;
    let mut journal = tx.part::<Journal>()?;
    wallets.settle(conn, &mut journal, organization, tx.now())?;
    let wallet = wallets.get(conn, organization)?.ok_or(Error::NoWallet)?;
    let mut all = Vec::new();
    for (grant, amount) in wanted.iter().filter(|(_, amount)| amount.is_positive()) {
        let mut pins = Vec::new();
        wallet.pin_of(*grant, *amount, &mut pins);
        let nothing = Draw { account: AccountId::new(grant.number()), amount: Credits::ZERO };
        let pin = pins.first().copied().unwrap_or(nothing);
        if claims || pin.amount.is_positive() {
            let wanted = if claims { *amount } else { pin.amount };
            sql::add_frozen(conn, organization, reason, (&pin, wanted))?;
        }
        all.extend(pins);
    }
    wallet.set_claims(sql::claims(conn, organization)?);
    wallets.mark(organization);
    Ok(all)
}

/// What is set aside under a reason.
///
/// # Errors
/// When the database fails.
pub fn frozen(conn: &Connection, reason: &str) -> Result<Vec<Draw>, DbError> {
    sql::frozen(conn, reason)
}

/// Lets go of what was set aside under a reason. What is owed is repaid from what is free then: it was used meanwhile.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn thaw(tx: &WriteTx<'_>, organization: OrganizationId, reason: &str) -> Result<(), Error> {
    let conn = tx.conn()?;
    let mut wallets = tx.part::<Wallets>()?;
    let mut journal = tx.part::<Journal>()?;
    let wallet = wallets.get(conn, organization)?.ok_or(Error::NoWallet)?;
    let mut pins = sql::frozen(conn, reason)?;
    let all = pins.iter().fold(Credits::ZERO, |sum, pin| pocket::add(sum, pin.amount));
    sql::delete_frozen(conn, reason)?;
    wallet.set_claims(sql::claims(conn, organization)?);
    wallet.unpin(&mut pins, all);
    let mut draws = Vec::new();
    wallet.repay_from_free(tx.now(), &mut draws);
    // so that the journal knows its place
    journal.next_line(conn)?;
    for draw in &draws {
        journal.gather(draw.account, wallet.overdraft_account(), draw.amount);
    }
    wallets.mark(organization);
    Ok(())
}

/// What is free of each open grant when what is owed is repaid from them in the order in which they are drawn, and what is set
/// aside under `reason` is let go.
///
/// # Errors
/// See [`Error`].
pub fn spare(
    conn: &Connection,
    organization: OrganizationId,
    (reason, now): (Option<&str>, Timestamp),
) -> Result<Vec<(GrantId, Credits)>, Error> {
    let mut wallet = super::book::load(conn, organization)?.ok_or(Error::NoWallet)?;
    wallet.set_claims(Vec::new());
    let mut pins = reason.map(|reason| sql::frozen(conn, reason)).transpose()?.unwrap_or_default();
    let all = pins.iter().fold(Credits::ZERO, |sum, pin| pocket::add(sum, pin.amount));
    wallet.unpin(&mut pins, all);
    wallet.repay_from_free(now, &mut Vec::new());
    Ok(wallet.pockets().iter().map(|p| (GrantId::new(p.account.number()), p.free())).collect())
}

/// Credit that was set aside and now goes, with the money that goes with it.
#[derive(Debug)]
pub struct Withdrawal {
    /// Under which reason it was set aside. There may be nothing: then only money moves.
    pub reason: String,
    /// Where it goes.
    pub to: AccountKind,
    /// The line it makes.
    pub kind: TransactionType,
    /// For people.
    pub description: String,
    /// Who does it.
    pub actor: String,
    /// A JSON object.
    pub metadata: Option<String>,
    /// Transfers of money.
    pub money: Vec<Move>,
}

/// Takes what was set aside under a reason out of its grants. What was laid claim to besides stays so.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn withdraw_frozen(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    withdrawal: Withdrawal,
) -> Result<Transaction, Error> {
    let conn = tx.conn()?;
    let mut wallets = tx.part::<Wallets>()?;
    let mut journal = tx.part::<Journal>()?;
    wallets.settle(conn, &mut journal, organization, tx.now())?;
    let wallet = wallets.get(conn, organization)?.ok_or(Error::NoWallet)?;
    let pins = sql::frozen(conn, &withdrawal.reason)?;
    wallet.take_pins(&pins);
    let all = pins.iter().fold(Credits::ZERO, |sum, pin| pocket::add(sum, pin.amount));
    let sink = ledger::ensure_account(conn, Book::Credits, withdrawal.to)?;
    let mut moves = Vec::with_capacity(pins.len() + withdrawal.money.len());
    for pin in &pins {
        moves.push(Move { debit: pin.account, credit: sink, amount: pin.amount.micros() });
        grants::add_withdrawn(conn, GrantId::new(pin.account.number()), pin.amount)?;
    }
    moves.extend(withdrawal.money);
    let line = NewTransaction {
        organization,
        kind: withdrawal.kind,
        amount: all.checked_neg().ok_or(Error::TooLarge)?,
        balance_after: wallet.balance().checked_sub(all).ok_or(Error::TooLarge)?,
        description: withdrawal.description,
        grant: None,
        grant_terms: None,
        corrects: None,
        actor: withdrawal.actor,
        metadata: withdrawal.metadata,
    };
    let transaction = journal.post(conn, tx.now(), wallet.last_line(), line, &moves)?;
    wallet.line(&transaction);
    // money that goes back is not to be charged again
    if let Some(watch) = wallet.falls_silently() {
        sql::set_watch(conn, organization, Some(watch))?;
    }
    sql::empty_frozen(conn, &withdrawal.reason)?;
    wallets.mark(organization);
    Ok(transaction)
}

impl Wallet {
    /// Sets up to `amount` of one grant aside.
    fn pin_of(&mut self, grant: GrantId, amount: Credits, pins: &mut Vec<Draw>) {
        pocket::pin(self.pockets_mut(), amount, |p| p.account.number() == grant.number(), pins);
    }

    /// Repays what is owed from what is free, as far as that goes.
    fn repay_from_free(&mut self, now: Timestamp, draws: &mut Vec<Draw>) {
        let owed = self.overdraft();
        let rest = pocket::take(self.pockets_mut(), owed, |p| p.terms.is_live(now), draws);
        self.repay_overdraft(pocket::sub(owed, rest));
    }

    /// Takes all that `pins` set aside.
    fn take_pins(&mut self, pins: &[Draw]) {
        for pin in pins {
            for pocket in self.pockets_mut().iter_mut().filter(|p| p.account == pin.account) {
                pocket.take_held(pin.amount);
            }
        }
    }
}
