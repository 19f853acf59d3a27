//! What is kept sealed for people outside.

use std::collections::BTreeMap;

use async_trait::async_trait;
use refundry_domain::ids::{MerchantId, RefundId, Timestamp, TransactionId};
use refundry_domain::merchant::NewTransferFile;
use rusqlite::{Connection, params};

use super::admin::{self, By, event};
use super::commit::Batch;
use super::{Fail, SqliteStore, load, rows, shelf};
use crate::store::vault::{InformationLink, Sealed, SealedRow, TransferFile, Vault};
use crate::store::{Administered, Page, Slice, StoreError, page, settle};

#[async_trait]
impl Vault for SqliteStore {
    async fn information_link(
        &self,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<Option<InformationLink>, StoreError> {
        self.read(move |conn| link(conn, merchant, refund)).await
    }

    async fn keep_information_link(
        &self,
        merchant: MerchantId,
        refund: RefundId,
        new: InformationLink,
    ) -> Result<InformationLink, StoreError> {
        self.write(move |writer| {
            writer.transaction(|writer, _| {
                let sql = "INSERT INTO information_links (merchant, refund, due, digest, sealed) \
                    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (merchant, refund) DO UPDATE SET \
                    due = ?3, digest = ?4, sealed = ?5 WHERE information_links.due <> ?3";
                let values = (merchant.0, refund.0, new.due.0, new.digest, &new.sealed);
                writer.conn.prepare_cached(sql)?.execute(values)?;
                Ok(link(&writer.conn, merchant, refund)?.unwrap_or(new))
            })
        })
        .await
    }

    async fn link_by_digest(
        &self,
        digest: [u8; 32],
    ) -> Result<Option<(MerchantId, RefundId, Timestamp)>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT merchant, refund, due FROM information_links WHERE digest = ?1";
            load::one(conn, sql, [digest], |row| {
                Ok((MerchantId(row.get(0)?), RefundId(row.get(1)?), Timestamp(row.get(2)?)))
            })
        })
        .await
    }

    async fn forget_links(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM information_links WHERE due < ?1";
        self.changed(sql, before.0).await
    }

    async fn transfer_files(
        &self,
        merchant: MerchantId,
        page: Page,
    ) -> Result<Slice<TransferFile>, StoreError> {
        self.read(move |conn| {
            let sql = select!(TRANSFER_FILE, "transfer_files WHERE merchant = ?1 ORDER BY number");
            let files = load::many(conn, sql, [merchant.0], rows::transfer_file)?;
            Ok(page::of_rows(files, |file| file.number, page))
        })
        .await
    }

    async fn transfer_file(
        &self,
        merchant: MerchantId,
        number: i64,
    ) -> Result<Option<(TransferFile, Vec<u8>)>, StoreError> {
        self.read(move |conn| {
            let sql = select!(TRANSFER_FILE, "transfer_files WHERE merchant = ?1 AND number = ?2");
            let file = load::one(conn, sql, (merchant.0, number), rows::transfer_file)?;
            let sql = "SELECT sealed FROM transfer_files WHERE merchant = ?1 AND number = ?2";
            let bytes = load::one(conn, sql, (merchant.0, number), |row| Ok(row.get(0)?))?;
            Ok(file.zip(bytes))
        })
        .await
    }

    async fn transferred(
        &self,
        merchant: MerchantId,
        transactions: Vec<TransactionId>,
    ) -> Result<BTreeMap<TransactionId, i64>, StoreError> {
        self.read(move |conn| {
            let mut found = BTreeMap::new();
            for transaction in transactions {
                if let Some(file) = file_of(conn, merchant, transaction)? {
                    found.insert(transaction, file);
                }
            }
            Ok(found)
        })
        .await
    }

    async fn purge_files(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "UPDATE transfer_files SET sealed = x'' WHERE created_at < ?1 AND sealed <> x''";
        self.changed(sql, before.0).await
    }

    async fn sealed(&self, kind: Sealed) -> Result<Vec<SealedRow>, StoreError> {
        self.read(move |conn| {
            let (table, column, key) = kind.place();
            let sql = format!(
                "SELECT merchant, {key}, {column} FROM {table} WHERE {column} IS NOT NULL \
                ORDER BY merchant, {key}"
            );
            load::many(conn, &sql, [], |row| {
                let (mut number, mut hash) = (0, None);
                match kind {
                    Sealed::Digests => hash = Some(row.get(1)?),
                    Sealed::Information | Sealed::Endpoints | Sealed::Links | Sealed::Files => {
                        number = row.get(1)?;
                    }
                }
                let (merchant, bytes) = (MerchantId(row.get(0)?), row.get(2)?);
                Ok(SealedRow { merchant, number, hash, bytes })
            })
        })
        .await
    }

    async fn reseal(
        &self,
        kind: Sealed,
        row: SealedRow,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError> {
        self.write(move |writer| {
            // What is kept beside the writer has the old bytes.
            writer.shelf = shelf::Shelf::default();
            writer.transaction(|writer, _| {
                let (table, column, key) = kind.place();
                let sql = format!(
                    "UPDATE {table} SET {column} = ?3 WHERE merchant = ?1 AND {key} = ?2 \
                    AND {column} = ?4"
                );
                let mut statement = writer.conn.prepare_cached(&sql)?;
                let count = match row.hash {
                    Some(hash) => statement.execute((row.merchant.0, hash, bytes, row.bytes))?,
                    None => statement.execute((row.merchant.0, row.number, bytes, row.bytes))?,
                };
                Ok(count == 1)
            })
        })
        .await
    }
}

