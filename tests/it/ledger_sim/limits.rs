//! Limits, agents and guards in the simulation. The model adds everything up from what was posted, whenever it is asked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tollbook::base::{Credits, Day};
use tollbook::db::WriteTx;
use tollbook::identity::audit::{Actor, By};
use tollbook::limits::{self, Action, AgentChange, Change, Choice, GuardChange, LimitKey};
use tollbook::metering::{Direction, UsageEvent};

use super::calls::Call;
use super::model::{Model, Organization};
use super::op::{Failure, organization_id};
use super::price::{Micros, day_of};
use super::rng::Rng;
use crate::ledger_kit::Kit;

const BY: By = By::actor(Actor::System);

/// What an organization said. None: nothing.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Day, month, each agent.
    amounts: [Option<i64>; 3],
    alert_only: bool,
    agents: BTreeMap<String, Said>,
    /// Lifted limits, with the first day of the window.
    lifted: BTreeMap<(usize, String), Date>,
    /// Kind, agent, window, amount, and whether it is spent rather than nearly so.
    told: BTreeSet<(usize, String, Date, i64, bool)>,
    guards: BTreeMap<String, i64>,
}

/// What was said about an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Said {
    amount: Option<i64>,
    stops: Option<bool>,
    plan_only: Option<bool>,
}

/// A change of limits: `None` leaves as it is, `Some(None)` takes away.
#[derive(Clone, Debug)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub enum What {
    /// Of day, month, each agent; and the action.
    Set([Option<Option<i64>>; 3], Option<bool>),
    Agent(String, Option<Option<i64>>, Option<Option<bool>>, Option<Option<bool>>),
    /// Day, month, or an agent's.
    Resume(usize, String),
    Guard(String, Option<i64>),
}

const KINDS: [&str; 3] = ["daily", "monthly", "per_agent"];
const DAY: usize = 0;
const MONTH: usize = 1;
const AGENT: usize = 2;

fn window(kind: usize, day: Date) -> Date {
    if kind == DAY { day } else { day.first_of_month() }
}

impl Limits {
    fn amount(&self, kind: usize, agent: &str) -> Option<i64> {
        let own = self.agents.get(agent).and_then(|said| said.amount).filter(|_| kind == AGENT);
        own.or(self.amounts[kind])
    }

    fn pauses(&self, kind: usize, agent: &str) -> bool {
        let own = self.agents.get(agent).and_then(|said| said.stops).filter(|_| kind == AGENT);
        own.unwrap_or(!self.alert_only)
    }

    fn is_lifted(&self, kind: usize, agent: &str, day: Date) -> bool {
        let whose = if kind == AGENT { agent } else { "" };
        self.lifted.get(&(kind, whose.to_owned())) == Some(&window(kind, day))
    }
}

impl Organization {
    fn spent(&self, kind: usize, agent: &str, day: Date) -> Micros {
        let from = window(kind, day);
        let within = self.posted.iter().filter(|p| window(kind, p.day) == from);
        within.filter(|p| kind != AGENT || p.agent == agent).map(|p| p.credits).sum()
    }

    /// Why limits refuse work of that price, and whether only plan credit may be used.
    pub fn limited(&self, said: &UsageEvent, price: Micros) -> Result<bool, String> {
        let day = day_of(&self.zone, said.occurred_at.millis());
        if let Some(minutes) = self.guard(said) {
            let left = self.guard_leaves(said.number.as_deref().unwrap_or_default(), day);
            if left.is_some_and(|left| Micros::from(said.quantity.micros()) > left) {
                return Err(format!("guard of {minutes} minutes"));
            }
        }
        let agent = said.agent.as_deref().unwrap_or_default();
        let (tightest, plan_only) = self.headroom(agent, day);
        match tightest {
            Some((left, kind, amount)) if price > 0 && price > left => {
                Err(format!("{kind} limit leaves {left} of {amount}"))
            }
            _ => Ok(plan_only),
        }
    }

