//! What a change of plans would cost and give. The one place where that is worked out: what is shown before is what is charged.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::rules::{Cycle, Rest, months};
use super::{BUSY, Error, Pending, State, Subscription, is_hosted, plan_of, sql, version_next};
use crate::base::id::{MeterId, OrganizationId, PlanId, PlanVersionId};
use crate::base::{Credits, FieldError, Money, Quantity, Timestamp, Zone};
use crate::catalog::rules::PlanTerms;
use crate::catalog::{Plan, PlanVersion, Snapshot};
use crate::identity::{SellerTerms, organizations};
use crate::metering;
use crate::payments::{self, Purchase};
use crate::tax::Amounts;

/// What a change of plans would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// To which version of the plan.
    pub version: PlanVersionId,
    /// The plan's name.
    pub name: String,
    /// How it is done.
    pub step: Step,
    /// What is paid at once.
    pub charge_now: Amounts,
    /// The credit that comes with it at once.
    pub credits_now: Credits,
    /// When the plan changes.
    pub effective_at: Timestamp,
    /// When the next period is charged.
    pub next_charge_at: Timestamp,
    /// What it costs then, as taxes are now.
    pub next_charge: Amounts,
    /// What is paid for, if anything is.
    pub(super) purchase: Option<Purchase>,
}

/// How a plan is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// There is none yet.
    Begin,
    /// To a dearer one, at once.
    Upgrade {
        /// When the month that is running ends: so does the credit that comes with it.
        until: Timestamp,
        /// What is included in that month, by meter.
        first_cycle: BTreeMap<MeterId, Quantity>,
    },
    /// When the period ends.
    Later,
}

/// What a change to a plan would come to now.
///
/// # Errors
/// [`Error::Invalid`] for what is no plan to choose, [`Error::Conflict`], and those of the database.
pub fn offer(
    conn: &Connection,
    catalog: &Snapshot,
    seller: &SellerTerms,
    organization: OrganizationId,
    plan: PlanId,
    now: Timestamp,
) -> Result<Offer, Error> {
    let wrong = |code, text: String| Error::Invalid(vec![FieldError::new("plan_id", code, text)]);
    let buyer = organizations::get(conn, organization)?;
    let offered = catalog.plan(plan).and_then(|plan| Some((plan, plan.in_force(now)?)));
    let offered = offered.filter(|(_, version)| version.terms.listed);
    let (plan, version) = offered.ok_or_else(|| wrong("unknown", "is not a plan on offer".into()))?;
    if version.terms.price.currency != buyer.currency {
        let text = format!(
            "is priced in {}, and this wallet is in {}",
            version.terms.price.currency, buyer.currency
        );
        return Err(wrong("wrong_currency", text));
    }
    let desk = Desk { conn, seller, organization, zone: &buyer.zone, now };
    let sub = sql::living(conn, organization)?;
    match sub {
        None => desk.begin(plan, version),
        Some(sub) if sub.state == State::Incomplete && is_hosted(conn, &sub)? => desk.begin(plan, version),
        Some(sub) if sub.payment.is_some() => Err(Error::Conflict(BUSY)),
        Some(sub) => match sub.state {
            State::Active => desk.change(catalog, &sub, plan, version),
            State::PastDue => {
                Err(Error::Conflict("A period is unpaid: pay it, or cancel, before changing plans."))
            }
            State::Paused => {
                Err(Error::Conflict("It is paused: resume it, or cancel, before changing plans."))
            }
            State::Incomplete | State::Canceled => Err(Error::Conflict(BUSY)),
        },
    }
}

struct Desk<'a> {
    conn: &'a Connection,
    seller: &'a SellerTerms,
    organization: OrganizationId,
    zone: &'a Zone,
    now: Timestamp,
}

