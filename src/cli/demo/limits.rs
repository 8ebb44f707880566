//! The demo's limits: set by the customer at the beginning, and near to what its agents spend at the end.

use super::super::Failure;
use super::cast::Profile;
use super::people::BY;
use crate::base::id::OrganizationId;
use crate::base::{Credits, Day};
use crate::db::Db;
use crate::limits::{self, AgentChange, Change, Choice};

/// An agent's limit is a multiple of this.
const STEP: i64 = 50_000_000;

/// The organization's own limits.
pub(super) fn begin(db: &Db, profile: &Profile, organization: OrganizationId) -> Result<(), Failure> {
    let Some(of) = &profile.limits else { return Ok(()) };
    let change = Change {
        daily: Some(Credits::from_whole(of.daily)),
        monthly: Some(Credits::from_whole(of.monthly)),
        per_agent: Some(Credits::from_whole(of.per_agent)),
        action: None,
    };
    db.write_blocking(move |tx| limits::set(tx, &BY, organization, &change))?;
    Ok(())
}

/// One agent near its limit, and one past it.
pub(super) fn end(
    db: &Db,
    profile: &Profile,
    organization: OrganizationId,
    today: Day,
) -> Result<(), Failure> {
    let Some(of) = &profile.limits else { return Ok(()) };
    let spent = |agent| -> Result<i64, Failure> {
        let found = db.read_blocking(|tx| limits::agent_standing(tx, organization, agent, today))?;
        Ok(found.map_or(0, |agent| agent.limit.spent.micros()))
    };
    let rounded = |micros: i64| Some(Some(Credits::from_micros((micros / STEP).max(1) * STEP)));
    let near = AgentChange {
        // a little above nine tenths of it are spent
        monthly_limit: rounded(spent(of.near)? / 9 * 10 + STEP),
        on_limit: Some(Some(Choice::UseBalance)),
        on_plan_exhausted: None,
    };
    let stops = AgentChange {
        monthly_limit: rounded(spent(of.stops)?),
        on_limit: Some(Some(Choice::Stop)),
        on_plan_exhausted: Some(Some(Choice::Stop)),
    };
    for (agent, change) in [(of.near, near), (of.stops, stops)] {
        db.write_blocking(move |tx| limits::set_agent(tx, &BY, organization, agent, &change))?;
    }
    Ok(())
}
