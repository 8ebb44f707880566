//! Money going back: asked for by the customer and decided by the operator, or decided by the operator alone.
//!
//! When it is decided, the credit that goes for it is set aside; the provider is asked through the outbox, always under the
//! same key; and when it says that the money went back, the credit leaves, the credit note is issued and both ledgers move, in one
//! transaction. When it says no, what was set aside is let go and everything is as before.

pub(super) mod outside;
pub mod rules;
mod sql;

use rusqlite::Connection;

pub use rules::{Basis, Part, Reason, State, Step, Taken, Unused};
pub(super) use sql::MISFITS;

use super::gateway::{KEYS_KEPT_MS, RefundSeen, RefundStatus};
use super::{Payment, Settled, State as Standing, concerns, disputes, names, next_ask, sql as payments_sql};
use crate::base::id::{GrantId, OrganizationId, PaymentId, RefundId};
use crate::base::time::DAY_MS;
use crate::base::{Credits, FieldError, Money, MoneyError, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::events::payload::Refund as Told;
use crate::events::{self, Payload};
use crate::grants;
use crate::identity::audit::{self, Actor, By, Difference};
use crate::invoices::{self, Invoice, NewCreditNote, Paid};
use crate::ledger::{self, AccountKind, Book, Move, TransactionType};
use crate::outbox;
use crate::revenue;
use crate::tax::{Amounts, Prices};
use crate::wallet::{self, Withdrawal};

/// Work: have the provider give money back. The subject is the refund's number.
pub const GIVE_BACK: &str = "payment.refund";

/// Why nothing is given back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The wallet.
    #[error(transparent)]
    Wallet(#[from] wallet::Error),
    /// The credit note.
    #[error(transparent)]
    Invoice(#[from] invoices::Error),
    /// The money ledger.
    #[error(transparent)]
    Revenue(#[from] revenue::Error),
    /// Amounts too large to be added up, or of several currencies.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// What was asked for.
    #[error("the input is not valid")]
    Invalid(Vec<FieldError>),
    /// There is no such refund, or payment.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The payment has not settled: there is nothing to give back.
    #[error("the payment has not settled")]
    NotSettled,
    /// The customer's time for asking is over.
    #[error("the time for asking for it back is over")]
    TooLate,
    /// Somebody has asked already, and it is not decided.
    #[error("it was asked for already")]
    AskedAlready,
    /// It was decided already.
    #[error("it was decided already")]
    Decided,
}

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// Whose.
    pub organization: OrganizationId,
    /// Of which payment.
    pub payment: PaymentId,
    /// Through whom.
    pub gateway: String,
    /// What goes back, with its tax.
    pub total: Money,
    /// What that is made of, and what it takes; once it is decided.
    pub taken: Option<Taken>,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub note: String,
    /// Who began it.
    pub actor: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was decided, if it was.
    pub decided_at: Option<Timestamp>,
    /// Where it stands.
    pub state: State,
}

impl Refund {
    /// Under which its credit is set aside.
    fn freeze_reason(&self) -> String {
        self.id.to_string()
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Of which payment.
    pub payment: PaymentId,
    /// How much, with its tax; everything that can be given back for the reason, if none.
    pub total: Option<Money>,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub note: String,
}

/// What can be given back of a payment now, each with its tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// For credit that is still there, which goes.
    pub unused: Money,
    /// For credit that was used: for the operator to give.
    pub used: Money,
    /// The credit that goes for all of the unused part, bonus included.
    pub credits: Credits,
}

/// A settled payment with what it made.
struct Sale {
    payment: Payment,
    settled: Settled,
    invoice: Invoice,
    /// Of the invoice: neither given back, nor about to be.
    left: Amounts,
    basis: Basis,
}

impl Sale {
    fn read(conn: &Connection, payment: PaymentId, now: Timestamp) -> Result<Self, Error> {
        let payment = payments_sql::get(conn, payment)?.ok_or(Error::NotFound("payment"))?;
        let Standing::Settled(settled) = payment.state.clone() else { return Err(Error::NotSettled) };
        let invoice = invoices::get(conn, payment.organization, settled.invoice)?;
        let under_way = sql::under_way(conn, payment.id)?;
        let left = left_beside(conn, under_way, &invoice)?;
        let inquiry = disputes::inquiry(conn, payment.id)?;
        let spare = wallet::spare(conn, payment.organization, (inquiry.as_deref(), now))?;
        let basis = match settled.grant {
            Some(grant) => Self::basis(conn, (grant, &settled), under_way, (left.net.minor, &spare))?,
            None => Basis::of_fee(left.net.minor),
        };
        Ok(Self { payment, settled, invoice, left, basis })
    }

    fn basis(
        conn: &Connection,
        (grant, settled): (GrantId, &Settled),
        under_way: sql::UnderWay,
        (left, spare): (i64, &[(GrantId, Credits)]),
    ) -> Result<Basis, Error> {
        let grant = grants::get(conn, grant)?.ok_or(Error::NotFound("grant"))?;
        // what has gone to the overdraft was used, wherever it is repaid from
        let free = |grant: &grants::GrantRow| {
            spare.iter().find(|(id, _)| *id == grant.id).map_or(0, |(_, free)| free.micros())
        };
        let money = revenue::standing(conn, grant.id)?;
        let bonus = match settled.bonus.filter(|_| !under_way.bonus_settled) {
            Some(bonus) => grants::get(conn, bonus)?,
            None => None,
        };
        let bonus_free = bonus.as_ref().map_or(0, free);
        // what a call has set aside of it cannot be taken, so it counts as used
        let bonus_gone = |bonus: &grants::GrantRow| bonus.original.micros().saturating_sub(free(bonus));
        Ok(Basis {
            cost: grant.cost.map_or(0, |cost| cost.minor),
            original: grant.original.micros(),
            free: free(&grant),
            deferred: money.map_or(0, |money| money.deferred.minor).saturating_sub(under_way.unused),
            bonus_used: bonus.as_ref().map_or(0, bonus_gone),
            bonus_free,
            // what was sent on with credit is the receiver's to use
            left: left.saturating_sub(sql::sent_on(conn, grant.id)?),
        })
    }

    /// The total that a net amount makes with its tax: no more than leads back to it.
    fn with_tax(&self, net: i64) -> Result<Money, Error> {
        if net >= self.left.net.minor {
            return Ok(self.left.total);
        }
        let net = Money { minor: net, currency: self.invoice.currency() };
        let mut total = Amounts::of(net, self.invoice.rate, Prices::ExcludeTax)?.total;
        // parts that were given back before may have taken more than their share of the tax
        total.minor = total.minor.min(self.left.total.minor);
        while total.minor > 0 && invoices::divided(&self.invoice, self.left, total)?.net.minor > net.minor {
            total.minor -= 1;
        }
        Ok(total)
    }

    /// The most that can be given back for a reason, without tax.
    fn most(&self, part: Part) -> i64 {
        match part {
            Part::Unused => self.basis.unused().net,
            Part::Used => self.basis.used(),
            Part::Both => self.left.net.minor,
        }
    }

    /// What a total takes, or why that cannot be given back.
    fn taken(&self, total: Money, part: Part) -> Result<Taken, Error> {
        let most = self.with_tax(self.most(part))?;
        let wrong = |code, text: String| Error::Invalid(vec![FieldError::new("amount", code, text)]);
        if total.currency != most.currency {
            return Err(wrong("invalid_value", format!("must be in {}", most.currency)));
        }
        if most.minor <= 0 {
            return Err(wrong("nothing_left", "is more than can be given back: nothing is left".into()));
        }
        if total.minor <= 0 {
            return Err(wrong("invalid_value", "must be above zero".into()));
        }
        if total.minor > most.minor {
            return Err(wrong("too_large", format!("is more than can be given back: {most}")));
        }
        let Amounts { net, tax, .. } = invoices::divided(&self.invoice, self.left, total)?;
        let unused = self.basis.unused();
        let money = |minor| Money { minor, ..net };
        if part == Part::Used {
            return Ok(Taken { net, tax, unused: money(0), credits: Credits::ZERO, bonus: Credits::ZERO });
        }
        let for_unused = net.minor.min(unused.net);
        let credits = self.basis.credits_for(&unused, for_unused).saturating_add(unused.forfeited);
        Ok(Taken {
            net,
            tax,
            unused: money(for_unused),
            credits: Credits::from_micros(credits),
            bonus: Credits::from_micros(unused.bonus),
        })
    }

    /// Which part of it a reason is about: a plan's fee is in no credit, so nothing of it is unused.
    const fn part(&self, reason: Reason) -> Part {
        match (self.settled.grant, reason) {
            (None, Reason::Duplicate) => Part::Used,
            (_, reason) => reason.part(),
        }
    }

    /// What is set aside for it: how much of which grant.
    fn grants(&self, taken: &Taken) -> Vec<(GrantId, Credits)> {
        let bonus = self.settled.bonus.map(|bonus| (bonus, taken.bonus));
        let paid = self.settled.grant.map(|grant| (grant, taken.credits));
        paid.into_iter().chain(bonus).collect()
    }
}

/// What of a payment's invoice has neither been given back nor is about to be.
///
/// # Errors
/// Those of the database.
pub(super) fn left(conn: &Connection, payment: PaymentId, invoice: &Invoice) -> Result<Amounts, Error> {
    left_beside(conn, sql::under_way(conn, payment)?, invoice)
}

fn left_beside(conn: &Connection, under_way: sql::UnderWay, invoice: &Invoice) -> Result<Amounts, Error> {
    let left = invoices::left(conn, invoice)?;
    let minus = |money: Money, by: i64| Money { minor: money.minor.saturating_sub(by), ..money };
    Ok(Amounts {
        net: minus(left.net, under_way.net),
        tax: minus(left.tax, under_way.tax),
        total: minus(left.total, under_way.net.saturating_add(under_way.tax)),
    })
}

/// What can be given back of a payment now.
///
/// # Errors
/// [`Error::NotFound`], [`Error::NotSettled`], and those of the database.
pub fn offer(conn: &Connection, payment: PaymentId, now: Timestamp) -> Result<Offer, Error> {
    let sale = Sale::read(conn, payment, now)?;
    let unused = sale.basis.unused();
    let credits = unused.credits.saturating_add(unused.forfeited).saturating_add(unused.bonus);
    Ok(Offer {
        unused: sale.with_tax(unused.net)?,
        used: sale.with_tax(sale.basis.used())?,
        credits: Credits::from_micros(credits),
    })
}

fn is_late(settled: &Settled, within_days: u32, now: Timestamp) -> bool {
    now.millis().saturating_sub(settled.at.millis()) > i64::from(within_days) * DAY_MS
}

/// True while a customer may ask for what is unused of a payment.
///
/// # Errors
/// When the database fails.
pub fn may_request(
    conn: &Connection,
    payment: &Payment,
    within_days: u32,
    now: Timestamp,
) -> Result<bool, DbError> {
    let Standing::Settled(settled) = &payment.state else { return Ok(false) };
    if settled.grant.is_none() {
        return Ok(false);
    }
    Ok(!is_late(settled, within_days, now) && !sql::is_requested(conn, payment.id)?)
}

/// The refunds of a payment, oldest first.
///
/// # Errors
/// When the database fails.
pub fn of_payment(conn: &Connection, payment: PaymentId) -> Result<Vec<Refund>, DbError> {
    sql::of_payment(conn, payment)
}

/// A customer asks for the unused part, or some of it, back. `within_days` of its payment.
///
/// # Errors
/// See [`Error`].
pub fn request(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    wish: &Wish,
    within_days: u32,
) -> Result<Refund, Error> {
    let conn = tx.conn()?;
    let payment = payments_sql::get(conn, wish.payment)?.filter(|found| found.organization == organization);
    let payment = payment.ok_or(Error::NotFound("payment"))?;
    let sale = Sale::read(conn, payment.id, tx.now())?;
    if sale.settled.grant.is_none() {
        let text = "is for a plan, whose time is not given back: ask us where something went wrong";
        return Err(Error::Invalid(vec![FieldError::new("payment_id", "not_refundable", text)]));
    }
    if is_late(&sale.settled, within_days, tx.now()) {
        return Err(Error::TooLate);
    }
    if sql::is_requested(conn, payment.id)? {
        return Err(Error::AskedAlready);
    }
    let total = wish.total.map_or_else(|| sale.with_tax(sale.most(sale.part(wish.reason))), Ok)?;
    // said now rather than when it is decided
    sale.taken(total, sale.part(wish.reason))?;
    let refund = insert(tx, by, &sale, wish, total, None)?;
    note(tx, by, "refund.requested", &refund)?;
    Ok(refund)
}

/// The operator says no.
///
/// # Errors
/// [`Error::Decided`], [`Error::NotFound`], and those of the database.
pub fn decline(tx: &WriteTx<'_>, by: &By, id: RefundId) -> Result<Refund, Error> {
    let refund = undecided(tx, id)?;
    let state = State::Declined { at: tx.now() };
    sql::set_state(tx.conn()?, id, &state, None)?;
    note(tx, by, "refund.declined", &refund)?;
    get(tx.conn()?, id)
}

/// The operator says yes. What is left by now may be less than was asked for: then that is given back.
///
/// # Errors
/// See [`Error`].
pub fn approve(tx: &WriteTx<'_>, by: &By, id: RefundId) -> Result<Refund, Error> {
    let refund = undecided(tx, id)?;
    let sale = Sale::read(tx.conn()?, refund.payment, tx.now())?;
    let most = sale.with_tax(sale.most(sale.part(refund.reason)))?;
    let total = Money { minor: refund.total.minor.min(most.minor), ..refund.total };
    let taken = sale.taken(total, sale.part(refund.reason))?;
    decide(tx, by, &sale, &refund, (total, &taken))
}

/// The operator gives money back without having been asked.
///
/// # Errors
/// See [`Error`].
pub fn give(tx: &WriteTx<'_>, by: &By, wish: &Wish) -> Result<Refund, Error> {
    let sale = Sale::read(tx.conn()?, wish.payment, tx.now())?;
    let total = wish.total.map_or_else(|| sale.with_tax(sale.most(sale.part(wish.reason))), Ok)?;
    // before anything is written: the error is about what was asked for
    let taken = sale.taken(total, sale.part(wish.reason))?;
    let refund = insert(tx, by, &sale, wish, total, Some(&taken))?;
    decide(tx, by, &sale, &refund, (total, &taken))
}

/// True for one that the provider is asked about no more: somebody has to look there whether it was given back.
#[must_use]
pub fn is_stuck(refund: &Refund, now: Timestamp) -> bool {
    let decided_at = refund.decided_at.unwrap_or(refund.created_at);
    refund.state == State::Pending { reference: None }
        && now.millis().saturating_sub(decided_at.millis()) > KEYS_KEPT_MS
}

/// The operator has looked at the provider: a stuck refund was not given back. Everything is as before.
///
/// # Errors
/// [`Error::Decided`] for one that is not stuck, [`Error::NotFound`], and those of the database.
pub fn give_up(tx: &WriteTx<'_>, by: &By, id: RefundId) -> Result<Refund, Error> {
    let refund = get(tx.conn()?, id)?;
    if !is_stuck(&refund, tx.now()) {
        return Err(Error::Decided);
    }
    note(tx, by, "refund.given_up", &refund)?;
    fail(tx, id, "the provider was not reached in time")?;
    get(tx.conn()?, id)
}

/// One refund.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub fn get(conn: &Connection, id: RefundId) -> Result<Refund, Error> {
    sql::get(conn, id)?.ok_or(Error::NotFound("refund"))
}

/// An organization's refunds, or everybody's, those before a refund; newest first.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &Connection,
    organization: Option<OrganizationId>,
    before: Option<RefundId>,
    limit: u32,
) -> Result<Vec<Refund>, DbError> {
    sql::list(conn, organization, before, limit)
}

