//! Accounts of credit and their entries. Orders' commands write them in the order's batch; commands
//! about an account itself have transactions of their own, in line at the account's row.

use async_trait::async_trait;
use refundry_domain::changes::Mark;
use refundry_domain::credit::{Account, CreditBook, CreditCommand, Entry};
use refundry_domain::ids::{AccountId, EntryId, MerchantId, Numbers};
use refundry_domain::refusal::{CreditRefusal, Refusal};
use tokio_postgres::Row;

use super::batch::{settled_before, write};
use super::fail::Fail;
use super::load::{BEGIN, CLAIMS, NUMBERS, kept, ranges};
use super::page::Query;
use super::pool::{self, Lent, Step, ask};
use super::rows::{Cells, select};
use super::shelf::{NewClaim, NewEvent, Shelf};
use super::single::one;
use super::statements::{INSERT_ACCOUNTS, INSERT_ENTRIES, UPDATE_ACCOUNTS};
use super::write::{Columns, Rows, Statement};
use super::{Books, PostgresStore};
use crate::store::credits::{
    self, AccountFilter, CreditIntent, Credits, EntriesOf, data, decision, link,
};
use crate::store::settle::digest;
use crate::store::{Page, Settlement, Slice, StoreError, rows};

/// How often a command is tried again because of what others did meanwhile.
const MOST_TRIES: u32 = 12;
/// How many values of the sequence cover the numbers of a claim, an entry and an event.
const BLOCKS: i64 = 1;

#[async_trait]
impl Credits for PostgresStore {
    async fn move_credit(
        &self,
        intent: CreditIntent,
    ) -> Result<Settlement<CreditBook>, StoreError> {
        self.may_write()?;
        let books = self.books.clone();
        // Whoever asked may hang up; what was begun goes on.
        let task = tokio::spawn(async move { carry_out(&books, &intent).await });
        let gone = |_| StoreError::Unavailable("the command was broken off".to_owned());
        Ok(task.await.map_err(gone)??)
    }

    async fn credit_account(
        &self,
        merchant: MerchantId,
        id: AccountId,
    ) -> Result<Option<Account>, StoreError> {
        let sql = select!(ACCOUNT, "credit_accounts WHERE merchant = $1 AND number = $2");
        let mut lent = self.lent().await?;
        let found = one(&mut lent, sql, vec![&merchant.0, &id.0]).await?;
        Ok(found.map(|row| account(&row)).transpose()?)
    }

    async fn credit_account_by_code(
        &self,
        merchant: MerchantId,
        digest: [u8; 32],
    ) -> Result<Option<Account>, StoreError> {
        let sql = select!(ACCOUNT, "credit_accounts WHERE merchant = $1 AND code_digest = $2");
        let mut lent = self.lent().await?;
        let found = one(&mut lent, sql, vec![&merchant.0, &&digest[..]]).await?;
        Ok(found.map(|row| account(&row)).transpose()?)
    }

    async fn credit_accounts(
        &self,
        merchant: MerchantId,
        filter: AccountFilter,
        page: Page,
    ) -> Result<Slice<Account>, StoreError> {
        let kinds: Vec<&'static str> = filter.kinds.iter().map(|kind| kind.name()).collect();
        let query = Query::new(rows::ACCOUNT, "credit_accounts", merchant)
            .text("customer =", filter.customer.as_deref())
            .among("kind", &kinds)
            .page(page);
        let mut lent = self.lent().await?;
        let found = ask(&mut lent, vec![query.step()]).await?;
        Ok(query.slice(&found[0], |cells| credits::account(cells))?)
    }

    async fn credit_entries(
        &self,
        merchant: MerchantId,
        of: EntriesOf,
        page: Page,
    ) -> Result<Slice<Entry>, StoreError> {
        let query = Query::new(rows::ENTRY, "credit_entries", merchant);
        let query = match of {
            EntriesOf::Account(id) => query.when("account =", Some(id.0)),
            EntriesOf::Refund(id) => query.when("refund =", Some(id.0)),
            EntriesOf::Merchant => query,
        };
        let query = query.page(page);
        let mut lent = self.lent().await?;
        let found = ask(&mut lent, vec![query.step()]).await?;
        Ok(query.slice(&found[0], |cells| credits::entry(cells))?)
    }
}

pub fn account(row: &Row) -> Result<Account, Fail> {
    credits::account(&mut Cells::of(row))
}

