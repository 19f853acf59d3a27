//! Facts as they are kept in events: their JSON, both ways, and the hash that links them. Every
//! store writes the same bytes, so a chain can be followed from one to another.

use refundry_domain::event::{
    Fact, LineFact, LineShare, Move as MoveFact, PayoutRequested, RefundMoved, Share, Subject,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Event;

/// The subject's kind and number, as they stand in an event.
pub fn subject(subject: Subject) -> (&'static str, i64) {
    match subject {
        Subject::Order(id) => ("order", id.0),
        Subject::Transaction(id) => ("transaction", id.0),
        Subject::Return(id) => ("return", id.0),
        Subject::Refund(id) => ("refund", id.0),
    }
}

/// Everything of an event but its hash, for hashing it before it is a row.
pub struct Unlinked<'a> {
    pub merchant: i64,
    /// 0 for an event of the merchant itself.
    pub order: i64,
    pub position: i64,
    pub number: i64,
    pub name: &'a str,
    pub subject_kind: &'a str,
    pub subject: i64,
    pub at: i64,
    pub by: &'a str,
    pub data: &'a str,
}

impl<'a> Unlinked<'a> {
    pub fn of(event: &'a Event) -> Unlinked<'a> {
        Unlinked {
            merchant: event.merchant.0,
            order: event.order.map_or(0, |order| order.0),
            position: event.position,
            number: event.id.0,
            name: &event.name,
            subject_kind: &event.subject_kind,
            subject: event.subject,
            at: event.at.0,
            by: &event.by,
            data: &event.data,
        }
    }

    /// SHA-256 over the predecessor's hash and every field, each text after its length, so that no
    /// two events have the same bytes. The first event's predecessor is 32 zeros.
    pub fn hash(&self, predecessor: &[u8; 32]) -> [u8; 32] {
        let mut bytes = Vec::with_capacity(160 + self.data.len());
        bytes.extend_from_slice(predecessor);
        for number in [self.merchant, self.order, self.position, self.number, self.subject, self.at]
        {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for text in [self.name, self.subject_kind, self.by, self.data] {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        Sha256::digest(&bytes).into()
    }
}

/// A seal's digest, as it grows: over the digest of the seal before it, and the number and hash of
/// each event beyond that one.
#[derive(Clone)]
pub struct Sealing(Sha256);

impl Sealing {
    /// `before` is the digest of the newest seal; 32 zeros when there is none.
    pub fn after(before: &[u8; 32]) -> Sealing {
        Sealing(Sha256::new_with_prefix(before))
    }

    pub fn add(&mut self, number: i64, hash: &[u8; 32]) {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes[8..].copy_from_slice(hash);
        self.0.update(bytes);
    }

    pub fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The data of an event: what of it can be read again. Names of states and kinds are those of the
/// domain, amounts are minor units.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    pub reference: String,
    pub currency: String,
    pub lines: Vec<LineData>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineData {
    pub kind: String,
    pub quantity: u32,
    pub amount: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    pub kind: String,
    pub parent: Option<i64>,
    pub provider: String,
    pub amount: i64,
    pub captured: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fulfilled {
    pub fulfilled: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disputed {
    pub payment: i64,
    pub disputed: i64,
    pub blocked: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    pub kind: String,
    pub reference: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnState {
    pub state: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requested {
    pub state: String,
    pub execution: String,
    pub to: String,
    pub amount: i64,
    pub shares: Vec<ShareData>,
    pub parts: Vec<PartData>,
    /// The merchant's day on which it counts towards the daily limit, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_on: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    /// Not in events from before it could change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    pub amount: i64,
    pub dropped: Vec<MoveData>,
    pub shares: Vec<ShareData>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    pub from: String,
    pub to: String,
    pub amount: i64,
    pub refunded: i64,
    pub moves: Vec<MoveData>,
    pub shares: Vec<ShareData>,
    pub released: Vec<PartData>,
    pub retaken: Vec<PartData>,
    pub failure: Option<FailureData>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_on: Option<String>,
}

/// A payout that an outside platform is told to make.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    pub refund: i64,
    pub payment: i64,
    pub to: String,
    pub amount: i64,
    pub currency: String,
    pub provider: String,
    pub method: String,
    pub payment_reference: Option<String>,
    /// In milliseconds since 1970 UTC.
    pub report_by: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureData {
    pub code: String,
    pub message: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contradicted {
    pub transaction: i64,
    pub said: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareData {
    pub transaction: i64,
    pub payment: i64,
    pub amount: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartData {
    pub line: u32,
    pub quantity: u32,
    pub amount: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveData {
    pub transaction: i64,
    pub payment: i64,
    pub amount: i64,
    pub from: String,
    pub to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The fact's data as a JSON object.
pub fn data(fact: &Fact) -> String {
    match fact {
        Fact::OrderRegistered { reference, currency, lines, .. } => json(&Registered {
            reference: reference.clone(),
            currency: currency.code().to_owned(),
            lines: lines.iter().map(line).collect(),
        }),
        Fact::PaymentRecorded { kind, parent, provider, amount, captured, .. } => json(&Recorded {
            kind: kind.name().to_owned(),
            parent: parent.map(|parent| parent.0),
            provider: provider.clone(),
            amount: amount.get(),
            captured: captured.get(),
        }),
        Fact::OrderFulfilled { fulfilled, .. } => json(&Fulfilled { fulfilled: *fulfilled }),
        Fact::OrderAnnotated { .. }
        | Fact::RefundAnnotated { .. }
        | Fact::TransactionAnnotated { .. } => r#"{"annotated":true}"#.to_owned(),
        Fact::DetailsPurged { .. } => "{}".to_owned(),
        Fact::PayoutRequested(fact) => json(&told(fact)),
        Fact::DisputeChanged { payment, disputed, blocked, .. } => {
            json(&Disputed { payment: payment.0, disputed: disputed.get(), blocked: blocked.get() })
        }
        Fact::ReturnOpened { kind, reference, .. } => {
            json(&Opened { kind: kind.name().to_owned(), reference: reference.clone() })
        }
        Fact::ReturnChanged { state, .. } => json(&ReturnState { state: state.name().to_owned() }),
        Fact::RefundRequested {
            state, execution, to, amount, shares, parts, counted_on, ..
        } => json(&Requested {
            state: state.name().to_owned(),
            execution: execution.name().to_owned(),
            to: to.name().to_owned(),
            amount: amount.get(),
            shares: shares.iter().map(share).collect(),
            parts: parts.iter().map(part).collect(),
            counted_on: counted_on.clone(),
        }),
        Fact::RefundChanged { execution, amount, dropped, shares, .. } => json(&Changed {
            execution: Some(execution.name().to_owned()),
            amount: amount.get(),
            dropped: dropped.iter().map(step).collect(),
            shares: shares.iter().map(share).collect(),
        }),
        Fact::RefundMoved(fact) => json(&moved(fact)),
        Fact::RefundContradicted { transaction, said, .. } => {
            json(&Contradicted { transaction: transaction.0, said: said.clone() })
        }
    }
}

fn told(fact: &PayoutRequested) -> Told {
    Told {
        refund: fact.refund.0,
        payment: fact.payment.0,
        to: fact.to.name().to_owned(),
        amount: fact.amount.get(),
        currency: fact.currency.code().to_owned(),
        provider: fact.provider.clone(),
        method: fact.method.clone(),
        payment_reference: fact.payment_reference.clone(),
        report_by: fact.report_by.0,
    }
}

fn moved(fact: &RefundMoved) -> Moved {
    Moved {
        from: fact.from.name().to_owned(),
        to: fact.to.name().to_owned(),
        amount: fact.amount.get(),
        refunded: fact.refunded.get(),
        moves: fact.moves.iter().map(step).collect(),
        shares: fact.shares.iter().map(share).collect(),
        released: fact.released.iter().map(part).collect(),
        retaken: fact.retaken.iter().map(part).collect(),
        failure: fact.failure.as_ref().map(|failure| FailureData {
            code: failure.code.name().to_owned(),
            message: failure.message.clone(),
        }),
        counted_on: fact.counted_on.clone(),
    }
}

fn line(line: &LineFact) -> LineData {
    LineData {
        kind: line.kind.name().to_owned(),
        quantity: line.quantity,
        amount: line.amount.get(),
    }
}

fn share(share: &Share) -> ShareData {
    ShareData {
        transaction: share.transaction.0,
        payment: share.payment.0,
        amount: share.amount.get(),
    }
}

fn part(part: &LineShare) -> PartData {
    PartData { line: part.line, quantity: part.quantity, amount: part.amount.get() }
}

fn step(step: &MoveFact) -> MoveData {
    MoveData {
        transaction: step.transaction.0,
        payment: step.payment.0,
        amount: step.amount.get(),
        from: step.from.name().to_owned(),
        to: step.to.name().to_owned(),
        provider_reference: step.provider_reference.clone(),
        code: step.code.map(|code| code.name().to_owned()),
        message: step.message.clone(),
    }
}

pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain structs of numbers and texts become JSON")
}
