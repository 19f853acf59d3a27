//! What is kept sealed for people outside.

use std::collections::BTreeMap;

use async_trait::async_trait;
use refundry_domain::ids::{MerchantId, RefundId, Timestamp, TransactionId};
use refundry_domain::merchant::NewTransferFile;
use tokio_postgres::Row;

use super::PostgresStore;
use super::admin::Change;
use super::fail::Fail;
use super::pool::{Lent, Params};
use super::rows::{Cells, select};
use super::single::{many, one};
use crate::store::rows::{self, Columns};
use crate::store::vault::{InformationLink, Sealed, SealedRow, TransferFile, Vault};
use crate::store::{Administered, Page, Slice, StoreError, page, settle};

#[async_trait]
impl Vault for PostgresStore {
    async fn information_link(
        &self,
        merchant: MerchantId,
        refund: RefundId,
    ) -> Result<Option<InformationLink>, StoreError> {
        let mut lent = self.lent().await?;
        Ok(link(&mut lent, merchant, refund).await?)
    }

    async fn keep_information_link(
        &self,
        merchant: MerchantId,
        refund: RefundId,
        new: InformationLink,
    ) -> Result<InformationLink, StoreError> {
        self.may_write()?;
        let mut lent = self.lent().await?;
        let sql = "INSERT INTO information_links (merchant, refund, due, digest, sealed) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (merchant, refund) DO UPDATE SET \
            due = $3, digest = $4, sealed = $5 WHERE information_links.due <> $3";
        let digest = &new.digest[..];
        let params: Params<'_> = vec![&merchant.0, &refund.0, &new.due.0, &digest, &new.sealed];
        many(&mut lent, sql, params).await?;
        Ok(link(&mut lent, merchant, refund).await?.unwrap_or(new))
    }

    async fn link_by_digest(
        &self,
        digest: [u8; 32],
    ) -> Result<Option<(MerchantId, RefundId, Timestamp)>, StoreError> {
        let mut lent = self.lent().await?;
        let sql = "SELECT merchant, refund, due FROM information_links WHERE digest = $1";
        let digest = &digest[..];
        let found = one(&mut lent, sql, vec![&digest]).await?;
        let read = |row: &Row| -> Result<_, Fail> {
            let mut cells = Cells::of(row);
            let (merchant, refund) = (MerchantId(cells.int()?), RefundId(cells.int()?));
            Ok((merchant, refund, cells.time()?))
        };
        Ok(found.as_ref().map(read).transpose()?)
    }

    async fn forget_links(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM information_links WHERE due < $1 RETURNING 1";
        self.changed(sql, before.0).await
    }

    async fn transfer_files(
        &self,
        merchant: MerchantId,
        page: Page,
    ) -> Result<Slice<TransferFile>, StoreError> {
        let mut lent = self.lent().await?;
        let sql = select!(TRANSFER_FILE, "transfer_files WHERE merchant = $1 ORDER BY number");
        let found = many(&mut lent, sql, vec![&merchant.0]).await?;
        let files = found.iter().map(file).collect::<Result<Vec<_>, _>>()?;
        Ok(page::of_rows(files, |file| file.number, page))
    }

    async fn transfer_file(
        &self,
        merchant: MerchantId,
        number: i64,
    ) -> Result<Option<(TransferFile, Vec<u8>)>, StoreError> {
        let mut lent = self.lent().await?;
        let sql = select!(TRANSFER_FILE, "transfer_files WHERE merchant = $1 AND number = $2");
        let found = one(&mut lent, sql, vec![&merchant.0, &number]).await?;
        let sql = "SELECT sealed FROM transfer_files WHERE merchant = $1 AND number = $2";
        let bytes = one(&mut lent, sql, vec![&merchant.0, &number]).await?;
        let bytes = bytes.map(|row| Cells::of(&row).some_bytes()).transpose()?.flatten();
        Ok(found.as_ref().map(file).transpose()?.zip(bytes))
    }

    async fn transferred(
        &self,
        merchant: MerchantId,
        transactions: Vec<TransactionId>,
    ) -> Result<BTreeMap<TransactionId, i64>, StoreError> {
        let mut lent = self.lent().await?;
        let numbers: Vec<i64> = transactions.iter().map(|id| id.0).collect();
        let sql = "SELECT transaction_number, file FROM transfers WHERE merchant = $1 \
            AND transaction_number = ANY($2)";
        let found = many(&mut lent, sql, vec![&merchant.0, &numbers]).await?;
        Ok(found.iter().map(|row| (TransactionId(row.get(0)), row.get(1))).collect())
    }

    async fn purge_files(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "UPDATE transfer_files SET sealed = '' WHERE created_at < $1 AND sealed <> '' \
            RETURNING 1";
        self.changed(sql, before.0).await
    }

