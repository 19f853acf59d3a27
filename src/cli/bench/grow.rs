//! Books with many refunds, made through the ledger like any others, and what a request costs over
//! them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use refundry_domain::command::{Ask, Command, NewLine, NewOrder, NewPayment, Stated, Target, What};
use refundry_domain::ids::{MerchantId, OrderId, OrderRef, Timestamp};
use refundry_domain::merchant::{Administration, Scope};
use refundry_domain::money::{Currency, Exact, Minor};
use refundry_domain::order::{Customer, LineKind, Metadata, PaymentKind};
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::{Destination, State, TransactionState};
use refundry_domain::report::{About, Counts, PayoutStep, Step};
use tokio::time::sleep;

use crate::access::{Caller, secret};
use crate::app::App;
use crate::cli::progress::Progress;
use crate::cli::{Failure, seed};
use crate::clock::SystemClock;
use crate::config::{Config, Overrides};
use crate::ledger::{Answered, Ledger};
use crate::store::reports::Progress as Counting;
use crate::store::{Page, RefundFilter};

/// How many refunds each order gets, and how many orders are worked on at once.
const REFUNDS_EACH: u64 = 10;
const IN_FLIGHT: usize = 512;
/// How long the last payouts may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// More than any load here asks.
const RATE: u32 = 500_000;
const MERCHANT: MerchantId = MerchantId(1);

/// Who is in the books.
#[derive(Clone, Default)]
pub struct Population {
    pub orders: Vec<i64>,
    /// Refunds as they are counted here; every one is paid.
    pub refunds: u64,
    /// Numbers of refunds, spread over all of them.
    pub sample: Vec<i64>,
    /// Whether orders are of customers with names, and of days of a year.
    pub people: bool,
}

/// Books that are opened to be filled.
pub struct Books {
    app: App,
    caller: Caller,
}

impl Books {
    pub async fn open(data: &Path) -> Result<Books, Failure> {
        Books::open_on(data, None).await
    }

    /// In a PostgreSQL database, when one is given.
    pub async fn open_on(data: &Path, database: Option<&str>) -> Result<Books, Failure> {
        let flags = Overrides {
            data: Some(data.to_owned()),
            database: database.map(str::to_owned),
            ..Overrides::default()
        };
        let config =
            Config::load(None, &flags).map_err(|problem| Failure::new(problem.to_string()))?;
        let app = App::open(config, Arc::new(SystemClock), seed()?)
            .await
            .map_err(|problem| Failure::new(problem.to_string()))?;
        Ok(Books { app, caller: Caller::internal(MERCHANT, "bench") })
    }

    /// A key that no limit slows.
    pub async fn key(&self) -> Result<String, Failure> {
        let text = secret::generate().map_err(|problem| Failure::new(problem.to_string()))?;
        let change = Administration::CreateKey {
            name: "bench".to_owned(),
            scopes: Scope::ALL.to_vec(),
            hash: secret::hash(&text),
            rate_per_second: RATE,
        };
        let made = self.app.ledger().administer(&self.caller, change).await;
        made.map_err(|problem| Failure::new(problem.to_string()))?;
        Ok(text)
    }

    /// Adds so many orders with so many refunds each, and waits until all of these are paid.
    pub async fn fill(
        &self,
        population: &mut Population,
        orders: u64,
        refunds_each: u64,
        progress: &Progress,
    ) -> Result<Duration, Failure> {
        let began = Instant::now();
        let ledger = self.app.ledger();
        let mut running = FuturesUnordered::new();
        let mut begun = 0;
        let mut done = 0;
        while done < orders {
            while begun < orders && running.len() < IN_FLIGHT {
                let whose = population.people.then_some(begun);
                running.push(order_with_refunds(ledger, &self.caller, refunds_each, whose));
                begun += 1;
            }
            let Some(made) = running.next().await else { break };
            let (order, refunds) = made?;
            population.orders.push(order);
            population.refunds += refunds_each;
            population.sample.extend(refunds);
            done += 1;
            progress.show("filling", done, orders);
        }
        drop(running);
        self.settle().await?;
        Ok(began.elapsed())
    }

    /// So many refunds in all, ten an order.
    pub async fn grow(
        &self,
        population: &mut Population,
        refunds: u64,
        progress: &Progress,
    ) -> Result<Duration, Failure> {
        let orders = refunds.saturating_sub(population.refunds) / REFUNDS_EACH;
        self.fill(population, orders, REFUNDS_EACH, progress).await
    }

