//! Saved cards: kept at the provider, known here by brand, last digits and end.
//!
//! A card is saved when the provider says that it keeps it; whether that is learned from a webhook, from the customer
//! coming back or on schedule makes no difference, and it is saved once.

mod desk;
pub mod rules;
mod sql;

use rusqlite::Connection;

pub use rules::Validity;
pub(in crate::payments) use sql::MISFITS;

use super::gateway::{Card, Checkout, SetupSeen, Status};
use super::{Error, concerns, names, next_ask, reload};
use crate::base::Timestamp;
use crate::base::id::{CardSetupId, OrganizationId, PaymentMethodId};
use crate::base::time::MINUTE_MS;
use crate::db::{DbError, WriteTx};
use crate::events::payload::CardEnds;
use crate::events::{self, Payload};
use crate::identity::audit::{self, Actor, By, Difference};
use crate::outbox;

/// Work: have the provider ask for a card, should whoever wanted to give one have been cut off. The subject is the setup's
/// number.
pub const SET_UP: &str = "payment.set_up";
/// Work: have the provider keep a card no longer. The subject is its number.
pub const FORGET: &str = "payment.forget_card";
/// Work: announce that a card will expire. The subject is its number.
pub const EXPIRES: &str = "payment.card_expires";
const BEGIN_AFTER_MS: i64 = MINUTE_MS;

/// A saved card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Its id.
    pub id: PaymentMethodId,
    /// Whose.
    pub organization: OrganizationId,
    /// Who keeps it.
    pub gateway: String,
    /// The provider's id of it.
    pub reference: String,
    /// Such as `visa`.
    pub brand: String,
    /// The last four digits.
    pub last4: String,
    /// The last month in which it is valid, from 1.
    pub exp_month: u8,
    /// And of which year.
    pub exp_year: u16,
    /// The one that is meant when none is named.
    pub is_default: bool,
    /// Since when.
    pub added_at: Timestamp,
    /// It is not charged any more.
    pub removed: bool,
}

impl Method {
    /// For people: `Visa •••• 4242`.
    #[must_use]
    pub fn label(&self) -> String {
        let card = Card {
            reference: String::new(),
            brand: self.brand.clone(),
            last4: self.last4.clone(),
            exp_month: self.exp_month,
            exp_year: self.exp_year,
            country: None,
        };
        card.label()
    }

    /// For people: `12/2030`.
    #[must_use]
    pub fn ends(&self) -> String {
        format!("{:02}/{}", self.exp_month, self.exp_year)
    }

    /// How long it is still good.
    #[must_use]
    pub fn validity(&self, now: Timestamp) -> Validity {
        rules::validity(self.exp_month, self.exp_year, now)
    }

    /// The month it ends with, as one number.
    fn end_month(&self) -> i64 {
        i64::from(self.exp_year) * 12 + i64::from(self.exp_month)
    }
}

/// Where a setup stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetupState {
    /// Written down; the provider may not have heard of it.
    Created,
    /// The provider waits for the card's number.
    Pending(Checkout),
    /// The card is saved.
    Settled(PaymentMethodId),
    /// It came to nothing.
    Failed,
}

/// A card about to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardSetup {
    /// Its id.
    pub id: CardSetupId,
    /// Whose card.
    pub organization: OrganizationId,
    /// Who will keep it.
    pub gateway: String,
    /// Who gives it.
    pub actor: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Where the customer comes back to, where that is no page of ours.
    pub success_url: Option<String>,
    /// The same, without having given a card.
    pub cancel_url: Option<String>,
    /// The provider's id of it, once there is one.
    pub reference: Option<String>,
    /// Where it stands.
    pub state: SetupState,
}

/// A card about to be asked for.
#[derive(Debug, Clone)]
pub struct NewSetup {
    /// Whose.
    pub organization: OrganizationId,
    /// Who will keep it.
    pub gateway: &'static str,
    /// Who gives it.
    pub actor: String,
    /// Where the customer comes back to, where that is no page of ours.
    pub success_url: Option<String>,
    /// The same, without having given a card.
    pub cancel_url: Option<String>,
}

/// An organization's cards, the default first, then the newest.
///
/// # Errors
/// When the database fails.
pub fn list(conn: &Connection, organization: OrganizationId) -> Result<Vec<Method>, DbError> {
    sql::of(conn, organization)
}

