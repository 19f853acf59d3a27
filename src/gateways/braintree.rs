//! Braintree: refunds of transactions over its GraphQL API. It knows no idempotency keys, so a
//! refund is sent once, and looked up by our reference, its order id.
//!
//! After the public reference as of 2026-11: graphql.braintreepayments.com/reference
//! (refundTransaction, node, search.refunds, ping), /guides/making_api_calls (Basic, the header
//! Braintree-Version, errorClass), developer.paypal.com/braintree/docs/reference/general
//! (validation codes 915xx, statuses); the codes again on 2026-12-01, by the names that Braintree's own
//! client libraries give them.

use async_trait::async_trait;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderName};
use refundry_domain::outcome::{Failure as Why, FailureCode, Outcome};
use refundry_domain::policy::Abilities;
use serde::Deserialize;
use serde_json::{Value, json};

use super::amounts::{Quirks, read_text};
use super::connectors::{Account, Connector, optional, required};
use super::exchange::{self, Link};
use super::{Attempt, Finding, Provider};
use crate::outbound::{Failure, Reply};

pub static CONNECTOR: Connector = Connector {
    name: "braintree",
    settings: &[
        required("public_key", "The public key of an API user."),
        optional(
            "base_url",
            "Another address than https://payments.braintree-api.com, such as the sandbox's.",
        ),
    ],
    secrets: &[required("private_key", "The private key of that API user.")],
    abilities: |_| Abilities::full(),
    deduplicates: false,
    takes_bank_accounts: false,
    can_be_asked: true,
    notifications: "",
    open: |account| Ok(Box::new(Braintree::open(account)?)),
};

const BASE: &str = "https://payments.braintree-api.com";
const VERSION: &str = "2019-01-01";
const QUIRKS: Quirks = Quirks(&[]);

const REFUND: &str = "mutation Refund($input: RefundTransactionInput!) { \
    refundTransaction(input: $input) { \
    refund { id orderId status amount { value currencyCode } } } }";
const OF_PAYMENT: &str = "query Refunds($id: ID!) { node(id: $id) { ... on Transaction { \
    refunds { id orderId status amount { value currencyCode } } } } }";
const BY_ID: &str = "query Refund($id: ID!) { node(id: $id) { ... on Refund { \
    id orderId status amount { value currencyCode } } } }";

