//! How connections are set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::DbError;

/// The database file inside the data directory.
pub const FILE_NAME: &str = "tollbook.db";
/// How long a connection waits for another process (a command line tool) to finish its transaction.
const BUSY: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection.
const STATEMENTS: usize = 256;

/// The writing connection. `synchronous=FULL`: in WAL mode NORMAL loses acknowledged commits on power loss
/// (<https://sqlite.org/pragma.html#pragma_synchronous>).
/// `log_bytes`: where the log is folded back and starts over.
pub(super) fn open_writer(file: &Path, log_bytes: u64) -> Result<Connection, DbError> {
    let conn = Connection::open(file)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // negative: KiB
    conn.pragma_update(None, "cache_size", -24_576)?;
    // the checkpointer folds the log back, not the commit that happens to cross a threshold
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    // only for a log that a reader has held up: to cut it at every start costs more than a commit
    conn.pragma_update(None, "journal_size_limit", log_bytes.saturating_mul(2).cast_signed())?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

/// The connection that only folds the log back into the file.
pub(super) fn open_checkpointer(file: &Path) -> Result<Connection, DbError> {
    let conn = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(Duration::ZERO)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "cache_size", -256)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(conn)
}

/// What every pooled reader starts with.
pub(super) fn prepare_reader(conn: &mut Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -4_096)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}