/// Refunds that wait for the operator, oldest first.
///
/// # Errors
/// When the database fails.
pub fn requested(conn: &Connection, limit: u32) -> Result<Vec<Refund>, DbError> {
    sql::requested(conn, limit)
}

/// Refunds that are stuck, oldest first.
///
/// # Errors
/// When the database fails.
pub fn stuck(conn: &Connection, now: Timestamp, limit: u32) -> Result<Vec<Refund>, DbError> {
    sql::undone(conn, now.plus_ms(-KEYS_KEPT_MS), limit)
}

fn undecided(tx: &WriteTx<'_>, id: RefundId) -> Result<Refund, Error> {
    let refund = get(tx.conn()?, id)?;
    if refund.state == State::Requested { Ok(refund) } else { Err(Error::Decided) }
}

/// Writes a refund down: one that is decided already with what it takes, as somebody may be waiting for a decision on another.
fn insert(
    tx: &WriteTx<'_>,
    by: &By,
    sale: &Sale,
    wish: &Wish,
    total: Money,
    taken: Option<&Taken>,
) -> Result<Refund, Error> {
    let conn = tx.conn()?;
    let refund = Refund {
        id: sql::next_id(conn)?,
        organization: sale.payment.organization,
        payment: sale.payment.id,
        gateway: sale.payment.gateway.clone(),
        total,
        taken: taken.cloned(),
        reason: wish.reason,
        note: wish.note.trim().to_owned(),
        actor: by.actor.to_string(),
        created_at: tx.now(),
        decided_at: taken.map(|_| tx.now()),
        state: if taken.is_some() { State::Pending { reference: None } } else { State::Requested },
    };
    sql::insert(conn, &refund)?;
    Ok(refund)
}

