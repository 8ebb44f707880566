//! Saved cards and auto-reload, with a provider that fails at every call.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use tollbook::base::id::{OrganizationId, PaymentMethodId};
use tollbook::base::{Currency, Money};
use tollbook::db::DbError;
use tollbook::events;
use tollbook::grants::Class;
use tollbook::identity::BillingDetails;
use tollbook::identity::audit::{self, Actor, By};
use tollbook::identity::organizations;
use tollbook::outbox;
use tollbook::payments::cards::{self, CardSetup, NewSetup, SetupState};
use tollbook::payments::gateway::sandbox::{self, Card, Saved};
use tollbook::payments::gateway::{Decline, Gateway, Trouble, signature};
use tollbook::payments::refunds::{self, Reason, Wish};
use tollbook::payments::reload::rules::Problem;
use tollbook::payments::reload::{self, AutoReload, Change};
use tollbook::payments::{self, Error, Payment, Received, State};
use tollbook::wallet;

use crate::ledger_kit::{credits, event, grant, take};
use crate::payments::{LOST, REFUSES, Shop, TERMS, UNANSWERED, WORKS, seller};

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

const GOOD: &str = "4242 4242 4242 4242";
const SLOW: &str = "4000 0000 0000 0077";
const DECLINED: &str = "4000 0000 0000 0341";
const ASKS: &str = "4000 0025 0000 3155";
const ENDS_SOON: &str = "4000 0000 0000 0069";

fn by() -> By {
    By::actor(Actor::System)
}

impl Shop {
    fn setup(&self) -> NewSetup {
        NewSetup {
            organization: self.customer,
            gateway: sandbox::NAME,
            actor: "system".into(),
            success_url: None,
            cancel_url: None,
        }
    }

    async fn ask_for_card(&self) -> CardSetup {
        self.desk.set_up_card(self.setup()).await.unwrap()
    }

    async fn give_card(&self, setup: &CardSetup, number: &'static str) {
        let reference = setup.reference.clone().unwrap();
        self.kit.write(move |tx| sandbox::give_card(tx, &reference, number)).await.unwrap();
    }

    pub(crate) async fn save(&self, number: &'static str) -> PaymentMethodId {
        let setup = self.ask_for_card().await;
        self.give_card(&setup, number).await;
        match self.desk.ask_about_card(setup.id).await.unwrap().state {
            SetupState::Settled(id) => id,
            state => panic!("{state:?}"),
        }
    }

    fn cards(&self) -> Vec<cards::Method> {
        self.kit.db().read_blocking(|tx| cards::list(tx, self.customer)).unwrap()
    }

    async fn change(&self, change: Change) -> Result<Option<AutoReload>, Error> {
        let organization = self.customer;
        self.kit.write(move |tx| reload::set(tx, &by(), (&TERMS, &seller()), organization, &change)).await
    }

    /// Below 100 credits, buy 1,000.
    async fn switch_on(&self) {
        let change = Change {
            enabled: true,
            threshold: Some(credits("100")),
            credits: Some(credits("1000")),
            ..Change::default()
        };
        self.change(change).await.unwrap();
    }

    /// With 150 credits, a saved card, and switched on.
    async fn reloading(number: &'static str) -> Self {
        let shop = Self::new().await;
        shop.kit.credit(shop.customer, grant("150", Class::Free)).await.unwrap();
        shop.save(number).await;
        shop.switch_on().await;
        shop.drain().await;
        assert_eq!(shop.reloads().len(), 0);
        shop
    }

    async fn take(&self, amount: &str, class: Class) {
        let organization = self.customer;
        let amount = amount.to_owned();
        self.kit.write(move |tx| wallet::take_back(tx, organization, take(&amount, class))).await.unwrap();
    }

    async fn take_all_free(&self) {
        let free = self.kit.summary(self.customer).parts.free.to_string();
        self.take(&free, Class::Free).await;
    }

