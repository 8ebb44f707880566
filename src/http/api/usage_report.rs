//! Usage added up.

use actix_web::web;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::period::Asked;
use super::within::within;
use crate::base::{Credits, Quantity, Timestamp, Zone};
use crate::catalog::Snapshot;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::params::{FromParams, Params, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::metering::reports::{self, Dimension, Group};

/// The most records of one answer.
const MAX_RECORDS: usize = 20_000;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_report, Access::usage(Scope::BillingRead), report);
}

/// Usage of one group. Of the fields to group by, those are there that were asked for.
#[derive(Serialize, ToSchema)]
struct UsageRecord {
    /// The day, in the organization's timezone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11-21")]
    day: Option<String>,
    /// The month, in the organization's timezone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11")]
    month: Option<String>,
    /// The meter's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// The platform's id; null for usage without an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    agent_id: Option<Named>,
    /// The platform's id; null for usage without a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    number_id: Option<Named>,
    /// The platform's id; null for usage without a workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    workspace_id: Option<Named>,
    /// What was billed, in the meter's unit. Adds different units up unless grouped by channel.
    quantity: Quantity,
    /// The meter's unit, where there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    credits: Credits,
    /// How many events.
    count: i64,
}

/// The id of a group; null for usage that has none.
#[derive(Serialize)]
#[serde(transparent)]
struct Named(Option<String>);

/// Usage added up by day or more coarsely.
#[derive(Serialize, ToSchema)]
struct UsageReport {
    items: Vec<UsageRecord>,
    /// Always false: a report comes whole.
    has_more: bool,
    next_cursor: Option<String>,
    /// Where the first day begins.
    from: Timestamp,
    /// Where the last day ends.
    to: Timestamp,
    /// Where the days are.
    timezone: String,
}

/// Which usage, and how it is added up.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// The first day: `2026-11-01`, or an instant on it. The first of the month unless given.
    from: Option<String>,
    /// The day after the last, or an instant: a day that has begun by then counts whole. Tomorrow unless given.
    to: Option<String>,
    /// Any of `day`, `month`, `channel`, `agent`, `number`, `workspace`, separated by commas.
    #[param(default = "day,channel", example = "day,channel")]
    group_by: Option<String>,
    /// Only this meter.
    channel: Option<String>,
    /// Only this agent, by the platform's id.
    agent_id: Option<String>,
    /// Only this workspace, by the platform's id.
    workspace_id: Option<String>,
}

struct ReportQuery {
    days: Asked,
    group_by: Vec<Dimension>,
    channel: Option<String>,
    agent: Option<String>,
    workspace: Option<String>,
}

impl FromParams for ReportQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self {
            days: Asked::from_params(params),
            group_by: group_by(params),
            channel: params.text("channel"),
            agent: params.text("agent_id"),
            workspace: params.text("workspace_id"),
        })
    }
}

fn group_by(params: &mut Params) -> Vec<Dimension> {
    let Some(text) = params.text("group_by") else { return vec![Dimension::Day, Dimension::Channel] };
    let mut found = Vec::new();
    for name in text.split(',') {
        match Dimension::ALL.into_iter().find(|dimension| dimension.name() == name.trim()) {
            Some(dimension) if found.contains(&dimension) => {
                params.error("group_by", "duplicate", format!("holds {name} twice"));
            }
            Some(dimension) => found.push(dimension),
            None => {
                let all: Vec<_> = Dimension::ALL.into_iter().map(Dimension::name).collect();
                params.error("group_by", "invalid_value", format!("must be of {}", all.join(", ")));
            }
        }
    }
    if found.contains(&Dimension::Day) && found.contains(&Dimension::Month) {
        params.error("group_by", "conflict", "must hold day or month, not both");
    }
    found
}

/// Add usage up
///
/// Whole days in the organization's timezone; the answer says which. A member sees the own workspaces.
#[utoipa::path(get, path = "/billing/usage", tag = "billing", params(Which),
    responses((status = 200, description = "One record per group, in order.", body = UsageReport)))]
async fn report(
    state: web::Data<State>,
    admitted: Admitted,
    Query(query): Query<ReportQuery>,
) -> Answer<UsageReport> {
    let organization = admitted.organization()?;
    let shared = state.clone();
    let made = state.db.read(move |tx| -> Result<_, ApiError> {
        let zone = organizations::get(tx, organization)?.zone;
        let days = query.days.days(&zone, tx.now())?;
        let catalog = shared.catalog.get(tx)?;
        let meter = meter(&catalog, query.channel.as_deref())?;
        let wanted = reports::Query {
            from: days.from,
            to: days.to,
            group_by: query.group_by,
            meter,
            agent: query.agent,
            workspaces: within(tx, organization, &admitted.reach, query.workspace)?,
        };
        let groups = reports::usage(tx, organization, &wanted)?;
        if groups.len() > MAX_RECORDS {
            let message = format!("makes more than {MAX_RECORDS} records: take fewer days or coarser groups");
            return Err(ApiError::field("group_by", "too_many", message));
        }
        let (from, to) = days.instants(&zone);
        let items = groups.into_iter().map(|group| record(group, &wanted, &catalog));
        let items = items.collect();
        Ok(UsageReport { items, has_more: false, next_cursor: None, from, to, timezone: name(&zone) })
    });
    Ok(Reply::ok(made.await?))
}

fn name(zone: &Zone) -> String {
    zone.name().to_owned()
}

/// The meter that a filter names.
pub(super) fn meter(
    catalog: &Snapshot,
    code: Option<&str>,
) -> Result<Option<crate::base::id::MeterId>, ApiError> {
    let find = |code: &str| catalog.meter_id(code);
    code.map(|code| {
        find(code).ok_or_else(|| ApiError::field("channel", "unknown", "is not the code of a meter"))
    })
    .transpose()
}

fn record(group: Group, wanted: &reports::Query, catalog: &Snapshot) -> UsageRecord {
    let meter = group.meter.or(wanted.meter).and_then(|id| catalog.meter(id));
    let by = |dimension| wanted.group_by.contains(&dimension);
    let named = |id: Option<String>| id.map(|id| Named(Some(id).filter(|id| !id.is_empty())));
    let day = group.day.map(|day| day.to_string());
    UsageRecord {
        month: day.as_ref().filter(|_| by(Dimension::Month)).map(|day| day.chars().take(7).collect()),
        day: day.filter(|_| by(Dimension::Day)),
        channel: meter.filter(|_| by(Dimension::Channel)).map(|meter| meter.code.to_string()),
        agent_id: named(group.agent),
        number_id: named(group.number),
        workspace_id: named(group.workspace),
        quantity: group.quantity,
        unit: meter.map(|meter| meter.unit.clone()),
        credits: group.credits,
        count: group.count,
    }
}
