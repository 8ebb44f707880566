//! What the carrier charged for a call is often known only later, and comes as a usage event that names the call.

use super::authorize::whose;
use super::book::Calls;
use super::call::{Call, Charge, State};
use crate::base::id::OrganizationId;
use crate::catalog::{self, VOICE};
use crate::db::{DbError, WriteTx};
use crate::metering::{self, EventIn, Mode, OfCall, Outcome, Till, UsageEvent};

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
    let of_calls = |input: &EventIn| input.event.mode == Mode::Enforce || is_late_cost(&input.event);
    if !events.iter().any(of_calls) {
        return metering::record(tx, caller, fallback, events);
    }
    let mut outcomes = Vec::with_capacity(events.len());
    for input in events {
        let late = is_late_cost(&input.event);
        let call = if late { call_of(tx, caller, fallback, &input.event)? } else { None };
        let of_call = call.as_ref().map(known).unwrap_or_default();
        let outcome = beside(tx, caller, fallback, std::slice::from_ref(input), of_call)?.pop();
        if let (Some(call), Some(Outcome::Charged(_))) = (call, &outcome) {
            carry(tx, call, &input.event)?;
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

/// The call that an event belongs to, where that was charged already.
fn call_of(
    tx: &WriteTx<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    event: &UsageEvent,
) -> Result<Option<Call>, DbError> {
    let Some(external) = event.call.clone() else { return Ok(None) };
    let mut calls = tx.part::<Calls>()?;
    let mut till = Till::open(tx)?;
    calls.load(till.conn())?;
    let Ok(organization) = whose(&mut till, caller, fallback, event.organization.as_ref())? else {
        return Ok(None);
    };
    let Some(meter) = till.catalog().meter_id(&event.meter) else { return Ok(None) };
    let found = calls.by_key(till.conn(), &(organization, external, meter))?;
    Ok(found.filter(|call| call.charge().is_some()))
}

fn known(call: &Call) -> OfCall {
    OfCall {
        toll_free_inbound: call.is_toll_free_inbound(),
        surcharge: call.charge().map(Charge::surcharge_left).unwrap_or_default(),
    }
}

/// Notes on the call what its carrier charged.
fn carry(tx: &WriteTx<'_>, mut call: Call, event: &UsageEvent) -> Result<(), DbError> {
    let cost = event.carrier_cost.unwrap_or_default();
    if let State::Completed(ended) | State::Expired(ended) = &mut call.state
        && let Some(charge) = &mut ended.charge
    {
        charge.carried = charge.carried.checked_add(cost).unwrap_or(charge.carried);
        tx.part::<Calls>()?.put(call);
    }
    Ok(())
}
