//! What is told of limits: that much or all of one is spent, and that one which was spent no longer is.

use rusqlite::Connection;

use super::rules::{LimitKey, LimitKind, Notice, Status};
use super::sql::{self, LimitEvent};
use super::standing::{self, LimitStanding};
use crate::base::id::{AgentId, OrganizationId};
use crate::base::{Credits, Day, Zone};
use crate::db::{DbError, WriteTx};
use crate::events::payload::LimitState;
use crate::events::{self, Payload};
use crate::identity::{self, organizations};
use crate::outbox;

/// Work: the window of a limit that was spent has ended. The subject says which.
pub const RESET: &str = "limit.reset";

/// Writes down what is new about a limit, once; of one that is spent, also the work of telling when its window is over.
pub(super) fn write(conn: &Connection, event: &LimitEvent) -> Result<(), DbError> {
    if !sql::insert_event(conn, event)? {
        return Ok(());
    }
    let told = LimitState {
        limit: event.key.kind.name().to_owned(),
        agent_id: event.key.agent.map(|agent| sql::agent_name(conn, agent)).transpose()?.flatten(),
        credits: event.amount,
        spent: event.spent,
        action: action(event.pauses),
    };
    let told = match event.notice {
        Notice::Warning => Payload::LimitWarning(told),
        Notice::Reached => {
            let zone = zone(conn, event.organization)?;
            let over_at = zone.start_of(event.key.kind.window_end(event.window));
            outbox::enqueue_at(conn, RESET, &Ended::of(event).to_string(), over_at, event.at)?;
            Payload::LimitReached(told)
        }
    };
    events::emit_now(conn, Some(event.organization), &told, event.at)?;
    Ok(())
}

fn zone(conn: &Connection, organization: OrganizationId) -> Result<Zone, DbError> {
    match organizations::get(conn, organization) {
        Ok(found) => Ok(found.zone),
        Err(identity::Error::Db(error)) => Err(error),
        Err(other) => Err(DbError::bad_row("organizations", organization.number(), other)),
    }
}

fn action(pauses: bool) -> String {
    if pauses { "pause" } else { "alert_only" }.to_owned()
}

/// A limit that was spent, as the work about it names it.
struct Ended {
    organization: OrganizationId,
    key: LimitKey,
    amount: Credits,
}

impl Ended {
    const fn of(event: &LimitEvent) -> Self {
        Self { organization: event.organization, key: event.key, amount: event.amount }
    }

    fn parse(subject: &str) -> Option<Self> {
        let mut words = subject.split(' ');
        let mut number = || words.next()?.parse::<i64>().ok();
        let (organization, agent, amount) = (number()?, number()?, number()?);
        let kind = LimitKind::from_name(words.next()?)?;
        Some(Self {
            organization: OrganizationId::new(organization),
            key: LimitKey { kind, agent: (agent != 0).then(|| AgentId::new(agent)) },
            amount: Credits::from_micros(amount),
        })
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let agent = self.key.agent.map_or(0, AgentId::number);
        write!(f, "{} {agent} {} {}", self.organization.number(), self.amount.micros(), self.key.kind.name())
    }
}

/// Carries out work of the kind [`RESET`]: tells that a new window has begun, unless the limit has changed since.
///
/// # Errors
/// When the database fails.
pub fn window_ended(tx: &WriteTx<'_>, subject: &str) -> Result<(), DbError> {
    let Some(ended) = Ended::parse(subject) else { return Ok(()) };
    let conn = tx.conn()?;
    let today = zone(conn, ended.organization)?.day_of(tx.now());
    let standing = standing::of(conn, ended.organization, ended.key, today)?;
    if standing.limit == Some(ended.amount) { reset(tx, ended.organization, &standing) } else { Ok(()) }
}

fn reset(tx: &WriteTx<'_>, organization: OrganizationId, standing: &LimitStanding) -> Result<(), DbError> {
    let agent = standing.key.agent.map(|agent| sql::agent_name(tx.conn()?, agent)).transpose()?.flatten();
    let told = LimitState {
        limit: standing.key.kind.name().to_owned(),
        agent_id: agent,
        credits: standing.limit.unwrap_or_default(),
        spent: standing.spent,
        action: action(standing.pauses),
    };
    events::emit(tx, Some(organization), &Payload::LimitReset(told))?;
    Ok(())
}

/// The limits of which it was told that they are spent, and that are still so.
pub(super) fn spent(
    conn: &Connection,
    organization: OrganizationId,
    today: Day,
) -> Result<Vec<LimitKey>, DbError> {
    let mut found = Vec::new();
    for kind in LimitKind::ALL {
        for told in sql::told(conn, organization, kind.window(today), kind)? {
            if told.notice == Notice::Reached
                && !found.contains(&told.key)
                && is_spent(&standing::of(conn, organization, told.key, today)?)
            {
                found.push(told.key);
            }
        }
    }
    Ok(found)
}

const fn is_spent(standing: &LimitStanding) -> bool {
    match standing.status {
        Status::Reached | Status::Paused | Status::Resumed => true,
        Status::Unlimited | Status::Ok | Status::Warning => false,
    }
}

/// Limits have changed: tells of those that were spent and no longer are.
pub(super) fn lifted(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    before: &[LimitKey],
    today: Day,
) -> Result<(), DbError> {
    for key in before {
        let standing = standing::of(tx.conn()?, organization, *key, today)?;
        if !is_spent(&standing) {
            reset(tx, organization, &standing)?;
        }
    }
    Ok(())
}
