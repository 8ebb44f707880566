//! Reporting usage: charged once, priced exactly, refused with a reason.

use serde_json::{Value, json};
use tollbook::identity::{Scope, organizations};
use tollbook::onboarding::Prices;

use super::desk::{Desk, EVENTS, names, number, voice};
use crate::helpers::{Answer, BY};

const ESTIMATE: &str = "/api/v1/usage/estimate";

/// An event with some fields replaced; null takes one out.
fn event(changes: &Value) -> String {
    let mut event = json!({
        "id": "e-1", "meter": "voice", "quantity": 84, "occurred_at": "2026-11-21T09:00:00Z"
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            event.as_object_mut().unwrap().remove(name);
        } else {
            event[name] = value.clone();
        }
    }
    event.to_string()
}

#[actix_web::test]
async fn a_charge_is_answered_to_the_letter() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    let answer = desk.voice("call-1", 84).await;
    let json = &answer.json;
    let (item, rate) =
        (json["items"][0]["id"].as_str().unwrap(), json["items"][0]["rate_version"].as_str().unwrap());
    let transaction = json["transaction_id"].as_str().unwrap();
    assert!(item.starts_with("use_") && rate.starts_with("rv_") && transaction.starts_with("txn_"));
    assert_eq!(
        answer.text,
        format!(
            r#"{{"id":"call-1","duplicate":false,"items":[{{"id":"{item}","kind":"base","channel":"voice","quantity":84,"unit":"second","credits":9.8,"rate_version":"{rate}"}}],"credits":9.8,"balance_after":990.2,"transaction_id":"{transaction}"}}"#
        )
    );
    assert_eq!(desk.balance().await, "990.2");
}

#[actix_web::test]
async fn the_same_event_is_charged_once_and_answered_again() {
    let desk = Desk::new().await;
    desk.give("100").await;
    let changes = json!({ "metadata": { "a": [1, "x y"] }, "attributes": { "lang": "es" }, "call_id": "c" });
    let first = desk.report(&event(&changes)).await.expect(201);
    // printed otherwise, in another order of fields, with escapes
    let again = r#"{ "metadata" : {"a": [1,
        "x y"]}, "attributes": {"lang" : "es"}, "call_id": "\u0063", "occurred_at": "2026-11-21T10:00:00+01:00",
        "quantity": 84.0, "meter": "voice", "mode": "record", "id": "e-1" }"#;
    let again = desk.report(again).await.expect(200);
    assert_eq!(again.text, first.text.replace("\"duplicate\":false", "\"duplicate\":true"));
    for other in [
        json!({ "quantity": 85 }),
        json!({ "metadata": { "a": 2 } }),
        json!({ "mode": "enforce" }),
        json!({ "carrier_cost": 1 }),
        json!({ "attributes": { "direction": "inbound" } }),
    ] {
        let answer = desk.report(&event(&other)).await.expect(409);
        assert_eq!(answer.code(), "idempotency_conflict");
        assert_eq!(answer.json["error"]["param"], "id");
    }
    assert_eq!(desk.balance().await, "90.2");
}

#[actix_web::test]
async fn one_call_reported_by_many_at_once_is_charged_once() {
    let desk = Desk::new().await;
    desk.give("100").await;
    let body = voice("same", 60);
    let sending = (0..24).map(|_| desk.report(&body));
    let answers: Vec<Answer> = futures_util::future::join_all(sending).await;
    let charged = answers.iter().filter(|answer| answer.status.as_u16() == 201).count();
    assert_eq!(charged, 1);
    assert!(answers.iter().all(|answer| answer.json["balance_after"] == 93));
    assert_eq!(desk.balance().await, "93");
}

#[actix_web::test]
async fn thirty_calls_on_one_calls_credit_start_only_once() {
    let desk = Desk::new().await;
    desk.give("7").await;
    let bodies: Vec<String> = (0..30)
        .map(|n| event(&json!({ "id": format!("e-{n}"), "quantity": 60, "mode": "enforce" })))
        .collect();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| desk.report(body))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 402).count(), 29, "{statuses:?}");
    assert_eq!(desk.balance().await, "0");
}

