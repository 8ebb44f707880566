//! What Stripe is asked, to the letter, and what its answers mean.

use serde_json::{Value, json};
use tollbook::payments::gateway::{
    Card, Decline, DisputeStatus, Form, Gateway, RefundStatus, Status, Subject, Trouble,
};

use super::fake::{Fake, VERSION};
use super::{charge, customer, euro, gateway, give_back, order, setup};

/// The one request since the last look, with its form.
#[track_caller]
fn asked(fake: &Fake, method: &str, path: &str, key: Option<&str>) -> Vec<String> {
    let mut all = fake.asked();
    assert_eq!(all.len(), 1, "{all:?}");
    let one = all.remove(0);
    assert_eq!((one.method.as_str(), one.path.as_str(), one.key()), (method, path, key));
    assert_eq!(one.headers["stripe-version"], VERSION);
    assert!(one.headers["user-agent"].starts_with("tollbook/"), "{one:?}");
    let form = one.headers.get("content-type").map(String::as_str);
    assert_eq!(
        form,
        (method == "POST" && !one.form.is_empty()).then_some("application/x-www-form-urlencoded")
    );
    let mut lines = one.lines();
    lines.sort();
    lines
}

fn visa(reference: &str) -> Card {
    Card {
        reference: reference.into(),
        brand: "visa".into(),
        last4: "4242".into(),
        exp_month: 8,
        exp_year: 2030,
        country: Some("US".parse().unwrap()),
    }
}

#[tokio::test]
async fn a_top_up_on_stripes_page() {
    let fake = Fake::start();
    let stripe = gateway(&fake.url(), 5_000);
    let made = stripe.begin(order(Form::Hosted, None)).await.unwrap();
    let session = made.reference.clone();
    assert_eq!(
        (made.client_secret, made.url),
        (None, Some(format!("https://checkout.stripe.com/c/pay/{session}")))
    );
    let expected = [
        "adaptive_pricing[enabled]=false",
        "cancel_url=https://desk.example/topup",
        "client_reference_id=pay_1",
        "line_items[0][price_data][currency]=eur",
        "line_items[0][price_data][product_data][name]=1000 credits",
        "line_items[0][price_data][unit_amount]=1210",
        "line_items[0][quantity]=1",
        "metadata[tollbook_id]=pay_1",
        "mode=payment",
        "payment_intent_data[description]=1000 credits",
        "payment_intent_data[metadata][tollbook_id]=pay_1",
        "success_url=https://desk.example/topup/pay_1",
    ];
    assert_eq!(asked(&fake, "POST", "/v1/checkout/sessions", Some("tollbook_pay_1")), expected);
    let seen = stripe.look(&session).await.unwrap();
    assert_eq!((seen.order.as_str(), seen.amount, seen.status), ("pay_1", euro(12_10), Status::Open(None)));
    assert_eq!((seen.charge, seen.card), (None, None));
    assert_eq!(asked(&fake, "GET", &format!("/v1/checkout/sessions/{session}"), None), [""; 0]);
    let declined =
        json!({"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"});
    let intent = fake.pays(&session, "requires_payment_method", &declined);
    assert_eq!(stripe.look(&session).await.unwrap().status, Status::Open(Some(Decline::InsufficientFunds)));
    fake.pays(&session, "processing", &Value::Null);
    assert_eq!(stripe.look(&session).await.unwrap().status, Status::Processing);
    fake.pays(&session, "succeeded", &Value::Null);
    let paid = stripe.look(&session).await.unwrap();
    assert_eq!((paid.status, paid.amount), (Status::Paid, euro(12_10)));
    assert_eq!((paid.charge.as_deref(), paid.card), (Some(intent.as_str()), Some(visa("pm_of_a_guest"))));
    // the same, asked for by its part
    let part = stripe.look(&intent).await.unwrap();
    assert_eq!((part.order.as_str(), part.status, part.charge), ("pay_1", Status::Paid, Some(intent)));
    assert!(matches!(stripe.look_at_setup(&session).await, Err(Trouble::Unknown)));
}

