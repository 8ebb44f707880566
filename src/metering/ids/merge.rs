//! Several runs into one, a slice of the key range at a time.

use rusqlite::Connection;

use super::filter::Filter;
use super::{Run, sql};
use crate::db::DbError;

/// A merge in progress. The sources stay as they are, and are asked, until it has finished.
pub(super) struct Merge {
    pub(super) target: i64,
    level: i64,
    pub(super) sources: Vec<i64>,
    entries: i64,
    last_item: i64,
    filter: Filter,
    /// Keys below this have been written.
    next_key: Option<i64>,
}

impl Merge {
    pub(super) fn new(target: i64, level: i64, sources: Vec<i64>, entries: i64, last_item: i64) -> Self {
        let filter = Filter::for_entries(usize::try_from(entries).unwrap_or(0));
        Self { target, level, sources, entries, last_item, filter, next_key: Some(i64::MIN) }
    }

    /// Moves about `slice` keys. True when none are left.
    pub(super) fn step(&mut self, conn: &Connection, slice: usize) -> Result<bool, DbError> {
        let Some(from) = self.next_key else { return Ok(true) };
        // keys are spread evenly, so a share of the range holds that share of them
        let share =
            i128::try_from(slice).unwrap_or(1).max(1) * (1_i128 << 64) / i128::from(self.entries.max(1));
        let until = i64::try_from(i128::from(from) + share.max(1)).ok();
        let mut keys = Vec::with_capacity(slice * 2);
        for source in &self.sources {
            sql::keys_between(conn, *source, from, until, &mut keys)?;
        }
        keys.sort_unstable();
        for (key, item) in keys {
            sql::insert_key(conn, self.target, key, item)?;
            self.filter.insert(key);
        }
        self.next_key = until;
        Ok(until.is_none())
    }

    /// Puts the new run in the place of its sources, whose keys are deleted later.
    pub(super) fn finish(&mut self, conn: &Connection) -> Result<Run, DbError> {
        let run = Run {
            number: self.target,
            level: self.level,
            entries: self.entries,
            last_item: self.last_item,
            filter: std::mem::replace(&mut self.filter, Filter::for_entries(0)),
        };
        sql::insert_run(conn, &run)?;
        for source in &self.sources {
            sql::delete_run(conn, *source)?;
        }
        Ok(run)
    }
}
