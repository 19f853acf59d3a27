//! What somebody asks to be given back.

use refundry_domain::command::{
    Ask, Command, DisputeChange, ItemAsk, ItemShare, LineRef, OrderChange, What,
};
use refundry_domain::credit::{Account, AccountKind};
use refundry_domain::ids::{AccountId, ReturnId, Timestamp, TransactionId};
use refundry_domain::money::{Minor, Percent};
use refundry_domain::order::{Chain, LineKind, PaymentKind};
use refundry_domain::refund::{Destination, Execution};

use crate::support::{Desk, amount, ask, exact, items, stated};
use crate::{
    CARD, Flaw, check, close_return, euro, every_refund_needs_approval, note, place, send, shop,
};

pub fn requests() -> Vec<usize> {
    let base = || {
        let desk = shop();
        let mut ask = amount("1.00");
        ask.return_id = Some(desk.book.returns[0].id);
        ask.payment = Some(desk.payment_id(0));
        ask.kind = Some(LineKind::Product);
        (desk, ask)
    };
    let mut flaws = flaws_of_what_is_written();
    flaws.extend(flaws_by_what_is_there());
    let run = |desk: &mut Desk, ask| send(desk, &Command::RequestRefund(ask));
    check("a request by amount", base, &flaws, run)
}

fn flaws_of_what_is_written() -> Vec<Flaw<Ask>> {
    vec![
        Flaw("return_not_found", None, "return", |_, ask| ask.return_id = Some(ReturnId(999))),
        Flaw("payment_not_found", Some("payment"), "txn_999", |_, ask| {
            ask.payment = Some(TransactionId(999));
        }),
        Flaw("text_too_long", Some("reason"), "1000", |_, ask| {
            ask.reason = Some("x".repeat(1_001));
        }),
        Flaw("text_control_character", Some("note"), "control", |_, ask| {
            ask.note = Some("\u{7}".to_owned());
        }),
        Flaw("card_number_refused", Some("metadata/a~1b"), "card number", |_, ask| {
            ask.metadata = note("a/b", CARD);
        }),
        Flaw("currency_differs", Some("currency"), "USD, not in EUR", |_, ask| {
            let mut asked = stated("1.001");
            asked.currency = Some(euro());
            ask.what = What::Amount(asked);
        }),
        Flaw("amount_too_precise", Some("amount"), "USD has 2 decimals", |_, ask| {
            ask.what = What::Amount(stated("-1.001"));
        }),
        Flaw("amount_not_positive", Some("amount"), "above zero", |_, ask| {
            ask.what = What::Amount(stated("0"));
        }),
        Flaw("amount_too_large", Some("amount"), "15 digits", |_, ask| {
            ask.what = What::Amount(stated("10000000000000"));
        }),
    ]
}

fn flaws_by_what_is_there() -> Vec<Flaw<Ask>> {
    vec![
        Flaw("return_closed", None, "rejected", |desk, _| close_return(desk)),
        Flaw("nothing_captured", None, "record its payment", |desk, _| {
            desk.book.payments.remove(0);
            desk.book.add_up();
        }),
        Flaw("payment_not_refundable", Some("payment"), "authorization", |desk, ask| {
            let held = desk.book.payments.iter();
            let held = held.filter(|row| row.kind == PaymentKind::Authorization);
            ask.payment = held.map(|row| row.id).next();
        }),
        Flaw("no_line_of_kind", Some("kind"), "duty", |_, ask| {
            ask.kind = Some(LineKind::Duty);
        }),
        Flaw("more_than_line_has", Some("amount"), "12.01 USD of line 1 was asked", |_, ask| {
            ask.what = What::Amount(stated("12.01"));
        }),
        Flaw("more_than_is_left", Some("amount"), "12.00 USD was asked for, 9.00", |desk, ask| {
            ask.what = What::Amount(stated("12"));
            let (payment, amount) = (desk.book.payments[0].id, Some(exact("1")));
            let dispute = Some(DisputeChange { payment, amount });
            let change = OrderChange { dispute, ..OrderChange::default() };
            // Other flaws may have emptied the order before.
            let _ = desk.run(&Command::ChangeOrder(change));
        }),
        Flaw("destination_not_available", Some("to"), "store_credit", |desk, ask| {
            ask.to = Destination::StoreCredit;
            ask.execution = None;
            desk.book.order.customer.reference = None;
        }),
        Flaw("execution_not_available", Some("execution"), "no gateway", |desk, ask| {
            ask.to = Destination::OriginalPayment;
            ask.execution = Some(Execution::Automatic);
            desk.policy.providers.clear();
        }),
        Flaw("approval_required", None, "scope approve", |desk, ask| {
            every_refund_needs_approval(desk);
            ask.confirm = Some(true);
        }),
        Flaw("credit_account_full", Some(""), "than an account can hold", |desk, ask| {
            fill_an_account(desk);
            ask.to = Destination::StoreCredit;
        }),
    ]
}

