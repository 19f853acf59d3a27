//! Accounts of store credit, gift cards and customers' balances: the list, and one with what moved
//! it, spent from and given back to as the API does.

use askama::Template;
use axum::response::Response;
use refundry_domain::command::Stated;
use refundry_domain::credit::{Account, AccountKind, Code, CreditCommand, Entry, EntryKind};
use refundry_domain::ids::{AccountId, EntryId};
use refundry_domain::money::Exact;

use super::Filter;
use crate::access::gift_code::GiftCode;
use crate::console::ask::{self, Became};
use crate::console::cell::{Cell, Fact, fact};
use crate::console::form::{Draft, Wrongs, sentence};
use crate::console::list::{self, Pager, Table, choices, pager, stretch_pager};
use crate::console::query::href;
use crate::console::say::Say;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, id, no_randomness, redirect, redirect_done};
use crate::console::{csv, label};
use crate::dialects::shared::right::{Reads, Right, Writes};
use crate::ledger::Answered;
use crate::store::Page as Part;
use crate::store::credits::{AccountFilter, EntriesOf};

const PATH: &str = "/console/credits";
/// The fields of the forms, as the rules name them.
const FIELDS: [&str; 2] = ["amount", "reference"];

#[derive(Template)]
#[template(path = "credits.html")]
struct ListPage<'a> {
    shell: &'a Shell,
    filters: Vec<Filter>,
    table: Table,
    pager: Pager,
    draft: Draft,
}

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    if list::wants_csv(&visit.query) {
        let part = |visit: Visit| async move {
            let (table, pager) = accounts(&visit).await?;
            Ok::<_, Trouble>(csv::Part::of(table, pager))
        };
        return csv::export(visit, "credit-accounts", part).await;
    }
    listed(&visit, Draft::default()).await
}

/// The part of the list that an address asks for.
async fn accounts(visit: &Visit) -> Result<(Table, Pager), Trouble> {
    let right: Right<Reads> = visit.right()?;
    let query = &visit.query;
    let kinds: Vec<_> = query.all("kind").filter_map(AccountKind::parse).collect();
    let customer = query.text("customer").map(str::to_owned);
    let by_index = customer.is_some() || kinds.is_empty();
    let filter = AccountFilter { customer, kinds };
    let (slice, pager) = if by_index {
        let slice = right.credit_accounts(filter, list::page(query)).await?;
        let pager = pager(PATH, query, &slice, |account| account.id.0);
        (slice, pager)
    } else {
        let newest = right.credit_accounts(AccountFilter::default(), list::newest()).await?.rows;
        let end = newest.first().map_or(1, |account| account.id.0 + 1);
        let stretch = list::stretch(query, 1, end);
        let slice = right.credit_accounts(filter, stretch.page).await?;
        let pager = stretch_pager(PATH, query, &stretch, &slice, |account| account.id.0);
        (slice, pager)
    };
    Ok((table(&visit.say, &slice.rows), pager))
}

async fn listed(visit: &Visit, draft: Draft) -> Result<Response, Trouble> {
    let query = &visit.query;
    let (table, pager) = accounts(visit).await?;
    let shell = visit.shell("Credit accounts")?;
    let words = |kind: AccountKind| (kind.name(), label::account(kind));
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = ListPage {
        filters: vec![
            Filter::text(visit, "customer", "Customer's number"),
            Filter::select("kind", "Kind", choices(query, "kind", &AccountKind::ALL, words)),
        ],
        shell: &shell,
        table,
        pager,
        draft,
    };
    html(status, &page)
}

pub fn table(say: &Say, accounts: &[Account]) -> Table {
    let titles =
        ["Account", "Kind", "#Balance", "Customer", "Code", "Opened", "Last moved", "-Currency"];
    let mut table = Table::new("Credit accounts", &titles);
    for account in accounts {
        table.add(vec![
            Cell::code(format!("acc_{}", account.id)).to(place(account.id)),
            Cell::text(label::account(account.kind)),
            Cell::money(account.balance, account.currency),
            Cell::of(account.customer.as_deref()),
            Cell::text(code_of(account, "")),
            say.time(account.created_at),
            say.time(account.updated_at),
            Cell::text(account.currency.code()),
        ]);
    }
    table
}

