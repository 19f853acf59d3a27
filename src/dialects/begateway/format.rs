//! Notifications: a transaction as the API shows it, with the shop's signature and credentials.

use async_trait::async_trait;
use hyper::Uri;
use refundry_domain::ids::{OrderId, OrderRef, Timestamp, TransactionId};
use refundry_domain::order::{Metadata, Order};
use refundry_domain::refund::{RefundTransaction, TransactionState};
use refundry_domain::webhook::{Endpoint, PING};
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::call::Voice;
use super::sheet::{Sheet, notes, status_of};
use super::wire::time;
use crate::delivery::{Format, Message, Signing, key_pair};
use crate::store::facts::{Moved, Requested};
use crate::store::{Event, Movement, Store, StoreError};

/// The name of the format, by which endpoints have it.
pub const NAME: &str = "begateway";
/// Subscribes to the transactions that were asked for with a `notification_url` of the endpoint's
/// host; they are told there, and not at the endpoint's own address.
pub const ADDRESSED: &str = "notification_url";
const PAYMENT: &str = "payment";
const REFUND: &str = "refund";

pub struct Begateway;

/// What a message is signed with: the shop's private key and, once they are known, the credentials
/// that the shop itself asks with.
pub struct Secret {
    pub key: String,
    pub credentials: Option<Credentials>,
}

/// As the Basic scheme has them, and the one place that they are sent to: the one that was named
/// under them. Whoever else may name a path of the same host gets nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub place: String,
    pub basic: String,
}

impl Secret {
    pub fn read(text: &str) -> Secret {
        let mut parts = text.splitn(3, '.');
        let key = parts.next().unwrap_or_default().to_owned();
        // Credentials without a place are sent nowhere.
        let known = parts.next().zip(parts.next());
        let credentials = known
            .map(|(place, basic)| Credentials { place: place.to_owned(), basic: basic.to_owned() });
        Secret { key, credentials }
    }

    pub fn text(&self) -> String {
        match &self.credentials {
            Some(Credentials { place, basic }) => format!("{}.{place}.{basic}", self.key),
            None => self.key.clone(),
        }
    }
}

/// Whether an endpoint is told what names an address of its host.
pub fn is_addressed(endpoint: &Endpoint) -> bool {
    endpoint.format == NAME && endpoint.events.iter().any(|one| one == ADDRESSED)
}

/// The scheme and host of an address.
pub fn origin(address: &Uri) -> Option<String> {
    let (scheme, authority) = (address.scheme_str()?, address.authority()?);
    Some(format!("{scheme}://{authority}").to_lowercase())
}

