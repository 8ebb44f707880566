//! What becomes of a subscription: periods that begin, payments that come or do not, and ends. Each is one step in one transaction.

use std::collections::BTreeMap;

use super::offer::{Offer, Step, fee};
use super::rules::{Cycle, months, next_try};
use super::{
    BUSY, Charge, ChargeState, Error, Kind, Pending, Shop, State, Subscription, UNANSWERED, Wish,
    default_card, leave_plan, plan_of, sql, system, tell, version_next,
};
use crate::base::id::{GrantId, OrganizationId, PaymentId, PaymentMethodId, PlanVersionId, SubscriptionId};
use crate::base::time::DAY_MS;
use crate::base::{Credits, FieldError, Timestamp, Zone};
use crate::catalog::{self, rules::PlanTerms};
use crate::db::WriteTx;
use crate::events::Payload;
use crate::grants::Class;
use crate::identity::audit::{self, By, Difference};
use crate::identity::organizations;
use crate::ledger::TransactionType;
use crate::metering;
use crate::payments::{self, Extras, NewPayment, Purchase, cards, disputes};
use crate::revenue::fees;
use crate::wallet::{self, NewCredit};

/// The source of the credit that comes with plans.
pub const SOURCE: &str = "plan";

type Begun = (SubscriptionId, Option<PaymentId>);

fn get(tx: &WriteTx<'_>, id: SubscriptionId) -> Result<Subscription, Error> {
    sql::get(tx.conn()?, id)?.ok_or(Error::NotFound)
}

fn zone_of(tx: &WriteTx<'_>, organization: OrganizationId) -> Result<Zone, Error> {
    Ok(organizations::get(tx.conn()?, organization)?.zone)
}

/// The named card, or the default one.
fn card(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    named: Option<PaymentMethodId>,
) -> Result<Option<PaymentMethodId>, Error> {
    let Some(named) = named else { return Ok(default_card(tx.conn()?, organization)?) };
    let unknown = || FieldError::new("payment_method_id", "unknown", "is not a saved card");
    match cards::get(tx.conn()?, organization, named) {
        Ok(card) => Ok(Some(card.id)),
        Err(payments::Error::NoCard) => Err(Error::Invalid(vec![unknown()])),
        Err(error) => Err(error.into()),
    }
}

/// The first period is asked for. A customer who is still to pay on the provider's page has thought again.
pub(super) fn begin(
    tx: &WriteTx<'_>,
    shop: &Shop,
    by: &By,
    before: Option<Subscription>,
    (organization, wish, offer): (OrganizationId, &Wish, &Offer),
) -> Result<Begun, Error> {
    if let Some(before) = before {
        end(tx, &before, "replaced")?;
    }
    let id = sql::insert(tx.conn()?, organization, offer.version, tx.now())?;
    let sub = get(tx, id)?;
    let Some(purchase) = &offer.purchase else {
        begin_period(tx, &sub, None)?;
        return Ok((id, None));
    };
    let card = card(tx, organization, wish.card)?;
    let mut purchase = purchase.clone();
    if card.is_none() {
        // its days are known when it is paid
        purchase.plan = Some(format!("{}: first period", offer.name));
    }
    let extras = Extras {
        card,
        success_url: wish.success_url.clone(),
        cancel_url: wish.cancel_url.clone(),
        embedded: false,
        keep_card: card.is_none(),
    };
    let payment = charge(tx, shop, sub, (by.actor.to_string(), purchase, extras), |_| {})?;
    Ok((id, Some(payment)))
}

