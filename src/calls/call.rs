//! What a call is, and the states it goes through.

use std::fmt;

use crate::base::id::{AgentId, AuthorizationId, MeterId, NumberId, OrganizationId, WorkspaceId};
use crate::base::{Credits, Quantity, Timestamp};
use crate::metering::{Direction, ExternalId, Leg, Pins, Tariff};

/// One leg of a call: what is counted by one meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its id.
    pub id: AuthorizationId,
    /// Whose.
    pub organization: OrganizationId,
    /// The platform's id of the call; unique together with the meter.
    pub external: ExternalId,
    /// What is counted, in seconds.
    pub meter: MeterId,
    /// Who takes part.
    pub parties: Parties,
    /// Which way it goes.
    pub direction: Direction,
    /// To or from a toll-free number.
    pub toll_free: bool,
    /// On the customer's own provider key.
    pub byok: bool,
    /// When it was asked for, or began.
    pub started_at: Timestamp,
    /// What prices it; none where it was refused before that was known.
    pub tariff: Option<Tariff>,
    /// Where it stands.
    pub state: State,
}

/// Something known by the platform's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<I> {
    /// Its row.
    pub id: I,
    /// The platform's id.
    pub name: Box<str>,
}

/// Who takes part in a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parties {
    /// The agent.
    pub agent: Option<Named<AgentId>>,
    /// The phone number.
    pub number: Option<Named<NumberId>>,
    /// The part of the organization.
    pub workspace: Option<Named<WorkspaceId>>,
}

/// Where a call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// In progress, with credit set aside.
    Live(Hold),
    /// Reported as over, or released.
    Completed(Ended),
    /// Refused before it began; nothing is set aside.
    Rejected(Rejection),
    /// Not heard of in time.
    Expired(Ended),
}

/// What a live call has set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Credit, allowance and place among the tiers.
    pub pins: Pins,
    /// The quantity that they pay for.
    pub covered: Quantity,
    /// The longest it may last, as last answered.
    pub most: Quantity,
    /// How long it has lasted, as last reported.
    pub elapsed: Quantity,
    /// When that was.
    pub extended_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// The credit that was set aside until then.
    pub held: Credits,
    /// How long it had lasted, as last reported while it was live.
    pub elapsed: Quantity,
    /// What was charged; none for a call that was released, or expired unheard of.
    pub charge: Option<Charge>,
}

/// What a call was charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// What was reported.
    pub report: Report,
    /// The line it was charged on.
    pub head: i64,
    /// That of the forwarded leg.
    pub transfer_head: Option<i64>,
    /// All of it together.
    pub credits: Credits,
    /// The part of it that is the toll-free surcharge.
    pub surcharge: Credits,
    /// What the carrier charged, as far as it was reported, also later.
    pub carried: Credits,
}

impl Charge {
    /// The surcharge that no carrier cost was set against yet.
    #[must_use]
    pub fn surcharge_left(&self) -> Credits {
        self.surcharge.checked_sub(self.carried).unwrap_or_default().max(Credits::ZERO)
    }
}

/// What is reported of a call when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// How long it lasted, up to a hand-off, in seconds.
    pub duration: Quantity,
    /// How long it was forwarded, in seconds.
    pub transfer: Option<Quantity>,
    /// What the carrier charged, in credits.
    pub carrier_cost: Option<Credits>,
}

/// Why and when a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// The credit that could have been used.
    pub available: Credits,
    /// What the shortest call would have needed.
    pub required: Credits,
}

/// Why a call may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The credit does not cover it.
    InsufficientCredits,
    /// Allowance and plan credit are used up, and the agent stops then.
    PlanExhausted,
    /// The organization's limit for a day.
    DailyLimit,
    /// The organization's limit for a month.
    MonthlyLimit,
    /// The agent's limit for a month.
    AgentLimit,
    /// The organization is suspended.
    OrganizationSuspended,
    /// The number is suspended.
    NumberSuspended,
    /// The toll-free number has taken in its minutes of the day.
    TollFreeMinutes,
    /// The toll-free number has as many calls in progress as it may.
    TollFreeCalls,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::InsufficientCredits,
        Self::PlanExhausted,
        Self::DailyLimit,
        Self::MonthlyLimit,
        Self::AgentLimit,
        Self::OrganizationSuspended,
        Self::NumberSuspended,
        Self::TollFreeMinutes,
        Self::TollFreeCalls,
    ];

    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InsufficientCredits => "insufficient_credits",
            Self::PlanExhausted => "plan_exhausted",
            Self::DailyLimit => "daily_limit",
            Self::MonthlyLimit => "monthly_limit",
            Self::AgentLimit => "per_agent_limit",
            Self::OrganizationSuspended => "organization_suspended",
            Self::NumberSuspended => "number_suspended",
            Self::TollFreeMinutes => "toll_free_minutes",
            Self::TollFreeCalls => "toll_free_calls",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::InsufficientCredits => "There is not enough credit.",
            Self::PlanExhausted => "The plan is used up, and the agent stops then.",
            Self::DailyLimit => "The limit of the day is reached.",
            Self::MonthlyLimit => "The limit of the month is reached.",
            Self::AgentLimit => "The agent's limit of the month is reached.",
            Self::OrganizationSuspended => "The organization is suspended.",
            Self::NumberSuspended => "The number is suspended.",
            Self::TollFreeMinutes => "The toll-free number has taken in its minutes of the day.",
            Self::TollFreeCalls => "The toll-free number has as many calls in progress as it may.",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The state of a call, without what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// In progress.
    Live,
    /// Reported as over, or released.
    Completed,
    /// Refused before it began.
    Rejected,
    /// Not heard of in time.
    Expired,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Live, Self::Completed, Self::Rejected, Self::Expired];

    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Call {
    /// Its state, without what belongs to it.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.state {
            State::Live(_) => Status::Live,
            State::Completed(_) => Status::Completed,
            State::Rejected(_) => Status::Rejected,
            State::Expired(_) => Status::Expired,
        }
    }

    /// An inbound call to a toll-free number.
    #[must_use]
    pub fn is_toll_free_inbound(&self) -> bool {
        self.toll_free && self.direction == Direction::Inbound
    }

    /// What is counted and how, by a tariff.
    #[must_use]
    pub fn leg(&self, tariff: Tariff) -> Leg {
        Leg {
            organization: self.organization,
            meter: self.meter,
            tariff,
            toll_free_inbound: self.is_toll_free_inbound(),
            byok: self.byok,
        }
    }

    /// The credit that is set aside, or was until the end.
    #[must_use]
    pub fn held(&self) -> Credits {
        match &self.state {
            State::Live(hold) => hold.pins.credits(),
            State::Completed(ended) | State::Expired(ended) => ended.held,
            State::Rejected(_) => Credits::ZERO,
        }
    }

    /// What was charged, if it was.
    #[must_use]
    pub const fn charge(&self) -> Option<&Charge> {
        match &self.state {
            State::Completed(ended) | State::Expired(ended) => ended.charge.as_ref(),
            State::Live(_) | State::Rejected(_) => None,
        }
    }

    pub(super) const fn charge_mut(&mut self) -> Option<&mut Charge> {
        match &mut self.state {
            State::Completed(ended) | State::Expired(ended) => ended.charge.as_mut(),
            State::Live(_) | State::Rejected(_) => None,
        }
    }
}

impl Hold {
    /// What is left until the longest it may last.
    #[must_use]
    pub fn left(&self) -> Quantity {
        super::rules::left(self.most, self.elapsed)
    }
}
