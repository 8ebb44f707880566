//! What the book should say: kept in plain structures, added up from history whenever it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tollbook::metering::{Direction, Mode, OrganizationRef, UsageEvent};

use super::calls::{Call, Pins};
use super::limits::Limits;
use super::money::{Books, Money};
use super::price::{self, Micros, Prices, Terms, Used, day_of};
use super::sales::{Claim, Shop};
use crate::ledger_kit::GRACE_MS;

const DAY_MS: i64 = 86_400_000;
const MAX_AGE_MS: i64 = 35 * DAY_MS;
const MAX_FUTURE_MS: i64 = 300_000;
pub const MAX_QUANTITY: i64 = 1_000_000_000_000_000;
pub const MAX_CHARGE: Micros = 1_000_000_000_000_000;
pub const MAX_OWED: Micros = 100_000_000_000_000_000;

/// Where a charge was drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    Grant(usize),
    Overdraft,
}

#[derive(Clone, Debug)]
pub struct Grant {
    /// 0 free, 1 plan, 2 paid.
    pub class: usize,
    pub priority: Option<i64>,
    pub expires: Option<i64>,
    pub created: i64,
    pub meters: Option<Vec<String>>,
    pub original: Micros,
    pub remaining: Micros,
    /// What calls in progress have set aside of it.
    pub held: Micros,
    pub expired: Micros,
    /// Something can still be drawn from it, or come back.
    pub open: bool,
    /// The line it came with.
    pub line: i64,
    pub money: Money,
}

impl Grant {
    pub fn free(&self) -> Micros {
        self.remaining - self.held
    }

    pub fn is_for(&self, meter: &str) -> bool {
        self.meters.as_ref().is_none_or(|meters| meters.iter().any(|m| m == meter))
    }

    pub fn is_live(&self, now: i64) -> bool {
        self.expires.is_none_or(|at| now < at)
    }

    fn serves(&self, work: &Work<'_>) -> bool {
        let in_time = match self.expires {
            Some(at) if work.now >= at => work.occurred < at && work.now < at + GRACE_MS,
            _ => true,
        };
        let of_class = !work.plan_only || self.class == 1;
        of_class && in_time && self.is_for(work.meter)
    }
}

pub struct Work<'a> {
    pub meter: &'a str,
    pub occurred: i64,
    pub now: i64,
    /// It may draw on plan credit alone.
    pub plan_only: bool,
}

#[derive(Clone, Debug)]
pub struct Line {
    pub id: i64,
    pub kind: &'static str,
    pub amount: Micros,
    pub after: Micros,
    pub at: i64,
    pub corrects: Option<i64>,
    /// Of usage: the event's id, meter, reported quantity, time.
    pub usage: Option<(String, String, Micros, i64)>,
}

#[derive(Clone, Debug)]
pub struct Item {
    pub id: i64,
    pub kind: &'static str,
    pub quantity: Micros,
    pub credits: Micros,
    pub drawn: Vec<(Source, Micros)>,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub said: UsageEvent,
    pub rate: String,
    pub items: Vec<Item>,
    pub total: Micros,
    pub after: Micros,
    cycle: Option<i64>,
    of_allowance: Micros,
    of_tiers: Micros,
    void: Option<String>,
}

/// What a charge comes to, before it is made.
#[derive(Clone, Debug)]
pub struct Priced {
    pub rate: String,
    pub cycle: Option<i64>,
    pub items: Vec<price::Item>,
    pub of_allowance: Micros,
    pub of_tiers: Micros,
}

/// What reports add up: an event, or an event taken back.
#[derive(Clone, Debug)]
pub struct Posted {
    pub head: i64,
    pub day: Date,
    pub occurred: i64,
    pub meter: String,
    pub agent: String,
    pub number: String,
    pub workspace: String,
    pub quantity: Micros,
    pub reported: Micros,
    pub credits: Micros,
    pub events: i64,
}

