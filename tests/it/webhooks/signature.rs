//! Signatures, as the libraries of others check them.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::{Post, id, subscribe};
use crate::harness::receiver::{Receiver, Told};
use crate::harness::site::Site;

/// A message as the programs of others read it.
fn as_line(told: &Told, secret: &str) -> Value {
    json!({
        "secret": secret,
        "body": String::from_utf8(told.body.to_vec()).unwrap(),
        "headers": {
            "webhook-id": told.header("webhook-id"),
            "webhook-timestamp": told.header("webhook-timestamp"),
            "webhook-signature": told.header("webhook-signature"),
        },
    })
}

/// Messages that must verify and messages that must not, for each program.
async fn messages() -> (Vec<Value>, Vec<Value>) {
    let site = Site::start().await;
    // The libraries take nothing that is older than five minutes.
    let now = i64::try_from(now_ms()).unwrap();
    site.clock.advance_ms(now - crate::harness::store::NOW.0);
    let receiver = Receiver::good().await;
    let endpoint = subscribe(&site, &receiver, &["order.registered"]).await;
    let old = endpoint["secret"].as_str().unwrap().to_owned();
    let post = Post::over(&site);
    site.order("1.00").await;
    receiver.until(1).await;
    let path = format!("/v1/webhook_endpoints/{}/rotate_secret", id(&endpoint));
    let rotated = site.post(&path, json!({"expire_after_seconds": 60})).send().await;
    let rotated = rotated.expect(200).json();
    let new = rotated["secret"].as_str().unwrap().to_owned();
    let until = rotated["old_secrets_until"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(until.as_millisecond(), now + 60_000);
    // A secret is taken up within a look.
    let mut count = 1;
    let both = loop {
        site.order("1.00").await;
        count += 1;
        let told = receiver.until(count).await.pop().unwrap();
        if told.header("webhook-signature").split(' ').count() == 2 {
            break told;
        }
        assert!(count < 2_000, "the new secret is never taken up");
    };
    site.clock.advance_ms(60_000);
    site.order("1.00").await;
    let alone = receiver.until(count + 1).await.pop().unwrap();
    post.stop().await;
    let first = &receiver.told()[0];
    let mut forged = as_line(&alone, &new);
    forged["body"] = json!(forged["body"].as_str().unwrap().replace("order.", "refund."));
    let good = vec![
        as_line(first, &old),
        as_line(&both, &old),
        as_line(&both, &new),
        as_line(&alone, &new),
    ];
    let bad = vec![as_line(first, &new), as_line(&alone, &old), forged];
    (good, bad)
}

#[expect(clippy::disallowed_methods, reason = "the libraries of others look at the real time")]
fn now_ms() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis()
}

/// Where `./test` puts the libraries; without them there is nothing to check with.
fn libraries() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/signatures")
}

fn verdicts(mut command: Command, lines: &[Value]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), serde_json::to_vec(&lines).unwrap()).unwrap();
    let output = command.arg(file.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(str::to_owned).collect()
}

const PYTHON: &str = r#"
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
for line in json.load(open(sys.argv[1])):
    try:
        Webhook(line["secret"]).verify(line["body"], line["headers"])
        print("good")
    except WebhookVerificationError:
        print("bad")
"#;

const NODE: &str = r#"
const { Webhook, WebhookVerificationError } = require("standardwebhooks");
for (const line of JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))) {
    try {
        new Webhook(line.secret).verify(line.body, line.headers);
        console.log("good");
    } catch (error) {
        if (!(error instanceof WebhookVerificationError)) throw error;
        console.log("bad");
    }
}
"#;

#[tokio::test]
async fn the_libraries_of_others_take_our_signatures() {
    let (good, bad) = messages().await;
    let expected = [vec!["good"; good.len()], vec!["bad"; bad.len()]].concat();
    let lines = [good, bad].concat();
    let python = libraries().join("python/bin/python");
    let node = libraries().join("npm/node_modules");
    assert!(
        python.exists() && node.join("standardwebhooks").exists(),
        "the signature libraries are not installed; run `./test` once, which does"
    );
    let mut command = Command::new(python);
    command.args(["-c", PYTHON]);
    assert_eq!(verdicts(command, &lines), expected, "Python");
    let mut command = Command::new("node");
    command.args(["-e", NODE]).env("NODE_PATH", node);
    assert_eq!(verdicts(command, &lines), expected, "JavaScript");
}
