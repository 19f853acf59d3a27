//! What a caller may do, as a value: a handler that was not given the right to a thing has no way
//! to ask the books for it, and every question is asked as the caller's merchant.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use refundry_domain::book::Book;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{
    MerchantId, OrderId, OrderRef, RefundId, ReturnId, Timestamp, TransactionId,
};
use refundry_domain::merchant::{Merchant, Scope, Settings};
use refundry_domain::order::Order;
use refundry_domain::policy::Policy;
use refundry_domain::refund::Refund;
use refundry_domain::returns::Return;
use tokio::sync::watch;

use super::desk::{Desk, Place};
use super::problem::{Code, Problem};
use crate::access::Caller;
use crate::access::gate::Admitted;
use crate::access::links::{Link, LinkError};
use crate::access::seal::Sealer;
use crate::delivery::{Format, Message};
use crate::ledger::{Answered, Fault, Fitting, Followed, Following, Held};
use crate::store::together::ReturnSheet;
use crate::store::{
    Claim, Event, EventFilter, OrderFilter, Page, RefundFilter, ReturnFilter, Slice, Store,
    StoreError, TransactionFilter, TransactionRow,
};

/// A right that some scopes give.
pub trait Scoped: Send + Sync + 'static {
    /// Any of these is enough.
    const ANY: &'static [Scope];
}

/// Look at the merchant's rows.
pub enum Reads {}
/// Register, request, cancel, retry, report.
pub enum Writes {}
/// Confirm a refund: by who may write, and for what the policy wants approved, by who may approve.
pub enum Confirms {}
/// Keys, settings, merchants, webhooks.
pub enum Administers {}

impl Scoped for Reads {
    const ANY: &'static [Scope] = &[Scope::Read];
}
impl Scoped for Writes {
    const ANY: &'static [Scope] = &[Scope::Write];
}
impl Scoped for Confirms {
    const ANY: &'static [Scope] = &[Scope::Write, Scope::Approve];
}
impl Scoped for Administers {
    const ANY: &'static [Scope] = &[Scope::Admin];
}

/// The right `S`, of one caller.
pub struct Right<S> {
    pub(super) desk: Desk,
    admitted: Arc<Admitted>,
    of: PhantomData<fn() -> S>,
}

impl<S> Clone for Right<S> {
    fn clone(&self) -> Right<S> {
        Right { desk: self.desk.clone(), admitted: self.admitted.clone(), of: PhantomData }
    }
}

impl<S: Scoped> Right<S> {
    pub fn claim(desk: Desk, admitted: Arc<Admitted>) -> Result<Right<S>, Problem> {
        if S::ANY.iter().any(|scope| admitted.caller.may(*scope)) {
            return Ok(Right { desk, admitted, of: PhantomData });
        }
        let names: Vec<&str> = S::ANY.iter().map(|scope| scope.name()).collect();
        let detail = format!("The API key lacks the scope {}.", names.join(" or "));
        Err(Problem::new(Code::ScopeMissing, detail))
    }

    /// Another right of the same caller, who may not have it.
    pub fn also<T: Scoped>(&self) -> Option<Right<T>> {
        Right::claim(self.desk.clone(), self.admitted.clone()).ok()
    }

    pub fn caller(&self) -> &Caller {
        &self.admitted.caller
    }

    pub fn now(&self) -> Timestamp {
        self.desk.0.ledger.now()
    }

    /// The caller's merchant.
    pub async fn shop(&self) -> Result<Option<Merchant>, StoreError> {
        self.store().merchant(self.merchant()).await
    }

    pub(super) fn merchant(&self) -> MerchantId {
        self.admitted.caller.merchant
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.desk.0.ledger.books()
    }

    /// Carries a command out, to its end even when the client hangs up meanwhile: the task goes
    /// on when whoever waits for it is dropped.
    pub(super) async fn run(
        &self,
        target: Target,
        command: Command,
        claim: Option<Claim>,
        dry_run: bool,
    ) -> Result<Answered, Fault> {
        let ledger = self.desk.0.ledger.clone();
        let admitted = self.admitted.clone();
        to_its_end(async move {
            ledger.carry_out(&admitted.caller, target, command, claim, dry_run).await
        })
        .await
    }
}

/// Goes on in a task of its own when whoever waits for it is dropped.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Unavailable("the server is stopping".to_owned()).into()),
        },
    }
}

/// A right whose answers show what they are about.
pub trait Shows: Scoped {}
impl Shows for Reads {}
impl Shows for Writes {}

/// A right whose answers follow from what has happened.
pub trait Follows: Scoped {}
impl Follows for Reads {}
impl Follows for Writes {}
impl Follows for Administers {}

impl<S: Follows> Right<S> {
    pub async fn events(
        &self,
        filter: EventFilter,
        page: Page,
    ) -> Result<Slice<Event>, StoreError> {
        self.store().events(self.merchant(), filter, page).await
    }
}

impl<S: Shows> Right<S> {
    pub async fn order(&self, order: OrderRef) -> Result<Option<Book>, StoreError> {
        self.store().order(self.merchant(), order).await
    }

    /// The books of those of these orders that are there, in one question.
    pub async fn books(
        &self,
        orders: impl Iterator<Item = OrderId>,
    ) -> Result<HashMap<OrderId, Book>, StoreError> {
        let found = self.store().books(self.merchant(), orders.collect()).await?;
        Ok(found.into_iter().map(|book| (book.order.id, book)).collect())
    }

    pub async fn refund(&self, refund: RefundId) -> Result<Option<Refund>, StoreError> {
        self.store().refund(self.merchant(), refund).await
    }

