//! Adyen: Checkout refunds. The call is only ever answered "received"; what becomes of it is told
//! by notification.
//!
//! After the public reference as of 2026-11: docs.adyen.com/api-explorer/Checkout/71
//! (payments/{paymentPspReference}/refunds), /development-resources/api-idempotency (keys are kept
//! at least 7 days), /online-payments/refund (REFUND, REFUND_FAILED, REFUNDED_REVERSED),
//! /development-resources/webhooks/verify-hmac-signatures, /development-resources/currency-codes
//! (CLP, CVE, IDR and ISK differ from ISO 4217).

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::HeaderName;
use refundry_domain::money::{Currency, Minor};
use refundry_domain::outcome::{Failure as Why, FailureCode, Outcome};
use refundry_domain::policy::Abilities;
use serde::Deserialize;
use serde_json::json;

use super::amounts::{Quirks, counts};
use super::connectors::{Account, Connector, required};
use super::exchange::{self, Link, escaped};
use super::{Attempt, Finding, Notice, Provider, Raw, Unheard, signatures};
use crate::outbound::{Call, Failure, Reply};

pub static CONNECTOR: Connector = Connector {
    name: "adyen",
    settings: &[
        required(
            "base_url",
            "The Checkout endpoint with its prefix, such as https://checkout-test.adyen.com.",
        ),
        required("merchant_account", "The merchant account's name.").naming_account(),
    ],
    secrets: &[
        required("api_key", "The API key of a web service user."),
        required("hmac_key", "The HMAC key of the standard webhook, in hexadecimal."),
    ],
    abilities: |_| Abilities::full(),
    deduplicates: true,
    takes_bank_accounts: false,
    can_be_asked: false,
    notifications: "hmacSignature",
    open: |account| Ok(Box::new(Adyen::open(account)?)),
};

const QUIRKS: Quirks =
    Quirks(&[counts("CLP", 2), counts("CVE", 0), counts("IDR", 0), counts("ISK", 2)]);
/// How long a notification is waited for; the slowest schemes take days.
const WITHIN_MS: i64 = 14 * 24 * 60 * 60 * 1000;

pub struct Adyen {
    link: Link,
    merchant_account: String,
    api_key: String,
    hmac_key: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    psp_reference: String,
    status: String,
    amount: Option<Amount>,
}

