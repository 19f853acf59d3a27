//! Accounts of credit and their entries. Orders' commands write them in the order's transaction;
//! commands about an account itself wait here, and those that wait share one.

use std::mem::take as taken;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use refundry_domain::book::Book;
use refundry_domain::changes::{CreditChanges, Mark};
use refundry_domain::command::Command;
use refundry_domain::credit::{self, Account, CreditBook, CreditCommand, Entry, Wanted};
use refundry_domain::ids::{AccountId, EntryId, MerchantId, Timestamp};
use refundry_domain::refusal::{CreditRefusal, Refusal};
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::commit::{Batch, insert_event, keep, take};
use super::page::Query;
use super::writer::{Job, Writer};
use super::{Fail, SqliteStore, load, rows, write};
use crate::store::credits::{
    AccountFilter, CreditIntent, Credits, EntriesOf, data, decision, link,
};
use crate::store::{Page, Settlement, Slice, StoreError};

type Settled = Result<Settlement<CreditBook>, StoreError>;
type Replies = Vec<(CreditIntent, oneshot::Sender<Settled>)>;

/// What waits for the writer's next turn.
pub type Waiting = Arc<Mutex<Replies>>;

/// The writer's next turn. One that never comes, because the writer stopped before it, lets go of
/// whoever waits for it.
struct Turn(Option<Waiting>);

