//! Signatures of notifications and calls.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry_domain::ids::Timestamp;
use ring::hmac::{self, HMAC_SHA256, Key};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

/// How far a signed time may be from ours.
pub const WINDOW_MS: i64 = 5 * 60 * 1000;

/// HMAC-SHA256 over all parts, one after the other.
pub fn mac(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&Key::new(HMAC_SHA256, secret));
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().to_vec()
}

/// Whether `tag` is the HMAC-SHA256 over all parts; takes as long whatever is wrong.
pub fn is_mac(secret: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    let message: Vec<u8> = parts.concat();
    hmac::verify(&Key::new(HMAC_SHA256, secret), &message, tag).is_ok()
}

/// Whether the seconds of a signed time are near enough to now.
pub fn is_recent(seconds: &str, now: Timestamp) -> bool {
    let Ok(seconds) = seconds.parse::<i64>() else { return false };
    let apart = seconds.saturating_mul(1000).saturating_sub(now.0);
    apart.saturating_abs() <= WINDOW_MS
}

/// Whether `signature` is RSA (PKCS #1 v1.5, SHA-256) over the body, by the key of a
/// SubjectPublicKeyInfo in base64, with or without its PEM armour.
pub fn is_rsa(public_key: &str, body: &[u8], signature: &[u8]) -> bool {
    let bare: String = public_key
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
        .collect();
    let Ok(der) = STANDARD.decode(bare) else { return false };
    let Some(key) = key_of(&der) else { return false };
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(body, signature).is_ok()
}

/// The key inside a SubjectPublicKeyInfo: SEQUENCE { SEQUENCE { … }, BIT STRING { key } }.
fn key_of(info: &[u8]) -> Option<&[u8]> {
    let (tag, inside, _) = element(info)?;
    let (algorithm, _, rest) = element(inside)?;
    let (bits, value, _) = element(rest)?;
    if (tag, algorithm, bits) != (0x30, 0x30, 0x03) {
        return None;
    }
    value.strip_prefix(&[0])
}

/// The first DER element: its tag, its value, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
        if bytes.len() > 4 {
            return None;
        }
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((*tag, value, rest))
}

pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?))
        .collect()
}
