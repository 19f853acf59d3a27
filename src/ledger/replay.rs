//! One order's balances and states, computed from its events alone.

use std::collections::BTreeMap;

use refundry_domain::refund::{Execution, Part, State, TransactionState, Weight};
use serde::de::DeserializeOwned;

use crate::store::Event;
use crate::store::facts::{
    Changed, Contradicted, Disputed, Fulfilled, MoveData, Moved, Opened, PartData, Recorded,
    Registered, Requested, ReturnState, ShareData, Told,
};

/// What the events make of an order. Amounts are minor units.
#[derive(Default)]
pub struct Replay {
    pub reference: String,
    pub currency: String,
    pub fulfilled: bool,
    pub lines: Vec<LineState>,
    pub payments: BTreeMap<i64, PaymentState>,
    pub refunds: BTreeMap<i64, RefundState>,
    pub returns: BTreeMap<i64, (Opened, String)>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct LineState {
    pub kind: String,
    pub quantity: u32,
    pub amount: i64,
    pub taken: i64,
    pub taken_quantity: i64,
    pub taken_by_quantity: i64,
}

pub struct PaymentState {
    pub recorded: Recorded,
    pub held: i64,
    pub refunded: i64,
    pub disputed: i64,
}

impl PaymentState {
    /// What a dispute keeps back, as far as it is still here.
    pub fn blocked(&self) -> i64 {
        self.disputed.min(self.recorded.captured - self.held - self.refunded)
    }
}

pub struct RefundState {
    pub requested: Requested,
    pub state: String,
    pub amount: i64,
    pub refunded: i64,
    pub parts: Vec<Part>,
    pub counted_on: Option<String>,
    pub transactions: BTreeMap<i64, TransactionReplay>,
}

pub struct TransactionReplay {
    pub payment: i64,
    pub amount: i64,
    pub state: TransactionState,
    pub superseded: bool,
    pub code: Option<String>,
}

type Outcome = Result<(), String>;

impl Replay {
    /// Takes the next event in. `execution` says how a refund transaction is carried out, which
    /// never changes and is not in the events.
    pub fn apply(
        &mut self,
        event: &Event,
        execution: &impl Fn(i64) -> Option<Execution>,
    ) -> Outcome {
        let subject = event.subject;
        match event.name.as_str() {
            "order.registered" => self.registered(read(event)?),
            "payment.recorded" => {
                let recorded: Recorded = read(event)?;
                let state = PaymentState { recorded, held: 0, refunded: 0, disputed: 0 };
                new(self.payments.insert(subject, state), "payment", subject)
            }
            "order.updated" => {
                if let Some(Fulfilled { fulfilled }) = annotated_or(event)? {
                    self.fulfilled = fulfilled;
                }
                Ok(())
            }
            "order.dispute_changed" => self.disputed(&read(event)?),
            "return.opened" => {
                let opened = (read(event)?, "pending".to_owned());
                new(self.returns.insert(subject, opened), "return", subject)
            }
            "return.updated" => {
                let changed: ReturnState = read(event)?;
                let found = self.returns.get_mut(&subject);
                found.ok_or_else(|| unknown("return", subject))?.1 = changed.state;
                Ok(())
            }
            "refund.requested" => self.requested(subject, read(event)?, execution),
            "refund.updated" => match annotated_or(event)? {
                Some(changed) => self.changed(subject, &changed),
                None => Ok(()),
            },
            "transaction.updated" => self.annotated(event),
            "refund.contradicted" => read::<Contradicted>(event).map(drop),
            "refund.details_purged" => self.refund(subject).map(drop),
            "transaction.requested" => self.told(subject, &read(event)?),
            name if name.starts_with("refund.") => {
                let moved: Moved = read(event)?;
                let stays = moved.from == moved.to && name == "refund.progressed";
                if !stays && name.strip_prefix("refund.") != Some(&moved.to) {
                    return Err(format!("{name} moves the refund to {}", moved.to));
                }
                self.moved(subject, &moved, execution)
            }
            name => Err(format!("{name} is no event of an order")),
        }
    }

