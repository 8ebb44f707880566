//! What calls should come to: when one may begin, what it sets aside, what it is charged.

use std::collections::BTreeMap;

use tollbook::base::id::AuthorizationId;
use tollbook::base::{Credits, Quantity, Timestamp};
use tollbook::calls::{Report, Request};
use tollbook::metering::{Direction, ExternalId, Mode, UsageEvent};

use super::model::{MAX_CHARGE, MAX_OWED, MAX_QUANTITY, Model, Organization, Priced};
use super::price::{self, Found, Micros, ONE, Prices, Used, day_of};

const STRETCH: Micros = 60 * ONE;
const SHORTEST: Micros = ONE;
const LONGEST: Micros = 14_400 * ONE;
const GRACE_MS: i64 = 30_000;

/// What a call has set aside, by the place of the grant.
pub type Pins = BTreeMap<usize, Micros>;

/// What prices a call from its beginning.
#[derive(Clone, Debug)]
pub struct Tariff {
    card: String,
    version: usize,
    allowance: Option<Micros>,
    cycle: Option<i64>,
    position: Micros,
}

#[derive(Clone, Debug)]
pub struct Live {
    pins: Pins,
    billed: Micros,
    included: Micros,
    covered: Micros,
    most: Micros,
    elapsed: Micros,
    pub expires: i64,
}

#[derive(Clone, Debug)]
pub struct Over {
    expired: bool,
    held: Micros,
    elapsed: Micros,
    pub(super) charge: Option<Charged>,
}

#[derive(Clone, Debug)]
pub(super) struct Charged {
    pub(super) report: Report,
    pub(super) events: Vec<String>,
    credits: Micros,
    /// Events of nothing but what its carrier charged, which came afterwards.
    pub(super) late: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum State {
    Live(Live),
    Over(Over),
    Rejected { reason: &'static str, available: Micros, required: Micros },
}

#[derive(Clone, Debug)]
pub struct Call {
    id: i64,
    pub said: Request,
    pub started: i64,
    tariff: Option<Tariff>,
    pub state: State,
}

impl Call {
    /// What it has set aside of a cycle: units that count for tiers, units of the allowance.
    pub fn held_of(&self, meter: &str, cycle: i64) -> (Micros, Micros) {
        let here = *self.said.meter == *meter && self.tariff.as_ref().and_then(|t| t.cycle) == Some(cycle);
        match &self.state {
            State::Live(live) if here => (live.billed, live.included),
            _ => (0, 0),
        }
    }

    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    /// What was reported of it, where it was charged.
    pub fn reported(&self) -> Option<Report> {
        match &self.state {
            State::Over(over) => over.charge.as_ref().map(|charge| charge.report),
            State::Live(_) | State::Rejected { .. } => None,
        }
    }

    pub fn is_toll_free_inbound(&self) -> bool {
        self.said.toll_free && self.said.direction == Direction::Inbound
    }

    /// The credit that it has set aside.
    pub fn held(&self) -> Micros {
        match &self.state {
            State::Live(live) => live.pins.values().sum(),
            State::Over(_) | State::Rejected { .. } => 0,
        }
    }

    /// The seconds that it has set something aside for.
    pub fn covered(&self) -> Micros {
        match &self.state {
            State::Live(live) => live.covered,
            State::Over(_) | State::Rejected { .. } => 0,
        }
    }

    fn used(&self, quantity: Micros) -> Used {
        Used {
            quantity,
            toll_free_inbound: self.is_toll_free_inbound(),
            byok: self.said.byok,
            ..Used::default()
        }
    }

    fn status(&self) -> &'static str {
        match &self.state {
            State::Live(_) => "live",
            State::Over(Over { expired: true, .. }) => "expired",
            State::Over(_) => "completed",
            State::Rejected { .. } => "rejected",
        }
    }

    fn text(&self, of: &Organization) -> String {
        let id = AuthorizationId::new(self.id);
        let rest = match &self.state {
            State::Live(l) => {
                let held: Micros = l.pins.values().sum();
                format!("{held} for {} of {} after {} until {}", l.covered, l.most, l.elapsed, l.expires)
            }
            State::Over(o) => {
                let charge = o.charge.as_ref().map(|c| (c.credits, c.carried(of)));
                format!("held {} after {} charged {charge:?}", o.held, o.elapsed)
            }
            State::Rejected { reason, available, required } => format!("{reason}: {available} of {required}"),
        };
        format!(
            "{id} {} {} {} at {}: {rest}",
            self.said.external,
            self.said.meter,
            self.status(),
            self.started
        )
    }

    fn event(&self, part: &str, meter: &str, quantity: Quantity, carrier: Option<Credits>) -> UsageEvent {
        let id = format!("{}{part}", AuthorizationId::new(self.id));
        UsageEvent {
            id: ExternalId::new(&id).expect("id"),
            organization: None,
            workspace: self.said.workspace.clone(),
            agent: self.said.agent.clone(),
            number: self.said.number.clone(),
            call: Some(self.said.external.clone()),
            meter: meter.into(),
            quantity,
            occurred_at: Timestamp::from_millis(self.started),
            direction: Some(self.said.direction),
            toll_free: self.said.toll_free,
            byok: self.said.byok,
            carrier_cost: carrier,
            mode: Mode::Record,
            extra: None,
        }
    }
}

/// An organization's calls, in the order in which they were first heard of.
pub fn texts(of: &Organization, live_only: bool) -> Vec<String> {
    let mut calls: Vec<&Call> = of.calls.iter().filter(|call| !live_only || call.is_live()).collect();
    calls.sort_by_key(|call| call.id);
    calls.into_iter().map(|call| call.text(of)).collect()
}

fn found<'p>(prices: &'p Prices, tariff: &Tariff, meter: &str) -> Found<'p> {
    Found {
        card: tariff.card.clone(),
        version: tariff.version,
        rate: &prices.cards[&tariff.card][tariff.version].rates[meter],
        allowance: tariff.allowance,
        cycle: tariff.cycle,
    }
}