/// Has the difference paid, and changes the plan then.
pub(super) fn upgrade(
    tx: &WriteTx<'_>,
    shop: &Shop,
    by: &By,
    sub: Subscription,
    (wish, offer): (&Wish, &Offer),
) -> Result<Begun, Error> {
    let Step::Upgrade { until, first_cycle } = &offer.step else { return Err(Error::NotFound) };
    let (id, number) = (sub.id, sub.number);
    let made = |payment| Charge {
        payment,
        subscription: id,
        kind: Kind::Upgrade,
        number,
        version: offer.version,
        credits: offer.credits_now,
        credits_until: Some(*until),
        first_cycle: first_cycle.clone(),
        state: ChargeState::Open,
    };
    let Some(purchase) = offer.purchase.clone() else {
        // what is left of the period costs less than half a cent
        go_up(tx, &sub, &made(PaymentId::new(0)), None)?;
        return Ok((id, None));
    };
    let card = card(tx, sub.organization, wish.card)?.ok_or(payments::Error::CardRequired)?;
    let extras = Extras { card: Some(card), ..Extras::default() };
    let payment = charge(tx, shop, sub, (by.actor.to_string(), purchase, extras), |charge| {
        *charge = made(charge.payment);
    })?;
    Ok((id, Some(payment)))
}

/// Writes a payment down, and that it is on its way. Unless `of` says otherwise it is for the next period.
fn charge(
    tx: &WriteTx<'_>,
    shop: &Shop,
    sub: Subscription,
    (actor, purchase, extras): (String, Purchase, Extras),
    of: impl FnOnce(&mut Charge),
) -> Result<PaymentId, Error> {
    let new = NewPayment {
        organization: sub.organization,
        gateway: shop.gateway.ok_or(payments::Error::NoGateway)?,
        purchase,
        actor,
        intent: None,
        agreed: None,
    };
    let payment = payments::create_with(tx, &shop.seller, &new, &extras)?.id;
    let mut charge = Charge {
        payment,
        subscription: sub.id,
        kind: Kind::Period,
        number: sub.number + 1,
        version: sub.version,
        credits: Credits::ZERO,
        credits_until: None,
        first_cycle: BTreeMap::new(),
        state: ChargeState::Open,
    };
    of(&mut charge);
    sql::insert_charge(tx.conn()?, &charge)?;
    sql::put(tx.conn()?, &Subscription { payment: Some(payment), due_at: None, ..sub })?;
    Ok(payment)
}

/// Charges the next period because somebody asked for that: without a card it is refused.
pub(super) fn charge_on_request(tx: &WriteTx<'_>, shop: &Shop, sub: &Subscription) -> Result<Begun, Error> {
    let id = sub.id;
    if default_card(tx.conn()?, sub.organization)?.is_none() && price_of(tx, sub.version)? > 0 {
        return Err(payments::Error::CardRequired.into());
    }
    charge_period(tx, shop, sub)?;
    Ok((id, get(tx, id)?.payment))
}

fn price_of(tx: &WriteTx<'_>, version: PlanVersionId) -> Result<i64, Error> {
    Ok(plan_of(&*catalog::snapshot(tx)?, version)?.1.terms.price.minor)
}

/// The next period, of the version that the subscription has.
fn next_cycle(sub: &Subscription, zone: &Zone, terms: &PlanTerms, now: Timestamp) -> Cycle {
    let months = months(terms.interval);
    match (sub.state, sub.cycle) {
        (State::Active | State::PastDue, Some(cycle)) => {
            Cycle::at(zone, cycle.anchor, cycle.next_month(), months)
        }
        (State::Incomplete | State::Paused | State::Canceled | State::Active | State::PastDue, _) => {
            Cycle::at(zone, now, 0, months)
        }
    }
}

/// Charges the next period to the saved card.
fn charge_period(tx: &WriteTx<'_>, shop: &Shop, sub: &Subscription) -> Result<(), Error> {
    let catalog = catalog::snapshot(tx)?;
    let (plan, version) = plan_of(&catalog, sub.version)?;
    if version.terms.price.minor == 0 {
        return begin_period(tx, sub, None);
    }
    let zone = zone_of(tx, sub.organization)?;
    let cycle = next_cycle(sub, &zone, &version.terms, tx.now());
    let purchase = fee(version.terms.price, &plan.name, &zone, &cycle);
    let Some(card) = default_card(tx.conn()?, sub.organization)? else {
        return fail(tx, &shop.terms.dunning_days, sub, "no_card");
    };
    let extras = Extras { card: Some(card), ..Extras::default() };
    match charge(tx, shop, sub.clone(), ("system".into(), purchase, extras), |_| {}) {
        Ok(_) => Ok(()),
        Err(Error::Payment(payments::Error::NoGateway)) => {
            fail(tx, &shop.terms.dunning_days, sub, "payments_unavailable")
        }
        Err(error) => Err(error),
    }
}

