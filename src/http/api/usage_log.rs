//! The log of calls, with a summary: the shape that voice platforms know.

use actix_web::web;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::period::{Asked, Days};
use super::within::within;
use crate::base::id::{OrganizationId, UsageItemId};
use crate::base::{Credits, Day, Quantity, Timestamp, Zone};
use crate::catalog::{Snapshot, VOICE};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::list::{Paging, Window, encode};
use crate::http::params::{FromParams, Params, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Reach, organizations};
use crate::metering::reports;
use crate::metering::statement::{self, ItemCursor, ItemFilter};

const LIST: &str = "usage";
const SECONDS_PER_MINUTE: i64 = 60;
/// How often a page is filled up where calls were taken back, and how many events each time at least.
const MOST_READS: usize = 100;
const READ_AHEAD: usize = 100;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_log, Access::USAGE, log);
}

/// The log of calls.
#[derive(Serialize, ToSchema)]
struct UsageLog {
    usage: Vec<LoggedCall>,
    summary: Summary,
    has_more: bool,
    next_cursor: Option<String>,
}

/// A call.
#[derive(Serialize, ToSchema)]
struct LoggedCall {
    id: UsageItemId,
    /// As reported.
    duration_sec: Quantity,
    /// When the call was.
    created_at: Timestamp,
    /// The platform's id of the number.
    number_id: Option<String>,
}

/// All calls of the stretch of days, not only those of the page.
#[expect(clippy::struct_field_names, reason = "the names are those of the API")]
#[derive(Serialize, ToSchema)]
struct Summary {
    total_seconds: Quantity,
    total_minutes: Quantity,
    /// In units of the organization's currency (a number, not in minor units), to a millionth.
    #[schema(value_type = Credits)]
    total_cost: Credits,
}

/// Which calls.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// The first day: `2026-11-01`, or an instant on it. The first of the month unless given.
    from: Option<String>,
    /// The day after the last, or an instant: a day that has begun by then counts whole. Tomorrow unless given.
    to: Option<String>,
}

struct LogQuery(Asked, Window<2>);

impl FromParams for LogQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Asked::from_params(params), Window::from_params(params, LIST)))
    }
}

/// List calls, the newest days first, with a summary
///
/// Calls of the meter `voice`, on whole days in the organization's timezone. What was taken back is in neither. A member
/// sees the own workspaces.
#[utoipa::path(get, path = "/usage", tag = "usage", params(Which, Paging),
    responses((status = 200, description = "A page of calls, and the sums of the whole stretch.", body = UsageLog,
        example = json!({
            "usage": [{ "id": "use_0h6t0v6k3m2q8", "duration_sec": 84, "created_at": "2026-11-21T09:30:00Z",
                "number_id": "+34910000000" }],
            "summary": { "total_seconds": 84, "total_minutes": 1.4, "total_cost": 0.098 },
            "has_more": false, "next_cursor": null
        }))))]
async fn log(
    state: web::Data<State>,
    admitted: Admitted,
    Query(LogQuery(asked, window)): Query<LogQuery>,
) -> Answer<UsageLog> {
    let organization = admitted.organization()?;
    let shared = state.clone();
    let made = state.db.read(move |tx| -> Result<_, ApiError> {
        let catalog = shared.catalog.get(tx)?;
        let per_unit = shared.settings.credits_per_unit;
        read(tx, organization, &admitted.reach, (asked, window), &catalog, per_unit)
    });
    Ok(Reply::ok(made.await?))
}

fn read(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    reach: &Reach,
    (asked, window): (Asked, Window<2>),
    catalog: &Snapshot,
    credits_per_unit: i64,
) -> Result<UsageLog, ApiError> {
    let zone = organizations::get(tx, organization)?.zone;
    let days = asked.days(&zone, tx.now())?;
    let workspaces = within(tx, organization, reach, None)?;
    let meter = catalog.meter_id(VOICE);
    let (from, to) = days.instants(&zone);
    let filter = ItemFilter { from, to, meter, agent: None, number: None, workspaces: workspaces.clone() };
    let (usage, next) = calls(tx, organization, &zone, &filter, window)?;
    let next_cursor = next.map(|next| encode(&[i64::from(next.day.number()), next.head], LIST));
    let (seconds, credits) = voice_total(tx, organization, catalog, days, workspaces)?;
    Ok(UsageLog {
        usage,
        summary: Summary {
            total_seconds: seconds,
            total_minutes: Quantity::from_micros(divided(seconds.micros(), SECONDS_PER_MINUTE)),
            total_cost: Credits::from_micros(divided(credits.micros(), credits_per_unit)),
        },
        has_more: next_cursor.is_some(),
        next_cursor,
    })
}

/// A page of calls that were not taken back, and where the next one begins.
fn calls(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    zone: &Zone,
    filter: &ItemFilter,
    window: Window<2>,
) -> Result<(Vec<LoggedCall>, Option<ItemCursor>), ApiError> {
    let mut next = window
        .after
        .map(|[day, head]| ItemCursor { day: Day::from_number(i32::try_from(day).unwrap_or(0)), head });
    let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
    let mut calls = Vec::new();
    for _ in 0..MOST_READS {
        let page = statement::events(tx, organization, zone, filter, next, limit.max(READ_AHEAD))?;
        next = page.next;
        for event in &page.items {
            let Some(head) = event.first() else { continue };
            if calls.len() == limit {
                // here the next page begins
                let day = zone.day_of(head.event.occurred_at);
                return Ok((calls, Some(ItemCursor { day, head: head.row.id })));
            }
            if head.event.corrects.is_none() && statement::voided_by(tx, head.row.id)?.is_none() {
                calls.push(LoggedCall {
                    id: UsageItemId::new(head.row.id),
                    duration_sec: head.event.reported,
                    created_at: head.event.occurred_at,
                    number_id: head.number.clone(),
                });
            }
        }
        if calls.len() == limit || next.is_none() {
            break;
        }
    }
    Ok((calls, next))
}

/// Reported seconds and charged credits of all calls on some days.
pub(super) fn voice_total(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    catalog: &Snapshot,
    days: Days,
    workspaces: Option<Vec<String>>,
) -> Result<(Quantity, Credits), ApiError> {
    let query = reports::Query {
        from: days.from,
        to: days.to,
        group_by: Vec::new(),
        meter: catalog.meter_id(VOICE),
        agent: None,
        workspaces,
    };
    let total = reports::usage(tx, organization, &query)?.into_iter().next().unwrap_or_default();
    Ok((total.reported, total.credits))
}

/// Rounded half up.
pub(super) fn divided(dividend: i64, divisor: i64) -> i64 {
    let divisor = i128::from(divisor.max(1));
    let halves = i128::from(dividend) * 2 + divisor;
    // no larger than the dividend, which fits
    i64::try_from(halves.div_euclid(divisor * 2)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::divided;

    #[test]
    fn quotients_are_rounded_half_up() {
        let cases =
            [(84, 60, 1), (90, 60, 2), (89, 60, 1), (0, 60, 0), (-90, 60, -1), (-91, 60, -2), (5, 1, 5)];
        for (dividend, divisor, quotient) in cases {
            assert_eq!(divided(dividend, divisor), quotient, "{dividend}/{divisor}");
        }
        assert_eq!(divided(i64::MAX, 1), i64::MAX);
    }
}