/// One card of an organization.
///
/// # Errors
/// [`Error::NoCard`], also when it is somebody else's or was removed; and those of the database.
pub fn get(conn: &Connection, organization: OrganizationId, id: PaymentMethodId) -> Result<Method, Error> {
    let found = sql::get(conn, id)?;
    found.filter(|card| card.organization == organization && !card.removed).ok_or(Error::NoCard)
}

/// One card, whosever and even when it was removed.
///
/// # Errors
/// [`Error::NoCard`], and those of the database.
pub(super) fn any(conn: &Connection, id: PaymentMethodId) -> Result<Method, Error> {
    sql::get(conn, id)?.ok_or(Error::NoCard)
}

/// A setup.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub fn setup(conn: &Connection, id: CardSetupId) -> Result<CardSetup, Error> {
    sql::setup(conn, id)?.ok_or(Error::NotFound)
}

/// Writes down that a card is to be asked for.
fn create(tx: &WriteTx<'_>, new: &NewSetup) -> Result<CardSetup, Error> {
    let conn = tx.conn()?;
    let id = sql::insert_setup(conn, new, tx.now())?;
    outbox::enqueue(tx, SET_UP, &id.number().to_string(), tx.now().plus_ms(BEGIN_AFTER_MS))?;
    setup(conn, id)
}

/// Notes what the provider made of a setup.
fn begun(tx: &WriteTx<'_>, id: CardSetupId, checkout: &Checkout) -> Result<CardSetup, Error> {
    let conn = tx.conn()?;
    let before = setup(conn, id)?;
    if before.state == SetupState::Created {
        sql::set_pending(conn, id, checkout, next_ask(before.created_at, tx.now()))?;
    }
    setup(conn, id)
}

/// Notes that a setup comes to nothing.
fn failed(tx: &WriteTx<'_>, id: CardSetupId) -> Result<(), Error> {
    let conn = tx.conn()?;
    if !matches!(setup(conn, id)?.state, SetupState::Settled(_)) {
        sql::set_failed(conn, id, tx.now())?;
    }
    Ok(())
}

/// Writes down how a setup stands at the provider, as it was seen. Answers its id; none when it is not known here.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn record(
    tx: &WriteTx<'_>,
    gateway: &str,
    reference: &str,
    seen: &SetupSeen,
) -> Result<Option<CardSetupId>, Error> {
    let conn = tx.conn()?;
    let found = match sql::setup_by_reference(conn, gateway, reference)? {
        Some(found) => Some(found),
        // told before the answer to our own call was written down, or by a part of it with an id of its own
        None => match names::whose(conn, &seen.setup)?.ours() {
            Some(id) => sql::setup(conn, id)?.filter(|s| s.gateway == gateway),
            None => None,
        },
    };
    let Some(setup) = found else { return Ok(None) };
    let customer = super::sql::provider_customer(conn, setup.organization, gateway)?;
    match (seen.status, &seen.card) {
        _ if matches!(setup.state, SetupState::Settled(_)) => {}
        (Status::Paid, _) if customer.as_deref() != Some(seen.customer.as_str()) => {
            tracing::error!(setup = %setup.id, "a card was saved for somebody else: it is not taken");
            let detail = format!("{reference} was saved for {}", seen.customer);
            concerns::raise(tx, concerns::Kind::Card, setup.id, &detail, Some(setup.organization))?;
            failed(tx, setup.id)?;
        }
        (Status::Paid, Some(card)) => {
            let method = save(tx, (setup.organization, &setup.gateway), &setup.actor, card)?;
            sql::set_settled(conn, setup.id, reference, method, tx.now())?;
        }
        // a part may end before the whole
        (Status::Ended, _) if setup.reference.as_deref() == Some(reference) => failed(tx, setup.id)?,
        (Status::Open(_) | Status::Processing | Status::Paid | Status::Ended, _) => {}
    }
    Ok(Some(setup.id))
}

/// The provider keeps a card: it is saved, the first as the default.
fn save(
    tx: &WriteTx<'_>,
    (organization, gateway): (OrganizationId, &str),
    actor: &str,
    card: &Card,
) -> Result<PaymentMethodId, Error> {
    let conn = tx.conn()?;
    if let Some(known) = sql::by_reference(conn, gateway, &card.reference)? {
        return Ok(known.id);
    }
    let first = list(conn, organization)?.is_empty();
    let id = sql::insert(conn, (organization, gateway), card, first, tx.now())?;
    let method = any(conn, id)?;
    announce_later(tx, &method)?;
    let by = By::actor(actor.parse().unwrap_or(Actor::System));
    let what = Difference::new().with("card", method.label()).with("ends", method.ends());
    audit::record(tx, &by, "payment_method.add", id, Some(organization), &what)?;
    Ok(id)
}