/// Does what is due for a subscription, if anything is: credit of another month, the next period, another try.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn step(tx: &WriteTx<'_>, shop: &Shop, id: SubscriptionId) -> Result<(), Error> {
    let sub = get(tx, id)?;
    if sub.due_at.is_none_or(|due| due > tx.now()) || sub.payment.is_some() {
        return Ok(());
    }
    match (sub.state, sub.cycle) {
        (State::Active, Some(cycle)) if cycle.end <= tx.now() && sub.granted >= cycle.next_month() => {
            renew(tx, shop, sub, cycle)
        }
        (State::Active, Some(cycle)) => {
            let sub = grant(tx, sub, cycle)?;
            Ok(sql::put(tx.conn()?, &sub)?)
        }
        (State::PastDue, _) => charge_period(tx, shop, &sub),
        (State::Incomplete | State::Paused | State::Canceled | State::Active, _) => {
            Ok(sql::put(tx.conn()?, &Subscription { due_at: None, ..sub })?)
        }
    }
}

/// The period is over.
fn renew(tx: &WriteTx<'_>, shop: &Shop, sub: Subscription, cycle: Cycle) -> Result<(), Error> {
    match sub.pending {
        Some(Pending::Cancel) => return end(tx, &sub, "asked").map(|_| ()),
        Some(Pending::Pause) => {
            leave_plan(tx, sub.organization, None)?;
            let paused = Subscription { state: State::Paused, pending: None, due_at: None, ..sub };
            sql::put(tx.conn()?, &paused)?;
            return tell(tx, &paused, Payload::SubscriptionUpdated, (Some("paused"), None));
        }
        Some(Pending::Plan(_)) | None => {}
    }
    let version = version_next(&sub);
    let migration = sub.migration.filter(|(_, from)| *from > cycle.end && sub.pending.is_none());
    let changed = version != sub.version;
    let sub = Subscription { version, migration, pending: None, ..sub };
    sql::put(tx.conn()?, &sub)?;
    if changed {
        tell(tx, &sub, Payload::SubscriptionUpdated, (Some("plan_changed"), Some(cycle.end)))?;
    }
    charge_period(tx, shop, &sub)
}

/// A period begins: it is paid, or costs nothing.
fn begin_period(tx: &WriteTx<'_>, sub: &Subscription, payment: Option<PaymentId>) -> Result<(), Error> {
    let catalog = catalog::snapshot(tx)?;
    let (_, version) = plan_of(&catalog, sub.version)?;
    let zone = zone_of(tx, sub.organization)?;
    let cycle = next_cycle(sub, &zone, &version.terms, tx.now());
    let before = metering::price_terms(tx.conn()?, sub.organization, tx.now())?;
    let goes_on =
        sub.state == State::Active && before.is_some_and(|terms| terms.plan_version == Some(sub.version));
    if !goes_on {
        metering::set_plan(tx, sub.organization, sub.version, cycle.anchor, BTreeMap::new())?;
    }
    if let Some(payment) = payment {
        fees::place(tx, payment, cycle.start, cycle.end)?;
    }
    let kind = match (sub.number, sub.state) {
        (0, _) => Payload::SubscriptionCreated,
        (_, State::Paused) => Payload::SubscriptionUpdated,
        _ => Payload::SubscriptionRenewed,
    };
    let begun = Subscription {
        state: State::Active,
        number: sub.number + 1,
        cycle: Some(cycle),
        granted: cycle.month,
        payment: None,
        failures: 0,
        failed_at: None,
        reason: None,
        ended_at: None,
        ..*sub
    };
    let begun = grant(tx, begun, cycle)?;
    sql::put(tx.conn()?, &begun)?;
    tell(tx, &begun, kind, (None, Some(cycle.end)))
}

