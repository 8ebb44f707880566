//! Payments that the customer's bank disputes. While it decides, what remains of the credit is frozen; when the
//! money is gone for good, so is that credit; when it comes back, the credit is let go.

mod sql;

use rusqlite::Connection;

pub(super) use sql::MISFITS;

use super::gateway::{DisputeSeen, DisputeStatus};
use super::refunds::Error;
use super::{State as Standing, concerns, next_ask, sql as payments_sql};
use crate::base::id::{DisputeId, InvoiceId, OrganizationId, PaymentId};
use crate::base::{Credits, Money, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::events::payload::Dispute as Told;
use crate::events::{self, Payload};
use crate::grants;
use crate::identity::audit::{self, Actor, By, Difference};
use crate::invoices::{self, Kind, NewCreditNote};
use crate::ledger::{self, AccountKind, Book, Move, TransactionType};
use crate::outbox;
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
    /// The bank has taken the money. While it only asks, it has not.
    pub withdrawn: bool,
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
        (State::Open, DisputeStatus::Open) => withdraw(tx, &dispute, seen.amount)?,
        (State::Open, DisputeStatus::Dropped) => win(tx, &dispute)?,
        (State::Open, DisputeStatus::Won) => {
            withdraw(tx, &dispute, seen.amount)?;
            win(tx, &dispute)?;
        }
        (State::Open, DisputeStatus::Lost) => {
            withdraw(tx, &dispute, seen.amount)?;
            lose(tx, &get(conn, dispute.id)?)?;
        }
        (State::Won { .. }, DisputeStatus::Open | DisputeStatus::Lost) if !dispute.withdrawn => {
            tracing::error!(dispute = %dispute.id, "the bank went on with what it had dropped: somebody has to look");
            note(tx, "dispute.contradicted", &dispute)?;
            let detail = format!(
                "{} of {}: the bank went on with what it had dropped",
                dispute.reference, dispute.amount
            );
            concerns::raise(tx, concerns::Kind::Dispute, dispute.id, &detail, Some(dispute.organization))?;
        }
        // what was decided stays; whether the money follows is for somebody to look at
        (State::Won { .. }, DisputeStatus::Lost) | (State::Lost { .. }, DisputeStatus::Won) => {
            note(tx, "dispute.contradicted", &dispute)?;
            let detail = format!("{} of {}: the bank has decided again", dispute.reference, dispute.amount);
            concerns::raise(tx, concerns::Kind::Dispute, dispute.id, &detail, Some(dispute.organization))?;
        }
        (State::Open, DisputeStatus::Inquiry) | (State::Won { .. } | State::Lost { .. }, _) => {}
    }
    Ok(Some(get(conn, dispute.id)?))
}

/// One dispute.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub fn get(conn: &Connection, id: DisputeId) -> Result<Dispute, Error> {
    Ok(with_frozen(conn, sql::get(conn, id)?.ok_or(Error::NotFound("dispute"))?)?)
}

/// All disputes, those before a dispute; newest first.
///
/// # Errors
/// When the database fails.
pub fn list(conn: &Connection, before: Option<DisputeId>, limit: u32) -> Result<Vec<Dispute>, DbError> {
    sql::list(conn, before, limit)?.into_iter().map(|dispute| with_frozen(conn, dispute)).collect()
}

/// The disputes of a payment, oldest first.
///
/// # Errors
/// When the database fails.
pub fn of_payment(conn: &Connection, payment: PaymentId) -> Result<Vec<Dispute>, DbError> {
    sql::of_payment(conn, payment)?.into_iter().map(|dispute| with_frozen(conn, dispute)).collect()
}

/// While the bank has not decided, what is frozen may become more.
fn with_frozen(conn: &Connection, dispute: Dispute) -> Result<Dispute, DbError> {
    if dispute.state != State::Open {
        return Ok(dispute);
    }
    let frozen = total(&wallet::frozen(conn, &dispute.freeze_reason())?);
    Ok(Dispute { frozen, ..dispute })
}

/// What remains of the credit is frozen, and what becomes free of it later. Whether the bank has taken the money shows in what was
/// seen.
fn open(tx: &WriteTx<'_>, payment: &super::Payment, seen: &DisputeSeen) -> Result<Dispute, Error> {
    let conn = tx.conn()?;
    let dispute = Dispute {
        id: sql::next_id(conn)?,
        organization: payment.organization,
        payment: payment.id,
        gateway: payment.gateway.clone(),
        reference: seen.reference.clone(),
        amount: seen.amount,
        reason: seen.reason.clone(),
        frozen: Credits::ZERO,
        withdrawn: false,
        opened_at: tx.now(),
        state: State::Open,
    };
    sql::insert(conn, &dispute, next_ask(dispute.opened_at, tx.now()))?;
    lay_claim(tx, &dispute, payment)?;
    let dispute = get(conn, dispute.id)?;
    note(tx, "dispute.opened", &dispute)?;
    events::emit(tx, Some(dispute.organization), &Payload::DisputeOpened(told(&dispute, "open")))?;
    Ok(dispute)
}

