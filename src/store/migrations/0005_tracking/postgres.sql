-- The callers' own names of orders and refunds, so that they are found by them; they need not be
-- unique. A name that a row no longer has may stand here still: who reads it compares with the row.
CREATE TABLE tracking (
    merchant    BIGINT NOT NULL,
    tracking_id TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    PRIMARY KEY (merchant, tracking_id, number)
);
