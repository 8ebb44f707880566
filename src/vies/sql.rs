//! Which VAT ids are due to be asked about.

use rusqlite::{Connection, params};

use crate::base::Timestamp;
use crate::base::id::OrganizationId;
use crate::db::{self, DbError};

/// Organizations after `after` that have a VAT id which the register said nothing about since `before`, by number.
pub(super) fn due(
    conn: &Connection,
    before: Timestamp,
    after: i64,
    limit: u32,
) -> Result<Vec<(OrganizationId, String)>, DbError> {
    db::collect(
        conn,
        "SELECT id, vat_id FROM organizations
         WHERE vat_id <> '' AND id > ?1 AND (vat_id_checked_at IS NULL OR vat_id_checked_at < ?2)
         ORDER BY id LIMIT ?3",
        params![after, before, limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Whether it is going to be asked about one anyway.
pub(super) fn waits(conn: &Connection, kind: &str, subject: &str) -> Result<bool, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE state = 'waiting' AND kind = ?1 AND subject = ?2)",
    )?;
    Ok(statement.query_row([kind, subject], |row| row.get(0))?)
}
