//! Our ids as they are told outside. Every book counts from one, and one that was put back from a copy counts on from there: the
//! same id may mean something else in another book, or in what was lost. What is told outside has a word with it that was drawn
//! when its row was written, so that nothing of somebody else's is taken for ours.

use rusqlite::Connection;

use super::sql;
use crate::base::id::{CardSetupId, Id, IdKind, PaymentId, RefundId};
use crate::db::DbError;

/// Between an id and its row's word.
const WITH: char = '-';

/// Ids that are told outside.
pub trait Told {
    /// The table whose rows they are of; its column `nonce` has the word.
    const TABLE: &'static str;
}

impl Told for PaymentId {
    const TABLE: &'static str = "payments";
}

impl Told for RefundId {
    const TABLE: &'static str = "refunds";
}

impl Told for CardSetupId {
    const TABLE: &'static str = "card_setups";
}

/// Whose an id is that was told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<I> {
    /// One of this book.
    Ours(I),
    /// One of another book, or of what was lost since a copy was made.
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
/// When there is no such row, or the database fails.
pub fn told<K: IdKind>(conn: &Connection, id: Id<K>) -> Result<String, DbError>
where
    Id<K>: Told,
{
    let word = sql::nonce(conn, <Id<K>>::TABLE, id.number())?;
    let word = word.ok_or_else(|| DbError::bad_row(<Id<K>>::TABLE, id.number(), "does not exist"))?;
    Ok(format!("{id}{WITH}{word}"))
}

/// Under which a provider is asked for something: the same for the same, however often it is asked for. `told`: its id.
#[must_use]
pub fn key(told: &str) -> String {
    format!("tollbook_{told}")
}

/// Whose an id is that was told from outside.
///
/// # Errors
/// When the database fails.
pub fn whose<K: IdKind>(conn: &Connection, text: &str) -> Result<Whose<Id<K>>, DbError>
where
    Id<K>: Told,
{
    let Some((id, word)) = text.split_once(WITH) else { return Ok(Whose::Nobodys) };
    let Ok(id) = id.parse::<Id<K>>() else { return Ok(Whose::Nobodys) };
    let own = sql::nonce(conn, <Id<K>>::TABLE, id.number())?;
    Ok(if own.as_deref() == Some(word) { Whose::Ours(id) } else { Whose::Others })
}