/// Sets the credit aside, and has the provider asked.
fn decide(
    tx: &WriteTx<'_>,
    by: &By,
    sale: &Sale,
    refund: &Refund,
    (total, taken): (Money, &Taken),
) -> Result<Refund, Error> {
    set_aside(tx, sale, refund, (total, taken))?;
    outbox::enqueue(tx, GIVE_BACK, &refund.id.number().to_string(), tx.now())?;
    let decided = get(tx.conn()?, refund.id)?;
    note(tx, by, "refund.decided", &decided)?;
    Ok(decided)
}

fn set_aside(
    tx: &WriteTx<'_>,
    sale: &Sale,
    refund: &Refund,
    (total, taken): (Money, &Taken),
) -> Result<(), Error> {
    disputes::beside_inquiry(tx, &sale.payment, || {
        wallet::freeze(tx, refund.organization, &refund.freeze_reason(), &sale.grants(taken))?;
        Ok(())
    })?;
    sql::set_taken(tx.conn()?, refund.id, total, taken, tx.now())?;
    let state = State::Pending { reference: None };
    Ok(sql::set_state(tx.conn()?, refund.id, &state, None)?)
}

/// What became of something learned about a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is about this refund.
    Refund(Box<Refund>),
    /// It was made at the provider, of this payment, and is taken in when its money has gone and ours have ended.
    Waits(PaymentId),
    /// It is about nothing known here.
    Unknown,
}

