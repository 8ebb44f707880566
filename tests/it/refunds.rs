//! Money going back: what is unused comes back at its cost, once; who uses what was given back, or disputes it, gains
//! nothing; and where the provider says no, everything is as before.

use std::sync::atomic::Ordering;

use tollbook::base::id::{GrantId, RefundId};
use tollbook::base::{Currency, Money};
use tollbook::db::DbError;
use tollbook::identity::{Actor, By};
use tollbook::invoices::{self, Invoice, Kind};
use tollbook::outbox;
use tollbook::payments::gateway::sandbox::{self, Card};
use tollbook::payments::gateway::{DisputeSeen, DisputeStatus, Gateway, GiveBack, RefundSeen, RefundStatus};
use tollbook::payments::refunds::{self, Error, Reason, Refund, State, Wish};
use tollbook::payments::{self, NewPayment, Payment, disputes, names, packages};
use tollbook::wallet;

use crate::ledger_kit::{credits, event};
use crate::payments::{LOST, REFUSES, Shop, UNANSWERED, WORKS};

const BY: By = By::actor(Actor::System);
const DAYS: u32 = 14;
const DAY_MS: i64 = 86_400_000;

fn euro(minor: i64) -> Money {
    Money { minor, currency: Currency::EUR }
}

impl Shop {
    async fn buy(&self, key: &str, amount: &str) -> Payment {
        let payment = self.desk.start(self.wanted(key, amount)).await.unwrap();
        self.settle(payment).await
    }

    async fn settle(&self, payment: Payment) -> Payment {
        self.pay(&payment, Card::Pays).await;
        self.desk.ask(payment.id).await.unwrap()
    }

    /// A package of 5,000 credits and 250 on top, for €50.00 and tax.
    async fn buy_growth(&self) -> Payment {
        let listed = self.kit.db().read_blocking(|tx| packages::list(tx, Currency::EUR)).unwrap();
        let growth = listed.iter().find(|package| package.code == "growth").unwrap().purchase();
        let new = NewPayment { purchase: growth, ..self.wanted("growth", "10") };
        self.settle(self.desk.start(new).await.unwrap()).await
    }

    /// Uses so many credits: a chat is one.
    async fn burn(&self, id: &str, credits: i64) {
        let credits = credits.to_string();
        let receipt = self.kit.charge(self.customer, event(id, "chat", &credits, self.kit.now())).await;
        assert_eq!(receipt.credits.to_string(), credits);
    }

    async fn request(&self, payment: &Payment, total: Option<i64>) -> Result<Refund, Error> {
        let wish = wish(payment, total, Reason::Unused);
        let customer = self.customer;
        self.kit.write(move |tx| refunds::request(tx, &BY, customer, &wish, DAYS)).await
    }

    async fn give(&self, payment: &Payment, total: Option<i64>, reason: Reason) -> Result<Refund, Error> {
        let wish = wish(payment, total, reason);
        self.kit.write(move |tx| refunds::give(tx, &BY, &wish)).await
    }

    /// As the provider was told it.
    fn told_as(&self, refund: RefundId) -> String {
        self.kit.db().read_blocking(|tx| names::told(tx, refund)).unwrap()
    }

    fn refund(&self, refund: &Refund) -> Refund {
        self.kit.db().read_blocking(|tx| refunds::get(tx, refund.id)).unwrap()
    }

    fn documents(&self) -> Vec<Invoice> {
        self.kit.db().read_blocking(|tx| invoices::list(tx, self.customer, None, 100)).unwrap().items
    }

    fn credit_notes(&self) -> Vec<i64> {
        let notes = self.documents().into_iter().filter(|found| found.kind == Kind::CreditNote);
        notes.map(|note| note.amounts.total.minor).collect()
    }

    /// Everything that a refund could touch.
    fn everything(&self) -> Vec<(i64, i64, i64, i64)> {
        let accounts = "SELECT id, debits_posted, credits_posted, debits_pending FROM accounts ORDER BY id";
        let read = self.kit.db().read_blocking(|tx| -> Result<_, DbError> {
            let mut statement = tx.prepare(accounts)?;
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        });
        read.unwrap()
    }