#[derive(Clone, Debug)]
pub struct Organization {
    pub name: String,
    pub zone: TimeZone,
    pub suspended: bool,
    pub terms: Vec<Terms>,
    pub grants: Vec<Grant>,
    pub overdraft: Micros,
    /// What disputes want of grants beyond what they froze, the first first.
    pub claims: Vec<Claim>,
    pub lines: Vec<Line>,
    pub events: BTreeMap<String, Event>,
    pub posted: Vec<Posted>,
    pub cycles: BTreeMap<(String, i64), (Micros, Micros)>,
    pub calls: Vec<Call>,
    pub limits: Limits,
}

/// Credit to be given.
#[derive(Clone, Debug)]
pub struct Credit {
    pub amount: i64,
    pub class: usize,
    pub priority: Option<i64>,
    pub expires: Option<i64>,
    pub meters: Option<Vec<String>>,
    pub cost_minor: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub prices: Prices,
    pub organizations: Vec<Organization>,
    pub now: i64,
    pub next_line: i64,
    pub next_call: i64,
    pub books: Books,
    pub shop: Shop,
    /// Agents that something was said about, by their organization's place.
    pub agents_seen: BTreeSet<(usize, String)>,
}

impl Organization {
    pub fn new(name: &str, zone: &str) -> Self {
        Self {
            name: name.to_owned(),
            zone: TimeZone::get(zone).expect("zone"),
            suspended: false,
            terms: Vec::new(),
            grants: Vec::new(),
            overdraft: 0,
            claims: Vec::new(),
            lines: Vec::new(),
            events: BTreeMap::new(),
            posted: Vec::new(),
            cycles: BTreeMap::new(),
            calls: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// All that is left of grants, expired or not, less what is owed.
    pub fn balance(&self) -> Micros {
        self.grants.iter().map(|g| g.remaining).sum::<Micros>() - self.overdraft
    }

    /// What is left of a class: of expired grants what calls in progress have set aside.
    pub fn left(&self, class: usize, now: i64) -> Micros {
        let left = |g: &Grant| if g.is_live(now) { g.remaining } else { g.held };
        self.grants.iter().filter(|g| g.class == class).map(left).sum()
    }

    /// What may be taken back of a class.
    fn takeable(&self, class: usize, now: i64) -> Micros {
        self.grants.iter().filter(|g| g.class == class && g.is_live(now)).map(Grant::free).sum()
    }

    /// What is used of a cycle, or set aside: units that count for tiers, units of the allowance.
    pub fn taken(&self, meter: &str, cycle: Option<i64>) -> (Micros, Micros) {
        let Some(cycle) = cycle else { return (0, 0) };
        let used = self.cycles.get(&(meter.to_owned(), cycle)).copied().unwrap_or_default();
        self.calls.iter().fold(used, |(billed, included), call| {
            let (more, of_allowance) = call.held_of(meter, cycle);
            (billed + more, included + of_allowance)
        })
    }

    /// The places of all grants, in the order in which they are drawn.
    pub fn draw_order(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.grants.len()).collect();
        places.sort_by_key(|place| {
            let g = &self.grants[*place];
            let turn = g.priority.unwrap_or([100, 200, 300][g.class]);
            (turn, g.expires.unwrap_or(i64::MAX), g.created, *place)
        });
        places
    }

    pub fn line(&mut self, next: &mut i64, line: Line) {
        assert_eq!(line.after, self.balance(), "the model adds up");
        *next = (*next).max(line.id + 1);
        self.lines.push(line);
    }

    /// Moves out what has expired.
    pub fn settle(&mut self, next: &mut i64, now: i64) {
        let mut any = false;
        for place in self.draw_order() {
            let grant = &mut self.grants[place];
            let rest = grant.free();
            if grant.is_live(now) || rest == 0 {
                continue;
            }
            grant.remaining -= rest;
            grant.expired += rest;
            any = true;
            let after = self.balance();
            let (id, amount) = (*next, -rest);
            self.line(next, Line { id, kind: "expiry", amount, after, at: now, corrects: None, usage: None });
        }
        if any {
            self.close(now);
        }
    }

    /// Grants that are used up are looked at no more.
    pub fn close(&mut self, now: i64) {
        for grant in &mut self.grants {
            let may_return = grant.expired > 0 && grant.expires.expect("it has expired") + GRACE_MS > now;
            if grant.remaining == 0 && !may_return {
                grant.open = false;
            }
        }
    }

    fn available(&self, work: &Work<'_>) -> Micros {
        let usable: Micros = self
            .grants
            .iter()
            .filter(|g| g.serves(work))
            .map(|g| g.free() + if g.is_live(work.now) { 0 } else { g.expired })
            .sum();
        usable - self.overdraft
    }

    /// Brings expired credit back that work done before the expiry needs.
    fn revive(&mut self, next: &mut i64, work: &Work<'_>, mut amount: Micros) {
        for place in self.draw_order() {
            let grant = &mut self.grants[place];
            if !grant.serves(work) {
                continue;
            }
            amount -= grant.free().min(amount);
            let back = if grant.is_live(work.now) { 0 } else { grant.expired.min(amount) };
            if back > 0 {
                grant.expired -= back;
                grant.remaining += back;
                amount -= back;
                let after = self.balance();
                let id = *next;
                let line = Line {
                    id,
                    kind: "reversal",
                    amount: back,
                    after,
                    at: work.now,
                    corrects: None,
                    usage: None,
                };
                self.line(next, line);
            }
        }
    }

    fn draw(&mut self, work: &Work<'_>, mut amount: Micros, own: &mut Pins) -> Vec<(Source, Micros)> {
        let mut drawn: BTreeMap<usize, Micros> = BTreeMap::new();
        for place in self.draw_order() {
            let grant = &mut self.grants[place];
            let pinned = own.get(&place).copied().unwrap_or(0);
            let part = if grant.is_for(work.meter) { pinned.min(amount) } else { 0 };
            if part > 0 {
                own.insert(place, pinned - part);
                grant.held -= part;
                grant.remaining -= part;
                amount -= part;
                *drawn.entry(place).or_default() += part;
            }
        }
        for place in self.draw_order() {
            let grant = &mut self.grants[place];
            let part = if grant.serves(work) { grant.free().min(amount) } else { 0 };
            if part > 0 {
                grant.remaining -= part;
                amount -= part;
                *drawn.entry(place).or_default() += part;
            }
        }
        let mut drawn: Vec<_> = drawn.into_iter().map(|(place, part)| (Source::Grant(place), part)).collect();
        if amount > 0 {
            self.overdraft += amount;
            drawn.push((Source::Overdraft, amount));
        }
        drawn
    }

    fn post(&mut self, event: &Event, head: i64, sign: i64) {
        let said = &event.said;
        let name = |id: &Option<Box<str>>| id.as_deref().unwrap_or_default().to_owned();
        let counted = event.items.iter().filter(|i| !matches!(i.kind, "surcharge" | "pass_through"));
        let times = Micros::from(sign);
        self.posted.push(Posted {
            head,
            day: day_of(&self.zone, said.occurred_at.millis()),
            occurred: said.occurred_at.millis(),
            meter: said.meter.to_string(),
            agent: name(&said.agent),
            number: name(&said.number),
            workspace: name(&said.workspace),
            quantity: times * counted.map(|i| i.quantity).sum::<Micros>(),
            reported: times * Micros::from(said.quantity.micros()),
            credits: times * event.total,
            events: sign,
        });
    }
}

/// How an answer about an event is written down, to be compared as text.
pub fn receipt(
    rate: &str,
    meter: &str,
    items: &[(i64, &str, Micros, Micros)],
    total: Micros,
    after: Micros,
) -> String {
    let mut text = format!("{meter} by {rate}:");
    for (id, kind, quantity, credits) in items {
        write!(text, " [{id} {kind} {quantity} {credits}]").expect("text");
    }
    write!(text, " = {total}, then {after}").expect("text");
    text
}

impl Event {
    /// It was not taken back.
    pub const fn is_standing(&self) -> bool {
        self.void.is_none()
    }