fn place(account: AccountId) -> String {
    format!("{PATH}/acc_{account}")
}

/// The page of the account that an id names.
pub fn place_of(name: &str) -> Option<String> {
    let number = id(name, "acc_").filter(|_| name.starts_with("acc_"))?;
    Some(place(AccountId(number)))
}

/// All that is known of a card's code.
fn code_of(account: &Account, otherwise: &str) -> String {
    let known = account.code.as_ref().map(|code| format!("ends in {}", code.last_four));
    known.unwrap_or_else(|| otherwise.to_owned())
}

/// The code comes in a form that is posted, so that it stands in no address.
pub async fn look_up(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let wrong = |why: &str| Draft::refused(&visit.form, Wrongs::one("code", why));
    let Some(code) = GiftCode::read(visit.form.written("code")) else {
        let why = "This is no gift card's code; a character is mistyped or missing.";
        return listed(&visit, wrong(why)).await;
    };
    match right.credit_account_by_code(code.digest()).await? {
        Some(account) => Ok(redirect(&place(account.id))),
        None => listed(&visit, wrong("No gift card has this code, or it has another now.")).await,
    }
}

/// A spend that is about to be given back, or why it cannot be.
struct Undoing {
    entry: String,
    amount: Cell,
    reference: String,
    refused: Option<String>,
}

#[derive(Template)]
#[template(path = "credit.html")]
struct AccountPage<'a> {
    shell: &'a Shell,
    path: String,
    id: String,
    kind: &'static str,
    currency: &'static str,
    balance: Cell,
    facts: Vec<Fact>,
    entries: Table,
    pager: Pager,
    undoing: Option<Undoing>,
    may_spend: bool,
    may_issue: bool,
    has_code: bool,
    /// A code that was just given, shown this once.
    fresh: Option<String>,
    draft: Draft,
}

async fn find(visit: &Visit) -> Result<Account, Trouble> {
    let right: Right<Reads> = visit.right()?;
    let missing = || Trouble::missing("credit account");
    let id = visit.id("acc_").map(AccountId).ok_or_else(missing)?;
    right.credit_account(id).await?.ok_or_else(missing)
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let account = find(&visit).await?;
    if list::wants_csv(&visit.query) {
        let part = move |visit: Visit| {
            let account = account.clone();
            async move {
                let (table, pager) = moves(&visit, &account, false).await?;
                Ok::<_, Trouble>(csv::Part::of(table, pager))
            }
        };
        return csv::export(visit, "credit-entries", part).await;
    }
    let undoing = match visit.query.text("undo") {
        Some(name) => Some(undoing(&visit, &account, name).await?),
        None => None,
    };
    page(&visit, &account, undoing, None, Draft::default()).await
}

async fn page(
    visit: &Visit,
    account: &Account,
    undoing: Option<Undoing>,
    fresh: Option<String>,
    draft: Draft,
) -> Result<Response, Trouble> {
    let name = format!("acc_{}", account.id);
    let path = place(account.id);
    let shell = visit.shell(&format!("{} {name}", label::account(account.kind)))?;
    let (entries, pager) = moves(visit, account, shell.writes).await?;
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = AccountPage {
        kind: label::account(account.kind),
        currency: account.currency.code(),
        balance: Cell::money(account.balance, account.currency),
        facts: facts(&visit.say, account),
        may_spend: shell.writes && !account.balance.is_zero() && undoing.is_none(),
        may_issue: shell.writes && account.kind == AccountKind::GiftCard && undoing.is_none(),
        has_code: account.code.is_some(),
        shell: &shell,
        id: name,
        path,
        entries,
        pager,
        undoing,
        fresh,
        draft,
    };
    html(status, &page)
}

