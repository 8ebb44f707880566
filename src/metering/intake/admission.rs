//! Whether a priced event is let in, and what of it counts against limits.

use super::{Charge, Context, Intake};
use crate::base::Credits;
use crate::base::id::{AgentId, NumberId};
use crate::catalog::{Snapshot, VOICE};
use crate::db::DbError;
use crate::limits::{self, Agent, Headroom, Spent};
use crate::metering::event::{Refusal, flag};
use crate::metering::pricing::Terms;
use crate::metering::row::EventRow;
use crate::metering::sql::Known;
use crate::wallet;

impl Intake {
    /// Reasons that need the price and the wallet.
    pub(in crate::metering) fn refuses(
        &mut self,
        context: &mut Context<'_>,
        terms: &Terms,
        charge: &mut Charge<'_>,
    ) -> Result<Option<Refusal>, DbError> {
        let (organization, event) = (charge.organization, charge.event);
        let required = charge.rated.total;
        context.wallets.settle(context.conn, context.journal, organization, context.now)?;
        let Some(wallet) = context.wallets.get(context.conn, organization)? else {
            return Ok(Some(Refusal::UnknownOrganization));
        };
        let lowest = wallet::MAX_BALANCE.checked_neg();
        if wallet.balance().checked_sub(required) < lowest {
            return Ok(Some(Refusal::Unpriceable));
        }
        if event.flags() & flag::ENFORCE == 0 {
            return Ok(None);
        }
        if terms.suspended {
            return Ok(Some(Refusal::Suspended));
        }
        if self.is_on_suspended_number(context, charge)? {
            return Ok(Some(Refusal::NumberSuspended));
        }
        if let Some(refusal) = self.guarded(context, terms, charge)? {
            return Ok(Some(refusal));
        }
        let headroom = self.headroom(context, terms, charge)?;
        if let Some(cap) = headroom.refuses(required) {
            return Ok(Some(Refusal::Limit(cap)));
        }
        charge.plan_only = headroom.plan_only;
        let work = context.wallets.work(charge.meter, event.occurred_at, context.now);
        let Some(wallet) = context.wallets.get(context.conn, organization)? else { return Ok(None) };
        let available = wallet.available(&work).max(Credits::ZERO);
        // what costs nothing (an included minute) is covered, whatever is owed for other work
        if available < required {
            return Ok(Some(Refusal::InsufficientCredits { available, required }));
        }
        let available = wallet.available(&work.plan_only(headroom.plan_only)).max(Credits::ZERO);
        if available < required {
            return Ok(Some(Refusal::PlanExhausted { available, required }));
        }
        Ok(None)
    }

    /// How far limits let work go that is about to be charged.
    fn headroom(
        &self,
        context: &mut Context<'_>,
        terms: &Terms,
        charge: &Charge<'_>,
    ) -> Result<Headroom, DbError> {
        if !charge.limited {
            return Ok(Headroom::UNLIMITED);
        }
        let organization = charge.organization;
        let agent = match charge.event.agent.as_deref() {
            None => Agent::None,
            Some(id) => match self.find_known(context.conn, Known::Agent, organization, id)? {
                Some(number) => Agent::Known(AgentId::new(number)),
                None => Agent::Unseen,
            },
        };
        let Context { conn, spending, live, .. } = context;
        spending.headroom(conn, organization, agent, charge.day, &terms.zone, live)
    }

    fn is_on_suspended_number(&self, context: &Context<'_>, charge: &Charge<'_>) -> Result<bool, DbError> {
        let Some(id) = charge.event.number.as_deref() else { return Ok(false) };
        let number = self.find_known(context.conn, Known::Number, charge.organization, id)?;
        let guard = number.map(|number| limits::guard_of(context.conn, NumberId::new(number))).transpose()?;
        Ok(guard.is_some_and(|guard| guard.blocks()))
    }

    /// Whether the guard of a toll-free number refuses an event.
    fn guarded(
        &self,
        context: &Context<'_>,
        terms: &Terms,
        charge: &Charge<'_>,
    ) -> Result<Option<Refusal>, DbError> {
        let Some(id) = charge.toll_free_number(context.catalog) else { return Ok(None) };
        let Some(number) = self.find_known(context.conn, Known::Number, charge.organization, id)? else {
            return Ok(None);
        };
        let number = NumberId::new(number);
        let guard = limits::guard_of(context.conn, number)?;
        let Some(minutes_per_day) = guard.minutes_per_day else { return Ok(None) };
        let Context { conn, spending, live, .. } = context;
        let used = spending.toll_free(conn, number, charge.day, &terms.zone, live)?;
        let refused = guard.seconds_left(used).is_some_and(|left| charge.event.quantity > left);
        Ok(refused.then_some(Refusal::TollFreeGuard { minutes_per_day }))
    }

    /// Counts a posted event against limits and guards.
    pub(super) fn count(context: &mut Context<'_>, terms: &Terms, charge: &Charge<'_>, event: &EventRow) {
        if let (Some(number), Some(_)) = (event.number, charge.toll_free_number(context.catalog)) {
            context.spending.count_toll_free(number, event.day, event.reported.micros());
        }
        if charge.limited {
            context.spending.count(Spent {
                organization: charge.organization,
                day: event.day,
                today: terms.zone.day_of(context.now),
                agent: event.agent,
                credits: event.total,
                now: context.now,
            });
        }
    }
}

impl Charge<'_> {
    /// The number that took in an inbound toll-free call, by the platform's id.
    fn toll_free_number(&self, catalog: &Snapshot) -> Option<&str> {
        let number = self.event.number.as_deref()?;
        let inbound = self.event.toll_free && self.event.flags() & flag::OUTBOUND == 0;
        (inbound && catalog.meter_id(VOICE) == Some(self.meter)).then_some(number)
    }
}
