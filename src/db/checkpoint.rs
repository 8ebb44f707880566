//! Folds the write-ahead log back into the file, beside the writer.
//!
//! A passive checkpoint waits for nobody and blocks nobody. Under constant writing it always leaves the newest frames, and
//! the log starts over only when none is left. So when the log has grown long, the writer asks for a checkpoint at once and
//! then folds the few frames written meanwhile itself: all that anybody waits for.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::connection::open_checkpointer;
use super::error::DbError;

const EVERY: Duration = Duration::from_millis(500);

/// The thread that folds. It ends when nobody can ask any more.
pub(super) struct Checkpointer(Option<JoinHandle<()>>);

/// For asking for a checkpoint.
pub(super) struct Request {
    ask: SyncSender<()>,
    answered: Arc<AtomicU64>,
}

impl Request {
    /// Asks for a checkpoint now, unless it is asked for already.
    pub(super) fn ask(&self) {
        // full: there is one to come
        let _ = self.ask.try_send(());
    }

    /// How many of those that were asked for are done.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }
}

impl Checkpointer {
    pub(super) fn start(file: &Path) -> Result<(Request, Self), DbError> {
        let conn = open_checkpointer(file)?;
        let (ask, asked) = sync_channel(1);
        let answered = Arc::new(AtomicU64::new(0));
        let request = Request { ask, answered: answered.clone() };
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || run(&conn, &asked, &answered))
            .map_err(|e| DbError::Io(e.to_string()))?;
        Ok((request, Self(Some(thread))))
    }
}

fn run(conn: &Connection, asked: &Receiver<()>, answered: &AtomicU64) {
    loop {
        let was_asked = match asked.recv_timeout(EVERY) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        fold(conn);
        if was_asked {
            answered.fetch_add(1, Ordering::Release);
        }
    }
}

/// Folds back what can be folded without waiting.
pub(super) fn fold(conn: &Connection) {
    if let Err(error) = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(%error, "checkpoint");
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
