-- Limits. What has been spent is not kept here: it is added up from usage_rollups, in the organization's own days.

CREATE TABLE spending_limits (
    organization_id INTEGER PRIMARY KEY REFERENCES organizations (id),
    daily           INTEGER CHECK (daily >= 0),         -- credits in millionths; NULL: unlimited
    monthly         INTEGER CHECK (monthly >= 0),
    per_agent       INTEGER CHECK (per_agent >= 0),     -- of agents without a limit of their own
    action          TEXT NOT NULL CHECK (action IN ('pause', 'alert_only')),
    updated_at      INTEGER NOT NULL
) STRICT;

-- What was said about one agent. NULL: as the organization has it.
CREATE TABLE agent_policies (
    organization_id   INTEGER NOT NULL,
    agent_id          INTEGER NOT NULL REFERENCES agents (id),
    monthly           INTEGER CHECK (monthly >= 0),
    on_plan_exhausted TEXT CHECK (on_plan_exhausted IN ('stop', 'use_balance')),
    on_limit          TEXT CHECK (on_limit IN ('stop', 'use_balance')),
    updated_at        INTEGER NOT NULL,
    PRIMARY KEY (organization_id, agent_id)
) STRICT, WITHOUT ROWID;

-- Limits that somebody lifted until their window ends. Gone when the limit changes.
CREATE TABLE limit_resumes (
    organization_id INTEGER NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('daily', 'monthly', 'per_agent')),
    agent_id        INTEGER NOT NULL,                   -- 0: the organization's own
    window_start    INTEGER NOT NULL,                   -- its first day
    PRIMARY KEY (organization_id, kind, agent_id)
) STRICT, WITHOUT ROWID;

-- What was told about a limit: each thing once in a window, for each amount that the limit had in it.
CREATE TABLE limit_events (
    id              INTEGER PRIMARY KEY,
    organization_id INTEGER NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('daily', 'monthly', 'per_agent')),
    agent_id        INTEGER NOT NULL,                   -- 0: the organization's own
    window_start    INTEGER NOT NULL,
    notice          TEXT    NOT NULL CHECK (notice IN ('warning', 'reached')),
    amount          INTEGER NOT NULL,                   -- the limit
    spent           INTEGER NOT NULL,                   -- when it was told
    pauses          INTEGER NOT NULL CHECK (pauses IN (0, 1)),
    at              INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX limit_events_once
    ON limit_events (organization_id, window_start, kind, agent_id, amount, notice);

-- What a toll-free number takes in at most, against artificial traffic. NULL: unlimited.
CREATE TABLE number_guards (
    number_id       INTEGER PRIMARY KEY REFERENCES numbers (id),
    organization_id INTEGER NOT NULL,
    minutes_per_day INTEGER CHECK (minutes_per_day >= 0),
    calls_at_once   INTEGER CHECK (calls_at_once >= 0),
    suspended       INTEGER NOT NULL DEFAULT 0 CHECK (suspended IN (0, 1)),
    unpaid          INTEGER NOT NULL DEFAULT 0 CHECK (unpaid IN (0, 1)), -- its rent is not paid: suspended as well
    updated_at      INTEGER NOT NULL
) STRICT;

-- Seconds of inbound calls to toll-free numbers, in millionths.
CREATE TABLE toll_free_days (
    number_id INTEGER NOT NULL,
    day       INTEGER NOT NULL,
    quantity  INTEGER NOT NULL,
    PRIMARY KEY (number_id, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX agents_by_organization ON agents (organization_id, id);
CREATE TRIGGER limit_events_are_final_u BEFORE UPDATE ON limit_events BEGIN SELECT raise(ABORT, 'limit events are final'); END;
CREATE TRIGGER limit_events_are_final_d BEFORE DELETE ON limit_events BEGIN SELECT raise(ABORT, 'limit events are final'); END;
