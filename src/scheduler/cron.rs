//! When the jobs are looked at: a task of tokio-cron-scheduler for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_cron_scheduler::{Job as Task, JobScheduler, JobSchedulerError};
use uuid::Uuid;

use super::{Job, Scheduler};
use crate::base::time::SECOND_MS;
use crate::base::{Clock, SystemClock, Timestamp};

/// Why the jobs have no times.
pub type CronError = JobSchedulerError;

/// The jobs' times.
pub struct Cron {
    tasks: JobScheduler,
    ids: BTreeMap<Job, Uuid>,
}

impl Cron {
    /// Has every job looked at when it is time, by the machine's clock, until the scheduler is stopped or gone.
    ///
    /// # Errors
    /// When the times make no sense or there is no runtime.
    pub async fn start(scheduler: &Scheduler) -> Result<Self, JobSchedulerError> {
        let tasks = JobScheduler::new().await?;
        let mut ids = BTreeMap::new();
        for job in Job::ALL {
            let whose = Arc::downgrade(&scheduler.inner);
            let task = Task::new_async(job.cron(), move |_, _| {
                let whose = whose.clone();
                Box::pin(async move {
                    if let Some(inner) = whose.upgrade() {
                        Scheduler { inner }.run_unless_running(*job).await;
                    }
                })
            })?;
            ids.insert(*job, tasks.add(task).await?);
        }
        tasks.start().await?;
        Ok(Self { tasks, ids })
    }

    /// When a job is looked at next, by the clock that shows `now` now.
    pub async fn next(&self, job: Job, now: Timestamp) -> Option<Timestamp> {
        let id = self.ids.get(&job)?;
        let at = self.tasks.clone().next_tick_for_job(*id).await.ok().flatten()?;
        let wait_ms = at.timestamp().saturating_mul(SECOND_MS) - SystemClock.now().millis();
        Some(now.plus_ms(wait_ms.max(0)))
    }

    /// Looks at nothing any more.
    pub async fn stop(&self) {
        if let Err(error) = self.tasks.clone().shutdown().await {
            tracing::warn!(%error, "the jobs' times");
        }
    }
}
