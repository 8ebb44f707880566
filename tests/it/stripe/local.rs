//! The flows that localstripe knows, through our gateway: another's idea of Stripe than our own. It has no checkout
//! sessions and no disputes.

use serde_json::Value;
use tollbook::outside;
use tollbook::payments::gateway::stripe::Stripe;
use tollbook::payments::gateway::{Decline, Form, Gateway, RefundStatus, Status, Trouble};

use super::fake::KEY;
use super::{charge, customer, euro, gateway, gateway_with, give_back, order, setup};
use crate::helpers::python::Python;

/// The one that Stripe documents to be paid with, and some that are not.
const PAYS: &str = "4242424242424242";
const CANNOT_BE_KEPT: &str = "4000000000000002";
const KEPT_BUT_DECLINED: &str = "4000000000000341";
const ASKS_FIRST: &str = "4000002500003155";

struct Local {
    stripe: Stripe,
    url: String,
    _program: Python,
}

impl Local {
    fn start() -> Self {
        let mut program = Python::run("stripe_stand_in.py");
        let port: u16 = program.hear().parse().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        Self { stripe: gateway(&url, 20_000), url, _program: program }
    }

    /// What a browser does, past us.
    async fn beside(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let client = outside::builder().unwrap().build().unwrap();
        let call = client.post(format!("{}/v1/{path}", self.url)).bearer_auth(KEY).form(form);
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn method(&self, number: &str) -> String {
        let form = [
            ("type", "card"),
            ("card[number]", number),
            ("card[exp_month]", "8"),
            ("card[exp_year]", "2031"),
            ("card[cvc]", "123"),
        ];
        let (status, made) = self.beside("payment_methods", &form).await;
        assert_eq!(status, 200, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    async fn kept(&self, owner: &str, number: &str) -> String {
        let method = self.method(number).await;
        let (status, told) =
            self.beside(&format!("payment_methods/{method}/attach"), &[("customer", owner)]).await;
        assert_eq!(status, 200, "{told}");
        method
    }

    async fn charged(&self, owner: &str, card: &str, key: &str) -> Status {
        let mut wanted = charge(owner, card);
        wanted.key = key.into();
        let (reference, seen) = self.stripe.charge(wanted).await.unwrap();
        let looked = self.stripe.look(&reference).await.unwrap();
        assert_eq!((looked.order.as_str(), looked.amount), ("pay_2", euro(50_00)));
        if seen.status == Status::Paid {
            assert_eq!(looked, seen);
        }
        seen.status
    }
}

#[tokio::test]
async fn a_customer_a_kept_card_a_charge_and_a_refund() {
    let local = Local::start();
    let stripe = &local.stripe;
    let owner = stripe.customer(customer(None)).await.unwrap();
    assert_eq!(stripe.customer(customer(None)).await.unwrap(), owner, "the key stands for it");
    let moved = stripe.customer(customer(Some(&owner))).await.unwrap();
    assert_eq!(moved, owner);

    let made = stripe.set_up(setup(Form::Embedded, &owner)).await.unwrap();
    assert_eq!(stripe.look_at_setup(&made.reference).await.unwrap().status, Status::Open(None));
    let form = [
        ("client_secret", made.client_secret.as_deref().unwrap()),
        ("payment_method_data[type]", "card"),
        ("payment_method_data[card][number]", PAYS),
        ("payment_method_data[card][exp_month]", "8"),
        ("payment_method_data[card][exp_year]", "2031"),
        ("payment_method_data[card][cvc]", "123"),
    ];
    let (status, told) = local.beside(&format!("setup_intents/{}/confirm", made.reference), &form).await;
    assert_eq!(status, 200, "{told}");
    let seen = stripe.look_at_setup(&made.reference).await.unwrap();
    assert_eq!((seen.status, seen.setup.as_str(), &seen.customer), (Status::Paid, "setup_1", &owner));
    let card = seen.card.unwrap();
    assert_eq!((card.last4.as_str(), card.exp_month, card.exp_year), ("4242", 8, 2031));
    assert_eq!(card.country.unwrap().code(), "FR");
    // Stripe gives it to the customer by itself, localstripe does not
    let attach = format!("payment_methods/{}/attach", card.reference);
    assert_eq!(local.beside(&attach, &[("customer", &owner)]).await.0, 200);
    assert_eq!(stripe.look_at_card(&card.reference).await.unwrap(), Some((owner.clone(), card.clone())));

    let (paid, seen) = stripe.charge(charge(&owner, &card.reference)).await.unwrap();
    assert_eq!((seen.status, seen.amount, seen.order.as_str()), (Status::Paid, euro(50_00), "pay_2"));
    assert_eq!(seen.card.as_ref(), Some(&card));
    let (again, _) = stripe.charge(charge(&owner, &card.reference)).await.unwrap();
    assert_eq!(again, paid, "charged once");

    let refund = stripe.refund(give_back(&paid, 20_00, "r1")).await.unwrap();
    assert_eq!(
        (refund.status.clone(), &refund.charge, refund.amount),
        (RefundStatus::Succeeded, &paid, euro(20_00))
    );
    assert_eq!(refund.refund, "ref_1");
    assert_eq!(stripe.refund(give_back(&paid, 20_00, "r1")).await.unwrap(), refund, "given back once");
    assert_eq!(stripe.look_at_refund(&refund.reference).await.unwrap().amount, euro(20_00));
    let more = stripe.refund(give_back(&paid, 30_01, "r2")).await;
    assert!(matches!(more, Err(Trouble::Refused(_))), "{more:?}");
    assert_eq!(stripe.refund(give_back(&paid, 30_00, "r3")).await.unwrap().amount, euro(30_00));

    for _ in 0..2 {
        stripe.forget_card(&card.reference).await.unwrap();
        assert_eq!(stripe.look_at_card(&card.reference).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_payment_intent_is_paid_on_the_platforms_page() {
    let local = Local::start();
    let owner = local.stripe.customer(customer(None)).await.unwrap();
    let made = local.stripe.begin(order(Form::Embedded, Some(&owner))).await.unwrap();
    let seen = local.stripe.look(&made.reference).await.unwrap();
    assert_eq!((seen.status, seen.amount, seen.order.as_str()), (Status::Open(None), euro(12_10), "pay_1"));
    let method = local.kept(&owner, PAYS).await;
    let intent = format!("payment_intents/{}", made.reference);
    assert_eq!(local.beside(&intent, &[("payment_method", &method)]).await.0, 200);
    let confirm = format!("{intent}/confirm");
    assert_eq!(local.beside(&confirm, &[]).await.0, 200);
    let seen = local.stripe.look(&made.reference).await.unwrap();
    assert_eq!((seen.status, seen.amount), (Status::Paid, euro(12_10)));
    assert_eq!(seen.charge, Some(made.reference));
    assert_eq!(seen.card.map(|card| (card.reference, card.last4)), Some((method, "4242".into())));
}

#[tokio::test]
async fn cards_that_decline() {
    let local = Local::start();
    let owner = local.stripe.customer(customer(None)).await.unwrap();
    let card = local.kept(&owner, KEPT_BUT_DECLINED).await;
    assert_eq!(local.charged(&owner, &card, "k1").await, Status::Open(Some(Decline::Declined)));
    let card = local.kept(&owner, ASKS_FIRST).await;
    assert_eq!(local.charged(&owner, &card, "k2").await, Status::Open(Some(Decline::AuthenticationRequired)));
    let card = local.kept(&owner, PAYS).await;
    assert_eq!(local.charged(&owner, &card, "k3").await, Status::Paid);
    let made = local.stripe.set_up(setup(Form::Embedded, &owner)).await.unwrap();
    let form = [
        ("payment_method_data[type]", "card"),
        ("payment_method_data[card][number]", CANNOT_BE_KEPT),
        ("payment_method_data[card][exp_month]", "8"),
        ("payment_method_data[card][exp_year]", "2031"),
        ("payment_method_data[card][cvc]", "123"),
    ];
    assert_eq!(local.beside(&format!("setup_intents/{}/confirm", made.reference), &form).await.0, 402);
    let seen = local.stripe.look_at_setup(&made.reference).await.unwrap();
    assert_eq!((seen.status, seen.card), (Status::Ended, None));
}

#[tokio::test]
async fn what_is_not_there() {
    let local = Local::start();
    let stripe = &local.stripe;
    assert_eq!(stripe.look("pi_nobody").await, Err(Trouble::Unknown));
    assert_eq!(stripe.look_at_setup("seti_nobody").await, Err(Trouble::Unknown));
    assert_eq!(stripe.look_at_card("pm_nobody").await, Ok(None));
    assert_eq!(stripe.forget_card("pm_nobody").await, Ok(()));
    assert_eq!(stripe.look_at_refund("re_nobody").await, Err(Trouble::Unknown));
    let stranger = stripe.charge(charge("cus_nobody", "pm_nobody")).await;
    assert!(matches!(stranger, Err(Trouble::Refused(_))), "{stranger:?}");
    let mistaken = gateway_with(&local.url, 5_000, "nonsense");
    assert!(matches!(mistaken.look("pi_nobody").await, Err(Trouble::Unreachable(_))));
}
