//! Killed around every step of auto-reload: each fall below the threshold charges the card once, and the credit arrives.
//!
//! `TOLLBOOK_KILL_ROUNDS` (4) and `TOLLBOOK_KILL_SEED` (1) choose how often and when.

use std::time::Duration;

use futures_util::future::join;
use serde_json::{Value, json};
use tollbook::base::{Clock, SystemClock};

use crate::kill::{drawn, setting};
use crate::kill_payments::{Buyer, ORGANIZATION, answer};
use crate::process::Installation;

const START: i64 = 150;
const THRESHOLD: i64 = 100;
const AMOUNT: i64 = 500;

/// What was used so far, as far as it was acknowledged.
#[derive(Default)]
struct Story {
    /// An event that may have been cut off: its number, what it uses, whether it makes the balance fall below the threshold.
    sent: Option<(i64, i64, bool)>,
    next: i64,
    used: i64,
    falls: i64,
}

impl Story {
    fn balance(&self, reloads: i64) -> i64 {
        START + AMOUNT * reloads - self.used
    }

    /// Sends an event, or the one again that was cut off.
    async fn event(&mut self, buyer: &Buyer, quantity: i64, falls: bool) -> Option<()> {
        let (number, quantity, falls) = *self.sent.get_or_insert((self.next, quantity, falls));
        let id = format!("e{number}");
        let body = json!({
            "id": id, "organization": ORGANIZATION, "meter": "chat", "quantity": quantity,
            "occurred_at": SystemClock.now().to_string(),
        });
        // what identifies it is its own id
        let request = buyer.client.post(format!("{}/api/v1/usage/events", buyer.url));
        let (status, text) = answer(request.bearer_auth(&buyer.operator).json(&body)).await?;
        assert!(matches!(status, 200 | 201) || (status == 409 && number < self.next + 1), "{status} {text}");
        (self.sent, self.next) = (None, number + 1);
        self.used += quantity;
        self.falls += i64::from(falls);
        Some(())
    }
}

/// Lets some time pass, and what is due then happen.
async fn later(buyer: &Buyer, key: &str, seconds: i64) -> Option<()> {
    let body = json!({"advance_seconds": seconds});
    let (status, text) = answer(buyer.post("admin/clock", &buyer.operator, key, &body)).await?;
    assert_eq!(status, 200, "{text}");
    Some(())
}

async fn balance(buyer: &Buyer) -> Option<i64> {
    let request = buyer.client.get(format!("{}/api/v1/billing/balance", buyer.url));
    let request = request.bearer_auth(&buyer.operator).header("Tollbook-Organization", ORGANIZATION);
    let (status, text) = answer(request).await?;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str::<Value>(&text).unwrap()["balance"].as_i64()
}

/// Falls, uses a little more, and waits for the credit, until there is no answer any more.
async fn go_on(buyer: &Buyer, story: &mut Story, round: u64) -> Option<()> {
    // what the server that was killed had taken up is free again
    later(buyer, &format!("r{round}"), 200).await?;
    for step in 0_u64.. {
        let seed = round * 1_000_003 + step;
        if story.sent.is_some() {
            story.event(buyer, 0, false).await?;
        }
        let now = balance(buyer).await?;
        if now >= THRESHOLD {
            let rest = 20 + i64::try_from(drawn(seed, 1, 60)).unwrap();
            story.event(buyer, now - rest, true).await?;
        } else {
            story.event(buyer, 1, false).await?;
            let seconds = i64::try_from(1 + drawn(seed, 2, 3)).unwrap();
            later(buyer, &format!("r{round}-{step}"), seconds).await?;
        }
    }
    Some(())
}

async fn prepare(buyer: &Buyer) {
    let post = |path: &str, body: Value| buyer.post(path, &buyer.session, path, &body);
    let (status, text) = answer(post("billing/payment-methods", json!({}))).await.unwrap();
    assert_eq!(status, 201, "{text}");
    let setup: Value = serde_json::from_str(&text).unwrap();
    let page = setup["checkout_url"].as_str().unwrap().to_owned();
    let path = page.split_once("/sandbox/").map(|(_, rest)| rest).unwrap();
    let page = format!("{}/sandbox/{path}", buyer.url);
    let (_, html) = answer(buyer.client.get(&page)).await.unwrap();
    let csrf = html.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let form = [("csrf", csrf.as_str()), ("card", "4242424242424242")];
    let (status, text) = answer(buyer.client.post(&page).form(&form)).await.unwrap();
    assert_eq!(status, 303, "{text}");
    later(buyer, "saved", 5).await.unwrap();
    let wanted = json!({"enabled": true, "threshold_credits": THRESHOLD, "amount_credits": AMOUNT});
    let url = format!("{}/api/v1/billing/wallet/auto-reload", buyer.url);
    let request = buyer.client.put(url).bearer_auth(&buyer.session).json(&wanted);
    let (status, text) = answer(request.header("Tollbook-Organization", ORGANIZATION)).await.unwrap();
    assert_eq!(status, 200, "{text}");
}

#[actix_web::test]
async fn killed_around_every_step_of_a_reload_each_fall_is_charged_once() {
    let (rounds, seed) = (setting("TOLLBOOK_KILL_ROUNDS", 4), setting("TOLLBOOK_KILL_SEED", 1));
    let (installation, key) = Installation::shop(START);
    let key = key.as_str();
    {
        let server = installation.serve();
        prepare(&Buyer::new(&server.url, key).await.unwrap()).await;
    }

    let mut story = Story::default();
    for round in 0..rounds {
        let server = installation.serve();
        let after = Duration::from_millis(300 + drawn(seed, round, 2_000));
        let url = server.url.clone();
        let life = async {
            let Some(buyer) = Buyer::new(&url, key).await else { return };
            go_on(&buyer, &mut story, round).await;
        };
        let killer = async {
            tokio::time::sleep(after).await;
            server.kill();
        };
        join(life, killer).await;
        installation.run(&["verify"]);
    }

    // everything that was begun goes to its end
    let server = installation.serve();
    let buyer = Buyer::new(&server.url, key).await.unwrap();
    if story.sent.is_some() {
        story.event(&buyer, 0, false).await.unwrap();
    }
    for hour in 0..3 {
        later(&buyer, &format!("end-{hour}"), 3_600).await.unwrap();
    }
    assert_eq!(balance(&buyer).await, Some(story.balance(story.falls)), "{} falls", story.falls);
    server.kill();
    installation.run(&["verify"]);
    let book = rusqlite::Connection::open(installation.data().join("tollbook.db")).unwrap();
    let count = |what: &str| book.query_row(what, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM sandbox_charges"), story.falls, "each fall is charged once");
    assert_eq!(count("SELECT count(*) FROM payments WHERE state = 'settled'"), story.falls);
    assert_eq!(count("SELECT count(*) FROM payments"), story.falls);
    assert!(story.falls > 3, "too little to prove anything: {}", story.falls);
    println!("{} falls in {rounds} rounds", story.falls);
}
