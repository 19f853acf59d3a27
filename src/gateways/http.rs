//! The merchant's own service, for every provider that has no connector: a signed call has it
//! carry the refund out. The contract is ours: docs/reference/http-gateway.md, version 1,
//! 2026-11; the signature is that of Standard Webhooks (standardwebhooks.com, specification 1.0).

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderName;
use hyper::{Method, StatusCode};
use refundry_domain::outcome::{FailureCode, Outcome};
use serde::Deserialize;
use serde_json::json;

use super::amounts::{Quirks, read_text};
use super::bank::BankAccount;
use super::connectors::{Account, Connector, optional, required, stated_abilities};
use super::exchange::{self, Link, escaped};
use super::{Attempt, Finding, Notice, Provider, Raw, Unheard, signatures};
use crate::clock::Clock;
use crate::outbound::{Call, Failure, Reply};

pub static CONNECTOR: Connector = Connector {
    name: "http",
    settings: &[
        required(
            "url",
            "Where the service takes refunds; it is asked about one at the same address with `/` and the refund's id.",
        ),
        optional("partial", "`no` when a payment is only given back as a whole."),
        optional("repeated", "`no` when a payment is only given back once."),
        optional("currencies", "The currencies it pays, with commas; all when not given."),
        optional(
            "details_for",
            "The payment methods that need the customer's bank details, with commas; the service is sent them.",
        ),
    ],
    secrets: &[required(
        "secret",
        "At least 24 random bytes in base64, `whsec_` before them or not.",
    )],
    abilities: stated_abilities,
    deduplicates: true,
    takes_bank_accounts: true,
    can_be_asked: true,
    notifications: "Standard Webhooks",
    open: |account| Ok(Box::new(Http::open(account)?)),
};

const QUIRKS: Quirks = Quirks(&[]);
const SECRET_LEAST: usize = 24;

pub struct Http {
    name: String,
    link: Link,
    secret: Vec<u8>,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    reference: Option<String>,
    #[serde(default)]
    amount: Option<String>,
    #[serde(default)]
    currency: Option<String>,
    /// One of our own list of reasons.
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

impl Http {
    fn open(account: &Account) -> Result<Http, String> {
        let text = account.secret("secret")?;
        let secret = STANDARD
            .decode(text.strip_prefix("whsec_").unwrap_or(&text))
            .map_err(|_| "the secret has to be base64".to_owned())?;
        if secret.len() < SECRET_LEAST {
            return Err(format!("the secret has to be at least {SECRET_LEAST} bytes"));
        }
        let link = account.link_to(&account.known("url")?)?;
        let (name, clock) = (account.name.clone(), account.clock.clone());
        Ok(Http { name, link, secret, clock })
    }

    /// Signed over its id, the time and the body.
    fn signed(&self, method: Method, path: &str, id: &str, body: String) -> Result<Call, Failure> {
        let time = (self.clock.now().0 / 1000).to_string();
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", body.as_bytes()];
        let tag = STANDARD.encode(signatures::mac(&self.secret, &parts));
        let call = self
            .link
            .call(method, path)?
            .header(HeaderName::from_static("webhook-id"), id)
            .header(HeaderName::from_static("webhook-timestamp"), &time)
            .header(HeaderName::from_static("webhook-signature"), &format!("v1,{tag}"));
        Ok(if body.is_empty() { call } else { call.body("application/json", body) })
    }

    async fn ask_for(&self, key: &str) -> Result<Reply, Failure> {
        let path = format!("/{}", escaped(key));
        self.link.send(self.signed(Method::GET, &path, key, String::new())).await
    }
}

fn standing(attempt: &Attempt, answer: &Answer) -> Outcome {
    let text = answer.message.as_deref().unwrap_or_default();
    match answer.status.as_str() {
        "succeeded" => {
            let currency = answer.currency.as_deref().unwrap_or_default();
            let reference = answer.reference.as_deref().unwrap_or(&attempt.key);
            exchange::settled(attempt, reference, currency, |currency| {
                read_text(answer.amount.as_deref()?, currency)
            })
        }
        "pending" => Outcome::Waiting {
            reference: answer.reference.clone(),
            message: exchange::said("pending", text),
        },
        "failed" => {
            let theirs = answer.code.as_deref().unwrap_or_default();
            let code = FailureCode::parse(theirs).unwrap_or(FailureCode::Other);
            exchange::refused(attempt, code, theirs, text)
        }
        other => Outcome::Unknown {
            message: format!("The status {other:?} is none of the contract's."),
            lost: false,
        },
    }
}

#[async_trait]
impl Provider for Http {
    fn finds_payments_by_name(&self) -> bool {
        false
    }

