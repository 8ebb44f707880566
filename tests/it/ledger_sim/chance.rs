//! What happens next, by chance.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tollbook::base::{Credits, Quantity, Timestamp};
use tollbook::calls::{Report, Request};
use tollbook::metering::{Direction, ExternalId, Extra, Mode, OrganizationRef, UsageEvent};

use super::calls::{Call, State};
use super::limits::What;
use super::model::{Credit, Model};
use super::op::{Op, organization_id};
use super::price::{Micros, ONE, Pass, Plan, Price, Rate, Terms, Version};
use super::rng::Rng;
use crate::ledger_kit::GRACE_MS;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Makes operations, and keeps count of the names it gives.
pub struct Chance {
    pub rng: Rng,
    made: u64,
}

impl Chance {
    pub const fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), made: 0 }
    }

    pub const fn fresh(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub fn op(&mut self, model: &Model) -> Op {
        let place = self.rng.index(model.organizations.len());
        match self.rng.between(1, 198) {
            159.. => Op::Pay(self.paying(model, place)),
            153..=158 => Op::Post,
            113..=152 => self.calls(model, place),
            101..=112 => Op::Limits { of: place, what: What::any(&mut self.rng) },
            1..=55 => self.record(model, place),
            56..=65 => Op::Credit { to: place, credit: self.credit(model, place) },
            66..=69 => {
                let amount = self.rng.between(-1, 200_000_000);
                Op::TakeBack { from: place, amount, class: self.rng.index(3) }
            }
            70..=79 => self.void(model, place),
            80..=83 => self.terms(model, place),
            84..=86 => self.publish(model),
            87 => self.plan(model),
            88 => Op::AddMeter { code: format!("meter_{}", self.rng.between(1, 3)) },
            89 => Op::Suspend { which: place, on: self.rng.one_in(3) },
            90..=94 => Op::Failing((0..self.rng.between(1, 4)).map(|_| self.harmless(model)).collect()),
            95 => Op::Panicking((0..2).map(|_| self.harmless(model)).collect()),
            _ => Op::ExpireDue,
        }
    }

    /// Just before, at or just after a moment at which credit expires, or can no longer be drawn on at all.
    pub fn turning_point(&mut self, model: &Model) -> Option<i64> {
        let ahead: Vec<i64> = model
            .organizations
            .iter()
            .flat_map(|o| &o.grants)
            .filter_map(|g| g.expires)
            .flat_map(|at| [at, at + GRACE_MS])
            .filter(|at| *at > model.now && *at < model.now + 45 * DAY_MS)
            .collect();
        let lost = model.organizations.iter().flat_map(|o| &o.calls).filter_map(|call| match &call.state {
            State::Live(live) => Some(live.expires),
            State::Over(_) | State::Rejected { .. } => None,
        });
        let mut ahead = ahead;
        ahead.extend(lost.filter(|at| *at > model.now));
        (!ahead.is_empty()).then(|| self.rng.pick(&ahead) + self.rng.between(-1, 1))
    }

    /// One that is not itself a failing one.
    fn harmless(&mut self, model: &Model) -> Op {
        loop {
            let op = self.op(model);
            if !matches!(op, Op::Failing(_) | Op::Panicking(_)) {
                return op;
            }
        }
    }

    /// Something about a call.
    fn calls(&mut self, model: &Model, place: usize) -> Op {
        let known = &model.organizations[place].calls;
        let live: Vec<_> = known.iter().filter(|call| call.is_live()).collect();
        let call = if !live.is_empty() && self.rng.one_in(2) {
            Some((*self.rng.pick(&live)).clone())
        } else if known.is_empty() {
            None
        } else {
            Some(self.rng.pick(known).clone())
        };
        let Some(call) = call.filter(|_| !self.rng.one_in(3)) else {
            return self.begin(model, place);
        };
        let external = if self.rng.one_in(30) {
            ExternalId::new("nobody").expect("id")
        } else {
            call.said.external.clone()
        };
        let lasted = (model.now - call.started).max(0) * 1_000;
        let rng = &mut self.rng;
        match rng.between(1, 20) {
            1..=9 => {
                let elapsed = if rng.one_in(4) { rng.between(0, 200_000_000) } else { lasted };
                let elapsed = if rng.one_in(60) { 2_000_000_000_000_000 } else { elapsed };
                Op::Extend { of: place, call: external, elapsed: Quantity::from_micros(elapsed) }
            }
            10..=15 => Op::Capture { of: place, call: external, report: self.report(&call, lasted) },
            16 => {
                let report = self.report(&call, lasted);
                Op::CaptureUnasked { of: place, said: call.said, started: None, report }
            }
            17 => Op::Release { of: place, call: external },
            18 => Op::Authorize { of: place, said: call.said },
            19 => Op::Authorize { of: place, said: Request { byok: !call.said.byok, ..call.said } },
            _ => Op::EndCalls,
        }
    }

    fn report(&mut self, call: &Call, lasted: i64) -> Report {
        let said = call.reported().filter(|_| self.rng.one_in(2));
        let rng = &mut self.rng;
        if let Some(said) = said {
            return said;
        }
        let duration = match rng.between(1, 30) {
            1 => 0,
            2 => 2_000_000_000_000_000,
            3..=10 => rng.between(1, 300_000_000),
            _ => lasted,
        };
        Report {
            duration: Quantity::from_micros(duration),
            transfer: rng.maybe(6, |rng| Quantity::from_micros(rng.between(0, 120_000_000))),
            carrier_cost: rng.maybe(6, |rng| Credits::from_micros(rng.between(0, 30_000_000))),
        }
    }

    fn begin(&mut self, model: &Model, place: usize) -> Op {
        let meter = match self.rng.between(1, 20) {
            1 => "chat",
            2 => "nonsense",
            3..=5 => "transfer_minute",
            _ => "voice",
        };
        let fresh = self.fresh();
        let rng = &mut self.rng;
        let small = |rng: &mut Rng, what: &str| format!("{what}-{}", rng.between(1, 3)).into_boxed_str();
        let external = match rng.between(1, 8) {
            1 => format!("call-{}", rng.between(1, 12)),
            2..=3 => uuid::Uuid::from_u64_pair(rng.next(), fresh).to_string(),
            _ => format!("call-{fresh}"),
        };
        let said = Request {
            organization: None,
            workspace: rng.maybe(3, |rng| small(rng, "workspace")),
            agent: rng.maybe(2, |rng| small(rng, "agent")),
            number: rng.maybe(2, |rng| small(rng, "number")),
            external: ExternalId::new(&external).expect("id"),
            meter: meter.into(),
            direction: *rng.pick(&[Direction::Inbound, Direction::Outbound]),
            toll_free: rng.one_in(4),
            byok: rng.one_in(6),
        };
        if rng.one_in(8) {
            let started = rng.maybe(2, |rng| occurred(rng, model, place));
            let report = Report {
                duration: Quantity::from_micros(rng.between(0, 300_000_000)),
                transfer: None,
                carrier_cost: None,
            };
            return Op::CaptureUnasked { of: place, said, started, report };
        }
        Op::Authorize { of: place, said }
    }

    fn record(&mut self, model: &Model, place: usize) -> Op {
        let count = if self.rng.one_in(4) { self.rng.between(2, 25) } else { 1 };
        let events: Vec<UsageEvent> = (0..count).map(|_| self.event(model, place)).collect();
        match self.rng.between(1, 20) {
            1..=14 => Op::Record { caller: Some(place), fallback: None, events },
            15..=16 => Op::Record { caller: None, fallback: Some(place), events },
            _ => {
                // an operator names the organization of each
                let caller = self.rng.maybe(4, |_| place);
                let events = events
                    .into_iter()
                    .map(|event| UsageEvent { organization: Some(self.named(model)), ..event })
                    .collect();
                Op::Record { caller, fallback: Some(place), events }
            }
        }
    }

    fn named(&mut self, model: &Model) -> OrganizationRef {
        let place = self.rng.index(model.organizations.len());
        match self.rng.between(1, 10) {
            1 => OrganizationRef::External("nobody".into()),
            2 => OrganizationRef::Id(organization_id(99)),
            3..=6 => OrganizationRef::Id(organization_id(place)),
            _ => OrganizationRef::External(model.organizations[place].name.as_str().into()),
        }
    }

    fn event(&mut self, model: &Model, place: usize) -> UsageEvent {
        let known = &model.organizations[place].events;
        if !known.is_empty() && self.rng.one_in(6) {
            let again = known.values().nth(self.rng.index(known.len())).expect("one of them").said.clone();
            if self.rng.one_in(4) {
                return UsageEvent { quantity: self.quantity("chat"), ..again };
            }
            return again;
        }
        let charged: Vec<&Call> =
            model.organizations[place].calls.iter().filter(|call| call.reported().is_some()).collect();
        if !charged.is_empty() && self.rng.one_in(12) {
            return self.late_cost(model, place, charged);
        }
        let meter = match self.rng.between(1, 40) {
            1 => "nonsense".to_owned(),
            2..=16 => "voice".to_owned(),
            17..=24 => "chat".to_owned(),
            _ => self.rng.pick(&model.prices.meters).clone(),
        };
        let id = match self.rng.between(1, 3) {
            1 => uuid::Uuid::from_u64_pair(self.rng.next(), self.fresh()).to_string(),
            _ => format!("event-{}", self.fresh()),
        };
        let small = |rng: &mut Rng, what: &str| format!("{what}-{}", rng.between(1, 3)).into_boxed_str();
        let rng = &mut self.rng;
        let carrier_cost = rng.maybe(5, |rng| Credits::from_micros(rng.between(-1, 30_000_000)));
        UsageEvent {
            id: ExternalId::new(&id).expect("id"),
            organization: None,
            workspace: rng.maybe(2, |rng| small(rng, "workspace")),
            agent: rng.maybe(2, |rng| small(rng, "agent")),
            number: rng.maybe(3, |rng| small(rng, "number")),
            call: rng.maybe(4, |rng| ExternalId::new(&small(rng, "call")).expect("id")),
            occurred_at: Timestamp::from_millis(occurred(rng, model, place)),
            direction: rng.maybe(2, |rng| *rng.pick(&[Direction::Inbound, Direction::Outbound])),
            toll_free: rng.one_in(4),
            byok: rng.one_in(6),
            carrier_cost,
            mode: if rng.one_in(3) { Mode::Enforce } else { Mode::Record },
            extra: extra(carrier_cost, rng.one_in(6)),
            quantity: self.quantity(&meter),
            meter: meter.into_boxed_str(),
        }
    }

    /// What the carrier of a call that is over charged for it.
    fn late_cost(&mut self, model: &Model, place: usize, charged: Vec<&Call>) -> UsageEvent {
        // often one that had a surcharge, and the newest rather than any
        let mut charged = charged;
        if self.rng.one_in(2) {
            charged
                .sort_by_key(|call| (call.surcharge_left(&model.organizations[place]) == 0, -call.started));
            charged.truncate(3);
        }
        let said = &self.rng.pick(&charged).said;
        let id = format!("late-{}", self.fresh());
        let rng = &mut self.rng;
        let carrier_cost = Some(Credits::from_micros(rng.between(0, 12_000_000)));
        UsageEvent {
            id: ExternalId::new(&id).expect("id"),
            organization: None,
            workspace: None,
            agent: said.agent.clone(),
            number: None,
            call: Some(said.external.clone()),
            occurred_at: Timestamp::from_millis(occurred(rng, model, place)),
            direction: rng.maybe(2, |_| said.direction),
            toll_free: said.toll_free && rng.one_in(2),
            byok: said.byok,
            carrier_cost,
            mode: if rng.one_in(5) { Mode::Enforce } else { Mode::Record },
            extra: extra(carrier_cost, rng.one_in(3)),
            quantity: Quantity::ZERO,
            meter: said.meter.clone(),
        }
    }

    fn quantity(&mut self, meter: &str) -> Quantity {
        let rng = &mut self.rng;
        let micros = match rng.between(1, 60) {
            1 => 0,
            2 => -1,
            3 => 2_000_000_000_000_000,
            _ => match meter {
                "chat" => rng.between(1, 30) * 1_000_000,
                "number" => rng.between(1, 2_000_000),
                "voice" | "transfer_minute" if rng.one_in(3) => rng.between(1, 4_000_000_000),
                "voice" | "transfer_minute" => rng.between(1, 1_800) * 1_000_000,
                _ => rng.between(1, 5_000_000_000),
            },
        };
        Quantity::from_micros(micros)
    }

    fn credit(&mut self, model: &Model, place: usize) -> Credit {
        let rng = &mut self.rng;
        let owed = i64::try_from(model.organizations[place].overdraft).expect("in range");
        let amount = match rng.between(1, 12) {
            1 => 0,
            // so that debts do not drown everything else
            2..=9 if owed > 0 => owed + rng.between(0, 300_000_000),
            2..=5 => rng.between(1, 1_000_000_000),
            _ => rng.between(1, 600) * 1_000_000,
        };
        let ahead = [1, 60_000, HOUR_MS, 20 * HOUR_MS, 3 * DAY_MS, 40 * DAY_MS, -1, 0];
        Credit {
            amount,
            class: rng.index(3),
            priority: rng.maybe(6, |rng| rng.between(50, 350)),
            expires: rng.maybe(2, |rng| model.now + rng.pick(&ahead)),
            meters: rng.maybe(5, |rng| {
                let mut meters: Vec<String> =
                    (0..2).map(|_| rng.pick(&model.prices.meters).clone()).collect();
                meters.dedup();
                meters
            }),
            cost_minor: rng.maybe(3, |rng| rng.between(0, 10_000)),
        }
    }

    fn void(&mut self, model: &Model, place: usize) -> Op {
        let known = &model.organizations[place].events;
        if known.is_empty() || self.rng.one_in(12) {
            return Op::Void { of: place, id: "never-sent".to_owned() };
        }
        // mostly the newest
        let back = if self.rng.one_in(2) { self.rng.index(known.len()) } else { 0 };
        let mut by_line: Vec<_> = known.iter().collect();
        by_line.sort_by_key(|(_, event)| std::cmp::Reverse(event.items[0].id));
        let id = by_line[back].0.clone();
        Op::Void { of: place, id }
    }

    fn terms(&mut self, model: &Model, place: usize) -> Op {
        let plans: Vec<&String> = model.prices.plans.keys().collect();
        let cards: Vec<&String> = model.prices.cards.keys().collect();
        let starts = model.now + self.later();
        let terms = match self.rng.between(1, 6) {
            1 => Terms { starts, plan: None, card: None },
            2 => Terms { starts, plan: None, card: Some((*self.rng.pick(&cards)).clone()) },
            _ => Terms { starts, plan: Some((*self.rng.pick(&plans)).clone()), card: None },
        };
        Op::SetTerms { of: place, terms }
    }

    fn later(&mut self) -> i64 {
        *self.rng.pick(&[0, 0, 1, 1_000, 200_000, HOUR_MS, 3 * DAY_MS, -1, -DAY_MS])
    }

    fn publish(&mut self, model: &Model) -> Op {
        let card = match self.rng.between(1, 4) {
            1 => format!("own_{}", self.rng.between(1, 2)),
            2 => "payg".to_owned(),
            _ => (*self.rng.pick(&["starter", "growth", "scale"])).to_owned(),
        };
        // a new card may leave meters to the default one
        let sparse = card.starts_with("own");
        let meters = model.prices.meters.clone();
        let mut rates: BTreeMap<String, Rate> = BTreeMap::new();
        for meter in meters {
            if !sparse || self.rng.one_in(2) {
                rates.insert(meter, self.rate());
            }
        }
        if rates.is_empty() {
            rates.insert("chat".into(), self.rate());
        }
        Op::Publish { card, version: Version { starts: model.now + self.later(), rates } }
    }

    fn rate(&mut self) -> Rate {
        let rng = &mut self.rng;
        let increment = *rng.pick(&[1, ONE, 6 * ONE, 60 * ONE]);
        let money = |rng: &mut Rng| Micros::from(rng.between(0, 20_000_000));
        let tiers = |rng: &mut Rng| {
            let mut end = 0;
            let mut tiers: Vec<(Option<Micros>, Micros)> = (0..rng.between(0, 3))
                .map(|_| {
                    end += Micros::from(rng.between(1, 3_000_000_000));
                    (Some(end), money(rng))
                })
                .collect();
            tiers.push((None, money(rng)));
            tiers
        };
        Rate {
            unit: *rng.pick(&[ONE, 60 * ONE, 1_000 * ONE, 7]),
            increment,
            minimum: if rng.one_in(2) { 0 } else { increment * Micros::from(rng.between(0, 5)) },
            price: match rng.between(1, 3) {
                1 => Price::Flat(money(rng) / 1_000),
                2 => Price::Graduated(tiers(rng)),
                _ => Price::Volume(tiers(rng)),
            },
            byok: rng.maybe(3, |rng| money(rng) / 10),
            toll_free: rng.maybe(3, |rng| money(rng) / 10),
            pass: *rng.pick(&[Pass::Never, Pass::TollFree, Pass::Always]),
            rounding: *rng.pick(&[1, 1, 3, 10_000, ONE]),
        }
    }

    fn plan(&mut self, model: &Model) -> Op {
        let code = format!("plan_{}", self.fresh());
        let cards: Vec<&String> = model.prices.cards.keys().collect();
        let mut allowances = BTreeMap::new();
        for meter in ["voice", "chat", "number"] {
            if self.rng.one_in(2) {
                allowances.insert(meter.to_owned(), Micros::from(self.rng.between(1, 2_000_000_000)));
            }
        }
        let plan = Plan { card: (*self.rng.pick(&cards)).clone(), yearly: self.rng.one_in(3), allowances };
        Op::AddPlan { code, plan }
    }
}

