//! Plans: what is paid, when, and what is given for it, whatever cards, clocks and customers do.

mod disputed;

use std::sync::atomic::Ordering;

use tollbook::base::id::{OrganizationId, PlanId, SubscriptionId};
use tollbook::base::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use tollbook::base::{Credits, Currency, Money, Quantity};
use tollbook::catalog::rules::{Interval, PlanTerms};
use tollbook::catalog::{NewPlanVersion, publish_plan};
use tollbook::events;
use tollbook::grants::Class;
use tollbook::identity::audit::{Actor, By};
use tollbook::metering;
use tollbook::payments::gateway::sandbox::{self, Card};
use tollbook::payments::gateway::{DisputeSeen, DisputeStatus};
use tollbook::payments::refunds::{self, Reason, Wish as RefundWish};
use tollbook::payments::{self, Payment, disputes};
use tollbook::revenue::{self, Liability};
use tollbook::scheduler::Worker;
use tollbook::subscriptions::{self, Error, Office, Pending, State, Subscription, Terms, Wish};
use tollbook::wallet;

use crate::ledger_kit::{at, event, grant, take};
use crate::payments::{LOST, Shop, WORKS};

const GOOD: &str = "4242 4242 4242 4242";
const DECLINED: &str = "4000 0000 0000 0341";

fn by() -> By {
    By::actor(Actor::System)
}

fn eur(minor: i64) -> Money {
    Money { minor, currency: Currency::EUR }
}

/// A plan for tests: `fee` in cents, credit and voice minutes each month.
fn terms(fee: i64, credit: &str, minutes: i64, interval: Interval) -> PlanTerms {
    let voice = Quantity::from_whole(minutes * 60).unwrap();
    PlanTerms {
        price: eur(fee),
        interval,
        plan_credits: credit.parse().unwrap(),
        allowances: [("voice".parse().unwrap(), voice)].into_iter().filter(|_| minutes > 0).collect(),
        rate_card: "payg".parse().unwrap(),
        rollover: false,
        rollover_cap: None,
        credit_transfer: false,
        listed: true,
    }
}

impl Shop {
    pub(crate) fn office(&self) -> Office {
        let terms = Terms { dunning_days: vec![1, 3, 5, 7], notice_days: 30 };
        Office::new(self.kit.db().clone(), self.desk.clone(), terms)
    }

    /// Everything that is due, as the scheduler does it.
    async fn turn(&self) {
        let worker: Worker = self.worker().with_office(self.office());
        loop {
            worker.work().await.unwrap();
            let due =
                self.kit.db().read_blocking(|tx| subscriptions::due(tx, tx.now(), None, 1_000)).unwrap();
            if due.is_empty() {
                break;
            }
            for (_, id) in due {
                let shop = self.office().shop().clone();
                self.kit
                    .write(move |tx| subscriptions::step(tx, &shop, SubscriptionId::new(id)))
                    .await
                    .unwrap();
            }
        }
        self.kit.write(|tx| wallet::expire_due(tx, 1_000)).await.unwrap();
        while self.kit.write(|tx| revenue::post_due(tx, 3)).await.unwrap() >= 3 {}
        self.kit.assert_sound();
    }

    async fn after(&self, ms: i64) {
        self.later(ms);
        self.turn().await;
    }

    fn plan(&self, code: &str) -> PlanId {
        self.kit.catalog().plan_by_code(code).unwrap().id
    }

    async fn publish(&self, code: &'static str, terms: PlanTerms) {
        let new =
            NewPlanVersion { plan: code.parse().unwrap(), name: Some(code.into()), starts_at: None, terms };
        self.kit.write(move |tx| publish_plan(tx, &new)).await.unwrap();
    }

    fn wish(&self, code: &str) -> Wish {
        Wish { plan: self.plan(code), card: None, expected_total: None, success_url: None, cancel_url: None }
    }

    async fn choose(&self, code: &str) -> Result<Option<Payment>, Error> {
        let wish = self.wish(code);
        let done = self.office().change(by(), self.customer, wish, Currency::EUR).await?;
        self.kit.assert_sound();
        Ok(done.1)
    }

