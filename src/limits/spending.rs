//! What has been spent in the windows of limits, in the writer's memory.
//!
//! Windows are added up from the rollups when they are first needed and counted on from there. That holds because a
//! window is opened before anything of it is gathered: every charge of an organization that has limits opens its
//! windows first, and a change of limits is made by an operation that uses SQL, before which everything is written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::Connection;

use super::live::{Live, Of, span};
use super::news;
use super::policy::Policy;
use super::rules::{self, Cap, Choice, Headroom, LimitKey, LimitKind, Notice};
use super::sql::{self, LimitEvent};
use crate::base::id::{AgentId, NumberId, OrganizationId};
use crate::base::{Credits, Day, Quantity, Timestamp, Zone};
use crate::db::{DbError, Part};

/// How many organizations' policies stay in memory between commits.
const KEPT_POLICIES: usize = 100_000;
/// How many windows and agents stay in memory between commits.
const KEPT_TALLIES: usize = 200_000;

/// What was spent in a window of a limit, and the last that was told about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    spent: Credits,
    told: Option<Notice>,
}

impl Tally {
    fn add(&mut self, credits: Credits) {
        self.spent = Credits::from_micros(self.spent.micros().saturating_add(credits.micros()));
    }
}

/// An organization's month: its own, and every agent's that spent something.
#[derive(Debug, Clone, Default)]
struct Month {
    total: Tally,
    agents: HashMap<AgentId, Tally>,
}

/// The writer's memory of limits.
#[derive(Debug, Default)]
pub struct Spending {
    /// `None`: nothing limits the organization.
    policies: HashMap<OrganizationId, Option<Arc<Policy>>>,
    days: HashMap<(OrganizationId, Day), Tally>,
    /// By the month's first day.
    months: HashMap<(OrganizationId, Day), Month>,
    /// Agents in `months`.
    agents: usize,
    /// What is to be told with this commit.
    events: Vec<LimitEvent>,
    /// Seconds that toll-free numbers took in, not written yet; in millionths.
    toll_free: HashMap<(NumberId, Day), i64>,
}

/// A charge, as far as limits are concerned.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Whose.
    pub organization: OrganizationId,
    /// The day it is reported on, in the organization's timezone.
    pub day: Day,
    /// Today there.
    pub today: Day,
    /// The agent, if it is one's.
    pub agent: Option<AgentId>,
    /// How much; below zero when it is taken back.
    pub credits: Credits,
    /// When it is posted.
    pub now: Timestamp,
}

impl Spending {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds up the windows that `day` is in, unless they are in memory. False when nothing limits the organization:
    /// then this is one look-up, and [`Spending::count`] need not be called.
    ///
    /// To be called before a charge is gathered.
    ///
    /// # Errors
    /// When the database fails.
    pub fn open(
        &mut self,
        conn: &Connection,
        organization: OrganizationId,
        day: Day,
    ) -> Result<bool, DbError> {
        let Some(policy) = self.policy(conn, organization)? else { return Ok(false) };
        if let Entry::Vacant(place) = self.days.entry((organization, day)) {
            place.insert(load_day(conn, &policy, organization, day)?);
        }
        let month = day.first_of_month();
        if let Entry::Vacant(place) = self.months.entry((organization, month)) {
            let loaded = load_month(conn, &policy, organization, month)?;
            self.agents += loaded.agents.len();
            place.insert(loaded);
        }
        Ok(true)
    }

    /// How far limits and policies let work go on `day`, net of what calls hold that began in the same window. To be asked in
    /// the step that holds or charges.
    ///
    /// # Errors
    /// When the database fails.
    pub fn headroom(
        &mut self,
        conn: &Connection,
        organization: OrganizationId,
        agent: Agent,
        day: Day,
        zone: &Zone,
        live: &Live<'_>,
    ) -> Result<Headroom, DbError> {
        if !self.open(conn, organization, day)? {
            return Ok(Headroom::UNLIMITED);
        }
        let Some(policy) = self.policy(conn, organization)? else { return Ok(Headroom::UNLIMITED) };
        let mut headroom = Headroom::UNLIMITED;
        let mut consider = |key: LimitKey, spent: Credits, of: Option<Of>| {
            let Some(limit) = policy.amount(key) else { return };
            if policy.pauses(key) && !policy.is_resumed(key, day) {
                let (from, to) = span(key.kind, day, zone);
                let held = of.map_or(Credits::ZERO, |of| live(of, from, to).credits);
                let (kind, left) = (key.kind, rules::left(limit, spent, held));
                headroom.tighten(Cap { kind, limit, spent, left, resets_on: kind.window_end(day) });
            }
        };
        let month = self.months.get(&(organization, day.first_of_month()));
        let in_day = self.days.get(&(organization, day)).map_or(Credits::ZERO, |tally| tally.spent);
        let in_month = month.map_or(Credits::ZERO, |month| month.total.spent);
        let all = Some(Of::Organization(organization));
        consider(LimitKey::DAILY, in_day, all);
        consider(LimitKey::MONTHLY, in_month, all);
        if agent != Agent::None {
            let key = LimitKey { kind: LimitKind::PerAgent, agent: agent.id() };
            let tally = agent.id().and_then(|agent| month?.agents.get(&agent));
            consider(key, tally.map_or(Credits::ZERO, |tally| tally.spent), agent.id().map(Of::Agent));
            headroom.plan_only = policy.agent(agent.id()).on_plan_exhausted == Choice::Stop;
        }
        Ok(headroom)
    }

