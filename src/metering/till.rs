//! The till of calls: prices them, sets aside what they need, and charges them, with the code that charges events.

use std::cell::RefMut;
use std::sync::Arc;

use rusqlite::Connection;

use super::cycle::CycleHold;
use super::event::{OrganizationRef, Outcome, Receipt, Refusal, UsageEvent};
use super::ids::IdKey;
use super::intake::{Charge, Context, EventIn, Intake};
use super::pricing::{self, OfCall, Pricing};
use super::rating::{Rated, RatingInput};
use super::row::{EventRow, receipt};
use super::sql::{self, Known};
use crate::base::id::{AgentId, MeterId, NumberId, OrganizationId, RateVersionId, WorkspaceId};
use crate::base::{Credits, Day, Quantity, Timestamp, Zone};
use crate::catalog::rules::Rate;
use crate::catalog::{self, Snapshot};
use crate::db::{DbError, WriteTx};
use crate::ledger::{Canon, Journal};
use crate::limits::{self, Agent, Guard, Headroom, Live, Spending};
use crate::wallet::{Draw, Wallets, Work};

/// What prices a call, fixed when it begins: whatever is published or used meanwhile, its hold covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tariff {
    /// The version of the rate card.
    pub rate_version: RateVersionId,
    /// What the plan includes in the cycle; `None` where no plan includes any.
    pub allowance: Option<Quantity>,
    /// Where the cycle began, when anything depends on what was used in it.
    pub cycle_start: Option<Timestamp>,
    /// Where the call's first unit beyond the allowance stands among the tiers.
    pub position: Quantity,
}

/// What is counted for a call, and how it is priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// Whose.
    pub organization: OrganizationId,
    /// What is counted.
    pub meter: MeterId,
    /// How it is priced.
    pub tariff: Tariff,
    /// An inbound call to a toll-free number.
    pub toll_free_inbound: bool,
    /// On the customer's own provider key.
    pub byok: bool,
}

/// What a call in progress has set aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pins {
    /// Credit, by the account of its grant.
    pub credit: Vec<Draw>,
    /// Of its cycle.
    pub cycle: CycleHold,
}

impl Pins {
    /// All the credit together.
    #[must_use]
    pub fn credits(&self) -> Credits {
        let micros = self.credit.iter().map(|pin| pin.amount.micros()).fold(0, i64::saturating_add);
        Credits::from_micros(micros)
    }
}

/// What an organization is to whoever wants to begin a call for it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its timezone.
    pub zone: Zone,
    /// It may not begin anything.
    pub suspended: bool,
}

/// Whether it matters how long ago a call was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// As for any usage that is reported.
    Bounded,
    /// It was asked for in time: it is charged whenever it is reported.
    Any,
}

impl Age {
    /// The time that the event's age is reckoned by.
    const fn as_of(self, event: &UsageEvent, now: Timestamp) -> Timestamp {
        match self {
            Self::Bounded => now,
            Self::Any => event.occurred_at,
        }
    }
}

/// A charge that has been checked, and may be made.
#[derive(Debug)]
pub struct Prepared {
    leg: Leg,
    input: EventIn,
    rated: Rated,
    day: Day,
    limited: bool,
}

impl Prepared {
    /// How it is priced.
    #[must_use]
    pub const fn tariff(&self) -> Tariff {
        self.leg.tariff
    }

    /// What it costs.
    #[must_use]
    pub const fn total(&self) -> Credits {
        self.rated.total
    }

    const fn as_charge<'a>(&'a self, pricing: &'a Pricing<'a>) -> Charge<'a> {
        Charge {
            organization: self.leg.organization,
            meter: self.leg.meter,
            event: &self.input.event,
            day: self.day,
            limited: self.limited,
            plan_only: false,
            digests: self.input.digests,
            pricing,
            rated: &self.rated,
        }
    }
}

/// Everything that charging needs, for one operation. Whoever opens it must not fail afterwards.
pub struct Till<'t> {
    conn: &'t Connection,
    now: Timestamp,
    catalog: Arc<Snapshot>,
    intake: RefMut<'t, Intake>,
    wallets: RefMut<'t, Wallets>,
    journal: RefMut<'t, Journal>,
    spending: RefMut<'t, Spending>,
}