    async fn on(code: &str) -> Self {
        let shop = Self::new().await;
        shop.save(GOOD).await;
        shop.choose(code).await.unwrap();
        shop
    }

    fn offer(&self, code: &str) -> subscriptions::Offer {
        let (catalog, plan) = (self.kit.catalog(), self.plan(code));
        let db = self.kit.db();
        db.read_blocking(|tx| {
            subscriptions::offer(tx, &catalog, &self.desk.seller, self.customer, plan, tx.now())
        })
        .unwrap()
    }

    fn sub(&self) -> Subscription {
        self.kit.db().read_blocking(|tx| subscriptions::of(tx, self.customer)).unwrap().unwrap()
    }

    fn period(&self) -> (String, String) {
        let cycle = self.sub().cycle.unwrap();
        (cycle.start.to_string(), cycle.end.to_string())
    }

    fn fees(&self) -> Vec<(i64, String)> {
        let all = self
            .kit
            .db()
            .read_blocking(|tx| payments::list(tx, Some(self.customer), None, 100))
            .unwrap()
            .items;
        let mut fees: Vec<_> = all
            .into_iter()
            .filter(|payment| payment.purchase.plan.is_some())
            .map(|payment| (payment.purchase.price.minor, payment.state.name().to_owned()))
            .collect();
        fees.reverse();
        fees
    }

    /// Those of the subscription, the oldest first.
    fn said(&self) -> Vec<String> {
        let all = self.kit.db().read_blocking(|tx| events::newest(tx, self.customer, 100)).unwrap();
        let all = all.into_iter().rev().map(|event| event.kind.name());
        all.filter_map(|name| name.strip_prefix("subscription.").map(str::to_owned)).collect()
    }

    fn voice_left(&self) -> (Option<i64>, i64) {
        let catalog = self.kit.catalog();
        let meter = catalog.meter_id("voice").unwrap();
        let now = self.kit.now();
        let quote =
            self.kit.db().read_blocking(|tx| metering::quote(tx, &catalog, self.customer, meter, now));
        let quote = quote.unwrap().unwrap();
        (quote.allowance.map(|q| q.micros() / 1_000_000), quote.allowance_left.micros() / 1_000_000)
    }

    async fn cancel(&self) -> Subscription {
        let customer = self.customer;
        self.kit.write(move |tx| subscriptions::cancel(tx, &by(), customer)).await.unwrap()
    }
}

#[tokio::test]
async fn a_plan_is_paid_with_the_saved_card_and_earned_as_its_time_passes() {
    let shop = Shop::on("growth").await;
    let sub = shop.sub();
    assert_eq!((sub.state, sub.number, shop.balance().as_str()), (State::Active, 1, "500"));
    assert_eq!(shop.period(), ("2026-03-10T12:00:00Z".into(), "2026-04-10T12:00:00Z".into()));
    assert_eq!(shop.voice_left(), (Some(120_000), 120_000));
    assert_eq!((shop.money("cash"), shop.money("tax_payable")), (11_979, -2_079));
    assert_eq!((shop.money("deferred_revenue"), shop.money("revenue")), (-9_900, 0));
    assert_eq!(shop.said(), ["created"]);
    shop.turn().await;
    assert_eq!(shop.fees(), [(9_900, "settled".into())]);
    // the run of the eleventh day: from noon of the tenth until then
    shop.after(10 * DAY_MS).await;
    assert_eq!(shop.money("revenue"), -3_194, "9,900 × 10 / 31, rounded half up");
    let days = (tollbook::base::Zone::UTC.day_of(at("2026-03-01T00:00:00Z")), at("2026-04-01T00:00:00Z"));
    let report = shop
        .kit
        .db()
        .read_blocking(|tx| revenue::liability(tx, days.0, tollbook::base::Zone::UTC.day_of(days.1)));
    let Liability { sold, earned, close, .. } = report.unwrap()[0];
    assert_eq!((sold, earned, close), (eur(9_900), eur(3_194), eur(6_706)));
    shop.after(21 * DAY_MS - 1).await;
    assert_eq!((shop.fees().len(), shop.balance().as_str()), (1, "500"));
    shop.after(1).await;
    assert_eq!(shop.fees(), vec![(9_900, "settled".to_owned()); 2]);
    assert_eq!(shop.period(), ("2026-04-10T12:00:00Z".into(), "2026-05-10T12:00:00Z".into()));
    assert_eq!(shop.balance(), "500", "what was left has expired");
    assert_eq!(shop.said(), ["created", "renewed"]);
    shop.after(DAY_MS).await;
    assert_eq!(shop.money("deferred_revenue"), -9_900 + 330, "one of thirty days");
    assert_eq!(shop.charges(), 2);
}

