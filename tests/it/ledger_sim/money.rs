//! Where the money paid for credit should be.

use super::model::{Grant, Model};
use super::price::Micros;

const DAY_MS: i64 = 86_400_000;

/// Of one grant, in minor units.
#[derive(Clone, Debug, Default)]
pub struct Money {
    cost: i128,
    /// Credit that was taken back, refunded or clawed back.
    pub withdrawn: Micros,
    /// As posted last.
    earned: i128,
    breakage: i128,
    /// Given back, to customers and to their banks.
    refunded: i128,
    disputed: i128,
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
    /// What is earned, and kept, where `more` is about to leave beyond what has left.
    fn shares(&self, more: Micros) -> (i128, i128) {
        let (money, gone) = (&self.money, self.original - self.remaining);
        let returned = money.refunded + money.disputed;
        let used = part(money.cost, gone - self.expired - money.withdrawn, self.original);
        let earned = used.min(money.cost - returned);
        let worth = part(money.cost, gone + more, self.original);
        let rest = money.cost - returned - earned;
        (earned, (worth - returned - earned).clamp(0, rest))
    }

    fn post(&mut self) {
        (self.money.earned, self.money.breakage) = self.shares(0);
        self.money.settled = !self.open;
    }

    /// What would be owed if it were looked at now.
    pub fn deferred(&self) -> i128 {
        let (earned, kept) = self.shares(0);
        self.money.cost - self.money.refunded - self.money.disputed - earned - kept
    }

    /// Money leaves for credit that is about to.
    pub fn give_back(&mut self, credits: Micros, refunded: i128, disputed: i128) {
        assert!(refunded + disputed <= self.deferred(), "no more than is owed is given back");
        if !self.open {
            self.money.settled = true;
        }
        self.money.refunded += refunded;
        self.money.disputed += disputed;
        (self.money.earned, self.money.breakage) = self.shares(credits);
    }
}

impl Model {
    /// Received, earned, kept, given back to customers and to banks, in all.
    fn money(&self) -> [i128; 5] {
        let mut sums = [0; 5];
        for money in self.organizations.iter().flat_map(|of| &of.grants).map(|grant| &grant.money) {
            let of_one = [money.cost, money.earned, money.breakage, money.refunded, money.disputed];
            sums.iter_mut().zip(of_one).for_each(|(sum, one)| *sum += one);
        }
        sums
    }

    /// What the day's run should come to.
    pub fn post(&mut self) -> String {
        let today = self.now.div_euclid(DAY_MS);
        let before = self.money();
        let mut looked = 0;
        if self.books.run_on != Some(today) {
            self.books.run_on = Some(today);
            let grants = self.organizations.iter_mut().flat_map(|of| &mut of.grants);
            for grant in grants.filter(|g| g.money.cost > 0 && !g.money.settled) {
                grant.post();
                looked += 1;
            }
        }
        self.books.moved += u64::from(self.money() != before);
        format!("{looked} looked at: {}", self.owed())
    }

    /// What is owed, and how it came to that.
    pub fn owed(&self) -> String {
        let [sold, earned, kept, refunded, disputed] = self.money();
        let close = sold - earned - kept - refunded - disputed;
        format!("{sold} - {earned} - {kept} - {refunded} - {disputed} = {close}")
    }
}
