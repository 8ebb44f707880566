//! What the hot path remembers: bounded, and never wrong for longer than it takes to answer a change.
//!
//! A change made by this process is seen by every look-up that begins after the change was answered: the writer
//! moves the generation on between commit and answer. A change made by another process (the command line) is
//! seen when this process next writes, and at the latest when what is remembered has grown old.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::base::Timestamp;
use crate::db::{DbError, Part, WriteTx};

/// Nothing older than this is believed.
pub const OLDEST: Duration = Duration::from_secs(2);

/// Counts the changes to keys and organizations; shared by the writer and the caches.
#[derive(Debug, Clone, Default)]
pub struct Generation(Arc<AtomicU64>);

impl Generation {
    /// The first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn current(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn advance(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The writer's part in keeping caches honest. To be given to [`crate::db::Db::open`] with the generation that the
/// [`super::Authenticator`] gets.
#[derive(Debug)]
pub struct Invalidate {
    generation: Generation,
    changed: bool,
}

impl Invalidate {
    /// Moves this generation on.
    #[must_use]
    pub const fn new(generation: Generation) -> Self {
        Self { generation, changed: false }
    }
}

impl Part for Invalidate {
    fn flush(&mut self, _conn: &Connection, _now: Timestamp) -> Result<(), DbError> {
        Ok(())
    }

    // the operation that marked a change may not be the one that failed: one reload too many does no harm
    fn undo(&mut self) {}

    fn committed(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.generation.advance();
        }
    }

    fn reset(&mut self) {
        self.changed = false;
        self.generation.advance();
    }
}

/// Tells the caches of this process, if it has any, that something they hold changes with this commit.
pub(super) fn changed(tx: &WriteTx<'_>) {
    if let Ok(mut part) = tx.part::<Invalidate>() {
        part.changed = true;
    }
}

struct Slot<V> {
    value: V,
    generation: u64,
    loaded: Instant,
    refreshing: AtomicBool,
}

/// A bounded cache of values that can be loaded again.
pub(super) struct Cache<K, V> {
    slots: RwLock<HashMap<K, Arc<Slot<V>>>>,
    generation: Generation,
    capacity: usize,
    oldest: Duration,
}

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    pub(super) fn new(generation: Generation, capacity: usize, oldest: Duration) -> Self {
        Self { slots: RwLock::default(), generation, capacity, oldest }
    }

    /// The value, from memory or by `load`. What does not exist is not remembered.
    pub(super) fn get<E>(
        &self,
        key: &K,
        load: impl FnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<V>, E> {
        // taken before loading: a change that commits meanwhile makes what we store stale at once
        let generation = self.generation.current();
        let now = Instant::now();
        let slot = self.slots.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(slot) = &slot
            && slot.generation == generation
        {
            let age = now.saturating_duration_since(slot.loaded);
            // past half its life the first one who comes loads it anew, while the others still use it
            let fresh = age < self.oldest / 2;
            if fresh || (age < self.oldest && slot.refreshing.swap(true, Ordering::SeqCst)) {
                return Ok(Some(slot.value.clone()));
            }
        }
        let loaded = load()?;
        if loaded.is_none() && slot.is_none() {
            // whoever guesses at random keeps nobody waiting
            return Ok(None);
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let Some(value) = loaded else {
            slots.remove(key);
            return Ok(None);
        };
        if slots.len() >= self.capacity && !slots.contains_key(key) {
            slots.retain(|_, slot| {
                slot.generation == generation && now.saturating_duration_since(slot.loaded) < self.oldest
            });
            if slots.len() >= self.capacity {
                slots.clear();
            }
        }
        let slot = Slot { value: value.clone(), generation, loaded: now, refreshing: AtomicBool::new(false) };
        slots.insert(key.clone(), Arc::new(slot));
        Ok(Some(value))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.slots.read().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn get(cache: &Cache<u32, u32>, key: u32, loads: &Cell<u32>) -> Option<u32> {
        cache
            .get(&key, || {
                loads.set(loads.get() + 1);
                Ok::<_, ()>((key > 0).then_some(key * 10))
            })
            .unwrap()
    }

    #[test]
    fn loads_once_until_something_changes() {
        let generation = Generation::new();
        let cache = Cache::new(generation.clone(), 10, Duration::from_hours(1));
        let loads = Cell::new(0);
        for _ in 0..5 {
            assert_eq!(get(&cache, 1, &loads), Some(10));
        }
        assert_eq!(loads.get(), 1);
        generation.advance();
        assert_eq!(get(&cache, 1, &loads), Some(10));
        assert_eq!(loads.get(), 2);
    }

    #[test]
    fn a_change_during_the_load_is_not_missed() {
        let generation = Generation::new();
        let cache = Cache::new(generation.clone(), 10, Duration::from_hours(1));
        let stale = cache.get(&1, || {
            generation.advance();
            Ok::<_, ()>(Some("old"))
        });
        assert_eq!(stale, Ok(Some("old")));
        assert_eq!(cache.get(&1, || Ok::<_, ()>(Some("new"))), Ok(Some("new")));
    }

    #[test]
    fn what_is_old_is_loaded_again() {
        let cache = Cache::new(Generation::new(), 10, Duration::from_millis(20));
        let loads = Cell::new(0);
        get(&cache, 1, &loads);
        std::thread::sleep(Duration::from_millis(25));
        get(&cache, 1, &loads);
        assert_eq!(loads.get(), 2);
        let never = Cache::new(Generation::new(), 10, Duration::ZERO);
        get(&never, 1, &loads);
        get(&never, 1, &loads);
        assert_eq!(loads.get(), 4);
    }

    #[test]
    fn past_half_its_life_one_loads_and_the_others_go_on() {
        let cache = Cache::new(Generation::new(), 10, Duration::from_secs(2));
        let loads = Cell::new(0);
        get(&cache, 1, &loads);
        std::thread::sleep(Duration::from_millis(1_050));
        let meanwhile = cache.get(&1, || {
            // somebody else asks while this one loads
            assert_eq!(cache.get(&1, || Err("must not load")), Ok(Some(10)));
            Ok::<_, ()>(Some(11))
        });
        assert_eq!(meanwhile, Ok(Some(11)));
        assert_eq!(get(&cache, 1, &loads), Some(11));
        assert_eq!(loads.get(), 1);
    }

    #[test]
    fn nothing_is_remembered_of_what_does_not_exist_and_the_rest_is_bounded() {
        let cache = Cache::new(Generation::new(), 8, Duration::from_hours(1));
        let loads = Cell::new(0);
        assert_eq!(get(&cache, 0, &loads), None);
        assert_eq!(get(&cache, 0, &loads), None);
        assert_eq!((loads.get(), cache.len()), (2, 0));
        for key in 1..100 {
            get(&cache, key, &loads);
            assert!(cache.len() <= 8);
        }
    }
}
