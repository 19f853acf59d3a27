-- The merchants' accounts at providers. What is in sealed opens only with the master key.
CREATE TABLE connections (
    merchant   INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    connector  TEXT    NOT NULL,
    settings   TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (merchant, name)
) STRICT, WITHOUT ROWID;