fn facts(say: &Say, account: &Account) -> Vec<Fact> {
    let known = [
        Some(fact("Id", Cell::code(format!("acc_{}", account.id)))),
        account.customer.as_deref().map(|customer| {
            let orders = href("/console/orders", &[("customer", customer)]);
            fact("Customer's number", Cell::link(customer, orders))
        }),
        account.refund.map(|refund| {
            let refund = format!("ref_{refund}");
            fact("Made by", Cell::code(refund.clone()).to(format!("/console/refunds/{refund}")))
        }),
        (account.kind == AccountKind::GiftCard)
            .then(|| fact("Code", Cell::text(code_of(account, "none was issued")))),
        Some(fact("Opened", say.time(account.created_at))),
        Some(fact("Last moved", say.time(account.updated_at))),
    ];
    known.into_iter().flatten().collect()
}

/// What moved it, as far as an address asks for.
async fn moves(visit: &Visit, account: &Account, writes: bool) -> Result<(Table, Pager), Trouble> {
    let right: Right<Reads> = visit.right()?;
    let of = EntriesOf::Account(account.id);
    let slice = right.credit_entries(of, list::page(&visit.query)).await?;
    let pager = pager(&place(account.id), &visit.query, &slice, |entry| entry.id.0);
    Ok((entries(visit, account, &slice.rows, writes), pager))
}

fn entries(visit: &Visit, account: &Account, rows: &[Entry], writes: bool) -> Table {
    let titles =
        ["Entry", "What", "#Amount", "#Balance", "For", "By", "When", "Undone", "-Currency"];
    let mut table = Table::new("What moved it", &titles);
    for row in rows {
        let undone = rows.iter().find(|other| other.undoes == Some(row.id));
        let deed = match (row.kind, undone) {
            (EntryKind::Spend, Some(undo)) => Cell::text(format!("By ent_{}", undo.id)),
            (EntryKind::Spend, None) if writes => {
                let path = place(account.id);
                Cell::link("Undo", format!("{path}?undo=ent_{}#undo", row.id))
            }
            (EntryKind::Undo, _) => {
                Cell::text(row.undoes.map(|it| format!("Undoes ent_{it}")).unwrap_or_default())
            }
            (EntryKind::Spend | EntryKind::Credit | EntryKind::Reversal, _) => Cell::text(""),
        };
        let what_for = match row.refund.map(|refund| format!("ref_{refund}")) {
            Some(refund) => Cell::code(refund.clone()).to(format!("/console/refunds/{refund}")),
            None => Cell::of(row.reference.as_deref()),
        };
        table.add(vec![
            Cell::code(format!("ent_{}", row.id)),
            Cell::text(label::entry(row.kind)),
            Cell::money(row.amount, account.currency).moved(row.kind.adds()),
            Cell::money(row.balance, account.currency),
            what_for,
            Cell::text(&row.by),
            visit.say.time(row.at),
            deed,
            Cell::text(account.currency.code()),
        ]);
    }
    table
}

/// The spend of this name, and whether it can be given back.
async fn undoing(visit: &Visit, account: &Account, name: &str) -> Result<Undoing, Trouble> {
    let missing = || Trouble::missing("spend");
    let reads: Right<Reads> = visit.right()?;
    let number = id(name, "ent_").ok_or_else(missing)?;
    let part = Part { after: Some(number - 1), before: None, limit: 1, oldest_first: true };
    let found = reads.credit_entries(EntriesOf::Account(account.id), part).await?.rows;
    let spend = found.first().filter(|row| row.id.0 == number && row.kind == EntryKind::Spend);
    let spend = spend.ok_or_else(missing)?;
    let writes: Right<Writes> = visit.right()?;
    let command = CreditCommand::Undo { spend: spend.id, amount: None, reference: None };
    let refused = match writes.move_credit(account.id, command, None, true).await? {
        Answered::Refused { refusal, .. } => Some(sentence(&refusal.to_string())),
        Answered::Done { .. } | Answered::Replayed(_) | Answered::KeyReused => None,
    };
    Ok(Undoing {
        entry: format!("ent_{}", spend.id),
        amount: Cell::money(spend.amount, account.currency),
        reference: spend.reference.clone().unwrap_or_default(),
        refused,
    })
}

