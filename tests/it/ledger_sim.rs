//! A seeded simulation: whatever may happen to the book happens in a random order, and an independent model, which
//! knows no SQL and shares no rule with the crate, says what the book has to answer.
//!
//! `TOLLBOOK_SIM_SEED` plays one seed, `TOLLBOOK_SIM_STEPS` sets how long, for example
//! `TOLLBOOK_SIM_SEED=7 TOLLBOOK_SIM_STEPS=2000 cargo test --test it seeded_simulation`.

mod calls;
mod chance;
mod compare;
mod late;
mod limits;
mod model;
mod money;
mod op;
mod paying;
mod price;
pub(crate) mod rng;
mod sales;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};

use crate::ledger_kit::Kit;
use chance::Chance;
use model::{Model, Organization};
use money::Books;
use op::{Failure, Op};
use price::Prices;
use sales::Shop;

const DAY_MS: i64 = 86_400_000;
/// Steps of a seed that runs with every test.
const STEPS: u64 = 160;

struct Simulation {
    kit: Kit,
    model: Model,
    chance: Chance,
    /// Of the newest commit that moved anything.
    committed_at: Option<i64>,
}

impl Simulation {
    async fn new(seed: u64) -> Self {
        let kit = Kit::at("2027-01-30T22:10:00Z").await;
        let mut organizations = Vec::new();
        for (name, zone) in [
            ("acme", "UTC"),
            ("madrid", "Europe/Madrid"),
            ("la", "America/Los_Angeles"),
            ("lord-howe", "Australia/Lord_Howe"),
        ] {
            kit.organization(name, zone).await;
            organizations.push(Organization::new(name, zone));
        }
        paying::settle_abroad(&kit).await;
        let now = kit.now().millis();
        let model = Model {
            prices: Prices::seeded(),
            organizations,
            now,
            next_line: 1,
            next_call: 1,
            books: Books::default(),
            shop: Shop::default(),
            agents_seen: BTreeSet::new(),
        };
        Self { kit, model, chance: Chance::new(seed), committed_at: None }
    }

    async fn step(&mut self) {
        let rng = &mut self.chance.rng;
        match rng.between(1, 24) {
            1 => self.restart(),
            2..=3 => {
                let far = *rng.pick(&[3_600_000, DAY_MS, 3 * DAY_MS, 31 * DAY_MS, 100 * DAY_MS]);
                let by = rng.between(1, far);
                self.kit.clock.advance(by);
            }
            4 => {
                let back = rng.between(1, 120_000);
                self.kit.clock.advance(-back);
            }
            5..=7 => {
                if let Some(at) = self.chance.turning_point(&self.model) {
                    self.kit.clock.advance(at - self.kit.now().millis());
                }
            }
            8..=10 => {
                let by = rng.between(0, 600_000);
                self.kit.clock.advance(by);
            }
            11..=17 => {
                let by = rng.between(0, 40_000);
                self.kit.clock.advance(by);
            }
            _ => {}
        }
        let count = if self.chance.rng.one_in(2) { 1 } else { self.chance.rng.between(2, 9) };
        self.model.now = self.model.now.max(self.kit.now().millis());
        let ops: Vec<Op> = (0..count).map(|_| self.chance.op(&self.model)).collect();
        self.together(ops).await;
        compare::balances(&self.kit, &self.model);
        limits::compare(&self.kit, &self.model);
        paying::compare(&self.kit, &self.model);
        if self.chance.rng.one_in(6) {
            let place = self.chance.rng.index(self.model.organizations.len());
            compare::history(&self.kit, &self.model, place, &mut self.chance.rng);
        }
        let place = self.chance.rng.index(self.model.organizations.len());
        if let Op::Record { events, .. } = self.chance.op(&self.model)
            && events[0].quantity.micros() >= 0
            && events[0].carrier_cost.is_none_or(|cost| !cost.is_negative())
        {
            compare::estimated(&self.kit, &self.model, place, &events[0]);
        }
    }