    /// Notes change no balance; what they are about has to be there.
    fn annotated(&self, event: &Event) -> Outcome {
        let number = event.subject;
        let known = self.payments.contains_key(&number)
            || self.refunds.values().any(|refund| refund.transactions.contains_key(&number));
        if !known {
            return Err(unknown("transaction", number));
        }
        match annotated_or::<Fulfilled>(event)? {
            None => Ok(()),
            Some(_) => Err(format!("transaction {number} is changed by more than notes")),
        }
    }

    fn registered(&mut self, registered: Registered) -> Outcome {
        if !self.currency.is_empty() {
            return Err("the order is registered twice".to_owned());
        }
        self.reference = registered.reference;
        self.currency = registered.currency;
        let line = |line: crate::store::facts::LineData| LineState {
            kind: line.kind,
            quantity: line.quantity,
            amount: line.amount,
            taken: 0,
            taken_quantity: 0,
            taken_by_quantity: 0,
        };
        self.lines = registered.lines.into_iter().map(line).collect();
        Ok(())
    }

    fn disputed(&mut self, disputed: &Disputed) -> Outcome {
        let payment = self.payment(disputed.payment)?;
        payment.disputed = disputed.disputed;
        same("what the dispute keeps back", payment.blocked(), disputed.blocked)
    }

    fn requested(
        &mut self,
        refund: i64,
        requested: Requested,
        execution: &impl Fn(i64) -> Option<Execution>,
    ) -> Outcome {
        let state = refund_state(&requested.state)?;
        let shares: i64 = requested.shares.iter().map(|share| share.amount).sum();
        same("the sum of the refund's shares", shares, requested.amount)?;
        let mut parts = Vec::with_capacity(requested.parts.len());
        for part in &requested.parts {
            let part = whole_part(part)?;
            let (amount, units) = (part.amount.get(), i64::from(part.quantity));
            self.line(part.line)?.take(amount, units, part.quantity > 0)?;
            parts.push(part);
        }
        let mut transactions = BTreeMap::new();
        for share in &requested.shares {
            self.hold(share)?;
            let state = opening(state, execution(share.transaction));
            transactions.insert(share.transaction, TransactionReplay::of(share, state));
        }
        let replay = RefundState {
            state: requested.state.clone(),
            amount: requested.amount,
            refunded: 0,
            parts,
            counted_on: requested.counted_on.clone(),
            transactions,
            requested,
        };
        new(self.refunds.insert(refund, replay), "refund", refund)
    }

    /// An outside platform is told of what stands in the books, and of nothing else.
    fn told(&mut self, transaction: i64, told: &Told) -> Outcome {
        let currency = self.currency.clone();
        let made = self.transaction(told.refund, transaction)?;
        same("what is to be paid", made.amount, told.amount)?;
        same("the payment that it gives back", made.payment, told.payment)?;
        same("the state it is told in", made.state, TransactionState::Requested)?;
        same("the currency", currency.as_str(), told.currency.as_str())
    }

    fn changed(&mut self, refund: i64, changed: &Changed) -> Outcome {
        for step in &changed.dropped {
            self.step(refund, step)?;
            self.transaction(refund, step.transaction)?.superseded = true;
        }
        for share in &changed.shares {
            self.hold(share)?;
            let replay = TransactionReplay::of(share, TransactionState::Unconfirmed);
            self.refund(refund)?.transactions.insert(share.transaction, replay);
        }
        let replay = self.refund(refund)?;
        replay.amount = changed.amount;
        if let Some(execution) = &changed.execution {
            replay.requested.execution.clone_from(execution);
        }
        Ok(())
    }