    fn reloads(&self) -> Vec<Payment> {
        self.kit.db().read_blocking(|tx| reload::past(tx, self.customer, None, 100)).unwrap()
    }

    fn standing(&self) -> reload::rules::Standing {
        let found = self.kit.db().read_blocking(|tx| reload::get(tx, self.customer)).unwrap();
        found.unwrap().standing
    }

    fn problem(&self) -> Option<Problem> {
        self.standing().problem.map(|(problem, _)| problem)
    }

    /// What was noted, the oldest first.
    fn told(&self) -> Vec<String> {
        let told = self.kit.db().read_blocking(|tx| events::newest(tx, self.customer, 100)).unwrap();
        let kinds = told.into_iter().rev().map(|event| event.kind.name().to_owned());
        kinds.filter(|kind| kind.starts_with("auto_reload.") || kind.starts_with("payment_method.")).collect()
    }

    pub(crate) fn charges(&self) -> u8 {
        self.line.charges.load(Ordering::SeqCst)
    }

    pub(crate) fn count(&self, statement: &'static str) -> i64 {
        let found = self
            .kit
            .db()
            .read_blocking(|tx| Ok::<_, DbError>(tx.query_row(statement, [], |row| row.get(0))?));
        found.unwrap()
    }
}

#[tokio::test]
async fn a_card_is_saved_once_whoever_tells_first() {
    let shop = Shop::new().await;
    let setup = shop.ask_for_card().await;
    assert!(matches!(setup.state, SetupState::Pending(_)), "{setup:?}");
    assert!(matches!(shop.desk.ask_about_card(setup.id).await.unwrap().state, SetupState::Pending(_)));
    shop.give_card(&setup, GOOD).await;
    let reference = setup.reference.clone().unwrap();
    shop.later(MINUTE_MS);
    let tell = async |event: &str| {
        let subject = format!("setup_intent.succeeded {reference}");
        let body = sandbox::event(&subject, event, shop.kit.now()).unwrap();
        let secret = shop.line.webhook_secrets()[0].expose();
        let header = signature::sign(secret, &body, shop.kit.now());
        shop.desk.webhook(sandbox::NAME, &header, body).await
    };
    let worker = shop.worker();
    let (told, repeated, asked, done) =
        tokio::join!(tell("1"), tell("1"), shop.desk.ask_about_card(setup.id), worker.work());
    assert!(matches!(told, Ok(Received::Done | Received::Duplicate)));
    assert!(matches!(repeated, Ok(Received::Done | Received::Duplicate)));
    assert!(matches!(asked.unwrap().state, SetupState::Settled(_)));
    done.unwrap();
    let cards = shop.cards();
    assert_eq!(cards.len(), 1, "{cards:?}");
    assert_eq!(
        (cards[0].label().as_str(), cards[0].is_default),
        ("Visa \u{2022}\u{2022}\u{2022}\u{2022} 4242", true)
    );
    shop.kit.assert_sound();
}

#[tokio::test]
async fn a_card_is_saved_though_every_call_fails_first() {
    let mut shop = Shop::new().await;
    for (at_customer, how) in [(true, LOST), (true, UNANSWERED), (false, LOST), (false, UNANSWERED)] {
        let line = if at_customer { &shop.line.customer } else { &shop.line.set_up };
        line.store(how, Ordering::SeqCst);
        let cut = shop.desk.set_up_card(shop.setup()).await;
        assert!(matches!(cut, Err(Error::Gateway(Trouble::Unreachable(_)))), "{cut:?}");
        shop = shop.restart();
    }
    // what was cut off is taken up again
    shop.later(MINUTE_MS);
    shop.drain().await;
    assert_eq!(shop.count("SELECT count(*) FROM card_setups WHERE state = 'pending'"), 4);
    assert_eq!(shop.count("SELECT count(*) FROM sandbox_setups"), 4);
    assert_eq!(
        shop.count("SELECT count(*) FROM sandbox_customers"),
        1,
        "one customer, however often asked for"
    );
    let setup = shop.ask_for_card().await;
    shop.give_card(&setup, GOOD).await;
    shop.line.look_at_setup.store(LOST, Ordering::SeqCst);
    shop.later(MINUTE_MS);
    shop.drain().await;
    assert_eq!(shop.cards().len(), 0);
    shop.line.look_at_setup.store(WORKS, Ordering::SeqCst);
    shop.later(HOUR_MS);
    shop.drain().await;
    assert_eq!(shop.cards().len(), 1);
    // one that the provider refuses comes to nothing
    shop.line.set_up.store(REFUSES, Ordering::SeqCst);
    assert!(matches!(shop.desk.set_up_card(shop.setup()).await, Err(Error::Gateway(Trouble::Refused(_)))));
    shop.kit.assert_sound();
}

