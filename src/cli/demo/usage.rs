//! What an organization uses in a day: calls with their transfers and tools, chats, rent.

use super::cast::{Agent, Number, Profile};
use super::random::Random;
use crate::base::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::base::{Credits, Day, Quantity, Timestamp, Zone};
use crate::catalog;
use crate::ledger::Canon;
use crate::metering::{Direction, EventIn, ExternalId, Extra, Mode, OrganizationRef, UsageEvent};

/// The meter that the demo's operator has added.
pub(super) const WEB_SEARCH: &str = "web_search";

/// Hundredths of a credit a minute that carriers charge for toll-free calls: mostly below the surcharge, sometimes
/// (calls from abroad) above.
const CARRIER_USUAL: i64 = 130;
const CARRIER_FROM_ABROAD: i64 = 640;

/// An event, and when the platform reports it.
pub(super) struct Reported {
    pub at: Timestamp,
    pub event: UsageEvent,
}

impl Reported {
    /// Ready to be recorded.
    pub(super) fn input(self, canon: &mut Canon) -> EventIn {
        let digests = self.event.digests(canon);
        EventIn { event: self.event, digests }
    }
}

/// Everything of one day in the organization's timezone, in no order.
pub(super) fn day(profile: &Profile, zone: &Zone, day: Day, random: &mut Random) -> Vec<Reported> {
    let mut reported = Vec::new();
    let kind = match day.number().rem_euclid(7) {
        // 1970-01-01 was a Thursday
        2 => 1,
        3 => 2,
        _ => 0,
    };
    let calls = about(profile.calls.get(kind).copied().unwrap_or(0), random);
    let chats = about(if kind == 0 { profile.chats } else { profile.chats / 3 }, random);
    let start = zone.start_of(day);
    for _ in 0..calls {
        let Some(agent) = agent(profile, random) else { continue };
        let at = start.plus_ms(time_of_day(agent, random));
        call(profile, agent, at, random, &mut reported);
    }
    for _ in 0..chats {
        let Some(agent) = agent(profile, random) else { continue };
        let at = start.plus_ms(time_of_day(agent, random));
        chat(profile, agent, at, random, &mut reported);
    }
    reported
}

/// A month's rent of every number.
pub(super) fn rent(profile: &Profile, at: Timestamp, month: usize) -> Vec<Reported> {
    let rented = profile.numbers.iter().filter_map(|number| {
        let mut event = blank(profile, &format!("rent:{}:{month}", number.id), catalog::NUMBER, 1, at)?;
        event.number = Some(number.id.into());
        event.workspace = Some(number.workspace.into());
        Some(Reported { at, event })
    });
    rented.collect()
}

/// One call with what belongs to it, for a platform that reports as it goes.
pub(super) fn call_now(profile: &Profile, now: Timestamp, random: &mut Random) -> Vec<Reported> {
    let mut reported = Vec::new();
    if let Some(agent) = random.pick(profile.agents) {
        call(profile, agent, now, random, &mut reported);
    }
    reported
}

fn about(usual: i64, random: &mut Random) -> i64 {
    usual * random.between(75, 125) / 100
}

fn agent<'p>(profile: &'p Profile, random: &mut Random) -> Option<&'p Agent> {
    let weights: Vec<i64> = profile.agents.iter().map(|agent| agent.weight).collect();
    profile.agents.get(random.weighted(&weights))
}

fn time_of_day(agent: &Agent, random: &mut Random) -> i64 {
    let hour = i64::try_from(random.weighted(agent.hours)).unwrap_or(12);
    hour * HOUR_MS + random.below(HOUR_MS)
}

