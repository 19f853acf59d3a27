//! The rows that a decision marks, written.

use refundry_domain::book::Book;
use refundry_domain::changes::{Changes, Mark, WorkChange};
use refundry_domain::ids::MerchantId;
use refundry_domain::order::{Line, Metadata, Order, Payment, tracking_ids};
use refundry_domain::outcome::Failure;
use refundry_domain::refund::{Refund, RefundTransaction};
use refundry_domain::returns::Return;
use rusqlite::{Connection, params};

use super::{Fail, people};
use crate::store::encode;
use crate::store::settle::Loaded;

/// Everything marked, but the order: its row is written last, when its events are linked.
pub fn marked(conn: &Connection, loaded: &mut Loaded, changes: &Changes) -> Result<(), Fail> {
    let book = &loaded.book;
    let merchant = book.order.merchant;
    for (index, mark) in &changes.lines {
        line(conn, book, &book.lines[*index], *mark)?;
    }
    for (index, mark) in &changes.payments {
        match mark {
            Mark::New => new_payment(conn, book, &book.payments[*index])?,
            Mark::Changed => payment(conn, merchant, &book.payments[*index])?,
        }
    }
    for (index, mark) in &changes.returns {
        match mark {
            Mark::New => new_return(conn, merchant, &book.returns[*index])?,
            Mark::Changed => return_of(conn, merchant, &book.returns[*index])?,
        }
    }
    if let Some(row) = &book.refund {
        for (index, mark) in &changes.transactions {
            match mark {
                Mark::New => new_transaction(conn, book, &row.transactions[*index])?,
                Mark::Changed => transaction(conn, merchant, &row.transactions[*index])?,
            }
        }
        match changes.refund {
            Some(Mark::New) => {
                new_refund(conn, merchant, row, loaded.last_refund)?;
                loaded.last_refund = row.id.0;
            }
            Some(Mark::Changed) => refund(conn, merchant, row)?,
            None => {}
        }
    }
    changes.work.iter().try_for_each(|change| work(conn, merchant, change))
}

pub fn order(conn: &Connection, loaded: &Loaded, mark: Mark) -> Result<(), Fail> {
    match mark {
        Mark::New => new_order(conn, &loaded.book.order, loaded),
        Mark::Changed => changed_order(conn, &loaded.book.order, loaded),
    }
}

fn new_order(conn: &Connection, order: &Order, loaded: &Loaded) -> Result<(), Fail> {
    let sql = "INSERT INTO orders (merchant, number, reference, currency, customer_reference, \
        customer_email, customer_name, metadata, fulfilled_at, captured, held, refunded, blocked, \
        chain_length, chain_hash, last_event, last_refund, created_at, updated_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
        ?19)";
    conn.prepare_cached(sql)?.execute(params![
        order.merchant.0,
        order.id.0,
        order.reference,
        order.currency.code(),
        order.customer.reference,
        order.customer.email,
        order.customer.name,
        encode::metadata(&order.metadata),
        order.fulfilled_at.map(|at| at.0),
        order.captured.get(),
        order.held.get(),
        order.refunded.get(),
        order.blocked.get(),
        order.chain.length,
        order.chain.hash,
        loaded.last_event,
        loaded.last_refund,
        order.created_at.0,
        order.updated_at.0,
    ])?;
    people::insert(conn, order)?;
    track(conn, order.merchant, order.id.0, &order.metadata)
}

/// Has the row found by the names that its notes give it.
fn track(
    conn: &Connection,
    merchant: MerchantId,
    number: i64,
    metadata: &Metadata,
) -> Result<(), Fail> {
    for name in tracking_ids(metadata) {
        let sql = "INSERT OR IGNORE INTO tracking (merchant, tracking_id, number) \
            VALUES (?1, ?2, ?3)";
        conn.prepare_cached(sql)?.execute((merchant.0, name, number))?;
    }
    Ok(())
}

