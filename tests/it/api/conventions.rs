//! What holds for every request: envelopes, bodies, headers, lists, limits.

use std::io::{Read, Write};

use tollbook::identity::Scope;

use crate::helpers::TestApp;

const ORGANIZATIONS: &str = "/api/v1/admin/organizations";

#[actix_web::test]
async fn what_is_not_there_is_said_in_the_envelope() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/api/v1/nothing").send().await.expect(404).code(), "not_found");
    let answer = app.call("DELETE", ORGANIZATIONS).send().await.expect(405);
    assert_eq!(answer.code(), "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
    let admin = app.operator_key(&[Scope::Admin]).await;
    for id in ["org_0000000000000", "org_b5v8jm4j0ep25", "usr_b5v8jm4j0ep25", "ext:unknown", "..%2f", "%00"] {
        let answer = app.get(&format!("{ORGANIZATIONS}/{id}")).bearer(&admin).send().await;
        assert_eq!(answer.expect(404).code(), "not_found", "{id}");
    }
}

#[actix_web::test]
async fn bad_bodies_are_named_for_what_they_are() {
    let app = TestApp::start().await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    let send = |body: &'static [u8], media: &'static str| {
        let call = app.call("POST", ORGANIZATIONS).bearer(&admin);
        call.header("Content-Type", media).body(body.to_vec()).send()
    };
    for (body, media, status, code) in [
        (&b"{\"name\":"[..], "application/json", 400, "invalid_json"),
        (b"{\"name\":\"a\"} x", "application/json", 400, "invalid_json"),
        (b"{\"name\":\"\xff\"}", "application/json", 400, "invalid_json"),
        (b"name=a", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"{\"name\":\"a\"}", "text/plain", 415, "unsupported_media_type"),
        (b"[]", "application/json", 422, "validation_failed"),
        (b"null", "application/json", 422, "validation_failed"),
        (b"", "application/json", 422, "validation_failed"),
    ] {
        let answer = send(body, media).await;
        assert_eq!(answer.code(), code, "{}", String::from_utf8_lossy(body));
        assert_eq!(answer.status.as_u16(), status);
    }
    // with parameters, and in other letters
    send(b"{\"name\":\"a\"}", "Application/JSON; charset=utf-8").await.expect(201);
}

#[actix_web::test]
async fn every_wrong_field_is_named_at_once() {
    let app = TestApp::start().await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    let wrong =
        async |body: &str| app.post(ORGANIZATIONS, body).bearer(&admin).send().await.expect(422).wrong();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        wrong(r#"{"nmae":"Acme","currency":"EURO","timezone":"Mars/Olympus"}"#).await,
        [
            pair("nmae", "unknown_field"),
            pair("currency", "invalid_value"),
            pair("timezone", "invalid_value"),
            pair("name", "required"),
        ]
    );
    // the domain's own rules, too
    let answer = wrong(r#"{"name":"","external_id":""}"#).await;
    let fields: Vec<_> = answer.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["name", "external_id"]);
    let list = app.get(ORGANIZATIONS).bearer(&admin).send().await.expect(200);
    assert_eq!(list.json["total"], 0, "nothing was created");
}

