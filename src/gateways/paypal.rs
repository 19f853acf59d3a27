//! PayPal: refunds of captures.
//!
//! After the public reference as of 2026-11: developer.paypal.com/docs/api/payments/v2 (captures
//! refund, refunds get), /api/rest/authentication (client credentials), /api/rest/reference
//! idempotency (PayPal-Request-Id; of captures refund kept for 45 days), currency codes (HUF, JPY and TWD without
//! decimals), /api/webhooks/v1 (verify-webhook-signature).

use std::sync::Arc;

use async_trait::async_trait;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderName};
use refundry_domain::ids::Timestamp;
use refundry_domain::outcome::{FailureCode, Outcome};
use refundry_domain::policy::Abilities;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use super::amounts::{Quirks, counts, read_text};
use super::connectors::{Account, Connector, optional, required};
use super::exchange::{self, Link, escaped};
use super::{Attempt, Finding, Notice, Provider, Raw, Unheard};
use crate::clock::Clock;
use crate::outbound::{Call, Failure, Reply};

pub static CONNECTOR: Connector = Connector {
    name: "paypal",
    settings: &[
        required("client_id", "The app's client id.").naming_account(),
        optional(
            "base_url",
            "Another address than https://api-m.paypal.com, such as the sandbox's.",
        ),
        optional("webhook_id", "The id of the webhook, which its signatures are checked with."),
    ],
    secrets: &[required("client_secret", "The app's secret.")],
    abilities: |_| Abilities::full(),
    deduplicates: true,
    takes_bank_accounts: false,
    can_be_asked: true,
    notifications: "PayPal-Transmission-Sig, checked by PayPal",
    open: |account| Ok(Box::new(Paypal::open(account)?)),
};

const BASE: &str = "https://api-m.paypal.com";
const QUIRKS: Quirks = Quirks(&[counts("HUF", 0), counts("JPY", 0), counts("TWD", 0)]);
const SIGNATURE: &str = "paypal-transmission-sig";
/// A token is renewed so long before it ends.
const TOKEN_MARGIN_MS: i64 = 60_000;

pub struct Paypal {
    link: Link,
    credentials: String,
    webhook_id: Option<String>,
    clock: Arc<dyn Clock>,
    token: Mutex<Option<(String, Timestamp)>>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: i64,
}

#[derive(Deserialize)]
struct Refund {
    id: String,
    status: String,
    amount: Option<Amount>,
    status_details: Option<Details>,
}

#[derive(Deserialize)]
struct Amount {
    value: String,
    currency_code: String,
}

#[derive(Deserialize)]
struct Details {
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    name: String,
    message: String,
    details: Vec<Issue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Issue {
    issue: String,
    description: String,
}

/// Why there is no token: what that means for a refund that was to be sent with it.
enum Locked {
    /// The credentials are refused; the provider's answer.
    Out(Box<Reply>),
    /// It could not be asked for one, so nothing was sent.
    NotNow(String),
}

impl Paypal {
    fn open(account: &Account) -> Result<Paypal, String> {
        let id = account.known("client_id")?;
        Ok(Paypal {
            link: account.link(BASE)?,
            credentials: exchange::basic(&id, &account.secret("client_secret")?),
            webhook_id: account.setting("webhook_id").map(str::to_owned),
            clock: account.clock.clone(),
            token: Mutex::new(None),
        })
    }

    /// The token in use, or a new one; callers wait for each other, so that one is asked for.
    async fn token(&self) -> Result<String, Locked> {
        let mut kept = self.token.lock().await;
        let now = self.clock.now();
        if let Some((token, until)) = &*kept
            && now < *until
        {
            return Ok(token.clone());
        }
        let call = self.link.call(Method::POST, "/v1/oauth2/token").map(|call| {
            call.secret(AUTHORIZATION, &self.credentials)
                .body("application/x-www-form-urlencoded", "grant_type=client_credentials")
        });
        let reply = self.link.send(call).await.map_err(|why| Locked::NotNow(why.to_string()))?;
        if matches!(reply.status.as_u16(), 400 | 401 | 403) {
            return Err(Locked::Out(Box::new(reply)));
        }
        match exchange::json::<Token>(&reply).filter(|_| reply.status.is_success()) {
            Some(token) => {
                let lives = token.expires_in.saturating_mul(1000) - TOKEN_MARGIN_MS;
                *kept = Some((token.access_token.clone(), now.after_ms(lives)));
                Ok(token.access_token)
            }
            None => Err(Locked::NotNow(format!("{}: no token", reply.status))),
        }
    }

