//! Accounts of credit as every store keeps them: what is asked of them, their columns, and what
//! their events say.

use std::sync::Arc;

use async_trait::async_trait;
use refundry_domain::changes::CreditChanges;
use refundry_domain::credit::{
    Account, AccountKind, Code, CreditBook, CreditCommand, Entry, EntryKind, Fact,
};
use refundry_domain::decide::{Context, decide_credit};
use refundry_domain::ids::{
    AccountId, EntryId, MerchantId, Numbers, RefundId, Timestamp, TransactionId,
};
use refundry_domain::order::Chain;
use refundry_domain::policy::Policy;
use refundry_domain::refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::facts::{Unlinked, json};
use super::rows::Columns;
use super::{Claim, Page, Settlement, Slice, StoreError};

/// What an account's events are about.
pub const SUBJECT: &str = "credit_account";

/// One command about one account on its way into the books.
#[derive(Clone)]
pub struct CreditIntent {
    pub merchant: MerchantId,
    pub by: Arc<str>,
    pub at: Timestamp,
    pub account: AccountId,
    pub command: Arc<CreditCommand>,
    pub claim: Option<Claim<CreditBook>>,
    /// Decide and answer, and write nothing.
    pub dry_run: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFilter {
    pub customer: Option<String>,
    pub kinds: Vec<AccountKind>,
}

/// Entries of one account, or of one refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntriesOf {
    Account(AccountId),
    Refund(RefundId),
    /// All there are; for `verify`.
    Merchant,
}

/// The part of a store that keeps accounts. Commands of orders reach them through
/// [`Store::commit`](super::Store::commit), in the order's own commit.
#[async_trait]
pub trait Credits: Send + Sync {
    /// Loads the account, decides, writes and commits. Commands on one account take effect one
    /// after the other. Answers once the commit is on disk.
    async fn move_credit(&self, intent: CreditIntent)
    -> Result<Settlement<CreditBook>, StoreError>;
    async fn credit_account(
        &self,
        merchant: MerchantId,
        account: AccountId,
    ) -> Result<Option<Account>, StoreError>;
    /// The gift card whose code has this SHA-256.
    async fn credit_account_by_code(
        &self,
        merchant: MerchantId,
        digest: [u8; 32],
    ) -> Result<Option<Account>, StoreError>;
    async fn credit_accounts(
        &self,
        merchant: MerchantId,
        filter: AccountFilter,
        page: Page,
    ) -> Result<Slice<Account>, StoreError>;
    async fn credit_entries(
        &self,
        merchant: MerchantId,
        of: EntriesOf,
        page: Page,
    ) -> Result<Slice<Entry>, StoreError>;
}

pub const ACCOUNT: &str = "merchant, number, kind, currency, customer, refund, balance, \
    code_digest, code_last_four, created_at, updated_at, chain_length, chain_hash, last_event";
pub const ENTRY: &str = "number, account, kind, amount, balance, refund, transaction_number, \
    undoes, reference, done_by, happened_at";

pub fn account<'a, C: Columns<'a>>(columns: &mut C) -> Result<Account, C::Fail> {
    let merchant = MerchantId(columns.int()?);
    let mut account = Account {
        id: AccountId(columns.int()?),
        merchant,
        kind: columns.named("an account's kind", AccountKind::parse)?,
        currency: columns.currency()?,
        customer: columns.some_text()?,
        refund: columns.some_int()?.map(RefundId),
        balance: columns.minor()?,
        code: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        chain: Chain::default(),
        last_event: 0,
    };
    let digest = columns.some_bytes()?.map(|bytes| {
        let length = bytes.len();
        bytes.try_into().map_err(|_| super::encode::unreadable("a code's digest", length))
    });
    let digest: Option<[u8; 32]> = digest.transpose()?;
    account.code =
        digest.zip(columns.some_text()?).map(|(digest, last_four)| Code { digest, last_four });
    account.created_at = columns.time()?;
    account.updated_at = columns.time()?;
    account.chain = Chain { length: columns.int()?, hash: columns.hash()? };
    account.last_event = columns.int()?;
    Ok(account)
}

pub fn entry<'a, C: Columns<'a>>(columns: &mut C) -> Result<Entry, C::Fail> {
    Ok(Entry {
        id: EntryId(columns.int()?),
        account: AccountId(columns.int()?),
        kind: columns.named("an entry's kind", EntryKind::parse)?,
        amount: columns.minor()?,
        balance: columns.minor()?,
        refund: columns.some_int()?.map(RefundId),
        transaction: columns.some_int()?.map(TransactionId),
        undoes: columns.some_int()?.map(EntryId),
        reference: columns.some_text()?,
        by: columns.text()?.to_owned(),
        at: columns.time()?,
    })
}

/// The data of `credit_account.opened`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    pub kind: String,
    pub currency: String,
    pub customer: Option<String>,
    pub refund: Option<i64>,
}

/// Of an event of an entry. Amounts are minor units.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entered {
    pub entry: i64,
    pub amount: i64,
    pub balance: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Entered {
    pub fn of(entry: &Entry) -> Entered {
        Entered {
            entry: entry.id.0,
            amount: entry.amount.get(),
            balance: entry.balance.get(),
            refund: entry.refund.map(|refund| refund.0),
            transaction: entry.transaction.map(|transaction| transaction.0),
            undoes: entry.undoes.map(|entry| entry.0),
            reference: entry.reference.clone(),
        }
    }
}

/// Of `credit_account.code_issued`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeIssued {
    pub last_four: String,
}

/// The fact's data as a JSON object.
pub fn data(fact: &Fact) -> String {
    match fact {
        Fact::Opened { kind, currency, customer, refund } => json(&Opened {
            kind: kind.name().to_owned(),
            currency: currency.code().to_owned(),
            customer: customer.clone(),
            refund: refund.map(|refund| refund.0),
        }),
        Fact::Entered(entry) => json(&Entered::of(entry)),
        Fact::CodeIssued { last_four } => json(&CodeIssued { last_four: last_four.clone() }),
    }
}

/// Decides on the account.
pub fn decision(
    numbers: &mut Numbers,
    intent: &CreditIntent,
    book: CreditBook,
) -> Result<(CreditBook, CreditChanges), Refusal> {
    let mut context = Context {
        now: intent.at,
        by: &intent.by,
        policy: &Policy::default(),
        numbers,
        instance: "",
        reference_taken: None,
    };
    decide_credit(book, &intent.command, &mut context)
}

/// Numbers a fact and links it to its predecessor in the account's chain. `data` is the fact's own.
pub fn link<'a>(
    numbers: &mut Numbers,
    account: &mut Account,
    (by, at): (&'a str, Timestamp),
    fact: &'a Fact,
    data: &'a str,
) -> (Unlinked<'a>, [u8; 32]) {
    let event = Unlinked {
        merchant: account.merchant.0,
        order: account.id.0,
        position: account.chain.length + 1,
        number: numbers.take(),
        name: fact.name(),
        subject_kind: SUBJECT,
        subject: account.id.0,
        at: at.0,
        by,
        data,
    };
    account.chain.hash = event.hash(&account.chain.hash);
    account.chain.length = event.position;
    account.last_event = event.number;
    (event, account.chain.hash)
}
