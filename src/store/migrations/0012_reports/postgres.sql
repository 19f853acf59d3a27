-- How far the events of a merchant are counted for the reports, and by the clocks of which time zone
-- its days begin. It moves in the commit that adds what was counted.
CREATE TABLE report_cursors (
    merchant bigint NOT NULL PRIMARY KEY,
    cursor   bigint NOT NULL CHECK (cursor >= 0),
    zone     text   NOT NULL
);

-- How many refunds, or payouts, came to what on a day, and their amounts in minor units. All of it
-- follows from the events: emptied, and with its cursor at 0, it is counted again.
CREATE TABLE report_days (
    merchant bigint NOT NULL,
    day      text   COLLATE "C" NOT NULL CHECK (length(day) = 10),
    currency text   COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    provider text   COLLATE "C" NOT NULL,
    reason   text   COLLATE "C" NOT NULL,
    counted  text   COLLATE "C" NOT NULL,
    detail   text   COLLATE "C" NOT NULL,
    times    bigint NOT NULL CHECK (times >= 1),
    amount   bigint NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (merchant, day, currency, provider, reason, counted, detail)
);
