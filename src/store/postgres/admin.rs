//! Merchants and keys.

use std::sync::Arc;

use refundry_domain::ids::{KeyId, MerchantId, Timestamp};
use refundry_domain::merchant::{Administration, Key, Merchant, Scope, Settings};
use refundry_domain::order::Chain;
use serde_json::json;
use tokio_postgres::Row;

use super::fail::Fail;
use super::load::{NUMBERS, ranges};
use super::pool::{Lent, Params, Step};
use super::rows::{Cells, select};
use super::single::{many, one};
use super::{Books, pool, seal};
use crate::store::facts::Unlinked;
use crate::store::{Administered, KeyAndDigest, encode, rows};

/// Whose the key is that the operator sets in the environment.
pub const FIRST: MerchantId = MerchantId(1);
const ADMIN: &str = "admin";
const ADMIN_RATE_PER_SECOND: u32 = 1_000;
const MOST_TRIES: u32 = 5;

/// Who does something, and when.
pub struct By {
    pub by: Arc<str>,
    pub at: Timestamp,
}

/// An event of a merchant's own chain, as the anchor keeps it.
type Mark = (i64, i64, [u8; 32]);

pub async fn administer(
    books: &Books,
    merchant: MerchantId,
    by: &By,
    change: Administration,
) -> Result<Administered, Fail> {
    let mut tries = 0;
    loop {
        let mut lent = pool::lend(&books.pool, books.timeout).await?;
        let mut change_of = Change { lent: &mut lent, by, made: None };
        let done = match change_of.carry_out(merchant, change.clone()).await {
            Ok(done) => {
                let made = change_of.made;
                lent.send(&[Step::Plain("COMMIT")]).await.map(|_| (done, made))
            }
            Err(fail) => Err(fail),
        };
        match done {
            Ok((done, made)) => {
                lent.cleared();
                books.watch.saw(made, None);
                return Ok(done);
            }
            Err(fail) => {
                let _ = lent.roll_back().await;
                tries += 1;
                let again = matches!(fail, Fail::Again(_) | Fail::Taken(_));
                if !again || tries == MOST_TRIES {
                    return Err(fail);
                }
            }
        }
    }
}

/// Adds an event to a merchant's own chain, in a transaction of its own.
pub async fn record(books: &Books, by: &By, name: &str, data: &str) -> Result<(), Fail> {
    let mut lent = pool::lend(&books.pool, books.timeout).await?;
    let mut change = Change { lent: &mut lent, by, made: None };
    change.begin(FIRST).await?;
    change.event(FIRST, name, ("merchant", FIRST.0), data).await?;
    let made = change.made;
    lent.send(&[Step::Plain("COMMIT")]).await?;
    lent.cleared();
    books.watch.saw(made, None);
    Ok(())
}

/// A change in an open transaction.
pub struct Change<'a> {
    lent: &'a mut Lent,
    pub by: &'a By,
    pub made: Option<Mark>,
}

