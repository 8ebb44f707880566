//! The operator's page about money: what needs a look, and lists of many pages.

use tollbook::base::id::{OrganizationId, PaymentId};
use tollbook::base::{Currency, Money};
use tollbook::db::{DbError, WriteTx};
use tollbook::identity::Role;
use tollbook::payments::gateway::{RefundSeen, RefundStatus, Seen, Status, sandbox};
use tollbook::payments::{self, NewPayment, State};

use super::browsing::Browser;
use crate::helpers::TestApp;

/// A payment for ten euros, with a checkout, that nobody has paid.
async fn begun(app: &TestApp, organization: OrganizationId) -> PaymentId {
    let desk = &app.app.state.desk;
    let new = NewPayment {
        organization,
        gateway: sandbox::NAME,
        purchase: desk.terms.for_amount("10", Currency::EUR).unwrap(),
        actor: "test".into(),
        intent: None,
        agreed: None,
    };
    desk.start(new).await.unwrap().id
}

/// The provider says that this much was paid.
async fn seen(app: &TestApp, id: PaymentId, minor: i64) {
    let payment = app.db().read_blocking(|tx| payments::get(tx, id)).unwrap();
    let reference = payment.state.reference().unwrap().to_owned();
    let seen = Seen {
        order: id.to_string(),
        amount: Money { minor, currency: Currency::EUR },
        status: Status::Paid,
        charge: None,
        card: None,
    };
    app.db().write(move |tx| payments::record(tx, sandbox::NAME, &reference, &seen)).await.unwrap();
}

#[actix_web::test]
async fn what_no_program_can_settle_waits_for_a_look() {
    let app = TestApp::start().await;
    let acme = app.organization("Acme").await;
    let (_, operator) = app.operator().await;
    let desk = Browser::with_session(&app, &operator);
    desk.get("/operator/payments").await.expect(200).does_not_say("Needs a look");
    // another amount than was asked for, told twice
    let id = begun(&app, acme).await;
    seen(&app, id, 1_000).await;
    seen(&app, id, 1_000).await;
    // an event about nothing that is known
    let body = br#"{"id":"evt_9","type":"checkout.session.completed","data":{"object":{"id":"cs_strange"}}}"#;
    let state = &app.app.state;
    let secret = state.desk.gateway().unwrap().webhook_secrets()[0].expose().to_owned();
    let header = payments::gateway::signature::sign(&secret, body, app.db().now());
    state.desk.webhook(sandbox::NAME, &header, body.to_vec()).await.unwrap();
    // a refund that is taken back
    let paid = begun(&app, acme).await;
    seen(&app, paid, 1_210).await;
    let payment = app.db().read_blocking(|tx| payments::get(tx, paid)).unwrap();
    let State::Settled(settled) = payment.state else { panic!("{payment:?}") };
    for status in [RefundStatus::Succeeded, RefundStatus::Failed("the account is closed".into())] {
        let told = RefundSeen {
            reference: "re_1".into(),
            refund: String::new(),
            charge: settled.charge.clone(),
            amount: Money { minor: 1_210, currency: Currency::EUR },
            status,
        };
        let told = app.db().write(move |tx| payments::refunds::record(tx, sandbox::NAME, &told));
        told.await.unwrap();
    }
    let page = desk.get("/operator/payments").await.expect(200);
    for said in [
        "Needs a look",
        "10.00 EUR was paid, 12.10 EUR was asked for (2 times)",
        &id.to_string(),
        "checkout.session.completed about cs_strange",
        "re_1 of 12.10 EUR: the account is closed",
        "Acme",
    ] {
        page.says(said);
    }
    let closes = page.actions("/operator/payments/concerns/");
    assert_eq!(closes.len(), 3);
    // the oldest is about a payment that waits: somebody has to say what came of it
    let (mismatch, others) = closes.split_last().unwrap();
    for action in others {
        desk.fill(&page, action, &[]).await.expect(303);
        // a page that was left open
        desk.fill(&page, action, &[]).await.expect(303);
    }
    desk.fill(&page, mismatch, &[]).await.expect(409).says("waits for a decision");
    let page = desk.get("/operator/payments").await.expect(200);
    page.says("It was settled otherwise");
    page.does_not_say("I have looked");
    // one that was put away all the same comes back when it is seen again
    let put_away = |tx: &WriteTx<'_>| -> Result<_, DbError> {
        Ok(tx.conn()?.execute("UPDATE payment_concerns SET closed_at = 1 WHERE kind = 'mismatch'", [])?)
    };
    app.db().write(put_away).await.unwrap();
    desk.get("/operator/payments").await.expect(200).does_not_say("Needs a look");
    seen(&app, id, 1_000).await;
    desk.get("/operator/payments").await.expect(200).says("Another amount was paid");
    seen(&app, id, 1_100).await;
    let page = desk.get("/operator/payments").await.expect(200);
    page.says("11.00 EUR was paid");
    let action = page.actions("/operator/payments/concerns/").remove(0);
    desk.fill(&page, &action, &[("decision", "give_up")]).await.expect(303);
    // nothing waits for the other any more
    let page = desk.get("/operator/payments").await.expect(200);
    page.says("I have looked");
    desk.fill(&page, mismatch, &[]).await.expect(303);
    // told once more of what is decided
    seen(&app, id, 1_000).await;
    let given_back = app.db().read_blocking(|tx| payments::get(tx, id)).unwrap();
    assert!(matches!(given_back.state, State::Failed { reason: payments::Reason::GivenUp, .. }));
    desk.get("/operator/payments").await.expect(200).does_not_say("Needs a look");
    let looked = app.db().read_blocking(|tx| {
        let filter = tollbook::identity::audit::Filter {
            action: Some("payment.looked_at".into()),
            ..Default::default()
        };
        tollbook::identity::audit::list(tx, &filter, None, 100)
    });
    assert_eq!(looked.unwrap().items.len(), 4, "once each");
}

#[actix_web::test]
async fn lists_of_many_payments_have_pages() {
    let app = TestApp::start().await;
    let acme = app.organization("Acme").await;
    for _ in 0..25 {
        begun(&app, acme).await;
    }
    let (_, operator) = app.operator().await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    let desk = Browser::with_session(&app, &operator);
    let rows = |html: &str| html.matches("pending</td>").count();
    let first = desk.get("/operator/payments").await.expect(200);
    assert_eq!(rows(first.html()), 20);
    let older = first.links("/operator/payments?payments=").remove(0);
    let second = desk.get(&older).await.expect(200);
    assert_eq!(rows(second.html()), 5);
    second.says("Back to newest");
    assert!(second.links("/operator/payments?").is_empty(), "no further page");
    // the customer's own
    let customer = Browser::with_session(&app, &owner);
    let mut page = customer.get("/topup").await.expect(200);
    let mut seen = page.links("/topup/pay_");
    while let Some(next) = page.links("/topup?cursor=").first() {
        page = customer.get(next).await.expect(200);
        seen.extend(page.links("/topup/pay_"));
    }
    assert_eq!(seen.len(), 25);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25, "each once");
}
