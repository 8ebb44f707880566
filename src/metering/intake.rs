//! Taking usage in: the hot path.
//!
//! Everything an event needs is in the writer's memory; what it changes is gathered and written once per commit.

mod admission;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::Connection;

use super::cycle::Cycles;
use super::event::{Digests, OrganizationRef, Outcome, Refusal, UsageEvent};
use super::external::ExternalId;
use super::ids::{IdIndex, IdKey, Sizes};
use super::pricing::{self, OfCall, Pricing, Terms, price};
use super::rating::{ItemKind, Rated};
use super::row::{EventRow, ItemRow, receipt};
use super::sql::{self, DayRow, Known, Rollup, RollupKey};
use crate::base::id::{AccountId, AgentId, MeterId, NumberId, OrganizationId, WorkspaceId};
use crate::base::time::{DAY_MS, SECOND_MS};
use crate::base::{Credits, Day, Quantity, Timestamp};
use crate::catalog::{self, Snapshot};
use crate::db::{DbError, Part, WriteTx};
use crate::ledger::{self, Journal};
use crate::limits::{self, Live, Spending};
use crate::wallet::{self, Draw, Wallet, Wallets, Work};

/// How many remembered rows of each kind stay in memory between commits.
const KEPT: usize = 100_000;

/// The most of all meters together that one organization may report for one day, in millionths: a hundred such days
/// still add up within 64 bits.
const MAX_DAY_VOLUME: i64 = i64::MAX / 100;

/// What events are held to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Events longer ago are refused.
    pub max_age_days: i64,
    /// Events further in the future are refused.
    pub max_future_seconds: i64,
    /// The most that one event may report, in the meter's unit.
    pub max_quantity: Quantity,
    /// The pieces in which this process writes the index of event ids; `None` where it does not. Only one at a time may.
    pub upkeep: Option<Sizes>,
}

/// An event with its hashes.
#[derive(Debug, Clone)]
pub struct EventIn {
    /// What was reported.
    pub event: UsageEvent,
    /// See [`UsageEvent::digests`].
    pub digests: Digests,
}

/// The writer's memory of usage.
pub struct Intake {
    limits: Limits,
    ids: IdIndex,
    organizations: HashMap<OrganizationId, Arc<Terms>>,
    by_external_id: HashMap<Box<str>, OrganizationId>,
    known: HashMap<(Known, OrganizationId, Box<str>), i64>,
    sinks: HashMap<MeterId, AccountId>,
    /// Rows of this commit that are not written yet, in the order of their ids.
    pending: Vec<ItemRow>,
    rollups: HashMap<RollupKey, Rollup>,
    days: HashMap<(Day, OrganizationId), DayRow>,
    changed_days: BTreeSet<(Day, OrganizationId)>,
    cycles: Cycles,
    events_in_commit: usize,
    draws: Vec<Draw>,
    /// What was set aside for what is being charged; it is drawn first.
    purse: Vec<Draw>,
}

/// What an event needs from outside this part.
pub(super) struct Context<'a> {
    pub conn: &'a Connection,
    pub catalog: &'a Snapshot,
    pub wallets: &'a mut Wallets,
    pub journal: &'a mut Journal,
    pub spending: &'a mut Spending,
    /// What calls in progress have set aside.
    pub live: &'a Live<'a>,
    pub now: Timestamp,
}

/// Charges events, each on its own: a refused one does not touch its neighbours. `caller`: the only organization the
/// caller may report for; `None` for an operator, whose events name theirs. Knows of no calls in progress, which limits
/// and guards set work not yet done against.
///
/// # Errors
/// Only when the database fails, and then nothing of the batch is kept.
pub fn record(
    tx: &WriteTx<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    events: &[EventIn],
) -> Result<Vec<Outcome>, DbError> {
    record_beside(tx, caller, fallback, events, OfCall::default(), &limits::nobody)
}

