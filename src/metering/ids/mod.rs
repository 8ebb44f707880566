//! Has this event been seen? Exactly, for ever, without a random write.
//!
//! One ever-growing index over random ids turns every insert into random I/O. Here the newest keys are in memory; once
//! there are enough they are written as a sorted run, and a filter per run rules out nearly all runs for a new
//! id. Runs of one size are merged when there are many, so the number to ask grows with the logarithm. What the memory
//! holds can be read back from the end of `usage_items`, so nothing of this needs a write of its own per event.

mod filter;
mod merge;
mod sql;
pub mod verify;

use std::collections::HashMap;

use rusqlite::Connection;

use crate::base::id::OrganizationId;
use crate::db::DbError;
use filter::Filter;
use merge::Merge;

/// How large the pieces are.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// How many keys make a run.
    pub run: usize,
    /// How many runs of a level are merged into one of the next.
    pub fan_in: usize,
    /// Keys moved per commit at least, when keys are waiting to be moved.
    pub slice: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { run: 1 << 16, fan_in: 16, slice: 512 }
    }
}

/// A 64-bit key of an event id. Two ids may share one; whoever finds a key compares the id itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdKey(pub i64);

/// The first eight bytes of a hash.
pub(super) fn short_hash(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(*blake3::hash(bytes).as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]))
}

impl IdKey {
    /// The hash of an id alone, computed where the request is parsed.
    #[must_use]
    pub fn hash_of(id: &[u8]) -> u64 {
        short_hash(id)
    }

    /// The key of an id with that hash within an organization.
    #[must_use]
    pub fn new(organization: OrganizationId, id_hash: u64) -> Self {
        let salt =
            u64::from_ne_bytes(organization.number().to_ne_bytes()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut x = id_hash ^ salt;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self(i64::from_ne_bytes((x ^ (x >> 31)).to_ne_bytes()))
    }
}

/// A run in the database.
struct Run {
    number: i64,
    level: i64,
    entries: i64,
    last_item: i64,
    filter: Filter,
}

/// Keys that are being written as a run.
struct Flushing {
    run: i64,
    keys: Vec<(IdKey, i64)>,
    written: usize,
    last_item: i64,
}

/// The index of event ids.
#[derive(Default)]
pub struct IdIndex {
    sizes: Sizes,
    loaded: bool,
    /// Every committed event up to this item is known here.
    known_through: i64,
    young: HashMap<IdKey, Vec<i64>>,
    young_count: usize,
    flushing: Option<Flushing>,
    /// A run completed in this transaction: its keys, until the transaction is on disk.
    completed: Vec<(IdKey, i64)>,
    runs: Vec<Run>,
    merge: Option<Merge>,
    garbage: bool,
    /// Keys added since the last commit, newest last; and how many of them there were before the operation in progress.
    recent: Vec<(IdKey, i64)>,
    recent_marked: usize,
}

impl IdIndex {
    /// An index that knows nothing yet, and writes pieces of these sizes.
    pub fn new(sizes: Sizes) -> Self {
        Self { sizes, ..Self::default() }
    }

    /// Calls `is_same` with every item that may have this key until it says yes.
    ///
    /// # Errors
    /// When the database fails, or `is_same` does.
    pub fn find(
        &mut self,
        conn: &Connection,
        key: IdKey,
        mut is_same: impl FnMut(i64) -> Result<bool, DbError>,
    ) -> Result<Option<i64>, DbError> {
        self.load(conn)?;
        if let Some(items) = self.young.get(&key) {
            for item in items {
                if is_same(*item)? {
                    return Ok(Some(*item));
                }
            }
        }
        if let Some(flushing) = &self.flushing {
            let start = flushing.keys.partition_point(|(k, _)| *k < key);
            for (_, item) in flushing.keys.iter().skip(start).take_while(|(k, _)| *k == key) {
                if is_same(*item)? {
                    return Ok(Some(*item));
                }
            }
        }
        // a retry usually follows soon, so the newest run is asked first
        for run in self.runs.iter().rev().filter(|run| run.filter.may_contain(key)) {
            for item in sql::items_with_key(conn, run.number, key)? {
                if is_same(item)? {
                    return Ok(Some(item));
                }
            }
        }
        Ok(None)
    }

    /// Notes a new event. [`IdIndex::find`] has said that it is new.
    pub fn insert(&mut self, key: IdKey, item: i64) {
        self.young.entry(key).or_default().push(item);
        self.young_count += 1;
        self.recent.push((key, item));
    }

    /// [`IdIndex::undo`] comes back to here.
    pub fn mark(&mut self) {
        self.recent_marked = self.recent.len();
    }

    /// Forgets what was noted since the last [`IdIndex::mark`].
    pub fn undo(&mut self) {
        self.forget_down_to(self.recent_marked);
    }

    /// What was noted is on disk.
    pub fn committed(&mut self) {
        if let Some((_, newest)) = self.recent.last() {
            self.known_through = self.known_through.max(*newest);
        }
        self.recent.clear();
        self.recent_marked = 0;
        self.completed.clear();
    }

    /// The transaction was rolled back, or another process has written: forgets what was noted since the last
    /// commit, and catches up with `usage_items` before the next look-up.
    pub fn reset(&mut self) {
        // what was written of a run or a merge may have gone: keep every key findable, start those over
        let unfinished = self.flushing.take().map(|flushing| flushing.keys).unwrap_or_default();
        self.merge = None;
        for (key, item) in unfinished.into_iter().chain(std::mem::take(&mut self.completed)) {
            self.keep_young(key, item);
        }
        // only now: what was noted in this transaction may have begun to move
        self.forget_down_to(0);
        self.recent_marked = 0;
        self.loaded = false;
    }