#[tokio::test]
async fn the_first_card_is_the_default_and_a_removed_one_is_forgotten() {
    let shop = Shop::new().await;
    let (first, second) = (shop.save(GOOD).await, shop.save(SLOW).await);
    let organization = shop.customer;
    assert_eq!(
        shop.cards().iter().map(|c| (c.id, c.is_default)).collect::<Vec<_>>(),
        [(first, true), (second, false)]
    );
    shop.kit.write(move |tx| cards::set_default(tx, &by(), organization, second)).await.unwrap();
    shop.kit.assert_sound();
    let stranger = shop.kit.organization("stranger", "UTC").await;
    for of in [stranger, OrganizationId::new(999)] {
        let foreign = shop.kit.write(move |tx| cards::remove(tx, &by(), of, second)).await;
        assert!(matches!(foreign, Err(Error::NoCard)));
        let foreign = shop.kit.write(move |tx| cards::set_default(tx, &by(), of, second)).await;
        assert!(matches!(foreign, Err(Error::NoCard)));
    }
    shop.kit.write(move |tx| cards::remove(tx, &by(), organization, second)).await.unwrap();
    assert_eq!(shop.cards().iter().map(|c| (c.id, c.is_default)).collect::<Vec<_>>(), [(first, true)]);
    shop.line.forget.store(LOST, Ordering::SeqCst);
    shop.drain().await;
    assert_eq!(shop.count("SELECT count(*) FROM sandbox_cards WHERE kept = 1"), 2);
    shop.line.forget.store(WORKS, Ordering::SeqCst);
    shop.later(MINUTE_MS);
    shop.drain().await;
    assert_eq!(shop.count("SELECT count(*) FROM sandbox_cards WHERE kept = 1"), 1);
    let again = shop.kit.write(move |tx| cards::remove(tx, &by(), organization, second)).await;
    assert!(matches!(again, Err(Error::NoCard)));
    shop.kit.assert_sound();
}

#[tokio::test]
async fn a_card_that_will_expire_is_announced_once() {
    let shop = Shop::new().await;
    shop.save(GOOD).await;
    shop.save(ENDS_SOON).await;
    assert_eq!(shop.told(), [""; 0]);
    for _ in 0..3 {
        shop.later(10 * DAY_MS);
        shop.drain().await;
    }
    assert_eq!(shop.told(), ["payment_method.expiring"]);
    let entries =
        shop.kit.db().read_blocking(|tx| audit::list(tx, &audit::Filter::default(), None, 50)).unwrap();
    assert_eq!(entries.items.iter().filter(|entry| entry.action == "payment_method.expiring").count(), 1);
}

