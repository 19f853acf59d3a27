//! Questions: what can be refunded, how a refund stands, which wait to be confirmed.

use refundry_domain::command::{Command, Target};
use refundry_domain::ids::OrderRef;
use refundry_domain::money::{Minor, Money};
use refundry_domain::refund::{Refund, State};

use super::Rights;
use super::answer::{Out, Reply, Row};
use super::method::Method;
use super::refunds::{ask_for_return, no_automatic};
use super::refusals::{self, Trouble, fulfilled};
use super::source::{self, Names, Source, SourceType};
use super::wire::Group;
use crate::dialects::shared::dates;
use crate::ledger::Answered;
use crate::store::{EventFilter, Page, RefundFilter};

pub async fn possible(rights: &Rights, params: &Group) -> Result<Reply, Trouble> {
    let method = Method::GetPossibleAutoRefunds;
    let Some(kind) = params.source_type()? else { return Err(refusals::bad_source_type(method)) };
    let source = source::find(&rights.reads, method, kind, params.source_id()?).await?;
    let shares = match &source.of_return {
        None if source.book.order.fulfilled_at.is_some() => return Err(fulfilled(method)),
        None => shares_of_order(rights, &source).await?,
        Some(row) => {
            let target = Target::Order(OrderRef::Id(row.order));
            let command = Command::RequestRefund(ask_for_return(row));
            match rights.reads.preview(target, command).await? {
                Answered::Done { book, .. } => shares_of_refund(&source, book.refund.as_ref()),
                Answered::Refused { refusal, .. } if no_automatic(&refusal) => Vec::new(),
                Answered::Refused { refusal, .. } => {
                    return Err(refusals::trouble(method, &refusal));
                }
                Answered::Replayed(_) | Answered::KeyReused => Vec::new(),
            }
        }
    };
    let rows = shares.into_iter().map(|(index, amount)| possible_row(&source, index, amount));
    Ok(Reply::list(rows.collect()))
}

/// Of each payment that a gateway can give back, what is left.
async fn shares_of_order(rights: &Rights, source: &Source) -> Result<Vec<(usize, Minor)>, Trouble> {
    let policy = rights.reads.policy().await?;
    let rows = source.book.payments.iter().enumerate().filter(|(_, payment)| {
        payment.kind.captures()
            && !payment.left().is_zero()
            && policy.pays_through(&payment.provider)
    });
    Ok(rows.map(|(index, payment)| (index, payment.left())).collect())
}

fn shares_of_refund(source: &Source, refund: Option<&Refund>) -> Vec<(usize, Minor)> {
    let rows = refund.map(|refund| refund.transactions.as_slice()).unwrap_or_default();
    let share = |row: &refundry_domain::refund::RefundTransaction| {
        Some((source.book.payment(row.payment)?, row.amount))
    };
    rows.iter().filter_map(share).collect()
}

fn possible_row(source: &Source, index: usize, amount: Minor) -> Row {
    let currency = source.book.order.currency;
    let whole = source.book.payments.get(index).is_some_and(|row| row.captured == amount);
    let ordinal = i64::try_from(index + 1).unwrap_or(i64::MAX);
    vec![
        ("paymentId", Out::Int(ordinal)),
        ("value", Out::Amount(Money::new(amount, currency))),
        ("refundType", Out::Text(if whole { "full" } else { "partial" }.to_owned())),
        ("refundCurrency", Out::Text(currency.code().to_owned())),
    ]
}

pub async fn status(rights: &Rights, params: &Group) -> Result<Reply, Trouble> {
    let method = Method::GetRefundStatus;
    let Some(kind) = params.source_type()? else { return Err(refusals::bad_source_type(method)) };
    let payment = params.needed_text("paymentId")?;
    let source = source::find(&rights.reads, method, kind, params.source_id()?).await?;
    let refund = source.refund(&rights.reads, method, payment).await?;
    let zone = dates::zone(&rights.reads.time_zone().await?);
    let confirmed = match confirmed_at(rights, &refund).await? {
        Some(at) => dates::plain(at, &zone),
        None => String::new(),
    };
    let live = refund.transactions.iter().filter(|row| !row.superseded);
    let external = live.filter_map(|row| row.provider_reference.clone()).next();
    Ok(Reply::Result(vec![
        ("refundDateAdd", Out::Text(dates::plain(refund.created_at, &zone))),
        ("refundValue", Out::Amount(Money::new(refund.amount, refund.currency))),
        ("refundStatus", Out::Text(status_name(refund.state).to_owned())),
        ("refundDateConfirm", Out::Text(confirmed)),
        ("refundExternalId", Out::Text(external.unwrap_or_default())),
        ("refundCurrency", Out::Text(refund.currency.code().to_owned())),
    ]))
}

