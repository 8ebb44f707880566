//! One server per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::DbError;

/// The file that a server holds locked while it runs.
const FILE_NAME: &str = "tollbook.lock";

/// An advisory lock on a data directory. Ends with the process at the latest, however that ends.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock; `None` when another process (or another server in this one) holds it.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub fn acquire(dir: &Path) -> Result<Option<Self>, DbError> {
        let path = dir.join(FILE_NAME);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = opened.map_err(|e| DbError::io(&path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(DbError::io(&path, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_holder_at_a_time() {
        let dir = tempfile::tempdir().expect("dir");
        let held = DirLock::acquire(dir.path()).expect("file").expect("free");
        assert!(DirLock::acquire(dir.path()).expect("file").is_none());
        drop(held);
        assert!(DirLock::acquire(dir.path()).expect("file").is_some());
    }
}
