//! Its maker's own client, against a running server.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::shop::Shop;

const CLIENT: &str = "target/clients/fluent/node_modules/@fluentcommerce/fc-connect-sdk";
const INSTALL: &str =
    "npm install --prefix target/clients/fluent @fluentcommerce/fc-connect-sdk@0.1.56";

#[tokio::test(flavor = "multi_thread")]
async fn the_makers_own_client_logs_in_and_makes_every_call() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let client = root.join(CLIENT);
    assert!(client.exists(), "the client is not installed; run: {INSTALL}");
    let shop = Shop::open().await;
    let base = format!("http://{}", shop.site.address);
    let key = shop.site.key.clone();
    let child = tokio::task::spawn_blocking(move || {
        std::process::Command::new("node")
            .arg(root.join("tests/clients/fluent_sdk.mjs"))
            .arg(client)
            .args([&base, "1", &key])
            .stdin(Stdio::null())
            .output()
    });
    let done = tokio::time::timeout(Duration::from_secs(120), child).await;
    let done = done.expect("the client ends within two minutes").unwrap().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
    let said: Vec<String> = text.lines().map(without_numbers).collect();
    let expected = [
        "client_credentials: POST return 200 id=RET-1",
        "GET return 200 CUSTOMER_RETURN 1001",
        "POST transaction 200 id=N",
        "POST transaction again 200 the same id",
        "GET transaction 200 REFUND 59.9 AUD APPROVED 2344",
        "PUT transaction 200 id=N",
        "GET transactions 200 total=1 count=10 note=\"from the client\"",
        "over-refund: FluentAPIError 400 Bad Request",
        "no such transaction: FluentAPIError 404 Not Found",
        "renewed after 401: 200",
        "password: GET transactions 200, then a renewal by refresh token: 200",
        "used refresh token: 200 by a new login",
        "OAuth2AuthProvider: bearer, api, refreshed, 200",
        "wrong key: FluentAPIError 401 invalid_client",
    ];
    assert_eq!(said, expected, "{text}");
}

/// The line with the numbers of transactions made alike.
fn without_numbers(line: &str) -> String {
    let words = line.split(' ').map(|word| match word.strip_prefix("id=") {
        Some(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => "id=N",
        Some(_) | None => word,
    });
    words.collect::<Vec<_>>().join(" ")
}