/// Writes down how a refund stands at the provider, as it was seen. One that was made there and not here is taken in when its
/// money has gone.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn record(tx: &WriteTx<'_>, gateway: &str, seen: &RefundSeen) -> Result<Recorded, Error> {
    let conn = tx.conn()?;
    let ours = match names::whose(conn, &seen.refund)?.ours() {
        // somebody may have written our id to another: charge and amount have to be its own too
        Some(id) => match sql::get(conn, id)?.filter(|found| found.gateway == gateway) {
            Some(found) if is_its_own(conn, &found, seen)? => Some(found),
            _ => None,
        },
        None => None,
    };
    let found = match ours {
        Some(found) => Some(found),
        None => sql::by_reference(conn, gateway, &seen.reference)?,
    };
    let refund = match found {
        Some(refund) => refund,
        None => match made_elsewhere(tx, gateway, seen)? {
            Recorded::Refund(refund) => *refund,
            other => return Ok(other),
        },
    };
    match refund.state.told(&seen.reference, &seen.status) {
        Step::Stay => {}
        Step::Name(reference) => {
            let state = State::Pending { reference: Some(reference) };
            let ask_at = next_ask(refund.created_at, tx.now());
            sql::set_state(conn, refund.id, &state, Some(ask_at))?;
        }
        Step::Succeed => succeed(tx, &refund, &seen.reference)?,
        Step::Fail(why) => fail(tx, refund.id, &why)?,
        Step::Contradiction(why) => {
            tracing::error!(refund = %refund.id, why, "the provider contradicts itself about a refund");
            let what = Difference::new().with("reference", seen.reference.as_str()).with("why", why.as_str());
            let by = By::actor(Actor::System);
            audit::record(tx, &by, "refund.contradicted", refund.id, Some(refund.organization), &what)?;
            let detail = format!("{} of {}: {why}", seen.reference, refund.total);
            concerns::raise(
                tx,
                concerns::Kind::Contradiction,
                refund.id,
                &detail,
                Some(refund.organization),
            )?;
        }
    }
    Ok(Recorded::Refund(Box::new(get(conn, refund.id)?)))
}

