//! Batches: what waits of one merchant is carried out in one transaction, several transactions at
//! once.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{MerchantId, Numbers};
use refundry_domain::refusal::Refusal;
use tokio::sync::oneshot;

use super::Books;
use super::fail::Fail;
use super::load::{self, Busy};
use super::pool::{self, Lent, Params, Step};
use super::queues::{PATIENCE, Waiting};
use super::shelf::{Kept, NewClaim, NewEvent, Shelf};
use super::wanted::Wanted;
use super::write::Rows;
use crate::store::settle::{self, Loaded, decision, digest, put};
use crate::store::{Answer, Claim, Intent, Settlement, StoreError, facts};

/// How often a batch is tried again because of what others did meanwhile.
const MOST_TRIES: u32 = 12;
/// How many values of the sequence are drawn at once at most.
const MOST_BLOCKS: i64 = 16_384;

pub type Settled = Result<Settlement, StoreError>;

/// Lets the intent wait its turn, and begins a lane of work when there is room for one more.
pub async fn commit(books: &Arc<Books>, intent: Intent) -> Settled {
    let (reply, mut settled) = oneshot::channel();
    books.queues.push(Waiting { intent, reply, since: Instant::now() });
    begin(books);
    let settled = match tokio::time::timeout(PATIENCE, &mut settled).await {
        Ok(settled) => settled,
        Err(_) => {
            begin(books);
            settled.await
        }
    };
    settled.map_err(|_| StoreError::Unavailable("the batch was broken off".to_owned()))?
}

/// Begins a lane when something is due and there is room for one more.
fn begin(books: &Arc<Books>) {
    if books.queues.begins(books.lanes) {
        // Whoever asked may hang up; what was begun goes on.
        tokio::spawn(lane(Arc::clone(books)));
    }
}

async fn lane(books: Arc<Books>) {
    while let Some((merchant, waiting)) = books.queues.next() {
        begin(&books);
        let left = answer(&books, merchant, waiting, Busy::Skip).await;
        // What is new of this merchant need not wait for what others have locked.
        books.queues.done(merchant);
        if !left.is_empty() {
            begin(&books);
            wait_for(&books, merchant, left).await;
        }
    }
}

/// Carries out what waits and answers it. What is about orders that other transactions have locked
/// is left and given back when it is not to be waited for: else one busy order would hold up
/// everything that shares a batch with it, and what waits for that in turn.
async fn answer(
    books: &Books,
    merchant: MerchantId,
    waiting: Vec<Waiting>,
    busy: Busy,
) -> Vec<Waiting> {
    let (intents, replies): (Vec<_>, Vec<_>) =
        waiting.into_iter().map(|waiting| (waiting.intent, (waiting.reply, waiting.since))).unzip();
    // Whatever goes wrong here must not end the lane: others wait for it. Who asked is told that the
    // batch was broken off.
    let settled = AssertUnwindSafe(carry_out(books, merchant, &intents, busy)).catch_unwind().await;
    let Ok(settled) = settled else { return Vec::new() };
    let mut left = Vec::new();
    for ((intent, (reply, since)), settled) in intents.into_iter().zip(replies).zip(settled) {
        match settled {
            Some(settled) => drop(reply.send(settled)),
            None => left.push(Waiting { intent, reply, since }),
        }
    }
    left
}

/// Carries out what is about busy orders, in a lane beside the others, of which there are as many.
async fn wait_for(books: &Arc<Books>, merchant: MerchantId, left: Vec<Waiting>) {
    if !books.queues.waits(books.lanes) {
        answer(books, merchant, left, Busy::Wait).await;
        return;
    }
    let books = Arc::clone(books);
    tokio::spawn(async move {
        answer(&books, merchant, left, Busy::Wait).await;
        books.queues.waited();
    });
}

/// All in one transaction; when one of them cannot be carried out, in halves, so that it fails
/// alone. `None` is left for later.
async fn carry_out(
    books: &Books,
    merchant: MerchantId,
    intents: &[Intent],
    busy: Busy,
) -> Vec<Option<Settled>> {
    let mut settled = Vec::with_capacity(intents.len());
    let mut parts = vec![intents];
    while let Some(part) = parts.pop() {
        match together(books, merchant, part, busy).await {
            Ok(done) => settled.extend(done.into_iter().map(|done| done.map(Ok))),
            Err(fail) => {
                let to_blame = matches!(fail, Fail::Damaged(_) | Fail::Again(_) | Fail::Taken(_));
                if part.len() > 1 && to_blame {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.push(second);
                    parts.push(first);
                } else {
                    let error = StoreError::from(fail);
                    settled.extend(part.iter().map(|_| Some(Err(error.clone()))));
                }
            }
        }
    }
    settled
}

/// What the next try does otherwise.
struct Retry {
    busy: Busy,
    blocks: i64,
    /// Looks first whether somebody has taken the digits of a number as a reference.
    careful: bool,
}

