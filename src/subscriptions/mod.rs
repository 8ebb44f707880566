//! Subscriptions: plans that customers pay for, one period after another.
//!
//! A period begins when it is paid, and its place in time is counted from the anchor: whatever happened in between, the next begins
//! where it ended. Everything that is due has its time in the row. One payment is on its way for a subscription at most, and while it
//! is, nothing else happens to it; what the payment comes to is told by payments, as work of the outbox, and carried out
//! once per payment.

mod offer;
mod office;
pub mod rules;
mod sql;
mod standing;
mod turning;

use std::collections::BTreeMap;

use rusqlite::Connection;

pub use offer::{Offer, Step, offer};
pub use office::Office;
use rules::Cycle;
pub use standing::{Included, Standing, migrates, standing, with_tax};
pub use turning::{failed, lost, paid, step};

use crate::base::id::{
    MeterId, OrganizationId, PaymentId, PaymentMethodId, PlanId, PlanVersionId, SubscriptionId,
};
use crate::base::time::DAY_MS;
use crate::base::{Credits, FieldError, Money, Quantity, Timestamp};
use crate::catalog;
use crate::db::{DbError, WriteTx};
use crate::events::{self, Payload};
use crate::identity::audit::{self, Actor, By, Difference};
use crate::identity::{self, SellerTerms, organizations};
use crate::invoices;
use crate::ledger::verify::{VerifyError, none_of};
use crate::metering::{self, TermsError};
use crate::payments::{self, cards};
use crate::wallet;

/// Why nothing is done about a subscription.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The payment.
    #[error(transparent)]
    Payment(#[from] payments::Error),
    /// The organization.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The wallet.
    #[error(transparent)]
    Wallet(#[from] wallet::Error),
    /// Its prices.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The document.
    #[error(transparent)]
    Invoice(#[from] invoices::Error),
    /// What was asked for.
    #[error("the input is not valid")]
    Invalid(Vec<FieldError>),
    /// There is none.
    #[error("no subscription")]
    NotFound,
    /// It is in no state for that; says why.
    #[error("{0}")]
    Conflict(&'static str),
    /// It would cost something else than was expected.
    #[error("it costs {0} now")]
    PriceChanged(Money),
}

/// How unpaid periods are tried again, and how early a new price is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Days after a period could first not be paid on which it is tried again; then the subscription ends.
    pub dunning_days: Vec<u32>,
    /// How many days before a new price is charged it is announced.
    pub notice_days: u32,
}

/// What charging needs to know.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Who sells.
    pub seller: SellerTerms,
    /// Through whom payments are taken, if they are.
    pub gateway: Option<&'static str>,
    /// How unpaid periods are tried again.
    pub terms: Terms,
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            /// Its name in the API and the database.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

named! {
    /// Where a subscription stands.
    State {
        /// The first payment is on its way.
        Incomplete = "incomplete",
        /// The period is paid.
        Active = "active",
        /// The next period could not be paid; it is tried again.
        PastDue = "past_due",
        /// Nothing is charged and nothing is given, until it is resumed.
        Paused = "paused",
        /// It has ended.
        Canceled = "canceled",
    }
}

named! {
    /// What a payment is for.
    Kind {
        /// A whole period.
        Period = "period",
        /// The difference to a dearer plan, for the rest of a period.
        Upgrade = "upgrade",
    }
}

named! {
    /// What has come of a payment.
    ChargeState {
        /// Nothing yet.
        Open = "open",
        /// It was paid, and done.
        Paid = "paid",
        /// It was not paid.
        Failed = "failed",
        /// It was paid too late or twice: nothing was done, and somebody has to give it back.
        Unused = "unused",
    }
}

/// What happens at the end of the period instead of going on as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// Another plan.
    Plan(PlanVersionId),
    /// It ends.
    Cancel,
    /// It pauses.
    Pause,
}

/// An organization's place on a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Whose.
    pub organization: OrganizationId,
    /// On which version of which plan.
    pub version: PlanVersionId,
    /// Where it stands.
    pub state: State,
    /// How many periods have begun.
    pub number: i64,
    /// The newest of them.
    pub cycle: Option<Cycle>,
    /// The month after the anchor whose credit comes next.
    pub granted: i32,
    /// What happens at the end of the period.
    pub pending: Option<Pending>,
    /// The operator's change, at the first renewal from a time on.
    pub migration: Option<(PlanVersionId, Timestamp)>,
    /// The payment that is on its way.
    pub payment: Option<PaymentId>,
    /// When something is to be done.
    pub due_at: Option<Timestamp>,
    /// How often the period could not be paid.
    pub failures: u32,
    /// When it first could not.
    pub failed_at: Option<Timestamp>,
    /// Why the last payment failed, or why it ended.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// What a payment is for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Charge {
    payment: PaymentId,
    subscription: SubscriptionId,
    kind: Kind,
    number: i64,
    version: PlanVersionId,
    credits: Credits,
    credits_until: Option<Timestamp>,
    first_cycle: BTreeMap<MeterId, Quantity>,
    state: ChargeState,
}

