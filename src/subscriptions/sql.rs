//! Statements of subscriptions.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, named_params, params};

use super::rules::Cycle;
use super::{Charge, ChargeState, Kind, Pending, State, Subscription};
use crate::base::id::{MeterId, OrganizationId, PaymentId, PlanId, PlanVersionId, SubscriptionId};
use crate::base::{Quantity, Timestamp};
use crate::db::{self, DbError};

const SELECT: &str = "SELECT id, organization_id, plan_version_id, state, number, anchor, month, months, period_start, period_end,
    granted, pending, pending_version, migrate_version, migrate_from, payment_id, due_at, failures, failed_at, reason,
    created_at, ended_at FROM subscriptions";

fn from_row(row: &Row<'_>) -> Result<Subscription, DbError> {
    let id: SubscriptionId = row.get(0)?;
    let bad = |what: &str| DbError::bad_row("subscriptions", id.number(), what);
    let state = State::from_name(row.get_ref(3)?.as_str().unwrap_or_default()).ok_or_else(|| bad("state"))?;
    let times: (Option<Timestamp>, Option<Timestamp>, Option<Timestamp>) =
        (row.get(5)?, row.get(8)?, row.get(9)?);
    let cycle = match times {
        (Some(anchor), Some(start), Some(end)) => {
            Some(Cycle { anchor, month: row.get(6)?, months: row.get(7)?, start, end })
        }
        _ => None,
    };
    let version: Option<PlanVersionId> = row.get(12)?;
    let pending = match (row.get::<_, Option<String>>(11)?.as_deref(), version) {
        (None, _) => None,
        (Some("plan"), Some(version)) => Some(Pending::Plan(version)),
        (Some("cancel"), _) => Some(Pending::Cancel),
        (Some("pause"), _) => Some(Pending::Pause),
        _ => return Err(bad("pending")),
    };
    let migration: (Option<PlanVersionId>, Option<Timestamp>) = (row.get(13)?, row.get(14)?);
    Ok(Subscription {
        id,
        organization: row.get(1)?,
        version: row.get(2)?,
        state,
        number: row.get(4)?,
        cycle,
        granted: row.get(10)?,
        pending,
        migration: migration.0.zip(migration.1),
        payment: row.get(15)?,
        due_at: row.get(16)?,
        failures: row.get(17)?,
        failed_at: row.get(18)?,
        reason: row.get(19)?,
        created_at: row.get(20)?,
        ended_at: row.get(21)?,
    })
}

fn one(
    conn: &Connection,
    tail: &str,
    params: impl rusqlite::Params,
) -> Result<Option<Subscription>, DbError> {
    Ok(db::collect(conn, &format!("{SELECT} {tail}"), params, from_row)?.pop())
}

pub(super) fn get(conn: &Connection, id: SubscriptionId) -> Result<Option<Subscription>, DbError> {
    one(conn, "WHERE id = ?", [id])
}

/// The one that has not ended.
pub(super) fn living(conn: &Connection, whose: OrganizationId) -> Result<Option<Subscription>, DbError> {
    one(conn, "WHERE organization_id = ? AND state <> 'canceled'", [whose])
}

/// The newest, also where it has ended.
pub(super) fn newest(conn: &Connection, whose: OrganizationId) -> Result<Option<Subscription>, DbError> {
    one(conn, "WHERE organization_id = ? ORDER BY id DESC LIMIT 1", [whose])
}

pub(super) fn insert(
    conn: &Connection,
    organization: OrganizationId,
    version: PlanVersionId,
    now: Timestamp,
) -> Result<SubscriptionId, DbError> {
    conn.prepare_cached(
        "INSERT INTO subscriptions (organization_id, plan_version_id, state, created_at) VALUES (?, ?, 'incomplete', ?)",
    )?
    .execute(params![organization, version, now])?;
    Ok(SubscriptionId::new(conn.last_insert_rowid()))
}

