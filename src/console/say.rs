//! Amounts and moments as people read them. Nothing is added up or rounded here: the digits are
//! those of [`Money`]. Why no library does it: docs/decisions/052.

use jiff::tz::TimeZone;
use refundry_domain::ids::Timestamp;
use refundry_domain::money::{Currency, Minor, Money};
use refundry_domain::report::Sum;

use super::cell::Cell;

/// Between an amount and its currency, which stay on one line.
const NO_BREAK: char = '\u{a0}';
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How the merchant reads moments.
#[derive(Clone, Debug)]
pub struct Say {
    zone: TimeZone,
}

impl Say {
    /// UTC for a zone that this program does not know.
    pub fn in_zone(name: &str) -> Say {
        Say { zone: TimeZone::get(name).unwrap_or(TimeZone::UTC) }
    }

    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// A moment on the merchant's clocks, with the exact one behind it.
    pub fn time(&self, at: Timestamp) -> Cell {
        let text = self.clock(at);
        let iso = iso(at);
        Cell::time(text, iso.clone(), format!("{iso} ({})", self.zone_name()))
    }

    pub fn time_or(&self, at: Option<Timestamp>, otherwise: &str) -> Cell {
        at.map_or_else(|| Cell::text(otherwise), |at| self.time(at))
    }

    /// `22 Nov 2026, 08:07`
    pub fn clock(&self, at: Timestamp) -> String {
        let there = self.zone.to_datetime(moment(at));
        let (date, time) = (there.date(), there.time());
        format!("{}, {:02}:{:02}", day_of(date), time.hour(), time.minute())
    }

    /// When a day of the merchant's calendar begins; `None` for what is no day.
    pub fn start_of(&self, day: &str) -> Option<Timestamp> {
        let date: jiff::civil::Date = day.parse().ok()?;
        let start = date.to_zoned(self.zone.clone()).ok()?;
        Some(Timestamp(start.timestamp().as_millisecond()))
    }

    /// When the day after begins.
    pub fn end_of(&self, day: &str) -> Option<Timestamp> {
        let date: jiff::civil::Date = day.parse().ok()?;
        self.start_of(&date.tomorrow().ok()?.to_string())
    }
}

fn day_of(date: jiff::civil::Date) -> String {
    let month = usize::try_from(date.month()).ok().and_then(|month| MONTHS.get(month - 1));
    format!("{} {} {}", date.day(), month.unwrap_or(&""), date.year())
}

fn moment(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default()
}

/// RFC 3339 in UTC.
pub fn iso(at: Timestamp) -> String {
    format!("{:.3}", moment(at))
}

/// `1,234.50 USD`: the decimals of the currency, its code behind.
pub fn money(amount: Minor, currency: Currency) -> String {
    worded(&Money::new(amount, currency).to_string(), currency)
}

/// As [`money`], with a sign below zero.
pub fn sum(sum: Sum) -> String {
    let digits = sum.to_string();
    match digits.strip_prefix('-') {
        Some(digits) => format!("\u{2212}{}", worded(digits, sum.currency)),
        None => worded(&digits, sum.currency),
    }
}

fn worded(digits: &str, currency: Currency) -> String {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut text = grouped(whole);
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text.push(NO_BREAK);
    text.push_str(currency.code());
    text
}

/// The decimal number alone, as forms and CSV have it.
pub fn decimal(amount: Minor, currency: Currency) -> String {
    Money::new(amount, currency).to_string()
}

/// A comma before every three digits.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub fn count(number: usize) -> String {
    grouped(&number.to_string())
}

/// How often something was counted.
pub fn times(number: i64) -> String {
    grouped(&number.max(0).to_string())
}

/// `22 Nov 2026` for `2026-11-22`; other texts as they are.
pub fn day(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), day_of)
}

/// `Nov 2026` for `2026-11`; other texts as they are.
pub fn month(text: &str) -> String {
    let full = day(&format!("{text}-01"));
    full.strip_prefix("1 ").map_or_else(|| text.to_owned(), str::to_owned)
}

/// With a comma before every three digits.
pub fn whole(number: u64) -> String {
    grouped(&number.to_string())
}

pub fn many(number: u64, one: &str) -> String {
    format!("{} {one}{}", whole(number), if number == 1 { "" } else { "s" })
}

/// `1 refund`, `2 refunds`
pub fn plural(number: usize, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `30 s`, `5 min`, `2 h`, `3 d`: rounded down, for orientation.
pub fn duration(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        ..1 => format!("{ms} ms"),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        172_800.. => format!("{} d", seconds / 86_400),
    }
}
