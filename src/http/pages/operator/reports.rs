//! What is owed to customers as credit, in money, over a range of days, and its CSV.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::{ADMIN, Answered};
use crate::base::{Day, Zone};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::pages::chrome::{chrome, html};
use crate::http::pages::csv::Csv;
use crate::http::pages::filter::Filter;
use crate::http::pages::views::{Crumb, ReportsPage, Section};
use crate::http::route::Table;
use crate::revenue::{self, Liability};

const PATH: &str = "/operator/reports";
const CSV: &str = "/operator/reports.csv";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, page);
    table.page(Method::GET, CSV, ADMIN, csv);
}

/// The days that are wanted, both included: this month until today unless others are.
struct Wanted {
    filter: Filter,
    from: Day,
    to: Day,
}

impl Wanted {
    fn new(query: &str, today: Day) -> Self {
        let mut filter = Filter::parse(query, &["from", "to"]);
        let (from, to) = filter.days();
        let to = to.unwrap_or_else(|| from.map_or(today, |from| today.max(from)));
        let from = from.unwrap_or_else(|| to.first_of_month());
        Self { filter, from, to }
    }

    fn report(&self, tx: &ReadTx<'_>) -> Result<Vec<Liability>, ApiError> {
        Ok(revenue::liability(tx, self.from, self.to.plus_days(1))?)
    }
}

async fn page(state: web::Data<State>, admitted: Admitted, req: HttpRequest) -> Answered {
    let query = req.query_string().to_owned();
    let shared = state.clone();
    let page = state.db.read(move |tx| -> Result<_, ApiError> {
        let wanted = Wanted::new(&query, Zone::UTC.day_of(tx.now()));
        let crumbs = vec![Crumb::here("Operator"), Crumb::here("Reports")];
        let mut chrome = chrome(&shared, &admitted, tx, Section::Reports, crumbs)?;
        // the money ledger's days are the same for all
        chrome.show.zone = Zone::UTC;
        let rows = wanted.report(tx)?;
        let Wanted { filter, from, to } = wanted;
        let csv = filter.href(CSV, &[], &[]);
        let mut form = filter.form;
        for (name, day) in [("from", from), ("to", to)] {
            form.values.entry(name.to_owned()).or_insert_with(|| day.to_string());
        }
        Ok(ReportsPage { chrome, form, from, to, rows, csv })
    });
    html(StatusCode::OK, &page.await?)
}

async fn csv(state: web::Data<State>, req: HttpRequest) -> Answered {
    let query = req.query_string().to_owned();
    let csv = state.db.read(move |tx| -> Result<_, ApiError> {
        let wanted = Wanted::new(&query, Zone::UTC.day_of(tx.now()));
        wanted.filter.strictly()?;
        Ok(table(&wanted.report(tx)?))
    });
    Ok::<HttpResponse, ApiError>(csv.await?.answer("liability.csv"))
}

fn table(rows: &[Liability]) -> Csv {
    let mut csv =
        Csv::new(&["currency", "open", "sold", "earned", "expired", "refunded", "disputed", "close"]);
    for row in rows {
        csv.text(row.open.currency.code());
        for money in [row.open, row.sold, row.earned, row.expired, row.refunded, row.disputed, row.close] {
            csv.number(money.amount());
        }
        csv.end();
    }
    csv
}