    fn dispute(&self) -> disputes::Dispute {
        self.kit.db().read_blocking(|tx| disputes::list(tx, None, 10)).unwrap().remove(0)
    }
}

fn wish(payment: &Payment, total: Option<i64>, reason: Reason) -> Wish {
    Wish { payment: payment.id, total: total.map(euro), reason, note: "as asked".into() }
}

#[tokio::test]
async fn what_is_unused_comes_back_at_its_cost_with_its_tax() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    shop.burn("e1", 250).await;
    let asked = shop.request(&payment, None).await.unwrap();
    assert_eq!((asked.state.name(), asked.total), ("requested", euro(908)));
    assert!(matches!(shop.request(&payment, None).await, Err(Error::AskedAlready)));
    assert_eq!(shop.balance(), "750", "asking takes nothing");
    let decided = shop.kit.write(move |tx| refunds::approve(tx, &BY, asked.id)).await.unwrap();
    assert_eq!(decided.state.name(), "pending");
    let summary = shop.kit.summary(shop.customer);
    assert_eq!((summary.held.to_string(), summary.available.to_string()), ("750".into(), "0".into()));
    shop.kit.assert_sound();
    shop.drain().await;
    assert_eq!(shop.refund(&decided).state.name(), "succeeded");
    assert_eq!((shop.balance(), shop.credit_notes()), ("0".into(), vec![908]));
    assert_eq!((shop.money("cash"), shop.money("tax_payable")), (1_210 - 908, -(210 - 158)));
    assert_eq!((shop.money("deferred_revenue"), shop.money("revenue")), (0, -250));
    shop.kit.assert_sound();
    let again = shop.give(&payment, None, Reason::Unused).await;
    assert!(matches!(again, Err(Error::Invalid(_))), "{again:?}");
}

#[tokio::test]
async fn retried_refund_refunds_twice() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    let refund = shop.give(&payment, Some(605), Reason::Unused).await.unwrap();
    for how in [LOST, UNANSWERED, UNANSWERED, WORKS] {
        shop.line.refund.store(how, Ordering::SeqCst);
        shop.drain().await;
        shop.later(60_000);
    }
    let State::Succeeded { reference, .. } = shop.refund(&refund).state else { panic!("not done") };
    // told three times more, and done once more
    for event in ["1", "2", "1"] {
        let body = sandbox::event(&format!("refund.updated {reference}"), event, shop.kit.now()).unwrap();
        shop.tell_body(body).await.unwrap();
    }
    let number = refund.id.number().to_string();
    let now = shop.kit.now();
    shop.kit.write(move |tx| outbox::enqueue(tx, refunds::GIVE_BACK, &number, now)).await.unwrap();
    shop.drain().await;
    assert_eq!((shop.balance(), shop.credit_notes()), ("500".into(), vec![605]));
    assert_eq!(shop.money("cash"), 605);
    // what is left is refunded once, however many ask for all of it at once
    let (first, second) =
        tokio::join!(shop.give(&payment, None, Reason::Unused), shop.give(&payment, None, Reason::Unused));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    shop.drain().await;
    assert_eq!((shop.balance(), shop.money("cash")), ("0".into(), 0));
    shop.kit.assert_sound();
}

/// The provider forgets a request's key after a day: from then on, asking again could give back twice.
#[tokio::test]
async fn retried_refund_refunds_twice_after_the_provider_forgot_its_key() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    let refund = shop.give(&payment, None, Reason::Unused).await.unwrap();
    shop.line.refund.store(LOST, Ordering::SeqCst);
    for _ in 0..30 {
        shop.drain().await;
        shop.later(3_600_000);
    }
    shop.line.refund.store(WORKS, Ordering::SeqCst);
    shop.later(DAY_MS);
    shop.drain().await;
    assert_eq!(shop.refund(&refund).state.name(), "pending", "somebody has to look");
    assert_eq!(shop.kit.db().read_blocking(|tx| outbox::dead(tx, 10)).unwrap().len(), 1);
    assert_eq!((shop.money("cash"), shop.credit_notes()), (1_210, vec![]));
    shop.kit.assert_sound();
    let id = refund.id;
    assert!(shop.kit.db().read_blocking(|tx| refunds::stuck(tx, tx.now(), 10)).unwrap()[0].id == id);
    let given_up = shop.kit.write(move |tx| refunds::give_up(tx, &BY, id)).await.unwrap();
    assert_eq!(
        (given_up.state.name(), shop.kit.summary(shop.customer).held.to_string()),
        ("failed", "0".into())
    );
    let again = shop.kit.write(move |tx| refunds::give_up(tx, &BY, id)).await;
    assert!(matches!(again, Err(Error::Decided)));
    shop.kit.assert_sound();
}

