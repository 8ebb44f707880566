//! What is done from time to time, for the operator.

use askama::Template;

use super::chrome::Chrome;
use crate::base::Timestamp;
use crate::http::pages::components::{Chip, Tone};
use crate::http::pages::format;
use crate::scheduler::{RowFailure, Run, Status};

/// `GET /operator/jobs`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/jobs.html")]
pub struct JobsPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// All jobs.
    pub rows: Vec<JobRow>,
    /// Rows that could not be dealt with.
    pub failures: Vec<RowFailure>,
    /// The newest runs that did something or failed.
    pub runs: Vec<Run>,
}

/// One job.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// How it stands.
    pub status: Status,
    /// When it is looked at next.
    pub next: Option<Timestamp>,
}

impl JobRow {
    fn chips(&self) -> Vec<Chip> {
        let mut chips = Vec::new();
        if self.status.running {
            chips.push(Chip::new(Tone::Neutral, "Running"));
        }
        if self.status.failing > 0 {
            chips.push(Chip::new(Tone::Bad, format!("{} failing", self.status.failing)));
        }
        if self.status.last.as_ref().is_some_and(|run| run.error.is_some()) && self.status.failing == 0 {
            chips.push(Chip::new(Tone::Bad, "Failed"));
        }
        chips
    }
}

/// How long a run took: `12 ms`, or in words from a second on.
fn took(run: &Run) -> String {
    short(run.ended_at.millis().saturating_sub(run.started_at.millis()))
}

fn short(ms: i64) -> String {
    if ms < 1_000 { format!("{} ms", ms.max(0)) } else { format::duration_ms(ms) }
}

/// How late the oldest row was.
fn lag(run: &Run) -> String {
    run.lag_ms.map_or_else(|| "—".into(), short)
}

#[cfg(test)]
impl JobsPage {
    /// One job that has a row that it cannot deal with, one that is running, one that never ran.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, at};
        use crate::scheduler::Job;
        let run = |job, done, error: Option<&str>| Run {
            job,
            started_at: at("2026-11-21T09:00:10Z"),
            ended_at: at("2026-11-21T09:00:12.300Z"),
            done,
            failed: u64::from(error.is_some()),
            lag_ms: Some(10_400),
            error: error.map(str::to_owned),
        };
        let failed = run(Job::CreditsExpire, 1_200, Some("grants row 7: does not exist"));
        let status = |job, last: Option<Run>, running| Status {
            job,
            running,
            last_error: last.as_ref().and_then(|run| run.error.clone().map(|error| (error, run.ended_at))),
            failing: last.as_ref().map_or(0, |run| run.failed),
            last,
        };
        let next = Some(at("2026-11-21T09:01:10Z"));
        Self {
            chrome: samples::chrome(Section::Jobs, &[("Operator", ""), ("Jobs", "")]),
            rows: vec![
                JobRow { status: status(Job::CreditsExpire, Some(failed.clone()), false), next },
                JobRow { status: status(Job::CallsEnd, Some(run(Job::CallsEnd, 0, None)), true), next },
                JobRow { status: status(Job::RunsPurge, None, false), next: None },
            ],
            failures: vec![RowFailure {
                job: Job::CreditsExpire,
                subject: 7,
                error: "grants row 7: does not exist".into(),
                attempts: 3,
                since: at("2026-11-21T08:50:00Z"),
                retry_at: at("2026-11-21T09:04:00Z"),
            }],
            runs: vec![failed],
        }
    }
}