#[actix_web::test]
async fn work_not_yet_done_is_refused_and_work_done_is_charged() {
    let desk = Desk::new().await;
    desk.give("5").await;
    let refused = desk.report(&event(&json!({ "mode": "enforce" }))).await.expect(402);
    assert_eq!(refused.code(), "insufficient_credits");
    let details = &refused.json["error"]["details"];
    assert_eq!(names(details), ["available", "required", "topup_url"]);
    assert_eq!(
        (number(&refused.text, "available"), number(&refused.text, "required")),
        ("5".into(), "9.8".into())
    );
    // in a batch it is the event's error alone
    let batch = format!(
        "[{},{}]",
        event(&json!({ "mode": "enforce" })),
        event(&json!({ "id": "e-2", "quantity": 6 }))
    );
    let batch = desk.report(&batch).await.expect(200);
    assert_eq!(batch.json["results"][0]["error"]["code"], "insufficient_credits");
    assert_eq!(batch.json["results"][0]["error"]["details"]["required"], 9.8);
    assert_eq!(batch.json["results"][1]["credits"], 0.7);
    // the refusal left no trace of its id
    let charged = desk.report(&event(&json!({}))).await.expect(201);
    assert_eq!(number(&charged.text, "balance_after"), "-5.5");
}

#[actix_web::test]
async fn a_refusal_says_where_credit_is_bought_where_that_is_known() {
    let buy = "https://shop.example/credit?from=tollbook";
    let desk = Desk::with(|config| config.credits.topup_url = Some(buy.into()), Prices::default()).await;
    let refused = desk.report(&event(&json!({ "mode": "enforce" }))).await.expect(402);
    assert_eq!(refused.json["error"]["details"]["topup_url"], buy);
}

#[actix_web::test]
async fn every_bad_input_is_named() {
    let desk = Desk::new().await;
    for (changes, param, code) in [
        (json!({ "id": null }), "id", "required"),
        (json!({ "id": "" }), "id", "invalid_value"),
        (json!({ "id": "x".repeat(256) }), "id", "invalid_value"),
        (json!({ "id": "a\u{0}b" }), "id", "invalid_value"),
        (json!({ "id": 7 }), "id", "invalid_type"),
        (json!({ "meter": null }), "meter", "required"),
        (json!({ "meter": "fax" }), "meter", "unknown"),
        (json!({ "quantity": null }), "quantity", "required"),
        (json!({ "quantity": -1 }), "quantity", "negative"),
        (json!({ "quantity": "84" }), "quantity", "invalid_value"),
        (json!({ "quantity": 1_000_000_001 }), "quantity", "too_large"),
        (json!({ "carrier_cost": -0.5 }), "carrier_cost", "negative"),
        (json!({ "occurred_at": null }), "occurred_at", "required"),
        (json!({ "occurred_at": "yesterday" }), "occurred_at", "invalid_value"),
        (json!({ "occurred_at": "2026-02-30T00:00:00Z" }), "occurred_at", "invalid_value"),
        (json!({ "occurred_at": "2026-11-21T09:00:00" }), "occurred_at", "invalid_value"),
        (json!({ "occurred_at": "2026-10-01T00:00:00Z" }), "occurred_at", "too_old"),
        (json!({ "occurred_at": "2026-11-21T09:06:00Z" }), "occurred_at", "in_the_future"),
        (json!({ "mode": "maybe" }), "mode", "invalid_value"),
        (json!({ "qantity": 1 }), "qantity", "unknown_field"),
        (json!({ "organization": "acme" }), "organization", "invalid_value"),
        (json!({ "workspace": "a b" }), "workspace", "invalid_value"),
        (json!({ "agent_id": "" }), "agent_id", "invalid_value"),
        (json!({ "number_id": "x".repeat(256) }), "number_id", "invalid_value"),
        (json!({ "call_id": "" }), "call_id", "invalid_value"),
        (json!({ "metadata": [1] }), "metadata", "invalid_type"),
        (json!({ "metadata": { "a": "x".repeat(4_096) } }), "metadata", "too_long"),
        (json!({ "attributes": { "x": "x".repeat(4_096) } }), "attributes", "too_long"),
        (json!({ "attributes": { "direction": "up" } }), "attributes.direction", "invalid_value"),
        (json!({ "attributes": { "byok": "yes" } }), "attributes.byok", "invalid_type"),
        (json!({ "attributes": 1 }), "attributes", "invalid_type"),
    ] {
        let body = event(&changes);
        let answer = desk.report(&body).await;
        assert_eq!(answer.status.as_u16(), 422, "{body}: {}", answer.text);
        assert_eq!(answer.wrong(), [(param.to_owned(), code.to_owned())], "{body}");
        // and in a batch with its index, without harm to its neighbours
        let batch = desk.report(&format!("[{body}]")).await.expect(200);
        let error = &batch.json["results"][0]["error"];
        assert_eq!((&error["code"], &error["param"]), (&json!("validation_failed"), &json!(param)), "{body}");
        assert_eq!(error["index"], 0);
    }
    // numbers that JSON's own types would lose
    for (quantity, message) in [
        ("0.0000001", "has more than 6 decimals"),
        ("1e300", "is too large"),
        ("92233720368547758070", "is too large"),
    ] {
        let body = format!(
            r#"{{"id":"e-1","meter":"voice","quantity":{quantity},"occurred_at":"2026-11-21T09:00:00Z"}}"#
        );
        let answer = desk.report(&body).await.expect(422);
        assert_eq!(answer.json["error"]["param"], "quantity");
        assert!(answer.text.contains(message), "{}", answer.text);
    }
    // a field that is there twice could mean either
    let twice = event(&json!({})).replace("\"id\":\"e-1\"", "\"id\":\"e-1\",\"id\":\"e-2\"");
    assert_eq!(desk.report(&twice).await.expect(422).wrong(), [("id".into(), "duplicate_field".into())]);
    assert_eq!(desk.balance().await, "0", "nothing was charged");
}

