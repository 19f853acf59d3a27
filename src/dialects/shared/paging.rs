//! The query of a request: each field known, given once, and of the right shape.

use axum::extract::Query as Pairs;
use axum::http::Uri;

use super::problem::Problem;
use crate::store::{Page, Slice};

pub const LIMIT: u32 = 25;
pub const LIMIT_MOST: u32 = 100;

/// The fields of a query that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn of(uri: &Uri) -> Result<Fields, Problem> {
        if uri.query().is_none_or(str::is_empty) {
            return Ok(Fields::default());
        }
        let Pairs(pairs) = Pairs::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Problem::query("", "The query is not of the form a=1&b=2."))?;
        Ok(Fields(pairs))
    }

    /// The value of a field that may be given once.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.drain(name);
        match (values.pop(), values.is_empty()) {
            (value, true) => Ok(value),
            (_, false) => Err(Problem::query(name, "The field is given more than once.")),
        }
    }

    /// The values of a field that may be repeated, or list several with commas between.
    pub fn take_all(&mut self, name: &str) -> Vec<String> {
        let values = self.drain(name);
        values.iter().flat_map(|value| value.split(',')).map(str::to_owned).collect()
    }

    fn drain(&mut self, name: &str) -> Vec<String> {
        let taken = self.0.extract_if(.., |(field, _)| field == name);
        taken.map(|(_, value)| value).collect()
    }

    pub fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.take(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::query(name, "Expected true or false.")),
        }
    }

    /// One value, read by `read`, which answers what was expected instead.
    pub fn one<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.take(name)? else { return Ok(None) };
        read(&value).map(Some).map_err(|expected| Problem::query(name, expected))
    }

    pub fn many<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Problem> {
        let values = self.take_all(name);
        let read = |value: &String| read(value).map_err(|expected| Problem::query(name, expected));
        values.iter().map(read).collect()
    }

    /// Which part of a list is asked for; a cursor is the id of a row, read by `cursor`.
    pub fn page(&mut self, cursor: impl Fn(&str) -> Result<i64, String>) -> Result<Page, Problem> {
        let after = self.one("after", &cursor)?;
        let before = self.one("before", &cursor)?;
        if after.is_some() && before.is_some() {
            return Err(Problem::query("before", "Give after or before, not both."));
        }
        let limit = self.one("limit", |text| {
            let number = text.parse().ok().filter(|limit| (1..=LIMIT_MOST).contains(limit));
            number.ok_or_else(|| "Expected a number from 1 to 100.".to_owned())
        })?;
        Ok(Page { after, before, limit: limit.unwrap_or(LIMIT), oldest_first: false })
    }

    /// Refuses what nobody has taken.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
                Err(Problem::query(name, "There is no such query field here."))
            }
        }
    }
}

/// The row from which the list goes on, in the direction that was paged.
pub fn next_of<'a, T>(slice: &'a Slice<T>, page: &Page) -> Option<&'a T> {
    if !slice.more {
        return None;
    }
    if page.before.is_some() { slice.rows.first() } else { slice.rows.last() }
}