    pub async fn refunds(
        &self,
        filter: RefundFilter,
        page: Page,
    ) -> Result<Slice<Refund>, StoreError> {
        self.store().refunds(self.merchant(), filter, page).await
    }

    /// [`Right::refunds`] with the books of their orders, in one question.
    pub async fn refunds_with_books(
        &self,
        filter: RefundFilter,
        page: Page,
    ) -> Result<(Slice<Refund>, HashMap<OrderId, Book>), StoreError> {
        let (slice, books) = self.store().refunds_with_books(self.merchant(), filter, page).await?;
        Ok((slice, books.into_iter().map(|book| (book.order.id, book)).collect()))
    }

    /// The return of this reference with its order and its refunds, in one question.
    pub async fn return_sheet(&self, reference: &str) -> Result<Option<ReturnSheet>, StoreError> {
        self.store().return_sheet(self.merchant(), reference.to_owned()).await
    }

    pub async fn transaction(
        &self,
        transaction: TransactionId,
    ) -> Result<Option<TransactionRow>, StoreError> {
        self.store().transaction(self.merchant(), transaction).await
    }

    pub async fn transactions(
        &self,
        filter: TransactionFilter,
        page: Page,
    ) -> Result<Slice<TransactionRow>, StoreError> {
        self.store().transactions(self.merchant(), filter, page).await
    }

    /// A transaction's refund once its provider has answered or the wait for that is over.
    pub async fn outcome(
        &self,
        transaction: TransactionId,
        following: Option<Following>,
    ) -> Result<Option<Followed>, StoreError> {
        self.desk.0.ledger.outcome(self.merchant(), transaction, following).await
    }

    pub async fn return_of(&self, return_id: ReturnId) -> Result<Option<Return>, StoreError> {
        self.store().return_of(self.merchant(), return_id).await
    }

    /// What a format says of an event to nobody in particular.
    pub async fn told(
        &self,
        format: &dyn Format,
        event: &Event,
    ) -> Result<Option<Message>, StoreError> {
        format.message(self.store(), event).await
    }

    /// What the merchant has settled, and which providers are connected.
    pub async fn policy(&self) -> Result<Arc<Policy>, StoreError> {
        self.desk.0.ledger.policy(self.merchant()).await
    }
}

impl Right<Reads> {
    pub async fn orders(
        &self,
        filter: OrderFilter,
        page: Page,
    ) -> Result<Slice<Order>, StoreError> {
        self.store().orders(self.merchant(), filter, page).await
    }

    pub async fn returns(
        &self,
        filter: ReturnFilter,
        page: Page,
    ) -> Result<Slice<Return>, StoreError> {
        self.store().returns(self.merchant(), filter, page).await
    }

    /// What would become of a command; writes nothing.
    pub async fn preview(&self, target: Target, command: Command) -> Result<Answered, Fault> {
        self.run(target, command, None, true).await
    }

    /// The IANA name of the merchant's time zone.
    pub async fn time_zone(&self) -> Result<String, StoreError> {
        let row = self.store().merchant(self.merchant()).await?;
        let settings = row.map_or_else(Settings::default, |merchant| merchant.settings);
        Ok(settings.time_zone)
    }

    /// Ticks with every commit of this process.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.desk.0.ledger.commits()
    }

    /// A place for one more stream; `None` when there is none.
    pub fn place_for_stream(&self) -> Option<Place> {
        self.desk.0.streams.place(self.caller().merchant)
    }

    /// True once the server drains.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.desk.0.stopping.clone()
    }
}

impl Right<Writes> {
    pub async fn carry_out(
        &self,
        target: Target,
        command: Command,
        claim: Option<Claim>,
        dry_run: bool,
    ) -> Result<Answered, Fault> {
        self.run(target, command, claim, dry_run).await
    }

    /// As [`Right::carry_out`], of a command that is made from its book in the batch; see
    /// [`Ledger::carry_out_fitting`](crate::ledger::Ledger::carry_out_fitting). What is held is let
    /// go of when the ledger has answered, and not when whoever waits for it is dropped.
    pub async fn carry_out_fitting<E, F>(
        &self,
        held: Option<Held>,
        fitting: Fitting<F>,
    ) -> Result<Result<(Answered, Following), E>, Fault>
    where
        E: Send + 'static,
        F: Fn(&Book) -> Result<Command, E> + Send + Sync + 'static,
    {
        let ledger = self.desk.0.ledger.clone();
        let admitted = self.admitted.clone();
        to_its_end(async move {
            let answered = ledger.carry_out_fitting(&admitted.caller, fitting).await;
            drop(held);
            answered
        })
        .await
    }

    /// Lets a name have one holder at a time in this process.
    pub fn hold(&self, name: &str) -> Result<Held, Fault> {
        self.desk.0.ledger.hold(self.merchant(), name)
    }

    pub fn sealer(&self) -> &Sealer {
        self.desk.0.links.sealer()
    }

    /// The link for the customer of a refund that waits for bank details.
    pub async fn information_link(&self, refund: &Refund) -> Result<Option<Link>, LinkError> {
        self.desk.0.links.of(self.merchant(), refund).await
    }

    pub fn may_approve(&self) -> bool {
        self.caller().may(Scope::Approve)
    }
}

impl Right<Confirms> {
    pub async fn confirm(
        &self,
        refund: RefundId,
        claim: Option<Claim>,
        dry_run: bool,
    ) -> Result<Answered, Fault> {
        let may_approve = self.caller().may(Scope::Approve);
        let command = Command::Confirm { may_approve };
        self.run(Target::Refund(refund), command, claim, dry_run).await
    }
}
