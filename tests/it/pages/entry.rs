//! The way in, and the operator's pages.

use tollbook::base::id::OrganizationId;
use tollbook::identity::{Role, csrf_token, setup};
use tollbook::wallet;

use crate::helpers::{Answer, TestApp};

const PASSWORD: &str = "correct horse battery";

/// A server that welcomes every organization with credit.
async fn start() -> TestApp {
    TestApp::start_with(|config| config.credits.welcome = "500".parse().unwrap()).await
}

/// What a browser keeps between requests.
#[derive(Default)]
struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn signed_in(session: &str) -> Self {
        Self { cookies: vec![("tollbook".into(), session.into())] }
    }

    fn csrf(&self) -> String {
        let of = |name: &str| self.cookies.iter().find(|(known, _)| known == name);
        of("tollbook").or(of("tollbook-visitor")).map(|(_, token)| csrf_token(token)).unwrap_or_default()
    }

    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            assert!(text.contains("HttpOnly") && text.contains("SameSite=Lax"), "{text}");
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.into(), value.into()));
            }
        }
    }

    fn header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn get(&mut self, app: &TestApp, path: &str) -> Answer {
        let answer = app.get(path).header("Cookie", &self.header()).send().await;
        self.keep(&answer);
        answer
    }

    /// Sends a form without the token of its page.
    async fn post_bare(&mut self, app: &TestApp, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let call = app.call("POST", path).header("Cookie", &self.header());
        let call = call.header("Content-Type", "application/x-www-form-urlencoded").body(body.into_bytes());
        let answer = call.send().await;
        self.keep(&answer);
        answer
    }

    async fn post(&mut self, app: &TestApp, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf();
        let mut fields = fields.to_vec();
        fields.push(("csrf", &csrf));
        self.post_bare(app, path, &fields).await
    }
}

#[track_caller]
fn is_page(answer: Answer, status: u16) -> Answer {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.text.matches("<h1").count(), 1, "{}", answer.text);
    answer
}

#[track_caller]
fn leads_to(answer: Answer, location: &str) -> Answer {
    let answer = answer.expect(303);
    assert_eq!(answer.header("location"), Some(location));
    answer
}

/// The value of a hidden field.
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let rest = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
    rest.split_once('"').unwrap().0
}

async fn balance(app: &TestApp, id: OrganizationId) -> String {
    let summary = app.db().read(move |tx| wallet::summary(tx, id, tx.now())).await.unwrap();
    summary.balance.to_string()
}

/// Goes through the set-up and signs in.
async fn operator(app: &TestApp) -> Browser {
    let token = app.db().write(|tx| setup::mint(tx, 60_000)).await.unwrap().unwrap();
    let path = format!("/setup/{}", token.expose());
    let mut browser = Browser::default();
    leads_to(browser.get(app, &format!("/setup?token={}", token.expose())).await, &path);
    is_page(browser.get(app, &path).await, 200);
    let mut fields = vec![
        ("email", "ops@vozia.example"),
        ("password", "short"),
        ("currency", "EUR"),
        ("timezone", "Europe/Madrid"),
        ("seller_name", "Vozia Telecom S.L."),
        ("seller_country", "ES"),
    ];
    let refused = is_page(browser.post(app, &path, &fields).await, 422);
    assert!(refused.text.contains("href=\"#password\"") && !refused.text.contains("short"));
    fields[1].1 = PASSWORD;
    browser.post_bare(app, &path, &fields).await.expect(403);
    leads_to(browser.post(app, &path, &fields).await, "/sign-in");
    // once
    is_page(browser.post(app, &path, &fields).await, 409);
    is_page(browser.get(app, &path).await, 409);
    let wanted = "/operator/organizations?q=x";
    let page = leads_to(browser.get(app, wanted).await, "/sign-in?next=%2Foperator%2Forganizations%3Fq%3Dx");
    let page = is_page(browser.get(app, page.header("location").unwrap()).await, 200);
    assert_eq!(hidden(&page.text, "next"), wanted);
    let sign_in = [("email", "ops@vozia.example"), ("password", PASSWORD), ("next", wanted)];
    leads_to(browser.post(app, "/sign-in", &sign_in).await, wanted);
    browser
}

#[actix_web::test]
async fn the_set_up_works_once_and_its_account_signs_in_and_out() {
    let app = start().await;
    let mut browser = operator(&app).await;
    leads_to(browser.get(&app, "/").await, "/operator/organizations");
    is_page(browser.get(&app, "/operator/organizations").await, 200);
    browser.post_bare(&app, "/sign-out", &[]).await.expect(403);
    let session = browser.header();
    leads_to(browser.post(&app, "/sign-out", &[]).await, "/sign-in");
    let old = app.get("/operator/organizations").header("Cookie", &session).send().await;
    leads_to(old, "/sign-in?next=%2Foperator%2Forganizations");
}

