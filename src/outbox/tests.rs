use std::cell::RefCell;
use std::sync::Arc;

use super::*;
use crate::base::TestClock;
use crate::db::{DbOptions, Parts};

struct Bench {
    db: Db,
    clock: Arc<TestClock>,
    dir: tempfile::TempDir,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::frozen("2026-11-21T09:00:00Z".parse().unwrap()));
    let db = Db::open(dir.path(), &DbOptions::default(), clock.clone(), Parts::new()).unwrap();
    Bench { db, clock, dir }
}

impl Bench {
    async fn put(&self, subject: &'static str) -> WorkId {
        self.db.write(move |tx| enqueue(tx, "test", subject, tx.now())).await.unwrap()
    }

    fn row(&self, id: WorkId) -> Work {
        self.db.read_blocking(|tx| get(tx, id)).unwrap().unwrap()
    }

    async fn take(&self) -> Vec<Work> {
        self.db.write(|tx| lease(tx, Lane::Money, 10)).await.unwrap()
    }

    /// Carries out what is due; answers the subjects.
    async fn step(&self, outcome: impl Fn(&Work) -> Result<(), Failure>) -> Vec<String> {
        let seen = RefCell::new(Vec::new());
        let outcome = &outcome;
        step(&self.db, Lane::Money, 10, |work| {
            seen.borrow_mut().push(work.subject.clone());
            async move { outcome(&work) }
        })
        .await
        .unwrap();
        seen.into_inner()
    }
}

fn later(_: &Work) -> Result<(), Failure> {
    Err(Failure::Later("nobody answers".into()))
}

#[tokio::test]
async fn work_is_there_exactly_when_its_cause_is() {
    let bench = bench();
    let failed: Result<WorkId, DbError> = bench
        .db
        .write(|tx| {
            enqueue(tx, "test", "lost", tx.now())?;
            Err(DbError::Stopped)
        })
        .await;
    assert!(failed.is_err());
    let kept = bench.put("kept").await;
    assert_eq!(bench.step(|_| Ok(())).await, ["kept"]);
    assert_eq!(bench.row(kept).state, State::Done);
    assert!(bench.step(|_| Ok(())).await.is_empty());
}

#[tokio::test]
async fn what_fails_is_tried_later_and_later_and_in_the_end_put_aside() {
    let bench = bench();
    let id = bench.put("a").await;
    let mut waited_ms = 0;
    for attempt in 1..=MAX_ATTEMPTS {
        assert_eq!(bench.step(later).await, ["a"], "attempt {attempt}");
        let row = bench.row(id);
        assert_eq!((row.attempts, row.last_error.as_deref()), (attempt, Some("nobody answers")));
        assert!(bench.step(later).await.is_empty(), "not at once");
        if attempt < MAX_ATTEMPTS {
            let pause = row.due_at.millis() - bench.db.now().millis();
            assert_eq!(pause, pause_ms(attempt));
            waited_ms += pause;
            bench.clock.advance(pause);
        }
    }
    assert_eq!(bench.row(id).state, State::Dead);
    assert!((DAY_MS..4 * DAY_MS).contains(&waited_ms), "{waited_ms}");
    bench.clock.advance(30 * DAY_MS);
    assert!(bench.step(later).await.is_empty());
    let dead = bench.db.read_blocking(|tx| super::dead(tx, 10)).unwrap();
    assert_eq!(dead.iter().map(|work| work.id).collect::<Vec<_>>(), [id]);
    assert!(bench.db.write(move |tx| replay(tx, id)).await.unwrap());
    assert!(!bench.db.write(move |tx| replay(tx, id)).await.unwrap(), "it is waiting");
    assert_eq!(bench.step(|_| Ok(())).await, ["a"]);
    assert_eq!(bench.row(id).state, State::Done);
}

#[tokio::test]
async fn one_long_queue_holds_up_no_other() {
    let bench = bench();
    let put = |subject: String, queue| {
        bench.db.write(move |tx| enqueue_in(tx, "test", &subject, (tx.now(), queue)))
    };
    for n in 0..50 {
        put(format!("slow {n}"), 7).await.unwrap();
    }
    put("quick".into(), 8).await.unwrap();
    put("of none".into(), 0).await.unwrap();
    let taken: Vec<String> = bench.take().await.into_iter().map(|work| work.subject).collect();
    assert_eq!(taken, ["slow 0", "slow 1", "slow 2", "slow 3", "quick", "of none"]);
}

#[tokio::test]
async fn a_poisoned_row_holds_up_no_other() {
    let bench = bench();
    let bad = bench.put("bad").await;
    bench.put("good").await;
    let outcome = |work: &Work| match work.subject.as_str() {
        "bad" => Err(Failure::Never("makes no sense".into())),
        _ => Ok(()),
    };
    assert_eq!(bench.step(outcome).await, ["bad", "good"]);
    assert_eq!(bench.row(bad).state, State::Dead);
    bench.put("next").await;
    assert_eq!(bench.step(outcome).await, ["next"]);
}

#[tokio::test]
async fn what_was_taken_by_a_process_that_died_is_taken_again_and_its_answer_counts_no_more() {
    let bench = bench();
    let id = bench.put("a").await;
    let first = bench.take().await.remove(0);
    assert!(bench.take().await.is_empty(), "leased");
    bench.clock.advance(LEASE_MS - 1);
    assert!(bench.take().await.is_empty(), "leased");
    let bench = {
        // a new process
        let Bench { db, clock, dir } = bench;
        drop(db);
        clock.advance(1);
        let db = Db::open(dir.path(), &DbOptions::default(), clock.clone(), Parts::new()).unwrap();
        Bench { db, clock, dir }
    };
    let second = bench.take().await.remove(0);
    assert_eq!((second.id, second.attempts), (id, 2));
    let late = first.clone();
    let counted = bench.db.write(move |tx| finish(tx, &late, Err(Failure::Never("late".into())))).await;
    assert!(!counted.unwrap());
    assert_eq!(bench.row(id).state, State::Waiting);
    assert!(bench.db.write(move |tx| finish(tx, &second, Ok(()))).await.unwrap());
    assert_eq!(bench.row(id).state, State::Done);
}

#[tokio::test]
async fn work_waits_for_its_time_and_is_forgotten_in_the_end() {
    let bench = bench();
    let id = bench.db.write(|tx| enqueue(tx, "test", "a", tx.now().plus_ms(1_000))).await.unwrap();
    assert!(bench.step(|_| Ok(())).await.is_empty());
    bench.clock.advance(1_000);
    assert_eq!(bench.step(|_| Ok(())).await, ["a"]);
    bench.clock.advance(KEPT_MS);
    assert_eq!(bench.db.write(|tx| purge(tx, 10)).await.unwrap(), 0);
    bench.clock.advance(1);
    assert_eq!(bench.db.write(|tx| purge(tx, 10)).await.unwrap(), 1);
    assert!(bench.db.read_blocking(|tx| get(tx, id)).unwrap().is_none());
}

/// Others remember work by its number, and would take the new for the old.
#[tokio::test]
async fn the_number_of_work_that_was_forgotten_is_not_given_again() {
    let bench = bench();
    let first = bench.put("a").await;
    assert_eq!(bench.step(|_| Ok(())).await, ["a"]);
    bench.clock.advance(KEPT_MS + 1);
    assert_eq!(bench.db.write(|tx| purge(tx, 10)).await.unwrap(), 1);
    let second = bench.put("b").await;
    assert!(second.number() > first.number(), "{second:?} after {first:?}");
}
