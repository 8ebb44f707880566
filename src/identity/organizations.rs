//! Customers of the operator.

use std::fmt;
use std::str::FromStr;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::audit::{self, By, Difference};
use super::cache::changed;
use super::error::Error;
use super::vat::{VatAnswer, VatStanding};
use super::{rules, sql};
use crate::base::id::{OrganizationId, RateCardId};
use crate::base::{Currency, FieldErrors, Locale, Page, Timestamp, Zone};
use crate::db::WriteTx;
use crate::tax::{Country, VatId};

/// Whether an organization may act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Active,
    /// It may only look. Work not yet done is refused.
    Suspended {
        /// Why, as the operator put it; may be empty.
        reason: String,
    },
}

impl Status {
    /// `active` or `suspended`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended { .. } => "suspended",
        }
    }

    /// True for [`Status::Suspended`].
    #[must_use]
    pub const fn is_suspended(&self) -> bool {
        match self {
            Self::Active => false,
            Self::Suspended { .. } => true,
        }
    }
}

/// Who gets the invoice (or, for the operator, who writes it). Empty where not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BillingDetails {
    /// The company's legal name.
    pub company_name: String,
    /// Street and number.
    pub address_line1: String,
    /// More of the address.
    pub address_line2: String,
    /// Postal code.
    pub postal_code: String,
    /// City.
    pub city: String,
    /// State or province.
    pub region: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// VAT id, without spaces.
    pub vat_id: String,
    /// Where invoices are sent.
    pub billing_email: String,
    /// The language of invoices.
    pub locale: Locale,
}

impl BillingDetails {
    /// Tidied, or every field that is wrong.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn validated(&self) -> Result<Self, Error> {
        let mut errors = FieldErrors::new();
        let email = self.billing_email.trim();
        let country = errors.keep(rules::country("country", &self.country)).unwrap_or_default();
        let tidy = Self {
            company_name: errors.keep(rules::line("company_name", &self.company_name)).unwrap_or_default(),
            address_line1: errors.keep(rules::line("address_line1", &self.address_line1)).unwrap_or_default(),
            address_line2: errors.keep(rules::line("address_line2", &self.address_line2)).unwrap_or_default(),
            postal_code: errors.keep(rules::line("postal_code", &self.postal_code)).unwrap_or_default(),
            city: errors.keep(rules::line("city", &self.city)).unwrap_or_default(),
            region: errors.keep(rules::line("region", &self.region)).unwrap_or_default(),
            vat_id: errors.keep(rules::vat_id("vat_id", &self.vat_id, &country)).unwrap_or_default(),
            country,
            locale: self.locale,
            billing_email: if email.is_empty() {
                String::new()
            } else {
                errors.keep(rules::email("billing_email", email)).unwrap_or_default()
            },
        };
        Ok(errors.finish(Some(tidy))?)
    }

    /// Where it is; none when that is not known.
    #[must_use]
    pub fn country(&self) -> Option<Country> {
        self.country.parse().ok()
    }
}

/// A customer of the operator: one wallet, one currency, one timezone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// What people call it.
    pub name: String,
    /// The platform's own id for it.
    pub external_id: Option<String>,
    /// The currency of its wallet and invoices. Never changes.
    pub currency: Currency,
    /// Where its days and months begin.
    pub zone: Zone,
    /// Whether it may act.
    pub status: Status,
    /// The prices it pays; none for the default card.
    pub rate_card_id: Option<RateCardId>,
    /// Who gets the invoices.
    pub details: BillingDetails,
    /// What is known about its VAT id.
    pub vat: VatStanding,
    /// Since when.
    pub created_at: Timestamp,
    /// Last changed.
    pub updated_at: Timestamp,
}

impl Organization {
    /// Its VAT id, if it was confirmed; nothing else exempts from VAT.
    #[must_use]
    pub fn confirmed_vat_id(&self) -> Option<VatId> {
        if self.vat.is_confirmed() { self.details.vat_id.parse().ok() } else { None }
    }
}

/// What is needed to begin.
#[derive(Debug, Clone)]
pub struct NewOrganization {
    /// What people call it.
    pub name: String,
    /// The platform's own id for it; unique.
    pub external_id: Option<String>,
    /// The currency of its wallet.
    pub currency: Currency,
    /// Where its days begin.
    pub zone: Zone,
    /// The prices it pays; none for the default card. Whether there is such a card is the caller's to check.
    pub rate_card_id: Option<RateCardId>,
}

/// What to change; none leaves as is.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Another name.
    pub name: Option<String>,
    /// Another id on the platform; `Some(None)` removes it.
    pub external_id: Option<Option<String>>,
    /// Another timezone; only while there is no usage.
    pub zone: Option<Zone>,
}

/// How a request names an organization: `org_…`, or `ext:` and the platform's own id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OrganizationRef {
    /// Our id.
    Id(OrganizationId),
    /// The platform's.
    External(String),
}

/// Why a text names no organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither org_… nor ext: and the platform's own id")]
pub struct OrganizationRefError;

impl FromStr for OrganizationRef {
    type Err = OrganizationRefError;