#[tokio::test]
async fn a_refusal_leaves_the_ledger_as_it_was() {
    let shop = Shop::new().await;
    let payment = shop.buy_growth().await;
    shop.burn("e1", 300).await;
    // earned up to now, so that nothing else moves
    shop.kit.write(|tx| tollbook::revenue::post_due(tx, 100)).await.unwrap();
    let before = shop.everything();
    shop.line.refund.store(REFUSES, Ordering::SeqCst);
    let refund = shop.give(&payment, None, Reason::Unused).await.unwrap();
    assert_ne!(shop.everything(), before, "it is set aside");
    shop.drain().await;
    assert!(matches!(shop.refund(&refund).state, State::Failed { .. }));
    let known: Vec<_> =
        shop.everything().into_iter().filter(|row| row.0 <= before.last().unwrap().0).collect();
    assert_eq!(known, before);
    assert_eq!((shop.balance(), shop.credit_notes()), ("4950".into(), vec![]));
    shop.kit.assert_sound();
    shop.line.refund.store(WORKS, Ordering::SeqCst);
    shop.give(&payment, None, Reason::Unused).await.unwrap();
    shop.drain().await;
    assert_eq!(shop.balance(), "0");
    shop.kit.assert_sound();
}

/// Buying with a bonus, using the bonus and giving the purchase back yields nothing: what was used is paid for.
#[tokio::test]
async fn upgrade_burn_refund() {
    for burnt in [0, 100, 250, 400, 5_000, 5_250] {
        let shop = Shop::new().await;
        let payment = shop.buy_growth().await;
        if burnt > 0 {
            shop.burn("e1", burnt).await;
        }
        let given = shop.give(&payment, None, Reason::Unused).await;
        shop.drain().await;
        let used_at_cost = burnt.min(5_000) * 121 / 100;
        let kept = shop.money("cash");
        assert!(kept >= used_at_cost && kept <= used_at_cost + 1, "{burnt}: kept {kept}");
        if given.is_ok() {
            assert_eq!(shop.balance(), "0", "{burnt}: the bonus goes too");
        }
        shop.kit.assert_sound();
    }
}

#[tokio::test]
async fn the_operator_gives_back_what_was_used_without_taking_credit() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    let nothing = shop.give(&payment, None, Reason::Outage).await;
    assert!(matches!(nothing, Err(Error::Invalid(_))), "nothing was used: {nothing:?}");
    shop.burn("e1", 600).await;
    let too_much = shop.give(&payment, Some(727), Reason::Outage).await;
    assert!(matches!(too_much, Err(Error::Invalid(_))), "{too_much:?}");
    shop.give(&payment, Some(121), Reason::Outage).await.unwrap();
    shop.give(&payment, Some(605), Reason::BillingError).await.unwrap();
    shop.drain().await;
    assert_eq!((shop.balance(), shop.money("refunds")), ("400".into(), 600));
    shop.give(&payment, None, Reason::Duplicate).await.unwrap();
    shop.drain().await;
    assert_eq!((shop.balance(), shop.money("cash"), shop.money("tax_payable")), ("0".into(), 0, 0));
    shop.kit.assert_sound();
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_said() {
    let shop = Shop::new().await;
    let open = shop.start("open").await;
    assert!(matches!(shop.request(&open, None).await, Err(Error::NotSettled)));
    let payment = shop.buy("k", "10").await;
    for (total, code) in [(0, "invalid_value"), (-5, "invalid_value"), (1_211, "too_large")] {
        let Err(Error::Invalid(errors)) = shop.request(&payment, Some(total)).await else {
            panic!("{total}")
        };
        assert_eq!((errors[0].field.as_ref(), errors[0].code), ("amount", code), "{total}");
    }
    let other = shop.kit.organization("other", "UTC").await;
    let foreign = wish(&payment, None, Reason::Unused);
    let refused = shop.kit.write(move |tx| refunds::request(tx, &BY, other, &foreign, DAYS)).await;
    assert!(matches!(refused, Err(Error::NotFound("payment"))));
    shop.later(i64::from(DAYS) * DAY_MS + 1);
    assert!(matches!(shop.request(&payment, None).await, Err(Error::TooLate)));
    let late = shop.give(&payment, Some(121), Reason::Unused).await.unwrap();
    let id = late.id;
    let twice = shop.kit.write(move |tx| refunds::approve(tx, &BY, id)).await;
    assert!(matches!(twice, Err(Error::Decided)));
}

