-- What callers note on a movement of money.
ALTER TABLE transactions ADD COLUMN metadata TEXT;

-- Tokens that work once and were used, by their SHA-256, until they would have expired.
CREATE TABLE spent_tokens (
    merchant INTEGER NOT NULL,
    digest   BLOB    NOT NULL CHECK (length(digest) = 32),
    until    INTEGER NOT NULL,
    PRIMARY KEY (merchant, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_tokens_by_end ON spent_tokens (merchant, until);
