//! Every request gets an id of ours; what a client sends is not believed, so that nobody can forge a line of the log.

use std::fmt;

use crate::base::Timestamp;

/// The id of one request: a UUID version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    /// Stands for a request that has none yet.
    pub const NONE: Self = Self(uuid::Uuid::nil());

    /// A new one.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        // the thread's generator, not the system's: a system call for each request is too much
        let random: [u8; 10] = rand::random();
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", self.0.simple())
    }
}
