//! What a batch leaves, written: one statement a kind of row, whatever the count of rows, all of
//! them and the commit in one round trip.

use refundry_domain::changes::Mark;
use refundry_domain::credit::{Account, Entry};
use refundry_domain::day::Day;
use refundry_domain::order::{Line, Metadata, Order, Payment, tracking_ids};
use refundry_domain::outcome::Failure;
use refundry_domain::refund::{Refund, RefundTransaction};
use refundry_domain::returns::Return;
use tokio_postgres::types::ToSql;

use super::shelf::{Held, NewClaim, NewEvent, Shelf};
use super::statements::*;
use crate::store::encode;
use crate::store::people::words;

/// An array with one value a row.
type Column<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement and its arrays; its first parameter is the merchant.
pub struct Statement<'a> {
    pub sql: &'static str,
    pub columns: Vec<Column<'a>>,
}

/// The columns of a statement, made from rows.
pub struct Columns<'a, T> {
    rows: &'a [T],
    made: Vec<Column<'a>>,
}

impl<'a, T> Columns<'a, T> {
    pub fn of(rows: &'a [T]) -> Columns<'a, T> {
        Columns { rows, made: Vec::new() }
    }

    pub fn with<V: Send + Sync + 'a>(mut self, value: impl Fn(&'a T) -> V) -> Columns<'a, T>
    where
        Vec<V>: ToSql,
    {
        self.made.push(Box::new(self.rows.iter().map(value).collect::<Vec<V>>()));
        self
    }

    pub fn sql(self, sql: &'static str) -> Option<Statement<'a>> {
        (!self.rows.is_empty()).then_some(Statement { sql, columns: self.made })
    }
}

