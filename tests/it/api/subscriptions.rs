//! Plans through the API: what is previewed, paid, changed and undone, and what is refused.

use std::cell::RefCell;

use serde_json::{Value, json};
use tollbook::base::id::UserId;
use tollbook::identity::Role;
use tollbook::identity::Scope;
use tollbook::payments::gateway::sandbox::{self, Card};

use super::desk::Desk;
use crate::helpers::Answer;

const PLAN: &str = "/api/v1/billing/subscription";

struct Customer {
    desk: Desk,
    user: UserId,
    /// A session, which ends when the clock moves far.
    owner: RefCell<String>,
}

impl Customer {
    async fn new() -> Self {
        let desk = Desk::new().await;
        let (user, owner) = desk.app.member(desk.organization, Role::Owner).await;
        Self { desk, user, owner: owner.into() }
    }

    fn owner(&self) -> String {
        self.owner.borrow().clone()
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.desk.app.post(&format!("{PLAN}{path}"), &body.to_string()).bearer(&self.owner()).send().await
    }

    async fn shown(&self) -> Value {
        self.desk.app.get(PLAN).bearer(&self.owner()).send().await.expect(200).json
    }

    async fn later(&self, seconds: i64) {
        let admin = self.desk.app.operator_key(&[Scope::Admin]).await;
        let body = json!({ "advance_seconds": seconds }).to_string();
        self.desk.app.post("/api/v1/admin/clock", &body).bearer(&admin).send().await.expect(200);
        let owner = self.desk.app.session(self.user).await;
        self.owner.replace(owner);
    }

    /// Subscribes and pays on the sandbox's page.
    async fn on(&self, plan: &str) {
        let made = self.post("", &json!({ "plan_id": plan })).await.expect(201).json;
        assert_eq!(
            (&made["subscription"]["status"], &made["payment_status"]),
            (&json!("incomplete"), &json!("pending"))
        );
        let url = made["checkout_url"].as_str().unwrap();
        let reference = url.rsplit('/').next().unwrap().to_owned();
        self.desk.app.db().write(move |tx| sandbox::pay(tx, &reference, Card::Pays)).await.unwrap();
        self.later(2).await;
    }
}

#[actix_web::test]
async fn a_plan_is_subscribed_to_renewed_changed_and_canceled() {
    let customer = Customer::new().await;
    let preview = customer.post("", &json!({ "plan_id": "starter", "preview": true })).await.expect(200).json;
    assert_eq!(preview["charge_now"]["amount"], json!({ "amount": "29.00", "currency": "EUR" }));
    assert_eq!(preview["next_charge_at"], "2026-12-21T09:00:00Z");
    assert_eq!(customer.shown().await["plan"], Value::Null);
    customer.on("starter").await;
    let shown = customer.shown().await;
    assert_eq!((&shown["status"], &shown["plan"]["code"]), (&json!("active"), &json!("starter")));
    assert_eq!(shown["next_charge"]["amount"]["amount"], "29.00");

    // the clock does everything that is due before it answers: three periods, each paid
    customer.later(80 * 86_400).await;
    let shown = customer.shown().await;
    assert_eq!(shown["current_period_start"], "2027-01-21T09:00:02Z");

    // up at once, for what the preview says
    let wanted = json!({ "plan_id": "growth", "preview": true });
    let preview = customer.post("", &wanted).await.expect(200).json;
    let stale = json!({ "plan_id": "growth", "expected_total": { "amount": "1.00", "currency": "EUR" } });
    assert_eq!(customer.post("", &stale).await.expect(409).code(), "price_changed");
    let wanted = json!({ "plan_id": "growth", "expected_total": preview["charge_now"]["total"] });
    let changed = customer.post("", &wanted).await.expect(201).json;
    assert_eq!(
        (&changed["payment_status"], &changed["subscription"]["plan"]["code"]),
        (&json!("settled"), &json!("growth"))
    );

    // down and out at the end of the period, and back
    let down = customer.post("", &json!({ "plan_id": "starter" })).await.expect(201).json;
    assert_eq!(down["subscription"]["pending"]["change"], "plan");
    assert_eq!(down["payment_id"], Value::Null);
    let canceled = customer.post("/cancel", &json!({})).await.expect(200).json;
    assert_eq!(
        canceled["pending"],
        json!({ "change": "cancel", "plan": null, "effective_at": canceled["current_period_end"] })
    );
    let resumed = customer.post("/resume", &json!({})).await.expect(200).json;
    assert_eq!(resumed["subscription"]["pending"], Value::Null);
    assert_eq!(customer.post("/resume", &json!({})).await.expect(409).code(), "conflict");
    assert_eq!(customer.post("/retry", &json!({})).await.expect(409).code(), "conflict");
    assert_eq!(customer.post("/pause", &json!({})).await.expect(200).json["pending"]["change"], "pause");
    customer.post("/cancel", &json!({})).await.expect(200);
    customer.later(31 * 86_400).await;
    assert_eq!(customer.shown().await["plan"], Value::Null);
    customer.post("/cancel", &json!({})).await.expect(404);
}

