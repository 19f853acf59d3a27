//! Orders, payments and returns.

use refundry_domain::command::{
    Command, DisputeChange, NewOrder, NewPayment, OrderChange, ReturnChange,
};
use refundry_domain::ids::{ReturnId, Timestamp, TransactionId};
use refundry_domain::order::{LineKind, PaymentKind};
use refundry_domain::refusal::Refusal;
use refundry_domain::returns::{ReturnItem, ReturnState};

use crate::support::{Desk, exact, line, order, payment, stated};
use crate::{CARD, Flaw, check, euro, goods, note, send, shop};

fn one_order() -> (Desk, NewOrder) {
    let mut new = order(
        vec![line(LineKind::Product, "mug", 1, "1")],
        vec![payment("sandbox", "1.00"), payment("sandbox", "1.00")],
    );
    new.reference = Some("1001".to_owned());
    (Desk::empty(), new)
}

#[expect(clippy::needless_pass_by_value, reason = "so the tables call it")]
fn register(desk: &mut Desk, new: NewOrder) -> Result<(), Refusal> {
    desk.register(&new).map(|_| ())
}

pub fn orders() -> Vec<usize> {
    let mut seen = check(
        "an order",
        one_order,
        &[
            Flaw("field_missing", Some("reference"), "A reference", |_, new| {
                new.reference = Some(String::new());
            }),
            Flaw("text_too_long", Some("customer/email"), "200", |_, new| {
                new.customer.email = Some("é".repeat(201));
            }),
            Flaw("too_many", Some("metadata"), "20", |_, new| {
                new.metadata = (0..21).map(|key| (key.to_string(), String::new())).collect();
            }),
            Flaw("time_in_future", Some("created_at"), "future", |desk, new| {
                new.created_at = Some(Timestamp(desk.now + 60_001));
            }),
        ],
        register,
    );
    seen.extend(check(
        "an order's line",
        one_order,
        &[
            Flaw("line_not_found", Some("lines/0/for_line"), "no line 9", |_, new| {
                new.lines[0].for_line = Some(9);
            }),
            Flaw("card_number_refused", Some("lines/0/sku"), "card number", |_, new| {
                new.lines[0].sku = Some(CARD.to_owned());
            }),
            Flaw("out_of_range", Some("lines/0/quantity"), "at least one unit", |_, new| {
                new.lines[0].quantity = 0;
            }),
            Flaw("amount_not_positive", Some("lines/0/amount"), "above zero", |_, new| {
                new.lines[0].amount = exact("-0.01");
            }),
            Flaw("amount_too_large", Some("lines/1/amount"), "15 digits", |_, new| {
                let dear = line(LineKind::Product, "gem", 1, "9999999999999.99");
                new.lines.push(dear);
            }),
            Flaw("reference_taken", Some("reference"), "\"1001\" is taken by ord_7", |desk, _| {
                desk.reference_taken = Some(7);
            }),
        ],
        register,
    ));
    seen
}

pub fn orders_of_too_much() -> Vec<usize> {
    check(
        "an order's payment",
        one_order,
        &[
            Flaw("too_many", Some("lines"), "2000", |_, new| {
                new.lines = vec![new.lines[0].clone(); 2_001];
            }),
            Flaw("too_many", Some("payments"), "200", |_, new| {
                new.payments = vec![payment("sandbox", "0.01"); 201];
            }),
            Flaw("amount_too_large", Some("payments/1/amount"), "15 digits", |_, new| {
                new.payments = vec![payment("sandbox", "9999999999999.99"); 2];
            }),
        ],
        register,
    )
}

