//! The writer's in-memory companions.

use std::any::{Any, TypeId};
use std::cell::{RefCell, RefMut};

use rusqlite::Connection;

use super::error::DbError;
use crate::base::Timestamp;

/// State that lives beside the writing connection: caches of rows that only the writer changes, and rows
/// that are gathered over one commit and written at its end.
///
/// The writer keeps a part equal to what a fresh one would load: it is flushed before anything reads the
/// tables it stands for, and reset whenever what it holds may not have been kept.
pub trait Part: Any + Send {
    /// Writes what has been gathered since the last flush. Called before an operation that uses SQL itself, and
    /// before every commit.
    ///
    /// # Errors
    /// Any failure fails the whole commit.
    fn flush(&mut self, conn: &Connection, now: Timestamp) -> Result<(), DbError>;

    /// An operation is about to use SQL itself, or has done so: forget copies of rows that are not this part's alone to change.
    fn exposed(&mut self) {}

    /// An operation begins that may be undone: [`Part::undo`] comes back to here, however often the part is flushed in
    /// between. Nothing is gathered at this moment.
    fn mark(&mut self) {}

    /// Called once at the end of a transaction that changed something, after every part was flushed.
    ///
    /// # Errors
    /// Any failure fails the whole commit.
    fn seal(&mut self, _conn: &Connection, _now: Timestamp) -> Result<(), DbError> {
        Ok(())
    }

    /// Goes back to the last [`Part::mark`]: an operation failed and its savepoint was rolled back, with all that was
    /// flushed since then.
    fn undo(&mut self);

    /// The commit is on disk.
    fn committed(&mut self);

    /// Forgets everything: the transaction was rolled back, or another process has written.
    fn reset(&mut self);

    /// A short stretch of housekeeping inside a commit. Returns true when more is waiting.
    ///
    /// # Errors
    /// Any failure fails the whole commit.
    fn upkeep(&mut self, _conn: &Connection, _now: Timestamp) -> Result<bool, DbError> {
        Ok(false)
    }
}

/// The parts of one writer, in the order in which they are flushed.
#[derive(Default)]
pub struct Parts {
    parts: Vec<(TypeId, RefCell<Box<dyn Part>>)>,
}

impl Parts {
    /// No parts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; at most one of each type.
    #[must_use]
    pub fn with<P: Part>(mut self, part: P) -> Self {
        self.parts.push((TypeId::of::<P>(), RefCell::new(Box::new(part))));
        self
    }

    pub(super) fn get<P: Part>(&self) -> Option<RefMut<'_, P>> {
        let wanted = TypeId::of::<P>();
        let (_, cell) = self.parts.iter().find(|(id, _)| *id == wanted)?;
        let borrowed = cell.try_borrow_mut().ok()?;
        RefMut::filter_map(borrowed, |part| {
            let any: &mut dyn Any = part.as_mut();
            any.downcast_mut::<P>()
        })
        .ok()
    }

    pub(super) fn each(
        &self,
        mut f: impl FnMut(&mut dyn Part) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        for (_, cell) in &self.parts {
            let mut part = cell.try_borrow_mut().map_err(|_| DbError::Commit("a part is in use".into()))?;
            f(part.as_mut())?;
        }
        Ok(())
    }
}