#[tokio::test]
async fn the_provider_knows_the_customer_as_it_is_now() {
    let shop = Shop::new().await;
    let payment = shop.start("k").await;
    let find = "SELECT customer FROM sandbox_checkouts";
    let customer: Option<String> = shop
        .kit
        .db()
        .read_blocking(|tx| Ok::<_, DbError>(tx.query_row(find, [], |row| row.get(0))?))
        .unwrap();
    let customer = customer.expect("the order names the customer");
    let organization = shop.customer;
    let change = shop.kit.write(move |tx| {
        let details =
            BillingDetails { billing_email: "money@acme.example".into(), ..BillingDetails::default() };
        organizations::set_details(tx, &by(), organization, &details)?;
        payments::details_changed(tx, organization).map_err(tollbook::identity::Error::from)
    });
    change.await.unwrap();
    shop.drain().await;
    let known = shop.kit.db().read_blocking(|tx| sandbox::customer_details(tx, &customer)).unwrap();
    assert_eq!(known, Some(("acme".into(), "money@acme.example".into())));
    shop.pay(&payment, Card::Pays).await;
    shop.desk.ask(payment.id).await.unwrap();
    assert_eq!(shop.balance(), "1000");
    // one that does not take the customer takes the payment all the same
    let fresh = Shop::new().await;
    fresh.line.customer.store(REFUSES, Ordering::SeqCst);
    assert_eq!(fresh.start("k").await.state.name(), "pending");
}

/// Two hundred charges at once, all below the threshold, and then some more.
#[tokio::test]
async fn auto_reload_loop_of_concurrent_charges() {
    let shop = Shop::reloading(GOOD).await;
    let now = shop.kit.now();
    let charges = (0..200).map(|n| shop.kit.charge(shop.customer, event(&format!("e{n}"), "chat", "1", now)));
    join_all(charges).await;
    assert!(shop.kit.summary(shop.customer).balance < credits("100"));
    let (one, other) = (shop.worker(), shop.worker());
    let (a, b) = tokio::join!(one.work(), other.work());
    a.unwrap();
    b.unwrap();
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.charges()), (1, 1));
    assert_eq!(shop.told(), ["auto_reload.succeeded"]);
    assert_eq!(shop.reloads()[0].state.name(), "settled");
    assert!(shop.kit.summary(shop.customer).balance > credits("900"));
    // it re-arms above the threshold: the next fall is another one
    shop.kit.assert_sound();
    shop.take("950", Class::Paid).await;
    shop.drain().await;
    assert_eq!(shop.reloads().len(), 2);
    shop.kit.assert_sound();
}

/// What is bought does not lift the balance above the threshold: one charge is one charge.
#[tokio::test]
async fn auto_reload_loop_of_an_amount_that_is_too_small() {
    let shop = Shop::reloading(GOOD).await;
    let now = shop.kit.now();
    shop.kit.charge(shop.customer, event("big", "chat", "10000", now)).await;
    for _ in 0..5 {
        shop.later(DAY_MS);
        shop.drain().await;
        shop.kit.charge(shop.customer, event(&format!("e{}", shop.kit.now()), "chat", "1", now)).await;
    }
    assert!(shop.kit.summary(shop.customer).balance < credits("100"));
    assert_eq!((shop.reloads().len(), shop.charges()), (1, 1));
    assert_eq!(shop.problem(), Some(Problem::TooSmall));
    assert_eq!(shop.told(), ["auto_reload.succeeded", "auto_reload.too_small"]);
    // the same settings sent again are no new fall
    shop.switch_on().await;
    let dearer = Change { enabled: true, credits: Some(credits("2000")), ..Change::default() };
    shop.change(dearer).await.unwrap();
    shop.drain().await;
    assert_eq!(shop.reloads().len(), 1);
    // recovered by hand, and fallen again
    shop.kit.credit(shop.customer, grant("100000", Class::Free)).await.unwrap();
    shop.take_all_free().await;
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.charges()), (2, 2));
    assert_eq!(shop.problem(), None);
    shop.kit.assert_sound();
}