pub fn payments() -> Vec<usize> {
    let base = || {
        let desk = shop();
        let mut new = payment("sandbox", "5.00");
        (new.kind, new.parent) = (PaymentKind::Capture, Some(desk.payment_id(1)));
        (desk, new)
    };
    let parent: fn(&mut Desk, &mut NewPayment) = |desk, new| new.parent = Some(desk.payment_id(0));
    check(
        "a payment",
        base,
        &[
            Flaw("return_not_found", None, "return", |_, new| new.return_id = Some(ReturnId(9))),
            Flaw("payment_not_found", Some("parent"), "txn_999", |_, new| {
                new.parent = Some(TransactionId(999));
            }),
            Flaw("field_missing", Some("provider"), "The provider", |_, new| new.provider.clear()),
            Flaw("text_too_long", Some("method"), "200", |_, new| new.method = "x".repeat(201)),
            Flaw("card_number_refused", Some("provider_reference"), "card number", |_, new| {
                new.provider_reference = Some(CARD.to_owned());
            }),
            Flaw("card_number_refused", Some("metadata/note"), "card number", |_, new| {
                new.metadata.insert("note".to_owned(), CARD.to_owned());
            }),
            Flaw("time_in_future", Some("created_at"), "future", |_, new| {
                new.created_at = Some(Timestamp(i64::MAX));
            }),
            Flaw("currency_differs", Some("currency"), "not in EUR", |_, new| {
                new.amount.currency = Some(euro());
            }),
            Flaw("amount_too_large", Some("amount"), "15 digits", |_, new| {
                new.amount = stated("9999999999999.99");
            }),
            Flaw("wrong_parent", Some("parent"), "only a capture", |_, new| {
                new.kind = PaymentKind::Payment;
            }),
            Flaw("wrong_parent", Some("parent"), "draws on an authorization", parent),
            Flaw("more_than_authorized", Some("amount"), "5.01 USD was asked", |_, new| {
                new.amount = stated("5.01");
            }),
        ],
        |desk, new| send(desk, &Command::RecordPayment(new)),
    )
}

pub fn disputes() -> Vec<usize> {
    let base = || {
        let desk = shop();
        let dispute = DisputeChange { payment: desk.payment_id(0), amount: Some(exact("10")) };
        (desk, OrderChange { dispute: Some(dispute), ..OrderChange::default() })
    };
    check(
        "a change of an order",
        base,
        &[
            Flaw("payment_not_found", Some("dispute/payment"), "txn_999", |_, change| {
                change.dispute.as_mut().unwrap().payment = TransactionId(999);
            }),
            Flaw("field_missing", Some("metadata/"), "A name", |_, change| {
                change.metadata = Some(note("", ""));
            }),
            Flaw("amount_too_precise", Some("dispute/amount"), "2 decimals", |_, change| {
                change.dispute.as_mut().unwrap().amount = Some(exact("1.001"));
            }),
            Flaw("more_than_is_left", Some("dispute/amount"), "10.01", |_, change| {
                change.dispute.as_mut().unwrap().amount = Some(exact("10.01"));
            }),
        ],
        |desk, change| send(desk, &Command::ChangeOrder(change)),
    )
}

pub fn returns() -> Vec<usize> {
    let base = || {
        let item = ReturnItem { line: 1, quantity: 2, reason: String::new() };
        let mut new = goods(vec![item]);
        new.reference = Some("R1".to_owned());
        (shop(), new)
    };
    let mut seen = check(
        "a return",
        base,
        &[
            Flaw("line_not_found", Some("items/0/line"), "no line 9", |_, new| {
                new.items[0].line = 9;
            }),
            Flaw("field_missing", Some("reference"), "A reference", |_, new| {
                new.reference = Some(String::new());
            }),
            Flaw("text_too_long", Some("reason"), "1000", |_, new| new.reason = "x".repeat(1_001)),
            Flaw("out_of_range", Some("items/0/quantity"), "at most", |_, new| {
                new.items[0].quantity = 3;
            }),
            Flaw("text_control_character", Some("items/0/reason"), "control", |_, new| {
                new.items[0].reason = "\n".to_owned();
            }),
            Flaw("reference_taken", Some("reference"), "\"R1\" is taken by ret_8", |desk, _| {
                desk.reference_taken = Some(8);
            }),
        ],
        |desk, new| send(desk, &Command::OpenReturn(new)),
    );
    seen.extend(check::<ReturnChange>(
        "a change of a return",
        || {
            let state = Some(ReturnState::Approved);
            (shop(), ReturnChange { state, ..ReturnChange::default() })
        },
        &[
            Flaw("return_not_found", None, "return", |desk, _| desk.book.returns.clear()),
            Flaw("text_too_long", Some("reason"), "1000", |_, change| {
                change.reason = Some("x".repeat(1_001));
            }),
            Flaw("return_closed", None, "rejected", |desk, _| {
                desk.book.returns.iter_mut().for_each(|row| row.state = ReturnState::Rejected);
            }),
        ],
        |desk, change| send(desk, &Command::ChangeReturn(change)),
    ));
    seen
}