/// Freezes the part of the payment's credit that is disputed, as far as it is there or comes back.
fn lay_claim(tx: &WriteTx<'_>, dispute: &Dispute, payment: &super::Payment) -> Result<(), Error> {
    let Standing::Settled(settled) = &payment.state else { return Err(Error::NotSettled) };
    let mut wanted = Vec::new();
    let came_with = payments_sql::fee_grants(tx.conn()?, payment.id)?;
    for grant in [settled.grant, settled.bonus].into_iter().flatten().chain(came_with) {
        let original = grants::get(tx.conn()?, grant)?.map_or(Credits::ZERO, |grant| grant.original);
        wanted.push((grant, part_of(original, dispute.amount, payment.quote.amounts.total)));
    }
    wallet::claim(tx, dispute.organization, &dispute.freeze_reason(), &wanted)?;
    Ok(())
}

/// Whether the bank has a payment disputed, or asks about it, and has not decided.
///
/// # Errors
/// When the database fails.
pub fn is_open(conn: &Connection, payment: PaymentId) -> Result<bool, DbError> {
    Ok(sql::open_of(conn, payment)?.is_some())
}

/// What the bank only asks about can still be given back: under which reason its credit is frozen.
pub(super) fn inquiry(conn: &Connection, payment: PaymentId) -> Result<Option<String>, DbError> {
    let open = sql::open_of(conn, payment)?;
    Ok(open.filter(|dispute| !dispute.withdrawn).map(|dispute| dispute.freeze_reason()))
}

/// Sets credit of a payment aside with `set_aside`, also where the bank asks about it: that keeps the rest frozen.
pub(super) fn beside_inquiry(
    tx: &WriteTx<'_>,
    payment: &super::Payment,
    set_aside: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let open = sql::open_of(tx.conn()?, payment.id)?.filter(|dispute| !dispute.withdrawn);
    if let Some(dispute) = &open {
        wallet::thaw(tx, dispute.organization, &dispute.freeze_reason())?;
    }
    set_aside()?;
    open.map_or(Ok(()), |dispute| lay_claim(tx, &dispute, payment))
}

/// The bank has taken the money until it decides. Once.
fn withdraw(tx: &WriteTx<'_>, dispute: &Dispute, amount: Money) -> Result<(), Error> {
    if dispute.withdrawn {
        return Ok(());
    }
    let dispute = Dispute { amount, withdrawn: true, ..dispute.clone() };
    sql::set_withdrawn(tx.conn()?, dispute.id, amount)?;
    let withdrawn = transfer(tx, amount, AccountKind::Disputes, AccountKind::Cash)?;
    move_money(tx, &dispute, "Payment disputed", vec![withdrawn])
}

/// The credit is let go, and the money that was taken came back.
fn win(tx: &WriteTx<'_>, dispute: &Dispute) -> Result<(), Error> {
    let dispute = get(tx.conn()?, dispute.id)?;
    wallet::thaw(tx, dispute.organization, &dispute.freeze_reason())?;
    if dispute.withdrawn {
        let back = transfer(tx, dispute.amount, AccountKind::Cash, AccountKind::Disputes)?;
        move_money(tx, &dispute, "Dispute won: the money came back", vec![back])?;
    }
    sql::close(tx.conn()?, dispute.id, State::Won { at: tx.now() }, dispute.frozen)?;
    events::emit(tx, Some(dispute.organization), &Payload::DisputeClosed(told(&dispute, "won")))?;
    note(tx, "dispute.won", &dispute)
}

fn told(dispute: &Dispute, status: &str) -> Told {
    let (dispute_id, payment_id) = (dispute.id, dispute.payment);
    Told { dispute_id, payment_id, amount: dispute.amount, status: status.to_owned() }
}

/// The money is gone: so is the credit that is left of it, and the sale as far as it went back.
fn lose(tx: &WriteTx<'_>, dispute: &Dispute) -> Result<(), Error> {
    let credit_note = take_loss(tx, dispute, (dispute.id.to_string(), dispute.amount.minor), true)?;
    sql::close(tx.conn()?, dispute.id, State::Lost { at: tx.now(), credit_note }, dispute.frozen)?;
    events::emit(tx, Some(dispute.organization), &Payload::DisputeClosed(told(dispute, "lost")))?;
    let payment = payments_sql::get(tx.conn()?, dispute.payment)?;
    let is_lost = |payment: &super::Payment| is_all(dispute.amount, payment.quote.amounts.total);
    if payment.is_some_and(|payment| payment.purchase.plan.is_some() && is_lost(&payment)) {
        outbox::enqueue(tx, super::FEE_LOST, &dispute.payment.number().to_string(), tx.now())?;
    }
    note(tx, "dispute.lost", dispute)
}

