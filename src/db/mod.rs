//! The database: one writer thread with group commit, a pool of read-only connections, migrations.
//!
//! Operations are plain synchronous functions over [`WriteTx`] or [`ReadTx`], so nothing can await inside a
//! transaction. What [`Db::write`] has answered is on disk.

mod checkpoint;
mod connection;
mod copy;
mod error;
mod lock;
mod migrate;
mod part;
mod read;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use connection::FILE_NAME;
pub use copy::copy;
pub use error::DbError;
pub use lock::DirLock;
pub use migrate::SCHEMA_VERSION;
pub use part::{Part, Parts};
pub use read::{ReadTx, collect};
pub use writer::{WriteTx, WriterStats};

use crate::base::{Clock, Timestamp};

/// How the database is opened.
#[derive(Debug, Clone)]
pub struct DbOptions {
    /// How many read-only connections are kept.
    pub readers: u32,
    /// How many operations may wait for the writer before callers are told to come back; fewer where they are large.
    pub queue: usize,
    /// When the write-ahead log is longer than this many bytes, the writer helps to fold it back.
    pub wal_limit_bytes: u64,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self { readers: 4, queue: 1_024, wal_limit_bytes: 64 << 20 }
    }
}

/// A handle to the open database; cheap to clone.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    // dropped first: the writer finishes what is queued before the rest goes
    writer: writer::Writer,
    readers: read::Readers,
    clock: Arc<dyn Clock>,
    file: PathBuf,
    // after the writer: stops when that can ask no more
    _checkpoint: checkpoint::Checkpointer,
}

impl Db {
    /// Opens (and creates or migrates) the database in `dir`.
    ///
    /// `parts` are the writer's in-memory companions, see [`Part`].
    ///
    /// # Errors
    /// When the directory or file cannot be used, or the schema is newer than this program.
    pub fn open(
        dir: &Path,
        options: &DbOptions,
        clock: Arc<dyn Clock>,
        parts: Parts,
    ) -> Result<Self, DbError> {
        std::fs::create_dir_all(dir).map_err(|e| DbError::io(dir, &e))?;
        let file = dir.join(FILE_NAME);
        let mut conn = connection::open_writer(&file, options.wal_limit_bytes)?;
        migrate::run(&mut conn)?;
        let (request, checkpoint) = checkpoint::Checkpointer::start(&file)?;
        let writer = writer::Writer::start(conn, options, clock.clone(), parts, request)?;
        let readers = read::Readers::open(&file, options.readers, clock.clone())?;
        Ok(Self { inner: Arc::new(Inner { writer, readers, clock, file, _checkpoint: checkpoint }) })
    }

    /// The current time, from the injected clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The clock itself.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock.clone()
    }

    /// The database file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.inner.file
    }

    /// Counters of the writer, for metrics.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        self.inner.writer.stats()
    }

    /// Runs `operation` on the writer and answers when its commit is on disk.
    ///
    /// An operation that returns an error leaves nothing behind.
    ///
    /// # Errors
    /// The operation's own error; [`DbError::Busy`] when too much is queued; any failure to commit.
    pub async fn write<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.write_weighed(1, operation).await
    }

    /// Like [`Db::write`] for an operation that does the work of `weight` ordinary ones, so that one commit
    /// does not take on too much.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn write_weighed<T, E, F>(&self, weight: usize, operation: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let receiver = self.inner.writer.submit(weight, operation)?;
        receiver.await.map_err(|_| DbError::Stopped)?
    }

    /// [`Db::write`] for callers outside an async runtime (the command line).
    ///
    /// # Errors
    /// As [`Db::write`], except that it waits while the queue is full.
    pub fn write_blocking<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let receiver = self.inner.writer.submit_waiting(1, operation)?;
        receiver.blocking_recv().map_err(|_| DbError::Stopped)?
    }

    /// Runs `query` on a read-only connection in one consistent snapshot, off the async threads.
    ///
    /// # Errors
    /// The query's own error, or [`DbError`] when no connection can be had.
    pub async fn read<T, E, F>(&self, query: F) -> Result<T, E>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let db = self.clone();
        tokio::task::spawn_blocking(move || db.read_blocking(query)).await.map_err(|_| DbError::Stopped)?
    }

    /// Runs `query` on this very thread: for point look-ups that take microseconds, and for the command line.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub fn read_blocking<T, E, F>(&self, query: F) -> Result<T, E>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, E>,
        E: From<DbError>,
    {
        self.inner.readers.with(query)
    }
}
