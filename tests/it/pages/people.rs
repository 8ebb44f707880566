//! Inviting people, and choosing passwords by the links they are mailed.

use serde_json::json;
use tollbook::base::id::OrganizationId;
use tollbook::base::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use tollbook::identity::{Role, Scope, invitations, users};

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
    let path = |word: &str| {
        let at = word.find("/password/").or_else(|| word.find("/invitation/"))?;
        Some(word[at..].to_owned())
    };
    let link = body.split_whitespace().find_map(path);
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

async fn invite(browser: &Browser<'_>, email: &str, role: &str) {
    let form = browser.get("/members/invite").await.expect(200);
    let fields = [("email", email), ("role", role)];
    assert_eq!(browser.fill(&form, "/members/invite", &fields).await.location(), "/members?done=invited");
}

#[actix_web::test]
async fn somebody_who_is_invited_chooses_a_password_and_sees_what_the_role_allows() {
    let app = TestApp::start().await;
    let (id, browser) = acme(&app).await;
    let form = browser.get("/members/invite").await.expect(200);
    let wrong = [("email", "luis@"), ("role", "member")];
    let wrong = browser.fill(&form, "/members/invite", &wrong).await.expect(422);
    wrong.says("Workspaces must be chosen for a member");
    assert_eq!(wrong.value("email"), "luis@");
    let invited = [("email", "Luis@Example.com"), ("name", "Luis"), ("role", "billing")];
    for _ in 0..2 {
        // sent twice, invited once
        assert_eq!(
            browser.fill(&form, "/members/invite", &invited).await.location(),
            "/members?done=invited"
        );
    }
    let page = browser.get("/members").await.expect(200);
    page.says("luis@example.com Billing until");
    let (link, mails) = mailed(&app, "luis@example.com").await;
    assert_eq!(mails, 1);
    let members = || app.db().read_blocking(|tx| users::members(tx, id, None, 10)).unwrap().items;
    assert_eq!(members().len(), 1, "nobody has a place before accepting it");
    assert!(!can_sign_in(&app, "luis@example.com", PASSWORD).await);
    let link = link.unwrap();
    let visitor = Browser::new(&app);
    let page = visitor.get(&link).await.expect(200);
    page.says("luis@example.com is invited to Acme, as billing.");
    visitor.fill(&page, &link, &[("password", "")]).await.expect(422).says("Password is required");
    visitor
        .fill(&page, &link, &[("password", "short")])
        .await
        .expect(422)
        .says("must have at least 12 characters");
    assert_eq!(
        visitor.fill(&page, &link, &[("password", PASSWORD)]).await.location(),
        "/sign-in?done=accepted"
    );
    visitor.get("/sign-in?done=accepted").await.expect(200).says("You have accepted the invitation.");
    sign_in(&app, "luis@example.com").await.get("/overview").await.expect(200).says("Acme");
    let luis = members().into_iter().find(|member| member.user.email == "luis@example.com").unwrap();
    assert_eq!((luis.user.name.as_str(), luis.role), ("Luis", Role::Billing));
    // once
    assert_eq!(visitor.get(&link).await.location(), "/sign-in?done=no_invitation");
    let again = visitor.fill(&page, &link, &[("password", ANOTHER)]).await;
    assert_eq!(again.location(), "/sign-in?done=no_invitation");
    assert!(can_sign_in(&app, "luis@example.com", PASSWORD).await);
    browser.get("/members").await.expect(200).does_not_say("Invited");
}

