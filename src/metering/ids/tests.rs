use super::*;
use std::collections::HashSet;

fn database() -> Connection {
    let conn = Connection::open_in_memory().expect("open");
    conn.execute_batch(include_str!("../../../migrations/0004_usage.sql")).expect("schema");
    conn
}

fn key(n: i64) -> IdKey {
    IdKey::new(OrganizationId::new(7), IdKey::hash_of(n.to_string().as_bytes()))
}

/// As a commit of the writer does: notes events, writes their rows, keeps house, commits or not.
fn commit(conn: &Connection, index: &mut IdIndex, items: std::ops::Range<i64>, keep: bool) {
    conn.execute_batch("BEGIN").expect("begin");
    for n in items.clone() {
        assert_eq!(index.find(conn, key(n), |_| Ok(true)).expect("find"), None, "{n} is new");
        index.insert(key(n), n);
        conn.prepare_cached(
            "INSERT INTO usage_items (id, organization_id, kind, meter_id, quantity, credits, rate_version_id, event_id)
             VALUES (?, 7, 1, 1, 1, 1, 1, ?)",
        )
        .expect("insert")
        .execute(rusqlite::params![n, n.to_string()])
        .expect("insert");
    }
    index.mark();
    index.upkeep(conn, usize::try_from(items.end - items.start).expect("count")).expect("upkeep");
    if keep {
        conn.execute_batch("COMMIT").expect("commit");
        index.committed();
    } else {
        conn.execute_batch("ROLLBACK").expect("rollback");
        index.reset();
    }
}

#[test]
fn every_id_is_found_through_flushes_merges_rollbacks_and_restarts() {
    let conn = database();
    let sizes = Sizes { run: 256, fan_in: 4, slice: 16 };
    let small = || IdIndex { sizes, ..IdIndex::default() };
    let mut index = small();
    let batch = 32;
    let total = 256 * 30;
    let mut next = 1;
    let mut round = 0;
    while next <= total {
        round += 1;
        let keep = round % 13 != 0;
        commit(&conn, &mut index, next..next + batch, keep);
        if keep {
            next += batch;
        }
        if round % 50 == 0 {
            // as after a kill: nothing but the tables is left
            index = small();
        }
    }
    assert_eq!(index.find(&conn, key(next), |_| Ok(true)).expect("find"), None);
    for _ in 0..5_000 {
        conn.execute_batch("BEGIN").expect("begin");
        let more = index.upkeep(&conn, 0).expect("upkeep");
        conn.execute_batch("COMMIT").expect("commit");
        index.committed();
        if !more {
            break;
        }
    }
    assert!(index.runs.iter().any(|run| run.level == 2), "runs were merged twice");
    let stored: HashSet<i64> = {
        let mut statement = conn.prepare("SELECT DISTINCT run FROM usage_ids").expect("runs");
        statement.query_map([], |row| row.get(0)).expect("runs").map(|run| run.expect("run")).collect()
    };
    assert_eq!(stored, index.runs.iter().map(|run| run.number).collect(), "no garbage is left");
    let mut restarted = small();
    for n in (1..next).step_by(7) {
        assert_eq!(index.find(&conn, key(n), |i| Ok(i == n)).expect("find"), Some(n));
        assert_eq!(restarted.find(&conn, key(n), |i| Ok(i == n)).expect("find"), Some(n));
    }
    for n in next..next + 1_000 {
        assert_eq!(index.find(&conn, key(n), |_| Ok(true)).expect("find"), None);
    }
}

#[test]
fn what_was_undone_is_forgotten() {
    let conn = database();
    let mut index = IdIndex::default();
    assert_eq!(index.find(&conn, key(1), |_| Ok(true)).expect("find"), None);
    index.insert(key(1), 1);
    index.mark();
    index.insert(key(2), 2);
    index.undo();
    assert_eq!(index.find(&conn, key(1), |_| Ok(true)).expect("find"), Some(1));
    assert_eq!(index.find(&conn, key(2), |_| Ok(true)).expect("find"), None);
    index.reset();
    assert_eq!(index.find(&conn, key(1), |_| Ok(true)).expect("find"), None);
}

