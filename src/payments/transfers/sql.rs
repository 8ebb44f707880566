//! Statements of credit that was sent on.

use rusqlite::{Connection, params};

use crate::base::id::{GrantId, TransactionId};
use crate::db::DbError;

/// Notes that `grant` came of `source`, by a line of the sender's.
pub(super) fn insert(
    conn: &Connection,
    grant: GrantId,
    source: GrantId,
    line: TransactionId,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO credit_transfers (grant_id, source_grant_id, transaction_id) VALUES (?, ?, ?)",
    )?
    .execute(params![grant, source, line])?;
    Ok(())
}

/// Credit that did not arrive as it was sent: each answers the row and what is wrong with it, and should answer nothing.
pub(in crate::payments) const MISFITS: [(&str, &str); 5] = [
    (
        "credit_transfers",
        "SELECT m.grant_id, 'is not what was sent' FROM credit_transfers m
         LEFT JOIN grants r ON r.account_id = m.grant_id LEFT JOIN transactions i ON i.id = r.transaction_id
         LEFT JOIN grants s ON s.account_id = m.source_grant_id LEFT JOIN transactions o ON o.id = m.transaction_id
         WHERE r.source IS NOT 'transfer' OR r.class IS NOT 'paid' OR s.class IS NOT 'paid'
            OR r.organization_id IS s.organization_id OR r.expires_at IS NOT s.expires_at OR r.meters IS NOT s.meters
            OR r.priority IS NOT s.priority OR i.type IS NOT 'transfer_in' OR o.type IS NOT 'transfer_out'
            OR o.organization_id IS NOT s.organization_id OR i.created_at IS NOT o.created_at
            OR coalesce(r.cost_currency <> s.cost_currency, 0) OR coalesce(r.cost_minor, 0) > coalesce(s.cost_minor, 0)
         ORDER BY 1 LIMIT 1",
    ),
    (
        "grants",
        "SELECT g.account_id, 'was sent by nobody' FROM grants g LEFT JOIN credit_transfers m ON m.grant_id = g.account_id
         WHERE g.source = 'transfer' AND m.grant_id IS NULL ORDER BY 1 LIMIT 1",
    ),
    // as much as left a grant in a line arrived
    (
        "credit_transfers",
        "WITH moved AS (
             SELECT t.transaction_id AS line, t.debit_account_id AS source, t.amount FROM transfers t
             JOIN accounts c ON c.id = t.credit_account_id AND c.kind = 'transferred' AND c.ledger = 'credits'
             UNION ALL
             SELECT m.transaction_id, m.source_grant_id, -g.original FROM credit_transfers m
             JOIN grants g ON g.account_id = m.grant_id)
         SELECT source, 'sent ' || sum(amount) || ' more than arrived' FROM moved GROUP BY line, source
         HAVING sum(amount) <> 0 ORDER BY 1 LIMIT 1",
    ),
    (
        "credit_transfers",
        "WITH moved AS (
             SELECT t.transaction_id AS line, c.ledger, t.amount FROM transfers t
             JOIN accounts c ON c.id = t.credit_account_id AND c.kind = 'transferred' AND c.ledger <> 'credits'
             UNION ALL
             SELECT m.transaction_id, g.cost_currency, -g.cost_minor FROM credit_transfers m
             JOIN grants g ON g.account_id = m.grant_id AND g.cost_minor <> 0)
         SELECT line, 'sent ' || sum(amount) || ' of money more than arrived' FROM moved GROUP BY line, ledger
         HAVING sum(amount) <> 0 ORDER BY 1 LIMIT 1",
    ),
    (
        "accounts",
        "SELECT id, 'keeps what was on its way between two organizations' FROM accounts
         WHERE kind = 'transferred' AND credits_posted <> debits_posted ORDER BY 1 LIMIT 1",
    ),
];
