//! One page of a list, from an index or from rows already at hand.

use refundry_domain::ids::{MerchantId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::Fail;
use crate::store::{Page, Slice};

/// Rows of one merchant that meet all conditions, in order of number.
pub struct Query {
    columns: &'static str,
    from: &'static str,
    conditions: String,
    params: Vec<Value>,
}

impl Query {
    /// `from` is a table whose rows have a merchant and a number, and may name an index.
    pub fn new(columns: &'static str, from: &'static str, merchant: MerchantId) -> Query {
        let params = vec![Value::Integer(merchant.0)];
        Query { columns, from, conditions: "merchant = ?1".to_owned(), params }
    }

    /// A condition without a value, such as what a partial index asks for.
    pub fn also(mut self, condition: &str) -> Query {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
        self
    }

    /// `left`, such as `state =`, compared with a value, when there is one.
    pub fn when(mut self, left: &str, value: Option<impl Into<Value>>) -> Query {
        if let Some(value) = value {
            self.params.push(value.into());
            self.conditions.push_str(&format!(" AND {left} ?{}", self.params.len()));
        }
        self
    }

    /// Ends a condition that [`Query::when`] has begun.
    pub fn closed(mut self, end: &str) -> Query {
        self.conditions.push_str(end);
        self
    }

    /// The column has one of the names, when any are given.
    pub fn among(mut self, column: &str, names: &[&'static str]) -> Query {
        if names.is_empty() {
            return self;
        }
        let mut places = Vec::with_capacity(names.len());
        for name in names {
            self.params.push(Value::Text((*name).to_owned()));
            places.push(format!("?{}", self.params.len()));
        }
        self.conditions.push_str(&format!(" AND {column} IN ({})", places.join(", ")));
        self
    }

    /// Rows with one of whose notes this is a tracking id, as the index of them says and the row
    /// still does.
    pub fn tracked(self, tracking_id: Option<&str>) -> Query {
        let Some(name) = tracking_id else { return self };
        self.when(
            "number IN (SELECT number FROM tracking WHERE merchant = ?1 AND tracking_id =",
            Some(name.to_owned()),
        )
        .closed(")")
        .when(
            "instr(';' || json_extract(metadata, '$.tracking_id') || ';', ';' ||",
            Some(name.to_owned()),
        )
        .closed(" || ';') > 0")
    }

    /// A condition on lists of values, `{1}` and so on, when any of them has one.
    pub fn of<const N: usize>(self, condition: &str, lists: [Vec<Value>; N]) -> Query {
        self.if_any(false, condition, lists)
    }

    /// As [`Query::of`], and always when `wanted`.
    pub fn if_any<const N: usize>(
        mut self,
        wanted: bool,
        condition: &str,
        lists: [Vec<Value>; N],
    ) -> Query {
        if !wanted && lists.iter().all(Vec::is_empty) {
            return self;
        }
        let mut condition = condition.to_owned();
        for (index, list) in lists.into_iter().enumerate() {
            let mut places = Vec::with_capacity(list.len());
            for value in list {
                self.params.push(value);
                places.push(format!("?{}", self.params.len()));
            }
            let list = format!("({})", places.join(", "));
            condition = condition.replace(&format!("{{{}}}", index + 1), &list);
        }
        self.also(&condition)
    }

    /// Not from the first moment until the second.
    pub fn except(mut self, column: &str, span: Option<(Timestamp, Timestamp)>) -> Query {
        let Some((from, until)) = span else { return self };
        self.params.push(Value::Integer(from.0));
        self.params.push(Value::Integer(until.0));
        let last = self.params.len();
        self.also(&format!("NOT ({column} >= ?{} AND {column} < ?{last})", last - 1))
    }

    pub fn created(self, from: Option<Timestamp>, until: Option<Timestamp>) -> Query {
        self.when("created_at >=", from.map(|at| at.0)).when("created_at <", until.map(|at| at.0))
    }

    pub fn page<T>(
        self,
        conn: &Connection,
        page: Page,
        read: impl Fn(&Row<'_>) -> Result<T, Fail>,
    ) -> Result<Slice<T>, Fail> {
        let (after, before) = if page.oldest_first { (">", "<") } else { ("<", ">") };
        let mut query = self
            .when(&format!("number {after}"), page.after)
            .when(&format!("number {before}"), page.before);
        let direction = if page.oldest_first == forward(page) { "ASC" } else { "DESC" };
        query.params.push(Value::Integer(i64::from(page.limit) + 1));
        let sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY number {direction} LIMIT ?{}",
            query.columns,
            query.from,
            query.conditions,
            query.params.len()
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(query.params))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(cut(found, page))
    }
}

/// Whether the rows nearest to the list's beginning are wanted, or those nearest to `before`.
fn forward(page: Page) -> bool {
    page.before.is_none() || page.after.is_some()
}

/// The first rows of those found, which are one more than wanted when there are more.
fn cut<T>(mut found: Vec<T>, page: Page) -> Slice<T> {
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
pub fn merged<T>(
    lists: impl Iterator<Item = Result<Slice<T>, Fail>>,
    number: impl Fn(&T) -> i64,
    page: Page,
) -> Result<Slice<T>, Fail> {
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
