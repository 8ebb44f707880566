//! Stripe by configuration, over HTTP: the page leads there, and its webhooks arrive.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tollbook::config::Secret;
use tollbook::identity::Role;
use tollbook::payments::gateway::signature;

use super::fake::{Fake, KEY};
use crate::helpers::TestApp;
use crate::pages::browsing::Browser;

async fn start(fake: &Fake) -> TestApp {
    let url = fake.url();
    TestApp::start_with(|config| {
        let stripe = &mut config.payments.stripe;
        stripe.secret_key = Some(Secret::new(KEY.to_owned()));
        stripe.webhook_secrets = ["whsec_old", "whsec_new"].map(|text| Secret::new(text.to_owned())).into();
        stripe.api_base = url;
    })
    .await
}

#[actix_web::test]
async fn a_customer_is_led_to_stripes_page_and_the_webhook_brings_the_credit() {
    let fake = Fake::start();
    let app = start(&fake).await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let browser = Browser::with_session(&app, &owner);
    let page = browser.get("/topup/review?package=growth").await.expect(200);
    let policy = page.answer.header("content-security-policy").unwrap().to_owned();
    let forms = policy.split("; ").find(|part| part.starts_with("form-action")).unwrap();
    let origin = forms.strip_prefix("form-action 'self' ").expect(forms).to_owned();
    let chosen = browser.fill(&page, "/topup", &[]).await.expect(303);
    let location = chosen.location().to_owned();
    assert!(location.starts_with(&format!("{origin}/")), "browsers would block {location} under {policy}");
    let session = location.rsplit('/').next().unwrap().to_owned();
    let back = fake.asked().iter().find_map(|asked| asked.field("success_url").map(str::to_owned)).unwrap();
    let back = back.strip_prefix(&app.app.url()).unwrap().to_owned();
    browser.get(&back).await.expect(200).says("Pending: nothing was paid yet.");

    let intent = fake.pays(&session, "succeeded", &Value::Null);
    let tell = |secret: &str, id: &str, kind: &str, reference: &str| {
        let body = json!({"id": id, "object": "event", "type": kind, "livemode": false,
            "data": {"object": {"id": reference, "amount": 1}}});
        let body = body.to_string();
        let header = signature::sign(secret, body.as_bytes(), app.db().now());
        app.call("POST", "/webhooks/stripe")
            .header("Stripe-Signature", &header)
            .body(body.into_bytes())
            .send()
    };
    let forged = tell("whsec_guess", "evt_1", "checkout.session.completed", &session).await.expect(400);
    assert_eq!(forged.code(), "invalid_signature");
    for (secret, id, kind, reference) in [
        ("whsec_new", "evt_1", "payment_intent.succeeded", &intent),
        ("whsec_old", "evt_2", "checkout.session.completed", &session),
        ("whsec_new", "evt_2", "checkout.session.completed", &session),
    ] {
        tell(secret, id, kind, reference).await.expect(200);
        let balance = app.get("/api/v1/billing/balance").bearer(&owner).send().await.expect(200);
        assert_eq!(balance.json["balance"], 5250);
    }
    browser.get(&back).await.expect(200).says("Paid, and the credit is there.");
    app.call("POST", "/webhooks/sandbox").body(b"{}".to_vec()).send().await.expect(404);
}

#[actix_web::test]
async fn forms_lead_nowhere_else_without_stripe() {
    let app = TestApp::start().await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let page = Browser::with_session(&app, &owner).get("/topup").await.expect(200);
    let policy = page.answer.header("content-security-policy").unwrap();
    assert!(policy.ends_with("; form-action 'self'"), "{policy}");
}

#[actix_web::test]
async fn stripe_that_does_not_answer_is_said_and_nothing_is_lost() {
    let fake = Fake::start();
    let app = start(&fake).await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    fake.next(&[super::fake::Mishap::Fails(500); 3]);
    let buy = || {
        app.post("/api/v1/billing/wallet/topup", r#"{"amount":10}"#)
            .bearer(&owner)
            .header("Idempotency-Key", "k")
    };
    let failed = buy().send().await.expect(503);
    assert_eq!(failed.code(), "unavailable");
    let made = buy().send().await.expect(201);
    assert!(made.json["clientSecret"].as_str().unwrap().starts_with("pi_"), "for the platform's own page");
    assert_eq!((fake.of_kind("pi_").len(), fake.of_kind("cs_").len()), (1, 0));
}

/// `tollbook config check` under these variables: whether it is content, and all it says.
fn check(variables: &[(&str, &str)], arguments: &[&str]) -> (bool, String) {
    let mut tollbook = Command::new(env!("CARGO_BIN_EXE_tollbook"));
    let done =
        tollbook.args(["config", "check"]).args(arguments).envs(variables.iter().copied()).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(said).unwrap())
}