async fn carry_out(books: &Books, intent: &CreditIntent) -> Result<Settlement<CreditBook>, Fail> {
    books.is_open()?;
    // As many at once as there are batches, so that a queue for one account leaves connections to
    // everybody else.
    let turn = books.credits.acquire().await;
    let _turn = turn.map_err(|_| Fail::Unavailable("the store is closed".to_owned()))?;
    let mut tries = 0;
    loop {
        let fail = match attempt(books, intent).await {
            Ok(settled) => return Ok(settled),
            Err(fail) => fail,
        };
        tries += 1;
        let again = matches!(fail, Fail::Again(_) | Fail::Taken(_) | Fail::Numbers);
        if !again || tries == MOST_TRIES {
            return Err(fail);
        }
    }
}

async fn attempt(books: &Books, intent: &CreditIntent) -> Result<Settlement<CreditBook>, Fail> {
    let mut lent = pool::lend(&books.pool, books.timeout).await?;
    books.known_merchant(&mut lent, intent.merchant).await?;
    let done = transaction(books, &mut lent, intent).await;
    if done.is_err() {
        // When the connection is gone, so is the transaction.
        let _ = lent.roll_back().await;
    }
    done
}

async fn transaction(
    books: &Books,
    lent: &mut Lent,
    intent: &CreditIntent,
) -> Result<Settlement<CreditBook>, Fail> {
    let (book, mut numbers, mut shelf) = load(lent, intent).await?;
    if book.as_ref().is_some_and(|book| numbers.peek() <= book.account.last_event) {
        return Err(Fail::Numbers);
    }
    let settled = settle(&mut shelf, &mut numbers, intent, book);
    if numbers.is_overdrawn() {
        return Err(Fail::Numbers);
    }
    write(lent, intent.merchant, &shelf).await?;
    books.committed(intent.merchant, &shelf);
    Ok(settled)
}

/// Begins the transaction, locks the account, and reads what is needed, in one round trip.
async fn load(
    lent: &mut Lent,
    intent: &CreditIntent,
) -> Result<(Option<CreditBook>, Numbers, Shelf), Fail> {
    let (merchant, id) = (intent.merchant.0, intent.account.0);
    let spend = match &*intent.command {
        CreditCommand::Undo { spend, .. } => spend.0,
        CreditCommand::Spend { .. } | CreditCommand::IssueCode(_) => 0,
    };
    let claim = intent.claim.as_ref().filter(|_| !intent.dry_run);
    let digest = claim.map(|claim| digest(&claim.key));
    let digests: Vec<&[u8]> = digest.iter().map(|digest| &digest[..]).collect();
    let lock = select!(ACCOUNT, "credit_accounts WHERE merchant = $1 AND number = $2 FOR UPDATE");
    let named = select!(ENTRY, "credit_entries WHERE merchant = $1 AND number = $2");
    let undone = "SELECT number FROM credit_entries WHERE merchant = $1 AND undoes = $2";
    let steps = [
        Step::Plain(BEGIN),
        Step::Query(lock, vec![&merchant, &id]),
        Step::Query(named, vec![&merchant, &spend]),
        Step::Query(undone, vec![&merchant, &spend]),
        Step::Query(CLAIMS, vec![&merchant, &digests]),
        Step::Query(NUMBERS, vec![&BLOCKS]),
    ];
    let found = lent.send(&steps).await?;
    let mut shelf = Shelf::default();
    for (digest, row) in digest.iter().zip(&found[4]) {
        shelf.claims.insert(*digest, kept(row)?);
    }
    let numbers = ranges(&found[5]);
    let Some(row) = found[1].first() else { return Ok((None, numbers, shelf)) };
    let book = CreditBook {
        account: account(row)?,
        named: found[2].first().map(|row| credits::entry(&mut Cells::of(row))).transpose()?,
        undone_by: found[3].first().map(|row| EntryId(row.get(0))),
        made: None,
    };
    Ok((Some(book), numbers, shelf))
}

fn settle(
    shelf: &mut Shelf,
    numbers: &mut Numbers,
    intent: &CreditIntent,
    book: Option<CreditBook>,
) -> Settlement<CreditBook> {
    let claim = intent.claim.as_ref().filter(|_| !intent.dry_run);
    let mut place = None;
    if let Some(claim) = claim {
        match settled_before(shelf, claim) {
            Some(Some(answer)) => return Settlement::Replayed(answer),
            Some(None) => return Settlement::KeyReused,
            None => place = Some(numbers.take()),
        }
    }
    let decided = match book {
        Some(book) => decision(numbers, intent, book),
        None => Err(Refusal::Credit(CreditRefusal::UnknownAccount)),
    };
    let decided = decided.map(|(mut book, changes)| {
        if !intent.dry_run {
            shelf.put_credit(numbers, &mut book.account, &changes, (&intent.by, intent.at));
        }
        book
    });
    let answer = intent.claim.as_ref().map(|claim| (claim.render)(decided.as_ref()));
    if let (Some(number), Some(claim), Some(answer)) = (place, claim, &answer) {
        shelf.new_claims.push(NewClaim {
            digest: digest(&claim.key),
            number,
            fingerprint: claim.fingerprint,
            at: intent.at.0,
            answer: answer.clone(),
        });
    }
    match decided {
        Ok(book) => Settlement::Done { book: Box::new(book), answer, work: Vec::new() },
        Err(refusal) => Settlement::Refused { refusal, answer },
    }
}