    fn keep_young(&mut self, key: IdKey, item: i64) {
        let items = self.young.entry(key).or_default();
        if !items.contains(&item) {
            items.push(item);
            self.young_count += 1;
        }
    }

    fn forget_down_to(&mut self, keep: usize) {
        for (key, item) in self.recent.drain(keep..) {
            if let Some(items) = self.young.get_mut(&key) {
                items.retain(|i| *i != item);
                if items.is_empty() {
                    self.young.remove(&key);
                }
                self.young_count = self.young_count.saturating_sub(1);
            }
        }
    }

    /// Reads runs that are not known yet and the events after them.
    fn load(&mut self, conn: &Connection) -> Result<(), DbError> {
        if self.loaded {
            return Ok(());
        }
        let stored = sql::run_numbers(conn)?;
        self.runs.retain(|run| stored.contains(&run.number));
        for number in stored {
            if !self.runs.iter().any(|run| run.number == number) {
                self.runs.push(sql::run(conn, number)?);
            }
        }
        self.runs.sort_by_key(|run| run.last_item);
        let in_runs = self.runs.last().map_or(0, |run| run.last_item);
        // whatever was in the middle of being written, here or by an earlier process, is started over
        self.garbage = true;
        let mut fresh = Vec::new();
        let from = self.known_through.max(in_runs);
        self.known_through = sql::each_key_after(conn, from, |key, item| fresh.push((key, item)))?;
        for (key, item) in fresh {
            self.keep_young(key, item);
        }
        self.loaded = true;
        Ok(())
    }

    /// Writes a slice of what waits to become a run, or of a merge. `quota`: events in this commit.
    ///
    /// # Errors
    /// When the database fails.
    pub fn upkeep(&mut self, conn: &Connection, quota: usize) -> Result<bool, DbError> {
        if !self.loaded {
            return Ok(false);
        }
        // a key is written to a run, merged, and deleted from the run it was merged from: three moves, and some in hand
        let slice = self.sizes.slice.max(quota * 4);
        if self.garbage {
            self.garbage = sql::delete_garbage(conn, slice)?;
            return Ok(true);
        }
        if self.flushing.is_none() && self.young_count >= self.sizes.run {
            self.start_flush(conn)?;
        }
        if self.flushing.is_some() {
            self.continue_flush(conn, slice)?;
            return Ok(true);
        }
        if self.merge.is_none() {
            self.merge = self.start_merge(conn)?;
        }
        if let Some(mut merge) = self.merge.take() {
            if merge.step(conn, slice)? {
                let run = merge.finish(conn)?;
                self.runs.retain(|old| !merge.sources.contains(&old.number));
                self.runs.push(run);
                self.runs.sort_by_key(|run| run.last_item);
                self.garbage = true;
            } else {
                self.merge = Some(merge);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// A number that no run has or is about to get.
    fn next_run(&self, conn: &Connection) -> Result<i64, DbError> {
        let planned = self.merge.as_ref().map_or(0, |merge| merge.target);
        let planned = planned.max(self.flushing.as_ref().map_or(0, |flushing| flushing.run));
        Ok(sql::next_run(conn)?.max(planned + 1))
    }

    fn start_flush(&mut self, conn: &Connection) -> Result<(), DbError> {
        let mut keys: Vec<(IdKey, i64)> = std::mem::take(&mut self.young)
            .into_iter()
            .flat_map(|(key, items)| items.into_iter().map(move |item| (key, item)))
            .collect();
        self.young_count = 0;
        keys.sort_unstable();
        let last_item = keys.iter().map(|(_, item)| *item).max().unwrap_or(0);
        self.flushing = Some(Flushing { run: self.next_run(conn)?, keys, written: 0, last_item });
        Ok(())
    }

    fn continue_flush(&mut self, conn: &Connection, slice: usize) -> Result<(), DbError> {
        let Some(flushing) = self.flushing.as_mut() else { return Ok(()) };
        let until = flushing.keys.len().min(flushing.written + slice);
        for (key, item) in flushing.keys.get(flushing.written..until).unwrap_or_default() {
            sql::insert_key(conn, flushing.run, *key, *item)?;
        }
        flushing.written = until;
        if until < flushing.keys.len() {
            return Ok(());
        }
        let Some(done) = self.flushing.take() else { return Ok(()) };
        let mut filter = Filter::for_entries(done.keys.len());
        for (key, _) in &done.keys {
            filter.insert(*key);
        }
        let run = Run {
            number: done.run,
            level: 0,
            entries: i64::try_from(done.keys.len()).unwrap_or(i64::MAX),
            last_item: done.last_item,
            filter,
        };
        sql::insert_run(conn, &run)?;
        self.runs.push(run);
        self.completed = done.keys;
        Ok(())
    }

    fn start_merge(&self, conn: &Connection) -> Result<Option<Merge>, DbError> {
        let Some(highest) = self.runs.iter().map(|run| run.level).max() else { return Ok(None) };
        for level in 0..=highest {
            let of_level: Vec<&Run> =
                self.runs.iter().filter(|run| run.level == level).take(self.sizes.fan_in).collect();
            if of_level.len() == self.sizes.fan_in {
                let sources = of_level.iter().map(|run| run.number).collect();
                let entries = of_level.iter().map(|run| run.entries).sum();
                let last_item = of_level.iter().map(|run| run.last_item).max().unwrap_or(0);
                let target = self.next_run(conn)?;
                return Ok(Some(Merge::new(target, level + 1, sources, entries, last_item)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
