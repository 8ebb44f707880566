//! Telling people what has happened: by webhook, mail, Slack and text message.
//!
//! Events are gone through in order. For each, what is to be sent to whom is written down as deliveries, in one
//! transaction with the note that it was told; a delivery is sent by work of the outbox, tried again for days, and
//! kept with all its attempts. What is sent was written down before, so every attempt sends the same, under the same id: whoever
//! gets it twice can tell.

pub mod accounts;
mod courier;
pub mod endpoints;
pub mod mail;
mod signing;
mod sql;
mod telling;

use rusqlite::Connection;

use crate::base::id::{DeliveryId, EventId, InvoiceId, OrganizationId, WebhookEndpointId};
use crate::base::{Page, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::identity::audit::{self, By, Difference};
use crate::outbox;
use crate::{events, identity};

pub use courier::{Courier, SmsTerms};
pub use sql::Filter;
pub use telling::{Terms, tell, test_alerts, untold};

/// Work: send a delivery. The subject is its number.
pub const SEND: &str = "delivery.send";
/// The same for a mail.
pub const MAIL: &str = "mail.send";
/// Deliveries that have ended are kept that long.
const KEPT_MS: i64 = 90 * crate::base::time::DAY_MS;
/// Replayed at once, at most.
pub const MOST_REPLAYED: u32 = 1_000;

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The organization, or the audit log.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// What was asked for.
    #[error("the input is not valid")]
    Invalid(Vec<crate::base::FieldError>),
    /// There is no such delivery or endpoint.
    #[error("not found")]
    NotFound,
    /// There are too many endpoints already.
    #[error("there are {} endpoints already", endpoints::MOST)]
    TooMany,
}

/// How somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// By mail.
    Email,
    /// By a request to an address of theirs.
    Webhook,
    /// By a message in Slack.
    Slack,
    /// By a text message.
    Sms,
}

impl Channel {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::Email, Self::Slack, Self::Sms, Self::Webhook];

    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Sms => "sms",
        }
    }

    /// The channel with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is sent when it is due.
    Waiting,
    /// There is no mail server: it can be read, and sent later.
    Kept,
    /// It has arrived.
    Delivered,
    /// It failed too often, or for good, and can be sent again by hand.
    Dead,
}

impl State {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Kept, Self::Delivered, Self::Dead];

    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Kept => "kept",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// One message to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which.
    pub id: DeliveryId,
    /// What it tells of; none of a mail about an account.
    pub event: Option<EventId>,
    /// Whose; none for the operator's own.
    pub organization: Option<OrganizationId>,
    /// How.
    pub channel: Channel,
    /// Of a webhook.
    pub endpoint: Option<WebhookEndpointId>,
    /// A mail address, a URL, a telephone number.
    pub target: String,
    /// Of a mail; else the event's type.
    pub subject: String,
    /// What is sent: a mail's text, a webhook's JSON.
    pub body: String,
    /// Of a mail.
    pub html: Option<String>,
    /// Whose PDF is attached.
    pub invoice: Option<InvoiceId>,
    /// The same for every attempt.
    pub message_id: String,
    /// Where it stands.
    pub state: State,
    /// How often it was tried.
    pub attempts: i64,
    /// What the other side answered last, over HTTP.
    pub last_status: Option<u16>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When it arrived, or was given up.
    pub ended_at: Option<Timestamp>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: i64,
    /// What the other side answered, over HTTP.
    pub status: Option<u16>,
    /// The beginning of the answer, or what went wrong.
    pub answer: String,
}

/// Something to be sent.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// What it tells of.
    pub event: Option<EventId>,
    /// Whose.
    pub organization: Option<OrganizationId>,
    /// How.
    pub channel: Channel,
    /// Of a webhook.
    pub endpoint: Option<WebhookEndpointId>,
    /// Where.
    pub target: String,
    /// Of a mail; else the event's type.
    pub subject: String,
    /// What.
    pub body: String,
    /// Of a mail.
    pub html: Option<String>,
    /// Whose PDF is attached.
    pub invoice: Option<InvoiceId>,
    /// To be sent, rather than kept.
    pub send: bool,
}

