-- How far the events of a merchant are counted for the reports, and by the clocks of which time zone
-- its days begin. It moves in the commit that adds what was counted.
CREATE TABLE report_cursors (
    merchant INTEGER NOT NULL PRIMARY KEY,
    cursor   INTEGER NOT NULL CHECK (cursor >= 0),
    zone     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- How many refunds, or payouts, came to what on a day, and their amounts in minor units: told apart by
-- provider and reason (apart is 1), and all of a currency together (apart is 0, and neither is named),
-- which is what most is asked for. All of it follows from the events: emptied, and with its cursor
-- gone, it is counted again.
CREATE TABLE report_days (
    merchant INTEGER NOT NULL,
    apart    INTEGER NOT NULL CHECK (apart IN (0, 1)),
    day      TEXT    NOT NULL CHECK (length(day) = 10),
    currency TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    provider TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    counted  TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    times    INTEGER NOT NULL CHECK (times >= 1),
    amount   INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (merchant, apart, day, currency, provider, reason, counted, detail)
) STRICT, WITHOUT ROWID;
