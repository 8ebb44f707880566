//! Credit that goes from one organization to another: what may go, and what was paid for it with it.

use proptest::prelude::*;
use tollbook::base::id::{GrantId, OrganizationId};
use tollbook::base::time::DAY_MS;
use tollbook::base::{Credits, Money, Zone};
use tollbook::db::DbError;
use tollbook::grants::Class;
use tollbook::identity::audit::{Actor, By};
use tollbook::identity::organizations;
use tollbook::ledger::TransactionType;
use tollbook::metering::{self, PriceTerms};
use tollbook::payments::transfers::{self, Error, Sent, Wish};
use tollbook::revenue;
use tollbook::wallet::{self, NewCredit};

use crate::ledger_kit::{Kit, credits, event, grant};

fn eur(minor: i64) -> Money {
    Money { minor, currency: "EUR".parse().expect("currency") }
}

fn bought(amount: &str, minor: i64) -> NewCredit {
    NewCredit { cost: Some(eur(minor)), ..grant(amount, Class::Paid) }
}

async fn put_on(kit: &Kit, organization: OrganizationId, plan: &str) {
    let version = kit.catalog().plan_by_code(plan).expect("plan").versions[0].id;
    let terms = PriceTerms { starts_at: kit.now(), plan_version: Some(version), rate_card: None };
    kit.write(move |tx| metering::set_price_terms(tx, organization, terms)).await.expect("terms");
}

/// One that may send, and one that receives.
async fn two() -> (Kit, OrganizationId, OrganizationId) {
    let kit = Kit::new().await;
    let from = kit.organization("from", "UTC").await;
    let to = kit.organization("to", "UTC").await;
    put_on(&kit, from, "scale").await;
    (kit, from, to)
}

async fn send_micros(
    kit: &Kit,
    from: OrganizationId,
    to: OrganizationId,
    micros: i64,
) -> Result<Sent, Error> {
    let wish = Wish { from, to, credits: Credits::from_micros(micros), note: "for December".into() };
    kit.write(move |tx| transfers::send(tx, &By::actor(Actor::System), &wish)).await
}

async fn send(kit: &Kit, from: OrganizationId, to: OrganizationId, amount: &str) -> Result<Sent, Error> {
    send_micros(kit, from, to, credits(amount).micros()).await
}

/// What is owed for a grant now.
async fn deferred(kit: &Kit, grant: GrantId) -> i64 {
    let found = kit.write(move |tx| revenue::catch_up(tx, grant)).await.expect("standing");
    found.map_or(0, |standing| standing.deferred.minor)
}

fn owed(kit: &Kit) -> i64 {
    let today = Zone::UTC.day_of(kit.now());
    let read = |tx: &tollbook::db::ReadTx<'_>| {
        revenue::liability(tx.conn(), today.plus_days(-999), today.plus_days(1))
    };
    kit.db().read_blocking(read).expect("liability").first().map_or(0, |row| row.close.minor)
}

#[tokio::test]
async fn what_was_paid_goes_along_and_is_earned_where_it_is_used() {
    let (kit, from, to) = two().await;
    let expiry = Some(kit.now().plus_ms(9 * DAY_MS));
    let chat = kit.catalog().meter_id("chat");
    let soon = NewCredit { expires_at: expiry, meters: chat.map(|id| vec![id]), ..bought("30", 1_000) };
    let soon = kit.credit(from, soon).await.expect("credit").1.id;
    let last = kit.credit(from, bought("100", 3_333)).await.expect("credit").1.id;
    kit.give(from, "5").await;
    kit.credit(from, grant("7", Class::Free)).await.expect("credit");
    kit.charge(to, event("owed", "chat", "10", kit.now())).await;
    let debt = -kit.summary(to).balance.micros();

    let sent = send(&kit, from, to, "50").await.expect("sent");
    assert_eq!((sent.out.kind, sent.out.amount), (TransactionType::TransferOut, credits("-50")));
    assert_eq!(sent.out.description, "To to: for December");
    assert_eq!(kit.summary(from).balance, credits("92"));
    assert_eq!(kit.summary(to).balance.micros(), credits("50").micros() - debt);
    let [(line, first), (_, second)] = sent.received.as_slice() else { panic!("{sent:?}") };
    assert_eq!((line.kind, line.amount), (TransactionType::TransferIn, credits("30")));
    assert_eq!((first.terms.order.expires_at, &first.terms.meters), (expiry, &chat.map(|id| vec![id])));
    assert_eq!((first.terms.order.class, first.cost), (Class::Paid, Some(eur(1_000))));
    assert_eq!(
        (first.remaining.micros(), first.source.as_str()),
        (credits("30").micros() - debt, "transfer")
    );
    // a fifth of 33.33
    assert_eq!(
        (second.original, second.cost, second.terms.order.expires_at),
        (credits("20"), Some(eur(667)), None)
    );
    let (first, second) = (first.id, second.id);
    let earned = (debt * 2_000 / credits("30").micros() + 1) / 2;
    assert_eq!(deferred(&kit, first).await, 1_000 - earned, "what repaid the debt was used");
    assert_eq!(
        (deferred(&kit, soon).await, deferred(&kit, last).await, deferred(&kit, second).await),
        (0, 2_666, 667)
    );
    assert_eq!(owed(&kit), 4_333 - earned);
    kit.assert_sound();
    // on to a third, to the last cent
    let third = kit.organization("third", "UTC").await;
    put_on(&kit, to, "scale").await;
    let all = kit.summary(to).balance.micros();
    let sent = send_micros(&kit, to, third, all).await.expect("sent");
    assert_eq!(sent.received.len(), 2);
    assert_eq!(
        (deferred(&kit, first).await, deferred(&kit, second).await, owed(&kit)),
        (0, 0, 4_333 - earned)
    );
    kit.clock.advance(10 * DAY_MS);
    kit.write(|tx| wallet::expire_due(tx, 100)).await.expect("expired");
    while kit.write(|tx| revenue::post_due(tx, 10)).await.expect("posted") >= 10 {}
    assert_eq!(owed(&kit), 3_333, "what expires there is kept as what expires here is");
    kit.assert_sound();
}

