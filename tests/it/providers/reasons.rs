//! What providers call their reasons, as their references have them, in our own list.

use std::sync::Arc;

use refundry::testing::clock::ManualClock;
use refundry_domain::outcome::{FailureCode, Outcome};
use serde_json::{Value, json};

use super::amounts::attempt;
use super::{ALL, http};
use crate::harness::payouts::START;
use crate::harness::provider::{Books, Call, Provider, Said, Speech, gateway};

/// Says the same to every payment.
struct Always(u16, Value);

impl Speech for Always {
    fn answer(&mut self, call: &Call, _books: &mut Books) -> Said {
        if call.path == "/v1/oauth2/token" {
            return Said::Json(200, json!({"access_token": "t", "expires_in": 3600}));
        }
        Said::Json(self.0, self.1.clone())
    }
}

fn afterpay(code: &str) -> Value {
    json!({"errorCode": code, "message": "as it is"})
}

fn braintree(code: &str) -> Value {
    let extensions = json!({"errorClass": "VALIDATION", "legacyCode": code});
    json!({"errors": [{"message": "as it is", "extensions": extensions}]})
}

fn paypal(issue: &str) -> Value {
    json!({"name": "UNPROCESSABLE_ENTITY", "message": "as it is",
        "details": [{"issue": issue, "description": "as it is"}]})
}

fn cybersource(reason: &str) -> Value {
    json!({"status": "INVALID_REQUEST", "reason": reason, "message": "as it is"})
}

fn stripe(code: &str) -> Value {
    json!({"error": {"type": "invalid_request_error", "code": code, "message": "as it is"}})
}

fn begateway(field: &str) -> Value {
    json!({"response": {"message": "as it is", "errors": {field: ["is wrong"]}}})
}

fn service(code: &str) -> Value {
    json!({"status": "failed", "code": code, "message": "as it is"})
}

/// What a connector answers with, and what that is called here.
fn reasons(connector: &str) -> Vec<(u16, Value, FailureCode)> {
    use FailureCode as Code;
    match connector {
        "afterpay" => vec![
            (412, afterpay("precondition_failed"), Code::Declined),
            (422, afterpay("invalid_amount"), Code::LimitExceeded),
            (422, afterpay("invalid_object"), Code::InvalidRequest),
            (422, afterpay("refund_timelimit_exceeded"), Code::TooLate),
            (422, afterpay("unsupported_currency"), Code::CurrencyNotSupported),
        ],
        "braintree" => vec![
            (200, braintree("91512"), Code::AlreadyRefunded),
            (200, braintree("91521"), Code::LimitExceeded),
            (200, braintree("91506"), Code::Declined),
            (200, braintree("91538"), Code::Declined),
            (200, braintree("91547"), Code::Declined),
            (200, braintree("91574"), Code::Declined),
            (200, braintree("915200"), Code::Declined),
            (200, braintree("91501"), Code::InvalidRequest),
        ],
        "paypal" => vec![
            (422, paypal("CAPTURE_FULLY_REFUNDED"), Code::AlreadyRefunded),
            (422, paypal("REFUND_AMOUNT_EXCEEDED"), Code::LimitExceeded),
            (422, paypal("REFUND_TIME_LIMIT_EXCEEDED"), Code::TooLate),
            (422, paypal("REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK"), Code::Disputed),
            (422, paypal("PARTIAL_REFUND_NOT_ALLOWED"), Code::Declined),
            (404, paypal("INVALID_RESOURCE_ID"), Code::PaymentNotFound),
        ],
        "cybersource" => vec![
            (400, cybersource("INVALID_AMOUNT"), Code::LimitExceeded),
            (400, cybersource("EXCEEDS_AUTH_AMOUNT"), Code::LimitExceeded),
            (400, cybersource("MISSING_FIELD"), Code::InvalidRequest),
            (404, cybersource("NOT_FOUND"), Code::PaymentNotFound),
        ],
        "stripe" => vec![
            (400, stripe("charge_already_refunded"), Code::AlreadyRefunded),
            (400, stripe("charge_disputed"), Code::Disputed),
            (404, stripe("resource_missing"), Code::PaymentNotFound),
            (400, stripe("parameter_invalid_integer"), Code::InvalidRequest),
        ],
        "begateway" | "begateway card" => vec![
            (422, begateway("parent_uid"), Code::PaymentNotFound),
            (422, begateway("amount"), Code::LimitExceeded),
            (422, begateway("currency"), Code::CurrencyNotSupported),
        ],
        "http" => vec![
            (200, service("too_late"), Code::TooLate),
            (200, service("of no list"), Code::Other),
        ],
        other => panic!("no reasons of {other}"),
    }
}

#[tokio::test]
async fn each_reason_is_one_of_our_list() {
    for connector in ALL {
        for (status, body, code) in reasons(connector) {
            let case = format!("{connector} {status} {body}");
            let provider = Provider::start(Always(status, body)).await;
            let base = format!("http://{}", provider.address);
            let base = base.as_str();
            let settings: Vec<(&str, &str)> = match *connector {
                "http" => vec![("url", base)],
                "afterpay" => vec![("base_url", base), ("merchant_id", "1")],
                "braintree" => vec![("base_url", base), ("public_key", "p")],
                "paypal" => vec![("base_url", base), ("client_id", "p")],
                "cybersource" => vec![("base_url", base), ("merchant_id", "m"), ("key_id", "k")],
                "stripe" => vec![("base_url", base)],
                "begateway" => vec![("base_url", base), ("shop_id", "1")],
                _ => vec![("base_url", base), ("shop_id", "1"), ("api", "card")],
            };
            let secret = match *connector {
                "http" => ("secret", http::SECRET),
                "afterpay" => ("secret_key", "s"),
                "braintree" => ("private_key", "s"),
                "paypal" => ("client_secret", "s"),
                "cybersource" => ("shared_secret", "c2VjcmV0"),
                "stripe" => ("api_key", "s"),
                _ => ("shop_key", "s"),
            };
            let clock = Arc::new(ManualClock::at(START));
            let name = connector.split(' ').next().unwrap();
            let gateway = gateway(name, &clock, &settings, &[secret]);
            match gateway.pay(&attempt("10.00", "EUR")).await {
                Outcome::Declined(failure) => assert_eq!(failure.code, code, "{case}"),
                other => panic!("{case}: {other:?}"),
            }
        }
    }
}
