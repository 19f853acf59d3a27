//! Rows of a database as values of the domain. The columns of each list are read in the order in
//! which they are named; every store has them by the same names.

use refundry_domain::changes::{Lease, Queue, Work};
use refundry_domain::day::Day;
use refundry_domain::ids::{
    EndpointId, EventId, GatewayId, KeyId, MerchantId, OrderId, RefundId, ReturnId, Timestamp,
    TransactionId,
};
use refundry_domain::merchant::{Connection, Key, Merchant};
use refundry_domain::money::{Currency, Minor};
use refundry_domain::order::{
    Chain, Customer, Line, LineKind, Metadata, Order, Payment, PaymentKind,
};
use refundry_domain::outcome::{Failure, FailureCode};
use refundry_domain::refund::{
    Destination, Execution, Refund, RefundTransaction, State, TransactionState, WaitsFor,
};
use refundry_domain::returns::{Return, ReturnKind, ReturnState};
use refundry_domain::webhook::{Delivery, DeliveryState, DisabledWhy, Endpoint, EndpointState};

pub use super::credits::{ACCOUNT, ENTRY};
use super::encode::{self, Unreadable};
use super::vault::TransferFile;
use super::webhooks;
use super::{Event, Movement, Seal, TransactionRow};

pub const ORDER: &str = "number, reference, currency, customer_reference, customer_email, \
    customer_name, metadata, fulfilled_at, captured, held, refunded, blocked, created_at, \
    updated_at, chain_length, chain_hash, last_event, last_refund";
pub const LINE: &str = "position, kind, for_line, sku, name, quantity, amount, taken, \
    taken_quantity, taken_by_quantity";
pub const TRANSACTION: &str = "number, order_number, currency, kind, parent, return_number, \
    provider, method, provider_reference, amount, captured, held, refunded, disputed, blocked, \
    refund, execution, state, provider_key, sends, first_sent_at, failure_code, failure_message, superseded, \
    contradicted, message, created_at, updated_at, settled_at, metadata";
pub const REFUND: &str = "number, order_number, previous, return_number, state, execution, \
    destination, currency, amount, refunded, asked_by, kind, payment, reason, note, failure_code, \
    failure_message, parts, information, information_due, metadata, requested_by, confirmed_by, \
    created_at, updated_at, settled_at, waits_for, counted_on";
pub const RETURN: &str = "number, order_number, reference, kind, state, items, reason, metadata, \
    refunded, by_hand, created_at, updated_at, closed_at";
pub const EVENT: &str = "merchant, number, order_number, position, name, subject_kind, subject, \
    happened_at, done_by, data, hash, previous";
pub const MERCHANT: &str = "number, name, settings, created_at, updated_at";
pub const KEY: &str =
    "merchant, number, name, scopes, hash, rate_per_second, created_at, revoked_at";
pub const ENDPOINT: &str = "merchant, number, url, format, events, description, state, disabled_why, \
    disabled_at, secrets, cursor, failing_since, revision, created_at, updated_at, lease_worker";
pub const DELIVERY: &str = "endpoint, event, order_number, name, state, due, round, tries, \
    created_at, updated_at";
pub const CONNECTION: &str =
    "merchant, name, number, connector, settings, sealed, enabled, created_at, updated_at";
pub const TRANSFER_FILE: &str =
    "number, message_id, transfers, currency, total, made_by, created_at";
pub const DAY: &str = "day, refunds, amounts";
pub const WORK: &str = "queue, subject, due, lease_worker, lease_until, merchant";
pub const SEAL: &str = "number, last_event, events, digest, sealed_at";

/// An order, and where its lists of events and refunds begin.
pub struct Head {
    pub order: Order,
    pub last_event: i64,
    pub last_refund: i64,
}

pub fn order<'a, C: Columns<'a>>(columns: &mut C, merchant: MerchantId) -> Result<Head, C::Fail> {
    let order = Order {
        id: OrderId(columns.int()?),
        merchant,
        reference: columns.text()?.to_owned(),
        currency: columns.currency()?,
        customer: Customer {
            reference: columns.some_text()?,
            email: columns.some_text()?,
            name: columns.some_text()?,
        },
        metadata: encode::read_metadata(columns.maybe_text()?)?,
        fulfilled_at: columns.some_time()?,
        captured: columns.minor()?,
        held: columns.minor()?,
        refunded: columns.minor()?,
        blocked: columns.minor()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
        chain: Chain { length: columns.int()?, hash: columns.hash()? },
    };
    Ok(Head { order, last_event: columns.int()?, last_refund: columns.int()? })
}

