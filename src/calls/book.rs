//! Calls in the writer's memory: all that are live, and those that ended lately.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rusqlite::Connection;

use super::Options;
use super::call::{Call, Hold, Reason, State};
use super::sql;
use crate::base::id::{AgentId, AuthorizationId, MeterId, OrganizationId};
use crate::base::time::MINUTE_MS;
use crate::base::{Credits, Quantity, Timestamp};
use crate::db::{DbError, Part};
use crate::events::payload::CallState;
use crate::events::{self, Payload};
use crate::limits::{Of, Sums};
use crate::metering::ExternalId;

/// How many ended calls stay in memory between commits.
const KEPT: usize = 20_000;

/// What makes a leg unique.
pub(super) type Key = (OrganizationId, ExternalId, MeterId);

/// Where local days may begin, whatever the timezone: at quarters of an hour. Calls are added up by that in which they began.
const QUARTER_MS: i64 = 15 * 60 * 1_000;
/// As many are told of in a minute that their calls are not let in.
const MOST_TURNED_AWAY: usize = 1_000;

/// Whose calls are added up; of a toll-free number by meter.
type Whose = (Of, Option<MeterId>);

fn quarter(at: Timestamp) -> i64 {
    at.millis().div_euclid(QUARTER_MS)
}

fn add(sums: &mut Sums, hold: &Hold) {
    sums.calls += 1;
    sums.credits = Credits::from_micros(sums.credits.micros().saturating_add(hold.pins.credits().micros()));
    sums.covered = Quantity::from_micros(sums.covered.micros().saturating_add(hold.covered.micros()));
}

fn take(sums: &mut Sums, hold: &Hold) {
    sums.calls -= 1;
    sums.credits = Credits::from_micros(sums.credits.micros().saturating_sub(hold.pins.credits().micros()));
    sums.covered = Quantity::from_micros(sums.covered.micros().saturating_sub(hold.covered.micros()));
}

/// The writer's memory of calls.
pub struct Calls {
    options: Options,
    /// `None` until everything that is live has been read.
    next_id: Option<i64>,
    remembered: BTreeMap<i64, Call>,
    by_key: HashMap<Key, i64>,
    /// How many are live.
    live: usize,
    /// When the holds of an organization end, soonest first.
    due_of: HashMap<OrganizationId, BTreeSet<(Timestamp, i64)>>,
    sums: HashMap<Whose, BTreeMap<i64, Sums>>,
    /// Not written yet.
    made: BTreeSet<i64>,
    changed: BTreeSet<i64>,
    /// Something changed since the operation in progress began.
    touched: bool,
    /// What is to be told with this commit.
    told: Vec<(OrganizationId, Payload)>,
    /// Of whom it was told in a minute that a call was not let in.
    turned_away: (i64, HashSet<(OrganizationId, Option<AgentId>)>),
}

