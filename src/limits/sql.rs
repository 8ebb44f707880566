//! Statements of limits and policies.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::guard::Guard;
use super::policy::Policy;
use super::rules::{Action, AgentPolicy, Choice, LimitKey, LimitKind, Notice, OrganizationLimits};
use crate::base::id::{AgentId, NumberId, OrganizationId};
use crate::base::{Credits, Day, Quantity, Timestamp};
use crate::db::DbError;

pub(super) fn limits(conn: &Connection, organization: OrganizationId) -> Result<OrganizationLimits, DbError> {
    let row = |row: &Row<'_>| {
        let limits = OrganizationLimits {
            daily: row.get(0)?,
            monthly: row.get(1)?,
            per_agent: row.get(2)?,
            action: Action::default(),
        };
        Ok((limits, row.get::<_, String>(3)?))
    };
    let found = conn
        .prepare_cached(
            "SELECT daily, monthly, per_agent, action FROM spending_limits WHERE organization_id = ?",
        )?
        .query_row([organization], row)
        .optional()?;
    let Some((limits, action)) = found else { return Ok(OrganizationLimits::default()) };
    let action = Action::from_name(&action)
        .ok_or_else(|| DbError::bad_row("spending_limits", organization.number(), "has another action"))?;
    Ok(OrganizationLimits { action, ..limits })
}

pub(super) fn set_limits(
    conn: &Connection,
    organization: OrganizationId,
    limits: &OrganizationLimits,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO spending_limits (organization_id, daily, monthly, per_agent, action, updated_at)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (organization_id) DO UPDATE
         SET daily = excluded.daily, monthly = excluded.monthly, per_agent = excluded.per_agent,
             action = excluded.action, updated_at = excluded.updated_at",
    )?
    .execute(params![
        organization,
        limits.daily,
        limits.monthly,
        limits.per_agent,
        limits.action.name(),
        now
    ])?;
    Ok(())
}

fn choice(agent: AgentId, name: Option<String>) -> Result<Option<Choice>, DbError> {
    let Some(name) = name else { return Ok(None) };
    let choice = Choice::from_name(&name);
    choice.map(Some).ok_or_else(|| DbError::bad_row("agent_policies", agent.number(), "has another choice"))
}

type PolicyColumns = (AgentId, Option<Credits>, Option<String>, Option<String>);

fn policy_columns(row: &Row<'_>) -> rusqlite::Result<PolicyColumns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn policy_from(columns: PolicyColumns) -> Result<(AgentId, AgentPolicy), DbError> {
    let (agent, monthly_limit, on_plan_exhausted, on_limit) = columns;
    let policy = AgentPolicy {
        monthly_limit,
        on_plan_exhausted: choice(agent, on_plan_exhausted)?,
        on_limit: choice(agent, on_limit)?,
    };
    Ok((agent, policy))
}

/// What was said about one agent; nothing, if nothing was.
pub(super) fn agent_policy(
    conn: &Connection,
    organization: OrganizationId,
    agent: AgentId,
) -> Result<AgentPolicy, DbError> {
    let found = conn
        .prepare_cached(
            "SELECT agent_id, monthly, on_plan_exhausted, on_limit FROM agent_policies
             WHERE organization_id = ? AND agent_id = ?",
        )?
        .query_row(params![organization, agent], policy_columns)
        .optional()?;
    Ok(found.map(policy_from).transpose()?.map(|(_, policy)| policy).unwrap_or_default())
}

pub(super) fn set_agent_policy(
    conn: &Connection,
    organization: OrganizationId,
    agent: AgentId,
    policy: AgentPolicy,
    now: Timestamp,
) -> Result<(), DbError> {
    if policy == AgentPolicy::default() {
        conn.prepare_cached("DELETE FROM agent_policies WHERE organization_id = ? AND agent_id = ?")?
            .execute(params![organization, agent])?;
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT INTO agent_policies (organization_id, agent_id, monthly, on_plan_exhausted, on_limit, updated_at)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (organization_id, agent_id) DO UPDATE
         SET monthly = excluded.monthly, on_plan_exhausted = excluded.on_plan_exhausted,
             on_limit = excluded.on_limit, updated_at = excluded.updated_at",
    )?
    .execute(params![
        organization,
        agent,
        policy.monthly_limit,
        policy.on_plan_exhausted.map(Choice::name),
        policy.on_limit.map(Choice::name),
        now
    ])?;
    Ok(())
}