#[tokio::test]
async fn without_a_card_it_is_paid_on_the_providers_page_which_keeps_the_card() {
    let shop = Shop::new().await;
    let payment = shop.choose("starter").await.unwrap().unwrap();
    assert!(matches!(&payment.state, payments::State::Pending { checkout, .. } if checkout.url.is_some()));
    assert_eq!((shop.sub().state, shop.voice_left()), (State::Incomplete, (None, 0)));
    shop.later(HOUR_MS);
    shop.pay(&payment, Card::Pays).await;
    shop.after(MINUTE_MS).await;
    assert_eq!(shop.sub().state, State::Active);
    assert_eq!(shop.period().0, "2026-03-10T13:01:00Z", "it begins when it is paid");
    assert_eq!(shop.cards_saved(), 1);
    shop.after(31 * DAY_MS).await;
    assert_eq!((shop.sub().number, shop.charges()), (2, 1));
}

impl Shop {
    fn cards_saved(&self) -> usize {
        self.kit.db().read_blocking(|tx| payments::cards::list(tx, self.customer)).unwrap().len()
    }
}

#[tokio::test]
async fn whoever_thinks_again_pays_once_and_one_plan_lives() {
    let shop = Shop::new().await;
    let first = shop.choose("starter").await.unwrap().unwrap();
    let second = shop.choose("growth").await.unwrap().unwrap();
    // the first is paid all the same: it is what the customer gets, and nothing is lost of the other
    shop.pay(&first, Card::Pays).await;
    shop.after(MINUTE_MS).await;
    assert_eq!((shop.sub().state, shop.sub().number), (State::Active, 1));
    assert_eq!(shop.voice_left().0, Some(30_000));
    shop.pay(&second, Card::Pays).await;
    shop.after(MINUTE_MS).await;
    assert_eq!(shop.voice_left().0, Some(30_000));
    assert_eq!(shop.count("SELECT count(*) FROM subscription_charges WHERE state = 'unused'"), 1);
    let id = second.id;
    let open = shop.kit.db().read_blocking(|tx| payments::concerns::open(tx, None, 10)).unwrap().items;
    assert_eq!((open[0].kind, open[0].subject.as_str()), (payments::concerns::Kind::NoUse, &*id.to_string()));
    let wish = RefundWish { payment: id, total: None, reason: Reason::Duplicate, note: "paid twice".into() };
    shop.kit.write(move |tx| refunds::give(tx, &by(), &wish)).await.unwrap();
    shop.turn().await;
    assert_eq!(shop.money("deferred_revenue") + shop.money("revenue"), -2_900);
    // one that nobody pays ends by itself
    let other = Shop::new().await;
    other.choose("starter").await.unwrap();
    other.after(2 * DAY_MS).await;
    assert_eq!(other.sub().state, State::Canceled);
    assert!(other.said().is_empty());
}

#[tokio::test]
async fn a_server_that_was_off_for_months_catches_up_once_and_in_order() {
    let shop = Shop::on("growth").await;
    shop.later(100 * DAY_MS);
    let shop = shop.restart();
    shop.turn().await;
    shop.turn().await;
    assert_eq!(shop.fees(), vec![(9_900, "settled".to_owned()); 4]);
    assert_eq!(shop.period(), ("2026-06-10T12:00:00Z".into(), "2026-07-10T12:00:00Z".into()));
    assert_eq!(shop.said(), ["created", "renewed", "renewed", "renewed"]);
    assert_eq!(shop.balance(), "500", "the credit of months that are over is not given");
    assert_eq!(shop.count("SELECT count(*) FROM grants WHERE source = 'plan'"), 2);
    assert_eq!(shop.money("deferred_revenue"), -9_900 + 2_640, "eight days of thirty");
}

