//! The books computed again from the facts alone, as an auditor would: plain maps and wide integers.

use std::collections::BTreeMap;

use refundry_domain::event::{Fact, LineShare, Move, Share};
use refundry_domain::refund::{State, TransactionState};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pot {
    Held,
    Paid,
    Free,
}

pub fn pot(state: TransactionState) -> Pot {
    use TransactionState as T;
    match state {
        T::Unconfirmed
        | T::RequiresInformation
        | T::Pending
        | T::Requested
        | T::Processing
        | T::NeedsAttention => Pot::Held,
        T::Succeeded => Pot::Paid,
        T::Failed | T::Canceled | T::Reversed => Pot::Free,
    }
}

/// The table of a refund's life, as it is documented.
pub const MOVES: &[(State, &[State])] = &[
    (
        State::Unconfirmed,
        &[State::Pending, State::RequiresInformation, State::Processing, State::Canceled],
    ),
    (
        State::RequiresInformation,
        &[State::Pending, State::Processing, State::Canceled, State::Failed],
    ),
    (State::Pending, &[State::Processing, State::Canceled]),
    (State::Processing, &[State::Succeeded, State::Failed, State::NeedsAttention, State::Canceled]),
    (State::NeedsAttention, &[State::Succeeded, State::Failed]),
    (State::Succeeded, &[State::Reversed]),
    (State::Failed, &[State::Pending, State::Processing, State::RequiresInformation]),
    (State::Canceled, &[]),
    (State::Reversed, &[]),
];

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Payment {
    pub captured: i128,
    pub held: i128,
    pub refunded: i128,
    pub disputed: i128,
}

impl Payment {
    pub fn blocked(&self) -> i128 {
        self.disputed.min(self.captured - self.held - self.refunded)
    }