#[tokio::test]
async fn less_is_given_back_where_less_is_left_when_it_is_decided() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    let asked = shop.request(&payment, None).await.unwrap();
    shop.burn("e1", 900).await;
    let id = asked.id;
    let decided = shop.kit.write(move |tx| refunds::approve(tx, &BY, id)).await.unwrap();
    assert_eq!(decided.total, euro(121));
    shop.drain().await;
    assert_eq!((shop.balance(), shop.credit_notes()), ("0".into(), vec![121]));
    let second = shop.buy("k2", "10").await;
    let asked = shop.request(&second, None).await.unwrap().id;
    let declined = shop.kit.write(move |tx| refunds::decline(tx, &BY, asked)).await.unwrap();
    assert_eq!((declined.state.name(), shop.balance()), ("declined", "1000".into()));
    shop.kit.assert_sound();
}

#[tokio::test]
async fn what_was_given_back_at_the_provider_is_taken_in() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    shop.burn("e1", 800).await;
    let reference = payment.state.reference().unwrap().to_owned();
    let by_hand =
        GiveBack { key: "dashboard".into(), id: String::new(), charge: reference, amount: euro(605) };
    let made = shop.line.refund(by_hand).await.unwrap();
    shop.later(2_000);
    shop.drain().await;
    // two hundred credits were left of the five hundred that it was for
    assert_eq!((shop.balance(), shop.credit_notes()), ("0".into(), vec![605]));
    assert_eq!((shop.money("refunds"), shop.money("cash")), (300, 605));
    let found = shop.kit.db().read_blocking(|tx| refunds::list(tx, None, None, 10)).unwrap().remove(0);
    assert_eq!((found.reason, found.note), (Reason::Elsewhere, made.reference));
    shop.kit.assert_sound();
}

/// The provider does not give back what the bank disputes; what was set aside for it does not come free meanwhile.
#[tokio::test]
async fn a_refund_that_fails_while_its_payment_is_disputed_frees_nothing() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    shop.pay(&payment, Card::Disputed).await;
    shop.desk.ask(payment.id).await.unwrap();
    shop.line.refund.store(LOST, Ordering::SeqCst);
    let refund = shop.give(&payment, None, Reason::Unused).await.unwrap();
    shop.later(60_000);
    shop.drain().await;
    assert_eq!(shop.dispute().frozen.to_string(), "0", "it is set aside already");
    shop.line.refund.store(WORKS, Ordering::SeqCst);
    shop.later(60_000);
    shop.drain().await;
    assert!(matches!(shop.refund(&refund).state, State::Failed { .. }));
    let summary = shop.kit.summary(shop.customer);
    assert_eq!((summary.held.to_string(), shop.dispute().frozen.to_string()), ("1000".into(), "1000".into()));
    let reference = shop.dispute().reference;
    shop.kit.write(move |tx| sandbox::decide(tx, &reference, false)).await.unwrap();
    shop.later(2_000);
    shop.drain().await;
    assert_eq!((shop.balance(), shop.money("cash"), shop.money("disputes")), ("0".into(), 0, 0));
    shop.kit.assert_sound();
}

