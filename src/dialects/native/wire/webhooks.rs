//! Webhook endpoints and deliveries.

use std::borrow::Cow;

use refundry_domain::ids::{EndpointId, EventId, Timestamp};
use refundry_domain::webhook::{
    Delivery, DeliveryState, DisabledWhy, Endpoint, EndpointState, Try,
};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use super::words::{EndpointTag, EventTag, Id, OrderTag, Time, Vocabulary, Word, id};

impl Vocabulary for DeliveryState {
    const TITLE: &'static str = "DeliveryState";

    fn all() -> &'static [DeliveryState] {
        &DeliveryState::ALL
    }

    fn name(self) -> &'static str {
        DeliveryState::name(self)
    }
}

impl Vocabulary for DisabledWhy {
    const TITLE: &'static str = "DisabledBecause";

    fn all() -> &'static [DisabledWhy] {
        &DisabledWhy::ALL
    }

    fn name(self) -> &'static str {
        DisabledWhy::name(self)
    }
}

type DeliveryStateWord = Word<DeliveryState>;
type DisabledWord = Word<DisabledWhy>;

/// An endpoint to make. The secret that signs its messages is in the answer, and never again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookEndpointInput)]
pub struct EndpointAsk {
    #[schema(example = "https://shop.example/webhooks")]
    pub url: String,
    /// Types of events, such as `refund.succeeded`, or `refund.*`; all when not given.
    #[serde(default)]
    pub events: Vec<String>,
    /// `native` when not given.
    pub format: Option<String>,
    pub description: Option<String>,
    /// A secret of your own: `whsec_` and base64 of 24 to 64 bytes; of the format `begateway`,
    /// `rsa_` and base64 of a PKCS #8 private key. One is made when not given.
    pub secret: Option<String>,
}

/// What of an endpoint changes; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookEndpointPatch)]
pub struct EndpointPatch {
    pub url: Option<String>,
    pub events: Option<Vec<String>>,
    pub description: Option<String>,
    /// `true` goes on where it stopped: what happened meanwhile is sent.
    pub enabled: Option<bool>,
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateAsk {
    /// A secret of your own; one is made when not given.
    pub secret: Option<String>,
    /// How long the secrets until now sign too: up to 604800 (a week), 86400 (a day) when not
    /// given.
    pub expire_after_seconds: Option<i64>,
}

/// Which events an endpoint is told of again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedeliverAsk {
    /// The events that happened from then on.
    pub from: Time,
    /// And before then; until now when not given.
    pub until: Option<Time>,
    /// Those too that were delivered already. Otherwise those that were given up, and those that
    /// it was never told of.
    #[serde(default)]
    pub delivered_too: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Redelivered {
    /// How many events it is told of again.
    pub count: usize,
    /// Whether there are more: ask again with `from` set to `next_from`.
    pub has_more: bool,
    pub next_from: Option<Time>,
}

#[derive(Serialize, ToSchema)]
pub struct Pinged {
    /// The event that was made for it.
    pub event: EventTag,
    /// Where to see what became of it, once it was tried.
    pub delivery: DeliveryTag,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub struct EndpointView<'a> {
    /// Null in the answer to a dry run.
    id: Option<EndpointTag>,
    url: &'a str,
    events: &'a [String],
    format: &'a str,
    description: &'a str,
    enabled: bool,
    disabled_at: Option<Time>,
    /// `asked`: by you; `gone`: it answered 410; `failing`: no try succeeded for 120 hours.
    disabled_because: Option<DisabledWord>,
    /// Since when every try has failed.
    failing_since: Option<Time>,
    /// The event up to which it was told, or is told again.
    last_event: EventTag,
    created_at: Time,
    updated_at: Time,
    /// The secret itself: in the answer to its making only.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    /// What messages are checked with, in a format whose secret is a private key: an RSA key as
    /// the base64 of its SubjectPublicKeyInfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// Until when the secret before signs too: in the answer to the rotation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_secrets_until: Option<Time>,
}

impl<'a> EndpointView<'a> {
    pub fn of(endpoint: &'a Endpoint) -> EndpointView<'a> {
        EndpointView {
            id: Some(Id(endpoint.id)),
            url: &endpoint.url,
            events: &endpoint.events,
            format: &endpoint.format,
            description: &endpoint.description,
            enabled: endpoint.state == EndpointState::Enabled,
            disabled_at: endpoint.disabled.map(|(at, _)| Time(at)),
            disabled_because: endpoint.disabled.map(|(_, why)| Word(why)),
            failing_since: endpoint.failing_since.map(Time),
            last_event: Id(endpoint.cursor),
            created_at: Time(endpoint.created_at),
            updated_at: Time(endpoint.updated_at),
            secret: None,
            public_key: None,
            old_secrets_until: None,
        }
    }

    pub fn with_secret(self, secret: &'a str, old_until: Option<Timestamp>) -> EndpointView<'a> {
        let old_secrets_until = old_until.map(Time);
        EndpointView { secret: Some(secret), old_secrets_until, ..self }
    }

    /// A private key is not shown; what checks its signatures is.
    pub fn with_public_key(self, public_key: Option<String>) -> EndpointView<'a> {
        let secret = self.secret.filter(|_| public_key.is_none());
        EndpointView { public_key, secret, ..self }
    }

    /// As it would be.
    pub fn proposed(self) -> EndpointView<'a> {
        EndpointView { id: None, ..self }
    }
}

/// A delivery's id: `dlv_`, the endpoint's number, the event's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryTag {
    pub endpoint: EndpointId,
    pub event: EventId,
}