#[actix_web::test]
async fn signing_in_needs_its_own_page_and_the_right_password() {
    let app = start().await;
    operator(&app).await;
    let right = [("email", "ops@vozia.example"), ("password", PASSWORD)];
    let mut browser = Browser::default();
    is_page(browser.post_bare(&app, "/sign-in", &right).await, 403);
    is_page(browser.get(&app, "/sign-in?next=https://evil.example").await, 200);
    // the cookie alone, as another site's form would send it
    is_page(browser.post_bare(&app, "/sign-in", &right).await, 403);
    let wrong = [("email", "ops@vozia.example"), ("password", "not it at all")];
    let page = is_page(browser.post(&app, "/sign-in", &wrong).await, 401);
    assert!(page.text.contains("do not belong together") && page.text.contains("ops@vozia.example"));
    assert!(!page.text.contains("not it at all"));
    let bait = [right[0], right[1], ("next", "//evil.example")];
    leads_to(browser.post(&app, "/sign-in", &bait).await, "/");
}

#[actix_web::test]
async fn the_operator_makes_a_customer_and_gives_credit_once() {
    let app = start().await;
    let mut browser = operator(&app).await;
    let first = ("idempotency_key", "first");
    let bad = [first, ("name", ""), ("currency", "EUR"), ("timezone", "Europe/Madrit")];
    let page = is_page(browser.post(&app, "/operator/organizations/new", &bad).await, 422);
    assert!(page.text.contains("href=\"#timezone\""));
    let mut good =
        [first, ("name", "Ribera"), ("external_id", "cust-1"), ("currency", "EUR"), ("timezone", "UTC")];
    let made = browser.post(&app, "/operator/organizations/new", &good).await.expect(303);
    let detail = made.header("location").unwrap().split('?').next().unwrap().to_owned();
    good[0] = ("idempotency_key", "second");
    let again = is_page(browser.post(&app, "/operator/organizations/new", &good).await, 409);
    assert!(again.text.contains("is taken already"));
    let id: OrganizationId = detail.rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(balance(&app, id).await, "500");

    let path = format!("{detail}/credit");
    let form = is_page(browser.get(&app, &path).await, 200);
    let key = hidden(&form.text, "idempotency_key").to_owned();
    let mut fields = vec![
        ("idempotency_key", key.as_str()),
        ("direction", "give"),
        ("credits", "250.5"),
        ("class", "paid"),
        ("expires", "2027-02-20"),
        ("reason", ""),
        ("step", "preview"),
    ];
    let page = is_page(browser.post(&app, &path, &fields).await, 422);
    assert!(page.text.contains("href=\"#reason\""), "a reason is asked for");
    fields[5].1 = "Outage <b>";
    let page = is_page(browser.post(&app, &path, &fields).await, 200);
    assert!(page.text.contains("750.50") && page.text.contains("Outage &#60;b&#62;"), "{}", page.text);
    assert_eq!(hidden(&page.text, "idempotency_key"), key);
    assert_eq!(balance(&app, id).await, "500", "nothing has moved yet");

    fields[6].1 = "confirm";
    let done = format!("{detail}?done=given");
    leads_to(browser.post(&app, &path, &fields).await, &done);
    leads_to(browser.post(&app, &path, &fields).await, &done);
    assert_eq!(balance(&app, id).await, "750.5");
    // the same page, changed behind the back button
    fields[2].1 = "99";
    is_page(browser.post(&app, &path, &fields).await, 409);
    assert_eq!(balance(&app, id).await, "750.5");
    let page = is_page(browser.get(&app, &done).await, 200);
    assert!(page.text.contains("The credit has been given.") && page.text.contains("Outage &#60;b&#62;"));
    // the last day is a whole day
    let grants = app.db().read(move |tx| wallet::summary(tx, id, tx.now())).await.unwrap().grants;
    let expires: Vec<_> = grants.iter().filter_map(|grant| grant.terms.order.expires_at).collect();
    assert!(expires.contains(&crate::helpers::at("2027-02-21T00:00:00Z")), "{expires:?}");
}

