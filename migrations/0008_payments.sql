-- Work to be done outside of the database, and money coming in. Times in UTC milliseconds.

-- Written in the transaction that causes it. Waiting work is taken by moving due_at to the end of a lease; the count of
-- attempts says whose lease it is.
CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- never given again: others remember work by it when it is long forgotten
    kind        TEXT    NOT NULL,
    lane        INTEGER NOT NULL,               -- 0: money and what it depends on; 1: telling people, who may be slow; 2: mail
    queue       INTEGER NOT NULL DEFAULT 0,     -- of one queue, few are taken at once; 0: of none
    subject     TEXT    NOT NULL,               -- what it is about, as its kind understands it
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL,
    leased      INTEGER NOT NULL DEFAULT 0 CHECK (leased IN (0, 1)), -- somebody is at it, until due_at
    last_error  TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox (lane, due_at) WHERE state = 'waiting';
CREATE INDEX outbox_done ON outbox (finished_at) WHERE state = 'done';
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead';

-- What is for sale at a fixed price. Prices in minor units, credit in micro-credits.
CREATE TABLE packages (
    code        TEXT    PRIMARY KEY,
    name        TEXT    NOT NULL,
    currency    TEXT    NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor > 0),
    credits     INTEGER NOT NULL CHECK (credits > 0),
    bonus       INTEGER NOT NULL DEFAULT 0 CHECK (bonus >= 0),
    position    INTEGER NOT NULL,
    active      INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1))
) STRICT;

-- Money asked for, and what became of it. What was agreed never changes; where it stands does, until it is settled.
CREATE TABLE payments (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    gateway         TEXT    NOT NULL,
    amount_minor    INTEGER NOT NULL CHECK (amount_minor > 0), -- without tax
    tax_minor       INTEGER NOT NULL CHECK (tax_minor >= 0),
    quote           TEXT    NOT NULL,           -- JSON: what was agreed on, for the invoice
    currency        TEXT    NOT NULL,
    credits         INTEGER NOT NULL CHECK (credits >= 0),
    bonus           INTEGER NOT NULL DEFAULT 0 CHECK (bonus >= 0),
    package         TEXT,
    plan            TEXT,                       -- of a plan's fee, which is no credit: what it is for, in words
    actor           TEXT    NOT NULL,
    intent_key      TEXT,                       -- the client's key and its owner
    intent          BLOB,                       -- fingerprint of what was asked for under that key
    created_at      INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('created', 'pending', 'settled', 'failed')),
    reference       TEXT,                       -- the provider's id for it
    client_secret   TEXT,
    checkout_url    TEXT,
    progress        TEXT,                       -- of a pending one: open, processing, or why the last attempt was declined
    reason          TEXT,                       -- of a failed one
    ended_at        INTEGER,
    grant_id        INTEGER,
    bonus_grant_id  INTEGER,
    charge          TEXT,                       -- the provider's id of the money itself
    invoice_id      INTEGER,
    ask_at          INTEGER,                    -- when the provider is asked about it next
    method_id       INTEGER,                    -- the saved card that is charged, without the customer being there
    success_url     TEXT,                       -- where the customer comes back to, where that is no page of ours
    cancel_url      TEXT,
    embedded        INTEGER NOT NULL CHECK (embedded IN (0, 1)), -- paid on a page of the platform's own
    keep_card       INTEGER NOT NULL CHECK (keep_card IN (0, 1)), -- what it is paid with is saved
    nonce           TEXT    NOT NULL DEFAULT (lower(hex(randomblob(8)))), -- told outside with its id, which may mean another elsewhere
    CHECK ((state = 'settled') = (charge IS NOT NULL AND invoice_id IS NOT NULL)),
    CHECK ((state = 'settled' AND plan IS NULL) = (grant_id IS NOT NULL)),
    CHECK ((plan IS NULL) = (credits > 0)),
    CHECK ((state = 'failed') = (reason IS NOT NULL))
) STRICT;
CREATE INDEX payments_by_organization ON payments (organization_id, id);
CREATE UNIQUE INDEX payments_by_reference ON payments (gateway, reference) WHERE reference IS NOT NULL;
CREATE UNIQUE INDEX payments_by_intent ON payments (organization_id, intent_key) WHERE intent_key IS NOT NULL;
CREATE UNIQUE INDEX payments_by_grant ON payments (grant_id) WHERE grant_id IS NOT NULL;
CREATE UNIQUE INDEX payments_by_invoice ON payments (invoice_id) WHERE invoice_id IS NOT NULL;
CREATE UNIQUE INDEX payments_by_charge ON payments (gateway, charge) WHERE charge IS NOT NULL;
CREATE INDEX payments_by_card ON payments (organization_id, created_at) WHERE method_id IS NOT NULL;
CREATE INDEX payments_to_ask ON payments (ask_at) WHERE ask_at IS NOT NULL;
CREATE TRIGGER payments_keep_their_terms BEFORE UPDATE OF id, organization_id, gateway, amount_minor, tax_minor, quote, currency, credits, bonus,
    package, plan, actor, intent_key, intent, created_at, method_id, success_url, cancel_url, embedded, keep_card, nonce
    ON payments
    BEGIN SELECT raise(ABORT, 'payments keep their terms'); END;
