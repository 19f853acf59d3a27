//! CyberSource: refunds of payments and captures, with its HTTP signature. It knows no idempotency
//! keys, so a refund is sent once, and looked up by our reference in its transaction search.
//!
//! After the public reference as of 2026-11: developer.cybersource.com/api-reference-assets
//! (pts/v2 refund, tss/v2 transactions and searches), /docs "REST Getting Started, HTTP signature
//! authentication", "Reason codes".

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{ACCEPT, DATE, HOST, HeaderName};
use jiff::Timestamp as Moment;
use refundry_domain::outcome::{FailureCode, Outcome};
use refundry_domain::policy::Abilities;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::amounts::{Quirks, read_text};
use super::connectors::{Account, Connector, optional, required};
use super::exchange::{self, Link, escaped};
use super::{Attempt, Finding, Provider, signatures};
use crate::clock::Clock;
use crate::outbound::{Failure, Reply};

pub static CONNECTOR: Connector = Connector {
    name: "cybersource",
    settings: &[
        required("merchant_id", "The merchant's id.").naming_account(),
        required("key_id", "The id of the shared secret key."),
        optional(
            "base_url",
            "Another address than https://api.cybersource.com, such as the test system's.",
        ),
        optional("of", "What payments are named by: `payments` (when not given) or `captures`."),
    ],
    secrets: &[required("shared_secret", "The shared secret key, in base64.")],
    abilities: |_| Abilities::full(),
    deduplicates: false,
    takes_bank_accounts: false,
    can_be_asked: true,
    notifications: "",
    open: |account| Ok(Box::new(Cybersource::open(account)?)),
};

const BASE: &str = "https://api.cybersource.com";
const QUIRKS: Quirks = Quirks(&[]);

pub struct Cybersource {
    link: Link,
    host: String,
    merchant: String,
    key_id: String,
    secret: Vec<u8>,
    of: &'static str,
    clock: Arc<dyn Clock>,
}

