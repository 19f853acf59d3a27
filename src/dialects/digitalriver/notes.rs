//! Metadata: pairs of a name and a text, a truth or a number, kept as texts.

use std::fmt;

use refundry_domain::order::{METADATA_KEYS, Metadata};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::refusals::No;

const NAME_MOST: usize = 40;
const VALUE_MOST: usize = 500;

/// As it was sent; [`Notes::checked`] says whether it can be kept.
#[derive(Clone, Debug, Default)]
pub struct Notes(Metadata);

impl Notes {
    pub fn checked(self) -> Result<Metadata, No> {
        if self.0.len() > METADATA_KEYS {
            let text = "Metadata has at most 20 pairs.";
            return Err(No::bad("too_many_metadata_pairs", "metadata", text));
        }
        for (name, value) in &self.0 {
            if name.is_empty() || name.chars().count() > NAME_MOST {
                let text = "A name in metadata has from 1 to 40 characters.";
                return Err(No::bad("invalid_metadata_key", "metadata", text));
            }
            if value.chars().count() > VALUE_MOST {
                let text = "A value in metadata has at most 500 characters.";
                return Err(No::bad("invalid_metadata_value", format!("metadata.{name}"), text));
            }
        }
        Ok(self.0)
    }
}

impl<'de> Deserialize<'de> for Notes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Notes, D::Error> {
        deserializer.deserialize_map(Pairs).map(Notes)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts, truths and numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut pairs = Metadata::new();
        while let Some(name) = map.next_key::<String>()? {
            let Value(value) = map.next_value()?;
            if pairs.insert(name, value).is_some() {
                return Err(Error::custom("a name is given twice"));
            }
        }
        Ok(pairs)
    }
}

/// A text, `true`, `false`, or a number as it is written.
struct Value(String);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        match json.as_bytes().first() {
            Some(b'"') => serde_json::from_str(json).map(Value).map_err(Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Value(json.to_owned())),
            Some(b't' | b'f') => Ok(Value(json.to_owned())),
            Some(_) | None => Err(Error::custom("expected a text, true, false or a number")),
        }
    }
}