pub struct Braintree {
    link: Link,
    credentials: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refund {
    id: String,
    order_id: Option<String>,
    status: String,
    amount: Option<Amount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Amount {
    value: String,
    currency_code: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    data: Value,
    errors: Vec<Fault>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    message: String,
    extensions: Extensions,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Extensions {
    error_class: String,
    legacy_code: Option<String>,
}

impl Braintree {
    fn open(account: &Account) -> Result<Braintree, String> {
        let user = account.known("public_key")?;
        Ok(Braintree {
            link: account.link(BASE)?,
            credentials: exchange::basic(&user, &account.secret("private_key")?),
        })
    }

    async fn run(&self, query: &str, variables: Value) -> Result<Reply, Failure> {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let call = self.link.call(Method::POST, "/graphql").map(|call| {
            call.secret(AUTHORIZATION, &self.credentials)
                .header(HeaderName::from_static("braintree-version"), VERSION)
                .body("application/json", body)
        });
        self.link.send(call).await
    }
}

fn answer(attempt: &Attempt, reply: &Reply) -> Outcome {
    let Some(answer) = exchange::json::<Answer>(reply) else { return exchange::doubtful(reply) };
    let refund = refund_in(&answer.data["refundTransaction"]["refund"]);
    match (refund, answer.errors.into_iter().next()) {
        (Some(refund), _) => standing(attempt, &refund),
        (None, Some(fault)) => faulted(attempt, reply, &fault),
        (None, None) => exchange::doubtful(reply),
    }
}

fn refund_in(value: &Value) -> Option<Refund> {
    serde_json::from_value(value.clone()).ok()
}

/// What an error in an answer of 200 says; its class tells whether anything can have been done.
fn faulted(attempt: &Attempt, reply: &Reply, fault: &Fault) -> Outcome {
    let Extensions { error_class, legacy_code } = &fault.extensions;
    let theirs = legacy_code.as_deref().unwrap_or(error_class);
    match error_class.as_str() {
        "AUTHENTICATION" | "AUTHORIZATION" => Outcome::Declined(Why {
            code: FailureCode::InvalidRequest,
            message: exchange::said(error_class, "the credentials are refused"),
        }),
        "RESOURCE_LIMIT" => {
            Outcome::NotTaken { message: exchange::said(error_class, "the provider is busy") }
        }
        "NOT_FOUND" => {
            exchange::refused(attempt, FailureCode::PaymentNotFound, theirs, &fault.message)
        }
        "VALIDATION" | "UNSUPPORTED_CLIENT" => {
            let code = validation_code(legacy_code.as_deref().unwrap_or_default());
            exchange::refused(attempt, code, theirs, &fault.message)
        }
        _ => exchange::doubtful(reply),
    }
}

fn standing(attempt: &Attempt, refund: &Refund) -> Outcome {
    let status = refund.status.as_str();
    match status {
        "SETTLED" | "SETTLING" => {
            let currency =
                refund.amount.as_ref().and_then(|amount| amount.currency_code.as_deref());
            exchange::settled(attempt, &refund.id, currency.unwrap_or_default(), |currency| {
                read_text(&refund.amount.as_ref()?.value, currency)
            })
        }
        "SUBMITTED_FOR_SETTLEMENT" | "SETTLEMENT_PENDING" | "SETTLEMENT_CONFIRMED" => {
            Outcome::Waiting { reference: Some(refund.id.clone()), message: status.to_owned() }
        }
        "PROCESSOR_DECLINED" | "SETTLEMENT_DECLINED" | "FAILED" => {
            exchange::refused(attempt, FailureCode::Declined, status, "")
        }
        "GATEWAY_REJECTED" => exchange::refused(attempt, FailureCode::SuspectedFraud, status, ""),
        "VOIDED" => exchange::refused(attempt, FailureCode::Canceled, status, ""),
        other => Outcome::Unknown {
            message: format!("{}: the status {other:?} is not known.", refund.id),
            lost: false,
        },
    }
}

fn validation_code(code: &str) -> FailureCode {
    match code {
        "91512" => FailureCode::AlreadyRefunded,
        "91521" => FailureCode::LimitExceeded,
        // Not settled yet, or still settling; a merchant account that is suspended, pending or
        // without refunds; the processor's hard and soft no.
        "91506" | "91574" | "91538" | "91547" | "91559" | "915200" | "915201" => {
            FailureCode::Declined
        }
        _ => FailureCode::InvalidRequest,
    }
}

/// A refund that was asked for and found; or why there is none to speak of.
fn found(attempt: &Attempt, reply: &Reply, pick: impl Fn(&Value) -> Option<Refund>) -> Finding {
    match exchange::json::<Answer>(reply) {
        Some(answer) if reply.status.is_success() && answer.errors.is_empty() => {
            match pick(&answer.data["node"]) {
                Some(refund) => Finding::Found(standing(attempt, &refund)),
                None if answer.data["node"].is_object() => Finding::Missing,
                None => exchange::unasked(Ok(reply)),
            }
        }
        Some(_) | None => exchange::unasked(Ok(reply)),
    }
}

#[async_trait]
impl Provider for Braintree {
    async fn pay(&self, attempt: &Attempt, payment: &str) -> Outcome {
        let Some(amount) = QUIRKS.text(attempt.amount) else {
            return exchange::impossible(FailureCode::InvalidRequest, "There is no such amount.");
        };
        let input = json!({
            "transactionId": payment,
            "refund": { "amount": amount, "orderId": attempt.key },
        });
        match exchange::news(self.run(REFUND, json!({ "input": input })).await) {
            Ok(reply) => answer(attempt, &reply),
            Err(outcome) => outcome,
        }
    }

    async fn ask(&self, attempt: &Attempt) -> Finding {
        let asked = match (&attempt.refund_reference, exchange::payment(attempt)) {
            (Some(reference), _) => self.run(BY_ID, json!({ "id": reference })).await,
            (None, Ok(payment)) => self.run(OF_PAYMENT, json!({ "id": payment })).await,
            (None, Err(_)) => return Finding::Missing,
        };
        let reply = match asked {
            Ok(reply) => reply,
            Err(failure) => return exchange::unasked(Err(failure)),
        };
        found(attempt, &reply, |node| {
            if attempt.refund_reference.is_some() {
                return refund_in(node);
            }
            let rows = node["refunds"].as_array()?.iter().filter_map(refund_in);
            rows.into_iter().find(|row| row.order_id.as_deref() == Some(&attempt.key))
        })
    }

    async fn test(&self) -> Result<(), String> {
        let reply = self.run("query { ping }", json!({})).await;
        let reply = reply.map_err(|failure| failure.to_string())?;
        let answer = exchange::json::<Answer>(&reply).unwrap_or_default();
        if reply.status.is_success() && answer.data["ping"] == "pong" {
            return Ok(());
        }
        let fault = answer.errors.into_iter().next().unwrap_or_default();
        let theirs = exchange::said(reply.status.as_str(), &fault.extensions.error_class);
        Err(exchange::said(&theirs, &fault.message))
    }
}
