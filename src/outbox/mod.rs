//! Work to be done outside of the database: calls to others, which no transaction may wait for.
//!
//! A row is written in the transaction that causes the work, so there is work exactly when its cause was kept. Whoever
//! takes it has a lease: when that runs out, because the process died, somebody else may take it. So work is carried out
//! at least once, and whoever carries it out makes sure that twice does no more than once. What fails is tried again
//! later and later, and put aside as dead after [`MAX_ATTEMPTS`]; a row that always fails holds up no other.

mod sql;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use rusqlite::Connection;

use crate::base::Timestamp;
use crate::base::id::WorkId;
use crate::base::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::db::{Db, DbError, WriteTx};

pub use sql::{State, Work, dead, get, next_due};

/// Work of one lane does not wait for that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Money, and what it depends on.
    Money,
    /// Telling people, whose servers may be slow or gone.
    Telling,
    /// Mail, all of which goes to one server.
    Mail,
}

impl Lane {
    /// The lane of this kind of work.
    fn of(kind: &str) -> Self {
        match kind.split_once('.') {
            Some(("delivery" | "limit" | "alert", _)) => Self::Telling,
            Some(("mail", _)) => Self::Mail,
            _ => Self::Money,
        }
    }

    const ALL: [Self; 3] = [Self::Money, Self::Telling, Self::Mail];

    const fn number(self) -> i64 {
        match self {
            Self::Money => 0,
            Self::Telling => 1,
            Self::Mail => 2,
        }
    }
}

/// What takes longer than that was not done, as far as is known. Ends before the lease.
const LONGEST: Duration = Duration::from_secs(100);
/// As much of a step is carried out at once: the others do not wait for one who is slow.
const AT_ONCE: usize = 32;

/// Work that failed so often is dead until somebody replays it: with the pauses of [`pause_ms`], after three days.
pub const MAX_ATTEMPTS: i64 = 20;
/// How long whoever took work has it alone. Longer than any call outside may take.
pub const LEASE_MS: i64 = 2 * MINUTE_MS;
/// Work that was done is kept that long, for people to look at.
const KEPT_MS: i64 = 30 * DAY_MS;
/// The longest pause between two attempts.
const LONGEST_PAUSE_MS: i64 = 6 * HOUR_MS;
/// Characters kept of an error.
const ERROR_CHARS: usize = 500;

/// Why an attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It may work later.
    Later(String),
    /// It will not work, however often it is tried.
    Never(String),
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Later(error.to_string())
    }
}

/// Writes work down, in the transaction that causes it; it is done when that is committed, and not before `due_at`.
///
/// # Errors
/// When the database fails.
pub fn enqueue(tx: &WriteTx<'_>, kind: &str, subject: &str, due_at: Timestamp) -> Result<WorkId, DbError> {
    enqueue_in(tx, kind, subject, (due_at, 0))
}

/// The same, in a queue: of its work, few are taken at once, so that who is slow holds up nobody else. Queue 0 is none.
///
/// # Errors
/// When the database fails.
pub fn enqueue_in(
    tx: &WriteTx<'_>,
    kind: &str,
    subject: &str,
    (due_at, queue): (Timestamp, i64),
) -> Result<WorkId, DbError> {
    sql::insert(tx.conn()?, kind, subject, (due_at, queue), tx.now())
}

/// The same, to be done at once, for what is written while a commit is gathered.
///
/// # Errors
/// When the database fails.
pub fn enqueue_now(conn: &Connection, kind: &str, subject: &str, now: Timestamp) -> Result<WorkId, DbError> {
    sql::insert(conn, kind, subject, (now, 0), now)
}

