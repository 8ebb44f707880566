//! What calls in progress have set aside, as far as limits and guards ask. Calls themselves are known further up.

use super::rules::LimitKind;
use crate::base::id::{AgentId, NumberId, OrganizationId};
use crate::base::{Credits, Day, Quantity, Timestamp, Zone};

/// Whose calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Of {
    /// All of an organization.
    Organization(OrganizationId),
    /// One agent's.
    Agent(AgentId),
    /// What comes in toll-free on a number, without what is forwarded: that goes out again.
    TollFree(NumberId),
}

/// What live calls have set aside, added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// How many calls.
    pub calls: i64,
    /// Credit.
    pub credits: Credits,
    /// What it pays for, in seconds.
    pub covered: Quantity,
}

/// What the live calls of somebody have set aside that began at or after the first time and before the second. Both are
/// beginnings of days somewhere.
pub type Live<'a> = dyn Fn(Of, Timestamp, Timestamp) -> Sums + 'a;

/// Nobody calls.
#[must_use]
pub fn nobody(_: Of, _: Timestamp, _: Timestamp) -> Sums {
    Sums::default()
}

/// When the window of a limit that `day` is in begins, and the next one.
pub(super) fn span(kind: LimitKind, day: Day, zone: &Zone) -> (Timestamp, Timestamp) {
    (zone.start_of(kind.window(day)), zone.start_of(kind.window_end(day)))
}
