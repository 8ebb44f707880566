//! Numbered migrations, embedded in the binary.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use super::error::DbError;

const STEPS: &[M<'static>] = &[
    M::up(include_str!("../../migrations/0001_identity.sql")),
    M::up(include_str!("../../migrations/0002_catalog.sql")),
    M::up(include_str!("../../migrations/0003_ledger.sql")),
    M::up(include_str!("../../migrations/0004_usage.sql")),
    M::up(include_str!("../../migrations/0005_limits.sql")),
    M::up(include_str!("../../migrations/0006_calls.sql")),
    M::up(include_str!("../../migrations/0007_invoices.sql")),
    M::up(include_str!("../../migrations/0008_payments.sql")),
    M::up(include_str!("../../migrations/0009_telling.sql")),
    M::up(include_str!("../../migrations/0010_subscriptions.sql")),
    M::up(include_str!("../../migrations/0012_jobs.sql")),
    M::up(include_str!("../../migrations/0013_numbers.sql")),
];

/// The schema version this program writes.
pub const SCHEMA_VERSION: usize = STEPS.len();

/// Brings the schema up to date; each step runs in its own transaction.
pub(super) fn run(conn: &mut Connection) -> Result<(), DbError> {
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = i64::try_from(SCHEMA_VERSION).unwrap_or(i64::MAX);
    if found > known {
        return Err(DbError::TooNew { found, known });
    }
    if found < known {
        Migrations::from_slice(STEPS).to_latest(conn)?;
    }
    Ok(())
}
