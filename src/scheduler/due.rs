//! What is due now, and when the next thing is: one look at the database, so that a stop of the test clock at which nothing is to
//! be done costs no more than that.

use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::{Job, Scheduler, sql};
use crate::base::{Timestamp, Zone};
use crate::calls;
use crate::db::DbError;
use crate::grants;
use crate::numbers;
use crate::outbox;
use crate::revenue;
use crate::subscriptions;

impl Scheduler {
    /// The jobs that have something to do, in the order of [`Job::ALL`], and whether there is work outside.
    pub(super) fn due(&self, conn: &Connection, now: Timestamp) -> Result<(Vec<Job>, bool), DbError> {
        let today = i64::from(Zone::UTC.day_of(now).number());
        let is_another_day = self.inner.tidied_on.load(Ordering::Relaxed) != today;
        let mut due = Vec::new();
        for job in Job::ALL {
            if self.is_due(conn, *job, (now, is_another_day))? {
                due.push(*job);
            }
        }
        let outside = self.inner.worker.has_work(conn, now)?;
        self.inner.tidied_on.store(today, Ordering::Relaxed);
        Ok((due, outside))
    }

    /// `is_another_day`: those that have no time of their own were not done today.
    fn is_due(
        &self,
        conn: &Connection,
        job: Job,
        (now, is_another_day): (Timestamp, bool),
    ) -> Result<bool, DbError> {
        let terms = &self.inner.terms;
        Ok(match job {
            Job::CallsEnd => !calls::due(conn, now, None, 1)?.is_empty(),
            Job::CreditsExpiring => grants::is_notice_due(conn, &terms.notice_days, now)?,
            Job::CreditsExpire => !grants::expiring(conn, now, terms.grace_ms, None, 1)?.is_empty(),
            Job::NumbersRent => !numbers::due(conn, now, None, 1)?.is_empty(),
            Job::SubscriptionsRenew => !subscriptions::due(conn, now, None, 1)?.is_empty(),
            Job::RevenuePost => revenue::is_due(conn, now)?,
            Job::VatRecheck
            | Job::KeysUsed
            | Job::SessionsPurge
            | Job::AnswersPurge
            | Job::OutboxPurge
            | Job::DeliveriesPurge
            | Job::RunsPurge => is_another_day,
        })
    }

    /// When the next thing is due after `now`, of what is known to be due at a time of its own.
    pub(super) fn next_due(&self, conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, DbError> {
        let known = [
            calls::next_due(conn, now)?,
            grants::next_expiry(conn, now)?,
            grants::next_notice(conn, &self.inner.terms.notice_days, now)?,
            numbers::next_due(conn, now)?,
            subscriptions::next_due(conn, now)?,
            outbox::next_due(conn, now)?,
            sql::next_retry(conn, now)?,
        ];
        Ok(known.into_iter().flatten().min())
    }
}