/// Everything that limits an organization; `None` when nothing does.
pub(super) fn policy(conn: &Connection, organization: OrganizationId) -> Result<Option<Policy>, DbError> {
    let limits = limits(conn, organization)?;
    let mut statement = conn.prepare_cached(
        "SELECT agent_id, monthly, on_plan_exhausted, on_limit FROM agent_policies WHERE organization_id = ?",
    )?;
    let rows = statement.query_map([organization], policy_columns)?;
    let agents: HashMap<AgentId, AgentPolicy> =
        rows.map(|row| policy_from(row?)).collect::<Result<_, DbError>>()?;
    let none = LimitKind::ALL.iter().all(|kind| limits.of(*kind).is_none());
    if none && agents.is_empty() {
        return Ok(None);
    }
    Ok(Some(Policy { limits, agents, resumed: resumed(conn, organization)? }))
}

fn key(table: &'static str, kind: &str, agent: i64) -> Result<LimitKey, DbError> {
    let kind = LimitKind::from_name(kind)
        .ok_or_else(|| DbError::bad_row(table, agent, format!("is of kind {kind}")))?;
    Ok(LimitKey { kind, agent: (agent != 0).then_some(AgentId::new(agent)) })
}

fn resumed(conn: &Connection, organization: OrganizationId) -> Result<HashMap<LimitKey, Day>, DbError> {
    let mut statement = conn
        .prepare_cached("SELECT kind, agent_id, window_start FROM limit_resumes WHERE organization_id = ?")?;
    let mut rows = statement.query([organization])?;
    let mut found = HashMap::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        found.insert(key("limit_resumes", &kind, row.get(1)?)?, row.get(2)?);
    }
    Ok(found)
}

pub(super) fn insert_resume(
    conn: &Connection,
    organization: OrganizationId,
    key: LimitKey,
    window: Day,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO limit_resumes (organization_id, kind, agent_id, window_start) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET window_start = excluded.window_start",
    )?
    .execute(params![organization, key.kind.name(), agent_number(key), window])?;
    Ok(())
}

pub(super) fn delete_resume(
    conn: &Connection,
    organization: OrganizationId,
    key: LimitKey,
) -> Result<(), DbError> {
    conn.prepare_cached("DELETE FROM limit_resumes WHERE organization_id = ? AND kind = ? AND agent_id = ?")?
        .execute(params![organization, key.kind.name(), agent_number(key)])?;
    Ok(())
}

/// Takes back what was resumed of agents that have no limit of their own.
pub(super) fn delete_resumes_of_default(
    conn: &Connection,
    organization: OrganizationId,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "DELETE FROM limit_resumes WHERE organization_id = ?1 AND kind = 'per_agent' AND agent_id NOT IN
             (SELECT agent_id FROM agent_policies WHERE organization_id = ?1 AND monthly IS NOT NULL)",
    )?
    .execute([organization])?;
    Ok(())
}

fn agent_number(key: LimitKey) -> i64 {
    key.agent.map_or(0, AgentId::number)
}

/// Calls `f` with agent (0: none) and credits of each sum of an organization's day.
pub(super) fn each_spent(
    conn: &Connection,
    organization: OrganizationId,
    day: Day,
    mut f: impl FnMut(i64, Credits),
) -> Result<(), DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT agent_id, credits FROM usage_rollups WHERE day = ? AND organization_id = ?",
    )?;
    let mut rows = statement.query(params![day, organization])?;
    while let Some(row) = rows.next()? {
        f(row.get(0)?, row.get(1)?);
    }
    Ok(())
}

/// One thing that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub key: LimitKey,
    pub notice: Notice,
    /// Of which limit.
    pub amount: Credits,
}

/// What was told in a window of an organization.
pub(super) fn told(
    conn: &Connection,
    organization: OrganizationId,
    window: Day,
    of: LimitKind,
) -> Result<Vec<Told>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT agent_id, notice, amount FROM limit_events
         WHERE organization_id = ? AND window_start = ? AND kind = ?",
    )?;
    let mut rows = statement.query(params![organization, window, of.name()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let agent: i64 = row.get(0)?;
        let notice: String = row.get(1)?;
        let notice = Notice::from_name(&notice)
            .ok_or_else(|| DbError::bad_row("limit_events", agent, format!("tells {notice}")))?;
        let key = LimitKey { kind: of, agent: (agent != 0).then_some(AgentId::new(agent)) };
        found.push(Told { key, notice, amount: row.get(2)? });
    }
    Ok(found)
}

