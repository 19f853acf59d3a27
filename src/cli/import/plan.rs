//! From rows to what is asked of the ledger: orders, and the refunds that cancellations make of
//! them. Decides from the file alone, so that every run over the same file asks the same.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use refundry_domain::ids::Timestamp;
use refundry_domain::money::Minor;

use super::rows::{Row, RowKind, Worth};

/// Everything that the file asks for, in the order of time.
#[derive(Debug, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub orders: Vec<PlannedOrder>,
    pub cancellations: Vec<Cancellation>,
    pub refunds: Vec<PlannedRefund>,
    /// How many rows were passed over, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    pub rows: u64,
}

/// Indexes into the plan's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Order(usize),
    Refund(usize),
}

#[derive(Debug)]
pub struct PlannedOrder {
    pub invoice: Arc<str>,
    pub customer: Arc<str>,
    pub at: Timestamp,
    /// In file order, which is their position in the order.
    pub lines: Vec<PlannedLine>,
}

#[derive(Debug)]
pub struct PlannedLine {
    pub sku: Arc<str>,
    pub name: Arc<str>,
    pub quantity: u32,
    pub amount: Minor,
    row: u32,
    taken: u32,
}

/// A row that takes units back.
#[derive(Debug)]
pub struct Cancellation {
    pub row: u32,
    pub invoice: Arc<str>,
    pub sku: Arc<str>,
    pub units: u32,
}

/// What one cancellation takes back of one order.
#[derive(Debug)]
pub struct PlannedRefund {
    pub cancellation: usize,
    pub order: usize,
    /// Positions of lines, from 1, and how many units of each.
    pub items: Vec<(u32, u32)>,
}

impl PlannedRefund {
    pub fn units(&self) -> u64 {
        self.items.iter().map(|(_, units)| u64::from(*units)).sum()
    }
}

impl Plan {
    pub fn of(rows: &[Row]) -> Plan {
        let mut plan = Plan { rows: count(rows.len()), ..Plan::default() };
        let mut by_time: Vec<&Row> = rows.iter().collect();
        by_time.sort_by_key(|row| (row.at, row.kind == RowKind::Cancellation));
        let todo = plan.take_rows(&by_time);
        for order in &mut plan.orders {
            order.lines.sort_by_key(|line| line.row);
        }
        plan.place_all(&todo);
        plan
    }

    /// Makes the orders, and says which rows are left to do, in the order of time: an order stands
    /// where its first row does.
    fn take_rows<'a>(&mut self, by_time: &[&'a Row]) -> Vec<Todo<'a>> {
        let mut todo = Vec::new();
        let mut by_invoice: HashMap<Arc<str>, usize> = HashMap::new();
        for row in by_time {
            match wanted(row) {
                Wanted::Nothing(reason) => *self.skipped.entry(reason).or_default() += 1,
                Wanted::Refund => todo.push(Todo::Cancel(row)),
                Wanted::Line(amount, quantity) => {
                    let order = *by_invoice.entry(row.invoice.clone()).or_insert_with(|| {
                        todo.push(Todo::Order(self.orders.len()));
                        self.orders.push(PlannedOrder {
                            invoice: row.invoice.clone(),
                            customer: row.customer.clone(),
                            at: row.at,
                            lines: Vec::new(),
                        });
                        self.orders.len() - 1
                    });
                    self.orders[order].lines.push(PlannedLine {
                        sku: row.sku.clone(),
                        name: row.name.clone(),
                        quantity,
                        amount,
                        row: row.number,
                        taken: 0,
                    });
                }
            }
        }
        todo
    }

    fn place_all(&mut self, todo: &[Todo<'_>]) {
        let mut known = Shelf::default();
        for next in todo {
            match next {
                Todo::Order(order) => {
                    known.add(*order, &self.orders[*order]);
                    self.steps.push(Step::Order(*order));
                }
                Todo::Cancel(row) => self.place(row, &known),
            }
        }
    }

    /// Finds the units that a cancellation takes back: newest order first, in it by file order.
    fn place(&mut self, row: &Row, known: &Shelf) {
        let units = u32::try_from(row.quantity.unsigned_abs()).unwrap_or(u32::MAX);
        let cancellation = self.cancellations.len();
        self.cancellations.push(Cancellation {
            row: row.number,
            invoice: row.invoice.clone(),
            sku: row.sku.clone(),
            units,
        });
        let mut orders: Vec<usize> = known.orders_with(&row.customer, &row.sku).to_vec();
        orders.retain(|order| self.orders[*order].at <= row.at);
        orders.sort_by(|a, b| newest_first(&self.orders[*a], &self.orders[*b]));
        let mut left = units;
        for order in orders {
            if left == 0 {
                break;
            }
            let items = self.orders[order].take(&row.sku, left);
            if items.is_empty() {
                continue;
            }
            left -= items.iter().map(|(_, units)| units).sum::<u32>();
            self.steps.push(Step::Refund(self.refunds.len()));
            self.refunds.push(PlannedRefund { cancellation, order, items });
        }
    }
}