fn call(profile: &Profile, agent: &Agent, at: Timestamp, random: &mut Random, out: &mut Vec<Reported>) {
    let call = format!("call_{:012x}", random.next() >> 16);
    let inbound = random.chance(820);
    let seconds = duration(profile.mean_call_seconds, random);
    let Some(number) = number(profile, agent, inbound, random) else { return };
    let toll_free = number.toll_free && inbound;
    let ended = at.plus_ms(seconds * SECOND_MS);
    let mut push = |meter: &str, quantity: i64, occurred_at: Timestamp, cost: Option<Credits>| {
        let Some(event) = blank(profile, &format!("{call}:{meter}"), meter, quantity, occurred_at) else {
            return;
        };
        let event = UsageEvent {
            workspace: Some(agent.workspace.into()),
            agent: Some(agent.id.into()),
            number: Some(number.id.into()),
            call: ExternalId::new(&call),
            direction: Some(if inbound { Direction::Inbound } else { Direction::Outbound }),
            toll_free,
            carrier_cost: cost,
            extra: Extra { carrier_cost: cost, ..Extra::default() }.to_text(),
            ..event
        };
        out.push(Reported { at: ended, event });
    };
    let carrier = toll_free.then(|| carrier_cost(seconds, random));
    push(catalog::VOICE, seconds, at, carrier);
    if inbound && random.chance(120) {
        push(catalog::TRANSFER_MINUTE, random.between(40, 560), ended, None);
    }
    if random.chance(160) {
        push(WEB_SEARCH, random.between(1, 3), at.plus_ms(20 * SECOND_MS), None);
    }
    // a few records reach the platform late
    if random.chance(6) {
        let late = random.between(HOUR_MS, 2 * DAY_MS);
        let of_call = format!("{call}:");
        for reported in out.iter_mut().filter(|r| r.event.id.to_string().starts_with(&of_call)) {
            reported.at = reported.at.plus_ms(late);
        }
    }
}

fn chat(profile: &Profile, agent: &Agent, at: Timestamp, random: &mut Random, out: &mut Vec<Reported>) {
    let id = format!("chat_{:012x}", random.next() >> 16);
    let messages = random.between(1, 9);
    if let Some(event) = blank(profile, &id, catalog::CHAT, messages, at) {
        let event =
            UsageEvent { workspace: Some(agent.workspace.into()), agent: Some(agent.id.into()), ..event };
        out.push(Reported { at: at.plus_ms(random.between(1, 5) * MINUTE_MS), event });
    }
}

/// Many short calls, some long ones.
fn duration(mean_seconds: i64, random: &mut Random) -> i64 {
    match random.below(20) {
        0 | 1 => random.between(4, 20),
        2..=16 => random.between(mean_seconds / 3, mean_seconds * 3 / 2),
        _ => random.between(mean_seconds * 3 / 2, mean_seconds * 4),
    }
}

/// A number of the agent's workspace; what calls out is not toll-free.
fn number<'p>(profile: &'p Profile, agent: &Agent, inbound: bool, random: &mut Random) -> Option<&'p Number> {
    let fitting = |n: &&Number| n.workspace == agent.workspace && (inbound || !n.toll_free);
    let numbers: Vec<&Number> = profile.numbers.iter().filter(fitting).collect();
    random.pick(&numbers).copied().or_else(|| profile.numbers.first())
}

fn carrier_cost(seconds: i64, random: &mut Random) -> Credits {
    let hundredths = if random.chance(140) { CARRIER_FROM_ABROAD } else { CARRIER_USUAL };
    // to the hundredth of a credit, as on a carrier's bill
    Credits::from_micros(hundredths * seconds.div_euclid(60).max(1) * 10_000)
}

fn blank(profile: &Profile, id: &str, meter: &str, quantity: i64, at: Timestamp) -> Option<UsageEvent> {
    Some(UsageEvent {
        id: ExternalId::new(id)?,
        organization: Some(OrganizationRef::External(profile.external_id.into())),
        workspace: None,
        agent: None,
        number: None,
        call: None,
        meter: meter.into(),
        quantity: Quantity::from_whole(quantity)?,
        occurred_at: at,
        direction: None,
        toll_free: false,
        byok: false,
        carrier_cost: None,
        mode: Mode::Record,
        extra: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::cast::PROFILES;
    use super::*;

    #[test]
    fn the_same_seed_tells_the_same_story_and_ids_are_unique() {
        let zone: Zone = "Europe/Madrid".parse().expect("zone");
        let month = |seed: u64| -> Vec<UsageEvent> {
            let mut random = Random::new(seed);
            let days = (20_000..20_030).map(Day::from_number);
            days.flat_map(|d| day(&PROFILES[0], &zone, d, &mut random)).map(|r| r.event).collect()
        };
        let events = month(1);
        assert_eq!(events, month(1));
        let ids: std::collections::HashSet<String> = events.iter().map(|e| e.id.to_string()).collect();
        assert_eq!(ids.len(), events.len());
        for meter in [catalog::VOICE, catalog::CHAT, catalog::TRANSFER_MINUTE, WEB_SEARCH] {
            assert!(events.iter().filter(|e| &*e.meter == meter).count() > 20, "{meter}");
        }
        assert!(events.iter().any(|e| e.toll_free && e.carrier_cost.is_some()));
    }
}
