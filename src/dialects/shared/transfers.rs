//! Bank transfers that somebody is to make: which there are, and the files that were written.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{OrderRef, Timestamp, TransactionId};
use refundry_domain::merchant::{Administration, Debtor, NewTransferFile, Settings};
use refundry_domain::outcome::{Outcome, Report, Reporter};
use refundry_domain::refund::TransactionState as T;
use refundry_domain::refund::{Destination, Execution, Refund, RefundTransaction, State};

use super::problem::{Code, Problem};
use super::right::{Administers, Right};
use crate::access::bank::BankDetails;
use crate::access::seal::SealError;
use crate::access::secret;
use crate::ledger::Answered;
use crate::store::vault::TransferFile;
use crate::store::{Administered, Page, RefundFilter, Slice, StoreError};
use crate::transfers::{self, Transfer, When};

/// How many refunds are read at once.
const PAGE: u32 = 500;
/// How many transfers are acknowledged at once.
const AT_ONCE: usize = 50;

/// An open bank transfer, and the file that it stands in, if it does.
pub struct Open {
    pub refund: Refund,
    /// Its place among the refund's transactions.
    pub at: usize,
    pub file: Option<i64>,
    /// What of its amount or its account no file can say.
    unwritable: Option<&'static str>,
}

impl Open {
    pub fn row(&self) -> &RefundTransaction {
        &self.refund.transactions[self.at]
    }

    /// Why it cannot stand in a file.
    pub fn lacks(&self) -> Option<&'static str> {
        if !self.refund.has_information() {
            return Some("bank_details");
        }
        if !transfers::takes(self.refund.currency) {
            return Some("currency");
        }
        self.unwritable
    }
}

/// Which transfers a file is to have, and when they are to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Those in a file already, too.
    pub again: bool,
    /// The day; today, when not given.
    pub execution: Option<jiff::civil::Date>,
    /// What would be written; nothing is acknowledged.
    pub dry_run: bool,
}

/// A file that would be, or is.
pub struct Drawn {
    pub new: NewTransferFile,
    pub created_at: Timestamp,
}

impl Right<Administers> {
    /// All open bank transfers, oldest first.
    pub async fn open_transfers(&self) -> Result<Vec<Open>, StoreError> {
        let mut found: Vec<Open> = Vec::new();
        let mut after = None;
        loop {
            let filter = RefundFilter {
                states: vec![State::Processing],
                execution: Some(Execution::Manual),
                to: Some(Destination::BankTransfer),
                ..RefundFilter::default()
            };
            let page = Page { after, before: None, limit: PAGE, oldest_first: true };
            let slice = self.store().refunds(self.merchant(), filter, page).await?;
            after = slice.rows.last().map(|refund| refund.id.0);
            for refund in slice.rows {
                let open = |row: &RefundTransaction| {
                    let told = matches!(row.state, T::Requested | T::Processing);
                    row.execution == Execution::Manual && !row.superseded && told
                };
                let rows = refund.transactions.iter().enumerate();
                let places: Vec<usize> =
                    rows.filter(|(_, row)| open(row)).map(|(at, _)| at).collect();
                found.extend(places.into_iter().map(|at| Open {
                    refund: refund.clone(),
                    at,
                    file: None,
                    unwritable: None,
                }));
            }
            if !slice.more {
                break;
            }
        }
        let ids: Vec<TransactionId> = found.iter().map(|open| open.row().id).collect();
        let files: BTreeMap<_, _> = self.store().transferred(self.merchant(), ids).await?;
        for open in &mut found {
            open.file = files.get(&open.row().id).copied();
            open.unwritable = self.unwritable(open);
        }
        Ok(found)
    }