#[tokio::test]
async fn a_dispute_about_a_part_takes_a_part() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    for status in [DisputeStatus::Open, DisputeStatus::Lost] {
        let seen = DisputeSeen {
            reference: "dp_1".into(),
            charge: payment.state.reference().unwrap().to_owned(),
            amount: euro(121),
            reason: "duplicate".into(),
            status,
        };
        shop.kit.write(move |tx| disputes::record(tx, sandbox::NAME, &seen)).await.unwrap();
    }
    assert_eq!((shop.balance(), shop.credit_notes()), ("900".into(), vec![121]));
    assert_eq!((shop.money("disputes"), shop.money("deferred_revenue")), (0, -900));
    shop.kit.assert_sound();
}

/// Another book's ids look like ours: what is told of another charge or amount is not about our refund.
#[tokio::test]
async fn what_is_told_of_anothers_refund_is_not_ours() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    shop.line.refund.store(LOST, Ordering::SeqCst);
    let refund = shop.give(&payment, None, Reason::Unused).await.unwrap();
    let own = payment.state.reference().unwrap().to_owned();
    for (charge, minor) in [("cs_of_another", 1_210), (own.as_str(), 1_209)] {
        let seen = RefundSeen {
            reference: format!("re_{minor}"),
            refund: shop.told_as(refund.id),
            charge: charge.to_owned(),
            amount: euro(minor),
            status: RefundStatus::Pending,
        };
        let told = shop.kit.write(move |tx| refunds::record(tx, sandbox::NAME, &seen)).await.unwrap();
        assert!(!matches!(told, refunds::Recorded::Refund(_)), "{told:?}");
    }
    assert_eq!(shop.refund(&refund).state, State::Pending { reference: None });
}

#[tokio::test]
async fn a_dispute_freezes_and_the_bank_decides() {
    for won in [true, false] {
        let shop = Shop::new().await;
        let payment = shop.start("k").await;
        shop.pay(&payment, Card::Disputed).await;
        shop.desk.ask(payment.id).await.unwrap();
        shop.burn("e1", 400).await;
        shop.later(60_000);
        shop.drain().await;
        let dispute = shop.dispute();
        assert_eq!((dispute.state.name(), dispute.frozen.to_string()), ("open", "600".into()));
        let summary = shop.kit.summary(shop.customer);
        assert_eq!((summary.balance.to_string(), summary.available.to_string()), ("600".into(), "0".into()));
        assert_eq!((shop.money("cash"), shop.money("disputes")), (0, 1_210));
        shop.kit.assert_sound();
        // what is disputed cannot be given back as well
        assert!(matches!(shop.give(&payment, None, Reason::Unused).await, Err(Error::Invalid(_))));
        let reference = dispute.reference.clone();
        shop.kit.write(move |tx| sandbox::decide(tx, &reference, won)).await.unwrap();
        shop.later(2_000);
        shop.drain().await;
        let summary = shop.kit.summary(shop.customer);
        if won {
            assert_eq!((shop.dispute().state.name(), summary.available.to_string()), ("won", "600".into()));
            assert_eq!((shop.money("cash"), shop.money("disputes")), (1_210, 0));
        } else {
            assert_eq!((shop.dispute().state.name(), summary.balance.to_string()), ("lost", "0".into()));
            // what was used is our loss: the tax and what was still owed are not
            assert_eq!((shop.money("cash"), shop.money("disputes")), (0, 400));
            assert_eq!((shop.money("tax_payable"), shop.money("deferred_revenue")), (0, 0));
            assert_eq!(shop.credit_notes(), [1_210]);
        }
        shop.kit.assert_sound();
    }
}

#[tokio::test]
async fn the_operator_gives_back_while_a_customer_waits_for_a_decision() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    let asked = shop.request(&payment, None).await.unwrap();
    shop.give(&payment, Some(605), Reason::Duplicate).await.unwrap();
    // and somebody else does so at the provider
    let charge = payment.state.reference().unwrap().to_owned();
    let by_hand = GiveBack { key: "dashboard".into(), id: String::new(), charge, amount: euro(121) };
    shop.line.refund(by_hand).await.unwrap();
    shop.later(2_000);
    shop.drain().await;
    let id = asked.id;
    let decided = shop.kit.write(move |tx| refunds::approve(tx, &BY, id)).await.unwrap();
    assert_eq!(decided.total, euro(484), "what is left by now");
    shop.drain().await;
    assert_eq!((shop.balance(), shop.money("cash"), shop.money("tax_payable")), ("0".into(), 0, 0));
    shop.kit.assert_sound();
}

