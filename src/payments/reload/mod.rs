//! Auto-reload: when the balance falls below a threshold, a saved card is charged.
//!
//! The fall is told by the wallet in the transaction in which it happens, as work of the outbox; nothing looks for it
//! from time to time. That work writes a payment down, and the payment's own work charges the card: so there is one charge
//! for each fall, and one on its way at most, wherever the process is cut off.

pub mod rules;
mod sql;

use rusqlite::Connection;

use rules::{Cause, Decision, Facts, Outcome, Problem, Retry, Standing};
pub(super) use sql::MISFITS;

use super::rules::Terms;
use super::{Desk, Error, Extras, NewPayment, Payment, cards, concerns, create_with, quote};
use crate::base::id::{OrganizationId, PaymentId, PaymentMethodId, WorkId};
use crate::base::{Credits, Currency, FieldError, Money, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::events::payload::Reload as Told;
use crate::events::{self, Kind as EventKind, Payload};
use crate::identity::audit::{self, Actor, By, Difference};
use crate::identity::{SellerTerms, organizations};
use crate::outbox;
use crate::wallet::{self, Watch};

/// Work: try once more, after an attempt that failed or was put off. The subject is the organization's number.
pub const AGAIN: &str = "payment.reload_again";

/// After so long it is looked again whether an organization that was suspended may be charged.
const SUSPENDED_MS: i64 = 6 * crate::base::time::HOUR_MS;

/// What an organization wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Below what balance credit is bought.
    pub threshold: Credits,
    /// How much each time.
    pub credits: Credits,
    /// What the card is charged in a calendar month at most, with tax, in minor units of the organization's currency.
    pub cap_minor: Option<i64>,
    /// The card.
    pub card: PaymentMethodId,
}

/// What an organization wants, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoReload {
    /// What it wants.
    pub settings: Settings,
    /// Where it stands.
    pub standing: Standing,
}

/// What is asked for: with what is left out, things stay as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Switched on.
    pub enabled: bool,
    /// Below what balance credit is bought.
    pub threshold: Option<Credits>,
    /// How much each time.
    pub credits: Option<Credits>,
    /// The cap; `Some(None)` removes it.
    pub cap: Option<Option<Money>>,
    /// The card; unless one is named, the one there was, or the default.
    pub card: Option<PaymentMethodId>,
}

/// The auto-reload of an organization; none when it never had any.
///
/// # Errors
/// When the database fails.
pub fn get(conn: &Connection, organization: OrganizationId) -> Result<Option<AutoReload>, DbError> {
    sql::get(conn, organization)
}