    fn from_str(text: &str) -> Result<Self, OrganizationRefError> {
        if let Some(external) = text.strip_prefix("ext:") {
            let external = rules::external_id("organization", external).map_err(|_| OrganizationRefError)?;
            return Ok(Self::External(external));
        }
        text.parse().map(Self::Id).map_err(|_| OrganizationRefError)
    }
}

impl fmt::Display for OrganizationRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::External(external) => write!(f, "ext:{external}"),
        }
    }
}

/// Which organizations to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Part of the name, the company's name or the platform's id, in any case.
    pub search: Option<String>,
    /// Only suspended ones, or only active ones.
    pub suspended: Option<bool>,
}

/// A remark of the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its row.
    pub number: i64,
    /// Who wrote it: see [`audit::Actor`].
    pub author: audit::Actor,
    /// The remark.
    pub body: String,
    /// When.
    pub created_at: Timestamp,
}

/// Creates an organization. Its wallet and welcome credit are made by the caller in the same transaction.
///
/// # Errors
/// [`Error::Invalid`], or [`Error::Taken`] for the platform's id.
pub fn create(tx: &WriteTx<'_>, by: &By, new: &NewOrganization) -> Result<Organization, Error> {
    let mut errors = FieldErrors::new();
    let name = errors.keep(rules::name("name", &new.name));
    let external_id = new.external_id.as_deref().map(|id| rules::external_id("external_id", id)).transpose();
    let external_id = errors.keep(external_id);
    let (name, external_id) = errors.finish(name.zip(external_id))?;
    if let Some(external) = &external_id {
        free_external_id(tx, external, None)?;
    }
    let conn = tx.conn()?;
    let new = NewOrganization { name, external_id, ..new.clone() };
    let id = sql::insert_organization(conn, &new, tx.now())?;
    let difference = Difference::new()
        .with("name", new.name.as_str())
        .with("external_id", new.external_id.as_deref())
        .with("currency", new.currency.code())
        .with("timezone", new.zone.name())
        .with("rate_card", new.rate_card_id.map(|card| card.to_string()));
    audit::record(tx, by, "organization.created", id, Some(id), &difference)?;
    changed(tx);
    get(conn, id)
}

fn free_external_id(tx: &WriteTx<'_>, external: &str, own: Option<OrganizationId>) -> Result<(), Error> {
    match sql::organization_by_external_id(tx.conn()?, external)? {
        Some(other) if Some(other.id) != own => Err(Error::Taken("external_id")),
        Some(_) | None => Ok(()),
    }
}

/// The organization with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub fn get(conn: &Connection, id: OrganizationId) -> Result<Organization, Error> {
    sql::organization_by_id(conn, id)?.ok_or(Error::NotFound("organization"))
}

/// The organization so named.
///
/// # Errors
/// [`Error::NotFound`].
pub fn find(conn: &Connection, name: &OrganizationRef) -> Result<Organization, Error> {
    lookup(conn, name)?.ok_or(Error::NotFound("organization"))
}

pub(super) fn lookup(conn: &Connection, name: &OrganizationRef) -> Result<Option<Organization>, Error> {
    Ok(match name {
        OrganizationRef::Id(id) => sql::organization_by_id(conn, *id)?,
        OrganizationRef::External(external) => sql::organization_by_external_id(conn, external)?,
    })
}

/// Organizations, newest first.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &Connection,
    filter: &Filter,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Organization>, Error> {
    let items = sql::list_organizations(conn, filter, before, limit)?;
    Ok(Page::cut(items, limit, |organization| organization.id.number()))
}

/// How many organizations the filter lets through.
///
/// # Errors
/// Those of the database.
pub fn count(conn: &Connection, filter: &Filter) -> Result<i64, Error> {
    Ok(sql::count_organizations(conn, filter)?)
}

/// Changes an organization. `has_usage` is what the caller found in this very transaction: with usage, the
/// timezone stays.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Taken`], [`Error::TimezoneFixed`], [`Error::NotFound`].
pub fn update(
    tx: &WriteTx<'_>,
    by: &By,
    id: OrganizationId,
    change: &Change,
    has_usage: bool,
) -> Result<Organization, Error> {
    let conn = tx.conn()?;
    let before = get(conn, id)?;
    let mut errors = FieldErrors::new();
    let name = errors.keep(change.name.as_deref().map(|n| rules::name("name", n)).transpose());
    let external_id = match &change.external_id {
        Some(Some(external)) => errors.keep(rules::external_id("external_id", external)).map(Some),
        Some(None) => Some(None),
        None => Some(before.external_id.clone()),
    };
    let (name, external_id) = errors.finish(name.zip(external_id))?;
    let mut after = before.clone();
    after.name = name.unwrap_or(after.name);
    after.external_id = external_id;
    after.zone = change.zone.clone().unwrap_or(after.zone);
    if let Some(external) = &after.external_id {
        free_external_id(tx, external, Some(id))?;
    }
    if after.zone != before.zone && has_usage {
        return Err(Error::TimezoneFixed);
    }
    let difference = Difference::new()
        .changed("name", before.name.as_str(), after.name.as_str())
        .changed("external_id", before.external_id.as_deref(), after.external_id.as_deref())
        .changed("timezone", before.zone.name(), after.zone.name());
    save(tx, by, "organization.updated", after, &difference)
}

