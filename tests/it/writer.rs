//! The writer: what fails leaves nothing, neighbours survive, answers tell the truth.

use std::sync::mpsc;
use std::time::Duration;

use tollbook::db::{DbError, DbOptions, WriteTx};
use tollbook::grants::Class;
use tollbook::identity::audit::{Actor, By};
use tollbook::identity::organizations;
use tollbook::metering::{self, EventIn, Mode, Outcome, Refusal, UsageEvent};
use tollbook::wallet;

use crate::ledger_kit::{Kit, credits, event, grant, input, paid, take};

/// An operation's own failure.
#[derive(Debug, PartialEq)]
enum Failed {
    Db(String),
    Wallet(String),
    OnPurpose,
}

impl From<DbError> for Failed {
    fn from(error: DbError) -> Self {
        Self::Db(error.to_string())
    }
}

impl From<wallet::Error> for Failed {
    fn from(error: wallet::Error) -> Self {
        Self::Wallet(error.to_string())
    }
}

/// Holds the writer inside one transaction until everything that is to share it has been submitted.
fn hold(kit: &Kit) -> (mpsc::Sender<()>, impl Future<Output = Result<(), DbError>>) {
    let (release, held) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel::<()>();
    let db = kit.db().clone();
    let running = tokio::spawn(async move {
        db.write(move |_| {
            entered.send(()).expect("test");
            let _ = held.recv_timeout(Duration::from_secs(20));
            Ok::<_, DbError>(())
        })
        .await
    });
    inside.recv_timeout(Duration::from_secs(20)).expect("the writer runs it");
    (release, async move { running.await.expect("task") })
}

/// Lets a future submit its operation.
async fn submitted<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let task = tokio::spawn(future);
    tokio::time::sleep(Duration::from_millis(30)).await;
    task
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_answers_busy_and_takes_work_again() {
    let kit = Kit::empty("2026-03-10T12:00:00Z", DbOptions { queue: 2, ..DbOptions::default() });
    let (release, holding) = hold(&kit);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let db = kit.db().clone();
        waiting.push(submitted(async move { db.write(|_| Ok::<_, DbError>(())).await }).await);
    }
    let refused = kit.db().write(|_| Ok::<_, DbError>(())).await;
    assert!(matches!(refused, Err(DbError::Busy)), "{refused:?}");
    assert!(DbError::Busy.is_temporary());
    release.send(()).expect("writer");
    holding.await.expect("held");
    for task in waiting {
        task.await.expect("task").expect("done after all");
    }
    kit.db().write(|_| Ok::<_, DbError>(())).await.expect("takes work again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_fails_leaves_nothing_and_its_neighbours_survive() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "100").await;
    let now = kit.now();
    let (release, holding) = hold(&kit);
    let db = kit.db().clone();
    let before = submitted(async move {
        db.write(move |tx| metering::record(tx, Some(org), None, &[input(event("before", "chat", "1", now))]))
            .await
    })
    .await;
    let db = kit.db().clone();
    let failing = submitted(async move {
        db.write(move |tx| {
            wallet::credit(tx, org, paid("50"))?;
            metering::record(tx, Some(org), None, &[input(event("lost", "chat", "7", now))])?;
            // statements of its own: what was gathered so far is written inside the operation
            wallet::credit(tx, org, grant("5", Class::Free))?;
            wallet::take_back(tx, org, take("3", Class::Paid))?;
            Err::<(), Failed>(Failed::OnPurpose)
        })
        .await
    })
    .await;
    let db = kit.db().clone();
    let after = submitted(async move {
        db.write(move |tx| metering::record(tx, Some(org), None, &[input(event("after", "chat", "2", now))]))
            .await
    })
    .await;
    release.send(()).expect("writer");
    holding.await.expect("held");
    assert!(matches!(before.await.expect("task").expect("kept")[..], [Outcome::Charged(_)]));
    assert_eq!(failing.await.expect("task"), Err(Failed::OnPurpose));
    assert!(matches!(after.await.expect("task").expect("kept")[..], [Outcome::Charged(_)]));
    assert_eq!(kit.summary(org).balance, credits("97"));
    assert_eq!(kit.summary(org).line_count, 3);
    kit.assert_sound();
    // the event that went with its operation was never charged, and still can be
    let again = kit.record(org, vec![event("lost", "chat", "7", now)]).await;
    assert!(matches!(again[..], [Outcome::Charged(_)]), "{again:?}");
    kit.assert_sound();
}

/// Runs `operation`, which gathers rows before it uses statements, and then fails.
async fn gathers_then_fails(
    operation: impl FnOnce(&WriteTx<'_>) -> Result<(), Failed> + Send + 'static,
) -> (Kit, Result<(), Failed>) {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "100").await;
    let answer = kit.write(operation).await;
    (kit, answer)
}