impl Desk<'_> {
    fn amounts(&self, purchase: &Purchase) -> Result<Amounts, Error> {
        amounts(self.conn, self.seller, self.organization, purchase, self.now)
    }

    fn begin(&self, plan: &Plan, version: &PlanVersion) -> Result<Offer, Error> {
        let terms = &version.terms;
        let cycle = Cycle::at(self.zone, self.now, 0, months(terms.interval));
        let purchase = fee(terms.price, &plan.name, self.zone, &cycle);
        let charge = self.amounts(&purchase)?;
        Ok(Offer {
            version: version.id,
            name: plan.name.clone(),
            step: Step::Begin,
            charge_now: charge,
            credits_now: terms.plan_credits,
            effective_at: self.now,
            next_charge_at: cycle.end,
            next_charge: charge,
            purchase: (terms.price.minor > 0).then_some(purchase),
        })
    }

    fn change(
        &self,
        catalog: &Snapshot,
        sub: &Subscription,
        plan: &Plan,
        version: &PlanVersion,
    ) -> Result<Offer, Error> {
        let cycle = sub.cycle.ok_or(Error::NotFound)?;
        let (old_plan, old) = plan_of(catalog, sub.version)?;
        let next = fee(version.terms.price, &plan.name, self.zone, &cycle);
        let nothing = Money::zero(version.terms.price.currency);
        let later = Offer {
            version: version.id,
            name: plan.name.clone(),
            step: Step::Later,
            charge_now: Amounts { net: nothing, tax: nothing, total: nothing },
            credits_now: Credits::ZERO,
            effective_at: cycle.end,
            next_charge_at: cycle.end,
            next_charge: self.amounts(&next)?,
            purchase: None,
        };
        if plan.id == old_plan.id {
            // going on as before is a change only where something else was to happen
            if !matches!(sub.pending, Some(Pending::Plan(_) | Pending::Cancel | Pending::Pause)) {
                let text = "is the plan that you are on";
                return Err(Error::Invalid(vec![FieldError::new("plan_id", "unchanged", text)]));
            }
            let going_on = version_next(&Subscription { pending: None, ..sub.clone() });
            let price = plan_of(catalog, going_on)?.1.terms.price;
            let next_charge = self.amounts(&fee(price, &plan.name, self.zone, &cycle))?;
            return Ok(Offer { version: sub.version, next_charge, ..later });
        }
        let is_dearer = version.terms.price.minor > old.terms.price.minor;
        if !is_dearer || version.terms.interval != old.terms.interval {
            return Ok(later);
        }
        self.upgrade(catalog, sub, cycle, (&old.terms, &old_plan.name), (&version.terms, later))
    }

    /// At once: the difference for what is left of the period, and what it gives for what is left of the month.
    fn upgrade(
        &self,
        catalog: &Snapshot,
        sub: &Subscription,
        cycle: Cycle,
        (old, old_name): (&PlanTerms, &str),
        (new, later): (&PlanTerms, Offer),
    ) -> Result<Offer, Error> {
        let price = Rest::of(cycle.start, cycle.end, self.now)
            .charged(new.price.minor.saturating_sub(old.price.minor));
        // the month that has its credit already
        let from = self.zone.months_after(cycle.anchor, sub.granted.saturating_sub(1));
        let until = self.zone.months_after(cycle.anchor, sub.granted);
        let rest = Rest::of(from, until, self.now);
        let credits = rest.given(new.plan_credits.micros().saturating_sub(old.plan_credits.micros()));
        let mut first_cycle = BTreeMap::new();
        for code in old.allowances.keys().chain(new.allowances.keys()) {
            let Some(meter) = catalog.meter_id(code.as_str()) else { continue };
            let of = |terms: &PlanTerms| terms.allowances.get(code).map_or(0, |units| units.micros());
            let quote = metering::quote(self.conn, catalog, self.organization, meter, self.now)?;
            let now = quote.and_then(|quote| quote.allowance).map_or(0, Quantity::micros);
            let more = rest.given(of(new).saturating_sub(of(old)));
            first_cycle.insert(meter, Quantity::from_micros(now.saturating_add(more)));
        }
        let price = Money { minor: price, currency: new.price.currency };
        let last = self.zone.day_of(cycle.end);
        let what = format!("{} instead of {old_name} until {last}", later.name);
        let purchase = Purchase::fee(price, what);
        Ok(Offer {
            step: Step::Upgrade { until, first_cycle },
            charge_now: self.amounts(&purchase)?,
            credits_now: Credits::from_micros(credits),
            effective_at: self.now,
            purchase: (price.minor > 0).then_some(purchase),
            ..later
        })
    }
}

/// What is paid, with the tax on it.
pub(super) fn amounts(
    conn: &Connection,
    seller: &SellerTerms,
    organization: OrganizationId,
    purchase: &Purchase,
    now: Timestamp,
) -> Result<Amounts, Error> {
    if purchase.price.minor == 0 {
        let nothing = purchase.price;
        return Ok(Amounts { net: nothing, tax: nothing, total: nothing });
    }
    Ok(payments::quote(conn, seller, organization, purchase, now)?.amounts)
}

/// A period's fee.
pub(super) fn fee(price: Money, name: &str, zone: &Zone, cycle: &Cycle) -> Purchase {
    Purchase::fee(price, format!("{name}: {} to {}", zone.day_of(cycle.start), zone.day_of(cycle.end)))
}