#[actix_web::test]
async fn everything_wrong_with_an_event_is_said_at_once() {
    let desk = Desk::new().await;
    let wrong =
        desk.report(r#"{"quantity":-1,"workspace":"a b","occurred_at":"x"}"#).await.expect(422).wrong();
    let fields: Vec<&str> = wrong.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["id", "occurred_at", "workspace", "meter", "quantity"]);
    let wrong = desk.report(r#"{"id":1,"qty":2,"mode":"x"}"#).await.expect(422).wrong();
    let fields: Vec<&str> = wrong.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["id", "qty", "mode"]);
}

#[actix_web::test]
async fn a_request_that_makes_no_sense_is_refused_whole() {
    let desk = Desk::new().await;
    let send = |body: String, media: &'static str| {
        let call = desk.app.call("POST", EVENTS).bearer(&desk.own);
        call.header("Content-Type", media).body(body.into_bytes()).send()
    };
    let json = "application/json";
    let good = voice("e-1", 1);
    for (body, media, status, code) in [
        (good[..good.len() - 1].to_owned(), json, 400, "invalid_json"),
        (format!("[{good},{good}"), json, 400, "invalid_json"),
        (format!("[{good}] x"), json, 400, "invalid_json"),
        (format!("[{good},]"), json, 400, "invalid_json"),
        (String::new(), json, 400, "invalid_json"),
        ("null".into(), json, 422, "validation_failed"),
        (good.clone(), "text/plain", 415, "unsupported_media_type"),
        (good.clone(), "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (good.clone(), "application/merge-patch+json", 415, "unsupported_media_type"),
        (good.clone(), "application/cloudevents-batch+json", 422, "validation_failed"),
        (format!("[{good}]"), "application/cloudevents+json", 422, "validation_failed"),
    ] {
        let answer = send(body.clone(), media).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{body} as {media}");
    }
    assert_eq!(desk.balance().await, "0", "nothing was charged");
    let empty = send("[]".into(), "Application/JSON; charset=utf-8").await.expect(200);
    assert_eq!(empty.text, r#"{"results":[],"charged":0,"duplicates":0,"refused":0}"#);
}

#[actix_web::test]
async fn a_batch_can_be_too_long() {
    let desk = Desk::with(|config| config.usage.max_batch = 3, Prices::default()).await;
    let events: Vec<String> = (0..4).map(|n| voice(&format!("e-{n}"), 60)).collect();
    let mut broken = events.clone();
    broken[0] = "{}".into();
    for events in [&events, &broken] {
        let answer = desk.report(&format!("[{}]", events.join(","))).await.expect(413);
        assert_eq!(answer.code(), "batch_too_large");
        assert_eq!(answer.json["error"]["details"], json!({ "events": 4, "max": 3 }));
    }
    assert_eq!(desk.balance().await, "0");
    desk.report(&format!("[{}]", events[..3].join(","))).await.expect(200);
    assert_eq!(desk.balance().await, "-21");
    let small = Desk::with(|config| config.server.batch_body_limit_bytes = 1_024, Prices::default()).await;
    let answer = small.report(&format!("[{}]", vec![events.join(","); 5].join(","))).await.expect(413);
    assert_eq!(answer.code(), "body_too_large");
}

#[actix_web::test]
async fn one_bad_event_never_fails_its_neighbours() {
    let desk = Desk::new().await;
    desk.give("100").await;
    desk.voice("known", 60).await;
    let events = [
        voice("good-1", 60),
        r#"{"id":"no-meter","quantity":1,"occurred_at":"2026-11-21T09:00:00Z"}"#.into(),
        "17".into(),
        voice("known", 60),
        voice("known", 61),
        event(&json!({ "id": "unknown-meter", "meter": "fax" })),
        r#"{"id":["x"]}"#.into(),
        voice("good-1", 60),
        event(&json!({ "id": "foreign", "organization": "ext:nobody" })),
        voice("good-2", 60),
    ];
    let answer = desk.report(&format!(" [{}]", events.join(" , "))).await.expect(200);
    assert_eq!(names(&answer.json), ["charged", "duplicates", "refused", "results"]);
    let results = answer.json["results"].as_array().unwrap();
    let told: Vec<String> = results
        .iter()
        .map(|result| match result["error"]["code"].as_str() {
            Some(code) => {
                assert_eq!(names(result), ["error", "id"]);
                let (id, error) = (result["id"].as_str().unwrap_or("-"), &result["error"]);
                format!("{} {id} {code} {}", error["index"], error["param"].as_str().unwrap_or("-"))
            }
            None => format!("{} {}", result["id"].as_str().unwrap(), result["duplicate"]),
        })
        .collect();
    assert_eq!(
        told,
        [
            "good-1 false",
            "1 no-meter validation_failed meter",
            "2 - validation_failed body",
            "known true",
            "4 known idempotency_conflict id",
            "5 unknown-meter validation_failed meter",
            "6 - validation_failed id",
            "good-1 true",
            "8 foreign forbidden organization",
            "good-2 false",
        ]
    );
    let counts = ["charged", "duplicates", "refused"].map(|name| answer.json[name].as_u64().unwrap());
    assert_eq!(counts, [2, 2, 6]);
    assert_eq!(desk.balance().await, "79");
}

#[actix_web::test]
async fn decimals_are_exact_on_the_way_in_and_out() {
    let desk = Desk::new().await;
    desk.give("90000000000.000007").await;
    let body =
        r#"{"id":"e","meter":"chat","quantity":33909.123456,"occurred_at":"2026-11-21T09:00:00.123Z"}"#;
    let answer = desk.report(body).await.expect(201);
    // messages are billed whole
    assert_eq!(number(&answer.text, "quantity"), "33910");
    assert_eq!(number(&answer.text, "balance_after"), "89999966090.000007");
    let body = r#"{"id":"f","meter":"number","quantity":0.000001,"occurred_at":"2026-11-21T09:00:00Z"}"#;
    let answer = desk.report(body).await.expect(201);
    assert_eq!(number(&answer.text, "quantity"), "0.000001");
    assert_eq!(number(&answer.text, "credits"), "0.0002");
    assert_eq!(desk.balance().await, "89999966089.999807");
}

#[actix_web::test]
async fn surcharges_carrier_costs_and_own_keys_are_items_of_their_own() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    let attributes = json!({ "toll_free": true, "direction": "inbound" });
    let body = event(&json!({ "quantity": 60, "attributes": attributes, "carrier_cost": 5.5 }));
    let answer = desk.report(&body).await.expect(201);
    let items: Vec<_> = answer.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["kind"].as_str().unwrap(), item["credits"].as_f64().unwrap()))
        .collect();
    assert_eq!(items, [("base", 7.0), ("surcharge", 2.0), ("pass_through", 3.5)]);
    assert_eq!(number(&answer.text, "balance_after"), "987.5");
    let own_key = event(&json!({ "id": "e-2", "quantity": 60, "attributes": { "byok": true } }));
    let answer = desk.report(&own_key).await.expect(201);
    assert_eq!((&answer.json["items"][0]["kind"], &answer.json["credits"]), (&json!("byok"), &json!(3)));
}

