//! What today's users of such systems complain about, and must never happen here; and other rules of the book that
//! once were broken.

use tollbook::base::time::{DAY_MS, HOUR_MS};
use tollbook::base::{Credits, Timestamp};

use tollbook::grants::Class;
use tollbook::metering::{self, EventIn, Mode, Outcome, PriceTerms, Refusal, UsageEvent};
use tollbook::wallet;

use crate::ledger_kit::{Kit, at, credits, event, grant, input, paid, quantity};

/// Puts an organization on a plan from now on.
async fn put_on_plan(kit: &Kit, org: tollbook::base::id::OrganizationId, plan: &str) {
    let version = kit.catalog().plan_by_code(plan).expect("plan").versions.last().expect("version").id;
    let terms = PriceTerms { starts_at: kit.now(), plan_version: Some(version), rate_card: None };
    kit.write(move |tx| metering::set_price_terms(tx, org, terms)).await.expect("terms");
}

fn enforced(event: UsageEvent) -> UsageEvent {
    UsageEvent { mode: Mode::Enforce, ..event }
}

#[tokio::test]
async fn a_plan_that_begins_at_the_instant_of_a_charge_leaves_its_cycle_alone() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "1000").await;
    // priced by the default card, which includes nothing
    let before = kit.charge(org, event("before", "voice", "600", kit.now())).await;
    assert_eq!(before.credits, credits("70"));
    put_on_plan(&kit, org, "starter").await;
    let within = kit.charge(org, event("within", "voice", "600", kit.now())).await;
    assert_eq!(within.credits, credits("0"));
    kit.assert_sound();
    // taking the early one back gives nothing of the plan's allowance back
    kit.void(org, "before").await.expect("void");
    kit.assert_sound();
    let rest = kit.charge(org, event("rest", "voice", "29460", kit.now())).await;
    let kinds: Vec<(&str, Credits)> = rest.items.iter().map(|i| (i.kind.as_str(), i.credits)).collect();
    assert_eq!(kinds, [("included", credits("0")), ("overage", credits("6.5"))]);
    kit.assert_sound();
}

#[tokio::test]
async fn free_minutes_refused_at_zero_balance() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    put_on_plan(&kit, org, "starter").await;
    let now = kit.now();
    let minute = enforced(event("included", "voice", "60", now));
    assert_eq!(kit.charge(org, minute).await.credits, credits("0"));
    // not even when something is owed for other work
    kit.charge(org, event("owed", "transfer_minute", "600", now)).await;
    assert!(kit.summary(org).balance.is_negative());
    let minute = enforced(event("still included", "voice", "60", now));
    assert_eq!(kit.charge(org, minute).await.credits, credits("0"));
    // what the plan does not include is refused, and says what can be used: nothing
    let outcome = kit.record(org, vec![enforced(event("paid", "transfer_minute", "60", now))]).await;
    let refused = Refusal::InsufficientCredits { available: Credits::ZERO, required: credits("3") };
    assert_eq!(outcome, [Outcome::Refused(refused)]);
    kit.assert_sound();
}

#[tokio::test]
async fn an_absurd_charge_or_credit_is_refused_alone() {
    let kit = Kit::new().await;
    let (acme, other) = (kit.organization("acme", "UTC").await, kit.organization("other", "UTC").await);
    let now = kit.now();
    let absurd = |id: &str| UsageEvent {
        toll_free: true,
        carrier_cost: Some(Credits::from_micros(i64::MAX)),
        ..event(id, "voice", "60", now)
    };
    // two of these would carry the sink of the meter out of its range, and every later commit with it
    for org in [acme, other] {
        let outcomes = kit.record(org, vec![absurd("a"), event("b", "chat", "1", now), absurd("c")]).await;
        assert!(
            matches!(
                outcomes[..],
                [
                    Outcome::Refused(Refusal::Unpriceable),
                    Outcome::Charged(_),
                    Outcome::Refused(Refusal::Unpriceable)
                ]
            ),
            "{outcomes:?}"
        );
        let given = kit.credit(org, paid("9000000000000")).await;
        assert!(matches!(given, Err(wallet::Error::TooLarge)), "{given:?}");
        assert_eq!(kit.summary(org).balance, credits("-1"));
    }
    kit.assert_sound();
}

#[tokio::test]
async fn absurd_quantities_of_one_day_stop_nobody() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.write(|tx| {
        use tollbook::catalog::{NewMeter, add_meter};
        let code = "tokens".parse().expect("code");
        add_meter(tx, &NewMeter { code, name: "Tokens".into(), unit: "token".into() }).map(|_| ())
    })
    .await
    .expect("meter");
    kit.write(|tx| {
        use tollbook::catalog::{NewRateVersion, publish_rate_card};
        let rates = r#"[{"meter": "tokens", "price": {"flat": 0}}]"#;
        let new = NewRateVersion {
            card: "payg".parse().expect("code"),
            name: None,
            starts_at: None,
            rates: serde_json::from_str(rates).expect("rates"),
        };
        publish_rate_card(tx, &new).map(|_| ())
    })
    .await
    .expect("rates");
    let now = kit.now();
    // ten times a thousand events of the largest quantity leave 64 bits of millionths
    for batch in 0..10 {
        let events: Vec<EventIn> =
            (0..1_000).map(|n| input(event(&format!("{batch}-{n}"), "tokens", "1000000000", now))).collect();
        let outcomes = kit.write(move |tx| metering::record(tx, Some(org), None, &events)).await;
        let outcomes = outcomes.expect("the commit is not lost");
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Charged(_))));
    }
    kit.assert_sound();
}