/// The rows that are to be written, each kind in order of its key, so that two batches never wait
/// for each other in a circle.
#[derive(Default)]
pub struct Rows<'a> {
    new_orders: Vec<&'a Held>,
    orders: Vec<&'a Held>,
    new_lines: Vec<(&'a Order, &'a Line)>,
    lines: Vec<(&'a Order, &'a Line)>,
    new_payments: Vec<(&'a Order, &'a Payment)>,
    payments: Vec<&'a Payment>,
    new_returns: Vec<&'a Return>,
    returns: Vec<&'a Return>,
    new_refunds: Vec<(&'a Refund, i64)>,
    refunds: Vec<&'a Refund>,
    new_transactions: Vec<(&'a Refund, &'a RefundTransaction)>,
    transactions: Vec<&'a RefundTransaction>,
    work: Vec<&'a refundry_domain::changes::Work>,
    no_work: Vec<(&'static str, i64)>,
    pub new_accounts: Vec<&'a Account>,
    pub accounts: Vec<&'a Account>,
    pub entries: &'a [Entry],
    pub days: Vec<&'a Day>,
    events: &'a [NewEvent],
    claims: Vec<&'a NewClaim>,
    /// Names by which orders and refunds are found.
    tracked: Vec<(&'a str, i64)>,
    /// Customers' words, by which orders are found.
    words: Vec<(String, i64)>,
}

impl<'a> Rows<'a> {
    pub fn of(shelf: &'a Shelf) -> Rows<'a> {
        let mut rows = Rows { events: &shelf.events, entries: &shelf.entries, ..Rows::default() };
        rows.days = shelf.days.values().filter(|day| day.1).map(|day| &day.0).collect();
        for held in shelf.orders.values() {
            rows.of_order(held);
        }
        rows.new_orders.sort_unstable_by_key(|held| &held.order.reference);
        rows.new_returns.sort_unstable_by_key(|row| &row.reference);
        for held in shelf.refunds.values() {
            if held.mark.is_some() {
                rows.track(&held.refund.metadata, held.refund.id.0);
            }
            match held.mark {
                Some(Mark::New) => rows.new_refunds.push((&held.refund, held.previous)),
                Some(Mark::Changed) => rows.refunds.push(&held.refund),
                None => {}
            }
            for row in &held.refund.transactions {
                match held.transaction_marks.get(&row.id.0) {
                    Some(Mark::New) => rows.new_transactions.push((&held.refund, row)),
                    Some(Mark::Changed) => rows.transactions.push(row),
                    None => {}
                }
            }
        }
        for ((queue, subject), left) in &shelf.work_changed {
            match left {
                Some(work) => rows.work.push(work),
                None => rows.no_work.push((queue.name(), *subject)),
            }
        }
        for held in shelf.accounts.values() {
            match held.mark {
                Some(Mark::New) => rows.new_accounts.push(&held.account),
                Some(Mark::Changed) => rows.accounts.push(&held.account),
                None => {}
            }
        }
        rows.new_accounts.sort_unstable_by_key(|row| (&row.customer, row.kind, row.currency));
        rows.claims = shelf.new_claims.iter().collect();
        rows.claims.sort_unstable_by_key(|claim| claim.digest);
        rows
    }

    /// Has a row found by the names that its notes give it.
    fn track(&mut self, metadata: &'a Metadata, number: i64) {
        let names = tracking_ids(metadata).into_iter();
        self.tracked.extend(names.map(|name| (name, number)));
    }

    fn of_order(&mut self, held: &'a Held) {
        if held.order_mark.is_some() {
            self.track(&held.order.metadata, held.order.id.0);
        }
        match held.order_mark {
            Some(Mark::New) => {
                let customer = &held.order.customer;
                let words = words(customer.name.as_deref(), customer.email.as_deref());
                self.words.extend(words.into_iter().map(|word| (word, held.order.id.0)));
                self.new_orders.push(held);
            }
            Some(Mark::Changed) => self.orders.push(held),
            None => {}
        }
        for line in &held.lines {
            match held.line_marks.get(&line.position) {
                Some(Mark::New) => self.new_lines.push((&held.order, line)),
                Some(Mark::Changed) => self.lines.push((&held.order, line)),
                None => {}
            }
        }
        for payment in &held.payments {
            match held.payment_marks.get(&payment.id.0) {
                Some(Mark::New) => self.new_payments.push((&held.order, payment)),
                Some(Mark::Changed) => self.payments.push(payment),
                None => {}
            }
        }
        for row in &held.returns {
            match held.return_marks.get(&row.id.0) {
                Some(Mark::New) => self.new_returns.push(row),
                Some(Mark::Changed) => self.returns.push(row),
                None => {}
            }
        }
    }

    /// Keys and references first: where another batch has taken one, this one ends there.
    pub fn statements(&'a self) -> Vec<Statement<'a>> {
        [
            self.claimed(),
            self.answered(),
            self.inserted_orders(),
            self.inserted_returns(),
            self.inserted_accounts(),
            self.updated_accounts(),
            self.inserted_entries(),
            self.updated_orders(),
            self.updated_days(),
            self.inserted_lines(),
            self.updated_lines(),
            self.inserted_payments(),
            self.updated_payments(),
            self.updated_returns(),
            self.inserted_refunds(),
            self.updated_refunds(),
            self.inserted_transactions(),
            self.updated_transactions(),
            self.tracked(),
            self.inserted_words(),
            self.inserted_events(),
            self.put_work(),
            self.removed_work(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn claimed(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.claims)
            .with(|row| &row.digest[..])
            .with(|row| row.number)
            .sql(&INSERT_CLAIMS)
    }

    fn answered(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.claims)
            .with(|row| row.number)
            .with(|row| &row.fingerprint[..])
            .with(|row| i64::from(row.answer.status))
            .with(|row| row.at)
            .with(|row| &row.answer.body[..])
            .sql(&INSERT_ANSWERS)
    }

    fn inserted_orders(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.new_orders)
            .with(|row| row.order.id.0)
            .with(|row| row.order.reference.as_str())
            .with(|row| row.order.currency.code())
            .with(|row| row.order.customer.reference.as_deref())
            .with(|row| row.order.customer.email.as_deref())
            .with(|row| row.order.customer.name.as_deref())
            .with(|row| encode::metadata(&row.order.metadata))
            .with(|row| row.order.fulfilled_at.map(|at| at.0))
            .with(|row| row.order.captured.get())
            .with(|row| row.order.held.get())
            .with(|row| row.order.refunded.get())
            .with(|row| row.order.blocked.get())
            .with(|row| row.order.chain.length)
            .with(|row| &row.order.chain.hash[..])
            .with(|row| row.last_event)
            .with(|row| row.last_refund)
            .with(|row| row.order.created_at.0)
            .with(|row| row.order.updated_at.0)
            .sql(&INSERT_ORDERS)
    }

    fn updated_orders(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.orders)
            .with(|row| row.order.id.0)
            .with(|row| encode::metadata(&row.order.metadata))
            .with(|row| row.order.fulfilled_at.map(|at| at.0))
            .with(|row| row.order.captured.get())
            .with(|row| row.order.held.get())
            .with(|row| row.order.refunded.get())
            .with(|row| row.order.blocked.get())
            .with(|row| row.order.chain.length)
            .with(|row| &row.order.chain.hash[..])
            .with(|row| row.last_event)
            .with(|row| row.last_refund)
            .with(|row| row.order.updated_at.0)
            .sql(&UPDATE_ORDERS)
    }

    fn inserted_lines(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.new_lines)
            .with(|(order, _)| order.id.0)
            .with(|(_, row)| i64::from(row.position))
            .with(|(_, row)| row.kind.name())
            .with(|(_, row)| row.for_line.map(i64::from))
            .with(|(_, row)| row.sku.as_deref())
            .with(|(_, row)| row.name.as_deref())
            .with(|(_, row)| i64::from(row.quantity))
            .with(|(_, row)| row.amount.get())
            .with(|(_, row)| row.taken.get())
            .with(|(_, row)| i64::from(row.taken_quantity))
            .with(|(_, row)| row.taken_by_quantity.get())
            .sql(&INSERT_LINES)
    }

    fn updated_lines(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.lines)
            .with(|(order, _)| order.id.0)
            .with(|(_, row)| i64::from(row.position))
            .with(|(_, row)| row.taken.get())
            .with(|(_, row)| i64::from(row.taken_quantity))
            .with(|(_, row)| row.taken_by_quantity.get())
            .sql(&UPDATE_LINES)
    }

    fn inserted_payments(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.new_payments)
            .with(|(_, row)| row.id.0)
            .with(|(order, _)| order.id.0)
            .with(|(order, _)| order.currency.code())
            .with(|(_, row)| row.kind.name())
            .with(|(_, row)| row.parent.map(|parent| parent.0))
            .with(|(_, row)| row.return_id.map(|id| id.0))
            .with(|(_, row)| row.provider.as_str())
            .with(|(_, row)| row.method.as_str())
            .with(|(_, row)| row.provider_reference.as_deref())
            .with(|(_, row)| row.amount.get())
            .with(|(_, row)| row.captured.get())
            .with(|(_, row)| row.held.get())
            .with(|(_, row)| row.refunded.get())
            .with(|(_, row)| row.disputed.get())
            .with(|(_, row)| row.blocked.get())
            .with(|(_, row)| row.created_at.0)
            .with(|(_, row)| row.updated_at.0)
            .with(|(_, row)| encode::metadata(&row.metadata))
            .sql(&INSERT_PAYMENTS)
    }

    fn updated_payments(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.payments)
            .with(|row| row.id.0)
            .with(|row| row.captured.get())
            .with(|row| row.held.get())
            .with(|row| row.refunded.get())
            .with(|row| row.disputed.get())
            .with(|row| row.blocked.get())
            .with(|row| row.updated_at.0)
            .with(|row| encode::metadata(&row.metadata))
            .sql(&UPDATE_PAYMENTS)
    }

    fn inserted_transactions(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.new_transactions)
            .with(|(_, row)| row.id.0)
            .with(|(refund, _)| refund.order.0)
            .with(|(refund, _)| refund.currency.code())
            .with(|_| "refund")
            .with(|(_, row)| row.payment.0)
            .with(|(_, row)| row.provider.as_str())
            .with(|(_, row)| row.method.as_str())
            .with(|(_, row)| row.provider_reference.as_deref())
            .with(|(_, row)| row.amount.get())
            .with(|(_, row)| row.refund.0)
            .with(|(_, row)| row.execution.name())
            .with(|(_, row)| row.state.name())
            .with(|(_, row)| row.key.as_str())
            .with(|(_, row)| i64::from(row.sends))
            .with(|(_, row)| row.first_sent_at.map(|at| at.0))
            .with(|(_, row)| code(row.failure.as_ref()))
            .with(|(_, row)| message(row.failure.as_ref()))
            .with(|(_, row)| row.superseded)
            .with(|(_, row)| row.contradicted)
            .with(|(_, row)| row.message.as_deref())
            .with(|(_, row)| row.created_at.0)
            .with(|(_, row)| row.updated_at.0)
            .with(|(_, row)| row.settled_at.map(|at| at.0))
            .sql(&INSERT_TRANSACTIONS)
    }

    fn updated_transactions(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.transactions)
            .with(|row| row.id.0)
            .with(|row| row.state.name())
            .with(|row| i64::from(row.sends))
            .with(|row| row.first_sent_at.map(|at| at.0))
            .with(|row| code(row.failure.as_ref()))
            .with(|row| message(row.failure.as_ref()))
            .with(|row| row.superseded)
            .with(|row| row.contradicted)
            .with(|row| row.message.as_deref())
            .with(|row| row.provider_reference.as_deref())
            .with(|row| row.updated_at.0)
            .with(|row| row.settled_at.map(|at| at.0))
            .with(|row| encode::metadata(&row.metadata))
            .sql(&UPDATE_TRANSACTIONS)
    }

    fn inserted_refunds(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.new_refunds)
            .with(|(row, _)| row.id.0)
            .with(|(row, _)| row.order.0)
            .with(|(_, previous)| *previous)
            .with(|(row, _)| row.return_id.map(|id| id.0))
            .with(|(row, _)| row.state.name())
            .with(|(row, _)| row.execution.name())
            .with(|(row, _)| row.to.name())
            .with(|(row, _)| row.currency.code())
            .with(|(row, _)| row.amount.get())
            .with(|(row, _)| row.refunded.get())
            .with(|(row, _)| encode::asked_by(&row.asked_by))
            .with(|(row, _)| row.kind.map(|kind| kind.name()))
            .with(|(row, _)| row.payment.map(|payment| payment.0))
            .with(|(row, _)| row.reason.as_deref())
            .with(|(row, _)| row.note.as_deref())
            .with(|(row, _)| code(row.failure.as_ref()))
            .with(|(row, _)| message(row.failure.as_ref()))
            .with(|(row, _)| encode::parts(&row.parts))
            .with(|(row, _)| row.information.as_deref())
            .with(|(row, _)| encode::metadata(&row.metadata))
            .with(|(row, _)| row.requested_by.as_str())
            .with(|(row, _)| row.confirmed_by.as_deref())
            .with(|(row, _)| row.created_at.0)
            .with(|(row, _)| row.updated_at.0)
            .with(|(row, _)| row.settled_at.map(|at| at.0))
            .with(|(row, _)| row.information_due.map(|at| at.0))
            .with(|(row, _)| row.waits_for.map(|why| why.name()))
            .with(|(row, _)| row.counted_on.as_deref())
            .sql(&INSERT_REFUNDS)
    }

    fn updated_refunds(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.refunds)
            .with(|row| row.id.0)
            .with(|row| row.state.name())
            .with(|row| row.amount.get())
            .with(|row| row.refunded.get())
            .with(|row| encode::asked_by(&row.asked_by))
            .with(|row| code(row.failure.as_ref()))
            .with(|row| message(row.failure.as_ref()))
            .with(|row| encode::parts(&row.parts))
            .with(|row| row.information.as_deref())
            .with(|row| encode::metadata(&row.metadata))
            .with(|row| row.confirmed_by.as_deref())
            .with(|row| row.updated_at.0)
            .with(|row| row.settled_at.map(|at| at.0))
            .with(|row| row.information_due.map(|at| at.0))
            .with(|row| row.execution.name())
            .with(|row| row.counted_on.as_deref())
            .sql(&UPDATE_REFUNDS)
    }

    fn inserted_returns(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.new_returns)
            .with(|row| row.id.0)
            .with(|row| row.order.0)
            .with(|row| row.reference.as_str())
            .with(|row| row.kind.name())
            .with(|row| row.state.name())
            .with(|row| encode::items(&row.items))
            .with(|row| row.reason.as_str())
            .with(|row| encode::metadata(&row.metadata))
            .with(|row| row.created_at.0)
            .with(|row| row.updated_at.0)
            .with(|row| row.closed_at.map(|at| at.0))
            .with(|row| row.refunded.get())
            .with(|row| i64::from(row.by_hand))
            .sql(&INSERT_RETURNS)
    }

    fn updated_returns(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.returns)
            .with(|row| row.id.0)
            .with(|row| row.state.name())
            .with(|row| row.reason.as_str())
            .with(|row| encode::metadata(&row.metadata))
            .with(|row| row.updated_at.0)
            .with(|row| row.closed_at.map(|at| at.0))
            .with(|row| row.refunded.get())
            .with(|row| i64::from(row.by_hand))
            .sql(&UPDATE_RETURNS)
    }

    fn tracked(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.tracked).with(|row| row.0).with(|row| row.1).sql(&TRACK)
    }

    fn inserted_words(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.words).with(|row| row.0.as_str()).with(|row| row.1).sql(&INSERT_WORDS)
    }

    fn inserted_events(&'a self) -> Option<Statement<'a>> {
        Columns::of(self.events)
            .with(|row| row.number)
            .with(|row| row.order)
            .with(|row| row.previous)
            .with(|row| row.position)
            .with(|row| row.name.as_ref())
            .with(|row| row.subject_kind.as_ref())
            .with(|row| row.subject)
            .with(|row| row.at)
            .with(|row| &*row.by)
            .with(|row| row.data.as_str())
            .with(|row| &row.hash[..])
            .sql(&INSERT_EVENTS)
    }

    fn put_work(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.work)
            .with(|row| row.queue.name())
            .with(|row| row.subject)
            .with(|row| row.due.0)
            .with(|row| row.lease.map(|lease| lease.worker))
            .with(|row| row.lease.map(|lease| lease.until.0))
            .sql(&PUT_WORK)
    }

    fn removed_work(&'a self) -> Option<Statement<'a>> {
        Columns::of(&self.no_work).with(|row| row.0).with(|row| row.1).sql(REMOVE_WORK)
    }
}

fn code(failure: Option<&Failure>) -> Option<&'static str> {
    failure.map(|failure| failure.code.name())
}

fn message(failure: Option<&Failure>) -> Option<&str> {
    failure.map(|failure| failure.message.as_str())
}