    pub fn receipt(&self, items: &[Item], total: Micros, after: Micros) -> String {
        let items: Vec<_> = items.iter().map(|i| (i.id, i.kind, i.quantity, i.credits)).collect();
        receipt(&self.rate, &self.said.meter, &items, total, after)
    }
}

impl Model {
    pub fn record(&mut self, caller: Option<usize>, fallback: Option<usize>, said: &UsageEvent) -> String {
        let named = match &said.organization {
            Some(OrganizationRef::External(name)) => self.organizations.iter().position(|o| o.name == **name),
            Some(OrganizationRef::Id(id)) => usize::try_from(id.number() - 1).ok(),
            None => caller.or(fallback),
        };
        let Some(place) = named else { return "no organization".into() };
        if caller.is_some_and(|own| own != place) {
            return "foreign".into();
        }
        if place >= self.organizations.len() {
            return "no organization".into();
        }
        let mut organization = self.organizations[place].clone();
        let answer = self.take(&mut organization, said);
        self.organizations[place] = organization;
        answer.unwrap_or_else(|refused| refused)
    }

    fn take(&mut self, to: &mut Organization, said: &UsageEvent) -> Result<String, String> {
        if let Some(known) = to.events.get(&said.id.to_string()) {
            let same = UsageEvent { organization: None, ..said.clone() } == known.said;
            let first = known.receipt(&known.items, known.total, known.after);
            return Err(if same { format!("duplicate {first}") } else { "conflict".into() });
        }
        if said.id.to_string().starts_with("auth_") {
            return Err("reserved".into());
        }
        self.check(said)?;
        let late = to.late(said);
        let (found, items, of_allowance, of_tiers) = self.priced(to, said, late)?;
        let total: Micros = items.iter().map(|(_, _, credits)| credits).sum();
        let price = Priced { rate: found.name(), cycle: found.cycle, items, of_allowance, of_tiers };
        let (now, occurred) = (self.now, said.occurred_at.millis());
        to.settle(&mut self.next_line, now);
        let mut work = Work { meter: &said.meter, occurred, now, plan_only: false };
        if to.balance() - total < -MAX_OWED {
            return Err("unpriceable".into());
        }
        if said.mode == Mode::Enforce {
            if to.suspended {
                return Err("suspended".into());
            }
            let plan_only = to.limited(said, total)?;
            let available = to.available(&work).max(0);
            if available < total {
                return Err(format!("insufficient {available} of {total}"));
            }
            work.plan_only = plan_only;
            let available = to.available(&work).max(0);
            if available < total {
                return Err(format!("plan exhausted {available} of {total}"));
            }
        }
        let answer = self.charge(to, said, price, work.plan_only, &mut Pins::new());
        if let Some(call) = late {
            to.calls[call].carry(&said.id.to_string());
        }
        Ok(format!("charged {answer}"))
    }