    /// Adds the counts of a year's days to the reports, as a merchant with some providers and reasons
    /// has them; answers how many rows.
    pub async fn count_a_year(&self) -> Result<usize, Failure> {
        let counts = a_year(self.app.ledger().now())?;
        let rows = counts.rows().len();
        let books = self.app.ledger().books();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let all = books.counting(Some(MERCHANT)).await.map_err(|error| failed(&error))?;
            // Until the worker has counted what is there, the cursor does not stand still.
            if let Some(counting) = all.into_iter().next()
                && counting.is_complete()
                && let Some(reached) = counting.reached
            {
                let progress = Counting {
                    merchant: MERCHANT,
                    from: Some(reached.clone()),
                    to: reached,
                    counts: counts.clone(),
                };
                let added = books.add_counts(Arc::new(vec![progress])).await;
                if added.map_err(|error| failed(&error))? == 1 {
                    return Ok(rows);
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(Failure::new("the refunds were not counted in time"))
    }

    async fn settle(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        let page = Page { after: None, before: None, limit: 1, oldest_first: false };
        loop {
            let states = vec![State::Pending, State::Processing];
            let filter = RefundFilter { states, ..RefundFilter::default() };
            let open = self.app.ledger().books().refunds(MERCHANT, filter, page).await;
            if open.map_err(|problem| Failure::new(problem.to_string()))?.rows.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Failure::new("the refunds were not paid in time"));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn close(self) {
        self.app.stop().await;
    }
}

const DAYS: u64 = 365;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

/// Five given names and a thousand others.
fn customer(whose: u64) -> Customer {
    let given = ["Ada", "Grace", "Edsger", "Barbara", "Donald"];
    let place = usize::try_from(whose % 5).unwrap_or(0);
    let family = whose / 5 % 1_000;
    Customer {
        name: Some(format!("{} Family{family}", given[place])),
        email: Some(format!("{}.{family}@shop.example", given[place].to_lowercase())),
        reference: Some(format!("c-{}", whose % 5_000)),
    }
}

/// What four providers and nine reasons come to on each day of a year.
fn a_year(now: Timestamp) -> Result<Counts, Failure> {
    let currency = Currency::parse("GBP").map_err(|problem| failed(&problem))?;
    let amount = Minor::new(1_299).ok_or_else(|| Failure::new("no amount"))?;
    let today = jiff::Timestamp::from_millisecond(now.0).map_err(|problem| failed(&problem))?;
    let mut counts = Counts::default();
    for ago in 0..=DAYS {
        let day = today - jiff::SignedDuration::from_hours(24 * i64::try_from(ago).unwrap_or(0));
        let day = day.strftime("%Y-%m-%d").to_string();
        for (provider, reason) in (0..4).flat_map(|one| (0..9).map(move |two| (one, two))) {
            let provider = format!("provider_{provider}");
            let about = About {
                currency,
                reason: Some(format!("reason number {reason}")),
                requested_at: Timestamp(0),
                provider: provider.clone(),
            };
            counts.requested(&day, &about, amount);
            let paid = PayoutStep {
                provider,
                amount,
                from: TransactionState::Pending,
                to: TransactionState::Succeeded,
            };
            let to = |to, after: i64, failure, payouts: Vec<PayoutStep>| Step {
                at: Timestamp(after),
                from: State::Pending,
                to,
                amount,
                failure,
                payouts,
            };
            for after in [1_000, DAY_MS / 48, DAY_MS / 2] {
                let step = to(State::Succeeded, after, None, vec![paid.clone()]);
                counts.moved(&day, &about, &step);
            }
            for code in [FailureCode::Other, FailureCode::InvalidRequest] {
                counts.moved(&day, &about, &to(State::Failed, 0, Some(code), Vec::new()));
            }
            counts.moved(&day, &about, &to(State::Canceled, 0, None, Vec::new()));
        }
    }
    Ok(counts)
}

async fn order_with_refunds(
    ledger: &Ledger,
    caller: &Caller,
    refunds: u64,
    whose: Option<u64>,
) -> Result<(i64, Vec<i64>), Failure> {
    let mut new = new_order()?;
    if let Some(whose) = whose {
        new.customer = customer(whose);
        let days = i64::try_from(whose % DAYS).unwrap_or(0);
        new.created_at = Some(Timestamp(ledger.now().0 - days * DAY_MS));
    }
    let register = Command::RegisterOrder(new);
    let order = carry_out(ledger, caller, Target::NewOrder, register).await?.0;
    let mut sample = Vec::new();
    for n in 0..refunds {
        let target = Target::Order(OrderRef::Id(OrderId(order)));
        let made = carry_out(ledger, caller, target, Command::RequestRefund(new_refund()?)).await?;
        if n % REFUNDS_EACH == 0 {
            sample.extend(made.1);
        }
    }
    Ok((order, sample))
}

/// The numbers of the order and of its refund.
async fn carry_out(
    ledger: &Ledger,
    caller: &Caller,
    target: Target,
    command: Command,
) -> Result<(i64, Option<i64>), Failure> {
    match ledger.carry_out(caller, target, command, None, false).await {
        Ok(Answered::Done { book, .. }) => {
            Ok((book.order.id.0, book.refund.map(|refund| refund.id.0)))
        }
        Ok(Answered::Refused { refusal, .. }) => Err(Failure::new(refusal.to_string())),
        Ok(Answered::Replayed(_) | Answered::KeyReused) => {
            Err(Failure::new("a command without a key was repeated"))
        }
        Err(fault) => Err(Failure::new(fault.to_string())),
    }
}

fn exact(text: &str) -> Result<Exact, Failure> {
    Exact::parse(text).map_err(|problem| Failure::new(problem.to_string()))
}

/// One line and one payment of 1,000.00.
fn new_order() -> Result<NewOrder, Failure> {
    let currency = Currency::parse("GBP").map_err(|problem| Failure::new(problem.to_string()))?;
    let amount = exact("1000.00")?;
    Ok(NewOrder {
        reference: None,
        currency,
        customer: Customer::default(),
        lines: vec![NewLine {
            kind: LineKind::Product,
            for_line: None,
            sku: Some("sku-1".to_owned()),
            name: None,
            quantity: 1,
            amount,
        }],
        payments: vec![NewPayment {
            kind: PaymentKind::Payment,
            parent: None,
            return_id: None,
            provider: "sandbox".to_owned(),
            method: "card".to_owned(),
            provider_reference: None,
            amount: Stated { figure: amount, currency: None },
            metadata: Metadata::new(),
            created_at: None,
        }],
        fulfilled: false,
        metadata: Metadata::new(),
        created_at: None,
    })
}

fn new_refund() -> Result<Ask, Failure> {
    Ok(Ask {
        what: What::Amount(Stated { figure: exact("1.00")?, currency: None }),
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
        metadata: Metadata::new(),
    })
}