/// When it was confirmed: as the events say, or when it was made, if it needed no confirmation.
async fn confirmed_at(
    rights: &Rights,
    refund: &Refund,
) -> Result<Option<refundry_domain::ids::Timestamp>, Trouble> {
    if refund.confirmed_by.is_none() {
        return Ok(None);
    }
    let names = ["refund.pending", "refund.requires_information", "refund.processing"];
    let filter = EventFilter {
        order: Some(refund.order),
        subject: Some(refund.id.0),
        names: names.map(str::to_owned).to_vec(),
    };
    let page = Page { after: None, before: None, limit: 1, oldest_first: true };
    let requested = EventFilter { names: vec!["refund.requested".to_owned()], ..filter.clone() };
    let opened = rights.reads.events(requested, page).await?.rows.pop();
    // Made and confirmed in one: its first event says another state than unconfirmed.
    let proposed = opened.is_some_and(|event| event.data.contains("\"state\":\"unconfirmed\""));
    if !proposed {
        return Ok(Some(refund.created_at));
    }
    let moved = rights.reads.events(filter, page).await?.rows.pop();
    Ok(moved.map(|event| event.at))
}

pub fn status_name(state: State) -> &'static str {
    match state {
        State::Unconfirmed => "Unconfirmed",
        State::RequiresInformation | State::Pending | State::Processing | State::NeedsAttention => {
            "Processing"
        }
        State::Succeeded => "Confirmed",
        State::Failed | State::Reversed => "Rejected",
        State::Canceled => "Canceled",
    }
}

/// The most rows of one page, and as many as when none is asked for.
const LIMIT_MOST: u32 = 100;
/// How many are looked through at once.
const STEP: u32 = 500;

/// Which part of the list is asked for. Pages count from 1; page 0 is the first one too, for
/// clients that count from there.
struct Window {
    page: u32,
    limit: u32,
}

impl Window {
    fn of(params: &Group) -> Result<Window, Trouble> {
        let limit = params.whole("resultsLimit")?.unwrap_or(LIMIT_MOST);
        if !(1..=LIMIT_MOST).contains(&limit) {
            return Err(Trouble::Format("resultsLimit is from 1 to 100.".to_owned()));
        }
        Ok(Window { page: params.whole("resultsPage")?.unwrap_or(1), limit })
    }

    /// The places of the page's rows in the whole list.
    fn places(&self) -> std::ops::Range<u64> {
        let start = u64::from(self.page.saturating_sub(1)) * u64::from(self.limit);
        start..start + u64::from(self.limit)
    }

    fn beside(&self, all: u64) -> Row {
        let number = |count: u64| Out::Int(i64::try_from(count).unwrap_or(i64::MAX));
        vec![
            ("resultsNumberAll", number(all)),
            ("resultsNumberPage", number(all.div_ceil(u64::from(self.limit)))),
            ("resultsPage", number(self.page.into())),
            ("resultsLimit", number(self.limit.into())),
        ]
    }
}

/// The refunds that are not confirmed yet, oldest first.
pub async fn unconfirmed(rights: &Rights, params: &Group) -> Result<Reply, Trouble> {
    let method = Method::RetrieveRefundsList;
    let wanted = match (params.text("sourceType")?, params.source_type()?) {
        (Some("all"), _) => None,
        (_, Some(kind)) => Some(kind),
        (_, None) => return Err(refusals::bad_source_type(method)),
    };
    let window = Window::of(params)?;
    let mut names = Names::default();
    let (found, all) = collect(rights, &mut names, wanted, window.places()).await?;
    let mut rows = Vec::with_capacity(found.len());
    for refund in &found {
        let (kind, name, ordinal) = names.of(&rights.reads, refund).await?;
        rows.push(vec![
            ("sourceType", Out::Text(kind.name().to_owned())),
            ("sourceId", Out::Source(name.clone())),
            ("paymentId", Out::Text(format!("{name}-{ordinal}"))),
            ("refundValue", Out::Amount(Money::new(refund.amount, refund.currency))),
            ("refundCurrency", Out::Text(refund.currency.code().to_owned())),
        ]);
    }
    Ok(Reply::Results { rows, paging: window.beside(all) })
}

/// The refunds at some places of the list, and how many it has in all.
async fn collect(
    rights: &Rights,
    names: &mut Names,
    wanted: Option<SourceType>,
    places: std::ops::Range<u64>,
) -> Result<(Vec<Refund>, u64), Trouble> {
    let filter = RefundFilter { states: vec![State::Unconfirmed], ..RefundFilter::default() };
    let mut page = Page { after: None, before: None, limit: STEP, oldest_first: true };
    let (mut found, mut all) = (Vec::new(), 0_u64);
    loop {
        let slice = rights.reads.refunds(filter.clone(), page).await?;
        page.after = slice.rows.last().map(|refund| refund.id.0);
        for refund in slice.rows {
            if wanted.is_some() && wanted != Some(names.kind(&rights.reads, &refund).await?) {
                continue;
            }
            if places.contains(&all) {
                found.push(refund);
            }
            all += 1;
        }
        if !slice.more {
            return Ok((found, all));
        }
    }
}
