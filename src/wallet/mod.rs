//! The one door to a balance: credit, take back, charge, expire.
//!
//! Every open wallet that has been touched lately is kept in the writer's memory ([`Wallets`]); its rows are written
//! once per commit.

mod book;
mod expiry;
mod frozen;
mod pocket;
mod sql;
mod summary;
mod transfer;

use rusqlite::Connection;

pub use book::{FELL, Wallet, Wallets, Watch};
pub use expiry::{expire, expire_due, lapse_above};
pub use frozen::{CAUGHT, Withdrawal, claim, freeze, frozen, spare, thaw, withdraw_frozen};
pub use pocket::{Draw, Pocket, Work};
pub use sql::{
    BalancePoint, Derived, Totals, balance_days, last_line, last_line_on_or_before, line_count, totals,
    verify, zone, zones,
};
pub use summary::{Parts as BalanceParts, Summary, summary};
pub use transfer::to_send;

use crate::alerts::rules::{ANYTHING, Levels};
use crate::alerts::{self, Standing};
use crate::base::id::{AccountId, GrantId, MeterId, OrganizationId, TransactionId};
use crate::base::{Credits, Day, Money, Timestamp, Zone};
use crate::db::{DbError, WriteTx};
use crate::events::{self, Payload};
use crate::grants::{self, Class, DrawOrder, GrantRow, Terms};
use crate::ledger::{self, AccountKind, Book, Journal, Move, NewTransaction, Transaction, TransactionType};

/// No balance goes further above or below zero: 10¹¹ credits. What all wallets have moved together then stays far
/// within 64 bits, and one absurd amount cannot make a commit fail for everybody.
pub const MAX_BALANCE: Credits = Credits::from_micros(100_000_000_000_000_000);

/// Why a change of a balance is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// There is no such wallet.
    #[error("no such organization")]
    NoWallet,
    /// Less of that class is there than is to be taken.
    #[error("only {available} credits of class {class} can be taken back")]
    NotEnough {
        /// Asked of this class.
        class: Class,
        /// What is there.
        available: Credits,
    },
    /// An amount that must be above zero is not.
    #[error("the amount must be above zero")]
    NotPositive,
    /// The balance would leave the range it is kept in.
    #[error("the amount is too large")]
    TooLarge,
    /// An expiry that has passed already.
    #[error("the expiry must be in the future")]
    ExpiryInThePast,
}

/// Credit about to be given.
#[derive(Debug, Clone)]
pub struct NewCredit {
    /// How much; above zero.
    pub amount: Credits,
    /// Of which class.
    pub class: Class,
    /// Overrides the class's turn; see [`DrawOrder::priority`].
    pub priority: Option<i64>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// The meters it is restricted to.
    pub meters: Option<Vec<MeterId>>,
    /// The money received for it.
    pub cost: Option<Money>,
    /// The tax that was received with it, which is owed to the state.
    pub tax: Option<Money>,
    /// Where it comes from: `welcome`, `operator`, …
    pub source: &'static str,
    /// The line it makes.
    pub kind: TransactionType,
    /// For people.
    pub description: String,
    /// Who does it.
    pub actor: String,
    /// A JSON object.
    pub metadata: Option<String>,
}

/// Opens the wallet of a new organization.
///
/// # Errors
/// When the database fails.
pub fn open(tx: &WriteTx<'_>, organization: OrganizationId) -> Result<(), DbError> {
    let conn = tx.conn()?;
    let overdraft = ledger::ensure_account(conn, Book::Credits, AccountKind::Overdraft(organization))?;
    sql::insert_wallet(conn, organization, overdraft, tx.now())
}

/// Gives credit: a new grant, after the overdraft has been repaid from it.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn credit(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    new: NewCredit,
) -> Result<(Transaction, GrantRow), Error> {
    if !new.amount.is_positive() {
        return Err(Error::NotPositive);
    }
    if new.expires_at.is_some_and(|expiry| expiry <= tx.now()) {
        return Err(Error::ExpiryInThePast);
    }
    let conn = tx.conn()?;
    let mut wallets = tx.part::<Wallets>()?;
    let mut journal = tx.part::<Journal>()?;
    wallets.settle(conn, &mut journal, organization, tx.now())?;
    let wallet = wallets.get(conn, organization)?.ok_or(Error::NoWallet)?;
    let balance = wallet.balance().checked_add(new.amount).filter(|after| *after <= MAX_BALANCE);
    let balance = balance.ok_or(Error::TooLarge)?;

    let account = ledger::new_grant_account(conn, organization)?;
    let repaid = wallet.overdraft().min(new.amount);
    let moves = credit_moves(conn, &new, account, wallet.overdraft_account(), repaid)?;
    let id = GrantId::new(account.number());
    let order = DrawOrder {
        class: new.class,
        priority: new.priority,
        expires_at: new.expires_at,
        created_at: tx.now(),
        id,
    };
    let grant = GrantRow {
        id,
        organization,
        terms: Terms { order, meters: new.meters },
        original: new.amount,
        remaining: ledger::within_range(new.amount.checked_sub(repaid))?,
        held: Credits::ZERO,
        expired: Credits::ZERO,
        cost: new.cost,
        source: new.source.to_owned(),
        transaction: TransactionId::new(journal.next_line(conn)?),
        open: true,
    };
    let transaction = journal.post(
        conn,
        tx.now(),
        wallet.last_line(),
        NewTransaction {
            organization,
            kind: new.kind,
            amount: new.amount,
            balance_after: balance,
            description: new.description,
            grant: Some(id),
            grant_terms: Some(grant.digest()),
            corrects: None,
            actor: new.actor,
            metadata: new.metadata,
        },
        &moves,
    )?;
    grants::insert(conn, &grant)?;
    let told = book::told(id, &grant.terms.order, new.amount);
    events::emit_now(conn, Some(organization), &Payload::CreditsGranted(told), tx.now())?;
    wallet.receive(&grant, repaid, &transaction);
    wallets.mark(organization);
    Ok((transaction, grant))
}

