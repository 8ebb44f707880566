//! Property: a call may last exactly as long as it is covered. What a call of that length, and one increment longer, is really
//! charged is seen in organizations that stand alike in everything: prices, allowance, credit of each class, another call in
//! progress, what was spent, limits, the agent's policy and the number's guard.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use tollbook::base::id::OrganizationId;
use tollbook::base::{Credits, Money, Quantity};
use tollbook::calls::{self, CallRef, Report, Request, State};
use tollbook::catalog::rules::{Interval, PassThrough, PlanTerms, Price, Rate, Tier};
use tollbook::catalog::{self, NewPlanVersion, NewRateVersion};
use tollbook::grants::Class;
use tollbook::identity::audit::{Actor, By};
use tollbook::limits::{self, AgentChange, Change, Choice, GuardChange};
use tollbook::metering::{self, Direction, ExternalId, PriceTerms};

use crate::ledger_kit::{Kit, event, grant};

const BY: By = By::actor(Actor::System);
const SECOND: i64 = 1_000_000;
const LONGEST: i64 = 14_400 * SECOND;
const CASES: u32 = 60;

/// How long a call may last, none when it may not begin; what is set aside for it, and for how many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Answered {
    most: Option<i64>,
    held: i64,
    covered: i64,
}

/// How everything stands when the call is asked for. All in micro-credits and millionths of seconds.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is there or not")]
struct Setting {
    rate: Rate,
    allowance: Option<i64>,
    /// Free, plan, paid.
    credit: [i64; 3],
    /// Of voice, used before.
    used: i64,
    /// Another agent's call is in progress.
    other: bool,
    daily: Option<i64>,
    own_limit: Option<i64>,
    plan_only: bool,
    guard: Option<i64>,
    toll_free: bool,
    byok: bool,
}

fn price() -> impl Strategy<Value = Price> {
    let credits = |most: i64| (1..most).prop_map(Credits::from_micros);
    let tiers = (1..400_i64, credits(30_000_000), credits(30_000_000)).prop_map(|(end, first, then)| {
        let up_to = Some(Quantity::from_micros(end * SECOND));
        vec![Tier { up_to, price: first }, Tier { up_to: None, price: then }]
    });
    prop_oneof![
        credits(30_000_000).prop_map(Price::Flat),
        tiers.clone().prop_map(Price::Graduated),
        tiers.prop_map(Price::Volume),
    ]
}

fn rate() -> impl Strategy<Value = Rate> {
    let increment = prop_oneof![Just(1_i64), Just(6), Just(7), Just(60)];
    let rounding = prop_oneof![Just(1_i64), Just(10_000), Just(1_000_000)];
    (increment, 0..4_i64, price(), 0..5_000_000_i64, 1..20_000_000_i64, rounding).prop_map(
        |(increment, minimum, price, surcharge, byok, rounding)| Rate {
            meter: "voice".parse().expect("code"),
            unit_size: Quantity::from_micros(60 * SECOND),
            increment: Quantity::from_micros(increment * SECOND),
            minimum: Quantity::from_micros(minimum * increment * SECOND),
            price,
            byok_price: Some(Credits::from_micros(byok)),
            toll_free_surcharge: Some(Credits::from_micros(surcharge)),
            pass_through: PassThrough::TollFree,
            rounding: Credits::from_micros(rounding),
        },
    )
}

fn setting() -> impl Strategy<Value = Setting> {
    let credit = || prop_oneof![1 => Just(0_i64), 4 => 1..60_000_000_i64];
    let money = (
        credit(),
        credit(),
        credit(),
        proptest::option::of(1..90_000_000_i64),
        proptest::option::of(1..90_000_000_i64),
    );
    let use_of =
        (proptest::option::of(1..600_i64), 0..300_i64, any::<bool>(), proptest::option::of(1..12_i64));
    (rate(), money, use_of, proptest::bool::weighted(0.3), any::<bool>(), proptest::bool::weighted(0.2))
        .prop_map(
            |(
                rate,
                (free, plan, paid, daily, own_limit),
                (allowance, used, other, guard),
                plan_only,
                toll_free,
                byok,
            )| {
                Setting {
                    rate,
                    allowance: allowance.map(|seconds| seconds * SECOND),
                    credit: [free, plan, paid],
                    used: used * SECOND,
                    other,
                    daily,
                    own_limit,
                    plan_only,
                    guard,
                    toll_free,
                    byok,
                }
            },
        )
}