#[tokio::test]
async fn what_was_gathered_before_the_first_statement_goes_with_the_operation_too() {
    let now = crate::ledger_kit::at("2026-03-10T12:00:00Z");
    let events: Vec<EventIn> = vec![input(event("half", "chat", "10", now))];
    let (kit, answer) = gathers_then_fails(move |tx| {
        let org = metering_organization(tx)?;
        metering::record(tx, Some(org), None, &events)?;
        tx.conn()?;
        Err(Failed::OnPurpose)
    })
    .await;
    // its caller hears of a failure, so nothing of it may be there
    answer.expect_err("it failed");
    let org = kit.organization_named("acme");
    assert_eq!(kit.summary(org).balance, credits("100"));
    kit.assert_sound();
}

fn metering_organization(tx: &WriteTx<'_>) -> Result<tollbook::base::id::OrganizationId, DbError> {
    Ok(tx.conn_unflushed().query_row("SELECT id FROM organizations", [], |row| row.get(0))?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_takes_its_commit_along_and_the_writer_lives_on() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "100").await;
    let now = kit.now();
    let (release, holding) = hold(&kit);
    let mut neighbours = Vec::new();
    for id in ["one", "two"] {
        if id == "two" {
            let db = kit.db().clone();
            let panicking = submitted(async move {
                db.write(move |tx| {
                    wallet::credit(tx, org, paid("50")).expect("credit");
                    // without the message that a panic would print
                    std::panic::resume_unwind(Box::new("on purpose"));
                    #[allow(unreachable_code)]
                    Ok::<(), DbError>(())
                })
                .await
            })
            .await;
            neighbours.push(tokio::spawn(async move { panicking.await.expect("task").map(|()| Vec::new()) }));
        }
        let db = kit.db().clone();
        let event = input(event(id, "chat", "1", now));
        neighbours.push(
            submitted(
                async move { db.write(move |tx| metering::record(tx, Some(org), None, &[event])).await },
            )
            .await,
        );
    }
    release.send(()).expect("writer");
    assert!(holding.await.is_err(), "it shared the commit");
    let mut answers = Vec::new();
    for task in neighbours {
        answers.push(task.await.expect("task"));
    }
    let after = answers.pop().expect("three of them");
    for answer in answers {
        let error = answer.expect_err("not carried out");
        assert!(error.is_temporary(), "{error}");
    }
    // what came after it has a transaction of its own
    assert!(matches!(after.expect("carried out")[..], [Outcome::Charged(_)]));
    assert_eq!(kit.summary(org).balance, credits("99"));
    kit.charge(org, event("one", "chat", "1", now)).await;
    assert_eq!(kit.summary(org).balance, credits("98"));
    kit.assert_sound();
}

#[tokio::test]
async fn what_another_process_writes_is_noticed() {
    let mut kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "100").await;
    let now = kit.now();
    kit.charge(org, event("ours", "chat", "1", now)).await;
    // a command line tool with a writer of its own, beside the server
    let other = kit.beside();
    let events = vec![input(event("theirs", "chat", "4", now)), input(event("ours", "chat", "1", now))];
    let outcomes =
        other.write(move |tx| metering::record(tx, Some(org), None, &events)).await.expect("record");
    assert!(matches!(outcomes[..], [Outcome::Charged(_), Outcome::Duplicate(_)]), "{outcomes:?}");
    other.write(move |tx| wallet::credit(tx, org, paid("20"))).await.expect("credit");
    let outcomes =
        kit.record(org, vec![event("theirs", "chat", "4", now), event("mine", "chat", "2", now)]).await;
    assert!(matches!(outcomes[..], [Outcome::Duplicate(_), Outcome::Charged(_)]), "{outcomes:?}");
    assert_eq!(kit.summary(org).balance, credits("113"));
    // prices too: a second rate card version published there counts here
    let rates = kit.catalog().rate_card_by_code("payg").expect("card").versions[0].rates.clone();
    let dearer = rates
        .into_values()
        .map(|mut rate| {
            rate.price = tollbook::catalog::rules::Price::Flat(credits("50"));
            rate
        })
        .collect();
    let new = tollbook::catalog::NewRateVersion {
        card: "payg".parse().expect("code"),
        name: None,
        starts_at: None,
        rates: dearer,
    };
    other.write(move |tx| tollbook::catalog::publish_rate_card(tx, &new)).await.expect("publish");
    assert_eq!(kit.charge(org, event("dear", "chat", "1", now)).await.credits, credits("50"));
    drop(other);
    kit.assert_sound();
    kit.restart();
    kit.assert_sound();
}