impl Change<'_> {
    async fn carry_out(
        &mut self,
        merchant: MerchantId,
        change: Administration,
    ) -> Result<Administered, Fail> {
        let name = change.name();
        match change {
            Administration::CreateMerchant { name: title } => {
                self.begin(FIRST).await?;
                let merchant = self.create_merchant(&title).await?;
                let data = json!({ "name": title }).to_string();
                self.event(merchant.id, name, ("merchant", merchant.id.0), &data).await?;
                Ok(Administered::Merchant(merchant))
            }
            Administration::ChangeMerchant { name: title, settings } => {
                self.change_merchant(merchant, title, settings).await
            }
            Administration::CreateKey { name: title, scopes, hash, rate_per_second } => {
                if self.begin(merchant).await?.is_none() {
                    return Ok(Administered::Unknown);
                }
                let key = Key {
                    id: KeyId(self.number().await?),
                    merchant,
                    name: title,
                    scopes,
                    hash,
                    rate_per_second,
                    created_at: self.by.at,
                    revoked_at: None,
                };
                self.create_key(name, &key).await?;
                Ok(Administered::Key(key))
            }
            Administration::ExportTransfers(new) => self.export(merchant, name, &new).await,
            Administration::SetAdminKey { hash } => self.set_admin_key(name, hash).await,
            Administration::RevokeKey { key: id } => {
                self.begin(merchant).await?;
                let Some(mut key) = self.key(merchant, id).await? else {
                    return Ok(Administered::Unknown);
                };
                if key.revoked_at.is_none() {
                    key.revoked_at = Some(self.by.at);
                    let sql = "UPDATE keys SET revoked_at = $3 WHERE merchant = $1 AND number = $2";
                    self.run(sql, vec![&merchant.0, &id.0, &self.by.at.0]).await?;
                    self.event(merchant, name, ("key", id.0), "{}").await?;
                }
                Ok(Administered::Key(key))
            }
            Administration::CreateEndpoint(new) => self.create_endpoint(merchant, name, new).await,
            Administration::ChangeEndpoint { endpoint, change } => {
                self.change_endpoint(merchant, change.name(), endpoint, change).await
            }
            Administration::SetConnection(change) => {
                self.set_connection(merchant, name, change).await
            }
        }
    }

    /// Begins, and locks the merchant: changes of one merchant are in line.
    pub async fn begin(&mut self, merchant: MerchantId) -> Result<Option<Merchant>, Fail> {
        let sql = select!(MERCHANT, "merchants WHERE number = $1 FOR UPDATE");
        let steps = [
            Step::Plain("BEGIN ISOLATION LEVEL READ COMMITTED"),
            Step::Query(sql, vec![&merchant.0]),
        ];
        let found = self.lent.send(&steps).await?;
        found[1].first().map(|row| rows::merchant(&mut Cells::of(row))).transpose()
    }

    pub async fn run(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fail> {
        let found = self.lent.send(&[Step::Query(sql, params)]).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    pub async fn number(&mut self) -> Result<i64, Fail> {
        let rows = self.run(NUMBERS, vec![&1_i64]).await?;
        Ok(ranges(&rows).take())
    }

    async fn key(&mut self, merchant: MerchantId, id: KeyId) -> Result<Option<Key>, Fail> {
        let sql = select!(KEY, "keys WHERE merchant = $1 AND number = $2");
        let found = self.run(sql, vec![&merchant.0, &id.0]).await?;
        found.first().map(|row| rows::key(&mut Cells::of(row))).transpose()
    }

    async fn create_merchant(&mut self, name: &str) -> Result<Merchant, Fail> {
        let at = self.by.at;
        let merchant = Merchant {
            id: MerchantId(self.number().await?),
            name: name.to_owned(),
            settings: Settings::default(),
            created_at: at,
            updated_at: at,
        };
        let sql = "INSERT INTO merchants (number, name, settings, chain_length, chain_hash, \
            last_event, created_at, updated_at) VALUES ($1, $2, $3, 0, $5, 0, $4, $4)";
        let (settings, zeros) = (encode::settings(&merchant.settings), vec![0_u8; 32]);
        self.run(sql, vec![&merchant.id.0, &name, &settings, &at.0, &zeros]).await?;
        Ok(merchant)
    }

    async fn change_merchant(
        &mut self,
        id: MerchantId,
        name: Option<String>,
        settings: Option<Settings>,
    ) -> Result<Administered, Fail> {
        let Some(before) = self.begin(id).await? else { return Ok(Administered::Unknown) };
        let mut merchant = before.clone();
        let mut data = serde_json::Map::new();
        if let Some(name) = name.filter(|name| *name != before.name) {
            data.insert("name".to_owned(), name.as_str().into());
            merchant.name = name;
        }
        if let Some(settings) = settings.filter(|settings| *settings != before.settings) {
            let text = encode::settings(&settings);
            let value =
                serde_json::from_str(&text).map_err(|_| encode::unreadable("JSON", &text))?;
            data.insert("settings".to_owned(), value);
            merchant.settings = settings;
        }
        if data.is_empty() {
            return Ok(Administered::Merchant(before));
        }
        merchant.updated_at = self.by.at;
        let sql = "UPDATE merchants SET name = $2, settings = $3, updated_at = $4 \
            WHERE number = $1";
        let settings = encode::settings(&merchant.settings);
        self.run(sql, vec![&id.0, &merchant.name, &settings, &self.by.at.0]).await?;
        let data = serde_json::Value::Object(data).to_string();
        self.event(id, "merchant.updated", ("merchant", id.0), &data).await?;
        Ok(Administered::Merchant(merchant))
    }

    async fn create_key(&mut self, name: &str, key: &Key) -> Result<(), Fail> {
        let scopes = encode::scopes(&key.scopes);
        let rate = i64::from(key.rate_per_second);
        let hash = &key.hash[..];
        let sql = "INSERT INTO keys (merchant, number, name, scopes, hash, rate_per_second, \
            created_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)";
        let params: Params<'_> =
            vec![&key.merchant.0, &key.id.0, &key.name, &scopes, &hash, &rate, &key.created_at.0];
        self.run(sql, params).await?;
        let data =
            json!({ "name": key.name, "scopes": scopes, "rate_per_second": rate }).to_string();
        self.event(key.merchant, name, ("key", key.id.0), &data).await
    }

    async fn set_admin_key(&mut self, name: &str, hash: [u8; 32]) -> Result<Administered, Fail> {
        self.begin(FIRST).await?;
        let sql = select!(KEY, "keys WHERE (merchant = $1 AND name = $2) OR hash = $3");
        let bytes = &hash[..];
        let found = self.run(sql, vec![&FIRST.0, &ADMIN, &bytes]).await?;
        let mut existing = None;
        let mut other = false;
        for row in &found {
            let key = rows::key(&mut Cells::of(row))?;
            if key.merchant == FIRST && key.name == ADMIN {
                existing = Some(key);
            } else {
                other = true;
            }
        }
        if other {
            return Err(Fail::Unavailable(
                "another key has the secret that the admin key was to get; choose a new one"
                    .to_owned(),
            ));
        }
        let Some(mut key) = existing else {
            let key = Key {
                id: KeyId(self.number().await?),
                merchant: FIRST,
                name: ADMIN.to_owned(),
                scopes: Scope::ALL.to_vec(),
                hash,
                rate_per_second: ADMIN_RATE_PER_SECOND,
                created_at: self.by.at,
                revoked_at: None,
            };
            self.create_key(name, &key).await?;
            return Ok(Administered::Key(key));
        };
        if key.hash != hash || key.revoked_at.is_some() {
            (key.hash, key.revoked_at) = (hash, None);
            let sql =
                "UPDATE keys SET hash = $3, revoked_at = NULL WHERE merchant = $1 AND number = $2";
            self.run(sql, vec![&FIRST.0, &key.id.0, &bytes]).await?;
            self.event(FIRST, name, ("key", key.id.0), "{}").await?;
        }
        Ok(Administered::Key(key))
    }

    /// Adds an event to the merchant's own chain, whose row is locked or new.
    pub async fn event(
        &mut self,
        merchant: MerchantId,
        name: &str,
        (subject_kind, subject): (&str, i64),
        data: &str,
    ) -> Result<(), Fail> {
        let sql = "SELECT chain_length, chain_hash, last_event FROM merchants WHERE number = $1";
        let found = self.run(sql, vec![&merchant.0]).await?;
        let (length, before, previous) = seal::chain_end(&found, merchant.0)?;
        let event = Unlinked {
            merchant: merchant.0,
            order: 0,
            position: length + 1,
            number: self.number().await?,
            name,
            subject_kind,
            subject,
            at: self.by.at.0,
            by: &self.by.by,
            data,
        };
        let hash = event.hash(&before);
        let bytes = &hash[..];
        let sql = "INSERT INTO events (merchant, number, order_number, previous, position, name, \
            subject_kind, subject, happened_at, done_by, data, hash) \
            VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        let params: Params<'_> = vec![
            &event.merchant,
            &event.number,
            &previous,
            &event.position,
            &event.name,
            &event.subject_kind,
            &event.subject,
            &event.at,
            &event.by,
            &event.data,
            &bytes,
        ];
        self.run(sql, params).await?;
        let sql = "UPDATE merchants SET chain_length = $2, chain_hash = $3, last_event = $4 \
            WHERE number = $1";
        self.run(sql, vec![&merchant.0, &event.position, &bytes, &event.number]).await?;
        self.made = Some((event.merchant, event.number, hash));
        Ok(())
    }
}

