//! `/operator/rates`: rate cards and meters; one card with its versions and who is on it.

use std::collections::BTreeMap;

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::{
    ADMIN, Answered, Asked, MOST_LISTED, PLANS, RATES, Start, around, cells, next_of, standing, table,
    to_come, words,
};
use crate::base::id::RateCardId;
use crate::base::{Credits, Timestamp};
use crate::catalog::drafts::{self, Draft};
use crate::catalog::rules::{Code, Rate};
use crate::catalog::{DEFAULT_CARD, Plan, RateCard, RateVersion, Snapshot};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, Code as ErrorCode};
use crate::http::pages::chrome::html;
use crate::http::pages::components::table::Cell;
use crate::http::pages::components::{DataTable, EmptyState, FormState};
use crate::http::pages::format::{self, Show};
use crate::http::pages::views::Crumb;
use crate::http::pages::views::catalog::{Action, Body, CatalogPage, Part};
use crate::http::params::{PathId, Query};
use crate::http::route::Table;
use crate::metering::{self, Priced};

const ONE: &str = "/operator/rates/{id}";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, RATES, ADMIN, list);
    table.page(Method::GET, ONE, ADMIN, one);
}

async fn list(state: web::Data<State>, admitted: Admitted, Query(asked): Query<Asked>) -> Answered {
    let shared = state.clone();
    let page = state.db.read(move |tx| list_page(&shared, &admitted, tx, &asked));
    html(StatusCode::OK, &page.await?)
}

fn list_page(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    asked: &Asked,
) -> Result<CatalogPage, ApiError> {
    let chrome = around(state, admitted, tx, vec![Crumb::here("Rates")], Some(asked))?;
    let catalog = state.catalog.get(tx)?;
    let counts = metering::priced_by_card(tx, &catalog, tx.now())?;
    let drafts = drafts::all::<Vec<Rate>>(tx)?;
    let mut cards = table(
        "Rate cards",
        &["Rate card", "Code", "In force", "Since", "To come", "Plans", "Organizations", "Draft"],
    );
    for card in catalog.rate_cards() {
        cards.rows.push(card_row(card, &catalog, &counts, &drafts, tx.now(), &chrome.show));
    }
    for draft in drafts.iter().filter(|draft| catalog.rate_card_by_code(draft.code.as_str()).is_none()) {
        let mut row =
            vec![Cell::link(&draft.name, Some(page_of_draft(&draft.code))), Cell::text(draft.code.as_str())];
        row.extend(cells(["not published", "—", "—", "—", "—"].map(String::from)));
        row.push(Cell::link("Draft", Some(page_of_draft(&draft.code))));
        cards.rows.push(row);
    }
    let cards = Part::new("cards", "Rate cards", cards).lead(
        "A rate card prices what is counted. A version that was published never changes, and what was charged keeps the \
         version that charged it. What a card does not price, the card for pay as you go does.",
    );
    Ok(CatalogPage {
        chrome,
        tab: "Rates",
        title: "Rates".into(),
        lead: String::new(),
        actions: vec![
            Action::link("New meter", "/operator/rates/new-meter"),
            Action::link("New rate card", "/operator/rates/new-card").primary(),
        ],
        form: FormState::default(),
        parts: vec![cards, meters(&catalog, tx.now())],
    })
}

fn card_row(
    card: &RateCard,
    catalog: &Snapshot,
    counts: &BTreeMap<RateCardId, usize>,
    drafts: &[Draft<Vec<Rate>>],
    now: Timestamp,
    show: &Show,
) -> Vec<Cell> {
    let current = card.in_force(now);
    let count = counts.get(&card.id).copied().unwrap_or(0);
    let draft = drafts.iter().any(|draft| draft.code == card.code);
    let draft = if draft { Cell::link("Draft", Some(page_of_draft(&card.code))) } else { Cell::text("—") };
    let mut row = vec![Cell::link(&card.name, Some(page_of(&card.code)))];
    row.extend(cells([
        card.code.to_string(),
        current.map_or_else(|| "none yet".into(), |version| format!("version {}", version.version)),
        current.map_or_else(|| "—".into(), |version| words::since(version.starts_at, show)),
        next_of(&to_come(&starts(card), now), show),
        plans_on(card, catalog, now).count().to_string(),
        format::count(u64::try_from(count).unwrap_or(0)),
    ]));
    row.push(draft);
    row
}

