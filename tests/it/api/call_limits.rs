//! What calls may not pass: limits, plans, guards.

use serde_json::{Value, json};

use super::call_desk::asked;
use super::desk::{Desk, number};

/// Complaint: limit that does not limit.
#[actix_web::test]
async fn limits_hold_for_calls_net_of_what_is_set_aside() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.operate("POST", "/billing/limits", r#"{"daily_limit":10,"action_on_limit":"pause"}"#).await;
    let answer = desk.begin("call-1").await;
    assert_eq!(number(&answer.text, "max_seconds"), "85");
    let answer = desk.begin("call-2").await;
    assert_eq!(
        (number(&answer.text, "max_seconds"), number(&answer.text, "held")),
        ("25".into(), "2.916667".into())
    );
    // other work that is not done yet counts what calls have set aside
    let chat =
        r#"{"id":"e","meter":"chat","quantity":1,"occurred_at":"2026-11-21T09:00:00Z","mode":"enforce"}"#;
    assert_eq!(desk.report(chat).await.expect(403).code(), "limit_reached");
    let answer = desk.authorize(&asked("call-3", "outbound")).await.expect(403);
    assert_eq!(
        (answer.code(), &answer.json["error"]["details"]["reason"]),
        ("limit_reached", &json!("daily_limit"))
    );
    let answer = desk.authorize(&asked("call-3", "inbound").replace("call-3", "call-4")).await.expect(200);
    assert_eq!(answer.json["reason"], "daily_limit");
    let answer = desk.extend("ext:call-1", 60).await.expect(200);
    assert_eq!((&answer.json["continue"], &answer.json["seconds_left"]), (&json!(false), &json!(0)));
    // a limit that is raised lets it go on
    desk.operate("POST", "/billing/limits", r#"{"daily_limit":100}"#).await;
    let answer = desk.extend("ext:call-1", 60).await.expect(200);
    assert_eq!(answer.json["continue"], true);
    desk.assert_sound();
}

#[actix_web::test]
async fn an_agent_that_stops_with_the_plan_calls_on_the_plan_alone() {
    let desk = Desk::on_plan("growth").await;
    desk.operate("PUT", "/agents/agent-4", r#"{"on_plan_exhausted":"stop"}"#).await;
    desk.give("1000").await;
    let plan = r#"{"credits":11,"class":"plan","reason":"Cycle"}"#;
    desk.credit(plan).await.expect(201);
    // all but one of the included minutes
    desk.report(r#"{"id":"v","meter":"voice","quantity":119940,"occurred_at":"2026-11-21T09:00:00Z"}"#)
        .await
        .expect(201);
    let answer = desk.authorize(&asked("call-1", "outbound")).await.expect(201);
    assert_eq!(
        (number(&answer.text, "max_seconds"), number(&answer.text, "held")),
        ("180".into(), "0".into())
    );
    let other = asked("call-2", "outbound").replace("agent-4", "agent-5");
    assert_eq!(number(&desk.authorize(&other).await.expect(201).text, "max_seconds"), "11029");
    desk.step("ext:call-2", "release", "").await.expect(200);
    for seconds in [60, 120] {
        desk.extend("ext:call-1", seconds).await.expect(200);
    }
    desk.capture("ext:call-1", 180).await.expect(200);
    let wallet = desk.get("/billing/wallet").await.expect(200);
    assert_eq!((number(&wallet.text, "plan"), number(&wallet.text, "free")), ("0".into(), "1000".into()));
    let answer = desk.authorize(&asked("call-3", "outbound")).await.expect(402);
    assert_eq!(answer.code(), "plan_exhausted");
    let answer = desk.authorize(&asked("call-4", "inbound")).await.expect(200);
    assert_eq!(answer.json["reason"], "plan_exhausted");
    desk.assert_sound();
}

#[actix_web::test]
async fn a_toll_free_number_takes_in_no_more_than_its_guard_lets_it() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    let guard = r#"{"inbound_minutes_per_day":3,"calls_at_once":2}"#;
    desk.operate("PUT", "/numbers/%2B34910/guard", guard).await;
    let toll_free = |call: &str| asked(call, "inbound").replace("\"meter\"", "\"toll_free\":true,\"meter\"");
    let answer = desk.authorize(&toll_free("call-1")).await.expect(201);
    assert_eq!(number(&answer.text, "max_seconds"), "180");
    let answer = desk.authorize(&toll_free("call-2")).await.expect(201);
    assert_eq!(number(&answer.text, "max_seconds"), "120");
    let answer = desk.authorize(&toll_free("call-3")).await.expect(200);
    assert_eq!(answer.json["reason"], "toll_free_calls");
    // outbound and ordinary calls are not its concern
    desk.begin("call-4").await;
    desk.capture("ext:call-2", 100).await.expect(200);
    let answer = desk.extend("ext:call-1", 60).await.expect(200);
    assert_eq!(number(&answer.text, "max_seconds"), "80");
    desk.capture("ext:call-1", 80).await.expect(200);
    let answer = desk.authorize(&toll_free("call-5")).await.expect(200);
    assert_eq!(answer.json["reason"], "toll_free_minutes");
    desk.assert_sound();
}

/// Complaint: a limit that does not limit. What an agent's own calls have set aside counts against its limit for whatever else
/// it wants to do.
#[actix_web::test]
async fn a_limit_that_does_not_limit_an_agent_that_calls_and_chats() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.operate("PUT", "/agents/agent-4", r#"{"monthly_limit":10,"on_limit":"stop"}"#).await;
    desk.begin("call-1").await;
    let chat = |id: &str, agent: &str| {
        format!(
            r#"{{"id":"{id}","meter":"chat","quantity":4,"occurred_at":"2026-11-21T09:00:00Z","mode":"enforce",
                "agent_id":"{agent}"}}"#
        )
    };
    // seven of ten are set aside
    let answer = desk.report(&chat("e-1", "agent-4")).await.expect(403);
    assert_eq!(
        (answer.code(), &answer.json["error"]["details"]["limit"]),
        ("limit_reached", &json!("per_agent"))
    );
    assert_eq!(number(&answer.text, "left"), "3");
    desk.report(&chat("e-2", "agent-5")).await.expect(201);
    desk.capture("ext:call-1", 30).await.expect(200);
    desk.report(&chat("e-3", "agent-4")).await.expect(201);
    desk.assert_sound();
}