fn request(call: &str, agent: &str, setting: &Setting) -> Request {
    Request {
        organization: None,
        workspace: None,
        agent: Some(agent.into()),
        number: Some("number".into()),
        external: ExternalId::new(call).expect("id"),
        meter: "voice".into(),
        direction: if setting.toll_free { Direction::Inbound } else { Direction::Outbound },
        toll_free: setting.toll_free,
        byok: setting.byok,
    }
}

fn which(call: &str) -> CallRef {
    CallRef::External(ExternalId::new(call).expect("id"))
}

/// Publishes the prices of a case under names of its own.
async fn publish(kit: &Kit, case: u32, setting: &Setting) -> PriceTerms {
    let (rate, allowance) = (setting.rate.clone(), setting.allowance);
    kit.write(move |tx| -> Result<_, catalog::CatalogError> {
        let card = format!("card_{case}");
        let new = NewRateVersion {
            card: card.parse().expect("code"),
            name: Some(card.clone()),
            starts_at: None,
            rates: vec![rate],
        };
        catalog::publish_rate_card(tx, &new)?;
        let allowances =
            allowance.map(|units| ("voice".parse().expect("code"), Quantity::from_micros(units)));
        let plan = NewPlanVersion {
            plan: format!("plan_{case}").parse().expect("code"),
            name: Some(card.clone()),
            starts_at: None,
            terms: PlanTerms {
                price: Money::zero("EUR".parse().expect("currency")),
                interval: Interval::Month,
                plan_credits: Credits::ZERO,
                allowances: allowances.into_iter().collect(),
                rate_card: card.parse().expect("code"),
                rollover: false,
                rollover_cap: None,
                credit_transfer: false,
                listed: true,
            },
        };
        let plan_version = Some(catalog::publish_plan(tx, &plan)?);
        Ok(PriceTerms { starts_at: tx.now(), plan_version, rate_card: None })
    })
    .await
    .expect("published")
}

/// An organization that stands so.
async fn stand(kit: &Kit, name: &str, terms: PriceTerms, setting: &Setting) -> OrganizationId {
    let org = kit.organization(name, "Europe/Madrid").await;
    kit.write(move |tx| metering::set_price_terms(tx, org, terms)).await.expect("terms");
    for (class, micros) in [Class::Free, Class::Plan, Class::Paid].into_iter().zip(setting.credit) {
        if micros > 0 {
            kit.credit(org, grant(&Credits::from_micros(micros).to_string(), class)).await.expect("credit");
        }
    }
    if setting.used > 0 {
        let used = Quantity::from_micros(setting.used).to_string();
        kit.charge(org, event("used", "voice", &used, kit.now())).await;
    }
    let setting = setting.clone();
    kit.write(move |tx| -> Result<(), limits::Error> {
        let daily = Change { daily: Some(setting.daily.map(Credits::from_micros)), ..Change::default() };
        limits::set(tx, &BY, org, &daily)?;
        let policy = AgentChange {
            monthly_limit: Some(setting.own_limit.map(Credits::from_micros)),
            on_plan_exhausted: Some(setting.plan_only.then_some(Choice::Stop)),
            on_limit: None,
        };
        limits::set_agent(tx, &BY, org, "agent", &policy)?;
        let guard = GuardChange { minutes_per_day: Some(setting.guard), ..GuardChange::default() };
        limits::set_guard(tx, &BY, org, "number", guard)?;
        Ok(())
    })
    .await
    .expect("limits");
    org
}

async fn ask(kit: &Kit, org: OrganizationId, request: Request) -> Answered {
    let answer = kit.write(move |tx| calls::authorize(tx, Some(org), None, &request)).await;
    match answer.expect("database").expect("an answer").call.state {
        State::Live(hold) => Answered {
            most: Some(hold.most.micros()),
            held: hold.pins.credits().micros(),
            covered: hold.covered.micros(),
        },
        _ => Answered::default(),
    }
}

