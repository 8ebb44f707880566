//! Buying credit through Stripe: credited once, whichever of a checkout's events and parts comes first.

use std::sync::Arc;

use serde_json::{Value, json};
use tollbook::base::Currency;
use tollbook::base::id::OrganizationId;
use tollbook::db::{DbError, WriteTx};
use tollbook::identity::audit::{Actor, By};
use tollbook::identity::{BillingDetails, audit};
use tollbook::payments::cards::{NewSetup, SetupState};
use tollbook::payments::disputes;
use tollbook::payments::gateway::{Customer, Decline, Form, Gateway, GiveBack, Order, signature, stripe};
use tollbook::payments::refunds::{self, Wish};
use tollbook::payments::{
    self, Desk, Error, Extras, Intent, NewPayment, Payment, Progress, Reason, Received, State, Terms,
    WebhookError,
};
use tollbook::scheduler::Worker;

use super::fake::{Fake, Mishap};
use super::{WEBHOOK_SECRET, gateway};
use crate::ledger_kit::Kit;
use crate::payments::seller;

const TERMS: Terms = Terms { credits_per_unit: 100, minimum: 5, maximum: 10_000 };
const MINUTE_MS: i64 = 60_000;

struct Shop {
    kit: Kit,
    desk: Desk,
    fake: Fake,
    buyer: OrganizationId,
}

impl Shop {
    async fn new() -> Self {
        Self::at(Fake::start()).await
    }

    /// One whose account at Stripe others have as well.
    async fn at(fake: Fake) -> Self {
        let kit = Kit::new().await;
        let buyer = kit.organization("acme", "UTC").await;
        let gateway: Arc<dyn Gateway> = Arc::new(gateway(&fake.url(), 10_000));
        let desk =
            Desk::new(kit.db().clone(), Some(gateway), TERMS, seller(), "https://desk.example".into(), 300);
        Self { kit, desk, fake, buyer }
    }

    fn wanted(&self) -> NewPayment {
        NewPayment {
            organization: self.buyer,
            gateway: stripe::NAME,
            purchase: TERMS.for_amount("10", Currency::EUR).unwrap(),
            actor: "test".into(),
            intent: Some(Intent { key: "k".into(), fingerprint: [7; 32] }),
            agreed: None,
        }
    }

    async fn start(&self) -> (Payment, String) {
        let payment = self.desk.start(self.wanted()).await.unwrap();
        let reference = payment.state.reference().unwrap().to_owned();
        (payment, reference)
    }

    async fn tell(&self, id: &str, kind: &str, reference: &str) -> Result<Received, WebhookError> {
        let body = json!({"id": id, "type": kind, "data": {"object": {"id": reference}}}).to_string();
        let header = signature::sign(WEBHOOK_SECRET, body.as_bytes(), self.kit.now());
        self.desk.webhook(stripe::NAME, &header, body.into_bytes()).await
    }

    fn reported(&self, action: &str) -> usize {
        let filter = audit::Filter::default();
        let all = self.kit.db().read_blocking(|tx| audit::list(tx, &filter, None, 100)).unwrap();
        all.items.iter().filter(|entry| entry.action == action).count()
    }

    fn payment(&self, payment: &Payment) -> Payment {
        self.kit.db().read_blocking(|tx| payments::get(tx, payment.id)).unwrap()
    }

    #[track_caller]
    fn assert_credited_once(&self, payment: &Payment, session: &str) {
        let payment = self.payment(payment);
        assert!(matches!(payment.state, State::Settled { .. }), "{payment:?}");
        assert_eq!(payment.state.reference(), Some(session), "known under what was begun");
        assert_eq!(self.kit.summary(self.buyer).balance.to_string(), "1000");
        self.kit.assert_sound();
    }
}

#[tokio::test]
async fn the_events_of_a_checkouts_parts_find_the_payment_in_any_order() {
    let orders: [&[&str]; 4] = [&["cs", "pi"], &["pi", "cs"], &["pi", "pi", "cs", "cs"], &["pi"]];
    for order in orders {
        let shop = Shop::new().await;
        let (payment, session) = shop.start().await;
        let intent = shop.fake.pays(&session, "succeeded", &Value::Null);
        for (number, part) in order.iter().enumerate() {
            let (kind, reference) = match *part {
                "cs" => ("checkout.session.completed", &session),
                _ => ("payment_intent.succeeded", &intent),
            };
            assert_eq!(shop.tell(&format!("evt_{number}"), kind, reference).await.unwrap(), Received::Done);
            shop.assert_credited_once(&payment, &session);
        }
        shop.desk.ask(payment.id).await.unwrap();
        shop.assert_credited_once(&payment, &session);
    }
}