/// Gives the credit of the months that have begun and are not over, and says when there is something to be done next.
fn grant(tx: &WriteTx<'_>, mut sub: Subscription, cycle: Cycle) -> Result<Subscription, Error> {
    let catalog = catalog::snapshot(tx)?;
    let (plan, version) = plan_of(&catalog, sub.version)?;
    let zone = zone_of(tx, sub.organization)?;
    let fees = sql::paid_with(tx.conn()?, sub.id, sub.number)?;
    // what carries over is still given when the period is over
    let can_wait = version.terms.rollover || cycle.end > tx.now();
    if can_wait && sub.granted < cycle.next_month() && any_disputed(tx, &fees)? {
        // their money may be gone: nothing more is given for it before the bank has decided
        let tomorrow = tx.now().plus_ms(DAY_MS);
        sub.due_at = Some(if cycle.end > tx.now() { tomorrow.min(cycle.end) } else { tomorrow });
        return Ok(sub);
    }
    let begins = |month| zone.months_after(cycle.anchor, month);
    while sub.granted < cycle.next_month() && begins(sub.granted) <= tx.now() {
        let end = begins(sub.granted + 1);
        sub.granted += 1;
        if end <= tx.now() && !version.terms.rollover {
            // it would have expired
            continue;
        }
        cap(tx, &sub, &version.terms)?;
        let until = (!version.terms.rollover).then_some(end);
        give(tx, &sub, (version.terms.plan_credits, until), &plan.name, fees.first().copied())?;
    }
    let next = if sub.granted < cycle.next_month() { begins(sub.granted) } else { cycle.end };
    sub.due_at = Some(next.min(cycle.end));
    Ok(sub)
}

