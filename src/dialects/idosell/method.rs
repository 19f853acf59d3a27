//! The nine methods of the refunds gate, and what each takes and gives, as data: the router, the
//! WSDL and the tests are made of it.

use axum::http::Method as Verb;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    AddAutomaticRefund,
    AddAutomaticRefundForOrder,
    AddManualRefund,
    GetPossibleAutoRefunds,
    GetRefundStatus,
    UpdateRefund,
    ConfirmRefund,
    CancelRefund,
    RetrieveRefundsList,
}

/// How a field is typed where types are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Float,
    Text,
    Flag,
    SourceType,
    /// The refund's details: a group of its own.
    Details,
}

/// A field: its name, and its type.
pub type Field = (&'static str, Kind);

/// What a method's answer holds, besides faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    Result(&'static [Field]),
    Results(&'static [Field]),
}

const SOURCE: Field = ("sourceType", Kind::SourceType);
const SOURCE_ID: Field = ("sourceId", Kind::Int);
const PAYMENT: Field = ("paymentId", Kind::Int);
const PAYMENT_TEXT: Field = ("paymentId", Kind::Text);
const VALUE: Field = ("refundValue", Kind::Float);
const CURRENCY: Field = ("refundCurrency", Kind::Text);

/// What `refundDetails` holds.
pub const DETAILS: &[Field] = &[
    ("paymentFormId", Kind::Int),
    ("paymentSystem", Kind::Int),
    ("account", Kind::Text),
    ("clientAccount", Kind::Text),
];

/// What stands beside the rows of a list.
pub const PAGING: &[Field] = &[
    ("resultsNumberAll", Kind::Int),
    ("resultsNumberPage", Kind::Int),
    ("resultsPage", Kind::Int),
    ("resultsLimit", Kind::Int),
];

impl Method {
    pub const ALL: [Method; 9] = [
        Method::AddAutomaticRefund,
        Method::AddAutomaticRefundForOrder,
        Method::AddManualRefund,
        Method::GetPossibleAutoRefunds,
        Method::GetRefundStatus,
        Method::UpdateRefund,
        Method::ConfirmRefund,
        Method::CancelRefund,
        Method::RetrieveRefundsList,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Method::AddAutomaticRefund => "addAutomaticRefund",
            Method::AddAutomaticRefundForOrder => "addAutomaticRefundForOrder",
            Method::AddManualRefund => "addManualRefund",
            Method::GetPossibleAutoRefunds => "getPossibleAutoRefunds",
            Method::GetRefundStatus => "getRefundStatus",
            Method::UpdateRefund => "updateRefund",
            Method::ConfirmRefund => "confirmRefund",
            Method::CancelRefund => "cancelRefund",
            Method::RetrieveRefundsList => "retrieveRefundsList",
        }
    }

    pub fn parse(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The route over REST, for the metrics.
    pub fn route(self) -> &'static str {
        match self {
            Method::AddAutomaticRefund => "/api/admin/{version}/refunds/addAutomaticRefund",
            Method::AddAutomaticRefundForOrder => {
                "/api/admin/{version}/refunds/addAutomaticRefundForOrder"
            }
            Method::AddManualRefund => "/api/admin/{version}/refunds/addManualRefund",
            Method::GetPossibleAutoRefunds => "/api/admin/{version}/refunds/getPossibleAutoRefunds",
            Method::GetRefundStatus => "/api/admin/{version}/refunds/getRefundStatus",
            Method::UpdateRefund => "/api/admin/{version}/refunds/updateRefund",
            Method::ConfirmRefund => "/api/admin/{version}/refunds/confirmRefund",
            Method::CancelRefund => "/api/admin/{version}/refunds/cancelRefund",
            Method::RetrieveRefundsList => "/api/admin/{version}/refunds/retrieveRefundsList",
        }
    }

    pub fn verb(self) -> Verb {
        match self {
            Method::AddAutomaticRefund
            | Method::AddAutomaticRefundForOrder
            | Method::AddManualRefund => Verb::POST,
            Method::GetPossibleAutoRefunds
            | Method::GetRefundStatus
            | Method::RetrieveRefundsList => Verb::GET,
            Method::UpdateRefund | Method::ConfirmRefund | Method::CancelRefund => Verb::PUT,
        }
    }

    /// Whether it looks only. The others need the right to read too: they look the source up.
    pub fn reads(self) -> bool {
        self.verb() == Verb::GET
    }

    pub fn takes(self) -> &'static [Field] {
        match self {
            Method::AddAutomaticRefund => &[SOURCE, SOURCE_ID],
            Method::AddAutomaticRefundForOrder => &[SOURCE_ID, VALUE, PAYMENT, CURRENCY],
            Method::AddManualRefund => {
                &[SOURCE, SOURCE_ID, VALUE, CURRENCY, ("refundDetails", Kind::Details)]
            }
            Method::GetPossibleAutoRefunds => &[SOURCE_ID, SOURCE],
            Method::GetRefundStatus => &[SOURCE_ID, PAYMENT, SOURCE],
            Method::UpdateRefund => &[SOURCE, SOURCE_ID, PAYMENT_TEXT, VALUE, CURRENCY],
            Method::ConfirmRefund => &[SOURCE, SOURCE_ID, PAYMENT],
            Method::CancelRefund => &[SOURCE, SOURCE_ID, PAYMENT_TEXT],
            Method::RetrieveRefundsList => {
                &[SOURCE, ("resultsPage", Kind::Int), ("resultsLimit", Kind::Int)]
            }
        }
    }

    pub fn gives(self) -> Gives {
        match self {
            Method::AddAutomaticRefund
            | Method::AddAutomaticRefundForOrder
            | Method::AddManualRefund => Gives::Result(&[("refundId", Kind::Int)]),
            Method::GetPossibleAutoRefunds => Gives::Results(&[
                PAYMENT,
                ("value", Kind::Float),
                ("refundType", Kind::Text),
                CURRENCY,
            ]),
            Method::GetRefundStatus => Gives::Result(&[
                ("refundDateAdd", Kind::Text),
                VALUE,
                ("refundStatus", Kind::Text),
                ("refundDateConfirm", Kind::Text),
                ("refundExternalId", Kind::Text),
                CURRENCY,
            ]),
            Method::UpdateRefund => Gives::Result(&[("updateResult", Kind::Flag)]),
            Method::ConfirmRefund => Gives::Result(&[("confirmResult", Kind::Flag)]),
            Method::CancelRefund => Gives::Result(&[("resultStatus", Kind::Flag)]),
            Method::RetrieveRefundsList => {
                Gives::Results(&[SOURCE, SOURCE_ID, PAYMENT_TEXT, VALUE, CURRENCY])
            }
        }
    }
}
