//! `/operator/plans`: plans; one plan with its versions and who is on each.

use std::collections::BTreeMap;

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::rates::counted;
use super::{
    ADMIN, Answered, Asked, MOST_LISTED, PLANS, RATES, Start, around, cells, next_of, standing, table,
    to_come, words,
};
use crate::base::Timestamp;
use crate::base::id::PlanVersionId;
use crate::catalog::drafts;
use crate::catalog::rules::{Code, PlanTerms};
use crate::catalog::{Plan, PlanVersion, Snapshot};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, Code as ErrorCode};
use crate::http::pages::chrome::html;
use crate::http::pages::components::table::Cell;
use crate::http::pages::components::{DataTable, EmptyState, FormState};
use crate::http::pages::format::Show;
use crate::http::pages::views::Crumb;
use crate::http::pages::views::catalog::{Action, Body, CatalogPage, Part};
use crate::http::params::{PathId, Query};
use crate::http::route::Table;
use crate::identity::organizations;
use crate::subscriptions::{self, State as Standing};

const ONE: &str = "/operator/plans/{id}";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PLANS, ADMIN, list);
    table.page(Method::GET, ONE, ADMIN, one);
}

pub(super) fn page_of(code: &Code) -> String {
    format!("{PLANS}/{code}")
}

pub(super) fn page_of_draft(code: &Code) -> String {
    format!("{PLANS}/{code}/draft")
}

/// By version: subscriptions that have not ended, and how many of those will change to a new price.
type Standings = BTreeMap<PlanVersionId, (i64, i64)>;
/// By version: to how many the operator gave it.
type Given = BTreeMap<PlanVersionId, i64>;

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
    let chrome = around(state, admitted, tx, vec![Crumb::here("Plans")], Some(asked))?;
    let catalog = state.catalog.get(tx)?;
    let standings = subscriptions::standings(tx)?;
    let drafts: Vec<Code> = drafts::all::<PlanTerms>(tx)?.into_iter().map(|draft| draft.code).collect();
    let labels =
        ["Plan", "Code", "In force", "Since", "To come", "Fee", "Subscribers", "On older versions", "Draft"];
    let mut plans = table("Plans", &labels);
    for plan in catalog.plans() {
        plans.rows.push(plan_row(plan, &standings, &drafts, tx.now(), &chrome.show));
    }
    for code in drafts.iter().filter(|code| catalog.plan_by_code(code.as_str()).is_none()) {
        let mut row = vec![Cell::link(code.as_str(), Some(page_of_draft(code))), Cell::text(code.as_str())];
        row.extend(cells(["not published", "—", "—", "—", "—", "—"].map(String::from)));
        row.push(Cell::link("Draft", Some(page_of_draft(code))));
        plans.rows.push(row);
    }
    let body: Body = if plans.rows.is_empty() {
        let text = "Everybody pays as they go.".into();
        EmptyState { title: "No plans".into(), text, action: None }.into()
    } else {
        plans.into()
    };
    let lead = "A plan is paid by the month or year and includes units and credit. Whoever subscribes keeps the version they \
                chose until they change it themselves or you move them.";
    Ok(CatalogPage {
        chrome,
        tab: "Plans",
        title: "Plans".into(),
        lead: String::new(),
        actions: vec![Action::link("New plan", "/operator/plans/new-plan").primary()],
        form: FormState::default(),
        parts: vec![Part::new("plans", "All plans", body).lead(lead)],
    })
}

fn plan_row(plan: &Plan, standings: &Standings, drafts: &[Code], now: Timestamp, show: &Show) -> Vec<Cell> {
    let current = plan.in_force(now);
    let subscribers = |version: &PlanVersion| standings.get(&version.id).map_or(0, |(count, _)| *count);
    let all: i64 = plan.versions.iter().map(subscribers).sum();
    let older = plan.versions.iter().filter(|version| current.is_some_and(|c| version.version < c.version));
    let older: i64 = older.map(subscribers).sum();
    let draft = if drafts.contains(&plan.code) {
        Cell::link("Draft", Some(page_of_draft(&plan.code)))
    } else {
        Cell::text("—")
    };
    let mut row = vec![Cell::link(&plan.name, Some(page_of(&plan.code)))];
    row.extend(cells([
        plan.code.to_string(),
        current.map_or_else(|| "none yet".into(), |version| format!("version {}", version.version)),
        current.map_or_else(|| "—".into(), |version| words::since(version.starts_at, show)),
        next_of(&to_come(&starts(plan), now), show),
        current.map_or_else(|| "—".into(), |version| words::fee(&version.terms)),
        all.to_string(),
        older.to_string(),
    ]));
    row.push(draft);
    row
}