enum Wanted {
    Line(Minor, u32),
    Refund,
    Nothing(&'static str),
}

fn wanted(row: &Row) -> Wanted {
    let units = u32::try_from(row.quantity.unsigned_abs()).unwrap_or(u32::MAX);
    match (row.kind, row.worth) {
        (RowKind::Other, _) => Wanted::Nothing("other_invoice"),
        (RowKind::Sale, _) if row.quantity <= 0 => Wanted::Nothing("sale_without_quantity"),
        (RowKind::Sale, Worth::NoPrice) => Wanted::Nothing("without_price"),
        (RowKind::Sale, Worth::UnderAPenny) => Wanted::Nothing("under_a_penny"),
        (RowKind::Sale, Worth::Pence(amount)) => Wanted::Line(amount, units),
        (RowKind::Cancellation, _) if row.customer.is_empty() => {
            Wanted::Nothing("cancellation_without_customer")
        }
        (RowKind::Cancellation, Worth::NoPrice) => Wanted::Nothing("cancellation_other"),
        (RowKind::Cancellation, _) if row.quantity >= 0 => Wanted::Nothing("cancellation_other"),
        (RowKind::Cancellation, Worth::Pence(_) | Worth::UnderAPenny) => Wanted::Refund,
    }
}

enum Todo<'a> {
    Order(usize),
    Cancel(&'a Row),
}

/// Which orders of a customer have a sku.
#[derive(Default)]
struct Shelf(HashMap<(Arc<str>, Arc<str>), Vec<usize>>);

impl Shelf {
    fn add(&mut self, index: usize, order: &PlannedOrder) {
        if order.customer.is_empty() {
            return;
        }
        for line in &order.lines {
            let orders = self.0.entry((order.customer.clone(), line.sku.clone())).or_default();
            if orders.last() != Some(&index) {
                orders.push(index);
            }
        }
    }

    fn orders_with(&self, customer: &Arc<str>, sku: &Arc<str>) -> &[usize] {
        self.0.get(&(customer.clone(), sku.clone())).map_or(&[], Vec::as_slice)
    }
}

impl PlannedOrder {
    /// Takes up to `wanted` units of a sku that are still there. Takes nothing when what they are
    /// worth rounds to nothing: no refund is of zero.
    fn take(&mut self, sku: &Arc<str>, wanted: u32) -> Vec<(u32, u32)> {
        let mut items = Vec::new();
        let mut left = wanted;
        let mut worthless = true;
        for (line, position) in self.lines.iter().zip(1_u32..) {
            let units = left.min(line.quantity - line.taken);
            if line.sku == *sku && units > 0 {
                items.push((position, units));
                left -= units;
                worthless &= line.gives(line.taken + units) == line.gives(line.taken);
            }
        }
        if worthless {
            return Vec::new();
        }
        for (line, position) in self.lines.iter_mut().zip(1_u32..) {
            let taken = items.iter().find(|(item, _)| *item == position);
            line.taken += taken.map_or(0, |(_, units)| *units);
        }
        items
    }
}

impl PlannedLine {
    /// What so many of its units give back together.
    fn gives(&self, units: u32) -> Minor {
        self.amount.share(u64::from(units), u64::from(self.quantity))
    }
}

/// By date, then by invoice number as a number.
fn newest_first(a: &PlannedOrder, b: &PlannedOrder) -> Ordering {
    let rank = |order: &PlannedOrder| {
        let digits = order.invoice.trim_start_matches('0').to_owned();
        Reverse((order.at, digits.len(), digits))
    };
    rank(a).cmp(&rank(b))
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
