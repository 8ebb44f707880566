//! Killed around every step of payments and refunds: what was paid is credited and invoiced once, what was given back is
//! given back once, and nothing acknowledged is lost.
//!
//! `TOLLBOOK_KILL_ROUNDS` (4) and `TOLLBOOK_KILL_SEED` (1) choose how often and when.

use std::time::Duration;

use futures_util::future::{join, join_all};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::kill::{drawn, setting};
use crate::process::{Installation, OWNER, PASSWORD};

const BUYERS: u64 = 3;
pub(crate) const ORGANIZATION: &str = "ext:a";

/// A purchase on its way, as far as its buyer was told.
#[derive(Default)]
struct Purchase {
    key: String,
    payment: Option<String>,
    checkout: Option<String>,
    /// The sandbox's page said that it was paid, or had been.
    paid: bool,
    /// The key of its refund, and the refund.
    refund: Option<(String, Option<String>)>,
}

pub(crate) struct Buyer {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) session: String,
    pub(crate) operator: String,
}

/// The answer, if there was one before the server died.
pub(crate) async fn answer(request: RequestBuilder) -> Option<(u16, String)> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.text().await.ok()?))
}

impl Buyer {
    pub(crate) async fn new(url: &str, operator: &str) -> Option<Self> {
        let client = tollbook::outside::builder().unwrap().cookie_store(true).build().unwrap();
        let body = json!({"email": OWNER, "password": PASSWORD});
        let (status, text) = answer(client.post(format!("{url}/api/v1/auth/sessions")).json(&body)).await?;
        assert_eq!(status, 201, "{text}");
        let session: Value = serde_json::from_str(&text).unwrap();
        let session = session["token"].as_str().unwrap().to_owned();
        Some(Self { client, url: url.to_owned(), session, operator: operator.to_owned() })
    }

    pub(crate) fn post(&self, path: &str, token: &str, key: &str, body: &Value) -> RequestBuilder {
        let request = self.client.post(format!("{}/api/v1/{path}", self.url)).bearer_auth(token).json(body);
        request.header("Idempotency-Key", key).header("Tollbook-Organization", ORGANIZATION)
    }

