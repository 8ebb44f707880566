//! What happens is written down where it happens: of calls, limits, credit and payments.

use serde_json::{Value, json};
use tollbook::base::id::OrganizationId;
use tollbook::base::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use tollbook::events;
use tollbook::identity::{Role, Scope};
use tollbook::payments::gateway::sandbox::{self, Card};

use crate::helpers::{Answer, TestApp};

pub struct Scene {
    pub app: TestApp,
    pub acme: OrganizationId,
    pub operator: String,
    pub owner: String,
}

impl Scene {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut tollbook::config::Config)) -> Self {
        let app = TestApp::start_with(|config| {
            config.webhooks.allowed_networks = vec![super::loopback()];
            change(config);
        });
        let app = app.await;
        let acme = app.organization("Acme").await;
        let operator = app.operator_key(&Scope::ALL).await;
        let (_, owner) = app.member(acme, Role::Owner).await;
        Self { app, acme, operator, owner }
    }

    /// As the operator, for Acme.
    pub async fn operate(&self, path: &str, body: Value) -> Answer {
        let call = self.app.post(&format!("/api/v1{path}"), &body.to_string()).bearer(&self.operator);
        let key = uuid::Uuid::new_v4().to_string();
        call.organization(self.acme).header("Idempotency-Key", &key).send().await
    }

    /// As Acme's owner.
    pub async fn own(&self, method: &str, path: &str, body: Value) -> Answer {
        let call = self.app.call(method, &format!("/api/v1{path}"));
        let call = if method == "GET" { call } else { call.json(&body.to_string()) };
        call.bearer(&self.owner).send().await
    }

    pub async fn give(&self, credits: i64) {
        let class = json!({ "credits": credits, "class": "free", "reason": "For the test" });
        self.operate("/billing/wallet/credit", class).await.expect(201);
    }

    /// Uses so many credits: a chat is one.
    pub async fn burn(&self, credits: i64) {
        let id = uuid::Uuid::new_v4().to_string();
        let now = self.app.db().now().to_string();
        let event = json!({ "id": id, "meter": "chat", "quantity": credits, "occurred_at": now,
            "agent_id": "agent-4" });
        self.operate("/usage/events", event).await.expect(201);
    }

    pub async fn work(&self) {
        self.app.app.state.worker.work().await.unwrap();
    }

    /// What has happened to Acme, the oldest first.
    pub fn all(&self) -> Vec<(&'static str, Value)> {
        let found = self.app.db().read_blocking(|tx| events::newest(tx, self.acme, 500)).unwrap();
        let told = found.into_iter().rev();
        told.map(|event| (event.kind.name(), serde_json::from_str(&event.data).unwrap())).collect()
    }

    pub fn of(&self, kind: &str) -> Vec<Value> {
        self.all().into_iter().filter(|(name, _)| *name == kind).map(|(_, data)| data).collect()
    }

    async fn authorize(&self, call: &str, agent: &str) -> Answer {
        let body = json!({ "call_id": call, "agent_id": agent, "meter": "voice", "direction": "inbound" });
        self.operate("/usage/authorizations", body).await
    }
}

#[actix_web::test]
async fn credit_is_told_of_when_it_is_given_and_when_it_is_gone() {
    let scene = Scene::new().await;
    let expires = "2026-11-22T09:00:00Z";
    let body = json!({ "credits": 25, "class": "free", "reason": "Trial", "expires_at": expires });
    scene.operate("/billing/wallet/credit", body).await.expect(201);
    let granted = scene.of("credits.granted");
    assert_eq!(granted.len(), 1);
    assert_eq!((&granted[0]["credits"], &granted[0]["class"]), (&json!(25), &json!("free")));
    assert_eq!(granted[0]["expires_at"], expires);
    scene.burn(5).await;
    assert_eq!(scene.all().len(), 1, "usage is not told of: {:?}", scene.all());
    scene.app.clock.advance(3 * DAY_MS);
    scene.app.db().write(|tx| tollbook::wallet::expire_due(tx, 10)).await.unwrap();
    let expired = scene.of("credits.expired");
    assert_eq!(expired.len(), 1);
    assert_eq!((&expired[0]["credits"], &expired[0]["grant_id"]), (&json!(20), &granted[0]["grant_id"]));
}

