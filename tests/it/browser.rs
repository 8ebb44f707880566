//! The pages in a real browser: Chromium, driven by its own driver (<https://www.w3.org/TR/webdriver2/>).

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tollbook::base::id::OrganizationId;
use tollbook::catalog::drafts;
use tollbook::catalog::rules::Rate;
use tollbook::grants::Class;
use tollbook::identity::{Role, Scope};

use crate::helpers::{BY, TestApp};
use crate::pages::browsing::{PASSWORD, Use, charge, credit, person, sign_in};

const MISSING: &str = "is not installed: run ./test.sh, which installs chromium and chromium-driver";
/// The key under which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long a page may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// What axe is asked (<https://github.com/dequelabs/axe-core/blob/develop/doc/API.md>), and what of its answer is told.
const AXE: &str = "const told = arguments[arguments.length - 1]; axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', \
                   'best-practice'] }).then(found => told(found.violations.map(v => [v.id, v.help, \
                   v.nodes.slice(0, 3).map(n => n.html + ' ' + n.failureSummary)])), error => told(String(error)))";

/// The source of axe.
fn axe() -> String {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/lib");
    let found = std::fs::read_dir(lib).into_iter().flatten().flatten();
    let mut files = found.map(|python| python.path().join("site-packages/axe_playwright_python/axe.min.js"));
    let file =
        files.find(|file| file.is_file()).expect("axe is not installed: run ./test.sh, which installs it");
    std::fs::read_to_string(file).unwrap()
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    Script,
    NoScript,
}

