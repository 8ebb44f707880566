-- Calls: asked for before they begin, or reported afterwards. One row for each leg (meter) of a call.

CREATE TABLE calls (
    id               INTEGER PRIMARY KEY,
    organization_id  INTEGER NOT NULL,
    call_id          ANY     NOT NULL,           -- the platform's id, spelled as in usage_items
    meter_id         INTEGER NOT NULL,
    status           TEXT    NOT NULL CHECK (status IN ('live', 'completed', 'rejected', 'expired')),
    agent_id         INTEGER,
    number_id        INTEGER,
    workspace_id     INTEGER,
    outbound         INTEGER NOT NULL CHECK (outbound IN (0, 1)),
    toll_free        INTEGER NOT NULL CHECK (toll_free IN (0, 1)),
    byok             INTEGER NOT NULL CHECK (byok IN (0, 1)),
    started_at       INTEGER NOT NULL,
    -- what prices it, fixed when it begins; NULL where it was refused before that was known
    rate_version_id  INTEGER,
    allowance        INTEGER,
    cycle_start      INTEGER,
    position         INTEGER,                    -- of its first unit among the tiers of the cycle
    -- of a live call: what is set aside (its credit by grant is in holds)
    covered          INTEGER NOT NULL DEFAULT 0, -- the quantity that this pays for
    held             INTEGER NOT NULL DEFAULT 0, -- credit; of an ended call what was set aside at its end
    held_included    INTEGER NOT NULL DEFAULT 0, -- units of the allowance
    held_billed      INTEGER NOT NULL DEFAULT 0, -- units that count towards tiers
    most             INTEGER NOT NULL DEFAULT 0, -- the longest it may last, as last answered
    elapsed          INTEGER NOT NULL DEFAULT 0, -- as last reported
    extended_at      INTEGER,
    expires_at       INTEGER,                    -- when the hold ends by itself
    -- of a rejected call
    reason           TEXT,
    available        INTEGER,
    required         INTEGER,
    -- of an ended call
    ended_at         INTEGER,
    duration         INTEGER,                    -- charged for, where it was
    transfer         INTEGER,                    -- of the leg that was forwarded, where it was reported with this one
    carrier_cost     INTEGER,
    head             INTEGER,                    -- the usage item it was charged as
    transfer_head    INTEGER,
    credits          INTEGER,
    surcharge        INTEGER,                    -- the part of it that is the toll-free surcharge
    carried          INTEGER                     -- what the carrier charged, as far as it was reported, also later
) STRICT;
CREATE UNIQUE INDEX calls_by_call ON calls (organization_id, call_id, meter_id);
CREATE INDEX calls_by_start ON calls (organization_id, started_at, id);
CREATE INDEX calls_live ON calls (organization_id, started_at, id) WHERE status = 'live';

-- Credit that live calls have set aside, by grant.
CREATE TABLE holds (
    call_id    INTEGER NOT NULL REFERENCES calls (id),
    account_id INTEGER NOT NULL,
    amount     INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (call_id, account_id)
) STRICT, WITHOUT ROWID;

-- What callers hear when a call of the organization is rejected.
CREATE TABLE call_messages (
    organization_id INTEGER PRIMARY KEY REFERENCES organizations (id),
    text            TEXT    NOT NULL,
    audio_url       TEXT,
    updated_at      INTEGER NOT NULL
) STRICT;

CREATE TRIGGER calls_keep_what_was_asked BEFORE UPDATE OF id, organization_id, call_id, meter_id, outbound, toll_free, byok ON calls
    BEGIN SELECT raise(ABORT, 'calls keep what was asked'); END;
-- one that was refused may be asked for again, and begins then
CREATE TRIGGER calls_keep_when_they_began BEFORE UPDATE OF started_at ON calls
    WHEN NEW.started_at <> OLD.started_at AND OLD.status <> 'rejected'
    BEGIN SELECT raise(ABORT, 'calls keep when they began'); END;
CREATE TRIGGER calls_stay BEFORE DELETE ON calls BEGIN SELECT raise(ABORT, 'calls stay'); END;
