//! What is due from time to time: jobs, each with a name, a time at which it is looked at, and a record of how it went.
//!
//! Every step is small, so that requests in between do not wait, and may be cut off anywhere: what is due lives in rows,
//! and the next tick goes on. A tick goes on until nothing is due, so that a server that was off catches up once. A row
//! that cannot be dealt with is written down and tried again later ([`each`]); the others do not wait for it.

mod cron;
mod due;
mod each;
mod jobs;
mod sql;
mod test_clock;
mod worker;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

pub use cron::{Cron, CronError};
pub use each::Tally;
pub use jobs::Job;
pub use sql::{RowFailure, Run};
pub use worker::Worker;

use crate::base::Timestamp;
use crate::base::id::{AuthorizationId, GrantId, SubscriptionId};
use crate::base::time::{DAY_MS, MINUTE_MS};
use crate::calls;
use crate::db::{Db, DbError, WriteTx};
use crate::grants;
use crate::idempotency;
use crate::identity::{self, Authenticator, sessions};
use crate::notifications;
use crate::numbers;
use crate::outbox;
use crate::payments;
use crate::revenue;
use crate::subscriptions;
use crate::wallet;

/// Rows handled in one transaction.
const STEP: u32 = 500;
/// Answers to idempotent requests are kept that long.
const ANSWERS_KEPT_MS: i64 = 7 * DAY_MS;
/// Runs that did something or failed are kept up to this many.
const RUNS_KEPT: u32 = 5_000;
/// A job that has nothing to do is written down so often, so that a restart knows that it ran.
const NOTED_EVERY_MS: i64 = 15 * MINUTE_MS;
/// Rounds of everything after which [`Scheduler::tick`] leaves the rest to the next: on a busy server there is always something.
const ROUNDS: usize = 100;

/// Why a run was cut short.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// People and keys.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// Payments.
    #[error(transparent)]
    Payments(#[from] payments::Error),
    /// Rented numbers.
    #[error(transparent)]
    Numbers(#[from] numbers::Error),
    /// Plans.
    #[error(transparent)]
    Subscriptions(#[from] subscriptions::Error),
    /// A row that cannot be dealt with.
    #[error("{0}")]
    Row(String),
}

impl Error {
    /// Nothing is wrong with what was being done: it may work the next time.
    fn is_temporary(&self) -> bool {
        match self {
            Self::Db(error)
            | Self::Identity(identity::Error::Db(error))
            | Self::Numbers(numbers::Error::Db(error))
            | Self::Subscriptions(subscriptions::Error::Db(error)) => error.is_temporary(),
            Self::Identity(_)
            | Self::Payments(_)
            | Self::Numbers(_)
            | Self::Subscriptions(_)
            | Self::Row(_) => false,
        }
    }
}

/// What the jobs go by.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How long after an expiry earlier usage may still draw on a grant, in milliseconds.
    pub grace_ms: i64,
    /// So many days before credit expires that is told.
    pub notice_days: Vec<i64>,
    /// What rented numbers are held to.
    pub numbers: numbers::Terms,
}

/// Runs the jobs.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    door: Arc<Authenticator>,
    worker: Worker,
    terms: Terms,
    /// One for every job: it is not done twice at a time.
    running: Vec<tokio::sync::Mutex<()>>,
    /// The last run of each, since the start.
    board: Mutex<BTreeMap<Job, Noted>>,
    /// The clock is moved by one at a time.
    moving: tokio::sync::Mutex<()>,
    /// The UTC day on which a tick did what has no time of its own.
    tidied_on: AtomicI64,
    stopped: AtomicBool,
}

/// A run, and when one of the job was last written down.
#[derive(Clone)]
struct Noted {
    run: Run,
    written_at: Timestamp,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub job: Job,
    /// It is being done right now.
    pub running: bool,
    /// Its last run; none before the first.
    pub last: Option<Run>,
    /// What went wrong last, and when.
    pub last_error: Option<(String, Timestamp)>,
    /// Rows that it could not deal with, and that wait to be tried again.
    pub failing: u64,
}