/// The same, to be done not before `due_at`.
///
/// # Errors
/// When the database fails.
pub fn enqueue_at(
    conn: &Connection,
    kind: &str,
    subject: &str,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<WorkId, DbError> {
    sql::insert(conn, kind, subject, (due_at, 0), now)
}

/// Whether any work is due, of whatever lane.
///
/// # Errors
/// When the database fails.
pub fn is_any_due(conn: &Connection, now: Timestamp) -> Result<bool, DbError> {
    for lane in Lane::ALL {
        if sql::is_due(conn, lane, now)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes up to `limit` of a lane's work that is due, oldest first, for [`LEASE_MS`].
///
/// # Errors
/// When the database fails.
pub fn lease(tx: &WriteTx<'_>, lane: Lane, limit: u32) -> Result<Vec<Work>, DbError> {
    let conn = tx.conn()?;
    let ends_at = tx.now().plus_ms(LEASE_MS);
    let mut taken = sql::due(conn, lane, tx.now(), limit)?;
    for work in &mut taken {
        work.attempts += 1;
        work.due_at = ends_at;
        sql::take(conn, work)?;
    }
    Ok(taken)
}

/// Notes how an attempt went. Answers false, and changes nothing, when the lease had run out and somebody else has
/// taken the work since.
///
/// # Errors
/// When the database fails.
pub fn finish(tx: &WriteTx<'_>, work: &Work, outcome: Result<(), Failure>) -> Result<bool, DbError> {
    let now = tx.now();
    let after = match outcome {
        Ok(()) => sql::After { state: State::Done, due_at: now, error: None },
        Err(Failure::Later(error)) if work.attempts < MAX_ATTEMPTS => sql::After {
            state: State::Waiting,
            due_at: now.plus_ms(pause_ms(work.attempts)),
            error: Some(short(&error)),
        },
        Err(Failure::Later(error) | Failure::Never(error)) => {
            sql::After { state: State::Dead, due_at: now, error: Some(short(&error)) }
        }
    };
    sql::finish(tx.conn()?, work, &after, now)
}

/// Lets dead work be tried again, from now on and as often as at first. Answers false when there is no such dead work.
///
/// # Errors
/// When the database fails.
pub fn replay(tx: &WriteTx<'_>, id: WorkId) -> Result<bool, DbError> {
    sql::revive(tx.conn()?, id, tx.now())
}

/// Has waiting work done at once, unless somebody is at it. Answers false when there is no such waiting work.
///
/// # Errors
/// When the database fails.
pub fn hurry(tx: &WriteTx<'_>, id: WorkId) -> Result<bool, DbError> {
    sql::hurry(tx.conn()?, id, tx.now())
}

/// One step of tidying up: forgets at most `limit` rows that were done a month ago. Answers how many.
///
/// # Errors
/// When the database fails.
pub fn purge(tx: &WriteTx<'_>, limit: u32) -> Result<usize, DbError> {
    sql::delete_done(tx.conn()?, tx.now().plus_ms(-KEPT_MS), limit)
}

/// One step of the worker: takes up to `limit` of what is due in a lane, has `carry_out` do it, and notes how
/// that went. Answers how many it took; zero means that nothing is due.
///
/// # Errors
/// When the database fails; what was taken is tried again when its lease has run out.
pub async fn step<F, Fut>(db: &Db, lane: Lane, limit: u32, carry_out: F) -> Result<usize, DbError>
where
    F: Fn(Work) -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    // reading first: mostly nothing is due, and then nothing is written
    let now = db.now();
    if !db.read_blocking(|tx| sql::is_due(tx, lane, now))? {
        return Ok(0);
    }
    let taken = db.write(move |tx| lease(tx, lane, limit)).await?;
    let count = taken.len();
    let carry_out = &carry_out;
    let all = taken.into_iter().map(|work| async move {
        let outcome = tokio::time::timeout(LONGEST, carry_out(work.clone())).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Failure::Later("it took too long".into())));
        if let Err(Failure::Later(error) | Failure::Never(error)) = &outcome {
            tracing::warn!(id = %work.id, kind = work.kind, attempt = work.attempts, %error, "work outside");
        }
        db.write(move |tx| finish(tx, &work, outcome)).await.map(|_| ())
    });
    stream::iter(all).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(count)
}

/// How long after its n-th failure work is tried again: five seconds, doubling, at most six hours.
#[must_use]
pub fn pause_ms(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(0);
    (5 * SECOND_MS).saturating_mul(1 << doublings).min(LONGEST_PAUSE_MS)
}

fn short(error: &str) -> String {
    error.chars().take(ERROR_CHARS).collect()
}
