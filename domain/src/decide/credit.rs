//! Accounts of credit: what refunds pay into them and take back, and what is spent of them. A
//! balance changes in one function, [`enter`].

use super::settle::Steps;
use super::{Context, Draft, checks};
use crate::book::Book;
use crate::changes::{CreditChanges, Mark};
use crate::command::Stated;
use crate::credit::{
    Account, AccountKind, Code, CreditBook, CreditCommand, Entry, EntryKind, Fact,
};
use crate::ids::{AccountId, EntryId, RefundId, TransactionId};
use crate::money::Minor;
use crate::order::Chain;
use crate::outcome::Failure;
use crate::refund::{Destination, Execution, State, TransactionState};
use crate::refusal::{CreditRefusal, Refusal};

/// Whether the order's refunds can be credited here.
pub fn check_destination(book: &Book, to: Destination) -> Result<(), Refusal> {
    match AccountKind::of(to) {
        None => {
            let rule = "only store credit, gift cards and customer balances are kept here";
            let (field, execution) = ("execution".to_owned(), Execution::Internal);
            Err(Refusal::ExecutionNotAvailable { field, execution, rule })
        }
        Some(AccountKind::StoreCredit | AccountKind::CustomerBalance)
            if book.order.customer.reference.is_none() =>
        {
            let rule = "the order names no customer whose account could be credited; register \
                        orders with customer.reference, or refund to a gift card";
            Err(Refusal::DestinationNotAvailable { field: "to".to_owned(), to, rule })
        }
        Some(_) => Ok(()),
    }
}

/// Credits what of the book's refund is to be credited and decided, in this same decision: whoever
/// sees the refund succeeded sees its credit, and neither is ever there without the other.
pub fn pay(draft: &mut Draft, context: &mut Context<'_>) -> Result<(), Refusal> {
    let refund = draft.refund();
    let (refund_id, to) = (refund.id, refund.to);
    if refund.execution != Execution::Internal || refund.state != State::Processing {
        return Ok(());
    }
    open(draft, refund_id, to, context);
    let mut steps = Steps::default();
    for index in 0..draft.refund().transactions.len() {
        let row = &draft.refund().transactions[index];
        if row.state != TransactionState::Processing {
            continue;
        }
        let (amount, about) = (row.amount, About::transaction(refund_id, row.id));
        let account = enter_for(draft, EntryKind::Credit, amount, about, context)?;
        let row = &mut draft.refund().transactions[index];
        row.provider_reference = Some(format!("acc_{account}"));
        draft.step(index, TransactionState::Succeeded, None, &mut steps, context);
    }
    draft.conclude(steps, context);
    Ok(())
}

/// Opens the account that the refund is credited to, unless it is there.
fn open(draft: &mut Draft, refund: RefundId, to: Destination, context: &mut Context<'_>) {
    if draft.book.account.is_some() {
        return;
    }
    let kind = AccountKind::of(to).expect("its destination was looked at when it was asked for");
    let account = Account {
        id: AccountId(context.numbers.take()),
        merchant: draft.book.order.merchant,
        kind,
        currency: draft.book.order.currency,
        customer: draft.book.order.customer.reference.clone(),
        refund: (kind == AccountKind::GiftCard).then_some(refund),
        balance: Minor::ZERO,
        code: None,
        created_at: context.now,
        updated_at: context.now,
        chain: Chain::default(),
        last_event: 0,
    };
    let credit = &mut draft.changes.credit;
    credit.account = Some(Mark::New);
    credit.facts.push(Fact::Opened {
        kind,
        currency: account.currency,
        customer: account.customer.clone(),
        refund: account.refund,
    });
    draft.book.account = Some(account);
}

/// A refund that was credited is reversed: takes back what of it was not spent. What was spent
/// stays given, as a transaction of its own, so that the payment cannot give it back again.
pub fn take_back(
    draft: &mut Draft,
    index: usize,
    failure: Failure,
    context: &mut Context<'_>,
) -> Result<(), Refusal> {
    let row = &draft.refund().transactions[index];
    let (amount, parent) = (row.amount, row.payment);
    let (about, reference) =
        (About::transaction(row.refund, row.id), row.provider_reference.clone());
    let balance = draft.book.account.as_ref().map_or(Minor::ZERO, |account| account.balance);
    let back = amount.min(balance);
    let (asked, balance) = (draft.book.money(amount), draft.book.money(balance));
    if back.is_zero() {
        let field = String::new();
        return Err(Refusal::Credit(CreditRefusal::NotEnough { field, asked, balance }));
    }
    enter_for(draft, EntryKind::Reversal, back, about, context)?;
    let mut steps = Steps::default();
    draft.step(index, TransactionState::Reversed, Some(failure), &mut steps, context);
    let spent = amount.saturating_minus(back);
    if !spent.is_zero() {
        let payment = draft.book.payment(parent).expect("a refund's payment is in its book");
        let shares = [(payment, spent, Execution::Internal)];
        steps.shares = draft.hold(&shares, |_| TransactionState::Processing, context);
        let kept = draft.refund().transactions.len() - 1;
        draft.refund().transactions[kept].provider_reference = reference;
        // That it is paid is in its share: nothing of the kind is still to be paid.
        let mut known = Steps::default();
        draft.step(kept, TransactionState::Succeeded, None, &mut known, context);
    }
    draft.conclude(steps, context);
    Ok(())
}

/// What an entry is about.
#[derive(Default)]
struct About {
    refund: Option<RefundId>,
    transaction: Option<TransactionId>,
    undoes: Option<EntryId>,
    reference: Option<String>,
}

