//! Calls that the demo's platform asks for, keeps up, and reports: through the operations that the API uses.

use super::cast::Profile;
use super::people::BY;
use super::usage::{self, Reported};
use crate::base::id::AuthorizationId;
use crate::base::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::base::{Credits, Quantity, Timestamp, Zone};
use crate::calls::{self, CallRef, Reason, Report, Request, State};
use crate::catalog;
use crate::db::{Db, DbError, WriteTx};
use crate::ledger::Canon;
use crate::limits::{self, GuardChange, LimitKey};
use crate::metering::{self, Direction, ExternalId, Mode, OrganizationRef, UsageEvent};

use super::super::Failure;
use super::random::Random;
use crate::base::id::OrganizationId;

/// How often a call in progress is reported.
const REPORT_MS: i64 = 20 * SECOND_MS;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It is reported as over.
    Captured,
    /// Nobody answered.
    Released,
    /// The platform forgets it.
    Lost,
}

/// A call on its way.
#[derive(Debug, Clone)]
pub(super) struct Call {
    request: Request,
    begins: Timestamp,
    /// How long it lasts until it ends in its way.
    lasts_ms: i64,
    ending: Ending,
    transfer: Option<Quantity>,
    carrier_cost: Option<Credits>,
    /// What else is reported when it is over.
    after: Vec<UsageEvent>,
    /// While it is in progress: what it is called by, when it began, and when it was last reported.
    live: Option<(AuthorizationId, Timestamp, Timestamp)>,
}

impl Call {
    /// Takes a call as far as it has come by now. None when there is no more to do about it.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) fn turn(mut self, tx: &WriteTx<'_>) -> Result<Option<Self>, DbError> {
        let now = tx.now();
        if now < self.begins {
            return Ok(Some(self));
        }
        let Some((id, began, reported)) = self.live else { return self.begin(tx) };
        let which = CallRef::Id(id);
        let elapsed_ms = now.millis() - began.millis();
        if elapsed_ms >= self.lasts_ms {
            self.end(tx, &which)?;
            return Ok(None);
        }
        // nothing is reported of a call that is still ringing
        if self.ending != Ending::Released && now.millis() - reported.millis() >= REPORT_MS {
            let Ok(extension) = calls::extend(tx, None, None, &which, millis(elapsed_ms))? else {
                return Ok(None);
            };
            self.lasts_ms = self.lasts_ms.min(extension.most.micros() / 1_000);
            self.live = Some((id, began, now));
        }
        Ok(Some(self))
    }

    fn begin(mut self, tx: &WriteTx<'_>) -> Result<Option<Self>, DbError> {
        let now = tx.now();
        let Ok(answer) = calls::authorize(tx, None, None, &self.request)? else { return Ok(None) };
        match answer.call.state {
            State::Live(_) => self.live = Some((answer.call.id, now, now)),
            State::Rejected(rejection) => {
                resume(tx, answer.call.organization, rejection.reason);
                return Ok(None);
            }
            State::Completed(_) | State::Expired(_) => return Ok(None),
        }
        Ok(Some(self))
    }

    fn end(self, tx: &WriteTx<'_>, which: &CallRef) -> Result<(), DbError> {
        match self.ending {
            Ending::Lost => {}
            Ending::Released => drop(calls::release(tx, None, None, which)?),
            Ending::Captured => {
                let report = Report {
                    duration: millis(self.lasts_ms),
                    transfer: self.transfer,
                    carrier_cost: self.carrier_cost,
                };
                drop(calls::capture(tx, None, None, which, report, None)?);
                let mut canon = Canon::default();
                let events = self.after.into_iter().map(|event| {
                    let event = UsageEvent { occurred_at: tx.now(), mode: Mode::Enforce, ..event };
                    let digests = event.digests(&mut canon);
                    metering::EventIn { event, digests }
                });
                let events: Vec<_> = events.collect();
                metering::record(tx, None, None, &events)?;
            }
        }
        Ok(())
    }
}

/// Somebody at the customer's sees that a limit holds calls up, and lets work go on.
fn resume(tx: &WriteTx<'_>, organization: OrganizationId, reason: Reason) {
    let key = match reason {
        Reason::DailyLimit => LimitKey::DAILY,
        Reason::MonthlyLimit => LimitKey::MONTHLY,
        _ => return,
    };
    if let Err(error) = limits::resume(tx, &BY, organization, key) {
        tracing::warn!(%error, "a limit of the demo");
    }
}

/// Milliseconds as seconds.
fn millis(ms: i64) -> Quantity {
    Quantity::from_micros(ms.saturating_mul(1_000))
}

/// Takes calls as far as they have come; those that go on.
///
/// # Errors
/// When the database fails.
pub(super) fn turn(tx: &WriteTx<'_>, calls: Vec<Call>) -> Result<Vec<Call>, DbError> {
    let mut on = Vec::with_capacity(calls.len());
    for call in calls {
        on.extend(call.turn(tx)?);
    }
    Ok(on)
}

