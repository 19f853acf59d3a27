//! One page of a list, read from an index.

use refundry_domain::ids::{MerchantId, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::fail::Fail;
use super::pool::Step;
use super::rows::{Cells, storable};
use crate::store::page::{cut, forward};
use crate::store::people::{Asked, asked};
use crate::store::search::{Condition, List};
use crate::store::{Page, Slice, Sorted, Within};

enum Value {
    Int(i64),
    Ints(Vec<i64>),
    Text(String),
    Texts(Vec<String>),
}

impl Value {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Value::Int(value) => (value, Type::INT8),
            Value::Ints(value) => (value, Type::INT8_ARRAY),
            Value::Text(value) => (value, Type::TEXT),
            Value::Texts(value) => (value, Type::TEXT_ARRAY),
        }
    }
}

/// Rows of one merchant that meet all conditions, in order of number.
pub struct Query {
    columns: &'static str,
    table: &'static str,
    conditions: String,
    params: Vec<Value>,
    sql: String,
    page: Option<Page>,
    sorted: Sorted,
}

impl Query {
    pub fn new(columns: &'static str, table: &'static str, merchant: MerchantId) -> Query {
        Query {
            columns,
            table,
            conditions: "merchant = $1".to_owned(),
            params: vec![Value::Int(merchant.0)],
            sql: String::new(),
            page: None,
            sorted: Sorted::Number,
        }
    }

    /// A condition without a value, such as what a partial index asks for.
    pub fn also(mut self, condition: &str) -> Query {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
        self
    }

    fn compared(mut self, left: &str, value: Option<Value>) -> Query {
        if let Some(value) = value {
            self.params.push(value);
            self.conditions.push_str(&format!(" AND {left} ${}", self.params.len()));
        }
        self
    }

    /// `left`, such as `return_number =`, compared with a value, when there is one.
    pub fn when(self, left: &str, value: Option<i64>) -> Query {
        self.compared(left, value.map(Value::Int))
    }

    pub fn text(self, left: &str, value: Option<&str>) -> Query {
        if value.is_some_and(|value| !storable(value)) {
            return self.also("FALSE");
        }
        self.compared(left, value.map(|value| Value::Text(value.to_owned())))
    }

    /// Rows with one of whose notes this is a tracking id, as the index of them says and the row
    /// still does.
    pub fn tracked(mut self, tracking_id: Option<&str>) -> Query {
        let Some(name) = tracking_id else { return self };
        if !storable(name) {
            return self.also("FALSE");
        }
        self.params.push(Value::Text(name.to_owned()));
        let place = self.params.len();
        self.also(&format!(
            "number IN (SELECT number FROM tracking WHERE merchant = $1 AND tracking_id = ${place}) \
            AND strpos(';' || (metadata::json ->> 'tracking_id') || ';', ';' || ${place} || ';') > 0"
        ))
    }

    /// Orders of customers with these words, when any are given.
    pub fn of_person(self, person: Option<&str>) -> Query {
        let Some(text) = person else { return self };
        let words = asked(text);
        if words.is_empty() || !storable(text) {
            return self.also("FALSE");
        }
        words.into_iter().fold(self, |query, word| {
            let among = "number IN (SELECT number FROM customer_words WHERE merchant = $1 AND word";
            let text = |word| Some(Value::Text(word));
            let mut query = match word {
                Asked::Whole(word) => query.compared(&format!("{among} ="), text(word)),
                Asked::Beginning(from, end) => {
                    query.compared(&format!("{among} >="), text(from)).compared("word <", text(end))
                }
            };
            query.conditions.push(')');
            query
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
            (Sorted::Number, Some(_)) => self.when(&format!("number {sign}"), number),
            (Sorted::Day, Some(_)) => {
                let left = format!(
                    "(created_at, number) {sign} (SELECT created_at, number FROM orders \
                    WHERE merchant = $1 AND number ="
                );
                let mut query = self.when(&left, number);
                query.conditions.push(')');
                query
            }
        }
    }

    /// A condition on lists.
    pub fn of(mut self, condition: &Condition<'_>) -> Query {
        let mut text = condition.text.replace("{merchant}", "$1");
        for (index, list) in condition.lists.iter().enumerate() {
            self.params.push(match list {
                List::Numbers(numbers) => Value::Ints(numbers.clone()),
                List::Names(names) => {
                    let names = names.iter().filter(|name| storable(name));
                    Value::Texts(names.map(|name| (*name).to_owned()).collect())
                }
            });
            let among = format!("= ANY(${})", self.params.len());
            text = text.replace(&format!("IN {{{index}}}"), &among);
        }
        self.also(&text)
    }

    /// Not from the first moment until the second.
    pub fn except(mut self, column: &str, span: Option<(Timestamp, Timestamp)>) -> Query {
        let Some((from, until)) = span else { return self };
        self.params.push(Value::Int(from.0));
        self.params.push(Value::Int(until.0));
        let last = self.params.len();
        self.also(&format!("NOT ({column} >= ${} AND {column} < ${last})", last - 1))
    }

    /// The column has one of the texts, when any are given.
    pub fn any(mut self, column: &str, texts: &[String]) -> Query {
        if !texts.is_empty() {
            let texts = texts.iter().filter(|text| storable(text)).cloned().collect();
            self.params.push(Value::Texts(texts));
            self.conditions.push_str(&format!(" AND {column} = ANY(${})", self.params.len()));
        }
        self
    }

    /// The column has one of the names, when any are given. They stand in the text itself, so that
    /// the planner sees which partial index they are in.
    pub fn among(mut self, column: &str, names: &[&'static str]) -> Query {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
            self.conditions.push_str(&format!(" AND {column} IN ({})", names.join(", ")));
        }
        self
    }

    pub fn within(self, column: &str, span: &Within) -> Query {
        self.when(&format!("{column} >="), span.from.map(|at| at.0))
            .when(&format!("{column} <"), span.until.map(|at| at.0))
            .except(column, span.except)
    }

    pub fn created(self, from: Option<Timestamp>, until: Option<Timestamp>) -> Query {
        self.when("created_at >=", from.map(|at| at.0)).when("created_at <", until.map(|at| at.0))
    }

    pub fn page(self, page: Page) -> Query {
        let (after, before) = if page.oldest_first { (">", "<") } else { ("<", ">") };
        let mut query = self.beside(after, page.after).beside(before, page.before);
        let direction = if page.oldest_first == forward(page) { "ASC" } else { "DESC" };
        query.params.push(Value::Int(i64::from(page.limit) + 1));
        let first = match query.sorted {
            Sorted::Number => String::new(),
            Sorted::Day => format!("created_at {direction}, "),
        };
        query.sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {first}number {direction} LIMIT ${}",
            query.columns,
            query.table,
            query.conditions,
            query.params.len()
        );
        query.page = Some(page);
        query
    }

    pub fn step(&self) -> Step<'_> {
        Step::Once(&self.sql, self.params.iter().map(Value::typed).collect())
    }

    pub fn slice<T>(
        &self,
        rows: &[Row],
        read: impl Fn(&mut Cells<'_>) -> Result<T, Fail>,
    ) -> Result<Slice<T>, Fail> {
        let found = rows.iter().map(|row| read(&mut Cells::of(row))).collect::<Result<_, _>>()?;
        let nothing = || Fail::Unavailable("a list was asked for without a page".to_owned());
        Ok(cut(found, self.page.ok_or_else(nothing)?))
    }
}