fn starts(plan: &Plan) -> Vec<Start> {
    plan.versions.iter().map(|version| (version.version, version.starts_at)).collect()
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
    let plan = catalog.plan_by_code(code.as_str()).ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
    let way = vec![Crumb::link("Plans", PLANS), Crumb::here(plan.name.clone())];
    let chrome = around(state, admitted, tx, way, Some(asked))?;
    let standings = subscriptions::standings(tx)?;
    let has_draft = drafts::all::<PlanTerms>(tx)?.iter().any(|draft| draft.code == *code);
    let mut actions = Vec::new();
    let newest = plan.versions.last().map(|version| version.version);
    let is_older = |version: &&PlanVersion| Some(version.version) < newest;
    if plan.versions.iter().filter(is_older).any(|version| standings.contains_key(&version.id)) {
        actions.push(Action::link("Move subscribers to the new price", format!("{}/migrate", page_of(code))));
    }
    let draft = if has_draft {
        Action::link("Go on with the draft", page_of_draft(code))
    } else {
        Action::post("Draft a new version", page_of_draft(code))
    };
    actions.push(draft.primary());
    let mut parts = Vec::new();
    if let Some(version) = plan.in_force(tx.now()) {
        let since = words::since(version.starts_at, &chrome.show);
        parts.push(
            Part::new("terms", "Terms in force", terms(&version.terms, &catalog))
                .note(format!("Version {}, since {since}", version.version)),
        );
    }
    let given = subscriptions::given(tx, tx.now())?;
    parts.push(Part::new(
        "versions",
        "Versions",
        versions(plan, (&catalog, &standings, &given), tx.now(), &chrome.show),
    ));
    parts.push(organizations(&on(tx, plan, &catalog)?, everybody(plan, &standings, &given)));
    let form = FormState::default();
    Ok(CatalogPage {
        chrome,
        tab: "Plans",
        title: plan.name.clone(),
        lead: String::new(),
        actions,
        form,
        parts,
    })
}

/// How many are on any of its versions.
fn everybody(plan: &Plan, standings: &Standings, given: &Given) -> usize {
    let subscribers =
        plan.versions.iter().filter_map(|version| standings.get(&version.id)).map(|(all, _)| all);
    let given = plan.versions.iter().filter_map(|version| given.get(&version.id));
    subscribers.chain(given).filter_map(|count| usize::try_from(*count).ok()).sum()
}

/// A plan's terms; what the card prices is a link away.
pub(super) fn terms(terms: &PlanTerms, catalog: &Snapshot) -> DataTable {
    let mut table = table("Terms", &["What", "How"]);
    for (name, text) in words::plan(terms, catalog) {
        let href = (name == "Rate card").then(|| format!("{RATES}/{}", terms.rate_card));
        table.rows.push(vec![Cell::text(name), Cell::link(text, href)]);
    }
    table
}

/// Somebody on a version of a plan.
struct On {
    number: i64,
    name: String,
    page: String,
    how: String,
}

/// Who is on a plan, as many as are listed: subscribers, then those whom the operator gave it to.
fn on(tx: &ReadTx<'_>, plan: &Plan, catalog: &Snapshot) -> Result<Vec<On>, ApiError> {
    let page = |id| format!("/operator/organizations/{id}");
    let mut found: Vec<On> = Vec::new();
    for version in plan.versions.iter().rev() {
        let room = u32::try_from(MOST_LISTED - found.len()).unwrap_or(0);
        for sub in subscriptions::on_version(tx, version.id, room)? {
            let moves = sub.migration.and_then(|(to, _)| catalog.plan_version(to));
            let how = match (sub.state, moves) {
                (Standing::Active, None) => "pays".to_owned(),
                (Standing::Active, Some((_, to))) => format!("pays, changes to version {}", to.version),
                (state, _) => state.name().replace('_', " "),
            };
            let name = organizations::get(tx, sub.organization)?.name;
            found.push(On { number: version.version, name, page: page(sub.organization), how });
        }
    }
    for (id, version) in subscriptions::given_to(tx, tx.now(), plan.id, MOST_LISTED - found.len())? {
        let number = catalog.plan_version(version).map_or(0, |(_, version)| version.version);
        let (name, how) = (organizations::get(tx, id)?.name, "given by you, without a fee".into());
        found.push(On { number, name, page: page(id), how });
    }
    Ok(found)
}

fn versions(
    plan: &Plan,
    (catalog, standings, given): (&Snapshot, &Standings, &Given),
    now: Timestamp,
    show: &Show,
) -> DataTable {
    let labels = ["Version", "From", "State", "Subscribers", "Given", "What changed"];
    let mut table = table("Versions, the newest first", &labels);
    let current = plan.in_force(now).map(|version| version.version);
    let next = to_come(&starts(plan), now);
    for (index, version) in plan.versions.iter().enumerate().rev() {
        let before = index.checked_sub(1).and_then(|before| plan.versions.get(before));
        let changed = before.map_or_else(
            || "the first".to_owned(),
            |before| {
                let (before, after) =
                    (words::plan(&before.terms, catalog), words::plan(&version.terms, catalog));
                words::told(&words::changes(&before, &after))
            },
        );
        let (count, moving) = standings.get(&version.id).copied().unwrap_or_default();
        let moving = if moving > 0 { format!(", {moving} change to a new price") } else { String::new() };
        let given = given.get(&version.id).copied().unwrap_or(0);
        table.rows.push(cells([
            version.version.to_string(),
            words::since(version.starts_at, show),
            standing(version.version, current, &next).into(),
            format!("{count}{moving}"),
            given.to_string(),
            changed,
        ]));
    }
    table
}

/// Those that are listed, of so many.
fn organizations(on: &[On], everybody: usize) -> Part {
    let mut rows = table("Organizations on this plan", &["Organization", "Version", "How"]);
    for one in on {
        rows.rows.push(vec![
            Cell::link(&one.name, Some(one.page.clone())),
            Cell::text(one.number.to_string()),
            Cell::text(&one.how),
        ]);
    }
    let none = EmptyState { title: "Nobody".into(), text: "Nobody is on this plan.".into(), action: None };
    let body: Body = if on.is_empty() { none.into() } else { rows.into() };
    Part::new("organizations", "Organizations on this plan", body).note(counted(everybody))
}
