//! Secrets at rest: XChaCha20-Poly1305 under one master key of the installation.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRng;
use rand::rngs::SysRng;

/// The file of the master key in the data directory. Whoever loses it loses what was sealed.
pub const MASTER_KEY_FILE: &str = "master.key";
/// The format of sealed bytes, their first one: 1, nonce (24), text, tag (16).
const VERSION: u8 = 1;
const NONCE: usize = 24;

pub struct Sealer {
    cipher: XChaCha20Poly1305,
}

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the master key has to be 32 bytes, as 64 hex digits or as base64")]
    NotAKey,
    #[error("the master key file {path}: {error}")]
    File { path: String, error: io::Error },
    #[error("the system has no randomness to give: {0}")]
    NoRandomness(#[from] rand::rngs::SysError),
    /// Altered, sealed for something else, or under another master key.
    #[error("sealed bytes cannot be opened with this master key")]
    CannotOpen,
}

impl Sealer {
    pub fn new(key: &[u8; 32]) -> Sealer {
        Sealer { cipher: XChaCha20Poly1305::new(key.into()) }
    }

    /// From text, as `REFUNDRY_MASTER_KEY` holds it: hex or base64.
    pub fn from_text(text: &str) -> Result<Sealer, SealError> {
        let text = text.trim();
        let bytes = if text.len() == 64 { unhex(text) } else { STANDARD.decode(text).ok() };
        let key: [u8; 32] =
            bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(SealError::NotAKey)?;
        Ok(Sealer::new(&key))
    }

    /// From the file in the data directory, which is made (0600) when there is none.
    pub fn from_directory(directory: &Path) -> Result<Sealer, SealError> {
        let path = directory.join(MASTER_KEY_FILE);
        let failed = |error| SealError::File { path: path.display().to_string(), error };
        match fs::read_to_string(&path) {
            Ok(text) => return Sealer::from_text(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut key = [0_u8; 32];
        SysRng.try_fill_bytes(&mut key)?;
        let text = STANDARD.encode(key);
        // Under another name first: a crash must not leave half a key behind.
        let fresh = directory.join(format!("{MASTER_KEY_FILE}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&fresh, &path).map_err(failed)?;
        fs::File::open(directory).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(Sealer::new(&key))
    }

    /// Seals bytes for one place, which `context` names; they open nowhere else.
    pub fn seal(&self, bytes: &[u8], context: &str) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0_u8; NONCE];
        SysRng.try_fill_bytes(&mut nonce)?;
        let payload = Payload { msg: bytes, aad: context.as_bytes() };
        let text = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_too_long| SealError::CannotOpen)?;
        let mut sealed = Vec::with_capacity(1 + NONCE + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    pub fn open(&self, sealed: &[u8], context: &str) -> Result<Vec<u8>, SealError> {
        let (version, rest) = sealed.split_first().ok_or(SealError::CannotOpen)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE>().ok_or(SealError::CannotOpen)?;
        if *version != VERSION {
            return Err(SealError::CannotOpen);
        }
        let payload = Payload { msg: text, aad: context.as_bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_forged| SealError::CannotOpen)
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
}
