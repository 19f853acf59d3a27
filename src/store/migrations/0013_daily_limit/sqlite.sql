-- What a merchant has decided to give back on one of its days, where it has a limit: how many refunds,
-- and how much of each currency in minor units, such as {"USD":1999}. It is read and written in the
-- commit that decides, and follows from the days that stand with the refunds.
CREATE TABLE daily_totals (
    merchant INTEGER NOT NULL,
    day      TEXT    NOT NULL CHECK (length(day) = 10),
    refunds  INTEGER NOT NULL CHECK (refunds >= 0),
    amounts  TEXT    NOT NULL,
    PRIMARY KEY (merchant, day)
) STRICT, WITHOUT ROWID;

-- Why a refund that waits to be confirmed was not decided at once, and the day on which it counts.
ALTER TABLE refunds ADD COLUMN waits_for TEXT
    CHECK (waits_for IN ('confirmation', 'approval', 'daily_limit'));
ALTER TABLE refunds ADD COLUMN counted_on TEXT CHECK (length(counted_on) = 10);
