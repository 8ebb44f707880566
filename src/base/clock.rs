//! Where the time comes from.

use std::sync::atomic::{AtomicI64, Ordering};

use super::time::Timestamp;

/// A source of the current time, handed to whatever needs it.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    // the one place that may ask the machine (see clippy.toml)
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

/// A clock that runs only when told to, or beside the machine's clock at a distance.
#[derive(Debug)]
pub struct TestClock {
    /// The time itself when frozen, else the distance to the machine's clock. Milliseconds.
    value_ms: AtomicI64,
    frozen: bool,
}

impl TestClock {
    /// Stands still at `at` until advanced.
    #[must_use]
    pub fn frozen(at: Timestamp) -> Self {
        Self { value_ms: AtomicI64::new(at.millis()), frozen: true }
    }

    /// Runs with the machine's clock, `offset_ms` ahead of it.
    #[must_use]
    pub fn running(offset_ms: i64) -> Self {
        Self { value_ms: AtomicI64::new(offset_ms), frozen: false }
    }

    /// Moves the time by `by_ms` milliseconds; negative steps back, as a real clock may.
    pub fn advance(&self, by_ms: i64) {
        self.value_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let value = self.value_ms.load(Ordering::SeqCst);
        if self.frozen {
            return Timestamp::from_millis(value);
        }
        Timestamp::from_millis(SystemClock.now().millis().saturating_add(value))
    }
}