    async fn pay(&self, attempt: &Attempt, _payment: &str) -> Outcome {
        let Some(amount) = QUIRKS.text(attempt.amount) else {
            return exchange::impossible(FailureCode::InvalidRequest, "There is no such amount.");
        };
        let mut body = json!({
            "id": attempt.key,
            "type": "refund",
            "provider": self.name,
            "amount": amount,
            "currency": attempt.amount.currency().code(),
            "payment_reference": attempt.payment_reference,
            "method": attempt.method,
            "reason": attempt.reason,
        });
        if let Some(BankAccount { iban, account_holder, bic }) = &attempt.account {
            body["bank_account"] =
                json!({ "iban": iban, "account_holder": account_holder, "bic": bic });
        }
        let call = self.signed(Method::POST, "", &attempt.key, body.to_string());
        match exchange::news(self.link.send(call).await) {
            Ok(reply) => match exchange::json::<Answer>(&reply) {
                // Only a 200 can say no: a 4xx may come from something in between.
                Some(answer) if reply.status == StatusCode::OK => standing(attempt, &answer),
                Some(_) | None => exchange::doubtful(&reply),
            },
            Err(outcome) => outcome,
        }
    }

    async fn ask(&self, attempt: &Attempt) -> Finding {
        match self.ask_for(&attempt.key).await {
            Ok(reply) => match exchange::json::<Answer>(&reply) {
                Some(answer) if reply.status == StatusCode::OK => {
                    Finding::Found(standing(attempt, &answer))
                }
                // Said by the service, and not by a proxy that cannot find it.
                Some(answer)
                    if reply.status == StatusCode::NOT_FOUND && answer.status == "unknown" =>
                {
                    Finding::Missing
                }
                Some(_) | None => exchange::unasked(Ok(&reply)),
            },
            Err(failure) => exchange::unasked(Err(failure)),
        }
    }

    async fn hear(&self, raw: &Raw) -> Result<Vec<Notice>, Unheard> {
        let field = |name: &str| raw.header(name).unwrap_or_default();
        let (id, time) = (field("webhook-id"), field("webhook-timestamp"));
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", &raw.body];
        let signed = field("webhook-signature").split(' ').any(|one| {
            let tag = one.strip_prefix("v1,").and_then(|tag| STANDARD.decode(tag).ok());
            tag.is_some_and(|tag| signatures::is_mac(&self.secret, &parts, &tag))
        });
        if !signed {
            return Err(Unheard::Forged("the webhook-signature does not fit"));
        }
        if !signatures::is_recent(time, raw.at) {
            return Err(Unheard::Forged("the webhook-timestamp is too old"));
        }
        #[derive(Deserialize)]
        struct About {
            id: String,
        }
        let about: About = serde_json::from_slice(&raw.body)
            .map_err(|_| Unheard::Forged("the body names no refund"))?;
        Ok(vec![Notice::about(&about.id)])
    }

    /// Asks about a refund that cannot be there.
    async fn test(&self) -> Result<(), String> {
        let reply = self.ask_for("refundry-test").await.map_err(|failure| failure.to_string())?;
        let known = exchange::json::<Answer>(&reply);
        match (reply.status.as_u16(), known) {
            (404, Some(answer)) if answer.status == "unknown" => Ok(()),
            (status @ (401 | 403), _) => Err(format!("{status}: the signature is not taken")),
            (status, _) => Err(format!(
                "{status}: expected 404 and {{\"status\":\"unknown\"}}; see the contract"
            )),
        }
    }
}
