//! The fields of a query or a form, and addresses that differ from this one in a field.

use std::str::FromStr;

use form_urlencoded::Serializer;

/// Names and values in the order in which they came; a name may come more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &[u8]) -> Query {
        Query(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first value of a name, without spaces around it; empty is as not given.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// As it was written, empty when it was not given: to be shown again.
    pub fn written(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a box is ticked.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    pub fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// The same with other values.
    pub fn changed(&self, changes: &[(&str, Option<&str>)]) -> Query {
        Query::parse(self.with(changes).as_bytes())
    }

    /// As it stands in an address with other values: `None` leaves a name out.
    pub fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut out = Serializer::new(String::new());
        for (name, value) in &self.0 {
            let changed = changes.iter().any(|(known, _)| known == name);
            if !changed && !value.is_empty() {
                out.append_pair(name, value);
            }
        }
        for (name, value) in changes {
            if let Some(value) = value {
                out.append_pair(name, value);
            }
        }
        out.finish()
    }
}

/// A path with a query of these fields.
pub fn href(path: &str, fields: &[(&str, &str)]) -> String {
    if fields.is_empty() {
        return path.to_owned();
    }
    let query = Serializer::new(String::new()).extend_pairs(fields).finish();
    format!("{path}?{query}")
}
