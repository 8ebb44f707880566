//! Probes and counters.

use std::path::Path;

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::State;
use super::access::Access;
use super::error::{ApiError, Code};
use super::route::Table;
use crate::db::{DbError, ReadTx};
use crate::identity::{self, settings};

/// Written beside the database, and removed, to see whether there is room.
const PROBE: &str = ".ready";
/// A disk with less than this left is as good as full.
const PROBE_BYTES: usize = 1 << 20;

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

/// The database can be read, there is room for more where it is, and a row that is written is on disk.
async fn readyz(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    ready(&state).await.map_err(|error| {
        tracing::warn!(%error, "not ready");
        ApiError::new(Code::Unavailable).retry_after(1)
    })?;
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}

async fn ready(state: &State) -> Result<(), identity::Error> {
    let version = |tx: &ReadTx<'_>| tx.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    state.db.read(move |tx| version(tx).map_err(DbError::from)).await?;
    let probe = state.db.file().with_file_name(PROBE);
    let has_room = web::block(move || has_room(&probe)).await;
    has_room.map_err(|_| DbError::Stopped)??;
    state.db.write(|tx| settings::set(tx, settings::READY_AT, &tx.now())).await
}

/// A commit may find room in the log while the disk is full, and the next one not: only new room tells.
fn has_room(probe: &Path) -> Result<(), DbError> {
    let written = std::fs::write(probe, vec![0; PROBE_BYTES]);
    // another probe may have removed it already
    let _ = std::fs::remove_file(probe);
    written.map_err(|error| DbError::io(probe, &error))
}

async fn metrics(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(state.metrics.text(&state.db))
}
