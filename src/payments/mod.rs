//! Money coming in: what is for sale, payments, and the credit that follows from them.
//!
//! A payment is written down, then the provider is asked for a checkout, then what it answered is written down: no call
//! goes outside from within a transaction, and whatever is cut off in between is taken up again. Credit is given when
//! the provider says that the money is there, in the same transaction that settles the payment, so at most once; and who
//! asks the provider (because of a webhook, of the customer coming back, or on schedule) makes no difference.

mod abandoned;
mod asking;
pub mod cards;
pub mod concerns;
mod customers;
mod desk;
pub mod disputes;
mod events;
pub mod gateway;
pub mod names;
pub mod packages;
pub mod refunds;
pub mod reload;
pub mod rules;
mod sql;
mod telling;
pub mod transfers;
pub mod verify;
mod webhooks;

use rusqlite::Connection;

pub use customers::details_changed;
pub use desk::Desk;
use desk::row_of;
use gateway::{Card, Checkout, Seen, Status};
use names::Whose;
pub use packages::Package;
pub use rules::{Progress, Purchase, Reason, Settled, State, Step, Terms};
pub use webhooks::{Received, WebhookError};

use crate::base::decimal::MICROS;
use crate::base::id::{GrantId, OrganizationId, PaymentId, PaymentMethodId};
use crate::base::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::base::{FieldError, Page, Quantity, Timestamp, Zone};
use crate::db::{DbError, WriteTx};
use crate::grants::Class;
use crate::identity::audit::{self, Actor, By, Difference};
use crate::identity::{self, Seller, SellerTerms};
use crate::invoices::{self, Evidence, NewInvoice, NewLine, Paid, Quote};
use crate::ledger::{AccountKind, TransactionType};
use crate::outbox;
use crate::revenue::fees;
use crate::tax::Prices;
use crate::wallet::{self, NewCredit, Withdrawal};

/// The source of grants that were paid for.
pub const SOURCE: &str = "purchase";
/// The source of what comes on top of them.
pub const BONUS_SOURCE: &str = "bonus";
/// Work: have the provider make a checkout, should whoever asked for it have been cut off. The subject is the payment's
/// number.
pub const BEGIN: &str = "payment.begin";
/// Work: charge a saved card. The subject is the payment's number.
pub const CHARGE: &str = "payment.charge";
/// Work: a plan's fee was paid. The subject is the payment's number. Carried out by whoever sells plans, and not once only.
pub const FEE_PAID: &str = "subscription.paid";
/// Work: a plan's fee was not paid, or nobody knows whether it was. The same.
pub const FEE_FAILED: &str = "subscription.failed";
/// Work: all the money of a plan's fee is gone, as its bank has decided. The subject is the payment's number.
pub const FEE_LOST: &str = "subscription.lost";
/// How long whoever asked for a checkout has for it alone.
const BEGIN_AFTER_MS: i64 = MINUTE_MS;