fn tariff(prices: &Prices, of: &Organization, meter: &str, at: i64) -> Option<Tariff> {
    let found = prices.find(&of.terms, &of.zone, meter, at)?;
    let (position, _) = of.taken(meter, found.cycle);
    let (card, version, allowance, cycle) = (found.card, found.version, found.allowance, found.cycle);
    Some(Tariff { card, version, allowance, cycle, position })
}

/// What a quantity of a call costs, and takes of allowance and tiers, apart from what it has set aside itself.
fn cost(
    prices: &Prices,
    of: &Organization,
    call: &Call,
    own: Micros,
    quantity: Micros,
) -> (Micros, Micros, Micros) {
    let tariff = call.tariff.as_ref().expect("priced");
    let found = found(prices, tariff, &call.said.meter);
    let (_, taken) = of.taken(&call.said.meter, tariff.cycle);
    let (items, included, billed) = price::rate(&found, &call.used(quantity), tariff.position, taken - own);
    (items.iter().map(|(_, _, credits)| credits).sum(), included, billed)
}

fn rounded_up(rate: &price::Rate, quantity: Micros) -> Micros {
    let wanted = quantity.max(rate.minimum);
    (wanted + rate.increment - 1) / rate.increment * rate.increment
}

/// What a call may use.
struct Room {
    credit: Micros,
    short: &'static str,
    seconds: Option<Micros>,
    plan_only: bool,
}

impl Room {
    /// Of the longest that credit covers what the number's guard leaves, and what keeps it from being longer.
    fn limit(&self, most: Micros, covered: Micros, increment: Micros) -> (Micros, &'static str) {
        match self.seconds.map(|seconds| (covered + seconds) / increment * increment) {
            Some(seconds) if seconds < most => (seconds, "toll_free_minutes"),
            _ => (most, self.short),
        }
    }
}