/// Plans whose newest terms, those in force or to come, point at the card.
fn plans_on<'c>(card: &'c RateCard, catalog: &'c Snapshot, now: Timestamp) -> impl Iterator<Item = &'c Plan> {
    catalog.plans().iter().filter(move |plan| {
        let current = plan.in_force(now).into_iter();
        let to_come = plan.versions.iter().filter(move |version| version.starts_at > now);
        current.chain(to_come).any(|version| version.terms.rate_card == card.code)
    })
}

fn starts(card: &RateCard) -> Vec<Start> {
    card.versions.iter().map(|version| (version.version, version.starts_at)).collect()
}

fn meters(catalog: &Snapshot, now: Timestamp) -> Part {
    let mut table = table("Meters", &["Meter", "Code", "Unit", "Priced by"]);
    for meter in catalog.meters() {
        let by = catalog
            .rate_cards()
            .iter()
            .filter(|card| card.in_force(now).is_some_and(|version| version.rate(meter.id).is_some()));
        let names: Vec<&str> = by.map(|card| card.name.as_str()).collect();
        let by = if names.is_empty() { "no card yet".into() } else { names.join(", ") };
        table.rows.push(cells([meter.name.clone(), meter.code.to_string(), meter.unit.clone(), by]));
    }
    Part::new("meters", "Meters", table).lead("What is counted. Code and unit never change.")
}

pub(super) fn page_of(code: &Code) -> String {
    format!("{RATES}/{code}")
}

pub(super) fn page_of_draft(code: &Code) -> String {
    format!("{RATES}/{code}/draft")
}

async fn one(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(code): PathId<Code>,
    Query(asked): Query<Asked>,
) -> Answered {
    let shared = state.clone();
    let page = state.db.read(move |tx| one_page(&shared, &admitted, tx, &code, &asked));
    html(StatusCode::OK, &page.await?)
}

fn one_page(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    code: &Code,
    asked: &Asked,
) -> Result<CatalogPage, ApiError> {
    let catalog = state.catalog.get(tx)?;
    let card = catalog.rate_card_by_code(code.as_str());
    let card = card.ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
    let way = vec![Crumb::link("Rates", RATES), Crumb::here(card.name.clone())];
    let chrome = around(state, admitted, tx, way, Some(asked))?;
    let has_draft = drafts::all::<Vec<Rate>>(tx)?.iter().any(|draft| draft.code == *code);
    let draft = if has_draft {
        Action::link("Go on with the draft", page_of_draft(code))
    } else {
        Action::post("Draft a new version", page_of_draft(code))
    };
    let mut parts = Vec::new();
    if let Some(version) = card.in_force(tx.now()) {
        let since = words::since(version.starts_at, &chrome.show);
        let table = prices(version.rates.values(), &catalog, |_| None);
        parts.push(
            Part::new("prices", "Prices in force", table)
                .note(format!("Version {}, since {since}", version.version)),
        );
    }
    let count = metering::priced_by_card(tx, &catalog, tx.now())?.remove(&card.id).unwrap_or(0);
    let on = metering::priced_by(tx, &catalog, card.id, tx.now(), MOST_LISTED)?;
    let versions = versions(card, &catalog, count, (tx.now(), &chrome.show));
    parts.push(Part::new("versions", "Versions", versions));
    parts.push(plans(card, &catalog, tx.now()));
    parts.push(organizations(&on, count, card.id, &catalog));
    let default =
        "It prices whoever has no plan and no card of their own, and what other cards do not price.";
    Ok(CatalogPage {
        chrome,
        tab: "Rates",
        title: card.name.clone(),
        lead: if code.as_str() == DEFAULT_CARD { default.into() } else { String::new() },
        actions: vec![draft.primary()],
        form: FormState::default(),
        parts,
    })
}

