//! What time should do to plans, numbers, credit and auto-reload: a book of its own that knows no SQL, and whose dates are worked
//! out by hand.

use std::collections::VecDeque;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
const CREDIT: i64 = 1_000_000;
/// A month of a number.
const RENT: i64 = 200 * CREDIT;
pub const GRACE_DAYS: i64 = 7;
pub const RELEASE_DAYS: i64 = 30;
pub const DUNNING: [i64; 4] = [1, 3, 5, 7];
/// Below so much, so much is bought.
pub const BELOW: i64 = 300;
pub const BOUGHT: i64 = 1_000;

/// A plan: fee in cents, months at a time, credit a month, whether what is left stays, and how much of it.
#[derive(Debug, PartialEq)]
pub struct Plan {
    pub code: &'static str,
    pub fee: i64,
    pub months: i64,
    pub credit: i64,
    pub stays: bool,
    pub cap: Option<i64>,
    pub sends: bool,
}

const fn plan(code: &'static str, fee: i64, months: i64, credit: i64) -> Plan {
    Plan { code, fee, months, credit, stays: false, cap: None, sends: false }
}

/// None gives credit for more than it costs.
pub const PLANS: [Plan; 6] = [
    plan("small", 1_000, 1, 1_000),
    Plan { stays: true, sends: true, ..plan("keeps", 1_999, 1, 1_900) },
    Plan { stays: true, cap: Some(2_500), ..plan("capped", 3_100, 1, 2_000) },
    plan("large", 7_777, 1, 7_000),
    plan("year", 10_000, 12, 700),
    Plan { sends: true, ..plan("big_year", 30_001, 12, 2_400) },
];

