-- What a merchant has decided to give back on one of its days, where it has a limit: how many refunds,
-- and how much of each currency in minor units, such as {"USD":1999}. It is read and written in the
-- commit that decides, and follows from the days that stand with the refunds.
CREATE TABLE daily_totals (
    merchant bigint NOT NULL,
    day      text   COLLATE "C" NOT NULL CHECK (length(day) = 10),
    refunds  bigint NOT NULL CHECK (refunds >= 0),
    amounts  text   NOT NULL,
    PRIMARY KEY (merchant, day)
);

-- Why a refund that waits to be confirmed was not decided at once, and the day on which it counts.
ALTER TABLE refunds ADD COLUMN waits_for text
    CHECK (waits_for IN ('confirmation', 'approval', 'daily_limit'));
ALTER TABLE refunds ADD COLUMN counted_on text CHECK (length(counted_on) = 10);

-- How often a key was used on a day (its number, of UTC), where calls a day are limited, beside how
-- often it was since the process began.
ALTER TABLE key_use ADD COLUMN IF NOT EXISTS day bigint NOT NULL DEFAULT 0;
ALTER TABLE key_use ADD COLUMN IF NOT EXISTS calls bigint NOT NULL DEFAULT 0;
