//! Buying credit through the API: the answers to the letter, and who may ask.

use tollbook::identity::{Role, Scope};
use tollbook::outbox;
use tollbook::payments::gateway::sandbox::{self, Card};
use tollbook::payments::gateway::signature;

use crate::helpers::{Answer, TestApp};

const TOPUP: &str = "/api/v1/billing/wallet/topup";

struct Buyer {
    app: TestApp,
    owner: String,
}

impl Buyer {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let organization = app.organization("Acme").await;
        let (_, owner) = app.member(organization, Role::Owner).await;
        Self { app, owner }
    }

    async fn buy(&self, body: &str) -> Answer {
        self.app.post(TOPUP, body).bearer(&self.owner).send().await
    }

    async fn buy_under(&self, key: &str, body: &str) -> Answer {
        self.app.post(TOPUP, body).bearer(&self.owner).header("Idempotency-Key", key).send().await
    }

    async fn balance(&self) -> String {
        let answer = self.app.get("/api/v1/billing/balance").bearer(&self.owner).send().await.expect(200);
        answer.json["balance"].to_string()
    }

    async fn pay(&self, answer: &Answer, card: Card) -> String {
        let url = answer.json["checkout_url"].as_str().unwrap();
        let reference = url.rsplit('/').next().unwrap().to_owned();
        let pays = reference.clone();
        self.app.db().write(move |tx| sandbox::pay(tx, &pays, card)).await.unwrap();
        reference
    }
}

