//! What of a list a page shows, whatever the rows come from.

use super::{Page, Slice};

/// Whether the rows nearest to the list's beginning are wanted, or those nearest to `before`.
pub fn forward(page: Page) -> bool {
    page.before.is_none() || page.after.is_some()
}

/// The first rows of those found, which are one more than wanted when there are more.
pub fn cut<T>(mut found: Vec<T>, page: Page) -> Slice<T> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    if !forward(page) {
        found.reverse();
    }
    Slice { rows: found, more }
}

/// A page of rows that are all at hand, in any order.
pub fn of_rows<T>(mut rows: Vec<T>, number: impl Fn(&T) -> i64, page: Page) -> Slice<T> {
    let ascending = page.oldest_first == forward(page);
    rows.retain(|row| {
        let number = number(row);
        let follows = |after| if page.oldest_first { number > after } else { number < after };
        let precedes = |before| if page.oldest_first { number < before } else { number > before };
        page.after.is_none_or(follows) && page.before.is_none_or(precedes)
    });
    if ascending {
        rows.sort_unstable_by_key(&number);
    } else {
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(number(row)));
    }
    cut(rows, page)
}

/// One page of several lists that have no row in common, a page of each being at hand.
pub fn merged<T, E>(
    lists: impl Iterator<Item = Result<Slice<T>, E>>,
    number: impl Fn(&T) -> i64,
    page: Page,
) -> Result<Slice<T>, E> {
    let (mut rows, mut more) = (Vec::new(), false);
    for list in lists {
        let list = list?;
        rows.extend(list.rows);
        more |= list.more;
    }
    let mut merged = of_rows(rows, number, page);
    merged.more |= more;
    Ok(merged)
}
