//! How a refund's transactions move, and what that makes of the refund, its payments and lines.

use super::{Context, Draft, outside, parts};
use crate::changes::{Mark, Queue, Work, WorkChange};
use crate::event::{Fact, LineShare, Move, RefundMoved, Share};
use crate::ids::TransactionId;
use crate::money::Minor;
use crate::order::Metadata;
use crate::outcome::Failure;
use crate::refund::{Execution, Refund, RefundTransaction, State, TransactionState, Weight};
use crate::returns::ReturnState;

/// What the transactions of a refund make of it, `current` being what it was.
///
/// A refund is succeeded when all of it is paid, in progress while any of it is (or was paid and
/// the rest is open), and needs attention only when nothing else of it is in progress. It is
/// canceled only when all of it was called off: with any of it paid, it has failed in the rest.
/// Once failed, canceled or reversed it stays so until it is retried.
pub fn standing(current: State, transactions: &[RefundTransaction]) -> State {
    use TransactionState as T;
    let live = || transactions.iter().filter(|row| !row.superseded).map(|row| row.state);
    let any = |state: T| live().any(|is| is == state);
    let in_progress = any(T::Processing) || any(T::Requested);
    let under_way = in_progress || any(T::Succeeded) || current == State::Processing;
    if any(T::Unconfirmed) {
        State::Unconfirmed
    } else if any(T::RequiresInformation) {
        State::RequiresInformation
    } else if any(T::Pending) && !under_way {
        State::Pending
    } else if any(T::Pending) || in_progress {
        State::Processing
    } else if any(T::NeedsAttention) {
        State::NeedsAttention
    } else if live().all(|is| is == T::Succeeded) {
        State::Succeeded
    } else {
        match current {
            State::Failed | State::Canceled | State::Reversed => current,
            State::Succeeded => State::Reversed,
            // Called off after all, but others had to look for what became of it.
            State::NeedsAttention => State::Failed,
            State::Unconfirmed
            | State::RequiresInformation
            | State::Pending
            | State::Processing => {
                if live().all(|is| is == T::Canceled) {
                    State::Canceled
                } else {
                    State::Failed
                }
            }
        }
    }
}

/// What the steps of one command come to; turned into one event by [`Draft::conclude`].
#[derive(Default)]
pub struct Steps {
    pub moves: Vec<Move>,
    pub shares: Vec<Share>,
    pub retaken: Vec<LineShare>,
}

/// What a transaction's event says of it, once it has come `from` a state, or learnt something in
/// the one that it stays in.
pub fn step_of(row: &RefundTransaction, from: TransactionState) -> Move {
    Move {
        transaction: row.id,
        payment: row.payment,
        amount: row.amount,
        from,
        to: row.state,
        provider_reference: row.provider_reference.clone(),
        code: row.failure.as_ref().map(|failure| failure.code),
        message: row
            .failure
            .as_ref()
            .map(|failure| failure.message.clone())
            .or_else(|| row.message.clone()),
    }
}

impl Draft {
    pub fn refund(&mut self) -> &mut Refund {
        self.book.refund.as_mut().expect("the command's target is a refund")
    }

    /// The refund counts on the merchant's day, where days have a limit; answers with which it is.
    pub fn count(&mut self, amount: Minor) -> Option<String> {
        let currency = self.book.order.currency;
        let day = self.book.day.as_mut()?;
        day.add(amount, currency);
        self.changes.day = true;
        Some(day.date.clone())
    }

    /// What was decided and called off on one day leaves room for as much on it.
    pub fn count_no_more(&mut self) {
        let (amount, currency) = (self.refund().amount, self.refund().currency);
        let Some(day) = &mut self.book.day else { return };
        let counted = self.book.refund.as_mut().map(|refund| &mut refund.counted_on);
        if let Some(counted) = counted.filter(|on| on.as_deref() == Some(&*day.date)) {
            *counted = None;
            day.take_back(amount, currency);
            self.changes.day = true;
        }
    }

    fn mark_payment(&mut self, index: usize, context: &Context<'_>) {
        self.book.payments[index].updated_at = context.now;
        if !self.changes.payments.iter().any(|(marked, _)| *marked == index) {
            self.changes.payments.push((index, Mark::Changed));
        }
    }

    pub fn mark_transaction(&mut self, index: usize, context: &Context<'_>) {
        self.refund().transactions[index].updated_at = context.now;
        if !self.changes.transactions.iter().any(|(marked, _)| *marked == index) {
            self.changes.transactions.push((index, Mark::Changed));
        }
    }