/// The provider tells that a refund went through only when the bank has decided against us.
#[tokio::test]
async fn a_refund_that_succeeds_after_a_dispute_was_lost_is_recorded() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    let refund = shop.give(&payment, Some(605), Reason::Unused).await.unwrap();
    let charge = payment.state.reference().unwrap().to_owned();
    let lost = DisputeSeen {
        reference: "dp".into(),
        charge: charge.clone(),
        amount: euro(1_210),
        reason: "fraudulent".into(),
        status: DisputeStatus::Lost,
    };
    shop.kit.write(move |tx| disputes::record(tx, sandbox::NAME, &lost)).await.unwrap();
    let seen = RefundSeen {
        reference: "re".into(),
        refund: shop.told_as(refund.id),
        charge,
        amount: euro(605),
        status: RefundStatus::Succeeded,
    };
    shop.kit.write(move |tx| refunds::record(tx, sandbox::NAME, &seen)).await.unwrap();
    assert_eq!(shop.refund(&refund).state.name(), "succeeded");
    assert_eq!((shop.balance(), shop.money("tax_payable")), ("0".into(), 0));
    // what the bank took beyond what was left is our loss
    assert_eq!((shop.money("cash"), shop.money("disputes")), (-605, 605));
    assert_eq!(shop.credit_notes(), [605, 605]);
    shop.kit.assert_sound();
}

/// One to three cents at a time, each rounded for itself, until nothing is left.
#[tokio::test]
async fn many_small_refunds_never_stand_in_the_way_of_the_rest() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "5").await;
    for _ in 0..60 {
        shop.give(&payment, Some(3), Reason::Unused).await.unwrap();
        shop.kit.db().read_blocking(|tx| refunds::offer(tx, payment.id, tx.now())).unwrap();
    }
    let customer_keeps = shop.give(&payment, Some(1), Reason::Unused).await;
    assert!(customer_keeps.is_ok(), "{customer_keeps:?}");
    shop.burn("e1", 1).await;
    shop.kit.db().read_blocking(|tx| refunds::offer(tx, payment.id, tx.now())).unwrap();
    shop.give(&payment, None, Reason::Unused).await.unwrap();
    shop.drain().await;
    shop.kit.assert_sound();
}

fn told(payment: &Payment, minor: i64, status: DisputeStatus) -> DisputeSeen {
    DisputeSeen {
        reference: "dp_1".into(),
        charge: payment.state.reference().unwrap().to_owned(),
        amount: euro(minor),
        reason: "fraudulent".into(),
        status,
    }
}

impl Shop {
    async fn disputed(&self, payment: &Payment, status: DisputeStatus) {
        let seen = told(payment, 1_210, status);
        self.kit.write(move |tx| disputes::record(tx, sandbox::NAME, &seen)).await.unwrap();
        self.kit.assert_sound();
    }

    fn grant(&self, payment: &Payment) -> GrantId {
        match self.payment(payment).state {
            payments::State::Settled(settled) => settled.grant.unwrap(),
            state => panic!("{state:?}"),
        }
    }

    fn held(&self) -> String {
        self.kit.summary(self.customer).held.to_string()
    }

    async fn void(&self, id: &str) {
        self.kit.void(self.customer, id).await.unwrap();
    }
}

/// What was used while credit was frozen is owed, and is repaid before anything of it is given back.
#[tokio::test]
async fn what_was_used_while_it_was_frozen_is_not_given_back() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    shop.disputed(&payment, DisputeStatus::Open).await;
    shop.burn("e1", 300).await;
    assert_eq!(shop.balance(), "700");
    shop.disputed(&payment, DisputeStatus::Won).await;
    let owed = shop.kit.db().read_blocking(|tx| refunds::offer(tx, payment.id, tx.now())).unwrap();
    assert_eq!((owed.unused, owed.credits.to_string()), (euro(847), "700".into()));
    shop.give(&payment, None, Reason::Unused).await.unwrap();
    shop.drain().await;
    assert_eq!((shop.balance(), shop.money("cash")), ("0".into(), 363));
    shop.kit.assert_sound();
}

