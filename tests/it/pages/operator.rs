//! What the operator does.

use tollbook::base::Money;
use tollbook::base::id::OrganizationId;
use tollbook::grants::Class;
use tollbook::identity::{Role, Scope, audit, organizations};
use tollbook::ledger::TransactionType;
use tollbook::revenue;
use tollbook::wallet::{self, NewCredit};

use super::browsing::{Browser, PASSWORD, Use, charge, credit, person, sign_in};
use crate::helpers::{BY, TestApp};

async fn operator(app: &TestApp) -> Browser<'_> {
    person(app, "op@example.com", None).await;
    sign_in(app, "op@example.com").await
}

fn actions(app: &TestApp, id: OrganizationId) -> Vec<String> {
    let filter = audit::Filter { organization: Some(id), ..audit::Filter::default() };
    let entries = app.db().read_blocking(|tx| audit::list(tx, &filter, None, 50)).unwrap().items;
    entries.into_iter().rev().map(|entry| entry.action).collect()
}

#[actix_web::test]
async fn organizations_are_created_listed_and_found() {
    let app = TestApp::start_with(|config| config.credits.welcome = "500".parse().unwrap()).await;
    let browser = operator(&app).await;
    browser.get("/operator/organizations").await.expect(200).says("No organizations yet");
    let path = "/operator/organizations/new";
    let page = browser.get(path).await.expect(200);
    page.says("It starts with 500.00 credits");
    let fields = [
        ("name", "Ribera & Co"),
        ("external_id", "cust-1"),
        ("currency", "USD"),
        ("timezone", "Europe/Madrid"),
        ("plan", "growth"),
    ];
    let wrong = browser.fill(&page, path, &[("name", ""), ("currency", "USD"), ("timezone", "Mars")]).await;
    let wrong = wrong.expect(422);
    wrong.says("Name is required");
    wrong.says("Timezone is not an IANA timezone");
    assert_eq!(wrong.value("timezone"), "Mars");
    let created = browser.fill(&wrong, path, &fields).await;
    let location = created.location().to_owned();
    // the same form once more makes no second one
    assert_eq!(browser.fill(&wrong, path, &fields).await.location(), location);
    let detail = browser.get(&location).await.expect(200);
    detail.says("The organization has been created.");
    detail.says("Available 500.00 credits · $5.00");
    detail.says("Prices Plan Growth, version 1");
    detail.says("Timezone Europe/Madrid");
    let taken = browser.fill(&browser.get(path).await, path, &fields).await.expect(409);
    taken.says("Your platform's id is taken already");
    assert_eq!(taken.value("name"), "Ribera & Co");

    let other = app.organization("Other").await;
    charge(&app, other, &[used("e1", "4800")]).await;
    let list = browser.get("/operator/organizations").await.expect(200);
    list.says("2 of 2");
    list.says("Other Overdrawn −60.00 credits · −€0.60 nothing left");
    list.says("Credit owed 500.00 credits");
    let found = browser.get("/operator/organizations?q=ribera").await.expect(200);
    found.says("Ribera");
    found.does_not_say("Other");
    let overdrawn = browser.get("/operator/organizations?flag=overdrawn").await.expect(200);
    overdrawn.says("Other");
    overdrawn.does_not_say("Ribera");
    let first = browser.get("/operator/organizations?limit=1").await.expect(200);
    let next = first.links("/operator/organizations?cursor=").remove(0);
    browser.get(&next).await.expect(200).says("Ribera");
    assert_eq!(actions(&app, list_id(&location)), ["organization.created"]);
}

fn list_id(location: &str) -> OrganizationId {
    location.trim_start_matches("/operator/organizations/").split('?').next().unwrap().parse().unwrap()
}

fn used<'a>(id: &'a str, seconds: &'a str) -> Use<'a> {
    Use {
        id,
        meter: "voice",
        quantity: seconds,
        at: "2026-11-21T08:00:00Z",
        agent: "desk",
        workspace: "shop",
    }
}