/// The longest that `credit` covers: found from above, increment by doubled increment.
fn longest(prices: &Prices, of: &Organization, call: &Call, own: Micros, credit: Micros) -> (Micros, Micros) {
    let tariff = call.tariff.as_ref().expect("priced");
    let rate = found(prices, tariff, &call.said.meter).rate;
    let least = rounded_up(rate, SHORTEST);
    let bound = (LONGEST.max(least) / rate.increment).max(1);
    let credit = credit.min(MAX_CHARGE);
    let covered = |n: Micros| cost(prices, of, call, own, n * rate.increment).0 <= credit;
    let mut most = 0;
    let mut step = 1;
    while step <= bound {
        step *= 2;
    }
    while step > 0 {
        if most + step <= bound && covered(most + step) {
            most += step;
        }
        step /= 2;
    }
    assert!(most == bound || !covered(most + 1), "one increment more is not covered");
    (most * rate.increment, least)
}

impl Organization {
    /// What may be set aside for a meter now, of any class and of plan credit alone.
    fn pinnable(&self, meter: &str, now: i64) -> (Micros, Micros) {
        let free = |plan_only: bool| -> Micros {
            let usable = self.grants.iter().filter(|g| g.is_live(now) && g.is_for(meter));
            usable.filter(|g| !plan_only || g.class == 1).map(super::model::Grant::free).sum()
        };
        let all = (free(false) - self.overdraft).max(0);
        (all, free(true).min(all))
    }

    /// What a call may use beyond what it has set aside: credit, why it is no more, seconds, plan credit alone.
    fn room(&self, call: &Call, now: i64) -> Room {
        let day = day_of(&self.zone, call.started);
        let agent = call.said.agent.as_deref().unwrap_or_default();
        let (tightest, plan_only) = self.headroom(agent, day);
        let (all, of_plan) = self.pinnable(&call.said.meter, now);
        let (mut credit, mut short) = (all, "insufficient_credits");
        if plan_only && (of_plan < all || of_plan == 0) {
            (credit, short) = (of_plan, "plan_exhausted");
        }
        if let Some((left, kind, _)) = tightest.filter(|(left, _, _)| *left < credit) {
            let reason =
                ["daily_limit", "monthly_limit", "per_agent_limit"].into_iter().find(|r| r.starts_with(kind));
            (credit, short) = (left, reason.expect("a kind"));
        }
        let number = call.said.number.as_deref().filter(|_| call.is_toll_free_inbound());
        let seconds =
            number.filter(|_| &*call.said.meter == "voice").and_then(|number| self.guard_leaves(number, day));
        Room { credit, short, seconds, plan_only }
    }

    fn pin(&mut self, meter: &str, now: i64, plan_only: bool, mut amount: Micros, pins: &mut Pins) {
        for place in self.draw_order() {
            let grant = &mut self.grants[place];
            let usable = grant.is_live(now) && grant.is_for(meter) && (!plan_only || grant.class == 1);
            let part = if usable { grant.free().min(amount) } else { 0 };
            if part > 0 {
                grant.held += part;
                amount -= part;
                *pins.entry(place).or_default() += part;
            }
        }
    }

    fn unpin(&mut self, mut amount: Micros, pins: &mut Pins) {
        for place in self.draw_order().into_iter().rev() {
            let pinned = pins.get(&place).copied().unwrap_or(0);
            let part = pinned.min(amount);
            self.grants[place].held -= part;
            amount -= part;
            pins.insert(place, pinned - part);
        }
        pins.retain(|_, part| *part > 0);
        self.catch();
    }

    pub fn call(&self, external: &ExternalId, meter: &str) -> Option<usize> {
        self.calls.iter().position(|call| call.said.external == *external && *call.said.meter == *meter)
    }

    /// The leg that is meant by the call's name alone.
    fn leg(&self, external: &ExternalId) -> Option<usize> {
        let legs = (0..self.calls.len()).filter(|place| self.calls[*place].said.external == *external);
        legs.max_by_key(|place| (self.calls[*place].is_live(), self.calls[*place].id))
    }
}

/// What is made of a charge, before it is: the event and its price.
type Made = (UsageEvent, Priced);

