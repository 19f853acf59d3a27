//! Styles and script, in the binary. The hash of what they hold is in their address, so a browser
//! may keep them for good.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use sha2::{Digest, Sha256};

use crate::dialects::Served;

pub const PATH: &str = "/console/assets/{name}";

struct Asset {
    name: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, text: &'static str) -> Asset {
        let digest = Sha256::digest(text.as_bytes());
        let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Asset { name: format!("{stem}.{hash}.{ending}"), kind, text }
    }
}

static STYLES: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "css", "text/css; charset=utf-8", include_str!("assets/console.css"))
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "js", "text/javascript; charset=utf-8", include_str!("assets/console.js"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

pub fn styles() -> &'static str {
    &STYLES.name
}

pub fn script() -> &'static str {
    &SCRIPT.name
}

pub fn icon() -> &'static str {
    &ICON.name
}

pub async fn serve(Path(name): Path<String>) -> Response {
    let known = [&*STYLES, &*SCRIPT, &*ICON].into_iter().find(|asset| asset.name == name);
    let mut response = match known {
        Some(asset) => {
            let mut response = Response::new(Body::from(asset.text));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
            let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
            headers.insert(CACHE_CONTROL, keep);
            response
        }
        None => {
            let mut response = Response::new(Body::from("There is no such file.\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    };
    let sniff = HeaderName::from_static("x-content-type-options");
    response.headers_mut().insert(sniff, HeaderValue::from_static("nosniff"));
    response.extensions_mut().insert(Served(PATH));
    response
}