/// A refund as it was answered, or as the transaction search shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refund {
    id: String,
    status: Option<String>,
    refund_amount_details: Option<Amount>,
    order_information: Option<OrderInformation>,
    application_information: Option<Application>,
    client_reference_information: Option<ClientReference>,
    error_information: Option<Fault>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Amount {
    refund_amount: Option<String>,
    total_amount: Option<String>,
    currency: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderInformation {
    amount_details: Option<Amount>,
}

#[derive(Deserialize)]
struct Application {
    status: Option<String>,
}

#[derive(Deserialize)]
struct ClientReference {
    code: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    reason: String,
    message: String,
}

impl Cybersource {
    fn open(account: &Account) -> Result<Cybersource, String> {
        let link = account.link(BASE)?;
        let host = link.base.split("://").nth(1).unwrap_or_default();
        let of = match account.setting("of") {
            None | Some("payments") => "payments",
            Some("captures") => "captures",
            Some(other) => return Err(format!("of is payments or captures, not {other:?}")),
        };
        Ok(Cybersource {
            host: host.to_owned(),
            merchant: account.known("merchant_id")?,
            key_id: account.known("key_id")?,
            secret: STANDARD
                .decode(account.secret("shared_secret")?)
                .map_err(|_| "the shared_secret has to be base64".to_owned())?,
            of,
            clock: account.clock.clone(),
            link,
        })
    }

    /// Signed over the host, the date, the request's line, the body's digest and the merchant.
    async fn send(&self, method: Method, path: &str, body: String) -> Result<Reply, Failure> {
        let date = Moment::from_millisecond(self.clock.now().0).unwrap_or(Moment::UNIX_EPOCH);
        let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let verb = method.as_str().to_lowercase();
        let (host, merchant) = (&self.host, &self.merchant);
        let mut text = format!("host: {host}\ndate: {date}\n(request-target): {verb} {path}\n");
        let mut names = "host date (request-target)".to_owned();
        let digest = format!("SHA-256={}", STANDARD.encode(Sha256::digest(body.as_bytes())));
        if !body.is_empty() {
            text.push_str(&format!("digest: {digest}\n"));
            names.push_str(" digest");
        }
        text.push_str(&format!("v-c-merchant-id: {merchant}"));
        names.push_str(" v-c-merchant-id");
        let tag = STANDARD.encode(signatures::mac(&self.secret, &[text.as_bytes()]));
        let signature = format!(
            "keyid=\"{}\", algorithm=\"HmacSHA256\", headers=\"{names}\", signature=\"{tag}\"",
            self.key_id
        );
        let call = self.link.call(method, path).map(|call| {
            let call = call
                .header(HOST, host)
                .header(DATE, &date)
                .header(ACCEPT, "application/json")
                .header(HeaderName::from_static("v-c-merchant-id"), merchant)
                .secret(HeaderName::from_static("signature"), &signature);
            if body.is_empty() {
                return call;
            }
            call.header(HeaderName::from_static("digest"), &digest).body("application/json", body)
        });
        self.link.send(call).await
    }

    async fn by_id(&self, attempt: &Attempt, id: &str) -> Finding {
        let path = format!("/tss/v2/transactions/{}", escaped(id));
        let sent = self.send(Method::GET, &path, String::new()).await;
        exchange::asked(sent, |refund: Refund| Finding::Found(standing(attempt, &refund)))
    }
}

fn refusal(attempt: &Attempt, reply: &Reply) -> Option<Outcome> {
    let fault = exchange::json::<Fault>(reply).filter(|known| !known.reason.is_empty())?;
    if fault.reason == "DUPLICATE_REQUEST" {
        // Its guard against repetitions; what became of the first is not said.
        return None;
    }
    Some(exchange::refused(attempt, reason_code(&fault.reason), &fault.reason, &fault.message))
}

fn standing(attempt: &Attempt, refund: &Refund) -> Outcome {
    let shown = refund.application_information.as_ref().and_then(|known| known.status.as_deref());
    let status = shown.or(refund.status.as_deref()).unwrap_or_default();
    let none = Fault::default();
    let fault = refund.error_information.as_ref().unwrap_or(&none);
    match status {
        "TRANSMITTED" | "SETTLED" | "SUCCEEDED" => {
            let inner = refund.order_information.as_ref();
            let inner = inner.and_then(|order| order.amount_details.as_ref());
            let amount = refund.refund_amount_details.as_ref().or(inner);
            let currency = amount.map_or("", |amount| &amount.currency);
            exchange::settled(attempt, &refund.id, currency, |currency| {
                let amount = amount?;
                let text = amount.refund_amount.as_deref().or(amount.total_amount.as_deref())?;
                read_text(text, currency)
            })
        }
        "PENDING" | "PENDING_REVIEW" => Outcome::Waiting {
            reference: Some(refund.id.clone()),
            message: exchange::said(status, &fault.message),
        },
        "DECLINED" | "FAILED" | "INVALID_REQUEST" => {
            exchange::refused(attempt, reason_code(&fault.reason), &fault.reason, &fault.message)
        }
        "VOIDED" | "CANCELLED" | "REVERSED" => {
            exchange::refused(attempt, FailureCode::Canceled, status, &fault.message)
        }
        other => Outcome::Unknown {
            message: format!("{}: the status {other:?} is not known.", refund.id),
            lost: false,
        },
    }
}

fn reason_code(reason: &str) -> FailureCode {
    match reason {
        "INSUFFICIENT_FUND" => FailureCode::InsufficientFunds,
        "EXPIRED_CARD" | "STOLEN_LOST_CARD" => FailureCode::ExpiredOrCanceledCard,
        "INVALID_ACCOUNT" | "CLOSED_ACCOUNT" => FailureCode::AccountClosed,
        "EXCEEDS_CREDIT_LIMIT" | "EXCEEDS_AUTH_AMOUNT" | "INVALID_AMOUNT" => {
            FailureCode::LimitExceeded
        }
        "NOT_FOUND" | "MISSING_AUTH" => FailureCode::PaymentNotFound,
        "TRANSACTION_ALREADY_REVERSED_OR_SETTLED" | "AUTH_ALREADY_REVERSED" => {
            FailureCode::AlreadyRefunded
        }
        "NOT_VOIDABLE" | "FOLLOW_ON_WINDOW_EXPIRED" => FailureCode::TooLate,
        "SCORE_EXCEEDS_THRESHOLD" | "BLACKLISTED_CUSTOMER" | "SUSPENDED_ACCOUNT" => {
            FailureCode::SuspectedFraud
        }
        "PROCESSOR_DECLINED" | "GENERAL_DECLINE" => FailureCode::Declined,
        _ => FailureCode::InvalidRequest,
    }
}

#[async_trait]
impl Provider for Cybersource {
    async fn pay(&self, attempt: &Attempt, payment: &str) -> Outcome {
        let Some(amount) = QUIRKS.text(attempt.amount) else {
            return exchange::impossible(FailureCode::InvalidRequest, "There is no such amount.");
        };
        let path = format!("/pts/v2/{}/{}/refunds", self.of, escaped(payment));
        let details =
            json!({ "totalAmount": amount, "currency": attempt.amount.currency().code() });
        let body = json!({
            "clientReferenceInformation": { "code": attempt.key },
            "orderInformation": { "amountDetails": details },
        });
        let sent = self.send(Method::POST, &path, body.to_string()).await;
        exchange::paid(
            sent,
            |refund: Refund| standing(attempt, &refund),
            |reply| refusal(attempt, reply),
        )
    }

    async fn ask(&self, attempt: &Attempt) -> Finding {
        if let Some(reference) = &attempt.refund_reference {
            return self.by_id(attempt, reference).await;
        }
        let query = format!("clientReferenceInformation.code:{}", attempt.key);
        let body = json!({ "save": false, "query": query, "limit": 20, "offset": 0 });
        let reply = match self.send(Method::POST, "/tss/v2/searches", body.to_string()).await {
            Ok(reply) => reply,
            Err(failure) => return exchange::unasked(Err(failure)),
        };
        let Some(answer) = exchange::json::<Value>(&reply).filter(|_| reply.status.is_success())
        else {
            return exchange::unasked(Ok(&reply));
        };
        let rows = answer["_embedded"]["transactionSummaries"].as_array().cloned();
        let rows = rows.unwrap_or_default();
        let mut rows =
            rows.into_iter().filter_map(|row| serde_json::from_value::<Refund>(row).ok());
        let ours = rows.find(|row| {
            let code = row.client_reference_information.as_ref();
            code.and_then(|known| known.code.as_deref()) == Some(&attempt.key)
        });
        match ours {
            Some(row) => self.by_id(attempt, &row.id).await,
            None if answer["totalCount"].is_number() => Finding::Missing,
            None => exchange::unasked(Ok(&reply)),
        }
    }

    /// Asks for a transaction that cannot be there.
    async fn test(&self) -> Result<(), String> {
        let sent = self.send(Method::GET, "/tss/v2/transactions/0", String::new()).await;
        exchange::tested(sent, &[400, 404], |_| "the signature is not taken".to_owned())
    }
}