#[tokio::test]
async fn whatever_lets_the_balance_fall_is_noticed() {
    // taken back
    let shop = Shop::reloading(GOOD).await;
    shop.take("60", Class::Free).await;
    shop.drain().await;
    assert_eq!(shop.reloads().len(), 1);
    // expired
    let shop = Shop::new().await;
    let mut short = grant("150", Class::Free);
    short.expires_at = Some(shop.kit.now().plus_ms(HOUR_MS));
    shop.kit.credit(shop.customer, short).await.unwrap();
    shop.save(GOOD).await;
    shop.switch_on().await;
    shop.later(HOUR_MS);
    shop.kit.write(|tx| wallet::expire_due(tx, 10)).await.unwrap();
    shop.drain().await;
    assert_eq!(shop.reloads().len(), 1);
    // below it when it was switched on
    let shop = Shop::new().await;
    shop.save(GOOD).await;
    shop.switch_on().await;
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.balance().as_str()), (1, "1000"));
    // switched off, nothing is
    shop.change(Change::default()).await.unwrap();
    shop.take("1000", Class::Paid).await;
    shop.drain().await;
    assert_eq!(shop.reloads().len(), 1);
    shop.kit.assert_sound();
}

#[tokio::test]
async fn what_is_bought_is_a_payment_like_others() {
    let shop = Shop::reloading(GOOD).await;
    shop.take("60", Class::Free).await;
    shop.drain().await;
    let payment = shop.reloads().remove(0);
    assert!(matches!(payment.state, State::Settled(_)), "{payment:?}");
    assert_eq!(payment.quote.amounts.total, Money { minor: 1_210, currency: Currency::EUR });
    assert_eq!((shop.money("cash"), shop.money("tax_payable")), (1_210, -210));
    assert_eq!(shop.count("SELECT count(*) FROM invoices"), 1);
    shop.kit.assert_sound();
}

/// The provider cannot be reached at the charge, before or behind it, and the process is killed around each.
#[tokio::test]
async fn a_reload_is_charged_once_though_the_line_is_cut() {
    for how in [LOST, UNANSWERED] {
        let mut shop = Shop::reloading(GOOD).await;
        shop.take("60", Class::Free).await;
        shop = shop.restart();
        shop.line.charge.store(how, Ordering::SeqCst);
        shop.drain().await;
        assert_eq!(shop.reloads()[0].state.name(), "created");
        shop.later(MINUTE_MS);
        shop = shop.restart();
        shop.drain().await;
        shop.later(DAY_MS);
        shop.drain().await;
        assert_eq!((shop.reloads().len(), shop.balance().as_str()), (1, "1090"), "{how}");
        assert_eq!(shop.count("SELECT count(*) FROM sandbox_charges"), 1);
        assert_eq!(shop.standing().in_flight, None);
        shop.kit.assert_sound();
    }
}

/// While the bank takes its time, nothing else is charged; a fall meanwhile is covered by what is on its way.
#[tokio::test]
async fn one_is_in_flight_at_most() {
    let shop = Shop::reloading(SLOW).await;
    shop.take("60", Class::Free).await;
    shop.drain().await;
    assert_eq!(shop.reloads()[0].state.name(), "pending");
    shop.kit.credit(shop.customer, grant("100", Class::Free)).await.unwrap();
    shop.take("150", Class::Free).await;
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.balance().as_str()), (1, "40"));
    shop.later(MINUTE_MS + 2 * SECOND_MS);
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.balance().as_str()), (1, "1040"));
    assert_eq!(shop.standing().in_flight, None);
    shop.kit.assert_sound();
}

#[tokio::test]
async fn declined_card_hammered() {
    let shop = Shop::reloading(DECLINED).await;
    let start = shop.kit.now();
    shop.take("60", Class::Free).await;
    let now = shop.kit.now();
    let mut tried_at = Vec::new();
    for hour in 0..96 {
        // usage goes on, and so do recoveries and falls
        shop.kit.charge(shop.customer, event(&format!("h{hour}"), "chat", "1", now)).await;
        shop.kit.credit(shop.customer, grant("200", Class::Free)).await.unwrap();
        shop.take_all_free().await;
        let before = shop.charges();
        shop.drain().await;
        if shop.charges() > before {
            tried_at.push((shop.kit.now().millis() - start.millis()) / HOUR_MS);
        }
        shop.later(HOUR_MS);
    }
    assert_eq!((tried_at.as_slice(), shop.charges()), ([0, 6, 30].as_slice(), 3));
    let told = ["auto_reload.failed", "auto_reload.failed", "auto_reload.failed", "auto_reload.disabled"];
    assert_eq!(shop.told(), told);
    assert!(!shop.standing().enabled);
    assert_eq!(shop.problem(), Some(Problem::Declined(Decline::Declined)));
    assert_eq!(shop.money("cash"), 0);
    shop.kit.assert_sound();
    // another card, switched on again by hand
    let card = shop.save(GOOD).await;
    shop.change(Change { enabled: true, card: Some(card), ..Change::default() }).await.unwrap();
    shop.drain().await;
    assert_eq!(shop.reloads()[0].state.name(), "settled");
    assert_eq!((shop.standing().failures, shop.problem()), (0, None));
    shop.kit.assert_sound();
}

