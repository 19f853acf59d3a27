//! Afterpay (Clearpay): refunds of orders paid with it.
//!
//! After the public reference as of 2026-12-01: developers.afterpay.com, Online API v2, "Create Refund"
//! (requestId and merchantReference together make a retry safe; its error codes; 120 days), "Get
//! payment by order id" (its refunds).

use async_trait::async_trait;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION};
use refundry_domain::outcome::{FailureCode, Outcome};
use refundry_domain::policy::Abilities;
use serde::Deserialize;
use serde_json::json;

use super::amounts::{Quirks, read_text};
use super::connectors::{Account, Connector, required};
use super::exchange::{self, Link, escaped};
use super::{Attempt, Finding, Provider};
use crate::outbound::{Call, Failure, Reply};

pub static CONNECTOR: Connector = Connector {
    name: "afterpay",
    settings: &[
        required("base_url", "The region's address, such as https://global-api.afterpay.com."),
        required("merchant_id", "The merchant's id.").naming_account(),
    ],
    secrets: &[required("secret_key", "The merchant's secret key.")],
    abilities: |_| Abilities::full(),
    deduplicates: true,
    takes_bank_accounts: false,
    can_be_asked: true,
    notifications: "",
    open: |account| Ok(Box::new(Afterpay::open(account)?)),
};

const QUIRKS: Quirks = Quirks(&[]);

pub struct Afterpay {
    link: Link,
    credentials: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refund {
    refund_id: Option<String>,
    id: Option<String>,
    merchant_reference: Option<String>,
    refund_merchant_reference: Option<String>,
    amount: Option<Amount>,
}

#[derive(Deserialize)]
struct Amount {
    amount: String,
    currency: String,
}

#[derive(Deserialize)]
struct Payment {
    #[serde(default)]
    refunds: Vec<Refund>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Refusal {
    error_code: String,
    message: String,
}

impl Afterpay {
    fn open(account: &Account) -> Result<Afterpay, String> {
        let merchant = account.known("merchant_id")?;
        Ok(Afterpay {
            link: account.link(&account.known("base_url")?)?,
            credentials: exchange::basic(&merchant, &account.secret("secret_key")?),
        })
    }

    fn call(&self, method: Method, path: &str) -> Result<Call, Failure> {
        let call = self.link.call(method, path)?;
        Ok(call.secret(AUTHORIZATION, &self.credentials).header(ACCEPT, "application/json"))
    }
}

fn refusal(attempt: &Attempt, reply: &Reply) -> Option<Outcome> {
    let refusal = exchange::json::<Refusal>(reply).filter(|known| !known.error_code.is_empty())?;
    let theirs = refusal.error_code;
    Some(exchange::refused(attempt, error_code(&theirs), &theirs, &refusal.message))
}

/// What is in its list was paid: a refund is carried out at once or not at all.
fn standing(attempt: &Attempt, refund: &Refund) -> Outcome {
    let Some(id) = refund.refund_id.as_deref().or(refund.id.as_deref()) else {
        let message = "The answer names no refund.".to_owned();
        return Outcome::Unknown { message, lost: false };
    };
    let currency = refund.amount.as_ref().map_or("", |amount| &amount.currency);
    exchange::settled(attempt, id, currency, |currency| {
        read_text(&refund.amount.as_ref()?.amount, currency)
    })
}

fn error_code(code: &str) -> FailureCode {
    match code {
        "not_found" => FailureCode::PaymentNotFound,
        "invalid_amount" => FailureCode::LimitExceeded,
        "refund_timelimit_exceeded" => FailureCode::TooLate,
        "unsupported_currency" => FailureCode::CurrencyNotSupported,
        // No such order, or none that can be refunded, such as a declined one.
        "precondition_failed" => FailureCode::Declined,
        _ => FailureCode::InvalidRequest,
    }
}

#[async_trait]
impl Provider for Afterpay {
    async fn pay(&self, attempt: &Attempt, payment: &str) -> Outcome {
        let Some(amount) = QUIRKS.text(attempt.amount) else {
            return exchange::impossible(FailureCode::InvalidRequest, "There is no such amount.");
        };
        let path = format!("/v2/payments/{}/refund", escaped(payment));
        let body = json!({
            "requestId": attempt.key,
            "merchantReference": attempt.key,
            "refundMerchantReference": attempt.key,
            "amount": { "amount": amount, "currency": attempt.amount.currency().code() },
        });
        let call = self.call(Method::POST, &path);
        let call = call.map(|call| call.body("application/json", body.to_string()));
        let sent = self.link.send(call).await;
        exchange::paid(
            sent,
            |refund: Refund| standing(attempt, &refund),
            |reply| refusal(attempt, reply),
        )
    }

    async fn ask(&self, attempt: &Attempt) -> Finding {
        let Ok(payment) = exchange::payment(attempt) else { return Finding::Missing };
        let path = format!("/v2/payments/{}", escaped(payment));
        let sent = self.link.send(self.call(Method::GET, &path)).await;
        let key = Some(attempt.key.as_str());
        let ours = |refund: &&Refund| {
            refund.refund_merchant_reference.as_deref() == key
                || refund.merchant_reference.as_deref() == key
        };
        exchange::asked(sent, |found: Payment| match found.refunds.iter().find(ours) {
            Some(refund) => Finding::Found(standing(attempt, refund)),
            None => Finding::Missing,
        })
    }

    async fn test(&self) -> Result<(), String> {
        let sent = self.link.send(self.call(Method::GET, "/v2/configuration")).await;
        exchange::tested(sent, &[], |reply| {
            exchange::json::<Refusal>(reply).unwrap_or_default().message
        })
    }
}
