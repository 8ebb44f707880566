//! Compares the stored part of the index with the events that it stands for: an event that it does not know would be
//! charged again.

use rusqlite::Connection;

use super::{IdKey, short_hash, sql};
use crate::base::id::OrganizationId;
use crate::ledger::verify::{VerifyError, expect_equal};
use crate::metering::external::ExternalId;

/// The runs, each with the keys that it holds and those of the events that it should hold.
pub struct Runs {
    /// From the oldest events to the newest. A run holds every event after those of the run before it.
    runs: Vec<Run>,
    /// The run that the next event belongs to.
    at: usize,
}

struct Run {
    number: i64,
    last_item: i64,
    held: Keys,
    events: Keys,
}

/// Keys in any order: how many, and the sum of their hashes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Keys {
    count: i64,
    digest: u64,
}

impl Keys {
    fn add(&mut self, key: IdKey, item: i64) {
        let pair = [key.0.to_le_bytes(), item.to_le_bytes()];
        self.count += 1;
        self.digest = self.digest.wrapping_add(short_hash(pair.as_flattened()));
    }
}

impl Runs {
    /// Reads every run; its filter knows each of its keys.
    ///
    /// # Errors
    /// The first run that does not fit.
    pub fn read(conn: &Connection) -> Result<Self, VerifyError> {
        let mut runs = Vec::new();
        for number in sql::run_numbers(conn)? {
            let stored = sql::run(conn, number)?;
            let mut held = Keys::default();
            let mut denied = None;
            sql::each_key_of(conn, number, |key, item| {
                held.add(key, item);
                if !stored.filter.may_contain(key) {
                    denied = denied.or(Some(item));
                }
            })?;
            if let Some(item) = denied {
                let what = format!("the filter does not know the event of line {item}");
                return Err(VerifyError::misfit("usage_id_runs", number, what));
            }
            expect_equal("usage_id_runs", number, "how many keys it holds", &stored.entries, &held.count)?;
            runs.push(Run { number, last_item: stored.last_item, held, events: Keys::default() });
        }
        runs.sort_by_key(|run| run.last_item);
        Ok(Self { runs, at: 0 })
    }

    /// Notes an event. They come in the order of their lines.
    pub fn event(&mut self, organization: OrganizationId, id: &ExternalId, item: i64) {
        while self.runs.get(self.at).is_some_and(|run| run.last_item < item) {
            self.at += 1;
        }
        if let Some(run) = self.runs.get_mut(self.at) {
            run.events.add(IdKey::new(organization, IdKey::hash_of(id.bytes())), item);
        }
    }

    /// Every run holds its events, and nothing else.
    ///
    /// # Errors
    /// The first run that does not.
    pub fn compare(&self) -> Result<(), VerifyError> {
        self.runs.iter().try_for_each(|run| {
            expect_equal("usage_id_runs", run.number, "what it holds", &run.held, &run.events)
        })
    }
}
