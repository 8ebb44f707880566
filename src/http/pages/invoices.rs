//! Invoices and credit notes: the list with its filter, its CSV, each one's own page and file.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use rusqlite::Connection;

use super::chrome::{self, html};
use super::csv::{Csv, too_many};
use super::filter::{Filter, instants};
use super::format::{self, Show};
use super::taxation;
use super::views::invoices::{InvoiceFilter, InvoiceLine, InvoicePage, InvoiceRow, InvoicesPage};
use super::views::{Crumb, Section};
use crate::base::Day;
use crate::base::id::InvoiceId;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::api::invoices::pdf_answer;
use crate::http::error::ApiError;
use crate::http::pages::components::Pager;
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::identity::{BillingDetails, Scope, organizations};
use crate::invoices::{self, Invoice, Kind, Status, pdf};

const PATH: &str = "/invoices";
const LIST: &str = "invoices_page";
const NAMES: [&str; 4] = ["from", "to", "kind", "cursor"];
/// Rows of one page.
const ROWS: u32 = 25;
/// Rows of one CSV file at most.
const CSV_ROWS: u32 = 10_000;

pub(super) fn register(table: &mut Table) {
    let access = Access::organization(Scope::BillingRead);
    table.page(Method::GET, PATH, access, list);
    table.page(Method::GET, "/invoices.csv", access, csv);
    table.page(Method::GET, "/invoices/{id}", access, one);
    table.page(Method::GET, "/invoices/{id}/pdf", access, file);
}

/// Which documents, as read from the address.
struct Wanted {
    filter: Filter,
    days: (Option<Day>, Option<Day>),
    kind: Option<Kind>,
    at: Option<i64>,
}

impl Wanted {
    fn parse(query: &str) -> Self {
        let mut filter = Filter::parse(query, &NAMES);
        let days = filter.days();
        let kind = filter.read("kind", "must be invoice or credit_note", Kind::from_name);
        let at = filter.cursor::<1>(LIST).map(|[number]| number);
        Self { filter, days, kind, at }
    }

    fn which(&self, show: &Show) -> invoices::Filter {
        let (from, to) = self.days;
        invoices::Filter {
            from: from.map(|day| instants(&show.zone, day, day).0),
            to: to.map(|day| instants(&show.zone, day, day).1),
            kind: self.kind,
        }
    }
}

const fn kind_label(kind: Kind) -> &'static str {
    match kind {
        Kind::Invoice => "Invoice",
        Kind::CreditNote => "Credit note",
    }
}

const fn status_label(status: Status) -> &'static str {
    match status {
        Status::Open => "Open",
        Status::Paid => "Paid",
        Status::PartlyCredited => "Partly credited",
        Status::Credited => "Credited",
        Status::Refunded => "Refunded",
    }
}

fn row(conn: &Connection, issued: &Invoice) -> Result<InvoiceRow, ApiError> {
    let credited = invoices::credited(conn, issued)?;
    Ok(InvoiceRow {
        id: issued.id.to_string(),
        number: issued.label(),
        kind: kind_label(issued.kind),
        day: format::day(issued.issue_day),
        net: format::money(issued.amounts.net),
        tax: format::money(issued.amounts.tax),
        total: format::money(issued.amounts.total),
        status: status_label(issued.status(credited)),
    })
}

async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = admitted.organization()?;
    let wanted = Wanted::parse(req.query_string());
    let shared = state.clone();
    let page = state.db.read(move |tx| -> Result<_, ApiError> {
        let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Invoices")];
        let chrome = chrome::chrome(&shared, &admitted, tx, Section::Invoices, crumbs)?;
        let organization = organizations::get(tx, id)?;
        let tax = taxation::notice(&organization, taxation::treatment(&shared, tx, &organization)?);
        let which = wanted.which(&chrome.show);
        let found = invoices::search(tx, id, &which, wanted.at, ROWS)?;
        let all = u64::try_from(invoices::count(tx, id, &which)?).unwrap_or(0);
        let rows: Vec<_> = found.items.iter().map(|issued| row(tx, issued)).collect::<Result<_, _>>()?;
        let shown = format::count(u64::try_from(rows.len()).unwrap_or(0));
        let position =
            if all == 0 { String::new() } else { format!("{shown} of {}", format::counted(all, "document")) };
        let pager = Pager {
            first: wanted.at.map(|_| wanted.filter.href(PATH, &["cursor"], &[])),
            next: found.next.map(|next| wanted.filter.next(PATH, LIST, &[next])),
            position,
        };
        let csv = wanted.filter.href("/invoices.csv", &["cursor"], &[]);
        let active = wanted.filter.is_active();
        let filter = InvoiceFilter { form: wanted.filter.form, active };
        Ok(InvoicesPage { chrome, tax, filter, rows, pager, csv })
    });
    html(StatusCode::OK, &page.await?)
}

