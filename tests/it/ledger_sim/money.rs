//! Where the money paid for credit should be.

use super::model::{Grant, Model};
use super::price::Micros;

const DAY_MS: i64 = 86_400_000;

/// Of one grant, in minor units.
#[derive(Clone, Debug, Default)]
pub struct Money {
    cost: i128,
    /// Credit that was taken back.
    pub withdrawn: Micros,
    /// As posted last.
    earned: i128,
    breakage: i128,
    /// It was closed when it was looked at, and nothing has come back since.
    pub settled: bool,
}

/// Of all.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// The UTC day of the last run.
    run_on: Option<i64>,
    /// How often a run moved anything.
    pub moved: u64,
}

impl Money {
    pub fn paid(cost_minor: Option<i64>) -> Self {
        Self { cost: cost_minor.unwrap_or(0).into(), ..Self::default() }
    }
}

/// The part of the cost that a part of the credit stands for: to the nearer cent, up from the middle.
fn part(cost: i128, credit: i128, of: i128) -> i128 {
    let (whole, rest) = (cost * credit / of, cost * credit % of);
    whole + i128::from(rest * 2 >= of)
}

impl Grant {
    fn post(&mut self) {
        let (original, left) = (self.original, self.remaining);
        let unused = self.expired + self.money.withdrawn;
        self.money.earned = part(self.money.cost, original - left - unused, original);
        self.money.breakage = part(self.money.cost, original - left, original) - self.money.earned;
        self.money.settled = !self.open;
    }
}

impl Model {
    /// Received, earned, kept, in all.
    fn money(&self) -> (i128, i128, i128) {
        let all = self.organizations.iter().flat_map(|of| &of.grants).map(|grant| &grant.money);
        all.fold((0, 0, 0), |(sold, earned, kept), m| (sold + m.cost, earned + m.earned, kept + m.breakage))
    }

    /// What the day's run should come to.
    pub fn post(&mut self) -> String {
        let today = self.now.div_euclid(DAY_MS);
        let (_, earned_before, kept_before) = self.money();
        let mut looked = 0;
        if self.books.run_on != Some(today) {
            self.books.run_on = Some(today);
            let grants = self.organizations.iter_mut().flat_map(|of| &mut of.grants);
            for grant in grants.filter(|g| g.money.cost > 0 && !g.money.settled) {
                grant.post();
                looked += 1;
            }
        }
        let (_, earned, kept) = self.money();
        self.books.moved += u64::from((earned, kept) != (earned_before, kept_before));
        format!("{looked} looked at: {}", self.owed())
    }

    /// What is owed, and how it came to that.
    pub fn owed(&self) -> String {
        let (sold, earned, kept) = self.money();
        format!("{sold} - {earned} - {kept} = {}", sold - earned - kept)
    }
}
