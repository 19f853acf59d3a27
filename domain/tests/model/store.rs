//! A store of one order in memory, that writes what a decision marks and nothing else.

use std::collections::BTreeMap;

use refundry_domain::book::Book;
use refundry_domain::changes::{Changes, Mark, Queue, Work, WorkChange};
use refundry_domain::command::Command;
use refundry_domain::credit;
use refundry_domain::day::{self, Day};
use refundry_domain::decide::{Context, decide, register};
use refundry_domain::ids::{MerchantId, Numbers, Timestamp, TransactionId};
use refundry_domain::policy::Policy;
use refundry_domain::refund::{Refund, RefundTransaction};
use refundry_domain::refusal::Refusal;

use crate::naive::Replay;
use crate::random::{self, Random, Scale};
use crate::vault::Vault;

const DAY_MS: i64 = 2_000;

pub struct Shop {
    /// The order, its lines, payments and returns.
    pub book: Book,
    pub refunds: BTreeMap<i64, Refund>,
    pub work: BTreeMap<(Queue, i64), Work>,
    pub next: i64,
    pub now: i64,
    pub policy: Policy,
    pub replay: Replay,
    pub vault: Vault,
    /// What was decided on each day, where days have a limit.
    pub days: BTreeMap<String, Day>,
}

/// A command and what it is about.
#[derive(Clone, Debug)]
pub struct Step {
    pub command: Command,
    pub refund: Option<i64>,
    pub subject: Option<i64>,
    pub of_return: Option<i64>,
}

impl Step {
    pub fn of_order(command: Command) -> Step {
        Step { command, refund: None, subject: None, of_return: None }
    }

    pub fn is_about(&self, row: &RefundTransaction) -> bool {
        self.subject == Some(row.id.0)
    }
}

impl Shop {
    pub fn open(random: &mut Random, scale: Scale) -> Shop {
        let policy = random::policy(random);
        loop {
            let new = random::order(random, scale);
            let mut numbers = Numbers::starting_at(1);
            let mut context = Context {
                now: Timestamp(1_000),
                by: "key:1",
                policy: &policy,
                numbers: &mut numbers,
                instance: "test",
                reference_taken: None,
            };
            let Ok((book, changes)) = register(MerchantId(1), &new, &mut context) else { continue };
            assert_eq!(changes.order, Some(Mark::New));
            assert_all(&changes.lines, book.lines.len(), "line");
            assert_all(&changes.payments, book.payments.len(), "payment");
            let mut replay = Replay::default();
            changes.facts.iter().for_each(|fact| replay.apply(fact));
            let next = numbers.peek();
            let (refunds, work) = (BTreeMap::new(), BTreeMap::new());
            let (vault, days) = (Vault::default(), BTreeMap::new());
            return Shop { book, refunds, work, next, now: 1_000, policy, replay, vault, days };
        }
    }

    pub fn find(&self, refund: i64) -> &Refund {
        &self.refunds[&refund]
    }

    /// The book that the store would give for a target.
    pub fn load(&self, step: &Step) -> Book {
        let mut book = self.book.clone();
        if let Some(wanted) = step.of_return {
            let at = book.returns.iter().position(|row| row.id.0 == wanted).unwrap();
            book.returns = vec![book.returns.swap_remove(at)];
        }
        book.refund = step.refund.map(|refund| self.refunds[&refund].clone());
        book.subject = step.subject.map(TransactionId);
        let work = step.subject.and_then(|subject| self.work.get(&(Queue::Pay, subject)));
        book.work = work.cloned();
        let wanted = credit::wanted(&book, &step.command);
        book.account = wanted.and_then(|wanted| self.vault.find(&wanted).cloned());
        book.day = day::is_wanted(&self.policy, &step.command).then(|| self.today());
        book
    }

    /// Days are short here, so that a history sees some.
    pub fn date(&self) -> String {
        format!("1970-01-{:02}", 1 + self.now / DAY_MS)
    }

