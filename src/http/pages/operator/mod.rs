//! The operator's pages.

mod create;
mod credit;
mod detail;
mod list;
mod seeing;

use crate::base::id::OrganizationId;
use crate::http::access::Access;
use crate::http::pages::entry::ORGANIZATIONS;
use crate::http::pages::views::Crumb;
use crate::http::route::Table;
use crate::identity::Scope;

const ADMIN: Access = Access::operator(Scope::Admin);

pub(super) fn routes(table: &mut Table) {
    list::routes(table);
    create::routes(table);
    detail::routes(table);
    credit::routes(table);
    seeing::routes(table);
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