#[derive(Deserialize)]
struct Amount {
    value: i64,
    currency: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Refusal {
    error_code: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    notification_items: Vec<Wrapped>,
}

#[derive(Deserialize)]
struct Wrapped {
    #[serde(rename = "NotificationRequestItem")]
    item: Item,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Item {
    event_code: String,
    success: String,
    psp_reference: String,
    original_reference: String,
    merchant_account_code: String,
    merchant_reference: String,
    reason: String,
    amount: Option<Amount>,
    additional_data: Additional,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Additional {
    hmac_signature: String,
}

impl Adyen {
    fn open(account: &Account) -> Result<Adyen, String> {
        let hmac_key = signatures::unhex(&account.secret("hmac_key")?)
            .filter(|key| key.len() >= 16)
            .ok_or("the hmac_key has to be hexadecimal")?;
        Ok(Adyen {
            link: account.link(&account.known("base_url")?)?,
            merchant_account: account.known("merchant_account")?,
            api_key: account.secret("api_key")?,
            hmac_key,
        })
    }

    fn call(&self, method: Method, path: &str) -> Result<Call, Failure> {
        let call = self.link.call(method, path)?;
        Ok(call.secret(HeaderName::from_static("x-api-key"), &self.api_key))
    }

    /// Whether the item is signed by the webhook's key, for our merchant account.
    fn is_genuine(&self, item: &Item) -> bool {
        let (value, currency) = match &item.amount {
            Some(amount) => (amount.value.to_string(), amount.currency.as_str()),
            None => (String::new(), ""),
        };
        let signed = [
            item.psp_reference.as_str(),
            &item.original_reference,
            &item.merchant_account_code,
            &item.merchant_reference,
            &value,
            currency,
            &item.event_code,
            &item.success,
        ]
        .join(":");
        let tag = STANDARD.decode(&item.additional_data.hmac_signature).unwrap_or_default();
        signatures::is_mac(&self.hmac_key, &[signed.as_bytes()], &tag)
            && item.merchant_account_code == self.merchant_account
    }
}

fn received(attempt: &Attempt, reply: &Reply) -> Option<Outcome> {
    let received = exchange::json::<Received>(reply).filter(|known| known.status == "received")?;
    let asked = attempt.amount.currency();
    let amount = received.amount.and_then(|amount| minor(&amount, asked));
    if amount.is_some_and(|amount| amount != attempt.amount.minor()) {
        return Some(Outcome::Done { reference: Some(received.psp_reference), amount });
    }
    let message = "received: its notification says what becomes of it".to_owned();
    Some(Outcome::Waiting { reference: Some(received.psp_reference), message })
}

fn refusal(attempt: &Attempt, reply: &Reply) -> Option<Outcome> {
    let refusal = exchange::json::<Refusal>(reply).filter(|known| !known.error_code.is_empty())?;
    if refusal.error_code == "704" {
        // The first call under the key still runs.
        return None;
    }
    let code = error_code(&refusal.error_code);
    Some(exchange::refused(attempt, code, &refusal.error_code, &refusal.message))
}

fn minor(amount: &Amount, asked: Currency) -> Option<Minor> {
    let same = amount.currency.eq_ignore_ascii_case(asked.code());
    QUIRKS.read_units(amount.value, asked).filter(|_| same)
}

fn error_code(code: &str) -> FailureCode {
    match code {
        "137" => FailureCode::InvalidRequest,
        "138" => FailureCode::CurrencyNotSupported,
        "167" | "14_002" => FailureCode::PaymentNotFound,
        "917" => FailureCode::InsufficientFunds,
        "169" => FailureCode::TooLate,
        _ => FailureCode::InvalidRequest,
    }
}

/// `reason` of a failed refund.
fn reason_code(reason: &str) -> FailureCode {
    let reason = reason.to_lowercase();
    if reason.contains("insufficient") || reason.contains("balance") {
        FailureCode::InsufficientFunds
    } else if reason.contains("closed") {
        FailureCode::AccountClosed
    } else if reason.contains("expired") {
        FailureCode::ExpiredOrCanceledCard
    } else if reason.contains("already") {
        FailureCode::AlreadyRefunded
    } else {
        FailureCode::Declined
    }
}

fn outcome(item: &Item) -> Option<Outcome> {
    let failed = |code: FailureCode| {
        let message = exchange::said(&item.event_code, &item.reason);
        Outcome::Declined(Why { code, message })
    };
    match (item.event_code.as_str(), item.success.as_str()) {
        ("REFUND", "true") => {
            let amount = item.amount.as_ref()?;
            let known = Currency::parse(&amount.currency).ok();
            let reference = Some(item.psp_reference.clone());
            Some(match known.and_then(|currency| minor(amount, currency)) {
                Some(paid) => Outcome::Done { reference, amount: Some(paid) },
                None => Outcome::Unknown {
                    message: "An amount that does not exist.".to_owned(),
                    lost: true,
                },
            })
        }
        ("REFUND", "false") => Some(failed(reason_code(&item.reason))),
        ("REFUND_FAILED", _) => Some(failed(reason_code(&item.reason))),
        ("REFUNDED_REVERSED", "true") => {
            Some(Outcome::Reversed { message: exchange::said("REFUNDED_REVERSED", &item.reason) })
        }
        _ => None,
    }
}

#[async_trait]
impl Provider for Adyen {
    fn reports_within_ms(&self) -> Option<i64> {
        Some(WITHIN_MS)
    }

    async fn pay(&self, attempt: &Attempt, payment: &str) -> Outcome {
        let Some(value) = QUIRKS.units(attempt.amount) else {
            let message = "Adyen pays this currency without decimals.";
            return exchange::impossible(FailureCode::InvalidRequest, message);
        };
        let path = format!("/v71/payments/{}/refunds", escaped(payment));
        let body = json!({
            "merchantAccount": self.merchant_account,
            "amount": { "value": value, "currency": attempt.amount.currency().code() },
            "reference": attempt.key,
        });
        let call = self.call(Method::POST, &path).map(|call| {
            call.header(HeaderName::from_static("idempotency-key"), &attempt.key)
                .body("application/json", body.to_string())
        });
        let reply = match exchange::news(self.link.send(call).await) {
            Ok(reply) => reply,
            Err(outcome) => return outcome,
        };
        let read = if reply.status.is_success() { received } else { refusal };
        read(attempt, &reply).unwrap_or_else(|| exchange::doubtful(&reply))
    }

    async fn ask(&self, _attempt: &Attempt) -> Finding {
        Finding::NoAnswer("Adyen answers no questions about refunds".to_owned())
    }

    /// Every item has to be genuine. No time is signed; an item that comes again says the same
    /// again, which changes nothing.
    async fn hear(&self, raw: &Raw) -> Result<Vec<Notice>, Unheard> {
        let batch: Batch = serde_json::from_slice(&raw.body)
            .map_err(|_| Unheard::Forged("the body is no batch of notifications"))?;
        let items: Vec<Item> = batch.notification_items.into_iter().map(|one| one.item).collect();
        if items.is_empty() || !items.iter().all(|item| self.is_genuine(item)) {
            return Err(Unheard::Forged("the hmacSignature does not fit"));
        }
        let notice = |item: &Item| {
            let says = Some(outcome(item)?);
            let key = Some(item.merchant_reference.clone());
            let reference = Some(item.psp_reference.clone());
            let amount = item.amount.as_ref();
            let currency = amount.and_then(|amount| Currency::parse(&amount.currency).ok());
            Some(Notice { key, reference, says, currency, through: None })
        };
        Ok(items.iter().filter_map(notice).collect())
    }

    async fn test(&self) -> Result<(), String> {
        let body = json!({ "merchantAccount": self.merchant_account }).to_string();
        let call = self.call(Method::POST, "/v71/paymentMethods");
        let call = call.map(|call| call.body("application/json", body));
        exchange::tested(self.link.send(call).await, &[], |reply| {
            exchange::json::<Refusal>(reply).unwrap_or_default().message
        })
    }
}