#[tokio::test]
async fn a_decline_told_of_the_part_shows_and_its_end_is_not_the_end() {
    let shop = Shop::new().await;
    let (payment, session) = shop.start().await;
    let declined =
        json!({"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"});
    let intent = shop.fake.pays(&session, "requires_payment_method", &declined);
    shop.tell("evt_1", "payment_intent.payment_failed", &intent).await.unwrap();
    let State::Pending { progress, checkout } = shop.payment(&payment).state else { panic!("not pending") };
    assert_eq!(
        (progress, checkout.reference),
        (Progress::Declined(Decline::InsufficientFunds), session.clone())
    );
    shop.fake.change(&intent, json!({"status": "canceled"}));
    shop.tell("evt_2", "payment_intent.canceled", &intent).await.unwrap();
    assert_eq!(shop.payment(&payment).state.name(), "pending", "the page may make another");
    shop.fake.change(&session, json!({"status": "expired"}));
    shop.tell("evt_3", "checkout.session.expired", &session).await.unwrap();
    assert!(matches!(shop.payment(&payment).state, State::Failed { reason: Reason::Abandoned, .. }));
    assert_eq!(shop.kit.summary(shop.buyer).balance.to_string(), "0");
}

#[tokio::test]
async fn what_is_cut_off_is_taken_up_and_charged_once() {
    for mishap in [Mishap::HangsUp, Mishap::Fails(500), Mishap::FailsAfterwards(500), Mishap::Page(200)] {
        let shop = Shop::new().await;
        shop.fake.next(&[mishap; 3]);
        let failed = shop.desk.start(shop.wanted()).await;
        assert!(matches!(failed, Err(Error::Gateway(_))), "{mishap:?}");
        shop.fake.next(&[]);
        shop.kit.clock.advance(2 * MINUTE_MS);
        Worker::new(shop.kit.db().clone(), shop.desk.clone()).work().await.unwrap();
        let (payment, session) = shop.start().await;
        assert_eq!(shop.fake.of_kind("cs_").len(), 1, "{mishap:?}");
        shop.fake.pays(&session, "succeeded", &Value::Null);
        // the provider cannot be asked when it tells, and is when it tells again
        shop.fake.next(&[Mishap::Fails(503); 3]);
        let told = shop.tell("evt_1", "checkout.session.completed", &session).await;
        assert!(matches!(told, Err(WebhookError::Later(_))), "{told:?}");
        assert_eq!(shop.tell("evt_1", "checkout.session.completed", &session).await.unwrap(), Received::Done);
        assert_eq!(
            shop.tell("evt_1", "checkout.session.completed", &session).await.unwrap(),
            Received::Duplicate
        );
        shop.assert_credited_once(&payment, &session);
    }
}

#[tokio::test]
async fn the_event_may_come_before_the_answer() {
    let shop = Shop::new().await;
    // known since an earlier purchase: what is cut off is the checkout
    let buyer = shop.buyer;
    let customer = Customer {
        key: "known".into(),
        id: buyer.to_string(),
        reference: None,
        name: "Acme".into(),
        details: BillingDetails::default(),
    };
    let reference = shop.desk.gateway().unwrap().customer(customer).await.unwrap();
    let known = "INSERT INTO provider_customers (organization_id, gateway, reference, created_at)
                 VALUES (?, 'stripe', ?, 0)";
    let note = move |tx: &WriteTx<'_>| Ok::<_, DbError>(tx.conn()?.execute(known, (buyer, reference))?);
    shop.kit.write(note).await.unwrap();
    shop.fake.next(&[Mishap::HangsUp; 3]);
    assert!(shop.desk.start(shop.wanted()).await.is_err());
    let session = shop.fake.of_kind("cs_")[0]["id"].as_str().unwrap().to_owned();
    shop.fake.pays(&session, "succeeded", &Value::Null);
    assert_eq!(shop.tell("evt_1", "checkout.session.completed", &session).await.unwrap(), Received::Done);
    let payment = shop.desk.start(shop.wanted()).await.unwrap();
    shop.assert_credited_once(&payment, &session);
}

