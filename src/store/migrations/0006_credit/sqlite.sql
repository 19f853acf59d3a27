-- Refunds that are credited to an account kept here. Only what the CHECKs say is changed, and
-- nothing of the rows; so the texts of the tables are replaced, as SQLite's documentation of ALTER
-- TABLE has it, and whatever other columns they got meanwhile stays as it is. What is created below
-- makes every connection read the schema anew.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
    SET sql = replace(sql, 'execution = ''manual''', 'execution = ''manual'' OR execution = ''internal''')
    WHERE type = 'table' AND (name = 'transactions' OR name = 'refunds');
PRAGMA writable_schema = RESET;

-- Store credit, gift cards and customers' balances.
CREATE TABLE credit_accounts (
    merchant       INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    kind           TEXT    NOT NULL CHECK (
        kind = 'store_credit' OR kind = 'gift_card' OR kind = 'customer_balance'),
    currency       TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    customer       TEXT,
    -- The refund that made a gift card.
    refund         INTEGER,
    balance        INTEGER NOT NULL CHECK (0 <= balance AND balance <= 999999999999999),
    code_digest    BLOB    CHECK (length(code_digest) = 32),
    code_last_four TEXT,
    chain_length   INTEGER NOT NULL CHECK (chain_length >= 0),
    chain_hash     BLOB    NOT NULL CHECK (length(chain_hash) = 32),
    last_event     INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    PRIMARY KEY (merchant, number),
    CHECK ((kind = 'gift_card') = (refund IS NOT NULL)),
    CHECK (kind = 'gift_card' OR customer IS NOT NULL),
    CHECK ((code_digest IS NULL) = (code_last_four IS NULL)),
    CHECK (code_digest IS NULL OR kind = 'gift_card')
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX credit_accounts_of_customer
    ON credit_accounts (merchant, customer, kind, currency) WHERE refund IS NULL;
CREATE INDEX credit_accounts_by_customer ON credit_accounts (merchant, customer, number)
    WHERE customer IS NOT NULL;
CREATE UNIQUE INDEX credit_accounts_of_refund ON credit_accounts (merchant, refund)
    WHERE refund IS NOT NULL;
CREATE UNIQUE INDEX credit_accounts_by_code ON credit_accounts (merchant, code_digest)
    WHERE code_digest IS NOT NULL;

-- Only ever added to. The unique indexes are the second lock: a transaction is credited once and
-- reversed once, a spend is undone once, whatever the code does.
CREATE TABLE credit_entries (
    merchant           INTEGER NOT NULL,
    number             INTEGER NOT NULL,
    account            INTEGER NOT NULL,
    kind               TEXT    NOT NULL CHECK (
        kind = 'credit' OR kind = 'reversal' OR kind = 'spend' OR kind = 'undo'),
    amount             INTEGER NOT NULL CHECK (amount > 0),
    -- Of the account, after it.
    balance            INTEGER NOT NULL CHECK (0 <= balance AND balance <= 999999999999999),
    refund             INTEGER,
    transaction_number INTEGER,
    undoes             INTEGER,
    reference          TEXT,
    done_by            TEXT    NOT NULL,
    happened_at        INTEGER NOT NULL,
    PRIMARY KEY (merchant, number),
    CHECK ((kind = 'credit' OR kind = 'reversal') = (transaction_number IS NOT NULL)),
    CHECK ((transaction_number IS NULL) = (refund IS NULL)),
    CHECK ((kind = 'undo') = (undoes IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX credit_entries_by_account ON credit_entries (merchant, account, number);
CREATE UNIQUE INDEX credit_entries_of_transaction
    ON credit_entries (merchant, transaction_number, kind) WHERE transaction_number IS NOT NULL;
CREATE INDEX credit_entries_by_refund ON credit_entries (merchant, refund, number)
    WHERE refund IS NOT NULL;
CREATE UNIQUE INDEX credit_entries_undone ON credit_entries (merchant, undoes)
    WHERE undoes IS NOT NULL;