/// Whether a bank has not decided about any of these.
fn any_disputed(tx: &WriteTx<'_>, fees: &[PaymentId]) -> Result<bool, Error> {
    for fee in fees {
        if disputes::is_open(tx.conn()?, *fee)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn give(
    tx: &WriteTx<'_>,
    sub: &Subscription,
    (amount, expires_at): (Credits, Option<Timestamp>),
    plan: &str,
    payment: Option<PaymentId>,
) -> Result<(), Error> {
    if !amount.is_positive() {
        return Ok(());
    }
    let credit = NewCredit {
        amount,
        class: Class::Plan,
        priority: None,
        expires_at,
        meters: None,
        // what is paid for a plan is paid for its time
        cost: None,
        tax: None,
        source: SOURCE,
        kind: TransactionType::PlanGrant,
        description: format!("{plan}: credit of the month"),
        actor: "system".into(),
        metadata: Some(format!("{{\"subscription_id\":\"{}\"}}", sub.id)),
    };
    let (_, grant) = wallet::credit(tx, sub.organization, credit)?;
    if let Some(payment) = payment {
        payments::came_with(tx, payment, grant.id)?;
    }
    Ok(())
}

/// Of the plan's credit that stays, what is above the cap goes before more is given. What is set aside is neither counted nor taken.
fn cap(tx: &WriteTx<'_>, sub: &Subscription, terms: &PlanTerms) -> Result<(), Error> {
    let Some(cap) = terms.rollover_cap else { return Ok(()) };
    let mut grants = wallet::summary(tx.conn()?, sub.organization, tx.now())?.grants;
    grants.retain(|grant| grant.source == SOURCE && grant.terms.order.expires_at.is_none());
    let grants: Vec<GrantId> = grants.into_iter().map(|grant| grant.id).collect();
    Ok(wallet::lapse_above(tx, sub.organization, &grants, cap, "Plan credit above what carries over")?)
}

/// Work: a fee was paid. What it was for happens, once.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn paid(tx: &WriteTx<'_>, payment: PaymentId) -> Result<(), Error> {
    let conn = tx.conn()?;
    let charge = sql::charge(conn, payment)?.ok_or(Error::NotFound)?;
    if matches!(charge.state, ChargeState::Paid | ChargeState::Unused) {
        return Ok(());
    }
    let sub = get(tx, charge.subscription)?;
    if !is_wanted(tx, &sub, &charge)? {
        sql::set_charge(conn, payment, ChargeState::Unused)?;
        payments::of_no_use(tx, payment)?;
        let what = Difference::new().with("payment", payment.to_string());
        let by = system();
        return Ok(audit::record(
            tx,
            &by,
            "subscription.paid_for_nothing",
            sub.id,
            Some(sub.organization),
            &what,
        )?);
    }
    sql::set_charge(conn, payment, ChargeState::Paid)?;
    match charge.kind {
        Kind::Period => {
            // one that comes late may have another attempt beside it, which is not waited for
            let sub = Subscription { payment: None, version: charge.version, ..sub };
            begin_period(tx, &sub, Some(payment))
        }
        Kind::Upgrade => go_up(tx, &sub, &charge, Some(payment)),
    }
}

/// Whether a payment that has come is still of use.
fn is_wanted(tx: &WriteTx<'_>, sub: &Subscription, charge: &Charge) -> Result<bool, Error> {
    if sub.payment == Some(charge.payment) {
        return Ok(true);
    }
    let next = charge.kind == Kind::Period && charge.number == sub.number + 1;
    Ok(next
        && match sub.state {
            State::Incomplete | State::PastDue | State::Paused => true,
            // it never began, because the customer went to pay too late, or thought again
            State::Canceled if sub.number == 0 => match sql::living(tx.conn()?, sub.organization)? {
                None => true,
                Some(other) if other.state == State::Incomplete => {
                    end(tx, &other, "replaced")?;
                    true
                }
                Some(_) => false,
            },
            // the next period is not due, or it ended or changed otherwise
            State::Active | State::Canceled => false,
        })
}

/// The dearer plan, for the rest of the period.
fn go_up(
    tx: &WriteTx<'_>,
    sub: &Subscription,
    charge: &Charge,
    payment: Option<PaymentId>,
) -> Result<(), Error> {
    let cycle = sub.cycle.ok_or(Error::NotFound)?;
    let catalog = catalog::snapshot(tx)?;
    let (plan, version) = plan_of(&catalog, charge.version)?;
    metering::set_plan(tx, sub.organization, charge.version, cycle.anchor, charge.first_cycle.clone())?;
    if let Some(payment) = payment {
        // paid when the period was over already, it is earned at once
        let from = tx.now().min(cycle.end.plus_ms(-1));
        fees::place(tx, payment, from, cycle.end)?;
    }
    if let Some(until) = charge.credits_until.filter(|until| *until > tx.now()) {
        let expires_at = (!version.terms.rollover).then_some(until);
        give(tx, sub, (charge.credits, expires_at), &plan.name, payment)?;
    }
    // it replaces what was to happen at the end of the period
    let up = Subscription {
        version: charge.version,
        pending: None,
        migration: None,
        payment: None,
        reason: None,
        ..*sub
    };
    let up = grant(tx, up, cycle)?;
    sql::put(tx.conn()?, &up)?;
    tell(tx, &up, Payload::SubscriptionUpdated, (Some("upgraded"), None))
}

/// Work: a fee was not paid, or nobody knows whether it was.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn failed(tx: &WriteTx<'_>, dunning_days: &[u32], payment: PaymentId) -> Result<(), Error> {
    let conn = tx.conn()?;
    let charge = sql::charge(conn, payment)?.ok_or(Error::NotFound)?;
    let sub = get(tx, charge.subscription)?;
    let was_unanswered = sub.state == State::PastDue
        && sub.payment.is_none()
        && sub.reason.as_deref() == Some(UNANSWERED)
        && charge.kind == Kind::Period
        && charge.number == sub.number + 1;
    if charge.state != ChargeState::Open && !(charge.state == ChargeState::Failed && was_unanswered) {
        return Ok(());
    }
    let reason = match payments::get(conn, payment)?.state {
        payments::State::Failed { reason, .. } => reason.name(),
        payments::State::Created | payments::State::Pending { .. } => UNANSWERED,
        payments::State::Settled(_) => return Ok(()),
    };
    sql::set_charge(conn, payment, ChargeState::Failed)?;
    if was_unanswered && reason != UNANSWERED {
        // somebody has looked: nothing was charged, so it is tried again, on all the days from now on
        let sub = Subscription { failed_at: None, failures: 0, ..sub };
        return fail(tx, dunning_days, &sub, reason);
    }
    if sub.payment != Some(payment) {
        return Ok(());
    }
    let sub = Subscription { payment: None, ..sub };
    match (sub.state, charge.kind, sub.cycle) {
        (State::Active, Kind::Upgrade, Some(cycle)) => {
            let sub = grant(tx, Subscription { reason: Some(reason.to_owned()), ..sub }, cycle)?;
            Ok(sql::put(conn, &sub)?)
        }
        (State::Incomplete, ..) => end(tx, &sub, reason).map(|_| ()),
        (State::Active | State::PastDue, ..) => fail(tx, dunning_days, &sub, reason),
        (State::Paused | State::Canceled, ..) => {
            Ok(sql::put(conn, &Subscription { reason: Some(reason.to_owned()), ..sub })?)
        }
    }
}