impl Calls {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            next_id: None,
            remembered: BTreeMap::new(),
            by_key: HashMap::new(),
            live: 0,
            due_of: HashMap::new(),
            sums: HashMap::new(),
            made: BTreeSet::new(),
            changed: BTreeSet::new(),
            touched: false,
            told: Vec::new(),
            turned_away: (0, HashSet::new()),
        }
    }

    /// Tells that a call was not let in: of each agent at most once a minute, since whoever has no credit is called on.
    pub(super) fn tell_rejected(&mut self, call: &Call, reason: Reason, now: Timestamp) {
        let minute = now.millis().div_euclid(MINUTE_MS);
        if self.turned_away.0 != minute {
            self.turned_away = (minute, HashSet::new());
        }
        let agent = call.parties.agent.as_ref().map(|agent| agent.id);
        if self.turned_away.1.len() < MOST_TURNED_AWAY
            && self.turned_away.1.insert((call.organization, agent))
        {
            self.told.push((call.organization, Payload::CallRejected(state_of(call, reason.name()))));
        }
    }

    /// Tells that a call has to end.
    pub(super) fn tell_cut_off(&mut self, call: &Call, why: &str) {
        self.told.push((call.organization, Payload::CallCutOff(state_of(call, why))));
    }

    /// What calls are held to.
    pub(super) const fn options(&self) -> &Options {
        &self.options
    }

    /// Reads everything that is live, unless that was done.
    pub(super) fn load(&mut self, conn: &Connection) -> Result<(), DbError> {
        if self.next_id.is_some() {
            return Ok(());
        }
        let next_id = sql::last_id(conn)? + 1;
        for call in sql::live(conn)? {
            self.remember(call);
        }
        self.next_id = Some(next_id);
        Ok(())
    }

    /// The id of the next call that is taken in.
    pub(super) fn next_id(&self) -> AuthorizationId {
        AuthorizationId::new(self.next_id.unwrap_or(1))
    }

    pub(super) fn get(&mut self, conn: &Connection, id: AuthorizationId) -> Result<Option<Call>, DbError> {
        if let Some(call) = self.remembered.get(&id.number()) {
            return Ok(Some(call.clone()));
        }
        // everything live is in memory, so this has ended
        let found = sql::get(conn, id)?;
        if let Some(call) = &found {
            self.remember(call.clone());
        }
        Ok(found)
    }

    pub(super) fn by_key(&mut self, conn: &Connection, key: &Key) -> Result<Option<Call>, DbError> {
        if let Some(call) = self.by_key.get(key).and_then(|id| self.remembered.get(id)) {
            return Ok(Some(call.clone()));
        }
        let (organization, external, meter) = key;
        let found = sql::by_call(conn, *organization, external, *meter)?;
        if let Some(call) = &found {
            self.remember(call.clone());
        }
        Ok(found)
    }

    /// The legs of a call, the live ones first, then the newest.
    pub(super) fn legs(
        &mut self,
        conn: &Connection,
        organization: OrganizationId,
        external: &ExternalId,
    ) -> Result<Vec<Call>, DbError> {
        let mut ids = BTreeSet::new();
        for call in sql::legs(conn, organization, external)? {
            let id = call.id.number();
            ids.insert(id);
            if !self.remembered.contains_key(&id) {
                self.remember(call);
            }
        }
        // and those that are not written yet
        let of_call = |id: &&i64| {
            let known = self.remembered.get(id);
            known.is_some_and(|call| call.organization == organization && call.external == *external)
        };
        ids.extend(self.made.iter().filter(of_call));
        let mut legs: Vec<Call> = ids.iter().filter_map(|id| self.remembered.get(id)).cloned().collect();
        legs.sort_by_key(|call| (!matches!(call.state, State::Live(_)), std::cmp::Reverse(call.id.number())));
        Ok(legs)
    }

    /// The calls of one organization that were not heard of in time.
    pub(super) fn due_of(&self, organization: OrganizationId, now: Timestamp) -> Vec<AuthorizationId> {
        let Some(due) = self.due_of.get(&organization) else { return Vec::new() };
        due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| AuthorizationId::new(*id)).collect()
    }

    /// What live calls have set aside that began at or after `from` and before `to`, which are beginnings of days. `voice` is the
    /// meter that toll-free numbers are guarded by.
    pub(super) fn sums(&self, voice: Option<MeterId>, of: Of, from: Timestamp, to: Timestamp) -> Sums {
        let meter = if matches!(of, Of::TollFree(_)) { voice } else { None };
        let Some(quarters) = self.sums.get(&(of, meter)) else { return Sums::default() };
        let mut all = Sums::default();
        if from >= to {
            return all;
        }
        for sums in quarters.range(quarter(from)..quarter(to)).map(|(_, sums)| sums) {
            all.calls += sums.calls;
            all.credits = Credits::from_micros(all.credits.micros().saturating_add(sums.credits.micros()));
            all.covered = Quantity::from_micros(all.covered.micros().saturating_add(sums.covered.micros()));
        }
        all
    }

    /// Takes in a new call, or what has become of one.
    pub(super) fn put(&mut self, call: Call) {
        let id = call.id.number();
        self.touched = true;
        if self.forget(id) {
            self.changed.insert(id);
        } else {
            self.made.insert(id);
            self.next_id = Some(id + 1);
        }
        self.remember(call);
    }

    fn remember(&mut self, call: Call) {
        let id = call.id.number();
        if let State::Live(hold) = &call.state {
            self.live += 1;
            self.due_of.entry(call.organization).or_default().insert((hold.expires_at, id));
            for of in added_up_for(&call) {
                let quarters = self.sums.entry(of).or_default();
                add(quarters.entry(quarter(call.started_at)).or_default(), hold);
            }
        }
        self.by_key.insert((call.organization, call.external.clone(), call.meter), id);
        self.remembered.insert(id, call);
    }

    /// Whether it was there.
    fn forget(&mut self, id: i64) -> bool {
        let Some(call) = self.remembered.remove(&id) else { return false };
        if let State::Live(hold) = &call.state {
            self.live = self.live.saturating_sub(1);
            if let Some(due) = self.due_of.get_mut(&call.organization) {
                due.remove(&(hold.expires_at, id));
                if due.is_empty() {
                    self.due_of.remove(&call.organization);
                }
            }
            for of in added_up_for(&call) {
                let Some(quarters) = self.sums.get_mut(&of) else { continue };
                let Some(sums) = quarters.get_mut(&quarter(call.started_at)) else { continue };
                take(sums, hold);
                if sums.calls == 0 {
                    quarters.remove(&quarter(call.started_at));
                }
                if quarters.is_empty() {
                    self.sums.remove(&of);
                }
            }
        }
        self.by_key.remove(&(call.organization, call.external, call.meter));
        true
    }
}