#[actix_web::test]
async fn an_organization_is_suspended_noted_and_let_act_again() {
    let app = TestApp::start().await;
    let id = app.organization("Acme").await;
    let browser = operator(&app).await;
    let home = format!("/operator/organizations/{id}");
    let path = format!("{home}/suspend");
    let page = browser.get(&path).await.expect(200);
    let again = browser.fill(&page, &path, &[("reason", "  ")]).await.expect(422);
    again.says("Reason is required");
    browser.fill(&again, &path, &[("reason", "does not <pay>")]).await.location();
    let page = browser.get(&home).await.expect(200);
    page.says("Suspended. does not <pay>");
    assert!(!page.html().contains("<pay>"));
    browser.fill(&page, &format!("{home}/resume"), &[]).await.location();
    let page = browser.get(&format!("{home}?done=resumed")).await.expect(200);
    page.says("The organization may act again.");
    page.does_not_say("Suspended.");
    let notes = format!("{home}/notes");
    let empty = browser.fill(&page, &notes, &[("note", "")]).await.expect(422);
    empty.says("New note is required");
    browser.fill(&empty, &notes, &[("note", "Called.\nPays on Monday.")]).await.location();
    browser.fill(&empty, &notes, &[("note", "Called.\nPays on Monday.")]).await.location();
    let page = browser.get(&home).await.expect(200);
    page.says("Called. Pays on Monday. op@example.com, 21 Nov 2026, 09:00");
    assert_eq!(page.text().matches("Pays on Monday").count(), 1, "sent twice, noted once");
    assert_eq!(
        actions(&app, id),
        ["organization.created", "organization.suspended", "organization.resumed", "organization.noted"]
    );
}

#[actix_web::test]
async fn a_person_is_added_and_can_sign_in() {
    let app = TestApp::start().await;
    let id = app.organization("Acme").await;
    charge(&app, id, &[used("e1", "60")]).await;
    let browser = operator(&app).await;
    let path = format!("/operator/organizations/{id}/people/new");
    let page = browser.get(&path).await.expect(200);
    let member = [("email", "luis@example.com"), ("role", "member")];
    let wrong = browser.fill(&page, &path, &member).await.expect(422);
    wrong.says("Workspaces must be chosen for a member");
    assert_eq!(wrong.value("email"), "luis@example.com");
    let owner = [("email", "ana@example.com"), ("role", "owner")];
    let invited = browser.fill(&page, &path, &owner).await.location().to_owned();
    assert_eq!(invited, format!("/operator/organizations/{id}?done=invited"));
    let page = browser.get(&path).await.expect(200);
    let short = [("email", "ana@example.com"), ("role", "owner"), ("password", "short")];
    browser.fill(&page, &path, &short).await.expect(422).says("must have at least 12 characters");
    let full = [("email", "ana@example.com"), ("role", "owner"), ("password", PASSWORD)];
    let page = browser.get(&path).await;
    browser.fill(&page, &path, &full).await.location();
    browser.fill(&page, &path, &full).await.location();
    let detail = browser.get(&format!("/operator/organizations/{id}")).await.expect(200);
    detail.says("ana@example.com Owner never");
    sign_in(&app, "ana@example.com").await.get("/overview").await.expect(200);
    // somebody who signs in already needs no password, and is not given another
    let again = [("email", "ana@example.com"), ("role", "owner"), ("password", PASSWORD)];
    let page = browser.get(&path).await;
    browser.fill(&page, &path, &again).await.expect(422).says("First password must be empty");
    let second = app.organization("Second").await;
    let path = format!("/operator/organizations/{second}/people/new");
    let page = browser.get(&path).await;
    browser.fill(&page, &path, &[("email", "ANA@example.com"), ("role", "billing")]).await.location();
    let page = sign_in(&app, "ana@example.com").await.get("/overview").await.expect(200);
    page.says("Second");
}

