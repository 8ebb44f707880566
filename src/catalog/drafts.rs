//! Versions that are being written. A draft is kept until it is published or discarded, and prices nothing meanwhile; there is
//! one for each card and plan at most. What stands in it has been checked, but for what only its start decides.
//!
//! Whoever changes or publishes one says by its revision what they have seen: of two people at it, neither undoes unseen what
//! the other did.

use rusqlite::Connection;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

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

    /// The name of what was published under a code.
    fn name<'s>(known: &'s Snapshot, code: &Code) -> Option<&'s str>;
}

impl Terms for Vec<Rate> {
    const KIND: &'static str = "rate_card";

    fn check(&self, known: &Snapshot, _now: Timestamp) -> Result<(), Problems> {
        check_rates(self, |meter| known.meter_id(meter.as_str()).is_some())
    }

    fn name<'s>(known: &'s Snapshot, code: &Code) -> Option<&'s str> {
        Some(&known.rate_card_by_code(code.as_str())?.name)
    }
}

impl Terms for PlanTerms {
    const KIND: &'static str = "plan";

    fn check(&self, known: &Snapshot, now: Timestamp) -> Result<(), Problems> {
        check_plan(known, self, now)
    }

    fn name<'s>(known: &'s Snapshot, code: &Code) -> Option<&'s str> {
        Some(&known.plan_by_code(code.as_str())?.name)
    }
}

/// A version that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft<T> {
    /// The code of the card or plan.
    pub code: Code,
    /// Its name on pages.
    pub name: String,
    /// Whether that is a new name, which it takes when the draft is published.
    pub renames: bool,
    /// What the version would say.
    pub terms: T,
    /// Who wrote it last.
    pub actor: String,
    /// And when.
    pub changed_at: Timestamp,
}

impl<T: Terms> Draft<T> {
    /// Another one whenever its name or its terms are others.
    ///
    /// # Errors
    /// When the terms cannot be written.
    pub fn revision(&self) -> Result<String, DbError> {
        revision(&(&self.name, &self.terms))
    }

    fn is_as_seen(&self, seen: &str) -> Result<(), CatalogError> {
        if self.revision()? == seen { Ok(()) } else { Err(CatalogError::DraftChanged(self.code.clone())) }
    }

    fn new_name(&self) -> Option<&str> {
        self.renames.then_some(&self.name)
    }
}

impl Draft<Vec<Rate>> {
    /// How it prices a meter.
    #[must_use]
    pub fn rate(&self, meter: &Code) -> Option<&Rate> {
        self.terms.iter().find(|rate| rate.meter == *meter)
    }

    /// Another one whenever it prices that meter otherwise.
    ///
    /// # Errors
    /// When the rate cannot be written.
    pub fn rate_revision(&self, meter: &Code) -> Result<String, DbError> {
        revision(&self.rate(meter))
    }
}

fn revision(what: &impl Serialize) -> Result<String, DbError> {
    Ok(hex::encode(Sha256::digest(to_json("catalog_drafts", what)?)))
}