#[actix_web::test]
async fn credit_is_taken_back_as_the_preview_said_and_never_below_what_is_there() {
    let app = start().await;
    let mut browser = Browser::signed_in(&app.operator().await.1);
    let id = app.organization("Ribera").await;
    let path = format!("/operator/organizations/{id}/credit");
    let key = hidden(&browser.get(&app, &path).await.text, "idempotency_key").to_owned();
    let mut fields = vec![
        ("idempotency_key", key.as_str()),
        ("direction", "take"),
        ("credits", "500.000001"),
        ("class", "free"),
        ("reason", "Mistake"),
        ("step", "preview"),
    ];
    for step in ["preview", "confirm"] {
        fields[5].1 = step;
        let page = is_page(browser.post(&app, &path, &fields).await, 422);
        assert!(page.text.contains("href=\"#credits\""), "{}", page.text);
    }
    fields[2].1 = "120";
    fields[5].1 = "preview";
    let page = is_page(browser.post(&app, &path, &fields).await, 200);
    assert!(page.text.contains("380.00"));
    fields[5].1 = "confirm";
    browser.post_bare(&app, &path, &fields).await.expect(403);
    assert_eq!(balance(&app, id).await, "500");
    browser.post(&app, &path, &fields).await.expect(303);
    assert_eq!(balance(&app, id).await, "380");
}

#[actix_web::test]
async fn every_page_of_the_operator_is_for_the_operator_alone() {
    let app = start().await;
    let id = app.organization("Ribera").await;
    let mut operator = Browser::signed_in(&app.operator().await.1);
    let detail = format!("/operator/organizations/{id}");
    let pages = [
        "/operator/organizations".to_owned(),
        "/operator/organizations?q=rib&flag=risk&limit=1".to_owned(),
        "/operator/organizations/new".to_owned(),
        detail.clone(),
        format!("{detail}/credit"),
    ];
    for role in Role::ALL {
        let mut member = Browser::signed_in(&app.member(id, role).await.1);
        for path in &pages {
            is_page(member.get(&app, path).await, 403);
        }
        let give = [
            ("idempotency_key", "k"),
            ("credits", "5"),
            ("class", "free"),
            ("reason", "x"),
            ("step", "confirm"),
        ];
        is_page(member.post(&app, &format!("{detail}/credit"), &give).await, 403);
        is_page(member.post(&app, &format!("{detail}/see-as"), &[]).await, 403);
        is_page(member.post(&app, "/operator/organizations/new", &[("name", "x")]).await, 403);
        is_page(member.post(&app, "/switch-organization", &[("organization", "org_nothing")]).await, 403);
    }
    assert_eq!(balance(&app, id).await, "500");
    for path in &pages {
        is_page(operator.get(&app, path).await, 200);
    }
    is_page(operator.get(&app, "/operator/organizations?flag=nonsense").await, 422);
    is_page(operator.get(&app, "/operator/organizations/org_nothing").await, 404);
    is_page(operator.get(&app, "/nothing").await, 404);
}

#[actix_web::test]
async fn the_list_goes_on_with_its_cursor_and_finds_by_name() {
    let app = start().await;
    for name in ["Alba", "Brisa", "Cumbre"] {
        app.organization(name).await;
    }
    let mut operator = Browser::signed_in(&app.operator().await.1);
    let found = is_page(operator.get(&app, "/operator/organizations?q=bris").await, 200).text;
    assert!(found.contains("Brisa") && !found.contains("Alba") && !found.contains("Cumbre"));
    let first = is_page(operator.get(&app, "/operator/organizations?limit=2").await, 200).text;
    assert!(first.contains("Cumbre") && first.contains("Brisa") && !first.contains(">Alba<"));
    let next = first.split("href=\"").find(|rest| rest.contains("cursor=") && rest.starts_with("/operator"));
    let next = next.unwrap().split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let second = is_page(operator.get(&app, &next).await, 200).text;
    assert!(second.contains("Alba") && !second.contains(">Cumbre<") && !second.contains(">Brisa<"));
}

#[actix_web::test]
async fn an_operator_sees_as_a_customer_and_stops() {
    let app = start().await;
    let id = app.organization("Ribera").await;
    let mut operator = Browser::signed_in(&app.operator().await.1);
    let see = format!("/operator/organizations/{id}/see-as");
    operator.post_bare(&app, &see, &[]).await.expect(403);
    leads_to(operator.post(&app, &see, &[]).await, "/overview");
    leads_to(operator.get(&app, "/").await, "/overview");
    let page = is_page(operator.get(&app, "/overview").await, 200);
    assert!(page.text.contains("You see these pages as <strong>Ribera</strong>"));
    leads_to(operator.post(&app, "/operator/leave", &[]).await, &format!("/operator/organizations/{id}"));
    leads_to(operator.get(&app, "/").await, "/operator/organizations");
    let noted = app.db().read(|tx| {
        tx.query_row("SELECT count(*) FROM audit_log WHERE action = 'organization.seen_as'", [], |r| {
            r.get::<_, i64>(0)
        })
        .map_err(tollbook::db::DbError::from)
    });
    assert_eq!(noted.await.unwrap(), 1);
}
