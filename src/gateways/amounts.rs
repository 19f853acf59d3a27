//! How providers write amounts: mostly as ISO 4217 has it, each with exceptions of its own.

use refundry_domain::money::{Currency, Exact, Minor, Money};

/// A currency that a provider counts differently.
pub struct Exception {
    pub currency: &'static str,
    /// How many decimals its unit has there.
    pub decimals: u8,
    /// What an amount in its smallest units has to be a multiple of.
    pub step: i64,
}

/// An exception in the count of decimals only.
pub const fn counts(currency: &'static str, decimals: u8) -> Exception {
    Exception { currency, decimals, step: 1 }
}

/// The exceptions of one provider.
pub struct Quirks(pub &'static [Exception]);

impl Quirks {
    fn of(&self, currency: Currency) -> (u8, i64) {
        let known = self.0.iter().find(|exception| exception.currency == currency.code());
        known.map_or((currency.exponent(), 1), |known| (known.decimals, known.step))
    }

    /// The amount in the provider's smallest units; `None` when it has no such amount.
    pub fn units(&self, money: Money) -> Option<i64> {
        let (decimals, step) = self.of(money.currency());
        let units = moved(money.minor().get(), money.currency().exponent(), decimals)?;
        (units % step == 0).then_some(units)
    }

    /// The amount that so many of the provider's smallest units are.
    pub fn read_units(&self, units: i64, currency: Currency) -> Option<Minor> {
        let (decimals, _) = self.of(currency);
        Minor::new(moved(units, decimals, currency.exponent())?)
    }

    /// The amount as decimal text with the provider's count of decimals.
    pub fn text(&self, money: Money) -> Option<String> {
        let (decimals, _) = self.of(money.currency());
        let units = self.units(money)?;
        if decimals == 0 {
            return Some(units.to_string());
        }
        let width = usize::from(decimals);
        let digits = format!("{units:0>least$}", least = width + 1);
        let (whole, part) = digits.split_at(digits.len() - width);
        Some(format!("{whole}.{part}"))
    }
}

/// The amount of decimal text, in the currency's own decimals.
pub fn read_text(text: &str, currency: Currency) -> Option<Minor> {
    let exact = Exact::parse(text).ok()?;
    Money::read_allowing_zero(exact, currency).ok().map(Money::minor)
}

fn moved(units: i64, from: u8, to: u8) -> Option<i64> {
    let by = |count: u8| 10_i64.checked_pow(u32::from(count));
    if to >= from {
        return units.checked_mul(by(to - from)?);
    }
    let step = by(from - to)?;
    (units % step == 0).then_some(units / step)
}