/// The customer has all the store credit that an account can hold.
fn fill_an_account(desk: &mut Desk) {
    desk.book.order.customer.reference = Some("c-7".to_owned());
    desk.accounts = vec![Account {
        id: AccountId(900),
        merchant: desk.book.order.merchant,
        kind: AccountKind::StoreCredit,
        currency: desk.book.order.currency,
        customer: desk.book.order.customer.reference.clone(),
        refund: None,
        balance: Minor::MAX,
        code: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        chain: Chain::default(),
        last_event: 0,
    }];
}

fn item(ask: &mut Ask, at: usize) -> &mut ItemAsk {
    match &mut ask.what {
        What::Items(items) => &mut items[at],
        What::Amount(_)
        | What::Percent(_)
        | What::Rest
        | What::PercentOfRest(_)
        | What::Groups(_) => panic!("the ask is by items"),
    }
}

pub fn requests_by_items() -> Vec<usize> {
    let base = || {
        let ask = items(vec![
            (2, ItemShare::Rest),
            (1, ItemShare::Quantity(1)),
            (3, ItemShare::Rest),
            (4, ItemShare::Rest),
        ]);
        (shop(), ask)
    };
    check(
        "a request by items",
        base,
        &[
            Flaw("line_not_found", Some("items/1/line"), "no line 9", |_, ask| {
                item(ask, 1).line = LineRef::Position(9);
            }),
            Flaw("line_ambiguous", Some("items/2/sku"), "\"cap\"", |_, ask| {
                item(ask, 2).line = LineRef::Sku("cap".to_owned());
            }),
            Flaw("fields_contradict", Some("kind"), "name their lines", |_, ask| {
                ask.kind = Some(LineKind::Product);
            }),
            Flaw("out_of_range", Some("items/1/quantity"), "at least one", |_, ask| {
                item(ask, 1).share = ItemShare::Quantity(0);
            }),
            Flaw("amount_not_positive", Some("items/2/amount"), "above zero", |_, ask| {
                item(ask, 2).share = ItemShare::Amount(exact("-1"));
            }),
            Flaw(
                "more_units_than_left",
                Some("items/1/quantity"),
                "3 units of line 1",
                |_, ask| {
                    item(ask, 1).share = ItemShare::Quantity(3);
                },
            ),
            Flaw("more_than_line_has", Some("items/2/amount"), "2.01 USD of line 3", |_, ask| {
                item(ask, 2).share = ItemShare::Amount(exact("2.01"));
            }),
            Flaw("more_than_is_left", Some("items"), "8.00 USD was asked for, 0.00", |desk, _| {
                if desk.book.left().get() > 0 {
                    desk.request(amount("10.00")).unwrap();
                }
            }),
        ],
        |desk, ask| send(desk, &Command::RequestRefund(ask)),
    )
}

pub fn requests_of_nothing() -> Vec<usize> {
    let mut seen = check(
        "a request by items of nothing",
        || (shop(), items(vec![(1, ItemShare::Rest)])),
        &[
            Flaw("line_not_found", Some("items/0/sku"), "\"hat\"", |_, ask| {
                *ask = items(vec![(1, ItemShare::Rest)]);
                item(ask, 0).line = LineRef::Sku("hat".to_owned());
            }),
            Flaw("nothing_to_give_back", Some("items"), "nothing", |_, ask| {
                *ask = items(vec![(4, ItemShare::Rest)]);
            }),
        ],
        |desk, ask| send(desk, &Command::RequestRefund(ask)),
    );
    for (what, code, field) in [
        (What::Items(Vec::new()), "field_missing", "items"),
        (items(vec![(9, ItemShare::Rest); 2_001]).what, "too_many", "items"),
        (What::Percent(Percent::read(exact("0.0001")).unwrap()), "nothing_to_give_back", "percent"),
    ] {
        let refusal = shop().request(ask(what)).unwrap_err();
        assert_eq!((refusal.code(), refusal.field()), (code, Some(field)));
        seen.push(place(&refusal));
    }
    seen
}