#[tokio::test]
async fn what_the_bank_wants_the_customer_for_is_not_tried_again_by_itself() {
    let shop = Shop::reloading(ASKS).await;
    shop.take("60", Class::Free).await;
    for _ in 0..5 {
        shop.drain().await;
        shop.later(DAY_MS);
    }
    assert_eq!((shop.charges(), shop.told()), (1, vec!["auto_reload.action_required".to_owned()]));
    assert!(shop.standing().enabled);
    assert_eq!(shop.problem(), Some(Problem::Declined(Decline::AuthenticationRequired)));
    shop.kit.assert_sound();
}

/// Money that goes back is not charged again, and whoever is suspended is not charged at all.
#[tokio::test]
async fn auto_reload_loop_of_a_refund() {
    let shop = Shop::reloading(GOOD).await;
    let bought = shop.start("k").await;
    shop.pay(&bought, Card::Pays).await;
    shop.desk.ask(bought.id).await.unwrap();
    shop.take_all_free().await;
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.balance().as_str()), (0, "1000"));
    let wish = Wish { payment: bought.id, total: None, reason: Reason::Unused, note: String::new() };
    shop.kit.write(move |tx| refunds::give(tx, &by(), &wish)).await.unwrap();
    shop.drain().await;
    shop.later(DAY_MS);
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.balance().as_str()), (0, "0"));
    shop.kit.assert_sound();
}

#[tokio::test]
async fn a_suspended_customers_card_is_left_alone() {
    let shop = Shop::reloading(GOOD).await;
    let organization = shop.customer;
    shop.kit.write(move |tx| organizations::suspend(tx, &by(), organization, "unpaid")).await.unwrap();
    shop.take_all_free().await;
    shop.drain().await;
    shop.later(DAY_MS);
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.money("cash")), (0, 0));
    // the fall was told once; it is not forgotten when they are back
    shop.kit.write(move |tx| organizations::resume(tx, &by(), organization)).await.unwrap();
    shop.later(DAY_MS);
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.balance().as_str()), (1, "1000"));
    shop.take("1000", Class::Paid).await;
    shop.drain().await;
    assert_eq!(shop.reloads().len(), 2, "and the next fall is told again");
    shop.kit.assert_sound();
}

/// What is sent along with switching off is not looked at, so it changes nothing either.
#[tokio::test]
async fn switching_off_switches_off_whatever_else_is_sent() {
    let shop = Shop::reloading(GOOD).await;
    let zero = Some(credits("0"));
    let off = Change { enabled: false, threshold: zero, credits: zero, ..Change::default() };
    shop.change(off).await.unwrap();
    shop.take_all_free().await;
    shop.drain().await;
    assert_eq!(shop.reloads().len(), 0);
    let on = shop.change(Change { enabled: true, ..Change::default() }).await.unwrap().unwrap();
    assert_eq!((on.settings.threshold, on.settings.credits), (credits("100"), credits("1000")));
}