fn changed_order(conn: &Connection, order: &Order, loaded: &Loaded) -> Result<(), Fail> {
    let sql = "UPDATE orders SET metadata = ?3, fulfilled_at = ?4, captured = ?5, held = ?6, \
        refunded = ?7, blocked = ?8, chain_length = ?9, chain_hash = ?10, last_event = ?11, \
        last_refund = ?12, updated_at = ?13 WHERE merchant = ?1 AND number = ?2";
    let count = conn.prepare_cached(sql)?.execute(params![
        order.merchant.0,
        order.id.0,
        encode::metadata(&order.metadata),
        order.fulfilled_at.map(|at| at.0),
        order.captured.get(),
        order.held.get(),
        order.refunded.get(),
        order.blocked.get(),
        order.chain.length,
        order.chain.hash,
        loaded.last_event,
        loaded.last_refund,
        order.updated_at.0,
    ])?;
    only_one(count, "order", order.id.0)?;
    track(conn, order.merchant, order.id.0, &order.metadata)
}

fn line(conn: &Connection, book: &Book, line: &Line, mark: Mark) -> Result<(), Fail> {
    let (merchant, order) = (book.order.merchant.0, book.order.id.0);
    match mark {
        Mark::New => {
            let sql = "INSERT INTO lines (merchant, order_number, position, kind, for_line, sku, \
                name, quantity, amount, taken, taken_quantity, taken_by_quantity) \
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
            conn.prepare_cached(sql)?.execute(params![
                merchant,
                order,
                line.position,
                line.kind.name(),
                line.for_line,
                line.sku,
                line.name,
                line.quantity,
                line.amount.get(),
                line.taken.get(),
                line.taken_quantity,
                line.taken_by_quantity.get(),
            ])?;
            Ok(())
        }
        Mark::Changed => {
            let sql = "UPDATE lines SET taken = ?4, taken_quantity = ?5, taken_by_quantity = ?6 \
                WHERE merchant = ?1 AND order_number = ?2 AND position = ?3";
            let count = conn.prepare_cached(sql)?.execute(params![
                merchant,
                order,
                line.position,
                line.taken.get(),
                line.taken_quantity,
                line.taken_by_quantity.get(),
            ])?;
            only_one(count, "line", line.position.into())
        }
    }
}

fn new_payment(conn: &Connection, book: &Book, payment: &Payment) -> Result<(), Fail> {
    let sql = "INSERT INTO transactions (merchant, number, order_number, currency, kind, parent, \
        return_number, provider, method, provider_reference, amount, captured, held, refunded, \
        disputed, blocked, created_at, updated_at, metadata) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
        ?19)";
    conn.prepare_cached(sql)?.execute(params![
        book.order.merchant.0,
        payment.id.0,
        book.order.id.0,
        book.order.currency.code(),
        payment.kind.name(),
        payment.parent.map(|parent| parent.0),
        payment.return_id.map(|id| id.0),
        payment.provider,
        payment.method,
        payment.provider_reference,
        payment.amount.get(),
        payment.captured.get(),
        payment.held.get(),
        payment.refunded.get(),
        payment.disputed.get(),
        payment.blocked.get(),
        payment.created_at.0,
        payment.updated_at.0,
        encode::metadata(&payment.metadata),
    ])?;
    Ok(())
}

fn payment(conn: &Connection, merchant: MerchantId, payment: &Payment) -> Result<(), Fail> {
    let sql = "UPDATE transactions SET captured = ?3, held = ?4, refunded = ?5, disputed = ?6, \
        blocked = ?7, updated_at = ?8, metadata = ?9 WHERE merchant = ?1 AND number = ?2";
    let count = conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        payment.id.0,
        payment.captured.get(),
        payment.held.get(),
        payment.refunded.get(),
        payment.disputed.get(),
        payment.blocked.get(),
        payment.updated_at.0,
        encode::metadata(&payment.metadata),
    ])?;
    only_one(count, "payment", payment.id.0)
}

