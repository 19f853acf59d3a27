//! A stranger's client: suds reads our WSDLs and calls every method as they say.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::legacy::{day_key, made_key};
use super::shop::Shop;

const PYTHON: &str = "target/clients/suds/bin/python";
const INSTALL: &str = "python3 -m venv target/clients/suds && \
                       target/clients/suds/bin/pip install suds-community==1.2.0";

#[tokio::test(flavor = "multi_thread")]
async fn a_generic_client_calls_every_method_from_the_wsdl_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(PYTHON);
    assert!(python.exists(), "the SOAP client is not installed; run: {INSTALL}");
    let shop = Shop::with_order().await;
    shop.return_of("1001", "return", "501", 1).await;
    let (login, secret) = made_key(&shop, &["read", "write"]).await;
    let base = format!("http://{}", shop.site.address);
    let child = tokio::task::spawn_blocking(move || {
        std::process::Command::new(python)
            .arg(root.join("tests/clients/idosell_suds.py"))
            .args([&base, &login, &day_key("20250615", &secret), "1001"])
            .stdin(Stdio::null())
            .output()
    });
    let done = tokio::time::timeout(Duration::from_secs(120), child).await;
    let done = done.expect("the client ends within two minutes").unwrap().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
    let said: Vec<String> = text.lines().map(without_numbers).collect();
    let expected = [
        "getPossibleAutoRefunds errors=0 \
         [paymentId=1 value=100.0 refundType=full refundCurrency=PLN] \
         [paymentId=2 value=23.45 refundType=full refundCurrency=PLN]",
        "addAutomaticRefundForOrder errors=0 refundId=N",
        "addManualRefund errors=0 refundId=N",
        "addAutomaticRefund errors=0 refundId=N",
        "retrieveRefundsList errors=0 \
         [sourceType=order sourceId=1001 paymentId=1001-1 refundValue=20.12 refundCurrency=PLN] \
         [sourceType=order sourceId=1001 paymentId=1001-2 refundValue=5.0 refundCurrency=PLN] \
         [sourceType=return sourceId=501 paymentId=501-1 refundValue=50.0 refundCurrency=PLN]",
        "updateRefund errors=0 updateResult=True",
        "confirmRefund errors=0 confirmResult=True",
        "getRefundStatus errors=0 refundDateAdd=2025-06-15 17:06:40 refundValue=21.5 \
         refundStatus=Processing refundDateConfirm=2025-06-15 17:06:40 refundCurrency=PLN",
        "cancelRefund errors=0 resultStatus=True",
        "cancelRefund errors=4020 faultCode=4020 faultString=ref_N is canceled and cannot be \
         canceled.",
        "getRefundStatus errors=1 faultCode=1 faultString=The login has failed: wrong userLogin \
         or authenticateKey.",
        "no login is a normal answer",
    ];
    assert_eq!(said, expected, "{text}");
}

/// The line with the numbers of refunds made alike.
fn without_numbers(line: &str) -> String {
    let mut words = Vec::new();
    for word in line.split(' ') {
        words.push(match word {
            _ if word.starts_with("refundId=") => "refundId=N".to_owned(),
            _ if word.contains("=ref_") => "faultString=ref_N".to_owned(),
            _ => word.to_owned(),
        });
    }
    words.join(" ")
}
