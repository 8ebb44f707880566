//! Addresses that are told by webhook: an organization's own, and the operator's, which are told of every organization.

use rusqlite::Connection;

use super::{Error, NewDelivery, signing, sql};
use crate::base::id::{DeliveryId, OrganizationId, WebhookEndpointId};
use crate::base::time::HOUR_MS;
use crate::base::{FieldError, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::events::payload::Endpoint as Told;
use crate::events::{self, Kind, Payload};
use crate::identity::audit::{self, By, Difference};
use crate::outside::Guarded;

/// As many an organization may have, and the operator.
pub const MOST: usize = 20;
/// An old secret signs as well for at most that long.
pub const OVERLAP_MAX_MS: i64 = 168 * HOUR_MS;
/// Characters of a URL, and of a description.
const MAX_URL: usize = 2_000;
const MAX_DESCRIPTION: usize = 200;
/// The success rate is of so many deliveries.
const RATED: u32 = 100;

/// Why an endpoint is not told anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disabled {
    /// Somebody switched it off.
    Asked,
    /// It failed for days.
    Failing,
}

impl Disabled {
    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Failing => "failing",
        }
    }

    /// The reason with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Asked, Self::Failing].into_iter().find(|why| why.name() == name)
    }
}

/// An address that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Which.
    pub id: WebhookEndpointId,
    /// Whose; none for the operator's.
    pub organization: Option<OrganizationId>,
    /// Where.
    pub url: String,
    /// What people call it.
    pub description: String,
    /// What it is told, by name; empty for everything.
    pub types: Vec<String>,
    /// What its deliveries are signed with.
    pub secret: String,
    /// What they are signed with as well, and until when.
    pub old_secret: Option<(String, Timestamp)>,
    /// Since when it is not told anything, and why.
    pub disabled: Option<(Timestamp, Disabled)>,
    /// Since when every attempt failed.
    pub failing_since: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it last took something.
    pub last_success_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Endpoint {
    /// Whether it is to be told of events of this kind.
    #[must_use]
    pub fn wants(&self, kind: Kind) -> bool {
        self.types.is_empty() || self.types.iter().any(|name| name == kind.name())
    }

    /// Whether what it wants is written down for it: also while it fails, so that it can be sent once it works again.
    pub(super) fn is_kept_for(&self) -> bool {
        !matches!(self.disabled, Some((_, Disabled::Asked)))
    }

    /// What a delivery is signed with at this time.
    pub fn secrets(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let old =
            self.old_secret.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret.as_str());
        std::iter::once(self.secret.as_str()).chain(old)
    }
}

/// What is asked for of an endpoint; what is left out stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Where.
    pub url: Option<String>,
    /// What people call it.
    pub description: Option<String>,
    /// What it is told; an empty list for everything.
    pub types: Option<Vec<String>>,
    /// Whether it is told anything.
    pub enabled: Option<bool>,
}

/// A change that was looked at.
struct Checked {
    url: Option<String>,
    description: Option<String>,
    types: Option<Vec<String>>,
}

fn check(guard: &Guarded, change: &Change) -> Result<Checked, Error> {
    let mut errors = Vec::new();
    let mut wrong = |field: String, code, message: String| errors.push(FieldError::new(field, code, message));
    if let Some(url) = &change.url {
        if url.chars().count() > MAX_URL {
            wrong("url".into(), "too_long", format!("must have at most {MAX_URL} characters"));
        } else if let Err(refused) = guard.check(url) {
            wrong("url".into(), "invalid_value", refused.to_string());
        }
    }
    if let Some(description) = &change.description
        && (description.chars().count() > MAX_DESCRIPTION || description.chars().any(char::is_control))
    {
        wrong("description".into(), "too_long", format!("must be one line of {MAX_DESCRIPTION} characters"));
    }
    let mut types = Vec::new();
    for (position, name) in change.types.iter().flatten().enumerate() {
        match Kind::from_name(name) {
            Some(_) if !types.contains(name) => types.push(name.clone()),
            Some(_) => {}
            None => wrong(format!("types[{position}]"), "unknown", "is not a type of event".into()),
        }
    }
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    Ok(Checked {
        url: change.url.clone(),
        description: change.description.as_ref().map(|text| text.trim().to_owned()),
        types: change.types.as_ref().map(|_| types),
    })
}