#[tokio::test]
async fn what_may_be_sent_by_table() {
    let (kit, from, to) = two().await;
    kit.credit(from, bought("10", 500)).await.expect("credit");
    kit.credit(from, grant("4", Class::Free)).await.expect("credit");
    kit.credit(from, grant("4", Class::Plan)).await.expect("credit");
    let held = kit.credit(from, bought("3", 100)).await.expect("credit").1.id;
    let frozen = [(held, credits("2"))];
    kit.write(move |tx| wallet::freeze(tx, from, "refund", &frozen)).await.expect("frozen");
    let soon = NewCredit { expires_at: Some(kit.now().plus_ms(1)), ..bought("6", 100) };
    kit.credit(from, soon).await.expect("credit");
    kit.clock.advance(2);
    for (amount, is_there) in
        [("11.000001", false), ("12", false), ("0", true), ("-1", true), ("1000000", false)]
    {
        match send(&kit, from, to, amount).await.expect_err(amount) {
            Error::Wallet(wallet::Error::NotEnough { class: Class::Paid, available }) => {
                assert!(!is_there && available == credits("11"), "{amount} {available}");
            }
            Error::Wallet(wallet::Error::NotPositive) => assert!(is_there, "{amount}"),
            other => panic!("{amount}: {other:?}"),
        }
    }
    assert_eq!(kit.summary(to).balance, Credits::ZERO);
    // the plan, the organizations
    let starter = kit.organization("starter", "UTC").await;
    put_on(&kit, starter, "starter").await;
    kit.give(starter, "10").await;
    kit.give(to, "10").await;
    for without in [starter, to] {
        assert!(matches!(send(&kit, without, from, "1").await, Err(Error::PlanForbids)));
    }
    let by = By::actor(Actor::System);
    let in_dollars = organizations::NewOrganization {
        name: "dollars".into(),
        external_id: None,
        currency: "USD".parse().expect("currency"),
        zone: Zone::UTC,
        rate_card_id: None,
    };
    let dollars = kit.write(move |tx| {
        let made = organizations::create(tx, &by, &in_dollars).map_err(|e| DbError::Io(e.to_string()))?;
        wallet::open(tx, made.id)?;
        organizations::suspend(tx, &by, starter, "").map_err(|e| DbError::Io(e.to_string()))?;
        Ok::<_, DbError>(made.id)
    });
    let dollars = dollars.await.expect("made");
    for (other, code) in [(from, "conflict"), (dollars, "invalid_value"), (starter, "suspended")] {
        let Err(Error::Invalid(errors)) = send(&kit, from, other, "1").await else { panic!("{code}") };
        assert_eq!((errors[0].field.as_ref(), errors[0].code), ("to", code));
    }
    assert!(matches!(send(&kit, starter, from, "1").await, Err(Error::Suspended)));
    kit.assert_sound();
    assert_eq!(send(&kit, from, to, "11").await.expect("sent").received.len(), 2);
    kit.assert_sound();
}