#[test]
fn two_ids_with_one_key_are_told_apart() {
    let conn = database();
    let mut index = IdIndex::default();
    assert_eq!(index.find(&conn, key(1), |_| Ok(true)).expect("find"), None);
    index.insert(key(1), 10);
    assert_eq!(index.find(&conn, key(1), |item| Ok(item == 11)).expect("find"), None);
    index.insert(key(1), 11);
    assert_eq!(index.find(&conn, key(1), |item| Ok(item == 10)).expect("find"), Some(10));
    assert_eq!(index.find(&conn, key(1), |item| Ok(item == 11)).expect("find"), Some(11));
}

/// Keeps house until nothing waits any more.
fn settle(conn: &Connection, index: &mut IdIndex) {
    for _ in 0..5_000 {
        conn.execute_batch("BEGIN").expect("begin");
        let more = index.upkeep(conn, 0).expect("upkeep");
        conn.execute_batch("COMMIT").expect("commit");
        index.committed();
        if !more {
            return;
        }
    }
    panic!("never ends");
}

#[test]
fn a_merge_that_a_run_came_before_starts_over_with_it() {
    let conn = database();
    let sizes = Sizes { run: 64, fan_in: 2, slice: 16 };
    let mut index = IdIndex { sizes, ..IdIndex::default() };
    let mut next = 1;
    while index.merge.is_none() || index.flushing.is_none() {
        commit(&conn, &mut index, next..next + 4, true);
        next += 4;
        assert!(next < 10_000, "a run never falls due in the middle of a merge");
    }
    // another process has written
    index.reset();
    settle(&conn, &mut index);
    commit(&conn, &mut index, next..next + 4, true);
    settle(&conn, &mut index);
    for n in 1..next {
        assert_eq!(index.find(&conn, key(n), |i| Ok(i == n)).expect("find"), Some(n));
    }
}

#[test]
fn a_merge_that_fails_leaves_nothing_behind() {
    let conn = database();
    let sizes = Sizes { run: 64, fan_in: 2, slice: 16 };
    let mut index = IdIndex::new(sizes);
    let mut next = 1;
    while index.merge.is_none() {
        commit(&conn, &mut index, next..next + 4, true);
        next += 4;
    }
    let refuse =
        "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.usage_ids BEGIN SELECT raise(ABORT, 'full'); END";
    conn.execute_batch(refuse).expect("trigger");
    conn.execute_batch("BEGIN").expect("begin");
    assert!(index.upkeep(&conn, 0).is_err(), "the disk is full");
    conn.execute_batch("ROLLBACK; DROP TRIGGER refuse").expect("rollback");
    index.reset();
    assert_eq!(index.find(&conn, key(next), |_| Ok(true)).expect("find"), None);
    settle(&conn, &mut index);
    let stored: Vec<i64> = {
        let mut statement = conn.prepare("SELECT DISTINCT run FROM usage_ids ORDER BY run").expect("runs");
        statement.query_map([], |row| row.get(0)).expect("runs").map(|run| run.expect("run")).collect()
    };
    let mut known: Vec<i64> = index.runs.iter().map(|run| run.number).collect();
    known.sort_unstable();
    assert_eq!(stored, known, "no garbage is left");
}

#[test]
fn what_was_undone_does_not_hide_what_another_process_writes() {
    let conn = database();
    let mut index = IdIndex::default();
    commit(&conn, &mut index, 1..3, true);
    conn.execute_batch("BEGIN").expect("begin");
    index.mark();
    for n in 3..9 {
        assert_eq!(index.find(&conn, key(n), |_| Ok(true)).expect("find"), None);
        index.insert(key(n), n);
    }
    index.undo();
    conn.execute_batch("COMMIT").expect("commit");
    index.committed();
    // its lines get the numbers that were given back
    commit(&conn, &mut IdIndex::default(), 3..6, true);
    index.reset();
    assert_eq!(index.find(&conn, key(4), |i| Ok(i == 4)).expect("find"), Some(4));
}
