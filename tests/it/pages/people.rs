//! Inviting people, and choosing passwords by the links they are mailed.

use serde_json::json;
use tollbook::base::id::OrganizationId;
use tollbook::base::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use tollbook::identity::{Role, Scope, users};

use super::browsing::{Browser, PASSWORD, person, sign_in};
use crate::helpers::{BY, TestApp};

const ANOTHER: &str = "another long password";

async fn work(app: &TestApp) {
    app.app.state.worker.work().await.unwrap();
}

/// The path of the newest link that was mailed to an address, and how many mails went there.
async fn mailed(app: &TestApp, to: &str) -> (Option<String>, usize) {
    work(app).await;
    let key = app.operator_key(&[Scope::Admin]).await;
    let found =
        app.get("/api/v1/admin/deliveries?limit=100&channel=email").bearer(&key).send().await.expect(200);
    let mails: Vec<_> =
        found.json["items"].as_array().unwrap().iter().filter(|mail| mail["target"] == to).cloned().collect();
    let Some(newest) = mails.first() else { return (None, 0) };
    let path = format!("/api/v1/admin/deliveries/{}", newest["id"].as_str().unwrap());
    let mail = app.get(&path).bearer(&key).send().await.expect(200);
    assert_eq!(mail.json["organization_id"], json!(null), "its customer is not to read it");
    let body = mail.json["body"].as_str().unwrap();
    let link = body.split_whitespace().find_map(|word| Some(word[word.find("/password/")?..].to_owned()));
    (link, mails.len())
}

async fn choose(app: &TestApp, link: &str, password: &str) -> String {
    let browser = Browser::new(app);
    let page = browser.get(link).await.expect(200);
    browser.fill(&page, link, &[("password", password)]).await.location().to_owned()
}

async fn can_sign_in(app: &TestApp, email: &str, password: &str) -> bool {
    let body = json!({ "email": email, "password": password }).to_string();
    let status = app.post("/api/v1/auth/sessions", &body).send().await.status.as_u16();
    assert!(matches!(status, 201 | 401), "{status}");
    status == 201
}

async fn acme(app: &TestApp) -> (OrganizationId, Browser<'_>) {
    let id = app.organization("Acme").await;
    person(app, "ana@example.com", Some((id, Role::Owner, &["sales"]))).await;
    (id, sign_in(app, "ana@example.com").await)
}

#[actix_web::test]
async fn somebody_who_is_invited_chooses_a_password_and_sees_what_the_role_allows() {
    let app = TestApp::start().await;
    let (_, browser) = acme(&app).await;
    let page = browser.get("/members").await.expect(200);
    page.says("ana@example.com");
    let form = browser.get("/members/invite").await.expect(200);
    let wrong = [("email", "luis@"), ("role", "member")];
    let wrong = browser.fill(&form, "/members/invite", &wrong).await.expect(422);
    wrong.says("Workspaces must be chosen for a member");
    assert_eq!(wrong.value("email"), "luis@");
    let invited = [("email", "Luis@Example.com"), ("name", "Luis"), ("role", "billing")];
    assert_eq!(browser.fill(&form, "/members/invite", &invited).await.location(), "/members?done=invited");
    // sent twice, invited once
    browser.fill(&form, "/members/invite", &invited).await.location();
    browser.get("/members").await.expect(200).says("luis@example.com Invited Luis Billing");
    let (link, mails) = mailed(&app, "luis@example.com").await;
    assert_eq!(mails, 1);
    assert!(
        !can_sign_in(&app, "luis@example.com", "").await
            && !can_sign_in(&app, "luis@example.com", ANOTHER).await
    );
    let link = link.unwrap();
    let visitor = Browser::new(&app);
    let page = visitor.get(&link).await.expect(200);
    page.says("For the account of luis@example.com.");
    visitor
        .fill(&page, &link, &[("password", "short")])
        .await
        .expect(422)
        .says("must have at least 12 characters");
    assert_eq!(
        visitor.fill(&page, &link, &[("password", PASSWORD)]).await.location(),
        "/sign-in?done=password"
    );
    visitor.get("/sign-in?done=password").await.expect(200).says("The password is set.");
    sign_in(&app, "luis@example.com").await.get("/overview").await.expect(200).says("Acme");
    // once
    assert_eq!(visitor.get(&link).await.location(), "/forgot-password?done=invalid");
    assert_eq!(
        visitor.fill(&page, &link, &[("password", ANOTHER)]).await.location(),
        "/forgot-password?done=invalid"
    );
    assert!(can_sign_in(&app, "luis@example.com", PASSWORD).await);
    browser.get("/members").await.expect(200).does_not_say("Invited");
}