#[actix_web::test]
async fn a_top_up_answers_to_the_letter_and_is_credited_when_the_money_is_there() {
    let buyer = Buyer::new().await;
    let answer = buyer.buy(r#"{"amount":10}"#).await.expect(201);
    let mut fields: Vec<&str> = answer.json.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["amount", "checkout_url", "clientSecret", "credits", "payment_id", "status", "tax", "total"]
    );
    assert!(answer.json["payment_id"].as_str().unwrap().starts_with("pay_"));
    assert!(answer.json["clientSecret"].as_str().unwrap().contains("_secret_"));
    assert_eq!((&answer.json["status"], &answer.json["credits"]), (&"pending".into(), &1000.into()));
    assert_eq!(answer.json["amount"], serde_json::json!({"amount": "10.00", "currency": "EUR"}));
    assert_eq!(answer.json["tax"], serde_json::json!({"amount": "2.10", "currency": "EUR"}));
    assert_eq!(answer.json["total"], serde_json::json!({"amount": "12.10", "currency": "EUR"}));
    let same = buyer.buy(r#"{"credits":1000}"#).await.expect(201);
    assert_eq!(same.json["amount"], answer.json["amount"]);
    assert_eq!(buyer.balance().await, "0");
    let reference = buyer.pay(&answer, Card::Pays).await;
    assert_eq!(buyer.balance().await, "0", "not on a promise");
    // told over HTTP, three times
    let gateway = buyer.app.app.state.desk.gateway().unwrap();
    let secret = gateway.webhook_secrets()[0].expose();
    let now = buyer.app.db().now();
    let body = sandbox::event(&format!("checkout.session.completed {reference}"), "1", now).unwrap();
    let header = signature::sign(secret, &body, now);
    let tell = |to: &str, header: &str, body: &[u8]| {
        buyer.app.call("POST", to).header(signature::HEADER, header).body(body.to_vec()).send()
    };
    let forged = tell("/webhooks/sandbox", &signature::sign("guess", &body, now), &body).await.expect(400);
    assert_eq!(forged.code(), "invalid_signature");
    assert_eq!(tell("/webhooks/sandbox", "", &body).await.expect(400).code(), "invalid_signature");
    assert_eq!(tell("/webhooks/stripe", &header, &body).await.expect(404).code(), "not_found");
    let nonsense = signature::sign(secret, b"{}", now);
    assert_eq!(tell("/webhooks/sandbox", &nonsense, b"{}").await.expect(400).code(), "invalid_body");
    assert_eq!(buyer.balance().await, "0");
    for _ in 0..3 {
        tell("/webhooks/sandbox", &header, &body).await.expect(200);
        assert_eq!(buyer.balance().await, "1000");
    }
    let lines = buyer.app.get("/api/v1/billing/transactions").bearer(&buyer.owner).send().await.expect(200);
    let line = &lines.json["items"][0];
    assert_eq!((&line["type"], &line["amount"]), (&"purchase".into(), &1000.into()));
    assert_eq!(line["metadata"]["payment_id"], answer.json["payment_id"]);
}

#[actix_web::test]
async fn the_server_itself_notices_what_was_paid() {
    let buyer = Buyer::new().await;
    let answer = buyer.buy(r#"{"amount":10}"#).await.expect(201);
    buyer.pay(&answer, Card::Pays).await;
    let admin = buyer.app.operator_key(&[Scope::Admin]).await;
    let later = buyer.app.post("/api/v1/admin/clock", r#"{"advance_seconds":2}"#).bearer(&admin);
    later.send().await.expect(200);
    assert_eq!(buyer.balance().await, "1000");
    assert!(buyer.app.db().read_blocking(|tx| outbox::dead(tx, 10)).unwrap().is_empty());
}

#[actix_web::test]
async fn what_cannot_be_bought_is_said_by_its_field() {
    let buyer = Buyer::new().await;
    for (body, param, code) in [
        ("{}", "amount", "required"),
        (r#"{"amount":10,"credits":1000}"#, "credits", "conflict"),
        (r#"{"amount":4.99}"#, "amount", "below_minimum"),
        (r#"{"amount":-10}"#, "amount", "below_minimum"),
        (r#"{"amount":10000.01}"#, "amount", "above_maximum"),
        (r#"{"amount":10.005}"#, "amount", "invalid_value"),
        (r#"{"credits":499}"#, "credits", "below_minimum"),
        (r#"{"credits":1000.5}"#, "credits", "invalid_value"),
        (r#"{"amount":10,"price":1}"#, "price", "unknown"),
    ] {
        let wrong = buyer.buy(body).await.expect(422).wrong();
        assert_eq!(wrong[0].0, param, "{body}");
        if param != "price" {
            assert_eq!(wrong[0].1, code, "{body}");
        }
    }
    let packages = buyer.app.get("/api/v1/billing/packages").bearer(&buyer.owner).send().await.expect(200);
    let growth = packages.json["items"].as_array().unwrap().iter().find(|p| p["id"] == "growth").unwrap();
    assert_eq!(growth["price"], serde_json::json!({"amount": "50.00", "currency": "EUR"}));
    assert_eq!((&growth["credits"], &growth["bonus_credits"]), (&5000.into(), &250.into()));
}

#[actix_web::test]
async fn a_top_up_sent_again_is_the_same_top_up() {
    let buyer = Buyer::new().await;
    let first = buyer.buy_under("k", r#"{"amount":10}"#).await.expect(201);
    buyer.pay(&first, Card::Pays).await;
    let again = buyer.buy_under("k", r#"{"amount":10}"#).await.expect(201);
    assert_eq!(again.json, first.json);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = buyer.buy_under("k", r#"{"amount":20}"#).await.expect(409);
    assert_eq!(other.code(), "idempotency_conflict");
    let fresh = buyer.buy(r#"{"amount":10}"#).await.expect(201);
    assert_ne!(fresh.json["payment_id"], first.json["payment_id"]);
}

#[actix_web::test]
async fn no_key_can_buy_credit_and_live_mode_has_no_sandbox() {
    let buyer = Buyer::new().await;
    let operator = buyer.app.operator_key(&[Scope::BillingWrite]).await;
    let organization = buyer.app.organization("Other").await;
    let by_key = buyer.app.post(TOPUP, r#"{"amount":10}"#).bearer(&operator).organization(organization);
    assert_eq!(by_key.send().await.expect(403).code(), "session_required");
    let app = TestApp::start_with(|config| config.server.mode = tollbook::base::Mode::Live).await;
    let organization = app.organization("Acme").await;
    let (_, owner) = app.member(organization, Role::Owner).await;
    let refused = app.post(TOPUP, r#"{"amount":10}"#).bearer(&owner).send().await.expect(409);
    assert_eq!(refused.code(), "payments_unavailable");
    assert_eq!(app.app.state.settings.topup_url, None, "no link to where no credit is sold");
    app.call("POST", "/webhooks/sandbox").body(b"{}".to_vec()).send().await.expect(404);
}
