//! Who carries out the work that is done outside: each kind of work names the one that does it before its first dot.

use crate::db::Db;
use crate::outbox::{self, Failure, Work};
use crate::payments::{Desk, Error};

/// Work taken in one step.
const STEP: u32 = 20;

/// Carries out work of the outbox.
#[derive(Clone)]
pub struct Worker {
    db: Db,
    desk: Desk,
}

impl Worker {
    /// One that hands work about money to `desk`.
    #[must_use]
    pub const fn new(db: Db, desk: Desk) -> Self {
        Self { db, desk }
    }

    async fn carry_out(&self, work: Work) -> Result<(), Failure> {
        match work.kind.split_once('.').map_or("", |(whose, _)| whose) {
            "payment" | "sandbox" => self.desk.carry_out(work).await,
            _ => Err(Failure::Never(format!("nobody carries out {}", work.kind))),
        }
    }

    /// Carries out all work that is due, and asks about payments that are due to be asked about. Answers how much was
    /// done.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn work(&self) -> Result<usize, Error> {
        let mut done = 0;
        loop {
            let count = outbox::step(&self.db, STEP, |work| self.carry_out(work)).await?;
            let asked = self.desk.reconcile().await?;
            if count + asked == 0 {
                return Ok(done);
            }
            done += count + asked;
        }
    }
}
