//! Phone numbers that are rented by the month, from the wallet.
//!
//! A month is charged when it begins, as usage of the meter `number`, under an id made of the renting and the count of its charges: in the
//! transaction that moves the number on, so once, whatever happens. Months are counted from the number's own anchor, the
//! moment of its registration, in the organization's timezone. Rent is not held to spending limits, which would take the number
//! away, but it counts in them.
//!
//! Where credit does not cover the rent there are days of grace, then the number is suspended, then released. As soon as credit
//! is there the rent is charged and the number is active again. Nothing accrues while it is suspended: a number that comes back from
//! that begins its months anew.
//!
//! A number that its customer gives up is released at the end of the month that is paid for; one that is not paid for at once.

mod rules;
mod sql;

use rusqlite::Connection;

pub use rules::{State, Terms, Unpaid};

use crate::base::id::{NumberId, OrganizationId};
use crate::base::{Credits, FieldError, FieldErrors, Page, Quantity, Timestamp, Zone};
use crate::catalog::{NUMBER, Snapshot};
use crate::db::{DbError, WriteTx};
use crate::events::{self, Payload, payload};
use crate::identity::By;
use crate::identity::audit::{self, Difference};
use crate::ledger::verify::{VerifyError, none_of};
use crate::limits;
use crate::metering::rating::{RatingInput, rate};
use crate::metering::{
    self, Age, CycleHold, ExternalId, Leg, MAX_EXTERNAL_ID, Mode, Pins, RENT, Refusal, Till, UsageEvent,
};
use crate::wallet;

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary one.
    Local,
    /// One whose owner pays for its callers; its rent has the rate's surcharge.
    TollFree,
}

impl Kind {
    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::TollFree => "toll_free",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Local, Self::TollFree].into_iter().find(|kind| kind.name() == name)
    }
}

/// One renting of a number, from its registration to its release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rental {
    /// Its row.
    pub id: i64,
    /// Whose.
    pub organization: OrganizationId,
    /// The number.
    pub number: NumberId,
    /// The platform's own id of the number.
    pub external_id: String,
    /// What kind of number it is.
    pub kind: Kind,
    /// Whose rent it is, by the platform's own id.
    pub agent: Option<String>,
    /// How it stands.
    pub state: State,
    /// Where its months are counted from.
    pub anchor_at: Timestamp,
    /// Months since the anchor that are paid.
    pub months: i32,
    /// The end of the last of them.
    pub paid_until: Timestamp,
    /// Months charged in all.
    pub charges: i64,
    /// The wallet's newest line when the rent was last asked for in vain.
    pub tried_line: i64,
    /// Since when it is rented.
    pub registered_at: Timestamp,
}

impl Rental {
    /// When there is something to do.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        self.state.next_at(self.paid_until)
    }
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Fields that are wrong.
    #[error("not valid")]
    Invalid(Vec<FieldError>),
    /// It is rented already, as another kind.
    #[error("the number is rented already, as {}", .0.name())]
    Taken(Kind),
    /// It is not rented.
    #[error("no such number")]
    NotFound,
    /// Nothing prices the rent.
    #[error("no rate card has a price for numbers")]
    NoRate,
    /// Credit does not cover the first month.
    #[error("the credit does not cover the rent")]
    InsufficientCredits {
        /// What can be used.
        available: Credits,
        /// What it costs.
        required: Credits,
    },
    /// The charge was refused.
    #[error("the rent was not charged: {0}")]
    Refused(Refusal),
}

impl From<Vec<FieldError>> for Error {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::Invalid(errors)
    }
}

/// A number to rent.
#[derive(Debug, Clone)]
pub struct NewRental {
    /// The platform's own id.
    pub external_id: String,
    /// What kind of number it is.
    pub kind: Kind,
    /// Whose rent it is, by the platform's own id.
    pub agent: Option<String>,
}

/// Registers a number and charges its first month. One that is registered already stays as it is; if it was to be released at the
/// end of the month, it is kept.
///
/// # Errors
/// [`Error::InsufficientCredits`] leaves nothing behind; see [`Error`].
pub fn register(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    new: &NewRental,
) -> Result<Rental, Error> {
    let conn = tx.conn()?;
    let mut errors = FieldErrors::new();
    for (field, id) in [("number_id", Some(&new.external_id)), ("agent_id", new.agent.as_ref())] {
        if id.is_some_and(|id| !limits::is_external_id(id)) {
            let message = format!("must be 1 to {MAX_EXTERNAL_ID} bytes without control characters");
            errors.add(field, "invalid_value", message);
        }
    }
    errors.finish(Some(()))?;
    if let Some(found) = sql::live(conn, organization, &new.external_id)? {
        return keep(tx, by, found, new.kind);
    }
    let number = sql::ensure_number(conn, organization, &new.external_id, tx.now())?;
    limits::set_unpaid(tx, organization, number, false)?;
    let id = sql::insert(conn, organization, number, new.kind, new.agent.as_deref(), tx.now())?;
    let mut rental = sql::get(conn, id)?.ok_or(Error::NotFound)?;
    if let Charged::No { available, required } = charge(tx, &mut rental, tx.now())? {
        return Err(Error::InsufficientCredits { available, required });
    }
    sql::update(tx.conn()?, &rental)?;
    let difference = Difference::new().changed("kind", None::<&str>, Some(new.kind.name()));
    audit::record(tx, by, "number.registered", &new.external_id, Some(organization), &difference)?;
    Ok(rental)
}

