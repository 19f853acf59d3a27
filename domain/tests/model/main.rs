//! Any history of one order keeps its promises: random commands, in any order and from anybody,
//! against a naive model. `MODEL_SEED=7 cargo test -p refundry-domain --test model` takes other
//! histories; a failure names the seed of its one history, which that variable repeats first.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod choose;
mod groups;
mod invariants;
mod naive;
mod oracle;
mod random;
mod store;
mod vault;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use refundry_domain::command::Command;
use refundry_domain::event::Fact;
use refundry_domain::outcome::Outcome;
use refundry_domain::refund::{Execution, Refund, State, WaitsFor};

use crate::random::{Random, Scale};
use crate::store::{Shop, Step};

const HISTORIES: u64 = 20_000;
const STEPS: usize = 30;
const WORKERS: u64 = 2;

fn first_seed() -> u64 {
    std::env::var("MODEL_SEED").map_or(1, |seed| seed.parse().expect("MODEL_SEED is a number"))
}

/// What the histories came to: how often refunds reached each state, and what was accepted.
type Reached = BTreeMap<String, usize>;

#[test]
fn any_history_keeps_the_books_right() {
    let (first, share) = (first_seed(), HISTORIES / WORKERS);
    let mut reached = Reached::new();
    std::thread::scope(|scope| {
        let spawn = |worker| scope.spawn(move || run(first + worker * share, share));
        let workers: Vec<_> = (0..WORKERS).map(spawn).collect();
        for worker in workers {
            let seen = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            seen.into_iter().for_each(|(what, count)| *reached.entry(what).or_default() += count);
        }
    });
    // What the histories reach is part of what they prove: none of these may become rare.
    let commands = ["RecordPayment", "ChangeOrder", "OpenReturn", "ChangeReturn", "RequestRefund"];
    let later = ["ChangeRefund", "Confirm", "Cancel", "Retry", "GiveInformation", "Expire"];
    let by_worker = ["Start", "Report"];
    let states = State::ALL.map(|state| format!("{state:?}"));
    let names = commands.iter().chain(&later).chain(&by_worker).map(|name| (*name).to_owned());
    let names = names.chain(["told".to_owned(), "over the day".to_owned()]);
    assert!(reached.get("closed").is_some_and(|count| *count > 10), "returns close: {reached:?}");
    let credit = ["Credit", "Reversal", "Spend", "Undo"].map(|kind| format!("{kind} of credit"));
    for what in names.chain(states).chain(credit).chain(["half Reversed".to_owned()]) {
        let count = reached.get(&what).copied().unwrap_or_default();
        assert!(count > 200, "{what} was reached {count} times: {reached:?}");
    }
}

fn run(first: u64, count: u64) -> Reached {
    let mut reached = Reached::new();
    for seed in first..first + count {
        let mut steps = Vec::new();
        if attempt(seed, &mut reached, &mut |_| {}).is_ok() {
            continue;
        }
        // Once more, this time writing down what was done.
        let again = attempt(seed, &mut reached, &mut |step| steps.push(format!("{step:?}")));
        let panic = again.expect_err("a history fails as it did before");
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        panic!("{}\n{text}\nMODEL_SEED={seed} repeats this history first", steps.join("\n"));
    }
    reached
}

fn attempt(
    seed: u64,
    reached: &mut Reached,
    log: &mut dyn FnMut(&Step),
) -> std::thread::Result<()> {
    catch_unwind(AssertUnwindSafe(|| history(seed, reached, log)))
}

fn history(seed: u64, reached: &mut Reached, log: &mut dyn FnMut(&Step)) {
    let mut random = Random(seed);
    let scale = random.pick(&[Scale::Tiny, Scale::Usual, Scale::Usual, Scale::Extreme]);
    let mut shop = Shop::open(&mut random, scale);
    for _ in 0..STEPS {
        shop.now += 1 + random.up_to(400);
        if random.one_in(15) {
            shop.policy = random::policy(&mut random);
        }
        if random.one_in(3) {
            vault::visit(&mut random, &mut shop);
        }
        let Some(step) = choose::step(&mut random, scale, &shop) else { continue };
        log(&step);
        take(&mut shop, &step, reached);
        if matches!(step.command, Command::Report(_)) && random.one_in(3) {
            shop.now += 1;
            repeat(&mut shop, &step);
        }
    }
    assert_eq!(shop.refunds.len(), shop.replay.refunds.len());
    for entry in &shop.vault.entries {
        *reached.entry(format!("{:?} of credit", entry.kind)).or_default() += 1;
    }
    let mut kept = shop.refunds.values().filter(|refund| refund.execution == Execution::Internal);
    if kept.any(|refund| refund.state == State::Reversed && !refund.refunded.is_zero()) {
        *reached.entry("half Reversed".to_owned()).or_default() += 1;
    }
}

