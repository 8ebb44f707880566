//! The page of limits and agents: what it shows is what the API says, and its forms do what they say.

use serde_json::json;
use tollbook::base::id::OrganizationId;
use tollbook::identity::{Role, Scope, csrf_token};

use crate::helpers::{Answer, TestApp};

struct Site {
    app: TestApp,
    organization: OrganizationId,
    key: String,
    owner: String,
}

impl Site {
    async fn new() -> Self {
        let app = TestApp::start_with(|config| config.credits.welcome = "1000".parse().unwrap()).await;
        let organization = app.organization("Clinics").await;
        let scopes = [Scope::UsageWrite, Scope::BillingRead, Scope::LimitsWrite];
        let key = app.organization_key(organization, &scopes).await;
        let (_, owner) = app.member(organization, Role::Owner).await;
        Self { app, organization, key, owner }
    }

    /// Reports messages, which cost a credit each.
    async fn chat(&self, id: &str, agent: &str, count: u32, mode: &str) -> u16 {
        let body = json!({ "id": id, "meter": "chat", "quantity": count, "agent_id": agent, "mode": mode,
            "occurred_at": "2026-11-21T09:00:00Z" });
        let call = self.app.post("/api/v1/usage/events", &body.to_string()).bearer(&self.key);
        call.send().await.status.as_u16()
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        self.app.get(path).header("Cookie", &format!("tollbook={token}")).send().await
    }

    async fn page(&self, path: &str) -> String {
        self.get(&self.owner, path).await.expect(200).text
    }

    async fn send(&self, token: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = csrf_token(token);
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend_from_slice(fields);
        let body = serde_urlencoded::to_string(all).unwrap().into_bytes();
        let call = self.app.call("POST", path).header("Cookie", &format!("tollbook={token}"));
        call.header("Content-Type", "application/x-www-form-urlencoded").body(body).send().await
    }

    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(&self.owner, path, fields).await
    }

    async fn limits(&self) -> serde_json::Value {
        self.app.get("/api/v1/billing/limits").bearer(&self.key).send().await.expect(200).json
    }
}

const SAVED: &str = "/limits?done=saved";

#[actix_web::test]
async fn limits_are_set_on_the_page_and_shown_with_what_is_spent() {
    let site = Site::new().await;
    let page = site.page("/limits").await;
    assert!(page.contains("0.00 credits, no limit") && page.contains("No agents yet"), "{page}");
    site.chat("1", "reception", 40, "record").await;
    let fields = [
        ("daily_limit", "100"),
        ("monthly_limit", ""),
        ("per_agent_limit", "80.5"),
        ("action_on_limit", "pause"),
    ];
    let saved = site.submit("/limits", &fields).await.expect(303);
    assert_eq!(saved.header("location"), Some(SAVED));
    let page = site.page(SAVED).await;
    assert!(page.contains("The limits have been saved."), "{page}");
    assert!(page.contains("40.00 of 100.00 credits"), "{page}");
    assert!(page.contains("40.00 of 80.50 credits") && page.contains("49 %"), "{page}");
    // forty in nine hours: a hundred in twenty-two and a half
    assert!(page.contains("Pauses at the limit · reached at 22:30 at this pace"), "{page}");
    let limits = site.limits().await;
    assert_eq!((&limits["daily_limit"], &limits["per_agent_limit"]), (&json!(100), &json!(80.5)));
}

#[actix_web::test]
async fn what_is_wrong_stands_beside_its_field_and_what_was_typed_stays() {
    let site = Site::new().await;
    let fields = [("daily_limit", "ten"), ("monthly_limit", "-5"), ("action_on_limit", "alert_only")];
    let answer = site.submit("/limits", &fields).await.expect(422);
    assert!(answer.text.contains("id=\"daily_limit-error\"") && answer.text.contains("value=\"ten\""));
    assert!(answer.text.contains("is not a decimal number"), "{}", answer.text);
    let fields = [("daily_limit", "10"), ("monthly_limit", "-5"), ("action_on_limit", "alert_only")];
    let answer = site.submit("/limits", &fields).await.expect(422);
    assert!(answer.text.contains("id=\"monthly_limit-error\"") && answer.text.contains("value=\"-5\""));
    assert_eq!(site.limits().await["daily_limit"], json!(null));
    let agent = [("id", "a"), ("monthly_limit", "200000000000")];
    let answer = site.submit("/limits/agent", &agent).await.expect(422);
    assert!(answer.text.contains("id=\"monthly_limit-error\""), "{}", answer.text);
    assert!(site.page("/limits/agent?id=a").await.contains("Never seen yet"));
    site.get(&site.owner, "/limits/agent?id=").await.expect(422);
    site.get(&site.owner, "/limits/agent").await.expect(422);
}

