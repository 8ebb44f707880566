//! Statements of deliveries and endpoints.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::endpoints::{Disabled, Endpoint};
use super::{Attempt, Channel, Delivery, NewDelivery, State};
use crate::base::Timestamp;
use crate::base::id::{DeliveryId, EventId, OrganizationId, WebhookEndpointId, WorkId};
use crate::db::{self, DbError};

/// Which deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// An organization's; `Some(None)` for the operator's own.
    pub organization: Option<Option<OrganizationId>>,
    /// An endpoint's.
    pub endpoint: Option<WebhookEndpointId>,
    /// Told in this way.
    pub channel: Option<Channel>,
    /// That stand so.
    pub state: Option<State>,
}

impl Filter {
    /// Whether it is one of them.
    #[must_use]
    pub fn admits(&self, found: &Delivery) -> bool {
        self.organization.is_none_or(|of| of == found.organization)
            && self.endpoint.is_none_or(|of| Some(of) == found.endpoint)
            && self.channel.is_none_or(|of| of == found.channel)
            && self.state.is_none_or(|of| of == found.state)
    }
}

const SELECT: &str =
    "SELECT id, event_id, organization_id, channel, endpoint_id, target, subject, body, html, invoice_id,
    message_id, state, attempts, last_status, last_error, created_at, ended_at FROM deliveries";

/// The conditions that are asked for, and no others: an index serves those that stand alone.
fn conditions(filter: &Filter) -> (String, Vec<Value>) {
    let (mut text, mut values) = ("WHERE true".to_owned(), Vec::new());
    let mut add = |condition: &str, value: Option<Value>| {
        text.push_str(condition);
        values.extend(value);
    };
    match (filter.endpoint, filter.organization) {
        // an endpoint is one organization's
        (Some(endpoint), whose) => {
            add(" AND endpoint_id = ?", Some(endpoint.number().into()));
            match whose {
                Some(Some(id)) => add(" AND +organization_id = ?", Some(id.number().into())),
                Some(None) => add(" AND +organization_id IS NULL", None),
                None => {}
            }
        }
        (None, Some(Some(id))) => add(" AND organization_id = ?", Some(id.number().into())),
        (None, Some(None)) => add(" AND organization_id IS NULL", None),
        (None, None) => {}
    }
    if let Some(channel) = filter.channel {
        add(" AND channel = ?", Some(channel.name().to_owned().into()));
    }
    if let Some(state) = filter.state {
        add(" AND state = ?", Some(state.name().to_owned().into()));
    }
    (text, values)
}

fn delivery(row: &Row<'_>) -> Result<Delivery, DbError> {
    let id: DeliveryId = row.get(0)?;
    let channel = Channel::from_name(&row.get::<_, String>(3)?);
    let state = State::from_name(&row.get::<_, String>(11)?);
    Ok(Delivery {
        id,
        event: row.get(1)?,
        organization: row.get(2)?,
        channel: channel.ok_or_else(|| DbError::bad_row("deliveries", id.number(), "channel"))?,
        endpoint: row.get(4)?,
        target: row.get(5)?,
        subject: row.get(6)?,
        body: row.get(7)?,
        html: row.get(8)?,
        invoice: row.get(9)?,
        message_id: row.get(10)?,
        state: state.ok_or_else(|| DbError::bad_row("deliveries", id.number(), "state"))?,
        attempts: row.get(12)?,
        last_status: row.get(13)?,
        last_error: row.get(14)?,
        created_at: row.get(15)?,
        ended_at: row.get(16)?,
    })
}

