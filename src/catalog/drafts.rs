//! Versions that are being written. A draft is kept until it is published or discarded, and prices nothing meanwhile; there is
//! one for each card and plan at most. What stands in it has been checked, but for what only its start decides.

use rusqlite::Connection;
use serde::{Serialize, de::DeserializeOwned};

use super::rules::{Code, PlanTerms, Problems, Rate, check_name, check_rates};
use super::sql::{self, DraftRow};
use super::{
    CatalogError, NewPlanVersion, NewRateVersion, Snapshot, all_of, check_plan, publish_plan,
    publish_rate_card, to_json,
};
use crate::base::Timestamp;
use crate::db::{DbError, WriteTx};
use crate::identity::audit::{self, By, Difference};

/// What a version can be of.
pub trait Terms: Serialize + DeserializeOwned {
    /// Its name in the database.
    const KIND: &'static str;

    /// Whether they may stand in a draft.
    ///
    /// # Errors
    /// With all fields that do not fit.
    fn check(&self, known: &Snapshot, now: Timestamp) -> Result<(), Problems>;

    /// Whether a code belongs to something that was published.
    fn is_published(known: &Snapshot, code: &Code) -> bool;
}

impl Terms for Vec<Rate> {
    const KIND: &'static str = "rate_card";

    fn check(&self, known: &Snapshot, _now: Timestamp) -> Result<(), Problems> {
        check_rates(self, |meter| known.meter_id(meter.as_str()).is_some())
    }

    fn is_published(known: &Snapshot, code: &Code) -> bool {
        known.rate_card_by_code(code.as_str()).is_some()
    }
}

impl Terms for PlanTerms {
    const KIND: &'static str = "plan";

    fn check(&self, known: &Snapshot, now: Timestamp) -> Result<(), Problems> {
        check_plan(known, self, now)
    }

    fn is_published(known: &Snapshot, code: &Code) -> bool {
        known.plan_by_code(code.as_str()).is_some()
    }
}

/// A version that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft<T> {
    /// The code of the card or plan.
    pub code: Code,
    /// Its name on pages.
    pub name: String,
    /// What the version would say.
    pub terms: T,
    /// Who wrote it last.
    pub actor: String,
    /// And when.
    pub changed_at: Timestamp,
}

fn from_row<T: Terms>(row: DraftRow) -> Result<Draft<T>, DbError> {
    let DraftRow { code, name, terms, actor, changed_at } = row;
    let terms = serde_json::from_str(&terms).map_err(|e| DbError::bad_row("catalog_drafts", 0, e))?;
    Ok(Draft { code, name, terms, actor, changed_at })
}

/// All drafts of a kind, by code.
///
/// # Errors
/// When the database fails.
pub fn all<T: Terms>(conn: &Connection) -> Result<Vec<Draft<T>>, DbError> {
    sql::drafts(conn, T::KIND, None)?.into_iter().map(from_row).collect()
}

/// The draft with this code.
///
/// # Errors
/// [`CatalogError::NoDraft`].
pub fn get<T: Terms>(conn: &Connection, code: &Code) -> Result<Draft<T>, CatalogError> {
    let row = sql::drafts(conn, T::KIND, Some(code))?.pop();
    Ok(from_row(row.ok_or_else(|| CatalogError::NoDraft(code.clone()))?)?)
}

/// Begins to write a version of a card or plan that there is. A draft that there is already stays as it is.
///
/// # Errors
/// When the terms do not fit.
pub fn begin<T: Terms>(
    tx: &WriteTx<'_>,
    by: &By,
    code: &Code,
    name: &str,
    terms: &T,
) -> Result<(), CatalogError> {
    match get::<T>(tx.conn()?, code) {
        Err(CatalogError::NoDraft(_)) => keep(tx, by, code, name, terms),
        known => known.map(drop),
    }
}

/// Begins to write the first version of a new card or plan.
///
/// # Errors
/// When the code is taken, by a draft too, or something does not fit.
pub fn begin_new<T: Terms>(
    tx: &WriteTx<'_>,
    by: &By,
    code: &Code,
    name: &str,
    terms: &T,
) -> Result<(), CatalogError> {
    let conn = tx.conn()?;
    let is_taken =
        T::is_published(&Snapshot::load(conn)?, code) || !sql::drafts(conn, T::KIND, Some(code))?.is_empty();
    if is_taken {
        let mut problems = Problems::default();
        problems.add("code", "is taken already");
        problems.check()?;
    }
    keep(tx, by, code, name, terms)
}

