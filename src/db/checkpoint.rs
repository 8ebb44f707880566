//! Folds the write-ahead log back into the file, beside the writer.
//!
//! A passive checkpoint waits for nobody and blocks nobody. Under constant writing it always leaves the newest
//! frames; the writer folds those few itself when the log has grown long (see `writer.rs`), and the log then
//! starts over.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::connection::open_checkpointer;
use super::error::DbError;

const EVERY: Duration = Duration::from_millis(500);

pub(super) struct Checkpointer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(file: &Path) -> Result<Self, DbError> {
        let conn = open_checkpointer(file)?;
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || {
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    let done = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                    if let Err(error) = done {
                        tracing::warn!(%error, "checkpoint");
                    }
                }
            })
            .map_err(|e| DbError::Io(e.to_string()))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
