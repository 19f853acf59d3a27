//! The pages about gateways say what the code does, and the example in them works.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use refundry::testing::clock::{Clock, ManualClock, SystemClock};
use refundry::testing::gateways::{Finding, connectors};
use refundry_domain::outcome::{FailureCode, Outcome};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::amounts::attempt;
use super::http::SECRET;
use crate::harness::provider::gateway;

const PAGE: &str = include_str!("../../../docs/gateways.md");

#[test]
fn the_page_lists_every_connector_with_what_it_can_do_and_needs() {
    let yes = |can: bool| if can { "yes" } else { "no" };
    for connector in connectors::ALL {
        let name = connector.name;
        let start = format!(
            "| `{name}` | {} | {} |",
            yes(connector.deduplicates),
            yes(connector.can_be_asked)
        );
        let row = PAGE.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("docs/gateways.md lacks: {start}"));
        let signed =
            if connector.notifications.is_empty() { "–" } else { connector.notifications };
        assert!(row.ends_with(&format!("| {signed} |")), "{row}");
        let fields = PAGE.lines().filter(|line| line.starts_with(&format!("| `{name}` |"))).nth(1);
        for field in connector.settings.iter().chain(connector.secrets) {
            let quoted = format!("`{}`", field.name);
            assert!(fields.unwrap().contains(&quoted), "docs/gateways.md: {name} lacks {quoted}");
            assert!(field.what.ends_with('.') && field.what.len() > 10, "{name} {quoted}");
        }
    }
    for code in FailureCode::ALL {
        assert!(PAGE.contains(&format!("\n| `{}` | ", code.name())), "no row for {}", code.name());
    }
}

#[tokio::test]
async fn the_example_of_a_service_keeps_the_contract() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/http-gateway.py");
    let mut process = Command::new("python3")
        .arg(script)
        .env("PORT", port.to_string())
        .env("SECRET", SECRET)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let up = async {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(process.try_wait().unwrap().is_none(), "{script} ended");
            beat.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), up).await.expect("the example serves");
    // It compares the signed time with its own.
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let url = format!("http://127.0.0.1:{port}/refunds");
    let trusted = gateway("http", &clock, &[("url", &url)], &[("secret", SECRET)]);
    assert_eq!(trusted.test().await, Ok(()));
    let attempt = attempt("10.05", "EUR");
    assert_eq!(trusted.ask(&attempt).await, Finding::Missing);
    let paid = trusted.pay(&attempt).await;
    let amount = Some(attempt.amount.minor());
    assert_eq!(paid, Outcome::Done { reference: Some("ex-1".to_owned()), amount });
    assert_eq!(trusted.pay(&attempt).await, paid, "the same key is paid once");
    assert_eq!(trusted.ask(&attempt).await, Finding::Found(paid));
    let other = "b3RoZXIgc2VjcmV0LCBqdXN0IGFzIGxvbmcgYXMgdGhhdA==";
    let stranger = gateway("http", &clock, &[("url", &url)], &[("secret", other)]);
    assert!(stranger.test().await.unwrap_err().contains("401"));
}
