//! Calls over the API: asked for, extended, captured, released, forgotten.

use serde_json::{Value, json};
use tollbook::base::time::SECOND_MS;
use tollbook::identity::{Role, Scope};

use super::call_desk::{AUTHORIZATIONS, asked, id, three};
use super::desk::{Desk, names, number};
use crate::helpers::Answer;

#[actix_web::test]
async fn a_call_is_asked_for_extended_and_captured() {
    let desk = Desk::new().await;
    desk.give("70").await;
    let answer = desk.begin("call-1").await;
    let call = id(&answer);
    assert!(call.starts_with("auth_"));
    let fields = [
        "authorized",
        "call_id",
        "expires_at",
        "held",
        "held_seconds",
        "id",
        "max_seconds",
        "rate",
        "rate_version",
    ];
    assert_eq!(names(&answer.json), fields);
    assert_eq!(answer.json["authorized"], true);
    assert_eq!(number(&answer.text, "max_seconds"), "600");
    assert_eq!(number(&answer.text, "held"), "7");
    assert_eq!(answer.json["expires_at"], "2026-11-21T09:01:30Z");
    assert_eq!(answer.json["rate"]["price"]["flat"], 7);
    assert_eq!(desk.standing().await, three("70", "7", "63"));
    let wallet = desk.get("/billing/wallet").await.expect(200);
    assert_eq!(number(&wallet.text, "held"), "7");
    assert_eq!(wallet.json["grants"][0]["held"], 7);
    // asked again, it is the same call
    let again = desk.authorize(&asked("call-1", "outbound")).await.expect(200);
    assert_eq!(again.text, answer.text);
    assert_eq!(desk.standing().await, three("70", "7", "63"));
    let other = desk.authorize(&asked("call-1", "inbound")).await.expect(409);
    assert_eq!(other.code(), "idempotency_conflict");

    desk.app.clock.advance(40 * SECOND_MS);
    let extended = desk.extend(&call, 40).await.expect(200);
    let fields = ["continue", "cut_off_at", "expires_at", "held", "id", "max_seconds", "seconds_left"];
    assert_eq!(names(&extended.json), fields);
    assert_eq!(extended.json["continue"], true);
    assert_eq!(number(&extended.text, "max_seconds"), "600");
    assert_eq!(number(&extended.text, "seconds_left"), "560");
    assert_eq!(extended.json["cut_off_at"], "2026-11-21T09:10:00Z");
    assert_eq!(extended.json["expires_at"], "2026-11-21T09:02:10Z");
    assert_eq!(number(&extended.text, "held"), "11.666667");
    let live = desk.get("/calls?status=live").await.expect(200);
    let seen = &live.json["items"][0];
    assert_eq!((&seen["status"], &seen["seconds_left"]), (&json!("live"), &json!(560)));
    assert_eq!(number(&live.text, "credits"), "4.666667");

    let captured = desk.capture(&call, 84).await.expect(200);
    assert_eq!(number(&captured.text, "credits\":9.8,\"held"), "11.666667");
    assert_eq!(number(&captured.text, "released"), "1.866667");
    assert_eq!(number(&captured.text, "above_hold"), "0");
    assert_eq!(number(&captured.text, "balance_after"), "60.2");
    assert_eq!(captured.json["duplicate"], false);
    assert_eq!(captured.json["items"][0]["kind"], "base");
    assert_eq!(desk.standing().await, three("60.2", "0", "60.2"));
    let again = desk.capture(&call, 84).await.expect(200);
    assert_eq!(again.text, captured.text.replace("\"duplicate\":false", "\"duplicate\":true"));
    assert_eq!(desk.capture(&call, 85).await.expect(409).code(), "idempotency_conflict");
    assert_eq!(desk.extend(&call, 90).await.expect(409).code(), "call_ended");
    assert_eq!(desk.step(&call, "release", "").await.expect(409).code(), "call_ended");
    assert_eq!(desk.authorize(&asked("call-1", "outbound")).await.expect(409).code(), "call_ended");

    let over = desk.get(&format!("/calls/{call}")).await.expect(200);
    assert_eq!((&over.json["status"], &over.json["duration_seconds"]), (&json!("completed"), &json!(84)));
    assert_eq!(over.json["transaction_id"], captured.json["transaction_id"]);
    let items = desk.get("/billing/usage/items").await.expect(200);
    assert_eq!(items.json["items"][0]["call_id"], "call-1");
    assert_eq!(items.json["items"][0]["agent_id"], "agent-4");
    assert_eq!(items.json["items"].as_array().unwrap().len(), 1);
    desk.assert_sound();
}

