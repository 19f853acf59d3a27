//! The secret of an API key: shown once, kept as its SHA-256.

use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};

/// How every key that this program makes begins, so that leaked ones can be searched for.
pub const PREFIX: &str = "rfk_";
const RANDOM_CHARS: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The longest text that is looked at as a key.
pub const SECRET_MOST: usize = 256;
/// The shortest that an operator may set.
pub const SECRET_LEAST: usize = 24;

/// A new secret of 256 random bits: `rfk_` and 43 letters and digits.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate() -> Result<String, rand::rngs::SysError> {
    drawn(PREFIX)
}

/// A new token of 256 random bits for a customer's link.
///
/// # Errors
/// When the system has no randomness to give.
pub fn link_token() -> Result<String, rand::rngs::SysError> {
    drawn("")
}

/// Whether a text looks like a customer's token; nothing else is looked up.
pub fn is_link_token(text: &str) -> bool {
    text.len() == RANDOM_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn drawn(prefix: &str) -> Result<String, rand::rngs::SysError> {
    let mut text = String::with_capacity(prefix.len() + RANDOM_CHARS);
    text.push_str(prefix);
    let mut pool = [0_u8; 64];
    while text.len() < prefix.len() + RANDOM_CHARS {
        SysRng.try_fill_bytes(&mut pool)?;
        // 248 is the largest multiple of 62 in a byte; what is above would favour some letters.
        let even = pool.iter().filter(|byte| **byte < 248);
        let room = prefix.len() + RANDOM_CHARS - text.len();
        text.extend(even.take(room).map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
    }
    Ok(text)
}

/// What is kept of a secret, and what it is found by.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
