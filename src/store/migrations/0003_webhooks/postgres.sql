-- Who is told of events, and what became of telling. The events themselves are the queue: an
-- endpoint's cursor says how far it is, so a refund pays nothing for being told of.

CREATE TABLE webhook_endpoints (
    merchant      BIGINT NOT NULL,
    number        BIGINT NOT NULL,
    url           TEXT    NOT NULL,
    format        TEXT    NOT NULL,
    -- Types of events with a space between; all when empty.
    events        TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (
        state = 'enabled' OR state = 'disabled' OR state = 'deleted'),
    disabled_why  TEXT    CHECK (
        disabled_why = 'asked' OR disabled_why = 'gone' OR disabled_why = 'failing'),
    disabled_at   BIGINT,
    secrets       BYTEA   NOT NULL,
    cursor        BIGINT NOT NULL CHECK (cursor >= 0),
    failing_since BIGINT,
    revision      BIGINT NOT NULL,
    -- Who sends to it, so that replicas share the work.
    lease_worker  BIGINT,
    lease_until   BIGINT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (merchant, number),
    CHECK ((lease_worker IS NULL) = (lease_until IS NULL)),
    CHECK ((disabled_why IS NULL) = (disabled_at IS NULL))
);

-- One row for an event and an endpoint, with all its tries: [[at, took_ms, status, error, answer], …].
CREATE TABLE deliveries (
    merchant     BIGINT NOT NULL,
    endpoint     BIGINT NOT NULL,
    event        BIGINT NOT NULL,
    -- 0 for events of the merchant itself.
    order_number BIGINT NOT NULL,
    name         TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (
        state = 'pending' OR state = 'succeeded' OR state = 'failed'),
    due          BIGINT NOT NULL,
    round        BIGINT NOT NULL CHECK (round >= 0),
    tries        TEXT    NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (merchant, endpoint, event)
);

CREATE INDEX deliveries_unfinished ON deliveries (merchant, endpoint, state, event)
    WHERE state <> 'succeeded';