#[tokio::test]
async fn a_session_that_is_over_and_unpaid_has_ended() {
    let fake = Fake::start();
    let stripe = gateway(&fake.url(), 5_000);
    let session = stripe.begin(order(Form::Hosted, None)).await.unwrap().reference;
    // a bank debit came back after the page was done
    fake.pays(&session, "processing", &Value::Null);
    fake.pays(
        &session,
        "requires_payment_method",
        &json!({"type": "card_error", "code": "debit_not_authorized"}),
    );
    assert_eq!(stripe.look(&session).await.unwrap().status, Status::Ended);
    fake.change(&session, json!({"status": "expired"}));
    assert_eq!(stripe.look(&session).await.unwrap().status, Status::Ended);
    fake.change(&session, json!({"status": "something new"}));
    assert!(matches!(stripe.look(&session).await, Err(Trouble::Unreachable(_))));
}

#[tokio::test]
async fn a_top_up_on_a_page_of_the_platforms() {
    let fake = Fake::start();
    let stripe = gateway(&fake.url(), 5_000);
    let reference = stripe.customer(customer(None)).await.unwrap();
    fake.asked();
    let made = stripe.begin(order(Form::Embedded, Some(&reference))).await.unwrap();
    assert!(made.reference.starts_with("pi_") && made.client_secret.unwrap().contains("_secret_"));
    assert_eq!(made.url, None);
    let expected = [
        "amount=1210",
        "automatic_payment_methods[enabled]=true",
        "currency=eur",
        &format!("customer={reference}"),
        "description=1000 credits",
        "expand[0]=latest_charge",
        "metadata[tollbook_id]=pay_1",
    ];
    assert_eq!(asked(&fake, "POST", "/v1/payment_intents", Some("tollbook_pay_1")), expected);
    for (status, expected) in [
        ("requires_payment_method", Status::Open(None)),
        ("requires_confirmation", Status::Open(None)),
        ("requires_action", Status::Open(None)),
        ("processing", Status::Processing),
        ("requires_capture", Status::Processing),
        ("succeeded", Status::Paid),
        ("canceled", Status::Ended),
    ] {
        fake.change(&made.reference, json!({"status": status, "amount_received": 1210}));
        assert_eq!(stripe.look(&made.reference).await.unwrap().status, expected, "{status}");
    }
    fake.change(&made.reference, json!({"status": "succeeded", "amount_received": 1}));
    assert_eq!(
        stripe.look(&made.reference).await.unwrap().amount,
        euro(1),
        "what came, not what was asked for"
    );
}

#[tokio::test]
async fn declines_are_told_apart() {
    let fake = Fake::start();
    let stripe = gateway(&fake.url(), 5_000);
    let intent = stripe.begin(order(Form::Embedded, None)).await.unwrap().reference;
    for (code, decline_code, expected) in [
        ("card_declined", "generic_decline", Decline::Declined),
        ("card_declined", "insufficient_funds", Decline::InsufficientFunds),
        ("expired_card", "expired_card", Decline::ExpiredCard),
        ("card_declined", "authentication_required", Decline::AuthenticationRequired),
        ("authentication_required", "authentication_required", Decline::AuthenticationRequired),
        ("payment_intent_authentication_failure", "", Decline::AuthenticationFailed),
        ("incorrect_cvc", "incorrect_cvc", Decline::Declined),
    ] {
        let error = json!({"type": "card_error", "code": code, "decline_code": decline_code});
        fake.change(&intent, json!({"last_payment_error": error}));
        assert_eq!(stripe.look(&intent).await.unwrap().status, Status::Open(Some(expected)), "{code}");
    }
}

