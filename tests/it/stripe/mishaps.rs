//! Stripe misbehaves at each call: what is made is made once, and nobody is told that it failed when it may not have.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tollbook::payments::gateway::stripe::Stripe;
use tollbook::payments::gateway::{Form, Gateway, Status, Trouble};

use super::fake::{Fake, Mishap};
use super::{charge, customer, gateway, gateway_with, give_back, order, setup};

/// Everything that makes or changes something at Stripe.
const MAKING: [&str; 8] = [
    "hosted",
    "embedded",
    "charge",
    "customer",
    "customer again",
    "set up hosted",
    "set up embedded",
    "refund",
];

/// What may happen once without anybody noticing.
const PASSING: [Mishap; 9] = [
    Mishap::HangsUp,
    Mishap::Fails(500),
    Mishap::Fails(503),
    Mishap::Fails(409),
    Mishap::Fails(429),
    Mishap::FailsAfterwards(500),
    Mishap::FailsAfterwards(502),
    Mishap::BreaksOff,
    Mishap::Hangs,
];

struct Scene {
    fake: Fake,
    stripe: Stripe,
    owner: String,
    card: String,
    paid: String,
}

impl Scene {
    async fn new(timeout_ms: u64) -> Self {
        let fake = Fake::start();
        let stripe = gateway(&fake.url(), timeout_ms);
        let mut wanted = customer(None);
        wanted.key = "of the scene".into();
        let owner = stripe.customer(wanted).await.unwrap();
        let card = fake.card(Some(&owner), json!({}));
        let mut wanted = order(Form::Hosted, None);
        wanted.key = "of the scene, too".into();
        let session = stripe.begin(wanted).await.unwrap().reference;
        let paid = fake.pays(&session, "succeeded", &Value::Null);
        fake.asked();
        Self { fake, stripe, owner, card, paid }
    }

    /// Makes it; answers Stripe's id of it.
    async fn make(&self, what: &str) -> Result<String, Trouble> {
        let Self { stripe, owner, card, paid, .. } = self;
        match what {
            "hosted" => stripe.begin(order(Form::Hosted, Some(owner))).await.map(|made| made.reference),
            "embedded" => stripe.begin(order(Form::Embedded, Some(owner))).await.map(|made| made.reference),
            "charge" => {
                let (reference, seen) = stripe.charge(charge(owner, card)).await?;
                assert_eq!(seen.status, Status::Paid);
                Ok(reference)
            }
            "customer" => stripe.customer(customer(None)).await,
            "customer again" => stripe.customer(customer(Some(owner))).await,
            "set up hosted" => stripe.set_up(setup(Form::Hosted, owner)).await.map(|made| made.reference),
            "set up embedded" => stripe.set_up(setup(Form::Embedded, owner)).await.map(|made| made.reference),
            "refund" => stripe.refund(give_back(paid, 1_00, "refund")).await.map(|seen| seen.reference),
            other => panic!("{other}"),
        }
    }

    fn count(&self) -> usize {
        ["cs_", "pi_", "cus_", "seti_", "re_", "ch_"].iter().map(|kind| self.fake.of_kind(kind).len()).sum()
    }

    /// All attempts asked for the same, under the same key.
    #[track_caller]
    fn assert_same(&self, attempts: usize, what: &str) {
        let asked = self.fake.asked();
        assert_eq!(asked.len(), attempts, "{what}: {asked:?}");
        for one in &asked {
            assert!(one.key().is_some_and(|key| !key.is_empty()), "{what}");
            assert_eq!(
                (one.key(), &one.path, &one.form),
                (asked[0].key(), &asked[0].path, &asked[0].form),
                "{what}"
            );
        }
    }
}

/// How many objects come into being when nothing goes wrong.
async fn expected(what: &str) -> usize {
    let scene = Scene::new(5_000).await;
    let before = scene.count();
    scene.make(what).await.unwrap();
    scene.count() - before
}

#[tokio::test]
async fn what_goes_wrong_once_is_not_noticed_and_nothing_is_made_twice() {
    let each = MAKING.map(|what| async move {
        let wanted = expected(what).await;
        let all = PASSING.map(|mishap| async move {
            let scene = Scene::new(if mishap == Mishap::Hangs { 1_500 } else { 10_000 }).await;
            let before = scene.count();
            scene.fake.next(&[mishap]);
            let made =
                scene.make(what).await.unwrap_or_else(|trouble| panic!("{what} {mishap:?}: {trouble}"));
            scene.assert_same(2, what);
            assert_eq!(scene.count() - before, wanted, "{what} {mishap:?}");
            assert_eq!(scene.make(what).await.unwrap(), made, "{what} {mishap:?}: the key stands for it");
        });
        join_all(all).await;
    });
    join_all(each).await;
}

#[tokio::test]
async fn what_stays_wrong_is_no_refusal_and_goes_on_later() {
    let each = MAKING.map(|what| async move {
        for mishap in
            [Mishap::HangsUp, Mishap::Fails(500), Mishap::Fails(409), Mishap::Fails(429), Mishap::BreaksOff]
        {
            let scene = Scene::new(10_000).await;
            let (before, wanted) = (scene.count(), expected(what).await);
            scene.fake.next(&[mishap; 3]);
            let failed = scene.make(what).await;
            assert!(matches!(failed, Err(Trouble::Unreachable(_))), "{what} {mishap:?}: {failed:?}");
            scene.assert_same(3, what);
            scene.make(what).await.unwrap();
            assert_eq!(scene.count() - before, wanted, "{what} {mishap:?}");
        }
    });
    join_all(each).await;
}

