//! Books, a ledger and the payout worker over a gateway, under a clock that stands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use refundry::testing::access::Caller;
use refundry::testing::clock::ManualClock;
use refundry::testing::connections::Connections;
use refundry::testing::gateways::sandbox::{self, Sandbox};
use refundry::testing::gateways::{Attempt, Gateway, Gateways, Notice};
use refundry::testing::ledger::{Answered, Hint, Ledger};
use refundry::testing::store::{Administered, Store};
use refundry::testing::workers::{Expire, Pay, Rules, Tally};
use refundry_domain::book::Book;
use refundry_domain::command::{Ask, Command, NewLine, NewOrder, NewPayment, Stated, Target, What};
use refundry_domain::ids::{MerchantId, OrderId, OrderRef, RefundId, Timestamp, TransactionId};
use refundry_domain::merchant::Administration;
use refundry_domain::money::{Currency, Exact, Minor};
use refundry_domain::order::{Customer, LineKind, Metadata, PaymentKind};
use refundry_domain::refund::{Destination, Refund, RefundTransaction, State};
use refundry_domain::refusal::Refusal;
use tokio::sync::mpsc;

use super::store::Directory;

pub const LEASE_MS: i64 = 60_000;
/// A Sunday in 2026.
pub const START: Timestamp = Timestamp(1_780_000_000_000);

/// One server's payouts. The fields are in the order in which they let go.
pub struct Payouts {
    pub pay: Pay,
    pub expire: Expire,
    pub tally: Arc<Tally>,
    pub ledger: Arc<Ledger>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<ManualClock>,
    pub merchant: MerchantId,
    hints: mpsc::UnboundedReceiver<Hint>,
    gateways: Gateways,
    pub connections: Arc<Connections>,
    seed: u64,
    home: Arc<Directory>,
}

pub fn rules() -> Rules {
    Rules { timeout: Duration::from_millis(500), lease_ms: LEASE_MS, concurrency: 0 }
}

pub fn money(text: &str) -> Stated {
    Stated { figure: Exact::parse(text).unwrap(), currency: None }
}

impl Payouts {
    pub async fn over(gateway: Arc<dyn Gateway>) -> Payouts {
        Payouts::over_books(Directory::new().await, gateway).await
    }

    pub async fn over_books(home: Directory, gateway: Arc<dyn Gateway>) -> Payouts {
        let home = Arc::new(home);
        let clock = Arc::new(ManualClock::at(START));
        Payouts::in_home(home, clock, Gateways::of([gateway]), 1).await
    }

    /// As [`Payouts::over`], under a clock that the gateway has too.
    pub async fn with_clock(gateway: Arc<dyn Gateway>, clock: Arc<ManualClock>) -> Payouts {
        let home = Arc::new(Directory::new().await);
        Payouts::in_home(home, clock, Gateways::of([gateway]), 1).await
    }

    async fn in_home(
        home: Arc<Directory>,
        clock: Arc<ManualClock>,
        gateways: Gateways,
        seed: u64,
    ) -> Payouts {
        let store = home.open().await;
        let (ledger, hints) = Ledger::new(store.clone(), clock.clone(), gateways.abilities());
        let merchant = first_merchant(&ledger).await;
        let tally = Arc::new(Tally::default());
        let connections = Arc::new(Connections::built_in_only(gateways.clone()));
        let pay = Pay::new(ledger.clone(), connections.clone(), rules(), seed, tally.clone());
        let expire = Expire::new(ledger.clone(), tally.clone());
        Payouts {
            pay,
            expire,
            tally,
            ledger,
            store,
            clock,
            merchant,
            hints,
            gateways,
            connections,
            seed,
            home,
        }
    }

    /// The process dies and another one opens the same books.
    pub async fn restarted(self) -> Payouts {
        self.restarted_after(|| ()).await
    }

    /// As [`Payouts::restarted`], and something happens to the files in between.
    pub async fn restarted_after(self, happens: impl FnOnce()) -> Payouts {
        let gateways = self.gateways.clone();
        self.restarted_with(gateways, happens).await
    }