/// The card that a payment was made with is kept by the provider: it is saved, and the default from now on.
pub(super) fn keep(tx: &WriteTx<'_>, payment: &super::Payment, card: &Card) -> Result<(), Error> {
    if card.reference.is_empty() {
        return Ok(());
    }
    let id = save(tx, (payment.organization, &payment.gateway), &payment.actor, card)?;
    if !any(tx.conn()?, id)?.removed {
        sql::set_default(tx.conn()?, payment.organization, Some(id))?;
    }
    Ok(())
}

fn announce_later(tx: &WriteTx<'_>, method: &Method) -> Result<(), DbError> {
    let Some(at) = rules::announce_at(method.exp_month, method.exp_year) else { return Ok(()) };
    let at = if at < tx.now() { tx.now() } else { at };
    outbox::enqueue(tx, EXPIRES, &method.id.number().to_string(), at).map(|_| ())
}

/// Announces that a card will expire: to the audit log and to whoever tells the customer. Once, and not when it was
/// removed or has been replaced by then.
fn announce(tx: &WriteTx<'_>, id: PaymentMethodId) -> Result<(), Error> {
    let conn = tx.conn()?;
    let method = any(conn, id)?;
    let ends_soon = method.validity(tx.now()) != Validity::Good;
    if method.removed || !ends_soon || !sql::set_announced(conn, id, method.end_month())? {
        return Ok(());
    }
    let what = Difference::new().with("card", method.label()).with("ends", method.ends());
    let by = By::actor(Actor::System);
    audit::record(tx, &by, "payment_method.expiring", id, Some(method.organization), &what)?;
    let told = CardEnds {
        payment_method_id: id,
        brand: method.brand,
        last4: method.last4,
        expires: format!("{}-{:02}", method.exp_year, method.exp_month),
    };
    events::emit(tx, Some(method.organization), &Payload::PaymentMethodExpiring(told))?;
    Ok(())
}

/// What the provider says of a card now: another end, or that it is kept no longer.
fn seen(
    tx: &WriteTx<'_>,
    gateway: &str,
    reference: &str,
    card: Option<&Card>,
) -> Result<Option<PaymentMethodId>, Error> {
    let conn = tx.conn()?;
    let Some(method) = sql::by_reference(conn, gateway, reference)? else { return Ok(None) };
    match card {
        _ if method.removed => {}
        None => take_away(tx, &By::actor(Actor::System), &method)?,
        Some(card) if (card.exp_month, card.exp_year) != (method.exp_month, method.exp_year) => {
            sql::set_end(conn, method.id, card)?;
            announce_later(tx, &any(conn, method.id)?)?;
        }
        Some(_) => {}
    }
    Ok(Some(method.id))
}

/// Makes a card the default.
///
/// # Errors
/// [`Error::NoCard`], and those of the database.
pub fn set_default(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    id: PaymentMethodId,
) -> Result<Method, Error> {
    let conn = tx.conn()?;
    let method = get(conn, organization, id)?;
    if !method.is_default {
        sql::set_default(conn, organization, Some(id))?;
        let what = Difference::new().with("card", method.label());
        audit::record(tx, by, "payment_method.default", id, Some(organization), &what)?;
    }
    get(conn, organization, id)
}

/// Removes a card: it is not charged any more, and the provider is told to keep it no longer. The newest of the others
/// becomes the default. Auto-reload that charges it is switched off: no other card is charged without being asked for.
///
/// # Errors
/// [`Error::NoCard`], and those of the database.
pub fn remove(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    id: PaymentMethodId,
) -> Result<(), Error> {
    let method = get(tx.conn()?, organization, id)?;
    take_away(tx, by, &method)?;
    outbox::enqueue(tx, FORGET, &id.number().to_string(), tx.now())?;
    Ok(())
}

fn take_away(tx: &WriteTx<'_>, by: &By, method: &Method) -> Result<(), Error> {
    let conn = tx.conn()?;
    let organization = method.organization;
    sql::set_removed(conn, method.id, tx.now())?;
    if method.is_default {
        let next = list(conn, organization)?.first().map(|card| card.id);
        sql::set_default(conn, organization, next)?;
    }
    let what = Difference::new().with("card", method.label());
    audit::record(tx, by, "payment_method.remove", method.id, Some(organization), &what)?;
    reload::card_removed(tx, organization, method.id)
}
