//! Usage items: the charges themselves.

use actix_web::web;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::catalog::RateShape;
use super::usage_report::meter;
use super::within::within;
use crate::base::id::{RateVersionId, TransactionId, UsageItemId};
use crate::base::time::DAY_MS;
use crate::base::{Credits, Day, Quantity, Timestamp};
use crate::catalog::Snapshot;
use crate::catalog::rules::Rate;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::list::{Between, List, Paging, Window, encode};
use crate::http::params::{FromParams, Params, PathId, Period, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::metering::reports::MAX_DAYS;
use crate::metering::statement::{self, Item, ItemCursor, ItemFilter};
use crate::metering::{Direction, Extra};

const LIST: &str = "usage_items";
/// How far back a list without `from` goes, in days.
const USUAL_DAYS: i64 = 30;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::usage(Scope::BillingRead), list);
    table.api(__path_get, Access::usage(Scope::BillingRead), get);
}

/// A charge made from a usage event.
#[derive(Serialize, ToSchema)]
pub(super) struct UsageItem {
    id: UsageItemId,
    /// The meter's code.
    channel: String,
    /// `included`, `base`, `overage`, `surcharge`, `pass_through` or `byok`.
    kind: &'static str,
    /// What was billed, in the meter's unit; below zero where it was taken back.
    quantity: Quantity,
    unit: String,
    credits: Credits,
    /// When the work was done.
    occurred_at: Timestamp,
    /// The platform's id of the call.
    call_id: Option<String>,
    /// The platform's id of the agent.
    agent_id: Option<String>,
    /// The platform's id of the number.
    number_id: Option<String>,
    /// The platform's id of the workspace.
    workspace_id: Option<String>,
    /// What priced it.
    rate_version: RateVersionId,
}

impl UsageItem {
    pub fn new(item: Item, catalog: &Snapshot) -> Self {
        let Item { row, event, agent, number, workspace } = item;
        let meter = catalog.meter(row.meter);
        Self {
            id: UsageItemId::new(row.id),
            channel: meter.map_or_else(String::new, |meter| meter.code.to_string()),
            kind: row.kind.as_str(),
            quantity: row.quantity,
            unit: meter.map_or_else(String::new, |meter| meter.unit.clone()),
            credits: row.credits,
            occurred_at: event.occurred_at,
            call_id: event.call.map(|call| call.to_string()),
            agent_id: agent,
            number_id: number,
            workspace_id: workspace,
            rate_version: row.rate_version,
        }
    }
}

/// Which items.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// Only this meter.
    channel: Option<String>,
    /// Only this agent, by the platform's id.
    agent_id: Option<String>,
    /// Only this number, by the platform's id.
    number_id: Option<String>,
    /// Only this workspace, by the platform's id.
    workspace_id: Option<String>,
}

struct ListQuery {
    period: Period,
    channel: Option<String>,
    agent: Option<String>,
    number: Option<String>,
    workspace: Option<String>,
    window: Window<3>,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self {
            period: params.period(),
            channel: params.text("channel"),
            agent: params.text("agent_id"),
            number: params.text("number_id"),
            workspace: params.text("workspace_id"),
            window: Window::from_params(params, LIST),
        })
    }
}

/// List usage items, the newest days first
///
/// Of the last 30 days unless asked otherwise; at most 800 days. Within a day, what was reported last comes first. An
/// event that was taken back is there with its reversal, whose quantities and credits are below zero. A member sees the
/// own workspaces.
#[utoipa::path(get, path = "/billing/usage/items", tag = "billing", params(Which, Between, Paging),
    responses((status = 200, description = "A page of items.", body = List<UsageItem>)))]
async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(query): Query<ListQuery>,
) -> Answer<List<UsageItem>> {
    let organization = admitted.organization()?;
    let shared = state.clone();
    let found = state.db.read(move |tx| -> Result<_, ApiError> {
        let (from, to) = stretch(query.period, tx.now())?;
        let zone = organizations::get(tx, organization)?.zone;
        let catalog = shared.catalog.get(tx)?;
        let filter = ItemFilter {
            from,
            to,
            meter: meter(&catalog, query.channel.as_deref())?,
            agent: query.agent,
            number: query.number,
            workspaces: within(tx, organization, &admitted.reach, query.workspace)?,
        };
        let place = query.window.after.map(Place::from);
        let limit = usize::try_from(query.window.limit).unwrap_or(usize::MAX);
        let skip = place.map_or(0, |place| place.skip);
        let at = place.map(|place| place.at);
        let page = statement::events(tx, organization, &zone, &filter, at, limit.saturating_add(skip))?;
        Ok(cut(page, skip, limit, &catalog))
    });
    Ok(Reply::ok(found.await?))
}

/// The stretch of time that a list covers.
fn stretch(period: Period, now: Timestamp) -> Result<(Timestamp, Timestamp), ApiError> {
    // clocks of reporters may be a little ahead
    let to = period.to.unwrap_or(now.plus_ms(DAY_MS));
    let from = period.from.unwrap_or(to.min(now).plus_ms(-USUAL_DAYS * DAY_MS));
    let longest = i64::from(MAX_DAYS) * DAY_MS;
    if to.millis().saturating_sub(from.millis()) > longest {
        return Err(ApiError::field(
            "from",
            "invalid_value",
            format!("must be at most {MAX_DAYS} days before to"),
        ));
    }
    Ok((from, to))
}