/// What a customer wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which plan.
    pub plan: PlanId,
    /// The card that is charged; the default one, or on the provider's page where none is saved.
    pub card: Option<PaymentMethodId>,
    /// What the customer was told that it costs now, with tax.
    pub expected_total: Option<Money>,
    /// Where the customer comes back to from the provider's page.
    pub success_url: Option<String>,
    /// The same, without having paid.
    pub cancel_url: Option<String>,
}

/// An organization's subscription that has not ended; else its last one.
///
/// # Errors
/// When the database fails.
pub fn of(conn: &Connection, organization: OrganizationId) -> Result<Option<Subscription>, DbError> {
    match sql::living(conn, organization)? {
        Some(living) => Ok(Some(living)),
        None => sql::newest(conn, organization),
    }
}

/// An organization's subscription that has not ended.
///
/// # Errors
/// When the database fails.
pub fn living(conn: &Connection, organization: OrganizationId) -> Result<Option<Subscription>, DbError> {
    sql::living(conn, organization)
}

/// By version of a plan: how many subscriptions to it have not ended, and how many of those will change to a new price.
///
/// # Errors
/// When the database fails.
pub fn standings(conn: &Connection) -> Result<BTreeMap<PlanVersionId, (i64, i64)>, DbError> {
    sql::standings(conn)
}

/// Subscriptions to a version that have not ended, the oldest first.
///
/// # Errors
/// When the database fails.
pub fn on_version(conn: &Connection, id: PlanVersionId, limit: u32) -> Result<Vec<Subscription>, DbError> {
    sql::on_version(conn, id, 0, limit)
}

/// By version: how many have it without a subscription, because the operator gave it to them.
///
/// # Errors
/// When the database fails.
pub fn given(conn: &Connection, at: Timestamp) -> Result<BTreeMap<PlanVersionId, i64>, DbError> {
    sql::given(conn, at)
}

/// The first by name of those that the operator gave a plan to, each with its version.
///
/// # Errors
/// When the database fails.
pub fn given_to(
    conn: &Connection,
    at: Timestamp,
    plan: PlanId,
    limit: usize,
) -> Result<Vec<(OrganizationId, PlanVersionId)>, DbError> {
    sql::given_to(conn, at, plan, limit)
}

/// Those for which something is due and since when, the longest due first, after one.
///
/// # Errors
/// When the database fails.
pub fn due(
    conn: &Connection,
    now: Timestamp,
    after: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<(Timestamp, i64)>, DbError> {
    sql::due(conn, now, after, limit)
}

/// When something is next due after `now`.
///
/// # Errors
/// When the database fails.
pub fn next_due(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    sql::next_due(conn, now)
}

/// What an organization's plan costs from the next period on: the version that it will have then.
#[must_use]
pub fn version_next(sub: &Subscription) -> PlanVersionId {
    let end = sub.cycle.map(|cycle| cycle.end);
    match (sub.pending, sub.migration) {
        (Some(Pending::Plan(version)), _) => version,
        (_, Some((version, from))) if end.is_some_and(|end| end >= from) => version,
        _ => sub.version,
    }
}

/// Does what a customer wants: begins, goes up at once, or changes at the end of the period. Answers the payment, where there is
/// one.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn change(
    tx: &WriteTx<'_>,
    shop: &Shop,
    by: &By,
    organization: OrganizationId,
    wish: &Wish,
) -> Result<(SubscriptionId, Option<PaymentId>), Error> {
    let conn = tx.conn()?;
    let catalog = catalog::snapshot(tx)?;
    let offer = offer(conn, &catalog, &shop.seller, organization, wish.plan, tx.now())?;
    let total = offer.charge_now.total;
    if let Some(expected) = wish.expected_total
        && expected != total
    {
        return Err(Error::PriceChanged(total));
    }
    let before = sql::living(conn, organization)?;
    let done = match (&offer.step, before) {
        (Step::Begin, before) => turning::begin(tx, shop, by, before, (organization, wish, &offer))?,
        (Step::Upgrade { .. }, Some(sub)) => turning::upgrade(tx, shop, by, sub, (wish, &offer))?,
        (Step::Later, Some(sub)) => {
            let pending = (offer.version != sub.version).then_some(Pending::Plan(offer.version));
            (turning::set_pending(tx, sub, pending)?.id, None)
        }
        (Step::Upgrade { .. } | Step::Later, None) => return Err(Error::NotFound),
    };
    note(tx, by, "subscription.changed", done.0, organization, &offer.name)?;
    Ok(done)
}

