//! Stripe: refunds of charges and payment intents.
//!
//! After the public reference as of 2026-11: docs.stripe.com/api/refunds (create, retrieve, list;
//! the object with its statuses and failure reasons), /api/idempotent_requests (keys are kept at
//! least 24 hours), /api/errors, /error-codes, /currencies (zero- and three-decimal currencies and
//! the special cases ISK and UGX), /webhooks#verify-manually (Stripe-Signature, five minutes).

use std::collections::BTreeMap;

use async_trait::async_trait;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderName};
use refundry_domain::outcome::{FailureCode, Outcome};
use refundry_domain::policy::Abilities;
use serde::Deserialize;

use super::amounts::{Exception, Quirks, counts};
use super::connectors::{Account, Connector, optional, required};
use super::exchange::{self, Link, escaped, json};
use super::{Attempt, Finding, Notice, Provider, Raw, Unheard, signatures};
use crate::outbound::{Call, Failure, Reply};

const BASE: &str = "https://api.stripe.com";
const VERSION: &str = "2024-06-20";
/// Where our key stands in the refund's metadata.
const KEY: &str = "refundry_key";
/// How many pages of a payment's refunds are searched for ours.
const PAGES: u32 = 20;

pub static CONNECTOR: Connector = Connector {
    name: "stripe",
    settings: &[optional("base_url", "Another address than https://api.stripe.com.")],
    secrets: &[
        required("api_key", "The secret key, `sk_…`, or a restricted one that may write refunds."),
        optional("webhook_secret", "The signing secret of the webhook endpoint, `whsec_…`."),
    ],
    abilities: |_| Abilities::full(),
    deduplicates: true,
    takes_bank_accounts: false,
    can_be_asked: true,
    notifications: "Stripe-Signature",
    open: |account| Ok(Box::new(Stripe::open(account)?)),
};

/// Amounts are whole numbers of the smallest unit. Currencies without decimals are sent without;
/// ISK and UGX have none and are sent as if they had two; of three decimals the last is zero.
const QUIRKS: Quirks = Quirks(&[
    counts("ISK", 2),
    counts("UGX", 2),
    counts("MGA", 0),
    thousandths("BHD"),
    thousandths("JOD"),
    thousandths("KWD"),
    thousandths("OMR"),
    thousandths("TND"),
]);

const fn thousandths(currency: &'static str) -> Exception {
    Exception { currency, decimals: 3, step: 10 }
}

pub struct Stripe {
    link: Link,
    key: String,
    webhook_secret: Option<String>,
}

#[derive(Deserialize)]
struct Refund {
    id: String,
    amount: i64,
    currency: String,
    status: Option<String>,
    failure_reason: Option<String>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Refund>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Refusal {
    error: Fault,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
}

impl Stripe {
    fn open(account: &Account) -> Result<Stripe, String> {
        Ok(Stripe {
            link: account.link(BASE)?,
            key: account.secret("api_key")?,
            webhook_secret: account.secret("webhook_secret").ok(),
        })
    }

    fn call(&self, method: Method, path: &str) -> Result<Call, Failure> {
        let version = HeaderName::from_static("stripe-version");
        let call = self.link.call(method, path)?;
        Ok(call.secret(AUTHORIZATION, &format!("Bearer {}", self.key)).header(version, VERSION))
    }

    async fn create(&self, attempt: &Attempt, units: i64, payment: &str) -> Outcome {
        let field = payment_field(payment);
        let form = format!(
            "{field}={}&amount={units}&metadata[{KEY}]={}",
            escaped(payment),
            escaped(&attempt.key)
        );
        let idempotency = HeaderName::from_static("idempotency-key");
        let call = self.call(Method::POST, "/v1/refunds").map(|call| {
            call.header(idempotency, &attempt.key).body("application/x-www-form-urlencoded", form)
        });
        let sent = self.link.send(call).await;
        exchange::paid(
            sent,
            |refund: Refund| standing(attempt, &refund),
            |reply| refusal(attempt, reply),
        )
    }

    async fn find(&self, attempt: &Attempt) -> Finding {
        let Ok(payment) = exchange::payment(attempt) else { return Finding::Missing };
        let field = payment_field(payment);
        let mut path = format!("/v1/refunds?{field}={}&limit=100", escaped(payment));
        for _ in 0..PAGES {
            let sent = self.link.send(self.call(Method::GET, &path)).await;
            let page: Page = match exchange::answered(sent) {
                Ok(page) => page,
                Err(finding) => return finding,
            };
            let ours = |refund: &&Refund| {
                let kept = refund.metadata.as_ref().and_then(|metadata| metadata.get(KEY));
                kept.is_some_and(|key| *key == attempt.key)
            };
            if let Some(refund) = page.data.iter().find(ours) {
                return Finding::Found(standing(attempt, refund));
            }
            match page.data.last().filter(|_| page.has_more) {
                Some(last) => {
                    let after = escaped(&last.id);
                    path = format!(
                        "/v1/refunds?{field}={}&limit=100&starting_after={after}",
                        escaped(payment)
                    );
                }
                None => return Finding::Missing,
            }
        }
        Finding::NoAnswer(format!("not among the newest {PAGES} pages of the payment's refunds"))
    }
}

fn payment_field(payment: &str) -> &'static str {
    if payment.starts_with("pi_") { "payment_intent" } else { "charge" }
}

