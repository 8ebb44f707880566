//! What customers have paid is owed to them until it is used, and then earned, to the cent.

use proptest::prelude::*;
use tollbook::base::id::{GrantId, OrganizationId};
use tollbook::base::time::{DAY_MS, HOUR_MS};
use tollbook::base::{Credits, Day, Money, Zone};
use tollbook::db::WriteTx;
use tollbook::grants::Class;
use tollbook::ledger::AccountKind;
use tollbook::ledger::Journal;
use tollbook::revenue::{self, Error, Liability, Standing};
use tollbook::wallet::{self, NewCredit};

use crate::ledger_kit::{Kit, credits, event, grant, take};

fn eur(minor: i64) -> Money {
    Money { minor, currency: "EUR".parse().expect("currency") }
}

fn bought(amount: &str, minor: i64) -> NewCredit {
    NewCredit { cost: Some(eur(minor)), ..grant(amount, Class::Paid) }
}

/// Gives credit up for money, as an operation on refunds does.
fn refund(
    tx: &WriteTx<'_>,
    of: OrganizationId,
    grant: GrantId,
    credit: &str,
    minor: i64,
    to: AccountKind,
) -> Result<(), Error> {
    let conn = tx.conn()?;
    let m = revenue::give_back(tx, grant, credits(credit), eur(minor), to)?;
    tx.part::<Journal>()?.gather_money(conn, m.debit, m.credit, m.amount)?;
    wallet::take_back(tx, of, take(credit, Class::Paid)).expect("taken");
    Ok(())
}

impl Kit {
    async fn buy(&self, organization: OrganizationId, new: NewCredit) -> GrantId {
        self.credit(organization, new).await.expect("credit").1.id
    }

    /// One day's run, however many steps it takes.
    async fn post(&self) {
        while self.write(|tx| revenue::post_due(tx, 2)).await.expect("posted") >= 2 {}
    }

    async fn next_day(&self) {
        self.clock.advance(DAY_MS);
        self.write(|tx| wallet::expire_due(tx, 1_000)).await.expect("expired");
        self.post().await;
    }

    /// Earned, breakage, returned, deferred.
    async fn money_of(&self, grant: GrantId) -> (i64, i64, i64, i64) {
        let found = self.write(move |tx| revenue::catch_up(tx, grant)).await.expect("standing");
        let Standing { cost, earned, breakage, returned, deferred } = found.expect("paid for");
        assert_eq!(cost.minor, earned.minor + breakage.minor + returned.minor + deferred.minor);
        (earned.minor, breakage.minor, returned.minor, deferred.minor)
    }

    fn liability(&self, from: Day, to: Day) -> Vec<Liability> {
        self.db().read_blocking(|tx| revenue::liability(tx.conn(), from, to)).expect("liability")
    }

    fn today(&self) -> Day {
        Zone::UTC.day_of(self.now())
    }

    /// Open, sold, earned, expired, refunded, disputed, close; of the only currency.
    fn moved(&self, from: Day, to: Day) -> [i64; 7] {
        let found = self.liability(from, to);
        let [row] = found.as_slice() else { panic!("{found:?}") };
        let Liability { open, sold, earned, expired, refunded, disputed, close } = *row;
        [open, sold, earned, expired, refunded, disputed, close].map(|money| money.minor)
    }
}

#[tokio::test]
async fn what_is_used_is_earned_at_its_cost_and_what_comes_back_is_owed_again() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    let paid = kit.buy(org, bought("100", 5_000)).await;
    assert_eq!(kit.money_of(paid).await, (0, 0, 0, 5_000));
    kit.charge(org, event("some", "chat", "30", kit.now())).await;
    let used = credits("100").micros() - kit.summary(org).balance.micros();
    kit.post().await;
    let share = used * 5_000 / credits("100").micros();
    assert!(share > 0 && kit.money_of(paid).await == (share, 0, 0, 5_000 - share));
    kit.void(org, "some").await.expect("void");
    kit.post().await;
    let first = kit.today();
    assert_eq!(kit.moved(first, first.plus_days(1))[2], share, "a day is run once");
    kit.next_day().await;
    assert_eq!(kit.moved(first.plus_days(1), first.plus_days(2)), [5_000 - share, 0, -share, 0, 0, 0, 5_000]);
    assert_eq!(kit.money_of(paid).await, (0, 0, 0, 5_000));
    kit.assert_sound();
}