/// So many months after, at the same local time, on the same day of the month or its last.
pub fn months_after(zone: &TimeZone, anchor: i64, months: i64) -> i64 {
    let local = zone.to_datetime(jiff::Timestamp::from_millisecond(anchor).unwrap());
    let count = i64::from(local.year()) * 12 + i64::from(local.month()) - 1 + months;
    let (year, month) =
        (i16::try_from(count.div_euclid(12)).unwrap(), i8::try_from(count.rem_euclid(12)).unwrap() + 1);
    let last = (28..=31).rev().find(|day| Date::new(year, month, *day).is_ok()).unwrap();
    let there = date(year, month, local.day().min(last)).to_datetime(local.time());
    zone.to_ambiguous_timestamp(there).compatible().unwrap().as_millisecond()
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grant {
    pub paid: bool,
    pub expires: Option<i64>,
    pub left: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    Active,
    PastDue,
    Paused,
    Canceled,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pending {
    Plan(&'static Plan),
    Cancel,
    Pause,
}

#[derive(Clone, Copy, Debug)]
pub struct Sub {
    pub state: State,
    pub plan: &'static Plan,
    /// Periods that have begun.
    pub number: i64,
    anchor: i64,
    /// Of the period, in months after the anchor.
    from: i64,
    to: i64,
    pub start: i64,
    pub end: i64,
    granted: i64,
    pub pending: Option<Pending>,
    pub due: Option<i64>,
    failed_at: Option<i64>,
    pub failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rent {
    Active { ends: bool },
    Grace { until: i64, warned: bool },
    Suspended { until: i64 },
    Released,
}

#[derive(Clone, Debug)]
pub struct Number {
    pub name: String,
    pub rent: Rent,
    anchor: i64,
    months: i64,
    pub paid_until: i64,
    pub charges: i64,
    tried: u64,
}

impl Number {
    fn next_at(&self) -> Option<i64> {
        match self.rent {
            Rent::Active { .. } => Some(self.paid_until),
            Rent::Grace { until, warned: false } => Some(until - DAY),
            Rent::Grace { until, warned: true } | Rent::Suspended { until } => Some(until),
            Rent::Released => None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Reload {
    pub good_card: bool,
    pub enabled: bool,
    armed: bool,
    pub failures: u32,
    pub retry: Option<i64>,
}

/// A payment for a plan, or by auto-reload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paid {
    pub net: i64,
    pub of_plan: bool,
    pub settled: bool,
    /// The time that it is for.
    pub time: Option<(i64, i64)>,
}

#[derive(Clone, Copy, Debug)]
enum Work {
    Fell,
    Again,
    Charge,
    Buy,
    /// By its place among the payments.
    FeePaid(usize),
    FeeFailed,
}

#[derive(Clone, Debug)]
pub struct Customer {
    pub zone: TimeZone,
    pub grants: Vec<Grant>,
    pub sub: Option<Sub>,
    pub numbers: Vec<Number>,
    pub good_card: bool,
    pub cards_end: i64,
    pub reload: Reload,
    pub payments: Vec<Paid>,
    /// Given with plans, in all.
    pub given: i64,
    lines: u64,
    work: VecDeque<Work>,
    on_its_way: bool,
}

/// The part of an amount for what is left of a time, to the nearer one, up from the middle.
fn charged(amount: i64, left: i64, of: i64) -> i64 {
    let (amount, left, of) = (i128::from(amount.max(0)), i128::from(left.clamp(0, of)), i128::from(of));
    let (whole, rest) = (amount * left / of, amount * left % of);
    i64::try_from(whole + i128::from(rest * 2 >= of)).unwrap()
}

fn given(amount: i64, left: i64, of: i64) -> i64 {
    i64::try_from(i128::from(amount.max(0)) * i128::from(left.clamp(0, of)) / i128::from(of)).unwrap()
}

impl Customer {
    pub fn new(zone: &str, cards_end: i64) -> Self {
        Self {
            zone: TimeZone::get(zone).unwrap(),
            grants: Vec::new(),
            sub: None,
            numbers: Vec::new(),
            good_card: true,
            cards_end,
            reload: Reload::default(),
            payments: Vec::new(),
            given: 0,
            lines: 0,
            work: VecDeque::new(),
            on_its_way: false,
        }
    }

    pub fn balance(&self) -> i64 {
        self.grants.iter().map(|grant| grant.left).sum()
    }

    /// What is left, in the order in which it is drawn.
    pub fn usable(&self) -> Vec<Grant> {
        let mut order: Vec<Grant> = self.grants.iter().copied().filter(|grant| grant.left > 0).collect();
        order.sort_by_key(|grant| (grant.paid, grant.expires.unwrap_or(i64::MAX)));
        order
    }

    fn moved(&mut self) {
        self.lines += 1;
        let below = self.balance() < BELOW * CREDIT;
        if self.reload.enabled && self.reload.armed == below {
            self.reload.armed = !below;
            if below {
                self.work.push_back(Work::Fell);
            }
        }
    }

    fn draw(&mut self, mut amount: i64, may: impl Fn(&Grant) -> bool) -> Vec<Grant> {
        let mut order: Vec<usize> = (0..self.grants.len()).collect();
        order.sort_by_key(|at| (self.grants[*at].paid, self.grants[*at].expires.unwrap_or(i64::MAX), *at));
        let mut drawn = Vec::new();
        for at in order {
            let grant = &mut self.grants[at];
            let part = if may(grant) { grant.left.min(amount) } else { 0 };
            grant.left -= part;
            amount -= part;
            if part > 0 {
                drawn.push(Grant { left: part, ..*grant });
            }
        }
        assert_eq!(amount, 0, "the simulation uses no more than there is");
        drawn
    }

    pub fn receive(&mut self, grant: Grant) {
        self.grants.push(grant);
        self.moved();
    }

    pub fn spend(&mut self, micros: i64) {
        self.draw(micros, |_| true);
        self.moved();
    }

    /// Takes paid credit out; what goes, by grant.
    pub fn send(&mut self, micros: i64) -> Result<Vec<Grant>, ()> {
        let may = self.sub.is_some_and(|sub| sub.state == State::Active && sub.plan.sends);
        let paid: i64 = self.grants.iter().filter(|grant| grant.paid).map(|grant| grant.left).sum();
        if !may || paid < micros {
            return Err(());
        }
        let sent = self.draw(micros, |grant| grant.paid);
        // what somebody decides is no fall that is bought for
        self.reload.armed &= self.balance() >= BELOW * CREDIT;
        self.moved();
        Ok(sent)
    }

    fn pays(&self, good: bool, now: i64) -> bool {
        good && now < self.cards_end
    }

    pub fn has_units(&self) -> bool {
        self.sub.is_some_and(|sub| sub.state == State::Active)
    }

    // plans

    fn living(&self) -> Option<Sub> {
        self.sub.filter(|sub| sub.state != State::Canceled)
    }

    pub fn choose(&mut self, plan: &'static Plan, now: i64) -> &'static str {
        let Some(sub) = self.living() else {
            let pays = self.pays(self.good_card, now);
            let state = if pays { State::Paused } else { State::Canceled };
            self.sub = Some(Sub {
                state,
                plan,
                number: 0,
                anchor: 0,
                from: 0,
                to: 0,
                start: 0,
                end: 0,
                granted: 0,
                pending: None,
                due: None,
                failed_at: None,
                failures: 0,
            });
            let at = self.fee(plan.fee, pays);
            if pays {
                self.begin(at, now);
            }
            return if pays { "settled" } else { "failed" };
        };
        if sub.state != State::Active || (sub.plan == plan && sub.pending.is_none()) {
            return "refused";
        }
        if sub.plan == plan || plan.fee <= sub.plan.fee || plan.months != sub.plan.months {
            let pending = (sub.plan != plan).then_some(Pending::Plan(plan));
            self.sub = Some(Sub { pending, ..sub });
            return "done";
        }
        self.go_up(sub, plan, now)
    }

    fn go_up(&mut self, sub: Sub, plan: &'static Plan, now: i64) -> &'static str {
        let price = charged(plan.fee - sub.plan.fee, sub.end - now, sub.end - sub.start);
        let (month, until) = (self.month(sub, sub.granted - 1), self.month(sub, sub.granted));
        let more = given((plan.credit - sub.plan.credit) * CREDIT, until - now, until - month);
        let pays = self.pays(self.good_card, now);
        if price > 0 {
            let at = self.fee(price, pays);
            if !pays {
                return "failed";
            }
            self.payments[at].time = Some((now.min(sub.end - 1), sub.end));
        }
        if until > now {
            self.give(more, (!plan.stays).then_some(until));
        }
        self.sub = Some(Sub { plan, pending: None, ..sub });
        if price > 0 { "settled" } else { "done" }
    }

    fn fee(&mut self, net: i64, settled: bool) -> usize {
        self.payments.push(Paid { net, of_plan: true, settled, time: None });
        self.lines += u64::from(settled);
        self.payments.len() - 1
    }

    fn month(&self, sub: Sub, month: i64) -> i64 {
        months_after(&self.zone, sub.anchor, month)
    }

    fn give(&mut self, micros: i64, expires: Option<i64>) {
        if micros > 0 {
            self.given += micros;
            self.receive(Grant { paid: false, expires, left: micros });
        }
    }

    /// The next period begins: this payment was its fee.
    fn begin(&mut self, at: usize, now: i64) {
        let mut sub = self.sub.unwrap();
        (sub.anchor, sub.from) = match sub.state {
            State::Active | State::PastDue => (sub.anchor, sub.to),
            State::Paused | State::Canceled => (now, 0),
        };
        sub.to = sub.from + sub.plan.months;
        (sub.start, sub.end) = (self.month(sub, sub.from), self.month(sub, sub.to));
        (sub.state, sub.granted, sub.number) = (State::Active, sub.from, sub.number + 1);
        (sub.failures, sub.failed_at) = (0, None);
        self.payments[at].time = Some((sub.start, sub.end));
        self.sub = Some(sub);
        self.grant(now);
    }

    fn grant(&mut self, now: i64) {
        let mut sub = self.sub.unwrap();
        while sub.granted < sub.to && self.month(sub, sub.granted) <= now {
            sub.granted += 1;
            let end = self.month(sub, sub.granted);
            if end <= now && !sub.plan.stays {
                continue;
            }
            if let Some(cap) = sub.plan.cap {
                let stays = |grant: &Grant| !grant.paid && grant.expires.is_none();
                let left: i64 = self.grants.iter().filter(|grant| stays(grant)).map(|grant| grant.left).sum();
                if left > cap * CREDIT {
                    self.draw(left - cap * CREDIT, stays);
                }
            }
            self.give(sub.plan.credit * CREDIT, (!sub.plan.stays).then_some(end));
        }
        sub.due = Some(if sub.granted < sub.to { self.month(sub, sub.granted) } else { sub.end });
        self.sub = Some(sub);
    }

    fn unpaid(&mut self, now: i64) {
        let mut sub = self.sub.unwrap();
        if sub.state == State::Paused {
            return;
        }
        let since = *sub.failed_at.get_or_insert(now);
        sub.failures += 1;
        sub.due = DUNNING.iter().map(|day| since + day * DAY).find(|at| *at > now);
        sub.state = if sub.due.is_some() { State::PastDue } else { State::Canceled };
        if sub.state == State::Canceled {
            sub.pending = None;
        }
        self.sub = Some(sub);
    }

    /// Somebody asks for the period that is unpaid, or for the next after a pause.
    fn pay_now(&mut self, now: i64) -> &'static str {
        let (plan, pays) = (self.sub.unwrap().plan, self.pays(self.good_card, now));
        let at = self.fee(plan.fee, pays);
        if pays {
            self.begin(at, now);
            return "settled";
        }
        self.unpaid(now);
        "failed"
    }

    pub fn retry(&mut self, now: i64) -> &'static str {
        match self.living() {
            Some(sub) if sub.state == State::PastDue => self.pay_now(now),
            _ => "refused",
        }
    }

    pub fn resume(&mut self, now: i64) -> &'static str {
        match self.living() {
            Some(sub) if sub.state == State::Paused => self.pay_now(now),
            Some(sub) if sub.state == State::Active && sub.pending.is_some() => {
                self.sub = Some(Sub { pending: None, ..sub });
                "done"
            }
            _ => "refused",
        }
    }

    pub fn pause(&mut self) -> &'static str {
        match self.living() {
            Some(sub) if sub.state == State::Active => {
                self.sub = Some(Sub { pending: Some(Pending::Pause), ..sub });
                "done"
            }
            _ => "refused",
        }
    }

    pub fn cancel(&mut self) -> &'static str {
        match self.living() {
            None => "refused",
            Some(sub) if sub.state == State::Active => {
                self.sub = Some(Sub { pending: Some(Pending::Cancel), ..sub });
                "done"
            }
            Some(sub) => {
                self.sub = Some(Sub { state: State::Canceled, pending: None, due: None, ..sub });
                "done"
            }
        }
    }

    /// Whatever is due of the plan. Answers whether anything was.
    fn renew(&mut self, now: i64) -> bool {
        let mut any = false;
        while let Some(sub) = self.sub
            && !self.on_its_way
            && sub.due.is_some_and(|due| due <= now)
        {
            any = true;
            match (sub.state, sub.pending) {
                (State::Active, _) if sub.end > now || sub.granted < sub.to => self.grant(now),
                (State::Active, Some(Pending::Cancel)) => {
                    self.sub = Some(Sub { state: State::Canceled, pending: None, due: None, ..sub });
                }
                (State::Active, Some(Pending::Pause)) => {
                    self.sub = Some(Sub { state: State::Paused, pending: None, due: None, ..sub });
                }
                (State::Active | State::PastDue, pending) => {
                    let plan = if let Some(Pending::Plan(plan)) = pending { plan } else { sub.plan };
                    self.sub = Some(Sub { plan, pending: None, due: None, ..sub });
                    self.on_its_way = true;
                    self.work.push_back(Work::Charge);
                }
                (State::Paused | State::Canceled, _) => unreachable!("nothing is due of it"),
            }
        }
        any
    }

    // numbers

    fn is_covered(&self) -> bool {
        self.balance() >= RENT
    }

    fn charge_rent(&mut self, number: &mut Number) {
        self.draw(RENT, |_| true);
        number.charges += 1;
        number.months += 1;
        number.paid_until = months_after(&self.zone, number.anchor, number.months);
        number.rent = Rent::Active { ends: false };
        self.moved();
    }

    pub fn register(&mut self, name: &str, now: i64) -> &'static str {
        if !self.is_covered() {
            return "refused";
        }
        let rent = Rent::Active { ends: false };
        let name = name.to_owned();
        let mut number = Number { name, rent, anchor: now, months: 0, paid_until: now, charges: 0, tried: 0 };
        self.charge_rent(&mut number);
        self.numbers.push(number);
        "done"
    }

    pub fn give_up(&mut self, at: usize) {
        let rent = &mut self.numbers[at].rent;
        *rent = match *rent {
            Rent::Active { .. } => Rent::Active { ends: true },
            Rent::Grace { .. } | Rent::Suspended { .. } | Rent::Released => Rent::Released,
        };
    }

    fn rent_due(&mut self, now: i64) -> bool {
        let mut any = false;
        loop {
            let mut due = Vec::new();
            for (at, number) in self.numbers.iter().enumerate() {
                if let Some(next) = number.next_at().filter(|next| *next <= now) {
                    due.push((next, at));
                }
                let is_unpaid = matches!(number.rent, Rent::Grace { .. } | Rent::Suspended { .. });
                if is_unpaid && number.tried != self.lines {
                    due.push((number.paid_until, at));
                }
            }
            due.sort_unstable();
            if due.is_empty() {
                return any;
            }
            any = true;
            for (_, at) in due {
                let mut number = self.numbers[at].clone();
                self.rent_step(&mut number, now);
                self.numbers[at] = number;
            }
        }
    }

    fn rent_step(&mut self, number: &mut Number, now: i64) {
        match number.rent {
            Rent::Released => return,
            Rent::Active { .. } if now < number.paid_until => return,
            Rent::Active { ends: true } => {
                number.rent = Rent::Released;
                return;
            }
            _ => {}
        }
        if self.is_covered() {
            if let Rent::Suspended { .. } = number.rent {
                (number.anchor, number.months) = (now, 0);
            }
            return self.charge_rent(number);
        }
        number.tried = self.lines;
        number.rent = match number.rent {
            Rent::Active { .. } => Rent::Grace { until: now + GRACE_DAYS * DAY, warned: false },
            Rent::Grace { until, .. } if until <= now => Rent::Suspended { until: now + RELEASE_DAYS * DAY },
            Rent::Grace { until, warned } => Rent::Grace { until, warned: warned || until - DAY <= now },
            Rent::Suspended { until } if until <= now => Rent::Released,
            same => same,
        };
    }

    // auto-reload

    /// On with the card that is the default, or off.
    pub fn switch(&mut self) {
        self.reload = Reload {
            good_card: self.good_card,
            enabled: !self.reload.enabled,
            armed: true,
            ..Reload::default()
        };
        self.moved();
    }

    fn look(&mut self, again: bool) {
        let reload = &mut self.reload;
        if !reload.enabled || reload.retry.is_some() != again {
            return;
        }
        reload.retry = None;
        if self.balance() < BELOW * CREDIT {
            self.work.push_back(Work::Buy);
        }
    }

    fn buy(&mut self, now: i64) {
        let settled = self.pays(self.reload.good_card, now);
        self.payments.push(Paid { net: BOUGHT, of_plan: false, settled, time: None });
        if settled {
            self.reload.failures = 0;
            return self.receive(Grant { paid: true, expires: None, left: BOUGHT * CREDIT });
        }
        self.reload.failures += 1;
        match self.reload.failures {
            1 => self.reload.retry = Some(now + 6 * HOUR),
            2 => self.reload.retry = Some(now + 24 * HOUR),
            _ => self.reload.enabled = false,
        }
    }

    fn carry_out(&mut self, work: Work, now: i64) {
        match work {
            Work::Fell => self.look(false),
            Work::Again => self.look(true),
            Work::Buy => self.buy(now),
            Work::Charge => {
                let pays = self.pays(self.good_card, now);
                let at = self.fee(self.sub.unwrap().plan.fee, pays);
                self.work.push_back(if pays { Work::FeePaid(at) } else { Work::FeeFailed });
            }
            Work::FeePaid(at) => {
                self.on_its_way = false;
                self.begin(at, now);
            }
            Work::FeeFailed => {
                self.on_its_way = false;
                self.unpaid(now);
            }
        }
    }

    // time

    /// Everything that is due at `now`.
    pub fn tick(&mut self, now: i64) {
        loop {
            let mut any = false;
            for at in 0..self.grants.len() {
                let grant = &mut self.grants[at];
                if grant.left > 0 && grant.expires.is_some_and(|expires| expires <= now) {
                    grant.left = 0;
                    any = true;
                    self.moved();
                }
            }
            any |= self.rent_due(now);
            any |= self.renew(now);
            loop {
                let mut batch = std::mem::take(&mut self.work);
                if self.reload.retry.is_some_and(|at| at <= now) {
                    batch.push_front(Work::Again);
                }
                if batch.is_empty() {
                    break;
                }
                for work in batch {
                    self.carry_out(work, now);
                }
                any = true;
            }
            if !any {
                return;
            }
        }
    }

    /// When the next thing happens after `now`.
    pub fn next(&self, now: i64) -> Option<i64> {
        let expiries = self.grants.iter().filter(|grant| grant.left > 0).filter_map(|grant| grant.expires);
        let rents = self.numbers.iter().filter_map(Number::next_at);
        let others = [self.sub.and_then(|sub| sub.due), self.reload.retry];
        expiries.chain(rents).chain(others.into_iter().flatten()).filter(|at| *at > now).min()
    }

    /// What should be earned of fees by a time.
    pub fn earned(&self, at: i64) -> i64 {
        let of = |(net, (from, to)): (i64, (i64, i64))| charged(net, at - from, to - from);
        self.payments.iter().filter_map(|paid| Some((paid.net, paid.time?))).map(of).sum()
    }
}
