//! Who is told of what: from events to deliveries.

use rusqlite::Connection;

use super::mail::{self, Audience};
use super::{Channel, Error, NewDelivery, endpoints, sql};
use crate::base::id::OrganizationId;
use crate::db::{Db, DbError, WriteTx};
use crate::events::{self, Event, Kind, Payload};
use crate::identity::organizations;

/// What telling depends on.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The operator's name.
    pub brand: String,
    /// How people reach this server, without a slash at the end.
    pub public_url: String,
    /// Whether there is a mail server; without one mail is kept.
    pub mail: bool,
}

/// One step: writes down what is to be sent of up to `limit` events that nobody was told of yet, in their order.
/// Answers how many events it went through.
///
/// # Errors
/// When the database fails.
pub fn tell(tx: &WriteTx<'_>, terms: &Terms, limit: u32) -> Result<usize, Error> {
    let conn = tx.conn()?;
    let events = events::after(conn, sql::told(conn)?, limit)?;
    for (id, event) in &events {
        match event {
            Some(event) => tell_one(tx, terms, event)?,
            // a newer program wrote it; the next ones are not to wait for it
            None => tracing::error!(event = %id, "an event of a kind that is not known cannot be told"),
        }
        sql::set_told(conn, *id)?;
    }
    Ok(events.len())
}

/// Whether anything has happened that nobody was told of yet.
///
/// # Errors
/// When the database fails.
pub fn untold(db: &Db) -> Result<bool, DbError> {
    db.read_blocking(|tx| Ok(!events::after(tx, sql::told(tx)?, 1)?.is_empty()))
}

fn tell_one(tx: &WriteTx<'_>, terms: &Terms, event: &Event) -> Result<(), Error> {
    // whoever asked for it has sent it to the one it is for
    if event.kind == Kind::WebhookTest {
        return Ok(());
    }
    let payload = match event.payload() {
        Ok(payload) => payload,
        Err(error) => {
            // the next ones are not to wait for it
            tracing::error!(event = %event.id, %error, "an event cannot be told");
            return Ok(());
        }
    };
    if is_for(&payload, Channel::Webhook) {
        tell_endpoints(tx, event)?;
    }
    if is_for(&payload, Channel::Email) {
        tell_by_mail(tx, terms, event, &payload)?;
    }
    Ok(())
}

/// Whether it goes over a channel: a threshold says over which it is told, everything else goes over all.
fn is_for(payload: &Payload, channel: Channel) -> bool {
    match payload {
        Payload::WalletLowBalance(level) => level.channels.iter().any(|name| name == channel.name()),
        _ => matches!(channel, Channel::Email | Channel::Webhook),
    }
}

fn tell_endpoints(tx: &WriteTx<'_>, event: &Event) -> Result<(), Error> {
    let conn = tx.conn()?;
    let mut all = endpoints::list(conn, None)?;
    if event.organization.is_some() {
        all.extend(endpoints::list(conn, event.organization)?);
    }
    for endpoint in all.iter().filter(|endpoint| endpoint.is_kept_for() && endpoint.wants(event.kind)) {
        super::send(tx, &endpoints::delivery(endpoint, event))?;
    }
    Ok(())
}

fn tell_by_mail(tx: &WriteTx<'_>, terms: &Terms, event: &Event, payload: &Payload) -> Result<(), Error> {
    let conn = tx.conn()?;
    let organization = event.organization.map(|id| organizations::get(conn, id)).transpose()?;
    let about = mail::About { terms, organization: organization.as_ref() };
    let Some((audience, mail)) = mail::compose(payload, &about) else { return Ok(()) };
    for target in addresses(conn, audience, event.organization)? {
        let new = NewDelivery { event: Some(event.id), ..mail.delivery(&about, target) };
        super::send(tx, &new)?;
    }
    Ok(())
}

/// Whom a mail goes to: the organization's billing address, or else everybody who may see its money; or the operator.
fn addresses(
    conn: &Connection,
    audience: Audience,
    organization: Option<OrganizationId>,
) -> Result<Vec<String>, Error> {
    match (audience, organization) {
        (Audience::Customer, Some(id)) => {
            let billing = organizations::get(conn, id)?.details.billing_email;
            if billing.is_empty() { Ok(sql::payers(conn, id)?) } else { Ok(vec![billing]) }
        }
        (Audience::Customer, None) | (Audience::Operator, _) => Ok(sql::operators(conn)?),
    }
}
