//! Transactions: the list with its filter, its CSV, and each one's own page.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use rusqlite::Connection;

use super::chrome::{self, html};
use super::csv::{Csv, too_many};
use super::customer::{Grants, actor, attached};
use super::filter::{Filter, instants};
use super::format::{self, Show};
use super::transfer;
use super::views::transactions::{TransactionFilter, TransactionPage, TransactionRow, TransactionsPage};
use super::views::{Crumb, Section};
use crate::base::Day;
use crate::base::id::{OrganizationId, TransactionId, UsageItemId};
use crate::catalog::Snapshot;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::pages::components::{Pager, Tone};
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::ledger::{self, TransactionType};
use crate::metering::statement::{self, LineFilter, Page};
use crate::wallet;

const PATH: &str = "/transactions";
const LIST: &str = "transactions_page";
const NAMES: [&str; 5] = ["from", "to", "type", "class", "cursor"];
/// Rows of one page.
const ROWS: usize = 25;
/// Rows of one CSV file at most.
const CSV_ROWS: usize = 10_000;
/// The most lines looked at for one page of one class; the next page goes on from there.
const LOOK: usize = 2_000;

/// Adds the routes.
pub fn register(table: &mut Table) {
    let access = Access::organization(Scope::BillingRead);
    table.page(Method::GET, PATH, access, list);
    table.page(Method::GET, "/transactions.csv", access, csv);
    table.page(Method::GET, "/transactions/{id}", access, one);
}

/// Which lines, as read from the address.
struct Wanted {
    filter: Filter,
    days: (Option<Day>, Option<Day>),
    kind: Option<TransactionType>,
    class: Option<Tone>,
    at: Option<TransactionId>,
}

impl Wanted {
    fn parse(query: &str) -> Self {
        let mut filter = Filter::parse(query, &NAMES);
        let days = filter.days();
        let kind = filter.read("type", "is not a type of transaction", TransactionType::from_name);
        let class = filter.read("class", "must be free, plan or paid", class);
        let at = filter.cursor::<1>(LIST).map(|[number]| TransactionId::new(number));
        Self { filter, days, kind, class, at }
    }

    /// The lines of these days in the organization's timezone.
    fn lines(&self, show: &Show) -> LineFilter {
        let (from, to) = self.days;
        LineFilter {
            from: from.map(|day| instants(&show.zone, day, day).0),
            to: to.map(|day| instants(&show.zone, day, day).1),
            types: self.kind.into_iter().collect(),
        }
    }
}

fn class(name: &str) -> Option<Tone> {
    [Tone::Free, Tone::Plan, Tone::Paid].into_iter().find(|tone| tone.class() == name)
}

/// Up to `limit` rows, newest first.
fn rows(
    conn: &Connection,
    organization: OrganizationId,
    wanted: &Wanted,
    show: &Show,
    catalog: &Snapshot,
    limit: usize,
) -> Result<Page<TransactionRow, TransactionId>, ApiError> {
    let filter = wanted.lines(show);
    let mut grants = Grants::new(conn, show);
    let mut found = Page { items: Vec::new(), next: wanted.at };
    let mut looked = 0;
    loop {
        let room = limit.saturating_sub(found.items.len());
        let lines = statement::lines(conn, organization, &filter, found.next, room)?;
        looked += lines.items.len();
        for line in &lines.items {
            let row = grants.row(organization, line, catalog)?;
            if wanted.class.is_none_or(|class| row.classes.contains(&class)) {
                found.items.push(row);
            }
        }
        found.next = lines.next;
        let is_full = found.items.len() >= limit || looked >= LOOK.max(limit);
        if found.next.is_none() || is_full || lines.items.is_empty() {
            return Ok(found);
        }
    }
}

/// The newest rows, without a filter.
///
/// # Errors
/// When the database fails.
pub fn latest(
    conn: &Connection,
    organization: OrganizationId,
    show: &Show,
    catalog: &Snapshot,
    limit: usize,
) -> Result<Vec<TransactionRow>, ApiError> {
    Ok(rows(conn, organization, &Wanted::parse(""), show, catalog, limit)?.items)
}

