//! Amounts, exactly: [`Exact`] is a number as somebody wrote it, [`Money`] is a count of minor
//! units of a currency. This file alone knows how the one becomes the other, and nothing in it
//! rounds except where its name or its comment says so.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use iso_currency::{Currency as Iso, IntoEnumIterator};

use crate::text;

/// A count of minor units (cents, fils, whole yen) of a currency that is known from the context.
///
/// Always from 0 to [`Minor::MAX`]. It has no operators: a sum that is too large and a difference
/// below zero are answers that the caller has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Minor(i64);

impl Minor {
    pub const ZERO: Minor = Minor(0);

    /// Fifteen nines: more than any order, less than 2⁵³ (so a reader that knows only floats still
    /// reads it exactly), and so far below `i64::MAX` that a database can add up nine thousand.
    pub const MAX: Minor = Minor(999_999_999_999_999);

    /// `None` below zero and above [`Minor::MAX`].
    pub const fn new(units: i64) -> Option<Minor> {
        if 0 <= units && units <= Minor::MAX.0 { Some(Minor(units)) } else { None }
    }

    /// For results that arithmetic has already bounded; the caller says why.
    pub(crate) fn bounded(units: i128) -> Minor {
        let kept = units.clamp(0, i128::from(Minor::MAX.0));
        debug_assert_eq!(kept, units, "the caller's bound does not hold");
        i64::try_from(kept).map_or(Minor::MAX, Minor)
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `None` above [`Minor::MAX`].
    pub const fn plus(self, other: Minor) -> Option<Minor> {
        Minor::new(self.0 + other.0)
    }

    /// `None` below zero.
    pub const fn minus(self, other: Minor) -> Option<Minor> {
        Minor::new(self.0 - other.0)
    }

    /// What is left after taking `other` away: zero when that is as much or more.
    #[must_use]
    pub const fn saturating_minus(self, other: Minor) -> Minor {
        if self.0 > other.0 { Minor(self.0 - other.0) } else { Minor::ZERO }
    }

    /// `part` of `whole` of this amount, half a unit rounded up; never more than the amount.
    ///
    /// `part` is at most `whole` and `whole` is above zero: anything else is a mistake of the
    /// caller, which a debug build panics on and a release build answers with all (`part` above
    /// `whole`) or nothing (`whole` zero).
    ///
    /// Equal shares made one by one do not add up (three thirds of 2 make 3). To give an amount
    /// away in pieces, take the difference of the shares up to and before each piece.
    #[must_use]
    pub fn share(self, part: u64, whole: u64) -> Minor {
        debug_assert!(part <= whole && whole > 0, "{part} of {whole} is no share");
        if whole == 0 {
            return Minor::ZERO;
        }
        if part >= whole {
            return self;
        }
        let (part, whole) = (i128::from(part), i128::from(whole));
        // At most 2 × 10¹⁵ × 2⁶⁴, far inside i128; and since part < whole, at most the amount.
        Minor::bounded((2 * i128::from(self.0) * part + whole) / (2 * whole))
    }
}

/// An ISO 4217 currency that has a minor unit.
///
/// Gold (XAU), the testing code (XTS), no currency (XXX) and their like have none, so no amount can
/// be counted in them and they are unknown here. Withdrawn currencies that the list still carries
/// (HRK, BGN) are known: their payments can still be given back.
///
/// The exponent is ISO's. A provider that counts some currency otherwise (ISK and UGX are popular)
/// has that table in its own gateway.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency {
    iso: Iso,
    // Kept beside the code: asked for at each amount, and the list's own answer is an Option.
    exponent: u8,
}

/// Where each three-letter code has its currency: 26³ places of two bytes.
///
/// The list's own look-up compares the codes one after another; every request looks up one.
static BY_CODE: LazyLock<Vec<Option<Currency>>> = LazyLock::new(|| {
    let mut places = vec![None; 26 * 26 * 26];
    for iso in Iso::iter() {
        let exponent = iso.exponent().and_then(|digits| u8::try_from(digits).ok());
        if let (Some(at), Some(exponent)) = (place(iso.code()), exponent) {
            places[at] = Some(Currency { iso, exponent });
        }
    }
    places
});

