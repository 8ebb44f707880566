//! A new customer, complete: the organization, its wallet, what prices its usage, and the welcome credit.

use crate::base::id::{OrganizationId, PlanVersionId, RateCardId};
use crate::base::time::DAY_MS;
use crate::base::{Credits, Timestamp};
use crate::catalog;
use crate::db::{DbError, WriteTx};
use crate::grants::Class;
use crate::identity::organizations::Change;
use crate::identity::{self, By, NewOrganization, Organization, organizations};
use crate::ledger::TransactionType;
use crate::metering::{self, PriceTerms, TermsError, statement};
use crate::wallet::{self, NewCredit};

/// What every new organization gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Welcome {
    /// Free credit; none if zero.
    pub credits: Credits,
    /// After how many days it expires; never if zero.
    pub expiry_days: u32,
}

/// What prices an organization's usage. Neither: the default card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    /// The code of a plan.
    pub plan: Option<String>,
    /// The code of a rate card of its own; a plan's card goes before it.
    pub rate_card: Option<String>,
}

/// Why a customer was not created or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The organization itself.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// Its wallet.
    #[error(transparent)]
    Wallet(#[from] wallet::Error),
    /// Its prices.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// No rate card has that code.
    #[error("unknown rate card")]
    UnknownRateCard,
    /// No plan has that code, or none of its versions is in force.
    #[error("unknown plan")]
    UnknownPlan,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Creates an organization with everything that belongs to it.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn create(
    tx: &WriteTx<'_>,
    by: &By,
    new: &NewOrganization,
    prices: &Prices,
    welcome: Welcome,
) -> Result<Organization, Error> {
    let (plan_version, rate_card) = look_up(tx, prices)?;
    let new = NewOrganization { rate_card_id: rate_card, ..new.clone() };
    let organization = organizations::create(tx, by, &new)?;
    wallet::open(tx, organization.id)?;
    wallet::await_alerts(tx, organization.id)?;
    if plan_version.is_some() || rate_card.is_some() {
        let terms = PriceTerms { starts_at: tx.now(), plan_version, rate_card };
        metering::set_price_terms(tx, organization.id, terms)?;
    }
    if welcome.credits.is_positive() {
        wallet::credit(tx, organization.id, welcome_credit(by, welcome, tx.now()))?;
    }
    Ok(organization)
}

/// Changes what prices an organization's usage, from now on. What was charged keeps its price.
///
/// # Errors
/// See [`Error`].
pub fn set_prices(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    prices: &Prices,
) -> Result<Organization, Error> {
    let (plan_version, rate_card) = look_up(tx, prices)?;
    let changed = organizations::set_rate_card(tx, by, organization, rate_card)?;
    let terms = PriceTerms { starts_at: tx.now(), plan_version, rate_card };
    metering::set_price_terms(tx, organization, terms)?;
    Ok(changed)
}

/// Changes an organization. With its timezone the days of its wallet move, which there is no way back from once there is
/// usage.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn change(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    change: &Change,
) -> Result<Organization, Error> {
    let conn = tx.conn()?;
    let before = organizations::get(conn, organization)?.zone;
    let has_usage = metering::has_usage(conn, organization)?;
    let changed = organizations::update(tx, by, organization, change, has_usage)?;
    if changed.zone != before {
        let lines = statement::day_lines(tx.conn()?, organization)?;
        wallet::redraw_days(tx, organization, (&before, &changed.zone), &lines)?;
    }
    Ok(changed)
}

fn look_up(tx: &WriteTx<'_>, prices: &Prices) -> Result<(Option<PlanVersionId>, Option<RateCardId>), Error> {
    let catalog = catalog::snapshot(tx)?;
    let plan = match &prices.plan {
        None => None,
        Some(code) => {
            let plan = catalog.plan_by_code(code).and_then(|plan| plan.in_force(tx.now()));
            Some(plan.ok_or(Error::UnknownPlan)?.id)
        }
    };
    let card = match &prices.rate_card {
        None => None,
        Some(code) => Some(catalog.rate_card_by_code(code).ok_or(Error::UnknownRateCard)?.id),
    };
    Ok((plan, card))
}

fn welcome_credit(by: &By, welcome: Welcome, now: Timestamp) -> NewCredit {
    let expires_at = (welcome.expiry_days > 0).then(|| now.plus_ms(i64::from(welcome.expiry_days) * DAY_MS));
    NewCredit {
        amount: welcome.credits,
        class: Class::Free,
        priority: None,
        expires_at,
        meters: None,
        cost: None,
        tax: None,
        source: "welcome",
        kind: TransactionType::WelcomeBonus,
        description: "Welcome credit".into(),
        actor: by.actor.to_string(),
        metadata: None,
    }
}
