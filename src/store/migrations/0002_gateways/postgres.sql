-- The merchants' accounts at providers. What is in sealed opens only with the master key.
CREATE TABLE connections (
    merchant   BIGINT  NOT NULL,
    name       TEXT    NOT NULL,
    number     BIGINT  NOT NULL,
    connector  TEXT    NOT NULL,
    settings   TEXT    NOT NULL,
    sealed     BYTEA   NOT NULL,
    enabled    BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    PRIMARY KEY (merchant, name)
);