fn new_transaction(conn: &Connection, book: &Book, row: &RefundTransaction) -> Result<(), Fail> {
    let sql = "INSERT INTO transactions (merchant, number, order_number, currency, kind, parent, \
        provider, method, provider_reference, amount, refund, execution, state, provider_key, \
        sends, failure_code, failure_message, superseded, message, created_at, updated_at, \
        settled_at) VALUES (?1, ?2, ?3, ?4, 'refund', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, \
        ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)";
    let (code, message) = failure(row.failure.as_ref());
    conn.prepare_cached(sql)?.execute(params![
        book.order.merchant.0,
        row.id.0,
        book.order.id.0,
        book.order.currency.code(),
        row.payment.0,
        row.provider,
        row.method,
        row.provider_reference,
        row.amount.get(),
        row.refund.0,
        row.execution.name(),
        row.state.name(),
        row.key,
        row.sends,
        code,
        message,
        row.superseded,
        row.message,
        row.created_at.0,
        row.updated_at.0,
        row.settled_at.map(|at| at.0),
    ])?;
    Ok(())
}

fn transaction(
    conn: &Connection,
    merchant: MerchantId,
    row: &RefundTransaction,
) -> Result<(), Fail> {
    // A reference once known is not forgotten, so without one its index needs no touch.
    let sql = if row.provider_reference.is_some() {
        "UPDATE transactions SET state = ?3, sends = ?4, failure_code = ?5, failure_message = ?6, \
        superseded = ?7, message = ?8, updated_at = ?9, settled_at = ?10, \
        contradicted = ?12, first_sent_at = ?13, metadata = ?14, provider_reference = ?11 \
        WHERE merchant = ?1 AND number = ?2"
    } else {
        "UPDATE transactions SET state = ?3, sends = ?4, failure_code = ?5, failure_message = ?6, \
        superseded = ?7, message = ?8, updated_at = ?9, settled_at = ?10, contradicted = ?12, \
        first_sent_at = ?13, metadata = ?14 WHERE merchant = ?1 AND number = ?2 AND ?11 IS NULL"
    };
    let (code, message) = failure(row.failure.as_ref());
    let count = conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        row.id.0,
        row.state.name(),
        row.sends,
        code,
        message,
        row.superseded,
        row.message,
        row.updated_at.0,
        row.settled_at.map(|at| at.0),
        row.provider_reference,
        row.contradicted,
        row.first_sent_at.map(|at| at.0),
        encode::metadata(&row.metadata),
    ])?;
    only_one(count, "transaction", row.id.0)
}

fn new_refund(
    conn: &Connection,
    merchant: MerchantId,
    row: &Refund,
    previous: i64,
) -> Result<(), Fail> {
    let sql = "INSERT INTO refunds (merchant, number, order_number, previous, return_number, \
        state, execution, destination, currency, amount, refunded, asked_by, kind, payment, \
        reason, note, failure_code, failure_message, parts, information, metadata, requested_by, \
        confirmed_by, created_at, updated_at, settled_at, information_due, waits_for, \
        counted_on) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
        ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)";
    let (code, message) = failure(row.failure.as_ref());
    conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        row.id.0,
        row.order.0,
        previous,
        row.return_id.map(|id| id.0),
        row.state.name(),
        row.execution.name(),
        row.to.name(),
        row.currency.code(),
        row.amount.get(),
        row.refunded.get(),
        encode::asked_by(&row.asked_by),
        row.kind.map(|kind| kind.name()),
        row.payment.map(|payment| payment.0),
        row.reason,
        row.note,
        code,
        message,
        encode::parts(&row.parts),
        row.information,
        encode::metadata(&row.metadata),
        row.requested_by,
        row.confirmed_by,
        row.created_at.0,
        row.updated_at.0,
        row.settled_at.map(|at| at.0),
        row.information_due.map(|at| at.0),
        row.waits_for.map(|why| why.name()),
        row.counted_on,
    ])?;
    track(conn, merchant, row.id.0, &row.metadata)
}

