//! Statements of jobs.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::jobs::Job;
use crate::base::Timestamp;
use crate::db::{self, DbError};

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Which job.
    pub job: Job,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Rows that were dealt with.
    pub done: u64,
    /// Rows that could not be, and are tried again later.
    pub failed: u64,
    /// How late the oldest row that was due was; none when nothing was due, or the job cannot tell.
    pub lag_ms: Option<i64>,
    /// What went wrong.
    pub error: Option<String>,
}

/// A row that could not be dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFailure {
    /// By which job.
    pub job: Job,
    /// The number of the row.
    pub subject: i64,
    /// What went wrong the last time.
    pub error: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it went wrong first.
    pub since: Timestamp,
    /// When it is tried again.
    pub retry_at: Timestamp,
}

/// What is stored of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// Its last run; its error is the last there was, of this run or of an earlier one.
    pub run: Run,
    /// When that was.
    pub failed_at: Option<Timestamp>,
}

fn count(row: &Row<'_>, column: usize) -> Result<u64, DbError> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A run, or nothing where the job is one that there is not any more.
fn run_of(row: &Row<'_>) -> Result<Option<Run>, DbError> {
    let Some(job) = Job::from_name(row.get_ref(0)?.as_str().unwrap_or_default()) else { return Ok(None) };
    Ok(Some(Run {
        job,
        started_at: row.get(1)?,
        ended_at: row.get(2)?,
        done: count(row, 3)?,
        failed: count(row, 4)?,
        lag_ms: row.get(5)?,
        error: row.get(6)?,
    }))
}

/// The last run of every job that has run.
pub(super) fn jobs(conn: &Connection) -> Result<Vec<Stored>, DbError> {
    let select = "SELECT name, started_at, ended_at, done, failed, lag_ms, last_error, failed_at FROM jobs ORDER BY name";
    let found = db::collect(conn, select, [], |row| {
        let run = run_of(row)?;
        let failed_at = row.get(7)?;
        Ok(run.map(|run| Stored { run, failed_at }))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// The newest runs that did something or failed, newest first.
pub(super) fn runs(conn: &Connection, limit: u32) -> Result<Vec<Run>, DbError> {
    let select = "SELECT job, started_at, ended_at, done, failed, lag_ms, error FROM job_runs ORDER BY id DESC LIMIT ?";
    Ok(db::collect(conn, select, [limit], run_of)?.into_iter().flatten().collect())
}

/// Keeps a run as the job's last one.
pub(super) fn put_job(conn: &Connection, run: &Run) -> Result<(), DbError> {
    let failed_at = run.error.as_ref().map(|_| run.ended_at);
    conn.prepare_cached(
        "INSERT INTO jobs (name, started_at, ended_at, done, failed, lag_ms, last_error, failed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (name) DO UPDATE SET started_at = ?2, ended_at = ?3, done = ?4, failed = ?5, lag_ms = ?6,
             last_error = ifnull(?7, last_error), failed_at = ifnull(?8, failed_at)",
    )?
    .execute(params![
        run.job.name(),
        run.started_at,
        run.ended_at,
        stored(run.done),
        stored(run.failed),
        run.lag_ms,
        run.error,
        failed_at
    ])?;
    Ok(())
}

/// Adds a run to the log.
pub(super) fn insert_run(conn: &Connection, run: &Run) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO job_runs (job, started_at, ended_at, done, failed, lag_ms, error) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        run.job.name(),
        run.started_at,
        run.ended_at,
        stored(run.done),
        stored(run.failed),
        run.lag_ms,
        run.error
    ])?;
    Ok(())
}

/// Forgets up to `limit` of all but the newest `kept` runs.
pub(super) fn delete_runs(conn: &Connection, kept: u32, limit: u32) -> Result<usize, DbError> {
    let mut statement = conn.prepare_cached(
        "DELETE FROM job_runs WHERE id IN (SELECT id FROM job_runs WHERE id <= (SELECT max(id) FROM job_runs) - ?
                                           ORDER BY id LIMIT ?)",
    )?;
    Ok(statement.execute(params![kept, limit])?)
}

/// The rows that a job could not deal with, with when they are tried again.
pub(super) fn failing(conn: &Connection, job: Job) -> Result<HashMap<i64, Timestamp>, DbError> {
    let select = "SELECT subject, retry_at FROM job_failures WHERE job = ?";
    Ok(db::collect(conn, select, [job.name()], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect())
}

/// Rows that could not be dealt with, those that go on longest first.
pub(super) fn failures(conn: &Connection, limit: u32) -> Result<Vec<RowFailure>, DbError> {
    let select = "SELECT job, subject, error, attempts, since, retry_at FROM job_failures ORDER BY since, job, subject LIMIT ?";
    let found = db::collect(conn, select, [limit], |row| {
        let job = Job::from_name(row.get_ref(0)?.as_str().unwrap_or_default());
        let (subject, error, attempts) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let (since, retry_at) = (row.get(4)?, row.get(5)?);
        Ok(job.map(|job| RowFailure { job, subject, error, attempts, since, retry_at }))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// How many rows each job could not deal with.
pub(super) fn failure_counts(conn: &Connection) -> Result<HashMap<String, u64>, DbError> {
    let select = "SELECT job, count(*) FROM job_failures GROUP BY job";
    Ok(db::collect(conn, select, [], |row| Ok((row.get(0)?, count(row, 1)?)))?.into_iter().collect())
}

/// How often a row was tried in vain.
pub(super) fn attempts(conn: &Connection, job: Job, subject: i64) -> Result<i64, DbError> {
    let select = "SELECT ifnull(max(attempts), 0) FROM job_failures WHERE job = ? AND subject = ?";
    Ok(conn.prepare_cached(select)?.query_row(params![job.name(), subject], |row| row.get(0))?)
}

/// Writes down that a row could not be dealt with.
pub(super) fn put_failure(conn: &Connection, failure: &RowFailure) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO job_failures (job, subject, error, attempts, since, retry_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (job, subject) DO UPDATE SET error = ?3, attempts = ?4, retry_at = ?6",
    )?
    .execute(params![
        failure.job.name(),
        failure.subject,
        failure.error,
        failure.attempts,
        failure.since,
        failure.retry_at
    ])?;
    Ok(())
}

/// A row is well again.
pub(super) fn delete_failure(conn: &Connection, job: Job, subject: i64) -> Result<(), DbError> {
    conn.prepare_cached("DELETE FROM job_failures WHERE job = ? AND subject = ?")?
        .execute(params![job.name(), subject])?;
    Ok(())
}

/// Rows that were tried again by now are well.
pub(super) fn delete_failures_before(conn: &Connection, job: Job, now: Timestamp) -> Result<(), DbError> {
    conn.prepare_cached("DELETE FROM job_failures WHERE job = ? AND retry_at <= ?")?
        .execute(params![job.name(), now])?;
    Ok(())
}

/// When the next row that could not be dealt with is tried again.
pub(super) fn next_retry(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    let select = "SELECT min(retry_at) FROM job_failures WHERE retry_at > ?";
    Ok(conn.prepare_cached(select)?.query_row([now], |row| row.get(0))?)
}
