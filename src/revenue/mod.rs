//! The money ledger's time side: money received for credit is owed until the credit is used, and then earned. What
//! expires is kept as breakage.
//!
//! Once a UTC day, and whenever somebody needs a grant's figures right now, a grant's money is brought up to its credit.
//! Figures are cumulative: a run posts the difference between what should have left deferred revenue by now and
//! what has, in either direction, so a run that is missed, cut off or repeated changes nothing.

pub mod fees;
mod liability;
mod rules;
mod sql;
pub mod verify;

use rusqlite::Connection;

pub use liability::{Liability, liability};
pub use rules::{Basis, Shares};

use crate::base::id::GrantId;
use crate::base::{Credits, Money, Timestamp, Zone};
use crate::db::{DbError, WriteTx};
use crate::ledger::{self, AccountKind, Book, Journal, Move};

/// Why money is not given back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Nothing was paid for the grant, or there is none.
    #[error("nothing was paid for this credit")]
    NotPaidFor,
    /// More than is still deferred, below zero, or in another currency.
    #[error("at most {deferred} can be given back")]
    NotDeferred {
        /// What can be.
        deferred: Money,
    },
    /// More credit than is left.
    #[error("less credit than that is left")]
    NotLeft,
}

/// Where the money paid for a grant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What was paid.
    pub cost: Money,
    /// Earned by use.
    pub earned: Money,
    /// Kept for what expired or was taken back.
    pub breakage: Money,
    /// Given back for refunds and disputes, or gone to another organization with its credit.
    pub returned: Money,
    /// Still owed.
    pub deferred: Money,
}

/// What is stored of a grant that was paid for, and how its credit stands now.
#[derive(Debug, Clone, Copy)]
struct Paid {
    grant: GrantId,
    cost: Money,
    original: i64,
    /// Of its credit, now.
    credit: Credit,
    open: bool,
    posted: Posted,
}

/// What has become of a grant's credit, in micro-credits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Credit {
    gone: i64,
    consumed: i64,
}

/// What was posted for a grant, and from what it was worked out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Posted {
    credit: Credit,
    earned: i64,
    breakage: i64,
    returned: i64,
}

impl Paid {
    /// What should be posted where `credit` has left the grant and `returned` was given back.
    fn due(&self, credit: Credit, returned: i64) -> Posted {
        let Credit { gone, consumed } = credit;
        let basis = Basis { cost: self.cost.minor, original: self.original, gone, consumed, returned };
        let Shares { earned, breakage, .. } = basis.shares();
        Posted { credit, earned, breakage, returned }
    }

    fn standing(&self) -> Standing {
        let Posted { earned, breakage, returned, .. } = self.posted;
        let money = |minor| Money { minor, currency: self.cost.currency };
        Standing {
            cost: self.cost,
            earned: money(earned),
            breakage: money(breakage),
            returned: money(returned),
            deferred: money(self.cost.minor - earned - breakage - returned),
        }
    }
}

/// Whether anything is left to be posted today.
///
/// # Errors
/// When the database fails.
pub fn is_due(conn: &Connection, now: Timestamp) -> Result<bool, DbError> {
    let today = Zone::UTC.day_of(now);
    Ok(sql::run(conn)?.done != Some(today)
        || !sql::fees_to_earn(conn, Zone::UTC.start_of(today), 1)?.is_empty())
}

/// Posts what was earned and what expired since the last run, of up to `limit` grants. Answers how many it looked at; fewer
/// than `limit` means that the day's run is done.
///
/// # Errors
/// When the database fails.
pub fn post_due(tx: &WriteTx<'_>, limit: u32) -> Result<usize, DbError> {
    let conn = tx.conn()?;
    let today = Zone::UTC.day_of(tx.now());
    let run = sql::run(conn)?;
    // another day, not a later one: where the clock was ahead and was set right, it goes on as well
    let fees = |limit| fees::post_due(tx, Zone::UTC.start_of(today), limit);
    if run.done == Some(today) {
        return fees(limit);
    }
    let found = sql::to_settle(conn, run.reached, limit)?;
    for paid in &found {
        bring_up(tx, conn, *paid)?;
    }
    let is_last = found.len() < usize::try_from(limit).unwrap_or(usize::MAX);
    let reached = found.last().map(|paid| paid.grant).filter(|_| !is_last);
    let done = if is_last { Some(today) } else { run.done };
    sql::set_run(conn, sql::Run { done, reached })?;
    let rest = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(limit));
    let of_fees = if is_last { fees(rest)? } else { 0 };
    Ok(found.len() + of_fees)
}

/// Passes over what [`post_due`] would look at next, where that fails: it is looked at again on the next UTC day. Answers the number
/// of the grant, or of the fee's payment, and when that is.
///
/// # Errors
/// When the database fails.
pub fn skip(tx: &WriteTx<'_>) -> Result<Option<(i64, Timestamp)>, DbError> {
    let conn = tx.conn()?;
    let today = Zone::UTC.day_of(tx.now());
    let again = Zone::UTC.start_of(today.plus_days(1));
    let run = sql::run(conn)?;
    if run.done != Some(today)
        && let Some(grant) = sql::next_to_settle(conn, run.reached)?
    {
        sql::set_run(conn, sql::Run { reached: Some(grant), ..run })?;
        return Ok(Some((grant.number(), again)));
    }
    let fee = sql::put_off_fee(conn, Zone::UTC.start_of(today), tx.now())?;
    Ok(fee.map(|payment| (payment.number(), again)))
}

