//! What can go wrong. One answer of the HTTP layer for each.

use super::principal::Denied;
use crate::base::FieldError;
use crate::db::DbError;

/// Why an operation on people, organizations, sessions or keys was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The input was understood but is not valid; every field that is wrong.
    #[error("invalid input")]
    Invalid(Vec<FieldError>),
    /// Somebody else has that value already.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// There is no such thing (or it is not the caller's).
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The email or the password is wrong, or the account is disabled. Never says which.
    #[error("wrong email or password")]
    WrongCredentials,
    /// Too many attempts to sign in.
    #[error("too many attempts")]
    TooManyAttempts {
        /// When to try again.
        retry_after_ms: i64,
    },
    /// Too many passwords are being checked right now.
    #[error("too much to do")]
    Busy,
    /// An organization that has used something keeps its timezone: its days are drawn by it.
    #[error("the timezone cannot change once there is usage")]
    TimezoneFixed,
    /// Somebody has to be left who can manage things.
    #[error("the last {0} has to stay")]
    Last(&'static str),
    /// Setup was completed before.
    #[error("setup is complete")]
    SetupComplete,
    /// The setup link is not (or no longer) valid.
    #[error("the setup link is not valid")]
    SetupToken,
    /// The link by which a password is chosen is unknown, was used, or is too old.
    #[error("the link is not valid")]
    Link,
    /// The password could not be hashed. The text is for the log.
    #[error("password hashing: {0}")]
    Hashing(String),
}

impl From<Vec<FieldError>> for Error {
    fn from(fields: Vec<FieldError>) -> Self {
        Self::Invalid(fields)
    }
}