#[tokio::test]
async fn a_declined_first_payment_ends_it() {
    let shop = Shop::new().await;
    shop.save(DECLINED).await;
    let payment = shop.choose("growth").await.unwrap().unwrap();
    assert_eq!(payment.state.name(), "failed");
    assert_eq!((shop.sub().state, shop.balance().as_str()), (State::Canceled, "0"));
    shop.turn().await;
    assert_eq!(shop.charges(), 1);
    shop.save(GOOD).await;
    shop.make_newest_default().await;
    shop.choose("growth").await.unwrap();
    assert_eq!(shop.sub().state, State::Active);
}

impl Shop {
    async fn make_newest_default(&self) {
        let cards = self.kit.db().read_blocking(|tx| payments::cards::list(tx, self.customer)).unwrap();
        let newest = cards.iter().map(|card| card.id).max_by_key(|id| id.number()).unwrap();
        let customer = self.customer;
        let set = move |tx: &tollbook::db::WriteTx<'_>| {
            payments::cards::set_default(tx, &by(), customer, newest).map(|_| ())
        };
        self.kit.write(set).await.unwrap();
    }

    /// On a plan, whose next period is declined.
    async fn unpaid() -> Self {
        let shop = Self::on("growth").await;
        shop.save(DECLINED).await;
        shop.make_newest_default().await;
        shop.after(31 * DAY_MS).await;
        shop
    }
}

#[tokio::test]
async fn a_card_that_is_declined_is_tried_on_the_days_of_the_schedule_and_never_more() {
    let shop = Shop::unpaid().await;
    let sub = shop.sub();
    assert_eq!(
        (sub.state, sub.reason.as_deref(), shop.charges()),
        (State::PastDue, Some("card_declined"), 2)
    );
    assert_eq!((shop.voice_left().0, shop.balance().as_str()), (None, "0"));
    assert_eq!(sub.due_at, Some(at("2026-04-11T12:00:00Z")));
    let mut charges = Vec::new();
    for _ in 0..16 {
        shop.after(DAY_MS / 2).await;
        charges.push(shop.charges());
    }
    // on days 1, 3, 5 and 7
    assert_eq!(charges, [2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6]);
    assert_eq!((shop.sub().state, shop.sub().reason.as_deref()), (State::Canceled, Some("card_declined")));
    assert_eq!(shop.said(), ["created", "past_due", "past_due", "past_due", "past_due", "canceled"]);
    shop.after(90 * DAY_MS).await;
    assert_eq!(shop.charges(), 6);
}

#[tokio::test]
async fn another_card_pays_what_was_unpaid_and_the_anchor_stays() {
    let shop = Shop::unpaid().await;
    shop.after(2 * DAY_MS).await;
    assert_eq!((shop.sub().state, shop.charges()), (State::PastDue, 3));
    assert!(matches!(shop.choose("scale").await, Err(Error::Conflict(_))));
    shop.save(GOOD).await;
    shop.make_newest_default().await;
    let paid = shop.office().retry(by(), shop.customer).await.unwrap().unwrap();
    assert_eq!(paid.state.name(), "settled");
    assert_eq!(shop.period(), ("2026-04-10T12:00:00Z".into(), "2026-05-10T12:00:00Z".into()));
    assert_eq!((shop.voice_left(), shop.balance().as_str()), ((Some(120_000), 120_000), "500"));
    assert!(matches!(shop.office().retry(by(), shop.customer).await, Err(Error::Conflict(_))));
    shop.turn().await;
    assert_eq!(shop.said(), ["created", "past_due", "past_due", "renewed"]);
    shop.after(28 * DAY_MS).await;
    assert_eq!((shop.sub().number, shop.period().0.as_str()), (3, "2026-05-10T12:00:00Z"));
}

