-- How far the events of a merchant are counted for the reports, and by the clocks of which time zone
-- its days begin. It moves in the commit that adds what was counted.
CREATE TABLE report_cursors (
    merchant bigint NOT NULL PRIMARY KEY,
    cursor   bigint NOT NULL CHECK (cursor >= 0),
    zone     text   NOT NULL
);

-- How many refunds, or payouts, came to what on a day, and their amounts in minor units: told apart by
-- provider and reason (apart is 1), and all of a currency together (apart is 0, and neither is named),
-- which is what most is asked for. All of it follows from the events: emptied, and with its cursor
-- gone, it is counted again.
CREATE TABLE report_days (
    merchant bigint NOT NULL,
    apart    bigint NOT NULL CHECK (apart IN (0, 1)),
    day      text   COLLATE "C" NOT NULL CHECK (length(day) = 10),
    currency text   COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    provider text   COLLATE "C" NOT NULL,
    reason   text   COLLATE "C" NOT NULL,
    counted  text   COLLATE "C" NOT NULL,
    detail   text   COLLATE "C" NOT NULL,
    times    bigint NOT NULL CHECK (times >= 1),
    amount   bigint NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (merchant, apart, day, currency, provider, reason, counted, detail)
);
