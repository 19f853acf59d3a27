//! The words that an order is found by: those of its customer's name, and the email.

use std::collections::BTreeSet;

/// The step of the schema whose table of words the program fills.
pub const WORDS_FROM: i64 = 10;
/// Shorter words are only found whole: too many begin with them.
const LEAST: usize = 3;

/// What somebody types of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Whole(String),
    /// Words from the first, up to below the second.
    Beginning(String, String),
}

/// In small letters, each once.
pub fn words(name: Option<&str>, email: Option<&str>) -> BTreeSet<String> {
    let name = name.into_iter().flat_map(str::split_whitespace);
    let email = email.map(str::trim).filter(|email| !email.is_empty());
    name.chain(email).map(str::to_lowercase).collect()
}

/// What an order's words are asked for; all of them, in any order.
pub fn asked(text: &str) -> Vec<Asked> {
    let words: BTreeSet<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.into_iter().map(Asked::of).collect()
}

impl Asked {
    fn of(word: String) -> Asked {
        if word.chars().count() < LEAST {
            return Asked::Whole(word);
        }
        // No word goes on with the last character that there is.
        let end = format!("{word}{}", char::MAX);
        Asked::Beginning(word, end)
    }
}