#[tokio::test]
async fn time_does_not_run_backwards_when_the_clock_is_set_back_over_a_restart() {
    let mut kit = Kit::at("2026-03-11T00:00:05Z").await;
    let org = kit.organization("acme", "UTC").await;
    let (first, _) = kit.give(org, "100").await;
    kit.clock.advance(-10_000);
    kit.restart();
    let (second, _) = kit.give(org, "50").await;
    assert!(second.created_at >= first.created_at, "{second:?} is before {first:?}");
    // else the second line would be missing from what was posted until the end of the day of the first
    let filter = metering::statement::LineFilter {
        to: Some(crate::ledger_kit::at("2026-03-11T12:00:00Z")),
        ..Default::default()
    };
    let page = kit
        .db()
        .read_blocking(|tx| metering::statement::lines(tx.conn(), org, &filter, None, 10))
        .expect("lines");
    assert_eq!(page.items.len(), 2);
    // a clock that was a year ahead when it was noticed does not stop the book for a year
    kit.clock.advance(365 * 86_400_000);
    kit.give(org, "1").await;
    kit.clock.advance(-365 * 86_400_000);
    kit.restart();
    let (now, _) = kit.give(org, "1").await;
    assert_eq!(now.created_at, kit.now());
    kit.assert_sound();
    // the day that was ahead comes, after one between
    for _ in 0..2 {
        kit.clock.advance(365 * 86_400_000 / 2 + 1);
        kit.give(org, "1").await;
        kit.assert_sound();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_the_engine_has_ended_is_not_gone_on_with() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "100").await;
    let now = kit.now();
    let record = |id: &'static str| {
        let db = kit.db().clone();
        async move {
            let events = [input(event(id, "chat", "1", now))];
            db.write(move |tx| metering::record(tx, Some(org), None, &events)).await
        }
    };
    let (release, holding) = hold(&kit);
    let before = submitted(record("before")).await;
    let db = kit.db().clone();
    // what the engine does by itself when the disk fails to read: everything is rolled back, and the next statement
    // would be a transaction of its own
    let failing = submitted(async move {
        db.write(|tx| {
            tx.conn_unflushed().execute_batch("ROLLBACK").map_err(DbError::from)?;
            Err::<(), _>(Failed::OnPurpose)
        })
        .await
    })
    .await;
    let after = submitted(record("after")).await;
    release.send(()).expect("writer");
    let _ = holding.await;
    assert!(failing.await.expect("task").is_err());
    for (id, task) in [("before", before), ("after", after)] {
        let again = kit.record(org, vec![event(id, "chat", "1", now)]).await;
        match task.await.expect("task") {
            Ok(_) => assert!(matches!(again[..], [Outcome::Duplicate(_)]), "{id}: {again:?}"),
            Err(_) => assert!(matches!(again[..], [Outcome::Charged(_)]), "{id}: {again:?}"),
        }
    }
    assert_eq!(kit.summary(org).balance, credits("98"));
    kit.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_large_operations_fill_the_queue_as_many_small_ones_do() {
    let kit = Kit::empty("2026-03-10T12:00:00Z", DbOptions { queue: 100, ..DbOptions::default() });
    let (release, holding) = hold(&kit);
    let mut waiting = Vec::new();
    let refused = loop {
        let db = kit.db().clone();
        let task = submitted(async move { db.write_weighed(1_000, |_| Ok::<_, DbError>(())).await }).await;
        if task.is_finished() || waiting.len() == 20 {
            break task;
        }
        waiting.push(task);
    };
    let (places, is_full) = (waiting.len(), refused.is_finished());
    release.send(()).expect("writer");
    holding.await.expect("held");
    assert!((1..20).contains(&places) && is_full, "{places} batches of a thousand were let in");
    assert!(matches!(refused.await.expect("task"), Err(DbError::Busy)));
    for task in waiting {
        task.await.expect("task").expect("done after all");
    }
    // what is larger than the whole queue is let in where nothing else waits
    kit.db().write_weighed(1_000_000, |_| Ok::<_, DbError>(())).await.expect("takes work again");
    assert_eq!(kit.db().stats().queued, 0);
}

#[tokio::test]
async fn what_an_operation_changes_is_known_to_the_one_after_it() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "100").await;
    let now = kit.now();
    kit.write(move |tx| {
        tx.conn()?;
        // remembers the organization as it is before the change
        metering::record(tx, Some(org), None, &[input(event("first", "chat", "1", now))])?;
        organizations::suspend(tx, &By::actor(Actor::System), org, "test")
            .map_err(|error| DbError::Io(error.to_string()))
    })
    .await
    .expect("suspended");
    let wanted = UsageEvent { mode: Mode::Enforce, ..event("second", "chat", "1", now) };
    let outcome = kit.record(org, vec![wanted]).await;
    assert!(matches!(outcome[..], [Outcome::Refused(Refusal::Suspended)]), "{outcome:?}");
}

#[tokio::test]
async fn another_process_that_is_ahead_does_not_make_time_run_backwards() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "100").await;
    let other = kit.beside();
    kit.clock.advance(60_000);
    let now = kit.now();
    let events = [input(event("ahead", "chat", "1", now))];
    other.write(move |tx| metering::record(tx, Some(org), None, &events)).await.expect("recorded");
    kit.clock.advance(-60_000);
    let after = kit.write(|tx| Ok::<_, DbError>(tx.now())).await.expect("time");
    assert_eq!(after, now);
}