    /// Makes a call with a token, and once more with a new one when that is no longer taken.
    async fn call(
        &self,
        make: impl Fn() -> Result<Call, Failure>,
    ) -> Result<Result<Reply, Failure>, Locked> {
        for _ in 0..2 {
            let token = self.token().await?;
            let call = make().map(|call| call.secret(AUTHORIZATION, &format!("Bearer {token}")));
            let reply = self.link.send(call).await;
            match &reply {
                Ok(answer) if answer.status == 401 => *self.token.lock().await = None,
                Ok(_) | Err(_) => return Ok(reply),
            }
        }
        Err(Locked::NotNow("new tokens are not taken".to_owned()))
    }
}

fn refusal(attempt: &Attempt, reply: &Reply) -> Option<Outcome> {
    let refusal = exchange::json::<Refusal>(reply).filter(|known| !known.name.is_empty())?;
    let first = refusal.details.into_iter().next().unwrap_or_default();
    let issue = if first.issue.is_empty() { refusal.name } else { first.issue };
    let text = if first.description.is_empty() { refusal.message } else { first.description };
    if reply.status == 409 || issue == "PREVIOUS_REQUEST_IN_PROGRESS" {
        return None;
    }
    Some(exchange::refused(attempt, issue_code(&issue), &issue, &text))
}

fn standing(attempt: &Attempt, refund: &Refund) -> Outcome {
    let reason = refund.status_details.as_ref().and_then(|details| details.reason.as_deref());
    let reason = reason.unwrap_or_default();
    match refund.status.as_str() {
        "COMPLETED" => {
            let currency = refund.amount.as_ref().map_or("", |amount| &amount.currency_code);
            exchange::settled(attempt, &refund.id, currency, |currency| {
                read_text(&refund.amount.as_ref()?.value, currency)
            })
        }
        "PENDING" => Outcome::Waiting {
            reference: Some(refund.id.clone()),
            message: exchange::said("PENDING", reason),
        },
        "FAILED" => {
            let code = issue_code(reason);
            let code =
                if code == FailureCode::InvalidRequest { FailureCode::Declined } else { code };
            exchange::refused(attempt, code, "FAILED", reason)
        }
        "CANCELLED" => exchange::refused(attempt, FailureCode::Canceled, "CANCELLED", reason),
        other => Outcome::Unknown {
            message: format!("{}: the status {other:?} is not known.", refund.id),
            lost: false,
        },
    }
}

fn issue_code(issue: &str) -> FailureCode {
    match issue {
        "CAPTURE_FULLY_REFUNDED" => FailureCode::AlreadyRefunded,
        "REFUND_AMOUNT_EXCEEDED" | "MAX_NUMBER_OF_REFUNDS_EXCEEDED" => FailureCode::LimitExceeded,
        "REFUND_TIME_LIMIT_EXCEEDED" => FailureCode::TooLate,
        "PENDING_CAPTURE"
        | "REFUND_NOT_ALLOWED"
        | "PARTIAL_REFUND_NOT_ALLOWED"
        | "TRANSACTION_REFUSED" => FailureCode::Declined,
        "CAPTURE_DISPUTED_PARTIAL_REFUND_NOT_ALLOWED"
        | "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK" => FailureCode::Disputed,
        "INVALID_RESOURCE_ID" | "RESOURCE_NOT_FOUND" => FailureCode::PaymentNotFound,
        "REFUND_FAILED_INSUFFICIENT_FUNDS" | "INSUFFICIENT_FUNDS" | "ECHECK" => {
            FailureCode::InsufficientFunds
        }
        "PAYEE_ACCOUNT_LOCKED_OR_CLOSED" | "PAYER_ACCOUNT_LOCKED_OR_CLOSED" => {
            FailureCode::AccountClosed
        }
        "CURRENCY_NOT_SUPPORTED" | "REFUND_CAPTURE_CURRENCY_MISMATCH" => {
            FailureCode::CurrencyNotSupported
        }
        _ => FailureCode::InvalidRequest,
    }
}

#[derive(Serialize)]
struct Verification<'a> {
    auth_algo: &'a str,
    cert_url: &'a str,
    transmission_id: &'a str,
    transmission_sig: &'a str,
    transmission_time: &'a str,
    webhook_id: &'a str,
    webhook_event: &'a RawValue,
}

#[derive(Deserialize)]
struct Verified {
    verification_status: String,
}

#[derive(Deserialize)]
struct Event {
    resource_type: Option<String>,
    resource: Resource,
}

#[derive(Deserialize)]
struct Resource {
    id: Option<String>,
    custom_id: Option<String>,
}

/// What an event is about, when that is a refund.
fn subject(raw: &Raw) -> Option<Notice> {
    let event: Event = serde_json::from_slice(&raw.body).ok()?;
    let Resource { id, custom_id } = event.resource;
    let is_refund = event.resource_type.as_deref() == Some("refund");
    is_refund.then(|| Notice { key: custom_id, reference: id, ..Notice::default() })
}

