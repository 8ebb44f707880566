//! What today's users of such systems complain about, and must never happen here; and other rules of the book that
//! once were broken.

use tollbook::base::id::OrganizationId;
use tollbook::base::time::{DAY_MS, HOUR_MS};
use tollbook::base::{Credits, Day, Timestamp, Zone};
use tollbook::catalog::{self, NewPlanVersion};
use tollbook::db::DbError;
use tollbook::grants::{self, Class};
use tollbook::ledger::TransactionType;
use tollbook::metering::reports::{self, Dimension, Group};
use tollbook::metering::statement::{self, ItemFilter, Line, LineFilter};
use tollbook::metering::{self, EventIn, Mode, Outcome, PriceTerms, Refusal, UsageEvent};
use tollbook::wallet::{self, NewCredit};

use crate::ledger_kit::{GRACE_MS, Kit, at, credits, event, grant, input, paid, quantity, take};

/// Puts an organization on a plan from now on.
async fn put_on_plan(kit: &Kit, org: OrganizationId, plan: &str) {
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
    let mut full = false;
    // ten times a thousand events of the largest quantity leave 64 bits of millionths
    for batch in 0..10 {
        let events: Vec<EventIn> =
            (0..1_000).map(|n| input(event(&format!("{batch}-{n}"), "tokens", "1000000000", now))).collect();
        let outcomes = kit.write(move |tx| metering::record(tx, Some(org), None, &events)).await;
        let outcomes = outcomes.expect("the commit is not lost");
        for outcome in outcomes {
            match outcome {
                Outcome::Charged(_) => assert!(!full, "nothing more after the day was full"),
                Outcome::Refused(Refusal::TooMuchForOneDay) => full = true,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(full);
    // everybody else's day has room, and so has the next day
    let other = kit.organization("other", "UTC").await;
    kit.charge(other, event("theirs", "tokens", "1000000000", now)).await;
    kit.clock.advance(DAY_MS);
    kit.charge(org, event("tomorrow", "tokens", "1000000000", kit.now())).await;
    kit.assert_sound();
}

fn report(kit: &Kit, org: OrganizationId, days: (&str, &str), by: &[Dimension]) -> Vec<Group> {
    let query = reports::Query {
        from: days.0.parse().expect("day"),
        to: days.1.parse().expect("day"),
        group_by: by.to_vec(),
        meter: None,
        agent: None,
        workspaces: None,
    };
    kit.db().read_blocking(|tx| reports::usage(tx.conn(), org, &query)).expect("report")
}

fn all_lines(kit: &Kit, org: OrganizationId, limit: usize) -> Vec<Line> {
    let (mut found, mut at) = (Vec::new(), None);
    loop {
        let page = kit
            .db()
            .read_blocking(|tx| statement::lines(tx.conn(), org, &LineFilter::default(), at, limit))
            .expect("lines");
        found.extend(page.items);
        at = page.next;
        if at.is_none() {
            return found;
        }
    }
}

fn items_total(kit: &Kit, org: OrganizationId, zone: &Zone, from: Timestamp, to: Timestamp) -> i64 {
    let filter = ItemFilter { from, to, meter: None, agent: None, number: None, workspaces: None };
    let page = kit
        .db()
        .read_blocking(|tx| statement::events(tx.conn(), org, zone, &filter, None, 10_000))
        .expect("events");
    assert!(page.next.is_none());
    page.items.iter().flatten().map(|item| item.row.credits.micros()).sum()
}

fn sum(groups: &[Group]) -> i64 {
    groups.iter().map(|g| g.credits.micros()).sum()
}

/// Prices that do not come out even: seconds at 7 credits a minute, carrier cost in millionths.
#[tokio::test]
async fn rounding_gaps_of_a_cent_between_pages() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "1000").await;
    let start = kit.now();
    let mut charged = 0;
    for n in 0..200_i64 {
        let call = UsageEvent {
            agent: Some(format!("agent-{}", n % 7).into()),
            toll_free: n % 3 == 0,
            carrier_cost: Some(Credits::from_micros(n * 1_234_567)),
            ..event(&format!("call-{n}"), "voice", &format!("{}.{:06}", n % 61, n * 4_999 % 1_000_000), start)
        };
        charged += kit.charge(org, call).await.credits.micros();
    }
    let after = kit.now().plus_ms(1);
    let days = ("2026-03-01", "2026-04-01");
    assert_eq!(items_total(&kit, org, &Zone::UTC, start, after), charged, "items");
    for dimension in Dimension::ALL {
        assert_eq!(sum(&report(&kit, org, days, &[dimension])), charged, "by {}", dimension.name());
    }
    let lines = all_lines(&kit, org, 33);
    let of_lines: i64 =
        lines.iter().filter(|l| l.kind == TransactionType::Usage).map(|l| -l.amount.micros()).sum();
    assert_eq!(of_lines, charged, "transactions");
    assert_eq!(kit.summary(org).balance.micros(), 1_000_000_000 - charged, "balance");
    kit.assert_sound();
}

#[tokio::test]
async fn two_pages_that_show_different_totals() {
    let kit = Kit::at("2026-03-10T12:00:00Z").await;
    let org = kit.organization("acme", "Europe/Madrid").await;
    let trial = NewCredit { expires_at: Some(kit.now().plus_ms(HOUR_MS)), ..grant("5", Class::Free) };
    kit.credit(org, trial).await.expect("credit");
    kit.give(org, "20").await;
    for n in 0..12 {
        kit.charge(org, event(&format!("call-{n}"), "voice", "47", kit.now())).await;
        kit.clock.advance(7 * 60_000);
    }
    kit.void(org, "call-3").await.expect("void");
    kit.write(|tx| wallet::expire_due(tx, 100)).await.expect("expire");
    let summary = kit.summary(org);
    let lines = all_lines(&kit, org, 5);
    // the overview, the newest line, the sum of all lines, and the sum of grants
    assert_eq!(lines[0].balance_after, summary.balance);
    assert_eq!(lines.iter().map(|l| l.amount.micros()).sum::<i64>(), summary.balance.micros());
    let of_grants: i64 = summary.grants.iter().map(|g| g.remaining.micros()).sum();
    assert_eq!(of_grants - summary.overdraft.micros(), summary.balance.micros());
    // each line follows from the one before
    for pair in lines.windows(2) {
        assert_eq!(pair[0].balance_after.micros(), pair[1].balance_after.micros() + pair[0].amount.micros());
    }
    // the usage page's month, its days, and the items behind them
    let month = ("2026-03-01", "2026-04-01");
    let used = -lines.iter().filter(|l| l.usage.is_some()).map(|l| l.amount.micros()).sum::<i64>();
    assert_eq!(sum(&report(&kit, org, month, &[Dimension::Month])), used);
    assert_eq!(sum(&report(&kit, org, month, &[Dimension::Day, Dimension::Channel])), used);
    let zone: Zone = "Europe/Madrid".parse().expect("zone");
    let bounds = (at("2026-02-28T23:00:00Z"), at("2026-03-31T22:00:00Z"));
    assert_eq!(items_total(&kit, org, &zone, bounds.0, bounds.1), used);
    kit.assert_sound();
}

/// The boundary is the account's midnight, with the clocks gone forward in between, not UTC's and not a viewer's.
#[tokio::test]
async fn day_and_month_boundaries_in_the_viewers_timezone() {
    let kit = Kit::at("2026-04-02T12:00:00Z").await;
    let cases = [
        ("UTC", "2026-03-31T23:59:59Z", "2026-04-01T00:00:00Z"),
        ("Europe/Madrid", "2026-03-31T21:59:59Z", "2026-03-31T22:00:00Z"),
        ("America/Los_Angeles", "2026-04-01T06:59:59Z", "2026-04-01T07:00:00Z"),
        ("Asia/Kathmandu", "2026-03-31T18:14:59Z", "2026-03-31T18:15:00Z"),
    ];
    for (zone, last_of_march, first_of_april) in cases {
        let org = kit.organization(&zone.replace('/', "-"), zone).await;
        kit.charge(org, event("march", "chat", "1", at(last_of_march))).await;
        kit.charge(org, event("april", "chat", "10", at(first_of_april))).await;
        let found = report(&kit, org, ("2026-03-01", "2026-05-01"), &[Dimension::Month]);
        let months: Vec<(String, Credits)> =
            found.iter().map(|g| (g.day.expect("month").to_string(), g.credits)).collect();
        let expected = [("2026-03-01".to_owned(), credits("1")), ("2026-04-01".to_owned(), credits("10"))];
        assert_eq!(months, expected, "{zone}");
        let days = report(&kit, org, ("2026-03-31", "2026-04-02"), &[Dimension::Day]);
        let days: Vec<(Day, Credits)> = days.iter().map(|g| (g.day.expect("day"), g.credits)).collect();
        let day = |text: &str| text.parse::<Day>().expect("day");
        assert_eq!(days, [(day("2026-03-31"), credits("1")), (day("2026-04-01"), credits("10"))], "{zone}");
    }
    kit.assert_sound();
}

/// Two hundred calls race for credit that covers thirty of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overdraw_by_concurrent_calls() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "210.5").await;
    let now = kit.now();
    let calls: Vec<_> = (0..200)
        .map(|n| {
            let db = kit.db().clone();
            let call = input(enforced(event(&format!("call-{n}"), "voice", "60", now)));
            tokio::spawn(async move {
                db.write(move |tx| metering::record(tx, Some(org), None, &[call])).await.expect("record")
            })
        })
        .collect();
    let (mut charged, mut refused) = (0, 0);
    for call in calls {
        match call.await.expect("task").remove(0) {
            Outcome::Charged(receipt) => {
                assert!(!receipt.balance_after.is_negative());
                charged += 1;
            }
            Outcome::Refused(Refusal::InsufficientCredits { available, required }) => {
                assert!(available < required);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((charged, refused), (30, 170));
    assert_eq!(kit.summary(org).balance, credits("0.5"));
    assert_eq!(kit.summary(org).overdraft, Credits::ZERO);
    kit.assert_sound();
}

#[tokio::test]
async fn editing_a_plan_that_wipes_credit_already_sold() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.credit(org, grant("500", Class::Plan)).await.expect("credit");
    put_on_plan(&kit, org, "growth").await;
    kit.clock.advance(60_000);
    let before = kit.summary(org);
    kit.charge(org, event("first", "voice", "60000", kit.now())).await;
    // the plan is edited to nothing: no credit, no minutes, ten times the price of the start
    let catalog = kit.catalog();
    let mut terms = catalog.plan_by_code("growth").expect("plan").versions[0].terms.clone();
    terms.plan_credits = Credits::ZERO;
    terms.allowances.clear();
    let edited = NewPlanVersion { plan: "growth".parse().expect("code"), name: None, starts_at: None, terms };
    kit.write(move |tx| catalog::publish_plan(tx, &edited)).await.expect("publish");
    kit.clock.advance(DAY_MS);
    assert_eq!(kit.summary(org).grants, before.grants);
    // of 120,000 included seconds 60,000 are left, as was sold
    let rest = kit.charge(org, event("second", "voice", "60060", kit.now())).await;
    let items: Vec<_> = rest.items.iter().map(|i| (i.kind.as_str(), i.quantity, i.credits)).collect();
    assert_eq!(
        items,
        [("included", quantity("60000"), Credits::ZERO), ("overage", quantity("60"), credits("5.5"))]
    );
    // whoever comes to the plan now gets what it offers now
    let new = kit.organization("new", "UTC").await;
    put_on_plan(&kit, new, "growth").await;
    let first = kit.charge(new, event("first", "voice", "60", kit.now())).await;
    assert_eq!(first.credits, credits("5.5"));
    kit.assert_sound();
}

/// Credit is there until its expiry and not a moment longer, says when that is, and its going is a line of its own.
#[tokio::test]
async fn expiry_by_surprise() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    let expiry = kit.now().plus_ms(HOUR_MS);
    let trial = NewCredit { expires_at: Some(expiry), ..grant("10", Class::Free) };
    kit.credit(org, trial).await.expect("credit");
    assert_eq!(kit.summary(org).grants[0].terms.order.expires_at, Some(expiry));
    kit.clock.advance(HOUR_MS - 1);
    assert_eq!(kit.summary(org).available, credits("10"));
    kit.charge(org, event("just before", "chat", "3", kit.now())).await;
    kit.clock.advance(1);
    // gone from the balance at once, whether or not a job has run
    assert_eq!(kit.summary(org).available, Credits::ZERO);
    assert_eq!(kit.summary(org).balance, Credits::ZERO);
    let refused = kit.record(org, vec![enforced(event("after", "chat", "1", kit.now()))]).await;
    assert!(matches!(refused[..], [Outcome::Refused(Refusal::InsufficientCredits { .. })]), "{refused:?}");
    kit.write(|tx| wallet::expire_due(tx, 100)).await.expect("expire");
    let lines = all_lines(&kit, org, 10);
    assert_eq!((lines[0].kind, lines[0].amount), (TransactionType::Expiry, credits("-7")));
    assert!(lines[0].grant.is_some());
    assert_eq!(lines.iter().filter(|l| l.kind == TransactionType::Expiry).count(), 1);
    // work done before the expiry and reported within the grace period is still paid from it
    kit.clock.advance(GRACE_MS - 1);
    let late = kit.charge(org, event("late", "chat", "2", expiry.plus_ms(-1))).await;
    assert_eq!(late.balance_after, Credits::ZERO);
    assert_eq!(kit.summary(org).overdraft, Credits::ZERO);
    kit.clock.advance(1);
    kit.charge(org, event("too late", "chat", "2", expiry.plus_ms(-1))).await;
    assert_eq!(kit.summary(org).overdraft, credits("2"));
    kit.assert_sound();
}

#[tokio::test]
async fn what_is_owed_is_repaid_by_the_next_credit() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "4").await;
    let over = kit.charge(org, event("over", "chat", "10", kit.now())).await;
    assert_eq!(over.balance_after, credits("-6"));
    let (_, first) = kit.give(org, "5").await;
    assert_eq!((first.remaining, kit.summary(org).overdraft), (Credits::ZERO, credits("1")));
    let (line, second) = kit.give(org, "5").await;
    assert_eq!((second.remaining, line.balance_after), (credits("4"), credits("4")));
    assert_eq!(kit.summary(org).overdraft, Credits::ZERO);
    // taken back after the debt was repaid: the money that repaid it comes back as credit
    let (back, _) = kit.void(org, "over").await.expect("void");
    assert_eq!(back.balance_after, credits("14"));
    assert_eq!(kit.summary(org).available, credits("14"));
    kit.assert_sound();
}

