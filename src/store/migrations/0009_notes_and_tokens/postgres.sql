-- What callers note on a movement of money.
ALTER TABLE transactions ADD COLUMN metadata text;

-- Tokens that work once and were used, by their SHA-256, until they would have expired.
CREATE TABLE spent_tokens (
    merchant bigint NOT NULL,
    digest   bytea  NOT NULL CHECK (octet_length(digest) = 32),
    until    bigint NOT NULL,
    PRIMARY KEY (merchant, digest)
);

CREATE INDEX spent_tokens_by_end ON spent_tokens (merchant, until);
