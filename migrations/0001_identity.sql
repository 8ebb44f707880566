-- Who there is. Times are milliseconds UTC. Secrets are kept as SHA-256 only; their 256 random bits need no salt.

CREATE TABLE settings (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,                   -- JSON
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE organizations (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL,
    external_id   TEXT UNIQUE,                  -- the platform's own id
    currency      TEXT NOT NULL,                -- ISO 4217; never changes
    timezone      TEXT NOT NULL,                -- IANA; never changes once there is usage
    status        TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
    status_reason TEXT NOT NULL DEFAULT '',
    rate_card_id  INTEGER,                      -- none: the default card
    company_name  TEXT NOT NULL DEFAULT '',
    address_line1 TEXT NOT NULL DEFAULT '',
    address_line2 TEXT NOT NULL DEFAULT '',
    postal_code   TEXT NOT NULL DEFAULT '',
    city          TEXT NOT NULL DEFAULT '',
    region        TEXT NOT NULL DEFAULT '',
    country       TEXT NOT NULL DEFAULT '',     -- ISO 3166-1 alpha-2
    vat_id        TEXT NOT NULL DEFAULT '',
    billing_email TEXT NOT NULL DEFAULT '',
    locale        TEXT NOT NULL DEFAULT 'en',   -- of invoices
    -- what the register of VAT ids said about the id above; it exempts nobody unless it is confirmed
    vat_id_status     TEXT NOT NULL DEFAULT 'unconfirmed'
                      CHECK (vat_id_status = 'unconfirmed' OR (vat_id_status IN ('confirmed', 'invalid') AND vat_id <> ''
                          AND vat_id_checked_at IS NOT NULL AND vat_id_answer IS NOT NULL)),
    vat_id_checked_at INTEGER,
    vat_id_answer     TEXT,                     -- as it came, for evidence
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;
CREATE TRIGGER organizations_keep_their_currency BEFORE UPDATE OF id, currency ON organizations
    BEGIN SELECT raise(ABORT, 'an organization keeps its currency'); END;
CREATE TRIGGER organizations_stay BEFORE DELETE ON organizations
    BEGIN SELECT raise(ABORT, 'organizations stay'); END;

-- What the operator wants to remember about an organization.
CREATE TABLE organization_notes (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    author          TEXT NOT NULL,
    body            TEXT NOT NULL,
    created_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX organization_notes_by_organization ON organization_notes (organization_id, id);

CREATE TABLE workspaces (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    external_id     TEXT NOT NULL,
    name            TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    UNIQUE (organization_id, external_id)
) STRICT;

CREATE TABLE users (
    id                  INTEGER PRIMARY KEY,
    email               TEXT NOT NULL UNIQUE,   -- normalized
    name                TEXT NOT NULL,
    password            TEXT NOT NULL,          -- PHC string, argon2id
    operator            INTEGER NOT NULL CHECK (operator IN (0, 1)),
    disabled_at         INTEGER,
    created_at          INTEGER NOT NULL,
    password_changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX users_operators ON users (id) WHERE operator = 1;

-- Links in mails by which people who have forgotten their password choose another, once.
CREATE TABLE password_links (
    token_hash BLOB PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX password_links_by_user ON password_links (user_id);

-- People who were invited and have not accepted. Whether they have an account shows when they do.
CREATE TABLE invitations (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    email           TEXT NOT NULL,              -- normalized
    name            TEXT NOT NULL,
    role            TEXT NOT NULL CHECK (role IN ('owner', 'billing', 'member')),
    workspaces      TEXT NOT NULL,              -- JSON array of what a member will see
    token_hash      BLOB NOT NULL UNIQUE,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    UNIQUE (organization_id, email)
) STRICT;

CREATE TABLE memberships (
    user_id         INTEGER NOT NULL REFERENCES users (id),
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    role            TEXT NOT NULL CHECK (role IN ('owner', 'billing', 'member')),
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, organization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_by_organization ON memberships (organization_id, user_id);

-- The workspaces whose usage a member sees.
CREATE TABLE membership_workspaces (
    user_id         INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    workspace_id    INTEGER NOT NULL REFERENCES workspaces (id),
    PRIMARY KEY (user_id, organization_id, workspace_id),
    FOREIGN KEY (user_id, organization_id) REFERENCES memberships (user_id, organization_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash   BLOB NOT NULL UNIQUE,
    user_id      INTEGER NOT NULL REFERENCES users (id),
    user_agent   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,              -- to a minute
    idle_ms      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
    id              INTEGER PRIMARY KEY,
    hash            BLOB NOT NULL UNIQUE,
    prefix          TEXT NOT NULL,              -- its first characters, for people to tell keys apart
    organization_id INTEGER REFERENCES organizations (id),  -- none: the operator's
    mode            TEXT NOT NULL CHECK (mode IN ('live', 'test')),
    scopes          TEXT NOT NULL,
    name            TEXT NOT NULL,
    created_by      TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER,                    -- to a minute or two
    revoked_at      INTEGER                     -- may lie ahead: a rotated key works until then
) STRICT;
CREATE INDEX api_keys_by_organization ON api_keys (ifnull(organization_id, 0), id);

CREATE TABLE audit_log (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    at              INTEGER NOT NULL,
    actor           TEXT NOT NULL,              -- usr_…, key_…, or a word
    action          TEXT NOT NULL,
    target          TEXT NOT NULL,
    organization_id INTEGER,
    difference      TEXT NOT NULL,              -- JSON object
    request_id      TEXT
) STRICT;
CREATE INDEX audit_by_organization ON audit_log (organization_id, id);
CREATE TRIGGER audit_is_final_u BEFORE UPDATE ON audit_log BEGIN SELECT raise(ABORT, 'the audit log is final'); END;
CREATE TRIGGER audit_is_final_d BEFORE DELETE ON audit_log BEGIN SELECT raise(ABORT, 'the audit log is final'); END;
-- INSERT OR REPLACE would delete without the trigger above
CREATE TRIGGER audit_is_final_r BEFORE INSERT ON audit_log WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id)
    BEGIN SELECT raise(ABORT, 'the audit log is final'); END;

-- Answers kept for requests that are sent again.
CREATE TABLE idempotency (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       TEXT NOT NULL,                  -- whose keys these are
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,                  -- of the request
    status      INTEGER NOT NULL,
    body        BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (owner, key)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
