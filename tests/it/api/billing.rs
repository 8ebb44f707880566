//! The wallet: credit in and out, and everything that shows it.

use serde_json::{Value, json};
use tollbook::base::time::DAY_MS;
use tollbook::onboarding::Prices;

use super::desk::{Desk, names, number, voice};

const TRANSACTION: [&str; 6] = ["amount", "balance_after", "created_at", "description", "id", "type"];
const GRANT: [&str; 13] = [
    "class",
    "cost",
    "created_at",
    "credits",
    "expires_at",
    "held",
    "id",
    "meters",
    "priority",
    "remaining",
    "source",
    "status",
    "transaction_id",
];

fn texts<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    list["items"].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn credit_makes_a_transaction_and_a_grant() {
    let desk = Desk::new().await;
    let body = r#"{"credits":500.25,"class":"free","reason":" Sorry for the outage ","expires_at":"2027-01-01T00:00:00Z",
        "meters":["voice","chat"],"priority":50,"metadata":{"ticket":17}}"#;
    let answer = desk.credit(body).await.expect(201);
    assert_eq!(names(&answer.json), ["grant", "transaction"]);
    let (transaction, grant) = (&answer.json["transaction"], &answer.json["grant"]);
    let mut expected = TRANSACTION.to_vec();
    expected.push("metadata");
    expected.sort_unstable();
    assert_eq!(names(transaction), expected);
    assert_eq!(names(grant), GRANT);
    assert_eq!(transaction["type"], "adjustment");
    assert_eq!(transaction["description"], "Sorry for the outage");
    assert_eq!(transaction["metadata"], json!({ "ticket": 17 }));
    assert_eq!(transaction["created_at"], "2026-11-21T09:00:00Z");
    assert_eq!(number(&answer.text, "amount"), "500.25");
    assert_eq!(grant["transaction_id"], transaction["id"]);
    assert_eq!((&grant["class"], &grant["status"]), (&json!("free"), &json!("active")));
    assert_eq!((&grant["meters"], &grant["priority"]), (&json!(["voice", "chat"]), &json!(50)));
    assert_eq!(grant["expires_at"], "2027-01-01T00:00:00Z");
    let paid =
        r#"{"credits":100,"class":"paid","reason":"By bank","cost":{"amount":"1.00","currency":"EUR"}}"#;
    let answer = desk.credit(paid).await.expect(201);
    assert_eq!(answer.json["grant"]["cost"], json!({ "amount": "1.00", "currency": "EUR" }));
    let audit =
        desk.app.get("/api/v1/admin/audit?action=credit.").bearer(&desk.operator).send().await.expect(200);
    assert_eq!(texts(&audit.json, "action"), ["credit.given", "credit.given"]);
    assert_eq!(audit.json["items"][1]["difference"]["credits"], "500.25");
    assert_eq!(audit.json["items"][1]["difference"]["reason"], "Sorry for the outage");
}

#[actix_web::test]
async fn credit_asked_for_twice_is_given_once() {
    let desk = Desk::new().await;
    let body = r#"{"credits":500,"class":"free","reason":"Welcome"}"#;
    let first = desk.credit_call("key-1", body).send().await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = desk.credit_call("key-1", body).send().await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.text, first.text);
    let other = desk.credit_call("key-1", &body.replace("500", "501")).send().await.expect(409);
    assert_eq!(other.code(), "idempotency_conflict");
    assert_eq!(desk.balance().await, "500");
    // many at once
    let calls = (0..10).map(|_| desk.credit_call("key-2", body).send());
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 201 && answer.text == answers[0].text));
    assert_eq!(desk.balance().await, "1000");
    // for another organization the same key is another one
    let elsewhere = desk.other(r#"{"name":"Other"}"#).await;
    let call = desk.app.post("/api/v1/billing/wallet/credit", body).bearer(&desk.operator);
    let call = call.organization(elsewhere).header("Idempotency-Key", "key-1");
    assert_ne!(call.send().await.expect(201).json["grant"]["id"], first.json["grant"]["id"]);
    // what was refused can be tried again with the same key
    let taken = r#"{"credits":-5000,"class":"free","reason":"Back"}"#;
    desk.credit_call("key-3", taken).send().await.expect(422);
    desk.credit_call("key-3", body).send().await.expect(201);
}

