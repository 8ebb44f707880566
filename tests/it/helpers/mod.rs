//! A server of one's own, and shorthand for talking to it.

pub mod python;

use std::sync::Arc;

use actix_web::http::StatusCode;
use reqwest::Method;
use serde_json::Value;
use tollbook::app::{self, Clocks, RunningApp};
use tollbook::base::id::{OrganizationId, UserId};
use tollbook::base::{TestClock, Timestamp, Zone};
use tollbook::config::Config;
use tollbook::db::{Db, DbError};
use tollbook::identity::{
    Actor, By, Issuer, KeyOwner, NewKey, NewOrganization, NewUser, PasswordHash, Role, Scope, Scopes,
    SessionPolicy, keys, sessions, users,
};
use tollbook::onboarding::{self, Prices};

/// When every test begins.
pub const START: &str = "2026-11-21T09:00:00Z";
pub const BY: By = By::actor(Actor::System);

/// A running server with an empty database.
pub struct TestApp {
    pub app: RunningApp,
    pub clock: Arc<TestClock>,
    client: reqwest::Client,
    _dir: tempfile::TempDir,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.app.kill();
    }
}

/// A moment written as RFC 3339.
pub fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.mode = tollbook::base::Mode::Test;
        config.server.workers = 1;
        config.database.data_dir = dir.path().to_owned();
        let limits = &mut config.limits;
        (limits.organization_key_per_second, limits.session_per_second, limits.anonymous_per_second) =
            (0, 0, 0);
        config.seller.name = Some("Vozia Telecom S.L.".into());
        config.seller.country = Some("ES".into());
        change(&mut config);
        let clock = Arc::new(TestClock::frozen(at(START)));
        let app = app::start(config, Clocks::test(clock.clone())).await.unwrap();
        let client = tollbook::outside::builder().unwrap().build().unwrap();
        Self { app, clock, client, _dir: dir }
    }

    /// Moves the clock on to a later time. What is asked for from now on happens then: a commit that began before, with its
    /// time, has ended.
    pub fn it_becomes(&self, later: &str) {
        let by_ms = at(later).millis() - self.db().now().millis();
        assert!(by_ms >= 0, "{later} is over");
        self.clock.advance(by_ms);
        let db = self.db().clone();
        let ended = std::thread::spawn(move || db.write_blocking(|_| Ok::<_, DbError>(())));
        ended.join().expect("thread").expect("writes");
    }

    pub fn db(&self) -> &Db {
        &self.app.state.db
    }

    pub async fn organization(&self, name: &str) -> OrganizationId {
        self.organization_with(name, None, Prices::default()).await
    }

    pub async fn organization_with(
        &self,
        name: &str,
        external_id: Option<&str>,
        prices: Prices,
    ) -> OrganizationId {
        let new = NewOrganization {
            name: name.to_owned(),
            external_id: external_id.map(str::to_owned),
            currency: "EUR".parse().unwrap(),
            zone: Zone::UTC,
            rate_card_id: None,
        };
        let welcome = self.app.state.settings.welcome;
        let made = self.db().write(move |tx| onboarding::create(tx, &BY, &new, &prices, welcome)).await;
        made.unwrap().id
    }

    pub async fn operator_key(&self, scopes: &[Scope]) -> String {
        self.key(KeyOwner::Operator, scopes).await
    }

    pub async fn organization_key(&self, organization: OrganizationId, scopes: &[Scope]) -> String {
        self.key(KeyOwner::Organization(organization), scopes).await
    }

    async fn key(&self, owner: KeyOwner, scopes: &[Scope]) -> String {
        let mode = self.app.state.settings.mode;
        let new = NewKey { owner, mode, scopes: Scopes::of(scopes), name: "test".into() };
        let issued = self.db().write(move |tx| keys::issue(tx, &BY, &new, Issuer::Operator)).await;
        issued.unwrap().secret.expose().to_owned()
    }

    /// A person without a password, and the token of their session.
    pub async fn member(&self, organization: OrganizationId, role: Role) -> (UserId, String) {
        let new = person(&format!("{role}.{}@example.com", organization.number()));
        let made = self
            .db()
            .write(move |tx| users::create_member(tx, &BY, &new, organization, role, &[]))
            .await
            .unwrap();
        (made.id, self.session(made.id).await)
    }

    pub async fn operator(&self) -> (UserId, String) {
        let new = person("operator@example.com");
        let made = self.db().write(move |tx| users::create_operator(tx, &BY, &new)).await.unwrap();
        (made.id, self.session(made.id).await)
    }

    pub async fn session(&self, user: UserId) -> String {
        let policy = SessionPolicy::default();
        let made = self.db().write(move |tx| sessions::create(tx, &BY, user, policy, "test", None)).await;
        made.unwrap().1.expose().to_owned()
    }

    pub fn call(&self, method: &str, path: &str) -> Call {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Call { request: self.client.request(method, format!("{}{path}", self.app.url())) }
    }

    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str, body: &str) -> Call {
        self.call("POST", path).json(body)
    }
}

fn person(email: &str) -> NewUser {
    let password = PasswordHash::from_stored("none".into());
    NewUser { email: email.to_owned(), name: String::new(), password }
}

/// A request being made.
pub struct Call {
    request: reqwest::RequestBuilder,
}

impl Call {
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn organization(self, name: impl std::fmt::Display) -> Self {
        self.header("Tollbook-Organization", &format!("{name}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(self, body: &str) -> Self {
        let call = self.header("Content-Type", "application/json");
        call.body(body.as_bytes().to_vec())
    }

    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.request = self.request.body(body);
        self
    }

    /// The headers and the body of an answer that is a file.
    pub async fn bytes(self) -> (reqwest::header::HeaderMap, Vec<u8>) {
        let response = self.request.send().await.unwrap().error_for_status().unwrap();
        (response.headers().clone(), response.bytes().await.unwrap().to_vec())
    }

    pub async fn send(self) -> Answer {
        let response = self.request.send().await.unwrap();
        let status = StatusCode::from_u16(response.status().as_u16()).unwrap();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        Answer { status, headers, json: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub json: Value,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// The error's code; panics unless the answer is a complete envelope.
    #[track_caller]
    pub fn code(&self) -> &str {
        let error = &self.json["error"];
        assert!(error["message"].is_string() && error["request_id"].is_string(), "{self:?}");
        assert_eq!(error["request_id"].as_str(), self.header("x-request-id"));
        error["code"].as_str().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The fields that are wrong, each with its code.
    #[track_caller]
    pub fn wrong(&self) -> Vec<(String, String)> {
        assert_eq!(self.code(), "validation_failed", "{}", self.text);
        let errors = self.json["error"]["details"]["errors"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let all: Vec<_> = errors.iter().map(|e| (text(&e["param"]), text(&e["code"]))).collect();
        assert_eq!(self.json["error"]["param"].as_str(), Some(all[0].0.as_str()));
        all
    }
}