#[tokio::test]
async fn what_others_sell_through_the_same_account_is_not_ours() {
    let shop = Shop::new().await;
    let (payment, session) = shop.start().await;
    let intent = shop.fake.pays(&session, "succeeded", &Value::Null);
    for metadata in
        [json!({}), json!({"tollbook_id": "pay_nonsense"}), json!({"other": payment.id.to_string()})]
    {
        shop.fake.change(&intent, json!({"metadata": metadata}));
        let told = shop.tell(&metadata.to_string(), "payment_intent.succeeded", &intent).await.unwrap();
        assert_eq!(told, Received::Unknown);
    }
    assert_eq!(shop.payment(&payment).state.name(), "pending");
    assert_eq!(shop.tell("evt", "invoice.paid", "in_1").await.unwrap(), Received::Ignored);
}

/// Both count from one, so their first payments have the same id.
#[tokio::test]
async fn two_books_at_one_account_do_not_take_each_others_payments() {
    let ours = Shop::new().await;
    let theirs = Shop::at(ours.fake.clone()).await;
    let (payment, session) = ours.start().await;
    let (other, other_session) = theirs.start().await;
    assert_eq!(payment.id, other.id);
    assert_ne!(session, other_session, "neither is handed the other's checkout");
    let intent = theirs.fake.pays(&other_session, "succeeded", &Value::Null);
    for (event, kind, reference) in [
        ("evt_1", "checkout.session.completed", &other_session),
        ("evt_2", "payment_intent.succeeded", &intent),
        ("evt_3", "charge.dispute.created", &theirs.fake.disputes(&intent, "needs_response")),
    ] {
        assert_eq!(ours.tell(event, kind, reference).await.unwrap(), Received::Foreign, "{kind}");
        assert_eq!(theirs.tell(event, kind, reference).await.unwrap(), Received::Done);
    }
    assert_eq!(ours.payment(&payment).state.name(), "pending");
    assert_eq!(ours.kit.summary(ours.buyer).balance.to_string(), "0");
    assert_eq!(ours.reported("payment.foreign"), 3);
    assert_eq!(theirs.payment(&other).state.name(), "settled");
}

/// The customer has paid at two checkouts of one payment: one credit, and somebody has to look.
#[tokio::test]
async fn money_that_came_twice_for_one_payment_is_reported() {
    let shop = Shop::new().await;
    let (payment, session) = shop.start().await;
    shop.fake.pays(&session, "succeeded", &Value::Null);
    assert_eq!(shop.tell("evt_1", "checkout.session.completed", &session).await.unwrap(), Received::Done);
    let told = shop.fake.of_kind("cs_")[0]["metadata"]["tollbook_id"].as_str().unwrap().to_owned();
    let second = Order { id: told, amount: payment.quote.amounts.total, ..super::order(Form::Hosted, None) };
    let second = shop.desk.gateway().unwrap().begin(second).await.unwrap().reference;
    let intent = shop.fake.pays(&second, "succeeded", &Value::Null);
    let dispute = shop.fake.disputes(&intent, "needs_response");
    for (event, kind, reference) in
        [("evt_2", "payment_intent.succeeded", &intent), ("evt_3", "charge.dispute.created", &dispute)]
    {
        assert_eq!(shop.tell(event, kind, reference).await.unwrap(), Received::PaidTwice, "{kind}");
    }
    shop.assert_credited_once(&payment, &session);
    assert_eq!(shop.reported("payment.paid_twice"), 2);
}

/// Stripe wants the last of three decimals to be zero, and tax does not round to that.
#[tokio::test]
async fn what_stripe_could_not_be_asked_for_is_not_begun() {
    let shop = Shop::new().await;
    for currency in ["BHD", "JOD", "KWD", "OMR", "TND"] {
        let purchase = TERMS.for_amount("10", currency.parse().unwrap()).unwrap();
        let refused = shop.desk.start(NewPayment { purchase, ..shop.wanted() }).await;
        let Err(Error::Invalid(errors)) = refused else { panic!("{currency}: {refused:?}") };
        assert_eq!((errors[0].field.as_ref(), errors[0].code), ("currency", "not_supported"));
    }
    assert!(shop.fake.asked().is_empty());
    assert!(shop.kit.db().read_blocking(|tx| payments::list(tx, None, None, 1)).unwrap().items.is_empty());
}

