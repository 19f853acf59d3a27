//! Random histories of two merchants, and what the ledger answered: a naive model of the books.

use std::collections::BTreeMap;

use refundry::testing::store::{Intent, Movement, Settlement, Store, TransactionRow};
use refundry_domain::book::Book;
use refundry_domain::command::{
    Command, DisputeChange, ItemAsk, ItemShare, LineRef, NewReturn, OrderChange, Paid,
    RefundChange, ReturnChange, Target, What,
};
use refundry_domain::ids::{MerchantId, OrderId, OrderRef, ReturnId, Timestamp, TransactionId};
use refundry_domain::merchant::Administration;
use refundry_domain::money::{Exact, Minor};
use refundry_domain::order::{LineKind, Metadata, Order};
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use refundry_domain::refund::{Destination, Execution, Refund, TransactionState};
use refundry_domain::returns::{Return, ReturnItem, ReturnKind, ReturnState};

use super::store::*;

/// SplitMix64. The seed is printed, so that a failure can be repeated: `SEED=7 cargo test`.
pub struct Random(u64);

impl Random {
    pub fn seeded() -> Random {
        let given = std::env::var("SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
        println!("SEED={seed}");
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }
}

/// The rows as the answers showed them last, by number.
#[derive(Default)]
pub struct Model {
    pub orders: BTreeMap<i64, Order>,
    pub books: BTreeMap<i64, Book>,
    pub refunds: BTreeMap<i64, Refund>,
    pub returns: BTreeMap<i64, Return>,
    pub transactions: BTreeMap<i64, TransactionRow>,
}

impl Model {
    fn learn(&mut self, book: &Book) {
        let order = book.order.id;
        let currency = book.order.currency;
        self.orders.insert(order.0, book.order.clone());
        for row in &book.returns {
            self.returns.insert(row.id.0, row.clone());
        }
        let mut learn = |number: i64, movement| {
            self.transactions.insert(number, TransactionRow { order, currency, movement });
        };
        for payment in &book.payments {
            learn(payment.id.0, Movement::In(payment.clone()));
        }
        if let Some(refund) = &book.refund {
            for row in &refund.transactions {
                learn(row.id.0, Movement::Back(row.clone()));
            }
            self.refunds.insert(refund.id.0, refund.clone());
        }
        let mut book = book.clone();
        book.returns = self.returns.values().filter(|row| row.order == order).cloned().collect();
        (book.refund, book.subject, book.work, book.account) = (None, None, None, None);
        self.books.insert(order.0, book);
    }
}

pub struct Population {
    pub random: Random,
    /// Number 1, and another.
    pub merchants: [MerchantId; 2],
    pub models: [Model; 2],
    step: i64,
    /// From one command to the next.
    pub pace_ms: i64,
    at: i64,
}

impl Population {
    /// Lives through `steps` commands; many of them are refused.
    pub async fn live(store: &dyn Store, random: Random, steps: usize) -> Population {
        let change = Administration::CreateMerchant { name: "Another".to_owned() };
        let made = store.administer(MERCHANT, "test".into(), NOW, change).await.unwrap();
        let refundry::testing::store::Administered::Merchant(other) = made else {
            panic!("{made:?}");
        };
        let merchants = [MERCHANT, other.id];
        let models = Default::default();
        let mut population =
            Population { random, merchants, models, step: 0, pace_ms: 1_000, at: NOW.0 };
        population.go_on(store, steps).await;
        population
    }

