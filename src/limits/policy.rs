//! Everything that limits one organization.

use std::collections::HashMap;

use super::rules::{
    Action, AgentPolicy, AgentTerms, Choice, LimitKey, LimitKind, OrganizationLimits, Status,
};
use crate::base::id::AgentId;
use crate::base::{Credits, Day};

/// An organization's limits, its agents' policies, and what was lifted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Policy {
    pub limits: OrganizationLimits,
    pub agents: HashMap<AgentId, AgentPolicy>,
    /// Limits that were lifted, with the first day of the window that they were lifted for.
    pub resumed: HashMap<LimitKey, Day>,
}

impl Policy {
    /// What holds for an agent; for one that was never seen, the organization's own terms.
    pub fn agent(&self, agent: Option<AgentId>) -> AgentTerms {
        let policy = agent.and_then(|agent| self.agents.get(&agent)).copied().unwrap_or_default();
        AgentTerms::of(&self.limits, policy)
    }

    /// The amount of a limit.
    pub fn amount(&self, key: LimitKey) -> Option<Credits> {
        match key.kind {
            LimitKind::Daily | LimitKind::Monthly => self.limits.of(key.kind),
            LimitKind::PerAgent => self.agent(key.agent).limit,
        }
    }

    /// Whether a limit refuses work not yet done when it is spent.
    pub fn pauses(&self, key: LimitKey) -> bool {
        match key.kind {
            LimitKind::Daily | LimitKind::Monthly => self.limits.action == Action::Pause,
            LimitKind::PerAgent => self.agent(key.agent).on_limit == Choice::Stop,
        }
    }

    /// Whether somebody lifted a limit for the window that `day` is in.
    pub fn is_resumed(&self, key: LimitKey, day: Day) -> bool {
        self.resumed.get(&key) == Some(&key.kind.window(day))
    }

    /// Where a limit stands on a day.
    pub fn status(&self, key: LimitKey, day: Day, spent: Credits) -> Status {
        Status::of(self.amount(key), spent, self.pauses(key), self.is_resumed(key, day))
    }
}