#[tokio::test]
async fn what_expires_or_is_taken_back_is_breakage_and_what_repaid_a_debt_was_used() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.charge(org, event("owed", "chat", "10", kit.now())).await;
    let owed = -kit.summary(org).balance.micros();
    assert!(owed > 0);
    let soon = Some(kit.now().plus_ms(HOUR_MS));
    let paid = kit.buy(org, NewCredit { expires_at: soon, ..bought("100", 10_000) }).await;
    kit.post().await;
    let repaid = owed * 10_000 / credits("100").micros();
    assert_eq!(kit.money_of(paid).await, (repaid, 0, 0, 10_000 - repaid));
    kit.write(move |tx| wallet::take_back(tx, org, take("20", Class::Paid))).await.expect("taken");
    assert_eq!(kit.money_of(paid).await, (repaid, 2_000, 0, 8_000 - repaid));
    kit.clock.advance(2 * HOUR_MS);
    kit.write(|tx| wallet::expire_due(tx, 10)).await.expect("expired");
    assert_eq!(kit.money_of(paid).await, (repaid, 10_000 - repaid, 0, 0));
    // done before the expiry, and told within the grace period: the credit comes back to life for it
    kit.charge(org, event("late", "chat", "10", kit.now().plus_ms(-90 * 60_000))).await;
    assert_eq!(kit.money_of(paid).await, (2 * repaid, 10_000 - 2 * repaid, 0, 0));
    kit.next_day().await;
    kit.next_day().await;
    let today = kit.today();
    let all = [0, 10_000, 2 * repaid, 10_000 - 2 * repaid, 0, 0, 0];
    assert_eq!(kit.moved(today.plus_days(-9), today.plus_days(1)), all);
    assert_eq!(kit.moved(today, today.plus_days(1)), [0; 7]);
    kit.assert_sound();
}

/// A cent that three credits share is earned once, however it is divided.
#[tokio::test]
async fn rounding_gap() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    let mut grants = Vec::new();
    for (amount, minor) in [("3", 1), ("7", 10), ("0.000001", 3), ("999.999999", 33_333)] {
        grants.push((kit.buy(org, bought(amount, minor)).await, minor));
    }
    let mut used = 0;
    while kit.summary(org).balance.is_positive() {
        used += 1;
        kit.charge(org, event(&format!("event-{used}"), "chat", "8", kit.now())).await;
        kit.next_day().await;
    }
    assert!(used > 30, "in many small parts: {used}");
    for (grant, minor) in grants {
        assert_eq!(kit.money_of(grant).await, (minor, 0, 0, 0));
    }
    let today = kit.today();
    let all = kit.moved(Day::from_number(0), today.plus_days(1));
    assert_eq!(all, [0, 33_347, 33_347, 0, 0, 0, 0]);
    kit.assert_sound();
}

#[tokio::test]
async fn money_given_back_leaves_what_is_owed() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    let paid = kit.buy(org, bought("100", 5_000)).await;
    let free = kit.give(org, "5").await.1.id;
    kit.charge(org, event("some", "chat", "10", kit.now())).await;
    let used = credits("105").micros() - kit.summary(org).balance.micros();
    let earned = used * 5_000 / credits("100").micros();
    let refused =
        [(paid, "10", 5_001), (paid, "10", -1), (paid, "101", 500), (paid, "-1", 500), (free, "1", 1)];
    for (grant, credit, minor) in refused {
        let refused = kit.write(move |tx| {
            revenue::give_back(tx, grant, credits(credit), eur(minor), AccountKind::Refunds)
        });
        let refused = refused.await.expect_err(credit);
        let same = match refused {
            Error::NotDeferred { deferred } => credit == "10" && deferred.minor == 5_000 - earned,
            Error::NotLeft => minor == 500,
            Error::NotPaidFor => grant == free,
            Error::Db(_) => false,
        };
        assert!(same, "{credit} {minor} {refused:?}");
    }
    assert_eq!(kit.money_of(paid).await, (earned, 0, 0, 5_000 - earned));
    for (credit, minor, to) in [("20", 1_000, AccountKind::Refunds), ("20", 900, AccountKind::Disputes)] {
        kit.write(move |tx| refund(tx, org, paid, credit, minor, to)).await.expect("given back");
    }
    assert_eq!(kit.money_of(paid).await, (earned, 100, 1_900, 3_000 - earned));
    kit.next_day().await;
    let rest = kit.summary(org);
    assert_eq!(rest.balance.micros(), credits("65").micros() - used);
    let today = kit.today();
    let all = [0, 5_000, earned, 100, 1_000, 900, 3_000 - earned];
    assert_eq!(kit.moved(today.plus_days(-1), today.plus_days(1)), all);
    kit.assert_sound();
}