#[actix_web::test]
async fn a_guarded_number_takes_in_no_event_beside_its_calls_either() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.operate("PUT", "/numbers/%2B34910/guard", r#"{"inbound_minutes_per_day":2}"#).await;
    let toll_free = asked("call-1", "inbound").replace("\"meter\"", "\"toll_free\":true,\"meter\"");
    desk.authorize(&toll_free).await.expect(201);
    let event = |id: &str, seconds: u32| {
        format!(
            r#"{{"id":"{id}","meter":"voice","quantity":{seconds},"number_id":"+34910","mode":"enforce",
                "occurred_at":"2026-11-21T09:00:00Z","attributes":{{"toll_free":true,"direction":"inbound"}}}}"#
        )
    };
    assert_eq!(desk.report(&event("e-1", 61)).await.expect(403).code(), "toll_free_guard");
    desk.report(&event("e-2", 60)).await.expect(201);
    desk.assert_sound();
}

/// A call counts on the day on which it began: what it has set aside is of that day's limit, and of no other's.
#[actix_web::test]
async fn what_yesterdays_calls_hold_is_not_of_todays_limit() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.operate("POST", "/billing/limits", r#"{"daily_limit":20}"#).await;
    desk.app.it_becomes("2026-11-21T23:59:30Z");
    assert_eq!(number(&desk.begin("late").await.text, "max_seconds"), "171");
    desk.app.it_becomes("2026-11-22T00:00:20Z");
    assert_eq!(number(&desk.extend("ext:late", 50).await.expect(200).text, "held"), "12.833333");
    // the new day has all of its limit
    assert_eq!(number(&desk.begin("early").await.text, "max_seconds"), "171");
    let chat =
        r#"{"id":"e","meter":"chat","quantity":13,"occurred_at":"2026-11-22T00:00:00Z","mode":"enforce"}"#;
    desk.report(chat).await.expect(201);
    assert_eq!(number(&desk.extend("ext:early", 1).await.expect(200).text, "max_seconds"), "60");
    // and the old one what was left of its own
    desk.app.it_becomes("2026-11-22T00:00:30Z");
    assert_eq!(number(&desk.extend("ext:late", 60).await.expect(200).text, "max_seconds"), "171");
    desk.assert_sound();
}