/// From the source to the grant, from the grant to the overdraft, and the money received for it.
fn credit_moves(
    conn: &Connection,
    new: &NewCredit,
    account: AccountId,
    overdraft: AccountId,
    repaid: Credits,
) -> Result<Vec<Move>, DbError> {
    // credit that another organization sent comes from there, with the money that was paid for it
    let (source, paid_from) = match new.kind {
        TransactionType::TransferIn => (AccountKind::Transferred, AccountKind::Transferred),
        _ => (issued(new.class), AccountKind::Cash),
    };
    let source = ledger::ensure_account(conn, Book::Credits, source)?;
    let mut moves = vec![
        Move { debit: source, credit: account, amount: new.amount.micros() },
        Move { debit: account, credit: overdraft, amount: repaid.micros() },
    ];
    for (received, to) in [(new.cost, AccountKind::DeferredRevenue), (new.tax, AccountKind::TaxPayable)] {
        if let Some(money) = received.filter(|money| money.minor != 0) {
            let book = Book::Money(money.currency);
            moves.push(Move {
                debit: ledger::ensure_account(conn, book, paid_from)?,
                credit: ledger::ensure_account(conn, book, to)?,
                amount: money.minor,
            });
        }
    }
    Ok(moves)
}

/// What is to be taken back.
#[derive(Debug, Clone)]
pub struct TakeBack {
    /// How much; above zero.
    pub amount: Credits,
    /// From grants of which class.
    pub class: Class,
    /// For people.
    pub description: String,
    /// Who does it.
    pub actor: String,
    /// A JSON object.
    pub metadata: Option<String>,
}

/// Takes credit back from grants of one class in draw order, never below what is there.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn take_back(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    take: TakeBack,
) -> Result<(Transaction, Vec<Draw>), Error> {
    if !take.amount.is_positive() {
        return Err(Error::NotPositive);
    }
    let conn = tx.conn()?;
    let mut wallets = tx.part::<Wallets>()?;
    let mut journal = tx.part::<Journal>()?;
    wallets.settle(conn, &mut journal, organization, tx.now())?;
    let wallet = wallets.get(conn, organization)?.ok_or(Error::NoWallet)?;
    let available = wallet.of_class(take.class, tx.now());
    if available < take.amount {
        return Err(Error::NotEnough { class: take.class, available });
    }
    let balance = wallet.balance().checked_sub(take.amount).ok_or(Error::TooLarge)?;
    let amount = take.amount.checked_neg().ok_or(Error::TooLarge)?;
    let draws = wallet.draw_class(take.class, take.amount, tx.now());
    let source = ledger::ensure_account(conn, Book::Credits, issued(take.class))?;
    let moves: Vec<Move> = draws
        .iter()
        .map(|draw| Move { debit: draw.account, credit: source, amount: draw.amount.micros() })
        .collect();
    let transaction = journal.post(
        conn,
        tx.now(),
        wallet.last_line(),
        NewTransaction {
            organization,
            kind: TransactionType::Adjustment,
            amount,
            balance_after: balance,
            description: take.description,
            grant: None,
            grant_terms: None,
            corrects: None,
            actor: take.actor,
            metadata: take.metadata,
        },
        &moves,
    )?;
    for draw in &draws {
        grants::add_withdrawn(conn, GrantId::new(draw.account.number()), draw.amount)?;
    }
    wallet.line(&transaction);
    wallets.mark(organization);
    Ok((transaction, draws))
}

/// The account that credit of a class comes from.
const fn issued(class: Class) -> AccountKind {
    match class {
        Class::Free => AccountKind::IssuedFree,
        Class::Plan => AccountKind::IssuedPlan,
        Class::Paid => AccountKind::IssuedPaid,
    }
}

