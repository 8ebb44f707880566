//! A copy of the database as it is at one instant, taken while others write.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::connection::FILE_NAME;
use super::error::DbError;

/// Copies the database of one data directory into another, which has none yet.
///
/// # Errors
/// When there is no database, or the other directory cannot be written.
pub fn copy(from: &Path, to: &Path) -> Result<(), DbError> {
    let target = to.join(FILE_NAME);
    if target.exists() {
        return Err(DbError::Io(format!("{} exists", target.display())));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from.join(FILE_NAME), flags)?;
    let mut copied = Connection::open(&target)?;
    // all pages in one step: one snapshot, however much is written meanwhile
    match Backup::new(&source, &mut copied)?.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(DbError::Io(format!("{} could not be copied", from.display()))),
    }
}