pub fn line<'a, C: Columns<'a>>(columns: &mut C) -> Result<Line, C::Fail> {
    Ok(Line {
        position: columns.small()?,
        kind: columns.named("a line's kind", LineKind::parse)?,
        for_line: columns.some_small()?,
        sku: columns.some_text()?,
        name: columns.some_text()?,
        quantity: columns.small()?,
        amount: columns.minor()?,
        taken: columns.minor()?,
        taken_quantity: columns.small()?,
        taken_by_quantity: columns.minor()?,
    })
}

pub fn transaction<'a, C: Columns<'a>>(columns: &mut C) -> Result<TransactionRow, C::Fail> {
    let id = TransactionId(columns.int()?);
    let order = OrderId(columns.int()?);
    let currency = columns.currency()?;
    let movement = if columns.peek_text()? == "refund" {
        columns.skip(1);
        Movement::Back(refund_transaction(columns, id)?)
    } else {
        Movement::In(payment(columns, id)?)
    };
    Ok(TransactionRow { order, currency, movement })
}

fn payment<'a, C: Columns<'a>>(columns: &mut C, id: TransactionId) -> Result<Payment, C::Fail> {
    let mut payment = Payment {
        id,
        kind: columns.named("a payment's kind", PaymentKind::parse)?,
        parent: columns.some_int()?.map(TransactionId),
        return_id: columns.some_int()?.map(ReturnId),
        provider: columns.text()?.to_owned(),
        method: columns.text()?.to_owned(),
        provider_reference: columns.some_text()?,
        amount: columns.minor()?,
        captured: columns.minor()?,
        held: columns.minor()?,
        refunded: columns.minor()?,
        disputed: columns.minor()?,
        blocked: columns.minor()?,
        metadata: Metadata::new(),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    };
    columns.skip(11);
    payment.created_at = columns.time()?;
    payment.updated_at = columns.time()?;
    columns.skip(1);
    payment.metadata = encode::read_metadata(columns.maybe_text()?)?;
    Ok(payment)
}

fn refund_transaction<'a, C: Columns<'a>>(
    columns: &mut C,
    id: TransactionId,
) -> Result<RefundTransaction, C::Fail> {
    let payment = TransactionId(columns.int()?);
    columns.skip(1);
    let provider = columns.text()?.to_owned();
    let method = columns.text()?.to_owned();
    let provider_reference = columns.some_text()?;
    let amount = columns.minor()?;
    columns.skip(5);
    let mut row = RefundTransaction {
        id,
        payment,
        provider,
        method,
        provider_reference,
        amount,
        refund: RefundId(columns.int()?),
        execution: columns.named("an execution", Execution::parse)?,
        state: columns.named("a transaction's state", TransactionState::parse)?,
        key: columns.text()?.to_owned(),
        sends: columns.small()?,
        first_sent_at: columns.some_time()?,
        failure: columns.failure()?,
        superseded: columns.flag()?,
        contradicted: columns.flag()?,
        message: columns.some_text()?,
        metadata: Metadata::new(),
        created_at: columns.time()?,
        updated_at: columns.time()?,
        settled_at: columns.some_time()?,
    };
    row.metadata = encode::read_metadata(columns.maybe_text()?)?;
    Ok(row)
}

/// Without its transactions; and the number of the order's refund before it.
pub fn refund<'a, C: Columns<'a>>(columns: &mut C) -> Result<(Refund, i64), C::Fail> {
    let id = RefundId(columns.int()?);
    let order = OrderId(columns.int()?);
    let previous = columns.int()?;
    let mut refund = Refund {
        id,
        order,
        return_id: columns.some_int()?.map(ReturnId),
        state: columns.named("a refund's state", State::parse)?,
        execution: columns.named("an execution", Execution::parse)?,
        to: columns.named("a destination", Destination::parse)?,
        currency: columns.currency()?,
        amount: columns.minor()?,
        refunded: columns.minor()?,
        asked_by: encode::read_asked_by(columns.text()?)?,
        kind: columns.some_named("a line's kind", LineKind::parse)?,
        payment: columns.some_int()?.map(TransactionId),
        reason: columns.some_text()?,
        note: columns.some_text()?,
        failure: columns.failure()?,
        parts: encode::read_parts(columns.maybe_text()?)?,
        transactions: Vec::new(),
        information: columns.some_bytes()?,
        information_due: columns.some_time()?,
        metadata: encode::read_metadata(columns.maybe_text()?)?,
        waits_for: None,
        counted_on: None,
        requested_by: columns.text()?.to_owned(),
        confirmed_by: columns.some_text()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
        settled_at: columns.some_time()?,
    };
    refund.waits_for = columns.some_named("what a refund waits for", WaitsFor::parse)?;
    refund.counted_on = columns.some_text()?;
    Ok((refund, previous))
}

