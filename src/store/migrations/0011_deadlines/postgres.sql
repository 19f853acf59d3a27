-- Refunds that already waited for somebody outside when deadlines came (step 7) have none. They get
-- what others get when they begin to wait, counted from now on.
UPDATE refunds SET information_due = (extract(epoch FROM now()) * 1000)::bigint + coalesce((SELECT (settings::json ->> 'information_expiry_ms')::bigint
    FROM merchants WHERE merchants.number = refunds.merchant), 2592000000)
    WHERE state = 'requires_information' AND information_due IS NULL;

-- When nobody gives bank details.
INSERT INTO work (merchant, queue, subject, due)
    SELECT merchant, 'expire', number, information_due FROM refunds
    WHERE state = 'requires_information'
    ON CONFLICT DO NOTHING;

-- When an outside platform does not report.
INSERT INTO work (merchant, queue, subject, due)
    SELECT DISTINCT refunds.merchant, 'expire', refunds.number,
        (extract(epoch FROM now()) * 1000)::bigint + coalesce((merchants.settings::json ->> 'report_within_ms')::bigint, 604800000)
    FROM transactions
    JOIN refunds ON refunds.merchant = transactions.merchant
        AND refunds.number = transactions.refund
    JOIN merchants ON merchants.number = refunds.merchant
    WHERE transactions.execution = 'notify' AND NOT transactions.superseded
        AND transactions.state IN ('requested', 'processing')
    ON CONFLICT DO NOTHING;

-- When bank details of a refund that failed are not needed any more.
INSERT INTO work (merchant, queue, subject, due)
    SELECT refunds.merchant, 'expire', refunds.number,
        (extract(epoch FROM now()) * 1000)::bigint + coalesce((merchants.settings::json ->> 'information_expiry_ms')::bigint, 2592000000)
    FROM refunds JOIN merchants ON merchants.number = refunds.merchant
    WHERE refunds.state = 'failed' AND octet_length(refunds.information) > 5
    ON CONFLICT DO NOTHING;
