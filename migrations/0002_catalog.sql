-- What can be charged for, and the prices. Published versions never change; what was charged points at one.

CREATE TABLE meters (
    id         INTEGER PRIMARY KEY,
    code       TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    unit       TEXT    NOT NULL,                -- what a quantity of 1 is: 'second', 'message', …
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE rate_cards (
    id         INTEGER PRIMARY KEY,
    code       TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- In force from starts_at until a version with a higher number has started.
CREATE TABLE rate_versions (
    id           INTEGER PRIMARY KEY,
    rate_card_id INTEGER NOT NULL REFERENCES rate_cards (id),
    version      INTEGER NOT NULL CHECK (version > 0),
    starts_at    INTEGER NOT NULL,
    rates        TEXT    NOT NULL,              -- JSON array
    created_at   INTEGER NOT NULL,
    UNIQUE (rate_card_id, version)
) STRICT;

CREATE TABLE plans (
    id         INTEGER PRIMARY KEY,
    code       TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE plan_versions (
    id         INTEGER PRIMARY KEY,
    plan_id    INTEGER NOT NULL REFERENCES plans (id),
    version    INTEGER NOT NULL CHECK (version > 0),
    starts_at  INTEGER NOT NULL,
    terms      TEXT    NOT NULL,                -- JSON object: price, interval, allowances, rate card, …
    created_at INTEGER NOT NULL,
    UNIQUE (plan_id, version)
) STRICT;

-- A version that is being written: it prices nothing, and is gone when it is published or discarded.
CREATE TABLE catalog_drafts (
    kind       TEXT    NOT NULL CHECK (kind IN ('rate_card', 'plan')),
    code       TEXT    NOT NULL,                -- of one that there is, or of a new one
    name       TEXT,                            -- a new one; none: what is published keeps the name that it has
    terms      TEXT    NOT NULL,                -- JSON, as in the versions
    actor      TEXT    NOT NULL,                -- who wrote it last
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (kind, code)
) STRICT, WITHOUT ROWID;

-- One row: goes up with every change of the tables above, so that copies in memory know when they are old.
CREATE TABLE catalog_state (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO catalog_state (id, revision) VALUES (1, 0);

CREATE TRIGGER rate_versions_are_final_u BEFORE UPDATE ON rate_versions BEGIN SELECT raise(ABORT, 'rate versions are final'); END;
CREATE TRIGGER rate_versions_are_final_d BEFORE DELETE ON rate_versions BEGIN SELECT raise(ABORT, 'rate versions are final'); END;
CREATE TRIGGER plan_versions_are_final_u BEFORE UPDATE ON plan_versions BEGIN SELECT raise(ABORT, 'plan versions are final'); END;
CREATE TRIGGER plan_versions_are_final_d BEFORE DELETE ON plan_versions BEGIN SELECT raise(ABORT, 'plan versions are final'); END;
CREATE TRIGGER meters_keep_their_code BEFORE UPDATE OF id, code, unit ON meters BEGIN SELECT raise(ABORT, 'meters keep their code and unit'); END;
CREATE TRIGGER meters_stay BEFORE DELETE ON meters BEGIN SELECT raise(ABORT, 'meters stay'); END;
CREATE TRIGGER rate_cards_keep_their_code BEFORE UPDATE OF id, code ON rate_cards BEGIN SELECT raise(ABORT, 'rate cards keep their code'); END;
CREATE TRIGGER rate_cards_stay BEFORE DELETE ON rate_cards BEGIN SELECT raise(ABORT, 'rate cards stay'); END;
CREATE TRIGGER plans_keep_their_code BEFORE UPDATE OF id, code ON plans BEGIN SELECT raise(ABORT, 'plans keep their code'); END;
CREATE TRIGGER plans_stay BEFORE DELETE ON plans BEGIN SELECT raise(ABORT, 'plans stay'); END;
