//! The customer's first page: what is left, where it went, how long it lasts.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::chrome::{self, html};
use super::customer::{plus, usable};
use super::format::Show;
use super::views::overview::{BalanceParts, OverviewPage, first_steps};
use super::views::{Crumb, Section};
use super::{auto_reload, outlook, transactions, transfer, usage};
use crate::base::id::OrganizationId;
use crate::base::{Credits, Day, Timestamp};
use crate::calls;
use crate::catalog::Snapshot;
use crate::db::{DbError, ReadTx};
use crate::grants::Class;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::pages::components::runway::Event;
use crate::http::pages::components::{Checklist, Runway, StackedDays};
use crate::http::route::Table;
use crate::identity::{KeyOwner, Scope, keys, organizations};
use crate::metering;
use crate::metering::reports::{self, Dimension, Query};
use crate::payments::reload;
use crate::subscriptions;
use crate::wallet::{self, Summary};

/// Days of spend and of balance in sight, today included.
const DAYS: i32 = 30;
/// Latest transactions.
const LATEST: usize = 8;

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/overview", Access::organization(Scope::BillingRead), page);
}

async fn page(state: web::Data<State>, admitted: Admitted) -> Result<HttpResponse, ApiError> {
    let shared = state.clone();
    let page = state.db.read(move |tx| read(tx, &shared, &admitted));
    html(StatusCode::OK, &page.await?)
}

fn read(tx: &ReadTx<'_>, state: &State, admitted: &Admitted) -> Result<OverviewPage, ApiError> {
    let organization = admitted.organization()?;
    let chrome = chrome::chrome(state, admitted, tx, Section::Overview, vec![Crumb::here("My Credit")])?;
    let catalog = state.catalog.get(tx)?;
    let summary = wallet::summary(tx, organization, tx.now())?;
    let today = chrome.show.zone.day_of(tx.now());
    // the chart's days, and the whole month, which may have begun before them
    let from = today.plus_days(1 - DAYS);
    let records = spend(tx, organization, from.min(today.first_of_month()), today)?;
    let since = |first: Day| {
        let days = records.iter().filter(|record| record.day.is_some_and(|day| day >= first));
        days.fold(Credits::ZERO, |sum, record| plus(sum, record.credits))
    };
    let in_sight: Vec<_> = records.iter().filter(|r| r.day.is_some_and(|day| day >= from)).cloned().collect();
    let available = outlook::spendable(&summary);
    let lasts_ms = outlook::pace(tx, &organizations::get(tx, organization)?)?.lasts_ms(available);
    let chart = usage::by_channel("spend", (from, today), &in_sight, &catalog, &chrome.show);
    let checklist = checklist(tx, state, organization, &summary)?;
    let reload = reload::get(tx, organization)?;
    let recovered = wallet::watched(tx, organization)?.is_some_and(|watch| watch.armed);
    Ok(OverviewPage {
        available,
        parts: parts(&summary, calls::live_count(tx, organization)?, tx.now()),
        lasts_ms,
        plan: plan(tx, state, &catalog, organization)?,
        spent_today: since(today),
        spent_month: since(today.first_of_month()),
        spend: chart.unwrap_or_else(|| StackedDays::sample("spend", today, &chrome.show)),
        runway: Runway {
            marks: auto_reload::threshold(reload.as_ref()),
            ..runway(tx, organization, &summary, lasts_ms, &chrome.show)?
        },
        recent: transactions::latest(tx, organization, &chrome.show, &catalog, LATEST)?,
        checklist,
        top_up: state.settings.topup_url.clone(),
        send: transfer::offered(tx, state, admitted)?,
        trouble: reload.filter(|_| !recovered).and_then(|reload| {
            auto_reload::trouble(&reload.standing, &lasts_left(available, lasts_ms), &chrome.show)
        }),
        chrome,
    })
}

fn plan(
    tx: &ReadTx<'_>,
    state: &State,
    catalog: &Snapshot,
    organization: OrganizationId,
) -> Result<String, ApiError> {
    let found = subscriptions::standing(tx, catalog, &state.desk.seller, organization, tx.now())?;
    let plan = found.and_then(|standing| catalog.plan_version(standing.version));
    Ok(plan.map_or_else(|| "Pay as you go".to_owned(), |(plan, _)| plan.name.clone()))
}

/// `about 6 hours left`.
fn lasts_left(available: Credits, lasts_ms: Option<i64>) -> String {
    match lasts_ms {
        _ if !available.is_positive() => "nothing left".into(),
        Some(ms) => format!("{} left", super::format::about_ms(ms)),
        None => format!("{} credits left", super::format::credits(available)),
    }
}

fn spend(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    from: Day,
    to: Day,
) -> Result<Vec<reports::Group>, DbError> {
    let query = Query {
        from,
        to: to.plus_days(1),
        group_by: vec![Dimension::Day, Dimension::Channel],
        meter: None,
        agent: None,
        workspaces: None,
    };
    reports::usage(tx, organization, &query)
}

fn parts(summary: &Summary, live_calls: u64, now: Timestamp) -> BalanceParts {
    let live = summary.grants.iter().filter(|grant| grant.terms.is_live(now));
    let next = live.clone().filter_map(|grant| grant.terms.order.expires_at).min();
    let next_expiry = next.map(|at| {
        let expiring = live.filter(|grant| grant.terms.order.expires_at == Some(at));
        (expiring.fold(Credits::ZERO, |sum, grant| plus(sum, grant.remaining)), at)
    });
    BalanceParts {
        free: usable(summary, Class::Free, now),
        plan: usable(summary, Class::Plan, now),
        paid: usable(summary, Class::Paid, now),
        held: summary.held,
        live_calls,
        overdraft: summary.overdraft,
        next_expiry,
    }
}

/// The first steps, until usage has arrived.
fn checklist(
    tx: &ReadTx<'_>,
    state: &State,
    organization: OrganizationId,
    summary: &Summary,
) -> Result<Option<Checklist>, ApiError> {
    if metering::has_usage(tx, organization)? {
        return Ok(None);
    }
    let found = keys::list(tx, KeyOwner::Organization(organization), None, 100)?;
    let has_key = found.items.iter().any(|key| !key.is_revoked(tx.now()));
    let has_credit = summary.balance.is_positive();
    let url = &state.settings.public_url;
    Ok(Some(first_steps(url, &organization.to_string(), has_credit, has_key, false)))
}

/// The balance of the last days, and where it is heading.
fn runway(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    summary: &Summary,
    lasts_ms: Option<i64>,
    show: &Show,
) -> Result<Runway, ApiError> {
    let today = show.zone.day_of(tx.now());
    let first = today.plus_days(1 - DAYS);
    let came_in = summary.grants.iter().filter_map(|grant| {
        let day = show.zone.day_of(grant.terms.order.created_at);
        let label = format!("{} credits received", super::format::credits(grant.original));
        (day >= first).then_some(Event { day, label })
    });
    let available = outlook::spendable(summary);
    let events = came_in.collect();
    let chart = outlook::runway_chart(tx, organization, show, (today, DAYS), available, lasts_ms)?;
    Ok(Runway { title: "Balance".into(), events, ..chart })
}
