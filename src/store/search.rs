//! What transactions and refunds can be searched by, as conditions that both databases understand.

use std::borrow::Cow;
use std::collections::BTreeMap;

use refundry_domain::ids::OrderId;
use refundry_domain::money::{Currency, Exact};
use refundry_domain::refund::{Execution, State};

use super::{Bound, Comparison, Measured, RefundFilter, RefundSearch, Search};

/// A list that a condition speaks of.
pub enum List<'a> {
    Numbers(Vec<i64>),
    Names(Vec<&'a str>),
}

/// A condition on a row of `transactions` or `refunds`. In its text, `{merchant}` stands for the merchant, and
/// `IN {0}` for being in the first list, and so on.
pub struct Condition<'a> {
    pub text: Cow<'static, str>,
    pub lists: Vec<List<'a>>,
}

/// An order's payments by their index, and its refunds along their list: its transactions have no
/// index of their own.
const OF_ORDERS: &str = "number IN (\
    SELECT number FROM transactions \
    WHERE merchant = {merchant} AND order_number IN {0} AND refund IS NULL \
    UNION SELECT number FROM transactions WHERE merchant = {merchant} AND refund IN (\
    WITH RECURSIVE list (number, previous) AS (\
    SELECT r.number, r.previous FROM orders o \
    JOIN refunds r ON r.merchant = o.merchant AND r.number = o.last_refund \
    WHERE o.merchant = {merchant} AND o.number IN {0} \
    UNION SELECT r.number, r.previous FROM list \
    JOIN refunds r ON r.merchant = {merchant} AND r.number = list.previous) \
    SELECT number FROM list))";

const OF_RETURNS: &str = "number IN (\
    SELECT number FROM transactions WHERE merchant = {merchant} AND return_number IN {0} \
    AND refund IS NULL AND order_number IN (\
    SELECT order_number FROM returns WHERE merchant = {merchant} AND number IN {0}) \
    UNION SELECT number FROM transactions WHERE merchant = {merchant} AND refund IN (\
    SELECT number FROM refunds WHERE merchant = {merchant} AND return_number IN {0}))";

const OF_KINDS: &str = "(kind IN {0} OR (SELECT destination FROM refunds \
    WHERE refunds.merchant = {merchant} AND refunds.number = transactions.refund) IN {1})";

/// Everything but the times.
pub fn conditions(wanted: &Search) -> Vec<Condition<'_>> {
    let numbers = |text: &'static str, numbers: Vec<i64>| {
        let text = Cow::Borrowed(text);
        (!numbers.is_empty()).then(|| Condition { text, lists: vec![List::Numbers(numbers)] })
    };
    let kinds: Vec<_> = wanted.kinds.iter().map(|kind| kind.name()).collect();
    let places: Vec<_> = wanted.destinations.iter().map(|to| to.name()).collect();
    let states: Vec<_> = wanted.states.iter().map(|state| state.name()).collect();
    let providers: Vec<_> = wanted.providers.iter().map(String::as_str).collect();
    let mut found = vec![
        numbers("number IN {0}", wanted.numbers.clone()),
        numbers(OF_ORDERS, wanted.orders.iter().map(|id| id.0).collect()),
        numbers(OF_RETURNS, wanted.returns.iter().map(|id| id.0).collect()),
    ];
    if !kinds.is_empty() || !places.is_empty() {
        let lists = vec![List::Names(kinds), List::Names(places)];
        found.push(Some(Condition { text: OF_KINDS.into(), lists }));
    }
    if wanted.payments_too || !states.is_empty() {
        let text = match wanted.payments_too {
            true => "(state IN {0} OR refund IS NULL)",
            false => "state IN {0}",
        };
        found.push(Some(Condition { text: text.into(), lists: vec![List::Names(states)] }));
    }
    if wanted.outside_too || !providers.is_empty() {
        let text = match wanted.outside_too {
            true => "(coalesce(execution, 'automatic') <> 'automatic' OR provider IN {0})",
            false => "coalesce(execution, 'automatic') = 'automatic' AND provider IN {0}",
        };
        found.push(Some(Condition { text: text.into(), lists: vec![List::Names(providers)] }));
    }
    found.into_iter().flatten().collect()
}

