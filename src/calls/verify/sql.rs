//! Queries for calls that do not fit: each answers the row and what is wrong with it, and should answer nothing.

use rusqlite::Connection;

use crate::db::DbError;
use crate::ledger::verify::VerifyError;

pub(super) fn count(conn: &Connection) -> Result<u64, DbError> {
    let count: i64 = conn.query_row("SELECT count(*) FROM calls", [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Calls with what else was said by each event of nothing but their carrier's cost that came after their charge.
pub(super) fn each_late(conn: &Connection, mut f: impl FnMut(i64, &str)) -> Result<(), VerifyError> {
    let mut statement = conn.prepare(
        "SELECT c.id, i.extra FROM usage_items i CROSS JOIN calls c
             ON c.organization_id = i.organization_id AND c.call_id = i.call_id AND c.meter_id = i.meter_id
         WHERE i.reported = 0 AND i.call_id IS NOT NULL AND i.extra IS NOT NULL AND i.corrects IS NULL
             AND i.id > c.head AND i.id NOT IN (SELECT head FROM usage_voids)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        f(row.get(0)?, row.get_ref(1)?.as_str().unwrap_or_default());
    }
    Ok(())
}

/// Calls that were charged, with what their carriers charged in all and what of it was reported with the call.
pub(super) fn each_charged(
    conn: &Connection,
    mut f: impl FnMut(i64, i64, i64) -> Result<(), VerifyError>,
) -> Result<(), VerifyError> {
    let mut statement = conn.prepare(
        "SELECT id, coalesce(carried, -1), coalesce(carrier_cost, 0) FROM calls WHERE head IS NOT NULL ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        f(row.get(0)?, row.get(1)?, row.get(2)?)?;
    }
    Ok(())
}

pub(super) const MISFITS: [(&str, &str); 14] = [
    (
        "holds",
        "SELECT h.call_id, 'belongs to a call that is not live' FROM holds h LEFT JOIN calls c ON c.id = h.call_id
         WHERE c.status IS NOT 'live' ORDER BY 1 LIMIT 1",
    ),
    (
        "holds",
        "SELECT h.call_id, 'sets aside what is not a grant of the organization' FROM holds h
         JOIN calls c ON c.id = h.call_id LEFT JOIN accounts a ON a.id = h.account_id
         WHERE a.kind IS NOT 'grant' OR a.organization_id IS NOT c.organization_id ORDER BY 1 LIMIT 1",
    ),
    (
        "calls",
        "SELECT c.id, 'holds ' || c.held || ', but its holds come to ' || coalesce(sum(h.amount), 0) FROM calls c
         LEFT JOIN holds h ON h.call_id = c.id WHERE c.status = 'live'
         GROUP BY c.id HAVING coalesce(sum(h.amount), 0) <> c.held ORDER BY 1 LIMIT 1",
    ),
    (
        "accounts",
        "SELECT a.id, 'has ' || a.debits_pending || ' pending, but holds on it come to ' || coalesce(sum(h.amount), 0)
         FROM accounts a
         LEFT JOIN (SELECT account_id, amount FROM holds UNION ALL SELECT account_id, amount FROM frozen_credit) h
                ON h.account_id = a.id
         GROUP BY a.id HAVING coalesce(sum(h.amount), 0) <> a.debits_pending ORDER BY 1 LIMIT 1",
    ),
    (
        "accounts",
        "SELECT id, 'has credits pending, which nothing ever has' FROM accounts WHERE credits_pending <> 0
         ORDER BY 1 LIMIT 1",
    ),
    (
        "cycle_holds",
        "WITH held AS (
             SELECT organization_id, meter_id, cycle_start, sum(held_billed) AS billed, sum(held_included) AS included
             FROM calls WHERE status = 'live' AND cycle_start IS NOT NULL
             GROUP BY organization_id, meter_id, cycle_start)
         SELECT coalesce(k.organization_id, held.organization_id), 'is not what its live calls have set aside'
         FROM held FULL JOIN cycle_holds k
             ON k.organization_id = held.organization_id AND k.meter_id = held.meter_id
             AND k.cycle_start = held.cycle_start
         WHERE coalesce(k.billed, 0) <> coalesce(held.billed, 0)
             OR coalesce(k.included, 0) <> coalesce(held.included, 0)
             OR (held.organization_id IS NULL AND k.organization_id IS NOT NULL)
         ORDER BY 1 LIMIT 1",
    ),
    (
        "calls",
        "SELECT id, 'has not what its state needs' FROM calls WHERE NOT CASE status
             WHEN 'live' THEN rate_version_id IS NOT NULL AND expires_at IS NOT NULL AND extended_at IS NOT NULL
                 AND ended_at IS NULL AND head IS NULL AND reason IS NULL AND covered > 0 AND covered <= most
             WHEN 'rejected' THEN reason IS NOT NULL AND ended_at IS NOT NULL AND head IS NULL AND held = 0
                 AND expires_at IS NULL
             ELSE ended_at IS NOT NULL AND expires_at IS NULL AND reason IS NULL
                 AND (head IS NULL) = (duration IS NULL) AND (head IS NULL) = (credits IS NULL) END
         ORDER BY 1 LIMIT 1",
    ),
    (
        "calls",
        "SELECT id, 'sets aside below zero, or something without being live' FROM calls
         WHERE held < 0 OR held_billed < 0 OR held_included < 0
             OR (status <> 'live' AND (held_billed <> 0 OR held_included <> 0 OR covered <> 0))
             OR (cycle_start IS NULL AND held_included <> 0)
         ORDER BY 1 LIMIT 1",
    ),
    (
        "calls",
        "SELECT c.id, 'was not charged as it says' FROM calls c
         LEFT JOIN usage_items i ON i.id = c.head LEFT JOIN usage_items t ON t.id = c.transfer_head
         WHERE c.head IS NOT NULL AND (
             i.event_id IS NULL OR i.organization_id IS NOT c.organization_id OR i.call_id IS NOT c.call_id
             OR i.meter_id IS NOT c.meter_id OR i.reported IS NOT c.duration OR i.corrects IS NOT NULL
             OR i.occurred_at IS NOT c.started_at
             OR i.total + coalesce(t.total, 0) IS NOT c.credits)
         ORDER BY 1 LIMIT 1",
    ),
    (
        "calls",
        "SELECT c.id, 'was not charged for the forwarded part as it says' FROM calls c
         LEFT JOIN usage_items t ON t.id = c.transfer_head
         WHERE (c.transfer_head IS NOT NULL AND (
             t.event_id IS NULL OR t.organization_id IS NOT c.organization_id OR t.call_id IS NOT c.call_id
             OR t.reported IS NOT c.transfer))
             OR (c.transfer_head IS NULL AND c.transfer > 0)
         ORDER BY 1 LIMIT 1",
    ),
    (
        "calls",
        "SELECT c.id, 'was not charged the surcharge that it says' FROM calls c
         WHERE c.head IS NOT NULL AND c.surcharge IS NOT
             (SELECT coalesce(sum(i.credits), 0) FROM usage_items i
              WHERE i.id >= c.head AND i.id < c.head + 4 AND coalesce(i.head, i.id) = c.head AND i.kind = 3)
         ORDER BY 1 LIMIT 1",
    ),
    (
        "calls",
        "SELECT i.id, 'is a charge of a call that is missing, or was charged something else' FROM usage_items i
         WHERE i.event_id LIKE 'auth\\_%' ESCAPE '\\' AND i.corrects IS NULL
             AND i.id NOT IN (SELECT head FROM calls WHERE head IS NOT NULL)
             AND i.id NOT IN (SELECT transfer_head FROM calls WHERE transfer_head IS NOT NULL)
             AND i.id NOT IN (SELECT head FROM usage_voids)
         ORDER BY 1 LIMIT 1",
    ),
    (
        "calls",
        "SELECT c.id, 'names a party of another organization, or none that exists' FROM calls c
         LEFT JOIN agents a ON a.id = c.agent_id LEFT JOIN numbers n ON n.id = c.number_id
         LEFT JOIN workspaces w ON w.id = c.workspace_id
         WHERE (c.agent_id IS NOT NULL AND a.organization_id IS NOT c.organization_id)
             OR (c.number_id IS NOT NULL AND n.organization_id IS NOT c.organization_id)
             OR (c.workspace_id IS NOT NULL AND w.organization_id IS NOT c.organization_id)
         ORDER BY 1 LIMIT 1",
    ),
    (
        "calls",
        "SELECT c.id, 'is of no organization that has a wallet' FROM calls c
         LEFT JOIN wallets w ON w.organization_id = c.organization_id
         WHERE w.organization_id IS NULL ORDER BY 1 LIMIT 1",
    ),
];
