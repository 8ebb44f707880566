//! An organization with credit, and keys to report and to look.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tollbook::base::id::OrganizationId;
use tollbook::config::Config;
use tollbook::identity::Scope;
use tollbook::onboarding::Prices;

use crate::helpers::{Answer, Call, TestApp};

pub const EVENTS: &str = "/api/v1/usage/events";

pub struct Desk {
    pub app: TestApp,
    pub organization: OrganizationId,
    /// The operator's key, for everything.
    pub operator: String,
    /// The organization's own key: reports and looks.
    pub own: String,
    requests: AtomicU32,
}

impl Desk {
    pub async fn new() -> Self {
        Self::with(|_| {}, Prices::default()).await
    }

    pub async fn on_plan(plan: &str) -> Self {
        Self::with(|_| {}, Prices { plan: Some(plan.into()), rate_card: None }).await
    }

    pub async fn with(change: impl FnOnce(&mut Config), prices: Prices) -> Self {
        let app = TestApp::start_with(change).await;
        let organization = app.organization_with("Acme", Some("acme"), prices).await;
        let operator = app.operator_key(&Scope::ALL).await;
        let scopes = [Scope::UsageWrite, Scope::UsageRead, Scope::BillingRead];
        let own = app.organization_key(organization, &scopes).await;
        Self { app, organization, operator, own, requests: AtomicU32::new(0) }
    }

    /// A request with the organization's own key.
    pub async fn get(&self, path: &str) -> Answer {
        self.app.get(&format!("/api/v1{path}")).bearer(&self.own).send().await
    }

    /// Reports with the organization's own key.
    pub async fn report(&self, body: &str) -> Answer {
        self.app.post(EVENTS, body).bearer(&self.own).send().await
    }

    /// Reports voice seconds at the beginning of the test.
    pub async fn voice(&self, id: &str, seconds: u32) -> Answer {
        self.report(&voice(id, seconds)).await.expect(201)
    }

    pub fn credit_call(&self, key: &str, body: &str) -> Call {
        let call = self.app.post("/api/v1/billing/wallet/credit", body).bearer(&self.operator);
        call.organization(self.organization).header("Idempotency-Key", key)
    }

    /// Gives or takes credit as the operator.
    pub async fn credit(&self, body: &str) -> Answer {
        let key = format!("credit-{}", self.requests.fetch_add(1, Ordering::Relaxed));
        self.credit_call(&key, body).send().await
    }

    /// Gives free credit.
    pub async fn give(&self, credits: &str) -> Answer {
        let body = format!(r#"{{"credits":{credits},"class":"free","reason":"For the test"}}"#);
        self.credit(&body).await.expect(201)
    }

    pub async fn void(&self, id: &str) -> Answer {
        let path = format!("{EVENTS}/{id}/void");
        self.app.call("POST", &path).bearer(&self.operator).organization(self.organization).send().await
    }

    /// The balance as it is written.
    pub async fn balance(&self) -> String {
        let answer = self.get("/billing/balance").await.expect(200);
        number(&answer.text, "balance")
    }

    /// An organization made over the API.
    pub async fn other(&self, body: &str) -> OrganizationId {
        let made = self.app.post("/api/v1/admin/organizations", body).bearer(&self.operator).send().await;
        made.expect(201).json["id"].as_str().unwrap().parse().unwrap()
    }
}

pub fn voice(id: &str, seconds: u32) -> String {
    format!(r#"{{"id":"{id}","meter":"voice","quantity":{seconds},"occurred_at":"2026-11-21T09:00:00Z"}}"#)
}

/// The names of an object's fields, in order.
pub fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// The first number of that name, exactly as it is written: a float would hide a lost digit.
#[track_caller]
pub fn number(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("\"{name}\":")).expect(name);
    rest.chars().take_while(|c| !matches!(c, ',' | '}' | ']')).collect()
}
