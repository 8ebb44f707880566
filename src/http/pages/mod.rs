//! The pages: templates, the view models they are filled from, and how amounts and times are written.

pub mod brand;
pub mod choices;
pub mod chrome;
pub mod components;
mod csv;
mod customer;
mod entry;
pub mod failure;
mod filter;
pub mod format;
pub mod forms;
mod limits;
mod operator;
pub mod outlook;
mod overview;
mod setup;
mod transactions;
mod usage;
mod usage_day;
mod usage_item;
pub mod views;

use actix_web::http::{Method, header};
use actix_web::{HttpResponse, web};

use super::State;
use super::access::Access;
use super::route::Table;

/// All pages.
pub fn register(table: &mut Table) {
    table.plain(Method::GET, "/static/brand.css", Access::OPEN, brand_style);
    overview::register(table);
    usage::register(table);
    usage_day::register(table);
    usage_item::register(table);
    transactions::register(table);
    limits::register(table);
    entry::routes(table);
    setup::routes(table);
    operator::routes(table);
}

/// The operator's colour.
async fn brand_style(state: web::Data<State>) -> HttpResponse {
    let css = state.settings.brand_accent.parse().map(brand::stylesheet).unwrap_or_default();
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .body(css)
}
