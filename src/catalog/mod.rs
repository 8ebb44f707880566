//! What can be charged for and at which price: meters, rate cards, plans, and their versions.
//!
//! A published version never changes. A new one has a number above the others and a start that is not in the past;
//! in force is always the highest number that has started. What was charged keeps the version it was charged by.

use std::collections::BTreeMap;

pub mod drafts;
pub mod rules;
pub mod seed;
mod snapshot;
mod sql;

pub use snapshot::{CatalogPart, Snapshot, SnapshotCache, snapshot};

use crate::base::Timestamp;
use crate::base::id::{MeterId, PlanId, PlanVersionId, RateCardId, RateVersionId};
use crate::db::{DbError, WriteTx};
use rules::{Code, PlanTerms, Problems, Rate, check_name, check_rates, check_start, check_terms};

/// The code of the rate card for organizations without a plan, and of what a plan's own card does not price.
pub const DEFAULT_CARD: &str = "payg";
/// The meter of connected calls, in seconds.
pub const VOICE: &str = "voice";
/// The meter of messages, sent or received.
pub const CHAT: &str = "chat";
/// The meter of forwarded calls, in seconds, from hand-off to the end.
pub const TRANSFER_MINUTE: &str = "transfer_minute";
/// The meter of rented phone numbers, in months.
pub const NUMBER: &str = "number";

/// Something that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// Its id.
    pub id: MeterId,
    /// Its name in the API.
    pub code: Code,
    /// Its name on pages.
    pub name: String,
    /// What a quantity of 1 is, singular: `second`, `message`.
    pub unit: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// A list of prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateCard {
    /// Its id.
    pub id: RateCardId,
    /// Its name in the API.
    pub code: Code,
    /// Its name on pages.
    pub name: String,
    /// When its first version was published.
    pub created_at: Timestamp,
    /// All versions in the order of their numbers.
    pub versions: Vec<RateVersion>,
}

/// One published state of a rate card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateVersion {
    /// Its id.
    pub id: RateVersionId,
    /// Its number on the card, from 1.
    pub version: i64,
    /// From when on it prices usage, by the time the usage occurred.
    pub starts_at: Timestamp,
    /// When it was published.
    pub created_at: Timestamp,
    /// The rates by meter.
    pub rates: BTreeMap<MeterId, Rate>,
}

impl RateVersion {
    /// How it prices a meter, if it does.
    #[must_use]
    pub fn rate(&self, meter: MeterId) -> Option<&Rate> {
        self.rates.get(&meter)
    }
}

/// A plan that customers can be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// Its name in the API.
    pub code: Code,
    /// Its name on pages.
    pub name: String,
    /// When its first version was published.
    pub created_at: Timestamp,
    /// All versions in the order of their numbers.
    pub versions: Vec<PlanVersion>,
}

/// One published state of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanVersion {
    /// Its id.
    pub id: PlanVersionId,
    /// Its number in the plan, from 1.
    pub version: i64,
    /// From when on it is offered.
    pub starts_at: Timestamp,
    /// When it was published.
    pub created_at: Timestamp,
    /// What it offers.
    pub terms: PlanTerms,
}

/// A meter to be added.
#[derive(Debug, Clone)]
pub struct NewMeter {
    /// Its name in the API; never changes.
    pub code: Code,
    /// Its name on pages.
    pub name: String,
    /// What a quantity of 1 is, singular; never changes.
    pub unit: String,
}

/// A version of a rate card to be published.
#[derive(Debug, Clone)]
pub struct NewRateVersion {
    /// The card; a new one is made where there is none with this code.
    pub card: Code,
    /// The card's name on pages; needed for a new card, renames another.
    pub name: Option<String>,
    /// From when on it prices usage; now unless given.
    pub starts_at: Option<Timestamp>,
    /// All its rates: nothing is taken over from earlier versions.
    pub rates: Vec<Rate>,
}

/// A version of a plan to be published.
#[derive(Debug, Clone)]
pub struct NewPlanVersion {
    /// The plan; a new one is made where there is none with this code.
    pub plan: Code,
    /// The plan's name on pages; needed for a new plan, renames another.
    pub name: Option<String>,
    /// From when on it is offered; now unless given.
    pub starts_at: Option<Timestamp>,
    /// What it offers.
    pub terms: PlanTerms,
}

