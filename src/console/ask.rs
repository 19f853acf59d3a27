//! What somebody does here: the same commands, through the same rights and under the same kind of
//! idempotency key as a call of the API. A form sent twice takes effect once.

use std::time::Duration;

use refundry_domain::book::Book;
use refundry_domain::command::{Command, Target};
use refundry_domain::credit::{CreditBook, CreditCommand};
use refundry_domain::ids::{AccountId, RefundId, ReturnId};
use refundry_domain::refund::State;
use refundry_domain::refusal::Refusal;

use super::form::Wrongs;
use super::visit::{Trouble, Visit};
use crate::dialects::shared::replay::Once;
use crate::dialects::shared::right::{Confirms, Reads, Right, Writes};
use crate::ledger::{Answered, Fault};
use crate::store::{Answer, Claim, Render};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The number of the row that it was done to, if its command names or makes one.
    number: Option<i64>,
    pub state: Option<State>,
}

impl Done {
    pub fn refund(self) -> Option<RefundId> {
        self.number.map(RefundId)
    }

    pub fn opened(self) -> Option<ReturnId> {
        self.number.map(ReturnId)
    }
}

/// Done, or why not: the field that it is about, and the rule's words.
pub type Became = Result<Done, (String, String)>;

/// What is kept with the key: the refund and its state, or the refusal.
fn kept(result: Result<&Book, &Refusal>) -> Answer {
    match result {
        Ok(book) => {
            let refund = book.refund.as_ref();
            let id = refund.map(|refund| refund.id.to_string()).unwrap_or_default();
            let state = refund.map_or("", |refund| refund.state.name());
            Answer { status: 200, body: format!("{id}\n{state}").into_bytes() }
        }
        Err(refusal) => refused(refusal),
    }
}

/// Of a return that is opened: the new one is the one with the highest number.
fn opened(result: Result<&Book, &Refusal>) -> Answer {
    match result {
        Ok(book) => {
            let newest = book.returns.iter().map(|row| row.id).max();
            let id = newest.map(|id| id.to_string()).unwrap_or_default();
            Answer { status: 200, body: format!("{id}\n").into_bytes() }
        }
        Err(refusal) => refused(refusal),
    }
}

/// Of an account: the entry that was made.
fn entered(result: Result<&CreditBook, &Refusal>) -> Answer {
    match result {
        Ok(book) => {
            let id = book.made.as_ref().map(|entry| entry.id.to_string()).unwrap_or_default();
            Answer { status: 200, body: format!("{id}\n").into_bytes() }
        }
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: &Refusal) -> Answer {
    let field = refusal.field().unwrap_or_default();
    Answer { status: 422, body: format!("{field}\n{refusal}").into_bytes() }
}

fn read(answer: &Answer) -> Became {
    let text = String::from_utf8_lossy(&answer.body);
    let (first, rest) = text.split_once('\n').unwrap_or_default();
    if answer.status != 200 {
        return Err((first.to_owned(), rest.to_owned()));
    }
    Ok(Done { number: first.parse().ok(), state: State::parse(rest) })
}

fn became<T>(answered: Answered<T>, render: Render<T>) -> Became {
    match answered {
        Answered::Done { answer: Some(answer), .. }
        | Answered::Refused { answer: Some(answer), .. }
        | Answered::Replayed(answer) => read(&answer),
        Answered::Done { book, answer: None } => read(&render(Ok(&book))),
        Answered::Refused { refusal, answer: None } => read(&render(Err(&refusal))),
        Answered::KeyReused => {
            let why = "This form was sent before, with other values. Look whether it was carried \
                       out, and open the page again.";
            Err((String::new(), why.to_owned()))
        }
    }
}

/// The claim of this form; `about` tells several commands of one form apart.
fn claim<T>(visit: &Visit, about: &str, render: Render<T>) -> Result<Claim<T>, Trouble> {
    let once = visit.form.written("once");
    if once.len() != 32 || !once.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let detail = "The form lacks what tells it from another. Open the page again.";
        return Err(Trouble::new(400, "This form was refused", detail));
    }
    let sent = visit.form.with(&[("token", None)]);
    let path = visit.path().as_bytes();
    let parts = [b"POST".as_slice(), path, about.as_bytes(), sent.as_bytes()];
    Ok(Once::new(&format!("console-{once}{about}"), parts).claim(render))
}

/// How long the second sending of a form waits for the first, and how often it looks.
const LOOKS: u32 = 100;
const BETWEEN: Duration = Duration::from_millis(50);

/// What became of a try; nothing yet while the same form is still being carried out, and then a
/// moment has passed.
async fn settled<T>(
    answered: Result<Answered<T>, Fault>,
    render: Render<T>,
) -> Result<Option<Became>, Trouble> {
    match answered {
        Ok(answered) => Ok(Some(became(answered, render))),
        Err(Fault::InProgress) => {
            tokio::time::sleep(BETWEEN).await;
            Ok(None)
        }
        Err(fault @ Fault::Store(_)) => Err(fault.into()),
    }
}

pub async fn carry_out(visit: &Visit, target: Target, command: Command) -> Result<Became, Trouble> {
    carry_out_about(visit, "", target, command).await
}

pub async fn carry_out_about(
    visit: &Visit,
    about: &str,
    target: Target,
    command: Command,
) -> Result<Became, Trouble> {
    let right: Right<Writes> = visit.right()?;
    let render: Render<Book> =
        if matches!(command, Command::OpenReturn(_)) { opened } else { kept };
    for _ in 0..LOOKS {
        let claim = claim(visit, about, render)?;
        let answered = right.carry_out(target.clone(), command.clone(), Some(claim), false).await;
        if let Some(became) = settled(answered, render).await? {
            return Ok(became);
        }
    }
    Err(Fault::InProgress.into())
}

pub async fn confirm(visit: &Visit, about: &str, refund: RefundId) -> Result<Became, Trouble> {
    let right: Right<Confirms> = visit.right()?;
    for _ in 0..LOOKS {
        let claim = claim(visit, about, kept)?;
        let answered = right.confirm(refund, Some(claim), false).await;
        if let Some(became) = settled(answered, kept).await? {
            return Ok(became);
        }
    }
    Err(Fault::InProgress.into())
}

/// As [`carry_out`], of an account of credit.
pub async fn move_credit(
    visit: &Visit,
    account: AccountId,
    command: CreditCommand,
) -> Result<Became, Trouble> {
    let right: Right<Writes> = visit.right()?;
    for _ in 0..LOOKS {
        let claim = claim(visit, "", entered)?;
        let answered = right.move_credit(account, command.clone(), Some(claim), false).await;
        if let Some(became) = settled(answered, entered).await? {
            return Ok(became);
        }
    }
    Err(Fault::InProgress.into())
}

/// What would become of a command; nothing is written.
pub async fn preview(
    visit: &Visit,
    target: Target,
    command: Command,
    known: &[&str],
) -> Result<Result<Box<Book>, Wrongs>, Trouble> {
    let right: Right<Reads> = visit.right()?;
    Ok(match right.preview(target, command).await? {
        Answered::Done { book, .. } => Ok(book),
        Answered::Refused { refusal, .. } => Err(Wrongs::of(&refusal, known)),
        Answered::Replayed(_) | Answered::KeyReused => Err(Wrongs::default()),
    })
}
