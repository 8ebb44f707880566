//! One day's usage items.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use rusqlite::Connection;

use super::chrome::{self, html};
use super::filter::{Filter, instants, is_near, narrowed, workspaces_in_reach};
use super::format;
use super::usage::{channel_choices, spent};
use super::views::usage_day::{UsageDayPage, UsageItemRow};
use super::views::{Crumb, Section};
use crate::base::Day;
use crate::base::id::{MeterId, OrganizationId, UsageItemId};
use crate::catalog::Snapshot;
use crate::db::{DbError, ReadTx};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::pages::components::Pager;
use crate::http::pages::components::field::Choice;
use crate::http::route::Table;
use crate::identity::{Scope, Workspace};
use crate::metering::reports::{self, Dimension};
use crate::metering::statement::{self, Item, ItemCursor, ItemFilter};

const LIST: &str = "usage_day";
/// Items of one page; an event is never split.
const ITEMS: usize = 50;
/// The most agents to choose from.
const MAX_AGENTS: usize = 200;

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/usage/{day}", Access::usage(Scope::BillingRead), page);
}

/// An item as lists show it.
#[must_use]
pub fn row(item: &Item, voided: bool, catalog: &Snapshot, workspaces: &[Workspace]) -> UsageItemRow {
    let meter = catalog.meter(item.row.meter);
    let known = workspaces.iter().find(|w| Some(&w.external_id) == item.workspace.as_ref());
    let workspace = known.map(|workspace| workspace.name.clone()).or_else(|| item.workspace.clone());
    UsageItemRow {
        id: UsageItemId::new(item.row.id).to_string(),
        at: item.event.occurred_at,
        channel: meter.map_or_else(|| "Usage".to_owned(), |meter| meter.name.clone()),
        kind: item.row.kind.as_str().to_owned(),
        quantity: item.row.quantity,
        unit: meter.map_or_else(|| "unit".to_owned(), |meter| meter.unit.clone()),
        credits: item.row.credits,
        agent: item.agent.clone().unwrap_or_default(),
        number: item.number.clone().unwrap_or_default(),
        workspace: workspace.unwrap_or_default(),
        voided,
    }
}

/// What the day is narrowed to.
struct Wanted {
    filter: Filter,
    day: Day,
    meter: Option<MeterId>,
    agent: Option<String>,
    workspaces: Option<Vec<String>>,
}

impl Wanted {
    fn report(
        &self,
        conn: &Connection,
        organization: OrganizationId,
        by: &[Dimension],
        agent: Option<String>,
    ) -> Result<Vec<reports::Group>, DbError> {
        let query = reports::Query {
            from: self.day,
            to: self.day.plus_days(1),
            group_by: by.to_vec(),
            meter: self.meter,
            agent,
            workspaces: self.workspaces.clone(),
        };
        reports::usage(conn, organization, &query)
    }

    fn agents(&self, conn: &Connection, organization: OrganizationId) -> Result<Vec<Choice>, DbError> {
        let groups = self.report(conn, organization, &[Dimension::Agent], None)?;
        let mut ids: Vec<String> = groups.into_iter().filter_map(|group| group.agent).collect();
        ids.retain(|id| !id.is_empty());
        ids.sort();
        Ok(ids.iter().take(MAX_AGENTS).map(|id| Choice::new(id, id)).collect())
    }
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let day = req.match_info().get("day").and_then(|text| text.parse().ok()).filter(is_near);
    let day = day.ok_or_else(|| ApiError::new(Code::NotFound))?;
    let query = req.query_string().to_owned();
    let shared = state.clone();
    let page = state.db.read(move |tx| read(tx, &shared, &admitted, day, &query));
    html(StatusCode::OK, &page.await?)
}

fn read(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    day: Day,
    query: &str,
) -> Result<UsageDayPage, ApiError> {
    let organization = admitted.organization()?;
    let crumbs = vec![
        Crumb::link("My Credit", "/overview"),
        Crumb::link("Usage", "/usage"),
        Crumb::here(format::day(day)),
    ];
    let chrome = chrome::chrome(state, admitted, tx, Section::Usage, crumbs)?;
    let catalog = state.catalog.get(tx)?;
    let seen = workspaces_in_reach(tx, organization, &admitted.reach)?;
    let mut filter = Filter::parse(query, &["channel", "agent", "cursor"]);
    let meter = filter.read("channel", "is not a channel", |code| catalog.meter_id(code));
    let at = filter
        .cursor::<2>(LIST)
        .map(|[number, head]| ItemCursor { day: i32::try_from(number).map_or(day, Day::from_number), head });
    let agent = filter.text("agent");
    let workspaces = narrowed(&admitted.reach, &seen, None);
    let wanted = Wanted { filter, day, meter, agent, workspaces };
    let sums = wanted.report(tx, organization, &[], wanted.agent.clone())?;
    let (rows, next) = rows(tx, organization, &wanted, at, &catalog, &seen, &chrome.show.zone)?;
    let path = format!("/usage/{day}");
    let pager = Pager {
        first: at.map(|_| wanted.filter.href(&path, &["cursor"], &[])),
        next: next.map(|at| wanted.filter.next(&path, LIST, &[i64::from(at.day.number()), at.head])),
        position: format!("{} shown", format::counted(u64::try_from(rows.len()).unwrap_or(0), "item")),
    };
    Ok(UsageDayPage {
        has_next_day: day < chrome.show.zone.day_of(tx.now()),
        chrome,
        day,
        channels: channel_choices(&catalog),
        agents: wanted.agents(tx, organization)?,
        total: spent(&sums),
        count: sums.iter().map(|sum| u64::try_from(sum.count).unwrap_or(0)).sum(),
        rows,
        pager,
        form: wanted.filter.form,
    })
}

/// A page of the day's items, and where the next one begins.
fn rows(
    conn: &Connection,
    organization: OrganizationId,
    wanted: &Wanted,
    at: Option<ItemCursor>,
    catalog: &Snapshot,
    seen: &[Workspace],
    zone: &crate::base::Zone,
) -> Result<(Vec<UsageItemRow>, Option<ItemCursor>), ApiError> {
    let (from, to) = instants(zone, wanted.day, wanted.day);
    let filter = ItemFilter {
        from,
        to,
        meter: wanted.meter,
        agent: wanted.agent.clone(),
        number: None,
        workspaces: wanted.workspaces.clone(),
    };
    let found = statement::events(conn, organization, zone, &filter, at, ITEMS)?;
    let mut rows = Vec::new();
    for items in &found.items {
        let Some(first) = items.first() else { continue };
        let voided = statement::voided_by(conn, first.row.head.unwrap_or(first.row.id))?.is_some();
        rows.extend(items.iter().map(|item| row(item, voided, catalog, seen)));
    }
    Ok((rows, found.next))
}