/// The place of a code in [`BY_CODE`]; `None` unless it is three upper-case letters.
fn place(code: &str) -> Option<usize> {
    let [first, second, third] = code.as_bytes() else { return None };
    let letter = |byte: &u8| byte.is_ascii_uppercase().then(|| usize::from(*byte - b'A'));
    Some((letter(first)? * 26 + letter(second)?) * 26 + letter(third)?)
}

impl Currency {
    /// Exactly three upper-case letters, as ISO writes them.
    pub fn parse(code: &str) -> Result<Currency, UnknownCurrency> {
        place(code)
            .and_then(|at| BY_CODE.get(at).copied().flatten())
            .ok_or_else(|| UnknownCurrency(text::excerpt(code)))
    }

    pub fn code(self) -> &'static str {
        self.iso.code()
    }

    /// How many decimals the minor unit has: 2 for USD, 0 for JPY, 3 for KWD, 4 for CLF.
    pub const fn exponent(self) -> u8 {
        self.exponent
    }

    /// Every currency there is here, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Currency> {
        BY_CODE.iter().copied().flatten()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

// By hand, since the order of the list is not quite that of the codes.
impl Ord for Currency {
    fn cmp(&self, other: &Currency) -> Ordering {
        self.code().cmp(other.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Currency) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Not the code of a currency with a minor unit. Shows no more than the start of what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an ISO 4217 currency code with a minor unit")]
pub struct UnknownCurrency(String);

/// A decimal number exactly as it was written, without a currency and without limits of one.
///
/// Equal when the numbers are: `1.20`, `1.2` and `12e-1` are one value, and so are `0` and `-0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exact {
    // The number is digits × 10^-scale. The last digit is not zero (zero itself is 0 and 0), which
    // makes equality that of numbers and "has too many decimals" a comparison of the scale.
    digits: i128,
    scale: i32,
}

/// Why a text is no [`Exact`]. Shows no more than the start of what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecimal {
    #[error("\"{0}\" is not a decimal number")]
    Malformed(String),
    #[error(
        "\"{0}\" is out of bounds: a number has at most {most} characters, {digits} digits and an exponent from -{power} to {power}",
        most = Exact::MOST_CHARS, digits = Exact::MOST_DIGITS, power = Exact::MOST_EXPONENT
    )]
    OutOfBounds(String),
}

/// [`NotDecimal`] before the text is put in.
enum Fault {
    Grammar,
    Bounds,
}