/// Writes everything of a subscription that changes.
pub(super) fn put(conn: &Connection, sub: &Subscription) -> Result<(), DbError> {
    let (pending, pending_version) = match sub.pending {
        None => (None, None),
        Some(Pending::Plan(version)) => (Some("plan"), Some(version)),
        Some(Pending::Cancel) => (Some("cancel"), None),
        Some(Pending::Pause) => (Some("pause"), None),
    };
    conn.prepare_cached(
        "UPDATE subscriptions SET plan_version_id = :version, state = :state, number = :number, anchor = :anchor, month = :month,
             months = :months, period_start = :start, period_end = :end, granted = :granted, pending = :pending,
             pending_version = :pending_version, migrate_version = :migrate_version, migrate_from = :migrate_from,
             payment_id = :payment, due_at = :due_at, failures = :failures, failed_at = :failed_at, reason = :reason,
             ended_at = :ended_at
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":version": sub.version,
        ":state": sub.state.name(),
        ":number": sub.number,
        ":anchor": sub.cycle.map(|cycle| cycle.anchor),
        ":month": sub.cycle.map_or(0, |cycle| cycle.month),
        ":months": sub.cycle.map_or(0, |cycle| cycle.months),
        ":start": sub.cycle.map(|cycle| cycle.start),
        ":end": sub.cycle.map(|cycle| cycle.end),
        ":granted": sub.granted,
        ":pending": pending,
        ":pending_version": pending_version,
        ":migrate_version": sub.migration.map(|(version, _)| version),
        ":migrate_from": sub.migration.map(|(_, from)| from),
        ":payment": sub.payment,
        ":due_at": sub.due_at,
        ":failures": sub.failures,
        ":failed_at": sub.failed_at,
        ":reason": sub.reason,
        ":ended_at": sub.ended_at,
        ":id": sub.id,
    })?;
    Ok(())
}

