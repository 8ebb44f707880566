//! Rows that are due, each in an operation of its own: one that cannot be dealt with does not stop the others.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt};
use rusqlite::Connection;

use super::Error;
use super::jobs::Job;
use super::sql::{self, RowFailure};
use crate::base::Timestamp;
use crate::base::time::{HOUR_MS, MINUTE_MS};
use crate::db::{Db, DbError, WriteTx};

/// A row that is due: since when, and its number.
pub type Due = (Timestamp, i64);

/// Rows that are dealt with at once; they share commits.
const AT_ONCE: usize = 32;
/// Rows read at once.
const PAGE: u32 = 256;
/// How often one run deals with a row that stays due since the same time, before that counts as a failure.
const AGAIN: u32 = 16;
/// The longest pause between two attempts.
const LONGEST_PAUSE_MS: i64 = 6 * HOUR_MS;
/// Characters kept of an error.
const ERROR_CHARS: usize = 500;

/// How a run went, so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Rows that were dealt with.
    pub done: u64,
    /// Rows that could not be.
    pub failed: u64,
    /// How late the oldest was.
    pub lag_ms: Option<i64>,
    /// What went wrong last.
    pub error: Option<String>,
}

impl Tally {
    /// That many rows were dealt with, and nothing went wrong.
    #[must_use]
    pub fn of(done: usize) -> Self {
        Self { done: u64::try_from(done).unwrap_or(u64::MAX), ..Self::default() }
    }
}

/// How one row went.
enum One {
    Done,
    Failed(String),
}