pub(super) fn insert(
    conn: &Connection,
    new: &NewDelivery,
    now: Timestamp,
) -> Result<Option<DeliveryId>, DbError> {
    let message = new.event.map_or_else(|| uuid::Uuid::now_v7().to_string(), |id: EventId| id.to_string());
    let added = conn
        .prepare_cached(
            "INSERT INTO deliveries (event_id, organization_id, channel, endpoint_id, target, subject, body, html,
                                     invoice_id, message_id, state, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'kept', ?)
             ON CONFLICT (event_id, channel, ifnull(endpoint_id, 0), target) WHERE event_id IS NOT NULL DO NOTHING",
        )?
        .execute(params![
            new.event,
            new.organization,
            new.channel.name(),
            new.endpoint,
            new.target,
            new.subject,
            new.body,
            new.html,
            new.invoice,
            message,
            now,
        ])?;
    Ok((added == 1).then(|| DeliveryId::new(conn.last_insert_rowid())))
}

pub(super) fn set_waiting(conn: &Connection, id: DeliveryId, work: WorkId) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE deliveries SET state = 'waiting', work_id = ?, ended_at = NULL WHERE id = ?",
    )?
    .execute(params![work, id])?;
    Ok(())
}

pub(super) fn get(conn: &Connection, id: DeliveryId) -> Result<Option<Delivery>, DbError> {
    Ok(db::collect(conn, &format!("{SELECT} WHERE id = ?"), [id], delivery)?.pop())
}

/// The delivery that this work is to send; none when it was handed to other work since.
pub(super) fn of_work(conn: &Connection, id: DeliveryId, work: WorkId) -> Result<Option<Delivery>, DbError> {
    let tail = "WHERE id = ? AND work_id = ? AND state = 'waiting'";
    Ok(db::collect(conn, &format!("{SELECT} {tail}"), params![id, work], delivery)?.pop())
}

pub(super) fn list(
    conn: &Connection,
    filter: &Filter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Delivery>, DbError> {
    let (conditions, mut values) = conditions(filter);
    values.extend([before.unwrap_or(i64::MAX).into(), i64::from(limit).into()]);
    let text = format!("{SELECT} {conditions} AND id < ? ORDER BY id DESC LIMIT ?");
    db::collect(conn, &text, params_from_iter(values), delivery)
}

pub(super) fn between(
    conn: &Connection,
    filter: &Filter,
    from: Timestamp,
    to: Timestamp,
    limit: u32,
) -> Result<Vec<DeliveryId>, DbError> {
    let (conditions, mut values) = conditions(filter);
    values.extend([from.millis().into(), to.millis().into(), i64::from(limit).into()]);
    let text = format!(
        "SELECT id FROM deliveries {conditions} AND created_at >= ? AND created_at < ? ORDER BY id LIMIT ?"
    );
    db::collect(conn, &text, params_from_iter(values), |row| Ok(row.get(0)?))
}

/// How an attempt leaves its delivery.
pub(super) struct After<'a> {
    pub work: WorkId,
    pub state: State,
    pub at: Timestamp,
    pub took_ms: i64,
    pub status: Option<u16>,
    pub answer: &'a str,
    pub failed: bool,
}

pub(super) fn note_attempt(conn: &Connection, id: DeliveryId, after: &After<'_>) -> Result<(), DbError> {
    let ended_at = (after.state != State::Waiting).then_some(after.at);
    // handed to newer work since: that decides how it ends
    conn.prepare_cached(
        "UPDATE deliveries SET attempts = attempts + 1, last_status = ?1, last_error = ?2,
             state = CASE work_id WHEN ?5 THEN ?3 ELSE state END,
             ended_at = CASE work_id WHEN ?5 THEN ?4 ELSE ended_at END
         WHERE id = ?6",
    )?
    .execute(params![
        after.status,
        after.failed.then_some(after.answer),
        after.state.name(),
        ended_at,
        after.work,
        id
    ])?;
    conn.prepare_cached(
        "INSERT INTO delivery_attempts (delivery_id, attempt, at, took_ms, status, answer)
         SELECT id, attempts, ?, ?, ?, ? FROM deliveries WHERE id = ?",
    )?
    .execute(params![after.at, after.took_ms, after.status, after.answer, id])?;
    Ok(())
}