/// A call held the credit while something else was used: the call gives it back, but it was used.
#[tokio::test]
async fn what_was_used_while_a_call_held_it_is_not_given_back() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    let frozen = [(shop.grant(&payment), credits("1000"))];
    let customer = shop.customer;
    shop.kit.write(move |tx| wallet::freeze(tx, customer, "a call", &frozen)).await.unwrap();
    shop.burn("e1", 300).await;
    let second = shop.buy("k2", "10").await;
    assert_eq!(shop.balance(), "1700");
    let offer = |payment: &Payment| {
        let id = payment.id;
        shop.kit.db().read_blocking(|tx| refunds::offer(tx, id, tx.now())).unwrap().credits.to_string()
    };
    assert_eq!((offer(&payment), offer(&second)), ("0".into(), "700".into()));
    shop.burn("e2", 800).await;
    assert_eq!((offer(&payment), offer(&second)), ("0".into(), "0".into()));
    shop.kit.write(move |tx| wallet::thaw(tx, customer, "a call")).await.unwrap();
    assert_eq!((offer(&payment), offer(&second)), ("900".into(), "0".into()));
    shop.kit.assert_sound();
}

/// What comes back of disputed credit, because a charge was wrong or a call ends, waits for the bank too.
#[tokio::test]
async fn what_comes_back_while_the_bank_decides_is_frozen_too() {
    for won in [true, false] {
        let shop = Shop::new().await;
        let payment = shop.buy("k", "10").await;
        shop.burn("e1", 400).await;
        let customer = shop.customer;
        let call = [(shop.grant(&payment), credits("100"))];
        shop.kit.write(move |tx| wallet::freeze(tx, customer, "a call", &call)).await.unwrap();
        shop.disputed(&payment, DisputeStatus::Open).await;
        assert_eq!((shop.dispute().frozen.to_string(), shop.held()), ("500".into(), "600".into()));
        shop.void("e1").await;
        assert_eq!((shop.dispute().frozen.to_string(), shop.held()), ("900".into(), "1000".into()));
        shop.kit.write(move |tx| wallet::thaw(tx, customer, "a call")).await.unwrap();
        assert_eq!((shop.dispute().frozen.to_string(), shop.held()), ("1000".into(), "1000".into()));
        shop.kit.assert_sound();
        shop.disputed(&payment, if won { DisputeStatus::Won } else { DisputeStatus::Lost }).await;
        let expected = if won { "1000" } else { "0" };
        assert_eq!((shop.balance().as_str(), shop.held().as_str()), (expected, "0"));
        assert_eq!(shop.dispute().frozen.to_string(), "1000");
        shop.drain().await;
        shop.kit.assert_sound();
    }
}

/// Credit of a payment whose money is gone does not come back to the customer in any way.
#[tokio::test]
async fn what_comes_back_after_a_dispute_was_lost_is_clawed_back() {
    let shop = Shop::new().await;
    let payment = shop.buy("k", "10").await;
    shop.burn("e1", 400).await;
    shop.line.refund.store(LOST, Ordering::SeqCst);
    let refund = shop.give(&payment, Some(605), Reason::Unused).await.unwrap();
    shop.disputed(&payment, DisputeStatus::Lost).await;
    assert_eq!((shop.balance(), shop.credit_notes()), ("500".into(), vec![605]));
    shop.line.refund.store(REFUSES, Ordering::SeqCst);
    shop.later(60_000);
    shop.drain().await;
    assert!(matches!(shop.refund(&refund).state, State::Failed { .. }));
    assert_eq!((shop.balance(), shop.held(), shop.credit_notes()), ("0".into(), "0".into(), vec![605, 605]));
    assert_eq!((shop.money("tax_payable"), shop.money("disputes")), (0, 400));
    shop.kit.assert_sound();
    shop.void("e1").await;
    assert_eq!((shop.balance(), shop.held()), ("400".into(), "400".into()));
    shop.drain().await;
    assert_eq!((shop.balance(), shop.credit_notes()), ("0".into(), vec![605, 605]));
    assert_eq!((shop.money("cash"), shop.money("disputes"), shop.money("deferred_revenue")), (0, 0, 0));
    shop.kit.assert_sound();
}

