-- The words of a customer's name, and the email, in small letters, so that orders are found by the
-- beginning of each. The program writes them: it knows the small letters of every alphabet. Orders
-- from before get theirs right after this step.
CREATE TABLE customer_words (
    merchant BIGINT NOT NULL,
    word     TEXT COLLATE "C" NOT NULL,
    number   BIGINT NOT NULL,
    PRIMARY KEY (merchant, word, number)
);

-- Shops may register what was ordered long before, so the number does not tell the day.
CREATE INDEX orders_by_day ON orders (merchant, created_at, number);

-- What somebody outside has to report. What a gateway carries out never stands here.
CREATE INDEX refunds_by_outside ON refunds (merchant, execution, number)
    WHERE state IN ('processing', 'needs_attention') AND execution <> 'automatic';