fn state_of(call: &Call, reason: &str) -> CallState {
    CallState {
        call_id: call.external.to_string(),
        agent_id: call.parties.agent.as_ref().map(|agent| agent.name.to_string()),
        direction: call.direction.name().to_owned(),
        reason: reason.to_owned(),
    }
}

fn added_up_for(call: &Call) -> impl Iterator<Item = Whose> {
    let agent = call.parties.agent.as_ref().map(|agent| (Of::Agent(agent.id), None));
    let number = call.parties.number.as_ref().filter(|_| call.is_toll_free_inbound());
    let number = number.map(|number| (Of::TollFree(number.id), Some(call.meter)));
    [Some((Of::Organization(call.organization), None)), agent, number].into_iter().flatten()
}

impl Part for Calls {
    fn flush(&mut self, conn: &Connection, now: Timestamp) -> Result<(), DbError> {
        for (organization, told) in self.told.drain(..) {
            events::emit_now(conn, Some(organization), &told, now)?;
        }
        let made = std::mem::take(&mut self.made);
        let changed = std::mem::take(&mut self.changed);
        for call in made.iter().filter_map(|id| self.remembered.get(id)) {
            sql::insert(conn, call)?;
            if matches!(call.state, State::Live(_)) {
                sql::set_holds(conn, call)?;
            }
        }
        for call in changed.difference(&made).filter_map(|id| self.remembered.get(id)) {
            sql::update(conn, call)?;
            sql::set_holds(conn, call)?;
        }
        Ok(())
    }

    fn mark(&mut self) {
        self.touched = false;
    }

    fn undo(&mut self) {
        // what was flushed is in the tables, and everything else belonged to the operation that failed
        if self.touched {
            self.reset();
        }
    }

    fn committed(&mut self) {
        if self.remembered.len() > KEPT.saturating_add(self.live) {
            let ended = |call: &Call| !matches!(call.state, State::Live(_));
            let gone: Vec<i64> =
                self.remembered.values().filter(|c| ended(c)).map(|c| c.id.number()).collect();
            for id in gone {
                self.forget(id);
            }
        }
    }

    fn reset(&mut self) {
        *self = Self::new(self.options);
    }
}
