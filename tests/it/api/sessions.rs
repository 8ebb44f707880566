//! Signing in and out over the API.

use tollbook::identity::{NewUser, users};

use crate::helpers::{BY, TestApp};

async fn with_password(app: &TestApp, email: &str, password: &str) {
    let password = app.app.state.door.passwords().hash(password.to_owned()).await.unwrap();
    let new = NewUser { email: email.to_owned(), name: String::new(), password };
    app.db().write(move |tx| users::create_operator(tx, &BY, &new)).await.unwrap();
}

#[actix_web::test]
async fn signing_in_gives_a_token_that_works_until_signing_out() {
    let app = TestApp::start().await;
    with_password(&app, "ada@example.com", "a long enough password").await;
    let body = r#"{"email":"Ada@Example.com","password":"a long enough password"}"#;
    let answer = app.post("/api/v1/auth/sessions", body).send().await.expect(201);
    let token = answer.json["token"].as_str().unwrap();
    assert!(answer.json["expires_at"].as_str().unwrap() > crate::helpers::START);
    let me = app.get("/api/v1/auth/me").bearer(token).send().await.expect(200);
    assert_eq!(me.json["email"], "ada@example.com");
    assert_eq!(me.json["operator"], true);
    app.call("DELETE", "/api/v1/auth/sessions").bearer(token).send().await.expect(204);
    app.get("/api/v1/auth/me").bearer(token).send().await.expect(401);
}

#[actix_web::test]
async fn a_wrong_password_and_a_stranger_get_the_same_answer_and_only_so_many_tries() {
    let app = TestApp::start_with(|config| config.auth.login_attempts = 3).await;
    with_password(&app, "ada@example.com", "a long enough password").await;
    let mut answers = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let body = format!(r#"{{"email":"{email}","password":"not the password"}}"#);
        let answer = app.post("/api/v1/auth/sessions", &body).send().await.expect(401);
        assert_eq!(answer.code(), "invalid_credentials");
        answers.push(answer.json["error"]["message"].clone());
    }
    assert_eq!(answers[0], answers[1]);
    let body = r#"{"email":"ada@example.com","password":"not the password"}"#;
    for _ in 0..2 {
        app.post("/api/v1/auth/sessions", body).send().await.expect(401);
    }
    let right = r#"{"email":"ada@example.com","password":"a long enough password"}"#;
    let answer = app.post("/api/v1/auth/sessions", right).send().await.expect(429);
    assert_eq!(answer.code(), "rate_limited");
    let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    app.clock.advance(wait * 1_000);
    app.post("/api/v1/auth/sessions", right).send().await.expect(201);
}

#[actix_web::test]
async fn the_api_does_not_take_a_browsers_cookie() {
    let app = TestApp::start().await;
    let (_, token) = app.operator().await;
    let answer = app.get("/api/v1/auth/me").header("Cookie", &format!("tollbook={token}")).send().await;
    assert_eq!(answer.expect(401).code(), "unauthorized");
}
