//! Where the outcome of a request is told: for each host that a request names there is one webhook
//! endpoint in this API's format.

use refundry_domain::ids::EventId;
use refundry_domain::webhook::{Endpoint, EndpointChange, EndpointState, NewEndpoint};

use serde_json::{Value, json};

use super::call::{Answered, Call, Voice, json as answer};
use super::format::{ADDRESSED, Begateway, Credentials, NAME, Secret, is_addressed, origin, place};
use super::refusals::No;
use super::sheet::{Sheet, find};
use super::wire::Uid;
use crate::delivery::secrets::Secrets;
use crate::dialects::shared::right::{Right, Writes};
use crate::store::{Administered, EventFilter, Page};

/// How many hosts of a merchant are told.
const HOSTS_MOST: usize = 20;
const ENDPOINTS_MOST: usize = 50;
/// How often it is tried again when somebody else changed the endpoint meanwhile.
const TRIES: usize = 5;
/// How many events of a refund or payment are looked through for its newest notification.
const EVENTS_MOST: u32 = 100;

/// Sees to it that what happens from now on is told at this address. `credentials` are those of
/// the request that names it: no other host or path is ever sent them.
pub async fn expect(
    right: &Right<Writes>,
    voice: Voice,
    address: &str,
    credentials: Option<String>,
) -> Result<(), No> {
    let wrong = |text: String| No::invalid(voice, vec![(ADDRESSED.to_owned(), text)]);
    right.counter().addresses.check(address).map_err(wrong)?;
    let host = address.parse().ok().and_then(|address| origin(&address));
    let host = host.ok_or_else(|| wrong("Expected an address.".to_owned()))?;
    let place = address.parse().ok().and_then(|address| place(&address));
    let credentials = credentials.zip(place).map(|(basic, place)| Credentials { place, basic });
    let mut is_there = false;
    for _ in 0..TRIES {
        let all = right.endpoints().await?;
        let hosts: Vec<&Endpoint> = all.iter().filter(|one| is_addressed(one)).collect();
        let fits = |one: &&&Endpoint| {
            one.url.parse().ok().and_then(|url| origin(&url)).as_deref() == Some(&host)
        };
        if let Some(known) = hosts.iter().find(fits) {
            if keep(right, known, credentials.clone()).await? {
                return Ok(());
            }
            is_there = true;
            continue;
        }
        if hosts.len() >= HOSTS_MOST || all.len() >= ENDPOINTS_MOST {
            return Err(wrong("The shop is told at too many hosts; delete a webhook.".to_owned()));
        }
        let made = make(right, &host, hosts.first().copied(), credentials.clone()).await?;
        // Another request may have been as quick: the first one stays.
        let all = right.endpoints().await?;
        let first = all.iter().filter(|one| is_addressed(one)).find(|one| fits(&one));
        if let Some(made) = made.filter(|made| first.is_some_and(|first| first.id != made.id)) {
            right.change_endpoint(made.id, EndpointChange::Delete).await?;
            continue;
        }
        return Ok(());
    }
    if is_there {
        // Others keep naming other paths of the host, and the last one's credentials stay.
        return Ok(());
    }
    Err(No::system(503, "Others keep changing where the shop is told; try again."))
}

/// Keeps the credentials with the endpoint; whether they are there then.
async fn keep(
    right: &Right<Writes>,
    known: &Endpoint,
    credentials: Option<Credentials>,
) -> Result<bool, No> {
    let Some(given) = credentials else { return Ok(true) };
    let Some(secret) = secret_of(right, known)? else { return Ok(true) };
    if secret.credentials.as_ref() == Some(&given) {
        return Ok(true);
    }
    let secret = Secret { credentials: Some(given), ..secret };
    let secrets = sealed(right, &secret)?;
    let change = EndpointChange::Rotate { revision: known.revision, secrets };
    match right.change_endpoint(known.id, change).await? {
        Administered::Endpoint(_) => Ok(true),
        Administered::Stale
        | Administered::Unknown
        | Administered::Merchant(_)
        | Administered::Key(_)
        | Administered::Connection(_) => Ok(false),
    }
}

