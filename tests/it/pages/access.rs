//! Every page and every form's target, with every kind of visitor.

use tollbook::http::route::Surface;
use tollbook::identity::{Role, organizations};

use super::browsing::{Browser, person, sign_in};
use crate::helpers::{BY, TestApp};

/// Who may come in. Written by hand, apart from the declarations in the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Anyone,
    Person,
    Money,
    Usage,
    /// Changes something of the customer's.
    Change,
    /// Connects other servers or people, which owners alone may.
    Connect,
    /// Looks at what owners alone may do.
    Own,
    Operator,
}
use Who::{Anyone, Change, Connect, Money, Operator, Own, Person, Usage};

const PAGES: &[(&str, &str, Who)] = &[
    ("GET", "/", Anyone),
    ("GET", "/docs", Anyone),
    ("GET", "/setup", Anyone),
    ("GET", "/setup/{id}", Anyone),
    ("POST", "/setup/{id}", Anyone),
    ("GET", "/sign-in", Anyone),
    ("POST", "/sign-in", Anyone),
    ("GET", "/forgot-password", Anyone),
    ("POST", "/forgot-password", Anyone),
    ("GET", "/password/{id}", Anyone),
    ("POST", "/password/{id}", Anyone),
    ("GET", "/invitation/{id}", Anyone),
    ("POST", "/invitation/{id}", Anyone),
    ("POST", "/sign-out", Person),
    ("POST", "/switch-organization", Person),
    ("GET", "/overview", Money),
    ("GET", "/transactions", Money),
    ("GET", "/transactions.csv", Money),
    ("GET", "/transactions/{id}", Money),
    ("GET", "/usage", Usage),
    ("GET", "/usage.csv", Usage),
    ("GET", "/usage/{day}", Usage),
    ("GET", "/usage/items/{id}", Usage),
    ("GET", "/calls", Usage),
    ("GET", "/calls.csv", Usage),
    ("GET", "/calls/{id}", Usage),
    ("GET", "/limits", Money),
    ("POST", "/limits", Change),
    ("POST", "/limits/resume", Change),
    ("GET", "/limits/agent", Money),
    ("POST", "/limits/agent", Change),
    ("GET", "/numbers", Money),
    ("POST", "/numbers/release", Change),
    ("GET", "/invoices", Money),
    ("GET", "/invoices.csv", Money),
    ("GET", "/invoices/{id}", Money),
    ("GET", "/invoices/{id}/pdf", Money),
    ("GET", "/billing-details", Money),
    ("POST", "/billing-details", Change),
    ("GET", "/plan", Money),
    ("POST", "/plan", Change),
    ("GET", "/plan/review", Money),
    ("GET", "/plan/cancel", Money),
    ("POST", "/plan/cancel", Change),
    ("GET", "/plan/pause", Money),
    ("POST", "/plan/pause", Change),
    ("POST", "/plan/resume", Change),
    ("POST", "/plan/retry", Change),
    ("GET", "/topup", Money),
    ("POST", "/topup", Change),
    ("GET", "/topup/review", Money),
    ("GET", "/topup/{id}", Money),
    ("POST", "/topup/{id}/refund", Change),
    ("GET", "/transfer", Money),
    ("POST", "/transfer", Change),
    ("GET", "/transfer/review", Money),
    ("GET", "/auto-reload", Money),
    ("POST", "/auto-reload", Change),
    ("GET", "/payment-methods", Money),
    ("POST", "/payment-methods", Change),
    ("POST", "/payment-methods/default", Change),
    ("POST", "/payment-methods/remove", Change),
    ("GET", "/payment-methods/{id}", Money),
    ("GET", "/alerts", Money),
    ("POST", "/alerts", Change),
    ("POST", "/alerts/remove", Change),
    ("POST", "/alerts/targets", Change),
    ("POST", "/alerts/snooze", Change),
    ("POST", "/alerts/test", Change),
    ("GET", "/webhooks", Money),
    ("POST", "/webhooks", Connect),
    ("GET", "/webhooks/endpoints/{id}", Money),
    ("POST", "/webhooks/endpoints/{id}/test", Connect),
    ("POST", "/webhooks/endpoints/{id}/rotate", Connect),
    ("POST", "/webhooks/endpoints/{id}/switch", Connect),
    ("POST", "/webhooks/endpoints/{id}/remove", Connect),
    ("POST", "/webhooks/endpoints/{id}/replay", Connect),
    ("GET", "/webhooks/deliveries/{id}", Money),
    ("POST", "/webhooks/deliveries/{id}/replay", Connect),
    ("GET", "/members", Money),
    ("GET", "/members/invite", Own),
    ("POST", "/members/invite", Connect),
    ("POST", "/members/remove", Connect),
    ("POST", "/members/withdraw", Connect),
    ("GET", "/members/{id}", Own),
    ("POST", "/members/{id}", Connect),
    ("GET", "/operator/deliveries", Operator),
    ("GET", "/operator/deliveries/{id}", Operator),
    ("POST", "/operator/deliveries/{id}/replay", Operator),
    ("GET", "/sandbox/setup/{id}", Anyone),
    ("POST", "/sandbox/setup/{id}", Anyone),
    ("GET", "/sandbox/checkout/{id}", Anyone),
    ("POST", "/sandbox/checkout/{id}", Anyone),
    ("GET", "/operator/organizations", Operator),
    ("GET", "/operator/organizations/new", Operator),
    ("POST", "/operator/organizations/new", Operator),
    ("GET", "/operator/organizations/{id}", Operator),
    ("POST", "/operator/organizations/{id}/notes", Operator),
    ("GET", "/operator/organizations/{id}/suspend", Operator),
    ("POST", "/operator/organizations/{id}/suspend", Operator),
    ("POST", "/operator/organizations/{id}/resume", Operator),
    ("GET", "/operator/organizations/{id}/people/new", Operator),
    ("POST", "/operator/organizations/{id}/people/new", Operator),
    ("GET", "/operator/organizations/{id}/keys/new", Operator),
    ("POST", "/operator/organizations/{id}/keys/new", Operator),
    ("POST", "/operator/organizations/{id}/keys/{key}/revoke", Operator),
    ("GET", "/operator/organizations/{id}/prices", Operator),
    ("POST", "/operator/organizations/{id}/prices", Operator),
    ("GET", "/operator/organizations/{id}/credit", Operator),
    ("POST", "/operator/organizations/{id}/credit", Operator),
    ("POST", "/operator/organizations/{id}/see-as", Operator),
    ("POST", "/operator/leave", Operator),
    ("GET", "/operator/payments", Operator),
    ("GET", "/operator/payments/{id}/refund", Operator),
    ("POST", "/operator/payments/{id}/refund", Operator),
    ("POST", "/operator/payments/concerns/{id}", Operator),
    ("POST", "/operator/refunds/{id}", Operator),
    ("POST", "/operator/disputes/{id}", Operator),
    ("GET", "/operator/rates", Operator),
    ("GET", "/operator/rates/new-card", Operator),
    ("POST", "/operator/rates/new-card", Operator),
    ("GET", "/operator/rates/new-meter", Operator),
    ("POST", "/operator/rates/new-meter", Operator),
    ("GET", "/operator/rates/{id}", Operator),
    ("GET", "/operator/rates/{id}/draft", Operator),
    ("POST", "/operator/rates/{id}/draft", Operator),
    ("POST", "/operator/rates/{id}/draft/discard", Operator),
    ("POST", "/operator/rates/{id}/draft/publish", Operator),
    ("GET", "/operator/rates/{id}/draft/meters/{meter}", Operator),
    ("POST", "/operator/rates/{id}/draft/meters/{meter}", Operator),
    ("GET", "/operator/plans", Operator),
    ("GET", "/operator/plans/new-plan", Operator),
    ("POST", "/operator/plans/new-plan", Operator),
    ("GET", "/operator/plans/{id}", Operator),
    ("GET", "/operator/plans/{id}/draft", Operator),
    ("POST", "/operator/plans/{id}/draft", Operator),
    ("POST", "/operator/plans/{id}/draft/discard", Operator),
    ("POST", "/operator/plans/{id}/draft/publish", Operator),
    ("GET", "/operator/plans/{id}/draft/terms", Operator),
    ("POST", "/operator/plans/{id}/draft/terms", Operator),
    ("GET", "/operator/plans/{id}/migrate", Operator),
    ("POST", "/operator/plans/{id}/migrate", Operator),
    ("GET", "/operator/packages", Operator),
    ("GET", "/operator/packages/new", Operator),
    ("POST", "/operator/packages/new", Operator),
    ("GET", "/operator/packages/{id}", Operator),
    ("POST", "/operator/packages/{id}", Operator),
    ("GET", "/operator/seller", Operator),
    ("POST", "/operator/seller", Operator),
    ("GET", "/operator/jobs", Operator),
    ("POST", "/operator/jobs/{id}", Operator),
    ("GET", "/operator/clock", Operator),
    ("POST", "/operator/clock", Operator),
    ("GET", "/operator/reports", Operator),
    ("GET", "/operator/reports.csv", Operator),
];

