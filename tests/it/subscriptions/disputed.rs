//! Plans whose fees banks dispute: what waits, what ends, and what stays.

use super::*;

impl Shop {
    /// The bank says how a dispute about so much of a payment stands, with tax.
    async fn bank_says(&self, payment: &Payment, minor: i64, status: DisputeStatus) {
        let payments::State::Settled(settled) = self.payment(payment).state else { panic!("{payment:?}") };
        let seen = DisputeSeen {
            reference: format!("dp_{}", payment.id),
            charge: settled.charge,
            amount: eur(minor),
            reason: "fraudulent".into(),
            status,
        };
        self.kit.write(move |tx| disputes::record(tx, sandbox::NAME, &seen)).await.unwrap();
        self.kit.assert_sound();
    }

    /// How often a plan's credit was given.
    fn months(&self) -> i64 {
        self.count("SELECT count(*) FROM grants WHERE source = 'plan'")
    }

    /// On a plan for tests with a saved card, paid.
    async fn paid(code: &'static str, terms: PlanTerms) -> (Self, Payment) {
        let shop = Self::new().await;
        shop.publish(code, terms).await;
        shop.save(GOOD).await;
        let payment = shop.choose(code).await.unwrap().unwrap();
        (shop, payment)
    }
}

fn yearly() -> PlanTerms {
    terms(99_000, "1000", 100, Interval::Year)
}

/// What is left of a month stays, up to a cap.
fn kept(cap: Option<&str>, terms: PlanTerms) -> PlanTerms {
    PlanTerms { rollover: true, rollover_cap: cap.map(|cap| cap.parse().unwrap()), ..terms }
}

#[tokio::test]
async fn a_disputed_period_freezes_its_credit() {
    let (shop, payment) = Shop::paid("monthly", terms(9_900, "500", 0, Interval::Month)).await;
    shop.bank_says(&payment, 11_979, DisputeStatus::Open).await;
    assert_eq!(shop.kit.summary(shop.customer).held, "500".parse::<Credits>().unwrap());
    shop.bank_says(&payment, 11_979, DisputeStatus::Lost).await;
    assert_eq!((shop.balance().as_str(), shop.money("deferred_revenue")), ("0", 0));
    assert_eq!(shop.money("cash"), 0);
    // what is not paid for any more is not there any more
    shop.turn().await;
    assert_eq!((shop.sub().state, shop.sub().reason.as_deref()), (State::Canceled, Some("disputed")));
}

#[tokio::test]
async fn a_year_that_is_disputed_gives_no_more_months_until_the_bank_has_decided() {
    for decided in [DisputeStatus::Won, DisputeStatus::Lost] {
        let (shop, payment) = Shop::paid("yearly", yearly()).await;
        shop.bank_says(&payment, 119_790, DisputeStatus::Open).await;
        for _ in 0..10 {
            shop.after(7 * DAY_MS).await;
        }
        assert_eq!(shop.months(), 1);
        shop.bank_says(&payment, 119_790, decided).await;
        shop.after(DAY_MS).await;
        if decided == DisputeStatus::Won {
            assert_eq!((shop.months(), shop.balance().as_str()), (2, "1000"));
            assert_eq!(shop.sub().state, State::Active);
        } else {
            assert_eq!((shop.months(), shop.balance().as_str()), (1, "0"));
            assert_eq!(shop.sub().state, State::Canceled);
            shop.after(300 * DAY_MS).await;
            assert_eq!(shop.fees().len(), 1);
        }
    }
}

#[tokio::test]
async fn months_that_carry_over_are_given_once_the_dispute_is_won() {
    for (cap, left) in [(None, "3000"), (Some("300"), "1300")] {
        let (shop, payment) = Shop::paid("kept", kept(cap, yearly())).await;
        shop.bank_says(&payment, 119_790, DisputeStatus::Open).await;
        shop.after(70 * DAY_MS).await;
        assert_eq!(shop.months(), 1);
        shop.bank_says(&payment, 119_790, DisputeStatus::Won).await;
        shop.after(DAY_MS).await;
        assert_eq!((shop.months(), shop.balance().as_str()), (3, left), "{cap:?}");
    }
    // longer than the year: what it still owes comes first, then the next is paid
    let (shop, payment) = Shop::paid("kept", kept(None, yearly())).await;
    shop.bank_says(&payment, 119_790, DisputeStatus::Open).await;
    shop.after(380 * DAY_MS).await;
    assert_eq!((shop.months(), shop.fees().len()), (1, 1));
    shop.bank_says(&payment, 119_790, DisputeStatus::Won).await;
    shop.after(DAY_MS).await;
    assert_eq!((shop.months(), shop.fees().len(), shop.balance().as_str()), (13, 2, "13000"));
    assert_eq!(shop.period().0, "2027-03-10T12:00:00Z");
}

