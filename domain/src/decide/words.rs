//! The words of a report. A caller's are refused like any other text; a provider cannot be refused,
//! so of its words what must not be kept is left out. Its names of movements are kept as they are:
//! they are what its next news is matched by.

use super::checks;
use crate::outcome::{Failure, Outcome};
use crate::refusal::Refusal;
use crate::text;

pub fn check(outcome: &Outcome) -> Result<(), Refusal> {
    let (reference, message) = match outcome {
        Outcome::Done { reference, .. } | Outcome::Acknowledged { reference } => (reference, None),
        Outcome::Waiting { reference, message } => (reference, Some(message)),
        Outcome::Declined(Failure { message, .. })
        | Outcome::Reversed { message }
        | Outcome::NotTaken { message }
        | Outcome::Unknown { message, .. }
        | Outcome::CalledOff { message } => (&None, Some(message)),
    };
    if let Some(reference) = reference {
        checks::text(|| "reference".to_owned(), reference, checks::SHORT)?;
    }
    checks::note("message", message.map(String::as_str))
}

/// What a provider said, without what must not be kept or logged, such as a card number.
pub fn kept(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    match &mut outcome {
        Outcome::Waiting { message, .. }
        | Outcome::Declined(Failure { message, .. })
        | Outcome::Reversed { message }
        | Outcome::NotTaken { message }
        | Outcome::Unknown { message, .. }
        | Outcome::CalledOff { message } => {
            if text::check_multiline(message, checks::LONG).is_err() {
                *message = tamed(message);
            }
        }
        Outcome::Done { .. } | Outcome::Acknowledged { .. } => {}
    }
    outcome
}

fn tamed(message: &str) -> String {
    let plain = |letter: char| {
        let control = letter.is_control() && !matches!(letter, '\n' | '\t');
        if control { char::REPLACEMENT_CHARACTER } else { letter }
    };
    let whole: String = message.chars().map(plain).collect();
    // Looked for in the whole, since half a card number no longer looks like one.
    match text::check_multiline(&whole, usize::MAX) {
        Ok(()) => whole.chars().take(checks::LONG).collect(),
        Err(_) => "(withheld: it had what looks like a full card number)".to_owned(),
    }
}