    /// Charges what was checked, from what was set aside for it first.
    pub fn charge(
        &mut self,
        to: &mut Organization,
        said: &UsageEvent,
        price: Priced,
        plan_only: bool,
        own: &mut Pins,
    ) -> String {
        let Priced { rate, cycle, items, of_allowance, of_tiers } = price;
        let total: Micros = items.iter().map(|(_, _, credits)| credits).sum();
        let (now, occurred) = (self.now, said.occurred_at.millis());
        let work = Work { meter: &said.meter, occurred, now, plan_only };
        if let Some(cycle) = cycle {
            let counted = to.cycles.entry((said.meter.to_string(), cycle)).or_default();
            counted.0 += of_tiers;
            counted.1 += of_allowance;
        }
        let pinned: Micros = own
            .iter()
            .filter(|(place, _)| to.grants[**place].is_for(&said.meter))
            .map(|(_, part)| part)
            .sum();
        to.revive(&mut self.next_line, &work, (total - pinned).max(0));
        let head = self.next_line;
        let items: Vec<Item> = (head..)
            .zip(items)
            .map(|(id, (kind, quantity, credits))| Item {
                id,
                kind,
                quantity,
                credits,
                drawn: to.draw(&work, credits, own),
            })
            .collect();
        self.next_line += i64::try_from(items.len()).expect("few");
        let after = to.balance();
        let usage = Some(self.usage(said, 1));
        let line = Line { id: head, kind: "usage", amount: -total, after, at: now, corrects: None, usage };
        to.line(&mut self.next_line, line);
        let said = UsageEvent { organization: None, ..said.clone() };
        let event = Event { said, rate, items, total, after, cycle, of_allowance, of_tiers, void: None };
        to.post(&event, head, 1);
        to.close(now);
        let answer = event.receipt(&event.items, total, after);
        let agents: Vec<String> = event.said.agent.iter().map(ToString::to_string).collect();
        if total > 0 {
            to.tell(day_of(&to.zone, occurred), &agents, now);
        }
        to.events.insert(event.said.id.to_string(), event);
        answer
    }

