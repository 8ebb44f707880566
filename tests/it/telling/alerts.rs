//! Alerts: one fall is told once, over the channels that belong to it.

use serde_json::{Value, json};
use tollbook::base::Credits;
use tollbook::base::time::HOUR_MS;
use tollbook::wallet;

use super::Receiver;
use super::happenings::Scene;

impl Scene {
    async fn alerts(&self, body: Value) -> Value {
        self.own("POST", "/billing/alerts", body).await.expect(200).json
    }

    async fn deliveries(&self, channel: &str) -> Vec<Value> {
        let path = format!("/api/v1/admin/deliveries?limit=100&channel={channel}");
        let found = self.app.get(&path).bearer(&self.operator).send().await.expect(200);
        found.json["items"].as_array().unwrap().clone()
    }

    /// The subjects of what was sent over a channel, the oldest first.
    async fn subjects(&self, channel: &str) -> Vec<String> {
        let subject = |delivery: Value| delivery["subject"].as_str().unwrap().to_owned();
        self.deliveries(channel).await.into_iter().rev().map(subject).collect()
    }
}

#[actix_web::test]
async fn who_chose_nothing_is_told_at_the_default_once_and_again_after_it_has_recovered() {
    let scene = Scene::new().await;
    let all = scene.own("GET", "/billing/alerts", Value::Null).await.expect(200).json;
    assert_eq!(all["is_default"], true);
    assert_eq!(
        (&all["alerts"][0]["threshold"], &all["alerts"][0]["channels"]),
        (&json!(500), &json!(["email", "webhook"]))
    );
    scene.give(600).await;
    scene.work().await;
    assert!(scene.of("wallet.low_balance").is_empty() && scene.of("wallet.recovered").is_empty());
    scene.burn(99).await;
    scene.work().await;
    assert!(scene.of("wallet.low_balance").is_empty());
    for _ in 0..5 {
        scene.burn(2).await;
        scene.work().await;
    }
    let told = scene.of("wallet.low_balance");
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["threshold"], &told[0]["balance"]), (&json!(500), &json!(499)));
    assert_eq!(scene.subjects("email").await, ["Low balance: 499 credits left"]);
    scene.give(100).await;
    scene.work().await;
    assert_eq!(scene.of("wallet.recovered").len(), 1);
    scene.burn(100).await;
    scene.work().await;
    assert_eq!(scene.of("wallet.low_balance").len(), 2);
    let all = scene.own("GET", "/billing/alerts", Value::Null).await.expect(200).json;
    assert_eq!((&all["alerts"][0]["status"], &all["is_default"]), (&json!("fired"), &json!(true)));
    assert!(all["alerts"][0]["last_fired_at"].is_string());
}

#[actix_web::test]
async fn one_fall_through_everything_is_one_mail() {
    let scene = Scene::new().await;
    let wish = json!({ "alerts": [{ "threshold": 5000, "channels": ["email"] },
        { "threshold": 500, "channels": ["email", "webhook"] }] });
    let set = scene.alerts(wish).await;
    assert_eq!(
        (&set["alerts"][0]["threshold"], &set["alerts"][0]["status"]),
        (&json!(5000), &json!("below"))
    );
    scene.give(6_000).await;
    scene.work().await;
    scene.burn(6_001).await;
    scene.work().await;
    assert_eq!(scene.of("wallet.low_balance").len(), 1, "{:?}", scene.all());
    assert_eq!(scene.of("wallet.low_balance")[0]["threshold"], 500);
    assert_eq!(scene.of("wallet.depleted").len(), 1);
    assert_eq!(scene.subjects("email").await, ["No credit left"]);
    scene.burn(5).await;
    scene.work().await;
    assert_eq!(scene.deliveries("email").await.len(), 1);
    scene.give(10_000).await;
    scene.work().await;
    let back = scene.of("wallet.recovered");
    assert_eq!(back.len(), 1);
    assert_eq!(back[0]["threshold"], 5000);
}

