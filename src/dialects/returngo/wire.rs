//! The shapes of the wire.

use refundry_domain::ids::Timestamp;
use refundry_domain::money::{Currency, Minor, Money};
use refundry_domain::order::PaymentKind;
use refundry_domain::refund::{Destination, Execution, Refund, TransactionState};
use refundry_domain::returns::{Return, ReturnState};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dialects::shared::exact::{Figure, Text};
use crate::store::{Movement, TransactionRow};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Requested,
    Pending,
    Success,
    Failed,
    Canceled,
}

impl Status {
    pub const ALL: [Status; 5] =
        [Status::Requested, Status::Pending, Status::Success, Status::Failed, Status::Canceled];

    pub fn name(self) -> &'static str {
        match self {
            Status::Requested => "Requested",
            Status::Pending => "Pending",
            Status::Success => "Success",
            Status::Failed => "Failed",
            Status::Canceled => "Canceled",
        }
    }

    pub fn parse(text: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.name().eq_ignore_ascii_case(text))
    }

    pub fn of(state: TransactionState) -> Status {
        use TransactionState as T;
        match state {
            T::Unconfirmed | T::RequiresInformation | T::Pending | T::Requested => {
                Status::Requested
            }
            T::Processing | T::NeedsAttention => Status::Pending,
            T::Succeeded => Status::Success,
            T::Failed | T::Reversed => Status::Failed,
            T::Canceled => Status::Canceled,
        }
    }
}

pub const TYPES: [&str; 7] = [
    "RefundToPaymentMethod",
    "RefundToStoreCredit",
    "RefundToGiftCard",
    "RefundToBankAccount",
    "InvoicePayment",
    "PaymentAuthorization",
    "PaymentCapture",
];

pub fn type_of_refund(to: Destination) -> &'static str {
    match to {
        Destination::OriginalPayment | Destination::Cash | Destination::Other => TYPES[0],
        Destination::StoreCredit | Destination::CustomerBalance => TYPES[1],
        Destination::GiftCard => TYPES[2],
        Destination::BankTransfer => TYPES[3],
    }
}

pub fn type_of_payment(kind: PaymentKind) -> &'static str {
    match kind {
        PaymentKind::InvoicePayment => TYPES[4],
        PaymentKind::Authorization => TYPES[5],
        PaymentKind::Payment | PaymentKind::Capture => TYPES[6],
    }
}

/// What is paid by somebody outside.
pub const EXTERNAL: &str = "External";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    id: i64,
    r#type: &'static str,
    external_reference_id: Option<String>,
    external_reference_type: &'static str,
    amount: Amount,
    status: &'static str,
    processor: String,
    bank_account_details: Option<()>,
    return_item_ids: Vec<String>,
    created_at: String,
    last_updated: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Amount {
    amount: Box<RawValue>,
    currency: &'static str,
    shop_amount: Box<RawValue>,
    shop_currency: &'static str,
}

impl Amount {
    fn of(minor: Minor, currency: Currency) -> Amount {
        let number = || {
            let text = Money::new(minor, currency).to_string();
            RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
        };
        let code = currency.code();
        Amount { amount: number(), currency: code, shop_amount: number(), shop_currency: code }
    }
}

impl Transaction {
    /// `refund` and `of` are the row's refund and the return that it belongs to, if any.
    pub fn of(row: &TransactionRow, refund: Option<&Refund>, of: Option<&Return>) -> Transaction {
        match &row.movement {
            Movement::In(payment) => Transaction {
                id: payment.id.0,
                r#type: type_of_payment(payment.kind),
                external_reference_id: payment.provider_reference.clone(),
                external_reference_type: match payment.kind {
                    PaymentKind::InvoicePayment => "InvoicePaymentId",
                    PaymentKind::Payment | PaymentKind::Authorization | PaymentKind::Capture => {
                        "PlatformPaymentId"
                    }
                },
                amount: Amount::of(payment.amount, row.currency),
                status: Status::Success.name(),
                processor: payment.provider.clone(),
                bank_account_details: None,
                return_item_ids: Vec::new(),
                created_at: time(payment.created_at),
                last_updated: time(payment.updated_at),
            },
            Movement::Back(back) => {
                let to = refund.map_or(Destination::OriginalPayment, |refund| refund.to);
                Transaction {
                    id: back.id.0,
                    r#type: type_of_refund(to),
                    external_reference_id: back.provider_reference.clone(),
                    external_reference_type: reference_type(to),
                    amount: Amount::of(back.amount, row.currency),
                    status: Status::of(back.state).name(),
                    processor: match back.execution {
                        Execution::Automatic => back.provider.clone(),
                        Execution::Notify | Execution::Manual | Execution::Internal => {
                            EXTERNAL.to_owned()
                        }
                    },
                    bank_account_details: None,
                    return_item_ids: returned_items(refund, of),
                    created_at: time(back.created_at),
                    last_updated: time(back.updated_at),
                }
            }
        }
    }
}

pub fn reference_type(to: Destination) -> &'static str {
    match to {
        Destination::StoreCredit | Destination::CustomerBalance => "StoreCreditCode",
        Destination::GiftCard => "GiftCardCode",
        Destination::OriginalPayment
        | Destination::BankTransfer
        | Destination::Cash
        | Destination::Other => "PlatformRefundId",
    }
}

/// The items of the return that the refund is for: those of its lines, or all when it has none.
fn returned_items(refund: Option<&Refund>, of: Option<&Return>) -> Vec<String> {
    let (Some(refund), Some(of)) = (refund, of) else { return Vec::new() };
    let covered =
        |line: u32| refund.parts.is_empty() || refund.parts.iter().any(|part| part.line == line);
    let items = of.items.iter().filter(|item| covered(item.line));
    items.map(|item| item_id(of, item.line)).collect()
}

pub fn item_id(of: &Return, line: u32) -> String {
    format!("{}-{line}", of.id)
}

/// What somebody outside says of a transaction.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Update {
    pub status: Option<String>,
    pub external_reference_id: Option<Text>,
    pub external_reference_type: Option<String>,
    pub amount: Option<Stated>,
    pub comment: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stated {
    pub amount: Option<Figure>,
    pub currency: Option<String>,
    pub shop_amount: Option<Figure>,
    pub shop_currency: Option<String>,
}

pub fn status_of_return(state: ReturnState) -> &'static str {
    match state {
        ReturnState::Pending => "Pending",
        ReturnState::Approved => "Approved",
        ReturnState::Received => "Received",
        ReturnState::Validated => "Validated",
        ReturnState::Done => "Done",
        ReturnState::Rejected => "Rejected",
        ReturnState::Canceled => "Canceled",
    }
}

/// Whole seconds, always at `+00:00`.
pub fn time(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}