#[tokio::test]
async fn the_monthly_cap_counts_what_the_card_is_charged_and_starts_over() {
    let shop = Shop::reloading(GOOD).await;
    let cap = |minor| Some(Some(Money { minor, currency: Currency::EUR }));
    let change = |cap| Change { enabled: true, cap, ..Change::default() };
    let refused = shop.change(change(cap(1_209))).await;
    assert!(
        matches!(&refused, Err(Error::Invalid(errors)) if errors[0].field == "monthly_cap"),
        "{refused:?}"
    );
    shop.change(change(cap(2 * 1_210))).await.unwrap();
    for _ in 0..2 {
        let all = shop.balance();
        shop.take(
            if all == "150" { "60" } else { "1000" },
            if all == "150" { Class::Free } else { Class::Paid },
        )
        .await;
        shop.drain().await;
    }
    assert_eq!(shop.reloads().len(), 2);
    shop.take("1000", Class::Paid).await;
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.problem()), (2, Some(Problem::MonthlyCap)));
    assert_eq!(shop.standing().retry.unwrap().at, "2026-04-01T00:00:00Z".parse().unwrap());
    shop.later(20 * DAY_MS);
    shop.drain().await;
    assert_eq!(shop.reloads().len(), 2);
    shop.later(2 * DAY_MS);
    shop.drain().await;
    assert_eq!((shop.reloads().len(), shop.problem()), (3, None));
    shop.kit.assert_sound();
}

#[tokio::test]
async fn without_its_card_it_is_switched_off() {
    let shop = Shop::reloading(GOOD).await;
    let other = shop.save(SLOW).await;
    let card = shop.cards().into_iter().find(|card| card.id != other).unwrap().id;
    let organization = shop.customer;
    shop.kit.write(move |tx| cards::remove(tx, &by(), organization, card)).await.unwrap();
    assert_eq!((shop.standing().enabled, shop.problem()), (false, Some(Problem::CardRemoved)));
    shop.take("60", Class::Free).await;
    shop.drain().await;
    assert_eq!((shop.charges(), shop.told()), (0, vec!["auto_reload.disabled".to_owned()]));
    shop.kit.assert_sound();
}

/// The charge was written down, but the card was removed before it was made.
#[tokio::test]
async fn a_removed_card_is_not_charged_though_its_charge_was_waiting() {
    let shop = Shop::reloading(GOOD).await;
    shop.take("60", Class::Free).await;
    let desk = shop.desk.clone();
    outbox::step(shop.kit.db(), outbox::Lane::Money, 1, |work| {
        let desk = desk.clone();
        async move { desk.carry_out(work).await }
    })
    .await
    .unwrap();
    assert_eq!(shop.reloads()[0].state.name(), "created");
    let (organization, card) = (shop.customer, shop.cards()[0].id);
    shop.kit.write(move |tx| cards::remove(tx, &by(), organization, card)).await.unwrap();
    for _ in 0..3 {
        shop.drain().await;
        shop.later(DAY_MS);
    }
    assert_eq!((shop.charges(), shop.money("cash")), (0, 0));
    assert_eq!((shop.reloads().len(), shop.reloads()[0].state.name()), (1, "failed"));
    assert_eq!((shop.standing().enabled, shop.problem()), (false, Some(Problem::CardRemoved)));
    shop.kit.assert_sound();
}