/// A bank that only asks takes no money; the credit waits all the same.
#[tokio::test]
async fn an_inquiry_freezes_credit_and_moves_no_money() {
    use DisputeStatus::{Dropped, Inquiry, Lost, Open, Won};
    for (then, cash, balance, state) in [
        (&[Dropped][..], 1_210, "1000", "won"),
        (&[Open, Inquiry], 0, "1000", "open"),
        (&[Open, Won], 1_210, "1000", "won"),
        (&[Open, Lost], 0, "0", "lost"),
        (&[Lost], 0, "0", "lost"),
        (&[Won], 1_210, "1000", "won"),
        (&[Dropped, Open], 1_210, "1000", "won"),
    ] {
        let shop = Shop::new().await;
        let payment = shop.buy("k", "10").await;
        shop.disputed(&payment, Inquiry).await;
        assert_eq!(
            (shop.money("cash"), shop.held(), shop.dispute().withdrawn),
            (1_210, "1000".into(), false)
        );
        for status in then {
            shop.disputed(&payment, *status).await;
        }
        assert_eq!((shop.money("cash"), shop.balance().as_str()), (cash, balance), "{then:?}");
        assert_eq!(shop.dispute().state.name(), state, "{then:?}");
        assert_eq!(shop.held() == "0", state != "open");
    }
}

/// Who gives the money back when the bank asks ends the inquiry: the credit goes with it.
#[tokio::test]
async fn an_inquiry_answered_by_a_refund_takes_the_credit() {
    for here in [true, false] {
        let shop = Shop::new().await;
        let payment = shop.buy("k", "10").await;
        shop.burn("e1", 100).await;
        shop.disputed(&payment, DisputeStatus::Inquiry).await;
        if here {
            shop.give(&payment, Some(605), Reason::Unused).await.unwrap();
        } else {
            let charge = payment.state.reference().unwrap().to_owned();
            let by_hand = GiveBack { key: "dashboard".into(), id: String::new(), charge, amount: euro(605) };
            shop.line.refund(by_hand).await.unwrap();
        }
        assert_eq!(shop.held(), "900", "all of it waits");
        shop.later(2_000);
        shop.drain().await;
        assert_eq!((shop.balance(), shop.held(), shop.money("cash")), ("400".into(), "400".into(), 605));
        assert_eq!((shop.money("refunds"), shop.credit_notes()), (0, vec![605]));
        shop.kit.assert_sound();
        shop.disputed(&payment, DisputeStatus::Dropped).await;
        assert_eq!((shop.balance(), shop.held()), ("400".into(), "0".into()));
    }
}

/// What was decided stays as it was booked; that the bank says otherwise later is for somebody to look at.
#[tokio::test]
async fn a_bank_that_decides_again_is_looked_at() {
    for (first, then) in
        [(DisputeStatus::Lost, DisputeStatus::Won), (DisputeStatus::Won, DisputeStatus::Lost)]
    {
        let shop = Shop::new().await;
        let payment = shop.buy("k", "10").await;
        shop.disputed(&payment, DisputeStatus::Open).await;
        shop.disputed(&payment, first).await;
        let open = || {
            let found = shop.kit.db().read_blocking(|tx| payments::concerns::open(tx, None, 10)).unwrap();
            found.items.into_iter().map(|concern| concern.kind).collect::<Vec<_>>()
        };
        assert_eq!(open(), []);
        let before = (shop.balance(), shop.money("cash"));
        shop.disputed(&payment, then).await;
        assert_eq!(open(), [payments::concerns::Kind::Dispute]);
        assert_eq!((shop.balance(), shop.money("cash")), before);
    }
}