fn keep(tx: &WriteTx<'_>, by: &By, mut rental: Rental, kind: Kind) -> Result<Rental, Error> {
    if rental.kind != kind {
        return Err(Error::Taken(rental.kind));
    }
    if rental.state == (State::Active { ends: true }) {
        rental.state = State::Active { ends: false };
        sql::update(tx.conn()?, &rental)?;
        note_ends(tx, by, &rental, false)?;
    }
    Ok(rental)
}

fn note_ends(tx: &WriteTx<'_>, by: &By, rental: &Rental, ends: bool) -> Result<(), Error> {
    let difference = Difference::new().changed("ends", !ends, ends);
    let organization = Some(rental.organization);
    Ok(audit::record(tx, by, "number.changed", &rental.external_id, organization, &difference)?)
}

/// Gives a number up: it is released at the end of the month that is paid for, or at once where none is.
///
/// # Errors
/// [`Error::NotFound`] when it is not rented.
pub fn give_up(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    external_id: &str,
) -> Result<Rental, Error> {
    let conn = tx.conn()?;
    let mut rental = sql::live(conn, organization, external_id)?.ok_or(Error::NotFound)?;
    match rental.state {
        State::Active { ends: true } | State::Released { .. } => return Ok(rental),
        State::Active { ends: false } => rental.state = State::Active { ends: true },
        State::Grace { .. } | State::Suspended { .. } => release(tx, &mut rental)?,
    }
    sql::update(tx.conn()?, &rental)?;
    note_ends(tx, by, &rental, true)?;
    Ok(rental)
}

/// Released as its customer asked: it may be used otherwise.
fn release(tx: &WriteTx<'_>, rental: &mut Rental) -> Result<(), Error> {
    rental.state = State::Released { at: tx.now() };
    limits::set_unpaid(tx, rental.organization, rental.number, false)?;
    tell(tx, rental, Payload::NumberReleased)
}

/// The renting of a number that is not over.
///
/// # Errors
/// [`Error::NotFound`], and when the database fails.
pub fn get(conn: &Connection, organization: OrganizationId, external_id: &str) -> Result<Rental, Error> {
    sql::live(conn, organization, external_id)?.ok_or(Error::NotFound)
}

