-- Work to be done outside of the database, and money coming in. Times in UTC milliseconds.

-- Written in the transaction that causes it. Waiting work is taken by moving due_at to the end of a lease; the count of
-- attempts says whose lease it is.
CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY,
    kind        TEXT    NOT NULL,
    subject     TEXT    NOT NULL,               -- what it is about, as its kind understands it
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL,
    last_error  TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
CREATE INDEX outbox_done ON outbox (finished_at) WHERE state = 'done';
CREATE INDEX outbox_dead ON outbox (id) WHERE state = 'dead';
