-- The same as in sqlite.sql.
ALTER TABLE transactions DROP CONSTRAINT transactions_execution_check;
ALTER TABLE transactions ADD CONSTRAINT transactions_execution_check
    CHECK (execution IN ('automatic', 'notify', 'manual', 'internal'));
ALTER TABLE refunds DROP CONSTRAINT refunds_execution_check;
ALTER TABLE refunds ADD CONSTRAINT refunds_execution_check
    CHECK (execution IN ('automatic', 'notify', 'manual', 'internal'));

CREATE TABLE credit_accounts (
    merchant       BIGINT NOT NULL,
    number         BIGINT NOT NULL,
    kind           TEXT   NOT NULL CHECK (
        kind IN ('store_credit', 'gift_card', 'customer_balance')),
    currency       TEXT   NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    customer       TEXT COLLATE "C",
    refund         BIGINT,
    balance        BIGINT NOT NULL CHECK (balance BETWEEN 0 AND 999999999999999),
    code_digest    BYTEA  CHECK (octet_length(code_digest) = 32),
    code_last_four TEXT,
    chain_length   BIGINT NOT NULL CHECK (chain_length >= 0),
    chain_hash     BYTEA  NOT NULL CHECK (octet_length(chain_hash) = 32),
    last_event     BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    PRIMARY KEY (merchant, number),
    CHECK ((kind = 'gift_card') = (refund IS NOT NULL)),
    CHECK (kind = 'gift_card' OR customer IS NOT NULL),
    CHECK ((code_digest IS NULL) = (code_last_four IS NULL)),
    CHECK (code_digest IS NULL OR kind = 'gift_card')
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX credit_accounts_of_customer
    ON credit_accounts (merchant, customer, kind, currency) WHERE refund IS NULL;
CREATE INDEX credit_accounts_by_customer ON credit_accounts (merchant, customer, number)
    WHERE customer IS NOT NULL;
CREATE UNIQUE INDEX credit_accounts_of_refund ON credit_accounts (merchant, refund)
    WHERE refund IS NOT NULL;
CREATE UNIQUE INDEX credit_accounts_by_code ON credit_accounts (merchant, code_digest)
    WHERE code_digest IS NOT NULL;

CREATE TABLE credit_entries (
    merchant           BIGINT NOT NULL,
    number             BIGINT NOT NULL,
    account            BIGINT NOT NULL,
    kind               TEXT   NOT NULL CHECK (kind IN ('credit', 'reversal', 'spend', 'undo')),
    amount             BIGINT NOT NULL CHECK (amount > 0),
    balance            BIGINT NOT NULL CHECK (balance BETWEEN 0 AND 999999999999999),
    refund             BIGINT,
    transaction_number BIGINT,
    undoes             BIGINT,
    reference          TEXT,
    done_by            TEXT   NOT NULL,
    happened_at        BIGINT NOT NULL,
    PRIMARY KEY (merchant, number),
    CHECK ((kind IN ('credit', 'reversal')) = (transaction_number IS NOT NULL)),
    CHECK ((transaction_number IS NULL) = (refund IS NULL)),
    CHECK ((kind = 'undo') = (undoes IS NOT NULL))
);

CREATE INDEX credit_entries_by_account ON credit_entries (merchant, account, number);
CREATE UNIQUE INDEX credit_entries_of_transaction
    ON credit_entries (merchant, transaction_number, kind) WHERE transaction_number IS NOT NULL;
CREATE INDEX credit_entries_by_refund ON credit_entries (merchant, refund, number)
    WHERE refund IS NOT NULL;
CREATE UNIQUE INDEX credit_entries_undone ON credit_entries (merchant, undoes)
    WHERE undoes IS NOT NULL;
