//! Merchants and keys.

use std::sync::Arc;

use refundry_domain::ids::{KeyId, MerchantId, Timestamp};
use refundry_domain::merchant::{Administration, Key, Merchant, Scope, Settings};
use refundry_domain::order::Chain;
use rusqlite::{Connection, params};
use serde_json::json;

use super::Fail;
use super::commit::{Batch, insert_event};
use super::connections;
use super::hooks;
use super::load;
use super::rows;
use super::vault;
use super::writer::Writer;
use crate::store::facts::Unlinked;
use crate::store::{Administered, KeyAndDigest, encode};

/// Whose the key is that the operator sets in the environment.
pub const FIRST: MerchantId = MerchantId(1);
const ADMIN: &str = "admin";
const ADMIN_RATE_PER_SECOND: u32 = 1_000;

/// Who does something, and when.
pub struct By {
    pub by: Arc<str>,
    pub at: Timestamp,
}

pub fn administer(
    writer: &mut Writer,
    batch: &mut Batch,
    merchant: MerchantId,
    by: &By,
    change: Administration,
) -> Result<Administered, Fail> {
    let name = change.name();
    match change {
        Administration::CreateMerchant { name: title } => {
            let merchant = create_merchant(writer, batch, &title, by)?;
            let data = json!({ "name": title }).to_string();
            event(&writer.conn, batch, merchant.id, by, name, ("merchant", merchant.id.0), &data)?;
            Ok(Administered::Merchant(merchant))
        }
        Administration::ChangeMerchant { name: title, settings } => {
            change_merchant(&writer.conn, batch, merchant, by, title, settings)
        }
        Administration::CreateKey { name: title, scopes, hash, rate_per_second } => {
            if self::merchant(&writer.conn, merchant)?.is_none() {
                return Ok(Administered::Unknown);
            }
            let id = KeyId(batch.numbers.take());
            let (created_at, revoked_at) = (by.at, None);
            let key = Key {
                id,
                merchant,
                name: title,
                scopes,
                hash,
                rate_per_second,
                created_at,
                revoked_at,
            };
            create_key(&writer.conn, batch, by, name, &key)?;
            Ok(Administered::Key(key))
        }
        Administration::SetConnection(change) => {
            connections::set(&writer.conn, batch, merchant, by, change)
        }
        Administration::SetAdminKey { hash } => set_admin_key(&writer.conn, batch, by, hash),
        Administration::RevokeKey { key: id } => {
            let Some(mut key) = key(&writer.conn, merchant, id)? else {
                return Ok(Administered::Unknown);
            };
            if key.revoked_at.is_none() {
                key.revoked_at = Some(by.at);
                let sql = "UPDATE keys SET revoked_at = ?3 WHERE merchant = ?1 AND number = ?2";
                writer.conn.prepare_cached(sql)?.execute((merchant.0, id.0, by.at.0))?;
                event(&writer.conn, batch, merchant, by, name, ("key", id.0), "{}")?;
            }
            Ok(Administered::Key(key))
        }
        Administration::ExportTransfers(new) => {
            vault::export(&writer.conn, batch, merchant, by, (name, &new))
        }
        Administration::CreateEndpoint(new) => {
            hooks::create(&writer.conn, batch, merchant, by, (name, new))
        }
        Administration::ChangeEndpoint { endpoint, change } => {
            hooks::change(&writer.conn, batch, merchant, by, (name, endpoint, change))
        }
    }
}

fn create_merchant(
    writer: &mut Writer,
    batch: &mut Batch,
    name: &str,
    by: &By,
) -> Result<Merchant, Fail> {
    let merchant = Merchant {
        id: MerchantId(batch.numbers.take()),
        name: name.to_owned(),
        settings: Settings::default(),
        created_at: by.at,
        updated_at: by.at,
    };
    let sql = "INSERT INTO merchants (number, name, settings, chain_length, chain_hash, \
        last_event, created_at, updated_at) VALUES (?1, ?2, ?3, 0, zeroblob(32), 0, ?4, ?4)";
    let settings = encode::settings(&merchant.settings);
    writer.conn.prepare_cached(sql)?.execute((merchant.id.0, name, settings, by.at.0))?;
    // Should this not be committed, then nobody learns of the number.
    writer.merchants.insert(merchant.id.0);
    Ok(merchant)
}

