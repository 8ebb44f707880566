//! Moving the clock of test mode: what is due in between happens in order, and at its own time.

use super::{Error, Scheduler};
use crate::base::time::{DAY_MS, MINUTE_MS};
use crate::base::{TestClock, Timestamp};
use crate::db::DbError;
use crate::identity::audit::{self, Difference};
use crate::identity::{By, settings};

/// However long the way, it is gone in about this many steps at most.
const MOST_STEPS: i64 = 8_000;

impl Scheduler {
    /// Moves a test clock forward to `to`, and does everything that is due on the way: the clock stops wherever something
    /// is due, and at least once a day for what is done daily, so that what is due in March is done in March. What is due
    /// within a minute (on a way of years: within a few hours) is done together, at the end of it.
    ///
    /// # Errors
    /// The first that fails. The clock then stands where that happened.
    pub async fn advance(&self, clock: &TestClock, by: By, to: Timestamp) -> Result<(), Error> {
        let _alone = self.inner.moving.lock().await;
        let db = &self.inner.db;
        let began = db.now();
        let least_ms = (to.millis().saturating_sub(began.millis()) / MOST_STEPS).max(MINUTE_MS);
        db.write(move |tx| -> Result<_, Error> {
            let difference = Difference::new().changed("now", began.to_string(), to.to_string());
            audit::record(tx, &by, "clock.advanced", "clock", None, &difference)?;
            Ok(())
        })
        .await?;
        loop {
            let now = db.now();
            if now >= to {
                return Ok(());
            }
            let due = db.read_blocking(|tx| self.next_due(tx, now))?;
            let stop = due.unwrap_or(to).min(now.plus_ms(DAY_MS)).max(now.plus_ms(least_ms)).min(to);
            self.stand_at(clock, stop.millis() - now.millis()).await?;
            self.tick().await?;
        }
    }

    async fn stand_at(&self, clock: &TestClock, by_ms: i64) -> Result<(), Error> {
        let db = &self.inner.db;
        // written first: whatever happens next has happened at a time that a restart knows
        db.write(move |tx| -> Result<_, Error> {
            let offset = settings::get::<i64>(tx.conn()?, settings::CLOCK_OFFSET)?.unwrap_or(0);
            Ok(settings::set(tx, settings::CLOCK_OFFSET, &offset.saturating_add(by_ms))?)
        })
        .await?;
        clock.advance(by_ms);
        // a commit that began before has the time of before: it ends first
        db.write(|_| Ok::<_, DbError>(())).await?;
        Ok(())
    }
}