/// Suspends an organization: its own people and keys may look, no more, and no new work is let in.
///
/// # Errors
/// [`Error::Invalid`] for the reason, [`Error::NotFound`].
pub fn suspend(tx: &WriteTx<'_>, by: &By, id: OrganizationId, reason: &str) -> Result<Organization, Error> {
    let reason = rules::line("reason", reason).map_err(|e| vec![e])?;
    let mut organization = get(tx.conn()?, id)?;
    let difference = Difference::new()
        .changed("status", organization.status.name(), "suspended")
        .with("reason", reason.as_str());
    organization.status = Status::Suspended { reason };
    save(tx, by, "organization.suspended", organization, &difference)
}

/// Lets a suspended organization act again.
///
/// # Errors
/// [`Error::NotFound`].
pub fn resume(tx: &WriteTx<'_>, by: &By, id: OrganizationId) -> Result<Organization, Error> {
    let mut organization = get(tx.conn()?, id)?;
    let difference = Difference::new().changed("status", organization.status.name(), "active");
    organization.status = Status::Active;
    save(tx, by, "organization.resumed", organization, &difference)
}

/// Chooses the prices an organization pays. Whether there is such a card is the caller's to check.
///
/// # Errors
/// [`Error::NotFound`].
pub fn set_rate_card(
    tx: &WriteTx<'_>,
    by: &By,
    id: OrganizationId,
    card: Option<RateCardId>,
) -> Result<Organization, Error> {
    let mut organization = get(tx.conn()?, id)?;
    let text = |card: Option<RateCardId>| card.map(|c| c.to_string());
    let difference = Difference::new().changed("rate_card", text(organization.rate_card_id), text(card));
    organization.rate_card_id = card;
    save(tx, by, "organization.rate_card_changed", organization, &difference)
}

/// Says who gets the invoices.
///
/// # Errors
/// [`Error::Invalid`], [`Error::NotFound`].
pub fn set_details(
    tx: &WriteTx<'_>,
    by: &By,
    id: OrganizationId,
    details: &BillingDetails,
) -> Result<Organization, Error> {
    let details = details.validated()?;
    let mut organization = get(tx.conn()?, id)?;
    let json = |d: &BillingDetails| serde_json::to_value(d).unwrap_or_default();
    let difference = Difference::new().changed("details", json(&organization.details), json(&details));
    // an answer is about the id that was asked for, and about nobody else
    if organization.details.vat_id != details.vat_id {
        organization.vat = VatStanding::default();
    }
    organization.details = details;
    save(tx, by, "organization.details_changed", organization, &difference)
}

/// Notes what the register said about `asked`. None when the organization has another id by now: then the answer says
/// nothing about it, and nothing is stored.
///
/// # Errors
/// [`Error::NotFound`].
pub fn set_vat_answer(
    tx: &WriteTx<'_>,
    by: &By,
    id: OrganizationId,
    asked: &VatId,
    answer: VatAnswer,
) -> Result<Option<Organization>, Error> {
    let mut organization = get(tx.conn()?, id)?;
    if organization.details.vat_id != asked.text() {
        return Ok(None);
    }
    let status = if answer.valid { "confirmed" } else { "invalid" };
    let difference = Difference::new()
        .with("vat_id", asked.text())
        .changed("status", organization.vat.name(), status)
        .with("answer", answer.text.as_str());
    organization.vat = VatStanding::answered(answer, tx.now());
    save(tx, by, "organization.vat_id_checked", organization, &difference).map(Some)
}

/// Stores a changed organization; when nothing changed, nothing is stored or recorded.
fn save(
    tx: &WriteTx<'_>,
    by: &By,
    action: &str,
    mut organization: Organization,
    difference: &Difference,
) -> Result<Organization, Error> {
    if difference.is_empty() {
        return Ok(organization);
    }
    organization.updated_at = tx.now();
    sql::update_organization(tx.conn()?, &organization)?;
    audit::record(tx, by, action, organization.id, Some(organization.id), difference)?;
    changed(tx);
    Ok(organization)
}

/// Adds a remark.
///
/// # Errors
/// [`Error::Invalid`], [`Error::NotFound`].
pub fn add_note(tx: &WriteTx<'_>, by: &By, id: OrganizationId, body: &str) -> Result<(), Error> {
    let body = rules::note("note", body).map_err(|e| vec![e])?;
    let conn = tx.conn()?;
    get(conn, id)?;
    sql::insert_note(conn, id, by.actor, &body, tx.now())?;
    audit::record(tx, by, "organization.noted", id, Some(id), &Difference::new().with("note", body))?;
    Ok(())
}

/// Remarks, newest first.
///
/// # Errors
/// Those of the database.
pub fn notes(
    conn: &Connection,
    id: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Note>, Error> {
    Ok(Page::cut(sql::list_notes(conn, id, before, limit)?, limit, |note| note.number))
}
