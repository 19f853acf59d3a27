//! One value on a page, and what of it a CSV file gets.

use refundry_domain::ids::OrderId;
use refundry_domain::money::{Currency, Minor};
use refundry_domain::report::Sum;

use super::say;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Word,
    Code,
    Money,
    Time,
    Pill,
}

#[derive(Clone, Debug)]
pub struct Cell {
    kind: Kind,
    pub text: String,
    /// What a CSV file gets instead of the text.
    plain: Option<String>,
    pub href: Option<String>,
    /// The exact moment, and what is shown when it is pointed at.
    pub iso: String,
    pub title: String,
    /// Of a pill; one of the classes of the styles.
    pub tone: &'static str,
}

impl Cell {
    fn new(kind: Kind, text: impl Into<String>) -> Cell {
        Cell {
            kind,
            text: text.into(),
            plain: None,
            href: None,
            iso: String::new(),
            title: String::new(),
            tone: "",
        }
    }

    pub fn text(text: impl Into<String>) -> Cell {
        Cell::new(Kind::Text, text)
    }

    pub fn of(text: Option<&str>) -> Cell {
        Cell::text(text.unwrap_or_default())
    }

    /// A word that is not broken, such as the type of an event.
    pub fn word(text: impl Into<String>) -> Cell {
        Cell::new(Kind::Word, text)
    }

    /// The order whose chain something is in, or the credit account.
    pub fn chain(order: Option<OrderId>, type_of_event: &str) -> Cell {
        let of_account = type_of_event.starts_with("credit_account.");
        match order {
            None => Cell::text(""),
            Some(id) if of_account => {
                Cell::code(format!("acc_{id}")).to(format!("/console/credits/acc_{id}"))
            }
            Some(id) => Cell::code(format!("ord_{id}")).to(format!("/console/orders/ord_{id}")),
        }
    }

    /// An id or another name that is copied.
    pub fn code(text: impl Into<String>) -> Cell {
        Cell::new(Kind::Code, text)
    }

    pub fn money(amount: Minor, currency: Currency) -> Cell {
        let plain = Some(say::decimal(amount, currency));
        Cell { plain, ..Cell::new(Kind::Money, say::money(amount, currency)) }
    }

    pub fn sum(sum: Sum) -> Cell {
        Cell { plain: Some(sum.to_string()), ..Cell::new(Kind::Money, say::sum(sum)) }
    }

    /// How often something was counted.
    pub fn times(number: i64) -> Cell {
        Cell { plain: Some(number.to_string()), ..Cell::text(say::times(number)) }
    }

    /// What a CSV file gets is another text than what is shown.
    pub fn shown_as(plain: &str, text: String) -> Cell {
        Cell { plain: Some(plain.to_owned()), ..Cell::text(text) }
    }

    /// Of money that came, or went away. A CSV file says that in another column: a cell with a sign
    /// would be a formula.
    pub fn moved(mut self, came: bool) -> Cell {
        let sign = if came { '+' } else { '\u{2212}' };
        self.text.insert(0, sign);
        self
    }

    pub fn time(text: String, iso: String, title: String) -> Cell {
        let plain = Some(iso.clone());
        Cell { plain, iso, title, ..Cell::new(Kind::Time, text) }
    }

    /// A state, in a colour that says how good that is, and in words.
    pub fn pill((text, tone): (&'static str, &'static str)) -> Cell {
        Cell { tone, ..Cell::new(Kind::Pill, text) }
    }

    pub fn link(text: impl Into<String>, href: impl Into<String>) -> Cell {
        Cell::text(text).to(href)
    }

    pub fn to(mut self, href: impl Into<String>) -> Cell {
        self.href = Some(href.into());
        self
    }

    pub fn plain(&self) -> &str {
        self.plain.as_deref().unwrap_or(&self.text)
    }

    pub fn is_pill(&self) -> bool {
        self.kind == Kind::Pill
    }

    pub fn is_time(&self) -> bool {
        self.kind == Kind::Time
    }

    pub fn is_code(&self) -> bool {
        self.kind == Kind::Code
    }

    /// The class of the table's cell around it.
    pub fn class(&self) -> &'static str {
        match self.kind {
            Kind::Money => "number",
            Kind::Time => "moment",
            Kind::Word => "word",
            Kind::Text | Kind::Code | Kind::Pill => "",
        }
    }
}

/// A name and a value, in a list of those.
#[derive(Clone, Debug)]
pub struct Fact {
    pub name: &'static str,
    pub value: Cell,
}

pub fn fact(name: &'static str, value: Cell) -> Fact {
    Fact { name, value }
}

/// A fact that is only told when there is something to tell.
pub fn fact_of(name: &'static str, text: Option<&str>) -> Option<Fact> {
    text.filter(|text| !text.is_empty()).map(|text| fact(name, Cell::text(text)))
}
