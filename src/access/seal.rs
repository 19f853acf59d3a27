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

/// Seals with the newest key, and opens with any.
pub struct Sealer {
    /// The newest first; never empty.
    keys: Vec<XChaCha20Poly1305>,
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
        Sealer { keys: vec![XChaCha20Poly1305::new(key.into())] }
    }

    /// From text, as `REFUNDRY_MASTER_KEY` and the file hold it: keys in hex or base64, the newest
    /// first, with commas or line ends between them.
    pub fn from_text(text: &str) -> Result<Sealer, SealError> {
        let words = text.split([',', '\n']).map(str::trim).filter(|word| !word.is_empty());
        let keys = words.map(cipher).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(SealError::NotAKey);
        }
        Ok(Sealer { keys })
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
        let text = generate()?;
        write(directory, &text)?;
        Sealer::from_text(&text)
    }

    /// Puts a new key before those in the file of the data directory. What was sealed before still
    /// opens; only what is sealed from now on needs the new one.
    pub fn rotate(directory: &Path) -> Result<Sealer, SealError> {
        Sealer::from_directory(directory)?;
        let path = directory.join(MASTER_KEY_FILE);
        let failed = |error| SealError::File { path: path.display().to_string(), error };
        let before = fs::read_to_string(&path).map_err(failed)?;
        let text = format!("{}\n{}", generate()?, before.trim());
        write(directory, &text)?;
        Sealer::from_text(&text)
    }

    /// Whether what is sealed needs no key but the newest.
    pub fn is_newest(&self, sealed: &[u8], context: &str) -> bool {
        self.keys.first().is_some_and(|key| open_with(key, sealed, context).is_some())
    }

    /// Seals bytes for one place, which `context` names; they open nowhere else.
    pub fn seal(&self, bytes: &[u8], context: &str) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0_u8; NONCE];
        SysRng.try_fill_bytes(&mut nonce)?;
        let payload = Payload { msg: bytes, aad: context.as_bytes() };
        let newest = self.keys.first().ok_or(SealError::NotAKey)?;
        let text = newest
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_too_long| SealError::CannotOpen)?;
        let mut sealed = Vec::with_capacity(1 + NONCE + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    pub fn open(&self, sealed: &[u8], context: &str) -> Result<Vec<u8>, SealError> {
        let opened = self.keys.iter().find_map(|key| open_with(key, sealed, context));
        opened.ok_or(SealError::CannotOpen)
    }
}

fn open_with(key: &XChaCha20Poly1305, sealed: &[u8], context: &str) -> Option<Vec<u8>> {
    let (version, rest) = sealed.split_first()?;
    let (nonce, text) = rest.split_first_chunk::<NONCE>()?;
    if *version != VERSION {
        return None;
    }
    let payload = Payload { msg: text, aad: context.as_bytes() };
    key.decrypt(&XNonce::from(*nonce), payload).ok()
}

fn cipher(text: &str) -> Result<XChaCha20Poly1305, SealError> {
    let bytes = if text.len() == 64 { unhex(text) } else { STANDARD.decode(text).ok() };
    let key: [u8; 32] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(SealError::NotAKey)?;
    Ok(XChaCha20Poly1305::new((&key).into()))
}

fn generate() -> Result<String, SealError> {
    let mut key = [0_u8; 32];
    SysRng.try_fill_bytes(&mut key)?;
    Ok(STANDARD.encode(key))
}

/// Writes the file, for its owner only.
fn write(directory: &Path, text: &str) -> Result<(), SealError> {
    let path = directory.join(MASTER_KEY_FILE);
    let failed = |error| SealError::File { path: path.display().to_string(), error };
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
    fs::File::open(directory).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
}