#[tokio::test]
async fn months_that_carry_over_are_given_by_a_server_that_was_off() {
    for (cap, left) in [(None, "4000"), (Some("300"), "1300")] {
        let (shop, _) = Shop::paid("kept", kept(cap, yearly())).await;
        shop.later(100 * DAY_MS);
        let shop = shop.restart();
        shop.turn().await;
        shop.turn().await;
        assert_eq!((shop.months(), shop.balance().as_str()), (4, left), "{cap:?}");
        assert_eq!(shop.fees().len(), 1);
    }
}

#[tokio::test]
async fn a_disputed_upgrade_is_waited_for_and_ends_the_plan_when_its_money_is_gone() {
    for decided in [DisputeStatus::Won, DisputeStatus::Lost] {
        let (shop, _) = Shop::paid("less", terms(12_000, "100", 0, Interval::Year)).await;
        shop.publish("yearly", yearly()).await;
        let upgrade = shop.choose("yearly").await.unwrap().unwrap();
        let total = upgrade.quote.amounts.total.minor;
        assert_eq!((shop.months(), shop.balance().as_str()), (2, "1000"));
        shop.bank_says(&upgrade, total, DisputeStatus::Open).await;
        shop.after(70 * DAY_MS).await;
        assert_eq!(shop.months(), 2, "nothing more is given");
        shop.bank_says(&upgrade, total, decided).await;
        shop.after(DAY_MS).await;
        let (state, months) = match decided {
            DisputeStatus::Won => (State::Active, 3),
            _ => (State::Canceled, 2),
        };
        assert_eq!((shop.sub().state, shop.months()), (state, months));
    }
}

#[tokio::test]
async fn a_plan_goes_on_when_a_part_of_a_fee_is_lost() {
    let (shop, period) = Shop::paid("less", terms(12_000, "100", 0, Interval::Year)).await;
    shop.publish("yearly", yearly()).await;
    let upgrade = shop.choose("yearly").await.unwrap().unwrap();
    for payment in [period, upgrade] {
        shop.bank_says(&payment, payment.quote.amounts.total.minor - 1, DisputeStatus::Open).await;
        shop.bank_says(&payment, payment.quote.amounts.total.minor - 1, DisputeStatus::Lost).await;
    }
    shop.turn().await;
    assert_eq!((shop.sub().state, shop.months()), (State::Active, 2));
    assert!(shop.kit.summary(shop.customer).balance < "1".parse().unwrap(), "the disputed part is gone");
    shop.after(31 * DAY_MS).await;
    assert_eq!((shop.sub().state, shop.months()), (State::Active, 3));
}

#[tokio::test]
async fn the_cap_counts_what_is_free_of_the_plans_own_credit() {
    let terms = kept(Some("500"), terms(1_000, "1000", 0, Interval::Month));
    let (shop, payment) = Shop::paid("kept", terms).await;
    let customer = shop.customer;
    // the operator's gift is not the plan's
    shop.kit.credit(customer, grant("700", Class::Plan)).await.unwrap();
    shop.bank_says(&payment, 1_210, DisputeStatus::Open).await;
    shop.after(31 * DAY_MS).await;
    assert_eq!(shop.balance(), "2700", "1,000 frozen, 1,000 new");
    shop.after(30 * DAY_MS).await;
    assert_eq!(shop.balance(), "3200", "1,000 frozen, 500 carried over, 1,000 new");
    shop.bank_says(&payment, 1_210, DisputeStatus::Won).await;
    shop.after(31 * DAY_MS).await;
    assert_eq!(shop.balance(), "2200", "500 carried over, 1,000 new");
}
