//! The pages in a real browser: Chromium, driven by its own driver.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tollbook::base::id::OrganizationId;
use tollbook::grants::Class;
use tollbook::identity::{Role, Scope};

use crate::helpers::TestApp;
use crate::pages::browsing::{PASSWORD, Use, charge, credit, person};

const MISSING: &str = "is not installed. Run ./test.sh, which installs it (on Debian: apt-get install chromium chromium-driver)";

/// The driver, on a port of its own; it and its browsers end with this.
struct Driver {
    child: Child,
    url: String,
    profile: tempfile::TempDir,
}

impl Driver {
    fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // a group of its own, so that a browser left over can be ended with it
        command.process_group(0);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("chromedriver {MISSING}: {e}"));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut port = None;
        for line in stdout.lines() {
            let line = line.unwrap();
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                port = rest.trim_end_matches('.').parse::<u16>().ok();
                break;
            }
        }
        let port = port.expect("chromedriver says its port");
        Self { child, url: format!("http://127.0.0.1:{port}"), profile: tempfile::tempdir().unwrap() }
    }

    /// A browser window this wide; a telephone where it is narrow.
    async fn browser(&self, name: &str, width: u32) -> Client {
        let profile = self.profile.path().join(name);
        let mut options = json!({
            "args": [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--no-proxy-server",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                format!("--window-size={width},900"),
                format!("--user-data-dir={}", profile.display()),
            ],
        });
        if width < 500 {
            options["mobileEmulation"] = json!({ "deviceMetrics": { "width": width, "height": 844, "pixelRatio": 1.0, "touch": true } });
        }
        let capabilities = json!({ "goog:chromeOptions": options });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        let client = builder.connect(&self.url).await;
        client.unwrap_or_else(|e| panic!("no browser (if Chromium is missing: it {MISSING}): {e}"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let signal = |args: &[&str]| {
            let _ = Command::new("kill").args(args).stderr(Stdio::null()).status();
        };
        // the driver closes its browsers when it is asked to end
        signal(&["-TERM", &pid]);
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        signal(&["-KILL", "--", &format!("-{pid}")]);
        let _ = self.child.wait();
    }
}

async fn text(client: &Client, css: &str) -> String {
    let element = client.find(Locator::Css(css)).await.unwrap_or_else(|e| panic!("{css}: {e}"));
    element.text().await.unwrap().replace('\u{a0}', " ")
}

/// Clicks, and waits until the page with that path is there.
async fn follow(client: &Client, what: Locator<'_>, path: &str) {
    client.find(what).await.unwrap_or_else(|e| panic!("{what:?}: {e}")).click().await.unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while client.current_url().await.unwrap().path() != path {
        assert!(Instant::now() < until, "{what:?} does not lead to {path}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    client.wait().at_most(Duration::from_secs(10)).for_element(Locator::Css("footer")).await.unwrap();
}

async fn sign_in(client: &Client, app: &TestApp, email: &str) {
    client.goto(&format!("{}/", app.app.url())).await.unwrap();
    let form = client.form(Locator::Css("form.form")).await.unwrap();
    form.set_by_name("email", email).await.unwrap();
    form.set_by_name("password", PASSWORD).await.unwrap();
    client.find(Locator::Css("form.form .button-primary")).await.unwrap().click().await.unwrap();
    client.wait().at_most(Duration::from_secs(10)).for_element(Locator::Css(".topbar")).await.unwrap();
}

async fn customer(app: &TestApp) -> OrganizationId {
    let id = app.organization("Acme").await;
    credit(app, id, 1_000, Class::Paid, None).await;
    person(app, "ana@example.com", Some((id, Role::Owner, &[]))).await;
    id
}

#[actix_web::test]
async fn a_call_charged_by_the_api_is_seen_in_the_browser() {
    let driver = Driver::start();
    let app = TestApp::start().await;
    let id = customer(&app).await;
    let key = app.organization_key(id, &[Scope::UsageWrite]).await;
    let client = driver.browser("wide", 1_280).await;
    sign_in(&client, &app, "ana@example.com").await;
    assert_eq!(client.current_url().await.unwrap().path(), "/overview");
    assert_eq!(text(&client, ".top-balance .amount-credits").await, "1,000.00 credits");
    // the script runs under the page's own policy: what is to be copied has a button
    assert_eq!(text(&client, ".code .copy").await, "Copy");

    let event = r#"{"id":"call-1","meter":"voice","quantity":84,"agent_id":"reception","occurred_at":"2026-11-21T08:59:00Z"}"#;
    let charged = app.post("/api/v1/usage/events", event).bearer(&key).send().await.expect(201);
    assert_eq!(charged.json["credits"], json!(9.8));

    follow(&client, Locator::LinkText("Usage"), "/usage").await;
    assert_eq!(text(&client, ".top-balance .amount-credits").await, "990.20 credits");
    assert!(text(&client, ".tiles").await.contains("9.80"));
    let day = Locator::Css(".day-list a[href='/usage/2026-11-21']");
    follow(&client, day, "/usage/2026-11-21").await;
    assert!(text(&client, "main .table").await.contains("reception"));
    let item = charged.json["items"][0]["id"].as_str().unwrap();
    follow(&client, Locator::LinkText("Voice"), &format!("/usage/items/{item}")).await;
    assert!(text(&client, ".calc").await.contains("84 s × 7 ÷ 60"));
    follow(&client, Locator::LinkText("Transactions"), "/transactions").await;
    let newest = text(&client, "main .table tbody tr:first-child").await;
    assert!(newest.contains("Voice: 1 min 24 s") && newest.contains("−9.80 credits"), "{newest}");
    // a day of the chart leads to its items
    follow(&client, Locator::LinkText("Usage"), "/usage").await;
    let last = client.find(Locator::Css("svg .day.is-link:last-of-type")).await.unwrap();
    assert_eq!(last.attr("data-href").await.unwrap().as_deref(), Some("/usage/2026-11-21"));

    client.find(Locator::Css(".user-menu summary")).await.unwrap().click().await.unwrap();
    follow(&client, Locator::Css(".user-menu button"), "/sign-in").await;
    client.close().await.unwrap();
}

#[actix_web::test]
async fn no_page_is_wider_than_a_telephone() {
    let driver = Driver::start();
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
    for (email, pages) in [
        (
            "ana@example.com",
            vec!["/overview", "/usage", "/usage?group=agent", "/usage/2026-11-21", "/transactions"],
        ),
        (
            "op@example.com",
            vec![
                "/operator/organizations",
                "/operator/organizations/new",
                "",
                "/credit",
                "/people/new",
                "/keys/new",
            ],
        ),
    ] {
        let client = driver.browser(email, 390).await;
        sign_in(&client, &app, email).await;
        for page in pages {
            let path = match page {
                "" | "/credit" | "/people/new" | "/keys/new" => format!("/operator/organizations/{id}{page}"),
                page => page.to_owned(),
            };
            client.goto(&format!("{}{path}", app.app.url())).await.unwrap();
            let script = "return [document.documentElement.scrollWidth, innerWidth]";
            let widths = client.execute(script, Vec::new()).await.unwrap();
            assert_eq!(widths, json!([390, 390]), "{path}: content and window");
        }
        client.close().await.unwrap();
    }
}
