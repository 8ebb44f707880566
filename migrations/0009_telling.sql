-- Telling people: what has happened, who is told of it, and how that went. Times in UTC milliseconds.

-- Written in the transaction in which it happens. Numbered in order; never changed.
CREATE TABLE events (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER,                    -- none: concerns the operator alone
    type            TEXT    NOT NULL,
    data            TEXT    NOT NULL,           -- JSON object, as it is told
    at              INTEGER NOT NULL
) STRICT;
CREATE INDEX events_by_organization ON events (organization_id, id);
CREATE TRIGGER events_are_final BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'events are final'); END;

-- One row: the newest event whose deliveries have been written down.
CREATE TABLE events_told (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    told INTEGER NOT NULL
) STRICT;
INSERT INTO events_told (id, told) VALUES (1, 0);

-- Addresses that are told by webhook.
CREATE TABLE webhook_endpoints (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER REFERENCES organizations (id), -- none: the operator's, told of every organization
    url             TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    types           TEXT    NOT NULL,           -- JSON array of event types; empty: all
    secret          TEXT    NOT NULL,           -- needed for signing, so it is kept as it is
    old_secret      TEXT,                       -- signs as well, until old_until
    old_until       INTEGER,
    disabled_at     INTEGER,
    disabled_why    TEXT CHECK (disabled_why IN ('asked', 'failing')),
    failing_since   INTEGER,                    -- none: the last attempt succeeded, or there was none
    last_error      TEXT,
    last_success_at INTEGER,
    created_at      INTEGER NOT NULL,
    deleted_at      INTEGER,
    CHECK ((old_secret IS NULL) = (old_until IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
) STRICT;
CREATE INDEX webhook_endpoints_of ON webhook_endpoints (ifnull(organization_id, 0), id) WHERE deleted_at IS NULL;

-- One message to one address. What is sent is written down before, so that every attempt sends the same.
CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id        INTEGER,                    -- none: a mail about an account
    organization_id INTEGER,
    channel         TEXT    NOT NULL CHECK (channel IN ('email', 'webhook', 'slack', 'sms')),
    endpoint_id     INTEGER REFERENCES webhook_endpoints (id),
    target          TEXT    NOT NULL,           -- a mail address, a URL, a telephone number
    subject         TEXT    NOT NULL,           -- of a mail; else what it is about
    body            TEXT    NOT NULL,           -- of a mail: its text; of a webhook: the JSON
    html            TEXT,                       -- of a mail
    invoice_id      INTEGER,                    -- whose PDF is attached
    message_id      TEXT    NOT NULL,           -- the same for every attempt
    state           TEXT    NOT NULL CHECK (state IN ('waiting', 'kept', 'delivered', 'dead')),
    work_id         INTEGER,                    -- the outbox' row that sends it
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_status     INTEGER,                    -- of an answer over HTTP
    last_error      TEXT,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    CHECK ((channel = 'webhook') = (endpoint_id IS NOT NULL))
) STRICT;
-- an event goes to one address once
CREATE UNIQUE INDEX deliveries_by_event ON deliveries (event_id, channel, ifnull(endpoint_id, 0), target)
    WHERE event_id IS NOT NULL;
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, id) WHERE endpoint_id IS NOT NULL;
CREATE INDEX deliveries_by_organization ON deliveries (organization_id, id);
CREATE INDEX deliveries_by_age ON deliveries (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX deliveries_by_state ON deliveries (state, id);
CREATE INDEX deliveries_kept ON deliveries (created_at) WHERE state = 'kept';

CREATE TABLE delivery_attempts (
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    took_ms     INTEGER NOT NULL,
    status      INTEGER,                        -- of an answer over HTTP
    answer      TEXT    NOT NULL,               -- its beginning, or what went wrong
    PRIMARY KEY (delivery_id, attempt)
) STRICT, WITHOUT ROWID;

-- Alerts of balances. What belongs to all thresholds of an organization.
CREATE TABLE alert_settings (
    organization_id INTEGER PRIMARY KEY REFERENCES organizations (id),
    chosen          INTEGER NOT NULL CHECK (chosen IN (0, 1)), -- it has set its thresholds itself
    slack_url       TEXT,
    sms_to          TEXT,
    snoozed_until   INTEGER,
    empty           TEXT    NOT NULL CHECK (empty IN ('new', 'armed', 'below', 'fired'))
) STRICT;

CREATE TABLE alerts (
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    threshold       INTEGER NOT NULL CHECK (threshold > 0),
    channels        TEXT    NOT NULL,           -- JSON array
    state           TEXT    NOT NULL CHECK (state IN ('new', 'armed', 'below', 'fired')),
    last_fired_at   INTEGER,
    PRIMARY KEY (organization_id, threshold)
) STRICT, WITHOUT ROWID;
