//! Key pairs of messages that anybody can check by a public key: RSA with 2048 bits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::RsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};

/// How the text of a private key begins.
pub const PREFIX: &str = "rsa_";
const BITS: usize = 2048;

/// A new private key: [`PREFIX`] and the base64 of its PKCS #8 document. Takes a second or so;
/// `None` when the system has no randomness to give.
pub fn generate() -> Option<String> {
    let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, BITS).ok()?;
    let document = key.to_pkcs8_der().ok()?;
    Some(format!("{PREFIX}{}", STANDARD.encode(document.as_bytes())))
}

fn document(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.strip_prefix(PREFIX)?).ok()
}

/// The public key as a SubjectPublicKeyInfo in base64, on one line and without armour; `None` when
/// the text is no private key that can sign.
pub fn public_key(text: &str) -> Option<String> {
    let document = document(text)?;
    // The one that signs takes fewer keys than the one that reads.
    RsaKeyPair::from_pkcs8(&document).ok()?;
    let key = RsaPrivateKey::from_pkcs8_der(&document).ok()?;
    let info = key.to_public_key().to_public_key_der().ok()?;
    Some(STANDARD.encode(info.as_bytes()))
}

/// RSA PKCS #1 v1.5 with SHA-256 over the body, in base64.
pub fn sign(text: &str, body: &[u8]) -> Option<String> {
    let key = RsaKeyPair::from_pkcs8(&document(text)?).ok()?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), body, &mut signature).ok()?;
    Some(STANDARD.encode(signature))
}