#[actix_web::test]
async fn a_plan_pays_first_and_what_is_beyond_it_is_overage() {
    let desk = Desk::on_plan("starter").await;
    // free minutes are not refused at zero balance
    let body = event(&json!({ "quantity": 29_940, "mode": "enforce" }));
    let answer = desk.report(&body).await.expect(201);
    assert_eq!((&answer.json["items"][0]["kind"], &answer.json["credits"]), (&json!("included"), &json!(0)));
    let answer = desk.report(&event(&json!({ "id": "e-2", "quantity": 120 }))).await.expect(201);
    let kinds: Vec<_> = answer.json["items"].as_array().unwrap().iter().map(|item| &item["kind"]).collect();
    assert_eq!(kinds, ["included", "overage"]);
    assert_eq!(number(&answer.text, "balance_after"), "-6.5");
}

#[actix_web::test]
async fn an_operator_reports_for_many_and_others_only_for_themselves() {
    let desk = Desk::new().await;
    let other = desk.other(r#"{"name":"Other","external_id":"other/1"}"#).await;
    let for_whom = |name: &str| event(&json!({ "organization": name }));
    let as_operator = |body: String| desk.app.post(EVENTS, &body).bearer(&desk.operator);
    let answer = as_operator(event(&json!({}))).send().await.expect(400);
    assert_eq!(
        (answer.code(), &answer.json["error"]["param"]),
        ("organization_required", &json!("organization"))
    );
    as_operator(for_whom("ext:other/1")).send().await.expect(201);
    // the same id is the same event only within an organization
    as_operator(for_whom(&desk.organization.to_string())).send().await.expect(201);
    as_operator(event(&json!({}))).organization(other).send().await.expect(200);
    let answer = as_operator(for_whom("ext:nobody")).send().await.expect(422);
    assert_eq!(answer.wrong(), [("organization".to_owned(), "unknown".to_owned())]);
    let nobody = tollbook::base::id::OrganizationId::new(99).to_string();
    let answer = as_operator(for_whom(&nobody)).send().await.expect(422);
    assert_eq!(answer.wrong(), [("organization".to_owned(), "unknown".to_owned())]);
    // others do not learn who else there is
    for name in ["ext:other/1", "ext:nobody", &other.to_string(), &nobody] {
        let answer = desk.report(&for_whom(name)).await.expect(403);
        assert_eq!((answer.code(), &answer.json["error"]["param"]), ("forbidden", &json!("organization")));
    }
    desk.report(&for_whom("ext:acme")).await.expect(200);
}

#[actix_web::test]
async fn a_suspended_organization_starts_nothing_but_what_happened_is_charged() {
    let desk = Desk::new().await;
    desk.give("100").await;
    let organization = desk.organization;
    desk.app.db().write(move |tx| organizations::suspend(tx, &BY, organization, "unpaid")).await.unwrap();
    let report = async |body: String| {
        desk.app.post(EVENTS, &body).bearer(&desk.operator).organization(organization).send().await
    };
    let answer = report(event(&json!({ "mode": "enforce" }))).await.expect(403);
    assert_eq!(answer.code(), "organization_suspended");
    report(event(&json!({}))).await.expect(201);
    assert_eq!(desk.report(&event(&json!({}))).await.expect(403).code(), "organization_suspended");
}

#[actix_web::test]
async fn cloud_events_are_events() {
    let desk = Desk::new().await;
    desk.give("100").await;
    let send = |body: String, media: &'static str| {
        let call = desk.app.call("POST", EVENTS).bearer(&desk.operator);
        call.header("Content-Type", media).body(body.into_bytes()).send()
    };
    let cloud = |changes: Value| {
        let mut event = json!({
            "specversion": "1.0", "id": "ce-1", "source": "/calls", "type": "com.example.usage.voice",
            "time": "2026-11-21T09:00:00Z", "subject": "acme", "datacontenttype": "application/json; charset=utf-8",
            "traceparent": "00-x", "data": { "quantity": 60, "call_id": "c-1", "metadata": { "a": 1 } }
        });
        for (name, value) in changes.as_object().unwrap() {
            event[name] = value.clone();
        }
        event.to_string()
    };
    let (one, many) = ("application/cloudevents+json", "application/cloudevents-batch+json");
    let answer = send(cloud(json!({})), one).await.expect(201);
    assert_eq!((&answer.json["id"], &answer.json["items"][0]["channel"]), (&json!("ce-1"), &json!("voice")));
    send(cloud(json!({ "traceparent": "00-y" })), one).await.expect(200);
    assert_eq!(
        send(cloud(json!({ "source": "/else" })), one).await.expect(409).code(),
        "idempotency_conflict"
    );
    // ids of a subject are taken as they are, or with what says which they are
    for (id, subject) in [("ce-2", "ext:acme".to_owned()), ("ce-3", desk.organization.to_string())] {
        send(cloud(json!({ "id": id, "subject": subject })), one).await.expect(201);
    }
    let other_meter = cloud(json!({ "id": "ce-4", "data": { "quantity": 1, "meter": "chat" } }));
    let answer = send(other_meter, one).await.expect(201);
    assert_eq!(answer.json["items"][0]["channel"], "chat");
    for (changes, param, code) in [
        (json!({ "specversion": "0.3" }), "specversion", "invalid_value"),
        (json!({ "source": null }), "source", "required"),
        (json!({ "source": 1 }), "source", "invalid_value"),
        (json!({ "time": null }), "time", "required"),
        (json!({ "time": "soon" }), "time", "invalid_value"),
        (json!({ "type": "com.example.usage.fax" }), "type", "unknown"),
        (json!({ "type": "" }), "type", "required"),
        (json!({ "subject": "nobody" }), "subject", "unknown"),
        (json!({ "datacontenttype": "text/xml" }), "datacontenttype", "invalid_value"),
        (json!({ "data_base64": "AA==" }), "data_base64", "unknown_field"),
        (json!({ "data": null }), "data", "required"),
        (json!({ "data": {} }), "data.quantity", "required"),
        (json!({ "data": { "quantity": -1 } }), "data.quantity", "negative"),
        (json!({ "data": { "quantity": 1, "seconds": 2 } }), "data.seconds", "unknown_field"),
        (json!({ "data": { "quantity": 2_000_000_000_u64 } }), "data.quantity", "too_large"),
    ] {
        let mut changes = changes;
        changes["id"] = json!("bad");
        let answer = send(cloud(changes.clone()), one).await;
        assert_eq!(answer.status.as_u16(), 422, "{changes}: {}", answer.text);
        assert_eq!(answer.wrong(), [(param.to_owned(), code.to_owned())], "{changes}");
    }
    let bad = cloud(json!({ "id": "ce-6", "data": { "quantity": "x" } }));
    let batch = format!("[{},{bad},{}]", cloud(json!({ "id": "ce-5" })), cloud(json!({})));
    let answer = send(batch, many).await.expect(200);
    let results = &answer.json["results"];
    assert_eq!((&results[0]["id"], &results[0]["duplicate"]), (&json!("ce-5"), &json!(false)));
    assert_eq!((&results[1]["id"], &results[1]["error"]["param"]), (&json!("ce-6"), &json!("data.quantity")));
    assert_eq!((&results[2]["id"], &results[2]["duplicate"]), (&json!("ce-1"), &json!(true)));
    assert_eq!(desk.balance().await, "71");
}