fn from_row<T: Terms>(row: DraftRow) -> Result<Draft<T>, DbError> {
    let DraftRow { code, name, renames, terms, actor, changed_at } = row;
    let terms = serde_json::from_str(&terms).map_err(|e| DbError::bad_row("catalog_drafts", 0, e))?;
    Ok(Draft { code, name, renames, terms, actor, changed_at })
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
pub fn begin<T: Terms>(tx: &WriteTx<'_>, by: &By, code: &Code, terms: &T) -> Result<(), CatalogError> {
    match get::<T>(tx.conn()?, code) {
        Err(CatalogError::NoDraft(_)) => keep(tx, by, code, None, terms),
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
    let is_taken = T::name(&Snapshot::load(conn)?, code).is_some()
        || !sql::drafts(conn, T::KIND, Some(code))?.is_empty();
    if is_taken {
        let mut problems = Problems::default();
        problems.add("code", "is taken already");
        problems.check()?;
    }
    keep(tx, by, code, Some(name), terms)
}

/// Writes a draft down, over the one that there is; without a name what is published keeps its own.
fn keep<T: Terms>(
    tx: &WriteTx<'_>,
    by: &By,
    code: &Code,
    name: Option<&str>,
    terms: &T,
) -> Result<(), CatalogError> {
    let conn = tx.conn()?;
    let known = Snapshot::load(conn)?;
    let mut problems = Problems::default();
    if let Some(name) = name {
        check_name(name, "name", &mut problems);
    }
    all_of([problems.check(), terms.check(&known, tx.now())])?;
    // a name that is no other one undoes none that is given meanwhile
    let name = name.filter(|name| T::name(&known, code) != Some(name));
    let draft = DraftRow {
        code: code.clone(),
        name: name.unwrap_or_default().to_owned(),
        renames: name.is_some(),
        terms: to_json("catalog_drafts", terms)?,
        actor: by.actor.to_string(),
        changed_at: tx.now(),
    };
    Ok(sql::put_draft(conn, T::KIND, &draft)?)
}

/// Sets the name and the terms of a plan's draft. `seen`: its revision.
///
/// # Errors
/// With all fields that do not fit; when there is no draft, or one that was not seen.
pub fn set_terms(
    tx: &WriteTx<'_>,
    by: &By,
    code: &Code,
    seen: &str,
    (name, terms): (&str, &PlanTerms),
) -> Result<(), CatalogError> {
    get::<PlanTerms>(tx.conn()?, code)?.is_as_seen(seen)?;
    keep(tx, by, code, Some(name), terms)
}

/// Sets how the draft of a card prices a meter; with `None` it does not price it. `seen`: the revision of that rate.
///
/// # Errors
/// With all fields that do not fit; when there is no draft, or one that was not seen.
pub fn set_rate(
    tx: &WriteTx<'_>,
    by: &By,
    (card, meter): (&Code, &Code),
    seen: &str,
    rate: Option<Rate>,
) -> Result<(), CatalogError> {
    let mut draft = get::<Vec<Rate>>(tx.conn()?, card)?;
    if draft.rate_revision(meter)? != seen {
        return Err(CatalogError::DraftChanged(card.clone()));
    }
    let place = draft.terms.iter().position(|known| known.meter == *meter);
    match (place.and_then(|place| draft.terms.get_mut(place)), rate) {
        (Some(known), Some(rate)) => *known = rate,
        (None, Some(rate)) => draft.terms.push(rate),
        (_, None) => draft.terms.retain(|known| known.meter != *meter),
    }
    keep(tx, by, card, draft.new_name(), &draft.terms)
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

/// Publishes the draft of a rate card, from `starts_at` or from now on. `seen`: its revision.
///
/// # Errors
/// With all fields that do not fit; when there is no draft, or one that was not seen.
pub fn publish_rates(
    tx: &WriteTx<'_>,
    by: &By,
    code: &Code,
    seen: &str,
    starts_at: Option<Timestamp>,
) -> Result<(), CatalogError> {
    let draft = get::<Vec<Rate>>(tx.conn()?, code)?;
    draft.is_as_seen(seen)?;
    let new = NewRateVersion {
        name: draft.new_name().map(str::to_owned),
        card: draft.code,
        starts_at: Some(starts_at.unwrap_or(tx.now())),
        rates: draft.terms,
    };
    let id = publish_rate_card(tx, &new)?;
    published::<Vec<Rate>>(tx, by, &new.card, &id.to_string())
}

/// Publishes the draft of a plan, from `starts_at` or from now on. `seen`: its revision. A new name counts at once.
///
/// # Errors
/// With all fields that do not fit; when there is no draft, or one that was not seen.
pub fn publish_terms(
    tx: &WriteTx<'_>,
    by: &By,
    code: &Code,
    seen: &str,
    starts_at: Option<Timestamp>,
) -> Result<(), CatalogError> {
    let draft = get::<PlanTerms>(tx.conn()?, code)?;
    draft.is_as_seen(seen)?;
    let new = NewPlanVersion {
        name: draft.new_name().map(str::to_owned),
        plan: draft.code,
        starts_at: Some(starts_at.unwrap_or(tx.now())),
        terms: draft.terms,
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