#[tokio::test]
async fn a_kept_card_is_charged_and_a_decline_is_an_answer() {
    let fake = Fake::start();
    let stripe = gateway(&fake.url(), 5_000);
    let owner = stripe.customer(customer(None)).await.unwrap();
    let card = fake.card(Some(&owner), json!({"country": "ES"}));
    fake.asked();
    let (intent, seen) = stripe.charge(charge(&owner, &card)).await.unwrap();
    let expected = [
        "allowed_payment_method_types[0]=card",
        "amount=5000",
        "confirm=true",
        "currency=eur",
        &format!("customer={owner}"),
        "description=Auto-reload",
        "expand[0]=latest_charge",
        "metadata[tollbook_id]=pay_2",
        "off_session=true",
        &format!("payment_method={card}"),
    ];
    assert_eq!(asked(&fake, "POST", "/v1/payment_intents", Some("tollbook_pay_2")), expected);
    assert_eq!((seen.status, seen.amount, seen.order.as_str()), (Status::Paid, euro(50_00), "pay_2"));
    assert_eq!(seen.charge, Some(intent.clone()));
    assert_eq!(seen.card, Some(Card { country: Some("ES".parse().unwrap()), ..visa(&card) }));
    assert_eq!(stripe.look(&intent).await.unwrap(), seen);

    for (code, decline_code, expected) in [
        ("card_declined", "insufficient_funds", Decline::InsufficientFunds),
        ("authentication_required", "authentication_required", Decline::AuthenticationRequired),
    ] {
        fake.declines(&card, code, decline_code);
        let mut again = charge(&owner, &card);
        again.key = code.into();
        let (intent, seen) = stripe.charge(again.clone()).await.unwrap();
        assert_eq!((seen.status, seen.amount), (Status::Open(Some(expected)), euro(50_00)));
        assert_eq!(seen.order, "pay_2");
        assert_eq!(stripe.charge(again).await.unwrap().0, intent, "the same key is the same charge");
        assert_eq!(stripe.look(&intent).await.unwrap().status, Status::Open(Some(expected)));
    }
    // one that waits for somebody who is not there
    let pending = fake.of_kind("pi_").pop().unwrap();
    assert_eq!(pending["status"], "requires_payment_method");
    let gone = stripe.charge(charge(&owner, "pm_that_never_was")).await;
    assert!(matches!(gone, Err(Trouble::Unreachable(_))), "the key stands for another charge: {gone:?}");
    let mut other = charge(&owner, "pm_that_never_was");
    other.key = "fresh".into();
    assert!(matches!(stripe.charge(other).await, Err(Trouble::Refused(why)) if why.contains("No such")));
}

#[tokio::test]
async fn customers_are_made_and_brought_up_to_date() {
    let fake = Fake::start();
    let stripe = gateway(&fake.url(), 5_000);
    let mut new = customer(None);
    new.details.address_line2 = String::new();
    let reference = stripe.customer(new).await.unwrap();
    let expected = [
        "address[city]=Berlin",
        "address[country]=DE",
        "address[line1]=Hauptstraße 1",
        "address[postal_code]=10115",
        "email=bills+acme@example.com",
        "metadata[tollbook_id]=org_1",
        "metadata[vat_id]=DE136695976",
        "name=Acme GmbH & Söhne",
        "preferred_locales[0]=en",
    ];
    assert_eq!(asked(&fake, "POST", "/v1/customers", Some("tollbook_customer_false")), expected);
    let mut moved = customer(Some(&reference));
    moved.details.company_name = String::new();
    moved.details.vat_id = String::new();
    moved.details.postal_code = String::new();
    assert_eq!(stripe.customer(moved).await.unwrap(), reference);
    let path = format!("/v1/customers/{reference}");
    let lines = asked(&fake, "POST", &path, Some("tollbook_customer_true"));
    for line in ["name=Acme", "metadata[vat_id]=", "address[postal_code]=", "address[city]=Berlin"] {
        assert!(lines.contains(&line.to_owned()), "{lines:?}");
    }
    let mut gone = customer(Some("cus_nobody"));
    gone.key = "gone".into();
    assert_eq!(stripe.customer(gone).await, Err(Trouble::Unknown), "to be made anew");
    fake.asked();
    for strange in ["cus_", "cus_1/../2", "pm_1", ""] {
        assert_eq!(stripe.customer(customer(Some(strange))).await, Err(Trouble::Unknown), "{strange}");
    }
    assert!(fake.asked().is_empty(), "nobody is asked about what can be no id");
}