/// The same beside `live` calls, for events of which something is known from the call that they belong to.
///
/// # Errors
/// As [`record`].
pub fn record_beside(
    tx: &WriteTx<'_>,
    caller: Option<OrganizationId>,
    fallback: Option<OrganizationId>,
    events: &[EventIn],
    of_call: OfCall,
    live: &Live<'_>,
) -> Result<Vec<Outcome>, DbError> {
    let catalog = catalog::snapshot(tx)?;
    let mut intake = tx.part::<Intake>()?;
    let mut wallets = tx.part::<Wallets>()?;
    let mut journal = tx.part::<Journal>()?;
    let mut spending = tx.part::<Spending>()?;
    let mut context = Context {
        conn: tx.conn_unflushed(),
        catalog: &catalog,
        wallets: &mut wallets,
        journal: &mut journal,
        spending: &mut spending,
        live,
        now: tx.now(),
    };
    events.iter().map(|event| intake.take(&mut context, caller, fallback, event, of_call)).collect()
}

impl Intake {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            ids: IdIndex::new(limits.upkeep.unwrap_or_default()),
            limits,
            organizations: HashMap::new(),
            by_external_id: HashMap::new(),
            known: HashMap::new(),
            sinks: HashMap::new(),
            pending: Vec::new(),
            rollups: HashMap::new(),
            days: HashMap::new(),
            changed_days: BTreeSet::new(),
            cycles: Cycles::default(),
            events_in_commit: 0,
            draws: Vec::new(),
            purse: Vec::new(),
        }
    }

    fn take(
        &mut self,
        context: &mut Context<'_>,
        caller: Option<OrganizationId>,
        fallback: Option<OrganizationId>,
        input: &EventIn,
        of_call: OfCall,
    ) -> Result<Outcome, DbError> {
        let event = &input.event;
        let found = match &event.organization {
            Some(which) => self.organization(context.conn, which)?,
            None => caller.or(fallback),
        };
        let Some(organization) = found else { return Ok(Outcome::Refused(Refusal::UnknownOrganization)) };
        if caller.is_some_and(|own| own != organization) {
            return Ok(Outcome::Refused(Refusal::ForeignOrganization));
        }
        let key = IdKey::new(organization, input.digests.id_hash);
        if let Some(head) = self.find(context.conn, key, organization, &event.id)? {
            return self.answer_again(context.conn, head, input.digests.fingerprint);
        }
        let Some(terms) = self.terms(context.conn, organization)? else {
            return Ok(Outcome::Refused(Refusal::UnknownOrganization));
        };
        if let Err(refusal) = self.check(event, context.now) {
            return Ok(Outcome::Refused(refusal));
        }
        let Some(meter) = context.catalog.meter_id(&event.meter) else {
            return Ok(Outcome::Refused(Refusal::UnknownMeter(event.meter.clone())));
        };
        let Some(pricing) =
            pricing::pricing(context.catalog, &terms.periods, &terms.zone, meter, event.occurred_at)
        else {
            return Ok(Outcome::Refused(Refusal::NoRate));
        };
        let cycle = self.cycles.get(context.conn, organization, meter, pricing.cycle_start)?;
        let rated = match price(event.into(), &pricing, cycle.position(), cycle.taken(), of_call) {
            Ok(rated) => rated,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        let on = terms.zone.day_of(event.occurred_at);
        if self.overfills(context.conn, organization, on, event, &rated)? {
            return Ok(Outcome::Refused(Refusal::TooMuchForOneDay));
        }
        let limited = context.spending.open(context.conn, organization, on)?;
        let mut charge = Charge {
            organization,
            meter,
            event,
            day: on,
            limited,
            plan_only: false,
            digests: input.digests,
            pricing: &pricing,
            rated: &rated,
        };
        if let Some(refusal) = self.refuses(context, &terms, &mut charge)? {
            return Ok(Outcome::Refused(refusal));
        }
        // from here on nothing is refused any more
        self.cycles.add(organization, meter, pricing.cycle_start, &rated);
        self.post(context, &terms, &charge, key)
    }

    /// Whether the event is more than what can be added up for its day.
    pub(super) fn overfills(
        &mut self,
        conn: &Connection,
        organization: OrganizationId,
        day: Day,
        event: &UsageEvent,
        rated: &Rated,
    ) -> Result<bool, DbError> {
        let day = self.day(conn, day, organization)?;
        let volume = volume(event.quantity, rated.billable.micros());
        Ok(day.volume.checked_add(volume).is_none_or(|sum| sum > MAX_DAY_VOLUME))
    }

    /// What the platform may not say, and the bounds that need no price.
    fn check(&self, event: &UsageEvent, now: Timestamp) -> Result<(), Refusal> {
        if event.id.is_reserved() {
            return Err(Refusal::ReservedId);
        }
        self.check_bounds(event, now)
    }

    /// The bounds that need no price.
    pub(super) fn check_bounds(&self, event: &UsageEvent, now: Timestamp) -> Result<(), Refusal> {
        if event.quantity.is_negative() {
            return Err(Refusal::Negative("quantity"));
        }
        if event.carrier_cost.is_some_and(Credits::is_negative) {
            return Err(Refusal::Negative("carrier_cost"));
        }
        if event.quantity > self.limits.max_quantity {
            return Err(Refusal::TooMuch(self.limits.max_quantity));
        }
        if event.occurred_at < now.plus_ms(-self.limits.max_age_days.saturating_mul(DAY_MS)) {
            return Err(Refusal::TooOld(self.limits.max_age_days));
        }
        if event.occurred_at > now.plus_ms(self.limits.max_future_seconds.saturating_mul(SECOND_MS)) {
            return Err(Refusal::InTheFuture(self.limits.max_future_seconds));
        }
        Ok(())
    }

    pub(super) const fn max_quantity(&self) -> Quantity {
        self.limits.max_quantity
    }

    /// What the next charge draws first, because it was set aside for it.
    pub(super) fn purse(&mut self) -> &mut Vec<Draw> {
        &mut self.purse
    }

    /// Charges what has been priced.
    pub(super) fn post(
        &mut self,
        context: &mut Context<'_>,
        terms: &Terms,
        charge: &Charge<'_>,
        key: IdKey,
    ) -> Result<Outcome, DbError> {
        let sink = self.sink(context.conn, charge.meter)?;
        let event_row = self.event_row(context, charge)?;
        let work = context.wallets.work(charge.meter, charge.event.occurred_at, context.now);
        let work = work.plan_only(charge.plan_only);
        let organization = charge.organization;
        let wallet = context
            .wallets
            .get(context.conn, organization)?
            .ok_or_else(|| DbError::bad_row("wallets", organization.number(), "does not exist"))?;
        let unpinned = match self.purse.as_slice() {
            [] => charge.rated.total,
            purse => charge.rated.total.checked_sub(wallet.pinned(purse, charge.meter)).unwrap_or_default(),
        };
        wallet.revive(context.conn, context.journal, &work, unpinned.max(Credits::ZERO))?;
        let first_pending = self.pending.len();
        let mut event_row = Some(event_row);
        let mut head = None;
        for item in items(charge.rated) {
            let mut row = ItemRow {
                id: context.journal.next_line(context.conn)?,
                organization,
                head,
                kind: item.0,
                meter: charge.meter,
                quantity: item.1,
                credits: item.2,
                account: None,
                rate_version: charge.pricing.rate_version,
                event: event_row.take(),
                split: Vec::new(),
            };
            head = head.or(Some(row.id));
            draw(wallet, &work, &mut row, &mut self.draws, &mut self.purse);
            for part in row.draws() {
                context.journal.gather(part.account, sink, part.amount);
            }
            if let Some(event) = &mut row.event {
                event.balance_after = ledger::within_range(wallet.balance().checked_sub(charge.rated.total))?;
                event.prev_line = wallet.last_line();
                event.items = i64::try_from(items(charge.rated).count()).unwrap_or(0);
                wallet.usage_line(row.id, event.balance_after);
            }
            context.journal.usage_line(context.conn, |_, canon| row.canonical(canon))?;
            self.pending.push(row);
        }
        context.wallets.mark(organization);
        let rows = self.pending.get(first_pending..).unwrap_or_default();
        let receipt = receipt(rows).ok_or_else(|| DbError::Commit("an event without an item".into()))?;
        self.ids.insert(key, receipt.head);
        self.events_in_commit += 1;
        self.tally(first_pending, 1);
        if let Some(event) = self.pending.get(first_pending).and_then(|row| row.event.as_ref()) {
            Self::count(context, terms, charge, event);
        }
        Ok(Outcome::Charged(receipt))
    }

    /// What the first item keeps of the event. Line, balance and chain are filled in when it is posted.
    fn event_row(&mut self, context: &Context<'_>, charge: &Charge<'_>) -> Result<EventRow, DbError> {
        let (conn, organization, event) = (context.conn, charge.organization, charge.event);
        let day = charge.day;
        let prev_of_day = self.day(conn, day, organization)?.last_head;
        let mut known = |what, id: Option<&str>| -> Result<Option<i64>, DbError> {
            id.map(|id| self.ensure_known(conn, what, organization, id, context.now)).transpose()
        };
        Ok(EventRow {
            id: event.id.clone(),
            fingerprint: charge.digests.fingerprint,
            occurred_at: event.occurred_at,
            posted_at: context.now,
            day,
            reported: event.quantity,
            agent: known(Known::Agent, event.agent.as_deref())?.map(AgentId::new),
            number: known(Known::Number, event.number.as_deref())?.map(NumberId::new),
            workspace: known(Known::Workspace, event.workspace.as_deref())?.map(WorkspaceId::new),
            call: event.call.clone(),
            flags: event.flags(),
            items: 1,
            total: charge.rated.total,
            balance_after: Credits::ZERO,
            prev_line: 0,
            prev_of_day,
            corrects: None,
            cycle_start: charge.pricing.cycle_start,
            extra: event.extra.clone(),
        })
    }

    /// Adds the rows from `first` on to the day's chain and to what reports read. `sign`: -1 for a void.
    pub(super) fn tally(&mut self, first: usize, sign: i64) {
        let rows = self.pending.get(first..).unwrap_or_default();
        let Some((head, event)) = rows.first().and_then(|row| Some((row, row.event.as_ref()?))) else {
            return;
        };
        let key = RollupKey {
            day: event.day,
            organization: head.organization,
            meter: head.meter,
            agent: event.agent.map_or(0, AgentId::number),
            number: event.number.map_or(0, NumberId::number),
            workspace: event.workspace.map_or(0, WorkspaceId::number),
        };
        let counted = rows.iter().filter(|row| row.kind.counts_quantity());
        let charged: i64 = counted.map(|row| row.quantity.micros()).sum();
        let sums = self.rollups.entry(key).or_default();
        for row in rows {
            sums.add(Rollup::of_item(row));
        }
        sums.add(Rollup { reported: event.reported.micros(), events: sign, ..Rollup::default() });
        if let Some(chain) = self.days.get_mut(&(event.day, head.organization)) {
            chain.last_head = head.id;
            chain.events += 1;
            if sign > 0 {
                chain.volume += volume(event.reported, charged);
            }
            self.changed_days.insert((event.day, head.organization));
        }
    }

    pub(super) fn pending_len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn push(&mut self, row: ItemRow) {
        self.pending.push(row);
    }

    pub(super) fn pending_from(&self, first: usize) -> &[ItemRow] {
        self.pending.get(first..).unwrap_or_default()
    }

    /// The event with this id, if there is one.
    pub(super) fn find(
        &mut self,
        conn: &Connection,
        key: IdKey,
        organization: OrganizationId,
        id: &ExternalId,
    ) -> Result<Option<i64>, DbError> {
        let pending = &self.pending;
        self.ids.find(conn, key, |item| {
            let same = |row: &ItemRow| {
                row.organization == organization && row.event.as_ref().is_some_and(|event| event.id == *id)
            };
            match pending.binary_search_by_key(&item, |row| row.id) {
                Ok(place) => Ok(pending.get(place).is_some_and(same)),
                Err(_) => Ok(sql::item(conn, item)?.as_ref().is_some_and(same)),
            }
        })
    }

    /// The rows of an event, written or not.
    pub(super) fn event_rows(&self, conn: &Connection, head: i64) -> Result<Vec<ItemRow>, DbError> {
        match self.pending.binary_search_by_key(&head, |row| row.id) {
            Ok(place) => Ok(self
                .pending
                .iter()
                .skip(place)
                .take_while(|row| row.id == head || row.head == Some(head))
                .cloned()
                .collect()),
            Err(_) => sql::event_items(conn, head),
        }
    }

    fn answer_again(&self, conn: &Connection, head: i64, fingerprint: i64) -> Result<Outcome, DbError> {
        let rows = self.event_rows(conn, head)?;
        let same =
            rows.first().and_then(|row| row.event.as_ref()).is_some_and(|e| e.fingerprint == fingerprint);
        if !same {
            return Ok(Outcome::Refused(Refusal::Conflict));
        }
        let receipt = receipt(&rows).ok_or_else(|| DbError::bad_row("usage_items", head, "is no event"))?;
        Ok(Outcome::Duplicate(receipt))
    }

    pub(super) fn organization(
        &mut self,
        conn: &Connection,
        which: &OrganizationRef,
    ) -> Result<Option<OrganizationId>, DbError> {
        match which {
            OrganizationRef::Id(id) => Ok(Some(*id)),
            OrganizationRef::External(external) => {
                if let Some(id) = self.by_external_id.get(external) {
                    return Ok(Some(*id));
                }
                let found = sql::organization(conn, which)?.map(|row| row.id);
                if let Some(id) = found {
                    self.by_external_id.insert(external.clone(), id);
                }
                Ok(found)
            }
        }
    }

    pub(super) fn terms(
        &mut self,
        conn: &Connection,
        id: OrganizationId,
    ) -> Result<Option<Arc<Terms>>, DbError> {
        if let Some(terms) = self.organizations.get(&id) {
            return Ok(Some(terms.clone()));
        }
        let Some(row) = sql::organization(conn, &OrganizationRef::Id(id))? else { return Ok(None) };
        let terms = Arc::new(Terms {
            zone: row.zone,
            suspended: row.suspended,
            periods: sql::price_terms(conn, id)?.into(),
        });
        self.organizations.insert(id, terms.clone());
        Ok(Some(terms))
    }

    pub(super) fn ensure_known(
        &mut self,
        conn: &Connection,
        what: Known,
        organization: OrganizationId,
        external_id: &str,
        now: Timestamp,
    ) -> Result<i64, DbError> {
        let key = (what, organization, Box::from(external_id));
        if let Some(id) = self.known.get(&key) {
            return Ok(*id);
        }
        let id = sql::ensure_known(conn, what, organization, external_id, now)?;
        self.known.insert(key, id);
        Ok(id)
    }

    /// The row of an agent, number or workspace, if it was ever seen.
    fn find_known(
        &self,
        conn: &Connection,
        what: Known,
        organization: OrganizationId,
        external_id: &str,
    ) -> Result<Option<i64>, DbError> {
        match self.known.get(&(what, organization, Box::from(external_id))) {
            Some(id) => Ok(Some(*id)),
            None => sql::known(conn, what, organization, external_id),
        }
    }

    pub(super) fn sink(&mut self, conn: &Connection, meter: MeterId) -> Result<AccountId, DbError> {
        if let Some(account) = self.sinks.get(&meter) {
            return Ok(*account);
        }
        let account = wallet::usage_sink(conn, meter)?;
        self.sinks.insert(meter, account);
        Ok(account)
    }

    fn day(&mut self, conn: &Connection, day: Day, organization: OrganizationId) -> Result<DayRow, DbError> {
        if let Some(chain) = self.days.get(&(day, organization)) {
            return Ok(*chain);
        }
        let row = sql::usage_day(conn, day, organization)?.unwrap_or_default();
        self.days.insert((day, organization), row);
        Ok(row)
    }

    /// The newest event of a day; 0 for none.
    pub(super) fn last_of_day(
        &mut self,
        conn: &Connection,
        day: Day,
        organization: OrganizationId,
    ) -> Result<i64, DbError> {
        Ok(self.day(conn, day, organization)?.last_head)
    }

    pub(super) fn cycles(&mut self) -> &mut Cycles {
        &mut self.cycles
    }
}

