//! What has happened that somebody may want to be told: by webhook, by mail, or in a list.
//!
//! An event is written down in the transaction in which it happens, so there is one exactly when it did. Who is told, and
//! how, is decided afterwards by whoever goes through them in order; nothing here knows of that.

pub mod payload;
mod sql;

pub use payload::{Kind, Payload};

use rusqlite::Connection;

use crate::base::Timestamp;
use crate::base::id::{EventId, OrganizationId};
use crate::db::{DbError, WriteTx};

/// Events that nobody can be told of again are kept this long, for people to look at.
pub const KEPT_MS: i64 = 90 * crate::base::time::DAY_MS;

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which.
    pub id: EventId,
    /// To whom; none when it concerns the operator alone.
    pub organization: Option<OrganizationId>,
    /// What.
    pub kind: Kind,
    /// What there is to say about it: a JSON object, as it is told.
    pub data: String,
    /// When.
    pub at: Timestamp,
}

impl Event {
    /// What there is to say about it.
    ///
    /// # Errors
    /// When what is stored is not what its kind says.
    pub fn payload(&self) -> Result<Payload, DbError> {
        Payload::parse(self.kind, &self.data).map_err(|e| DbError::bad_row("events", self.id.number(), e))
    }
}

/// Writes down what has happened to an organization, or to the operator alone.
///
/// # Errors
/// When the database fails.
pub fn emit(
    tx: &WriteTx<'_>,
    organization: Option<OrganizationId>,
    payload: &Payload,
) -> Result<EventId, DbError> {
    emit_now(tx.conn()?, organization, payload, tx.now())
}

/// The same, for what is written while a commit is gathered.
///
/// # Errors
/// When the database fails.
pub fn emit_now(
    conn: &Connection,
    organization: Option<OrganizationId>,
    payload: &Payload,
    now: Timestamp,
) -> Result<EventId, DbError> {
    let data = payload.to_json().map_err(|e| DbError::bad_row("events", 0, e))?;
    sql::insert(conn, organization, payload.kind(), &data, now)
}

/// One event.
///
/// # Errors
/// When the database fails or the row does not make sense.
pub fn get(conn: &Connection, id: EventId) -> Result<Option<Event>, DbError> {
    sql::get(conn, id)
}

/// Up to `limit` events after one, in order; of those of a kind that is not known there is only the id.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn after(conn: &Connection, id: i64, limit: u32) -> Result<Vec<(EventId, Option<Event>)>, DbError> {
    sql::after(conn, id, limit)
}

/// An organization's newest events, newest first.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn newest(conn: &Connection, organization: OrganizationId, limit: u32) -> Result<Vec<Event>, DbError> {
    sql::newest(conn, organization, limit)
}

/// Whether something of a kind was written down about an organization with this text in a field.
///
/// # Errors
/// When the database fails.
pub fn was_told_of(
    conn: &Connection,
    organization: OrganizationId,
    kind: Kind,
    (field, text): (&str, &str),
) -> Result<bool, DbError> {
    sql::exists(conn, organization, kind, field, text)
}

/// One step of tidying up: forgets at most `limit` events that are older than [`KEPT_MS`] and were told. Answers how many.
///
/// # Errors
/// When the database fails.
pub fn purge(tx: &WriteTx<'_>, told: i64, limit: u32) -> Result<usize, DbError> {
    sql::delete_before(tx.conn()?, tx.now().plus_ms(-KEPT_MS), told, limit)
}