/// A digest of the scheme, host and path of an address.
pub fn place(address: &Uri) -> Option<String> {
    let whole = format!("{}{}", origin(address)?, address.path());
    Some(Sha256::digest(whole.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where the asker of a transaction wants to be told: the refund says so itself, or its payment's
/// order does.
pub fn address_of<'a>(own: Option<&'a Metadata>, order: &'a Order) -> Option<&'a str> {
    let named = |notes: &'a Metadata| notes.get(notes::NOTIFICATION_URL).map(String::as_str);
    own.and_then(named).or_else(|| named(&order.metadata)).filter(|url| !url.is_empty())
}

/// What an event says of one transaction.
enum Step {
    Paid(TransactionId),
    /// Perhaps a payment of the sandbox that was not made.
    Registered(OrderId),
    Refund(TransactionId, TransactionState),
}

fn data<T: DeserializeOwned>(event: &Event) -> Option<T> {
    serde_json::from_str(&event.data).ok()
}

/// The first transaction whose status is another one from here on.
fn step(event: &Event) -> Option<Step> {
    match event.name.as_str() {
        "payment.recorded" => Some(Step::Paid(TransactionId(event.subject))),
        "order.registered" => Some(Step::Registered(OrderId(event.subject))),
        "refund.requested" => {
            let told: Requested = data(event)?;
            let state = TransactionState::parse(&told.state).unwrap_or(TransactionState::Pending);
            Some(Step::Refund(TransactionId(told.shares.first()?.transaction), state))
        }
        name if name.starts_with("refund.") => {
            // What is no step of a refund has other data.
            let told: Moved = data(event)?;
            let moved = told.moves.iter().find_map(|row| {
                let from = TransactionState::parse(&row.from)?;
                let to = TransactionState::parse(&row.to)?;
                let other = status_of(from) != status_of(to);
                other.then_some(Step::Refund(TransactionId(row.transaction), to))
            });
            let retried = || {
                let share = told.shares.first()?;
                let pending = TransactionState::Pending;
                Some(Step::Refund(TransactionId(share.transaction), pending))
            };
            moved.or_else(retried)
        }
        _ => None,
    }
}

/// The transaction of an event, as it was after it.
async fn sheet(books: &dyn Store, event: &Event) -> Result<Option<Sheet>, StoreError> {
    let merchant = event.merchant;
    let Some(step) = step(event) else { return Ok(None) };
    let (number, then) = match step {
        Step::Registered(id) => {
            let book = books.order(merchant, OrderRef::Id(id)).await?;
            let order = book.map(|book| book.order);
            let failed = |order: &Order| {
                order.metadata.get(notes::UNPAID).is_some_and(|status| status == "failed")
            };
            return Ok(order.filter(failed).map(Sheet::Unpaid));
        }
        Step::Paid(number) => (number, None),
        Step::Refund(number, state) => (number, Some(state)),
    };
    let Some(found) = books.transaction(merchant, number).await? else { return Ok(None) };
    let book = books.order(merchant, OrderRef::Id(found.order)).await?;
    let Some(order) = book.map(|book| book.order) else { return Ok(None) };
    Ok(match found.movement {
        Movement::In(payment) => Some(Sheet::In { payment, order }),
        Movement::Back(row) => {
            let row = as_it_was(row, then, event.at);
            let refund = books.refund(merchant, row.refund).await?;
            refund.map(|refund| Sheet::Back { row, refund: Box::new(refund), order })
        }
    })
}

/// The row with the state that the event told of, so that each try says the same.
fn as_it_was(
    row: RefundTransaction,
    then: Option<TransactionState>,
    at: Timestamp,
) -> RefundTransaction {
    match then.filter(|then| *then != row.state) {
        Some(state) => RefundTransaction { state, message: None, updated_at: at, ..row },
        None => row,
    }
}

async fn message(
    books: &dyn Store,
    event: &Event,
    host: Option<&str>,
) -> Result<Option<Message>, StoreError> {
    if event.name == PING {
        // About no transaction, so that nobody looks for one.
        let ping =
            json!({"id": format!("evt_{}", event.id), "created_at": time(event.at, Voice::Beyag)});
        return Ok(Some(Message::json(json!({ "ping": ping }).to_string().into_bytes())));
    }
    let Some(sheet) = sheet(books, event).await? else { return Ok(None) };
    let to = match host {
        None => None,
        Some(host) => {
            let named = sheet.address().and_then(|url| url.parse::<Uri>().ok());
            // Whatever the notes say by now: only a host that was named and checked is told.
            let Some(to) = named.filter(|to| origin(to).as_deref() == Some(host)) else {
                return Ok(None);
            };
            Some(to)
        }
    };
    let voice = if sheet.method() == "credit_card" { Voice::Card } else { Voice::Beyag };
    let body = json!({ "transaction": sheet.show(voice, "") }).to_string();
    Ok(Some(Message { to, ..Message::json(body.into_bytes()) }))
}

#[async_trait]
impl Format for Begateway {
    fn name(&self) -> &'static str {
        NAME
    }

    fn knows(&self, name: &str) -> bool {
        [PAYMENT, REFUND, ADDRESSED].contains(&name)
    }

    fn wants(&self, subscribed: &[String], event: &Event) -> bool {
        let kind = match event.name.as_str() {
            "payment.recorded" | "order.registered" => PAYMENT,
            name if name.starts_with("refund.") => REFUND,
            _ => return false,
        };
        let mut kinds = subscribed.iter().filter(|one| *one != ADDRESSED).peekable();
        kinds.peek().is_none() || kinds.any(|one| one == kind)
    }

    /// Words and references are those of now; status and times, of the event.
    async fn message(
        &self,
        books: &dyn Store,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        message(books, event, None).await
    }

    async fn message_to(
        &self,
        endpoint: &Endpoint,
        books: &dyn Store,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        if !is_addressed(endpoint) {
            return message(books, event, None).await;
        }
        let own = endpoint.url.parse().ok().and_then(|url| origin(&url));
        match own {
            Some(host) => message(books, event, Some(&host)).await,
            None => Ok(None),
        }
    }

    /// One signature, by the newest key. Credentials go only where they were named.
    fn sign(&self, message: &Message, signing: &Signing<'_>) -> Vec<(&'static str, String)> {
        let mut secrets = signing.secrets.iter().map(|text| Secret::read(text)).peekable();
        let newest = secrets.peek().and_then(|secret| key_pair::sign(&secret.key, &message.body));
        let mut fields = Vec::new();
        fields.extend(newest.map(|signature| ("content-signature", signature)));
        let to = message.to.as_ref().and_then(place);
        let mut known = secrets.filter_map(|secret| secret.credentials);
        let fits = known.find(|known| to.as_ref() == Some(&known.place));
        fields.extend(fits.map(|known| ("authorization", format!("Basic {}", known.basic))));
        fields
    }

    fn new_secret(&self) -> Option<String> {
        key_pair::generate()
    }

    fn takes_secret(&self, secret: &str) -> Result<(), &'static str> {
        let expected =
            "Expected rsa_ and the base64 of a PKCS #8 private key of 2048 to 4096 bits.";
        key_pair::public_key(secret).map(|_| ()).ok_or(expected)
    }

    fn public_key(&self, secret: &str) -> Option<String> {
        key_pair::public_key(&Secret::read(secret).key)
    }
}
