//! What can go wrong below the domain.

use std::path::Path;

/// A failure of the database or its machinery. Its text is for the log, never for a client.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The engine refused.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// No read connection was free in time.
    #[error("no read connection: {0}")]
    Pool(#[from] r2d2::Error),
    /// Too many operations are waiting for the writer.
    #[error("the writer's queue is full")]
    Busy,
    /// The writer has stopped, or gave the operation up because a neighbour in its commit failed.
    #[error("the operation was not carried out")]
    Stopped,
    /// The commit failed; nothing of it was kept.
    #[error("commit failed: {0}")]
    Commit(String),
    /// A stored row does not make sense.
    #[error("{table} row {row}: {what}")]
    BadRow {
        /// The table.
        table: &'static str,
        /// Which row of it.
        row: i64,
        /// What does not fit.
        what: String,
    },
    /// The file or directory cannot be used.
    #[error("{0}")]
    Io(String),
    /// The file was written by a newer program.
    #[error("the database has schema version {found}, this program knows {known}")]
    TooNew {
        /// In the file.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A migration failed.
    #[error("migration: {0}")]
    Migration(#[from] rusqlite_migration::Error),
}

impl DbError {
    /// An error about a path.
    #[must_use]
    pub fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io(format!("{}: {error}", path.display()))
    }

    /// A stored row that does not make sense.
    #[must_use]
    pub fn bad_row(table: &'static str, row: i64, what: impl std::fmt::Display) -> Self {
        Self::BadRow { table, row, what: what.to_string() }
    }

    /// True when the caller should simply come back later: nothing is wrong with the request.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Busy | Self::Stopped | Self::Commit(_) | Self::Pool(_) => true,
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    rusqlite::ErrorCode::DatabaseBusy
                        | rusqlite::ErrorCode::DatabaseLocked
                        | rusqlite::ErrorCode::DiskFull
                        | rusqlite::ErrorCode::ReadOnly
                        | rusqlite::ErrorCode::SystemIoFailure
                        | rusqlite::ErrorCode::CannotOpen
                )
            ),
            Self::BadRow { .. } | Self::Io(_) | Self::TooNew { .. } | Self::Migration(_) => false,
        }
    }
}
