//! Afterpay (Clearpay): refunds of orders paid with it.
//!
//! After the public reference as of 2026-11: developers.afterpay.com, Online API v2, "Refund"
//! (requestId and merchantReference make a retry safe), "Get payment by order id" (its refunds),
//! "Errors".

use std::sync::Arc;

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
use super::{Attempt, Finding, Gateway};
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
    can_be_asked: true,
    notifications: "",
    open: |account| Ok(Arc::new(Afterpay::open(account)?)),
};

const QUIRKS: Quirks = Quirks(&[]);

pub struct Afterpay {
    name: String,
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
    fn open(account: Account) -> Result<Afterpay, String> {
        let merchant = account.known("merchant_id")?;
        Ok(Afterpay {
            link: account.link(&account.known("base_url")?)?,
            credentials: exchange::basic(&merchant, &account.secret("secret_key")?),
            name: account.name,
        })
    }

    fn call(&self, method: Method, path: &str) -> Result<Call, Failure> {
        let call = self.link.call(method, path)?;
        Ok(call.secret(AUTHORIZATION, &self.credentials).header(ACCEPT, "application/json"))
    }
}

fn answer(attempt: &Attempt, reply: &Reply) -> Outcome {
    if let Some(outcome) = exchange::no_news(reply) {
        return outcome;
    }
    if reply.status.is_success() {
        return match exchange::json::<Refund>(reply) {
            Some(refund) => standing(attempt, &refund),
            None => exchange::doubtful(reply),
        };
    }
    match exchange::json::<Refusal>(reply).filter(|known| !known.error_code.is_empty()) {
        Some(refusal) => {
            let theirs = refusal.error_code;
            exchange::refused(attempt, error_code(&theirs), &theirs, &refusal.message)
        }
        None => exchange::doubtful(reply),
    }
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
        "invalid_order" | "not_found" | "order_not_found" => FailureCode::PaymentNotFound,
        "amount_exceeds_remaining" | "invalid_amount" => FailureCode::LimitExceeded,
        "already_refunded" | "payment_already_refunded" => FailureCode::AlreadyRefunded,
        "refund_period_expired" => FailureCode::TooLate,
        "insufficient_funds" => FailureCode::InsufficientFunds,
        "declined" | "invalid_state" | "precondition_failed" => FailureCode::Declined,
        _ => FailureCode::InvalidRequest,
    }
}

#[async_trait]
impl Gateway for Afterpay {
    fn name(&self) -> &str {
        &self.name
    }

    fn connector(&self) -> Option<&'static Connector> {
        Some(&CONNECTOR)
    }

    async fn pay(&self, attempt: &Attempt) -> Outcome {
        let payment = match exchange::payment(attempt) {
            Ok(payment) => payment,
            Err(outcome) => return outcome,
        };
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
        match self.link.send(call).await {
            Ok(reply) => answer(attempt, &reply),
            Err(failure) => exchange::unanswered(failure),
        }
    }

    async fn ask(&self, attempt: &Attempt) -> Finding {
        let Ok(payment) = exchange::payment(attempt) else { return Finding::Missing };
        let path = format!("/v2/payments/{}", escaped(payment));
        let reply = match self.link.send(self.call(Method::GET, &path)).await {
            Ok(reply) => reply,
            Err(failure) => return exchange::unasked(Err(failure)),
        };
        let Some(found) = exchange::json::<Payment>(&reply).filter(|_| reply.status.is_success())
        else {
            return exchange::unasked(Ok(&reply));
        };
        let key = Some(attempt.key.as_str());
        let ours = |refund: &&Refund| {
            refund.refund_merchant_reference.as_deref() == key
                || refund.merchant_reference.as_deref() == key
        };
        match found.refunds.iter().find(ours) {
            Some(refund) => Finding::Found(standing(attempt, refund)),
            None => Finding::Missing,
        }
    }

    async fn test(&self) -> Result<(), String> {
        let reply = self.link.send(self.call(Method::GET, "/v2/configuration")).await;
        let reply = reply.map_err(|failure| failure.to_string())?;
        if reply.status.is_success() {
            return Ok(());
        }
        let why = exchange::json::<Refusal>(&reply).unwrap_or_default();
        Err(exchange::said(reply.status.as_str(), &why.message))
    }
}