/// The endpoints of an organization, or of the operator.
///
/// # Errors
/// When the database fails.
pub fn list(conn: &Connection, organization: Option<OrganizationId>) -> Result<Vec<Endpoint>, DbError> {
    sql::endpoints(conn, organization)
}

/// One endpoint.
///
/// # Errors
/// [`Error::NotFound`], also for another's, and those of the database.
pub fn get(
    conn: &Connection,
    organization: Option<OrganizationId>,
    id: WebhookEndpointId,
) -> Result<Endpoint, Error> {
    let found = sql::get_endpoint(conn, id)?;
    found.filter(|endpoint| endpoint.organization == organization).ok_or(Error::NotFound)
}

/// How many of its newest deliveries arrived, of how many.
///
/// # Errors
/// When the database fails.
pub fn success(conn: &Connection, id: WebhookEndpointId) -> Result<(i64, i64), DbError> {
    let (all, arrived) = sql::success(conn, id, RATED)?;
    Ok((arrived, all))
}

/// Makes an endpoint. Its secret is in the answer.
///
/// # Errors
/// [`Error::Invalid`], [`Error::TooMany`], and those of the database.
pub fn create(
    tx: &WriteTx<'_>,
    by: &By,
    guard: &Guarded,
    organization: Option<OrganizationId>,
    new: &Change,
) -> Result<Endpoint, Error> {
    if new.url.is_none() {
        return Err(Error::Invalid(vec![FieldError::new("url", "required", "is required")]));
    }
    let checked = check(guard, new)?;
    let conn = tx.conn()?;
    if sql::endpoints(conn, organization)?.len() >= MOST {
        return Err(Error::TooMany);
    }
    let (url, description) = (checked.url.unwrap_or_default(), checked.description.unwrap_or_default());
    let types = checked.types.unwrap_or_default();
    let id =
        sql::insert_endpoint(conn, organization, (&url, &description, &types), &signing::mint(), tx.now())?;
    let difference = Difference::new().with("url", url);
    audit::record(tx, by, "webhook_endpoint.created", id, organization, &difference)?;
    get(conn, organization, id)
}

/// Changes an endpoint. Switched on again, it begins with a clean record.
///
/// # Errors
/// [`Error::Invalid`], [`Error::NotFound`], and those of the database.
pub fn update(
    tx: &WriteTx<'_>,
    by: &By,
    guard: &Guarded,
    organization: Option<OrganizationId>,
    (id, change): (WebhookEndpointId, &Change),
) -> Result<Endpoint, Error> {
    let checked = check(guard, change)?;
    let before = get(tx.conn()?, organization, id)?;
    let mut after = before.clone();
    after.url = checked.url.unwrap_or(after.url);
    after.description = checked.description.unwrap_or(after.description);
    after.types = checked.types.unwrap_or(after.types);
    match change.enabled {
        Some(true) if after.disabled.is_some() => {
            (after.disabled, after.failing_since, after.last_error) = (None, None, None);
        }
        Some(false) if after.disabled.is_none() => after.disabled = Some((tx.now(), Disabled::Asked)),
        _ => {}
    }
    sql::update_endpoint(tx.conn()?, &after)?;
    let difference = Difference::new()
        .changed("url", before.url.as_str(), after.url.as_str())
        .changed("description", before.description.as_str(), after.description.as_str())
        .changed("types", before.types.clone(), after.types.clone())
        .changed("enabled", before.disabled.is_none(), after.disabled.is_none());
    audit::record(tx, by, "webhook_endpoint.changed", id, organization, &difference)?;
    Ok(after)
}

/// Removes an endpoint. What was to be sent to it is not sent any more.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub fn delete(
    tx: &WriteTx<'_>,
    by: &By,
    organization: Option<OrganizationId>,
    id: WebhookEndpointId,
) -> Result<Endpoint, Error> {
    let conn = tx.conn()?;
    let found = get(conn, organization, id)?;
    sql::delete_endpoint(conn, id, tx.now())?;
    let difference = Difference::new().with("url", found.url.as_str());
    audit::record(tx, by, "webhook_endpoint.deleted", id, organization, &difference)?;
    Ok(found)
}