#[actix_web::test]
async fn the_table_names_every_page() {
    let app = TestApp::start().await;
    let pages = app.app.table.endpoints().filter(|endpoint| endpoint.surface == Surface::Page);
    let mut served: Vec<String> = pages.map(|page| format!("{} {}", page.method, page.path)).collect();
    let mut listed: Vec<String> = PAGES.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    served.sort();
    listed.sort();
    assert_eq!(served, listed);
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Visitor {
    Nobody,
    Operator,
    OperatorSeeing,
    Of(Role),
    Suspended,
    Nowhere,
}

/// The status of a refusal; none for those who are let in. One line for each rule, though some end alike.
#[allow(clippy::match_same_arms)]
fn refusal(path: &str, who: Who, visitor: Visitor) -> Option<u16> {
    match (who, visitor) {
        // there is no page to begin with
        (Anyone, Visitor::Nowhere) if path == "/" => Some(403),
        (Anyone, _) => None,
        // to sign in first
        (_, Visitor::Nobody) => Some(303),
        (Person, _) => None,
        (Operator, Visitor::Operator | Visitor::OperatorSeeing) => None,
        (Operator, _) => Some(403),
        // to choose an organization first
        (Money | Own | Usage, Visitor::Operator | Visitor::Nowhere) => Some(302),
        (Money | Change, Visitor::Of(Role::Member)) => Some(403),
        (Connect | Own, Visitor::Of(Role::Member | Role::Billing)) => Some(403),
        // nothing is chosen that could be changed
        (Change | Connect, Visitor::Operator | Visitor::Nowhere) => Some(400),
        // may look, and no more
        (Change | Connect, Visitor::OperatorSeeing | Visitor::Suspended) | (Own, Visitor::Suspended) => {
            Some(403)
        }
        (Money | Own | Usage | Change | Connect, _) => None,
    }
}

#[actix_web::test]
async fn every_page_lets_in_whom_it_should_and_nobody_else() {
    let app = TestApp::start().await;
    let own = app.organization("Own").await;
    let suspended = app.organization("Suspended").await;
    app.db().write(move |tx| organizations::suspend(tx, &BY, suspended, "test")).await.unwrap();
    let (_, operator) = app.operator().await;
    let (gone, nowhere) = app.member(suspended, Role::Billing).await;
    let (_, owner_of_suspended) = app.member(suspended, Role::Owner).await;
    app.db()
        .write(move |tx| tollbook::identity::users::remove_membership(tx, &BY, gone, suspended))
        .await
        .unwrap();
    let seeing = Browser::with_session(&app, &operator);
    seeing.jar.lock().unwrap().insert("tollbook-organization".into(), own.to_string());
    let mut visitors = vec![
        (Visitor::Nobody, Browser::new(&app)),
        (Visitor::Operator, Browser::with_session(&app, &operator)),
        (Visitor::OperatorSeeing, seeing),
        (Visitor::Suspended, Browser::with_session(&app, &owner_of_suspended)),
        (Visitor::Nowhere, Browser::with_session(&app, &nowhere)),
    ];
    for role in Role::ALL {
        visitors.push((Visitor::Of(role), Browser::with_session(&app, &app.member(own, role).await.1)));
    }
    let mut failures = Vec::new();
    for (method, path, who) in PAGES.iter().filter(|(_, path, _)| *path != "/sign-out") {
        for (visitor, browser) in &visitors {
            // things that cannot exist: whoever is let in finds nothing, and changes nothing
            let path = ["{id}", "{day}", "{key}", "{meter}"]
                .iter()
                .fold((*path).to_owned(), |path, part| path.replace(part, "nothing"));
            let page =
                if *method == "GET" { browser.get(&path).await } else { browser.send(&path, &[]).await };
            let status = page.answer.status.as_u16();
            let expected = refusal(&path, *who, *visitor);
            let fits = match expected {
                Some(303) => status == 303 && page.location().starts_with("/sign-in"),
                Some(302) => status == 303 && page.location() == "/operator/organizations",
                Some(refused) => status == refused,
                // a form without its token is turned away at the door, whoever sends it
                None if *method == "POST" => status == 403 && page.text().contains("This form has expired"),
                None => {
                    !matches!(status, 400 | 401) && !page.text().contains("Not allowed")
                        || path.starts_with("/setup/")
                }
            };
            if !fits || page.answer.status.is_server_error() {
                failures.push(format!("{method} {path} as {visitor:?}: {status}, expected {expected:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} wrong:\n{}", failures.len(), failures.join("\n"));
}

/// A call in progress, by the address of its page.
async fn ask_for_a_call(app: &TestApp, id: tollbook::base::id::OrganizationId) -> String {
    super::browsing::credit(app, id, 100, tollbook::grants::Class::Paid, None).await;
    let key = app.organization_key(id, &[tollbook::identity::Scope::UsageWrite]).await;
    let call = r#"{"call_id":"call-1","direction":"inbound","agent_id":"a&b","number_id":"+34 910"}"#;
    let asked = app.post("/api/v1/usage/authorizations", call).bearer(&key).send().await.expect(201);
    format!("/calls/{}", asked.json["id"].as_str().unwrap())
}

#[actix_web::test]
async fn nobody_sees_another_organizations_things() {
    use super::browsing::{Use, charge, credit};
    let app = TestApp::start().await;
    let (own, foreign) = (app.organization("Own").await, app.organization("Foreign").await);
    credit(&app, foreign, 100, tollbook::grants::Class::Paid, None).await;
    let used = Use {
        id: "e1",
        meter: "voice",
        quantity: "60",
        at: "2026-11-21T08:00:00Z",
        agent: "a",
        workspace: "",
    };
    charge(&app, foreign, &[used]).await;
    person(&app, "own@example.com", Some((own, Role::Owner, &[]))).await;
    person(&app, "foreign@example.com", Some((foreign, Role::Owner, &[]))).await;
    let (insider, outsider) =
        (sign_in(&app, "foreign@example.com").await, sign_in(&app, "own@example.com").await);
    let list = insider.get("/transactions").await.expect(200);
    let transaction = list.links("/transactions/txn_").remove(0);
    let day = insider.get("/usage/2026-11-21").await.expect(200);
    let item = day.links("/usage/items/").remove(0);
    insider.get(&transaction).await.expect(200);
    insider.get(&item).await.expect(200);
    outsider.get(&transaction).await.expect(404).says("Page not found");
    outsider.get(&item).await.expect(404);
    let call = ask_for_a_call(&app, foreign).await;
    insider.get(&call).await.expect(200);
    outsider.get(&call).await.expect(404);
    outsider.get("/calls").await.expect(200).says("No calls yet");
    outsider.get("/usage/2026-11-21").await.expect(200).says("Nothing was charged that day");
    // nor by naming it in the cookie
    outsider.jar.lock().unwrap().insert("tollbook-organization".into(), foreign.to_string());
    outsider.get(&transaction).await.expect(404);
    let page = outsider.get("/overview").await.expect(200);
    page.says("Own");
    page.does_not_say("Foreign");
    let csrf = page.hidden("/sign-out").remove(0).1;
    let named = [("csrf", &*csrf), ("organization", &*foreign.to_string())];
    outsider.send("/switch-organization", &named).await.expect(403);
}

/// Things that exist, named by whoever does not own them; and by the operator, who may look at all of them.
#[actix_web::test]
async fn pages_about_an_organization_are_the_operators_alone() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.organization("Own").await, app.organization("Foreign").await);
    let operator = Browser::with_session(&app, &app.operator().await.1);
    let mut customers = Vec::new();
    for role in Role::ALL {
        customers.push(Browser::with_session(&app, &app.member(own, role).await.1));
    }
    // what is not about one organization has ids of other things
    let about = |path: &str| path.starts_with("/operator/organizations") || !path.contains("{id}");
    let paths = PAGES
        .iter()
        .filter(|(method, path, _)| *method == "GET" && path.starts_with("/operator/") && about(path));
    for (_, path, _) in paths {
        for id in [own, foreign] {
            let path = path.replace("{id}", &id.to_string());
            let page = operator.get(&path).await.expect(200);
            assert!(!path.contains("org_") || page.text().contains("Own") || page.text().contains("Foreign"));
            for customer in &customers {
                customer.get(&path).await.expect(403).does_not_say("Foreign");
            }
        }
    }
}

#[actix_web::test]
async fn a_form_needs_its_own_token() {
    let app = TestApp::start().await;
    let id = app.organization("Own").await;
    let (_, token) = app.operator().await;
    let (operator, other) = (
        Browser::with_session(&app, &token),
        Browser::with_session(&app, &app.member(id, Role::Owner).await.1),
    );
    let home = format!("/operator/organizations/{id}");
    let path = format!("{home}/notes");
    let csrf = operator.get(&home).await.hidden(&path).remove(0).1;
    let foreign = other.get("/overview").await.hidden("/sign-out").remove(0).1;
    assert_ne!(csrf, foreign);
    for wrong in ["", "nonsense", &foreign, &csrf[..csrf.len() - 1], &format!("{csrf}0")] {
        let sent = [("csrf", wrong), ("note", "Called."), ("idempotency_key", "once")];
        operator.send(&path, &sent).await.expect(403).says("This form has expired");
    }
    let fields = [("csrf", &*csrf), ("note", "Called."), ("idempotency_key", "once")];
    // with its token, but from another site
    let body = serde_urlencoded::to_string(fields).unwrap();
    let elsewhere = app
        .call("POST", &path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Sec-Fetch-Site", "cross-site")
        .header("Cookie", &format!("tollbook={token}"))
        .body(body.into_bytes());
    elsewhere.send().await.expect(403);
    operator.get(&home).await.expect(200).does_not_say("Called.");
    operator.send(&path, &fields).await.location();
    operator.get(&home).await.expect(200).says("Called.");
}

/// From the first page on, everything that is linked to.
#[actix_web::test]
async fn no_link_leads_nowhere() {
    use super::browsing::{Use, charge, credit};
    let app = TestApp::start().await;
    let id = app.organization("Acme").await;
    credit(&app, id, 1_000, tollbook::grants::Class::Paid, None).await;
    for number in 0..30 {
        let event = format!("e{number}");
        let used = Use {
            id: &event,
            meter: if number % 2 == 0 { "voice" } else { "chat" },
            quantity: "60",
            at: "2026-11-20T08:00:00Z",
            agent: "a&b",
            workspace: "north",
        };
        charge(&app, id, &[used]).await;
    }
    ask_for_a_call(&app, id).await;
    let operator = app.operator().await.1;
    let seeing = Browser::with_session(&app, &operator);
    seeing.jar.lock().unwrap().insert("tollbook-organization".into(), id.to_string());
    let visitors = [
        ("/", Browser::new(&app)),
        ("/overview", Browser::with_session(&app, &app.member(id, Role::Owner).await.1)),
        ("/operator/organizations", Browser::with_session(&app, &operator)),
        ("/overview", seeing),
    ];
    for (start, browser) in visitors {
        let mut seen = std::collections::BTreeSet::from([start.to_owned()]);
        let mut open = vec![start.to_owned()];
        while let Some(path) = open.pop() {
            let page = browser.get(&path).await;
            let status = page.answer.status.as_u16();
            assert!(matches!(status, 200 | 303), "{path}: {status}");
            let leads = if status == 303 { vec![page.location().to_owned()] } else { page.links("/") };
            for href in leads {
                let href = href.split('#').next().unwrap().to_owned();
                // one of each kind is enough
                let kind = href
                    .split_once("txn_")
                    .or(href.split_once("use_"))
                    .or(href.split_once("auth_"))
                    .map_or(href.as_str(), |(kind, _)| kind);
                if seen.len() < 150 && seen.insert(kind.to_owned()) {
                    open.push(href);
                }
            }
        }
        assert!(seen.len() > 3, "{seen:?}");
    }
}