    /// The limit that leaves least of those that hold, and whether only plan credit may be used.
    pub fn headroom(&self, agent: &str, day: Date) -> (Option<(Micros, &'static str, i64)>, bool) {
        let mut tightest: Option<(Micros, &'static str, i64)> = None;
        for kind in [DAY, MONTH, AGENT] {
            let Some(amount) = self.limits.amount(kind, agent) else { continue };
            let holds = self.limits.pauses(kind, agent) && !self.limits.is_lifted(kind, agent, day);
            if !holds || (kind == AGENT && agent.is_empty()) {
                continue;
            }
            let held = self.held(kind, agent, day);
            let left = (Micros::from(amount) - self.spent(kind, agent, day) - held).max(0);
            if tightest.is_none_or(|(least, _, _)| left < least) {
                tightest = Some((left, KINDS[kind], amount));
            }
        }
        (tightest, self.limits.agents.get(agent).and_then(|said| said.plan_only).unwrap_or(false))
    }

    /// What calls have set aside that began in a window of a limit.
    fn held(&self, kind: usize, agent: &str, day: Date) -> Micros {
        let began = |call: &Call| day_of(&self.zone, call.started);
        let then = self.calls.iter().filter(|call| window(kind, began(call)) == window(kind, day));
        then.filter(|call| kind != AGENT || call.said.agent.as_deref() == Some(agent)).map(Call::held).sum()
    }

    /// What a number may still take in on a day, less what calls that began on it are covered for.
    pub fn guard_leaves(&self, number: &str, day: Date) -> Option<Micros> {
        let minutes = *self.limits.guards.get(number)?;
        let there = self.calls.iter().filter(|call| call.said.number.as_deref() == Some(number));
        let in_voice = there.filter(|call| call.is_toll_free_inbound() && &*call.said.meter == "voice");
        let covered: Micros =
            in_voice.filter(|call| day_of(&self.zone, call.started) == day).map(Call::covered).sum();
        Some((Micros::from(minutes) * 60_000_000 - self.taken_in(number, day) - covered).max(0))
    }

    fn taken_in(&self, number: &str, day: Date) -> Micros {
        let standing = self.events.values().filter(|e| e.is_standing() && is_toll_free(&e.said));
        let there = standing.filter(|e| e.said.number.as_deref() == Some(number));
        let then = there.filter(|e| day_of(&self.zone, e.said.occurred_at.millis()) == day);
        then.map(|e| Micros::from(e.said.quantity.micros())).sum()
    }

    fn guard(&self, said: &UsageEvent) -> Option<i64> {
        let minutes = self.limits.guards.get(said.number.as_deref()?)?;
        is_toll_free(said).then_some(*minutes)
    }

    /// Notes what is told after something was posted on `day`, or limits have changed.
    pub fn tell(&mut self, day: Date, agents: &[String], now: i64) {
        let today = day_of(&self.zone, now);
        let none = String::new();
        let keys = [(DAY, &none), (MONTH, &none)].into_iter().chain(agents.iter().map(|a| (AGENT, a)));
        for (kind, agent) in keys {
            let Some(amount) = self.limits.amount(kind, agent) else { continue };
            if window(kind, day) != window(kind, today) {
                continue;
            }
            let spent = self.spent(kind, agent, today);
            let key = |is_spent| (kind, agent.clone(), window(kind, today), amount, is_spent);
            if spent >= Micros::from(amount) {
                self.limits.told.insert(key(true));
            } else if spent * 5 >= Micros::from(amount) * 4 && !self.limits.told.contains(&key(true)) {
                self.limits.told.insert(key(false));
            }
        }
    }

    /// Agents that have something posted this month.
    fn busy(&self, today: Date) -> Vec<String> {
        let month = today.first_of_month();
        let posted = self.posted.iter().filter(|p| p.day.first_of_month() == month && !p.agent.is_empty());
        posted.map(|p| p.agent.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

fn is_toll_free(said: &UsageEvent) -> bool {
    said.toll_free && said.direction != Some(Direction::Outbound) && &*said.meter == "voice"
}

impl What {
    /// Something by chance.
    pub fn any(rng: &mut Rng) -> Self {
        let amount = |rng: &mut Rng| match rng.between(1, 8) {
            1 => 0,
            2 => rng.between(1, 5_000_000_000),
            _ => rng.between(1, 500) * 1_000_000,
        };
        let change = |rng: &mut Rng| {
            rng.maybe(2, |rng| rng.one_in(4).then_some(()).map_or_else(|| Some(amount(rng)), |()| None))
        };
        let choice = |rng: &mut Rng| rng.maybe(2, |rng| *rng.pick(&[None, Some(true), Some(false)]));
        let agent = |rng: &mut Rng| format!("agent-{}", rng.between(1, 4));
        match rng.between(1, 10) {
            1..=3 => {
                let amounts = [change(rng), change(rng), change(rng)];
                Self::Set(amounts, rng.maybe(3, |rng| rng.one_in(3)))
            }
            4..=6 => Self::Agent(agent(rng), change(rng), choice(rng), choice(rng)),
            7..=9 => {
                let kind = rng.index(3);
                Self::Resume(kind, if kind == AGENT { agent(rng) } else { String::new() })
            }
            _ => {
                let minutes = rng.maybe(2, |rng| rng.between(0, 60));
                Self::Guard(format!("number-{}", rng.between(1, 3)), minutes)
            }
        }
    }

    pub fn run(&self, tx: &WriteTx<'_>, place: usize) -> Result<String, Failure> {
        let org = organization_id(place);
        let credits = |amount: Option<Option<i64>>| amount.map(|amount| amount.map(Credits::from_micros));
        let choice = |choice: Option<Option<bool>>| {
            choice.map(|stop| stop.map(|stop| if stop { Choice::Stop } else { Choice::UseBalance }))
        };
        match self {
            Self::Set([daily, monthly, per_agent], alert_only) => {
                let action = |only| if only { Action::AlertOnly } else { Action::Pause };
                let change = Change {
                    daily: credits(*daily),
                    monthly: credits(*monthly),
                    per_agent: credits(*per_agent),
                    action: alert_only.map(action),
                };
                limits::set(tx, &BY, org, &change)?;
            }
            Self::Agent(id, amount, stops, plan_only) => {
                let change = AgentChange {
                    monthly_limit: credits(*amount),
                    on_limit: choice(*stops),
                    on_plan_exhausted: choice(*plan_only),
                };
                limits::set_agent(tx, &BY, org, id, &change)?;
            }
            Self::Resume(AGENT, id) => {
                let today = Day::from_number(0);
                let found = limits::agent_standing(tx.conn()?, org, id, today)?;
                let found = found.ok_or_else(|| Failure("no agent".into()))?;
                limits::resume(tx, &BY, org, LimitKey::agent(found.id))?;
            }
            Self::Resume(kind, _) => {
                limits::resume(tx, &BY, org, [LimitKey::DAILY, LimitKey::MONTHLY][*kind])?;
            }
            Self::Guard(number, minutes) => {
                let change =
                    GuardChange { minutes_per_day: Some(*minutes), calls_at_once: None, suspended: None };
                limits::set_guard(tx, &BY, org, number, change)?;
            }
        }
        Ok("set".into())
    }

    pub fn expect(&self, model: &mut Model, place: usize) -> Result<String, String> {
        let now = model.now;
        let of = &mut model.organizations[place];
        let today = day_of(&of.zone, now);
        let before = of.limits.clone();
        match self {
            Self::Set(amounts, alert_only) => {
                for (kind, amount) in amounts.iter().enumerate() {
                    of.limits.amounts[kind] = amount.unwrap_or(before.amounts[kind]);
                }
                of.limits.alert_only = alert_only.unwrap_or(before.alert_only);
                let acts = before.alert_only != of.limits.alert_only;
                let changed = |kind: usize| acts || before.amounts[kind] != of.limits.amounts[kind];
                let own = |agent: &String| before.agents.get(agent).is_some_and(|said| said.amount.is_some());
                of.limits.lifted.retain(|(kind, agent), _| !changed(*kind) || (*kind == AGENT && own(agent)));
                if !acts && before.amounts == of.limits.amounts {
                    return Ok("set".into());
                }
            }
            Self::Agent(id, amount, stops, plan_only) => {
                model.agents_seen.insert((place, id.clone()));
                let said = of.limits.agents.entry(id.clone()).or_default();
                let old = *said;
                said.amount = amount.unwrap_or(old.amount);
                said.stops = stops.unwrap_or(old.stops);
                said.plan_only = plan_only.unwrap_or(old.plan_only);
                if (said.amount, said.stops) != (old.amount, old.stops) {
                    of.limits.lifted.remove(&(AGENT, id.clone()));
                } else if *said == old {
                    return Ok("set".into());
                }
            }
            Self::Resume(kind, agent) => {
                let posted = |agent: &String| of.posted.iter().any(|p| p.agent == *agent);
                if *kind == AGENT && !posted(agent) && !model.agents_seen.contains(&(place, agent.clone())) {
                    return Err("no agent".into());
                }
                let amount = of.limits.amount(*kind, agent);
                let spent = of.spent(*kind, agent, today);
                let paused = amount.is_some_and(|amount| spent >= amount.into());
                if !paused || !of.limits.pauses(*kind, agent) {
                    return Err("the limit does not pause anything now".into());
                }
                of.limits.lifted.insert((*kind, agent.clone()), window(*kind, today));
            }
            Self::Guard(number, minutes) => {
                match minutes {
                    Some(minutes) => of.limits.guards.insert(number.clone(), *minutes),
                    None => of.limits.guards.remove(number),
                };
                return Ok("set".into());
            }
        }
        let busy = of.busy(today);
        of.tell(today, &busy, now);
        Ok("set".into())
    }
}

impl From<limits::Error> for Failure {
    fn from(error: limits::Error) -> Self {
        Self(error.to_string())
    }
}

/// What is shown of limits, and what was told, for every organization.
pub fn compare(kit: &Kit, model: &Model) {
    for (place, expected) in model.organizations.iter().enumerate() {
        let today = day_of(&expected.zone, model.now);
        let (org, day) = (organization_id(place), Day::from_date(today));
        let (standing, events) = kit
            .db()
            .read_blocking(|tx| {
                let standing = limits::standing(tx, org, day, 100)?;
                let events = limits::events(tx, org, Day::from_number(0), 100_000)?;
                let named = events.into_iter().map(|e| {
                    let agent = e.key.agent.map(|agent| limits::agent_name(tx, agent)).transpose()?;
                    Ok((e, agent.flatten().unwrap_or_default()))
                });
                Ok::<_, tollbook::db::DbError>((
                    standing,
                    named.collect::<Result<Vec<_>, tollbook::db::DbError>>()?,
                ))
            })
            .expect("standing");
        let spent = [standing.daily.spent, standing.monthly.spent].map(|c| Micros::from(c.micros()));
        assert_eq!(spent, [DAY, MONTH].map(|kind| expected.spent(kind, "", today)), "{}", expected.name);
        for agent in &standing.agents {
            let id = &agent.external_id;
            assert_eq!(Micros::from(agent.limit.spent.micros()), expected.spent(AGENT, id, today), "{id}");
            assert_eq!(agent.limit.limit.map(Credits::micros), expected.limits.amount(AGENT, id), "{id}");
        }
        let told: BTreeSet<_> = events
            .iter()
            .map(|(e, agent)| {
                let kind = KINDS.iter().position(|k| *k == e.key.kind.name()).expect("kind");
                let window = Date::constant(1970, 1, 1) + jiff::Span::new().days(e.window.number());
                (kind, agent.clone(), window, e.amount.micros(), e.notice == limits::Notice::Reached)
            })
            .collect();
        assert_eq!(told.len(), events.len(), "each is told once");
        assert_eq!(told, expected.limits.told, "told to {}", expected.name);
    }
}