async fn together(
    books: &Books,
    merchant: MerchantId,
    intents: &[Intent],
    busy: Busy,
) -> Result<Vec<Option<Settlement>>, Fail> {
    books.is_open()?;
    let wanted = Wanted::of(intents);
    let mut retry = Retry { busy, blocks: wanted.blocks(), careful: false };
    let mut tries = 0;
    loop {
        let fail = match attempt(books, merchant, intents, &wanted, &retry).await {
            Ok(settled) => return Ok(settled),
            Err(fail) => fail,
        };
        tries += 1;
        if tries >= MOST_TRIES {
            return Err(fail);
        }
        match &fail {
            Fail::Again(why) => {
                tracing::debug!(why, tries, "a batch gave way and is tried again");
                let ms = u64::from(tries) * 2 + u64::from(rand::random::<u8>() % 8);
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            Fail::Taken(_) => {
                retry.careful = true;
                retry.blocks = (retry.blocks * 2).min(MOST_BLOCKS);
            }
            Fail::Numbers => retry.blocks = (retry.blocks * 4).min(MOST_BLOCKS),
            Fail::Doubtful(_) | Fail::Unavailable(_) | Fail::Damaged(_) => return Err(fail),
        }
    }
}

async fn attempt(
    books: &Books,
    merchant: MerchantId,
    intents: &[Intent],
    wanted: &Wanted,
    retry: &Retry,
) -> Result<Vec<Option<Settlement>>, Fail> {
    let mut lent = pool::lend(&books.pool, books.timeout).await?;
    books.known_merchant(&mut lent, merchant).await?;
    match transaction(books, &mut lent, (merchant, intents, wanted), retry).await {
        Ok(done) => Ok(done),
        Err(fail) => {
            // When the connection is gone, so is the transaction.
            let _ = lent.roll_back().await;
            Err(fail)
        }
    }
}

type Batch<'a> = (MerchantId, &'a [Intent], &'a Wanted);

async fn transaction(
    books: &Books,
    lent: &mut Lent,
    (merchant, intents, wanted): Batch<'_>,
    retry: &Retry,
) -> Result<Vec<Option<Settlement>>, Fail> {
    let mut shelf = Shelf::default();
    let found = load::resolve(lent, merchant, wanted, &mut shelf).await?;
    let how = (retry.blocks, retry.busy);
    let mut numbers = load::load(lent, merchant, wanted, found, how, &mut shelf).await?;
    if numbers.peek() <= shelf.highest() {
        return Err(Fail::Numbers);
    }
    if retry.careful {
        let count = retry.blocks * load::BLOCK;
        shelf.taken_digits = load::digits_taken(lent, merchant, &numbers, count).await?;
    }
    // A book that is not what the rules left behind makes them panic. That is the book's fault,
    // and must stop this command and no other.
    let decided = catch_unwind(AssertUnwindSafe(|| {
        let mut settled = Vec::with_capacity(intents.len());
        for intent in intents {
            settled.push(match shelf.is_busy(&intent.target) {
                true => None,
                false => Some(settle(&books.instance, &mut shelf, &mut numbers, intent)?),
            });
        }
        Ok(settled)
    }));
    let settled = decided.unwrap_or_else(|_| {
        Err(Fail::Damaged("a book contradicts itself; run verify".to_owned()))
    })?;
    if numbers.is_overdrawn() {
        return Err(Fail::Numbers);
    }
    write(lent, merchant, &shelf).await?;
    books.committed(merchant, &shelf);
    Ok(settled)
}

/// Writes what the batch leaves and commits it.
pub async fn write(lent: &mut Lent, merchant: MerchantId, shelf: &Shelf) -> Result<(), Fail> {
    let rows = Rows::of(shelf);
    let statements = rows.statements();
    if statements.is_empty() {
        return lent.roll_back().await;
    }
    let mut steps: Vec<Step<'_>> = Vec::with_capacity(statements.len() + 1);
    for statement in &statements {
        let mut params: Params<'_> = vec![&merchant.0];
        for column in &statement.columns {
            params.push(&**column);
        }
        steps.push(Step::Query(statement.sql, params));
    }
    // After a statement that failed, COMMIT undoes everything, and the failure is what is told.
    steps.push(Step::Plain("COMMIT"));
    match lent.send(&steps).await {
        Ok(_) => {
            lent.cleared();
            Ok(())
        }
        Err(Fail::Unavailable(why)) => Err(Fail::Doubtful(why)),
        Err(fail) => Err(fail),
    }
}

fn settle(
    instance: &str,
    shelf: &mut Shelf,
    numbers: &mut Numbers,
    intent: &Intent,
) -> Result<Settlement, Fail> {
    let claim = intent.claim.as_ref().filter(|_| !intent.dry_run);
    let mut place = None;
    if let Some(claim) = claim {
        match settled_before(shelf, claim) {
            Some(Some(answer)) => return Ok(Settlement::Replayed(answer)),
            Some(None) => return Ok(Settlement::KeyReused),
            None => {}
        }
        place = Some(numbers.take());
    }
    let before = numbers.clone();
    let mut freed = claim.is_some_and(|claim| claim.done_only);
    let decided = match shelf.target(&intent.target)? {
        Ok(mut loaded) => {
            let Some(command) = settle::command(intent, Some(&loaded)) else {
                return Ok(Settlement::Unfit);
            };
            loaded.book.account = shelf.wanted_account(&loaded.book, &command);
            let date = settle::day(intent);
            loaded.book.day = date.and_then(|date| shelf.days.get(&date)).map(|it| it.0.clone());
            let taken = reference(shelf, numbers, intent);
            decision(instance, numbers, intent, &command, Some(loaded), taken)
        }
        Err(Refusal::UnknownOrder) if intent.target == Target::NewOrder => {
            let taken = reference(shelf, numbers, intent);
            decision(instance, numbers, intent, &intent.command, None, taken)
        }
        Err(refusal) => {
            freed |= intent.fit.is_some();
            Err(refusal)
        }
    };
    if intent.dry_run || decided.is_err() {
        *numbers = before;
    }
    let render = |outcome| intent.claim.as_ref().map(|claim| (claim.render)(outcome));
    match decided {
        Ok((mut loaded, changes)) => {
            if !intent.dry_run {
                shelf.link_refund(&mut loaded, &changes);
                for fact in &changes.facts {
                    link(shelf, numbers, intent, &mut loaded, fact);
                }
                shelf.put_back(&loaded, &changes, &intent.target);
                if let Some(account) = &mut loaded.book.account {
                    let by = (&intent.by, intent.at);
                    shelf.put_credit(numbers, account, &changes.credit, by);
                }
            }
            let answer = render(Ok(&loaded.book));
            keep(shelf, intent, place, answer.as_ref());
            let work = if intent.dry_run { Vec::new() } else { put(changes.work) };
            Ok(Settlement::Done { book: Box::new(loaded.book), answer, work })
        }
        Err(refusal) => {
            let answer = render(Err(&refusal));
            keep(shelf, intent, place.filter(|_| !freed), answer.as_ref());
            Ok(Settlement::Refused { refusal, answer })
        }
    }
}

/// What became of the claim's key: nothing yet, an answer to the same request, or something else.
pub fn settled_before<T>(shelf: &Shelf, claim: &Claim<T>) -> Option<Option<Answer>> {
    let kept = shelf.claims.get(&digest(&claim.key))?;
    let same = kept.answer.as_ref().filter(|(before, _)| *before == claim.fingerprint);
    Some(same.map(|(_, answer)| answer.clone()))
}

/// Who has the wanted reference. When none is wanted, sees to it that the digits of the next
/// number are not somebody's reference, as far as is known; the database knows all, and then the
/// next try asks it.
fn reference(shelf: &Shelf, numbers: &mut Numbers, intent: &Intent) -> Option<i64> {
    let (taken, wanted) = if let Command::RegisterOrder(new) = &*intent.command {
        (&shelf.order_references, &new.reference)
    } else if let Command::OpenReturn(new) = &*intent.command {
        (&shelf.return_references, &new.reference)
    } else {
        return None;
    };
    if let Some(wanted) = wanted {
        return taken.get(wanted).copied();
    }
    while !numbers.is_overdrawn()
        && (shelf.taken_digits.contains(&numbers.peek())
            || taken.contains_key(&numbers.peek().to_string()))
    {
        numbers.take();
    }
    None
}

fn link(
    shelf: &mut Shelf,
    numbers: &mut Numbers,
    intent: &Intent,
    loaded: &mut Loaded,
    fact: &refundry_domain::event::Fact,
) {
    let previous = loaded.last_event;
    let data = facts::data(fact);
    let (event, hash) = settle::link(numbers, intent, loaded, fact, &data);
    shelf.events.push(NewEvent {
        order: event.order,
        previous,
        position: event.position,
        number: event.number,
        name: event.name.to_owned().into(),
        subject_kind: event.subject_kind.to_owned().into(),
        subject: event.subject,
        at: event.at,
        by: intent.by.clone(),
        data: data.clone(),
        hash,
    });
}

/// Keeps the answer in its place, which a dry run does not have.
fn keep(shelf: &mut Shelf, intent: &Intent, place: Option<i64>, answer: Option<&Answer>) {
    let (Some(claim), Some(number), Some(answer)) = (&intent.claim, place, answer) else { return };
    let digest = digest(&claim.key);
    let kept = Kept { answer: Some((claim.fingerprint, answer.clone())) };
    shelf.claims.insert(digest, kept);
    shelf.new_claims.push(NewClaim {
        digest,
        number,
        fingerprint: claim.fingerprint,
        at: intent.at.0,
        answer: answer.clone(),
    });
}

/// The merchants that are known to be there; none is ever taken away.
pub type Merchants = Mutex<HashSet<i64>>;