#[actix_web::test]
async fn a_purchase_is_told_of_with_its_invoice_and_one_that_came_to_nothing_too() {
    let scene = Scene::new().await;
    let made = scene.own("POST", "/billing/wallet/topup", json!({ "amount": 10 })).await.expect(201);
    let reference = made.json["checkout_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    scene.app.db().write(move |tx| sandbox::pay(tx, &reference, Card::Pays)).await.unwrap();
    scene.app.clock.advance(MINUTE_MS);
    scene.work().await;
    let paid = scene.of("topup.succeeded");
    assert_eq!(paid.len(), 1, "{:?}", scene.all());
    assert_eq!(paid[0]["payment_id"], made.json["payment_id"]);
    assert_eq!(paid[0]["total"], json!({ "amount": "12.10", "currency": "EUR" }));
    let invoices = scene.of("invoice.created");
    assert_eq!(invoices.len(), 1);
    assert_eq!(invoices[0]["invoice_id"], paid[0]["invoice_id"]);
    assert!(invoices[0]["number"].as_str().unwrap().starts_with("INV-2026-"));
    // the next one is left alone until its checkout is over
    scene.own("POST", "/billing/wallet/topup", json!({ "amount": 20 })).await.expect(201);
    for _ in 0..8 {
        scene.app.clock.advance(6 * HOUR_MS);
        scene.work().await;
    }
    let failed = scene.of("topup.failed");
    assert_eq!(failed.len(), 1, "{:?}", scene.all());
    assert_eq!(failed[0]["reason"], "abandoned");
    assert_eq!(scene.of("topup.succeeded").len(), 1);
}

#[actix_web::test]
async fn a_limit_is_told_of_at_eighty_percent_when_it_is_spent_and_when_it_starts_over() {
    let scene = Scene::new().await;
    scene.give(1_000).await;
    scene.own("POST", "/billing/limits", json!({ "daily_limit": 100 })).await.expect(200);
    scene.burn(79).await;
    assert!(scene.of("limit.warning").is_empty());
    scene.burn(1).await;
    scene.burn(1).await;
    let warned = scene.of("limit.warning");
    assert_eq!(warned.len(), 1);
    assert_eq!((&warned[0]["limit"], &warned[0]["spent"]), (&json!("daily"), &json!(80)));
    scene.burn(30).await;
    scene.burn(1).await;
    let reached = scene.of("limit.reached");
    assert_eq!(reached.len(), 1);
    assert_eq!((&reached[0]["spent"], &reached[0]["action"]), (&json!(111), &json!("pause")));
    // raised: it is not spent any more
    scene.own("POST", "/billing/limits", json!({ "daily_limit": 200 })).await.expect(200);
    let reset = scene.of("limit.reset");
    assert_eq!(reset.len(), 1);
    assert_eq!((&reset[0]["credits"], &reset[0]["spent"]), (&json!(200), &json!(112)));
    scene.burn(100).await;
    assert_eq!(scene.of("limit.reached").len(), 2);
    // and the day after it starts over, once
    for _ in 0..3 {
        scene.app.clock.advance(DAY_MS);
        scene.work().await;
    }
    let reset = scene.of("limit.reset");
    assert_eq!(reset.len(), 2);
    assert_eq!(reset[1]["spent"], 0);
}

#[actix_web::test]
async fn a_call_that_is_not_let_in_is_told_of_once_a_minute_for_each_agent() {
    let scene = Scene::new().await;
    for call in 0..5 {
        scene.authorize(&format!("call-{call}"), "agent-4").await.expect(200);
    }
    scene.authorize("other", "agent-5").await.expect(200);
    let rejected = scene.of("call.rejected");
    assert_eq!(rejected.len(), 2, "{rejected:?}");
    assert_eq!(
        rejected[0],
        json!({ "call_id": "call-0", "agent_id": "agent-4", "direction": "inbound",
            "reason": "insufficient_credits" })
    );
    scene.app.clock.advance(MINUTE_MS);
    scene.authorize("again", "agent-4").await.expect(200);
    assert_eq!(scene.of("call.rejected").len(), 3);
}

#[actix_web::test]
async fn a_call_that_has_to_end_is_told_of_once() {
    let scene = Scene::new().await;
    scene.give(14).await;
    let call = scene.authorize("call-1", "agent-4").await.expect(201).json["id"].as_str().unwrap().to_owned();
    let path = format!("/usage/authorizations/{call}/extend");
    for elapsed in [60, 119] {
        let body = json!({ "elapsed_seconds": elapsed });
        let extended = scene.operate(&path, body).await.expect(200);
        assert_eq!(extended.json["continue"], true);
    }
    assert!(scene.of("call.cut_off").is_empty());
    for elapsed in [120, 121, 130] {
        let body = json!({ "elapsed_seconds": elapsed });
        assert_eq!(scene.operate(&path, body).await.expect(200).json["continue"], false);
    }
    let told = scene.of("call.cut_off");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["call_id"], &told[0]["reason"]), (&json!("call-1"), &json!("insufficient_credits")));
}