#[async_trait]
impl Provider for Paypal {
    async fn pay(&self, attempt: &Attempt, payment: &str) -> Outcome {
        let Some(value) = QUIRKS.text(attempt.amount) else {
            let message = "PayPal pays this currency without decimals.";
            return exchange::impossible(FailureCode::InvalidRequest, message);
        };
        let path = format!("/v2/payments/captures/{}/refund", escaped(payment));
        let body = json!({
            "amount": { "value": value, "currency_code": attempt.amount.currency().code() },
            "custom_id": attempt.key,
        })
        .to_string();
        let sent = self.call(|| {
            let call = self.link.call(Method::POST, &path)?;
            Ok(call
                .header(HeaderName::from_static("paypal-request-id"), &attempt.key)
                .header(HeaderName::from_static("prefer"), "return=representation")
                .body("application/json", body.clone()))
        });
        match sent.await {
            Ok(sent) => exchange::paid(
                sent,
                |refund: Refund| standing(attempt, &refund),
                |reply| refusal(attempt, reply),
            ),
            Err(Locked::NotNow(why)) => Outcome::NotTaken {
                message: format!("Nothing was sent, for want of a token: {why}."),
            },
            Err(Locked::Out(reply)) => {
                let message = format!("{}: PayPal refuses the client's credentials.", reply.status);
                exchange::impossible(FailureCode::InvalidRequest, &message)
            }
        }
    }

    /// A refund is found by PayPal's own name of it only; without, sending it again under its key
    /// brings that.
    async fn ask(&self, attempt: &Attempt) -> Finding {
        let Some(reference) = &attempt.refund_reference else { return Finding::Missing };
        let path = format!("/v2/payments/refunds/{}", escaped(reference));
        match self.call(|| self.link.call(Method::GET, &path)).await {
            Ok(sent) => {
                exchange::asked(sent, |refund: Refund| Finding::Found(standing(attempt, &refund)))
            }
            Err(Locked::NotNow(why)) => Finding::NoAnswer(why),
            Err(Locked::Out(reply)) => exchange::unasked(Ok(&reply)),
        }
    }

    fn claimed(&self, raw: &Raw) -> Option<Notice> {
        // Without a signature there is nothing to ask PayPal.
        raw.header(SIGNATURE).filter(|text| !text.is_empty())?;
        Some(subject(raw).unwrap_or_default())
    }

    /// PayPal checks its signatures itself; it signs the time of the first sending, which its
    /// repetitions over days keep, so an old one only has it asked once more.
    async fn hear(&self, raw: &Raw) -> Result<Vec<Notice>, Unheard> {
        let webhook_id = self.webhook_id.as_deref();
        let webhook_id = webhook_id.ok_or(Unheard::Forged("no webhook_id is configured"))?;
        let field = |name: &str| raw.header(name).unwrap_or_default();
        let event: &RawValue = serde_json::from_slice(&raw.body)
            .map_err(|_| Unheard::Forged("the body is no event"))?;
        if field(SIGNATURE).is_empty() {
            return Err(Unheard::Forged("the PayPal-Transmission-Sig is missing"));
        }
        let body = serde_json::to_string(&Verification {
            auth_algo: field("paypal-auth-algo"),
            cert_url: field("paypal-cert-url"),
            transmission_id: field("paypal-transmission-id"),
            transmission_sig: field(SIGNATURE),
            transmission_time: field("paypal-transmission-time"),
            webhook_id,
            webhook_event: event,
        })
        .map_err(|_| Unheard::Forged("the body is no event"))?;
        let path = "/v1/notifications/verify-webhook-signature";
        let asked = self.call(|| {
            Ok(self.link.call(Method::POST, path)?.body("application/json", body.clone()))
        });
        let reply = match asked.await {
            Ok(Ok(reply)) => reply,
            Ok(Err(failure)) => return Err(Unheard::NotNow(failure.to_string())),
            Err(Locked::NotNow(_) | Locked::Out(_)) => {
                return Err(Unheard::NotNow("PayPal gives no token".to_owned()));
            }
        };
        match exchange::json::<Verified>(&reply).filter(|_| reply.status.is_success()) {
            Some(verified) if verified.verification_status == "SUCCESS" => {}
            Some(_) => return Err(Unheard::Forged("PayPal did not sign this")),
            None => return Err(Unheard::NotNow("PayPal could not check its signature".to_owned())),
        }
        Ok(subject(raw).into_iter().collect())
    }

    async fn test(&self) -> Result<(), String> {
        *self.token.lock().await = None;
        match self.token().await {
            Ok(_) => Ok(()),
            Err(Locked::Out(reply)) => {
                Err(exchange::said(reply.status.as_str(), "the client's credentials are refused"))
            }
            Err(Locked::NotNow(why)) => Err(why),
        }
    }
}
