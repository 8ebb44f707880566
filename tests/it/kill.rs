//! Killed at any instant under load, again and again: what was acknowledged is there exactly once, what was not is there
//! wholly or not at all, and the book adds up.
//!
//! `TOLLBOOK_KILL_ROUNDS` (12) and `TOLLBOOK_KILL_SEED` (1) choose how often and when.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tollbook::base::Credits;

use crate::process::Installation;

/// Clients that send one event at a time, and clients that send arrays.
const SINGLES: u64 = 6;
const BATCHES: u64 = 2;
const BATCH: u64 = 40;
const WELCOME: i64 = 1_000_000;

pub fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// A number below `n` that depends on the seed and a place.
pub fn drawn(seed: u64, place: u64, n: u64) -> u64 {
    let mut z =
        seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(place.wrapping_mul(0xD1B5_4A32_D192_ED03));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % n
}

/// What a client sent, and what it was told before the server died.
struct Sent {
    events: Vec<Value>,
    /// One answer per event.
    told: Option<Vec<Value>>,
}

struct Platform {
    client: Client,
    url: String,
    key: String,
}

impl Platform {
    fn new(url: &str, key: &str) -> Self {
        let client = tollbook::outside::builder()
            .expect("tls")
            .timeout(Duration::from_secs(30))
            .build()
            .expect("client");
        Self { client, url: format!("{url}/api/v1"), key: key.to_owned() }
    }

    /// Reports events; `None` when no answer came.
    async fn report(&self, body: &Value) -> Option<(u16, Value)> {
        let request =
            self.client.post(format!("{}/usage/events", self.url)).bearer_auth(&self.key).json(body);
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.ok()?))
    }

    async fn balance(&self, organization: &str) -> Credits {
        #[derive(serde::Deserialize)]
        struct Balance {
            balance: Credits,
        }
        let request = self.client.get(format!("{}/billing/balance", self.url)).bearer_auth(&self.key);
        let answer = request.header("Tollbook-Organization", organization).send().await.expect("answer");
        let text = answer.text().await.expect("body");
        serde_json::from_str::<Balance>(&text).unwrap_or_else(|e| panic!("{e}: {text}")).balance
    }
}

fn event(round: u64, client: u64, number: u64, at: &str) -> Value {
    let pick = drawn(round, client * 1_000_003 + number, 1_000);
    let (meter, quantity) = if pick.is_multiple_of(3) { ("chat", 1 + pick % 7) } else { ("voice", 1 + pick) };
    json!({
        "id": format!("r{round}-c{client}-{number}"),
        "organization": if pick.is_multiple_of(2) { "ext:a" } else { "ext:b" },
        "meter": meter, "quantity": quantity, "occurred_at": at,
        "agent_id": format!("agent-{}", pick % 5),
        "attributes": { "toll_free": pick.is_multiple_of(11) },
    })
}

/// Sends until there is no answer any more.
async fn client(platform: &Platform, round: u64, client: u64, at: &str) -> Vec<Sent> {
    let mut sent = Vec::new();
    for call in 0.. {
        let many = client >= SINGLES;
        let events: Vec<Value> = if many {
            (0..BATCH).map(|i| event(round, client, call * BATCH + i, at)).collect()
        } else {
            vec![event(round, client, call, at)]
        };
        let body = if many { Value::Array(events.clone()) } else { events[0].clone() };
        let told = platform.report(&body).await.map(|(status, answer)| {
            if many {
                assert_eq!(status, 200, "{answer}");
                answer["results"].as_array().expect("results").clone()
            } else {
                assert_eq!(status, 201, "{answer}");
                vec![answer]
            }
        });
        let dead = told.is_none();
        sent.push(Sent { events, told });
        if dead {
            break;
        }
    }
    sent
}

