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
async fn webhooks_are_of_two_apis_at_the_root_and_of_one_under_its_prefix() {
    let site = Site::start().await;
    site.get("/webhooks").send().await.expect(200);
    let own = |path| site.get(path).without("authorization").header(KEY, &site.key);
    assert!(own("/webhooks").send().await.expect(200).json().is_array());
    let other = own("/digitalriver/webhooks").send().await.expect(401);
    assert_eq!(other.json()["type"], "unauthorized");
    assert!(own("/returngo/webhooks").send().await.expect(200).json().is_array());
    let other = site.get("/returngo/webhooks").send().await.expect(401);
    assert!(other.json()["message"].is_string());
}

#[tokio::test]
async fn no_api_shares_a_path_twice_or_under_a_name_of_its_own() {
    for dialect in &dialects::ALL {
        for (at, path) in dialect.shared.iter().enumerate() {
            let twice = dialect.shared[..at].iter().any(|other| other.path == path.path);
            assert!(path.path.starts_with('/') && !twice, "{}", path.path);
        }
    }
    let site = Site::start().await;
    let names = dialects::formats(&site.links).names();
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "each format has a name of its own: {names:?}");
}
