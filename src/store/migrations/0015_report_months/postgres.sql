-- Sums of whole months by provider (apart is 2) and by reason (apart is 3), under the month's first day,
-- so that a report of a year by one of them reads no more rows than one of a month.
ALTER TABLE report_days DROP CONSTRAINT report_days_apart_check;
ALTER TABLE report_days ADD CONSTRAINT report_days_apart_check CHECK (apart BETWEEN 0 AND 3);
INSERT INTO report_days (merchant, apart, day, currency, provider, reason, counted, detail, times,
    amount)
SELECT merchant, 2, substr(day, 1, 8) || '01', currency, provider, '', counted, detail,
    sum(times)::bigint, least(sum(amount), 9223372036854775807)::bigint
FROM report_days WHERE apart = 1
GROUP BY merchant, substr(day, 1, 8), currency, provider, counted, detail;
INSERT INTO report_days (merchant, apart, day, currency, provider, reason, counted, detail, times,
    amount)
SELECT merchant, 3, substr(day, 1, 8) || '01', currency, '', reason, counted, detail,
    sum(times)::bigint, least(sum(amount), 9223372036854775807)::bigint
FROM report_days WHERE apart = 1
GROUP BY merchant, substr(day, 1, 8), currency, reason, counted, detail;

-- Up to which event the sums of months go. A version that does not know of them moves the cursor
-- alone; the next one that does makes the sums anew.
ALTER TABLE report_cursors ADD COLUMN summed bigint NOT NULL DEFAULT 0;
UPDATE report_cursors SET summed = cursor;