    /// One more step of a purchase. None when there was no answer.
    async fn step(&self, purchase: &mut Purchase) -> Option<()> {
        if purchase.payment.is_none() {
            let ask = self.post("billing/wallet/topup", &self.session, &purchase.key, &json!({"amount": 5}));
            let (status, text) = answer(ask).await?;
            assert_eq!(status, 201, "{text}");
            let made: Value = serde_json::from_str(&text).unwrap();
            purchase.payment = made["payment_id"].as_str().map(str::to_owned);
            purchase.checkout = made["checkout_url"].as_str().map(str::to_owned);
        } else if let Some(checkout) = purchase.checkout.clone().filter(|_| !purchase.paid) {
            // the page is found under the address of today's server
            let path = checkout.split_once("/sandbox/").map(|(_, rest)| rest).unwrap();
            let page = format!("{}/sandbox/{path}", self.url);
            let (_, html) = answer(self.client.get(&page)).await?;
            let Some((_, rest)) = html.split_once("name=\"csrf\" value=\"") else {
                // nothing to pay any more
                purchase.paid = true;
                return Some(());
            };
            let csrf = rest.split('"').next().unwrap();
            let form = [("csrf", csrf), ("card", "4242424242424242")];
            let (status, text) = answer(self.client.post(&page).form(&form)).await?;
            assert!(matches!(status, 303 | 409), "{status} {text}");
            purchase.paid = true;
        } else if let Some((key, refund @ None)) = &mut purchase.refund {
            let body = json!({"payment_id": purchase.payment, "reason": "duplicate"});
            let (status, text) = answer(self.post("billing/refunds", &self.operator, key, &body)).await?;
            // until it has settled there is nothing to give back
            assert!(matches!(status, 201 | 409), "{status} {text}");
            if status == 201 {
                let made: Value = serde_json::from_str(&text).unwrap();
                *refund = made["id"].as_str().map(str::to_owned);
            } else {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Some(())
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}/api/v1/{path}", self.url)).bearer_auth(&self.operator);
        let (status, text) = answer(request.header("Tollbook-Organization", ORGANIZATION)).await.unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn is_done(purchase: &Purchase) -> bool {
    purchase.paid && purchase.refund.as_ref().is_none_or(|(_, refund)| refund.is_some())
}

/// Buys, pays and gives back until there is no answer any more.
async fn go_on(buyer: Option<Buyer>, purchases: &mut Vec<Purchase>, round: u64, number: u64) {
    let Some(buyer) = buyer else { return };
    for call in 0.. {
        // what was cut off goes on first
        let place = purchases.iter().position(|purchase| !is_done(purchase)).unwrap_or_else(|| {
            let key = format!("r{round}-b{number}-{call}");
            let refund = drawn(round, number * 7919 + call, 3) == 0;
            let refund = refund.then(|| (format!("refund-{key}"), None));
            purchases.push(Purchase { key, refund, ..Purchase::default() });
            purchases.len() - 1
        });
        if buyer.step(&mut purchases[place]).await.is_none() {
            return;
        }
    }
}

#[actix_web::test]
async fn killed_around_every_step_of_a_payment_it_is_credited_once() {
    let (rounds, seed) = (setting("TOLLBOOK_KILL_ROUNDS", 4), setting("TOLLBOOK_KILL_SEED", 1));
    let (installation, key) = Installation::shop(0);
    let key = key.as_str();

    let mut all: Vec<Vec<Purchase>> = (0..BUYERS).map(|_| Vec::new()).collect();
    for round in 0..rounds {
        let server = installation.serve();
        let after = Duration::from_millis(300 + drawn(seed, round, 3_000));
        let url = server.url.clone();
        let buyers = (0..).zip(&mut all).map(|(number, purchases)| {
            let url = url.clone();
            async move { go_on(Buyer::new(&url, key).await, purchases, round, number).await }
        });
        let killer = async {
            tokio::time::sleep(after).await;
            server.kill();
        };
        join(join_all(buyers), killer).await;
        installation.run(&["verify"]);
    }

    // everything that was begun goes to its end
    let server = installation.serve();
    let buyer = Buyer::new(&server.url, key).await.unwrap();
    let mut purchases: Vec<Purchase> = all.into_iter().flatten().collect();
    for purchase in &mut purchases {
        while !is_done(purchase) {
            buyer.step(purchase).await.expect("an answer");
        }
    }
    let day = json!({"advance_seconds": 3_600});
    let moved = answer(buyer.post("admin/clock", key, "clock", &day)).await.unwrap();
    assert_eq!(moved.0, 200, "{moved:?}");

    for purchase in &purchases {
        let ask = buyer.post("billing/wallet/topup", &buyer.session, &purchase.key, &json!({"amount": 5}));
        let (status, text) = answer(ask).await.unwrap();
        assert_eq!(status, 201, "{text}");
        let made: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(made["payment_id"].as_str(), purchase.payment.as_deref(), "another payment for one key");
    }
    let refunded = purchases.iter().filter(|purchase| purchase.refund.is_some()).count();
    let kept = purchases.len() - refunded;
    let balance = buyer.get("billing/balance").await;
    assert_eq!(balance["balance"], json!(500 * kept), "{} bought, {refunded} given back", purchases.len());
    let verified = installation.run(&["verify"]);
    let documents = format!(" {} invoices", purchases.len() + refunded);
    assert!(verified.contains(&documents), "{documents} expected: {verified}");
    assert!(purchases.len() > 3 && refunded > 0, "too little to prove anything: {}", purchases.len());
    println!("{} purchases, {refunded} of them given back, in {rounds} rounds", purchases.len());
}