    pub fn check(&self, said: &UsageEvent) -> Result<(), String> {
        let (quantity, occurred) = (said.quantity.micros(), said.occurred_at.millis());
        let refused = if quantity < 0 || said.carrier_cost.is_some_and(|cost| cost.micros() < 0) {
            "negative"
        } else if quantity > MAX_QUANTITY {
            "too much"
        } else if occurred < self.now - MAX_AGE_MS {
            "too old"
        } else if occurred > self.now + MAX_FUTURE_MS {
            "in the future"
        } else if !self.prices.meters.iter().any(|m| **m == *said.meter) {
            "no meter"
        } else {
            return Ok(());
        };
        Err(refused.into())
    }

    #[allow(clippy::type_complexity)]
    fn priced(
        &self,
        of: &Organization,
        said: &UsageEvent,
        late: Option<usize>,
    ) -> Result<(price::Found<'_>, Vec<price::Item>, Micros, Micros), String> {
        let occurred = said.occurred_at.millis();
        let found = self.prices.find(&of.terms, &of.zone, &said.meter, occurred).ok_or("no rate")?;
        let (billed, included) = of.taken(&said.meter, found.cycle);
        let used = Used {
            quantity: Micros::from(said.quantity.micros()),
            toll_free_inbound: late.is_some_and(|call| of.calls[call].is_toll_free_inbound())
                || (said.toll_free && said.direction != Some(Direction::Outbound)),
            byok: said.byok,
            carrier: said.carrier_cost.map(|cost| Micros::from(cost.micros())),
            surcharge_before: late.map_or(0, |call| of.calls[call].surcharge_left(of)),
        };
        let (items, of_allowance, of_tiers) = price::rate(&found, &used, billed, included);
        if items.iter().map(|(_, _, credits)| credits).sum::<Micros>() > MAX_CHARGE {
            return Err("unpriceable".into());
        }
        Ok((found, items, of_allowance, of_tiers))
    }

    /// What an estimate should answer.
    pub fn estimate(&self, place: usize, said: &UsageEvent) -> String {
        if !self.prices.meters.iter().any(|m| **m == *said.meter) {
            return "no meter".into();
        }
        match self.priced(&self.organizations[place], said, None) {
            Err(refused) => refused,
            Ok((found, items, _, _)) => {
                let items: Vec<_> = items.iter().filter(|(_, q, c)| (*q, *c) != (0, 0)).collect();
                format!("{}/{} {items:?}", found.card, found.version + 1)
            }
        }
    }

    #[allow(clippy::unused_self)]
    fn usage(&self, said: &UsageEvent, sign: Micros) -> (String, String, Micros, i64) {
        let reported = sign * Micros::from(said.quantity.micros());
        (said.id.to_string(), said.meter.to_string(), reported, said.occurred_at.millis())
    }