const TEN: [i128; Exact::MOST_DIGITS + 1] = {
    let mut powers = [1; Exact::MOST_DIGITS + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

impl Exact {
    pub const MOST_CHARS: usize = 40;
    pub const MOST_DIGITS: usize = 30;
    pub const MOST_EXPONENT: i32 = 30;

    /// Reads a number as JSON writes it (RFC 8259): `0`, `-27.01`, `2.701e1`; not `+1`, `01`, `.5`,
    /// `1.`, `1,5`, `NaN` or anything with a space.
    ///
    /// Bounded whatever the text: no more than 40 characters, 30 digits from the first that is not
    /// zero to the last, and an exponent from -30 to 30. Nothing is rounded.
    pub fn parse(text: &str) -> Result<Exact, NotDecimal> {
        if text.len() > Exact::MOST_CHARS {
            return Err(NotDecimal::OutOfBounds(text::excerpt(text)));
        }
        scan(text.as_bytes()).map_err(|fault| match fault {
            Fault::Grammar => NotDecimal::Malformed(text::excerpt(text)),
            Fault::Bounds => NotDecimal::OutOfBounds(text::excerpt(text)),
        })
    }

    /// This many minor units of a currency with so many decimals, as the amount in major units:
    /// 1998 of two decimals is 19.98. `None` for what is no whole number.
    pub fn of_minor_units(self, decimals: u8) -> Option<Exact> {
        self.units(0)?;
        let scale = if self.digits == 0 { 0 } else { self.scale + i32::from(decimals) };
        Some(Exact { digits: self.digits, scale })
    }

    /// The most whole units of 10^-decimals that are not above this, as far as an `i64` goes, and
    /// whether they are this number itself.
    pub fn whole_units(self, decimals: u8) -> (i64, bool) {
        let beyond = usize::try_from(self.scale - i32::from(decimals)).unwrap_or_default();
        let factor = TEN.get(beyond).copied().unwrap_or(i128::MAX);
        let exact = self.units(decimals);
        let units = exact.unwrap_or_else(|| self.digits.div_euclid(factor));
        let nearest = if units < 0 { i64::MIN } else { i64::MAX };
        (i64::try_from(units).unwrap_or(nearest), exact.is_some())
    }

    /// How many units of 10^-decimals this is; `None` if it is no whole number of them.
    ///
    /// What does not fit comes back as the nearest that does: far beyond every limit here.
    fn units(self, decimals: u8) -> Option<i128> {
        let shift = usize::try_from(i32::from(decimals) - self.scale).ok()?;
        Some(match TEN.get(shift) {
            Some(factor) => self.digits.saturating_mul(*factor),
            None => self.digits.saturating_mul(i128::MAX),
        })
    }
}

/// As a plain decimal number, without an exponent and without zeros at the end of a fraction.
impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs();
        let Ok(decimals @ 1..) = usize::try_from(self.scale) else {
            let zeros = usize::try_from(-self.scale).unwrap_or(0);
            return write!(f, "{sign}{digits}{:0<zeros$}", "");
        };
        let padded = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, fraction) = padded.split_at(padded.len() - decimals);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

/// The grammar and the bounds of [`Exact::parse`]; the text is short.
fn scan(text: &[u8]) -> Result<Exact, Fault> {
    let (sign, rest) = text.strip_prefix(b"-").map_or((1, text), |rest| (-1, rest));
    let (whole, rest) = leading_digits(rest);
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return Err(Fault::Grammar);
    }
    let (fraction, rest) = match rest.strip_prefix(b".").map(leading_digits) {
        Some(([], _)) => return Err(Fault::Grammar),
        Some(read) => read,
        None => (&b""[..], rest),
    };
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', power @ ..] => scan_exponent(power)?,
        [_, ..] => return Err(Fault::Grammar),
    };

    let mut digits: i128 = 0;
    let mut written = 0;
    // Zeros are held back until another digit follows, so that trailing ones never get in.
    let mut zeros = 0;
    for byte in whole.iter().chain(fraction) {
        let digit = i128::from(*byte - b'0');
        if digit == 0 && written == 0 {
            continue;
        }
        written += 1;
        if written > Exact::MOST_DIGITS {
            return Err(Fault::Bounds);
        }
        if digit == 0 {
            zeros += 1;
        } else {
            digits = digits * TEN[zeros + 1] + digit;
            zeros = 0;
        }
    }
    if digits == 0 {
        return Ok(Exact { digits: 0, scale: 0 });
    }
    let count = |places: usize| i32::try_from(places).map_err(|_| Fault::Bounds);
    Ok(Exact { digits: sign * digits, scale: count(fraction.len())? - count(zeros)? - exponent })
}

/// What follows the `e`: an optional sign and at least one digit.
fn scan_exponent(text: &[u8]) -> Result<i32, Fault> {
    let (sign, rest) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    let (digits, rest) = leading_digits(rest);
    if digits.is_empty() || !rest.is_empty() {
        return Err(Fault::Grammar);
    }
    let power = digits.iter().fold(0_i32, |power, byte| {
        power.saturating_mul(10).saturating_add(i32::from(*byte - b'0'))
    });
    if power > Exact::MOST_EXPONENT { Err(Fault::Bounds) } else { Ok(sign * power) }
}

fn leading_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// An amount of a currency, zero or more.
///
/// Its text (`Display`, [`Money::decimal`]) has exactly the decimals of the currency and no code:
/// `27.01`, `33`, `0.005`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    minor: Minor,
    currency: Currency,
}

/// Why a number is no amount to ask for, in the order in which it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountProblem {
    #[error("the amount has more than the {allowed} decimals of its currency")]
    TooPrecise { allowed: u8 },
    /// Zero or less; where zero is allowed, less.
    #[error("the amount is not positive")]
    NotPositive,
    #[error("the amount is too large")]
    TooLarge,
}

impl Money {
    pub const fn new(minor: Minor, currency: Currency) -> Money {
        Money { minor, currency }
    }

    /// The amount that the number says in major units, above zero. Never rounds: decimals beyond
    /// the currency's are refused unless they are zeros (`1.2300` is 1.23 USD).
    ///
    /// Too precise comes before not positive, and that before too large.
    pub fn read(value: Exact, currency: Currency) -> Result<Money, AmountProblem> {
        Money::read_scaled(value, currency, currency.exponent, 1)
    }