/// Payments by auto-reload, the newest first; `before`: the row behind which they begin.
///
/// # Errors
/// When the database fails.
pub fn past(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Payment>, Error> {
    let found = sql::past(conn, organization, before, limit)?;
    found.into_iter().map(|id| super::get(conn, id)).collect()
}

/// What saved cards were charged in the organization's month so far, with tax, what is on its way included.
///
/// # Errors
/// See [`Error`].
pub fn spent_this_month(
    conn: &Connection,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Money, Error> {
    let found = organizations::get(conn, organization)?;
    let since = found.zone.start_of(found.zone.day_of(now).first_of_month());
    Ok(Money { minor: sql::spent_since(conn, organization, since)?, currency: found.currency })
}

/// What is wrong with a field.
fn wrong(
    field: &'static str,
    code: &'static str,
    text: impl Into<std::borrow::Cow<'static, str>>,
) -> FieldError {
    FieldError::new(field, code, text)
}

/// The settings that a change leads to. None when it was never switched on and is not now.
fn wanted(
    conn: &Connection,
    (terms, seller): (&Terms, &SellerTerms),
    organization: OrganizationId,
    (change, now): (&Change, Timestamp),
) -> Result<Option<Settings>, Error> {
    let before = sql::get(conn, organization)?.map(|reload| reload.settings);
    let currency = organizations::get(conn, organization)?.currency;
    let cards = cards::list(conn, organization)?;
    let kept = before.map(|b| b.card).filter(|id| cards.iter().any(|card| card.id == *id));
    let card = match change.card {
        Some(id) => Some(cards::get(conn, organization, id).map_err(|error| match error {
            Error::NoCard => {
                Error::Invalid(vec![wrong("payment_method_id", "unknown", "is not a saved card")])
            }
            error => error,
        })?),
        None => cards.into_iter().find(|card| kept.is_none_or(|id| card.id == id)),
    };
    let Some(card) = card.map(|card| card.id).or_else(|| before.filter(|_| !change.enabled).map(|b| b.card))
    else {
        return if change.enabled { Err(Error::CardRequired) } else { Ok(None) };
    };
    if let Some(before) = before.filter(|_| !change.enabled) {
        // switching off changes nothing else
        return Ok(Some(Settings { card, ..before }));
    }
    let threshold = change.threshold.or(before.map(|b| b.threshold));
    let credits = change.credits.or(before.map(|b| b.credits));
    let (Some(threshold), Some(credits)) = (threshold, credits) else {
        if !change.enabled {
            return Ok(None);
        }
        let missing = [("threshold_credits", threshold.is_none()), ("amount_credits", credits.is_none())];
        let required = missing.into_iter().filter(|(_, missing)| *missing);
        return Err(Error::Invalid(
            required.map(|(name, _)| wrong(name, "required", "is required")).collect(),
        ));
    };
    let cap_minor = match change.cap {
        Some(cap) => cap.map(|money| money.minor),
        None => before.and_then(|b| b.cap_minor),
    };
    let settings = Settings { threshold, credits, cap_minor, card };
    if change.enabled {
        check(conn, (terms, seller), organization, &settings, (currency, change.cap.flatten(), now))?;
    }
    Ok(Some(settings))
}

/// Whether settings make sense together.
fn check(
    conn: &Connection,
    (terms, seller): (&Terms, &SellerTerms),
    organization: OrganizationId,
    settings: &Settings,
    (currency, cap, now): (Currency, Option<Money>, Timestamp),
) -> Result<(), Error> {
    let mut errors = Vec::new();
    if settings.threshold.is_negative() {
        errors.push(wrong("threshold_credits", "invalid_value", "must not be below zero"));
    } else if settings.threshold > wallet::MAX_BALANCE {
        errors.push(wrong("threshold_credits", "too_large", "is too large"));
    }
    if cap.is_some_and(|cap| cap.currency != currency) {
        errors.push(wrong("monthly_cap", "invalid_value", format!("must be in {currency}")));
    }
    match terms.for_credits(settings.credits, currency) {
        Err(error) => errors.push(FieldError::new("amount_credits", error.code, error.message)),
        Ok(purchase) => {
            let total = quote(conn, seller, organization, &purchase, now)?.amounts.total;
            if settings.cap_minor.is_some_and(|cap| cap < total.minor) {
                let text = format!("must be at least {total}, which is one reload with tax");
                errors.push(wrong("monthly_cap", "below_minimum", text));
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}

/// Changes what an organization wants. Switched on below the threshold, it charges at once; while it is on, changes do
/// not charge once more for the same fall, unless the last attempt came to nothing.
///
/// # Errors
/// [`Error::CardRequired`], [`Error::Invalid`] with every field that is wrong, and those of the database.
pub fn set(
    tx: &WriteTx<'_>,
    by: &By,
    (terms, seller): (&Terms, &SellerTerms),
    organization: OrganizationId,
    change: &Change,
) -> Result<Option<AutoReload>, Error> {
    let conn = tx.conn()?;
    let before = sql::get(conn, organization)?;
    let settings = wanted(conn, (terms, seller), organization, (change, tx.now()))?;
    let Some(settings) = settings else { return Ok(None) };
    let was = before.map(|reload| reload.standing).unwrap_or_default();
    let same = before.is_some_and(|b| b.settings == settings && b.standing.enabled == change.enabled);
    if same {
        return Ok(before);
    }
    // what was asked for by hand is tried anew
    let came_to_nothing = was.problem.is_some_and(|(problem, _)| problem != Problem::TooSmall);
    let anew = change.enabled && (!was.enabled || came_to_nothing);
    let standing = if anew || !change.enabled {
        Standing { enabled: change.enabled, failures: 0, retry: None, problem: None, ..was }
    } else {
        was
    };
    let reload = AutoReload { settings, standing };
    sql::put(conn, organization, &reload)?;
    let armed = anew || wallet::watched(conn, organization)?.is_none_or(|watch| watch.armed);
    let watch = change.enabled.then_some(Watch { below: settings.threshold, armed });
    wallet::watch(tx, organization, watch)?;
    let mut what = Difference::new()
        .with("enabled", change.enabled)
        .with("threshold", settings.threshold.to_string())
        .with("credits", settings.credits.to_string())
        .with("card", settings.card.to_string());
    if let Some(cap) = settings.cap_minor {
        what = what.with("monthly_cap_minor", cap);
    }
    audit::record(tx, by, "auto_reload.set", organization, Some(organization), &what)?;
    Ok(Some(reload))
}

/// A card is not charged any more: auto-reload that charges it is switched off.
pub(super) fn card_removed(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    card: PaymentMethodId,
) -> Result<(), Error> {
    match sql::get(tx.conn()?, organization)? {
        Some(reload) if reload.standing.enabled && reload.settings.card == card => {
            switch_off(tx, organization, reload, Problem::CardRemoved, None)
        }
        _ => Ok(()),
    }
}

/// Whether a card was charged is not known, and can be asked no more: nothing is charged again before somebody has looked.
pub(super) fn unanswered(tx: &WriteTx<'_>, payment: &Payment) -> Result<(), Error> {
    let organization = payment.organization;
    tracing::error!(payment = %payment.id, "a card was charged, or not: somebody has to look at the provider");
    let what = Difference::new().with("total", payment.quote.amounts.total.to_string());
    let by = By::actor(Actor::System);
    audit::record(tx, &by, "payment.unanswered", payment.id, Some(organization), &what)?;
    let detail = format!("{} was charged, or not", payment.quote.amounts.total);
    concerns::raise(tx, concerns::Kind::Charge, payment.id, &detail, Some(organization))?;
    if payment.purchase.plan.is_some() {
        outbox::enqueue(tx, super::FEE_FAILED, &payment.id.number().to_string(), tx.now())?;
        return Ok(());
    }
    match sql::get(tx.conn()?, organization)? {
        Some(mut reload) if reload.standing.in_flight == Some(payment.id) => {
            reload.standing.in_flight = None;
            switch_off(tx, organization, reload, Problem::Unanswered, Some(payment.id))
        }
        _ => Ok(()),
    }
}

fn switch_off(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    mut reload: AutoReload,
    problem: Problem,
    payment: Option<PaymentId>,
) -> Result<(), Error> {
    reload.standing.enabled = false;
    reload.standing.retry = None;
    reload.standing.problem = Some((problem, tx.now()));
    sql::put(tx.conn()?, organization, &reload)?;
    wallet::watch(tx, organization, None)?;
    let what = Difference::new().with("because", problem.name());
    audit::record(
        tx,
        &By::actor(Actor::System),
        "auto_reload.disabled",
        organization,
        Some(organization),
        &what,
    )?;
    let told = Told { reason: Some(problem.name().to_owned()), ..of_payment(payment) };
    tell(tx, organization, &Payload::AutoReloadDisabled(told))
}

const fn of_payment(payment_id: Option<PaymentId>) -> Told {
    Told { payment_id, reason: None, retry_at: None }
}

fn tell(tx: &WriteTx<'_>, organization: OrganizationId, what: &Payload) -> Result<(), Error> {
    events::emit(tx, Some(organization), what)?;
    Ok(())
}

/// Looks whether to charge, and if so writes the payment down, whose work then charges the card.
fn run(
    tx: &WriteTx<'_>,
    (terms, seller, gateway): (&Terms, &SellerTerms, &'static str),
    organization: OrganizationId,
    cause: Cause,
) -> Result<(), Error> {
    let conn = tx.conn()?;
    let Some(mut reload) = sql::get(conn, organization)? else { return Ok(()) };
    let found = organizations::get(conn, organization)?;
    if found.status != organizations::Status::Active {
        // whoever may not use anything pays for nothing new; it is looked at again, since a fall is told once
        let (standing, work) = (&mut reload.standing, cause.work);
        let is_due = standing.retry.is_none_or(|retry| retry.work == work);
        if standing.enabled && standing.in_flight.is_none() && standing.last_work != Some(work) && is_due {
            standing.last_work = Some(work);
            standing.retry = Some(again(tx, organization, tx.now().plus_ms(SUSPENDED_MS))?);
            sql::put(conn, organization, &reload)?;
        }
        return Ok(());
    }
    let Ok(purchase) = terms.for_credits(reload.settings.credits, found.currency) else {
        return if reload.standing.enabled {
            switch_off(tx, organization, reload, Problem::Price, None)
        } else {
            Ok(())
        };
    };
    let facts = Facts {
        balance: wallet::summary(conn, organization, tx.now())?.balance,
        threshold: reload.settings.threshold,
        total: quote(conn, seller, organization, &purchase, tx.now())?.amounts.total,
        spent_minor: spent_this_month(conn, organization, tx.now())?.minor,
        cap_minor: reload.settings.cap_minor,
    };
    let decision = rules::decide(&reload.standing, cause, &facts);
    if decision == Decision::Leave {
        return Ok(());
    }
    reload.standing.last_work = Some(cause.work);
    reload.standing.retry = None;
    match decision {
        Decision::Leave => {}
        Decision::Recovered => reload.standing.problem = None,
        Decision::NextMonth => {
            let next = found.zone.day_of(tx.now()).first_of_next_month();
            let retry = again(tx, organization, found.zone.start_of(next))?;
            reload.standing.retry = Some(retry);
            reload.standing.problem = Some((Problem::MonthlyCap, tx.now()));
            let reason = Some(Problem::MonthlyCap.name().to_owned());
            let told = Told { payment_id: None, reason, retry_at: Some(retry.at) };
            tell(tx, organization, &Payload::AutoReloadFailed(told))?;
        }
        Decision::Charge => {
            let new = NewPayment {
                organization,
                gateway,
                purchase,
                actor: Actor::System.to_string(),
                intent: None,
                agreed: None,
            };
            let extras = Extras { card: Some(reload.settings.card), ..Extras::default() };
            reload.standing.in_flight = Some(create_with(tx, seller, &new, &extras)?.id);
        }
    }
    Ok(sql::put(conn, organization, &reload)?)
}

/// One more attempt, later.
fn again(tx: &WriteTx<'_>, organization: OrganizationId, at: Timestamp) -> Result<Retry, DbError> {
    let work = outbox::enqueue(tx, AGAIN, &organization.number().to_string(), at)?;
    Ok(Retry { work, at })
}

/// A payment stands elsewhere: what follows from that, in the transaction in which it is learned.
pub(super) fn after(tx: &WriteTx<'_>, payment: &Payment) -> Result<(), Error> {
    if payment.extras.card.is_none() {
        return Ok(());
    }
    let (conn, organization) = (tx.conn()?, payment.organization);
    let Some(mut reload) = sql::get(conn, organization)? else { return Ok(()) };
    let outcome = rules::outcome(&reload.standing, payment.id, &payment.state, tx.now());
    let ours = reload.standing.in_flight == Some(payment.id);
    // told once more of something that has ended
    if outcome == Outcome::Nothing || (outcome == Outcome::Succeeded && !ours && was_told(conn, payment)?) {
        return Ok(());
    }
    if ours {
        reload.standing.in_flight = None;
    }
    let because = |problem: Problem, retry_at: Option<Timestamp>| Told {
        reason: Some(problem.name().to_owned()),
        retry_at,
        ..of_payment(Some(payment.id))
    };
    let told = |problem: Problem, reload: &mut AutoReload| {
        reload.standing.failures = reload.standing.failures.saturating_add(1);
        // what a removed card comes to says nothing new
        if reload.standing.problem.is_none_or(|(known, _)| known != Problem::CardRemoved) {
            reload.standing.problem = Some((problem, tx.now()));
        }
    };
    match outcome {
        Outcome::Nothing => {}
        Outcome::Succeeded => {
            reload.standing.failures = 0;
            if reload.standing.enabled {
                reload.standing.problem = None;
            }
            tell(tx, organization, &Payload::AutoReloadSucceeded(of_payment(Some(payment.id))))?;
            let balance = wallet::summary(tx.conn()?, organization, tx.now())?.balance;
            if reload.standing.enabled && balance < reload.settings.threshold {
                // it does not fall below it again before it was above: nothing more is charged by itself
                reload.standing.problem = Some((Problem::TooSmall, tx.now()));
                let small = because(Problem::TooSmall, None);
                tell(tx, organization, &Payload::AutoReloadTooSmall(small))?;
            }
        }
        Outcome::Failed(problem, at) => {
            told(problem, &mut reload);
            if reload.standing.enabled {
                reload.standing.retry = Some(again(tx, organization, at)?);
            }
            let retry_at = reload.standing.retry.map(|retry| retry.at);
            tell(tx, organization, &Payload::AutoReloadFailed(because(problem, retry_at)))?;
        }
        Outcome::ActionRequired(problem) => {
            told(problem, &mut reload);
            tell(tx, organization, &Payload::AutoReloadActionRequired(because(problem, None)))?;
        }
        Outcome::Disabled(problem) => {
            told(problem, &mut reload);
            tell(tx, organization, &Payload::AutoReloadFailed(because(problem, None)))?;
            if reload.standing.enabled {
                return switch_off(tx, organization, reload, problem, Some(payment.id));
            }
        }
    }
    Ok(sql::put(conn, organization, &reload)?)
}

/// That the payment succeeded was noted before.
fn was_told(conn: &Connection, payment: &Payment) -> Result<bool, DbError> {
    events::was_told_of(
        conn,
        payment.organization,
        EventKind::AutoReloadSucceeded,
        ("payment_id", &payment.id.to_string()),
    )
}

impl Desk {
    /// Work: the balance has fallen below the threshold, or it is time to try again.
    pub(super) async fn reload(
        &self,
        organization: OrganizationId,
        work: WorkId,
        again: bool,
    ) -> Result<(), Error> {
        let (terms, seller) = (self.terms, self.seller.clone());
        let gateway = self.gateway()?.name();
        let cause = Cause { work, again };
        self.db().write(move |tx| run(tx, (&terms, &seller, gateway), organization, cause)).await
    }
}