/// Why a payment is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The wallet.
    #[error(transparent)]
    Wallet(#[from] wallet::Error),
    /// The organization, or the seller as it is stored.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The invoice.
    #[error(transparent)]
    Invoice(#[from] invoices::Error),
    /// Money going back.
    #[error(transparent)]
    Refund(#[from] refunds::Error),
    /// What was asked for.
    #[error("the input is not valid")]
    Invalid(Vec<FieldError>),
    /// There is no such payment.
    #[error("no such payment")]
    NotFound,
    /// The key was used for something else.
    #[error("the key was used for something else")]
    IntentConflict,
    /// The price or the tax is not what the buyer agreed to.
    #[error("the price or the tax has changed")]
    Changed,
    /// A payment waits for somebody to say what came of it.
    #[error("a payment waits for a decision")]
    Undecided,
    /// There is no such card.
    #[error("no such card")]
    NoCard,
    /// A card has to be saved first.
    #[error("no card is saved")]
    CardRequired,
    /// There is no payment provider.
    #[error("no payment provider is configured")]
    NoGateway,
    /// The provider could not be asked, or refused.
    #[error(transparent)]
    Gateway(#[from] gateway::Trouble),
}

/// The same request sent again is the same payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The client's key, with whose it is.
    pub key: String,
    /// What was asked for under it.
    pub fingerprint: [u8; 32],
}

/// A payment about to be written down.
#[derive(Debug, Clone)]
pub struct NewPayment {
    /// Who pays.
    pub organization: OrganizationId,
    /// Through whom.
    pub gateway: &'static str,
    /// What for.
    pub purchase: Purchase,
    /// Who asked for it.
    pub actor: String,
    /// What makes sending it again safe.
    pub intent: Option<Intent>,
    /// What the buyer was shown, as [`offer`] puts it: when it is anything else by now, nothing is bought.
    pub agreed: Option<String>,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// Who pays.
    pub organization: OrganizationId,
    /// Through whom.
    pub gateway: String,
    /// What for.
    pub purchase: Purchase,
    /// What was agreed on: what is paid with its tax, and what the invoice will say.
    pub quote: Quote,
    /// Who asked for it.
    pub actor: String,
    /// When.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: State,
    /// What only some payments have.
    pub extras: Extras,
    intent: Option<Vec<u8>>,
}

/// What only some payments have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// The saved card that is charged, without the customer being there.
    pub card: Option<PaymentMethodId>,
    /// Where the customer comes back to, where that is no page of ours.
    pub success_url: Option<String>,
    /// The same, without having paid.
    pub cancel_url: Option<String>,
    /// The customer pays on a page of the platform's own.
    pub embedded: bool,
    /// What it is paid with is saved, for charges for which the customer is not there.
    pub keep_card: bool,
}

/// Writes a payment down, and the work of having the provider make a checkout, or finds the one that was made under the
/// same intent.
///
/// # Errors
/// See [`Error`].
pub fn create(tx: &WriteTx<'_>, seller: &SellerTerms, new: &NewPayment) -> Result<Payment, Error> {
    create_with(tx, seller, new, &Extras::default())
}

/// The same, with what only some payments have.
///
/// # Errors
/// See [`Error`].
pub fn create_with(
    tx: &WriteTx<'_>,
    seller: &SellerTerms,
    new: &NewPayment,
    extras: &Extras,
) -> Result<Payment, Error> {
    let conn = tx.conn()?;
    if let Some(intent) = &new.intent
        && let Some(before) = sql::by_intent(conn, new.organization, &intent.key)?
    {
        let same = before.intent.as_deref() == Some(intent.fingerprint.as_slice());
        return if same { Ok(before) } else { Err(Error::IntentConflict) };
    }
    let quote = quote(conn, seller, new.organization, &new.purchase, tx.now())?;
    if new.agreed.as_ref().is_some_and(|agreed| *agreed != offer(&new.purchase, &quote)) {
        return Err(Error::Changed);
    }
    let id = sql::insert(conn, new, extras, &quote, tx.now())?;
    let (work, due_at) = match extras.card {
        None => (BEGIN, tx.now().plus_ms(BEGIN_AFTER_MS)),
        Some(_) => (CHARGE, tx.now()),
    };
    outbox::enqueue(tx, work, &id.number().to_string(), due_at)?;
    get(conn, id)
}

/// What an organization is asked for when it buys something now: its price, the tax on it, and the total.
///
/// # Errors
/// [`invoices::Error::SellerUnknown`], and those of the database.
pub fn quote(
    conn: &Connection,
    seller: &SellerTerms,
    organization: OrganizationId,
    purchase: &Purchase,
    now: Timestamp,
) -> Result<Quote, Error> {
    let seller = Seller::now(conn, seller)?;
    let line = NewLine {
        description: purchase.description(),
        quantity: Quantity::from_micros(MICROS),
        price: purchase.price.minor,
    };
    let on = Zone::UTC.day_of(now);
    Ok(Quote::of(conn, &seller, organization, &[line], Prices::ExcludeTax, on)?)
}

/// What is got and what is paid, in one line: two offers that differ in any of it differ here.
#[must_use]
pub fn offer(purchase: &Purchase, quote: &Quote) -> String {
    let Purchase { credits, bonus, .. } = purchase;
    format!("{credits} + {bonus} credits, {} + {} tax", quote.amounts.net, quote.amounts.tax)
}

/// One payment.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub fn get(conn: &Connection, id: PaymentId) -> Result<Payment, Error> {
    sql::get(conn, id)?.ok_or(Error::NotFound)
}