    /// Counts a charge whose windows were opened, and notes what is to be told about it.
    pub fn count(&mut self, spent: Spent) {
        let Some(Some(policy)) = self.policies.get(&spent.organization) else { return };
        let policy = policy.clone();
        let organization = spent.organization;
        let month = spent.day.first_of_month();
        // what costs nothing, or is taken back, is no news
        let costs = spent.credits.is_positive();
        let in_day = self.days.get_mut(&(organization, spent.day));
        if let Some(tally) = in_day {
            tally.add(spent.credits);
            if costs && spent.day == spent.today {
                tell(&mut self.events, &policy, spent, LimitKey::DAILY, tally);
            }
        }
        let Some(in_month) = self.months.get_mut(&(organization, month)) else { return };
        let is_now = costs && month == spent.today.first_of_month();
        in_month.total.add(spent.credits);
        if is_now {
            tell(&mut self.events, &policy, spent, LimitKey::MONTHLY, &mut in_month.total);
        }
        if let Some(agent) = spent.agent {
            let before = in_month.agents.len();
            let tally = in_month.agents.entry(agent).or_default();
            tally.add(spent.credits);
            if is_now {
                tell(&mut self.events, &policy, spent, LimitKey::agent(agent), tally);
            }
            self.agents += in_month.agents.len() - before;
        }
    }

    /// Counts seconds (in millionths; below zero when taken back) that a toll-free number took in.
    pub fn count_toll_free(&mut self, number: NumberId, day: Day, micros: i64) {
        let sum = self.toll_free.entry((number, day)).or_default();
        *sum = sum.saturating_add(micros);
    }

    /// Seconds that a toll-free number has taken in on a day, with what calls have set aside that began on it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn toll_free(
        &self,
        conn: &Connection,
        number: NumberId,
        day: Day,
        zone: &Zone,
        live: &Live<'_>,
    ) -> Result<Quantity, DbError> {
        let stored = sql::toll_free(conn, number, day)?;
        let waiting = self.toll_free.get(&(number, day)).copied().unwrap_or(0);
        let (from, to) = span(LimitKind::Daily, day, zone);
        let covered = live(Of::TollFree(number), from, to).covered.micros();
        Ok(Quantity::from_micros(stored.micros().saturating_add(waiting).saturating_add(covered)))
    }

    /// Takes in that the limits of an organization have changed, and notes what is to be told because of it: a limit may
    /// be spent the moment it is set. Everything gathered was written before.
    pub(super) fn changed(
        &mut self,
        conn: &Connection,
        organization: OrganizationId,
        today: Day,
        now: Timestamp,
    ) -> Result<(), DbError> {
        self.policies.remove(&organization);
        self.days.retain(|(of, _), _| *of != organization);
        self.months.retain(|(of, _), month| {
            let keep = *of != organization;
            if !keep {
                self.agents -= month.agents.len();
            }
            keep
        });
        if !self.open(conn, organization, today)? {
            return Ok(());
        }
        let Some(policy) = self.policy(conn, organization)? else { return Ok(()) };
        let spent = Spent { organization, day: today, today, agent: None, credits: Credits::ZERO, now };
        let events = &mut self.events;
        if let Some(tally) = self.days.get_mut(&(organization, today)) {
            tell(events, &policy, spent, LimitKey::DAILY, tally);
        }
        let Some(month) = self.months.get_mut(&(organization, today.first_of_month())) else { return Ok(()) };
        tell(events, &policy, spent, LimitKey::MONTHLY, &mut month.total);
        for (agent, tally) in &mut month.agents {
            tell(events, &policy, spent, LimitKey::agent(*agent), tally);
        }
        Ok(())
    }

    fn policy(
        &mut self,
        conn: &Connection,
        organization: OrganizationId,
    ) -> Result<Option<Arc<Policy>>, DbError> {
        if let Some(known) = self.policies.get(&organization) {
            return Ok(known.clone());
        }
        let policy = sql::policy(conn, organization)?.map(Arc::new);
        self.policies.insert(organization, policy.clone());
        Ok(policy)
    }

    fn forget_windows(&mut self) {
        self.days.clear();
        self.months.clear();
        self.agents = 0;
    }
}

