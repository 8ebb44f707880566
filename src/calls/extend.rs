//! A call goes on: what it needs next is set aside.

use super::authorize::{Stop, cover, find, most};
use super::book::Calls;
use super::call::{Call, Hold, Reason, State};
use super::room::room;
use super::{CallRef, end, rules};
use crate::base::id::OrganizationId;
use crate::base::{Quantity, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::metering::rating::billable_quantity;
use crate::metering::{Refusal, Till};

/// Whether a call may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The call.
    pub call: Call,
    /// It may.
    pub goes_on: bool,
    /// The longest it may last in all.
    pub most: Quantity,
    /// What of that is left.
    pub left: Quantity,
    /// When it has to end, as things stand.
    pub cut_off_at: Timestamp,
    /// Little is left: the agent had better say so.
    pub warn: bool,
}

/// Reports how long a call has lasted, and sets the next stretch aside. A report that comes late, after one of a longer
/// time, is taken for that.
///
/// # Errors
/// Only when the database fails.
pub fn extend(
    tx: &WriteTx<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    which: &CallRef,
    elapsed: Quantity,
) -> Result<Result<Extension, Stop>, DbError> {
    let mut calls = tx.part::<Calls>()?;
    let mut till = Till::open(tx)?;
    calls.load(till.conn())?;
    let call = match find(&mut calls, &mut till, caller, fallback, which)? {
        Ok(call) => call,
        Err(stop) => return Ok(Err(stop)),
    };
    if elapsed > till.max_quantity() {
        return Ok(Err(Refusal::TooMuch(till.max_quantity()).into()));
    }
    end::expire_due_of(&mut calls, &mut till, call.organization)?;
    let Some(call) = calls.get(till.conn(), call.id)? else { return Ok(Err(Stop::NotFound)) };
    let hold = match &call.state {
        State::Live(hold) => hold.clone(),
        State::Expired(_) => return Ok(Err(Stop::HoldEnded(Box::new(call)))),
        State::Completed(_) | State::Rejected(_) => return Ok(Err(Stop::Ended(Box::new(call)))),
    };
    let elapsed = elapsed.max(hold.elapsed);
    let had_left = hold.left().is_positive();
    let (hold, short) = grow(&calls, &mut till, &call, hold, elapsed)?;
    let left = hold.left();
    if had_left && !left.is_positive() {
        let longest = hold.most >= calls.options().longest;
        calls.tell_cut_off(&call, if longest { "max_duration" } else { short.name() });
    }
    let extension = Extension {
        goes_on: left.is_positive(),
        most: hold.most,
        left,
        cut_off_at: till.now().plus_ms(rules::millis(left)),
        warn: left < calls.options().warning,
        call: Call { state: State::Live(hold), ..call },
    };
    calls.put(extension.call.clone());
    Ok(Ok(extension))
}

/// The hold that reaches a stretch beyond `elapsed`, as far as there is credit, and what keeps it from reaching further.
fn grow(
    calls: &Calls,
    till: &mut Till<'_>,
    call: &Call,
    hold: Hold,
    elapsed: Quantity,
) -> Result<(Hold, Reason), DbError> {
    let options = *calls.options();
    let tariff =
        call.tariff.ok_or_else(|| DbError::bad_row("calls", call.id.number(), "is live without a price"))?;
    let leg = call.leg(tariff);
    let rate = till.rate(&leg)?;
    let input = till.rating(&leg, hold.pins.cycle)?;
    let room = room(calls, till, call, &leg)?;
    let least = billable_quantity(&rate, options.shortest).unwrap_or(options.longest);
    let longest = options.longest.max(least);
    let (most, short) = most(&rate, &input, &room, hold.pins.credits(), longest, hold.covered);
    // what is set aside already stays so
    let most = most.max(hold.covered);
    let wanted = Quantity::from_micros(elapsed.micros().saturating_add(options.stretch.micros()));
    let covered = rules::stretch(&rate, wanted, most).max(hold.covered);
    let mut pins = hold.pins;
    cover(till, &leg, &rate, &input, covered, &mut pins, &room)?;
    let lasts_ms = rules::millis(rules::left(covered, elapsed)).saturating_add(options.grace_ms);
    let now = till.now();
    let hold = Hold { pins, covered, most, elapsed, extended_at: now, expires_at: now.plus_ms(lasts_ms) };
    Ok((hold, short))
}