    pub fn mark_line(&mut self, index: usize) {
        if !self.changes.lines.iter().any(|(marked, _)| *marked == index) {
            self.changes.lines.push((index, Mark::Changed));
        }
    }

    pub fn mark_refund(&mut self, context: &Context<'_>) {
        self.refund().updated_at = context.now;
        if self.changes.refund.is_none() {
            self.changes.refund = Some(Mark::Changed);
        }
    }

    /// Adds refund transactions for the shares of payments, and reserves their amounts.
    pub fn hold(
        &mut self,
        shares: &[(usize, Minor, Execution)],
        state: impl Fn(Execution) -> TransactionState,
        context: &mut Context<'_>,
    ) -> Vec<Share> {
        let mut held = Vec::with_capacity(shares.len());
        for (payment, amount, execution) in shares {
            let id = TransactionId(context.numbers.take());
            self.book.shift(*payment, *amount, Weight::Free, Weight::Held);
            self.mark_payment(*payment, context);
            let source = &self.book.payments[*payment];
            let (parent, provider, method) =
                (source.id, source.provider.clone(), source.method.clone());
            let merchant = self.book.order.merchant;
            let refund = self.refund();
            let row = RefundTransaction {
                id,
                refund: refund.id,
                payment: parent,
                execution: *execution,
                provider,
                method,
                amount: *amount,
                state: state(*execution),
                key: format!("{}-{}-{}", context.instance, merchant, id),
                sends: 0,
                first_sent_at: None,
                provider_reference: None,
                failure: None,
                superseded: false,
                contradicted: false,
                message: None,
                metadata: Metadata::new(),
                created_at: context.now,
                updated_at: context.now,
                settled_at: None,
            };
            refund.transactions.push(row);
            let index = refund.transactions.len() - 1;
            self.changes.transactions.push((index, Mark::New));
            self.count_for_return(index, Weight::Free, context);
            self.hand_to_worker(index, context);
            held.push(Share { transaction: id, payment: parent, amount: *amount });
        }
        self.touch_order(context);
        held
    }

    /// Keeps what a return has got up to date with one of its refund transactions, which comes from
    /// the weight `from`.
    fn count_for_return(&mut self, index: usize, from: Weight, context: &Context<'_>) {
        let refund = self.refund();
        let row = &refund.transactions[index];
        let (to, amount, execution) = (row.state.weight(), row.amount, row.execution);
        let Some(of) = refund.return_id else { return };
        let Some(at) = self.book.returns.iter().position(|row| row.id == of) else { return };
        let kept = &mut self.book.returns[at];
        let before = (kept.refunded, kept.by_hand);
        if from == Weight::Paid {
            kept.refunded = kept.refunded.saturating_minus(amount);
        }
        if to == Weight::Paid {
            kept.refunded = kept.refunded.plus(amount).expect("balances are bounded");
        }
        if execution == Execution::Manual {
            kept.by_hand = kept.by_hand.saturating_sub(u32::from(from != Weight::Free));
            kept.by_hand += u32::from(to != Weight::Free);
        }
        if before != (kept.refunded, kept.by_hand) {
            self.mark_return(at, context);
        }
    }

    fn mark_return(&mut self, index: usize, context: &Context<'_>) {
        self.book.returns[index].updated_at = context.now;
        if !self.changes.returns.iter().any(|(marked, _)| *marked == index) {
            self.changes.returns.push((index, Mark::Changed));
        }
    }

    /// Closes the refund's return when it has got what it is worth, and nothing of it goes by hand.
    fn close_return(&mut self, context: &Context<'_>) {
        let Some(of) = self.refund().return_id.filter(|_| context.policy.auto_close) else {
            return;
        };
        let Some(at) = self.book.returns.iter().position(|row| row.id == of) else { return };
        let row = &self.book.returns[at];
        let worth = self.book.worth(row);
        let got = !worth.is_zero() && row.refunded >= worth;
        if row.state.is_closed() || row.by_hand > 0 || !got {
            return;
        }
        let row = &mut self.book.returns[at];
        row.state = ReturnState::Done;
        row.closed_at = Some(context.now);
        let (return_id, state) = (row.id, row.state);
        self.mark_return(at, context);
        self.changes.facts.push(Fact::ReturnChanged { return_id, state });
    }

    /// A pending automatic transaction is work for a worker, due at once.
    pub fn hand_to_worker(&mut self, index: usize, context: &Context<'_>) {
        let row = &self.refund().transactions[index];
        if row.state == TransactionState::Pending && row.execution == Execution::Automatic {
            let subject = row.id.0;
            self.changes.work.push(WorkChange::Put(Work {
                queue: Queue::Pay,
                subject,
                due: context.now,
                lease: None,
            }));
        }
    }