#[actix_web::test]
async fn a_key_is_shown_once_and_revoked() {
    let app = TestApp::start().await;
    let id = app.organization("Acme").await;
    let browser = operator(&app).await;
    let path = format!("/operator/organizations/{id}/keys/new");
    let page = browser.get(&path).await.expect(200);
    browser.fill(&page, &path, &[("name", "Backend")]).await.expect(422).says("must name at least one scope");
    browser.fill(&page, &path, &[("scopes", "admin")]).await.expect(422);
    let page = browser.get(&path).await.expect(200);
    let fields = [("name", "Backend"), ("scopes", "usage:write"), ("scopes", "billing:read")];
    let issued = browser.fill(&page, &path, &fields).await.expect(200);
    issued.says("Copy it now: it is not shown again");
    let key = issued.text().split("tb_test_").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let key = format!("tb_test_{key}");
    let me = app.get("/api/v1/auth/me").bearer(&key).send().await.expect(200);
    assert_eq!(me.json["scopes"], serde_json::json!(["billing:read", "usage:write"]));
    let again = browser.fill(&page, &path, &fields).await.expect(200);
    again.says("This form had been sent already");
    assert!(!again.html().contains(&key));
    let detail = browser.get(&format!("/operator/organizations/{id}")).await.expect(200);
    assert!(!detail.html().contains(&key));
    assert_eq!(detail.text().matches("Backend").count(), 1, "sent twice, issued once");
    let key_id = me.json["key_id"].as_str().unwrap();
    let revoke = format!("/operator/organizations/{id}/keys/{key_id}/revoke");
    // not through another organization
    let other = app.organization("Other").await;
    let foreign = format!("/operator/organizations/{other}/keys/{key_id}/revoke");
    let csrf = detail.hidden(&revoke).remove(0).1;
    browser.send(&foreign, &[("csrf", &csrf)]).await.expect(404);
    browser.fill(&detail, &revoke, &[]).await.location();
    app.get("/api/v1/auth/me").bearer(&key).send().await.expect(401);
    browser.get(&format!("/operator/organizations/{id}")).await.expect(200).says("Backend Revoked");
}

#[actix_web::test]
async fn prices_are_changed_from_now_on() {
    let app = TestApp::start().await;
    let id = app.organization("Acme").await;
    let browser = operator(&app).await;
    let path = format!("/operator/organizations/{id}/prices");
    let page = browser.get(&path).await.expect(200);
    page.says("Now: Pay as you go.");
    browser
        .fill(&page, &path, &[("plan", "nonsense")])
        .await
        .expect(422)
        .says("Plan is not the code of a plan");
    browser.fill(&page, &path, &[("plan", "starter"), ("rate_card", "")]).await.location();
    let page = browser.get(&path).await.expect(200);
    page.says("Now: Plan Starter, version 1.");
    assert!(page.html().contains("<option value=\"starter\" selected>"));
}

#[actix_web::test]
async fn the_operator_sees_what_the_customer_sees_and_changes_nothing() {
    let app = TestApp::start().await;
    let id = app.organization("Acme").await;
    credit(&app, id, 100, Class::Paid, None).await;
    let browser = operator(&app).await;
    assert_eq!(browser.get("/overview").await.location(), "/operator/organizations");
    let home = format!("/operator/organizations/{id}");
    let page = browser.get(&home).await.expect(200);
    assert_eq!(browser.fill(&page, &format!("{home}/see-as"), &[]).await.location(), "/overview");
    for path in ["/overview", "/usage", "/transactions"] {
        let page = browser.get(path).await.expect(200);
        page.says("You see these pages as Acme does.");
        page.says("100.00 credits");
    }
    let page = browser.get("/overview").await;
    let back = browser.fill(&page, "/operator/leave", &[]).await;
    assert_eq!(back.location(), home);
    assert_eq!(browser.get("/overview").await.location(), "/operator/organizations");
    assert_eq!(actions(&app, id).last().map(String::as_str), Some("organization.seen_as"));
    // whoever it is that looks, what the customer's people may not do, they may not do
    app.db().write(move |tx| organizations::suspend(tx, &BY, id, "x")).await.unwrap();
    let (_, owner) = app.member(id, Role::Owner).await;
    Browser::with_session(&app, &owner).get("/overview").await.expect(200);
}