#[tokio::test]
async fn a_card_is_kept_looked_at_and_forgotten() {
    let fake = Fake::start();
    let stripe = gateway(&fake.url(), 5_000);
    let owner = stripe.customer(customer(None)).await.unwrap();
    fake.asked();
    let hosted = stripe.set_up(setup(Form::Hosted, &owner)).await.unwrap();
    let expected = [
        "allowed_payment_method_types[0]=card",
        "cancel_url=https://desk.example/cards?no",
        "client_reference_id=setup_1",
        &format!("customer={owner}"),
        "metadata[tollbook_id]=setup_1",
        "mode=setup",
        "setup_intent_data[metadata][tollbook_id]=setup_1",
        "success_url=https://desk.example/cards",
    ];
    assert_eq!(asked(&fake, "POST", "/v1/checkout/sessions", Some("tollbook_setup_1")), expected);
    assert!(hosted.url.unwrap().starts_with("https://checkout.stripe.com/"));
    let seen = stripe.look_at_setup(&hosted.reference).await.unwrap();
    assert_eq!((seen.status, seen.setup.as_str(), &seen.customer), (Status::Open(None), "setup_1", &owner));
    assert!(matches!(stripe.look(&hosted.reference).await, Err(Trouble::Unknown)), "it is no order");
    let card = fake.card(Some(&owner), json!({}));
    let intent = fake.sets_up(&hosted.reference, &card);
    for reference in [&hosted.reference, &intent] {
        let seen = stripe.look_at_setup(reference).await.unwrap();
        assert_eq!((seen.status, seen.setup.as_str(), &seen.customer), (Status::Paid, "setup_1", &owner));
        assert_eq!(seen.card, Some(visa(&card)));
    }
    fake.asked();

    let mut wanted = setup(Form::Embedded, &owner);
    wanted.key = "embedded".into();
    let embedded = stripe.set_up(wanted).await.unwrap();
    assert!(embedded.client_secret.is_some() && embedded.url.is_none());
    let expected = [
        "allowed_payment_method_types[0]=card",
        &format!("customer={owner}"),
        "expand[0]=payment_method",
        "metadata[tollbook_id]=setup_1",
        "usage=off_session",
    ];
    assert_eq!(asked(&fake, "POST", "/v1/setup_intents", Some("embedded")), expected);
    let error = json!({"type": "card_error", "code": "setup_intent_authentication_failure"});
    fake.change(&embedded.reference, json!({"last_setup_error": error}));
    let seen = stripe.look_at_setup(&embedded.reference).await.unwrap();
    assert_eq!((seen.status, seen.card), (Status::Open(Some(Decline::AuthenticationFailed)), None));

    assert_eq!(stripe.look_at_card(&card).await.unwrap(), Some((owner, visa(&card))));
    for _ in 0..2 {
        stripe.forget_card(&card).await.unwrap();
        assert_eq!(stripe.look_at_card(&card).await.unwrap(), None);
    }
    for strange in ["pm_nobody", "tok_1", "pm_../../refunds"] {
        stripe
            .forget_card(strange)
            .await
            .map_or_else(|trouble| assert_eq!(trouble, Trouble::Unknown), |()| ());
        assert!(matches!(stripe.look_at_card(strange).await, Ok(None) | Err(Trouble::Unknown)));
    }
}

