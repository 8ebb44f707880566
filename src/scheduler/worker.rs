//! Who carries out the work that is done outside: each kind of work names the one that does it before its first dot.

use rusqlite::Connection;

use crate::base::id::OrganizationId;
use crate::base::{Credits, Timestamp};
use crate::db::{Db, DbError};
use crate::limits;
use crate::notifications::{self, Courier, accounts};
use crate::outbox::{self, Failure, Lane, Work};
use crate::payments::{Desk, Error};
use crate::subscriptions::{Office, Shop};
use crate::vies::Register;
use crate::wallet;

/// Work taken in one step.
const STEP: u32 = 64;
/// Events gone through in one transaction.
const EVENTS: u32 = 20;

/// Carries out work of the outbox.
#[derive(Clone)]
pub struct Worker {
    db: Db,
    desk: Desk,
    register: Option<Register>,
    courier: Option<(Courier, notifications::Terms)>,
    thresholds: Vec<Credits>,
    office: Option<Office>,
}

impl Worker {
    /// One that hands work about money to `desk`.
    #[must_use]
    pub const fn new(db: Db, desk: Desk) -> Self {
        Self { db, desk, register: None, courier: None, thresholds: Vec::new(), office: None }
    }

    /// The same, that hands work about VAT ids to `register`.
    #[must_use]
    pub fn with_register(self, register: Register) -> Self {
        Self { register: Some(register), ..self }
    }

    /// The same, that has people told by `courier`.
    #[must_use]
    pub fn with_courier(self, courier: Courier, terms: notifications::Terms) -> Self {
        Self { courier: Some((courier, terms)), ..self }
    }

    /// The same, with the thresholds of organizations that have chosen none.
    #[must_use]
    pub fn with_thresholds(self, thresholds: Vec<Credits>) -> Self {
        Self { thresholds, ..self }
    }

    /// The same, that has plans renewed by `office`.
    #[must_use]
    pub fn with_office(self, office: Office) -> Self {
        Self { office: Some(office), ..self }
    }

    /// Has the register asked about VAT ids that it said nothing about for long. Answers how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enqueue_due(&self) -> Result<usize, DbError> {
        match &self.register {
            Some(register) => register.enqueue_due().await,
            None => Ok(0),
        }
    }

    async fn carry_out(&self, work: Work) -> Result<(), Failure> {
        match work.kind.split_once('.').map_or("", |(whose, _)| whose) {
            "payment" | "sandbox" => self.desk.carry_out(work).await,
            "mail" if work.kind == accounts::FORGOTTEN => self.mail_link(work.subject).await,
            "delivery" | "mail" if let Some((courier, _)) = &self.courier => courier.carry_out(work).await,
            "alert" => self.alert(&work.subject).await,
            "limit" => {
                let done = self.db.write(move |tx| limits::window_ended(tx, &work.subject));
                Ok(done.await?)
            }
            "subscription" if let Some(office) = &self.office => office.carry_out(work).await,
            "vat" if let Some(register) = &self.register => register.carry_out(work).await,
            _ => Err(Failure::Never(format!("nobody carries out {}", work.kind))),
        }
    }

    /// Somebody has forgotten a password.
    async fn mail_link(&self, subject: String) -> Result<(), Failure> {
        let Some((_, terms)) = self.courier.clone() else { return Ok(()) };
        let mailed = self.db.write(move |tx| accounts::mail_link(tx, &terms, &subject));
        mailed.await.map_err(|error| Failure::Later(error.to_string()))
    }

    /// A balance has crossed something.
    async fn alert(&self, subject: &str) -> Result<(), Failure> {
        let number: i64 = subject.parse().map_err(|_| Failure::Never("no such organization".into()))?;
        let thresholds = self.thresholds.clone();
        let looked =
            self.db.write(move |tx| wallet::look_at_alerts(tx, OrganizationId::new(number), &thresholds));
        looked.await.map_err(|error| match error {
            wallet::Error::Db(error) => error.into(),
            other => Failure::Never(other.to_string()),
        })
    }

    /// Whether there is anything to carry out, to ask about or to tell.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has_work(&self, conn: &Connection, now: Timestamp) -> Result<bool, DbError> {
        Ok(outbox::is_any_due(conn, now)?
            || self.desk.is_asking_due(conn, now)?
            || (self.courier.is_some() && notifications::untold(conn)?))
    }

    /// Carries out all work that is due, and asks about payments that are due to be asked about; then tells what has
    /// happened. Answers how much was done.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn work(&self) -> Result<usize, Error> {
        let mut done = 0;
        loop {
            let count = self.work_money().await? + self.tell().await.map_err(notifications_failed)?;
            if count == 0 {
                return Ok(done);
            }
            done += count;
        }
    }

    /// The part of [`Worker::work`] that is about money.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn work_money(&self) -> Result<usize, Error> {
        let mut done = 0;
        loop {
            let count = outbox::step(&self.db, Lane::Money, STEP, |work| self.carry_out(work)).await?;
            let asked = self.desk.reconcile().await?;
            if count + asked == 0 {
                return Ok(done);
            }
            done += count + asked;
        }
    }

    /// What charging for plans needs to know; none where nobody sells them.
    pub(super) fn shop(&self) -> Option<Shop> {
        self.office.as_ref().map(|office| office.shop().clone())
    }

    /// The part of [`Worker::work`] that tells people; whose servers are slow holds up nobody's money.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tell(&self) -> Result<usize, notifications::Error> {
        let Some((_, terms)) = &self.courier else { return Ok(0) };
        let mut done = 0;
        loop {
            let terms = terms.clone();
            let told = match self.db.read_blocking(|tx| notifications::untold(tx)) {
                Ok(true) => self.db.write(move |tx| notifications::tell(tx, &terms, EVENTS)).await,
                Ok(false) => Ok(0),
                Err(error) => Err(error.into()),
            };
            let (called, mailed) = tokio::join!(
                outbox::step(&self.db, Lane::Telling, STEP, |work| self.carry_out(work)),
                outbox::step(&self.db, Lane::Mail, STEP, |work| self.carry_out(work)),
            );
            let sent = called? + mailed?;
            // whatever is wrong with telling, what was written down before is sent
            let told = told?;
            if told + sent == 0 {
                return Ok(done);
            }
            done += told + sent;
        }
    }
}

/// What is wrong with telling is wrong with the database: nothing else there has an error of its own.
fn notifications_failed(error: notifications::Error) -> Error {
    match error {
        notifications::Error::Db(error) => Error::Db(error),
        other => Error::Db(DbError::bad_row("events", 0, other)),
    }
}
