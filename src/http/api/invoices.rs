//! Invoices and credit notes.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use rusqlite::Connection;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::base::id::InvoiceId;
use crate::base::{Money, Quantity, Timestamp};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::list::{Between, List, Paging, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::{API, Table};
use crate::identity::{BillingDetails, Scope};
use crate::invoices::{self, Filter, Kind, pdf};
use crate::tax::{Country, Rate};

use super::details::Details;

const LIST: &str = "invoices";

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::BillingRead), list);
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
    table.api(__path_file, Access::organization(Scope::BillingRead), file);
}

/// A document as it was issued, and how it stands.
#[derive(Serialize, ToSchema)]
struct Invoice {
    id: InvoiceId,
    /// Such as `INV-2026-000042`.
    number: String,
    /// `invoice` or `credit_note`.
    kind: &'static str,
    issued_at: Timestamp,
    /// The day that is printed; UTC.
    #[schema(format = Date)]
    issue_date: String,
    net: Money,
    tax: Money,
    total: Money,
    /// In percent, such as `21` or `25.5`.
    #[schema(value_type = String)]
    tax_rate: Rate,
    /// `domestic`, `destination`, `reverse_charge` or `outside_scope`.
    treatment: &'static str,
    /// Whose tax it is.
    #[schema(value_type = Option<String>)]
    tax_country: Option<Country>,
    /// Of an invoice `open`, `paid`, `partly_credited` or `credited`; of a credit note `open` until the money went back,
    /// then `refunded`.
    status: &'static str,
    /// What credit notes have given back of it, with tax.
    credited: Money,
    paid_at: Option<Timestamp>,
    /// With what it was paid.
    paid_with: Option<String>,
    /// Of a credit note, its invoice.
    corrects: Option<InvoiceId>,
    /// What the law wants said about the tax; empty for nothing.
    note: String,
    /// Of a credit note, why it was issued.
    reason: Option<String>,
    /// Where its PDF is.
    pdf_url: String,
}

impl Invoice {
    fn new(state: &State, conn: &Connection, issued: &invoices::Invoice) -> Result<Self, ApiError> {
        let credited = invoices::credited(conn, issued)?;
        let paid = issued.paid.as_ref();
        Ok(Self {
            id: issued.id,
            number: issued.label(),
            kind: issued.kind.name(),
            issued_at: issued.issued_at,
            issue_date: issued.issue_day.to_string(),
            net: issued.amounts.net,
            tax: issued.amounts.tax,
            total: issued.amounts.total,
            tax_rate: issued.rate,
            treatment: issued.treatment.name(),
            tax_country: issued.tax_country,
            status: issued.status(credited).name(),
            credited: credited.total,
            paid_at: paid.map(|paid| paid.at),
            paid_with: paid.map(|paid| paid.with.clone()).filter(|with| !with.is_empty()),
            corrects: issued.corrects,
            note: issued.note.clone(),
            reason: Some(issued.reason.clone()).filter(|reason| !reason.is_empty()),
            pdf_url: format!("{}{API}/billing/invoices/{}/pdf", state.settings.public_url, issued.id),
        })
    }
}

/// Which documents.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// `invoice` or `credit_note`.
    kind: Option<String>,
}

struct ListQuery(Filter, Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        let period = params.period();
        let name = params.text("kind");
        let kind = name.as_deref().and_then(Kind::from_name);
        if name.is_some() && kind.is_none() {
            params.error("kind", "invalid_value", "must be invoice or credit_note");
        }
        let filter = Filter { from: period.from, to: period.to, kind };
        Some(Self(filter, Window::from_params(params, LIST)))
    }
}

/// List invoices and credit notes, newest first
#[utoipa::path(get, path = "/billing/invoices", tag = "billing", params(Which, Between, Paging),
    responses((status = 200, description = "A page of documents.", body = List<Invoice>)))]
async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(ListQuery(filter, window)): Query<ListQuery>,
) -> Answer<List<Invoice>> {
    let organization = admitted.organization()?;
    let shared = state.clone();
    let found = state.db.read(move |tx| -> Result<_, ApiError> {
        let page = invoices::search(tx, organization, &filter, window.before(), window.limit)?;
        let count = invoices::count(tx, organization, &filter)?;
        let mut views = Vec::with_capacity(page.items.len());
        for issued in &page.items {
            views.push(Invoice::new(&shared, tx, issued)?);
        }
        let page = crate::base::Page { items: views, next: page.next };
        Ok(List::from_page(LIST, page, |view| view).with_total(u64::try_from(count).unwrap_or(0)))
    });
    Ok(Reply::ok(found.await?))
}

/// A line of a document.
#[derive(Serialize, ToSchema)]
struct InvoiceLine {
    description: String,
    quantity: Quantity,
    net: Money,
}

/// A document with what is printed on it.
#[derive(Serialize, ToSchema)]
struct InvoiceDetail {
    #[serde(flatten)]
    invoice: Invoice,
    /// Who issued it, as it was then.
    seller: Details,
    /// Whom it went to, as it was then.
    buyer: Details,
    lines: Vec<InvoiceLine>,
}

/// Get an invoice or credit note
#[utoipa::path(get, path = "/billing/invoices/{id}", tag = "billing",
    params(("id" = InvoiceId, Path, description = "The document.")),
    responses((status = 200, description = "The document.", body = InvoiceDetail)))]
async fn get(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<InvoiceId>,
) -> Answer<InvoiceDetail> {
    let organization = admitted.organization()?;
    state.db.read_blocking(|tx| {
        let issued = invoices::get(tx, organization, id)?;
        let invoice = Invoice::new(&state, tx, &issued)?;
        let details = |details: BillingDetails| Details::from(details);
        let line = |line: invoices::Line| InvoiceLine {
            description: line.description,
            quantity: line.quantity,
            net: line.net,
        };
        Ok(Reply::ok(InvoiceDetail {
            invoice,
            seller: details(issued.seller),
            buyer: details(issued.buyer),
            lines: issued.lines.into_iter().map(line).collect(),
        }))
    })
}

/// Get an invoice or credit note as PDF
///
/// The same bytes each time.
#[utoipa::path(get, path = "/billing/invoices/{id}/pdf", tag = "billing",
    params(("id" = InvoiceId, Path, description = "The document.")),
    responses((status = 200, description = "The PDF.", content_type = "application/pdf", body = Vec<u8>)))]
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

/// A PDF, to be saved under its number.
pub(in crate::http) fn pdf_answer(issued: &invoices::Invoice, content: Vec<u8>) -> HttpResponse {
    let disposition = format!("attachment; filename=\"{}.pdf\"", issued.label());
    HttpResponse::Ok()
        .content_type("application/pdf")
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .body(content)
}