/// Ends it when its period does; at once where no period is paid.
///
/// # Errors
/// See [`Error`].
pub fn cancel(tx: &WriteTx<'_>, by: &By, organization: OrganizationId) -> Result<Subscription, Error> {
    let sub = sql::living(tx.conn()?, organization)?.ok_or(Error::NotFound)?;
    note(tx, by, "subscription.cancel", sub.id, organization, "")?;
    match sub.state {
        State::Active => turning::set_pending(tx, sub, Some(Pending::Cancel)),
        // the customer may be paying just now; money that comes for it all the same is not lost
        State::Incomplete if is_hosted(tx.conn()?, &sub)? => turning::end(tx, &sub, "asked"),
        _ if sub.payment.is_some() => Err(Error::Conflict(BUSY)),
        State::PastDue | State::Paused | State::Incomplete => turning::end(tx, &sub, "asked"),
        State::Canceled => Err(Error::NotFound),
    }
}

/// Pauses it when its period ends.
///
/// # Errors
/// See [`Error`].
pub fn pause(tx: &WriteTx<'_>, by: &By, organization: OrganizationId) -> Result<Subscription, Error> {
    let sub = sql::living(tx.conn()?, organization)?.ok_or(Error::NotFound)?;
    if sub.state != State::Active {
        return Err(Error::Conflict("Only a subscription whose period is paid can be paused."));
    }
    note(tx, by, "subscription.pause", sub.id, organization, "")?;
    turning::set_pending(tx, sub, Some(Pending::Pause))
}

/// Undoes what was to happen at the end of the period, or goes on after a pause, which is paid for.
///
/// # Errors
/// See [`Error`].
pub fn resume(
    tx: &WriteTx<'_>,
    shop: &Shop,
    by: &By,
    organization: OrganizationId,
) -> Result<(SubscriptionId, Option<PaymentId>), Error> {
    let sub = sql::living(tx.conn()?, organization)?.ok_or(Error::NotFound)?;
    note(tx, by, "subscription.resume", sub.id, organization, "")?;
    match sub.state {
        State::Active if sub.pending.is_some() => Ok((turning::set_pending(tx, sub, None)?.id, None)),
        State::Paused if sub.payment.is_none() => turning::charge_on_request(tx, shop, &sub),
        State::Paused => Err(Error::Conflict(BUSY)),
        State::Active | State::Incomplete | State::PastDue | State::Canceled => {
            Err(Error::Conflict("There is nothing to resume."))
        }
    }
}

/// Tries a period that could not be paid once more, now.
///
/// # Errors
/// See [`Error`].
pub fn retry(
    tx: &WriteTx<'_>,
    shop: &Shop,
    by: &By,
    organization: OrganizationId,
) -> Result<(SubscriptionId, Option<PaymentId>), Error> {
    let sub = sql::living(tx.conn()?, organization)?.ok_or(Error::NotFound)?;
    if sub.state != State::PastDue {
        return Err(Error::Conflict("Nothing is unpaid."));
    }
    if sub.payment.is_some() || sub.reason.as_deref() == Some(UNANSWERED) {
        return Err(Error::Conflict(BUSY));
    }
    note(tx, by, "subscription.retry", sub.id, organization, "")?;
    turning::charge_on_request(tx, shop, &sub)
}

const BUSY: &str = "A payment for it is on its way: try again in a moment.";
/// Nobody knows whether the card was charged.
const UNANSWERED: &str = "unanswered";

