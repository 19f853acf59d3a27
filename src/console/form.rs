//! A form that was sent, and what is wrong with it, field by field.

use refundry_domain::refusal::Refusal;

use super::query::Query;

/// A field that cannot be taken, and why. Without a name it is about the whole form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub field: String,
    pub why: String,
}

/// Everything that is wrong with a form.
#[derive(Clone, Debug, Default)]
pub struct Wrongs(pub Vec<Wrong>);

impl Wrongs {
    pub fn one(field: &str, why: impl Into<String>) -> Wrongs {
        Wrongs(vec![Wrong { field: field.to_owned(), why: why.into() }])
    }

    /// What a rule says no to. Whatever names no field of `known` is about the whole form.
    pub fn of(refusal: &Refusal, known: &[&str]) -> Wrongs {
        Wrongs::told(refusal.field().unwrap_or_default(), &refusal.to_string(), known)
    }

    pub fn told(field: &str, why: &str, known: &[&str]) -> Wrongs {
        let field = known.iter().find(|known| **known == field).copied().unwrap_or_default();
        Wrongs::one(field, sentence(why))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with a field.
    pub fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|wrong| wrong.field == field).map(|wrong| wrong.why.as_str())
    }

    /// What is wrong with the whole.
    pub fn whole(&self) -> Option<&str> {
        self.at("")
    }
}

/// With a capital in front and a point at the end.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let point = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{point}", first.to_uppercase(), letters.as_str())
}

/// The form as it is shown again: what was written, and what is wrong.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub fields: Query,
    pub wrongs: Wrongs,
}

impl Draft {
    pub fn refused(fields: &Query, wrongs: Wrongs) -> Draft {
        Draft { fields: fields.clone(), wrongs }
    }

    pub fn value(&self, name: &str) -> &str {
        self.fields.written(name)
    }

    /// What was written, or what stands there at first.
    pub fn or(&self, name: &str, usual: &str) -> String {
        let given = self.fields.has(name);
        if given { self.fields.written(name) } else { usual }.to_owned()
    }

    pub fn is(&self, name: &str, value: &str) -> bool {
        self.fields.written(name) == value
    }

    pub fn ticked(&self, name: &str, value: &str) -> bool {
        self.fields.all(name).any(|known| known == value)
    }

    pub fn wrong(&self, name: &str) -> Option<&str> {
        self.wrongs.at(name)
    }

    pub fn whole(&self) -> Option<&str> {
        self.wrongs.whole()
    }

    pub fn is_wrong(&self) -> bool {
        !self.wrongs.is_empty()
    }
}
