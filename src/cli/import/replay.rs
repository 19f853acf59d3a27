//! The plan, carried out through the ledger like any caller's commands. Each has an idempotency
//! key made of the invoice and the row, so what was done before is answered and not done again.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use refundry_domain::book::Book;
use refundry_domain::command::{
    Ask, Command, ItemAsk, ItemShare, LineRef, NewLine, NewOrder, NewPayment, Stated, Target, What,
};
use refundry_domain::ids::{OrderRef, RefundId};
use refundry_domain::money::{Currency, Exact, Minor, Money};
use refundry_domain::order::{Customer, LineKind, Metadata, PaymentKind};
use refundry_domain::refund::{Destination, Refund, State};
use refundry_domain::refusal::Refusal;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::plan::{Plan, PlannedOrder, PlannedRefund, Step};
use super::report::{Report, Tally};
use crate::access::Caller;
use crate::ledger::{Answered, Fault, Ledger};
use crate::store::{Answer, Claim, Page, RefundFilter, StoreError};

/// How many commands are under way at once: enough to fill the store's batches.
const IN_FLIGHT: usize = 512;
/// How long no refund may settle before the import stops waiting for the rest.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for news before looking again by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Where the provider of the payments and its scripts come from.
const PROVIDER: &str = "sandbox";

#[derive(Debug, thiserror::Error)]
pub enum ReplayProblem {
    #[error("{0}. What is done stays done: run the same command again and it goes on from there")]
    Ledger(#[from] Fault),
    #[error("invoice {invoice} was not taken: {reason}")]
    OrderRefused { invoice: String, reason: String },
    #[error(
        "{what} was imported before with other content. Import the file into another data \
         directory, or use the file of the first import"
    )]
    OtherContent { what: String },
    #[error("the currency GBP is not known")]
    NoPounds,
}

impl From<StoreError> for ReplayProblem {
    fn from(error: StoreError) -> ReplayProblem {
        ReplayProblem::Ledger(Fault::Store(error))
    }
}

/// What the import is doing, for whoever shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    CarryingOut,
    PayingOut,
}

/// Carries out every step of the plan, waits until its refunds are settled, and reports what the
/// ledger says of them. `progress` hears how many of how many are done.
pub async fn replay(
    ledger: &Ledger,
    caller: &Caller,
    plan: &Plan,
    progress: &(dyn Fn(Stage, u64, u64) + Send + Sync),
) -> Result<Report, ReplayProblem> {
    let pounds = Currency::parse("GBP").map_err(|_| ReplayProblem::NoPounds)?;
    let replay = Replay { ledger, caller, plan, pounds };
    let mut tally = Tally::new(plan);
    let refunds = replay.carry_out_all(&mut tally, progress).await?;
    replay.settle_all(refunds, &mut tally, progress).await?;
    Ok(tally.report())
}

struct Replay<'a> {
    ledger: &'a Ledger,
    caller: &'a Caller,
    plan: &'a Plan,
    pounds: Currency,
}

/// What the ledger answered to one step.
enum Receipt {
    Order {
        captured: Minor,
        lines: u64,
    },
    Refund(RefundId),
    /// A refund that a rule refused: somebody else has refunded the order since.
    RefundRefused,
}

