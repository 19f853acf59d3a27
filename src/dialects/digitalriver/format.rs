//! Events as Digital River tells them, and its signature.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use refundry_domain::ids::RefundId;
use refundry_domain::webhook::{Endpoint, PING};
use ring::hmac;

use super::told;
use crate::access::links::{Link, LinkError, Links};
use crate::delivery::{Format, Message, Signing, covers, sign};
use crate::dialects::shared::dates;
use crate::store::{Event, Store, StoreError};

/// The name of the format, by which endpoints have it.
pub const NAME: &str = "digitalriver";
const SECRET: std::ops::RangeInclusive<usize> = 16..=200;
/// The longest name of a type of event.
const TYPE_MOST: usize = 100;
/// The usual name of an event with which a refund begins to wait for bank details.
const WAITS: &str = "refund.pending_information";

/// Without links, no token stands in what is told.
pub struct DigitalRiver(pub Option<Arc<Links>>);

impl DigitalRiver {
    /// Of a refund that still waits, when the event says that it begins to.
    async fn link(
        &self,
        books: &dyn Store,
        event: &Event,
        name: &str,
    ) -> Result<Option<Link>, StoreError> {
        let Some(links) = self.0.as_ref().filter(|_| told::usual(event) == Some(WAITS)) else {
            return Ok(None);
        };
        if !name.starts_with("refund.") {
            return Ok(None);
        }
        let Some(refund) = books.refund(event.merchant, RefundId(event.subject)).await? else {
            return Ok(None);
        };
        links.of(event.merchant, &refund).await.map_err(|error| match error {
            LinkError::Store(error) => error,
            error @ (LinkError::Seal(_) | LinkError::NoRandomness(_)) => {
                StoreError::Unavailable(error.to_string())
            }
        })
    }
}

/// The name under which an endpoint with these subscriptions is told of an event: the usual one
/// when it wants it, else another of it. The ledger's own names are told to who asks for them in
/// full.
fn name<'a>(subscribed: &[String], event: &'a Event) -> Option<&'a str> {
    let wanted = |name: &str| subscribed.iter().any(|one| covers(one, name));
    let usual = told::usual(event);
    if subscribed.is_empty() {
        return usual;
    }
    if let Some(usual) = usual.filter(|usual| wanted(usual)) {
        return Some(usual);
    }
    told::others(event).find(|other| {
        let own = *other == event.name;
        if own { subscribed.iter().any(|one| one == other) } else { wanted(other) }
    })
}

#[async_trait]
impl Format for DigitalRiver {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Whatever is shaped like a name, since clients subscribe to much that has nothing to do with
    /// refunds, and is never told of here.
    fn knows(&self, name: &str) -> bool {
        let word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let plain = |part: &str| !part.is_empty() && part.bytes().all(word);
        let whole = match name.strip_suffix('*') {
            // The rest of a name, or of its last part.
            Some(beginning) => {
                let (parts, last) = beginning.rsplit_once('.').unwrap_or(("", beginning));
                (parts.is_empty() || parts.split('.').all(plain)) && last.bytes().all(word)
            }
            None => name.split('.').all(plain),
        };
        whole && name.len() <= TYPE_MOST
    }

    fn wants(&self, subscribed: &[String], event: &Event) -> bool {
        name(subscribed, event).is_some()
    }

    /// What the event has not said is shown as it is now, so a later try may differ: notes, and
    /// how far the movements of a charge are.
    async fn message(
        &self,
        books: &dyn Store,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        let Some(name) = told::usual(event) else { return Ok(None) };
        Ok(told::envelope(books, event, name, Vec::new(), None).await?.map(Message::json))
    }

    async fn message_to(
        &self,
        endpoint: &Endpoint,
        books: &dyn Store,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        let ids = vec![format!("wh_{}", endpoint.id)];
        if event.name == PING {
            return Ok(Some(Message::json(told::ping(event, ids))));
        }
        let Some(name) = name(&endpoint.events, event) else { return Ok(None) };
        let link = self.link(books, event, name).await?;
        let hidden = link.iter().map(|link| link.token.clone()).collect();
        let body = told::envelope(books, event, name, ids, link).await?;
        Ok(body.map(|body| Message { hidden, ..Message::json(body) }))
    }

    /// `DigitalRiver-Signature: <time>, <signature>`, with a signature for each secret.
    fn sign(&self, message: &Message, signing: &Signing<'_>) -> Vec<(&'static str, String)> {
        let at = dates::utc(signing.at, 3);
        let signatures = signing.secrets.iter().map(|secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let mut context = hmac::Context::with_key(&key);
            for part in [at.as_bytes(), b".", &message.body] {
                context.update(part);
            }
            STANDARD.encode(context.sign())
        });
        let value: Vec<String> = std::iter::once(at.clone()).chain(signatures).collect();
        vec![("digitalriver-signature", value.join(", "))]
    }

    fn new_secret(&self) -> Option<String> {
        let secret = sign::generate().ok()?;
        secret.strip_prefix(sign::PREFIX).map(str::to_owned)
    }

    fn takes_secret(&self, secret: &str) -> Result<(), &'static str> {
        let plain = secret.bytes().all(|byte| byte.is_ascii_graphic());
        if plain && SECRET.contains(&secret.len()) {
            return Ok(());
        }
        Err("Expected from 16 to 200 visible ASCII characters.")
    }
}