fn refund(conn: &Connection, merchant: MerchantId, row: &Refund) -> Result<(), Fail> {
    let sql = "UPDATE refunds SET state = ?3, amount = ?4, refunded = ?5, asked_by = ?6, \
        failure_code = ?7, failure_message = ?8, parts = ?9, information = ?10, metadata = ?11, \
        confirmed_by = ?12, updated_at = ?13, settled_at = ?14, information_due = ?15, \
        execution = ?16, counted_on = ?17 WHERE merchant = ?1 AND number = ?2";
    let (code, message) = failure(row.failure.as_ref());
    let count = conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        row.id.0,
        row.state.name(),
        row.amount.get(),
        row.refunded.get(),
        encode::asked_by(&row.asked_by),
        code,
        message,
        encode::parts(&row.parts),
        row.information,
        encode::metadata(&row.metadata),
        row.confirmed_by,
        row.updated_at.0,
        row.settled_at.map(|at| at.0),
        row.information_due.map(|at| at.0),
        row.execution.name(),
        row.counted_on,
    ])?;
    only_one(count, "refund", row.id.0)?;
    track(conn, merchant, row.id.0, &row.metadata)
}

fn new_return(conn: &Connection, merchant: MerchantId, row: &Return) -> Result<(), Fail> {
    let sql = "INSERT INTO returns (merchant, number, order_number, reference, kind, state, \
        items, reason, metadata, created_at, updated_at, closed_at, refunded, by_hand) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        row.id.0,
        row.order.0,
        row.reference,
        row.kind.name(),
        row.state.name(),
        encode::items(&row.items),
        row.reason,
        encode::metadata(&row.metadata),
        row.created_at.0,
        row.updated_at.0,
        row.closed_at.map(|at| at.0),
        row.refunded.get(),
        row.by_hand,
    ])?;
    Ok(())
}

fn return_of(conn: &Connection, merchant: MerchantId, row: &Return) -> Result<(), Fail> {
    let sql = "UPDATE returns SET state = ?3, reason = ?4, metadata = ?5, updated_at = ?6, \
        closed_at = ?7, refunded = ?8, by_hand = ?9 WHERE merchant = ?1 AND number = ?2";
    let count = conn.prepare_cached(sql)?.execute(params![
        merchant.0,
        row.id.0,
        row.state.name(),
        row.reason,
        encode::metadata(&row.metadata),
        row.updated_at.0,
        row.closed_at.map(|at| at.0),
        row.refunded.get(),
        row.by_hand,
    ])?;
    only_one(count, "return", row.id.0)
}

fn work(conn: &Connection, merchant: MerchantId, change: &WorkChange) -> Result<(), Fail> {
    match change {
        WorkChange::Put(work) => {
            let sql = "INSERT INTO work (merchant, queue, subject, due, lease_worker, lease_until) \
                VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET due = excluded.due, \
                lease_worker = excluded.lease_worker, lease_until = excluded.lease_until";
            conn.prepare_cached(sql)?.execute(params![
                merchant.0,
                work.queue.name(),
                work.subject,
                work.due.0,
                work.lease.map(|lease| lease.worker),
                work.lease.map(|lease| lease.until.0),
            ])?;
        }
        WorkChange::Remove { queue, subject } => {
            let sql = "DELETE FROM work WHERE merchant = ?1 AND queue = ?2 AND subject = ?3";
            conn.prepare_cached(sql)?.execute((merchant.0, queue.name(), subject))?;
        }
    }
    Ok(())
}

fn failure(failure: Option<&Failure>) -> (Option<&'static str>, Option<&str>) {
    match failure {
        Some(failure) => (Some(failure.code.name()), Some(&failure.message)),
        None => (None, None),
    }
}

pub fn only_one(count: usize, kind: &str, number: i64) -> Result<(), Fail> {
    if count == 1 {
        return Ok(());
    }
    Err(Fail::Damaged(format!("{kind} {number} is no longer there to be changed")))
}