impl Model {
    /// Works on an organization that is taken out for the while.
    fn with<T>(&mut self, of: usize, work: impl FnOnce(&mut Self, &mut Organization) -> T) -> T {
        let mut organization = self.organizations[of].clone();
        let done = work(self, &mut organization);
        self.organizations[of] = organization;
        done
    }

    pub fn authorize(&mut self, of: usize, said: &Request) -> String {
        if !self.prices.meters.iter().any(|m| **m == *said.meter) {
            return "no meter".into();
        }
        if !matches!(&*said.meter, "voice" | "transfer_minute") {
            return "not timed".into();
        }
        self.with(of, |model, to| model.ask(to, said))
    }

    fn ask(&mut self, to: &mut Organization, said: &Request) -> String {
        self.end_due(to);
        let now = self.now;
        let known = to.call(&said.external, &said.meter);
        if let Some(call) = known.map(|place| &to.calls[place]) {
            match &call.state {
                _ if call.said != *said => return "conflict".into(),
                State::Live(_) => return format!("again {}", call.text(to)),
                State::Over(_) => return format!("ended {}", call.status()),
                State::Rejected { .. } => {}
            }
        }
        let Some(tariff) = tariff(&self.prices, to, &said.meter, now) else { return "no rate".into() };
        let id = known.map_or(self.next_call, |place| to.calls[place].id);
        self.next_call = self.next_call.max(id + 1);
        to.settle(&mut self.next_line, now);
        let state = State::Rejected { reason: "", available: 0, required: 0 };
        let mut call = Call { id, said: said.clone(), started: now, tariff: Some(tariff), state };
        let room = to.room(&call, now);
        let (most, least) = longest(&self.prices, to, &call, 0, room.credit);
        let increment =
            found(&self.prices, call.tariff.as_ref().expect("priced"), &said.meter).rate.increment;
        let (most, short) = room.limit(most, 0, increment);
        self.see(to, said);
        if to.suspended || most < least {
            let (required, _, _) = cost(&self.prices, to, &call, 0, least);
            let reason = if to.suspended { "organization_suspended" } else { short };
            call.state = State::Rejected { reason, available: room.credit, required };
        } else {
            let rate = found(&self.prices, call.tariff.as_ref().expect("priced"), &said.meter).rate;
            let covered = rounded_up(rate, STRETCH).min(most);
            let mut live = Live {
                pins: Pins::new(),
                billed: 0,
                included: 0,
                covered,
                most,
                elapsed: 0,
                expires: now + millis(covered) + GRACE_MS,
            };
            self.cover(to, &call, &mut live, room.plan_only);
            call.state = State::Live(live);
            to.close(now);
        }
        let answer = call.text(to);
        match known {
            Some(place) => to.calls[place] = call,
            None => to.calls.push(call),
        }
        answer
    }

    /// Makes the pins pay for what is to be covered.
    fn cover(&self, to: &mut Organization, call: &Call, live: &mut Live, plan_only: bool) {
        let (total, included, billed) = cost(&self.prices, to, call, live.included, live.covered);
        let held: Micros = live.pins.values().sum();
        if total >= held {
            to.pin(&call.said.meter, self.now, plan_only, total - held, &mut live.pins);
        } else {
            to.unpin(held - total, &mut live.pins);
        }
        if call.tariff.as_ref().expect("priced").cycle.is_some() {
            (live.included, live.billed) = (included, billed);
        }
    }

    pub fn extend(&mut self, of: usize, external: &ExternalId, elapsed: Quantity) -> String {
        if self.organizations[of].leg(external).is_none() {
            return "not found".into();
        }
        if elapsed.micros() > MAX_QUANTITY {
            return "too much".into();
        }
        self.with(of, |model, to| model.go_on(to, external, elapsed))
    }