/// One command, and everything that must hold after it.
fn take(shop: &mut Shop, step: &Step, reached: &mut Reached) {
    let expected = oracle::accepted(shop, step);
    let (book, changes, next) = match shop.decide(step) {
        Ok(decided) => decided,
        Err(refusal) => {
            assert_ne!(expected, Some(true), "refused: {refusal:?}");
            assert!(!refusal.to_string().is_empty() && !refusal.code().is_empty());
            return;
        }
    };
    assert_ne!(expected, Some(false), "accepted");
    let name = format!("{:?}", step.command);
    let name = name.split([' ', '(']).next().unwrap_or_default().to_owned();
    *reached.entry(name).or_default() += 1;
    let before = step.refund.map(|refund| shop.refunds[&refund].clone());
    invariants::predicted(shop, step, book.refund.as_ref());
    shop.write(step, book, &changes, next);
    invariants::hold(shop);
    for fact in &changes.facts {
        match fact {
            Fact::RefundMoved(moved) if moved.from != moved.to => {
                let allowed = naive::MOVES.iter().find(|(from, _)| *from == moved.from).unwrap().1;
                assert!(allowed.contains(&moved.to), "{:?} to {:?}", moved.from, moved.to);
                assert!(moved.from.may_become(moved.to));
                *reached.entry(format!("{:?}", moved.to)).or_default() += 1;
            }
            Fact::RefundRequested { state, .. } => {
                let waits = step_refund_waits(shop, fact);
                if waits == Some(WaitsFor::DailyLimit) {
                    *reached.entry("over the day".to_owned()).or_default() += 1;
                }
                *reached.entry(format!("{state:?}")).or_default() += 1;
            }
            Fact::RefundMoved(_)
            | Fact::OrderRegistered { .. }
            | Fact::PaymentRecorded { .. }
            | Fact::OrderFulfilled { .. }
            | Fact::OrderAnnotated { .. }
            | Fact::DisputeChanged { .. }
            | Fact::ReturnOpened { .. }
            | Fact::RefundChanged { .. }
            | Fact::RefundAnnotated { .. }
            | Fact::DetailsPurged { .. }
            | Fact::RefundContradicted { .. }
            | Fact::TransactionAnnotated { .. } => {}
            Fact::ReturnChanged { .. } => {
                if !matches!(step.command, Command::ChangeReturn(_)) {
                    assert!(shop.policy.auto_close, "closed although nobody wants that");
                    *reached.entry("closed".to_owned()).or_default() += 1;
                }
            }
            Fact::PayoutRequested(_) => *reached.entry("told".to_owned()).or_default() += 1,
        }
    }
    if let (Some(before), Some(id)) = (before, step.refund) {
        only_forward(&before, &shop.refunds[&id]);
    }
}

fn step_refund_waits(shop: &Shop, fact: &Fact) -> Option<WaitsFor> {
    let Fact::RefundRequested { refund, .. } = fact else { return None };
    shop.refunds[&refund.0].waits_for
}

/// What is settled stays settled, but for what was paid and is taken back.
fn only_forward(before: &Refund, after: &Refund) {
    use refundry_domain::refund::TransactionState as T;
    for (old, new) in before.transactions.iter().zip(&after.transactions) {
        assert_eq!(
            (old.id, old.payment, old.amount, &old.key),
            (new.id, new.payment, new.amount, &new.key)
        );
        let rank = |state: T| match state {
            T::Unconfirmed => 0,
            T::RequiresInformation => 1,
            T::Pending => 2,
            T::Requested => 3,
            T::Processing => 4,
            T::NeedsAttention => 5,
            T::Succeeded => 6,
            T::Failed | T::Canceled => 7,
            T::Reversed => 8,
        };
        assert!(rank(old.state) <= rank(new.state), "{old:?} became {new:?}");
        let final_ = rank(old.state) >= 6 && old.state != new.state;
        assert!(
            !final_ || (old.state, new.state) == (T::Succeeded, T::Reversed),
            "{old:?} {new:?}"
        );
        // One send may turn out to have been none.
        assert!(old.sends <= new.sends + 1);
        if old.provider_reference.is_some() && rank(old.state) >= 6 {
            assert_eq!(old.provider_reference, new.provider_reference, "a settled reference");
        }
    }
}

/// The same news again changes nothing that counts, and makes no event.
fn repeat(shop: &mut Shop, step: &Step) {
    let Ok((book, changes, next)) = shop.decide(step) else { return };
    let Command::Report(report) = &step.command else { return };
    if matches!(report.outcome, Outcome::Reversed { .. }) {
        let gone = |fact: &Fact| matches!(fact, Fact::RefundMoved(moved) if moved.from != moved.to);
        assert!(!changes.facts.iter().any(gone), "{:?}", changes.facts);
    } else {
        // Acknowledged and then waited for: the second look may move it on once more.
        assert!(changes.facts.is_empty(), "{:?}", changes.facts);
    }
    shop.write(step, book, &changes, next);
    invariants::hold(shop);
}

/// Whatever the order in which the units of a line come back, together they give its amount.
#[test]
fn all_units_of_a_line_give_exactly_its_amount() {
    for seed in first_seed()..first_seed() + 3_000 {
        let mut random = Random(seed);
        let scale = random.pick(&[Scale::Tiny, Scale::Usual, Scale::Extreme]);
        let given = invariants::give_back_by_units(&mut random, scale);
        assert_eq!(given.0, given.1, "MODEL_SEED={seed}");
    }
}
