//! What a refund costs when PostgreSQL is asked for the same rows by `pgbench`, one a transaction.

use std::sync::Arc;

use refundry_domain::merchant::Settings;

use super::pool::{self, Step};
use super::watch::Watch;
use super::{OpenError, Options, PostgresStore};
use crate::store::{StoreError, encode};

/// Orders of a merchant that nothing else uses.
const ORDERS: &str = "INSERT INTO merchants (number, name, settings, chain_length, chain_hash, \
    last_event, created_at, updated_at) VALUES (-1, 'pgbench', $1, 0, \
    decode(repeat('00', 32), 'hex'), 0, 0, 0) ON CONFLICT DO NOTHING";
const FILL: &str = "WITH wanted AS (SELECT g FROM generate_series(1, $1::bigint) g), \
    made AS (INSERT INTO orders (merchant, number, reference, currency, captured, held, refunded, \
    blocked, chain_length, chain_hash, last_event, last_refund, created_at, updated_at) \
    SELECT -1, -g, g::text, 'EUR', 1000000000, 0, 0, 0, 0, decode(repeat('00', 32), 'hex'), 0, 0, \
    0, 0 FROM wanted ON CONFLICT DO NOTHING) \
    INSERT INTO transactions (merchant, number, order_number, currency, kind, provider, method, \
    amount, captured, created_at, updated_at) SELECT -1, -g, -g, 'EUR', 'payment', 'sandbox', \
    'card', 1000000000, 1000000000, 0, 0 FROM wanted ON CONFLICT DO NOTHING";

/// For `pgbench -M prepared -D orders=…`: the rows that asking for a refund writes, in the order in
/// which the product writes them. Paying it out is not in it.
pub const SCRIPT: &str = r"\set o random(1, :orders)
BEGIN;
SELECT last_event AS e, last_refund AS r, chain_length AS c FROM orders WHERE merchant = -1 AND number = 0 - :o FOR UPDATE \gset
SELECT captured FROM transactions WHERE merchant = -1 AND order_number = 0 - :o AND refund IS NULL;
SELECT position FROM lines WHERE merchant = -1 AND order_number = 0 - :o;
SELECT answer FROM claims WHERE merchant = -1 AND digest = (SELECT decode(md5(random()::text), 'hex'));
SELECT nextval('numbers') AS n \gset
INSERT INTO claims (merchant, digest, answer) VALUES (-1, decode(md5(:n::text), 'hex'), :n);
INSERT INTO answers (merchant, number, fingerprint, status, answered_at, body) VALUES (-1, :n, decode(md5(:n::text) || md5(:n::text), 'hex'), 201, 0, decode(repeat('7b', 900), 'hex'));
UPDATE orders SET held = held + 100, chain_length = chain_length + 1, last_event = :n + 3, last_refund = :n + 1 WHERE merchant = -1 AND number = 0 - :o;
UPDATE transactions SET held = held + 100 WHERE merchant = -1 AND number = 0 - :o;
INSERT INTO refunds (merchant, number, order_number, previous, state, execution, destination, currency, amount, refunded, asked_by, requested_by, created_at, updated_at) VALUES (-1, :n + 1, 0 - :o, :r, 'pending', 'automatic', 'original_payment', 'EUR', 100, 0, 'amount', 'key:1', 0, 0);
INSERT INTO transactions (merchant, number, order_number, currency, kind, parent, provider, method, amount, refund, execution, state, provider_key, created_at, updated_at) VALUES (-1, :n + 2, 0 - :o, 'EUR', 'refund', 0 - :o, 'sandbox', 'card', 100, :n + 1, 'automatic', 'pending', 'bench--1-' || :n, 0, 0);
INSERT INTO events (merchant, number, order_number, previous, position, name, subject_kind, subject, happened_at, done_by, data, hash) VALUES (-1, :n + 3, 0 - :o, :e, :c + 1, 'refund.requested', 'refund', :n + 1, 0, 'key:1', repeat('x', 220), decode(md5(:n::text) || md5(:n::text), 'hex'));
INSERT INTO work (merchant, queue, subject, due) VALUES (-1, 'pay', :n + 2, 9000000000000000);
COMMIT;
";

/// Makes the orders that the script takes; the books must be there.
pub async fn prepare(options: &Options, orders: i64) -> Result<(), StoreError> {
    let opened = PostgresStore::open(options, None).await;
    let store = opened.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let mut lent = pool::lend(&store.books.pool, options.timeout).await?;
    let settings = encode::settings(&Settings::default());
    let steps = [Step::Query(ORDERS, vec![&settings]), Step::Query(FILL, vec![&orders])];
    lent.send(&steps).await?;
    lent.cleared();
    Ok(())
}

/// Has the database count its rows, as `pgbench -i` does, so that neither side is planned for
/// tables as they were when they were empty.
pub async fn count_rows(options: &Options) -> Result<(), StoreError> {
    let opened = PostgresStore::open(options, None).await;
    let store = opened.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let mut lent = pool::lend(&store.books.pool, options.timeout).await?;
    lent.send(&[Step::Plain("ANALYZE")]).await?;
    lent.cleared();
    Ok(())
}

/// Takes away the events that the script made. They are in no true chain, and whoever opens these
/// books would take them for damage; so they are not opened for this.
pub async fn clear(options: &Options) -> Result<(), StoreError> {
    let unusable = |error: OpenError| StoreError::Unavailable(error.to_string());
    let (watch, _) = Watch::over(None).map_err(unusable)?;
    let pool = pool::open(options, &Arc::new(watch)).map_err(unusable)?;
    let mut lent = pool::lend(&pool, options.timeout).await?;
    lent.send(&[Step::Query("DELETE FROM events WHERE merchant = -1", vec![])]).await?;
    lent.cleared();
    Ok(())
}