#[actix_web::test]
async fn credit_needs_a_key_that_makes_it_safe_to_repeat() {
    let desk = Desk::new().await;
    let body = r#"{"credits":500,"class":"free","reason":"Welcome"}"#;
    let call = desk.app.post("/api/v1/billing/wallet/credit", body).bearer(&desk.operator);
    let answer = call.organization(desk.organization).send().await.expect(400);
    assert_eq!(answer.code(), "idempotency_key_required");
    for key in ["", "a b", &"k".repeat(256)] {
        let answer = desk.credit_call(key, body).send().await.expect(400);
        assert_eq!(answer.code(), "invalid_header", "{key:?}");
    }
    assert_eq!(desk.balance().await, "0");
}

#[actix_web::test]
async fn credit_is_taken_back_from_its_class_in_draw_order_and_never_below_nothing() {
    let desk = Desk::new().await;
    desk.give("10").await;
    let sooner = r#"{"credits":5,"class":"free","reason":"x","expires_at":"2027-01-01T00:00:00Z"}"#;
    let sooner = desk.credit(sooner).await.expect(201);
    desk.credit(r#"{"credits":100,"class":"paid","reason":"x"}"#).await.expect(201);
    let answer = desk.credit(r#"{"credits":-7.5,"class":"free","reason":"A mistake"}"#).await.expect(201);
    assert_eq!(answer.json["grant"], Value::Null);
    assert_eq!(number(&answer.text, "amount"), "-7.5");
    let taken = answer.json["taken_from"].as_array().unwrap();
    assert_eq!(taken[0], json!({ "grant_id": sooner.json["grant"]["id"], "credits": 5 }));
    assert_eq!(taken[1]["credits"], 2.5);
    let answer = desk.credit(r#"{"credits":-7.500001,"class":"free","reason":"x"}"#).await.expect(422);
    assert_eq!((answer.code(), &answer.json["error"]["param"]), ("not_enough_credit", &json!("credits")));
    assert_eq!(answer.json["error"]["details"], json!({ "class": "free", "available": 7.5 }));
    assert_eq!(desk.balance().await, "107.5");
    let audit = desk.app.get("/api/v1/admin/audit?action=credit.taken").bearer(&desk.operator).send().await;
    assert_eq!(audit.expect(200).json["items"][0]["difference"]["credits"], "-7.5");
}

#[actix_web::test]
async fn bad_credit_is_named() {
    let desk = Desk::new().await;
    let wrong = async |changes: Value| {
        let mut body = json!({ "credits": 5, "class": "free", "reason": "x" });
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        desk.credit(&body.to_string()).await.expect(422).wrong()
    };
    for (changes, param, code) in [
        (json!({ "credits": 0 }), "credits", "invalid_value"),
        (json!({ "credits": "5" }), "credits", "invalid_value"),
        (json!({ "credits": 0.000_000_1 }), "credits", "invalid_value"),
        (json!({ "class": "gift" }), "class", "invalid_value"),
        (json!({ "reason": "  " }), "reason", "required"),
        (json!({ "reason": "a\nb" }), "reason", "invalid_value"),
        (json!({ "reason": "x".repeat(501) }), "reason", "invalid_value"),
        (json!({ "expires_at": "2026-11-21T09:00:00Z" }), "expires_at", "in_the_past"),
        (json!({ "expires_at": "2027" }), "expires_at", "invalid_value"),
        (json!({ "meters": [] }), "meters", "invalid_value"),
        (json!({ "meters": ["voice", "fax"] }), "meters[1]", "unknown"),
        (json!({ "meters": ["voice", "voice"] }), "meters[1]", "duplicate"),
        (json!({ "priority": -1 }), "priority", "invalid_value"),
        (json!({ "cost": { "amount": "1.00", "currency": "USD" } }), "cost", "invalid_value"),
        (json!({ "cost": { "amount": "-1.00", "currency": "EUR" } }), "cost", "negative"),
        (json!({ "metadata": "x" }), "metadata", "invalid_type"),
        (json!({ "metadata": { "a": "x".repeat(4_096) } }), "metadata", "too_long"),
        (json!({ "credits": -5, "priority": 1 }), "priority", "conflict"),
        (json!({ "amount": 5 }), "amount", "unknown_field"),
    ] {
        assert_eq!(wrong(changes.clone()).await, [(param.to_owned(), code.to_owned())], "{changes}");
    }
    let several = wrong(json!({ "credits": -1, "reason": "", "expires_at": "2027-01-01T00:00:00Z" })).await;
    let fields: Vec<_> = several.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["reason", "expires_at"]);
    desk.give("99999999999").await;
    assert_eq!(wrong(json!({ "credits": 2 })).await[0].1, "too_large");
    assert_eq!(desk.balance().await, "99999999999");
}

#[actix_web::test]
async fn the_balance_has_its_shape() {
    let desk = Desk::new().await;
    let text = desk.get("/billing/balance").await.expect(200).text;
    assert_eq!(
        text,
        r#"{"balance":0,"pending_charges":0,"available":0,"currency":"credits","last_updated":"2026-11-21T09:00:00Z"}"#
    );
    desk.give("100").await;
    desk.app.clock.advance(60_000);
    desk.voice("e-1", 900).await;
    let text = desk.get("/billing/balance").await.expect(200).text;
    assert_eq!(
        text,
        r#"{"balance":-5,"pending_charges":0,"available":0,"currency":"credits","last_updated":"2026-11-21T09:01:00Z"}"#
    );
}

#[actix_web::test]
async fn the_wallet_says_what_is_there_and_until_when() {
    let desk = Desk::on_plan("growth").await;
    desk.credit(r#"{"credits":300,"class":"paid","reason":"x"}"#).await.expect(201);
    desk.credit(r#"{"credits":20,"class":"plan","reason":"x"}"#).await.expect(201);
    let expiring = r#"{"credits":5,"class":"free","reason":"x","expires_at":"2026-12-01T00:00:00Z"}"#;
    desk.credit(expiring).await.expect(201);
    let wallet = desk.get("/billing/wallet").await.expect(200).json;
    let expected = [
        "auto_reload",
        "available",
        "balance",
        "currency",
        "free",
        "grants",
        "held",
        "last_updated",
        "next_renewal",
        "overdraft",
        "paid",
        "plan",
    ];
    assert_eq!(names(&wallet), expected);
    let amounts = ["balance", "available", "held", "overdraft", "free", "plan", "paid"];
    assert_eq!(amounts.map(|name| wallet[name].as_i64().unwrap()), [325, 325, 0, 0, 5, 20, 300]);
    let grants = wallet["grants"].as_array().unwrap();
    assert_eq!(
        grants.iter().map(|g| g["class"].as_str().unwrap()).collect::<Vec<_>>(),
        ["free", "plan", "paid"]
    );
    assert_eq!(names(&grants[0]), GRANT);
    assert_eq!(grants[0]["expires_at"], "2026-12-01T00:00:00Z");
    assert_eq!(wallet["next_renewal"], "2026-12-21T09:00:00Z");
    assert_eq!(
        (&wallet["auto_reload"]["enabled"], &wallet["auto_reload"]["status"]),
        (&json!(false), &json!("off"))
    );
    // at its time it is gone, whether or not anybody has tidied up
    desk.app.clock.advance(10 * DAY_MS);
    let wallet = desk.get("/billing/wallet").await.expect(200).json;
    assert_eq!((&wallet["free"], &wallet["balance"]), (&json!(0), &json!(320)));
    assert_eq!(desk.balance().await, "320");
    let grants = desk.get("/billing/grants").await.expect(200).json;
    assert_eq!(
        (&grants["items"][0]["status"], &grants["items"][0]["remaining"]),
        (&json!("expired"), &json!(0))
    );
}

#[actix_web::test]
async fn grants_are_listed_used_ones_too() {
    let desk = Desk::new().await;
    for credits in ["7", "10", "20"] {
        desk.give(credits).await;
    }
    desk.voice("e-1", 60).await;
    let first = desk.get("/billing/grants?limit=2").await.expect(200).json;
    assert_eq!(names(&first), ["has_more", "items", "next_cursor"]);
    assert_eq!(texts(&first, "status"), ["active", "active"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = desk.get(&format!("/billing/grants?limit=2&cursor={cursor}")).await.expect(200).json;
    assert_eq!(texts(&rest, "status"), ["used"]);
    assert_eq!((&rest["items"][0]["credits"], &rest["items"][0]["remaining"]), (&json!(7), &json!(0)));
    assert_eq!((&rest["has_more"], &rest["next_cursor"]), (&json!(false), &Value::Null));
}

#[actix_web::test]
async fn transactions_have_their_shape() {
    let desk = Desk::new().await;
    desk.give("100").await;
    desk.report(&voice("e-1", 84).replace("\"meter\"", "\"call_id\":\"c-1\",\"meter\"")).await.expect(201);
    let list = desk.get("/billing/transactions?limit=10").await.expect(200);
    assert_eq!(names(&list.json), ["has_more", "items", "next_cursor", "total"]);
    assert_eq!(list.json["total"], 2);
    let (usage, credit) = (&list.json["items"][0], &list.json["items"][1]);
    assert_eq!(names(credit), TRANSACTION);
    assert_eq!(usage["description"], "Voice: 84 seconds");
    assert_eq!(
        usage["metadata"],
        json!({
            "event_id": "e-1", "channel": "voice", "quantity": 84, "unit": "second",
            "occurred_at": "2026-11-21T09:00:00Z", "call_id": "c-1"
        })
    );
    assert_eq!(number(&list.text, "amount"), "-9.8");
    assert_eq!(number(&list.text, "balance_after"), "90.2");
    let id = usage["id"].as_str().unwrap();
    let detail = desk.get(&format!("/billing/transactions/{id}")).await.expect(200).json;
    assert_eq!(detail["items"][0]["credits"], 9.8);
    assert_eq!(
        (&detail["id"], &detail["voided_by"], &detail["grant_id"]),
        (&json!(id), &Value::Null, &Value::Null)
    );
    let id = credit["id"].as_str().unwrap();
    let detail = desk.get(&format!("/billing/transactions/{id}")).await.expect(200).json;
    assert!(detail["grant_id"].as_str().unwrap().starts_with("grant_"));
    // another organization's is not there
    let other = desk.other(r#"{"name":"Other"}"#).await;
    let call = desk.app.get(&format!("/api/v1/billing/transactions/{id}")).bearer(&desk.operator);
    assert_eq!(call.organization(other).send().await.expect(404).code(), "not_found");
    desk.get("/billing/transactions/txn_nothing").await.expect(404);
}

#[actix_web::test]
async fn transactions_are_filtered_and_paged() {
    let desk = Desk::new().await;
    for day in 0..5 {
        desk.give("10").await;
        desk.report(&voice(&format!("e-{day}"), 60)).await.expect(201);
        desk.app.clock.advance(DAY_MS);
    }
    let mut path = "/billing/transactions?type=usage&limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = desk.get(&path).await.expect(200).json;
        assert_eq!(page.get("total"), None);
        seen.extend(texts(&page, "created_at").into_iter().map(str::to_owned));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/billing/transactions?type=usage&limit=2&cursor={cursor}");
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    let query = "from=2026-11-22T00:00:00Z&to=2026-11-23T09:00:00Z";
    let some = desk.get(&format!("/billing/transactions?{query}")).await.expect(200).json;
    assert_eq!(texts(&some, "created_at"), ["2026-11-22T09:00:00Z"; 2]);
    let both = desk.get("/billing/transactions?type=usage,adjustment").await.expect(200).json;
    assert_eq!(both["items"].as_array().unwrap().len(), 10);
    for (query, param) in [
        ("type=gift", "type"),
        ("from=2026-11-22", "from"),
        ("limit=1000", "limit"),
        ("kind=usage", "kind"),
        ("from=2026-11-22T00:00:00Z&to=2026-11-21T00:00:00Z", "to"),
    ] {
        let answer = desk.get(&format!("/billing/transactions?{query}")).await.expect(422);
        assert_eq!(answer.wrong()[0].0, param);
    }
}

#[actix_web::test]
async fn the_organization_knows_its_minutes() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.credit(r#"{"credits":50,"class":"free","reason":"x","meters":["chat"]}"#).await.expect(201);
    let answer = desk.get("/organization").await.expect(200);
    assert_eq!(names(&answer.json), ["company_name", "id", "minutes_balance", "monthly_usage_minutes"]);
    assert_eq!(answer.json["id"], desk.organization.to_string());
    assert_eq!(answer.json["company_name"], "Acme");
    // 1,000 credits at 7 a minute; what is for chat only does not count
    assert_eq!(number(&answer.text, "minutes_balance"), "142.857142");
    desk.voice("e-1", 90).await;
    let answer = desk.get("/organization").await.expect(200);
    assert_eq!(number(&answer.text, "minutes_balance"), "141.357142");
    assert_eq!(number(&answer.text, "monthly_usage_minutes"), "1.5");
    let details = r#"{"company_name":"Acme GmbH"}"#;
    let put = desk.app.call("PUT", "/api/v1/billing/details").json(details).bearer(&desk.operator);
    put.organization(desk.organization).send().await.expect(200);
    assert_eq!(desk.get("/organization").await.expect(200).json["company_name"], "Acme GmbH");
    // on a plan its minutes come first
    let desk = Desk::on_plan("starter").await;
    desk.give("65").await;
    desk.voice("e-1", 60).await;
    assert_eq!(number(&desk.get("/organization").await.expect(200).text, "minutes_balance"), "509");
}

#[actix_web::test]
async fn the_subscription_is_the_plan_or_nothing() {
    let desk = Desk::new().await;
    let none = desk.get("/billing/subscription").await.expect(200).json;
    assert_eq!(
        (&none["plan"], &none["status"], &none["allowances"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    let desk = Desk::on_plan("starter").await;
    desk.voice("e-1", 90).await;
    let current = desk.get("/billing/subscription").await.expect(200).json;
    assert_eq!((&current["plan"]["code"], &current["status"]), (&json!("starter"), &json!("active")));
    assert_eq!(current["plan"]["price"], json!({ "amount": "29.00", "currency": "EUR" }));
    assert_eq!(current["current_period_start"], "2026-11-21T09:00:00Z");
    assert_eq!(current["current_period_end"], "2026-12-21T09:00:00Z");
    let voice = &current["allowances"].as_array().unwrap().iter().find(|a| a["meter"] == "voice").unwrap();
    assert_eq!(names(voice), ["included", "left", "meter", "unit", "used"]);
    assert_eq!((&voice["included"], &voice["unit"]), (&json!(30_000), &json!("second")));
}

#[actix_web::test]
async fn billing_details_say_how_a_purchase_would_be_taxed() {
    let seller = |config: &mut tollbook::config::Config| {
        config.seller.country = Some("ES".into());
        config.tax.oss = true;
    };
    let desk = Desk::with(seller, Prices::default()).await;
    let put = async |details: Value| {
        let call = desk.app.call("PUT", "/api/v1/billing/details").json(&details.to_string());
        call.bearer(&desk.operator).organization(desk.organization).send().await
    };
    let german = json!({
        "company_name": "Acme GmbH", "address_line1": "Unter den Linden 1", "postal_code": "10117",
        "city": "Berlin", "country": "de", "vat_id": "136 695 976", "locale": "de",
    });
    let put_answer = put(german).await.expect(200).json;
    let answer = desk.get("/billing/details").await.expect(200).json;
    assert_eq!(put_answer, answer);
    assert_eq!((&answer["vat_id"], &answer["locale"]), (&json!("DE136695976"), &json!("de")));
    assert_eq!(
        (&answer["vat_id_status"], &answer["vat_id_checked_at"]),
        (&json!("unconfirmed"), &Value::Null)
    );
    let at_destination = json!({ "treatment": "destination", "rate": "19", "country": "DE", "note": null });
    assert_eq!(answer["tax"], at_destination, "an id that nobody confirmed exempts nobody");
    let organization = desk.organization;
    let id = "DE136695976".parse().unwrap();
    let confirm = desk.app.db().write(move |tx| {
        let answer = tollbook::identity::VatAnswer { valid: true, text: "{}".into() };
        let by = tollbook::identity::By::actor(tollbook::identity::Actor::System);
        tollbook::identity::organizations::set_vat_answer(tx, &by, organization, &id, answer)
    });
    confirm.await.unwrap();
    let answer = desk.get("/billing/details").await.expect(200).json;
    assert_eq!(answer["vat_id_status"], "confirmed");
    assert_eq!(
        (&answer["tax"]["treatment"], &answer["tax"]["rate"]),
        (&json!("reverse_charge"), &json!("0"))
    );
    assert!(answer["tax"]["note"].as_str().unwrap().contains("Steuerschuldnerschaft"));
    // every field that is wrong is named
    let refused =
        put(json!({ "country": "XX", "vat_id": "DE136695970", "billing_email": "x" })).await.expect(422);
    let names: Vec<String> = refused.wrong().into_iter().map(|(field, _)| field).collect();
    assert_eq!(names, ["country", "vat_id", "billing_email"]);
    let refused = put(json!({ "country": "ES", "vat_id": "DE136695976" })).await.expect(422);
    assert_eq!(refused.wrong(), [("vat_id".to_owned(), "wrong_country".to_owned())]);
    put(json!({ "locale": "xx" })).await.expect(422);
    assert_eq!(
        desk.get("/billing/details").await.expect(200).json,
        answer,
        "what was refused changed nothing"
    );
}