/// What an event adds to its day's volume.
fn volume(reported: Quantity, charged_micros: i64) -> i64 {
    reported.micros().max(charged_micros)
}

/// An event about to be posted.
pub(super) struct Charge<'a> {
    pub organization: OrganizationId,
    pub meter: MeterId,
    pub event: &'a UsageEvent,
    /// Of the work, in the organization's timezone.
    pub day: Day,
    /// Something limits the organization, and its windows are open.
    pub limited: bool,
    /// Only plan credit may be drawn.
    pub plan_only: bool,
    pub digests: Digests,
    pub pricing: &'a Pricing<'a>,
    pub rated: &'a Rated,
}

/// The items of a price; an event without any still makes a line.
fn items(rated: &Rated) -> impl Iterator<Item = (ItemKind, Quantity, Credits)> + '_ {
    let lines = rated.lines.as_slice();
    let nothing = lines.is_empty().then_some((ItemKind::Base, Quantity::ZERO, Credits::ZERO));
    lines.iter().map(|line| (line.kind, line.quantity, line.credits)).chain(nothing)
}

/// Draws an item's credits and notes from where.
fn draw(wallet: &mut Wallet, work: &Work, row: &mut ItemRow, draws: &mut Vec<Draw>, purse: &mut Vec<Draw>) {
    if row.credits.is_zero() {
        return;
    }
    draws.clear();
    let mut rest = row.credits;
    if !purse.is_empty() {
        rest = wallet.draw_pinned(purse, work.meter, rest, draws);
    }
    let pinned = draws.len();
    wallet.draw(work, rest, draws);
    if pinned > 0 {
        merge(draws);
    }
    match draws.as_slice() {
        [only] => row.account = Some(only.account),
        several => {
            row.split = several.to_vec();
            row.split.sort_by_key(|part| part.account);
        }
    }
}