#[tokio::test]
async fn a_payment_of_another_provider_is_not_begun_here() {
    let shop = Shop::new().await;
    let other = NewPayment { gateway: "sandbox", ..shop.wanted() };
    assert!(matches!(shop.desk.start(other).await, Err(Error::NoGateway)));
    assert!(shop.fake.asked().is_empty());
}

#[tokio::test]
async fn what_was_paid_through_stripe_is_given_back_once() {
    let shop = Shop::new().await;
    let (payment, session) = shop.start().await;
    let intent = shop.fake.pays(&session, "succeeded", &Value::Null);
    shop.tell("evt_1", "payment_intent.succeeded", &intent).await.unwrap();
    let wish =
        Wish { payment: payment.id, total: None, reason: refunds::Reason::Unused, note: "asked for".into() };
    let by = By::actor(Actor::System);
    let refund = shop.kit.write(move |tx| refunds::give(tx, &by, &wish)).await.unwrap();
    let worker = Worker::new(shop.kit.db().clone(), shop.desk.clone());
    shop.fake.asked();
    for mishap in [Mishap::Fails(500), Mishap::HangsUp] {
        shop.fake.next(&[mishap; 3]);
        worker.work().await.unwrap();
        shop.kit.clock.advance(60 * MINUTE_MS);
    }
    worker.work().await.unwrap();
    let made = shop.fake.of_kind("re_");
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(
        (&made[0]["payment_intent"], &made[0]["amount"]),
        (&json!(intent), &json!(refund.total.minor))
    );
    let asked = shop.fake.asked();
    let keys: Vec<_> =
        asked.iter().filter(|asked| asked.path == "/v1/refunds").map(|asked| asked.key()).collect();
    assert!(keys.len() == 7 && keys.iter().all(|key| *key == keys[0] && key.is_some()), "{keys:?}");
    let reference = made[0]["id"].as_str().unwrap();
    shop.fake.change(reference, json!({"status": "succeeded"}));
    for event in ["evt_2", "evt_3"] {
        assert_eq!(shop.tell(event, "refund.updated", reference).await.unwrap(), Received::Done);
    }
    let found = shop.kit.db().read_blocking(|tx| refunds::get(tx, refund.id)).unwrap();
    assert_eq!(found.state.name(), "succeeded");
    assert_eq!(shop.kit.summary(shop.buyer).balance.to_string(), "0");
    shop.kit.assert_sound();
}

/// Nobody tells that it went through: it was told of once, and is asked about until it is known.
#[tokio::test]
async fn a_refund_by_hand_that_takes_its_time_is_taken_in() {
    let shop = Shop::new().await;
    let (payment, session) = shop.start().await;
    let intent = shop.fake.pays(&session, "succeeded", &Value::Null);
    shop.tell("evt_1", "checkout.session.completed", &session).await.unwrap();
    let by_hand = GiveBack { id: String::new(), ..super::give_back(&intent, 6_05, "by hand") };
    let made = shop.desk.gateway().unwrap().refund(by_hand).await.unwrap();
    assert_eq!(shop.tell("evt_2", "refund.created", &made.reference).await.unwrap(), Received::Kept);
    shop.fake.change(&made.reference, json!({"status": "succeeded"}));
    shop.kit.clock.advance(3 * MINUTE_MS);
    Worker::new(shop.kit.db().clone(), shop.desk.clone()).work().await.unwrap();
    let taken = shop.kit.db().read_blocking(|tx| refunds::of_payment(tx, payment.id)).unwrap();
    assert_eq!(taken.iter().map(|refund| refund.reason).collect::<Vec<_>>(), [refunds::Reason::Elsewhere]);
    assert_eq!(shop.kit.summary(shop.buyer).balance.to_string(), "500");
    assert_eq!(shop.tell("evt_2", "refund.created", &made.reference).await.unwrap(), Received::Duplicate);
    shop.kit.assert_sound();
}

#[tokio::test]
async fn a_dispute_at_stripe_finds_the_payment() {
    let shop = Shop::new().await;
    let (payment, session) = shop.start().await;
    let intent = shop.fake.pays(&session, "succeeded", &Value::Null);
    shop.tell("evt_1", "checkout.session.completed", &session).await.unwrap();
    let dispute = shop.fake.disputes(&intent, "needs_response");
    assert_eq!(shop.tell("evt_2", "charge.dispute.created", &dispute).await.unwrap(), Received::Done);
    let known = shop.kit.db().read_blocking(|tx| disputes::list(tx, None, 10)).unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].payment, known[0].frozen.to_string()), (payment.id, "1000".into()));
    shop.fake.change(&dispute, json!({"status": "won"}));
    assert_eq!(shop.tell("evt_3", "charge.dispute.closed", &dispute).await.unwrap(), Received::Done);
    assert_eq!(shop.kit.summary(shop.buyer).balance.to_string(), "1000");
    shop.kit.assert_sound();
}