fn file(dir: &Path, name: &str, content: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn config_check_refuses_a_key_of_the_other_mode_and_shows_none() {
    const SECRET: &str = "TOLLBOOK_PAYMENTS_STRIPE_SECRET_KEY";
    for (key, mode, wrong) in [
        ("sk_live_abc", "live", None),
        ("rk_live_abc", "live", None),
        ("sk_test_abc", "test", None),
        ("rk_test_abc", "test", None),
        ("sk_live_abc", "test", Some("is a live key, but server.mode is \"test\"")),
        ("rk_live_abc", "test", Some("is a live key")),
        ("sk_test_abc", "live", Some("is a test key, but server.mode is \"live\"")),
        ("rk_test_abc", "live", Some("is a test key")),
        ("pk_live_abc", "live", Some("must begin with sk_live_")),
        ("sk_live_", "live", Some("must begin with sk_live_")),
        ("whsec_abc", "live", Some("must begin with sk_live_")),
        ("sk_live_abc def", "live", Some("letters, digits and underscores")),
    ] {
        let (good, said) = check(&[(SECRET, key)], &["--mode", mode]);
        assert_eq!(good, wrong.is_none(), "{key} {mode}: {said}");
        assert!(wrong.is_none_or(|wrong| said.contains(wrong)), "{key} {mode}: {said}");
        assert!(said.contains("payments.stripe.secret_key") && !said.contains("abc"), "{said}");
        assert!(said.contains(SECRET), "{said}");
    }
    let (_, said) =
        check(&[("TOLLBOOK_PAYMENTS_STRIPE_API_BASE", "http://127.0.0.1:1")], &["--mode", "test"]);
    assert!(said.contains("payments.stripe.api_base = \"http://127.0.0.1:1\""), "{said}");
    for (variable, value, mode) in [
        ("TOLLBOOK_PAYMENTS_STRIPE_API_BASE", "http://127.0.0.1:1", "live"),
        ("TOLLBOOK_PAYMENTS_STRIPE_API_BASE", "https://api.stripe.com/", "live"),
        ("TOLLBOOK_PAYMENTS_STRIPE_API_BASE", "api.stripe.com", "test"),
        ("TOLLBOOK_PAYMENTS_STRIPE_CHECKOUT_ORIGIN", "https://x.example; script-src *", "live"),
        ("TOLLBOOK_PAYMENTS_STRIPE_CHECKOUT_ORIGIN", "https://x.example/pay", "live"),
        ("TOLLBOOK_PAYMENTS_STRIPE_WEBHOOK_SECRETS", "whsec_a,sk_live_b", "live"),
        ("TOLLBOOK_PAYMENTS_STRIPE_TIMEOUT_SECONDS", "0", "live"),
    ] {
        let (good, said) = check(&[(variable, value)], &["--mode", mode]);
        assert!(!good && said.contains(variable), "{value}: {said}");
    }
}

#[test]
fn keys_come_from_files_and_sections_too() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = file(dir.path(), "secrets", "whsec_a\nwhsec_b\n");
    let key = file(dir.path(), "key", "sk_test_abc\n");
    let config = file(
        dir.path(),
        "config.toml",
        &format!(
            "[server]\nmode = \"test\"\n[payments]\nminimum = 7\n[payments.stripe]\nsecret_key_file = \"{key}\"\n\
             webhook_secrets_file = \"{secrets}\"\ntimeout_seconds = 5\n"
        ),
    );
    let loaded = tollbook::config::Config::load(Some(Path::new(&config)), |_| None).unwrap();
    let stripe = &loaded.payments.stripe;
    assert_eq!((loaded.payments.minimum, stripe.timeout_seconds), (7, 5));
    assert_eq!(stripe.secret_key.as_ref().map(Secret::expose), Some("sk_test_abc"));
    let known: Vec<&str> = stripe.webhook_secrets.iter().map(Secret::expose).collect();
    assert_eq!(known, ["whsec_a", "whsec_b"]);
    let (good, said) = check(&[("TOLLBOOK_CONFIG", &config)], &[]);
    assert!(good && said.contains(&format!("payments.stripe.secret_key = [hidden]  # {config}:6")), "{said}");
    let wrong = file(
        dir.path(),
        "wrong.toml",
        "[payments.stripe]\nkey = \"x\"\nwebhook_secrets = [\"whsec_a\", \"b\"]\n[payments.paypal]\na = 1\n",
    );
    let (good, said) = check(&[("TOLLBOOK_CONFIG", &wrong)], &[]);
    assert!(!good && said.contains("payments.stripe.key is not a known setting"), "{said}");
    assert!(said.contains("payments.stripe.webhook_secrets must begin with whsec_, each of them"), "{said}");
    assert!(said.contains("payments.paypal is not a known setting"), "{said}");
}
