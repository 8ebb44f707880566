//! The pages in a real browser: Chromium, driven by its own driver (<https://www.w3.org/TR/webdriver2/>).

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tollbook::base::id::OrganizationId;
use tollbook::grants::Class;
use tollbook::identity::{Role, Scope};

use crate::helpers::TestApp;
use crate::pages::browsing::{PASSWORD, Use, charge, credit, person};

const MISSING: &str = "is not installed: run ./test.sh, which installs chromium and chromium-driver";
/// The key under which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long a page may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// A browser window, with its driver on a port of its own. Both end with it.
struct Browser {
    driver: Child,
    client: Client,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// A window this wide; a telephone where it is narrow.
    async fn start(width: u32) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // a group of its own, so that a browser left over can be ended with it
        command.process_group(0);
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
            format!("--window-size={width},1000"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let client = Client::new();
        let mut options = json!({ "args": arguments });
        if width < 500 {
            let screen = json!({ "width": width, "height": 844, "pixelRatio": 1.0, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": screen });
        }
        let capabilities = json!({ "alwaysMatch": { "goog:chromeOptions": options } });
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

    /// Clicks, and waits until the page with that path is there, to its end.
    async fn follow(&self, using: &str, value: &str, path: &str) {
        self.click(using, value).await;
        let until = Instant::now() + PATIENCE;
        let there =
            json!({ "script": "return [location.pathname, !!document.querySelector('footer')]", "args": [] });
        while self.call(Method::POST, "/execute/sync", there.clone()).await != json!([path, true]) {
            assert!(
                Instant::now() < until,
                "{value} does not lead to {path} but to {}",
                self.address().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn sign_in(&self, app: &TestApp, email: &str, path: &str) {
        self.go(&format!("{}/", app.app.url())).await;
        self.write("input[name=email]", email).await;
        self.write("input[name=password]", PASSWORD).await;
        self.follow("css selector", "form.form .button-primary", path).await;
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
        let pid = self.driver.id().to_string();
        let signal = |arguments: &[&str]| {
            let _ = Command::new("kill").args(arguments).stderr(Stdio::null()).status();
        };
        // the driver closes its browsers when it is asked to end
        signal(&["-TERM", &pid]);
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && matches!(self.driver.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        signal(&["-KILL", "--", &format!("-{pid}")]);
        let _ = self.driver.wait();
    }
}

async fn customer(app: &TestApp) -> OrganizationId {
    let id = app.organization("Acme").await;
    credit(app, id, 1_000, Class::Paid, None).await;
    person(app, "ana@example.com", Some((id, Role::Owner, &[]))).await;
    id
}

#[actix_web::test]
async fn a_call_charged_by_the_api_is_seen_in_the_browser() {
    const CSS: &str = "css selector";
    const LINK: &str = "link text";
    let browser = Browser::start(1_280).await;
    let app = TestApp::start().await;
    let id = customer(&app).await;
    let key = app.organization_key(id, &[Scope::UsageWrite]).await;
    browser.sign_in(&app, "ana@example.com", "/overview").await;
    assert!(browser.text(".topbar").await.contains("1,000.00 credits"));
    // the script runs under the page's own policy: what is to be copied has a button
    assert_eq!(browser.text(".code .copy").await, "Copy");

    let call = r#"{"id":"call-1","meter":"voice","quantity":84,"agent_id":"reception","occurred_at":"2026-11-21T08:59:00Z"}"#;
    let charged = app.post("/api/v1/usage/events", call).bearer(&key).send().await.expect(201);
    assert_eq!(charged.json["credits"], json!(9.8));

    browser.follow(LINK, "Usage", "/usage").await;
    assert!(browser.text(".topbar").await.contains("990.20 credits"));
    assert!(browser.text(".tiles").await.contains("9.80"));
    browser.follow(CSS, ".day-list a[href='/usage/2026-11-21']", "/usage/2026-11-21").await;
    assert!(browser.text("main .table").await.contains("reception"));
    let item = charged.json["items"][0]["id"].as_str().unwrap();
    browser.follow(LINK, "Voice", &format!("/usage/items/{item}")).await;
    assert!(browser.text(".calc").await.contains("84 s × 7 ÷ 60"));
    browser.follow(LINK, "Transactions", "/transactions").await;
    let newest = browser.text("main table tbody tr:first-child").await;
    assert!(newest.contains("−9.80 credits") && newest.contains("990.20 credits"), "{newest}");
    // a day of the chart leads to its items
    browser.follow(LINK, "Usage", "/usage").await;
    browser.follow(CSS, "svg .day.is-link:last-of-type .block", "/usage/2026-11-21").await;

    browser.click(CSS, ".user-menu summary").await;
    browser.follow(CSS, ".user-menu button", "/sign-in").await;
    browser.close().await;
}

#[actix_web::test]
async fn no_page_is_wider_than_a_telephone() {
    let app = TestApp::start().await;
    let id = customer(&app).await;
    let long = "an-agent-with-a-very-long-name-that-the-platform-made-up-0123456789abcdef";
    let used = |id, meter| Use {
        id,
        meter,
        quantity: "3723.456789",
        at: "2026-11-21T08:00:00Z",
        agent: long,
        workspace: "a-workspace",
    };
    charge(&app, id, &[used("e1", "voice"), used("e2", "chat"), used("e3", "transfer_minute")]).await;
    person(&app, "op@example.com", None).await;
    let of = |page: &str| format!("/operator/organizations/{id}{page}");
    let customers = ["/overview", "/usage", "/usage?group=agent", "/usage/2026-11-21", "/transactions"];
    let customers = customers.map(str::to_owned).to_vec();
    let mut operators = vec!["/operator/organizations".to_owned(), "/operator/organizations/new".to_owned()];
    operators.extend(["", "/credit", "/people/new", "/keys/new", "/prices", "/suspend"].map(of));
    for (email, pages) in [("ana@example.com", customers), ("op@example.com", operators)] {
        let browser = Browser::start(390).await;
        browser.sign_in(&app, email, &pages[0]).await;
        for page in pages {
            browser.go(&format!("{}{page}", app.app.url())).await;
            let script = "return [document.documentElement.scrollWidth, innerWidth]";
            let widths = browser.call(Method::POST, "/execute/sync", json!({ "script": script, "args": [] }));
            assert_eq!(widths.await, json!([390, 390]), "{page}: content and window");
        }
        browser.close().await;
    }
}
