//! Money back on the pages: a customer asks, the operator decides; a bank disputes.

use tollbook::identity::Role;

use super::browsing::Browser;
use crate::helpers::TestApp;

/// A customer who buys, and the operator.
async fn parties(app: &TestApp) -> (Browser<'_>, Browser<'_>) {
    let (_, owner) = app.member(app.organization("Acme").await, Role::Owner).await;
    let (_, operator) = app.operator().await;
    (Browser::with_session(app, &owner), Browser::with_session(app, &operator))
}

/// Buys ten euros of credit with a card, and answers the path of the payment's page.
async fn buy(app: &TestApp, browser: &Browser<'_>, card: &str) -> String {
    let page = browser.get("/topup/review?package=custom&amount=10").await.expect(200);
    let chosen = browser.fill(&page, "/topup", &[]).await.expect(303);
    let checkout = chosen.location().strip_prefix(&app.app.url()).unwrap().to_owned();
    let page = browser.get(&checkout).await.expect(200);
    let paid = browser.fill(&page, &checkout, &[("card", card)]).await.expect(303);
    let back = paid.location().strip_prefix(&app.app.url()).unwrap().to_owned();
    browser.get(&back).await.expect(200).says("Paid, and the credit is there.");
    back
}

async fn work(app: &TestApp, seconds: i64) {
    app.clock.advance(seconds * 1_000);
    app.app.state.worker.work().await.unwrap();
}

#[actix_web::test]
async fn a_customer_asks_and_the_operator_decides() {
    let app = TestApp::start().await;
    let (customer, desk) = parties(&app).await;
    let payment = buy(&app, &customer, "4242 4242 4242 4242").await;
    let page = customer.get(&payment).await.expect(200);
    page.says("Ask for \u{20ac}12.10 back");
    let ask = format!("{payment}/refund");
    customer.fill(&page, &ask, &[("note", "too much")]).await.expect(303);
    customer.fill(&page, &ask, &[]).await.expect(409);
    customer.get(&payment).await.expect(200).says("You asked for \u{20ac}12.10 back. It is being looked at.");
    let waiting = desk.get("/operator/payments").await.expect(200);
    waiting.says("too much");
    let decide = waiting.actions("/operator/refunds/").remove(0);
    desk.fill(&waiting, &decide, &[("decision", "maybe")]).await.expect(422);
    desk.fill(&waiting, &decide, &[("decision", "approve")]).await.expect(303);
    desk.fill(&waiting, &decide, &[("decision", "decline")]).await.expect(409);
    customer.get(&payment).await.expect(200).says("\u{20ac}12.10 is being given back.");
    work(&app, 2).await;
    let over = customer.get(&payment).await.expect(200);
    over.says("Paid, and \u{20ac}12.10 was given back.");
    over.does_not_say("the credit is there");
    customer.get("/transactions").await.expect(200).says("Refund of 12.10 EUR: Unused credit");
}

#[actix_web::test]
async fn the_operator_gives_money_back_for_a_reason() {
    let app = TestApp::start().await;
    let (customer, desk) = parties(&app).await;
    let payment = buy(&app, &customer, "4242 4242 4242 4242").await;
    let path = format!("/operator/payments/{}/refund", payment.rsplit('/').next().unwrap());
    let form = desk.get(&path).await.expect(200);
    form.says("Of \u{20ac}12.10 paid, \u{20ac}12.10 is for credit that is still there");
    for (amount, reason, what) in [
        ("1", "outage", "nothing is left"),
        ("13", "unused", "is more than can be given back"),
        ("x", "unused", "is not a decimal number"),
        ("1", "because", "is not one of these"),
    ] {
        let refused = desk.fill(&form, &path, &[("amount", amount), ("reason", reason)]).await;
        refused.expect(422).says(what);
    }
    let fields = [("amount", "6.05"), ("reason", "unused"), ("note", "as agreed")];
    desk.fill(&form, &path, &fields).await.expect(303);
    // the same page sent again
    desk.fill(&form, &path, &fields).await.expect(303);
    work(&app, 2).await;
    customer.get("/overview").await.expect(200).says("500.00");
    let partly = customer.get(&payment).await.expect(200);
    partly.says("Paid. \u{20ac}6.05 of it was given back.");
    partly.does_not_say("the credit is there");
    desk.get("/operator/payments").await.expect(200).says("succeeded");
}

#[actix_web::test]
async fn a_dispute_freezes_the_credit_until_the_bank_decides() {
    let app = TestApp::start().await;
    let (customer, desk) = parties(&app).await;
    let payment = buy(&app, &customer, "4000 0000 0000 0259").await;
    work(&app, 60).await;
    let open = customer.get(&payment).await.expect(200);
    open.says("Paid, and disputed with your bank.");
    open.says("Until the bank decides, 1,000.00 credits are set aside.");
    let page = desk.get("/operator/payments").await.expect(200);
    page.says("fraudulent");
    let decide = page.actions("/operator/disputes/").remove(0);
    desk.fill(&page, &decide, &[("decision", "won")]).await.expect(303);
    work(&app, 2).await;
    desk.get("/operator/payments").await.expect(200).says("won");
    customer.get("/overview").await.expect(200).says("1,000.00");
    let won = customer.get(&payment).await.expect(200);
    won.says("Paid, and the credit is there.");
    won.says("which decided that the payment stands");
}

#[actix_web::test]
async fn a_dispute_that_is_lost_is_told_to_the_customer() {
    let app = TestApp::start().await;
    let (customer, desk) = parties(&app).await;
    let payment = buy(&app, &customer, "4000 0000 0000 0259").await;
    work(&app, 60).await;
    let page = desk.get("/operator/payments").await.expect(200);
    let decide = page.actions("/operator/disputes/").remove(0);
    desk.fill(&page, &decide, &[("decision", "lost")]).await.expect(303);
    work(&app, 2).await;
    let lost = customer.get(&payment).await.expect(200);
    lost.says("Paid, and \u{20ac}12.10 was given back.");
    lost.says("which gave it back to you. What was left of the credit went with it.");
    lost.does_not_say("the credit is there");
}