    fn moved(
        &mut self,
        refund: i64,
        moved: &Moved,
        execution: &impl Fn(i64) -> Option<Execution>,
    ) -> Outcome {
        let (from, to) = (refund_state(&moved.from)?, refund_state(&moved.to)?);
        same("the refund's state before", &self.refund(refund)?.state, &moved.from)?;
        if from != to && !from.may_become(to) {
            return Err(format!("a refund does not go from {} to {}", moved.from, moved.to));
        }
        if !moved.shares.is_empty() && to != State::Reversed {
            for old in self.refund(refund)?.transactions.values_mut() {
                old.superseded |= old.state.weight() == Weight::Free;
            }
        }
        for step in &moved.moves {
            self.step(refund, step)?;
        }
        for share in &moved.shares {
            self.hold(share)?;
            let state = if to == State::Reversed {
                // What of a credit was spent before it was reversed stays given.
                self.keep(refund, share)?
            } else {
                opening(to, execution(share.transaction))
            };
            let replay = TransactionReplay::of(share, state);
            self.refund(refund)?.transactions.insert(share.transaction, replay);
        }
        for part in &moved.retaken {
            self.retake(refund, part)?;
        }
        for part in &moved.released {
            self.release(refund, part)?;
        }
        let replay = self.refund(refund)?;
        replay.state.clone_from(&moved.to);
        replay.counted_on.clone_from(&moved.counted_on);
        same("the refund's amount", replay.amount, moved.amount)?;
        same("what the refund gave back", replay.refunded, moved.refunded)
    }

    fn hold(&mut self, share: &ShareData) -> Outcome {
        let payment = self.payment(share.payment)?;
        payment.held += share.amount;
        payment.check(share.payment)
    }

    fn keep(&mut self, refund: i64, share: &ShareData) -> Result<TransactionState, String> {
        let payment = self.payment(share.payment)?;
        payment.held -= share.amount;
        payment.refunded += share.amount;
        payment.check(share.payment)?;
        self.refund(refund)?.refunded += share.amount;
        Ok(TransactionState::Succeeded)
    }

    fn step(&mut self, refund: i64, step: &MoveData) -> Outcome {
        let (from, to) = (transaction_state(&step.from)?, transaction_state(&step.to)?);
        let transaction = self.transaction(refund, step.transaction)?;
        same("the transaction's state before", transaction.state.name(), step.from.as_str())?;
        same("the transaction's payment", transaction.payment, step.payment)?;
        same("the transaction's amount", transaction.amount, step.amount)?;
        transaction.state = to;
        transaction.code.clone_from(&step.code);
        let amount = step.amount;
        let weigh = |weight: Weight, sign: i64| match weight {
            Weight::Held => (sign * amount, 0),
            Weight::Paid => (0, sign * amount),
            Weight::Free => (0, 0),
        };
        let (less, more) = (weigh(from.weight(), -1), weigh(to.weight(), 1));
        self.refund(refund)?.refunded += less.1 + more.1;
        let payment = self.payment(step.payment)?;
        payment.held += less.0 + more.0;
        payment.refunded += less.1 + more.1;
        payment.check(step.payment)
    }

    /// Parts become free from the last to the first, so the last with something left is meant.
    fn release(&mut self, refund: i64, released: &PartData) -> Outcome {
        let parts = &mut self.refund(refund)?.parts;
        let meant = parts.iter_mut().rev().find(|part| {
            let left = part.taken().get();
            part.line == released.line
                && left >= released.amount
                && part.taken_quantity() >= released.quantity
                && (left > 0 || part.taken_quantity() > 0)
        });
        let part = meant.ok_or_else(|| format!("line {} was not taken", released.line))?;
        let by_units = part.quantity > 0;
        let amount = minor(released.amount)?;
        part.released = part.released.plus(amount).ok_or("too much is released")?;
        part.released_quantity += released.quantity;
        let units = i64::from(released.quantity);
        self.line(released.line)?.take(-released.amount, -units, by_units)
    }

    fn retake(&mut self, refund: i64, retaken: &PartData) -> Outcome {
        let parts = &mut self.refund(refund)?.parts;
        let meant = parts.iter_mut().find(|part| {
            part.line == retaken.line
                && part.released.get() == retaken.amount
                && part.released_quantity == retaken.quantity
        });
        let part = meant.ok_or_else(|| format!("line {} was not released", retaken.line))?;
        let by_units = part.quantity > 0;
        part.released = minor(0)?;
        part.released_quantity = 0;
        let units = i64::from(retaken.quantity);
        self.line(retaken.line)?.take(retaken.amount, units, by_units)
    }

