//! What a transaction can be searched by, as conditions that both databases understand.

use super::Search;

/// A list that a condition speaks of.
pub enum List<'a> {
    Numbers(Vec<i64>),
    Names(Vec<&'a str>),
}

/// A condition on a row of `transactions`. In its text, `{merchant}` stands for the merchant, and
/// `IN {0}` for being in the first list, and so on.
pub struct Condition<'a> {
    pub text: &'static str,
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
    let numbers = |text, numbers: Vec<i64>| {
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
        found.push(Some(Condition { text: OF_KINDS, lists }));
    }
    if wanted.payments_too || !states.is_empty() {
        let text = match wanted.payments_too {
            true => "(state IN {0} OR refund IS NULL)",
            false => "state IN {0}",
        };
        found.push(Some(Condition { text, lists: vec![List::Names(states)] }));
    }
    if wanted.outside_too || !providers.is_empty() {
        let text = match wanted.outside_too {
            true => "(coalesce(execution, 'automatic') <> 'automatic' OR provider IN {0})",
            false => "coalesce(execution, 'automatic') = 'automatic' AND provider IN {0}",
        };
        found.push(Some(Condition { text, lists: vec![List::Names(providers)] }));
    }
    found.into_iter().flatten().collect()
}
