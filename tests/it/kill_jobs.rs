//! Killed while rents are charged, and while falls of balances are told: each month is charged once, each fall is told once.
//!
//! `TOLLBOOK_KILL_ROUNDS` (5) and `TOLLBOOK_KILL_SEED` (1) choose how often and when.

use std::time::Duration;

use futures_util::future::join;
use reqwest::Client;
use rusqlite::Connection;
use serde_json::{Value, json};
use tollbook::base::{Clock, SystemClock};

use crate::kill::{drawn, setting};
use crate::kill_payments::answer;
use crate::process::{Installation, Server};

const NUMBERS: i64 = 40;
const CUSTOMERS: i64 = 24;
const RENT: i64 = 200;

/// An operator's platform.
struct Platform {
    client: Client,
    key: String,
}

impl Platform {
    fn new(key: &str) -> Self {
        Self { client: tollbook::outside::builder().unwrap().build().unwrap(), key: key.to_owned() }
    }

    /// None when there was no answer before the server died.
    async fn post(&self, url: &str, path: &str, whose: &str, body: &Value) -> Option<(u16, String)> {
        let request = self.client.post(format!("{url}/api/v1/{path}")).bearer_auth(&self.key).json(body);
        // what is sent is what makes it unlike others
        let key = hex::encode(format!("{path} {whose} {body}"));
        let key = &key[key.len().saturating_sub(120)..];
        answer(request.header("Tollbook-Organization", whose).header("Idempotency-Key", key)).await
    }

    async fn done(&self, url: &str, path: &str, whose: &str, body: &Value) {
        let (status, text) = self.post(url, path, whose, body).await.expect("an answer");
        assert!((200..300).contains(&status), "{status} {text}");
    }

    /// Moves the clock, and kills the server before it answers; or after, where it was that fast.
    async fn move_and_kill(&self, server: Server, body: Value, after: Duration) {
        let url = server.url.clone();
        let killer = async {
            tokio::time::sleep(after).await;
            server.kill();
        };
        join(self.post(&url, "admin/clock", "ext:a", &body), killer).await;
    }
}

fn rounds() -> (u64, u64) {
    (setting("TOLLBOOK_KILL_ROUNDS", 5), setting("TOLLBOOK_KILL_SEED", 1))
}

fn number(book: &Connection, what: &str) -> i64 {
    book.query_row(what, [], |row| row.get(0)).unwrap()
}

fn book(installation: &Installation) -> Connection {
    Connection::open(installation.data().join("tollbook.db")).unwrap()
}

#[actix_web::test]
async fn killed_while_rents_are_charged_each_month_is_charged_once() {
    const MONTHS: i64 = 12;
    let (rounds, seed) = rounds();
    let (installation, key) = Installation::shop(0);
    let platform = Platform::new(&key);
    let began = SystemClock.now();
    {
        let server = installation.serve();
        let credit = json!({ "credits": NUMBERS * RENT * MONTHS + 77, "class": "paid", "reason": "rents" });
        platform.done(&server.url, "billing/wallet/credit", "ext:a", &credit).await;
        for name in 0..NUMBERS {
            let body = json!({ "number_id": format!("+{name}"), "kind": "local" });
            platform.done(&server.url, "numbers", "ext:a", &body).await;
        }
    }
    let months = |count| tollbook::base::Zone::UTC.months_after(began, count);
    for round in 0..rounds {
        let after = Duration::from_millis(100 + drawn(seed, round, 900));
        // a year and what follows where there is no credit any more
        let to = months(i32::try_from(4 * (round + 1)).unwrap());
        platform.move_and_kill(installation.serve(), json!({ "to": to.to_string() }), after).await;
        installation.run(&["verify"]);
    }
    let server = installation.serve();
    let body = json!({ "to": months(36).to_string() });
    platform.done(&server.url, "admin/clock", "ext:a", &body).await;
    server.kill();
    installation.run(&["verify"]);
    let book = book(&installation);
    assert_eq!(number(&book, "SELECT count(*) FROM number_rentals WHERE charges = 12"), NUMBERS);
    assert_eq!(number(&book, "SELECT count(*) FROM number_rentals WHERE state = 'released'"), NUMBERS);
    assert_eq!(number(&book, "SELECT count(*) FROM usage_items"), NUMBERS * MONTHS);
    assert_eq!(number(&book, "SELECT balance FROM wallets"), 77_000_000);
    let told = "SELECT count(*) FROM (SELECT count(*) AS times FROM events WHERE type = 'number.suspended' GROUP BY data)";
    assert_eq!(
        number(&book, told),
        number(&book, "SELECT count(*) FROM events WHERE type = 'number.suspended'")
    );
}

#[actix_web::test]
async fn killed_while_falls_are_told_each_is_told_once() {
    let (rounds, seed) = rounds();
    let (installation, key) = Installation::shop(0);
    let platform = Platform::new(&key);
    for customer in 1..CUSTOMERS {
        let name = format!("c{customer}");
        installation.run(&["admin", "create-organization", "--name", &name, "--external-id", &name]);
    }
    let all: Vec<String> =
        (0..CUSTOMERS).map(|c| if c == 0 { "ext:a".into() } else { format!("ext:c{c}") }).collect();
    {
        let server = installation.serve();
        let alerts = json!({ "alerts": [{ "threshold": 100, "channels": ["email"] }] });
        for customer in &all {
            platform.done(&server.url, "billing/alerts", customer, &alerts).await;
        }
    }
    for round in 0..=rounds {
        let server = installation.serve();
        let url = server.url.clone();
        // what the server that was killed had taken up is free again after two minutes
        platform.done(&url, "admin/clock", "ext:a", &json!({ "advance_seconds": 200 + round })).await;
        let told =
            number(&book(&installation), "SELECT count(*) FROM events WHERE type = 'wallet.low_balance'");
        assert_eq!(told, CUSTOMERS * i64::try_from(round).unwrap(), "after {round} falls of each");
        if round == rounds {
            break;
        }
        for customer in &all {
            let credit = json!({ "credits": 100, "class": "paid", "reason": format!("round {round}") });
            platform.done(&url, "billing/wallet/credit", customer, &credit).await;
        }
        platform.done(&url, "admin/clock", "ext:a", &json!({ "advance_seconds": 7 })).await;
        let falls: Vec<Value> = all.iter().map(|customer| json!({
            "id": format!("r{round}-{customer}"), "organization": customer, "meter": "chat", "quantity": 100,
            "occurred_at": SystemClock.now().to_string(),
        })).collect();
        platform.done(&url, "usage/events", "ext:a", &Value::Array(falls)).await;
        let after = Duration::from_millis(drawn(seed, round, 250));
        platform.move_and_kill(server, json!({ "advance_seconds": 60 }), after).await;
        installation.run(&["verify"]);
    }
    let book = book(&installation);
    let twice = "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE event_id IS NOT NULL
                 GROUP BY event_id, target HAVING count(*) > 1)";
    assert_eq!(number(&book, twice), 0);
}