/// A period could not be paid: nothing is given for it, until it is, on one of the next days, or the subscription ends.
fn fail(tx: &WriteTx<'_>, dunning_days: &[u32], sub: &Subscription, reason: &str) -> Result<(), Error> {
    if sub.state == State::Paused {
        return Ok(sql::put(tx.conn()?, &Subscription { reason: Some(reason.to_owned()), ..*sub })?);
    }
    if sub.state == State::Active {
        let catalog = catalog::snapshot(tx)?;
        let card = plan_of(&catalog, sub.version)?.1.terms.rate_card.clone();
        leave_plan(tx, sub.organization, catalog.rate_card_by_code(card.as_str()).map(|card| card.id))?;
    }
    let failed_at = sub.failed_at.unwrap_or(tx.now());
    let stuck = reason == UNANSWERED;
    let next = next_try(failed_at, dunning_days, tx.now()).filter(|_| !stuck);
    let sub = Subscription {
        state: State::PastDue,
        failures: sub.failures.saturating_add(1),
        failed_at: Some(failed_at),
        reason: Some(reason.to_owned()),
        due_at: next,
        ..*sub
    };
    if next.is_none() && !stuck {
        return end(tx, &sub, reason).map(|_| ());
    }
    sql::put(tx.conn()?, &sub)?;
    tell(tx, &sub, Payload::SubscriptionPastDue, (Some(reason), next))
}

/// Work: the bank has decided that all the money of a fee is gone. The plan ends, if the fee was for the period that is on, or for
/// going up in it.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn lost(tx: &WriteTx<'_>, payment: PaymentId) -> Result<(), Error> {
    let charge = sql::charge(tx.conn()?, payment)?.ok_or(Error::NotFound)?;
    let sub = get(tx, charge.subscription)?;
    let is_current = charge.state == ChargeState::Paid && charge.number == sub.number;
    if is_current && sub.state != State::Canceled {
        end(tx, &sub, "disputed")?;
    }
    Ok(())
}

/// It ends now.
pub(super) fn end(tx: &WriteTx<'_>, sub: &Subscription, why: &str) -> Result<Subscription, Error> {
    if matches!(sub.state, State::Active | State::PastDue) {
        leave_plan(tx, sub.organization, None)?;
    }
    let ended = Subscription {
        state: State::Canceled,
        pending: None,
        migration: None,
        payment: None,
        due_at: None,
        reason: Some(why.to_owned()),
        ended_at: Some(tx.now()),
        ..*sub
    };
    sql::put(tx.conn()?, &ended)?;
    tell(tx, &ended, Payload::SubscriptionCanceled, (Some(why), None))?;
    Ok(ended)
}

/// Something else, or nothing else, happens at the end of the period.
pub(super) fn set_pending(
    tx: &WriteTx<'_>,
    sub: Subscription,
    pending: Option<Pending>,
) -> Result<Subscription, Error> {
    if sub.payment.is_some() && pending.is_none() {
        return Err(Error::Conflict(BUSY));
    }
    let said = match pending {
        None => "goes_on",
        Some(Pending::Plan(_)) => "plan_changes",
        Some(Pending::Cancel) => "cancels",
        Some(Pending::Pause) => "pauses",
    };
    let changed = sub.pending != pending;
    let sub = Subscription { pending, ..sub };
    sql::put(tx.conn()?, &sub)?;
    if changed {
        let at = sub.cycle.map(|cycle| cycle.end);
        tell(tx, &sub, Payload::SubscriptionUpdated, (Some(said), at))?;
    }
    Ok(sub)
}
