//! Telling that credit will expire, some days before. Each grant is told of once for each number of days.
//!
//! Expiries do not change, so what was told needs no mark on each grant: for every number of days it is known up to when it was
//! told, and what has come within reach since then is next. Credit that was given later than its own notice would have been
//! told is not told of; nor is credit of which nothing is left. Where several notices of a grant were missed because the server
//! was off, the last one stands for all.

use rusqlite::Connection;

use super::sql;
use crate::base::Timestamp;
use crate::base::time::{DAY_MS, HOUR_MS};
use crate::db::{DbError, WriteTx};
use crate::events::payload::Credit;
use crate::events::{self, Payload};

/// It is noted at least this often how far was told, where there was nothing to tell.
const NOTED_EVERY_MS: i64 = HOUR_MS;

/// Grants that expire after one instant, up to another, and are told of so long before.
pub(super) struct Span {
    /// Not these any more.
    pub after: Timestamp,
    /// These still.
    pub until: Timestamp,
    /// How long before they are told of, in milliseconds.
    pub before_ms: i64,
}

impl Span {
    /// Those that are told of so many `days` before, and were not when it had been told up to `reached`, leaving out those that
    /// expire until `nearer`.
    fn new(days: i64, (reached, nearer, now): (Timestamp, Timestamp, Timestamp)) -> Self {
        let before_ms = days.saturating_mul(DAY_MS);
        Self { after: reached.plus_ms(before_ms).max(nearer), until: now.plus_ms(before_ms), before_ms }
    }
}

/// Tells of credit that expires in so many `days` or less, of up to `limit` grants for each of them and those that expire together
/// with the last. Answers how many it told of; fewer than `limit` means that all are told.
///
/// # Errors
/// When the database fails.
pub fn tell_expiring(tx: &WriteTx<'_>, days: &[i64], limit: u32) -> Result<usize, DbError> {
    let (conn, now) = (tx.conn()?, tx.now());
    let mut days = days.to_vec();
    days.sort_unstable();
    let mut told = 0;
    // what is told of at a later notice is not told of at this one
    let mut nearer = now;
    for days in days {
        let reached = sql::notice_reached(conn, days)?;
        let mut span = Span::new(days, (reached, nearer, now));
        let until = span.until;
        let full = sql::nth_to_tell(conn, &span, limit)?;
        span.until = full.unwrap_or(until);
        let found = sql::to_tell(conn, &span)?;
        for (organization, credit) in &found {
            tell(tx, *organization, credit.clone())?;
        }
        if !found.is_empty() || reached.plus_ms(NOTED_EVERY_MS) <= now {
            sql::set_notice_reached(conn, days, span.until.plus_ms(-span.before_ms))?;
        }
        told += found.len();
        nearer = until;
    }
    Ok(told)
}

fn tell(
    tx: &WriteTx<'_>,
    organization: crate::base::id::OrganizationId,
    credit: Credit,
) -> Result<(), DbError> {
    events::emit(tx, Some(organization), &Payload::CreditsExpiring(credit)).map(|_| ())
}

/// Whether any grant is due to be told of.
///
/// # Errors
/// When the database fails.
pub fn is_notice_due(conn: &Connection, days: &[i64], now: Timestamp) -> Result<bool, DbError> {
    let mut days = days.to_vec();
    days.sort_unstable();
    let mut nearer = now;
    for days in days {
        let span = Span::new(days, (sql::notice_reached(conn, days)?, nearer, now));
        if sql::nth_to_tell(conn, &span, 1)?.is_some() {
            return Ok(true);
        }
        nearer = span.until;
    }
    Ok(false)
}

/// When the next grant is told of after `now`, unless nothing is left of it then.
///
/// # Errors
/// When the database fails.
pub fn next_notice(conn: &Connection, days: &[i64], now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    let mut next: Option<Timestamp> = None;
    for days in days {
        let before_ms = days.saturating_mul(DAY_MS);
        let at = sql::next_expiry(conn, now.plus_ms(before_ms))?.map(|expiry| expiry.plus_ms(-before_ms));
        next = next.into_iter().chain(at).min();
    }
    Ok(next)
}
