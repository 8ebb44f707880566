//! Who carries out the work that is done outside: each kind of work names the one that does it before its first dot.

use crate::db::{Db, DbError};
use crate::outbox::{self, Failure, Work};
use crate::payments::{Desk, Error};
use crate::vies::Register;

/// Work taken in one step.
const STEP: u32 = 20;

/// Carries out work of the outbox.
#[derive(Clone)]
pub struct Worker {
    db: Db,
    desk: Desk,
    register: Option<Register>,
}

impl Worker {
    /// One that hands work about money to `desk`.
    #[must_use]
    pub const fn new(db: Db, desk: Desk) -> Self {
        Self { db, desk, register: None }
    }

    /// The same, that hands work about VAT ids to `register`.
    #[must_use]
    pub fn with_register(self, register: Register) -> Self {
        Self { register: Some(register), ..self }
    }

    /// Writes down the work that is due because time has passed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enqueue_due(&self) -> Result<(), DbError> {
        if let Some(register) = &self.register {
            register.enqueue_due().await?;
        }
        Ok(())
    }

    async fn carry_out(&self, work: Work) -> Result<(), Failure> {
        match work.kind.split_once('.').map_or("", |(whose, _)| whose) {
            "payment" | "sandbox" => self.desk.carry_out(work).await,
            "vat" if let Some(register) = &self.register => register.carry_out(work).await,
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
