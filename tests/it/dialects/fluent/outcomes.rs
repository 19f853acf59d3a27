//! Refunds that Refundry carries out itself, as this API shows and settles them.

use refundry::testing::access::Caller;
use refundry::testing::ledger::Answered;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{MerchantId, TransactionId};
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use serde_json::{Value, json};

use super::shop::{Shop, TRANSACTIONS};

/// The number of the refund's only transaction.
fn number(refund: &Value) -> String {
    let id = refund["transactions"][0]["id"].as_str().unwrap();
    id.strip_prefix("txn_").unwrap().to_owned()
}

async fn worker(shop: &Shop, number: &str, command: Command) {
    let caller = Caller::internal(MerchantId(1), "worker");
    let target = Target::Transaction(TransactionId(number.parse().unwrap()));
    let done = shop.site.ledger.carry_out(&caller, target, command, None, false).await;
    assert!(matches!(done, Ok(Answered::Done { .. })), "{done:?}");
}

async fn hear(shop: &Shop, number: &str, outcome: Outcome) {
    let report = Report { outcome, by: Reporter::Gateway, look_again_ms: 1_000 };
    worker(shop, number, Command::Report(report)).await;
}

fn declined() -> Outcome {
    let message = "The card is gone.".to_owned();
    Outcome::Declined(Failure { code: FailureCode::Declined, message })
}

async fn status(shop: &Shop, number: &str) -> String {
    shop.show(number).await["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_refund_by_a_gateway_is_processing_then_approved_or_declined() {
    let shop = Shop::open().await;
    // An unconfirmed one counts as under way too.
    let waits = number(&shop.refund(json!({"amount": "1.00", "confirm": false})).await);
    assert_eq!(status(&shop, &waits).await, "PROCESSING");

    for (outcome, expected) in [
        (Outcome::Done { reference: Some("re_1".to_owned()), amount: None }, "APPROVED"),
        (declined(), "DECLINED"),
    ] {
        let ask = json!({"amount": "59.90", "execution": "automatic"});
        let refund = shop.refund(ask).await;
        assert_eq!(refund["transactions"][0]["provider"], "sandbox");
        let number = number(&refund);
        let shown = shop.show(&number).await;
        assert_eq!(shown["status"], "PROCESSING");
        assert_eq!(shown["transactionType"], "REFUND");
        assert_eq!(shown["paymentProvider"], "SANDBOX");
        assert_eq!(shown["paymentMethod"], "CREDITCARD");
        assert_eq!(
            (&shown["transactionRef"], &shown["transactionCode"]),
            (&json!(null), &json!(null))
        );
        worker(&shop, &number, Command::Start { worker: 1, lease_ms: 60_000 }).await;
        assert_eq!(status(&shop, &number).await, "PROCESSING");
        // Its gateway tells its outcome, and nobody else does.
        for status in ["APPROVED", "DECLINED"] {
            let update = json!({"status": status, "transactionNote": "said so"});
            shop.refused(shop.put(&format!("{TRANSACTIONS}/{number}"), &update), 400).await;
        }
        assert_eq!(shop.show(&number).await, shown);
        let same = json!({"status": "PROCESSING", "transactionNote": "on its way"});
        shop.put(&format!("{TRANSACTIONS}/{number}"), &same).send().await.expect(200);
        assert_eq!(shop.show(&number).await["transactionNote"], "on its way");
        hear(&shop, &number, outcome).await;
        let shown = shop.show(&number).await;
        assert_eq!(shown["status"], expected);
        if expected == "APPROVED" {
            assert_eq!(shown["transactionRef"], "re_1");
            hear(&shop, &number, Outcome::Reversed { message: "taken back".to_owned() }).await;
            assert_eq!(status(&shop, &number).await, "DECLINED");
        }
    }
}

#[tokio::test]
async fn a_refund_that_others_carry_out_is_settled_by_an_update() {
    let shop = Shop::open().await;
    for (wanted, state) in [("APPROVED", "succeeded"), ("DECLINED", "failed")] {
        let refund = shop.refund(json!({"amount": "10.00", "execution": "notify"})).await;
        let number = number(&refund);
        let path = format!("{TRANSACTIONS}/{number}");
        assert_eq!(status(&shop, &number).await, "PROCESSING");
        // Whatever is wrong with the rest is found before the outcome is taken.
        let bad = json!({"status": wanted, "transactionNote": "4111 1111 1111 1111"});
        shop.refused(shop.put(&path, &bad), 400).await;
        let update = json!({"status": wanted, "transactionRef": format!("pay-{wanted}")});
        for _ in 0..2 {
            shop.put(&path, &update).send().await.expect(200);
        }
        let shown = shop.show(&number).await;
        assert_eq!(shown["status"], wanted);
        assert_eq!(shown["transactionRef"], format!("pay-{wanted}"));
        let id = refund["id"].as_str().unwrap();
        let now = shop.site.get(&format!("/v1/refunds/{id}")).send().await.expect(200).json();
        assert_eq!(now["state"], state);
        let other = if wanted == "APPROVED" { "DECLINED" } else { "APPROVED" };
        for left in [other, "PROCESSING"] {
            let said = shop.refused(shop.put(&path, &json!({"status": left})), 400).await;
            assert!(said.contains(wanted), "{said}");
        }
    }
    // A DECLINED one has given nothing back.
    assert_eq!(shop.order_now().await["balances"]["refunded"], "10.00");
}

#[tokio::test]
async fn what_a_person_pays_is_a_manual_refund() {
    let shop = Shop::open().await;
    let by_hand = shop.refund(json!({"amount": "2.00", "execution": "manual", "to": "cash"})).await;
    let shown = shop.show(&number(&by_hand)).await;
    assert_eq!(shown["transactionType"], "MANUAL REFUND");
    assert_eq!((&shown["status"], &shown["paymentMethod"]), (&json!("PROCESSING"), &json!("CASH")));
    let voucher = json!({"amount": "2.00", "execution": "manual", "to": "gift_card"});
    let voucher = shop.refund(voucher).await;
    assert_eq!(shop.show(&number(&voucher)).await["paymentMethod"], "GIFTVOUCHER");
    // Each try of a refund over two payments is a transaction of its own.
    let whole = shop.refund(json!({"amount": "150.00", "execution": "notify"})).await;
    assert_eq!(whole["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(shop.list().await.len(), 4);
}
