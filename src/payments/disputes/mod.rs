//! Payments that the customer's bank disputes. While it decides, what remains of the credit is frozen; when the
//! money is gone for good, so is that credit; when it comes back, the credit is let go.

mod sql;

use rusqlite::Connection;

pub(super) use sql::MISFITS;

use super::gateway::{DisputeSeen, DisputeStatus};
use super::refunds::Error;
use super::{State as Standing, next_ask, sql as payments_sql};
use crate::base::id::{DisputeId, GrantId, InvoiceId, OrganizationId, PaymentId};
use crate::base::{Credits, Money, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::grants;
use crate::identity::audit::{self, Actor, By, Difference};
use crate::invoices::{self, NewCreditNote};
use crate::ledger::{self, AccountKind, Book, Move, TransactionType};
use crate::revenue;
use crate::wallet::{self, Draw, Withdrawal};

/// Where a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The bank has not decided.
    Open,
    /// The money came back.
    Won {
        /// When that was told.
        at: Timestamp,
    },
    /// The money is gone.
    Lost {
        /// When that was told.
        at: Timestamp,
        /// What was issued for it; none where nothing of the invoice was left.
        credit_note: Option<InvoiceId>,
    },
}

impl State {
    /// Its name in the API and the database.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Won { .. } => "won",
            Self::Lost { .. } => "lost",
        }
    }
}

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// Its id.
    pub id: DisputeId,
    /// Whose payment.
    pub organization: OrganizationId,
    /// Which payment.
    pub payment: PaymentId,
    /// Through whom.
    pub gateway: String,
    /// The provider's id.
    pub reference: String,
    /// What is disputed, with its tax.
    pub amount: Money,
    /// What the customer told the bank.
    pub reason: String,
    /// The credit that was frozen for it.
    pub frozen: Credits,
    /// When it was first told.
    pub opened_at: Timestamp,
    /// Where it stands.
    pub state: State,
}

impl Dispute {
    fn freeze_reason(&self) -> String {
        self.id.to_string()
    }
}

/// Writes down how a dispute stands at the provider, as it was seen. None when it is about no payment known here.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn record(tx: &WriteTx<'_>, gateway: &str, seen: &DisputeSeen) -> Result<Option<Dispute>, Error> {
    let conn = tx.conn()?;
    let dispute = match sql::by_reference(conn, gateway, &seen.reference)? {
        Some(known) => known,
        None => match payments_sql::by_charge(conn, gateway, &seen.charge)? {
            Some(payment) => open(tx, &payment, seen)?,
            None => return Ok(None),
        },
    };
    match (dispute.state, seen.status) {
        (State::Open, DisputeStatus::Won) => win(tx, &dispute)?,
        (State::Open, DisputeStatus::Lost) => lose(tx, &dispute)?,
        // what was decided stays; a bank that thinks again opens another
        (State::Open | State::Won { .. } | State::Lost { .. }, _) => {}
    }
    sql::get(conn, dispute.id).map_err(Error::from)
}

/// One dispute.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub fn get(conn: &Connection, id: DisputeId) -> Result<Dispute, Error> {
    sql::get(conn, id)?.ok_or(Error::NotFound("dispute"))
}

/// All disputes, those before a dispute; newest first.
///
/// # Errors
/// When the database fails.
pub fn list(conn: &Connection, before: Option<DisputeId>, limit: u32) -> Result<Vec<Dispute>, DbError> {
    sql::list(conn, before, limit)
}

