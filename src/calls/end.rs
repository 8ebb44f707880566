//! A call is over: it is charged, or nothing came of it, or nothing was heard of it.

use super::CallRef;
use super::authorize::{Request, Stop, find, is_same, new_call, timed, whose};
use super::book::{Calls, Key};
use super::call::{Call, Charge, Ended, Report, State};
use super::sql::due;
use crate::base::id::{AuthorizationId, MeterId, OrganizationId};
use crate::base::{Credits, Quantity, Timestamp};
use crate::catalog::{self, TRANSFER_MINUTE};
use crate::db::{DbError, WriteTx};
use crate::metering::rating::ItemKind;
use crate::metering::{
    self, Age, CycleHold, ExternalId, Leg, Mode, Pins, Prepared, Receipt, Refusal, Tariff, Till, UsageEvent,
};

/// What a call was charged, and how that compares with what was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The call.
    pub call: Call,
    /// Its charges: of the call itself, and of the forwarded leg where there was one.
    pub receipts: Vec<Receipt>,
    /// It had been charged before, and this is the answer of then.
    pub duplicate: bool,
    /// What it cost beyond what was set aside for it.
    pub above_hold: Credits,
}

/// What is told of a call that was never asked for, when it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unasked {
    /// What would have been asked.
    pub request: Request,
    /// When it began; as long ago as it lasted, unless given.
    pub started_at: Option<Timestamp>,
}

/// What became of a call that is over without a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The call.
    pub call: Call,
    /// It was over before.
    pub duplicate: bool,
}

/// Charges a call that is over, from what was set aside for it first, and frees the rest. What it cost beyond that is
/// charged in any case: the work was done. `unasked` describes the call for the case that it was never asked for.
///
/// # Errors
/// Only when the database fails.
pub fn capture(
    tx: &WriteTx<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    which: &CallRef,
    report: Report,
    unasked: Option<&Unasked>,
) -> Result<Result<Captured, Stop>, DbError> {
    let found = {
        // nothing is changed before it is known what has to be
        let mut calls = tx.cache::<Calls>()?;
        calls.load(tx.conn_unflushed())?;
        meant(&mut calls, &mut Till::open(tx)?, caller, fallback, which, unasked, report)?
    };
    let call = match found {
        Ok(call) => call,
        Err(stop) => return Ok(Err(stop)),
    };
    let forwards = report.transfer.is_some_and(Quantity::is_positive);
    if forwards && catalog::snapshot(tx)?.meter_id(TRANSFER_MINUTE) == Some(call.meter) {
        return Ok(Err(Stop::Forwarded));
    }
    let again = match &call.state {
        State::Live(_) | State::Rejected(_) => None,
        State::Completed(ended) | State::Expired(ended) => ended.charge.clone().map(|c| (ended.clone(), c)),
    };
    let Some((ended, charge)) = again else {
        return charge_now(tx, call, report);
    };
    if charge.report == report {
        return confirm(tx, call, ended, &charge);
    }
    match call.state {
        State::Expired(_) => correct(tx, call, report, &charge),
        State::Live(_) | State::Completed(_) | State::Rejected(_) => Ok(Err(Stop::Conflict)),
    }
}

/// The call that is reported; a new one where it was never asked for.
fn meant(
    calls: &mut Calls,
    till: &mut Till<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    which: &CallRef,
    unasked: Option<&Unasked>,
    report: Report,
) -> Result<Result<Call, Stop>, DbError> {
    let Some(Unasked { request, started_at }) = unasked else {
        return find(calls, till, caller, fallback, which);
    };
    let organization = match whose(till, caller, fallback, request.organization.as_ref())? {
        Ok(organization) => organization,
        Err(stop) => return Ok(Err(stop)),
    };
    let meter = match timed(till, &request.meter) {
        Ok(meter) => meter,
        Err(stop) => return Ok(Err(stop)),
    };
    let key: Key = (organization, request.external.clone(), meter);
    if let Some(call) = calls.by_key(till.conn(), &key)? {
        return Ok(if is_same(&call, request) { Ok(call) } else { Err(Stop::Conflict) });
    }
    let mut call = new_call(till, calls.next_id(), &key, request)?;
    let lasted_ms =
        super::rules::millis(report.duration).saturating_add(report.transfer.map_or(0, super::rules::millis));
    call.started_at = started_at.unwrap_or_else(|| till.now().plus_ms(-lasted_ms));
    Ok(Ok(call))
}