    /// As [`Payouts::restarted_after`], by a server that has these gateways.
    pub async fn restarted_with(self, gateways: Gateways, happens: impl FnOnce()) -> Payouts {
        self.store.close().await;
        let (home, clock, seed) = (self.home.clone(), self.clock.clone(), self.seed + 1);
        drop(self);
        happens();
        Payouts::in_home(home, clock, gateways, seed).await
    }

    pub fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// Another worker over the same books.
    pub fn another(&self, seed: u64) -> Pay {
        let tally = self.tally.clone();
        Pay::new(self.ledger.clone(), self.connections.clone(), rules(), seed, tally)
    }

    pub async fn ask(&self, target: Target, command: Command) -> Result<Book, Refusal> {
        let caller = Caller::internal(self.merchant, "test");
        match self.ledger.carry_out(&caller, target, command, None, false).await.unwrap() {
            Answered::Done { book, .. } => Ok(*book),
            Answered::Refused { refusal, .. } => Err(refusal),
            Answered::Replayed(_) | Answered::KeyReused => panic!("no key was given"),
        }
    }

    /// An order with these payments: provider, method, provider's reference, amount.
    pub async fn order(&self, payments: &[(&str, &str, &str, &str)]) -> OrderId {
        let payments: Vec<NewPayment> = payments
            .iter()
            .map(|(provider, method, reference, amount)| NewPayment {
                kind: PaymentKind::Payment,
                parent: None,
                return_id: None,
                provider: (*provider).to_owned(),
                method: (*method).to_owned(),
                provider_reference: Some((*reference).to_owned()),
                amount: money(amount),
                metadata: Metadata::new(),
                created_at: None,
            })
            .collect();
        let line = NewLine {
            kind: LineKind::Product,
            for_line: None,
            sku: Some("sku_1".to_owned()),
            name: None,
            quantity: 1,
            amount: Exact::parse("100.00").unwrap(),
        };
        let new = NewOrder {
            reference: None,
            currency: Currency::parse("EUR").unwrap(),
            customer: Customer::default(),
            lines: vec![line],
            payments,
            fulfilled: false,
            metadata: Metadata::default(),
            created_at: None,
        };
        self.ask(Target::NewOrder, Command::RegisterOrder(new)).await.unwrap().order.id
    }

    pub async fn request(&self, order: OrderId, amount: &str) -> Result<RefundId, Refusal> {
        let ask = Ask {
            what: What::Amount(money(amount)),
            kind: None,
            payment: None,
            return_id: None,
            to: Destination::OriginalPayment,
            execution: None,
            paid: None,
            confirm: None,
            may_approve: true,
            reason: None,
            note: None,
            metadata: Metadata::default(),
        };
        let target = Target::Order(OrderRef::Id(order));
        let book = self.ask(target, Command::RequestRefund(ask)).await?;
        Ok(book.refund.unwrap().id)
    }

    /// A refund of 10.00 of an order that one payment of 100.00 has paid.
    pub async fn refund(&self, provider: &str, reference: &str) -> RefundId {
        self.refund_of(provider, reference, "10.00").await
    }

    pub async fn refund_of(&self, provider: &str, reference: &str, amount: &str) -> RefundId {
        let order = self.order(&[(provider, "card", reference, "100.00")]).await;
        self.request(order, amount).await.unwrap()
    }

    pub async fn retry(&self, refund: RefundId) -> Result<Book, Refusal> {
        self.ask(Target::Refund(refund), Command::Retry).await
    }

    pub async fn read(&self, refund: RefundId) -> Refund {
        self.store.refund(self.merchant, refund).await.unwrap().unwrap()
    }

    pub async fn state(&self, refund: RefundId) -> State {
        self.read(refund).await.state
    }

    /// The newest transaction of the refund.
    pub async fn transaction(&self, refund: RefundId) -> RefundTransaction {
        self.read(refund).await.transactions.last().unwrap().clone()
    }

