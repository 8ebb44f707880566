//! The one writer: takes what is waiting, runs each operation, commits once, then answers.

use std::cell::{Cell, RefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;

use super::DbOptions;
use super::checkpoint::{Request, fold};
use super::error::DbError;
use super::part::{Part, Parts};
use crate::base::time::DAY_MS;
use crate::base::{Clock, Timestamp};

/// How much work one commit takes on: enough to share the cost of the disk, little enough to stay quick.
const COMMIT_WEIGHT: usize = 8_192;

/// How much work may wait for each operation that may: a few large ones fill the queue as many small ones do.
const WEIGHT_PER_PLACE: usize = 64;

/// How far a clock may have been set back between two processes without time running backwards in the book.
const CLOCK_TOLERANCE_MS: i64 = DAY_MS;

thread_local! {
    /// Pages in the write-ahead log after this thread's last commit.
    static LOG_PAGES: Cell<i32> = const { Cell::new(0) };
}

/// How an operation ended, as far as the writer cares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Kept,
    Refused,
}

/// Sends the answer, once the commit is known to have been kept (or not).
type Answer = Box<dyn FnOnce(Result<(), DbError>)>;
type Run = Box<dyn FnOnce(&WriteTx<'_>) -> (Outcome, Answer) + Send>;

struct Job {
    weight: usize,
    run: Run,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    operations: AtomicU64,
    queued: AtomicU64,
    queued_weight: AtomicUsize,
    failed: AtomicU64,
}

impl Counters {
    fn enter(&self, weight: usize) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.queued_weight.fetch_add(weight, Ordering::Relaxed);
    }

    fn leave(&self, weight: usize) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.queued_weight.fetch_sub(weight, Ordering::Relaxed);
    }
}

/// Counters of the writer since the start.
#[derive(Debug, Clone, Copy)]
pub struct WriterStats {
    /// Transactions committed.
    pub commits: u64,
    /// Operations run.
    pub operations: u64,
    /// Operations waiting now.
    pub queued: u64,
    /// Transactions that could not be committed.
    pub failed: u64,
}

/// One operation's view of the database while it writes.
pub struct WriteTx<'w> {
    conn: &'w Connection,
    parts: &'w Parts,
    now: Timestamp,
    savepoint: Cell<bool>,
    touched: Cell<bool>,
    unprotected: Cell<bool>,
    broken: Cell<bool>,
}

impl WriteTx<'_> {
    /// The time of this operation. Never earlier than that of an operation before it.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The connection, for statements of any kind. What the parts have gathered is written first, and the
    /// operation gets a savepoint, so that its failure leaves nothing behind.
    ///
    /// # Errors
    /// When the gathered rows cannot be written.
    pub fn conn(&self) -> Result<&Connection, DbError> {
        if !self.savepoint.get() {
            self.flush()?;
            // what the operation gathered before this is written outside of its savepoint
            self.unprotected.set(self.touched.replace(false));
            self.parts.each(|part| {
                part.exposed();
                part.mark();
                Ok(())
            })?;
            self.conn.prepare_cached("SAVEPOINT op")?.execute([])?;
            self.savepoint.set(true);
        } else if self.touched.replace(false) {
            self.flush()?;
        }
        Ok(self.conn)
    }

    /// The connection for reading rows that no part stands for. What the parts have gathered is not in it.
    #[must_use]
    pub const fn conn_unflushed(&self) -> &Connection {
        self.conn
    }

    /// The part of type `P`.
    ///
    /// An operation that changes a part without having called [`WriteTx::conn`] first must not fail afterwards: that
    /// fails the whole commit.
    ///
    /// # Errors
    /// When the writer was opened without such a part, or it is already borrowed.
    pub fn part<P: Part>(&self) -> Result<RefMut<'_, P>, DbError> {
        self.touched.set(true);
        self.cache()
    }

    /// The part of type `P`, which gathers no rows but only remembers what is stored: an operation may fail after
    /// having looked at it.
    ///
    /// # Errors
    /// As [`WriteTx::part`].
    pub fn cache<P: Part>(&self) -> Result<RefMut<'_, P>, DbError> {
        self.parts
            .get::<P>()
            .ok_or_else(|| DbError::Commit(format!("no part {}", std::any::type_name::<P>())))
    }

    fn flush(&self) -> Result<(), DbError> {
        let flushed = self.parts.each(|part| part.flush(self.conn, self.now));
        if flushed.is_err() {
            self.broken.set(true);
        }
        flushed
    }
}

pub(super) struct Writer {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
    max_weight: usize,
}