/// The bank has taken the money until it decides; what remains of the credit is frozen.
fn open(tx: &WriteTx<'_>, payment: &super::Payment, seen: &DisputeSeen) -> Result<Dispute, Error> {
    let conn = tx.conn()?;
    let Standing::Settled(settled) = &payment.state else { return Err(Error::NotSettled) };
    let mut dispute = Dispute {
        id: sql::next_id(conn)?,
        organization: payment.organization,
        payment: payment.id,
        gateway: payment.gateway.clone(),
        reference: seen.reference.clone(),
        amount: seen.amount,
        reason: seen.reason.clone(),
        frozen: Credits::ZERO,
        opened_at: tx.now(),
        state: State::Open,
    };
    let mut wanted = Vec::new();
    for grant in [Some(settled.grant), settled.bonus].into_iter().flatten() {
        let original = grants::get(conn, grant)?.map_or(Credits::ZERO, |grant| grant.original);
        wanted.push((grant, part_of(original, seen.amount, payment.quote.amounts.total)));
    }
    let frozen = wallet::freeze(tx, dispute.organization, &dispute.freeze_reason(), &wanted)?;
    dispute.frozen = total(&frozen);
    sql::insert(conn, &dispute, next_ask(dispute.opened_at, tx.now()))?;
    let withdrawn = transfer(tx, dispute.amount, AccountKind::Disputes, AccountKind::Cash)?;
    move_money(tx, &dispute, "Payment disputed", vec![withdrawn])?;
    note(tx, "dispute.opened", &dispute)?;
    Ok(dispute)
}

/// The money came back, and the credit is let go.
fn win(tx: &WriteTx<'_>, dispute: &Dispute) -> Result<(), Error> {
    let back = transfer(tx, dispute.amount, AccountKind::Cash, AccountKind::Disputes)?;
    wallet::thaw(tx, dispute.organization, &dispute.freeze_reason())?;
    move_money(tx, dispute, "Dispute won: the money came back", vec![back])?;
    sql::close(tx.conn()?, dispute.id, State::Won { at: tx.now() })?;
    note(tx, "dispute.won", dispute)
}

/// The money is gone: so is the credit that is left of it, and the sale as far as it went back.
fn lose(tx: &WriteTx<'_>, dispute: &Dispute) -> Result<(), Error> {
    let conn = tx.conn()?;
    let payment = payments_sql::get(conn, dispute.payment)?.ok_or(Error::NotFound("payment"))?;
    let Standing::Settled(settled) = &payment.state else { return Err(Error::NotSettled) };
    let by = By::actor(Actor::System);
    let invoice = invoices::get(conn, dispute.organization, settled.invoice)?;
    // refunds on their way get credit notes of their own
    let left = super::refunds::left(conn, payment.id, &invoice)?;
    // a dispute may be about more than is left: the bank's loss is ours, but no document says so twice
    let given_back = Money { minor: dispute.amount.minor.min(left.total.minor), ..left.total };
    let mut money = Vec::new();
    let mut credit_note = None;
    let mut net = 0;
    if given_back.minor > 0 {
        let parts = invoices::divided(&invoice, left, given_back)?;
        net = parts.net.minor;
        let new = NewCreditNote {
            invoice: invoice.id,
            reference: dispute.id.to_string(),
            total: given_back,
            reason: "Disputed payment".into(),
            paid: None,
        };
        credit_note = Some(invoices::credit_note(tx, &by, &new)?.id);
        money.push(transfer(tx, parts.tax, AccountKind::TaxPayable, AccountKind::Disputes)?);
    }
    let frozen = wallet::frozen(conn, &dispute.freeze_reason())?;
    let of_grant = |draw: &&Draw| draw.account.number() == settled.grant.number();
    let credits = frozen.iter().find(of_grant).map_or(Credits::ZERO, |draw| draw.amount);
    if let Some(standing) = revenue::catch_up(tx, settled.grant)? {
        let cost = grants::get(conn, settled.grant)?.map_or(0, |grant| {
            let exact = i128::from(standing.cost.minor) * i128::from(credits.micros())
                / i128::from(grant.original.micros().max(1));
            i64::try_from(exact).unwrap_or(standing.cost.minor)
        });
        let owed = Money { minor: cost.min(standing.deferred.minor).min(net), ..standing.deferred };
        money.push(revenue::give_back(tx, settled.grant, credits, owed, AccountKind::Disputes)?);
    }
    money.retain(|moved| moved.amount != 0);
    let withdrawal = Withdrawal {
        reason: dispute.freeze_reason(),
        to: AccountKind::ClawedBack,
        kind: TransactionType::Clawback,
        description: "Dispute lost: what was left of the credit was taken back".into(),
        actor: by.actor.to_string(),
        metadata: Some(metadata(dispute)),
        money,
    };
    wallet::withdraw_frozen(tx, dispute.organization, withdrawal)?;
    sql::close(conn, dispute.id, State::Lost { at: tx.now(), credit_note })?;
    note(tx, "dispute.lost", dispute)
}