/// For which something is to be done and since when, the longest due first, after one.
pub(super) fn due(
    conn: &Connection,
    now: Timestamp,
    after: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<(Timestamp, i64)>, DbError> {
    let (after_at, after_id) = after.unwrap_or((Timestamp::from_millis(i64::MIN), i64::MIN));
    let statement = "SELECT due_at, id FROM subscriptions WHERE due_at <= ? AND (due_at, id) > (?, ?)
         ORDER BY due_at, id LIMIT ?";
    db::collect(conn, statement, params![now, after_at, after_id, limit], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Those on a version that have not ended, after one of them.
pub(super) fn on_version(
    conn: &Connection,
    version: PlanVersionId,
    after: i64,
    limit: u32,
) -> Result<Vec<Subscription>, DbError> {
    let tail = "WHERE plan_version_id = ? AND state <> 'canceled' AND id > ? ORDER BY id LIMIT ?";
    db::collect(conn, &format!("{SELECT} {tail}"), params![version, after, limit], from_row)
}

/// By version: how many have not ended, and how many of them change to a new price.
pub(super) fn standings(conn: &Connection) -> Result<BTreeMap<PlanVersionId, (i64, i64)>, DbError> {
    let statement = "SELECT plan_version_id, count(*), count(migrate_version) FROM subscriptions
                     WHERE state <> 'canceled' GROUP BY plan_version_id";
    let rows = db::collect(conn, statement, [], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(rows.into_iter().collect())
}

/// Who has a plan at `?1` without paying for it.
const GIVEN: &str = "FROM price_terms t WHERE t.starts_at =
        (SELECT max(starts_at) FROM price_terms WHERE organization_id = t.organization_id AND starts_at <= ?1)
    AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.organization_id = t.organization_id AND s.state <> 'canceled')";

/// By version: how many have it without paying for it.
pub(super) fn given(conn: &Connection, at: Timestamp) -> Result<BTreeMap<PlanVersionId, i64>, DbError> {
    let statement = format!(
        "SELECT t.plan_version_id, count(*) {GIVEN} AND t.plan_version_id IS NOT NULL GROUP BY t.plan_version_id"
    );
    Ok(db::collect(conn, &statement, [at], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect())
}

/// The first by name of those that have a plan without paying for it, each with its version.
pub(super) fn given_to(
    conn: &Connection,
    at: Timestamp,
    plan: PlanId,
    limit: usize,
) -> Result<Vec<(OrganizationId, PlanVersionId)>, DbError> {
    let statement = format!(
        "SELECT t.organization_id, t.plan_version_id {GIVEN}
             AND t.plan_version_id IN (SELECT id FROM plan_versions WHERE plan_id = ?2)
         ORDER BY (SELECT name FROM organizations o WHERE o.id = t.organization_id), t.organization_id LIMIT ?3"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db::collect(conn, &statement, params![at, plan, limit], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn first_cycle(json: &str) -> Result<BTreeMap<MeterId, Quantity>, serde_json::Error> {
    let found: BTreeMap<i64, i64> = serde_json::from_str(json)?;
    let units = |(meter, micros)| (MeterId::new(meter), Quantity::from_micros(micros));
    Ok(found.into_iter().map(units).collect())
}

pub(super) fn insert_charge(conn: &Connection, charge: &Charge) -> Result<(), DbError> {
    let units: BTreeMap<i64, i64> =
        charge.first_cycle.iter().map(|(meter, units)| (meter.number(), units.micros())).collect();
    let json = serde_json::to_string(&units)
        .map_err(|e| DbError::bad_row("subscription_charges", charge.payment.number(), e))?;
    conn.prepare_cached(
        "INSERT INTO subscription_charges (payment_id, subscription_id, kind, number, plan_version_id, credits, credits_until,
                                           first_cycle, state)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        charge.payment,
        charge.subscription,
        charge.kind.name(),
        charge.number,
        charge.version,
        charge.credits,
        charge.credits_until,
        json,
        charge.state.name()
    ])?;
    Ok(())
}

pub(super) fn charge(conn: &Connection, payment: PaymentId) -> Result<Option<Charge>, DbError> {
    let statement =
        "SELECT subscription_id, kind, number, plan_version_id, credits, credits_until, first_cycle, state
         FROM subscription_charges WHERE payment_id = ?";
    let found = db::collect(conn, statement, [payment], |row| {
        let bad = |what: &str| DbError::bad_row("subscription_charges", payment.number(), what);
        let kind = Kind::from_name(row.get_ref(1)?.as_str().unwrap_or_default());
        let state = ChargeState::from_name(row.get_ref(7)?.as_str().unwrap_or_default());
        Ok(Charge {
            payment,
            subscription: row.get(0)?,
            kind: kind.ok_or_else(|| bad("kind"))?,
            number: row.get(2)?,
            version: row.get(3)?,
            credits: row.get(4)?,
            credits_until: row.get(5)?,
            first_cycle: first_cycle(&row.get::<_, String>(6)?).map_err(|e| bad(&e.to_string()))?,
            state: state.ok_or_else(|| bad("state"))?,
        })
    });
    Ok(found?.pop())
}

pub(super) fn set_charge(conn: &Connection, payment: PaymentId, state: ChargeState) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE subscription_charges SET state = ? WHERE payment_id = ?")?
        .execute(params![state.name(), payment])?;
    Ok(())
}

/// What a period was paid with: its fee, then those for going up in it.
pub(super) fn paid_with(
    conn: &Connection,
    subscription: SubscriptionId,
    number: i64,
) -> Result<Vec<PaymentId>, DbError> {
    let statement = "SELECT payment_id FROM subscription_charges
         WHERE subscription_id = ? AND number = ? AND state = 'paid' ORDER BY kind = 'upgrade', payment_id";
    db::collect(conn, statement, params![subscription, number], |row| Ok(row.get(0)?))
}

/// Subscriptions and payments that do not belong together.
pub(super) const MISFITS: [(&str, &str); 4] = [
    (
        "subscription_charges",
        "SELECT c.payment_id, 'says ' || c.state || ', but its payment says ' || coalesce(p.state, 'nothing')
         FROM subscription_charges c JOIN subscriptions s ON s.id = c.subscription_id
         LEFT JOIN payments p ON p.id = c.payment_id
         WHERE (c.state IN ('paid', 'unused')) AND p.state IS NOT 'settled'
            OR p.organization_id IS NOT s.organization_id OR p.plan IS NULL ORDER BY 1 LIMIT 1",
    ),
    (
        "subscriptions",
        "SELECT s.id, 'waits for a payment that is not its own' FROM subscriptions s
         LEFT JOIN subscription_charges c ON c.payment_id = s.payment_id AND c.subscription_id = s.id AND c.state = 'open'
         WHERE s.payment_id IS NOT NULL AND c.payment_id IS NULL ORDER BY 1 LIMIT 1",
    ),
    (
        "subscriptions",
        "SELECT id, 'is active, but will never be renewed' FROM subscriptions
         WHERE state = 'active' AND payment_id IS NULL AND due_at IS NULL ORDER BY 1 LIMIT 1",
    ),
    (
        "payments",
        "SELECT p.id, 'is for a plan that nobody has' FROM payments p
         LEFT JOIN subscription_charges c ON c.payment_id = p.id
         WHERE p.plan IS NOT NULL AND c.payment_id IS NULL ORDER BY 1 LIMIT 1",
    ),
];

pub(super) fn next_due(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    let mut statement = conn.prepare_cached("SELECT min(due_at) FROM subscriptions WHERE due_at > ?")?;
    Ok(statement.query_row([now], |row| row.get(0))?)
}