#[actix_web::test]
async fn what_is_no_plan_or_in_the_way_is_refused() {
    let customer = Customer::new().await;
    assert_eq!(
        customer.post("", &json!({ "plan_id": "nothing" })).await.expect(422).code(),
        "validation_failed"
    );
    let away = json!({ "plan_id": "starter", "success_url": "https://elsewhere.example/" });
    customer.post("", &away).await.expect(422);
    customer.on("growth").await;
    customer.post("", &json!({ "plan_id": "growth" })).await.expect(422);
    // the operator gives no plan beside one that is paid for
    let path = format!("/api/v1/admin/organizations/{}/prices", customer.desk.organization);
    let admin = customer.desk.app.operator_key(&[Scope::Admin]).await;
    let given = customer.desk.app.call("PUT", &path).json(r#"{"plan":"scale"}"#).bearer(&admin).send().await;
    assert_eq!(given.expect(409).code(), "conflict");
    // a new price, told early enough
    let migrate = async |plan: &str, from: &str| {
        let body = json!({ "from": from }).to_string();
        let path = format!("/api/v1/admin/plans/{plan}/migrate");
        customer.desk.app.post(&path, &body).bearer(&admin).send().await
    };
    migrate("growth", "2026-11-22T00:00:00Z").await.expect(422);
    migrate("nothing", "2027-06-01T00:00:00Z").await.expect(404);
    assert_eq!(migrate("growth", "2027-06-01T00:00:00Z").await.expect(200).json["subscriptions"], 0);
}

/// What a plan includes is counted by the month, also where a year is paid at once.
#[actix_web::test]
async fn the_periods_of_a_plan_that_was_given_are_months() {
    let desk = Desk::new().await;
    let yearly = json!({
        "code": "yearly", "name": "Yearly",
        "terms": {
            "price": { "amount": "990.00", "currency": "EUR" }, "interval": "year",
            "rate_card": "payg", "allowances": { "voice": 6000 },
        },
    });
    let publish = desk.app.post("/api/v1/admin/catalog/plans", &yearly.to_string()).bearer(&desk.operator);
    publish.send().await.expect(201);
    desk.app.clock.advance(1_000);
    let path = format!("/api/v1/admin/organizations/{}/prices", desk.organization);
    let given = desk.app.call("PUT", &path).json(r#"{"plan":"yearly"}"#).bearer(&desk.operator);
    given.send().await.expect(200);
    desk.app.it_becomes("2027-01-31T12:00:00Z");
    let used = r#"{"id":"e1","meter":"voice","quantity":600,"occurred_at":"2027-01-31T11:00:00Z"}"#;
    desk.report(used).await.expect(201);
    let shown = desk.get("/billing/subscription").await.expect(200).json;
    assert_eq!((&shown["id"], &shown["status"]), (&Value::Null, &json!("active")));
    assert_eq!(shown["plan"]["interval"], "year");
    assert_eq!(shown["current_period_start"], "2027-01-21T09:00:01Z");
    assert_eq!(shown["current_period_end"], "2027-02-21T09:00:01Z");
    assert_eq!(shown["allowances"][0]["left"], json!(5_400));
    assert_eq!(shown["next_charge_at"], Value::Null);
}