#[tokio::test]
async fn without_a_saved_card_there_is_nothing_to_charge() {
    let shop = Shop::on("starter").await;
    let card = shop.kit.db().read_blocking(|tx| payments::cards::list(tx, shop.customer)).unwrap()[0].id;
    let customer = shop.customer;
    shop.kit.write(move |tx| payments::cards::remove(tx, &by(), customer, card)).await.unwrap();
    shop.after(31 * DAY_MS).await;
    assert_eq!((shop.sub().state, shop.sub().reason.as_deref()), (State::PastDue, Some("no_card")));
    assert_eq!(shop.charges(), 1);
    let retried = shop.office().retry(by(), customer).await;
    assert!(matches!(retried, Err(Error::Payment(payments::Error::CardRequired))));
}

#[tokio::test]
async fn an_upgrade_costs_and_gives_what_its_preview_says() {
    let shop = Shop::on("growth").await;
    shop.kit.charge(shop.customer, event("v1", "voice", "60000", shop.kit.now())).await;
    // a quarter of a month of 31 days has passed
    shop.after(31 * DAY_MS / 4).await;
    let offer = shop.offer("scale");
    // (399 − 99) × 3/4, and of 2,000 credits and 8,000 minutes as much
    assert_eq!((offer.charge_now.net, offer.credits_now.to_string().as_str()), (eur(22_500), "1500"));
    assert_eq!((offer.next_charge.net, offer.next_charge_at), (eur(39_900), at("2026-04-10T12:00:00Z")));
    let wish = Wish { expected_total: Some(eur(1)), ..shop.wish("scale") };
    let changed = shop.office().change(by(), shop.customer, wish, Currency::EUR).await;
    assert!(matches!(changed, Err(Error::PriceChanged(total)) if total == offer.charge_now.total));
    let wish = Wish { expected_total: Some(offer.charge_now.total), ..shop.wish("scale") };
    let paid = shop.office().change(by(), shop.customer, wish, Currency::EUR).await.unwrap().1.unwrap();
    assert_eq!((paid.quote.amounts, paid.state.name()), (offer.charge_now, "settled"));
    assert_eq!(shop.balance(), "2000");
    assert_eq!(shop.voice_left(), (Some(120_000 + 360_000), 420_000));
    assert_eq!(shop.period(), ("2026-03-10T12:00:00Z".into(), "2026-04-10T12:00:00Z".into()));
    shop.turn().await;
    assert_eq!(shop.said(), ["created", "updated"]);
    shop.after(31 * DAY_MS * 3 / 4).await;
    assert_eq!(shop.fees().iter().map(|fee| fee.0).collect::<Vec<_>>(), [9_900, 22_500, 39_900]);
    assert_eq!((shop.balance().as_str(), shop.voice_left()), ("2500", (Some(600_000), 600_000)));
}

#[tokio::test]
async fn a_declined_upgrade_changes_nothing() {
    let shop = Shop::on("growth").await;
    shop.save(DECLINED).await;
    shop.make_newest_default().await;
    let before = shop.sub();
    let payment = shop.choose("scale").await.unwrap().unwrap();
    assert_eq!(payment.state.name(), "failed");
    let after = shop.sub();
    assert_eq!((after.version, after.state, after.due_at), (before.version, State::Active, before.due_at));
    assert_eq!((shop.balance().as_str(), after.payment), ("500", None));
    shop.turn().await;
    assert_eq!(shop.sub(), after);
}