    async fn sealed(&self, kind: Sealed) -> Result<Vec<SealedRow>, StoreError> {
        let mut lent = self.lent().await?;
        let (table, column, key) = kind.place();
        let sql = format!(
            "SELECT merchant, {key}, {column} FROM {table} WHERE {column} IS NOT NULL \
            ORDER BY merchant, {key}"
        );
        let found = many(&mut lent, &sql, vec![]).await?;
        let read = |row: &Row| -> Result<SealedRow, Fail> {
            let mut cells = Cells::of(row);
            let merchant = MerchantId(cells.int()?);
            let (mut number, mut hash) = (0, None);
            match kind {
                Sealed::Digests => hash = Some(cells.hash()?),
                Sealed::Information | Sealed::Endpoints | Sealed::Links | Sealed::Files => {
                    number = cells.int()?;
                }
            }
            Ok(SealedRow { merchant, number, hash, bytes: cells.some_bytes()?.unwrap_or_default() })
        };
        Ok(found.iter().map(read).collect::<Result<_, _>>()?)
    }

    async fn reseal(
        &self,
        kind: Sealed,
        row: SealedRow,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError> {
        self.may_write()?;
        let mut lent = self.lent().await?;
        let (table, column, key) = kind.place();
        let sql = format!(
            "UPDATE {table} SET {column} = $3 WHERE merchant = $1 AND {key} = $2 \
            AND {column} = $4 RETURNING 1"
        );
        let done = match row.hash {
            Some(hash) => {
                let hash = &hash[..];
                many(&mut lent, &sql, vec![&row.merchant.0, &hash, &bytes, &row.bytes]).await?
            }
            None => {
                let params: Params<'_> = vec![&row.merchant.0, &row.number, &bytes, &row.bytes];
                many(&mut lent, &sql, params).await?
            }
        };
        Ok(done.len() == 1)
    }
}

impl PostgresStore {
    async fn changed(&self, sql: &str, before: i64) -> Result<u64, StoreError> {
        self.may_write()?;
        let mut lent = self.lent().await?;
        let done = many(&mut lent, sql, vec![&before]).await?;
        Ok(u64::try_from(done.len()).unwrap_or(u64::MAX))
    }
}

async fn link(
    lent: &mut Lent,
    merchant: MerchantId,
    refund: RefundId,
) -> Result<Option<InformationLink>, Fail> {
    let sql =
        "SELECT due, digest, sealed FROM information_links WHERE merchant = $1 AND refund = $2";
    let found = one(lent, sql, vec![&merchant.0, &refund.0]).await?;
    found
        .map(|row| {
            let mut cells = Cells::of(&row);
            let (due, digest) = (cells.time()?, cells.hash()?);
            Ok(InformationLink { due, digest, sealed: cells.some_bytes()?.unwrap_or_default() })
        })
        .transpose()
}

fn file(row: &Row) -> Result<TransferFile, Fail> {
    rows::transfer_file(&mut Cells::of(row))
}

impl Change<'_> {
    /// Keeps a file of transfers and notes that they stand in it; `Stale` when one does in another
    /// than the expected one, or is not under way any more. The merchant's row is locked first, so
    /// exports are in line; nobody settles a transfer until it is noted that it stands in the file.
    pub async fn export(
        &mut self,
        merchant: MerchantId,
        name: &str,
        new: &NewTransferFile,
    ) -> Result<Administered, Fail> {
        let Some(row) = self.begin(merchant).await? else { return Ok(Administered::Unknown) };
        let numbers: Vec<i64> = new.transfers.iter().map(|(id, _)| id.0).collect();
        let sql = "SELECT transaction_number, file FROM transfers WHERE merchant = $1 \
            AND transaction_number = ANY($2)";
        let found = self.run(sql, vec![&merchant.0, &numbers]).await?;
        let found: BTreeMap<i64, i64> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        if new.transfers.iter().any(|(id, before)| found.get(&id.0) != before.as_ref()) {
            return Ok(Administered::Stale);
        }
        let sql = "SELECT number FROM transactions WHERE merchant = $1 AND number = ANY($2) \
            AND state = 'processing' ORDER BY number FOR SHARE";
        let under_way = self.run(sql, vec![&merchant.0, &numbers]).await?;
        if under_way.len() != numbers.len() {
            return Ok(Administered::Stale);
        }
        let number = self.number().await?;
        let sql = "INSERT INTO transfer_files (merchant, number, message_id, transfers, currency, \
            total, sealed, made_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let count = i64::try_from(new.transfers.len()).unwrap_or(i64::MAX);
        let (code, total, by, at) =
            (new.currency.code(), new.total.get(), &*self.by.by, self.by.at.0);
        let params: Params<'_> = vec![
            &merchant.0,
            &number,
            &new.message_id,
            &count,
            &code,
            &total,
            &new.sealed,
            &by,
            &at,
        ];
        self.run(sql, params).await?;
        let sql = "INSERT INTO transfers (merchant, transaction_number, file) \
            SELECT $1, one, $3 FROM unnest($2::bigint[]) AS one \
            ON CONFLICT (merchant, transaction_number) DO UPDATE SET file = excluded.file";
        self.run(sql, vec![&merchant.0, &numbers, &number]).await?;
        let data = settle::exported(number, new);
        self.event(merchant, name, ("merchant", merchant.0), &data).await?;
        Ok(Administered::Merchant(row))
    }
}
