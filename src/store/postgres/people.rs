//! Customers' words of the orders that were there before the words were kept.

use super::fail::Fail;
use super::pool::{Lent, Step};
use crate::store::people::words;

const AT_ONCE: i64 = 5_000;

/// In the transaction of the migration, which stays open.
pub async fn fill(lent: &mut Lent) -> Result<(), Fail> {
    let next = "SELECT merchant, number, customer_name, customer_email FROM orders \
        WHERE (merchant, number) > ($1, $2) ORDER BY merchant, number LIMIT $3";
    let insert = "INSERT INTO customer_words (merchant, word, number) \
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])";
    let mut last = (0_i64, 0_i64);
    loop {
        let read = [Step::Query(next, vec![&last.0, &last.1, &AT_ONCE])];
        let found = lent.send(&read).await?.pop().unwrap_or_default();
        let Some(end) = found.last() else { return Ok(()) };
        last = (end.get(0), end.get(1));
        let (mut merchants, mut texts, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for row in &found {
            let (merchant, number): (i64, i64) = (row.get(0), row.get(1));
            for word in words(row.get(2), row.get(3)) {
                merchants.push(merchant);
                texts.push(word);
                numbers.push(number);
            }
        }
        lent.send(&[Step::Query(insert, vec![&merchants, &texts, &numbers])]).await?;
    }
}
