//! The reference to browse: nothing of it is loaded from elsewhere.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::dialects::{Served, native};

/// The page of all error codes; `type` of a problem points into it.
pub const ERRORS: &str = include_str!("../../docs/reference/errors.md");

/// The swagger page writes styles into its elements and draws its icons from data addresses.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'none'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// `/openapi.json`, `/docs` and `/docs/errors`.
pub fn router() -> Router {
    let config = Config::from("/openapi.json").try_it_out_enabled(false);
    Router::new()
        .merge(SwaggerUi::new("/docs").config(config))
        .route("/docs/errors", get(errors))
        .layer(from_fn(guard))
        .route("/openapi.json", get(reference))
}

async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    response.extensions_mut().insert(Served("/docs"));
    response
}

async fn reference() -> Response {
    let mut response = Response::new(Body::from(native::openapi::document()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.extensions_mut().insert(Served("/openapi.json"));
    response
}

async fn errors() -> Response {
    let mut response = Response::new(Body::from(page(ERRORS)));
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The page of errors as HTML: headings with the code as their anchor, and paragraphs.
fn page(markdown: &str) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Refundry: errors</title>\
         <style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui;max-width:45rem;\
         margin:2rem auto;padding:0 1rem}h3:target{background:#fd05}code{font-size:1rem}</style>",
    );
    for block in markdown.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let hashes = block.bytes().take_while(|byte| *byte == b'#').count();
        let text = inline(block[hashes..].trim());
        let anchor = block[hashes..].trim().trim_matches('`');
        html.push_str(&match hashes {
            0 => format!("<p>{text}</p>"),
            level => format!("<h{level} id=\"{}\">{text}</h{level}>", escape(anchor)),
        });
    }
    html
}

/// Text between backticks becomes code.
fn inline(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (index, piece) in text.split('`').enumerate() {
        let piece = escape(piece);
        html.push_str(&if index % 2 == 1 { format!("<code>{piece}</code>") } else { piece });
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