#[actix_web::test]
async fn slack_and_telephones_are_told_where_that_was_chosen() {
    let slack = Receiver::start().await;
    let sms = Receiver::start().await;
    let base = sms.url.trim_end_matches("/hook").to_owned();
    let scene = Scene::with(move |config| {
        config.sms.api_base = base;
        config.sms.account_sid = Some("AC1".into());
        config.sms.auth_token = Some(tollbook::config::Secret::new("secret".into()));
        config.sms.from = Some("+15005550006".into());
    });
    let scene = scene.await;
    scene.give(1_000).await;
    let wish = json!({ "alerts": [{ "threshold": 500, "channels": ["sms", "slack"] }],
        "slack_url": slack.url, "sms_to": "+34600111222" });
    let set = scene.alerts(wish).await;
    assert_eq!(set["alerts"][0]["channels"], json!(["slack", "sms"]));
    assert_eq!(set["slack_url"], format!("{}/…hook", slack.url.split('/').nth(2).unwrap()));
    scene.own("POST", "/billing/alerts/test", Value::Null).await.expect(202);
    scene.work().await;
    assert_eq!(slack.told().len(), 1);
    assert_eq!(sms.told().len(), 1);
    scene.burn(501).await;
    scene.work().await;
    let told = slack.told();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].json()["text"].as_str().unwrap().contains("The balance of Acme is 499 credits, below 500.")
    );
    let told = sms.told();
    assert_eq!(told.len(), 1);
    assert!(told[0].body.contains("To=%2B34600111222") && told[0].body.contains("From=%2B15005550006"));
    assert!(told[0].headers["authorization"].starts_with("Basic "));
    assert!(scene.deliveries("email").await.is_empty(), "that was not chosen");
}

#[actix_web::test]
async fn alerts_that_are_put_off_are_told_afterwards_if_they_still_hold() {
    let scene = Scene::new().await;
    scene.give(1_000).await;
    scene.work().await;
    let until = "2026-11-21T11:00:00Z";
    let set = scene.alerts(json!({ "snoozed_until": until })).await;
    assert_eq!((&set["snoozed_until"], &set["is_default"]), (&json!(until), &json!(true)));
    scene.burn(600).await;
    scene.work().await;
    assert!(scene.of("wallet.low_balance").is_empty());
    scene.burn(400).await;
    scene.work().await;
    assert_eq!(scene.of("wallet.depleted").len(), 1, "that nothing is left is told all the same");
    scene.give(100).await;
    scene.app.clock.advance(2 * HOUR_MS);
    scene.work().await;
    assert_eq!(scene.of("wallet.low_balance").len(), 1);
    let all = scene.own("GET", "/billing/alerts", Value::Null).await.expect(200).json;
    assert_eq!(all["snoozed_until"], Value::Null);
}

#[actix_web::test]
async fn what_is_wrong_with_alerts_is_said_by_its_field() {
    let scene = Scene::new().await;
    for (body, field) in [
        (json!({ "alerts": [{ "threshold": 0, "channels": ["email"] }] }), "alerts[0].threshold"),
        (json!({ "alerts": [{ "threshold": 5, "channels": [] }] }), "alerts[0].channels"),
        (json!({ "alerts": [{ "threshold": 5, "channels": ["fax"] }] }), "alerts[0].channels"),
        (json!({ "alerts": [{ "threshold": 5, "channels": ["slack"] }] }), "alerts[0].channels"),
        (json!({ "slack_url": "http://169.254.169.254/x" }), "slack_url"),
        (json!({ "sms_to": "600111222" }), "sms_to"),
        (json!({ "snoozed_until": "2026-11-21T08:00:00Z" }), "snoozed_until"),
    ] {
        let refused = scene.own("POST", "/billing/alerts", body).await.expect(422);
        assert_eq!(refused.wrong()[0].0, field);
    }
    let twice = json!({ "threshold": 5, "channels": ["email"] });
    let refused = scene.own("POST", "/billing/alerts", json!({ "alerts": [twice, twice] })).await.expect(422);
    assert_eq!(refused.wrong()[0].0, "alerts[1].threshold");
}

#[actix_web::test]
async fn work_that_is_done_twice_tells_once() {
    let scene = Scene::new().await;
    scene.give(600).await;
    scene.work().await;
    scene.burn(200).await;
    // as when whoever did it was killed before that was noted: it is taken up again
    let (acme, defaults) = (scene.acme, [Credits::from_whole(500).unwrap()]);
    for _ in 0..3 {
        scene.app.db().write(move |tx| wallet::look_at_alerts(tx, acme, &defaults)).await.unwrap();
    }
    scene.work().await;
    assert_eq!(scene.of("wallet.low_balance").len(), 1);
    assert_eq!(scene.subjects("email").await.len(), 1);
}
