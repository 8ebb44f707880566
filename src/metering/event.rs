//! What the platform reports, and what Tollbook answers.

use super::external::ExternalId;
use super::ids::{IdKey, short_hash};
use super::rating::ItemKind;
use crate::base::id::{MeterId, OrganizationId, RateVersionId};
use crate::base::{Credits, Quantity, Timestamp};
use crate::ledger::Canon;
use crate::limits::Cap;

/// Which organization an event belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OrganizationRef {
    /// By Tollbook's id.
    Id(OrganizationId),
    /// By the platform's own id.
    External(Box<str>),
}

/// Which way a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the agent.
    Inbound,
    /// From the agent.
    Outbound,
}

impl Direction {
    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// What happens when credit does not cover an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Mode {
    /// The work has happened: it is charged, if need be to the overdraft.
    #[default]
    Record,
    /// The work is about to happen: it is refused.
    Enforce,
}

/// One report of usage, checked as far as that is possible without the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEvent {
    /// The platform's id of the event: the same id is never charged twice.
    pub id: ExternalId,
    /// Whose usage; the caller's own organization unless given.
    pub organization: Option<OrganizationRef>,
    /// The part of the organization, by the platform's id.
    pub workspace: Option<Box<str>>,
    /// The agent, by the platform's id.
    pub agent: Option<Box<str>>,
    /// The phone number, by the platform's id.
    pub number: Option<Box<str>>,
    /// The call, by the platform's id.
    pub call: Option<ExternalId>,
    /// The code of the meter.
    pub meter: Box<str>,
    /// In the meter's unit.
    pub quantity: Quantity,
    /// When the work was done.
    pub occurred_at: Timestamp,
    /// Which way the call went.
    pub direction: Option<Direction>,
    /// To or from a toll-free number.
    pub toll_free: bool,
    /// On the customer's own provider key.
    pub byok: bool,
    /// What the carrier charged, in credits.
    pub carrier_cost: Option<Credits>,
    /// Charge in any case, or refuse what is not covered.
    pub mode: Mode,
    /// Other attributes and metadata: see [`Extra`](super::Extra).
    pub extra: Option<Box<str>>,
}

/// A hash of the event's id, and one of all that it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    pub(super) id_hash: u64,
    pub(super) fingerprint: i64,
}

impl UsageEvent {
    /// Computes both hashes; done where requests are parsed, to keep it off the writer.
    #[must_use]
    pub fn digests(&self, canon: &mut Canon) -> Digests {
        canon.clear();
        canon
            .blob(self.id.bytes())
            .maybe_text(self.workspace.as_deref())
            .maybe_text(self.agent.as_deref())
            .maybe_text(self.number.as_deref())
            .blob(self.call.as_ref().map(ExternalId::bytes).unwrap_or_default())
            .text(&self.meter)
            .int(self.quantity.micros())
            .int(self.occurred_at.millis())
            .int(self.flags())
            .maybe_int(self.carrier_cost.map(Credits::micros))
            .maybe_text(self.extra.as_deref());
        let fingerprint = i64::from_ne_bytes(short_hash(canon.bytes()).to_ne_bytes());
        Digests { id_hash: IdKey::hash_of(self.id.bytes()), fingerprint }
    }

    /// The yes-or-no attributes as stored.
    #[must_use]
    pub fn flags(&self) -> i64 {
        let direction = match self.direction {
            None => 0,
            Some(Direction::Inbound) => flag::INBOUND,
            Some(Direction::Outbound) => flag::OUTBOUND,
        };
        let enforce = if self.mode == Mode::Enforce { flag::ENFORCE } else { 0 };
        direction
            | if self.toll_free { flag::TOLL_FREE } else { 0 }
            | if self.byok { flag::BYOK } else { 0 }
            | enforce
    }
}

/// Bits of `usage_items.flags`.
pub(super) mod flag {
    pub const INBOUND: i64 = 1;
    pub const OUTBOUND: i64 = 2;
    pub const TOLL_FREE: i64 = 4;
    pub const BYOK: i64 = 8;
    pub const ENFORCE: i64 = 16;
}

/// One charge of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptItem {
    /// Its line.
    pub id: i64,
    /// What it is for.
    pub kind: ItemKind,
    /// In the meter's unit; below zero when it takes a charge back.
    pub quantity: Quantity,
    /// What it costs; below zero when it takes a charge back.
    pub credits: Credits,
}

/// What was charged for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The event's line: that of its first item.
    pub head: i64,
    /// What was counted.
    pub meter: MeterId,
    /// What priced it.
    pub rate_version: RateVersionId,
    /// The charges.
    pub items: Vec<ReceiptItem>,
    /// All of them together.
    pub credits: Credits,
    /// The balance after the event.
    pub balance_after: Credits,
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No meter has that code.
    #[error("there is no meter {0:?}")]
    UnknownMeter(Box<str>),
    /// The caller named no organization and belongs to none, or the one named does not exist.
    #[error("there is no such organization")]
    UnknownOrganization,
    /// The caller may not report for it.
    #[error("the organization is not the caller's")]
    ForeignOrganization,
    /// No rate card prices that meter at that time.
    #[error("nothing prices this meter at that time")]
    NoRate,
    /// A quantity or cost below zero.
    #[error("must not be negative")]
    Negative(&'static str),
    /// More than one event may report.
    #[error("must be at most {0}")]
    TooMuch(Quantity),
    /// The price does not fit.
    #[error("is too large to be priced")]
    Unpriceable,
    /// Together with what was reported for the day, more than can be added up.
    #[error("is more than can be added up for one day")]
    TooMuchForOneDay,
    /// Longer ago than reports are taken for.
    #[error("is more than {0} days ago")]
    TooOld(i64),
    /// Further ahead than clocks may differ.
    #[error("is more than {0} seconds in the future")]
    InTheFuture(i64),
    /// The id is of the form of those that Tollbook gives to what it charges for calls.
    #[error("must not begin with auth_")]
    ReservedId,
    /// The id was used for an event that says something else.
    #[error("this id was used for an event with other content")]
    Conflict,
    /// Credit does not cover it, and it was to be refused then.
    #[error("the credit does not cover this")]
    InsufficientCredits {
        /// What can be used.
        available: Credits,
        /// What it would cost.
        required: Credits,
    },
    /// Work about to happen, for an organization that is suspended.
    #[error("the organization is suspended")]
    Suspended,
    /// It would pass a limit that pauses.
    #[error("it would pass the {} limit", .0.kind.name())]
    Limit(Cap),
    /// Its agent stops when the plan is used up, and what is left of that does not cover it.
    #[error("the plan is used up, and the agent is to stop then")]
    PlanExhausted {
        /// What is left of plan credit.
        available: Credits,
        /// What it would cost.
        required: Credits,
    },
    /// Its number is suspended.
    #[error("the number is suspended")]
    NumberSuspended,
    /// The toll-free number has taken in as much as it may on that day.
    #[error("the number has taken in what it may on that day")]
    TollFreeGuard {
        /// Minutes a day.
        minutes_per_day: i64,
    },
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was charged.
    Charged(Receipt),
    /// It had been charged before; this is the answer of then.
    Duplicate(Receipt),
    /// Nothing was charged.
    Refused(Refusal),
}
