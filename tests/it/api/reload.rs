//! Saved cards, auto-reload and checkout through the API: shapes to the letter, and what is refused.

use serde_json::json;
use tollbook::base::Zone;
use tollbook::base::id::OrganizationId;
use tollbook::identity::{NewOrganization, Role, Scope};
use tollbook::onboarding::{self, Prices};
use tollbook::payments::gateway::sandbox;

use crate::helpers::{Answer, BY, TestApp};

const RELOAD: &str = "/api/v1/billing/wallet/auto-reload";
const RECHARGE: &str = "/api/v1/billing/auto-recharge";
const METHODS: &str = "/api/v1/billing/payment-methods";
const CHECKOUT: &str = "/api/v1/billing/checkout";

struct Customer {
    app: TestApp,
    organization: OrganizationId,
    owner: String,
}

impl Customer {
    async fn new(currency: &str) -> Self {
        let app = TestApp::start_with(|config| {
            config.payments.allowed_return_hosts = vec!["app.example.com".into()];
        })
        .await;
        let new = NewOrganization {
            name: "Acme".into(),
            external_id: None,
            currency: currency.parse().unwrap(),
            zone: Zone::UTC,
            rate_card_id: None,
        };
        let welcome = app.app.state.settings.welcome;
        let made = app.db().write(move |tx| onboarding::create(tx, &BY, &new, &Prices::default(), welcome));
        let organization = made.await.unwrap().id;
        let (_, owner) = app.member(organization, Role::Owner).await;
        Self { app, organization, owner }
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.app.call(method, path).json(body).bearer(&self.owner).send().await
    }

    async fn get(&self, path: &str) -> Answer {
        self.app.get(path).bearer(&self.owner).send().await
    }

