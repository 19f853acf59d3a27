//! Tokens that stand for a key for a while: what they say is in them, sealed under the master key,
//! so that every process that has it reads them and no database is asked. Only that one which works
//! once was used is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use refundry_domain::ids::{KeyId, MerchantId, Timestamp};
use refundry_domain::merchant::Key;
use sha2::{Digest, Sha256};

use super::seal::{SealError, Sealer};

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Asking, in the key's place.
    Access,
    /// A new access token, once.
    Refresh,
}

impl Use {
    fn context(self) -> &'static str {
        match self {
            Use::Access => "token/access",
            Use::Refresh => "token/refresh",
        }
    }
}

/// The longest text that is looked at as a token.
const TEXT_MOST: usize = 256;
/// The merchant's number, the key's, when it expires, and the start of the secret's hash.
const BYTES: usize = 8 + 8 + 8 + MARK;
pub const MARK: usize = 8;
/// Tells one secret of a key from another.
pub type Mark = [u8; MARK];

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub merchant: MerchantId,
    pub key: KeyId,
    pub expires: Timestamp,
    /// Of the secret that the key had: with another one, its tokens have ended.
    mark: Mark,
}

impl Token {
    pub fn of(key: &Key, expires: Timestamp) -> Token {
        Token { merchant: key.merchant, key: key.id, expires, mark: mark(key) }
    }

    /// As it is handed out; no two texts are the same.
    pub fn seal(&self, sealer: &Sealer, wanted: Use) -> Result<String, SealError> {
        let mut bytes = Vec::with_capacity(BYTES);
        for number in [self.merchant.0, self.key.0, self.expires.0] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.mark);
        Ok(URL_SAFE_NO_PAD.encode(sealer.seal(&bytes, wanted.context())?))
    }

    /// What was sealed for this use; nothing for any other text.
    pub fn open(sealer: &Sealer, text: &str, wanted: Use) -> Option<Token> {
        if text.len() > TEXT_MOST {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes = sealer.open(&sealed, wanted.context()).ok()?;
        let (merchant, rest) = number(&bytes)?;
        let (key, rest) = number(rest)?;
        let (expires, mark) = number(rest)?;
        let (merchant, key, expires) = (MerchantId(merchant), KeyId(key), Timestamp(expires));
        Some(Token { merchant, key, expires, mark: mark.try_into().ok()? })
    }

    /// The mark, to tell tokens of one key from those of the same with another secret.
    pub fn mark_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.mark)
    }

    /// Whether the key is still the one that it was made for.
    pub fn is_of(&self, key: &Key) -> bool {
        key.revoked_at.is_none() && self.mark == mark(key)
    }
}

fn number(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*number), rest))
}

/// What tells the secrets that a key has had from each other. Not the hash itself: what a key is
/// found by is told to nobody.
pub fn mark(key: &Key) -> Mark {
    let digest: [u8; 32] = Sha256::digest(key.hash).into();
    let mut start = [0; MARK];
    start.copy_from_slice(&digest[..MARK]);
    start
}

/// What a used token is remembered by.
pub fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
