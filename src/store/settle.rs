//! What every store does with an intent between reading its book and writing what has changed.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use refundry_domain::book::Book;
use refundry_domain::changes::{Changes, Work, WorkChange};
use refundry_domain::command::Command;
use refundry_domain::day;
use refundry_domain::decide::{Context, decide, register};
use refundry_domain::event::Fact;
use refundry_domain::ids::{GatewayId, MerchantId, Numbers, Timestamp};
use refundry_domain::merchant::{Connection, ConnectionChange, NewTransferFile};
use refundry_domain::refusal::Refusal;
use sha2::{Digest, Sha256};

use super::Intent;
use super::facts::{self, Unlinked};

/// A book, and where the order's lists of events and refunds begin.
#[derive(Debug, PartialEq, Eq)]
pub struct Loaded {
    pub book: Book,
    pub last_event: i64,
    pub last_refund: i64,
}

/// The start of the SHA-256 of an idempotency key, under which it is kept.
pub fn digest(key: &str) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let mut start = [0; 16];
    start.copy_from_slice(&hash[..16]);
    start
}

/// The merchant's day of the intent, when what is decided on it has a limit and this may count.
pub fn day(intent: &Intent) -> Option<String> {
    if !day::is_wanted(&intent.policy, &intent.command) {
        return None;
    }
    let zone = TimeZone::get(&intent.policy.time_zone).unwrap_or(TimeZone::UTC);
    let moment = jiff::Timestamp::from_millisecond(intent.at.0).unwrap_or_default();
    Some(zone.to_datetime(moment).date().to_string())
}

/// The work that a decision makes, to be told to the workers.
pub fn put(work: Vec<WorkChange>) -> Vec<Work> {
    work.into_iter()
        .filter_map(|change| match change {
            WorkChange::Put(work) => Some(work),
            WorkChange::Remove { .. } => None,
        })
        .collect()
}

/// What the book is asked for: the intent's command, or what its fit makes of it. `None` when they
/// do not go together.
pub fn command<'a>(intent: &'a Intent, loaded: Option<&Loaded>) -> Option<Cow<'a, Command>> {
    match (&intent.fit, loaded) {
        (None, _) => Some(Cow::Borrowed(&*intent.command)),
        (Some(fit), Some(loaded)) => fit(&loaded.book).map(Cow::Owned),
        (Some(_), None) => None,
    }
}

/// Decides on the book, or makes one when the command registers an order.
pub fn decision(
    instance: &str,
    numbers: &mut Numbers,
    intent: &Intent,
    command: &Command,
    loaded: Option<Loaded>,
    reference_taken: Option<i64>,
) -> Result<(Loaded, Changes), Refusal> {
    let mut context = Context {
        now: intent.at,
        by: &intent.by,
        policy: &intent.policy,
        numbers,
        instance,
        reference_taken,
    };
    let (last_event, last_refund) =
        loaded.as_ref().map_or((0, 0), |loaded| (loaded.last_event, loaded.last_refund));
    let (book, changes) = match (loaded, command) {
        (None, Command::RegisterOrder(new)) => register(intent.merchant, new, &mut context),
        (None, _) => Err(Refusal::UnknownOrder),
        (Some(loaded), command) => decide(loaded.book, command, &mut context),
    }?;
    Ok((Loaded { book, last_event, last_refund }, changes))
}

/// Numbers a fact and links it to its predecessor in the order's chain. `data` is the fact's own.
pub fn link<'a>(
    numbers: &mut Numbers,
    intent: &'a Intent,
    loaded: &mut Loaded,
    fact: &'a Fact,
    data: &'a str,
) -> (Unlinked<'a>, [u8; 32]) {
    let (subject_kind, subject) = facts::subject(fact.subject());
    let order = &mut loaded.book.order;
    let event = Unlinked {
        merchant: order.merchant.0,
        order: order.id.0,
        position: order.chain.length + 1,
        number: numbers.take(),
        name: fact.name(),
        subject_kind,
        subject,
        at: intent.at.0,
        by: &intent.by,
        data,
    };
    order.chain.hash = event.hash(&order.chain.hash);
    order.chain.length = event.position;
    loaded.last_event = event.number;
    (event, order.chain.hash)
}

/// What the event of a file of transfers says; never whose accounts stand in it.
pub fn exported(number: i64, new: &NewTransferFile) -> String {
    let transactions: Vec<i64> = new.transfers.iter().map(|(id, _)| id.0).collect();
    let data = serde_json::json!({
        "file": number,
        "message_id": new.message_id,
        "currency": new.currency.code(),
        "total": new.total.get(),
        "transactions": transactions,
    });
    data.to_string()
}

/// An account at a provider as a change leaves it, and what its event says; `None` when it would be
/// new and without credentials.
pub fn connection(
    id: GatewayId,
    merchant: MerchantId,
    before: Option<Connection>,
    change: ConnectionChange,
    at: Timestamp,
) -> Option<(Connection, String)> {
    let created_at = before.as_ref().map_or(at, |row| row.created_at);
    let credentials_changed = change.sealed.is_some();
    let row = Connection {
        id,
        merchant,
        name: change.name,
        connector: change.connector,
        settings: change.settings,
        sealed: change.sealed.or_else(|| before.map(|row| row.sealed))?,
        enabled: change.enabled,
        created_at,
        updated_at: at,
    };
    let data = serde_json::json!({
        "name": row.name,
        "connector": row.connector,
        "settings": row.settings,
        "enabled": row.enabled,
        "credentials_changed": credentials_changed,
    });
    let data = data.to_string();
    Some((row, data))
}
