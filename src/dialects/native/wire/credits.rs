//! Accounts of credit, and what is asked of them.

use refundry_domain::command::Stated;
use refundry_domain::credit::{Account, CreditCommand, Entry};
use refundry_domain::money::Currency;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::{
    AccountKindWord, AccountTag, Amount, Code, EntryKindWord, EntryTag, Id, RefundTag, Time,
    TransactionTag, Word,
};
use crate::dialects::shared::exact::Figure;

/// An account of store credit, a gift card or a customer's balance.
#[derive(Serialize, ToSchema)]
#[schema(as = CreditAccount)]
pub struct AccountView<'a> {
    id: AccountTag,
    kind: AccountKindWord,
    currency: Code,
    balance: Amount,
    /// The shop's own name for the customer; a gift card may have none.
    customer: Option<&'a str>,
    /// The refund that a gift card was made by.
    refund: Option<RefundTag>,
    /// Of a gift card that was given a code: its last four characters.
    code_last_four: Option<&'a str>,
    created_at: Time,
    updated_at: Time,
    /// The code itself: in the answer to its making only.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

impl<'a> AccountView<'a> {
    pub fn of(account: &'a Account) -> AccountView<'a> {
        AccountView {
            id: Id(account.id),
            kind: Word(account.kind),
            currency: Code(account.currency),
            balance: Amount::of(account.balance, account.currency),
            customer: account.customer.as_deref(),
            refund: account.refund.map(Id),
            code_last_four: account.code.as_ref().map(|code| code.last_four.as_str()),
            created_at: Time(account.created_at),
            updated_at: Time(account.updated_at),
            code: None,
        }
    }

    pub fn with_code(self, code: &'a str) -> AccountView<'a> {
        AccountView { code: Some(code), ..self }
    }
}

/// One movement of an account; kept for good.
#[derive(Serialize, ToSchema)]
#[schema(as = CreditEntry)]
pub struct EntryView<'a> {
    id: EntryTag,
    account: AccountTag,
    kind: EntryKindWord,
    currency: Code,
    /// Credits and undos add it to the balance, spends and reversals take it away.
    amount: Amount,
    /// The account's balance after it.
    balance: Amount,
    /// Of a credit and a reversal: the refund, and its transaction.
    refund: Option<RefundTag>,
    transaction: Option<TransactionTag>,
    /// Of an undo: the spend.
    undoes: Option<EntryTag>,
    reference: Option<&'a str>,
    by: &'a str,
    created_at: Time,
}

impl<'a> EntryView<'a> {
    pub fn of(entry: &'a Entry, currency: Currency) -> EntryView<'a> {
        EntryView {
            id: Id(entry.id),
            account: Id(entry.account),
            kind: Word(entry.kind),
            currency: Code(currency),
            amount: Amount::of(entry.amount, currency),
            balance: Amount::of(entry.balance, currency),
            refund: entry.refund.map(Id),
            transaction: entry.transaction.map(Id),
            undoes: entry.undoes.map(Id),
            reference: entry.reference.as_deref(),
            by: &entry.by,
            created_at: Time(entry.at),
        }
    }
}

/// What to take of an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpendAsk {
    amount: Figure,
    /// Compared with the account's own, so that nobody spends in the wrong one.
    currency: Option<Code>,
    /// What you call it, such as the order that is paid with it.
    #[schema(example = "1002")]
    reference: Option<String>,
}

impl SpendAsk {
    pub fn command(self) -> CreditCommand {
        let amount = stated(self.amount, self.currency);
        CreditCommand::Spend { amount, reference: self.reference }
    }
}

/// Which spend to give back to its account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoAsk {
    /// The entry of the spend.
    spend: EntryTag,
    /// All of it when not given.
    amount: Option<Figure>,
    currency: Option<Code>,
    reference: Option<String>,
}

impl UndoAsk {
    pub fn command(self) -> CreditCommand {
        let currency = self.currency;
        CreditCommand::Undo {
            spend: self.spend.0,
            amount: self.amount.map(|figure| stated(figure, currency)),
            reference: self.reference,
        }
    }
}

fn stated(Figure(figure): Figure, currency: Option<Code>) -> Stated {
    Stated { figure, currency: currency.map(|code| code.0) }
}

/// A gift card's code, as it was typed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupAsk {
    #[schema(example = "7K3M-9QXA-04TB-ZE6W-1R8D")]
    pub code: String,
}