#[tokio::test]
async fn whoever_changes_what_was_sent_is_found() {
    let (mut kit, from, to) = two().await;
    let expiry = Some(kit.now().plus_ms(9 * DAY_MS));
    kit.credit(from, NewCredit { expires_at: expiry, ..bought("30", 1_000) }).await.expect("credit");
    kit.credit(from, bought("100", 3_333)).await.expect("credit");
    send(&kit, from, to, "50").await.expect("sent");
    kit.assert_sound();
    let conn = kit.break_in();
    let triggers: Vec<String> = conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .expect("triggers")
        .query_map([], |row| row.get(0))
        .expect("triggers")
        .map(|name| name.expect("name"))
        .collect();
    for name in triggers {
        conn.execute_batch(&format!("DROP TRIGGER {name}")).expect("drop");
    }
    let verify = || {
        tollbook::calls::verify::run(&conn)
            .map(|_| ())
            .and_then(|()| tollbook::payments::verify::run(&conn).map(|_| ()))
    };
    verify().expect("sound");
    for change in [
        "DELETE FROM credit_transfers WHERE grant_id = (SELECT max(grant_id) FROM credit_transfers)",
        "UPDATE credit_transfers SET transaction_id = 1",
        "UPDATE credit_transfers SET source_grant_id = grant_id",
        "UPDATE credit_transfers SET source_grant_id = (SELECT min(source_grant_id) FROM credit_transfers)",
        "INSERT INTO credit_transfers SELECT source_grant_id, grant_id, transaction_id FROM credit_transfers",
        "UPDATE grants SET source = 'operator' WHERE source = 'transfer'",
        "UPDATE grants SET source = 'transfer' WHERE source = 'operator'",
        "UPDATE grants SET cost_minor = cost_minor + 1 WHERE source = 'transfer'",
        "UPDATE grants SET cost_minor = NULL, cost_currency = NULL WHERE source = 'transfer'",
        "UPDATE grants SET withdrawn = 0 WHERE source = 'operator'",
        "UPDATE grants SET class = 'free' WHERE source = 'transfer'",
        "UPDATE grant_money SET returned = returned - 1 WHERE returned > 0",
        "DELETE FROM grant_money WHERE returned > 0",
        "UPDATE accounts SET credits_posted = credits_posted + 1 WHERE kind = 'transferred'",
        "UPDATE transactions SET type = 'adjustment' WHERE type = 'transfer_out'",
        "UPDATE transfers SET amount = amount + 1
         WHERE credit_account_id IN (SELECT id FROM accounts WHERE kind = 'transferred')",
    ] {
        conn.execute_batch("SAVEPOINT change").expect("savepoint");
        assert!(conn.execute(change, []).expect(change) > 0, "changed nothing: {change}");
        assert!(verify().is_err(), "not noticed: {change}");
        conn.execute_batch("ROLLBACK TO change; RELEASE change").expect("rollback");
    }
    // each query for itself: where all hashes were made anew, these are what is left to notice it
    for (change, told) in [
        ("UPDATE grants SET expires_at = NULL WHERE source = 'transfer'", "is not what was sent"),
        (
            "UPDATE accounts SET debits_posted = debits_posted + 1 WHERE kind = 'transferred'",
            "keeps what was on its way",
        ),
        ("DELETE FROM credit_transfers", "was sent by nobody"),
        ("UPDATE grants SET original = original + 1 WHERE source = 'transfer'", "more than arrived"),
    ] {
        conn.execute_batch("SAVEPOINT change").expect("savepoint");
        assert!(conn.execute(change, []).expect(change) > 0, "changed nothing: {change}");
        let found = tollbook::payments::verify::run(&conn).expect_err(change).to_string();
        assert!(found.contains(told), "{change}: {found}");
        conn.execute_batch("ROLLBACK TO change; RELEASE change").expect("rollback");
    }
}

/// Buys, uses and sends to and fro; credit and money are where they were sent, and nothing is lost or made.
async fn play(steps: Vec<(u8, i64, i64)>) {
    let (kit, one, two) = two().await;
    put_on(&kit, two, "scale").await;
    let (mut sold, mut given, mut grants) = (0, 0, Vec::new());
    for (number, (what, thousandths, minor)) in steps.into_iter().enumerate() {
        let (here, there) = if minor % 2 == 0 { (one, two) } else { (two, one) };
        match what {
            0 => {
                let amount = Credits::from_micros(thousandths * 1_000);
                let new = NewCredit { amount, ..bought("1", minor) };
                grants.push(kit.credit(here, new).await.expect("credit").1.id);
                sold += minor;
                given += amount.micros();
            }
            1 => {
                let used = kit.charge(
                    here,
                    event(&format!("e-{number}"), "chat", &(1 + minor % 9).to_string(), kit.now()),
                );
                given -= used.await.credits.micros();
            }
            _ => {
                if let Ok(sent) = send_micros(&kit, here, there, thousandths * 337).await {
                    assert_eq!(
                        sent.received.iter().map(|(_, g)| g.original.micros()).sum::<i64>(),
                        thousandths * 337
                    );
                    grants.extend(sent.received.iter().map(|(_, grant)| grant.id));
                }
            }
        }
    }
    kit.assert_sound();
    assert_eq!(kit.summary(one).balance.micros() + kit.summary(two).balance.micros(), given);
    let (mut earned, mut left) = (0, 0);
    for grant in grants {
        if let Some(found) = kit.write(move |tx| revenue::catch_up(tx, grant)).await.expect("standing") {
            assert_eq!(found.breakage.minor, 0);
            earned += found.earned.minor;
            left += found.deferred.minor;
        }
    }
    assert_eq!((earned + left, left), (sold, owed(&kit)));
    kit.assert_sound();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 100, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_or_made_on_the_way(
        steps in prop::collection::vec((0..4_u8, 1..40_000_i64, 0..4_000_i64), 1..30)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(play(steps));
    }
}