    /// Saves a card, and answers its id.
    async fn card(&self, number: &'static str) -> String {
        let setup = self.send("POST", METHODS, "{}").await.expect(201);
        let url = setup.json["checkout_url"].as_str().unwrap();
        let reference = url.rsplit('/').next().unwrap().to_owned();
        self.app.db().write(move |tx| sandbox::give_card(tx, &reference, number)).await.unwrap();
        self.later(2).await;
        let cards = self.get(METHODS).await.expect(200);
        let newest =
            cards.json["items"].as_array().unwrap().iter().max_by_key(|c| c["created_at"].to_string());
        newest.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Lets time pass, and everything due then happen.
    async fn later(&self, seconds: i64) {
        let admin = self.app.operator_key(&[Scope::Admin]).await;
        let body = json!({ "advance_seconds": seconds }).to_string();
        self.app.post("/api/v1/admin/clock", &body).bearer(&admin).send().await.expect(200);
    }
}

#[actix_web::test]
async fn a_card_is_saved_listed_made_default_and_removed() {
    let customer = Customer::new("EUR").await;
    let setup = customer.send("POST", METHODS, "{}").await.expect(201);
    let mut fields: Vec<&str> = setup.json.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["checkout_url", "clientSecret", "payment_method_id", "setup_id", "status"]);
    assert_eq!(setup.json["status"], "pending");
    let first = customer.card("4242 4242 4242 4242").await;
    customer.later(1).await;
    let second = customer.card("4000 0000 0000 0069").await;
    let cards = customer.get(METHODS).await.expect(200);
    let card = &cards.json["items"][0];
    assert_eq!(
        (&card["id"], &card["default"], &card["validity"]),
        (&json!(first), &json!(true), &json!("good"))
    );
    assert_eq!((&card["brand"], &card["last4"]), (&json!("visa"), &json!("4242")));
    assert_eq!(cards.json["items"][1]["validity"], "ends_soon");
    let made = customer.send("POST", &format!("{METHODS}/{second}/default"), "").await.expect(200);
    assert_eq!(made.json["default"], true);
    customer.send("DELETE", &format!("{METHODS}/{second}"), "").await.expect(204);
    customer.send("DELETE", &format!("{METHODS}/{second}"), "").await.expect(404);
    let left = customer.get(METHODS).await.expect(200);
    assert_eq!(left.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(left.json["items"][0]["default"], true);
    // somebody else's
    let other = customer.app.organization("Other").await;
    let (_, stranger) = customer.app.member(other, Role::Owner).await;
    for (method, path) in
        [("DELETE", format!("{METHODS}/{first}")), ("POST", format!("{METHODS}/{first}/default"))]
    {
        customer.app.call(method, &path).bearer(&stranger).send().await.expect(404);
    }
    let elsewhere = r#"{"success_url":"https://evil.example/","cancel_url":"https://app.example.com/"}"#;
    let wrong = customer.send("POST", METHODS, elsewhere).await.expect(422).wrong();
    assert_eq!(wrong, [("success_url".to_owned(), "host_not_allowed".to_owned())]);
}

#[actix_web::test]
async fn auto_reload_in_every_spelling() {
    let customer = Customer::new("USD").await;
    let off = customer.get(RELOAD).await.expect(200);
    assert_eq!((&off.json["enabled"], &off.json["status"]), (&json!(false), &json!("off")));
    let letter = r#"{"enabled":true,"thresholdUsd":20,"amountUsd":50}"#;
    let none = customer.send("PUT", RELOAD, letter).await.expect(409);
    assert_eq!(none.code(), "payment_method_required");
    let recharge = r#"{"enabled":true,"threshold":1000,"recharge_amount":10000}"#;
    assert_eq!(customer.send("POST", RECHARGE, recharge).await.expect(409).code(), "payment_method_required");
    let card = customer.card("4242 4242 4242 4242").await;
    let set = customer.send("PUT", RELOAD, letter).await.expect(200).json;
    assert_eq!(
        (&set["enabled"], &set["thresholdUsd"], &set["amountUsd"]),
        (&json!(true), &json!(20), &json!(50))
    );
    assert_eq!((&set["threshold_credits"], &set["amount_credits"]), (&json!(2000), &json!(5000)));
    assert_eq!((&set["payment_method_id"], &set["monthly_cap"]), (&json!(card), &json!(null)));
    // it was below the threshold: bought at once
    customer.later(5).await;
    let wallet = customer.get("/api/v1/billing/wallet").await.expect(200).json;
    assert_eq!((&wallet["balance"], &wallet["auto_reload"]["status"]), (&json!(5000), &json!("ready")));
    let spent = wallet["auto_reload"]["spent_this_month"]["amount"].as_str().unwrap();
    assert!(spent.parse::<f64>().unwrap() >= 50.0, "{spent}");
    let body =
        json!({"enabled": true, "threshold": 1000, "recharge_amount": 10000, "payment_method_id": card});
    let set = customer.send("POST", RECHARGE, &body.to_string()).await.expect(200).json;
    assert_eq!(set, body);
    let native = json!({"enabled": true, "threshold_credits": 1500.5, "amount_credits": 2000,
        "monthly_cap": {"amount": "500.00", "currency": "USD"}, "payment_method_id": card});
    let set = customer.send("PUT", RELOAD, &native.to_string()).await.expect(200).json;
    for (name, value) in native.as_object().unwrap() {
        assert_eq!(&set[name], value, "{name}");
    }
    let removed =
        customer.send("PUT", RELOAD, r#"{"enabled":true,"monthly_cap":null}"#).await.expect(200).json;
    assert_eq!((&removed["monthly_cap"], &removed["amount_credits"]), (&json!(null), &json!(2000)));
    let off = customer.send("PUT", RELOAD, r#"{"enabled":false}"#).await.expect(200).json;
    assert_eq!((&off["enabled"], &off["status"]), (&json!(false), &json!("off")));
    // a key may look, and no more
    let key = customer.app.organization_key(customer.organization, &[Scope::BillingRead]).await;
    customer.app.get(RELOAD).bearer(&key).send().await.expect(200);
}

#[actix_web::test]
async fn auto_reload_that_makes_no_sense_is_said_by_its_field() {
    let customer = Customer::new("EUR").await;
    customer.card("4242 4242 4242 4242").await;
    let other = customer.app.organization("Other").await;
    let (_, stranger) = customer.app.member(other, Role::Owner).await;
    let of_stranger = Customer { app: customer.app, organization: other, owner: stranger };
    let foreign = of_stranger.card("4242 4242 4242 4242").await;
    let (_, owner) = of_stranger.app.member(customer.organization, Role::Billing).await;
    let customer = Customer { app: of_stranger.app, organization: customer.organization, owner };
    let foreign = format!(
        r#"{{"enabled":true,"threshold_credits":1,"amount_credits":1000,"payment_method_id":"{foreign}"}}"#
    );
    for (body, wrong) in [
        (r#"{"enabled":true,"thresholdUsd":20,"amountUsd":50}"#, vec!["thresholdUsd", "amountUsd"]),
        (r#"{"enabled":true}"#, vec!["threshold_credits", "amount_credits"]),
        (
            r#"{"enabled":true,"threshold_credits":-1,"amount_credits":1}"#,
            vec!["threshold_credits", "amount_credits"],
        ),
        (r#"{"enabled":true,"threshold_credits":1,"amount_credits":1000001}"#, vec!["amount_credits"]),
        (
            r#"{"enabled":true,"threshold_credits":1,"amount_credits":1000,"monthly_cap":{"amount":"12.09","currency":"EUR"}}"#,
            vec!["monthly_cap"],
        ),
        (
            r#"{"enabled":true,"threshold_credits":1,"amount_credits":1000,"monthly_cap":{"amount":"99.00","currency":"USD"}}"#,
            vec!["monthly_cap"],
        ),
        (
            r#"{"enabled":true,"threshold_credits":1,"amount_credits":1000,"payment_method_id":"pm_nothing"}"#,
            vec!["payment_method_id"],
        ),
        (foreign.as_str(), vec!["payment_method_id"]),
        (r#"{"enabled":true,"threshold":1}"#, vec!["threshold"]),
    ] {
        let answer = customer.send("PUT", RELOAD, body).await.expect(422);
        assert_eq!(answer.wrong().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), wrong, "{body}");
    }
    let short =
        customer.send("POST", RECHARGE, r#"{"enabled":true,"threshold":1,"recharge_amount":1}"#).await;
    assert_eq!(short.expect(422).wrong(), [("recharge_amount".to_owned(), "below_minimum".to_owned())]);
}

#[actix_web::test]
async fn a_checkout_answers_to_the_letter_and_leads_only_where_it_may() {
    let customer = Customer::new("EUR").await;
    let body = |package: &str, to: &str| {
        json!({"package_id": package, "success_url": to, "cancel_url": "https://app.example.com/credit"})
            .to_string()
    };
    let good = body("growth", "https://app.example.com/paid?x=1");
    let made = customer.send("POST", CHECKOUT, &good).await.expect(201).json;
    let mut fields: Vec<&str> = made.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["checkout_url", "session_id"]);
    let session = made["session_id"].as_str().unwrap().to_owned();
    assert!(made["checkout_url"].as_str().unwrap().ends_with(&session));
    let kept = customer.app.db().read_blocking(|tx| sandbox::session(tx, &session)).unwrap();
    assert_eq!(kept.order.return_url, "https://app.example.com/paid?x=1");
    assert_eq!(kept.order.cancel_url, "https://app.example.com/credit");
    let own = format!("{}/overview", customer.app.app.url());
    customer.send("POST", CHECKOUT, &body("growth", &own)).await.expect(201);
    for (to, code) in [
        ("https://evil.example/", "host_not_allowed"),
        ("https://app.example.com.evil.example/", "host_not_allowed"),
        ("https://app.example.com:8443/", "host_not_allowed"),
        ("https://app.example.com@evil.example/", "invalid_value"),
        ("javascript:alert(1)", "invalid_value"),
        ("/paid", "invalid_value"),
        ("", "invalid_value"),
    ] {
        let wrong = customer.send("POST", CHECKOUT, &body("growth", to)).await.expect(422).wrong();
        assert_eq!(wrong, [("success_url".to_owned(), code.to_owned())], "{to}");
    }
    let both =
        customer.send("POST", CHECKOUT, &body("gold", "https://evil.example/")).await.expect(422).wrong();
    assert_eq!(both.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["success_url", "package_id"]);
}
