//! Calls: whether one may begin and for how long, what is set aside for it while it goes on, and what it is charged.
//!
//! Everything live is in the writer's memory ([`Calls`]); rows are written once per commit. Operations check everything
//! first, and cannot fail past that point.

mod authorize;
mod book;
mod call;
mod end;
mod extend;
mod late;
mod message;
mod room;
pub mod rules;
mod sql;
pub mod verify;

pub use authorize::{Answer, Request, Stop, authorize};
pub use book::Calls;
pub use call::{Call, Charge, Ended, Hold, Named, Parties, Reason, Rejection, Report, State, Status};
pub use end::{Captured, Closed, Unasked, capture, end_silent, expire_due, release};
pub use extend::{Extension, extend};
pub use late::{record, void_event};
pub use message::{DEFAULT_MESSAGE, MAX_MESSAGE, MessageError, message_of, set_message};
pub use sql::{Filter, Message, Party, Place, due, legs, list, live_count, next_due};

use std::str::FromStr;

use rusqlite::Connection;

use crate::base::id::{AuthorizationId, OrganizationId};
use crate::base::{Credits, Quantity};
use crate::catalog::Snapshot;
use crate::db::DbError;
use crate::metering::ExternalId;
use crate::metering::rating::RatingInput;

/// What calls are held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What is set aside at first, and how far ahead of what was reported it is kept.
    pub stretch: Quantity,
    /// The shortest call that may begin.
    pub shortest: Quantity,
    /// The longest call.
    pub longest: Quantity,
    /// How long after what is set aside ran out a call may still be heard of, in milliseconds.
    pub grace_ms: i64,
    /// When less than this is left, it is warned.
    pub warning: Quantity,
}

/// Which call is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallRef {
    /// By Tollbook's id.
    Id(AuthorizationId),
    /// By the platform's own id: the leg that is live, or else the newest.
    External(ExternalId),
}

/// Why a text names no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither auth_… nor ext: and an id")]
pub struct CallRefError;

impl FromStr for CallRef {
    type Err = CallRefError;

    /// `auth_…`, or `ext:` and the platform's own id.
    fn from_str(text: &str) -> Result<Self, CallRefError> {
        match text.strip_prefix("ext:") {
            Some(own) => ExternalId::new(own).map(Self::External).ok_or(CallRefError),
            None => text.parse().map(Self::Id).map_err(|_| CallRefError),
        }
    }
}

/// One call.
///
/// # Errors
/// When the database fails or the row does not make sense.
pub fn get(
    conn: &Connection,
    organization: OrganizationId,
    which: &CallRef,
) -> Result<Option<Call>, DbError> {
    let found = match which {
        CallRef::Id(id) => sql::get(conn, *id)?.filter(|call| call.organization == organization),
        CallRef::External(external) => {
            let mut legs = sql::legs(conn, organization, external)?;
            legs.sort_by_key(|call| (call.status() != Status::Live, std::cmp::Reverse(call.id.number())));
            legs.into_iter().next()
        }
    };
    Ok(found)
}

/// The row of an agent or number by the platform's id, for a [`Filter`].
///
/// # Errors
/// When the database fails.
pub fn party(
    conn: &Connection,
    what: Party,
    organization: OrganizationId,
    name: &str,
) -> Result<Option<i64>, DbError> {
    sql::party(conn, what, organization, name)
}

/// What a call costs: what it was charged, or what it would be charged were it over at what was last reported.
#[must_use]
pub fn cost(call: &Call, catalog: &Snapshot) -> Credits {
    if let Some(charge) = call.charge() {
        return charge.credits;
    }
    let State::Live(hold) = &call.state else { return Credits::ZERO };
    cost_at(call, hold, hold.elapsed, catalog)
}

/// What a live call would be charged were it over after `elapsed`; exact as far as its hold covers.
#[must_use]
pub fn cost_at(call: &Call, hold: &Hold, elapsed: Quantity, catalog: &Snapshot) -> Credits {
    let Some(tariff) = call.tariff else { return Credits::ZERO };
    let rate = catalog.rate_version(tariff.rate_version).and_then(|(_, version)| version.rate(call.meter));
    let input = RatingInput {
        quantity: Quantity::ZERO,
        toll_free_inbound: call.is_toll_free_inbound(),
        byok: call.byok,
        carrier_cost: None,
        allowance_left: tariff.allowance.map(|_| hold.pins.cycle.included),
        used_in_cycle: tariff.position,
        surcharge_before: Credits::ZERO,
    };
    let rated = rate.and_then(|rate| rules::price(rate, &input, elapsed).ok());
    rated.map_or(Credits::ZERO, |rated| rated.total)
}
