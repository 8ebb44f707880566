//! Where limits stand, for whoever looks.

use std::cmp::Reverse;
use std::collections::HashMap;

use rusqlite::Connection;

use super::policy::Policy;
use super::rules::{self, AgentPolicy, AgentTerms, LimitKey, LimitKind, OrganizationLimits, Status};
use super::sql::{self, AgentRow, LimitEvent};
use crate::base::id::{AgentId, OrganizationId};
use crate::base::{Credits, Day, Page, Timestamp};
use crate::db::DbError;

/// One limit in its present window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStanding {
    /// Which.
    pub key: LimitKey,
    /// The limit; none where there is none.
    pub limit: Option<Credits>,
    /// What was charged in the window.
    pub spent: Credits,
    /// Where it stands.
    pub status: Status,
    /// Work not yet done is refused when it is spent.
    pub pauses: bool,
    /// The first day of the window.
    pub window: Day,
    /// The first day of the window after it.
    pub resets_on: Day,
}

impl LimitStanding {
    /// What is left of the limit; not negative.
    #[must_use]
    pub fn left(&self) -> Option<Credits> {
        self.limit.map(|limit| rules::left(limit, self.spent, Credits::ZERO))
    }

    /// What is spent of the limit in percent, rounded down; 100 of a limit of nothing.
    #[must_use]
    pub fn percent(&self) -> Option<i64> {
        let limit = i128::from(self.limit?.micros());
        if limit == 0 {
            return Some(100);
        }
        i64::try_from(i128::from(self.spent.micros()) * 100 / limit).ok()
    }
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentStanding {
    /// Its row.
    pub id: AgentId,
    /// The platform's own id.
    pub external_id: String,
    /// Since when it is known.
    pub first_seen_at: Timestamp,
    /// What was said about it.
    pub policy: AgentPolicy,
    /// What holds for it.
    pub terms: AgentTerms,
    /// Its limit.
    pub limit: LimitStanding,
}

/// An organization's limits, and what is spent of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// As they were set.
    pub limits: OrganizationLimits,
    /// The limit for a day.
    pub daily: LimitStanding,
    /// The limit for a month.
    pub monthly: LimitStanding,
    /// Agents that have a limit and spent something this month, the one nearest to its limit first.
    pub agents: Vec<AgentStanding>,
}

/// What an organization and its agents spent in some days.
struct Sums {
    total: Credits,
    agents: HashMap<AgentId, Credits>,
}

impl Sums {
    fn read(conn: &Connection, organization: OrganizationId, from: Day, to: Day) -> Result<Self, DbError> {
        let mut sums = Self { total: Credits::ZERO, agents: HashMap::new() };
        let plus = |a: Credits, b: Credits| Credits::from_micros(a.micros().saturating_add(b.micros()));
        for number in from.number()..to.number() {
            sql::each_spent(conn, organization, Day::from_number(number), |agent, credits| {
                sums.total = plus(sums.total, credits);
                if agent != 0 {
                    let sum = sums.agents.entry(AgentId::new(agent)).or_default();
                    *sum = plus(*sum, credits);
                }
            })?;
        }
        Ok(sums)
    }

    /// In the window of a kind of limit that `today` is in.
    fn of(
        conn: &Connection,
        organization: OrganizationId,
        kind: LimitKind,
        today: Day,
    ) -> Result<Self, DbError> {
        Self::read(conn, organization, kind.window(today), kind.window_end(today))
    }

    fn agent(&self, agent: AgentId) -> Credits {
        self.agents.get(&agent).copied().unwrap_or(Credits::ZERO)
    }
}

fn of_policy(policy: &Policy, key: LimitKey, today: Day, spent: Credits) -> LimitStanding {
    LimitStanding {
        key,
        limit: policy.amount(key),
        spent,
        status: policy.status(key, today, spent),
        pauses: policy.pauses(key),
        window: key.kind.window(today),
        resets_on: key.kind.window_end(today),
    }
}

fn of_agent(policy: &Policy, row: AgentRow, today: Day, spent: Credits) -> AgentStanding {
    AgentStanding {
        policy: policy.agents.get(&row.id).copied().unwrap_or_default(),
        terms: policy.agent(Some(row.id)),
        limit: of_policy(policy, LimitKey::agent(row.id), today, spent),
        id: row.id,
        external_id: row.external_id,
        first_seen_at: row.first_seen_at,
    }
}

/// Where one limit stands.
pub(super) fn of(
    conn: &Connection,
    organization: OrganizationId,
    key: LimitKey,
    today: Day,
) -> Result<LimitStanding, DbError> {
    let policy = sql::policy(conn, organization)?.unwrap_or_default();
    let sums = Sums::of(conn, organization, key.kind, today)?;
    let spent = key.agent.map_or(sums.total, |agent| sums.agent(agent));
    Ok(of_policy(&policy, key, today, spent))
}