/// Where the merchant's own chain ends.
pub async fn chain(lent: &mut Lent, merchant: MerchantId) -> Result<Option<Chain>, Fail> {
    let sql = "SELECT chain_length, chain_hash, last_event FROM merchants WHERE number = $1";
    let found = many(lent, sql, vec![&merchant.0]).await?;
    if found.is_empty() {
        return Ok(None);
    }
    let (length, hash, _) = seal::chain_end(&found, merchant.0)?;
    Ok(Some(Chain { length, hash }))
}

pub async fn merchant(lent: &mut Lent, id: MerchantId) -> Result<Option<Merchant>, Fail> {
    let found = one(lent, select!(MERCHANT, "merchants WHERE number = $1"), vec![&id.0]).await?;
    found.map(|row| rows::merchant(&mut Cells::of(&row))).transpose()
}

pub async fn merchants(lent: &mut Lent) -> Result<Vec<Merchant>, Fail> {
    let found = many(lent, select!(MERCHANT, "merchants ORDER BY number"), vec![]).await?;
    found.iter().map(|row| rows::merchant(&mut Cells::of(row))).collect()
}

pub async fn keys(lent: &mut Lent, merchant: MerchantId) -> Result<Vec<Key>, Fail> {
    let sql = select!(KEY, "keys WHERE merchant = $1 ORDER BY number");
    let found = many(lent, sql, vec![&merchant.0]).await?;
    found.iter().map(|row| rows::key(&mut Cells::of(row))).collect()
}