impl Writer {
    pub(super) fn start(
        conn: Connection,
        options: &DbOptions,
        clock: Arc<dyn Clock>,
        parts: Parts,
        checkpoint: Request,
    ) -> Result<Self, DbError> {
        let (queue, jobs) = sync_channel(options.queue.max(1));
        let counters = Arc::new(Counters::default());
        conn.wal_hook(Some(|_, pages| {
            LOG_PAGES.set(pages);
            Ok(())
        }));
        let page_bytes: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let loop_ = Loop {
            conn,
            parts,
            jobs,
            counters: counters.clone(),
            latest: clock.now(),
            clock,
            log_limit_pages: i32::try_from(options.wal_limit_bytes / page_bytes.unsigned_abs().max(1))
                .unwrap_or(i32::MAX),
            checkpoint,
            asked: None,
            data_version: None,
        };
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || loop_.run())
            .map_err(|e| DbError::Io(e.to_string()))?;
        let max_weight = options.queue.saturating_mul(WEIGHT_PER_PLACE);
        Ok(Self { queue: Some(queue), thread: Some(thread), counters, max_weight })
    }

    pub(super) fn stats(&self) -> WriterStats {
        WriterStats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            operations: self.counters.operations.load(Ordering::Relaxed),
            queued: self.counters.queued.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
        }
    }

    pub(super) fn submit<T, E, F>(
        &self,
        weight: usize,
        operation: F,
    ) -> Result<oneshot::Receiver<Result<T, E>>, DbError>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (job, receiver) = job(weight, operation);
        let queue = self.queue.as_ref().ok_or(DbError::Stopped)?;
        let waiting = self.counters.queued_weight.load(Ordering::Relaxed);
        // what is larger than the whole queue may wait alone; callers that look at once may pass the bound by one each
        if waiting > 0 && waiting.saturating_add(weight) > self.max_weight {
            return Err(DbError::Busy);
        }
        self.counters.enter(weight);
        queue.try_send(job).map_err(|error| {
            self.counters.leave(weight);
            match error {
                TrySendError::Full(_) => DbError::Busy,
                TrySendError::Disconnected(_) => DbError::Stopped,
            }
        })?;
        Ok(receiver)
    }

    pub(super) fn submit_waiting<T, E, F>(
        &self,
        weight: usize,
        operation: F,
    ) -> Result<oneshot::Receiver<Result<T, E>>, DbError>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (job, receiver) = job(weight, operation);
        let queue = self.queue.as_ref().ok_or(DbError::Stopped)?;
        self.counters.enter(weight);
        queue.send(job).map_err(|_| {
            self.counters.leave(weight);
            DbError::Stopped
        })?;
        Ok(receiver)
    }
}

fn job<T, E, F>(weight: usize, operation: F) -> (Job, oneshot::Receiver<Result<T, E>>)
where
    F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<DbError> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let run: Run = Box::new(move |tx| {
        let result = operation(tx);
        let outcome = if result.is_ok() { Outcome::Kept } else { Outcome::Refused };
        let answer: Answer = Box::new(move |committed| {
            // a caller that has gone away does not mind
            let _ = sender.send(match committed {
                Ok(()) => result,
                Err(error) => Err(error.into()),
            });
        });
        (outcome, answer)
    });
    (Job { weight, run }, receiver)
}

