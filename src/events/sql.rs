//! Statements of events.

use rusqlite::{Connection, Row, params};

use super::{Event, Kind};
use crate::base::Timestamp;
use crate::base::id::{EventId, OrganizationId};
use crate::db::{self, DbError};

const SELECT: &str = "SELECT id, organization_id, type, data, at FROM events";

fn from_row(row: &Row<'_>) -> Result<Event, DbError> {
    let id: EventId = row.get(0)?;
    let kind = Kind::from_name(&row.get::<_, String>(2)?);
    Ok(Event {
        id,
        organization: row.get(1)?,
        kind: kind.ok_or_else(|| DbError::bad_row("events", id.number(), "type"))?,
        data: row.get(3)?,
        at: row.get(4)?,
    })
}

fn collect(conn: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<Event>, DbError> {
    db::collect(conn, &format!("{SELECT} {tail}"), params, from_row)
}

pub(super) fn insert(
    conn: &Connection,
    organization: Option<OrganizationId>,
    kind: Kind,
    data: &str,
    now: Timestamp,
) -> Result<EventId, DbError> {
    conn.prepare_cached("INSERT INTO events (organization_id, type, data, at) VALUES (?, ?, ?, ?)")?
        .execute(params![organization, kind.name(), data, now])?;
    Ok(EventId::new(conn.last_insert_rowid()))
}

pub(super) fn get(conn: &Connection, id: EventId) -> Result<Option<Event>, DbError> {
    Ok(collect(conn, "WHERE id = ?", [id])?.pop())
}

pub(super) fn after(
    conn: &Connection,
    id: i64,
    limit: u32,
) -> Result<Vec<(EventId, Option<Event>)>, DbError> {
    let text = format!("{SELECT} WHERE id > ? ORDER BY id LIMIT ?");
    db::collect(conn, &text, params![id, limit], |row| {
        let known = Kind::from_name(&row.get::<_, String>(2)?).is_some();
        Ok((row.get(0)?, known.then(|| from_row(row)).transpose()?))
    })
}

pub(super) fn newest(
    conn: &Connection,
    organization: OrganizationId,
    limit: u32,
) -> Result<Vec<Event>, DbError> {
    collect(conn, "WHERE organization_id = ? ORDER BY id DESC LIMIT ?", params![organization, limit])
}

pub(super) fn exists(
    conn: &Connection,
    organization: OrganizationId,
    kind: Kind,
    field: &str,
    text: &str,
) -> Result<bool, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM events WHERE organization_id = ? AND type = ? AND json_extract(data, '$.' || ?) = ?)",
    )?;
    Ok(statement.query_row(params![organization, kind.name(), field, text], |row| row.get(0))?)
}

pub(super) fn delete_before(
    conn: &Connection,
    than: Timestamp,
    told: i64,
    limit: u32,
) -> Result<usize, DbError> {
    let mut statement = conn.prepare_cached(
        // numbered in the order of their times: the oldest are looked at, and no more
        "DELETE FROM events WHERE at < ? AND id IN (SELECT id FROM events WHERE id <= ? ORDER BY id LIMIT ?)",
    )?;
    Ok(statement.execute(params![than, told, limit])?)
}
