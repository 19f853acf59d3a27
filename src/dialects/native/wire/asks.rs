//! What callers send. Unknown fields are refused everywhere; a field that is null is as one that
//! is not there.

use refundry_domain::command::{
    Ask, DisputeChange, ItemAsk, ItemShare, LineRef, NewLine, NewOrder, NewPayment, NewReturn,
    OrderChange, Paid, RefundChange, ReturnChange, Stated, What,
};
use refundry_domain::order::{Customer, LineKind, PaymentKind};
use refundry_domain::refund::Destination;
use refundry_domain::returns::{ReturnItem, ReturnKind};
use serde::Deserialize;
use utoipa::ToSchema;

use super::words::{
    Code, DestinationWord, ExecutionWord, LineWord, Notes, OrderName, PaymentWord, ReturnKindWord,
    ReturnStateWord, ReturnTag, Time, TransactionTag,
};
use crate::dialects::shared::exact::{Figure, Share};
use crate::dialects::shared::problem::{Code as Trouble, Problem};

/// An order to register, with the payments that it was paid with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderAsk {
    /// The shop's own number, unique; the order's number when not given.
    #[schema(example = "1001")]
    reference: Option<String>,
    currency: Code,
    customer: Option<CustomerAsk>,
    #[serde(default)]
    lines: Vec<LineAsk>,
    #[serde(default)]
    payments: Vec<PaymentAsk>,
    #[serde(default)]
    fulfilled: bool,
    #[serde(default)]
    metadata: Option<Notes>,
    /// When the customer ordered; now, when not given.
    created_at: Option<Time>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerInput)]
struct CustomerAsk {
    reference: Option<String>,
    #[schema(example = "ada@example.com")]
    email: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LineInput)]
struct LineAsk {
    /// What the line is for; `product` when not given.
    kind: Option<LineWord>,
    /// The position, from 1, of the product line that this one belongs to.
    for_line: Option<u32>,
    sku: Option<String>,
    name: Option<String>,
    /// 1 when not given.
    quantity: Option<u32>,
    /// What all units of the line cost together.
    amount: Figure,
}

/// Money that moved towards the merchant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentAsk {
    /// `payment` when not given.
    kind: Option<PaymentWord>,
    /// The authorization that a capture draws on.
    parent: Option<TransactionTag>,
    /// The return that an invoice payment belongs to.
    #[serde(rename = "return")]
    return_id: Option<ReturnTag>,
    #[schema(example = "sandbox")]
    provider: String,
    /// `card` when not given.
    method: Option<String>,
    /// The provider's own name of the movement.
    provider_reference: Option<String>,
    amount: Figure,
    /// The order's, when not given.
    currency: Option<Code>,
    metadata: Option<Notes>,
    created_at: Option<Time>,
}

impl OrderAsk {
    pub fn command(self) -> NewOrder {
        let customer = self.customer.map_or_else(Customer::default, |customer| Customer {
            reference: customer.reference,
            email: customer.email,
            name: customer.name,
        });
        NewOrder {
            reference: self.reference,
            currency: self.currency.0,
            customer,
            lines: self.lines.into_iter().map(LineAsk::command).collect(),
            payments: self.payments.into_iter().map(PaymentAsk::command).collect(),
            fulfilled: self.fulfilled,
            metadata: self.metadata.unwrap_or_default().0,
            created_at: self.created_at.map(|at| at.0),
        }
    }
}

impl LineAsk {
    fn command(self) -> NewLine {
        NewLine {
            kind: self.kind.map_or(LineKind::Product, |kind| kind.0),
            for_line: self.for_line,
            sku: self.sku,
            name: self.name,
            quantity: self.quantity.unwrap_or(1),
            amount: self.amount.0,
        }
    }
}

impl PaymentAsk {
    pub fn command(self) -> NewPayment {
        NewPayment {
            kind: self.kind.map_or(PaymentKind::Payment, |kind| kind.0),
            parent: self.parent.map(|id| id.0),
            return_id: self.return_id.map(|id| id.0),
            provider: self.provider,
            method: self.method.unwrap_or_else(|| "card".to_owned()),
            provider_reference: self.provider_reference,
            amount: stated(self.amount, self.currency),
            metadata: self.metadata.unwrap_or_default().0,
            created_at: self.created_at.map(|at| at.0),
        }
    }
}