/// Something that is told about a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitEvent {
    /// Whose limit.
    pub organization: OrganizationId,
    /// Which limit.
    pub key: LimitKey,
    /// The first day of the window.
    pub window: Day,
    /// What is told.
    pub notice: Notice,
    /// The limit.
    pub amount: Credits,
    /// What was spent of it.
    pub spent: Credits,
    /// Work not yet done is refused at this limit.
    pub pauses: bool,
    /// When.
    pub at: Timestamp,
}

/// Answers false when that was told before.
pub(super) fn insert_event(conn: &Connection, event: &LimitEvent) -> Result<bool, DbError> {
    let added = conn.prepare_cached(
        "INSERT INTO limit_events (organization_id, kind, agent_id, window_start, notice, amount, spent, pauses, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        event.organization,
        event.key.kind.name(),
        agent_number(event.key),
        event.window,
        event.notice.name(),
        event.amount,
        event.spent,
        event.pauses,
        event.at
    ])?;
    Ok(added == 1)
}

/// The newest events of an organization, newest first.
pub(super) fn latest_events(
    conn: &Connection,
    organization: OrganizationId,
    since: Day,
    limit: u32,
) -> Result<Vec<LimitEvent>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT kind, agent_id, window_start, notice, amount, spent, pauses, at FROM limit_events
         WHERE organization_id = ? AND window_start >= ? ORDER BY id DESC LIMIT ?",
    )?;
    let mut rows = statement.query(params![organization, since, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, agent): (String, i64) = (row.get(0)?, row.get(1)?);
        let notice: String = row.get(3)?;
        found.push(LimitEvent {
            organization,
            key: key("limit_events", &kind, agent)?,
            window: row.get(2)?,
            notice: Notice::from_name(&notice)
                .ok_or_else(|| DbError::bad_row("limit_events", agent, format!("tells {notice}")))?,
            amount: row.get(4)?,
            spent: row.get(5)?,
            pauses: row.get(6)?,
            at: row.get(7)?,
        });
    }
    Ok(found)
}

/// An agent as the platform knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentRow {
    pub id: AgentId,
    pub external_id: String,
    pub first_seen_at: Timestamp,
}

fn agent_from_row(row: &Row<'_>) -> rusqlite::Result<AgentRow> {
    Ok(AgentRow { id: row.get(0)?, external_id: row.get(1)?, first_seen_at: row.get(2)? })
}

pub(super) fn agent(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
) -> Result<Option<AgentRow>, DbError> {
    Ok(conn
        .prepare_cached(
            "SELECT id, external_id, first_seen_at FROM agents WHERE organization_id = ? AND external_id = ?",
        )?
        .query_row(params![organization, external_id], agent_from_row)
        .optional()?)
}

pub(super) fn agent_by_id(conn: &Connection, agent: AgentId) -> Result<Option<AgentRow>, DbError> {
    Ok(conn
        .prepare_cached("SELECT id, external_id, first_seen_at FROM agents WHERE id = ?")?
        .query_row([agent], agent_from_row)
        .optional()?)
}

pub(super) fn agent_name(conn: &Connection, agent: AgentId) -> Result<Option<String>, DbError> {
    Ok(conn
        .prepare_cached("SELECT external_id FROM agents WHERE id = ?")?
        .query_row([agent], |row| row.get(0))
        .optional()?)
}

pub(super) fn insert_agent(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.prepare_cached("INSERT INTO agents (organization_id, external_id, first_seen_at) VALUES (?, ?, ?)")?
        .execute(params![organization, external_id, now])?;
    Ok(())
}

/// Agents, newest first; one more than `limit` when there are more.
pub(super) fn agents(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<AgentRow>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT id, external_id, first_seen_at FROM agents INDEXED BY agents_by_organization
         WHERE organization_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
    )?;
    let before = before.unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![organization, before, i64::from(limit).saturating_add(1)], agent_from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn agent_count(conn: &Connection, organization: OrganizationId) -> Result<i64, DbError> {
    Ok(conn
        .prepare_cached("SELECT count(*) FROM agents WHERE organization_id = ?")?
        .query_row([organization], |row| row.get(0))?)
}

