//! Usage added up, from rollups: never from the items.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;

use super::sql::{self, Known, Rollup};
use crate::base::id::{MeterId, OrganizationId};
use crate::base::{Credits, Day, Quantity};
use crate::db::DbError;

/// The longest range a report may cover, in days.
pub const MAX_DAYS: i32 = 800;

/// What usage can be added up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// The day in the organization's timezone.
    Day,
    /// The month in the organization's timezone.
    Month,
    /// The meter.
    Channel,
    /// The agent.
    Agent,
    /// The phone number.
    Number,
    /// The workspace.
    Workspace,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Day, Self::Month, Self::Channel, Self::Agent, Self::Number, Self::Workspace];

    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Channel => "channel",
            Self::Agent => "agent",
            Self::Number => "number",
            Self::Workspace => "workspace",
        }
    }
}

/// The sums of one group. Only what was grouped by is present.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// The day, or the first day of the month.
    pub day: Option<Day>,
    /// The meter.
    pub meter: Option<MeterId>,
    /// The platform's id of the agent; empty for usage without one.
    pub agent: Option<String>,
    /// The platform's id of the number; empty for usage without one.
    pub number: Option<String>,
    /// The platform's id of the workspace; empty for usage without one.
    pub workspace: Option<String>,
    /// Charged, in the meter's unit. Mixes units unless grouped by channel.
    pub quantity: Quantity,
    /// As sent, in the meter's unit.
    pub reported: Quantity,
    /// What it cost.
    pub credits: Credits,
    /// How many events.
    pub count: i64,
}

/// Which usage to add up.
#[derive(Debug, Clone)]
pub struct Query {
    /// The first day.
    pub from: Day,
    /// The day after the last.
    pub to: Day,
    /// By what.
    pub group_by: Vec<Dimension>,
    /// Only this meter.
    pub meter: Option<MeterId>,
    /// Only this agent, by the platform's id.
    pub agent: Option<String>,
    /// Only these workspaces, by the platform's ids.
    pub workspaces: Option<Vec<String>>,
}

type Key = (Option<Day>, Option<MeterId>, Option<i64>, Option<i64>, Option<i64>);

/// Adds usage up, in the order day, meter, agent, number, workspace.
///
/// # Errors
/// When the database fails.
pub fn usage(conn: &Connection, organization: OrganizationId, query: &Query) -> Result<Vec<Group>, DbError> {
    let by = |dimension| query.group_by.contains(&dimension);
    let Some(only_agent) = look_up(conn, organization, Known::Agent, query.agent.as_deref())? else {
        return Ok(Vec::new());
    };
    let workspaces: Option<Vec<i64>> = match &query.workspaces {
        None => None,
        Some(names) => {
            let mut ids = Vec::new();
            for name in names {
                ids.extend(sql::known(conn, Known::Workspace, organization, name)?);
            }
            Some(ids)
        }
    };
    let mut groups: BTreeMap<Key, Rollup> = BTreeMap::new();
    let last = query.to.min(query.from.plus_days(MAX_DAYS));
    for number in query.from.number()..last.number() {
        let day = Day::from_number(number);
        sql::each_rollup(conn, day, organization, |key, sums| {
            let wanted = query.meter.is_none_or(|meter| meter == key.meter)
                && only_agent.is_none_or(|agent| agent == key.agent)
                && workspaces.as_ref().is_none_or(|ids| ids.contains(&key.workspace));
            if !wanted {
                return;
            }
            let group = (
                if by(Dimension::Day) {
                    Some(day)
                } else {
                    by(Dimension::Month).then(|| day.first_of_month())
                },
                by(Dimension::Channel).then_some(key.meter),
                by(Dimension::Agent).then_some(key.agent),
                by(Dimension::Number).then_some(key.number),
                by(Dimension::Workspace).then_some(key.workspace),
            );
            groups.entry(group).or_default().add(sums);
        })?;
    }
    let mut names = HashMap::new();
    groups.into_iter().map(|(key, sums)| group(conn, &mut names, key, sums)).collect()
}

/// `Some(None)`: not asked for. `None`: asked for, but never seen.
#[allow(clippy::option_option)]
fn look_up(
    conn: &Connection,
    organization: OrganizationId,
    what: Known,
    name: Option<&str>,
) -> Result<Option<Option<i64>>, DbError> {
    match name {
        None => Ok(Some(None)),
        Some(name) => Ok(sql::known(conn, what, organization, name)?.map(Some)),
    }
}

fn group(
    conn: &Connection,
    names: &mut HashMap<(Known, i64), String>,
    key: Key,
    sums: Rollup,
) -> Result<Group, DbError> {
    let (day, meter, agent, number, workspace) = key;
    let mut name = |what, id: Option<i64>| -> Result<Option<String>, DbError> {
        let Some(id) = id else { return Ok(None) };
        if let Some(known) = names.get(&(what, id)) {
            return Ok(Some(known.clone()));
        }
        let found = if id == 0 { None } else { sql::external_id_of(conn, what, id)? };
        let found = found.unwrap_or_default();
        names.insert((what, id), found.clone());
        Ok(Some(found))
    };
    Ok(Group {
        day,
        meter,
        agent: name(Known::Agent, agent)?,
        number: name(Known::Number, number)?,
        workspace: name(Known::Workspace, workspace)?,
        quantity: Quantity::from_micros(sums.quantity),
        reported: Quantity::from_micros(sums.reported),
        credits: Credits::from_micros(sums.credits),
        count: sums.events,
    })
}

/// What is left of a plan's allowance of a meter in the cycle that `cycle_start` begins.
///
/// # Errors
/// When the database fails.
pub fn included_used(
    conn: &Connection,
    organization: OrganizationId,
    meter: MeterId,
    cycle_start: crate::base::Timestamp,
) -> Result<Quantity, DbError> {
    Ok(sql::cycle_usage(conn, organization, meter, cycle_start)?.1)
}