/// The sink of a meter, made when it is first needed.
///
/// # Errors
/// When the database fails.
pub fn usage_sink(conn: &Connection, meter: MeterId) -> Result<AccountId, DbError> {
    ledger::ensure_account(conn, Book::Credits, AccountKind::Usage(meter))
}

/// From now on a fall of the balance below something is told, as work [`FELL`] in the transaction in which it falls; also
/// when it is down there already, if that was not told yet. None: nothing is told any more.
///
/// # Errors
/// When the database fails.
pub fn watch(tx: &WriteTx<'_>, organization: OrganizationId, watch: Option<Watch>) -> Result<(), Error> {
    let conn = tx.conn()?;
    let mut wallets = tx.part::<Wallets>()?;
    wallets.forget(organization);
    sql::set_watch(conn, organization, watch)?;
    wallets.get(conn, organization)?.ok_or(Error::NoWallet)?;
    // looked at with this commit
    wallets.mark(organization);
    Ok(())
}

/// The alerts of a balance are looked at when anything is there for the first time.
///
/// # Errors
/// When the database fails.
pub fn await_alerts(tx: &WriteTx<'_>, organization: OrganizationId) -> Result<(), Error> {
    set_levels(tx, organization, Levels { below: None, above: Some(ANYTHING) })
}

/// Looks at all alerts of an organization at its balance, tells what was crossed, and notes what would be crossed next. `defaults`
/// are the thresholds of those who have chosen none.
///
/// # Errors
/// When the database fails.
pub fn look_at_alerts(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    defaults: &[Credits],
) -> Result<(), Error> {
    let conn = tx.conn()?;
    let balance = sql::wallet(conn, organization)?.ok_or(Error::NoWallet)?.balance;
    let available = summary(conn, organization, tx.now())?.available;
    let levels = alerts::look(tx, organization, defaults, Standing { balance, available })?;
    set_levels(tx, organization, levels)
}

fn set_levels(tx: &WriteTx<'_>, organization: OrganizationId, levels: Levels) -> Result<(), Error> {
    let conn = tx.conn()?;
    sql::set_levels(conn, organization, levels)?;
    // read anew, with what was just written
    tx.part::<Wallets>()?.forget(organization);
    Ok(())
}

/// What is told of a wallet.
///
/// # Errors
/// [`Error::NoWallet`], and when the database fails.
pub fn watched(conn: &Connection, organization: OrganizationId) -> Result<Option<Watch>, Error> {
    Ok(sql::wallet(conn, organization)?.ok_or(Error::NoWallet)?.watch)
}

/// A line as far as the days of a wallet go by it: when it was posted, and the balance after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayLine {
    /// Its number.
    pub line: i64,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// The balance after it.
    pub balance_after: Credits,
}

/// Draws the days of a wallet anew after its organization moved from one timezone to another. `lines` are all that it has,
/// newest first; an organization with usage stays where it is, so they are few.
///
/// # Errors
/// When the database fails.
pub fn redraw_days(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    (before, after): (&Zone, &Zone),
    lines: &[DayLine],
) -> Result<(), DbError> {
    let conn = tx.conn()?;
    tx.part::<Wallets>()?.forget(organization);
    for line in lines {
        sql::delete_wallet_day(conn, before.day_of(line.posted_at), organization)?;
    }
    // the newest day is the wallet's own row
    let mut drawn: Option<Day> = lines.first().map(|newest| after.day_of(newest.posted_at));
    for line in lines {
        let day = after.day_of(line.posted_at);
        if drawn.replace(day) != Some(day) {
            let end = book::DayEnd { day, balance: line.balance_after, last_line: line.line };
            sql::insert_wallet_day(conn, organization, end)?;
        }
    }
    Ok(())
}

/// Opens a grant for credit that came back when the overdraft it had gone to was repaid already.
///
/// # Errors
/// When the database fails.
pub fn grant_surplus(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    corrects: TransactionId,
    surplus: Credits,
) -> Result<AccountId, Error> {
    let conn = tx.conn()?;
    let account = ledger::new_grant_account(conn, organization)?;
    let id = GrantId::new(account.number());
    let order = DrawOrder { class: Class::Paid, priority: None, expires_at: None, created_at: tx.now(), id };
    let grant = GrantRow {
        id,
        organization,
        terms: Terms { order, meters: None },
        original: surplus,
        remaining: surplus,
        held: Credits::ZERO,
        expired: Credits::ZERO,
        cost: None,
        source: grants::REVERSAL.to_owned(),
        transaction: corrects,
        open: true,
    };
    grants::insert(conn, &grant)?;
    let mut wallets = tx.part::<Wallets>()?;
    let wallet = wallets.get(conn, organization)?.ok_or(Error::NoWallet)?;
    wallet.adopt(&grant);
    Ok(account)
}
