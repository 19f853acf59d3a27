//! Where a request carries its API key. One key works in every place.

use std::borrow::Cow;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The key of `Authorization: Bearer KEY`, or of `Basic` as the password, or as the user when the
/// password is empty. `None` when there is none, or more than one.
pub fn authorization(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Cow::Borrowed(rest.trim_matches(' ')));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let (user, password) = basic(rest.trim_matches(' '))?;
        return Some(Cow::Owned(if password.is_empty() { user } else { password }));
    }
    None
}

/// User and password of `Authorization: Basic`, when that is the only credential.
pub fn basic_of(headers: &HeaderMap) -> Option<(String, String)> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("basic") { basic(rest.trim_matches(' ')) } else { None }
}

/// User and password of the `Basic` scheme.
pub fn basic(encoded: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
