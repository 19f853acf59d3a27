//! A desk with one order and one refund on it, for tests that tell a short story.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;

use refundry_domain::book::Book;
use refundry_domain::changes::{Changes, CreditChanges, Queue, Work, WorkChange};
use refundry_domain::command::{
    Ask, Command, ItemAsk, ItemShare, LineRef, NewLine, NewOrder, NewPayment, Stated, What,
};
use refundry_domain::credit::{self, Account, CreditBook, CreditCommand, Entry, Wanted};
use refundry_domain::decide::{Context, decide, decide_credit, register};
use refundry_domain::event::Fact;
use refundry_domain::ids::{MerchantId, Numbers, Timestamp, TransactionId};
use refundry_domain::money::{Currency, Exact, Minor};
use refundry_domain::order::{Customer, LineKind, Metadata, PaymentKind};
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use refundry_domain::policy::{Abilities, Policy};
use refundry_domain::refund::{Destination, Refund, RefundTransaction, State, TransactionState};
use refundry_domain::refusal::Refusal;

pub struct Desk {
    pub book: Book,
    pub work: BTreeMap<(Queue, i64), Work>,
    pub policy: Policy,
    pub now: i64,
    pub reference_taken: Option<i64>,
    /// The accounts that there are, and all their entries.
    pub accounts: Vec<Account>,
    pub entries: Vec<Entry>,
    next: i64,
}

pub fn exact(text: &str) -> Exact {
    Exact::parse(text).unwrap()
}

pub fn usd() -> Currency {
    Currency::parse("USD").unwrap()
}

pub fn stated(text: &str) -> Stated {
    Stated { figure: exact(text), currency: None }
}

pub fn minor(units: i64) -> Minor {
    Minor::new(units).unwrap()
}

/// `sandbox` and `bank` pay by themselves, `bank` for `giro` only once it has the bank details;
/// any other provider is told.
pub fn policy() -> Policy {
    let able = |method: Option<&str>| Abilities {
        methods_needing_information: method.map(str::to_owned).into_iter().collect(),
        ..Abilities::full()
    };
    Policy {
        providers: BTreeMap::from([
            ("sandbox".to_owned(), able(None)),
            ("bank".to_owned(), able(Some("giro"))),
        ]),
        information_expiry_ms: 1_000,
        ..Policy::default()
    }
}

pub fn payment(provider: &str, amount: &str) -> NewPayment {
    let method = if provider == "bank" { "giro" } else { "card" };
    NewPayment {
        kind: PaymentKind::Payment,
        parent: None,
        return_id: None,
        provider: provider.to_owned(),
        method: method.to_owned(),
        provider_reference: None,
        amount: stated(amount),
        metadata: Metadata::new(),
        created_at: None,
    }
}

pub fn line(kind: LineKind, sku: &str, quantity: u32, amount: &str) -> NewLine {
    NewLine {
        kind,
        for_line: None,
        sku: Some(sku.to_owned()),
        name: None,
        quantity,
        amount: exact(amount),
    }
}

pub fn order(lines: Vec<NewLine>, payments: Vec<NewPayment>) -> NewOrder {
    NewOrder {
        reference: None,
        currency: usd(),
        customer: Customer::default(),
        lines,
        payments,
        fulfilled: false,
        metadata: Metadata::new(),
        created_at: None,
    }
}

pub fn ask(what: What) -> Ask {
    Ask {
        what,
        kind: None,
        payment: None,
        return_id: None,
        to: Destination::OriginalPayment,
        execution: None,
        paid: None,
        confirm: None,
        may_approve: false,
        reason: None,
        note: None,
        metadata: Metadata::new(),
    }
}

pub fn amount(text: &str) -> Ask {
    ask(What::Amount(stated(text)))
}

pub fn items(shares: Vec<(u32, ItemShare)>) -> Ask {
    let item = |(line, share)| ItemAsk { line: LineRef::Position(line), share };
    ask(What::Items(shares.into_iter().map(item).collect()))
}

pub fn done() -> Outcome {
    Outcome::Done { reference: None, amount: None }
}

pub fn declined(message: &str) -> Outcome {
    Outcome::Declined(Failure { code: FailureCode::Declined, message: message.to_owned() })
}

pub fn waiting(reference: Option<&str>, message: &str) -> Outcome {
    Outcome::Waiting { reference: reference.map(str::to_owned), message: message.to_owned() }
}

pub fn lost() -> Outcome {
    Outcome::Unknown { message: "timed out".to_owned(), lost: true }
}

impl Desk {
    pub fn open(new: &NewOrder) -> Desk {
        let mut desk = Desk::empty();
        let (book, _) = desk.register(new).unwrap();
        desk.book = book;
        desk
    }

    /// With nothing but an order in US dollars.
    pub fn empty() -> Desk {
        let policy = policy();
        let mut numbers = Numbers::starting_at(1);
        let mut context = Context {
            now: Timestamp(1_000_000),
            by: "key:1",
            policy: &policy,
            numbers: &mut numbers,
            instance: "test",
            reference_taken: None,
        };
        let new = order(Vec::new(), Vec::new());
        let (book, _) = register(MerchantId(1), &new, &mut context).unwrap();
        let (work, next) = (BTreeMap::new(), numbers.peek());
        Desk {
            book,
            work,
            policy,
            now: 1_000_000,
            reference_taken: None,
            accounts: Vec::new(),
            entries: Vec::new(),
            next,
        }
    }

