-- Usage. Rows are appended in the order of posting and never found by a secondary index: each organization's
-- lines are chained by prev_line, each day's by prev_of_day, and event ids are kept in sorted runs.

CREATE TABLE agents (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    external_id     TEXT    NOT NULL,
    first_seen_at   INTEGER NOT NULL,
    UNIQUE (organization_id, external_id)
) STRICT;

CREATE TABLE numbers (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    external_id     TEXT    NOT NULL,
    first_seen_at   INTEGER NOT NULL,
    UNIQUE (organization_id, external_id)
) STRICT;

-- A charge made from a usage event. The first item of an event is also its line in the list of transactions and
-- carries what the event said; further items (surcharge, overage, …) follow it directly.
CREATE TABLE usage_items (
    id              INTEGER PRIMARY KEY,        -- one sequence with transactions
    organization_id INTEGER NOT NULL,
    head            INTEGER,                    -- the event's first item; NULL on that item itself
    kind            INTEGER NOT NULL,
    meter_id        INTEGER NOT NULL,
    quantity        INTEGER NOT NULL,           -- charged, in millionths of the meter's unit
    credits         INTEGER NOT NULL,
    account_id      INTEGER,                    -- what it was drawn from; NULL when nothing or several (usage_draws)
    rate_version_id INTEGER NOT NULL,
    -- from here on only on the first item
    event_id        ANY,                        -- as sent; a BLOB of 16 bytes for a UUID in its usual spelling
    fingerprint     INTEGER,                    -- of all that the event said
    occurred_at     INTEGER,
    posted_at       INTEGER,
    day             INTEGER,                    -- of occurred_at, in the organization's timezone
    reported        INTEGER,                    -- quantity as sent
    agent_id        INTEGER,
    number_id       INTEGER,
    workspace_id    INTEGER,
    call_id         ANY,                        -- spelled as event_id
    flags           INTEGER,
    items           INTEGER,                    -- how many items the event made
    total           INTEGER,                    -- credits of all of them
    balance_after   INTEGER,
    prev_line       INTEGER,
    prev_of_day     INTEGER,
    corrects        INTEGER,                    -- the event that this one takes back
    cycle_start     INTEGER,                    -- of the cycle (cycle_usage) that it was counted in, if it was
    extra           TEXT                        -- JSON: carrier cost, other attributes, metadata
) STRICT;

-- Where an item was drawn from several grants.
CREATE TABLE usage_draws (
    item_id    INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    amount     INTEGER NOT NULL,
    PRIMARY KEY (item_id, account_id)
) STRICT, WITHOUT ROWID;

-- Events that were taken back, and by which.
CREATE TABLE usage_voids (
    head    INTEGER PRIMARY KEY,
    void_id INTEGER NOT NULL
) STRICT;

-- The newest event of each day, where the day's chain begins.
CREATE TABLE usage_days (
    day             INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    last_head       INTEGER NOT NULL,
    events          INTEGER NOT NULL,
    volume          INTEGER NOT NULL,           -- quantities of all meters, never lowered: bounds every sum of the day
    PRIMARY KEY (day, organization_id)
) STRICT, WITHOUT ROWID;

-- What pages and reports add up. 0 stands for "none" in the last three of the key.
CREATE TABLE usage_rollups (
    day             INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    meter_id        INTEGER NOT NULL,
    agent_id        INTEGER NOT NULL,
    number_id       INTEGER NOT NULL,
    workspace_id    INTEGER NOT NULL,
    quantity        INTEGER NOT NULL,
    reported        INTEGER NOT NULL,
    credits         INTEGER NOT NULL,
    events          INTEGER NOT NULL,
    PRIMARY KEY (day, organization_id, meter_id, agent_id, number_id, workspace_id)
) STRICT, WITHOUT ROWID;

-- Billed quantity in an organization's cycle: what is left of allowances, and which tier a price is in.
CREATE TABLE cycle_usage (
    organization_id INTEGER NOT NULL,
    meter_id        INTEGER NOT NULL,
    cycle_start     INTEGER NOT NULL,
    billed          INTEGER NOT NULL,
    included        INTEGER NOT NULL,
    PRIMARY KEY (organization_id, meter_id, cycle_start)
) STRICT, WITHOUT ROWID;

-- What calls in progress have set aside of a cycle, where it is not nothing.
CREATE TABLE cycle_holds (
    organization_id INTEGER NOT NULL,
    meter_id        INTEGER NOT NULL,
    cycle_start     INTEGER NOT NULL,
    billed          INTEGER NOT NULL,
    included        INTEGER NOT NULL,
    PRIMARY KEY (organization_id, meter_id, cycle_start)
) STRICT, WITHOUT ROWID;

-- Event ids that have been seen, in sorted runs of 64-bit keys; each run has a filter that rules most of them out.
-- The newest ids are in no run yet: they are read back from the end of usage_items at start.
CREATE TABLE usage_id_runs (
    run       INTEGER PRIMARY KEY,
    level     INTEGER NOT NULL,
    last_item INTEGER NOT NULL,                 -- every event up to here is in this run or an older one
    entries   INTEGER NOT NULL,
    filter    BLOB    NOT NULL
) STRICT;

CREATE TABLE usage_ids (
    run     INTEGER NOT NULL,
    id_key  INTEGER NOT NULL,
    item_id INTEGER NOT NULL,
    PRIMARY KEY (run, id_key, item_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER usage_items_are_final_u BEFORE UPDATE ON usage_items BEGIN SELECT raise(ABORT, 'usage items are final'); END;
CREATE TRIGGER usage_items_are_final_d BEFORE DELETE ON usage_items BEGIN SELECT raise(ABORT, 'usage items are final'); END;
CREATE TRIGGER usage_draws_are_final_u BEFORE UPDATE ON usage_draws BEGIN SELECT raise(ABORT, 'usage draws are final'); END;
CREATE TRIGGER usage_draws_are_final_d BEFORE DELETE ON usage_draws BEGIN SELECT raise(ABORT, 'usage draws are final'); END;

-- How an organization's usage is priced, from when on. Before the first row, and where both are NULL: the default card.
CREATE TABLE price_terms (
    organization_id INTEGER NOT NULL,
    starts_at       INTEGER NOT NULL,
    plan_version_id INTEGER,
    rate_card_id    INTEGER,
    anchor          INTEGER NOT NULL,           -- from which the plan's cycles are counted
    first_cycle     TEXT,                       -- JSON object, micro-units by meter: what is included in the cycle in which it begins,
                                                -- where that is not what the plan says
    PRIMARY KEY (organization_id, starts_at)
) STRICT, WITHOUT ROWID;
