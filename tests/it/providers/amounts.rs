//! How each provider writes amounts: on the wire, as its reference has it.

use std::sync::Arc;

use refundry::testing::clock::ManualClock;
use refundry::testing::gateways::Attempt;
use refundry_domain::ids::{MerchantId, TransactionId};
use refundry_domain::money::{Currency, Exact, Money};
use refundry_domain::outcome::{FailureCode, Outcome};

use super::made;
use crate::harness::payouts::START;

pub fn attempt(amount: &str, currency: &str) -> Attempt {
    let currency = Currency::parse(currency).unwrap();
    Attempt {
        account: None,
        merchant: MerchantId(1),
        transaction: TransactionId(7),
        payment: TransactionId(2),
        key: "a-1-7".to_owned(),
        amount: Money::read(Exact::parse(amount).unwrap(), currency).unwrap(),
        method: "card".to_owned(),
        payment_reference: Some("ch_1".to_owned()),
        refund_reference: None,
        reason: None,
        paid: false,
    }
}

/// A wrong count of decimals would pay a hundred times too much, or too little.
#[tokio::test]
async fn amounts_go_out_as_the_provider_counts_them() {
    for (connector, currency, amount, wire) in [
        ("stripe", "EUR", "10.05", Some("1005")),
        ("stripe", "JPY", "500", Some("500")),
        ("stripe", "ISK", "500", Some("50000")),
        ("stripe", "UGX", "500", Some("50000")),
        ("stripe", "KWD", "1.230", Some("1230")),
        ("stripe", "KWD", "1.234", None),
        ("stripe", "MGA", "5.00", Some("5")),
        ("stripe", "MGA", "5.01", None),
        ("begateway", "EUR", "10.05", Some("1005")),
        ("begateway", "JPY", "500", Some("500")),
        ("begateway", "MOP", "5.10", Some("51")),
        ("begateway", "MOP", "5.11", None),
        ("paypal", "EUR", "10.05", Some("10.05")),
        ("paypal", "HUF", "500.00", Some("500")),
        ("paypal", "HUF", "500.50", None),
        ("paypal", "TWD", "70.00", Some("70")),
        ("paypal", "JPY", "500", Some("500")),
        ("afterpay", "AUD", "0.05", Some("0.05")),
        ("braintree", "EUR", "10.05", Some("10.05")),
        ("braintree", "JPY", "500", Some("500")),
        ("cybersource", "KWD", "1.234", Some("1.234")),
        ("http", "KWD", "0.001", Some("0.001")),
    ] {
        let clock = Arc::new(ManualClock::at(START));
        let (provider, gateway) = made(connector, &clock).await;
        let outcome = gateway.pay(&attempt(amount, currency)).await;
        let case = format!("{connector} {amount} {currency}: {outcome:?}");
        match wire {
            Some(wire) => assert_eq!(provider.rows()[0].amount, wire, "{case}"),
            None => {
                let Outcome::Declined(failure) = outcome else { panic!("{case}") };
                assert_eq!(failure.code, FailureCode::InvalidRequest, "{case}");
                assert_eq!(provider.calls(), 0, "{case}");
            }
        }
    }
}

/// And come in as they went out.
#[tokio::test]
async fn amounts_come_in_as_they_went_out() {
    for (connector, currency, amount) in
        [("paypal", "HUF", "500.00"), ("cybersource", "KWD", "1.234"), ("afterpay", "AUD", "0.05")]
    {
        let clock = Arc::new(ManualClock::at(START));
        let (_provider, gateway) = made(connector, &clock).await;
        let attempt = attempt(amount, currency);
        let outcome = gateway.pay(&attempt).await;
        let Outcome::Done { amount: Some(paid), .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(paid, attempt.amount.minor(), "{connector}");
    }
}