    fn go_on(&mut self, to: &mut Organization, external: &ExternalId, elapsed: Quantity) -> String {
        // the leg is found before those that are due end
        let place = to.leg(external).expect("it is there");
        self.end_due(to);
        let now = self.now;
        let call = to.calls[place].clone();
        let State::Live(mut live) = call.state.clone() else {
            let ended = if call.status() == "expired" { "hold ended" } else { "ended" };
            return format!("{ended} {}", call.status());
        };
        live.elapsed = live.elapsed.max(elapsed.micros().into());
        to.settle(&mut self.next_line, now);
        let held: Micros = live.pins.values().sum();
        let room = to.room(&call, now);
        let (most, _) = longest(&self.prices, to, &call, live.included, held + room.credit);
        let rate = found(&self.prices, call.tariff.as_ref().expect("priced"), &call.said.meter).rate;
        let (most, _) = room.limit(most, live.covered, rate.increment);
        live.most = most.max(live.covered);
        live.covered = rounded_up(rate, live.elapsed + STRETCH).min(live.most).max(live.covered);
        self.cover(to, &call, &mut live, room.plan_only);
        live.expires = now + millis((live.covered - live.elapsed).max(0)) + GRACE_MS;
        let left = (live.most - live.elapsed).max(0);
        to.calls[place].state = State::Live(live);
        to.close(now);
        let goes_on = if left > 0 { "go on" } else { "stop" };
        let warn = if left < 60 * ONE { " soon" } else { "" };
        format!("{goes_on} for {left} until {}{warn}: {}", now + millis(left), to.calls[place].text(to))
    }

    /// Ends every call of an organization that was not heard of in time, soonest first.
    fn end_due(&mut self, to: &mut Organization) -> usize {
        let mut due: Vec<(i64, i64, usize)> = Vec::new();
        for (place, call) in to.calls.iter().enumerate() {
            if let State::Live(live) = &call.state
                && live.expires <= self.now
            {
                due.push((live.expires, call.id, place));
            }
        }
        due.sort_unstable();
        for (_, _, place) in &due {
            self.lose(to, *place);
        }
        due.len()
    }

    pub fn end_all_due(&mut self) -> String {
        // over all organizations in one order, as their lines are numbered together
        let mut due: Vec<(i64, i64, usize, usize)> = Vec::new();
        for (of, organization) in self.organizations.iter().enumerate() {
            for (place, call) in organization.calls.iter().enumerate() {
                if let State::Live(live) = &call.state
                    && live.expires <= self.now
                {
                    due.push((live.expires, call.id, of, place));
                }
            }
        }
        due.sort_unstable();
        for (_, _, of, place) in &due {
            self.with(*of, |model, to| model.lose(to, *place));
        }
        format!("{} ended", due.len())
    }

    /// A call ends by itself.
    fn lose(&mut self, to: &mut Organization, place: usize) {
        let call = to.calls[place].clone();
        let State::Live(mut live) = call.state.clone() else { return };
        let held: Micros = live.pins.values().sum();
        let duration = Quantity::from_micros(i64::try_from(live.elapsed).expect("in range"));
        let report = Report { duration, transfer: None, carrier_cost: None };
        let mut charge = None;
        if live.elapsed > 0
            && let Ok(made) = self.made(to, &call, live.included, &report, "")
        {
            charge = Some(self.charged(to, made, &mut live.pins, report).0);
        }
        self.let_go(to, place, &mut live.pins);
        to.calls[place].state = State::Over(Over { expired: true, held, elapsed: live.elapsed, charge });
    }

    fn let_go(&mut self, to: &mut Organization, place: usize, pins: &mut Pins) {
        let all = pins.values().sum();
        to.unpin(all, pins);
        if let State::Live(live) = &mut to.calls[place].state {
            (live.billed, live.included) = (0, 0);
        }
        to.settle(&mut self.next_line, self.now);
        to.close(self.now);
    }

