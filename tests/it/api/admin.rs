//! The operator's resources.

use serde_json::json;
use tollbook::identity::Scope;

use crate::helpers::TestApp;

#[actix_web::test]
async fn an_organization_lives_through_its_states() {
    let app = TestApp::start_with(|c| c.credits.welcome = "5000".parse().unwrap()).await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    let body = r#"{"name":" Acme ","external_id":"cust-1","timezone":"Europe/Madrid","plan":"starter"}"#;
    let made = app.post("/api/v1/admin/organizations", body).bearer(&admin).send().await.expect(201).json;
    assert_eq!(made["name"], "Acme");
    assert_eq!((&made["currency"], &made["timezone"]), (&json!("EUR"), &json!("Europe/Madrid")));
    assert_eq!((&made["plan"], &made["status"]), (&json!("starter"), &json!("active")));
    let again = app.post("/api/v1/admin/organizations", body).bearer(&admin).send().await.expect(409);
    assert_eq!((again.code(), &again.json["error"]["param"]), ("already_exists", &json!("external_id")));

    let path = format!("/api/v1/admin/organizations/{}", made["id"].as_str().unwrap());
    let patch = |body: &'static str| app.call("PATCH", &path).json(body).bearer(&admin).send();
    assert_eq!(patch(r#"{"name":"Acme Ltd"}"#).await.expect(200).json["external_id"], "cust-1");
    assert_eq!(patch(r#"{"external_id":null}"#).await.expect(200).json["external_id"], json!(null));
    assert_eq!(patch(r#"{"timezone":"UTC"}"#).await.expect(200).json["timezone"], "UTC");

    let post = |path: String, body: &'static str| app.post(&path, body).bearer(&admin).send();
    let suspended = post(format!("{path}/suspend"), r#"{"reason":"unpaid"}"#).await.expect(200).json;
    assert_eq!(
        (&suspended["status"], &suspended["suspended_reason"]),
        (&json!("suspended"), &json!("unpaid"))
    );
    let list =
        app.get("/api/v1/admin/organizations?status=suspended&search=acme").bearer(&admin).send().await;
    assert_eq!(list.expect(200).json["total"], 1);
    assert_eq!(post(format!("{path}/resume"), "{}").await.expect(200).json["status"], "active");

    let prices = app.call("PUT", &format!("{path}/prices")).json(r#"{"rate_card":"growth"}"#).bearer(&admin);
    let priced = prices.send().await.expect(200).json;
    assert_eq!((&priced["plan"], &priced["rate_card"]), (&json!(null), &json!("growth")));
    let wrong = app.call("PUT", &format!("{path}/prices")).json(r#"{"plan":"gold"}"#).bearer(&admin);
    assert_eq!(wrong.send().await.expect(422).wrong()[0].0, "plan");

    let audit =
        app.get("/api/v1/admin/audit?action=organization.").bearer(&admin).send().await.expect(200).json;
    let actions: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert!(actions.contains(&"organization.suspended") && actions.last() == Some(&"organization.created"));
    assert!(audit["items"][0]["request_id"].as_str().unwrap().starts_with("req_"));
}

#[actix_web::test]
async fn a_person_gets_a_place_and_loses_it() {
    let app = TestApp::start().await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    let organization = app.organization("Acme").await;
    let create = |body: String| app.post("/api/v1/admin/users", &body).bearer(&admin).send();
    let owner = format!(
        r#"{{"email":"o@example.com","password":"long enough for this","organization":"{organization}","role":"owner"}}"#
    );
    let made = create(owner).await.expect(201).json;
    let id = made["id"].as_str().unwrap();
    assert!(made.get("password").is_none());
    for (body, field) in [
        (r#"{"email":"x@example.com","password":"long enough for this"}"#, "organization"),
        (
            r#"{"email":"x@example.com","password":"long enough for this","operator":true,"role":"owner"}"#,
            "operator",
        ),
        (r#"{"email":"x@example.com","password":"short","operator":true}"#, "password"),
        (r#"{"email":"x","password":"long enough for this","operator":true}"#, "email"),
    ] {
        assert_eq!(create(body.to_owned()).await.expect(422).wrong()[0].0, field, "{body}");
    }
    let leave = format!(r#"{{"organization":"{organization}"}}"#);
    let path = format!("/api/v1/admin/users/{id}/memberships/remove");
    assert_eq!(app.post(&path, &leave).bearer(&admin).send().await.expect(409).code(), "conflict");
    let disabled = app.post(&format!("/api/v1/admin/users/{id}/disable"), "{}").bearer(&admin).send().await;
    assert!(disabled.expect(200).json["disabled_at"].is_string());
}

#[actix_web::test]
async fn a_customers_own_keys_never_mint_credit() {
    let app = TestApp::start().await;
    let organization = app.organization("Acme").await;
    let (_, owner) = app.member(organization, tollbook::identity::Role::Owner).await;
    let issue = |scopes: &'static str| {
        app.post("/api/v1/keys", &format!(r#"{{"scopes":[{scopes}]}}"#)).bearer(&owner).send()
    };
    for scopes in [r#""billing:write""#, r#""admin""#, r#""usage:write","admin""#, ""] {
        assert_eq!(issue(scopes).await.expect(422).wrong()[0].0, "scopes");
    }
    let issued = issue(r#""usage:write","billing:read""#).await.expect(201).json;
    let key = issued["key"].as_str().unwrap();
    assert!(key.starts_with("tb_test_"));
    app.get("/api/v1/billing/details").bearer(key).send().await.expect(200);
    let list = app.get("/api/v1/keys").bearer(&owner).send().await.expect(200);
    assert!(!list.text.contains(key), "a key is shown once");
    // rotation: both work until the overlap is over
    let path = format!("/api/v1/keys/{}/rotate", issued["id"].as_str().unwrap());
    let rotated = app.post(&path, r#"{"overlap_hours":1}"#).bearer(&owner).send().await.expect(201).json;
    app.get("/api/v1/auth/me").bearer(key).send().await.expect(200);
    app.clock.advance(3_600_000);
    app.get("/api/v1/auth/me").bearer(key).send().await.expect(401);
    app.get("/api/v1/auth/me").bearer(rotated["key"].as_str().unwrap()).send().await.expect(200);
}

#[actix_web::test]
async fn the_catalog_grows_by_versions() {
    let app = TestApp::start().await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    let post = |path: &'static str, body: &'static str| app.post(path, body).bearer(&admin).send();
    let meters = "/api/v1/admin/catalog/meters";
    post(meters, r#"{"code":"tokens","name":"Tokens","unit":"token"}"#).await.expect(201);
    let again = post(meters, r#"{"code":"tokens","name":"Tokens","unit":"token"}"#).await.expect(409);
    assert_eq!(again.code(), "already_exists");
    post(meters, r#"{"code":"Tokens!","name":"T","unit":"t"}"#).await.expect(422);

    let cards = "/api/v1/admin/catalog/rate-cards";
    let exact = r#"{"code":"ai","name":"AI","rates":[
        {"meter":"tokens","unit_size":1000000,"price":{"flat":0.000001}},
        {"meter":"voice","unit_size":60,"increment":6,"minimum":6,
         "price":{"graduated":[{"up_to":6000,"price":7.5},{"price":6.25}]},"pass_through":"toll_free"}]}"#;
    let made = post(cards, exact).await.expect(201);
    assert!(made.text.contains(r#"{"flat":0.000001}"#), "{}", made.text);
    assert_eq!(made.json["current_version"], 1);
    let wrong = post(cards, r#"{"code":"ai","rates":[{"meter":"tokens","price":{"flat":0.0000001}}]}"#).await;
    assert_eq!(wrong.expect(422).wrong()[0].0, "rates[0].price.flat");
    let wrong =
        post(cards, r#"{"code":"ai","rates":[{"meter":"faxes","price":{"flat":-1}}]}"#).await.expect(422);
    assert_eq!(wrong.wrong().len(), 2, "{}", wrong.text);
    let wrong =
        post(cards, r#"{"code":"ai","starts_at":"2026-11-20T00:00:00Z","rates":[]}"#).await.expect(422);
    assert!(wrong.wrong().iter().any(|(field, _)| field == "starts_at"), "{}", wrong.text);

    let plans = "/api/v1/admin/catalog/plans";
    let plan = r#"{"code":"team","name":"Team","terms":{"price":{"amount":"49.00","currency":"EUR"},"interval":"month",
        "allowances":{"voice":60000},"rate_card":"ai"}}"#;
    post(plans, plan).await.expect(201);
    let organization = app.organization("Acme").await;
    let key = app.organization_key(organization, &[Scope::BillingRead]).await;
    let offered = app.get("/api/v1/billing/plans").bearer(&key).send().await.expect(200);
    let codes: Vec<_> =
        offered.json["items"].as_array().unwrap().iter().map(|p| p["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["starter", "growth", "scale", "team"]);
    let team = &offered.json["items"][3];
    assert_eq!(team["price"], json!({"amount":"49.00","currency":"EUR"}));
    assert_eq!(team["allowances"][0]["meter"], "voice");
    assert_eq!(team["overage"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn the_clock_moves_forward_in_test_mode_only() {
    let app = TestApp::start().await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    let advance = |body: &'static str| app.post("/api/v1/admin/clock", body).bearer(&admin).send();
    let now = advance(r#"{"advance_seconds":86400}"#).await.expect(200).json;
    assert_eq!(now["now"], "2026-11-22T09:00:00Z");
    let now = advance(r#"{"to":"2027-01-01T00:00:00Z"}"#).await.expect(200).json;
    assert_eq!(now["now"], "2027-01-01T00:00:00Z");
    for (body, field) in [
        (r#"{"to":"2026-01-01T00:00:00Z"}"#, "to"),
        (r#"{"advance_seconds":0}"#, "advance_seconds"),
        (r#"{"advance_seconds":9223372036854775807}"#, "advance_seconds"),
        ("{}", "advance_seconds"),
        (r#"{"advance_seconds":1,"to":"2028-01-01T00:00:00Z"}"#, "to"),
    ] {
        assert_eq!(advance(body).await.expect(422).wrong()[0].0, field, "{body}");
    }
}

#[actix_web::test]
async fn workspaces_belong_to_their_organization() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.organization("Own").await, app.organization("Foreign").await);
    let key = app.organization_key(own, &[Scope::MembersWrite, Scope::UsageRead]).await;
    let made =
        app.post("/api/v1/workspaces", r#"{"external_id":"w1"}"#).bearer(&key).send().await.expect(201);
    assert_eq!(made.json["name"], "w1");
    let path = format!("/api/v1/workspaces/{}", made.json["id"].as_str().unwrap());
    app.get(&path).bearer(&key).send().await.expect(200);
    let renamed = app.call("PATCH", &path).json(r#"{"name":"West"}"#).bearer(&key).send().await.expect(200);
    assert_eq!(renamed.json["name"], "West");
    let other = app.organization_key(foreign, &[Scope::MembersWrite, Scope::UsageRead]).await;
    app.get(&path).bearer(&other).send().await.expect(404);
    app.call("PATCH", &path).json(r#"{"name":"Mine"}"#).bearer(&other).send().await.expect(404);
    let again =
        app.post("/api/v1/workspaces", r#"{"external_id":"w1"}"#).bearer(&key).send().await.expect(409);
    assert_eq!(again.code(), "already_exists");
}
