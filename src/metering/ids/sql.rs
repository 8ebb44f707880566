//! Statements of the index of event ids.

use rusqlite::{Connection, OptionalExtension, params};

use super::filter::Filter;
use super::{IdKey, Run};
use crate::base::id::OrganizationId;
use crate::db::DbError;
use crate::metering::external::ExternalId;

pub(super) fn run_numbers(conn: &Connection) -> Result<Vec<i64>, DbError> {
    let mut statement = conn.prepare_cached("SELECT run FROM usage_id_runs ORDER BY run")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn run(conn: &Connection, number: i64) -> Result<Run, DbError> {
    let mut statement =
        conn.prepare_cached("SELECT level, entries, last_item, filter FROM usage_id_runs WHERE run = ?")?;
    let (level, entries, last_item, filter): (i64, i64, i64, Vec<u8>) =
        statement.query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(Run { number, level, entries, last_item, filter: Filter::from_bytes(&filter, number)? })
}

pub(super) fn insert_run(conn: &Connection, run: &Run) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO usage_id_runs (run, level, last_item, entries, filter) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![run.number, run.level, run.last_item, run.entries, run.filter.to_bytes()])?;
    Ok(())
}

pub(super) fn delete_run(conn: &Connection, number: i64) -> Result<(), DbError> {
    conn.prepare_cached("DELETE FROM usage_id_runs WHERE run = ?")?.execute([number])?;
    Ok(())
}

/// A number above every run's and above that of every key.
pub(super) fn next_run(conn: &Connection) -> Result<i64, DbError> {
    let of_runs: i64 = conn
        .prepare_cached("SELECT coalesce(max(run), 0) FROM usage_id_runs")?
        .query_row([], |row| row.get(0))?;
    let of_keys: i64 = conn
        .prepare_cached("SELECT coalesce(max(run), 0) FROM usage_ids")?
        .query_row([], |row| row.get(0))?;
    Ok(of_runs.max(of_keys) + 1)
}

pub(super) fn insert_key(conn: &Connection, run: i64, key: IdKey, item: i64) -> Result<(), DbError> {
    conn.prepare_cached("INSERT INTO usage_ids (run, id_key, item_id) VALUES (?, ?, ?)")?
        .execute(params![run, key.0, item])?;
    Ok(())
}

pub(super) fn items_with_key(conn: &Connection, run: i64, key: IdKey) -> Result<Vec<i64>, DbError> {
    let mut statement = conn.prepare_cached("SELECT item_id FROM usage_ids WHERE run = ? AND id_key = ?")?;
    let rows = statement.query_map(params![run, key.0], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds a run's keys from `from` until before `until` (`None`: to the end).
pub(super) fn keys_between(
    conn: &Connection,
    run: i64,
    from: i64,
    until: Option<i64>,
    out: &mut Vec<(IdKey, i64)>,
) -> Result<(), DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT id_key, item_id FROM usage_ids WHERE run = ?1 AND id_key >= ?2 AND id_key <= ?3",
    )?;
    let last = until.map_or(i64::MAX, |until| until - 1);
    let rows = statement.query_map(params![run, from, last], |row| Ok((IdKey(row.get(0)?), row.get(1)?)))?;
    for row in rows {
        out.push(row?);
    }
    Ok(())
}

/// The keys of a run.
pub(super) fn each_key_of(conn: &Connection, run: i64, mut f: impl FnMut(IdKey, i64)) -> Result<(), DbError> {
    let mut statement = conn.prepare_cached("SELECT id_key, item_id FROM usage_ids WHERE run = ?")?;
    let mut rows = statement.query([run])?;
    while let Some(row) = rows.next()? {
        f(IdKey(row.get(0)?), row.get(1)?);
    }
    Ok(())
}

/// The keys of the events after an item; returns the last one's item.
pub(super) fn each_key_after(
    conn: &Connection,
    after: i64,
    mut f: impl FnMut(IdKey, i64),
) -> Result<i64, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT id, organization_id, event_id FROM usage_items
         WHERE id > ? AND head IS NULL AND corrects IS NULL ORDER BY id",
    )?;
    let mut rows = statement.query([after])?;
    let mut last = after;
    while let Some(row) = rows.next()? {
        let item: i64 = row.get(0)?;
        let organization: OrganizationId = row.get(1)?;
        let id: ExternalId = row.get(2)?;
        f(IdKey::new(organization, IdKey::hash_of(id.bytes())), item);
        last = item;
    }
    Ok(last)
}

/// Deletes up to `limit` keys that belong to no run. True when there may be more.
pub(super) fn delete_garbage(conn: &Connection, limit: usize) -> Result<bool, DbError> {
    let mut above = i64::MIN;
    while let Some(run) = next_run_of_keys(conn, above)? {
        above = run;
        let known = conn
            .prepare_cached("SELECT 1 FROM usage_id_runs WHERE run = ?")?
            .query_row([run], |_| Ok(()))
            .optional()?
            .is_some();
        if known {
            continue;
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // WITHOUT ROWID has no rowid to pick by: the key where the slice ends bounds it
        let end: Option<i64> = conn
            .prepare_cached("SELECT id_key FROM usage_ids WHERE run = ? ORDER BY id_key LIMIT 1 OFFSET ?")?
            .query_row(params![run, limit], |row| row.get(0))
            .optional()?;
        conn.prepare_cached("DELETE FROM usage_ids WHERE run = ? AND id_key < ?")?
            .execute(params![run, end.unwrap_or(i64::MAX)])?;
        if end.is_none() {
            conn.prepare_cached("DELETE FROM usage_ids WHERE run = ?")?.execute([run])?;
        }
        return Ok(true);
    }
    Ok(false)
}

fn next_run_of_keys(conn: &Connection, above: i64) -> Result<Option<i64>, DbError> {
    Ok(conn
        .prepare_cached("SELECT run FROM usage_ids WHERE run > ? ORDER BY run LIMIT 1")?
        .query_row([above], |row| row.get(0))
        .optional()?)
}
