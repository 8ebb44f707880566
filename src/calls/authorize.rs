//! May this call begin, and for how long?

use super::book::{Calls, Key};
use super::call::{Call, Hold, Named, Parties, Reason, Rejection, State, Status};
use super::room::{Room, room};
use super::{CallRef, end, rules};
use crate::base::id::{AuthorizationId, MeterId, OrganizationId};
use crate::base::{Credits, Quantity};
use crate::catalog::rules::Rate;
use crate::db::{DbError, WriteTx};
use crate::metering::rating::{RatingInput, billable_quantity};
use crate::metering::{
    CycleHold, Direction, ExternalId, Leg, MAX_CHARGE, OrganizationRef, Pins, Refusal, Tariff, Till,
};

/// What the unit of a meter must be for calls to be counted by it.
const SECOND: &str = "second";

/// A call that is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whose call; the caller's own organization unless given.
    pub organization: Option<OrganizationRef>,
    /// The part of the organization, by the platform's id.
    pub workspace: Option<Box<str>>,
    /// The agent, by the platform's id.
    pub agent: Option<Box<str>>,
    /// The phone number, by the platform's id.
    pub number: Option<Box<str>>,
    /// The call, by the platform's id.
    pub external: ExternalId,
    /// The code of the meter.
    pub meter: Box<str>,
    /// Which way it goes.
    pub direction: Direction,
    /// To or from a toll-free number.
    pub toll_free: bool,
    /// On the customer's own provider key.
    pub byok: bool,
}

/// What becomes of a call that was asked for: it is live, or rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The call.
    pub call: Call,
    /// It had been asked for before, and goes on.
    pub again: bool,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// As for an event.
    Refused(Refusal),
    /// The meter does not count seconds.
    NotTimed,
    /// There is no such call, or it is not the caller's.
    NotFound,
    /// The call is known with other content.
    Conflict,
    /// The call is a forwarded leg itself, and is reported with another.
    Forwarded,
    /// The call has ended already.
    Ended(Box<Call>),
    /// The call was not heard of in time, and its hold has ended.
    HoldEnded(Box<Call>),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Asks for a call: sets a first stretch aside, or says why it may not begin. Asked again, a live call gets the same
/// answer; one that was refused is looked at anew. `caller`: the only organization the caller may ask for; `None` for an
/// operator.
///
/// # Errors
/// Only when the database fails.
pub fn authorize(
    tx: &WriteTx<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    request: &Request,
) -> Result<Result<Answer, Stop>, DbError> {
    let mut calls = tx.part::<Calls>()?;
    let mut till = Till::open(tx)?;
    calls.load(till.conn())?;
    let organization = match whose(&mut till, caller, fallback, request.organization.as_ref())? {
        Ok(organization) => organization,
        Err(stop) => return Ok(Err(stop)),
    };
    let meter = match timed(&till, &request.meter) {
        Ok(meter) => meter,
        Err(stop) => return Ok(Err(stop)),
    };
    end::expire_due_of(&mut calls, &mut till, organization)?;
    let key: Key = (organization, request.external.clone(), meter);
    let known = calls.by_key(till.conn(), &key)?;
    if let Some(call) = &known {
        match (is_same(call, request), call.status()) {
            (false, _) => return Ok(Err(Stop::Conflict)),
            (true, Status::Live) => return Ok(Ok(Answer { call: call.clone(), again: true })),
            (true, Status::Completed | Status::Expired) => {
                return Ok(Err(Stop::Ended(Box::new(call.clone()))));
            }
            (true, Status::Rejected) => {}
        }
    }
    let Some(standing) = till.standing(organization)? else {
        return Ok(Err(Refusal::UnknownOrganization.into()));
    };
    let now = till.now();
    let Some(tariff) = till.tariff(organization, meter, now)? else {
        return Ok(Err(Refusal::NoRate.into()));
    };
    // one that was refused begins when it is let in: that decides which limits it counts against, and when it is charged
    let id = known.map_or_else(|| calls.next_id(), |call| call.id);
    let mut call = new_call(&mut till, id, &key, request)?;
    call.tariff = Some(tariff);
    call.state = decide(&mut calls, &mut till, &call, tariff, standing.suspended)?;
    if let State::Rejected(rejection) = &call.state {
        calls.tell_rejected(&call, rejection.reason, now);
    }
    calls.put(call.clone());
    Ok(Ok(Answer { call, again: false }))
}

/// Which organization is meant.
pub(super) fn whose(
    till: &mut Till<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    named: Option<&OrganizationRef>,
) -> Result<Result<OrganizationId, Stop>, DbError> {
    let organization = match (named, caller.or(fallback)) {
        (Some(which), _) => match till.organization(which)? {
            Some(organization) => organization,
            // nobody but an operator is told whether it exists
            None => return Ok(Err(Refusal::ForeignOrganization.into())),
        },
        (None, Some(organization)) => organization,
        (None, None) => return Ok(Err(Refusal::UnknownOrganization.into())),
    };
    if caller.is_some_and(|own| own != organization) {
        return Ok(Err(Refusal::ForeignOrganization.into()));
    }
    if till.standing(organization)?.is_none() {
        return Ok(Err(Refusal::UnknownOrganization.into()));
    }
    Ok(Ok(organization))
}

/// The meter of that code, if it counts seconds.
pub(super) fn timed(till: &Till<'_>, code: &str) -> Result<MeterId, Stop> {
    let found = till.catalog().meter_id(code).and_then(|id| till.catalog().meter(id));
    match found {
        None => Err(Refusal::UnknownMeter(code.into()).into()),
        Some(meter) if meter.unit != SECOND => Err(Stop::NotTimed),
        Some(meter) => Ok(meter.id),
    }
}