/// The same, and for those that were made at the provider and waited for it to end: in one transaction, so that what it had set
/// aside does not come free in between.
pub(super) fn record_all(
    tx: &WriteTx<'_>,
    gateway: &str,
    seen: &RefundSeen,
    waiting: &[RefundSeen],
) -> Result<Recorded, Error> {
    let recorded = record(tx, gateway, seen)?;
    for other in waiting {
        record(tx, gateway, other)?;
    }
    Ok(recorded)
}

fn is_its_own(conn: &Connection, refund: &Refund, seen: &RefundSeen) -> Result<bool, Error> {
    let payment = payments_sql::get(conn, refund.payment)?;
    Ok(payment.is_some_and(|payment| match &payment.state {
        Standing::Settled(settled) => settled.charge == seen.charge && refund.total == seen.amount,
        _ => false,
    }))
}

/// A refund that somebody made at the provider: its money has gone, so its credit goes as far as it is there.
fn made_elsewhere(tx: &WriteTx<'_>, gateway: &str, seen: &RefundSeen) -> Result<Recorded, Error> {
    let conn = tx.conn()?;
    let Some(payment) = payments_sql::by_charge(conn, gateway, &seen.charge)? else {
        return Ok(Recorded::Unknown);
    };
    match seen.status {
        RefundStatus::Succeeded => {}
        RefundStatus::Pending => return Ok(Recorded::Waits(payment.id)),
        RefundStatus::Failed(_) => return Ok(Recorded::Unknown),
    }
    let sale = Sale::read(conn, payment.id, tx.now())?;
    if seen.amount.currency != sale.left.total.currency || seen.amount.minor > sale.left.total.minor {
        // the provider will refuse one of ours, or has given back more than was paid
        let waits = sql::under_way(conn, payment.id)?.net > 0;
        return Ok(if waits { Recorded::Waits(payment.id) } else { Recorded::Unknown });
    }
    let by = By::actor(Actor::System);
    let wish = Wish {
        payment: payment.id,
        total: Some(seen.amount),
        reason: Reason::Elsewhere,
        note: seen.reference.clone(),
    };
    let taken = sale.taken(seen.amount, sale.part(wish.reason))?;
    let refund = insert(tx, &by, &sale, &wish, seen.amount, Some(&taken))?;
    set_aside(tx, &sale, &refund, (seen.amount, &taken))?;
    let refund = get(conn, refund.id)?;
    note(tx, &by, "refund.made_elsewhere", &refund)?;
    Ok(Recorded::Refund(Box::new(refund)))
}

