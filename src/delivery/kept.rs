//! What is kept of an answer: its beginning, without what was sent for the receiver alone. Whoever
//! may read deliveries may not know that, and a receiver may repeat it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::byte_serialize;

/// How much of an answer is kept.
const MOST: usize = 256;
/// What stands where something was cut out.
const CUT: &str = "[cut]";
/// Shorter pieces prove nothing, and are in many words.
const PIECE_LEAST: usize = 8;

/// The texts of a request that are for its receiver alone, as they may come back.
#[derive(Default)]
pub struct Hidden(Vec<String>);

impl Hidden {
    /// A text, as it is and as JSON and forms write it.
    pub fn add(&mut self, text: &str) {
        if text.len() < PIECE_LEAST {
            return;
        }
        let in_form: String = byte_serialize(text.as_bytes()).collect();
        for written in [text.to_owned(), text.replace('/', "\\/"), in_form] {
            if !self.0.contains(&written) {
                self.0.push(written);
            }
        }
    }

    /// A field that says who asks: all of it, its parts, and what stands behind Basic credentials.
    pub fn add_field(&mut self, name: &str, value: &str) {
        let proves = name.eq_ignore_ascii_case("authorization")
            || name.to_ascii_lowercase().ends_with("signature");
        if !proves {
            return;
        }
        for piece in value.split([' ', ',']) {
            self.add(piece);
            let pair = STANDARD.decode(piece).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            if let Some((_, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
                self.add(password);
            }
        }
    }

    /// The beginning of an answer without them. They are looked for beyond what is kept, so that
    /// none of them is kept in part.
    pub fn beginning(&self, answer: &[u8]) -> String {
        let mut hidden = vec![false; answer.len()];
        for text in self.0.iter().map(|text| text.as_bytes()) {
            for (at, window) in answer.windows(text.len()).enumerate() {
                if window == text {
                    hidden[at..at + text.len()].fill(true);
                }
            }
        }
        let mut kept = Vec::with_capacity(answer.len().min(MOST));
        let mut before = false;
        for (byte, hidden) in answer.iter().zip(hidden).take(MOST) {
            if !hidden {
                kept.push(*byte);
            } else if !before {
                kept.extend_from_slice(CUT.as_bytes());
            }
            before = hidden;
        }
        String::from_utf8_lossy(&kept).into_owned()
    }
}