/// An organization's payments, or everybody's, newest first; `before`: the row behind which the page begins.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &Connection,
    organization: Option<OrganizationId>,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Payment>, DbError> {
    let found = sql::of(conn, organization, before, limit.saturating_add(1))?;
    Ok(Page::cut(found, limit, |payment| payment.id.number()))
}

/// Notes what the provider made of a payment.
///
/// # Errors
/// See [`Error`].
pub fn begun(tx: &WriteTx<'_>, id: PaymentId, checkout: Checkout) -> Result<Payment, Error> {
    let conn = tx.conn()?;
    let payment = get(conn, id)?;
    if let Step::Become(state) = payment.state.begun(checkout) {
        sql::set_state(conn, id, &state, Some(next_ask(payment.created_at, tx.now())))?;
    }
    get(conn, id)
}

/// Notes that the provider would not make anything of a payment.
///
/// # Errors
/// See [`Error`].
pub fn refused(tx: &WriteTx<'_>, id: PaymentId) -> Result<(), Error> {
    let conn = tx.conn()?;
    let before = get(conn, id)?.state;
    if let Step::Become(state) = before.clone().refused(tx.now()) {
        sql::set_state(conn, id, &state, None)?;
        telling::ended(tx, &get(conn, id)?)?;
    }
    after(tx, &before, &get(conn, id)?)
}

/// What became of something learned from a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is about this payment.
    Payment(Box<Payment>),
    /// It is about nothing known here.
    Unknown,
    /// It is about something of another book.
    Foreign,
    /// This payment was paid before, and now once more: nothing was credited, somebody has to look.
    PaidTwice(PaymentId),
    /// The provider has another amount: nothing was credited, somebody has to look.
    Mismatch(PaymentId),
}

/// Writes down how an order stands at the provider, as it was seen. Gives the credit when the money is there.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn record(tx: &WriteTx<'_>, gateway: &str, reference: &str, seen: &Seen) -> Result<Recorded, Error> {
    let conn = tx.conn()?;
    let found = match sql::by_reference(conn, gateway, reference)? {
        Some(found) => Some(found),
        // told before the answer to our own call was written down, or told of a part of the checkout under an id of its
        // own: it has our id
        None => match names::whose(conn, &seen.order)? {
            Whose::Ours(id) => sql::get(conn, id)?.filter(|p| p.gateway == gateway),
            Whose::Others => return Ok(Recorded::Foreign),
            Whose::Nobodys => None,
        },
    };
    let Some(payment) = found else { return Ok(Recorded::Unknown) };
    if let State::Settled(settled) = &payment.state
        && is_another(settled, reference, seen)
    {
        paid_twice(tx, &payment, reference, seen)?;
        return Ok(Recorded::PaidTwice(payment.id));
    }
    if seen.status == Status::Ended && payment.state.reference().is_some_and(|own| own != reference) {
        // a part may end before the whole, which can still be paid
        return Ok(Recorded::Payment(Box::new(payment)));
    }
    let before = payment.state.clone();
    let state = before.clone();
    let step = match payment.extras.card {
        None => state.told(seen.status, tx.now()),
        Some(_) => state.charged(reference, seen.status, tx.now()),
    };
    match step {
        Step::Stay(_) => {}
        Step::Become(state) => {
            let ask_at = next_ask(payment.created_at, tx.now());
            let pending = matches!(state, State::Pending { .. });
            sql::set_state(conn, payment.id, &state, pending.then_some(ask_at))?;
        }
        Step::Settle if seen.amount != payment.quote.amounts.total => {
            mismatch(tx, &payment, seen)?;
            return Ok(Recorded::Mismatch(payment.id));
        }
        Step::Settle => settle(tx, &payment, reference, seen)?,
    }
    let before = payment.state;
    let payment = get(conn, payment.id)?;
    if payment.state != before {
        telling::ended(tx, &payment)?;
    }
    after(tx, &before, &payment)?;
    Ok(Recorded::Payment(Box::new(payment)))
}

