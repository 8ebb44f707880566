//! What was said about one agent.

use super::rules::{AgentPolicy, Choice, LimitKey};
use super::spending::Spending;
use super::standing::{AgentStanding, agent_standing};
use super::{Error, amount, news, sql, text, today};
use crate::base::id::OrganizationId;
use crate::base::{Credits, FieldErrors};
use crate::db::WriteTx;
use crate::identity::By;
use crate::identity::audit::{self, Difference};

/// The longest id that an agent or number may have, in bytes; as in usage events.
const MAX_EXTERNAL_ID: usize = 255;

/// What to change about an agent. The outer `None` leaves as is, the inner one goes back to what the organization has.
#[derive(Debug, Clone, Copy, Default)]
pub struct AgentChange {
    /// Its own limit for a calendar month.
    pub monthly_limit: Option<Option<Credits>>,
    /// When allowance and plan credit are used up.
    pub on_plan_exhausted: Option<Option<Choice>>,
    /// At its limit.
    pub on_limit: Option<Option<Choice>>,
}

/// Changes what holds for an agent, by the platform's own id. One that was never seen is created.
///
/// # Errors
/// [`Error::Invalid`] names every field that is wrong.
pub fn set_agent(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    external_id: &str,
    change: &AgentChange,
) -> Result<AgentStanding, Error> {
    let conn = tx.conn()?;
    let mut errors = FieldErrors::new();
    errors.keep(amount("monthly_limit", change.monthly_limit.flatten()));
    errors.finish(Some(()))?;
    let today = today(tx, organization)?;
    let agent = match sql::agent(conn, organization, external_id)? {
        Some(agent) => agent.id,
        None if !is_external_id(external_id) => return Err(Error::NotFound("agent")),
        None => {
            sql::insert_agent(conn, organization, external_id, tx.now())?;
            sql::agent(conn, organization, external_id)?.ok_or(Error::NotFound("agent"))?.id
        }
    };
    let before = sql::agent_policy(conn, organization, agent)?;
    let after = AgentPolicy {
        monthly_limit: change.monthly_limit.unwrap_or(before.monthly_limit),
        on_plan_exhausted: change.on_plan_exhausted.unwrap_or(before.on_plan_exhausted),
        on_limit: change.on_limit.unwrap_or(before.on_limit),
    };
    if after != before {
        let spent = news::spent(conn, organization, today)?;
        sql::set_agent_policy(conn, organization, agent, after, tx.now())?;
        if after.monthly_limit != before.monthly_limit || after.on_limit != before.on_limit {
            sql::delete_resume(conn, organization, LimitKey::agent(agent))?;
        }
        let choice = |choice: Option<Choice>| choice.map(Choice::name);
        let difference = Difference::new()
            .changed("monthly_limit", text(before.monthly_limit), text(after.monthly_limit))
            .changed("on_plan_exhausted", choice(before.on_plan_exhausted), choice(after.on_plan_exhausted))
            .changed("on_limit", choice(before.on_limit), choice(after.on_limit));
        audit::record(tx, by, "agent.changed", external_id, Some(organization), &difference)?;
        tx.part::<Spending>()?.changed(conn, organization, today, tx.now())?;
        news::lifted(tx, organization, &spent, today)?;
    }
    agent_standing(conn, organization, external_id, today)?.ok_or(Error::NotFound("agent"))
}

/// Whether the platform may use a text as an id; as in usage events.
#[must_use]
pub fn is_external_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_EXTERNAL_ID && !text.chars().any(char::is_control)
}
