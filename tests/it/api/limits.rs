//! Limits, agents and guards over the API.

use serde_json::{Value, json};
use tollbook::base::time::DAY_MS;
use tollbook::identity::{Role, Scope};
use tollbook::onboarding::Prices;

use super::desk::{Desk, names, number};
use crate::helpers::Answer;

const LIMITS: [&str; 7] =
    ["action_on_limit", "agents", "daily", "daily_limit", "monthly", "monthly_limit", "per_agent_limit"];
const WINDOW: [&str; 6] = ["left", "limit", "resets_at", "spent", "starts_at", "status"];
const AGENT: [&str; 7] =
    ["effective", "first_seen_at", "id", "month", "monthly_limit", "on_limit", "on_plan_exhausted"];

impl Desk {
    async fn set_limits(&self, body: &str) -> Answer {
        let call = self.app.post("/api/v1/billing/limits", body).bearer(&self.operator);
        call.organization(self.organization).send().await
    }

    async fn put(&self, path: &str, body: &str) -> Answer {
        let call = self.app.call("PUT", &format!("/api/v1{path}")).json(body).bearer(&self.operator);
        call.organization(self.organization).send().await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        let call = self.app.post(&format!("/api/v1{path}"), body).bearer(&self.operator);
        call.organization(self.organization).send().await
    }

    /// Reports messages, which cost a credit each, as work not done yet.
    async fn chat(&self, id: &str, agent: &str, count: u32) -> Answer {
        let now = self.app.app.state.clock.now();
        self.report(
            &json!({ "id": id, "meter": "chat", "quantity": count, "agent_id": agent, "mode": "enforce",
                "occurred_at": now.to_string() })
            .to_string(),
        )
        .await
    }

    async fn audited(&self, action: &str) -> Vec<Value> {
        let path = format!("/api/v1/admin/audit?action={action}");
        let answer = self.app.get(&path).bearer(&self.operator).send().await.expect(200);
        answer.json["items"].as_array().unwrap().clone()
    }
}

