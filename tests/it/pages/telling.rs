//! Alerts, webhooks and deliveries on the pages.

use tollbook::grants::Class;
use tollbook::identity::Role;

use super::browsing::{Browser, Use, charge, credit};
use crate::helpers::TestApp;
use crate::telling::{Receiver, loopback};

async fn app() -> TestApp {
    TestApp::start_with(|config| config.webhooks.allowed_networks = vec![loopback()]).await
}

async fn work(app: &TestApp) {
    app.app.state.worker.work().await.unwrap();
}

#[actix_web::test]
async fn a_customer_sets_alerts_tries_them_and_the_operator_reads_the_mail() {
    let app = app().await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let browser = Browser::with_session(&app, &owner);
    credit(&app, acme, 10_000, Class::Paid, None).await;
    work(&app).await;
    let page = browser.get("/alerts").await.expect(200);
    page.says("The usual ones: you have not chosen any");
    page.says("500.00 credits");
    page.says("a fifth and a twentieth of what was last bought: 2000 and 500.");
    browser.fill(&page, "/alerts", &[("threshold", "lots")]).await.expect(422).says("threshold");
    let none = [("threshold", "2000")];
    browser.fill(&page, "/alerts", &none).await.expect(422).says("must name at least one");
    let slack = [("threshold", "2000"), ("channels", "slack")];
    browser.fill(&page, "/alerts", &slack).await.expect(422).says("needs slack_url");
    let receiver = Receiver::start().await;
    let bad = [("slack_url", "http://10.0.0.1/x"), ("sms_to", "")];
    browser.fill(&page, "/alerts/targets", &bad).await.expect(422);
    let good = [("slack_url", receiver.url.as_str()), ("sms_to", "")];
    browser.fill(&page, "/alerts/targets", &good).await.location();
    let wish = [("threshold", "2000"), ("channels", "slack"), ("channels", "email")];
    assert_eq!(browser.fill(&page, "/alerts", &wish).await.location(), "/alerts?done=saved");
    let page = browser.get("/alerts").await.expect(200);
    page.says("2,000.00 credits");
    page.says("Email, Slack");
    page.does_not_say("The usual ones");
    page.does_not_say(&receiver.url);
    assert_eq!(browser.fill(&page, "/alerts/test", &[]).await.location(), "/alerts?done=tested");
    work(&app).await;
    assert_eq!(receiver.told().len(), 1);
    let used = Use {
        id: "e1",
        meter: "chat",
        quantity: "8001",
        at: "2026-11-21T08:00:00Z",
        agent: "",
        workspace: "",
    };
    charge(&app, acme, &[used]).await;
    work(&app).await;
    let page = browser.get("/alerts").await.expect(200);
    page.says("Told");
    page.says("21 Nov 2026, 09:00");
    browser.fill(&page, "/alerts/snooze", &[("snooze", "24")]).await.location();
    browser.get("/alerts").await.expect(200).says("Thresholds are not told until 22 Nov 2026, 09:00");
    let page = browser.get("/alerts").await.expect(200);
    browser.fill(&page, "/alerts/remove", &[]).await.location();
    browser.get("/alerts").await.expect(200).does_not_say("2,000.00 credits");
    // the operator reads the mail, which is kept since there is no server
    let (_, operator) = app.operator().await;
    let operator = Browser::with_session(&app, &operator);
    let list = operator.get("/operator/deliveries?channel=email&status=kept").await.expect(200);
    list.says("No mail server is configured");
    list.says("Low balance: 1999 credits left");
    let link = list.links("/operator/deliveries/dlv_").remove(0);
    let mail = operator.get(&link).await.expect(200);
    mail.says("The balance of Acme has fallen below 2000 credits.");
    mail.says("Not tried yet");
    operator.fill(&mail, &format!("{link}/replay"), &[]).await.location();
    work(&app).await;
    operator.get(&link).await.expect(200).says("no mail server is configured");
    let others = operator.get("/operator/deliveries?channel=webhook").await.expect(200);
    others.says("Nothing was sent");
}

#[actix_web::test]
async fn a_customer_connects_a_server_and_sees_what_it_was_sent() {
    let app = app().await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let browser = Browser::with_session(&app, &owner);
    let receiver = Receiver::start().await;
    let page = browser.get("/webhooks").await.expect(200);
    page.says("Nobody is told yet");
    let wrong = [("url", "http://10.0.0.1/"), ("types", "")];
    browser.fill(&page, "/webhooks", &wrong).await.expect(422).says("Address");
    let page = browser.get("/webhooks").await.expect(200);
    let wrong = [("url", receiver.url.as_str()), ("types", "no.such")];
    browser.fill(&page, "/webhooks", &wrong).await.expect(422).says("name one that is not a type of event");
    let page = browser.get("/webhooks").await.expect(200);
    let right = [("url", receiver.url.as_str()), ("description", "Production"), ("types", "credits.granted")];
    let made = browser.fill(&page, "/webhooks", &right).await.expect(200);
    made.says("whsec_");
    let again = browser.fill(&page, "/webhooks", &right).await.expect(200);
    again.does_not_say("whsec_");
    let list = browser.get("/webhooks").await.expect(200);
    let one = list.links("/webhooks/endpoints/we").remove(0);
    assert_eq!(list.links("/webhooks/endpoints/we").len(), 1, "sent twice, made once");
    receiver.will(&[500]);
    credit(&app, acme, 100, Class::Free, None).await;
    work(&app).await;
    browser.get("/webhooks").await.expect(200).says("Failing");
    let page = browser.get(&one).await.expect(200);
    page.says("Every attempt since 21 Nov 2026, 09:00 has failed");
    let delivery = page.links("/webhooks/deliveries/").remove(0);
    let shown = browser.get(&delivery).await.expect(200);
    shown.says("credits.granted");
    shown.says("500");
    browser.fill(&shown, &format!("{delivery}/replay"), &[]).await.location();
    work(&app).await;
    assert_eq!(receiver.told().len(), 2);
    browser.get(&delivery).await.expect(200).says("delivered");
    let page = browser.get(&one).await.expect(200);
    browser.fill(&page, &format!("{one}/test"), &[]).await.location();
    work(&app).await;
    assert_eq!(receiver.told().len(), 1);
    let wrong = [("from", "2026-11-22"), ("to", "2026-11-21")];
    browser
        .fill(&page, &format!("{one}/replay"), &wrong)
        .await
        .expect(422)
        .says("must not be before the first day");
    let range = [("from", "2026-11-21"), ("to", "2026-11-21")];
    browser.fill(&page, &format!("{one}/replay"), &range).await.location();
    work(&app).await;
    assert_eq!(receiver.told().len(), 2);
    browser.fill(&page, &format!("{one}/rotate"), &[]).await.expect(200).says("whsec_");
    browser.fill(&page, &format!("{one}/switch"), &[]).await.location();
    browser.get(&one).await.expect(200).says("It is switched off.");
    browser.fill(&page, &format!("{one}/remove"), &[]).await.location();
    browser.get(&one).await.expect(404);
    // another's are not there
    let other = app.organization("Other").await;
    let (_, stranger) = app.member(other, Role::Owner).await;
    Browser::with_session(&app, &stranger).get(&delivery).await.expect(404);
}