pub async fn key(lent: &mut Lent, merchant: MerchantId, id: KeyId) -> Result<Option<Key>, Fail> {
    let sql = select!(KEY, "keys WHERE merchant = $1 AND number = $2");
    let found = one(lent, sql, vec![&merchant.0, &id.0]).await?;
    found.map(|row| rows::key(&mut Cells::of(&row))).transpose()
}

pub async fn key_by_hash(lent: &mut Lent, hash: [u8; 32]) -> Result<Option<Key>, Fail> {
    let bytes = &hash[..];
    let found = one(lent, select!(KEY, "keys WHERE hash = $1"), vec![&bytes]).await?;
    found.map(|row| rows::key(&mut Cells::of(&row))).transpose()
}

pub async fn keep_digest(
    lent: &mut Lent,
    merchant: MerchantId,
    hash: [u8; 32],
    sealed: &[u8],
) -> Result<(), Fail> {
    let bytes = &hash[..];
    let sql = "INSERT INTO key_digests (merchant, hash, sealed) VALUES ($1, $2, $3) \
        ON CONFLICT (merchant, hash) DO UPDATE SET sealed = excluded.sealed";
    many(lent, sql, vec![&merchant.0, &bytes, &sealed]).await?;
    Ok(())
}

/// The key of a number and what is kept of its secret.
pub async fn key_with_digest(lent: &mut Lent, id: KeyId) -> Result<Option<KeyAndDigest>, Fail> {
    let found = one(lent, select!(KEY, "keys WHERE number = $1"), vec![&id.0]).await?;
    let Some(key) = found.map(|row| rows::key(&mut Cells::of(&row))).transpose()? else {
        return Ok(None);
    };
    let hash = &key.hash[..];
    let sql = "SELECT sealed FROM key_digests WHERE merchant = $1 AND hash = $2";
    let sealed = one(lent, sql, vec![&key.merchant.0, &hash]).await?.map(|row| row.get(0));
    Ok(Some((key, sealed)))
}

/// Whether the token was not used before.
pub async fn spend_token(
    lent: &mut Lent,
    merchant: MerchantId,
    digest: [u8; 32],
    until: Timestamp,
    now: Timestamp,
) -> Result<bool, Fail> {
    let sql = "DELETE FROM spent_tokens WHERE merchant = $1 AND until < $2";
    many(lent, sql, vec![&merchant.0, &now.0]).await?;
    let bytes = &digest[..];
    let sql = "INSERT INTO spent_tokens (merchant, digest, until) VALUES ($1, $2, $3) \
        ON CONFLICT DO NOTHING RETURNING 1";
    Ok(one(lent, sql, vec![&merchant.0, &bytes, &until.0]).await?.is_some())
}