impl Replay<'_> {
    async fn carry_out_all(
        &self,
        tally: &mut Tally<'_>,
        progress: &(dyn Fn(Stage, u64, u64) + Send + Sync),
    ) -> Result<VecDeque<(usize, RefundId)>, ReplayProblem> {
        let total = count(self.plan.steps.len());
        let mut refunds = VecDeque::with_capacity(self.plan.refunds.len());
        let mut absorb = |step: Step, receipt: Receipt| match (step, receipt) {
            (Step::Order(_), Receipt::Order { captured, lines }) => tally.order(captured, lines),
            (Step::Refund(refund), Receipt::Refund(id)) => refunds.push_back((refund, id)),
            (Step::Refund(_), Receipt::RefundRefused | Receipt::Order { .. })
            | (Step::Order(_), Receipt::RefundRefused | Receipt::Refund(_)) => {}
        };
        let mut running = FuturesUnordered::new();
        // The step before of each order: an order comes before its refunds, and these in order.
        let mut before: HashMap<usize, oneshot::Receiver<()>> = HashMap::new();
        let mut done = 0;
        for step in &self.plan.steps {
            if running.len() >= IN_FLIGHT
                && let Some(finished) = running.next().await
            {
                let (step, receipt) = finished?;
                absorb(step, receipt);
                done += 1;
                progress(Stage::CarryingOut, done, total);
            }
            let order = match *step {
                Step::Order(order) => order,
                Step::Refund(refund) => self.plan.refunds[refund].order,
            };
            let (ended, next) = oneshot::channel();
            let turn = before.insert(order, next);
            running.push(self.in_turn(*step, turn, ended));
        }
        while let Some(finished) = running.next().await {
            let (step, receipt) = finished?;
            absorb(step, receipt);
            done += 1;
            progress(Stage::CarryingOut, done, total);
        }
        Ok(refunds)
    }

    async fn in_turn(
        &self,
        step: Step,
        turn: Option<oneshot::Receiver<()>>,
        ended: oneshot::Sender<()>,
    ) -> Result<(Step, Receipt), ReplayProblem> {
        if let Some(turn) = turn {
            // Ends when the step before does, whether it says so or is dropped.
            let _ = turn.await;
        }
        let receipt = match step {
            Step::Order(order) => self.register(&self.plan.orders[order]).await?,
            Step::Refund(refund) => self.refund(&self.plan.refunds[refund]).await?,
        };
        drop(ended);
        Ok((step, receipt))
    }

    async fn register(&self, order: &PlannedOrder) -> Result<Receipt, ReplayProblem> {
        let command = Command::RegisterOrder(self.new_order(order));
        let claim = Claim {
            key: format!("online-retail/{}", order.invoice),
            fingerprint: fingerprint_of_order(order),
            done_only: false,
            render: render_order,
        };
        match self.ask(Target::NewOrder, command, claim).await? {
            Answered::Done { book, .. } => Ok(order_receipt(&book)),
            Answered::Refused { refusal, .. } => Err(refused(order, refusal.to_string())),
            Answered::Replayed(answer) => kept_order(order, &answer),
            Answered::KeyReused => self.order_again(order).await,
        }
    }

    /// The order of a key that was used before, its answer long forgotten or another one.
    async fn order_again(&self, order: &PlannedOrder) -> Result<Receipt, ReplayProblem> {
        let reference = OrderRef::Reference(order.invoice.to_string());
        match self.ledger.books().order(self.caller.merchant, reference).await? {
            Some(book) if is_of(&book, order) => Ok(order_receipt(&book)),
            Some(_) | None => {
                let what = format!("invoice {}", order.invoice);
                Err(ReplayProblem::OtherContent { what })
            }
        }
    }

    async fn refund(&self, refund: &PlannedRefund) -> Result<Receipt, ReplayProblem> {
        let order = &self.plan.orders[refund.order];
        let cancellation = &self.plan.cancellations[refund.cancellation];
        let (invoice, row) = (&cancellation.invoice, cancellation.row);
        let command = Command::RequestRefund(new_refund(refund, invoice, row));
        let claim = Claim {
            key: format!("online-retail/{invoice}/{row}/{}", order.invoice),
            fingerprint: fingerprint_of_refund(refund, order),
            done_only: false,
            render: render_refund,
        };
        let target = Target::Order(OrderRef::Reference(order.invoice.to_string()));
        match self.ask(target, command, claim).await? {
            Answered::Done { book, .. } => {
                Ok(book.refund.map_or(Receipt::RefundRefused, |made| Receipt::Refund(made.id)))
            }
            Answered::Refused { refusal, .. } => {
                tracing::warn!(row, %invoice, %refusal, "a cancellation was refused");
                Ok(Receipt::RefundRefused)
            }
            Answered::Replayed(answer) => Ok(match kept_numbers(&answer)[..] {
                [refund] => Receipt::Refund(RefundId(refund)),
                _ => Receipt::RefundRefused,
            }),
            Answered::KeyReused => self.refund_again(refund, order, row).await,
        }
    }

    /// The refund of a key that was used before; found by the row that it was made of.
    async fn refund_again(
        &self,
        refund: &PlannedRefund,
        order: &PlannedOrder,
        row: u32,
    ) -> Result<Receipt, ReplayProblem> {
        let merchant = self.caller.merchant;
        let reference = OrderRef::Reference(order.invoice.to_string());
        let Some(book) = self.ledger.books().order(merchant, reference).await? else {
            return Ok(Receipt::RefundRefused);
        };
        let mut page = Page { after: None, before: None, limit: 100, oldest_first: true };
        loop {
            let filter = RefundFilter { order: Some(book.order.id), ..RefundFilter::default() };
            let slice = self.ledger.books().refunds(merchant, filter, page).await?;
            let ours = |made: &&Refund| made.metadata.get("row") == Some(&row.to_string());
            if let Some(made) = slice.rows.iter().find(ours) {
                let items = made.parts.iter().map(|part| (part.line, part.quantity));
                return if items.eq(refund.items.iter().copied()) {
                    Ok(Receipt::Refund(made.id))
                } else {
                    Err(ReplayProblem::OtherContent {
                        what: format!("the cancellation in row {row}"),
                    })
                };
            }
            match slice.rows.last() {
                Some(last) if slice.more => page.after = Some(last.id.0),
                Some(_) | None => return Ok(Receipt::RefundRefused),
            }
        }
    }

    async fn ask(
        &self,
        target: Target,
        command: Command,
        claim: Claim,
    ) -> Result<Answered, ReplayProblem> {
        Ok(self.ledger.carry_out(self.caller, target, command, Some(claim), false).await?)
    }

    /// Waits for the refunds in the order in which they were made, and adds up what was paid.
    async fn settle_all(
        &self,
        mut refunds: VecDeque<(usize, RefundId)>,
        tally: &mut Tally<'_>,
        progress: &(dyn Fn(Stage, u64, u64) + Send + Sync),
    ) -> Result<(), ReplayProblem> {
        let total = count(refunds.len());
        let mut commits = self.ledger.commits();
        let mut patience = Instant::now() + PATIENCE;
        while let Some((planned, id)) = refunds.front().copied() {
            let refund = self.ledger.books().refund(self.caller.merchant, id).await?;
            let over = refund.as_ref().is_none_or(|refund| is_over(refund.state));
            if over || Instant::now() > patience {
                refunds.pop_front();
                tally.refund(&self.plan.refunds[planned], refund.as_ref());
                patience = if over { Instant::now() + PATIENCE } else { patience };
                progress(Stage::PayingOut, total - count(refunds.len()), total);
            } else {
                // Whether there was news or not, it is looked at again.
                let _ = timeout(LOOK_AGAIN, commits.changed()).await;
            }
        }
        Ok(())
    }

    fn new_order(&self, order: &PlannedOrder) -> NewOrder {
        let total = order.lines.iter().map(|line| line.amount);
        let total = refundry_domain::book::sum(total);
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        NewOrder {
            reference: Some(order.invoice.to_string()),
            currency: self.pounds,
            customer: Customer { reference: text(&order.customer), email: None, name: None },
            lines: order
                .lines
                .iter()
                .map(|line| NewLine {
                    kind: LineKind::Product,
                    for_line: None,
                    sku: text(&line.sku),
                    name: text(&line.name),
                    quantity: line.quantity,
                    amount: self.exact(line.amount),
                })
                .collect(),
            payments: vec![NewPayment {
                kind: PaymentKind::Payment,
                parent: None,
                return_id: None,
                provider: PROVIDER.to_owned(),
                method: "card".to_owned(),
                provider_reference: Some(format!("online-retail-{}", order.invoice)),
                amount: Stated { figure: self.exact(total), currency: Some(self.pounds) },
                metadata: Metadata::new(),
                created_at: Some(order.at),
            }],
            fulfilled: false,
            metadata: Metadata::new(),
            created_at: Some(order.at),
        }
    }

    fn exact(&self, amount: Minor) -> Exact {
        let text = Money::new(amount, self.pounds).to_string();
        Exact::parse(&text).expect("an amount's own text is a decimal number")
    }
}

