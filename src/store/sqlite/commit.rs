//! One intent inside the writer's transaction: claimed, decided, written, answered.

use refundry_domain::book::Book;
use refundry_domain::changes::{Changes, Mark};
use refundry_domain::command::{Command, Target};
use refundry_domain::event::Fact;
use refundry_domain::ids::{MerchantId, Numbers, OrderId, OrderRef, Timestamp};
use refundry_domain::refusal::Refusal;
use rusqlite::{Connection, params};

use super::load::{self, Referenced};
use super::shelf::{self, Shelf};
use super::{Fail, credits, days, write};
use crate::store::facts::{self, Unlinked};
use crate::store::settle::{self, Loaded, decision, digest, put};
use crate::store::{Answer, Claim, Intent, Settlement};

/// What a batch has used up and made so far.
pub struct Batch {
    pub numbers: Numbers,
    /// In order of number.
    pub events: Vec<Linked>,
    pub shelf: Shelf,
}

/// A new event's place in the books.
pub struct Linked {
    pub merchant: i64,
    pub number: i64,
    pub hash: [u8; 32],
}

/// Carries an intent out inside the open transaction. On an error the transaction is to be rolled
/// back: it may hold half of the intent.
pub fn settle(
    conn: &Connection,
    instance: &str,
    batch: &mut Batch,
    intent: &Intent,
) -> Result<Settlement, Fail> {
    let claim = intent.claim.as_ref().filter(|_| !intent.dry_run);
    let mut place = None;
    if let Some(claim) = claim {
        match take(conn, batch, intent.merchant, claim)? {
            Ok(number) => place = Some(number),
            Err(Some(answer)) => return Ok(Settlement::Replayed(answer)),
            Err(None) => return Ok(Settlement::KeyReused),
        }
    }
    let before = batch.numbers.clone();
    let mut freed = claim.is_some_and(|claim| claim.done_only);
    let decided = match load(conn, batch, intent)? {
        Ok((mut loaded, taken)) => {
            let Some(command) = settle::command(intent, loaded.as_ref()) else {
                free(conn, intent.merchant, claim)?;
                return Ok(Settlement::Unfit);
            };
            if let Some(loaded) = &mut loaded {
                loaded.book.account = credits::wanted(conn, &loaded.book, &command)?;
                loaded.book.day = days::wanted(conn, intent)?;
            }
            decision(instance, &mut batch.numbers, intent, &command, loaded, taken)
        }
        Err(refusal) => {
            freed |= intent.fit.is_some();
            Err(refusal)
        }
    };
    if intent.dry_run || decided.is_err() {
        batch.numbers = before;
    }
    match decided {
        Ok((mut loaded, changes)) => {
            if !intent.dry_run {
                apply(conn, batch, intent, &mut loaded, &changes)?;
            }
            let answer = answer(conn, intent, place, Ok(&loaded.book))?;
            let work = if intent.dry_run { Vec::new() } else { put(changes.work) };
            Ok(Settlement::Done { book: Box::new(loaded.book), answer, work })
        }
        Err(refusal) => {
            if freed {
                free(conn, intent.merchant, claim)?;
                place = None;
            }
            let answer = answer(conn, intent, place, Err(&refusal))?;
            Ok(Settlement::Refused { refusal, answer })
        }
    }
}

/// Takes the claim's key, and says under which number its answer is to be kept; or what the same
/// request was answered before, if the key was used for that and it is still known.
pub fn take<T>(
    conn: &Connection,
    batch: &mut Batch,
    merchant: MerchantId,
    claim: &Claim<T>,
) -> Result<Result<i64, Option<Answer>>, Fail> {
    let (merchant, digest) = (merchant.0, digest(&claim.key));
    let number = batch.numbers.peek();
    let sql = "INSERT INTO claims (merchant, digest, answer) VALUES (?1, ?2, ?3) \
        ON CONFLICT DO NOTHING";
    if conn.prepare_cached(sql)?.execute((merchant, digest, number))? == 1 {
        return Ok(Ok(batch.numbers.take()));
    }
    let sql = "SELECT fingerprint, status, body FROM answers WHERE merchant = ?1 AND number = \
        (SELECT answer FROM claims WHERE merchant = ?1 AND digest = ?2)";
    let kept = load::one(conn, sql, (merchant, digest), |row| {
        let fingerprint: [u8; 32] = row.get(0)?;
        Ok((fingerprint, Answer { status: row.get(1)?, body: row.get(2)? }))
    })?;
    Ok(Err(kept
        .filter(|(fingerprint, _)| *fingerprint == claim.fingerprint)
        .map(|(_, answer)| answer)))
}

/// Lets the claim's key be taken again: what was asked under it came to nothing.
fn free(conn: &Connection, merchant: MerchantId, claim: Option<&Claim>) -> Result<(), Fail> {
    let Some(claim) = claim else { return Ok(()) };
    let sql = "DELETE FROM claims WHERE merchant = ?1 AND digest = ?2";
    conn.prepare_cached(sql)?.execute((merchant.0, digest(&claim.key)))?;
    Ok(())
}

/// A book to decide on, if there is to be one already, and who has the wanted reference.
type Before = (Option<Loaded>, Option<i64>);