/// What an event says beyond what is priced, as the API keeps it.
fn extra(carrier_cost: Option<Credits>, remarks: bool) -> Option<Box<str>> {
    let metadata: Box<RawValue> = serde_json::from_str("{\"k\":1}").expect("json");
    Extra { carrier_cost, metadata: remarks.then_some(&*metadata), ..Extra::default() }.to_text()
}

/// Mostly just now, sometimes late, early, or beyond what is taken.
fn occurred(rng: &mut Rng, model: &Model, place: usize) -> i64 {
    let now = model.now;
    let expiries: Vec<i64> = model.organizations[place]
        .grants
        .iter()
        .filter(|g| g.expired > 0)
        .filter_map(|g| g.expires)
        .filter(|at| *at > now - 3 * DAY_MS)
        .collect();
    if !expiries.is_empty() && rng.one_in(3) {
        // at the very end of what has expired lately
        return rng.pick(&expiries) - rng.between(-1, 3);
    }
    match rng.between(1, 20) {
        1..=8 => now - rng.between(0, HOUR_MS),
        9..=11 => now,
        12..=14 => now - rng.between(0, 2 * DAY_MS),
        15..=16 => now - rng.between(0, 35 * DAY_MS),
        17 => now - 35 * DAY_MS - rng.between(0, 1),
        18..=19 => now + rng.between(0, 300_000),
        _ => now + 300_000 + rng.between(0, 1),
    }
}