/// Has everybody on an older version of a plan change to the one in force at `from`, at their first renewal from then on, and
/// tells them. Answers how many.
///
/// # Errors
/// [`Error::Invalid`] where that is sooner than it may be announced, or there is no such plan.
pub fn migrate(
    tx: &WriteTx<'_>,
    terms: &Terms,
    by: &By,
    code: &str,
    from: Timestamp,
) -> Result<usize, Error> {
    let conn = tx.conn()?;
    let wrong = |field, code, text: String| Error::Invalid(vec![FieldError::new(field, code, text)]);
    let catalog = catalog::snapshot(tx)?;
    let plan = catalog.plan_by_code(code).ok_or(Error::NotFound)?;
    let earliest = tx.now().plus_ms(i64::from(terms.notice_days) * DAY_MS);
    if from < earliest {
        let text = format!("must be at least {} days from now", terms.notice_days);
        return Err(wrong("from", "too_soon", text));
    }
    let target = plan.in_force(from).ok_or(Error::NotFound)?;
    let mut count = 0;
    for version in plan.versions.iter().filter(|version| version.version < target.version) {
        let mut after = 0;
        loop {
            let found = sql::on_version(conn, version.id, after, 500)?;
            let Some(last) = found.last() else { break };
            after = last.id.number();
            for sub in found {
                let sub = Subscription { migration: Some((target.id, from)), ..sub };
                sql::put(conn, &sub)?;
                tell(tx, &sub, Payload::SubscriptionUpdated, (Some("new_price"), Some(from)))?;
                count += 1;
            }
        }
    }
    let what = Difference::new().with("from", from.to_string()).with("subscriptions", count.to_string());
    audit::record(tx, by, "plan.migrated", &plan.code, None, &what)?;
    Ok(count)
}

/// Compares subscriptions with their payments.
///
/// # Errors
/// The first row that does not fit, by name.
pub fn verify(conn: &Connection) -> Result<(), VerifyError> {
    sql::MISFITS.iter().try_for_each(|(table, query)| none_of(conn, table, query))
}

/// A subscription says what its organization pays: nobody else does.
///
/// # Errors
/// [`Error::Conflict`] while there is one, and those of the database.
pub fn may_assign(conn: &Connection, organization: OrganizationId) -> Result<(), Error> {
    match sql::living(conn, organization)? {
        Some(_) => Err(Error::Conflict("The organization has a subscription, which says what it pays.")),
        None => Ok(()),
    }
}

/// True while the customer is to pay on the provider's page.
fn is_hosted(conn: &Connection, sub: &Subscription) -> Result<bool, Error> {
    let Some(payment) = sub.payment else { return Ok(false) };
    Ok(payments::get(conn, payment)?.extras.card.is_none())
}

/// The card that is charged when none is named.
fn default_card(conn: &Connection, organization: OrganizationId) -> Result<Option<PaymentMethodId>, DbError> {
    Ok(cards::list(conn, organization)?.into_iter().find(|card| card.is_default).map(|card| card.id))
}

/// Says what has happened to a subscription. One that never had a period says nothing.
fn tell(
    tx: &WriteTx<'_>,
    sub: &Subscription,
    as_what: fn(events::payload::Subscription) -> Payload,
    (reason, next_at): (Option<&str>, Option<Timestamp>),
) -> Result<(), Error> {
    let Some(cycle) = sub.cycle else { return Ok(()) };
    let catalog = catalog::snapshot(tx)?;
    let (plan, version) = plan_of(&catalog, sub.version)?;
    let told = events::payload::Subscription {
        subscription_id: sub.id,
        plan: plan.code.to_string(),
        plan_name: plan.name.clone(),
        status: sub.state.name().to_owned(),
        price: version.terms.price,
        current_period_start: cycle.start,
        current_period_end: cycle.end,
        reason: reason.map(str::to_owned),
        next_at,
    };
    events::emit(tx, Some(sub.organization), &as_what(told))?;
    Ok(())
}

fn plan_of(
    catalog: &catalog::Snapshot,
    version: PlanVersionId,
) -> Result<(&catalog::Plan, &catalog::PlanVersion), DbError> {
    let gone = || DbError::bad_row("plan_versions", version.number(), "is not there");
    catalog.plan_version(version).ok_or_else(gone)
}

/// From now on usage is priced as without a plan, on a card of its own if it has one. `card`: on that one instead.
fn leave_plan(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    card: Option<crate::base::id::RateCardId>,
) -> Result<(), Error> {
    let own = organizations::get(tx.conn()?, organization)?.rate_card_id;
    let terms = metering::PriceTerms { starts_at: tx.now(), plan_version: None, rate_card: card.or(own) };
    Ok(metering::set_price_terms(tx, organization, terms)?)
}

fn note(
    tx: &WriteTx<'_>,
    by: &By,
    action: &str,
    id: SubscriptionId,
    organization: OrganizationId,
    plan: &str,
) -> Result<(), DbError> {
    let what = match plan {
        "" => Difference::new(),
        plan => Difference::new().with("plan", plan),
    };
    audit::record(tx, by, action, id, Some(organization), &what)
}

fn system() -> By {
    By::actor(Actor::System)
}
