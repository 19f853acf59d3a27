//! Signatures as Standard Webhooks 1.0 has them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::TryRng;
use rand::rngs::SysRng;
use refundry_domain::ids::Timestamp;
use ring::hmac;

/// How a secret begins.
pub const PREFIX: &str = "whsec_";
const RANDOM: usize = 32;
/// How many bytes a given secret may have.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A new secret of 256 random bits.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate() -> Result<String, rand::rngs::SysError> {
    let mut bytes = [0_u8; RANDOM];
    SysRng.try_fill_bytes(&mut bytes)?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The key in a secret; `None` when it is not one.
pub fn key(secret: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    BYTES.contains(&bytes.len()).then_some(bytes)
}

/// The fields `webhook-id`, `webhook-timestamp` and `webhook-signature`, with one signature for
/// each secret, the first one first.
pub fn headers(
    id: &str,
    at: Timestamp,
    secrets: &[String],
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let seconds = at.0.div_euclid(1000).to_string();
    let signatures: Vec<String> = secrets
        .iter()
        .filter_map(|secret| key(secret))
        .map(|key| {
            let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
            for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
                context.update(part);
            }
            format!("v1,{}", STANDARD.encode(context.sign()))
        })
        .collect();
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds),
        ("webhook-signature", signatures.join(" ")),
    ]
}