#[actix_web::test]
async fn warnings_and_the_cut_off() {
    let desk = Desk::new().await;
    desk.give("14").await;
    let call = id(&desk.begin("call-1").await);
    desk.app.clock.advance(50 * SECOND_MS);
    let answer = desk.extend(&call, 50).await.expect(200);
    assert_eq!((&answer.json["continue"], &answer.json["warning"]), (&json!(true), &Value::Null));
    desk.app.clock.advance(20 * SECOND_MS);
    let answer = desk.extend(&call, 70).await.expect(200);
    assert_eq!(answer.json["warning"], "50 seconds are left.");
    assert_eq!(answer.json["cut_off_at"], "2026-11-21T09:02:00Z");
    desk.app.clock.advance(50 * SECOND_MS);
    let answer = desk.extend(&call, 120).await.expect(200);
    assert_eq!(answer.json["continue"], false);
    assert_eq!(answer.json["warning"], "No time is left.");
    assert_eq!(answer.json["cut_off_at"], "2026-11-21T09:02:00Z");
    // more credit, and it goes on
    desk.give("7").await;
    let answer = desk.extend(&call, 121).await.expect(200);
    assert_eq!((&answer.json["continue"], number(&answer.text, "max_seconds")), (&json!(true), "180".into()));
    // a report that comes late changes nothing
    let answer = desk.extend(&call, 3).await.expect(200);
    assert_eq!(number(&answer.text, "seconds_left"), "59");
    desk.assert_sound();
}

#[actix_web::test]
async fn outbound_without_credit_is_402_and_inbound_is_told_to_reject() {
    let desk = Desk::new().await;
    let answer = desk.authorize(&asked("out", "outbound")).await.expect(402);
    assert_eq!(answer.code(), "insufficient_credits");
    let details = &answer.json["error"]["details"];
    assert_eq!((&details["reason"], &details["available"]), (&json!("insufficient_credits"), &json!(0)));
    assert_eq!(number(&answer.text, "required"), "0.116667");
    // as events have it: where customers buy credit is configured, or is a page here
    assert!(details["topup_url"].as_str().unwrap().ends_with("/topup"), "{details}");
    let answer = desk.authorize(&asked("in", "inbound")).await.expect(200);
    assert_eq!(names(&answer.json), ["action", "authorized", "call_id", "id", "message", "reason"]);
    assert_eq!((&answer.json["authorized"], &answer.json["action"]), (&json!(false), &json!("reject")));
    assert_eq!(answer.json["reason"], "insufficient_credits");
    // the organization's own words
    let owner = desk.app.organization_key(desk.organization, &[Scope::LimitsWrite]).await;
    let put = |body: &str| desk.app.call("PUT", "/api/v1/calls/message").json(body).bearer(&owner).send();
    put(r#"{"text":"Back on Monday.","audio_url":"https://cdn.example/monday.mp3"}"#).await.expect(200);
    let wrong = put(r#"{"text":" ","audio_url":"file:///etc/passwd"}"#).await.expect(422);
    assert_eq!(wrong.wrong().len(), 2);
    let answer = desk.authorize(&asked("in", "inbound")).await.expect(200);
    assert_eq!(answer.json["message"], "Back on Monday.");
    assert_eq!(answer.json["audio_url"], "https://cdn.example/monday.mp3");
    let calls = desk.get("/calls?status=rejected").await.expect(200);
    assert_eq!(calls.json["items"].as_array().unwrap().len(), 2);
    assert_eq!(calls.json["items"][0]["reason"], "insufficient_credits");
    // refused is not for ever
    desk.give("7").await;
    assert_eq!(desk.authorize(&asked("in", "inbound")).await.expect(201).json["authorized"], true);
    desk.assert_sound();
}

/// Complaint: hold committed after rejection.
#[actix_web::test]
async fn hold_committed_after_rejection() {
    let desk = Desk::new().await;
    desk.authorize(&asked("call-1", "inbound")).await.expect(200);
    desk.give("7").await;
    assert_eq!(desk.standing().await, three("7", "0", "7"));
    // a platform that let it through all the same reports work that was done, and no hold appears
    let answer = desk.capture("ext:call-1", 30).await.expect(200);
    assert_eq!(
        (number(&answer.text, "held"), number(&answer.text, "above_hold")),
        ("0".into(), "3.5".into())
    );
    assert_eq!(desk.standing().await, three("3.5", "0", "3.5"));
    assert_eq!(desk.extend("ext:call-1", 40).await.expect(409).code(), "call_ended");
    assert_eq!(desk.standing().await, three("3.5", "0", "3.5"));
    desk.assert_sound();
}

/// Complaint: thirty calls on one call's credit.
#[actix_web::test]
async fn thirty_calls_on_one_calls_credit() {
    let desk = Desk::new().await;
    desk.give("7").await;
    let bodies: Vec<String> = (0..30).map(|n| asked(&format!("call-{n}"), "outbound")).collect();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| desk.authorize(body))).await;
    let begun: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(begun.len(), 1);
    assert!(answers.iter().filter(|answer| answer.status != 201).all(|answer| answer.status == 402));
    assert_eq!(desk.standing().await, three("7", "7", "0"));
    let other = desk.report(
        r#"{"id":"e","meter":"chat","quantity":1,"occurred_at":"2026-11-21T09:00:00Z","mode":"enforce"}"#,
    );
    assert_eq!(other.await.expect(402).code(), "insufficient_credits");
    desk.capture(&id(begun[0]), 60).await.expect(200);
    assert_eq!(desk.standing().await, three("0", "0", "0"));
    desk.assert_sound();
}