#[tokio::test]
async fn money_is_given_back_once_and_not_more_than_there_is() {
    let fake = Fake::start();
    let stripe = gateway(&fake.url(), 5_000);
    let session = stripe.begin(order(Form::Hosted, None)).await.unwrap().reference;
    let intent = fake.pays(&session, "succeeded", &Value::Null);
    fake.asked();
    let seen = stripe.refund(give_back(&intent, 10_00, "k1")).await.unwrap();
    let expected = ["amount=1000", "metadata[tollbook_id]=ref_1", &format!("payment_intent={intent}")];
    assert_eq!(asked(&fake, "POST", "/v1/refunds", Some("k1")), expected);
    assert_eq!((seen.refund.as_str(), &seen.charge, seen.amount), ("ref_1", &intent, euro(10_00)));
    assert_eq!(seen.status, RefundStatus::Pending);
    assert_eq!(stripe.refund(give_back(&intent, 10_00, "k1")).await.unwrap(), seen);
    let more = stripe.refund(give_back(&intent, 10_00, "k2")).await;
    assert!(matches!(more, Err(Trouble::Refused(why)) if why.contains("greater than unrefunded")));
    assert_eq!(fake.of_kind("re_").len(), 1);
    for (status, reason, expected) in [
        ("succeeded", None, RefundStatus::Succeeded),
        ("requires_action", None, RefundStatus::Pending),
        ("failed", Some("lost_or_stolen_card"), RefundStatus::Failed("lost_or_stolen_card".into())),
        ("canceled", None, RefundStatus::Failed("canceled".into())),
    ] {
        fake.change(&seen.reference, json!({"status": status, "failure_reason": reason}));
        assert_eq!(stripe.look_at_refund(&seen.reference).await.unwrap().status, expected, "{status}");
    }
    // made at Stripe itself
    fake.change(&seen.reference, json!({"metadata": {}}));
    assert_eq!(stripe.look_at_refund(&seen.reference).await.unwrap().refund, "");
    let dispute = fake.disputes(&intent, "needs_response");
    for (status, expected) in [
        ("needs_response", DisputeStatus::Open),
        ("under_review", DisputeStatus::Open),
        ("warning_needs_response", DisputeStatus::Inquiry),
        ("warning_under_review", DisputeStatus::Inquiry),
        ("prevented", DisputeStatus::Dropped),
        ("warning_closed", DisputeStatus::Dropped),
        ("won", DisputeStatus::Won),
        ("lost", DisputeStatus::Lost),
    ] {
        fake.change(&dispute, json!({"status": status}));
        let seen = stripe.look_at_dispute(&dispute).await.unwrap();
        assert_eq!((seen.status, &seen.charge, seen.amount), (expected, &intent, euro(12_10)), "{status}");
        assert_eq!(seen.reason, "general");
    }
}

#[tokio::test]
async fn events_are_told_apart_by_their_type_and_their_objects_id() {
    let stripe = gateway("http://127.0.0.1:9", 100);
    for (event_type, reference, expected) in [
        ("checkout.session.completed", "cs_test_1", Subject::Order),
        ("checkout.session.async_payment_succeeded", "cs_live_1", Subject::Order),
        ("payment_intent.payment_failed", "pi_1", Subject::Order),
        ("setup_intent.succeeded", "seti_1", Subject::Setup),
        ("payment_method.detached", "pm_1", Subject::Card),
        ("charge.refund.updated", "re_1", Subject::Refund),
        ("refund.failed", "pyr_1", Subject::Refund),
        ("charge.dispute.created", "du_1", Subject::Dispute),
        ("charge.dispute.closed", "dp_1", Subject::Dispute),
        ("charge.refunded", "ch_1", Subject::Other),
        ("invoice.paid", "in_1", Subject::Other),
        ("terminal.reader.action_failed", "pi_1", Subject::Other),
        ("payment_intent.succeeded", "pi_", Subject::Other),
        ("payment_intent.succeeded", "pi_1/../../refunds", Subject::Other),
        ("payment_intent.succeeded", "", Subject::Other),
        ("", "pi_1", Subject::Other),
    ] {
        assert_eq!(stripe.subject(event_type, reference), expected, "{event_type} {reference}");
    }
}
