-- The same tables as in sqlite.sql, column for column. Every table and index leads with the
-- merchant, so that they can be sharded by it; those that cannot say why. The CHECKs are the second
-- lock on the rules of money: they hold whatever the code does. Texts that are compared sort by
-- their bytes, so that no index depends on the system's locale.

-- Of the whole installation.
CREATE TABLE state (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Each value stands for the eight numbers that begin with it. The cache must stay at 1: an order's
-- events have rising numbers because each batch draws its numbers after it has locked its orders.
CREATE SEQUENCE numbers AS BIGINT INCREMENT BY 8 START WITH 2 CACHE 1;

CREATE TABLE merchants (
    number       BIGINT NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    settings     TEXT   NOT NULL,
    chain_length BIGINT NOT NULL,
    chain_hash   BYTEA  NOT NULL CHECK (octet_length(chain_hash) = 32),
    last_event   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);

CREATE TABLE keys (
    merchant        BIGINT NOT NULL,
    number          BIGINT NOT NULL,
    name            TEXT   NOT NULL,
    scopes          TEXT   NOT NULL,
    hash            BYTEA  NOT NULL CHECK (octet_length(hash) = 32),
    rate_per_second BIGINT NOT NULL CHECK (rate_per_second >= 0),
    created_at      BIGINT NOT NULL,
    revoked_at      BIGINT,
    PRIMARY KEY (merchant, number)
);

-- It says whose the key is, so it cannot lead with the merchant.
CREATE UNIQUE INDEX keys_by_hash ON keys (hash);

CREATE TABLE orders (
    merchant           BIGINT NOT NULL,
    number             BIGINT NOT NULL,
    reference          TEXT COLLATE "C" NOT NULL,
    currency           TEXT   NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    customer_reference TEXT COLLATE "C",
    customer_email     TEXT,
    customer_name      TEXT,
    metadata           TEXT,
    fulfilled_at       BIGINT,
    captured           BIGINT NOT NULL,
    held               BIGINT NOT NULL,
    refunded           BIGINT NOT NULL,
    blocked            BIGINT NOT NULL,
    chain_length       BIGINT NOT NULL CHECK (chain_length >= 0),
    chain_hash         BYTEA  NOT NULL CHECK (octet_length(chain_hash) = 32),
    last_event         BIGINT NOT NULL,
    last_refund        BIGINT NOT NULL,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    PRIMARY KEY (merchant, number),
    CONSTRAINT orders_balance CHECK (held >= 0 AND refunded >= 0 AND blocked >= 0
        AND held + refunded + blocked <= captured)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX orders_by_reference ON orders (merchant, reference);
CREATE INDEX orders_by_customer ON orders (merchant, customer_reference, number)
    WHERE customer_reference IS NOT NULL;

CREATE TABLE lines (
    merchant          BIGINT NOT NULL,
    order_number      BIGINT NOT NULL,
    position          BIGINT NOT NULL CHECK (position >= 1),
    kind              TEXT   NOT NULL CHECK (
        kind IN ('product', 'shipping', 'tax', 'duty', 'importer_tax', 'fee')),
    for_line          BIGINT,
    sku               TEXT,
    name              TEXT,
    quantity          BIGINT NOT NULL CHECK (quantity >= 1),
    amount            BIGINT NOT NULL,
    taken             BIGINT NOT NULL,
    taken_quantity    BIGINT NOT NULL,
    taken_by_quantity BIGINT NOT NULL,
    PRIMARY KEY (merchant, order_number, position),
    CHECK (0 <= taken AND taken <= amount),
    CHECK (0 <= taken_quantity AND taken_quantity <= quantity),
    CHECK (0 <= taken_by_quantity AND taken_by_quantity <= taken)
) WITH (fillfactor = 85);

CREATE TABLE transactions (
    merchant           BIGINT NOT NULL,
    number             BIGINT NOT NULL,
    order_number       BIGINT NOT NULL,
    currency           TEXT   NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    kind               TEXT   NOT NULL CHECK (
        kind IN ('payment', 'authorization', 'capture', 'invoice_payment', 'refund')),
    parent             BIGINT,
    return_number      BIGINT,
    provider           TEXT   NOT NULL,
    method             TEXT   NOT NULL,
    provider_reference TEXT COLLATE "C",
    amount             BIGINT NOT NULL CHECK (amount >= 0),
    captured           BIGINT NOT NULL DEFAULT 0,
    held               BIGINT NOT NULL DEFAULT 0,
    refunded           BIGINT NOT NULL DEFAULT 0,
    disputed           BIGINT NOT NULL DEFAULT 0,
    blocked            BIGINT NOT NULL DEFAULT 0,
    refund             BIGINT,
    execution          TEXT   CHECK (execution IN ('automatic', 'notify', 'manual')),
    state              TEXT   CHECK (
        state IN ('unconfirmed', 'requires_information', 'pending', 'requested', 'processing',
        'needs_attention', 'succeeded', 'failed', 'canceled', 'reversed')),
    provider_key       TEXT,
    sends              BIGINT NOT NULL DEFAULT 0 CHECK (sends >= 0),
    first_sent_at      BIGINT,
    failure_code       TEXT,
    failure_message    TEXT,
    superseded         BOOLEAN NOT NULL DEFAULT FALSE,
    contradicted       BOOLEAN NOT NULL DEFAULT FALSE,
    message            TEXT,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    settled_at         BIGINT,
    PRIMARY KEY (merchant, number),
    CONSTRAINT transactions_balance CHECK (held >= 0 AND refunded >= 0 AND blocked >= 0
        AND disputed >= blocked AND held + refunded + blocked <= captured AND captured <= amount),
    CHECK ((kind = 'refund') = (refund IS NOT NULL)
        AND (kind = 'refund') = (state IS NOT NULL)
        AND (kind = 'refund') = (execution IS NOT NULL)
        AND (kind = 'refund') = (provider_key IS NOT NULL)
        AND (kind <> 'refund' OR parent IS NOT NULL))
) WITH (fillfactor = 85);

CREATE INDEX payments_by_order ON transactions (merchant, order_number, number)
    WHERE refund IS NULL;
CREATE INDEX transactions_by_refund ON transactions (merchant, refund, number)
    WHERE refund IS NOT NULL;
CREATE INDEX transactions_by_provider_reference
    ON transactions (merchant, provider_reference, number) WHERE provider_reference IS NOT NULL;
CREATE INDEX transactions_by_state ON transactions (merchant, state, number)
    WHERE state <> 'pending' AND state <> 'processing' AND state <> 'succeeded';

CREATE TABLE refunds (
    merchant        BIGINT NOT NULL,
    number          BIGINT NOT NULL,
    order_number    BIGINT NOT NULL,
    previous        BIGINT NOT NULL CHECK (0 <= previous AND previous < number),
    return_number   BIGINT,
    state           TEXT   NOT NULL CHECK (
        state IN ('unconfirmed', 'requires_information', 'pending', 'processing',
        'needs_attention', 'succeeded', 'failed', 'canceled', 'reversed')),
    execution       TEXT   NOT NULL CHECK (execution IN ('automatic', 'notify', 'manual')),
    destination     TEXT   NOT NULL CHECK (
        destination IN ('original_payment', 'store_credit', 'gift_card', 'customer_balance',
        'bank_transfer', 'cash', 'other')),
    currency        TEXT   NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount          BIGINT NOT NULL,
    refunded        BIGINT NOT NULL,
    asked_by        TEXT   NOT NULL,
    kind            TEXT   CHECK (
        kind IN ('product', 'shipping', 'tax', 'duty', 'importer_tax', 'fee')),
    payment         BIGINT,
    reason          TEXT,
    note            TEXT,
    failure_code    TEXT,
    failure_message TEXT,
    parts           TEXT,
    information     BYTEA,
    metadata        TEXT,
    requested_by    TEXT   NOT NULL,
    confirmed_by    TEXT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    settled_at      BIGINT,
    PRIMARY KEY (merchant, number),
    CHECK (0 <= refunded AND refunded <= amount)
) WITH (fillfactor = 85);

CREATE INDEX refunds_by_return ON refunds (merchant, return_number, number)
    WHERE return_number IS NOT NULL;
CREATE INDEX refunds_by_state ON refunds (merchant, state, number) WHERE state <> 'succeeded';

CREATE TABLE returns (
    merchant     BIGINT NOT NULL,
    number       BIGINT NOT NULL,
    order_number BIGINT NOT NULL,
    reference    TEXT COLLATE "C" NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('return', 'complaint')),
    state        TEXT   NOT NULL CHECK (
        state IN ('pending', 'approved', 'received', 'validated', 'done', 'rejected',
        'canceled')),
    items        TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    metadata     TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    closed_at    BIGINT,
    PRIMARY KEY (merchant, number)
);

CREATE UNIQUE INDEX returns_by_reference ON returns (merchant, reference);
CREATE INDEX returns_by_order ON returns (merchant, order_number, number);
CREATE INDEX returns_by_state ON returns (merchant, state, number);

CREATE TABLE events (
    merchant     BIGINT NOT NULL,
    number       BIGINT NOT NULL,
    order_number BIGINT NOT NULL,
    previous     BIGINT NOT NULL CHECK (0 <= previous AND previous < number),
    position     BIGINT NOT NULL CHECK (position >= 1),
    name         TEXT   NOT NULL,
    subject_kind TEXT   NOT NULL,
    subject      BIGINT NOT NULL,
    happened_at  BIGINT NOT NULL,
    done_by      TEXT   NOT NULL,
    data         TEXT   NOT NULL,
    hash         BYTEA  NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (merchant, number)
);

-- Of all merchants: a seal covers whatever was committed.
CREATE TABLE seals (
    number     BIGINT NOT NULL PRIMARY KEY,
    last_event BIGINT NOT NULL,
    events     BIGINT NOT NULL CHECK (events >= 1),
    digest     BYTEA  NOT NULL CHECK (octet_length(digest) = 32),
    sealed_at  BIGINT NOT NULL
);

CREATE TABLE claims (
    merchant BIGINT NOT NULL,
    digest   BYTEA  NOT NULL CHECK (octet_length(digest) = 16),
    answer   BIGINT NOT NULL,
    PRIMARY KEY (merchant, digest)
);

CREATE TABLE answers (
    merchant    BIGINT NOT NULL,
    number      BIGINT NOT NULL,
    fingerprint BYTEA  NOT NULL CHECK (octet_length(fingerprint) = 32),
    status      BIGINT NOT NULL,
    answered_at BIGINT NOT NULL,
    body        BYTEA  NOT NULL,
    PRIMARY KEY (merchant, number)
);

-- offered_to: which process was shown the row last, and until when no other one is.
CREATE TABLE work (
    merchant      BIGINT NOT NULL,
    queue         TEXT   NOT NULL CHECK (queue IN ('pay', 'expire')),
    subject       BIGINT NOT NULL,
    due           BIGINT NOT NULL,
    lease_worker  BIGINT,
    lease_until   BIGINT,
    offered_to    BIGINT NOT NULL DEFAULT 0,
    offered_until BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (merchant, queue, subject),
    CHECK ((lease_worker IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 70);

CREATE INDEX work_by_due ON work (merchant, queue, due);

-- How many requests each process has let through under each key, ever growing: what the others let
-- through counts for a key's rate. It is worth nothing after a crash.
CREATE UNLOGGED TABLE key_use (
    merchant BIGINT NOT NULL,
    key      BIGINT NOT NULL,
    replica  BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    told_at  BIGINT NOT NULL,
    PRIMARY KEY (merchant, key, replica)
) WITH (fillfactor = 50);