/// Says once more what was charged. A call that had expired is completed by a report of what it was charged for.
fn confirm(
    tx: &WriteTx<'_>,
    mut call: Call,
    ended: Ended,
    charge: &Charge,
) -> Result<Result<Captured, Stop>, DbError> {
    let mut calls = tx.part::<Calls>()?;
    let till = Till::open(tx)?;
    let mut receipts = vec![till.receipt(charge.head)?];
    if let Some(head) = charge.transfer_head {
        receipts.push(till.receipt(head)?);
    }
    let duplicate = matches!(call.state, State::Completed(_));
    let above_hold = above(charge.credits, ended.held);
    if !duplicate {
        call.state = State::Completed(ended);
        calls.put(call.clone());
    }
    Ok(Ok(Captured { call, receipts, duplicate, above_hold }))
}

/// Takes back what an expired call was charged for what was last heard of it, and charges what it really was.
fn correct(
    tx: &WriteTx<'_>,
    call: Call,
    report: Report,
    charge: &Charge,
) -> Result<Result<Captured, Stop>, DbError> {
    tx.conn()?;
    {
        let mut till = Till::open(tx)?;
        if let Err(refusal) = prepared(&mut till, &call, &Pins::default(), report, Part::Late)? {
            return Ok(Err(refusal.into()));
        }
    }
    let first = event_id(&call, Part::First)?;
    metering::void_event(tx, call.organization, &first).map_err(|error| {
        DbError::bad_row("calls", call.id.number(), format!("line {}: {error}", charge.head))
    })?;
    finish(tx, call, report, Part::Late)
}

fn charge_now(tx: &WriteTx<'_>, call: Call, report: Report) -> Result<Result<Captured, Stop>, DbError> {
    finish(tx, call, report, Part::First)
}

/// Which charge of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    First,
    /// After the first was taken back.
    Late,
    Transfer,
}