    /// The clock may have been set back since the last commit; time goes on from there.
    fn restart(&mut self) {
        self.kit.restart();
        let clock = self.kit.now().millis();
        self.model.now = self.committed_at.filter(|at| *at <= clock + DAY_MS).unwrap_or(clock).max(clock);
    }

    /// Has all operations share one commit, and compares each answer.
    async fn together(&mut self, ops: Vec<Op>) {
        let (release, held) = mpsc::channel::<()>();
        let alone = ops.len() == 1;
        let db = self.kit.db();
        let blocker = db.write(move |_| {
            if !alone {
                let _ = held.recv_timeout(Duration::from_secs(30));
            }
            Ok::<_, Failure>(String::new())
        });
        let mut futures: Vec<LocalBoxFuture<'_, Result<String, Failure>>> = Vec::new();
        if !alone {
            futures.push(Box::pin(blocker));
        }
        for op in ops.clone() {
            futures.push(Box::pin(db.write(move |tx| op.run(tx))));
        }
        // futures are polled, and so submitted, in their order; this one comes last
        futures.push(Box::pin(async move {
            let _ = release.send(());
            Ok(String::new())
        }));
        let mut answers = join_all(futures).await;
        answers.pop();
        if !alone {
            let _ = answers.remove(0);
        }
        // what comes before an operation that panics is lost with it, what comes after is not
        let kept_from = ops.iter().rposition(Op::takes_its_commit_along).map_or(0, |last| last + 1);
        let before = (self.model.next_line, self.model.books.moved);
        for (place, (op, answer)) in ops.iter().zip(answers).enumerate() {
            let lost = place < kept_from;
            let expected = if lost { Err("gone with its commit".into()) } else { op.expect(&mut self.model) };
            match (lost, &answer, &expected) {
                (true, Err(_), _) => {}
                (true, Ok(answer), _) => panic!("{op:#?}\nanswered {answer} though its commit was lost"),
                (false, answer, expected) => {
                    let same = match (answer, expected) {
                        (Ok(answer), Ok(expected)) => answer == expected,
                        (Err(Failure(error)), Err(expected)) => error == expected,
                        _ => false,
                    };
                    assert!(same, "{op:#?}\nanswered {answer:#?}\nnot     {expected:#?}");
                }
            }
        }
        if (self.model.next_line, self.model.books.moved) != before {
            self.committed_at = Some(self.model.now);
        }
    }

    fn finish(&mut self) {
        for place in 0..self.model.organizations.len() {
            compare::history(&self.kit, &self.model, place, &mut self.chance.rng);
        }
        self.kit.assert_sound();
        let owed = self.kit.db().read_blocking(|tx| op::owed(tx.conn())).expect("owed");
        assert_eq!(owed, self.model.owed(), "sold, earned, kept, owed");
    }
}

async fn play(seed: u64, steps: u64) {
    let mut simulation = Simulation::new(seed).await;
    for step in 0..steps {
        let done = AssertUnwindSafe(simulation.step()).catch_unwind().await;
        if let Err(panic) = done {
            eprintln!("seed {seed}, step {step}: TOLLBOOK_SIM_SEED={seed} TOLLBOOK_SIM_STEPS={}", step + 1);
            std::panic::resume_unwind(panic);
        }
        if step % 50 == 49 {
            simulation.kit.assert_sound();
        }
    }
    simulation.finish();
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}

async fn seeded(seed: u64) {
    let steps = from_environment("TOLLBOOK_SIM_STEPS").unwrap_or(STEPS);
    play(from_environment("TOLLBOOK_SIM_SEED").unwrap_or(seed), steps).await;
}

#[tokio::test]
async fn seeded_simulation_1() {
    seeded(1).await;
}

#[tokio::test]
async fn seeded_simulation_2() {
    seeded(2).await;
}

#[tokio::test]
async fn seeded_simulation_3() {
    seeded(3).await;
}

#[tokio::test]
async fn seeded_simulation_4() {
    seeded(4).await;
}