    /// Writes the file of open transfers, sealed; nothing when there are none. They are acknowledged
    /// before, so that nobody cancels one, or gives it another account, while it stands in a file.
    /// When nothing comes of the file they stay open, and stand in the next one.
    pub async fn draw_transfers(&self, wish: Wish) -> Result<Option<Drawn>, Problem> {
        let settings = self.own_settings().await?;
        let debtor = settings.debtor.ok_or_else(|| {
            let detail = "Whose account the transfers come from is not settled; set `debtor`.";
            Problem::field(Code::FieldMissing, "/debtor", detail)
        })?;
        let now = self.now();
        let zone = jiff::tz::TimeZone::get(&settings.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let here = zone.to_datetime(jiff::Timestamp::from_millisecond(now.0).unwrap_or_default());
        let execution = wish.execution.unwrap_or(here.date());
        if execution < here.date() {
            let detail = "The day is over.";
            return Err(Problem::field(Code::FieldInvalid, "/execution_date", detail));
        }
        let mut open = self.open_transfers().await?;
        open.retain(|one| one.lacks().is_none() && (wish.again || one.file.is_none()));
        open.truncate(transfers::MOST);
        if !wish.dry_run {
            open = self.acknowledged(open).await?;
        }
        let Some(first) = open.first() else { return Ok(None) };
        let currency = first.refund.currency;
        let mut wanted = Vec::with_capacity(open.len());
        for one in &open {
            wanted.push(self.transfer(one).await?);
        }
        let when = When { now: here, execution };
        let (message_id, file) = self.written(&debtor, &wanted, when)?;
        let sealed = self.transfer_seal(file.xml.as_bytes())?;
        let transfers = open.iter().map(|one| (one.row().id, one.file)).collect();
        let new = NewTransferFile { message_id, currency, total: file.total, sealed, transfers };
        Ok(Some(Drawn { new, created_at: now }))
    }

    fn written(
        &self,
        debtor: &Debtor,
        wanted: &[Transfer],
        when: When,
    ) -> Result<(String, transfers::File), Problem> {
        let token = secret::link_token().map_err(|error| internal(&error))?;
        let stamp = when.now.strftime("%Y%m%d%H%M%S");
        let message_id = format!("RF-{stamp}-{}", &token[..12]);
        let file = transfers::file(debtor, wanted, &message_id, when).map_err(|why| {
            Problem::new(Code::FieldInvalid, format!("The file cannot be written: {why}."))
        })?;
        Ok((message_id, file))
    }

    /// Those whose payout is under way now, as they are now.
    async fn acknowledged(&self, open: Vec<Open>) -> Result<Vec<Open>, Problem> {
        let mut kept = Vec::with_capacity(open.len());
        let mut rest = open.into_iter();
        loop {
            let some: Vec<_> =
                rest.by_ref().take(AT_ONCE).map(|one| self.acknowledge(one)).collect();
            if some.is_empty() {
                return Ok(kept);
            }
            for one in join_all(some).await {
                kept.extend(one?);
            }
        }
    }

    /// As an outside platform acknowledges; nothing when it is not open any more.
    async fn acknowledge(&self, one: Open) -> Result<Option<Open>, Problem> {
        let id = one.row().id;
        let outcome = Outcome::Acknowledged { reference: None };
        let report = Report { outcome, by: Reporter::Caller, look_again_ms: 0 };
        let done = self.run(Target::Transaction(id), Command::Report(report), None, false).await?;
        let refund = match done {
            Answered::Done { book, .. } => book.refund,
            Answered::Refused { .. } | Answered::Replayed(_) | Answered::KeyReused => None,
        };
        let Some(refund) = refund else { return Ok(None) };
        let stands =
            |row: &RefundTransaction| row.id == id && row.state == T::Processing && !row.superseded;
        let Some(at) = refund.transactions.iter().position(stands) else { return Ok(None) };
        let mut open = Open { refund, at, file: one.file, unwritable: None };
        open.unwritable = self.unwritable(&open);
        Ok(Some(open).filter(|open| open.lacks().is_none()))
    }

    fn unwritable(&self, one: &Open) -> Option<&'static str> {
        if one.lacks().is_some() {
            return None;
        }
        match self.details(&one.refund) {
            Ok(details) => transfers::lacks(one.row().amount, &details),
            Err(error) => {
                tracing::error!(%error, refund = %one.refund.id, "bank details cannot be opened");
                Some("bank_details")
            }
        }
    }

    fn details(&self, refund: &Refund) -> Result<BankDetails, SealError> {
        let envelope = refund.information.as_deref().unwrap_or_default();
        BankDetails::open(envelope, self.sealer(), self.merchant(), refund.id)
    }

    async fn transfer(&self, one: &Open) -> Result<Transfer, Problem> {
        let (merchant, refund, row) = (self.merchant(), &one.refund, one.row());
        let details = self.details(refund).map_err(|error| internal(&error))?;
        let order = self.store().order(merchant, OrderRef::Id(refund.order)).await?;
        let reference = order.map(|book| book.order.reference).unwrap_or_default();
        let text = format!("Refund of order {reference}, {}", transfers::end_to_end(row.id));
        Ok(Transfer { transaction: row.id, amount: row.amount, details, text })
    }

    fn transfer_seal(&self, bytes: &[u8]) -> Result<Vec<u8>, Problem> {
        let context = transfers::context(self.merchant());
        self.sealer().seal(bytes, &context).map_err(|error| internal(&error))
    }

    /// Keeps a file; nothing when somebody else has written one of the same transfers meanwhile, or
    /// one of them is not under way any more.
    pub async fn keep_transfers(&self, drawn: Drawn) -> Result<Option<TransferFile>, Problem> {
        let name = drawn.new.message_id.clone();
        let done = self.administer(Administration::ExportTransfers(drawn.new)).await?;
        if done == Administered::Stale {
            return Ok(None);
        }
        let page = Page { after: None, before: None, limit: 100, oldest_first: false };
        let files = self.transfer_files(page).await?.rows;
        Ok(files.into_iter().find(|file| file.message_id == name))
    }

    pub async fn transfer_files(&self, page: Page) -> Result<Slice<TransferFile>, StoreError> {
        self.store().transfer_files(self.merchant(), page).await
    }

    /// The file as it was written; `None` when there is none, empty once it was purged.
    pub async fn transfer_file(&self, number: i64) -> Result<Option<Vec<u8>>, Problem> {
        let found = self.store().transfer_file(self.merchant(), number).await?;
        let Some((_, sealed)) = found else { return Ok(None) };
        if sealed.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let context = transfers::context(self.merchant());
        let bytes = self.sealer().open(&sealed, &context).map_err(|error| internal(&error))?;
        Ok(Some(bytes))
    }

    async fn own_settings(&self) -> Result<Settings, StoreError> {
        let row = self.store().merchant(self.merchant()).await?;
        Ok(row.map_or_else(Settings::default, |merchant| merchant.settings))
    }
}

fn internal(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a file of bank transfers cannot be made or opened");
    Problem::new(Code::Internal, "The file could not be made or opened.")
}