/// Work: credit of lost disputes that became free later goes as well, with what can be credited of the sale by now.
pub(super) fn claw_back(tx: &WriteTx<'_>, organization: OrganizationId) -> Result<(), Error> {
    let conn = tx.conn()?;
    for dispute in sql::lost_of(conn, organization)? {
        if wallet::frozen(conn, &dispute.freeze_reason())?.is_empty() {
            continue;
        }
        let mut reference = dispute.id.to_string();
        let mut rest = dispute.amount.minor;
        let mut times = 0;
        while let Some(before) = invoices::by_reference(conn, Kind::CreditNote, &reference)? {
            rest = rest.saturating_sub(before.amounts.total.minor);
            times += 1;
            reference = format!("{}_{times}", dispute.id);
        }
        take_loss(tx, &dispute, (reference, rest), false)?;
        note(tx, "dispute.clawed_back", &dispute)?;
    }
    Ok(())
}

/// Takes what is frozen for a lost dispute, with its money, and credits up to `most` of the sale, with tax, under `reference`.
fn take_loss(
    tx: &WriteTx<'_>,
    dispute: &Dispute,
    (reference, most): (String, i64),
    is_first: bool,
) -> Result<Option<InvoiceId>, Error> {
    let conn = tx.conn()?;
    let payment = payments_sql::get(conn, dispute.payment)?.ok_or(Error::NotFound("payment"))?;
    let Standing::Settled(settled) = &payment.state else { return Err(Error::NotSettled) };
    let by = By::actor(Actor::System);
    let invoice = invoices::get(conn, dispute.organization, settled.invoice)?;
    // refunds on their way get credit notes of their own
    let left = super::refunds::left(conn, payment.id, &invoice)?;
    // a dispute may be about more than is left: the bank's loss is ours, but no document says so twice
    let given_back = Money { minor: most.min(left.total.minor), ..left.total };
    let mut money = Vec::new();
    let (mut credit_note, mut net) = (None, 0);
    if given_back.minor > 0 {
        let parts = invoices::divided(&invoice, left, given_back)?;
        net = parts.net.minor;
        let new = NewCreditNote {
            invoice: invoice.id,
            reference,
            total: given_back,
            reason: "Disputed payment".into(),
            paid: None,
        };
        credit_note = Some(invoices::credit_note(tx, &by, &new)?.id);
        money.push(transfer(tx, parts.tax, AccountKind::TaxPayable, AccountKind::Disputes)?);
    }
    let frozen = wallet::frozen(conn, &dispute.freeze_reason())?;
    let of_grant = |draw: &&Draw| settled.grant.is_some_and(|grant| draw.account.number() == grant.number());
    let credits = frozen.iter().find(of_grant).map_or(Credits::ZERO, |draw| draw.amount);
    let Some(grant) = settled.grant else {
        let most = Money { minor: net, ..given_back };
        money.extend(revenue::fees::give_back(tx, payment.id, most, AccountKind::Disputes)?);
        money.retain(|moved| moved.amount != 0);
        claw(tx, dispute, money)?;
        return Ok(credit_note);
    };
    if let Some(standing) = revenue::catch_up(tx, grant)? {
        // what comes later was credited with the first
        let most = if is_first { net } else { standing.deferred.minor };
        let cost = grants::get(conn, grant)?.map_or(0, |grant| {
            let exact = i128::from(standing.cost.minor) * i128::from(credits.micros())
                / i128::from(grant.original.micros().max(1));
            i64::try_from(exact).unwrap_or(standing.cost.minor)
        });
        let owed = Money { minor: cost.min(standing.deferred.minor).min(most), ..standing.deferred };
        money.push(revenue::give_back(tx, grant, credits, owed, AccountKind::Disputes)?);
    }
    money.retain(|moved| moved.amount != 0);
    claw(tx, dispute, money)?;
    Ok(credit_note)
}

/// Takes what is frozen for a dispute, with the money that goes with it.
fn claw(tx: &WriteTx<'_>, dispute: &Dispute, money: Vec<Move>) -> Result<(), Error> {
    let withdrawal = Withdrawal {
        reason: dispute.freeze_reason(),
        to: AccountKind::ClawedBack,
        kind: TransactionType::Clawback,
        description: "Dispute lost: what was left of the credit was taken back".into(),
        actor: Actor::System.to_string(),
        metadata: Some(metadata(dispute)),
        money,
    };
    wallet::withdraw_frozen(tx, dispute.organization, withdrawal)?;
    Ok(())
}

fn is_all(amount: Money, paid: Money) -> bool {
    amount.currency != paid.currency || amount.minor >= paid.minor
}

/// The credit that a part of what was paid stands for: rounded up, and all of it for all of the money.
fn part_of(credit: Credits, amount: Money, paid: Money) -> Credits {
    if is_all(amount, paid) {
        return credit;
    }
    let (micros, paid) = (i128::from(credit.micros()), i128::from(paid.minor.max(1)));
    let part = (micros * i128::from(amount.minor.max(0)) + paid - 1) / paid;
    i64::try_from(part).map_or(credit, Credits::from_micros)
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
