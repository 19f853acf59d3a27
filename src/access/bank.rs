//! A customer's bank details: checked, sealed, and shown by their last four characters only.

use refundry_domain::ids::{MerchantId, RefundId};
use refundry_domain::refund::INFORMATION_SHOWN;
use refundry_domain::text::{self, TextProblem};
use sepa::charset::{Transliteration, transliterate};
use sepa::validate::truncate_chars;

use super::seal::{SealError, Sealer};

/// Where a payout goes. Has no `Debug`, so that it cannot be logged.
pub struct BankDetails {
    iban: String,
    account_holder: String,
    bic: Option<String>,
}

/// Which field cannot be taken, and what is expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BankProblem {
    pub field: &'static str,
    pub expected: &'static str,
}

/// The format of the envelope, its first byte; then the last four characters of the IBAN in clear,
/// then the sealed rest.
const VERSION: u8 = 1;
const SHOWN: usize = INFORMATION_SHOWN - 1;
/// The longest name in a SEPA transfer, in characters.
pub const NAME_MOST: usize = 70;

impl BankDetails {
    /// Refuses what cannot be an account. Spaces in the IBAN are dropped, letters made capital.
    pub fn new(
        iban: &str,
        account_holder: &str,
        bic: Option<&str>,
    ) -> Result<BankDetails, BankProblem> {
        // By the registry: the country's length and shape, and the check digits.
        let iban: String = iban.chars().filter(|letter| *letter != ' ').take(100).collect();
        let Ok(iban) = sepa::validate_iban(&iban) else {
            let expected = "Expected an IBAN with right check digits.";
            return Err(BankProblem { field: "iban", expected });
        };
        let holder = account_holder.trim();
        let held = text::check(holder, 140);
        if plain(holder, NAME_MOST).is_empty() || held.is_err() {
            let expected = match held {
                Err(TextProblem::CardNumber) => "This looks like a card number; give a name.",
                Ok(()) | Err(TextProblem::TooLong { .. } | TextProblem::Control) => {
                    "Expected the name of the account's holder, at most 140 characters."
                }
            };
            return Err(BankProblem { field: "account_holder", expected });
        }
        let bic = bic.map(|bic| bic.trim().to_ascii_uppercase());
        if bic.as_deref().is_some_and(|bic| sepa::validate_bic(bic).is_err()) {
            let expected = "Expected a BIC of 8 or 11 letters and digits.";
            return Err(BankProblem { field: "bic", expected });
        }
        let iban = iban.as_str().to_owned();
        Ok(BankDetails { iban, account_holder: holder.to_owned(), bic })
    }

    /// For the payout.
    pub fn parts(&self) -> (&str, &str, Option<&str>) {
        (&self.iban, &self.account_holder, self.bic.as_deref())
    }

    /// Sealed for one refund.
    pub fn seal(
        &self,
        sealer: &Sealer,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<Vec<u8>, SealError> {
        // One field a line; none can have a line feed.
        let bic = self.bic.as_deref().unwrap_or_default();
        let text = format!("{}\n{}\n{bic}", self.iban, self.account_holder);
        let sealed = sealer.seal(text.as_bytes(), &context(merchant, refund))?;
        let mut envelope = vec![VERSION];
        envelope.extend_from_slice(&self.iban.as_bytes()[self.iban.len() - SHOWN..]);
        envelope.extend_from_slice(&sealed);
        Ok(envelope)
    }

    pub fn open(
        envelope: &[u8],
        sealer: &Sealer,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<BankDetails, SealError> {
        let sealed = envelope.get(1 + SHOWN..).ok_or(SealError::CannotOpen)?;
        let text = sealer.open(sealed, &context(merchant, refund))?;
        let text = String::from_utf8(text).map_err(|_| SealError::CannotOpen)?;
        let mut fields = text.split('\n').map(str::to_owned);
        let mut next = || fields.next().ok_or(SealError::CannotOpen);
        let (iban, account_holder, bic) = (next()?, next()?, next()?);
        Ok(BankDetails { iban, account_holder, bic: Some(bic).filter(|bic| !bic.is_empty()) })
    }

    /// The same details in another envelope, when their own needs another key than the newest.
    pub fn resealed(
        envelope: &[u8],
        sealer: &Sealer,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<Option<Vec<u8>>, SealError> {
        let sealed = envelope.get(1 + SHOWN..).unwrap_or_default();
        if sealed.is_empty() || sealer.is_newest(sealed, &context(merchant, refund)) {
            return Ok(None);
        }
        BankDetails::open(envelope, sealer, merchant, refund)?
            .seal(sealer, merchant, refund)
            .map(Some)
    }

    /// The last four characters of the IBAN in an envelope; needs no key.
    pub fn last4(envelope: &[u8]) -> Option<&str> {
        std::str::from_utf8(envelope.get(1..1 + SHOWN)?).ok()
    }
}

/// A text in the letters that SEPA takes, without the slashes that it does not, cut to its length.
pub fn plain(text: &str, most: usize) -> String {
    let mut plain = transliterate(text.trim(), Transliteration::German).into_owned();
    while plain.contains("//") {
        plain = plain.replace("//", "/");
    }
    let edge = |letter: char| letter == '/' || letter.is_whitespace();
    truncate_chars(plain.trim_matches(edge), most).trim_end_matches(edge).to_owned()
}

fn context(merchant: MerchantId, refund: RefundId) -> String {
    format!("refund-information/{merchant}/{refund}")
}
