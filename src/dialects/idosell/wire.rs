//! What came, whatever it came in: named values, read by the type that a method wants. Numbers
//! stay as they were written.

use axum::extract::Query;
use axum::http::Uri;
use refundry_domain::money::{Currency, Exact};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::refusals::Trouble;
use super::source::SourceType;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    /// A number's digits, as written.
    Number(String),
    Flag(bool),
    Null,
    List,
    Group(Group),
}

/// Named values, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group(pub Vec<(String, Value)>);

/// The longest text that is taken in any field.
const TEXT_MOST: usize = 256;

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        match raw.as_bytes().first() {
            Some(b'{') => serde_json::from_str(raw).map(Value::Group).map_err(Error::custom),
            Some(b'[') => Ok(Value::List),
            Some(b'"') => serde_json::from_str(raw).map(Value::Text).map_err(Error::custom),
            Some(b't') => Ok(Value::Flag(true)),
            Some(b'f') => Ok(Value::Flag(false)),
            Some(b'n') => Ok(Value::Null),
            Some(_) | None => Ok(Value::Number(raw.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Group, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Group;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Group, A::Error> {
                let mut group = Group::default();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    group.add(name, value).map_err(A::Error::custom)?;
                }
                Ok(group)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl Group {
    /// Adds a field that is not there yet.
    pub fn add(&mut self, name: String, value: Value) -> Result<(), String> {
        if self.0.iter().any(|(known, _)| *known == name) {
            return Err("a field is given twice".to_owned());
        }
        self.0.push((name, value));
        Ok(())
    }

    /// The fields of a query.
    pub fn of_query(uri: &Uri) -> Result<Group, Trouble> {
        let malformed = || Trouble::Format("The query is not of the form a=1&b=2.".to_owned());
        let Query(pairs) =
            Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| malformed())?;
        let mut group = Group::default();
        for (name, value) in pairs {
            group
                .add(name, Value::Text(value))
                .map_err(|problem| Trouble::Format(format!("In the query, {problem}.")))?;
        }
        Ok(group)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A group in this one; an empty one when it is not there.
    pub fn group(&self, name: &str) -> Result<Option<&Group>, Trouble> {
        match self.value(name) {
            None | Some(Value::Null) => Ok(None),
            // An empty element, or PHP's empty array.
            Some(Value::Text(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::List) => Ok(None),
            Some(Value::Group(group)) => Ok(Some(group)),
            Some(Value::Text(_) | Value::Number(_) | Value::Flag(_)) => {
                Err(Trouble::Format(format!("{name} has to be an object.")))
            }
        }
    }

    /// A field's text, or its number as it is written; nothing when it is empty.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Trouble> {
        let text = match self.value(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Text(text)) => text.trim(),
            Some(Value::Number(digits)) => digits,
            Some(Value::Flag(_) | Value::List | Value::Group(_)) => {
                return Err(Trouble::Format(format!("{name} has to be a text or a number.")));
            }
        };
        if text.chars().count() > TEXT_MOST {
            return Err(Trouble::Format(format!("{name} has at most {TEXT_MOST} characters.")));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    pub fn needed_text(&self, name: &str) -> Result<&str, Trouble> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// An amount in major units, as a number or as a text; exact.
    pub fn figure(&self, name: &str) -> Result<Exact, Trouble> {
        let text = self.needed_text(name)?;
        Exact::parse(text).map_err(|problem| Trouble::Format(format!("{name}: {problem}.")))
    }

    /// A whole number, from 0.
    pub fn whole(&self, name: &str) -> Result<Option<u32>, Trouble> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let number = Some(text).filter(|text| is_digits(text)).and_then(|text| text.parse().ok());
        let expected = || Trouble::Format(format!("{name} has to be a whole number from 0."));
        number.map(Some).ok_or_else(expected)
    }

    /// The id of a source: the shop's own number, or its reference when that is a text.
    pub fn source_id(&self) -> Result<&str, Trouble> {
        let text = self.needed_text("sourceId")?;
        let number = matches!(self.value("sourceId"), Some(Value::Number(_)));
        if number && !is_digits(text) {
            return Err(Trouble::Format("sourceId has to be a whole number.".to_owned()));
        }
        Ok(text)
    }

    /// `None` when it is none of the types of a source.
    pub fn source_type(&self) -> Result<Option<SourceType>, Trouble> {
        Ok(self.text("sourceType")?.and_then(SourceType::parse))
    }

    /// The currency that is named, if one is; `Err(None)` when there is no such currency.
    pub fn currency(&self) -> Result<Option<Currency>, Option<Trouble>> {
        let Some(code) = self.text("refundCurrency").map_err(Some)? else { return Ok(None) };
        Currency::parse(code).map(Some).map_err(|_| None)
    }
}

pub fn missing(name: &str) -> Trouble {
    Trouble::Format(format!("{name} is needed."))
}

pub fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