    fn payment(&mut self, number: i64) -> Result<&mut PaymentState, String> {
        self.payments.get_mut(&number).ok_or_else(|| unknown("payment", number))
    }

    fn refund(&mut self, number: i64) -> Result<&mut RefundState, String> {
        self.refunds.get_mut(&number).ok_or_else(|| unknown("refund", number))
    }

    fn transaction(&mut self, refund: i64, number: i64) -> Result<&mut TransactionReplay, String> {
        let found = self.refund(refund)?.transactions.get_mut(&number);
        found.ok_or_else(|| unknown("transaction", number))
    }

    fn line(&mut self, position: u32) -> Result<&mut LineState, String> {
        let index = usize::try_from(position).unwrap_or(usize::MAX).wrapping_sub(1);
        self.lines.get_mut(index).ok_or_else(|| unknown("line", position.into()))
    }
}

impl PaymentState {
    fn check(&self, number: i64) -> Outcome {
        let most = self.recorded.captured;
        if self.held < 0 || self.refunded < 0 || self.held + self.refunded > most {
            return Err(format!("payment {number} gives back more than was captured"));
        }
        Ok(())
    }
}

impl LineState {
    fn take(&mut self, amount: i64, units: i64, by_units: bool) -> Outcome {
        self.taken += amount;
        self.taken_quantity += units;
        if by_units {
            self.taken_by_quantity += amount;
        }
        if self.taken < 0 || self.taken > self.amount {
            return Err("a line gives back more than it cost".to_owned());
        }
        Ok(())
    }
}

impl TransactionReplay {
    fn of(share: &ShareData, state: TransactionState) -> TransactionReplay {
        let (payment, amount) = (share.payment, share.amount);
        TransactionReplay { payment, amount, state, superseded: false, code: None }
    }
}

/// The state in which a transaction of a refund opens that is in `state`.
fn opening(state: State, execution: Option<Execution>) -> TransactionState {
    match (state, execution) {
        (State::Unconfirmed, _) => TransactionState::Unconfirmed,
        (State::RequiresInformation, _) => TransactionState::RequiresInformation,
        (_, Some(Execution::Automatic)) => TransactionState::Pending,
        (_, Some(Execution::Notify | Execution::Manual) | None) => TransactionState::Requested,
        (_, Some(Execution::Internal)) => TransactionState::Processing,
    }
}

fn read<T: DeserializeOwned>(event: &Event) -> Result<T, String> {
    serde_json::from_str(&event.data).map_err(|error| format!("its data cannot be read: {error}"))
}

/// `None` when the event only says that notes were changed.
fn annotated_or<T: DeserializeOwned>(event: &Event) -> Result<Option<T>, String> {
    if event.data == r#"{"annotated":true}"# { Ok(None) } else { read(event).map(Some) }
}

fn minor(units: i64) -> Result<refundry_domain::money::Minor, String> {
    refundry_domain::money::Minor::new(units).ok_or_else(|| format!("{units} is no amount"))
}

fn whole_part(part: &PartData) -> Result<Part, String> {
    Ok(Part {
        line: part.line,
        quantity: part.quantity,
        amount: minor(part.amount)?,
        released: minor(0)?,
        released_quantity: 0,
    })
}

fn refund_state(name: &str) -> Result<State, String> {
    State::parse(name).ok_or_else(|| format!("{name:?} is no state of a refund"))
}

fn transaction_state(name: &str) -> Result<TransactionState, String> {
    TransactionState::parse(name).ok_or_else(|| format!("{name:?} is no state of a transaction"))
}

fn unknown(kind: &str, number: i64) -> String {
    format!("{kind} {number} is in no event before it")
}

#[expect(clippy::needless_pass_by_value, reason = "what an insertion has displaced")]
fn new<T>(before: Option<T>, kind: &str, number: i64) -> Outcome {
    match before {
        Some(_) => Err(format!("{kind} {number} is made twice")),
        None => Ok(()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "nearly all are made for the comparison")]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, made: T, said: T) -> Outcome {
    if made == said {
        return Ok(());
    }
    Err(format!("{what} follows as {made:?}, it says {said:?}"))
}