#[tokio::test]
async fn cheaper_plans_and_ends_wait_for_the_end_of_the_period_and_can_be_undone() {
    let shop = Shop::on("growth").await;
    shop.after(10 * DAY_MS).await;
    let offer = shop.offer("starter");
    assert_eq!((offer.charge_now.total, offer.next_charge.net), (eur(0), eur(2_900)));
    assert_eq!(offer.effective_at, at("2026-04-10T12:00:00Z"));
    assert_eq!(shop.choose("starter").await.unwrap(), None);
    assert!(matches!(shop.sub().pending, Some(Pending::Plan(_))));
    // another wish replaces it
    assert_eq!(shop.cancel().await.pending, Some(Pending::Cancel));
    shop.office().resume(by(), shop.customer).await.unwrap();
    assert_eq!(shop.sub().pending, None);
    assert!(matches!(shop.choose("growth").await, Err(Error::Invalid(_))), "it is on that plan");
    shop.choose("starter").await.unwrap();
    shop.after(21 * DAY_MS).await;
    assert_eq!((shop.balance().as_str(), shop.voice_left()), ("0", (Some(30_000), 30_000)));
    assert_eq!(shop.fees().last().unwrap(), &(2_900, "settled".into()));
    shop.cancel().await;
    shop.after(30 * DAY_MS - 1).await;
    assert_eq!(shop.sub().state, State::Active);
    shop.after(1).await;
    assert_eq!((shop.sub().state, shop.voice_left().0), (State::Canceled, None));
    assert_eq!(shop.charges(), 2);
    // and begins anew
    shop.choose("growth").await.unwrap();
    assert_eq!((shop.sub().number, shop.period().0.as_str()), (1, "2026-05-10T12:00:00Z"));
}

#[tokio::test]
async fn a_year_is_paid_at_once_and_given_by_the_month() {
    let shop = Shop::new().await;
    shop.publish("yearly", terms(99_000, "1000", 100, Interval::Year)).await;
    shop.save(GOOD).await;
    shop.choose("yearly").await.unwrap();
    assert_eq!(shop.period().1, "2027-03-10T12:00:00Z");
    shop.kit.charge(shop.customer, event("v1", "voice", "6000", shop.kit.now())).await;
    assert_eq!(shop.voice_left(), (Some(6_000), 0));
    let mut balances = Vec::new();
    for _ in 0..11 {
        shop.after(31 * DAY_MS).await;
        balances.push(shop.balance());
        assert_eq!(shop.voice_left(), (Some(6_000), 6_000));
    }
    assert_eq!(balances, vec!["1000"; 11]);
    assert_eq!((shop.fees().len(), shop.count("SELECT count(*) FROM grants WHERE source = 'plan'")), (1, 12));
    shop.after(31 * DAY_MS).await;
    assert_eq!(shop.fees(), vec![(99_000, "settled".to_owned()); 2]);
    assert_eq!(shop.money("revenue"), -99_000 - 1_893, "a year, and seven days of the next, which has 366");
}

#[tokio::test]
async fn a_pause_charges_and_gives_nothing_and_going_on_is_paid_for() {
    let shop = Shop::on("growth").await;
    let customer = shop.customer;
    shop.kit.write(move |tx| subscriptions::pause(tx, &by(), customer)).await.unwrap();
    shop.after(31 * DAY_MS).await;
    assert_eq!((shop.sub().state, shop.balance().as_str(), shop.voice_left().0), (State::Paused, "0", None));
    shop.after(45 * DAY_MS).await;
    assert_eq!(shop.charges(), 1);
    let paid = shop.office().resume(by(), customer).await.unwrap().unwrap();
    assert_eq!((paid.state.name(), shop.sub().state), ("settled", State::Active));
    assert_eq!(shop.period(), ("2026-05-25T12:00:00Z".into(), "2026-06-25T12:00:00Z".into()));
    shop.turn().await;
    assert_eq!((shop.balance().as_str(), shop.charges()), ("500", 2));
    assert_eq!(shop.said(), ["created", "updated", "updated", "updated"]);
}

