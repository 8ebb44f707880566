//! How far credit, limits and guards let a call go.

use super::book::Calls;
use super::call::{Call, Reason, State};
use crate::base::{Credits, Day, Quantity, Timestamp, Zone};
use crate::catalog::VOICE;
use crate::db::DbError;
use crate::limits::{Cap, LimitKind, Live, Of};
use crate::metering::{Leg, Till};

/// What may be set aside for a call, beyond what it has set aside already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Credit.
    pub credits: Credits,
    /// Why it is no more.
    pub short: Reason,
    /// Seconds, where those are limited, and by what.
    pub seconds: Option<(Quantity, Reason)>,
    /// Only allowance and plan credit may be used.
    pub plan_only: bool,
}

/// What a call may use now, beyond what it has set aside already.
pub(super) fn room(calls: &Calls, till: &mut Till<'_>, call: &Call, leg: &Leg) -> Result<Room, DbError> {
    // a charge counts on the day on which the call began
    let zone = till.standing(call.organization)?.map_or(Zone::UTC, |standing| standing.zone);
    let day = zone.day_of(call.started_at);
    let agent = call.parties.agent.as_ref().map(|agent| agent.id);
    let voice = till.catalog().meter_id(VOICE);
    let live = |of, from, to| calls.sums(voice, of, from, to);
    let headroom = till.headroom(call.organization, agent, day, &zone, &live)?;
    let plan_only = headroom.plan_only;
    let all = till.available(leg, false)?;
    let (mut credits, mut short) = (all, Reason::InsufficientCredits);
    if plan_only {
        let of_plan = till.available(leg, true)?;
        if of_plan < all || of_plan.is_zero() {
            (credits, short) = (of_plan, Reason::PlanExhausted);
        }
    }
    if let Some(cap) = headroom.tightest.filter(|cap| cap.left < credits) {
        (credits, short) = (cap.left, reason(&cap));
    }
    let seconds = seconds(till, call, (day, &zone), &live)?;
    Ok(Room { credits, short, seconds, plan_only })
}

const fn reason(cap: &Cap) -> Reason {
    match cap.kind {
        LimitKind::Daily => Reason::DailyLimit,
        LimitKind::Monthly => Reason::MonthlyLimit,
        LimitKind::PerAgent => Reason::AgentLimit,
    }
}

/// What the guard of its number leaves an inbound toll-free call.
fn seconds(
    till: &mut Till<'_>,
    call: &Call,
    (day, zone): (Day, &Zone),
    live: &Live<'_>,
) -> Result<Option<(Quantity, Reason)>, DbError> {
    // what is forwarded goes out again
    let is_voice = till.catalog().meter_id(VOICE) == Some(call.meter);
    let Some(number) = call.parties.number.as_ref().filter(|_| is_voice && call.is_toll_free_inbound())
    else {
        return Ok(None);
    };
    let (guard, taken) = till.guard(number.id, day, zone, live)?;
    let is_new = !matches!(call.state, State::Live(_));
    let ever = [i64::MIN, i64::MAX].map(Timestamp::from_millis);
    if is_new && !guard.admits_another(live(Of::TollFree(number.id), ever[0], ever[1]).calls) {
        return Ok(Some((Quantity::ZERO, Reason::TollFreeCalls)));
    }
    Ok(guard.seconds_left(taken).map(|left| (left, Reason::TollFreeMinutes)))
}
