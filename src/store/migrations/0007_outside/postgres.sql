-- What a return has got, so that it can be closed by what it is worth: what its refunds have paid,
-- and how many of its refund transactions go by hand.
ALTER TABLE returns ADD COLUMN refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0);
ALTER TABLE returns ADD COLUMN by_hand bigint NOT NULL DEFAULT 0 CHECK (by_hand >= 0);
UPDATE returns SET
    refunded = (SELECT coalesce(sum(refunds.refunded), 0) FROM refunds
        WHERE refunds.merchant = returns.merchant AND refunds.return_number = returns.number),
    by_hand = (SELECT count(*) FROM transactions JOIN refunds
        ON refunds.merchant = transactions.merchant AND refunds.number = transactions.refund
        WHERE refunds.merchant = returns.merchant AND refunds.return_number = returns.number
        AND transactions.execution = 'manual' AND transactions.state <> 'failed'
        AND transactions.state <> 'canceled' AND transactions.state <> 'reversed');

-- Until when a customer can give the bank details that a refund waits for.
ALTER TABLE refunds ADD COLUMN information_due bigint;
UPDATE refunds SET information_due = (SELECT due FROM work WHERE work.merchant = refunds.merchant
    AND work.queue = 'expire' AND work.subject = refunds.number)
    WHERE state = 'requires_information';
-- Those with bank details, to be sealed anew; few are.
CREATE INDEX refunds_by_information ON refunds (merchant, number) WHERE information IS NOT NULL;

-- The link to the page where a customer gives bank details: found by the SHA-256 of its token, and
-- the token itself under the master key, to be told again. due is the refund's; one that waits anew
-- gets another link.
CREATE TABLE information_links (
    merchant bigint NOT NULL,
    refund   bigint NOT NULL,
    due      bigint NOT NULL,
    digest   bytea   NOT NULL CHECK (octet_length(digest) = 32),
    sealed   bytea   NOT NULL,
    PRIMARY KEY (merchant, refund)
);

-- It says whose the link is, so it cannot lead with the merchant.
CREATE UNIQUE INDEX information_links_by_digest ON information_links (digest);

-- Files of bank transfers that were written for a bank. sealed is the file under the master key,
-- and empty once it is purged.
CREATE TABLE transfer_files (
    merchant   bigint NOT NULL,
    number     bigint NOT NULL,
    message_id text    NOT NULL,
    transfers  bigint NOT NULL CHECK (transfers >= 1),
    currency   text    NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total      bigint NOT NULL CHECK (total >= 1),
    sealed     bytea   NOT NULL,
    made_by    text    NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (merchant, number)
);

-- Which refund transaction stands in which file: each in one, unless it is asked for again.
CREATE TABLE transfers (
    merchant           bigint NOT NULL,
    transaction_number bigint NOT NULL,
    file               bigint NOT NULL,
    PRIMARY KEY (merchant, transaction_number)
);