impl Shop {
    async fn embedded(&self) -> Payment {
        let extras = Extras { embedded: true, ..Extras::default() };
        self.desk.start_with(self.wanted(), extras).await.unwrap()
    }

    async fn reconcile(&self) {
        while self.desk.reconcile().await.unwrap() > 0 {}
    }
}

/// What is paid on the platform's page does not end by itself: it is not asked about for ever.
#[tokio::test]
async fn an_abandoned_payment_is_canceled_after_a_day() {
    for paid_at_last in [false, true] {
        let shop = Shop::new().await;
        let payment = shop.embedded().await;
        let intent = payment.state.reference().unwrap().to_owned();
        shop.kit.clock.advance(20 * 60 * MINUTE_MS);
        shop.reconcile().await;
        assert_eq!(shop.payment(&payment).state.name(), "pending");
        shop.kit.clock.advance(4 * 60 * MINUTE_MS);
        if paid_at_last {
            let fields = json!({"status": "succeeded", "amount_received": 1_210});
            shop.fake.change(&intent, fields);
        }
        shop.kit.clock.advance(10 * 60 * MINUTE_MS);
        shop.fake.asked();
        shop.reconcile().await;
        let canceled = format!("/v1/payment_intents/{intent}/cancel");
        assert!(shop.fake.asked().iter().any(|asked| asked.path == canceled));
        if paid_at_last {
            shop.assert_credited_once(&payment, &intent);
        } else {
            let state = shop.payment(&payment).state;
            assert!(matches!(state, State::Failed { reason: Reason::Abandoned, .. }), "{state:?}");
        }
        shop.kit.clock.advance(100 * 60 * MINUTE_MS);
        shop.fake.asked();
        shop.reconcile().await;
        assert!(shop.fake.asked().is_empty(), "asked about no more");
    }
}

/// Somebody deletes the customer in Stripe's dashboard: it is made anew, for payments and for cards.
#[tokio::test]
async fn a_customer_that_was_deleted_is_made_anew() {
    let shop = Shop::new().await;
    shop.start().await;
    for (key, made) in [("k2", 2), ("k3", 3)] {
        let known = shop.fake.of_kind("cus_").remove(0)["id"].as_str().unwrap().to_owned();
        shop.fake.remove(&known);
        let intent = Some(Intent { key: key.into(), fingerprint: [7; 32] });
        let payment = shop.desk.start(NewPayment { intent, ..shop.wanted() }).await.unwrap();
        assert_eq!(payment.state.name(), "pending");
        let session = payment.state.reference().unwrap();
        let fresh = shop.fake.of_kind("cus_");
        assert_eq!((fresh.len(), shop.fake.of_kind("cs_").len()), (1, made));
        let sessions = shop.fake.of_kind("cs_");
        let ours = sessions.iter().find(|found| found["id"] == session).unwrap();
        assert_eq!(ours["customer"], fresh[0]["id"]);
    }
    shop.fake.remove(shop.fake.of_kind("cus_")[0]["id"].as_str().unwrap());
    let new = NewSetup {
        organization: shop.buyer,
        gateway: stripe::NAME,
        actor: "system".into(),
        success_url: None,
        cancel_url: None,
    };
    let setup = shop.desk.set_up_card(new).await.unwrap();
    assert!(matches!(setup.state, SetupState::Pending(_)), "{setup:?}");
    // and where its details are brought up to date
    shop.fake.remove(shop.fake.of_kind("cus_")[0]["id"].as_str().unwrap());
    let organization = shop.buyer;
    shop.kit.write(move |tx| payments::details_changed(tx, organization)).await.unwrap();
    Worker::new(shop.kit.db().clone(), shop.desk.clone()).work().await.unwrap();
    let intent = Some(Intent { key: "k4".into(), fingerprint: [7; 32] });
    shop.desk.start(NewPayment { intent, ..shop.wanted() }).await.unwrap();
    assert_eq!(shop.fake.of_kind("cus_").len(), 1);
}