impl DeliveryTag {
    pub fn of(row: &Delivery) -> DeliveryTag {
        DeliveryTag { endpoint: row.endpoint, event: row.event }
    }

    /// Reads `dlv_12_345`; no other way to write the same numbers is taken.
    pub fn read(text: &str) -> Result<DeliveryTag, String> {
        let read = || {
            let (endpoint, event) = text.strip_prefix("dlv_")?.split_once('_')?;
            let endpoint = id::<EndpointId>(&format!("whe_{endpoint}"))?;
            let event = id::<EventId>(&format!("evt_{event}"))?;
            Some(DeliveryTag { endpoint, event })
        };
        read().ok_or_else(|| "expected the id of a delivery, such as dlv_12_345".to_owned())
    }
}

impl std::fmt::Display for DeliveryTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "dlv_{}_{}", self.endpoint, self.event)
    }
}

impl Serialize for DeliveryTag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for DeliveryTag {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some("The id of a delivery: of one event to one endpoint."))
            .pattern(Some("^dlv_[1-9][0-9]*_[1-9][0-9]*$"))
            .examples(["dlv_12_345"]);
        RefOr::T(Schema::Object(text.build()))
    }
}

impl ToSchema for DeliveryTag {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("DeliveryId")
    }
}

/// One event on its way to one endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryView<'a> {
    id: DeliveryTag,
    endpoint: EndpointTag,
    event: EventTag,
    /// The event's type.
    #[serde(rename = "type")]
    #[schema(example = "refund.succeeded")]
    name: &'a str,
    order: Option<OrderTag>,
    state: DeliveryStateWord,
    /// When it is tried next; an earlier event of the same order goes first.
    next_try_at: Option<Time>,
    /// Every try, oldest first.
    tries: Vec<TryView<'a>>,
    created_at: Time,
    updated_at: Time,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryTry)]
struct TryView<'a> {
    at: Time,
    took_ms: i64,
    /// The status of the answer; null when there was none.
    status: Option<u16>,
    /// Why there was no answer that counts.
    error: Option<&'a str>,
    /// The first 256 bytes of the answer.
    answer: &'a str,
}

impl<'a> DeliveryView<'a> {
    pub fn of(row: &'a Delivery) -> DeliveryView<'a> {
        let shown = |row: &'a Try| TryView {
            at: Time(row.at),
            took_ms: row.took_ms,
            status: row.status,
            error: row.error.as_deref(),
            answer: &row.answer,
        };
        DeliveryView {
            id: DeliveryTag::of(row),
            endpoint: Id(row.endpoint),
            event: Id(row.event),
            name: &row.name,
            order: row.order.map(Id),
            state: Word(row.state),
            next_try_at: (row.state == DeliveryState::Pending).then_some(Time(row.due)),
            tries: row.tries.iter().map(shown).collect(),
            created_at: Time(row.created_at),
            updated_at: Time(row.updated_at),
        }
    }
}
