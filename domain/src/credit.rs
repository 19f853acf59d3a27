//! Credit that is kept here: store credit, gift cards and customers' balances. An account is a book
//! of its own, in one currency; its entries are only ever added to, and its balance is their sum.

use crate::book::Book;
use crate::command::{Command, Stated};
use crate::ids::{AccountId, EntryId, MerchantId, RefundId, Timestamp, TransactionId};
use crate::money::{Currency, Minor, Money};
use crate::order::Chain;
use crate::refund::{Destination, Execution};

/// What an account is to its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountKind {
    StoreCredit,
    /// Whoever has its code may spend it.
    GiftCard,
    CustomerBalance,
}

impl AccountKind {
    pub const ALL: [AccountKind; 3] =
        [AccountKind::StoreCredit, AccountKind::GiftCard, AccountKind::CustomerBalance];

    pub fn name(self) -> &'static str {
        match self {
            AccountKind::StoreCredit => "store_credit",
            AccountKind::GiftCard => "gift_card",
            AccountKind::CustomerBalance => "customer_balance",
        }
    }

    pub fn parse(name: &str) -> Option<AccountKind> {
        AccountKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of account that a refund to there is credited to.
    pub fn of(to: Destination) -> Option<AccountKind> {
        match to {
            Destination::StoreCredit => Some(AccountKind::StoreCredit),
            Destination::GiftCard => Some(AccountKind::GiftCard),
            Destination::CustomerBalance => Some(AccountKind::CustomerBalance),
            Destination::OriginalPayment
            | Destination::BankTransfer
            | Destination::Cash
            | Destination::Other => None,
        }
    }
}

/// One for each customer, kind and currency; a gift card is one for each refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub merchant: MerchantId,
    pub kind: AccountKind,
    pub currency: Currency,
    /// The shop's own name for the customer; a gift card may have none.
    pub customer: Option<String>,
    /// The refund that a gift card was made by.
    pub refund: Option<RefundId>,
    pub balance: Minor,
    /// What a gift card is spent by, once it was given one.
    pub code: Option<Code>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub chain: Chain,
    /// The number of its newest event; 0 while there is none.
    pub last_event: i64,
}

impl Account {
    pub fn money(&self, amount: Minor) -> Money {
        Money::new(amount, self.currency)
    }
}

/// What is kept of a gift card's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// SHA-256 of the code; it is found by this.
    pub digest: [u8; 32],
    pub last_four: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryKind {
    /// A refund was paid into the account.
    Credit,
    /// That refund was reversed, and took back what was not spent.
    Reversal,
    Spend,
    /// A spend was called off.
    Undo,
}

impl EntryKind {
    pub const ALL: [EntryKind; 4] =
        [EntryKind::Credit, EntryKind::Reversal, EntryKind::Spend, EntryKind::Undo];

    pub fn name(self) -> &'static str {
        match self {
            EntryKind::Credit => "credit",
            EntryKind::Reversal => "reversal",
            EntryKind::Spend => "spend",
            EntryKind::Undo => "undo",
        }
    }

    pub fn parse(name: &str) -> Option<EntryKind> {
        EntryKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it adds to the balance.
    pub fn adds(self) -> bool {
        match self {
            EntryKind::Credit | EntryKind::Undo => true,
            EntryKind::Reversal | EntryKind::Spend => false,
        }
    }
}

/// One movement of an account; never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: EntryId,
    pub account: AccountId,
    pub kind: EntryKind,
    /// Above zero, whichever way it goes.
    pub amount: Minor,
    /// Of the account, after it.
    pub balance: Minor,
    /// Of a credit and a reversal: the refund, and its transaction.
    pub refund: Option<RefundId>,
    pub transaction: Option<TransactionId>,
    /// The spend that an undo calls off.
    pub undoes: Option<EntryId>,
    /// What the caller calls it, such as the order that was paid with it.
    pub reference: Option<String>,
    pub by: String,
    pub at: Timestamp,
}

/// What happened to an account. As with orders, together they are enough to compute its balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    Opened {
        kind: AccountKind,
        currency: Currency,
        customer: Option<String>,
        refund: Option<RefundId>,
    },
    Entered(Entry),
    /// A gift card got a code; one that it had before is worth nothing from now on.
    CodeIssued {
        last_four: String,
    },
}

impl Fact {
    /// The type of the event, as it is shown and subscribed to.
    pub fn name(&self) -> &'static str {
        match self {
            Fact::Opened { .. } => "credit_account.opened",
            Fact::Entered(entry) => match entry.kind {
                EntryKind::Credit => "credit_account.credited",
                EntryKind::Reversal => "credit_account.reversed",
                EntryKind::Spend => "credit_account.spent",
                EntryKind::Undo => "credit_account.spend_undone",
            },
            Fact::CodeIssued { .. } => "credit_account.code_issued",
        }
    }
}

/// What a caller wants of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreditCommand {
    Spend {
        amount: Stated,
        reference: Option<String>,
    },
    /// Gives a spend back to the account, all of it when no amount is named; once.
    Undo {
        spend: EntryId,
        amount: Option<Stated>,
        reference: Option<String>,
    },
    /// Gives a gift card this code, in place of any before.
    IssueCode(Code),
}

/// What is known of one account: all a decision about it is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditBook {
    pub account: Account,
    /// The entry that the command names, and the one that has undone it.
    pub named: Option<Entry>,
    pub undone_by: Option<EntryId>,
    /// The entry that the command made.
    pub made: Option<Entry>,
}

/// How the account is found that an order's command may need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    OfCustomer {
        kind: AccountKind,
        customer: String,
        currency: Currency,
    },
    /// The gift card that the refund has made.
    OfRefund(RefundId),
}

/// The account that the command may credit or take credit back from, if it is there already. The
/// store puts it into the book before the decision, locked as the book itself is.
pub fn wanted(book: &Book, command: &Command) -> Option<Wanted> {
    let to = match command {
        Command::RequestRefund(ask) => ask.to,
        Command::Confirm { .. } | Command::Report(_) => {
            let refund = book.refund.as_ref();
            refund.filter(|refund| refund.execution == Execution::Internal)?.to
        }
        // Nothing else pays or takes back: a refund to an account succeeds with its confirmation,
        // so there is nothing to start, to retry or to wait for.
        Command::RegisterOrder(_)
        | Command::RecordPayment(_)
        | Command::ChangeOrder(_)
        | Command::OpenReturn(_)
        | Command::ChangeReturn(_)
        | Command::ChangeRefund(_)
        | Command::Cancel { .. }
        | Command::Retry
        | Command::GiveInformation { .. }
        | Command::Expire
        | Command::Start { .. }
        | Command::Annotate { .. } => return None,
    };
    match AccountKind::of(to)? {
        AccountKind::GiftCard => book.refund.as_ref().map(|refund| Wanted::OfRefund(refund.id)),
        kind @ (AccountKind::StoreCredit | AccountKind::CustomerBalance) => {
            let customer = book.order.customer.reference.clone()?;
            Some(Wanted::OfCustomer { kind, customer, currency: book.order.currency })
        }
    }
}