fn load(
    conn: &Connection,
    batch: &mut Batch,
    intent: &Intent,
) -> Result<Result<Before, Refusal>, Fail> {
    let (table, wanted) = match (&intent.target, &*intent.command) {
        (Target::NewOrder, Command::RegisterOrder(new)) => {
            let taken = reference(conn, batch, intent, Referenced::Orders, &new.reference)?;
            return Ok(Ok((None, taken)));
        }
        (_, Command::OpenReturn(new)) => (Referenced::Returns, &new.reference),
        _ => {
            let loaded = book(conn, batch, intent)?;
            return Ok(loaded.map(|loaded| (Some(loaded), None)));
        }
    };
    let loaded = book(conn, batch, intent)?;
    let taken = reference(conn, batch, intent, table, wanted)?;
    Ok(loaded.map(|loaded| (Some(loaded), taken)))
}

/// From the shelf when it is there.
fn book(
    conn: &Connection,
    batch: &mut Batch,
    intent: &Intent,
) -> Result<Result<Loaded, Refusal>, Fail> {
    let by_number = by_number(conn, intent)?;
    let target = by_number.as_ref().unwrap_or(&intent.target);
    match batch.shelf.take(intent.merchant, target) {
        Some(loaded) => {
            shelf::check(conn, intent.merchant, target, &loaded)?;
            Ok(Ok(loaded))
        }
        None => load::target(conn, intent.merchant, target),
    }
}

/// The order that the target names in another way, by its number, as the shelf knows it.
fn by_number(conn: &Connection, intent: &Intent) -> Result<Option<Target>, Fail> {
    let order = match &intent.target {
        Target::Order(OrderRef::Reference(reference)) => {
            load::reference(conn, intent.merchant, Referenced::Orders, reference)?.map(OrderId)
        }
        Target::Payment(id) => load::order_of_payment(conn, intent.merchant, *id)?,
        Target::NewOrder
        | Target::Order(OrderRef::Id(_))
        | Target::Refund(_)
        | Target::Transaction(_)
        | Target::Return(_) => None,
    };
    Ok(order.map(|order| Target::Order(OrderRef::Id(order))))
}

/// Who has the wanted reference. When none is wanted, sees to it that the digits of the next
/// number are not somebody's reference.
fn reference(
    conn: &Connection,
    batch: &mut Batch,
    intent: &Intent,
    table: Referenced,
    wanted: &Option<String>,
) -> Result<Option<i64>, Fail> {
    if let Some(wanted) = wanted {
        return load::reference(conn, intent.merchant, table, wanted);
    }
    loop {
        let next = batch.numbers.peek().to_string();
        if load::reference(conn, intent.merchant, table, &next)?.is_none() {
            return Ok(None);
        }
        batch.numbers.take();
    }
}

fn apply(
    conn: &Connection,
    batch: &mut Batch,
    intent: &Intent,
    loaded: &mut Loaded,
    changes: &Changes,
) -> Result<(), Fail> {
    write::marked(conn, loaded, changes)?;
    for fact in &changes.facts {
        link(conn, batch, intent, loaded, fact)?;
    }
    match changes.order {
        Some(mark) => write::order(conn, loaded, mark)?,
        None if changes.facts.is_empty() => {}
        None => write::order(conn, loaded, Mark::Changed)?,
    }
    if let Some(account) = &mut loaded.book.account {
        credits::write(conn, batch, account, &changes.credit, (&intent.by, intent.at))?;
    }
    if let Some(day) = loaded.book.day.as_ref().filter(|_| changes.day) {
        days::write(conn, intent.merchant, day)?;
    }
    let whole = !matches!(intent.target, Target::Return(_));
    batch.shelf.put(loaded, changes, whole);
    Ok(())
}

/// Numbers a fact and links it to its predecessor in the order's chain.
fn link(
    conn: &Connection,
    batch: &mut Batch,
    intent: &Intent,
    loaded: &mut Loaded,
    fact: &Fact,
) -> Result<(), Fail> {
    let previous = loaded.last_event;
    let data = facts::data(fact);
    let (event, hash) = settle::link(&mut batch.numbers, intent, loaded, fact, &data);
    insert_event(conn, batch, &event, previous, hash)
}

pub fn insert_event(
    conn: &Connection,
    batch: &mut Batch,
    event: &Unlinked<'_>,
    previous: i64,
    hash: [u8; 32],
) -> Result<(), Fail> {
    let sql = "INSERT INTO events (merchant, number, order_number, previous, position, name, \
        subject_kind, subject, happened_at, done_by, data, hash) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    conn.prepare_cached(sql)?.execute(params![
        event.merchant,
        event.number,
        event.order,
        previous,
        event.position,
        event.name,
        event.subject_kind,
        event.subject,
        event.at,
        event.by,
        event.data,
        hash,
    ])?;
    batch.events.push(Linked { merchant: event.merchant, number: event.number, hash });
    Ok(())
}

/// Renders the answer, and keeps it in its place, which a dry run does not have.
fn answer(
    conn: &Connection,
    intent: &Intent,
    place: Option<i64>,
    outcome: Result<&Book, &Refusal>,
) -> Result<Option<Answer>, Fail> {
    let Some(claim) = &intent.claim else { return Ok(None) };
    let answer = (claim.render)(outcome);
    if let Some(number) = place {
        keep(conn, number, (intent.merchant, intent.at), claim.fingerprint, &answer)?;
    }
    Ok(Some(answer))
}

pub fn keep(
    conn: &Connection,
    number: i64,
    (merchant, at): (MerchantId, Timestamp),
    fingerprint: [u8; 32],
    answer: &Answer,
) -> Result<(), Fail> {
    let sql = "INSERT INTO answers (number, merchant, fingerprint, status, answered_at, body) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    conn.prepare_cached(sql)?.execute(params![
        number,
        merchant.0,
        fingerprint,
        answer.status,
        at.0,
        answer.body,
    ])?;
    Ok(())
}