/// What a call of that length is charged, and how much of it above what was held.
async fn captured(kit: &Kit, org: OrganizationId, micros: i64) -> (i64, i64) {
    let report = Report { duration: Quantity::from_micros(micros), transfer: None, carrier_cost: None };
    let done = kit.write(move |tx| calls::capture(tx, Some(org), None, &which("call"), report, None)).await;
    let done = done.expect("database").expect("captured");
    (done.call.charge().expect("charge").credits.micros(), done.above_hold.micros())
}

/// What may be spent on the call by all but seconds: credit and limits, as they were set up.
fn covered(setting: &Setting, spent: i64, held: i64) -> i64 {
    let [free, plan, paid] = setting.credit;
    // in draw order, what was used and what the other call holds is gone
    let mut gone = spent + held;
    let mut left = [free, plan, paid].map(|there| {
        let taken = there.min(gone);
        gone -= taken;
        there - taken
    });
    if gone > 0 {
        left = [0; 3];
    }
    let mut most = if setting.plan_only { left[1] } else { left.iter().sum() };
    if let Some(daily) = setting.daily {
        most = most.min(daily - spent - held);
    }
    most.min(setting.own_limit.unwrap_or(i64::MAX)).max(0)
}

/// Whether the call was let in.
async fn check(kit: &Kit, case: u32, setting: &Setting) -> bool {
    let terms = publish(kit, case, setting).await;
    let mut twins = Vec::new();
    for twin in 0..2 {
        let org = stand(kit, &format!("twin-{case}-{twin}"), terms, setting).await;
        let other = if setting.other {
            ask(kit, org, request("other", "another", setting)).await
        } else {
            Answered::default()
        };
        twins.push((org, other, ask(kit, org, request("call", "agent", setting)).await));
    }
    let (first, other, answered) = twins[0];
    assert_eq!((other, answered), (twins[1].1, twins[1].2), "twins");
    let held = other.held;
    let spent = setting.credit.iter().sum::<i64>() - kit.summary(first).balance.micros();
    let most_credit = covered(setting, spent, held);
    let increment = setting.rate.increment.micros();
    // toll-free seconds that the guard leaves; what was used before came in on no number
    let guarded =
        setting.guard.filter(|_| setting.toll_free).map(|minutes| minutes * 60 * SECOND - other.covered);
    let Some(most) = answered.most else {
        // the shortest call is not covered
        let (charged, _) = captured(kit, first, increment.max(SECOND)).await;
        let short = guarded.is_some_and(|left| left < increment.max(setting.rate.minimum.micros()));
        assert!(charged > most_credit || short, "refused with {most_credit} for {charged}");
        return false;
    };
    assert!(most > 0 && most % increment == 0);
    // it is told the same while it goes on, and at the end all of it is set aside
    let extended = kit
        .write(move |tx| calls::extend(tx, Some(first), None, &which("call"), Quantity::from_micros(most)))
        .await
        .expect("database")
        .expect("extended");
    assert_eq!((extended.most.micros(), extended.goes_on), (most, false));
    let (cost, above) = captured(kit, first, most).await;
    assert!(cost <= most_credit && above == 0, "{cost} of {most_credit}, {above} above");
    let after = kit.summary(first);
    assert!(after.balance.micros() >= held || cost == 0, "what the other call holds is there");
    let longer = most + increment;
    let (more, _) = captured(kit, twins[1].0, longer).await;
    let bound = longer > LONGEST || guarded.is_some_and(|left| longer > left);
    assert!(bound || more > most_credit, "{longer} would have cost {more} of {most_credit}");
    true
}

#[actix_web::test]
async fn a_call_may_last_exactly_as_long_as_it_is_covered() {
    let kit = Kit::at("2026-11-21T09:00:00Z").await;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let mut let_in = 0;
    for case in 0..CASES {
        let setting = setting().new_tree(&mut runner).expect("a setting").current();
        eprintln!("case {case}: {setting:?}");
        let_in += u32::from(check(&kit, case, &setting).await);
    }
    assert!(let_in > CASES / 4 && let_in < CASES, "{let_in} were let in");
    kit.assert_sound();
}