/// The time to go on from after another process, or this one before it was started again: that of the newest commit, where
/// the clock has been set back a little since. A newest commit far ahead of the clock was made while the clock was wrong;
/// waiting for it would stop the book.
fn newest_time(conn: &Connection, now: Timestamp) -> Result<Timestamp, DbError> {
    let newest: Option<Timestamp> = conn
        .query_row("SELECT committed_at FROM commits ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
        .optional()?;
    let Some(newest) = newest.filter(|newest| *newest > now) else { return Ok(now) };
    if newest > now.plus_ms(CLOCK_TOLERANCE_MS) {
        tracing::warn!(%newest, %now, "the newest commit is from the future: is the clock right?");
        return Ok(now);
    }
    Ok(newest)
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Loop {
    conn: Connection,
    parts: Parts,
    clock: Arc<dyn Clock>,
    jobs: Receiver<Job>,
    counters: Arc<Counters>,
    log_limit_pages: i32,
    checkpoint: Request,
    /// How many checkpoints had been answered when one was asked for.
    asked: Option<u64>,
    latest: Timestamp,
    data_version: Option<i64>,
}

impl Loop {
    fn run(mut self) {
        while let Ok(first) = self.jobs.recv() {
            let mut answers = Vec::new();
            let committed = self.transaction(first, &mut answers);
            match &committed {
                Ok(()) => self.counters.commits.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    tracing::error!(%error, operations = answers.len(), "commit failed");
                    self.counters.failed.fetch_add(1, Ordering::Relaxed)
                }
            };
            for answer in answers {
                answer(match &committed {
                    Ok(()) => Ok(()),
                    Err(error) => Err(DbError::Commit(error.to_string())),
                });
            }
            self.fold_log();
        }
    }

    /// One transaction over everything that is waiting.
    fn transaction(&mut self, first: Job, answers: &mut Vec<Answer>) -> Result<(), DbError> {
        let begun = self.begin();
        let mut ended = Ok(());
        let mut weight = 0;
        let mut next = Some(first);
        while let Some(job) = next.take() {
            self.counters.leave(job.weight);
            self.counters.operations.fetch_add(1, Ordering::Relaxed);
            weight += job.weight;
            // where nothing can begin, dropping the operation tells its caller that it was not carried out
            if begun.is_ok() {
                ended = self.operation(job.run, answers);
            }
            // what comes after an operation that spoils the transaction has a transaction of its own
            if weight < COMMIT_WEIGHT && ended.is_ok() {
                next = self.jobs.try_recv().ok();
            }
        }
        let ended = begun.and(ended).and_then(|()| self.commit());
        if ended.is_err() {
            // nothing of this transaction may survive, in the file or in memory
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
            self.reset_parts();
        }
        ended
    }

    fn begin(&mut self) -> Result<(), DbError> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // only now: another process may have had the database until here
        let now = self.clock.now();
        self.latest = self.latest.max(now);
        // changes only when another process has committed: what the parts remember may be stale then
        let version: i64 =
            self.conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.data_version.replace(version) != Some(version) {
            self.reset_parts();
            self.latest = self.latest.max(newest_time(&self.conn, now)?);
        }
        Ok(())
    }

    /// Runs one operation. An error means that the whole transaction has to go.
    fn operation(&self, run: Run, answers: &mut Vec<Answer>) -> Result<(), DbError> {
        let tx = WriteTx {
            conn: &self.conn,
            parts: &self.parts,
            now: self.latest,
            savepoint: Cell::new(false),
            touched: Cell::new(false),
            unprotected: Cell::new(false),
            broken: Cell::new(false),
        };
        let Ok((outcome, answer)) = catch_unwind(AssertUnwindSafe(|| run(&tx))) else {
            return Err(DbError::Commit("an operation panicked".into()));
        };
        answers.push(answer);
        if self.conn.is_autocommit() {
            // as it does when the disk fails in the middle: everything is rolled back, what comes next would stand alone
            return Err(DbError::Commit("the engine has ended the transaction".into()));
        }
        if tx.broken.get() {
            return Err(DbError::Commit("gathered rows could not be written".into()));
        }
        let unprotected = tx.unprotected.get() || (tx.touched.get() && !tx.savepoint.get());
        if outcome == Outcome::Refused && unprotected {
            return Err(DbError::Commit("an operation failed past its point of no return".into()));
        }
        match (outcome, tx.savepoint.get()) {
            (Outcome::Kept, true) => {
                self.conn.prepare_cached("RELEASE op")?.execute([])?;
                // it may have changed what it had a part remember
                self.parts.each(|part| {
                    part.exposed();
                    Ok(())
                })?;
            }
            (Outcome::Refused, true) => {
                self.conn.prepare_cached("ROLLBACK TO op")?.execute([])?;
                self.conn.prepare_cached("RELEASE op")?.execute([])?;
                self.parts.each(|part| {
                    part.undo();
                    Ok(())
                })?;
            }
            (Outcome::Kept | Outcome::Refused, false) => {}
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), DbError> {
        let (conn, now) = (&self.conn, self.latest);
        self.parts.each(|part| part.flush(conn, now))?;
        self.parts.each(|part| part.seal(conn, now))?;
        self.parts.each(|part| part.upkeep(conn, now).map(|_| ()))?;
        conn.prepare_cached("COMMIT")?.execute([])?;
        self.parts.each(|part| {
            part.committed();
            Ok(())
        })
    }

    fn reset_parts(&self) {
        let _ = self.parts.each(|part| {
            part.reset();
            Ok(())
        });
    }

    /// Has a long log folded back, and folds the rest of it, so that the next transaction starts it over. Not at every
    /// commit: a reader that holds an old snapshot makes this wait, and then it would be tried in vain each time.
    fn fold_log(&mut self) {
        match self.asked {
            Some(before) if self.checkpoint.answered() > before => {
                self.asked = None;
                fold(&self.conn);
            }
            Some(_) => {}
            None => {
                let now_and_then = self.counters.commits.load(Ordering::Relaxed).is_multiple_of(32);
                if now_and_then && LOG_PAGES.get() >= self.log_limit_pages {
                    self.asked = Some(self.checkpoint.answered());
                    self.checkpoint.ask();
                }
            }
        }
    }
}
