//! What callers hear when a call is rejected.

use rusqlite::Connection;

use super::sql::{self, Message};
use crate::base::id::OrganizationId;
use crate::base::{FieldError, FieldErrors};
use crate::db::{DbError, WriteTx};

/// What is said where an organization has set nothing.
pub const DEFAULT_MESSAGE: &str =
    "We are sorry: this call cannot be connected at the moment. Please try again later.";
/// The longest message, and the longest address of a recording, in characters.
pub const MAX_MESSAGE: usize = 1_000;

/// What callers of an organization hear.
///
/// # Errors
/// When the database fails.
pub fn message_of(conn: &Connection, organization: OrganizationId) -> Result<Message, DbError> {
    let own = sql::message(conn, organization)?;
    Ok(own.unwrap_or_else(|| Message { text: DEFAULT_MESSAGE.to_owned(), audio_url: None }))
}

/// Why a message is not taken.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// All fields that are wrong.
    #[error("invalid input")]
    Invalid(Vec<FieldError>),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Sets what callers of an organization hear; `None`: the usual again.
///
/// # Errors
/// [`MessageError::Invalid`] with every field that is wrong.
pub fn set_message(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    message: Option<&Message>,
) -> Result<(), MessageError> {
    if let Some(message) = message {
        check(message).map_err(MessageError::Invalid)?;
    }
    Ok(sql::set_message(tx.conn()?, organization, message, tx.now())?)
}

fn check(message: &Message) -> Result<(), Vec<FieldError>> {
    let mut errors = FieldErrors::new();
    if message.text.trim().is_empty() {
        errors.add("text", "required", "is required");
    }
    if message.text.chars().count() > MAX_MESSAGE {
        errors.add("text", "too_long", format!("must be at most {MAX_MESSAGE} characters"));
    }
    if message.text.chars().any(|c| c.is_control() && c != '\n') {
        errors.add("text", "invalid", "must not contain control characters");
    }
    if let Some(url) = &message.audio_url {
        let known = url.starts_with("https://") || url.starts_with("http://");
        if !known || url.chars().any(|c| c.is_control() || c.is_whitespace()) || url.len() > MAX_MESSAGE {
            errors.add("audio_url", "invalid", "must be an address that begins with https:// or http://");
        }
    }
    errors.finish(Some(()))
}
