//! The operator's pages.

mod create;
mod credit;
mod deliveries;
mod detail;
mod keys;
mod list;
mod money;
mod packages;
mod people;
mod prices;
mod reports;
mod seeing;
mod seller;
mod standing;

use actix_web::HttpResponse;

use crate::base::id::OrganizationId;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::pages::chrome::{chrome, show};
use crate::http::pages::entry::ORGANIZATIONS;
use crate::http::pages::views::{Chrome, Crumb, Section};
use crate::http::route::Table;
use crate::identity::{Organization, Scope};

const ADMIN: Access = Access::operator(Scope::Admin);

pub(super) fn routes(table: &mut Table) {
    list::routes(table);
    create::routes(table);
    detail::routes(table);
    standing::routes(table);
    people::routes(table);
    keys::routes(table);
    prices::routes(table);
    credit::routes(table);
    seeing::routes(table);
    money::routes(table);
    packages::routes(table);
    reports::routes(table);
    seller::routes(table);
    deliveries::routes(table);
}

/// The page of an organization.
fn page_of(id: OrganizationId) -> String {
    format!("{ORGANIZATIONS}/{id}")
}

/// The way to a page below the list.
fn crumbs(rest: Vec<Crumb>) -> Vec<Crumb> {
    let mut crumbs = vec![Crumb::here("Operator"), Crumb::link("Organizations", ORGANIZATIONS)];
    crumbs.extend(rest);
    crumbs
}

/// What a handler answers.
type Answered = Result<HttpResponse, ApiError>;

/// The page of an organization, saying what was done.
fn done_at(id: OrganizationId, done: &str) -> String {
    format!("{}?done={done}", page_of(id))
}

/// What stands around a page below an organization's.
fn around(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    organization: &Organization,
    here: &str,
) -> Result<Chrome, ApiError> {
    let way =
        crumbs(vec![Crumb::link(organization.name.clone(), page_of(organization.id)), Crumb::here(here)]);
    about(state, admitted, tx, organization, way)
}

/// What stands around a page about an organization: amounts and times are its own.
fn about(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    organization: &Organization,
    way: Vec<Crumb>,
) -> Result<Chrome, ApiError> {
    let mut chrome = chrome(state, admitted, tx, Section::Organizations, way)?;
    chrome.show = show(state, organization);
    Ok(chrome)
}
