//! Who is told of what: from events to deliveries.

use rusqlite::Connection;

use super::mail::{self, Audience};
use super::{Channel, Error, NewDelivery, endpoints, sql};
use crate::alerts::{self, Alerts, Targets};
use crate::base::id::{DeliveryId, EventId, OrganizationId};
use crate::db::{DbError, WriteTx};
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
    /// Whether there is a service for text messages; without one they are kept.
    pub sms: bool,
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
        if let Some(event) = event {
            tell_one(tx, terms, event)?;
        } else {
            // a newer program wrote it; the next ones are not to wait for it
            tracing::error!(event = %id, "an event of a kind that is not known cannot be told");
        }
        sql::set_told(conn, *id)?;
    }
    Ok(events.len())
}

/// Whether anything has happened that nobody was told of yet.
///
/// # Errors
/// When the database fails.
pub fn untold(conn: &Connection) -> Result<bool, DbError> {
    Ok(!events::after(conn, sql::told(conn)?, 1)?.is_empty())
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
    tell_shortly(tx, terms, event, &payload)
}

/// By Slack and text message, where a threshold wants that.
fn tell_shortly(tx: &WriteTx<'_>, terms: &Terms, event: &Event, payload: &Payload) -> Result<(), Error> {
    let Some(organization) = event.organization else { return Ok(()) };
    let (Payload::WalletLowBalance(level) | Payload::WalletDepleted(level)) = payload else { return Ok(()) };
    let wants = |channel: Channel| level.channels.iter().any(|name| name == channel.name());
    if !wants(Channel::Slack) && !wants(Channel::Sms) {
        return Ok(());
    }
    let conn = tx.conn()?;
    let found = organizations::get(conn, organization)?;
    let text = match payload {
        Payload::WalletDepleted(_) => format!("{} has no credit left.", found.name),
        _ => {
            format!("The balance of {} is {} credits, below {}.", found.name, level.balance, level.threshold)
        }
    };
    let targets = alerts::of(conn, organization, &[])?.settings.targets;
    for channel in [Channel::Slack, Channel::Sms].into_iter().filter(|&channel| wants(channel)) {
        short(tx, terms, (Some(event.id), organization), (channel, &targets), &text)?;
    }
    Ok(())
}

/// One short message, where there is somewhere to send it.
fn short(
    tx: &WriteTx<'_>,
    terms: &Terms,
    (event, organization): (Option<EventId>, OrganizationId),
    (channel, targets): (Channel, &Targets),
    text: &str,
) -> Result<Option<DeliveryId>, Error> {
    let (target, send) = match channel {
        Channel::Slack => (targets.slack_url.clone(), true),
        Channel::Sms => (targets.sms_to.clone(), terms.sms),
        Channel::Email | Channel::Webhook => return Ok(None),
    };
    let Some(target) = target else { return Ok(None) };
    let new = NewDelivery {
        event,
        organization: Some(organization),
        channel,
        endpoint: None,
        target,
        subject: text.to_owned(),
        body: format!("{}: {text} {}/topup", terms.brand, terms.public_url),
        html: None,
        invoice: None,
        send,
    };
    Ok(super::send(tx, &new)?)
}

/// Sends a test over every channel that an organization's alerts use. Answers what is about to be sent.
///
/// # Errors
/// Those of the database.
pub fn test_alerts(
    tx: &WriteTx<'_>,
    terms: &Terms,
    organization: OrganizationId,
    all: &Alerts,
) -> Result<Vec<DeliveryId>, Error> {
    let conn = tx.conn()?;
    let found = organizations::get(conn, organization)?;
    let text = format!("This is a test: alerts of {} arrive here.", found.name);
    let mut sent = Vec::new();
    let used = |channel: &Channel| {
        all.alerts.iter().any(|alert| alert.channels.iter().any(|name| name == channel.name()))
    };
    for channel in Channel::ALL.into_iter().filter(used) {
        match channel {
            Channel::Slack | Channel::Sms => {
                let targets = &all.settings.targets;
                sent.extend(short(tx, terms, (None, organization), (channel, targets), &text)?);
            }
            Channel::Email => {
                let about = mail::About { terms, organization: Some(&found) };
                for target in addresses(conn, Audience::Customer, Some(organization))? {
                    sent.extend(super::send(tx, &mail::alert_test(&about).delivery(&about, target))?);
                }
            }
            Channel::Webhook => {
                for endpoint in endpoints::list(conn, Some(organization))? {
                    if endpoint.wants(Kind::WalletLowBalance) {
                        sent.extend(endpoints::test(tx, Some(organization), endpoint.id)?);
                    }
                }
            }
        }
    }
    Ok(sent)
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