fn finish(
    tx: &WriteTx<'_>,
    mut call: Call,
    report: Report,
    part: Part,
) -> Result<Result<Captured, Stop>, DbError> {
    let mut calls = tx.part::<Calls>()?;
    let mut till = Till::open(tx)?;
    let (mut pins, elapsed) = match &mut call.state {
        State::Live(hold) => (std::mem::take(&mut hold.pins), hold.elapsed),
        State::Completed(ended) | State::Expired(ended) => (Pins::default(), ended.elapsed),
        State::Rejected(_) => (Pins::default(), Quantity::ZERO),
    };
    let charges = match prepared(&mut till, &call, &pins, report, part)? {
        Ok(charges) => charges,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    // from here on nothing is refused any more
    let held = pins.credits();
    let mut receipts = Vec::new();
    for charge in &charges {
        receipts.push(till.charge(charge, &mut pins)?);
    }
    if let Some(tariff) = call.tariff {
        till.let_go(&call.leg(tariff), &mut pins)?;
    }
    let charge = charged(report, &receipts)?;
    let credits = charge.credits;
    call.tariff = charges.first().map(Prepared::tariff);
    call.state = State::Completed(Ended { at: till.now(), held, elapsed, charge: Some(charge) });
    calls.put(call.clone());
    Ok(Ok(Captured { call, receipts, duplicate: false, above_hold: above(credits, held) }))
}

/// What was charged, by its receipts: of the call itself first.
fn charged(report: Report, receipts: &[Receipt]) -> Result<Charge, DbError> {
    let first = receipts.first().ok_or_else(|| DbError::Commit("a call without a charge".into()))?;
    let sum =
        |micros: &mut dyn Iterator<Item = i64>| Credits::from_micros(micros.fold(0, i64::saturating_add));
    let surcharges = first.items.iter().filter(|item| item.kind == ItemKind::Surcharge);
    Ok(Charge {
        report,
        head: first.head,
        transfer_head: receipts.get(1).map(|receipt| receipt.head),
        credits: sum(&mut receipts.iter().map(|receipt| receipt.credits.micros())),
        surcharge: sum(&mut surcharges.map(|item| item.credits.micros())),
        carried: report.carrier_cost.unwrap_or_default(),
    })
}

fn above(credits: Credits, held: Credits) -> Credits {
    credits.checked_sub(held).unwrap_or_default().max(Credits::ZERO)
}

/// The charges of a report, checked: of the call itself, and of the forwarded leg where there was one.
fn prepared(
    till: &mut Till<'_>,
    call: &Call,
    pins: &Pins,
    report: Report,
    part: Part,
) -> Result<Result<Vec<Prepared>, Refusal>, DbError> {
    let (tariff, age) = match call.tariff {
        Some(tariff) => (tariff, Age::Any),
        None => match till.tariff(call.organization, call.meter, call.started_at)? {
            Some(tariff) => (tariff, Age::Bounded),
            None => return Ok(Err(Refusal::NoRate)),
        },
    };
    let mut event = event_of(till, call, call.meter, report.duration, event_id(call, part)?);
    event.carrier_cost = report.carrier_cost;
    let mut charges = match till.prepare(call.leg(tariff), pins.cycle, event, age)? {
        Ok(charge) => vec![charge],
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Some(forwarded) = report.transfer.filter(|transfer| transfer.is_positive()) {
        let (leg, meter) = match transfer_leg(till, call)? {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let event = event_of(till, call, meter, forwarded, event_id(call, Part::Transfer)?);
        match till.prepare(leg, CycleHold::default(), event, age)? {
            Ok(charge) => charges.push(charge),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(charges))
}

/// How the forwarded part of a call is priced.
fn transfer_leg(till: &mut Till<'_>, call: &Call) -> Result<Result<(Leg, MeterId), Refusal>, DbError> {
    let Some(meter) = till.catalog().meter_id(TRANSFER_MINUTE) else {
        return Ok(Err(Refusal::UnknownMeter(TRANSFER_MINUTE.into())));
    };
    let tariff: Option<Tariff> = till.tariff(call.organization, meter, call.started_at)?;
    Ok(tariff.map(|tariff| (Leg { meter, ..call.leg(tariff) }, meter)).ok_or(Refusal::NoRate))
}

fn event_id(call: &Call, part: Part) -> Result<ExternalId, DbError> {
    let id = match part {
        Part::First => call.id.to_string(),
        Part::Late => format!("{}.late", call.id),
        Part::Transfer => format!("{}.transfer", call.id),
    };
    ExternalId::new(&id).ok_or_else(|| DbError::bad_row("calls", call.id.number(), "has no name"))
}

/// What a call reports as an event.
fn event_of(till: &Till<'_>, call: &Call, meter: MeterId, quantity: Quantity, id: ExternalId) -> UsageEvent {
    let meter = till.catalog().meter(meter).map_or("", |meter| meter.code.as_str());
    UsageEvent {
        id,
        organization: None,
        workspace: call.parties.workspace.as_ref().map(|workspace| workspace.name.clone()),
        agent: call.parties.agent.as_ref().map(|agent| agent.name.clone()),
        number: call.parties.number.as_ref().map(|number| number.name.clone()),
        call: Some(call.external.clone()),
        meter: meter.into(),
        quantity,
        occurred_at: call.started_at,
        direction: Some(call.direction),
        toll_free: call.toll_free,
        byok: call.byok,
        carrier_cost: None,
        mode: Mode::Record,
        extra: None,
    }
}

/// Frees everything that was set aside for a call of which nothing came.
///
/// # Errors
/// Only when the database fails.
pub fn release(
    tx: &WriteTx<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    which: &CallRef,
) -> Result<Result<Closed, Stop>, DbError> {
    let mut calls = tx.part::<Calls>()?;
    let mut till = Till::open(tx)?;
    calls.load(till.conn())?;
    let mut call = match find(&mut calls, &mut till, caller, fallback, which)? {
        Ok(call) => call,
        Err(stop) => return Ok(Err(stop)),
    };
    let ended = match (&mut call.state, call.tariff) {
        (State::Live(live), Some(tariff)) => {
            let (mut pins, elapsed) = (std::mem::take(&mut live.pins), live.elapsed);
            let held = pins.credits();
            till.let_go(&call.leg(tariff), &mut pins)?;
            Ended { at: till.now(), held, elapsed, charge: None }
        }
        (State::Completed(ended) | State::Expired(ended), _) if ended.charge.is_some() => {
            return Ok(Err(Stop::Ended(Box::new(call))));
        }
        (State::Live(_) | State::Completed(_) | State::Expired(_) | State::Rejected(_), _) => {
            return Ok(Ok(Closed { call, duplicate: true }));
        }
    };
    call.state = State::Completed(ended);
    calls.put(call.clone());
    Ok(Ok(Closed { call, duplicate: false }))
}

/// Ends a call that was not heard of in time; one that was, meanwhile, goes on.
///
/// # Errors
/// When the database fails.
pub fn end_silent(tx: &WriteTx<'_>, id: AuthorizationId) -> Result<(), DbError> {
    let mut calls = tx.part::<Calls>()?;
    let mut till = Till::open(tx)?;
    calls.load(till.conn())?;
    let found = calls.get(till.conn(), id)?;
    let is_due = |call: &Call| matches!(&call.state, State::Live(hold) if hold.expires_at <= till.now());
    match found.filter(is_due) {
        Some(call) => expire(&mut calls, &mut till, call),
        None => Ok(()),
    }
}

/// Ends up to `limit` calls that were not heard of in time. Returns how many: fewer than `limit` means that nothing is due.
///
/// # Errors
/// When the database fails.
pub fn expire_due(tx: &WriteTx<'_>, limit: u32) -> Result<usize, DbError> {
    let found = due(tx.conn()?, tx.now(), None, limit)?;
    for (_, id) in &found {
        end_silent(tx, AuthorizationId::new(*id))?;
    }
    Ok(found.len())
}

/// Ends the calls of one organization that were not heard of in time, so that what they held can be used.
pub(super) fn expire_due_of(
    calls: &mut Calls,
    till: &mut Till<'_>,
    organization: OrganizationId,
) -> Result<(), DbError> {
    for id in calls.due_of(organization, till.now()) {
        if let Some(call) = calls.get(till.conn(), id)? {
            expire(calls, till, call)?;
        }
    }
    Ok(())
}

/// Ends a live call: what was last reported of it is charged, and everything else freed.
fn expire(calls: &mut Calls, till: &mut Till<'_>, mut call: Call) -> Result<(), DbError> {
    let (State::Live(live), Some(tariff)) = (&mut call.state, call.tariff) else { return Ok(()) };
    let (mut pins, elapsed) = (std::mem::take(&mut live.pins), live.elapsed);
    let held = pins.credits();
    let report = Report { duration: elapsed, transfer: None, carrier_cost: None };
    let mut charge = None;
    if elapsed.is_positive() {
        // what cannot be priced now could not be reported either
        for prepared in prepared(till, &call, &pins, report, Part::First)?.unwrap_or_default() {
            let receipt = till.charge(&prepared, &mut pins)?;
            charge = Some(charged(report, &[receipt])?);
        }
    }
    till.let_go(&call.leg(tariff), &mut pins)?;
    call.state = State::Expired(Ended { at: till.now(), held, elapsed, charge });
    calls.put(call);
    Ok(())
}
