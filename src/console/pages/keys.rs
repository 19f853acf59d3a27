//! API keys: made, with a secret that is shown once, and revoked.

use askama::Template;
use axum::response::Response;
use refundry_domain::ids::KeyId;
use refundry_domain::merchant::{Administration, Scope};
use refundry_domain::text;

use crate::access::secret;
use crate::console::cell::Cell;
use crate::console::csv;
use crate::console::form::{Draft, Wrongs};
use crate::console::list::{self, Choice, Table, choice};
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, no_randomness, redirect_done};
use crate::dialects::shared::right::{Administers, Right};
use crate::store::Administered;

const RATE: u32 = 100;
const RATE_MOST: u32 = 1_000_000;
const NAME_MOST: usize = 200;
/// Keys are few; no page shows more of them.
const SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "keys.html")]
struct Page<'a> {
    shell: &'a Shell,
    table: Table,
    living: Vec<Choice>,
    scopes: Vec<Choice>,
    rate: String,
    draft: Draft,
    /// The new key's name and secret, shown this once.
    fresh: Option<(String, String)>,
}

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    page(&visit, Draft::default(), None).await
}

async fn page(
    visit: &Visit,
    draft: Draft,
    fresh: Option<(String, String)>,
) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let mut keys = right.keys().await?;
    keys.sort_by_key(|key| std::cmp::Reverse(key.id));
    keys.truncate(SHOWN);
    let titles = ["Key", "Name", "Scopes", "#Requests a second", "State", "Made"];
    let mut table = Table::new("API keys", &titles);
    for key in &keys {
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
        let state = if key.revoked_at.is_some() { ("Revoked", "quiet") } else { ("Valid", "good") };
        table.add(vec![
            Cell::code(format!("key_{}", key.id)),
            Cell::text(&key.name),
            Cell::text(scopes.join(", ")),
            Cell::text(key.rate_per_second.to_string()),
            Cell::pill(state),
            visit.say.time(key.created_at),
        ]);
    }
    if list::wants_csv(&visit.query) {
        return Ok(csv::of(&table, "keys"));
    }
    let living = keys.iter().filter(|key| key.revoked_at.is_none());
    let living = living.map(|key| {
        let id = format!("key_{}", key.id);
        choice(&id, &format!("{id}: {}", key.name), false)
    });
    let words = |scope: Scope| match scope {
        Scope::Read => "read: look at everything but keys, gateways and settings",
        Scope::Write => "write: register, request, cancel, retry, report",
        Scope::Approve => "approve: confirm what needs approval",
        Scope::Admin => "admin: keys, gateways, webhooks, settings",
    };
    let fallback = !draft.is_wrong();
    let scopes = Scope::ALL.iter().map(|scope| {
        let chosen = draft.ticked("scope", scope.name()) || fallback && *scope == Scope::Read;
        choice(scope.name(), words(*scope), chosen)
    });
    let shell = visit.shell("Keys")?;
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = Page {
        living: living.collect(),
        scopes: scopes.collect(),
        rate: draft.or("rate", &RATE.to_string()),
        shell: &shell,
        table,
        draft,
        fresh,
    };
    html(status, &page)
}

pub async fn create(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let refused = |field: &str, why: &str| Draft::refused(&visit.form, Wrongs::one(field, why));
    let name = visit.form.text("name").unwrap_or_default().to_owned();
    if name.is_empty() || text::check(&name, NAME_MOST).is_err() {
        let why = "Write a name of 1 to 200 characters, without a card number.";
        return page(&visit, refused("name", why), None).await;
    }
    let mut scopes: Vec<Scope> = visit.form.all("scope").filter_map(Scope::parse).collect();
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return page(&visit, refused("scope", "Choose at least one."), None).await;
    }
    let rate = visit.form.number::<u32>("rate").filter(|rate| (1..=RATE_MOST).contains(rate));
    let Some(rate_per_second) = rate else {
        let why = "Write a whole number from 1 to 1000000.";
        return page(&visit, refused("rate", why), None).await;
    };
    let secret = secret::generate().map_err(|_| no_randomness())?;
    // Before the key, so that no key is without it.
    right.keep_digest(right.caller().merchant, &secret).await?;
    let hash = secret::hash(&secret);
    let change = Administration::CreateKey { name, scopes, hash, rate_per_second };
    match right.administer(change).await? {
        Administered::Key(key) => page(&visit, Draft::default(), Some((key.name, secret))).await,
        Administered::Merchant(_)
        | Administered::Endpoint(_)
        | Administered::Connection(_)
        | Administered::Unknown
        | Administered::Stale => Err(Trouble::missing("merchant")),
    }
}

pub async fn revoke(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    // The key is chosen in the form, so the address says only that one is.
    let named = crate::console::visit::id(visit.form.written("key"), "key_").map(KeyId);
    let missing = || Trouble::missing("key");
    let key = right.key(named.ok_or_else(missing)?).await?.ok_or_else(missing)?;
    if key.revoked_at.is_none() {
        right.administer(Administration::RevokeKey { key: key.id }).await?;
    }
    Ok(redirect_done("/console/keys", "revoked"))
}
