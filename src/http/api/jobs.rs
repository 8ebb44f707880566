//! What is done from time to time: how it went, and doing it now.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::Timestamp;
use crate::http::State;
use crate::http::access::Access;
use crate::http::error::{ApiError, Code};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::scheduler::{self, Job, RowFailure, Run, Status};

/// Runs and failures listed.
pub const LISTED: u32 = 100;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::operator(Scope::Admin), list);
    table.api(__path_run, Access::operator(Scope::Admin), run);
}

/// One run of a job.
#[derive(Serialize, ToSchema)]
struct JobRun {
    /// Which job.
    #[schema(example = "credits.expire")]
    name: &'static str,
    started_at: Timestamp,
    ended_at: Timestamp,
    /// Rows that were dealt with.
    done: u64,
    /// Rows that could not be, and are tried again later.
    failed: u64,
    /// How late the oldest row that was due was, in milliseconds; null when nothing was due, or where it is not known.
    lag_ms: Option<i64>,
    /// What went wrong.
    error: Option<String>,
}

impl From<Run> for JobRun {
    fn from(run: Run) -> Self {
        let Run { job, started_at, ended_at, done, failed, lag_ms, error } = run;
        Self { name: job.name(), started_at, ended_at, done, failed, lag_ms, error }
    }
}

/// A job.
#[derive(Serialize, ToSchema)]
struct JobStatus {
    #[schema(example = "credits.expire")]
    name: &'static str,
    /// What it does.
    description: &'static str,
    /// When it is looked whether anything is due: second, minute, hour, day, month, day of the week, in UTC.
    #[schema(example = "10 * * * * *")]
    schedule: &'static str,
    /// Whether it is being done right now.
    running: bool,
    /// When it is looked at next.
    next_run_at: Option<Timestamp>,
    /// Its last run; null before the first.
    last_run: Option<JobRun>,
    /// What went wrong last, in this or an earlier run.
    last_error: Option<String>,
    /// When that was.
    last_error_at: Option<Timestamp>,
    /// Rows that it could not deal with, and that wait to be tried again.
    failing: u64,
}

/// A row that could not be dealt with: it is left alone until it is tried again, and the others go on.
#[derive(Serialize, ToSchema)]
struct JobFailure {
    /// Which job.
    name: &'static str,
    /// The number of the row in the job's table.
    row: i64,
    error: String,
    attempts: i64,
    since: Timestamp,
    retry_at: Timestamp,
}

impl From<RowFailure> for JobFailure {
    fn from(failure: RowFailure) -> Self {
        let RowFailure { job, subject, error, attempts, since, retry_at } = failure;
        Self { name: job.name(), row: subject, error, attempts, since, retry_at }
    }
}

/// All jobs.
#[derive(Serialize, ToSchema)]
struct Jobs {
    items: Vec<JobStatus>,
    /// The rows that failed longest ago, up to 100.
    failures: Vec<JobFailure>,
    /// The newest runs that did something or failed, up to 100, newest first.
    runs: Vec<JobRun>,
}

/// Jobs with when they are looked at next.
pub(in crate::http) async fn with_next(state: &State, all: Vec<Status>) -> Vec<(Status, Option<Timestamp>)> {
    let mut found = Vec::with_capacity(all.len());
    for status in all {
        let next = match state.cron.get() {
            Some(cron) => cron.next(status.job, state.clock.now()).await,
            None => None,
        };
        found.push((status, next));
    }
    found
}

/// The job with this name.
pub(in crate::http) fn job(name: &str) -> Result<Job, ApiError> {
    Job::from_name(name).ok_or_else(|| ApiError::new(Code::NotFound).message("There is no such job."))
}

/// What is done from time to time, and how it went
#[utoipa::path(get, path = "/admin/jobs", tag = "admin",
    responses((status = 200, description = "The jobs.", body = Jobs)))]
async fn list(state: web::Data<State>) -> Answer<Jobs> {
    let (all, failures, runs) = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let all = state.scheduler.statuses(tx)?;
        Ok((all, scheduler::failures(tx, LISTED)?, scheduler::runs(tx, LISTED)?))
    })?;
    let all = with_next(&state, all).await;
    let items = all.into_iter().map(|(status, next_run_at)| {
        let Status { job, running, last, last_error, failing } = status;
        let (last_error, last_error_at) = last_error.unzip();
        JobStatus {
            name: job.name(),
            description: job.what(),
            schedule: job.cron(),
            running,
            next_run_at,
            last_run: last.map(JobRun::from),
            last_error,
            last_error_at,
            failing,
        }
    });
    Ok(Reply::ok(Jobs {
        items: items.collect(),
        failures: failures.into_iter().map(JobFailure::from).collect(),
        runs: runs.into_iter().map(JobRun::from).collect(),
    }))
}

/// Do what is due of one job now, and answer when that is done
#[utoipa::path(post, path = "/admin/jobs/{name}/run", tag = "admin",
    params(("name" = String, Path, description = "The job.", example = "credits.expire")),
    responses((status = 200, description = "How it went.", body = JobRun)))]
async fn run(state: web::Data<State>, name: web::Path<String>) -> Answer<JobRun> {
    let run = state.scheduler.run(job(&name)?).await?;
    Ok(Reply::ok(run.into()))
}