/// Where a page begins: an event, and how many of its items were shown already.
#[derive(Clone, Copy)]
struct Place {
    at: ItemCursor,
    skip: usize,
}

impl From<[i64; 3]> for Place {
    fn from([day, head, skip]: [i64; 3]) -> Self {
        let day = Day::from_number(i32::try_from(day).unwrap_or(0));
        Self { at: ItemCursor { day, head }, skip: usize::try_from(skip).unwrap_or(0) }
    }
}

/// A page of items out of whole events.
fn cut(
    page: statement::Page<Vec<Item>, ItemCursor>,
    skip: usize,
    limit: usize,
    catalog: &Snapshot,
) -> List<UsageItem> {
    let mut next = page.next.map(|at| [i64::from(at.day.number()), at.head, 0]);
    let mut items = Vec::new();
    let mut skip = skip;
    for event in page.items {
        let Some(first) = event.first() else { continue };
        let (day, head) = (i64::from(first.event.day.number()), first.row.id);
        let room = limit - items.len();
        let shown = event.len().saturating_sub(skip).min(room);
        if skip + shown < event.len() {
            next = Some([day, head, i64::try_from(skip + shown).unwrap_or(0)]);
            items.extend(event.into_iter().skip(skip).take(shown).map(|item| UsageItem::new(item, catalog)));
            break;
        }
        items.extend(event.into_iter().skip(skip).map(|item| UsageItem::new(item, catalog)));
        skip = 0;
    }
    let next_cursor = next.map(|next| encode(&next, LIST));
    List { items, total: None, has_more: next_cursor.is_some(), next_cursor }
}

/// An item with all that is known of it.
#[derive(Serialize, ToSchema)]
struct UsageItemDetail {
    #[serde(flatten)]
    item: UsageItem,
    /// The platform's id of the event.
    event_id: String,
    /// What the event reported.
    reported: Quantity,
    /// When it was charged.
    charged_at: Timestamp,
    transaction_id: TransactionId,
    /// `inbound` or `outbound`.
    direction: Option<&'static str>,
    toll_free: bool,
    byok: bool,
    /// What the carrier charged, in credits.
    carrier_cost: Option<Credits>,
    #[schema(value_type = Option<Object>)]
    attributes: Option<Box<RawValue>>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    /// The transaction that the event takes back.
    corrects: Option<TransactionId>,
    /// The transaction that took the event back.
    voided_by: Option<TransactionId>,
    rate: Option<PricedBy>,
}

/// The published price that applied.
#[derive(Serialize, ToSchema)]
struct PricedBy {
    /// The code of the rate card.
    rate_card: String,
    /// The number of its version.
    version: i64,
    /// From when on it prices usage.
    starts_at: Timestamp,
    /// The rate of the meter.
    #[schema(value_type = RateShape)]
    rate: Rate,
}

/// Get a usage item, with the rate that priced it
#[utoipa::path(get, path = "/billing/usage/items/{id}", tag = "billing",
    params(("id" = UsageItemId, Path, description = "The item.")),
    responses((status = 200, description = "The item.", body = UsageItemDetail)))]
async fn get(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<UsageItemId>,
) -> Answer<UsageItemDetail> {
    let organization = admitted.organization()?;
    state.db.read_blocking(|tx| {
        let found = statement::item(tx, organization, id.number())?;
        let item = found.filter(|item| admitted.reach.covers(item.event.workspace));
        let item = item.ok_or_else(|| ApiError::new(Code::NotFound))?;
        let catalog = state.catalog.get(tx)?;
        let head = item.row.head.unwrap_or(item.row.id);
        let voided_by = statement::voided_by(tx, head)?.map(TransactionId::new);
        Ok(Reply::ok(detail(item, head, voided_by, &catalog)))
    })
}

fn detail(item: Item, head: i64, voided_by: Option<TransactionId>, catalog: &Snapshot) -> UsageItemDetail {
    let event = &item.event;
    let extra = Extra::read(event.extra.as_deref());
    let rate = catalog.rate_version(item.row.rate_version).and_then(|(card, version)| {
        Some(PricedBy {
            rate_card: card.code.to_string(),
            version: version.version,
            starts_at: version.starts_at,
            rate: version.rate(item.row.meter)?.clone(),
        })
    });
    UsageItemDetail {
        event_id: event.id.to_string(),
        reported: event.reported,
        charged_at: event.posted_at,
        transaction_id: TransactionId::new(head),
        direction: event.direction().map(|direction| match direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }),
        toll_free: event.toll_free(),
        byok: event.byok(),
        carrier_cost: extra.carrier_cost,
        attributes: extra.attributes.map(RawValue::to_owned),
        metadata: extra.metadata.map(RawValue::to_owned),
        corrects: event.corrects.map(TransactionId::new),
        voided_by,
        rate,
        item: UsageItem::new(item, catalog),
    }
}
