-- Plans that customers pay for. Money in minor units, credit in micro-credits, times in UTC milliseconds.

-- What was received for a plan, which is earned as its time passes. Not placed in time yet: nothing is earned.
CREATE TABLE fees (
    payment_id      INTEGER PRIMARY KEY REFERENCES payments (id),
    organization_id INTEGER NOT NULL,
    currency        TEXT    NOT NULL,
    net_minor       INTEGER NOT NULL CHECK (net_minor > 0),
    starts_at       INTEGER,
    ends_at         INTEGER,
    earned          INTEGER NOT NULL DEFAULT 0 CHECK (earned >= 0),
    returned        INTEGER NOT NULL DEFAULT 0 CHECK (returned >= 0), -- given back of what was not earned
    earned_at       INTEGER NOT NULL,           -- up to when it was worked out
    open            INTEGER NOT NULL DEFAULT 1 CHECK (open IN (0, 1)), -- some of it is deferred
    CHECK ((starts_at IS NULL) = (ends_at IS NULL)),
    CHECK (ends_at > starts_at),
    CHECK (earned + returned <= net_minor),
    CHECK (open = (earned + returned < net_minor))
) STRICT;
CREATE INDEX fees_to_earn ON fees (earned_at) WHERE open = 1 AND starts_at IS NOT NULL;

-- The credit that came with a fee.
CREATE TABLE fee_grants (
    grant_id   INTEGER PRIMARY KEY,
    payment_id INTEGER NOT NULL REFERENCES payments (id)
) STRICT;
CREATE INDEX fee_grants_by_payment ON fee_grants (payment_id);

-- An organization's place on a plan. What was paid for is one period after another, counted in months after the anchor.
CREATE TABLE subscriptions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    plan_version_id INTEGER NOT NULL REFERENCES plan_versions (id),
    state           TEXT    NOT NULL CHECK (state IN ('incomplete', 'active', 'past_due', 'paused', 'canceled')),
    number          INTEGER NOT NULL DEFAULT 0, -- periods begun
    anchor          INTEGER,                    -- none before the first period
    month           INTEGER NOT NULL DEFAULT 0, -- after the anchor, in which the period began
    months          INTEGER NOT NULL DEFAULT 0, -- how long it is
    period_start    INTEGER,
    period_end      INTEGER,
    granted         INTEGER NOT NULL DEFAULT 0, -- the month after the anchor whose credit comes next
    pending         TEXT CHECK (pending IN ('plan', 'cancel', 'pause')), -- at the end of the period
    pending_version INTEGER REFERENCES plan_versions (id),
    migrate_version INTEGER REFERENCES plan_versions (id), -- the operator's change, at the first renewal from then on
    migrate_from    INTEGER,
    payment_id      INTEGER REFERENCES payments (id), -- on its way
    due_at          INTEGER,                    -- when something is to be done
    failures        INTEGER NOT NULL DEFAULT 0,
    failed_at       INTEGER,                    -- when the period could first not be paid
    reason          TEXT,                       -- why the last payment failed, or why it ended
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    CHECK ((pending IS 'plan') = (pending_version IS NOT NULL)),
    CHECK ((migrate_version IS NULL) = (migrate_from IS NULL)),
    CHECK ((number > 0) = (anchor IS NOT NULL)),
    CHECK ((anchor IS NULL) = (period_start IS NULL) AND (anchor IS NULL) = (period_end IS NULL)),
    CHECK ((state = 'canceled') = (ended_at IS NOT NULL)),
    CHECK (payment_id IS NULL OR due_at IS NULL)
) STRICT;
CREATE UNIQUE INDEX subscriptions_living ON subscriptions (organization_id) WHERE state <> 'canceled';
CREATE INDEX subscriptions_by_organization ON subscriptions (organization_id, id);
CREATE INDEX subscriptions_due ON subscriptions (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX subscriptions_by_version ON subscriptions (plan_version_id, id) WHERE state <> 'canceled';

-- What a payment is for.
CREATE TABLE subscription_charges (
    payment_id      INTEGER PRIMARY KEY REFERENCES payments (id),
    subscription_id INTEGER NOT NULL REFERENCES subscriptions (id),
    kind            TEXT    NOT NULL CHECK (kind IN ('period', 'upgrade')),
    number          INTEGER NOT NULL,           -- the period that it begins, or in which the plan changes
    plan_version_id INTEGER NOT NULL REFERENCES plan_versions (id),
    credits         INTEGER NOT NULL CHECK (credits >= 0), -- of an upgrade: what comes with it
    credits_until   INTEGER,                    -- and when that month is over
    first_cycle     TEXT    NOT NULL,           -- of an upgrade: JSON object, what is included in that month in micro-units by meter
    state           TEXT    NOT NULL CHECK (state IN ('open', 'paid', 'failed', 'unused'))
) STRICT;
CREATE INDEX subscription_charges_of ON subscription_charges (subscription_id, number);
-- a period is paid once
CREATE UNIQUE INDEX subscription_periods_paid ON subscription_charges (subscription_id, number) WHERE kind = 'period' AND state = 'paid';
