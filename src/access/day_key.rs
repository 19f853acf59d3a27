//! Logins by a key of the day: `sha1hex(YYYYMMDD + sha1hex(secret))`, as some APIs want them. To
//! check one, the SHA-1 of the secret is needed; who has it can log in, so it is kept sealed.

use jiff::ToSpan;
use jiff::tz::TimeZone;
use refundry_domain::ids::{MerchantId, Timestamp};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::seal::{SealError, Sealer};
use super::secret;

/// What is kept of a secret for this: the hash that its key is found by, and the sealed digest.
pub struct Digested {
    pub hash: [u8; 32],
    pub sealed: Vec<u8>,
}

impl Digested {
    pub fn of(sealer: &Sealer, merchant: MerchantId, text: &str) -> Result<Digested, SealError> {
        let hash = secret::hash(text);
        let sealed =
            sealer.seal(sha1_hex(text.as_bytes()).as_bytes(), &context(merchant, &hash))?;
        Ok(Digested { hash, sealed })
    }

    /// Whether `given` was made of the secret on one of the days.
    pub fn proves(
        &self,
        sealer: &Sealer,
        merchant: MerchantId,
        given: &str,
        days: &[String],
    ) -> Result<bool, SealError> {
        let digest = sealer.open(&self.sealed, &context(merchant, &self.hash))?;
        let mut proved = false;
        for day in days {
            let expected = sha1_hex(&[day.as_bytes(), &digest].concat());
            proved |= bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
        }
        Ok(proved)
    }
}

/// What a digest is sealed for.
pub fn context(merchant: MerchantId, hash: &[u8; 32]) -> String {
    format!("key-digest/{merchant}/{}", hex(hash))
}

fn sha1_hex(bytes: &[u8]) -> String {
    hex(&Sha1::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Yesterday, today and tomorrow on the clocks of a zone, as `YYYYMMDD`.
pub fn days_around(now: Timestamp, zone: &str) -> Vec<String> {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let moment = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    let today = zone.to_datetime(moment).date();
    let day = |shift: i64| today.saturating_add(shift.days());
    let text =
        |date: jiff::civil::Date| format!("{:04}{:02}{:02}", date.year(), date.month(), date.day());
    [day(-1), today, day(1)].map(text).to_vec()
}