    /// As [`Money::read`], but zero is an amount too: for the prices and taxes of an order, never
    /// for what somebody asks to be given back.
    pub fn read_allowing_zero(value: Exact, currency: Currency) -> Result<Money, AmountProblem> {
        Money::read_scaled(value, currency, currency.exponent, 0)
    }

    fn read_scaled(
        value: Exact,
        currency: Currency,
        decimals: u8,
        least: i128,
    ) -> Result<Money, AmountProblem> {
        let units = value.units(decimals).ok_or(AmountProblem::TooPrecise { allowed: decimals })?;
        if units < least {
            return Err(AmountProblem::NotPositive);
        }
        let minor = i64::try_from(units).ok().and_then(Minor::new);
        minor.map(|minor| Money { minor, currency }).ok_or(AmountProblem::TooLarge)
    }

    pub const fn minor(self) -> Minor {
        self.minor
    }

    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Appends the decimal text, without the formatting machinery: answers are full of amounts.
    pub fn decimal(self, out: &mut String) {
        out.push_str(decimal_text(self.minor.0, self.currency.exponent, &mut [0; TEXT_ROOM]));
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not `pad`: a precision would cut digits off.
        f.write_str(decimal_text(self.minor.0, self.currency.exponent, &mut [0; TEXT_ROOM]))
    }
}

/// A sum of minor units as a decimal number, with a sign below zero.
pub(crate) fn signed_decimal(units: i64, currency: Currency) -> String {
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}", decimal_text(units, currency.exponent, &mut [0; TEXT_ROOM]))
}

/// Room for every `i64` without its sign, with a point.
const TEXT_ROOM: usize = 20;

/// Writes `units` × 10^-decimals with all its decimals and no sign, from the right; `decimals` is
/// below 19.
fn decimal_text(units: i64, decimals: u8, room: &mut [u8; TEXT_ROOM]) -> &str {
    let mut rest = units.unsigned_abs();
    let mut start = TEXT_ROOM;
    let mut written = 0;
    while rest > 0 || written <= decimals {
        if written == decimals && decimals > 0 {
            start -= 1;
            room[start] = b'.';
        }
        start -= 1;
        room[start] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        written += 1;
    }
    // Digits and a point are UTF-8.
    std::str::from_utf8(&room[start..]).unwrap_or_default()
}

/// A share in per cent: above 0, up to 100, with at most four decimals.
///
/// Its text has no surplus zeros: `12.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Percent {
    /// From 1 to [`Percent::WHOLE`].
    ten_thousandths: u32,
}

/// Why a number is no [`Percent`], in the order in which it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PercentProblem {
    #[error("a percentage has at most {} decimals", Percent::DECIMALS)]
    TooPrecise,
    #[error("the percentage is not positive")]
    NotPositive,
    #[error("the percentage is more than 100")]
    MoreThanAll,
}

impl Percent {
    pub const DECIMALS: u8 = 4;
    const WHOLE: u32 = 1_000_000;
    pub const ALL: Percent = Percent { ten_thousandths: Percent::WHOLE };

    /// Never rounds: decimals beyond the fourth are refused unless they are zeros.
    pub fn read(value: Exact) -> Result<Percent, PercentProblem> {
        let units = value.units(Percent::DECIMALS).ok_or(PercentProblem::TooPrecise)?;
        if units <= 0 {
            return Err(PercentProblem::NotPositive);
        }
        match u32::try_from(units) {
            Ok(ten_thousandths) if ten_thousandths <= Percent::WHOLE => {
                Ok(Percent { ten_thousandths })
            }
            Ok(_) | Err(_) => Err(PercentProblem::MoreThanAll),
        }
    }

    /// This share of an amount, half a minor unit rounded up. Never more than the amount, and all
    /// of it at 100; it can be zero, since one per cent of a cent is.
    #[must_use]
    pub fn of(self, amount: Minor) -> Minor {
        amount.share(u64::from(self.ten_thousandths), u64::from(Percent::WHOLE))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = [0; TEXT_ROOM];
        let units = i64::from(self.ten_thousandths);
        let text = decimal_text(units, Percent::DECIMALS, &mut room);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}