/// Gives an endpoint a new secret; deliveries are signed by the old one as well for `overlap_ms`.
///
/// # Errors
/// [`Error::Invalid`] when that is longer than [`OVERLAP_MAX_MS`], [`Error::NotFound`], and those of the database.
pub fn rotate(
    tx: &WriteTx<'_>,
    by: &By,
    organization: Option<OrganizationId>,
    id: WebhookEndpointId,
    overlap_ms: i64,
) -> Result<Endpoint, Error> {
    if !(0..=OVERLAP_MAX_MS).contains(&overlap_ms) {
        let message = "must be from 0 to 168";
        return Err(Error::Invalid(vec![FieldError::new("overlap_hours", "too_large", message)]));
    }
    let before = get(tx.conn()?, organization, id)?;
    let until = tx.now().plus_ms(overlap_ms);
    let old_secret = (overlap_ms > 0).then(|| (before.secret.clone(), until));
    let after = Endpoint { secret: signing::mint(), old_secret, ..before };
    sql::update_endpoint(tx.conn()?, &after)?;
    let difference = Difference::new().with("old_until", until.to_string());
    audit::record(tx, by, "webhook_endpoint.rotated", id, organization, &difference)?;
    Ok(after)
}

/// Sends an event of type `webhook.test` to this endpoint alone, also where it is switched off or wants other types.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub fn test(
    tx: &WriteTx<'_>,
    organization: Option<OrganizationId>,
    id: WebhookEndpointId,
) -> Result<Option<DeliveryId>, Error> {
    let found = get(tx.conn()?, organization, id)?;
    let payload = Payload::WebhookTest(Told { endpoint_id: id, url: found.url.clone() });
    let event = events::emit(tx, organization, &payload)?;
    let stored = events::get(tx.conn()?, event)?.ok_or(Error::NotFound)?;
    Ok(super::send(tx, &NewDelivery { send: true, ..delivery(&found, &stored) })?)
}

/// What an endpoint is told of an event.
pub(super) fn delivery(endpoint: &Endpoint, event: &events::Event) -> NewDelivery {
    let organization = event.organization.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""));
    let body = format!(
        "{{\"type\":\"{}\",\"timestamp\":\"{}\",\"organization_id\":{organization},\"data\":{}}}",
        event.kind.name(),
        event.at,
        event.data
    );
    NewDelivery {
        event: Some(event.id),
        organization: endpoint.organization,
        channel: super::Channel::Webhook,
        endpoint: Some(endpoint.id),
        target: endpoint.url.clone(),
        subject: event.kind.name().to_owned(),
        body,
        html: None,
        invoice: None,
        send: endpoint.disabled.is_none(),
    }
}

/// Notes how an attempt went; an endpoint that has failed for `patience_ms` is switched off, and its owner is told.
pub(super) fn note(
    tx: &WriteTx<'_>,
    id: WebhookEndpointId,
    outcome: Result<(), &str>,
    (patience_ms, gone): (i64, bool),
) -> Result<(), Error> {
    // deleted meanwhile
    let Some(before) = sql::get_endpoint(tx.conn()?, id)? else { return Ok(()) };
    let now = tx.now();
    let Err(error) = outcome else {
        let after = Endpoint { failing_since: None, last_error: None, last_success_at: Some(now), ..before };
        return Ok(sql::update_endpoint(tx.conn()?, &after)?);
    };
    let since = before.failing_since.unwrap_or(now);
    let is_over = gone || now.millis().saturating_sub(since.millis()) >= patience_ms;
    let is_new = is_over && before.disabled.is_none();
    let disabled = if is_new { Some((now, Disabled::Failing)) } else { before.disabled };
    let last_error = Some(error.to_owned());
    let after = Endpoint { failing_since: Some(since), last_error, disabled, ..before };
    sql::update_endpoint(tx.conn()?, &after)?;
    if is_new {
        let told = Told { endpoint_id: id, url: after.url.clone() };
        events::emit(tx, after.organization, &Payload::WebhookDisabled(told))?;
    }
    Ok(())
}