/// Writes something down to be sent, in the transaction that causes it. Answers none when the same event was told to the
/// same address before.
///
/// # Errors
/// When the database fails.
pub fn send(tx: &WriteTx<'_>, new: &NewDelivery) -> Result<Option<DeliveryId>, DbError> {
    let conn = tx.conn()?;
    let Some(id) = sql::insert(conn, new, tx.now())? else { return Ok(None) };
    if new.send {
        hand_over(tx, id)?;
    }
    Ok(Some(id))
}

fn hand_over(tx: &WriteTx<'_>, id: DeliveryId) -> Result<(), DbError> {
    if let Some(work) = sql::waits_for(tx.conn()?, id)?
        && outbox::hurry(tx, work)?
    {
        return Ok(());
    }
    let (channel, endpoint) = sql::way(tx.conn()?, id)?;
    let kind = if channel == Channel::Email { MAIL } else { SEND };
    let queue = endpoint.map_or(0, WebhookEndpointId::number);
    let work = outbox::enqueue_in(tx, kind, &id.number().to_string(), (tx.now(), queue))?;
    sql::set_waiting(tx.conn()?, id, work)
}

/// One delivery.
///
/// # Errors
/// [`Error::NotFound`], also for another's, and those of the database.
pub fn get(conn: &Connection, filter: &Filter, id: DeliveryId) -> Result<Delivery, Error> {
    sql::get(conn, id)?.filter(|found| filter.admits(found)).ok_or(Error::NotFound)
}

/// The attempts of a delivery, the newest first.
///
/// # Errors
/// When the database fails.
pub fn attempts(conn: &Connection, id: DeliveryId) -> Result<Vec<Attempt>, DbError> {
    sql::attempts(conn, id)
}

/// Deliveries, newest first; `before` is where the page before ended.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &Connection,
    filter: &Filter,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Delivery>, DbError> {
    Ok(Page::cut(sql::list(conn, filter, before, limit.saturating_add(1))?, limit, |d| d.id.number()))
}

/// Sends a delivery once more, whatever became of it before; one that is waiting is sent at once.
///
/// # Errors
/// [`Error::NotFound`], also for another's, and those of the database.
pub fn replay(tx: &WriteTx<'_>, by: &By, filter: &Filter, id: DeliveryId) -> Result<Delivery, Error> {
    let found = get(tx.conn()?, filter, id)?;
    let difference = Difference::new().with("to", found.target.as_str());
    audit::record(tx, by, "delivery.replayed", id, found.organization, &difference)?;
    hand_over(tx, id)?;
    get(tx.conn()?, filter, id)
}

/// What was written down from `from` until before `to`, at most [`MOST_REPLAYED`], oldest first.
///
/// # Errors
/// Those of the database.
pub fn between(
    conn: &Connection,
    filter: &Filter,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<DeliveryId>, DbError> {
    sql::between(conn, filter, from, to, MOST_REPLAYED)
}

/// Sends all these once more, which [`between`] has found. Answers how many.
///
/// # Errors
/// Those of the database.
pub fn replay_all(
    tx: &WriteTx<'_>,
    by: &By,
    filter: &Filter,
    ((from, to), found): ((Timestamp, Timestamp), &[DeliveryId]),
) -> Result<usize, Error> {
    let difference = Difference::new()
        .with("from", from.to_string())
        .with("to", to.to_string())
        .with("deliveries", found.len());
    let target = filter.endpoint.map_or_else(|| "deliveries".to_owned(), |id| id.to_string());
    audit::record(tx, by, "delivery.replayed", target, filter.organization.flatten(), &difference)?;
    for id in found {
        hand_over(tx, *id)?;
    }
    Ok(found.len())
}

/// One step of tidying up: forgets at most `limit` deliveries and events that are old. Answers how many.
///
/// # Errors
/// When the database fails.
pub fn purge(tx: &WriteTx<'_>, limit: u32) -> Result<usize, DbError> {
    let conn = tx.conn()?;
    let deliveries = sql::delete_ended(conn, tx.now().plus_ms(-KEPT_MS), limit)?;
    Ok(deliveries + events::purge(tx, sql::told(conn)?, limit)?)
}