impl<'t> Till<'t> {
    /// Opens it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn open(tx: &'t WriteTx<'_>) -> Result<Self, DbError> {
        Ok(Self {
            conn: tx.conn_unflushed(),
            now: tx.now(),
            catalog: catalog::snapshot(tx)?,
            intake: tx.part()?,
            wallets: tx.part()?,
            journal: tx.part()?,
            spending: tx.part()?,
        })
    }

    /// The catalog as this operation sees it.
    #[must_use]
    pub fn catalog(&self) -> &Snapshot {
        &self.catalog
    }

    /// The connection, for what is not in memory.
    #[must_use]
    pub const fn conn(&self) -> &'t Connection {
        self.conn
    }

    /// The time of this operation.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The most that one event may report.
    #[must_use]
    pub fn max_quantity(&self) -> Quantity {
        self.intake.max_quantity()
    }

    /// The organization of that name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn organization(&mut self, which: &OrganizationRef) -> Result<Option<OrganizationId>, DbError> {
        self.intake.organization(self.conn, which)
    }

    /// What the organization is; `None` where there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn standing(&mut self, organization: OrganizationId) -> Result<Option<Standing>, DbError> {
        let terms = self.intake.terms(self.conn, organization)?;
        Ok(terms.map(|terms| Standing { zone: terms.zone.clone(), suspended: terms.suspended }))
    }

    /// The agent with the platform's id; made when it is first seen.
    ///
    /// # Errors
    /// When the database fails.
    pub fn agent(&mut self, organization: OrganizationId, id: &str) -> Result<AgentId, DbError> {
        Ok(AgentId::new(self.known(Known::Agent, organization, id)?))
    }

    /// The phone number with the platform's id; made when it is first seen.
    ///
    /// # Errors
    /// When the database fails.
    pub fn number(&mut self, organization: OrganizationId, id: &str) -> Result<NumberId, DbError> {
        Ok(NumberId::new(self.known(Known::Number, organization, id)?))
    }

    /// The workspace with the platform's id; made when it is first seen.
    ///
    /// # Errors
    /// When the database fails.
    pub fn workspace(&mut self, organization: OrganizationId, id: &str) -> Result<WorkspaceId, DbError> {
        Ok(WorkspaceId::new(self.known(Known::Workspace, organization, id)?))
    }

    fn known(&mut self, what: Known, organization: OrganizationId, id: &str) -> Result<i64, DbError> {
        self.intake.ensure_known(self.conn, what, organization, id, self.now)
    }

    /// What prices a meter for a call that begins at `at`; `None` where nothing does.
    ///
    /// # Errors
    /// When the database fails.
    pub fn tariff(
        &mut self,
        organization: OrganizationId,
        meter: MeterId,
        at: Timestamp,
    ) -> Result<Option<Tariff>, DbError> {
        let Some(terms) = self.intake.terms(self.conn, organization)? else { return Ok(None) };
        let catalog = self.catalog.clone();
        let Some(found) = pricing::pricing(&catalog, &terms.periods, &terms.zone, meter, at) else {
            return Ok(None);
        };
        let cycle = self.intake.cycles().get(self.conn, organization, meter, found.cycle_start)?;
        Ok(Some(Tariff {
            rate_version: found.rate_version,
            allowance: found.allowance,
            cycle_start: found.cycle_start,
            position: cycle.position(),
        }))
    }

    /// The rate of a leg.
    ///
    /// # Errors
    /// When its version has no such rate.
    pub fn rate(&self, leg: &Leg) -> Result<Rate, DbError> {
        rate_of(&self.catalog, leg).cloned()
    }

    /// How any quantity of the leg is rated now, by a call that has set `own` aside.
    ///
    /// # Errors
    /// When the database fails.
    pub fn rating(&mut self, leg: &Leg, own: CycleHold) -> Result<RatingInput, DbError> {
        Ok(RatingInput {
            quantity: Quantity::ZERO,
            toll_free_inbound: leg.toll_free_inbound,
            byok: leg.byok,
            carrier_cost: None,
            allowance_left: pricing::left_of(leg.tariff.allowance, self.taken(leg, own)?),
            used_in_cycle: leg.tariff.position,
            surcharge_before: Credits::ZERO,
        })
    }

    /// What is gone of the leg's allowance, but for what it has set aside itself.
    fn taken(&mut self, leg: &Leg, own: CycleHold) -> Result<Quantity, DbError> {
        let key = (leg.organization, leg.meter, leg.tariff.cycle_start);
        let cycle = self.intake.cycles().get(self.conn, key.0, key.1, key.2)?;
        Ok(Quantity::from_micros(cycle.taken().micros().saturating_sub(own.included.micros()).max(0)))
    }

    /// What may be set aside for the leg.
    ///
    /// # Errors
    /// When the database fails or there is no such wallet.
    pub fn available(&mut self, leg: &Leg, plan_only: bool) -> Result<Credits, DbError> {
        self.wallets.settle(self.conn, &mut self.journal, leg.organization, self.now)?;
        let work = self.work(leg, plan_only);
        Ok(self.wallet(leg.organization)?.pinnable(&work))
    }

    fn work(&self, leg: &Leg, plan_only: bool) -> Work {
        self.wallets.work(leg.meter, self.now, self.now).plan_only(plan_only)
    }

    /// How far limits let work of an agent go that is counted on `day`, net of `live` calls.
    ///
    /// # Errors
    /// When the database fails.
    pub fn headroom(
        &mut self,
        organization: OrganizationId,
        agent: Option<AgentId>,
        day: Day,
        zone: &Zone,
        live: &Live<'_>,
    ) -> Result<Headroom, DbError> {
        let agent = agent.map_or(Agent::None, Agent::Known);
        self.spending.headroom(self.conn, organization, agent, day, zone, live)
    }

    /// What a toll-free number takes in at most, and what it has taken in on `day`, `live` calls included.
    ///
    /// # Errors
    /// When the database fails.
    pub fn guard(
        &mut self,
        number: NumberId,
        day: Day,
        zone: &Zone,
        live: &Live<'_>,
    ) -> Result<(Guard, Quantity), DbError> {
        let guard = limits::guard_of(self.conn, number)?;
        Ok((guard, self.spending.toll_free(self.conn, number, day, zone, live)?))
    }

    /// Whether no call may begin on a number.
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_suspended(&self, number: NumberId) -> Result<bool, DbError> {
        Ok(limits::guard_of(self.conn, number)?.blocks())
    }

    fn wallet(&mut self, organization: OrganizationId) -> Result<&mut crate::wallet::Wallet, DbError> {
        self.wallets
            .get(self.conn, organization)?
            .ok_or_else(|| DbError::bad_row("wallets", organization.number(), "does not exist"))
    }

    /// Makes `pins` cover what `rated` costs: no more, and no less where [`Till::available`] covers the rest.
    ///
    /// # Errors
    /// When the database fails or there is no such wallet.
    pub fn set_aside(
        &mut self,
        leg: &Leg,
        pins: &mut Pins,
        rated: &Rated,
        plan_only: bool,
    ) -> Result<(), DbError> {
        let work = self.work(leg, plan_only);
        let held = pins.credits();
        let wallet = self.wallet(leg.organization)?;
        let more = rated.total.checked_sub(held).unwrap_or_default();
        if more.is_negative() {
            wallet.unpin(&mut pins.credit, more.checked_neg().unwrap_or_default());
        } else {
            wallet.pin(&work, more, &mut pins.credit);
        }
        self.wallets.mark(leg.organization);
        let now = CycleHold { billed: rated.tier_used, included: rated.allowance_used };
        self.hold_cycle(leg, pins, now)
    }

    /// Lets go of everything. What has expired meanwhile moves out.
    ///
    /// # Errors
    /// When the database fails or there is no such wallet.
    pub fn let_go(&mut self, leg: &Leg, pins: &mut Pins) -> Result<(), DbError> {
        let all = pins.credits();
        self.wallet(leg.organization)?.unpin(&mut pins.credit, all);
        self.wallets.mark(leg.organization);
        self.hold_cycle(leg, pins, CycleHold::default())?;
        self.wallets.settle(self.conn, &mut self.journal, leg.organization, self.now)
    }

    fn hold_cycle(&mut self, leg: &Leg, pins: &mut Pins, now: CycleHold) -> Result<(), DbError> {
        let key = (leg.organization, leg.meter, leg.tariff.cycle_start);
        // where nothing depends on what was used before there is nothing to set aside
        let now = if key.2.is_some() { now } else { CycleHold::default() };
        let before = std::mem::replace(&mut pins.cycle, now);
        self.intake.cycles().hold(self.conn, key, before, now)
    }

    /// Checks a charge for a leg of which `own` is set aside.
    ///
    /// # Errors
    /// The outer error when the database fails, the inner one when nothing may be charged.
    pub fn prepare(
        &mut self,
        leg: Leg,
        own: CycleHold,
        event: UsageEvent,
        age: Age,
    ) -> Result<Result<Prepared, Refusal>, DbError> {
        let Some(terms) = self.intake.terms(self.conn, leg.organization)? else {
            return Ok(Err(Refusal::UnknownOrganization));
        };
        if let Err(refusal) = self.intake.check_bounds(&event, age.as_of(&event, self.now)) {
            return Ok(Err(refusal));
        }
        let digests = event.digests(&mut Canon::new());
        // nobody else gives ids of this form; asking makes the index know what came before
        let key = IdKey::new(leg.organization, digests.id_hash);
        if self.intake.find(self.conn, key, leg.organization, &event.id)?.is_some() {
            return Ok(Err(Refusal::Conflict));
        }
        let taken = self.taken(&leg, own)?;
        let catalog = self.catalog.clone();
        let pricing = pricing_of(&catalog, &leg)?;
        let rated =
            match pricing::price((&event).into(), &pricing, leg.tariff.position, taken, OfCall::default()) {
                Ok(rated) => rated,
                Err(refusal) => return Ok(Err(refusal)),
            };
        let day = terms.zone.day_of(event.occurred_at);
        if self.intake.overfills(self.conn, leg.organization, day, &event, &rated)? {
            return Ok(Err(Refusal::TooMuchForOneDay));
        }
        let limited = self.spending.open(self.conn, leg.organization, day)?;
        let prepared = Prepared { leg, input: EventIn { event, digests }, rated, day, limited };
        let mut charge = prepared.as_charge(&pricing);
        let (intake, mut context) = self.context(&catalog);
        match intake.refuses(&mut context, &terms, &mut charge)? {
            Some(refusal) => Ok(Err(refusal)),
            None => Ok(Ok(prepared)),
        }
    }

    fn context<'s>(&'s mut self, catalog: &'s Snapshot) -> (&'s mut Intake, Context<'s>) {
        let context = Context {
            conn: self.conn,
            catalog,
            wallets: &mut self.wallets,
            journal: &mut self.journal,
            spending: &mut self.spending,
            // what is reported of calls was done, and is not held to limits
            live: &limits::nobody,
            now: self.now,
        };
        (&mut self.intake, context)
    }

    /// Makes a charge, from what `pins` set aside first. What of that is not needed stays set aside.
    ///
    /// # Errors
    /// When the database fails.
    pub fn charge(&mut self, prepared: &Prepared, pins: &mut Pins) -> Result<Receipt, DbError> {
        let Prepared { leg, input, rated, .. } = prepared;
        let terms = self
            .intake
            .terms(self.conn, leg.organization)?
            .ok_or_else(|| DbError::bad_row("organizations", leg.organization.number(), "does not exist"))?;
        let catalog = self.catalog.clone();
        let pricing = pricing_of(&catalog, leg)?;
        let key = IdKey::new(leg.organization, input.digests.id_hash);
        let charge = prepared.as_charge(&pricing);
        // the cycle has to be in memory to be counted in
        self.taken(leg, pins.cycle)?;
        self.intake.cycles().add(leg.organization, leg.meter, leg.tariff.cycle_start, rated);
        std::mem::swap(self.intake.purse(), &mut pins.credit);
        let (intake, mut context) = self.context(&catalog);
        let outcome = intake.post(&mut context, &terms, &charge, key);
        std::mem::swap(self.intake.purse(), &mut pins.credit);
        match outcome? {
            Outcome::Charged(receipt) | Outcome::Duplicate(receipt) => Ok(receipt),
            Outcome::Refused(refusal) => Err(DbError::Commit(format!("a checked charge: {refusal}"))),
        }
    }

    /// The event that was posted on a line.
    ///
    /// # Errors
    /// When the database fails or the line is no event's.
    pub fn event(&self, head: i64) -> Result<EventRow, DbError> {
        let first = self.intake.event_rows(self.conn, head)?.into_iter().next();
        first.and_then(|row| row.event).ok_or_else(|| DbError::bad_row("usage_items", head, "is no event"))
    }

    /// Whether the event on a line was taken back.
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_taken_back(&self, head: i64) -> Result<bool, DbError> {
        Ok(sql::void_of(self.conn, head)?.is_some())
    }

    /// What was charged on a line.
    ///
    /// # Errors
    /// When the database fails or the line is no event's.
    pub fn receipt(&self, head: i64) -> Result<Receipt, DbError> {
        let rows = self.intake.event_rows(self.conn, head)?;
        receipt(&rows).ok_or_else(|| DbError::bad_row("usage_items", head, "is no event"))
    }
}

fn rate_of<'c>(catalog: &'c Snapshot, leg: &Leg) -> Result<&'c Rate, DbError> {
    let id = leg.tariff.rate_version;
    catalog
        .rate_version(id)
        .and_then(|(_, version)| version.rate(leg.meter))
        .ok_or_else(|| DbError::bad_row("rate_versions", id.number(), "does not price the meter of a call"))
}

fn pricing_of<'c>(catalog: &'c Snapshot, leg: &Leg) -> Result<Pricing<'c>, DbError> {
    Ok(Pricing {
        rate_version: leg.tariff.rate_version,
        rate: rate_of(catalog, leg)?,
        allowance: leg.tariff.allowance,
        cycle_start: leg.tariff.cycle_start,
    })
}