async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let wanted = Wanted::parse(req.query_string());
    let shared = state.clone();
    let page = state.db.read(move |tx| -> Result<_, ApiError> {
        let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Transactions")];
        let chrome = chrome::chrome(&shared, &admitted, tx, Section::Transactions, crumbs)?;
        let catalog = shared.catalog.get(tx)?;
        let found = rows(tx, organization, &wanted, &chrome.show, &catalog, ROWS)?;
        let active = wanted.filter.is_active();
        let all = if active { None } else { Some(wallet::line_count(tx, organization)?) };
        let pager = Pager {
            first: wanted.at.map(|_| wanted.filter.href(PATH, &["cursor"], &[])),
            next: found.next.map(|next| wanted.filter.next(PATH, LIST, &[next.number()])),
            position: position(found.items.len(), all),
        };
        let csv = wanted.filter.href("/transactions.csv", &["cursor"], &[]);
        let filter = TransactionFilter { form: wanted.filter.form, active };
        let send = transfer::offered(tx, &shared, &admitted)?;
        Ok(TransactionsPage { chrome, filter, rows: found.items, pager, csv, send })
    });
    html(StatusCode::OK, &page.await?)
}

fn position(shown: usize, all: Option<i64>) -> String {
    let count = |number: usize| format::count(u64::try_from(number).unwrap_or(0));
    match all.and_then(|all| u64::try_from(all).ok()) {
        Some(all) if all > 0 => format!("{} of {}", count(shown), format::counted(all, "transaction")),
        _ if shown == 0 => String::new(),
        _ => format!("{} shown", count(shown)),
    }
}

/// Exactly what is filtered, oldest pages last as on the page.
async fn csv(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let wanted = Wanted::parse(req.query_string());
    wanted.filter.strictly()?;
    let shared = state.clone();
    let csv = state.db.read(move |tx| -> Result<_, ApiError> {
        let show = chrome::show(&shared, &organizations::get(tx, organization)?);
        let catalog = shared.catalog.get(tx)?;
        let found = rows(tx, organization, &wanted, &show, &catalog, CSV_ROWS)?;
        if found.next.is_some() {
            return Err(too_many(CSV_ROWS));
        }
        Ok(table(&found.items, &show))
    });
    Ok(csv.await?.answer("transactions.csv"))
}

fn table(rows: &[TransactionRow], show: &Show) -> Csv {
    let mut csv = Csv::new(&[
        "transaction",
        "time",
        "timezone",
        "type",
        "description",
        "credit",
        "credits",
        "balance_after",
        "expires",
    ]);
    for row in rows {
        let classes: Vec<&str> = row.classes.iter().map(|tone| tone.class()).collect();
        csv.text(&row.id)
            .text(&show.zone.local(row.at).to_string())
            .text(show.zone.name())
            .text(&row.kind)
            .text(&row.description.replace('\u{a0}', " "))
            .text(&classes.join(" "))
            .number(row.amount)
            .number(row.balance_after)
            .text(&row.expires.map(|at| show.zone.local(at).to_string()).unwrap_or_default())
            .end();
    }
    csv
}

async fn one(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<TransactionId>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let shared = state.clone();
    let page = state.db.read(move |tx| -> Result<_, ApiError> {
        let line = statement::line(tx, organization, id)?.ok_or_else(|| ApiError::new(Code::NotFound))?;
        let crumbs = vec![
            Crumb::link("My Credit", "/overview"),
            Crumb::link("Transactions", PATH),
            Crumb::here(id.to_string()),
        ];
        let chrome = chrome::chrome(&shared, &admitted, tx, Section::Transactions, crumbs)?;
        let catalog = shared.catalog.get(tx)?;
        let for_operator = admitted.principal()?.is_operator();
        let (row, draws) = {
            let mut grants = Grants::new(tx, &chrome.show);
            (grants.row(organization, &line, &catalog)?, grants.of_line(organization, &line)?)
        };
        Ok(TransactionPage {
            chrome,
            row,
            draws,
            usage_item: line.usage.as_ref().map(|_| UsageItemId::new(id.number()).to_string()),
            reason: Some(line.description).filter(|_| line.kind == TransactionType::Adjustment),
            actor: actor(tx, &line.actor, for_operator)?,
            corrects: line.corrects.map(|id| id.to_string()),
            corrected_by: statement::voided_by(tx, id.number())?.map(|id| TransactionId::new(id).to_string()),
            hash: ledger::commit_of(tx, id.number())?.map(|commit| hex::encode(commit.hash)),
            metadata: attached(line.metadata.as_deref()),
        })
    });
    html(StatusCode::OK, &page.await?)
}