#[actix_web::test]
async fn an_invitation_works_for_a_week_and_can_be_sent_again_or_withdrawn() {
    let app = TestApp::start().await;
    let (_, browser) = acme(&app).await;
    invite(&browser, "luis@example.com", "owner").await;
    let first = mailed(&app, "luis@example.com").await.0.unwrap();
    app.clock.advance(7 * DAY_MS);
    let visitor = Browser::new(&app);
    assert_eq!(visitor.get(&first).await.location(), "/sign-in?done=no_invitation");
    visitor
        .get("/sign-in?done=no_invitation")
        .await
        .expect(200)
        .says("That invitation does not work (any more)");
    let browser = sign_in(&app, "ana@example.com").await;
    let members = browser.get("/members").await.expect(200);
    members.says("luis@example.com Owner not any more");
    let again = browser.get(&members.links("/members/invite?again=")[0]).await.expect(200);
    assert_eq!(again.value("email"), "luis@example.com");
    invite(&browser, "luis@example.com", "owner").await;
    let (second, mails) = mailed(&app, "luis@example.com").await;
    let second = second.unwrap();
    assert_eq!(mails, 2);
    app.clock.advance(7 * DAY_MS - 1);
    assert_eq!(visitor.get(&first).await.location(), "/sign-in?done=no_invitation");
    visitor.get(&second).await.expect(200);
    let browser = sign_in(&app, "ana@example.com").await;
    let members = browser.get("/members").await.expect(200);
    let open = members.hidden("/members/withdraw");
    let open: Vec<(&str, &str)> = open.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let field = [("invitation", open.iter().find(|(name, _)| *name == "invitation").unwrap().1)];
    let done = browser.fill(&members, "/members/withdraw", &field).await;
    assert_eq!(done.location(), "/members?done=withdrawn");
    assert_eq!(visitor.get(&second).await.location(), "/sign-in?done=no_invitation");
}

#[actix_web::test]
async fn who_has_an_account_accepts_without_a_password_and_the_inviter_does_not_learn_of_it() {
    let app = TestApp::start().await;
    let (id, browser) = acme(&app).await;
    let foreign = app.organization("Foreign").await;
    person(&app, "luis@example.com", Some((foreign, Role::Billing, &[]))).await;
    for email in ["luis@example.com", "nobody@example.com"] {
        invite(&browser, email, "billing").await;
    }
    let page = browser.get("/members").await.expect(200);
    page.says("luis@example.com Billing until");
    page.says("nobody@example.com Billing until");
    let members = || app.db().read_blocking(|tx| users::members(tx, id, None, 10)).unwrap().items.len();
    assert_eq!(members(), 1);
    let luis = sign_in(&app, "luis@example.com").await;
    luis.get("/overview").await.expect(200).does_not_say("Acme");
    let link = mailed(&app, "luis@example.com").await.0.unwrap();
    let visitor = Browser::new(&app);
    let page = visitor.get(&link).await.expect(200);
    assert!(!page.html().contains("type=\"password\""));
    assert_eq!(visitor.fill(&page, &link, &[]).await.location(), "/sign-in?done=accepted");
    assert!(can_sign_in(&app, "luis@example.com", PASSWORD).await, "the password is the one it was");
    luis.get("/overview").await.expect(200).says("Acme");
    assert_eq!(members(), 2);
    let form = browser.get("/members/invite").await.expect(200);
    let again = [("email", "luis@example.com"), ("role", "owner")];
    browser.fill(&form, "/members/invite", &again).await.expect(422).says("Email is taken already");
}

#[actix_web::test]
async fn a_place_is_changed_and_taken_away_and_the_last_owner_stays() {
    let app = TestApp::start().await;
    let (id, browser) = acme(&app).await;
    person(&app, "luis@example.com", Some((id, Role::Billing, &[]))).await;
    let members = browser.get("/members").await.expect(200);
    let places = members.links("/members/usr_");
    assert_eq!(places.len(), 2);
    let ana = app.db().read_blocking(|tx| users::by_email(tx, "ana@example.com")).unwrap().id;
    let own = format!("/members/{ana}");
    let form = browser.get(&own).await.expect(200);
    browser.fill(&form, &own, &[("role", "billing")]).await.expect(422).says("The last owner has to stay.");
    browser.fill(&form, &own, &[("role", "member")]).await.expect(422).says("Workspaces must be chosen");
    let other = places.into_iter().find(|place| *place != own).unwrap();
    let form = browser.get(&other).await.expect(200);
    form.says("What luis@example.com may see and do here");
    assert_eq!(browser.fill(&form, &other, &[("role", "owner")]).await.location(), "/members?done=changed");
    let luis = sign_in(&app, "luis@example.com").await;
    let members = luis.get("/members").await.expect(200);
    let remove = [("person", &*ana.to_string())];
    luis.fill(&members, "/members/remove", &remove).await.location();
    browser.get("/overview").await.expect(303);
    assert_eq!(mailed(&app, "luis@example.com").await.1, 0, "a change of role is no invitation");
}

