//! The floor: what plain `rusqlite` does on this machine with the schema anyone would write first.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{CachedStatement, Connection};

use super::histogram::micros;
use super::ids::{Ids, Random, uuid};
use super::{BenchError, ORGANIZATIONS, sql};
use crate::base::{Clock, SystemClock};

/// Enough for the whole database while it is being filled.
const FILL_CACHE_KIB: i64 = 768 * 1_024;

/// A database with the naive schema.
pub(super) struct Floor {
    conn: Connection,
    random: Random,
    ids: Ids,
}

struct Statements<'c> {
    usage: CachedStatement<'c>,
    posting: CachedStatement<'c>,
    balance: CachedStatement<'c>,
}

impl Floor {
    /// An empty one in `directory`.
    pub(super) fn create(directory: &Path, ids: Ids) -> Result<Self, BenchError> {
        let file = file(directory);
        for suffix in ["", "-wal", "-shm"] {
            let mut name = file.clone().into_os_string();
            name.push(suffix);
            match std::fs::remove_file(name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        let floor = Self::open(&file, ids)?;
        floor.conn.execute_batch(sql::SCHEMA)?;
        let tx = floor.conn.unchecked_transaction()?;
        for account in 2..=2 * ORGANIZATIONS + 1 {
            tx.execute(sql::ADD_ACCOUNT, [i64::try_from(account).unwrap_or(i64::MAX)])?;
        }
        tx.commit()?;
        Ok(floor)
    }

    fn open(file: &Path, ids: Ids) -> Result<Self, BenchError> {
        let conn = Connection::open(file)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        Ok(Self { conn, random: Random::new(), ids })
    }

    /// One with `events` rows, made in a hurry (in memory, without waiting for the disk) and then opened as usual.
    pub(super) fn filled(directory: &Path, ids: Ids, events: u64) -> Result<Self, BenchError> {
        let mut floor = Self::create(directory, ids)?;
        floor.conn.pragma_update(None, "synchronous", "OFF")?;
        floor.conn.pragma_update(None, "cache_size", -FILL_CACHE_KIB)?;
        let mut done = 0;
        while done < events {
            floor.transaction(50_000.min(events - done))?;
            done += 50_000;
        }
        floor.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        drop(floor);
        Self::open(&file(directory), ids)
    }

    /// Charges events, `per_transaction` at a time, for `length`; events per second.
    pub(super) fn run(&mut self, per_transaction: u64, length: Duration) -> Result<u64, BenchError> {
        let started = Instant::now();
        let mut events = 0;
        while started.elapsed() < length {
            self.transaction(per_transaction)?;
            events += per_transaction;
        }
        Ok(events * 1_000_000 / micros(started.elapsed()).max(1))
    }

    fn transaction(&mut self, events: u64) -> Result<(), BenchError> {
        let Self { conn, random, ids } = self;
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        {
            let mut statements = Statements {
                usage: conn.prepare_cached(sql::ADD_USAGE)?,
                posting: conn.prepare_cached(sql::ADD_POSTING)?,
                balance: conn.prepare_cached(sql::MOVE_BALANCE)?,
            };
            for _ in 0..events {
                charge(conn, &mut statements, random, *ids)?;
            }
        }
        conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    /// Whether postings and balances agree.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        let misfits: i64 = self.conn.query_row(sql::MISFITS, [], |row| row.get(0))?;
        if misfits == 0 {
            return Ok(());
        }
        Err(BenchError::Wrong(format!("the floor has {misfits} balances that do not add up")))
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join("floor.db")
}

/// One event.
fn charge(
    conn: &Connection,
    statements: &mut Statements<'_>,
    random: &mut Random,
    ids: Ids,
) -> Result<(), BenchError> {
    let now = SystemClock.now().millis();
    let event_id = uuid(ids, now.unsigned_abs(), random);
    let event_id = std::str::from_utf8(&event_id).unwrap_or_default();
    let organization = i64::try_from(random.below(ORGANIZATIONS)).unwrap_or(0) + 1;
    let (quantity, credits) = (84_i64, 20_i64);
    statements.usage.execute((
        event_id,
        organization,
        "agent-1",
        "call_0123456789abcdef",
        quantity,
        credits,
        now,
    ))?;
    let usage = conn.last_insert_rowid();
    for (account, amount) in [(organization * 2, -credits), (organization * 2 + 1, credits)] {
        statements.posting.execute((usage, account, amount))?;
        statements.balance.execute((account, amount))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_balance() {
        let directory = tempfile::tempdir().unwrap();
        let mut floor = Floor::filled(directory.path(), Ids::TimeOrdered, 150).unwrap();
        floor.transaction(7).unwrap();
        floor.check().unwrap();
        let count: i64 = floor.conn.query_row("SELECT count(*) FROM usage", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 157);
        let sum: i64 =
            floor.conn.query_row("SELECT sum(balance) FROM accounts", [], |row| row.get(0)).unwrap();
        assert_eq!(sum, 0);
        floor.conn.execute("UPDATE accounts SET balance = balance + 1", []).unwrap();
        assert!(floor.check().is_err());
    }
}
