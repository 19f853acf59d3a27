//! The customer's account, for a provider that pays to one: handed over, and never said again.

use std::fmt;

use refundry_domain::outcome::{Failure, Outcome};

/// Where a payout goes that cannot go back the way the money came.
#[derive(Clone, PartialEq, Eq)]
pub struct BankAccount {
    pub iban: String,
    pub account_holder: String,
    pub bic: Option<String>,
}

/// It is part of an attempt, which may be printed.
impl fmt::Debug for BankAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BankAccount(…)")
    }
}

const BLANK: &str = "…";
/// The country and the check digits; what follows is the account as its country writes it.
const IBAN_HEAD: usize = 4;

impl BankAccount {
    /// What a provider says is kept, shown and logged, so an echo of these details is blanked in
    /// it: each in any spacing and case, and whatever is quoted raw, which may hold them cut off or
    /// escaped.
    pub fn hidden(&self, text: String) -> String {
        let mut text = match (text.find('`'), text.rfind('`')) {
            (Some(from), Some(to)) if from < to => {
                format!("{}{BLANK}{}", &text[..=from], &text[to..])
            }
            (Some(_) | None, Some(_) | None) => text,
        };
        let bare = self.iban.get(IBAN_HEAD..).unwrap_or_default();
        let bic = self.bic.as_deref().unwrap_or_default();
        for secret in [self.iban.as_str(), bare, &self.account_holder, bic] {
            text = blanked(text, &plain(secret));
        }
        text
    }

    /// An outcome whose texts hold nothing of the details.
    pub fn unsaid(&self, outcome: Outcome) -> Outcome {
        let reference =
            |reference: Option<String>| reference.map(|reference| self.hidden(reference));
        match outcome {
            Outcome::Done { reference: named, amount } => {
                Outcome::Done { reference: reference(named), amount }
            }
            Outcome::Waiting { reference: named, message } => {
                Outcome::Waiting { reference: reference(named), message: self.hidden(message) }
            }
            Outcome::Declined(Failure { code, message }) => {
                Outcome::Declined(Failure { code, message: self.hidden(message) })
            }
            Outcome::Reversed { message } => Outcome::Reversed { message: self.hidden(message) },
            Outcome::NotTaken { message } => Outcome::NotTaken { message: self.hidden(message) },
            Outcome::Unknown { message, lost } => {
                Outcome::Unknown { message: self.hidden(message), lost }
            }
            Outcome::Acknowledged { reference: named } => {
                Outcome::Acknowledged { reference: reference(named) }
            }
            Outcome::CalledOff { message } => Outcome::CalledOff { message: self.hidden(message) },
        }
    }
}

/// Letters and digits alone, in one case.
fn plain(text: &str) -> Vec<char> {
    text.chars().filter(|one| one.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The text without these letters and digits, whatever stands between them.
fn blanked(text: String, secret: &[char]) -> String {
    if secret.is_empty() {
        return text;
    }
    let letters: Vec<(usize, usize, char)> = text
        .char_indices()
        .filter(|(_, one)| one.is_alphanumeric())
        .flat_map(|(at, one)| one.to_lowercase().map(move |low| (at, at + one.len_utf8(), low)))
        .collect();
    let (mut out, mut kept, mut next) = (String::new(), 0, 0);
    while next + secret.len() <= letters.len() {
        let found = &letters[next..next + secret.len()];
        if found.iter().map(|(_, _, low)| low).eq(secret) {
            out.push_str(&text[kept..found[0].0.max(kept)]);
            out.push_str(BLANK);
            kept = found[secret.len() - 1].1;
            next += secret.len();
        } else {
            next += 1;
        }
    }
    out.push_str(&text[kept..]);
    out
}
