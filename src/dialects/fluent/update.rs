//! Changing a transaction: what is known of it, and for one that is PROCESSING what became of it.

use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{OrderRef, TransactionId};
use refundry_domain::order::Metadata;
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};

use super::call::{Answered, Call, Changes, ok};
use super::refusals::No;
use super::source;
use super::wire::{
    Done, Entry, Kind, METHODS, Status, TransactionUpdate, listed, not_listed, note, notes,
};
use crate::ledger;

pub async fn update(rights: Changes, call: Call) -> Answered {
    let row = source::find(&rights.reads, call.return_id()).await?;
    let entry = source::entry(&rights.reads, &row, call.transaction_id()).await?;
    let ask: TransactionUpdate = call.json().await?;
    let status = match listed("status", ask.status, &Status::NAMES)? {
        Some(name) => Status::parse(&name).ok_or_else(|| not_listed("status", &Status::NAMES))?,
        None => entry.status,
    };
    let reference = ask.transaction_ref.map(|text| text.0);
    if reference.as_deref() == Some("") {
        return Err(No::bad("transactionRef must not be empty."));
    }
    let reference = reference.filter(|new| entry.reference.as_ref() != Some(new));
    if let Some(wanted) = &reference {
        let entries = source::whole(&rights.reads, &row.reference).await?.entries;
        let same =
            |other: &Entry| other.kind == entry.kind && other.reference.as_ref() == Some(wanted);
        if entries.iter().any(same) {
            let text = "transactionRef: another transaction of this type has it.";
            return Err(No::bad(text));
        }
    }
    let outcome = outcome(entry.status, status, reference.as_ref())?;
    let changed = notes([
        (note::REF, reference),
        (note::METHOD, listed("paymentMethod", ask.payment_method, &METHODS)?),
        (note::NOTE, ask.transaction_note),
    ]);
    write(&rights, &entry, outcome, changed).await?;
    Ok(ok(&Done { id: entry.number.to_string() }))
}

/// What a change of status says of the money; nothing when it stays.
fn outcome(
    before: Status,
    after: Status,
    reference: Option<&String>,
) -> Result<Option<Outcome>, No> {
    match (before, after) {
        (Status::Processing, Status::Approved) => {
            Ok(Some(Outcome::Done { reference: reference.cloned(), amount: None }))
        }
        (Status::Processing, Status::Declined) => {
            let message = "Reported as DECLINED.".to_owned();
            Ok(Some(Outcome::Declined(Failure { code: FailureCode::Declined, message })))
        }
        (before, after) if before == after => Ok(None),
        (before, _) => {
            Err(No::bad(format!("status: the transaction is {} and stays so.", before.name())))
        }
    }
}

/// Both or none, as far as can be told before: the notes are tried before the outcome is reported.
async fn write(
    rights: &Changes,
    entry: &Entry,
    outcome: Option<Outcome>,
    changed: Metadata,
) -> Result<(), No> {
    let transaction = TransactionId(entry.number);
    let target = match entry.kind {
        Kind::Payment => Target::Order(OrderRef::Id(entry.order)),
        Kind::Refund | Kind::ManualRefund => Target::Transaction(transaction),
    };
    let annotate =
        (!changed.is_empty()).then_some(Command::Annotate { transaction, notes: changed });
    if let Some(outcome) = outcome {
        if let Some(command) = &annotate {
            run(rights, &target, command.clone(), true).await?;
        }
        let report = Report { outcome, by: Reporter::Caller, look_again_ms: 0 };
        run(rights, &target, Command::Report(report), false).await?;
    }
    match annotate {
        Some(command) => run(rights, &target, command, false).await,
        None => Ok(()),
    }
}

async fn run(rights: &Changes, target: &Target, command: Command, dry: bool) -> Result<(), No> {
    match rights.writes.carry_out(target.clone(), command, None, dry).await? {
        ledger::Answered::Refused { refusal, .. } => Err(refusal.into()),
        ledger::Answered::Done { .. }
        | ledger::Answered::Replayed(_)
        | ledger::Answered::KeyReused => Ok(()),
    }
}
