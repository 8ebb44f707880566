//! Sending credit to another organization on the pages.

use tollbook::base::id::OrganizationId;
use tollbook::grants::Class;
use tollbook::identity::{Role, users};
use tollbook::onboarding::Prices;

use super::browsing::{Browser, credit};
use crate::helpers::{BY, TestApp};

/// An organization on a plan with 500 paid credits, and the session of its owner, who is in another one too.
async fn two(app: &TestApp, plan: &str) -> (OrganizationId, OrganizationId, String) {
    let prices = Prices { plan: Some(plan.into()), rate_card: None };
    let acme = app.organization_with("Acme", Some("acme"), prices).await;
    let branch = app.organization("Branch").await;
    let (person, owner) = app.member(acme, Role::Owner).await;
    let joined = app.db().write(move |tx| users::set_membership(tx, &BY, person, branch, Role::Billing, &[]));
    joined.await.unwrap();
    credit(app, acme, 500, Class::Paid, None).await;
    (acme, branch, owner)
}

fn of<'a>(app: &'a TestApp, token: &str, organization: OrganizationId) -> Browser<'a> {
    let browser = Browser::with_session(app, token);
    browser.jar.lock().unwrap().insert("tollbook-organization".into(), organization.to_string());
    browser
}

#[actix_web::test]
async fn credit_is_sent_after_a_look_at_it_and_once() {
    let app = TestApp::start().await;
    let (acme, branch, owner) = two(&app, "scale").await;
    let browser = of(&app, &owner, acme);
    for page in ["/overview", "/transactions"] {
        assert_eq!(browser.get(page).await.expect(200).links("/transfer"), ["/transfer"], "{page}");
    }
    let form = browser.get("/transfer").await.expect(200);
    form.says("Branch");
    form.says("Up to 500.00");
    let ask =
        |to: &str, credits: &str| format!("/transfer/review?to={to}&credits={credits}&note=For+December");
    let to = branch.to_string();
    for (to, credits, what) in [
        (to.as_str(), "500.01", "is more than the 500.00 that can be sent"),
        (&to, "0", "must be above zero"),
        (&to, "x", "is not a decimal number"),
        ("org_nothing", "1", "Look at what you typed"),
        (&acme.to_string(), "1", "must be another organization"),
        (&OrganizationId::new(99).to_string(), "1", "is not an organization in which you manage billing"),
    ] {
        let page = browser.get(&ask(to, credits)).await;
        if what == "must be another organization" {
            // only the operation knows
            let page = page.expect(200);
            browser.fill(&page, "/transfer", &[]).await.expect(422).says(what);
        } else if what != "Look at what you typed" {
            page.expect(422).says(what);
        } else {
            assert_eq!(page.answer.status.as_u16(), 422);
        }
    }
    let review = browser.get(&ask(&to, "40.5")).await.expect(200);
    for said in ["Branch", &to, "For December", "459.50 credits", "Nothing has moved yet."] {
        review.says(said);
    }
    browser.get("/overview").await.expect(200).says("500.00");
    let sent = browser.fill(&review, "/transfer", &[]).await.expect(303);
    let twice = browser.fill(&review, "/transfer", &[]).await.expect(303);
    assert_eq!(sent.location(), twice.location());
    browser.fill(&review, "/transfer", &[("credits", "41")]).await.expect(409);
    let line = browser.get(sent.location()).await.expect(200);
    line.says("To Branch: For December");
    browser.get("/overview").await.expect(200).says("459.50");
    let theirs = of(&app, &owner, branch);
    theirs.get("/transactions").await.expect(200).says("From Acme: For December");
    theirs.get("/overview").await.expect(200).says("40.50");
}

#[actix_web::test]
async fn nobody_sends_what_the_plan_or_the_role_forbids() {
    let app = TestApp::start().await;
    let (acme, branch, owner) = two(&app, "starter").await;
    let browser = of(&app, &owner, acme);
    for page in ["/overview", "/transactions"] {
        assert!(browser.get(page).await.expect(200).links("/transfer").is_empty(), "{page}");
    }
    browser.get("/transfer").await.expect(200).says("Your plan does not allow credit to be sent");
    let path = format!("/transfer/review?to={branch}&credits=1");
    browser.get(&path).await.expect(409).says("Your plan does not allow");
    let alone =
        app.organization_with("Alone", None, Prices { plan: Some("scale".into()), rate_card: None }).await;
    let (_, token) = app.member(alone, Role::Owner).await;
    let only = of(&app, &token, alone);
    only.get("/transfer").await.expect(200).says("You are in no other organization");
    only.get(&format!("/transfer/review?to={acme}&credits=1")).await.expect(422);
}