fn refusal(attempt: &Attempt, reply: &Reply) -> Option<Outcome> {
    let Refusal { error } = json(reply)?;
    let code = error.decline_code.or(error.code).unwrap_or_default();
    // 409: the first call under the key still runs. An idempotency error: the key was used for
    // something else. Neither says what became of the refund.
    if reply.status == 409 || error.kind.as_deref() == Some("idempotency_error") {
        return None;
    }
    let text = error.message.unwrap_or_default();
    let ours = if code.is_empty() && reply.status == 404 {
        FailureCode::PaymentNotFound
    } else {
        error_code(&code)
    };
    Some(exchange::refused(attempt, ours, &code, &text))
}

fn standing(attempt: &Attempt, refund: &Refund) -> Outcome {
    let reason = refund.failure_reason.as_deref().unwrap_or_default();
    // A refund without a status is one of the old days, when all were done at once.
    match refund.status.as_deref().unwrap_or("succeeded") {
        "succeeded" => exchange::settled(attempt, &refund.id, &refund.currency, |currency| {
            QUIRKS.read_units(refund.amount, currency)
        }),
        "pending" | "requires_action" => Outcome::Waiting {
            reference: Some(refund.id.clone()),
            message: exchange::said("pending", reason),
        },
        "failed" => exchange::refused(attempt, failure_code(reason), reason, "The refund failed."),
        "canceled" => {
            let text = "The refund was canceled at the provider.";
            exchange::refused(attempt, FailureCode::Canceled, "canceled", text)
        }
        other => Outcome::Unknown {
            message: format!("{}: the status {other:?} is not known.", refund.id),
            lost: false,
        },
    }
}

/// `failure_reason` of a refund.
fn failure_code(reason: &str) -> FailureCode {
    match reason {
        "lost_or_stolen_card" | "expired_or_canceled_card" => FailureCode::ExpiredOrCanceledCard,
        "insufficient_funds" => FailureCode::InsufficientFunds,
        "charge_for_pending_refund_disputed" => FailureCode::Disputed,
        "merchant_request" => FailureCode::Canceled,
        _ => FailureCode::Declined,
    }
}

/// `code` of an error.
fn error_code(code: &str) -> FailureCode {
    match code {
        "charge_already_refunded" => FailureCode::AlreadyRefunded,
        "charge_disputed" | "refund_disputed_payment" => FailureCode::Disputed,
        "charge_expired_for_capture" | "charge_not_refundable" => FailureCode::TooLate,
        "resource_missing" => FailureCode::PaymentNotFound,
        "balance_insufficient" | "insufficient_funds" => FailureCode::InsufficientFunds,
        "amount_too_large" => FailureCode::LimitExceeded,
        "expired_card" | "lost_card" | "stolen_card" => FailureCode::ExpiredOrCanceledCard,
        "account_closed" | "bank_account_unusable" => FailureCode::AccountClosed,
        "fraudulent" => FailureCode::SuspectedFraud,
        "currency_not_supported" => FailureCode::CurrencyNotSupported,
        "card_declined" | "do_not_honor" | "generic_decline" => FailureCode::Declined,
        _ => FailureCode::InvalidRequest,
    }
}

#[derive(Deserialize)]
struct Event {
    data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    object: EventObject,
}

#[derive(Deserialize)]
struct EventObject {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

#[async_trait]
impl Provider for Stripe {
    async fn pay(&self, attempt: &Attempt, payment: &str) -> Outcome {
        match QUIRKS.units(attempt.amount) {
            Some(units) => self.create(attempt, units, payment).await,
            None => {
                let message = "Stripe cannot pay this amount: in this currency it has to end in 0.";
                exchange::impossible(FailureCode::InvalidRequest, message)
            }
        }
    }

    async fn ask(&self, attempt: &Attempt) -> Finding {
        let Some(reference) = &attempt.refund_reference else { return self.find(attempt).await };
        let path = format!("/v1/refunds/{}", escaped(reference));
        let sent = self.link.send(self.call(Method::GET, &path)).await;
        exchange::asked(sent, |refund: Refund| Finding::Found(standing(attempt, &refund)))
    }

    async fn hear(&self, raw: &Raw) -> Result<Vec<Notice>, Unheard> {
        let secret = self.webhook_secret.as_deref();
        let secret = secret.ok_or(Unheard::Forged("no webhook_secret is configured"))?;
        let header = raw.header("stripe-signature").unwrap_or_default();
        let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
        let time = parts().find(|(name, _)| *name == "t").map_or("", |(_, value)| value);
        let signed = parts().filter(|(name, _)| *name == "v1").any(|(_, value)| {
            let tag = signatures::unhex(value).unwrap_or_default();
            let message: [&[u8]; 3] = [time.as_bytes(), b".", &raw.body];
            signatures::is_mac(secret.as_bytes(), &message, &tag)
        });
        if !signed {
            return Err(Unheard::Forged("the Stripe-Signature does not fit"));
        }
        if !signatures::is_recent(time, raw.at) {
            return Err(Unheard::Forged("the Stripe-Signature is too old"));
        }
        let event: Event = serde_json::from_slice(&raw.body)
            .map_err(|_| Unheard::Forged("the body is no event"))?;
        let object = event.data.object;
        if object.object.as_deref() != Some("refund") {
            return Ok(Vec::new());
        }
        let key = object.metadata.and_then(|mut metadata| metadata.remove(KEY));
        Ok(vec![Notice { key, reference: object.id, ..Notice::default() }])
    }

    async fn test(&self) -> Result<(), String> {
        let sent = self.link.send(self.call(Method::GET, "/v1/refunds?limit=1")).await;
        exchange::tested(sent, &[], |reply| {
            json::<Refusal>(reply).and_then(|refusal| refusal.error.message).unwrap_or_default()
        })
    }
}
