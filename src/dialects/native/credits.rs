//! Accounts of store credit, gift cards and customers' balances: looked up, spent, given back to.

use axum::response::Response;
use refundry_domain::credit::{Code as GiftCard, CreditBook, CreditCommand};
use refundry_domain::ids::{AccountId, EntryId};
use refundry_domain::refusal::{CreditRefusal, Refusal};

use super::call::{Call, answered, created, json, listed, rendered, shown};
use super::wire::asks::Nothing;
use super::wire::credits::{AccountView, EntryView, LookupAsk, SpendAsk, UndoAsk};
use super::wire::words::{expect_id, word};
use crate::access::gift_code::GiftCode;
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Reads, Right, Writes};
use crate::ledger::Answered;
use crate::store::Answer;
use crate::store::credits::{AccountFilter, EntriesOf};

pub async fn list(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<AccountId>(text).map(|id| id.0))?;
    let filter =
        AccountFilter { customer: fields.take("customer")?, kinds: fields.many("kind", word)? };
    fields.finish()?;
    let slice = right.credit_accounts(filter, page).await?;
    Ok(listed(&slice, &page, AccountView::of, |account| account.id))
}

fn unknown() -> Refusal {
    Refusal::Credit(CreditRefusal::UnknownAccount)
}

fn account_id(call: &Call) -> Result<AccountId, Problem> {
    Ok(call.id::<AccountId>().ok_or_else(unknown)?)
}

pub async fn show(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    let account = right.credit_account(account_id(&call)?).await?.ok_or_else(unknown)?;
    Ok(shown(&AccountView::of(&account)))
}

pub async fn entries(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let id = account_id(&call)?;
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<EntryId>(text).map(|id| id.0))?;
    fields.finish()?;
    let account = right.credit_account(id).await?.ok_or_else(unknown)?;
    let slice = right.credit_entries(EntriesOf::Account(id), page).await?;
    let view = |entry| EntryView::of(entry, account.currency);
    Ok(listed(&slice, &page, view, |entry| entry.id))
}

/// The code comes in the body, which no log and no browser keeps, as they do addresses.
pub async fn lookup(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let read = call.read::<LookupAsk>().await?;
    let code = GiftCode::read(&read.body.code).ok_or_else(|| {
        let detail = "This is no gift card's code; a character is mistyped or missing.";
        Problem::field(Code::FieldInvalid, "/code", detail)
    })?;
    let account = right.credit_account_by_code(code.digest()).await?.ok_or_else(unknown)?;
    Ok(shown(&AccountView::of(&account)))
}

pub async fn spend(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let account = account_id(&call)?;
    let read = call.read::<SpendAsk>().await?;
    let command = read.body.command();
    let claim = read.once.map(|once| once.claim(entered));
    let done = right.move_credit(account, command, claim, read.dry_run).await?;
    answered(done, entered, read.dry_run)
}

pub async fn undo(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let account = account_id(&call)?;
    let read = call.read::<UndoAsk>().await?;
    let command = read.body.command();
    let claim = read.once.map(|once| once.claim(entered));
    let done = right.move_credit(account, command, claim, read.dry_run).await?;
    answered(done, entered, read.dry_run)
}

fn entered(result: Result<&CreditBook, &Refusal>) -> Answer {
    rendered(result, 201, |book| {
        let currency = book.account.currency;
        json(&book.made.as_ref().map(|entry| EntryView::of(entry, currency)))
    })
}

/// The code is in this answer and nowhere else; it takes no idempotency key, since the answer that
/// is kept with one would hold it. Whoever lost the answer asks for another code.
pub async fn issue_code(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let account = account_id(&call)?;
    let read = call.read_or_default::<Nothing>().await?;
    let code = GiftCode::generate().map_err(|error| {
        tracing::error!(%error, "no randomness for a gift card's code");
        Problem::new(Code::Internal, "The server could not make a code.")
    })?;
    let kept = GiftCard { digest: code.digest(), last_four: code.last_four().to_owned() };
    let command = CreditCommand::IssueCode(kept);
    match right.move_credit(account, command, None, read.dry_run).await? {
        Answered::Done { book, .. } if read.dry_run => {
            let account = refundry_domain::credit::Account { code: None, ..book.account };
            Ok(shown(&AccountView::of(&account)))
        }
        Answered::Done { book, .. } => {
            Ok(created(&AccountView::of(&book.account).with_code(&code.shown())))
        }
        Answered::Refused { refusal, .. } => Err(refusal.into()),
        Answered::Replayed(_) | Answered::KeyReused => {
            Err(Problem::new(Code::Internal, "A command without a key was answered before."))
        }
    }
}