#[derive(Debug, Clone)]
enum Step {
    Buy { thousandths: i64, minor: i64, expires_in_days: Option<i64> },
    Use { messages: i64 },
    Void { back: usize },
    TakeBack { thousandths: i64 },
    Refund { thousandths: i64 },
    Expire { hours: i64 },
    Post,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..50_000_i64, 0..4_000_i64, prop::option::of(1..4_i64))
            .prop_map(|(thousandths, minor, expires_in_days)| Step::Buy { thousandths, minor, expires_in_days }),
        5 => (1..30_i64).prop_map(|messages| Step::Use { messages }),
        2 => (0..6_usize).prop_map(|back| Step::Void { back }),
        1 => (1..9_000_i64).prop_map(|thousandths| Step::TakeBack { thousandths }),
        1 => (1..9_000_i64).prop_map(|thousandths| Step::Refund { thousandths }),
        2 => (1..60_i64).prop_map(|hours| Step::Expire { hours }),
        3 => Just(Step::Post),
    ]
}

/// Plays the steps; after every run the book is sound, and whatever happened before, in the end the money is where the credit is.
async fn play(steps: Vec<Step>) {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    let (mut grants, mut events, mut sold) = (Vec::new(), Vec::new(), 0);
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Buy { thousandths, minor, expires_in_days } => {
                let expires_at = expires_in_days.map(|days| kit.now().plus_ms(days * DAY_MS));
                let amount = Credits::from_micros(thousandths * 1_000);
                let grant = kit.buy(org, NewCredit { expires_at, amount, ..bought("1", minor) }).await;
                sold += minor;
                if minor > 0 {
                    grants.push(grant);
                }
            }
            Step::Use { messages } => {
                events.push(format!("event-{number}"));
                kit.charge(org, event(&events[events.len() - 1], "chat", &messages.to_string(), kit.now()))
                    .await;
            }
            Step::Void { back } => {
                let which = events.len().checked_sub(back + 1);
                if let Some(id) = which.map(|place| events.remove(place)) {
                    kit.void(org, &id).await.expect("void");
                }
            }
            Step::TakeBack { thousandths } => {
                let taken = wallet::TakeBack {
                    amount: Credits::from_micros(thousandths * 1_000),
                    ..take("1", Class::Paid)
                };
                let _ = kit.write(move |tx| wallet::take_back(tx, org, taken)).await;
            }
            Step::Refund { thousandths } => give_some_back(&kit, org, thousandths * 1_000).await,
            Step::Expire { hours } => {
                kit.clock.advance(hours * HOUR_MS);
                kit.write(|tx| wallet::expire_due(tx, 1_000)).await.expect("expired");
            }
            Step::Post => {
                kit.next_day().await;
                kit.assert_sound();
            }
        }
    }
    let (mut earned, mut breakage, mut returned, mut deferred) = (0, 0, 0, 0);
    for grant in grants {
        let (of_use, of_rest, back, left) = kit.money_of(grant).await;
        assert!(of_use >= 0 && of_rest >= 0 && back >= 0 && left >= 0);
        earned += of_use;
        breakage += of_rest;
        returned += back;
        deferred += left;
    }
    kit.assert_sound();
    if sold > 0 {
        let all = kit.moved(Day::from_number(0), kit.today().plus_days(1));
        assert_eq!(all, [0, sold, earned, breakage, returned, 0, deferred]);
    }
}

/// Refunds, as far as it goes, what the wallet would draw next of what was paid for.
async fn give_some_back(kit: &Kit, org: OrganizationId, micros: i64) {
    let first = kit.summary(org).grants.into_iter().find(|g| g.cost.is_some_and(|cost| cost.minor > 0));
    let Some(first) = first.filter(|g| g.remaining.micros() > micros) else { return };
    if kit.summary(org).grants[0].id != first.id {
        return;
    }
    let (_, _, _, deferred) = kit.money_of(first.id).await;
    let cost = first.cost.expect("paid for").minor;
    let share = (cost * micros / first.original.micros()).min(deferred);
    let credit = Credits::from_micros(micros).to_string();
    kit.write(move |tx| refund(tx, org, first.id, &credit, share, AccountKind::Refunds))
        .await
        .expect("refund");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_money_is_where_the_credit_is(steps in prop::collection::vec(any_step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(play(steps));
    }
}