    pub async fn go_on(&mut self, store: &dyn Store, steps: usize) {
        for _ in 0..steps {
            let whose = usize::from(self.random.one_in(3));
            let mut intent = self.intent(whose);
            self.step += 1;
            intent.merchant = self.merchants[whose];
            self.at += self.pace_ms;
            intent.at = Timestamp(self.at);
            intent.by = self.random.pick(&["key:2", "worker", "cli"]).to_string().into();
            if self.random.one_in(2) {
                intent = claimed(intent, &format!("claim-{}", self.step), 1);
            }
            match store.commit(intent).await.unwrap() {
                Settlement::Done { book, .. } => self.models[whose].learn(&book),
                Settlement::Refused { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn intent(&mut self, whose: usize) -> Intent {
        let random = &mut self.random;
        let model = &self.models[whose];
        let orders: Vec<i64> = model.orders.keys().copied().collect();
        let refunds: Vec<i64> = model.refunds.keys().copied().collect();
        if orders.is_empty() || random.one_in(8) {
            return new(random);
        }
        let order = OrderRef::Id(OrderId(*random.pick(&orders)));
        if refunds.is_empty() || random.one_in(3) {
            return intent(Target::Order(order), Command::RequestRefund(request(random, model)));
        }
        let refund = &model.refunds[random.pick(&refunds)];
        let on_refund = Target::Refund(refund.id);
        match random.below(12) {
            0 => intent(Target::Order(order), returned(random)),
            1 if !model.returns.is_empty() => {
                let returns: Vec<i64> = model.returns.keys().copied().collect();
                let state = Some(*random.pick(&ReturnState::ALL));
                let change = ReturnChange { state, ..ReturnChange::default() };
                let target = Target::Return(ReturnId(*random.pick(&returns)));
                intent(target, Command::ChangeReturn(change))
            }
            2 => intent(Target::Order(order.clone()), changed(random, model, &order)),
            3 => intent(on_refund, Command::Confirm { may_approve: true }),
            4 => intent(on_refund, Command::Cancel { reason: None }),
            5 => intent(on_refund, Command::Retry),
            6 => intent(on_refund, altered(random)),
            7 => intent(on_refund, Command::GiveInformation { sealed: vec![1, 2, 3] }),
            8 => intent(on_refund, Command::Expire),
            _ => news(random, refund),
        }
    }
}

fn new(random: &mut Random) -> Intent {
    let mut new = new_order("20.00");
    new.lines = vec![line(LineKind::Product, 3, "12.50"), line(LineKind::Shipping, 1, "7.50")];
    new.customer.reference = random.one_in(2).then(|| format!("c-{}", random.below(3)));
    new.reference = random.one_in(2).then(|| format!("R-{}", random.below(10_000)));
    new.fulfilled = random.one_in(3);
    if random.one_in(2) {
        new.metadata.insert("channel".to_owned(), "web".to_owned());
    }
    if random.one_in(3) {
        let names = random.pick::<&str>(&["t-1", "t-1;t-2", "t-2;t-3"]);
        new.metadata.insert("tracking_id".to_owned(), names.to_string());
    }
    new.payments = vec![payment(random.pick::<&str>(&["sandbox", "acme"]), "15.00")];
    let mut second = payment(random.pick::<&str>(&["sandbox", "acme"]), "5.00");
    second.provider_reference = random.one_in(2).then(|| format!("ch_{}", random.below(5)));
    second.metadata = Metadata::from([("n".to_owned(), "as it came".to_owned())]);
    second.method = random.pick(&["card", "voucher"]).to_string();
    new.payments.push(second);
    register(new)
}

fn request(random: &mut Random, model: &Model) -> refundry_domain::command::Ask {
    let what = match random.below(4) {
        0 => {
            let item = |position, share| ItemAsk { line: LineRef::Position(position), share };
            What::Items(vec![
                item(1, ItemShare::Quantity(1)),
                item(2, ItemShare::Amount(Exact::parse("0.35").unwrap())),
                item(1, ItemShare::Amount(Exact::parse("0.20").unwrap())),
            ])
        }
        1 => What::Amount(stated("16.00")),
        _ => What::Amount(stated(&format!("{}.{:02}", random.below(3), 1 + random.below(99)))),
    };
    let mut ask = ask(what);
    ask.reason = random.pick(&[None, Some("too small"), Some("defective")]).map(str::to_owned);
    if random.one_in(4) {
        ask.to =
            *random.pick(&[Destination::BankTransfer, Destination::Cash, Destination::GiftCard]);
    }
    ask.execution = *random.pick(&[None, None, Some(Execution::Notify), Some(Execution::Manual)]);
    ask.confirm = *random.pick(&[None, None, Some(false)]);
    if random.one_in(6) {
        ask.paid = Some(Paid { reference: Some("till 7".to_owned()) });
    }
    if random.one_in(3) {
        ask.metadata.insert("tracking_id".to_owned(), "t-1".to_owned());
    }
    if random.one_in(2) {
        let returns: Vec<i64> = model.returns.keys().copied().collect();
        ask.return_id = (!returns.is_empty()).then(|| ReturnId(*random.pick(&returns)));
    }
    ask
}

fn returned(random: &mut Random) -> Command {
    Command::OpenReturn(NewReturn {
        reference: random.one_in(2).then(|| format!("RMA-{}", random.below(10_000))),
        kind: *random.pick(&ReturnKind::ALL),
        items: vec![ReturnItem { line: 1, quantity: 1, reason: "too small".to_owned() }],
        reason: "does not fit".to_owned(),
        metadata: Metadata::new(),
    })
}

fn changed(random: &mut Random, model: &Model, order: &OrderRef) -> Command {
    let OrderRef::Id(id) = order else { panic!("orders are named by number here") };
    let mut change = OrderChange::default();
    match random.below(4) {
        0 => return Command::RecordPayment(payment("acme", "3.00")),
        3 => {
            let payment = random.pick(&model.books[&id.0].payments).id;
            return noted(random, payment);
        }
        1 => change.fulfilled = Some(random.one_in(2)),
        _ => {
            let payment = random.pick(&model.books[&id.0].payments).id;
            let amount = random.one_in(2).then(|| Exact::parse("2.00").unwrap());
            change.dispute = Some(DisputeChange { payment, amount });
        }
    }
    Command::ChangeOrder(change)
}

fn altered(random: &mut Random) -> Command {
    let amount = random.one_in(2).then(|| stated("1.11"));
    let note = match random.below(3) {
        0 => ("tracking_id", "t-8;t-9".to_owned()),
        _ => ("k", random.below(9).to_string()),
    };
    let metadata = Some(Metadata::from([(note.0.to_owned(), note.1)]));
    Command::ChangeRefund(RefundChange { amount, metadata })
}

fn noted(random: &mut Random, transaction: TransactionId) -> Command {
    let notes = Metadata::from([("n".to_owned(), format!("note\n{}", random.below(9)))]);
    Command::Annotate { transaction, notes }
}

/// A worker takes one of its transactions, or somebody says what became of it.
fn news(random: &mut Random, refund: &Refund) -> Intent {
    let row = random.pick(&refund.transactions);
    let target = Target::Transaction(TransactionId(row.id.0));
    if random.one_in(8) {
        return intent(target, noted(random, row.id));
    }
    if row.state == TransactionState::Pending {
        return intent(target, Command::Start { worker: 1, lease_ms: 60_000 });
    }
    let reference = random.one_in(2).then(|| format!("re_{}", random.below(5)));
    let failure = Failure { code: FailureCode::Declined, message: "no".to_owned() };
    let outcome = match random.below(9) {
        0 => Outcome::Waiting { reference, message: "waits for funds".to_owned() },
        1 => Outcome::Declined(failure),
        2 => Outcome::Reversed { message: "taken back".to_owned() },
        3 => Outcome::Unknown { message: "timed out".to_owned(), lost: random.one_in(2) },
        4 => Outcome::Acknowledged { reference },
        5 => Outcome::CalledOff { message: "never mind".to_owned() },
        6 => Outcome::Done { reference, amount: Minor::new(1) },
        7 => Outcome::NotTaken { message: "no connection".to_owned() },
        _ => Outcome::Done { reference, amount: None },
    };
    let by = if row.execution == Execution::Automatic && !random.one_in(4) {
        Reporter::Gateway
    } else {
        Reporter::Caller
    };
    intent(target, Command::Report(Report { outcome, by, look_again_ms: 30_000 }))
}
