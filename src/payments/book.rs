//! Our ids as they are told outside. Every book counts from one, so the same id means something else in another book; what
//! goes outside says which book it is from. Two that share a provider's account do not take each other's payments, refunds and cards
//! for their own.

use rusqlite::Connection;

use super::sql;
use crate::base::id::{Id, IdKind};
use crate::db::DbError;

/// Between an id and the book it is from.
const OF: char = '-';

/// Whose an id is that was told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<I> {
    /// One of this book.
    Ours(I),
    /// One of another.
    Others,
    /// None of the kind that was asked for.
    Nobodys,
}

impl<I> Whose<I> {
    /// The id, if it is one of this book.
    #[must_use]
    pub fn ours(self) -> Option<I> {
        match self {
            Self::Ours(id) => Some(id),
            Self::Others | Self::Nobodys => None,
        }
    }
}

/// An id as it is told outside.
///
/// # Errors
/// When the database fails.
pub fn told<K: IdKind>(conn: &Connection, id: Id<K>) -> Result<String, DbError> {
    Ok(format!("{id}{OF}{}", sql::book(conn)?))
}

/// Under which a provider is asked for what has this id: the same for the same, however often it is asked for.
///
/// # Errors
/// When the database fails.
pub fn key<K: IdKind>(conn: &Connection, id: Id<K>) -> Result<String, DbError> {
    Ok(format!("tollbook_{}", told(conn, id)?))
}

/// Whose an id is that was told from outside.
///
/// # Errors
/// When the database fails.
pub fn whose<K: IdKind>(conn: &Connection, text: &str) -> Result<Whose<Id<K>>, DbError> {
    let Some((id, book)) = text.split_once(OF) else { return Ok(Whose::Nobodys) };
    let Ok(id) = id.parse() else { return Ok(Whose::Nobodys) };
    Ok(if book == sql::book(conn)? { Whose::Ours(id) } else { Whose::Others })
}