fn new_refund(refund: &PlannedRefund, invoice: &str, row: u32) -> Ask {
    let items = refund.items.iter().map(|(line, units)| ItemAsk {
        line: LineRef::Position(*line),
        share: ItemShare::Quantity(*units),
    });
    Ask {
        what: What::Items(items.collect()),
        kind: None,
        payment: None,
        return_id: None,
        to: Destination::OriginalPayment,
        execution: None,
        paid: None,
        confirm: Some(true),
        may_approve: true,
        reason: Some("requested_by_customer".to_owned()),
        note: None,
        metadata: Metadata::from([
            ("cancellation".to_owned(), invoice.to_owned()),
            ("row".to_owned(), row.to_string()),
        ]),
    }
}

/// Whether waiting longer changes nothing.
fn is_over(state: State) -> bool {
    match state {
        State::Pending | State::Processing => false,
        State::Unconfirmed
        | State::RequiresInformation
        | State::NeedsAttention
        | State::Succeeded
        | State::Failed
        | State::Canceled
        | State::Reversed => true,
    }
}

fn order_receipt(book: &Book) -> Receipt {
    Receipt::Order { captured: book.order.captured, lines: count(book.lines.len()) }
}

fn refused(order: &PlannedOrder, reason: String) -> ReplayProblem {
    ReplayProblem::OrderRefused { invoice: order.invoice.to_string(), reason }
}

