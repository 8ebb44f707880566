//! Reading: a pool of read-only connections, each query in one snapshot.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags, Params, Row};

use super::connection::prepare_reader;
use super::error::DbError;
use crate::base::{Clock, Timestamp};

/// How long a request waits for a free connection.
const WAIT: Duration = Duration::from_secs(5);

pub(super) struct Readers {
    pool: r2d2::Pool<SqliteConnectionManager>,
    clock: Arc<dyn Clock>,
}

impl Readers {
    pub(super) fn open(file: &Path, size: u32, clock: Arc<dyn Clock>) -> Result<Self, DbError> {
        let manager = SqliteConnectionManager::file(file)
            .with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .with_init(prepare_reader);
        let pool = r2d2::Pool::builder()
            .max_size(size.max(1))
            .min_idle(Some(1))
            .connection_timeout(WAIT)
            .test_on_check_out(false)
            .build(manager)?;
        Ok(Self { pool, clock })
    }

    pub(super) fn with<T, E, F>(&self, query: F) -> Result<T, E>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, E>,
        E: From<DbError>,
    {
        let pooled = self.pool.get().map_err(DbError::from)?;
        let snapshot = Snapshot::begin(&pooled)?;
        query(&ReadTx { conn: snapshot.0, now: self.clock.now() })
    }
}

/// A read transaction. The library's own would parse its two statements anew each time, which costs as much as
/// reading a balance.
struct Snapshot<'c>(&'c Connection);

impl<'c> Snapshot<'c> {
    fn begin(conn: &'c Connection) -> Result<Self, DbError> {
        if !conn.is_autocommit() {
            // the one before could not be ended
            conn.execute_batch("ROLLBACK")?;
        }
        conn.prepare_cached("BEGIN DEFERRED")?.execute([])?;
        Ok(Self(conn))
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // a reader has nothing to commit
        let ended = self.0.prepare_cached("ROLLBACK").and_then(|mut end| end.execute([]));
        if let Err(error) = ended {
            tracing::error!(%error, "a snapshot could not be ended");
        }
    }
}

/// The rows of a statement, which is kept prepared, as what they stand for.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn collect<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    from_row: impl Fn(&Row<'_>) -> Result<T, DbError>,
) -> Result<Vec<T>, DbError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

/// One consistent view of the database.
pub struct ReadTx<'c> {
    conn: &'c Connection,
    now: Timestamp,
}

impl<'c> ReadTx<'c> {
    /// Reads through a connection that somebody else opened (the verifier, tests).
    #[must_use]
    pub const fn over(conn: &'c Connection, now: Timestamp) -> Self {
        Self { conn, now }
    }

    /// The time this query runs at.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The connection, read-only.
    #[must_use]
    pub const fn conn(&self) -> &Connection {
        self.conn
    }
}

impl Deref for ReadTx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}
