//! Events as `/v1` tells them: its own shape of an event, signed as Standard Webhooks has it.

use std::sync::Arc;

use async_trait::async_trait;
use refundry_domain::event::TYPES;
use refundry_domain::ids::RefundId;
use serde::Serialize;

use super::call::json;
use super::wire::information::LinkView;
use super::wire::records::EventView;
use super::wire::words::Time;
use crate::access::links::{LinkError, Links};
use crate::delivery::{Format, Message, Signing, covers, sign};
use crate::store::{Event, Store, StoreError};

pub struct Native;

/// An event, with its time under the name that Standard Webhooks gives it.
#[derive(Serialize)]
struct Told<'a> {
    timestamp: Time,
    #[serde(flatten)]
    event: EventView<'a>,
}

/// [`Native`], and with the news that a refund waits for bank details, the customer's link. It is
/// in no event: those are kept for good, and shown to whoever may read.
pub struct WithLinks {
    native: Native,
    links: Arc<Links>,
}

#[derive(Serialize)]
struct ToldWithLink<'a> {
    #[serde(flatten)]
    told: Told<'a>,
    information_link: LinkView,
}

impl WithLinks {
    pub fn new(links: Arc<Links>) -> WithLinks {
        WithLinks { native: Native, links }
    }

    /// Of a refund that still waits.
    async fn link(&self, books: &dyn Store, event: &Event) -> Result<Option<LinkView>, StoreError> {
        let begins = match event.name.as_str() {
            "refund.requires_information" => true,
            "refund.requested" => event.data.contains(r#""state":"requires_information""#),
            _ => false,
        };
        if !begins {
            return Ok(None);
        }
        let Some(refund) = books.refund(event.merchant, RefundId(event.subject)).await? else {
            return Ok(None);
        };
        let link = self.links.of(event.merchant, &refund).await.map_err(|error| match error {
            LinkError::Store(error) => error,
            error @ (LinkError::Seal(_) | LinkError::NoRandomness(_)) => {
                StoreError::Unavailable(error.to_string())
            }
        })?;
        Ok(link.map(|link| LinkView::of(refund.id, Some(link), refund.information_due)))
    }
}

#[async_trait]
impl Format for WithLinks {
    fn name(&self) -> &'static str {
        self.native.name()
    }

    fn knows(&self, name: &str) -> bool {
        self.native.knows(name)
    }

    fn wants(&self, subscribed: &[String], event: &Event) -> bool {
        self.native.wants(subscribed, event)
    }

    async fn message(
        &self,
        books: &dyn Store,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        let Some(information_link) = self.link(books, event).await? else {
            return self.native.message(books, event).await;
        };
        let told = Told { timestamp: Time(event.at), event: EventView::of(event) };
        let hidden = information_link.token().map(str::to_owned).into_iter().collect();
        let body = json(&ToldWithLink { told, information_link });
        Ok(Some(Message { hidden, ..Message::json(body) }))
    }

    fn sign(&self, message: &Message, signing: &Signing<'_>) -> Vec<(&'static str, String)> {
        self.native.sign(message, signing)
    }

    fn new_secret(&self) -> Option<String> {
        self.native.new_secret()
    }

    fn takes_secret(&self, secret: &str) -> Result<(), &'static str> {
        self.native.takes_secret(secret)
    }
}

#[async_trait]
impl Format for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn knows(&self, name: &str) -> bool {
        TYPES.iter().any(|known| covers(name, known))
    }

    fn wants(&self, subscribed: &[String], event: &Event) -> bool {
        subscribed.is_empty() || subscribed.iter().any(|one| covers(one, &event.name))
    }

    async fn message(
        &self,
        _books: &dyn Store,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        let told = Told { timestamp: Time(event.at), event: EventView::of(event) };
        Ok(Some(Message::json(json(&told))))
    }

    fn sign(&self, message: &Message, signing: &Signing<'_>) -> Vec<(&'static str, String)> {
        sign::headers(signing.id, signing.at, signing.secrets, &message.body)
    }

    fn new_secret(&self) -> Option<String> {
        sign::generate().ok()
    }

    fn takes_secret(&self, secret: &str) -> Result<(), &'static str> {
        let expected = "Expected whsec_ and the base64 of 24 to 64 bytes.";
        sign::key(secret).map(|_| ()).ok_or(expected)
    }
}