fn change_merchant(
    conn: &Connection,
    batch: &mut Batch,
    id: MerchantId,
    by: &By,
    name: Option<String>,
    settings: Option<Settings>,
) -> Result<Administered, Fail> {
    let Some(before) = merchant(conn, id)? else { return Ok(Administered::Unknown) };
    let mut merchant = before.clone();
    let mut data = serde_json::Map::new();
    if let Some(name) = name.filter(|name| *name != before.name) {
        data.insert("name".to_owned(), name.as_str().into());
        merchant.name = name;
    }
    if let Some(settings) = settings.filter(|settings| *settings != before.settings) {
        let text = encode::settings(&settings);
        let value = serde_json::from_str(&text).map_err(|_| encode::unreadable("JSON", &text))?;
        data.insert("settings".to_owned(), value);
        merchant.settings = settings;
    }
    if data.is_empty() {
        return Ok(Administered::Merchant(before));
    }
    merchant.updated_at = by.at;
    let sql = "UPDATE merchants SET name = ?2, settings = ?3, updated_at = ?4 WHERE number = ?1";
    let settings = encode::settings(&merchant.settings);
    conn.prepare_cached(sql)?.execute((id.0, &merchant.name, settings, by.at.0))?;
    let data = serde_json::Value::Object(data).to_string();
    event(conn, batch, id, by, "merchant.updated", ("merchant", id.0), &data)?;
    Ok(Administered::Merchant(merchant))
}

fn create_key(
    conn: &Connection,
    batch: &mut Batch,
    by: &By,
    name: &str,
    key: &Key,
) -> Result<(), Fail> {
    let scopes = encode::scopes(&key.scopes);
    let sql = "INSERT INTO keys (merchant, number, name, scopes, hash, rate_per_second, \
        created_at, revoked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)";
    conn.prepare_cached(sql)?.execute(params![
        key.merchant.0,
        key.id.0,
        key.name,
        scopes,
        key.hash,
        key.rate_per_second,
        key.created_at.0,
    ])?;
    let rate = key.rate_per_second;
    let data = json!({ "name": key.name, "scopes": scopes, "rate_per_second": rate }).to_string();
    event(conn, batch, key.merchant, by, name, ("key", key.id.0), &data)
}

fn set_admin_key(
    conn: &Connection,
    batch: &mut Batch,
    by: &By,
    hash: [u8; 32],
) -> Result<Administered, Fail> {
    let name = "key.set";
    let existing = keys(conn, FIRST)?.into_iter().find(|key| key.name == ADMIN);
    if let Some(holder) = key_by_hash(conn, hash)?
        && existing.as_ref().is_none_or(|key| key.id != holder.id)
    {
        return Err(Fail::Unavailable(
            "another key has the secret that the admin key was to get; choose a new one".to_owned(),
        ));
    }
    let Some(mut key) = existing else {
        let key = Key {
            id: KeyId(batch.numbers.take()),
            merchant: FIRST,
            name: ADMIN.to_owned(),
            scopes: Scope::ALL.to_vec(),
            hash,
            rate_per_second: ADMIN_RATE_PER_SECOND,
            created_at: by.at,
            revoked_at: None,
        };
        create_key(conn, batch, by, name, &key)?;
        return Ok(Administered::Key(key));
    };
    if key.hash != hash || key.revoked_at.is_some() {
        (key.hash, key.revoked_at) = (hash, None);
        let sql =
            "UPDATE keys SET hash = ?3, revoked_at = NULL WHERE merchant = ?1 AND number = ?2";
        conn.prepare_cached(sql)?.execute((FIRST.0, key.id.0, hash))?;
        event(conn, batch, FIRST, by, name, ("key", key.id.0), "{}")?;
    }
    Ok(Administered::Key(key))
}