    /// The charges of a report, unless something is wrong with them.
    fn made(
        &mut self,
        to: &mut Organization,
        call: &Call,
        own: Micros,
        report: &Report,
        part: &str,
    ) -> Result<Vec<Made>, String> {
        let bounded = call.tariff.is_none();
        let mut legs = vec![(call.said.meter.to_string(), part, report.duration, report.carrier_cost)];
        if let Some(transfer) = report.transfer.filter(|t| t.is_positive()) {
            legs.push(("transfer_minute".to_owned(), ".transfer", transfer, None));
        }
        let mut made = Vec::new();
        for (place, (meter, part, quantity, carrier)) in legs.into_iter().enumerate() {
            let known = call.tariff.clone().filter(|_| place == 0);
            let tariff = match known {
                Some(tariff) => tariff,
                None => tariff(&self.prices, to, &meter, call.started).ok_or("no rate")?,
            };
            let said = call.event(part, &meter, quantity, carrier);
            if bounded {
                self.check(&said)?;
            } else if quantity.micros() > MAX_QUANTITY {
                return Err("too much".into());
            }
            let found = found(&self.prices, &tariff, &meter);
            let own = if place == 0 { own } else { 0 };
            let used =
                Used { carrier: carrier.map(|c| c.micros().into()), ..call.used(quantity.micros().into()) };
            let (_, taken) = to.taken(&meter, tariff.cycle);
            let (items, of_allowance, of_tiers) = price::rate(&found, &used, tariff.position, taken - own);
            let total: Micros = items.iter().map(|(_, _, credits)| credits).sum();
            if total > MAX_CHARGE {
                return Err("unpriceable".into());
            }
            let price = Priced { rate: found.name(), cycle: tariff.cycle, items, of_allowance, of_tiers };
            to.settle(&mut self.next_line, self.now);
            if to.balance() - total < -MAX_OWED {
                return Err("unpriceable".into());
            }
            made.push((said, price));
        }
        Ok(made)
    }

    fn charged(
        &mut self,
        to: &mut Organization,
        made: Vec<Made>,
        pins: &mut Pins,
        report: Report,
    ) -> (Charged, Vec<String>) {
        let (mut events, mut answers, mut credits) = (Vec::new(), Vec::new(), 0);
        for (said, price) in made {
            credits += price.items.iter().map(|(_, _, credits)| credits).sum::<Micros>();
            answers.push(self.charge(to, &said, price, false, pins));
            events.push(said.id.to_string());
        }
        pins.retain(|_, part| *part > 0);
        (Charged { report, events, credits, late: Vec::new() }, answers)
    }

    pub fn capture(&mut self, of: usize, external: &ExternalId, report: &Report) -> String {
        let Some(place) = self.organizations[of].leg(external) else { return "not found".into() };
        self.with(of, |model, to| model.over(to, place, report)).unwrap_or_else(|refused| refused)
    }

    /// Whoever is named by a call is known from then on.
    fn see(&mut self, of: &Organization, said: &Request) {
        let place = self.organizations.iter().position(|o| o.name == of.name).expect("it is there");
        self.agents_seen.extend(said.agent.iter().map(|agent| (place, agent.to_string())));
    }

    pub fn capture_unasked(
        &mut self,
        of: usize,
        said: &Request,
        started: Option<i64>,
        report: &Report,
    ) -> String {
        if !self.prices.meters.iter().any(|m| **m == *said.meter) {
            return "no meter".into();
        }
        if !matches!(&*said.meter, "voice" | "transfer_minute") {
            return "not timed".into();
        }
        if let Some(place) = self.organizations[of].call(&said.external, &said.meter) {
            if self.organizations[of].calls[place].said != *said {
                return "conflict".into();
            }
            return self
                .with(of, |model, to| model.over(to, place, report))
                .unwrap_or_else(|refused| refused);
        }
        let lasted = millis(report.duration.micros().into())
            + report.transfer.map_or(0, |t| millis(t.micros().into()));
        let started = started.unwrap_or(self.now - lasted);
        let state = State::Rejected { reason: "", available: 0, required: 0 };
        let call = Call { id: self.next_call, said: said.clone(), started, tariff: None, state };
        let done = self.with(of, |model, to| {
            model.see(to, said);
            to.calls.push(call);
            let done = model.over(to, to.calls.len() - 1, report);
            if done.is_err() {
                to.calls.pop();
            }
            done
        });
        if done.is_ok() {
            self.next_call += 1;
        }
        done.unwrap_or_else(|refused| refused)
    }