    pub fn void(&mut self, place: usize, id: &str) -> Result<String, String> {
        let now = self.now;
        let Some(event) = self.organizations[place].events.get(id).cloned() else {
            return Err("no such event".into());
        };
        if let Some(answer) = event.void {
            return Ok(format!("again {answer}"));
        }
        let to = &mut self.organizations[place];
        let mut surplus = 0;
        for (source, amount) in event.items.iter().flat_map(|item| &item.drawn) {
            match source {
                Source::Grant(place) => {
                    to.grants[*place].remaining += amount;
                    to.grants[*place].open = true;
                    to.grants[*place].money.settled = false;
                }
                Source::Overdraft => {
                    let repaid = to.overdraft.min(*amount);
                    to.overdraft -= repaid;
                    surplus += amount - repaid;
                }
            }
        }
        to.catch();
        if surplus > 0 {
            to.grants.push(Grant {
                class: 2,
                priority: None,
                expires: None,
                created: now,
                meters: None,
                original: surplus,
                remaining: surplus,
                held: 0,
                expired: 0,
                open: true,
                line: event.items[0].id,
                money: Money::default(),
            });
        }
        let head = self.next_line;
        let items: Vec<Item> = (head..)
            .zip(&event.items)
            .map(|(id, item)| Item {
                id,
                kind: item.kind,
                quantity: -item.quantity,
                credits: -item.credits,
                drawn: Vec::new(),
            })
            .collect();
        let usage = Some(self.usage(&event.said, -1));
        self.next_line += i64::try_from(items.len()).expect("few");
        let to = &mut self.organizations[place];
        let after = to.balance();
        let corrects = Some(event.items[0].id);
        let line = Line { id: head, kind: "reversal", amount: event.total, after, at: now, corrects, usage };
        to.line(&mut self.next_line, line);
        if let Some(cycle) = event.cycle {
            let counted = to.cycles.get_mut(&(event.said.meter.to_string(), cycle)).expect("counted");
            counted.0 -= event.of_tiers;
            counted.1 -= event.of_allowance;
        }
        to.post(&event, head, -1);
        to.close(now);
        let answer = event.receipt(&items, -event.total, after);
        to.events.get_mut(id).expect("it is there").void = Some(answer.clone());
        Ok(format!("voided {answer}"))
    }

    pub fn credit(&mut self, place: usize, new: &Credit) -> Result<String, String> {
        if new.amount <= 0 {
            return Err("not positive".into());
        }
        if new.expires.is_some_and(|at| at <= self.now) {
            return Err("expiry in the past".into());
        }
        let (now, amount) = (self.now, Micros::from(new.amount));
        self.shop.received(new.cost_minor.unwrap_or(0).into());
        let to = &mut self.organizations[place];
        to.settle(&mut self.next_line, now);
        let repaid = to.overdraft.min(amount);
        to.overdraft -= repaid;
        let line = self.next_line;
        to.grants.push(Grant {
            class: new.class,
            priority: new.priority,
            expires: new.expires,
            created: now,
            meters: new.meters.clone(),
            original: amount,
            remaining: amount - repaid,
            held: 0,
            expired: 0,
            open: true,
            line,
            money: Money::paid(new.cost_minor),
        });
        let after = to.balance();
        to.line(
            &mut self.next_line,
            Line { id: line, kind: "adjustment", amount, after, at: now, corrects: None, usage: None },
        );
        to.close(now);
        Ok(format!("line {line} +{amount} then {after}, grant of {}", amount - repaid))
    }

    pub fn take_back(&mut self, place: usize, amount: i64, class: usize) -> Result<String, String> {
        if amount <= 0 {
            return Err("not positive".into());
        }
        let (now, amount) = (self.now, Micros::from(amount));
        let to = &mut self.organizations[place];
        let available = to.takeable(class, now);
        if available < amount {
            // refused as a whole: not even what has expired is moved
            return Err(format!("only {available}"));
        }
        to.settle(&mut self.next_line, now);
        let mut rest = amount;
        for place in to.draw_order() {
            let grant = &mut to.grants[place];
            if grant.class == class && grant.is_live(now) {
                let part = grant.free().min(rest);
                grant.remaining -= part;
                grant.money.withdrawn += part;
                rest -= part;
            }
        }
        let (id, after) = (self.next_line, to.balance());
        to.line(
            &mut self.next_line,
            Line { id, kind: "adjustment", amount: -amount, after, at: now, corrects: None, usage: None },
        );
        to.close(now);
        Ok(format!("line {id} -{amount} then {after}"))
    }

    pub fn expire_due(&mut self) -> String {
        let now = self.now;
        let mut due: Vec<(i64, i64, usize)> = Vec::new();
        for (place, organization) in self.organizations.iter().enumerate() {
            for grant in organization.grants.iter().filter(|g| g.open) {
                let Some(at) = grant.expires.filter(|at| *at <= now) else { continue };
                if grant.free() > 0 || (at + GRACE_MS <= now && grant.held == 0) {
                    due.push((at, grant.line, place));
                }
            }
        }
        due.sort_unstable();
        for (_, _, place) in &due {
            let organization = &mut self.organizations[*place];
            organization.settle(&mut self.next_line, now);
            organization.close(now);
        }
        format!("{} due", due.len())
    }
}