/// Exactly what is filtered.
async fn csv(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = admitted.organization()?;
    let wanted = Wanted::parse(req.query_string());
    wanted.filter.strictly()?;
    let shared = state.clone();
    let csv = state.db.read(move |tx| -> Result<_, ApiError> {
        let show = chrome::show(&shared, &organizations::get(tx, id)?);
        let found = invoices::search(tx, id, &wanted.which(&show), wanted.at, CSV_ROWS)?;
        if found.next.is_some() {
            return Err(too_many(usize::try_from(CSV_ROWS).unwrap_or(usize::MAX)));
        }
        table(tx, &found.items)
    });
    Ok(csv.await?.answer("invoices.csv"))
}

fn table(conn: &Connection, items: &[Invoice]) -> Result<Csv, ApiError> {
    let mut csv = Csv::new(&[
        "number",
        "kind",
        "date",
        "currency",
        "net",
        "tax",
        "total",
        "tax_rate",
        "treatment",
        "tax_country",
        "status",
        "paid_with",
        "reason",
    ]);
    for issued in items {
        let status = issued.status(invoices::credited(conn, issued)?);
        csv.text(&issued.label())
            .text(issued.kind.name())
            .text(&issued.issue_day.to_string())
            .text(issued.currency().code())
            .number(issued.amounts.net.amount())
            .number(issued.amounts.tax.amount())
            .number(issued.amounts.total.amount())
            .number(issued.rate)
            .text(issued.treatment.name())
            .text(issued.tax_country.map(crate::tax::Country::code).unwrap_or_default())
            .text(status.name())
            .text(issued.paid.as_ref().map_or("", |paid| paid.with.as_str()))
            .text(&issued.reason)
            .end();
    }
    Ok(csv)
}

fn address(of: &BillingDetails) -> Vec<String> {
    let town = format!("{} {}", of.postal_code, of.city);
    let vat_id = if of.vat_id.is_empty() { String::new() } else { format!("VAT ID {}", of.vat_id) };
    let lines = [
        of.company_name.as_str(),
        &of.address_line1,
        &of.address_line2,
        town.trim(),
        &of.region,
        &of.country,
        &vat_id,
        &of.billing_email,
    ];
    lines.into_iter().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

async fn one(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<InvoiceId>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let issued = invoices::get(tx, organization, id)?;
        let crumbs = vec![
            Crumb::link("My Credit", "/overview"),
            Crumb::link("Invoices", PATH),
            Crumb::here(issued.label()),
        ];
        let chrome = chrome::chrome(&state, &admitted, tx, Section::Invoices, crumbs)?;
        let corrects = match issued.corrects {
            Some(id) => Some((id.to_string(), invoices::get(tx, organization, id)?.label())),
            None => None,
        };
        let credited = invoices::credited(tx, &issued)?.total;
        let country = issued.tax_country.map(|country| format!(" ({country})")).unwrap_or_default();
        let line = |line: &invoices::Line| InvoiceLine {
            description: line.description.clone(),
            quantity: line.quantity.to_string(),
            net: format::money(line.net),
        };
        let paid = issued.paid.as_ref().map(|paid| {
            let day = format::day(chrome.show.zone.day_of(paid.at));
            if paid.with.is_empty() { day } else { format!("{day} with {}", paid.with) }
        });
        Ok(InvoicePage {
            row: row(tx, &issued)?,
            lines: issued.lines.iter().map(line).collect(),
            tax_label: format!("{} % tax{country}", issued.rate),
            credited: if credited.minor > 0 { format::money(credited) } else { String::new() },
            paid: paid.unwrap_or_default(),
            corrects,
            reason: issued.reason.clone(),
            note: issued.note.clone(),
            seller: address(&issued.seller),
            buyer: address(&issued.buyer),
            chrome,
        })
    })?;
    html(StatusCode::OK, &page)
}

async fn file(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<InvoiceId>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let letterhead = Arc::new(state.settings.looks.letterhead());
    let (issued, content) = pdf::fetch(&state.db, letterhead, organization, id).await?;
    Ok(pdf_answer(&issued, content))
}
