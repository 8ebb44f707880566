//! Buying credit on the pages, with the sandbox's own page for paying.

use tollbook::base::{Currency, Money};
use tollbook::identity::{BillingDetails, Role, organizations};
use tollbook::payments::packages::{self, Wanted};

use super::browsing::{Browser, Page};
use crate::helpers::{BY, TestApp};

fn path(app: &TestApp, location: &str) -> String {
    location.strip_prefix(&app.app.url()).unwrap_or(location).to_owned()
}

/// Chooses on the page and goes on to pay; answers the path of the sandbox's page.
async fn choose(app: &TestApp, browser: &Browser<'_>, fields: &[(&str, &str)]) -> String {
    let query: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let page = browser.get(&format!("/topup/review?{}", query.join("&"))).await.expect(200);
    let chosen = browser.fill(&page, "/topup", &[]).await.expect(303);
    let checkout = path(app, chosen.location());
    assert!(checkout.starts_with("/sandbox/checkout/cs_test_"), "{checkout}");
    checkout
}

async fn pay(browser: &Browser<'_>, checkout: &str, card: &str) -> Page {
    let page = browser.get(checkout).await.expect(200);
    browser.fill(&page, checkout, &[("card", card)]).await
}

#[actix_web::test]
async fn a_customer_buys_a_package_and_sees_it_settle() {
    let app = TestApp::start().await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let browser = Browser::with_session(&app, &owner);
    let page = browser.get("/topup").await.expect(200);
    page.says("Growth: 5,000.00 credits and 250.00 free for \u{20ac}50.00 (\u{20ac}60.50 with tax)");
    let review = browser.get("/topup/review?package=growth").await.expect(200);
    for said in ["5,000.00", "21 % tax", "\u{20ac}10.50", "Pay \u{20ac}60.50", "5,250.00 credits"] {
        review.says(said);
    }
    let checkout = choose(&app, &browser, &[("package", "growth")]).await;
    browser.get(&checkout).await.expect(200).says("Pay \u{20ac}60.50");
    // the bank takes a minute
    let back = path(&app, pay(&browser, &checkout, "4000 0000 0000 0077").await.expect(303).location());
    let pending = browser.get(&back).await.expect(200);
    pending.says("Pending: the bank has not settled it yet");
    browser.get(&checkout).await.expect(200).says("The bank is at it.");
    app.clock.advance(60_000);
    let settled = browser.get(&back).await.expect(200);
    settled.says("Paid, and the credit is there.");
    settled.says("5,250");
    browser.get(&back).await.expect(200).says("5,250");
    browser.get("/topup").await.expect(200).says("settled");
    let (_, other) = app.member(app.organization("Other").await, Role::Owner).await;
    Browser::with_session(&app, &other).get(&back).await.expect(404);
}

#[actix_web::test]
async fn a_decline_says_that_nothing_was_charged_and_another_card_will_do() {
    let app = TestApp::start().await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Billing).await;
    let browser = Browser::with_session(&app, &owner);
    let checkout = choose(&app, &browser, &[("package", "custom"), ("amount", "12.50")]).await;
    pay(&browser, &checkout, "1234").await.expect(422).says("is not one of the test cards");
    for (card, what) in [
        ("4000 0000 0000 0002", "The card was declined, and you were not charged."),
        ("4000 0000 0000 9995", "There is not enough on the account, and you were not charged."),
    ] {
        let again = pay(&browser, &checkout, card).await.expect(303);
        browser.get(again.location()).await.expect(200).says(what);
    }
    let page = browser.get(&checkout).await.expect(200);
    let back = page.links("http").pop().map(|link| path(&app, &link)).unwrap();
    let declined = browser.get(&back).await.expect(200);
    declined.says("you were not charged");
    declined.says("Try another card");
    for (answer, location) in [("no", "/sandbox/"), ("yes", "/topup/")] {
        let asked = pay(&browser, &checkout, "4000002500003155").await.expect(303);
        let question = browser.get(asked.location()).await.expect(200);
        question.says("Your bank asks");
        let answered = browser.fill(&question, &checkout, &[("confirm", answer)]).await.expect(303);
        assert!(path(&app, answered.location()).starts_with(location), "{}", answered.location());
    }
    browser.get(&back).await.expect(200).says("Paid, and the credit is there.");
    browser.get(&checkout).await.expect(200).says("Paid.");
    // a page that was left open
    browser.fill(&page, &checkout, &[("card", "4242424242424242")]).await.expect(409);
    browser.get("/overview").await.expect(200).says("1,250.00");
}