pub(super) fn attempts(conn: &Connection, id: DeliveryId) -> Result<Vec<Attempt>, DbError> {
    db::collect(
        conn,
        "SELECT attempt, at, took_ms, status, answer FROM delivery_attempts WHERE delivery_id = ?
         ORDER BY attempt DESC LIMIT 100",
        [id],
        |row| {
            Ok(Attempt {
                number: row.get(0)?,
                at: row.get(1)?,
                took_ms: row.get(2)?,
                status: row.get(3)?,
                answer: row.get(4)?,
            })
        },
    )
}

pub(super) fn delete_ended(conn: &Connection, than: Timestamp, limit: u32) -> Result<usize, DbError> {
    let mut statement = conn.prepare_cached(
        "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE ended_at < ?1 ORDER BY ended_at LIMIT ?2)",
    )?;
    let ended = statement.execute(params![than, limit])?;
    // what was never to be sent has no end
    let mut statement = conn.prepare_cached(
        "DELETE FROM deliveries WHERE id IN
            (SELECT id FROM deliveries WHERE state = 'kept' AND created_at < ?1 ORDER BY created_at LIMIT ?2)",
    )?;
    Ok(ended + statement.execute(params![than, limit])?)
}

pub(super) fn told(conn: &Connection) -> Result<i64, DbError> {
    Ok(conn.prepare_cached("SELECT told FROM events_told")?.query_row([], |row| row.get(0))?)
}

pub(super) fn set_told(conn: &Connection, id: EventId) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE events_told SET told = ?")?.execute([id])?;
    Ok(())
}

const ENDPOINT: &str =
    "SELECT id, organization_id, url, description, types, secret, old_secret, old_until, disabled_at,
    disabled_why, failing_since, last_error, last_success_at, created_at FROM webhook_endpoints";

fn endpoint(row: &Row<'_>) -> Result<Endpoint, DbError> {
    let id: WebhookEndpointId = row.get(0)?;
    let bad = |column| DbError::bad_row("webhook_endpoints", id.number(), column);
    let types: Vec<String> = serde_json::from_str(&row.get::<_, String>(4)?).map_err(|_| bad("types"))?;
    let disabled = match (row.get::<_, Option<Timestamp>>(8)?, row.get::<_, Option<String>>(9)?) {
        (Some(at), Some(why)) => Some((at, Disabled::from_name(&why).ok_or_else(|| bad("disabled_why"))?)),
        _ => None,
    };
    Ok(Endpoint {
        id,
        organization: row.get(1)?,
        url: row.get(2)?,
        description: row.get(3)?,
        types,
        secret: row.get(5)?,
        old_secret: match (row.get(6)?, row.get(7)?) {
            (Some(secret), Some(until)) => Some((secret, until)),
            _ => None,
        },
        disabled,
        failing_since: row.get(10)?,
        last_error: row.get(11)?,
        last_success_at: row.get(12)?,
        created_at: row.get(13)?,
    })
}

pub(super) fn endpoints(
    conn: &Connection,
    organization: Option<OrganizationId>,
) -> Result<Vec<Endpoint>, DbError> {
    let of = organization.map_or(0, OrganizationId::number);
    let tail = "WHERE ifnull(organization_id, 0) = ? AND deleted_at IS NULL ORDER BY id";
    db::collect(conn, &format!("{ENDPOINT} {tail}"), [of], endpoint)
}

pub(super) fn get_endpoint(conn: &Connection, id: WebhookEndpointId) -> Result<Option<Endpoint>, DbError> {
    let tail = "WHERE id = ? AND deleted_at IS NULL";
    Ok(db::collect(conn, &format!("{ENDPOINT} {tail}"), [id], endpoint)?.pop())
}

fn types_json(types: &[String]) -> Result<String, DbError> {
    serde_json::to_string(types).map_err(|e| DbError::bad_row("webhook_endpoints", 0, e))
}