    fn over(&mut self, to: &mut Organization, place: usize, report: &Report) -> Result<String, String> {
        let mut call = to.calls[place].clone();
        if &*call.said.meter == "transfer_minute" && report.transfer.is_some_and(Quantity::is_positive) {
            return Err("forwarded".into());
        }
        let (mut pins, own, elapsed, before) = match &mut call.state {
            State::Live(live) => (live.pins.clone(), live.included, live.elapsed, None),
            State::Over(over) => {
                (Pins::new(), 0, over.elapsed, over.charge.clone().map(|c| (over.clone(), c)))
            }
            State::Rejected { .. } => (Pins::new(), 0, 0, None),
        };
        let mut part = "";
        if let Some((over, charge)) = before {
            if charge.report == *report {
                to.calls[place].state = State::Over(Over { expired: false, ..over.clone() });
                let receipts: Vec<String> = charge.events.iter().map(|id| receipt(to, id)).collect();
                let again = if over.expired { "now" } else { "again" };
                return Ok(captured(to, again, &receipts, charge.credits, over.held, &to.calls[place]));
            }
            if !over.expired {
                return Err("conflict".into());
            }
            // what was last heard of it is taken back, unless that was done by hand
            self.made(to, &call, 0, report, ".late")?;
            part = ".late";
            self.take_back_of(to, &charge.events[0]);
        }
        let held: Micros = pins.values().sum();
        let made = self.made(to, &call, own, report, part)?;
        let tariff = call.tariff.clone().or_else(|| tariff(&self.prices, to, &call.said.meter, call.started));
        let had_price = call.tariff.is_some();
        let (charge, receipts) = self.charged(to, made, &mut pins, *report);
        if had_price {
            self.let_go(to, place, &mut pins);
        }
        let credits = charge.credits;
        to.calls[place].tariff = tariff;
        to.calls[place].state = State::Over(Over { expired: false, held, elapsed, charge: Some(charge) });
        to.close(self.now);
        Ok(captured(to, "now", &receipts, credits, held, &to.calls[place]))
    }

    /// Voids an event of an organization that is taken out.
    fn take_back_of(&mut self, to: &mut Organization, event: &str) {
        let place = self.organizations.iter().position(|o| o.name == to.name).expect("it is there");
        std::mem::swap(&mut self.organizations[place], to);
        self.void(place, event).expect("it is there");
        std::mem::swap(&mut self.organizations[place], to);
    }

    pub fn release(&mut self, of: usize, external: &ExternalId) -> String {
        let Some(place) = self.organizations[of].leg(external) else { return "not found".into() };
        self.with(of, |model, to| {
            let call = to.calls[place].clone();
            match call.state {
                State::Live(mut live) => {
                    let held = live.pins.values().sum();
                    model.let_go(to, place, &mut live.pins);
                    let over = Over { expired: false, held, elapsed: live.elapsed, charge: None };
                    to.calls[place].state = State::Over(over);
                    format!("now {}", to.calls[place].text(to))
                }
                State::Over(Over { charge: Some(_), .. }) => format!("ended {}", call.status()),
                State::Over(_) | State::Rejected { .. } => format!("again {}", call.text(to)),
            }
        })
    }
}

fn receipt(of: &Organization, id: &str) -> String {
    let event = &of.events[id];
    event.receipt(&event.items, event.total, event.after)
}

fn captured(
    of: &Organization,
    when: &str,
    receipts: &[String],
    credits: Micros,
    held: Micros,
    call: &Call,
) -> String {
    let above = (credits - held).max(0);
    format!("{when} {} beyond {above}: {}", receipts.join(" and "), call.text(of))
}

fn millis(quantity: Micros) -> i64 {
    i64::try_from(quantity / 1_000).expect("in range")
}