#[actix_web::test]
async fn invitations_are_bounded_and_no_mailbox_is_filled() {
    let app = TestApp::start().await;
    let (_, browser) = acme(&app).await;
    let form = browser.get("/members/invite").await.expect(200);
    for _ in 0..5 {
        invite(&browser, "luis@example.com", "billing").await;
    }
    let one_more = [("email", "luis@example.com"), ("role", "billing")];
    browser.fill(&form, "/members/invite", &one_more).await.expect(422).says("Too many attempts");
    assert_eq!(mailed(&app, "luis@example.com").await.1, 5);
    for n in 1..invitations::MOST {
        invite(&browser, &format!("somebody{n}@example.com"), "billing").await;
    }
    let form = browser.get("/members/invite").await.expect(200);
    let too_many = [("email", "last@example.com"), ("role", "billing")];
    browser.fill(&form, "/members/invite", &too_many).await.expect(422).says("100 open invitations already");
}

#[actix_web::test]
async fn a_forgotten_password_is_replaced_once_within_an_hour_and_every_session_ends() {
    let app = TestApp::start().await;
    let (_, browser) = acme(&app).await;
    let visitor = Browser::new(&app);
    assert_eq!(visitor.get("/sign-in").await.expect(200).links("/forgot-password").len(), 1);
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
    let none = app.post("/api/v1/auth/password-links", r#"{"email":"no address"}"#).send().await.expect(422);
    assert_eq!(none.json["error"]["param"], "email");
    for email in ["ana@example.com", "nobody@example.com"] {
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
async fn people_are_kept_in_a_session_of_the_organizations_own_owner_alone() {
    let app = TestApp::start().await;
    let (own, _) = acme(&app).await;
    let (_, owner) = app.member(own, Role::Owner).await;
    let foreign = app.organization("Foreign").await;
    let (stranger, _) = app.member(foreign, Role::Owner).await;
    let key = app.organization_key(own, &[Scope::MembersWrite]).await;
    let invitation = json!({ "email": "luis@example.com", "role": "owner" }).to_string();
    // a key that could invite an owner could do all that a key may not
    let refused = app.post("/api/v1/invitations", &invitation).bearer(&key).send().await.expect(403);
    assert_eq!(refused.code(), "session_required");
    let made = app.post("/api/v1/invitations", &invitation).bearer(&owner).send().await.expect(201);
    let found = app.get("/api/v1/invitations").bearer(&key).send().await.expect(200);
    assert_eq!(found.json["items"], json!([made.json]));
    let link = mailed(&app, "luis@example.com").await.0.unwrap();
    let token = link.rsplit('/').next().unwrap();
    let accept = json!({ "token": token }).to_string();
    let refused = app.post("/api/v1/auth/invitations", &accept).send().await.expect(422);
    assert_eq!(refused.json["error"]["param"], "password");
    let accept = json!({ "token": token, "password": PASSWORD }).to_string();
    app.post("/api/v1/auth/invitations", &accept).send().await.expect(204);
    let refused = app.post("/api/v1/auth/invitations", &accept).send().await.expect(422);
    assert_eq!(refused.json["error"]["param"], "token");
    let listed = app.get("/api/v1/members").bearer(&key).send().await.expect(200);
    let luis = &listed.json["items"][0];
    assert_eq!((&luis["email"], &luis["role"]), (&json!("luis@example.com"), &json!("owner")));
    let path = format!("/api/v1/members/{}", luis["user_id"].as_str().unwrap());
    app.call("PUT", &path).bearer(&owner).json(r#"{"role":"billing"}"#).send().await.expect(204);
    for method in ["PUT", "DELETE"] {
        let call = app.call(method, &format!("/api/v1/members/{stranger}")).bearer(&owner);
        let call = if method == "PUT" { call.json(r#"{"role":"member"}"#) } else { call };
        call.send().await.expect(404);
    }
    app.call("DELETE", &path).bearer(&owner).send().await.expect(204);
    app.call("DELETE", &path).bearer(&owner).send().await.expect(404);
    let made = app.post("/api/v1/invitations", &invitation).bearer(&owner).send().await.expect(201);
    let path = format!("/api/v1/invitations/{}", made.json["id"].as_str().unwrap());
    app.call("DELETE", &path).bearer(&owner).send().await.expect(204);
    app.call("DELETE", &path).bearer(&owner).send().await.expect(404);
}