/// Deals with every row that is due, those that are due longest first, up to [`AT_ONCE`] at a time, until nothing is due.
///
/// `due` lists up to so many rows that are due at a time, in the order of [`Due`], after one. `one` deals with one of them, and
/// leaves it due at a later time or not at all. A row that fails is written down and left alone until the time it is tried
/// again; the others go on.
///
/// # Errors
/// When the database fails in a way that is nobody's fault: the rest is tried again at the next tick.
pub async fn each<D, O>(db: &Db, job: Job, due: D, one: O) -> Result<Tally, Error>
where
    D: Fn(&Connection, Timestamp, Option<Due>, u32) -> Result<Vec<Due>, DbError>,
    O: Fn(&WriteTx<'_>, i64) -> Result<(), Error> + Clone + Send + 'static,
{
    let mut tally = Tally::default();
    let mut seen = HashMap::new();
    loop {
        let failing = db.read_blocking(|tx| sql::failing(tx, job))?;
        let done = pass(db, job, &due, &one, &failing, &mut seen, &mut tally).await?;
        if done == 0 {
            return Ok(tally);
        }
    }
}

/// Goes once through what is due. Answers how many rows were dealt with.
async fn pass<D, O>(
    db: &Db,
    job: Job,
    due: &D,
    one: &O,
    failing: &HashMap<i64, Timestamp>,
    seen: &mut HashMap<Due, u32>,
    tally: &mut Tally,
) -> Result<u64, Error>
where
    D: Fn(&Connection, Timestamp, Option<Due>, u32) -> Result<Vec<Due>, DbError>,
    O: Fn(&WriteTx<'_>, i64) -> Result<(), Error> + Clone + Send + 'static,
{
    let (mut after, mut done) = (None, 0);
    loop {
        let now = db.now();
        let page = db.read_blocking(|tx| due(tx, now, after, PAGE))?;
        let Some(last) = page.last() else { return Ok(done) };
        after = Some(*last);
        let ready = |row: &&Due| failing.get(&row.1).is_none_or(|retry_at| *retry_at <= now);
        let mut stuck = |row: Due| {
            let times = seen.entry(row).or_default();
            *times += 1;
            *times > AGAIN
        };
        let ready: Vec<(Due, bool)> = page.iter().filter(ready).map(|row| (*row, stuck(*row))).collect();
        if let Some(((at, _), _)) = ready.first() {
            let lag_ms = now.millis().saturating_sub(at.millis());
            tally.lag_ms = Some(tally.lag_ms.map_or(lag_ms, |most| most.max(lag_ms)));
        }
        let all = ready.into_iter().map(|((_, subject), stuck)| {
            let was_failing = failing.contains_key(&subject);
            deal(db, job, subject, was_failing, stuck, one.clone())
        });
        let mut all = stream::iter(all).buffer_unordered(AT_ONCE);
        while let Some(outcome) = all.next().await {
            match outcome? {
                One::Done => {
                    tally.done += 1;
                    done += 1;
                }
                One::Failed(error) => {
                    tally.failed += 1;
                    tally.error = Some(error);
                }
            }
        }
    }
}

/// Has `step` deal with up to so many rows at a time until it finds fewer. Where it fails, they are dealt with one by one; what cannot be
/// dealt with alone, `skip` passes over, and says which it was and when it is tried again.
///
/// # Errors
/// As [`each`]; and the step's own, when there is nothing to pass over.
pub async fn in_steps<F, S>(db: &Db, job: Job, most: u32, step: F, skip: S) -> Result<Tally, Error>
where
    F: Fn(&WriteTx<'_>, u32) -> Result<usize, Error> + Clone + Send + 'static,
    S: Fn(&WriteTx<'_>) -> Result<Option<(i64, Timestamp)>, Error> + Clone + Send + 'static,
{
    let mut tally = Tally::default();
    let mut alone = 0_u32;
    loop {
        let limit = if alone > 0 { 1 } else { most };
        let one = step.clone();
        match db.write(move |tx| one(tx, limit)).await {
            Ok(count) => {
                tally.done += u64::try_from(count).unwrap_or(u64::MAX);
                if count < usize::try_from(limit).unwrap_or(usize::MAX) {
                    break;
                }
                alone = alone.saturating_sub(1);
            }
            Err(error) if error.is_temporary() => return Err(error),
            Err(_) if alone == 0 => alone = most,
            Err(error) => {
                let text: String = error.to_string().chars().take(ERROR_CHARS).collect();
                let (skip, said) = (skip.clone(), text.clone());
                let passed = db.write(move |tx| {
                    let Some((subject, retry_at)) = skip(tx)? else { return Ok(None) };
                    note(tx, job, subject, said, |_| retry_at)?;
                    Ok::<_, Error>(Some(subject))
                });
                let Some(subject) = passed.await? else { return Err(error) };
                tracing::error!(job = job.name(), subject, error = text, "a row could not be dealt with");
                tally.failed += 1;
                tally.error = Some(text);
            }
        }
    }
    if tally.done > 0 {
        // what was tried again and did not fail once more is well
        db.write(move |tx| sql::delete_failures_before(tx.conn()?, job, tx.now())).await?;
    }
    Ok(tally)
}

async fn deal<O>(
    db: &Db,
    job: Job,
    subject: i64,
    was_failing: bool,
    stuck: bool,
    one: O,
) -> Result<One, Error>
where
    O: Fn(&WriteTx<'_>, i64) -> Result<(), Error> + Send + 'static,
{
    let dealt = if stuck {
        // it would go on for ever
        Err(Error::Row("stays due, however often it is dealt with".into()))
    } else {
        let operation = move |tx: &WriteTx<'_>| {
            one(tx, subject)?;
            if was_failing {
                sql::delete_failure(tx.conn()?, job, subject)?;
            }
            Ok(())
        };
        db.write(operation).await
    };
    match dealt {
        Ok(()) => Ok(One::Done),
        Err(error) if error.is_temporary() => Err(error),
        Err(error) => {
            let error: String = error.to_string().chars().take(ERROR_CHARS).collect();
            tracing::error!(job = job.name(), subject, error, "a row could not be dealt with");
            let text = error.clone();
            let retry = move |now: Timestamp, attempts| now.plus_ms(pause_ms(attempts));
            db.write(move |tx| note(tx, job, subject, text, |attempts| retry(tx.now(), attempts))).await?;
            Ok(One::Failed(error))
        }
    }
}

/// Writes down that a row could not be dealt with; `retry` says when it is tried again after so many attempts.
fn note(
    tx: &WriteTx<'_>,
    job: Job,
    subject: i64,
    error: String,
    retry: impl FnOnce(i64) -> Timestamp,
) -> Result<(), DbError> {
    let conn = tx.conn()?;
    let attempts = sql::attempts(conn, job, subject)? + 1;
    let retry_at = retry(attempts);
    sql::put_failure(conn, &RowFailure { job, subject, error, attempts, since: tx.now(), retry_at })
}

/// How long after its n-th failure a row is tried again: a minute, doubling, at most six hours.
fn pause_ms(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(0);
    MINUTE_MS.saturating_mul(1 << doublings).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_six_hours() {
        let pauses: Vec<i64> = [1, 2, 3, 9, 10, 1_000].map(pause_ms).to_vec();
        assert_eq!(
            pauses,
            [MINUTE_MS, 2 * MINUTE_MS, 4 * MINUTE_MS, 256 * MINUTE_MS, 6 * HOUR_MS, 6 * HOUR_MS]
        );
    }
}