    /// What may still be given back of the refund's order.
    pub async fn left(&self, refund: RefundId) -> Minor {
        let order = OrderRef::Id(self.read(refund).await.order);
        self.store.order(self.merchant, order).await.unwrap().unwrap().left()
    }

    /// A worker of another process takes the transaction, and is not heard of again.
    pub async fn start_elsewhere(&self, transaction: TransactionId) -> Book {
        let start = Command::Start { worker: -1, lease_ms: LEASE_MS };
        self.ask(Target::Transaction(transaction), start).await.unwrap()
    }

    pub async fn after(&self, ms: i64) -> usize {
        self.clock.advance_ms(ms);
        self.pay.tick().await
    }

    /// Looks again until nothing changes any more within some hours.
    pub async fn settle(&self) {
        for _ in 0..20 {
            self.after(60 * 60 * 1000).await;
        }
    }

    pub fn hints_waiting(&mut self) -> usize {
        std::iter::from_fn(|| self.hints.try_recv().ok()).count()
    }

    pub fn notice(&self, transaction: &RefundTransaction) -> Notice {
        Notice::about(&transaction.key)
    }
}

/// The attempt that a started book is about, as a worker would hand it over.
pub fn attempt(book: &Book) -> Attempt {
    let refund = book.refund.as_ref().unwrap();
    let row = refund.transactions.iter().find(|row| Some(row.id) == book.subject).unwrap();
    Attempt {
        account: None,
        merchant: book.order.merchant,
        transaction: row.id,
        payment: row.payment,
        key: row.key.clone(),
        amount: book.money(row.amount),
        method: row.method.clone(),
        payment_reference: None,
        refund_reference: None,
        reason: None,
        paid: false,
    }
}

async fn first_merchant(ledger: &Ledger) -> MerchantId {
    if let Some(merchant) = ledger.books().merchants().await.unwrap().first() {
        return merchant.id;
    }
    let caller = Caller::internal(MerchantId(0), "test");
    let create = Administration::CreateMerchant { name: "shop".to_owned() };
    match ledger.administer(&caller, create).await.unwrap() {
        Administered::Merchant(merchant) => merchant.id,
        other => panic!("{other:?}"),
    }
}

/// The sandbox's payouts, with its notifications.
pub struct SandboxPayouts {
    pub at: Payouts,
    pub sandbox: Arc<Sandbox>,
    notices: mpsc::UnboundedReceiver<Notice>,
}

impl SandboxPayouts {
    pub async fn open() -> SandboxPayouts {
        let home = Arc::new(Directory::new().await);
        let clock = Arc::new(ManualClock::at(START));
        let (tell, notices) = mpsc::unbounded_channel();
        let sandbox = Arc::new(Sandbox::open(home.path(), clock.clone(), tell).unwrap());
        let gateways = Gateways::of([sandbox.clone() as Arc<dyn Gateway>]);
        let at = Payouts::in_home(home, clock, gateways, 1).await;
        SandboxPayouts { at, sandbox, notices }
    }

    /// A refund of 10.00 on a payment with this script, after the first round.
    pub async fn refund(&self, script: &str) -> RefundId {
        let refund = self.at.refund(sandbox::NAME, script).await;
        self.at.pay.tick().await;
        refund
    }

    /// Takes up every notification that is due by now; answers how many.
    pub async fn hear(&mut self) -> usize {
        self.sandbox.deliver_due().await;
        let mut heard = 0;
        while let Ok(notice) = self.notices.try_recv() {
            self.at.pay.notice(&notice).await;
            heard += 1;
        }
        heard
    }

    /// How many payouts the sandbox made, and what of it stayed paid, in cents.
    pub fn paid(&self) -> (i64, i64) {
        let totals = sandbox::totals(&self.at.home()).unwrap();
        let amounts: BTreeMap<String, i64> = totals.amounts.into_iter().collect();
        (totals.payouts, amounts.get("EUR").copied().unwrap_or(0))
    }

    pub fn calls(&self) -> (i64, i64) {
        let totals = sandbox::totals(&self.at.home()).unwrap();
        (totals.calls, totals.asks)
    }
}