/// The credit that a part of what was paid stands for: rounded up, and all of it for all of the money.
fn part_of(credit: Credits, amount: Money, paid: Money) -> Credits {
    if amount.currency != paid.currency || amount.minor >= paid.minor {
        return credit;
    }
    let (micros, paid) = (i128::from(credit.micros()), i128::from(paid.minor.max(1)));
    let part = (micros * i128::from(amount.minor.max(0)) + paid - 1) / paid;
    i64::try_from(part).map_or(credit, Credits::from_micros)
}

/// Sets aside what has become free of a payment's credit, where the bank has not decided about it.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub(super) fn freeze_more(tx: &WriteTx<'_>, payment: PaymentId, free: &[Draw]) -> Result<(), Error> {
    let conn = tx.conn()?;
    let Some(dispute) = sql::open_of(conn, payment)? else { return Ok(()) };
    let wanted: Vec<_> = free.iter().map(|draw| (GrantId::new(draw.account.number()), draw.amount)).collect();
    let more = wallet::freeze(tx, dispute.organization, &dispute.freeze_reason(), &wanted)?;
    let frozen = dispute.frozen.checked_add(total(&more)).unwrap_or(dispute.frozen);
    Ok(sql::set_frozen(conn, dispute.id, frozen)?)
}

fn total(draws: &[Draw]) -> Credits {
    let micros = draws.iter().fold(0_i64, |sum, draw| sum.saturating_add(draw.amount.micros()));
    Credits::from_micros(micros)
}

fn transfer(tx: &WriteTx<'_>, money: Money, debit: AccountKind, credit: AccountKind) -> Result<Move, Error> {
    let (conn, book) = (tx.conn()?, Book::Money(money.currency));
    Ok(Move {
        debit: ledger::ensure_account(conn, book, debit)?,
        credit: ledger::ensure_account(conn, book, credit)?,
        amount: money.minor,
    })
}

/// A line without credit, for the customer to see why.
fn move_money(tx: &WriteTx<'_>, dispute: &Dispute, what: &str, money: Vec<Move>) -> Result<(), Error> {
    let withdrawal = Withdrawal {
        // nothing is set aside under it
        reason: String::new(),
        to: AccountKind::ClawedBack,
        kind: TransactionType::Clawback,
        description: format!("{what} ({})", dispute.amount),
        actor: Actor::System.to_string(),
        metadata: Some(metadata(dispute)),
        money,
    };
    wallet::withdraw_frozen(tx, dispute.organization, withdrawal)?;
    Ok(())
}

fn metadata(dispute: &Dispute) -> String {
    format!("{{\"dispute_id\":\"{}\",\"payment_id\":\"{}\"}}", dispute.id, dispute.payment)
}

fn note(tx: &WriteTx<'_>, action: &str, dispute: &Dispute) -> Result<(), Error> {
    let what = Difference::new()
        .with("payment", dispute.payment.to_string())
        .with("amount", dispute.amount.to_string())
        .with("reason", dispute.reason.as_str())
        .with("frozen", dispute.frozen.to_string());
    let by = By::actor(Actor::System);
    Ok(audit::record(tx, &by, action, dispute.id, Some(dispute.organization), &what)?)
}
