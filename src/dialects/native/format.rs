//! Events as `/v1` tells them: its own shape of an event, signed as Standard Webhooks has it.

use async_trait::async_trait;
use refundry_domain::event::TYPES;
use serde::Serialize;

use super::call::json;
use super::wire::records::EventView;
use super::wire::words::Time;
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
