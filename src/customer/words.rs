//! What the pages say, a file a language, and which language a customer reads.

use std::sync::LazyLock;

use serde::Deserialize;

/// Every text of the pages. A new one does not start until all languages have it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The language's own name, as pages and browsers call it.
    pub lang: String,
    pub decimal: String,
    pub title: String,
    pub intro: String,
    pub holder: String,
    pub holder_hint: String,
    pub iban: String,
    pub iban_hint: String,
    pub bic: String,
    pub send: String,
    pub safe: String,
    pub until: String,
    pub wrong: String,
    pub wrong_holder: String,
    pub wrong_iban: String,
    pub wrong_bic: String,
    pub done_title: String,
    pub done: String,
    pub gone_title: String,
    pub gone: String,
    pub unknown_title: String,
    pub unknown: String,
    pub busy_title: String,
    pub busy: String,
    pub trouble_title: String,
    pub trouble: String,
}

/// The first is for whoever reads none of them.
static ALL: LazyLock<Vec<Words>> = LazyLock::new(|| {
    [include_str!("words/en.toml"), include_str!("words/de.toml"), include_str!("words/pl.toml")]
        .iter()
        .map(|text| toml::from_str(text).expect("the compiled-in texts are complete"))
        .collect()
});

/// In the language that the customer's browser asks for first, of those that there are.
pub fn spoken(accepted: &str) -> &'static Words {
    let mut wishes: Vec<(u32, &str)> = accepted.split(',').take(20).filter_map(wish).collect();
    wishes.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let known = |lang: &str| ALL.iter().find(|words| words.lang.eq_ignore_ascii_case(lang));
    wishes.into_iter().find_map(|(_, lang)| known(lang)).unwrap_or(&ALL[0])
}

/// `pl-PL;q=0.8` as 800 and `pl`; nothing when it is refused.
fn wish(text: &str) -> Option<(u32, &str)> {
    let mut parts = text.split(';').map(str::trim);
    let lang = parts.next()?.split('-').next()?;
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1000), thousandths)?;
    (weight > 0).then_some((weight, lang))
}

fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    Some(whole.parse::<u32>().ok()?.min(1) * 1000 + part.parse::<u32>().ok()?)
}