#[tokio::test]
async fn charged_twice_on_a_retry() {
    let mut kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "100").await;
    let now = kit.now();
    let call = || event("0190f3c2-7b1e-7cc4-9a3f-1b2c3d4e5f60", "voice", "90", now);
    let first = kit.charge(org, call()).await;
    let again = kit.record(org, vec![call(), call()]).await;
    assert_eq!(again, [Outcome::Duplicate(first.clone()), Outcome::Duplicate(first.clone())]);
    kit.restart();
    kit.clock.advance(20 * DAY_MS);
    assert_eq!(kit.record(org, vec![call()]).await, [Outcome::Duplicate(first.clone())]);
    // even when it would not be taken any more
    kit.clock.advance(90 * DAY_MS);
    assert_eq!(kit.record(org, vec![call()]).await, [Outcome::Duplicate(first)]);
    let other = UsageEvent { quantity: quantity("91"), ..call() };
    assert_eq!(kit.record(org, vec![other]).await, [Outcome::Refused(Refusal::Conflict)]);
    assert_eq!(kit.summary(org).balance, credits("89.5"));
    kit.assert_sound();
}

/// Taking a charge back twice gives back once, and a retry of the event does not charge it again.
#[tokio::test]
async fn a_retried_refund_that_refunds_twice() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "100").await;
    kit.charge(org, event("call", "voice", "60", kit.now())).await;
    let (first, again) = kit.void(org, "call").await.expect("void");
    assert!(!again);
    let (second, again) = kit.void(org, "call").await.expect("void");
    assert!(again);
    assert_eq!(first, second);
    let retry = kit.record(org, vec![event("call", "voice", "60", kit.now())]).await;
    assert!(matches!(retry[..], [Outcome::Duplicate(_)]), "{retry:?}");
    assert_eq!(kit.summary(org).balance, credits("100"));
    assert!(matches!(kit.void(org, "none").await, Err(metering::VoidError::NotFound)));
    let other = kit.organization("other", "UTC").await;
    assert!(matches!(kit.void(other, "call").await, Err(metering::VoidError::NotFound)));
    kit.assert_sound();
}

