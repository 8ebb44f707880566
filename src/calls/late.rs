//! What the carrier charged for a call is often known only later, and comes as a usage event that names the call.

use super::authorize::whose;
use super::book::Calls;
use super::call::{Call, Charge};
use crate::base::Credits;
use crate::base::id::OrganizationId;
use crate::catalog::{self, VOICE};
use crate::db::{DbError, WriteTx};
use crate::metering::{
    self, EventIn, ExternalId, Extra, Mode, OfCall, Outcome, Receipt, Till, UsageEvent, VoidError,
};

/// Charges events, as [`metering::record`] does; limits and guards are net of what live calls have set aside. A carrier cost
/// that is reported for a call by itself is passed on above what the call was charged as surcharge.
///
/// # Errors
/// Only when the database fails, and then nothing of the batch is kept.
pub fn record(
    tx: &WriteTx<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    events: &[EventIn],
) -> Result<Vec<Outcome>, DbError> {
    if !events.iter().any(|input| is_late_cost(&input.event)) {
        return if events.iter().any(|input| input.event.mode == Mode::Enforce) {
            beside(tx, caller, fallback, events, OfCall::default())
        } else {
            metering::record(tx, caller, fallback, events)
        };
    }
    let mut outcomes = Vec::with_capacity(events.len());
    for input in events {
        let late = is_late_cost(&input.event);
        let found = if late { call_of(tx, caller, fallback, &input.event)? } else { None };
        let (call, of_call) = found.unzip();
        let of_call = of_call.unwrap_or_default();
        let outcome = beside(tx, caller, fallback, std::slice::from_ref(input), of_call)?.pop();
        if let (Some(mut call), Some(Outcome::Charged(_))) = (call, &outcome)
            && let Some(charge) = call.charge_mut()
        {
            let cost = input.event.carrier_cost.unwrap_or_default();
            charge.carried = charge.carried.checked_add(cost).unwrap_or(charge.carried);
            tx.part::<Calls>()?.put(call);
        }
        outcomes.extend(outcome);
    }
    Ok(outcomes)
}

fn beside(
    tx: &WriteTx<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    events: &[EventIn],
    of_call: OfCall,
) -> Result<Vec<Outcome>, DbError> {
    let mut calls = tx.cache::<Calls>()?;
    calls.load(tx.conn_unflushed())?;
    let voice = catalog::snapshot(tx)?.meter_id(VOICE);
    let live = |of, from, to| calls.sums(voice, of, from, to);
    metering::record_beside(tx, caller, fallback, events, of_call, &live)
}

fn is_late_cost(event: &UsageEvent) -> bool {
    event.quantity.is_zero() && event.call.is_some() && event.carrier_cost.is_some()
}

/// The call that an event belongs to, where that was charged already, and what its price needs of it.
fn call_of(
    tx: &WriteTx<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    event: &UsageEvent,
) -> Result<Option<(Call, OfCall)>, DbError> {
    let Some(external) = event.call.clone() else { return Ok(None) };
    let mut calls = tx.part::<Calls>()?;
    let mut till = Till::open(tx)?;
    calls.load(till.conn())?;
    let Ok(organization) = whose(&mut till, caller, fallback, event.organization.as_ref())? else {
        return Ok(None);
    };
    let Some(meter) = till.catalog().meter_id(&event.meter) else { return Ok(None) };
    let Some(call) = calls.by_key(till.conn(), &(organization, external, meter))? else { return Ok(None) };
    let Some(charge) = call.charge() else { return Ok(None) };
    // what was taken back by hand is no surcharge any more
    let surcharge =
        if till.is_taken_back(charge.head)? { Credits::ZERO } else { Charge::surcharge_left(charge) };
    let of_call = OfCall { toll_free_inbound: call.is_toll_free_inbound(), surcharge };
    Ok(Some((call, of_call)))
}

/// Takes an event back, as [`metering::void_event`] does. Where it was what the carrier charged for a call, that is not set
/// against the call's surcharge any more.
///
/// # Errors
/// See [`VoidError`]; nothing is left behind.
pub fn void_event(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    id: &ExternalId,
) -> Result<(Receipt, bool), VoidError> {
    let (receipt, again) = metering::void_event(tx, organization, id)?;
    if !again {
        uncarry(tx, organization, &receipt)?;
    }
    Ok((receipt, again))
}

fn uncarry(tx: &WriteTx<'_>, organization: OrganizationId, void: &Receipt) -> Result<(), DbError> {
    let mut calls = tx.part::<Calls>()?;
    let till = Till::open(tx)?;
    calls.load(till.conn())?;
    let event = till.event(void.head)?;
    let cost = Extra::read(event.extra.as_deref()).carrier_cost.filter(|_| event.reported.is_zero());
    let (Some(cost), Some(external)) = (cost, event.call) else { return Ok(()) };
    let Some(mut call) = calls.by_key(till.conn(), &(organization, external, void.meter))? else {
        return Ok(());
    };
    // what came before the charge was not set against it
    if let Some(charge) = call.charge_mut().filter(|charge| event.corrects > Some(charge.head)) {
        charge.carried = charge.carried.checked_sub(cost).unwrap_or_default();
        calls.put(call);
    }
    Ok(())
}
