//! The API's document, and a page to read it and try it. Everything it needs is in the binary.

use actix_web::http::{Method, header};
use actix_web::{HttpResponse, web};

use super::State;
use super::access::Access;
use super::route::Table;

const PAGE: &str = include_str!("../../templates/pages/docs.html");

/// `/openapi.json` and `/docs`.
pub fn routes(table: &mut Table) {
    table.plain(Method::GET, "/openapi.json", Access::OPEN, document);
    table.page(Method::GET, "/docs", Access::OPEN, page);
}

async fn document(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(state.document.clone())
}

async fn page() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(PAGE)
}