#[tokio::test]
async fn credit_is_never_taken_back_below_what_is_there() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.credit(org, grant("10", Class::Free)).await.expect("credit");
    kit.give(org, "10").await;
    let refused = kit.write(move |tx| wallet::take_back(tx, org, take("10.000001", Class::Paid))).await;
    assert!(matches!(refused, Err(wallet::Error::NotEnough { .. })), "{refused:?}");
    kit.write(move |tx| wallet::take_back(tx, org, take("10", Class::Paid))).await.expect("taken");
    assert_eq!(kit.summary(org).balance, credits("10"));
    let all = kit.db().read_blocking(|tx| grants::all_of(tx.conn(), org, None, 10)).expect("grants");
    let left: Vec<_> = all.iter().map(|g| (g.terms.order.class, g.remaining)).collect();
    assert_eq!(left, [(Class::Paid, Credits::ZERO), (Class::Free, credits("10"))]);
    let nobody = OrganizationId::new(99);
    let refused = kit.write(move |tx| wallet::credit(tx, nobody, paid("1"))).await;
    assert!(matches!(refused, Err(wallet::Error::NoWallet)), "{refused:?}");
    kit.assert_sound();
}

/// Organizations do not see each other's lines by naming them.
#[tokio::test]
async fn a_cursor_of_another_organization_shows_nothing() {
    let kit = Kit::new().await;
    let (acme, other) = (kit.organization("acme", "UTC").await, kit.organization("other", "UTC").await);
    let (line, _) = kit.give(other, "10").await;
    let head = kit.charge(other, event("call", "voice", "60", kit.now())).await.head;
    for id in [line.id, tollbook::base::id::TransactionId::new(head)] {
        let page = kit
            .db()
            .read_blocking(|tx| statement::lines(tx.conn(), acme, &LineFilter::default(), Some(id), 10))
            .expect("lines");
        assert!(page.items.is_empty() && page.next.is_none());
        let single = kit.db().read_blocking(|tx| statement::line(tx.conn(), acme, id)).expect("line");
        assert_eq!(single, None);
    }
    let item = kit.db().read_blocking(|tx| statement::item(tx.conn(), acme, head)).expect("item");
    assert_eq!(item, None);
    let own =
        kit.db().read_blocking(|tx| Ok::<_, DbError>(statement::item(tx.conn(), other, head)?.is_some()));
    assert!(own.expect("item"));
}

#[tokio::test]
async fn a_clock_that_was_set_back_by_weeks_stops_nobody_when_it_comes_by_again() {
    const DAY: i64 = 24 * 3_600_000;
    let mut kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    kit.give(org, "100").await;
    // the clock ran ahead, and was put right while the server was down
    kit.clock.advance(3 * DAY);
    kit.charge(org, event("ahead", "chat", "1", kit.now())).await;
    kit.clock.advance(-3 * DAY);
    kit.restart();
    kit.charge(org, event("right again", "chat", "1", kit.now())).await;
    kit.assert_sound();
    for day in 1..=5 {
        kit.clock.advance(DAY);
        kit.charge(org, event(&format!("day {day}"), "chat", "1", kit.now())).await;
        kit.assert_sound();
    }
    assert_eq!(kit.summary(org).balance, credits("93"));
}