/// Complaint: calls outlive the balance.
#[actix_web::test]
async fn calls_outlive_the_balance() {
    let desk = Desk::new().await;
    desk.give("21").await;
    let calls = [id(&desk.begin("call-1").await), id(&desk.begin("call-2").await)];
    let mut running = vec![true; 2];
    let mut lasted = [0; 2];
    for seconds in (20..600).step_by(20) {
        desk.app.clock.advance(20 * SECOND_MS);
        for (place, call) in calls.iter().enumerate() {
            if !running[place] {
                continue;
            }
            let answer = desk.extend(call, seconds).await.expect(200);
            lasted[place] = seconds;
            if answer.json["continue"] == false {
                running[place] = false;
                let captured = desk.capture(call, seconds).await.expect(200);
                assert_eq!(number(&captured.text, "above_hold"), "0");
            }
        }
    }
    assert_eq!(running, [false, false]);
    // three minutes in all, to the second
    assert_eq!(lasted.iter().sum::<u32>(), 180);
    assert_eq!(desk.standing().await, three("0", "0", "0"));
    desk.assert_sound();
}

/// Complaint: free minutes refused at zero balance.
#[actix_web::test]
async fn free_minutes_refused_at_zero_balance() {
    let desk = Desk::on_plan("starter").await;
    let answer = desk.begin("call-1").await;
    assert_eq!(
        (number(&answer.text, "held"), number(&answer.text, "max_seconds")),
        ("0".into(), "14400".into())
    );
    // nor when something is owed for other work
    desk.report(r#"{"id":"e","meter":"chat","quantity":600,"occurred_at":"2026-11-21T09:00:00Z"}"#)
        .await
        .expect(201);
    assert_eq!(desk.standing().await, three("-100", "0", "0"));
    let answer = desk.authorize(&asked("call-2", "inbound")).await.expect(201);
    assert_eq!(number(&answer.text, "max_seconds"), "14400");
    // what one call has set aside of the allowance is not there for another
    desk.app.clock.advance(60 * SECOND_MS);
    for call in ["ext:call-1", "ext:call-2"] {
        desk.extend(call, 60).await.expect(200);
    }
    // 500 minutes are included; 496 of them go elsewhere
    desk.report(r#"{"id":"v","meter":"voice","quantity":29760,"occurred_at":"2026-11-21T09:00:00Z"}"#)
        .await
        .expect(201);
    let answer = desk.extend("ext:call-1", 60).await.expect(200);
    assert_eq!(number(&answer.text, "max_seconds"), "120");
    assert_eq!(desk.authorize(&asked("call-3", "inbound")).await.expect(200).json["authorized"], false);
    desk.capture("ext:call-2", 30).await.expect(200);
    let answer = desk.extend("ext:call-1", 60).await.expect(200);
    assert_eq!(number(&answer.text, "max_seconds"), "210");
    desk.assert_sound();
}

/// Complaint: capture above hold.
#[actix_web::test]
async fn capture_above_hold() {
    let desk = Desk::new().await;
    desk.give("10").await;
    let call = id(&desk.begin("call-1").await);
    let answer = desk.capture(&call, 120).await.expect(200);
    assert_eq!((number(&answer.text, "held"), number(&answer.text, "released")), ("7".into(), "0".into()));
    assert_eq!(
        (number(&answer.text, "above_hold"), number(&answer.text, "balance_after")),
        ("7".into(), "-4".into())
    );
    let wallet = desk.get("/billing/wallet").await.expect(200);
    assert_eq!((number(&wallet.text, "overdraft"), number(&wallet.text, "held")), ("4".into(), "0".into()));
    desk.assert_sound();
}

#[actix_web::test]
async fn a_call_that_is_not_heard_of_ends_by_itself() {
    let desk = Desk::new().await;
    desk.give("70").await;
    let silent = id(&desk.begin("silent").await);
    let lost = id(&desk.begin("lost").await);
    desk.app.clock.advance(50 * SECOND_MS);
    desk.extend(&lost, 50).await.expect(200);
    desk.wait(40).await;
    let call = desk.get(&format!("/calls/{silent}")).await.expect(200);
    assert_eq!((&call.json["status"], &call.json["credits"]), (&json!("expired"), &json!(0)));
    assert_eq!(desk.standing().await.1, "12.833333");
    desk.wait(50).await;
    let call = desk.get(&format!("/calls/{lost}")).await.expect(200);
    assert_eq!((&call.json["status"], &call.json["duration_seconds"]), (&json!("expired"), &json!(50)));
    assert_eq!(desk.standing().await, three("64.166667", "0", "64.166667"));
    let late = desk.extend(&lost, 100).await.expect(409);
    assert_eq!((late.code(), &late.json["error"]["details"]["status"]), ("hold_expired", &json!("expired")));
    desk.assert_sound();
    // nothing is lost: what they really lasted is charged, once
    let answer = desk.capture(&silent, 60).await.expect(200);
    assert_eq!(
        (number(&answer.text, "balance_after"), number(&answer.text, "above_hold")),
        ("57.166667".into(), "7".into())
    );
    let answer = desk.capture(&lost, 120).await.expect(200);
    assert_eq!(number(&answer.text, "balance_after"), "49");
    assert_eq!(desk.capture(&lost, 120).await.expect(200).json["duplicate"], true);
    let log = desk.get("/usage").await.expect(200);
    assert_eq!(log.json["summary"]["total_seconds"], 180);
    desk.assert_sound();
}

#[actix_web::test]
async fn an_expired_call_is_confirmed_by_a_report_of_the_same() {
    let desk = Desk::new().await;
    desk.give("70").await;
    let call = id(&desk.begin("call-1").await);
    desk.extend(&call, 30).await.expect(200);
    desk.wait(200).await;
    let answer = desk.capture(&call, 30).await.expect(200);
    assert_eq!(
        (&answer.json["duplicate"], number(&answer.text, "balance_after")),
        (&json!(false), "66.5".into())
    );
    assert_eq!(desk.capture(&call, 30).await.expect(200).json["duplicate"], true);
    assert_eq!(desk.get(&format!("/calls/{call}")).await.expect(200).json["status"], "completed");
    assert_eq!(desk.balance().await, "66.5");
    desk.assert_sound();
}

#[actix_web::test]
async fn a_released_call_frees_everything() {
    let desk = Desk::new().await;
    desk.give("7").await;
    let call = id(&desk.begin("call-1").await);
    let answer = desk.step(&call, "release", "").await.expect(200);
    assert_eq!((&answer.json["duplicate"], number(&answer.text, "released")), (&json!(false), "7".into()));
    assert_eq!(desk.standing().await, three("7", "0", "7"));
    let answer = desk.step(&call, "release", "").await.expect(200);
    assert_eq!((&answer.json["duplicate"], number(&answer.text, "released")), (&json!(true), "7".into()));
    assert_eq!(desk.extend(&call, 5).await.expect(409).code(), "call_ended");
    // and if something came of it after all
    let answer = desk.capture(&call, 30).await.expect(200);
    assert_eq!(number(&answer.text, "balance_after"), "3.5");
    desk.assert_sound();
}

#[actix_web::test]
async fn a_call_that_was_never_asked_for_is_captured_all_the_same() {
    let desk = Desk::new().await;
    desk.give("70").await;
    assert_eq!(desk.capture("ext:call-1", 60).await.expect(404).code(), "not_found");
    let body = r#"{"duration_seconds":60,"meter":"voice","direction":"inbound","agent_id":"agent-4"}"#;
    let answer = desk.step("ext:call-1", "capture", body).await.expect(200);
    assert_eq!((&answer.json["duplicate"], number(&answer.text, "above_hold")), (&json!(false), "7".into()));
    let again = desk.step("ext:call-1", "capture", body).await.expect(200);
    assert_eq!(again.text, answer.text.replace("\"duplicate\":false", "\"duplicate\":true"));
    let call = desk.get("/calls/ext:call-1").await.expect(200);
    assert_eq!(
        (&call.json["status"], &call.json["started_at"]),
        (&json!("completed"), &json!("2026-11-21T08:59:00Z"))
    );
    let wrong =
        desk.step("ext:call-2", "capture", r#"{"duration_seconds":1,"meter":"voice"}"#).await.expect(422);
    assert_eq!(wrong.wrong(), [("direction".into(), "required".into())]);
    let long_ago = r#"{"duration_seconds":1,"direction":"inbound","started_at":"2026-01-01T00:00:00Z"}"#;
    let wrong = desk.step("ext:call-2", "capture", long_ago).await.expect(422);
    assert_eq!(wrong.wrong(), [("started_at".into(), "too_old".into())]);
    // a platform that does not know whether its question was heard describes the call in any case
    desk.begin("call-3").await;
    let body = r#"{"duration_seconds":30,"direction":"outbound","agent_id":"agent-4","number_id":"+34910"}"#;
    let answer = desk.step("ext:call-3", "capture", body).await.expect(200);
    assert_eq!((number(&answer.text, "held"), number(&answer.text, "above_hold")), ("7".into(), "0".into()));
    desk.assert_sound();
}

#[actix_web::test]
async fn the_forwarded_part_is_metered_apart() {
    let desk = Desk::new().await;
    desk.give("70").await;
    let call = id(&desk.begin("call-1").await);
    let body = r#"{"duration_seconds":60,"transfer_seconds":120}"#;
    let answer = desk.step(&call, "capture", body).await.expect(200);
    let items = answer.json["items"].as_array().unwrap();
    let of = |place: usize| (items[place]["channel"].as_str().unwrap(), items[place]["quantity"].clone());
    assert_eq!([of(0), of(1)], [("voice", json!(60)), ("transfer_minute", json!(120))]);
    assert_eq!(
        (number(&answer.text, "above_hold"), number(&answer.text, "balance_after")),
        ("6".into(), "57".into())
    );
    assert_ne!(answer.json["transfer_transaction_id"], answer.json["transaction_id"]);
    let again = desk.step(&call, "capture", body).await.expect(200);
    assert_eq!(again.text, answer.text.replace("\"duplicate\":false", "\"duplicate\":true"));
    // or the hand-off is asked for by itself, so that it is covered too
    desk.begin("call-2").await;
    desk.capture("ext:call-2", 60).await.expect(200);
    let leg = asked("call-2", "outbound").replace("voice", "transfer_minute");
    let answer = desk.authorize(&leg).await.expect(201);
    assert_eq!(
        (number(&answer.text, "held"), number(&answer.text, "max_seconds")),
        ("3".into(), "1000".into())
    );
    desk.extend("ext:call-2", 30).await.expect(200);
    let twice = desk.step("ext:call-2", "capture", body).await.expect(422);
    assert_eq!(twice.wrong(), [("transfer_seconds".to_owned(), "already_forwarded".to_owned())]);
    desk.capture("ext:call-2", 60).await.expect(200);
    let calls = desk.get("/calls").await.expect(200);
    let meters: Vec<&str> =
        calls.json["items"].as_array().unwrap().iter().map(|c| c["meter"].as_str().unwrap()).collect();
    assert_eq!(meters, ["transfer_minute", "voice", "voice"]);
    assert_eq!(desk.balance().await, "47");
    desk.assert_sound();
}

#[actix_web::test]
async fn toll_free_and_own_key_calls_are_held_at_their_own_price() {
    let desk = Desk::new().await;
    desk.give("90").await;
    let body = r#"{"call_id":"tf","direction":"inbound","toll_free":true}"#;
    let answer = desk.authorize(body).await.expect(201);
    assert_eq!(
        (number(&answer.text, "held"), number(&answer.text, "max_seconds")),
        ("9".into(), "600".into())
    );
    let body = r#"{"call_id":"byok","direction":"outbound","byok":true}"#;
    let answer = desk.authorize(body).await.expect(201);
    assert_eq!(
        (number(&answer.text, "held"), number(&answer.text, "max_seconds")),
        ("3".into(), "1620".into())
    );
    let body = r#"{"duration_seconds":60,"carrier_cost":5}"#;
    let answer = desk.step("ext:tf", "capture", body).await.expect(200);
    let kinds: Vec<&str> =
        answer.json["items"].as_array().unwrap().iter().map(|i| i["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["base", "surcharge", "pass_through"]);
    assert_eq!(number(&answer.text, "above_hold"), "3");
    desk.assert_sound();
}

#[actix_web::test]
async fn a_carrier_cost_that_comes_late_is_passed_on_above_the_surcharge() {
    let desk = Desk::new().await;
    desk.give("100").await;
    desk.authorize(r#"{"call_id":"tf","direction":"inbound","toll_free":true}"#).await.expect(201);
    // three minutes: 21 and a surcharge of 6
    desk.capture("ext:tf", 180).await.expect(200);
    assert_eq!(desk.balance().await, "73");
    let cost = |id: &str, credits: u32| {
        format!(
            r#"{{"id":"{id}","meter":"voice","quantity":0,"call_id":"tf","carrier_cost":{credits},
                "occurred_at":"2026-11-21T09:00:00Z"}}"#
        )
    };
    let first = desk.report(&cost("late-1", 4)).await.expect(201);
    assert_eq!((number(&first.text, "credits"), desk.balance().await), ("0".into(), "73".into()));
    let both = format!("[{},{}]", cost("late-2", 5), cost("late-3", 2));
    desk.report(&both).await.expect(200);
    // eleven in all, of which six were surcharge
    assert_eq!(desk.balance().await, "68");
    assert_eq!(desk.report(&cost("late-2", 5)).await.expect(200).json["duplicate"], true);
    assert_eq!(desk.balance().await, "68");
    desk.assert_sound();
}

#[actix_web::test]
async fn credit_that_expires_while_it_is_held_stays_until_the_call_ends() {
    let desk = Desk::new().await;
    desk.credit(r#"{"credits":30,"class":"free","reason":"Trial","expires_at":"2026-11-21T09:00:30Z"}"#)
        .await
        .expect(201);
    let call = id(&desk.begin("call-1").await);
    desk.wait(40).await;
    assert_eq!(desk.standing().await, three("7", "7", "0"));
    let answer = desk.extend(&call, 40).await.expect(200);
    assert_eq!((&answer.json["continue"], number(&answer.text, "max_seconds")), (&json!(true), "60".into()));
    desk.wait(10).await;
    desk.capture(&call, 30).await.expect(200);
    assert_eq!(desk.standing().await, three("0", "0", "0"));
    desk.assert_sound();
}

#[actix_web::test]
async fn held_credit_cannot_be_taken_back() {
    let desk = Desk::new().await;
    desk.give("10").await;
    let call = id(&desk.begin("call-1").await);
    let take = r#"{"credits":-4,"class":"free","reason":"Back"}"#;
    assert_eq!(desk.credit(take).await.expect(422).code(), "not_enough_credit");
    desk.credit(r#"{"credits":-3,"class":"free","reason":"Back"}"#).await.expect(201);
    desk.capture(&call, 60).await.expect(200);
    desk.assert_sound();
}

#[actix_web::test]
async fn a_suspended_organizations_calls_are_rejected_and_those_in_progress_go_to_their_end() {
    let desk = Desk::new().await;
    desk.give("70").await;
    let call = id(&desk.begin("call-1").await);
    let path = format!("/api/v1/admin/organizations/{}/suspend", desk.organization);
    desk.app.post(&path, r#"{"reason":"test"}"#).bearer(&desk.operator).send().await.expect(200);
    let ask = |body: String| {
        desk.app.post(AUTHORIZATIONS, &body).bearer(&desk.operator).organization(desk.organization).send()
    };
    let answer = ask(asked("in", "inbound")).await.expect(200);
    assert_eq!(answer.json["reason"], "organization_suspended");
    assert_eq!(ask(asked("out", "outbound")).await.expect(403).code(), "organization_suspended");
    // its own server hears the same, and can still report what was done
    let answer = desk.authorize(&asked("own", "inbound")).await.expect(200);
    assert_eq!(
        (&answer.json["action"], &answer.json["reason"]),
        (&json!("reject"), &json!("organization_suspended"))
    );
    let answer = desk.authorize(&asked("mine", "outbound")).await.expect(403);
    assert_eq!(answer.json["error"]["details"]["reason"], "organization_suspended");
    let rejected = desk.get("/calls?status=rejected").await.expect(200);
    assert_eq!(rejected.json["items"].as_array().unwrap().len(), 4);
    desk.extend(&call, 30).await.expect(200);
    desk.capture(&call, 60).await.expect(200);
    assert_eq!(desk.balance().await, "63");
    desk.assert_sound();
}

#[actix_web::test]
async fn wrong_questions_are_answered_with_what_is_wrong() {
    let desk = Desk::new().await;
    desk.give("70").await;
    let answer = desk.authorize(r#"{"meter":"voice","colour":"red"}"#).await.expect(422);
    let mut wrong = answer.wrong();
    wrong.sort();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        wrong,
        [pair("call_id", "required"), pair("colour", "unknown_field"), pair("direction", "required")]
    );
    for (body, param, code) in [
        (asked("c", "outbound").replace("voice", "fax"), "meter", "unknown"),
        (asked("c", "outbound").replace("voice", "chat"), "meter", "not_timed"),
        (asked("", "outbound"), "call_id", "invalid_value"),
        (asked("c", "sideways"), "direction", "invalid_value"),
    ] {
        assert_eq!(desk.authorize(&body).await.expect(422).wrong(), [pair(param, code)], "{body}");
    }
    let call = id(&desk.begin("call-1").await);
    let negative = desk.step(&call, "extend", r#"{"elapsed_seconds":-1}"#).await.expect(422);
    assert_eq!(negative.wrong(), [pair("elapsed_seconds", "negative")]);
    let absurd = desk.step(&call, "extend", r#"{"elapsed_seconds":2000000000}"#).await.expect(422);
    assert_eq!(absurd.code(), "validation_failed");
    let absurd = desk.step(&call, "capture", r#"{"duration_seconds":2000000000}"#).await.expect(422);
    assert_eq!(absurd.wrong(), [pair("duration_seconds", "too_large")]);
    assert_eq!(desk.extend("auth_0000000000000", 1).await.expect(404).code(), "not_found");
    assert_eq!(desk.extend("nothing", 1).await.expect(404).code(), "not_found");
    // ids of that form are Tollbook's own
    let event = super::desk::voice(&call, 1);
    assert_eq!(desk.report(&event).await.expect(422).wrong(), [pair("id", "reserved")]);
    assert_eq!(desk.get("/calls?status=over").await.expect(422).wrong(), [pair("status", "invalid_value")]);
    desk.capture(&call, 1).await.expect(200);
    desk.assert_sound();
}

#[actix_web::test]
async fn calls_are_listed_and_each_sees_only_its_own() {
    let desk = Desk::new().await;
    desk.give("70").await;
    for n in 0..5 {
        desk.app.clock.advance(SECOND_MS);
        let direction = if n == 2 { "inbound" } else { "outbound" };
        let body = asked(&format!("call-{n}"), direction).replace("agent-4", &format!("agent-{}", n % 2));
        desk.authorize(&body).await.expect(201);
    }
    desk.step("ext:call-1", "release", "").await.expect(200);
    let ids = |answer: &Answer| -> Vec<String> {
        let items = answer.json["items"].as_array().unwrap();
        items.iter().map(|call| call["call_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        ids(&desk.get("/calls").await.expect(200)),
        ["call-4", "call-3", "call-2", "call-1", "call-0"]
    );
    assert_eq!(ids(&desk.get("/calls?status=live&agent_id=agent-1").await.expect(200)), ["call-3"]);
    assert_eq!(ids(&desk.get("/calls?agent_id=nobody").await.expect(200)), Vec::<String>::new());
    let between = "/calls?from=2026-11-21T09:00:02Z&to=2026-11-21T09:00:04Z&number_id=%2B34910";
    assert_eq!(ids(&desk.get(between).await.expect(200)), ["call-2", "call-1"]);
    let first = desk.get("/calls?limit=2").await.expect(200);
    assert_eq!(
        (ids(&first), &first.json["has_more"]),
        (vec!["call-4".to_owned(), "call-3".into()], &json!(true))
    );
    let cursor = first.json["next_cursor"].as_str().unwrap();
    let rest = desk.get(&format!("/calls?cursor={cursor}")).await.expect(200);
    assert_eq!((ids(&rest).len(), &rest.json["has_more"]), (3, &json!(false)));
    // others neither see nor touch them
    let other = desk.other(r#"{"name":"Other"}"#).await;
    let theirs = desk.app.organization_key(other, &[Scope::UsageWrite, Scope::UsageRead]).await;
    let call = rest.json["items"][0]["id"].as_str().unwrap();
    for what in ["extend", "capture", "release"] {
        let body = match what {
            "extend" => r#"{"elapsed_seconds":1}"#,
            "capture" => r#"{"duration_seconds":1}"#,
            _ => "",
        };
        let path = format!("{AUTHORIZATIONS}/{call}/{what}");
        desk.app.post(&path, body).bearer(&theirs).send().await.expect(404);
    }
    desk.app.get(&format!("/api/v1/calls/{call}")).bearer(&theirs).send().await.expect(404);
    let listed = desk.app.get("/api/v1/calls").bearer(&theirs).send().await.expect(200);
    assert_eq!(listed.json["items"], json!([]));
    let (_, member) = desk.app.member(desk.organization, Role::Member).await;
    let listed = desk.app.get("/api/v1/calls").bearer(&member).send().await.expect(200);
    assert_eq!(listed.json["items"], json!([]));
    desk.assert_sound();
}

#[actix_web::test]
async fn where_credit_is_bought_is_said_as_configured() {
    let desk = Desk::with(
        |config| config.credits.topup_url = Some("https://shop.example/credit".into()),
        tollbook::onboarding::Prices::default(),
    )
    .await;
    let answer = desk.authorize(&asked("out", "outbound")).await.expect(402);
    assert_eq!(answer.json["error"]["details"]["topup_url"], "https://shop.example/credit");
}

/// Who may not learn which organizations there are is told the same of one that exists and one that does not.
#[actix_web::test]
async fn an_organization_that_is_not_there_is_named() {
    let desk = Desk::new().await;
    desk.other(r#"{"name":"Other","external_id":"other"}"#).await;
    let of = |name: &str| format!(r#"{{"organization":"ext:{name}","call_id":"c","direction":"outbound"}}"#);
    let operator =
        desk.app.post(AUTHORIZATIONS, &of("nobody")).bearer(&desk.operator).send().await.expect(422);
    assert_eq!(operator.wrong(), [("organization".to_owned(), "unknown".to_owned())]);
    for name in ["nobody", "other"] {
        let answer = desk.authorize(&of(name)).await.expect(403);
        assert_eq!(
            (answer.code(), &answer.json["error"]["param"]),
            ("forbidden", &json!("organization")),
            "{name}"
        );
        let described = r#"{"organization":"ext:NAME","duration_seconds":1,"direction":"inbound"}"#;
        let answer = desk.step("ext:c", "capture", &described.replace("NAME", name)).await.expect(403);
        assert_eq!(answer.code(), "forbidden", "{name}");
    }
    let unnamed = r#"{"call_id":"c","direction":"outbound"}"#;
    let answer = desk.app.post(AUTHORIZATIONS, unnamed).bearer(&desk.operator).send().await.expect(400);
    assert_eq!(answer.code(), "organization_required");
}
