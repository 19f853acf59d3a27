-- Sums of whole months by provider (apart is 2) and by reason (apart is 3), under the month's first day,
-- so that a report of a year by one of them reads no more rows than one of a month.
CREATE TABLE report_days_summed (
    merchant INTEGER NOT NULL,
    apart    INTEGER NOT NULL CHECK (apart BETWEEN 0 AND 3),
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
INSERT INTO report_days_summed (merchant, apart, day, currency, provider, reason, counted, detail,
    times, amount)
SELECT merchant, apart, day, currency, provider, reason, counted, detail, times, amount
FROM report_days;
-- Amounts are added in two pieces, for `sum` fails beyond the largest number.
INSERT INTO report_days_summed (merchant, apart, day, currency, provider, reason, counted, detail,
    times, amount)
SELECT merchant, 2, substr(day, 1, 8) || '01', currency, provider, '', counted, detail, sum(times),
    CASE WHEN sum(amount >> 20) >= 8796093022207 THEN 9223372036854775807
    ELSE (sum(amount >> 20) << 20) + sum(amount & 1048575) END
FROM report_days WHERE apart = 1
GROUP BY merchant, substr(day, 1, 8), currency, provider, counted, detail;
INSERT INTO report_days_summed (merchant, apart, day, currency, provider, reason, counted, detail,
    times, amount)
SELECT merchant, 3, substr(day, 1, 8) || '01', currency, '', reason, counted, detail, sum(times),
    CASE WHEN sum(amount >> 20) >= 8796093022207 THEN 9223372036854775807
    ELSE (sum(amount >> 20) << 20) + sum(amount & 1048575) END
FROM report_days WHERE apart = 1
GROUP BY merchant, substr(day, 1, 8), currency, reason, counted, detail;
DROP TABLE report_days;
ALTER TABLE report_days_summed RENAME TO report_days;

-- Up to which event the sums of months go. A version that does not know of them moves the cursor
-- alone; the next one that does makes the sums anew.
ALTER TABLE report_cursors ADD COLUMN summed INTEGER NOT NULL DEFAULT 0;
UPDATE report_cursors SET summed = cursor;
