//! Probes and counters.

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::State;
use super::access::Access;
use super::error::ApiError;
use super::route::Table;
use crate::db::{DbError, ReadTx};

/// `/healthz`, `/readyz`, `/metrics`.
pub fn routes(table: &mut Table) {
    table.plain(Method::GET, "/healthz", Access::OPEN, healthz);
    table.plain(Method::GET, "/readyz", Access::OPEN, readyz);
    table.plain(Method::GET, "/metrics", Access::MONITORING, metrics);
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// The process answers.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// The database can be read, and the writer commits.
async fn readyz(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let version = |tx: &ReadTx<'_>| tx.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    state.db.read(move |tx| version(tx).map_err(DbError::from)).await?;
    state.db.write(|_| Ok::<(), DbError>(())).await?;
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}

async fn metrics(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(state.metrics.text(&state.db))
}
