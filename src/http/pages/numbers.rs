//! `/numbers`: phone numbers that are rented by the month.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::{Notice, Tone};
use super::views::numbers::{NumberRow, NumbersPage};
use super::views::{Crumb, Section};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::params::{FromParams, Params, Query};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::numbers;

const PATH: &str = "/numbers";
/// Numbers on one page.
const LISTED: u32 = 100;

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, PATH, Access::organization(Scope::BillingRead), page);
    table.page(Method::POST, "/numbers/release", Access::session(Scope::BillingWrite), release);
}

/// What was just done, and which page is wanted.
struct Asked {
    done: bool,
    before: Option<i64>,
}

impl FromParams for Asked {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self { done: params.text("done").is_some(), before: params.optional("before") })
    }
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    Query(asked): Query<Asked>,
) -> Result<HttpResponse, ApiError> {
    let mut page = state.db.read_blocking(|tx| read(tx, &state, &admitted, asked.before))?;
    if asked.done {
        let text = "The number is given up: it is released when the month that is paid for is over.";
        page.chrome.notice = Some(Notice { tone: Tone::Good, text: text.into(), link: None });
    }
    html(StatusCode::OK, &page)
}

fn read(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    before: Option<i64>,
) -> Result<NumbersPage, ApiError> {
    let organization = admitted.organization()?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Numbers")];
    let chrome = chrome::chrome(state, admitted, tx, Section::Numbers, crumbs)?;
    let catalog = state.catalog.get(tx)?;
    let found = numbers::list(tx, organization, before, LISTED)?;
    let mut rows = Vec::with_capacity(found.items.len());
    for rental in found.items {
        let rent = numbers::rent(tx, &catalog, organization, rental.kind, tx.now())?;
        rows.push(NumberRow { rental, rent });
    }
    Ok(NumbersPage {
        chrome,
        rows,
        may_edit: admitted.principal()?.may_in_session(Scope::BillingWrite, organization).is_ok(),
        older: found.next.map(|next| format!("{PATH}?before={next}")),
    })
}

async fn release(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let number = form.text("number").to_owned();
    state.db.write(move |tx| numbers::give_up(tx, &by, organization, &number)).await?;
    Ok(redirect(&format!("{PATH}?done=released")))
}