#[actix_web::test]
async fn a_limit_below_what_is_spent_is_confirmed_first() {
    let site = Site::new().await;
    site.chat("1", "reception", 50, "record").await;
    let fields = [("daily_limit", "20"), ("per_agent_limit", "30"), ("action_on_limit", "pause")];
    let asked = site.submit("/limits", &fields).await.expect(200);
    assert!(asked.text.contains("50.00 of 20.00 credits are spent today"), "{}", asked.text);
    assert!(asked.text.contains("This pauses 1 agent at once."), "{}", asked.text);
    assert_eq!(site.limits().await["daily_limit"], json!(null));
    let meant = asked.text.split("name=\"confirm\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    // what was confirmed is what is saved: another amount is asked about again
    let other = [("daily_limit", "10"), fields[1], fields[2], ("confirm", meant)];
    site.submit("/limits", &other).await.expect(200);
    let confirmed = [fields[0], fields[1], fields[2], ("confirm", meant)];
    site.submit("/limits", &confirmed).await.expect(303);
    assert_eq!(site.limits().await["daily"]["status"], "paused");
    assert_eq!(site.chat("2", "other", 1, "enforce").await, 403);
    // saving the same again asks nothing: nothing new is held up
    site.submit("/limits", &fields).await.expect(303);
}

#[actix_web::test]
async fn a_pause_is_lifted_by_a_button() {
    let site = Site::new().await;
    site.submit("/limits", &[("daily_limit", "20"), ("action_on_limit", "pause")]).await.expect(303);
    site.submit("/limits/agent", &[("id", "front desk/1"), ("monthly_limit", "10")]).await.expect(303);
    assert_eq!(site.chat("1", "front desk/1", 20, "record").await, 201);
    let page = site.page("/limits").await;
    assert!(page.contains("Today&#39;s limit is spent") || page.contains("Today's limit is spent"), "{page}");
    assert_eq!(page.matches("action=\"/limits/resume\"").count(), 2, "{page}");
    assert!(page.contains("/limits/agent?id=front+desk%2F1"), "{page}");
    let resumed = site.submit("/limits/resume", &[("limit", "daily")]).await.expect(303);
    assert_eq!(resumed.header("location"), Some("/limits?done=resumed"));
    assert_eq!(site.chat("2", "other", 5, "enforce").await, 201);
    assert_eq!(site.chat("3", "front desk/1", 5, "enforce").await, 403);
    let agent = site.page("/limits/agent?id=front+desk%2F1").await;
    assert!(agent.contains("Paused: new work is refused until 1 Dec 2026."), "{agent}");
    let fields = [("limit", "per_agent"), ("agent", "front desk/1")];
    site.submit("/limits/resume", &fields).await.expect(303);
    assert_eq!(site.chat("3", "front desk/1", 5, "enforce").await, 201);
    let page = site.page("/limits").await;
    assert!(page.contains("Resumed: nothing is refused until midnight."), "{page}");
    assert!(!page.contains("action=\"/limits/resume\""), "{page}");
    // a button pressed twice, or too late, leads to what holds now
    site.submit("/limits/resume", &fields).await.expect(303);
    site.submit("/limits/resume", &[("limit", "monthly")]).await.expect(303);
    site.submit("/limits/resume", &[("limit", "yearly")]).await.expect(404);
    site.submit("/limits/resume", &[("limit", "per_agent"), ("agent", "nobody")]).await.expect(404);
}

#[actix_web::test]
async fn what_holds_for_an_agent_is_set_on_its_page() {
    let site = Site::new().await;
    let fields =
        [("id", "<b>"), ("monthly_limit", "50"), ("on_limit", "use_balance"), ("on_plan_exhausted", "stop")];
    site.submit("/limits/agent", &fields).await.expect(303);
    let page = site.page("/limits").await;
    assert!(page.contains("&#60;b&#62;") && !page.contains("<b>"), "{page}");
    assert!(page.contains("Goes on, alerts only") && page.contains("0.00 of 50.00 credits"), "{page}");
    let agent = site.page("/limits/agent?id=%3Cb%3E").await;
    assert!(agent.contains("<option value=\"use_balance\" selected>"), "{agent}");
    // empty again: as the organization has it
    site.submit("/limits/agent", &[("id", "<b>")]).await.expect(303);
    assert!(!site.page("/limits").await.contains("Goes on, alerts only"));
}

#[actix_web::test]
async fn only_who_may_sees_and_changes_limits() {
    let site = Site::new().await;
    let fields = [("daily_limit", "7"), ("action_on_limit", "pause")];
    let (_, billing) = site.app.member(site.organization, Role::Billing).await;
    let (_, member) = site.app.member(site.organization, Role::Member).await;
    site.send(&billing, "/limits", &fields).await.expect(303);
    site.get(&member, "/limits").await.expect(403);
    site.send(&member, "/limits", &[("daily_limit", "8"), ("action_on_limit", "pause")]).await.expect(403);
    site.send(&member, "/limits/resume", &[("limit", "daily")]).await.expect(403);
    site.send(&member, "/limits/agent", &[("id", "a"), ("monthly_limit", "1")]).await.expect(403);
    assert_eq!(site.limits().await["daily_limit"], 7);
    // somebody else's limits are theirs
    let other = site.app.organization("Other").await;
    let (_, stranger) = site.app.member(other, Role::Owner).await;
    assert!(site.get(&stranger, "/limits").await.expect(200).text.contains("no limit"));
    // a suspended organization may look, and change nothing
    let organization = site.organization;
    let by = crate::helpers::BY;
    let suspended = site
        .app
        .db()
        .write(move |tx| tollbook::identity::organizations::suspend(tx, &by, organization, "unpaid"));
    suspended.await.unwrap();
    let page = site.page("/limits").await;
    assert!(!page.contains("Save limits"), "{page}");
    site.submit("/limits", &fields).await.expect(403);
}

#[actix_web::test]
async fn many_agents_are_shown_page_by_page() {
    let site = Site::new().await;
    for agent in 0..30 {
        site.chat(&format!("e{agent}"), &format!("agent-{agent:02}"), agent + 1, "record").await;
    }
    let first = site.page("/limits").await;
    assert!(first.contains("1 to 25 of 30") && first.contains("agent-29") && !first.contains("agent-04"));
    let second = site.page("/limits?page=2").await;
    assert!(second.contains("26 to 30 of 30") && second.contains("agent-04"));
    assert!(!second.contains("agent-29"));
}
