//! The naive schema that serves as the floor, for SQLite and for PostgreSQL; and saved cards.

use rusqlite::Connection;

use crate::base::Timestamp;
use crate::db::DbError;

/// Per event a usage row with a unique text id and an index on organization and time, two postings, two
/// balances. What anyone would write first.
pub(super) const SCHEMA: &str = "
CREATE TABLE usage (
    id              INTEGER PRIMARY KEY,
    event_id        TEXT    NOT NULL UNIQUE,
    organization_id INTEGER NOT NULL,
    meter           TEXT    NOT NULL,
    agent_id        TEXT    NOT NULL,
    call_id         TEXT    NOT NULL,
    quantity        INTEGER NOT NULL,
    credits         INTEGER NOT NULL,
    occurred_at     INTEGER NOT NULL
);
CREATE INDEX usage_by_time ON usage (organization_id, occurred_at);
CREATE TABLE postings (
    id         INTEGER PRIMARY KEY,
    usage_id   INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    amount     INTEGER NOT NULL
);
CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);";

pub(super) const ADD_ACCOUNT: &str = "INSERT INTO accounts (id, balance) VALUES (?1, 0)";
pub(super) const ADD_USAGE: &str =
    "INSERT INTO usage (event_id, organization_id, meter, agent_id, call_id, quantity, credits, occurred_at)
     VALUES (?1, ?2, 'voice', ?3, ?4, ?5, ?6, ?7)";
pub(super) const ADD_POSTING: &str =
    "INSERT INTO postings (usage_id, account_id, amount) VALUES (?1, ?2, ?3)";
pub(super) const MOVE_BALANCE: &str = "UPDATE accounts SET balance = balance + ?2 WHERE id = ?1";
/// Nothing when the books balance.
pub(super) const MISFITS: &str =
    "SELECT count(*) FROM (SELECT account_id, sum(amount) AS posted FROM postings GROUP BY account_id) AS p
     JOIN accounts ON accounts.id = p.account_id WHERE accounts.balance <> p.posted";

/// The same in PostgreSQL, with one call per event instead of five statements over the wire: as fast as
/// PostgreSQL can be asked to do it.
pub(super) const POSTGRES_SCHEMA: &str = "
CREATE TABLE usage (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        text   NOT NULL UNIQUE,
    organization_id bigint NOT NULL,
    meter           text   NOT NULL,
    agent_id        text   NOT NULL,
    call_id         text   NOT NULL,
    quantity        bigint NOT NULL,
    credits         bigint NOT NULL,
    occurred_at     timestamptz NOT NULL
);
CREATE INDEX usage_by_time ON usage (organization_id, occurred_at);
CREATE TABLE postings (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    usage_id   bigint NOT NULL,
    account_id bigint NOT NULL,
    amount     bigint NOT NULL
);
CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO accounts SELECT n, 0 FROM generate_series(1, 2001) AS n;
CREATE FUNCTION charge(org bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE made bigint; left_over bigint;
BEGIN
    INSERT INTO usage (event_id, organization_id, meter, agent_id, call_id, quantity, credits, occurred_at)
    VALUES (gen_random_uuid()::text, org, 'voice', 'agent-1', 'call_0123456789abcdef', 84, 20, clock_timestamp())
    RETURNING id INTO made;
    INSERT INTO postings (usage_id, account_id, amount) VALUES (made, org * 2, -20), (made, org * 2 + 1, 20);
    UPDATE accounts SET balance = balance - 20 WHERE id = org * 2 RETURNING balance INTO left_over;
    UPDATE accounts SET balance = balance + 20 WHERE id = org * 2 + 1;
    RETURN left_over;
END $$;
CREATE FUNCTION charge_many(org bigint, events bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE left_over bigint;
BEGIN
    WITH made AS (
        INSERT INTO usage (event_id, organization_id, meter, agent_id, call_id, quantity, credits, occurred_at)
        SELECT gen_random_uuid()::text, org, 'voice', 'agent-1', 'call_0123456789abcdef', 84, 20, clock_timestamp()
        FROM generate_series(1, events) RETURNING id
    )
    INSERT INTO postings (usage_id, account_id, amount)
    SELECT made.id, org * 2 + side, side * 40 - 20 FROM made, generate_series(0, 1) AS side;
    UPDATE accounts SET balance = balance - 20 * events WHERE id = org * 2 RETURNING balance INTO left_over;
    UPDATE accounts SET balance = balance + 20 * events WHERE id = org * 2 + 1;
    RETURN left_over;
END $$;";
/// For `pgbench`: one event of one of a thousand organizations.
pub(super) const POSTGRES_SINGLE: &str = "\\set org random(1, 1000)\nSELECT charge(:org);\n";
/// For `pgbench`: a thousand events of one organization.
pub(super) const POSTGRES_SET: &str = "\\set org random(1, 1000)\nSELECT charge_many(:org, 1000);\n";

/// Cards that the sandbox keeps, for everybody; and nobody is told of what was before.
pub(super) fn give_cards(conn: &Connection, now: Timestamp) -> Result<(), DbError> {
    conn.execute_batch(
        "INSERT INTO sandbox_customers (reference, request_key, name, email)
         SELECT 'cus_bench_' || id, 'bench_' || id, name, '' FROM organizations;
         INSERT INTO sandbox_cards (reference, customer, number, exp_month, exp_year, kept)
         SELECT 'pm_bench_' || id, 'cus_bench_' || id, '4242424242424242', 12, 2100, 1 FROM organizations;
         UPDATE events_told SET told = (SELECT max(id) FROM events);",
    )?;
    conn.execute(
        "INSERT INTO provider_customers (organization_id, gateway, reference, created_at)
         SELECT id, 'sandbox', 'cus_bench_' || id, ? FROM organizations",
        [now],
    )?;
    conn.execute(
        "INSERT INTO payment_methods (organization_id, gateway, reference, brand, last4, exp_month, exp_year, is_default,
                                      added_at)
         SELECT id, 'sandbox', 'pm_bench_' || id, 'visa', '4242', 12, 2100, 1, ? FROM organizations",
        [now],
    )?;
    Ok(())
}

/// Plans that were paid for once and have begun.
pub(super) const RENEWED: &str = "SELECT count(*) FROM subscriptions s
     JOIN subscription_charges c ON c.subscription_id = s.id AND c.state = 'paid'
     JOIN payments p ON p.id = c.payment_id AND p.state = 'settled'
     WHERE s.state = 'active' AND s.number = 2";
