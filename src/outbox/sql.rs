//! Statements of the outbox.

use rusqlite::{Connection, Row, params};

use super::Lane;
use crate::base::Timestamp;
use crate::base::id::WorkId;
use crate::db::{self, DbError};

/// Where work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be done when it is due.
    Waiting,
    /// Done.
    Done,
    /// Failed too often, or for good.
    Dead,
}

impl State {
    /// The name in the `state` column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Waiting, Self::Done, Self::Dead].into_iter().find(|state| state.name() == name)
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Which.
    pub id: WorkId,
    /// What is to be done.
    pub kind: String,
    /// What it is about, as its kind understands it.
    pub subject: String,
    /// Where it stands.
    pub state: State,
    /// How often it was taken.
    pub attempts: i64,
    /// Not before then; of work that was taken, when the lease ends.
    pub due_at: Timestamp,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// How an attempt leaves its row.
pub(super) struct After {
    pub state: State,
    pub due_at: Timestamp,
    pub error: Option<String>,
}

/// Taken at once of one queue.
const OF_QUEUE: u32 = 4;
/// So much of what is due is looked at, to find work of many queues.
const LOOKED_AT: u32 = 2_000;

const COLUMNS: &str = "SELECT id, kind, subject, state, attempts, due_at, last_error";
const SELECT: &str = "SELECT id, kind, subject, state, attempts, due_at, last_error FROM outbox";

fn from_row(row: &Row<'_>) -> Result<Work, DbError> {
    let id: WorkId = row.get(0)?;
    let state = State::from_name(&row.get::<_, String>(3)?);
    Ok(Work {
        id,
        kind: row.get(1)?,
        subject: row.get(2)?,
        state: state.ok_or_else(|| DbError::bad_row("outbox", id.number(), "state"))?,
        attempts: row.get(4)?,
        due_at: row.get(5)?,
        last_error: row.get(6)?,
    })
}

fn collect(conn: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Vec<Work>, DbError> {
    db::collect(conn, &format!("{SELECT} {tail}"), params, from_row)
}

/// One row.
///
/// # Errors
/// When the database fails or the row does not make sense.
pub fn get(conn: &Connection, id: WorkId) -> Result<Option<Work>, DbError> {
    Ok(collect(conn, "WHERE id = ?", [id])?.pop())
}

/// Up to `limit` dead rows, newest first.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn dead(conn: &Connection, limit: u32) -> Result<Vec<Work>, DbError> {
    collect(conn, "WHERE state = 'dead' ORDER BY id DESC LIMIT ?", [limit])
}

pub(super) fn due(conn: &Connection, lane: Lane, now: Timestamp, limit: u32) -> Result<Vec<Work>, DbError> {
    let of_queue = "SELECT *, row_number() OVER (PARTITION BY queue ORDER BY due_at, id) AS place FROM
        (SELECT * FROM outbox WHERE state = 'waiting' AND lane = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?)";
    let text =
        format!("{COLUMNS} FROM ({of_queue}) WHERE queue = 0 OR place <= ? ORDER BY due_at, id LIMIT ?");
    db::collect(conn, &text, params![lane.number(), now, LOOKED_AT, OF_QUEUE, limit], from_row)
}

/// When the next work that waits is due after `now`.
///
/// # Errors
/// When the database fails.
pub fn next_due(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    let select = "SELECT min(due_at) FROM outbox WHERE state = 'waiting' AND due_at > ?";
    Ok(conn.prepare_cached(select)?.query_row([now], |row| row.get(0))?)
}

pub(super) fn is_due(conn: &Connection, lane: Lane, now: Timestamp) -> Result<bool, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE state = 'waiting' AND lane = ? AND due_at <= ?)",
    )?;
    Ok(statement.query_row(params![lane.number(), now], |row| row.get(0))?)
}

pub(super) fn insert(
    conn: &Connection,
    kind: &str,
    subject: &str,
    (due_at, queue): (Timestamp, i64),
    now: Timestamp,
) -> Result<WorkId, DbError> {
    let statement =
        "INSERT INTO outbox (kind, lane, queue, subject, due_at, created_at) VALUES (?, ?, ?, ?, ?, ?)";
    conn.prepare_cached(statement)?.execute(params![
        kind,
        Lane::of(kind).number(),
        queue,
        subject,
        due_at,
        now
    ])?;
    Ok(WorkId::new(conn.last_insert_rowid()))
}

pub(super) fn take(conn: &Connection, work: &Work) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE outbox SET attempts = ?, due_at = ?, leased = 1 WHERE id = ?")?
        .execute(params![work.attempts, work.due_at, work.id])?;
    Ok(())
}

/// Only while nobody else has taken it since.
pub(super) fn finish(conn: &Connection, work: &Work, after: &After, now: Timestamp) -> Result<bool, DbError> {
    let finished_at = (after.state != State::Waiting).then_some(now);
    let changed = conn
        .prepare_cached(
            "UPDATE outbox SET state = ?, due_at = ?, last_error = coalesce(?, last_error), finished_at = ?, leased = 0
             WHERE id = ? AND state = 'waiting' AND attempts = ?",
        )?
        .execute(params![
            after.state.name(),
            after.due_at,
            after.error,
            finished_at,
            work.id,
            work.attempts
        ])?;
    Ok(changed == 1)
}

pub(super) fn revive(conn: &Connection, id: WorkId, now: Timestamp) -> Result<bool, DbError> {
    let changed = conn
        .prepare_cached(
            "UPDATE outbox SET state = 'waiting', attempts = 0, due_at = ?, finished_at = NULL
             WHERE id = ? AND state = 'dead'",
        )?
        .execute(params![now, id])?;
    Ok(changed == 1)
}

/// What somebody is at is left to them.
pub(super) fn hurry(conn: &Connection, id: WorkId, now: Timestamp) -> Result<bool, DbError> {
    let waiting = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM outbox WHERE id = ? AND state = 'waiting')")?
        .query_row([id], |row| row.get(0))?;
    conn.prepare_cached(
        "UPDATE outbox SET due_at = ?1 WHERE id = ?2 AND state = 'waiting' AND leased = 0 AND due_at > ?1",
    )?
    .execute(params![now, id])?;
    Ok(waiting)
}

pub(super) fn delete_done(conn: &Connection, than: Timestamp, limit: u32) -> Result<usize, DbError> {
    let mut statement = conn.prepare_cached(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE state = 'done' AND finished_at < ?
                                         ORDER BY finished_at LIMIT ?)",
    )?;
    Ok(statement.execute(params![than, limit])?)
}