#[tokio::test]
async fn a_new_price_is_announced_and_paid_at_the_first_renewal_from_then_on() {
    let shop = Shop::on("growth").await;
    let mut new = shop.kit.catalog().plan_by_code("growth").unwrap().versions[0].terms.clone();
    new.price = eur(10_900);
    shop.publish("growth", new).await;
    let office = shop.office();
    let migrate = async |from: &str| {
        let (terms, from) = (office.shop().terms.clone(), at(from));
        shop.kit.write(move |tx| subscriptions::migrate(tx, &terms, &by(), "growth", from)).await
    };
    assert!(matches!(migrate("2026-04-08T12:00:00Z").await, Err(Error::Invalid(_))), "too soon");
    assert_eq!(migrate("2026-04-20T00:00:00Z").await.unwrap(), 1);
    assert_eq!(shop.said(), ["created", "updated"]);
    shop.after(31 * DAY_MS).await;
    shop.after(30 * DAY_MS).await;
    assert_eq!(shop.fees().iter().map(|fee| fee.0).collect::<Vec<_>>(), [9_900, 9_900, 10_900]);
    shop.after(31 * DAY_MS).await;
    assert_eq!(shop.fees().last().unwrap().0, 10_900);
    assert_eq!(shop.said()[2..], ["renewed", "updated", "renewed", "renewed"]);
}

#[tokio::test]
async fn what_carries_over_stops_at_the_cap() {
    let shop = Shop::new().await;
    let carried = PlanTerms {
        rollover: true,
        rollover_cap: Some("300".parse().unwrap()),
        ..terms(1_000, "1000", 0, Interval::Month)
    };
    shop.publish("carried", carried).await;
    shop.save(GOOD).await;
    shop.choose("carried").await.unwrap();
    shop.after(31 * DAY_MS).await;
    assert_eq!(shop.balance(), "1300");
    let customer = shop.customer;
    shop.kit.write(move |tx| wallet::take_back(tx, customer, take("1200", Class::Plan))).await.unwrap();
    shop.after(30 * DAY_MS).await;
    assert_eq!(shop.balance(), "1100");
    let lapsed = "SELECT count(*) FROM transactions WHERE type = 'expiry' AND amount = -700000000";
    assert_eq!(shop.count(lapsed), 1, "what does not carry over has expired");
}

#[tokio::test]
async fn a_plan_that_costs_nothing_needs_no_card() {
    let shop = Shop::new().await;
    shop.publish("gratis", terms(0, "10", 5, Interval::Month)).await;
    assert_eq!(shop.choose("gratis").await.unwrap(), None);
    assert_eq!((shop.sub().state, shop.balance().as_str()), (State::Active, "10"));
    shop.after(31 * DAY_MS).await;
    assert_eq!((shop.sub().number, shop.balance().as_str(), shop.fees().len()), (2, "10", 0));
}

#[tokio::test]
async fn the_operator_gives_money_of_a_plan_back_and_the_customer_cannot_ask() {
    let shop = Shop::new().await;
    shop.save(GOOD).await;
    let payment = shop.choose("growth").await.unwrap().unwrap();
    shop.after(DAY_MS * 31 / 2).await;
    let (id, customer) = (payment.id, shop.customer);
    let wish =
        |reason, minor| RefundWish { payment: id, total: Some(eur(minor)), reason, note: "why".into() };
    let asked = wish(Reason::Unused, 100);
    let asked = shop.kit.write(move |tx| refunds::request(tx, &by(), customer, &asked, 14)).await;
    assert!(matches!(asked, Err(refunds::Error::Invalid(_))));
    let given = wish(Reason::Outage, 1_210);
    shop.kit.write(move |tx| refunds::give(tx, &by(), &given)).await.unwrap();
    shop.turn().await;
    assert_eq!((shop.money("deferred_revenue"), shop.money("refunds")), (-4_950 + 1_000, 0));
    // more than is not earned: the rest out of revenue
    let given = wish(Reason::BillingError, 9_680);
    shop.kit.write(move |tx| refunds::give(tx, &by(), &given)).await.unwrap();
    shop.turn().await;
    assert_eq!((shop.money("deferred_revenue"), shop.money("refunds")), (0, 8_000 - 3_950));
    assert_eq!((shop.sub().state, shop.balance().as_str()), (State::Active, "500"));
    shop.after(16 * DAY_MS).await;
    assert_eq!(shop.sub().number, 2);
}

