//! Killed again and again in the middle of a run that renews ten thousand plans: each is charged once for the period, and has its
//! invoice, its credit and its number of units once.
//!
//! `TOLLBOOK_KILL_PLANS` (10,000) and `TOLLBOOK_KILL_SEED` (1) choose how many and when.

use std::time::Duration;

use futures_util::future::join;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tollbook::base::time::{HOUR_MS, MINUTE_MS};
use tollbook::base::{Clock, SystemClock};
use tollbook::bench::renewals;

use crate::kill::{drawn, setting};
use crate::kill_payments::answer;
use crate::process::Installation;

/// So much of the run is over when the process is killed, in percent.
const KILLED_AT: [u64; 5] = [2, 20, 45, 70, 95];

fn book(installation: &Installation) -> Connection {
    let file = installation.data().join("tollbook.db");
    let book = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    book.busy_timeout(Duration::from_secs(30)).unwrap();
    book
}

fn count(book: &Connection, what: &str) -> u64 {
    number(book, &format!("SELECT count(*) FROM {what}"))
}

fn number(book: &Connection, what: &str) -> u64 {
    u64::try_from(book.query_row(what, [], |row| row.get::<_, i64>(0)).unwrap()).unwrap()
}

#[actix_web::test]
async fn killed_in_the_middle_of_a_renewal_run_each_plan_is_charged_once() {
    let (plans, seed) = (setting("TOLLBOOK_KILL_PLANS", 10_000), setting("TOLLBOOK_KILL_SEED", 1));
    let installation = Installation::new(&renewals::ENVIRONMENT);
    let (data, renews_at) = (installation.data(), SystemClock.now().plus_ms(6 * HOUR_MS));
    let many = u32::try_from(plans).unwrap();
    let begun = std::time::Instant::now();
    // the writer is waited for, which no runtime likes on a thread of its own
    std::thread::spawn(move || renewals::prepare(&data, many, renews_at).unwrap()).join().unwrap();
    println!("{plans} plans prepared in {:?}", begun.elapsed());
    let key = installation.run(&["admin", "create-key", "--operator", "--scopes", "admin"]);
    let client = tollbook::outside::builder().unwrap().build().unwrap();
    // what the process that was killed had taken up is free again after two minutes
    let renew = |url: &str, round: i64| {
        let body = json!({ "to": renews_at.plus_ms((3 * round + 2) * MINUTE_MS).to_string() });
        answer(client.post(format!("{url}/api/v1/admin/clock")).bearer_auth(&key).json(&body))
    };

    for (round, percent) in (0..).zip(KILLED_AT) {
        let server = installation.serve();
        let goal = plans * percent / 100 + drawn(seed, percent, plans / 50);
        let url = server.url.clone();
        let killer = async {
            let book = book(&installation);
            while count(&book, "payments WHERE state = 'settled'") < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_micros(drawn(seed, percent + 100, 50_000))).await;
            server.kill();
        };
        let (answered, ()) = join(renew(&url, round), killer).await;
        assert!(answered.is_none(), "the run was over before it was killed: {answered:?}");
        println!("killed after {:?} at {goal}", begun.elapsed());
    }
    installation.run(&["verify"]);
    let server = installation.serve();
    let (status, text) = renew(&server.url, 5).await.unwrap();
    assert_eq!(status, 200, "{text}");
    server.kill();
    println!("renewed after {:?}", begun.elapsed());

    installation.run(&["verify"]);
    println!("verified after {:?}", begun.elapsed());
    let book = book(&installation);
    for what in [
        "subscriptions WHERE state = 'active' AND number = 2 AND payment_id IS NULL",
        "subscription_charges WHERE state = 'paid'",
        "subscription_charges",
        "(SELECT DISTINCT organization_id FROM payments WHERE state = 'settled')",
        "payments",
        "(SELECT DISTINCT order_id FROM sandbox_charges WHERE decline IS NULL)",
        "sandbox_charges",
        "(SELECT DISTINCT organization_id FROM invoices)",
        "invoices",
        "(SELECT DISTINCT organization_id FROM grants WHERE source = 'plan')",
        "grants",
        "fees",
        "events WHERE type = 'subscription.renewed'",
    ] {
        assert_eq!(count(&book, what), plans, "{what}");
    }
    assert_eq!(number(&book, "SELECT max(number) FROM invoices"), plans, "no gaps");
    assert_eq!(count(&book, "outbox WHERE state = 'dead'"), 0);
    assert_eq!(count(&book, "job_failures"), 0);
}