    pub fn today(&self) -> Day {
        let date = self.date();
        self.days.get(&date).cloned().unwrap_or_else(|| Day::new(date))
    }

    pub fn decide(&self, step: &Step) -> Result<(Book, Changes, i64), Refusal> {
        let mut numbers = Numbers::starting_at(self.next);
        let mut context = Context {
            now: Timestamp(self.now),
            by: "key:1",
            policy: &self.policy,
            numbers: &mut numbers,
            instance: "test",
            reference_taken: None,
        };
        let (book, changes) = decide(self.load(step), &step.command, &mut context)?;
        Ok((book, changes, numbers.peek()))
    }

    /// Writes what is marked, having seen that it is what differs.
    pub fn write(&mut self, step: &Step, after: Book, changes: &Changes, next: i64) {
        let before = self.load(step);
        assert_eq!(before.order != after.order, changes.order.is_some(), "the order's mark");
        assert_marks(&before.lines, &after.lines, &changes.lines, "line");
        assert_marks(&before.payments, &after.payments, &changes.payments, "payment");
        assert_marks(&before.returns, &after.returns, &changes.returns, "return");
        self.vault.write(before.account.as_ref(), after.account.as_ref(), &changes.credit);
        assert_eq!(before.day != after.day, changes.day, "the day's mark");
        if let Some(day) = after.day.clone().filter(|_| changes.day) {
            self.days.insert(day.date.clone(), day);
        }
        self.write_refund(step, before.refund.as_ref(), &after, changes);
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
        if changes.is_empty() {
            assert!(changes.order.is_none() && changes.refund.is_none(), "a row without a fact");
            assert!(changes.transactions.is_empty(), "a transaction without a fact");
        }
        assert!(changes.facts.is_empty() || changes.order.is_some(), "a fact without the order");
        changes.facts.iter().for_each(|fact| self.replay.apply(fact));
        self.next = next;
        for row in after.returns {
            match self.book.returns.iter_mut().find(|known| known.id == row.id) {
                Some(known) => *known = row,
                None => self.book.returns.push(row),
            }
        }
        (self.book.order, self.book.lines, self.book.payments) =
            (after.order, after.lines, after.payments);
    }

    fn write_refund(
        &mut self,
        step: &Step,
        before: Option<&Refund>,
        after: &Book,
        changes: &Changes,
    ) {
        let Some(refund) = after.refund.clone() else {
            assert!(step.refund.is_none() && changes.refund.is_none(), "a refund was lost");
            return;
        };
        let old = before.map_or(&[][..], |refund| &refund.transactions);
        assert_marks(old, &refund.transactions, &changes.transactions, "transaction");
        let mark = match before {
            None => Some(Mark::New),
            Some(before) => {
                let bare = |refund: &Refund| Refund { transactions: Vec::new(), ..refund.clone() };
                (bare(before) != bare(&refund)).then_some(Mark::Changed)
            }
        };
        assert_eq!(changes.refund, mark, "the refund's mark");
        self.refunds.insert(refund.id.0, refund);
    }
}

fn assert_all(marks: &[(usize, Mark)], count: usize, what: &str) {
    let all: Vec<_> = (0..count).map(|index| (index, Mark::New)).collect();
    assert_eq!(marks, all, "new {what}s");
}

fn assert_marks<T: PartialEq + std::fmt::Debug>(
    before: &[T],
    after: &[T],
    marks: &[(usize, Mark)],
    what: &str,
) {
    assert!(after.len() >= before.len(), "a {what} was lost");
    let mut expected = 0;
    for (index, row) in after.iter().enumerate() {
        let mark = match before.get(index) {
            None => Mark::New,
            Some(old) if old != row => Mark::Changed,
            Some(_) => continue,
        };
        expected += 1;
        assert!(marks.contains(&(index, mark)), "{what} {index} is {mark:?} and not marked so");
    }
    assert_eq!(marks.len(), expected, "{what} marks without a change: {marks:?}");
}
