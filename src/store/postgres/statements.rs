//! The statements that write rows, one a kind of row, each given one array a column.

use std::sync::LazyLock;

/// Columns and the types of their arrays, such as `number int, reference text`.
struct Fields(Vec<(&'static str, &'static str)>);

impl Fields {
    fn of(text: &'static str) -> Fields {
        let fields = text.split(", ").filter_map(|field| field.split_once(' '));
        Fields(fields.collect())
    }

    fn names(&self) -> String {
        self.0.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    fn places(&self) -> String {
        let place = |(index, (_, kind)): (usize, &(&str, &str))| {
            let kind = match *kind {
                "int" => "bigint",
                "bytes" => "bytea",
                "flag" => "boolean",
                other => other,
            };
            format!("${}::{kind}[]", index + 2)
        };
        self.0.iter().enumerate().map(place).collect::<Vec<_>>().join(", ")
    }
}

fn insert(table: &str, fields: &'static str) -> String {
    let fields = Fields::of(fields);
    let (names, places) = (fields.names(), fields.places());
    format!(
        "INSERT INTO {table} (merchant, {names}) \
        SELECT $1, {names} FROM unnest({places}) AS new ({names})"
    )
}

/// The first `keys` fields say which row, the others what it has from now on. When a row is not
/// there, the division by zero ends the transaction: the commit is already on its way.
fn update(table: &str, keys: usize, fields: &'static str) -> String {
    let fields = Fields::of(fields);
    let equal = |(name, _): &(&str, &str)| format!("kept.{name} = new.{name}");
    let set = |(name, _): &(&str, &str)| format!("{name} = new.{name}");
    format!(
        "WITH done AS (UPDATE {table} AS kept SET {} FROM unnest({}) AS new ({}) \
        WHERE kept.merchant = $1 AND {} RETURNING 1) \
        SELECT 1 / (CASE WHEN count(*) = cardinality($2) THEN 1 ELSE 0 END) FROM done",
        fields.0[keys..].iter().map(set).collect::<Vec<_>>().join(", "),
        fields.places(),
        fields.names(),
        fields.0[..keys].iter().map(equal).collect::<Vec<_>>().join(" AND "),
    )
}

macro_rules! sql {
    ($name:ident, $make:expr) => {
        pub static $name: LazyLock<String> = LazyLock::new(|| $make);
    };
}

sql!(
    INSERT_ORDERS,
    insert(
        "orders",
        "number int, reference text, currency text, customer_reference text, \
        customer_email text, customer_name text, metadata text, fulfilled_at int, \
        captured int, held int, refunded int, blocked int, chain_length int, \
        chain_hash bytes, last_event int, last_refund int, created_at int, \
        updated_at int"
    )
);
sql!(
    UPDATE_ORDERS,
    update(
        "orders",
        1,
        "number int, metadata text, fulfilled_at int, captured int, held int, \
        refunded int, blocked int, chain_length int, chain_hash bytes, last_event int, \
        last_refund int, updated_at int"
    )
);
sql!(
    TRACK,
    format!("{} ON CONFLICT DO NOTHING", insert("tracking", "tracking_id text, number int"))
);
sql!(INSERT_WORDS, insert("customer_words", "word text, number int"));
sql!(
    INSERT_LINES,
    insert(
        "lines",
        "order_number int, position int, kind text, for_line int, sku text, name text, \
        quantity int, amount int, taken int, taken_quantity int, taken_by_quantity int"
    )
);
sql!(
    UPDATE_LINES,
    update(
        "lines",
        2,
        "order_number int, position int, taken int, taken_quantity int, \
        taken_by_quantity int"
    )
);
sql!(
    INSERT_PAYMENTS,
    insert(
        "transactions",
        "number int, order_number int, currency text, kind text, parent int, \
        return_number int, provider text, method text, provider_reference text, \
        amount int, captured int, held int, refunded int, disputed int, blocked int, \
        created_at int, updated_at int, metadata text"
    )
);
sql!(
    UPDATE_PAYMENTS,
    update(
        "transactions",
        1,
        "number int, captured int, held int, refunded int, disputed int, blocked int, \
        updated_at int, metadata text"
    )
);
sql!(
    INSERT_TRANSACTIONS,
    insert(
        "transactions",
        "number int, order_number int, currency text, kind text, parent int, \
        provider text, method text, provider_reference text, amount int, refund int, \
        execution text, state text, provider_key text, sends int, first_sent_at int, \
        failure_code text, failure_message text, superseded flag, contradicted flag, \
        message text, created_at int, updated_at int, settled_at int"
    )
);
sql!(
    UPDATE_TRANSACTIONS,
    update(
        "transactions",
        1,
        "number int, state text, sends int, first_sent_at int, failure_code text, \
        failure_message text, superseded flag, contradicted flag, message text, \
        provider_reference text, updated_at int, settled_at int, metadata text"
    )
);
sql!(
    INSERT_REFUNDS,
    insert(
        "refunds",
        "number int, order_number int, previous int, return_number int, state text, \
        execution text, destination text, currency text, amount int, refunded int, \
        asked_by text, kind text, payment int, reason text, note text, \
        failure_code text, failure_message text, parts text, information bytes, \
        metadata text, requested_by text, confirmed_by text, created_at int, \
        updated_at int, settled_at int, information_due int, waits_for text, counted_on text"
    )
);
sql!(
    UPDATE_REFUNDS,
    update(
        "refunds",
        1,
        "number int, state text, amount int, refunded int, asked_by text, \
        failure_code text, failure_message text, parts text, information bytes, \
        metadata text, confirmed_by text, updated_at int, settled_at int, \
        information_due int, execution text, counted_on text"
    )
);
sql!(
    INSERT_RETURNS,
    insert(
        "returns",
        "number int, order_number int, reference text, kind text, state text, \
        items text, reason text, metadata text, created_at int, updated_at int, \
        closed_at int, refunded int, by_hand int"
    )
);
sql!(
    UPDATE_RETURNS,
    update(
        "returns",
        1,
        "number int, state text, reason text, metadata text, updated_at int, \
        closed_at int, refunded int, by_hand int"
    )
);
sql!(
    PUT_WORK,
    insert("work", "queue text, subject int, due int, lease_worker int, lease_until int")
        + " ON CONFLICT (merchant, queue, subject) DO UPDATE SET due = excluded.due, \
        lease_worker = excluded.lease_worker, lease_until = excluded.lease_until"
);
pub const REMOVE_WORK: &str = "DELETE FROM work USING unnest($2::text[], $3::bigint[]) \
    AS gone (queue, subject) WHERE work.merchant = $1 AND work.queue = gone.queue \
    AND work.subject = gone.subject";
sql!(
    INSERT_EVENTS,
    insert(
        "events",
        "number int, order_number int, previous int, position int, name text, \
        subject_kind text, subject int, happened_at int, done_by text, data text, \
        hash bytes"
    )
);
sql!(INSERT_CLAIMS, insert("claims", "digest bytes, answer int"));
sql!(
    INSERT_ANSWERS,
    insert("answers", "number int, fingerprint bytes, status int, answered_at int, body bytes")
);
sql!(
    INSERT_ACCOUNTS,
    insert(
        "credit_accounts",
        "number int, kind text, currency text, customer text, refund int, balance int, \
        chain_length int, chain_hash bytes, last_event int, created_at int, updated_at int"
    )
);
sql!(
    UPDATE_ACCOUNTS,
    update(
        "credit_accounts",
        1,
        "number int, balance int, code_digest bytes, code_last_four text, chain_length int, \
        chain_hash bytes, last_event int, updated_at int"
    )
);
sql!(
    INSERT_ENTRIES,
    insert(
        "credit_entries",
        "number int, account int, kind text, amount int, balance int, refund int, \
        transaction_number int, undoes int, reference text, done_by text, happened_at int"
    )
);
sql!(UPDATE_DAYS, update("daily_totals", 1, "day text, refunds int, amounts text"));
