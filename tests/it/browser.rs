//! The pages in a real browser: Chromium, driven by its own driver (<https://www.w3.org/TR/webdriver2/>).

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tollbook::identity::{NewUser, Role, Scope, users};

use crate::helpers::{BY, TestApp};

const MISSING: &str = "is not installed: run ./test.sh, which installs chromium and chromium-driver";
/// The key under which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const PASSWORD: &str = "correct horse battery";

/// A browser window, with its driver on a port of its own. Both end with it.
struct Browser {
    driver: Child,
    client: Client,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().unwrap_or_else(|e| panic!("chromedriver {MISSING} ({e})"));
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                let line = line.unwrap();
                let (_, rest) = line.split_once("started successfully on port ")?;
                rest.trim_end_matches('.').parse::<u16>().ok()
            })
            .expect("chromedriver names its port");
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            "--disable-quic".into(),
            "--no-first-run".into(),
            "--no-proxy-server".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--window-size=1280,1000".into(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let client = Client::new();
        let capabilities = json!({ "alwaysMatch": { "goog:chromeOptions": { "args": arguments } } });
        let answer: Value = client
            .post(format!("http://127.0.0.1:{port}/session"))
            .json(&json!({ "capabilities": capabilities }))
            .send()
            .await
            .expect("the driver answers")
            .json()
            .await
            .expect("JSON");
        let id =
            answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("chromium {MISSING}: {answer}"));
        let session = format!("http://127.0.0.1:{port}/session/{id}");
        Self { driver, client, session, _profile: profile }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.session));
        if method == Method::POST {
            request = request.json(&body);
        }
        let answer: Value = request.send().await.expect("the driver answers").json().await.expect("JSON");
        assert!(answer["value"].get("error").is_none(), "{path} {body}: {answer}");
        answer["value"].clone()
    }

    async fn go(&self, address: &str) {
        self.call(Method::POST, "/url", json!({ "url": address })).await;
    }

    async fn address(&self) -> String {
        self.call(Method::GET, "/url", Value::Null).await.as_str().unwrap().to_owned()
    }

    async fn find(&self, using: &str, value: &str) -> String {
        let found = self.call(Method::POST, "/element", json!({ "using": using, "value": value })).await;
        format!("/element/{}", found[ELEMENT].as_str().unwrap())
    }

    async fn click(&self, using: &str, value: &str) {
        let element = self.find(using, value).await;
        self.call(Method::POST, &format!("{element}/click"), json!({})).await;
    }

    async fn write(&self, css: &str, text: &str) {
        let element = self.find("css selector", css).await;
        self.call(Method::POST, &format!("{element}/value"), json!({ "text": text })).await;
    }

    /// What a person reads there.
    async fn text(&self, css: &str) -> String {
        let element = self.find("css selector", css).await;
        let text = self.call(Method::GET, &format!("{element}/text"), Value::Null).await;
        text.as_str().unwrap().replace('\u{a0}', " ")
    }

    async fn close(self) {
        self.call(Method::DELETE, "", Value::Null).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[actix_web::test]
async fn a_call_charged_by_the_api_is_seen_in_the_browser() {
    let browser = Browser::start().await;
    let app = TestApp::start_with(|config| config.credits.welcome = "1000".parse().unwrap()).await;
    let organization = app.organization("Acme").await;
    let password = app.app.state.door.passwords().hash(PASSWORD.into()).await.unwrap();
    let ana = NewUser { email: "ana@example.com".into(), name: "Ana".into(), password };
    app.db()
        .write(move |tx| users::create_member(tx, &BY, &ana, organization, Role::Owner, &[]))
        .await
        .unwrap();

    browser.go(&format!("{}/", app.app.url())).await;
    browser.write("input[name=email]", "ana@example.com").await;
    browser.write("input[name=password]", PASSWORD).await;
    browser.click("css selector", ".button-primary").await;
    assert!(browser.address().await.ends_with("/overview"), "{}", browser.address().await);
    assert!(browser.text(".topbar").await.contains("1,000.00 credits"));

    let key = app.organization_key(organization, &[Scope::UsageWrite]).await;
    let call = r#"{"id":"call-1","meter":"voice","quantity":84,"agent_id":"reception","occurred_at":"2026-11-21T08:59:00Z"}"#;
    let charged = app.post("/api/v1/usage/events", call).bearer(&key).send().await.expect(201);
    assert_eq!(charged.json["credits"], json!(9.8));

    browser.click("link text", "Usage").await;
    assert!(browser.text(".topbar").await.contains("990.20 credits"));
    assert!(browser.text("main").await.contains("9.80"));
    browser.click("link text", "Transactions").await;
    let newest = browser.text("main table tbody tr:first-child").await;
    assert!(newest.contains("−9.80 credits") && newest.contains("990.20 credits"), "{newest}");
    browser.close().await;
}