/// Brings one grant's money up to its credit, as it is now, and answers where it is; `None` for credit that nothing was paid for.
///
/// # Errors
/// When the database fails.
pub fn catch_up(tx: &WriteTx<'_>, grant: GrantId) -> Result<Option<Standing>, DbError> {
    let conn = tx.conn()?;
    let Some(paid) = sql::paid(conn, grant)? else { return Ok(None) };
    Ok(Some(bring_up(tx, conn, paid)?.standing()))
}

/// Where the money paid for a grant would be if it were brought up to its credit now; `None` for credit that nothing was
/// paid for.
///
/// # Errors
/// When the database fails.
pub fn standing(conn: &Connection, grant: GrantId) -> Result<Option<Standing>, DbError> {
    let paid = sql::paid(conn, grant)?;
    Ok(paid.map(|paid| Paid { posted: paid.due(paid.credit, paid.posted.returned), ..paid }.standing()))
}

/// Takes money out of what is deferred for a grant, because `credits` of it are given up. Where the money is less than the credit had cost, the rest of that becomes breakage.
///
/// To be called before that credit leaves the grant, in the same operation. Answers the transfer from deferred revenue to `to`, which the
/// caller posts with its transaction.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn give_back(
    tx: &WriteTx<'_>,
    grant: GrantId,
    credits: Credits,
    money: Money,
    to: AccountKind,
) -> Result<Move, Error> {
    let conn = tx.conn()?;
    let paid = sql::paid(conn, grant)?.ok_or(Error::NotPaidFor)?;
    let paid = bring_up(tx, conn, paid)?;
    let deferred = paid.standing().deferred;
    if money.currency != deferred.currency || money.minor < 0 || money.minor > deferred.minor {
        return Err(Error::NotDeferred { deferred });
    }
    let Posted { credit, returned, .. } = paid.posted;
    let gone = ledger::within_range(credit.gone.checked_add(credits.micros()))?;
    if credits.is_negative() || gone > paid.original {
        return Err(Error::NotLeft);
    }
    let due = paid.due(Credit { gone, ..credit }, returned + money.minor);
    post(tx, conn, &paid, due)?;
    let book = Book::Money(money.currency);
    Ok(Move {
        debit: ledger::ensure_account(conn, book, AccountKind::DeferredRevenue)?,
        credit: ledger::ensure_account(conn, book, to)?,
        amount: money.minor,
    })
}

/// Takes the money out of a grant that belongs to `credits` of it: what of the cost that part and everything that has left it before
/// stand for is not accounted for yet, so that parts that leave one after the other lose nothing to rounding. `None` where nothing was
/// paid for the grant.
///
/// To be called before that credit leaves the grant, in the same operation. Answers the money and its transfer to `to`, which the caller
/// posts with its transaction.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn move_out(
    tx: &WriteTx<'_>,
    grant: GrantId,
    credits: Credits,
    to: AccountKind,
) -> Result<Option<(Money, Move)>, Error> {
    let conn = tx.conn()?;
    let Some(paid) = sql::paid(conn, grant)? else { return Ok(None) };
    let paid = bring_up(tx, conn, paid)?;
    let Posted { credit: Credit { gone, consumed }, returned, .. } = paid.posted;
    let basis = Basis { cost: paid.cost.minor, original: paid.original, gone, consumed, returned };
    let money = Money { minor: basis.goes_with(credits.micros()), currency: paid.cost.currency };
    Ok(Some((money, give_back(tx, grant, credits, money, to)?)))
}

/// Posts what is due for a grant, and answers how it stands then.
fn bring_up(tx: &WriteTx<'_>, conn: &Connection, paid: Paid) -> Result<Paid, DbError> {
    let due = paid.due(paid.credit, paid.posted.returned);
    if due != paid.posted {
        post(tx, conn, &paid, due)?;
    }
    if !paid.open {
        // nothing comes back to it unless it is opened again
        sql::set_settled(conn, paid.grant)?;
    }
    Ok(Paid { posted: due, ..paid })
}

fn post(tx: &WriteTx<'_>, conn: &Connection, paid: &Paid, due: Posted) -> Result<(), DbError> {
    let book = Book::Money(paid.cost.currency);
    let move_to = |kind, minor: i64| -> Result<(), DbError> {
        if minor == 0 {
            return Ok(());
        }
        let deferred = ledger::ensure_account(conn, book, AccountKind::DeferredRevenue)?;
        let to = ledger::ensure_account(conn, book, kind)?;
        tx.part::<Journal>()?.gather_money(conn, deferred, to, minor)
    };
    move_to(AccountKind::Revenue, due.earned - paid.posted.earned)?;
    move_to(AccountKind::Breakage, due.breakage - paid.posted.breakage)?;
    sql::set_posted(conn, paid.grant, due)
}
