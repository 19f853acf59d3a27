//! Bank transfers and their files.

use refundry_domain::ids::{Timestamp, TransferFileId};
use refundry_domain::merchant::NewTransferFile;
use refundry_domain::money::{Currency, Minor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::{Amount, Code, Id, OrderTag, RefundTag, Time, TransactionTag, TransferFileTag};
use crate::access::bank::BankDetails;
use crate::dialects::shared::problem::{self, Problem};
use crate::dialects::shared::transfers::Open;
use crate::store::vault::TransferFile;

/// A refund transaction that somebody is to pay by bank transfer.
#[derive(Serialize, ToSchema)]
#[schema(as = BankTransfer)]
pub struct TransferView<'a> {
    transaction: TransactionTag,
    refund: RefundTag,
    order: OrderTag,
    currency: Code,
    amount: Amount,
    /// The last four characters of the account, when it is known.
    last4: Option<&'a str>,
    /// The newest file that it stands in.
    file: Option<TransferFileTag>,
    /// Why it cannot stand in a file: `bank_details` are not there or cannot be read, the
    /// `account_holder` has no letter that banks take, the `amount` is more than they take, or the
    /// `currency` is not EUR.
    lacks: Option<&'static str>,
    created_at: Time,
}

impl<'a> TransferView<'a> {
    pub fn of(open: &'a Open) -> TransferView<'a> {
        let (refund, row) = (&open.refund, open.row());
        TransferView {
            transaction: Id(row.id),
            refund: Id(refund.id),
            order: Id(refund.order),
            currency: Code(refund.currency),
            amount: Amount::of(row.amount, refund.currency),
            last4: refund.information.as_deref().and_then(BankDetails::last4),
            file: open.file.map(|number| Id(TransferFileId(number))),
            lacks: open.lacks(),
            created_at: Time(row.created_at),
        }
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = BankTransferFileInput)]
pub struct FileAsk {
    /// Also those that stand in a file already, when the bank has not taken that one.
    pub again: bool,
    /// The day on which the money is to leave, as `2026-12-01`; today when not given.
    execution_date: Option<String>,
}

impl FileAsk {
    pub fn execution_date(&self) -> Result<Option<jiff::civil::Date>, Problem> {
        let read = |text: &String| {
            text.parse().map_err(|_| {
                let detail = "Expected a day such as 2026-12-01.";
                Problem::field(problem::Code::FieldInvalid, "/execution_date", detail)
            })
        };
        self.execution_date.as_ref().map(read).transpose()
    }
}

/// A `pain.001.001.09` file.
#[derive(Serialize, ToSchema)]
#[schema(as = BankTransferFile)]
pub struct FileView<'a> {
    /// Null when nothing was written.
    id: Option<TransferFileTag>,
    message_id: Option<&'a str>,
    transfers: u32,
    currency: Option<Code>,
    /// The control sum.
    total: Option<Amount>,
    made_by: Option<&'a str>,
    created_at: Option<Time>,
}

impl<'a> FileView<'a> {
    /// Of no transfers.
    pub fn nothing() -> FileView<'a> {
        FileView {
            id: None,
            message_id: None,
            transfers: 0,
            currency: None,
            total: None,
            made_by: None,
            created_at: None,
        }
    }

    pub fn of(file: &'a TransferFile) -> FileView<'a> {
        FileView {
            id: Some(Id(TransferFileId(file.number))),
            message_id: Some(&file.message_id),
            transfers: file.transfers,
            made_by: Some(&file.made_by),
            ..FileView::summed(file.currency, file.total, file.created_at)
        }
    }

    /// As it would be.
    pub fn proposed(new: &'a NewTransferFile, at: Timestamp) -> FileView<'a> {
        let transfers = u32::try_from(new.transfers.len()).unwrap_or(u32::MAX);
        FileView { transfers, ..FileView::summed(new.currency, new.total, at) }
    }

    fn summed(currency: Currency, total: Minor, at: Timestamp) -> FileView<'a> {
        FileView {
            currency: Some(Code(currency)),
            total: Some(Amount::of(total, currency)),
            created_at: Some(Time(at)),
            ..FileView::nothing()
        }
    }
}