/// A browser window, with its driver on a port of its own. Both end with it.
struct Browser {
    driver: Child,
    client: Client,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// A window this wide; a telephone where it is narrow.
    async fn start(width: u32, scripts: With) -> Self {
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
        let client = tollbook::outside::builder().unwrap().build().unwrap();
        let mut options = json!({ "args": arguments });
        if scripts == With::NoScript {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
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
        let there = "return [location.pathname, !!document.querySelector('footer')]";
        while self.run(there).await != json!([path, true]) {
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

    async fn run(&self, script: &str) -> Value {
        self.call(Method::POST, "/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// What the machine says its owner likes: `light` or `dark`.
    async fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.call(Method::POST, "/goog/cdp/execute", command).await;
    }

    /// Every page from now on has this in it.
    async fn bring(&self, source: &str) {
        let command =
            json!({ "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": { "source": source } });
        self.call(Method::POST, "/goog/cdp/execute", command).await;
    }

    /// What is wrong with the page that is open: it is wider than the window, or somebody cannot use it.
    async fn unfit(&self, page: &str, width: u32, scheme: &str) -> Vec<String> {
        let at = format!("{page} ({width}, {scheme})");
        let mut wrong = Vec::new();
        let content = self.run("return document.documentElement.scrollWidth").await.as_u64().unwrap();
        if content > u64::from(width) {
            wrong.push(format!("{at}: the content is {content} wide"));
        }
        let found = self.call(Method::POST, "/execute/async", json!({ "script": AXE, "args": [] })).await;
        let found = found.as_array().unwrap_or_else(|| panic!("{at}: {found}"));
        wrong.extend(found.iter().map(|violation| format!("{at}: {violation}")));
        wrong
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

    /// Where files go from now on.
    async fn downloads(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let command = json!({ "cmd": "Browser.setDownloadBehavior",
            "params": { "behavior": "allow", "downloadPath": dir.path() } });
        self.call(Method::POST, "/goog/cdp/execute", command).await;
        dir
    }

    /// The PDF behind the first of such links.
    async fn download(&self, css: &str, to: &TempDir) -> Vec<u8> {
        self.click("css selector", css).await;
        let until = Instant::now() + PATIENCE;
        loop {
            let mut files = std::fs::read_dir(to.path()).unwrap().map(|entry| entry.unwrap().path());
            if let Some(done) = files.find(|path| path.extension().is_some_and(|ending| ending == "pdf")) {
                return std::fs::read(done).unwrap();
            }
            assert!(Instant::now() < until, "nothing was downloaded");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Forgets who was signed in.
    async fn forget(&self) {
        self.call(Method::DELETE, "/cookie", Value::Null).await;
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
    let browser = Browser::start(1_280, With::Script).await;
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

/// Buys credit with a card of the sandbox, and has the invoice on the disk.
#[actix_web::test]
async fn credit_is_bought_and_its_invoice_downloaded() {
    const CSS: &str = "css selector";
    let browser = Browser::start(1_280, With::Script).await;
    let app = TestApp::start().await;
    customer(&app).await;
    let downloads = browser.downloads().await;
    browser.sign_in(&app, "ana@example.com", "/overview").await;
    browser.follow("link text", "Top up", "/topup").await;
    browser.click(CSS, "input[name=package][value=growth]").await;
    browser.follow(CSS, "main form .button-primary", "/topup/review").await;
    let asked = browser.text("main").await;
    assert!(asked.contains("\u{20ac}60.50") && asked.contains("6,250.00 credits"), "{asked}");
    browser.click(CSS, "main form .button-primary").await;
    browser.write("input[name=card]", "4242 4242 4242 4242").await;
    browser.click(CSS, "main form .button-primary").await;
    let paid = browser.text("main").await;
    assert!(paid.contains("Paid, and the credit is there."), "{paid}");
    assert!(browser.text(".topbar").await.contains("6,250.00 credits"));
    browser.follow("link text", "Invoices", "/invoices").await;
    let row = browser.text("main table tbody tr:first-child").await;
    assert!(row.contains("INV-2026-000001") && row.contains("\u{20ac}60.50"), "{row}");
    let file = browser.download("main a[href$='/pdf']", &downloads).await;
    assert!(file.starts_with(b"%PDF-") && file.len() > 5_000, "{} bytes", file.len());
    browser.close().await;
}

/// Subscribes on the sandbox's page, goes up with the card that was saved there, and is renewed when the operator moves the clock.
#[actix_web::test]
async fn a_plan_is_chosen_changed_and_renewed() {
    const CSS: &str = "css selector";
    const LINK: &str = "link text";
    let browser = Browser::start(1_280, With::Script).await;
    let app = TestApp::start().await;
    customer(&app).await;
    person(&app, "op@example.com", None).await;
    let downloads = browser.downloads().await;
    browser.sign_in(&app, "ana@example.com", "/overview").await;
    browser.follow(LINK, "Plan", "/plan").await;
    browser.follow(LINK, "Choose Starter", "/plan/review").await;
    browser.click(CSS, "main form .button-primary").await;
    browser.write("input[name=card]", "4242 4242 4242 4242").await;
    browser.click(CSS, "main form .button-primary").await;
    let paid = browser.text("main").await;
    assert!(paid.contains("Paid: see your plan.") && paid.contains("\u{20ac}35.09"), "{paid}");
    browser.follow(LINK, "See the plan", "/plan").await;
    browser.follow(LINK, "Choose Growth", "/plan/review").await;
    let asked = browser.text("main").await;
    assert!(asked.contains("Pay \u{20ac}84.70") && asked.contains("Visa •••• 4242 is charged"), "{asked}");
    browser.follow(CSS, "main form .button-primary", "/plan").await;
    let plan = browser.text("main").await;
    assert!(plan.contains("Paid, and done.") && plan.contains("21 Nov 2026 to 21 Dec 2026"), "{plan}");

    browser.forget().await;
    browser.sign_in(&app, "op@example.com", "/operator/organizations").await;
    browser.follow(LINK, "Clock", "/operator/clock").await;
    browser.write("input[name=by]", "31").await;
    browser.click(CSS, "select[name=unit] option[value=days]").await;
    browser.click(CSS, "main form .button-primary").await;
    let banner = browser.text("body").await;
    assert!(banner.contains("22 Dec 2026"), "{banner}");

    // sessions have ended meanwhile
    browser.forget().await;
    browser.sign_in(&app, "ana@example.com", "/overview").await;
    browser.follow(LINK, "Growth", "/plan").await;
    let plan = browser.text("main").await;
    assert!(plan.contains("Growth") && plan.contains("21 Dec 2026 to 21 Jan 2027"), "{plan}");
    browser.follow(LINK, "Invoices", "/invoices").await;
    let row = browser.text("main table tbody tr:first-child").await;
    assert!(row.contains("INV-2026-000003") && row.contains("\u{20ac}119.79"), "{row}");
    let file = browser.download("main a[href$='/pdf']", &downloads).await;
    assert!(file.starts_with(b"%PDF-") && file.len() > 5_000, "{} bytes", file.len());

    browser.forget().await;
    browser.sign_in(&app, "op@example.com", "/operator/organizations").await;
    browser.follow(LINK, "Deliveries", "/operator/deliveries").await;
    let sent = browser.text("main").await;
    assert!(sent.contains("Your plan Growth was renewed") && sent.contains("ana@example.com"), "{sent}");
    browser.click(LINK, "Your plan Growth was renewed").await;
    let mail = browser.text("main").await;
    assert!(mail.contains("Another period has begun"), "{mail}");
    browser.close().await;
}

/// Every page there is, with long names and odd amounts on it; first those of the customer, then the operator's.
async fn every_page(app: &TestApp) -> [(&'static str, Vec<String>); 2] {
    let id = customer(app).await;
    credit(app, id, 10_000, Class::Paid, None).await;
    crate::api::invoices::sell(app, id, "a-sale", 123_456_789).await;
    let long = "an-agent-with-a-very-long-name-that-the-platform-made-up-0123456789abcdef";
    let used = |id, meter| Use {
        id,
        meter,
        quantity: "3723.456789",
        at: "2026-11-21T08:00:00Z",
        agent: long,
        workspace: "a-workspace",
    };
    charge(app, id, &[used("e1", "voice"), used("e2", "chat"), used("e3", "transfer_minute")]).await;
    let key = app.organization_key(id, &Scope::ALL).await;
    for call in ["a-call-that-is-over-0123456789abcdef0123456789abcdef", "a-call-in-progress"] {
        let asked = json!({ "call_id": call, "direction": "inbound", "agent_id": long, "number_id": "+34 910 000 117" });
        let path = "/api/v1/usage/authorizations";
        let asked = app.post(path, &asked.to_string()).bearer(&key).send().await.expect(201);
        if call.contains("over") {
            let path = format!("{path}/{}/capture", asked.json["id"].as_str().unwrap());
            let over = r#"{"duration_seconds":3723.456789,"transfer_seconds":71}"#;
            app.post(&path, over).bearer(&key).send().await.expect(200);
        }
    }
    let number = r#"{"number_id":"+34 910 000 117","kind":"toll_free"}"#;
    app.post("/api/v1/numbers", number).bearer(&key).send().await.expect(201);
    begin_drafts(app, id).await;
    person(app, "op@example.com", None).await;
    let reader = sign_in(app, "ana@example.com").await;
    let first = async |page: &str, link: &str| reader.get(page).await.expect(200).links(link).remove(0);
    let customers = vec![
        "/overview".to_owned(),
        "/usage".into(),
        "/usage?group=agent".into(),
        "/usage/2026-11-21".into(),
        first("/usage/2026-11-21", "/usage/items/").await,
        "/transactions".into(),
        first("/transactions", "/transactions/txn_").await,
        "/usage/items/use_nothing".into(),
        "/limits".into(),
        first("/limits", "/limits/agent").await,
        "/docs".into(),
        "/plan".into(),
        "/plan/review?plan=growth".into(),
        "/plan/review?plan=starter".into(),
        "/plan/cancel".into(),
        "/plan/pause".into(),
        "/topup".into(),
        "/topup/review?package=growth".into(),
        "/transfer".into(),
        "/invoices".into(),
        first("/invoices", "/invoices/inv_").await,
        "/billing-details".into(),
        "/auto-reload".into(),
        "/payment-methods".into(),
        "/members".into(),
        "/members/invite".into(),
        "/alerts".into(),
        "/webhooks".into(),
        "/numbers".into(),
        "/calls".into(),
        "/calls?status=completed&from=yesterday".into(),
        "/calls/ext:a-call-in-progress".into(),
        "/calls/ext:a-call-that-is-over-0123456789abcdef0123456789abcdef".into(),
    ];
    [("ana@example.com", customers), ("op@example.com", operators_pages(id))]
}

/// Drafts of a card and of a plan that cost something else last month.
async fn begin_drafts(app: &TestApp, id: OrganizationId) {
    let last_month = |id, meter| Use {
        id,
        meter,
        quantity: "3723.456789",
        at: "2026-10-25T08:00:00Z",
        agent: "",
        workspace: "",
    };
    charge(app, id, &[last_month("l1", "voice"), last_month("l2", "chat")]).await;
    let catalog = app.db().read_blocking(|tx| app.app.state.catalog.get(tx)).unwrap();
    let payg = catalog.rate_card_by_code("payg").unwrap();
    let mut rates: Vec<Rate> = payg.versions[0].rates.values().cloned().collect();
    rates[0].price =
        serde_json::from_str(r#"{"graduated":[{"up_to":60000,"price":6.5},{"price":6}]}"#).unwrap();
    let card = payg.code.clone();
    let growth = catalog.plan_by_code("growth").unwrap();
    let plan = (growth.code.clone(), growth.versions[0].terms.clone());
    let begun = app.db().write(move |tx| {
        drafts::begin(tx, &BY, &card, &rates)?;
        drafts::begin(tx, &BY, &plan.0, &plan.1)
    });
    begun.await.unwrap();
}

fn operators_pages(id: OrganizationId) -> Vec<String> {
    let operators = [
        "/operator/organizations",
        "/operator/organizations/new",
        "/operator/deliveries",
        "/operator/jobs",
        "/operator/clock",
        "/operator/rates",
        "/operator/rates/growth",
        "/operator/rates/new-meter",
        "/operator/rates/payg/draft",
        "/operator/rates/payg/draft/meters/voice",
        "/operator/plans",
        "/operator/plans/growth",
        "/operator/plans/growth/draft",
        "/operator/plans/growth/draft/terms",
        "/operator/plans/growth/migrate",
        "/operator/packages",
        "/operator/packages/growth",
        "/operator/packages/new",
        "/operator/payments",
        "/operator/reports",
        "/operator/seller",
    ];
    let mut operators: Vec<String> = operators.map(str::to_owned).into();
    let of = |page: &str| format!("/operator/organizations/{id}{page}");
    operators.extend(["", "/credit", "/people/new", "/keys/new", "/prices", "/suspend"].map(of));
    operators
}

#[actix_web::test]
async fn every_page_fits_a_telephone_and_is_for_everybody_by_day_and_by_night() {
    let axe = axe();
    let app = TestApp::start().await;
    let pages = every_page(&app).await;
    let mut wrong = Vec::new();
    for (width, scheme) in [(390, "dark"), (1_280, "light")] {
        let looked = pages.iter().map(async |(email, pages)| {
            let mut wrong = Vec::new();
            let browser = Browser::start(width, With::Script).await;
            browser.prefer(scheme).await;
            browser.bring(&axe).await;
            browser.go(&format!("{}/sign-in", app.app.url())).await;
            wrong.extend(browser.unfit("/sign-in", width, scheme).await);
            browser.sign_in(&app, email, &pages[0]).await;
            for page in pages {
                browser.go(&format!("{}{page}", app.app.url())).await;
                wrong.extend(browser.unfit(page, width, scheme).await);
            }
            browser.close().await;
            wrong
        });
        wrong.extend(futures_util::future::join_all(looked).await.concat());
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[actix_web::test]
async fn night_is_dark_and_day_is_light() {
    let app = TestApp::start().await;
    let browser = Browser::start(1_280, With::Script).await;
    browser.go(&format!("{}/sign-in", app.app.url())).await;
    let mut lightness = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        let script = "return getComputedStyle(document.body).backgroundColor";
        let colours = browser.run(script).await.as_str().unwrap().to_owned();
        let shades = colours.split(['(', ')', ',']).filter_map(|part| part.trim().parse::<u32>().ok());
        lightness.push(shades.take(3).sum::<u32>());
    }
    assert!(lightness[0] > 600 && lightness[1] < 200, "{lightness:?}");
    browser.close().await;
}

#[actix_web::test]
async fn everything_works_without_javascript() {
    const CSS: &str = "css selector";
    const LINK: &str = "link text";
    let app = TestApp::start().await;
    let id = customer(&app).await;
    person(&app, "op@example.com", None).await;
    let browser = Browser::start(1_280, With::NoScript).await;
    browser.sign_in(&app, "ana@example.com", "/overview").await;
    let buttons = browser.call(Method::POST, "/elements", json!({ "using": CSS, "value": ".copy" })).await;
    assert_eq!(buttons, json!([]), "the page's script ran");
    let key = app.organization_key(id, &[Scope::UsageWrite]).await;
    let call = r#"{"id":"call-1","meter":"voice","quantity":84,"agent_id":"reception","occurred_at":"2026-11-21T08:59:00Z"}"#;
    app.post("/api/v1/usage/events", call).bearer(&key).send().await.expect(201);
    browser.follow(LINK, "Usage", "/usage").await;
    browser.follow(CSS, ".filters button", "/usage").await;
    assert!(browser.text(".tiles").await.contains("9.80"));
    browser.follow(CSS, ".day-list a[href='/usage/2026-11-21']", "/usage/2026-11-21").await;
    browser.follow(LINK, "Transactions", "/transactions").await;
    browser.click(CSS, ".user-menu summary").await;
    browser.follow(CSS, ".user-menu button", "/sign-in").await;

    let home = format!("/operator/organizations/{id}");
    let credit = format!("{home}/credit");
    browser.sign_in(&app, "op@example.com", "/operator/organizations").await;
    browser.follow(LINK, "Acme", &home).await;
    browser.follow(LINK, "Give or take back credit", &credit).await;
    browser.write("input[name=credits]", "250.5").await;
    browser.write("[name=reason]", "An outage").await;
    browser.click(CSS, "form.form .button-primary").await;
    assert!(browser.text("main").await.contains("1,240.70 credits"), "{}", browser.text("main").await);
    browser.follow(CSS, "button[value=confirm]", &home).await;
    assert!(browser.text(".balance-card").await.contains("1,240.70 credits"));
    browser.close().await;
}