/// The statuses of kept answers; only this file reads them.
const DONE: u16 = 200;
const REFUSED: u16 = 422;

fn render_order(decided: Result<&Book, &Refusal>) -> Answer {
    rendered(decided, |book| format!("{} {}", book.order.captured.get(), book.lines.len()))
}

fn render_refund(decided: Result<&Book, &Refusal>) -> Answer {
    rendered(decided, |book| book.refund.as_ref().map_or_else(String::new, |r| r.id.to_string()))
}

fn rendered(decided: Result<&Book, &Refusal>, text: impl Fn(&Book) -> String) -> Answer {
    match decided {
        Ok(book) => Answer { status: DONE, body: text(book).into_bytes() },
        Err(refusal) => Answer { status: REFUSED, body: refusal.to_string().into_bytes() },
    }
}

fn kept_order(order: &PlannedOrder, answer: &Answer) -> Result<Receipt, ReplayProblem> {
    match kept_numbers(answer)[..] {
        [captured, lines] => Ok(Receipt::Order {
            captured: Minor::new(captured).unwrap_or(Minor::ZERO),
            lines: u64::try_from(lines).unwrap_or(0),
        }),
        _ => Err(refused(order, String::from_utf8_lossy(&answer.body).into_owned())),
    }
}

/// The numbers of a kept answer; none of a refusal.
fn kept_numbers(answer: &Answer) -> Vec<i64> {
    if answer.status != DONE {
        return Vec::new();
    }
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    text.split(' ').map(str::parse).collect::<Result<Vec<i64>, _>>().unwrap_or_default()
}

/// Whether the order in the books is the one in the file.
fn is_of(book: &Book, order: &PlannedOrder) -> bool {
    let kept = book
        .lines
        .iter()
        .map(|line| (line.sku.as_deref().unwrap_or_default(), line.quantity, line.amount));
    book.order.created_at == order.at
        && kept.eq(order.lines.iter().map(|line| (&*line.sku, line.quantity, line.amount)))
}

/// Changes with anything that the file says of the order.
fn fingerprint_of_order(order: &PlannedOrder) -> [u8; 32] {
    let mut hash = Sha256::new();
    field(&mut hash, &order.invoice);
    field(&mut hash, &order.customer);
    field(&mut hash, &order.at.0.to_string());
    for line in &order.lines {
        field(&mut hash, &line.sku);
        field(&mut hash, &line.name);
        field(&mut hash, &line.quantity.to_string());
        field(&mut hash, &line.amount.get().to_string());
    }
    hash.finalize().into()
}

fn fingerprint_of_refund(refund: &PlannedRefund, order: &PlannedOrder) -> [u8; 32] {
    let mut hash = Sha256::new();
    field(&mut hash, &order.invoice);
    for (line, units) in &refund.items {
        field(&mut hash, &line.to_string());
        field(&mut hash, &units.to_string());
    }
    hash.finalize().into()
}

fn field(hash: &mut Sha256, text: &str) {
    hash.update(text.len().to_string());
    hash.update(":");
    hash.update(text);
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