/// Makes one draw of those from the same account: what was set aside in a grant, and what was free in it.
fn merge(draws: &mut Vec<Draw>) {
    draws.sort_by_key(|draw| draw.account);
    draws.dedup_by(|later, earlier| {
        let same = later.account == earlier.account;
        if same {
            earlier.amount =
                Credits::from_micros(earlier.amount.micros().saturating_add(later.amount.micros()));
        }
        same
    });
}

impl Intake {
    fn flush_items(&mut self, conn: &Connection) -> Result<(), DbError> {
        let mut write = sql::item_writer(conn)?;
        for row in self.pending.drain(..) {
            write(&row)?;
        }
        // in the order of the key, so that neighbours are written together
        let mut rollups: Vec<(RollupKey, Rollup)> = self.rollups.drain().collect();
        rollups.sort_unstable_by_key(|(key, _)| *key);
        let mut write = sql::rollup_writer(conn)?;
        for (key, sums) in rollups {
            write(&key, sums)?;
        }
        let mut write = sql::usage_day_writer(conn)?;
        for key in std::mem::take(&mut self.changed_days) {
            if let Some(chain) = self.days.get(&key) {
                write(key.0, key.1, *chain)?;
            }
        }
        Ok(())
    }
}

impl Part for Intake {
    fn flush(&mut self, conn: &Connection, _now: Timestamp) -> Result<(), DbError> {
        // rollups and days change with items only
        if !self.pending.is_empty() {
            self.flush_items(conn)?;
        }
        self.cycles.flush(conn)
    }

    fn exposed(&mut self) {
        self.organizations.clear();
        self.by_external_id.clear();
    }

    fn mark(&mut self) {
        self.ids.mark();
    }

    fn undo(&mut self) {
        self.pending.clear();
        self.rollups.clear();
        self.days.clear();
        self.changed_days.clear();
        self.cycles.clear();
        self.known.clear();
        self.sinks.clear();
        self.exposed();
        self.ids.undo();
    }

    fn committed(&mut self) {
        self.ids.committed();
        self.events_in_commit = 0;
        if self.known.len() > KEPT {
            self.known.clear();
        }
        if self.days.len() > KEPT {
            self.days.clear();
        }
        self.cycles.trim(KEPT);
        if self.organizations.len() > KEPT || self.by_external_id.len() > KEPT {
            self.exposed();
        }
    }

    fn reset(&mut self) {
        self.undo();
        self.ids.reset();
        self.events_in_commit = 0;
    }

    fn upkeep(&mut self, conn: &Connection, _now: Timestamp) -> Result<bool, DbError> {
        if self.limits.upkeep.is_none() {
            return Ok(false);
        }
        self.ids.upkeep(conn, self.events_in_commit)
    }
}