/// The provider may have charged the card, and forgets the key after a day: somebody has to look.
#[tokio::test]
async fn a_charge_that_is_never_answered_waits_for_a_person() {
    for how in [LOST, UNANSWERED] {
        let shop = Shop::reloading(GOOD).await;
        shop.take("60", Class::Free).await;
        shop.line.charge.store(how, Ordering::SeqCst);
        shop.line.look.store(LOST, Ordering::SeqCst);
        for _ in 0..22 {
            shop.drain().await;
            shop.later(HOUR_MS);
        }
        shop.line.charge.store(WORKS, Ordering::SeqCst);
        let asked = shop.charges();
        for _ in 0..10 {
            shop.drain().await;
            shop.later(6 * HOUR_MS);
        }
        assert_eq!((shop.reloads().len(), shop.charges()), (1, asked), "{how}");
        assert_eq!(shop.reloads()[0].state.name(), "created");
        assert_eq!((shop.standing().enabled, shop.problem()), (false, Some(Problem::Unanswered)));
        assert_eq!(shop.told(), ["auto_reload.disabled"]);
        let dead = shop.kit.db().read_blocking(|tx| outbox::dead(tx, 10)).unwrap();
        assert!(dead.iter().any(|work| work.kind == payments::CHARGE), "{dead:?}");
        let entries = shop.kit.db().read_blocking(|tx| audit::list(tx, &audit::Filter::default(), None, 50));
        assert!(entries.unwrap().items.iter().any(|entry| entry.action == "payment.unanswered"));
        shop.kit.assert_sound();
        // when the provider tells of it after all, it is credited
        if how == UNANSWERED {
            let find = "SELECT reference FROM sandbox_charges";
            let found = shop
                .kit
                .db()
                .read_blocking(|tx| Ok::<_, DbError>(tx.query_row(find, [], |row| row.get::<_, String>(0))?));
            shop.line.look.store(WORKS, Ordering::SeqCst);
            shop.tell("late", &found.unwrap()).await.unwrap();
            assert_eq!((shop.balance().as_str(), shop.money("cash")), ("1090", 1_210));
            shop.kit.assert_sound();
        }
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_said_by_its_field() {
    let shop = Shop::new().await;
    let on = |threshold, amount| Change { enabled: true, threshold, credits: amount, ..Change::default() };
    let some = |text| Some(credits(text));
    assert!(matches!(shop.change(on(some("1"), some("1000"))).await, Err(Error::CardRequired)));
    assert_eq!(shop.change(Change::default()).await.unwrap(), None, "off is what it is");
    shop.save(GOOD).await;
    let stranger = Change { card: Some(PaymentMethodId::new(99)), ..on(some("1"), some("1000")) };
    for (change, fields) in [
        (on(None, None), vec!["threshold_credits", "amount_credits"]),
        (on(some("-1"), some("1000")), vec!["threshold_credits"]),
        (on(some("1"), some("499")), vec!["amount_credits"]),
        (on(some("1"), some("0")), vec!["amount_credits"]),
        (on(some("1"), some("-1000")), vec!["amount_credits"]),
        (on(some("1"), some("1000001")), vec!["amount_credits"]),
        (on(some("1"), some("1000.5")), vec!["amount_credits"]),
        (stranger, vec!["payment_method_id"]),
    ] {
        let Err(Error::Invalid(errors)) = shop.change(change).await else { panic!("{change:?}") };
        assert_eq!(errors.iter().map(|error| error.field.as_ref()).collect::<Vec<_>>(), fields);
    }
}

#[tokio::test]
async fn verify_finds_cards_and_auto_reload_that_do_not_fit() {
    for (change, found) in [
        ("UPDATE payment_methods SET is_default = 0", "default cards"),
        ("UPDATE wallets SET watch_below = 7 WHERE organization_id = 1", "watches 7"),
        ("UPDATE wallets SET watch_armed = 0 WHERE organization_id = 1", "that was not told"),
        ("UPDATE auto_reloads SET payment_id = 77", "waits for a payment"),
        ("UPDATE payment_methods SET organization_id = 77", "of somebody else"),
    ] {
        let shop = Shop::reloading(GOOD).await;
        shop.take("60", Class::Free).await;
        shop.drain().await;
        shop.kit.assert_sound();
        let Shop { mut kit, desk, line, .. } = shop;
        drop((desk, line));
        let file = kit.break_in();
        file.execute_batch(change).unwrap();
        drop(file);
        kit.reopen();
        let error = kit.verify().expect_err(change).to_string();
        assert!(error.contains(found), "{change}: {error}");
    }
}

#[test]
fn every_card_that_can_be_saved_is_known_by_its_number() {
    for (number, saved, _) in Saved::ALL {
        assert_eq!(Saved::of(number), Some(saved));
    }
}