    pub fn paid(payments: &[(&str, &str)]) -> Desk {
        let payments = payments.iter().map(|(provider, amount)| payment(provider, amount));
        Desk::open(&order(Vec::new(), payments.collect()))
    }

    pub fn register(&mut self, new: &NewOrder) -> Result<(Book, Changes), Refusal> {
        let mut numbers = Numbers::starting_at(self.next);
        let mut context = self.context(&mut numbers);
        let decided = register(MerchantId(1), new, &mut context);
        self.next = numbers.peek();
        decided
    }

    fn context<'a>(&'a self, numbers: &'a mut Numbers) -> Context<'a> {
        Context {
            now: Timestamp(self.now),
            by: "key:1",
            policy: &self.policy,
            numbers,
            instance: "test",
            reference_taken: self.reference_taken,
        }
    }

    pub fn run(&mut self, command: &Command) -> Result<Changes, Refusal> {
        self.now += 10;
        let mut numbers = Numbers::starting_at(self.next);
        let mut book = self.book.clone();
        if matches!(command, Command::RequestRefund(_)) {
            book.refund = None;
        }
        let work = book.subject.and_then(|subject| self.work.get(&(Queue::Pay, subject.0)));
        book.work = work.cloned();
        book.account = credit::wanted(&book, command).and_then(|wanted| self.account(&wanted));
        let (book, changes) = decide(book, command, &mut self.context(&mut numbers))?;
        self.next = numbers.peek();
        self.keep(book.account.as_ref(), &changes.credit);
        self.book = book;
        for change in &changes.work {
            match change {
                WorkChange::Put(work) => {
                    self.work.insert((work.queue, work.subject), work.clone());
                }
                WorkChange::Remove { queue, subject } => {
                    self.work.remove(&(*queue, *subject));
                }
            }
        }
        Ok(changes)
    }

    fn account(&self, wanted: &Wanted) -> Option<Account> {
        let is_it = |account: &&Account| match wanted {
            Wanted::OfRefund(refund) => account.refund == Some(*refund),
            Wanted::OfCustomer { kind, customer, .. } => {
                account.kind == *kind && account.customer.as_ref() == Some(customer)
            }
        };
        self.accounts.iter().find(is_it).cloned()
    }

    fn keep(&mut self, account: Option<&Account>, changes: &CreditChanges) {
        let Some(account) = account else { return };
        self.entries.extend(changes.entries.iter().cloned());
        match self.accounts.iter_mut().find(|known| known.id == account.id) {
            Some(known) => known.clone_from(account),
            None => self.accounts.push(account.clone()),
        }
    }

    /// A command about the account at a place.
    pub fn credit(&mut self, at: usize, command: &CreditCommand) -> Result<CreditBook, Refusal> {
        self.now += 10;
        let spend = match command {
            CreditCommand::Undo { spend, .. } => Some(*spend),
            CreditCommand::Spend { .. } | CreditCommand::IssueCode(_) => None,
        };
        let entries = || self.entries.iter().filter(|_| spend.is_some());
        let book = CreditBook {
            account: self.accounts[at].clone(),
            named: entries().find(|entry| Some(entry.id) == spend).cloned(),
            undone_by: entries().find(|entry| entry.undoes == spend).map(|entry| entry.id),
            made: None,
        };
        let mut numbers = Numbers::starting_at(self.next);
        let (book, changes) = decide_credit(book, command, &mut self.context(&mut numbers))?;
        self.next = numbers.peek();
        self.keep(Some(&book.account), &changes);
        Ok(book)
    }

    pub fn balance(&self, at: usize) -> i64 {
        self.accounts[at].balance.get()
    }

    pub fn request(&mut self, ask: Ask) -> Result<Changes, Refusal> {
        self.run(&Command::RequestRefund(ask))
    }

    pub fn start(&mut self, at: usize) -> Result<Changes, Refusal> {
        self.start_as(at, 1)
    }

    pub fn start_as(&mut self, at: usize, worker: i64) -> Result<Changes, Refusal> {
        self.book.subject = Some(self.row(at).id);
        self.run(&Command::Start { worker, lease_ms: 1_000 })
    }

    pub fn hear(&mut self, at: usize, outcome: Outcome) -> Result<Changes, Refusal> {
        self.hear_from(Reporter::Gateway, at, outcome)
    }

    pub fn hear_from(
        &mut self,
        by: Reporter,
        at: usize,
        outcome: Outcome,
    ) -> Result<Changes, Refusal> {
        self.book.subject = Some(self.row(at).id);
        self.run(&Command::Report(Report { outcome, by, look_again_ms: 100 }))
    }

    pub fn refund(&self) -> &Refund {
        self.book.refund.as_ref().unwrap()
    }

    pub fn row(&self, at: usize) -> &RefundTransaction {
        &self.refund().transactions[at]
    }

    pub fn state(&self) -> State {
        self.refund().state
    }

    pub fn states(&self) -> Vec<TransactionState> {
        self.refund().transactions.iter().map(|row| row.state).collect()
    }

    pub fn payment_id(&self, at: usize) -> TransactionId {
        self.book.payments[at].id
    }
}

pub fn names(changes: &Changes) -> Vec<&'static str> {
    changes.facts.iter().map(Fact::name).collect()
}
