//! Queries for grants that do not fit: each answers the grant and what is wrong with it, and should answer nothing.

pub(super) const MISFITS: [&str; 8] = [
    "SELECT g.account_id, 'has no account of its organization' FROM grants g
     LEFT JOIN accounts a ON a.id = g.account_id
     WHERE a.kind IS NOT 'grant' OR a.organization_id IS NOT g.organization_id ORDER BY 1 LIMIT 1",
    "SELECT a.id, 'is missing, but has an account' FROM accounts a LEFT JOIN grants g ON g.account_id = a.id
     WHERE a.kind = 'grant' AND g.account_id IS NULL ORDER BY 1 LIMIT 1",
    "SELECT g.account_id, 'is not the grant of its transaction' FROM grants g
     LEFT JOIN transactions t ON t.id = g.transaction_id
     WHERE g.source <> 'reversal'
       AND (t.grant_id IS NOT g.account_id OR t.organization_id IS NOT g.organization_id)
     ORDER BY 1 LIMIT 1",
    // what came back when an overdraft had been repaid already comes from there, what another organization sent from the
    // account between them, everything else from where its class is issued
    "WITH received AS (
         SELECT t.credit_account_id AS account, t.transaction_id, t.amount, d.kind
         FROM transfers t
         JOIN accounts d ON d.id = t.debit_account_id AND (d.kind LIKE 'issued%' OR d.kind IN ('overdraft', 'transferred'))
         JOIN accounts c ON c.id = t.credit_account_id AND c.kind = 'grant')
     SELECT g.account_id, 'was not received as it says' FROM grants g
     LEFT JOIN received r ON r.account = g.account_id
     GROUP BY g.account_id
     HAVING count(r.account) <> 1 OR max(r.amount) <> g.original
         OR CASE g.source WHEN 'reversal' THEN max(r.kind) <> 'overdraft' OR g.class <> 'paid'
            WHEN 'transfer' THEN max(r.kind) <> 'transferred' OR g.class <> 'paid'
                OR max(r.transaction_id) IS NOT g.transaction_id
            ELSE max(r.kind) <> 'issued_' || g.class OR max(r.transaction_id) IS NOT g.transaction_id END
     ORDER BY 1 LIMIT 1",
    "SELECT g.account_id, 'has other terms than credit that came back' FROM transfers t
     JOIN grants g ON g.account_id = t.credit_account_id AND g.source = 'reversal'
     JOIN accounts d ON d.id = t.debit_account_id AND d.kind = 'overdraft'
     JOIN commits c ON c.id = t.commit_id
     WHERE g.priority IS NOT NULL OR g.expires_at IS NOT NULL OR g.meters IS NOT NULL
        OR g.created_at <> c.committed_at
     ORDER BY 1 LIMIT 1",
    "WITH moved AS (
         SELECT t.debit_account_id AS account, t.amount FROM transfers t
         JOIN accounts c ON c.id = t.credit_account_id AND c.kind = 'expired'
         UNION ALL
         SELECT t.credit_account_id, -t.amount FROM transfers t
         JOIN accounts d ON d.id = t.debit_account_id AND d.kind = 'expired')
     SELECT g.account_id, 'has moved ' || coalesce(sum(m.amount), 0) || ' to expiry, not ' || g.expired FROM grants g
     LEFT JOIN moved m ON m.account = g.account_id
     GROUP BY g.account_id HAVING coalesce(sum(m.amount), 0) <> g.expired
     ORDER BY 1 LIMIT 1",
    // what it was received with is not part of it
    "WITH moved AS (
         SELECT t.debit_account_id AS account, t.amount FROM transfers t
         JOIN accounts c ON c.id = t.credit_account_id
          AND (c.kind LIKE 'issued%' OR c.kind IN ('refunded', 'clawed_back', 'transferred'))
         UNION ALL
         SELECT t.credit_account_id, -t.amount FROM transfers t
         JOIN accounts d ON d.id = t.debit_account_id AND d.kind IN ('refunded', 'clawed_back', 'transferred')
         JOIN grants g ON g.account_id = t.credit_account_id AND g.transaction_id IS NOT t.transaction_id)
     SELECT g.account_id, 'gave up ' || coalesce(sum(m.amount), 0) || ', not ' || g.withdrawn FROM grants g
     LEFT JOIN moved m ON m.account = g.account_id
     GROUP BY g.account_id HAVING coalesce(sum(m.amount), 0) <> g.withdrawn
     ORDER BY 1 LIMIT 1",
    "WITH received AS (
         SELECT t.transaction_id, t.amount, d.ledger, d.kind FROM transfers t
         JOIN accounts d ON d.id = t.debit_account_id AND d.kind IN ('cash', 'transferred')
         JOIN accounts c ON c.id = t.credit_account_id AND c.kind = 'deferred_revenue')
     SELECT g.account_id, 'was not paid for as it says' FROM grants g
     LEFT JOIN received r ON r.transaction_id = g.transaction_id
     GROUP BY g.account_id
     HAVING coalesce(sum(r.amount), 0) <> coalesce(g.cost_minor, 0) OR coalesce(max(r.ledger) <> g.cost_currency, 0)
         OR coalesce(max(r.kind) <> CASE g.source WHEN 'transfer' THEN 'transferred' ELSE 'cash' END, 0)
     ORDER BY 1 LIMIT 1",
];
