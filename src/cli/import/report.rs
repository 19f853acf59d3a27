//! What the import came to, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use refundry_domain::money::Minor;
use refundry_domain::refund::{Refund, State};
use serde::Serialize;

use super::plan::{Plan, PlannedRefund};

/// The credit that the data's licence asks for.
pub const CREDIT: &str = "Data: UCI Online Retail, D. Chen, 2015, CC BY 4.0, doi 10.24432/C5BW33";

/// Amounts in pence. The fields stand in the order in which `--json` shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub orders: u64,
    pub lines: u64,
    pub gross: i64,
    pub cancellation_rows: u64,
    pub placed_in_full: u64,
    pub placed_in_part: u64,
    pub not_placed: u64,
    pub refunds: u64,
    pub refunded_units: u64,
    pub refunded: i64,
    pub unplaced_units: u64,
    pub skipped: BTreeMap<&'static str, u64>,
    /// Cancellation rows with units that no earlier order holds.
    #[serde(skip)]
    pub unplaced: Vec<Unplaced>,
    /// Refunds that were made and are not paid.
    #[serde(skip)]
    pub unpaid: u64,
    #[serde(skip)]
    pub rows: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaced {
    pub row: u32,
    pub invoice: String,
    pub sku: String,
    pub units: u64,
}

/// Adds up what the ledger answers.
pub struct Tally<'a> {
    plan: &'a Plan,
    /// Units that the ledger took back, for each cancellation.
    placed: Vec<u64>,
    orders: u64,
    lines: u64,
    gross: i64,
    refunds: u64,
    refunded: i64,
    unpaid: u64,
}

impl<'a> Tally<'a> {
    pub fn new(plan: &'a Plan) -> Tally<'a> {
        let placed = vec![0; plan.cancellations.len()];
        let (orders, lines, gross, refunds, refunded, unpaid) = (0, 0, 0, 0, 0, 0);
        Tally { plan, placed, orders, lines, gross, refunds, refunded, unpaid }
    }

    pub fn order(&mut self, captured: Minor, lines: u64) {
        self.orders += 1;
        self.lines += lines;
        self.gross += captured.get();
    }

    pub fn refund(&mut self, planned: &PlannedRefund, made: Option<&Refund>) {
        let Some(made) = made else { return };
        self.refunds += 1;
        self.refunded += made.refunded.get();
        self.unpaid += u64::from(made.state != State::Succeeded);
        let units: u64 = made.parts.iter().map(|part| u64::from(part.quantity)).sum();
        self.placed[planned.cancellation] += units;
    }

    pub fn report(self) -> Report {
        let mut report = Report {
            orders: self.orders,
            lines: self.lines,
            gross: self.gross,
            cancellation_rows: 0,
            placed_in_full: 0,
            placed_in_part: 0,
            not_placed: 0,
            refunds: self.refunds,
            refunded_units: self.placed.iter().sum(),
            refunded: self.refunded,
            unplaced_units: 0,
            skipped: self.plan.skipped.clone(),
            unplaced: Vec::new(),
            unpaid: self.unpaid,
            rows: self.plan.rows,
        };
        for (cancellation, placed) in self.plan.cancellations.iter().zip(&self.placed) {
            let missing = u64::from(cancellation.units).saturating_sub(*placed);
            report.cancellation_rows += 1;
            match (missing, *placed) {
                (0, _) => report.placed_in_full += 1,
                (_, 0) => report.not_placed += 1,
                (_, _) => report.placed_in_part += 1,
            }
            report.unplaced_units += missing;
            if missing > 0 {
                report.unplaced.push(Unplaced {
                    row: cancellation.row,
                    invoice: cancellation.invoice.to_string(),
                    sku: cancellation.sku.to_string(),
                    units: missing,
                });
            }
        }
        report.unplaced.sort_by_key(|unplaced| unplaced.row);
        report
    }
}

impl Report {
    /// The report in words.
    pub fn text(&self) -> String {
        let rows = [
            ("orders", thousands(self.orders)),
            ("lines", thousands(self.lines)),
            ("gross", pounds(self.gross)),
            ("cancellation rows", thousands(self.cancellation_rows)),
            ("  placed in full", thousands(self.placed_in_full)),
            ("  placed in part", thousands(self.placed_in_part)),
            ("  not placed", thousands(self.not_placed)),
            ("refunds", thousands(self.refunds)),
            ("units refunded", thousands(self.refunded_units)),
            ("amount refunded", pounds(self.refunded)),
            ("units not placed", thousands(self.unplaced_units)),
        ];
        let mut text = String::new();
        for (name, value) in rows {
            let _ = writeln!(text, "  {name:<48}{value:>16}");
        }
        for (reason, rows) in &self.skipped {
            let name = format!("rows skipped: {}", in_words(reason));
            let _ = writeln!(text, "  {name:<48}{:>16}", thousands(*rows));
        }
        if self.unpaid > 0 {
            let _ = writeln!(text, "  {:<48}{:>16}", "refunds NOT paid", thousands(self.unpaid));
        }
        text
    }

    /// The cancellation rows that found no order, or not enough of one.
    pub fn unplaced_text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "  {:>9}  {:<12}{:<16}{:>8}", "row", "invoice", "sku", "units");
        for unplaced in &self.unplaced {
            let Unplaced { row, invoice, sku, units } = unplaced;
            let _ = writeln!(text, "  {row:>9}  {invoice:<12}{sku:<16}{units:>8}");
        }
        text
    }
}

fn in_words(reason: &str) -> &str {
    match reason {
        "cancellation_without_customer" => "cancellation without a customer",
        "cancellation_other" => "cancellation without quantity or price",
        "other_invoice" => "neither sale nor cancellation",
        "sale_without_quantity" => "sale without a quantity",
        "under_a_penny" => "worth less than a penny",
        "without_price" => "without a price",
        other => other,
    }
}

pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub fn pounds(pence: i64) -> String {
    let pence = pence.unsigned_abs();
    format!("£{}.{:02}", thousands(pence / 100), pence % 100)
}
