//! beGateway: refunds on its beyag API (alternative methods, ERIP) and its card gateway.
//!
//! After the public reference as of 2026-11: docs.begateway.com, sections "beyag API, refund",
//! "Card gateway API, refund", "Query", "Idempotent requests" (RequestID, 24 hours), "Webhook
//! notifications" (Content-Signature), "Codes".

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderName};
use refundry_domain::outcome::{FailureCode, Outcome};
use refundry_domain::policy::Abilities;
use serde::Deserialize;
use serde_json::{Value, json};

use super::amounts::{Quirks, counts};
use super::connectors::{Account, Connector, optional, required};
use super::exchange::{self, Link, escaped};
use super::{Attempt, Finding, Notice, Provider, Raw, Unheard, signatures};
use crate::outbound::{Call, Failure, Reply};

pub static CONNECTOR: Connector = Connector {
    name: "begateway",
    settings: &[
        required("base_url", "The gateway's address, such as https://api.begateway.com."),
        required("shop_id", "The shop's number.").naming_account(),
        optional("api", "`beyag` (when not given) or `card`.").naming_account(),
        optional(
            "public_key",
            "The shop's public key; without it, notifications come with the shop's own credentials.",
        ),
    ],
    secrets: &[required("shop_key", "The shop's secret key.")],
    abilities: |_| Abilities::full(),
    deduplicates: true,
    takes_bank_accounts: false,
    can_be_asked: true,
    notifications: "Content-Signature, else HTTP Basic",
    open: |account| Ok(Box::new(Begateway::open(account)?)),
};

const QUIRKS: Quirks = Quirks(&[counts("MOP", 1)]);

/// Which of the two APIs, with its addresses.
struct Api {
    refunds: &'static str,
    one: &'static str,
    tracked: &'static str,
    is_card: bool,
}

const BEYAG: Api = Api {
    refunds: "/beyag/transactions/refunds",
    one: "/beyag/transactions/",
    tracked: "/beyag/transactions/tracking_id/",
    is_card: false,
};
const CARD: Api = Api {
    refunds: "/transactions/refunds",
    one: "/transactions/",
    tracked: "/v2/transactions/tracking_id/",
    is_card: true,
};

pub struct Begateway {
    link: Link,
    api: Api,
    credentials: String,
    public_key: Option<String>,
}

#[derive(Deserialize)]
struct One {
    transaction: Transaction,
}

#[derive(Deserialize)]
struct Many {
    transactions: Vec<Transaction>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Transaction {
    uid: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    status: String,
    amount: Option<i64>,
    currency: Option<String>,
    code: Option<String>,
    message: Option<String>,
    tracking_id: Option<String>,
    refund: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    message: Option<String>,
}

impl Begateway {
    fn open(account: &Account) -> Result<Begateway, String> {
        let api = match account.setting("api") {
            None | Some("beyag") => BEYAG,
            Some("card") => CARD,
            Some(other) => return Err(format!("the api is beyag or card, not {other:?}")),
        };
        let shop = account.known("shop_id")?;
        Ok(Begateway {
            link: account.link(&account.known("base_url")?)?,
            api,
            credentials: exchange::basic(&shop, &account.secret("shop_key")?),
            public_key: account.setting("public_key").map(str::to_owned),
        })
    }

    fn call(&self, method: Method, path: &str) -> Result<Call, Failure> {
        let call = self.link.call(method, path)?;
        Ok(call.secret(AUTHORIZATION, &self.credentials).header(ACCEPT, "application/json"))
    }