pub fn return_of<'a, C: Columns<'a>>(columns: &mut C) -> Result<Return, C::Fail> {
    Ok(Return {
        id: ReturnId(columns.int()?),
        order: OrderId(columns.int()?),
        reference: columns.text()?.to_owned(),
        kind: columns.named("a return's kind", ReturnKind::parse)?,
        state: columns.named("a return's state", ReturnState::parse)?,
        items: encode::read_items(columns.text()?)?,
        reason: columns.text()?.to_owned(),
        metadata: encode::read_metadata(columns.maybe_text()?)?,
        refunded: columns.minor()?,
        by_hand: columns.small()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
        closed_at: columns.some_time()?,
    })
}

/// And the number of the event before it in its chain.
pub fn event<'a, C: Columns<'a>>(columns: &mut C) -> Result<(Event, i64), C::Fail> {
    let merchant = MerchantId(columns.int()?);
    let event = Event {
        id: EventId(columns.int()?),
        merchant,
        order: Some(columns.int()?).filter(|order| *order != 0).map(OrderId),
        position: columns.int()?,
        name: columns.text()?.to_owned(),
        subject_kind: columns.text()?.to_owned(),
        subject: columns.int()?,
        at: columns.time()?,
        by: columns.text()?.to_owned(),
        data: columns.text()?.to_owned(),
        hash: columns.hash()?,
    };
    Ok((event, columns.int()?))
}

