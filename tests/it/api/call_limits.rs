//! What calls may not pass: limits, plans, guards, and a balance that many ask for at once.

use serde_json::json;

use super::call_desk::{asked, id};
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

/// Two hundred clients race for one balance; together they never get more than it covers.
#[actix_web::test]
async fn two_hundred_clients_race_for_one_balance() {
    let desk = Desk::new().await;
    desk.give("100").await;
    let client = |n: usize| {
        let desk = &desk;
        async move {
            let answer = desk.authorize(&asked(&format!("call-{n}"), "outbound")).await;
            if answer.status == 402 {
                return 0;
            }
            let call = id(&answer.expect(201));
            let mut lasted = 0;
            for seconds in [20, 60, 110] {
                let answer = desk.extend(&call, seconds).await.expect(200);
                let most = answer.json["max_seconds"].as_u64().unwrap();
                lasted = u64::from(seconds).min(most);
                if answer.json["continue"] == false {
                    break;
                }
            }
            let captured = desk.capture(&call, u32::try_from(lasted).unwrap()).await.expect(200);
            assert_eq!(number(&captured.text, "above_hold"), "0");
            lasted
        }
    };
    let lasted = futures_util::future::join_all((0..200).map(client)).await;
    let total: u64 = lasted.iter().sum();
    assert!(total * 7 <= 100 * 60, "{total} seconds");
    let wallet = desk.get("/billing/wallet").await.expect(200);
    assert_eq!((number(&wallet.text, "overdraft"), number(&wallet.text, "held")), ("0".into(), "0".into()));
    assert!(!number(&wallet.text, "balance").starts_with('-'));
    desk.assert_sound();
}