/// Who works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// No agent.
    None,
    /// One that was never seen: the organization's limit for all agents holds for it, and it has spent nothing.
    Unseen,
    /// This one.
    Known(AgentId),
}

impl Agent {
    /// Its id, if it has one.
    #[must_use]
    pub const fn id(self) -> Option<AgentId> {
        match self {
            Self::None | Self::Unseen => None,
            Self::Known(agent) => Some(agent),
        }
    }
}

/// Notes what is new about a limit.
fn tell(events: &mut Vec<LimitEvent>, policy: &Policy, spent: Spent, key: LimitKey, tally: &mut Tally) {
    let Some(amount) = policy.amount(key) else { return };
    let Some(notice) = rules::news(amount, tally.spent, tally.told) else { return };
    tally.told = Some(notice);
    events.push(LimitEvent {
        organization: spent.organization,
        key,
        window: key.kind.window(spent.today),
        notice,
        amount,
        spent: tally.spent,
        pauses: policy.pauses(key),
        at: spent.now,
    });
}

fn load_day(
    conn: &Connection,
    policy: &Policy,
    organization: OrganizationId,
    day: Day,
) -> Result<Tally, DbError> {
    let mut tally = Tally::default();
    sql::each_spent(conn, organization, day, |_, credits| tally.add(credits))?;
    tally.told = told(conn, policy, organization, day, LimitKind::Daily)?.remove(&LimitKey::DAILY);
    Ok(tally)
}

fn load_month(
    conn: &Connection,
    policy: &Policy,
    organization: OrganizationId,
    first: Day,
) -> Result<Month, DbError> {
    let mut month = Month::default();
    for number in first.number()..first.first_of_next_month().number() {
        sql::each_spent(conn, organization, Day::from_number(number), |agent, credits| {
            month.total.add(credits);
            if agent != 0 {
                month.agents.entry(AgentId::new(agent)).or_default().add(credits);
            }
        })?;
    }
    month.total.told =
        told(conn, policy, organization, first, LimitKind::Monthly)?.remove(&LimitKey::MONTHLY);
    for (key, notice) in told(conn, policy, organization, first, LimitKind::PerAgent)? {
        if let Some(agent) = key.agent {
            month.agents.entry(agent).or_default().told = Some(notice);
        }
    }
    Ok(month)
}

/// The last that was told about each limit of a kind in a window, as far as its amount is what it is now.
fn told(
    conn: &Connection,
    policy: &Policy,
    organization: OrganizationId,
    window: Day,
    kind: LimitKind,
) -> Result<HashMap<LimitKey, Notice>, DbError> {
    let mut last = HashMap::new();
    for told in sql::told(conn, organization, window, kind)? {
        if policy.amount(told.key) == Some(told.amount) {
            let notice = last.entry(told.key).or_insert(told.notice);
            *notice = told.notice.max(*notice);
        }
    }
    Ok(last)
}

impl Part for Spending {
    fn flush(&mut self, conn: &Connection, _now: Timestamp) -> Result<(), DbError> {
        for event in self.events.drain(..) {
            news::write(conn, &event)?;
        }
        let mut toll_free: Vec<((NumberId, Day), i64)> = self.toll_free.drain().collect();
        toll_free.sort_unstable_by_key(|(key, _)| *key);
        for ((number, day), micros) in toll_free {
            sql::add_toll_free(conn, number, day, micros)?;
        }
        Ok(())
    }

    fn undo(&mut self) {
        self.reset();
    }

    fn committed(&mut self) {
        // nothing is gathered now, so windows can be added up again from the tables
        if self.days.len() + self.months.len() + self.agents > KEPT_TALLIES {
            self.forget_windows();
        }
        if self.policies.len() > KEPT_POLICIES {
            self.policies.clear();
        }
    }

    fn reset(&mut self) {
        self.policies.clear();
        self.forget_windows();
        self.events.clear();
        self.toll_free.clear();
    }
}
