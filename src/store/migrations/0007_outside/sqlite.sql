-- What a return has got, so that it can be closed by what it is worth: what its refunds have paid,
-- and how many of its refund transactions go by hand.
ALTER TABLE returns ADD COLUMN refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded >= 0);
ALTER TABLE returns ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0 CHECK (by_hand >= 0);
UPDATE returns SET
    refunded = (SELECT ifnull(sum(refunds.refunded), 0) FROM refunds
        WHERE refunds.merchant = returns.merchant AND refunds.return_number = returns.number),
    by_hand = (SELECT count(*) FROM transactions JOIN refunds
        ON refunds.merchant = transactions.merchant AND refunds.number = transactions.refund
        WHERE refunds.merchant = returns.merchant AND refunds.return_number = returns.number
        AND transactions.execution = 'manual' AND transactions.state <> 'failed'
        AND transactions.state <> 'canceled' AND transactions.state <> 'reversed');

-- Until when a customer can give the bank details that a refund waits for.
ALTER TABLE refunds ADD COLUMN information_due INTEGER;
UPDATE refunds SET information_due = (SELECT due FROM work WHERE work.merchant = refunds.merchant
    AND work.queue = 'expire' AND work.subject = refunds.number)
    WHERE state = 'requires_information';
-- Those with bank details, to be sealed anew; few are.
CREATE INDEX refunds_by_information ON refunds (merchant, number) WHERE information IS NOT NULL;

-- The link to the page where a customer gives bank details: found by the SHA-256 of its token, and
-- the token itself under the master key, to be told again. due is the refund's; one that waits anew
-- gets another link.
CREATE TABLE information_links (
    merchant INTEGER NOT NULL,
    refund   INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    digest   BLOB    NOT NULL CHECK (length(digest) = 32),
    sealed   BLOB    NOT NULL,
    PRIMARY KEY (merchant, refund)
) STRICT, WITHOUT ROWID;

-- It says whose the link is, so it cannot lead with the merchant.
CREATE UNIQUE INDEX information_links_by_digest ON information_links (digest);

-- Files of bank transfers that were written for a bank. sealed is the file under the master key,
-- and empty once it is purged.
CREATE TABLE transfer_files (
    merchant   INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    message_id TEXT    NOT NULL,
    transfers  INTEGER NOT NULL CHECK (transfers >= 1),
    currency   TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    total      INTEGER NOT NULL CHECK (total >= 1),
    sealed     BLOB    NOT NULL,
    made_by    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (merchant, number)
) STRICT, WITHOUT ROWID;

-- Which refund transaction stands in which file: each in one, unless it is asked for again.
CREATE TABLE transfers (
    merchant           INTEGER NOT NULL,
    transaction_number INTEGER NOT NULL,
    file               INTEGER NOT NULL,
    PRIMARY KEY (merchant, transaction_number)
) STRICT, WITHOUT ROWID;