/// Tells whoever had a payment made where it stands now.
fn after(tx: &WriteTx<'_>, before: &State, payment: &Payment) -> Result<(), Error> {
    if payment.purchase.plan.is_none() {
        return reload::after(tx, payment);
    }
    let kind = match payment.state {
        State::Settled(_) => FEE_PAID,
        State::Failed { .. } => FEE_FAILED,
        State::Created | State::Pending { .. } => return Ok(()),
    };
    if before.name() != payment.state.name() {
        outbox::enqueue(tx, kind, &payment.id.number().to_string(), tx.now())?;
    }
    Ok(())
}

/// Somebody has looked at the provider: nothing was charged, or it was given back there. The payment comes to nothing, and
/// whoever waits for it goes on. Should the money come all the same, it is settled.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub fn give_up(tx: &WriteTx<'_>, by: &By, id: PaymentId) -> Result<(), Error> {
    let before = get(tx.conn()?, id)?;
    let Step::Become(state) = before.state.clone().given_up(tx.now()) else { return Ok(()) };
    sql::set_state(tx.conn()?, id, &state, None)?;
    let what = Difference::new().with("total", before.quote.amounts.total.to_string());
    audit::record(tx, by, "payment.given_up", id, Some(before.organization), &what)?;
    let payment = get(tx.conn()?, id)?;
    telling::ended(tx, &payment)?;
    after(tx, &before.state, &payment)
}

/// Money has come for something that there is no use for any more: somebody has to give it back.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub fn of_no_use(tx: &WriteTx<'_>, id: PaymentId) -> Result<(), Error> {
    let payment = get(tx.conn()?, id)?;
    tracing::error!(payment = %id, "paid too late or twice: somebody has to give it back");
    let detail = format!("{}: {}", payment.purchase.name(), payment.quote.amounts.total);
    concerns::raise(tx, concerns::Kind::NoUse, id, &detail, Some(payment.organization))?;
    Ok(())
}

/// The money is there: the grants, the ledgers' transfers, the invoice and the payment's end, together.
fn settle(tx: &WriteTx<'_>, payment: &Payment, reference: &str, seen: &Seen) -> Result<(), Error> {
    let (grant, bonus) = if payment.purchase.plan.is_some() {
        receive_fee(tx, payment)?;
        (None, None)
    } else {
        give_credit(tx, payment)?
    };
    if let (true, Some(card)) = (payment.extras.keep_card, seen.card.as_ref()) {
        cards::keep(tx, payment, card)?;
    }
    let card_country = seen.card.as_ref().and_then(|card| card.country);
    let new = NewInvoice {
        organization: payment.organization,
        reference: payment.id.to_string(),
        quote: payment.quote.clone(),
        evidence: card_country
            .map(|country| Evidence { source: "card_country".into(), country })
            .into_iter()
            .collect(),
        paid: Some(Paid { at: tx.now(), with: seen.card.as_ref().map(Card::label).unwrap_or_default() }),
    };
    let invoice = invoices::issue(tx, &By::actor(Actor::System), &new)?.id;
    let reference = payment.state.reference().unwrap_or(reference).to_owned();
    let settled = Settled {
        charge: seen.charge.clone().unwrap_or_else(|| reference.clone()),
        reference,
        at: tx.now(),
        grant,
        bonus,
        invoice,
    };
    Ok(sql::set_state(tx.conn()?, payment.id, &State::Settled(settled), None)?)
}

/// The money for a plan's time: a line without credit. It is earned as that time passes.
fn receive_fee(tx: &WriteTx<'_>, payment: &Payment) -> Result<(), Error> {
    let amounts = payment.quote.amounts;
    let money = fees::receive(tx, payment.id, payment.organization, amounts.net, amounts.tax)?;
    let line = Withdrawal {
        // nothing is set aside under it
        reason: String::new(),
        to: AccountKind::Refunded,
        kind: TransactionType::Purchase,
        description: payment.purchase.name(),
        actor: payment.actor.clone(),
        metadata: Some(format!("{{\"payment_id\":\"{}\"}}", payment.id)),
        money,
    };
    wallet::withdraw_frozen(tx, payment.organization, line)?;
    Ok(())
}

