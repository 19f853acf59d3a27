//! One path of two APIs: where the key stands says whose request it is.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http_body_util::BodyExt;
use hyper::Request;
use refundry::testing::dialects::{self, Place, by_place};
use tower::ServiceExt;

use crate::harness::site::Site;

const KEY: &str = "x-api-key";

/// Two APIs that share a path, of which the second knows one method more.
fn shared() -> Router {
    let first = get(async || "first").fallback(async || "not of the first");
    let second = get(async || "second").post(async || "second, made");
    let claims = vec![(Place::Header(KEY), first), (Place::Authorization, second)];
    Router::new().route("/webhooks", by_place(claims))
}

async fn said(method: &str, fields: &[(&str, &str)]) -> String {
    let mut request = Request::builder().method(method).uri("/webhooks");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let answer = shared().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn the_place_of_the_key_says_whose_request_it_is() {
    let bearer = ("authorization", "Bearer rfk_1");
    let header = (KEY, "rfk_1");
    assert_eq!(said("GET", &[header]).await, "first");
    assert_eq!(said("GET", &[bearer]).await, "second");
    assert_eq!(said("GET", &[bearer, header]).await, "first", "the first that it fits");
    assert_eq!(said("GET", &[]).await, "first", "somebody has to refuse it");
    assert_eq!(said("POST", &[bearer]).await, "second, made");
    assert_eq!(said("POST", &[header]).await, "not of the first");
}

#[tokio::test]
async fn a_path_of_one_api_is_its_own_whatever_the_request_carries() {
    let site = Site::start().await;
    for path in ["/webhooks", "/digitalriver/webhooks"] {
        site.get(path).send().await.expect(200);
        let other = site.get(path).without("authorization").header(KEY, &site.key).send().await;
        assert_eq!(other.expect(401).json()["type"], "unauthorized");
    }
}

#[test]
fn no_api_shares_a_path_twice_or_under_a_name_of_its_own() {
    for dialect in &dialects::ALL {
        for (at, path) in dialect.shared.iter().enumerate() {
            let twice = dialect.shared[..at].iter().any(|other| other.path == path.path);
            assert!(path.path.starts_with('/') && !twice, "{}", path.path);
        }
    }
    let names = dialects::formats().names();
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "each format has a name of its own: {names:?}");
}
