//! The operator's packages: over the API, on the pages, and what customers then can buy.

use serde_json::json;
use tollbook::identity::{Role, Scope, audit};
use tollbook::payments::gateway::sandbox::{self, Card};

use super::browsing::{Browser, person, sign_in};
use crate::helpers::TestApp;

const API: &str = "/api/v1/admin/catalog/packages";
const NEW: &str = "/operator/packages/new";
const MEGA: &str = r#"{"code":"mega","name":"Mega","price":{"amount":"80","currency":"EUR"},"credits":8000,"bonus_credits":2000}"#;

fn told(app: &TestApp) -> Vec<(String, serde_json::Value)> {
    let entries =
        app.db().read_blocking(|tx| audit::list(tx, &audit::Filter::default(), None, 50)).unwrap().items;
    let of_packages = entries.into_iter().rev().filter(|entry| entry.action.starts_with("package."));
    of_packages.map(|entry| (entry.action.clone(), json!(entry.difference))).collect()
}

#[actix_web::test]
async fn a_package_made_over_the_api_is_for_sale_at_once_and_off_sale_at_once() {
    let app = TestApp::start().await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    let (_, owner) = app.member(app.organization("Acme").await, Role::Owner).await;
    let browser = Browser::with_session(&app, &owner);
    let sold = async || {
        let list = app.get("/api/v1/billing/packages").bearer(&owner).send().await.expect(200);
        list.json["items"].as_array().unwrap().iter().any(|package| package["id"] == "mega")
    };
    assert!(!sold().await);
    let made = app.post(API, MEGA).bearer(&admin).send().await.expect(201);
    let price = json!({"amount": "80.00", "currency": "EUR"});
    let whole = json!({"id": "mega", "name": "Mega", "price": price, "credits": 8000, "bonus_credits": 2000,
        "position": 4, "active": true});
    assert_eq!(made.json, whole);
    assert!(sold().await);
    browser.get("/topup").await.expect(200).says("Mega: 8,000.00 credits and 2,000.00 free");
    let taken = app.post(API, MEGA).bearer(&admin).send().await.expect(409);
    assert_eq!((taken.code(), &taken.json["error"]["param"]), ("already_exists", &json!("code")));

    let open = browser.get("/topup/review?package=mega").await.expect(200);
    let one = format!("{API}/mega");
    let patch = async |body: &str| app.call("PATCH", &one).json(body).bearer(&admin).send().await;
    assert_eq!(patch(r#"{"active":false}"#).await.expect(200).json["active"], false);
    assert!(!sold().await);
    browser.get("/topup").await.expect(200).does_not_say("Mega");
    browser.fill(&open, "/topup", &[]).await.expect(422).says("is not for sale");
    let all = app.get(API).bearer(&admin).send().await.expect(200);
    let codes: Vec<&str> =
        all.json["items"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(codes, ["starter", "growth", "scale", "mega"]);
    patch(r#"{"active":true,"price":{"amount":"90","currency":"EUR"}}"#).await.expect(200);
    patch(r#"{"name":"Mega"}"#).await.expect(200);
    assert!(sold().await);
    let told = told(&app);
    assert_eq!(told.len(), 3, "what changes nothing is not told: {told:?}");
    assert_eq!(told[2].1, json!({"active": [false, true], "price": ["80.00 EUR", "90.00 EUR"]}));
    app.call("PATCH", &format!("{API}/none")).json("{}").bearer(&admin).send().await.expect(404);
}

#[actix_web::test]
async fn all_that_is_wrong_with_a_package_is_said_at_once() {
    let app = TestApp::start().await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    let wrong = r#"{"code":"No!","name":" ","price":{"amount":"0","currency":"EUR"},"credits":0,"bonus_credits":-1,"position":-1}"#;
    let wrong = app.post(API, wrong).bearer(&admin).send().await.expect(422).wrong();
    let fields: Vec<&str> = wrong.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["code", "name", "price", "credits", "bonus_credits", "position"]);
    let long = "a".repeat(41);
    for code in ["custom", "new", "ä", "a b", "", &long] {
        let body = MEGA.replace("\"mega\"", &format!("\"{code}\""));
        let wrong = app.post(API, &body).bearer(&admin).send().await.expect(422).wrong();
        assert_eq!(wrong[0].0, "code", "{code}");
    }
    for (field, value) in [
        ("price", json!({"amount": "100000000.01", "currency": "EUR"})),
        ("price", json!({"amount": "-1", "currency": "EUR"})),
        ("price", json!({"amount": "10", "currency": "USD"})),
        ("credits", json!(1_000_000_001)),
        ("bonus_credits", json!(1_000_000_001)),
        ("position", json!(10_000)),
        ("name", json!("two\nlines")),
        ("name", json!("a".repeat(81))),
    ] {
        let body = json!({ field: value }).to_string();
        let answer = app.call("PATCH", &format!("{API}/growth")).json(&body).bearer(&admin).send().await;
        assert_eq!(answer.expect(422).wrong()[0].0, field, "{body}");
    }
    let unknown = MEGA.replace("EUR", "EURO");
    app.post(API, &unknown).bearer(&admin).send().await.expect(422);
    assert!(told(&app).is_empty(), "{:?}", told(&app));
}

#[actix_web::test]
async fn the_operator_edits_packages_on_pages() {
    let app = TestApp::start().await;
    person(&app, "op@example.com", None).await;
    let operator = sign_in(&app, "op@example.com").await;
    let (_, owner) = app.member(app.organization("Acme").await, Role::Owner).await;
    let customer = Browser::with_session(&app, &owner);
    let list = operator.get("/operator/packages").await.expect(200);
    list.says("Growth growth €50.00 5,000.00 250.00 (5.0 %) 2 yes");
    assert!(list.links("/operator/packages").contains(&NEW.to_owned()));
    let page = operator.get(NEW).await.expect(200);
    let bad = [
        ("code", "A b"),
        ("name", ""),
        ("currency", "XAU"),
        ("price", "ten"),
        ("credits", ""),
        ("bonus_credits", "-5"),
        ("position", "first"),
    ];
    let wrong = operator.fill(&page, NEW, &bad).await.expect(422);
    for said in [
        "Code must be lowercase",
        "Name is required",
        "Currency is not an ISO 4217",
        "Price is not a decimal",
        "Credits is required",
        "Bonus must not be below",
        "Place must be a whole number",
    ] {
        wrong.says(said);
    }
    for (name, typed) in [("code", "A b"), ("price", "ten"), ("bonus_credits", "-5"), ("position", "first")] {
        assert_eq!(wrong.value(name), typed);
    }
    let good = [
        ("code", "summer_26"),
        ("name", "Sun & sea"),
        ("currency", "EUR"),
        ("price", "19.90"),
        ("credits", "2000"),
        ("bonus_credits", ""),
        ("position", "0"),
    ];
    let created = operator.fill(&wrong, NEW, &good).await;
    let said = operator.get(created.location()).await.expect(200);
    said.says("Saved.");
    said.says("Sun & sea summer_26 €19.90 2,000.00 — 0 yes");
    // the same form once more makes no second one, another with the code is refused
    operator.fill(&wrong, NEW, &good).await.location();
    let taken = operator.fill(&operator.get(NEW).await, NEW, &good).await.expect(409);
    taken.says("Code is taken already");
    assert_eq!(taken.value("price"), "19.90");
    let open = customer.get("/topup/review?package=summer_26").await.expect(200);

    let path = "/operator/packages/summer_26";
    let page = operator.get(path).await.expect(200);
    assert_eq!((page.value("price").as_str(), page.value("credits").as_str()), ("19.90", "2000"));
    let edited =
        [("name", "Sun"), ("price", "0"), ("credits", "2000"), ("bonus_credits", "100"), ("active", "on")];
    let wrong = operator.fill(&page, path, &edited).await.expect(422);
    wrong.says("Price must be above zero");
    assert_eq!((wrong.value("name").as_str(), wrong.value("price").as_str()), ("Sun", "0"));
    let off = [("name", "Sun"), ("price", "21"), ("credits", "2000"), ("bonus_credits", "100")];
    operator.fill(&page, path, &off).await.location();
    operator.get("/operator/packages").await.says("Sun summer_26 €21.00 2,000.00 100.00 (5.0 %) 0 no");
    customer.get("/topup").await.expect(200).does_not_say("Sun");
    customer.fill(&open, "/topup", &[]).await.expect(422).says("is not for sale");
    operator.get("/operator/packages/nothing").await.expect(404);
}

#[actix_web::test]
async fn a_payment_keeps_the_terms_it_was_agreed_on() {
    let app = TestApp::start().await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    let (_, owner) = app.member(app.organization("Acme").await, Role::Owner).await;
    let customer = Browser::with_session(&app, &owner);
    let review = customer.get("/topup/review?package=growth").await.expect(200);
    let begun = customer.fill(&review, "/topup", &[("package", "growth")]).await;
    let reference = begun.location().rsplit('/').next().unwrap().to_owned();
    let changed =
        r#"{"price":{"amount":"500","currency":"EUR"},"credits":1,"bonus_credits":0,"active":false}"#;
    let one = format!("{API}/growth");
    app.call("PATCH", &one).json(changed).bearer(&admin).send().await.expect(200);
    app.db().write(move |tx| sandbox::pay(tx, &reference, Card::Pays)).await.unwrap();
    let later = app.post("/api/v1/admin/clock", r#"{"advance_seconds":2}"#).bearer(&admin);
    later.send().await.expect(200);
    let balance = app.get("/api/v1/billing/balance").bearer(&owner).send().await.expect(200);
    assert_eq!(balance.json["balance"], 5250);
    customer.get("/invoices").await.expect(200).says("€60.50");
}