pub(super) fn insert_endpoint(
    conn: &Connection,
    organization: Option<OrganizationId>,
    (url, description, types): (&str, &str, &[String]),
    secret: &str,
    now: Timestamp,
) -> Result<WebhookEndpointId, DbError> {
    conn.prepare_cached(
        "INSERT INTO webhook_endpoints (organization_id, url, description, types, secret, created_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![organization, url, description, types_json(types)?, secret, now])?;
    Ok(WebhookEndpointId::new(conn.last_insert_rowid()))
}

/// Stores everything of an endpoint that may change.
pub(super) fn update_endpoint(conn: &Connection, new: &Endpoint) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE webhook_endpoints SET url = ?, description = ?, types = ?, secret = ?, old_secret = ?, old_until = ?,
             disabled_at = ?, disabled_why = ?, failing_since = ?, last_error = ?, last_success_at = ? WHERE id = ?",
    )?
    .execute(params![
        new.url,
        new.description,
        types_json(&new.types)?,
        new.secret,
        new.old_secret.as_ref().map(|(secret, _)| secret),
        new.old_secret.as_ref().map(|(_, until)| until),
        new.disabled.map(|(at, _)| at),
        new.disabled.map(|(_, why)| why.name()),
        new.failing_since,
        new.last_error,
        new.last_success_at,
        new.id,
    ])?;
    Ok(())
}

pub(super) fn delete_endpoint(
    conn: &Connection,
    id: WebhookEndpointId,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE webhook_endpoints SET deleted_at = ? WHERE id = ?")?
        .execute(params![now, id])?;
    Ok(())
}

/// Of the newest deliveries that have ended: how many there are, and how many arrived.
pub(super) fn success(conn: &Connection, id: WebhookEndpointId, newest: u32) -> Result<(i64, i64), DbError> {
    let counted = conn
        .prepare_cached(
            "SELECT count(*), ifnull(sum(state = 'delivered'), 0) FROM (SELECT state FROM deliveries
             WHERE endpoint_id = ? AND state IN ('delivered', 'dead') ORDER BY id DESC LIMIT ?)",
        )?
        .query_row(params![id, newest], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(counted.unwrap_or_default())
}

/// The addresses of those who may see an organization's money.
pub(super) fn payers(conn: &Connection, organization: OrganizationId) -> Result<Vec<String>, DbError> {
    db::collect(
        conn,
        "SELECT u.email FROM memberships m JOIN users u ON u.id = m.user_id
         WHERE m.organization_id = ? AND m.role IN ('owner', 'billing') AND u.disabled_at IS NULL ORDER BY u.id LIMIT 50",
        [organization],
        |row| Ok(row.get(0)?),
    )
}

/// The addresses of those who work for the operator.
pub(super) fn operators(conn: &Connection) -> Result<Vec<String>, DbError> {
    db::collect(
        conn,
        "SELECT email FROM users WHERE operator = 1 AND disabled_at IS NULL ORDER BY id LIMIT 50",
        [],
        |row| Ok(row.get(0)?),
    )
}

/// The work that is to send a delivery, while it is waiting.
pub(super) fn waits_for(conn: &Connection, id: DeliveryId) -> Result<Option<WorkId>, DbError> {
    let statement =
        "SELECT work_id FROM deliveries WHERE id = ? AND state = 'waiting' AND work_id IS NOT NULL";
    Ok(conn.prepare_cached(statement)?.query_row([id], |row| row.get(0)).optional()?)
}

/// How a delivery is sent, and to which endpoint.
pub(super) fn way(
    conn: &Connection,
    id: DeliveryId,
) -> Result<(Channel, Option<WebhookEndpointId>), DbError> {
    let (channel, endpoint): (String, _) = conn
        .prepare_cached("SELECT channel, endpoint_id FROM deliveries WHERE id = ?")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let channel = Channel::from_name(&channel);
    Ok((channel.ok_or_else(|| DbError::bad_row("deliveries", id.number(), "channel"))?, endpoint))
}