/// The provider did not do it: everything is as before.
pub(super) fn fail(tx: &WriteTx<'_>, id: RefundId, why: &str) -> Result<(), Error> {
    let refund = get(tx.conn()?, id)?;
    if !matches!(refund.state, State::Pending { .. }) {
        return Ok(());
    }
    // what the bank decides about, or has decided, is not let go
    wallet::thaw(tx, refund.organization, &refund.freeze_reason())?;
    let state = State::Failed { at: tx.now(), why: why.to_owned() };
    sql::set_state(tx.conn()?, id, &state, None)?;
    let refund = get(tx.conn()?, id)?;
    events::emit(tx, Some(refund.organization), &Payload::RefundFailed(told(&refund)))?;
    note(tx, &By::actor(Actor::System), "refund.failed", &refund)
}

const fn told(refund: &Refund) -> Told {
    Told { refund_id: refund.id, payment_id: refund.payment, amount: refund.total }
}

/// The money went back: credit, credit note and both ledgers, together.
fn succeed(tx: &WriteTx<'_>, refund: &Refund, reference: &str) -> Result<(), Error> {
    let conn = tx.conn()?;
    let taken = refund.taken.as_ref().ok_or(Error::NotFound("decision"))?;
    let payment = payments_sql::get(conn, refund.payment)?.ok_or(Error::NotFound("payment"))?;
    let Standing::Settled(settled) = &payment.state else { return Err(Error::NotSettled) };
    let by = By::actor(Actor::System);
    let note_of = NewCreditNote {
        invoice: settled.invoice,
        reference: refund.id.to_string(),
        total: refund.total,
        reason: refund.reason.text().to_owned(),
        paid: Some(Paid { at: tx.now(), with: String::new() }),
    };
    let credit_note = invoices::credit_note(tx, &by, &note_of)?.id;
    let unearned = match settled.grant {
        Some(grant) => Some(revenue::give_back(tx, grant, taken.credits, taken.unused, AccountKind::Cash)?),
        None => revenue::fees::give_back(tx, payment.id, taken.net, AccountKind::Cash)?,
    };
    let used = taken.net.minor.saturating_sub(unearned.map_or(0, |moved| moved.amount));
    let mut money: Vec<Move> = unearned.into_iter().collect();
    for (from, minor) in [(AccountKind::Refunds, used), (AccountKind::TaxPayable, taken.tax.minor)] {
        let book = Book::Money(taken.net.currency);
        money.push(Move {
            debit: ledger::ensure_account(conn, book, from)?,
            credit: ledger::ensure_account(conn, book, AccountKind::Cash)?,
            amount: minor,
        });
    }
    money.retain(|moved| moved.amount != 0);
    let withdrawal = Withdrawal {
        reason: refund.freeze_reason(),
        to: AccountKind::Refunded,
        kind: TransactionType::Refund,
        description: format!("Refund of {}: {}", refund.total, refund.reason.text()),
        actor: refund.actor.clone(),
        metadata: Some(format!("{{\"refund_id\":\"{}\"}}", refund.id)),
        money,
    };
    wallet::withdraw_frozen(tx, refund.organization, withdrawal)?;
    let state = State::Succeeded { reference: reference.to_owned(), at: tx.now(), credit_note };
    sql::set_state(conn, refund.id, &state, None)?;
    events::emit(tx, Some(refund.organization), &Payload::RefundSucceeded(told(refund)))?;
    note(tx, &by, "refund.succeeded", refund)
}

fn note(tx: &WriteTx<'_>, by: &By, action: &str, refund: &Refund) -> Result<(), Error> {
    let what = Difference::new()
        .with("payment", refund.payment.to_string())
        .with("total", refund.total.to_string())
        .with("reason", refund.reason.name())
        .with("note", refund.note.as_str());
    Ok(audit::record(tx, by, action, refund.id, Some(refund.organization), &what)?)
}
