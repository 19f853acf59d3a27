//! Transactions of both directions, and what an outside platform reports of its refunds.

use axum::response::Response;
use refundry_domain::book::Book;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::TransactionId;
use refundry_domain::money::Money;
use refundry_domain::order::PaymentKind;
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use refundry_domain::refusal::Refusal;
use refundry_domain::text::{self, TextProblem};

use super::call::{Call, answered, json, listed, rendered, shown};
use super::wire::answers::{RefundTransactionView, TransactionView};
use super::wire::report::{ReportAsk, ReportStatus};
use super::wire::words::{expect_id, time, word};
use crate::dialects::shared::exact::Figure;
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Reads, Right, Writes};
use crate::store::{Answer, Movement, Search, TransactionFilter, TransactionKind};

pub async fn list(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<TransactionId>(text).map(|id| id.0))?;
    let filter = TransactionFilter {
        kinds: fields.many("kind", kind)?,
        states: fields.many("state", word)?,
        order: fields.one("order", expect_id)?,
        refund: fields.one("refund", expect_id)?,
        provider: fields.take("provider")?,
        provider_reference: fields.take("provider_reference")?,
        created_from: fields.one("created_from", time)?,
        created_until: fields.one("created_until", time)?,
        search: Search::default(),
    };
    fields.finish()?;
    let slice = right.transactions(filter, page).await?;
    Ok(listed(&slice, &page, TransactionView::of, |row| match &row.movement {
        Movement::In(payment) => payment.id,
        Movement::Back(back) => back.id,
    }))
}

fn kind(text: &str) -> Result<TransactionKind, String> {
    if text == "refund" {
        return Ok(TransactionKind::Refund);
    }
    let read = word::<PaymentKind>(text).map(TransactionKind::In);
    read.map_err(|expected| format!("{expected}, refund"))
}

pub async fn show(right: Right<Reads>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    let row = right.transaction(transaction_id(&call)?).await?;
    let row = row.ok_or(Refusal::UnknownTransaction)?;
    Ok(shown(&TransactionView::of(&row)))
}

fn transaction_id(call: &Call) -> Result<TransactionId, Problem> {
    Ok(call.id::<TransactionId>().ok_or(Refusal::UnknownTransaction)?)
}

/// An outside platform says what became of a refund transaction that it carries out.
pub async fn report(right: Right<Writes>, call: Call) -> Result<Response, Problem> {
    let transaction = transaction_id(&call)?;
    let read = call.read::<ReportAsk>().await?;
    let outcome = outcome(&right, transaction, read.body).await?;
    let command = Command::Report(Report { outcome, by: Reporter::Caller, look_again_ms: 0 });
    let claim = read.once.map(|once| once.claim(reported));
    let target = Target::Transaction(transaction);
    let done = right.carry_out(target, command, claim, read.dry_run).await?;
    answered(done, reported, read.dry_run)
}

fn reported(result: Result<&Book, &Refusal>) -> Answer {
    rendered(result, 200, |book| {
        let refund = book.refund.as_ref();
        let row = refund.and_then(|refund| {
            let mut rows = refund.transactions.iter();
            let row = rows.find(|row| Some(row.id) == book.subject)?;
            Some(RefundTransactionView::of(row, refund.order, refund.currency))
        });
        json(&row)
    })
}

async fn outcome(
    right: &Right<Writes>,
    transaction: TransactionId,
    ask: ReportAsk,
) -> Result<Outcome, Problem> {
    use ReportStatus::{Canceled, Failed, Processing, Reversed, Succeeded};
    let words =
        [("provider_reference", &ask.provider_reference, 200), ("message", &ask.message, 1000)];
    for (field, value, most) in words {
        if let Some(value) = value {
            text::check(value, most).map_err(|problem| in_text(field, problem))?;
        }
    }
    let status = ask.state;
    let only = |given: bool, field: &str, fits: bool| {
        if given && !fits {
            let detail = "The status does not go with this field.";
            return Err(Problem::field(Code::FieldInvalid, format!("/{field}"), detail));
        }
        Ok(())
    };
    only(ask.amount.is_some(), "amount", status == Succeeded)?;
    only(ask.code.is_some(), "code", status == Failed)?;
    let names_it = matches!(status, Succeeded | Processing);
    only(ask.provider_reference.is_some(), "provider_reference", names_it)?;
    let reference = ask.provider_reference;
    let message = ask.message;
    Ok(match status {
        Succeeded => {
            let amount = match ask.amount {
                Some(figure) => Some(paid(right, transaction, figure).await?),
                None => None,
            };
            Outcome::Done { reference, amount }
        }
        Processing => match message {
            Some(message) => Outcome::Waiting { reference, message },
            None => Outcome::Acknowledged { reference },
        },
        Failed => Outcome::Declined(Failure {
            code: ask.code.map_or(FailureCode::Other, |code| code.0),
            message: message.unwrap_or_else(|| "Reported as failed.".to_owned()),
        }),
        Canceled => Outcome::CalledOff {
            message: message.unwrap_or_else(|| "Called off by the platform.".to_owned()),
        },
        Reversed => Outcome::Reversed {
            message: message.unwrap_or_else(|| "Taken back after it was paid.".to_owned()),
        },
    })
}

/// The amount that the platform says it paid, in the transaction's currency.
async fn paid(
    right: &Right<Writes>,
    transaction: TransactionId,
    Figure(figure): Figure,
) -> Result<refundry_domain::money::Minor, Problem> {
    let row = right.transaction(transaction).await?.ok_or(Refusal::UnknownTransaction)?;
    let money = Money::read(figure, row.currency)
        .map_err(|problem| Problem::field(Code::FieldInvalid, "/amount", format!("{problem}.")))?;
    Ok(money.minor())
}

fn in_text(field: &str, problem: TextProblem) -> Problem {
    let field = field.to_owned();
    Problem::from(match problem {
        TextProblem::TooLong { most } => Refusal::TextTooLong { field, most },
        TextProblem::Control => Refusal::ControlCharacter { field },
        TextProblem::CardNumber => Refusal::CardNumber { field },
    })
}