/// The amount of a form; nothing when the field is empty.
fn amount(visit: &Visit, account: &Account) -> Result<Option<Stated>, Wrongs> {
    let Some(text) = visit.form.text("amount") else { return Ok(None) };
    let figure =
        Exact::parse(text).map_err(|_| Wrongs::one("amount", "Write a number such as 27.01."))?;
    // Stated with the currency that the form showed.
    Ok(Some(Stated { figure, currency: Some(account.currency) }))
}

fn reference(visit: &Visit) -> Option<String> {
    visit.form.text("reference").map(str::to_owned)
}

pub async fn spend(visit: Visit) -> Result<Response, Trouble> {
    let account = find(&visit).await?;
    let asked = amount(&visit, &account)
        .and_then(|amount| amount.ok_or_else(|| Wrongs::one("amount", "Say how much.")));
    let became = match asked {
        Ok(amount) => {
            let command = CreditCommand::Spend { amount, reference: reference(&visit) };
            ask::move_credit(&visit, account.id, command).await?
        }
        Err(wrongs) => return refused(&visit, &account, None, wrongs).await,
    };
    ended(&visit, &account, became, None, "spent").await
}

pub async fn undo(visit: Visit) -> Result<Response, Trouble> {
    let account = find(&visit).await?;
    let name = visit.form.written("spend").to_owned();
    let spend = id(&name, "ent_").map(EntryId).ok_or_else(|| Trouble::missing("spend"))?;
    let became = match amount(&visit, &account) {
        Ok(amount) => {
            let command = CreditCommand::Undo { spend, amount, reference: reference(&visit) };
            ask::move_credit(&visit, account.id, command).await?
        }
        Err(wrongs) => return refused(&visit, &account, Some(&name), wrongs).await,
    };
    ended(&visit, &account, became, Some(&name), "undone").await
}

async fn ended(
    visit: &Visit,
    account: &Account,
    became: Became,
    spend: Option<&str>,
    word: &str,
) -> Result<Response, Trouble> {
    match became {
        Ok(_) => Ok(redirect_done(&place(account.id), word)),
        Err((field, why)) => {
            refused(visit, account, spend, Wrongs::told(&field, &why, &FIELDS)).await
        }
    }
}

async fn refused(
    visit: &Visit,
    account: &Account,
    spend: Option<&str>,
    wrongs: Wrongs,
) -> Result<Response, Trouble> {
    let undoing = match spend {
        Some(name) => Some(undoing(visit, account, name).await?),
        None => None,
    };
    page(visit, account, undoing, None, Draft::refused(&visit.form, wrongs)).await
}

/// As in the API there is no idempotency key here: the answer that is kept with one would hold the
/// code. A form that is sent twice gives the card two codes, of which the one that is shown holds.
pub async fn issue_code(visit: Visit) -> Result<Response, Trouble> {
    let account = find(&visit).await?;
    let right: Right<Writes> = visit.right()?;
    let code = GiftCode::generate().map_err(|_| no_randomness())?;
    let kept = Code { digest: code.digest(), last_four: code.last_four().to_owned() };
    match right.move_credit(account.id, CreditCommand::IssueCode(kept), None, false).await? {
        Answered::Done { book, .. } => {
            page(&visit, &book.account, None, Some(code.shown()), Draft::default()).await
        }
        Answered::Refused { refusal, .. } => {
            let wrongs = Wrongs::one("", sentence(&refusal.to_string()));
            refused(&visit, &account, None, wrongs).await
        }
        Answered::Replayed(_) | Answered::KeyReused => Err(Trouble::missing("credit account")),
    }
}