    fn request(&self, attempt: &Attempt, payment: &str, units: i64) -> Value {
        let reason = attempt.reason.as_deref().filter(|reason| !reason.trim().is_empty());
        let reason: String = reason.unwrap_or("Refund").chars().take(255).collect();
        let mut request = json!({
            "parent_uid": payment,
            "amount": units,
            "reason": reason,
            "tracking_id": attempt.key,
        });
        if self.api.is_card {
            // Two refunds of the same amount within half a minute are two refunds here; the same
            // one twice is told by its RequestID.
            request["duplicate_check"] = Value::Bool(false);
        }
        json!({ "request": request })
    }
}

fn refusal(attempt: &Attempt, reply: &Reply) -> Option<Outcome> {
    let speaks = matches!(reply.status.as_u16(), 400 | 404 | 422);
    let body = exchange::json::<Value>(reply).filter(|body| speaks && body.is_object())?;
    let (code, text) = complaint(&body);
    Some(exchange::refused(attempt, code, reply.status.as_str(), &text))
}

/// What an error body says: the fields it names tell the reason.
fn complaint(body: &Value) -> (FailureCode, String) {
    let place = if body["response"].is_object() { &body["response"] } else { body };
    let text = place["message"].as_str().unwrap_or_default();
    let errors = &place["errors"];
    let named = |field: &str| !errors[field].is_null() || !errors["request"][field].is_null();
    let whole = format!("{text} {errors}").to_lowercase();
    let code = if named("parent_uid") || whole.contains("not found") {
        FailureCode::PaymentNotFound
    } else if named("amount") || whole.contains("amount can't be greater") {
        FailureCode::LimitExceeded
    } else if whole.contains("can't be refunded") {
        FailureCode::TooLate
    } else if named("currency") {
        FailureCode::CurrencyNotSupported
    } else {
        FailureCode::InvalidRequest
    };
    let detail = if errors.is_null() { String::new() } else { format!(" {errors}") };
    (code, format!("{text}{detail}"))
}

fn standing(attempt: &Attempt, row: &Transaction) -> Outcome {
    let inner = row.refund.as_ref().and_then(|refund| refund.message.as_deref());
    let text = inner.or(row.message.as_deref()).unwrap_or_default();
    let code = row.code.as_deref().unwrap_or_default();
    if row.uid.is_empty() {
        let message = "The answer names no uid.".to_owned();
        return Outcome::Unknown { message, lost: false };
    }
    match row.status.as_str() {
        "successful" => {
            let currency = row.currency.as_deref().unwrap_or(attempt.amount.currency().code());
            exchange::settled(attempt, &row.uid, currency, |currency| {
                QUIRKS.read_units(row.amount?, currency)
            })
        }
        "failed" | "error" | "expired" | "deleted" => {
            let theirs = if code.is_empty() { row.status.as_str() } else { code };
            exchange::refused(attempt, failure_code(code), theirs, text)
        }
        "pending" | "incomplete" | "initial" | "start" | "processing" => Outcome::Waiting {
            reference: Some(row.uid.clone()),
            message: exchange::said(&row.status, text),
        },
        other => Outcome::Unknown {
            message: format!("{}: the status {other:?} is not known.", row.uid),
            lost: false,
        },
    }
}

fn failure_code(code: &str) -> FailureCode {
    match code {
        "F.0114" => FailureCode::InsufficientFunds,
        "F.0110" => FailureCode::PaymentNotFound,
        "F.0113" => FailureCode::CurrencyNotSupported,
        "F.0123" | "F.0124" | "F.0125" => FailureCode::LimitExceeded,
        "F.0108" => FailureCode::AlreadyRefunded,
        "F.0128" => FailureCode::InvalidRequest,
        _ => FailureCode::Declined,
    }
}

#[async_trait]
impl Provider for Begateway {
    async fn pay(&self, attempt: &Attempt, payment: &str) -> Outcome {
        let Some(units) = QUIRKS.units(attempt.amount) else {
            let message = "beGateway has no such amount in this currency.";
            return exchange::impossible(FailureCode::InvalidRequest, message);
        };
        let body = self.request(attempt, payment, units).to_string();
        let call = self.call(Method::POST, self.api.refunds).map(|call| {
            call.header(HeaderName::from_static("requestid"), &attempt.key)
                .body("application/json", body)
        });
        let sent = self.link.send(call).await;
        exchange::paid(
            sent,
            |one: One| standing(attempt, &one.transaction),
            |reply| refusal(attempt, reply),
        )
    }

    async fn ask(&self, attempt: &Attempt) -> Finding {
        if let Some(reference) = &attempt.refund_reference {
            let path = format!("{}{}", self.api.one, escaped(reference));
            let sent = self.link.send(self.call(Method::GET, &path)).await;
            return exchange::asked(sent, |one: One| {
                Finding::Found(standing(attempt, &one.transaction))
            });
        }
        let path = format!("{}{}", self.api.tracked, escaped(&attempt.key));
        let ours = |row: &&Transaction| {
            row.tracking_id.as_deref() == Some(&attempt.key)
                && row.kind.as_deref() == Some("refund")
        };
        let sent = self.link.send(self.call(Method::GET, &path)).await;
        exchange::asked(sent, |many: Many| match many.transactions.iter().find(ours) {
            Some(row) => Finding::Found(standing(attempt, row)),
            None => Finding::Missing,
        })
    }

    /// With a public key the signature alone decides; without, the shop's own credentials. Neither
    /// signs a time; an old notification only has the provider asked once more.
    async fn hear(&self, raw: &Raw) -> Result<Vec<Notice>, Unheard> {
        let genuine = match &self.public_key {
            Some(key) => {
                let header = raw.header("content-signature").unwrap_or_default();
                let signature = STANDARD.decode(header).unwrap_or_default();
                signatures::is_rsa(key, &raw.body, &signature)
            }
            None => {
                let given = raw.header("authorization").unwrap_or_default();
                let tag = signatures::mac(b"basic", &[self.credentials.as_bytes()]);
                signatures::is_mac(b"basic", &[given.as_bytes()], &tag)
            }
        };
        if !genuine {
            return Err(Unheard::Forged("neither the Content-Signature nor the credentials fit"));
        }
        let one: One = serde_json::from_slice(&raw.body)
            .map_err(|_| Unheard::Forged("the body is no transaction"))?;
        let row = one.transaction;
        if row.kind.as_deref() != Some("refund") {
            return Ok(Vec::new());
        }
        let reference = Some(row.uid).filter(|uid| !uid.is_empty());
        Ok(vec![Notice { key: row.tracking_id, reference, ..Notice::default() }])
    }

    /// Asks for a transaction that cannot be there.
    async fn test(&self) -> Result<(), String> {
        let path = format!("{}00000000-0000-0000-0000-000000000000", self.api.one);
        let sent = self.link.send(self.call(Method::GET, &path)).await;
        exchange::tested(sent, &[404], |_| "the credentials are not taken".to_owned())
    }
}
