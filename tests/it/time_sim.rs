//! A seeded simulation of time: plans, rented numbers, credit that expires, auto-reload and transfers, over hours, days and years,
//! with restarts between any two steps. A model that shares nothing with the crate says what comes of each step, to the cent and
//! to the millisecond.
//!
//! The clock moves by whole minutes, so that everything happens at its own time, and the model can say when that is. Where the
//! server is off meanwhile, it catches up at once.
//!
//! `TOLLBOOK_SIM_SEED` plays one seed, `TOLLBOOK_SIM_STEPS` sets how long.

mod model;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tollbook::base::id::{OrganizationId, PaymentMethodId, PlanId};
use tollbook::base::{Credits, Currency, Mode, Money, Quantity, Timestamp};
use tollbook::catalog::rules::{Interval, PlanTerms};
use tollbook::catalog::{NewPlanVersion, publish_plan};
use tollbook::db::DbError;
use tollbook::grants::Class;
use tollbook::identity::audit::{Actor, By};
use tollbook::identity::{Authenticator, Generation, Options};
use tollbook::metering;
use tollbook::numbers::{self, Kind, NewRental};
use tollbook::payments::cards::{self, NewSetup, SetupState};
use tollbook::payments::gateway::sandbox::{self, Sandbox};
use tollbook::payments::transfers;
use tollbook::payments::{Desk, Payment, reload};
use tollbook::scheduler::{self, Scheduler, Worker};
use tollbook::subscriptions::{self, Office, Pending as RealPending, Wish};
use tollbook::wallet::NewCredit;

use crate::ledger_kit::{GRACE_MS, Kit, event, grant};
use crate::ledger_sim::rng::Rng;
use crate::payments::{TERMS, seller};
use model::{BELOW, BOUGHT, Customer, DAY, DUNNING, HOUR, MINUTE, PLANS, Pending, Plan, Rent};

const STEPS: u64 = 140;
const START: &str = "2027-01-30T22:10:00Z";
/// Cards of the sandbox are good until the end of the fourth year after.
const CARDS_END: &str = "2032-01-01T00:00:00Z";
/// The longest way on which the clock stops every minute at which something is due.
const STRETCH: i64 = 5 * DAY;

#[derive(Clone, Debug)]
enum Op {
    Use(i64),
    Buy(i64),
    Send { to: usize, credits: i64 },
    Choose(&'static Plan),
    Cancel,
    Pause,
    Resume,
    Retry,
    SwapCards,
    SwitchReload,
    Register,
    GiveUp(usize),
    Nothing,
}

struct World {
    kit: Kit,
    office: Option<(Office, Scheduler)>,
    rng: Rng,
    customers: Vec<(OrganizationId, [PaymentMethodId; 2], Customer)>,
    count: u64,
}

fn by() -> By {
    By::actor(Actor::System)
}

fn micros(credits: i64) -> Credits {
    Credits::from_whole(credits).unwrap()
}

fn open(kit: &Kit) -> (Desk, Office, Scheduler) {
    let db = kit.db().clone();
    let sandbox = Sandbox::new(db.clone(), "https://desk.example".into());
    let desk =
        Desk::new(db.clone(), Some(Arc::new(sandbox)), TERMS, seller(), "https://desk.example".into(), 300);
    let days = DUNNING.iter().map(|day| u32::try_from(*day).unwrap()).collect();
    let terms = subscriptions::Terms { dunning_days: days, notice_days: 30 };
    let office = Office::new(db.clone(), desk.clone(), terms);
    let worker = Worker::new(db.clone(), desk.clone()).with_office(office.clone());
    let door = Arc::new(Authenticator::new(db.clone(), &Generation::new(), Options::new(Mode::Test)));
    let terms = scheduler::Terms {
        grace_ms: GRACE_MS,
        notice_days: vec![30, 7, 1],
        numbers: numbers::Terms { grace_days: model::GRACE_DAYS, release_days: model::RELEASE_DAYS },
    };
    (desk, office, Scheduler::new(db, door, worker, terms))
}

async fn save(kit: &Kit, desk: &Desk, organization: OrganizationId, number: &'static str) -> PaymentMethodId {
    let new = NewSetup {
        organization,
        gateway: sandbox::NAME,
        actor: "system".into(),
        success_url: None,
        cancel_url: None,
    };
    let setup = desk.set_up_card(new).await.unwrap();
    let reference = setup.reference.clone().unwrap();
    kit.write(move |tx| sandbox::give_card(tx, &reference, number)).await.unwrap();
    match desk.ask_about_card(setup.id).await.unwrap().state {
        SetupState::Settled(id) => id,
        state => panic!("{state:?}"),
    }
}

async fn publish(kit: &Kit, plan: &Plan) {
    let terms = PlanTerms {
        price: Money { minor: plan.fee, currency: Currency::EUR },
        interval: if plan.months == 1 { Interval::Month } else { Interval::Year },
        plan_credits: micros(plan.credit),
        allowances: [("voice".parse().unwrap(), Quantity::from_whole(6_000).unwrap())].into(),
        rate_card: "payg".parse().unwrap(),
        rollover: plan.stays,
        rollover_cap: plan.cap.map(micros),
        credit_transfer: plan.sends,
        listed: true,
    };
    let name = Some(plan.code.to_owned());
    let new = NewPlanVersion { plan: plan.code.parse().unwrap(), name, starts_at: None, terms };
    kit.write(move |tx| publish_plan(tx, &new)).await.unwrap();
}

/// What came of something that may have been paid.
fn said<E>(outcome: Result<Option<Payment>, E>) -> &'static str {
    match outcome {
        Ok(Some(payment)) => payment.state.name(),
        Ok(None) => "done",
        Err(_) => "refused",
    }
}

