//! What is due from time to time. Every step is small, so that requests in between do not wait, and may be cut off
//! anywhere: what is due lives in rows, and the next tick goes on.

mod worker;

use crate::base::time::DAY_MS;
use crate::calls;
use crate::db::{Db, DbError};
use crate::idempotency;
use crate::identity::{self, Authenticator, sessions};
use crate::notifications;
use crate::outbox;
use crate::payments;
use crate::revenue;
use crate::wallet;

pub use worker::Worker;

/// Rows handled in one transaction.
const STEP: u32 = 500;
/// Answers to idempotent requests are kept that long.
const ANSWERS_KEPT_MS: i64 = 7 * DAY_MS;

/// Why a tick was cut short.
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
}

/// Does everything that is due now.
///
/// # Errors
/// The first that fails; the rest is tried again at the next tick.
pub async fn tick(db: &Db, door: &Authenticator, worker: &Worker) -> Result<(), Error> {
    end_calls(db).await?;
    worker.enqueue_due().await?;
    worker.work().await?;
    tidy(db, door).await
}

/// Notes used keys, moves credit that has expired, posts once a day what was earned, and forgets what is kept for a while only.
///
/// # Errors
/// The first that fails; the rest is tried again the next time.
pub async fn tidy(db: &Db, door: &Authenticator) -> Result<(), Error> {
    let full = usize::try_from(STEP).unwrap_or(usize::MAX);
    door.flush_used().await?;
    while db.write(|tx| wallet::expire_due(tx, STEP)).await? >= full {}
    while db.write(|tx| revenue::post_due(tx, STEP)).await? >= full {}
    while db.write(|tx| sessions::purge(tx, STEP)).await? >= full {}
    while db.write(|tx| idempotency::purge(tx, ANSWERS_KEPT_MS, STEP)).await? >= full {}
    while db.write(|tx| outbox::purge(tx, STEP)).await? >= full {}
    while db.write(|tx| notifications::purge(tx, STEP)).await? >= full {}
    Ok(())
}

/// Ends calls that were not heard of in time.
///
/// # Errors
/// When the database fails; the rest is tried again at the next tick.
pub async fn end_calls(db: &Db) -> Result<(), Error> {
    let full = usize::try_from(STEP).unwrap_or(usize::MAX);
    while db.write(|tx| calls::expire_due(tx, STEP)).await? >= full {}
    Ok(())
}