/// The row of a number that has been seen.
pub(super) fn number(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
) -> Result<Option<NumberId>, DbError> {
    Ok(conn
        .prepare_cached("SELECT id FROM numbers WHERE organization_id = ? AND external_id = ?")?
        .query_row(params![organization, external_id], |row| row.get(0))
        .optional()?)
}

pub(super) fn insert_number(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
    now: Timestamp,
) -> Result<NumberId, DbError> {
    conn.prepare_cached(
        "INSERT INTO numbers (organization_id, external_id, first_seen_at) VALUES (?, ?, ?)",
    )?
    .execute(params![organization, external_id, now])?;
    Ok(NumberId::new(conn.last_insert_rowid()))
}

pub(super) fn guard(conn: &Connection, number: NumberId) -> Result<Guard, DbError> {
    Ok(conn
        .prepare_cached(
            "SELECT minutes_per_day, calls_at_once, suspended FROM number_guards WHERE number_id = ?",
        )?
        .query_row([number], |row| {
            Ok(Guard { minutes_per_day: row.get(0)?, calls_at_once: row.get(1)?, suspended: row.get(2)? })
        })
        .optional()?
        .unwrap_or_default())
}

pub(super) fn set_guard(
    conn: &Connection,
    organization: OrganizationId,
    number: NumberId,
    guard: Guard,
    now: Timestamp,
) -> Result<(), DbError> {
    if guard == Guard::default() {
        conn.prepare_cached("DELETE FROM number_guards WHERE number_id = ?")?.execute([number])?;
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT INTO number_guards (number_id, organization_id, minutes_per_day, calls_at_once, suspended, updated_at)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (number_id) DO UPDATE
         SET minutes_per_day = excluded.minutes_per_day, calls_at_once = excluded.calls_at_once,
             suspended = excluded.suspended, updated_at = excluded.updated_at",
    )?
    .execute(params![
        number,
        organization,
        guard.minutes_per_day,
        guard.calls_at_once,
        guard.suspended,
        now
    ])?;
    Ok(())
}

/// What a toll-free number has taken in on a day, in seconds.
pub(super) fn toll_free(conn: &Connection, number: NumberId, day: Day) -> Result<Quantity, DbError> {
    Ok(conn
        .prepare_cached("SELECT quantity FROM toll_free_days WHERE number_id = ? AND day = ?")?
        .query_row(params![number, day], |row| row.get(0))
        .optional()?
        .unwrap_or_default())
}

pub(super) fn add_toll_free(
    conn: &Connection,
    number: NumberId,
    day: Day,
    quantity_micros: i64,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO toll_free_days (number_id, day, quantity) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET quantity = quantity + excluded.quantity",
    )?
    .execute(params![number, day, quantity_micros])?;
    Ok(())
}

/// For the verifier.
pub(super) const ALL_TOLL_FREE: &str = "SELECT number_id, day, quantity FROM toll_free_days";

/// For the verifier: each finds rows of a table that do not fit, and should find none.
pub(super) const MISFITS: [(&str, &str); 4] = [
    (
        "agent_policies",
        "SELECT p.agent_id, 'is not of an agent of its organization' FROM agent_policies p
         LEFT JOIN agents a ON a.id = p.agent_id WHERE a.organization_id IS NOT p.organization_id
         ORDER BY 1 LIMIT 1",
    ),
    (
        "number_guards",
        "SELECT g.number_id, 'is not of a number of its organization' FROM number_guards g
         LEFT JOIN numbers n ON n.id = g.number_id WHERE n.organization_id IS NOT g.organization_id
         ORDER BY 1 LIMIT 1",
    ),
    (
        "limit_events",
        "SELECT e.id, 'is not of an agent of its organization' FROM limit_events e
         LEFT JOIN agents a ON a.id = e.agent_id
         WHERE (e.kind = 'per_agent') <> (e.agent_id <> 0)
            OR (e.agent_id <> 0 AND a.organization_id IS NOT e.organization_id)
         ORDER BY 1 LIMIT 1",
    ),
    (
        "limit_events",
        "SELECT id, 'was told before so much was spent' FROM limit_events
         WHERE CASE notice WHEN 'reached' THEN spent < amount ELSE spent < amount / 5 * 4 END
         ORDER BY 1 LIMIT 1",
    ),
];