/// Notes that credit came with a plan's fee: where that is disputed, the credit is frozen.
///
/// # Errors
/// When the database fails.
pub fn came_with(tx: &WriteTx<'_>, payment: PaymentId, grant: GrantId) -> Result<(), DbError> {
    sql::insert_fee_grant(tx.conn()?, payment, grant)
}

/// The credit that was paid for, and what comes on top.
fn give_credit(tx: &WriteTx<'_>, payment: &Payment) -> Result<(Option<GrantId>, Option<GrantId>), Error> {
    let Purchase { credits, bonus, .. } = &payment.purchase;
    let amounts = payment.quote.amounts;
    let bought = |amount, class, source, description: String| NewCredit {
        amount,
        class,
        priority: None,
        expires_at: None,
        meters: None,
        cost: None,
        tax: None,
        source,
        kind: TransactionType::Purchase,
        description,
        actor: payment.actor.clone(),
        metadata: Some(format!("{{\"payment_id\":\"{}\"}}", payment.id)),
    };
    let what = payment.purchase.name();
    let paid = NewCredit {
        cost: Some(amounts.net),
        tax: Some(amounts.tax),
        ..bought(*credits, Class::Paid, SOURCE, what.clone())
    };
    let (_, grant) = wallet::credit(tx, payment.organization, paid)?;
    let bonus = if bonus.is_positive() {
        let extra = bought(*bonus, Class::Free, BONUS_SOURCE, format!("{what}: bonus"));
        Some(wallet::credit(tx, payment.organization, extra)?.1.id)
    } else {
        None
    };
    Ok((Some(grant.id), bonus))
}

/// True when this is other money than that which settled the payment.
fn is_another(settled: &Settled, reference: &str, seen: &Seen) -> bool {
    let charge = seen.charge.as_deref().unwrap_or(reference);
    seen.status == Status::Paid && reference != settled.reference && charge != settled.charge
}

/// Money has come a second time: credit was given for one, so that is told.
fn paid_twice(tx: &WriteTx<'_>, payment: &Payment, reference: &str, seen: &Seen) -> Result<(), DbError> {
    let (paid, charge) = (seen.amount.to_string(), seen.charge.as_deref().unwrap_or(reference));
    tracing::error!(payment = %payment.id, charge, paid, "paid a second time: nothing was credited for it");
    let difference = Difference::new().with("charge", charge).with("paid", paid.as_str());
    let by = By::actor(Actor::System);
    audit::record(tx, &by, "payment.paid_twice", payment.id, Some(payment.organization), &difference)?;
    let detail = format!("{paid} was paid once more, by {charge}");
    concerns::raise(tx, concerns::Kind::Twice, payment.id, &detail, Some(payment.organization))
}

/// Money of another amount has come: that is told, and asked about again the next day.
fn mismatch(tx: &WriteTx<'_>, payment: &Payment, seen: &Seen) -> Result<(), DbError> {
    let (expected, paid) = (payment.quote.amounts.total.to_string(), seen.amount.to_string());
    tracing::error!(payment = %payment.id, expected, paid, "another amount was paid: nothing was credited");
    let difference = Difference::new().with("expected", expected.as_str()).with("paid", paid.as_str());
    let by = By::actor(Actor::System);
    audit::record(tx, &by, "payment.mismatch", payment.id, Some(payment.organization), &difference)?;
    let detail = format!("{paid} was paid, {expected} was asked for");
    concerns::raise(tx, concerns::Kind::Mismatch, payment.id, &detail, Some(payment.organization))?;
    sql::put_off(tx.conn()?, &asking::PAYMENTS, payment.id.number(), tx.now().plus_ms(DAY_MS))
}

/// The provider is asked soon at first, then later and later: after half as long as the payment is old.
fn next_ask(created_at: Timestamp, now: Timestamp) -> Timestamp {
    let age_ms = now.millis().saturating_sub(created_at.millis());
    now.plus_ms((age_ms / 2).clamp(30 * SECOND_MS, 6 * HOUR_MS))
}
