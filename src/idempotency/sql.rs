//! The statements.

use rusqlite::{Connection, OptionalExtension, params};

use crate::base::Timestamp;
use crate::db::DbError;

/// A stored answer.
pub(super) struct Stored {
    pub(super) fingerprint: Vec<u8>,
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

pub(super) fn find(conn: &Connection, owner: &str, key: &str) -> Result<Option<Stored>, DbError> {
    let mut statement = conn
        .prepare_cached("SELECT fingerprint, status, body FROM idempotency WHERE owner = ?1 AND key = ?2")?;
    let stored = statement
        .query_row(params![owner, key], |row| {
            Ok(Stored { fingerprint: row.get(0)?, status: row.get(1)?, body: row.get(2)? })
        })
        .optional()?;
    Ok(stored)
}

pub(super) fn insert(
    conn: &Connection,
    owner: &str,
    key: &str,
    stored: &Stored,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO idempotency (owner, key, fingerprint, status, body, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![owner, key, stored.fingerprint, stored.status, stored.body, now])?;
    Ok(())
}

pub(super) fn delete_older(conn: &Connection, than: Timestamp, limit: u32) -> Result<usize, DbError> {
    let mut statement = conn.prepare_cached(
        "DELETE FROM idempotency WHERE id IN
             (SELECT id FROM idempotency WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)",
    )?;
    Ok(statement.execute(params![than, limit])?)
}