impl About {
    fn transaction(refund: RefundId, transaction: TransactionId) -> About {
        About { refund: Some(refund), transaction: Some(transaction), ..About::default() }
    }
}

fn enter_for(
    draft: &mut Draft,
    kind: EntryKind,
    amount: Minor,
    about: About,
    context: &mut Context<'_>,
) -> Result<AccountId, Refusal> {
    let account = draft.book.account.as_mut().expect("an entry is made in an account");
    enter(account, &mut draft.changes.credit, "", (kind, amount, about), context)?;
    Ok(account.id)
}

/// Adds an entry and moves the balance, which is never below zero and never above [`Minor::MAX`].
/// The only place where the balance of an account changes. `field` is where the amount stands.
fn enter(
    account: &mut Account,
    changes: &mut CreditChanges,
    field: &str,
    (kind, amount, about): (EntryKind, Minor, About),
    context: &mut Context<'_>,
) -> Result<Entry, Refusal> {
    let (field, asked) = (field.to_owned(), account.money(amount));
    let balance = account.money(account.balance);
    let after = if kind.adds() {
        let full = CreditRefusal::Full { field, asked, balance };
        account.balance.plus(amount).ok_or(Refusal::Credit(full))?
    } else {
        let lacking = CreditRefusal::NotEnough { field, asked, balance };
        account.balance.minus(amount).ok_or(Refusal::Credit(lacking))?
    };
    account.balance = after;
    touch(account, changes, context);
    let entry = Entry {
        id: EntryId(context.numbers.take()),
        account: account.id,
        kind,
        amount,
        balance: after,
        refund: about.refund,
        transaction: about.transaction,
        undoes: about.undoes,
        reference: about.reference,
        by: context.by.to_owned(),
        at: context.now,
    };
    changes.entries.push(entry.clone());
    changes.facts.push(Fact::Entered(entry.clone()));
    Ok(entry)
}

fn touch(account: &mut Account, changes: &mut CreditChanges, context: &Context<'_>) {
    account.updated_at = context.now;
    changes.account.get_or_insert(Mark::Changed);
}

/// An account and a command about it in, changes or a refusal out; of the context, the policy is
/// not asked.
pub fn decide(
    mut book: CreditBook,
    command: &CreditCommand,
    context: &mut Context<'_>,
) -> Result<(CreditBook, CreditChanges), Refusal> {
    let mut changes = CreditChanges::default();
    match command {
        CreditCommand::Spend { amount, reference } => {
            check_reference(reference.as_deref())?;
            let amount = read(amount, &book.account)?;
            let about = About { reference: reference.clone(), ..About::default() };
            let entry = (EntryKind::Spend, amount, about);
            book.made = Some(enter(&mut book.account, &mut changes, "amount", entry, context)?);
        }
        CreditCommand::Undo { amount, reference, .. } => {
            let spend = to_undo(&book)?;
            check_reference(reference.as_deref())?;
            let amount = match amount {
                Some(stated) => part_of(&spend, stated, &book.account)?,
                None => spend.amount,
            };
            let about =
                About { undoes: Some(spend.id), reference: reference.clone(), ..About::default() };
            let entry = (EntryKind::Undo, amount, about);
            book.made = Some(enter(&mut book.account, &mut changes, "amount", entry, context)?);
        }
        CreditCommand::IssueCode(code) => issue(&mut book.account, &mut changes, code, context)?,
    }
    Ok((book, changes))
}

fn check_reference(reference: Option<&str>) -> Result<(), Refusal> {
    match reference {
        Some(text) => checks::text(|| "reference".to_owned(), text, checks::SHORT),
        None => Ok(()),
    }
}

fn read(stated: &Stated, account: &Account) -> Result<Minor, Refusal> {
    let field = || "amount".to_owned();
    match stated.currency {
        Some(asked) if asked != account.currency => {
            let (field, account) = ("currency".to_owned(), account.currency);
            Err(Refusal::Credit(CreditRefusal::OtherCurrency { field, account, asked }))
        }
        Some(_) | None => checks::amount(field, stated.figure, account.currency),
    }
}

/// The spend that the command names, which was not undone before.
fn to_undo(book: &CreditBook) -> Result<Entry, Refusal> {
    let named = book.named.as_ref().filter(|entry| entry.account == book.account.id);
    let spend = named.ok_or(Refusal::Credit(CreditRefusal::UnknownEntry))?;
    if spend.kind != EntryKind::Spend {
        return Err(Refusal::Credit(CreditRefusal::NotASpend { entry: spend.id }));
    }
    match book.undone_by {
        Some(by) => Err(Refusal::Credit(CreditRefusal::AlreadyUndone { entry: spend.id, by })),
        None => Ok(spend.clone()),
    }
}

fn part_of(spend: &Entry, stated: &Stated, account: &Account) -> Result<Minor, Refusal> {
    let amount = read(stated, account)?;
    if amount > spend.amount {
        return Err(Refusal::Credit(CreditRefusal::MoreThanSpent {
            field: "amount".to_owned(),
            asked: account.money(amount),
            spent: account.money(spend.amount),
        }));
    }
    Ok(amount)
}

fn issue(
    account: &mut Account,
    changes: &mut CreditChanges,
    code: &Code,
    context: &Context<'_>,
) -> Result<(), Refusal> {
    if account.kind != AccountKind::GiftCard {
        return Err(Refusal::Credit(CreditRefusal::NotAGiftCard { account: account.id }));
    }
    account.code = Some(code.clone());
    touch(account, changes, context);
    changes.facts.push(Fact::CodeIssued { last_four: code.last_four.clone() });
    Ok(())
}