#[actix_web::test]
async fn an_event_is_taken_back_once() {
    let desk = Desk::on_plan("starter").await;
    desk.give("100").await;
    let body = event(&json!({ "id": "call/7 ä", "quantity": 30_060 }));
    let charged = desk.report(&body).await.expect(201);
    assert_eq!(number(&charged.text, "balance_after"), "93.5");
    let path = "call%2F7%20%C3%A4";
    let voided = desk.void(path).await.expect(200);
    assert_eq!((&voided.json["id"], &voided.json["duplicate"]), (&json!("call/7 ä"), &json!(false)));
    assert_eq!(
        (number(&voided.text, "balance_after"), &voided.json["credits"]),
        ("100".into(), &json!(-6.5))
    );
    let again = desk.void(path).await.expect(200);
    assert_eq!(again.text, voided.text.replace("\"duplicate\":false", "\"duplicate\":true"));
    assert_eq!(desk.void("nothing").await.expect(404).code(), "not_found");
    // the id stays taken, and the plan's minutes are back
    assert_eq!(desk.report(&body).await.expect(200).json["duplicate"], true);
    let answer = desk.report(&event(&json!({ "id": "later", "quantity": 30_000 }))).await.expect(201);
    assert_eq!(answer.json["credits"], 0);
    let list = desk.get("/billing/transactions").await.expect(200);
    let kinds: Vec<_> = list.json["items"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["usage", "reversal", "usage", "adjustment"]);
    let id = voided.json["transaction_id"].as_str().unwrap();
    let line = desk.get(&format!("/billing/transactions/{id}")).await.expect(200);
    assert_eq!(line.json["corrects"], charged.json["transaction_id"]);
    let audit = desk.app.get("/api/v1/admin/audit?action=usage.").bearer(&desk.operator).send().await;
    assert_eq!(audit.expect(200).json["items"].as_array().unwrap().len(), 1, "recorded once");
}