impl Scheduler {
    /// One for this database.
    #[must_use]
    pub fn new(db: Db, door: Arc<Authenticator>, worker: Worker, terms: Terms) -> Self {
        let running = Job::ALL.iter().map(|_| tokio::sync::Mutex::new(())).collect();
        Self {
            inner: Arc::new(Inner {
                db,
                door,
                worker,
                terms,
                running,
                board: Mutex::default(),
                moving: tokio::sync::Mutex::new(()),
                tidied_on: AtomicI64::new(i64::MIN),
                stopped: AtomicBool::new(false),
            }),
        }
    }

    /// Nothing is begun any more.
    pub fn stop(&self) {
        self.inner.stopped.store(true, Ordering::Relaxed);
    }

    /// Does everything that is due now, in the order of [`Job::ALL`], and all work outside, until nothing is due. Where nothing
    /// is, that is one look.
    ///
    /// # Errors
    /// The first that fails, after the others were done as well; what is left is tried again at the next tick.
    pub async fn tick(&self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let (jobs, outside) = self.inner.db.read_blocking(|tx| self.due(tx, tx.now()))?;
            let (mut done, mut failed) = (0, None);
            for job in jobs {
                match self.run(job).await {
                    Ok(run) => done += run.done,
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            if outside || done > 0 {
                done += u64::try_from(self.inner.worker.work().await?).unwrap_or(u64::MAX);
            }
            match failed {
                Some(error) => return Err(error),
                None if done == 0 => return Ok(()),
                None => {}
            }
        }
        Ok(())
    }

    /// Does what is due of one job; where it is being done already, afterwards.
    ///
    /// # Errors
    /// Why it was cut short. Rows that could not be dealt with are none: the run says how many there were.
    pub async fn run(&self, job: Job) -> Result<Run, Error> {
        let Some(one) = self.inner.running.get(job.place()) else {
            return Err(Error::Row(format!("no such job: {job}")));
        };
        let _alone = one.lock().await;
        self.run_alone(job).await
    }

    /// The same, but not at all where it is being done already.
    async fn run_unless_running(&self, job: Job) {
        let Some(Ok(_alone)) = self.inner.running.get(job.place()).map(tokio::sync::Mutex::try_lock) else {
            return;
        };
        if self.inner.stopped.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.run_alone(job).await {
            tracing::warn!(job = job.name(), %error, "a job was cut short");
        }
    }

    async fn run_alone(&self, job: Job) -> Result<Run, Error> {
        let started_at = self.inner.db.now();
        let outcome = self.carry_out(job).await;
        let (tally, cut_short) = match outcome {
            Ok(tally) => (tally, None),
            Err(error) => (Tally { error: Some(error.to_string()), ..Tally::default() }, Some(error)),
        };
        let Tally { done, failed, lag_ms, error } = tally;
        let ended_at = self.inner.db.now();
        let run = Run { job, started_at, ended_at, done, failed, lag_ms, error };
        self.note(run.clone()).await;
        cut_short.map_or(Ok(run), Err)
    }

    /// Keeps a run in memory; in the database too where there is something to say of it, or nothing was said for long.
    async fn note(&self, run: Run) {
        let is_notable = run.done > 0 || run.error.is_some();
        let written_at = self.board().get(&run.job).map(|noted| noted.written_at);
        let is_due = written_at.is_none_or(|at| at.plus_ms(NOTED_EVERY_MS) <= run.ended_at);
        let written_at = written_at.filter(|_| !is_notable && !is_due).unwrap_or(run.ended_at);
        self.board().insert(run.job, Noted { run: run.clone(), written_at });
        if !is_notable && !is_due {
            return;
        }
        let job = run.job;
        let written = self.inner.db.write(move |tx| -> Result<(), DbError> {
            let conn = tx.conn()?;
            sql::put_job(conn, &run)?;
            if is_notable { sql::insert_run(conn, &run) } else { Ok(()) }
        });
        if let Err(error) = written.await {
            tracing::warn!(job = job.name(), %error, "a run was not written down");
        }
    }

    fn board(&self) -> std::sync::MutexGuard<'_, BTreeMap<Job, Noted>> {
        self.inner.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(&self, job: Job) -> Result<Tally, Error> {
        let Inner { db, door, worker, terms, .. } = &*self.inner;
        match job {
            Job::CallsEnd => {
                let step = |tx: &WriteTx<'_>, id| Ok(calls::end_silent(tx, AuthorizationId::new(id))?);
                each::each(db, job, calls::due, step).await
            }
            Job::CreditsExpiring => {
                let days = terms.notice_days.clone();
                steps(db, move |tx| Ok(grants::tell_expiring(tx, &days, STEP)?)).await
            }
            Job::CreditsExpire => {
                let grace_ms = terms.grace_ms;
                let due = |conn: &Connection, now, after, limit| {
                    grants::expiring(conn, now, grace_ms, after, limit)
                };
                each::each(db, job, due, |tx, grant| Ok(wallet::expire(tx, GrantId::new(grant))?)).await
            }
            Job::NumbersRent => {
                let terms = terms.numbers;
                each::each(db, job, numbers::due, move |tx, rental| Ok(numbers::step(tx, rental, terms)?))
                    .await
            }
            Job::SubscriptionsRenew => {
                let Some(shop) = worker.shop() else { return Ok(Tally::default()) };
                let step =
                    move |tx: &WriteTx<'_>, id| Ok(subscriptions::step(tx, &shop, SubscriptionId::new(id))?);
                each::each(db, job, subscriptions::due, step).await
            }
            Job::RevenuePost => {
                let step = |tx: &WriteTx<'_>, limit| Ok(revenue::post_due(tx, limit)?);
                each::in_steps(db, job, STEP, step, |tx| Ok(revenue::skip(tx)?)).await
            }
            Job::VatRecheck => Ok(Tally::of(worker.enqueue_due().await?)),
            Job::KeysUsed => {
                door.flush_used().await?;
                Ok(Tally::default())
            }
            Job::SessionsPurge => steps(db, |tx| Ok(sessions::purge(tx, STEP)?)).await,
            Job::AnswersPurge => steps(db, |tx| Ok(idempotency::purge(tx, ANSWERS_KEPT_MS, STEP)?)).await,
            Job::OutboxPurge => steps(db, |tx| Ok(outbox::purge(tx, STEP)?)).await,
            Job::DeliveriesPurge => steps(db, |tx| Ok(notifications::purge(tx, STEP)?)).await,
            Job::RunsPurge => steps(db, |tx| Ok(sql::delete_runs(tx.conn()?, RUNS_KEPT, STEP)?)).await,
        }
    }

    /// How every job stands.
    ///
    /// # Errors
    /// When the database fails.
    pub fn statuses(&self, conn: &Connection) -> Result<Vec<Status>, DbError> {
        let stored = sql::jobs(conn)?;
        let failing = sql::failure_counts(conn)?;
        let board = self.board().clone();
        let status = |job: Job| {
            let stored = stored.iter().find(|stored| stored.run.job == job);
            let running = self.inner.running.get(job.place()).is_some_and(|one| one.try_lock().is_err());
            let last_error = stored.and_then(|s| s.run.error.clone().zip(s.failed_at));
            Status {
                job,
                running,
                last: board
                    .get(&job)
                    .map(|noted| noted.run.clone())
                    .or_else(|| stored.map(|s| s.run.clone())),
                last_error,
                failing: failing.get(job.name()).copied().unwrap_or(0),
            }
        };
        Ok(Job::ALL.iter().map(|job| status(*job)).collect())
    }
}

/// The newest runs that did something or failed, newest first.
///
/// # Errors
/// When the database fails.
pub fn runs(conn: &Connection, limit: u32) -> Result<Vec<Run>, DbError> {
    sql::runs(conn, limit)
}

/// Rows that could not be dealt with and are tried again later, those that go on longest first.
///
/// # Errors
/// When the database fails.
pub fn failures(conn: &Connection, limit: u32) -> Result<Vec<RowFailure>, DbError> {
    sql::failures(conn, limit)
}

/// Has `step` deal with up to [`STEP`] rows at a time until it finds fewer.
async fn steps<F>(db: &Db, step: F) -> Result<Tally, Error>
where
    F: Fn(&WriteTx<'_>) -> Result<usize, Error> + Clone + Send + 'static,
{
    let full = usize::try_from(STEP).unwrap_or(usize::MAX);
    let mut done = 0;
    loop {
        let step = step.clone();
        let count = db.write(move |tx| step(tx)).await?;
        done += count;
        if count < full {
            return Ok(Tally::of(done));
        }
    }
}