/// The call that is meant.
pub(super) fn find(
    calls: &mut Calls,
    till: &mut Till<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    which: &CallRef,
) -> Result<Result<Call, Stop>, DbError> {
    let organization = caller.or(fallback);
    let found = match which {
        CallRef::Id(id) => calls.get(till.conn(), *id)?,
        CallRef::External(external) => {
            let Some(organization) = organization else {
                return Ok(Err(Refusal::UnknownOrganization.into()));
            };
            calls.legs(till.conn(), organization, external)?.into_iter().next()
        }
    };
    let own = found.filter(|call| organization.is_none_or(|organization| call.organization == organization));
    Ok(own.ok_or(Stop::NotFound))
}

/// Whether a call is asked for with the same words.
pub(super) fn is_same(call: &Call, request: &Request) -> bool {
    fn name<I>(party: Option<&Named<I>>) -> Option<&str> {
        party.map(|party| &*party.name)
    }
    name(call.parties.agent.as_ref()) == request.agent.as_deref()
        && name(call.parties.number.as_ref()) == request.number.as_deref()
        && name(call.parties.workspace.as_ref()) == request.workspace.as_deref()
        && (call.direction, call.toll_free, call.byok) == (request.direction, request.toll_free, request.byok)
}

/// The call as it is asked for, refused until something else is decided.
pub(super) fn new_call(
    till: &mut Till<'_>,
    id: AuthorizationId,
    (organization, external, meter): &Key,
    request: &Request,
) -> Result<Call, DbError> {
    let (organization, now) = (*organization, till.now());
    let mut parties = Parties::default();
    if let Some(name) = &request.agent {
        parties.agent = Some(Named { id: till.agent(organization, name)?, name: name.clone() });
    }
    if let Some(name) = &request.number {
        parties.number = Some(Named { id: till.number(organization, name)?, name: name.clone() });
    }
    if let Some(name) = &request.workspace {
        parties.workspace = Some(Named { id: till.workspace(organization, name)?, name: name.clone() });
    }
    Ok(Call {
        id,
        organization,
        external: external.clone(),
        meter: *meter,
        parties,
        direction: request.direction,
        toll_free: request.toll_free,
        byok: request.byok,
        started_at: now,
        tariff: None,
        state: State::Rejected(Rejection {
            at: now,
            reason: Reason::InsufficientCredits,
            available: Credits::ZERO,
            required: Credits::ZERO,
        }),
    })
}

/// Sets a first stretch aside, or says why not.
fn decide(
    calls: &mut Calls,
    till: &mut Till<'_>,
    call: &Call,
    tariff: Tariff,
    suspended: bool,
) -> Result<State, DbError> {
    let options = *calls.options();
    let leg = call.leg(tariff);
    let rate = till.rate(&leg)?;
    let input = till.rating(&leg, CycleHold::default())?;
    let room = room(calls, till, call, &leg)?;
    let least = billable_quantity(&rate, options.shortest).unwrap_or(options.longest);
    let (most, short) = most(&rate, &input, &room, Credits::ZERO, options.longest.max(least), Quantity::ZERO);
    let now = till.now();
    let barred = match &call.parties.number {
        _ if suspended => Some(Reason::OrganizationSuspended),
        Some(number) if till.is_suspended(number.id)? => Some(Reason::NumberSuspended),
        Some(_) | None => None,
    };
    if barred.is_some() || most < least || most.is_zero() {
        let required = rules::price(&rate, &input, least).map_or(Credits::ZERO, |rated| rated.total);
        let reason = barred.unwrap_or(short);
        return Ok(State::Rejected(Rejection { at: now, reason, available: room.credits, required }));
    }
    let covered = rules::stretch(&rate, options.stretch, most);
    let mut pins = Pins::default();
    cover(till, &leg, &rate, &input, covered, &mut pins, &room)?;
    Ok(State::Live(Hold {
        pins,
        covered,
        most,
        elapsed: Quantity::ZERO,
        extended_at: now,
        expires_at: now.plus_ms(rules::millis(covered).saturating_add(options.grace_ms)),
    }))
}

/// Makes the pins pay for `covered`.
pub(super) fn cover(
    till: &mut Till<'_>,
    leg: &Leg,
    rate: &Rate,
    input: &RatingInput,
    covered: Quantity,
    pins: &mut Pins,
    room: &Room,
) -> Result<(), DbError> {
    let rated = rules::price(rate, input, covered)
        .map_err(|error| DbError::Commit(format!("a stretch that was priced before: {error}")))?;
    till.set_aside(leg, pins, &rated, room.plan_only)
}

/// The longest a call may last that holds `held` for `covered`, and what keeps it from lasting longer.
pub(super) fn most(
    rate: &Rate,
    input: &RatingInput,
    room: &Room,
    held: Credits,
    longest: Quantity,
    covered: Quantity,
) -> (Quantity, Reason) {
    let credit = Credits::from_micros(held.micros().saturating_add(room.credits.micros()));
    let by_credit = rules::max_quantity(rate, input, credit.min(MAX_CHARGE), longest);
    let Some((seconds, reason)) = room.seconds else { return (by_credit, room.short) };
    let increment = rate.increment.micros().max(1);
    let limit = covered.micros().saturating_add(seconds.micros());
    let by_seconds = Quantity::from_micros(limit - limit.checked_rem(increment).unwrap_or(0));
    if by_seconds < by_credit { (by_seconds, reason) } else { (by_credit, room.short) }
}