/// A call that begins now, as its platform will report it.
pub(super) fn another(profile: &Profile, now: Timestamp, random: &mut Random) -> Option<Call> {
    let mut events: Vec<UsageEvent> =
        usage::call_now(profile, now, random).into_iter().map(|Reported { event, .. }| event).collect();
    let mut taken = |meter: &str| {
        let place = events.iter().position(|event| &*event.meter == meter)?;
        Some(events.remove(place))
    };
    let voice = taken(catalog::VOICE)?;
    let transfer = taken(catalog::TRANSFER_MINUTE).map(|event| event.quantity);
    let ending = match random.below(40) {
        0 => Ending::Lost,
        1 | 2 => Ending::Released,
        _ => Ending::Captured,
    };
    Some(Call {
        request: Request {
            organization: voice.organization,
            workspace: voice.workspace,
            agent: voice.agent,
            number: voice.number,
            external: voice.call?,
            meter: voice.meter,
            direction: voice.direction?,
            toll_free: voice.toll_free,
            byok: voice.byok,
        },
        begins: now,
        lasts_ms: voice.quantity.micros() / 1_000,
        ending,
        transfer,
        carrier_cost: voice.carrier_cost,
        after: events,
        live: None,
    })
}

/// One of the calls of an ordinary morning: when it begins, in seconds after nine; by whom and where to; how long it lasts;
/// how it ends.
struct Planned {
    begins_s: i64,
    agent: usize,
    number: usize,
    direction: Direction,
    lasts_s: i64,
    transfer_s: Option<i64>,
    ending: Ending,
}

const fn inbound(begins_s: i64, agent: usize, number: usize, lasts_s: i64) -> Planned {
    Planned {
        begins_s,
        agent,
        number,
        direction: Direction::Inbound,
        lasts_s,
        transfer_s: None,
        ending: Ending::Captured,
    }
}

/// Agents and numbers by their place in the cast. Three at once come in on the toll-free number, which takes two.
const MORNING: [Planned; 8] = [
    Planned { transfer_s: Some(75), ..inbound(15, 0, 0, 184) },
    inbound(60, 0, 2, 340),
    inbound(105, 2, 2, 126),
    inbound(150, 0, 2, 60),
    Planned { direction: Direction::Outbound, ending: Ending::Released, ..inbound(240, 1, 1, 25) },
    Planned { ending: Ending::Lost, ..inbound(330, 1, 1, 75) },
    Planned { ending: Ending::Lost, ..inbound(420, 0, 0, 0) },
    Planned { direction: Direction::Outbound, ..inbound(480, 0, 0, 93) },
];
/// The organization whose calls these are, and one without credit that is called meanwhile, by their places in the cast.
pub(super) const CALLED: usize = 0;
pub(super) const WITHOUT_CREDIT: usize = 2;
/// How long the morning's calls take, until the last one has ended by itself.
pub(super) const MORNING_MS: i64 = 15 * MINUTE_MS;
/// How far the clock goes at a time meanwhile.
pub(super) const TURN_MS: i64 = 5 * SECOND_MS;
/// How many calls at once the toll-free number takes.
const AT_ONCE: i64 = 2;

/// When the morning's calls begin: at nine of the last day on which they were over before `now`.
pub(super) fn morning(zone: &Zone, now: Timestamp) -> Timestamp {
    let today = zone.start_of(zone.day_of(now)).plus_ms(9 * HOUR_MS);
    let is_over = today.plus_ms(MORNING_MS) <= now;
    if is_over { today } else { today.plus_ms(-DAY_MS) }
}

/// The morning's calls, and one to somebody without credit.
pub(super) fn planned(called: &Profile, without: &Profile, from: Timestamp) -> Vec<Call> {
    let numbered = MORNING.iter().enumerate();
    let mut calls: Vec<Call> =
        numbered.filter_map(|(place, planned)| call(called, planned, from, place)).collect();
    calls.extend(call(without, &inbound(200, 0, 0, 60), from, MORNING.len()));
    calls
}

fn call(profile: &Profile, planned: &Planned, from: Timestamp, place: usize) -> Option<Call> {
    let (agent, number) = (profile.agents.get(planned.agent)?, profile.numbers.get(planned.number)?);
    let whole = |seconds| Quantity::from_whole(seconds);
    Some(Call {
        request: Request {
            organization: Some(OrganizationRef::External(profile.external_id.into())),
            workspace: Some(agent.workspace.into()),
            agent: Some(agent.id.into()),
            number: Some(number.id.into()),
            external: ExternalId::new(&format!("call_of_the_morning_{}", place + 1))?,
            meter: catalog::VOICE.into(),
            direction: planned.direction,
            toll_free: number.toll_free,
            byok: false,
        },
        begins: from.plus_ms(planned.begins_s * SECOND_MS),
        lasts_ms: planned.lasts_s * SECOND_MS,
        ending: planned.ending,
        transfer: planned.transfer_s.and_then(whole),
        // above the surcharge, so that some of it is passed on
        carrier_cost: (number.toll_free && planned.lasts_s > 300).then(|| Credits::from_micros(28_500_000)),
        after: Vec::new(),
        live: None,
    })
}

/// The toll-free number takes so many calls at once.
pub(super) fn guard(db: &Db, profile: &Profile, organization: OrganizationId) -> Result<(), Failure> {
    for number in profile.numbers.iter().filter(|number| number.toll_free) {
        let change = GuardChange { calls_at_once: Some(Some(AT_ONCE)), ..GuardChange::default() };
        db.write_blocking(move |tx| limits::set_guard(tx, &BY, organization, number.id, change))?;
    }
    Ok(())
}
