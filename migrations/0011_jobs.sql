-- What is done from time to time, and how that went. Times in UTC milliseconds.

-- A job's last run, and its last one that failed.
CREATE TABLE jobs (
    name       TEXT    PRIMARY KEY,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    done       INTEGER NOT NULL,                -- rows that were dealt with
    failed     INTEGER NOT NULL,                -- rows that could not be, and are tried again later
    lag_ms     INTEGER,                         -- how late the oldest row that was due was; none: nothing, or it is not known
    last_error TEXT,
    failed_at  INTEGER,
    CHECK ((last_error IS NULL) = (failed_at IS NULL))
) STRICT, WITHOUT ROWID;

-- Runs that did something or failed.
CREATE TABLE job_runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    job        TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    done       INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    lag_ms     INTEGER,
    error      TEXT
) STRICT;

-- Rows that could not be dealt with: they are left alone until then, so that they do not stop the others.
CREATE TABLE job_failures (
    job       TEXT    NOT NULL,
    subject   INTEGER NOT NULL,                 -- the row
    error     TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    since     INTEGER NOT NULL,
    retry_at  INTEGER NOT NULL,
    PRIMARY KEY (job, subject)
) STRICT, WITHOUT ROWID;

-- For each number of days before credit expires: up to when it was told.
CREATE TABLE expiry_notices (
    days    INTEGER PRIMARY KEY,
    reached INTEGER NOT NULL
) STRICT;