/// The abuse by name, through the real thing: whoever goes up, uses all of it and goes down has paid for it, and nothing of it can be
/// asked back.
#[tokio::test]
async fn upgrade_burn_downgrade_refund() {
    for hours in [0, 1, 100, 743] {
        let shop = Shop::new().await;
        // a cent buys a credit
        shop.publish("small", terms(1_000, "1000", 0, Interval::Month)).await;
        shop.publish("large", terms(50_000, "50000", 0, Interval::Month)).await;
        shop.save(GOOD).await;
        let mut fees = vec![shop.choose("small").await.unwrap().unwrap()];
        shop.after(hours * HOUR_MS).await;
        fees.extend(shop.choose("large").await.unwrap());
        let had = shop.kit.summary(shop.customer).balance;
        let paid: i64 = fees.iter().map(|fee| fee.quote.amounts.net.minor).sum();
        assert!(had.micros() <= paid * 1_000_000 + 500_000, "{had} for {paid}");
        let customer = shop.customer;
        shop.kit
            .write(move |tx| wallet::take_back(tx, customer, take(&had.to_string(), Class::Plan)))
            .await
            .unwrap();
        shop.choose("small").await.unwrap();
        for fee in fees {
            let wish =
                RefundWish { payment: fee.id, total: None, reason: Reason::Unused, note: "bored".into() };
            let asked = shop.kit.write(move |tx| refunds::request(tx, &by(), customer, &wish, 14)).await;
            assert!(matches!(asked, Err(refunds::Error::Invalid(_))));
        }
        shop.after(31 * DAY_MS).await;
        assert_eq!(shop.balance(), "1000");
    }
}

#[tokio::test]
async fn many_are_renewed_each_exactly_once() {
    const HOW_MANY: usize = 150;
    let shop = Shop::new().await;
    shop.publish("gratis", terms(0, "10", 5, Interval::Month)).await;
    let office = shop.office();
    for n in 0..HOW_MANY {
        let one: OrganizationId = shop.kit.organization(&format!("c{n}"), "UTC").await;
        office.change(by(), one, shop.wish("gratis"), Currency::EUR).await.unwrap();
    }
    shop.after(31 * DAY_MS).await;
    assert_eq!(
        shop.count("SELECT count(*) FROM subscriptions WHERE number = 2"),
        i64::try_from(HOW_MANY).unwrap()
    );
}

#[tokio::test]
async fn a_fee_that_is_never_answered_is_tried_again_once_somebody_has_looked() {
    let shop = Shop::on("growth").await;
    shop.line.charge.store(LOST, Ordering::SeqCst);
    shop.line.look.store(LOST, Ordering::SeqCst);
    shop.later(31 * DAY_MS);
    for _ in 0..25 {
        shop.after(HOUR_MS).await;
    }
    assert_eq!((shop.sub().state, shop.sub().reason.as_deref()), (State::PastDue, Some("unanswered")));
    assert!(matches!(shop.office().retry(by(), shop.customer).await, Err(Error::Conflict(_))));
    shop.line.charge.store(WORKS, Ordering::SeqCst);
    shop.line.look.store(WORKS, Ordering::SeqCst);
    shop.after(10 * DAY_MS).await;
    assert_eq!(shop.sub().state, State::PastDue, "nothing is charged twice");
    let open = shop.kit.db().read_blocking(|tx| payments::concerns::open(tx, None, 10)).unwrap().items;
    assert_eq!((open.len(), open[0].kind), (1, payments::concerns::Kind::Charge));
    let id = open[0].id;
    let looked = shop.kit.write(move |tx| payments::concerns::close(tx, &by(), id)).await;
    assert!(looked.is_err(), "somebody has to say what came of it");
    for _ in 0..2 {
        shop.kit.write(move |tx| payments::concerns::give_up(tx, &by(), id)).await.unwrap();
    }
    shop.turn().await;
    assert_eq!(shop.sub().reason.as_deref(), Some("given_up"));
    shop.office().retry(by(), shop.customer).await.unwrap();
    shop.turn().await;
    assert_eq!((shop.sub().state, shop.sub().number), (State::Active, 2));
    let fees: Vec<String> = shop.fees().into_iter().map(|(_, state)| state).collect();
    assert_eq!(fees, ["settled", "failed", "settled"]);
}