/// Where an organization's limits stand, with at most `most_agents` of its agents.
///
/// # Errors
/// When the database fails.
pub fn standing(
    conn: &Connection,
    organization: OrganizationId,
    today: Day,
    most_agents: usize,
) -> Result<Standing, DbError> {
    let policy = sql::policy(conn, organization)?.unwrap_or_default();
    let day = Sums::of(conn, organization, LimitKind::Daily, today)?;
    let month = Sums::of(conn, organization, LimitKind::Monthly, today)?;
    let mut near: Vec<LimitStanding> = month
        .agents
        .iter()
        .map(|(agent, spent)| of_policy(&policy, LimitKey::agent(*agent), today, *spent))
        .filter(|standing| standing.limit.is_some())
        .collect();
    near.sort_by_key(|s| (Reverse(s.percent()), Reverse(s.spent), s.key));
    near.truncate(most_agents);
    let mut agents = Vec::with_capacity(near.len());
    for agent in near.iter().filter_map(|standing| standing.key.agent) {
        if let Some(row) = sql::agent_by_id(conn, agent)? {
            agents.push(of_agent(&policy, row, today, month.agent(agent)));
        }
    }
    Ok(Standing {
        limits: policy.limits,
        daily: of_policy(&policy, LimitKey::DAILY, today, day.total),
        monthly: of_policy(&policy, LimitKey::MONTHLY, today, month.total),
        agents,
    })
}

/// One agent, by the platform's own id; `None` when it was never seen.
///
/// # Errors
/// When the database fails.
pub fn agent_standing(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
    today: Day,
) -> Result<Option<AgentStanding>, DbError> {
    let Some(row) = sql::agent(conn, organization, external_id)? else { return Ok(None) };
    let policy = sql::policy(conn, organization)?.unwrap_or_default();
    let month = Sums::of(conn, organization, LimitKind::PerAgent, today)?;
    let spent = month.agent(row.id);
    Ok(Some(of_agent(&policy, row, today, spent)))
}

/// Agents, the last seen for the first time first.
///
/// # Errors
/// When the database fails.
pub fn list_agents(
    conn: &Connection,
    organization: OrganizationId,
    today: Day,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<AgentStanding>, DbError> {
    let policy = sql::policy(conn, organization)?.unwrap_or_default();
    let month = Sums::of(conn, organization, LimitKind::PerAgent, today)?;
    let rows = Page::cut(sql::agents(conn, organization, before, limit)?, limit, |row| row.id.number());
    Ok(rows.map(|row| {
        let spent = month.agent(row.id);
        of_agent(&policy, row, today, spent)
    }))
}

/// Agents from `skip` on, the one nearest to its limit first, then those that spend most; and how many there are in all.
///
/// # Errors
/// When the database fails.
pub fn agents_by_share(
    conn: &Connection,
    organization: OrganizationId,
    today: Day,
    skip: usize,
    most: usize,
) -> Result<(Vec<AgentStanding>, usize), DbError> {
    let policy = sql::policy(conn, organization)?.unwrap_or_default();
    let month = Sums::of(conn, organization, LimitKind::PerAgent, today)?;
    let rows = sql::agents(conn, organization, None, u32::MAX)?;
    let mut agents: Vec<AgentStanding> = rows
        .into_iter()
        .map(|row| {
            let spent = month.agent(row.id);
            of_agent(&policy, row, today, spent)
        })
        .collect();
    agents.sort_by_key(|a| (Reverse(a.limit.percent()), Reverse(a.limit.spent), a.id));
    let total = agents.len();
    Ok((agents.into_iter().skip(skip).take(most).collect(), total))
}

/// The platform's own id of an agent.
///
/// # Errors
/// When the database fails.
pub fn agent_name(conn: &Connection, agent: AgentId) -> Result<Option<String>, DbError> {
    sql::agent_name(conn, agent)
}

/// How many agents have been seen.
///
/// # Errors
/// When the database fails.
pub fn agent_count(conn: &Connection, organization: OrganizationId) -> Result<i64, DbError> {
    sql::agent_count(conn, organization)
}

/// What was told about limits in windows that began on `since` or later, newest first.
///
/// # Errors
/// When the database fails.
pub fn events(
    conn: &Connection,
    organization: OrganizationId,
    since: Day,
    limit: u32,
) -> Result<Vec<LimitEvent>, DbError> {
    sql::latest_events(conn, organization, since, limit)
}
