-- Phone numbers that are rented by the month. Times in UTC milliseconds.

-- One renting of a number, from its registration to its release. The same number may be rented again later: another row.
CREATE TABLE number_rentals (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    number_id       INTEGER NOT NULL REFERENCES numbers (id),
    kind            TEXT    NOT NULL CHECK (kind IN ('local', 'toll_free')),
    agent           TEXT,                       -- whose rent it is, by the platform's id
    state           TEXT    NOT NULL CHECK (state IN ('active', 'grace', 'suspended', 'released')),
    anchor_at       INTEGER NOT NULL,           -- where its months are counted from
    months          INTEGER NOT NULL,           -- since the anchor, that are paid
    paid_until      INTEGER NOT NULL,           -- the end of the last of them; the anchor when there is none
    charges         INTEGER NOT NULL,           -- months charged in all, which make the ids of their events
    until           INTEGER,                    -- of grace: when it is suspended; of a suspended one: when it is released
    warned          INTEGER NOT NULL DEFAULT 0 CHECK (warned IN (0, 1)), -- of grace: a last notice was given
    ends            INTEGER NOT NULL DEFAULT 0 CHECK (ends IN (0, 1)),   -- released at the end of the month, as was asked
    next_at         INTEGER,                    -- when there is something to do; none once released
    tried_line      INTEGER NOT NULL DEFAULT 0, -- the wallet's newest line when the rent was last asked for in vain
    registered_at   INTEGER NOT NULL,
    released_at     INTEGER,
    CHECK ((until IS NULL) = (state IN ('active', 'released'))),
    CHECK ((next_at IS NULL) = (state = 'released')),
    CHECK ((released_at IS NULL) = (state <> 'released'))
) STRICT;
CREATE UNIQUE INDEX number_rentals_live ON number_rentals (number_id) WHERE state <> 'released';
CREATE INDEX number_rentals_due ON number_rentals (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX number_rentals_unpaid ON number_rentals (organization_id) WHERE state IN ('grace', 'suspended');
CREATE INDEX number_rentals_by_organization ON number_rentals (organization_id, id);