#[actix_web::test]
async fn an_estimate_is_the_price_and_charges_nothing() {
    let desk = Desk::on_plan("starter").await;
    let estimate = async |body: &str| desk.app.post(ESTIMATE, body).bearer(&desk.own).send().await;
    let answer = estimate(r#"{"meter":"voice","quantity":30060}"#).await.expect(200);
    assert_eq!(names(&answer.json), ["credits", "items"]);
    let item = names(&answer.json["items"][1]);
    assert_eq!(item, ["channel", "credits", "kind", "quantity", "rate_version", "unit"]);
    assert_eq!(answer.json["credits"], 6.5);
    let charged = desk.report(&event(&json!({ "quantity": 30_060 }))).await.expect(201);
    assert_eq!(charged.json["credits"], answer.json["credits"]);
    // an id that was used is no matter
    let answer = estimate(&event(&json!({ "quantity": 60 }))).await.expect(200);
    assert_eq!(answer.json["credits"], 6.5, "the plan's minutes are used up now");
    for (body, param) in [
        (r#"{"quantity":1}"#, "meter"),
        (r#"{"meter":"fax","quantity":1}"#, "meter"),
        (r#"{"meter":"voice","quantity":-1}"#, "quantity"),
        (r#"{"meter":"voice","quantity":1,"x":1}"#, "x"),
    ] {
        assert_eq!(estimate(body).await.expect(422).wrong()[0].0, param);
    }
    let foreign = desk.other(r#"{"name":"Other"}"#).await;
    let body = format!(r#"{{"organization":"{foreign}","meter":"voice","quantity":60}}"#);
    assert_eq!(estimate(&body).await.expect(403).code(), "forbidden");
    let answer = desk.app.post(ESTIMATE, &body).bearer(&desk.operator).send().await.expect(200);
    assert_eq!(answer.json["credits"], 7);
    let nobody = r#"{"organization":"ext:nobody","meter":"voice","quantity":60}"#;
    assert_eq!(estimate(nobody).await.expect(403).code(), "forbidden");
    let answer = desk.app.post(ESTIMATE, nobody).bearer(&desk.operator).send().await.expect(422);
    assert_eq!(answer.wrong()[0].0, "organization");
    let nowhere = desk.app.post(ESTIMATE, r#"{"meter":"voice","quantity":60}"#).bearer(&desk.operator);
    assert_eq!(nowhere.send().await.expect(400).code(), "organization_required");
}

#[actix_web::test]
async fn the_book_is_right_after_all_of_it() {
    let desk = Desk::new().await;
    desk.give("50").await;
    let writes = desk.app.organization_key(desk.organization, &[Scope::UsageWrite]).await;
    for round in 0..5 {
        let events: Vec<String> = (0..40)
            .map(|n| match n % 4 {
                0 => voice(&format!("{round}-{n}"), 7),
                1 => voice(&format!("{round}-{n}"), 0),
                2 => event(&json!({ "id": format!("{round}-{n}"), "mode": "enforce" })),
                _ => event(&json!({ "id": format!("{round}-{n}"), "meter": "fax" })),
            })
            .collect();
        let body = format!("[{}]", events.join(","));
        desk.app.post(EVENTS, &body).bearer(&writes).send().await.expect(200);
    }
    desk.void("0-0").await.expect(200);
    desk.credit(r#"{"credits":5.5,"class":"paid","reason":"More"}"#).await.expect(201);
    let verified = desk.app.db().read(|tx| tollbook::calls::verify::run(tx)).await;
    verified.expect("the book");
}