/// Adds an event to the merchant's own chain.
pub fn event(
    conn: &Connection,
    batch: &mut Batch,
    merchant: MerchantId,
    by: &By,
    name: &str,
    (subject_kind, subject): (&str, i64),
    data: &str,
) -> Result<(), Fail> {
    let found = chain_and_newest(conn, merchant)?;
    let (chain, last_event) = found.ok_or_else(|| load::missing("merchant", merchant.0))?;
    let event = Unlinked {
        merchant: merchant.0,
        order: 0,
        position: chain.length + 1,
        number: batch.numbers.take(),
        name,
        subject_kind,
        subject,
        at: by.at.0,
        by: &by.by,
        data,
    };
    let hash = event.hash(&chain.hash);
    insert_event(conn, batch, &event, last_event, hash)?;
    let sql = "UPDATE merchants SET chain_length = ?2, chain_hash = ?3, last_event = ?4 \
        WHERE number = ?1";
    conn.prepare_cached(sql)?.execute((merchant.0, event.position, hash, event.number))?;
    Ok(())
}

/// Where the merchant's own chain ends.
pub fn chain(conn: &Connection, merchant: MerchantId) -> Result<Option<Chain>, Fail> {
    Ok(chain_and_newest(conn, merchant)?.map(|(chain, _)| chain))
}

fn chain_and_newest(conn: &Connection, merchant: MerchantId) -> Result<Option<(Chain, i64)>, Fail> {
    let sql = "SELECT chain_length, chain_hash, last_event FROM merchants WHERE number = ?1";
    load::one(conn, sql, [merchant.0], |row| {
        Ok((Chain { length: row.get(0)?, hash: row.get(1)? }, row.get(2)?))
    })
}

pub fn merchant(conn: &Connection, id: MerchantId) -> Result<Option<Merchant>, Fail> {
    load::one(conn, select!(MERCHANT, "merchants WHERE number = ?1"), [id.0], rows::merchant)
}

pub fn merchants(conn: &Connection) -> Result<Vec<Merchant>, Fail> {
    load::many(conn, select!(MERCHANT, "merchants ORDER BY number"), [], rows::merchant)
}

pub fn keys(conn: &Connection, merchant: MerchantId) -> Result<Vec<Key>, Fail> {
    let sql = select!(KEY, "keys WHERE merchant = ?1 ORDER BY number");
    load::many(conn, sql, [merchant.0], rows::key)
}

pub fn key(conn: &Connection, merchant: MerchantId, id: KeyId) -> Result<Option<Key>, Fail> {
    let sql = select!(KEY, "keys WHERE merchant = ?1 AND number = ?2");
    load::one(conn, sql, (merchant.0, id.0), rows::key)
}

pub fn key_by_hash(conn: &Connection, hash: [u8; 32]) -> Result<Option<Key>, Fail> {
    load::one(conn, select!(KEY, "keys WHERE hash = ?1"), [hash], rows::key)
}

pub fn keep_digest(
    conn: &Connection,
    merchant: MerchantId,
    hash: [u8; 32],
    sealed: &[u8],
) -> Result<(), Fail> {
    let sql = "INSERT INTO key_digests (merchant, hash, sealed) VALUES (?1, ?2, ?3) \
        ON CONFLICT (merchant, hash) DO UPDATE SET sealed = excluded.sealed";
    conn.prepare_cached(sql)?.execute((merchant.0, hash, sealed))?;
    Ok(())
}

/// The key of a number and what is kept of its secret.
pub fn key_with_digest(conn: &Connection, id: KeyId) -> Result<Option<KeyAndDigest>, Fail> {
    let sql = select!(KEY, "keys INDEXED BY keys_by_number WHERE number = ?1");
    let Some(key) = load::one(conn, sql, [id.0], rows::key)? else { return Ok(None) };
    let sql = "SELECT sealed FROM key_digests WHERE merchant = ?1 AND hash = ?2";
    let sealed = load::one(conn, sql, (key.merchant.0, key.hash), |row| Ok(row.get(0)?))?;
    Ok(Some((key, sealed)))
}

/// Whether the token was not used before.
pub fn spend_token(
    conn: &Connection,
    merchant: MerchantId,
    digest: [u8; 32],
    until: Timestamp,
    now: Timestamp,
) -> Result<bool, Fail> {
    let sql = "DELETE FROM spent_tokens WHERE merchant = ?1 AND until < ?2";
    conn.prepare_cached(sql)?.execute((merchant.0, now.0))?;
    let sql = "INSERT INTO spent_tokens (merchant, digest, until) VALUES (?1, ?2, ?3) \
        ON CONFLICT DO NOTHING";
    Ok(conn.prepare_cached(sql)?.execute((merchant.0, digest, until.0))? == 1)
}
