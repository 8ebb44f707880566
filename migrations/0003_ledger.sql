-- The book. Credits in micro-credits, money in minor units, times in UTC milliseconds.

-- An account of one ledger ('credits', or an ISO 4217 code). Counters change only through transfers.
CREATE TABLE accounts (
    id              INTEGER PRIMARY KEY,
    ledger          TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    organization_id INTEGER,
    meter_id        INTEGER,
    debits_posted   INTEGER NOT NULL DEFAULT 0 CHECK (debits_posted >= 0),
    credits_posted  INTEGER NOT NULL DEFAULT 0 CHECK (credits_posted >= 0),
    debits_pending  INTEGER NOT NULL DEFAULT 0 CHECK (debits_pending >= 0),
    credits_pending INTEGER NOT NULL DEFAULT 0 CHECK (credits_pending >= 0)
) STRICT;
CREATE UNIQUE INDEX accounts_by_meaning
    ON accounts (ledger, kind, ifnull(organization_id, 0), ifnull(meter_id, 0)) WHERE kind <> 'grant';

-- One database commit that moved something: the unit of the hash chain.
CREATE TABLE commits (
    id             INTEGER PRIMARY KEY,
    committed_at   INTEGER NOT NULL,
    first_line     INTEGER NOT NULL,
    last_line      INTEGER NOT NULL,
    first_transfer INTEGER NOT NULL,
    last_transfer  INTEGER NOT NULL,
    hash           BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- Lines that are not usage. Their ids and those of usage_items come from one sequence without gaps.
CREATE TABLE transactions (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    type            TEXT    NOT NULL,
    amount          INTEGER NOT NULL,
    balance_after   INTEGER NOT NULL,
    description     TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    prev_line       INTEGER NOT NULL,           -- the organization's line before this one; 0 for its first
    grant_id        INTEGER,                    -- the grant that it made, or whose rest expired
    grant_terms     BLOB,                       -- hash of all that the grant it made said then
    corrects        INTEGER,                    -- the line it corrects
    actor           TEXT    NOT NULL DEFAULT '',
    metadata        TEXT                        -- JSON object
) STRICT;
CREATE INDEX transactions_by_organization ON transactions (organization_id, id);

-- One movement. Usage within a commit is gathered: one transfer per grant and meter, without a transaction.
CREATE TABLE transfers (
    id                INTEGER PRIMARY KEY,
    commit_id         INTEGER NOT NULL,
    transaction_id    INTEGER,
    debit_account_id  INTEGER NOT NULL,
    credit_account_id INTEGER NOT NULL,
    amount            INTEGER NOT NULL CHECK (amount > 0)
) STRICT;

-- Credit received once. The account's balance is what remains of it.
CREATE TABLE grants (
    account_id      INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    class           TEXT    NOT NULL CHECK (class IN ('free', 'plan', 'paid')),
    original        INTEGER NOT NULL CHECK (original > 0),
    priority        INTEGER,
    expires_at      INTEGER,
    meters          TEXT,                       -- JSON array of meter ids it is restricted to
    cost_minor      INTEGER,
    cost_currency   TEXT,
    source          TEXT    NOT NULL,
    transaction_id  INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    expired         INTEGER NOT NULL DEFAULT 0, -- moved to expiry so far
    withdrawn       INTEGER NOT NULL DEFAULT 0, -- taken back, refunded, clawed back or sent on so far
    open            INTEGER NOT NULL DEFAULT 1, -- 0 once nothing can be drawn from it any more
    settled         INTEGER NOT NULL DEFAULT 0  -- 1 once it is closed and all the money paid for it has left deferred revenue
) STRICT;
CREATE INDEX grants_open ON grants (organization_id, account_id) WHERE open = 1;
CREATE INDEX grants_expiring ON grants (expires_at) WHERE open = 1 AND expires_at IS NOT NULL;
CREATE INDEX grants_to_settle ON grants (account_id) WHERE cost_minor > 0 AND settled = 0;
CREATE INDEX grants_by_organization ON grants (organization_id, account_id);

-- Credit set aside, for another reason than a call: a refund on its way, a dispute. Part of accounts.debits_pending. Where
-- less is there than is wanted, what becomes free of the grant later is set aside too.
CREATE TABLE frozen_credit (
    id              INTEGER PRIMARY KEY,
    reason          TEXT    NOT NULL,           -- whose it is, such as a refund's id
    account_id      INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    amount          INTEGER NOT NULL CHECK (amount >= 0),
    wanted          INTEGER NOT NULL CHECK (wanted > 0 AND wanted >= amount),
    UNIQUE (reason, account_id)
) STRICT;
CREATE INDEX frozen_credit_by_organization ON frozen_credit (organization_id);

-- What is known of an organization's balance without adding anything up.
CREATE TABLE wallets (
    organization_id      INTEGER PRIMARY KEY,
    overdraft_account_id INTEGER NOT NULL,
    balance              INTEGER NOT NULL,      -- what remains of its grants, less the overdraft
    last_line            INTEGER NOT NULL,      -- newest line; the chain of prev_line leads back from it
    line_count           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    watch_below          INTEGER,               -- a fall below is told, once, until it has recovered
    watch_armed          INTEGER NOT NULL DEFAULT 1 CHECK (watch_armed IN (0, 1)),
    alert_below          INTEGER,               -- a balance below, or of this or more, crosses something that is told: then
    alert_above          INTEGER                -- work is written, and both are none until it has looked
) STRICT;

-- The balance at the end of each day (in the organization's timezone) on which it moved, and the day's last line. The
-- newest day is not here yet: it is the wallet's row.
CREATE TABLE wallet_days (
    day             INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    balance         INTEGER NOT NULL,
    last_line       INTEGER NOT NULL,
    PRIMARY KEY (day, organization_id)
) STRICT, WITHOUT ROWID;

-- Money moved per UTC day of the commit, from one account to another: what the transfers of money add up to.
CREATE TABLE money_days (
    day               INTEGER NOT NULL,
    debit_account_id  INTEGER NOT NULL,
    credit_account_id INTEGER NOT NULL,
    amount            INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (day, debit_account_id, credit_account_id)
) STRICT, WITHOUT ROWID;

-- Where the money paid for a grant is, in minor units: what is in no column is deferred. The first two say what the figures
-- were worked out from, in micro-credits.
CREATE TABLE grant_money (
    grant_id INTEGER PRIMARY KEY,
    gone     INTEGER NOT NULL CHECK (gone >= 0),     -- left the grant in whatever way
    consumed INTEGER NOT NULL CHECK (consumed >= 0), -- of that, by being used
    earned   INTEGER NOT NULL CHECK (earned >= 0),
    breakage INTEGER NOT NULL CHECK (breakage >= 0),
    returned INTEGER NOT NULL CHECK (returned >= 0)  -- given back for a refund or a dispute
) STRICT;

-- The daily run over all grants: one row.
CREATE TABLE revenue_run (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    done    INTEGER,                            -- the UTC day it was last finished on
    reached INTEGER NOT NULL                    -- the grant that the unfinished one has come to
) STRICT;

CREATE TRIGGER commits_are_final_u BEFORE UPDATE ON commits BEGIN SELECT raise(ABORT, 'commits are final'); END;
CREATE TRIGGER commits_are_final_d BEFORE DELETE ON commits BEGIN SELECT raise(ABORT, 'commits are final'); END;
CREATE TRIGGER transactions_are_final_u BEFORE UPDATE ON transactions BEGIN SELECT raise(ABORT, 'transactions are final'); END;
CREATE TRIGGER transactions_are_final_d BEFORE DELETE ON transactions BEGIN SELECT raise(ABORT, 'transactions are final'); END;
CREATE TRIGGER transfers_are_final_u BEFORE UPDATE ON transfers BEGIN SELECT raise(ABORT, 'transfers are final'); END;
CREATE TRIGGER transfers_are_final_d BEFORE DELETE ON transfers BEGIN SELECT raise(ABORT, 'transfers are final'); END;
CREATE TRIGGER accounts_keep_their_meaning BEFORE UPDATE OF id, ledger, kind, organization_id, meter_id ON accounts
    BEGIN SELECT raise(ABORT, 'accounts keep their meaning'); END;
CREATE TRIGGER accounts_stay BEFORE DELETE ON accounts BEGIN SELECT raise(ABORT, 'accounts stay'); END;
CREATE TRIGGER grants_keep_their_terms BEFORE UPDATE OF account_id, organization_id, class, original, priority, expires_at, meters,
    cost_minor, cost_currency, source, transaction_id, created_at ON grants
    BEGIN SELECT raise(ABORT, 'grants keep their terms'); END;
CREATE TRIGGER grants_stay BEFORE DELETE ON grants BEGIN SELECT raise(ABORT, 'grants stay'); END;
