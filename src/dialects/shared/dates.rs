//! Moments as people of one place write them.

use jiff::tz::TimeZone;
use refundry_domain::ids::Timestamp;

/// A time zone by its IANA name; UTC for one that this program does not know.
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// `YYYY-MM-DD HH:MM:SS` on the clocks of a zone.
pub fn plain(at: Timestamp, zone: &TimeZone) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    let there = zone.to_datetime(moment);
    let (date, time) = (there.date(), there.time());
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// RFC 3339 in UTC, with so many digits of a second.
pub fn utc(at: Timestamp, digits: u8) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    format!("{moment:.*}", usize::from(digits))
}

/// A moment as RFC 3339 writes it, in any zone.
pub fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(|at: jiff::Timestamp| Timestamp(at.as_millisecond()))
}

/// `YYYY-MM-DDTHH:MM:SS.mmm` by UTC, without its offset, which APIs write in ways of their own.
pub fn with_millis(at: Timestamp) -> String {
    let millis = at.0.rem_euclid(1000);
    format!("{}.{millis:03}", plain(at, &TimeZone::UTC).replacen(' ', "T", 1))
}