#[actix_web::test]
async fn an_invitation_works_for_a_week_and_can_be_sent_again() {
    let app = TestApp::start().await;
    let (_, browser) = acme(&app).await;
    let form = browser.get("/members/invite").await.expect(200);
    let invited = [("email", "luis@example.com"), ("role", "owner")];
    browser.fill(&form, "/members/invite", &invited).await.location();
    let first = mailed(&app, "luis@example.com").await.0.unwrap();
    app.clock.advance(7 * DAY_MS);
    let visitor = Browser::new(&app);
    assert_eq!(visitor.get(&first).await.location(), "/forgot-password?done=invalid");
    visitor.get("/forgot-password?done=invalid").await.expect(200).says("That link does not work (any more)");
    let browser = sign_in(&app, "ana@example.com").await;
    let members = browser.get("/members").await.expect(200);
    let again = browser.get(&members.links("/members/invite?person=")[0]).await.expect(200);
    assert_eq!(again.value("email"), "luis@example.com");
    browser.fill(&again, "/members/invite", &invited).await.location();
    let (second, mails) = mailed(&app, "luis@example.com").await;
    assert_eq!(mails, 2);
    app.clock.advance(7 * DAY_MS - 1);
    assert_eq!(visitor.get(&first).await.location(), "/forgot-password?done=invalid");
    assert_eq!(choose(&app, &second.unwrap(), ANOTHER).await, "/sign-in?done=password");
    assert!(can_sign_in(&app, "luis@example.com", ANOTHER).await);
}

#[actix_web::test]
async fn a_place_is_changed_and_taken_away_and_the_last_owner_stays() {
    let app = TestApp::start().await;
    let (id, browser) = acme(&app).await;
    let ana = app.db().read_blocking(|tx| users::by_email(tx, "ana@example.com")).unwrap();
    let form = browser.get("/members/invite").await.expect(200);
    // who was invited cannot act yet: ana is the only owner who can
    browser
        .fill(&form, "/members/invite", &[("email", "luis@example.com"), ("role", "owner")])
        .await
        .location();
    let form = browser.get("/members/invite").await.expect(200);
    let step_down = [("email", "ana@example.com"), ("role", "billing")];
    browser.fill(&form, "/members/invite", &step_down).await.expect(422).says("The last owner has to stay.");
    choose(&app, &mailed(&app, "luis@example.com").await.0.unwrap(), PASSWORD).await;
    let luis = sign_in(&app, "luis@example.com").await;
    let members = luis.get("/members").await.expect(200);
    let remove = [("person", &*ana.id.to_string())];
    luis.fill(&members, "/members/remove", &remove).await.location();
    browser.get("/overview").await.expect(303);
    let last = app.db().read_blocking(|tx| users::members(tx, id, None, 10)).unwrap().items;
    assert_eq!(last.len(), 1);
    let myself = last[0].user.id;
    app.db().write(move |tx| users::remove_membership(tx, &BY, myself, id)).await.unwrap_err();
    // somebody who can sign in already is told so, without a link
    let form = luis.get("/members/invite").await.expect(200);
    luis.fill(&form, "/members/invite", &[("email", "ana@example.com"), ("role", "billing")])
        .await
        .location();
    assert_eq!(mailed(&app, "ana@example.com").await, (None, 1));
    browser.get("/overview").await.expect(200);
}

#[actix_web::test]
async fn a_forgotten_password_is_replaced_once_within_an_hour_and_every_session_ends() {
    let app = TestApp::start().await;
    let (_, browser) = acme(&app).await;
    let visitor = Browser::new(&app);
    visitor.get("/sign-in").await.expect(200).links("/forgot-password");
    let form = visitor.get("/forgot-password").await.expect(200);
    visitor.fill(&form, "/forgot-password", &[("email", "")]).await.expect(422).says("Email is required");
    let ask = [("email", "ANA@example.com")];
    assert_eq!(visitor.fill(&form, "/forgot-password", &ask).await.location(), "/forgot-password?done=asked");
    let first = mailed(&app, "ana@example.com").await.0.unwrap();
    app.clock.advance(HOUR_MS);
    assert_eq!(visitor.get(&first).await.location(), "/forgot-password?done=invalid");
    visitor.fill(&form, "/forgot-password", &ask).await.location();
    let second = mailed(&app, "ana@example.com").await.0.unwrap();
    browser.get("/overview").await.expect(200);
    assert_eq!(choose(&app, &second, ANOTHER).await, "/sign-in?done=password");
    assert!(browser.get("/overview").await.location().starts_with("/sign-in"), "signed out everywhere");
    assert!(can_sign_in(&app, "ana@example.com", ANOTHER).await);
    assert!(!can_sign_in(&app, "ana@example.com", PASSWORD).await);
    assert_eq!(visitor.get(&second).await.location(), "/forgot-password?done=invalid");
}