impl Turn {
    /// Whoever waits now. Who comes later waits for another turn.
    fn take(&mut self) -> Replies {
        self.0.take().map_or_else(Vec::new, |waiting| taken(&mut *waiting.lock()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[async_trait]
impl Credits for SqliteStore {
    async fn move_credit(&self, intent: CreditIntent) -> Settled {
        let (reply, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.credits.lock();
            waiting.push((intent, reply));
            waiting.len() == 1
        };
        if first {
            let mut turn = Turn(Some(self.credits.clone()));
            let job = Job::Alone(Box::new(move |writer| carry_out(writer, turn.take())));
            // A writer that is gone drops the turn, which is an answer too.
            let _ = self.jobs.send(job);
        }
        answer.await.map_err(|_| self.gone())?
    }

    async fn credit_account(
        &self,
        merchant: MerchantId,
        id: AccountId,
    ) -> Result<Option<Account>, StoreError> {
        self.read(move |conn| account(conn, merchant, id)).await
    }

    async fn credit_account_by_code(
        &self,
        merchant: MerchantId,
        digest: [u8; 32],
    ) -> Result<Option<Account>, StoreError> {
        self.read(move |conn| {
            let sql = select!(ACCOUNT, "credit_accounts WHERE merchant = ?1 AND code_digest = ?2");
            load::one(conn, sql, (merchant.0, digest), rows::account)
        })
        .await
    }

    async fn credit_accounts(
        &self,
        merchant: MerchantId,
        filter: AccountFilter,
        page: Page,
    ) -> Result<Slice<Account>, StoreError> {
        self.read(move |conn| accounts(conn, merchant, &filter, page)).await
    }

    async fn credit_entries(
        &self,
        merchant: MerchantId,
        of: EntriesOf,
        page: Page,
    ) -> Result<Slice<Entry>, StoreError> {
        self.read(move |conn| entries(conn, merchant, of, page)).await
    }
}

fn account(
    conn: &Connection,
    merchant: MerchantId,
    id: AccountId,
) -> Result<Option<Account>, Fail> {
    let sql = select!(ACCOUNT, "credit_accounts WHERE merchant = ?1 AND number = ?2");
    load::one(conn, sql, (merchant.0, id.0), rows::account)
}

/// The account that the command may need, if it is there.
pub fn wanted(conn: &Connection, book: &Book, command: &Command) -> Result<Option<Account>, Fail> {
    let merchant = book.order.merchant.0;
    match credit::wanted(book, command) {
        None => Ok(None),
        Some(Wanted::OfRefund(refund)) => {
            let sql = select!(ACCOUNT, "credit_accounts WHERE merchant = ?1 AND refund = ?2");
            load::one(conn, sql, (merchant, refund.0), rows::account)
        }
        Some(Wanted::OfCustomer { kind, customer, currency }) => {
            let sql = select!(
                ACCOUNT,
                "credit_accounts WHERE merchant = ?1 AND customer = ?2 AND kind = ?3 \
                AND currency = ?4 AND refund IS NULL"
            );
            let params = (merchant, customer, kind.name(), currency.code());
            load::one(conn, sql, params, rows::account)
        }
    }
}

fn accounts(
    conn: &Connection,
    merchant: MerchantId,
    filter: &AccountFilter,
    page: Page,
) -> Result<Slice<Account>, Fail> {
    let from = match &filter.customer {
        Some(_) => "credit_accounts INDEXED BY credit_accounts_by_customer",
        None => "credit_accounts",
    };
    let kinds: Vec<_> = filter.kinds.iter().map(|kind| kind.name()).collect();
    Query::new(rows::ACCOUNT, from, merchant)
        .when("customer =", filter.customer.clone())
        .among("kind", &kinds)
        .page(conn, page, rows::account)
}

fn entries(
    conn: &Connection,
    merchant: MerchantId,
    of: EntriesOf,
    page: Page,
) -> Result<Slice<Entry>, Fail> {
    let (from, condition, number) = match of {
        EntriesOf::Account(id) => {
            ("credit_entries INDEXED BY credit_entries_by_account", "account =", Some(id.0))
        }
        EntriesOf::Refund(id) => {
            ("credit_entries INDEXED BY credit_entries_by_refund", "refund =", Some(id.0))
        }
        EntriesOf::Merchant => ("credit_entries", "", None),
    };
    Query::new(rows::ENTRY, from, merchant).when(condition, number.map(Value::Integer)).page(
        conn,
        page,
        rows::entry,
    )
}

/// All in one transaction; when one of them cannot be carried out, each in its own, so that it
/// fails alone.
fn carry_out(writer: &mut Writer, all: Replies) {
    let (intents, replies): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let settled: Vec<Settled> = match together(writer, &intents) {
        Ok(settled) => settled.into_iter().map(Ok).collect(),
        Err(error) if intents.len() == 1 => vec![Err(error)],
        Err(_) => intents
            .iter()
            .map(|intent| {
                let lost = || StoreError::Damaged("a command has no outcome".to_owned());
                let settled = together(writer, std::slice::from_ref(intent))?;
                settled.into_iter().next().ok_or_else(lost)
            })
            .collect(),
    };
    for (reply, settled) in replies.into_iter().zip(settled) {
        // Whoever asked may have hung up; what was done stays done.
        let _ = reply.send(settled);
    }
}

fn together(
    writer: &mut Writer,
    intents: &[CreditIntent],
) -> Result<Vec<Settlement<CreditBook>>, StoreError> {
    let latest = intents.iter().map(|intent| intent.at).max().unwrap_or(Timestamp(0));
    writer.transaction(|writer, batch| {
        writer.seal_in_time(batch, latest)?;
        let mut settled = Vec::with_capacity(intents.len());
        for intent in intents {
            writer.known_merchant(intent.merchant)?;
            settled.push(settle(&writer.conn, batch, intent)?);
        }
        Ok(settled)
    })
}

/// Carries an intent out inside the open transaction; see [`super::commit::settle`].
fn settle(
    conn: &Connection,
    batch: &mut Batch,
    intent: &CreditIntent,
) -> Result<Settlement<CreditBook>, Fail> {
    let merchant = intent.merchant;
    let mut place = None;
    if let Some(claim) = intent.claim.as_ref().filter(|_| !intent.dry_run) {
        match take(conn, batch, merchant, claim)? {
            Ok(number) => place = Some(number),
            Err(Some(answer)) => return Ok(Settlement::Replayed(answer)),
            Err(None) => return Ok(Settlement::KeyReused),
        }
    }
    let before = batch.numbers.clone();
    let decided = match book(conn, intent)? {
        Some(book) => decision(&mut batch.numbers, intent, book),
        None => Err(Refusal::Credit(CreditRefusal::UnknownAccount)),
    };
    if intent.dry_run || decided.is_err() {
        batch.numbers = before;
    }
    let decided = match decided {
        Ok((mut book, changes)) => {
            if !intent.dry_run {
                let by = (&*intent.by, intent.at);
                self::write(conn, batch, &mut book.account, &changes, by)?;
            }
            Ok(book)
        }
        Err(refusal) => Err(refusal),
    };
    let answer = intent.claim.as_ref().map(|claim| (claim.render)(decided.as_ref()));
    if let (Some(number), Some(claim), Some(answer)) = (place, &intent.claim, &answer) {
        keep(conn, number, (merchant, intent.at), claim.fingerprint, answer)?;
    }
    Ok(match decided {
        Ok(book) => Settlement::Done { book: Box::new(book), answer, work: Vec::new() },
        Err(refusal) => Settlement::Refused { refusal, answer },
    })
}

fn book(conn: &Connection, intent: &CreditIntent) -> Result<Option<CreditBook>, Fail> {
    let merchant = intent.merchant;
    let Some(account) = account(conn, merchant, intent.account)? else { return Ok(None) };
    let mut book = CreditBook { account, named: None, undone_by: None, made: None };
    if let CreditCommand::Undo { spend, .. } = &*intent.command {
        let sql = select!(ENTRY, "credit_entries WHERE merchant = ?1 AND number = ?2");
        book.named = load::one(conn, sql, (merchant.0, spend.0), rows::entry)?;
        let sql = "SELECT number FROM credit_entries WHERE merchant = ?1 AND undoes = ?2";
        let undone = load::one(conn, sql, (merchant.0, spend.0), |row| Ok(row.get(0)?))?;
        book.undone_by = undone.map(EntryId);
    }
    Ok(Some(book))
}

/// Writes what a decision marks of an account, with its events.
pub fn write(
    conn: &Connection,
    batch: &mut Batch,
    account: &mut Account,
    changes: &CreditChanges,
    (by, at): (&str, Timestamp),
) -> Result<(), Fail> {
    for entry in &changes.entries {
        new_entry(conn, account.merchant, entry)?;
    }
    for fact in &changes.facts {
        let previous = account.last_event;
        let data = data(fact);
        let (event, hash) = link(&mut batch.numbers, account, (by, at), fact, &data);
        insert_event(conn, batch, &event, previous, hash)?;
    }
    match changes.account {
        Some(Mark::New) => new_account(conn, account),
        Some(Mark::Changed) => changed_account(conn, account),
        None => Ok(()),
    }
}

fn new_account(conn: &Connection, account: &Account) -> Result<(), Fail> {
    let sql = "INSERT INTO credit_accounts (merchant, number, kind, currency, customer, refund, \
        balance, code_digest, code_last_four, chain_length, chain_hash, last_event, created_at, \
        updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    conn.prepare_cached(sql)?.execute(params![
        account.merchant.0,
        account.id.0,
        account.kind.name(),
        account.currency.code(),
        account.customer,
        account.refund.map(|refund| refund.0),
        account.balance.get(),
        account.code.as_ref().map(|code| code.digest),
        account.code.as_ref().map(|code| &code.last_four),
        account.chain.length,
        account.chain.hash,
        account.last_event,
        account.created_at.0,
        account.updated_at.0,
    ])?;
    Ok(())
}

fn changed_account(conn: &Connection, account: &Account) -> Result<(), Fail> {
    let sql = "UPDATE credit_accounts SET balance = ?3, code_digest = ?4, code_last_four = ?5, \
        chain_length = ?6, chain_hash = ?7, last_event = ?8, updated_at = ?9 \
        WHERE merchant = ?1 AND number = ?2";
    let count = conn.prepare_cached(sql)?.execute(params![
        account.merchant.0,
        account.id.0,
        account.balance.get(),
        account.code.as_ref().map(|code| code.digest),
        account.code.as_ref().map(|code| &code.last_four),
        account.chain.length,
        account.chain.hash,
        account.last_event,
        account.updated_at.0,
    ])?;
    write::only_one(count, "credit account", account.id.0)
}

fn new_entry(conn: &Connection, merchant: MerchantId, entry: &Entry) -> Result<(), Fail> {
    let sql = "INSERT INTO credit_entries (merchant, number, account, kind, amount, balance, \
        refund, transaction_number, undoes, reference, done_by, happened_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        entry.id.0,
        entry.account.0,
        entry.kind.name(),
        entry.amount.get(),
        entry.balance.get(),
        entry.refund.map(|refund| refund.0),
        entry.transaction.map(|transaction| transaction.0),
        entry.undoes.map(|entry| entry.0),
        entry.reference,
        entry.by,
        entry.at.0,
    ])?;
    Ok(())
}