#[actix_web::test]
async fn what_cannot_be_bought_is_said_beside_the_field() {
    let app = TestApp::start().await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let browser = Browser::with_session(&app, &owner);
    for (amount, what) in
        [("4.99", "must be worth at least"), ("", "is not a decimal number"), ("1.234", "decimals")]
    {
        let refused = browser.get(&format!("/topup/review?package=custom&amount={amount}")).await;
        refused.expect(422).says(what);
    }
    browser.get("/topup/review?package=gold").await.expect(422).says("is not for sale");
    let page = browser.get("/topup/review?package=starter").await.expect(200);
    browser.fill(&page, "/topup", &[("package", "gold")]).await.expect(422).says("is not for sale");
    // the same page sent twice is one payment
    let first = browser.fill(&page, "/topup", &[("package", "starter")]).await.expect(303);
    let second = browser.fill(&page, "/topup", &[("package", "starter")]).await.expect(303);
    assert_eq!(first.location(), second.location());
}

/// The price, the bonus or the tax changes while the page is open.
#[actix_web::test]
async fn what_was_not_agreed_to_is_not_charged() {
    let app = TestApp::start().await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let browser = Browser::with_session(&app, &owner);
    let page = browser.get("/topup/review?package=growth").await.expect(200);
    let dearer =
        || Wanted { price: Some(Ok(Money { minor: 6_000, currency: Currency::EUR })), ..Wanted::default() };
    app.db().write(move |tx| packages::change(tx, &BY, "growth", dearer())).await.unwrap();
    let again = browser.fill(&page, "/topup", &[]).await.expect(409);
    again.says("The price or the tax has changed since you looked, and you were not charged.");
    again.says("Pay \u{20ac}72.60");
    browser.get("/topup").await.expect(200).does_not_say("pending");
    // a customer outside of the Union pays no tax
    let details = |country: &str| {
        let details = BillingDetails { country: country.into(), ..BillingDetails::default() };
        app.db().write(move |tx| organizations::set_details(tx, &BY, acme, &details))
    };
    details("US").await.unwrap();
    let taxed = browser.fill(&again, "/topup", &[]).await.expect(409);
    taxed.says("Pay \u{20ac}60.00");
    let paid = browser.fill(&taxed, "/topup", &[]).await.expect(303);
    // the same page sent again is the same payment, whatever has changed since
    details("ES").await.unwrap();
    let twice = browser.fill(&taxed, "/topup", &[]).await.expect(303);
    assert_eq!(paid.location(), twice.location());
    browser.get(&path(&app, paid.location())).await.expect(200).says("Pay \u{20ac}60.00");
    // a page from before, or a form that was made up
    browser.fill(&taxed, "/topup", &[("agreed", ""), ("idempotency_key", "x")]).await.expect(409);
}

/// Browsers hold the way back from the sandbox to the policy of its page.
#[actix_web::test]
async fn the_sandbox_lets_its_forms_lead_back_to_the_platform() {
    let app = TestApp::start_with(|config| {
        config.payments.allowed_return_hosts = vec!["app.example.com".into(), "localhost:3000".into()];
    })
    .await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let urls =
        r#""success_url":"http://localhost:3000/done?x=1","cancel_url":"https://app.example.com/credit""#;
    let targets = |page: &Page| {
        let policy = page.answer.header("content-security-policy").unwrap();
        policy.rsplit_once("form-action ").unwrap().1.to_owned()
    };
    let browser = Browser::new(&app);
    for (path_of, body, field) in [
        ("/api/v1/billing/checkout", format!(r#"{{"credits":1000,{urls}}}"#), "checkout_url"),
        ("/api/v1/billing/payment-methods", format!("{{{urls}}}"), "checkout_url"),
    ] {
        let made = app.post(path_of, &body).bearer(&owner).header("Idempotency-Key", "k").send().await;
        let made = made.expect(201);
        let asks = path(&app, made.json[field].as_str().unwrap_or_else(|| panic!("{}", made.text)));
        let page = browser.get(&asks).await.expect(200);
        assert_eq!(
            targets(&page),
            "'self' http://localhost:3000 https://app.example.com app.example.com localhost:3000"
        );
        let given = browser.fill(&page, &asks, &[("card", "4242 4242 4242 4242")]).await.expect(303);
        assert_eq!(given.location(), "http://localhost:3000/done?x=1");
    }
    assert_eq!(targets(&browser.get("/sign-in").await.expect(200)), "'self'", "these pages alone");
}

#[actix_web::test]
async fn the_invoice_says_with_which_test_card_it_was_paid() {
    let app = TestApp::start().await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let browser = Browser::with_session(&app, &owner);
    let checkout = choose(&app, &browser, &[("package", "starter")]).await;
    let back = path(&app, pay(&browser, &checkout, "4000000000000259").await.expect(303).location());
    browser.get(&back).await.expect(200).says("Paid, and the credit is there.");
    let list = browser.get("/invoices").await.expect(200);
    let invoice = list.links("/invoices/inv_").remove(0);
    browser.get(&invoice).await.expect(200).says("Visa \u{2022}\u{2022}\u{2022}\u{2022} 0259");
}