fn done<T, E>(outcome: &Result<T, E>) -> &'static str {
    if outcome.is_ok() { "done" } else { "refused" }
}

impl World {
    async fn new(seed: u64) -> Self {
        let kit = Kit::at(START).await;
        let (desk, office, scheduler) = open(&kit);
        for plan in &PLANS {
            publish(&kit, plan).await;
        }
        let ends = CARDS_END.parse::<Timestamp>().unwrap().millis();
        let mut customers = Vec::new();
        for zone in ["UTC", "Europe/Madrid", "America/New_York", "Australia/Lord_Howe"] {
            let id = kit.organization(zone, zone).await;
            let good = save(&kit, &desk, id, "4242 4242 4242 4242").await;
            let bad = save(&kit, &desk, id, "4000 0000 0000 0341").await;
            customers.push((id, [good, bad], Customer::new(zone, ends)));
        }
        Self { kit, office: Some((office, scheduler)), rng: Rng::new(seed), customers, count: 0 }
    }

    fn office(&self) -> &Office {
        &self.office.as_ref().unwrap().0
    }

    fn scheduler(&self) -> &Scheduler {
        &self.office.as_ref().unwrap().1
    }

    fn restart(&mut self) {
        drop(self.office.take());
        self.kit.restart();
        let (_, office, scheduler) = open(&self.kit);
        self.office = Some((office, scheduler));
    }

    fn now(&self) -> i64 {
        self.kit.now().millis()
    }

    // time

    async fn pass(&mut self) {
        let far = *self.rng.pick(&[0, MINUTE, HOUR, DAY, 4 * DAY, 20 * DAY, 45 * DAY]);
        let at = self.rng.index(self.customers.len());
        let by_ms = match self.customers[at].2.next(self.now()) {
            // to the very minute at which something is due, or just before it
            Some(next) if self.rng.one_in(3) => next - self.now() - MINUTE * self.rng.between(0, 1),
            _ => MINUTE * self.rng.between(0, far / MINUTE),
        };
        let long = DAY * self.rng.between(100, 500);
        match self.rng.between(1, 60) {
            1 => self.is_off(long).await,
            2..=8 => self.is_off(by_ms).await,
            _ => self.goes_on(self.now() + by_ms).await,
        }
    }

    /// The server runs: everything happens at its own time.
    async fn goes_on(&mut self, to: i64) {
        while self.now() < to {
            let stretch = to.min(self.now() + STRETCH);
            self.scheduler().advance(&self.kit.clock, by(), Timestamp::from_millis(stretch)).await.unwrap();
        }
        for (_, _, customer) in &mut self.customers {
            let mut now = i64::MIN;
            while let Some(next) = customer.next(now).filter(|next| *next <= to) {
                now = next;
                customer.tick(now);
            }
        }
    }

    /// It was off, and catches up.
    async fn is_off(&mut self, by_ms: i64) {
        self.restart();
        self.kit.clock.advance(by_ms);
        self.tick().await;
    }

    async fn tick(&mut self) {
        self.scheduler().tick().await.unwrap();
        let now = self.now();
        self.customers.iter_mut().for_each(|(_, _, customer)| customer.tick(now));
    }

    // what people do

