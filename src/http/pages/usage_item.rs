//! One usage item, with the version of the rate that priced it and the arithmetic spelled out.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::catalog::words::{self, per, priced};
use super::chrome::{self, html};
use super::customer::{Grants, attached};
use super::filter::workspaces_in_reach;
use super::format::{self, quantity};
use super::usage_day::row;
use super::views::usage_day::{PriceLine, RateShown, UsageItemPage};
use super::views::{Crumb, Section};
use crate::base::id::{TransactionId, UsageItemId};
use crate::base::{Credits, Quantity};
use crate::calls::{self, CallRef};
use crate::catalog::rules::{Price, Rate};
use crate::catalog::{Meter, Snapshot};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::identity::Scope;
use crate::metering::rating::ItemKind;
use crate::metering::statement::{self, Item};
use crate::metering::{Direction, Extra};

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/usage/items/{id}", Access::usage(Scope::BillingRead), page);
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<UsageItemId>,
) -> Result<HttpResponse, ApiError> {
    let shared = state.clone();
    let page = state.db.read(move |tx| read(tx, &shared, &admitted, id));
    html(StatusCode::OK, &page.await?)
}

fn read(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    id: UsageItemId,
) -> Result<UsageItemPage, ApiError> {
    let organization = admitted.organization()?;
    let found = statement::item(tx, organization, id.number())?;
    let item = found.filter(|item| admitted.reach.covers(item.event.workspace));
    let item = item.ok_or_else(|| ApiError::new(Code::NotFound))?;
    let day = item.event.day;
    let crumbs = vec![
        Crumb::link("My Credit", "/overview"),
        Crumb::link("Usage", "/usage"),
        Crumb::link(format::day(day), format!("/usage/{day}")),
        Crumb::here(id.to_string()),
    ];
    let chrome = chrome::chrome(state, admitted, tx, Section::Usage, crumbs)?;
    let catalog = state.catalog.get(tx)?;
    let seen = workspaces_in_reach(tx, organization, &admitted.reach)?;
    let head = item.row.head.unwrap_or(item.row.id);
    let voided = statement::voided_by(tx, head)?.is_some();
    // what credit there is, and was, is for those who may see the wallet
    let sees_money = admitted.principal()?.may(Scope::BillingRead, organization).is_ok();
    let call = item.event.call.clone().map(CallRef::External);
    let call = call.map(|which| calls::get(tx, organization, &which)).transpose()?.flatten();
    let call = call.filter(|call| admitted.reach.covers(call.parties.workspace.as_ref().map(|w| w.id)));
    let items = std::slice::from_ref(&item);
    let draws = if sees_money { Grants::new(tx, &chrome.show).of_items(items)? } else { Vec::new() };
    Ok(UsageItemPage {
        chrome,
        day,
        event_id: item.event.id.to_string(),
        received: item.event.posted_at,
        call_id: item.event.call.as_ref().map(ToString::to_string),
        call: call.map(|call| call.id.to_string()),
        transaction: sees_money.then(|| TransactionId::new(head).to_string()),
        rate: rate_shown(&item, &catalog),
        calculation: calculation(&item, &catalog),
        draws,
        metadata: details(&item),
        corrects: item.event.corrects.map(|line| UsageItemId::new(line).to_string()),
        item: row(&item, voided, &catalog, &seen),
    })
}

fn details(item: &Item) -> Vec<(String, String)> {
    let extra = Extra::read(item.event.extra.as_deref());
    let mut found = Vec::new();
    if let Some(direction) = item.event.direction() {
        let name = match direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        };
        found.push(("Direction".to_owned(), name.to_owned()));
    }
    if item.event.toll_free() {
        found.push(("Toll-free".to_owned(), "yes".to_owned()));
    }
    if item.event.byok() {
        found.push(("Own provider key".to_owned(), "yes".to_owned()));
    }
    for json in [extra.attributes, extra.metadata].into_iter().flatten() {
        found.extend(attached(Some(json.get())));
    }
    found
}

/// The published rate, by the version that the item names.
fn rate_shown(item: &Item, catalog: &Snapshot) -> Option<RateShown> {
    let meter = catalog.meter(item.row.meter)?;
    let (card, version) = catalog.rate_version(item.row.rate_version)?;
    let rate = version.rate(item.row.meter)?;
    Some(RateShown {
        card: card.name.clone(),
        version: version.version.to_string(),
        since: version.starts_at,
        terms: words::rate(rate, meter),
    })
}

fn line(label: impl Into<String>, detail: impl Into<String>, credits: Option<Credits>) -> PriceLine {
    PriceLine { label: label.into(), detail: detail.into(), credits }
}

/// From what was reported to what the item costs.
fn calculation(item: &Item, catalog: &Snapshot) -> Vec<PriceLine> {
    let unit = catalog.meter(item.row.meter).map_or("unit", |meter| meter.unit.as_str());
    let mut lines = vec![line("Reported", quantity(item.event.reported, unit), None)];
    let found = catalog.meter(item.row.meter).zip(
        catalog.rate_version(item.row.rate_version).and_then(|(_, version)| version.rate(item.row.meter)),
    );
    let Some((meter, rate)) = found else { return lines };
    if item.row.kind != ItemKind::PassThrough {
        lines.push(line(portion(item.row.kind), billable(item, rate, meter), None));
    }
    lines.push(priced_line(item, rate, meter));
    lines
}

/// Which part of the event the item is for.
const fn portion(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Included => "Included in plan",
        ItemKind::Overage => "Beyond the plan",
        ItemKind::Base | ItemKind::Surcharge | ItemKind::Byok | ItemKind::PassThrough => "Billable",
    }
}

fn billable(item: &Item, rate: &Rate, meter: &Meter) -> String {
    let amount = quantity(item.row.quantity, &meter.unit);
    let mut rules = Vec::new();
    if rate.increment > Quantity::from_micros(1) {
        rules.push(format!("in steps of {}", quantity(rate.increment, &meter.unit)));
    }
    if rate.minimum.is_positive() {
        rules.push(format!("at least {}", quantity(rate.minimum, &meter.unit)));
    }
    if rules.is_empty() { amount } else { format!("{amount}, {}", rules.join(", ")) }
}

/// The step with the price. Where the price depended on what was used before, the steps stand in the rate.
fn priced_line(item: &Item, rate: &Rate, meter: &Meter) -> PriceLine {
    let credits = Some(item.row.credits);
    let flat = match item.row.kind {
        ItemKind::Included => return line("Price", "nothing: the plan includes it", credits),
        ItemKind::PassThrough => {
            let cost = Extra::read(item.event.extra.as_deref()).carrier_cost;
            let detail = cost.map_or_else(
                || "at cost, above the surcharge".to_owned(),
                |cost| format!("{cost} credits at cost, less any surcharge"),
            );
            return line("Carrier cost", detail, credits);
        }
        ItemKind::Surcharge => rate.toll_free_surcharge,
        ItemKind::Byok => rate.byok_price,
        ItemKind::Base | ItemKind::Overage => match &rate.price {
            Price::Flat(price) => Some(*price),
            Price::Graduated(_) | Price::Volume(_) => None,
        },
    };
    let Some(price) = flat else {
        return line("At the price of its step", "by what was used before in the cycle", credits);
    };
    let unit = if meter.unit == "second" { " s" } else { "" };
    let per = per(rate, meter);
    let size = rate.unit_size;
    let divided = if Some(size) == Quantity::from_whole(1) { String::new() } else { format!(" ÷ {size}") };
    line(
        format!("At {}", priced(price, &per)),
        format!("{}{unit} × {price}{divided}", item.row.quantity),
        credits,
    )
}