#[tokio::test]
async fn what_makes_no_sense_may_have_been_carried_out() {
    let each = MAKING.map(|what| async move {
        let odd = [
            Mishap::Page(200),
            Mishap::Page(404),
            Mishap::OtherForm,
            Mishap::Floods,
            Mishap::FailsForGood(500),
            Mishap::FailsForGood(429),
        ];
        for mishap in odd {
            let scene = Scene::new(10_000).await;
            let (before, wanted) = (scene.count(), expected(what).await);
            scene.fake.next(&[mishap]);
            let failed = scene.make(what).await;
            assert!(matches!(failed, Err(Trouble::Unreachable(_))), "{what} {mishap:?}: {failed:?}");
            scene.assert_same(1, what);
            scene.make(what).await.unwrap();
            assert_eq!(scene.count() - before, wanted, "{what} {mishap:?}");
        }
    });
    join_all(each).await;
}

#[tokio::test]
async fn looking_is_tried_again_and_never_taken_for_knowing() {
    for mishap in [Mishap::HangsUp, Mishap::Fails(500), Mishap::Fails(429), Mishap::BreaksOff] {
        let scene = Scene::new(10_000).await;
        scene.fake.next(&[mishap]);
        assert_eq!(scene.stripe.look(&scene.paid).await.unwrap().status, Status::Paid, "{mishap:?}");
        scene.fake.next(&[mishap; 3]);
        assert!(matches!(scene.stripe.look(&scene.paid).await, Err(Trouble::Unreachable(_))), "{mishap:?}");
        scene.fake.next(&[mishap; 3]);
        assert!(matches!(scene.stripe.look_at_card(&scene.card).await, Err(Trouble::Unreachable(_))));
        scene.fake.next(&[mishap; 3]);
        assert!(matches!(scene.stripe.forget_card(&scene.card).await, Err(Trouble::Unreachable(_))));
    }
    let scene = Scene::new(10_000).await;
    for mishap in [Mishap::Page(200), Mishap::Page(302), Mishap::Page(404), Mishap::OtherForm, Mishap::Floods]
    {
        scene.fake.next(&[mishap]);
        assert!(matches!(scene.stripe.look(&scene.paid).await, Err(Trouble::Unreachable(_))), "{mishap:?}");
    }
    // somebody else answers there, who knows nothing of the payment
    for status in [301, 403, 404, 405] {
        scene.fake.next(&[Mishap::FailsForGood(status)]);
        let found = scene.stripe.look(&scene.paid).await;
        let expected = status == 404;
        assert_eq!(matches!(found, Err(Trouble::Unknown)), expected, "{status}: {found:?}");
    }
}

#[tokio::test]
async fn a_key_that_does_not_serve_loses_nothing() {
    let scene = Scene::new(5_000).await;
    let nobody = gateway_with(&scene.fake.url(), 5_000, "sk_test_mistaken");
    let refused = nobody.begin(order(Form::Hosted, None)).await;
    let Err(Trouble::Unreachable(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("payments.stripe.secret_key"), "{why}");
    assert_eq!(scene.fake.asked().len(), 1, "the same key does not serve a moment later either");
    assert!(matches!(nobody.look(&scene.paid).await, Err(Trouble::Unreachable(_))));
    assert!(matches!(nobody.look_at_card(&scene.card).await, Err(Trouble::Unreachable(_))));
}

#[tokio::test]
async fn a_key_that_stands_for_something_else_is_no_refusal() {
    let scene = Scene::new(5_000).await;
    scene.make("charge").await.unwrap();
    let mut other = charge(&scene.owner, &scene.card);
    other.amount.minor += 1;
    let conflict = scene.stripe.charge(other).await;
    assert!(matches!(conflict, Err(Trouble::Unreachable(_))), "it was charged before: {conflict:?}");
    assert_eq!(scene.fake.of_kind("ch_").len(), 2, "one of the scene, one charge");
}

#[tokio::test]
async fn what_is_not_there_and_what_is_wrong_is_refused() {
    let scene = Scene::new(5_000).await;
    let stranger = scene.stripe.begin(order(Form::Hosted, Some("cus_nobody"))).await;
    assert!(matches!(stranger, Err(Trouble::NoCustomer(why)) if why.contains("No such customer")));
    assert_eq!(scene.stripe.look("pi_nobody").await, Err(Trouble::Unknown));
    assert_eq!(scene.stripe.look("cs_nobody").await, Err(Trouble::Unknown));
    assert_eq!(scene.stripe.look_at_refund("re_nobody").await, Err(Trouble::Unknown));
    assert_eq!(scene.stripe.look_at_dispute("dp_nobody").await, Err(Trouble::Unknown));
    scene.fake.asked();
    let mut nothing = order(Form::Embedded, None);
    nothing.amount.minor = 0;
    assert!(matches!(scene.stripe.begin(nothing).await, Err(Trouble::Refused(_))));
    let mut keyless = order(Form::Embedded, None);
    keyless.key = String::new();
    assert!(matches!(scene.stripe.begin(keyless).await, Err(Trouble::Refused(_))));
    assert!(scene.fake.asked().is_empty());
    // nobody is there
    let deaf = gateway("http://127.0.0.1:9", 500);
    assert!(matches!(deaf.begin(order(Form::Hosted, None)).await, Err(Trouble::Unreachable(_))));
}