#[actix_web::test]
async fn limits_are_set_and_shown_to_the_letter() {
    let desk = Desk::new().await;
    desk.give("100000").await;
    let none = desk.get("/billing/limits").await.expect(200);
    assert_eq!(names(&none.json), LIMITS);
    assert_eq!(names(&none.json["daily"]), WINDOW);
    assert_eq!(
        (&none.json["monthly_limit"], &none.json["daily"]["status"]),
        (&Value::Null, &json!("unlimited"))
    );
    assert_eq!(none.json["action_on_limit"], "pause");
    let body =
        r#"{"monthly_limit":100000,"daily_limit":5000,"per_agent_limit":10000,"action_on_limit":"pause"}"#;
    desk.set_limits(body).await.expect(200);
    desk.chat("1", "reception", 4500).await.expect(201);
    let now = desk.get("/billing/limits").await.expect(200);
    assert_eq!(now.json["monthly_limit"], 100_000);
    assert_eq!(now.json["per_agent_limit"], 10_000);
    assert_eq!(
        now.json["daily"],
        json!({ "limit": 5000, "spent": 4500, "left": 500, "status": "warning",
            "starts_at": "2026-11-21T00:00:00Z", "resets_at": "2026-11-22T00:00:00Z" })
    );
    assert_eq!(now.json["monthly"]["resets_at"], "2026-12-01T00:00:00Z");
    assert_eq!(names(&now.json["agents"][0]), AGENT);
    assert_eq!(now.json["agents"][0]["id"], "reception");
    assert_eq!(now.json["agents"][0]["month"]["left"], 5500);
    // what is absent stays, null removes, and digits are exact
    let answer = desk.set_limits(r#"{"monthly_limit":null,"daily_limit":4500.000001}"#).await.expect(200);
    assert_eq!(answer.json["monthly_limit"], Value::Null);
    assert_eq!(number(&answer.text, "daily_limit"), "4500.000001");
    assert_eq!(number(&answer.text, "left"), "0.000001");
    assert_eq!(answer.json["per_agent_limit"], 10_000);
    let audit = desk.audited("limits.").await;
    assert_eq!(audit.len(), 2);
    assert_eq!(
        audit[0]["difference"],
        json!({ "daily_limit": ["5000", "4500.000001"], "monthly_limit": ["100000", null] })
    );
}

#[actix_web::test]
async fn every_wrong_field_of_a_limit_is_named() {
    let desk = Desk::new().await;
    let pair = |field: &str, code: &str| (field.to_owned(), code.to_owned());
    // nothing at all is not a change of nothing
    let nothing = desk.app.call("POST", "/api/v1/billing/limits").bearer(&desk.operator);
    let nothing = nothing.organization(desk.organization).send().await.expect(400);
    assert_eq!(nothing.code(), "invalid_body");
    let bad = r#"{"monthly_limit":-1,"daily_limit":100000000001,"per_agent_limit":-0.000001}"#;
    assert_eq!(
        desk.set_limits(bad).await.expect(422).wrong(),
        [
            pair("daily_limit", "too_large"),
            pair("monthly_limit", "negative"),
            pair("per_agent_limit", "negative")
        ]
    );
    for (body, field) in [
        (r#"{"action_on_limit":"stop"}"#, "action_on_limit"),
        (r#"{"monthly_limit":"12"}"#, "monthly_limit"),
        (r#"{"monthly_limit":0.0000001}"#, "monthly_limit"),
        (r#"{"weekly_limit":1}"#, "weekly_limit"),
    ] {
        let answer = desk.set_limits(body).await.expect(422);
        assert_eq!(answer.json["error"]["param"], field, "{}", answer.text);
    }
    let bad = r#"{"monthly_limit":-1,"on_limit":"stop"}"#;
    assert_eq!(desk.put("/agents/a", bad).await.expect(422).wrong(), [pair("monthly_limit", "negative")]);
    let bad = r#"{"inbound_minutes_per_day":-1,"calls_at_once":100001}"#;
    assert_eq!(
        desk.put("/numbers/n/guard", bad).await.expect(422).wrong(),
        [pair("inbound_minutes_per_day", "invalid_value"), pair("calls_at_once", "invalid_value")]
    );
    desk.put("/agents/a", r#"{"on_limit":"pause"}"#).await.expect(422);
    // nothing of it was kept, not even the agent
    desk.get("/agents/a").await.expect(404);
    desk.get("/numbers/n/guard").await.expect(404);
    desk.put(&format!("/agents/{}", "a".repeat(256)), "{}").await.expect(404);
}

#[actix_web::test]
async fn a_limit_that_pauses_names_itself_and_is_lifted_by_who_may() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.set_limits(r#"{"daily_limit":100}"#).await.expect(200);
    desk.chat("1", "a", 90).await.expect(201);
    let refused = desk.chat("2", "a", 11).await.expect(403);
    assert_eq!(refused.code(), "limit_reached");
    assert_eq!(
        refused.json["error"]["details"],
        json!({ "limit": "daily", "credits": 100, "spent": 90, "left": 10, "resets_on": "2026-11-22" })
    );
    assert_eq!(
        refused.json["error"]["message"],
        "The organization's limit for a day, 100 credits, would be passed; 10 are left until 2026-11-22."
    );
    let not_yet = desk.post("/billing/limits/resume", r#"{"limit":"daily"}"#).await.expect(409);
    assert_eq!(not_yet.code(), "limit_not_paused");
    desk.chat("3", "a", 10).await.expect(201);
    // the refused event's id is not taken: it may be sent again when there is room
    for (role, status) in [(Role::Member, 403), (Role::Billing, 200)] {
        let (_, session) = desk.app.member(desk.organization, role).await;
        let call = desk.app.post("/api/v1/billing/limits/resume", r#"{"limit":"daily"}"#);
        call.bearer(&session).send().await.expect(status);
    }
    let now = desk.get("/billing/limits").await.expect(200);
    assert_eq!(now.json["daily"]["status"], "resumed");
    desk.chat("2", "a", 11).await.expect(201);
    let audit = desk.audited("limits.resumed").await;
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0]["difference"]["limit"], "daily");
    assert_eq!(audit[0]["difference"]["until"], "2026-11-22");
    desk.app.clock.advance(DAY_MS);
    desk.chat("4", "a", 101).await.expect(403);
}

#[actix_web::test]
async fn agents_are_created_on_first_sight_and_listed() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.get("/agents/reception").await.expect(404);
    desk.chat("1", "reception", 5).await.expect(201);
    let seen = desk.get("/agents/reception").await.expect(200);
    assert_eq!(names(&seen.json), AGENT);
    assert_eq!(seen.json["month"]["spent"], 5);
    assert_eq!(
        seen.json["effective"],
        json!({ "monthly_limit": null, "on_plan_exhausted": "use_balance", "on_limit": "stop" })
    );
    // any id that usage may name, also one that needs escaping in a path
    let body = r#"{"monthly_limit":200,"on_plan_exhausted":"stop","on_limit":"use_balance"}"#;
    let made = desk.put("/agents/front%20desk%2F1%3F", body).await.expect(200);
    assert_eq!(made.json["id"], "front desk/1?");
    assert_eq!(made.json["on_plan_exhausted"], "stop");
    let again = desk.put("/agents/front%20desk%2F1%3F", r#"{"on_limit":null}"#).await.expect(200);
    assert_eq!((&again.json["on_limit"], &again.json["monthly_limit"]), (&Value::Null, &json!(200)));
    let page = desk.get("/agents?limit=1").await.expect(200);
    assert_eq!((&page.json["total"], &page.json["items"][0]["id"]), (&json!(2), &json!("front desk/1?")));
    let cursor = page.json["next_cursor"].as_str().unwrap();
    let rest = desk.get(&format!("/agents?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&rest.json["items"][0]["id"], &rest.json["has_more"]), (&json!("reception"), &json!(false)));
    // another organization's agent of that name is another one
    let other = desk.other(r#"{"name":"Other"}"#).await;
    let call = desk.app.get("/api/v1/agents/reception").bearer(&desk.operator).organization(other);
    call.send().await.expect(404);
    assert_eq!(desk.audited("agent.changed").await.len(), 2);
}

#[actix_web::test]
async fn an_agents_limit_pauses_it_alone_until_it_is_resumed() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    desk.put("/agents/a", r#"{"monthly_limit":10}"#).await.expect(200);
    desk.chat("1", "a", 10).await.expect(201);
    let refused = desk.chat("2", "a", 1).await.expect(403);
    assert_eq!(refused.json["error"]["details"]["limit"], "per_agent");
    desk.chat("3", "b", 50).await.expect(201);
    assert_eq!(desk.get("/agents/a").await.json["month"]["status"], "paused");
    desk.post("/agents/b/resume", "").await.expect(409);
    desk.post("/agents/nobody/resume", "").await.expect(404);
    let resumed = desk.post("/agents/a/resume", "").await.expect(200);
    assert_eq!(resumed.json["month"]["status"], "resumed");
    desk.chat("2", "a", 1).await.expect(201);
}

#[actix_web::test]
async fn an_agent_that_stops_with_the_plan_is_told_so() {
    let desk = Desk::with(|_| {}, Prices { plan: Some("starter".into()), rate_card: None }).await;
    desk.give("1000").await;
    desk.put("/agents/a", r#"{"on_plan_exhausted":"stop"}"#).await.expect(200);
    let event = json!({ "id": "1", "meter": "transfer_minute", "quantity": 60, "agent_id": "a", "mode": "enforce",
        "occurred_at": "2026-11-21T09:00:00Z" });
    let refused = desk.report(&event.to_string()).await.expect(402);
    assert_eq!(refused.code(), "plan_exhausted");
    assert_eq!(refused.json["error"]["details"], json!({ "available": 0, "required": 3 }));
}

#[actix_web::test]
async fn the_guard_of_a_toll_free_number_is_set_and_counts_down() {
    let desk = Desk::new().await;
    desk.give("1000").await;
    let body = r#"{"inbound_minutes_per_day":10,"calls_at_once":3}"#;
    desk.put("/numbers/%2B34900100200/guard", body).await.expect(200);
    let call = |id: &str, seconds: u32| {
        json!({ "id": id, "meter": "voice", "quantity": seconds, "number_id": "+34900100200", "mode": "enforce",
            "occurred_at": "2026-11-21T09:00:00Z", "attributes": { "toll_free": true, "direction": "inbound" } })
        .to_string()
    };
    desk.report(&call("1", 450)).await.expect(201);
    let guard = desk.get("/numbers/%2B34900100200/guard").await.expect(200);
    assert_eq!(
        guard.json,
        json!({ "number_id": "+34900100200", "inbound_minutes_per_day": 10, "calls_at_once": 3, "suspended": false,
            "inbound_minutes_today": 7.5 })
    );
    let refused = desk.report(&call("2", 151)).await.expect(403);
    assert_eq!(refused.code(), "toll_free_guard");
    assert_eq!(refused.json["error"]["details"], json!({ "inbound_minutes_per_day": 10 }));
    desk.put("/numbers/%2B34900100200/guard", r#"{"inbound_minutes_per_day":null}"#).await.expect(200);
    desk.report(&call("2", 151)).await.expect(201);
    assert_eq!(desk.audited("number.guard_changed").await.len(), 2);
}

#[actix_web::test]
async fn limits_belong_to_whoever_may_set_them() {
    let desk = Desk::new().await;
    let key = desk.app.organization_key(desk.organization, &[Scope::LimitsWrite]).await;
    let call = |token: &str| desk.app.post("/api/v1/billing/limits", r#"{"daily_limit":7}"#).bearer(token);
    call(&key).send().await.expect(200);
    // the desk's own key reports and looks
    assert_eq!(call(&desk.own).send().await.expect(403).code(), "insufficient_scope");
    for (role, status) in [(Role::Owner, 200), (Role::Billing, 200), (Role::Member, 403)] {
        let (_, session) = desk.app.member(desk.organization, role).await;
        call(&session).send().await.expect(status);
    }
}