#[actix_web::test]
async fn a_link_ends_when_the_password_is_set_otherwise_or_the_person_is_locked_out() {
    let app = TestApp::start().await;
    acme(&app).await;
    let ask = json!({ "email": "ana@example.com" }).to_string();
    app.post("/api/v1/auth/password-links", &ask).send().await.expect(204);
    let link = mailed(&app, "ana@example.com").await.0.unwrap();
    let token = link.rsplit('/').next().unwrap().to_owned();
    let id = app.db().read_blocking(|tx| users::by_email(tx, "ana@example.com")).unwrap().id;
    app.db().write(move |tx| users::disable(tx, &BY, id)).await.unwrap();
    let choice = json!({ "token": token, "password": ANOTHER }).to_string();
    let refused = app.post("/api/v1/auth/passwords", &choice).send().await.expect(422);
    assert_eq!(refused.json["error"]["param"], "token");
    app.db().write(move |tx| users::enable(tx, &BY, id)).await.unwrap();
    let hash = app.app.state.door.passwords().hash("set by the operator".into()).await.unwrap();
    app.db().write(move |tx| users::set_password(tx, &BY, id, &hash, None)).await.unwrap();
    app.post("/api/v1/auth/passwords", &choice).send().await.expect(422);
    app.post("/api/v1/auth/password-links", &ask).send().await.expect(204);
    let token = mailed(&app, "ana@example.com").await.0.unwrap().rsplit('/').next().unwrap().to_owned();
    let choice = json!({ "token": token, "password": ANOTHER }).to_string();
    app.post("/api/v1/auth/passwords", &choice).send().await.expect(204);
    assert!(can_sign_in(&app, "ana@example.com", ANOTHER).await);
}

#[actix_web::test]
async fn who_has_no_account_gets_the_same_answer_and_no_mail_and_nobody_is_flooded() {
    let app = TestApp::start().await;
    acme(&app).await;
    for email in ["ana@example.com", "nobody@example.com", "no address"] {
        let ask = json!({ "email": email }).to_string();
        for _ in 0..5 {
            let answer = app.post("/api/v1/auth/password-links", &ask).send().await.expect(204);
            assert!(answer.text.is_empty());
        }
        let answer = app.post("/api/v1/auth/password-links", &ask).send().await.expect(429);
        assert_eq!(answer.code(), "rate_limited");
    }
    assert_eq!(mailed(&app, "ana@example.com").await.1, 5);
    assert_eq!(mailed(&app, "nobody@example.com").await.1, 0);
    app.clock.advance(10 * MINUTE_MS);
    let ask = json!({ "email": "ana@example.com" }).to_string();
    app.post("/api/v1/auth/password-links", &ask).send().await.expect(204);
}

#[actix_web::test]
async fn a_customers_backend_invites_and_removes_people_of_its_own_organization_alone() {
    let app = TestApp::start().await;
    let (own, _) = acme(&app).await;
    let foreign = app.organization("Foreign").await;
    let (stranger, _) = app.member(foreign, Role::Owner).await;
    let key = app.organization_key(own, &[Scope::MembersWrite]).await;
    let invite = json!({ "email": "luis@example.com", "role": "billing" }).to_string();
    let made = app.post("/api/v1/members", &invite).bearer(&key).send().await.expect(201);
    assert_eq!(made.json["invited"], true);
    let id = made.json["user_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/members/{id}");
    app.call("PUT", &path).bearer(&key).json(r#"{"role":"owner"}"#).send().await.expect(204);
    let listed = app.get("/api/v1/members").bearer(&key).send().await.expect(200);
    assert_eq!(listed.json["items"][0]["role"], "owner");
    assert_eq!(listed.json["items"].as_array().unwrap().len(), 2);
    for method in ["PUT", "DELETE"] {
        let call = app.call(method, &format!("/api/v1/members/{stranger}")).bearer(&key);
        let call = if method == "PUT" { call.json(r#"{"role":"member"}"#) } else { call };
        call.send().await.expect(404);
    }
    app.call("DELETE", &path).bearer(&key).send().await.expect(204);
    app.call("DELETE", &path).bearer(&key).send().await.expect(404);
    // the operator's own people are invited as well
    let operator = app.operator_key(&[Scope::Admin]).await;
    let colleague = json!({ "email": "olga@vozia.example", "operator": true }).to_string();
    app.post("/api/v1/admin/users", &colleague).bearer(&operator).send().await.expect(201);
    app.post("/api/v1/admin/users", &colleague).bearer(&operator).send().await.expect(409);
    choose(&app, &mailed(&app, "olga@vozia.example").await.0.unwrap(), PASSWORD).await;
    sign_in(&app, "olga@vozia.example").await.get("/operator/organizations").await.expect(200);
}