    fn op(&mut self, at: usize) -> Op {
        let customer = &self.customers[at].2;
        let (whole, numbers) = (customer.balance() / 1_000_000, &customer.numbers);
        let live: Vec<usize> =
            (0..numbers.len()).filter(|place| numbers[*place].rent != Rent::Released).collect();
        let rng = &mut self.rng;
        match rng.between(1, 100) {
            1..=30 if whole > 0 && rng.one_in(3) => Op::Use(whole),
            1..=30 if whole > 0 => Op::Use(rng.between(1, whole.min(900))),
            31..=38 => Op::Buy(rng.between(1, 900)),
            39..=43 => {
                Op::Send { to: (at + 1) % self.customers.len(), credits: rng.between(1, (whole / 2).max(1)) }
            }
            44..=62 => Op::Choose(rng.pick(&PLANS)),
            63..=64 => Op::Cancel,
            65..=67 => Op::Pause,
            68..=72 => Op::Resume,
            73..=76 => Op::Retry,
            77..=82 => Op::SwapCards,
            83..=86 => Op::SwitchReload,
            87..=93 => Op::Register,
            94..=96 if !live.is_empty() => Op::GiveUp(*rng.pick(&live)),
            _ => Op::Nothing,
        }
    }

    async fn carry_out(&mut self, at: usize, op: &Op) -> &'static str {
        let (id, [good, bad], customer) = &self.customers[at];
        let (id, [good, bad], kit) = (*id, [*good, *bad], &self.kit);
        let card = if customer.good_card { good } else { bad };
        match op {
            Op::Use(credits) => {
                let event = event(&format!("e{}", self.count), "chat", &credits.to_string(), kit.now());
                kit.charge(id, event).await;
                "done"
            }
            Op::Buy(credits) => {
                let cost = Some(Money { minor: *credits, currency: Currency::EUR });
                let new = NewCredit { cost, ..grant(&credits.to_string(), Class::Paid) };
                done(&kit.credit(id, new).await)
            }
            Op::Send { to, credits } => {
                let (to, note) = (self.customers[*to].0, String::new());
                let wish = transfers::Wish { from: id, to, credits: micros(*credits), note };
                done(&kit.write(move |tx| transfers::send(tx, &by(), &wish)).await)
            }
            Op::Choose(plan) => {
                let plan: PlanId = kit.catalog().plan_by_code(plan.code).unwrap().id;
                let wish =
                    Wish { plan, card: None, expected_total: None, success_url: None, cancel_url: None };
                let changed = self.office().change(by(), id, wish, Currency::EUR).await;
                said(changed.map(|(_, payment)| payment))
            }
            Op::Cancel => done(&kit.write(move |tx| subscriptions::cancel(tx, &by(), id)).await),
            Op::Pause => done(&kit.write(move |tx| subscriptions::pause(tx, &by(), id)).await),
            Op::Resume => said(self.office().resume(by(), id).await),
            Op::Retry => said(self.office().retry(by(), id).await),
            Op::SwapCards => {
                let other = if card == good { bad } else { good };
                done(&kit.write(move |tx| cards::set_default(tx, &by(), id, other)).await)
            }
            Op::SwitchReload => {
                let change = reload::Change {
                    enabled: !customer.reload.enabled,
                    threshold: Some(micros(BELOW)),
                    credits: Some(micros(BOUGHT)),
                    cap: None,
                    card: Some(card),
                };
                done(&kit.write(move |tx| reload::set(tx, &by(), (&TERMS, &seller()), id, &change)).await)
            }
            Op::Register => {
                let new =
                    NewRental { external_id: format!("+{}", self.count), kind: Kind::Local, agent: None };
                done(&kit.write(move |tx| numbers::register(tx, &by(), id, &new)).await)
            }
            Op::GiveUp(place) => {
                let name = customer.numbers[*place].name.clone();
                done(&kit.write(move |tx| numbers::give_up(tx, &by(), id, &name)).await)
            }
            Op::Nothing => "done",
        }
    }

    fn expect(&mut self, at: usize, op: &Op) -> &'static str {
        let (now, name) = (self.now(), format!("+{}", self.count));
        let customer = &mut self.customers[at].2;
        match op {
            Op::Use(credits) => customer.spend(credits * 1_000_000),
            Op::Buy(credits) => {
                customer.receive(model::Grant { paid: true, expires: None, left: credits * 1_000_000 });
            }
            Op::Send { to, credits } => match customer.send(credits * 1_000_000) {
                Ok(sent) => sent.into_iter().for_each(|part| self.customers[*to].2.receive(part)),
                Err(()) => return "refused",
            },
            Op::Choose(plan) => return customer.choose(plan, now),
            Op::Cancel => return customer.cancel(),
            Op::Pause => return customer.pause(),
            Op::Resume => return customer.resume(now),
            Op::Retry => return customer.retry(now),
            Op::SwapCards => customer.good_card = !customer.good_card,
            Op::SwitchReload => customer.switch(),
            Op::Register => return customer.register(&name, now),
            Op::GiveUp(place) => customer.give_up(*place),
            Op::Nothing => {}
        }
        "done"
    }

    async fn step(&mut self) {
        if self.rng.one_in(5) {
            self.restart();
        }
        self.pass().await;
        self.compare("the clock");
        for _ in 0..self.rng.between(1, 3) {
            let at = self.rng.index(self.customers.len());
            let op = self.op(at);
            self.count += 1;
            let found = self.carry_out(at, &op).await;
            assert_eq!(found, self.expect(at, &op), "{at} {op:?} at {}", self.kit.now());
            if self.rng.one_in(4) {
                self.restart();
            }
            self.tick().await;
            self.compare(&format!("{at} {op:?}"));
        }
    }

    // comparing

    fn compare(&self, after: &str) {
        let failing = "SELECT kind || ' ' || subject || ' since ' || created_at || ' due ' || due_at || ': ' || ifnull(last_error, '?')
                       FROM outbox WHERE state <> 'done' AND (last_error IS NOT NULL OR due_at <= ?)";
        let failing: Vec<String> = self.rows(failing, self.now(), |row| row.get(0));
        assert!(failing.is_empty(), "{failing:?} after {after} at {}", self.kit.now());
        for (id, _, customer) in &self.customers {
            let after = format!("{} after {after} at {}", customer.zone.iana_name().unwrap(), self.kit.now());
            self.compare_wallet(*id, customer, &after);
            self.compare_plan(*id, customer, &after);
            let numbers: Vec<_> = customer
                .numbers
                .iter()
                .map(|n| {
                    let (state, until) = match n.rent {
                        Rent::Active { ends } => (if ends { "ends" } else { "active" }, 0),
                        Rent::Grace { until, .. } => ("grace", until),
                        Rent::Suspended { until } => ("suspended", until),
                        Rent::Released => ("released", 0),
                    };
                    format!("{} {state} {until} paid until {}, {} times", n.name, n.paid_until, n.charges)
                })
                .collect();
            assert_eq!(self.numbers(*id), numbers, "{after}");
            // a credit costs a cent, and half a cent is rounded up in each charge
            let settled = customer.payments.iter().filter(|paid| paid.of_plan && paid.settled);
            let worth: i64 = settled.map(|paid| paid.net * 1_000_000 + 500_000).sum();
            assert!(customer.given <= worth, "more was given than paid for: {after}");
        }
        self.compare_fees(after);
    }

    fn compare_wallet(&self, id: OrganizationId, customer: &Customer, after: &str) {
        let found = self.kit.summary(id);
        let grants: Vec<_> = found
            .grants
            .iter()
            .map(|g| model::Grant {
                paid: g.terms.order.class == Class::Paid,
                expires: g.terms.order.expires_at.map(Timestamp::millis),
                left: g.remaining.micros(),
            })
            .collect();
        assert_eq!(grants, customer.usable(), "{after}");
        assert_eq!((found.balance.micros(), found.overdraft), (customer.balance(), Credits::ZERO), "{after}");
        let reload = self.kit.db().read_blocking(|tx| reload::get(tx, id)).unwrap();
        let reload = reload.map(|reload| reload.standing).unwrap_or_default();
        assert_eq!(
            (reload.enabled, reload.failures, reload.retry.map(|retry| retry.at.millis())),
            (customer.reload.enabled, customer.reload.failures, customer.reload.retry),
            "{after}"
        );
        assert_eq!(reload.in_flight, None, "{after}");
    }

    fn compare_plan(&self, id: OrganizationId, customer: &Customer, after: &str) {
        let catalog = self.kit.catalog();
        let code = |version| {
            PLANS.iter().map(|plan| plan.code).find(|code| {
                catalog.plan_by_code(code).unwrap().versions.iter().any(|known| known.id == version)
            })
        };
        let found = self.kit.db().read_blocking(|tx| subscriptions::of(tx, id)).unwrap().map(|sub| {
            let cycle = sub.cycle.map_or((0, 0), |cycle| (cycle.start.millis(), cycle.end.millis()));
            let pending = sub.pending.map(|pending| match pending {
                RealPending::Plan(version) => code(version).unwrap(),
                RealPending::Cancel => "cancel",
                RealPending::Pause => "pause",
            });
            let (due, state) = (sub.due_at.map(Timestamp::millis), sub.state.name());
            format!(
                "{state} {} period {} {cycle:?} then {pending:?} due {due:?} failures {}",
                code(sub.version).unwrap(),
                sub.number,
                sub.failures
            )
        });
        let expected = customer.sub.map(|sub| {
            let pending = sub.pending.map(|pending| match pending {
                Pending::Plan(plan) => plan.code,
                Pending::Cancel => "cancel",
                Pending::Pause => "pause",
            });
            let state = match sub.state {
                model::State::Active => "active",
                model::State::PastDue => "past_due",
                model::State::Paused => "paused",
                model::State::Canceled => "canceled",
            };
            format!(
                "{state} {} period {} {:?} then {pending:?} due {:?} failures {}",
                sub.plan.code,
                sub.number,
                (sub.start, sub.end),
                sub.due,
                sub.failures
            )
        });
        assert_eq!(found, expected, "{after}");
        let paid: Vec<_> =
            customer.payments.iter().map(|paid| (paid.net, paid.of_plan, paid.settled)).collect();
        assert_eq!(self.payments(id), paid, "{after}");
        let (voice, now) = (catalog.meter_id("voice").unwrap(), self.kit.now());
        let quote = self.kit.db().read_blocking(|tx| metering::quote(tx, &catalog, id, voice, now));
        assert_eq!(quote.unwrap().unwrap().allowance.is_some(), customer.has_units(), "{after}");
    }

    /// Net, whether for a plan, whether settled: oldest first.
    fn payments(&self, id: OrganizationId) -> Vec<(i64, bool, bool)> {
        let select = "SELECT amount_minor, plan IS NOT NULL, state FROM payments WHERE organization_id = ? ORDER BY id";
        self.rows(select, id.number(), |row| {
            let state: String = row.get(2)?;
            assert!(state == "settled" || state == "failed", "{state}");
            Ok((row.get(0)?, row.get(1)?, state == "settled"))
        })
    }

    fn numbers(&self, id: OrganizationId) -> Vec<String> {
        let select = "SELECT n.external_id, CASE WHEN r.ends THEN 'ends' ELSE r.state END, ifnull(r.until, 0), r.paid_until,
                             r.charges
                      FROM number_rentals r JOIN numbers n ON n.id = r.number_id WHERE r.organization_id = ? ORDER BY r.id";
        self.rows(select, id.number(), |row| {
            let (name, state): (String, String) = (row.get(0)?, row.get(1)?);
            let (until, paid_until, charges): (i64, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(format!("{name} {state} {until} paid until {paid_until}, {charges} times"))
        })
    }

    fn rows<T>(
        &self,
        select: &str,
        of_what: i64,
        of: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Vec<T> {
        let found = self.kit.db().read_blocking(|tx| -> Result<_, DbError> {
            let mut statement = tx.prepare(select)?;
            let rows = statement.query_map([of_what], |row| of(row))?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        found.unwrap()
    }

    /// What was earned of fees: as of some time of today, or of the last one at which anything was due.
    fn compare_fees(&self, after: &str) {
        let sum = self.kit.db().read_blocking(|tx| -> Result<i64, DbError> {
            Ok(tx.query_row("SELECT ifnull(sum(earned), 0) FROM fees", [], |row| row.get(0))?)
        });
        let earned = |at| self.customers.iter().map(|(_, _, customer)| customer.earned(at)).sum::<i64>();
        let (sum, now) = (sum.unwrap(), self.now());
        let (least, most) = (earned(now - 2 * DAY), earned(now));
        assert!((least..=most).contains(&sum), "{sum} is not {least} to {most}: after {after}");
    }
}

async fn play(seed: u64, steps: u64) {
    let mut world = World::new(seed).await;
    for step in 0..steps {
        let done = AssertUnwindSafe(world.step()).catch_unwind().await;
        if let Err(panic) = done {
            eprintln!("seed {seed}, step {step}: TOLLBOOK_SIM_SEED={seed} TOLLBOOK_SIM_STEPS={}", step + 1);
            std::panic::resume_unwind(panic);
        }
        if step % 40 == 39 {
            world.kit.assert_sound();
        }
    }
    world.kit.assert_sound();
    println!("seed {seed}: {steps} steps until {}", world.kit.now());
}

async fn seeded(seed: u64) {
    let from = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect(name));
    play(from("TOLLBOOK_SIM_SEED").unwrap_or(seed), from("TOLLBOOK_SIM_STEPS").unwrap_or(STEPS)).await;
}

#[tokio::test]
async fn time_simulation_1() {
    seeded(1).await;
}

#[tokio::test]
async fn time_simulation_2() {
    seeded(2).await;
}

#[tokio::test]
async fn time_simulation_3() {
    seeded(3).await;
}
