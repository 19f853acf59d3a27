-- Every table leads with the merchant whose row it is. Amounts are minor units, times are
-- milliseconds since 1970 UTC. The CHECKs are the second lock on the rules of money: they hold
-- whatever the code does. Lists of names in them are spelt out with OR: of an IN, SQLite makes a
-- table of its own each time a row is written.

CREATE TABLE state (
    name  TEXT NOT NULL PRIMARY KEY,
    value ANY  NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE merchants (
    number       INTEGER NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    settings     TEXT    NOT NULL,
    -- The merchant's own chain of events; last_event is 0 while there are none.
    chain_length INTEGER NOT NULL,
    chain_hash   BLOB    NOT NULL CHECK (length(chain_hash) = 32),
    last_event   INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE keys (
    merchant        INTEGER NOT NULL,
    number          INTEGER NOT NULL,
    name            TEXT    NOT NULL,
    scopes          TEXT    NOT NULL,
    hash            BLOB    NOT NULL CHECK (length(hash) = 32),
    rate_per_second INTEGER NOT NULL CHECK (rate_per_second >= 0),
    created_at      INTEGER NOT NULL,
    revoked_at      INTEGER,
    PRIMARY KEY (merchant, number)
) STRICT, WITHOUT ROWID;

-- It says whose the key is, so it cannot lead with the merchant.
CREATE UNIQUE INDEX keys_by_hash ON keys (hash);

CREATE TABLE orders (
    merchant           INTEGER NOT NULL,
    number             INTEGER NOT NULL,
    reference          TEXT    NOT NULL,
    currency           TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    customer_reference TEXT,
    customer_email     TEXT,
    customer_name      TEXT,
    metadata           TEXT,
    fulfilled_at       INTEGER,
    captured           INTEGER NOT NULL,
    held               INTEGER NOT NULL,
    refunded           INTEGER NOT NULL,
    blocked            INTEGER NOT NULL,
    chain_length       INTEGER NOT NULL CHECK (chain_length >= 0),
    chain_hash         BLOB    NOT NULL CHECK (length(chain_hash) = 32),
    -- The newest event and refund of the order; each names the one before it. Lists of an order
    -- follow these, which spares every refund two writes at random places of an index.
    last_event         INTEGER NOT NULL,
    last_refund        INTEGER NOT NULL,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    PRIMARY KEY (merchant, number),
    CHECK (held >= 0 AND refunded >= 0 AND blocked >= 0
        AND held + refunded + blocked <= captured)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX orders_by_reference ON orders (merchant, reference);
CREATE INDEX orders_by_customer ON orders (merchant, customer_reference, number)
    WHERE customer_reference IS NOT NULL;

CREATE TABLE lines (
    merchant          INTEGER NOT NULL,
    order_number      INTEGER NOT NULL,
    position          INTEGER NOT NULL CHECK (position >= 1),
    kind              TEXT    NOT NULL CHECK (
        kind = 'product' OR kind = 'shipping' OR kind = 'tax' OR kind = 'duty'
        OR kind = 'importer_tax' OR kind = 'fee'),
    for_line          INTEGER,
    sku               TEXT,
    name              TEXT,
    quantity          INTEGER NOT NULL CHECK (quantity >= 1),
    amount            INTEGER NOT NULL,
    taken             INTEGER NOT NULL,
    taken_quantity    INTEGER NOT NULL,
    taken_by_quantity INTEGER NOT NULL,
    PRIMARY KEY (merchant, order_number, position),
    CHECK (0 <= taken AND taken <= amount),
    CHECK (0 <= taken_quantity AND taken_quantity <= quantity),
    CHECK (0 <= taken_by_quantity AND taken_by_quantity <= taken)
) STRICT, WITHOUT ROWID;

-- Movements of money in both directions. Those towards the merchant have balances; a refund
-- transaction has a refund, a state and a provider key, which names the merchant and the number, so
-- that it needs no index.
CREATE TABLE transactions (
    merchant           INTEGER NOT NULL,
    number             INTEGER NOT NULL,
    order_number       INTEGER NOT NULL,
    currency           TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    kind               TEXT    NOT NULL CHECK (
        kind = 'payment' OR kind = 'authorization' OR kind = 'capture'
        OR kind = 'invoice_payment' OR kind = 'refund'),
    -- The authorization of a capture; the payment that a refund transaction gives back.
    parent             INTEGER,
    return_number      INTEGER,
    provider           TEXT    NOT NULL,
    method             TEXT    NOT NULL,
    provider_reference TEXT,
    amount             INTEGER NOT NULL CHECK (amount >= 0),
    captured           INTEGER NOT NULL DEFAULT 0,
    held               INTEGER NOT NULL DEFAULT 0,
    refunded           INTEGER NOT NULL DEFAULT 0,
    disputed           INTEGER NOT NULL DEFAULT 0,
    blocked            INTEGER NOT NULL DEFAULT 0,
    refund             INTEGER,
    execution          TEXT    CHECK (
        execution = 'automatic' OR execution = 'notify' OR execution = 'manual'),
    state              TEXT    CHECK (
        state = 'unconfirmed' OR state = 'requires_information' OR state = 'pending'
        OR state = 'requested' OR state = 'processing' OR state = 'needs_attention'
        OR state = 'succeeded' OR state = 'failed' OR state = 'canceled' OR state = 'reversed'),
    provider_key       TEXT,
    sends              INTEGER NOT NULL DEFAULT 0 CHECK (sends >= 0),
    first_sent_at      INTEGER,
    failure_code       TEXT,
    failure_message    TEXT,
    superseded         INTEGER NOT NULL DEFAULT 0 CHECK (superseded IN (0, 1)),
    contradicted       INTEGER NOT NULL DEFAULT 0 CHECK (contradicted IN (0, 1)),
    message            TEXT,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    settled_at         INTEGER,
    PRIMARY KEY (merchant, number),
    CHECK (held >= 0 AND refunded >= 0 AND blocked >= 0 AND disputed >= blocked
        AND held + refunded + blocked <= captured AND captured <= amount),
    CHECK ((kind = 'refund') = (refund IS NOT NULL)
        AND (kind = 'refund') = (state IS NOT NULL)
        AND (kind = 'refund') = (execution IS NOT NULL)
        AND (kind = 'refund') = (provider_key IS NOT NULL)
        AND (kind <> 'refund' OR parent IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX payments_by_order ON transactions (merchant, order_number, number)
    WHERE refund IS NULL;
CREATE INDEX transactions_by_refund ON transactions (merchant, refund, number)
    WHERE refund IS NOT NULL;
CREATE INDEX transactions_by_provider_reference
    ON transactions (merchant, provider_reference, number) WHERE provider_reference IS NOT NULL;
-- States that refunds pass through quickly, or stay in nearly all, are left out: the first are
-- found through their refunds, the last nearly everywhere.
CREATE INDEX transactions_by_state ON transactions (merchant, state, number)
    WHERE state <> 'pending' AND state <> 'processing' AND state <> 'succeeded';

CREATE TABLE refunds (
    merchant        INTEGER NOT NULL,
    number          INTEGER NOT NULL,
    order_number    INTEGER NOT NULL,
    -- The order's refund before this one; 0 for the first.
    previous        INTEGER NOT NULL CHECK (0 <= previous AND previous < number),
    return_number   INTEGER,
    state           TEXT    NOT NULL CHECK (
        state = 'unconfirmed' OR state = 'requires_information' OR state = 'pending'
        OR state = 'processing' OR state = 'needs_attention' OR state = 'succeeded'
        OR state = 'failed' OR state = 'canceled' OR state = 'reversed'),
    execution       TEXT    NOT NULL CHECK (
        execution = 'automatic' OR execution = 'notify' OR execution = 'manual'),
    destination     TEXT    NOT NULL CHECK (
        destination = 'original_payment' OR destination = 'store_credit'
        OR destination = 'gift_card' OR destination = 'customer_balance'
        OR destination = 'bank_transfer' OR destination = 'cash' OR destination = 'other'),
    currency        TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    amount          INTEGER NOT NULL,
    refunded        INTEGER NOT NULL,
    asked_by        TEXT    NOT NULL,
    kind            TEXT    CHECK (
        kind = 'product' OR kind = 'shipping' OR kind = 'tax' OR kind = 'duty'
        OR kind = 'importer_tax' OR kind = 'fee'),
    payment         INTEGER,
    reason          TEXT,
    note            TEXT,
    failure_code    TEXT,
    failure_message TEXT,
    parts           TEXT,
    information     BLOB,
    metadata        TEXT,
    requested_by    TEXT    NOT NULL,
    confirmed_by    TEXT,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    settled_at      INTEGER,
    PRIMARY KEY (merchant, number),
    CHECK (0 <= refunded AND refunded <= amount)
) STRICT, WITHOUT ROWID;

CREATE INDEX refunds_by_return ON refunds (merchant, return_number, number)
    WHERE return_number IS NOT NULL;
CREATE INDEX refunds_by_state ON refunds (merchant, state, number) WHERE state <> 'succeeded';

CREATE TABLE returns (
    merchant     INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    order_number INTEGER NOT NULL,
    reference    TEXT    NOT NULL,
    kind         TEXT    NOT NULL CHECK (kind IN ('return', 'complaint')),
    state        TEXT    NOT NULL CHECK (
        state = 'pending' OR state = 'approved' OR state = 'received' OR state = 'validated'
        OR state = 'done' OR state = 'rejected' OR state = 'canceled'),
    items        TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    metadata     TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    closed_at    INTEGER,
    PRIMARY KEY (merchant, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX returns_by_reference ON returns (merchant, reference);
CREATE INDEX returns_by_order ON returns (merchant, order_number, number);
CREATE INDEX returns_by_state ON returns (merchant, state, number);

-- What happened, for good. order_number is 0 for events of the merchant itself.
CREATE TABLE events (
    merchant     INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    order_number INTEGER NOT NULL,
    -- The event before it in its chain; 0 for the first.
    previous     INTEGER NOT NULL CHECK (0 <= previous AND previous < number),
    position     INTEGER NOT NULL CHECK (position >= 1),
    name         TEXT    NOT NULL,
    subject_kind TEXT    NOT NULL,
    subject      INTEGER NOT NULL,
    happened_at  INTEGER NOT NULL,
    done_by      TEXT    NOT NULL,
    data         TEXT    NOT NULL,
    hash         BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (merchant, number)
) STRICT, WITHOUT ROWID;

-- Of all merchants: a seal covers whatever was committed.
CREATE TABLE seals (
    number     INTEGER NOT NULL PRIMARY KEY,
    last_event INTEGER NOT NULL,
    events     INTEGER NOT NULL CHECK (events >= 1),
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    sealed_at  INTEGER NOT NULL
) STRICT;

-- Idempotency: a key is kept for good, and small, since keys arrive in random order; the answer
-- stands apart, in the order of time, and is forgotten one day (with a rowid, since without one
-- SQLite puts what is longer than a quarter of a page on pages of its own). digest is the start of the
-- SHA-256 of the key.
CREATE TABLE claims (
    merchant INTEGER NOT NULL,
    digest   BLOB    NOT NULL CHECK (length(digest) = 16),
    answer   INTEGER NOT NULL,
    PRIMARY KEY (merchant, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE answers (
    number      INTEGER NOT NULL PRIMARY KEY,
    merchant    INTEGER NOT NULL,
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    status      INTEGER NOT NULL,
    answered_at INTEGER NOT NULL,
    body        BLOB    NOT NULL
) STRICT;

-- What the workers have to do. The index serves all merchants, as the workers do.
CREATE TABLE work (
    merchant     INTEGER NOT NULL,
    queue        TEXT    NOT NULL CHECK (queue IN ('pay', 'expire')),
    subject      INTEGER NOT NULL,
    due          INTEGER NOT NULL,
    lease_worker INTEGER,
    lease_until  INTEGER,
    PRIMARY KEY (merchant, queue, subject),
    CHECK ((lease_worker IS NULL) = (lease_until IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX work_by_due ON work (queue, due);