CREATE TRIGGER settled_payments_are_final BEFORE UPDATE ON payments WHEN old.state = 'settled'
    BEGIN SELECT raise(ABORT, 'settled payments are final'); END;
CREATE TRIGGER payments_stay BEFORE DELETE ON payments BEGIN SELECT raise(ABORT, 'payments stay'); END;

-- Every event that a provider told with a valid signature, whether or not it concerns anything known here.
CREATE TABLE payment_events (
    id          INTEGER PRIMARY KEY,
    gateway     TEXT    NOT NULL,
    event_id    TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    reference   TEXT    NOT NULL,
    body        BLOB    NOT NULL,               -- as first told
    received_at INTEGER NOT NULL,
    times       INTEGER NOT NULL DEFAULT 1,     -- how often it was told
    outcome     TEXT,                           -- none: not dealt with yet
    payment_id  INTEGER
) STRICT;
CREATE UNIQUE INDEX payment_events_by_id ON payment_events (gateway, event_id);
CREATE INDEX payment_events_kept ON payment_events (payment_id) WHERE outcome IS NULL;

-- What waits for a person: what the provider says does not fit what is here, or was never learned.
CREATE TABLE payment_concerns (
    id              INTEGER PRIMARY KEY,
    kind            TEXT    NOT NULL,
    subject         TEXT    NOT NULL,           -- what it is about: our id, or the provider's
    detail          TEXT    NOT NULL,           -- what showed it, for people
    organization_id INTEGER,
    at              INTEGER NOT NULL,
    times           INTEGER NOT NULL DEFAULT 1, -- how often it was seen
    closed_at       INTEGER                     -- when somebody had looked
) STRICT;
CREATE UNIQUE INDEX payment_concerns_once ON payment_concerns (kind, subject, detail);
CREATE INDEX payment_concerns_open ON payment_concerns (id) WHERE closed_at IS NULL;

-- Whom the provider knows an organization as. No reference: it was asked to know it, and has not answered.
CREATE TABLE provider_customers (
    organization_id INTEGER NOT NULL,
    gateway         TEXT    NOT NULL,
    reference       TEXT,
    times_gone      INTEGER NOT NULL DEFAULT 0, -- how often the provider did not know the customer any more
    created_at      INTEGER NOT NULL,
    nonce           TEXT    NOT NULL DEFAULT (lower(hex(randomblob(8)))), -- as payments have it
    PRIMARY KEY (organization_id, gateway)
) STRICT, WITHOUT ROWID;