fn stated(figure: Figure, currency: Option<Code>) -> Stated {
    Stated { figure: figure.0, currency: currency.map(|code| code.0) }
}

/// What of an order changes; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderPatch {
    fulfilled: Option<bool>,
    dispute: Option<DisputeAsk>,
    /// Replaces all notes.
    metadata: Option<Notes>,
}

/// What of one payment is in dispute from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Dispute)]
struct DisputeAsk {
    payment: TransactionTag,
    /// Null ends the dispute.
    #[serde(deserialize_with = "nullable")]
    amount: Option<Figure>,
}

/// A field that has to be there, if only as null.
fn nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

impl OrderPatch {
    pub fn command(self) -> OrderChange {
        OrderChange {
            fulfilled: self.fulfilled,
            dispute: self.dispute.map(|dispute| DisputeChange {
                payment: dispute.payment.0,
                amount: dispute.amount.map(|figure| figure.0),
            }),
            metadata: self.metadata.map(|notes| notes.0),
        }
    }
}

/// A refund of one order: exactly one of `amount`, `percent` and `items` says how much.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundAsk {
    order: OrderName,
    amount: Option<Figure>,
    /// The order's; any other is refused.
    currency: Option<Code>,
    /// Of what was captured, or with a `kind`, of those lines.
    percent: Option<Share>,
    items: Option<Vec<ItemInput>>,
    /// Only of the lines of this kind.
    kind: Option<LineWord>,
    /// The return that it belongs to.
    #[serde(rename = "return")]
    return_id: Option<ReturnTag>,
    /// The payment to draw on; split over all of them when not given.
    payment: Option<TransactionTag>,
    /// `original_payment` when not given.
    to: Option<DestinationWord>,
    /// How to carry it out; the payment's provider decides when not given.
    execution: Option<ExecutionWord>,
    /// It was paid by hand already: recorded as manual and succeeded.
    paid: Option<PaidInput>,
    /// Whether to carry it out at once; yes when not given, unless the policy asks for approval.
    confirm: Option<bool>,
    #[schema(example = "requested_by_customer")]
    reason: Option<String>,
    note: Option<String>,
    metadata: Option<Notes>,
}

/// What is known of a refund that somebody paid by hand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Paid)]
struct PaidInput {
    /// What whoever paid calls the movement, such as a bank's or a till's number.
    #[schema(example = "bank-2026-11-22-17")]
    provider_reference: Option<String>,
}

/// One line of a refund: by `line` or `sku`, and at most one of `quantity`, `amount` and
/// `percent`; without, everything that is left of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ItemInput {
    /// The line's position, from 1.
    line: Option<u32>,
    sku: Option<String>,
    quantity: Option<u32>,
    amount: Option<Figure>,
    /// Of the whole line.
    percent: Option<Share>,
}

impl RefundAsk {
    pub fn order(&self) -> refundry_domain::ids::OrderRef {
        self.order.0.clone()
    }

    pub fn command(self, may_approve: bool) -> Result<Ask, Problem> {
        let what = what(self.amount, self.currency, self.percent, self.items)?;
        Ok(Ask {
            what,
            kind: self.kind.map(|kind| kind.0),
            payment: self.payment.map(|id| id.0),
            return_id: self.return_id.map(|id| id.0),
            to: self.to.map_or(Destination::OriginalPayment, |to| to.0),
            execution: self.execution.map(|execution| execution.0),
            paid: self.paid.map(|paid| Paid { reference: paid.provider_reference }),
            confirm: self.confirm,
            may_approve,
            reason: self.reason,
            note: self.note,
            metadata: self.metadata.unwrap_or_default().0,
        })
    }
}

fn what(
    amount: Option<Figure>,
    currency: Option<Code>,
    percent: Option<Share>,
    items: Option<Vec<ItemInput>>,
) -> Result<What, Problem> {
    let one = "Give exactly one of amount, percent and items.";
    if currency.is_some() && amount.is_none() {
        let detail = "A currency goes with an amount.";
        return Err(Problem::field(Trouble::FieldInvalid, "/currency", detail));
    }
    match (amount, percent, items) {
        (Some(figure), None, None) => Ok(What::Amount(stated(figure, currency))),
        (None, Some(Share(percent)), None) => Ok(What::Percent(percent)),
        (None, None, Some(items)) => {
            let items = items.into_iter().enumerate().map(|(index, item)| item.command(index));
            items.collect::<Result<_, _>>().map(What::Items)
        }
        (None, None, None) => Err(Problem::field(Trouble::FieldMissing, "/amount", one)),
        (Some(_), Some(_), _) => Err(Problem::field(Trouble::FieldInvalid, "/percent", one)),
        (_, _, Some(_)) => Err(Problem::field(Trouble::FieldInvalid, "/items", one)),
    }
}

