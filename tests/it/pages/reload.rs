//! Saving cards and setting auto-reload on the pages.

use tollbook::identity::Role;

use super::browsing::Browser;
use crate::helpers::TestApp;

fn path(app: &TestApp, location: &str) -> String {
    location.strip_prefix(&app.app.url()).unwrap_or(location).to_owned()
}

/// Saves a card by way of the sandbox's page.
async fn save(app: &TestApp, browser: &Browser<'_>, number: &str) {
    let page = browser.get("/payment-methods").await.expect(200);
    let begun = browser.fill(&page, "/payment-methods", &[]).await.expect(303);
    let asks = path(app, begun.location());
    assert!(asks.starts_with("/sandbox/setup/seti_test_"), "{asks}");
    let form = browser.get(&asks).await.expect(200);
    browser.fill(&form, &asks, &[("card", "1234")]).await.expect(422).says("is not one of the test cards");
    let given = browser.fill(&form, &asks, &[("card", number)]).await.expect(303);
    let back = browser.get(&path(app, given.location())).await.expect(303);
    browser.get(back.location()).await.expect(200).says("The card is saved.");
    browser.get(&asks).await.expect(200).says("The card is saved.");
    browser.fill(&form, &asks, &[("card", number)]).await.expect(409);
}

/// Everything that is due happens.
async fn work(app: &TestApp) {
    app.clock.advance(5_000);
    app.app.state.worker.work().await.unwrap();
}

#[actix_web::test]
async fn a_customer_saves_a_card_and_never_runs_dry() {
    let app = TestApp::start().await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let browser = Browser::with_session(&app, &owner);
    browser.get("/payment-methods").await.expect(200).says("No card saved");
    let bare = browser.get("/auto-reload").await.expect(200);
    bare.says("Off. It needs a saved card.");
    bare.says("Add a card");
    save(&app, &browser, "4242 4242 4242 4242").await;
    let page = browser.get("/auto-reload").await.expect(200);
    page.says("Off.");
    for (fields, what) in [
        ([("threshold_credits", ""), ("amount", "10")], "is missing"),
        ([("threshold_credits", "100"), ("amount", "1")], "must be worth at least"),
        ([("threshold_credits", "-1"), ("amount", "10")], "must not be below zero"),
    ] {
        let mut sent = vec![("enabled", "on"), ("payment_method_id", "")];
        let card = page.html().split("value=\"pm_").nth(1).unwrap().split('"').next().unwrap();
        let card = format!("pm_{card}");
        sent[1].1 = &card;
        sent.extend(fields);
        browser.fill(&page, "/auto-reload", &sent).await.expect(422).says(what);
    }
    let card = format!("pm_{}", page.html().split("value=\"pm_").nth(1).unwrap().split('"').next().unwrap());
    let sent = [
        ("enabled", "on"),
        ("threshold_credits", "100"),
        ("amount", "10"),
        ("monthly_cap", "50"),
        ("payment_method_id", card.as_str()),
    ];
    browser.fill(&page, "/auto-reload", &sent).await.expect(303);
    work(&app).await;
    let on = browser.get("/auto-reload").await.expect(200);
    on.says("On.");
    on.says("Past reloads");
    on.says("settled");
    on.says("Charged this month: \u{20ac}12.10");
    assert_eq!(on.value("monthly_cap"), "50.00");
    on.says("Balance and reloads");
    on.says("Auto-reload below");
    on.says("1,000.00 credits by auto-reload");
    // switching off says so
    let off = browser.fill(&on, "/auto-reload", &[]).await.expect(303);
    let off = browser.get(off.location()).await.expect(200);
    off.says("Auto-reload is switched off");
    off.does_not_say("has been saved");
    off.does_not_say("Auto-reload below");
    let again = browser.fill(&off, "/auto-reload", &sent).await.expect(303);
    browser.get(again.location()).await.expect(200).says("Auto-reload has been saved.");
    browser.get("/overview").await.expect(200).says("1,000.00");
    // without its card it is off
    let cards = browser.get("/payment-methods").await.expect(200);
    cards.says("Remove, and switch auto-reload off");
    browser.fill(&cards, "/payment-methods/remove", &[]).await.expect(303);
    browser.get("/auto-reload").await.expect(200).says("Off: the card that was charged is removed.");
}

#[actix_web::test]
async fn a_declined_card_says_what_to_do_and_after_three_it_is_off() {
    let app = TestApp::start().await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let browser = Browser::with_session(&app, &owner);
    save(&app, &browser, "4000 0000 0000 0341").await;
    let page = browser.get("/auto-reload").await.expect(200);
    let card = format!("pm_{}", page.html().split("value=\"pm_").nth(1).unwrap().split('"').next().unwrap());
    let sent = [
        ("enabled", "on"),
        ("threshold_credits", "100"),
        ("amount", "10"),
        ("payment_method_id", card.as_str()),
    ];
    browser.fill(&page, "/auto-reload", &sent).await.expect(303);
    work(&app).await;
    let declined = browser.get("/auto-reload").await.expect(200);
    declined.says("The card was declined, and you were not charged. It is tried again");
    declined.says("Top up by hand");
    let first = browser.get("/overview").await.expect(200);
    first.says("Card declined, nothing left. You were not charged; it is tried again");
    first.says("Save another card");
    first.says("Auto-reload below");
    for hours in [6, 24] {
        app.clock.advance(hours * 3_600_000);
        work(&app).await;
    }
    let owner = app.member(acme, Role::Billing).await.1;
    let later = Browser::with_session(&app, &owner);
    let off = later.get("/auto-reload").await.expect(200);
    off.says("Switched off after three declines in a row.");
    off.says("Save another card");
    let first = later.get("/overview").await.expect(200);
    first.says("Card declined, nothing left. You were not charged, and auto-reload is switched off.");
}