/// An account that a batch has in hand, and what of it is to be written.
pub struct HeldAccount {
    pub account: Account,
    pub mark: Option<Mark>,
}

impl Shelf {
    /// The account that an order's command may need, if it is there.
    pub fn wanted_account(
        &self,
        book: &refundry_domain::book::Book,
        command: &refundry_domain::command::Command,
    ) -> Option<Account> {
        use refundry_domain::credit::{Wanted, wanted};
        let wanted = wanted(book, command)?;
        let is_it = |account: &&Account| match &wanted {
            Wanted::OfRefund(refund) => account.refund == Some(*refund),
            Wanted::OfCustomer { kind, customer, currency } => {
                account.refund.is_none()
                    && account.kind == *kind
                    && account.customer.as_ref() == Some(customer)
                    && account.currency == *currency
            }
        };
        self.accounts.values().map(|held| &held.account).find(is_it).cloned()
    }

    /// Takes the account as a decision leaves it, links its events and keeps its entries.
    pub fn put_credit(
        &mut self,
        numbers: &mut Numbers,
        account: &mut Account,
        changes: &refundry_domain::changes::CreditChanges,
        (by, at): (&std::sync::Arc<str>, refundry_domain::ids::Timestamp),
    ) {
        for fact in &changes.facts {
            let previous = account.last_event;
            let data = data(fact);
            let (event, hash) = link(numbers, account, (by, at), fact, &data);
            let (order, position, number) = (event.order, event.position, event.number);
            self.events.push(NewEvent {
                order,
                previous,
                position,
                number,
                name: fact.name().into(),
                subject_kind: credits::SUBJECT.into(),
                subject: order,
                at: at.0,
                by: by.clone(),
                data,
                hash,
            });
        }
        self.entries.extend(changes.entries.iter().cloned());
        let held = self
            .accounts
            .entry(account.id.0)
            .or_insert_with(|| HeldAccount { account: account.clone(), mark: None });
        held.account.clone_from(account);
        if let Some(mark) = changes.account
            && held.mark != Some(Mark::New)
        {
            held.mark = Some(mark);
        }
    }
}

impl<'a> Rows<'a> {
    pub fn inserted_accounts(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.new_accounts)
            .with(|row| row.id.0)
            .with(|row| row.kind.name())
            .with(|row| row.currency.code())
            .with(|row| row.customer.as_deref())
            .with(|row| row.refund.map(|refund| refund.0))
            .with(|row| row.balance.get())
            .with(|row| row.chain.length)
            .with(|row| &row.chain.hash[..])
            .with(|row| row.last_event)
            .with(|row| row.created_at.0)
            .with(|row| row.updated_at.0)
            .sql(&INSERT_ACCOUNTS)
    }

    pub fn updated_accounts(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.accounts)
            .with(|row| row.id.0)
            .with(|row| row.balance.get())
            .with(|row| row.code.as_ref().map(|code| &code.digest[..]))
            .with(|row| row.code.as_ref().map(|code| code.last_four.as_str()))
            .with(|row| row.chain.length)
            .with(|row| &row.chain.hash[..])
            .with(|row| row.last_event)
            .with(|row| row.updated_at.0)
            .sql(&UPDATE_ACCOUNTS)
    }

    pub fn inserted_entries(&'a self) -> Option<Statement<'a>> {
        Columns::of(self.entries)
            .with(|row| row.id.0)
            .with(|row| row.account.0)
            .with(|row| row.kind.name())
            .with(|row| row.amount.get())
            .with(|row| row.balance.get())
            .with(|row| row.refund.map(|refund| refund.0))
            .with(|row| row.transaction.map(|transaction| transaction.0))
            .with(|row| row.undoes.map(|entry| entry.0))
            .with(|row| row.reference.as_deref())
            .with(|row| row.by.as_str())
            .with(|row| row.at.0)
            .sql(&INSERT_ENTRIES)
    }
}
