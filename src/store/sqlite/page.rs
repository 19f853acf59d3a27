//! One page of a list, from an index or from rows already at hand.

use refundry_domain::ids::{MerchantId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::Fail;
use crate::store::page::{cut, forward};
use crate::store::people::{Asked, asked};
use crate::store::search::{Condition, List};
use crate::store::{Page, Slice, Sorted, Within};

/// Rows of one merchant that meet all conditions, in order of number.
pub struct Query {
    columns: &'static str,
    from: &'static str,
    conditions: String,
    params: Vec<Value>,
    sorted: Sorted,
}

impl Query {
    /// `from` is a table whose rows have a merchant and a number, and may name an index.
    pub fn new(columns: &'static str, from: &'static str, merchant: MerchantId) -> Query {
        let params = vec![Value::Integer(merchant.0)];
        let conditions = "merchant = ?1".to_owned();
        Query { columns, from, conditions, params, sorted: Sorted::Number }
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

    /// Orders of customers with these words, when any are given.
    pub fn of_person(self, person: Option<&str>) -> Query {
        let Some(text) = person else { return self };
        let words = asked(text);
        if words.is_empty() {
            return self.also("FALSE");
        }
        words.into_iter().fold(self, |query, word| {
            let among = "number IN (SELECT number FROM customer_words WHERE merchant = ?1 AND word";
            match word {
                Asked::Whole(word) => query.when(&format!("{among} ="), Some(word)),
                Asked::Beginning(from, end) => {
                    query.when(&format!("{among} >="), Some(from)).when("word <", Some(end))
                }
            }
            .closed(")")
        })
    }

    /// In order of when the customer ordered, and of number where that is the same.
    pub fn sorted(mut self, by: Sorted) -> Query {
        self.sorted = by;
        self
    }

    /// On that side of the row with this number, in the list's order.
    fn beside(self, sign: &str, number: Option<i64>) -> Query {
        match (self.sorted, number) {
            (_, None) => self,
            (Sorted::Number, Some(number)) => self.when(&format!("number {sign}"), Some(number)),
            (Sorted::Day, Some(number)) => {
                let left = format!(
                    "(created_at, number) {sign} (SELECT created_at, number FROM orders \
                    WHERE merchant = ?1 AND number ="
                );
                self.when(&left, Some(number)).closed(")")
            }
        }
    }

    /// A condition on lists.
    pub fn of(mut self, condition: &Condition<'_>) -> Query {
        let mut text = condition.text.replace("{merchant}", "?1");
        for (index, list) in condition.lists.iter().enumerate() {
            let values: Vec<Value> = match list {
                List::Numbers(numbers) => numbers.iter().map(|number| (*number).into()).collect(),
                List::Names(names) => names.iter().map(|name| (*name).to_owned().into()).collect(),
            };
            let first = self.params.len() + 1;
            self.params.extend(values);
            let places: Vec<_> = (first..=self.params.len()).map(|at| format!("?{at}")).collect();
            text = text.replace(&format!("{{{index}}}"), &format!("({})", places.join(", ")));
        }
        self.also(&text)
    }

    /// Not from the first moment until the second.
    pub fn except(mut self, column: &str, span: Option<(Timestamp, Timestamp)>) -> Query {
        let Some((from, until)) = span else { return self };
        self.params.push(Value::Integer(from.0));
        self.params.push(Value::Integer(until.0));
        let last = self.params.len();
        self.also(&format!("NOT ({column} >= ?{} AND {column} < ?{last})", last - 1))
    }

    pub fn within(self, column: &str, span: &Within) -> Query {
        self.when(&format!("{column} >="), span.from.map(|at| at.0))
            .when(&format!("{column} <"), span.until.map(|at| at.0))
            .except(column, span.except)
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
        let mut query = self.beside(after, page.after).beside(before, page.before);
        let direction = if page.oldest_first == forward(page) { "ASC" } else { "DESC" };
        query.params.push(Value::Integer(i64::from(page.limit) + 1));
        let first = match query.sorted {
            Sorted::Number => String::new(),
            Sorted::Day => format!("created_at {direction}, "),
        };
        let sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {first}number {direction} LIMIT ?{}",
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