impl ItemInput {
    fn command(self, index: usize) -> Result<ItemAsk, Problem> {
        let refused = |code, name: &str, detail: &'static str| {
            Err(Problem::field(code, format!("/items/{index}/{name}"), detail))
        };
        let line = match (self.line, self.sku) {
            (Some(position), None) => LineRef::Position(position),
            (None, Some(sku)) => LineRef::Sku(sku),
            (None, None) => {
                return refused(Trouble::FieldMissing, "line", "Name the line by line or sku.");
            }
            (Some(_), Some(_)) => {
                return refused(Trouble::FieldInvalid, "sku", "Give line or sku, not both.");
            }
        };
        let share = match (self.quantity, self.amount, self.percent) {
            (None, None, None) => ItemShare::Rest,
            (Some(units), None, None) => ItemShare::Quantity(units),
            (None, Some(figure), None) => ItemShare::Amount(figure.0),
            (None, None, Some(Share(percent))) => ItemShare::Percent(percent),
            (_, amount, _) => {
                let name = if amount.is_some() { "amount" } else { "percent" };
                let detail = "Give at most one of quantity, amount and percent.";
                return refused(Trouble::FieldInvalid, name, detail);
            }
        };
        Ok(ItemAsk { line, share })
    }
}

/// What of a refund changes; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundPatch {
    /// While unconfirmed only.
    amount: Option<Figure>,
    currency: Option<Code>,
    /// Replaces all notes.
    metadata: Option<Notes>,
}

impl RefundPatch {
    pub fn command(self) -> Result<RefundChange, Problem> {
        if self.currency.is_some() && self.amount.is_none() {
            let detail = "A currency goes with an amount.";
            return Err(Problem::field(Trouble::FieldInvalid, "/currency", detail));
        }
        Ok(RefundChange {
            amount: self.amount.map(|figure| stated(figure, self.currency)),
            metadata: self.metadata.map(|notes| notes.0),
        })
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelAsk {
    pub reason: Option<String>,
}

/// An operation that needs nothing said.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The customer's bank account, for a payout that cannot go back to the payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InformationAsk {
    #[schema(example = "DE89 3704 0044 0532 0130 00")]
    pub iban: String,
    pub account_holder: String,
    pub bic: Option<String>,
}

/// Goods coming back, or a claim.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnAsk {
    pub order: OrderName,
    reference: Option<String>,
    /// `return` when not given.
    kind: Option<ReturnKindWord>,
    #[serde(default)]
    items: Vec<ReturnItemInput>,
    reason: Option<String>,
    metadata: Option<Notes>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReturnItemInput {
    /// The line's position, from 1.
    line: u32,
    quantity: u32,
    reason: Option<String>,
}

impl ReturnAsk {
    pub fn command(self) -> NewReturn {
        let items = self.items.into_iter().map(|item| ReturnItem {
            line: item.line,
            quantity: item.quantity,
            reason: item.reason.unwrap_or_default(),
        });
        NewReturn {
            reference: self.reference,
            kind: self.kind.map_or(ReturnKind::Return, |kind| kind.0),
            items: items.collect(),
            reason: self.reason.unwrap_or_default(),
            metadata: self.metadata.unwrap_or_default().0,
        }
    }
}

/// What of a return changes; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnPatch {
    state: Option<ReturnStateWord>,
    reason: Option<String>,
    /// Replaces all notes.
    metadata: Option<Notes>,
}

impl ReturnPatch {
    pub fn command(self) -> ReturnChange {
        ReturnChange {
            state: self.state.map(|state| state.0),
            reason: self.reason,
            metadata: self.metadata.map(|notes| notes.0),
        }
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseAsk {
    /// `done` (when not given), `rejected` or `canceled`.
    pub state: Option<ReturnStateWord>,
}