impl SqliteStore {
    async fn changed(&self, sql: &'static str, before: i64) -> Result<u64, StoreError> {
        self.write(move |writer| {
            writer.transaction(|writer, _| {
                let count = writer.conn.prepare_cached(sql)?.execute([before])?;
                Ok(u64::try_from(count).unwrap_or(u64::MAX))
            })
        })
        .await
    }
}

fn link(
    conn: &Connection,
    merchant: MerchantId,
    refund: RefundId,
) -> Result<Option<InformationLink>, Fail> {
    let sql =
        "SELECT due, digest, sealed FROM information_links WHERE merchant = ?1 AND refund = ?2";
    load::one(conn, sql, (merchant.0, refund.0), |row| {
        let due = Timestamp(row.get(0)?);
        Ok(InformationLink { due, digest: row.get(1)?, sealed: row.get(2)? })
    })
}

fn file_of(
    conn: &Connection,
    merchant: MerchantId,
    transaction: TransactionId,
) -> Result<Option<i64>, Fail> {
    let sql = "SELECT file FROM transfers WHERE merchant = ?1 AND transaction_number = ?2";
    load::one(conn, sql, (merchant.0, transaction.0), |row| Ok(row.get(0)?))
}

fn is_under_way(
    conn: &Connection,
    merchant: MerchantId,
    transaction: TransactionId,
) -> Result<bool, Fail> {
    let sql = "SELECT 1 FROM transactions WHERE merchant = ?1 AND number = ?2 \
        AND state = 'processing'";
    Ok(load::one(conn, sql, (merchant.0, transaction.0), |_| Ok(()))?.is_some())
}

/// Keeps a file of transfers and notes that they stand in it; `Stale` when one does in another that
/// is not the expected one, or is not under way any more.
pub fn export(
    conn: &Connection,
    batch: &mut Batch,
    merchant: MerchantId,
    by: &By,
    (name, new): (&str, &NewTransferFile),
) -> Result<Administered, Fail> {
    let Some(row) = admin::merchant(conn, merchant)? else { return Ok(Administered::Unknown) };
    for (transaction, before) in &new.transfers {
        let expected = file_of(conn, merchant, *transaction)? == *before;
        if !expected || !is_under_way(conn, merchant, *transaction)? {
            return Ok(Administered::Stale);
        }
    }
    let number = batch.numbers.take();
    let sql = "INSERT INTO transfer_files (merchant, number, message_id, transfers, currency, \
        total, sealed, made_by, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        number,
        new.message_id,
        u32::try_from(new.transfers.len()).unwrap_or(u32::MAX),
        new.currency.code(),
        new.total.get(),
        new.sealed,
        &*by.by,
        by.at.0,
    ])?;
    let sql = "INSERT INTO transfers (merchant, transaction_number, file) VALUES (?1, ?2, ?3) \
        ON CONFLICT (merchant, transaction_number) DO UPDATE SET file = ?3";
    let mut statement = conn.prepare_cached(sql)?;
    for (transaction, _) in &new.transfers {
        statement.execute((merchant.0, transaction.0, number))?;
    }
    let data = settle::exported(number, new);
    event(conn, batch, merchant, by, name, ("merchant", merchant.0), &data)?;
    Ok(Administered::Merchant(row))
}
