//! Statements of auto-reload.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::rules::{Problem, Retry, Standing};
use super::{AutoReload, Settings};
use crate::base::Timestamp;
use crate::base::id::{OrganizationId, PaymentId};
use crate::db::{self, DbError};

const SELECT: &str = "SELECT organization_id, enabled, threshold, credits, cap_minor, method_id, payment_id, failures, retry_work,
    retry_at, last_work, problem, problem_at FROM auto_reloads";

fn from_row(row: &Row<'_>) -> Result<AutoReload, DbError> {
    let organization: OrganizationId = row.get(0)?;
    let problem = match row.get::<_, Option<String>>(11)? {
        None => None,
        Some(name) => Some(
            Problem::from_name(&name)
                .ok_or_else(|| DbError::bad_row("auto_reloads", organization.number(), name))?,
        ),
    };
    let at: Option<Timestamp> = row.get(12)?;
    let retry = match (row.get(8)?, row.get(9)?) {
        (Some(work), Some(at)) => Some(Retry { work, at }),
        _ => None,
    };
    Ok(AutoReload {
        settings: Settings {
            threshold: row.get(2)?,
            credits: row.get(3)?,
            cap_minor: row.get(4)?,
            card: row.get(5)?,
        },
        standing: Standing {
            enabled: row.get(1)?,
            in_flight: row.get(6)?,
            failures: row.get(7)?,
            retry,
            last_work: row.get(10)?,
            problem: problem.zip(at),
        },
    })
}

pub(super) fn get(conn: &Connection, organization: OrganizationId) -> Result<Option<AutoReload>, DbError> {
    Ok(db::collect(conn, &format!("{SELECT} WHERE organization_id = ?"), [organization], from_row)?.pop())
}

pub(super) fn put(
    conn: &Connection,
    organization: OrganizationId,
    reload: &AutoReload,
) -> Result<(), DbError> {
    let AutoReload { settings, standing } = reload;
    conn.prepare_cached(
        "INSERT INTO auto_reloads (organization_id, enabled, threshold, credits, cap_minor, method_id, payment_id, failures,
                                   retry_work, retry_at, last_work, problem, problem_at)
         VALUES (:organization, :enabled, :threshold, :credits, :cap, :method, :payment, :failures, :retry_work, :retry_at,
                 :last_work, :problem, :problem_at)
         ON CONFLICT (organization_id) DO UPDATE SET enabled = excluded.enabled, threshold = excluded.threshold,
             credits = excluded.credits, cap_minor = excluded.cap_minor, method_id = excluded.method_id,
             payment_id = excluded.payment_id, failures = excluded.failures, retry_work = excluded.retry_work,
             retry_at = excluded.retry_at, last_work = excluded.last_work, problem = excluded.problem,
             problem_at = excluded.problem_at",
    )?
    .execute(named_params! {
        ":organization": organization,
        ":enabled": standing.enabled,
        ":threshold": settings.threshold,
        ":credits": settings.credits,
        ":cap": settings.cap_minor,
        ":method": settings.card,
        ":payment": standing.in_flight,
        ":failures": standing.failures,
        ":retry_work": standing.retry.map(|retry| retry.work),
        ":retry_at": standing.retry.map(|retry| retry.at),
        ":last_work": standing.last_work,
        ":problem": standing.problem.map(|(problem, _)| problem.name()),
        ":problem_at": standing.problem.map(|(_, at)| at),
    })?;
    Ok(())
}

/// What saved cards were charged since a time, with tax, and what is on its way.
pub(super) fn spent_since(
    conn: &Connection,
    organization: OrganizationId,
    since: Timestamp,
) -> Result<i64, DbError> {
    let sum: Option<i64> = conn
        .prepare_cached(
            "SELECT sum(amount_minor + tax_minor) FROM payments
             WHERE method_id IS NOT NULL AND organization_id = ? AND created_at >= ? AND state <> 'failed' AND plan IS NULL",
        )?
        .query_row(params![organization, since], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(sum.unwrap_or_default())
}

/// Payments with a saved card, newest first.
pub(super) fn past(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<PaymentId>, DbError> {
    let statement = "SELECT id FROM payments
                     WHERE method_id IS NOT NULL AND organization_id = ? AND id < ? AND plan IS NULL
                     ORDER BY created_at DESC, id DESC LIMIT ?";
    let before = before.unwrap_or(i64::MAX);
    db::collect(conn, statement, params![organization, before, limit], |row| Ok(row.get(0)?))
}

/// Auto-reload that does not fit what is watched, or its payment.
pub(in crate::payments) const MISFITS: [(&str, &str); 4] = [
    (
        "wallets",
        "SELECT w.organization_id, 'watches ' || coalesce(w.watch_below, 'nothing') || ', but auto-reload wants '
                || coalesce(r.threshold, 'nothing')
         FROM wallets w LEFT JOIN auto_reloads r ON r.organization_id = w.organization_id AND r.enabled = 1
         WHERE w.watch_below IS NOT r.threshold ORDER BY 1 LIMIT 1",
    ),
    (
        "wallets",
        "SELECT organization_id, 'is below what is watched, and that was not told' FROM wallets
         WHERE watch_below IS NOT NULL AND watch_armed = (balance < watch_below) ORDER BY 1 LIMIT 1",
    ),
    (
        "auto_reloads",
        "SELECT r.organization_id, 'waits for a payment that does not wait' FROM auto_reloads r
         LEFT JOIN payments p ON p.id = r.payment_id
         WHERE r.payment_id IS NOT NULL
           AND (p.state IS NULL OR p.state NOT IN ('created', 'pending') OR p.organization_id <> r.organization_id)
         ORDER BY 1 LIMIT 1",
    ),
    (
        "auto_reloads",
        "SELECT r.organization_id, 'charges a card that is not there' FROM auto_reloads r
         LEFT JOIN payment_methods m ON m.id = r.method_id
         WHERE m.organization_id IS NOT r.organization_id OR (r.enabled = 1 AND m.removed_at IS NOT NULL)
         ORDER BY 1 LIMIT 1",
    ),
];