/// The refunds of an order, along their list.
const OF_ORDER: &str = "number IN (\
    WITH RECURSIVE list (number, previous) AS (\
    SELECT r.number, r.previous FROM orders o \
    JOIN refunds r ON r.merchant = o.merchant AND r.number = o.last_refund \
    WHERE o.merchant = {merchant} AND o.number IN {0} \
    UNION SELECT r.number, r.previous FROM list \
    JOIN refunds r ON r.merchant = {merchant} AND r.number = list.previous) \
    SELECT number FROM list)";

/// Of the refunds that an index of its own has: what somebody outside has to report.
pub const OUTSIDE: &str = "state IN ('processing', 'needs_attention') AND execution <> 'automatic'";

/// Whether only such refunds are asked for.
pub fn waits_outside(filter: &RefundFilter) -> bool {
    let open = |state: &State| matches!(state, State::Processing | State::NeedsAttention);
    let outside = filter.execution.is_some_and(|execution| execution != Execution::Automatic);
    outside && !filter.states.is_empty() && filter.states.iter().all(open)
}

const OF_SKU: &str = "EXISTS (SELECT 1 FROM lines WHERE lines.merchant = {merchant} \
    AND lines.order_number = refunds.order_number AND lines.sku IN {0})";

/// What a search of refunds asks for, and that they are of the order, when one is given.
pub fn refund_conditions(order: Option<OrderId>, wanted: &RefundSearch) -> Vec<Condition<'_>> {
    let mut found = Vec::new();
    if let Some(order) = order {
        let lists = vec![List::Numbers(vec![order.0])];
        found.push(Condition { text: OF_ORDER.into(), lists });
    }
    if !wanted.numbers.is_empty() {
        let lists = vec![List::Numbers(wanted.numbers.clone())];
        found.push(Condition { text: "number IN {0}".into(), lists });
    }
    let failures: Vec<&str> = wanted.failures.iter().map(|code| code.name()).collect();
    let except: Vec<&str> = wanted.except_failure.iter().map(|code| code.name()).collect();
    let named: [(&'static str, Vec<&str>); 4] = [
        (OF_SKU, wanted.sku.as_deref().into_iter().collect()),
        ("reason IN {0}", wanted.reason.as_deref().into_iter().collect()),
        ("failure_code IN {0}", failures),
        ("NOT (coalesce(failure_code, '') IN {0})", except),
    ];
    let named = named.into_iter().filter(|(_, names)| !names.is_empty());
    found.extend(
        named.map(|(text, names)| Condition { text: text.into(), lists: vec![List::Names(names)] }),
    );
    found.extend(wanted.bounds.iter().map(bound));
    found
}

/// That so much was captured of an order.
pub fn captured<'a>(figure: Exact) -> Condition<'a> {
    compared("captured", Comparison::Equal, figure)
}

fn bound<'a>(bound: &Bound) -> Condition<'a> {
    let column = match bound.of {
        Measured::Amount => "amount",
        Measured::Refunded => "refunded",
    };
    compared(column, bound.is, bound.figure)
}

/// Amounts are kept in minor units, of which each currency has its own.
fn compared<'a>(column: &str, is: Comparison, figure: Exact) -> Condition<'a> {
    let mut by_exponent: BTreeMap<u8, Vec<&'static str>> = BTreeMap::new();
    for currency in Currency::all() {
        by_exponent.entry(currency.exponent()).or_default().push(currency.code());
    }
    let (sign, mut cases) = (sign(is), String::new());
    for (index, exponent) in by_exponent.keys().enumerate() {
        let units = nearest(is, figure, *exponent);
        cases.push_str(&format!(" WHEN currency IN {{{index}}} THEN {units}"));
    }
    let text = format!("{column} {sign} CASE{cases} ELSE -1 END").into();
    Condition { text, lists: by_exponent.into_values().map(List::Names).collect() }
}

/// What a whole number of minor units is compared by.
fn sign(is: Comparison) -> &'static str {
    match is {
        Comparison::Equal => "=",
        Comparison::Above | Comparison::AtLeast => ">=",
        Comparison::Below | Comparison::AtMost => "<=",
    }
}

/// The least or greatest number of minor units that fits; -1, which none is, when none does.
fn nearest(is: Comparison, figure: Exact, exponent: u8) -> i64 {
    let (below, exact) = figure.whole_units(exponent);
    match is {
        Comparison::Equal => {
            if exact {
                below
            } else {
                -1
            }
        }
        Comparison::AtLeast if exact => below,
        Comparison::AtLeast | Comparison::Above => below.saturating_add(1),
        Comparison::Below if exact => below.saturating_sub(1),
        Comparison::Below | Comparison::AtMost => below,
    }
}
