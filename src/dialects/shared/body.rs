//! A request's body: within limits, JSON, and told by name what is wrong with it.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::problem::{At, Code, Problem};

/// The largest body of one request, and the largest line of a bulk request.
pub const BODY_MOST: usize = 256 * 1024;
/// How long a client may take to send the next piece of its body.
pub const PIECE_WAIT: Duration = Duration::from_secs(15);
/// How deep JSON may be nested; no shape that is taken comes near.
const DEPTH_MOST: usize = 16;

/// The whole body.
pub async fn read(mut body: Body) -> Result<Bytes, Problem> {
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > BODY_MOST {
        return Err(too_large());
    }
    // Nearly every body comes in one piece, which needs no copy.
    let Some(second) = next(&mut body).await? else { return Ok(first) };
    let mut whole = BytesMut::from(first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if whole.len() + bytes.len() > BODY_MOST {
            return Err(too_large());
        }
        whole.extend_from_slice(&bytes);
        piece = next(&mut body).await?;
    }
    Ok(whole.freeze())
}

fn too_large() -> Problem {
    Problem::new(Code::BodyTooLarge, "A body has at most 256 KiB.")
}

/// The next piece of a body; `None` at its end.
pub async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    use hyper::body::Body as _;
    loop {
        if body.is_end_stream() {
            return Ok(None);
        }
        let frame = tokio::time::timeout(PIECE_WAIT, body.frame()).await.map_err(|_late| {
            Problem::new(Code::BodyTimeout, "The body did not arrive within 15 seconds.")
        })?;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Some(Err(_broken)) => {
                return Err(Problem::new(Code::JsonMalformed, "The body broke off."));
            }
        }
    }
}

/// Refuses a body that does not say that it is JSON.
pub fn check_type(headers: &HeaderMap, allowed: &[&str]) -> Result<(), Problem> {
    let said = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let essence = said.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if allowed.iter().any(|one| essence.eq_ignore_ascii_case(one)) {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        format!("The body has to come with Content-Type: {}.", allowed.join(" or ")),
    )
    .at(At::Header("Content-Type")))
}

/// Reads JSON into a shape. Whatever does not fit is refused and named.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    check_depth(bytes)?;
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        // Slower, and knows where it was.
        Err(_) => Err(explain::<T>(bytes)),
    }
}

fn check_depth(bytes: &[u8]) -> Result<(), Problem> {
    let mut depth: usize = 0;
    let mut inside_text = false;
    let mut escaped = false;
    for byte in bytes {
        if inside_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => inside_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => inside_text = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MOST {
            let detail = "The body is nested deeper than 16 levels.";
            return Err(Problem::field(Code::JsonTooDeep, "", detail));
        }
    }
    Ok(())
}

fn explain<T: DeserializeOwned>(bytes: &[u8]) -> Problem {
    // What is no JSON at all is said first, wherever the shape stopped fitting.
    if std::str::from_utf8(bytes).is_err() {
        return Problem::field(Code::JsonMalformed, "", "The body is not UTF-8.");
    }
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(bytes) {
        return malformed(&error);
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let error = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) => error,
        Ok(_) => match reader.end() {
            Err(error) => return malformed(&error),
            Ok(()) => return Problem::new(Code::Internal, "The body was read differently twice."),
        },
    };
    match error.inner().classify() {
        Category::Data => misfit(&pointer(error.path()), &error.inner().to_string()),
        Category::Syntax | Category::Eof | Category::Io => malformed(error.inner()),
    }
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::field(Code::JsonMalformed, "", format!("The body is not JSON: {error}."))
}

/// Which field does not fit, from what serde says of it.
fn misfit(pointer: &str, said: &str) -> Problem {
    let message = said.rsplit_once(" at line ").map_or(said, |(message, _)| message);
    let named = message.split('`').nth(1).map(escape);
    // The path of an unknown or doubled field ends with its name already, or with its parent.
    let inner = |name: &str| {
        if pointer.rsplit('/').next() == Some(name) {
            pointer.to_owned()
        } else {
            format!("{pointer}/{name}")
        }
    };
    let kinds = [
        ("unknown field", Code::FieldUnknown),
        ("missing field", Code::FieldMissing),
        ("duplicate field", Code::FieldDuplicate),
    ];
    let detail = sentence(message);
    let kind = kinds.into_iter().find(|(start, _)| message.starts_with(start));
    match (kind, named) {
        (Some((_, code)), Some(name)) => Problem::field(code, inner(&name), detail),
        (Some(_) | None, _) => Problem::field(Code::FieldInvalid, pointer, detail),
    }
}

fn sentence(message: &str) -> String {
    let mut text = String::with_capacity(message.len() + 1);
    let mut chars = message.chars();
    text.extend(chars.next().map(|first| first.to_ascii_uppercase()));
    // What a client sent may be in the message: bounded, and on one line.
    text.extend(chars.take(500).map(|c| if c.is_control() { ' ' } else { c }));
    text.push('.');
    text
}

fn pointer(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                text.push('/');
                text.push_str(&escape(key));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}

/// One step of a JSON Pointer.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