/// A new endpoint, with the key pair that the shop has already.
async fn make(
    right: &Right<Writes>,
    host: &str,
    other: Option<&Endpoint>,
    credentials: Option<Credentials>,
) -> Result<Option<Endpoint>, No> {
    let known = match other {
        Some(other) => secret_of(right, other)?.map(|secret| secret.key),
        None => None,
    };
    let key = match known {
        Some(key) => Some(key),
        None => {
            let made = tokio::task::spawn_blocking(crate::delivery::key_pair::generate).await;
            made.ok().flatten()
        }
    };
    let key = key.ok_or_else(|| No::system(500, "The server could not make a key pair."))?;
    let new = NewEndpoint {
        url: host.to_owned(),
        format: NAME.to_owned(),
        events: vec![ADDRESSED.to_owned()],
        description: "Told where a request's notification_url says.".to_owned(),
        secrets: sealed(right, &Secret { key, credentials })?,
    };
    match right.make_endpoint(new).await? {
        Administered::Endpoint(endpoint) => Ok(Some(endpoint)),
        Administered::Stale
        | Administered::Unknown
        | Administered::Merchant(_)
        | Administered::Key(_)
        | Administered::Connection(_) => Ok(None),
    }
}

fn secret_of(right: &Right<Writes>, endpoint: &Endpoint) -> Result<Option<Secret>, No> {
    let secrets = Secrets::open(&endpoint.secrets, right.sealer(), endpoint.merchant);
    let secrets = secrets.map_err(|error| {
        tracing::error!(%error, "webhook secrets cannot be opened");
        No::system(500, "The server cannot read the key pair that it has.")
    })?;
    Ok(secrets.living(right.now()).first().map(|text| Secret::read(text)))
}

fn sealed(right: &Right<Writes>, secret: &Secret) -> Result<Vec<u8>, No> {
    let secrets = Secrets::new(secret.text());
    secrets.seal(right.sealer(), right.caller().merchant).map_err(|error| {
        tracing::error!(%error, "a key pair cannot be sealed");
        No::system(500, "The server could not keep the key pair.")
    })
}

/// Sends the newest notification of a transaction again, to where its request said.
pub async fn renotify(right: Right<Writes>, call: Call) -> Answered {
    let sheet = match Uid::parse(&call.name) {
        Some(uid) => find(&right, uid).await?,
        None => None,
    };
    let sheet = sheet.ok_or_else(|| No::not_found(call.voice))?;
    let host = sheet.address().and_then(|url| url.parse().ok()).and_then(|url| origin(&url));
    let fits = |one: &Endpoint| {
        is_addressed(one)
            && one.state == EndpointState::Enabled
            && one.url.parse().ok().and_then(|url| origin(&url)) == host
    };
    let endpoint = right.endpoints().await?.into_iter().find(fits).filter(|_| host.is_some());
    let (Some(endpoint), Some(event)) = (endpoint, newest(&right, &sheet).await?) else {
        let text = "Nobody is told of this transaction.".to_owned();
        return Err(No::invalid(call.voice, vec![(ADDRESSED.to_owned(), text)]));
    };
    right.change_endpoint(endpoint.id, EndpointChange::Redeliver { events: vec![event] }).await?;
    Ok(answer(200, &json!({"response": {"message": "The notification is sent again."}})))
}

/// The newest event that a notification of this transaction is made of.
async fn newest(right: &Right<Writes>, sheet: &Sheet) -> Result<Option<EventId>, No> {
    let subject = match sheet {
        Sheet::In { payment, .. } => payment.id.0,
        Sheet::Back { refund, .. } => refund.id.0,
        Sheet::Unpaid(order) => order.id.0,
    };
    let filter = EventFilter { subject: Some(subject), ..EventFilter::default() };
    let page = Page { after: None, before: None, limit: EVENTS_MOST, oldest_first: false };
    let uid = sheet.uid().to_string();
    for event in right.events(filter, page).await?.rows {
        let Some(message) = right.told(&Begateway, &event).await? else { continue };
        let told: Value = serde_json::from_slice(&message.body).unwrap_or_default();
        if told.pointer("/transaction/uid").and_then(Value::as_str) == Some(uid.as_str()) {
            return Ok(Some(event.id));
        }
    }
    Ok(None)
}