#[actix_web::test]
async fn what_is_owed_is_reported_by_day_to_the_cent() {
    let app = TestApp::start().await;
    let id = app.organization("Acme").await;
    let browser = operator(&app).await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    browser.get("/operator/reports").await.expect(200).says("Nothing was sold yet");
    // whatever was due today was done before anything was sold
    app.db().write(|tx| revenue::post_due(tx, 10)).await.unwrap();
    let bought = |minor| NewCredit {
        amount: "100".parse().unwrap(),
        class: Class::Paid,
        priority: None,
        expires_at: None,
        meters: None,
        cost: Some(Money { minor, currency: "EUR".parse().unwrap() }),
        tax: None,
        source: "operator",
        kind: TransactionType::Purchase,
        description: "Bought".into(),
        actor: String::new(),
        metadata: None,
    };
    let (first, second) = (bought(123_456), bought(1));
    app.db().write(move |tx| wallet::credit(tx, id, first)).await.unwrap();
    charge(&app, id, &[used("e1", "420")]).await;
    let advance = r#"{"to":"2026-11-22T09:00:00Z"}"#;
    app.post("/api/v1/admin/clock", advance).bearer(&admin).send().await.expect(200);
    app.db().write(move |tx| wallet::credit(tx, id, second)).await.unwrap();
    // the session of the day before is over
    let browser = sign_in(&app, "op@example.com").await;

    let page = browser.get("/operator/reports").await.expect(200);
    page.says("1 Nov 2026 to 22 Nov 2026");
    page.says("EUR €0.00 €1,234.57 −€604.93 €0.00 €0.00 €0.00 €629.64");
    let page = browser.get("/operator/reports?from=2026-11-22&to=2026-11-22").await.expect(200);
    page.says("EUR €1,234.56 €0.01 −€604.93 €0.00 €0.00 €0.00 €629.64");
    let link = "/operator/reports.csv?from=2026-11-22&to=2026-11-22";
    assert_eq!(page.links("/operator/reports.csv"), [link]);
    let csv = browser.get(link).await.expect(200);
    assert_eq!(
        csv.answer.text,
        "currency,open,sold,earned,expired,refunded,disputed,close\r\n\
         EUR,1234.56,0.01,604.93,0.00,0.00,0.00,629.64\r\n"
    );
    browser.get("/operator/reports?from=nonsense").await.expect(200).says("is not a day");
    browser.get("/operator/reports.csv?from=nonsense").await.expect(422);

    let ask = async |query: &str| {
        let path = format!("/api/v1/admin/reports/liability{query}");
        app.get(&path).bearer(&admin).send().await
    };
    let euros = |amount: &str| serde_json::json!({ "amount": amount, "currency": "EUR" });
    let report = ask("?from=2026-11-21&to=2026-11-22").await.expect(200).json;
    let expected = serde_json::json!({
        "items": [{
            "currency": "EUR", "open": euros("0.00"), "sold": euros("1234.56"), "earned": euros("0.00"),
            "expired": euros("0.00"), "refunded": euros("0.00"), "disputed": euros("0.00"), "close": euros("1234.56"),
        }],
        "from": "2026-11-21",
        "to": "2026-11-22",
    });
    assert_eq!(report, expected);
    let month = ask("").await.expect(200).json;
    assert_eq!((&month["from"], &month["to"]), (&"2026-11-01".into(), &"2026-11-23".into()));
    assert_eq!(month["items"][0]["close"], euros("629.64"));
    assert_eq!(ask("?to=2026-11-01").await.expect(200).json["items"], serde_json::json!([]));
    ask("?from=2026-11-22&to=2026-11-22").await.expect(422);
}
