//! Commands that only the book they are about says all of.

use std::sync::Arc;

use parking_lot::Mutex;
use refundry_domain::book::Book;
use refundry_domain::command::{Command, Target};
use tokio::sync::oneshot;

use super::outcome::Following;
use super::{Answered, Fault, Ledger, Terms};
use crate::access::Caller;
use crate::store::{Claim, StoreError};

/// A command that is made from the book that it is about, in the batch that carries it out.
pub struct Fitting<F> {
    pub target: Target,
    /// As far as it is known without the book: of the same kind, to the same destination.
    pub like: Command,
    /// Pure: it may run again.
    pub fit: F,
    pub claim: Option<Claim>,
}

impl Ledger {
    /// Carries out what `fit` makes from the book, or answers why the two do not go together. Under
    /// the claim nothing is kept of that, nor of a target that is not there. With the outcome of the
    /// first refund transaction, for [`Ledger::outcome`].
    pub async fn carry_out_fitting<E, F>(
        &self,
        caller: &Caller,
        fitting: Fitting<F>,
    ) -> Result<Result<(Answered, Following), E>, Fault>
    where
        E: Send + 'static,
        F: Fn(&Book) -> Result<Command, E> + Send + Sync + 'static,
    {
        let Fitting { target, like, fit, claim } = fitting;
        let why = Arc::new(Mutex::new(None));
        let found = why.clone();
        let fit = move |book: &Book| match fit(book) {
            Ok(command) => Some(command),
            Err(error) => {
                *found.lock() = Some(error);
                None
            }
        };
        let (told, following) = oneshot::channel();
        let terms = Terms { fit: Some(Arc::new(fit)), told: Some(told), claim, dry_run: false };
        if let Some(answered) = self.carry_out_on(caller, target, like, terms).await? {
            return Ok(Ok((answered, following)));
        }
        let why = why.lock().take();
        why.map(Err).ok_or_else(|| {
            StoreError::Damaged("a command that fits was taken for one that does not".to_owned())
                .into()
        })
    }
}
