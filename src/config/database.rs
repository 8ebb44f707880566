//! `[database]`: where the data is, and how much memory and queue it may use.

use std::path::PathBuf;

use super::reader::Reader;

/// Where the data is, and how much memory and queue it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// The directory of the database file; made if missing.
    pub data_dir: PathBuf,
    /// Read-only connections kept.
    pub readers: u32,
    /// Operations that may wait for the writer before clients are told to come back (503); fewer where they are large.
    pub queue: usize,
    /// Length of the write-ahead log from which on the writer helps to fold it back, in MiB.
    pub wal_limit_mib: u64,
}

impl Database {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("database");
        Self {
            data_dir: section.value("data_dir", PathBuf::from("data")),
            readers: section.bounded("readers", 4, 1..=64),
            queue: section.bounded("queue", 1_024, 16..=65_536),
            wal_limit_mib: section.bounded("wal_limit_mib", 64, 4..=4_096),
        }
    }
}