#[actix_web::test]
async fn a_forwarded_leg_is_not_what_a_guard_counts() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    let guard = r#"{"inbound_minutes_per_day":2,"calls_at_once":1}"#;
    desk.operate("PUT", "/numbers/%2B34910/guard", guard).await;
    let toll_free = |call: &str| asked(call, "inbound").replace("\"meter\"", "\"toll_free\":true,\"meter\"");
    desk.authorize(&toll_free("call-1")).await.expect(201);
    desk.capture("ext:call-1", 30).await.expect(200);
    desk.authorize(&toll_free("call-1").replace("voice", "transfer_minute")).await.expect(201);
    let answer = desk.authorize(&toll_free("call-2")).await.expect(201);
    assert_eq!(number(&answer.text, "max_seconds"), "90");
    desk.assert_sound();
}

/// A call that was refused and is asked for again begins then, on the limits of that day.
#[actix_web::test]
async fn a_refused_call_that_is_asked_for_again_begins_then() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.operate("POST", "/billing/limits", r#"{"daily_limit":0}"#).await;
    desk.app.it_becomes("2026-11-21T23:59:50Z");
    let first = desk.authorize(&asked("call-1", "inbound")).await.expect(200);
    assert_eq!(first.json["reason"], "daily_limit");
    desk.operate("POST", "/billing/limits", r#"{"daily_limit":7}"#).await;
    desk.report(r#"{"id":"e","meter":"chat","quantity":7,"occurred_at":"2026-11-21T23:59:50Z"}"#)
        .await
        .expect(201);
    desk.app.it_becomes("2026-11-22T00:00:10Z");
    let again = desk.authorize(&asked("call-1", "inbound")).await.expect(201);
    assert_eq!((&again.json["id"], number(&again.text, "max_seconds")), (&first.json["id"], "60".into()));
    let call = desk.get("/calls/ext:call-1").await.expect(200);
    assert_eq!(call.json["started_at"], "2026-11-22T00:00:10Z");
    desk.capture("ext:call-1", 60).await.expect(200);
    let limits = desk.get("/billing/limits").await.expect(200);
    assert_eq!(number(&limits.text, "spent"), "7");
    desk.assert_sound();
}

#[actix_web::test]
async fn no_call_begins_on_a_suspended_number() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.begin("before").await;
    let guard = "/numbers/%2B34910/guard";
    let set = desk.operate("PUT", guard, r#"{"suspended":true}"#).await;
    assert_eq!((&set.json["suspended"], &set.json["calls_at_once"]), (&json!(true), &Value::Null));
    assert_eq!(desk.get(guard).await.expect(200).json, set.json);
    let answer = desk.authorize(&asked("in", "inbound")).await.expect(200);
    assert_eq!(
        (&answer.json["authorized"], &answer.json["reason"]),
        (&json!(false), &json!("number_suspended"))
    );
    let answer = desk.authorize(&asked("out", "outbound")).await.expect(403);
    assert_eq!(
        (answer.code(), &answer.json["error"]["details"]["reason"]),
        ("number_suspended", &json!("number_suspended"))
    );
    let event = r#"{"id":"e","meter":"voice","quantity":1,"number_id":"+34910","mode":"enforce",
        "occurred_at":"2026-11-21T09:00:00Z"}"#;
    assert_eq!(desk.report(event).await.expect(403).code(), "number_suspended");
    desk.report(&event.replace("enforce", "record")).await.expect(201);
    // another number, and the call that was there before
    desk.authorize(&asked("other", "outbound").replace("+34910", "+34911")).await.expect(201);
    assert_eq!(desk.extend("ext:before", 30).await.expect(200).json["continue"], true);
    desk.capture("ext:before", 40).await.expect(200);
    desk.operate("PUT", guard, r#"{"suspended":false}"#).await;
    assert_eq!(desk.authorize(&asked("in", "inbound")).await.expect(201).json["authorized"], true);
    desk.assert_sound();
}