/// An organization's numbers, released ones included, newest first.
///
/// # Errors
/// When the database fails or a row does not make sense.
pub fn list(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Rental>, DbError> {
    let found = sql::list(conn, organization, before, limit.saturating_add(1))?;
    Ok(Page::cut(found, limit, |rental| rental.id))
}

/// What a month of such a number costs an organization at a time, beyond what its plan includes; `None` where nothing prices it.
///
/// # Errors
/// When the database fails.
pub fn rent(
    conn: &Connection,
    catalog: &Snapshot,
    organization: OrganizationId,
    kind: Kind,
    at: Timestamp,
) -> Result<Option<Credits>, DbError> {
    let Some(meter) = catalog.meter_id(NUMBER) else { return Ok(None) };
    let Some(quote) = metering::quote(conn, catalog, organization, meter, at)? else { return Ok(None) };
    let input = RatingInput {
        quantity: month(),
        toll_free_inbound: kind == Kind::TollFree,
        ..RatingInput::default()
    };
    Ok(rate(quote.rate, &input).ok().map(|rated| rated.total))
}

/// Up to `limit` rentings at which something is to be done, with since when, after one.
///
/// # Errors
/// When the database fails.
pub fn due(
    conn: &Connection,
    now: Timestamp,
    after: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<(Timestamp, i64)>, DbError> {
    sql::due(conn, now, after, limit)
}

/// Compares rentings with what was charged for them.
///
/// # Errors
/// The first row that does not fit, by name.
pub fn verify(conn: &Connection) -> Result<(), VerifyError> {
    sql::MISFITS.iter().try_for_each(|(table, query)| none_of(conn, table, query))
}

/// When there is something to do next after `now`.
///
/// # Errors
/// When the database fails.
pub fn next_due(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    sql::next_due(conn, now)
}

/// Does what is to be done at one renting, as it stands now: charges a month, or draws the consequence where that cannot be. Does
/// nothing where nothing is due.
///
/// # Errors
/// When the database fails, nothing prices the rent, or the charge is refused; nothing is left behind.
pub fn step(tx: &WriteTx<'_>, id: i64, terms: Terms) -> Result<(), Error> {
    let (conn, now) = (tx.conn()?, tx.now());
    let mut rental = sql::get(conn, id)?.ok_or(Error::NotFound)?;
    match rental.state {
        State::Released { .. } => return Ok(()),
        State::Active { .. } if now < rental.paid_until => return Ok(()),
        State::Active { ends: true } => release(tx, &mut rental)?,
        State::Active { ends: false } | State::Grace { .. } => {
            let from = rental.paid_until;
            match charge(tx, &mut rental, from)? {
                Charged::Yes => rental.state = State::Active { ends: false },
                Charged::No { .. } => stay_unpaid(tx, &mut rental, terms)?,
            }
        }
        State::Suspended { .. } => {
            // nothing accrued meanwhile: its months begin anew
            let mut anew = Rental { anchor_at: now, months: 0, paid_until: now, ..rental.clone() };
            match charge(tx, &mut anew, now)? {
                Charged::Yes => {
                    rental = Rental { state: State::Active { ends: false }, ..anew };
                    limits::set_unpaid(tx, rental.organization, rental.number, false)?;
                    tell(tx, &rental, Payload::NumberReactivated)?;
                }
                Charged::No { .. } => stay_unpaid(tx, &mut rental, terms)?,
            }
        }
    }
    Ok(sql::update(tx.conn()?, &rental)?)
}

fn stay_unpaid(tx: &WriteTx<'_>, rental: &mut Rental, terms: Terms) -> Result<(), Error> {
    // it is asked for again when the wallet moves
    rental.tried_line = wallet::last_line(tx.conn()?, rental.organization)?.unwrap_or(0);
    match rental.state.unpaid(tx.now(), terms) {
        Unpaid::Waits => Ok(()),
        Unpaid::Told(state) => {
            rental.state = state;
            tell(tx, rental, Payload::NumberPaymentDue)
        }
        Unpaid::Suspended(state) => {
            rental.state = state;
            limits::set_unpaid(tx, rental.organization, rental.number, true)?;
            tell(tx, rental, Payload::NumberSuspended)
        }
        Unpaid::Released(state) => {
            // it stays blocked until somebody rents it again
            rental.state = state;
            tell(tx, rental, Payload::NumberReleased)
        }
    }
}

fn tell(tx: &WriteTx<'_>, rental: &Rental, what: fn(payload::Number) -> Payload) -> Result<(), Error> {
    let next_at = match rental.state {
        State::Grace { until, .. } | State::Suspended { until } => Some(until),
        State::Active { .. } | State::Released { .. } => None,
    };
    let number = payload::Number {
        id: rental.number,
        number_id: rental.external_id.clone(),
        kind: rental.kind.name().into(),
        next_at,
    };
    events::emit(tx, Some(rental.organization), &what(number))?;
    Ok(())
}

/// Whether a month was charged.
enum Charged {
    Yes,
    No { available: Credits, required: Credits },
}

fn month() -> Quantity {
    Quantity::from_whole(1).unwrap_or_default()
}

/// Charges the month that begins at `from` if credit covers it, and counts it.
fn charge(tx: &WriteTx<'_>, rental: &mut Rental, from: Timestamp) -> Result<Charged, Error> {
    let organization = rental.organization;
    // what was gathered is in the tables, and this operation can be undone
    tx.conn()?;
    let mut till = Till::open(tx)?;
    let meter = till.catalog().meter_id(NUMBER).ok_or(Error::NoRate)?;
    let tariff = till.tariff(organization, meter, from)?.ok_or(Error::NoRate)?;
    let zone = till.standing(organization)?.map_or(Zone::UTC, |standing| standing.zone);
    let toll_free = rental.kind == Kind::TollFree;
    let leg = Leg { organization, meter, tariff, toll_free_inbound: toll_free, byok: false };
    let id = ExternalId::new(&format!("{RENT}{}_{}", rental.id, rental.charges));
    let event = UsageEvent {
        id: id.ok_or(Error::NotFound)?,
        organization: None,
        workspace: None,
        agent: rental.agent.as_deref().map(Into::into),
        number: Some(rental.external_id.as_str().into()),
        call: None,
        meter: NUMBER.into(),
        quantity: month(),
        occurred_at: from,
        direction: None,
        toll_free,
        byok: false,
        carrier_cost: None,
        // whether it is covered is looked at here: limits do not stop it
        mode: Mode::Record,
        extra: None,
    };
    let prepared = till.prepare(leg, CycleHold::default(), event, Age::Any)?.map_err(Error::Refused)?;
    let (available, required) = (till.available(&leg, false)?, prepared.total());
    if available < required {
        return Ok(Charged::No { available, required });
    }
    till.charge(&prepared, &mut Pins::default())?;
    rental.charges += 1;
    rental.months += 1;
    rental.paid_until = zone.months_after(rental.anchor_at, rental.months);
    Ok(Charged::Yes)
}