#[actix_web::test]
async fn a_body_can_be_too_large_whether_it_says_so_or_not() {
    let app = TestApp::start_with(|config| config.server.body_limit_bytes = 1_024).await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    let body = format!(r#"{{"name":"{}"}}"#, "x".repeat(2_000));
    let answer = app.post(ORGANIZATIONS, &body).bearer(&admin).send().await.expect(413);
    assert_eq!(answer.code(), "body_too_large");
    // chunked: no length in front
    let mut stream = std::net::TcpStream::connect(app.app.addr).unwrap();
    let text = actix_web::web::block(move || {
        write!(
            stream,
            "POST {ORGANIZATIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
    .await
    .unwrap();
    assert!(text.starts_with("HTTP/1.1 413") && text.contains("body_too_large"), "{text}");
}

#[actix_web::test]
async fn every_answer_carries_its_headers() {
    let app = TestApp::start().await;
    for path in ["/healthz", "/docs", "/api/v1/nothing", "/api/v1/auth/me", "/static/docs.js", "/nothing"] {
        let answer = app.get(path).header("X-Request-Id", "forged").send().await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}");
        let id = answer.header("x-request-id").unwrap();
        assert!(id.starts_with("req_") && id.len() == 36, "{path}: {id}");
        assert_eq!(answer.header("strict-transport-security"), None, "{path}");
        assert!(answer.header("cache-control").is_some(), "{path}");
    }
    let secure = TestApp::start_with(|c| c.server.public_url = Some("https://x.example".into())).await;
    let answer = secure.get("/healthz").send().await;
    assert!(answer.header("strict-transport-security").unwrap().contains("max-age=31536000"));
}

#[actix_web::test]
async fn a_head_request_is_a_get_without_the_body() {
    let app = TestApp::start().await;
    let answer = app.call("HEAD", "/healthz").send().await.expect(200);
    assert_eq!(answer.text, "");
    assert_eq!(answer.header("content-length"), Some("15"));
}

#[actix_web::test]
async fn an_operator_names_the_organization_by_either_id() {
    let app = TestApp::start().await;
    let id = app.organization_with("Acme", Some("platform/7"), tollbook::onboarding::Prices::default()).await;
    let key = app.operator_key(&[Scope::BillingRead]).await;
    let details = |name: String| app.get("/api/v1/billing/details").bearer(&key).organization(name).send();
    details(id.to_string()).await.expect(200);
    details("ext:platform/7".into()).await.expect(200);
    let answer = details("ext:platform/8".into()).await.expect(404);
    assert_eq!(answer.json["error"]["param"], "tollbook-organization");
    assert_eq!(details("org_000000000000".into()).await.expect(400).code(), "invalid_header");
    assert_eq!(details("acme".into()).await.expect(400).code(), "invalid_header");
    // a customer does not learn who else there is
    let own = app.organization_key(id, &[Scope::BillingRead]).await;
    let nobody = tollbook::base::id::OrganizationId::new(99).to_string();
    for name in ["ext:platform/8", &nobody] {
        let answer = app.get("/api/v1/billing/details").bearer(&own).organization(name).send().await;
        assert_eq!(answer.expect(403).code(), "forbidden");
    }
}

#[actix_web::test]
async fn lists_go_on_where_they_stopped() {
    let app = TestApp::start().await;
    let admin = app.operator_key(&[Scope::Admin]).await;
    for number in 0..5 {
        app.organization(&format!("Number {number}")).await;
    }
    let mut names = Vec::new();
    let mut path = format!("{ORGANIZATIONS}?limit=2");
    loop {
        let page = app.get(&path).bearer(&admin).send().await.expect(200).json;
        assert_eq!(page["total"], 5);
        names.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert_eq!(page["has_more"], false);
            break;
        };
        assert_eq!(page["has_more"], true);
        path = format!("{ORGANIZATIONS}?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["Number 4", "Number 3", "Number 2", "Number 1", "Number 0"]);
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("lmit=1", "lmit"),
        ("limit=1&limit=2", "limit"),
    ] {
        let answer = app.get(&format!("{ORGANIZATIONS}?{query}")).bearer(&admin).send().await.expect(422);
        assert_eq!(answer.wrong()[0].0, param);
    }
    // a cursor of one list is none of another
    let first = app.get(&format!("{ORGANIZATIONS}?limit=1")).bearer(&admin).send().await.json;
    let cursor = first["next_cursor"].as_str().unwrap();
    let answer = app.get(&format!("/api/v1/admin/audit?cursor={cursor}")).bearer(&admin).send().await;
    assert_eq!(answer.expect(422).wrong()[0].0, "cursor");
}

#[actix_web::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back() {
    let app = TestApp::start_with(|config| {
        config.limits.organization_key_per_second = 1;
        config.limits.organization_key_burst = 3;
    })
    .await;
    let organization = app.organization("Acme").await;
    let (one, other) = (
        app.organization_key(organization, &[Scope::BillingRead]).await,
        app.organization_key(organization, &[Scope::BillingRead]).await,
    );
    for left in [2, 1, 0] {
        let answer = app.get("/api/v1/auth/me").bearer(&one).send().await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"default\";q=3;w=3"));
        let limit = answer.header("ratelimit").unwrap();
        assert!(limit.starts_with(&format!("\"default\";r={left};t=")), "{limit}");
    }
    let answer = app.get("/api/v1/auth/me").bearer(&one).send().await.expect(429);
    assert_eq!(answer.code(), "rate_limited");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("ratelimit"), Some("\"default\";r=0;t=3"));
    app.get("/api/v1/auth/me").bearer(&other).send().await.expect(200);
    // the operator's own backend has no limit unless it is given one
    let operator = app.operator_key(&[Scope::Admin]).await;
    let answer = app.get("/api/v1/auth/me").bearer(&operator).send().await.expect(200);
    assert_eq!(answer.header("ratelimit"), None);
}

#[actix_web::test]
async fn guessing_keys_is_slow() {
    let app = TestApp::start_with(|config| {
        config.limits.anonymous_per_second = 1;
        config.limits.anonymous_burst = 2;
    })
    .await;
    for _ in 0..2 {
        app.get("/api/v1/auth/me").bearer("tb_test_wrong").send().await.expect(401);
    }
    app.get("/api/v1/auth/me").bearer("tb_test_wrong").send().await.expect(429);
    app.get("/healthz").send().await.expect(200);
}

#[actix_web::test]
async fn the_monitoring_comes_from_this_machine_or_with_its_token() {
    let app = TestApp::start().await;
    let text = app.get("/metrics").send().await.expect(200).text;
    assert!(text.contains("tollbook_db_commits_total"), "{text}");
    app.get("/metrics").header("X-Forwarded-For", "192.0.2.1").send().await.expect(401);
    let token = tollbook::config::Secret::new("watch".into());
    let app = TestApp::start_with(|config| config.server.metrics_token = Some(token)).await;
    app.get("/metrics").send().await.expect(401);
    app.get("/metrics").bearer("wrong").send().await.expect(401);
    app.get("/metrics").bearer("watch").send().await.expect(200);
}

#[actix_web::test]
async fn files_are_kept_by_their_hash() {
    let app = TestApp::start().await;
    let first = app.get("/static/docs.js").send().await.expect(200);
    assert_eq!(first.header("content-type"), Some("text/javascript"));
    let tag = first.header("etag").unwrap();
    let again = app.get("/static/docs.js").header("If-None-Match", tag).send().await.expect(304);
    assert_eq!(again.text, "");
    for path in ["/static/", "/static/nothing.js", "/static/../Cargo.toml", "/static/%2e%2e/Cargo.toml"] {
        app.get(path).send().await.expect(404);
    }
}
