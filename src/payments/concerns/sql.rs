//! Statements of what waits for a person.

use rusqlite::{Connection, Row, params};

use super::{Concern, Kind};
use crate::base::Timestamp;
use crate::base::id::{ConcernId, OrganizationId};
use crate::db::{self, DbError};

const COLUMNS: &str = "id, kind, subject, detail, organization_id, at, times";

fn from_row(row: &Row<'_>) -> Result<Concern, DbError> {
    let id: ConcernId = row.get(0)?;
    let kind: String = row.get(1)?;
    Ok(Concern {
        id,
        kind: Kind::from_name(&kind)
            .ok_or_else(|| DbError::bad_row("payment_concerns", id.number(), kind))?,
        subject: row.get(2)?,
        detail: row.get(3)?,
        organization: row.get(4)?,
        at: row.get(5)?,
        times: row.get(6)?,
    })
}

/// `again`: it is open again where it was closed.
pub(super) fn raise(
    conn: &Connection,
    kind: Kind,
    (subject, detail): (&str, &str),
    organization: Option<OrganizationId>,
    (now, again): (Timestamp, bool),
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO payment_concerns (kind, subject, detail, organization_id, at) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (kind, subject, detail) DO UPDATE SET times = times + 1, closed_at = iif(?, NULL, closed_at)",
    )?
    .execute(params![kind.name(), subject, detail, organization, now, again])?;
    Ok(())
}

pub(super) fn open(conn: &Connection, before: Option<i64>, limit: u32) -> Result<Vec<Concern>, DbError> {
    let query = format!(
        "SELECT {COLUMNS} FROM payment_concerns WHERE closed_at IS NULL AND id < ? ORDER BY id DESC LIMIT ?"
    );
    db::collect(conn, &query, params![before.unwrap_or(i64::MAX), limit], from_row)
}

/// What was open, and is not any more.
pub(super) fn close(conn: &Connection, id: ConcernId, now: Timestamp) -> Result<Option<Concern>, DbError> {
    let query = format!(
        "UPDATE payment_concerns SET closed_at = ? WHERE id = ? AND closed_at IS NULL RETURNING {COLUMNS}"
    );
    Ok(db::collect(conn, &query, params![now, id], from_row)?.pop())
}