pub fn merchant<'a, C: Columns<'a>>(columns: &mut C) -> Result<Merchant, C::Fail> {
    Ok(Merchant {
        id: MerchantId(columns.int()?),
        name: columns.text()?.to_owned(),
        settings: encode::read_settings(columns.text()?)?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}

pub fn key<'a, C: Columns<'a>>(columns: &mut C) -> Result<Key, C::Fail> {
    let merchant = MerchantId(columns.int()?);
    Ok(Key {
        id: KeyId(columns.int()?),
        merchant,
        name: columns.text()?.to_owned(),
        scopes: encode::read_scopes(columns.text()?)?,
        hash: columns.hash()?,
        rate_per_second: columns.small()?,
        created_at: columns.time()?,
        revoked_at: columns.some_time()?,
    })
}

pub fn connection<'a, C: Columns<'a>>(columns: &mut C) -> Result<Connection, C::Fail> {
    let merchant = MerchantId(columns.int()?);
    let name = columns.text()?.to_owned();
    Ok(Connection {
        id: GatewayId(columns.int()?),
        merchant,
        name,
        connector: columns.text()?.to_owned(),
        settings: encode::read_texts(columns.text()?)?,
        sealed: columns.some_bytes()?.unwrap_or_default(),
        enabled: columns.flag()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}

/// The endpoint, and who has its lease.
pub fn endpoint<'a, C: Columns<'a>>(columns: &mut C) -> Result<(Endpoint, Option<i64>), C::Fail> {
    let merchant = MerchantId(columns.int()?);
    let mut endpoint = Endpoint {
        merchant,
        id: EndpointId(columns.int()?),
        url: columns.text()?.to_owned(),
        format: columns.text()?.to_owned(),
        events: webhooks::read_events(columns.text()?),
        description: columns.text()?.to_owned(),
        state: columns.named("an endpoint's state", EndpointState::parse)?,
        disabled: None,
        secrets: Vec::new(),
        cursor: EventId(0),
        failing_since: None,
        revision: 0,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    };
    let why = columns.maybe_text()?;
    let why = why.map(|why| encode::named("a reason", DisabledWhy::parse, why)).transpose()?;
    endpoint.disabled = columns.some_time()?.zip(why);
    endpoint.secrets = columns.some_bytes()?.unwrap_or_default();
    endpoint.cursor = EventId(columns.int()?);
    endpoint.failing_since = columns.some_time()?;
    endpoint.revision = columns.int()?;
    endpoint.created_at = columns.time()?;
    endpoint.updated_at = columns.time()?;
    Ok((endpoint, columns.some_int()?))
}

pub fn delivery<'a, C: Columns<'a>>(columns: &mut C) -> Result<Delivery, C::Fail> {
    let endpoint = EndpointId(columns.int()?);
    let event = EventId(columns.int()?);
    let order = columns.int()?;
    Ok(Delivery {
        endpoint,
        event,
        order: (order != 0).then_some(OrderId(order)),
        name: columns.text()?.to_owned(),
        state: columns.named("a delivery's state", DeliveryState::parse)?,
        due: columns.time()?,
        round: columns.small()?,
        tries: webhooks::read_tries(columns.text()?)?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}

pub fn transfer_file<'a, C: Columns<'a>>(columns: &mut C) -> Result<TransferFile, C::Fail> {
    Ok(TransferFile {
        number: columns.int()?,
        message_id: columns.text()?.to_owned(),
        transfers: columns.small()?,
        currency: columns.currency()?,
        total: columns.minor()?,
        made_by: columns.text()?.to_owned(),
        created_at: columns.time()?,
    })
}

pub fn day<'a, C: Columns<'a>>(columns: &mut C) -> Result<Day, C::Fail> {
    Ok(Day {
        date: columns.text()?.to_owned(),
        refunds: columns.small()?,
        amounts: encode::read_sums(columns.text()?)?,
    })
}

pub fn work<'a, C: Columns<'a>>(columns: &mut C) -> Result<(MerchantId, Work), C::Fail> {
    let queue = columns.named("a queue", Queue::parse)?;
    let (subject, due) = (columns.int()?, columns.time()?);
    let lease = match (columns.some_int()?, columns.some_time()?) {
        (Some(worker), Some(until)) => Some(Lease { worker, until }),
        _ => None,
    };
    Ok((MerchantId(columns.int()?), Work { queue, subject, due, lease }))
}

pub fn seal<'a, C: Columns<'a>>(columns: &mut C) -> Result<Seal, C::Fail> {
    Ok(Seal {
        number: columns.int()?,
        last_event: EventId(columns.int()?),
        events: columns.int()?,
        digest: columns.hash()?,
        at: columns.time()?,
    })
}

/// The columns of a row, one after the other.
pub trait Columns<'a> {
    type Fail: From<Unreadable>;

    fn skip(&mut self, columns: usize);
    fn int(&mut self) -> Result<i64, Self::Fail>;
    fn some_int(&mut self) -> Result<Option<i64>, Self::Fail>;
    fn flag(&mut self) -> Result<bool, Self::Fail>;
    fn maybe_text(&mut self) -> Result<Option<&'a str>, Self::Fail>;
    /// The text of the next column, which stays the next.
    fn peek_text(&mut self) -> Result<&'a str, Self::Fail>;
    fn some_bytes(&mut self) -> Result<Option<Vec<u8>>, Self::Fail>;
    fn hash(&mut self) -> Result<[u8; 32], Self::Fail>;

    fn small(&mut self) -> Result<u32, Self::Fail> {
        let value = self.int()?;
        u32::try_from(value).map_err(|_| encode::unreadable("a count", value).into())
    }

    fn some_small(&mut self) -> Result<Option<u32>, Self::Fail> {
        let value = self.some_int()?;
        let small = |value| u32::try_from(value).map_err(|_| encode::unreadable("a count", value));
        Ok(value.map(small).transpose()?)
    }

    fn minor(&mut self) -> Result<Minor, Self::Fail> {
        let units = self.int()?;
        Ok(encode::minor(units)?)
    }

    fn time(&mut self) -> Result<Timestamp, Self::Fail> {
        Ok(Timestamp(self.int()?))
    }

    fn some_time(&mut self) -> Result<Option<Timestamp>, Self::Fail> {
        Ok(self.some_int()?.map(Timestamp))
    }

    fn text(&mut self) -> Result<&'a str, Self::Fail> {
        let text = self.maybe_text()?;
        text.ok_or_else(|| encode::unreadable("a text column", "nothing").into())
    }

    fn some_text(&mut self) -> Result<Option<String>, Self::Fail> {
        Ok(self.maybe_text()?.map(str::to_owned))
    }

    fn currency(&mut self) -> Result<Currency, Self::Fail> {
        let code = self.text()?;
        Ok(encode::currency(code)?)
    }

    fn named<T>(
        &mut self,
        what: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Self::Fail> {
        let name = self.text()?;
        Ok(encode::named(what, parse, name)?)
    }

    fn some_named<T>(
        &mut self,
        what: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Self::Fail> {
        let name = self.maybe_text()?;
        Ok(name.map(|name| encode::named(what, parse, name)).transpose()?)
    }

    fn failure(&mut self) -> Result<Option<Failure>, Self::Fail> {
        let code = self.some_named("a failure's code", FailureCode::parse)?;
        let message = self.maybe_text()?.unwrap_or_default();
        Ok(code.map(|code| Failure { code, message: message.to_owned() }))
    }
}