-- A card about to be saved: the provider asks for its number, and tells when it keeps it.
CREATE TABLE card_setups (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    gateway         TEXT    NOT NULL,
    actor           TEXT    NOT NULL,
    success_url     TEXT,
    cancel_url      TEXT,
    created_at      INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('created', 'pending', 'settled', 'failed')),
    reference       TEXT,
    client_secret   TEXT,
    checkout_url    TEXT,
    ended_at        INTEGER,
    method_id       INTEGER,
    ask_at          INTEGER,
    nonce           TEXT    NOT NULL DEFAULT (lower(hex(randomblob(8)))), -- as payments have it
    CHECK ((state = 'settled') = (method_id IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX card_setups_by_reference ON card_setups (gateway, reference) WHERE reference IS NOT NULL;
CREATE INDEX card_setups_to_ask ON card_setups (ask_at) WHERE ask_at IS NOT NULL;

-- Cards that the provider keeps. Of their numbers only the last four digits are known here.
CREATE TABLE payment_methods (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    gateway         TEXT    NOT NULL,
    reference       TEXT    NOT NULL,
    brand           TEXT    NOT NULL,
    last4           TEXT    NOT NULL,
    exp_month       INTEGER NOT NULL,
    exp_year        INTEGER NOT NULL,
    is_default      INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    added_at        INTEGER NOT NULL,
    announced       INTEGER,                    -- the month (year * 12 + month) whose end was announced
    removed_at      INTEGER,
    CHECK (removed_at IS NULL OR is_default = 0)
) STRICT;
CREATE UNIQUE INDEX payment_methods_by_reference ON payment_methods (gateway, reference);
CREATE INDEX payment_methods_of ON payment_methods (organization_id, id) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX payment_methods_default ON payment_methods (organization_id) WHERE is_default = 1;

-- Credit bought by itself when the balance falls below a threshold. What is watched is in wallets.
CREATE TABLE auto_reloads (
    organization_id INTEGER PRIMARY KEY,
    enabled         INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    threshold       INTEGER NOT NULL,           -- micro-credits
    credits         INTEGER NOT NULL CHECK (credits > 0), -- bought each time
    cap_minor       INTEGER CHECK (cap_minor > 0), -- charged to the card in a month at most, with tax
    method_id       INTEGER NOT NULL,
    payment_id      INTEGER,                    -- in flight
    failures        INTEGER NOT NULL DEFAULT 0, -- in a row
    retry_work      INTEGER,                    -- the row of the outbox that tries again
    retry_at        INTEGER,
    last_work       INTEGER,                    -- the row that was dealt with last
    problem         TEXT,                       -- what keeps it from charging, or why it was switched off
    problem_at      INTEGER,
    CHECK ((retry_work IS NULL) = (retry_at IS NULL)),
    CHECK ((problem IS NULL) = (problem_at IS NULL)),
    CHECK (enabled = 1 OR retry_work IS NULL)
) STRICT;

-- The other side of the sandbox: what a payment provider would keep. Nothing else reads it.
CREATE TABLE sandbox_checkouts (
    reference     TEXT    PRIMARY KEY,
    request_key   TEXT    NOT NULL UNIQUE,
    client_secret TEXT    NOT NULL,
    order_id      TEXT    NOT NULL,
    amount_minor  INTEGER NOT NULL,
    currency      TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    return_url    TEXT    NOT NULL,
    cancel_url    TEXT    NOT NULL,
    customer      TEXT,
    keep_card     INTEGER NOT NULL CHECK (keep_card IN (0, 1)),
    card          TEXT,                        -- that was kept
    status        TEXT    NOT NULL CHECK (status IN ('open', 'confirming', 'processing', 'paid')),
    decline       TEXT,
    last4         TEXT,                         -- of the card that was given
    settles_at    INTEGER,
    expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Money given back, or about to be. What it takes is written when it is decided.
CREATE TABLE refunds (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    payment_id      INTEGER NOT NULL REFERENCES payments (id),
    gateway         TEXT    NOT NULL,
    currency        TEXT    NOT NULL,
    total_minor     INTEGER NOT NULL CHECK (total_minor > 0),
    net_minor       INTEGER,
    tax_minor       INTEGER,
    unused_minor    INTEGER,                    -- of the net: for credit that goes; the rest is for credit that was used
    credits         INTEGER,
    bonus           INTEGER,
    reason          TEXT    NOT NULL CHECK (reason IN ('unused', 'duplicate', 'outage', 'billing_error', 'elsewhere')),
    note            TEXT    NOT NULL,
    actor           TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('requested', 'declined', 'pending', 'succeeded', 'failed')),
    decided_at      INTEGER,
    reference       TEXT,                       -- the provider's id for it
    why             TEXT,                       -- a failed one was not done
    ended_at        INTEGER,
    credit_note_id  INTEGER,
    ask_at          INTEGER,                    -- when the provider is asked about it next
    nonce           TEXT    NOT NULL DEFAULT (lower(hex(randomblob(8)))), -- as payments have it
    CHECK (state IN ('requested', 'declined') OR net_minor IS NOT NULL),
    CHECK ((state = 'succeeded') = (credit_note_id IS NOT NULL))
) STRICT;
CREATE INDEX refunds_by_organization ON refunds (organization_id, id);
CREATE INDEX refunds_by_payment ON refunds (payment_id);
CREATE UNIQUE INDEX refunds_asked_for ON refunds (payment_id) WHERE state = 'requested';
CREATE UNIQUE INDEX refunds_by_reference ON refunds (gateway, reference) WHERE reference IS NOT NULL;
CREATE INDEX refunds_undone ON refunds (id) WHERE state = 'pending' AND reference IS NULL;
CREATE INDEX refunds_to_ask ON refunds (ask_at) WHERE ask_at IS NOT NULL;
CREATE TRIGGER refunds_are_final BEFORE UPDATE ON refunds WHEN old.state IN ('declined', 'succeeded', 'failed')
    BEGIN SELECT raise(ABORT, 'a refund that has ended is final'); END;
CREATE TRIGGER refunds_stay BEFORE DELETE ON refunds BEGIN SELECT raise(ABORT, 'refunds stay'); END;

-- Payments that the customer's bank disputes.
CREATE TABLE disputes (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    payment_id      INTEGER NOT NULL REFERENCES payments (id),
    gateway         TEXT    NOT NULL,
    reference       TEXT    NOT NULL,           -- the provider's id for it
    amount_minor    INTEGER NOT NULL CHECK (amount_minor > 0),
    currency        TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    withdrawn       INTEGER NOT NULL CHECK (withdrawn IN (0, 1)), -- the bank has taken the money, which it does not while it only asks
    frozen          INTEGER NOT NULL CHECK (frozen >= 0), -- credit that was set aside when it was closed; until then it is looked up
    opened_at       INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('open', 'won', 'lost')),
    closed_at       INTEGER,
    credit_note_id  INTEGER,
    ask_at          INTEGER,                    -- when the provider is asked about it next
    UNIQUE (gateway, reference),
    CHECK ((state = 'open') = (closed_at IS NULL))
) STRICT;
CREATE INDEX disputes_by_payment ON disputes (payment_id);
CREATE INDEX disputes_to_ask ON disputes (ask_at) WHERE ask_at IS NOT NULL;
CREATE TRIGGER disputes_are_final BEFORE UPDATE ON disputes WHEN old.state <> 'open'
    BEGIN SELECT raise(ABORT, 'a dispute that is closed is final'); END;
CREATE TRIGGER disputes_stay BEFORE DELETE ON disputes BEGIN SELECT raise(ABORT, 'disputes stay'); END;

CREATE TABLE sandbox_refunds (
    reference    TEXT    PRIMARY KEY,
    request_key  TEXT    NOT NULL UNIQUE,
    refund_id    TEXT    NOT NULL,
    charge       TEXT    NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sandbox_disputes (
    reference    TEXT    PRIMARY KEY,
    charge       TEXT    NOT NULL UNIQUE,
    amount_minor INTEGER NOT NULL,
    currency     TEXT    NOT NULL,
    status       TEXT    NOT NULL CHECK (status IN ('open', 'won', 'lost'))
) STRICT, WITHOUT ROWID;

CREATE TABLE sandbox_customers (
    reference   TEXT PRIMARY KEY,
    request_key TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    email       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sandbox_setups (
    reference     TEXT    PRIMARY KEY,
    request_key   TEXT    NOT NULL UNIQUE,
    client_secret TEXT    NOT NULL,
    setup_id      TEXT    NOT NULL,
    customer      TEXT    NOT NULL,
    return_url    TEXT    NOT NULL,
    cancel_url    TEXT    NOT NULL,
    card          TEXT,
    expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sandbox_cards (
    reference TEXT    PRIMARY KEY,
    customer  TEXT    NOT NULL,
    number    TEXT    NOT NULL,
    exp_month INTEGER NOT NULL,
    exp_year  INTEGER NOT NULL,
    kept      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sandbox_charges (
    reference    TEXT    PRIMARY KEY,
    request_key  TEXT    NOT NULL UNIQUE,
    order_id     TEXT    NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency     TEXT    NOT NULL,
    card         TEXT    NOT NULL,
    decline      TEXT,
    settles_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Credit that one organization sent to another: which grant of the receiver came of which of the sender's, by which line of the
-- sender's.
CREATE TABLE credit_transfers (
    grant_id        INTEGER PRIMARY KEY,
    source_grant_id INTEGER NOT NULL,
    transaction_id  INTEGER NOT NULL
) STRICT;
CREATE INDEX credit_transfers_by_source ON credit_transfers (source_grant_id);
CREATE TRIGGER credit_transfers_are_final BEFORE UPDATE ON credit_transfers
    BEGIN SELECT raise(ABORT, 'credit transfers are final'); END;
CREATE TRIGGER credit_transfers_stay BEFORE DELETE ON credit_transfers
    BEGIN SELECT raise(ABORT, 'credit transfers stay'); END;
