//! API keys: made, looked up, revoked. A secret is shown once.

use axum::response::Response;
use refundry_domain::ids::{KeyId, Timestamp};
use refundry_domain::merchant::{Administration, Key};
use refundry_domain::text;

use super::call::{Call, created, listed, shown};
use super::wire::administration::{KeyAsk, KeyView};
use super::wire::words::expect_id;
use crate::access::secret;
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Administers, Right};
use crate::store::{Administered, Page, Slice};

const RATE: u32 = 100;
const RATE_MOST: u32 = 1_000_000;

pub async fn create(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let read = call.read::<KeyAsk>().await?;
    let ask = read.body;
    check_name(&ask.name)?;
    let mut scopes: Vec<_> = ask.scopes.iter().map(|scope| scope.0).collect();
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        let detail = "A key has at least one scope.";
        return Err(Problem::field(Code::FieldInvalid, "/scopes", detail));
    }
    let rate_per_second = ask.rate_per_second.unwrap_or(RATE);
    if !(1..=RATE_MOST).contains(&rate_per_second) {
        let detail = "Expected from 1 to 1000000.";
        return Err(Problem::field(Code::FieldInvalid, "/rate_per_second", detail));
    }
    let merchant = ask.merchant.map_or(right.caller().merchant, |tag| tag.0);
    let unknown =
        || Problem::field(Code::MerchantNotFound, "/merchant", "There is no such merchant.");
    if read.dry_run {
        right.merchant_row(merchant).await?.ok_or_else(unknown)?;
        let created_at = right.now();
        let key = proposed(merchant, ask.name, scopes, rate_per_second, created_at);
        return Ok(shown(&KeyView::of(&key).proposed()));
    }
    let secret = secret::generate().map_err(|error| {
        tracing::error!(%error, "no randomness for a key");
        Problem::new(Code::Internal, "The server could not make a secret.")
    })?;
    let hash = secret::hash(&secret);
    let change = Administration::CreateKey { name: ask.name, scopes, hash, rate_per_second };
    let done = right.administer_for(merchant, change).await.ok_or_else(unknown)??;
    match done {
        Administered::Key(key) => {
            right.keep_digest(key.merchant, &secret).await?;
            Ok(created(&KeyView::of(&key).with_secret(&secret)))
        }
        Administered::Merchant(_)
        | Administered::Endpoint(_)
        | Administered::Connection(_)
        | Administered::Unknown
        | Administered::Stale => Err(unknown()),
    }
}

fn proposed(
    merchant: refundry_domain::ids::MerchantId,
    name: String,
    scopes: Vec<refundry_domain::merchant::Scope>,
    rate_per_second: u32,
    created_at: Timestamp,
) -> Key {
    let (id, hash, revoked_at) = (KeyId(0), [0; 32], None);
    Key { id, merchant, name, scopes, hash, rate_per_second, created_at, revoked_at }
}

/// The names that people give to keys and merchants.
pub fn check_name(name: &str) -> Result<(), Problem> {
    if name.trim().is_empty() || text::check(name, 200).is_err() {
        let detail = "Expected a name of 1 to 200 characters, without control characters and \
                      card numbers.";
        return Err(Problem::field(Code::FieldInvalid, "/name", detail));
    }
    Ok(())
}

/// Keys are few: all are read, and one page is shown.
pub async fn list(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<KeyId>(text).map(|id| id.0))?;
    fields.finish()?;
    let keys = right.keys().await?;
    let slice = page_of(keys, &page, |key| key.id.0);
    Ok(listed(&slice, &page, KeyView::of, |key| key.id))
}

/// One page of rows that are all at hand, newest first.
pub fn page_of<T>(mut rows: Vec<T>, page: &Page, number: impl Fn(&T) -> i64) -> Slice<T> {
    rows.sort_by_key(|row| std::cmp::Reverse(number(row)));
    rows.retain(|row| page.after.is_none_or(|after| number(row) < after));
    rows.retain(|row| page.before.is_none_or(|before| number(row) > before));
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    if page.before.is_some() {
        rows.drain(..rows.len().saturating_sub(limit));
    } else {
        rows.truncate(limit);
    }
    Slice { rows, more }
}

fn unknown() -> Problem {
    Problem::new(Code::KeyNotFound, "There is no such API key.")
}

pub async fn show(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    let id = call.id::<KeyId>().ok_or_else(unknown)?;
    let key = right.key(id).await?.ok_or_else(unknown)?;
    Ok(shown(&KeyView::of(&key)))
}

/// Revoking twice is as revoking once.
pub async fn revoke(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let id = call.id::<KeyId>().ok_or_else(unknown)?;
    let read = call.read_or_default::<super::wire::asks::Nothing>().await?;
    let key = right.key(id).await?.ok_or_else(unknown)?;
    if read.dry_run || key.revoked_at.is_some() {
        let revoked_at = key.revoked_at.or_else(|| Some(right.now()));
        return Ok(shown(&KeyView::of(&Key { revoked_at, ..key })));
    }
    match right.administer(Administration::RevokeKey { key: id }).await? {
        Administered::Key(key) => Ok(shown(&KeyView::of(&key))),
        Administered::Merchant(_)
        | Administered::Endpoint(_)
        | Administered::Connection(_)
        | Administered::Unknown
        | Administered::Stale => Err(unknown()),
    }
}
