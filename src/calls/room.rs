//! How far credit, limits and guards let a call go.

use super::book::{Calls, Of};
use super::call::{Call, Reason};
use crate::base::{Credits, Quantity};
use crate::db::DbError;
use crate::grants::Class;
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

impl Room {
    /// The classes of credit that may be used.
    pub fn may(self) -> impl Fn(Class) -> bool {
        move |class| !self.plan_only || class == Class::Plan
    }
}

/// How far limits let it go: credit and seconds that may still be used, less what live calls have set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Limit {
    credits: Option<(Credits, Reason)>,
    seconds: Option<(Quantity, Reason)>,
    plan_only: bool,
}

/// What a call may use now, beyond what it has set aside already.
pub(super) fn room(calls: &Calls, till: &mut Till<'_>, call: &Call, leg: &Leg) -> Result<Room, DbError> {
    let limit = limit(calls, call);
    let plan_only = limit.plan_only;
    let credits = till.available(leg, move |class| !plan_only || class == Class::Plan)?;
    let short = if plan_only { Reason::PlanExhausted } else { Reason::InsufficientCredits };
    let (credits, short) = match limit.credits {
        Some((left, reason)) if left < credits => (left, reason),
        _ => (credits, short),
    };
    Ok(Room { credits, short, seconds: limit.seconds, plan_only })
}

fn limit(calls: &Calls, call: &Call) -> Limit {
    let _ = calls.sums(Of::Organization(call.organization));
    Limit::default()
}