/// The prices of a version; `edit` says where one is changed.
pub(super) fn prices<'r>(
    rates: impl Iterator<Item = &'r Rate>,
    catalog: &Snapshot,
    edit: impl Fn(&Code) -> Option<String>,
) -> DataTable {
    let mut table = table("Prices by meter", &["Meter", "Price", "Billed", "Besides"]);
    for rate in rates {
        let Some(meter) = catalog.meter_id(rate.meter.as_str()).and_then(|id| catalog.meter(id)) else {
            continue;
        };
        let mut terms = words::rate(rate, meter).into_iter();
        let price = terms.next().map_or_else(String::new, |(_, text)| text);
        let price = if rate.price.is_tiered() { format!("{price} ({})", tiers(rate)) } else { price };
        let usual = rate.rounding == Credits::from_micros(1);
        let besides = terms.filter(|(name, _)| match name.as_str() {
            "Increment" | "Minimum" => false,
            "Rounding" => !usual,
            _ => true,
        });
        let besides: Vec<String> = besides.map(|(name, text)| format!("{name}: {text}")).collect();
        let besides = if besides.is_empty() { "—".into() } else { besides.join("; ") };
        let mut row = vec![Cell::link(&meter.name, edit(&meter.code))];
        row.extend(cells([price, words::billed(rate, meter), besides]));
        table.rows.push(row);
    }
    table
}

const fn tiers(rate: &Rate) -> &'static str {
    match rate.price {
        crate::catalog::rules::Price::Volume(_) => "all units by what was used before in the cycle",
        _ => "each unit by its step in the cycle",
    }
}

/// `priced`: how many organizations the version in force prices. The others price nobody.
fn versions(
    card: &RateCard,
    catalog: &Snapshot,
    priced: usize,
    (now, show): (Timestamp, &Show),
) -> DataTable {
    let mut table = table(
        "Versions, the newest first",
        &["Version", "From", "Published", "State", "Organizations", "What changed"],
    );
    let current = card.in_force(now).map(|version| version.version);
    let next = to_come(&starts(card), now);
    for (index, version) in card.versions.iter().enumerate().rev() {
        let before: Option<&RateVersion> = index.checked_sub(1).and_then(|before| card.versions.get(before));
        let changed = before.map_or_else(
            || "the first".to_owned(),
            |before| {
                words::told(&words::changes(
                    &words::version(before, catalog),
                    &words::version(version, catalog),
                ))
            },
        );
        table.rows.push(cells([
            version.version.to_string(),
            words::since(version.starts_at, show),
            show.when(version.created_at).text(),
            standing(version.version, current, &next).into(),
            (if current == Some(version.version) { priced } else { 0 }).to_string(),
            changed,
        ]));
    }
    table
}

fn plans(card: &RateCard, catalog: &Snapshot, now: Timestamp) -> Part {
    let mut rows = table("Plans on this card", &["Plan", "Version in force", "Fee"]);
    for plan in plans_on(card, catalog, now) {
        let version = plan.in_force(now);
        let mut row = vec![Cell::link(&plan.name, Some(format!("{PLANS}/{}", plan.code)))];
        row.extend(cells([
            version.map_or_else(|| "none yet".into(), |version| version.version.to_string()),
            version.map_or_else(|| "—".into(), |version| words::fee(&version.terms)),
        ]));
        rows.rows.push(row);
    }
    let none =
        EmptyState { title: "No plan".into(), text: "No plan points at this card.".into(), action: None };
    let body: Body = if rows.rows.is_empty() { none.into() } else { rows.into() };
    Part::new("plans", "Plans on this card", body)
}

/// Whoever the card prices now, of so many: all of them by its version in force.
fn organizations(on: &[Priced], count: usize, card: RateCardId, catalog: &Snapshot) -> Part {
    let mut rows = table("Organizations on this card", &["Organization", "Through"]);
    for one in on {
        let plan = one.plan_version.and_then(|id| catalog.plan_version(id));
        let through = match plan {
            Some((plan, version)) => format!("plan {}, version {}", plan.name, version.version),
            None if catalog.default_card() == Some(card) => "pay as you go".into(),
            None => "a card of its own".into(),
        };
        let page = format!("/operator/organizations/{}", one.organization);
        rows.rows.push(vec![Cell::link(&one.name, Some(page)), Cell::text(through)]);
    }
    let none =
        EmptyState { title: "Nobody".into(), text: "It prices nobody's usage now.".into(), action: None };
    let body: Body = if on.is_empty() { none.into() } else { rows.into() };
    Part::new("organizations", "Organizations on this card", body).note(counted(count))
}

/// `50 of 1,204 organizations`, or all.
pub(super) fn counted(all: usize) -> String {
    let count = format::counted(u64::try_from(all).unwrap_or(u64::MAX), "organization");
    if all > MOST_LISTED { format!("{MOST_LISTED} of {count}") } else { count }
}