    /// Moves one transaction, and its amount with it.
    pub fn step(
        &mut self,
        index: usize,
        to: TransactionState,
        failure: Option<Failure>,
        steps: &mut Steps,
        context: &Context<'_>,
    ) {
        let row = &mut self.refund().transactions[index];
        let (from, amount, parent) = (row.state, row.amount, row.payment);
        row.state = to;
        if to.weight() != Weight::Held {
            row.settled_at = Some(context.now);
        }
        row.failure = failure;
        steps.moves.push(step_of(row, from));
        let key = row.id.0;
        self.mark_transaction(index, context);
        self.count_for_return(index, from.weight(), context);
        if from.weight() != to.weight() {
            let payment = self.book.payment(parent).expect("a refund's payment is in its book");
            self.book.shift(payment, amount, from.weight(), to.weight());
            self.mark_payment(payment, context);
        }
        if from.weight() == Weight::Held && to.weight() != Weight::Held {
            self.changes.work.push(WorkChange::Remove { queue: Queue::Pay, subject: key });
        }
        let refund = self.refund();
        if from.weight() == Weight::Paid {
            refund.refunded = refund.refunded.saturating_minus(amount);
        }
        if to.weight() == Weight::Paid {
            refund.refunded = refund.refunded.plus(amount).unwrap_or(refund.amount);
        }
    }

    /// Draws the refund's own state from its transactions, frees what its lines no longer give,
    /// and records the step.
    pub fn conclude(&mut self, steps: Steps, context: &Context<'_>) {
        let refund = self.refund();
        let from = refund.state;
        let to = standing(from, &refund.transactions);
        debug_assert!(from == to || from.may_become(to), "{from:?} may not become {to:?}");
        refund.state = to;
        let waited = refund.information_due.is_some();
        if to != State::RequiresInformation {
            refund.information_due = None;
        } else if from != to {
            refund.information_due = Some(outside::information_due(context));
        }
        if to.is_final() && from != to {
            refund.settled_at = Some(context.now);
        }
        let failure = match to {
            State::Failed | State::Canceled | State::Reversed => {
                let mut last = refund.transactions.iter().rev().filter(|row| !row.superseded);
                last.find_map(|row| row.failure.clone())
            }
            State::Unconfirmed
            | State::RequiresInformation
            | State::Pending
            | State::Processing
            | State::NeedsAttention
            | State::Succeeded => None,
        };
        refund.failure.clone_from(&failure);
        let (id, amount, refunded) = (refund.id, refund.amount, refund.refunded);
        let counted_on = refund.counted_on.clone();
        let released = if to.is_final() { self.release_lines() } else { Vec::new() };
        self.mark_refund(context);
        self.touch_order(context);
        let told = outside::newly_told(self.refund(), &steps);
        self.changes.facts.push(Fact::RefundMoved(RefundMoved {
            refund: id,
            from,
            to,
            amount,
            refunded,
            moves: steps.moves,
            shares: steps.shares,
            released,
            retaken: steps.retaken,
            failure,
            counted_on,
        }));
        outside::tell(self, &told, context);
        outside::purge_once_settled(self);
        outside::watch(self, waited, context);
        self.close_return(context);
    }

    /// A final refund takes of its lines only what it paid; the rest is given back, last part
    /// first. A part's units become free with the last of its amount.
    fn release_lines(&mut self) -> Vec<LineShare> {
        let mut refund = self.book.refund.take().expect("the command's target is a refund");
        let taken = crate::book::sum(refund.parts.iter().map(crate::refund::Part::taken));
        let mut excess = taken.saturating_minus(refund.refunded);
        let nothing_paid = refund.refunded.is_zero();
        let mut released = Vec::new();
        for part in refund.parts.iter_mut().rev() {
            let amount = part.taken().min(excess);
            let all = amount == part.taken() && (!amount.is_zero() || nothing_paid);
            let units = if all { part.taken_quantity() } else { 0 };
            if amount.is_zero() && units == 0 {
                continue;
            }
            excess = excess.saturating_minus(amount);
            let at = self.book.lines.iter().position(|line| line.position == part.line);
            let at = at.expect("a refund's lines are in its book");
            parts::give_back(&mut self.book.lines[at], part, amount, units);
            self.mark_line(at);
            released.push(LineShare { line: part.line, quantity: units, amount });
        }
        self.book.refund = Some(refund);
        released
    }
}