    pub fn left(&self) -> i128 {
        self.captured - self.held - self.refunded - self.blocked()
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub amount: i128,
    pub quantity: i128,
    pub taken: i128,
    pub units: i128,
}

#[derive(Debug)]
pub struct Refund {
    pub state: State,
    pub amount: i128,
    pub refunded: i128,
    pub counted_on: Option<String>,
}

#[derive(Debug, Default)]
pub struct Replay {
    pub payments: BTreeMap<i64, Payment>,
    pub lines: Vec<Line>,
    pub refunds: BTreeMap<i64, Refund>,
    /// Of each refund transaction: its refund, its payment, its amount, where that is.
    pub transactions: BTreeMap<i64, (i64, i64, i128, TransactionState)>,
    pub returns: BTreeMap<i64, refundry_domain::returns::ReturnState>,
}

impl Replay {
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::OrderRegistered { lines, .. } => {
                self.lines = lines
                    .iter()
                    .map(|line| Line {
                        amount: i128::from(line.amount.get()),
                        quantity: i128::from(line.quantity),
                        ..Line::default()
                    })
                    .collect();
            }
            Fact::PaymentRecorded { payment, captured, .. } => {
                let captured = i128::from(captured.get());
                let row = Payment { captured, ..Payment::default() };
                assert!(self.payments.insert(payment.0, row).is_none(), "recorded twice");
            }
            Fact::DisputeChanged { payment, disputed, blocked, .. } => {
                let row = self.payments.get_mut(&payment.0).unwrap();
                row.disputed = i128::from(disputed.get());
                assert_eq!(row.blocked(), i128::from(blocked.get()), "blocked");
            }
            Fact::ReturnOpened { return_id, .. } => {
                let pending = refundry_domain::returns::ReturnState::Pending;
                assert!(self.returns.insert(return_id.0, pending).is_none(), "opened twice");
            }
            Fact::ReturnChanged { return_id, state } => {
                self.returns.insert(return_id.0, *state);
            }
            Fact::RefundRequested { refund, state, amount, shares, parts, counted_on, .. } => {
                let amount = i128::from(amount.get());
                let counted_on = counted_on.clone();
                let row = Refund { state: *state, amount, refunded: 0, counted_on };
                assert!(self.refunds.insert(refund.0, row).is_none(), "requested twice");
                self.hold(refund.0, shares);
                self.take(parts, 1);
            }
            Fact::RefundChanged { refund, amount, dropped, shares, .. } => {
                self.refunds.get_mut(&refund.0).unwrap().amount = i128::from(amount.get());
                self.shift(refund.0, dropped);
                self.hold(refund.0, shares);
            }
            Fact::RefundMoved(moved) => {
                let row = self.refunds.get_mut(&moved.refund.0).unwrap();
                assert_eq!(row.state, moved.from, "moved from where it is");
                row.state = moved.to;
                row.counted_on.clone_from(&moved.counted_on);
                assert_eq!(row.amount, i128::from(moved.amount.get()), "amount of {moved:?}");
                self.shift(moved.refund.0, &moved.moves);
                self.hold(moved.refund.0, &moved.shares);
                if moved.to == State::Reversed {
                    // What of a credit was spent stays given.
                    self.keep(moved.refund.0, &moved.shares);
                }
                self.take(&moved.released, -1);
                self.take(&moved.retaken, 1);
                let told = i128::from(moved.refunded.get());
                assert_eq!(self.refunds[&moved.refund.0].refunded, told, "refunded of {moved:?}");
            }
            Fact::PayoutRequested(told) => {
                let row = self.transactions[&told.transaction.0];
                let wanted = (told.refund.0, told.payment.0, i128::from(told.amount.get()));
                assert_eq!((row.0, row.1, row.2), wanted, "told of what is not so");
                assert_eq!(pot(row.3), Pot::Held, "told of what is settled");
            }
            Fact::OrderFulfilled { .. }
            | Fact::OrderAnnotated { .. }
            | Fact::RefundAnnotated { .. }
            | Fact::DetailsPurged { .. }
            | Fact::RefundContradicted { .. }
            | Fact::TransactionAnnotated { .. } => {}
        }
    }

    fn hold(&mut self, refund: i64, shares: &[Share]) {
        for share in shares {
            let amount = i128::from(share.amount.get());
            self.payments.get_mut(&share.payment.0).unwrap().held += amount;
            // Which of the held states it opens in does not matter to any balance.
            let row = (refund, share.payment.0, amount, TransactionState::Pending);
            let before = self.transactions.insert(share.transaction.0, row);
            assert!(before.is_none(), "held twice");
        }
    }

    fn keep(&mut self, refund: i64, shares: &[Share]) {
        for share in shares {
            let amount = i128::from(share.amount.get());
            let payment = self.payments.get_mut(&share.payment.0).unwrap();
            payment.held -= amount;
            payment.refunded += amount;
            self.refunds.get_mut(&refund).unwrap().refunded += amount;
            self.transactions.get_mut(&share.transaction.0).unwrap().3 =
                TransactionState::Succeeded;
        }
    }

    fn shift(&mut self, refund: i64, moves: &[Move]) {
        for step in moves {
            let amount = i128::from(step.amount.get());
            let row = self.transactions.get_mut(&step.transaction.0).unwrap();
            assert_eq!((row.0, row.1, row.2), (refund, step.payment.0, amount), "{step:?}");
            assert_eq!(pot(row.3), pot(step.from), "from where it is: {step:?}");
            row.3 = step.to;
            let payment = self.payments.get_mut(&step.payment.0).unwrap();
            let refund = self.refunds.get_mut(&refund).unwrap();
            match pot(step.from) {
                Pot::Held => payment.held -= amount,
                Pot::Paid => {
                    payment.refunded -= amount;
                    refund.refunded -= amount;
                }
                Pot::Free => {}
            }
            match pot(step.to) {
                Pot::Held => payment.held += amount,
                Pot::Paid => {
                    payment.refunded += amount;
                    refund.refunded += amount;
                }
                Pot::Free => {}
            }
        }
    }

    fn take(&mut self, shares: &[LineShare], sign: i128) {
        for share in shares {
            let line = &mut self.lines[usize::try_from(share.line).unwrap() - 1];
            line.taken += sign * i128::from(share.amount.get());
            line.units += sign * i128::from(share.quantity);
            assert!((0..=line.amount).contains(&line.taken), "line {} has {line:?}", share.line);
            assert!((0..=line.quantity).contains(&line.units), "line {} has {line:?}", share.line);
        }
    }
}
