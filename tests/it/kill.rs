//! Killed at random instants under load: what was acknowledged is there once, nothing is half done.
//!
//! `TOLLBOOK_KILL_ROUNDS` sets how often, `TOLLBOOK_KILL_SEED` repeats a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::process::Installation;

const CLIENTS: u64 = 6;
const GIVEN: i64 = 1_000_000;

/// A request's events, and the answer where one came.
#[derive(Clone)]
struct Sent {
    body: Value,
    answer: Option<Value>,
}

/// One server's life: its clients count answers, and the one that brings the count to `kill_after` calls for the end.
struct Life {
    url: String,
    key: String,
    answers: AtomicU64,
    kill_after: u64,
    enough: Notify,
}

impl Life {
    async fn post(&self, client: &reqwest::Client, body: &Value) -> Option<Value> {
        let url = format!("{}/api/v1/usage/events", self.url);
        let response = client.post(url).bearer_auth(&self.key).json(body).send().await.ok()?;
        // an answer that was cut short is none
        response.error_for_status().ok()?.json().await.ok()
    }

    /// Sends events until the server is gone.
    async fn load(self: Arc<Self>, round: u64, number: u64) -> Vec<Sent> {
        let client = reqwest::Client::new();
        let mut all = Vec::new();
        for n in 0.. {
            let id = format!("r{round}-c{number}-{n}");
            // two of the clients send arrays, one of them with ids twice
            let body = match number {
                0 => Value::Array((0..50).map(|part| event(&format!("{id}-{part}"))).collect()),
                1 => Value::Array((0..20).map(|part| event(&format!("{id}-{}", part % 15))).collect()),
                _ => event(&id),
            };
            let answer = self.post(&client, &body).await;
            let ended = answer.is_none();
            all.push(Sent { body, answer });
            if ended {
                return all;
            }
            if self.answers.fetch_add(1, Ordering::SeqCst) + 1 == self.kill_after {
                self.enough.notify_one();
            }
        }
        all
    }
}

fn event(id: &str) -> Value {
    json!({
        "id": id, "organization": "ext:acme", "meter": "voice", "quantity": 1 + id.len(), "call_id": id,
        "occurred_at": "2026-11-21T09:00:00Z", "agent_id": format!("agent-{}", id.len() % 3),
    })
}

/// The charges in an answer by event id, whether they were new or not; every event must have been taken.
fn charges(sent: &Sent, answer: &Value) -> BTreeMap<String, Value> {
    let results = match answer.get("results") {
        Some(results) => results.as_array().expect("results").clone(),
        None => vec![answer.clone()],
    };
    let count = sent.body.as_array().map_or(1, Vec::len);
    assert_eq!(results.len(), count, "one result for each event");
    results
        .into_iter()
        .map(|mut result| {
            let result = result.as_object_mut().expect("object");
            assert!(result.get("error").is_none(), "{result:?}");
            result.remove("duplicate");
            (result["id"].as_str().expect("id").to_owned(), Value::Object(result.clone()))
        })
        .collect()
}

fn micros(number: &Value) -> i64 {
    number.to_string().parse::<tollbook::base::Credits>().expect("credits").micros()
}

/// A small generator of our own, so that a seed means the same on every machine.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_at_any_instant() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let rounds = number("TOLLBOOK_KILL_ROUNDS").unwrap_or(10);
    let seed = number("TOLLBOOK_KILL_SEED").unwrap_or(0x5EED_0F70_11B0_0C1A).max(1);
    println!("TOLLBOOK_KILL_SEED={seed}");
    let mut state = seed;
    let place = Installation::new(&[
        ("TOLLBOOK_SERVER_MODE", "test"),
        ("TOLLBOOK_USAGE_MAX_AGE_DAYS", "3650"),
        ("TOLLBOOK_USAGE_MAX_FUTURE_SECONDS", "86400"),
    ]);
    place.prepare();
    place.run(&["admin", "create-organization", "--name", "Acme", "--external-id", "acme"]);
    let scopes = "usage:write,billing:read,billing:write";
    let key = place.run(&["admin", "create-key", "--operator", "--scopes", scopes]);
    give(&place, &key).await;
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    for round in 0..rounds {
        let server = place.serve();
        let life = Arc::new(Life {
            url: server.url.clone(),
            key: key.clone(),
            answers: AtomicU64::new(0),
            kill_after: 1 + random(&mut state) % 400,
            enough: Notify::new(),
        });
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| tokio::spawn(life.clone().load(round, client))).collect();
        life.enough.notified().await;
        server.kill();
        let mut sent = Vec::new();
        for client in clients {
            sent.extend(client.await.expect("client"));
        }
        place.run(&["verify"]);
        settle(&place, &key, &sent, &mut known).await;
        place.run(&["verify"]);
    }
}

async fn give(place: &Installation, key: &str) {
    let server = place.serve();
    let response = reqwest::Client::new()
        .post(format!("{}/api/v1/billing/wallet/credit", server.url))
        .bearer_auth(key)
        .header("tollbook-organization", "ext:acme")
        .header("idempotency-key", "given")
        .json(&json!({"credits": GIVEN, "class": "paid", "reason": "to be used up"}))
        .send()
        .await
        .expect("credit");
    assert_eq!(response.status().as_u16(), 201);
    server.stop();
}

/// Sends everything again: what had been answered is answered the same, the rest is charged now if it was not before.
/// Then the balance must be what was given less every event once.
async fn settle(place: &Installation, key: &str, sent: &[Sent], known: &mut BTreeMap<String, Value>) {
    let server = place.serve();
    let life = Life {
        url: server.url.clone(),
        key: key.to_owned(),
        answers: AtomicU64::new(0),
        kill_after: 0,
        enough: Notify::new(),
    };
    let client = reqwest::Client::new();
    for sent in sent {
        let again = life.post(&client, &sent.body).await.expect("the server answers");
        let now = charges(sent, &again);
        if let Some(answer) = &sent.answer {
            assert_eq!(charges(sent, answer), now, "the first answer again");
            let results = again.get("results").and_then(Value::as_array).cloned().unwrap_or(vec![again]);
            assert!(
                results.iter().all(|r| r["duplicate"] == true),
                "acknowledged, so it was there: {results:?}"
            );
        }
        known.extend(now);
    }
    let balance: Value = client
        .get(format!("{}/api/v1/billing/balance", server.url))
        .bearer_auth(key)
        .header("tollbook-organization", "ext:acme")
        .send()
        .await
        .expect("balance")
        .json()
        .await
        .expect("balance");
    let spent: i64 = known.values().map(|charge| micros(&charge["credits"])).sum();
    assert_eq!(micros(&balance["balance"]), GIVEN * 1_000_000 - spent, "every event once");
    server.stop();
}