/// Why the catalog was not changed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Fields that do not fit, all of them.
    #[error(transparent)]
    Invalid(#[from] Problems),
    /// There is a meter with this code already.
    #[error("there is a meter {0} already")]
    MeterExists(Code),
    /// Nothing is being written under this code.
    #[error("there is no draft of {0}")]
    NoDraft(Code),
    /// What is being written under this code is not what was looked at.
    #[error("the draft of {0} was changed meanwhile")]
    DraftChanged(Code),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Adds a meter. Its usage can be charged once a rate card prices it.
///
/// # Errors
/// When the code is taken or a field does not fit.
pub fn add_meter(tx: &WriteTx<'_>, new: &NewMeter) -> Result<Meter, CatalogError> {
    let mut problems = Problems::default();
    check_name(&new.name, "name", &mut problems);
    check_name(&new.unit, "unit", &mut problems);
    problems.check()?;
    let conn = tx.conn()?;
    let known = Snapshot::load(conn)?;
    if known.meter_id(new.code.as_str()).is_some() {
        return Err(CatalogError::MeterExists(new.code.clone()));
    }
    let id = sql::insert_meter(conn, &new.code, &new.name, &new.unit, tx.now())?;
    changed(tx)?;
    let NewMeter { code, name, unit } = new.clone();
    Ok(Meter { id, code, name, unit, created_at: tx.now() })
}

/// Publishes a version of a rate card, and the card itself if it is new.
///
/// # Errors
/// With all fields that do not fit.
pub fn publish_rate_card(tx: &WriteTx<'_>, new: &NewRateVersion) -> Result<RateVersionId, CatalogError> {
    let conn = tx.conn()?;
    let known = Snapshot::load(conn)?;
    let is_first = known.rate_card_by_code(new.card.as_str()).is_none();
    let starts_at = new.starts_at.unwrap_or(tx.now());
    let rates = check_rates(&new.rates, |meter| known.meter_id(meter.as_str()).is_some());
    all_of([rates, check_version(new.name.as_deref(), starts_at, tx.now(), is_first)])?;
    let json = to_json("rate_versions", &new.rates)?;
    let card = sql::rate_card_named(conn, &new.card, new.name.as_deref(), tx.now())?;
    let card = card.ok_or_else(|| DbError::bad_row("rate_cards", 0, "gone while it was published"))?;
    let id = sql::insert_rate_version(conn, card, starts_at, &json, tx.now())?;
    changed(tx)?;
    Ok(id)
}

/// Publishes a version of a plan, and the plan itself if it is new. Organizations on the plan keep their version until
/// they change to this one.
///
/// # Errors
/// With all fields that do not fit.
pub fn publish_plan(tx: &WriteTx<'_>, new: &NewPlanVersion) -> Result<PlanVersionId, CatalogError> {
    let conn = tx.conn()?;
    let known = Snapshot::load(conn)?;
    let is_first = known.plan_by_code(new.plan.as_str()).is_none();
    let starts_at = new.starts_at.unwrap_or(tx.now());
    let terms = check_plan(&known, &new.terms, starts_at);
    all_of([terms, check_version(new.name.as_deref(), starts_at, tx.now(), is_first)])?;
    let json = to_json("plan_versions", &new.terms)?;
    let plan = sql::plan_named(conn, &new.plan, new.name.as_deref(), tx.now())?;
    let plan = plan.ok_or_else(|| DbError::bad_row("plans", 0, "gone while it was published"))?;
    let id = sql::insert_plan_version(conn, plan, starts_at, &json, tx.now())?;
    changed(tx)?;
    Ok(id)
}

/// Whether a plan's terms fit the rest of the catalog as it is at `at`.
fn check_plan(known: &Snapshot, terms: &PlanTerms, at: Timestamp) -> Result<(), Problems> {
    let card = known.rate_card_by_code(terms.rate_card.as_str()).map(|card| card.id);
    let is_priced = |code: &Code| {
        let meter = known.meter_id(code.as_str())?;
        Some(card.or(known.default_card()).is_some_and(|card| known.rate(card, meter, at).is_some()))
    };
    check_terms(terms, |_| card.is_some(), is_priced)
}

/// What a new version of anything needs: a start that rewrites nothing, and a name for what is new.
fn check_version(
    name: Option<&str>,
    starts_at: Timestamp,
    now: Timestamp,
    is_first: bool,
) -> Result<(), Problems> {
    let mut problems = Problems::default();
    match name {
        Some(name) => check_name(name, "name", &mut problems),
        None if is_first => problems.add("name", "is required where the code is new"),
        None => {}
    }
    all_of([problems.check(), check_start(starts_at, now, is_first)])
}

/// The problems of all checks together.
fn all_of<const N: usize>(checks: [Result<(), Problems>; N]) -> Result<(), Problems> {
    let found = checks.into_iter().filter_map(Result::err).flat_map(|problems| problems.0).collect();
    Problems(found).check()
}

fn to_json(table: &'static str, value: &impl serde::Serialize) -> Result<String, DbError> {
    serde_json::to_string(value).map_err(|e| DbError::bad_row(table, 0, e))
}

/// Makes every copy of the catalog in memory be loaded again.
fn changed(tx: &WriteTx<'_>) -> Result<(), DbError> {
    sql::bump_revision(tx.conn()?)?;
    // a writer without the part has no copy
    if let Ok(mut part) = tx.cache::<CatalogPart>() {
        part.invalidate();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