/// Load until the server is killed.
async fn load_and_kill(installation: &Installation, key: &str, round: u64, after: Duration) -> Vec<Sent> {
    let server = installation.serve();
    let platform = Platform::new(&server.url, key);
    let now = tollbook::base::Clock::now(&tollbook::base::SystemClock).to_string();
    let clients = (0..SINGLES + BATCHES).map(|number| client(&platform, round, number, &now));
    let killer = async {
        tokio::time::sleep(after).await;
        server.kill();
    };
    let (sent, ()) = futures_util::future::join(futures_util::future::join_all(clients), killer).await;
    sent.into_iter().flatten().collect()
}

/// Reports everything again: the answers have to fit what was told. Returns what was charged in all, per organization.
async fn settle(platform: &Platform, sent: &[Sent], charged: &mut [i64; 2]) {
    for sent in sent {
        let (status, answer) = platform.report(&Value::Array(sent.events.clone())).await.expect("an answer");
        assert_eq!(status, 200, "{answer}");
        let again = answer["results"].as_array().expect("results");
        assert_eq!(again.len(), sent.events.len());
        for (place, answer) in again.iter().enumerate() {
            let there = answer["duplicate"].as_bool().unwrap_or_else(|| panic!("{answer}"));
            match &sent.told {
                Some(told) => {
                    assert!(there, "acknowledged and lost: {}", told[place]);
                    let mut told = told[place].clone();
                    told["duplicate"] = true.into();
                    assert_eq!(&told, answer, "another answer than the first time");
                }
                None => assert_eq!(Some(there), again[0]["duplicate"].as_bool(), "half an array: {again:?}"),
            }
            let credits: Credits = serde_json::from_str(&answer["credits"].to_string()).expect("credits");
            let whose = usize::from(sent.events[place]["organization"] == "ext:b");
            charged[whose] += credits.micros();
        }
    }
}

#[actix_web::test]
async fn killed_at_any_instant_nothing_acknowledged_is_lost_or_charged_twice() {
    let (rounds, seed) = (setting("TOLLBOOK_KILL_ROUNDS", 12), setting("TOLLBOOK_KILL_SEED", 1));
    println!("TOLLBOOK_KILL_SEED={seed} TOLLBOOK_KILL_ROUNDS={rounds}");
    let welcome = WELCOME.to_string();
    let installation = Installation::new(&[("TOLLBOOK_CREDITS_WELCOME", &welcome)]);
    installation.prepare();
    installation.run(&["admin", "create-organization", "--name", "A", "--external-id", "a"]);
    let growth = ["--name", "B", "--external-id", "b", "--plan", "growth", "--timezone", "Asia/Kolkata"];
    installation.run(&[["admin", "create-organization"].as_slice(), &growth].concat());
    let scopes = ["--operator", "--scopes", "usage:write,usage:read,billing:read"];
    let key = installation.run(&[["admin", "create-key"].as_slice(), &scopes].concat());

    let (mut events, mut acknowledged, mut cut_off, mut charged) = (0, 0, 0, [0, 0]);
    for round in 0..rounds {
        let after = Duration::from_millis(drawn(seed, round, 700));
        let sent = load_and_kill(&installation, &key, round, after).await;
        // before anything has opened it again
        installation.run(&["verify"]);
        events += sent.iter().map(|sent| sent.events.len()).sum::<usize>();
        acknowledged += sent.iter().filter_map(|sent| sent.told.as_ref()).map(Vec::len).sum::<usize>();
        cut_off += sent.iter().filter(|sent| sent.told.is_none()).count();

        let server = installation.serve();
        let platform = Platform::new(&server.url, &key);
        settle(&platform, &sent, &mut charged).await;
        for (name, charged) in ["ext:a", "ext:b"].into_iter().zip(charged) {
            assert_eq!(platform.balance(name).await.micros(), WELCOME * 1_000_000 - charged, "{name}");
        }
        // nobody waits for it to end in order either
        server.kill();
        let verified = installation.run(&["verify"]);
        assert!(verified.contains(&format!(" {events} events")), "{events} were sent; {verified}");
    }
    assert!(acknowledged > 100, "too little load to prove anything: {acknowledged} acknowledged");
    assert!(cut_off > 0, "no request was under way at any kill");
    println!("{events} events in {rounds} rounds: {acknowledged} acknowledged, {cut_off} requests cut off");
}
