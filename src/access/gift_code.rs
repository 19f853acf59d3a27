//! The code of a gift card: shown once, kept as its SHA-256. People read it aloud and type it, so
//! its alphabet has no letters that look like others, and its last character checks the rest.

use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};

/// Crockford's base 32: without I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 19 random characters, 95 bits, and the one that checks them.
const CHARS: usize = 20;
const GROUP: usize = 4;

/// A code as it is typed, without what parts its groups.
#[derive(Clone, PartialEq, Eq)]
pub struct GiftCode(String);

impl GiftCode {
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<GiftCode, rand::rngs::SysError> {
        let mut pool = [0_u8; CHARS - 1];
        SysRng.try_fill_bytes(&mut pool)?;
        // 32 divides the 256 values of a byte, so each character is as likely as any other.
        let mut values: Vec<usize> = pool.iter().map(|byte| usize::from(byte % 32)).collect();
        values.push(check(&values));
        Ok(GiftCode(values.iter().map(|value| char::from(ALPHABET[*value])).collect()))
    }

    /// Reads a code as people write it: in either case, with spaces or dashes anywhere, O for 0
    /// and I or L for 1. `None` when a character is mistyped or missing.
    pub fn read(text: &str) -> Option<GiftCode> {
        if text.len() > 4 * CHARS {
            return None;
        }
        let mut values = Vec::with_capacity(CHARS);
        for character in text.chars().filter(|character| !matches!(character, ' ' | '-')) {
            let plain = match character.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            values.push(ALPHABET.iter().position(|known| char::from(*known) == plain)?);
        }
        let (last, others) = values.split_last()?;
        let fits = values.len() == CHARS && check(others) == *last;
        fits.then(|| GiftCode(values.iter().map(|value| char::from(ALPHABET[*value])).collect()))
    }

    /// In groups of four, as it is shown.
    pub fn shown(&self) -> String {
        let mut text = String::with_capacity(CHARS + CHARS / GROUP);
        for (index, character) in self.0.chars().enumerate() {
            if index > 0 && index.is_multiple_of(GROUP) {
                text.push('-');
            }
            text.push(character);
        }
        text
    }

    pub fn last_four(&self) -> &str {
        &self.0[CHARS - GROUP..]
    }

    /// What is kept, and what the card is found by. A code has more random bits than anybody can
    /// try, so that the digest needs no salt.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

/// Luhn's algorithm in base 32: another character than was meant, and nearly every two that were
/// swapped, give another one.
fn check(values: &[usize]) -> usize {
    let doubled = |value: usize| {
        let twice = value * 2;
        twice / 32 + twice % 32
    };
    let sum: usize = values
        .iter()
        .rev()
        .enumerate()
        .map(|(index, value)| if index % 2 == 0 { doubled(*value) } else { *value })
        .sum();
    (32 - sum % 32) % 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code = GiftCode::generate().unwrap();
        let shown = code.shown();
        assert_eq!(shown.len(), 24, "{shown}");
        assert!(shown.ends_with(code.last_four()));
        for written in [
            shown.clone(),
            shown.replace('-', ""),
            shown.to_lowercase(),
            format!(" {} ", shown.replace('-', " - ")),
            shown.replace('0', "O").replace('1', "l"),
        ] {
            let read = GiftCode::read(&written);
            assert!(read.is_some_and(|read| read.digest() == code.digest()), "{written}");
        }
    }

    #[test]
    fn any_one_mistyped_character_is_seen() {
        let code = GiftCode::generate().unwrap();
        for at in 0..CHARS {
            for other in ALPHABET {
                let mut text = code.0.clone().into_bytes();
                if text[at] == *other {
                    continue;
                }
                text[at] = *other;
                let text = String::from_utf8(text).unwrap();
                assert!(GiftCode::read(&text).is_none(), "{text} for {}", code.0);
            }
        }
        for broken in ["", "0", &code.0[1..], &format!("{}0", code.0), "ÄÖÜ", &"0".repeat(500)] {
            assert!(GiftCode::read(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn no_two_codes_are_the_same() {
        let codes: std::collections::HashSet<String> =
            (0..1_000).map(|_| GiftCode::generate().unwrap().0).collect();
        assert_eq!(codes.len(), 1_000);
    }
}