/// Writes a draft down, over the one that there is.
///
/// # Errors
/// With all fields that do not fit.
pub fn keep<T: Terms>(
    tx: &WriteTx<'_>,
    by: &By,
    code: &Code,
    name: &str,
    terms: &T,
) -> Result<(), CatalogError> {
    let conn = tx.conn()?;
    let mut problems = Problems::default();
    check_name(name, "name", &mut problems);
    all_of([problems.check(), terms.check(&Snapshot::load(conn)?, tx.now())])?;
    let draft = DraftRow {
        code: code.clone(),
        name: name.to_owned(),
        terms: to_json("catalog_drafts", terms)?,
        actor: by.actor.to_string(),
        changed_at: tx.now(),
    };
    Ok(sql::put_draft(conn, T::KIND, &draft)?)
}

/// Sets how the draft of a card prices a meter; with `None` it does not price it.
///
/// # Errors
/// With all fields that do not fit; when there is no draft.
pub fn set_rate(
    tx: &WriteTx<'_>,
    by: &By,
    card: &Code,
    meter: &Code,
    rate: Option<Rate>,
) -> Result<(), CatalogError> {
    let mut draft = get::<Vec<Rate>>(tx.conn()?, card)?;
    let place = draft.terms.iter().position(|known| known.meter == *meter);
    match (place.and_then(|place| draft.terms.get_mut(place)), rate) {
        (Some(known), Some(rate)) => *known = rate,
        (None, Some(rate)) => draft.terms.push(rate),
        (_, None) => draft.terms.retain(|known| known.meter != *meter),
    }
    keep(tx, by, card, &draft.name, &draft.terms)
}

/// Throws a draft away.
///
/// # Errors
/// [`CatalogError::NoDraft`].
pub fn discard<T: Terms>(tx: &WriteTx<'_>, by: &By, code: &Code) -> Result<(), CatalogError> {
    if !sql::delete_draft(tx.conn()?, T::KIND, code)? {
        return Err(CatalogError::NoDraft(code.clone()));
    }
    let action = format!("{}.draft_discarded", T::KIND);
    Ok(audit::record(tx, by, &action, code, None, &Difference::new())?)
}

/// Publishes the draft of a rate card, from `starts_at` or from now on.
///
/// # Errors
/// With all fields that do not fit; when there is no draft.
pub fn publish_rates(
    tx: &WriteTx<'_>,
    by: &By,
    code: &Code,
    starts_at: Option<Timestamp>,
) -> Result<(), CatalogError> {
    let Draft { code, name, terms: rates, .. } = get::<Vec<Rate>>(tx.conn()?, code)?;
    let new = NewRateVersion {
        card: code,
        name: Some(name),
        starts_at: Some(starts_at.unwrap_or(tx.now())),
        rates,
    };
    let id = publish_rate_card(tx, &new)?;
    published::<Vec<Rate>>(tx, by, &new.card, &id.to_string())
}

/// Publishes the draft of a plan, from `starts_at` or from now on.
///
/// # Errors
/// With all fields that do not fit; when there is no draft.
pub fn publish_terms(
    tx: &WriteTx<'_>,
    by: &By,
    code: &Code,
    starts_at: Option<Timestamp>,
) -> Result<(), CatalogError> {
    let Draft { code, name, terms, .. } = get::<PlanTerms>(tx.conn()?, code)?;
    let new = NewPlanVersion {
        plan: code,
        name: Some(name),
        starts_at: Some(starts_at.unwrap_or(tx.now())),
        terms,
    };
    let id = publish_plan(tx, &new)?;
    published::<PlanTerms>(tx, by, &new.plan, &id.to_string())
}

fn published<T: Terms>(tx: &WriteTx<'_>, by: &By, code: &Code, version: &str) -> Result<(), CatalogError> {
    sql::delete_draft(tx.conn()?, T::KIND, code)?;
    let difference = Difference::new().with("version", version);
    audit::record(tx, by, &format!("{}.published", T::KIND), code, None, &difference)?;
    Ok(())
}
