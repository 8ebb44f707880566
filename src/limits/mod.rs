//! Spending limits of organizations, policies of agents, and the guard of toll-free numbers.
//!
//! A limit counts what is charged in its window: a day or a calendar month of the organization's timezone, by when the
//! work was done. Work not yet done is refused at a limit that pauses, in the step that would charge or hold it; work
//! done is always charged, and counted.

mod agents;
mod guard;
mod live;
mod news;
mod numbers;
mod policy;
pub mod rules;
mod spending;
mod sql;
mod standing;
pub mod verify;

pub use agents::{AgentChange, is_external_id, set_agent};
pub use guard::Guard;
pub use live::{Live, Of, Sums, nobody};
pub use news::{RESET, window_ended};
pub use numbers::{GuardChange, NumberGuard, guard_of, number_guard, set_guard};
pub use rules::{
    Action, AgentPolicy, AgentTerms, Cap, Choice, Headroom, LimitKey, LimitKind, Notice, OrganizationLimits,
    Status,
};
pub use spending::{Agent, Spending, Spent};
pub use sql::LimitEvent;
pub use standing::{
    AgentStanding, LimitStanding, Standing, agent_count, agent_name, agent_standing, agents_by_share, events,
    list_agents, standing,
};

use rusqlite::Connection;

use crate::base::id::OrganizationId;
use crate::base::{Credits, Day, FieldError, FieldErrors};
use crate::db::{DbError, WriteTx};
use crate::identity::audit::{self, Difference};
use crate::identity::{self, By, organizations};

/// Why limits or policies are not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// There is no such organization.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// Every field that is wrong.
    #[error("invalid input")]
    Invalid(Vec<FieldError>),
    /// There is no such agent, or number.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The limit does not hold anything up.
    #[error("the limit does not pause anything now")]
    NotPaused,
}

impl From<Vec<FieldError>> for Error {
    fn from(fields: Vec<FieldError>) -> Self {
        Self::Invalid(fields)
    }
}

/// What to change about an organization's limits. The outer `None` leaves as is, the inner one removes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
    /// The limit for a day.
    pub daily: Option<Option<Credits>>,
    /// The limit for a calendar month.
    pub monthly: Option<Option<Credits>>,
    /// The limit of agents without one of their own, for a calendar month.
    pub per_agent: Option<Option<Credits>>,
    /// What happens at a limit.
    pub action: Option<Action>,
}

/// An organization's limits.
///
/// # Errors
/// When the database fails.
pub fn limits(conn: &Connection, organization: OrganizationId) -> Result<OrganizationLimits, DbError> {
    sql::limits(conn, organization)
}

/// Changes an organization's limits. A limit below what is spent already is reached at once; a changed one is no longer
/// lifted.
///
/// # Errors
/// [`Error::Invalid`] names every field that is wrong.
pub fn set(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    change: &Change,
) -> Result<OrganizationLimits, Error> {
    let conn = tx.conn()?;
    let mut errors = FieldErrors::new();
    errors.keep(amount("daily_limit", change.daily.flatten()));
    errors.keep(amount("monthly_limit", change.monthly.flatten()));
    errors.keep(amount("per_agent_limit", change.per_agent.flatten()));
    errors.finish(Some(()))?;
    let today = today(tx, organization)?;
    let before = sql::limits(conn, organization)?;
    let after = OrganizationLimits {
        daily: change.daily.unwrap_or(before.daily),
        monthly: change.monthly.unwrap_or(before.monthly),
        per_agent: change.per_agent.unwrap_or(before.per_agent),
        action: change.action.unwrap_or(before.action),
    };
    if after == before {
        return Ok(after);
    }
    let spent = news::spent(conn, organization, today)?;
    sql::set_limits(conn, organization, &after, tx.now())?;
    let acts = before.action != after.action;
    if acts || before.daily != after.daily {
        sql::delete_resume(conn, organization, LimitKey::DAILY)?;
    }
    if acts || before.monthly != after.monthly {
        sql::delete_resume(conn, organization, LimitKey::MONTHLY)?;
    }
    if acts || before.per_agent != after.per_agent {
        sql::delete_resumes_of_default(conn, organization)?;
    }
    let difference = Difference::new()
        .changed("daily_limit", text(before.daily), text(after.daily))
        .changed("monthly_limit", text(before.monthly), text(after.monthly))
        .changed("per_agent_limit", text(before.per_agent), text(after.per_agent))
        .changed("action_on_limit", before.action.name(), after.action.name());
    audit::record(tx, by, "limits.changed", organization, Some(organization), &difference)?;
    tx.part::<Spending>()?.changed(conn, organization, today, tx.now())?;
    news::lifted(tx, organization, &spent, today)?;
    Ok(after)
}

/// Lets work go on at a limit that pauses, until its window ends or the limit changes. Of a limit that was lifted
/// already this does nothing.
///
/// # Errors
/// [`Error::NotPaused`] when the limit holds nothing up.
pub fn resume(tx: &WriteTx<'_>, by: &By, organization: OrganizationId, key: LimitKey) -> Result<(), Error> {
    let conn = tx.conn()?;
    let today = today(tx, organization)?;
    let standing = standing::of(conn, organization, key, today)?;
    match standing.status {
        Status::Paused => {}
        Status::Resumed => return Ok(()),
        Status::Unlimited | Status::Ok | Status::Warning | Status::Reached => return Err(Error::NotPaused),
    }
    sql::insert_resume(conn, organization, key, standing.window)?;
    let agent = key.agent.map(|agent| sql::agent_name(conn, agent)).transpose()?.flatten();
    let difference = Difference::new()
        .with("limit", key.kind.name())
        .with("agent", agent)
        .with("until", standing.resets_on.to_string())
        .with("amount", text(standing.limit))
        .with("spent", standing.spent.to_string());
    audit::record(tx, by, "limits.resumed", organization, Some(organization), &difference)?;
    tx.part::<Spending>()?.changed(conn, organization, today, tx.now())?;
    Ok(())
}

/// For the audit log, whose values are read by programs that know only floats.
fn text(amount: Option<Credits>) -> Option<String> {
    amount.map(|amount| amount.to_string())
}

fn amount(field: &'static str, amount: Option<Credits>) -> Result<(), FieldError> {
    match amount {
        Some(amount) if amount.is_negative() => {
            Err(FieldError::new(field, "negative", "must not be negative"))
        }
        Some(amount) if amount > rules::MAX_LIMIT => {
            let message = format!("must be at most {}", rules::MAX_LIMIT);
            Err(FieldError::new(field, "too_large", message))
        }
        Some(_) | None => Ok(()),
    }
}

/// The day it is for the organization.
fn today(tx: &WriteTx<'_>, organization: OrganizationId) -> Result<Day, Error> {
    Ok(organizations::get(tx.conn()?, organization)?.zone.day_of(tx.now()))
}
